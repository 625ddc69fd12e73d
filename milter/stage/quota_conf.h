/*
 * What the configuration says about quotas, for the stage that holds accounts
 * to them and for posternctl, which shows them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_QUOTA_CONF_H
#define MILTER_STAGE_QUOTA_CONF_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "milter/verdict.h"

struct buf;
struct dataset;
struct errmsg;
struct limits;
struct names_set;
struct quota_set;

/* What is done to mail over a limit. */
struct quota_action {
	enum verdict_action action; /* REJECT, TEMPFAIL, DISCARD, QUARANTINE */
	int code;                   /* of the reply, for the first two */
};

struct quota_conf {
	struct limits *limits; /* of all Quota sections */
	unsigned most;          /* that any account has; 0: none are set */
	struct arena arena;
	const char *realm;      /* QuotaRealm in its form; NULL: none */
	struct dataset *exempt_set; /* QuotaExempt; NULL: unset */
	struct names_set *exempt; /* its names in their form */
	const char *path;       /* QuotaTable */
	long accounts;          /* QuotaAccounts */
	struct quota_action action; /* QuotaAction */
	bool full_accepts;      /* QuotaFull */
	const char *reply;      /* QuotaReply, QuotaLockedReply; NULL: unset */
	const char *locked_reply;
};

/* The keywords: the stage's rows. */
extern const struct conf_table quota_conf_options;

/* Decode what was read; the conf must outlive the result.  0, or a negative
 * ERR_ and *msg_r.  Call quota_conf_fini in either case. */
int quota_conf_init(
    struct quota_conf *q, const struct conf *c, struct errmsg *msg_r);
void quota_conf_fini(struct quota_conf *q);

/* The account that a person means, in its one form (lib/quota/account.h).
 * NULL: no memory. */
const char *quota_conf_account(
    const struct conf *c, struct arena *a, const char *name);
/* The limits of an account; none when it is exempt. */
void quota_conf_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r);
/* What its pool is held to when that is charged with mail of the account. */
void quota_conf_pool_set(const struct quota_conf *q, const char *account,
    struct quota_set *set_r);
/*
 * What is done to its mail over a limit: as the most specific section says that
 * has Action, or else as QuotaAction does.  local: it comes from this machine
 * without a login, where nobody would understand a refusal; then, and always
 * for the null sender's account, it is held, unless a section says otherwise
 * that goes by how the account's name begins.
 */
struct quota_action quota_conf_action(const struct quota_conf *q,
    const char *account, bool local);

#endif
