/*
 * The signatures of one message.  dkim_field reads and judges each field, the
 * header engine hashes what it signs, dkim_body hashes bodies, dkim_record
 * verifies; here they meet.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dkim/dkim_verify.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_engine.h"
#include "lib/dkim/dkim_field.h"
#include "lib/dkim/dkim_header.h"
#include "lib/dkim/dkim_keyring.h"
#include "lib/dkim/dkim_record.h"
#include "lib/dkim/dkim_sign_impl.h"
#include "lib/dns/dns.h"
#include "lib/dns/idna.h"
#include "lib/mail/addr.h"
#include "lib/mail/hdr.h"

#define BLOCK 64 /* octets looked at together */
#define SIGS DKIM_VERIFY_SIGNATURES_MAX

struct dkim_verifier {
	struct dkim_engine *engine;
	struct dkim_keyring *keys;
};

struct sig {
	struct dkim_field f;
	const struct hdr *hdr;
	struct dns_query *query; /* maybe shared with another; NULL: not asked */
	struct dkim_body *body;  /* likewise */
	unsigned char hash[DKIM_KEY_HASH_SIZE]; /* of the header */
};

struct dkim_verify {
	struct dkim_verifier *verifier;
	struct dkim_policy policy;
	const struct dns *dns;
	struct arena *arena;
	const struct hdr_list *headers;
	size_t from_count;

	struct sig sigs[SIGS];
	size_t count;
	struct dns_query *queries[SIGS]; /* each once */
	size_t query_count;
	struct dkim_body *bodies[SIGS];  /* each once */
	size_t body_count;

	unsigned char last; /* octet of the body seen */
	bool bare; /* a CR or LF of the body ends no line */
};

const char *
dkim_status_word(enum dkim_status status)
{
	static const char *const words[] = {[DKIM_STATUS_NONE] = "none",
	    [DKIM_STATUS_PASS] = "pass", [DKIM_STATUS_FAIL] = "fail",
	    [DKIM_STATUS_POLICY] = "policy", [DKIM_STATUS_NEUTRAL] = "neutral",
	    [DKIM_STATUS_TEMPERROR] = "temperror",
	    [DKIM_STATUS_PERMERROR] = "permerror"};

	return words[status];
}

enum dkim_status
dkim_verdicts_best(const struct dkim_verdicts *v)
{
	static const enum dkim_status order[] = {DKIM_STATUS_PASS,
	    DKIM_STATUS_TEMPERROR, DKIM_STATUS_POLICY, DKIM_STATUS_FAIL,
	    DKIM_STATUS_PERMERROR, DKIM_STATUS_NEUTRAL};

	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		for (size_t k = 0; k < v->count; k++) {
			if (v->list[k].status == order[i] &&
			    (order[i] == DKIM_STATUS_PASS ||
				!v->list[k].testing))
				return order[i];
		}
	}
	return DKIM_STATUS_NONE;
}

struct dkim_verifier *
dkim_verifier_new(void)
{
	struct dkim_verifier *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->engine = dkim_engine_new();
	r->keys = dkim_keyring_new();
	if (r->engine == NULL || r->keys == NULL) {
		dkim_verifier_free(r);
		return NULL;
	}
	return r;
}

void
dkim_verifier_free(struct dkim_verifier *r)
{
	if (r == NULL)
		return;
	dkim_keyring_free(r->keys);
	dkim_engine_free(r->engine);
	free(r);
}

/* -- which signatures -- */

static bool
is_pending(const struct sig *s)
{
	return s->f.verdict.reason == NULL;
}

static int
read_fields(struct dkim_verify *v)
{
	for (const struct hdr *h = v->headers->first; h != NULL; h = h->next) {
		if (dkim_sign_is(h, "From"))
			v->from_count++;
		if (v->count == SIGS || !dkim_sign_is(h, DKIM_FIELD_NAME))
			continue;
		v->sigs[v->count].hdr = h;
		if (dkim_field_read(v->arena, h, &v->policy,
			&v->sigs[v->count].f) != 0)
			return ERR_NOMEM;
		v->count++;
	}
	return 0;
}

