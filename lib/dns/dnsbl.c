/* SPDX-License-Identifier: BSD-2-Clause */
#include "dnsbl.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"

#define LABEL_MAX 63
#define NET_CODES 0x7f000000u	/* 127/8 */
#define NET_REFUSED 0x7fffff00u /* 127.255.255.0/24 */

static bool
join(const char *what, const char *zone, char *name_r)
{
	int n = snprintf(name_r, DNSBL_NAME_SIZE, "%s.%s", what, zone);

	return n > 0 && n < DNSBL_NAME_SIZE;
}

bool
dnsbl_name_ip(const struct host *client, const char *zone,
    char name_r[DNSBL_NAME_SIZE])
{
	char reverse[HOST_REVERSE_SIZE];

	return host_reverse(client, reverse) && join(reverse, zone, name_r);
}

bool
dnsbl_name_domain(
    const char *domain, const char *zone, char name_r[DNSBL_NAME_SIZE])
{
	const char *top = strrchr(domain, '.');

	/* No top level domain is a number (RFC 3696 section 2): an address. */
	if (top == NULL || strspn(top + 1, "0123456789") == strlen(top + 1))
		return false;
	for (const char *p = domain; *p != '\0'; p++) {
		size_t n = strcspn(p, ".");

		if (n == 0 || n > LABEL_MAX)
			return false;
		p += n;
		if (*p == '\0')
			break;
	}
	return join(domain, zone, name_r);
}

/* -- codes -- */

static bool
parse_address(const char *text, size_t len, uint32_t *ip_r)
{
	char copy[DNSBL_CODE_SIZE];
	struct in_addr ip;

	if (len >= sizeof(copy))
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (inet_pton(AF_INET, copy, &ip) != 1)
		return false;
	*ip_r = ntohl(ip.s_addr);
	return true;
}

/* The last address of the network that begins at `first`. */
static bool
parse_net(uint32_t first, const char *bits, uint32_t *last_r)
{
	char *end;
	long n = strtol(bits, &end, 10);
	uint32_t host;

	if (*bits < '0' || *bits > '9' || *end != '\0' || n < 8 || n > 32)
		return false;
	host = n == 32 ? 0 : UINT32_MAX >> n;
	*last_r = first | host;
	return (first & host) == 0;
}

/* The bits of an answer's last three octets, as Exim writes them. */
static bool
parse_bits(const char *text, struct dnsbl_range *range_r)
{
	range_r->first = NET_CODES;
	range_r->last = NET_REFUSED - 1;
	return parse_address(text, strlen(text), &range_r->bits) &&
	       range_r->bits != 0 && range_r->bits >> 24 == 0;
}

int
dnsbl_range_parse(
    const char *text, struct dnsbl_range *range_r, struct errmsg *msg_r)
{
	size_t len = strcspn(text, "-/");
	bool good;

	range_r->bits = 0;
	if (*text == '&') {
		if (parse_bits(text + 1, range_r))
			return 0;
		return errmsg_set(
		    msg_r, "expected bits as an address: &0.0.0.8");
	}
	good = parse_address(text, len, &range_r->first);
	range_r->last = range_r->first;
	if (good && text[len] == '/')
		good =
		    parse_net(range_r->first, text + len + 1, &range_r->last);
	else if (good && text[len] == '-')
		good = parse_address(
		    text + len + 1, strlen(text + len + 1), &range_r->last);
	if (!good || range_r->last < range_r->first)
		return errmsg_set(msg_r,
		    "expected an address, a range or a network: 127.0.0.2, "
		    "127.0.0.2-127.0.0.11 or 127.0.0.0/24");
	if (range_r->first >> 24 != NET_CODES >> 24 ||
	    range_r->last >> 24 != NET_CODES >> 24)
		return errmsg_set(msg_r, "expected addresses in 127.0.0.0/8: "
					 "lists answer no others");
	if (range_r->last >= NET_REFUSED)
		return errmsg_set(msg_r,
		    "expected addresses below 127.255.255.0: by those a list "
		    "refuses to answer");
	return 0;
}

bool
dnsbl_range_has(const struct dnsbl_range *range, uint32_t code)
{
	return code >= range->first && code <= range->last &&
	       (code & range->bits) == range->bits;
}

const char *
dnsbl_code_text(uint32_t code, char text_r[DNSBL_CODE_SIZE])
{
	struct in_addr ip = {.s_addr = htonl(code)};

	return inet_ntop(AF_INET, &ip, text_r, DNSBL_CODE_SIZE);
}

/* -- answers -- */

const char *
dnsbl_status_word(enum dnsbl_status status)
{
	static const char *const words[] = {
	    [DNSBL_NOT_LISTED] = "unlisted",
	    [DNSBL_LISTED] = "listed",
	    [DNSBL_NO_ANSWER] = "noanswer",
	    [DNSBL_REFUSED] = "refused",
	    [DNSBL_FOREIGN] = "foreign",
	    [DNSBL_NOT_ASKED] = "off",
	};

	return words[status];
}

static void
read_one(uint32_t ip, struct dnsbl_answer *r)
{
	if (ip >> 24 != NET_CODES >> 24) {
		r->status = DNSBL_FOREIGN;
		r->error = ip;
	} else if (ip >= NET_REFUSED) {
		r->status = DNSBL_REFUSED;
		r->error = ip;
	} else {
		if (r->status == DNSBL_NOT_LISTED)
			r->status = DNSBL_LISTED;
		if (r->count < DNSBL_CODES_MAX)
			r->codes[r->count++] = ip;
	}
}

void
dnsbl_read(const struct dns_answer *a, struct dnsbl_answer *r)
{
	*r = (struct dnsbl_answer){.status = DNSBL_NOT_LISTED};
	switch (a->status) {
	case DNS_OK:
		break;
	case DNS_NODATA:
	case DNS_NXDOMAIN:
	case DNS_BADNAME:
		return;
	default:
		r->status = DNSBL_NO_ANSWER;
		return;
	}
	for (size_t i = 0; i < a->count; i++) {
		const unsigned char *p = a->records[i].data;

		if (a->records[i].len == 4)
			read_one((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
				     (uint32_t)p[2] << 8 | p[3],
			    r);
	}
	/* Beside an error nothing else is believed. */
	if (r->status != DNSBL_LISTED)
		r->count = 0;
}
