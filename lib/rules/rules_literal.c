/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A reader of patterns that understands just enough: whatever it is not sure of
 * makes it give up, and the pattern is then tried on every text.
 */
#include "rules_literal.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MAX 24  /* letters of one run that are kept */
#define RUNS_MAX 16 /* of which a match has at least one */
#define GRAM 3
#define DEPTH_MAX 50

struct literals {
	size_t count;
	struct {
		size_t len;
		uint16_t grams[RUN_MAX];
	} runs[RUNS_MAX];
};

struct need_run {
	size_t len;
	unsigned char text[RUN_MAX];
};

/* A match has at least one of these; count 0: nothing is known. */
struct need {
	size_t count;
	struct need_run runs[RUNS_MAX];
};

struct scan {
	const char *at, *end;
	bool extended, failed;
	unsigned depth;
};

static unsigned char
lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + ('a' - 'A')) : c;
}

/* The bit of three letters. */
static uint16_t
gram(const unsigned char *s)
{
	uint32_t three = (uint32_t)s[0] << 16 | (uint32_t)s[1] << 8 | s[2];

	return (uint16_t)((three * UINT32_C(2654435761)) >> 19);
}

/* -- needs -- */

static size_t
worth(const struct need *n)
{
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < n->count; i++) {
		if (n->runs[i].len < least)
			least = n->runs[i].len;
	}
	return n->count == 0 ? 0 : least;
}

static void
prefer(struct need *best, const struct need *other)
{
	if (worth(other) >= GRAM && worth(other) > worth(best))
		*best = *other;
}

/* The run at hand ends here. */
static void
end_run(struct need *best, struct need_run *run)
{
	if (run->len >= GRAM && run->len > worth(best)) {
		best->count = 1;
		best->runs[0] = *run;
	}
	run->len = 0;
}

static void
add_letter(struct need *best, struct need_run *run, unsigned char c)
{
	if (run->len == RUN_MAX)
		end_run(best, run);
	run->text[run->len++] = lower(c);
}

/* -- reading -- */

static bool read_alternatives(struct scan *s, struct need *need_r);

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Behind an item: how often at least?  More than 1 counts as 1 that may be
 * followed by anything. */
enum times { TIMES_ONE, TIMES_MORE, TIMES_NONE };

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What may stand between an item and how often it is there: comments, and in
 * extended patterns white space. */
static const char *
skip_nothing(const struct scan *s, const char *p)
{
	for (;;) {
		const char *close;

		while (s->extended && p < s->end && is_blank(*p))
			p++;
		if (s->end - p < 3 || memcmp(p, "(?#", 3) != 0)
			return p;
		close = memchr(p, ')', (size_t)(s->end - p));
		if (close == NULL)
			return p;
		p = close + 1;
	}
}

static enum times
read_times(struct scan *s)
{
	enum times times = TIMES_ONE;
	const char *p = skip_nothing(s, s->at);

	if (p == s->end)
		return TIMES_ONE;
	if (*p == '*' || *p == '?') {
		times = TIMES_NONE;
		p++;
	} else if (*p == '+') {
		times = TIMES_MORE;
		p++;
	} else if (*p == '{' && p + 1 < s->end && is_digit(p[1])) {
		long least = strtol(p + 1, NULL, 10);

		while (p < s->end && (is_digit(*p) || *p == '{' || *p == ','))
			p++;
		/* Whether it counts depends on PCRE's version. */
		s->failed |= p < s->end && (*p == ' ' || *p == '\t');
		if (p == s->end || *p++ != '}')
			return TIMES_ONE; /* a brace as it stands */
		times = least == 0 ? TIMES_NONE : TIMES_MORE;
	} else if (*p == '{' && p + 1 < s->end &&
	    (p[1] == ',' || p[1] == ' ' || p[1] == '\t')) {
		s->failed = true; /* as above */
	}
	if (times == TIMES_ONE)
		return times;
	p = skip_nothing(s, p);
	if (p < s->end && (*p == '?' || *p == '+'))
		p++;
	s->at = p;
	return times;
}

/* The end of `[:name:]` inside a class; NULL: a bracket as it stands. */
static const char *
named_class(const struct scan *s)
{
	const char *p = s->at + 1;

	if (p == s->end || *p++ != ':')
		return NULL;
	if (p < s->end && *p == '^')
		p++;
	while (p < s->end && *p >= 'a' && *p <= 'z')
		p++;
	return p + 1 < s->end && p[0] == ':' && p[1] == ']' ? p + 1 : NULL;
}

