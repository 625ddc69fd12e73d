/*
 * One DKIM-Signature field, read and judged by itself (RFC 6376 section 3.5
 * and 6.1.1): what is wrong with it is found here, before the header engine
 * sees it.  Not for others than lib/dkim.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_FIELD_H
#define LIB_DKIM_DKIM_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dkim/dkim_body.h"
#include "lib/dkim/dkim_canon.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_verify.h"

struct arena;
struct hdr;

#define DKIM_FIELD_NAME "DKIM-Signature"
/* No h= may name it: the engine wants one field more than can be selected. */
#define DKIM_FIELD_SPARE "X-Postern-Spare"

struct dkim_field {
	/* status NEUTRAL with no reason: nothing is wrong so far */
	struct dkim_verdict verdict;
	bool plain; /* the header engine may see it, whatever the verdict */
	bool utf8;  /* it has octets that the engine does not take */
	enum dkim_key_type type;
	enum dkim_canon header, body;
	const char *const *names; /* h=, NULL-ended */
	bool limited;             /* has l= */
	uint64_t length;          /* l= */
	const char *key_name;     /* where the key is: s._domainkey.d */
	bool subdomain;           /* i= is not in d= itself, but below */
	unsigned char body_hash[DKIM_BODY_HASH_SIZE]; /* bh= */
	const unsigned char *sig; /* b= */
	size_t sig_len;
	size_t b_at, b_end; /* b= in the field's value, with the white space
	    around it */
};

/* Strings are in the arena.  0, or ERR_NOMEM. */
int dkim_field_read(struct arena *a, const struct hdr *h,
    const struct dkim_policy *policy, struct dkim_field *f_r);

/* Give a verdict; what was said first stays. */
void dkim_field_fault(struct dkim_field *f, enum dkim_status status,
    enum dkim_cause cause, const char *words);

/* May the header engine see this field: no NUL in it, and no line end that is
 * no fold? */
bool dkim_field_ok(const struct hdr *h);

#endif
