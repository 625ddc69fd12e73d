/*
 * A record as the JSON objects that posternctl prints.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_FACTS_H
#define MILTER_CTL_FACTS_H

#include <jansson.h>

struct record;

/* The object of `check`.  file: the value of the key `file`.  The caller's; NULL: no memory. */
json_t *facts_record(const char *file, const struct record *r);
/* The object of `why` and `journal`: that of check without long values of
 * edits, and who, what and how long.  As above. */
json_t *facts_decision(const struct record *r);

#endif
