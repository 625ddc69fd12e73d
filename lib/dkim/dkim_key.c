/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_key.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define SEED_SIZE 32 /* of an Ed25519 key (RFC 8032 section 5.1.5) */

struct dkim_key {
	atomic_uint refs;
	enum dkim_key_type type;
	unsigned bits;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sign; /* RSA: ready to sign; copied for each use */
};

/* What a file holds, by some words of it, when it is not what we want. */
static const struct {
	const char *label, *words;
} wrong_text[] = {
    {"-----BEGIN ENCRYPTED PRIVATE KEY-----",
	"the key is encrypted; decrypt it with `openssl pkey -in FILE`"},
    {"Proc-Type: 4,ENCRYPTED",
	"the key is encrypted; decrypt it with `openssl pkey -in FILE`"},
    {"-----BEGIN OPENSSH PRIVATE KEY-----",
	"the key is one for OpenSSH; make one for DKIM with `posternctl key "
	"generate`"},
    {"-----BEGIN PUBLIC KEY-----",
	"this is a public key; the private key is wanted here"},
    {"-----BEGIN RSA PUBLIC KEY-----",
	"this is a public key; the private key is wanted here"},
    {"v=DKIM1",
	"this is the record for the DNS, which has the public key; the private "
	"key is wanted here"},
    {"-----BEGIN CERTIFICATE-----",
	"this is a certificate; the private key is wanted here"},
};

static struct dkim_key *
key_wrap(EVP_PKEY *pkey)
{
	struct dkim_key *k = calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	atomic_init(&k->refs, 1);
	k->pkey = pkey;
	k->bits = (unsigned)EVP_PKEY_get_bits(pkey);
	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519) {
		k->type = DKIM_KEY_ED25519;
		k->bits = 256;
		return k;
	}
	k->type = DKIM_KEY_RSA;
	k->sign = EVP_PKEY_CTX_new(pkey, NULL);
	if (k->sign == NULL || EVP_PKEY_sign_init(k->sign) <= 0 ||
	    EVP_PKEY_CTX_set_rsa_padding(k->sign, RSA_PKCS1_PADDING) <= 0 ||
	    EVP_PKEY_CTX_set_signature_md(k->sign, EVP_sha256()) <= 0) {
		EVP_PKEY_CTX_free(k->sign);
		free(k);
		return NULL;
	}
	return k;
}

static bool
contains(const char *text, size_t len, const char *word)
{
	return memmem(text, len, word, strlen(word)) != NULL;
}

static int
no_password(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return 0;
}

static EVP_PKEY *
decode_pem(const char *text, size_t len)
{
	BIO *bio = BIO_new_mem_buf(text, (int)len);
	EVP_PKEY *pkey;

	if (bio == NULL)
		return NULL;
	pkey = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
	BIO_free(bio);
	return pkey;
}

static EVP_PKEY *
decode_der(const unsigned char *der, size_t len)
{
	const unsigned char *p = der;

	if (len == SEED_SIZE)
		return EVP_PKEY_new_raw_private_key(
		    EVP_PKEY_ED25519, NULL, der, len);
	return d2i_AutoPrivateKey(NULL, &p, (long)len);
}

/* The text without white space; returns its length. */
static size_t
squeeze(unsigned char *to, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
			to[n++] = (unsigned char)text[i];
	}
	return n;
}

static EVP_PKEY *
decode_base64(const char *text, size_t len)
{
	unsigned char *b64 = malloc(2 * len + 4), *der;
	EVP_PKEY *pkey = NULL;
	size_t n;
	int got;

	if (b64 == NULL)
		return NULL;
	der = b64 + len + 2;
	n = squeeze(b64, text, len);
	got = n % 4 == 0 ? EVP_DecodeBlock(der, b64, (int)n) : -1;
	/* EVP_DecodeBlock counts the padding. */
	for (int pad = 0; got > 0 && pad < 2 && b64[n - 1] == '='; pad++, n--)
		got--;
	if (got > 0)
		pkey = decode_der(der, (size_t)got);
	OPENSSL_cleanse(b64, 2 * len + 4);
	free(b64);
	return pkey;
}

