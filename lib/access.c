/* SPDX-License-Identifier: BSD-2-Clause */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "cure.h"
#include "err.h"
#include "users.h"

/* `mode` is what we lack: R_OK on the file, X_OK on a directory above it. */
static int
explain(const char *part, const char *path, enum cure_kind kind, int mode,
    struct errmsg *msg_r)
{
	char owner[USERS_NAME_SIZE], group[USERS_NAME_SIZE], us[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;
	struct stat st;

	users_name(geteuid(), us);
	if (stat(part, &st) != 0)
		return errmsg_set(msg_r, "%s: not open to user %s", part, us);
	if (mode == X_OK)
		cure_enter(&b, part, path, kind, geteuid(), getegid());
	else
		cure_file(&b, part, kind, geteuid(), getegid());
	errmsg_set(msg_r,
	    "%s: user %s may not %s it (owner %s:%s, mode %04o); "
	    CURE_WORDS "%s",
	    part, us, mode == X_OK ? "enter" : "read",
	    users_name(st.st_uid, owner), users_group_name(st.st_gid, group),
	    (unsigned)st.st_mode & 07777,
	    buf_text(&b) == NULL ? err_text(ERR_NOMEM) : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

int
access_why(const char *path, enum cure_kind kind, struct errmsg *msg_r)
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
			return explain(part, path, kind, mode, msg_r);
		if (rc != 0)
			return 0;
	}
	return 0;
}
