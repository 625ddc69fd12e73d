/*
 * Is what an address names a host that there may be?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * tlds: the public suffix list, whose last labels are the top-level domains
 * that exist; NULL: none is known, and no name passes.
 */
#ifndef LIB_TEXT_URI_NAME_H
#define LIB_TEXT_URI_NAME_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct pslist;

/* Is the label a top-level domain? */
bool uri_name_is_tld(const struct pslist *tlds, const char *label, size_t len);
/* Does the name end in `.` and a top-level domain? */
bool uri_name_has_tld(const struct pslist *tlds, const char *name, size_t len);
/* Two labels at least, of letters, digits, - and _ (RFC 1123 section 2.1). */
bool uri_name_is_host(const char *name, size_t len);
/* Add the host's name in lower case, with A-labels if it is not ASCII; as it is
 * where the DNS can't have it. */
void uri_name_ascii(struct buf *b, const char *name, size_t len);
/* Does the address lead to a host with a known top-level domain, or to an IP
 * address? */
bool uri_name_in_uri(const struct pslist *tlds, const char *uri, size_t len);

#endif
