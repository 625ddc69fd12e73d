/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/shared.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "lib/base/mapguard.h"
#include "lib/base/siphash.h"

#define ATTEMPTS 16 /* at a name that changes hands */

enum { TRY_AGAIN = 1 };

struct shared_header {
	char magic[16];
	uint32_t version;
	uint32_t header_size;
	uint64_t body_size;
	uint64_t key[2];
	uint64_t made;
	uint64_t check; /* over all of the above */
};

static_assert(sizeof(struct shared_header) <= SHARED_HEADER_SIZE, "it fits");

/* What an attempt to open it needs. */
struct request {
	const struct shared_kind *kind;
	const char *path;
	char new_path[SHARED_PATH_MAX + 8];
	size_t size;
	time_t now;
	void (*fill)(void *arg, struct shared *made, const struct shared *old);
	void *arg;
	struct shared_report *report;
	struct errmsg *msg;
};

static uint64_t
check_of(const struct shared_header *h)
{
	static const uint64_t key[2] = {1, 2}; /* against damage, not attack */
	uint64_t sum[2];

	siphash128(key, h, offsetof(struct shared_header, check), sum);
	return sum[0];
}

/* NULL: one of ours; otherwise what is wrong with it. */
static const char *
header_wrong(const struct shared_kind *kind, const struct shared_header *h,
    off_t file_size)
{
	if (memcmp(h->magic, kind->magic, sizeof(h->magic)) != 0)
		return "it is a file of another kind";
	if (h->version != kind->version || h->check != check_of(h) ||
	    h->header_size != SHARED_HEADER_SIZE || h->body_size % 4096 != 0 ||
	    h->body_size < kind->body_min || h->body_size > kind->body_max)
		return "its header is damaged";
	return h->body_size + SHARED_HEADER_SIZE != (uint64_t)file_size
	    ? "it is cut off or has grown"
	    : NULL;
}

void
shared_close(struct shared *m)
{
	mapguard_remove(m->guard);
	if (m->header != NULL)
		munmap(m->header, m->size + SHARED_HEADER_SIZE);
	*m = (struct shared){0};
}

