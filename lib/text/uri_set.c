/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri_set.h"

#include <stdint.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/siphash.h"

/* The key is this process's addresses: enough that a mail which was written
 * elsewhere can't aim at the slots. */
void
uri_set_init(struct uri_set *set, struct arena *a, size_t max)
{
	uint64_t seed[2] = {(uintptr_t)set, (uintptr_t)a};

	memset(set, 0, sizeof(*set));
	set->arena = a;
	set->max = max;
	memcpy(set->key, seed, sizeof(seed));
}

static size_t
hash(const struct uri_set *set, const char *text, size_t len)
{
	uint64_t key[2], h[2];

	memcpy(key, set->key, sizeof(key));
	siphash128(key, text, len, h);
	return (size_t)h[0];
}

/* The slot of the text, or the empty one where it would go. */
static size_t *
slot_of(const struct uri_set *set, const char *text, size_t len)
{
	size_t mask = set->slot_count - 1, i = hash(set, text, len) & mask;

	for (;; i = (i + 1) & mask) {
		const struct text_piece *p;

		if (set->slots[i] == 0)
			return &set->slots[i];
		p = &set->view.pieces[set->slots[i] - 1];
		if (p->len == len && memcmp(p->text, text, len) == 0)
			return &set->slots[i];
	}
}

/* Room for one more, at most half of the slots taken. */
static bool
grow(struct uri_set *set)
{
	size_t room = set->room == 0 ? 32 : set->room * 2;
	struct text_piece *pieces;

	if (set->view.count < set->room)
		return true;
	pieces = arena_alloc(set->arena, room * sizeof(*pieces));
	set->slots = arena_alloc(set->arena, room * 2 * sizeof(*set->slots));
	if (pieces == NULL || set->slots == NULL) {
		set->slot_count = 0;
		set->room = 0;
		set->view.count = 0;
		return !(set->failed = true);
	}
	if (set->view.count > 0)
		memcpy(pieces, set->view.pieces,
		    set->view.count * sizeof(*pieces));
	set->view.pieces = pieces;
	set->room = room;
	set->slot_count = room * 2;
	for (size_t i = 0; i < set->view.count; i++)
		*slot_of(set, pieces[i].text, pieces[i].len) = i + 1;
	return true;
}

bool
uri_set_add(struct uri_set *set, const char *text, size_t len)
{
	size_t *slot;
	char *copy;

	if (set->failed || set->view.count >= set->max ||
	    len > URI_SET_BYTES_MAX - set->bytes || !grow(set))
		return false;
	slot = slot_of(set, text, len);
	if (*slot != 0)
		return false;
	copy = arena_memdup(set->arena, text, len);
	if (copy == NULL)
		return !(set->failed = true);
	set->view.pieces[set->view.count] = (struct text_piece){copy, len};
	set->bytes += len;
	*slot = ++set->view.count;
	return true;
}
