/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_key.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static struct dkim_key *
decode(const char *text)
{
	struct dkim_key *k = NULL;
	struct errmsg msg = {.text = ""};

	if (dkim_key_decode(text, strlen(text), 0, &k, &msg) != 0)
		fail_msg("%s", msg.text);
	return k;
}

/* Text without the lines that frame it, as it stands in a table. */
static void
bare(const char *pem, struct buf *b, const char *between)
{
	for (const char *p = pem; *p != '\0'; p = strchr(p, '\n') + 1) {
		if (*p == '-')
			continue;
		buf_add(b, p, strcspn(p, "\n"));
		buf_str(b, between);
	}
}

static void
public_is(const struct dkim_key *k, const char *want)
{
	struct buf b = BUF_INIT;

	assert_int_equal(dkim_key_public(k, &b), 0);
	assert_string_equal(buf_text(&b), want);
	buf_fini(&b);
}

static void
decodes_each_form(void **state)
{
	struct buf pem = BUF_INIT, text = BUF_INIT;
	struct dkim_key *k = decode(KEY_RSA);

	(void)state;
	assert_int_equal(dkim_key_type(k), DKIM_KEY_RSA);
	assert_int_equal(dkim_key_bits(k), 1024);
	assert_string_equal(dkim_key_algorithm(k), "rsa-sha256");
	public_is(k, KEY_RSA_PUBLIC);
	assert_int_equal(dkim_key_pem(k, &pem), 0);
	dkim_key_free(k);
	assert_ptr_equal(
	    strstr(pem.data, "-----BEGIN PRIVATE KEY-----"), pem.data);

	k = decode(pem.data); /* PKCS#8 */
	public_is(k, KEY_RSA_PUBLIC);
	dkim_key_free(k);
	bare(pem.data, &text, "");
	k = decode(text.data);
	public_is(k, KEY_RSA_PUBLIC);
	dkim_key_free(k);
	buf_reset(&text);
	bare(KEY_RSA, &text, "\r\n\t ");
	k = decode(text.data); /* PKCS#1 in base64 */
	public_is(k, KEY_RSA_PUBLIC);
	dkim_key_free(k);
	buf_reset(&text);
	buf_str(&text, "some words before\n" KEY_RSA "and after\n");
	k = decode(text.data);
	dkim_key_free(k);
	dkim_key_wipe(&pem);
	buf_fini(&text);
}

static void
decodes_ed25519(void **state)
{
	struct buf pem = BUF_INIT, text = BUF_INIT;
	struct dkim_key *k = decode(KEY_ED25519);

	(void)state;
	assert_int_equal(dkim_key_type(k), DKIM_KEY_ED25519);
	assert_int_equal(dkim_key_bits(k), 256);
	assert_string_equal(dkim_key_algorithm(k), "ed25519-sha256");
	public_is(k, KEY_ED25519_PUBLIC);
	assert_int_equal(dkim_key_pem(k, &pem), 0);
	dkim_key_free(k);
	k = decode(pem.data);
	public_is(k, KEY_ED25519_PUBLIC);
	dkim_key_free(k);
	bare(pem.data, &text, "");
	k = decode(text.data);
	public_is(k, KEY_ED25519_PUBLIC);
	assert_int_equal(dkim_key_record(k, (buf_reset(&text), &text)), 0);
	assert_string_equal(text.data,
	    "v=DKIM1; h=sha256; k=ed25519; p=" KEY_ED25519_PUBLIC);
	dkim_key_free(k);
	dkim_key_wipe(&pem);
	buf_fini(&text);
}

