/*
 * CPU time of verifying by lib/dkim against the floor: SHA-256 of the body and
 * one EVP verification with a key that is loaded already.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_verify [SECONDS]
 *
 * The message has one signature, and its key is in the DNS's memory. See
 * t/bench/turns.h for how it is measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_record.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dns/dns.h"
#include "lib/mail/hdr.h"
#include "t/bench/bench_mail.h"
#include "t/bench/turns.h"

#define CHUNK 65536 /* what a milter gets at once */
#define FROM "Joe SixPack <joe@example.com>"

struct bench {
	struct dkim_verifier *verifier;
	struct dkim_record *record; /* for the floor */
	struct dns dns;
	struct arena arena;
	struct hdr_list headers; /* with the signature */
	struct buf body, text;
	unsigned char sig[DKIM_KEY_SIGNATURE_MAX];
	size_t sig_len;
	time_t at;
};

/* A DNS whose every answer is the one record. */
struct dns_query {
	struct dns_record record;
	struct dns_answer answer;
};

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	const struct buf *text = ctx;
	struct dns_query *q = calloc(1, sizeof(*q));

	(void)name;
	(void)type;
	if (q == NULL)
		abort();
	q->record.data = (const unsigned char *)text->data;
	q->record.len = text->len;
	q->answer = (struct dns_answer){
	    .status = DNS_OK, .count = 1, .records = &q->record};
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	(void)ctx;
	(void)w;
	return &q->answer;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	free(q);
}

static void
floor_once(void *arg)
{
	struct bench *b = arg;
	unsigned char md[32];

	EVP_Digest(b->body.data, b->body.len, md, NULL, EVP_sha256(), NULL);
	/* Of another hash than the body's; what it costs is the same. */
	memset(md, 7, sizeof(md));
	if (!dkim_record_verify(b->record, md, b->sig, b->sig_len))
		abort();
}

static void
verify_once(void *arg)
{
	struct bench *b = arg;
	struct dkim_policy policy = {.now = b->at, .drift = 300};
	struct dkim_verdicts verdicts;
	struct dkim_verify *v;
	struct arena a;

	arena_init(&a);
	v = dkim_verify_new(b->verifier, &policy, &b->dns, &a, &b->headers);
	for (size_t at = 0; at < b->body.len; at += CHUNK) {
		size_t n = b->body.len - at;

		dkim_verify_body(v, b->body.data + at, n < CHUNK ? n : CHUNK);
	}
	if (dkim_verify_finish(v, NULL, &verdicts) != 0 ||
	    dkim_verdicts_best(&verdicts) != DKIM_STATUS_PASS)
		abort();
	dkim_verify_free(v);
	arena_fini(&a);
}

/* The message, signed with a new key. */
static void
make(struct bench *b, enum dkim_key_type type, enum dkim_canon canon)
{
	struct hdr_list fields = {0};
	unsigned char hash[32];
	struct dkim_key *key;
	const char *value;

	b->sig_len = sizeof(b->sig);
	memset(hash, 7, sizeof(hash));
	buf_reset(&b->text);
	if (dkim_key_generate(type, 2048, &key) != 0 ||
	    dkim_key_record(key, &b->text) != 0 ||
	    dkim_key_sign(key, hash, b->sig, &b->sig_len) != 0)
		abort();
	b->record = dkim_record_read(b->text.data, b->text.len);
	bench_fields(&fields, &b->arena, FROM);
	value =
	    bench_sign(&b->arena, &fields, &b->body, key, "example.com", canon);
	b->headers = (struct hdr_list){0};
	hdr_add(
	    &b->headers, &b->arena, "DKIM-Signature", 14, value, strlen(value));
	bench_fields(&b->headers, &b->arena, FROM);
	dkim_key_free(key);
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {2048, 20480, 1 << 20};
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	struct bench b = {.verifier = dkim_verifier_new(), .at = time(NULL)};
	char name[80];

	b.dns = (struct dns){
	    .ctx = &b.text, .start = start, .collect = collect, .drop = drop};
	arena_init(&b.arena);
	turns_head("verified");
	for (int i = 0; i < 12; i++) {
		bench_body(&b.body, sizes[i % 6 / 2], BENCH_RAGGED);
		make(&b, i < 6 ? DKIM_KEY_RSA : DKIM_KEY_ED25519,
		    i & 1 ? DKIM_SIMPLE : DKIM_RELAXED);
		snprintf(name, sizeof(name), "%s %7zu %s",
		    i < 6 ? "rsa-2048" : "ed25519", sizes[i % 6 / 2],
		    i & 1 ? "simple" : "relaxed");
		turns_compare(name, seconds, floor_once, verify_once, &b);
		dkim_record_free(b.record);
		arena_reset(&b.arena);
	}
	arena_fini(&b.arena);
	buf_fini(&b.body);
	buf_fini(&b.text);
	dkim_verifier_free(b.verifier);
	return 0;
}
