/*
 * The table's file: made, opened, resized, missed.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A file gets its name when it is whole: it is built as PATH.new, by whoever
 * holds the lock of that file, and renamed.  The lock on PATH.new also guards
 * every change of who bears the name PATH.  Who waited for a lock looks whether
 * the file still has the name; if not, he begins again.  A builder that was
 * killed leaves a PATH.new to the next one.
 */
#include "quota.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/err.h"
#include "lib/siphash.h"
#include "table.h"

#define TIME_MAX (UINT64_C(1) << 62) /* of table time */
#define SETTLE_NSEC 2000000 /* for attempts under way when a table moves */

static_assert(sizeof(struct table) == 4096, "the header is a page");
static_assert(sizeof(struct slot) == 64, "a slot's head is a line");

/* --- clocks ------------------------------------------------------------ */

static uint64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static uint64_t
real_boottime(void *ctx)
{
	(void)ctx;
	return clock_read(CLOCK_BOOTTIME);
}

static uint64_t
real_wall(void *ctx)
{
	(void)ctx;
	return clock_read(CLOCK_REALTIME);
}

/* All zero where /proc is hidden: then only a boot clock that went back tells
 * of a reboot, and time may stand still over one, which grants nothing. */
static void
real_boot_id(void *ctx, unsigned char id_r[16])
{
	char text[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint64_t hash[2];

	(void)ctx;
	memset(id_r, 0, 16);
	if (f == NULL)
		return;
	if (fgets(text, sizeof(text), f) != NULL) {
		siphash128((const uint64_t[2]){0, 0}, text, strlen(text), hash);
		memcpy(id_r, hash, 16);
	}
	fclose(f);
}

static const struct quota_clock real_clock = {
    real_boottime, real_wall, real_boot_id, NULL};

/* --- words -------------------------------------------------------------- */

static int fail(struct errmsg *msg, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* errno survives: the caller of quota_open may look at it. */
static int
fail(struct errmsg *msg, int code, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (msg != NULL) {
		va_start(ap, fmt);
		if (vsnprintf(msg->text, sizeof(msg->text), fmt, ap) < 0)
			msg->text[0] = '\0';
		va_end(ap);
	}
	errno = saved;
	return code;
}

static int
fail_call(struct errmsg *msg, const char *what, const char *path)
{
	return fail(msg, ERR_SYSTEM, "%s: %s: %s", path, what,
	    strerror(errno));
}

static void report(struct quota_report *r, enum quota_event event,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static void
report(struct quota_report *r, enum quota_event event, const char *fmt, ...)
{
	va_list ap;

	r->event = event;
	va_start(ap, fmt);
	if (vsnprintf(r->words, sizeof(r->words), fmt, ap) < 0)
		r->words[0] = '\0';
	va_end(ap);
}

/* --- locks --------------------------------------------------------------- */

static int
file_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	int rc;

	do {
		rc = fcntl(fd, F_OFD_SETLKW, &lock);
	} while (rc == -1 && errno == EINTR);
	return rc == 0 ? 0 : ERR_SYSTEM;
}

int
table_lock(struct quota *q, struct map *m)
{
	pthread_mutex_lock(&q->mutex);
	if (file_lock(m->fd, F_WRLCK) != 0) {
		pthread_mutex_unlock(&q->mutex);
		return ERR_SYSTEM;
	}
	table_recover(q, m);
	return 0;
}

void
table_unlock(struct quota *q, struct map *m)
{
	file_lock(m->fd, F_UNLCK);
	pthread_mutex_unlock(&q->mutex);
}

/* Does the name belong to another file than this one?  0: no; ERR_NOTFOUND: to
 * none. */
static int
name_taken(const char *path, dev_t dev, ino_t ino)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? ERR_NOTFOUND : ERR_SYSTEM;
	return st.st_dev == dev && st.st_ino == ino ? 0 : 1;
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
	if (t->version != TABLE_VERSION)
		return "it is a quota table of another version";
	if (t->check != table_check(t) || t->header_size != sizeof(*t) ||
	    t->cells != RING_CELLS || t->rings < 1 ||
	    t->rings > QUOTA_LIMITS_MAX || t->slots < 1 ||
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
	    atomic_load(&t->moved) > MOVED_AWAY)
		return "its header is damaged";
	return NULL;
}

static void
map_free(struct map *m)
{
	if (m == NULL)
		return;
	if (m->t != NULL)
		munmap(m->t, m->size);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

static void
map_layout(struct map *m)
{
	struct table *t = m->t;

	m->index = (word64 *)(void *)(t + 1);
	m->index_mask = t->index_size - 1;
	m->slots = (unsigned char *)(m->index + t->index_size);
	m->slot_count = t->slots;
	m->rings = t->rings;
	m->slot_size = t->slot_size;
	m->name_at = layout_name_at(t->rings);
	m->cells_at = layout_cells_at(t->rings);
}

/* Map the file, which takes fd; the header is not looked at. */
static int
map_new(const struct quota *q, int fd, const struct stat *st,
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
	/* Accounts lie anywhere; where the file system has big pages (/dev/shm)
	 * they save much.  No harm where not. */
	madvise(m->t, m->size, MADV_HUGEPAGE);
	*m_r = m;
	return 0;
}

/*
 * The offset of table time for this boot.  Time goes on from wall time after a
 * reboot, but never back behind what was counted.
 */
static uint64_t
map_offset(const struct quota *q, const struct map *m, uint64_t newest)
{
	static const unsigned char unknown[16] = {0};
	struct table *t = m->t;
	uint64_t boot = quota_boottime(q), now = atomic_load(&t->latest);
	uint64_t wall = q->clock.wall(q->clock.ctx) -
	    atomic_load(&t->wall_offset);
	unsigned char id[16];

	q->clock.boot_id(q->clock.ctx, id);
	if (memcmp(id, t->boot_id, sizeof(id)) == 0 &&
	    (memcmp(id, unknown, sizeof(id)) != 0 ||
	    boot + atomic_load(&t->offset) >= now))
		return atomic_load(&t->offset);
	if (wall < TIME_MAX && wall > now)
		now = wall;
	if (newest < TIME_MAX && newest > now)
		now = newest;
	return now > boot ? now - boot : 0;
}

/* Note the time for after a reboot. */
static void
map_note_time(const struct quota *q, struct map *m)
{
	uint64_t now = quota_boottime(q) + m->offset;

	if (now > atomic_load(&m->t->latest))
		atomic_store(&m->t->latest, now);
	atomic_store(&m->t->wall_offset, q->clock.wall(q->clock.ctx) - now);
}

/* Under the lock: set the clock, after a reboot. */
static void
map_set_clock(const struct quota *q, struct map *m)
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

/* Is the file one that nobody else can write to or cut off? */
static int
file_safe(const struct quota *q, const struct stat *st, const char *path,
    struct errmsg *msg)
{
	if (!S_ISREG(st->st_mode))
		return fail(msg, ERR_CONFIG, "%s: not a regular file: "
		    "QuotaTable names a file that postern makes itself", path);
	if (q->mode == QUOTA_READ)
		return 0;
	if ((st->st_mode & 022) != 0)
		return fail(msg, ERR_CONFIG, "%s: mode %04o lets others write: "
		    "chmod 600 %s", path, (unsigned)st->st_mode & 07777, path);
	if (st->st_uid != geteuid() && st->st_uid != 0 && geteuid() != 0)
		return fail(msg, ERR_CONFIG, "%s: belongs to uid %u, not to "
		    "uid %u who runs this: chown %u %s", path,
		    (unsigned)st->st_uid, (unsigned)geteuid(),
		    (unsigned)geteuid(), path);
	return 0;
}

/*
 * Open what bears the name.  ERR_NOTFOUND, ERR_FORMAT (*why_r says why; *dev_r
 * and *ino_r which file) ...
 */
static int
map_open(const struct quota *q, struct map **m_r, const char **why_r,
    struct stat *st, struct errmsg *msg)
{
	int flags = q->mode == QUOTA_READ ? O_RDONLY : O_RDWR, rc;
	int fd = open(q->path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*why_r = NULL;
	if (fd < 0 && errno == ENOENT)
		return fail(msg, ERR_NOTFOUND, "%s: there is no quota table: "
		    "the daemon makes it when it starts", q->path);
	if (fd < 0)
		return fail_call(msg, "open", q->path);
	if (fstat(fd, st) != 0) {
		rc = fail_call(msg, "fstat", q->path);
		close(fd);
		return rc;
	}
	rc = file_safe(q, st, q->path, msg);
	if (rc != 0) {
		close(fd);
		return rc;
	}
	if ((uint64_t)st->st_size < sizeof(struct table)) {
		close(fd);
		*why_r = st->st_size == 0 ? "it is empty" : "it is cut off";
		return fail(msg, ERR_FORMAT, "%s: %s", q->path, *why_r);
	}
	rc = map_new(q, fd, st, m_r);
	if (rc != 0)
		return rc == ERR_NOMEM ? fail(msg, rc, "%s: out of memory",
		    q->path) : fail_call(msg, "mmap", q->path);
	*why_r = header_wrong((*m_r)->t, (uint64_t)st->st_size);
	if (*why_r != NULL) {
		map_free(*m_r);
		*m_r = NULL;
		return fail(msg, ERR_FORMAT, "%s: %s", q->path, *why_r);
	}
	map_layout(*m_r);
	(*m_r)->offset = map_offset(q, *m_r, 0);
	return 0;
}

/* --- a new file ----------------------------------------------------------- */

/* Become the one who builds. */
static int
build_lock(const struct quota *q, int *fd_r, struct stat *st,
    struct errmsg *msg)
{
	for (;;) {
		int rc, fd = open(q->new_path, O_RDWR | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW | O_NONBLOCK, 0600);

		if (fd < 0)
			return fail_call(msg, "create", q->new_path);
		rc = fstat(fd, st) == 0 ? file_safe(q, st, q->new_path, msg) :
		    fail_call(msg, "fstat", q->new_path);
		if (rc == 0 && file_lock(fd, F_WRLCK) != 0)
			rc = fail_call(msg, "lock", q->new_path);
		if (rc == 0 && name_taken(q->new_path, st->st_dev,
		    st->st_ino) == 0) {
			*fd_r = fd;
			return 0;
		}
		close(fd);
		if (rc != 0)
			return rc;
	}
}

static void
build_unlock(const struct quota *q, int fd)
{
	unlink(q->new_path);
	close(fd);
}

static void
header_init(const struct quota *q, struct table *t, uint32_t slots,
    unsigned rings)
{
	uint64_t boot = quota_boottime(q), wall = q->clock.wall(q->clock.ctx);

	memcpy(t->magic, TABLE_MAGIC, sizeof(t->magic));
	t->version = TABLE_VERSION;
	t->header_size = sizeof(*t);
	t->slots = slots;
	t->rings = rings;
	t->slot_size = (uint32_t)layout_slot_size(rings);
	t->cells = RING_CELLS;
	t->index_size = layout_index_size(slots);
	t->file_size = layout_file_size(slots, rings);
	atomic_store(&t->generation, 1);
	/* Table time begins as wall time, for who looks at it. */
	atomic_store(&t->offset, wall > boot && wall < TIME_MAX ? wall - boot :
	    0);
	atomic_store(&t->latest, boot + atomic_load(&t->offset));
	atomic_store(&t->wall_offset, wall - atomic_load(&t->latest));
	q->clock.boot_id(q->clock.ctx, t->boot_id);
}

/* The new file as a map, without its name; takes the builder's fd if it works
 * out, and with it stays locked. */
static int
build(const struct quota *q, int fd, uint32_t slots, unsigned rings,
    struct map **m_r, struct errmsg *msg)
{
	uint64_t size = layout_file_size(slots, rings), key[2];
	struct stat st;
	int rc;

	/* From nothing, so that all of it is zero. */
	if (ftruncate(fd, 0) != 0)
		return fail_call(msg, "ftruncate", q->new_path);
	errno = posix_fallocate(fd, 0, (off_t)size);
	if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
		return fail(msg, ERR_SYSTEM, "%s: %s: a table of %u accounts "
		    "takes %llu MiB: make room, or lower QuotaAccounts",
		    q->new_path, strerror(errno), slots,
		    (unsigned long long)(size >> 20) + 1);
	if (errno != 0)
		return fail_call(msg, "allocate", q->new_path);
	if (fchmod(fd, 0600) != 0 || fstat(fd, &st) != 0)
		return fail_call(msg, "fchmod", q->new_path);
	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return fail_call(msg, "getrandom", q->new_path);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 0); /* shares the lock */
	if (fd < 0)
		return fail_call(msg, "dup", q->new_path);
	rc = map_new(q, fd, &st, m_r);
	if (rc != 0)
		return rc == ERR_NOMEM ? fail(msg, rc, "%s: out of memory",
		    q->new_path) : fail_call(msg, "mmap", q->new_path);
	header_init(q, (*m_r)->t, slots, rings);
	memcpy((*m_r)->t->hash_key, key, sizeof(key));
	(*m_r)->t->check = table_check((*m_r)->t);
	map_layout(*m_r);
	(*m_r)->offset = atomic_load(&(*m_r)->t->offset);
	return 0;
}

static int
publish(const struct quota *q, struct errmsg *msg)
{
	if (rename(q->new_path, q->path) != 0)
		return fail_call(msg, "rename to the table's name",
		    q->new_path);
	return 0;
}

/* Find a name for what is no table. */
static void
bad_name(const struct quota *q, char *name, size_t size)
{
	time_t wall = (time_t)(q->clock.wall(q->clock.ctx) / NSEC);
	struct stat st;
	struct tm tm;
	char when[32];

	memset(&tm, 0, sizeof(tm));
	gmtime_r(&wall, &tm);
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", &tm);
	snprintf(name, size, "%s.bad-%s", q->path, when);
	for (int i = 2; lstat(name, &st) == 0 && i < 10000; i++)
		snprintf(name, size, "%s.bad-%s-%d", q->path, when, i);
}

/* --- another size ----------------------------------------------------------- */

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
	t->check = table_check(t);
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
static int
migrate(struct quota *q, int fd, struct map *from, uint32_t slots,
    unsigned rings, struct map **m_r, struct errmsg *msg)
{
	struct map *to = NULL;
	int rc = build(q, fd, slots, rings, &to, msg);

	if (rc != 0)
		return rc;
	freeze(from, MOVED_NOW);
	rc = copy_table(q, from, to);
	if (rc == 0)
		rc = publish(q, msg);
	atomic_store(&from->t->moved, rc == 0 ? MOVED_AWAY : MOVED_NO);
	if (rc != 0)
		map_free(to);
	else
		*m_r = to;
	return rc;
}

/* --- opening ----------------------------------------------------------------- */

enum { TRY_AGAIN = 1 };

/* Nothing, or nothing of ours, bears the name: put a new table there.  why: what
 * is wrong with the one there, st: which it is. */
static int
open_new(struct quota *q, const char *why, const struct stat *bad,
    struct map **m_r, struct quota_report *rep, struct errmsg *msg)
{
	struct stat st;
	int fd, taken, rc = build_lock(q, &fd, &st, msg);

	if (rc != 0)
		return rc;
	taken = name_taken(q->path, bad->st_dev, bad->st_ino);
	if (why == NULL ? taken != ERR_NOTFOUND : taken != 0) {
		build_unlock(q, fd);
		return TRY_AGAIN;
	}
	rc = build(q, fd, q->accounts, q->limits, m_r, msg);
	if (rc == 0 && why != NULL) {
		bad_name(q, rep->bad_path, sizeof(rep->bad_path));
		if (rename(q->path, rep->bad_path) != 0)
			rc = fail_call(msg, "rename", q->path);
	}
	if (rc == 0)
		rc = publish(q, msg);
	if (rc == 0) {
		file_lock((*m_r)->fd, F_UNLCK);
		close(fd);
		if (why != NULL)
			report(rep, QUOTA_RENEWED, "%s", why);
		else
			report(rep, QUOTA_CREATED, "a new table");
		return 0;
	}
	map_free(*m_r);
	*m_r = NULL;
	build_unlock(q, fd);
	return rc;
}

static bool
size_differs(const struct quota *q, const struct map *m)
{
	return q->mode == QUOTA_CREATE && (m->slot_count != q->accounts ||
	    m->rings < q->limits);
}

/* The new size, or, where the accounts don't fit, but there are too few rings,
 * only more of these. */
static int
migrate_sized(struct quota *q, int fd, struct map *from, struct map **to_r,
    struct errmsg *msg)
{
	unsigned rings = from->rings > q->limits ? from->rings : q->limits;
	int rc = migrate(q, fd, from, q->accounts, rings, to_r, msg);

	if (rc == ERR_FULL && rings > from->rings)
		rc = migrate(q, fd, from, from->slot_count, rings, to_r, msg);
	return rc;
}

/* Bring the table to the size asked for. */
static int
open_resize(struct quota *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	struct map *from = *m_r, *to = NULL;
	struct stat st;
	int fd, rc = build_lock(q, &fd, &st, msg);

	if (rc != 0)
		return rc;
	rc = table_lock(q, from);
	if (rc == 0) {
		if (atomic_load(&from->t->moved) != MOVED_NO ||
		    name_taken(q->path, from->dev, from->ino) != 0)
			rc = TRY_AGAIN;
		else
			rc = migrate_sized(q, fd, from, &to, msg);
		table_unlock(q, from);
	}
	if (rc != 0) {
		build_unlock(q, fd);
		if (rc == TRY_AGAIN || from->rings < q->limits)
			return rc;
		report(rep, QUOTA_TOO_SMALL, "the table keeps room for %u "
		    "accounts, %s", from->slot_count, rc == ERR_FULL ?
		    "more are in use than were asked for" :
		    "the other size cannot be had");
		return 0;
	}
	report(rep, QUOTA_MIGRATED, "moved from room for %u accounts to %u",
	    from->slot_count, to->slot_count);
	file_lock(to->fd, F_UNLCK);
	close(fd);
	map_free(from);
	*m_r = to;
	return 0;
}

/* One attempt; TRY_AGAIN when the name changed hands meanwhile. */
static int
open_once(struct quota *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	struct stat st = {.st_size = 0};
	const char *why;
	int rc = map_open(q, m_r, &why, &st, msg);

	if (q->mode == QUOTA_CREATE && (rc == ERR_NOTFOUND || rc == ERR_FORMAT))
		return open_new(q, why, &st, m_r, rep, msg);
	if (rc != 0 || q->mode == QUOTA_READ)
		return rc;
	/* Holes of a file that was copied here would fill a disk later. */
	errno = q->mode == QUOTA_CREATE ?
	    posix_fallocate((*m_r)->fd, 0, (off_t)(*m_r)->size) : 0;
	if (errno != 0 && errno != EOPNOTSUPP)
		return fail_call(msg, "allocate", q->path);
	rc = table_lock(q, *m_r);
	if (rc != 0)
		return fail_call(msg, "lock", q->path);
	if (name_taken(q->path, (*m_r)->dev, (*m_r)->ino) != 0)
		rc = TRY_AGAIN;
	else
		/* We have the lock: whoever was moving it is dead. */
		atomic_store(&(*m_r)->t->moved, MOVED_NO);
	if (rc == 0)
		map_set_clock(q, *m_r);
	table_unlock(q, *m_r);
	if (rc == 0 && size_differs(q, *m_r))
		rc = open_resize(q, m_r, rep, msg);
	return rc;
}

static int
open_map(struct quota *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	int rc;

	do {
		memset(rep, 0, sizeof(*rep));
		report(rep, QUOTA_OPENED, "opened");
		*m_r = NULL;
		rc = open_once(q, m_r, rep, msg);
		if (rc != 0)
			map_free(*m_r);
	} while (rc == TRY_AGAIN);
	if (rc == 0)
		rep->accounts = (*m_r)->slot_count;
	return rc;
}

static int
options_wrong(const struct quota_options *opt, const char *path,
    struct errmsg *msg)
{
	if (path[0] == '\0' || strlen(path) > 3900)
		return fail(msg, ERR_CONFIG, "QuotaTable: a path of 1 to 3900 "
		    "octets is expected");
	if (opt->mode != QUOTA_CREATE)
		return 0;
	if (opt->accounts < 1 || opt->accounts > QUOTA_ACCOUNTS_MAX)
		return fail(msg, ERR_CONFIG, "QuotaAccounts: a number from 1 "
		    "to %u is expected", QUOTA_ACCOUNTS_MAX);
	if (opt->limits < 1 || opt->limits > QUOTA_LIMITS_MAX)
		return fail(msg, ERR_CONFIG, "Quota: an account has 1 to %u "
		    "limits", QUOTA_LIMITS_MAX);
	return 0;
}

static void
quota_free(struct quota *q)
{
	if (q == NULL)
		return;
	pthread_mutex_destroy(&q->mutex);
	free(q->path);
	free(q->new_path);
	free(q);
}

int
quota_open(struct quota **q_r, const char *path,
    const struct quota_options *opt, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	struct quota_report *rep = report_r;
	struct quota *q = NULL;
	struct map *m = NULL;
	int rc = options_wrong(opt, path, msg_r);

	if (rc != 0)
		return rc;
	if (rep == NULL)
		rep = calloc(1, sizeof(*rep));
	q = calloc(1, sizeof(*q));
	if (rep == NULL || q == NULL || asprintf(&q->new_path, "%s.new",
	    path) < 0) {
		rc = fail(msg_r, ERR_NOMEM, "%s: out of memory", path);
		free(q);
		goto end;
	}
	q->path = strndup(q->new_path, strlen(path));
	q->mode = opt->mode;
	q->accounts = opt->accounts;
	q->limits = opt->limits;
	q->clock = opt->clock != NULL ? *opt->clock : real_clock;
	pthread_mutex_init(&q->mutex, NULL);
	rc = q->path == NULL ? fail(msg_r, ERR_NOMEM, "%s: out of memory",
	    path) : open_map(q, &m, rep, msg_r);
	if (rc == 0) {
		atomic_init(&q->map, m);
		*q_r = q;
	} else {
		quota_free(q);
	}
end:
	if (rep != report_r)
		free(rep);
	return rc;
}

void
quota_close(struct quota *q)
{
	struct map *m, *older;

	if (q == NULL)
		return;
	for (m = atomic_load(&q->map); m != NULL; m = older) {
		older = m->older;
		map_free(m);
	}
	quota_free(q);
}

/* --- following and checking ---------------------------------------------------- */

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
	    name_taken(q->path, m->dev, m->ino) != 1))
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
		rc = file_lock(from->fd, F_WRLCK);
		if (rc == 0) {
			unfreeze(q, from);
			file_lock(from->fd, F_UNLCK);
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

/* The name is free: move there.  TRY_AGAIN: it is not, any more. */
static int
restore_new(struct quota *q, struct map *from, struct errmsg *msg)
{
	struct map *to = NULL;
	struct stat st;
	int fd, rc = build_lock(q, &fd, &st, msg);

	if (rc != 0)
		return rc;
	rc = table_lock(q, from);
	if (rc == 0) {
		unfreeze(q, from);
		if (name_taken(q->path, 0, 0) != ERR_NOTFOUND ||
		    atomic_load(&q->map) != from)
			rc = TRY_AGAIN;
		else
			rc = migrate(q, fd, from, from->slot_count,
			    from->rings, &to, msg);
		if (rc == 0)
			map_swap(q, to);
		table_unlock(q, from);
	}
	if (rc == 0) {
		file_lock(to->fd, F_UNLCK);
		close(fd);
	} else {
		build_unlock(q, fd);
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
	int fd, rc = open_map(q, &to, rep, msg);

	if (rc != 0)
		return rc;
	rc = build_lock(q, &fd, &st, msg);
	if (rc != 0) {
		map_free(to);
		return rc;
	}
	rc = table_lock(q, from);
	if (rc == 0) {
		unfreeze(q, from);
		if (atomic_load(&from->t->moved) != MOVED_NO ||
		    atomic_load(&q->map) != from ||
		    name_taken(q->path, to->dev, to->ino) != 0)
			rc = TRY_AGAIN;
		if (rc == 0)
			rc = file_lock(to->fd, F_WRLCK);
		if (rc == 0) {
			table_recover(q, to);
			rc = join(q, from, to);
			file_lock(to->fd, F_UNLCK);
		}
		if (rc == 0)
			map_swap(q, to);
		table_unlock(q, from);
	}
	build_unlock(q, fd);
	if (rc != 0)
		map_free(to);
	if (rc == ERR_FULL)
		fail(msg, rc, "%s: the table there has no room for the "
		    "accounts counted so far", q->path);
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
			report(rep, QUOTA_FOLLOWED, "another process moved "
			    "the table: followed");
		if (rc == 0 || q->mode != QUOTA_CREATE || rc != ERR_NOTFOUND)
			return rc == 0 ? 0 : fail(msg, rc, "%s: the table was "
			    "moved, and cannot be followed", q->path);
		/* Moved, and then removed there: what is left is here. */
		atomic_store(&m->t->moved, MOVED_NO);
	}
	if (q->mode != QUOTA_CREATE)
		return 0;
	taken = name_taken(q->path, m->dev, m->ino);
	if (taken == ERR_SYSTEM)
		return fail_call(msg, "lstat", q->path);
	if (taken == 0) {
		map_note_time(q, m);
		return 0;
	}
	if (taken == ERR_NOTFOUND) {
		rc = restore_new(q, m, msg);
		if (rc == 0)
			report(rep, QUOTA_RESTORED, "the file was removed: "
			    "counts were moved to a new one");
		return rc;
	}
	rc = restore_join(q, m, rep, msg);
	if (rc == 0)
		report(rep, QUOTA_RESTORED, "another file stands in its place: "
		    "counts were added to those there");
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
		return fail(msg_r, ERR_NOMEM, "%s: out of memory", q->path);
	do {
		memset(rep, 0, sizeof(*rep));
		report(rep, QUOTA_OPENED, "nothing happened");
		rc = check_once(q, rep, msg_r);
	} while (rc == TRY_AGAIN);
	rep->accounts = atomic_load(&q->map)->slot_count;
	if (rep != report_r)
		free(rep);
	return rc;
}
