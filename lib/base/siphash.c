/*
 * SipHash (Aumasson and Bernstein, 2012), 128-bit variant.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "siphash.h"

#include <endian.h>
#include <string.h>

static inline uint64_t
rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static inline void
rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[0] = rotl(v[0], 32);
		v[2] += v[3];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] += v[3];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] += v[1];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[2] = rotl(v[2], 32);
	}
}

static inline uint64_t
word(const void *bytes, size_t len)
{
	uint64_t w = 0;

	memcpy(&w, bytes, len);
	return le64toh(w);
}

void
siphash128(const uint64_t key[2], const void *bytes, size_t len,
    uint64_t hash_r[2])
{
	const unsigned char *p = bytes;
	uint64_t v[4], w;
	size_t left;

	v[0] = UINT64_C(0x736f6d6570736575) ^ key[0];
	v[1] = UINT64_C(0x646f72616e646f6d) ^ key[1] ^ 0xee;
	v[2] = UINT64_C(0x6c7967656e657261) ^ key[0];
	v[3] = UINT64_C(0x7465646279746573) ^ key[1];
	for (left = len; left >= 8; left -= 8, p += 8) {
		w = word(p, 8);
		v[3] ^= w;
		rounds(v, 2);
		v[0] ^= w;
	}
	w = word(p, left) | (uint64_t)len << 56;
	v[3] ^= w;
	rounds(v, 2);
	v[0] ^= w;
	v[2] ^= 0xee;
	rounds(v, 4);
	hash_r[0] = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	rounds(v, 4);
	hash_r[1] = v[0] ^ v[1] ^ v[2] ^ v[3];
}
