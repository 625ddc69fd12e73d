/*
 * Which process has the socket or pid file that we want?  `postern -n` needs
 * this, because it is also run while the daemon runs.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_HOLDER_H
#define MILTER_DAEMON_HOLDER_H

#include <stdbool.h>

struct errmsg;

enum holder {
	HOLDER_SAME,	/* the daemon that serves this configuration */
	HOLDER_POSTERN, /* a postern with another one */
	HOLDER_OTHER,	/* another process */
	HOLDER_UNKNOWN, /* not known: the system does not show it to an ordinary
	    user */
};

/* Is the process (0: none is known) a postern with that configuration (NULL:
 * none)? */
enum holder holder_of(long pid, const char *config);

/* Why a socket or pid file is checked. */
struct holder_for {
	bool start;	    /* to start with it */
	const char *config; /* if not `start`: a check in advance for this
	    configuration */
};

/* The process has the file `name` (what: a word for it), which prevents a
 * start.  May a check pass all the same?  It does if the process is a postern,
 * which may be stopped before the start; if that has another configuration,
 * *warning_r says so. */
bool holder_passes(const struct holder_for *f, long pid, const char *what,
    const char *name, struct errmsg *warning_r);
/* Show `ps`, and a postern that is started meanwhile, that this process is
 * about to end.  Only the main thread may call it; safe in a signal handler. */
void holder_end(void);
/* For a start: wait a step if the process is a postern that is about to end, or
 * can't be seen, because it may have ended.  False: do not wait (longer).
 * *steps is 0 at first. */
bool holder_ends(const struct holder_for *f, long pid, int *steps);
/* The process that listens on the TCP port (in host order); 0: none that we can
 * see. */
long holder_find(unsigned port);

#endif
