/*
 * A message in memory, taken apart into header fields and body.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_MAIL_MESSAGE_H
#define LIB_MAIL_MESSAGE_H

#include <stddef.h>

struct buf;

/* Hears of each field, in order; the form is that of lib/mail/hdr.h. */
typedef void message_field_fn(void *ctx, const char *name, size_t name_len,
    const char *value, size_t value_len);

/*
 * Tell the fields and return where the body begins (len when there is none).
 * An mbox `From ` line is skipped.  Lines end in LF or CRLF.  Any bytes will
 * do: the first line that is neither a field nor a continuation of one begins
 * the body, as MTAs see it.
 */
size_t message_split(const char *bytes, size_t len, message_field_fn *field,
    void *ctx);

/* Add bytes with every bare LF as CRLF. */
void message_crlf(struct buf *b, const char *bytes, size_t len);

#endif
