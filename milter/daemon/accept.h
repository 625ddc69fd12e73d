/*
 * Who may connect: our own accept(2), which libmilter calls in place of libc's.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The executable exports a function of that name, so that the libraries' calls
 * are bound to it.  It checks who connects (SocketPeers) and how many
 * connections there are (MaxConnections) before libmilter gets the descriptor.
 * A connection that is turned away is closed, and libmilter gets ECONNABORTED.
 */
#ifndef MILTER_DAEMON_ACCEPT_H
#define MILTER_DAEMON_ACCEPT_H

#include <stdbool.h>

struct conf;
struct errmsg;
struct snapshot;
struct sockspec;

/* Would accept_start succeed, in a process with these rights?  Returns the
 * same. */
int accept_check(const struct sockspec *spec, const struct snapshot *snap,
    struct errmsg *msg_r);

/* The part of accept_check that needs no snapshot: are there descriptors
 * enough? */
int accept_descriptors(const struct conf *conf, struct errmsg *msg_r);

/* Set up, in the process that serves and with its rights; until then every
 * connection is turned away.  Tests whether users can be found on this kind of
 * socket.  EX_OK, or another of sysexits and *msg_r. */
int accept_start(
    const struct sockspec *spec, const struct conf *conf, struct errmsg *msg_r);

/* For prove.c, in a process of its own: accept every connection from now on;
 * and was accept called since? */
void accept_trial(void);
bool accept_tried(void);

#endif
