/* SPDX-License-Identifier: BSD-2-Clause */
#include "crowd.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#define FEW 64	/* so few members that a look over them costs nothing */
#define REST 20 /* the next look comes after so many times the CPU time of the
    last */

struct member {
	int fd;
	uid_t uid;
	ino_t ino; /* tells open sockets apart */
};

struct user {
	uid_t uid;
	size_t n;
};

struct crowd {
	size_t max;
	struct member *members;
	size_t n, room;
	struct user *users; /* users with members */
	size_t n_users, users_room;
	size_t look_at;	    /* number of members from which on a look is worth
	    while */
	int64_t look_again; /* the time of the next look: CLOCK_MONOTONIC,
	    nanoseconds */
};

size_t
crowd_share(size_t max)
{
	return max > 1 ? max / 4 * 3 + max % 4 * 3 / 4 : max;
}

struct crowd *
crowd_new(size_t max)
{
	struct crowd *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->max = max;
	c->look_at = FEW;
	return c;
}

void
crowd_free(struct crowd *c)
{
	if (c == NULL)
		return;
	free(c->members);
	free(c->users);
	free(c);
}

size_t
crowd_max(const struct crowd *c)
{
	return c->max;
}

static int64_t
now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

/* The user's place in the list; a new one at its end with n 0. */
static struct user *
find_user(struct crowd *c, uid_t uid)
{
	for (size_t i = 0; i < c->n_users; i++) {
		if (c->users[i].uid == uid)
			return &c->users[i];
	}
	if (c->n_users == c->users_room) {
		size_t room = c->users_room * 2 + 4;
		struct user *more = realloc(c->users, room * sizeof(*more));

		if (more == NULL)
			return NULL;
		c->users = more;
		c->users_room = room;
	}
	c->users[c->n_users] = (struct user){.uid = uid};
	return &c->users[c->n_users++];
}

static bool
is_open(const struct member *m)
{
	struct stat st;

	return fstat(m->fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_ino == m->ino;
}

/* Remove members whose socket is closed. */
static void
look_over(struct crowd *c)
{
	int64_t begin = now(CLOCK_THREAD_CPUTIME_ID), took;
	size_t kept = 0;

	if (now(CLOCK_MONOTONIC) < c->look_again)
		return;
	for (size_t i = 0; i < c->n; i++) {
		if (is_open(&c->members[i]))
			c->members[kept++] = c->members[i];
		else
			find_user(c, c->members[i].uid)->n--;
	}
	c->n = kept;
	c->look_at = kept * 2 + FEW;
	kept = 0;
	for (size_t i = 0; i < c->n_users; i++) {
		if (c->users[i].n > 0)
			c->users[kept++] = c->users[i];
	}
	c->n_users = kept;
	took = now(CLOCK_THREAD_CPUTIME_ID) - begin;
	c->look_again = now(CLOCK_MONOTONIC) + took * REST;
}

static enum crowd_room
room_for(struct crowd *c, uid_t uid)
{
	const struct user *u = find_user(c, uid);

	if (u == NULL)
		return CROWD_NO_MEMORY;
	if (c->n >= c->max)
		return CROWD_FULL;
	return u->n >= crowd_share(c->max) ? CROWD_USER_FULL : CROWD_ROOM;
}

enum crowd_room
crowd_add(struct crowd *c, int fd, uid_t uid)
{
	enum crowd_room room;
	struct stat st;

	/* So the list stays in proportion to the open connections. */
	if (c->n >= c->look_at)
		look_over(c);
	room = room_for(c, uid);
	if (room == CROWD_FULL || room == CROWD_USER_FULL) {
		look_over(c);
		room = room_for(c, uid);
	}
	if (room != CROWD_ROOM)
		return room;
	if (c->n == c->room) {
		size_t more = c->room * 2 + 16;
		struct member *m = realloc(c->members, more * sizeof(*m));

		if (m == NULL)
			return CROWD_NO_MEMORY;
		c->members = m;
		c->room = more;
	}
	if (fstat(fd, &st) != 0)
		return CROWD_NO_MEMORY;
	c->members[c->n++] =
	    (struct member){.fd = fd, .uid = uid, .ino = st.st_ino};
	find_user(c, uid)->n++;
	return CROWD_ROOM;
}
