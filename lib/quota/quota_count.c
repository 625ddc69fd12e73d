/*
 * Counting.  SPDX-License-Identifier: BSD-2-Clause
 *
 * An attempt (struct claim) raises the cells of a use to the wanted counts, at
 * the present tick.  Its steps: add; read the clock again; sum; check that
 * nothing but cells has changed in the slot meanwhile.  To raise a cell twice
 * is the same as once, so an attempt may start again from any point.
 */
#include "table.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include "lib/base/err.h"

#define CONTENTION_TRIES 8
#define YIELD_NSEC 50000 /* for others to take the lock */
#define ATTEMPTS_MAX 1000 /* far more than any storm of resets needs */

enum mode {
	MODE_RESERVE,
	MODE_COMMIT,
	MODE_SETTLE, /* like commit, but unchecked */
};

enum step {
	STEP_OK,
	STEP_OVER,  /* a limit is reached */
	STEP_AGAIN, /* something moved: from the beginning */
	STEP_MEND,  /* the slot needs work under the lock */
	STEP_LOCKED,
};

struct claim {
	struct mapped *q;
	struct map *m;
	struct slot *s;
	struct hold *hold;
	const struct quota_amount *have; /* reserved so far */
	const struct quota_amount *extra;
	enum mode mode;
	uint64_t version;
	uint64_t now; /* table time */
	unsigned over; /* the ring to which STEP_OVER applies */
	bool never;    /* more than the limit of ring `over` can ever grant */
	unsigned rings; /* up to the last one that takes part */
	unsigned touched; /* bits: the ring's cell was changed, in this map */
	struct claim_ring {
		bool used; /* takes part */
		bool limited;
		unsigned kind;
		uint64_t desc, gen, width;
		uint64_t want; /* in the cell, at the end */
		uint64_t limit;
		uint64_t tick, end;
	} ring[RINGS_MAX];
	const struct quota_limit *limits[RINGS_MAX];
};

/* --- cells ------------------------------------------------------------ */

#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__) && \
    !defined(QUOTA_PLAIN_SUM)
/*
 * The sum of the cells of this generation that are within the ring at this
 * tick, or ahead of it.  It needs two properties of the processor that C can't
 * express, so it is for x86-64 only: a vector load reads each aligned word
 * whole, and no load is done before an earlier locked instruction, such as the
 * one that added our count.
 */
typedef uint64_t vec __attribute__((vector_size(32), may_alias));
typedef uint64_t uvec __attribute__((vector_size(32), aligned(8), may_alias));

/* One lap, for the places behind that of the tick: from [31 - place] on. */
static const uint64_t lap_back[2 * RING_CELLS] = {
#define LAP (UINT64_C(1) << 56)
#define LAP8 LAP, LAP, LAP, LAP, LAP, LAP, LAP, LAP
    [RING_CELLS] = LAP8, LAP8, LAP8, LAP8
};

__attribute__((always_inline)) static inline uint64_t
sum_vectors(const word64 *cells, uint64_t tick, uint64_t gen)
{
	/* Bits of the difference that must be 0: the sign, the generation. */
	const uint64_t same = UINT64_C(1) << 63 | GEN_MASK << COUNT_BITS;
	const uint64_t *back = lap_back + RING_CELLS - 1 - tick % RING_CELLS;
	uint64_t base = cell_tag(tick, gen);
	vec sum = {0, 0, 0, 0};

	__asm__ __volatile__("" ::: "memory");
#pragma GCC unroll 8
	for (unsigned i = 0; i < RING_CELLS; i += 4) {
		vec v = *(const vec *)(const void *)(cells + i);
		vec x = v - base + *(const uvec *)(const void *)(back + i);

		sum += v & COUNT_MASK & (vec)((x & same) == 0);
	}
	__asm__ __volatile__("" ::: "memory");
	return sum[0] + sum[1] + sum[2] + sum[3];
}

__attribute__((target("avx2"))) static uint64_t
sum_avx2(const word64 *cells, uint64_t tick, uint64_t gen)
{
	return sum_vectors(cells, tick, gen);
}

static inline uint64_t
ring_sum(const word64 *cells, uint64_t tick, uint64_t gen)
{
	return __builtin_cpu_supports("avx2") ? sum_avx2(cells, tick, gen) :
	    sum_vectors(cells, tick, gen);
}
#else
static inline uint64_t
ring_sum(const word64 *cells, uint64_t tick, uint64_t gen)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < RING_CELLS; i++) {
		uint64_t v = atomic_load(&cells[i]);

		if (cell_lap(v, i, tick) >= 0 && cell_of(v, gen))
			sum += v & COUNT_MASK;
	}
	return sum;
}
#endif

