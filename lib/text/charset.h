/*
 * Text of a declared character set as UTF-8, with SpamAssassin's guesses where
 * the declaration is absent or wrong.  SPDX-License-Identifier: BSD-2-Clause
 *
 * What is valid UTF-8 is taken for UTF-8, whatever was declared; then the
 * declared set is tried, by iconv(3) for those sets that mail has; what is left
 * is windows-1252, of which every octet is a character.
 */
#ifndef LIB_TEXT_CHARSET_H
#define LIB_TEXT_CHARSET_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * Add the text to the buffer.  insist: the declared set is right, and what is
 * not of it becomes U+FFFD (encoded words).  True: it was decoded; false: it is
 * ASCII and was taken as it stands.
 */
bool charset_utf8(struct buf *b, const char *text, size_t len,
    const char *declared, size_t declared_len, bool insist);

/* Add one character. */
void charset_put(struct buf *b, unsigned long c);

#endif
