/* SPDX-License-Identifier: BSD-2-Clause */
#include "iprev.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/host.h"
#include "lib/dns/dns.h"

struct iprev {
	const struct dns *dns;
	struct host client;
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

struct iprev *
iprev_new(const struct dns *d, const struct host *client)
{
	struct iprev *p = calloc(1, sizeof(*p));
	char reverse[HOST_REVERSE_SIZE], name[HOST_REVERSE_SIZE + 16];

	if (p == NULL)
		return NULL;
	p->dns = d;
	p->client = *client;
	(void)host_reverse(client, reverse);
	snprintf(name, sizeof(name), "%s.%s", reverse,
	    client->family == HOST_IP4 ? "in-addr.arpa" : "ip6.arpa");
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
	enum dns_type type = p->client.family == HOST_IP4 ? DNS_A : DNS_AAAA;

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
	size_t len;
	const unsigned char *octets = host_octets(&p->client, &len);

	for (size_t i = 0; i < a->count; i++) {
		if (a->records[i].len == len &&
		    memcmp(a->records[i].data, octets, len) == 0)
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
