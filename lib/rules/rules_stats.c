/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/rules/rules_stats.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "lib/base/mapguard.h"
#include "lib/base/siphash.h"
#include "lib/rules/rules_impl.h"

#define MAGIC "postern rules\n\0"
#define VERSION 1
#define SLOTS_MIN 1024
#define SLOTS_MAX (1U << 18)
#define PROBES_MAX 512 /* so that a file full of anything ends */
#define KEEP_SECONDS (UINT64_C(30) * 86400) /* rules that nobody loads */
#define ATTEMPTS 16 /* at a name that changes hands */

enum { TRY_AGAIN = 1 };

typedef _Atomic uint64_t word64;

struct header {
	char magic[16];
	uint32_t version;
	uint32_t slot_size;
	uint64_t slots;
	uint64_t file_size;
	uint64_t check; /* over all of the above */
	unsigned char spare[128 - 48];
};

struct slot {
	word64 key; /* 0: free; once written it stays */
	word64 since, seen; /* wall clock, seconds */
	word64 tried, hits, limited, ns, timed;
};

static_assert(sizeof(struct header) == 128, "slots lie at their lines");
static_assert(sizeof(struct slot) == 64, "a slot is a line");

struct map {
	struct header *h;
	struct slot *slots;
	size_t count, size;
	struct mapguard *guard;
	dev_t dev;
	ino_t ino;
};

/* Of one rule. */
struct entry {
	uint64_t key;
	struct slot *slot; /* NULL: no room for it */
	struct rules_stats_count given; /* what the file has got already */
};

struct rules_stats {
	char *path, *new_path;
	const struct rules *rules;
	struct entry *entries;
	size_t count;
	struct map map; /* h NULL: not open */
};

static uint64_t
get(const word64 *w)
{
	return atomic_load_explicit(w, memory_order_relaxed);
}

static void
put(word64 *w, uint64_t value)
{
	atomic_store_explicit(w, value, memory_order_relaxed);
}

static uint64_t
hash(const void *bytes, size_t len)
{
	static const uint64_t key[2] = {1, 2}; /* admins don't attack */
	uint64_t h[2];

	siphash128(key, bytes, len, h);
	return h[0];
}

/* -- rules -- */

/* 0: no memory, or nothing that is run. */
static uint64_t
key_of(const struct rules *r, size_t i)
{
	const struct rule *rule = r->list[i];
	unsigned flags = rule->flags & (RULE_MULTIPLE | RULE_NOSUBJECT);
	struct rules_info info;
	struct buf b = BUF_INIT;
	uint64_t key = 0;

	if (rule->kind == RULE_NONE || !rules_info(r, i, &info))
		return 0;
	buf_printf(&b, "%s\n%s\n%u %u\n%s", info.name, info.kind, flags,
	    rule->maxhits, rule->text == NULL ? "" : rule->text);
	if (!b.failed) {
		key = hash(buf_text(&b), b.len);
		key += key == 0;
	}
	buf_fini(&b);
	return key;
}

static struct entry *
entries_new(const struct rules *r)
{
	struct entry *e = calloc(r->count + 1, sizeof(*e));

	for (size_t i = 0; e != NULL && i < r->count; i++)
		e[i].key = key_of(r, i);
	return e;
}

/* -- a file as a map -- */

static uint64_t
file_size(uint64_t slots)
{
	return sizeof(struct header) + slots * sizeof(struct slot);
}

static uint64_t
header_check(const struct header *h)
{
	return hash(h, offsetof(struct header, check));
}

/* One of a later program's is not foreign: it stays as it is. */
static bool
header_newer(const struct header *h)
{
	return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 &&
	    h->version > VERSION;
}

