/* SPDX-License-Identifier: BSD-2-Clause */
#include "paragraph.h"

#include <string.h>

#include "ascii.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "mime.h"

enum { NEAR = 1024 }; /* so far on an end is looked for */

/* Behind the first c at max or up to NEAR octets on; 0: there is none. */
static size_t
end_near(const char *text, size_t len, size_t max, char c)
{
	size_t n = len - max > NEAR + 1 ? NEAR + 1 : len - max;
	const char *p = memchr(text + max, c, n);

	return p != NULL ? (size_t)(p - text) + 1 : 0;
}

size_t
paragraph_limit(const char *text, size_t len)
{
	size_t chars = 0, i = 0, n;

	for (; i < len; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (chars++ == MIME_BODY_PART_MAX)
			break;
	}
	if (i >= len)
		return len;
	if ((n = end_near(text, len, i, '\n')) == 0 &&
	    (n = end_near(text, len, i, ' ')) == 0)
		n = i;
	return n;
}

/* Octets of the white space that the text begins with; 0: none. */
static size_t
space_len(const char *text, size_t len, bool wide)
{
	const unsigned char *s = (const unsigned char *)text;

	if (ascii_space(*text))
		return 1;
	if (!wide || len < 2 || s[0] < 0xc2)
		return 0;
	if (s[0] == 0xc2)
		return s[1] == 0x85 || s[1] == 0xa0 ? 2 : 0;
	if (len < 3)
		return 0;
	if (s[0] == 0xe2)
		return (s[1] == 0x80 && (s[2] <= 0x8a || s[2] == 0xa8 ||
					    s[2] == 0xa9 || s[2] == 0xaf)) ||
			       (s[1] == 0x81 && s[2] == 0x9f)
			   ? 3
			   : 0;
	return (s[0] == 0xe1 && s[1] == 0x9a && s[2] == 0x80) ||
		       (s[0] == 0xe3 && s[1] == 0x80 && s[2] == 0x80)
		   ? 3
		   : 0;
}

/* A run of white space: where are its line ends? */
static size_t
squeeze_run(struct buf *b, const char *text, size_t len, bool wide)
{
	size_t n = 0, step, first = 0, last = 0, ends = 0;

	while (n < len && (step = space_len(text + n, len - n, wide)) > 0) {
		if (text[n] == '\n') {
			if (ends++ == 0)
				first = n;
			last = n;
		}
		n += step;
	}
	if (ends < 2) {
		buf_char(b, ' ');
		return n;
	}
	if (first > 0)
		buf_char(b, ' ');
	buf_char(b, '\n');
	if (last + 1 < n)
		buf_char(b, ' ');
	return n;
}

void
paragraph_squeeze(struct buf *b, const char *text, size_t len, bool wide)
{
	for (size_t i = 0, from = 0; i <= len;) {
		unsigned char c = i < len ? (unsigned char)text[i] : '\0';
		bool latin = !wide && (c == 0xc2 || c == 0xc3) && i + 1 < len;

		if (i < len && !latin && c != '\0' &&
		    space_len(text + i, len - i, wide) == 0) {
			i++;
			continue;
		}
		buf_add(b, text + from, i - from);
		if (i == len)
			return;
		if (latin) {
			buf_char(b, (char)(c << 6 | (text[i + 1] & 0x3f)));
			i += 2;
		} else if (c == '\0') {
			/* SpamAssassin's mark for a paragraph. */
			buf_char(b, '\n');
			i++;
		} else
			i += squeeze_run(b, text + i, len - i, wide);
		from = i;
	}
}

bool
paragraph_latin(struct buf *b, const char *text, size_t len)
{
	bool latin = false;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c > 0xc3)
			return false;
		if (c >= 0xc2 && i + 1 < len) {
			buf_char(b, (char)(c << 6 | (text[++i] & 0x3f)));
			latin = true;
		} else
			buf_char(b, text[i]);
	}
	return latin && !b->failed;
}

/* Octets of the next piece of body. */
static size_t
piece_len(const char *s, size_t len)
{
	const char *nl = memchr(s, '\n', len);
	size_t line = nl != NULL ? (size_t)(nl - s) + 1 : len;

	if (line <= PARAGRAPH_MAX)
		return line;
	for (size_t n = PARAGRAPH_MAX + 1; n > 0; n--)
		if (s[n - 1] == ' ')
			return n;
	return PARAGRAPH_MAX;
}

bool
paragraph_split(
    struct arena *a, const char *text, size_t len, struct text_view *view_r)
{
	const char *copy = arena_memdup(a, text, len);
	size_t n = 0;

	for (size_t i = 0; i < len; i += piece_len(text + i, len - i))
		n++;
	view_r->pieces = arena_alloc(a, (n + 1) * sizeof(*view_r->pieces));
	view_r->count = 0;
	if (copy == NULL || view_r->pieces == NULL)
		return false;
	for (size_t i = 0; i < len;) {
		n = piece_len(copy + i, len - i);
		view_r->pieces[view_r->count++] =
		    (struct text_piece){copy + i, n};
		i += n;
	}
	return true;
}

/* Where to cut a text that is too long, near max. */
static size_t
raw_limit(const char *text, size_t len)
{
	size_t n;

	if (len <= MIME_RAW_PART_MAX)
		return len;
	if ((n = end_near(text, len, MIME_RAW_PART_MAX, '\n')) == 0 &&
	    (n = end_near(text, len, MIME_RAW_PART_MAX, '>')) == 0 &&
	    (n = end_near(text, len, MIME_RAW_PART_MAX, ' ')) == 0)
		n = MIME_RAW_PART_MAX;
	return n;
}

/* Behind a line end, a tag or a word, in the second half of twice the size. */
static size_t
chunk_len(const char *s)
{
	static const char ends[] = "\n> ";

	for (const char *e = ends; *e != '\0'; e++) {
		const char *p = memchr(s + PARAGRAPH_MAX, *e, PARAGRAPH_MAX);

		if (p != NULL)
			return (size_t)(p - s) + 1;
	}
	return PARAGRAPH_MAX + 1;
}

void
paragraph_chunks(struct text_view *view, const char *text, size_t len)
{
	len = raw_limit(text, len);
	if (len <= PARAGRAPH_MAX) {
		view->pieces[view->count++] = (struct text_piece){text, len};
		return;
	}
	while (len > 0) {
		size_t n = len > 2 * PARAGRAPH_MAX ? chunk_len(text) : len;

		view->pieces[view->count++] = (struct text_piece){text, n};
		text += n;
		len -= n;
	}
}
