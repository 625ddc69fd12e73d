/* SPDX-License-Identifier: BSD-2-Clause */
#include "evals_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "relays.h"

static bool
no_relays(const struct relays *r)
{
	return r->count == 0;
}

static bool
unparseable(const struct relays *r)
{
	return r->unparseable > 0;
}

/* A bare IPv4 address, in host order.  Brackets stand as `!` here. */
static bool
v4(const char *text, uint32_t *addr_r)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return false;
	*addr_r = ntohl(in.s_addr);
	return true;
}

/* Somebody not trusted said an address where a name belongs. */
static bool
numeric_helo(const struct relays *r)
{
	uint32_t helo;

	for (size_t i = r->trusted; i < r->count; i++) {
		if (v4(r->list[i].helo, &helo))
			return true;
	}
	return false;
}

/* And an address of another network (/24) than the one that he had. */
static bool
helo_ip_mismatch(const struct relays *r)
{
	uint32_t helo, ip;

	for (size_t i = r->trusted; i < r->count; i++) {
		const struct relay *one = &r->list[i];

		if (!one->private_ip && v4(one->helo, &helo) &&
		    v4(one->ip, &ip) && !relay_ip_is_private(one->helo) &&
		    helo >> 8 != ip >> 8)
			return true;
	}
	return false;
}

static const struct eval_relay evals[] = {
	{"check_all_trusted", relays_all_trusted},
	{"check_for_numeric_helo", numeric_helo},
	{"check_no_relays", no_relays},
	{"check_relays_unparseable", unparseable},
	{"helo_ip_mismatch", helo_ip_mismatch},
};

const struct eval_relay *
eval_relay_find(const char *name)
{
	for (size_t i = 0; i < sizeof(evals) / sizeof(evals[0]); i++) {
		if (strcmp(name, evals[i].name) == 0)
			return &evals[i];
	}
	return NULL;
}

const struct eval_relay *
eval_relay_all(size_t *count_r)
{
	*count_r = sizeof(evals) / sizeof(evals[0]);
	return evals;
}
