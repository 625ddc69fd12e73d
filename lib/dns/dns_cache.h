/*
 * Answers that are kept for as long as the DNS allows (RFC 2181 section 8).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Small, and of bounded size: what is asked often stays because it comes back,
 * and what a resolver's own cache knows is not far away.  Any thread may call.
 */
#ifndef LIB_DNS_DNS_CACHE_H
#define LIB_DNS_DNS_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dns/dns.h"

#define DNS_CACHE_ENTRIES 4096
#define DNS_CACHE_ANSWER_MAX 4096 /* octets of one; larger are not kept */
#define DNS_CACHE_TTL_MAX 86400   /* seconds */

struct dns_cache;

/* An answer that several may hold; it does not change. */
struct dns_entry;

/* NULL: no memory. */
struct dns_cache *dns_cache_new(void);
void dns_cache_free(struct dns_cache *c);

/* Takes the answer, a single piece of memory of that size (also when it
 * fails).  The caller's reference; NULL: no memory. */
struct dns_entry *dns_entry_new(struct dns_answer *answer, size_t size);
struct dns_entry *dns_entry_ref(struct dns_entry *e);
void dns_entry_unref(struct dns_entry *e); /* NULL is fine */
const struct dns_answer *dns_entry_answer(const struct dns_entry *e);

/* `key` as dns_wire_key makes it; times are CLOCK_MONOTONIC, milliseconds.  A
 * reference for the caller, or NULL. */
struct dns_entry *dns_cache_get(struct dns_cache *c, const char *key,
    enum dns_type type, int64_t now_ms);
/* Keep it from now on for its answer's ttl; 0, or a failed look-up, is not
 * kept. */
void dns_cache_put(struct dns_cache *c, const char *key, enum dns_type type,
    struct dns_entry *e, int64_t now_ms);

#endif
