/*
 * The rules in force, for others.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_RULES_H
#define MILTER_STAGE_RULES_H

#include <stdbool.h>

struct rules;
struct snapshot;

/* Those in force; NULL: none. */
const struct rules *rules_in_force(const struct snapshot *snap);
/* Write down what was counted since the last time.  Nothing that mail depends
 * on: if that fails, the log is told once.  False: nothing is counted. */
bool rules_write_counts(const struct snapshot *snap);

#endif
