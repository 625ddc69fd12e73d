/*
 * The keywords of the DNS, and the resolver made from them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_RESOLVER_H
#define MILTER_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/conf/conf.h"

struct dns;
struct errmsg;
struct resolver;

extern const struct conf_table options_resolver;

/*
 * Make the resolver of a configuration.  `old` is the one in use, or NULL; it
 * is kept, with its cache, if a new one would be equal.  0 and a reference in
 * *r_r, or a negative ERR_ and *msg_r.
 */
int resolver_load(const struct conf *c, struct resolver *old,
    struct resolver **r_r, struct errmsg *msg_r);
/* Where look-ups go; valid as long as there is a reference. */
const struct dns *resolver_dns(const struct resolver *r);
/* DNSTimeout in milliseconds: for all look-ups of one message. */
long resolver_timeout_ms(const struct conf *c);

/*
 * Whether the name servers answer at all.  A mail's own questions can't tell:
 * the names in it may have dead servers.  So when some have failed in a row, or
 * nothing was asked yet, a name is asked that nobody has.
 *
 * Go on with that; in how many milliseconds to call it again.  Used by one
 * thread.
 */
int64_t resolver_test(struct resolver *r);
/* Do they not answer?  Then *words_r says so. */
bool resolver_is_silent(const struct resolver *r, struct errmsg *words_r);

/* Start its threads, unless they run.  Validation is then tested at once, so
 * that the log says at the start if it does not work.  0, or ERR_SYSTEM and
 * errno. */
int resolver_start(struct resolver *r);
void resolver_unref(struct resolver *r); /* NULL is fine */

#endif
