/*
 * Perl's patterns, by PCRE2.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Text and patterns are octets, as SpamAssassin has them (qr//aa).
 */
#ifndef LIB_RULES_RULES_PATTERN_H
#define LIB_RULES_RULES_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct literals;
struct pattern;
struct pattern_match;

#define PATTERN_SOURCE_MAX 65536 /* octets of one pattern */
/* What one match may cost (pcre2_set_match_limit and its kin). */
#define PATTERN_MATCH_LIMIT 500000
#define PATTERN_HEAP_LIMIT 4096 /* KiB */
#define PATTERN_DEPTH_LIMIT 10000
/* The limit holds for each place of a text that a match may begin at, and what
 * runs from there to the end of a long text is not counted letter by letter.
 * After so many places the clock is looked at; those of long texts count more. */
#define PATTERN_PLACES 1024
#define PATTERN_LONG 65536
#define PATTERN_LONG_WEIGHT 4

/* A pattern as it was written, taken apart. */
struct pattern_source {
	const char *body;
	size_t len;
	uint32_t options; /* PCRE2_ */
	bool perl_takes; /* of one that can't be had: nothing is known to be
			    wrong with it for Perl */
};

/* Take `/re/flags`, `m{re}flags` and the like apart, in place.  NULL, or why it
 * can't be had and how to mend it; constant, or in the arena. */
const char *pattern_split(
    struct arena *a, const char *text, struct pattern_source *source_r);

/* Compile.  NULL and in *mistake_r, in the arena, why PCRE2 can't have it (NULL:
 * no memory). */
struct pattern *pattern_new(struct pattern_source *source,
    struct arena *a, const char **mistake_r);
void pattern_free(struct pattern *p);

enum pattern_outcome {
	PATTERN_NO,
	PATTERN_HIT,
	PATTERN_LIMIT, /* gave up */
	PATTERN_LATE,  /* the deadline passed meanwhile */
	PATTERN_NOMEM,
};

/* What matching needs, for one thread; NULL: no memory. */
struct pattern_match *pattern_match_new(void);
void pattern_match_free(struct pattern_match *m);
/* Give up when that clock says so. */
void pattern_match_until(
    struct pattern_match *m, int64_t (*clock)(void), int64_t deadline_ns);

/*
 * The first match from `at` on; *begin_r and *end_r when there is one.
 * after_empty: the last match ended here and was empty, so this one may not be.
 */
enum pattern_outcome pattern_find(const struct pattern *p,
    struct pattern_match *m, const char *text, size_t len, size_t at,
    bool after_empty, size_t *begin_r, size_t *end_r);

/* The letters that any match needs; NULL: none are known. */
const struct literals *pattern_literals(const struct pattern *p);

#endif