static int
explain(const char *text, size_t len, struct errmsg *msg_r)
{
	for (size_t i = 0; i < sizeof(wrong_text) / sizeof(*wrong_text); i++) {
		if (contains(text, len, wrong_text[i].label))
			return errmsg_set(msg_r, "%s", wrong_text[i].words);
	}
	if (contains(text, len, "-----BEGIN "))
		return errmsg_set(msg_r,
		    "the PEM text holds no private key that can be decoded: "
		    "it is damaged or of another kind");
	return errmsg_set(msg_r,
	    "not a private key: neither PEM (-----BEGIN PRIVATE KEY-----) "
	    "nor base64");
}

/* Is it of a type and size that signs? */
static int
check(EVP_PKEY *pkey, unsigned min_bits, struct errmsg *msg_r)
{
	const char *name = EVP_PKEY_get0_type_name(pkey);
	int bits = EVP_PKEY_get_bits(pkey);

	if (min_bits < DKIM_KEY_BITS_MIN)
		min_bits = DKIM_KEY_BITS_MIN;
	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519)
		return 0;
	if (EVP_PKEY_get_base_id(pkey) != EVP_PKEY_RSA)
		return errmsg_set(msg_r,
		    "the key is of type %s; DKIM signs with RSA or Ed25519",
		    name == NULL ? "unknown" : name);
	if (bits < (int)min_bits)
		return errmsg_set(msg_r,
		    "the RSA key has %d bits, at least %u are wanted; make "
		    "another with `posternctl key generate`", bits, min_bits);
	if (bits > DKIM_KEY_BITS_MAX)
		return errmsg_set(msg_r,
		    "the RSA key has %d bits, at most %d can be used", bits,
		    DKIM_KEY_BITS_MAX);
	return 0;
}

int
dkim_key_decode(const void *text, size_t len, unsigned min_bits,
    struct dkim_key **key_r, struct errmsg *msg_r)
{
	EVP_PKEY *pkey = NULL;
	int rc;

	*key_r = NULL;
	if (len > DKIM_KEY_TEXT_MAX)
		return errmsg_set(msg_r, "too long for a key");
	if (contains(text, len, "-----BEGIN "))
		pkey = decode_pem(text, len);
	else
		pkey = decode_base64(text, len);
	/* What went wrong is said in our words. */
	ERR_clear_error();
	if (pkey == NULL)
		return explain(text, len, msg_r);
	rc = check(pkey, min_bits, msg_r);
	if (rc == 0) {
		*key_r = key_wrap(pkey);
		rc = *key_r == NULL ? ERR_NOMEM : 0;
	}
	if (rc != 0)
		EVP_PKEY_free(pkey);
	return rc;
}

int
dkim_key_generate(
    enum dkim_key_type type, unsigned bits, struct dkim_key **key_r)
{
	EVP_PKEY *pkey;

	*key_r = NULL;
	if (type == DKIM_KEY_RSA &&
	    (bits < DKIM_KEY_BITS_MIN || bits > DKIM_KEY_BITS_MAX))
		return ERR_LIMIT;
	pkey = type == DKIM_KEY_RSA ? EVP_RSA_gen(bits)
				    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (pkey == NULL)
		return ERR_CRYPTO;
	*key_r = key_wrap(pkey);
	if (*key_r == NULL) {
		EVP_PKEY_free(pkey);
		return ERR_NOMEM;
	}
	return 0;
}

struct dkim_key *
dkim_key_ref(struct dkim_key *key)
{
	atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
	return key;
}

void
dkim_key_free(struct dkim_key *key)
{
	if (key == NULL || atomic_fetch_sub(&key->refs, 1) != 1)
		return;
	EVP_PKEY_CTX_free(key->sign);
	EVP_PKEY_free(key->pkey); /* wipes the private parts */
	free(key);
}

