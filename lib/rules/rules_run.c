/*
 * One message against the rules.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/base/err.h"
#include "lib/rules/rules_impl.h"
#include "lib/text/mime.h"

#define CLOCK_EVERY 8 /* rules between two looks at the clock, ... */
#define TRIES_EVERY 32 /* ... and tries of patterns: a body has many pieces */

bool
rules_fact(const struct run *run, const char *name)
{
	const char *const *facts = run->in->facts;

	for (size_t i = 0; facts != NULL && facts[i] != NULL; i++) {
		if (strcmp(facts[i], name) == 0)
			return true;
	}
	return false;
}

struct rules_text
rules_get(struct run *run, const char *selector)
{
	struct rules_text text;
	int rc = rules_gather(run->view, selector, &text);

	if (rc == ERR_NOMEM)
		run->rc = rc;
	return rc == 0 ? text : (struct rules_text){"", 0};
}

/* What a rule has found so far. */
struct finding {
	const struct rule *rule;
	double hits;
	struct rules_text first;
	bool limited;
};

static double
most_hits(const struct rule *rule)
{
	if (!(rule->flags & RULE_MULTIPLE) || rule->negate)
		return 1;
	return rule->maxhits > 0 && rule->maxhits < RULES_HITS_MAX
	    ? rule->maxhits
	    : RULES_HITS_MAX;
}

static bool
is_late(const struct rules_input *in)
{
	return in->deadline_ns != 0 && in->clock != NULL &&
	    in->clock() >= in->deadline_ns;
}

/* One more try of a pattern: is there time for it?  What ran into a limit took
 * long already. */
static bool
may_try(struct run *run, const struct finding *f)
{
	if (f->limited || ++run->tries % TRIES_EVERY == 0)
		run->late |= is_late(run->in);
	return !run->late;
}

static void
match_text(struct run *run, struct finding *f, struct rules_text text)
{
	const struct pattern *p = f->rule->pattern;
	double most = most_hits(f->rule);
	size_t at = 0, begin = 0, end = 0;
	bool after_empty = false;

	while (f->hits < most && at <= text.len && may_try(run, f)) {
		enum pattern_outcome o = pattern_find(p, run->match, text.data,
		    text.len, at, after_empty, &begin, &end);

		if (o == PATTERN_NOMEM)
			run->rc = ERR_NOMEM;
		f->limited |= o == PATTERN_LIMIT || o == PATTERN_LATE;
		run->late |= o == PATTERN_LATE;
		if (o != PATTERN_HIT)
			return;
		if (f->hits++ == 0)
			f->first = (struct rules_text){
			    text.data + begin, end - begin};
		after_empty = end == begin;
		at = end;
	}
}

/* -- header rules -- */

/* Can the pattern match it?  What is short is sooner tried than asked. */
static bool
may_match(struct run *run, const struct rule *rule, struct view_value *value)
{
	const struct literals *l = pattern_literals(rule->pattern);

	if (l == NULL || value->text.data == NULL)
		return true;
	if (value->grams == NULL) {
		value->grams =
		    arena_alloc(run->in->arena, sizeof(*value->grams));
		if (value->grams == NULL)
			return true;
		grams_make(
		    value->grams, value->text.data, value->text.len);
	}
	return grams_may(value->grams, l);
}

static void
run_header(struct run *run, struct finding *f)
{
	const struct rule *rule = f->rule;
	struct view_value *value = rules_selected(run->view, rule->selector);
	struct rules_text text;

	if (value == NULL) {
		run->rc = ERR_NOMEM;
		return;
	}
	if (rule->exists) {
		f->hits = value->text.data != NULL;
		return;
	}
	text = value->text;
	if (text.data == NULL && rule->unset != NULL)
		text = (struct rules_text){rule->unset, strlen(rule->unset)};
	if (text.data == NULL)
		text = (struct rules_text){"", 0};
	if (may_match(run, rule, value))
		match_text(run, f, text);
	if (rule->negate) {
		f->hits = f->hits == 0 && !f->limited && !run->late;
		f->first = (struct rules_text){0};
	}
}

