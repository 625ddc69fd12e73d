/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_pattern.h"

#include <stdlib.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "lib/arena.h"
#include "lib/rules/rules_literal.h"

#define JIT_STACK_MIN 32768
#define JIT_STACK_MAX (1024 * 1024)
#define MISTAKE_SIZE 256

struct pattern {
	pcre2_code *code;
	struct literals *literals;
};

struct pattern_match {
	pcre2_match_data *data;
	pcre2_match_context *context;
	pcre2_jit_stack *stack; /* NULL: not needed so far */
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
flags(struct arena *a, const char *s, uint32_t *options_r)
{
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
			break; /* patterns are ASCII anyway */
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
	mistake = flags(a, end + 1, &source_r->options);
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
	if (source_r->len > PATTERN_SOURCE_MAX)
		return "the pattern is longer than 65536 octets";
	return NULL;
}

/* -- compiling -- */

static char *
mistake_text(struct arena *a, int code, size_t at)
{
	unsigned char words[MISTAKE_SIZE];

	pcre2_get_error_message(code, words, sizeof(words));
	return arena_printf(
	    a, "%s, at octet %zu of the pattern", (char *)words, at + 1);
}

const char pattern_too_large[] =
    "the pattern is too large for PCRE2; the rule never hits. Make two rules "
    "of it, and a meta";

struct pattern *
pattern_new(const struct pattern_source *source, struct arena *a,
    const char **mistake_r)
{
	/* A pattern can't switch itself to characters: text is octets. */
	uint32_t options =
	    source->options | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP;
	struct pattern *p = calloc(1, sizeof(*p));
	PCRE2_SIZE at = 0;
	int code = 0;

	*mistake_r = NULL;
	if (p == NULL)
		return NULL;
	p->code = pcre2_compile((PCRE2_SPTR)source->body, source->len, options,
	    &code, &at, NULL);
	if (p->code == NULL) {
		*mistake_r = code == PCRE2_ERROR_PATTERN_TOO_LARGE
		    ? pattern_too_large
		    : mistake_text(a, code, at);
		free(p);
		return NULL;
	}
	/* Where there is no JIT, the interpreter does it. */
	pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE);
	p->literals = literals_new(source->body, source->len,
	    (source->options & PCRE2_EXTENDED) != 0);
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

enum pattern_outcome
pattern_find(const struct pattern *p, struct pattern_match *m, const char *text,
    size_t len, size_t at, bool after_empty, size_t *begin_r, size_t *end_r)
{
	uint32_t options = after_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
	const PCRE2_SIZE *where;
	int rc;

	do {
		rc = pcre2_match(p->code, (PCRE2_SPTR)text, len, at, options,
		    m->data, m->context);
	} while (rc == PCRE2_ERROR_JIT_STACKLIMIT && enlarge(m));
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
