/*
 * Reading the files that a configuration names.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All of them are opened here, so that none can make a start or a reload wait:
 * a regular file is read, and the null device, which is an empty one.  A named
 * pipe, a terminal, a socket, a directory is a mistake, and not waited for.
 */
#ifndef LIB_BASE_READFILE_H
#define LIB_BASE_READFILE_H

#include <stddef.h>
#include <sys/stat.h>

struct errmsg;

/* Open for reading; *st_r (may be NULL) is its status.  The descriptor is the
 * caller's.  ERR_SYSTEM: errno says why; ERR_CONFIG: it is no file to read.
 * *msg_r begins with the path either way. */
int readfile_open(const char *path, struct stat *st_r, struct errmsg *msg_r);
/* Could it be opened?  For those who only take a path.  0 or as above. */
int readfile_check(const char *path, struct errmsg *msg_r);
/* What is left to read in fd, which path names in words: malloc'ed, with a NUL
 * behind its end; *text_r is the caller's.  At most max + 1 octets, so that
 * *len_r > max tells that it is too long.  0, ERR_SYSTEM or ERR_NOMEM. */
int readfile_rest(int fd, const char *path, size_t max, char **text_r,
    size_t *len_r, struct errmsg *msg_r);
/* Both: open, read, close. */
int readfile_text(const char *path, size_t max, char **text_r, size_t *len_r,
    struct errmsg *msg_r);

#endif
