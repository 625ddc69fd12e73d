/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/users.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* A system of our own: what the look-ups below find. */
static struct {
	int rc;		    /* they fail with it */
	int interrupted;    /* so often first */
	size_t least;	    /* octets that an entry takes */
	const char *member; /* of the group 500 */
	size_t at;	    /* where the walk is */
} db;

static struct passwd users[] = {
    {.pw_name = (char *)"root", .pw_uid = 0, .pw_gid = 500},
    {.pw_name = (char *)"toor", .pw_uid = 0, .pw_gid = 0},
    {.pw_name = (char *)"postern", .pw_uid = 100, .pw_gid = 100},
    {.pw_name = (char *)"alice", .pw_uid = 1000, .pw_gid = 1000},
    {.pw_name = (char *)"carol", .pw_uid = 1001, .pw_gid = 600},
};

static int
refuses(size_t size)
{
	if (db.interrupted > 0) {
		db.interrupted--;
		return EINTR;
	}
	return db.rc != 0 ? db.rc : size < db.least ? ERANGE : 0;
}

static int
give(const struct passwd *u, size_t size, struct passwd *pw,
    struct passwd **found)
{
	int rc = refuses(size);

	*found = NULL;
	if (rc == 0 && u != NULL) {
		*pw = *u;
		*found = pw;
	}
	return rc;
}

int __wrap_getpwnam_r(const char *name, struct passwd *pw, char *room,
    size_t size, struct passwd **found);
int __wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *room, size_t size,
    struct passwd **found);
int __wrap_getpwent_r(
    struct passwd *pw, char *room, size_t size, struct passwd **found);
int __wrap_getgrgid_r(gid_t gid, struct group *gr, char *room, size_t size,
    struct group **found);
int __wrap_getgrnam_r(const char *name, struct group *gr, char *room,
    size_t size, struct group **found);
void __wrap_setpwent(void);

int
__wrap_getpwnam_r(const char *name, struct passwd *pw, char *room,
    size_t size, struct passwd **found)
{
	const struct passwd *u = NULL;

	(void)room;
	for (size_t i = 0; i < COUNT(users); i++) {
		if (strcmp(users[i].pw_name, name) == 0)
			u = &users[i];
	}
	return give(u, size, pw, found);
}

int
__wrap_getpwuid_r(uid_t uid, struct passwd *pw, char *room, size_t size,
    struct passwd **found)
{
	const struct passwd *u = NULL;

	(void)room;
	for (size_t i = COUNT(users); i-- > 0;) {
		if (users[i].pw_uid == uid)
			u = &users[i];
	}
	return give(u, size, pw, found);
}

void
__wrap_setpwent(void)
{
	db.at = 0;
}

int
__wrap_getpwent_r(
    struct passwd *pw, char *room, size_t size, struct passwd **found)
{
	int rc;

	(void)room;
	if (db.at == COUNT(users)) {
		*found = NULL;
		return ENOENT;
	}
	rc = give(&users[db.at], size, pw, found);
	db.at += rc == 0;
	return rc;
}

/* The members stand where the caller gave room for them. */
static int
give_group(bool known, gid_t gid, struct group *gr, char *room, size_t size,
    struct group **found)
{
	int rc = refuses(size);
	char **members = (char **)(void *)room;

	*found = NULL;
	if (rc != 0 || !known)
		return rc;
	if (size < 3 * sizeof(*members) + 64)
		return ERANGE;
	members[0] = (char *)"root";
	members[1] = (char *)(gid == 500 ? db.member : NULL);
	members[2] = NULL;
	*gr = (struct group){
	    .gr_name = (char *)"keys", .gr_gid = gid, .gr_mem = members};
	*found = gr;
	return 0;
}

int
__wrap_getgrgid_r(gid_t gid, struct group *gr, char *room, size_t size,
    struct group **found)
{
	return give_group(
	    gid == 500 || gid == 600, gid, gr, room, size, found);
}

