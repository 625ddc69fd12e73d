/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/cure.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/users.h"

#define LOOKUP_SIZE 4096
#define OUR_FILES "/etc/postern"     /* where what is moved goes */
#define OUR_STATE "/var/lib/postern" /* and what we write */
#define OUR_NAME "postern"
#define COMMAND_MAX 400 /* octets */
#define TOO_LONG "# the path is too long for a command: give it a shorter one"
#define ASKING "is that the right file? "

/* A message is cut where it is too long, and a command must not be. */
void
cure_fit(struct buf *b, size_t from)
{
	if (b->len < from || b->len - from <= COMMAND_MAX)
		return;
	b->len = from;
	buf_str(b, TOO_LONG);
}

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
group_is_free(const struct stat *st, gid_t gid)
{
	return st->st_gid == 0 || st->st_gid == gid ||
	       (st->st_mode & S_IRWXG) == 0;
}

static bool
is_below(const char *path, const char *top)
{
	size_t len = strlen(top);

	return strncmp(path, top, len) == 0 &&
	       (path[len] == '/' || path[len] == '\0');
}

bool
cure_is_ours(const char *path)
{
	return is_below(path, OUR_FILES) || is_below(path, OUR_STATE) ||
	       strcmp(path, OUR_FILES ".conf") == 0;
}

/* There the system's own files stand, and none of ours. */
static bool
is_systems(const char *path)
{
	static const char *const tops[] = {"/bin", "/boot", "/dev", "/lib",
	    "/lib64", "/proc", "/sbin", "/sys", "/usr"};
	bool in = false;

	for (size_t i = 0; i < sizeof(tops) / sizeof(*tops); i++)
		in = in || is_below(path, tops[i]);
	return in && !is_below(path, "/usr/local");
}

static bool
is_empty(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;
	bool empty = d != NULL;

	while (empty && (e = readdir(d)) != NULL)
		empty =
		    strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
	if (d != NULL)
		closedir(d);
	return empty;
}

/* Nobody but root and uid can have something else bear that name when the
 * command is run, and uid gets there.  *there_r: something bears it now. */
static bool
is_steady(const char *path, uid_t uid, bool *there_r)
{
	char part[PATH_MAX] = "/";
	bool shared = false;
	struct stat st;

	*there_r = true;
	if (path[0] != '/' || strlen(path) >= sizeof(part))
		return false;
	for (size_t i = 1;; i += strcspn(path + i, "/") + 1) {
		if (i > 1)
			snprintf(part, sizeof(part), "%.*s", (int)i - 1, path);
		if (lstat(part, &st) != 0) {
			*there_r = false;
			return errno == ENOENT && !shared;
		}
		if (st.st_uid != 0 && st.st_uid != uid)
			return false;
		if (i > strlen(path))
			return true;
		if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode) ||
		    (st.st_uid != 0 && st.st_uid != uid) ||
		    faccessat(AT_FDCWD, part, X_OK, AT_EACCESS) != 0)
			return false;
		/* In /tmp what is there stays, and anybody may be the first;
		 * in /var/mail, the group. */
		shared = (st.st_mode & S_IWOTH) != 0 ||
			 ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0);
		if (shared && (st.st_mode & S_ISVTX) == 0)
			return false;
	}
}

bool
cure_lead(const char *path, char real_r[PATH_MAX])
{
	char there[PATH_MAX], *real, *slash;
	size_t len = strlen(path);

	if (path[0] != '/' || len >= sizeof(there))
		return false;
	strcpy(there, path);
	while ((real = realpath(there, NULL)) == NULL) {
		slash = strrchr(there, '/');
		if (errno != ENOENT || strcmp(slash, "/..") == 0)
			return false;
		slash[slash == there] = '\0';
	}
	path += strlen(there);
	len = (size_t)snprintf(real_r, PATH_MAX, "%s%s%s",
	    strcmp(real, "/") == 0 ? "" : real,
	    path[0] == '\0' || path[0] == '/' ? "" : "/", path);
	free(real);
	if (len == 0)
		strcpy(real_r, "/");
	return len < PATH_MAX;
}

