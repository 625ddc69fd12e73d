/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_conf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/conf/conf.h"
#include "lib/err.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "snapshot.h"

#define SCORE_LIMIT 1e6
#define SHOWN_MAX 800 /* octets of a mistake in a line */

/* As buf_escape, but words keep the spaces between them. */
static void
say_words(struct buf *b, const char *text)
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
rules_conf_say(struct buf *b, const struct rules_mistake *m)
{
	say_words(b, m->file);
	if (m->line > 0)
		buf_printf(b, ":%u", m->line);
	buf_printf(b, ": %s: ", rules_severity_word(m->severity));
	say_words(b, m->text);
}

/* All errors are mistakes of the keyword. */
static int
refuse(const struct conf *c, const struct rules *rules)
{
	const struct rules_mistake *m;

	for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
		struct buf b = BUF_INIT;

		if (m->severity == RULES_ERROR) {
			rules_conf_say(&b, m);
			conf_mistake(c, "%s: RuleFile: %s",
			    conf_where(c, "RuleFile"),
			    buf_text(&b) == NULL ? "no memory" : buf_text(&b));
		}
		buf_fini(&b);
	}
	return ERR_CONFIG;
}

static int
read_files(const struct conf *c, struct rules **rules_r)
{
	const struct rules_setup setup = {
	    .score_set = (int)conf_int(c, "ScoreSet")};
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
	rc = rules_load(paths, &setup, rules_r);
	free(paths);
	return rc;
}

int
rules_conf_load(
    const struct conf *c, struct rules **rules_r, struct errmsg *msg_r)
{
	int rc = read_files(c, rules_r);

	(void)msg_r;
	return rc == ERR_CONFIG ? refuse(c, *rules_r) : rc;
}

int
rules_conf_lint(const char *path, struct rules **rules_r)
{
	struct conf *conf;
	struct errmsg msg;
	int rc = conf_read(path, snapshot_tables(), &conf, &msg);

	*rules_r = NULL;
	if (rc != 0) {
		fprintf(stderr, "%s\n", msg.text);
		return rc;
	}
	rc = read_files(conf, rules_r);
	if (*rules_r == NULL && rc == 0) {
		fprintf(stderr, "RuleFile names no rules\n");
		rc = ERR_CONFIG;
	}
	conf_free(conf);
	return rc;
}

const char *
rules_conf_stats(const struct conf *c)
{
	const char *path = conf_str(c, "RuleStats");

	return path == NULL || strcasecmp(path, "none") == 0 ? NULL : path;
}

int
rules_conf_check_stats(const char *value, struct errmsg *msg_r)
{
	return value[0] != '\0' && strlen(value) <= RULES_STATS_PATH_MAX
	    ? 0
	    : errmsg_set(msg_r, "expected a path of at most %d octets, or none",
		  RULES_STATS_PATH_MAX);
}

static bool
parse(const char *value, struct rules_limit *limit_r)
{
	char *end;

	limit_r->on = strcasecmp(value, "none") != 0;
	limit_r->score = limit_r->on ? strtod(value, &end) : 0;
	return !limit_r->on ||
	    (end != value && *end == '\0' && isfinite(limit_r->score) &&
		fabs(limit_r->score) <= SCORE_LIMIT);
}

int
rules_conf_check(const char *value, struct errmsg *msg_r)
{
	struct rules_limit limit;

	return parse(value, &limit)
	    ? 0
	    : errmsg_set(msg_r, "expected a number, or none");
}

void
rules_conf_limit(
    const struct conf *c, const char *keyword, struct rules_limit *limit_r)
{
	const char *value = conf_str(c, keyword);

	*limit_r = (struct rules_limit){0};
	if (value != NULL)
		parse(value, limit_r);
}
