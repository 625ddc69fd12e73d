/*
 * Looking at accounts, and what an administrator does to them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "quota.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "table.h"

/* The map as it is now, followed to where the table was moved. */
static struct map *
look_map(struct mapped *q)
{
	struct map *m = atomic_load(&q->map);

	if (atomic_load(&m->t->moved) == MOVED_AWAY)
		table_follow(q, m);
	return atomic_load(&q->map);
}

/* Set what is used of u's limit, and when `need` more fits (retry_s, 0: now).
 * s NULL: nothing is used. */
static void
look_limit(const struct map *m, struct slot *s, uint64_t now, uint64_t need,
    struct quota_usage *u)
{
	unsigned ring;

	if (need > u->limit.limit)
		u->retry_s = QUOTA_NEVER;
	if (s == NULL)
		return;
	u->used = slot_used(m, s, &u->limit, now, &ring);
	if (u->retry_s != 0 || u->used + need <= u->limit.limit)
		return;
	u->retry_s = ring < m->rings ?
	    ring_retry(m, s, ring, u->limit.limit, need, now) : 1;
}

/* The slot, or NULL: nothing counts in it, because it was not used since the
 * last reset of the table. */
static struct slot *
look_counts(struct map *m, struct slot *s)
{
	return s == NULL || atomic_load(&s->seen) !=
	    atomic_load(&m->t->reset) ? NULL : s;
}

static void
look(struct mapped *q, struct map *m, struct slot *s,
    const struct quota_set *set, struct quota_state *state_r)
{
	uint64_t now = quota_boottime(q) + m->offset;
	struct slot *counts = look_counts(m, s);

	memset(state_r, 0, sizeof(*state_r));
	state_r->known = s != NULL;
	state_r->locked = s != NULL &&
	    (atomic_load(&s->state) & SLOT_LOCKED) != 0;
	if (set == NULL)
		return;
	state_r->count = set->count;
	for (unsigned k = 0; k < set->count; k++) {
		struct quota_usage *u = &state_r->usage[k];

		u->limit = set->limit[k];
		look_limit(m, counts, now, 1, u);
	}
}

int
mapped_peek(struct quota *base, const char *account,
    const struct quota_set *set, struct quota_state *state_r)
{
	struct mapped *q = mapped_of(base);
	struct map *m = look_map(q);
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);
	struct quota_key key;
	uint32_t n;

	if (len == 0 || len > QUOTA_ACCOUNT_MAX)
		return ERR_LIMIT;
	key = quota_key_of(m, account, len);
	look(q, m, slot_find(m, &key, &n), set, state_r);
	return 0;
}

/* Does so much more fit?  If not, *refusal_r has the limit that refuses
 * longest. */
static int
would_fit(const struct map *m, struct slot *s, uint64_t now,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_refusal *refusal_r)
{
	struct quota_refusal refusal = {.retry_s = 0};

	for (unsigned k = 0; k < set->count; k++) {
		struct quota_usage u = {.limit = set->limit[k]};
		uint64_t need = amount->of[u.limit.kind];

		if (need != 0)
			look_limit(m, s, now, need, &u);
		if (u.retry_s != 0 && u.retry_s >= refusal.retry_s)
			refusal = (struct quota_refusal){.limit = u.limit,
			    .used = u.used, .retry_s = u.retry_s};
	}
	if (refusal.retry_s == 0)
		return QUOTA_GRANTED;
	*refusal_r = refusal;
	return QUOTA_REFUSED;
}

/* quota_would for one account, without its sums. */
static int
would(struct mapped *q, const char *account, const struct quota_set *set,
    const struct quota_amount *amount, struct quota_refusal *refusal_r)
{
	struct map *m = look_map(q);
	uint64_t now = quota_boottime(q) + m->offset;
	struct quota_key key = quota_key_of(m, account, strlen(account));
	uint32_t n;
	struct slot *s = slot_find(m, &key, &n);

	if (s != NULL && (atomic_load(&s->state) & SLOT_LOCKED) != 0)
		return QUOTA_LOCKED;
	return would_fit(m, look_counts(m, s), now, set, amount, refusal_r);
}

int
look_levels(struct mapped *q, const char *account, const struct quota_set *set,
    unsigned from, const struct quota_amount *amount, int rc,
    struct quota_refusal *why_r)
{
	for (unsigned i = from; i <= set->sums && rc != QUOTA_LOCKED; i++) {
		struct quota_refusal why = {.retry_s = 0};
		int other = i == 0 ? would(q, account, set, amount, &why) :
		    would(q, set->sum[i - 1].account, set->sum[i - 1].set,
		    amount, &why);

		why.level = i;
		if (other == QUOTA_LOCKED || (other == QUOTA_REFUSED &&
		    (rc == QUOTA_GRANTED || why.retry_s >= why_r->retry_s))) {
			rc = other;
			*why_r = why;
		}
	}
	return rc;
}

int
mapped_would(struct quota *q, const char *account, const struct quota_set *set,
    const struct quota_amount *amount, struct quota_refusal *refusal_r)
{
	static const struct quota_set none;
	struct quota_refusal why;
	int rc = look_levels(mapped_of(q), account, set != NULL ? set : &none,
	    0, amount, QUOTA_GRANTED, &why);

	if (rc != QUOTA_GRANTED && refusal_r != NULL)
		*refusal_r = why;
	return rc;
}

static bool
has_room(struct mapped *q, const char *account, const struct quota_set *set)
{
	struct map *m = look_map(q);
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);
	struct quota_key key = quota_key_of(m, account, len);
	uint32_t n;

	return set == NULL || set->count == 0 ||
	    slot_find(m, &key, &n) != NULL || slot_room(q, m, set->minor);
}

