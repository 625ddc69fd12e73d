/*
 * Files that several processes map: found, looked at, made, replaced.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/base/shared.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "t/support/drivers/test.h"

#define NOW 1700000000
#define SIZE 16384

static const struct shared_kind kind = {.magic = "a test's file",
    .what = "file of a test",
    .version = 2,
    .body_min = 4096,
    .body_max = 65536};

struct rig {
	char dir[32], path[64], new_path[64];
	struct shared m;
	struct shared_report report;
	struct errmsg msg;
};

static int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/dev/shm/shared.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/f", r->dir);
	snprintf(r->new_path, sizeof(r->new_path), "%s/f.new", r->dir);
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;
	int rc;

	shared_close(&r->m);
	unlink(r->path);
	if (r->report.bad_path[0] != '\0')
		unlink(r->report.bad_path);
	rc = rmdir(r->dir); /* nothing else was left */
	free(r);
	return rc;
}

/* What fill saw. */
struct seen {
	unsigned calls;
	size_t old_size; /* 0: there was none */
};

static void
fill(void *arg, struct shared *made, const struct shared *old)
{
	struct seen *seen = arg;

	seen->calls++;
	seen->old_size = old == NULL ? 0 : old->size;
	if (old != NULL)
		memcpy(made->body, old->body,
		    old->size < made->size ? old->size : made->size);
}

static int
try_open(struct rig *r, size_t size, struct seen *seen)
{
	shared_close(&r->m);
	return shared_open(&r->m, &kind, r->path, size, NOW,
	    seen == NULL ? NULL : fill, seen, &r->report, &r->msg);
}

static void
open_as(struct rig *r, size_t size, enum shared_event event)
{
	if (try_open(r, size, NULL) != 0)
		fail_msg("%s", r->msg.text);
	assert_int_equal(r->report.event, event);
	assert_int_equal(r->m.size, size);
}

static void
write_at(const struct rig *r, off_t at, const void *octets, size_t len)
{
	int fd = open(r->path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, octets, len, at), len);
	close(fd);
}

static void
is_made_and_found_again(void **state)
{
	struct rig *r = *state;
	struct seen seen = {0};
	struct shared other;
	uint64_t key[2];
	struct stat st;

	assert_int_equal(try_open(r, SIZE, &seen), 0);
	assert_int_equal(r->report.event, SHARED_CREATED);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.old_size, 0);
	assert_int_equal(r->m.made, NOW);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, SIZE + SHARED_HEADER_SIZE);
	assert_true(st.st_blocks * 512 >= st.st_size);
	for (int i = 0; i < SIZE; i++)
		assert_int_equal(((char *)r->m.body)[i], 0);
	memcpy(key, r->m.key, sizeof(key));
	assert_true(key[0] != 0 && key[0] != key[1]);
	/* Whoever has it open sees what another writes. */
	assert_int_equal(
	    shared_open_read(&other, &kind, r->path, &r->msg), 0);
	strcpy(r->m.body, "seen");
	assert_string_equal(other.body, "seen");
	shared_close(&other);
	open_as(r, SIZE, SHARED_OPENED);
	assert_memory_equal(key, r->m.key, sizeof(key));
	assert_string_equal(r->m.body, "seen");
	assert_int_equal(access(r->new_path, F_OK), -1);
}

static void
gets_another_size(void **state)
{
	struct rig *r = *state;
	struct seen seen = {0};
	struct shared old;
	uint64_t key;

	open_as(r, SIZE, SHARED_CREATED);
	key = r->m.key[0];
	strcpy(r->m.body, "moved");
	assert_int_equal(shared_open_read(&old, &kind, r->path, NULL), 0);
	assert_int_equal(try_open(r, 2 * SIZE, &seen), 0);
	assert_int_equal(r->report.event, SHARED_RESIZED);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.old_size, SIZE);
	assert_string_equal(r->m.body, "moved");
	assert_true(r->m.key[0] != key);
	/* Who has the old one goes on in it, until he looks. */
	assert_true(shared_is_whole(&old));
	assert_false(shared_is_there(&old, r->path));
	assert_true(shared_is_there(&r->m, r->path));
	assert_string_equal(old.body, "moved");
	shared_close(&old);
	assert_int_equal(
	    shared_open_read(&old, &kind, r->path, NULL), 0);
	assert_int_equal(old.size, 2 * SIZE);
	shared_close(&old);
}

