/*
 * The Public Suffix List (publicsuffix.org), through libpsl.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DNS_PSLIST_H
#define LIB_DNS_PSLIST_H

#include <stdbool.h>

struct errmsg;
struct pslist;

/* Read a list; path NULL: the system's, or the one built into libpsl, whichever
 * is newer.  0 and *list_r (the caller's, pslist_free), or a negative ERR_ and
 * *msg_r.  A list may be shared by threads. */
int pslist_open(
    const char *path, struct pslist **list_r, struct errmsg *msg_r);
void pslist_free(struct pslist *list);

/* The part of a domain (as idna_ascii makes it) that somebody registered: a
 * public suffix and the label before it.  NULL: it is a public suffix. */
const char *pslist_org(const struct pslist *list, const char *domain);

/* Is the label (lower case, A-label) a top-level domain? */
bool pslist_has_tld(const struct pslist *list, const char *label);

#endif
