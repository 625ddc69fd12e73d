/*
 * The quota table as it lies in its file; private to lib/quota.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	header   one page: what the file is (fixed), the locked part, the clock
 *	index    open addressing: part of a key and a slot's number
 *	slots    all of one size: head, ring heads, name, room for later, cells
 *
 * A ring counts one kind over one window.  Time is cut into ticks of
 * ring_width(window); tick n counts in cell n % RING_CELLS.  RING_CELLS ticks
 * are at most 25/24 of the window, one tick less is the window and 1/110 more:
 * so whatever part of the current tick has passed, a sum covers the window.
 *
 * A cell is one atomic word, changed by compare-and-swap only:
 *
 *	bits 56..63  lap: which time round the ring (tick / RING_CELLS)
 *	bits 40..55  the lowest bits of the ring's generation
 *	bits  0..39  count; 0: the rest means nothing
 *
 * Laps compare modulo 256, so cells that have left the window are cleared at
 * least every SWEEP_LAPS, and nobody takes back from a tick that has left the
 * ring: another lap of the same number may count there.
 *
 * A ring gets a new generation each time it is cleared.  All generations come
 * from one counter of the table, so no two rings ever have the same one.  A
 * count may be taken back only while the ring has the generation under which it
 * was added.  In their lowest 16 bits the generations of one ring are
 * consecutive, so a cell's bits identify one of the last 65536.  A count of
 * another generation than the ring's is void: its attempt was under way when
 * the ring was cleared, and begins again.
 *
 * Counting takes no lock.  An attempt reads the slot's version, the
 * generations, and the version again; it adds, sums, and reads the version once
 * more.  A change of more than cells (a new account, a reuse of the slot, a
 * reset, other windows) is made under the lock: the version becomes odd before
 * the change, and even after it.  So either the change sees the attempt's
 * count, or the attempt sees another version and begins again.  A generation
 * that was read between two equal versions is valid: what is added under it is
 * cleared only under a later version.
 *
 * A count that moves to a newer cell is first added to that cell, then the
 * slot's `moves` is incremented, then the count is taken from the old cell.  A
 * sum may miss the count in both cells; then `moves` differs before and after
 * it, and the sum is made again.
 *
 * A process may be stopped between reading a cell and changing it.  Its change
 * fails if the cell has changed meanwhile.  The exception: the cell has the
 * same word again, which takes the same count and a multiple of 256 laps and of
 * 65536 clearings of that ring.
 *
 * A ring in which something counts is not replaced.  The exception: another
 * ring of its kind has a longer window, and so holds all that the shorter one
 * does.  A slot has a ring for each limit of an account and one extra ring of
 * each kind, which is enough for that.
 *
 * What an account takes, with five limits: 64 octets of head, 32 for each of 8
 * ring heads, 104 of name, 120 of facts, 32 to the next line of the cache; 256
 * for the cells of each ring; and 17 to 34 of index.  That is 2,640, of which
 * 1,440 are cells and heads of the five limits.  A cell is 8 octets because it
 * is changed in one piece and counts octets of mail; half as many cells would
 * make a refusal last a 12th of the window too long in place of a 24th; and
 * without the three extra rings, new limits would lose counts or refuse mail.
 * The extra rings and the facts are not read or written while mail is counted:
 * they cost room, and no time.
 *
 * The lock is a mutex between threads, and an open-file-description lock on the
 * file's first octet between processes.  The kernel drops the latter when its
 * owner dies.  What a killed owner left half done is in the journal; the next
 * owner of the lock does it again.
 *
 * Magic and version have the same places in every version of the file.  Version
 * 1 has no features.  In version 2 each feature that a program must know to use
 * the file has a bit in the header.  A program that does not know the version,
 * or one of the bits, leaves the file as it is.
 */
#ifndef LIB_QUOTA_TABLE_H
#define LIB_QUOTA_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "quota.h"
#include "store.h"

