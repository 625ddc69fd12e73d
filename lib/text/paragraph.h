/*
 * Text cut into the pieces that rules see.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_PARAGRAPH_H
#define LIB_TEXT_PARAGRAPH_H

#include <stdbool.h>
#include <stddef.h>

#include "text_view.h"

struct arena;
struct buf;

#define PARAGRAPH_MAX 2048

/* How much of a part's UTF-8 text is looked at: MIME_BODY_PART_MAX characters,
 * and on to the end of a line or word. */
size_t paragraph_limit(const char *text, size_t len);

/*
 * Add the text with white space as one blank; where there are two line ends or
 * more in it, as "\n".  wide: the spaces of Unicode count as well; otherwise
 * the text has no character above U+00FF and comes out in Latin 1, which is how
 * SpamAssassin has the Latin letters of references in HTML that is ASCII.
 */
void paragraph_squeeze(struct buf *b, const char *text, size_t len, bool wide);

/* Add UTF-8 as Latin 1; false: it is ASCII, or has characters above U+00FF. */
bool paragraph_latin(struct buf *b, const char *text, size_t len);

/* Cut behind each "\n", and behind a blank where a piece would be longer than
 * PARAGRAPH_MAX.  The text is copied to the arena.  False: no memory. */
bool paragraph_split(
    struct arena *a, const char *text, size_t len, struct text_view *view_r);

/* Add the text, up to MIME_RAW_PART_MAX of it, in pieces of PARAGRAPH_MAX to
 * twice that.  The view has room for 1 + len / PARAGRAPH_MAX more; the text is
 * not copied. */
void paragraph_chunks(struct text_view *view, const char *text, size_t len);

#endif
