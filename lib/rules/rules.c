/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/rules/rules_address.h"
#include "lib/rules/rules_impl.h"
#include "lib/rules/rules_read.h"

#define HASH_FIRST 1024

/* -- names -- */

/* Files are the admin's own: nobody aims at this hash. */
static size_t
hash(const char *name)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
	return (size_t)h;
}

const struct rule *
rules_find(const struct rules *r, const char *name)
{
	struct rule *rule;

	if (r->hash_size == 0)
		return NULL;
	rule = r->hash[hash(name) % r->hash_size];
	while (rule != NULL && strcmp(rule->name, name) != 0)
		rule = rule->hash_next;
	return rule;
}

/* Room for one more. */
static int
grow(struct rules *r)
{
	size_t size = r->hash_size == 0 ? HASH_FIRST : r->hash_size * 2;
	struct rule **list, **table;

	if (r->count < r->hash_size)
		return 0;
	list = realloc(r->list, size * sizeof(struct rule *));
	if (list == NULL)
		return ERR_NOMEM;
	r->list = list;
	table = calloc(size, sizeof(struct rule *));
	if (table == NULL)
		return ERR_NOMEM;
	free(r->hash);
	r->hash = table;
	r->hash_size = size;
	for (size_t i = 0; i < r->count; i++) {
		struct rule **at = &table[hash(list[i]->name) % size];

		list[i]->hash_next = *at;
		*at = list[i];
	}
	return 0;
}

static struct rule *
new_rule(struct reader *rd, const char *name)
{
	struct rule *rule = arena_alloc(&rd->rules->arena, sizeof(*rule));

	if (rule == NULL)
		return NULL;
	rule->name = rules_keep(rd, name, strlen(name));
	rule->file = rd->file;
	rule->line = rd->line;
	rule->sub = strncmp(name, "__", 2) == 0;
	return rule->name == NULL ? NULL : rule;
}

struct rule *
rules_named(struct reader *rd, const char *name)
{
	struct rules *r = rd->rules;
	struct rule *rule = (struct rule *)rules_find(r, name);
	struct rule **at;

	if (rule != NULL)
		return rule;
	if (r->count == RULES_COUNT_MAX) {
		if (rules_once(rd, "too many rules"))
			rules_say(rd, RULES_ERROR,
			    "more than %d rules; read fewer files",
			    RULES_COUNT_MAX);
		return NULL;
	}
	if (grow(r) != 0 || (rule = new_rule(rd, name)) == NULL) {
		rd->rc = ERR_NOMEM;
		return NULL;
	}
	rule->number = r->count;
	r->list[r->count++] = rule;
	at = &r->hash[hash(name) % r->hash_size];
	rule->hash_next = *at;
	*at = rule;
	return rule;
}

/* Conf/Parser.pm, fix_tests: 1 without a score line, 0.01 for T_ rules. */
double
rules_score(const struct rules *r, const struct rule *rule)
{
	double score = strncmp(rule->name, "T_", 2) == 0 ? 0.01 : 1;

	if (rule->scored)
		return rule->scores[r->score_set];
	return rule->flags & RULE_NICE ? -score : score;
}

bool
rules_runs(const struct rules *r, const struct rule *rule)
{
	return rule->kind != RULE_NONE && rules_score(r, rule) != 0;
}

/* -- what is wrong -- */

static void
add(struct reader *rd, const struct rules_mistake *mistake)
{
	struct rules *r = rd->rules;
	struct rules_mistake *m;
	size_t room = r->mistake_room == 0 ? 16 : r->mistake_room * 2;

	if (r->mistake_count == r->mistake_room) {
		m = realloc(r->mistakes, room * sizeof(*m));
		if (m == NULL) {
			rd->rc = ERR_NOMEM;
			return;
		}
		r->mistakes = m;
		r->mistake_room = room;
	}
	m = &r->mistakes[r->mistake_count++];
	*m = *mistake;
	if (m->text == NULL) {
		m->text = "no memory";
		rd->rc = ERR_NOMEM;
	}
}

static size_t
source_of(const struct reader *rd, const char *file)
{
	const struct source *s = rd->sources;

	while (s != NULL && s->file != file && strcmp(s->file, file) != 0)
		s = s->next;
	return s == NULL ? rd->source : s->index;
}