#define TABLE_MAGIC "postern quota\n\0"
#define TABLE_VERSION 2 /* the last that we know; 1 has no features */
#define FEATURE_RINGS 1 /* slots have more than RINGS_V1 rings */
#define FEATURES_KNOWN FEATURE_RINGS
#define RINGS_V1 8
#define NSEC UINT64_C(1000000000)
#define RING_CELLS 32
#define SWEEP_LAPS 64
#define TIME_MAX (UINT64_C(1) << 62) /* of table time */
#define COUNT_BITS 40
#define GEN_MASK UINT64_C(0xffff)
#define COUNT_MASK QUOTA_LIMIT_MAX
/* Octets of an account's facts, which are sets of bits.  They are cleared with
 * its counts, copied with its slot, and or-ed where two accounts are joined.
 * None is defined: all are 0. */
#define FACTS_SIZE 120
#define RINGS_MAX QUOTA_RINGS_MAX

typedef _Atomic uint64_t word64;

enum {
	MOVED_NO,
	MOVED_NOW,     /* being copied and frozen: wait for the lock */
	MOVED_JOINING, /* the same, into a file that had the name already */
	MOVED_AWAY,    /* moved: another file has the name */
	MOVED_COPYING, /* being copied, not frozen: count, and mark the slot */
};

enum {
	JOURNAL_NONE,
	JOURNAL_CLEAR, /* every ring of the slot starts anew */
	JOURNAL_RING,  /* ring becomes desc, with total in its newest cell */
	JOURNAL_REUSE, /* the slot changes hands */
	JOURNAL_NAME, /* the slot's account gets another name */
};

/* The search for an idle slot, from one search to the next. */
struct search {
	word64 next;  /* the slot at which the next search begins */
	word64 until; /* table time: before it no slot is idle ... */
	word64 reset; /* ... if this is still the table's reset */
};

/* A search is made in parts, between which others can have the lock.  This is
 * the search that is under way; it continues at its struct search's next. */
struct hunt {
	word64 left;  /* slots that are not searched yet; 0: no search is under
		       * way */
	word64 spent; /* nanoseconds, of all its parts so far */
	word64 last;  /* table time at the end of its last part */
	word64 reset; /* the table's when it began */
};

struct table {
	/* Fixed once the file has its name. */
	char magic[16];
	uint32_t version;
	uint32_t header_size;
	uint32_t slots;
	uint32_t rings;
	uint32_t slot_size;
	uint32_t cells; /* of a ring */
	uint64_t index_size; /* a power of two */
	uint64_t file_size;
	uint64_t hash_key[2];
	uint64_t check; /* over all of the above */
	uint64_t features; /* FEATURE_; of version 1: 0 */
	uint64_t features_check; /* over all of the above; version 1: 0 */
	unsigned char pad0[128 - 96];

	/* Read by all, seldom written. */
	word64 moved;
	word64 reset; /* generation of the whole table */
	word64 rings_wanted; /* more than rings: the next check makes so many */
	unsigned char pad1[128 - 24];

	/* The clock: table time is boot time + offset, in nanoseconds. */
	word64 offset;
	word64 latest;      /* a recent table time */
	word64 wall_offset; /* wall - table at that time */
	unsigned char boot_id[16];
	unsigned char pad2[128 - 40];

	/* Under the lock. */
	word64 generation; /* the next one */
	word64 fresh;      /* slots from here on were never used */
	struct search any; /* among all slots */
	word64 tombs;      /* dead entries of the index */
	word64 dirty;      /* the index is being rebuilt */
	word64 journal;    /* JOURNAL_ */
	word64 journal_slot, journal_ring, journal_desc, journal_total;
	word64 minors;       /* slots of SLOT_MINOR */
	struct search minor; /* among the slots of SLOT_MINOR */
	unsigned char pad3[4096 - 3 * 128 - 128 - 136 - 64];
	/* From here on fields are at the end of the page: pad3 is for more of
	 * them, and for more of those above. */
	struct hunt any_hunt, minor_hunt;
	word64 notes[QUOTA_NOTES]; /* hashes of a caller's words; 0: none */
	word64 journal_key[2];     /* of JOURNAL_NAME: what it becomes */
	word64 journal_len;
	word64 journal_text[QUOTA_NAME_KEPT / 8];
};