/* Add n to the tick's cell.  An older lap's count, or an older generation's, is
 * replaced.  STEP_OVER: the cell can't hold so much.  STEP_MEND: it has a later
 * lap's count.  STEP_AGAIN: the ring has another generation by now. */
static enum step
cell_add(const struct claim *c, unsigned i, uint64_t tick, uint64_t n)
{
	const struct claim_ring *r = &c->ring[i];
	unsigned place = tick % RING_CELLS;
	word64 *cell = &slot_cells(c->m, c->s, i)[place];
	uint64_t tag = cell_tag(tick, r->gen), v = atomic_load(cell), next;

	do {
		uint64_t count = v & COUNT_MASK;
		int lap = cell_lap(v, place, tick);

		if ((v & ~COUNT_MASK) == tag) {
			if (count + n > COUNT_MASK)
				return STEP_OVER;
			next = v + n;
			continue;
		}
		next = tag | n;
		if (count == 0 || lap < 0)
			continue;
		if (lap > 0) /* we slept for a window */
			return STEP_MEND;
		/* A count of another generation is void and is replaced,
		 * unless the ring has left our generation. */
		if (atomic_load(&slot_ring(c->s, i)->gen) != r->gen)
			return STEP_AGAIN;
	} while (!atomic_compare_exchange_weak(cell, &v, next));
	return STEP_OK;
}

/*
 * Take n off a cell, if it still has what was counted.  The cell is read first,
 * the clock second.  A cell has its lap modulo 256 only, but if by the later
 * clock the tick is still within the ring, the lap that was read is that of
 * the tick.
 */
__attribute__((noinline, cold)) static void
cell_take(const struct mapped *q, const struct map *m, struct slot *s,
    unsigned i, const struct cell *from, uint64_t n)
{
	word64 *cell = &slot_cells(m, s, i)[from->tick % RING_CELLS];
	uint64_t tag = cell_tag(from->tick, from->gen), v, count, desc;

	desc = atomic_load(&slot_ring(s, i)->desc);
	v = atomic_load(cell);
	/* With the generation in which it was counted, desc is the same too. */
	if (n == 0 || !desc_valid(desc) ||
	    atomic_load(&slot_ring(s, i)->gen) != from->gen)
		return;
	do {
		count = v & COUNT_MASK;
		if ((v & ~COUNT_MASK) != tag || (quota_boottime(q) +
		    m->offset) / ring_width(desc) >= from->tick + RING_CELLS)
			return;
	} while (!atomic_compare_exchange_weak(cell, &v,
	    v - (n < count ? n : count)));
}

/* --- an attempt -------------------------------------------------------- */

static void
claim_hint(struct claim *c, unsigned i)
{
	struct ring *r = slot_ring(c->s, i);
	uint64_t until = c->ring[i].end + RING_CELLS * c->ring[i].width;

	if (atomic_load_explicit(&r->head, memory_order_relaxed) <
	    c->ring[i].tick)
		atomic_store_explicit(&r->head, c->ring[i].tick,
		    memory_order_relaxed);
	if (atomic_load_explicit(&c->s->live_until, memory_order_relaxed) <
	    until)
		atomic_store_explicit(&c->s->live_until, until,
		    memory_order_relaxed);
}

/* Raise one cell to the wanted count, at the present tick. */
static enum step
claim_put(struct claim *c, unsigned i)
{
	struct claim_ring *r = &c->ring[i];
	struct cell *cell = &c->hold->cell[i], old = *cell;
	bool ours = cell->count != 0 && cell->gen == r->gen;
	enum step step;

	if (c->now >= r->end) {
		uint64_t swept = atomic_load(&slot_ring(c->s, i)->swept);

		r->tick = c->now / r->width;
		r->end = (r->tick + 1) * r->width;
		if ((int64_t)(r->tick - swept) >= SWEEP_LAPS * RING_CELLS)
			return STEP_MEND;
	}
	if (ours && cell->tick == r->tick && cell->count >= r->want)
		return STEP_OK;
	c->touched |= 1U << i;
	if (ours && cell->tick == r->tick) {
		step = cell_add(c, i, r->tick, r->want - cell->count);
		if (step == STEP_OK)
			cell->count = r->want;
		return step;
	}
	step = cell_add(c, i, r->tick, r->want);
	if (step != STEP_OK)
		return step;
	*cell = (struct cell){.gen = r->gen, .tick = r->tick,
	    .count = r->want};
	c->hold->unchecked |= 1U << i;
	if (ours) {
		atomic_fetch_add(&c->s->moves, 1);
		cell_take(c->q, c->m, c->s, i, &old, old.count);
	}
	claim_hint(c, i);
	return STEP_OK;
}

