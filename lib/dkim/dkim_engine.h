/*
 * The DKIM library as a machine that selects, canonicalises and hashes header
 * fields, for signing and verifying alike; not for others than lib/dkim.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It looks up no key, sees no body, and verifies nothing.  Fields are checked
 * and capped by the caller before they get here.
 */
#ifndef LIB_DKIM_DKIM_ENGINE_H
#define LIB_DKIM_DKIM_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/dkim/dkim_sign.h"

struct buf;
struct dkim; /* the library's handle: one header */
struct evp_md_st;

/* For dkim_body_new; lives as long as the engine. */
const struct evp_md_st *dkim_engine_sha256(const struct dkim_engine *e);

/* NULL: no memory. */
struct dkim *dkim_engine_begin(const struct dkim_engine *e);
void dkim_engine_end(struct dkim *d);

/* Put "name:value" in the buffer, with CRLF for each "\n" that has no CR. */
void dkim_engine_field(struct buf *field, const char *name, size_t name_len,
    const char *value, size_t value_len);
/* More of a value behind that. */
void dkim_engine_text(struct buf *field, const char *value, size_t value_len);
/* One field in that form, without the last line end; false: refused. */
bool dkim_engine_feed(struct dkim *d, const struct buf *field);
/* All fields are there.  false: they can't be hashed; then *d may be NULL. */
bool dkim_engine_run(struct dkim **d);
/* The SHA-256 that signature i (in the order fed) is over, the handle's own;
 * NULL: it has none. */
const unsigned char *dkim_engine_hash(struct dkim *d, size_t i);

#endif
