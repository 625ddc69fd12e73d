/*
 * The keywords of the DNS, and the resolver they make.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_RESOLVER_H
#define MILTER_RESOLVER_H

#include "lib/conf/conf.h"

struct errmsg;
struct resolver;
struct snapshot;

extern const struct conf_option options_resolver[];

/*
 * Set snap->dns, resolver and dns_timeout_ms from snap->conf; no resolver where
 * mail is not verified.  `old` is the snapshot in force, or NULL: its resolver
 * goes on, with what it knows, if nothing has changed.  0, or a negative ERR_
 * and *msg_r.
 */
int resolver_load(struct snapshot *snap, const struct snapshot *old,
    struct errmsg *msg_r);
/* Start its threads, if they do not run yet: validation is probed at once, so
 * that a daemon says early what is wrong with it.  0, or ERR_SYSTEM and errno. */
int resolver_start(struct resolver *r);
void resolver_unref(struct resolver *r); /* NULL is fine */

#endif
