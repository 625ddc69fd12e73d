/*
 * Another reader of From, for tests, that takes everything with an @ before it
 * for an author.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_AUTHOR_REF_H
#define T_SUPPORT_DRIVERS_AUTHOR_REF_H

#include <stdbool.h>
#include <stddef.h>

struct hdr_list;

/* In all From fields, outside of quotes and comments, is there no other domain
 * than this one (A-labels)?  A quote or comment that does not end is none.
 * Domains that are not ASCII are passed over, and so are routes. */
bool author_ref_only(const struct hdr_list *headers, const char *domain);

#endif
