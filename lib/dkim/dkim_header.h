/*
 * What a signature is over, selected and canonicalised by ourselves (RFC 6376
 * sections 3.4 and 3.7): for signature fields that hold UTF-8 (RFC 8616), which
 * the DKIM library does not read.  Not for others than lib/dkim.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_HEADER_H
#define LIB_DKIM_DKIM_HEADER_H

#include "lib/dkim/dkim_key.h"

struct dkim_field;
struct hdr;
struct hdr_list;

/* The SHA-256 that the signature in sig, read as f, is over.  Fields are
 * checked and capped by the caller.  0, or ERR_NOMEM. */
int dkim_header_hash(const struct hdr_list *headers, const struct hdr *sig,
    const struct dkim_field *f, unsigned char hash_r[DKIM_KEY_HASH_SIZE]);

#endif