/* NULL: one of ours; otherwise what is wrong with it. */
static const char *
header_wrong(const struct header *h, uint64_t size)
{
	if (memcmp(h->magic, MAGIC, sizeof(h->magic)) != 0)
		return "it has no counts of rules";
	if (h->version != VERSION || h->check != header_check(h) ||
	    h->slot_size != sizeof(struct slot) ||
	    h->slots < SLOTS_MIN || h->slots > SLOTS_MAX ||
	    (h->slots & (h->slots - 1)) != 0 ||
	    h->file_size != file_size(h->slots))
		return "its header is damaged";
	return h->file_size != size ? "it is cut off or has grown" : NULL;
}

static void
map_close(struct map *m)
{
	mapguard_remove(m->guard);
	if (m->h != NULL)
		munmap(m->h, m->size);
	*m = (struct map){0};
}

/* Map an open file of at least a header. */
static int
map_fd(struct map *m, int fd, const struct stat *st, int prot)
{
	void *p = mmap(NULL, (size_t)st->st_size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return ERR_SYSTEM;
	*m = (struct map){.h = p,
	    .slots = (struct slot *)((struct header *)p + 1),
	    .size = (size_t)st->st_size,
	    .guard = mapguard_add(p, (size_t)st->st_size, -1),
	    .dev = st->st_dev,
	    .ino = st->st_ino};
	if (m->guard != NULL)
		return 0;
	map_close(m);
	return ERR_SYSTEM;
}

/* ERR_FORMAT: *why_r is what is wrong, or NULL: it is a later program's. */
static int
map_checked(struct map *m, const char *path, int fd, const struct stat *st,
    bool read_only, const char **why_r, struct errmsg *msg)
{
	int rc = mapfile_safe(path, st, read_only, msg);
	struct header h;

	if (rc != 0)
		return rc;
	if (pread(fd, &h, sizeof(h), 0) == sizeof(h) && header_newer(&h))
		return mapfile_fail(msg, ERR_FORMAT,
		    "%s: it is of version %u, and this program knows none "
		    "later than %u: name another file, or remove it",
		    path, h.version, VERSION);
	if ((uint64_t)st->st_size < file_size(SLOTS_MIN) ||
	    (uint64_t)st->st_size > file_size(SLOTS_MAX)) {
		*why_r = st->st_size == 0 ? "it is empty"
					  : "it has not the size of one";
		return mapfile_fail(msg, ERR_FORMAT, "%s: %s", path, *why_r);
	}
	if (map_fd(m, fd, st, read_only ? PROT_READ : PROT_READ | PROT_WRITE))
		return mapfile_fail_call(msg, "mmap", path);
	/* Of a copy: it may be cut off at any moment. */
	h = *m->h;
	*why_r = header_wrong(&h, m->size);
	if (*why_r != NULL) {
		map_close(m);
		return mapfile_fail(msg, ERR_FORMAT, "%s: %s", path, *why_r);
	}
	m->count = h.slots;
	if (!read_only && mapfile_keep(fd, st->st_size) != 0) {
		rc = mapfile_fail_call(msg, "allocate", path);
		map_close(m);
	}
	return rc;
}

/* Open what bears the name. */
static int
map_open(struct map *m, const char *path, bool read_only, const char **why_r,
    struct stat *st, struct errmsg *msg)
{
	int flags = read_only ? O_RDONLY : O_RDWR, rc;
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*why_r = NULL;
	if (fd < 0 && errno == ENOENT)
		return mapfile_fail(msg, ERR_NOTFOUND,
		    "%s: there is no such file: the daemon makes it", path);
	if (fd < 0)
		return mapfile_fail_call(msg, "open", path);
	rc = fstat(fd, st) == 0
	    ? map_checked(m, path, fd, st, read_only, why_r, msg)
	    : mapfile_fail_call(msg, "fstat", path);
	close(fd);
	return rc;
}

/* -- slots -- */

/* The key's slot.  If it has none: with claim a free one, otherwise NULL.  NULL
 * too if no slot is free within PROBES_MAX. */
static struct slot *
slot_find(const struct map *m, uint64_t key, bool claim)
{
	for (size_t n = 0; key != 0 && n < PROBES_MAX && n < m->count; n++) {
		struct slot *s = &m->slots[(key + n) & (m->count - 1)];
		uint64_t there = get(&s->key);

		/* If another claims the slot first, `there` becomes its key. */
		if (there == 0 && claim &&
		    atomic_compare_exchange_strong_explicit(&s->key, &there,
			key, memory_order_relaxed, memory_order_relaxed))
			return s;
		if (there == key)
			return s;
		if (there == 0)
			return NULL;
	}
	return NULL;
}

/* Find a slot for each rule; false: some rules have none. */
static bool
take_places(struct rules_stats *s, uint64_t now)
{
	bool all = true;

	for (size_t i = 0; i < s->count; i++) {
		struct entry *e = &s->entries[i];
		uint64_t never = 0;

		e->slot = slot_find(&s->map, e->key, true);
		all &= e->key == 0 || e->slot != NULL;
		if (e->slot == NULL)
			continue;
		atomic_compare_exchange_strong_explicit(&e->slot->since, &never,
		    now, memory_order_relaxed, memory_order_relaxed);
		put(&e->slot->seen, now);
	}
	return all;
}

static void
leave(struct rules_stats *s)
{
	for (size_t i = 0; i < s->count; i++)
		s->entries[i].slot = NULL;
	map_close(&s->map);
}

/* -- a new file -- */

/* Was the slot in use lately?  A time in the future is damage: then it was
 * not. */
static bool
is_kept(const struct slot *s, uint64_t now)
{
	uint64_t seen = get(&s->seen);

	return get(&s->key) != 0 && seen <= now + 86400 &&
	    now < seen + KEEP_SECONDS;
}

static void
copy_slot(struct map *to, const struct slot *from)
{
	struct slot *s = slot_find(to, get(&from->key), true);

	if (s == NULL)
		return;
	put(&s->since, get(&from->since));
	put(&s->seen, get(&from->seen));
	put(&s->tried, get(&from->tried));
	put(&s->hits, get(&from->hits));
	put(&s->limited, get(&from->limited));
	put(&s->ns, get(&from->ns));
	put(&s->timed, get(&from->timed));
}

/* Room for the rules and for what is kept, half of it free.  Rules that have a
 * place are among what is kept. */
static uint64_t
slots_for(const struct rules_stats *s, uint64_t now)
{
	uint64_t slots = SLOTS_MIN, need = 0;

	for (size_t i = 0; i < s->count; i++)
		need += s->entries[i].slot == NULL;
	for (size_t i = 0; i < s->map.count; i++)
		need += is_kept(&s->map.slots[i], now);
	while (slots < 2 * need && slots < SLOTS_MAX)
		slots *= 2;
	return slots;
}

/* Own rules first: they find room whatever else there is. */
static void
copy(const struct rules_stats *s, struct map *to, uint64_t now)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct slot *from =
		    slot_find(&s->map, s->entries[i].key, false);

		if (from != NULL)
			copy_slot(to, from);
		else
			slot_find(to, s->entries[i].key, true);
	}
	for (size_t i = 0; i < s->map.count; i++) {
		if (is_kept(&s->map.slots[i], now))
			copy_slot(to, &s->map.slots[i]);
	}
}

