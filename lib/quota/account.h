/*
 * The one form of an account's name.  SPDX-License-Identifier: BSD-2-Clause
 *
 * An account is one of these, and its name shows which:
 *
 *     bob@example.com  a login
 *     script:NAME      mail without a login, by the script that sent it
 *     sender:ADDRESS   mail without a login, by its envelope sender
 *     script:*         all scripts that have no account of their own
 *     sender:*         all senders that have none
 *     realm:*          all logins of realms that do not exist
 *     @example.com     the sum over all accounts of a domain
 *     *                the sum over all accounts
 *     login:NAME       a login whose name would read as one of the others, is
 *                      empty, or begins with @
 *
 * In this form blanks at the ends and the dots at the end of a realm (what
 * follows the last @) are gone, ASCII letters are in lower case, bob@ is bob,
 * and a login without a realm has that of the caller.  A name of more than
 * ACCOUNT_MAX octets is its first ACCOUNT_KEPT, `#`, and 64 hexadecimal digits
 * of SHA-256 over the whole name in this form.  All other octets stay as they
 * are: who shows a name escapes it.  No login that a client
 * gives makes a name of another sort, or the short form of another's name.
 *
 * Results are in the arena, of 1 to ACCOUNT_MAX octets; NULL: no memory.
 * `realm` is what account_realm made of that; NULL: there is none.
 */
#ifndef LIB_QUOTA_ACCOUNT_H
#define LIB_QUOTA_ACCOUNT_H

#include <stdbool.h>

struct arena;

#define ACCOUNT_MAX 255
#define ACCOUNT_KEPT 190

#define ACCOUNT_SCRIPT "script:"
#define ACCOUNT_SENDER "sender:"
#define ACCOUNT_LOGIN "login:"
#define ACCOUNT_OTHER_REALMS "realm:*"
#define ACCOUNT_ALL "*"

/* The account of a login as the MTA reports it.  *realm_r (may be NULL) is its
 * realm, whatever the name's length; "": it has none. */
const char *account_of_login(struct arena *a, const char *login,
    const char *realm, const char **realm_r);
/* ACCOUNT_SCRIPT or ACCOUNT_SENDER, and a name. */
const char *account_special(
    struct arena *a, const char *prefix, const char *name);
/* The account that a person means: a login, or any account's name.  An
 * account's name is its own account. */
const char *account_of_text(
    struct arena *a, const char *text, const char *realm, const char **realm_r);
/* A realm in its form: without blanks at the ends or dots at its end, in lower
 * case; "": nothing is left of it. */
const char *account_realm(struct arena *a, const char *text);

/* Of a name in its form: is it a login's? */
bool account_is_login(const char *account);
/* Of a name in its form: is it a sum's? */
bool account_is_sum(const char *account);
/* The name of the sum over the account's domain, which is the end of its own;
 * NULL: the account has none. */
const char *account_domain(const char *account);
/* The login, in lower case and with its realm, that a login's account has; the
 * account itself for others. */
const char *account_login(const char *account);

#endif
