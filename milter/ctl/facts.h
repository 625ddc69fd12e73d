/*
 * A record as a JSON object, as posternctl check prints it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_FACTS_H
#define MILTER_CTL_FACTS_H

#include <jansson.h>

struct record;

/* file: what `file` is.  NULL: no memory. */
json_t *facts_record(const char *file, const struct record *r);

#endif