bool
cure_may_take(const char *dir, uid_t uid)
{
	char real[PATH_MAX];
	struct stat st;
	bool there;

	/* What stands in /etc root reads, and our keys are there. */
	if (!cure_lead(dir, real) || cure_in_home(real, uid) ||
	    is_below(real, "/etc") || is_systems(real) ||
	    !is_steady(dir, uid, &there) || !is_steady(real, uid, &there))
		return false;
	return !there ||
	       (lstat(real, &st) == 0 && S_ISDIR(st.st_mode) &&
		   ((uid != 0 && st.st_uid == uid) || is_empty(real)));
}

/* After its whole path: of two files that are told to move neither is written
 * over, nor one that is there. */
static void
put_target(struct buf *b, const char *path)
{
	char name[PATH_MAX], target[PATH_MAX + sizeof(OUR_FILES) + 8];
	struct stat st;

	while (path[0] == '/' || strncmp(path, "./", 2) == 0)
		path += path[0] == '/' ? 1 : 2;
	snprintf(name, sizeof(name), "%s", path);
	for (char *p = name; (p = strchr(p, '/')) != NULL;)
		*p = '-';
	snprintf(target, sizeof(target), "%s/%s", OUR_FILES, name);
	for (int i = 2; lstat(target, &st) == 0 && i < 100; i++)
		snprintf(
		    target, sizeof(target), "%s/%d-%s", OUR_FILES, i, name);
	cure_path(b, target);
}

static const char *
mode_of(enum cure_kind kind)
{
	return kind == CURE_SECRET ? "600" : "640";
}

/* Who has what is read: a name for a shell. */
static void
put_owner(struct buf *b, const struct cure_reader *r)
{
	char name[USERS_NAME_SIZE];

	cure_path(
	    b, r->kind == CURE_SECRET ? users_name(r->uid, name) : "root");
}

static void
put_owners_group(struct buf *b, const struct cure_reader *r)
{
	char name[USERS_NAME_SIZE];

	cure_path(
	    b, users_group_name(r->kind == CURE_SECRET ? 0 : r->gid, name));
}

void
cure_move(struct buf *b, const struct cure_reader *r)
{
	buf_str(b, "install -D -o ");
	put_owner(b, r);
	buf_str(b, " -g ");
	put_owners_group(b, r);
	buf_printf(b, " -m %s ", mode_of(r->kind));
	cure_path(b, r->named);
	buf_char(b, ' ');
	put_target(b, r->named);
	buf_str(b, ", and name that one instead");
}

/* It is closed on purpose, and may be a secret of somebody else's that a slip
 * of the pen has named: no command brings it to us. */
static void
ask(struct buf *b, const struct cure_reader *r)
{
	buf_str(b, ASKING "if so, keep one for postern below " OUR_FILES
			  ", with owner ");
	put_owner(b, r);
	buf_str(b, ", group ");
	put_owners_group(b, r);
	buf_printf(b, " and mode %s", mode_of(r->kind));
}

static void
mend_by_moving(struct buf *b, const struct cure_reader *r)
{
	buf_str(b, CURE_WORDS);
	cure_move(b, r);
}

static void
put_group(struct buf *b, const struct stat *st, gid_t gid, const char *path,
    const char *mode)
{
	char group[USERS_NAME_SIZE];

	buf_str(b, CURE_WORDS);
	if (st->st_gid != gid) {
		buf_str(b, "chgrp ");
		cure_path(b, users_group_name(gid, group));
		buf_char(b, ' ');
		cure_path(b, path);
		buf_str(b, " && ");
	}
	buf_printf(b, "chmod %s ", mode);
	cure_path(b, path);
}

/* A key is for us, wherever it stands; but what lies in /etc itself, and what
 * another group reads, other programs have. */
static void
mend_secret(struct buf *b, const char *path, const struct stat *st,
    const struct cure_reader *r)
{
	const char *slash = strrchr(path, '/');
	bool theirs =
	    is_systems(path) || (is_below(path, "/etc") && slash == path + 4);

	if (st->st_uid != 0 || cure_in_home(path, r->uid)) {
		mend_by_moving(b, r);
	} else if (theirs ||
		   (!cure_is_ours(path) && !group_is_free(st, r->gid))) {
		ask(b, r);
	} else {
		buf_str(b, CURE_WORDS "chown ");
		put_owner(b, r);
		buf_char(b, ' ');
		cure_path(b, path);
	}
}

