/*
 * What is done under the lock: accounts get slots and lose them, rings are
 * cleared and replaced.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A change of more than one word is written to the journal first.  If it is
 * interrupted, at any point, it is done again from the journal.
 */
#include "table.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/siphash.h"

#define TICKS_AHEAD 4 /* of another processor's clock, at the very most */
/* After a search in vain the table counts as full for FULL_FACTOR times as long
 * as the search took, and FULL_NSEC at least. */
#define FULL_NSEC NSEC
#define FULL_FACTOR 32
#define FULL_MAX (3600 * NSEC) /* whatever a damaged file says */
/* Slots that are searched before the lock is released: this part of the table,
 * and HUNT_SLOTS at least. */
#define HUNT_SLOTS 16384
#define HUNT_PART 512
#define HUNT_NSEC NSEC /* a hunt that rested for so long begins anew */
#define ENTRY_TOMB (UINT64_C(1) << 32) /* a tag, and no slot */

/* --- the index -------------------------------------------------------- */

struct quota_key
quota_key_of(const struct map *m, const char *account, size_t len)
{
	uint64_t hash[2];

	siphash128(m->hash_key, account, len, hash);
	/* Never 0, which means: no account. */
	return (struct quota_key){hash[0] | UINT64_C(1) << 63, hash[1]};
}

static uint64_t
index_entry(const struct quota_key *key, uint32_t n)
{
	return (key->lo >> 32) << 32 | (n + UINT64_C(1));
}

static bool
slot_is(struct slot *s, const struct quota_key *key)
{
	return atomic_load(&s->key_hi) == key->hi &&
	    atomic_load_explicit(&s->key_lo, memory_order_relaxed) == key->lo;
}

/* Prefetch what counting mostly touches.  Otherwise each atomic addition would
 * wait for memory, one after the other. */
static void
slot_prefetch(const struct map *m, struct slot *s)
{
	const unsigned char *p = (const unsigned char *)s;
	unsigned usual = m->rings > QUOTA_KINDS ? m->rings - QUOTA_KINDS : 1;

	for (size_t at = 0; at < m->name_at; at += 64)
		__builtin_prefetch(p + at);
	for (unsigned at = 0; at < usual * RING_CELLS; at += 64 / 8)
		__builtin_prefetch(slot_cells(m, s, 0) + at, 1);
}

struct slot *
slot_find(const struct map *m, const struct quota_key *key, uint32_t *n_r)
{
	uint64_t tag = key->lo >> 32;

	for (uint64_t i = 0; i <= m->index_mask; i++) {
		uint64_t e = atomic_load_explicit(
		    &m->index[(key->hi + i) & m->index_mask],
		    memory_order_acquire);
		uint64_t n = e & UINT32_MAX;

		if (e == 0)
			return NULL;
		if (e >> 32 != tag || n == 0 || n > m->slot_count)
			continue;
		slot_prefetch(m, map_slot(m, (uint32_t)n - 1));
		if (slot_is(map_slot(m, (uint32_t)n - 1), key)) {
			*n_r = (uint32_t)n - 1;
			return map_slot(m, *n_r);
		}
	}
	return NULL;
}

/* There is always a free place: slots fill half of the index at most. */
static void
index_add(struct map *m, const struct quota_key *key, uint32_t n)
{
	for (uint64_t i = 0; i <= m->index_mask; i++) {
		word64 *e = &m->index[(key->hi + i) & m->index_mask];
		uint64_t old = atomic_load(e);

		if (old != 0 && (old & UINT32_MAX) != 0)
			continue;
		if (old != 0)
			atomic_fetch_sub(&m->t->tombs, 1);
		atomic_store(e, index_entry(key, n));
		return;
	}
}

static void
index_remove(struct map *m, const struct quota_key *key, uint32_t n)
{
	uint64_t at = key->hi & m->index_mask;

	for (uint64_t i = 0; i <= m->index_mask; i++) {
		uint64_t e = atomic_load(&m->index[at]);
		uint64_t next = (at + 1) & m->index_mask;

		if (e == 0)
			return;
		if ((e & UINT32_MAX) != n + UINT64_C(1)) {
			at = next;
			continue;
		}
		/* A search ends at an empty entry.  So the last one of a run
		 * can become empty; any other must stay as a tomb. */
		if (atomic_load(&m->index[next]) == 0) {
			atomic_store(&m->index[at], 0);
		} else {
			atomic_store(&m->index[at], ENTRY_TOMB);
			atomic_fetch_add(&m->t->tombs, 1);
		}
		return;
	}
}

/*
 * Make the index anew.  A look-up without the lock may miss an account
 * meanwhile; it is then repeated under the lock.  It must not end in "the table
 * is full" before that, so what is known of full searches is cleared first.
 */