enum {
	SLOT_FREE = 0,
	SLOT_TAKEN = 1,
	SLOT_LOCKED = 2, /* bit: the administrator's lock */
	SLOT_MINOR = 4,  /* bit: of a kind that has half of the table at most */
};

struct slot {
	word64 version; /* odd: being changed */
	word64 key_hi;  /* 0: nobody's.  Written last, cleared first */
	word64 key_lo;
	word64 state;
	word64 seen; /* the table's reset when the slot was last cleared */
	word64 live_until; /* a hint: table time when nothing counts any more */
	word64 moves; /* how often a count moved from one cell to another */
	word64 dirty; /* changed since it was last copied to another file */
};

struct ring {
	word64 desc;  /* kind and window; 0: unused, as all behind it */
	word64 gen;
	word64 swept; /* tick at which old cells were last cleared */
	word64 head;  /* newest tick counted in */
};

struct name {
	word64 len; /* of the whole name */
	word64 text[QUOTA_NAME_KEPT / 8];
};

/* One file, mapped. */
struct map {
	struct map *older; /* stays mapped until quota_close: other threads may
			    * still read it */
	int fd;
	dev_t dev;
	ino_t ino;
	size_t size;
	struct mapguard *guard;
	struct table *t;
	word64 *index;
	unsigned char *slots;
	uint64_t index_mask;
	size_t slot_size, name_at, cells_at;
	uint32_t slot_count;
	unsigned rings;
	uint64_t hash_key[2]; /* the header's, when it was opened */
	uint64_t offset; /* constant within a boot */
};

/* An account's name, hashed with the table's key. */
struct quota_key {
	uint64_t hi, lo; /* hi 0: nobody's */
};

/* What a message has reserved in one account, and where. */
struct hold {
	const char *account;         /* borrowed, as the set; NULL: none yet */
	const struct quota_set *set;
	struct quota_key key;
	uint32_t slot;      /* a hint */
	uint16_t unchecked; /* bits: rings whose cell is of another tick or
			     * generation than was last checked */
	unsigned char account_len;
	uint64_t version; /* the slot's, at the last reserve */
	uint64_t end;     /* of the first tick that ends, table time; 0: nothing
			   * is reserved */
	struct cell {         /* one for each ring of the slot */
		uint64_t gen;  /* the ring's when it was counted */
		uint64_t tick; /* the cell's */
		uint64_t count;
	} cell[RINGS_MAX];
};

/* What quota_use hides: the account, and the sums that it counts in. */
struct holds {
	unsigned levels; /* 0: none yet */
	struct hold level[1 + QUOTA_SUMS_MAX];
};

struct mapped {
	struct quota quota;
	_Atomic(struct map *) map;
	pthread_mutex_t mutex;
	struct quota_clock clock;
	enum quota_mode mode;
	uint32_t accounts;
	unsigned limits; /* of an account, at most */
	unsigned rings;  /* that a new table gets for it */
	char *path, *new_path;
	/* A report of what was done outside of quota_check, for its next
	 * caller; NULL: there is none. */
	_Atomic(struct quota_report *) due;
};

/* --- slots and rings -------------------------------------------------- */

static inline struct slot *
map_slot(const struct map *m, uint32_t n)
{
	return (struct slot *)(void *)(m->slots + n * m->slot_size);
}

static inline struct ring *
slot_ring(struct slot *s, unsigned i)
{
	return (struct ring *)(void *)(s + 1) + i;
}

static inline struct name *
slot_name(const struct map *m, struct slot *s)
{
	return (struct name *)(void *)((unsigned char *)s + m->name_at);
}

