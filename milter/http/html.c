/* SPDX-License-Identifier: BSD-2-Clause */
#include "html.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/utf8.h"

#define NO_CUT SIZE_MAX
#define INSTEAD "\xef\xbf\xbd" /* U+FFFD */

/* -- text -- */

/* The code point of a valid sequence. */
static uint32_t
code_point(const char *text, size_t n)
{
	const unsigned char *p = (const unsigned char *)text;
	static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t c = p[0] & first[n];

	for (size_t i = 1; i < n; i++)
		c = c << 6 | (p[i] & 0x3f);
	return c;
}

/* Would it change what stands around it, or is it no character at all? */
static bool
is_unfit(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x061c ||
	    c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || (c >= 0xfdd0 && c <= 0xfdef) ||
	    (c & 0xfffe) == 0xfffe;
}

static void
add_character(struct buf *b, const char *text, size_t n)
{
	if (n == 0 || is_unfit(code_point(text, n)))
		buf_str(b, INSTEAD);
	else if (*text == '&')
		buf_str(b, "&amp;");
	else if (*text == '<')
		buf_str(b, "&lt;");
	else if (*text == '>')
		buf_str(b, "&gt;");
	else if (*text == '"')
		buf_str(b, "&quot;");
	else if (*text == '\'')
		buf_str(b, "&#39;");
	else
		buf_add(b, text, n);
}

void
html_escape(struct buf *b, const char *text, size_t len, size_t cut)
{
	for (size_t i = 0, count = 0; i < len; count++) {
		size_t n = utf8_length(text + i, len - i);

		if (count == cut) {
			buf_str(b, "…");
			return;
		}
		add_character(b, text + i, n);
		i += n == 0 ? 1 : n;
	}
}

/* -- tags -- */

/* A name, which is ours. */
static void
add_name(struct html *h, const char *name)
{
	for (; *name != '\0'; name++) {
		assert(isalnum((unsigned char)*name) || *name == '-');
		buf_char(&h->out, *name);
	}
}

static void
end_tag(struct html *h)
{
	if (h->in_tag)
		buf_char(&h->out, '>');
	h->in_tag = false;
}

static void
start_tag(struct html *h, const char *name)
{
	end_tag(h);
	buf_char(&h->out, '<');
	add_name(h, name);
	h->in_tag = true;
}

void
html_doctype(struct html *h)
{
	buf_str(&h->out, "<!DOCTYPE html>\n");
}

void
html_open(struct html *h, const char *name)
{
	assert(h->depth < HTML_DEPTH);
	start_tag(h, name);
	h->open[h->depth++] = name;
}

void
html_close(struct html *h)
{
	assert(h->depth > 0);
	end_tag(h);
	buf_printf(&h->out, "</%s>", h->open[--h->depth]);
}

void
html_close_to(struct html *h, size_t depth)
{
	while (h->depth > depth)
		html_close(h);
}

void
html_void(struct html *h, const char *name)
{
	start_tag(h, name);
}

/* -- attributes -- */

static void
begin_attr(struct html *h, const char *name)
{
	assert(h->in_tag);
	buf_char(&h->out, ' ');
	add_name(h, name);
}

static void
attr(struct html *h, const char *name, const char *value, size_t len)
{
	begin_attr(h, name);
	buf_str(&h->out, "=\"");
	html_escape(&h->out, value, len, NO_CUT);
	buf_char(&h->out, '"');
}

void
html_attr(struct html *h, const char *name, const char *value)
{
	if (value != NULL) {
		attr(h, name, value, strlen(value));
		return;
	}
	begin_attr(h, name);
}

void
html_attrf(struct html *h, const char *name, const char *fmt, ...)
{
	char value[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	attr(h, name, value, strlen(value));
}

void
html_url(struct buf *b, const char *path, const char *key, const char *value)
{
	buf_printf(b, "%s?%s=", path, key);
	for (; *value != '\0'; value++) {
		unsigned char c = (unsigned char)*value;

		/* What RFC 3986 calls unreserved. */
		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL))
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void
html_attr_url(struct html *h, const char *name, const char *path,
    const char *key, const char *value)
{
	begin_attr(h, name);
	buf_str(&h->out, "=\"");
	html_url(&h->out, path, key, value);
	buf_char(&h->out, '"');
}

/* -- content -- */

static void
add_text(struct html *h, const char *text, size_t len, size_t cut)
{
	end_tag(h);
	html_escape(&h->out, text, len, cut);
}

void
html_text(struct html *h, const char *text)
{
	add_text(h, text, strlen(text), NO_CUT);
}

void
html_textf(struct html *h, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	html_text(h, text);
}

void
html_outsiden(struct html *h, const char *text, size_t len, size_t cut)
{
	html_open(h, "bdi");
	add_text(h, text, len, cut);
	html_close(h);
}

void
html_outside(struct html *h, const char *text)
{
	if (text == NULL)
		html_text(h, "–");
	else
		html_outsiden(h, text, strlen(text), HTML_CUT);
}

void
html_element(struct html *h, const char *name, const char *text)
{
	html_open(h, name);
	html_text(h, text);
	html_close(h);
}

void
html_open_classed(struct html *h, const char *name, const char *class)
{
	html_open(h, name);
	html_attr(h, "class", class);
}

void
html_classed(
    struct html *h, const char *name, const char *class, const char *text)
{
	html_open_classed(h, name, class);
	html_text(h, text);
	html_close(h);
}

void
html_fini(struct html *h)
{
	buf_fini(&h->out);
}