/* The whole new file in fd, with what is to be kept of the one that is open. */
static int
fill(const struct rules_stats *s, int fd, struct map *to, uint64_t now,
    struct errmsg *msg)
{
	uint64_t slots = slots_for(s, now);
	struct stat st;

	if (mapfile_allocate(fd, (off_t)file_size(slots)) != 0)
		return mapfile_fail_call(msg, "allocate", s->new_path);
	if (fchmod(fd, 0600) != 0 || fstat(fd, &st) != 0)
		return mapfile_fail_call(msg, "fchmod", s->new_path);
	if (map_fd(to, fd, &st, PROT_READ | PROT_WRITE) != 0)
		return mapfile_fail_call(msg, "mmap", s->new_path);
	memcpy(to->h->magic, MAGIC, sizeof(to->h->magic));
	to->h->version = VERSION;
	to->h->slot_size = sizeof(struct slot);
	to->h->slots = to->count = slots;
	to->h->file_size = file_size(slots);
	to->h->check = header_check(to->h);
	copy(s, to, now);
	return 0;
}

/* Put a new file under the name of the one in st (all zero: of none). */
static int
renew(struct rules_stats *s, const struct stat *st, time_t now,
    struct rules_stats_report *rep, struct errmsg *msg)
{
	struct map to = {0};
	struct stat own;
	int fd, rc = mapfile_build(s->new_path, &fd, &own, msg);
	int want = st->st_ino == 0 ? ERR_NOTFOUND : 0;