static void
skip_class(struct scan *s)
{
	s->at++;
	if (s->at < s->end && *s->at == '^')
		s->at++;
	if (s->at < s->end && *s->at == ']')
		s->at++;
	while (s->at < s->end && *s->at != ']') {
		if (*s->at == '\\') {
			s->at++;
			if (s->at < s->end && (*s->at == 'Q' || *s->at == 'E'))
				s->failed = true;
		} else if (*s->at == '[' && named_class(s) != NULL) {
			s->at = named_class(s);
		}
		if (s->at < s->end)
			s->at++;
	}
	if (s->at == s->end)
		s->failed = true;
	else
		s->at++;
}

static int
hex(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xHH or \x{HH}; -1: something else. */
static int
read_hex(struct scan *s)
{
	int value = 0;
	bool braced = s->at < s->end && *s->at == '{';
	unsigned digits = 0;

	if (braced)
		s->at++;
	while (s->at < s->end && digits < 2 && hex(*s->at) >= 0) {
		value = value * 16 + hex(*s->at++);
		digits++;
	}
	if (braced && (s->at == s->end || *s->at++ != '}'))
		s->failed = true;
	return value;
}

enum item { ITEM_LETTER, ITEM_NOTHING, ITEM_OTHER };

/* Behind a backslash: a letter, a place (nothing), or something else. */
static enum item
read_escape(struct scan *s, unsigned char *letter_r)
{
	static const char letters[] = "n\nt\tr\rf\fe\033a\a";
	char c;

	if (++s->at == s->end) {
		s->failed = true;
		return ITEM_OTHER;
	}
	c = *s->at++;
	for (const char *p = letters; *p != '\0'; p += 2) {
		if (*p == c) {
			*letter_r = (unsigned char)p[1];
			return ITEM_LETTER;
		}
	}
	if (c == 'x') {
		*letter_r = (unsigned char)read_hex(s);
		return ITEM_LETTER;
	}
	if (strchr("bBAzZGK", c) != NULL && c != '\0')
		return ITEM_NOTHING;
	if (strchr("dDwWsShHvVRNX", c) != NULL && c != '\0') {
		s->failed |= c == 'N' && s->at < s->end && *s->at == '{';
		return ITEM_OTHER;
	}
	if (is_digit(c)) {
		while (s->at < s->end && is_digit(*s->at))
			s->at++;
		return ITEM_OTHER;
	}
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
		s->failed = true;
		return ITEM_OTHER;
	}
	*letter_r = (unsigned char)c;
	return ITEM_LETTER;
}

/* What stands behind `(?`.  *inside_r: does what the group holds have to be in
 * the text?  *done_r: there is nothing in it. */
static void
read_group_head(struct scan *s, bool *inside_r, bool *done_r)
{
	const char *p = s->at;

	*inside_r = true;
	if (p < s->end && *p == '#') {
		p = memchr(p, ')', (size_t)(s->end - p));
		*done_r = true;
	} else if (p < s->end && (*p == ':' || *p == '>' || *p == '|')) {
		p++;
	} else if (p < s->end && (*p == '=' || *p == '!')) {
		*inside_r = false;
		p++;
	} else if (p + 1 < s->end && *p == '<' &&
	    (p[1] == '=' || p[1] == '!')) {
		*inside_r = false;
		p += 2;
	} else if (p + 1 < s->end &&
	    (*p == '<' || (*p == 'P' && p[1] == '<'))) {
		p = memchr(p, '>', (size_t)(s->end - p));
		p = p == NULL ? NULL : p + 1;
	} else {
		while (
		    p < s->end && strchr("aimsn^-", *p) != NULL && *p != '\0')
			p++;
		if (p < s->end && *p == ':')
			p++;
		else if (p < s->end && *p == ')')
			*done_r = true;
		else
			p = NULL; /* recursion, conditions, x ... */
	}
	s->failed |= p == NULL;
	s->at = p == NULL ? s->end : p;
}

static bool
read_group(struct scan *s, struct need *need_r)
{
	bool inside = true, done = false;

	need_r->count = 0;
	s->at++;
	if (s->at < s->end && *s->at == '*')
		s->failed = true; /* a verb */
	if (s->at < s->end && *s->at == '?') {
		s->at++;
		read_group_head(s, &inside, &done);
	}
	if (s->failed || ++s->depth > DEPTH_MAX)
		return false;
	if (!done && !read_alternatives(s, need_r))
		return false;
	s->depth--;
	if (s->at == s->end || *s->at != ')')
		return false;
	s->at++;
	if (!inside)
		need_r->count = 0;
	return true;
}