void
table_reindex(struct map *m)
{
	struct table *t = m->t;
	uint64_t fresh = atomic_load(&t->fresh), minors = 0;

	atomic_store(&t->any.until, 0);
	atomic_store(&t->minor.until, 0);
	atomic_store(&t->dirty, 1);
	for (uint64_t i = 0; i <= m->index_mask; i++)
		atomic_store_explicit(&m->index[i], 0, memory_order_relaxed);
	atomic_store(&t->tombs, 0);
	for (uint32_t n = 0; n < fresh && n < m->slot_count; n++) {
		struct slot *s = map_slot(m, n);
		struct quota_key key = {atomic_load(&s->key_hi),
		    atomic_load(&s->key_lo)};
		uint32_t other;

		if (key.hi == 0 || !(atomic_load(&s->state) & SLOT_TAKEN))
			continue;
		/* An account is in two slots only if a crash left pages of
		 * different age: the first slot stays. */
		if (slot_find(m, &key, &other) == NULL) {
			index_add(m, &key, n);
			minors += slot_is_minor(s);
		} else {
			atomic_store(&s->key_hi, 0);
		}
	}
	atomic_store(&t->minors, minors);
	atomic_store(&t->dirty, 0);
}

void
table_index_slot(struct map *m, uint32_t n, const struct quota_key *had)
{
	struct slot *s = map_slot(m, n);
	struct quota_key key = {atomic_load(&s->key_hi),
	    atomic_load(&s->key_lo)};
	uint32_t other;

	/* An unchanged key needs nothing, unless the index has another slot for
	 * it: the account was moved there, copied, and moved back. */
	if (had->hi == key.hi && had->lo == key.lo && (key.hi == 0 ||
	    (slot_find(m, &key, &other) != NULL && other == n)))
		return;
	if (had->hi != 0)
		index_remove(m, had, n);
	if (key.hi == 0 || !(atomic_load(&s->state) & SLOT_TAKEN))
		return;
	/* The account was moved here: the copy of its other slot is old. */
	if (slot_find(m, &key, &other) != NULL && other != n)
		index_remove(m, &key, other);
	if (slot_find(m, &key, &other) == NULL)
		index_add(m, &key, n);
}

/* --- rings ------------------------------------------------------------ */

static void
version_odd(struct slot *s)
{
	atomic_store(&s->dirty, 1); /* for a copier, which waits for the lock */
	atomic_store(&s->version, atomic_load(&s->version) | 1);
}

static void
version_even(struct slot *s)
{
	atomic_store(&s->version, (atomic_load(&s->version) | 1) + 1);
}

/* The journal is emptied first, the version made even second.  From the even
 * version on others count in the slot, and a change done again from the journal
 * would clear their counts. */
static void
slot_done(struct map *m, struct slot *s)
{
	atomic_store(&m->t->journal, JOURNAL_NONE);
	version_even(s);
}

/* The next generation whose lowest bits are those of `last` plus one. */
static uint64_t
next_generation(struct map *m, uint64_t last)
{
	uint64_t next = atomic_load(&m->t->generation);

	next += (last + 1 - next) & GEN_MASK;
	atomic_store(&m->t->generation, next + 1);
	return next;
}

static void
ring_wipe(struct map *m, struct slot *s, unsigned i)
{
	word64 *cell = slot_cells(m, s, i), *gen = &slot_ring(s, i)->gen;

	atomic_store(gen, next_generation(m, atomic_load(gen)));
	for (unsigned c = 0; c < RING_CELLS; c++)
		atomic_store_explicit(&cell[c], 0, memory_order_relaxed);
	/* 0: the next one who counts sets them.  All cells are empty, so no lap
	 * can be mistaken before that. */
	atomic_store(&slot_ring(s, i)->swept, 0);
	atomic_store(&slot_ring(s, i)->head, 0);
}

/* Was the ring unswept for so long that lap numbers repeat?  Then all its
 * counts are old: a count in the last half of that time would have swept
 * first. */
static bool
laps_ambiguous(uint64_t tick, uint64_t swept)
{
	return tick > swept && tick / RING_CELLS - swept / RING_CELLS >=
	    2 * SWEEP_LAPS - 1;
}

uint64_t
slot_live(const struct map *m, struct slot *s, unsigned i, uint64_t now,
    uint64_t within_s)
{
	struct ring *r = slot_ring(s, i);
	uint64_t desc = atomic_load(&r->desc), width, tick, live = 0, cells;
	uint64_t gen = atomic_load(&r->gen);
	word64 *cell = slot_cells(m, s, i);

	if (!desc_valid(desc))
		return 0;
	width = ring_width(desc);
	tick = now / width;
	if (laps_ambiguous(tick, atomic_load(&r->swept)))
		return 0;
	/* With the same margin as a ring of that window has. */
	cells = within_s * (NSEC + NSEC / 100) / width + 2;
	for (unsigned c = 0; c < RING_CELLS; c++) {
		uint64_t v = atomic_load(&cell[c]);
		unsigned age = (unsigned)(tick - c) % RING_CELLS;
		int lap = cell_lap(v, c, tick);

		if (lap >= 0 && cell_of(v, gen) && (age < cells || lap > 0))
			live += v & COUNT_MASK;
	}
	return live;
}

