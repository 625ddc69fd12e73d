/*
 * The Content-Type field (RFC 2045 section 5), as SpamAssassin reads it: from
 * whatever stands there.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_CONTENT_TYPE_H
#define LIB_TEXT_CONTENT_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#define CONTENT_TYPE_MAX 64

struct content_word {
	const char *s; /* in the value that was read; NULL: there is none */
	size_t len;
};

struct content_type {
	char type[CONTENT_TYPE_MAX]; /* lower case; text/plain for want of one,
				      * and for most of text/ */
	struct content_word boundary, charset, name;
	bool missing;
};

/* value: unfolded; len 0: the field is missing. */
void content_type_read(struct content_type *ct, const char *value, size_t len);
/* The name of a Content-Disposition. */
struct content_word content_type_disposition(const char *value, size_t len);

#endif