/* One item; a letter is *letter_r. */
static enum item
read_item(struct scan *s, unsigned char *letter_r, struct need *group_r)
{
	group_r->count = 0;
	switch (*s->at) {
	case '\\':
		return read_escape(s, letter_r);
	case '[':
		skip_class(s);
		return ITEM_OTHER;
	case '(':
		if (!read_group(s, group_r))
			s->failed = true;
		return ITEM_OTHER;
	case '.':
		s->at++;
		return ITEM_OTHER;
	case '^':
	case '$':
		s->at++;
		return ITEM_NOTHING;
	default:
		*letter_r = (unsigned char)*s->at++;
		return ITEM_LETTER;
	}
}

static bool
skip_blank(struct scan *s)
{
	if (!s->extended)
		return false;
	if (is_blank(*s->at)) {
		s->at++;
		return true;
	}
	/* Whether a comment ends here depends on more than is known; and PCRE
	 * knows white space beyond ASCII. */
	s->failed |= *s->at == '#' || (*s->at & 0x80) != 0;
	return false;
}

/* Up to a `|`, a `)` or the end. */
static bool
read_sequence(struct scan *s, struct need *best)
{
	struct need_run run = {0};
	struct need group;

	best->count = 0;
	while (!s->failed && s->at < s->end && *s->at != '|' && *s->at != ')') {
		unsigned char letter = 0;
		enum times times;
		enum item item;

		if (skip_blank(s))
			continue;
		item = read_item(s, &letter, &group);
		times = read_times(s);
		if (item == ITEM_NOTHING && times == TIMES_ONE)
			continue;
		if (item == ITEM_LETTER && times == TIMES_ONE) {
			add_letter(best, &run, letter);
			continue;
		}
		if (item == ITEM_LETTER && times == TIMES_MORE)
			add_letter(best, &run, letter);
		end_run(best, &run);
		if (item == ITEM_OTHER && times != TIMES_NONE)
			prefer(best, &group);
	}
	end_run(best, &run);
	return !s->failed;
}

static bool
read_alternatives(struct scan *s, struct need *need_r)
{
	struct need one;
	bool known = true;

	need_r->count = 0;
	for (;;) {
		if (!read_sequence(s, &one))
			return false;
		known &= one.count > 0 &&
		    need_r->count + one.count <= RUNS_MAX;
		for (size_t i = 0; known && i < one.count; i++)
			need_r->runs[need_r->count++] = one.runs[i];
		if (s->at == s->end || *s->at != '|')
			break;
		s->at++;
	}
	if (!known)
		need_r->count = 0;
	return true;
}

struct literals *
literals_new(const char *pattern, size_t len, bool extended)
{
	struct scan s = {
	    .at = pattern, .end = pattern + len, .extended = extended};
	struct need need;
	struct literals *l;

	if (!read_alternatives(&s, &need) || s.at != s.end || need.count == 0)
		return NULL;
	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return NULL;
	l->count = need.count;
	for (size_t i = 0; i < need.count; i++) {
		l->runs[i].len = need.runs[i].len - (GRAM - 1);
		for (size_t j = 0; j < l->runs[i].len; j++)
			l->runs[i].grams[j] = gram(need.runs[i].text + j);
	}
	return l;
}

void
literals_free(struct literals *l)
{
	free(l);
}

/* -- texts -- */

void
grams_make(struct grams *g, const char *text, size_t len)
{
	memset(g->bits, 0, sizeof(g->bits));
	grams_add(g, text, len);
}

void
grams_add(struct grams *g, const char *text, size_t len)
{
	unsigned char three[GRAM] = {0};

	for (size_t i = 0; i < len; i++) {
		uint16_t bit;

		three[0] = three[1];
		three[1] = three[2];
		three[2] = lower((unsigned char)text[i]);
		if (i < GRAM - 1)
			continue;
		bit = gram(three);
		g->bits[bit / 64] |= UINT64_C(1) << (bit % 64);
	}
}

bool
grams_may(const struct grams *g, const struct literals *l)
{
	if (l == NULL)
		return true;
	for (size_t i = 0; i < l->count; i++) {
		bool all = true;

		for (size_t j = 0; all && j < l->runs[i].len; j++) {
			uint16_t bit = l->runs[i].grams[j];

			all = g->bits[bit / 64] >> (bit % 64) & 1;
		}
		if (all)
			return true;
	}
	return false;
}
