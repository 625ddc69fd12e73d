/*
 * Whom an account has written to: Bloom filters, each twice as large as the one
 * before it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A filter takes one recipient for each 10.8 bits and has 7 hashes, so that it
 * is wrong of 0.6 % at most, and all seven of 4 %.  When the last one is full
 * nothing more is said.
 */
#include <string.h>

#include "lib/base/err.h"
#include "record.h"

#define HASHES 7

static const uint64_t *
filter(const struct habit *h, const struct record *r, unsigned i,
    uint64_t *bits_r)
{
	*bits_r = i == 0 ? MET_BITS : UINT64_C(4) * MET_BITS << (i - 1);
	return i == 0 ? r->bits : h->pages[r->pages[i - 1] - 1].bits;
}

static uint32_t
room_of(unsigned i)
{
	return i == 0 ? MET_ROOM : (uint32_t)(4 * MET_ROOM) << (i - 1);
}

/* bits: a power of two. */
static uint64_t
bit(uint64_t hash, unsigned i, uint64_t bits)
{
	return ((hash & 0xffffffff) + i * (hash >> 32 | 1)) & (bits - 1);
}

static bool
is_full(const struct record *r)
{
	return r->filters == MET_PAGES && r->met >= room_of(MET_PAGES);
}

int
met_has(const struct habit *h, const struct record *r, uint64_t hash)
{
	for (unsigned i = 0; i <= r->filters; i++) {
		uint64_t bits;
		const uint64_t *words = filter(h, r, i, &bits);
		unsigned set = 0;

		for (unsigned k = 0; k < HASHES; k++) {
			uint64_t b = bit(hash, k, bits);

			set += (words[b / 64] >> b % 64) & 1;
		}
		if (set == HASHES)
			return 1;
	}
	return is_full(r) ? -1 : 0;
}

/* One more filter for the record.  0, or ERR_FULL: there is no page left. */
static int
grow(struct habit *h, struct record *r)
{
	size_t need = (size_t)1 << r->filters;
	uint32_t first = h->head->page_count;

	if (h->page_room < need || first > h->page_room - need)
		return ERR_FULL;
	memset(&h->pages[first], 0, need * sizeof(*h->pages));
	h->head->page_count = first + (uint32_t)need;
	r->pages[r->filters] = first + 1;
	r->filters++;
	r->met = 0;
	return 0;
}

void
met_add(struct habit *h, struct record *r, uint64_t hash)
{
	uint64_t bits, *words;

	if (is_full(r))
		return;
	/* Without a page the filter is used beyond its room: it errs more. */
	if (r->met >= room_of(r->filters) && grow(h, r) != 0 &&
	    r->met >= 2 * room_of(r->filters))
		return;
	words = r->filters == 0 ? r->bits
				: h->pages[r->pages[r->filters - 1] - 1].bits;
	(void)filter(h, r, r->filters, &bits);
	for (unsigned k = 0; k < HASHES; k++) {
		uint64_t b = bit(hash, k, bits);

		words[b / 64] |= UINT64_C(1) << b % 64;
	}
	r->met++;
}
