/*
 * SipHash-2-4 with 128 bits of output: a keyed hash that nobody without the key
 * finds collisions for.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_BASE_SIPHASH_H
#define LIB_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

void siphash128(const uint64_t key[2], const void *bytes, size_t len,
    uint64_t hash_r[2]);

#endif
