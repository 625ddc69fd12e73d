/*
 * HTML rendered to the text that SpamAssassin's body rules see, and the
 * addresses in it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Elements that break lines become white space, scripts and style sheets go,
 * references become characters.  Text that a person could not see stays.
 */
#ifndef LIB_TEXT_HTML_TEXT_H
#define LIB_TEXT_HTML_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

/* Hears of an address (href, src, action ... resolved against <base>); link: it
 * is an <a>'s. */
typedef void html_uri_fn(void *ctx, const char *uri, size_t len, bool link);

#define HTML_URI_MAX 8192 /* longer ones are cut */
/* Octets of addresses, each counted with its base, after which a document's
 * addresses are no longer told. */
#define HTML_URI_WORK_MAX (4 * 1024 * 1024)

/* Add the text of the document, which is UTF-8.  uri may be NULL.  True: a
 * reference brought in a character above U+00FF.  Failure to get memory sticks
 * to the buffer. */
bool html_text_render(
    struct buf *b, const char *html, size_t len, html_uri_fn *uri, void *ctx);

#endif