uint64_t
slot_used(const struct map *m, struct slot *s, const struct quota_limit *limit,
    uint64_t now, unsigned *ring_r)
{
	bool bounded = false; /* a longer one was found */
	uint64_t used = 0;

	*ring_r = m->rings;
	for (unsigned i = 0; i < m->rings; i++) {
		uint64_t desc = atomic_load(&slot_ring(s, i)->desc), live;
		bool longer = desc_window(desc) > limit->window_s;

		if (!desc_valid(desc) || desc_kind(desc) != limit->kind)
			continue;
		live = slot_live(m, s, i, now, limit->window_s);
		if (desc_window(desc) == limit->window_s) {
			*ring_r = i;
			return live;
		}
		if (longer ? !bounded || live < used :
		    !bounded && live >= used) {
			bounded = longer;
			used = live;
			*ring_r = i;
		}
	}
	return used;
}

/* Step 2 of replacing a ring; the journal knows all it needs. */
static void
ring_become(struct mapped *q, struct map *m, struct slot *s)
{
	struct table *t = m->t;
	unsigned i = (unsigned)atomic_load(&t->journal_ring);
	uint64_t desc = atomic_load(&t->journal_desc);
	uint64_t total = atomic_load(&t->journal_total);
	struct ring *r = slot_ring(s, i);
	uint64_t tick = (quota_boottime(q) + m->offset) / ring_width(desc);

	atomic_store(&r->desc, 0);
	ring_wipe(m, s, i);
	if (total != 0)
		atomic_store(&slot_cells(m, s, i)[tick % RING_CELLS],
		    cell_tag(tick, atomic_load(&r->gen)) |
		    (total < COUNT_MASK ? total : COUNT_MASK));
	atomic_store(&r->swept, tick);
	atomic_store(&r->head, tick);
	atomic_store(&r->desc, desc);
}

/* The windows in which an account is to be counted, those of one kind in
 * ascending order. */
struct windows {
	unsigned count;
	uint64_t desc[RINGS_MAX];
};

static bool
windows_have(const struct windows *w, uint64_t desc)
{
	for (unsigned k = 0; k < w->count; k++) {
		if (desc == w->desc[k])
			return true;
	}
	return false;
}

/* Is there a ring of the same kind with a longer window?  It got all that the
 * shorter one held when it began, and has counted the same since. */
static bool
ring_covered(const struct map *m, struct slot *s, uint64_t desc)
{
	for (unsigned i = 0; i < m->rings; i++) {
		uint64_t other = atomic_load(&slot_ring(s, i)->desc);

		if (desc_valid(other) && desc_kind(other) == desc_kind(desc) &&
		    desc_window(other) > desc_window(desc))
			return true;
	}
	return false;
}

/*
 * The ring to replace, of those that are not in the windows: an unused one;
 * else one in which nothing counts; else one that a longer one covers (then
 * *live_r is true).  Of several, the one that was not counted in for longest.
 * m->rings: none may be replaced.  The version is odd.
 */
static unsigned
ring_victim(struct mapped *q, struct map *m, struct slot *s,
    const struct windows *w, bool *live_r)
{
	uint64_t now = quota_boottime(q) + m->offset, oldest = UINT64_MAX;
	unsigned victim = m->rings;

	*live_r = true;
	for (unsigned i = 0; i < m->rings; i++) {
		uint64_t desc = atomic_load(&slot_ring(s, i)->desc), last;
		bool live;

		if (!desc_valid(desc)) {
			*live_r = false;
			return i;
		}
		live = slot_live(m, s, i, now, QUOTA_WINDOW_MAX) != 0;
		if (windows_have(w, desc) || (live && (!*live_r ||
		    !ring_covered(m, s, desc))))
			continue;
		last = atomic_load(&slot_ring(s, i)->head) * ring_width(desc);
		if (live != *live_r || last < oldest) {
			*live_r = live;
			oldest = last;
			victim = i;
		}
	}
	return victim;
}

/* Have the table grow: a slot is to have room for all its rings and for one of
 * each of the windows. */
static void
rings_want(struct map *m, const struct windows *w)
{
	unsigned want = m->rings + w->count;

	if (want > RINGS_MAX)
		want = RINGS_MAX;
	if (want > atomic_load(&m->t->rings_wanted))
		atomic_store(&m->t->rings_wanted, want);
}

/*
 * Begin a ring for a window in which nothing was counted so far.  What it
 * should hold is estimated from the other rings of its kind (slot_used), and is
 * counted as of now: it may be too much.
 */
