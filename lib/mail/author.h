/*
 * Who wrote a message, by its From (RFC 5322 section 3.6.2): one answer for
 * everybody who asks, be it for DMARC, a signature or a list.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A From in which programs may find different authors is unreadable, and is
 * nobody's: whoever grants something looks at the state first.  Whoever refuses
 * looks at all that a reader could see in it.
 */
#ifndef LIB_MAIL_AUTHOR_H
#define LIB_MAIL_AUTHOR_H

#include <stdbool.h>
#include <stddef.h>

#include "addr.h"

struct arena;
struct hdr;
struct hdr_list;

/* Domains of one From.  The tree walks of so many fit into what DMARC asks for
 * a message (DMARC_QUERIES_MAX). */
#define AUTHOR_DOMAINS_MAX 8

enum author_state {
	AUTHOR_NONE,       /* there is no such field */
	AUTHOR_ONE,        /* one field, one mailbox */
	AUTHOR_SEVERAL,    /* more, in one field or in several */
	AUTHOR_UNREADABLE, /* something is no mailbox with a domain of the DNS,
	    or not for every reader the same, or there is none */
};

struct author {
	enum author_state state;
	size_t fields; /* how often the field is there */
	/* The mailboxes that can be read, in order; where the state is
	 * UNREADABLE some of them, or none. */
	struct addr list[ADDR_LIST_MAX];
	size_t count;
	/*
	 * Only where UNREADABLE: what a liberal reader could take for an
	 * address in it, in quotes, comments and encoded words too; domains as
	 * below, local parts may be "".
	 */
	struct addr seen[ADDR_LIST_MAX];
	size_t seen_count;
	/* The domains of `list`, then of `seen`, each once, in A-labels. */
	const char *domains[AUTHOR_DOMAINS_MAX];
	size_t domain_count;
	size_t domains_read; /* how many of them are of `list` */
	bool more;  /* there are more domains */
	bool names; /* beside addresses stands a name without one */
	const char *why; /* UNREADABLE: in words; otherwise NULL */
};

/* Of all From fields of a header; strings are in the arena.  0, or ERR_NOMEM,
 * with which the state is UNREADABLE. */
int author_read(
    struct arena *a, const struct hdr_list *headers, struct author *author_r);

/* The same of one field, such as Sender. */
int author_read_field(
    struct arena *a, const struct hdr *h, struct author *author_r);

/* The domain of the one author, in A-labels; NULL: there is no telling. */
const char *author_domain(const struct author *author);

#endif
