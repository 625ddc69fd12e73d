/*
 * Definitions of rules, and what is made of them after the last file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/rules/rules_eval.h"
#include "lib/rules/rules_replace.h"
#include "lib/text/ascii.h"

#define LONG_NAME 40 /* names beyond it make headers ugly */

bool
rules_is_name(const char *name)
{
	size_t len = 0;

	for (; name[len] != '\0'; len++) {
		char c = name[len];

		if (!(c == '_' || (c >= 'a' && c <= 'z') ||
			(c >= 'A' && c <= 'Z') ||
			(len > 0 && c >= '0' && c <= '9')))
			return false;
	}
	return len > 0;
}

/* -- one definition -- */

/* NAME [text]: the rule, made anew; NULL: a mistake was said. */
static struct rule *
begin(struct reader *rd, enum rule_kind kind, char *value, char **text_r)
{
	char *text = value + strcspn(value, " \t");
	struct rule *rule;

	if (*text != '\0')
		*text++ = '\0';
	text += strspn(text, " \t");
	if (!rules_is_name(value)) {
		rules_say(rd, RULES_ERROR,
		    "%.100s: a rule's name has letters, digits and _, and "
		    "begins with no digit",
		    value);
		return NULL;
	}
	if (strlen(value) > RULES_NAME_MAX) {
		rules_say(rd, RULES_ERROR,
		    "%.40s...: the name is longer than %d octets", value,
		    RULES_NAME_MAX);
		return NULL;
	}
	rule = rules_named(rd, value);
	if (rule == NULL)
		return NULL;
	*text_r = text;
	rule->kind = kind;
	rule->file = rd->file;
	rule->line = rd->line;
	rule->text = rules_keep(rd, text, strlen(text));
	rule->exists = rule->negate = false;
	rule->unset = rule->source = NULL;
	rule->selector = NULL;
	rule->eval = NULL;
	return rule->text == NULL ? NULL : rule;
}

static void
nothing(struct reader *rd, struct rule *rule)
{
	rules_say(rd, RULES_ERROR,
	    "%s: expected what to look for behind the name", rule->name);
	rule->kind = RULE_EMPTY;
}

static bool
selector(struct reader *rd, struct rule *rule, const char *text)
{
	struct rules *r = rd->rules;

	rule->selector = rules_selector(
	    &r->arena, &r->selectors, &r->selector_count, text);
	if (rule->selector != NULL)
		return true;
	rules_say(rd, RULES_ERROR,
	    "%s: %.100s: expected a header field, with :raw, :addr, :name, "
	    ":host, :domain, :ip, :revip, :first or :last behind it or not",
	    rule->name, text);
	rule->kind = RULE_EMPTY;
	return false;
}

/* Parts have fields, and :raw of them; nothing is made of what they say. */
static void
check_part_selector(struct reader *rd, struct rule *rule, const char *text)
{
	const struct selector *s = rule->selector;

	if ((s->source == SELECT_FIELD || s->source == SELECT_ALL) &&
	    (s->modifiers & ~(unsigned)SELECT_RAW) == 0)
		return;
	rules_say(rd, RULES_ERROR,
	    "%s: %.100s: expected a field of parts or ALL, with :raw behind it "
	    "or not",
	    rule->name, text);
	rule->kind = RULE_EMPTY;
}