enum dkim_key_type
dkim_key_type(const struct dkim_key *key)
{
	return key->type;
}

unsigned
dkim_key_bits(const struct dkim_key *key)
{
	return key->bits;
}

const char *
dkim_key_algorithm(const struct dkim_key *key)
{
	return key->type == DKIM_KEY_RSA ? "rsa-sha256" : "ed25519-sha256";
}

const char *
dkim_key_word(const struct dkim_key *key)
{
	return key->type == DKIM_KEY_RSA ? "rsa" : "ed25519";
}

int
dkim_key_pem(const struct dkim_key *key, struct buf *b)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text;
	long len;
	int rc = ERR_CRYPTO;

	if (bio == NULL)
		return ERR_NOMEM;
	if (PEM_write_bio_PKCS8PrivateKey(
		bio, key->pkey, NULL, NULL, 0, NULL, NULL) == 1) {
		len = BIO_get_mem_data(bio, &text);
		buf_add(b, text, (size_t)len);
		OPENSSL_cleanse(text, (size_t)len);
		rc = b->failed ? ERR_NOMEM : 0;
	}
	BIO_free(bio);
	return rc;
}

static int
add_base64(struct buf *b, const unsigned char *bytes, size_t len)
{
	unsigned char *text = malloc(len / 3 * 4 + 5);

	if (text == NULL)
		return ERR_NOMEM;
	buf_add(b, text, (size_t)EVP_EncodeBlock(text, bytes, (int)len));
	free(text);
	return b->failed ? ERR_NOMEM : 0;
}

int
dkim_key_public(const struct dkim_key *key, struct buf *b)
{
	unsigned char raw[SEED_SIZE], *der = NULL;
	size_t raw_len = sizeof(raw);
	int len, rc;

	if (key->type == DKIM_KEY_ED25519) {
		if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &raw_len) != 1)
			return ERR_CRYPTO;
		return add_base64(b, raw, raw_len);
	}
	len = i2d_PUBKEY(key->pkey, &der);
	if (len <= 0)
		return ERR_CRYPTO;
	rc = add_base64(b, der, (size_t)len);
	OPENSSL_free(der);
	return rc;
}

int
dkim_key_record(const struct dkim_key *key, struct buf *b)
{
	buf_printf(b, "v=DKIM1; h=sha256; k=%s; p=", dkim_key_word(key));
	return dkim_key_public(key, b);
}

void
dkim_key_wipe(struct buf *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->room);
	buf_fini(b);
}

static int
sign_rsa(const struct dkim_key *key, const unsigned char *hash,
    unsigned char *sig_r, size_t *len_r)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(key->sign);
	int ok;

	if (ctx == NULL)
		return ERR_NOMEM;
	ok = EVP_PKEY_sign(ctx, sig_r, len_r, hash, DKIM_KEY_HASH_SIZE);
	EVP_PKEY_CTX_free(ctx);
	return ok == 1 ? 0 : ERR_CRYPTO;
}

static int
sign_ed25519(const struct dkim_key *key, const unsigned char *hash,
    unsigned char *sig_r, size_t *len_r)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	if (ctx == NULL)
		return ERR_NOMEM;
	ok = EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
	    EVP_DigestSign(ctx, sig_r, len_r, hash, DKIM_KEY_HASH_SIZE) == 1;
	EVP_MD_CTX_free(ctx);
	return ok ? 0 : ERR_CRYPTO;
}

int
dkim_key_sign(const struct dkim_key *key,
    const unsigned char hash[DKIM_KEY_HASH_SIZE], unsigned char *sig_r,
    size_t *len_r)
{
	int rc;

	if (*len_r < (size_t)EVP_PKEY_get_size(key->pkey))
		return ERR_LIMIT;
	rc = key->type == DKIM_KEY_RSA ? sign_rsa(key, hash, sig_r, len_r)
				       : sign_ed25519(key, hash, sig_r, len_r);
	if (rc != 0)
		ERR_clear_error();
	return rc;
}
