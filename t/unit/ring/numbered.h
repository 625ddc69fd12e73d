/*
 * Records for tests: what is in one, and how long it is, follows from its number.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_UNIT_RING_NUMBERED_H
#define T_UNIT_RING_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/ring/ring.h"

/* Next of a row of random numbers (splitmix64). */
static inline uint64_t
numbered_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Record n, of 8 to RING_RECORD_MAX octets: n, and noise.  Returns its length. */
static inline size_t
numbered_make(uint64_t n, unsigned char record[RING_RECORD_MAX])
{
	uint64_t state = n, word = numbered_random(&state);
	size_t len = word % 16 == 0 ? RING_RECORD_MAX - word / 16 % 64
				    : 8 + word / 16 % 1024;

	memcpy(record, &n, sizeof(n));
	for (size_t i = 8; i < len; i += 8) {
		word = numbered_random(&state);
		memcpy(record + i, &word, len - i < 8 ? len - i : 8);
	}
	return len;
}

/* Is that a record with a number, as it was made? */
static inline bool
numbered_read(const void *octets, size_t len, uint64_t *n_r)
{
	unsigned char made[RING_RECORD_MAX];

	if (len < sizeof(*n_r))
		return false;
	memcpy(n_r, octets, sizeof(*n_r));
	return numbered_make(*n_r, made) == len &&
	    memcmp(made, octets, len) == 0;
}

#endif
