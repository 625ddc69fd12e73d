/*
 * Who may connect: our own accept(2), which libmilter calls in place of libc's.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The executable exports a function of that name, and so comes first when the
 * libraries' calls are bound.  It looks at who connects (SocketPeers) and how
 * many there are (MaxConnections) before libmilter has the descriptor.  What is
 * turned away is closed, and for libmilter it was never there (ECONNABORTED).
 */
#ifndef MILTER_DAEMON_ACCEPT_H
#define MILTER_DAEMON_ACCEPT_H

#include <stdbool.h>

struct conf;
struct errmsg;
struct snapshot;
struct sockspec;

/* Would accept_start succeed, in a process with these rights?  The same
 * words. */
int accept_check(const struct sockspec *spec, const struct snapshot *snap,
    struct errmsg *msg_r);

/* Of that what can be told before the configuration is loaded. */
int accept_descriptors(const struct conf *conf, struct errmsg *msg_r);

/* Get ready, in the process that serves and with its rights; until then every
 * connection is turned away.  Tries whether users can be told on this kind of
 * socket.  EX_OK, or another of sysexits and *msg_r. */
int accept_start(
    const struct sockspec *spec, const struct conf *conf, struct errmsg *msg_r);

/* For prove.c, in a process of its own: let everybody in, and say whether that
 * was asked for. */
void accept_trial(void);
bool accept_tried(void);

#endif
