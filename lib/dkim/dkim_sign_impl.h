/*
 * What the parts of dkim_sign share; not for others.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_SIGN_IMPL_H
#define LIB_DKIM_DKIM_SIGN_IMPL_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/dkim/dkim_body.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/mail/hdr.h"

struct buf;

/* Has the field this name? */
bool dkim_sign_is(const struct hdr *h, const char *name);
/* Is its name in the list? */
bool dkim_sign_named(const struct hdr *h, const char *const *names);
/* May this be named in an h=? */
bool dkim_sign_name_ok(const char *name, size_t len);
/* Can the field be signed? */
bool dkim_sign_field_ok(const struct hdr *h);
/* How many fields have this name; *ok_r: all can be signed. */
size_t dkim_sign_count(
    const struct hdr_list *headers, const char *name, bool *ok_r);

/* What is wrong with the request, NULL when nothing is, and with which code. */
const char *dkim_sign_fault(const struct dkim_request *r, int *error_r);
/* The field's value up to and including "b=". */
void dkim_sign_compose(struct buf *b, const struct dkim_request *r,
    const unsigned char body_hash[DKIM_BODY_HASH_SIZE],
    const struct hdr_list *headers);
/* Add the signature behind that. */
void dkim_sign_append(struct buf *b, const unsigned char *sig, size_t len);

#endif