void
rules_enter(struct reader *rd, const char *path)
{
	struct source *s = arena_alloc(&rd->rules->arena, sizeof(*s));

	rd->file = rules_keep(rd, path, strlen(path));
	if (s == NULL || rd->file == NULL) {
		rd->rc = ERR_NOMEM;
		return;
	}
	*s = (struct source){rd->file, rd->source, rd->sources};
	rd->sources = s;
}

/* What is less than an error leaves room for errors. */
static void
say(struct reader *rd, struct rules_mistake m, const char *fmt, va_list ap)
{
	struct rules *r = rd->rules;
	bool wrong = m.severity == RULES_ERROR;

	r->failed |= wrong && m.rule == NULL;
	r->warnings[m.dangling] += m.severity != RULES_NOTICE;
	if (r->mistake_count >= RULES_MISTAKES_MAX * (wrong ? 2 : 1)) {
		r->mistake_more++;
		r->errors_more += wrong && m.rule == NULL;
		return;
	}
	m.text = arena_vprintf(&r->arena, fmt, ap);
	m.source = m.file == NULL ? rd->source : source_of(rd, m.file);
	add(rd, &m);
}

void
rules_say(struct reader *rd, enum rules_severity severity, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(rd,
	    (struct rules_mistake){
		.severity = severity, .file = rd->file, .line = rd->line},
	    fmt, ap);
	va_end(ap);
}

void
rules_say_at(struct reader *rd, enum rules_severity severity, const char *file,
    unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(rd,
	    (struct rules_mistake){
		.severity = severity, .file = file, .line = line},
	    fmt, ap);
	va_end(ap);
}

static void
say_of(struct reader *rd, struct rules_mistake m, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(rd, m, fmt, ap);
	va_end(ap);
}

void
rules_say_unread(
    struct reader *rd, const char *path, int error, const char *text)
{
	const char *closed = NULL;

	if (error == EACCES)
		closed = arena_strdup(&rd->rules->arena, path);
	say_of(rd,
	    (struct rules_mistake){.severity = RULES_ERROR,
		.file = rd->file,
		.line = rd->line,
		.closed = closed},
	    "%s", text);
}

void
rules_say_lost(struct reader *rd, enum rules_severity severity,
    const struct rule *rule, const char *why)
{
	say_of(rd,
	    (struct rules_mistake){.severity = severity,
		.file = rule->file,
		.line = rule->line,
		.rule = rule->name},
	    "%s: %s; the rule never hits", rule->name, why);
}

void
rules_say_dangling(
    struct reader *rd, const char *file, unsigned line, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(rd,
	    (struct rules_mistake){.severity = RULES_WARNING,
		.file = file,
		.line = line,
		.dangling = true},
	    fmt, ap);
	va_end(ap);
}

bool
rules_is_fact(const struct reader *rd, const char *name)
{
	const char *const *fact = rd->setup->facts;

	for (; fact != NULL && *fact != NULL; fact++) {
		size_t len = strcspn(*fact, "*");

		if (strncmp(*fact, name, len) == 0 &&
		    ((*fact)[len] == '*' || name[len] == '\0'))
			return true;
	}
	return fact == NULL;
}

char *
rules_keep(struct reader *rd, const char *text, size_t len)
{
	char *copy = arena_memdup(&rd->rules->arena, text, len);

	if (copy == NULL)
		rd->rc = ERR_NOMEM;
	return copy;
}

void
rules_word(struct reader *rd, struct words *words, const char *text)
{
	struct word *w = arena_alloc(&rd->rules->arena, sizeof(*w));

	if (w == NULL ||
	    (w->text = rules_keep(rd, text, strlen(text))) == NULL) {
		rd->rc = ERR_NOMEM;
		return;
	}
	if (words->last == NULL)
		words->first = w;
	else
		words->last->next = w;
	words->last = w;
	words->count++;
}

bool
rules_once(struct reader *rd, const char *text)
{
	for (const struct word *w = rd->said.first; w != NULL; w = w->next) {
		if (strcmp(w->text, text) == 0)
			return false;
	}
	rules_word(rd, &rd->said, text);
	return true;
}

/* -- the whole -- */

