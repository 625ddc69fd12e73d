/*
 * Why this process may not read a file, in words that help.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_BASE_ACCESS_H
#define LIB_BASE_ACCESS_H

#include "cure.h"

struct errmsg;

/*
 * Walk an absolute path with the rights that are in force.  0: the file can be
 * read, or is not there, or the path is relative.  ERR_CONFIG: some part of it
 * is closed to us; *msg_r names that part, its owner and mode, and what cure_file
 * and cure_enter have for it.  Links are followed: the part is where they lead.
 */
int access_why(
    const char *path, enum cure_kind kind, struct errmsg *msg_r);

#endif
