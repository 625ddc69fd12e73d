/*
 * Our own mi_rd_cmd: the function by which libmilter reads a packet; and poll,
 * by which it asks whether there is one.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libmilter calls them as any other function of a shared library, so that one
 * of this name in the executable takes its place.  A packet that packet_check
 * refuses ends the connection before libmilter's engine has it.
 */
#ifndef MILTER_DAEMON_READER_H
#define MILTER_DAEMON_READER_H

#include <stddef.h>
#include <sys/time.h>

/*
 * Read one packet from a connected stream socket.  The octets behind the
 * command (*cmd_r), *len_r of them, are the caller's (free); NULL where there
 * are none, or on an end of the connection: then *cmd_r is below ' ', as
 * libmilter's engine expects.  The packet must be there within *timeout.
 */
char *mi_rd_cmd(
    int fd, struct timeval *timeout, char *cmd_r, size_t *len_r, char *name);

/* A connection has been accepted: what was held for another one of this number
 * is not its.  Only of a descriptor that was said here are packets held. */
void reader_begin(int fd);

/* For prove.c, in a process of its own: have it call this. */
void reader_trial(void (*called)(void));

#endif
