/*
 * CPU time of verifying by lib/dkim against the floor: SHA-256 of the body and
 * one EVP verification with a key that is loaded already.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_verify [SECONDS]
 *
 * The message has one signature, and its key is in the DNS's memory. For each
 * case floor and verification are measured in turns, and the medians of the
 * turns compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_record.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dns.h"
#include "lib/err.h"
#include "lib/hdr.h"

#define TURNS 21
#define CHUNK 65536 /* what a milter gets at once */
#define AT 1700000000

struct bench {
	struct dkim_verifier *verifier;
	struct dkim_record *record; /* for the floor */
	struct dns dns;
	struct arena arena;
	struct hdr_list headers; /* with the signature */
	struct buf body, text;
	unsigned char sig[DKIM_KEY_SIGNATURE_MAX];
	size_t sig_len;
};

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

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
collect(void *ctx, struct dns_query *q, int64_t deadline_ms)
{
	(void)ctx;
	(void)deadline_ms;
	return &q->answer;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	free(q);
}

static void
floor_once(struct bench *b)
{
	unsigned char md[32];

	EVP_Digest(b->body.data, b->body.len, md, NULL, EVP_sha256(), NULL);
	/* Of another hash than the body's; what it costs is the same. */
	memset(md, 7, sizeof(md));
	if (!dkim_record_verify(b->record, md, b->sig, b->sig_len))
		abort();
}

static void
verify_once(struct bench *b)
{
	struct dkim_policy policy = {.now = AT, .drift = 300};
	struct dkim_verdicts verdicts;
	struct dkim_verify *v;
	struct arena a;

	arena_init(&a);
	v = dkim_verify_new(b->verifier, &policy, &b->dns, &a, &b->headers);
	for (size_t at = 0; at < b->body.len; at += CHUNK) {
		size_t n = b->body.len - at;

		dkim_verify_body(v, b->body.data + at, n < CHUNK ? n : CHUNK);
	}
	if (dkim_verify_finish(v, 0, &verdicts) != 0 ||
	    dkim_verdicts_best(&verdicts) != DKIM_STATUS_PASS)
		abort();
	dkim_verify_free(v);
	arena_fini(&a);
}

