/*
 * A record as the JSON object that posternctl check prints.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_FACTS_H
#define MILTER_CTL_FACTS_H

#include <jansson.h>

struct record;

/* file: the value of the key `file`.  The caller's; NULL: no memory. */
json_t *facts_record(const char *file, const struct record *r);

#endif
