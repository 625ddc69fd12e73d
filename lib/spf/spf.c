/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/spf/spf.h"

#include <limits.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/idna.h"
#include "lib/spf/spf_impl.h"

static const char *const outcomes[] = {
    [SPF_NONE] = "none",
    [SPF_NEUTRAL] = "neutral",
    [SPF_PASS] = "pass",
    [SPF_FAIL] = "fail",
    [SPF_SOFTFAIL] = "softfail",
    [SPF_TEMPERROR] = "temperror",
    [SPF_PERMERROR] = "permerror",
};

const char *
spf_outcome_text(enum spf_outcome outcome)
{
	return outcomes[outcome];
}

const char *
spf_scope_text(enum spf_scope scope)
{
	return scope == SPF_HELO ? "helo" : "mfrom";
}

static void
set_client(struct spf *s, const struct host *client)
{
	size_t len;
	const unsigned char *octets = host_octets(client, &len);

	s->v4 = len == 4;
	s->known = len > 0;
	memcpy(s->ip, octets, len);
}

/* Section 4.3: a name of several labels, none of them empty or too long.  A
 * final dot is taken off.  NULL: it is none. */
static const char *
check_domain(struct spf *s, const char *domain)
{
	size_t len = strlen(domain), label = 0, labels = 1;

	if (len > 0 && domain[len - 1] == '.')
		len--;
	if (len == 0 || len > SPF_NAME_MAX)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		if (domain[i] == '.') {
			if (label == 0)
				return NULL;
			label = 0;
			labels++;
			continue;
		}
		if (domain[i] < 0x21 || domain[i] > 0x7e ||
		    strchr("[]()<>@,;:\\\"", domain[i]) != NULL ||
		    ++label > 63)
			return NULL;
	}
	if (label == 0 || labels < 2)
		return NULL;
	domain = arena_memdup(s->arena, domain, len);
	s->failed |= domain == NULL;
	return domain;
}

/* Section 4.3: without a local part it is postmaster's; U-labels become A-labels.
 * Not so in HELO, where there can be none (RFC 8616 section 4). */
static void
split_sender(struct spf *s)
{
	const char *sender = s->request.sender;
	const char *at = strrchr(sender, '@'), *alabels;
	int rc;
	size_t len = at == NULL ? 0 : (size_t)(at - sender);

	s->sender_domain = at == NULL ? sender : at + 1;
	rc = idna_alabels(s->arena, s->sender_domain, &alabels);
	if (rc == 0)
		s->sender_domain = alabels;
	s->local = len == 0 ? "postmaster"
			    : arena_memdup(s->arena, sender, len);
	s->failed |= s->local == NULL || rc == ERR_NOMEM;
}

static void
ask_record(struct spf *s, const char *domain)
{
	domain = check_domain(s, domain);
	if (s->known && domain != NULL)
		spf_ask(s, domain, DNS_TXT);
}

struct spf *
spf_start(const struct dns *dns, struct arena *arena,
    const struct spf_request *request)
{
	struct spf *s = arena_alloc(arena, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->dns = dns;
	s->arena = arena;
	s->request = *request;
	if (s->request.helo == NULL)
		s->request.helo = "";
	set_client(s, &request->client);
	split_sender(s);
	if (request->sender[0] != '\0')
		ask_record(s, s->sender_domain);
	ask_record(s, s->request.helo);
	return s;
}

static struct spf_check *
make_check(struct spf *s, enum spf_scope scope)
{
	struct spf_check *c = arena_alloc(s->arena, sizeof(*c));
	struct spf_result *r = arena_alloc(s->arena, sizeof(*r));

	if (c == NULL || r == NULL)
		return NULL;
	c->spf = s;
	c->result = r;
	c->local = scope == SPF_HELO ? "postmaster" : s->local;
	c->sender_domain =
	    scope == SPF_HELO ? s->request.helo : s->sender_domain;
	r->scope = scope;
	r->result = SPF_NONE;
	r->domain = check_domain(s, c->sender_domain);
	if (r->domain != NULL && s->known)
		c->top = spf_level_load(c, r->domain);
	if (c->top != NULL)
		c->top->grants = true;
	if (r->domain == NULL)
		r->domain = c->sender_domain;
	return c;
}

static struct spf_level *
last_level(struct spf_level *l)
{
	while (l->redirected != NULL)
		l = l->redirected;
	return l;
}

/* An exists or a ptr that tells no client from another. */
static bool
is_everyone(const struct spf_term *t)
{
	return t->kind == SPF_ALL ||
	    (t->kind == SPF_EXISTS && !t->use.client);
}

/* How many addresses are let in by the records that were read. */
static uint64_t
count_addresses(const struct spf_check *c)
{
	uint64_t sum = 0, n;

	for (const struct spf_level *l = c->levels; l != NULL; l = l->next) {
		for (size_t i = 0; l->grants && i < l->record->count; i++) {
			const struct spf_term *t = &l->record->terms[i];

			n = t->qualifier == '+'
			    ? spf_term_width(t, c->spf->v4)
			    : 0;
			sum = n > UINT64_MAX - sum ? UINT64_MAX : sum + n;
			if (t->kind == SPF_ALL)
				break;
		}
	}
	return sum;
}

/* What a pass is worth. */
static void
weigh(struct spf_check *c, const struct spf_term *inner)
{
	struct spf_result *r = c->result;
	/* All of IPv4; for IPv6 all that is routed, 2000::/3 in /56. */
	uint64_t world = c->spf->v4 ? 1ULL << 32 : 1ULL << 53;

	r->addresses = count_addresses(c);
	if (inner != NULL && is_everyone(inner))
		r->addresses = UINT64_MAX;
	r->plus_all = r->addresses >= world;
}

static void
finish(struct spf_check *c)
{
	struct spf_result *r = c->result;
	struct spf_level *l;
	const struct spf_term *t;

	if (c->top != NULL && !c->decided)
		spf_eval(c);
	if (c->top == NULL || c->decided)
		return;
	l = last_level(c->top);
	if (r->result == SPF_FAIL)
		r->explanation = spf_level_explain(c, l);
	t = l->last;
	if (t == NULL || t->kind == SPF_REDIRECT)
		return;
	r->mechanism = t->text;
	while (t != NULL && t->kind == SPF_INCLUDE) {
		l = last_level(l->included);
		t = l->last;
		r->inner = t == NULL ? NULL : t->text;
	}
	if (r->result == SPF_PASS)
		weigh(c, t);
}

int
spf_finish(struct spf *s, struct wait *w, const struct spf_result **mfrom_r,
    const struct spf_result **helo_r)
{
	struct spf_check *mfrom = NULL, *helo;

	/* Both records are read, and what they need is begun to be asked,
	 * before either is waited for. */
	s->wait = w;
	if (s->request.sender[0] != '\0' &&
	    (mfrom = make_check(s, SPF_MFROM)) == NULL)
		return ERR_NOMEM;
	helo = make_check(s, SPF_HELO);
	if (helo == NULL)
		return ERR_NOMEM;
	if (mfrom != NULL)
		finish(mfrom);
	finish(helo);
	if (s->failed)
		return ERR_NOMEM;
	*mfrom_r = mfrom == NULL ? helo->result : mfrom->result;
	*helo_r = helo->result;
	return 0;
}

void
spf_drop(struct spf *s)
{
	if (s != NULL)
		spf_ask_drop(s);
}
