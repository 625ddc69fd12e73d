/* SPDX-License-Identifier: BSD-2-Clause */
#include "html_token.h"

#include "ascii.h"

/* Elements whose content is text up to their own end tag. */
static const struct literal {
	const char *name;
	bool raw;	/* without references */
	bool to_finish; /* never closed, the rest of the document is its text */
	bool is_code;	/* never closed, it has no text */
} literals[] = {
    {"script", true, false, true},
    {"style", true, false, true},
    {"xmp", true, true, false},
    {"iframe", true, true, false},
    {"plaintext", true, true, false},
    {"title", false, false, false},
    {"textarea", false, true, false},
};

struct lexer {
	const struct html_sink *sink;
	void *ctx;
	const char *end;
	const struct literal *literal; /* NULL: amid markup */
	const struct literal *open;    /* never closed; before the next tag */
	unsigned endless; /* bits of literals without an end tag to come */
	bool section;     /* in a CDATA or RCDATA section */
	bool raw;         /* which of them */
	bool stuck; /* text has no references: an open script was given up */
	bool last;  /* the end was seen: an open comment ends with `>` */
};

static void
text(struct lexer *x, const char *from, const char *to, bool raw)
{
	if (to > from)
		x->sink->text(x->ctx, from, (size_t)(to - from), raw);
}

/* End the element that was never closed. */
static void
close_open(struct lexer *x)
{
	const struct literal *l = x->open;

	x->open = NULL;
	if (l != NULL)
		x->sink->end(x->ctx, l->name, strlen(l->name));
}

static const char *
find(const char *s, const char *end, char c)
{
	const char *p = s < end ? memchr(s, c, (size_t)(end - s)) : NULL;

	return p != NULL ? p : end;
}

static const char *
skip_space(const char *s, const char *end)
{
	while (s < end && ascii_space(*s))
		s++;
	return s;
}

/* The `>` that ends an end tag; one in quotes does not. */
static const char *
find_gt(const char *s, const char *end)
{
	char quote = '\0', before = ' ';

	for (; s < end; before = *s++) {
		if (quote == '\0' && *s == '>')
			return s;
		if (*s != '"' && *s != '\'')
			continue;
		if (*s == quote)
			quote = '\0';
		else if (quote == '\0' && (before == ' ' || before == '='))
			quote = *s;
	}
	return end;
}

/* The end of an attribute's value; NULL: its quote is not closed. */
static const char *
skip_value(const char *s, const char *end)
{
	if (s < end && (*s == '"' || *s == '\'')) {
		s = find(s + 1, end, *s);
		return s < end ? s + 1 : NULL;
	}
	while (s < end && !ascii_space(*s) && *s != '>')
		s++;
	return s;
}

/* Behind one attribute, white space after it included; NULL: not closed. */
static const char *
skip_attr(const char *s, const char *end, struct html_attr *a)
{
	a->name = s++;
	while (s < end && !ascii_space(*s) && *s != '=' && *s != '>')
		s++;
	a->name_len = (size_t)(s - a->name);
	a->value = a->name;
	a->value_len = a->name_len;
	s = skip_space(s, end);
	if (s == end || *s != '=')
		return s;
	a->value = skip_space(s + 1, end);
	s = skip_value(a->value, end);
	if (s == NULL)
		return NULL;
	a->value_len = (size_t)(s - a->value);
	if (a->value_len >= 2 && (*a->value == '"' || *a->value == '\'')) {
		a->value++;
		a->value_len -= 2;
	}
	return skip_space(s, end);
}

bool
html_attr_next(struct html_tag *tag, struct html_attr *attr_r)
{
	const char *end = tag->attrs + tag->attrs_len, *s;

	if (tag->attrs_len == 0)
		return false;
	s = skip_attr(tag->attrs, end, attr_r);
	if (s == NULL)
		s = end;
	tag->attrs = s;
	tag->attrs_len = (size_t)(end - s);
	return true;
}

/*
 * The functions for markup get the `<` and return what follows the markup;
 * NULL: it is not closed; the `<` itself: it is text.
 */
static const char *
start_tag(struct lexer *x, const char *lt)
{
	struct html_tag tag = {.name = lt + 1};
	struct html_attr attr;
	const char *s = lt + 1;

	while (s < x->end && !ascii_space(*s) && *s != '>')
		s++;
	tag.name_len = (size_t)(s - tag.name);
	s = skip_space(s, x->end);
	tag.attrs = s;
	while (s < x->end && *s != '>')
		if ((s = skip_attr(s, x->end, &attr)) == NULL)
			return NULL;
	if (s == x->end)
		return NULL;
	tag.attrs_len = (size_t)(s - tag.attrs);
	close_open(x);
	x->sink->start(x->ctx, &tag);
	for (size_t i = 0; i < sizeof(literals) / sizeof(*literals); i++)
		if (ascii_is(tag.name, tag.name_len, literals[i].name))
			x->literal = &literals[i];
	return s + 1;
}

static const char *
end_tag(struct lexer *x, const char *lt)
{
	const char *s = lt + 2, *name = s, *gt;
	bool named = s < x->end && !ascii_space(*s) && *s != '>';

	while (named && s < x->end && !ascii_space(*s) && *s != '>')
		s++;
	gt = find_gt(s, x->end);
	if (gt == x->end)
		return NULL;
	close_open(x);
	if (named)
		x->sink->end(x->ctx, name, (size_t)(s - name));
	return gt + 1;
}

