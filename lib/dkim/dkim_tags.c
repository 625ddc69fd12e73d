/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_tags.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
in_name(char c)
{
	return is_letter(c) || (c >= '0' && c <= '9') || c == '_';
}

/* Octets above 127 may stand in what is free text (RFC 8616). */
static bool
value_ok(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)p[i];

		if ((c < ' ' && !is_space(p[i])) || c == 127)
			return false;
	}
	return true;
}

static void
trim(const char **p, const char **end)
{
	while (*p < *end && is_space(**p))
		++*p;
	while (*end > *p && is_space((*end)[-1]))
		--*end;
}

static int
read_tag(const char *p, const char *end, struct dkim_tag *t)
{
	const char *start = p;

	if (!is_letter(*p))
		return ERR_SYNTAX;
	while (p < end && in_name(*p))
		p++;
	t->name = start;
	t->name_len = (size_t)(p - start);
	t->spaced = p < end && is_space(*p);
	while (p < end && is_space(*p))
		p++;
	if (p == end || *p != '=')
		return ERR_SYNTAX;
	p++;
	trim(&p, &end);
	t->value = p;
	t->value_len = (size_t)(end - p);
	return value_ok(t->value, t->value_len) ? 0 : ERR_SYNTAX;
}

static bool
known(const struct dkim_tags *tags, const struct dkim_tag *t)
{
	for (size_t i = 0; i < tags->count; i++) {
		if (tags->list[i].name_len == t->name_len &&
		    memcmp(tags->list[i].name, t->name, t->name_len) == 0)
			return true;
	}
	return false;
}

int
dkim_tags_read(const char *text, size_t len, struct dkim_tags *tags_r)
{
	const char *p = text, *end = text + len;

	tags_r->count = 0;
	while (p <= end) {
		const char *semi = memchr(p, ';', (size_t)(end - p));
		const char *start = p, *stop = semi == NULL ? end : semi;
		struct dkim_tag t;

		trim(&start, &stop);
		/* Only the last may be empty. */
		if (start == stop)
			return semi == NULL && tags_r->count > 0 ? 0
								 : ERR_SYNTAX;
		if (read_tag(start, stop, &t) != 0 || known(tags_r, &t))
			return ERR_SYNTAX;
		if (tags_r->count == DKIM_TAGS_MAX)
			return ERR_LIMIT;
		tags_r->list[tags_r->count++] = t;
		if (semi == NULL)
			return 0;
		p = semi + 1;
	}
	return 0;
}

const struct dkim_tag *
dkim_tags_find(const struct dkim_tags *tags, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < tags->count; i++) {
		if (tags->list[i].name_len == len &&
		    memcmp(tags->list[i].name, name, len) == 0)
			return &tags->list[i];
	}
	return NULL;
}

bool
dkim_tag_is(const struct dkim_tag *tag, const char *word)
{
	return tag->value_len == strlen(word) &&
	    memcmp(tag->value, word, tag->value_len) == 0;
}

bool
dkim_tag_has(const struct dkim_tag *tag, const char *word)
{
	const char *p = tag->value, *end = p + tag->value_len;
	size_t len = strlen(word);

	while (p <= end) {
		const char *colon = memchr(p, ':', (size_t)(end - p));
		const char *start = p, *stop = colon == NULL ? end : colon;

		trim(&start, &stop);
		if ((size_t)(stop - start) == len &&
		    memcmp(start, word, len) == 0)
			return true;
		if (colon == NULL)
			return false;
		p = colon + 1;
	}
	return false;
}

char *
dkim_tag_text(const struct dkim_tag *tag, struct arena *a)
{
	char *text = arena_alloc(a, tag->value_len + 1), *to = text;

	if (text == NULL)
		return NULL;
	for (size_t i = 0; i < tag->value_len; i++) {
		if (!is_space(tag->value[i]))
			*to++ = tag->value[i];
	}
	*to = '\0';
	return text;
}

static int
digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int
dkim_tag_base64(const struct dkim_tag *tag, struct arena *a,
    unsigned char **bytes_r, size_t *len_r)
{
	unsigned char *to = arena_alloc(a, tag->value_len * 3 / 4 + 1);
	size_t digits = 0, pad = 0;
	uint32_t bits = 0;
	unsigned have = 0; /* bits that are not written yet */

	if (to == NULL)
		return ERR_NOMEM;
	*bytes_r = to;
	for (size_t i = 0; i < tag->value_len; i++) {
		char c = tag->value[i];
		int d = digit(c);

		if (d >= 0 && pad == 0) {
			digits++;
			bits = bits << 6 | (uint32_t)d;
			have += 6;
			if (have >= 8) {
				have -= 8;
				*to++ = (unsigned char)(bits >> have);
			}
		} else if (c == '=') {
			pad++;
		} else if (!is_space(c)) {
			return ERR_SYNTAX;
		}
	}
	*len_r = (size_t)(to - *bytes_r);
	if (digits % 4 == 1 || (pad > 0 && (digits + pad) % 4 != 0) || pad > 2)
		return ERR_SYNTAX;
	return 0;
}
