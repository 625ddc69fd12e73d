/*
 * Signatures for one message.  The DKIM library selects, canonicalises and
 * hashes the header fields; bodies are hashed by dkim_body, and keys stay in
 * dkim_key.  The library's handle for verifying is used: it takes any number of
 * signatures, whose text is ours, and gives their hashes.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dkim/dkim_sign.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_engine.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign_impl.h"

#define SIGNATURE "DKIM-Signature"
#define CANONS 2
#define LOG_SIZE 8 /* characters of a signature in a log */

struct dkim_sign {
	const struct dkim_engine *engine;
	struct dkim_body *body[CANONS]; /* by form; NULL: not wanted */
};

struct dkim_sign *
dkim_sign_new(struct dkim_engine *e, unsigned canons)
{
	struct dkim_sign *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->engine = e;
	for (unsigned c = 0; c < CANONS; c++) {
		if ((canons & DKIM_CANON_BIT(c)) == 0)
			continue;
		s->body[c] = dkim_body_new(
		    dkim_engine_sha256(e), (enum dkim_canon)c);
		if (s->body[c] == NULL) {
			dkim_sign_free(s);
			return NULL;
		}
	}
	return s;
}

void
dkim_sign_free(struct dkim_sign *s)
{
	if (s == NULL)
		return;
	for (unsigned c = 0; c < CANONS; c++)
		dkim_body_free(s->body[c]);
	free(s);
}

void
dkim_sign_body(struct dkim_sign *s, const void *bytes, size_t len)
{
	for (unsigned c = 0; c < CANONS; c++) {
		if (s->body[c] != NULL)
			dkim_body_add(s->body[c], bytes, len);
	}
}

/* One run of the library over the header. */
struct run {
	const struct dkim_sign *sign;
	struct arena *arena;
	const struct hdr_list *headers;
	const struct dkim_request *requests;
	struct dkim_result *results;
	size_t count;
	struct buf text;  /* the fields to be, one after the other */
	size_t *ends;     /* where each ends there, by request */
	size_t fed, octets; /* what the library got of the message */
	struct dkim *dkim;
};

static void
fail(struct dkim_result *res, int error, const char *reason)
{
	res->error = error;
	res->reason = reason;
	res->value = res->b = NULL;
}

/* Everybody who has not failed yet. */
static void
fail_all(struct run *r, int error, const char *reason)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->results[i].error == 0)
			fail(&r->results[i], error, reason);
	}
}

/* An earlier request with the very same h=, which was in order; or NULL. */
static const struct dkim_request *
same_names(const struct run *r, size_t at)
{
	for (size_t i = 0; i < at; i++) {
		if (r->results[i].error == 0 &&
		    r->requests[i].names == r->requests[at].names)
			return &r->requests[i];
	}
	return NULL;
}

/* Are the fields there that the request names, and can they be signed? */
static void
check_fields(struct run *r, const char *const *names, struct dkim_result *res)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		bool ok, from = strcasecmp(names[i], "From") == 0;
		size_t n;

		if (i > 0 && strcasecmp(names[i], names[i - 1]) == 0)
			continue;
		n = dkim_sign_count(r->headers, names[i], &ok);
		if (!ok) {
			fail(res, ERR_SYNTAX,
			    from ? "the From field can't be signed"
				 : "a field to sign can't be signed");
			return;
		}
		if (from && n == 0) {
			fail(res, ERR_NOTFOUND, "there is no From field");
			return;
		}
	}
}

static void
check_request(struct run *r, size_t i)
{
	const struct dkim_request *q = &r->requests[i];
	struct dkim_result *res = &r->results[i];

	fail(res, 0, NULL);
	res->reason = dkim_sign_fault(q, &res->error);
	if (res->error != 0)
		return;
	if (r->sign->body[q->body] == NULL)
		fail(res, ERR_SYNTAX, "the body was not hashed in this form");
	else if (same_names(r, i) == NULL)
		check_fields(r, q->names, res);
}

/* Is the field in any h= of those that are in order? */
static bool
wanted(const struct run *r, const struct hdr *h)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->results[i].error == 0 && same_names(r, i) == NULL &&
		    dkim_sign_named(h, r->requests[i].names))
			return true;
	}
	return false;
}

/* All fields that are to be signed; the library chooses among them as a
 * verifier will.  It never gets others. */
