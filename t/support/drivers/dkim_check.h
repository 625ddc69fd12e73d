/*
 * Signatures looked at by others: the DKIM library as a verifier, and the body
 * canonicalised in the plainest way.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_DKIM_CHECK_H
#define T_SUPPORT_DRIVERS_DKIM_CHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/dkim/dkim_canon.h"
#include "lib/dkim/dkim_verify.h"

struct buf;
struct hdr_list;

/* The canonical form of a whole body. */
void dkim_check_body(
    enum dkim_canon canon, const char *body, size_t len, struct buf *out);
/* The base64 of its SHA-256. */
void dkim_check_body_hash(
    enum dkim_canon canon, const char *body, size_t len, char hash_r[45]);

/*
 * Verify a DKIM-Signature value put on top of the headers, with this key
 * record.  NULL: it is fine; otherwise what is wrong.  The DKIM library hashes
 * the body too if it is one that it can hash: lines that end in CRLF, and no
 * bare CR or LF.
 */
const char *dkim_check(const struct hdr_list *headers, const char *value,
    const char *body, size_t len, const char *record);
/* The same by our own verifier: what it says of that signature. */
struct dkim_verdict dkim_check_ours(const struct hdr_list *headers,
    const char *value, const char *body, size_t len, const char *record);
/* Does every CR and LF of the body belong to a line's end? */
bool dkim_check_lines(const char *body, size_t len);

#endif
