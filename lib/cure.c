/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/cure.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/err.h"
#include "lib/users.h"

#define LOOKUP_SIZE 4096
#define OUR_FILES "/etc/postern"     /* where what is moved goes */
#define OUR_STATE "/var/lib/postern" /* and what we write */
#define OUR_NAME "postern"

void
cure_path(struct buf *b, const char *path)
{
	bool plain = path[0] != '\0';

	for (const char *p = path; *p != '\0'; p++)
		plain = plain && (isalnum((unsigned char)*p) ||
				     strchr("/._-+@:,", *p) != NULL);
	if (plain) {
		buf_str(b, path);
		return;
	}
	buf_char(b, '\'');
	for (const char *p = path; *p != '\0'; p++) {
		if (*p == '\'')
			buf_str(b, "'\\''");
		else if ((unsigned char)*p < ' ' || *p == 127)
			buf_char(b, '?');
		else
			buf_char(b, *p);
	}
	buf_char(b, '\'');
}

/* Root's, or the one that the user database has for the directory's owner. */
static bool
is_home(const char *path, uid_t uid)
{
	char room[LOOKUP_SIZE];
	struct passwd pw, *found = NULL;
	struct stat st;

	if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_uid == uid)
		return false;
	if (strcmp(path, "/root") == 0 || strcmp(path, "/home") == 0)
		return true;
	return getpwuid_r(st.st_uid, &pw, room, sizeof(room), &found) == 0 &&
	       found != NULL && strcmp(pw.pw_dir, path) == 0 &&
	       strcmp(path, "/") != 0;
}

bool
cure_in_home(const char *path, uid_t uid)
{
	char part[PATH_MAX];
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(part))
		return false;
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		snprintf(part, sizeof(part), "%.*s", (int)i, path);
		if (is_home(part, uid))
			return true;
	}
	return false;
}

/* May the group that the file has be another, without anybody's loss? */
static bool
group_is_free(const struct stat *st, mode_t rights)
{
	return st->st_gid == 0 || (st->st_mode & rights) == 0;
}

/* A name that is not taken. */
static void
put_target(struct buf *b, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", OUR_FILES, name);
	for (int i = 2; lstat(path, &st) == 0 && i < 100; i++)
		snprintf(path, sizeof(path), "%s/%d-%s", OUR_FILES, i, name);
	cure_path(b, path);
}

void
cure_move(
    struct buf *b, const char *path, enum cure_kind kind, uid_t uid, gid_t gid)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	const char *slash = strrchr(path, '/');

	buf_printf(b, "install -D -o %s -g %s -m %s ",
	    kind == CURE_SECRET ? users_name(uid, user) : "root",
	    users_group_name(kind == CURE_SECRET ? 0 : gid, group),
	    kind == CURE_SECRET ? "600" : "640");
	cure_path(b, path);
	buf_char(b, ' ');
	put_target(b, slash == NULL ? path : slash + 1);
	buf_str(b, ", and name that one instead");
}

static void
put_group(struct buf *b, const struct stat *st, gid_t gid, const char *path,
    const char *mode)
{
	char group[USERS_NAME_SIZE];

	if (st->st_gid != gid) {
		buf_printf(b, "chgrp %s ", users_group_name(gid, group));
		cure_path(b, path);
		buf_str(b, " && ");
	}
	buf_printf(b, "chmod %s ", mode);
	cure_path(b, path);
}

void
cure_file(
    struct buf *b, const char *path, enum cure_kind kind, uid_t uid, gid_t gid)
{
	char user[USERS_NAME_SIZE];
	struct stat st;

	if (stat(path, &st) != 0 || cure_in_home(path, uid)) {
		cure_move(b, path, kind, uid, gid);
	} else if (st.st_uid == uid) {
		buf_str(b, "chmod u+r ");
		cure_path(b, path);
	} else if (kind == CURE_SECRET && st.st_uid == 0) {
		buf_printf(b, "chown %s ", users_name(uid, user));
		cure_path(b, path);
	} else if (kind == CURE_READ &&
		   (st.st_gid == gid || group_is_free(&st, S_IRWXG))) {
		put_group(b, &st, gid, path,
		    st.st_gid != gid && (st.st_mode & S_IWGRP) != 0 ? "g=r"
								    : "g+r");
	} else {
		cure_move(b, path, kind, uid, gid);
	}
}

