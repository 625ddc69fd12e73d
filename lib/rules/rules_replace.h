/*
 * replace_tag and its kin (Mail::SpamAssassin::Plugin::ReplaceTags).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_REPLACE_H
#define LIB_RULES_RULES_REPLACE_H

#include <stdbool.h>

struct pattern_source;
struct reader;

/* Put what the tags stand for into a pattern; false: no memory. */
bool rules_replace(struct reader *rd, struct pattern_source *source);

#endif
