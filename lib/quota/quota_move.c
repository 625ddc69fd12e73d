/*
 * A table moves to another file: resized, restored, joined with another one.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All slots are copied while others count, and those that were changed since
 * are copied again.  Then the old file is frozen: attempts to count there have
 * no effect, and wait for the lock.  What was changed last is copied, and the
 * new file gets the name.
 */
#include "file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapguard.h"

#define SETTLE_NSEC 2000000 /* in which attempts under way see the freeze */
#ifdef QUOTA_MOVE_FINE /* for tests, of small tables */
#define CHUNK 1
#define FEW 0
#else
#define CHUNK 1024 /* slots that are copied under one taking of the lock */
#define FEW 512 /* slots, to be copied while nobody counts */
#endif
#define YIELD_NSEC 50000 /* for others to take the lock */
#define LOOK_AHEAD 16 /* slots that are prefetched */
#define PASSES_MAX 8

/* --- another size ------------------------------------------------------- */

/* The loads are sequentially consistent: see table_migrate. */
static void
copy_words(void *to, const void *from, size_t bytes)
{
	word64 *t = to;
	const word64 *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		atomic_store_explicit(&t[i], atomic_load(&f[i]),
		    memory_order_relaxed);
}

/* Generations and ticks stay as they are, so that what is reserved in the old
 * file can be taken back in the new one. */
static void
copy_slot(const struct map *from, struct slot *f, const struct map *to,
    struct slot *t)
{
	copy_words(t, f, layout_name_at(from->rings));
	copy_words(slot_name(to, t), slot_name(from, f),
	    sizeof(struct name) + FACTS_SIZE);
	copy_words(slot_cells(to, t, 0), slot_cells(from, f, 0),
	    from->rings * RING_CELLS * sizeof(word64));
	atomic_store(&t->dirty, 0);
	if ((atomic_load(&t->version) & 1) != 0)
		atomic_fetch_add(&t->version, 1);
}

struct move {
	struct mapped *q;
	struct map *from, *to;
	uint32_t *where; /* for each slot its copy's number + 1; 0: none */
	uint32_t count;  /* copies */
	uint32_t minors; /* of them, those of the minor kind */
	uint32_t looked; /* slots that were looked at before */
	bool all;        /* otherwise only those that matter */
	uint64_t now;
};

static bool
slot_matters(const struct map *m, struct slot *s, uint64_t now)
{
	return (atomic_load(&s->state) & SLOT_LOCKED) != 0 ||
	    (atomic_load(&s->key_hi) != 0 && slot_is_live(m, s, now));
}

/* The mark is cleared before the slot is copied.  An attempt adds first and
 * marks then: so its count is in this copy, or the slot is copied again. */
static int
move_slot(struct move *mv, uint32_t k)
{
	struct slot *f = map_slot(mv->from, k), *t;
	struct quota_key had;

	atomic_exchange(&f->dirty, 0);
	if (mv->where[k] == 0) {
		if (!mv->all && !slot_matters(mv->from, f, mv->now))
			return 0;
		if (mv->count == mv->to->slot_count)
			return ERR_FULL;
		mv->where[k] = ++mv->count;
	}
	t = map_slot(mv->to, mv->where[k] - 1);
	had = (struct quota_key){atomic_load(&t->key_hi),
	    atomic_load(&t->key_lo)};
	mv->minors -= slot_is_minor(t);
	copy_slot(mv->from, f, mv->to, t);
	mv->minors += slot_is_minor(t);
	table_index_slot(mv->to, mv->where[k] - 1, &had);
	return 0;
}

/* Take the lock again.  The mutex is held also when this fails. */
static int
lock_again(struct mapped *q, struct map *m)
{
	pthread_mutex_lock(&q->mutex);
	if (mapfile_lock(m->fd, F_WRLCK) != 0)
		return ERR_SYSTEM;
	table_recover(q, m);
	return 0;
}

/* Let others have the lock for a moment. */
static int
move_yield(struct move *mv)
{
	struct timespec moment = {0, YIELD_NSEC};
	int rc;

	table_unlock(mv->q, mv->from);
	nanosleep(&moment, NULL);
	mv->now = quota_boottime(mv->q) + mv->from->offset;
	rc = lock_again(mv->q, mv->from);
	if (rc == 0 && atomic_load(&mv->from->t->moved) != MOVED_COPYING)
		rc = TRY_AGAIN;
	return rc;
}