void
cure_enter(struct buf *b, const char *directory, const char *path,
    enum cure_kind kind, uid_t uid, gid_t gid)
{
	struct stat st;

	if (stat(directory, &st) != 0 || cure_in_home(directory, uid)) {
		cure_move(b, path, kind, uid, gid);
	} else if (st.st_uid == uid) {
		buf_str(b, "chmod u+x ");
		cure_path(b, directory);
	} else if (st.st_gid == gid || group_is_free(&st, S_IRWXG)) {
		put_group(b, &st, gid, directory,
		    st.st_gid != gid && (st.st_mode & S_IWGRP) != 0 ? "g=rx"
								    : "g+x");
	} else {
		cure_move(b, path, kind, uid, gid);
	}
}

void
cure_directory(struct buf *b, const char *directory, const char *user,
    const char *group, mode_t mode)
{
	buf_printf(
	    b, "install -d -o %s -g %s -m %o ", user, group, (unsigned)mode);
	cure_path(b, directory);
}

int
cure_writable(const char *name, const char *path, const struct stat *st,
    struct errmsg *msg_r)
{
	struct buf b = BUF_INIT;

	cure_path(&b, path);
	errmsg_set(msg_r,
	    "%s: writable by everyone (mode %04o); run: chmod o-w %s", name,
	    (unsigned)st->st_mode & 07777,
	    buf_text(&b) == NULL ? "" : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

static void
parent_of(const char *path, char dir[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(dir, PATH_MAX, ".");
	else
		snprintf(dir, PATH_MAX, "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
}

/* Where a directory for us may be made: as named, if it is not there or is
 * called after us; in it, if it is another's. */
static const char *
own_directory(const char *dir, uid_t uid, char own[PATH_MAX])
{
	const char *slash = strrchr(dir, '/');
	bool ours = strcmp(slash == NULL ? dir : slash + 1, OUR_NAME) == 0;
	struct stat st;

	/* What stands in /etc root reads, and our keys are there: not a place
	 * for us to write. */
	if (cure_in_home(dir, uid) || strcmp(dir, "/etc") == 0 ||
	    strncmp(dir, "/etc/", 5) == 0)
		return OUR_STATE;
	if (stat(dir, &st) != 0)
		return errno == ENOENT ? dir : OUR_STATE;
	if (ours)
		return dir;
	if (faccessat(AT_FDCWD, dir, X_OK, AT_EACCESS) != 0)
		return OUR_STATE;
	snprintf(own, PATH_MAX, "%.*s/" OUR_NAME, PATH_MAX - 16, dir);
	return own;
}

void
cure_own(struct buf *b, const char *path, uid_t uid, gid_t gid)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	struct stat st;

	if (lstat(path, &st) != 0 || st.st_uid != uid) {
		buf_printf(b, "chown %s:%s ", users_name(uid, user),
		    users_group_name(gid, group));
		cure_path(b, path);
		buf_str(b, " && ");
	}
	buf_str(b, "chmod 600 ");
	cure_path(b, path);
}

void
cure_state(struct buf *b, const char *path, uid_t uid, gid_t gid)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	char dir[PATH_MAX], own[PATH_MAX];
	const char *place;
	struct stat st;

	parent_of(path, dir);
	if (!cure_in_home(dir, uid) && lstat(path, &st) == 0 &&
	    S_ISREG(st.st_mode) &&
	    faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0) {
		cure_own(b, path, uid, gid);
		return;
	}
	users_name(uid, user);
	users_group_name(gid, group);
	place = own_directory(dir, uid, own);
	cure_directory(b, place, user, group, 0750);
	if (place != dir)
		buf_str(b, ", and name a file in there");
}
