/*
 * UTF-8 (RFC 3629).  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_BASE_UTF8_H
#define LIB_BASE_UTF8_H

#include <stddef.h>

struct buf;

/* The length of the valid sequence that the octets begin with; 0: none does.
 * Overlong forms, surrogates and what lies above U+10FFFF are not valid. */
size_t utf8_length(const char *bytes, size_t len);
/* Add the text to the buffer; each octet that is not part of a valid sequence
 * becomes U+FFFD. */
void utf8_mend(struct buf *b, const char *bytes, size_t len);

#endif