/* Copy what was not copied so far, or has changed since. */
static int
move_pass(struct move *mv, bool frozen, uint32_t *copied_r)
{
	uint32_t copied = 0;
	int rc = 0;

	for (uint32_t k = 0; rc == 0 && k < map_fresh(mv->from); k++) {
		if (k % CHUNK == 0 && !frozen)
			rc = move_yield(mv);
		if (k + LOOK_AHEAD < mv->from->slot_count)
			__builtin_prefetch(map_slot(mv->from, k + LOOK_AHEAD));
		if (rc != 0 || (k < mv->looked &&
		    atomic_load(&map_slot(mv->from, k)->dirty) == 0))
			continue;
		rc = move_slot(mv, k);
		copied++;
	}
	mv->looked = map_fresh(mv->from);
	*copied_r = copied;
	return rc;
}

/* The new table has the old one's hash key, so accounts have the same keys. */
static int
move_begin(struct move *mv)
{
	struct table *t = mv->to->t;
	uint32_t slots = mv->from->slot_count;

	mv->where = calloc(slots, sizeof(*mv->where));
	if (mv->where == NULL)
		return ERR_NOMEM;
	mv->all = map_fresh(mv->from) <= mv->to->slot_count;
	mv->now = quota_boottime(mv->q) + mv->from->offset;
	memcpy(t->hash_key, mv->from->hash_key, sizeof(t->hash_key));
	memcpy(mv->to->hash_key, t->hash_key, sizeof(t->hash_key));
	table_seal(t);
	return 0;
}

static void
move_header(struct move *mv)
{
	struct table *f = mv->from->t, *t = mv->to->t;

	atomic_store(&t->fresh, mv->count);
	atomic_store(&t->minors, mv->minors);
	atomic_store(&t->reset, atomic_load(&f->reset));
	atomic_store(&t->generation, atomic_load(&f->generation));
	atomic_store(&t->offset, mv->from->offset);
	atomic_store(&t->latest, atomic_load(&f->latest));
	atomic_store(&t->wall_offset, atomic_load(&f->wall_offset));
	memcpy(t->boot_id, f->boot_id, sizeof(t->boot_id));
	copy_words(t->notes, f->notes, sizeof(t->notes));
	mv->to->offset = mv->from->offset;
}

/* From here on attempts to count in this file have no effect.  Those under way
 * get a moment to take their counts back, so that fewer are copied. */
static void
freeze(struct map *m, uint64_t how)
{
	struct timespec moment = {0, SETTLE_NSEC};

	atomic_store(&m->t->moved, how);
	nanosleep(&moment, NULL);
}

/* Under the lock: copy while others count, until few slots are left to copy;
 * then freeze the table and copy these. */
static int
move_slots(struct move *mv)
{
	uint32_t copied;
	int rc;

	atomic_store(&mv->from->t->moved, MOVED_COPYING);
	rc = move_pass(mv, false, &copied);
	for (unsigned n = 0; rc == 0 && n < PASSES_MAX && copied > FEW; n++)
		rc = move_pass(mv, false, &copied);
	if (rc != 0)
		return rc;
	freeze(mv->from, MOVED_NOW);
	return move_pass(mv, true, &copied);
}

/*
 * No count is lost, because an attempt reads `moved` after it has added:
 *
 *	MOVED_NO       all of the copy is made after the addition;
 *	MOVED_COPYING  the attempt marks the slot and reads `moved` again.  If
 *	               it is the same, the freeze comes after the mark, and the
 *	               slot is copied again;
 *	another        the attempt begins again, in the file that is the table
 *	               then.
 */
