/*
 * Expressions over numbers and names, as `meta` and `if` have them: Perl's
 * operators ! * / + - < > <= >= == != ^ && || ? : and its precedence.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_EXPR_H
#define LIB_RULES_RULES_EXPR_H

#include <stddef.h>

struct arena;
struct expr;

#define EXPR_STEPS_MAX 20000
#define EXPR_DEPTH_MAX 100
#define EXPR_NAME_MAX 255

/* What a name stands for: a constant, or the sum of some variables. */
struct expr_name {
	double constant;
	const size_t *variables;
	size_t count; /* 0: the constant */
};

/* Ask for a name; `arg` is what stands in parentheses behind it, NULL when
 * nothing does.  NULL, or what is wrong with it. */
typedef const char *expr_name_fn(
    void *ctx, const char *name, const char *arg, struct expr_name *name_r);

/* Compile into the arena.  NULL and *expr_r, or what is wrong; the words "no
 * memory" when that is it. */
const char *expr_parse(struct arena *a, const char *text, expr_name_fn *name,
    void *ctx, struct expr **expr_r);

typedef double expr_value_fn(const void *ctx, size_t variable);

double expr_value(const struct expr *e, expr_value_fn *value, const void *ctx);

#endif
