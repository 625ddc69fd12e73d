/*
 * Text as a string of JSON (RFC 8259).  SPDX-License-Identifier: BSD-2-Clause
 *
 * What it writes is valid UTF-8, has no line break, and is harmless on a
 * terminal: controls (C0, DEL, C1), line and paragraph separators and what
 * changes the direction of writing are written as \uXXXX.
 */
#ifndef LIB_BASE_JSONTEXT_H
#define LIB_BASE_JSONTEXT_H

#include <stddef.h>

struct buf;

/* Add the text in double quotes.  Each octet that is not part of valid UTF-8
 * becomes U+FFFD. */
void jsontext_add(struct buf *b, const char *bytes, size_t len);
/* Add JSON that another writer made, so that it is as harmless: what is outside
 * of ASCII, and DEL, stands within strings. */
void jsontext_guard(struct buf *b, const char *json, size_t len);

#endif
