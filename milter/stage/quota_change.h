/*
 * Changes to accounts that a person asks for, at the shell or in the page: the
 * same ones, with the same words in the log.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_QUOTA_CHANGE_H
#define MILTER_STAGE_QUOTA_CHANGE_H

#include <stdbool.h>

struct buf;
struct conf;
struct quota;

enum quota_change {
	QUOTA_CHANGE_RESET,
	QUOTA_CHANGE_LOCK,
	QUOTA_CHANGE_UNLOCK,
};

/* May it be made of that account (in its one form)?  A domain can be locked only
 * where a QuotaTotal section is of it. */
bool quota_change_fits(
    const struct conf *c, const char *account, enum quota_change what);
/* Make it; account NULL: reset all.  As quota_reset, quota_reset_all and
 * quota_lock. */
int quota_change(
    struct quota *table, const char *account, enum quota_change what);
/* Append the line for the log up to "by ", behind which stands who made it. */
void quota_change_line(
    struct buf *b, const char *account, enum quota_change what);

#endif
