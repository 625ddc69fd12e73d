/* SPDX-License-Identifier: BSD-2-Clause */
#include "host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define PREFIX 12 /* octets in front of an IPv4 address */

static const unsigned char mapped[PREFIX] = {[10] = 0xff, [11] = 0xff};

struct host
host_ip4(const void *octets)
{
	struct host h = {.family = HOST_IP4};

	memcpy(h.octets, mapped, PREFIX);
	memcpy(h.octets + PREFIX, octets, 4);
	return h;
}

struct host
host_ip6(const void *octets)
{
	struct host h = {.family = HOST_IP6};

	memcpy(h.octets, octets, sizeof(h.octets));
	if (memcmp(h.octets, mapped, PREFIX) == 0)
		h.family = HOST_IP4;
	return h;
}

/* Copied, since nobody promises the alignment of a sockaddr. */
struct host
host_of(const struct sockaddr *sa)
{
	sa_family_t family = AF_UNSPEC;
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	if (sa != NULL)
		memcpy(&family,
		    (const char *)sa + offsetof(struct sockaddr, sa_family),
		    sizeof(family));
	if (family == AF_INET) {
		memcpy(&in, sa, sizeof(in));
		return host_ip4(&in.sin_addr);
	}
	if (family == AF_INET6) {
		memcpy(&in6, sa, sizeof(in6));
		return host_ip6(&in6.sin6_addr);
	}
	return (struct host){HOST_NONE, {0}};
}

bool
host_parse(const char *text, struct host *host_r)
{
	unsigned char octets[16];

	*host_r = (struct host){HOST_NONE, {0}};
	if (inet_pton(AF_INET, text, octets) == 1)
		*host_r = host_ip4(octets);
	else if (inet_pton(AF_INET6, text, octets) == 1)
		*host_r = host_ip6(octets);
	return host_r->family != HOST_NONE;
}

const unsigned char *
host_octets(const struct host *h, size_t *len_r)
{
	*len_r = h->family == HOST_IP4 ? 4 : h->family == HOST_IP6 ? 16 : 0;
	return h->octets + (h->family == HOST_IP4 ? PREFIX : 0);
}

const char *
host_text(const struct host *h, char text[HOST_TEXT_SIZE])
{
	size_t len;
	const unsigned char *octets = host_octets(h, &len);

	text[0] = '\0';
	if (len > 0)
		inet_ntop(len == 4 ? AF_INET : AF_INET6, octets, text,
		    HOST_TEXT_SIZE);
	return text;
}

bool
host_reverse(const struct host *h, char text[HOST_REVERSE_SIZE])
{
	static const char hex[] = "0123456789abcdef";
	size_t len;
	const unsigned char *octets = host_octets(h, &len);
	char *p = text;

	if (len == 4)
		snprintf(text, HOST_REVERSE_SIZE, "%d.%d.%d.%d", octets[3],
		    octets[2], octets[1], octets[0]);
	for (size_t i = len; len == 16 && i-- > 0;) {
		*p++ = hex[octets[i] & 15];
		*p++ = '.';
		*p++ = hex[octets[i] >> 4];
		*p++ = i == 0 ? '\0' : '.';
	}
	return len > 0;
}

bool
host_equal(const struct host *a, const struct host *b)
{
	return a->family == b->family &&
	    memcmp(a->octets, b->octets, sizeof(a->octets)) == 0;
}

static const struct in6_addr *
in6_of(const struct host *h, struct in6_addr *a)
{
	memcpy(a, h->octets, sizeof(*a));
	return a;
}

bool
host_is_loopback(const struct host *h)
{
	struct in6_addr a;

	if (h->family == HOST_IP4)
		return h->octets[PREFIX] == IN_LOOPBACKNET;
	return h->family == HOST_IP6 && IN6_IS_ADDR_LOOPBACK(in6_of(h, &a));
}

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
host_is_public(const struct host *h)
{
	struct in6_addr addr;
	const struct in6_addr *a = in6_of(h, &addr);
	uint32_t ip;

	if (h->family == HOST_IP4) {
		memcpy(&ip, h->octets + PREFIX, sizeof(ip));
		return is_public4(ntohl(ip));
	}
	return h->family == HOST_IP6 && !IN6_IS_ADDR_UNSPECIFIED(a) &&
	    !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_LINKLOCAL(a) &&
	    !IN6_IS_ADDR_SITELOCAL(a) && !IN6_IS_ADDR_MULTICAST(a) &&
	    (a->s6_addr[0] & 0xfe) != 0xfc;
}
