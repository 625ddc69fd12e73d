/*
 * A text as rules see it: pieces that patterns are tried on one by one.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_TEXT_VIEW_H
#define LIB_TEXT_TEXT_VIEW_H

#include <stddef.h>

struct text_piece {
	const char *text; /* NULs may be among it */
	size_t len;
};

struct text_view {
	struct text_piece *pieces;
	size_t count;
};

#endif
