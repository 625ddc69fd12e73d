/*
 * The rule files that the configuration names.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_RULES_CONF_H
#define MILTER_STAGE_RULES_CONF_H

#include <stdbool.h>

struct buf;
struct conf;
struct errmsg;
struct rules;
struct rules_mistake;

/* Where a mail with that score or more goes; off: nowhere. */
struct rules_limit {
	bool on;
	double score;
};

/* Read the files of RuleFile; *rules_r NULL when there is none.  0, or a
 * negative ERR_ and the first error in *msg_r. */
int rules_conf_load(
    const struct conf *c, struct rules **rules_r, struct errmsg *msg_r);
/* The same of these files (NULL-ended), or of those of RuleFile when there is
 * none, and with every mistake left to be asked for.  Otherwise as rules_new;
 * *rules_r NULL and 0: RuleFile names none. */
int rules_conf_lint(const struct conf *c, const char *const *paths,
    struct rules **rules_r);
/* `file:line: severity: text`, safe to print. */
void rules_conf_say(struct buf *b, const struct rules_mistake *m);

/* The file of RuleStats; NULL: none. */
const char *rules_conf_stats(const struct conf *c);
/* For its row. */
int rules_conf_check_stats(const char *value, struct errmsg *msg_r);

/* For the rows of thresholds, a number or `none`: a struct rules_limit. */
int rules_conf_parse_limit(
    const char *value, void *limit_r, struct errmsg *msg_r);

#endif