bool
mapped_has_room(
    struct quota *q, const char *account, const struct quota_set *set)
{
	bool room = has_room(mapped_of(q), account, set);

	for (unsigned i = 0; room && set != NULL && i < set->sums; i++)
		room = has_room(mapped_of(q), set->sum[i].account,
		    set->sum[i].set);
	return room;
}

void
mapped_peek_entry(struct quota *base, const struct quota_entry *entry,
    const struct quota_set *set, struct quota_state *state_r)
{
	struct mapped *q = mapped_of(base);
	struct map *m = look_map(q);
	const struct quota_key key = {entry->id[0], entry->id[1]};
	uint32_t n;

	look(q, m, slot_find(m, &key, &n), set, state_r);
}

static void
look_name(const struct map *m, struct slot *s, struct quota_entry *e)
{
	struct name *name = slot_name(m, s);
	uint64_t len = atomic_load(&name->len);

	for (size_t i = 0; i < QUOTA_NAME_KEPT; i += 8) {
		uint64_t w = atomic_load_explicit(&name->text[i / 8],
		    memory_order_relaxed);

		memcpy(e->account + i, &w, sizeof(w));
	}
	e->whole = len <= QUOTA_NAME_KEPT;
	if (e->whole)
		e->account[len] = '\0';
	else
		snprintf(e->account + QUOTA_NAME_KEPT,
		    sizeof(e->account) - QUOTA_NAME_KEPT, "~%016" PRIx64,
		    e->id[0]);
}

bool
mapped_next(struct quota *base, uint32_t *cursor, struct quota_entry *entry_r)
{
	struct mapped *q = mapped_of(base);
	struct map *m = look_map(q);
	uint32_t fresh = map_fresh(m);

	while (*cursor < fresh) {
		struct slot *s = map_slot(m, (*cursor)++);
		uint64_t version = atomic_load(&s->version);

		memset(entry_r, 0, sizeof(*entry_r));
		entry_r->id[0] = atomic_load(&s->key_hi);
		entry_r->id[1] = atomic_load(&s->key_lo);
		if (entry_r->id[0] == 0)
			continue;
		entry_r->locked = (atomic_load(&s->state) & SLOT_LOCKED) != 0;
		look_name(m, s, entry_r);
		/* Otherwise the slot got another account meanwhile, and the
		 * name may be half of each. */
		if (atomic_load(&s->version) == version ||
		    atomic_load(&s->key_hi) == entry_r->id[0])
			return true;
	}
	return false;
}

void
mapped_info(struct quota *base, struct quota_info *info_r)
{
	struct mapped *q = mapped_of(base);
	struct map *m = look_map(q);

	*info_r = (struct quota_info){
	    .accounts = m->slot_count,
	    .accounts_used = (uint32_t)atomic_load(&m->t->fresh),
	    .minors = (uint32_t)atomic_load(&m->t->minors),
	    .limits = m->rings,
	    .bytes = m->size,
	    .resets = atomic_load(&m->t->reset),
	};
}

/* --- administration --------------------------------------------------- */

int
admin_lock(struct mapped *q, struct map **m_r)
{
	if (q->mode == QUOTA_READ) {
		errno = EROFS;
		return ERR_SYSTEM;
	}
	for (;;) {
		struct map *m = atomic_load(&q->map);
		int rc = table_lock(q, m);

		if (rc != 0)
			return rc;
		*m_r = m;
		if (!map_moving(m))
			return 0;
		table_unlock(q, m);
		rc = table_follow(q, m);
		if (rc != 0)
			return rc;
	}
}

int
mapped_reset_all(struct quota *base)
{
	struct mapped *q = mapped_of(base);
	struct map *m;
	int rc = admin_lock(q, &m);

	if (rc != 0)
		return rc;
	atomic_fetch_add(&m->t->reset, 1);
	table_unlock(q, m);
	return 0;
}

int
mapped_reset(struct quota *base, const char *account)
{
	struct mapped *q = mapped_of(base);
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);
	struct quota_key key;
	struct map *m;
	uint32_t n;
	int rc = admin_lock(q, &m);

	if (rc != 0)
		return rc;
	key = quota_key_of(m, account, len);
	if (len == 0 || len > QUOTA_ACCOUNT_MAX)
		rc = ERR_LIMIT;
	else if (slot_find(m, &key, &n) == NULL)
		rc = ERR_NOTFOUND;
	else
		slot_clear(m, n);
	table_unlock(q, m);
	return rc;
}

int
mapped_lock(struct quota *base, const char *account, bool locked)
{
	struct mapped *q = mapped_of(base);
	size_t len = strnlen(account, QUOTA_ACCOUNT_MAX + 1);
	struct quota_key key;
	struct map *m;
	uint32_t n;
	int rc = admin_lock(q, &m);

	if (rc != 0)
		return rc;
	key = quota_key_of(m, account, len);
	if (len == 0 || len > QUOTA_ACCOUNT_MAX)
		rc = ERR_LIMIT;
	else if (slot_find(m, &key, &n) == NULL)
		rc = locked ? slot_make(q, m, &key, account, len, false, true,
		    &n) : ERR_NOTFOUND;
	if (rc == 0 && locked)
		atomic_fetch_or(&map_slot(m, n)->state, SLOT_LOCKED);
	else if (rc == 0)
		atomic_fetch_and(&map_slot(m, n)->state,
		    ~(uint64_t)SLOT_LOCKED);
	if (rc == 0)
		slot_changed(m, map_slot(m, n));
	table_unlock(q, m);
	return rc;
}
