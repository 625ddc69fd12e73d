/*
 * The chain's driver for libmilter.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_CALLBACKS_H
#define MILTER_DAEMON_CALLBACKS_H

/*
 * Register the callbacks and open the socket (libmilter's syntax); a local
 * socket that is there is removed.  Call it before privileges are dropped.
 * debug: libmilter's own level.  0, or ERR_SYSTEM; libmilter gives the reason
 * only to the system's log.
 */
int callbacks_open(const char *socket, int debug);
/* Serve.  Returns when libmilter gives up (ERR_SYSTEM), or when a signal
 * reached libmilter's own thread (0). */
int callbacks_run(void);

/* To stop: accept no new sessions from now on.  Returns how many messages are
 * still under way. */
int callbacks_closing(void);
/* Let every callback wait from now on, and close all sessions for which none
 * runs.  Returns how many sessions are left; may be called again.  The process
 * must end after that, by _exit if any is left. */
int callbacks_shut(void);

#endif
