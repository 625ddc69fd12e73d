/*
 * Can text be seen? Colours, sizes and hiding of HTML elements, as far as
 * SpamAssassin looks at them.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_HTML_STYLE_H
#define LIB_TEXT_HTML_STYLE_H

#include <stdbool.h>
#include <stddef.h>

struct html_tag;

#define HTML_STYLE_DEPTH 256

struct html_style {
	unsigned element; /* which pushed it; 0: none did */
	int fg, bg;	  /* 0xrrggbb, or negative: no colour */
	long size;
	bool hidden, no_display;
};

struct html_styles {
	struct html_style stack[HTML_STYLE_DEPTH];
	size_t depth;
	long basefont;
};

void html_style_init(struct html_styles *st);
void html_style_start(struct html_styles *st, const struct html_tag *tag);
void html_style_end(struct html_styles *st, const char *name, size_t len);
/* Would a person not see text that stands here? */
bool html_style_invisible(const struct html_styles *st);

#endif
