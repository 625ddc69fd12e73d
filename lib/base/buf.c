/* SPDX-License-Identifier: BSD-2-Clause */
#include "buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINTF_ROOM 64

/* Room for len more octets and a NUL. */
static bool
reserve(struct buf *b, size_t len)
{
	size_t want, room;
	char *data;

	if (b->failed || len >= SIZE_MAX / 2 - b->len)
		return !(b->failed = true);
	want = b->len + len + 1;
	if (want <= b->room)
		return true;
	room = b->room < 64 ? 64 : b->room;
	while (room < want)
		room *= 2;
	data = realloc(b->data, room);
	if (data == NULL)
		return !(b->failed = true);
	b->data = data;
	b->room = room;
	return true;
}

void
buf_add(struct buf *b, const void *bytes, size_t len)
{
	if (!reserve(b, len))
		return;
	if (len > 0)
		memcpy(b->data + b->len, bytes, len);
	b->len += len;
	b->data[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	if (!reserve(b, 1))
		return;
	b->data[b->len++] = c;
	b->data[b->len] = '\0';
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room;
	va_list ap;
	int n;

	/* Most texts are short: once is enough, if there is some room. */
	if (!reserve(b, PRINTF_ROOM))
		return;
	room = b->room - b->len;
	va_start(ap, fmt);
	n = vsnprintf(b->data + b->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n >= room && reserve(b, (size_t)n)) {
		va_start(ap, fmt);
		vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	if (n < 0 || b->failed) {
		b->failed = true;
		return;
	}
	b->len += (size_t)n;
}

void
buf_escape(struct buf *b, const void *bytes, size_t len, size_t max)
{
	const unsigned char *p = bytes;
	size_t n = len < max ? len : max;

	for (size_t i = 0; i < n; i++) {
		if (p[i] <= 0x20 || p[i] > 0x7e || strchr("\"\\=", p[i]))
			buf_printf(b, "\\x%02x", p[i]);
		else
			buf_char(b, (char)p[i]);
	}
	if (n < len)
		buf_str(b, "...");
}

/* As it stands between quotes; returns its length. */
static size_t
quoted(unsigned char c, char text[8])
{
	if (c < 0x20 || c > 0x7e)
		return (size_t)snprintf(text, 8, "\\x%02x", c);
	return (size_t)snprintf(
	    text, 8, "%s%c", c == '"' || c == '\\' ? "\\" : "", c);
}

static bool
is_bare(const unsigned char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] <= 0x20 || p[i] > 0x7e || p[i] == '"')
			return false;
	}
	return true;
}

void
buf_quote(struct buf *b, const void *bytes, size_t len, size_t max)
{
	const unsigned char *p = bytes;
	size_t n = len < max ? len : max, used = 0, i;
	char text[8];

	if (is_bare(p, n)) {
		buf_add(b, p, n);
		buf_str(b, n < len ? "..." : "");
		return;
	}
	buf_char(b, '"');
	for (i = 0; i < len; i++) {
		n = quoted(p[i], text);
		used += n;
		if (used > max)
			break;
		buf_add(b, text, n);
	}
	buf_str(b, i < len ? "...\"" : "\"");
}

const char *
buf_text(const struct buf *b)
{
	if (b->failed)
		return NULL;
	return b->data == NULL ? "" : b->data;
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
	b->failed = false;
	if (b->data != NULL)
		b->data[0] = '\0';
}

void
buf_fini(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}