static int
ring_add(struct mapped *q, struct map *m, uint32_t n, const struct windows *w,
    uint64_t desc)
{
	const struct quota_limit limit = {desc_kind(desc),
	    (uint32_t)desc_window(desc), 0};
	struct slot *s = map_slot(m, n);
	struct table *t = m->t;
	unsigned any, victim;
	bool live;

	/* From here on attempts under way begin again: none is missed. */
	version_odd(s);
	victim = ring_victim(q, m, s, w, &live);
	if (live)
		rings_want(m, w);
	if (victim == m->rings) {
		version_even(s);
		return ERR_FULL;
	}
	atomic_store(&t->journal_slot, n);
	atomic_store(&t->journal_ring, victim);
	atomic_store(&t->journal_desc, desc);
	atomic_store(&t->journal_total, slot_used(m, s, &limit,
	    quota_boottime(q) + m->offset, &any));
	atomic_store(&t->journal, JOURNAL_RING);
	ring_become(q, m, s);
	slot_done(m, s);
	return 0;
}

static int
rings_fit(struct mapped *q, struct map *m, uint32_t n, const struct windows *w)
{
	struct slot *s = map_slot(m, n);
	int rc = 0;

	/* The longest window of a kind first: it covers the others. */
	for (unsigned k = w->count; k-- > 0 && rc == 0;) {
		unsigned i = 0;

		while (i < m->rings && atomic_load(&slot_ring(s, i)->desc) !=
		    w->desc[k])
			i++;
		if (i == m->rings)
			rc = ring_add(q, m, n, w, w->desc[k]);
	}
	return rc;
}

/* All of a slot's, or of each kind the longest in which something counts. */
static void
windows_of_slot(struct windows *w, const struct map *m, struct slot *s,
    uint64_t now, bool longest)
{
	w->count = 0;
	for (unsigned i = 0; i < m->rings; i++) {
		uint64_t desc = atomic_load(&slot_ring(s, i)->desc);
		unsigned k = w->count;

		if (!desc_valid(desc) || windows_have(w, desc) ||
		    (longest && (ring_covered(m, s, desc) ||
		    slot_live(m, s, i, now, QUOTA_WINDOW_MAX) == 0)))
			continue;
		for (; k > 0 && w->desc[k - 1] > desc; k--)
			w->desc[k] = w->desc[k - 1];
		w->desc[k] = desc;
		w->count++;
	}
}

int
slot_adopt(struct mapped *q, struct map *m, uint32_t n, const struct map *from,
    struct slot *f)
{
	uint64_t now = quota_boottime(q) + from->offset;
	struct windows w;
	int rc;

	windows_of_slot(&w, from, f, now, true);
	rc = rings_fit(q, m, n, &w);
	if (rc != 0)
		return rc;
	/* Those that find no room are covered. */
	windows_of_slot(&w, from, f, now, false);
	rings_fit(q, m, n, &w);
	return 0;
}

/* Is the cell of the ring as it is now, or of a clock that is a little
 * ahead? */
static bool
cell_current(uint64_t v, unsigned c, uint64_t tick)
{
	int lap = cell_lap(v, c, tick);

	return lap == 0 || (lap == 1 &&
	    (c - tick) % RING_CELLS <= TICKS_AHEAD);
}

/*
 * Clear what has left the window, before its lap can be taken for a later one.
 * A cell is read before the clock, so a true one is not of a later tick, but
 * for the difference of clocks.
 */
static void
ring_sweep(struct mapped *q, struct map *m, struct slot *s, unsigned i)
{
	struct ring *r = slot_ring(s, i);
	uint64_t desc = atomic_load(&r->desc), gen = atomic_load(&r->gen);
	uint64_t width, tick, begun;
	word64 *cell = slot_cells(m, s, i);
	bool all;

	if (!desc_valid(desc))
		return;
	width = ring_width(desc);
	begun = (quota_boottime(q) + m->offset) / width;
	all = laps_ambiguous(begun, atomic_load(&r->swept));
	for (unsigned c = 0; c < RING_CELLS; c++) {
		uint64_t v = atomic_load(&cell[c]);

		while ((v & COUNT_MASK) != 0) {
			tick = (quota_boottime(q) + m->offset) / width;
			if (!all && cell_current(v, c, tick) && cell_of(v, gen))
				break;
			if (atomic_compare_exchange_strong(&cell[c], &v, 0))
				break;
		}
	}
	/* All cells have been looked at since. */
	atomic_store(&r->swept, begun);
}

/* Clear all that is known of the account but its name and lock. */
static void
slot_wipe(struct map *m, struct slot *s)
{
	uint64_t reset = atomic_load(&m->t->reset);
	word64 *facts = slot_facts(m, s);

	for (unsigned i = 0; i < m->rings; i++)
		ring_wipe(m, s, i);
	for (unsigned i = 0; i < FACTS_SIZE / sizeof(*facts); i++)
		atomic_store_explicit(&facts[i], 0, memory_order_relaxed);
	atomic_store(&s->live_until, 0);
	atomic_store(&s->seen, reset);
}

