/*
 * Relative addresses made absolute (RFC 2396 section 5.2, as browsers do it).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_TEXT_URI_RESOLVE_H
#define LIB_TEXT_URI_RESOLVE_H

#include <stddef.h>

struct buf;

/* Add what uri means in a document whose base is base ("" for none). */
void uri_resolve(struct buf *b, const char *base, size_t base_len,
    const char *uri, size_t uri_len);

/* Octets of a base address without the file's name at its end. */
size_t uri_base_len(const char *base, size_t len);

#endif
