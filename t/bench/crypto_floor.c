/*
 * What the cryptography of one signature costs and nothing else: SHA-256 over
 * header and body, and one EVP signature with a key that is loaded, or (verify)
 * the same of verifying it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: crypto_floor KEYFILE OCTETS SECONDS [verify]
 *
 * Prints microseconds of CPU for one message.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#define HEADER_OCTETS 1024 /* of the signed fields */

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

struct signature {
	EVP_PKEY *key;
	int verify; /* bytes are there */
	unsigned char bytes[1024];
	size_t len;
};

/* RFC 8463: Ed25519 signs the digest of the header, RSA the header. */
static int
sign(struct signature *s, const EVP_MD *md, const unsigned char *text,
    size_t len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	int ok;

	if (s->verify) {
		ok = ctx != NULL &&
		    EVP_DigestVerifyInit(ctx, NULL, md, NULL, s->key) == 1 &&
		    EVP_DigestVerify(ctx, s->bytes, s->len, text, len) == 1;
	} else {
		s->len = sizeof(s->bytes);
		ok = ctx != NULL &&
		    EVP_DigestSignInit(ctx, NULL, md, NULL, s->key) == 1 &&
		    EVP_DigestSign(ctx, s->bytes, &s->len, text, len) == 1;
	}
	EVP_MD_CTX_free(ctx);
	return ok;
}

static int
one_message(struct signature *s, const unsigned char *text, size_t len)
{
	int ed = EVP_PKEY_get_base_id(s->key) == EVP_PKEY_ED25519;
	unsigned char digest[32];

	if (EVP_Digest(text, len, digest, NULL, EVP_sha256(), NULL) != 1)
		return 0;
	if (!ed)
		return sign(s, EVP_sha256(), text, HEADER_OCTETS);
	return EVP_Digest(text, HEADER_OCTETS, digest, NULL, EVP_sha256(),
		   NULL) == 1 &&
	    sign(s, NULL, digest, sizeof(digest));
}

int
main(int argc, char **argv)
{
	size_t len = argc >= 4 ? strtoul(argv[2], NULL, 10) : 0, n = 0;
	FILE *f = argc >= 4 ? fopen(argv[1], "r") : NULL;
	struct signature s = {
	    .key = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : NULL};
	size_t room = len < HEADER_OCTETS ? HEADER_OCTETS : len;
	unsigned char *text = malloc(room);
	double began, now, seconds;
	int ok;

	if (s.key == NULL || text == NULL) {
		fprintf(stderr, "usage: crypto_floor KEYFILE OCTETS SECONDS "
				"[verify]\n");
		return EX_USAGE;
	}
	fclose(f);
	seconds = strtod(argv[3], NULL);
	memset(text, 'x', room);
	ok = one_message(&s, text, len);
	s.verify = argc > 4;
	for (int i = 0; ok && i < 100; i++)
		ok = one_message(&s, text, len);
	began = now = cpu_seconds();
	for (; ok && now - began < seconds; n++) {
		ok = one_message(&s, text, len);
		now = cpu_seconds();
	}
	printf("%.2f\n", (now - began) / (double)n * 1e6);
	EVP_PKEY_free(s.key);
	free(text);
	return ok ? EX_OK : EX_SOFTWARE;
}