/* Is one of the domains the other, or below it? */
static bool
is_related(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > b_len)
		return is_related(b, a);
	return strcasecmp(b + b_len - a_len, a) == 0 &&
	    (a_len == b_len || b[b_len - a_len - 1] == '.');
}

/* Is it the signature of an author's domain? */
static bool
is_authors(const struct dkim_verify *v, const char *domain)
{
	for (size_t i = 0; domain != NULL && i < v->policy.author_count; i++) {
		if (is_related(domain, v->policy.authors[i]))
			return true;
	}
	return false;
}

/* More signatures than are to be verified: those of the author's domain come
 * first, then the uppermost. */
static void
choose(struct dkim_verify *v)
{
	size_t left = v->policy.signatures;
	bool chosen[SIGS] = {false};

	if (left == 0 || left > SIGS)
		left = SIGS;
	for (int turn = 0; turn < 2; turn++) {
		for (size_t i = 0; i < v->count && left > 0; i++) {
			if (chosen[i] || !is_pending(&v->sigs[i]) ||
			    (turn == 0 &&
				!is_authors(v, v->sigs[i].f.verdict.domain)))
				continue;
			chosen[i] = true;
			left--;
		}
	}
	for (size_t i = 0; i < v->count; i++) {
		if (!chosen[i])
			dkim_field_fault(&v->sigs[i].f, DKIM_STATUS_NEUTRAL,
			    DKIM_CAUSE_LIMIT,
			    "more signatures than are verified");
	}
}

/* -- the header -- */

static bool
feed(struct dkim *d, struct buf *field, const struct hdr *h)
{
	buf_reset(field);
	dkim_engine_field(
	    field, h->name, h->name_len, h->value, h->value_len);
	return dkim_engine_feed(d, field);
}

/* Is the field a signature that the engine may see? */
static bool
is_plain(const struct dkim_verify *v, const struct hdr *h)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->sigs[i].hdr == h)
			return v->sigs[i].f.plain && !v->sigs[i].f.utf8;
	}
	return false;
}

/* Give the engine what signature s is over, and nothing else: the fields it
 * names, in the order of the message.  *at_r is its place among the signatures
 * fed.  Without an engine (d) they are only looked at.  NULL: done; otherwise
 * why not, in words. */
static const char *
feed_all(const struct dkim_verify *v, const struct sig *s, struct dkim *d,
    struct buf *field, size_t *at_r)
{
	size_t fed = 0, octets = 0, sigs = 0;

	buf_reset(field);
	dkim_engine_field(
	    field, DKIM_FIELD_SPARE, strlen(DKIM_FIELD_SPARE), "", 0);
	if (d != NULL && !dkim_engine_feed(d, field))
		return "the header can't be hashed";
	for (const struct hdr *h = v->headers->first; h != NULL; h = h->next) {
		bool is_sig = dkim_sign_is(h, DKIM_FIELD_NAME);

		if (h != s->hdr && !dkim_sign_named(h, s->f.names))
			continue;
		octets += h->name_len + h->value_len;
		if (++fed > DKIM_VERIFY_FIELDS_MAX ||
		    octets > DKIM_VERIFY_OCTETS_MAX)
			return "the header is too large to verify";
		if (is_sig && d != NULL ? !is_plain(v, h) : !dkim_field_ok(h))
			return "a signed field is of a form that can't be "
			       "verified";
		if (h == s->hdr)
			*at_r = sigs;
		sigs += is_sig;
		if (d != NULL && !feed(d, field, h))
			return "the header can't be hashed";
	}
	return NULL;
}

/* The engine does not take it: do without. */
static int
hash_utf8(struct dkim_verify *v, struct sig *s)
{
	struct buf field = BUF_INIT;
	size_t at;
	const char *why = feed_all(v, s, NULL, &field, &at);

	buf_fini(&field);
	if (why == NULL)
		return dkim_header_hash(v->headers, s->hdr, &s->f, s->hash);
	dkim_field_fault(
	    &s->f, DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT, why);
	return 0;
}

