/*
 * The chain's driver for libmilter.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CALLBACKS_H
#define MILTER_CALLBACKS_H

struct errmsg;
struct snapshot;

/*
 * Name the socket (libmilter's syntax), register the callbacks and open the
 * socket; a stale local socket is removed, a live one is an error.  Call it
 * before privileges are dropped.  0, or ERR_CONFIG and *msg_r.
 */
int callbacks_open(const char *socket, struct errmsg *msg_r);
/* Sessions that begin from now on use this snapshot; takes the caller's
 * reference.  NULL: let go of the last one. */
void callbacks_use(struct snapshot *snap);
/* The snapshot in force, with a reference for the caller. */
struct snapshot *callbacks_current(void);
/* Serve until asked to stop.  0, or ERR_SYSTEM. */
int callbacks_run(void);
/* Make callbacks_run return. */
void callbacks_stop(void);

#endif
