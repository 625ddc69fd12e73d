/* Any pattern on any text ends, and the filter before it never holds back what
 * matches: a line with the pattern, then the text.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/rules/rules_literal.h"
#include "lib/rules/rules_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRIES_MAX 100

static void
match_all(const struct pattern *p, struct pattern_match *m, const char *text,
    size_t len)
{
	size_t at = 0, begin = 0, end = 0;
	bool empty = false;
	struct grams g;

	grams_make(&g, text, len);
	for (int i = 0; i < TRIES_MAX && at <= len; i++) {
		if (pattern_find(p, m, text, len, at, empty, &begin, &end) !=
		    PATTERN_HIT)
			return;
		if (begin > end || end > len || end < at ||
		    !grams_may(&g, pattern_literals(p)))
			abort();
		empty = begin == end;
		at = end;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	const char *eol = size == 0 ? NULL : memchr(text, '\n', size);
	struct pattern_source source;
	struct pattern_match *m;
	struct pattern *p = NULL;
	const char *mistake;
	struct arena a;
	char *pattern;

	if (eol == NULL)
		return 0;
	arena_init(&a);
	pattern = arena_memdup(&a, text, (size_t)(eol - text));
	if (pattern_split(&a, pattern, &source) == NULL)
		p = pattern_new(&source, &a, &mistake);
	m = pattern_match_new();
	if (m == NULL)
		abort();
	if (p != NULL)
		match_all(p, m, eol + 1, size - (size_t)(eol + 1 - text));
	pattern_match_free(m);
	pattern_free(p);
	arena_fini(&a);
	return 0;
}