static int
hash_header(struct dkim_verify *v, struct sig *s)
{
	struct dkim *d = dkim_engine_begin(v->verifier->engine);
	const unsigned char *hash = NULL;
	struct buf field = BUF_INIT;
	const char *why;
	size_t at = 0;

	if (d == NULL)
		return ERR_NOMEM;
	why = feed_all(v, s, d, &field, &at);
	buf_fini(&field);
	if (why == NULL && dkim_engine_run(&d))
		hash = dkim_engine_hash(d, at);
	if (hash != NULL)
		memcpy(s->hash, hash, sizeof(s->hash));
	else
		dkim_field_fault(&s->f, DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT,
		    why != NULL ? why : "the header can't be hashed");
	dkim_engine_end(d);
	return 0;
}

/* -- bodies and look-ups, each once -- */

static bool
same_body(const struct dkim_field *a, const struct dkim_field *b)
{
	return a->body == b->body && a->limited == b->limited &&
	    a->length == b->length;
}

static int
want_body(struct dkim_verify *v, struct sig *s)
{
	const struct evp_md_st *sha256 =
	    dkim_engine_sha256(v->verifier->engine);

	for (struct sig *o = v->sigs; o < s; o++) {
		if (o->body != NULL && same_body(&o->f, &s->f)) {
			s->body = o->body;
			return 0;
		}
	}
	s->body = s->f.limited
	    ? dkim_body_new_limited(sha256, s->f.body, s->f.length)
	    : dkim_body_new(sha256, s->f.body);
	if (s->body == NULL)
		return ERR_NOMEM;
	v->bodies[v->body_count++] = s->body;
	return 0;
}

static int
want_key(struct dkim_verify *v, struct sig *s)
{
	if (v->dns == NULL)
		return 0;
	for (struct sig *o = v->sigs; o < s; o++) {
		if (o->query != NULL &&
		    strcasecmp(o->f.key_name, s->f.key_name) == 0) {
			s->query = o->query;
			return 0;
		}
	}
	s->query = dns_start(v->dns, s->f.key_name, DNS_TXT);
	if (s->query == NULL)
		return ERR_NOMEM;
	v->queries[v->query_count++] = s->query;
	return 0;
}

/* The header as a whole may rule out any pass. */
static void
check_header(const struct dkim_verify *v, struct sig *s)
{
	if (v->from_count == 0)
		dkim_field_fault(&s->f, DKIM_STATUS_PERMERROR,
		    DKIM_CAUSE_SIGNATURE, "there is no From field");
	else if (v->policy.strict && hdr_repeated(v->headers) != NULL)
		dkim_field_fault(&s->f, DKIM_STATUS_PERMERROR, DKIM_CAUSE_FORM,
		    "a header field is there too often");
	else if (v->policy.strict && hdr_missing(v->headers) != NULL)
		dkim_field_fault(&s->f, DKIM_STATUS_PERMERROR, DKIM_CAUSE_FORM,
		    "a header field is missing");
}

static int
begin(struct dkim_verify *v)
{
	int rc = read_fields(v);

	choose(v);
	for (struct sig *s = v->sigs; rc == 0 && s < v->sigs + v->count; s++) {
		check_header(v, s);
		if (is_pending(s))
			rc = want_key(v, s);
	}
	/* Hashing, while the questions are on their way. */
	for (struct sig *s = v->sigs; rc == 0 && s < v->sigs + v->count; s++) {
		if (is_pending(s))
			rc = s->f.utf8 ? hash_utf8(v, s) : hash_header(v, s);
		if (rc == 0 && is_pending(s))
			rc = want_body(v, s);
	}
	return rc;
}

struct dkim_verify *
dkim_verify_new(struct dkim_verifier *r, const struct dkim_policy *policy,
    const struct dns *dns, struct arena *a, const struct hdr_list *headers)
{
	struct dkim_verify *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->verifier = r;
	v->policy = *policy;
	if (v->policy.min_bits < DKIM_KEY_BITS_MIN)
		v->policy.min_bits = DKIM_KEY_BITS_MIN;
	v->dns = dns;
	v->arena = a;
	v->headers = headers;
	if (begin(v) != 0) {
		dkim_verify_free(v);
		return NULL;
	}
	return v;
}