void
slot_clear(struct map *m, uint32_t n)
{
	struct slot *s = map_slot(m, n);

	atomic_store(&m->t->journal_slot, n);
	atomic_store(&m->t->journal, JOURNAL_CLEAR);
	version_odd(s);
	slot_wipe(m, s);
	slot_done(m, s);
}

int
slot_mend(struct mapped *q, struct map *m, uint32_t n,
    const struct quota_set *set)
{
	struct slot *s = map_slot(m, n);
	struct windows w = {.count = 0};
	int rc;

	if (atomic_load(&s->seen) != atomic_load(&m->t->reset))
		slot_clear(m, n);
	/* Odd and not in the journal: its last change was done. */
	if ((atomic_load(&s->version) & 1) != 0)
		version_even(s);
	for (; set != NULL && w.count < set->count; w.count++)
		w.desc[w.count] = ring_desc(set->limit[w.count].kind,
		    set->limit[w.count].window_s);
	rc = rings_fit(q, m, n, &w);
	for (unsigned i = 0; i < m->rings; i++)
		ring_sweep(q, m, s, i);
	return rc;
}

void
slot_put(struct mapped *q, struct map *m, uint32_t n, unsigned i,
    uint64_t count)
{
	struct slot *s = map_slot(m, n);
	struct ring *r = slot_ring(s, i);
	uint64_t desc = atomic_load(&r->desc), tick, v, sum, tag;
	word64 *cell;

	tick = (quota_boottime(q) + m->offset) / ring_width(desc);
	cell = &slot_cells(m, s, i)[tick % RING_CELLS];
	tag = cell_tag(tick, atomic_load(&r->gen));
	version_odd(s);
	v = atomic_load(cell);
	do {
		sum = count;
		if ((v & ~COUNT_MASK) == tag)
			sum += v & COUNT_MASK;
		if (sum > COUNT_MASK)
			sum = COUNT_MASK;
	} while (!atomic_compare_exchange_weak(cell, &v, tag | sum));
	atomic_store(&r->head, tick);
	atomic_store(&s->live_until, 0); /* to be found out */
	version_even(s);
}

/* --- slots ------------------------------------------------------------ */

bool
slot_is_live(const struct map *m, struct slot *s, uint64_t now)
{
	if (atomic_load(&s->seen) != atomic_load(&m->t->reset))
		return false;
	for (unsigned i = 0; i < m->rings; i++) {
		if (slot_live(m, s, i, now, QUOTA_WINDOW_MAX) != 0)
			return true;
	}
	return false;
}

static void
slot_free(struct map *m, struct slot *s)
{
	struct table *t = m->t;

	if (atomic_load(&s->key_hi) != 0 && slot_is_minor(s) &&
	    atomic_load(&t->minors) != 0) {
		atomic_fetch_sub(&t->minors, 1);
		atomic_store(&t->minor.until, 0);
	}
	atomic_store(&s->key_hi, 0);
	atomic_store(&s->key_lo, 0);
	atomic_store(&s->state, SLOT_FREE);
	for (unsigned i = 0; i < m->rings; i++)
		atomic_store(&slot_ring(s, i)->desc, 0);
	slot_wipe(m, s);
}

/* Write to the journal that the slot is about to get another account. */
static void
journal_reuse(struct map *m, uint32_t n)
{
	atomic_store(&m->t->journal_slot, n);
	atomic_store(&m->t->journal, JOURNAL_REUSE);
}

/* Free an idle slot.  False: something was counted in it before its version
 * became odd, and it stays. */
static bool
slot_retire(struct mapped *q, struct map *m, uint32_t n)
{
	struct slot *s = map_slot(m, n);
	struct quota_key key = {atomic_load(&s->key_hi),
	    atomic_load(&s->key_lo)};
	bool live;

	journal_reuse(m, n);
	version_odd(s);
	live = slot_is_live(m, s, quota_boottime(q) + m->offset);
	if (!live) {
		if (key.hi != 0)
			index_remove(m, &key, n);
		slot_free(m, s);
		return true;
	}
	slot_done(m, s);
	return false;
}

static void
minors_recount(struct map *m)
{
	uint64_t fresh = atomic_load(&m->t->fresh), minors = 0;

	for (uint32_t n = 0; n < fresh && n < m->slot_count; n++) {
		struct slot *s = map_slot(m, n);

		minors += atomic_load(&s->key_hi) != 0 && slot_is_minor(s);
	}
	atomic_store(&m->t->minors, minors);
}

/* Until when it is known that a search finds nothing; 0: it may find a slot. */
static uint64_t
search_vain(struct map *m, struct search *search, uint64_t now)
{
	uint64_t until = atomic_load(&search->until);

	return now < until && until - now <= FULL_MAX &&
	    atomic_load(&m->t->reset) == atomic_load(&search->reset) ? until :
	    0;
}

