/* SPDX-License-Identifier: BSD-2-Clause */
#include "helo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/dns/idna.h"

#define TEXT_MAX 255 /* octets; RFC 1035 section 2.3.4 */

struct helo {
	const struct dns *dns;
	struct host client;
	struct dns_query *query; /* for addresses of the client's family */
	struct dns_query *other; /* for those of the other */
	bool done;
	struct helo_result result;
	struct arena arena;
};

/* RFC 5321 section 4.1.3.  IPv6 has its tag; without one it is no literal. */
static bool
parse_literal(const char *text, size_t len, struct host *address_r)
{
	static const char tag[] = "IPv6:";
	char inner[HOST_TEXT_SIZE];
	bool v6;

	if (len < 2 || text[len - 1] != ']')
		return false;
	v6 = strncasecmp(text + 1, tag, sizeof(tag) - 1) == 0;
	text += v6 ? sizeof(tag) : 1;
	len -= v6 ? sizeof(tag) + 1 : 2;
	if (len >= sizeof(inner))
		return false;
	memcpy(inner, text, len);
	inner[len] = '\0';
	return (strchr(inner, ':') != NULL) == v6 &&
	    host_parse(inner, address_r);
}

/* A name that is all digits and dots is no name (RFC 3696 section 2). */
static bool
is_name(const char *name)
{
	const char *last = strrchr(name, '.');

	last = last == NULL ? name : last + 1;
	return last[strspn(last, "0123456789")] != '\0' &&
	    strchr(name, '_') == NULL;
}

/* 0 or ERR_NOMEM. */
static int
parse(struct helo *h, const char *text)
{
	struct helo_result *r = &h->result;
	size_t len = strnlen(text, TEXT_MAX + 1);

	r->form = HELO_INVALID;
	r->bracketed = text[0] == '[';
	if (len > TEXT_MAX)
		return 0;
	if (r->bracketed) {
		if (parse_literal(text, len, &r->address))
			r->form = HELO_LITERAL;
		return 0;
	}
	if (host_parse(text, &r->address)) {
		r->form = HELO_ADDRESS;
		return 0;
	}
	if (idna_ascii(&h->arena, text, &r->name) == ERR_NOMEM)
		return ERR_NOMEM;
	if (r->name != NULL && is_name(r->name))
		r->form = strchr(r->name, '.') != NULL ? HELO_NAME : HELO_WORD;
	else
		r->name = NULL;
	return 0;
}

struct helo *
helo_new(const struct dns *d, const char *helo, const struct host *client)
{
	struct helo *h = calloc(1, sizeof(*h));
	bool v4;

	if (h == NULL)
		return NULL;
	h->dns = d;
	arena_init(&h->arena);
	if (client != NULL)
		h->client = *client;
	if (parse(h, helo) != 0) {
		helo_free(h);
		return NULL;
	}
	if (d == NULL || h->result.form != HELO_NAME ||
	    h->client.family == HOST_NONE)
		return h;
	v4 = h->client.family == HOST_IP4;
	h->query = dns_start(d, h->result.name, v4 ? DNS_A : DNS_AAAA);
	h->other = dns_start(d, h->result.name, v4 ? DNS_AAAA : DNS_A);
	if (h->query == NULL || h->other == NULL) {
		helo_free(h);
		return NULL;
	}
	return h;
}

static bool
has_address(const struct dns_answer *a, const struct host *client)
{
	for (size_t i = 0; i < a->count; i++) {
		const struct dns_record *r = &a->records[i];
		struct host h = {HOST_NONE, {0}};

		if (r->len == 4)
			h = host_ip4(r->data);
		else if (r->len == 16)
			h = host_ip6(r->data);
		if (host_equal(&h, client))
			return true;
	}
	return false;
}

static bool
is_unsure(const struct dns_answer *a)
{
	return a->status == DNS_TEMPFAIL || a->status == DNS_TIMEOUT;
}

static enum helo_status
look_up(struct helo *h, struct wait *w)
{
	const struct dns_answer *a = dns_collect(h->dns, h->query, w);
	const struct dns_answer *b;

	if (has_address(a, &h->client))
		return HELO_PASS;
	if (is_unsure(a))
		return HELO_TEMPERROR;
	if (a->count > 0)
		return HELO_FAIL;
	b = dns_collect(h->dns, h->other, w);
	if (is_unsure(b))
		return HELO_TEMPERROR;
	return b->count > 0 ? HELO_FAIL : HELO_NONE;
}

const struct helo_result *
helo_collect(struct helo *h, struct wait *w)
{
	struct helo_result *r = &h->result;

	if (h->done)
		return r;
	h->done = true;
	r->status = HELO_NONE;
	if (h->query != NULL)
		r->status = look_up(h, w);
	else if (h->client.family != HOST_NONE &&
	    (r->form == HELO_LITERAL || r->form == HELO_ADDRESS))
		r->status = host_equal(&r->address, &h->client) ? HELO_PASS
								: HELO_FAIL;
	return r;
}

void
helo_free(struct helo *h)
{
	if (h == NULL)
		return;
	dns_drop(h->dns, h->query);
	dns_drop(h->dns, h->other);
	arena_fini(&h->arena);
	free(h);
}

const char *
helo_form_word(enum helo_form form)
{
	static const char *const words[] = {
	    "name", "word", "literal", "address", "invalid"};

	return words[form];
}

const char *
helo_status_word(enum helo_status status)
{
	static const char *const words[] = {
	    "pass", "fail", "none", "temperror"};

	return words[status];
}