void
dkim_verify_free(struct dkim_verify *v)
{
	if (v == NULL)
		return;
	for (size_t i = 0; i < v->query_count; i++)
		dns_drop(v->dns, v->queries[i]);
	for (size_t i = 0; i < v->body_count; i++)
		dkim_body_free(v->bodies[i]);
	free(v);
}

/* Is one of the octets an LF without the CR before it, or behind a CR but no
 * LF?  In a form that becomes vector code. */
static bool
block_bare(const unsigned char *p)
{
	uint8_t any = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		uint8_t cr = p[(ptrdiff_t)i - 1] == '\r', lf = p[i] == '\n';

		any |= (uint8_t)(cr ^ lf);
	}
	return any != 0;
}

/* The same for a piece of any length; last is the octet before it. */
static bool
has_bare(unsigned char last, const unsigned char *p, size_t len)
{
	size_t at = 1;

	if ((last == '\r') != (p[0] == '\n'))
		return true;
	for (; len - at >= BLOCK && at < len; at += BLOCK) {
		if (block_bare(p + at))
			return true;
	}
	for (; at < len; at++) {
		if ((p[at - 1] == '\r') != (p[at] == '\n'))
			return true;
	}
	return false;
}

void
dkim_verify_body(struct dkim_verify *v, const void *bytes, size_t len)
{
	if (v->body_count == 0 || len == 0)
		return;
	for (size_t i = 0; i < v->body_count; i++)
		dkim_body_add(v->bodies[i], bytes, len);
	if (!v->bare)
		v->bare = has_bare(v->last, bytes, len);
	v->last = ((const unsigned char *)bytes)[len - 1];
}

/* -- the end -- */

static void
fault(struct sig *s, enum dkim_status status, enum dkim_cause cause,
    const char *words)
{
	dkim_field_fault(&s->f, status, cause, words);
}

/* The key record; NULL: there is none, and the signature has its verdict. */
static struct dkim_record *
collect_key(struct dkim_verify *v, struct sig *s, struct wait *w)
{
	const struct dns_answer *a;
	struct dkim_record *r;

	if (s->query == NULL) {
		fault(s, DKIM_STATUS_TEMPERROR, DKIM_CAUSE_DNS,
		    "the DNS can't be asked");
		return NULL;
	}
	a = dns_collect(v->dns, s->query, w);
	s->f.verdict.secure = a->secure;
	if (a->status == DNS_TEMPFAIL || a->status == DNS_TIMEOUT) {
		fault(s, DKIM_STATUS_TEMPERROR, DKIM_CAUSE_DNS,
		    a->status == DNS_TIMEOUT
			? "the key look-up took too long"
			: "the key look-up failed");
		return NULL;
	}
	if (a->status != DNS_OK || a->count == 0) {
		fault(s, DKIM_STATUS_PERMERROR, DKIM_CAUSE_NO_KEY,
		    "there is no key");
		return NULL;
	}
	/* RFC 6376 section 3.6.2.2: undefined. */
	if (a->count > 1) {
		fault(s, DKIM_STATUS_PERMERROR, DKIM_CAUSE_KEY,
		    "there is more than one key record");
		return NULL;
	}
	r = dkim_keyring_get(
	    v->verifier->keys, a->records[0].data, a->records[0].len);
	if (r == NULL)
		fault(s, DKIM_STATUS_TEMPERROR, DKIM_CAUSE_INTERNAL,
		    "no memory");
	return r;
}

/* Can the key have made such a signature? */
static void
check_key(struct sig *s, const struct dkim_record *r)
{
	enum dkim_cause cause;
	const char *why = dkim_record_fault(r, &cause);

	s->f.verdict.testing = dkim_record_testing(r);
	s->f.verdict.bits = dkim_record_bits(r);
	if (why != NULL)
		fault(s, DKIM_STATUS_PERMERROR, cause, why);
	else if (dkim_record_type(r) != s->f.type)
		fault(s, DKIM_STATUS_PERMERROR, DKIM_CAUSE_KEY,
		    "the key is not for the signature's algorithm");
	else if (dkim_record_strict(r) && s->f.subdomain)
		fault(s, DKIM_STATUS_PERMERROR, DKIM_CAUSE_KEY,
		    "the key is not for subdomains");
}

