/* SPDX-License-Identifier: BSD-2-Clause */
#include "keyfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "err.h"
#include "users.h"

/* One component of the path. */
struct node {
	const char *path;
	struct stat st;
	uid_t uid; /* who runs us */
	struct errmsg *msg;
};

/* The path as a shell takes it, and a terminal too. */
static void
add_quoted(struct buf *b, const char *path)
{
	bool plain = true;

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

/*
 * Say what is wrong with the node: "PATH (owner U:G, mode M) lets WHOM ...; to
 * mend it: COMMAND PATH".
 */
static bool
unsafe(const struct node *n, const char *what, const char *command)
{
	char owner[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;

	users_name(n->st.st_uid, owner);
	users_group_name(n->st.st_gid, group);
	add_quoted(&b, n->path);
	buf_printf(&b, " (owner %s:%s, mode %04o) %s; to mend it: %s ", owner,
	    group, (unsigned)(n->st.st_mode & 07777), what, command);
	add_quoted(&b, n->path);
	errmsg_set(n->msg, "%s",
	    buf_text(&b) == NULL ? err_text(ERR_NOMEM) : buf_text(&b));
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
	char words[USERS_NAME_SIZE * 2 + 128], command[USERS_NAME_SIZE + 16];

	users_name(n->st.st_uid, owner);
	users_name(n->uid, me);
	snprintf(words, sizeof(words),
	    "belongs to %s, who may %s, but should belong to %s%s", owner, what,
	    me, n->uid == 0 ? "" : " or root");
	snprintf(command, sizeof(command), "chown %s", me);
	return unsafe(n, words, command);
}

static bool
unsafe_mode(const struct node *n, mode_t other, mode_t group, const char *what,
    const char *const commands[3])
{
	char words[USERS_NAME_SIZE * 2 + 128], name[USERS_NAME_SIZE] = "";
	bool in_group = (n->st.st_mode & group) != 0 &&
	    users_group_others(n->st.st_gid, n->uid, name);

	if ((n->st.st_mode & other) != 0) {
		snprintf(words, sizeof(words), "lets every user %s", what);
		return unsafe(n, words, commands[in_group ? 2 : 0]);
	}
	if (in_group) {
		snprintf(words, sizeof(words),
		    "lets its group, and so %s, %s", name, what);
		return unsafe(n, words, commands[1]);
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
	/* A sticky directory is everybody's by intent. */
	bool sticky = (n->st.st_mode & S_ISVTX) != 0;
	const char *const commands[] = {
	    sticky ? "move the key out of" : "chmod o-w", "chmod g-w",
	    sticky ? "move the key out of" : "chmod go-w"};

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
	bool safe = true;

	for (char *p = path; safe && (p = strchr(p, '/')) != NULL; p++) {
		char saved = p[p == path];

		p[p == path] = '\0';
		n->path = path;
		safe = stat(path, &n->st) == 0;
		if (safe)
			safe = directory_safe(n);
		else
			errmsg_set(n->msg, "%s: %s", path, strerror(errno));
		p[p == path] = saved;
	}
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

static int
read_all(int fd, const char *path, struct keyfile *f, struct errmsg *msg)
{
	char *data = malloc(KEYFILE_SIZE_MAX + 2);
	size_t len = 0;
	ssize_t n;
	int rc = 0;

	if (data == NULL)
		return failed(path, err_text(ERR_NOMEM), ERR_NOMEM, msg);
	while (len <= KEYFILE_SIZE_MAX && (n = read(fd, data + len,
	    KEYFILE_SIZE_MAX + 1 - len)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = failed(path, strerror(errno), ERR_SYSTEM, msg);
			break;
		}
		len += (size_t)n;
	}
	if (rc == 0 && len > KEYFILE_SIZE_MAX)
		rc = failed(path, "too large for a key", ERR_LIMIT, msg);
	f->data = data;
	f->len = len;
	data[len] = '\0';
	if (rc != 0)
		keyfile_free(f);
	return rc;
}

static int
open_regular(const char *path, struct stat *st_r, struct errmsg *msg)
{
	/* Not to wait for the other end of a pipe. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

	if (fd < 0)
		return failed(path, strerror(errno), ERR_SYSTEM, msg);
	if (fstat(fd, st_r) != 0 || !S_ISREG(st_r->st_mode)) {
		close(fd);
		return failed(path, "not a regular file", ERR_CONFIG, msg);
	}
	return fd;
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
		return failed(path, strerror(errno), ERR_SYSTEM, msg_r);
	fd = open_regular(real, &n.st, msg_r);
	rc = fd < 0 ? fd : read_all(fd, path, f_r, msg_r);
	if (rc == 0) {
		n.path = real;
		f_r->unsafe = !file_safe(&n) || !same_file(&n) ||
		    !directories_safe(&n, real);
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
