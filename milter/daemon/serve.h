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
	/* Found before the first load, and told with what that finds: mistakes
	 * (NULL: none), warnings. */
	const struct errlist *wrong, *warnings;
	/* We are not UserID, and can't be: what is closed to us is not told. */
	bool stranger;
	/* Has been read, with the list that it has; NULL: read the file. */
	struct conf *conf;
};

/*
 * Read the configuration with the rights in force, serve on the socket that
 * callbacks_open opened, until TERM, INT or HUP.  EX_OK, or another of
 * sysexits, which the log was told the reason of.  All signals must be blocked.
 */
int serve(const struct serve_options *o);

/* May we serve with a libmilter of which that was proved?  EX_OK, or
 * EX_UNAVAILABLE and *msg_r. */
int serve_check_door(enum prove_result proved, const struct snapshot *snap,
    struct errmsg *msg_r);

/* May we have as many threads as serve starts?  EX_OK, or EX_OSERR and
 * *msg_r. */
int serve_check_threads(struct errmsg *msg_r);

/* How to log, by the configuration and the flags. */
void serve_log(const struct serve_options *o, const struct conf *conf,
    struct log_options *log_r);
/* Load and log the warnings, as `file:line: warning: Keyword: ...`.  Every
 * mistake is said, with what to do if a file named in it is closed to us: where
 * there is an old snapshot, which stays in force, in the log; otherwise as
 * log_fatal does.  Of what is refused no warnings are logged, but for those
 * that have no place: they tell what has happened.  0, or a negative ERR_. */
int serve_load(const struct serve_options *o, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r);

#endif