/* -- body, rawbody, full, uri -- */

/* NULL: no memory. */
static const struct text_view *
body_view(struct run *run, enum mime_view_kind kind)
{
	struct mime *m = rules_mime(run);

	return m == NULL ? NULL : mime_view(m, kind);
}

/* Can the pattern match any of these? */
static bool
may_match_view(struct run *run, const struct rule *rule,
    enum mime_view_kind kind, const struct text_view *t)
{
	const struct literals *l = pattern_literals(rule->pattern);
	struct grams *g = run->grams[kind];

	if (l == NULL)
		return true;
	if (g == NULL) {
		run->grams[kind] = g = arena_alloc(run->in->arena, sizeof(*g));
		if (g == NULL)
			return true;
		grams_make(g, "", 0);
		for (size_t i = 0; i < t->count; i++)
			grams_add(g, t->pieces[i].text, t->pieces[i].len);
	}
	return grams_may(g, l);
}

static void
run_pieces(struct run *run, struct finding *f, enum mime_view_kind kind,
    size_t from)
{
	bool multiple = f->rule->flags & RULE_MULTIPLE;
	const struct text_view *t;

	if (run->in->body == NULL)
		return;
	t = body_view(run, kind);
	if (t == NULL)
		run->rc = ERR_NOMEM;
	if (t == NULL || !may_match_view(run, f->rule, kind, t))
		return;
	for (size_t i = from; run->rc == 0 && !run->late && i < t->count;
	     i++) {
		match_text(run, f,
		    (struct rules_text){
			t->pieces[i].text, t->pieces[i].len});
		if (f->limited || (f->hits > 0 && !multiple))
			return;
	}
}

static void
run_parts(struct run *run, struct finding *f)
{
	const struct text_view *t = rules_mime_texts(run, f->rule);

	/* Hits are counted in the first part that has some. */
	for (size_t i = 0; t != NULL && i < t->count && f->hits == 0; i++)
		match_text(run, f,
		    (struct rules_text){
			t->pieces[i].text, t->pieces[i].len});
	if (t != NULL && f->rule->negate) {
		f->hits = f->hits == 0 && !f->limited;
		f->first = (struct rules_text){0};
	}
}

static void
run_one(struct run *run, struct finding *f)
{
	switch (f->rule->kind) {
	case RULE_HEADER:
		run_header(run, f);
		break;
	case RULE_BODY:
		run_pieces(run, f, MIME_BODY,
		    f->rule->flags & RULE_NOSUBJECT ? 1 : 0);
		break;
	case RULE_RAWBODY:
		run_pieces(run, f, MIME_RAWBODY, 0);
		break;
	case RULE_FULL:
		run_pieces(run, f, MIME_FULL, 0);
		break;
	case RULE_MIMEHEADER:
		run_parts(run, f);
		break;
	case RULE_URI:
		run_pieces(run, f, MIME_URI, 0);
		break;
	case RULE_EVAL:
		f->hits = f->rule->eval->fn == NULL
		    ? rules_fact(run, f->rule->eval->fact)
		    : f->rule->eval->fn(run, f->rule);
		break;
	case RULE_META:
		f->hits = rules_meta_value(f->rule->meta, run);
		/* Whatever is not 0 is a hit, and one hit at least. */
		if (f->hits < 0)
			f->hits = 1;
		break;
	default:
		break;
	}
}

static void
count(atomic_uint_fast64_t *n, uint64_t more)
{
	atomic_fetch_add_explicit(n, more, memory_order_relaxed);
}

/* -- what came of it -- */

