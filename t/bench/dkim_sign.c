/*
 * CPU time of a signature by lib/dkim against the floor: SHA-256 of the body
 * and one EVP signature with a key that is loaded already.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_sign [SECONDS]
 *
 * For each case floor and signature are measured in turns, and the medians of
 * the turns compared.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/err.h"
#include "lib/hdr.h"

#define TURNS 21
#define CHUNK 65536 /* what a milter gets at once */

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Text as people write it, or base64, in lines. */
static void
make_body(struct buf *b, size_t size, bool base64)
{
	static const char *const words[] = {"the", "quick", "brown", "fox",
	    "jumps", "over", "a", "lazy", "dog,", "and", "then", "rests."};
	unsigned seed = 1;

	while (b->len < size) {
		size_t start = b->len;

		while (!base64 && b->len - start < 66) {
			seed = seed * 1103515245 + 12345;
			buf_str(b, words[seed / 65536 % 12]);
			buf_char(b, ' ');
		}
		while (base64 && b->len - start < 76) {
			seed = seed * 1103515245 + 12345;
			buf_char(b, (char)('A' + seed / 65536 % 26));
		}
		/* Text: no space before the line's end, but in one of 20. */
		if (!base64 && seed / 65536 % 20 != 0)
			b->len--;
		buf_str(b, "\r\n");
	}
}

struct bench {
	struct dkim_engine *engine;
	struct dkim_key *key;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx; /* RSA */
	struct arena arena;
	struct hdr_list headers;
	struct buf body;
	enum dkim_canon canon;
};

static void
floor_once(struct bench *b)
{
	unsigned char md[32], sig[2048];
	size_t len = sizeof(sig);
	EVP_MD_CTX *ctx;

	EVP_Digest(b->body.data, b->body.len, md, NULL, EVP_sha256(), NULL);
	if (b->ctx != NULL) {
		if (EVP_PKEY_sign(b->ctx, sig, &len, md, 32) != 1)
			abort();
		return;
	}
	ctx = EVP_MD_CTX_new();
	if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, b->pkey) != 1 ||
	    EVP_DigestSign(ctx, sig, &len, md, 32) != 1)
		abort();
	EVP_MD_CTX_free(ctx);
}

static void
sign_once(struct bench *b)
{
	static const char *const over[] = {"From", "To", "Cc", "Subject",
	    "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type",
	    NULL};
	struct dkim_fields fields = {.oversign = over};
	struct dkim_request r = {.domain = "example.com", .selector = "s2026",
	    .key = b->key, .header = b->canon, .body = b->canon,
	    .at = 1528637909};
	struct dkim_sign *s =
	    dkim_sign_new(b->engine, DKIM_CANON_BIT(b->canon));
	struct dkim_result res;
	struct arena a;

	arena_init(&a);
	for (size_t at = 0; at < b->body.len; at += CHUNK) {
		size_t n = b->body.len - at;

		dkim_sign_body(s, b->body.data + at, n < CHUNK ? n : CHUNK);
	}
	if (dkim_sign_names(&a, &b->headers, &fields, &r.names) != 0 ||
	    dkim_sign_finish(s, &a, &b->headers, &r, 1, &res) != 0)
		abort();
	dkim_sign_free(s);
	arena_fini(&a);
}

static double
measure(struct bench *b, void (*once)(struct bench *b), int count)
{
	double start = now();

	for (int i = 0; i < count; i++)
		once(b);
	return (now() - start) / count;
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
	double floors[TURNS], signs[TURNS];
	double once = measure(b, sign_once, 3);
	int count = (int)(seconds * 1e6 / (2 * TURNS) / once) + 1;

	for (int i = 0; i < TURNS; i++) {
		floors[i] = measure(b, floor_once, count);
		signs[i] = measure(b, sign_once, count);
	}
	qsort(floors, TURNS, sizeof(*floors), ascending);
	qsort(signs, TURNS, sizeof(*signs), ascending);
	printf("%-34s %9.1f %9.1f %7.2f\n", name, floors[TURNS / 2],
	    signs[TURNS / 2], signs[TURNS / 2] / floors[TURNS / 2]);
}

static void
load(struct bench *b, enum dkim_key_type type)
{
	struct buf pem = BUF_INIT;
	BIO *bio;

	if (dkim_key_generate(type, 2048, &b->key) != 0 ||
	    dkim_key_pem(b->key, &pem) != 0)
		abort();
	bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	b->pkey = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	dkim_key_wipe(&pem);
	b->ctx = NULL;
	if (type == DKIM_KEY_ED25519)
		return;
	b->ctx = EVP_PKEY_CTX_new(b->pkey, NULL);
	if (EVP_PKEY_sign_init(b->ctx) != 1 ||
	    EVP_PKEY_CTX_set_rsa_padding(b->ctx, RSA_PKCS1_PADDING) != 1 ||
	    EVP_PKEY_CTX_set_signature_md(b->ctx, EVP_sha256()) != 1)
		abort();
}

static void
add_headers(struct bench *b)
{
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

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		hdr_add(&b->headers, &b->arena, fields[i][0],
		    strlen(fields[i][0]), fields[i][1], strlen(fields[i][1]));
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {2048, 20480, 1 << 20};
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	struct bench b = {.engine = dkim_engine_new()};
	char name[80];

	arena_init(&b.arena);
	add_headers(&b);
	printf("%-34s %9s %9s %7s\n", "us of CPU a message", "floor", "signed",
	    "ratio");
	for (int type = 0; type < 2; type++) {
		load(&b, (enum dkim_key_type)type);
		for (int i = 0; i < 12; i++) {
			b.canon = i & 1 ? DKIM_SIMPLE : DKIM_RELAXED;
			buf_reset(&b.body);
			make_body(&b.body, sizes[i / 4], i & 2);
			snprintf(name, sizeof(name), "%s %7zu %s %s",
			    type == 0 ? "rsa-2048" : "ed25519", sizes[i / 4],
			    i & 2 ? "base64" : "text",
			    i & 1 ? "simple" : "relaxed");
			compare(&b, name, seconds);
		}
		dkim_key_free(b.key);
		EVP_PKEY_CTX_free(b.ctx);
		EVP_PKEY_free(b.pkey);
	}
	buf_fini(&b.body);
	arena_fini(&b.arena);
	dkim_engine_free(b.engine);
	return 0;
}
