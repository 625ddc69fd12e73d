/*
 * A string that grows.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Failure to get memory sticks: further calls do nothing and buf_text returns
 * NULL, so that a caller checks once at the end.
 */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NUL behind it once anything was added */
	size_t len, room;
	bool failed;
};

#define BUF_INIT {0}

void buf_add(struct buf *b, const void *bytes, size_t len);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * Add text from outside so that it can stand in a log line or on a terminal:
 * octets outside 0x21..0x7e, and `"`, `\` and `=`, become \xHH.  What is longer
 * than max octets is cut and ends in `...`.
 */
void buf_escape(struct buf *b, const void *bytes, size_t len, size_t max);
/*
 * Add a value as `key=value` of a log line has it: bare where it is printable
 * ASCII without blanks and double quotes, otherwise in double quotes, with `\"`
 * and `\\` for these two and \xHH for what can't be printed.  A value that takes
 * more than max octets as it is written, the quotes not among them, is cut and
 * ends in `...`.
 */
void buf_quote(struct buf *b, const void *bytes, size_t len, size_t max);
/* The text ("" when nothing was added), the buffer's own; NULL: no memory. */
const char *buf_text(const struct buf *b);
/* Keep the memory, forget the text. */
void buf_reset(struct buf *b);
void buf_fini(struct buf *b);

#endif
