/*
 * HTML as it comes, cut into tags and text, where mail programs would cut it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The cuts are those of Perl's HTML::Parser, through which SpamAssassin sees
 * HTML, so that a rule sees the same text here.  One pass, no tree, no memory;
 * any bytes will do.
 */
#ifndef LIB_TEXT_HTML_TOKEN_H
#define LIB_TEXT_HTML_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

struct html_tag {
	const char *name; /* as written */
	size_t name_len;
	const char *attrs; /* what stands behind it, before the `>` */
	size_t attrs_len;
};

struct html_attr {
	const char *name, *value; /* as written; without value, the name */
	size_t name_len, value_len;
};

struct html_sink {
	/* raw: references are not to be decoded */
	void (*text)(void *ctx, const char *text, size_t len, bool raw);
	void (*start)(void *ctx, const struct html_tag *tag);
	void (*end)(void *ctx, const char *name, size_t name_len);
};

/* Comments, declarations and what is never closed are passed over. */
void html_tokenize(
    const char *html, size_t len, const struct html_sink *sink, void *ctx);

/* Take the next attribute off the tag; false: there is none. */
bool html_attr_next(struct html_tag *tag, struct html_attr *attr_r);

#endif
