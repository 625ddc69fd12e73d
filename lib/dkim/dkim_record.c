/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dkim/dkim_record.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_tags.h"

#define ED25519_SIZE 32  /* RFC 8032 section 5.1.5 */
#define EXPONENT_MAX 8   /* octets; what a signer chooses is 65537 or 3 */

struct dkim_record {
	atomic_uint refs;
	const char *fault;
	enum dkim_cause cause;
	enum dkim_key_type type;
	unsigned bits;
	bool testing, strict;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *verify; /* RSA: ready to verify; copied for each use */
};

/* -- the key itself: a little of DER (RFC 5280, RFC 8017 appendix A.1.1) -- */

struct der {
	const unsigned char *p;
	size_t len;
};

#define DER_INTEGER 0x02
#define DER_BITS 0x03
#define DER_SEQUENCE 0x30

/* Take one element of that type from the front; false: there is none. */
static bool
der_take(struct der *d, unsigned char type, struct der *body_r)
{
	size_t len, at = 2;

	if (d->len < 2 || d->p[0] != type)
		return false;
	len = d->p[1];
	if (len > 0x80) {
		size_t octets = len & 0x7f;

		/* No key has more octets than two can count. */
		if (octets > 2 || d->len < 2 + octets)
			return false;
		for (len = 0; at < 2 + octets; at++)
			len = len << 8 | d->p[at];
	} else if (len == 0x80) {
		return false;
	}
	if (len > d->len - at)
		return false;
	*body_r = (struct der){d->p + at, len};
	d->p += at + len;
	d->len -= at + len;
	return true;
}

/* A positive number, without leading zeros. */
static bool
der_number(struct der *d, struct der *n_r)
{
	if (!der_take(d, DER_INTEGER, n_r) || n_r->len == 0 ||
	    (n_r->p[0] & 0x80) != 0)
		return false;
	while (n_r->len > 0 && n_r->p[0] == 0) {
		n_r->p++;
		n_r->len--;
	}
	return n_r->len > 0;
}

/* RSAPublicKey. */
static bool
der_rsa(struct der d, struct der *n_r, struct der *e_r)
{
	struct der seq;

	return der_take(&d, DER_SEQUENCE, &seq) && d.len == 0 &&
	    der_number(&seq, n_r) && der_number(&seq, e_r) && seq.len == 0;
}

/* SubjectPublicKeyInfo with an RSAPublicKey in it. */
static bool
der_info(struct der d, struct der *n_r, struct der *e_r)
{
	/* OBJECT IDENTIFIER rsaEncryption */
	static const unsigned char rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
	    0xf7, 0x0d, 0x01, 0x01, 0x01};
	struct der seq, algorithm, bits;

	if (!der_take(&d, DER_SEQUENCE, &seq) || d.len != 0 ||
	    !der_take(&seq, DER_SEQUENCE, &algorithm) ||
	    !der_take(&seq, DER_BITS, &bits) || seq.len != 0)
		return false;
	if (algorithm.len < sizeof(rsa) ||
	    memcmp(algorithm.p, rsa, sizeof(rsa)) != 0 || bits.len == 0 ||
	    bits.p[0] != 0)
		return false;
	return der_rsa((struct der){bits.p + 1, bits.len - 1}, n_r, e_r);
}

static EVP_PKEY *
make_rsa(const struct der *n, const struct der *e)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *bn = BN_bin2bn(n->p, (int)n->len, NULL);
	BIGNUM *be = BN_bin2bn(e->p, (int)e->len, NULL);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;

	if (bld != NULL && bn != NULL && be != NULL && ctx != NULL &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, be) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL && EVP_PKEY_fromdata_init(ctx) == 1)
		EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params);
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	BN_free(be);
	BN_free(bn);
	OSSL_PARAM_BLD_free(bld);
	return pkey;
}

