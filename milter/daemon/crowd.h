/*
 * Counts connections and their users, for MaxConnections.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libmilter closes some descriptors without calling us, so the end of a
 * connection can't be counted.  Instead accepted connections are kept in a
 * list.  When it has grown or is full, those are removed whose descriptor is
 * not the same socket any more.  Such looks take a twentieth of the CPU time at
 * most, so that many attempts to connect stay cheap.
 */
#ifndef MILTER_DAEMON_CROWD_H
#define MILTER_DAEMON_CROWD_H

#include <stddef.h>
#include <sys/types.h>

struct crowd;

/* All connections whose user is not known count as this user's. */
#define CROWD_UNKNOWN ((uid_t)-1)

enum crowd_room {
	CROWD_ROOM,
	CROWD_FULL,	 /* the maximum is reached */
	CROWD_USER_FULL, /* the user has three quarters of the maximum */
	CROWD_NO_MEMORY,
};

/* For max connections (1 or more).  Only one thread may use it.  The caller's
 * (crowd_free); NULL: no memory. */
struct crowd *crowd_new(size_t max);
void crowd_free(struct crowd *c);

/* Add a socket of that user, if there is room. */
enum crowd_room crowd_add(struct crowd *c, int fd, uid_t uid);

size_t crowd_max(const struct crowd *c);
/* How many of max connections one user may have. */
size_t crowd_share(size_t max);

#endif
