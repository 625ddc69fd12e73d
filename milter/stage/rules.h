/*
 * The rules in force, for others.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_RULES_H
#define MILTER_STAGE_RULES_H

#include <stdbool.h>

struct rules;
struct snapshot;

/* The rules of a snapshot; NULL: there are none. */
const struct rules *rules_in_force(const struct snapshot *snap);
/* Write what was counted since the last call to the file of RuleStats.  Mail
 * does not depend on it: an error is only logged, once.  False: nothing is
 * counted. */
bool rules_write_counts(const struct snapshot *snap);

#endif