static bool
ready_rsa(struct dkim_record *r)
{
	r->verify = EVP_PKEY_CTX_new(r->pkey, NULL);
	return r->verify != NULL && EVP_PKEY_verify_init(r->verify) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(r->verify, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(r->verify, EVP_sha256()) == 1;
}

/* -- the record -- */

static void
fault(struct dkim_record *r, enum dkim_cause cause, const char *words)
{
	r->cause = cause;
	r->fault = words;
}

static void
take_rsa(struct dkim_record *r, const unsigned char *bytes, size_t len)
{
	struct der n, e, d = {bytes, len};

	/* What section 3.6.1 says, and what some take it to say. */
	if (!der_info(d, &n, &e) && !der_rsa(d, &n, &e)) {
		fault(r, DKIM_CAUSE_KEY, "the key is not one for RSA");
		return;
	}
	if (n.len * 8 > DKIM_RECORD_BITS_MAX || e.len > EXPONENT_MAX) {
		fault(r, DKIM_CAUSE_KEY, "the key is too long");
		return;
	}
	/* Of an even modulus or exponent nothing can be a signature. */
	if ((n.p[n.len - 1] & 1) == 0 || (e.p[e.len - 1] & 1) == 0) {
		fault(r, DKIM_CAUSE_KEY, "the key is not one for RSA");
		return;
	}
	r->pkey = make_rsa(&n, &e);
	if (r->pkey == NULL || !ready_rsa(r)) {
		fault(r, DKIM_CAUSE_KEY, "the key can't be used");
		return;
	}
	r->bits = (unsigned)EVP_PKEY_get_bits(r->pkey);
}

static void
take_ed25519(struct dkim_record *r, const unsigned char *bytes, size_t len)
{
	if (len == ED25519_SIZE)
		r->pkey = EVP_PKEY_new_raw_public_key(
		    EVP_PKEY_ED25519, NULL, bytes, len);
	if (r->pkey == NULL)
		fault(r, DKIM_CAUSE_KEY, "the key is not one for Ed25519");
	r->bits = 256;
}

static int
take_key(struct dkim_record *r, const struct dkim_tag *p, struct arena *a)
{
	unsigned char *bytes;
	size_t len;
	int rc;

	if (p->value_len == 0) {
		fault(r, DKIM_CAUSE_NO_KEY, "the key is revoked");
		return 0;
	}
	rc = dkim_tag_base64(p, a, &bytes, &len);
	if (rc == ERR_SYNTAX) {
		fault(r, DKIM_CAUSE_KEY, "the key is not base64");
		return 0;
	}
	if (rc == 0 && r->type == DKIM_KEY_RSA)
		take_rsa(r, bytes, len);
	else if (rc == 0)
		take_ed25519(r, bytes, len);
	return rc;
}

static int
take_tags(struct dkim_record *r, const struct dkim_tags *tags, struct arena *a)
{
	const struct dkim_tag *v = dkim_tags_find(tags, "v");
	const struct dkim_tag *h = dkim_tags_find(tags, "h");
	const struct dkim_tag *k = dkim_tags_find(tags, "k");
	const struct dkim_tag *s = dkim_tags_find(tags, "s");
	const struct dkim_tag *t = dkim_tags_find(tags, "t");
	const struct dkim_tag *p = dkim_tags_find(tags, "p");

	r->testing = t != NULL && dkim_tag_has(t, "y");
	r->strict = t != NULL && dkim_tag_has(t, "s");
	if (k != NULL && dkim_tag_is(k, "ed25519"))
		r->type = DKIM_KEY_ED25519;
	else if (k != NULL && !dkim_tag_is(k, "rsa"))
		fault(r, DKIM_CAUSE_KEY, "the key is of an unknown type");
	if (v != NULL && (v != tags->list || !dkim_tag_is(v, "DKIM1")))
		fault(r, DKIM_CAUSE_KEY,
		    "the key record is of an unknown version");
	else if (h != NULL && !dkim_tag_has(h, "sha256"))
		fault(r, DKIM_CAUSE_KEY, "the key is not for SHA-256");
	else if (s != NULL && !dkim_tag_has(s, "*") &&
	    !dkim_tag_has(s, "email"))
		fault(r, DKIM_CAUSE_KEY, "the key is not for mail");
	else if (p == NULL)
		fault(r, DKIM_CAUSE_KEY, "the key record has no key");
	return r->fault == NULL ? take_key(r, p, a) : 0;
}

struct dkim_record *
dkim_record_read(const void *text, size_t len)
{
	struct dkim_record *r = calloc(1, sizeof(*r));
	struct dkim_tags tags;
	struct arena a;
	int rc = 0;

	if (r == NULL)
		return NULL;
	atomic_init(&r->refs, 1);
	arena_init(&a);
	if (len > DKIM_RECORD_MAX || dkim_tags_read(text, len, &tags) != 0)
		fault(r, DKIM_CAUSE_KEY, "the key record is malformed");
	else
		rc = take_tags(r, &tags, &a);
	arena_fini(&a);
	ERR_clear_error();
	if (rc != 0) {
		dkim_record_free(r);
		return NULL;
	}
	return r;
}

struct dkim_record *
dkim_record_ref(struct dkim_record *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void
dkim_record_free(struct dkim_record *r)
{
	if (r == NULL || atomic_fetch_sub(&r->refs, 1) != 1)
		return;
	EVP_PKEY_CTX_free(r->verify);
	EVP_PKEY_free(r->pkey);
	free(r);
}

const char *
dkim_record_fault(const struct dkim_record *r, enum dkim_cause *cause_r)
{
	*cause_r = r->cause;
	return r->fault;
}

enum dkim_key_type
dkim_record_type(const struct dkim_record *r)
{
	return r->type;
}

unsigned
dkim_record_bits(const struct dkim_record *r)
{
	return r->bits;
}

bool
dkim_record_testing(const struct dkim_record *r)
{
	return r->testing;
}

bool
dkim_record_strict(const struct dkim_record *r)
{
	return r->strict;
}

static bool
verify_rsa(const struct dkim_record *r, const unsigned char *hash,
    const unsigned char *sig, size_t len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_dup(r->verify);
	bool ok;

	if (ctx == NULL)
		return false;
	ok = EVP_PKEY_verify(ctx, sig, len, hash, DKIM_KEY_HASH_SIZE) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok;
}

/* PureEdDSA over the hash (RFC 8463 section 3). */
static bool
verify_ed25519(const struct dkim_record *r, const unsigned char *hash,
    const unsigned char *sig, size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok;

	if (ctx == NULL)
		return false;
	ok = EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, r->pkey) == 1 &&
	    EVP_DigestVerify(ctx, sig, len, hash, DKIM_KEY_HASH_SIZE) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

bool
dkim_record_verify(const struct dkim_record *r,
    const unsigned char hash[DKIM_KEY_HASH_SIZE], const unsigned char *sig,
    size_t len)
{
	bool ok;

	if (r->fault != NULL)
		return false;
	ok = r->type == DKIM_KEY_RSA ? verify_rsa(r, hash, sig, len)
				     : verify_ed25519(r, hash, sig, len);
	if (!ok)
		ERR_clear_error();
	return ok;
}
