/*
 * A private key for DKIM (RFC 6376 section 3.3, RFC 8463), decoded once.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A key never changes after it was made, and any number of threads may sign
 * with it at once.  It is counted: who makes one or takes one more calls
 * dkim_key_free, and the last call wipes it.
 */
#ifndef LIB_DKIM_DKIM_KEY_H
#define LIB_DKIM_DKIM_KEY_H

#include <stddef.h>

struct buf;
struct dkim_key;
struct errmsg;

/* RFC 8301 section 3.2: signers MUST use at least 1024, SHOULD 2048. */
#define DKIM_KEY_BITS_MIN 1024
#define DKIM_KEY_BITS_MAX 16384   /* above, signing takes seconds */
#define DKIM_KEY_TEXT_MAX 65536   /* octets of PEM or base64 */
#define DKIM_KEY_SIGNATURE_MAX (DKIM_KEY_BITS_MAX / 8)
#define DKIM_KEY_HASH_SIZE 32     /* SHA-256 */

enum dkim_key_type {
	DKIM_KEY_RSA,
	DKIM_KEY_ED25519,
};

/*
 * Decode a key: PEM (PKCS#1 or PKCS#8; text before it is skipped), or the
 * base64 of the same in DER, or of the 32 octets of an Ed25519 seed (RFC 8463
 * section A.2), white space anywhere.  The type is read from the key.  min_bits
 * is for RSA; 0 means DKIM_KEY_BITS_MIN, and less is raised to it.
 *
 * 0, ERR_NOMEM, or ERR_CONFIG with words in msg_r: not a key, a public key or a
 * certificate, encrypted, of a type that DKIM has no word for, too short.  The
 * words name the cure; never the file, which the caller knows, nor key bytes.
 */
int dkim_key_decode(const void *text, size_t len, unsigned min_bits,
    struct dkim_key **key_r, struct errmsg *msg_r);

/*
 * Make a new key.  bits is for RSA (1024 to 16384; 2048 is usual) and ignored
 * for Ed25519.  0, ERR_LIMIT (bits) or ERR_CRYPTO.
 */
int dkim_key_generate(
    enum dkim_key_type type, unsigned bits, struct dkim_key **key_r);

/* One more owner; returns key. */
struct dkim_key *dkim_key_ref(struct dkim_key *key);
void dkim_key_free(struct dkim_key *key);

enum dkim_key_type dkim_key_type(const struct dkim_key *key);
/* 256 for Ed25519 */
unsigned dkim_key_bits(const struct dkim_key *key);
/* The a= of its signatures: "rsa-sha256" or "ed25519-sha256". */
const char *dkim_key_algorithm(const struct dkim_key *key);
/* The k= of its record: "rsa" or "ed25519". */
const char *dkim_key_word(const struct dkim_key *key);

/* The private key as PEM, PKCS#8, for a file that only its owner may read; wipe
 * the buffer after use (dkim_key_wipe).  0, ERR_NOMEM or ERR_CRYPTO. */
int dkim_key_pem(const struct dkim_key *key, struct buf *b);
/* The public key as it stands in p=: base64 of the SubjectPublicKeyInfo for
 * RSA, of the bare 32 octets for Ed25519 (RFC 8463 section 4). */
int dkim_key_public(const struct dkim_key *key, struct buf *b);
/* The whole TXT record: "v=DKIM1; h=sha256; k=rsa; p=...". */
int dkim_key_record(const struct dkim_key *key, struct buf *b);
/* Wipe what the buffer holds, and free it. */
void dkim_key_wipe(struct buf *b);

/*
 * Sign a SHA-256 hash: PKCS#1 v1.5 for RSA; for Ed25519 PureEdDSA over the hash
 * (RFC 8463 section 3).  *len_r is the size of sig_r on entry, at most
 * DKIM_KEY_SIGNATURE_MAX is needed, and the signature's length on return.
 * 0, ERR_LIMIT (no room), ERR_NOMEM or ERR_CRYPTO.
 */
int dkim_key_sign(const struct dkim_key *key,
    const unsigned char hash[DKIM_KEY_HASH_SIZE], unsigned char *sig_r,
    size_t *len_r);

#endif