int
__wrap_getgrnam_r(const char *name, struct group *gr, char *room, size_t size,
    struct group **found)
{
	return give_group(
	    strcmp(name, "keys") == 0, 500, gr, room, size, found);
}

static int
set_up(void **state)
{
	(void)state;
	memset(&db, 0, sizeof(db));
	return 0;
}

static void
finds(void **state)
{
	struct user user;
	gid_t gid;

	(void)state;
	assert_int_equal(users_find("alice", &user), 0);
	assert_string_equal(user.name, "alice");
	assert_int_equal(user.uid, 1000);
	assert_int_equal(user.gid, 1000);
	assert_int_equal(users_find_uid(100, &user), 0);
	assert_string_equal(user.name, "postern");
	assert_int_equal(users_find_group("keys", &gid), 0);
	assert_int_equal(gid, 500);
	assert_int_equal(users_find("bob", &user), ERR_NOTFOUND);
	assert_int_equal(users_find_uid(7, &user), ERR_NOTFOUND);
	assert_int_equal(users_find_group("nokeys", &gid), ERR_NOTFOUND);
	assert_int_equal(users_find_word("alice", &user), 0);
	assert_int_equal(users_find_word("1001", &user), 0);
	assert_string_equal(user.name, "carol");
	assert_int_equal(users_find_word("7", &user), ERR_NOTFOUND);
	assert_int_equal(users_find_word("100x", &user), ERR_NOTFOUND);
}

/* What libc can't say at once, and what it can't say at all. */
static void
asks_again(void **state)
{
	char name[USERS_NAME_SIZE];
	struct user user;
	gid_t gid;

	(void)state;
	db.least = 300000;
	db.interrupted = 3;
	assert_int_equal(users_find("alice", &user), 0);
	assert_int_equal(users_find_group("keys", &gid), 0);
	users_group_name(500, name);
	assert_string_equal(name, "keys");
	db.least = (size_t)1 << 30;
	assert_int_equal(users_find("alice", &user), ERR_SYSTEM);
	assert_int_equal(errno, ERANGE);
	db.least = 0;
	db.rc = EIO;
	assert_int_equal(users_find_uid(100, &user), ERR_SYSTEM);
	assert_int_equal(errno, EIO);
	users_name(100, name);
	assert_string_equal(name, "100");
	users_name((uid_t)4294967294U, name);
	assert_string_equal(name, "4294967294");
	db.rc = ENOENT;
	assert_int_equal(users_find_uid(100, &user), ERR_NOTFOUND);
}

static void
says_who_is_in_a_group(void **state)
{
	static const struct {
		const char *member;
		gid_t gid;
		uid_t us;
		const char *who;
	} cases[] = {
	    {NULL, 500, 100, NULL},
	    {"postern", 500, 100, NULL},
	    {"postern", 500, 0, "postern"},
	    {"toor", 500, 100, NULL},
	    {"alice", 500, 100, "alice"},
	    {"gone", 500, 100, "gone"},
	    {NULL, 600, 100, "carol"},
	    {NULL, 600, 1001, NULL},
	    {NULL, 700, 100, "whoever gets that group"},
	};
	char who[USERS_NAME_SIZE];

	(void)state;
	for (int large = 0; large < 2; large++) {
		db.least = large ? 70000 : 0;
		for (size_t i = 0; i < COUNT(cases); i++) {
			db.member = cases[i].member;
			assert_int_equal(users_group_others(cases[i].gid,
					     cases[i].us, who),
			    cases[i].who != NULL);
			if (cases[i].who != NULL)
				assert_string_equal(who, cases[i].who);
		}
	}
	db.rc = EIO; /* then nobody can be trusted */
	assert_true(users_group_others(500, 100, who));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(finds, set_up),
	    cmocka_unit_test_setup(asks_again, set_up),
	    cmocka_unit_test_setup(says_who_is_in_a_group, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
