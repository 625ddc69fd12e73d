/*
 * meta rules: an expression over other rules and facts.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/rules/rules_expr.h"
#include "lib/rules/rules_impl.h"

struct meta {
	struct expr *expr;
	const struct rule **rules; /* what the variables stand for */
	size_t count, room;
};

struct linking {
	struct reader *rd;
	const struct rule *rule;
	struct meta *meta;
	size_t one; /* what a name_r of one variable points to */
};

/* The variable for that rule. */
static bool
variable(struct linking *l, const struct rule *rule, size_t *number_r)
{
	struct meta *m = l->meta;

	if (m->count == m->room) {
		size_t room = m->room == 0 ? 4 : m->room * 2;
		const struct rule **rules = arena_alloc(
		    &l->rd->rules->arena, room * sizeof(*rules));

		if (rules == NULL)
			return false;
		if (m->count > 0)
			memcpy(rules, m->rules, m->count * sizeof(*rules));
		m->rules = rules;
		m->room = room;
	}
	*number_r = m->count;
	m->rules[m->count++] = rule;
	return true;
}

/* rules_matching(GLOB): how many of those hit. */
static const char *
matching(struct linking *l, const char *glob, struct expr_name *name_r)
{
	const struct rules *r = l->rd->rules;
	size_t *numbers = arena_alloc(
	    &l->rd->rules->arena, (r->count + 1) * sizeof(*numbers));

	if (numbers == NULL)
		return "no memory";
	for (size_t i = 0; i < r->count; i++) {
		const struct rule *rule = r->list[i];

		if (rule == l->rule || rule->kind == RULE_NONE ||
		    !list_glob(glob, rule->name, strlen(rule->name)))
			continue;
		if (!variable(l, rule, &numbers[name_r->count++]))
			return "no memory";
	}
	name_r->variables = numbers;
	return NULL;
}

/* Does the expression name it already? */
static bool
is_known(const struct linking *l, const struct rule *rule)
{
	for (size_t i = 0; i < l->meta->count; i++) {
		if (l->meta->rules[i] == rule)
			return true;
	}
	return false;
}

static const char *
name(void *ctx, const char *text, const char *arg, struct expr_name *name_r)
{
	struct linking *l = ctx;
	const struct rule *rule = rules_find(l->rd->rules, text);
	char glob[EXPR_NAME_MAX + 1];

	if (strcmp(text, "rules_matching") == 0 && arg != NULL) {
		if (sscanf(arg, " %127s", glob) != 1)
			return "rules_matching: expected a name with * or ?";
		return matching(l, glob, name_r);
	}
	if (arg != NULL)
		return "expected an operator before the `(`";
	if (strcmp(text, "local_tests_only") == 0) {
		name_r->constant = l->rd->setup->score_set % 2 == 0;
		return NULL;
	}
	if (!rules_is_name(text))
		return "a rule's name has letters, digits and _, and begins "
		       "with no digit";
	if (rule == NULL || rule->kind == RULE_NONE) {
		if (!rules_is_fact(l->rd, text) && !is_known(l, rule))
			rules_say_dangling(l->rd, l->rule->file, l->rule->line,
			    "%s: no rule has the name %s; it counts as 0",
			    l->rule->name, text);
		if (rule == NULL)
			rule = rules_named(l->rd, text);
		if (rule == NULL)
			return "no memory";
	}
	if (!variable(l, rule, &l->one))
		return "no memory";
	/* The parser copies it before it asks again. */
	name_r->variables = &l->one;
	name_r->count = 1;
	return NULL;
}

struct meta *
rules_meta_parse(struct reader *rd, const struct rule *rule)
{
	struct linking l = {.rd = rd, .rule = rule};
	const char *mistake;

	l.meta = arena_alloc(&rd->rules->arena, sizeof(*l.meta));
	if (l.meta == NULL) {
		rd->rc = ERR_NOMEM;
		return NULL;
	}
	mistake = expr_parse(
	    &rd->rules->arena, rule->text, name, &l, &l.meta->expr);
	if (mistake == NULL)
		return l.meta;
	rules_say_at(rd, RULES_ERROR, rule->file, rule->line, "meta %s: %s",
	    rule->name, mistake);
	return NULL;
}

const struct rule *
rules_meta_rule(const struct meta *m, size_t i)
{
	return i < m->count ? m->rules[i] : NULL;
}

struct asked {
	const struct meta *meta;
	const struct run *run;
};

static double
value(const void *ctx, size_t number)
{
	const struct asked *a = ctx;
	const struct rule *rule = a->meta->rules[number];

	/* What is not built in may still be known by that name. */
	if (rule->kind == RULE_NONE ||
	    (rule->kind == RULE_EVAL && rule->eval == NULL))
		return rules_fact(a->run, rule->name);
	return a->run->values[rule->number];
}

double
rules_meta_value(const struct meta *m, const struct run *run)
{
	struct asked a = {m, run};

	return expr_value(m->expr, value, &a);
}
