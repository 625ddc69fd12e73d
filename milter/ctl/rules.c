/*
 * posternctl rules: prints mistakes in rule files; and how often each rule hit,
 * and what it costs.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "milter/snapshot.h"
#include "milter/stage/rules.h"
#include "milter/stage/rules_conf.h"
#include "posternctl.h"

/* What verb->load made. */
struct own {
	struct rules *rules; /* NULL: there are none */
	int rc;              /* lint: the exit code for the rest of the
	    configuration */
};

/* -- lint -- */

static void
print_mistake(const struct rules_mistake *m, bool json)
{
	struct buf b = BUF_INIT;

	if (json) {
		json_t *j = json_pack("{s:o,s:i,s:s,s:o}", "file",
		    posternctl_string(m->file), "line", (int)m->line,
		    "severity", rules_severity_word(m->severity), "text",
		    posternctl_string(m->text));

		posternctl_print(j);
		json_decref(j);
		return;
	}
	rules_conf_print(&b, m);
	puts(buf_text(&b) == NULL ? "no memory" : buf_text(&b));
	buf_fini(&b);
}

/* Print all mistakes; returns the exit code for them. */
static int
print_mistakes(const struct rules *rules, bool json)
{
	const struct rules_mistake *m;
	bool wrong = false, closed = true;

	for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
		print_mistake(m, json);
		if (m->severity != RULES_ERROR)
			continue;
		wrong = true;
		closed &= m->line == 0 && m->closed != NULL && geteuid() != 0;
	}
	if (!wrong)
		return EX_OK;
	return closed ? EX_NOPERM : EX_CONFIG;
}

static int
no_rules(void)
{
	fprintf(stderr, "posternctl: RuleFile names no rules\n");
	return EX_CONFIG;
}

static int
lint_them(struct call *c, struct errmsg *msg_r)
{
	struct own *own = c->own;

	(void)msg_r;
	return rules_conf_lint(c->conf, (const char *const *)c->args,
		   &own->rules) == ERR_NOMEM
	    ? ERR_NOMEM
	    : 0;
}

/* Load the files that are named, or those of the configuration as far as it can
 * be read.  If files are named, mistakes in the configuration are not printed;
 * then the symbols of its DNS lists may be unknown. */
static int
load_lint(struct call *c)
{
	struct own *own = c->own;
	struct errmsg msg;

	if (c->count == 0) {
		own->rc = posternctl_conf_also(c, lint_them);
		return EX_OK;
	}
	if (conf_read(
		posternctl_config(c), snapshot_tables(), &c->conf, &msg) != 0)
		c->conf = NULL;
	return lint_them(c, &msg) == 0 ? EX_OK : posternctl_no_memory();
}

static int
lint(struct call *c)
{
	const struct own *own = c->own;
	int found = EX_OK;

	if (own->rules != NULL)
		found = print_mistakes(own->rules, c->json);
	else if (own->rc == EX_OK)
		found = no_rules();
	return own->rc == EX_OK ? found : own->rc;
}

/* -- list -- */

static double
ratio(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part / (double)whole;
}

/* All time of a rule, in nanoseconds: of live mail only some calls are timed,
 * so it is scaled up. */
static double
whole_ns(const struct rules_info *i)
{
	return ratio(i->ns, i->timed) * (double)i->tried;
}

