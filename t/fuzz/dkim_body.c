/*
 * The body in pieces gives what the plain canonicaliser gives for the whole.
 * The first three octets say where it is cut and into which form it is brought.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_body.h"
#include "t/support/drivers/dkim_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The pieces are copies of their own, so that a read outside is seen. */
static void
add(struct dkim_body *b, const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);

	if (copy == NULL)
		abort();
	memcpy(copy, data, len);
	dkim_body_add(b, copy, len);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char want[32], got[32];
	struct buf form = BUF_INIT;
	struct dkim_body *b;
	enum dkim_canon canon;
	size_t steps[2], at = 0;

	if (size < 3)
		return 0;
	canon = data[0] & 1 ? DKIM_RELAXED : DKIM_SIMPLE;
	steps[0] = data[1] + 1u;
	steps[1] = data[2] + 1u;
	b = dkim_body_new(EVP_sha256(), canon);
	if (b == NULL)
		return 0;
	dkim_check_body(canon, (const char *)data + 3, size - 3, &form);
	EVP_Digest(buf_text(&form), form.len, want, NULL, EVP_sha256(), NULL);
	data += 3;
	size -= 3;
	/* Pieces of two lengths in turn. */
	for (int turn = 0; at < size; turn ^= 1) {
		size_t n = steps[turn];

		if (n > size - at)
			n = size - at;
		add(b, data + at, n);
		at += n;
	}
	if (dkim_body_finish(b, got) != 0 || memcmp(got, want, 32) != 0)
		abort();
	dkim_body_free(b);
	buf_fini(&form);
	return 0;
}