/* ` [if-unset: VALUE]` at the end of a pattern. */
static void
cut_unset(struct reader *rd, struct rule *rule, char *pattern)
{
	static const char mark[] = "[if-unset:";
	char *at = strstr(pattern, mark);
	size_t len = strlen(pattern);
	char *value;

	if (at == NULL || at == pattern || pattern[len - 1] != ']' ||
	    (at[-1] != ' ' && at[-1] != '\t'))
		return;
	value = at + strlen(mark);
	value += strspn(value, " \t");
	pattern[len - 1] = '\0';
	rule->unset = rules_keep(rd, value, strlen(value));
	while (at > pattern && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	*at = '\0';
}

/* FIELD =~ /pattern/, FIELD !~ /pattern/, exists:FIELD */
static void
define_header(struct reader *rd, struct rule *rule, char *text)
{
	char *op, *pattern;
	size_t len;

	if (strncmp(text, "exists:", 7) == 0 &&
	    rule->kind != RULE_MIMEHEADER) {
		rule->exists = true;
		selector(rd, rule, text + 7);
		return;
	}
	op = strstr(text, "~");
	if (op == NULL || op == text || (op[-1] != '=' && op[-1] != '!')) {
		rules_say(rd, RULES_ERROR,
		    "%s: expected FIELD =~ /pattern/%s",
		    rule->name,
		    rule->kind == RULE_MIMEHEADER
			? " or FIELD !~ /pattern/"
			: ", FIELD !~ /pattern/ or exists:FIELD");
		rule->kind = RULE_EMPTY;
		return;
	}
	rule->negate = op[-1] == '!';
	pattern = op + 1 + strspn(op + 1, " \t");
	op[-1] = '\0';
	len = strlen(text);
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		text[--len] = '\0';
	cut_unset(rd, rule, pattern);
	if (selector(rd, rule, text))
		rule->source = rules_keep(rd, pattern, strlen(pattern));
	if (rule->kind == RULE_MIMEHEADER)
		check_part_selector(rd, rule, text);
}

/* -- eval -- */

/* One argument: in quotes, or a bare word.  NULL: neither. */
static char *
take_argument(struct reader *rd, char **at)
{
	char *p = *at + strspn(*at, " \t");
	char *end, *arg;

	if (*p == '"' || *p == '\'') {
		end = strchr(p + 1, *p);
		if (end == NULL)
			return NULL;
		arg = rules_keep(rd, p + 1, (size_t)(end - p - 1));
		end++;
	} else {
		end = p + strcspn(p, " \t,");
		if (end == p)
			return NULL;
		arg = rules_keep(rd, p, (size_t)(end - p));
	}
	end += strspn(end, " \t");
	if (*end == ',')
		end++;
	else if (*end != '\0')
		return NULL;
	*at = end;
	return arg;
}

static bool
arguments(struct reader *rd, struct rule *rule, char *text)
{
	const char **args = arena_alloc(&rd->rules->arena,
	    (RULES_ARGS_MAX + 1) * sizeof(*args));
	size_t n = 0;

	if (args == NULL) {
		rd->rc = ERR_NOMEM;
		return true;
	}
	rule->args = args;
	while (text[strspn(text, " \t")] != '\0') {
		if (n == RULES_ARGS_MAX ||
		    (args[n] = take_argument(rd, &text)) == NULL)
			return false;
		n++;
	}
	return true;
}

static void
define_eval(struct reader *rd, struct rule *rule, char *text)
{
	char *open = strchr(text, '('), *close = strrchr(text, ')');

	rule->kind = RULE_EVAL;
	if (open == NULL || close == NULL || close < open ||
	    close[1] != '\0') {
		rules_say(rd, RULES_ERROR,
		    "%s: expected eval:FUNCTION(ARGUMENT, ...)", rule->name);
		return;
	}
	*open = *close = '\0';
	while (open > text && (open[-1] == ' ' || open[-1] == '\t'))
		*--open = '\0';
	open = close;
	while (open[-1] != '\0')
		open--;
	if (!arguments(rd, rule, open)) {
		rules_say(rd, RULES_ERROR,
		    "%s: %.60s: arguments are words or stand in quotes, with "
		    "commas between them",
		    rule->name, text);
		return;
	}
	rule->eval = rules_eval_find(text);
	if (rule->eval == NULL && rules_once(rd, text))
		rules_say(rd, RULES_WARNING,
		    "%s: eval:%.60s is not built in; rules with it never hit",
		    rule->name, text);
}

void
rules_define(struct reader *rd, enum rule_kind kind, char *value)
{
	char *text;
	struct rule *rule = begin(rd, kind, value, &text);

	if (rule == NULL)
		return;
	if (*text == '\0')
		nothing(rd, rule);
	else if (strncmp(text, "eval:", 5) == 0 && kind != RULE_META &&
	    kind != RULE_URI && kind != RULE_MIMEHEADER)
		define_eval(rd, rule, text + 5);
	else if (kind == RULE_HEADER || kind == RULE_MIMEHEADER)
		define_header(rd, rule, text);
	else if (kind == RULE_META && text[strspn(text, "() \t")] == '\0')
		rule->kind = RULE_EMPTY;
	else if (kind != RULE_META)
		rule->source = rule->text;
}

/* -- after the last file -- */

/* %{NAME}: what another rule's pattern captured. */
static bool
has_capture(const char *s, size_t len)
{
	for (size_t i = 0; i + 3 < len; i++) {
		size_t n = i + 2;

		if (s[i] != '%' || s[i + 1] != '{')
			continue;
		while (n < len && (ascii_word(s[n]) || s[n] == '-'))
			n++;
		if (n > i + 2 && n < len && s[n] == '}' &&
		    ascii_alpha(s[i + 2]))
			return true;
	}
	return false;
}

static void
compile_pattern(struct reader *rd, struct rule *rule)
{
	struct arena *a = &rd->rules->arena;
	struct pattern_source source = {0};
	const char *mistake = pattern_split(a, rule->source, &source);

	if (mistake == NULL && has_capture(source.body, source.len)) {
		rules_say_lost(rd, RULES_WARNING, rule,
		    "what another rule captured is not put in for %{NAME} "
		    "here");
		return;
	}
	if (mistake == NULL && rule->replace && !rules_replace(rd, &source))
		return;
	if (mistake == NULL) {
		rule->pattern = pattern_new(&source, a, &mistake);
		if (rule->pattern == NULL && mistake == NULL)
			rd->rc = ERR_NOMEM;
	}
	if (mistake != NULL)
		rules_say_lost(rd,
		    source.perl_takes ? RULES_WARNING : RULES_ERROR, rule,
		    mistake);
}

/* An argument of an eval: function; without slashes.  SpamAssassin looks at it
 * when the rule runs: its lint does not fail. */
static void
compile_argument(struct reader *rd, struct rule *rule)
{
	struct arena *a = &rd->rules->arena;
	struct pattern_source source;
	const char *mistake = NULL;

	source = (struct pattern_source){
	    .body = eval_arg(rule, rule->eval->pattern - 1)};
	source.len = strlen(source.body);
	if (source.len == 0)
		return;
	rule->pattern = pattern_new(&source, a, &mistake);
	if (rule->pattern == NULL && mistake == NULL)
		rd->rc = ERR_NOMEM;
	if (mistake == NULL)
		return;
	rules_say_lost(rd, RULES_WARNING, rule, mistake);
	rule->eval = NULL;
}

static void
compile(struct reader *rd)
{
	struct rules *r = rd->rules;
	size_t defined = r->count; /* facts are named while metas are read */

	for (size_t i = 0; rd->rc == 0 && i < defined; i++) {
		struct rule *rule = r->list[i];

		if (rule->source != NULL)
			compile_pattern(rd, rule);
		if (rule->eval != NULL && rule->eval->pattern > 0)
			compile_argument(rd, rule);
		if (rule->kind == RULE_META)
			rule->meta = rules_meta_parse(rd, rule);
		if (rule->kind == RULE_NONE && rule->scored &&
		    !rules_is_fact(rd, rule->name))
			rules_say_dangling(rd, rule->score_file,
			    rule->score_line,
			    "score %s: there is no rule of that name",
			    rule->name);
		if (rule->kind == RULE_NONE && rule->replace)
			rules_say_at(rd, RULES_NOTICE, rule->file, rule->line,
			    "replace_rules: there is no rule %s", rule->name);
	}
}

/* -- the order to run in -- */

enum { NOT_SEEN, UNDER_WAY, DONE };

struct ordering {
	struct reader *rd;
	unsigned char *state;
	size_t depth;
};

#define META_DEPTH_MAX 1000 /* metas of metas */

/* Metas stand behind all that they name. */
static void
place_meta(struct ordering *o, struct rule *rule)
{
	struct rules *r = o->rd->rules;
	const struct rule *dep;

	if (o->state[rule->number] == DONE)
		return;
	if (o->state[rule->number] == UNDER_WAY || o->depth > META_DEPTH_MAX) {
		rules_say_at(o->rd, RULES_ERROR, rule->file, rule->line,
		    "meta %s depends on itself", rule->name);
		rule->meta = NULL;
		return;
	}
	o->state[rule->number] = UNDER_WAY;
	o->depth++;
	for (size_t i = 0; rule->meta != NULL &&
	     (dep = rules_meta_rule(rule->meta, i)) != NULL;
	     i++) {
		if (dep->kind == RULE_META)
			place_meta(o, r->list[dep->number]);
	}
	o->depth--;
	o->state[rule->number] = DONE;
	if (rule->meta != NULL && rules_runs(r, rule))
		r->order[r->order_count++] = rule;
}

static int
by_priority(const void *a, const void *b)
{
	const struct rule *x = *(const struct rule *const *)a;
	const struct rule *y = *(const struct rule *const *)b;

	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	/* What looks at the same text stands together. */
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	if (x->selector != NULL && y->selector != NULL &&
	    x->selector->number != y->selector->number)
		return x->selector->number < y->selector->number ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool
can_hit(const struct rules *r, const struct rule *rule)
{
	if (!rules_runs(r, rule))
		return false;
	switch (rule->kind) {
	case RULE_HEADER:
		return rule->exists || rule->pattern != NULL;
	case RULE_EVAL:
		return rule->eval != NULL;
	case RULE_META:
	case RULE_NONE:
	case RULE_EMPTY:
		return false;
	default:
		return rule->pattern != NULL;
	}
}

static int
sort(struct reader *rd)
{
	struct rules *r = rd->rules;
	struct ordering o = {.rd = rd};

	r->order = calloc(r->count + 1, sizeof(struct rule *));
	r->counts = calloc(r->count + 1, sizeof(*r->counts));
	o.state = calloc(r->count + 1, 1);
	if (r->order == NULL || r->counts == NULL || o.state == NULL) {
		free(o.state);
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (!can_hit(r, r->list[i]))
			continue;
		r->order[r->order_count++] = r->list[i];
		r->wants_body |= r->list[i]->kind == RULE_BODY ||
		    r->list[i]->kind == RULE_RAWBODY ||
		    r->list[i]->kind == RULE_FULL ||
		    r->list[i]->kind == RULE_URI ||
		    r->list[i]->kind == RULE_MIMEHEADER ||
		    (r->list[i]->kind == RULE_EVAL && r->list[i]->eval->body);
		r->wants_nodes |= r->list[i]->kind == RULE_MIMEHEADER;
	}
	qsort(r->order, r->order_count, sizeof(struct rule *), by_priority);
	for (size_t i = 0; i < r->count; i++) {
		if (r->list[i]->kind == RULE_META)
			place_meta(&o, r->list[i]);
	}
	free(o.state);
	return 0;
}

int
rules_finish(struct reader *rd)
{
	rules_list_rules(rd);
	if (rd->rc == 0)
		rd->rc = freemail_finish(rd);
	compile(rd);
	return rd->rc != 0 ? rd->rc : sort(rd);
}
