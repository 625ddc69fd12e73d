/*
 * What a client says in HELO: its form, and whether it is the client's.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * RFC 5321 sections 2.3.5 and 4.1.4 want a name with an address, or else an
 * address literal (section 4.1.3).  Text in, no trust: any octets may come.
 */
#ifndef LIB_DNS_HELO_H
#define LIB_DNS_HELO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/host.h"
#include <stdint.h>

struct arena;
struct dns;
struct helo;
struct wait;

enum helo_form {
	HELO_NAME,    /* of a host, with a dot in it */
	HELO_WORD,    /* the same without a dot */
	HELO_LITERAL, /* [192.0.2.1] or [IPv6:2001:db8::1] */
	HELO_ADDRESS, /* an address without its brackets */
	HELO_INVALID, /* none of these; a literal that is not well-formed */
};

enum helo_status {
	HELO_PASS,      /* its address is the client's */
	HELO_FAIL,      /* it has others */
	HELO_NONE,      /* it has none, or can't have */
	HELO_TEMPERROR, /* the DNS did not tell */
};

struct helo_result {
	enum helo_form form;
	enum helo_status status;
	bool bracketed;   /* it begins with [, as a literal does */
	const char *name; /* in lower case, as A-labels, without final dot; NULL
	    unless it is a name or word */
	struct host address; /* of a literal or address */
};

/*
 * Take it apart, and begin to ask for the addresses of a name; nothing is asked
 * of what has none to be had, or where client is NULL or HOST_NONE.  d NULL:
 * form only.  NULL: no memory.
 */
struct helo *helo_new(
    const struct dns *d, const char *helo, const struct host *client);
/* Wait for the answers.  The result lives as long as h; a second call returns
 * the same. */
const struct helo_result *helo_collect(struct helo *h, struct wait *w);
void helo_free(struct helo *h); /* NULL is fine */

const char *helo_form_word(enum helo_form form);       /* `name` ... */
const char *helo_status_word(enum helo_status status); /* `pass` ... */

#endif