static void
claim_clock(struct claim *c)
{
	c->now = quota_boottime(c->q) + c->m->offset;
}

/* Has the tick of any ring passed? */
static bool
claim_late(const struct claim *c)
{
	for (unsigned i = 0; i < c->rings; i++) {
		if (c->ring[i].used && c->now >= c->ring[i].end)
			return true;
	}
	return false;
}

/* Find the set's limit that the ring counts for; false: there is none.  Rings
 * are mostly made in the reverse order of the set: see rings_fit. */
static bool
claim_limit(struct claim *c, unsigned i)
{
	const struct quota_set *set = c->hold->set;

	for (unsigned n = 0; n <= set->count; n++) {
		/* First the one at the opposite place, then all. */
		unsigned k = n == 0 ? set->count - 1 - i : n - 1;

		if (k < set->count && ring_desc(set->limit[k].kind,
		    set->limit[k].window_s) == c->ring[i].desc) {
			c->limits[i] = &set->limit[k];
			c->ring[i].limit = set->limit[k].limit;
			return true;
		}
	}
	return false;
}

/* How much of a limit the attempt needs. */
static uint64_t
claim_need(const struct claim *c, const struct claim_ring *r)
{
	return c->mode == MODE_RESERVE ? c->extra->of[r->kind] : r->want;
}

/*
 * Set the wanted count of each ring.  A reservation uses only rings of the
 * kinds to which it adds.  The exception: a ring that does not have what was
 * reserved before (after a reset, or with other windows) is used too, and it is
 * counted there again.  False: the set has a limit without a ring.
 */
static bool
claim_rings(struct claim *c)
{
	unsigned found = 0;

	c->never = false;
	c->rings = 0;
	for (unsigned i = 0; i < c->m->rings; i++) {
		struct claim_ring *r = &c->ring[i];
		const struct cell *cell = &c->hold->cell[i];
		uint64_t extra, base;

		r->used = r->limited = false;
		r->desc = atomic_load_explicit(&slot_ring(c->s, i)->desc,
		    memory_order_acquire);
		if (r->desc == 0) /* and so are all after it */
			break;
		if (!desc_valid(r->desc))
			continue;
		r->limited = claim_limit(c, i);
		found += r->limited;
		r->kind = desc_kind(r->desc);
		extra = c->extra->of[r->kind];
		base = c->have->of[r->kind];
		r->want = base + extra;
		if (r->limited && claim_need(c, r) > r->limit) {
			c->never = true;
			c->over = i;
		}
		r->gen = atomic_load_explicit(&slot_ring(c->s, i)->gen,
		    memory_order_acquire);
		if (c->mode == MODE_RESERVE)
			r->used = extra != 0 || (base != 0 &&
			    (cell->gen != r->gen || cell->count < base));
		else
			r->used = base != 0;
		if (r->used)
			c->rings = i + 1;
		r->width = ring_width(r->desc);
		r->end = 0;
	}
	return found == c->hold->set->count;
}

/* Is the slot the account's, and ready to count in? */
static enum step
claim_begin(struct claim *c)
{
	uint64_t state;

	c->version = atomic_load(&c->s->version);
	if ((c->version & 1) != 0 ||
	    atomic_load(&c->s->key_hi) != c->hold->key.hi ||
	    atomic_load(&c->s->key_lo) != c->hold->key.lo)
		return STEP_MEND;
	state = atomic_load(&c->s->state);
	if ((state & SLOT_LOCKED) != 0 && c->mode != MODE_SETTLE)
		return STEP_LOCKED;
	if (c->hold->set->minor && (state & SLOT_MINOR) == 0)
		return STEP_MEND;
	if (!claim_rings(c) || atomic_load(&c->s->seen) !=
	    atomic_load(&c->m->t->reset))
		return STEP_MEND;
	/* If the version differs, a change was under way: some generations may
	 * be its new ones, and it may still clear what we would add. */
	return atomic_load(&c->s->version) == c->version ? STEP_OK : STEP_AGAIN;
}

/* Raise all cells, each at the tick of the same moment. */
static enum step
claim_put_all(struct claim *c)
{
	claim_clock(c);
	do {
		for (unsigned i = 0; i < c->rings; i++) {
			enum step step;

			if (!c->ring[i].used)
				continue;
			step = claim_put(c, i);
			c->over = i;
			if (step != STEP_OK)
				return step;
		}
		claim_clock(c);
	} while (claim_late(c));
	return STEP_OK;
}

