/* SPDX-License-Identifier: BSD-2-Clause */
#include "users.h"

#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* Octets for one entry of the data base: a group may have many members. */
#define ROOM_MIN 1024
#define ROOM_MAX (16 * 1024 * 1024)

/* The walk through all users is one a process: libc keeps where it is. */
static pthread_mutex_t walk = PTHREAD_MUTEX_INITIALIZER;

struct room {
	char *data;
	size_t size;
};

/* Once more, with more room?  *rc is what the look-up returned, and -1 before
 * the first one. */
static bool
again(struct room *room, int *rc)
{
	char *more;
	size_t size = room->size;

	if (*rc == EINTR || (*rc == -1 && size > 0))
		return true;
	size = size == 0 ? ROOM_MIN : size * 4;
	if ((*rc != -1 && *rc != ERANGE) || size > ROOM_MAX)
		return false;
	more = realloc(room->data, size);
	if (more == NULL) {
		*rc = ENOMEM;
		return false;
	}
	room->data = more;
	room->size = size;
	return true;
}

/* Of what a look-up returned.  The numbers that mean "not there", as
 * getpwnam_r(3) lists them, can't be told from failures. */
static int
outcome(int rc, bool found)
{
	if (found)
		return 0;
	errno = rc;
	return rc == 0 || rc == ENOENT || rc == ESRCH || rc == EBADF ||
		rc == EPERM
	    ? ERR_NOTFOUND
	    : rc == ENOMEM ? ERR_NOMEM
			   : ERR_SYSTEM;
}

static int
find_user(const char *name, uid_t uid, struct user *user_r)
{
	struct room room = {0};
	struct passwd pw, *found = NULL;
	int rc = -1;

	while (again(&room, &rc))
		rc = name != NULL
		    ? getpwnam_r(name, &pw, room.data, room.size, &found)
		    : getpwuid_r(uid, &pw, room.data, room.size, &found);
	if (found != NULL) {
		snprintf(user_r->name, sizeof(user_r->name), "%s", pw.pw_name);
		user_r->uid = pw.pw_uid;
		user_r->gid = pw.pw_gid;
	}
	free(room.data);
	return outcome(rc, found != NULL);
}

int
users_find(const char *name, struct user *user_r)
{
	return find_user(name, 0, user_r);
}

int
users_find_uid(uid_t uid, struct user *user_r)
{
	return find_user(NULL, uid, user_r);
}

bool
users_number(const char *word, unsigned long *id_r)
{
	char *end;

	errno = 0;
	*id_r = strtoul(word, &end, 10);
	return word[0] >= '0' && word[0] <= '9' && *end == '\0' &&
	    errno == 0 && *id_r < 0xffffffffUL;
}

int
users_find_word(const char *word, struct user *user_r)
{
	unsigned long id;
	int rc = users_find(word, user_r);

	if (rc != 0 && users_number(word, &id))
		rc = users_find_uid((uid_t)id, user_r);
	return rc;
}

/* *group_r is in the room, which is the caller's to free. */
static int
find_group(
    const char *name, gid_t gid, struct group *group_r, struct room *room)
{
	struct group *found = NULL;
	int rc = -1;

	while (again(room, &rc))
		rc = name != NULL
		    ? getgrnam_r(name, group_r, room->data, room->size, &found)
		    : getgrgid_r(gid, group_r, room->data, room->size, &found);
	return outcome(rc, found != NULL);
}

int
users_find_group(const char *name, gid_t *gid_r)
{
	struct room room = {0};
	struct group group;
	int rc = find_group(name, 0, &group, &room);

	if (rc == 0)
		*gid_r = group.gr_gid;
	free(room.data);
	return rc;
}

const char *
users_name(uid_t uid, char name_r[USERS_NAME_SIZE])
{
	struct user user;

	if (users_find_uid(uid, &user) == 0)
		memcpy(name_r, user.name, USERS_NAME_SIZE);
	else
		snprintf(name_r, USERS_NAME_SIZE, "%lu", (unsigned long)uid);
	return name_r;
}

const char *
users_group_name(gid_t gid, char name_r[USERS_NAME_SIZE])
{
	struct room room = {0};
	struct group group;

	if (find_group(NULL, gid, &group, &room) == 0)
		snprintf(name_r, USERS_NAME_SIZE, "%s", group.gr_name);
	else
		snprintf(name_r, USERS_NAME_SIZE, "%lu", (unsigned long)gid);
	free(room.data);
	return name_r;
}

/* The next one of the walk, whose lock is held. */
static bool
next_user(struct room *room, struct passwd *pw)
{
	struct passwd *entry = NULL;
	int rc = -1;

	while (again(room, &rc))
		rc = getpwent_r(pw, room->data, room->size, &entry);
	return entry != NULL;
}

/* A user but root and that one whose first group this is. */
static bool
first_group_of(gid_t gid, uid_t uid, char who_r[USERS_NAME_SIZE])
{
	struct room room = {0};
	struct passwd pw;
	bool is = false;

	pthread_mutex_lock(&walk);
	setpwent();
	while (!is && next_user(&room, &pw))
		is = pw.pw_gid == gid && pw.pw_uid != 0 && pw.pw_uid != uid;
	endpwent();
	pthread_mutex_unlock(&walk);
	if (is)
		snprintf(who_r, USERS_NAME_SIZE, "%s", pw.pw_name);
	free(room.data);
	return is;
}

bool
users_group_others(gid_t gid, uid_t uid, char who_r[USERS_NAME_SIZE])
{
	struct room room = {0};
	struct group group;
	struct user user;
	bool is = false;

	if (first_group_of(gid, uid, who_r))
		return true;
	if (find_group(NULL, gid, &group, &room) != 0) {
		free(room.data);
		snprintf(who_r, USERS_NAME_SIZE, "whoever gets that group");
		return true;
	}
	for (char **m = group.gr_mem; *m != NULL && !is; m++) {
		is = users_find(*m, &user) != 0 ||
		    (user.uid != 0 && user.uid != uid);
		if (is)
			snprintf(who_r, USERS_NAME_SIZE, "%s", *m);
	}
	free(room.data);
	return is;
}
