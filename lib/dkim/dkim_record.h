/*
 * The key record of a selector (RFC 6376 section 3.6.1, RFC 8301, RFC 8463).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A record never changes once read, and is counted, as a struct dkim_key is:
 * any number of threads may verify with it.
 */
#ifndef LIB_DKIM_DKIM_RECORD_H
#define LIB_DKIM_DKIM_RECORD_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_verify.h"

#define DKIM_RECORD_MAX 8192      /* octets of a record */
#define DKIM_RECORD_BITS_MAX 8192 /* of an RSA key; above, one message could
    cost as much as a hundred */

struct dkim_record;

/* Read the text of a TXT record.  NULL: no memory.  A record that can't be used
 * is one too: see dkim_record_fault. */
struct dkim_record *dkim_record_read(const void *text, size_t len);
/* One more owner; returns r. */
struct dkim_record *dkim_record_ref(struct dkim_record *r);
void dkim_record_free(struct dkim_record *r);

/* Why it can't be used, in constant words; NULL: it can. */
const char *dkim_record_fault(
    const struct dkim_record *r, enum dkim_cause *cause_r);
/* Of a record that can be used. */
enum dkim_key_type dkim_record_type(const struct dkim_record *r);
unsigned dkim_record_bits(const struct dkim_record *r); /* 256 for Ed25519 */
bool dkim_record_testing(const struct dkim_record *r);  /* t=y */
bool dkim_record_strict(const struct dkim_record *r);   /* t=s */

/* Is it the signature of this SHA-256?  No for a record that can't be used. */
bool dkim_record_verify(const struct dkim_record *r,
    const unsigned char hash[DKIM_KEY_HASH_SIZE], const unsigned char *sig,
    size_t len);

#endif