static enum step
claim_sum(struct claim *c)
{
	enum step step;
	uint64_t moves;

	do {
		moves = atomic_load(&c->s->moves);
		step = STEP_OK;
		for (unsigned i = 0; step == STEP_OK && i < c->rings; i++) {
			const struct claim_ring *r = &c->ring[i];

			if (!r->used || !r->limited)
				continue;
			c->over = i;
			if (ring_sum(slot_cells(c->m, c->s, i), r->tick,
			    r->gen) > r->limit)
				step = STEP_OVER;
		}
	} while (atomic_load(&c->s->moves) != moves);
	return step;
}

/* Was the slot or the table changed meanwhile? */
static bool
claim_moved(const struct claim *c)
{
	return atomic_load(&c->s->version) != c->version ||
	    !slot_changed(c->m, c->s);
}

/* The use is checked now, and its check holds until the first of its ticks
 * ends.  Rings that a reservation did not use have ticks of an earlier one: the
 * earlier end counts too. */
static void
claim_done(const struct claim *c)
{
	bool more = c->mode == MODE_RESERVE && c->hold->end != 0;
	uint64_t end = more ? c->hold->end : UINT64_MAX;

	for (unsigned i = 0; i < c->rings; i++) {
		if (!c->ring[i].used)
			continue;
		c->hold->unchecked &= ~(1U << i);
		if (c->ring[i].end < end)
			end = c->ring[i].end;
	}
	c->hold->end = end;
	c->hold->version = c->version;
}

static enum step
claim_try(struct claim *c)
{
	enum step step = claim_begin(c);

	/* More than a limit can ever grant is not added even for a moment: if
	 * we were killed before taking it back, the account could send nothing
	 * for a whole window. */
	if (step == STEP_OK && c->never && c->mode != MODE_SETTLE)
		step = STEP_OVER;
	while (step == STEP_OK) {
		step = claim_put_all(c);
		if (step == STEP_OK && c->mode != MODE_SETTLE)
			step = claim_sum(c);
		if (claim_moved(c))
			return STEP_AGAIN;
		/* The commit's own time counts: if a tick has ended meanwhile,
		 * count again. */
		if (step != STEP_OK || c->mode == MODE_RESERVE)
			break;
		claim_clock(c);
		if (!claim_late(c))
			break;
	}
	if (step == STEP_OK)
		claim_done(c);
	return step;
}

/* --- around attempts ---------------------------------------------------- */

/* Set the account's key in this table.  If the hold had the key of another
 * table, its cells belong to that table, and their counts are dropped here. */
static void
hold_key(const struct map *m, struct hold *h)
{
	struct quota_key key = quota_key_of(m, h->account, h->account_len);

	if (h->key.hi != 0 && h->key.lo != key.lo) {
		for (unsigned i = 0; i < RINGS_MAX; i++)
			h->cell[i].count = 0;
	}
	h->key = key;
}

/* Is the hinted slot the one in which the hold has counted?  A generation names
 * one account's ring, so the slot is, whatever name the account has. */
static bool
hold_counts_in(const struct map *m, const struct hold *h, struct slot *s)
{
	for (unsigned i = 0; i < m->rings; i++) {
		if (h->cell[i].count != 0 &&
		    h->cell[i].gen == atomic_load(&slot_ring(s, i)->gen))
			return true;
	}
	return false;
}

/*
 * The account's present slot; NULL: the table has none.  An account that was
 * renamed while the hold has a count in it is still the hold's: key becomes
 * that of the new name.  (While the name is changing the slot has no key; then
 * its version is odd.)
 */
static struct slot *
hold_slot(struct map *m, struct hold *h)
{
	if (h->slot < m->slot_count && h->key.hi != 0) {
		struct slot *s = map_slot(m, h->slot);
		struct quota_key key = {atomic_load(&s->key_hi),
		    atomic_load(&s->key_lo)};

		if (key.hi == h->key.hi && key.lo == h->key.lo)
			return s;
		if (hold_counts_in(m, h, s)) {
			if (key.hi != 0)
				h->key = key;
			return s;
		}
		/* The table was moved, and the slots have other numbers. */
		s = slot_find(m, &h->key, &h->slot);
		if (s != NULL)
			return s;
	}
	hold_key(m, h);
	return slot_find(m, &h->key, &h->slot);
}

