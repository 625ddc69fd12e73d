/* SPDX-License-Identifier: BSD-2-Clause */
#include "encoded_word.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "ascii.h"
#include "charset.h"
#include "lib/base/buf.h"
#include "transfer.h"

/* =?charset?encoding?text?= */
struct word {
	const char *charset, *text;
	size_t charset_len, text_len;
	char encoding; /* 'b' or 'q' */
	size_t len;    /* of all of it */
};

static bool
parse_word(const char *s, size_t len, struct word *w)
{
	const char *p = s + 2, *end = s + len, *q;

	if (len < 8 || s[0] != '=' || s[1] != '?')
		return false;
	for (q = p; q < end && (ascii_word(*q) || *q == '*' || *q == '-'); q++)
		;
	if (q == p || end - q < 5 || q[0] != '?' || q[2] != '?')
		return false;
	w->charset = p;
	w->charset_len = (size_t)(q - p);
	w->encoding = ascii_lower(q[1]);
	if (w->encoding != 'b' && w->encoding != 'q')
		return false;
	p = q + 3;
	q = memchr(p, '?', (size_t)(end - p));
	if (q == NULL || end - q < 2 || q[1] != '=')
		return false;
	w->text = p;
	w->text_len = (size_t)(q - p);
	w->len = (size_t)(q + 2 - s);
	return true;
}

/* Octets decoded so far, and the charset they are of. */
struct run {
	struct buf octets;
	const char *charset;
	size_t charset_len;
};

static void
flush(struct run *r, struct buf *b)
{
	const char *star;

	if (r->charset_len == 0)
		return;
	star = memchr(r->charset, '*', r->charset_len);
	charset_utf8(b, buf_text(&r->octets) ? buf_text(&r->octets) : "",
	    r->octets.len, r->charset,
	    star ? (size_t)(star - r->charset) : r->charset_len, true);
	buf_reset(&r->octets);
	r->charset_len = 0;
}

/* A character may be split over neighbours of one charset, so these are joined
 * before they are decoded. */
static void
add_word(struct run *r, struct buf *b, const struct word *w)
{
	char *tmp = malloc(w->text_len + 1);
	size_t n;

	if (tmp == NULL) {
		b->failed = true;
		return;
	}
	if (r->charset_len != w->charset_len ||
	    strncasecmp(r->charset, w->charset, w->charset_len) != 0) {
		flush(r, b);
		r->charset = w->charset;
		r->charset_len = w->charset_len;
	}
	if (w->encoding == 'b')
		n = transfer_base64(tmp, w->text, w->text_len);
	else {
		for (size_t i = 0; i < w->text_len; i++)
			tmp[i] = w->text[i] == '_' ? ' ' : w->text[i];
		n = transfer_qp(tmp, tmp, w->text_len);
	}
	buf_add(&r->octets, tmp, n);
	free(tmp);
}

static void
decode_words(struct buf *b, const char *s, size_t len)
{
	struct run run = {.octets = BUF_INIT};
	struct word w, next;
	size_t i = 0;

	while (i < len) {
		size_t gap, n;

		if (!parse_word(s + i, len - i, &w)) {
			const char *sign =
			    memchr(s + i + 1, '=', len - i - 1);

			n = sign == NULL ? len - i : (size_t)(sign - s) - i;
			flush(&run, b);
			buf_add(b, s + i, n);
			i += n;
			continue;
		}
		add_word(&run, b, &w);
		i += w.len;
		/* White space between two encoded words is not text. */
		for (gap = i; gap < len && ascii_space(s[gap]); gap++)
			;
		if (gap > i && parse_word(s + gap, len - gap, &next))
			i = gap;
	}
	flush(&run, b);
	b->failed |= run.octets.failed;
	buf_fini(&run.octets);
}

static bool
is_plain_field(const char *name, size_t len)
{
	static const char *const plain[] = {"received", "message-id", "date",
	    "resent-message-id", "resent-date", "mime-version", "references",
	    "in-reply-to", NULL};

	for (const char *const *p = plain; *p != NULL; p++)
		if (ascii_is(name, len, *p))
			return true;
	return ascii_starts(name, len, "list-");
}

/* A line's end and the white space behind it as one space. */
static void
unfold(struct buf *flat, const char *s, size_t len)
{
	const char *end = s + len;

	while (s < end) {
		const char *eol = memchr(s, '\n', (size_t)(end - s));
		size_t n = (size_t)((eol == NULL ? end : eol) - s);

		if (eol != NULL && n > 0 && s[n - 1] == '\r')
			n--;
		buf_add(flat, s, n);
		if (eol == NULL)
			return;
		buf_char(flat, ' ');
		for (s = eol + 1; s < end && (*s == ' ' || *s == '\t'); s++)
			;
	}
}

void
encoded_word_decode(struct buf *b, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct buf flat = BUF_INIT;
	struct buf utf8 = BUF_INIT;
	size_t i = 0;

	while (value_len > 0 && ascii_space(value[value_len - 1]))
		value_len--;
	while (i < value_len && ascii_space(value[i]))
		i++;
	unfold(&flat, value + i, value_len - i);
	if (buf_text(&flat) != NULL)
		charset_utf8(
		    &utf8, buf_text(&flat), flat.len, "utf-8", 5, false);
	if (is_plain_field(name, name_len))
		buf_add(b, utf8.data, utf8.len);
	else
		decode_words(b, utf8.data, utf8.len);
	b->failed |= flat.failed | utf8.failed;
	buf_fini(&flat);
	buf_fini(&utf8);
}
