/* SPDX-License-Identifier: BSD-2-Clause */
#include "netlist.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"

#define ENTRY_MAX 128

/* From one address to another, both in it.  IPv4 as mapped. */
struct net {
	uint8_t from[16], to[16];
	bool negated;
};

struct netlist {
	struct net *nets;
	size_t count, room;
};

struct netlist *
netlist_new(void)
{
	return calloc(1, sizeof(struct netlist));
}

void
netlist_free(struct netlist *l)
{
	if (l == NULL)
		return;
	free(l->nets);
	free(l);
}

bool
netlist_is_empty(const struct netlist *l)
{
	return l == NULL || l->count == 0;
}

/* -- words -- */

static bool
number(const char **s, unsigned max, unsigned *n_r)
{
	unsigned n = 0;
	const char *start = *s;

	for (; **s >= '0' && **s <= '9'; (*s)++) {
		n = n * 10 + (unsigned)(**s - '0');
		if (n > max)
			return false;
	}
	*n_r = n;
	return *s > start;
}

/* One to four numbers, a dot behind them or not.  What is missing is zero, and
 * *bits_r the length of what is there. */
static bool
read_v4(const char *s, uint8_t addr[16], unsigned *bits_r)
{
	unsigned n, count = 0;

	memset(addr, 0, 16);
	addr[10] = addr[11] = 0xff;
	while (count < 4 && number(&s, 255, &n)) {
		addr[12 + count++] = (uint8_t)n;
		if (*s != '.' || count == 4)
			break;
		s++;
	}
	*bits_r = 96 + 8 * count;
	return count > 0 && *s == '\0';
}

static bool
read_addr(char *s, uint8_t addr[16], unsigned *bits_r)
{
	char *scope = strchr(s, '%');

	if (strchr(s, ':') == NULL)
		return read_v4(s, addr, bits_r);
	if (scope != NULL)
		*scope = '\0'; /* every list is of all interfaces */
	*bits_r = 128;
	return inet_pton(AF_INET6, s, addr) == 1;
}

/* `24`, or 255.255.255.0. */
static bool
read_mask(const char *s, bool v4, unsigned *bits_r)
{
	uint8_t mask[16];
	unsigned n;

	if (v4 && strchr(s, '.') != NULL) {
		if (!read_v4(s, mask, &n) || n != 128)
			return false;
		for (n = 0; n < 32 && (mask[12 + n / 8] << n % 8 & 0x80); n++)
			;
		*bits_r = 96 + n;
		for (; n < 32; n++) {
			if ((mask[12 + n / 8] << n % 8 & 0x80) != 0)
				return false;
		}
		return true;
	}
	if (!number(&s, v4 ? 32 : 128, &n) || *s != '\0')
		return false;
	*bits_r = v4 ? 96 + n : n;
	return true;
}

static void
spread(struct net *net, unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		uint8_t host = bits <= 8 * i ? 0xff
		    : bits >= 8 * i + 8 ? 0 : (uint8_t)(0xff >> (bits - 8 * i));

		net->from[i] &= (uint8_t)~host;
		net->to[i] = net->from[i] | host;
	}
}

static bool
read_range(char *s, char *dash, struct net *net)
{
	unsigned a, b;

	*dash = '\0';
	return read_addr(s, net->from, &a) &&
	    read_addr(dash + 1, net->to, &b) && a == 128 && b == 128 &&
	    memcmp(net->from, net->to, 16) <= 0;
}

/* Brackets may stand about the address, with or without its mask. */
static void
unbracket(char *s)
{
	char *close;

	if (*s != '[' || (close = strchr(s, ']')) == NULL)
		return;
	memmove(close, close + 1, strlen(close));
	memmove(s, s + 1, strlen(s));
}

static bool
read_net(char *s, struct net *net)
{
	char *slash, *dash;
	unsigned bits;
	bool v4;

	unbracket(s);
	dash = strchr(s, '-');
	if (dash != NULL)
		return read_range(s, dash, net);
	slash = strchr(s, '/');
	if (slash != NULL)
		*slash = '\0';
	v4 = strchr(s, ':') == NULL;
	if (!read_addr(s, net->from, &bits) ||
	    (slash != NULL && !read_mask(slash + 1, v4, &bits)))
		return false;
	spread(net, bits);
	return true;
}