/* Take counts back until only `to` is left; NULL: nothing is left. */
static void
hold_take_back(struct mapped *q, struct hold *h, const struct quota_amount *to)
{
	struct map *m = atomic_load(&q->map);
	struct slot *s = NULL;

	if (map_moving(m)) {
		table_follow(q, m);
		m = atomic_load(&q->map);
	}
	for (unsigned i = 0; i < m->rings; i++) {
		struct cell *cell = &h->cell[i];
		uint64_t desc, keep;

		if (cell->count == 0)
			continue;
		if (s == NULL && (s = hold_slot(m, h)) == NULL)
			break;
		/* cell_take does nothing if the ring has been replaced. */
		desc = atomic_load(&slot_ring(s, i)->desc);
		keep = to == NULL || !desc_valid(desc) ? 0 :
		    to->of[desc_kind(desc)];
		if (cell->count > keep) {
			cell_take(q, m, s, i, cell, cell->count - keep);
			cell->count = keep;
		}
	}
	if (s != NULL)
		slot_changed(m, s);
}

/* Under the lock: find the slot or make it, and make it ready to count in. */
static int
hold_mend(struct mapped *q, struct map *m, struct hold *h)
{
	const struct timespec moment = {0, YIELD_NSEC};
	int rc = table_lock(q, m);

	if (rc != 0)
		return rc;
	if (!map_moving(m)) {
		hold_slot(m, h);
		if (slot_find(m, &h->key, &h->slot) == NULL)
			hold_key(m, h);
		rc = slot_make(q, m, &h->key, h->account, h->account_len,
		    h->set->minor, false, &h->slot);
		if (rc == 0)
			rc = slot_mend(q, m, h->slot, h->set);
	}
	table_unlock(q, m);
	if (rc != SLOT_LATER)
		return rc;
	h->slot = UINT32_MAX;
	nanosleep(&moment, NULL);
	return 0;
}

uint64_t
ring_retry(const struct map *m, struct slot *s, unsigned ring, uint64_t limit,
    uint64_t need, uint64_t now)
{
	const word64 *cells = slot_cells(m, s, ring);
	uint64_t desc = atomic_load(&slot_ring(s, ring)->desc);
	uint64_t gen = atomic_load(&slot_ring(s, ring)->gen);
	uint64_t width, tick, used, at;

	if (need > limit)
		return QUOTA_NEVER;
	if (!desc_valid(desc))
		return 1;
	width = ring_width(desc);
	at = tick = now / width;
	used = ring_sum(cells, tick, gen);
	for (unsigned k = 1; used + need > limit && k <= RING_CELLS; k++) {
		/* At tick + k the cell of tick + k - RING_CELLS is gone. */
		unsigned place = (tick + k) % RING_CELLS;
		uint64_t v = atomic_load(&cells[place]);

		at = tick + k;
		if (cell_lap(v, place, tick) >= 0 && cell_of(v, gen))
			used -= (v & COUNT_MASK) < used ? v & COUNT_MASK : used;
	}
	if (at == tick)
		return 1;
	return (at * width - now + NSEC - 1) / NSEC;
}

/* Report the limit that refuses.  False: by now it seems to fit. */
static bool
claim_refusal(struct claim *c, struct quota_refusal *refusal_r)
{
	struct quota_refusal refusal = {.retry_s = 0};
	const struct quota_limit *last = c->hold->set->limit;
	bool over = false;

	claim_clock(c);
	for (unsigned i = 0; i < c->rings; i++) {
		const struct claim_ring *r = &c->ring[i];
		uint64_t used, need, retry;

		if (!r->used || !r->limited)
			continue;
		/* A ring to which nothing was added was not swept either. */
		used = slot_live(c->m, c->s, i, c->now, QUOTA_WINDOW_MAX);
		need = claim_need(c, r);
		if (used + need <= r->limit)
			continue;
		over = true;
		retry = ring_retry(c->m, c->s, i, r->limit, need, c->now);
		/* Of limits that last equally long the set's last one, as
		 * quota_would reports it. */
		if (retry > refusal.retry_s ||
		    (retry == refusal.retry_s && c->limits[i] > last)) {
			last = c->limits[i];
			refusal = (struct quota_refusal){.limit = *last,
			    .used = used, .retry_s = retry};
		}
	}
	if (over && refusal_r != NULL)
		*refusal_r = refusal;
	return over;
}

/* Report a refusal for which claim_refusal finds no limit: the counts of others
 * were in the way for a moment.  It names the limit of ring `over`.  A ring
 * without a limit is over when its cell can't hold more: then it names that
 * bound. */
static void
claim_contended(struct claim *c, struct quota_refusal *refusal_r)
{
	const struct claim_ring *r = &c->ring[c->over];
	struct quota_limit limit = {r->kind, (uint32_t)desc_window(r->desc),
	    QUOTA_LIMIT_MAX};

	if (refusal_r != NULL)
		*refusal_r = (struct quota_refusal){.limit = r->limited ?
		    *c->limits[c->over] : limit, .used = r->limited ?
		    r->limit : QUOTA_LIMIT_MAX, .retry_s = 1};
}