static inline word64 *
slot_facts(const struct map *m, struct slot *s)
{
	return (word64 *)(void *)(slot_name(m, s) + 1);
}

static inline word64 *
slot_cells(const struct map *m, struct slot *s, unsigned i)
{
	return (word64 *)(void *)((unsigned char *)s + m->cells_at) +
	    i * RING_CELLS;
}

/* Layout of a slot with so many rings. */
static inline size_t
layout_name_at(unsigned rings)
{
	return sizeof(struct slot) + rings * sizeof(struct ring);
}

static inline size_t
layout_cells_at(unsigned rings)
{
	return (layout_name_at(rings) + sizeof(struct name) + FACTS_SIZE + 63) /
	    64 * 64;
}

static inline size_t
layout_slot_size(unsigned rings)
{
	return layout_cells_at(rings) + rings * RING_CELLS * sizeof(word64);
}

static inline uint64_t
ring_desc(enum quota_kind kind, uint32_t window_s)
{
	return (uint64_t)window_s << 8 | (uint64_t)kind;
}

static inline unsigned
desc_kind(uint64_t desc)
{
	return desc & 0xff;
}

static inline uint64_t
desc_window(uint64_t desc)
{
	return desc >> 8;
}

/* False: the ring is unused, or the file is damaged. */
static inline bool
desc_valid(uint64_t desc)
{
	return desc_kind(desc) < QUOTA_KINDS && desc_window(desc) >= 1 &&
	    desc_window(desc) <= QUOTA_WINDOW_MAX;
}

/* Nanoseconds of a tick. */
static inline uint64_t
ring_width(uint64_t desc)
{
	return desc_window(desc) * (NSEC * 25 / 24) / RING_CELLS;
}

static inline uint64_t
cell_tag(uint64_t tick, uint64_t gen)
{
	return (tick / RING_CELLS) << 56 | (gen & GEN_MASK) << COUNT_BITS;
}

/* Was it counted under this generation of its ring? */
static inline bool
cell_of(uint64_t cell, uint64_t gen)
{
	return (((cell >> COUNT_BITS) ^ gen) & GEN_MASK) == 0;
}

/* By how many laps a cell is ahead of the tick.  0: it is within the ring;
 * less: it has left the window; more: the clock of its writer is ahead. */
static inline int
cell_lap(uint64_t cell, unsigned index, uint64_t tick)
{
	uint64_t lap = tick / RING_CELLS - (index > tick % RING_CELLS);

	return (int8_t)(uint8_t)((cell >> 56) - lap);
}

/* How many slots were ever used; no more than there are, also where the header
 * is damaged. */
static inline uint32_t
map_fresh(const struct map *m)
{
	uint64_t fresh = atomic_load(&m->t->fresh);

	return fresh < m->slot_count ? (uint32_t)fresh : m->slot_count;
}

static inline bool
slot_is_minor(struct slot *s)
{
	return (atomic_load(&s->state) & SLOT_MINOR) != 0;
}

/* Is the table frozen, or another file the table?  Then nobody may count in
 * this one. */
static inline bool
map_moving(const struct map *m)
{
	uint64_t moved = atomic_load(&m->t->moved);

	return moved != MOVED_NO && moved != MOVED_COPYING;
}

/*
 * To be called when a cell of the slot was changed.  True: the change will be
 * in the table, even if it is being moved.  If no copy has begun, all of the
 * copy is made after the change.  If one has begun, the slot is marked; and if
 * the table is not frozen yet, the slot is copied once more.
 */
static inline bool
slot_changed(const struct map *m, struct slot *s)
{
	uint64_t moved = atomic_load(&m->t->moved);

	if (moved == MOVED_COPYING) {
		atomic_store(&s->dirty, 1);
		moved = atomic_load(&m->t->moved);
	}
	return moved == MOVED_NO || moved == MOVED_COPYING;
}

static inline struct mapped *
mapped_of(struct quota *q)
{
	return (struct mapped *)(void *)q;
}

