/* SPDX-License-Identifier: BSD-2-Clause */
#include "helo.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dns/dns.h"
#include "lib/dns/idna.h"

#define TEXT_MAX 255 /* octets; RFC 1035 section 2.3.4 */

struct helo {
	const struct dns *dns;
	unsigned char client[16];
	bool has_client;
	struct dns_query *query; /* for addresses of the client's family */
	struct dns_query *other; /* for those of the other */
	bool done;
	struct helo_result result;
	struct arena arena;
};

static void
map(const void *v4, unsigned char address_r[16])
{
	memset(address_r, 0, 10);
	memset(address_r + 10, 0xff, 2);
	memcpy(address_r + 12, v4, 4);
}

static bool
is_mapped(const unsigned char address[16])
{
	static const unsigned char prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(address, prefix, sizeof(prefix)) == 0;
}

bool
helo_sockaddr(const struct sockaddr *sa, unsigned char address_r[16])
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	if (sa != NULL && sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		map(&v4.sin_addr, address_r);
		return true;
	}
	if (sa != NULL && sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		memcpy(address_r, &v6.sin6_addr, 16);
		return true;
	}
	return false;
}

bool
helo_address(const char *text, unsigned char address_r[16])
{
	struct in_addr v4;

	if (inet_pton(AF_INET, text, &v4) == 1) {
		map(&v4, address_r);
		return true;
	}
	return inet_pton(AF_INET6, text, address_r) == 1;
}

/* RFC 5321 section 4.1.3.  IPv6 has its tag; without one it is no literal. */
static bool
parse_literal(const char *text, size_t len, unsigned char address_r[16])
{
	static const char tag[] = "IPv6:";
	char inner[INET6_ADDRSTRLEN];
	struct in_addr v4;
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
	if (v6)
		return inet_pton(AF_INET6, inner, address_r) == 1;
	if (inet_pton(AF_INET, inner, &v4) != 1)
		return false;
	map(&v4, address_r);
	return true;
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
		if (parse_literal(text, len, r->address))
			r->form = HELO_LITERAL;
		return 0;
	}
	if (helo_address(text, r->address)) {
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
helo_new(const struct dns *d, const char *helo, const struct sockaddr *client)
{
	struct helo *h = calloc(1, sizeof(*h));
	bool v4;

	if (h == NULL)
		return NULL;
	h->dns = d;
	arena_init(&h->arena);
	h->has_client = helo_sockaddr(client, h->client);
	if (parse(h, helo) != 0) {
		helo_free(h);
		return NULL;
	}
	if (d == NULL || h->result.form != HELO_NAME || !h->has_client)
		return h;
	v4 = is_mapped(h->client);
	h->query = dns_start(d, h->result.name, v4 ? DNS_A : DNS_AAAA);
	h->other = dns_start(d, h->result.name, v4 ? DNS_AAAA : DNS_A);
	if (h->query == NULL || h->other == NULL) {
		helo_free(h);
		return NULL;
	}
	return h;
}

static bool
has_address(const struct dns_answer *a, const unsigned char client[16])
{
	for (size_t i = 0; i < a->count; i++) {
		unsigned char address[16];

		if (a->records[i].len == 4)
			map(a->records[i].data, address);
		else if (a->records[i].len == 16)
			memcpy(address, a->records[i].data, 16);
		else
			continue;
		if (memcmp(address, client, 16) == 0)
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

	if (has_address(a, h->client))
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
	else if (h->has_client &&
	    (r->form == HELO_LITERAL || r->form == HELO_ADDRESS))
		r->status = memcmp(r->address, h->client, 16) == 0 ? HELO_PASS
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