static const char *
comment(const struct lexer *x, const char *lt)
{
	const char *s = lt + 4, *p;

	if (x->last) {
		s = find(s, x->end, '>');
		return s < x->end ? s + 1 : NULL;
	}
	for (; (s = find(s, x->end, '-')) < x->end; s++) {
		if (s + 1 == x->end || s[1] != '-')
			continue;
		p = skip_space(s + 2, x->end);
		if (p < x->end && *p == '>')
			return p + 1;
	}
	return NULL;
}

/* <!DOCTYPE ...>, in which a `>` may stand in quotes. NULL: it is not closed.
 */
static const char *
doctype(const struct lexer *x, const char *s)
{
	while ((s = skip_space(s, x->end)) < x->end && *s != '>') {
		if (*s == '"' || *s == '\'') {
			s = find(s + 1, x->end, *s);
			if (s == x->end)
				return NULL;
			s++;
		} else
			while (s < x->end && !ascii_space(*s) && *s != '>')
				s++;
	}
	return s < x->end ? s + 1 : NULL;
}

static const char *
declaration(struct lexer *x, const char *lt)
{
	const char *s = lt + 2;
	size_t left = (size_t)(x->end - s);

	if (left == 1 && *s == '-')
		return NULL;
	if (left >= 2 && s[0] == '-' && s[1] == '-')
		return comment(x, lt);
	if (ascii_starts(s, left, "[cdata[") ||
	    ascii_starts(s, left, "[rcdata[")) {
		x->section = true;
		x->raw = ascii_lower(s[1]) == 'c';
		return s + (x->raw ? 7 : 8);
	}
	if (ascii_starts(s, left, "doctype") && left > 7 &&
	    (ascii_space(s[7]) || s[7] == '>'))
		return doctype(x, s + 7);
	s = find(s, x->end, '>');
	return s < x->end ? s + 1 : NULL;
}

static const char *
markup(struct lexer *x, const char *lt)
{
	const char *s = lt + 1;

	if (ascii_alpha(*s) || *s == '_' || *s == ':')
		return start_tag(x, lt);
	if (*s == '/')
		return end_tag(x, lt);
	if (*s == '!')
		return declaration(x, lt);
	if (*s == '?') {
		s = find(s, x->end, '>');
		return s < x->end ? s + 1 : NULL;
	}
	return lt;
}

/* The text of a literal element from s on; NULL: it is never closed. */
static const char *
literal_text(struct lexer *x, const char *s)
{
	const struct literal *l = x->literal;
	size_t n = strlen(l->name);
	const char *lt = s, *p;
	unsigned bit = 1u << (l - literals);

	/* Each title of many that nobody closes must not look for an end. */
	if (x->endless & bit)
		return NULL;
	for (; (lt = find(lt, x->end, '<')) < x->end; lt++) {
		if (x->end - lt < (ptrdiff_t)n + 3 || lt[1] != '/' ||
		    !ascii_starts(lt + 2, n, l->name) ||
		    ascii_is(l->name, n, "plaintext"))
			continue;
		p = skip_space(lt + 2 + n, x->end);
		if (p == x->end || *p != '>')
			continue;
		text(x, s, lt, l->raw);
		x->sink->end(x->ctx, l->name, n);
		x->literal = NULL;
		x->stuck = false;
		return p + 1;
	}
	x->endless |= bit;
	return NULL;
}

static const char *
section_text(struct lexer *x, const char *s)
{
	const char *p = s;

	for (; (p = find(p, x->end, ']')) < x->end; p++) {
		if (x->end - p < 3 || p[1] != ']' || p[2] != '>')
			continue;
		text(x, s, p, x->raw);
		x->section = false;
		return p + 3;
	}
	return NULL;
}

/* Go on from s until the end or until something is not closed; where? */
static const char *
run(struct lexer *x, const char *s)
{
	while (s < x->end) {
		const char *from = s, *next;

		if (x->literal != NULL || x->section) {
			next = x->literal != NULL ? literal_text(x, s)
						  : section_text(x, s);
			if (next == NULL)
				return s;
			s = next;
			continue;
		}
		/* A `<` that begins no markup begins a piece of text. */
		if (*s == '<' && x->end - s >= 3) {
			next = markup(x, s);
			if (next == NULL)
				return s;
			if (next != s) {
				s = next;
				continue;
			}
			s++;
		} else if (*s == '<')
			return s;
		s = find(s, x->end, '<');
		text(x, from, s, x->stuck);
	}
	return s;
}

/* An element that has no end: go on behind its start tag. */
static const char *
go_on(struct lexer *x, const char *s)
{
	x->open = x->literal;
	x->literal = NULL;
	/* A title's end comes behind its first text. */
	x->stuck = x->open->is_code;
	if (x->open->is_code)
		close_open(x);
	return run(x, s);
}

/* What was not closed at the end. */
static void
finish(struct lexer *x, const char *s)
{
	if (x->literal != NULL && x->literal->is_code) {
		/* SpamAssassin closes these itself, if it comes to see them
		 * before an open comment is given up. */
		x->open = x->literal;
		return;
	}
	while (s < x->end) {
		if (x->literal != NULL && !x->literal->to_finish)
			s = go_on(x, s);
		else if (x->literal == NULL && *s == '<' && !x->last) {
			x->last = true;
			s = run(x, s);
		} else
			break;
	}
	if (s == x->end)
		return;
	if (x->literal != NULL)
		text(x, s, x->end, x->literal->raw);
	else if (*s != '<' || (s + 1 < x->end && !ascii_alpha(s[1]) &&
				  memchr("_:/!?", s[1], 5) == NULL))
		text(x, s, x->end, x->section && x->raw);
}

void
html_tokenize(
    const char *html, size_t len, const struct html_sink *sink, void *ctx)
{
	struct lexer x = {.sink = sink, .ctx = ctx, .end = html + len};

	finish(&x, run(&x, html));
	close_open(&x);
}
