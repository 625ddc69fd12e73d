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

struct conf;
struct names;
struct quota;
struct quota_conf;

/* Look at the whole table, unless it was last looked at with the same realms.
 * Not on a thread that serves mail. */
void quota_names_adopt(const struct conf *c, const struct names *n,
    const struct quota_conf *conf, struct quota *table);

#endif
