/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyfile.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "cure.h"
#include "err.h"
#include "readfile.h"
#include "users.h"

/* One component of the path. */
struct node {
	const char *path;
	const char *file; /* the path as it was given */
	struct stat st;
	uid_t uid; /* who runs us */
	struct errmsg *msg;
};

static int
failed_call(const char *path, int error, struct errmsg *msg)
{
	errmsg_set(msg, "%s: %s", path, strerror(error));
	errmsg_of_file(msg, path, error);
	errno = error;
	return ERR_SYSTEM;
}

/*
 * Say what is wrong with the node: "PATH (owner U:G, mode M) lets WHOM ...; to
 * mend it: COMMAND PATH".  Without a command, or where it would change a
 * home, the key has to go elsewhere.
 */
static bool
unsafe(const struct node *n, const char *what, const char *command)
{
	char owner[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;
	size_t from;

	users_name(n->st.st_uid, owner);
	users_group_name(n->st.st_gid, group);
	cure_path(&b, n->path);
	buf_printf(&b, " (owner %s:%s, mode %04o) %s; to mend it: ", owner,
	    group, (unsigned)(n->st.st_mode & 07777), what);
	from = b.len;
	if (command == NULL ||
	    (S_ISDIR(n->st.st_mode) && cure_in_home(n->path, n->uid))) {
		buf_str(&b, "move the key out of ");
		cure_path(&b, n->path);
		buf_str(&b, ": ");
		cure_move(&b, &(struct cure_reader){n->file, n->path,
				  CURE_SECRET, n->uid, 0});
	} else {
		buf_printf(&b, "%s ", command);
		cure_path(&b, n->path);
	}
	cure_fit(&b, from);
	errmsg_set(n->msg, "%s",
	    buf_text(&b) == NULL ? err_text(ERR_NOMEM) : buf_text(&b));
	buf_fini(&b);
	return false;
}

/* The command, behind one that gives us what we read by another's right. */
static bool
unsafe_file(const struct node *n, const char *what, const char *command)
{
	char me[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;

	if (n->st.st_uid != n->uid) {
		buf_str(&b, "chown ");
		cure_path(&b, users_name(n->uid, me));
		buf_char(&b, ' ');
		cure_path(&b, n->path);
		buf_str(&b, " && ");
	}
	buf_str(&b, command);
	unsafe(n, what, buf_text(&b));
	buf_fini(&b);
	return false;
}

/* Is this a user whom we need not fear? */
static bool
trusted(const struct node *n, uid_t uid)
{
	return uid == 0 || uid == n->uid;
}

static bool
unsafe_owner(const struct node *n, const char *what)
{
	char owner[USERS_NAME_SIZE], me[USERS_NAME_SIZE];
	char words[USERS_NAME_SIZE * 2 + 128];
	users_name(n->st.st_uid, owner);
	users_name(n->uid, me);
	snprintf(words, sizeof(words),
	    "belongs to %s, who may %s, but should belong to %s%s", owner, what,
	    me, n->uid == 0 ? "" : " or root");
	/* A directory may hold more than our key. */
	if (S_ISDIR(n->st.st_mode))
		return unsafe(n, words, NULL);
	return unsafe_file(n, words, "chmod go=");
}

static bool
unsafe_mode(const struct node *n, mode_t other, mode_t group, const char *what,
    const char *const commands[3])
{
	bool (*say)(const struct node *, const char *, const char *) =
	    S_ISDIR(n->st.st_mode) ? unsafe : unsafe_file;
	char words[USERS_NAME_SIZE * 2 + 128], name[USERS_NAME_SIZE] = "";
	bool in_group = (n->st.st_mode & group) != 0 &&
	    users_group_others(n->st.st_gid, n->uid, name);

	if ((n->st.st_mode & other) != 0) {
		snprintf(words, sizeof(words), "lets every user %s", what);
		return say(n, words, commands[in_group ? 2 : 0]);
	}
	if (in_group) {
		snprintf(words, sizeof(words),
		    "lets its group, and so %s, %s", name, what);
		return say(n, words, commands[1]);
	}
	return true;
}

static bool
file_safe(const struct node *n)
{
	static const char *const commands[] = {
	    "chmod o=", "chmod g=", "chmod go="};

	if (!trusted(n, n->st.st_uid))
		return unsafe_owner(n, "read and write it");
	return unsafe_mode(n, S_IROTH | S_IWOTH, S_IRGRP | S_IWGRP,
	    "read or write it", commands);
}

static bool
directory_safe(const struct node *n)
{
	/* A sticky directory is everybody's by intent, and one that hands on
	 * its group, as /var/mail, is that group's. */
	bool sticky = (n->st.st_mode & (S_ISVTX | S_ISGID)) != 0;
	const char *const commands[] = {
	    sticky ? NULL : "chmod o-w", sticky ? NULL : "chmod g-w",
	    sticky ? NULL : "chmod go-w"};

	if ((n->st.st_mode & S_IWUSR) != 0 && !trusted(n, n->st.st_uid))
		return unsafe_owner(n, "replace what is in it");
	return unsafe_mode(
	    n, S_IWOTH, S_IWGRP, "replace what is in it", commands);
}

/* The directories above the file, from the root.  Takes path apart and puts it
 * together again. */
static bool
directories_safe(struct node *n, char *path)
{
	struct stat file = n->st;
	bool safe = true;

	for (char *p = path; safe && (p = strchr(p, '/')) != NULL; p++) {
		char saved = p[p == path];

		p[p == path] = '\0';
		n->path = path;
		safe = stat(path, &n->st) == 0;
		if (safe)
			safe = directory_safe(n);
		else
			(void)failed_call(path, errno, n->msg);
		p[p == path] = saved;
	}
	n->path = path;
	n->st = file;
	return safe;
}

/* The file that was opened is the one that the real path leads to. */
static bool
same_file(const struct node *n)
{
	struct stat now;

	if (stat(n->path, &now) == 0 && now.st_dev == n->st.st_dev &&
	    now.st_ino == n->st.st_ino)
		return true;
	errmsg_set(n->msg, "%s was replaced while it was read", n->path);
	return false;
}

static int
failed(const char *path, const char *why, int rc, struct errmsg *msg)
{
	errmsg_set(msg, "%s: %s", path, why);
	return rc;
}

/* A device is not one, not even the null device. */
static int
open_regular(const char *path, struct stat *st_r, struct errmsg *msg)
{
	int fd = readfile_open(path, st_r, msg);

	if (fd >= 0 && !S_ISREG(st_r->st_mode)) {
		close(fd);
		return failed(path, "expected a regular file, not a device",
		    ERR_CONFIG, msg);
	}
	return fd;
}

static int
read_all(int fd, const char *path, struct keyfile *f, struct errmsg *msg)
{
	int rc = readfile_rest(
	    fd, path, KEYFILE_SIZE_MAX, &f->data, &f->len, msg);

	if (rc == 0 && f->len > KEYFILE_SIZE_MAX) {
		keyfile_free(f);
		return failed(path, "too large for a key", ERR_LIMIT, msg);
	}
	return rc;
}

int
keyfile_read(
    const char *path, uid_t uid, struct keyfile *f_r, struct errmsg *msg_r)
{
	struct node n = {.uid = uid, .msg = msg_r};
	char *real = realpath(path, NULL);
	int fd, rc;

	*f_r = (struct keyfile){0};
	if (real == NULL)
		return failed_call(path, errno, msg_r);
	fd = open_regular(real, &n.st, msg_r);
	rc = fd < 0 ? fd : read_all(fd, path, f_r, msg_r);
	if (rc == 0) {
		n.path = real;
		n.file = path;
		/* A wrong place first: what moves the key makes it right. */
		f_r->unsafe = !same_file(&n) || !directories_safe(&n, real) ||
		    !file_safe(&n);
	}
	if (fd >= 0)
		close(fd);
	free(real);
	return rc;
}

void
keyfile_free(struct keyfile *f)
{
	if (f->data != NULL)
		explicit_bzero(f->data, f->len);
	free(f->data);
	*f = (struct keyfile){0};
}
