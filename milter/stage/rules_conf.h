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

/* A limit of the score, from RejectScore and its kin; off: there is none. */
struct rules_limit {
	bool on;
	double score;
};

/* Read the files of RuleFile; *rules_r NULL if RuleFile names none.  0, or a
 * negative ERR_ and the first error in *msg_r. */
int rules_conf_load(
    const struct conf *c, struct rules **rules_r, struct errmsg *msg_r);
/* The same for these files (NULL-ended; none: those of RuleFile).  Mistakes are
 * not reported; the caller gets them by rules_mistake.  0 or a negative ERR_ as
 * of rules_new; *rules_r NULL and 0: RuleFile names none. */
int rules_conf_lint(const struct conf *c, const char *const *paths,
    struct rules **rules_r);
/* Append `file:line: severity: text`, escaped. */
void rules_conf_print(struct buf *b, const struct rules_mistake *m);

/* The file of RuleStats; NULL: none. */
const char *rules_conf_stats(const struct conf *c);
/* For the row of RuleStats. */
int rules_conf_check_stats(const char *value, struct errmsg *msg_r);

/* For the rows of limits: parse a number or `none` into a struct
 * rules_limit. */
int rules_conf_parse_limit(
    const char *value, void *limit_r, struct errmsg *msg_r);

#endif
