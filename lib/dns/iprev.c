/* SPDX-License-Identifier: BSD-2-Clause */
#include "iprev.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns/dns.h"

#define REVERSE_MAX 80 /* octets of an ip6.arpa name, with a NUL */

struct iprev {
	const struct dns *dns;
	unsigned char address[16];
	size_t address_len; /* 4 or 16 */
	struct dns_query *reverse;
	bool second; /* the second round has begun, or need not */
	size_t count;
	struct {
		char *name;
		struct dns_query *query;
	} names[IPREV_NAMES_MAX];
	bool done;
	struct iprev_result result;
};

static bool
is_public4(uint32_t ip)
{
	static const struct {
		uint32_t net;
		int bits;
	} not[] = {{0x00000000, 8}, {0x0a000000, 8}, {0x64400000, 10},
	    {0x7f000000, 8}, {0xa9fe0000, 16}, {0xac100000, 12},
	    {0xc0a80000, 16}, {0xe0000000, 3}};

	for (size_t i = 0; i < sizeof(not) / sizeof(*not); i++) {
		if ((ip ^ not[i].net) >> (32 - not[i].bits) == 0)
			return false;
	}
	return true;
}

bool
iprev_is_public(const struct sockaddr *client)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)client;
	const struct in6_addr *a =
	    &((const struct sockaddr_in6 *)client)->sin6_addr;

	if (client->sa_family == AF_INET)
		return is_public4(ntohl(v4->sin_addr.s_addr));
	if (client->sa_family != AF_INET6)
		return false;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) &&
	    !IN6_IS_ADDR_LINKLOCAL(a) && !IN6_IS_ADDR_SITELOCAL(a) &&
	    !IN6_IS_ADDR_MULTICAST(a) && (a->s6_addr[0] & 0xfe) != 0xfc;
}

/* RFC 1035 section 3.5, RFC 3596 section 2.5 */
static void
reverse_name(const unsigned char *address, size_t len, char *name_r)
{
	static const char hex[] = "0123456789abcdef";

	if (len == 4) {
		snprintf(name_r, REVERSE_MAX, "%d.%d.%d.%d.in-addr.arpa",
		    address[3], address[2], address[1], address[0]);
		return;
	}
	for (size_t i = len; i-- > 0;) {
		*name_r++ = hex[address[i] & 15];
		*name_r++ = '.';
		*name_r++ = hex[address[i] >> 4];
		*name_r++ = '.';
	}
	strcpy(name_r, "ip6.arpa");
}

struct iprev *
iprev_new(const struct dns *d, const struct sockaddr *client)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)client;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)client;
	struct iprev *p = calloc(1, sizeof(*p));
	char name[REVERSE_MAX];

	if (p == NULL)
		return NULL;
	p->dns = d;
	p->address_len = client->sa_family == AF_INET ? 4 : 16;
	if (p->address_len == 4)
		memcpy(p->address, &v4->sin_addr, 4);
	else
		memcpy(p->address, &v6->sin6_addr, 16);
	reverse_name(p->address, p->address_len, name);
	p->reverse = dns_start(d, name, DNS_PTR);
	if (p->reverse == NULL) {
		free(p);
		return NULL;
	}
	return p;
}

static void
finish(struct iprev *p, enum iprev_status status, const char *name)
{
	p->result = (struct iprev_result){.status = status, .name = name};
	p->done = true;
}

/* Ask for the addresses of each name. */
static void
begin_second(struct iprev *p, const struct dns_answer *a)
{
	enum dns_type type = p->address_len == 4 ? DNS_A : DNS_AAAA;

	p->second = true;
	if (a->status == DNS_TEMPFAIL || a->status == DNS_TIMEOUT) {
		finish(p, IPREV_TEMPERROR, NULL);
		return;
	}
	for (size_t i = 0; i < a->count && p->count < IPREV_NAMES_MAX; i++) {
		char *name = strndup(
		    (const char *)a->records[i].data, a->records[i].len);

		if (name == NULL)
			continue;
		p->names[p->count].name = name;
		p->names[p->count++].query = dns_start(p->dns, name, type);
	}
	if (a->count == 0)
		finish(p, IPREV_PERMERROR, NULL);
	else if (p->count == 0)
		finish(p, IPREV_TEMPERROR, NULL); /* no memory */
}

void
iprev_advance(struct iprev *p, struct wait *w)
{
	if (!p->second)
		begin_second(p, dns_collect(p->dns, p->reverse, w));
}

void
iprev_poll(struct iprev *p)
{
	if (!p->second && dns_ready(p->dns, p->reverse))
		iprev_advance(p, NULL);
}

static bool
has_address(const struct iprev *p, const struct dns_answer *a)
{
	for (size_t i = 0; i < a->count; i++) {
		if (a->records[i].len == p->address_len &&
		    memcmp(a->records[i].data, p->address, p->address_len) ==
			0)
			return true;
	}
	return false;
}

const struct iprev_result *
iprev_collect(struct iprev *p, struct wait *w)
{
	bool unsure = false;

	iprev_advance(p, w);
	for (size_t i = 0; i < p->count && !p->done; i++) {
		const struct dns_answer *a;

		if (p->names[i].query == NULL) {
			unsure = true;
			continue;
		}
		a = dns_collect(p->dns, p->names[i].query, w);
		if (has_address(p, a))
			finish(p, IPREV_PASS, p->names[i].name);
		if (a->status == DNS_TEMPFAIL || a->status == DNS_TIMEOUT)
			unsure = true;
	}
	if (!p->done)
		finish(p, unsure ? IPREV_TEMPERROR : IPREV_FAIL,
		    p->names[0].name);
	return &p->result;
}

void
iprev_free(struct iprev *p)
{
	if (p == NULL)
		return;
	dns_drop(p->dns, p->reverse);
	for (size_t i = 0; i < p->count; i++) {
		dns_drop(p->dns, p->names[i].query);
		free(p->names[i].name);
	}
	free(p);
}

const char *
iprev_word(enum iprev_status status)
{
	static const char *const words[] = {
	    "pass", "fail", "temperror", "permerror"};

	return words[status];
}