/* Whatever is damaged, it is kept under another name, and a new file made. */
static void
sets_aside_what_is_damaged(void **state)
{
	static const struct {
		off_t at; /* an octet is written there; -1: it is cut off */
		off_t size;
		const char *why;
	} cases[] = {
	    {0, 0, "another kind"},
	    {15, 0, "another kind"},
	    {16, 0, "header is damaged"}, /* the version: 'x' is later, 0 not */
	    {20, 0, "header is damaged"},
	    {24, 0, "header is damaged"},
	    {32, 0, "header is damaged"},
	    {47, 0, "header is damaged"},
	    {48, 0, "header is damaged"},
	    {56, 0, "header is damaged"},
	    {-1, 0, "it is empty"},
	    {-1, 30, "it is cut off"},
	    {-1, 4096, "cut off or has grown"},
	    {-1, SIZE, "cut off or has grown"},
	    {-1, SIZE + SHARED_HEADER_SIZE + 1, "cut off or has grown"},
	};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *foreign;
		struct shared m;

		open_as(r, SIZE, SHARED_CREATED);
		if (cases[i].at >= 0)
			write_at(r, cases[i].at,
			    cases[i].at == 16 ? "\0" : "\xa5", 1);
		else
			assert_int_equal(
			    truncate(r->path, cases[i].size), 0);
		assert_int_equal(
		    shared_open_read(&m, &kind, r->path, &r->msg),
		    ERR_FORMAT);
		assert_non_null(strstr(r->msg.text, cases[i].why));
		assert_int_equal(shared_try(&kind, r->path, SIZE, &foreign,
		    &r->msg), 0);
		assert_non_null(strstr(foreign, cases[i].why));
		open_as(r, SIZE, SHARED_RENEWED);
		assert_non_null(strstr(r->report.why, cases[i].why));
		assert_int_equal(unlink(r->report.bad_path), 0);
		assert_int_equal(unlink(r->path), 0);
	}
}

/* A header that says what it should about a body that can't be. */
static void
sizes_are_held_to_the_kinds(void **state)
{
	struct shared_kind odd = kind;
	struct rig *r = *state;
	struct shared m;

	odd.body_max = 1 << 20;
	for (int i = 0; i < 3; i++) {
		const size_t sizes[] = {4096 + 8, 65536 + 4096, SIZE};

		assert_int_equal(shared_open(&m, &odd, r->path, sizes[i], NOW,
		    NULL, NULL, &r->report, &r->msg), 0);
		shared_close(&m);
		assert_int_equal(
		    shared_open_read(&m, &kind, r->path, &r->msg),
		    i == 2 ? 0 : ERR_FORMAT);
		shared_close(&m);
		unlink(r->path);
	}
}

static void
a_later_versions_is_let_alone(void **state)
{
	struct shared_kind later = kind;
	struct rig *r = *state;
	const char *foreign = "?";
	struct shared m;
	struct stat before, after;

	later.version = 3;
	assert_int_equal(shared_open(&m, &later, r->path, SIZE, NOW, NULL,
	    NULL, &r->report, &r->msg), 0);
	shared_close(&m);
	assert_int_equal(stat(r->path, &before), 0);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_FORMAT);
	assert_non_null(strstr(r->msg.text, "version 3"));
	assert_int_equal(
	    shared_open_read(&m, &kind, r->path, &r->msg), ERR_FORMAT);
	assert_int_equal(
	    shared_try(&kind, r->path, SIZE, &foreign, &r->msg), ERR_FORMAT);
	assert_null(foreign);
	assert_int_equal(stat(r->path, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_string_equal(r->report.bad_path, "");
}

static void
what_is_unsafe_is_refused(void **state)
{
	struct rig *r = *state;
	char target[64];
	struct shared m;
	struct stat st;

	open_as(r, SIZE, SHARED_CREATED);
	assert_int_equal(chmod(r->path, 0620), 0);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_CONFIG);
	assert_non_null(strstr(r->msg.text, "0620"));
	/* Who only reads does not mind. */
	assert_int_equal(shared_open_read(&m, &kind, r->path, NULL), 0);
	shared_close(&m);
	/* A link to one that is fine, a directory, a pipe. */
	snprintf(target, sizeof(target), "%s/t", r->dir);
	assert_int_equal(rename(r->path, target), 0);
	assert_int_equal(chmod(target, 0600), 0);
	assert_int_equal(symlink(target, r->path), 0);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_SYSTEM);
	assert_int_equal(shared_open_read(&m, &kind, r->path, NULL),
	    ERR_SYSTEM);
	assert_int_equal(lstat(r->path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	unlink(r->path);
	unlink(target);
	assert_int_equal(mkdir(r->path, 0700), 0);
	assert_int_not_equal(try_open(r, SIZE, NULL), 0);
	assert_int_equal(shared_open_read(&m, &kind, r->path, NULL),
	    ERR_CONFIG);
	rmdir(r->path);
	assert_int_equal(mkfifo(r->path, 0600), 0);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_CONFIG);
	assert_int_equal(shared_open_read(&m, &kind, r->path, NULL),
	    ERR_CONFIG);
	/* And what is built under the other name. */
	unlink(r->path);
	assert_int_equal(symlink("/dev/null", r->new_path), 0);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_SYSTEM);
	unlink(r->new_path);
}

