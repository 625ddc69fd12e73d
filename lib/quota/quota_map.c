/*
 * Quota tables as files: locked, mapped, looked through, built.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "lib/base/siphash.h"

static_assert(sizeof(struct table) == 4096, "the header is a page");
static_assert(offsetof(struct table, moved) == 128, "... from here on shared");
static_assert(sizeof(struct slot) == 64, "a slot's head is a line");

/* --- words -------------------------------------------------------------- */

void
report_set(struct quota_report *r, enum quota_event event, const char *fmt, ...)
{
	va_list ap;

	r->event = event;
	va_start(ap, fmt);
	if (vsnprintf(r->words, sizeof(r->words), fmt, ap) < 0)
		r->words[0] = '\0';
	va_end(ap);
}

/* --- locks --------------------------------------------------------------- */

int
table_lock(struct mapped *q, struct map *m)
{
	pthread_mutex_lock(&q->mutex);
	if (mapfile_lock(m->fd, F_WRLCK) != 0) {
		pthread_mutex_unlock(&q->mutex);
		return ERR_SYSTEM;
	}
	table_recover(q, m);
	return 0;
}

void
table_unlock(struct mapped *q, struct map *m)
{
	mapfile_lock(m->fd, F_UNLCK);
	pthread_mutex_unlock(&q->mutex);
}

/* --- a file as a map ------------------------------------------------------ */

static uint64_t
table_check(const struct table *t)
{
	uint64_t hash[2];

	siphash128((const uint64_t[2]){1, 2}, t, offsetof(struct table, check),
	    hash);
	return hash[0];
}

/* With another key than table_check has, so that neither value is valid in the
 * other's place. */
static uint64_t
features_check(const struct table *t)
{
	uint64_t hash[2];

	siphash128((const uint64_t[2]){3, 4}, t,
	    offsetof(struct table, features_check), hash);
	return hash[0];
}

void
table_seal(struct table *t)
{
	t->check = table_check(t);
	if (t->version > 1)
		t->features_check = features_check(t);
}

/* Has a later program made it?  Such a file is never set aside as damaged.  If
 * so, words says how that can be seen. */
static bool
header_newer(const struct table *t, char *words, size_t size)
{
	if (memcmp(t->magic, TABLE_MAGIC, sizeof(t->magic)) != 0)
		return false;
	if (t->version > TABLE_VERSION) {
		snprintf(words, size, "is of version %u, and this program "
		    "knows none later than %u", t->version, TABLE_VERSION);
		return true;
	}
	if (t->version > 1 && t->features_check == features_check(t) &&
	    (t->features & ~(uint64_t)FEATURES_KNOWN) != 0) {
		snprintf(words, size, "has features (%#llx) that this program "
		    "does not know", (unsigned long long)(t->features &
		    ~(uint64_t)FEATURES_KNOWN));
		return true;
	}
	return false;
}

static unsigned
rings_max(const struct table *t)
{
	return t->version > 1 && (t->features & FEATURE_RINGS) != 0 ?
	    RINGS_MAX : RINGS_V1;
}

static uint64_t
layout_index_size(uint32_t slots)
{
	uint64_t size = 64;

	while (size < UINT64_C(2) * slots)
		size *= 2;
	return size;
}

static uint64_t
layout_file_size(uint32_t slots, unsigned rings)
{
	return sizeof(struct table) +
	    layout_index_size(slots) * sizeof(word64) +
	    (uint64_t)slots * layout_slot_size(rings);
}

/* NULL: a whole table of ours; otherwise what is wrong with it. */
static const char *
header_wrong(const struct table *t, uint64_t size)
{
	if (memcmp(t->magic, TABLE_MAGIC, sizeof(t->magic)) != 0)
		return "it is no quota table";
	if (t->version < 1 || t->version > TABLE_VERSION ||
	    (t->version > 1 && t->features_check != features_check(t)) ||
	    t->check != table_check(t) || t->header_size != sizeof(*t) ||
	    t->cells != RING_CELLS || t->rings < 1 ||
	    t->rings > rings_max(t) || t->slots < 1 ||
	    t->slots > QUOTA_ACCOUNTS_MAX ||
	    t->slot_size != layout_slot_size(t->rings) ||
	    t->index_size != layout_index_size(t->slots) ||
	    t->file_size != layout_file_size(t->slots, t->rings))
		return "its header is damaged";
	if (t->file_size != size)
		return "it is cut off or has grown";
	if (atomic_load(&t->fresh) > t->slots ||
	    atomic_load(&t->offset) > TIME_MAX ||
	    atomic_load(&t->latest) > TIME_MAX ||
	    atomic_load(&t->moved) > MOVED_COPYING)
		return "its header is damaged";
	return NULL;
}