static int
load(const char *const *paths, const char *text, size_t len,
    const struct rules_setup *setup, struct rules **rules_r)
{
	struct rules *r = calloc(1, sizeof(*r));
	struct reader rd = {.rules = r,
	    .setup = setup,
	    .tag_start = "<",
	    .tag_end = ">",
	    .file = setup->source == NULL ? "rules" : setup->source};

	if (r == NULL)
		return ERR_NOMEM;
	arena_init(&r->arena);
	r->addresses = addresses_new();
	if (r->addresses == NULL || relay_formats_new(&r->formats) != 0) {
		rules_free(r);
		return ERR_NOMEM;
	}
	r->score_set = setup->score_set;
	r->settings.required_score = 5; /* SpamAssassin's */
	for (size_t i = 0; paths != NULL && paths[i] != NULL; i++) {
		rd.source = i;
		rules_read_path(&rd, paths[i]);
	}
	if (paths == NULL)
		rules_read_text(&rd, text, len);
	if (rd.rc == 0)
		rd.rc = rules_finish(&rd);
	if (rd.rc == 0 && r->mistake_more > 0)
		add(&rd,
		    &(struct rules_mistake){.severity = RULES_NOTICE,
			.file = rd.file,
			.text = arena_printf(&r->arena,
			    "there are %zu more, which are not told",
			    r->mistake_more)});
	if (rd.rc != 0) {
		rules_free(r);
		return rd.rc;
	}
	*rules_r = r;
	return r->failed ? ERR_CONFIG : 0;
}

int
rules_new(const char *const *paths, const struct rules_setup *setup,
    struct rules **rules_r)
{
	return load(paths, NULL, 0, setup, rules_r);
}

int
rules_new_text(const char *text, size_t len, const struct rules_setup *setup,
    struct rules **rules_r)
{
	return load(NULL, text, len, setup, rules_r);
}

void
rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		pattern_free(r->list[i]->pattern);
	free(r->list);
	free(r->hash);
	free(r->counts);
	free(r->order);
	free(r->mistakes);
	addresses_free(r->addresses);
	relay_formats_free(r->formats);
	netlist_free(r->trusted);
	netlist_free(r->internal);
	netlist_free(r->msa);
	arena_fini(&r->arena);
	free(r);
}

bool
rules_want_body(const struct rules *r)
{
	return r->wants_body;
}

const struct rules_mistake *
rules_mistake(const struct rules *r, size_t i)
{
	return i < r->mistake_count ? &r->mistakes[i] : NULL;
}

size_t
rules_warnings(const struct rules *r, bool dangling)
{
	return r->warnings[dangling];
}

size_t
rules_errors_more(const struct rules *r)
{
	return r->errors_more;
}

const char *
rules_severity_word(enum rules_severity severity)
{
	static const char *const words[] = {"notice", "warning", "error"};

	return words[severity];
}

const struct rules_settings *
rules_settings(const struct rules *r)
{
	return &r->settings;
}

static uint64_t
tried(const struct rules *r, const struct rule *rule)
{
	const struct rule_count *all = &r->counts[r->count];
	const struct rule_count *own = &r->counts[rule->number];

	/* Nobody counts each of them for each message. */
	return !rules_runs(r, rule)
	    ? 0
	    : atomic_load_explicit(&all->tried, memory_order_relaxed) -
		atomic_load_explicit(&own->skipped, memory_order_relaxed);
}

bool
rules_info(const struct rules *r, size_t i, struct rules_info *info_r)
{
	static const char *const kinds[] = {"none", "header", "body", "rawbody",
	    "full", "uri", "meta", "eval", "mimeheader", "empty"};
	const struct rule *rule;
	struct rule_count *c;

	if (i >= r->count)
		return false;
	rule = r->list[i];
	c = &r->counts[i];
	*info_r = (struct rules_info){.name = rule->name,
	    .kind = kinds[rule->kind],
	    .file = rule->file,
	    .line = rule->line,
	    .score = rules_score(r, rule),
	    .describe = rule->describe,
	    .runs = rules_runs(r, rule),
	    .tried = tried(r, rule),
	    .hits = atomic_load_explicit(&c->hits, memory_order_relaxed),
	    .limited = atomic_load_explicit(&c->limited, memory_order_relaxed),
	    .ns = atomic_load_explicit(&c->ns, memory_order_relaxed),
	    .timed = atomic_load_explicit(&c->timed, memory_order_relaxed)};
	return true;
}

bool
rules_rescore(const struct rules *r, const char *fact, double *score_r)
{
	const struct rule *rule = rules_find(r, fact);

	if (rule == NULL || rule->kind != RULE_NONE || !rule->scored)
		return false;
	*score_r = rule->scores[r->score_set];
	return true;
}