/* Of a builder that was killed. */
static void
a_half_built_one_is_built_anew(void **state)
{
	struct rig *r = *state;
	int fd = open(r->new_path, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write(fd, "noise", 5), 5);
	assert_int_equal(ftruncate(fd, 3 * SIZE), 0);
	close(fd);
	open_as(r, SIZE, SHARED_CREATED);
	assert_int_equal(((char *)r->m.body)[0], 0);
	assert_int_equal(access(r->new_path, F_OK), -1);
}

static void
knows_when_it_is_gone(void **state)
{
	static const off_t cuts[] = {0, 100, 4096, 4096 + SIZE / 2,
	    4096 + SIZE - 4096};
	struct rig *r = *state;
	struct stat st;

	assert_int_equal(mapguard_install(), 0);
	open_as(r, SIZE, SHARED_CREATED);
	assert_false(shared_is_there(&r->m, r->dir));
	/* Removed, it is whole, but not there. */
	unlink(r->path);
	assert_true(shared_is_whole(&r->m));
	assert_false(shared_is_there(&r->m, r->path));
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		open_as(r, SIZE, SHARED_CREATED);
		memset(r->m.body, 'x', SIZE);
		assert_int_equal(truncate(r->path, cuts[i]), 0);
		assert_false(shared_is_whole(&r->m));
		memset(r->m.body, 'x', SIZE); /* and who writes lives */
		assert_false(shared_is_there(&r->m, r->path));
		open_as(r, SIZE, SHARED_RENEWED);
		unlink(r->report.bad_path);
		unlink(r->path);
	}
	/* Cut off, and grown again before anybody touched it. */
	open_as(r, SIZE, SHARED_CREATED);
	assert_int_equal(stat(r->path, &st), 0);
	assert_int_equal(truncate(r->path, 0), 0);
	assert_int_equal(truncate(r->path, st.st_size), 0);
	assert_false(shared_is_whole(&r->m));
	assert_false(shared_is_there(&r->m, r->path));
	open_as(r, SIZE, SHARED_RENEWED);
}

/* Nothing stays of an attempt, and of a refusal neither. */
static void
only_tries(void **state)
{
	struct rig *r = *state;
	const struct rlimit none = {8192, RLIM_INFINITY};
	char long_path[SHARED_PATH_MAX + 2];
	const char *foreign;
	struct rlimit was;
	struct shared m;

	assert_int_equal(shared_open_read(&m, &kind, r->path, &r->msg),
	    ERR_NOTFOUND);
	assert_int_equal(
	    shared_try(&kind, r->path, SIZE, &foreign, &r->msg), 0);
	assert_null(foreign);
	assert_int_equal(access(r->path, F_OK), -1);
	memset(long_path, 'x', sizeof(long_path));
	long_path[0] = '/';
	long_path[SHARED_PATH_MAX + 1] = '\0';
	assert_int_equal(shared_try(&kind, long_path, SIZE, &foreign, NULL),
	    ERR_CONFIG);
	assert_int_equal(shared_open(&m, &kind, long_path, SIZE, NOW, NULL,
	    NULL, &r->report, &r->msg), ERR_CONFIG);
	/* No room. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(shared_try(&kind, r->path, SIZE, &foreign, &r->msg),
	    ERR_SYSTEM);
	assert_int_equal(try_open(r, SIZE, NULL), ERR_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(access(r->path, F_OK), -1);
	assert_int_equal(access(r->new_path, F_OK), -1);
	/* One of another size is not in the way. */
	open_as(r, SIZE, SHARED_CREATED);
	assert_int_equal(
	    shared_try(&kind, r->path, SIZE, &foreign, &r->msg), 0);
	assert_int_equal(
	    shared_try(&kind, r->path, 2 * SIZE, &foreign, &r->msg), 0);
	assert_null(foreign);
	assert_true(shared_is_there(&r->m, r->path));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		is_made_and_found_again, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		gets_another_size, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		sets_aside_what_is_damaged, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		sizes_are_held_to_the_kinds, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_later_versions_is_let_alone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		what_is_unsafe_is_refused, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		a_half_built_one_is_built_anew, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(
		knows_when_it_is_gone, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(only_tries, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
