/*
 * Keys in recent use, by the text of their records: reading one costs more than
 * finding it here.  Not for others than lib/dkim.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_KEYRING_H
#define LIB_DKIM_DKIM_KEYRING_H

#include <stddef.h>

#define DKIM_KEYRING_SIZE 256 /* records kept */

struct dkim_keyring;
struct dkim_record;

/* NULL: no memory.  For use by any number of threads. */
struct dkim_keyring *dkim_keyring_new(void);
void dkim_keyring_free(struct dkim_keyring *k);

/* The record with this text, for dkim_record_free; NULL: no memory. */
struct dkim_record *dkim_keyring_get(
    struct dkim_keyring *k, const void *text, size_t len);

#endif
