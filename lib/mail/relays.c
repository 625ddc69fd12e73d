/* SPDX-License-Identifier: BSD-2-Clause */
#include "relays.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"

#include "lib/list/netlist.h"
#include "relay_formats.h"

bool
relay_ip_is_private(const char *ip)
{
	struct in_addr in;
	struct in6_addr in6;
	uint32_t v4;

	if (inet_pton(AF_INET6, ip, &in6) == 1) {
		if (!IN6_IS_ADDR_V4MAPPED(&in6))
			return IN6_IS_ADDR_LOOPBACK(&in6) ||
			    IN6_IS_ADDR_LINKLOCAL(&in6);
		memcpy(&in, &in6.s6_addr[12], sizeof(in));
	} else if (inet_pton(AF_INET, ip, &in) != 1)
		return false;
	v4 = ntohl(in.s_addr);
	return v4 >> 24 == 10 || v4 >> 24 == 127 ||
	    v4 >> 22 == (100U << 2 | 1) ||	     /* 100.64/10 */
	    v4 >> 16 == (169U << 8 | 254) ||	     /* 169.254/16 */
	    v4 >> 20 == (172U << 4 | 1) ||	     /* 172.16/12 */
	    v4 >> 16 == (192U << 8 | 168);	     /* 192.168/16 */
}

/* -- trust -- */

/* What counts for the hop that is looked at, and for those behind it. */
struct trust {
	const struct netlist *trusted, *internal, *msa;
	bool guess; /* neither list is set */
	bool in_trusted, in_internal, behind_msa;
};

static void
trust_begin(struct trust *t, const struct relay_nets *nets)
{
	static const struct relay_nets none;

	if (nets == NULL)
		nets = &none;
	*t = (struct trust){.trusted = nets->trusted,
	    .internal = nets->internal, .msa = nets->msa,
	    .in_trusted = true, .in_internal = true};
	if (netlist_is_empty(t->trusted))
		t->trusted = t->internal;
	if (netlist_is_empty(t->internal))
		t->internal = t->trusted;
	t->guess = netlist_is_empty(t->trusted);
}

/* 127/8 and ::1 are ours, whatever the lists say. */
static bool
is_ours(const struct netlist *l, const char *ip, const struct netlist *within)
{
	struct in_addr in;
	struct in6_addr in6;

	if (inet_pton(AF_INET, ip, &in) == 1 && ntohl(in.s_addr) >> 24 == 127)
		return true;
	if (inet_pton(AF_INET6, ip, &in6) == 1 && IN6_IS_ADDR_LOOPBACK(&in6))
		return true;
	return netlist_has_within(l, ip, within);
}

/* Each of our hosts vouches for the one before it, until there is one that is
 * not ours; a login vouches for a hop as well, and a submission server for all
 * that is behind it. */
static void
trust_hop(struct trust *t, struct relay *r)
{
	bool vouched = *r->auth != '\0' || t->behind_msa ||
	    (t->guess && r->private_ip);

	t->in_trusted = t->in_trusted &&
	    (vouched || (!t->guess && is_ours(t->trusted, r->ip, NULL)));
	t->in_internal = t->in_internal && t->in_trusted &&
	    (vouched || is_ours(t->internal, r->ip, t->trusted));
	r->trusted = t->in_trusted;
	r->internal = t->in_internal;
	if (t->in_trusted && !t->guess && !t->behind_msa &&
	    netlist_has_within(t->msa, r->ip, t->trusted)) {
		r->msa = true;
		t->behind_msa = true;
	}
}

/* -- text -- */

static void
add_text(struct buf *b, const struct relay *r)
{
	buf_printf(b,
	    "%s[ ip=%s rdns=%s helo=%s by=%s ident=%s envfrom=%s intl=%d "
	    "id=%s auth=%s msa=%d ]", b->len == 0 ? "" : " ", r->ip, r->rdns,
	    r->helo, r->by, r->ident, r->envfrom, r->internal, r->id, r->auth,
	    r->msa);
}

static const char *
text(struct arena *a, const struct relay *list, size_t from, size_t to)
{
	struct buf b = BUF_INIT;
	const char *copy = NULL;

	for (size_t i = from; i < to; i++)
		add_text(&b, &list[i]);
	if (buf_text(&b) != NULL)
		copy = arena_memdup(a, buf_text(&b), b.len);
	buf_fini(&b);
	return copy;
}

/* -- the path -- */

static const char *
or_empty(const char *s)
{
	return s == NULL ? "" : s;
}

/* A text that may not hold the pseudo-header's own brackets. */
static const char *
tamed(struct arena *a, const char *s)
{
	char *copy = arena_strdup(a, or_empty(s));

	for (char *c = copy; c != NULL && *c != '\0'; c++) {
		if (strchr(" \t\r\n()[]<>|", *c) != NULL)
			*c = '!';
	}
	return copy;
}