int
table_migrate(struct mapped *q, int fd, struct map *from, uint32_t slots,
    unsigned rings, struct map **m_r, struct errmsg *msg)
{
	struct move mv = {.q = q, .from = from};
	int name = mapfile_taken(q->path, from->dev, from->ino), rc, locked;

	table_unlock(q, from);
	rc = build_table(q, fd, slots, rings, &mv.to, msg);
	locked = lock_again(q, from);
	if (rc != 0)
		return rc;
	rc = locked != 0 ? mapfile_fail_call(msg, "lock", q->path) :
	    move_begin(&mv);
	if (rc == 0 && map_moving(from))
		rc = TRY_AGAIN;
	if (rc == 0) {
		rc = move_slots(&mv);
		move_header(&mv);
		if (rc == 0 && mapfile_taken(q->path, from->dev, from->ino) !=
		    name)
			rc = TRY_AGAIN;
		if (rc == 0)
			rc = build_publish(q, msg);
		atomic_store(&from->t->moved,
		    rc == 0 ? MOVED_AWAY : MOVED_NO);
	}
	free(mv.where);
	if (rc != 0)
		map_free(mv.to);
	else
		*m_r = mv.to;
	return rc;
}

/* --- following and checking --------------------------------------------- */

static void
map_swap(struct mapped *q, struct map *to)
{
	to->older = atomic_load(&q->map);
	atomic_store(&q->map, to);
}

/* The table was moved if another file has its name; otherwise the process that
 * was moving it was killed.  The exception: a copy under way, which releases
 * the lock at times, but not the builder's lock. */
void
table_unfreeze(const struct mapped *q, struct map *m)
{
	uint64_t moved = atomic_load(&m->t->moved);
	int taken;

	if (moved == MOVED_NO ||
	    (moved == MOVED_COPYING && mapfile_building(q->new_path)))
		return;
	taken = mapfile_taken(q->path, m->dev, m->ino);
	if (moved == MOVED_NOW && taken == 1)
		atomic_store(&m->t->moved, MOVED_AWAY);
	else if (moved != MOVED_AWAY || taken == 0)
		atomic_store(&m->t->moved, MOVED_NO);
}

/* Renew the table.  The next caller of quota_check gets the report. */
static int
follow_renewed(struct mapped *q, struct map *from)
{
	struct quota_report *rep = calloc(1, sizeof(*rep));
	int rc;

	if (rep == NULL)
		return ERR_NOMEM;
	rc = table_renew(q, from, "its header is damaged", rep, NULL);
	if (rc == 0)
		rep = atomic_exchange(&q->due, rep);
	free(rep);
	return rc == TRY_AGAIN ? 0 : rc;
}

/* Under the mutex: use the file that has the table's name. */
static int
follow(struct mapped *q, struct map *from)
{
	struct map *to = NULL;
	struct stat st;
	const char *why;
	int rc = map_open(q, &to, &why, &st, NULL);

	if (rc != 0)
		return rc;
	if (to->dev == from->dev && to->ino == from->ino) {
		map_free(to);
		return ERR_FORMAT;
	}
	map_swap(q, to);
	return 0;
}

int
table_follow(struct mapped *q, struct map *from)
{
	bool damaged = false;
	int rc = 0;

	pthread_mutex_lock(&q->mutex);
	if (q->mode != QUOTA_READ && atomic_load(&q->map) == from) {
		rc = mapfile_lock(from->fd, F_WRLCK);
		if (rc == 0) {
			damaged = atomic_load(&from->t->moved) > MOVED_COPYING;
			if (!damaged)
				table_unfreeze(q, from);
			mapfile_lock(from->fd, F_UNLCK);
		}
	}
	if (rc == 0 && atomic_load(&q->map) == from &&
	    atomic_load(&from->t->moved) == MOVED_AWAY)
		rc = follow(q, from);
	pthread_mutex_unlock(&q->mutex);
	if (damaged)
		return q->mode == QUOTA_CREATE ? follow_renewed(q, from) :
		    ERR_FORMAT;
	return rc;
}

/* Move to a new file with so many rings.  `taken` is what mapfile_taken must
 * return of the table's name: ERR_NOTFOUND, no file has it, or 0, the table
 * has it.  TRY_AGAIN: it is different. */
static int
move_to_new(struct mapped *q, struct map *from, int taken, unsigned rings,
    struct errmsg *msg)
{
	struct map *to = NULL;
	struct stat st;
	int fd, rc = mapfile_build(q->new_path, &fd, &st, msg);

	if (rc != 0)
		return rc;
	rc = table_lock(q, from);
	if (rc == 0) {
		table_unfreeze(q, from);
		if (mapfile_taken(q->path, from->dev, from->ino) != taken ||
		    map_moving(from) ||
		    atomic_load(&q->map) != from)
			rc = TRY_AGAIN;
		else
			rc = table_migrate(q, fd, from, from->slot_count,
			    rings, &to, msg);
		if (rc == 0)
			map_swap(q, to);
		table_unlock(q, from);
	}
	if (rc == 0) {
		mapfile_lock(to->fd, F_UNLCK);
		close(fd);
	} else {
		mapfile_unbuild(q->new_path, fd);
	}
	return rc;
}

