/* SPDX-License-Identifier: BSD-2-Clause */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"

#define NAME_SIZE 64
#define LOOKUP_SIZE 4096

static const char *
user_name(uid_t uid, char *out)
{
	char room[LOOKUP_SIZE];
	struct passwd pw, *found = NULL;

	if (getpwuid_r(uid, &pw, room, sizeof(room), &found) == 0 &&
	    found != NULL)
		snprintf(out, NAME_SIZE, "%s", pw.pw_name);
	else
		snprintf(out, NAME_SIZE, "%lu", (unsigned long)uid);
	return out;
}

static const char *
group_name(gid_t gid, char *out)
{
	char room[LOOKUP_SIZE];
	struct group gr, *found = NULL;

	if (getgrgid_r(gid, &gr, room, sizeof(room), &found) == 0 &&
	    found != NULL)
		snprintf(out, NAME_SIZE, "%s", gr.gr_name);
	else
		snprintf(out, NAME_SIZE, "%lu", (unsigned long)gid);
	return out;
}

/* `mode` is what we lack: R_OK on the file, X_OK on a directory above it. */
static int
explain(const char *part, int mode, struct errmsg *msg_r)
{
	char owner[NAME_SIZE], group[NAME_SIZE], us[NAME_SIZE];
	char cure[NAME_SIZE + 8];
	struct stat st;

	user_name(geteuid(), us);
	if (stat(part, &st) != 0)
		return errmsg_set(msg_r, "%s: not open to user %s", part, us);
	user_name(st.st_uid, owner);
	group_name(st.st_gid, group);
	if (st.st_uid == geteuid())
		snprintf(cure, sizeof(cure), "chmod u+%c",
		    mode == X_OK ? 'x' : 'r');
	else if (mode == X_OK)
		snprintf(cure, sizeof(cure), "chmod o+x");
	else
		snprintf(cure, sizeof(cure), "chown %s", us);
	return errmsg_set(msg_r,
	    "%s: user %s may not %s it (owner %s:%s, mode %04o); mend it with: "
	    "%s %s",
	    part, us, mode == X_OK ? "enter" : "read", owner, group,
	    (unsigned)st.st_mode & 07777, cure, part);
}

int
access_why(const char *path, struct errmsg *msg_r)
{
	char part[PATH_MAX];
	size_t len = strlen(path);
	int rc;

	if (path[0] != '/' || len >= sizeof(part))
		return 0;
	for (size_t i = 1; i <= len; i++) {
		int mode = path[i] == '\0' ? R_OK : X_OK;

		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		rc = faccessat(AT_FDCWD, part, mode, AT_EACCESS);
		if (rc != 0 && errno == EACCES)
			return explain(part, mode, msg_r);
		if (rc != 0)
			return 0;
	}
	return 0;
}
