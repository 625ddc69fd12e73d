/*
 * A file with a secret in it: read it, and say whether others could too.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The rules are opendkim's for safe keys.  The file is a regular file; it
 * belongs to root or to the user that runs us; others may not read or write it;
 * its group may read or write it only if nobody but those two is in the group.
 * Each directory of its real path (symbolic links followed) belongs to root or
 * that user, unless its owner can't write it, and group and others may not
 * write it (the same rule about the group; a sticky directory such as /tmp is
 * not exempt).  What was checked is what was opened: device and inode are
 * compared.
 */
#ifndef LIB_BASE_KEYFILE_H
#define LIB_BASE_KEYFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct errmsg;

#define KEYFILE_SIZE_MAX 65536 /* octets */

struct keyfile {
	char *data; /* NUL-terminated; may hold NULs all the same */
	size_t len;
	bool unsafe; /* msg_r says what lets whom in, and what mends it */
};

/*
 * Read the file at path, for a process that runs as uid.
 *
 * 0: *f_r holds the contents.  If f_r->unsafe, msg_r tells the path component,
 * its owner and mode, whom that lets in, and the command that mends it; the
 * caller decides whether that is an error or a warning.  Otherwise: ERR_NOMEM,
 * ERR_LIMIT (too large), ERR_SYSTEM (it can't be read) or ERR_CONFIG (a
 * directory, a device), with words in msg_r that begin with the path, and
 * nothing to free.
 */
int keyfile_read(
    const char *path, uid_t uid, struct keyfile *f_r, struct errmsg *msg_r);
/* Wipe and free the contents; the struct itself is the caller's. */
void keyfile_free(struct keyfile *f);

#endif
