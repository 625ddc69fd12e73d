/*
 * How many connections there are, and whose: MaxConnections.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Nobody says when a connection ends: libmilter closes descriptors without
 * calling us for some of them.  So the ones that came are kept in a list, and
 * where that has grown or is full, those go from it whose descriptor is no
 * longer the same socket.  Such a look over all of them may take a twentieth of
 * the time at most, so that asking again and again is cheap for us.
 */
#ifndef MILTER_DAEMON_CROWD_H
#define MILTER_DAEMON_CROWD_H

#include <stddef.h>
#include <sys/types.h>

struct crowd;

/* Whose user is not known, all together. */
#define CROWD_UNKNOWN ((uid_t)-1)

enum crowd_room {
	CROWD_ROOM,
	CROWD_FULL,	 /* as many as may be */
	CROWD_USER_FULL, /* three quarters are this user's */
	CROWD_NO_MEMORY,
};

/* For max connections (1 or more).  One thread may use it; the caller's,
 * crowd_free.  NULL: no memory. */
struct crowd *crowd_new(size_t max);
void crowd_free(struct crowd *c);

/* Take a socket of that user in, if there is room. */
enum crowd_room crowd_add(struct crowd *c, int fd, uid_t uid);

size_t crowd_max(const struct crowd *c);
/* How many one user may have of so many. */
size_t crowd_share(size_t max);

#endif
