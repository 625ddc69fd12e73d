/*
 * Rule files: lines, comments, include, if and lang.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_READ_H
#define LIB_RULES_RULES_READ_H

#include <stddef.h>

struct reader;

/* A file, or the *.cf files of a directory.  What is wrong is said. */
void rules_read_path(struct reader *rd, const char *path);
/* Text under the reader's present name. */
void rules_read_text(struct reader *rd, const char *text, size_t len);

#endif
