/*
 * Who has the socket or pid file that we want?  For `postern -n`, which is run
 * while the daemon runs as well.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_HOLDER_H
#define MILTER_DAEMON_HOLDER_H

#include <stdbool.h>

struct errmsg;

enum holder {
	HOLDER_SAME,	/* the daemon that serves this configuration */
	HOLDER_POSTERN, /* that of another */
	HOLDER_OTHER,	/* another process */
	HOLDER_UNKNOWN, /* the system does not say, as to an ordinary user */
};

/* Is the process (0: none is known) a postern with that configuration (NULL:
 * none)? */
enum holder holder_of(long pid, const char *config);

/* What a socket or pid file is looked at for. */
struct holder_for {
	bool start;	    /* to have it */
	const char *config; /* otherwise only in advance, for this one */
};

/* What that process has, `what` of that name, is in the way of a start.  Of a
 * check in advance it is not if the process is a postern, which may be stopped
 * before the start; and *warning_r tells of that of another configuration. */
bool holder_passes(const struct holder_for *f, long pid, const char *what,
    const char *name, struct errmsg *warning_r);
/* For `ps` and for who is started meanwhile: this process is about to end.  To
 * be called by the main thread; safe in a signal handler. */
void holder_end(void);
/* Of a start: the process is a postern that is about to end, and may be waited
 * for; or it is not seen, and may be gone.  *steps begins as 0. */
bool holder_ends(const struct holder_for *f, long pid, int *steps);
/* The process that listens on the TCP port (in host order); 0: none that we may
 * see. */
long holder_find(unsigned port);

#endif
