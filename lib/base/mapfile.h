/*
 * Files that several processes map and count in: locked, looked at before they
 * are trusted, built under another name.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Such a file gets its name when it is whole: it is built as PATH.new, by
 * whoever holds the lock of that file, and renamed.  The lock on PATH.new also
 * guards every change of who bears the name PATH.  A builder that was killed
 * leaves a PATH.new to the next one.
 *
 * Failures have their cause, and where there is one the cure, in an errmsg, and
 * leave errno as it is.
 */
#ifndef LIB_BASE_MAPFILE_H
#define LIB_BASE_MAPFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct errmsg;

/* Say why in msg (may be NULL) and return the code; errno stays. */
int mapfile_fail(struct errmsg *msg, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for a system call: ERR_SYSTEM. */
int mapfile_fail_call(struct errmsg *msg, const char *what, const char *path);

/* Set (F_WRLCK, waiting) or lift (F_UNLCK) the lock of an open file.  0 or
 * ERR_SYSTEM. */
int mapfile_lock(int fd, short type);
/* Who has the name?  0: this file; 1: another; ERR_NOTFOUND: none;
 * ERR_SYSTEM. */
int mapfile_taken(const char *path, dev_t dev, ino_t ino);
/* Is it a regular file, and, unless it is only read, one that nobody else can
 * write to or cut off?  0 or ERR_CONFIG. */
int mapfile_safe(const char *path, const struct stat *st, bool read_only,
    struct errmsg *msg);

/* Become the one who builds: open PATH.new, 0600, and wait for its lock; *fd_r
 * is the caller's.  0, ERR_SYSTEM or ERR_CONFIG. */
int mapfile_build(
    const char *new_path, int *fd_r, struct stat *st, struct errmsg *msg);
/* Could one become that, as far as this can be seen?  A descriptor (the
 * caller's) of a file without a name, or of PATH.new itself if there is one;
 * or as above. */
int mapfile_try(const char *new_path, struct errmsg *msg);
/* Would so much fit, besides what is there?  0, or as mapfile_allocate. */
int mapfile_try_size(int fd, off_t size);
/* Give up building: nothing is left. */
void mapfile_unbuild(const char *new_path, int fd);
/* A file that is being built: all zero, and all there on the disk.  0, or
 * ERR_SYSTEM, errno says why (ENOSPC, EDQUOT, EFBIG: no room). */
int mapfile_allocate(int fd, off_t size);
/* A file that is in use: that no hole of it (it was copied here) fills the disk
 * later.  Where the file system can't, nothing happens.  0, or as above. */
int mapfile_keep(int fd, off_t size);
/* Does anybody hold the builder's lock? */
bool mapfile_building(const char *new_path);
/* Give what is in the way another name, PATH.bad-TIME, which is in `name` then.
 * Where the file system can, it keeps its own too, until another file is
 * renamed to it: at no moment is there none.  0 or ERR_SYSTEM. */
int mapfile_set_aside(const char *path, time_t now, char *name, size_t size);

#endif