/* Sets only what is read before it is written: the rings are half a
 * kilobyte. */
static void
claim_init(struct claim *c, struct mapped *q, struct hold *h,
    const struct quota_amount *have, const struct quota_amount *extra,
    enum mode mode)
{
	c->q = q;
	c->m = NULL;
	c->hold = h;
	c->have = have;
	c->extra = extra;
	c->mode = mode;
	c->rings = c->touched = 0;
}

/*
 * Take the map to count in.  If the table was moved during an attempt, what was
 * added may not have been copied: it is added again.
 */
static void
claim_map(struct claim *c)
{
	struct map *m = atomic_load(&c->q->map);

	for (unsigned i = 0; m != c->m && c->touched >> i != 0; i++) {
		if ((c->touched >> i & 1) != 0)
			c->hold->cell[i].count = 0;
	}
	if (m != c->m)
		c->touched = 0;
	c->m = m;
}

/* More limits than the table was opened for.  (A file that was made for more
 * than this process amount for holds more.) */
static bool
set_too_large(const struct mapped *q, const struct map *m, unsigned limits)
{
	return limits > m->rings || (q->mode == QUOTA_CREATE &&
	    limits > q->limits && limits + QUOTA_KINDS > m->rings);
}

/* One attempt, in the present table and slot. */
static enum step
hold_attempt(struct claim *c, int *rc_r)
{
	claim_map(c);
	if (set_too_large(c->q, c->m, c->hold->set->count)) {
		*rc_r = ERR_LIMIT;
		return STEP_AGAIN;
	}
	if (map_moving(c->m)) {
		*rc_r = table_follow(c->q, c->m);
		return STEP_AGAIN;
	}
	c->s = hold_slot(c->m, c->hold);
	if (c->s != NULL) {
		enum step step = claim_try(c);

		if (step != STEP_MEND)
			return step;
	} else if (slot_none(c->q, c->m, &c->hold->key, c->hold->set->minor)) {
		*rc_r = ERR_FULL;
		return STEP_AGAIN;
	}
	*rc_r = hold_mend(c->q, c->m, c->hold);
	return STEP_AGAIN;
}

static const struct quota_amount nothing = {{0}};

/* Bring a level to what is wanted.  Not granted: nothing more stays there than
 * before, or, of a commit, nothing at all. */
static int
hold_run(struct mapped *q, struct hold *h, const struct quota_amount *have,
    const struct quota_amount *extra, enum mode mode,
    struct quota_refusal *refusal_r)
{
	const struct quota_amount *back = mode == MODE_COMMIT ? NULL : have;
	unsigned contended = 0, attempts = 0;
	enum step step;
	struct claim c;
	int rc = 0;

	claim_init(&c, q, h, have, extra, mode);
	do {
		step = hold_attempt(&c, &rc);
		if (step == STEP_OVER) {
			hold_take_back(q, h, back);
			if (!claim_refusal(&c, refusal_r) &&
			    ++contended < CONTENTION_TRIES)
				step = STEP_AGAIN;
		}
		if (++attempts == ATTEMPTS_MAX) {
			errno = EBUSY;
			rc = ERR_SYSTEM;
		}
	} while (step == STEP_AGAIN && rc == 0);
	if (step == STEP_OK)
		return QUOTA_GRANTED;
	hold_take_back(q, h, back);
	if (rc != 0)
		return rc;
	if (contended == CONTENTION_TRIES)
		claim_contended(&c, refusal_r);
	return step == STEP_LOCKED ? QUOTA_LOCKED : QUOTA_REFUSED;
}

/* Nothing has moved since the reservation was checked: no tick is over, and in
 * every ring all that is reserved of its kind stands under its generation. */
static bool
hold_fresh(
    struct mapped *q, struct hold *h, const struct quota_amount *have)
{
	struct map *m = atomic_load(&q->map);
	uint64_t state, desc;
	struct slot *s;