void
map_free(struct map *m)
{
	if (m == NULL)
		return;
	mapguard_remove(m->guard);
	if (m->t != NULL)
		munmap(m->t, m->size);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/* From a copy of the header that was checked: the file's may change at any
 * moment. */
static void
map_layout(struct map *m, const struct table *t)
{
	m->index = (word64 *)(void *)(m->t + 1);
	m->index_mask = t->index_size - 1;
	m->slots = (unsigned char *)(m->index + t->index_size);
	m->slot_count = t->slots;
	m->rings = t->rings;
	m->slot_size = t->slot_size;
	m->name_at = layout_name_at(t->rings);
	m->cells_at = layout_cells_at(t->rings);
	memcpy(m->hash_key, t->hash_key, sizeof(m->hash_key));
}

/* Others may have cut the file off, or written to it. */
const char *
map_damage(const struct map *m)
{
	struct stat st;

	if (mapguard_hit(m->guard))
		return "it was cut off, or can't be read";
	if (fstat(m->fd, &st) == 0 && (uint64_t)st.st_size != m->size)
		return "it was cut off or has grown";
	return header_wrong(m->t, m->size);
}

/* Map the file, without a look at its header.  fd is closed with the map, or
 * here on failure. */
static int
map_new(const struct mapped *q, int fd, const struct stat *st,
    struct map **m_r)
{
	struct map *m = calloc(1, sizeof(*m));
	int prot = q->mode == QUOTA_READ ? PROT_READ : PROT_READ | PROT_WRITE;

	if (m == NULL) {
		close(fd);
		return ERR_NOMEM;
	}
	m->fd = fd;
	m->dev = st->st_dev;
	m->ino = st->st_ino;
	m->size = (size_t)st->st_size;
	m->t = mmap(NULL, m->size, prot, MAP_SHARED, fd, 0);
	if (m->t == MAP_FAILED) {
		m->t = NULL;
		map_free(m);
		return ERR_SYSTEM;
	}
	m->guard = mapguard_add(m->t, m->size, fd);
	if (m->guard == NULL) {
		map_free(m);
		return ERR_NOMEM;
	}
	/* Accounts are spread over the whole table, so huge pages save misses
	 * of the TLB.  Only some file systems have them (tmpfs, if the kernel
	 * is set so); with others the advice has no effect. */
	madvise(m->t, m->size, MADV_HUGEPAGE);
	*m_r = m;
	return 0;
}

/* Is the table's offset one of this boot? */
static bool
boot_is_same(const struct table *t, const unsigned char id[16], uint64_t boot)
{
	static const unsigned char unknown[16] = {0};

	if (memcmp(id, t->boot_id, sizeof(t->boot_id)) == 0 &&
	    memcmp(id, unknown, sizeof(unknown)) != 0)
		return true;
	/*
	 * If the boot clock did not go back, another id, or none, is taken for
	 * another view of the same boot (that of a container).  Then other
	 * processes count by this offset, and so must we.  If it is another
	 * boot nevertheless, less time passes in the table than in truth:
	 * that grants nothing.
	 */
	return boot + atomic_load(&t->offset) >= atomic_load(&t->latest);
}

/*
 * The offset of table time for this boot.  After a reboot table time continues
 * from wall time, but never earlier than the newest count.
 */
static uint64_t
map_offset(const struct mapped *q, const struct map *m, uint64_t newest)
{
	struct table *t = m->t;
	uint64_t boot = quota_boottime(q), now = atomic_load(&t->latest);
	uint64_t wall = q->clock.wall(q->clock.ctx) -
	    atomic_load(&t->wall_offset);
	unsigned char id[16];

	q->clock.boot_id(q->clock.ctx, id);
	if (boot_is_same(t, id, boot))
		now = boot + atomic_load(&t->offset);
	else if (wall < TIME_MAX && wall > now)
		now = wall;
	if (newest < TIME_MAX && newest > now)
		now = newest;
	return now > boot ? now - boot : 0;
}

/*
 * Note the time for after a reboot.  Of all differences between the two clocks
 * the largest stays: a wall clock that was behind for a while (it stood at 1970
 * until it was set) must not make the next boot's look like years later.
 */
void
map_note_time(const struct mapped *q, struct map *m)
{
	uint64_t now = quota_boottime(q) + m->offset;
	uint64_t ahead = q->clock.wall(q->clock.ctx) - now;

	if (now > atomic_load(&m->t->latest))
		atomic_store(&m->t->latest, now);
	if ((int64_t)(ahead - atomic_load(&m->t->wall_offset)) > 0)
		atomic_store(&m->t->wall_offset, ahead);
}

/* Under the lock: set the clock, after a reboot. */
void
map_set_clock(const struct mapped *q, struct map *m)
{
	unsigned char id[16];

	q->clock.boot_id(q->clock.ctx, id);
	m->offset = map_offset(q, m, 0);
	if (memcmp(id, m->t->boot_id, sizeof(id)) != 0 ||
	    m->offset != atomic_load(&m->t->offset)) {
		m->offset = map_offset(q, m, table_after_boot(m));
		atomic_store(&m->t->offset, m->offset);
		memcpy(m->t->boot_id, id, sizeof(id));
	}
	map_note_time(q, m);
}

/* Map fd, which it takes, if it is a table. */
static int
map_checked(const struct mapped *q, int fd, struct map **m_r,
    const char **why_r, const struct stat *st, struct errmsg *msg)
{
	char words[128];
	struct table t;
	int rc;

	if ((uint64_t)st->st_size < sizeof(struct table)) {
		close(fd);
		*why_r = st->st_size == 0 ? "it is empty" : "it is cut off";
		return mapfile_fail(msg, ERR_FORMAT, "%s: %s", q->path, *why_r);
	}
	rc = map_new(q, fd, st, m_r);
	if (rc != 0)
		return rc == ERR_NOMEM ?
		    mapfile_fail(msg, rc, "%s: out of memory",
		    q->path) : mapfile_fail_call(msg, "mmap", q->path);
	t = *(*m_r)->t;
	if (header_newer(&t, words, sizeof(words))) {
		map_free(*m_r);
		*m_r = NULL;
		return mapfile_fail(msg, ERR_FORMAT, "%s: the table %s: run "
		    "the later program, or remove the file, and with it all "
		    "counts and locks", q->path, words);
	}
	*why_r = header_wrong(&t, (uint64_t)st->st_size);
	if (*why_r != NULL) {
		map_free(*m_r);
		*m_r = NULL;
		return mapfile_fail(msg, ERR_FORMAT, "%s: %s", q->path, *why_r);
	}
	map_layout(*m_r, &t);
	(*m_r)->offset = map_offset(q, *m_r, 0);
	return 0;
}

int
map_open(const struct mapped *q, struct map **m_r, const char **why_r,
    struct stat *st, struct errmsg *msg)
{
	int flags = q->mode == QUOTA_READ ? O_RDONLY : O_RDWR, rc;
	int fd = open(q->path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*why_r = NULL;
	if (fd < 0 && errno == ENOENT)
		return mapfile_fail(msg, ERR_NOTFOUND, "%s: there is no quota "
		    "table: the daemon makes it when it starts", q->path);
	if (fd < 0)
		return mapfile_fail_call(msg, "open", q->path);
	if (fstat(fd, st) != 0) {
		rc = mapfile_fail_call(msg, "fstat", q->path);
		close(fd);
		return rc;
	}
	rc = mapfile_safe(q->path, st, q->mode == QUOTA_READ, msg);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	return map_checked(q, fd, m_r, why_r, st, msg);
}

/* --- a new file ----------------------------------------------------------- */

static void
header_init(const struct mapped *q, struct table *t, uint32_t slots,
    unsigned rings)
{
	uint64_t boot = quota_boottime(q), wall = q->clock.wall(q->clock.ctx);

	memcpy(t->magic, TABLE_MAGIC, sizeof(t->magic));
	t->features = rings > RINGS_V1 ? FEATURE_RINGS : 0;
	t->version = t->features == 0 ? 1 : 2; /* the oldest that will do */
	t->header_size = sizeof(*t);
	t->slots = slots;
	t->rings = rings;
	t->slot_size = (uint32_t)layout_slot_size(rings);
	t->cells = RING_CELLS;
	t->index_size = layout_index_size(slots);
	t->file_size = layout_file_size(slots, rings);
	/* Table time begins as wall time, which is easier to read in a dump. */
	atomic_store(&t->offset, wall > boot && wall < TIME_MAX ? wall - boot :
	    0);
	atomic_store(&t->latest, boot + atomic_load(&t->offset));
	atomic_store(&t->wall_offset, wall - atomic_load(&t->latest));
	q->clock.boot_id(q->clock.ctx, t->boot_id);
}

static int
fail_allocate(const struct mapped *q, uint32_t slots, uint64_t size,
    struct errmsg *msg)
{
	if (errno != ENOSPC && errno != EDQUOT && errno != EFBIG)
		return mapfile_fail_call(msg, "allocate", q->new_path);
	mapfile_fail(msg, ERR_SYSTEM, "%s: %s: a table of %u accounts takes "
	    "%llu MiB: make room", q->new_path, strerror(errno), slots,
	    (unsigned long long)(size >> 20) + 1);
	if (msg != NULL)
		msg->kind = ERRMSG_NO_ROOM;
	return ERR_SYSTEM;
}

int
build_try(const struct mapped *q, bool resize, struct errmsg *msg)
{
	uint64_t size = layout_file_size(q->accounts, q->rings);
	int rc, fd = mapfile_try(q->new_path, msg);

	if (fd < 0)
		return fd;
	/* A table that can't have the other size is used as it is. */
	rc = resize ? 0 : mapfile_try_size(fd, (off_t)size);
	if (rc != 0)
		rc = fail_allocate(q, q->accounts, size, msg);
	close(fd);
	return rc;
}

/* The new file as a map, without its name; takes the builder's fd if it works
 * out, and with it stays locked. */
int
build_table(const struct mapped *q, int fd, uint32_t slots, unsigned rings,
    struct map **m_r, struct errmsg *msg)
{
	uint64_t size = layout_file_size(slots, rings), key[3];
	struct stat st;
	int rc;

	rc = mapfile_allocate(fd, (off_t)size);
	if (rc != 0)
		return fail_allocate(q, slots, size, msg);
	if (fchmod(fd, 0600) != 0 || fstat(fd, &st) != 0)
		return mapfile_fail_call(msg, "fchmod", q->new_path);
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return mapfile_fail_call(msg, "getrandom", q->new_path);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* shares the lock */
	if (fd < 0)
		return mapfile_fail_call(msg, "dup", q->new_path);
	rc = map_new(q, fd, &st, m_r);
	if (rc != 0)
		return rc == ERR_NOMEM ?
		    mapfile_fail(msg, rc, "%s: out of memory",
		    q->new_path) : mapfile_fail_call(msg, "mmap", q->new_path);
	header_init(q, (*m_r)->t, slots, rings);
	memcpy((*m_r)->t->hash_key, key, 2 * sizeof(key[0]));
	/* A random first generation: no ring has one of another table's, so a
	 * count that was made there and joined here can't be taken back. */
	atomic_store(&(*m_r)->t->generation, (key[2] >> 2) + 1);
	table_seal((*m_r)->t);
	map_layout(*m_r, (*m_r)->t);
	(*m_r)->offset = atomic_load(&(*m_r)->t->offset);
	return 0;
}

int
build_publish(const struct mapped *q, struct errmsg *msg)
{
	if (rename(q->new_path, q->path) != 0)
		return mapfile_fail_call(msg, "rename to the table's name",
		    q->new_path);
	return 0;
}
