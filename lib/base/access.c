/* SPDX-License-Identifier: BSD-2-Clause */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "cure.h"
#include "err.h"
#include "users.h"

#define LINKS_MAX 40 /* as Linux has it */

/* Where we are on the way to a file, and what of the way is left. */
struct walk {
	char done[PATH_MAX]; /* without a link; "" is the root */
	char rest[PATH_MAX];
	const char *named;
	enum cure_kind kind;
	int links;
};

/* `mode` is what we lack: R_OK on the file, X_OK on a directory above it. */
static int
explain(const struct walk *w, const char *part, int mode, struct errmsg *msg_r)
{
	char owner[USERS_NAME_SIZE], group[USERS_NAME_SIZE];
	char us[USERS_NAME_SIZE];
	char path[2 * PATH_MAX];
	struct cure_reader r = {w->named, path, w->kind, geteuid(), getegid()};
	struct buf b = BUF_INIT;
	struct stat st;

	users_name(geteuid(), us);
	if (stat(part, &st) != 0)
		return errmsg_set(msg_r, "%s: not open to user %s", part, us);
	snprintf(path, sizeof(path), "%s/%s", w->done, w->rest);
	if (mode == X_OK)
		cure_enter(&b, part, &r);
	else
		cure_file(&b, part, &r);
	errmsg_set(msg_r, "%s: user %s may not %s it (owner %s:%s, mode %04o)",
	    part, us, mode == X_OK ? "enter" : "read",
	    users_name(st.st_uid, owner), users_group_name(st.st_gid, group),
	    (unsigned)st.st_mode & 07777);
	errmsg_of_file(msg_r, w->named, EACCES);
	errmsg_cure(msg_r, "; ",
	    buf_text(&b) == NULL ? err_text(ERR_NOMEM) : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

/* The way goes on from the link's directory, or from the root. */
static bool
follow(struct walk *w, size_t above)
{
	char target[PATH_MAX], rest[2 * PATH_MAX];
	ssize_t len = readlink(w->done, target, sizeof(target) - 1);

	if (len <= 0 || ++w->links > LINKS_MAX)
		return false;
	target[len] = '\0';
	snprintf(rest, sizeof(rest), "%s/%s", target, w->rest);
	if (strlen(rest) >= sizeof(w->rest))
		return false;
	strcpy(w->rest, rest);
	w->done[target[0] == '/' ? 0 : above] = '\0';
	return true;
}

/* One name of the way.  False: it ends here. */
static bool
step(struct walk *w)
{
	char *name = w->rest + strspn(w->rest, "/");
	size_t len = strcspn(name, "/"), above = strlen(w->done);
	struct stat st;

	if (len == 2 && strncmp(name, "..", 2) == 0) {
		char *slash = strrchr(w->done, '/');

		if (slash != NULL)
			*slash = '\0';
	} else if (len > 1 || (len == 1 && name[0] != '.')) {
		if (above + 1 + len >= sizeof(w->done))
			return false;
		w->done[above] = '/';
		memcpy(w->done + above + 1, name, len);
		w->done[above + 1 + len] = '\0';
	}
	memmove(w->rest, name + len, strlen(name + len) + 1);
	if (w->done[0] == '\0')
		return true;
	if (lstat(w->done, &st) != 0)
		return false;
	return !S_ISLNK(st.st_mode) || follow(w, above);
}

/* A file in a directory's place is not closed: no right would open the way. */
static bool
may_explain(const char *part, int mode)
{
	struct stat st;

	return mode != X_OK || stat(part, &st) != 0 || S_ISDIR(st.st_mode);
}

int
access_why(const char *path, enum cure_kind kind, struct errmsg *msg_r)
{
	struct walk w = {.named = path, .kind = kind};
	const char *part;
	int mode;

	if (path[0] != '/' || strlen(path) >= sizeof(w.rest))
		return 0;
	strcpy(w.rest, path);
	do {
		part = w.done[0] == '\0' ? "/" : w.done;
		mode = w.rest[strspn(w.rest, "/")] == '\0' ? R_OK : X_OK;
		if (faccessat(AT_FDCWD, part, mode, AT_EACCESS) != 0)
			return errno == EACCES && may_explain(part, mode)
			    ? explain(&w, part, mode, msg_r)
			    : 0;
	} while (mode == X_OK && step(&w));
	return 0;
}