/* -- the list -- */

static int
put(struct netlist *l, const struct net *net)
{
	if (l->count == NETLIST_MAX)
		return ERR_LIMIT;
	if (l->count == l->room) {
		size_t room = l->room == 0 ? 8 : 2 * l->room;
		struct net *nets = realloc(l->nets, room * sizeof(*nets));

		if (nets == NULL)
			return ERR_NOMEM;
		l->nets = nets;
		l->room = room;
	}
	l->nets[l->count++] = *net;
	return 0;
}

static bool
holds(const struct net *outer, const struct net *inner)
{
	return memcmp(outer->from, inner->from, 16) <= 0 &&
	    memcmp(inner->to, outer->to, 16) <= 0;
}

/* The first that holds all of it; NULL: none does. */
static const struct net *
find(const struct netlist *l, const struct net *net)
{
	for (size_t i = 0; l != NULL && i < l->count; i++) {
		if (holds(&l->nets[i], net))
			return &l->nets[i];
	}
	return NULL;
}

/* 127.0.0.0/8 and ::1 */
static bool
is_loopback(const struct net *net)
{
	static const struct net v4 = {
		.from = {[10] = 0xff, 0xff, 127},
		.to = {[10] = 0xff, 0xff, 127, 0xff, 0xff, 0xff}};
	static const struct net v6 = {.from = {[15] = 1}, .to = {[15] = 1}};

	return holds(&v4, net) || holds(&v6, net);
}

static bool
parse(const char *entry, struct net *net)
{
	char text[ENTRY_MAX];
	size_t len;

	*net = (struct net){.negated = *entry == '!'};
	len = strlen(entry + net->negated);
	if (len >= sizeof(text))
		return false;
	memcpy(text, entry + net->negated, len + 1);
	return read_net(text, net);
}

int
netlist_add(struct netlist *l, const char *entry, struct errmsg *msg_r)
{
	struct net net;

	if (!parse(entry, &net))
		return errmsg_set(msg_r,
		    "%.100s: not an address or network, such as 192.0.2.1, "
		    "192.168.0.0/16, 10. or 2001:db8::/32", entry);
	return find(l, &net) == NULL ? put(l, &net) : 0;
}

bool
netlist_decides(const struct netlist *l, const char *entry,
    struct errmsg *msg_r)
{
	struct net net;
	const struct net *earlier =
	    parse(entry, &net) ? find(l, &net) : NULL;

	if (earlier == NULL)
		return false;
	errmsg_set(msg_r,
	    "%.100s has no effect: an entry before it already %s it", entry,
	    earlier->negated ? "excludes" : "includes");
	return true;
}

/* The address as a net of one. */
static bool
one_address(const char *ip, struct net *net)
{
	char text[INET6_ADDRSTRLEN];
	size_t len = strlen(ip);
	unsigned bits;

	if (len >= sizeof(text))
		return false;
	memcpy(text, ip, len + 1);
	if (!read_addr(text, net->from, &bits) || bits != 128)
		return false;
	memcpy(net->to, net->from, sizeof(net->to));
	return true;
}

bool
netlist_has(const struct netlist *l, const char *ip)
{
	return netlist_has_within(l, ip, NULL);
}

bool
netlist_has_within(const struct netlist *l, const char *ip,
    const struct netlist *within)
{
	struct net net;

	if (!one_address(ip, &net))
		return false;
	for (size_t i = 0; l != NULL && i < l->count; i++) {
		const struct net *outer;

		if (!holds(&l->nets[i], &net))
			continue;
		if (l->nets[i].negated)
			return false;
		if (within == NULL || within == l ||
		    is_loopback(&l->nets[i]))
			return true;
		outer = find(within, &l->nets[i]);
		if (outer != NULL && !outer->negated)
			return true;
	}
	return false;
}
