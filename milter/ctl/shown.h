/*
 * Text from outside on a terminal, in columns.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Printable characters stand as they are where the locale (LC_CTYPE) is one of
 * UTF-8, and everything else as \xNN: controls, what has no width of its own,
 * octets that are no UTF-8.
 */
#ifndef MILTER_CTL_SHOWN_H
#define MILTER_CTL_SHOWN_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Does the locale have characters beyond ASCII? */
bool shown_utf8(void);
/* Add the text; of one that needs more than `columns` the beginning, and `...`.
 * Returns the columns that were used. */
size_t shown_add(
    struct buf *b, const char *bytes, size_t len, size_t columns);
/* The columns of what shown_add has written, and of ASCII. */
size_t shown_columns(const char *text);

/* An amount of octets with K, M, G or T (powers of 1024), as short as it can be
 * read: 500M, 1.2M, 17. */
#define SHOWN_SIZE 32
void shown_size(unsigned long long octets, char text_r[SHOWN_SIZE]);
/* How long ago: 12s, 3m, 2h, 5d; "-" for a time of 0. */
#define SHOWN_AGO 32
void shown_ago(long long now, long long then, char text_r[SHOWN_AGO]);

#endif