/* The joined account has the facts of both. */
static void
join_facts(const struct map *from, struct slot *f, const struct map *to,
    struct slot *t)
{
	for (unsigned i = 0; i < FACTS_SIZE / sizeof(word64); i++)
		atomic_fetch_or(&slot_facts(to, t)[i],
		    atomic_load(&slot_facts(from, f)[i]));
	slot_changed(to, t);
}

int
slot_join(struct mapped *q, const struct map *from, struct slot *f,
    struct map *to, const char *account, size_t len)
{
	uint64_t now = quota_boottime(q) + from->offset;
	struct quota_key key = quota_key_of(to, account, len);
	uint32_t n;
	int rc = slot_make(q, to, &key, account, len, slot_is_minor(f), true,
	    &n);

	if (rc != 0)
		return rc;
	slot_mend(q, to, n, NULL);
	rc = slot_adopt(q, to, n, from, f);
	if (rc != 0)
		return rc;
	if ((atomic_load(&f->state) & SLOT_LOCKED) != 0) {
		atomic_fetch_or(&map_slot(to, n)->state, SLOT_LOCKED);
		slot_changed(to, map_slot(to, n));
	}
	if (atomic_load(&f->seen) == atomic_load(&from->t->reset))
		join_facts(from, f, to, map_slot(to, n));
	for (unsigned i = 0; i < to->rings; i++) {
		uint64_t desc = atomic_load(&slot_ring(map_slot(to, n),
		    i)->desc), used;
		struct quota_limit limit = {desc_kind(desc),
		    (uint32_t)desc_window(desc), 0};
		unsigned ring;

		if (!desc_valid(desc))
			continue;
		used = slot_used(from, f, &limit, now, &ring);
		if (used != 0)
			slot_put(q, to, n, i, used);
	}
	return 0;
}

/* Add one account to those of another table.  A slot whose name does not match
 * its key is damaged, and left out. */
static int
join_slot(struct mapped *q, const struct map *from, struct slot *f,
    struct map *to)
{
	struct name *name = slot_name(from, f);
	_Alignas(8) char account[QUOTA_NAME_KEPT];
	size_t len = atomic_load(&name->len);
	struct quota_key key;

	if (len < 1 || len > sizeof(account))
		return 0; /* cut off: the key in the other table is unknown */
	copy_words(account, name->text, sizeof(account));
	key = quota_key_of(from, account, len);
	if (key.hi != atomic_load(&f->key_hi) ||
	    key.lo != atomic_load(&f->key_lo))
		return 0;
	return slot_join(q, from, f, to, account, len);
}

/* Does anything of the slot matter?  If the header is damaged, resets of the
 * whole table are unknown, and every count matters. */
static bool
join_matters(const struct map *m, struct slot *s, uint64_t now, bool damaged)
{
	if (!damaged)
		return slot_matters(m, s, now);
	for (unsigned i = 0; i < m->rings; i++) {
		if (slot_live(m, s, i, now, QUOTA_WINDOW_MAX) != 0)
			return true;
	}
	return (atomic_load(&s->state) & SLOT_LOCKED) != 0;
}

/* Add all accounts that can be read to those of another table. */
static int
join(struct mapped *q, struct map *from, struct map *to)
{
	bool damaged = map_damage(from) != NULL;
	uint32_t fresh = damaged ? from->slot_count : map_fresh(from);
	uint64_t now = quota_boottime(q) + from->offset;
	int rc = 0;

	freeze(from, MOVED_JOINING);
	for (uint32_t k = 0; k < fresh && rc == 0; k++) {
		struct slot *s = map_slot(from, k);

		if (atomic_load(&s->key_hi) != 0 &&
		    join_matters(from, s, now, damaged))
			rc = join_slot(q, from, s, to);
	}
	atomic_store(&from->t->moved, rc == 0 ? MOVED_AWAY : MOVED_NO);
	return rc;
}

