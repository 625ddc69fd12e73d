/*
 * Which limits an account has: limits as the admin writes them, and the
 * sections that give them to accounts.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A limit is `AMOUNT/WINDOW`: a number, K, M or G behind it for powers of 1024;
 * then, maybe with a number in front, second, minute, hour, day or week, also
 * as plural, first letter, sec, min or hr: 200/hour, 500M/day, 20/5minutes.
 * The word `none` means that a kind is not limited.
 *
 * A section's title is an account, `sender:*` or `script:*` for the accounts
 * that begin so, `@domain`, or `default`; in this order one is more specific
 * than the next.  (A sender's domain is only what somebody says it is.)  For
 * each kind of limit the most specific section that names the kind counts, and
 * it counts whole: an account whose section has one limit for messages has that
 * one and no other for messages, and its limits for bytes from its domain's
 * section, or else from the default.  Titles and accounts match without case.
 *
 * Once filled, a struct limits is read-only and may be shared by threads.
 * Looking up costs the same however many sections there are.
 */
#ifndef LIB_QUOTA_LIMITS_H
#define LIB_QUOTA_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/quota/quota.h"

struct errmsg;
struct limits;

#define LIMITS_DEFAULT "default"
#define LIMITS_NULL_SENDER "sender:<>" /* the account of bounces */
#define LIMITS_KIND_MAX 4 /* limits of one kind in one section */

/*
 * Read one limit.  0, with the amount and the window in seconds, which is 0
 * for `none`; or ERR_CONFIG, with what was expected in msg_r.
 */
int limits_parse(const char *text, uint64_t *amount_r, uint32_t *window_r,
    struct errmsg *msg_r);
/* A window in the largest unit that is whole, as limits_parse reads it: 1h, 5m;
 * or in words: 1 hour, 5 minutes.  Terminated; LIMITS_TEXT octets suffice. */
#define LIMITS_TEXT 32
void limits_window_text(uint32_t window, char *out, size_t size);
void limits_window_words(uint32_t window, char *out, size_t size);

/* NULL: no memory. */
struct limits *limits_new(void);
void limits_free(struct limits *l);

/*
 * Give the section of that title one more limit; the first one makes the
 * section.  0, ERR_NOMEM, or ERR_CONFIG: the title is no title, the window is
 * there already for that kind, there are too many, or `none` (a window of 0)
 * is given together with others.
 */
int limits_add(struct limits *l, const char *title, enum quota_kind kind,
    uint64_t amount, uint32_t window, struct errmsg *msg_r);

/* Set a section's action: what the caller does over the limits, as a number of
 * the caller's that is not 0.  Makes the section.  0, ERR_NOMEM, or ERR_CONFIG
 * as above. */
int limits_set_action(struct limits *l, const char *title, int action,
    struct errmsg *msg_r);
/* The action of the most specific section that has one; 0: none has.  With
 * of_name, only the account's own section and sender:* or script:* count. */
int limits_action(const struct limits *l, const char *account, bool of_name);

size_t limits_sections(const struct limits *l);
/* Has one of that title been made? */
bool limits_has(const struct limits *l, const char *title);

/*
 * sender:* or script:* for an account that begins so, whose name anybody can
 * make up; NULL for all others.  The account of this name counts what those of
 * its kind send for which the table has no place.
 */
const char *limits_pool(const char *account);

/* The limits of an account, and whether it is of the minor kind, as all that
 * have a pool are but the pool itself, the null sender, and those with a
 * section of their own.  0, or ERR_LIMIT: they are more than fit into a
 * set, and some are missing from it. */
int limits_of(const struct limits *l, const char *account,
    struct quota_set *set_r);
/* The limits of an account that is charged to its pool: the pool's, and the
 * account's own for each kind that the pool's section does not name.  Otherwise
 * as limits_of. */
int limits_of_pool(const struct limits *l, const char *account,
    struct quota_set *set_r);
/* How many the account with the most limits has, whoever it may be; its title
 * (of its section, or its domain's, or the default) is in *title_r, NULL when
 * there are no sections.  A pass over all sections. */
unsigned limits_most(const struct limits *l, const char **title_r);

#endif
