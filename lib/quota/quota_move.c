/*
 * A table moves to another file: resized, restored, joined with another one.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * While it is copied the old file is frozen: whoever counts in it sees that
 * after his addition at the latest, and comes for the lock.
 */
#include "file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"

#define SETTLE_NSEC 2000000 /* for attempts under way when a table moves */

/* --- another size ------------------------------------------------------- */

static void
copy_words(void *to, const void *from, size_t bytes)
{
	word64 *t = to;
	const word64 *f = from;

	for (size_t i = 0; i < bytes / sizeof(*t); i++)
		atomic_store_explicit(&t[i], atomic_load_explicit(&f[i],
		    memory_order_relaxed), memory_order_relaxed);
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
	if ((atomic_load(&t->version) & 1) != 0)
		atomic_fetch_add(&t->version, 1);
}

/* Copy all accounts, or, where they don't fit, those that matter.  ERR_FULL. */
static int
copy_table(const struct quota *q, const struct map *from, struct map *to)
{
	struct table *f = from->t, *t = to->t;
	uint64_t fresh = atomic_load(&f->fresh), now, n = 0;
	bool all = fresh <= to->slot_count;

	now = quota_boottime(q) + from->offset;
	for (uint32_t k = 0; k < fresh; k++) {
		struct slot *s = map_slot(from, k);
		bool live = (atomic_load(&s->state) & SLOT_LOCKED) != 0 ||
		    (atomic_load(&s->key_hi) != 0 && slot_is_live(from, s,
		    now));

		if (!all && !live)
			continue;
		if (n == to->slot_count)
			return ERR_FULL;
		copy_slot(from, s, to, map_slot(to, (uint32_t)n++));
	}
	memcpy(t->hash_key, f->hash_key, sizeof(t->hash_key));
	table_seal(t);
	atomic_store(&t->fresh, n);
	atomic_store(&t->reset, atomic_load(&f->reset));
	atomic_store(&t->generation, atomic_load(&f->generation));
	atomic_store(&t->offset, from->offset);
	atomic_store(&t->latest, atomic_load(&f->latest));
	atomic_store(&t->wall_offset, atomic_load(&f->wall_offset));
	memcpy(t->boot_id, f->boot_id, sizeof(t->boot_id));
	to->offset = from->offset;
	table_reindex(to);
	return 0;
}

/* From now on attempts in this file come to nothing.  Those under way get a
 * moment to take back, so that less is copied in vain. */
static void
freeze(struct map *m, uint64_t how)
{
	struct timespec moment = {0, SETTLE_NSEC};

	atomic_store(&m->t->moved, how);
	nanosleep(&moment, NULL);
}

/*
 * Move the table to a new file under its name.  The caller holds the builder's
 * lock (fd) and the table's.  ERR_FULL: too many accounts.
 */
int
table_migrate(struct quota *q, int fd, struct map *from, uint32_t slots,
    unsigned rings, struct map **m_r, struct errmsg *msg)
{
	struct map *to = NULL;
	int rc = build_table(q, fd, slots, rings, &to, msg);

	if (rc != 0)
		return rc;
	freeze(from, MOVED_NOW);
	rc = copy_table(q, from, to);
	if (rc == 0)
		rc = build_publish(q, msg);
	atomic_store(&from->t->moved, rc == 0 ? MOVED_AWAY : MOVED_NO);
	if (rc != 0)
		map_free(to);
	else
		*m_r = to;
	return rc;
}

/* --- following and checking --------------------------------------------- */

static void
map_swap(struct quota *q, struct map *to)
{
	to->older = atomic_load(&q->map);
	atomic_store(&q->map, to);
}

/* Under the lock of a table that somebody was moving: if that one was killed
 * before the new file got the name, it was not moved. */
static void
unfreeze(const struct quota *q, struct map *m)
{
	uint64_t moved = atomic_load(&m->t->moved);

	if (moved == MOVED_JOINING || (moved == MOVED_NOW &&
	    mapfile_taken(q->path, m->dev, m->ino) != 1))
		atomic_store(&m->t->moved, MOVED_NO);
	else if (moved == MOVED_NOW)
		atomic_store(&m->t->moved, MOVED_AWAY);
}

int
table_follow(struct quota *q, struct map *from)
{
	struct map *to = NULL;
	struct stat st;
	const char *why;
	int rc = 0;

	pthread_mutex_lock(&q->mutex);
	if (q->mode != QUOTA_READ && atomic_load(&q->map) == from &&
	    atomic_load(&from->t->moved) != MOVED_AWAY) {
		rc = mapfile_lock(from->fd, F_WRLCK);
		if (rc == 0) {
			unfreeze(q, from);
			mapfile_lock(from->fd, F_UNLCK);
		}
	}
	if (rc == 0 && atomic_load(&q->map) == from &&
	    atomic_load(&from->t->moved) == MOVED_AWAY) {
		rc = map_open(q, &to, &why, &st, NULL);
		if (rc == 0)
			map_swap(q, to);
	}
	pthread_mutex_unlock(&q->mutex);
	return rc;
}

/* Move to a new file with so many rings, provided that the name is free (taken:
 * ERR_NOTFOUND), or the table's own (0).  TRY_AGAIN: it is not, any more. */
static int
move_to_new(struct quota *q, struct map *from, int taken, unsigned rings,
    struct errmsg *msg)
{
	struct map *to = NULL;
	struct stat st;
	int fd, rc = mapfile_build(q->new_path, &fd, &st, msg);

