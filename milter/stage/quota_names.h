/*
 * Accounts of the quota table whose names are others from here on: their locks
 * and counts move where the new name is certain; where it is not, the log names
 * them.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Certain is the name of an account that is not in its form: a login without a
 * realm when there is a QuotaRealm.  Not certain is whose bob@example.org is
 * when QuotaRealm was example.org and is something else: it may have been bob
 * or bob@example.org; so it stays.
 */
#ifndef MILTER_STAGE_QUOTA_NAMES_H
#define MILTER_STAGE_QUOTA_NAMES_H

struct arena;
struct conf;
struct names;
struct quota;
struct quota_conf;

/*
 * What all snapshots of a daemon share.  Sessions that began before a reload
 * keep their configuration, and with it their idea of an account's name: here
 * they learn QuotaRealm as it is in the table, so that what moved holds them
 * too.
 */
struct quota_names;

struct quota_names *quota_names_new(void); /* NULL: no memory */
struct quota_names *quota_names_ref(struct quota_names *q);
void quota_names_unref(struct quota_names *q); /* NULL is fine */

/* Before a snapshot comes into force: look at the whole table, unless this was
 * done already with the same names.  By one thread at a time, and not by one
 * that serves mail. */
void quota_names_adopt(struct quota_names *q, const struct conf *c,
    const struct names *n, const struct quota_conf *conf, struct quota *table);
/* The name in the table of an account that is called so by `conf`, itself
 * mostly; what was counted for it stands there.  It may be another one at the
 * next call.  NULL: no memory. */
const char *quota_names_now(const struct quota_names *q,
    const struct quota_conf *conf, struct quota *table, struct arena *a,
    const char *account);

#endif