/* A search that finds nothing has read the whole table.  It is not repeated for
 * FULL_FACTOR times as long as it took. */
static void
search_failed(struct search *search, const struct hunt *hunt, uint64_t now)
{
	uint64_t wait = atomic_load(&hunt->spent);

	wait = wait < FULL_MAX / FULL_FACTOR ? wait * FULL_FACTOR : FULL_MAX;
	atomic_store(&search->reset, atomic_load(&hunt->reset));
	atomic_store(&search->until, now +
	    (wait > FULL_NSEC ? wait : FULL_NSEC));
}

/* Continue the search that is under way, or begin one.  Returns how many slots
 * are left to search. */
static uint32_t
hunt_begin(const struct map *m, struct hunt *hunt, uint64_t now)
{
	uint64_t left = atomic_load(&hunt->left);

	if (left != 0 && left <= m->slot_count &&
	    now - atomic_load(&hunt->last) < HUNT_NSEC)
		return (uint32_t)left;
	atomic_store(&hunt->spent, 0);
	atomic_store(&hunt->reset, atomic_load(&m->t->reset));
	return m->slot_count;
}

static bool
slot_is_idle(const struct map *m, struct slot *s, bool minor, uint64_t now)
{
	if ((minor && !slot_is_minor(s)) ||
	    (atomic_load(&s->state) & SLOT_LOCKED) != 0)
		return false;
	/* live_until does not know what was taken back; the cells do. */
	return atomic_load(&s->live_until) <= now || !slot_is_live(m, s, now);
}

/* Look for an idle slot, among those of the minor kind or all, from where the
 * last search ended. */
static int
slot_search(struct mapped *q, struct map *m, bool minor, bool at_once,
    uint32_t *n_r)
{
	struct search *search = minor ? &m->t->minor : &m->t->any;
	struct hunt *hunt = minor ? &m->t->minor_hunt : &m->t->any_hunt;
	uint64_t begun = quota_boottime(q) + m->offset, now;
	uint32_t n = (uint32_t)(atomic_load(&search->next) % m->slot_count);
	uint32_t left, stop = m->slot_count / HUNT_PART;
	bool found = false;

	if (search_vain(m, search, begun) != 0)
		return ERR_FULL;
	left = hunt_begin(m, hunt, begun);
	stop = stop > HUNT_SLOTS ? stop : HUNT_SLOTS;
	stop = at_once || left < stop ? 0 : left - stop;
	while (left > stop && !found) {
		*n_r = n;
		n = n + 1 == m->slot_count ? 0 : n + 1;
		left--;
		found = slot_is_idle(m, map_slot(m, *n_r), minor, begun) &&
		    slot_retire(q, m, *n_r);
	}
	now = quota_boottime(q) + m->offset;
	atomic_store(&search->next, n);
	atomic_store(&hunt->left, found ? 0 : left);
	atomic_store(&hunt->last, now);
	atomic_fetch_add(&hunt->spent, now - begun);
	if (found)
		return 0;
	if (left > 0)
		return SLOT_LATER;
	/* A process that does not know the minor kind may have freed some. */
	if (minor)
		minors_recount(m);
	search_failed(search, hunt, now);
	return ERR_FULL;
}

/* Do the accounts of the minor kind have their half of the table? */
static bool
minors_full(struct map *m)
{
	return atomic_load(&m->t->minors) >= m->slot_count / 2;
}

bool
slot_room(const struct mapped *q, struct map *m, bool minor)
{
	uint64_t now = quota_boottime(q) + m->offset;
	bool half = minor && minors_full(m);

	if (!half && atomic_load(&m->t->fresh) < m->slot_count)
		return true;
	for (uint32_t n = 0; n < map_fresh(m); n++) {
		if (slot_is_idle(m, map_slot(m, n), half, now))
			return true;
	}
	return false;
}

static int
slot_take(struct mapped *q, struct map *m, bool minor, bool at_once,
    uint32_t *n_r)
{
	struct table *t = m->t;
	uint64_t fresh = atomic_load(&t->fresh);

	if (minor && minors_full(m))
		return slot_search(q, m, true, at_once, n_r);
	if (fresh >= m->slot_count)
		return slot_search(q, m, false, at_once, n_r);
	*n_r = (uint32_t)fresh;
	atomic_store(&t->fresh, fresh + 1);
	journal_reuse(m, *n_r);
	version_odd(map_slot(m, *n_r));
	slot_free(m, map_slot(m, *n_r));
	return 0;
}

static void
name_set(const struct map *m, struct slot *s, const char *account, size_t len)
{
	struct name *name = slot_name(m, s);

	atomic_store(&name->len, len);
	for (size_t i = 0; i < QUOTA_NAME_KEPT; i += 8) {
		uint64_t w = 0;

		if (i < len)
			memcpy(&w, account + i, len - i < 8 ? len - i : 8);
		atomic_store_explicit(&name->text[i / 8], w,
		    memory_order_relaxed);
	}
}