	if (rc != 0)
		return rc;
	if (mapfile_taken(s->path, st->st_dev, st->st_ino) != want)
		rc = TRY_AGAIN;
	if (rc == 0)
		rc = fill(s, fd, &to, (uint64_t)now, msg);
	if (rc == 0 && rep->why != NULL &&
	    mapfile_set_aside(s->path, now, rep->bad_path,
		sizeof(rep->bad_path)) != 0)
		rc = mapfile_fail_call(msg, "rename", s->path);
	if (rc == 0 && rename(s->new_path, s->path) != 0)
		rc = mapfile_fail_call(msg, "rename", s->new_path);
	if (rc != 0) {
		map_close(&to);
		mapfile_unbuild(s->new_path, fd);
		return rc;
	}
	/* The mapping keeps the open file, and its lock, alive. */
	mapfile_lock(fd, F_UNLCK);
	close(fd);
	map_close(&s->map);
	s->map = to;
	return 0;
}

/* One attempt; TRY_AGAIN when the name changed hands meanwhile. */
static int
open_once(struct rules_stats *s, time_t now, struct rules_stats_report *rep,
    struct errmsg *msg)
{
	struct stat st = {0};
	int rc = map_open(&s->map, s->path, false, &rep->why, &st, msg);

	if (rc == 0 && take_places(s, (uint64_t)now))
		return 0;
	if (rc == 0)
		rep->event = RULES_STATS_GROWN;
	else if (rc == ERR_FORMAT && rep->why != NULL)
		rep->event = RULES_STATS_RENEWED;
	else if (rc == ERR_NOTFOUND)
		rep->event = RULES_STATS_CREATED;
	else
		return rc;
	if (rc == ERR_NOTFOUND)
		st = (struct stat){0};
	rc = renew(s, &st, now, rep, msg);
	if (rc == 0)
		take_places(s, (uint64_t)now);
	else
		leave(s);
	return rc;
}

static int
open_any(struct rules_stats *s, time_t now, struct rules_stats_report *rep,
    struct errmsg *msg)
{
	int rc = TRY_AGAIN;

	for (int i = 0; i < ATTEMPTS && rc == TRY_AGAIN; i++) {
		rep->event = RULES_STATS_SAME;
		rep->bad_path[0] = '\0';
		rc = open_once(s, now, rep, msg);
	}
	if (rc == TRY_AGAIN) {
		errno = EBUSY;
		rc = mapfile_fail_call(msg, "open", s->path);
	}
	if (rc != 0)
		rep->event = RULES_STATS_SAME;
	return rc;
}

/* -- adding -- */

/* Is the open file the one that has the name, and all of it there? */
static bool
is_there(const struct rules_stats *s)
{
	struct stat st;

	return !mapguard_hit(s->map.guard) && lstat(s->path, &st) == 0 &&
	    st.st_dev == s->map.dev && st.st_ino == s->map.ino &&
	    (uint64_t)st.st_size == s->map.size;
}

/* A sum may go back for a moment: skipped rules are told behind the message
 * that skipped them. */
