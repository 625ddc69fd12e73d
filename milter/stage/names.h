/*
 * Accounts' names as the configuration has them: QuotaRealm, QuotaRealms, the
 * titles of Quota and the entries of QuotaExempt.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The form itself is lib/quota/account.h's.
 */
#ifndef MILTER_STAGE_NAMES_H
#define MILTER_STAGE_NAMES_H

#include <stdbool.h>

#include "lib/base/arena.h"

struct conf;
struct dataset;
struct errmsg;
struct snapshot;

struct names {
	struct arena arena;
	const char *realm;      /* QuotaRealm in its one form; NULL: none */
	struct dataset *realms; /* QuotaRealms; NULL: unset, every realm
	    exists */
};

/* Load QuotaRealm and QuotaRealms only.  0, or a negative ERR_ and *msg_r.
 * Call names_fini in either case. */
int names_realms(struct names *n, const struct conf *c, struct errmsg *msg_r);
/* Load them, and check the names in QuotaRealms, QuotaExempt and the titles of
 * Quota: one that can never match is a mistake, one that probably never matches
 * gets a warning.  The conf must outlive the result.  0, or a negative ERR_ and
 * *msg_r.  Call names_fini in either case. */
int names_init(struct names *n, const struct conf *c, struct errmsg *msg_r);
void names_fini(struct names *n);
/* The names of a snapshot; NULL: there are none. */
const struct names *names_of(const struct snapshot *snap);

/* QuotaRealm of a conf in its one form, in the arena.  0 (*realm_r NULL: there
 * is none) or ERR_NOMEM. */
int names_realm_of(
    const struct conf *c, struct arena *a, const char **realm_r);
/* For the row of QuotaRealm: is the value a domain?  0, or ERR_CONFIG and
 * *msg_r. */
int names_check_realm(const char *value, struct errmsg *msg_r);

/* Does the realm, in its one form, exist?  1 or 0, or a negative ERR_ when the
 * set can't be read.  realm "": the login has none, which is always allowed. */
int names_realm_exists(const struct names *n, const char *realm);
/* The account of a login, in the arena: ACCOUNT_OTHER_REALMS where its realm
 * does not exist.  0 or a negative ERR_. */
int names_login(const struct names *n, struct arena *a, const char *login,
    const char **account_r);
/* A title of Quota in its one form, in the arena: default, @domain or an
 * account.  NULL: no memory. */
const char *names_title(
    struct arena *a, const char *title, const char *realm);

/* A data set of accounts and @domains, whose entries may be written in any
 * form. */
struct names_set;

/* The set and the realm must outlive it.  0 or ERR_NOMEM. */
int names_set_new(const struct dataset *set, const char *realm,
    struct names_set **set_r);
void names_set_free(struct names_set *s);
/* Is the account, or its domain, in the set, which may be NULL?  A login of an
 * unknown realm never is. */
bool names_set_has(const struct names_set *s, const char *account);

#endif
