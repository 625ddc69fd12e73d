/*
 * Does the client's address have a name, and the name that address (RFC 8601
 * section 3, "iprev"; forward-confirmed reverse DNS)?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Two rounds of look-ups: names of the address, addresses of the names.  Only
 * functions that take a struct wait wait.
 */
#ifndef LIB_DNS_IPREV_H
#define LIB_DNS_IPREV_H

#include <stdbool.h>

struct dns;
struct host;
struct wait;

#define IPREV_NAMES_MAX 10 /* names that are looked up, RFC 8601 section 7.6 */

/* RFC 8601 section 2.7.3 */
enum iprev_status {
	IPREV_PASS,
	IPREV_FAIL,	 /* it has names, none of which has it */
	IPREV_TEMPERROR, /* the DNS did not tell */
	IPREV_PERMERROR, /* it has no name */
};

struct iprev_result {
	enum iprev_status status;
	const char *name; /* that was confirmed, or else the first; NULL: none */
};

struct iprev;

/* Begin; client is not HOST_NONE.  NULL: no memory. */
struct iprev *iprev_new(const struct dns *d, const struct host *client);
/* Go on as far as it goes without waiting. */
void iprev_poll(struct iprev *p);
/* Wait for the first round, begin the second. */
void iprev_advance(struct iprev *p, struct wait *w);
/* Wait for all.  The result lives as long as p; a second call returns the
 * same. */
const struct iprev_result *iprev_collect(struct iprev *p, struct wait *w);
void iprev_free(struct iprev *p); /* NULL is fine */

/* `pass` ... as RFC 8601 has it. */
const char *iprev_word(enum iprev_status status);

#endif
