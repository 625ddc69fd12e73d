/*
 * The path that a message took, from its Received fields: which relays are
 * trusted, which are our own, and the pseudo-headers X-Spam-Relays-Trusted,
 * -Untrusted, -Internal and -External with SpamAssassin's text
 * (Mail::SpamAssassin::Conf, trusted_networks).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_MAIL_RELAYS_H
#define LIB_MAIL_RELAYS_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct hdr_list;
struct netlist;
struct relay_formats;

#define RELAYS_MAX 128 /* Received fields that are looked at, from the top */

/* One hop.  Texts are "" where nothing is known, never NULL; brackets in rdns,
 * helo, by and ident stand as `!`. */
struct relay {
	const char *ip; /* the client's, without IPv6: and ::ffff: */
	const char *rdns, *helo, *by, *ident, *envfrom, *id;
	const char *auth;  /* how the client logged in */
	size_t field;      /* which Received field told of it, from 1; 0: the one
			    * that is not there yet; SIZE_MAX: none did */
	bool private_ip;   /* RFC 1918 and other addresses of no one */
	bool msa, trusted, internal;
};

/* Whom to trust; NULL or empty lists count as not set. */
struct relay_nets {
	const struct netlist *trusted, *internal, *msa;
	/* Addresses that other fields (X-Originating-IP) tell of: hops behind
	 * all others.  NULL-ended; may be NULL. */
	const char *const *origins;
};

/* What the MTA will write above the message after the filters have seen it.
 * NULL counts as "". */
struct relay_here {
	const char *ip;	  /* the client's address; NULL: not by a network */
	const char *rdns; /* its name, confirmed; "unknown" and "[1.2.3.4]" are
			   * none */
	const char *helo;
	const char *by; /* our name */
	const char *envfrom, *id;
	const char *auth; /* the word for auth=, such as ESMTPA; "": no login */
};

struct relays {
	const struct relay *list; /* nearest first */
	size_t count;
	size_t trusted;	 /* the first so many of them are trusted */
	size_t internal; /* and so many internal; not more than trusted */
	size_t unparseable;
	/* The pseudo-headers' values; never NULL, "" when no relay is such. */
	const char *text_trusted, *text_untrusted;
	const char *text_internal, *text_external;
};

/* Facts that rules ask for; NULL: there is none. */
/* The first relay that is not trusted. */
const struct relay *relays_first_untrusted(const struct relays *r);
/* Trusted relays only, and at least one. */
bool relays_all_trusted(const struct relays *r);

/* From the message's Received fields, and the one that is not there yet (NULL:
 * it is there).  All of *relays_r lives in the arena.  0, or ERR_NOMEM. */
int relays_build(const struct relay_formats *f, const struct relay_nets *nets,
    const struct hdr_list *header, const struct relay_here *here,
    struct arena *a, struct relays *relays_r);

/* Is this an address that belongs to nobody on the net (private, loopback,
 * link-local, shared)? */
bool relay_ip_is_private(const char *ip);

#endif
