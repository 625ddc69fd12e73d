/* SPDX-License-Identifier: BSD-2-Clause */
#include "content_type.h"

#include <stdlib.h>

#include "ascii.h"

/* Where a parameter of that name has its value, with the name's first letter at
 * *at or later; NULL: nowhere. */
static const char *
find_value(const char *s, size_t len, const char *name, size_t *at)
{
	size_t n = strlen(name);

	for (size_t i = *at; i + n < len; i++) {
		size_t p = i + n;

		if (!ascii_starts(s + i, len - i, name) ||
		    (i > 0 && ascii_word(s[i - 1])))
			continue;
		while (p < len && ascii_space(s[p]))
			p++;
		if (p == len || s[p] != '=')
			continue;
		for (p++; p < len && ascii_space(s[p]); p++)
			;
		*at = i + 1;
		return s + p;
	}
	return NULL;
}

/* Up to a semicolon, without quotes at its ends. */
static struct content_word
word_at(const char *value, const char *end)
{
	struct content_word w;
	const char *semi;

	if (value < end && (*value == '"' || *value == '\''))
		value++;
	semi = value < end ? memchr(value, ';', (size_t)(end - value)) : NULL;
	w.s = value;
	w.len = (size_t)((semi != NULL ? semi : end) - value);
	if (w.len > 0 && (value[w.len - 1] == '"' || value[w.len - 1] == '\''))
		w.len--;
	return w;
}

static struct content_word
parameter(const char *s, size_t len, const char *name)
{
	size_t at = 0;
	const char *value = find_value(s, len, name, &at);

	return value != NULL ? word_at(value, s + len)
			     : (struct content_word){NULL, 0};
}

static struct content_word
boundary(const char *s, size_t len)
{
	const char *end = s + len, *v, *q;
	size_t at = 0;

	while ((v = find_value(s, len, "boundary", &at)) != NULL) {
		bool quoted = v < end && *v == '"';

		v += quoted;
		for (q = v; q < end && *q != '"'; q++)
			if (!quoted && (ascii_space(*q) || *q == ';'))
				break;
		if (q > v && (quoted || q == end || *q != '"'))
			return (struct content_word){v, (size_t)(q - v)};
	}
	return (struct content_word){NULL, 0};
}

/* name*0=, name*1= and so on (RFC 2231 section 3): the last, by whose ending a
 * name is known. */
static struct content_word
last_of_name(const char *s, size_t len)
{
	struct content_word w = {NULL, 0};
	long best = -1;

	for (size_t i = 0; i + 6 < len; i++) {
		size_t p = i + 5;
		long n;

		if (!ascii_starts(s + i, len - i, "name*") ||
		    !ascii_digit(s[p]))
			continue;
		for (n = 0; p < len && ascii_digit(s[p]) && n < 1000; p++)
			n = n * 10 + (s[p] - '0');
		while (p < len && ascii_space(s[p]))
			p++;
		if (p == len || s[p] != '=' || n <= best)
			continue;
		for (p++; p < len && ascii_space(s[p]); p++)
			;
		best = n;
		w = word_at(s + p, s + len);
	}
	return w;
}

/* No control, space, non-ASCII octet, nor any of `"(),:;<=>?@[\]`. */
static bool
is_type_char(char c)
{
	return (unsigned char)c > 0x20 && (unsigned char)c < 0x7f &&
	       strchr("\"(),:;<=>?@[\\]", c) == NULL;
}

static void
set_type(struct content_type *ct, const char *s, size_t len)
{
	const char *semi = len > 0 ? memchr(s, ';', len) : NULL;
	const char *slash;
	size_t n, out = 0;

	if (semi != NULL)
		len = (size_t)(semi - s);
	slash = len > 0 ? memchr(s, '/', len) : NULL;
	if (slash != NULL && slash > s) {
		n = (size_t)(slash - s) + 1;
		while (n < len && !ascii_space(s[n]))
			n++;
		len = n;
	}
	ct->missing |= len == 0;
	if (len == 0 ||
	    (ascii_starts(s, len, "text") && (len == 4 || !ascii_word(s[4])) &&
		!ascii_is(s, len, "text/x-vcard") &&
		!ascii_is(s, len, "text/calendar") &&
		!ascii_is(s, len, "text/html"))) {
		s = "text/plain";
		len = strlen(s);
	}
	for (size_t i = 0; i < len && out < sizeof(ct->type) - 1; i++)
		if (is_type_char(s[i]))
			ct->type[out++] = ascii_lower(s[i]);
	ct->type[out] = '\0';
}

void
content_type_read(struct content_type *ct, const char *value, size_t len)
{
	memset(ct, 0, sizeof(*ct));
	if (len == 0) {
		ct->missing = true;
		value = "text/plain; charset=us-ascii";
		len = strlen(value);
	}
	ct->boundary = boundary(value, len);
	ct->charset = parameter(value, len, "charset");
	ct->name = parameter(value, len, "filename");
	if (ct->name.s == NULL)
		ct->name = parameter(value, len, "name");
	if (ct->name.len == 0)
		ct->name = last_of_name(value, len);
	while (len > 0 && ascii_space(*value)) {
		value++;
		len--;
	}
	set_type(ct, value, len);
}

struct content_word
content_type_disposition(const char *value, size_t len)
{
	for (size_t i = 0; i + 5 <= len; i++) {
		size_t p = i + 5, n;

		if (!ascii_starts(value + i, len - i, "name="))
			continue;
		while (p < len && ascii_space(value[p]))
			p++;
		p += p < len && value[p] == '"';
		for (n = p; n < len && value[n] != '"' && value[n] != ';'; n++)
			;
		if (n > p)
			return (struct content_word){value + p, n - p};
	}
	return (struct content_word){NULL, 0};
}
