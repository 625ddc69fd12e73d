/*
 * The body of a message, canonicalised and hashed as it streams by
 * (RFC 6376 sections 3.4.3, 3.4.4 and 3.7).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Where chunks begin and end makes no difference.  The body is taken as it
 * comes over SMTP: its lines end in CRLF, and a last line without an end is
 * given one (an MTA gives it one too).  A CR or LF that stands alone ends no
 * line and is hashed as the ordinary octet that it is; it is no white space
 * either.  That is what RFC 6376 says (CR and LF occur only as CRLF, and other
 * octets are content) and what signatures are verified by that come out of
 * MTAs which pass bare CR and LF on.  Where an MTA changes them on the way out,
 * no signature can hold, whatever was hashed.
 */
#ifndef LIB_DKIM_DKIM_BODY_H
#define LIB_DKIM_DKIM_BODY_H

#include <stddef.h>
#include <stdint.h>

#include "lib/dkim/dkim_canon.h"

#define DKIM_BODY_HASH_SIZE 32 /* SHA-256 */

struct dkim_body;
struct evp_md_st; /* OpenSSL's EVP_MD */

/* sha256 is EVP_sha256(), or one fetched: looking for it each time costs as
 * much as a short body.  It must outlive the hash.  NULL: no memory, or no
 * SHA-256 to be had. */
struct dkim_body *dkim_body_new(
    const struct evp_md_st *sha256, enum dkim_canon canon);
/* The same of the first octets of the canonical form only (l=). */
struct dkim_body *dkim_body_new_limited(
    const struct evp_md_st *sha256, enum dkim_canon canon, uint64_t octets);
void dkim_body_free(struct dkim_body *b);

void dkim_body_add(struct dkim_body *b, const void *bytes, size_t len);
/*
 * The body is complete: its hash.  0, or ERR_CRYPTO.  May be asked for again;
 * nothing may be added afterwards.
 */
int dkim_body_finish(
    struct dkim_body *b, unsigned char hash_r[DKIM_BODY_HASH_SIZE]);
/* Octets of the canonical form; known when dkim_body_finish has returned. */
uint64_t dkim_body_octets(const struct dkim_body *b);

#endif
