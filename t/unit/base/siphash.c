/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/siphash.h"

#include <string.h>

#include "t/support/drivers/test.h"

/* The reference implementation's vectors: key 00 01 .. 0f, input 00 01 .. */
static void
reference(void **state)
{
	static const struct {
		size_t len;
		unsigned char out[17];
	} cases[] = {
	    {0, "\xa3\x81\x7f\x04\xba\x25\xa8\xe6"
		"\x6d\xf6\x72\x14\xc7\x55\x02\x93"},
	    {1, "\xda\x87\xc1\xd8\x6b\x99\xaf\x44"
		"\x34\x76\x59\x11\x9b\x22\xfc\x45"},
	    {8, "\x3b\x62\xa9\xba\x62\x58\xf5\x61"
		"\x0f\x83\xe2\x64\xf3\x14\x97\xb4"},
	};
	static const uint64_t key[2] = {
	    0x0706050403020100, 0x0f0e0d0c0b0a0908};
	unsigned char in[64];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (unsigned char)i;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t hash[2];

		siphash128(key, in, cases[i].len, hash);
		assert_memory_equal(hash, cases[i].out, 16);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