static int
add_hit(struct rules_result *r, struct rules_hit ***at, const struct run *run,
    const struct rule *rule)
{
	struct rules_hit *hit = arena_alloc(run->in->arena, sizeof(*hit));

	if (hit == NULL)
		return ERR_NOMEM;
	*hit = (struct rules_hit){.name = rule->name,
	    .describe = rule->describe,
	    .score = rule->sub ? 0 : rules_score(run->rules, rule),
	    .value = run->values[rule->number],
	    .sub = rule->sub,
	    .matched = run->matched[rule->number]};
	/* What counts several times weighs as often; a meta's value does not.
	 */
	hit->times = rule->flags & RULE_MULTIPLE && rule->kind != RULE_META
	    ? (unsigned)hit->value
	    : 1;
	hit->score *= hit->times;
	r->score += hit->score;
	**at = hit;
	*at = &hit->next;
	return 0;
}

static int
report(const struct run *run, struct rules_result *r)
{
	struct rules_hit **at = &r->hits;

	for (size_t i = 0; i < run->rules->count; i++) {
		if (run->values[i] != 0 &&
		    add_hit(r, &at, run, run->rules->list[i]) != 0)
			return ERR_NOMEM;
	}
	return 0;
}

/* Remember a rule that gave up. */
static int
add_limited(const struct run *run, struct rules_result *r, size_t *n,
    const struct rule *rule)
{
	const char **names = arena_alloc(
	    run->in->arena, (*n + 2) * sizeof(*names));

	if (names == NULL)
		return ERR_NOMEM;
	if (*n > 0)
		memcpy(names, r->limited, *n * sizeof(*names));
	names[(*n)++] = rule->name;
	r->limited = names;
	return 0;
}

/* One rule, and what it cost where that is asked for. */
static int
step(struct run *run, struct rules_result *r, const struct rule *rule,
    size_t *limited)
{
	struct rule_count *c = &run->rules->counts[rule->number];
	struct finding f = {.rule = rule};
	int64_t begun = run->in->timed ? run->in->clock() : 0;

	run_one(run, &f);
	if (run->in->timed) {
		count(&c->ns, (uint64_t)(run->in->clock() - begun));
		count(&c->timed, 1);
	}
	if (f.limited && run->rc == 0)
		run->rc = add_limited(run, r, limited, rule);
	if (run->rc != 0)
		return run->rc;
	if (f.limited)
		count(&c->limited, 1);
	if (f.hits == 0)
		return 0;
	count(&c->hits, 1);
	run->values[rule->number] = f.hits;
	run->matched[rule->number] = f.first;
	return 0;
}

static int
walk(struct run *run, struct rules_result *r)
{
	const struct rules *rules = run->rules;
	size_t limited = 0, i = 0;
	int rc = 0;

	count(&rules->counts[rules->count].tried, 1);
	for (; rc == 0 && i < rules->order_count; i++) {
		run->late |= i % CLOCK_EVERY == 0 && is_late(run->in);
		if (!run->late)
			rc = step(run, r, rules->order[i], &limited);
		if (run->late)
			break;
	}
	r->late = run->late;
	for (; rc == 0 && i < rules->order_count; i++)
		count(&rules->counts[rules->order[i]->number].skipped, 1);
	return rc != 0 ? rc : report(run, r);
}

int
rules_run(const struct rules *r, const struct rules_input *in,
    struct rules_result *result_r)
{
	struct run run = {.rules = r, .in = in};
	int rc = ERR_NOMEM;

	*result_r = (struct rules_result){0};
	run.view = view_new(in, r, r->selector_count);
	run.values =
	    arena_alloc(in->arena, (r->count + 1) * sizeof(*run.values));
	run.matched =
	    arena_alloc(in->arena, (r->count + 1) * sizeof(*run.matched));
	run.match = pattern_match_new();
	if (run.match != NULL && in->deadline_ns != 0)
		pattern_match_until(run.match, in->clock, in->deadline_ns);
	if (run.view != NULL && run.values != NULL && run.matched != NULL &&
	    run.match != NULL)
		rc = walk(&run, result_r);
	pattern_match_free(run.match);
	return rc;
}