static int
from_here(const struct relay_here *here, struct arena *a, struct relay *r)
{
	const char *rdns = or_empty(here->rdns);

	char *dot;

	if (strcasecmp(rdns, "unknown") == 0 || *rdns == '[')
		rdns = "";
	*r = (struct relay){
	    .ip = here->ip,
	    .rdns = tamed(a, rdns),
	    .helo = tamed(a, here->helo),
	    .by = tamed(a, here->by),
	    .ident = "",
	    .envfrom = tamed(a, here->envfrom),
	    .id = tamed(a, here->id),
	    .auth = tamed(a, here->auth),
	};
	dot = r->rdns == NULL ? NULL : strrchr(r->rdns, '.');
	if (dot != NULL && dot[1] == '\0')
		*dot = '\0';
	if (strncasecmp(r->ip, "IPv6:", 5) == 0)
		r->ip += 5;
	if (strncasecmp(r->ip, "::ffff:", 7) == 0 && strchr(r->ip, '.') != NULL)
		r->ip += 7;
	r->ip = tamed(a, r->ip);
	return r->ip == NULL || r->rdns == NULL || r->helo == NULL ||
	    r->by == NULL || r->envfrom == NULL || r->id == NULL ||
	    r->auth == NULL ? ERR_NOMEM : 0;
}

/* Hops at home, behind the mailbox that the message was fetched from. */
static bool
all_private(const struct relay *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!relay_ip_is_private(list[i].ip))
			return false;
	}
	return true;
}

static int
collect(const struct relay_formats *f, const struct hdr_list *header,
    struct arena *a, struct relay *list, struct relays *out)
{
	size_t seen = 0;

	for (const struct hdr *h = header->first;
	    h != NULL && seen < RELAYS_MAX; h = h->next) {
		int outcome;

		if (!hdr_is(h, "Received"))
			continue;
		seen++;
		list[out->count] = (struct relay){0};
		outcome = relay_parse(f, a, h->value, h->value_len,
		    &list[out->count]);
		if (outcome < 0)
			return outcome;
		list[out->count].field = seen;
		if (outcome == RELAY_PARSED)
			out->count++;
		else if (outcome == RELAY_FETCHED &&
		    all_private(list, out->count))
			out->count = 0;
		else if (outcome == RELAY_UNPARSEABLE)
			out->unparseable++;
	}
	return 0;
}

/* Where the message was before the first relay. */
static void
add_origins(const char *const *origins, struct relay *list, struct relays *out)
{
	for (; origins != NULL && *origins != NULL &&
	     out->count <= RELAYS_MAX;
	     origins++)
		list[out->count++] = (struct relay){.ip = *origins,
		    .rdns = "", .helo = "", .by = "", .ident = "",
		    .envfrom = "", .id = "", .auth = "", .field = SIZE_MAX};
}

int
relays_build(const struct relay_formats *f, const struct relay_nets *nets,
    const struct hdr_list *header, const struct relay_here *here,
    struct arena *a, struct relays *relays_r)
{
	struct relay *list =
	    arena_alloc(a, (RELAYS_MAX + 1) * sizeof(*list));
	struct relays *r = relays_r;
	struct trust t;
	int err;

	*r = (struct relays){.list = list};
	if (list == NULL)
		return ERR_NOMEM;
	if (here != NULL && here->ip != NULL) {
		err = from_here(here, a, &list[r->count++]);
		if (err != 0)
			return err;
	}
	err = collect(f, header, a, list, r);
	if (err != 0)
		return err;
	if (nets != NULL)
		add_origins(nets->origins, list, r);
	trust_begin(&t, nets);
	for (size_t i = 0; i < r->count; i++) {
		list[i].private_ip = relay_ip_is_private(list[i].ip);
		trust_hop(&t, &list[i]);
		r->trusted += list[i].trusted;
		r->internal += list[i].internal;
	}
	r->text_trusted = text(a, list, 0, r->trusted);
	r->text_untrusted = text(a, list, r->trusted, r->count);
	r->text_internal = text(a, list, 0, r->internal);
	r->text_external = text(a, list, r->internal, r->count);
	return r->text_trusted == NULL || r->text_untrusted == NULL ||
	    r->text_internal == NULL || r->text_external == NULL ? ERR_NOMEM
	    : 0;
}

/* -- facts -- */

const struct relay *
relays_first_untrusted(const struct relays *r)
{
	return r->trusted < r->count ? &r->list[r->trusted] : NULL;
}

bool
relays_all_trusted(const struct relays *r)
{
	return r->count > 0 && r->trusted == r->count;
}