/* Give the new table the name; the damaged one, if it has it, gets another. */
static int
renew_names(struct mapped *q, int taken, struct quota_report *rep,
    struct errmsg *msg)
{
	if (taken == 0 && mapfile_set_aside(q->path,
	    (time_t)(q->clock.wall(q->clock.ctx) / NSEC), rep->bad_path,
	    sizeof(rep->bad_path)) != 0)
		return mapfile_fail_call(msg, "rename", q->path);
	return build_publish(q, msg);
}

static int
renew_locked(struct mapped *q, int fd, struct map *from, const char *why,
    struct quota_report *rep, struct errmsg *msg)
{
	int taken = mapfile_taken(q->path, from->dev, from->ino);
	struct map *to = NULL;
	int rc;

	if (atomic_load(&q->map) != from || taken == 1)
		return TRY_AGAIN;
	rc = build_table(q, fd, from->slot_count, from->rings, &to, msg);
	if (rc == 0) {
		rc = join(q, from, to);
		if (rc == ERR_FULL) /* damaged slots took the room */
			rc = 0;
	}
	if (rc == 0)
		rc = renew_names(q, taken, rep, msg);
	if (rc != 0) {
		map_free(to);
		return rc;
	}
	atomic_store(&from->t->moved, MOVED_AWAY);
	map_swap(q, to);
	report_set(rep, taken == 0 ? QUOTA_RENEWED : QUOTA_RESTORED,
	    "%s while it was in use: a new one has what could be read of it, "
	    "%u accounts; all others begin from zero", why, map_fresh(to));
	return 0;
}

int
table_renew(struct mapped *q, struct map *from, const char *why,
    struct quota_report *rep, struct errmsg *msg)
{
	struct stat st;
	int fd, rc = mapfile_build(q->new_path, &fd, &st, msg);

	if (rc != 0)
		return rc;
	/* Not table_lock: nothing is mended in what is damaged. */
	pthread_mutex_lock(&q->mutex);
	rc = mapfile_lock(from->fd, F_WRLCK) != 0 ?
	    mapfile_fail_call(msg, "lock", q->path) :
	    renew_locked(q, fd, from, why, rep, msg);
	mapfile_lock(from->fd, F_UNLCK);
	pthread_mutex_unlock(&q->mutex);
	if (rc == 0) {
		mapfile_lock(fd, F_UNLCK);
		close(fd);
	} else {
		mapfile_unbuild(q->new_path, fd);
	}
	return rc;
}

/* Another table has the name: add our counts to its own, and use it. */
static int
restore_join(struct mapped *q, struct map *from, struct quota_report *rep,
    struct errmsg *msg)
{
	struct map *to = NULL;
	struct stat st;
	int fd, rc = map_open_any(q, &to, rep, msg);

	if (rc != 0)
		return rc;
	rc = mapfile_build(q->new_path, &fd, &st, msg);
	if (rc != 0) {
		map_free(to);
		return rc;
	}
	rc = table_lock(q, from);
	if (rc == 0) {
		table_unfreeze(q, from);
		if (map_moving(from) || atomic_load(&q->map) != from ||
		    mapfile_taken(q->path, to->dev, to->ino) != 0)
			rc = TRY_AGAIN;
		if (rc == 0)
			rc = mapfile_lock(to->fd, F_WRLCK);
		if (rc == 0) {
			table_recover(q, to);
			rc = join(q, from, to);
			mapfile_lock(to->fd, F_UNLCK);
		}
		if (rc == 0)
			map_swap(q, to);
		table_unlock(q, from);
	}
	mapfile_unbuild(q->new_path, fd);
	if (rc != 0)
		map_free(to);
	if (rc == ERR_FULL)
		mapfile_fail(msg, rc, "%s: the table there has no room for the "
		    "accounts counted so far", q->path);
	return rc;
}

/* Move to a file with more rings, if an account needs them. */
static int
grow(struct mapped *q, struct map *m, struct quota_report *rep,
    struct errmsg *msg)
{
	uint64_t want = atomic_load(&m->t->rings_wanted);
	int rc;

	if (want <= m->rings || want > RINGS_MAX)
		return 0;
	/* An account that still finds no ring sets it again. */
	atomic_store(&m->t->rings_wanted, 0);
	rc = move_to_new(q, m, 0, (unsigned)want, msg);
	if (rc == 0)
		report_set(rep, QUOTA_MIGRATED, "moved from room for %u windows "
		    "of an account to %u", m->rings, (unsigned)want);
	return rc;
}