static inline uint64_t
quota_boottime(const struct mapped *q)
{
	return q->clock.boottime(q->clock.ctx);
}

/* --- what a mapped table does, each as quota_ in quota.h ---------------- */

int mapped_reserve(struct quota *base, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_use *use, struct quota_refusal *refusal_r);
void mapped_give_back(struct quota *base, struct quota_use *use,
    const struct quota_amount *amount);
int mapped_commit(struct quota *base, struct quota_use *use,
    struct quota_refusal *refusal_r);
void mapped_settle(struct quota *base, struct quota_use *use);
void mapped_release(struct quota *base, struct quota_use *use);
int mapped_would(struct quota *base, const char *account,
    const struct quota_set *set, const struct quota_amount *amount,
    struct quota_refusal *refusal_r);
bool mapped_has_room(struct quota *base, const char *account,
    const struct quota_set *set);
int mapped_peek(struct quota *base, const char *account,
    const struct quota_set *set, struct quota_state *state_r);
bool mapped_next(
    struct quota *base, uint32_t *cursor, struct quota_entry *entry_r);
void mapped_peek_entry(struct quota *base, const struct quota_entry *entry,
    const struct quota_set *set, struct quota_state *state_r);
void mapped_info(struct quota *base, struct quota_info *info_r);
int mapped_reset_all(struct quota *base);
int mapped_reset(struct quota *base, const char *account);
int mapped_lock(struct quota *base, const char *account, bool locked);
int mapped_rename(struct quota *base, const char *from, const char *to,
    bool *joined_r);
int mapped_noted(struct quota *base, enum quota_note note, const char *words);
int mapped_note(struct quota *base, enum quota_note note, const char *words);
int mapped_check(struct quota *base, struct quota_report *report_r,
    struct errmsg *msg_r);
bool mapped_needs_check(const struct quota *base);
void mapped_close(struct quota *base);

/* All but the check, which is for what has a name. */
#define MAPPED_COUNTS                                                          \
	.reserve = mapped_reserve, .give_back = mapped_give_back,              \
	.commit = mapped_commit, .settle = mapped_settle,                      \
	.release = mapped_release, .would = mapped_would,                      \
	.has_room = mapped_has_room, .peek = mapped_peek,                      \
	.next = mapped_next, .peek_entry = mapped_peek_entry,                  \
	.info = mapped_info, .reset_all = mapped_reset_all,                    \
	.reset = mapped_reset, .lock = mapped_lock, .rename = mapped_rename,   \
	.noted = mapped_noted, .note = mapped_note,                            \
	.needs_check = mapped_needs_check, .close = mapped_close

/* --- quota_count.c ----------------------------------------------------- */

/* Seconds until so much fits into the ring of that number, at least 1. */
uint64_t ring_retry(const struct map *m, struct slot *s, unsigned ring,
    uint64_t limit, uint64_t need, uint64_t now);

/* --- quota_slot.c: all under the lock ---------------------------------- */

struct quota_key quota_key_of(const struct map *m, const char *account,
    size_t len);
/* The account's slot, or NULL.  Needs no lock: may miss one that is being
 * created, never takes one for another. */
struct slot *slot_find(const struct map *m, const struct quota_key *key,
    uint32_t *n_r);
/* The account's slot, which is made if there is none; with `minor` it is of the
 * minor kind.  0, ERR_FULL, or SLOT_LATER: the search for a free slot has taken
 * long enough, so let others have the lock and call it again.  With `at_once`
 * it never returns SLOT_LATER. */
#define SLOT_LATER 1
int slot_make(struct mapped *q, struct map *m, const struct quota_key *key,
    const char *account, size_t len, bool minor, bool at_once, uint32_t *n_r);
/* Would slot_make return ERR_FULL without a search?  Needs no lock. */
bool slot_none(struct mapped *q, struct map *m, const struct quota_key *key,
    bool minor);
