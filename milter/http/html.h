/*
 * A page of HTML, written down element by element.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Nothing else writes into a page.  Names of elements and attributes are
 * constants of ours; every text and every value is escaped here, whoever wrote
 * it, so that what stands in a mail or in the DNS is never markup.  Control
 * octets (C0, C1, DEL), what turns the direction of text (bidirectional
 * controls), line separators and broken UTF-8 become U+FFFD.  What is opened is
 * closed, in order.
 */
#ifndef MILTER_HTTP_HTML_H
#define MILTER_HTTP_HTML_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/buf.h"

#define HTML_DEPTH 64 /* elements within one another */
#define HTML_CUT 200  /* characters of a text from outside */

struct html {
	struct buf out;
	const char *open[HTML_DEPTH]; /* elements that are open */
	size_t depth;
	bool in_tag; /* a start tag is not closed yet: attributes may follow */
};

#define HTML_INIT {BUF_INIT, {0}, 0, false}

/* <!DOCTYPE html> */
void html_doctype(struct html *h);
/* A start tag. */
void html_open(struct html *h, const char *name);
/* The end tag of the innermost element. */
void html_close(struct html *h);
/* End tags until only so many elements are open. */
void html_close_to(struct html *h, size_t depth);
/* An element without content or end tag: meta, link, input. */
void html_void(struct html *h, const char *name);

/* An attribute of the tag that was written last.  value NULL: one without a
 * value, as `open`. */
void html_attr(struct html *h, const char *name, const char *value);
void html_attrf(struct html *h, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An attribute with a path of ours and one argument, of any octets: href, "/x",
 * "q", "a b" is href="/x?q=a%20b". */
void html_attr_url(struct html *h, const char *name, const char *path,
    const char *key, const char *value);

/* Words of ours. */
void html_text(struct html *h, const char *text);
void html_textf(struct html *h, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text from outside, in an element of its own (bdi) that keeps its direction
 * from what stands around it; after HTML_CUT characters it is cut.  NULL is a
 * dash. */
void html_outside(struct html *h, const char *text);
void html_outsiden(struct html *h, const char *text, size_t len, size_t cut);

/* An element with nothing but a text of ours. */
void html_element(struct html *h, const char *name, const char *text);
/* The same with a class. */
void html_classed(
    struct html *h, const char *name, const char *class, const char *text);
/* Open one with a class. */
void html_open_classed(struct html *h, const char *name, const char *class);

/* Free it. */
void html_fini(struct html *h);

/* A path of ours with one argument, as in html_attr_url. */
void html_url(
    struct buf *b, const char *path, const char *key, const char *value);
/* What html_text and the values of attributes go through: add at most cut
 * characters of the text to the buffer, with `…` where some are left out. */
void html_escape(struct buf *b, const char *text, size_t len, size_t cut);

#endif
