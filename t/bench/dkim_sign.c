/*
 * CPU time of a signature by lib/dkim against the floor: SHA-256 of the body
 * and one EVP signature with a key that is loaded already.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_sign [SECONDS]
 *
 * See t/bench/turns.h for how.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/mail/hdr.h"
#include "t/bench/bench_mail.h"
#include "t/bench/turns.h"

#define CHUNK 65536 /* what a milter gets at once */

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
floor_once(void *arg)
{
	struct bench *b = arg;
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
sign_once(void *arg)
{
	struct bench *b = arg;
	static const char *const over[] = {"From", "To", "Cc", "Subject",
	    "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type",
	    NULL};
	struct dkim_fields fields = {.oversign = over};
	struct dkim_request r = {.domain = "example.com",
	    .selector = "s2026",
	    .key = b->key,
	    .header = b->canon,
	    .body = b->canon,
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

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {2048, 20480, 1 << 20};
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 2;
	struct bench b = {.engine = dkim_engine_new()};
	char name[80];

	arena_init(&b.arena);
	bench_fields(&b.headers, &b.arena, "Joe SixPack <joe@example.com>");
	turns_head("signed");
	for (int type = 0; type < 2; type++) {
		load(&b, (enum dkim_key_type)type);
		for (int i = 0; i < 12; i++) {
			b.canon = i & 1 ? DKIM_SIMPLE : DKIM_RELAXED;
			bench_body(&b.body, sizes[i / 4],
			    i & 2 ? BENCH_BASE64 : BENCH_RAGGED);
			snprintf(name, sizeof(name), "%s %7zu %s %s",
			    type == 0 ? "rsa-2048" : "ed25519", sizes[i / 4],
			    i & 2 ? "base64" : "text",
			    i & 1 ? "simple" : "relaxed");
			turns_compare(name, seconds, floor_once, sign_once, &b);
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