static int
feed_fields(struct run *r, struct buf *field)
{
	for (const struct hdr *h = r->headers->first; h != NULL; h = h->next) {
		if (!wanted(r, h))
			continue;
		r->octets += h->name_len + h->value_len;
		if (++r->fed > DKIM_SIGN_FIELDS_MAX ||
		    r->octets > DKIM_SIGN_FIELDS_OCTETS)
			return ERR_LIMIT;
		buf_reset(field);
		dkim_engine_field(
		    field, h->name, h->name_len, h->value, h->value_len);
		if (!dkim_engine_feed(r->dkim, field))
			return ERR_CRYPTO;
	}
	return 0;
}

/* The signature field to be, with some b= that the library takes out. */
static int
feed_signature(struct run *r, size_t i, struct buf *field)
{
	const struct dkim_request *q = &r->requests[i];
	unsigned char body_hash[DKIM_BODY_HASH_SIZE];
	size_t start = r->text.len;

	if (dkim_body_finish(r->sign->body[q->body], body_hash) != 0)
		return ERR_CRYPTO;
	dkim_sign_compose(&r->text, q, body_hash, r->headers);
	if (r->text.failed)
		return ERR_NOMEM;
	r->ends[i] = r->text.len;
	buf_reset(field);
	dkim_engine_field(field, SIGNATURE, strlen(SIGNATURE), " ", 1);
	dkim_engine_text(field, r->text.data + start, r->text.len - start);
	buf_str(field, "AAAA");
	return dkim_engine_feed(r->dkim, field) ? 0 : ERR_CRYPTO;
}

static int
feed_all(struct run *r)
{
	struct buf field = BUF_INIT;
	int rc = feed_fields(r, &field);

	for (size_t i = 0; rc == 0 && i < r->count; i++) {
		if (r->results[i].error == 0)
			rc = feed_signature(r, i, &field);
	}
	buf_fini(&field);
	return rc;
}

static void
sign_one(struct run *r, size_t i, size_t start, size_t at)
{
	unsigned char bytes[DKIM_KEY_SIGNATURE_MAX];
	const unsigned char *hash = dkim_engine_hash(r->dkim, at);
	struct dkim_result *res = &r->results[i];
	struct buf value = BUF_INIT;
	size_t len = sizeof(bytes);
	char *b = NULL;

	if (hash == NULL ||
	    dkim_key_sign(r->requests[i].key, hash, bytes, &len) != 0) {
		fail(res, ERR_CRYPTO, "the signature can't be made");
		return;
	}
	buf_add(&value, r->text.data + start, r->ends[i] - start);
	dkim_sign_append(&value, bytes, len);
	if (buf_text(&value) != NULL) {
		b = arena_memdup(r->arena,
		    value.data + (r->ends[i] - start), LOG_SIZE);
		res->value = arena_memdup(r->arena, value.data, value.len);
		res->b = b;
	}
	if (res->value == NULL || res->b == NULL)
		fail(res, ERR_NOMEM, "no memory");
	buf_fini(&value);
}

static void
sign_all(struct run *r)
{
	size_t start = 0, at = 0;

	if (!dkim_engine_run(&r->dkim)) {
		fail_all(r, ERR_CRYPTO, "the header can't be hashed");
		return;
	}
	for (size_t i = 0; i < r->count; i++) {
		if (r->results[i].error != 0)
			continue;
		sign_one(r, i, start, at++);
		start = r->ends[i];
	}
}

static const char *
reason_for(int error)
{
	switch (error) {
	case ERR_LIMIT:
		return "too many fields, or too long ones, to sign";
	case ERR_NOMEM:
		return "no memory";
	default:
		return "the header can't be hashed";
	}
}

static void
run(struct run *r)
{
	int rc = ERR_NOMEM;

	r->ends = arena_alloc(r->arena, (r->count + 1) * sizeof(*r->ends));
	r->dkim = dkim_engine_begin(r->sign->engine);
	if (r->ends != NULL && r->dkim != NULL)
		rc = feed_all(r);
	if (rc == 0)
		sign_all(r);
	else
		fail_all(r, rc, reason_for(rc));
	dkim_engine_end(r->dkim);
	buf_fini(&r->text);
}

int
dkim_sign_finish(struct dkim_sign *s, struct arena *a,
    const struct hdr_list *headers, const struct dkim_request *requests,
    size_t count, struct dkim_result *results)
{
	struct run r = {.sign = s, .arena = a, .headers = headers,
	    .requests = requests, .results = results, .count = count};
	bool any = false;

	for (size_t i = 0; i < count; i++) {
		if (i < DKIM_SIGN_REQUESTS_MAX)
			check_request(&r, i);
		else
			fail(&results[i], ERR_LIMIT, "too many signatures");
		any |= results[i].error == 0;
	}
	if (any)
		run(&r);
	for (size_t i = 0; i < count; i++) {
		if (results[i].error != 0)
			return results[i].error;
	}
	return 0;
}