void
cure_file(struct buf *b, const char *path, const struct cure_reader *r)
{
	bool ours = cure_is_ours(path) || r->kind == CURE_CONF;
	size_t from = b->len;
	struct stat st;

	if (stat(path, &st) != 0) {
		ask(b, r);
	} else if (st.st_uid == r->uid) {
		buf_str(b, CURE_WORDS "chmod u+r ");
		cure_path(b, path);
	} else if (r->kind == CURE_SECRET) {
		mend_secret(b, path, &st, r);
	} else if (!ours) {
		ask(b, r);
	} else if (st.st_uid == 0 && group_is_free(&st, r->gid) &&
		   !cure_in_home(path, r->uid)) {
		put_group(b, &st, r->gid, path,
		    st.st_gid != r->gid && (st.st_mode & S_IWGRP) != 0 ? "g=r"
								       : "g+r");
	} else {
		mend_by_moving(b, r);
	}
	cure_fit(b, from);
}

/* Of a home's files the hidden ones are secret, as a rule, and those of a
 * directory that root has closed. */
static bool
is_private(
    const char *directory, const struct stat *st, const struct cure_reader *r)
{
	if (strstr(r->path, "/.") != NULL)
		return r->kind != CURE_CONF;
	return r->kind == CURE_READ && st->st_uid == 0 &&
	       !cure_in_home(directory, r->uid);
}

void
cure_enter(struct buf *b, const char *directory, const struct cure_reader *r)
{
	bool ours = cure_is_ours(directory);
	size_t from = b->len;
	struct stat st;

	if (stat(directory, &st) != 0) {
		ask(b, r);
	} else if (st.st_uid == r->uid) {
		buf_str(b, CURE_WORDS "chmod u+x ");
		cure_path(b, directory);
	} else if (ours && st.st_uid == 0 && group_is_free(&st, r->gid)) {
		put_group(b, &st, r->gid, directory,
		    st.st_gid != r->gid && (st.st_mode & S_IWGRP) != 0 ? "g=rx"
								       : "g+x");
	} else if (!ours && is_private(directory, &st, r)) {
		ask(b, r);
	} else {
		mend_by_moving(b, r);
	}
	cure_fit(b, from);
}

void
cure_directory(struct buf *b, const char *directory, const char *user,
    const char *group, mode_t mode)
{
	size_t from = b->len;

	buf_str(b, "install -d -o ");
	cure_path(b, user);
	buf_str(b, " -g ");
	cure_path(b, group);
	buf_printf(b, " -m %o ", (unsigned)mode);
	cure_path(b, directory);
	cure_fit(b, from);
}

int
cure_writable(const char *name, const char *path, const struct stat *st,
    struct errmsg *msg_r)
{
	char *real = realpath(path, NULL); /* a shell stands elsewhere */
	struct buf b = BUF_INIT;

	buf_str(&b, CURE_WORDS "chmod o-w ");
	cure_path(&b, real == NULL ? path : real);
	cure_fit(&b, 0);
	errmsg_set(msg_r, "%s: writable by everyone (mode %04o)", name,
	    (unsigned)st->st_mode & 07777);
	errmsg_cure(
	    msg_r, "; ", buf_text(&b) == NULL ? CURE_WORDS : buf_text(&b));
	buf_fini(&b);
	free(real);
	return ERR_CONFIG;
}

