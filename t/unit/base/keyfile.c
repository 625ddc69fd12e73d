/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/keyfile.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NOBODY 65534 /* uid of nobody, gid of its group */

static char base[PATH_MAX - 100]; /* a directory that is safe itself */

static void
put(const char *path, const char *text, size_t len, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
	assert_int_equal(chmod(path, mode), 0);
}

/* A directory below one of these, if its parents are as they should be. */
static int
set_up(void **state)
{
	const char *const places[] = {getenv("HOME"), ".", "/root", "/run"};
	struct keyfile f;
	struct errmsg msg;
	char file[PATH_MAX], real[PATH_MAX];

	(void)state;
	for (size_t i = 0; i < COUNT(places); i++) {
		if (places[i] == NULL || realpath(places[i], real) == NULL ||
		    strlen(real) > sizeof(base) - 32)
			continue;
		snprintf(base, sizeof(base), "%.3900s/keyfile.XXXXXX", real);
		if (mkdtemp(base) == NULL) {
			base[0] = '\0';
			continue;
		}
		snprintf(file, sizeof(file), "%s/f", base);
		put(file, "x", 1, 0600);
		if (keyfile_read(file, geteuid(), &f, &msg) == 0) {
			bool unsafe = f.unsafe;

			keyfile_free(&f);
			unlink(file);
			if (!unsafe)
				return 0;
		}
		unlink(file);
		rmdir(base);
		base[0] = '\0';
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	if (base[0] != '\0')
		rmdir(base);
	return 0;
}

static void
need_base(void)
{
	if (base[0] == '\0') {
		print_message("no directory whose parents are safe\n");
		skip();
	}
}

/* A file in a directory, with modes and owners; -1 leaves a number alone. */
struct node {
	const char *name;
	mode_t dir_mode, mode;
	int dir_uid, dir_gid, uid, gid;
	const char *words; /* NULL: safe */
	const char *command; /* what mends it; %d/%f: directory and file */
};

static const struct node nodes[] = {
    {"private", 0700, 0600, -1, -1, -1, -1, NULL, NULL},
    {"read only", 0755, 0400, -1, -1, -1, -1, NULL, NULL},
    {"no access", 0711, 0000, -1, -1, -1, -1, NULL, NULL},
    {"own group", 0770, 0660, -1, 0, -1, 0, NULL, NULL},
    {"readable by all", 0755, 0644, -1, 0, -1, 0, "lets every user read",
	"chmod o= "},
    {"writable by all", 0755, 0602, -1, -1, -1, -1, "lets every user read",
	"chmod o= "},
    {"executable by all", 0755, 0611, -1, -1, -1, -1, NULL, NULL},
    {"readable by a group", 0755, 0640, -1, -1, -1, NOBODY,
	"lets its group, and so ", "chmod g= "},
    {"writable by a group", 0755, 0620, -1, -1, -1, NOBODY,
	"lets its group, and so ", "chmod g= "},
    {"group and all", 0755, 0664, -1, -1, -1, NOBODY, "lets every user read",
	"chmod go= "},
    {"a group without a name", 0755, 0640, -1, -1, -1, 54321,
	"whoever gets that group", "chmod g= "},
    {"a group that may do nothing", 0755, 0600, -1, -1, -1, NOBODY, NULL,
	NULL},
    {"of another user", 0755, 0600, -1, -1, NOBODY, -1, "belongs to nobody",
	"chown root "},
    {"directory for all", 0777, 0600, -1, 0, -1, -1,
	"lets every user replace", "chmod o-w "},
    {"directory for all, sticky", 01777, 0600, -1, 0, -1, -1,
	"lets every user replace", "move the key out of "},
    {"directory that is a group's", 02775, 0600, -1, NOBODY, -1, -1,
	", replace what is in it", "move the key out of "},
    {"directory for a group", 0775, 0600, -1, NOBODY, -1, -1,
	", replace what is in it", "chmod g-w "},
    {"directory of another user", 0755, 0600, NOBODY, -1, -1, -1,
	"belongs to nobody", "move the key out of "},
    {"directory that its owner can't write", 0555, 0600, NOBODY, -1, -1, -1,
	NULL, NULL},
};

static void
check_node(const struct node *n)
{
	char dir[PATH_MAX], file[PATH_MAX + 8], mend[PATH_MAX + 64];
	struct errmsg msg = {.text = ""};
	struct keyfile f;

	snprintf(dir, sizeof(dir), "%s/dir", base);
	snprintf(file, sizeof(file), "%s/key", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	put(file, "secret", 6, n->mode);
	if (geteuid() == 0) {
		assert_int_equal(chown(file, (uid_t)n->uid, (gid_t)n->gid), 0);
		assert_int_equal(
		    chown(dir, (uid_t)n->dir_uid, (gid_t)n->dir_gid), 0);
		assert_int_equal(chmod(file, n->mode), 0);
	}
	assert_int_equal(chmod(dir, n->dir_mode), 0);
	assert_int_equal(keyfile_read(file, geteuid(), &f, &msg), 0);
	assert_int_equal(f.len, 6);
	assert_string_equal(f.data, "secret");
	if (f.unsafe != (n->words != NULL))
		fail_msg("%s: %s", n->name, msg.text);
	if (n->words != NULL) {
		snprintf(mend, sizeof(mend), "to mend it: %s%s", n->command,
		    strstr(n->name, "directory") != NULL ? dir : file);
		if (strstr(msg.text, n->words) == NULL ||
		    strstr(msg.text, mend) == NULL)
			fail_msg("%s: %s (want %s, %s)", n->name, msg.text,
			    n->words, mend);
	}
	keyfile_free(&f);
	assert_null(f.data);
	chmod(dir, 0700);
	unlink(file);
	rmdir(dir);
}

static void
tells_who_gets_in(void **state)
{
	(void)state;
	need_base();
	for (size_t i = 0; i < COUNT(nodes); i++) {
		const struct node *n = &nodes[i];

		/* Who is not root can't give files away, nor read what has no
		 * owner's permission. */
		if (geteuid() == 0 ||
		    (n->uid == -1 && n->gid == -1 && n->dir_uid == -1 &&
			n->dir_gid == -1 && n->mode != 0))
			check_node(n);
	}
}

/* What the daemon's user may own is not what root may rely on. */
static void
owner_is_the_daemons(void **state)
{
	char file[PATH_MAX];
	struct errmsg msg = {.text = ""};
	struct keyfile f;

	(void)state;
	need_base();
	if (geteuid() != 0)
		skip();
	snprintf(file, sizeof(file), "%s/it's", base);
	put(file, "x", 1, 0600);
	assert_int_equal(chown(file, NOBODY, NOBODY), 0);
	assert_int_equal(keyfile_read(file, NOBODY, &f, &msg), 0);
	assert_false(f.unsafe);
	keyfile_free(&f);
	assert_int_equal(keyfile_read(file, 1, &f, &msg), 0);
	assert_true(f.unsafe);
	assert_non_null(strstr(msg.text, "it'\\''s' (owner nobody:nogroup, "
					 "mode 0600) belongs to nobody, who "
					 "may read and write it, but should "
					 "belong to daemon or root; to mend "
					 "it: chown daemon '"));
	keyfile_free(&f);
	unlink(file);
}

static void
follows_links(void **state)
{
	char dir[PATH_MAX - 8], file[PATH_MAX], link[PATH_MAX];
	struct errmsg msg = {.text = ""};
	struct keyfile f;

	(void)state;
	need_base();
	snprintf(dir, sizeof(dir), "%s/open", base);
	snprintf(file, sizeof(file), "%s/key", dir);
	snprintf(link, sizeof(link), "%s/link", base);
	assert_int_equal(mkdir(dir, 0700), 0);
	put(file, "x", 1, 0600);
	assert_int_equal(symlink("open/key", link), 0);
	assert_int_equal(keyfile_read(link, geteuid(), &f, &msg), 0);
	assert_false(f.unsafe);
	keyfile_free(&f);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(keyfile_read(link, geteuid(), &f, &msg), 0);
	assert_true(f.unsafe);
	assert_non_null(strstr(msg.text, "open (owner "));
	keyfile_free(&f);
	unlink(link);
	unlink(file);
	rmdir(dir);
}

static void
says_what_cannot_be_read(void **state)
{
	static char large[KEYFILE_SIZE_MAX + 1];
	struct errmsg msg = {.text = ""};
	char path[PATH_MAX];
	struct keyfile f;

	(void)state;
	need_base();
	snprintf(path, sizeof(path), "%s/none", base);
	assert_int_equal(
	    keyfile_read(path, geteuid(), &f, &msg), ERR_SYSTEM);
	assert_non_null(strstr(msg.text, "none: No such file"));
	assert_int_equal(
	    keyfile_read(base, geteuid(), &f, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "expected a regular file"));
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(
	    keyfile_read(path, geteuid(), &f, &msg), ERR_CONFIG);
	unlink(path);
	put(path, large, KEYFILE_SIZE_MAX, 0600);
	assert_int_equal(keyfile_read(path, geteuid(), &f, &msg), 0);
	assert_int_equal(f.len, KEYFILE_SIZE_MAX);
	keyfile_free(&f);
	put(path, large, sizeof(large), 0600);
	assert_int_equal(keyfile_read(path, geteuid(), &f, &msg), ERR_LIMIT);
	assert_null(f.data);
	put(path, "", 0, 0600);
	assert_int_equal(keyfile_read(path, geteuid(), &f, &msg), 0);
	assert_int_equal(f.len, 0);
	keyfile_free(&f);
	unlink(path);
}

/* -- several threads -- */

static struct {
	pthread_barrier_t start;
	char file[PATH_MAX];
	char who[64]; /* whom its group lets in */
} shared;

static void *
read_often(void *arg)
{
	size_t *wrong = arg;

	pthread_barrier_wait(&shared.start);
	for (int i = 0; i < 2000; i++) {
		struct errmsg msg = {.text = ""};
		struct keyfile f;

		if (keyfile_read(shared.file, 0, &f, &msg) != 0 || !f.unsafe ||
		    strstr(msg.text, shared.who) == NULL)
			++*wrong;
		keyfile_free(&f);
	}
	return NULL;
}

/* The user whose walk takes longest. */
static void
threads_agree(void **state)
{
	pthread_t threads[8];
	size_t wrong[COUNT(threads)] = {0};
	const struct passwd *pw;
	gid_t gid = 0;

	(void)state;
	need_base();
	if (geteuid() != 0)
		skip();
	for (int i = 0; i < 2; i++) {
		setpwent();
		while ((pw = getpwent()) != NULL && shared.who[0] == '\0') {
			if (i == 0 && pw->pw_uid != 0)
				gid = pw->pw_gid;
			if (i == 1 && pw->pw_uid != 0 && pw->pw_gid == gid)
				snprintf(shared.who, sizeof(shared.who),
				    "and so %.50s,", pw->pw_name);
		}
	}
	endpwent();
	snprintf(shared.file, sizeof(shared.file), "%s/key", base);
	put(shared.file, "x", 1, 0600);
	assert_int_equal(chown(shared.file, 0, gid), 0);
	assert_int_equal(chmod(shared.file, 0640), 0);
	pthread_barrier_init(&shared.start, NULL, COUNT(threads));
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_often,
				     &wrong[i]),
		    0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(wrong[i], 0);
	}
	pthread_barrier_destroy(&shared.start);
	unlink(shared.file);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(tells_who_gets_in),
	    cmocka_unit_test(owner_is_the_daemons),
	    cmocka_unit_test(follows_links),
	    cmocka_unit_test(says_what_cannot_be_read),
	    cmocka_unit_test(threads_agree),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
