/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_conf.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dnsbl_conf.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "milter/chain.h"
#include "milter/snapshot.h"

#define SCORE_LIMIT 1e6
#define SHOWN_MAX 800 /* octets of the text of a mistake */

/* As buf_escape, but spaces stay. */
static void
add_escaped(struct buf *b, const char *text)
{
	for (size_t n = 0; *text != '\0' && n < SHOWN_MAX; n++, text++) {
		if (*text == ' ' || *text == '=' || *text == '"' ||
		    *text == '\\')
			buf_char(b, *text);
		else
			buf_escape(b, text, 1, 1);
	}
}

void
rules_conf_print(struct buf *b, const struct rules_mistake *m)
{
	add_escaped(b, m->file);
	if (m->line > 0)
		buf_printf(b, ":%u", m->line);
	buf_printf(b, ": %s: ", rules_severity_word(m->severity));
	add_escaped(b, m->text);
}

/* Report all errors in the files as mistakes of RuleFile. */
static int
report_errors(const struct conf *c, const struct rules *rules)
{
	const struct rules_mistake *m;

	for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
		struct buf b = BUF_INIT;
		struct errmsg msg;

		if (m->severity != RULES_ERROR || m->rule != NULL)
			continue;
		rules_conf_print(&b, m);
		errmsg_set(&msg, "%s: RuleFile: %s",
		    conf_multi_where(c, "RuleFile", m->source),
		    buf_text(&b) == NULL ? "no memory" : buf_text(&b));
		if (m->closed != NULL)
			errmsg_of_file(&msg, m->closed, EACCES);
		errlist_add_msg(conf_list(c), &msg);
		buf_fini(&b);
	}
	errlist_more(conf_list(c), rules_errors_more(rules));
	return ERR_CONFIG;
}

/* A list of names; while list is NULL they are only counted. */
struct names {
	const char **list;
	size_t count;
};

static void
add_name(struct names *n, const char *name)
{
	if (n->list != NULL)
		n->list[n->count] = name;
	n->count++;
}

/* The symbols that the stages and the lists of these sections can find. */
static int
fact_names(struct dnsbl_conf *d, struct names *n)
{
	n->count = 0;
	for (size_t i = 0; stages[i] != NULL; i++) {
		const char *const *name = stages[i]->symbols;

		while (name != NULL && *name != NULL)
			add_name(n, *name++);
	}
	for (size_t i = 0; i < DNSBL_ASK_COUNT; i++) {
		const char *any = arena_printf(
		    &d->arena, "%s*", dnsbl_conf_prefix((enum dnsbl_ask)i));

		if (any == NULL)
			return ERR_NOMEM;
		if (d->count == 0)
			add_name(n, any);
		for (size_t j = 0; j < d->count; j++) {
			if (d->sections[j].asks & DNSBL_ASK_BIT(i))
				add_name(n, d->sections[j].symbols[i]);
		}
	}
	return 0;
}

/* Read the files, with the scores and DNS lists of the configuration (NULL:
 * none). */
static int
load_files(
    const struct conf *c, const char *const *paths, struct rules **rules_r)
{
	struct rules_setup setup = {
	    .score_set = c == NULL ? 0 : (int)conf_int(c, "ScoreSet")};
	struct dnsbl_conf lists = {0};
	struct names facts = {0};
	struct errmsg msg;
	int rc;

	/* Mistakes in the sections are reported by the stage dnsbl. */
	if (c == NULL)
		arena_init(&lists.arena);
	else if (dnsbl_conf_init(&lists, c, &msg) != 0)
		lists.count = 0;
	rc = fact_names(&lists, &facts);
	facts.list = calloc(facts.count + 1, sizeof(*facts.list));
	if (facts.list == NULL)
		rc = ERR_NOMEM;
	if (rc == 0)
		rc = fact_names(&lists, &facts);
	setup.facts = facts.list;
	if (rc == 0)
		rc = rules_new(paths, &setup, rules_r);
	free(facts.list);
	dnsbl_conf_fini(&lists);
	return rc;
}

static int
read_files(const struct conf *c, struct rules **rules_r)
{
	const char **paths;
	size_t n = 0;
	int rc;

	*rules_r = NULL;
	while (conf_multi(c, "RuleFile", n) != NULL)
		n++;
	if (n == 0)
		return 0;
	paths = calloc(n + 1, sizeof(*paths));
	if (paths == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < n; i++)
		paths[i] = conf_multi(c, "RuleFile", i);
	rc = load_files(c, paths, rules_r);
	free(paths);
	return rc;
}

int
rules_conf_load(
    const struct conf *c, struct rules **rules_r, struct errmsg *msg_r)
{
	int rc = read_files(c, rules_r);

	(void)msg_r;
	return rc == ERR_CONFIG ? report_errors(c, *rules_r) : rc;
}

int
rules_conf_lint(const struct conf *c, const char *const *paths,
    struct rules **rules_r)
{
	return paths[0] != NULL ? load_files(c, paths, rules_r)
				: read_files(c, rules_r);
}

const char *
rules_conf_stats(const struct conf *c)
{
	return conf_made(c, "RuleStats");
}

int
rules_conf_check_stats(const char *value, struct errmsg *msg_r)
{
	return value[0] != '\0' && strlen(value) <= RULES_STATS_PATH_MAX
	    ? conf_check_path(value, msg_r)
	    : errmsg_set(msg_r, "expected a path of at most %d octets, or none",
		  RULES_STATS_PATH_MAX);
}

int
rules_conf_parse_limit(const char *value, void *limit_r, struct errmsg *msg_r)
{
	struct rules_limit *limit = limit_r;
	char *end;

	limit->on = strcasecmp(value, "none") != 0;
	if (!limit->on)
		return 0;
	limit->score = strtod(value, &end);
	return end != value && *end == '\0' && isfinite(limit->score) &&
		fabs(limit->score) <= SCORE_LIMIT
	    ? 0
	    : errmsg_set(msg_r, "expected a number, or none");
}
