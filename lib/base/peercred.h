/*
 * Which user of this machine is at the other end of a connection?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A local socket carries the user who connected (SO_PEERCRED, unix(7)).  For
 * TCP the kernel is asked for the peer's own socket (sock_diag(7)).  What it
 * says of a socket that is no longer ESTABLISHED, or that no process has open
 * (inode 0), is worth nothing: the user of a closed one is given as 0.
 */
#ifndef LIB_BASE_PEERCRED_H
#define LIB_BASE_PEERCRED_H

#include <sys/types.h>

struct peercred;

enum peercred_result {
	PEERCRED_USER,	 /* of this machine; *uid_r is who */
	PEERCRED_REMOTE, /* of another machine or network namespace: a user
			    can't be known */
	PEERCRED_GONE,	 /* of this machine, and closed by now in one direction
			    at least: it can't be known who it was */
	PEERCRED_ERROR,	 /* the kernel can't be asked; errno says why */
};

/* Holds two netlink sockets; NULL: there are none to be had, see errno.  For
 * one thread at a time.  The caller's, peercred_free. */
struct peercred *peercred_new(void);
void peercred_free(struct peercred *pc);

/* Who is the peer of a connected stream socket?  pc NULL: as if the kernel
 * could not be asked of TCP. */
enum peercred_result peercred_find(struct peercred *pc, int fd, uid_t *uid_r);

/* Can it be told of TCP at all?  Tried on a connection of this process with
 * itself (family AF_INET or AF_INET6, loopback).  0; ERR_SYSTEM, see errno. */
int peercred_try(struct peercred *pc, int family);

#endif
