/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/rules/rules_literal.h"
#include "lib/rules/rules_perl.h"

#define JIT_STACK_MIN 32768
#define JIT_STACK_MAX (1024 * 1024)
#define MISTAKE_SIZE 256

struct pattern {
	pcre2_code *code;
	struct literals *literals;
	bool anchored; /* it is tried at one place only, or knows where that is */
};

struct pattern_match {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; /* NULL: not needed so far */
	int64_t (*clock)(void); /* NULL: no deadline */
	int64_t deadline_ns;
	size_t places; /* since the clock was looked at */
};

/* -- taking apart -- */

static char
closing(char c)
{
	switch (c) {
	case '{':
		return '}';
	case '(':
		return ')';
	case '<':
		return '>';
	case '[':
		return ']';
	default:
		return c;
	}
}

static bool
is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '_';
}

/* The letters behind the pattern. */
static const char *
flags(struct arena *a, const char *s, struct pattern_source *source_r)
{
	uint32_t *options_r = &source_r->options;

	*options_r = 0;
	for (const char *p = s; *p != '\0'; p++) {
		switch (*p) {
		case 'i':
			*options_r |= PCRE2_CASELESS;
			break;
		case 'm':
			*options_r |= PCRE2_MULTILINE;
			break;
		case 's':
			*options_r |= PCRE2_DOTALL;
			break;
		case 'x':
			*options_r |= *options_r & PCRE2_EXTENDED
			    ? PCRE2_EXTENDED_MORE
			    : PCRE2_EXTENDED;
			break;
		case 'n':
			*options_r |= PCRE2_NO_AUTO_CAPTURE;
			break;
		case 'a':
		case 'd':
		case 'p':
			break; /* patterns are ASCII anyway */
		case 'l':
		case 'u':
			source_r->perl_takes = true;
			return "the flags l and u are not had: patterns know "
			       "no other letters than ASCII's";
		default:
			return arena_printf(a,
			    "unknown flag `%c` behind the pattern; there are "
			    "i, m, s, x and n",
			    *p >= 0x20 && *p < 0x7f ? *p : '?');
		}
	}
	return NULL;
}

/* Does the delimiter stand inside without a backslash? */
static bool
stands_bare(const char *s, size_t len, char delimiter)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\')
			i++;
		else if (s[i] == delimiter)
			return true;
	}
	return false;
}

const char *
pattern_split(
    struct arena *a, const char *text, struct pattern_source *source_r)
{
	const char *end, *body = text;
	const char *mistake;
	char delimiter;

	source_r->perl_takes = false;
	if (*body == 'm' && body[1] != '\0' && !is_word(body[1]))
		body++;
	else if (strncmp(body, "qr", 2) == 0 && body[2] != '\0' &&
	    !is_word(body[2]))
		body += 2;
	else if (*body != '/')
		return "a pattern is written /like this/ or m{like this}";
	if (*body == '\\')
		return "a backslash can't enclose a pattern; use / or m{}";
	delimiter = closing(*body++);
	end = strrchr(body, delimiter);
	if (end == NULL)
		return arena_printf(
		    a, "the pattern has no `%c` at its end", delimiter);
	mistake = flags(a, end + 1, source_r);
	if (mistake != NULL)
		return mistake;
	source_r->body = body;
	source_r->len = (size_t)(end - body);
	if (delimiter == body[-1] &&
	    stands_bare(body, source_r->len, delimiter))
		return arena_printf(a,
		    "`%c` inside the pattern needs a backslash before it",
		    delimiter);
	if (source_r->len == 0)
		return "an empty pattern matches everything";
	if (source_r->len > PATTERN_SOURCE_MAX) {
		source_r->perl_takes = true;
		return "the pattern is longer than 65536 octets";
	}
	return NULL;
}

/* -- compiling -- */

/* What Perl refuses as well; anything else is taken to be PCRE2's own: a limit,
 * or a part of Perl's language that it lacks. */