/* Would slot_make find a place for a new one?  Needs no lock, changes nothing,
 * and may look at the whole table. */
bool slot_room(const struct mapped *q, struct map *m, bool minor);
/* Make the slot ready to count in: apply resets, give each limit of the set
 * (NULL: none) a ring, clear cells that have left the window.  ERR_FULL: there
 * is no ring for a limit, because something counts in all that other limits
 * have; the next check makes more rings (rings_wanted). */
int slot_mend(struct mapped *q, struct map *m, uint32_t n,
    const struct quota_set *set);
/* Give the slot a ring for each window of another slot.  The exception: where
 * there is no room, a ring of the same kind with a longer window will do.
 * ERR_FULL as above: a window in which something counts has neither. */
int slot_adopt(struct mapped *q, struct map *m, uint32_t n,
    const struct map *from, struct slot *f);
/* Clear all counts and facts of the slot. */
void slot_clear(struct map *m, uint32_t n);
/* Add a count to the newest cell of a ring (to join accounts). */
void slot_put(struct mapped *q, struct map *m, uint32_t n, unsigned ring,
    uint64_t count);
/* From here until slot_mend or slot_drop, attempts to count in the slot wait
 * for the lock. */
void slot_stop(struct map *m, uint32_t n);
/* Free the slot, whatever counts in it. */
void slot_drop(struct map *m, uint32_t n);
/* Give the slot's account another name, which nobody has. */
void slot_rename(struct map *m, uint32_t n, const struct quota_key *key,
    const char *account, size_t len);
/* What counts against the limit.  This is the count of the ring with the
 * limit's window.  Without such a ring, it is the smallest count of the rings
 * of the same kind with longer windows; without these, the largest of those
 * with shorter windows.  *ring_r is the number of that ring, or m->rings: there is
 * none of the kind, and the count is 0. */
uint64_t slot_used(const struct map *m, struct slot *s,
    const struct quota_limit *limit, uint64_t now, unsigned *ring_r);
/* What counts in the ring, of its last within_s seconds. */
uint64_t slot_live(const struct map *m, struct slot *s, unsigned ring,
    uint64_t now, uint64_t within_s);
/* Does anything count in it? */
bool slot_is_live(const struct map *m, struct slot *s, uint64_t now);
/* Finish what a killed owner of the lock began. */
void table_recover(struct mapped *q, struct map *m);
/* Make the index anew from the slots. */
void table_reindex(struct map *m);
/* A slot was copied into a table that is not in use yet: bring the index up to
 * date.  `had` is the key that the copy had before; hi 0: none. */
void table_index_slot(struct map *m, uint32_t n, const struct quota_key *had);
/* To be called after a reboot, when pages of the file may be of different age:
 * repairs what can be repaired.  Returns the table time at which the newest
 * tick with a count begins. */
uint64_t table_after_boot(struct map *m);

/* --- quota_look.c ------------------------------------------------------ */

/* Check the account (level 0) and its sums (level n: sum n - 1), from level
 * `from` on.  rc and *why_r are the outcome of the levels before.  Returns the
 * outcome of all of them, and sets *why_r where a later level decides. */
int look_levels(struct mapped *q, const char *account,
    const struct quota_set *set, unsigned from,
    const struct quota_amount *amount, int rc, struct quota_refusal *why_r);

/* The table's lock, on the table as it is now.  ERR_SYSTEM, or as of
 * table_follow. */
int admin_lock(struct mapped *q, struct map **m_r);

/* --- quota_file.c ------------------------------------------------------ */

/* Take the lock, and finish what a killed owner has left.  0 or ERR_SYSTEM. */
int table_lock(struct mapped *q, struct map *m);
void table_unlock(struct mapped *q, struct map *m);
/* Use the file to which the table was moved.  0: q->map is that file, or the
 * move was given up.  ERR_FORMAT: the file with the table's name is no table
 * that we know, or this one is damaged and can't be renewed. */
int table_follow(struct mapped *q, struct map *from);

#endif
