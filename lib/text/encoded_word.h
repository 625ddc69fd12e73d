/*
 * Encoded words in header fields (RFC 2047, RFC 2231 section 5), decoded as
 * SpamAssassin 4 decodes them.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_ENCODED_WORD_H
#define LIB_TEXT_ENCODED_WORD_H

#include <stddef.h>

struct buf;

/*
 * Add the value unfolded, without white space at its ends, in UTF-8.  name: the
 * field's, by which SpamAssassin leaves some as they are (Received, Message-ID,
 * Date, List-* and their like).
 */
void encoded_word_decode(struct buf *b, const char *name, size_t name_len,
    const char *value, size_t value_len);

#endif