/* Follow the table to the file to which it was moved.  *m_r NULL: there is
 * nothing else to check. */
static int
check_moved(struct mapped *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	struct map *m = *m_r;
	int rc = table_follow(q, m);

	if (rc == 0 && atomic_load(&q->map) != m)
		report_set(rep, QUOTA_FOLLOWED, "another process moved the "
		    "table: followed");
	if (rc == 0 || q->mode != QUOTA_CREATE ||
	    (rc != ERR_NOTFOUND && rc != ERR_FORMAT)) {
		*m_r = NULL;
		return rc == 0 ? 0 : mapfile_fail(msg, rc, "%s: the table was "
		    "moved, and cannot be followed", q->path);
	}
	/* The file to which it was moved is gone, overwritten, or a later
	 * program's: this map has the last counts that can be used. */
	atomic_store(&m->t->moved, MOVED_NO);
	return 0;
}

/* If the process that was copying the table was killed, end the copy. */
static void
check_copying(struct mapped *q, struct map *m)
{
	if (atomic_load(&m->t->moved) != MOVED_COPYING ||
	    table_lock(q, m) != 0)
		return;
	table_unfreeze(q, m);
	table_unlock(q, m);
}

/* One attempt of quota_check. */
static int
check_once(struct mapped *q, struct quota_report *rep, struct errmsg *msg)
{
	struct map *m = atomic_load(&q->map);
	int rc = 0, taken = mapfile_taken(q->path, m->dev, m->ino);
	const char *why = map_damage(m);

	/* A damaged table that was renewed: that process has reported it. */
	if (map_moving(m) && (why == NULL || (taken == 1 &&
	    atomic_load(&m->t->moved) == MOVED_AWAY)))
		rc = check_moved(q, &m, rep, msg);
	if (rc == 0 && why != NULL && m != NULL && q->mode != QUOTA_CREATE)
		return mapfile_fail(msg, ERR_FORMAT, "%s: %s", q->path, why);
	if (rc != 0 || m == NULL || q->mode != QUOTA_CREATE)
		return rc;
	if (taken == ERR_SYSTEM)
		return mapfile_fail_call(msg, "lstat", q->path);
	if (why != NULL && taken != 1)
		return table_renew(q, m, why, rep, msg);
	if (taken == 0) {
		check_copying(q, m);
		map_note_time(q, m);
		return grow(q, m, rep, msg);
	}
	if (taken == ERR_NOTFOUND) {
		rc = move_to_new(q, m, ERR_NOTFOUND, m->rings, msg);
		if (rc == 0)
			report_set(rep, QUOTA_RESTORED, "the file was removed: "
			    "counts were moved to a new one");
		return rc;
	}
	rc = restore_join(q, m, rep, msg);
	if (rc == 0)
		report_set(rep, QUOTA_RESTORED, "another file stands in its "
		    "place: counts were added to those there");
	return rc;
}

int
mapped_check(struct quota *base, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	struct mapped *q = mapped_of(base);
	struct quota_report *rep = report_r, *due;
	unsigned tries = 0;
	int rc;

	if (rep == NULL)
		rep = calloc(1, sizeof(*rep));
	if (rep == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "%s: out of memory",
		    q->path);
	do {
		memset(rep, 0, sizeof(*rep));
		report_set(rep, QUOTA_OPENED, "nothing happened");
		due = atomic_exchange(&q->due, NULL);
		if (due != NULL)
			*rep = *due;
		rc = due != NULL ? 0 : check_once(q, rep, msg_r);
		free(due);
	} while (rc == TRY_AGAIN && ++tries < TRIES_MAX);
	if (rc == TRY_AGAIN)
		rc = mapfile_fail(msg_r, ERR_SYSTEM, "%s: the file changes "
		    "hands all the time", q->path);
	rep->accounts = atomic_load(&q->map)->slot_count;
	if (rep != report_r)
		free(rep);
	return rc;
}

bool
mapped_needs_check(const struct quota *base)
{
	const struct mapped *q = (const void *)base;
	return atomic_load_explicit(&q->due, memory_order_relaxed) != NULL ||
	    mapguard_hit(atomic_load(&q->map)->guard);
}