/* Under the journal: if there is a kill in between, they are counted again. */
static void
minor_set(struct map *m, struct slot *s)
{
	atomic_fetch_or(&s->state, SLOT_MINOR);
	slot_changed(m, s);
	atomic_fetch_add(&m->t->minors, 1);
}

bool
slot_none(struct mapped *q, struct map *m, const struct quota_key *key,
    bool minor)
{
	struct search *search = minor && minors_full(m) ? &m->t->minor :
	    &m->t->any;
	uint64_t now = quota_boottime(q) + m->offset;
	uint64_t until = search_vain(m, search, now);
	uint32_t n;

	/* Unless the index was rebuilt meanwhile, which ends the time. */
	return until != 0 && slot_find(m, key, &n) == NULL &&
	    search_vain(m, search, now) == until;
}

int
slot_make(struct mapped *q, struct map *m, const struct quota_key *key,
    const char *account, size_t len, bool minor, bool at_once, uint32_t *n_r)
{
	struct table *t = m->t;
	struct slot *s = slot_find(m, key, n_r);
	int rc;

	if (s != NULL) {
		/* Made by a lock, or by a process that does not know the
		 * minor kind. */
		if (minor && !slot_is_minor(s)) {
			journal_reuse(m, *n_r);
			minor_set(m, s);
			atomic_store(&t->journal, JOURNAL_NONE);
		}
		return 0;
	}
	rc = slot_take(q, m, minor, at_once, n_r);
	if (rc != 0)
		return rc;
	/* Ours now, free, of odd version, and in the journal. */
	s = map_slot(m, *n_r);
	name_set(m, s, account, len);
	atomic_store(&s->state, SLOT_TAKEN);
	if (minor)
		minor_set(m, s);
	atomic_store(&s->key_lo, key->lo);
	atomic_store(&s->key_hi, key->hi);
	index_add(m, key, *n_r);
	slot_done(m, s);
	if (atomic_load(&t->tombs) > m->index_mask / 4)
		table_reindex(m);
	return 0;
}

void
slot_stop(struct map *m, uint32_t n)
{
	version_odd(map_slot(m, n));
}

void
slot_drop(struct map *m, uint32_t n)
{
	struct slot *s = map_slot(m, n);
	struct quota_key key = {atomic_load(&s->key_hi),
	    atomic_load(&s->key_lo)};

	atomic_store(&m->t->journal_slot, n);
	atomic_store(&m->t->journal, JOURNAL_REUSE);
	version_odd(s);
	if (key.hi != 0)
		index_remove(m, &key, n);
	slot_free(m, s);
	slot_done(m, s);
}

/* Step 2 of giving another name; the journal knows all it needs. */
static void
name_become(struct map *m, struct slot *s)
{
	struct table *t = m->t;
	struct name *name = slot_name(m, s);

	atomic_store(&s->key_hi, 0);
	atomic_store(&name->len, atomic_load(&t->journal_len));
	for (size_t i = 0; i < QUOTA_NAME_KEPT / 8; i++)
		atomic_store(&name->text[i], atomic_load(&t->journal_text[i]));
	atomic_store(&s->key_lo, atomic_load(&t->journal_key[1]));
	atomic_store(&s->key_hi, atomic_load(&t->journal_key[0]));
}

/* Cells, lock and generations stay: what was counted is as old as before. */
void
slot_rename(struct map *m, uint32_t n, const struct quota_key *key,
    const char *account, size_t len)
{
	struct slot *s = map_slot(m, n);
	struct table *t = m->t;
	struct quota_key old = {atomic_load(&s->key_hi),
	    atomic_load(&s->key_lo)};

	atomic_store(&t->journal_key[0], key->hi);
	atomic_store(&t->journal_key[1], key->lo);
	atomic_store(&t->journal_len, len);
	for (size_t i = 0; i < QUOTA_NAME_KEPT; i += 8) {
		uint64_t w = 0;

		if (i < len)
			memcpy(&w, account + i, len - i < 8 ? len - i : 8);
		atomic_store(&t->journal_text[i / 8], w);
	}
	atomic_store(&t->journal_slot, n);
	atomic_store(&t->journal, JOURNAL_NAME);
	version_odd(s);
	index_remove(m, &old, n);
	name_become(m, s);
	index_add(m, key, n);
	slot_done(m, s);
	if (atomic_load(&t->tombs) > m->index_mask / 4)
		table_reindex(m);
}

/* --- after a kill ------------------------------------------------------ */

/* The slot was changing hands.  With a key it is whole, be it the old one's or
 * the new one's; it may or may not stand in the index. */