	if (rc != 0)
		return rc;
	rc = table_lock(q, from);
	if (rc == 0) {
		unfreeze(q, from);
		if (mapfile_taken(q->path, from->dev, from->ino) != taken ||
		    atomic_load(&from->t->moved) != MOVED_NO ||
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

/* Add one account's live counts to those of another table, as of now. */
static int
join_slot(struct quota *q, const struct map *from, struct slot *f,
    struct map *to)
{
	uint64_t now = quota_boottime(q) + from->offset;
	struct quota_set set = {.count = 0};
	struct name *name = slot_name(from, f);
	_Alignas(8) char account[QUOTA_NAME_KEPT];
	size_t len = atomic_load(&name->len);
	struct quota_key key;
	uint32_t n;
	int rc;

	if (len < 1 || len > sizeof(account))
		return 0; /* cut off: nobody knows whose it is over there */
	copy_words(account, name->text, sizeof(account));
	for (unsigned i = 0; i < from->rings; i++) {
		uint64_t desc = atomic_load(&slot_ring(f, i)->desc);
		struct quota_limit limit = {desc_kind(desc),
		    (uint32_t)desc_window(desc), 0};

		if (desc_valid(desc) && set.count < to->rings)
			quota_set_add(&set, &limit);
	}
	key = quota_key_of(to, account, len);
	rc = slot_make(q, to, &key, account, len, &n);
	if (rc != 0)
		return rc;
	slot_mend(q, to, n, &set);
	if ((atomic_load(&f->state) & SLOT_LOCKED) != 0)
		atomic_store(&map_slot(to, n)->state, SLOT_TAKEN | SLOT_LOCKED);
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

static int
join(struct quota *q, struct map *from, struct map *to)
{
	uint64_t fresh = atomic_load(&from->t->fresh);
	uint64_t now = quota_boottime(q) + from->offset;
	int rc = 0;

	freeze(from, MOVED_JOINING);
	for (uint32_t k = 0; k < fresh && rc == 0; k++) {
		struct slot *s = map_slot(from, k);

		if (atomic_load(&s->key_hi) != 0 &&
		    ((atomic_load(&s->state) & SLOT_LOCKED) != 0 ||
		    slot_is_live(from, s, now)))
			rc = join_slot(q, from, s, to);
	}
	atomic_store(&from->t->moved, rc == 0 ? MOVED_AWAY : MOVED_NO);
	return rc;
}

/* Another table bears the name: count there, with what was counted here. */
static int
restore_join(struct quota *q, struct map *from, struct quota_report *rep,
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
		unfreeze(q, from);
		if (atomic_load(&from->t->moved) != MOVED_NO ||
		    atomic_load(&q->map) != from ||
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

/* Accounts are counted in more windows than there is room for. */
static int
grow(struct quota *q, struct map *m, struct quota_report *rep,
    struct errmsg *msg)
{
	uint64_t want = atomic_load(&m->t->rings_wanted);
	int rc;

	if (want <= m->rings || want > RINGS_MAX)
		return 0;
	/* Whoever finds no room asks again. */
	atomic_store(&m->t->rings_wanted, 0);
	rc = move_to_new(q, m, 0, (unsigned)want, msg);
	if (rc == 0)
		quota_tell(rep, QUOTA_MIGRATED, "moved from room for %u windows "
		    "of an account to %u", m->rings, (unsigned)want);
	return rc;
}

/* One attempt of quota_check. */
static int
check_once(struct quota *q, struct quota_report *rep, struct errmsg *msg)
{
	struct map *m = atomic_load(&q->map);
	int rc = 0, taken;

	if (atomic_load(&m->t->moved) != MOVED_NO) {
		rc = table_follow(q, m);
		if (rc == 0 && atomic_load(&q->map) != m)
			quota_tell(rep, QUOTA_FOLLOWED, "another process moved "
			    "the table: followed");
		if (rc == 0 || q->mode != QUOTA_CREATE || rc != ERR_NOTFOUND)
			return rc == 0 ? 0 : mapfile_fail(msg, rc, "%s: the "
			    "table was moved, and cannot be followed", q->path);
		/* Moved, and then removed there: what is left is here. */
		atomic_store(&m->t->moved, MOVED_NO);
	}
	if (q->mode != QUOTA_CREATE)
		return 0;
	taken = mapfile_taken(q->path, m->dev, m->ino);
	if (taken == ERR_SYSTEM)
		return mapfile_fail_call(msg, "lstat", q->path);
	if (taken == 0) {
		map_note_time(q, m);
		return grow(q, m, rep, msg);
	}
	if (taken == ERR_NOTFOUND) {
		rc = move_to_new(q, m, ERR_NOTFOUND, m->rings, msg);
		if (rc == 0)
			quota_tell(rep, QUOTA_RESTORED, "the file was removed: "
			    "counts were moved to a new one");
		return rc;
	}
	rc = restore_join(q, m, rep, msg);
	if (rc == 0)
		quota_tell(rep, QUOTA_RESTORED, "another file stands in its "
		    "place: counts were added to those there");
	return rc;
}

int
quota_check(struct quota *q, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	struct quota_report *rep = report_r;
	int rc;

	if (rep == NULL)
		rep = calloc(1, sizeof(*rep));
	if (rep == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "%s: out of memory",
		    q->path);
	do {
		memset(rep, 0, sizeof(*rep));
		quota_tell(rep, QUOTA_OPENED, "nothing happened");
		rc = check_once(q, rep, msg_r);
	} while (rc == TRY_AGAIN);
	rep->accounts = atomic_load(&q->map)->slot_count;
	if (rep != report_r)
		free(rep);
	return rc;
}
