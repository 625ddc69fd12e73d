/*
 * The configuration of quotas, for the stage that enforces them and for
 * posternctl, which shows them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_QUOTA_CONF_H
#define MILTER_STAGE_QUOTA_CONF_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/quota/quota.h"
#include "milter/verdict.h"

struct buf;
struct dataset;
struct errmsg;
struct limits;
struct names_set;

/* What is done with mail over a limit. */
struct quota_action {
	enum verdict_action action; /* REJECT, TEMPFAIL, DISCARD, QUARANTINE */
	int code;                   /* of the reply, for REJECT and TEMPFAIL;
	    otherwise 0 */
};

struct quota_conf {
	struct limits *limits; /* of all Quota sections */
	struct limits *totals; /* of all QuotaTotal sections, by the names of
	    sums */
	unsigned most;          /* the most limits that any account has; 0:
	    there are none */
	struct arena arena;
	const char *realm;      /* QuotaRealm in its one form; NULL: none */
	struct dataset *exempt_set; /* QuotaExempt; NULL: unset */
	struct names_set *exempt; /* its names in their one form */
	const char *path;       /* QuotaTable */
	long accounts;          /* QuotaAccounts */
	struct quota_action action; /* QuotaAction */
	bool full_accepts;      /* QuotaFull */
	const char *reply;      /* QuotaReply, QuotaLockedReply; NULL: unset */
	const char *locked_reply;
};

/* The stage's keywords. */
extern const struct conf_table quota_conf_options;

/* Decode c, which must outlive the result.  0, or a negative ERR_ and *msg_r.
 * Call quota_conf_fini in either case. */
int quota_conf_init(
    struct quota_conf *q, const struct conf *c, struct errmsg *msg_r);
void quota_conf_fini(struct quota_conf *q);

/* The account that a person names, in its one form (lib/quota/account.h), in
 * the arena.  NULL: no memory. */
const char *quota_conf_account(
    const struct conf *c, struct arena *a, const char *name);
/* Does any account or sum have a limit? */
bool quota_conf_counts(const struct quota_conf *q);
/* Set *set to the limits of an account, without its sums, or those of a sum;
 * none if the account is exempt. */
void quota_conf_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r);
/* Does the conf have a QuotaTotal section for that sum? */
bool quota_conf_has_total(const struct conf *c, const char *sum);
/* Add the sums in which the account's mail counts to the set.  Their limits are
 * put into room, which must last as long as the set and the account's name. */
void quota_conf_sums(const struct quota_conf *q, const char *account,
    struct quota_set *set, struct quota_set room[QUOTA_SUMS_MAX]);
/* Set *set to the limits of the account's pool, for when that is charged with
 * the account's mail. */
void quota_conf_pool_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r);
/*
 * What is done with the account's mail over a limit: what the most specific
 * section with Action says, or else QuotaAction.  The exception is mail from
 * this machine without a login (local), and that of the null sender's account,
 * where a refusal would not reach a person: it is held, unless a section for
 * the account, or for accounts whose names begin as its name does, has Action.
 */
struct quota_action quota_conf_action(const struct quota_conf *q,
    const char *account, bool local);

#endif
