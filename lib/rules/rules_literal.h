/*
 * Which texts a pattern can't match, without trying it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Most patterns need some letters: /\bviagra\b/i is not found where there is no
 * `viagra`.  Of a pattern, the runs of letters are kept of which any match has
 * at least one; of a text, which threes of letters occur in it (a set that may
 * say yes too often, never no).  Case is ignored on both sides.
 */
#ifndef LIB_RULES_RULES_LITERAL_H
#define LIB_RULES_RULES_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct literals;

#define GRAMS_BITS 8192

struct grams {
	uint64_t bits[GRAMS_BITS / 64];
};

/* NULL: nothing is known of that pattern (or there was no memory: it is tried
 * always).  extended: white space and comments in it mean nothing. */
struct literals *literals_new(const char *pattern, size_t len, bool extended);
void literals_free(struct literals *l);

void grams_make(struct grams *g, const char *text, size_t len);
/* One more text: a pattern that may match either may match the two. */
void grams_add(struct grams *g, const char *text, size_t len);
/* false: a pattern with these letters can't match the text. */
bool grams_may(const struct grams *g, const struct literals *l);

#endif