	if (h->slot >= m->slot_count ||
	    atomic_load(&m->t->moved) != MOVED_NO)
		return false;
	s = map_slot(m, h->slot);
	state = atomic_load(&s->state);
	if (h->unchecked != 0 ||
	    quota_boottime(q) + m->offset >= h->end)
		return false;
	for (unsigned i = 0; i < m->rings; i++) {
		const struct cell *cell = &h->cell[i];
		uint64_t count;

		desc = atomic_load(&slot_ring(s, i)->desc);
		if (desc == 0)
			break;
		count = desc_valid(desc) ? have->of[desc_kind(desc)] : 0;
		if (count != 0 && (cell->count != count ||
		    cell->gen != atomic_load(&slot_ring(s, i)->gen)))
			return false;
	}
	return (state & SLOT_LOCKED) == 0 &&
	    atomic_load(&s->key_hi) == h->key.hi &&
	    atomic_load(&s->key_lo) == h->key.lo &&
	    atomic_load(&s->version) == h->version &&
	    atomic_load(&s->seen) == atomic_load(&m->t->reset);
}

/* Without limits there is nothing to count, but there may be a lock. */
static bool
hold_locked(struct mapped *q, struct hold *h)
{
	struct slot *s = hold_slot(atomic_load(&q->map), h);

	return s != NULL && (atomic_load(&s->state) & SLOT_LOCKED) != 0;
}

static int
hold_reserve(struct mapped *q, struct hold *h, const struct quota_amount *have,
    const struct quota_amount *more, struct quota_refusal *refusal_r)
{
	if (h->set->count == 0)
		return hold_locked(q, h) ? QUOTA_LOCKED : QUOTA_GRANTED;
	return hold_run(q, h, have, more, MODE_RESERVE, refusal_r);
}

static int
hold_commit(struct mapped *q, struct hold *h, const struct quota_amount *have,
    struct quota_refusal *refusal_r)
{
	if (h->set->count == 0)
		return hold_locked(q, h) ? QUOTA_LOCKED : QUOTA_GRANTED;
	if (hold_fresh(q, h, have))
		return QUOTA_GRANTED;
	return hold_run(q, h, have, &nothing, MODE_COMMIT, refusal_r);
}

/* --- what the header offers ------------------------------------------- */

static_assert(sizeof(struct holds) <= QUOTA_USE_OWN, "a use has room for it");
static_assert(_Alignof(struct holds) <= _Alignof(struct quota_use), "... too");

static struct holds *
holds_of(struct quota_use *use)
{
	return (struct holds *)(void *)use->own;
}

/* An account's name that the table can hold? */
static bool
hold_begin(struct hold *h, const char *account, const struct quota_set *set)
{
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);

	if (len == 0 || len > QUOTA_ACCOUNT_MAX)
		return false;
	if (h->account == NULL)
		h->slot = UINT32_MAX;
	h->account = account;
	h->account_len = (unsigned char)len;
	h->set = set;
	return true;
}

/* The first reserve of a use names its account and set. */
static int
use_begin(struct mapped *q, struct quota_use *use, const char *account,
    const struct quota_set *set, const struct quota_amount *amount)
{
	struct holds *h = holds_of(use);

	if (q->mode == QUOTA_READ) {
		errno = EROFS;
		return ERR_SYSTEM;
	}
	if (set->sums > QUOTA_SUMS_MAX ||
	    !hold_begin(&h->level[0], account, set))
		return ERR_LIMIT;
	for (unsigned i = 0; i < set->sums; i++) {
		if (!hold_begin(&h->level[i + 1], set->sum[i].account,
		    set->sum[i].set))
			return ERR_LIMIT;
	}
	for (unsigned k = 0; k < QUOTA_KINDS; k++) {
		if (amount->of[k] > QUOTA_LIMIT_MAX ||
		    amount->of[k] + use->amount.of[k] > QUOTA_LIMIT_MAX)
			return ERR_LIMIT;
	}
	use->account = account;
	h->levels = 1 + set->sums;
	return 0;
}

/* Is it more than a limit of any level? */
static bool
never_fits(const struct holds *h, const struct quota_amount *amount)
{
	for (unsigned i = 0; i < h->levels; i++) {
		const struct quota_set *set = h->level[i].set;

		for (unsigned k = 0; k < set->count; k++) {
			if (amount->of[set->limit[k].kind] >
			    set->limit[k].limit)
				return true;
		}
	}
	return false;
}

/* A level has returned rc, and the attempt is taken back everywhere.  Check the
 * levels behind it too: one of them may refuse longer, or be locked. */
static int
levels_refused(struct mapped *q, const struct quota_use *use,
    const struct hold *first, unsigned level, const struct quota_amount *amount,
    int rc, struct quota_refusal *why, struct quota_refusal *refusal_r)
{
	why->level = level;
	if (rc == QUOTA_REFUSED)
		rc = look_levels(q, use->account, first->set, level + 1, amount,
		    rc, why);
	if (rc > 0 && refusal_r != NULL)
		*refusal_r = *why;
	return rc;
}