static void
add(word64 *sum, uint64_t *given, uint64_t now)
{
	if (now <= *given)
		return;
	atomic_fetch_add_explicit(sum, now - *given, memory_order_relaxed);
	*given = now;
}

static void
add_entry(struct entry *e, const struct rules_info *i, uint64_t now)
{
	if (i->tried > e->given.tried)
		put(&e->slot->seen, now);
	add(&e->slot->tried, &e->given.tried, i->tried);
	add(&e->slot->hits, &e->given.hits, i->hits);
	add(&e->slot->limited, &e->given.limited, i->limited);
	add(&e->slot->ns, &e->given.ns, i->ns);
	add(&e->slot->timed, &e->given.timed, i->timed);
}

int
rules_stats_try(
    const char *path, const char **foreign_r, struct errmsg *msg_r)
{
	char new_path[RULES_STATS_PATH_MAX + 8];
	struct map map = {0};
	struct stat st;
	int fd, rc;

	*foreign_r = NULL;
	if (lstat(path, &st) == 0) {
		if (S_ISREG(st.st_mode) &&
		    faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
			return mapfile_fail_call(msg_r, "open", path);
		rc = mapfile_safe(path, &st, false, msg_r);
		if (rc == 0)
			rc = map_open(&map, path, true, foreign_r, &st, msg_r);
		if (rc == 0)
			map_close(&map);
		if (rc != ERR_FORMAT || *foreign_r == NULL)
			return rc;
	}
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	fd = mapfile_try(new_path, msg_r);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

struct rules_stats *
rules_stats_new(const char *path, const struct rules *rules)
{
	struct rules_stats *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->rules = rules;
	s->count = rules->count;
	s->entries = entries_new(rules);
	s->path = strdup(path);
	if (asprintf(&s->new_path, "%s.new", path) < 0)
		s->new_path = NULL;
	if (s->entries == NULL || s->path == NULL || s->new_path == NULL) {
		rules_stats_free(s);
		return NULL;
	}
	return s;
}

void
rules_stats_free(struct rules_stats *s)
{
	if (s == NULL)
		return;
	map_close(&s->map);
	free(s->entries);
	free(s->path);
	free(s->new_path);
	free(s);
}

int
rules_stats_flush(struct rules_stats *s, time_t now,
    struct rules_stats_report *report_r, struct errmsg *msg_r)
{
	struct rules_info info;
	int rc;

	report_r->event = RULES_STATS_SAME;
	report_r->why = NULL;
	report_r->bad_path[0] = '\0';
	if (s->map.h != NULL && !is_there(s))
		leave(s);
	rc = s->map.h == NULL ? open_any(s, now, report_r, msg_r) : 0;
	for (size_t i = 0; rc == 0 && i < s->count; i++) {
		if (s->entries[i].slot != NULL &&
		    rules_info(s->rules, i, &info))
			add_entry(&s->entries[i], &info, (uint64_t)now);
	}
	return rc;
}

/* -- looking -- */

int
rules_stats_read(const char *path, const struct rules *rules,
    struct rules_stats_count **list_r, struct errmsg *msg_r)
{
	struct rules_stats_count *list;
	struct map m = {0};
	const char *why;
	struct stat st;
	int rc = map_open(&m, path, true, &why, &st, msg_r);

	if (rc != 0)
		return rc;
	*list_r = list = calloc(rules->count + 1, sizeof(*list));
	for (size_t i = 0; list != NULL && i < rules->count; i++) {
		const struct slot *s =
		    slot_find(&m, key_of(rules, i), false);

		if (s != NULL)
			list[i] = (struct rules_stats_count){
			    .since = get(&s->since),
			    .tried = get(&s->tried),
			    .hits = get(&s->hits),
			    .limited = get(&s->limited),
			    .ns = get(&s->ns),
			    .timed = get(&s->timed)};
	}
	map_close(&m);
	return list == NULL ? mapfile_fail(msg_r, ERR_NOMEM, "no memory") : 0;
}