void
cure_parent(const char *path, char dir_r[PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(dir_r, PATH_MAX, ".");
	else
		snprintf(dir_r, PATH_MAX, "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
}

/* Where a directory for us may be made: as named, if it is not there, is ours,
 * or empty and called after us; in it, if it is another's. */
static const char *
own_directory(const char *dir, uid_t uid, char own[PATH_MAX])
{
	const char *slash = strrchr(dir, '/');
	bool named = strcmp(slash == NULL ? dir : slash + 1, OUR_NAME) == 0;
	struct stat st;

	if (strcmp(dir, OUR_STATE) == 0)
		return OUR_STATE;
	if ((named || lstat(dir, &st) != 0 || st.st_uid == uid) &&
	    cure_may_take(dir, uid))
		return dir;
	snprintf(own, PATH_MAX, "%.*s/" OUR_NAME, PATH_MAX - 16,
	    strcmp(dir, "/") == 0 ? "" : dir);
	return !named && cure_may_take(own, uid) ? own : OUR_STATE;
}

/* Of its own: the one that it runs with may be the mail server's. */
static void
put_user(struct buf *b, uid_t uid, gid_t gid, const char *between)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	struct user found;

	if (users_find_uid(uid, &found) == 0)
		gid = found.gid;
	cure_path(b, users_name(uid, user));
	buf_str(b, between);
	cure_path(b, users_group_name(gid, group));
}

/* Ours, or in a directory that nobody else puts files into.  Root, who may
 * write it as it is, leaves it to whom it belongs. */
static bool
may_own(const char *path, const char *dir, const struct stat *st, uid_t uid)
{
	struct stat above;

	return S_ISREG(st->st_mode) && !cure_in_home(path, uid) &&
	       (uid == 0 || st->st_uid == uid ||
		   (stat(dir, &above) == 0 && above.st_uid == uid &&
		       (above.st_mode & S_IWOTH) == 0));
}

static void
put_chown(struct buf *b, const char *path, uid_t uid, gid_t gid)
{
	buf_str(b, "chown ");
	put_user(b, uid, gid, ":");
	buf_char(b, ' ');
	cure_path(b, path);
	buf_str(b, " && ");
}

void
cure_state(struct buf *b, const char *path, uid_t uid, gid_t gid)
{
	char dir[PATH_MAX], own[PATH_MAX];
	size_t from = b->len;
	const char *place;
	struct stat st;
	bool there = lstat(path, &st) == 0;

	cure_parent(path, dir);
	if (there && faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0 &&
	    may_own(path, dir, &st, uid)) {
		if (uid != 0 && st.st_uid != uid)
			put_chown(b, path, uid, gid);
		buf_str(b, "chmod 600 ");
		cure_path(b, path);
	} else {
		/* Another's file would be in the way there. */
		place = there && st.st_uid != uid
			    ? OUR_STATE
			    : own_directory(dir, uid, own);
		buf_str(b, "install -d -o ");
		put_user(b, uid, gid, " -g ");
		buf_str(b, " -m 750 ");
		cure_path(b, place);
		if (strcmp(place, dir) != 0)
			buf_str(b, ", and name a file in there");
	}
	cure_fit(b, from);
}

/* Root's is given away, as root opens it all the same; another user's is not,
 * who would lose it. */
void
cure_lock(struct buf *b, const char *path, uid_t uid, gid_t gid)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	size_t from = b->len;
	struct stat st;
	bool there;

	if (!is_steady(path, uid, &there) || cure_in_home(path, uid))
		return;
	users_name(uid, user);
	users_group_name(gid, group);
	if (there && (lstat(path, &st) != 0 || !S_ISREG(st.st_mode) ||
			 st.st_nlink != 1 || st.st_uid != 0))
		return;
	buf_str(b, CURE_WORDS);
	buf_str(b, there ? "chown " : "install -m 600 -o ");
	cure_path(b, user);
	if (!there) {
		buf_str(b, " -g ");
		cure_path(b, group);
		buf_str(b, " /dev/null");
	}
	buf_char(b, ' ');
	cure_path(b, path);
	if (there && (st.st_mode & 0600) != 0600) {
		buf_str(b, " && chmod u+rw ");
		cure_path(b, path);
	}
	cure_fit(b, from);
}

static int
attributes(int fd)
{
	int flags = 0;

	if (fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
		return 0;
	return flags & (FS_IMMUTABLE_FL | FS_APPEND_FL);
}

bool
cure_is_fixed(int fd)
{
	return attributes(fd) != 0;
}

bool
cure_fixed(struct buf *b, const char *path)
{
	const int how = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	char dir[PATH_MAX];
	size_t from = b->len;
	int flags = 0;

	cure_parent(path, dir);
	for (int i = 0; i < 2 && flags == 0; i++) {
		int fd = open(i == 0 ? path : dir, how);

		flags = attributes(fd);
		if (fd >= 0)
			close(fd);
		path = flags == 0 ? dir : path;
	}
	if (flags == 0)
		return false;
	buf_printf(b, CURE_WORDS "chattr%s%s ",
	    (flags & FS_IMMUTABLE_FL) != 0 ? " -i" : "",
	    (flags & FS_APPEND_FL) != 0 ? " -a" : "");
	cure_path(b, path);
	cure_fit(b, from);
	return true;
}