int
mapped_reserve(struct quota *base, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_use *use, struct quota_refusal *refusal_r)
{
	static const struct quota_set none;
	struct mapped *q = mapped_of(base);
	struct holds *h = holds_of(use);
	struct quota_refusal why = {.retry_s = 0};
	unsigned level = 0;
	int rc;

	assert(!use->committed);
	rc = use_begin(q, use, account, set != NULL ? set : &none, amount);
	if (rc != 0)
		return rc;
	/* Nothing is to be added in one level that another can't ever grant. */
	if (h->levels > 1 && never_fits(h, amount))
		return mapped_would(base, account, set, amount, refusal_r);
	for (; level < h->levels; level++) {
		rc = hold_reserve(q, &h->level[level], &use->amount, amount,
		    &why);
		if (rc != QUOTA_GRANTED)
			break;
	}
	if (rc != QUOTA_GRANTED) {
		for (unsigned i = 0; i < level; i++)
			hold_take_back(q, &h->level[i], &use->amount);
		return levels_refused(q, use, &h->level[0], level, amount, rc,
		    &why, refusal_r);
	}
	for (unsigned k = 0; k < QUOTA_KINDS; k++)
		use->amount.of[k] += amount->of[k];
	return QUOTA_GRANTED;
}

void
mapped_give_back(struct quota *q, struct quota_use *use,
    const struct quota_amount *amount)
{
	struct holds *h = holds_of(use);

	if (use->committed)
		return;
	for (unsigned k = 0; k < QUOTA_KINDS; k++)
		use->amount.of[k] -= amount->of[k] < use->amount.of[k] ?
		    amount->of[k] : use->amount.of[k];
	for (unsigned i = 0; i < h->levels; i++)
		hold_take_back(mapped_of(q), &h->level[i], &use->amount);
}

static void
take_all_back(struct mapped *q, struct holds *h)
{
	for (unsigned i = 0; i < h->levels; i++)
		hold_take_back(q, &h->level[i], NULL);
}

/* Has a tick of some level ended, while another one was brought to now? */
static bool
holds_late(struct mapped *q, const struct holds *h)
{
	uint64_t now = quota_boottime(q) + atomic_load(&q->map)->offset;

	for (unsigned i = 0; i < h->levels; i++) {
		if (h->level[i].end != 0 && now >= h->level[i].end)
			return true;
	}
	return false;
}

/* An event's time is its commit, in all levels. */
static int
commit_levels(struct mapped *q, struct quota_use *use, unsigned *level_r,
    struct quota_refusal *why)
{
	struct holds *h = holds_of(use);
	unsigned attempts = 0;

	do {
		for (unsigned i = 0; i < h->levels; i++) {
			int rc = hold_commit(q, &h->level[i], &use->amount,
			    why);

			*level_r = i;
			if (rc != QUOTA_GRANTED)
				return rc;
		}
		if (++attempts == ATTEMPTS_MAX) {
			errno = EBUSY;
			return ERR_SYSTEM;
		}
	} while (h->levels > 1 && holds_late(q, h));
	return QUOTA_GRANTED;
}

int
mapped_commit(struct quota *base, struct quota_use *use,
    struct quota_refusal *refusal_r)
{
	struct mapped *q = mapped_of(base);
	struct holds *h = holds_of(use);
	struct quota_refusal why = {.retry_s = 0};
	struct quota_amount amount;
	unsigned level = 0;
	int rc;

	if (use->committed)
		return QUOTA_GRANTED;
	rc = commit_levels(q, use, &level, &why);
	use->committed = rc == QUOTA_GRANTED;
	if (rc == QUOTA_GRANTED)
		return rc;
	amount = use->amount;
	use->amount = nothing;
	take_all_back(q, h);
	return levels_refused(q, use, &h->level[0], level, &amount, rc, &why,
	    refusal_r);
}

void
mapped_settle(struct quota *q, struct quota_use *use)
{
	struct holds *h = holds_of(use);

	for (unsigned i = 0; use->committed && i < h->levels; i++) {
		if (h->level[i].set->count != 0)
			hold_run(mapped_of(q), &h->level[i], &use->amount,
			    &nothing, MODE_SETTLE, NULL);
	}
}

void
mapped_release(struct quota *q, struct quota_use *use)
{
	struct holds *h = holds_of(use);

	if (!use->committed)
		take_all_back(mapped_of(q), h);
	use->account = NULL;
	use->amount = nothing;
	use->committed = false;
	/* The others were never touched. */
	memset(h, 0, offsetof(struct holds, level) +
	    h->levels * sizeof(h->level[0]));
}