static int
map_fd(struct shared *m, int fd, const struct stat *st, int prot)
{
	size_t size = (size_t)st->st_size;
	void *p = mmap(NULL, size, prot, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return ERR_SYSTEM;
	*m = (struct shared){.header = p,
	    .body = (char *)p + SHARED_HEADER_SIZE,
	    .size = size - SHARED_HEADER_SIZE,
	    .guard = mapguard_add(p, size, -1),
	    .dev = st->st_dev,
	    .ino = st->st_ino};
	if (m->guard != NULL)
		return 0;
	shared_close(m);
	errno = ENOMEM;
	return ERR_SYSTEM;
}

static void
take_header(struct shared *m, const struct shared_header *h)
{
	memcpy(m->key, h->key, sizeof(m->key));
	m->made = h->made;
}

/* Read its header, not yet mapped.  *why_r: what is wrong with it, or NULL with
 * ERR_FORMAT: it is a later version's. */
static int
look(const struct shared_kind *kind, const char *path, int fd,
    const struct stat *st, struct shared_header *h, const char **why_r,
    struct errmsg *msg)
{
	ssize_t n = pread(fd, h, sizeof(*h), 0);

	*why_r = NULL;
	if (n == sizeof(*h) &&
	    memcmp(h->magic, kind->magic, sizeof(h->magic)) == 0 &&
	    h->version > kind->version)
		return mapfile_fail(msg, ERR_FORMAT,
		    "%s: it is a %s of version %u, and this program knows none "
		    "later than %u: name another file, or remove it",
		    path, kind->what, h->version, kind->version);
	*why_r = st->st_size == 0 ? "it is empty"
	    : n != sizeof(*h)	  ? "it is cut off"
				  : header_wrong(kind, h, st->st_size);
	if (*why_r != NULL)
		return mapfile_fail(msg, ERR_FORMAT, "%s: it is no %s: %s",
		    path, kind->what, *why_r);
	return 0;
}

static int
open_checked(struct shared *m, const struct shared_kind *kind,
    const char *path, int fd, const struct stat *st, bool read_only,
    const char **why_r, struct errmsg *msg)
{
	struct shared_header h;
	int rc = mapfile_safe(path, st, read_only, msg);

	if (rc == 0)
		rc = look(kind, path, fd, st, &h, why_r, msg);
	if (rc != 0)
		return rc;
	if (map_fd(m, fd, st, read_only ? PROT_READ : PROT_READ | PROT_WRITE))
		return mapfile_fail_call(msg, "mmap", path);
	take_header(m, &h);
	if (!read_only && mapfile_keep(fd, st->st_size) != 0) {
		rc = mapfile_fail_call(msg, "allocate", path);
		shared_close(m);
	}
	return rc;
}

/* Open what bears the name; *st_r is its state. */
static int
open_named(struct shared *m, const struct shared_kind *kind, const char *path,
    bool read_only, const char **why_r, struct stat *st_r, struct errmsg *msg)
{
	int flags = read_only ? O_RDONLY : O_RDWR, rc;
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	*why_r = NULL;
	*m = (struct shared){0};
	if (fd < 0 && errno == ENOENT)
		return mapfile_fail(msg, ERR_NOTFOUND,
		    "%s: there is no such file: the daemon makes it", path);
	if (fd < 0)
		return mapfile_fail_call(msg, "open", path);
	rc = fstat(fd, st_r) == 0
	    ? open_checked(m, kind, path, fd, st_r, read_only, why_r, msg)
	    : mapfile_fail_call(msg, "fstat", path);
	close(fd);
	return rc;
}

/* -- a new file -- */

static int
write_header(const struct request *q, struct shared *m)
{
	struct shared_header *h = m->header;

	if (getrandom(h->key, sizeof(h->key), 0) != sizeof(h->key))
		return mapfile_fail_call(q->msg, "getrandom", q->new_path);
	memcpy(h->magic, q->kind->magic, sizeof(h->magic));
	h->version = q->kind->version;
	h->header_size = SHARED_HEADER_SIZE;
	h->body_size = q->size;
	h->made = (uint64_t)q->now;
	h->check = check_of(h);
	take_header(m, h);
	return 0;
}

/* The whole new file in fd. */
static int
build(const struct request *q, int fd, struct shared *to,
    const struct shared *old)
{
	struct stat st;
	int rc;

	if (mapfile_allocate(fd, (off_t)(q->size + SHARED_HEADER_SIZE)) != 0)
		return mapfile_fail_call(q->msg, "allocate", q->new_path);
	if (fchmod(fd, 0600) != 0 || fstat(fd, &st) != 0)
		return mapfile_fail_call(q->msg, "fchmod", q->new_path);
	if (map_fd(to, fd, &st, PROT_READ | PROT_WRITE) != 0)
		return mapfile_fail_call(q->msg, "mmap", q->new_path);
	rc = write_header(q, to);
	if (rc == 0 && q->fill != NULL)
		q->fill(q->arg, to, old->body == NULL ? NULL : old);
	return rc;
}

static int
give_name(const struct request *q)
{
	struct shared_report *r = q->report;

	if (r->why != NULL &&
	    mapfile_set_aside(q->path, q->now, r->bad_path,
		sizeof(r->bad_path)) != 0)
		return mapfile_fail_call(q->msg, "rename", q->path);
	if (rename(q->new_path, q->path) != 0)
		return mapfile_fail_call(q->msg, "rename", q->new_path);
	return 0;
}

/* Put a new file under the name of the one in st (NULL: of none), which may be
 * open in m. */
static int
renew(const struct request *q, struct shared *m, const struct stat *st)
{
	struct shared to = {0};
	struct stat own;
	int fd, rc = mapfile_build(q->new_path, &fd, &own, q->msg);
	int taken;

	if (rc != 0)
		return rc;
	taken = st == NULL ? mapfile_taken(q->path, 0, 0)
			   : mapfile_taken(q->path, st->st_dev, st->st_ino);
	if (taken != (st == NULL ? ERR_NOTFOUND : 0))
		rc = TRY_AGAIN;
	if (rc == 0)
		rc = build(q, fd, &to, m);
	if (rc == 0)
		rc = give_name(q);
	if (rc != 0) {
		shared_close(&to);
		mapfile_unbuild(q->new_path, fd);
		return rc;
	}
	/* The mapping keeps the open file, and its lock, alive. */
	mapfile_lock(fd, F_UNLCK);
	close(fd);
	shared_close(m);
	*m = to;
	return 0;
}

static int
open_once(const struct request *q, struct shared *m)
{
	struct shared_report *r = q->report;
	struct stat st;
	int rc;

	r->event = SHARED_OPENED;
	r->bad_path[0] = '\0';
	rc = open_named(m, q->kind, q->path, false, &r->why, &st, q->msg);
	if (rc == 0 && m->size == q->size)
		return 0;
	if (rc == 0)
		r->event = SHARED_RESIZED;
	else if (rc == ERR_FORMAT && r->why != NULL)
		r->event = SHARED_RENEWED;
	else if (rc == ERR_NOTFOUND)
		r->event = SHARED_CREATED;
	else
		return rc;
	rc = renew(q, m, rc == ERR_NOTFOUND ? NULL : &st);
	if (rc != 0)
		shared_close(m);
	return rc;
}

/* False: it is too long. */
static bool
new_path_of(const char *path, char to[SHARED_PATH_MAX + 8])
{
	if (strlen(path) > SHARED_PATH_MAX)
		return false;
	snprintf(to, SHARED_PATH_MAX + 8, "%s.new", path);
	return true;
}

int
shared_open(struct shared *m, const struct shared_kind *kind, const char *path,
    size_t size, time_t now,
    void (*fill)(void *arg, struct shared *made, const struct shared *old),
    void *arg, struct shared_report *report_r, struct errmsg *msg_r)
{
	struct request q = {.kind = kind,
	    .path = path,
	    .size = size,
	    .now = now,
	    .fill = fill,
	    .arg = arg,
	    .report = report_r,
	    .msg = msg_r};
	int rc = TRY_AGAIN;

	assert(size >= kind->body_min && size <= kind->body_max);
	*m = (struct shared){0};
	*report_r = (struct shared_report){0};
	if (!new_path_of(path, q.new_path))
		return mapfile_fail(msg_r, ERR_CONFIG,
		    "%s: the path is longer than %d octets", path,
		    SHARED_PATH_MAX);
	for (int i = 0; i < ATTEMPTS && rc == TRY_AGAIN; i++)
		rc = open_once(&q, m);
	if (rc == TRY_AGAIN) {
		errno = EBUSY;
		rc = mapfile_fail_call(msg_r, "open", path);
	}
	return rc;
}

int
shared_open_read(struct shared *m, const struct shared_kind *kind,
    const char *path, struct errmsg *msg_r)
{
	const char *why;
	struct stat st;

	return open_named(m, kind, path, true, &why, &st, msg_r);
}

int
shared_try(const struct shared_kind *kind, const char *path, size_t size,
    const char **foreign_r, struct errmsg *msg_r)
{
	char new_path[SHARED_PATH_MAX + 8];
	struct shared m;
	struct stat st;
	int fd, rc;

	*foreign_r = NULL;
	if (!new_path_of(path, new_path))
		return mapfile_fail(msg_r, ERR_CONFIG,
		    "%s: the path is longer than %d octets", path,
		    SHARED_PATH_MAX);
	if (lstat(path, &st) == 0) {
		if (S_ISREG(st.st_mode) &&
		    faccessat(AT_FDCWD, path, R_OK | W_OK, AT_EACCESS) != 0)
			return mapfile_fail_call(msg_r, "open", path);
		rc = mapfile_safe(path, &st, false, msg_r);
		if (rc == 0)
			rc = open_named(
			    &m, kind, path, true, foreign_r, &st, msg_r);
		if (rc == 0 && m.size == size) {
			shared_close(&m);
			return 0;
		}
		if (rc == 0)
			shared_close(&m);
		else if (rc != ERR_FORMAT || *foreign_r == NULL)
			return rc;
	}
	fd = mapfile_try(new_path, msg_r);
	if (fd < 0)
		return fd;
	rc = mapfile_try_size(fd, (off_t)(size + SHARED_HEADER_SIZE));
	if (rc != 0)
		rc = mapfile_fail_call(msg_r, "allocate", path);
	close(fd);
	return rc;
}

bool
shared_is_whole(const struct shared *m)
{
	const volatile char *body = m->body;

	if (m->body == NULL)
		return false;
	/* Where it is cut off, this is noted. */
	(void)body[m->size - 1];
	/* Who cuts it off and lets it grow again leaves zeros. */
	return memcmp(m->header->key, m->key, sizeof(m->key)) == 0 &&
	    m->header->check == check_of(m->header) &&
	    !mapguard_hit(m->guard);
}

bool
shared_is_there(const struct shared *m, const char *path)
{
	struct stat st;

	return m->body != NULL && lstat(path, &st) == 0 &&
	    st.st_dev == m->dev && st.st_ino == m->ino &&
	    (uint64_t)st.st_size == m->size + SHARED_HEADER_SIZE &&
	    shared_is_whole(m);
}
