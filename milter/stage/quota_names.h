/*
 * Accounts of the quota table that a new QuotaRealm renames.  Their locks and
 * counts move if the new name is certain; otherwise the log names them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The new name is certain for an account that is not in its one form: a login
 * without a realm when there is a QuotaRealm.  It is not certain for
 * bob@example.org when QuotaRealm was example.org and is changed: mail of bob
 * and of bob@example.org was counted there, so it stays.
 */
#ifndef MILTER_STAGE_QUOTA_NAMES_H
#define MILTER_STAGE_QUOTA_NAMES_H

struct arena;
struct conf;
struct names;
struct quota;
struct quota_conf;

/*
 * What all snapshots of a daemon share: QuotaRealm as the table has it.
 * Sessions that began before a reload keep their old configuration, but take
 * the realm from here, so that they count under the new names too.
 */
struct quota_names;

struct quota_names *quota_names_new(void); /* NULL: no memory */
struct quota_names *quota_names_ref(struct quota_names *q);
void quota_names_unref(struct quota_names *q); /* NULL is fine */

/* Before a snapshot comes into force: move the accounts of the whole table,
 * unless that was done already with the same names.  Only one thread at a time
 * may call it, and no mail thread. */
void quota_names_adopt(struct quota_names *q, const struct conf *c,
    const struct names *n, const struct quota_conf *conf, struct quota *table);
/* The name in the table for an account that `conf` calls `account`; mostly the
 * same.  It may be another one at the next call.  NULL: no memory. */
const char *quota_names_now(const struct quota_names *q,
    const struct quota_conf *conf, struct quota *table, struct arena *a,
    const char *account);

#endif
