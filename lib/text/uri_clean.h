/*
 * An address and what mail programs and browsers would make of it: a list that
 * uri rules look at.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Beside the address as it was found stand forms with its encodings undone, a
 * scheme added, users, ports and trailing dots removed, numbers as IP
 * addresses, and the addresses that it redirects to.
 */
#ifndef LIB_TEXT_URI_CLEAN_H
#define LIB_TEXT_URI_CLEAN_H

#include <stdbool.h>
#include <stddef.h>

struct buf;
struct pslist;
struct uri_set;

/* Does the address redirect? True: *to_r and *to_len_r are the part of it that
 * says where to (rule files' redirector_pattern). */
typedef bool uri_redirect_fn(void *ctx, const char *uri, size_t len,
    const char **to_r, size_t *to_len_r);

struct uri_clean {
	struct uri_set *set;
	const struct pslist *tlds;
	uri_redirect_fn *redirect; /* may be NULL */
	void *redirect_ctx;
	/* The address is characters: what is in Latin 1 counts as one octet and
	 * what is not is let be, where SpamAssassin encodes the octets of UTF-8
	 * that it found in text. */
	bool utf8;
};

/* Add the address in all its forms.  need_host: only if one of the forms leads
 * to a host with a known top-level domain. */
void uri_clean_add(
    const struct uri_clean *c, const char *uri, size_t len, bool need_host);

/* Is a %hh among it? */
bool uri_clean_has_percent(const char *uri, size_t len);

/* Add with %hh of letters and the like undone, and what may not stand in an
 * address encoded. */
void uri_clean_percent(struct buf *b, const char *uri, size_t len, bool utf8);

#endif
