/*
 * The chain's driver for libmilter.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_DAEMON_CALLBACKS_H
#define MILTER_DAEMON_CALLBACKS_H

/*
 * Register the callbacks and open the socket (libmilter's syntax); a local
 * socket that is there is removed.  Call it before privileges are dropped.
 * debug: libmilter's own level.  0, or ERR_SYSTEM, of which libmilter tells
 * only the system's log the reason.
 */
int callbacks_open(const char *socket, int debug);
/* Serve.  Returns when libmilter gives up (ERR_SYSTEM), or when a signal
 * reached libmilter's own thread (0). */
int callbacks_run(void);

/* To stop: take no new sessions from now on.  How many messages are under way
 * still? */
int callbacks_closing(void);
/* Run no callback from now on, and close all sessions that none runs for.
 * Returns how many are left; call it again to see them go. The process has to
 * end then, by _exit if any is left. */
int callbacks_shut(void);

#endif
