/*
 * An SPF record as terms: the grammar of RFC 7208 sections 4.6, 5, 6 and 12,
 * and nothing beside it.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_SPF_SPF_RECORD_H
#define LIB_SPF_SPF_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/spf/spf_macro.h"

struct arena;

#define SPF_RECORD_TERMS 2000 /* mechanisms; a record with more is wrong */

enum spf_kind {
	SPF_ALL,
	SPF_INCLUDE,
	SPF_A,
	SPF_MX,
	SPF_PTR,
	SPF_IP4,
	SPF_IP6,
	SPF_EXISTS,
	SPF_REDIRECT,
	SPF_EXP,
	SPF_MODIFIER, /* any other; not kept */
};

struct spf_term {
	enum spf_kind kind;
	char qualifier;         /* one of + - ~ ? */
	const char *text;       /* as written */
	const char *spec;       /* the domain-spec; NULL: none given */
	size_t spec_len;
	struct spf_macro_use use; /* of spec */
	int prefix4, prefix6;   /* a, mx: 32 and 128 where not given; ip4 and
	    ip6 have theirs in the one that fits */
	unsigned char addr[16]; /* ip4, ip6 */
};

struct spf_record {
	struct spf_term *terms; /* the mechanisms */
	size_t count;
	const struct spf_term *redirect, *exp; /* NULL: none */
};

/* Is this TXT record an SPF record (section 4.5)? */
bool spf_record_is(const void *text, size_t len);
/* Everything lives in the arena.  ERR_SYNTAX, and the first term that is none
 * in *bad_r (printable ASCII, cut); ERR_NOMEM; or 0. */
int spf_record_parse(struct arena *a, const void *text, size_t len,
    struct spf_record **record_r, const char **bad_r);

/* Is the address in the network of an ip4 or ip6 term? */
bool spf_term_covers(
    const struct spf_term *t, bool v4, const unsigned char *ip);
/* How many addresses the term passes that a client of that family may have:
 * IPv4 addresses, or networks of /56.  Of a and mx, what one host's prefix
 * spans. UINT64_MAX: all. */
unsigned long long spf_term_width(const struct spf_term *t, bool v4);

#endif
