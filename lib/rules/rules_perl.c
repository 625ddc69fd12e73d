/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_perl.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/text/ascii.h"

struct scan {
	struct buf *out;
	const char *p, *end;
	bool item; /* something to repeat stands before p */
};

static size_t
left(const struct scan *s)
{
	return (size_t)(s->end - s->p);
}

static bool
starts(const struct scan *s, const char *word)
{
	size_t len = strlen(word);

	return left(s) >= len && memcmp(s->p, word, len) == 0;
}

static void
copy(struct scan *s, size_t n)
{
	if (n > left(s))
		n = left(s);
	buf_add(s->out, s->p, n);
	s->p += n;
}

/* Up to that text and with it, or to the end. */
static void
copy_through(struct scan *s, const char *word)
{
	size_t len = strlen(word);
	const char *at = memmem(s->p, left(s), word, len);

	copy(s, at == NULL ? left(s) : (size_t)(at - s->p) + len);
}

/* -- quantifiers -- */

struct digits {
	const char *from;
	size_t len;
};

static const char *
skip_blanks(const char *p, const char *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static const char *
take_digits(const char *p, const char *end, struct digits *d)
{
	p = skip_blanks(p, end);
	d->from = p;
	while (p < end && *p >= '0' && *p <= '9')
		p++;
	d->len = (size_t)(p - d->from);
	return skip_blanks(p, end);
}

/* {n}, {n,}, {n,m}, {,m}: where it ends; NULL: the brace is a letter. */
static const char *
braces(const char *p, const char *end, struct digits *least,
    struct digits *most, bool *comma)
{
	if (p == end || *p != '{')
		return NULL;
	p = take_digits(p + 1, end, least);
	*most = (struct digits){0};
	*comma = p < end && *p == ',';
	if (*comma)
		p = take_digits(p + 1, end, most);
	if (p == end || *p != '}' || least->len + most->len == 0)
		return NULL;
	return p + 1;
}

static void
copy_braces(struct scan *s)
{
	struct digits least, most;
	bool comma;
	const char *behind = braces(s->p, s->end, &least, &most, &comma);

	if (behind == NULL || !s->item) {
		if (behind != NULL)
			buf_char(s->out, '\\');
		copy(s, 1);
		s->item = true;
		return;
	}
	buf_char(s->out, '{');
	if (least.len == 0)
		buf_char(s->out, '0');
	buf_add(s->out, least.from, least.len);
	if (comma)
		buf_char(s->out, ',');
	if (most.len > 0)
		buf_add(s->out, most.from, most.len);
	buf_char(s->out, '}');
	s->p = behind;
}

/* What may be nothing: white space and comments. */
static const char *
skip_nothing(const char *p, const char *end)
{
	for (;;) {
		p = skip_blanks(p, end);
		if (end - p < 3 || memcmp(p, "(?#", 3) != 0)
			return p;
		p = memchr(p, ')', (size_t)(end - p));
		if (p == NULL)
			return end;
		p++;
	}
}

/* An assertion of so many octets.  `*` and `+` behind one are refused by both.
 * A group is right whether or not it is repeated. */
static void
copy_assertion(struct scan *s, size_t n)
{
	const char *p = skip_nothing(s->p + n, s->end);
	struct digits least, most;
	bool comma;
	bool repeated = (p < s->end && *p == '?') ||
	    braces(p, s->end, &least, &most, &comma) != NULL;

	if (repeated)
		buf_str(s->out, "(?:");
	copy(s, n);
	if (repeated)
		buf_char(s->out, ')');
	s->item = true;
}

/* -- what has an inside of its own -- */

/* Is there an assertion that begins with a backslash? */
static bool
asserts(const struct scan *s)
{
	bool brace = left(s) > 2 && s->p[2] == '{';

	if (left(s) < 2 || s->p[0] != '\\')
		return false;
	/* \b{NAME} is another one. */
	return memchr("AzZGK", s->p[1], 5) != NULL ||
	    (memchr("bB", s->p[1], 2) != NULL && !brace);
}

/* A backslash and what belongs to it. */
static void
copy_escape(struct scan *s)
{
	char c = left(s) > 1 ? s->p[1] : '\0';
	bool brace = left(s) > 2 && s->p[2] == '{';

	if (starts(s, "\\N{U+")) {
		buf_str(s->out, "\\x{");
		s->p += strlen("\\N{U+");
		copy_through(s, "}");
	} else if (c == 'Q') {
		copy_through(s, "\\E");
	} else if (brace && c != '\0' && strchr("bBgkopPx", c) != NULL) {
		copy_through(s, "}");
	} else {
		copy(s, 2);
	}
}

static void
copy_class(struct scan *s)
{
	copy(s, starts(s, "[^") ? 2 : 1);
	if (starts(s, "]"))
		copy(s, 1);
	while (left(s) > 0 && *s->p != ']') {
		if (*s->p == '\\')
			copy_escape(s);
		else if (starts(s, "[:"))
			copy_through(s, ":]");
		else
			copy(s, 1);
	}
	copy(s, 1);
}

/* `(?flags)` and `(?flags:`: those that say nothing here are left out.  u and
 * l, other letters than ASCII's, are not had. */
static bool
copy_flags(struct scan *s)
{
	const char *from = s->p + 2, *p = from;

	while (p < s->end && *p != '\0' && strchr("^adimnpsx-", *p) != NULL)
		p++;
	if (p == from || p == s->end || (*p != ')' && *p != ':'))
		return false;
	buf_str(s->out, "(?");
	for (; from < p; from++) {
		if (strchr("adp", *from) == NULL)
			buf_char(s->out, *from);
	}
	s->p = p;
	copy(s, 1);
	return true;
}

static void
copy_open(struct scan *s)
{
	if (starts(s, "(?#")) {
		copy_through(s, ")");
		return; /* what stands before it is repeated */
	}
	if (starts(s, "(?["))
		copy(s, left(s)); /* a language of its own */
	else if (!starts(s, "(?") || !copy_flags(s))
		copy(s, starts(s, "(?") ? 2 : 1);
	s->item = false;
}

void
perl_translate(struct buf *b, const char *text, size_t len, bool extended)
{
	struct scan s = {.out = b, .p = text, .end = text + len};

	while (left(&s) > 0) {
		char c = *s.p;

		if (c == '^' || c == '$') {
			copy_assertion(&s, 1);
		} else if (asserts(&s)) {
			copy_assertion(&s, 2);
		} else if (c == '{') {
			copy_braces(&s);
		} else if (c == '(') {
			copy_open(&s);
		} else if (extended && c == '#') {
			copy_through(&s, "\n");
		} else if (extended && ascii_space(c)) {
			copy(&s, 1);
		} else {
			s.item = c != '|';
			if (c == '\\')
				copy_escape(&s);
			else if (c == '[')
				copy_class(&s);
			else
				copy(&s, 1);
		}
	}
}