static double
measure(struct bench *b, void (*once)(struct bench *b), int count)
{
	double begun = now();

	for (int i = 0; i < count; i++)
		once(b);
	return (now() - begun) / count;
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
compare(struct bench *b, const char *name, double seconds)
{
	double floors[TURNS], verifies[TURNS];
	double once = measure(b, verify_once, 3);
	int count = (int)(seconds * 1e6 / (2 * TURNS) / once) + 1;

	for (int i = 0; i < TURNS; i++) {
		floors[i] = measure(b, floor_once, count);
		verifies[i] = measure(b, verify_once, count);
	}
	qsort(floors, TURNS, sizeof(*floors), ascending);
	qsort(verifies, TURNS, sizeof(*verifies), ascending);
	printf("%-34s %9.1f %9.1f %7.2f\n", name, floors[TURNS / 2],
	    verifies[TURNS / 2], verifies[TURNS / 2] / floors[TURNS / 2]);
}

static const char *const fields[][2] = {
    {"Received", " from client (host [192.0.2.1])\n\tby mx.example.com"
		 " with ESMTPSA id 4XYZ; Fri, 11 Jul 2003 21:00:37"},
    {"From", " Joe SixPack <joe@example.com>"},
    {"To", " Suzie Q <suzie@example.net>"},
    {"Subject", " Is dinner ready? =?utf-8?q?=C3=A4?="},
    {"Date", " Fri, 11 Jul 2003 21:00:37 -0700 (PDT)"},
    {"Message-ID", " <20030712040037.46341.5F8J@example.com>"},
    {"MIME-Version", " 1.0"},
    {"Content-Type", " text/plain; charset=utf-8"},
    {"Content-Transfer-Encoding", " 8bit"},
    {"User-Agent", " Some Mailer 1.0"},
    {"In-Reply-To", " <20030712040037.46341.5F8J@example.com>"},
    {"References", " <20030712040037.46341.5F8J@example.com>"},
};

/* Text as people write it, in lines. */
static void
make_body(struct buf *b, size_t size)
{
	static const char *const words[] = {"the", "quick", "brown", "fox",
	    "jumps", "over", "a", "lazy", "dog,", "and", "then", "rests."};
	unsigned seed = 1;

	buf_reset(b);
	while (b->len < size) {
		size_t begun = b->len;

		while (b->len - begun < 66) {
			seed = seed * 1103515245 + 12345;
			buf_str(b, words[seed / 65536 % 12]);
			buf_char(b, ' ');
		}
		/* No space before the line's end, but in one of 20. */
		if (seed / 65536 % 20 != 0)
			b->len--;
		buf_str(b, "\r\n");
	}
}

static void
add(struct bench *b, const char *name, const char *value)
{
	if (hdr_add(&b->headers, &b->arena, name, strlen(name), value,
		strlen(value)) != 0)
		abort();
}

/* The message, signed with a new key. */
static void
make(struct bench *b, enum dkim_key_type type, enum dkim_canon canon)
{
	struct dkim_engine *e = dkim_engine_new();
	struct dkim_sign *s = dkim_sign_new(e, DKIM_CANON_BIT(canon));
	struct dkim_fields all = {0};
	struct dkim_request r = {.domain = "example.com", .selector = "s2026",
	    .header = canon, .body = canon, .at = AT};
	struct hdr_list unsigned_ = {0};
	unsigned char hash[32];
	struct dkim_result res;
	struct dkim_key *key;

	b->sig_len = sizeof(b->sig);
	memset(hash, 7, sizeof(hash));
	buf_reset(&b->text);
	if (dkim_key_generate(type, 2048, &key) != 0 ||
	    dkim_key_record(key, &b->text) != 0 ||
	    dkim_key_sign(key, hash, b->sig, &b->sig_len) != 0)
		abort();
	b->record = dkim_record_read(b->text.data, b->text.len);
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		hdr_add(&unsigned_, &b->arena, fields[i][0],
		    strlen(fields[i][0]), fields[i][1], strlen(fields[i][1]));
	dkim_sign_body(s, b->body.data, b->body.len);
	r.key = key;
	if (dkim_sign_names(&b->arena, &unsigned_, &all, &r.names) != 0 ||
	    dkim_sign_finish(s, &b->arena, &unsigned_, &r, 1, &res) != 0)
		abort();
	b->headers = (struct hdr_list){0};
	add(b, "DKIM-Signature", arena_printf(&b->arena, " %s", res.value));
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		add(b, fields[i][0], fields[i][1]);
	dkim_key_free(key);
	dkim_sign_free(s);
	dkim_engine_free(e);
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {2048, 20480, 1 << 20};
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	struct bench b = {.verifier = dkim_verifier_new()};
	char name[80];

	b.dns = (struct dns){.ctx = &b.text, .start = start,
	    .collect = collect, .drop = drop};
	arena_init(&b.arena);
	printf("%-34s %9s %9s %7s\n", "us of CPU a message", "floor",
	    "verified", "ratio");
	for (int i = 0; i < 12; i++) {
		make_body(&b.body, sizes[i % 6 / 2]);
		make(&b, i < 6 ? DKIM_KEY_RSA : DKIM_KEY_ED25519,
		    i & 1 ? DKIM_SIMPLE : DKIM_RELAXED);
		snprintf(name, sizeof(name), "%s %7zu %s",
		    i < 6 ? "rsa-2048" : "ed25519", sizes[i % 6 / 2],
		    i & 1 ? "simple" : "relaxed");
		compare(&b, name, seconds);
		dkim_record_free(b.record);
		arena_reset(&b.arena);
	}
	arena_fini(&b.arena);
	buf_fini(&b.body);
	buf_fini(&b.text);
	dkim_verifier_free(b.verifier);
	return 0;
}
