/*
 * posternctl rules: what is wrong with rule files; what each rule costs, and
 * how often it hit.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <getopt.h>
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
#include "milter/stage/rules_conf.h"
#include "posternctl.h"

static const struct option long_options[] = {
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
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
	rules_conf_say(&b, m);
	puts(buf_text(&b) == NULL ? "no memory" : buf_text(&b));
	buf_fini(&b);
}

/* What was found, and what that comes to; the rules are given away. */
static int
print_mistakes(struct rules *rules, bool json)
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
	rules_free(rules);
	if (!wrong)
		return EX_OK;
	return closed ? EX_NOPERM : EX_CONFIG;
}

static int
no_memory(void)
{
	fprintf(stderr, "posternctl: %s\n", err_text(ERR_NOMEM));
	return EX_OSERR;
}

static int
no_rules(void)
{
	fprintf(stderr, "posternctl: RuleFile names no rules\n");
	return EX_CONFIG;
}

/* What is wrong with the configuration is another matter here: what lists may
 * find is not known then. */
static int
lint_files(char *const *paths, bool json, const char *config)
{
	struct rules *rules = NULL;
	struct conf *conf = NULL;
	struct errmsg msg;
	int rc;

	if (conf_read(posternctl_config(config), snapshot_tables(), &conf,
		&msg) != 0)
		conf = NULL;
	rc = rules_conf_lint(conf, (const char *const *)paths, &rules);
	conf_free(conf);
	return rc == ERR_NOMEM ? no_memory() : print_mistakes(rules, json);
}

/* The files of the configuration, as far as this can be read. */
static int
lint_configured(bool json, const char *config)
{
	static const char *const none[] = {NULL};
	struct rules *rules = NULL;
	struct conf *conf;
	int rc = posternctl_conf(config, &conf), found = EX_OK;

	if (rc != ERR_NOMEM && rules_conf_lint(conf, none, &rules) == ERR_NOMEM)
		rc = ERR_NOMEM;
	rc = posternctl_conf_end(conf, rc);
	conf_free(conf);
	if (rules != NULL)
		found = print_mistakes(rules, json);
	else if (rc == EX_OK)
		found = no_rules();
	return rc == EX_OK ? found : rc;
}

static int
lint(char *const *paths, bool json, const char *config)
{
	return paths[0] == NULL ? lint_configured(json, config)
				: lint_files(paths, json, config);
}

/* -- list -- */

static double
ratio(uint64_t part, uint64_t whole)
{
	return whole == 0 ? 0 : (double)part / (double)whole;
}

/* Of live mail only some tries are timed. */
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

/* Counts come from a file too, where any number may stand. */
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

/* What the daemon put down; *list_r NULL: nothing, and it was said why. */
static int
live(const struct conf *c, const struct rules *rules,
    struct rules_stats_count **list_r)
{
	const char *path = rules_conf_stats(c);
	struct errmsg why, say;
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
	errmsg_wrap(&say, &why, "RuleStats: ");
	if (posternctl_mistake(&say) == EX_NOPERM)
		return EX_NOPERM;
	return rc == ERR_NOTFOUND ? EX_OK : EX_NOINPUT;
}

/* Names that were only scored or named are no rules.  counts: of live mail,
 * in place of those of the messages that went through here; may be NULL. */
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

/* The rules, and what the daemon counted. */
static int
list_live(bool json, const char *config)
{
	struct rules_stats_count *counts = NULL;
	struct rules *rules = NULL;
	struct errmsg msg = {.text = ""};
	struct conf *conf;
	int rc = posternctl_conf(config, &conf);

	if (rc != ERR_NOMEM)
		rc = conf_also(
		    conf, rc, rules_conf_load(conf, &rules, &msg), &msg);
	rc = posternctl_conf_end(conf, rc);
	if (rc == EX_OK && rules == NULL)
		rc = no_rules();
	if (rc == EX_OK) {
		rc = live(conf, rules, &counts);
		print_rules(rules, counts, counts != NULL, json);
	}
	free(counts);
	rules_free(rules);
	conf_free(conf);
	return rc;
}

/* The same of messages, which go through the chain as mail that comes in. */
static int
list_tried(char *const *paths, bool json, const char *config)
{
	struct snapshot *snap;
	int rc = posternctl_load(config, true, &snap);

	if (rc != EX_OK)
		return rc;
	if (rules_conf_of(snap) == NULL) {
		rc = no_rules();
	} else {
		rc = posternctl_walk(snap, paths);
		print_rules(rules_conf_of(snap), NULL, true, json);
	}
	snapshot_unref(snap);
	return rc;
}

static int
list(char *const *paths, bool json, const char *config)
{
	return paths[0] == NULL ? list_live(json, config)
				: list_tried(paths, json, config);
}

static int
run(int argc, char **argv, const char *config)
{
	bool json = false;
	int opt;

	while (
	    (opt = getopt_long(argc, argv, "x:", long_options, NULL)) != -1) {
		if (opt == 'x')
			config = optarg;
		else if (opt == 'j')
			json = true;
		else
			return posternctl_usage(&command_rules);
	}
	if (optind < argc && strcmp(argv[optind], "lint") == 0)
		return lint(argv + optind + 1, json, config);
	if (optind < argc && strcmp(argv[optind], "list") == 0)
		return list(argv + optind + 1, json, config);
	if (optind < argc)
		return posternctl_misused(
		    &command_rules, argv[optind], "expected lint or list");
	return posternctl_usage(&command_rules);
}

const struct command command_rules = {
    .name = "rules",
    .args = "lint|list [options] [FILE|DIR ...]",
    .summary = "what is wrong with rule files; how often each rule hits",
    .run = run,
    .help =
	"  lint [FILE|DIR ...]  every mistake in rule files, or in those of\n"
	"                     the configuration\n"
	"  list [FILE|DIR ...]  the rules in force; how often each hit, and the\n"
	"                     time it took: the mail that the daemon saw, or\n"
	"                     the messages in these files\n"
	"  -x FILE            the configuration\n"
	"  --json             one object a line\n",
};