static int
by_cost(const void *a, const void *b)
{
	const struct rules_info *x = a, *y = b;

	double x_ns = whole_ns(x), y_ns = whole_ns(y);

	if (x_ns != y_ns)
		return x_ns > y_ns ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* A count for JSON; from a file it may be any number. */
static json_int_t
number(uint64_t n)
{
	return n > INT64_MAX ? INT64_MAX : (json_int_t)n;
}

static void
print_rule(const struct rules_info *i, bool json)
{
	double us = ratio(i->ns, i->timed) / 1e3;
	double per_mille = ratio(i->hits, i->tried) * 1e3;
	json_t *j;

	if (!json) {
		printf("%-32s %-7s %7.3f %8llu %8llu %8.2f %9.2f %6llu  "
		       "%s:%u\n",
		    i->name, i->runs ? i->kind : "off", i->score,
		    (unsigned long long)i->tried, (unsigned long long)i->hits,
		    per_mille, us, (unsigned long long)i->limited, i->file,
		    i->line);
		return;
	}
	j = json_pack("{s:s,s:s,s:b,s:f,s:I,s:I,s:f,s:I,s:f,s:o,s:i,s:o}",
	    "name", i->name, "kind", i->kind, "runs", i->runs, "score",
	    i->score, "tried", number(i->tried), "hits", number(i->hits),
	    "per_mille", per_mille, "limited", number(i->limited), "us", us,
	    "file", posternctl_string(i->file), "line", (int)i->line,
	    "describe", posternctl_string(i->describe));
	posternctl_print(j);
	json_decref(j);
}

/* Read the counts of the daemon; *list_r NULL: there are none, and the reason
 * was printed. */
static int
live(const struct conf *c, const struct rules *rules,
    struct rules_stats_count **list_r)
{
	const char *path = rules_conf_stats(c);
	struct errmsg why, msg;
	int rc;

	*list_r = NULL;
	if (path == NULL) {
		fprintf(stderr, "posternctl: RuleStats none: nothing is "
				"counted; name messages to try the rules on\n");
		return EX_OK;
	}
	rc = rules_stats_read(path, rules, list_r, &why);
	if (rc == 0)
		return EX_OK;
	*list_r = NULL;
	errmsg_wrap(&msg, &why, "RuleStats: ");
	if (posternctl_mistake(&msg) == EX_NOPERM)
		return EX_NOPERM;
	return rc == ERR_NOTFOUND ? EX_OK : EX_NOINPUT;
}

/* Gather the rules, without names that were only scored or described.  counts:
 * those of live mail, in place of those of the messages walked here; may be
 * NULL. */
static struct rules_info *
gather(const struct rules *rules, const struct rules_stats_count *counts,
    size_t *count_r)
{
	struct rules_info info, *list;
	size_t n = 0;

	while (rules_info(rules, n, &info))
		n++;
	list = calloc(n + 1, sizeof(*list));
	*count_r = 0;
	for (size_t i = 0; list != NULL && i < n; i++) {
		if (!rules_info(rules, i, &info) ||
		    strcmp(info.kind, "none") == 0)
			continue;
		if (counts != NULL) {
			info.tried = counts[i].tried;
			info.hits = counts[i].hits;
			info.limited = counts[i].limited;
			info.ns = counts[i].ns;
			info.timed = counts[i].timed;
		}
		list[(*count_r)++] = info;
	}
	return list;
}

static void
print_rules(const struct rules *rules, const struct rules_stats_count *counts,
    bool sorted, bool json)
{
	size_t count;
	struct rules_info *all = gather(rules, counts, &count);

	if (sorted && all != NULL)
		qsort(all, count, sizeof(*all), by_cost);
	if (!json)
		printf("%-32s %-7s %7s %8s %8s %8s %9s %6s  %s\n", "rule",
		    "kind", "score", "tried", "hits", "in 1000", "us each",
		    "limit", "where");
	for (size_t i = 0; all != NULL && i < count; i++)
		print_rule(&all[i], json);
	free(all);
}

static int
load_rules(struct call *c, struct errmsg *msg_r)
{
	struct own *own = c->own;

	return rules_conf_load(c->conf, &own->rules, msg_r);
}

static int
load_list(struct call *c)
{
	return c->count == 0 ? posternctl_conf_also(c, load_rules)
			     : posternctl_inbound(c);
}

/* List the rules with the counts of the daemon. */
static int
list_live(const struct call *c, const struct rules *rules)
{
	struct rules_stats_count *counts = NULL;
	int rc = live(c->conf, rules, &counts);

	print_rules(rules, counts, counts != NULL, c->json);
	free(counts);
	return rc;
}

/* The same with the counts of messages, which are walked through the chain as
 * inbound mail. */
static int
list_tried(const struct call *c, const struct rules *rules)
{
	int rc = posternctl_walk(c->snap, c->args);

	print_rules(rules, NULL, true, c->json);
	return rc;
}

static int
list(struct call *c)
{
	const struct own *own = c->own;
	const struct rules *rules =
	    c->snap == NULL ? own->rules : rules_in_force(c->snap);

	if (rules == NULL)
		return no_rules();
	return c->snap == NULL ? list_live(c, rules) : list_tried(c, rules);
}

static void
close_rules(struct call *c)
{
	struct own *own = c->own;

	rules_free(own->rules);
}

static const struct verb verbs[] = {
    {.name = "lint",
	.args = "[FILE|DIR ...]",
	.max = -1,
	.help = "every mistake in rule files, or in those of\n"
		"the configuration",
	.load = load_lint,
	.run = lint},
    {.name = "list",
	.args = "[FILE|DIR ...]",
	.max = -1,
	.help = "the rules in force; how often each hit, and the\n"
		"time it took: the mail that the daemon saw, or\n"
		"the messages in these files",
	.load = load_list,
	.run = list},
    {0},
};

const struct command command_rules = {
    .name = "rules",
    .args = "[FILE|DIR ...]",
    .summary = "what is wrong with rule files; how often each rule hits",
    .size = sizeof(struct own),
    .close = close_rules,
    .verbs = verbs,
};
