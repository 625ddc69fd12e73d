/*
 * The table of quotas, as the page reads it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It is opened beside the one that mail counts in, for reading, which takes no
 * lock.
 */
#ifndef MILTER_HTTP_QUOTAS_H
#define MILTER_HTTP_QUOTAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/quota/quota.h"
#include "milter/stage/quota_conf.h"

struct now;

#define QUOTAS_LOCKED 10 /* names of locked accounts that are kept */

struct quotas {
	struct quota *table; /* NULL: there is none */
	struct quota_conf conf;
	bool configured; /* conf is there */
	struct arena arena;
	size_t accounts;     /* in the table */
	size_t near;         /* of them at 80 % of a limit, or more */
	size_t locked_count;
	const char *locked[QUOTAS_LOCKED];
	bool whole[QUOTAS_LOCKED]; /* that name is not cut off */
};

/* The nearest limit of an account. */
struct quotas_near {
	bool known, locked, limited;
	const char *kind;
	uint32_t window_s;
	uint64_t used, limit;
};

/* Open it, and look at all accounts; call quotas_close in any case. */
void quotas_open(struct quotas *q, const struct now *n);
void quotas_close(struct quotas *q);
/* The nearest limit of an account.  False: the table does not have it. */
bool quotas_near(
    const struct quotas *q, const char *account, struct quotas_near *near_r);

#endif
