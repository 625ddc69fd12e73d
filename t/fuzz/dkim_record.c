/*
 * Any key record is read, or there is a reason; with one that was read a
 * signature of nobody's does not verify.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>

#include "lib/dkim/dkim_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char hash[DKIM_KEY_HASH_SIZE] = {1, 2, 3};
	unsigned char sig[DKIM_RECORD_BITS_MAX / 8];
	struct dkim_record *r = dkim_record_read(data, size);
	enum dkim_cause cause;
	unsigned bits;

	if (r == NULL)
		abort();
	bits = dkim_record_bits(r);
	for (size_t i = 0; i < sizeof(sig); i++)
		sig[i] = (unsigned char)(i * 7 + 1);
	if (dkim_record_fault(r, &cause) == NULL) {
		if (bits == 0 || bits > DKIM_RECORD_BITS_MAX)
			abort();
		/* A modulus that a fuzzer chooses may be a factor of anything;
		 * one of a size that is accepted is not. */
		if (dkim_record_verify(r, hash, sig,
			dkim_record_type(r) == DKIM_KEY_ED25519
			    ? 64
			    : (bits + 7) / 8) && bits >= 256)
			abort();
	} else if (cause == DKIM_CAUSE_NONE) {
		abort();
	}
	dkim_record_free(r);
	return 0;
}