static bool
perl_refuses(int code, const struct pattern_source *source)
{
	static const short both[] = {
	    PCRE2_ERROR_END_BACKSLASH,
	    PCRE2_ERROR_END_BACKSLASH_C,
	    PCRE2_ERROR_UNKNOWN_ESCAPE,
	    PCRE2_ERROR_QUANTIFIER_OUT_OF_ORDER,
	    PCRE2_ERROR_QUANTIFIER_TOO_BIG,
	    PCRE2_ERROR_MISSING_SQUARE_BRACKET,
	    PCRE2_ERROR_ESCAPE_INVALID_IN_CLASS,
	    PCRE2_ERROR_CLASS_RANGE_ORDER,
	    PCRE2_ERROR_QUANTIFIER_INVALID,
	    PCRE2_ERROR_POSIX_NO_SUPPORT_COLLATING,
	    PCRE2_ERROR_MISSING_CLOSING_PARENTHESIS,
	    PCRE2_ERROR_MISSING_COMMENT_CLOSING,
	    PCRE2_ERROR_UNMATCHED_CLOSING_PARENTHESIS,
	    PCRE2_ERROR_TOO_MANY_CONDITION_BRANCHES,
	    PCRE2_ERROR_UNKNOWN_POSIX_CLASS,
	    PCRE2_ERROR_INVALID_SUBPATTERN_NAME,
	    PCRE2_ERROR_CLASS_INVALID_RANGE,
	    PCRE2_ERROR_VERB_UNKNOWN,
	    PCRE2_ERROR_BACKSLASH_C_SYNTAX,
	    PCRE2_ERROR_UTF_IS_DISABLED,
	};

	/* Perl lets a condition ask for a group that is not there. */
	if (code == PCRE2_ERROR_BAD_SUBPATTERN_REFERENCE)
		return memmem(source->body, source->len, "(?(", 3) == NULL;
	for (size_t i = 0; i < sizeof(both) / sizeof(*both); i++) {
		if (both[i] == code)
			return true;
	}
	return false;
}

/* The place is that in the pattern as it was written, if it is known. */
static char *
mistake_text(struct arena *a, int code, size_t at, bool rewritten)
{
	unsigned char words[MISTAKE_SIZE];

	pcre2_get_error_message(code, words, sizeof(words));
	if (rewritten)
		return arena_strdup(a, (char *)words);
	return arena_printf(
	    a, "%s, at octet %zu of the pattern", (char *)words, at + 1);
}

/* \G is where the search began, which must not move, and after a verb such as
 * (*COMMIT) it must not begin anew. */
static bool
is_anchored(const pcre2_code *code, const struct pattern_source *source)
{
	uint32_t options = 0;

	pcre2_pattern_info(code, PCRE2_INFO_ALLOPTIONS, &options);
	return (options & PCRE2_ANCHORED) != 0 ||
	    memmem(source->body, source->len, "\\G", 2) != NULL ||
	    memmem(source->body, source->len, "(*", 2) != NULL;
}

static struct pattern *
compile(struct pattern_source *source, const struct buf *body,
    struct arena *a, const char **mistake_r)
{
	/* A pattern can't switch itself to characters: text is octets. */
	uint32_t options =
	    source->options | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP |
	    PCRE2_USE_OFFSET_LIMIT | PCRE2_DUPNAMES;
	struct pattern *p = calloc(1, sizeof(*p));
	PCRE2_SIZE at = 0;
	int code = 0;

	if (p == NULL)
		return NULL;
	p->code = pcre2_compile((PCRE2_SPTR)buf_text(body), body->len, options,
	    &code, &at, NULL);
	if (p->code == NULL) {
		*mistake_r = mistake_text(a, code, at,
		    body->len != source->len ||
			memcmp(body->data, source->body, body->len) != 0);
		source->perl_takes = !perl_refuses(code, source);
		free(p);
		return NULL;
	}
	/* Where there is no JIT, the interpreter does it. */
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	p->anchored = is_anchored(p->code, source);
	p->literals = literals_new(buf_text(body), body->len,
	    (source->options & PCRE2_EXTENDED) != 0);
	return p;
}