static void
recover_reuse(struct map *m, uint32_t n)
{
	struct slot *s = map_slot(m, n);
	struct quota_key key = {atomic_load(&s->key_hi),
	    atomic_load(&s->key_lo)};
	uint32_t other;

	if (key.hi == 0) {
		slot_free(m, s);
	} else if (slot_find(m, &key, &other) == NULL) {
		index_add(m, &key, n);
	}
	minors_recount(m);
}

/* It may stand in the index under its old name, its new one, or not at all. */
static void
recover_name(struct map *m, uint32_t n)
{
	struct table *t = m->t;
	uint64_t len = atomic_load(&t->journal_len);

	if (atomic_load(&t->journal_key[0]) == 0 || len < 1 ||
	    len > QUOTA_ACCOUNT_MAX)
		return;
	name_become(m, map_slot(m, n));
	table_reindex(m);
}

void
table_recover(struct mapped *q, struct map *m)
{
	struct table *t = m->t;
	uint64_t journal = atomic_load(&t->journal);
	uint64_t n = atomic_load(&t->journal_slot);

	if (atomic_load(&t->dirty) != 0)
		table_reindex(m);
	if (journal == JOURNAL_NONE)
		return;
	if (n < m->slot_count) {
		struct slot *s = map_slot(m, (uint32_t)n);

		version_odd(s);
		if (journal == JOURNAL_REUSE)
			recover_reuse(m, (uint32_t)n);
		else if (journal == JOURNAL_CLEAR)
			slot_wipe(m, s);
		else if (journal == JOURNAL_NAME)
			recover_name(m, (uint32_t)n);
		else if (journal == JOURNAL_RING &&
		    atomic_load(&t->journal_ring) < m->rings &&
		    desc_valid(atomic_load(&t->journal_desc)))
			ring_become(q, m, s);
		slot_done(m, s);
	}
	atomic_store(&t->journal, JOURNAL_NONE);
}

/* The last moment at which counts may have reached the disk without the page
 * that a ring's head is on. */
#define TORN_NSEC (600 * NSEC)

/*
 * When the newest tick that counts in the ring began: by its head, or where
 * that page is older than the cells', by these.  A cell has its lap modulo 256
 * only: its tick is taken for the one nearest to the head, and cells are read
 * only where the head is near `base`, a time that is known.
 */
static uint64_t
ring_newest(const struct map *m, struct slot *s, unsigned i, uint64_t base)
{
	struct ring *r = slot_ring(s, i);
	uint64_t desc = atomic_load(&r->desc), head = atomic_load(&r->head);
	uint64_t width = ring_width(desc), newest, tick;
	word64 *cell = slot_cells(m, s, i);

	if (head > TIME_MAX / width)
		return 0;
	newest = head * width;
	if (newest + TORN_NSEC < base)
		return newest; /* idle for longer than pages lie about */
	for (unsigned c = 0; c < RING_CELLS; c++) {
		uint64_t v = atomic_load(&cell[c]), at;

		tick = head - head % RING_CELLS + c;
		tick += (uint64_t)(int64_t)(int8_t)(uint8_t)((v >> 56) -
		    head / RING_CELLS) * RING_CELLS;
		at = tick * width;
		if ((v & COUNT_MASK) != 0 && tick < TIME_MAX / width &&
		    at > newest && at < base + TORN_NSEC)
			newest = at;
	}
	return newest;
}

/* A ring's newest tick, over all of the table. */
static uint64_t
table_newest(struct map *m, uint64_t base)
{
	uint64_t newest = 0, at;

	for (uint32_t n = 0; n < map_fresh(m); n++) {
		struct slot *s = map_slot(m, n);

		for (unsigned i = 0; i < m->rings; i++) {
			if (!desc_valid(atomic_load(&slot_ring(s, i)->desc)))
				continue;
			at = ring_newest(m, s, i, base);
			if (at > newest)
				newest = at;
		}
	}
	return newest;
}

/*
 * The beginning of the newest tick is used, which has passed: with any time
 * within that tick, all counts are within their windows.  Its end may be a 31st
 * of the window ahead, and shorter windows would lose their counts.
 */
uint64_t
table_after_boot(struct map *m)
{
	uint64_t next = atomic_load(&m->t->generation), gen, newest;
	uint64_t latest = atomic_load(&m->t->latest);

	for (uint32_t n = 0; n < map_fresh(m); n++) {
		struct slot *s = map_slot(m, n);

		if ((atomic_load(&s->version) & 1) != 0)
			version_even(s);
		for (unsigned i = 0; i < m->rings; i++) {
			gen = atomic_load(&slot_ring(s, i)->gen);
			if (gen >= next)
				next = gen + 1;
		}
	}
	atomic_store(&m->t->generation, next);
	table_reindex(m);
	/* First by the heads alone; then cells near that. */
	newest = table_newest(m, 0);
	newest = table_newest(m, newest > latest ? newest : latest);
	return newest;
}
