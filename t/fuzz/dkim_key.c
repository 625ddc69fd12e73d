/*
 * Any text is a key or words; a key survives being written and read.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
again(const struct dkim_key *key)
{
	struct buf pem = BUF_INIT, a = BUF_INIT, b = BUF_INIT;
	struct dkim_key *copy;
	struct errmsg msg;

	/* A damaged key may be one that can't be written. */
	if (dkim_key_pem(key, &pem) == 0) {
		if (dkim_key_decode(pem.data, pem.len, 0, &copy, &msg) != 0)
			abort();
		if (dkim_key_record(key, &a) != 0 ||
		    dkim_key_record(copy, &b) != 0 || a.len != b.len ||
		    memcmp(a.data, b.data, a.len) != 0)
			abort();
		dkim_key_free(copy);
	}
	dkim_key_wipe(&pem);
	buf_fini(&a);
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char sig[DKIM_KEY_SIGNATURE_MAX];
	unsigned char hash[DKIM_KEY_HASH_SIZE] = {0};
	size_t len = sizeof(sig);
	struct dkim_key *key;
	struct errmsg msg = {.text = ""};
	int rc = dkim_key_decode(data, size, 0, &key, &msg);

	if (rc != 0) {
		if (key != NULL || msg.text[0] == '\0')
			abort();
		return 0;
	}
	(void)dkim_key_sign(key, hash, sig, &len);
	again(key);
	dkim_key_free(key);
	return 0;
}
