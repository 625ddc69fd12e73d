/*
 * The process that serves: its threads and signals, reload and stop.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_SERVE_H
#define MILTER_DAEMON_SERVE_H

#include <stdbool.h>

#include "milter/snapshot.h"
#include "prove.h"

struct conf;
struct errlist;
struct errmsg;
struct log_options;
struct sockspec;

struct serve_options {
	const char *config; /* the file; NULL: none */
	bool syslog;        /* -l: whatever the file says */
	const struct sockspec *socket; /* where callbacks_open listens */
	enum prove_result proved;
	/* Mistakes (NULL: none) and warnings that were found before the first
	 * load; they are logged with those of the load. */
	const struct errlist *wrong, *warnings;
	/* We are another user than UserID, and can't become it: files that we
	 * may not read are not reported. */
	bool stranger;
	/* The conf, if it was read already, with its list; NULL: read the
	 * file. */
	struct conf *conf;
};

/*
 * Read the configuration with the rights in force, and serve on the socket that
 * callbacks_open opened, until TERM, INT or HUP.  All signals must be blocked.
 * EX_OK, or another of sysexits after logging the reason.
 */
int serve(const struct serve_options *o);

/* May we serve with this libmilter, given which of our functions it calls?
 * EX_OK, or EX_UNAVAILABLE and *msg_r. */
int serve_check_calls(enum prove_result proved, const struct snapshot *snap,
    struct errmsg *msg_r);

/* May we have as many threads as serve starts?  EX_OK, or EX_OSERR and
 * *msg_r. */
int serve_check_threads(struct errmsg *msg_r);

/* How to log, by the configuration and the flags. */
void serve_log(const struct serve_options *o, const struct conf *conf,
    struct log_options *log_r);
/* Load, and log the warnings as `file:line: warning: Keyword: ...`.  Every
 * mistake is logged, with the cure if a file named in it may not be read: with
 * an old snapshot, which stays in force, by log_line; otherwise by log_fatal.
 * If the load fails, only warnings without a place are logged, because they
 * report what has happened.  0, or a negative ERR_. */
int serve_load(const struct serve_options *o, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r);

#endif
