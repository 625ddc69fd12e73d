/*
 * Character references of HTML (HTML 4.01 sections 5.3 and 24).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_HTML_ENTITY_H
#define LIB_TEXT_HTML_ENTITY_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/*
 * Add the text, which is UTF-8, with its references as characters.  A reference
 * may lack its semicolon where the character is of Latin 1; in running text
 * (prefix) it may also be followed by more letters.  What is none stays.
 * True: a character above U+00FF came in.
 */
bool html_entity_decode(
    struct buf *b, const char *text, size_t len, bool prefix);

#endif
