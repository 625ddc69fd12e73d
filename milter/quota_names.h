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
#ifndef MILTER_QUOTA_NAMES_H
#define MILTER_QUOTA_NAMES_H

struct arena;
struct conf;
struct names;
struct quota;
struct quota_conf;

/* Look at the whole table, unless it was last looked at with the same realms.
 * Not on a thread that serves mail. */
void quota_names_adopt(const struct conf *c, const struct names *n,
    const struct quota_conf *conf, struct quota *table);

/*
 * Sessions that began before a reload keep their configuration, and with it
 * their idea of an account's name.  What all snapshots of a daemon share tells
 * them QuotaRealm as it is in the table, so that what moved still holds them.
 */
struct quota_realm;

struct quota_realm *quota_realm_new(void); /* NULL: no memory */
struct quota_realm *quota_realm_ref(struct quota_realm *r);
void quota_realm_unref(struct quota_realm *r); /* NULL is fine */
/* By one thread at a time.  0 or ERR_NOMEM. */
int quota_realm_set(struct quota_realm *r, const char *realm);
/* The name in the table of an account that is called so with `realm` (NULL:
 * none); itself mostly.  NULL: no memory. */
const char *quota_realm_name(const struct quota_realm *r, struct arena *a,
    const char *account, const char *realm);

#endif