struct pattern *
pattern_new(struct pattern_source *source, struct arena *a,
    const char **mistake_r)
{
	struct buf body = BUF_INIT;
	struct pattern *p = NULL;

	*mistake_r = NULL;
	perl_translate(&body, source->body, source->len,
	    (source->options & PCRE2_EXTENDED) != 0);
	if (buf_text(&body) != NULL)
		p = compile(source, &body, a, mistake_r);
	buf_fini(&body);
	return p;
}

void
pattern_free(struct pattern *p)
{
	if (p == NULL)
		return;
	pcre2_code_free(p->code);
	literals_free(p->literals);
	free(p);
}

const struct literals *
pattern_literals(const struct pattern *p)
{
	return p->literals;
}

/* -- matching -- */

struct pattern_match *
pattern_match_new(void)
{
	struct pattern_match *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	/* One pair: where the match as a whole stands. */
	m->data = pcre2_match_data_create(1, NULL);
	m->context = pcre2_match_context_create(NULL);
	if (m->data == NULL || m->context == NULL) {
		pattern_match_free(m);
		return NULL;
	}
	pcre2_set_match_limit(m->context, PATTERN_MATCH_LIMIT);
	pcre2_set_heap_limit(m->context, PATTERN_HEAP_LIMIT);
	pcre2_set_depth_limit(m->context, PATTERN_DEPTH_LIMIT);
	return m;
}

void
pattern_match_free(struct pattern_match *m)
{
	if (m == NULL)
		return;
	pcre2_match_data_free(m->data);
	pcre2_match_context_free(m->context);
	pcre2_jit_stack_free(m->stack);
	free(m);
}

/* The machine's own stack was too small: get a larger one, once. */
static bool
enlarge(struct pattern_match *m)
{
	if (m->stack != NULL)
		return false;
	m->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (m->stack == NULL)
		return false;
	pcre2_jit_stack_assign(m->context, NULL, m->stack);
	return true;
}

void
pattern_match_until(
    struct pattern_match *m, int64_t (*clock)(void), int64_t deadline_ns)
{
	m->clock = clock;
	m->deadline_ns = deadline_ns;
}

static bool
is_late(struct pattern_match *m, size_t places)
{
	m->places += places;
	if (m->clock == NULL || m->places < PATTERN_PLACES)
		return false;
	m->places = 0;
	return m->clock() >= m->deadline_ns;
}

/* A match that begins at one of so many places from `at` on. */
static int
find_among(const struct pattern *p, struct pattern_match *m, const char *text,
    size_t len, size_t at, size_t places, uint32_t options)
{
	int rc;

	pcre2_set_offset_limit(m->context,
	    places > len - at ? PCRE2_UNSET : at + places - 1);
	do {
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, at, options,
		    m->data, m->context);
	} while (rc == PCRE2_ERROR_JIT_STACKLIMIT && enlarge(m));
	return rc;
}

enum pattern_outcome
pattern_find(const struct pattern *p, struct pattern_match *m, const char *text,
    size_t len, size_t at, bool after_empty, size_t *begin_r, size_t *end_r)
{
	uint32_t options = after_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
	const PCRE2_SIZE *where;
	size_t weight = len > PATTERN_LONG ? PATTERN_LONG_WEIGHT : 1;
	bool last = false;
	int rc = PCRE2_ERROR_NOMATCH;

	while (rc == PCRE2_ERROR_NOMATCH && !last) {
		size_t places = len - at + 1;

		last = m->clock == NULL || p->anchored ||
		    places <= PATTERN_PLACES / weight;
		if (!last)
			places = PATTERN_PLACES / weight;
		rc = find_among(p, m, text, len, at, places, options);
		if (rc == PCRE2_ERROR_NOMATCH && is_late(m, places * weight))
			return PATTERN_LATE;
		at += places;
		options = 0;
	}
	if (rc >= 0) {
		where = pcre2_get_ovector_pointer(m->data);
		*begin_r = where[0];
		/* \K may leave the beginning behind the end. */
		*end_r = where[1] < where[0] ? where[0] : where[1];
		return PATTERN_HIT;
	}
	if (rc == PCRE2_ERROR_NOMATCH)
		return PATTERN_NO;
	return rc == PCRE2_ERROR_NOMEMORY ? PATTERN_NOMEM : PATTERN_LIMIT;
}