static void
says_what_is_wrong(void **state)
{
	static const struct {
		const char *text;
		unsigned bits;
		const char *words;
	} cases[] = {
	    {"", 0, "not a private key"},
	    {"\n \n", 0, "not a private key"},
	    {"hello", 0, "not a private key"},
	    {"AAAA====", 0, "not a private key"},
	    {KEY_RSA_PUBLIC, 0, "not a private key"},
	    {"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		0, "damaged"},
	    {"-----BEGIN PRIVATE KEY-----\n", 0, "damaged"},
	    {"-----BEGIN PUBLIC KEY-----\n" KEY_RSA_PUBLIC
	     "\n-----END PUBLIC KEY-----\n", 0, "this is a public key"},
	    {"s._domainkey IN TXT ( \"v=DKIM1; p=" KEY_RSA_PUBLIC "\" )", 0,
		"this is the record for the DNS"},
	    {"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
		0, "this is a certificate"},
	    {"-----BEGIN OPENSSH PRIVATE KEY-----\n", 0, "OpenSSH"},
	    {KEY_ENCRYPTED, 0, "encrypted"},
	    {KEY_RSA_ENCRYPTED, 0, "encrypted"},
	    {KEY_EC, 0, "type EC"},
	    {KEY_RSA_SHORT, 0, "512 bits, at least 1024"},
	    {KEY_RSA_SHORT, 512, "512 bits, at least 1024"},
	    {KEY_RSA, 2048, "1024 bits, at least 2048"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dkim_key *k = (struct dkim_key *)1;
		struct errmsg msg = {.text = ""};

		assert_int_equal(dkim_key_decode(cases[i].text,
		    strlen(cases[i].text), cases[i].bits, &k, &msg),
		    ERR_CONFIG);
		assert_null(k);
		if (strstr(msg.text, cases[i].words) == NULL)
			fail_msg("%zu: %s", i, msg.text);
	}
}

static void
generates(void **state)
{
	struct buf pem = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
	struct dkim_key *k, *again;

	(void)state;
	for (int type = 0; type < 2; type++) {
		assert_int_equal(dkim_key_generate(
		    (enum dkim_key_type)type, 2048, &k), 0);
		assert_int_equal(dkim_key_type(k), type);
		assert_int_equal(dkim_key_bits(k), type == 0 ? 2048 : 256);
		assert_int_equal(dkim_key_pem(k, &pem), 0);
		again = decode(pem.data);
		assert_int_equal(dkim_key_record(k, &a), 0);
		assert_int_equal(dkim_key_record(again, &b), 0);
		assert_string_equal(a.data, b.data);
		dkim_key_free(k);
		dkim_key_free(again);
		buf_reset(&pem);
		buf_reset(&a);
		buf_reset(&b);
	}
	assert_int_equal(dkim_key_generate(DKIM_KEY_RSA, 512, &k), ERR_LIMIT);
	assert_int_equal(
	    dkim_key_generate(DKIM_KEY_RSA, 100000, &k), ERR_LIMIT);
	dkim_key_wipe(&pem);
	buf_fini(&a);
	buf_fini(&b);
}

/* RFC 8463 appendix A.3: what is signed there, with the fields canonicalised,
 * and the two signatures. */
#define SIGNED(a, s) \
	"from:Joe SixPack <joe@football.example.com>\r\n" \
	"to:Suzie Q <suzie@shopping.example.net>\r\n" \
	"subject:Is dinner ready?\r\n" \
	"date:Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n" \
	"message-id:<20030712040037.46341.5F8J@football.example.com>\r\n" \
	"dkim-signature:v=1; a=" a "; c=relaxed/relaxed; " \
	"d=football.example.com; i=@football.example.com; q=dns/txt; s=" s \
	"; t=1528637909; h=from : to : subject : date : message-id : from : " \
	"subject : date; bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=; b="

static void
signs_as_in_rfc_8463(void **state)
{
	static const struct {
		const char *key, *text, *signature;
	} cases[] = {
	    {KEY_ED25519, SIGNED("ed25519-sha256", "brisbane"),
		"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
		"Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="},
	    {KEY_RSA, SIGNED("rsa-sha256", "test"),
		"F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
		"DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
		"dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct dkim_key *k = decode(cases[i].key);
		unsigned char hash[32], sig[DKIM_KEY_SIGNATURE_MAX];
		char text[DKIM_KEY_SIGNATURE_MAX * 2];
		size_t len = sizeof(sig);

		EVP_Digest(cases[i].text, strlen(cases[i].text), hash, NULL,
		    EVP_sha256(), NULL);
		assert_int_equal(dkim_key_sign(k, hash, sig, &len), 0);
		EVP_EncodeBlock((unsigned char *)text, sig, (int)len);
		assert_string_equal(text, cases[i].signature);
		len = 63;
		assert_int_equal(dkim_key_sign(k, hash, sig, &len), ERR_LIMIT);
		dkim_key_free(k);
	}
}

struct job {
	struct dkim_key *key;
	bool ok;
};

/* RSA and Ed25519 signatures do not vary. */
static void *
sign_many(void *ctx)
{
	unsigned char hash[32] = {1}, first[256], sig[256];
	struct job *j = ctx;
	size_t len = sizeof(first);

	j->ok = dkim_key_sign(j->key, hash, first, &len) == 0;
	for (int i = 0; i < 50; i++) {
		len = sizeof(sig);
		j->ok = j->ok && dkim_key_sign(j->key, hash, sig, &len) == 0 &&
		    memcmp(first, sig, len) == 0;
	}
	dkim_key_free(j->key);
	return NULL;
}

static void
threads_share_a_key(void **state)
{
	const char *const keys[] = {KEY_RSA, KEY_ED25519};
	pthread_t threads[4];
	struct job jobs[4];

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct dkim_key *k = decode(keys[i]);

		for (size_t t = 0; t < 4; t++) {
			jobs[t].key = dkim_key_ref(k);
			assert_int_equal(pthread_create(
			    &threads[t], NULL, sign_many, &jobs[t]), 0);
		}
		dkim_key_free(k);
		for (size_t t = 0; t < 4; t++) {
			pthread_join(threads[t], NULL);
			assert_true(jobs[t].ok);
		}
	}
	dkim_key_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decodes_each_form),
	    cmocka_unit_test(decodes_ed25519),
	    cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(generates),
	    cmocka_unit_test(signs_as_in_rfc_8463),
	    cmocka_unit_test(threads_share_a_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