static void
check_body(struct sig *s)
{
	unsigned char hash[DKIM_BODY_HASH_SIZE];

	if (dkim_body_finish(s->body, hash) != 0)
		fault(s, DKIM_STATUS_TEMPERROR, DKIM_CAUSE_INTERNAL,
		    "the body can't be hashed");
	else if (s->f.limited && s->f.length > dkim_body_octets(s->body))
		fault(s, DKIM_STATUS_PERMERROR, DKIM_CAUSE_SIGNATURE,
		    "the signature's l= is longer than the body");
	else if (memcmp(hash, s->f.body_hash, sizeof(hash)) != 0)
		fault(s, DKIM_STATUS_FAIL, DKIM_CAUSE_BODY,
		    "the body was changed");
}

/* Is one of these fields there, and not signed? */
static bool
leaves_out(const struct dkim_verify *v, const struct sig *s)
{
	const char *const *must = v->policy.must_sign;

	for (; must != NULL && *must != NULL; must++) {
		const struct hdr *h = hdr_find(v->headers, *must);

		if (h != NULL && !dkim_sign_named(h, s->f.names))
			return true;
	}
	return false;
}

/* It verifies; is it good enough?  Of two From fields there is no telling which
 * one a reader is shown.  A key in test mode has no part in it: nobody but its
 * owner can have signed. */
static void
check_policy(const struct dkim_verify *v, struct sig *s)
{
	if (v->from_count > 1)
		fault(s, DKIM_STATUS_POLICY, DKIM_CAUSE_FIELDS,
		    "there is more than one From field");
	else if (leaves_out(v, s))
		fault(s, DKIM_STATUS_POLICY, DKIM_CAUSE_FIELDS,
		    "a field is not signed that has to be");
	else if (s->f.type == DKIM_KEY_RSA &&
	    s->f.verdict.bits < v->policy.min_bits)
		fault(s, DKIM_STATUS_POLICY, DKIM_CAUSE_WEAK,
		    "the key is too short");
	else if (s->f.limited && s->f.length < dkim_body_octets(s->body))
		fault(s, DKIM_STATUS_POLICY, DKIM_CAUSE_LENGTH,
		    "a part of the body is not signed");
	else if (v->bare || v->last == '\r')
		fault(s, DKIM_STATUS_POLICY, DKIM_CAUSE_LINES,
		    "the body has a CR or LF that ends no line");
	else
		s->f.verdict.status = DKIM_STATUS_PASS;
	if (s->f.verdict.status == DKIM_STATUS_PASS && s->f.verdict.testing)
		s->f.verdict.reason = "the key is in test mode";
}

static void
judge(struct dkim_verify *v, struct sig *s, struct wait *w)
{
	struct dkim_record *r = collect_key(v, s, w);

	if (r == NULL)
		return;
	check_key(s, r);
	if (is_pending(s))
		check_body(s);
	if (is_pending(s) &&
	    !dkim_record_verify(r, s->hash, s->f.sig, s->f.sig_len))
		fault(s, DKIM_STATUS_FAIL, DKIM_CAUSE_HEADER,
		    "the signature does not match header and key");
	if (is_pending(s))
		check_policy(v, s);
	dkim_record_free(r);
}

int
dkim_verify_finish(
    struct dkim_verify *v, struct wait *w, struct dkim_verdicts *verdicts_r)
{
	struct dkim_verdict *list =
	    arena_alloc(v->arena, (v->count + 1) * sizeof(*list));

	if (list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < v->count; i++) {
		if (is_pending(&v->sigs[i]))
			judge(v, &v->sigs[i], w);
		list[i] = v->sigs[i].f.verdict;
	}
	*verdicts_r = (struct dkim_verdicts){.count = v->count, .list = list,
	    .many_from = v->from_count != 1};
	return 0;
}
