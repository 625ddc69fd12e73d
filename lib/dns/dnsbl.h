/*
 * DNS lists of addresses and domains (RFC 5782): what to ask, and what an
 * answer says.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A list answers with addresses in 127/8, its codes, which mean what the list
 * says.  Others are no codes: 127.255.255.0/24 is how lists refuse to answer,
 * and whatever lies outside 127/8 comes from somebody who is not the list.
 */
#ifndef LIB_DNS_DNSBL_H
#define LIB_DNS_DNSBL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_answer;
struct errmsg;
struct host;

#define DNSBL_NAME_SIZE 254 /* octets of a name to ask for, with a NUL */
#define DNSBL_CODES_MAX 16  /* codes of an answer that are looked at */

/* What a list may list; each is asked, and works, apart from the others. */
enum dnsbl_kind {
	DNSBL_IP4,
	DNSBL_IP6,
	DNSBL_DOMAIN,
	DNSBL_KINDS, /* how many there are */
};

/* The name to ask for about an address, sections 2.1 and 2.4.  False: there is
 * none, the zone's name is too long. */
bool dnsbl_name_ip(const struct host *client, const char *zone,
    char name_r[DNSBL_NAME_SIZE]);
/* The same about a domain (section 2.5), as idna_ascii makes it.  False for
 * what no list knows: names of one label, and addresses. */
bool dnsbl_name_domain(
    const char *domain, const char *zone, char name_r[DNSBL_NAME_SIZE]);

/* Codes from first to last that have all of these bits, in host order. */
struct dnsbl_range {
	uint32_t first, last, bits;
};

/* `127.0.0.2`, `127.0.0.2-127.0.0.11`, `127.0.0.0/24`, or for lists whose codes
 * are sums `&0.0.0.8`; 0, or ERR_CONFIG and what was expected. */
int dnsbl_range_parse(
    const char *text, struct dnsbl_range *range_r, struct errmsg *msg_r);
bool dnsbl_range_has(const struct dnsbl_range *range, uint32_t code);

enum dnsbl_status {
	DNSBL_NOT_LISTED,
	DNSBL_LISTED,
	DNSBL_NO_ANSWER, /* the DNS did not tell */
	DNSBL_REFUSED,	 /* in 127.255.255.0/24 */
	DNSBL_FOREIGN,	 /* outside 127/8 */
	DNSBL_NOT_ASKED, /* it is switched off, or not tested yet */
};

/* `listed` ... for people and programs. */
const char *dnsbl_status_word(enum dnsbl_status status);

struct dnsbl_answer {
	enum dnsbl_status status;
	size_t count;			 /* when it is listed */
	uint32_t codes[DNSBL_CODES_MAX]; /* in host order */
	uint32_t error; /* the one at fault, when refused or foreign */
};

/* What an answer of type A says. */
void dnsbl_read(const struct dns_answer *a, struct dnsbl_answer *r);

/* One thing that was asked of a list, and what came of it. */
struct dnsbl_finding {
	const char *list; /* whose codes these are; NULL: nobody counts them */
	const char *symbol; /* NULL likewise */
	const char *zone;
	const char *about;	    /* the address or domain */
	const char *asked;	    /* the name that was looked up */
	struct dnsbl_answer answer; /* with a list only the codes that count */
	const struct dnsbl_finding *next;
};

/* A code as text. */
#define DNSBL_CODE_SIZE 16
const char *dnsbl_code_text(uint32_t code, char text_r[DNSBL_CODE_SIZE]);

#endif
