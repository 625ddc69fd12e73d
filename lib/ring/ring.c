/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapfile.h"

#define UNIT 32 /* octets: a record begins at a multiple of it */
#define HEAD 64 /* octets in front of the ring */
#define MARK UINT64_C(0x706f737400000000) /* with the length below it */
#define HEAD_MAX (UINT64_C(1) << 62) /* no ring is ever so old */
#define PREFIX 16 /* octets of a record before its own */
#define CUT_OFF "%s: the ring that it copies was cut off"
#define FINISH_NS 10000000 /* how long a record in work is waited for */

typedef _Atomic uint64_t word64;

/* The octets of a body. */
struct body {
	word64 head;  /* octets that were ever taken; a multiple of UNIT, unless
	    something damaged it */
	word64 moved; /* what stands before it went into the ring that took
	    this one's name */
	word64 spare[HEAD / 8 - 2];
	word64 words[];
};

static_assert(sizeof(struct body) == HEAD, "the ring has its own lines");

struct ring {
	struct shared map;
	struct body *body;
	uint64_t size; /* octets of the ring itself */
};

static const struct shared_kind kind = {.magic = "postern ring",
    .what = "decision ring",
    .version = 1,
    .body_min = RING_SIZE_MIN,
    .body_max = RING_SIZE_MAX};

size_t
ring_size(uint64_t wanted)
{
	if (wanted < RING_SIZE_MIN)
		return RING_SIZE_MIN;
	return wanted > RING_SIZE_MAX ? RING_SIZE_MAX
				      : (size_t)wanted / 4096 * 4096;
}

/* -- words -- */

/* Octets that a record of len takes. */
static uint64_t
taken_by(size_t len)
{
	return (len + PREFIX + UNIT - 1) / UNIT * UNIT;
}

/* What the word at that place is XORed with (splitmix64). */
static uint64_t
stream(const struct ring *r, uint64_t at)
{
	uint64_t z = r->map.key[0] + at * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31) ^ r->map.key[1];
}

/* Of a record, word by word; 0 in the end: of none.  It need not stand up to
 * somebody who knows it, as nobody without the key sees what it comes to. */
static uint64_t
check_begin(const struct ring *r, uint64_t at, size_t len)
{
	return (r->map.key[0] ^ at) * UINT64_C(0x9e3779b97f4a7c15) ^
	    r->map.key[1] ^ len;
}

static uint64_t
check_more(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * UINT64_C(0xd6e8feb86659fd93);
	return sum ^ sum >> 32;
}

static uint64_t
check_end(uint64_t sum)
{
	sum = check_more(sum, 1);
	return sum == 0 ? 1 : sum;
}

static word64 *
word_at(const struct ring *r, uint64_t at)
{
	return &r->body->words[at % r->size / 8];
}

static uint64_t
get(const struct ring *r, uint64_t at)
{
	return atomic_load_explicit(word_at(r, at), memory_order_acquire) ^
	    stream(r, at);
}

uint64_t
ring_head(const struct ring *r)
{
	uint64_t head =
	    atomic_load_explicit(&r->body->head, memory_order_acquire);

	return head > HEAD_MAX ? 0 : head / UNIT * UNIT;
}

/* Has the place been given to a later record? */
static bool
is_gone(const struct ring *r, uint64_t at)
{
	return ring_head(r) > at + r->size;
}

/* -- writing -- */

/* False: the ring has gone round, and the place is another's. */
static bool
put(struct ring *r, uint64_t at, uint64_t value)
{
	word64 *word = word_at(r, at);
	uint64_t there = atomic_load_explicit(word, memory_order_acquire);

	/* `there` is of this round or an earlier one if the head, which is read
	 * later, has not gone round; then it is never seen again in a later
	 * one. */
	do {
		if (is_gone(r, at))
			return false;
	} while (!atomic_compare_exchange_weak_explicit(word, &there,
	    value ^ stream(r, at), memory_order_acq_rel,
	    memory_order_acquire));
	return true;
}

bool
ring_put(struct ring *r, const void *bytes, size_t len)
{
	const char *from = bytes;
	uint64_t at = atomic_fetch_add_explicit(&r->body->head, taken_by(len),
		     memory_order_acq_rel) /
	    UNIT * UNIT;
	uint64_t word, sum = check_begin(r, at, len);

	assert(len > 0 && len <= RING_RECORD_MAX);
	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = 0;
		memcpy(&word, from + i, len - i < 8 ? len - i : 8);
		if (!put(r, at + PREFIX + i, word))
			return false;
		sum = check_more(sum, word);
	}
	return put(r, at, MARK | len) &&
	    put(r, at + 8, check_end(sum));
}

/* -- reading -- */

/* The record at rd->at; false: there is none, or it is not whole. */
static bool
read_here(struct ring_reader *rd, uint64_t head)
{
	const struct ring *r = rd->ring;
	uint64_t mark = get(r, rd->at);
	size_t len = mark & UINT32_MAX;
	uint64_t sum;

	if ((mark & ~(uint64_t)UINT32_MAX) != MARK || len == 0 ||
	    len > RING_RECORD_MAX || rd->at + taken_by(len) > head)
		return false;
	sum = check_begin(r, rd->at, len);
	for (size_t i = 0; i < len; i += 8) {
		rd->words[i / 8] = get(r, rd->at + PREFIX + i);
		sum = check_more(sum, rd->words[i / 8]);
	}
	if (get(r, rd->at + 8) != check_end(sum))
		return false;
	rd->place = rd->at;
	rd->len = len;
	rd->at += taken_by(len);
	return true;
}

/* Go on at the oldest place; returns the head.  A reader that is overtaken again
 * and again, jumps times in one go, leaves more and more behind, so that it
 * gets to read something. */
static uint64_t
jump(struct ring_reader *rd, unsigned jumps)
{
	const struct ring *r = rd->ring;
	uint64_t head = ring_head(r), to = head - r->size;
	uint64_t slack = jumps < 4 ? 0 : (uint64_t)RING_RECORD_MAX << jumps;

	to += slack > r->size / 2 ? r->size / 2 / UNIT * UNIT : slack;
	if (rd->at != 0)
		rd->lost += to - rd->at;
	rd->at = to;
	return head;
}

enum ring_read
ring_next(struct ring_reader *rd, uint64_t skip)
{
	const struct ring *r = rd->ring;
	uint64_t head = ring_head(r);
	unsigned jumps = 0;

	if (rd->at > head || rd->at % UNIT != 0) /* of another file */
		rd->at = head;
	while (rd->at < head) {
		if (is_gone(r, rd->at)) {
			head = jump(rd, jumps);
			jumps += jumps < 32;
			/* This may be amid a record. */
			if (skip < rd->at + RING_RECORD_MAX)
				skip = rd->at + RING_RECORD_MAX;
			continue;
		}
		if (read_here(rd, head))
			return RING_RECORD;
		if (rd->at >= skip && !is_gone(r, rd->at))
			return RING_GAP;
		rd->at += UNIT;
	}
	return RING_END;
}

bool
ring_at(struct ring_reader *rd, uint64_t place)
{
	uint64_t head = ring_head(rd->ring), before = rd->at;

	if (place >= head || place % UNIT != 0 || is_gone(rd->ring, place))
		return false;
	rd->at = place;
	if (read_here(rd, head))
		return true;
	rd->at = before;
	return false;
}

/* -- from one ring into another -- */

void
ring_take(struct ring *to, const struct ring *from)
{
	struct ring_reader rd = {.ring = from};
	uint64_t end = ring_head(from);

	while (rd.at < end && ring_next(&rd, UINT64_MAX) == RING_RECORD)
		ring_put(to, rd.words, rd.len);
}

void
ring_move(struct ring *to, struct ring *from, uint64_t skip)
{
	struct ring_reader rd = {.ring = from};
	word64 *moved = &from->body->moved;
	uint64_t end = ring_head(from), at = atomic_load(moved);

	while (at < end) {
		rd.at = at;
		if (ring_next(&rd, skip) != RING_RECORD)
			return;
		/* Whoever sets it has the record to move. */
		if (!atomic_compare_exchange_strong(moved, &at, rd.at))
			continue;
		ring_put(to, rd.words, rd.len);
		at = rd.at;
	}
}

/* -- files -- */

/* The ring in a mapping. */
static void
set_body(struct ring *r)
{
	r->body = r->map.body;
	r->size = r->map.size - HEAD;
}

/* Of a ring of another size, which others may be writing to still; what they
 * put there later they move themselves. */
static void
fill(void *arg, struct shared *made, const struct shared *old)
{
	static const struct timespec pause = {.tv_nsec = FINISH_NS};
	struct ring to = {.map = *made}, from;
	uint64_t begun;

	(void)arg;
	if (old == NULL)
		return;
	from.map = *old;
	set_body(&to);
	set_body(&from);
	begun = ring_head(&from);
	nanosleep(&pause, NULL);
	ring_move(&to, &from, begun);
}

/* A count that is noise would let no record be found. */
static void
mend_head(struct ring *r)
{
	uint64_t head = atomic_load(&r->body->head);

	if (head > HEAD_MAX &&
	    atomic_compare_exchange_strong(&r->body->head, &head, 0))
		atomic_store(&r->body->moved, 0);
}

int
ring_open(const char *path, size_t size, time_t now, struct ring **ring_r,
    struct shared_report *report_r, struct errmsg *msg_r)
{
	struct ring *r = calloc(1, sizeof(*r));
	int rc;

	*ring_r = NULL;
	if (r == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "no memory");
	rc = shared_open(&r->map, &kind, path, size, now, fill, NULL, report_r,
	    msg_r);
	if (rc != 0) {
		free(r);
		return rc;
	}
	set_body(r);
	mend_head(r);
	*ring_r = r;
	return 0;
}

int
ring_open_read(const char *path, struct ring **ring_r, struct errmsg *msg_r)
{
	struct ring *r = calloc(1, sizeof(*r));
	int rc;

	*ring_r = NULL;
	if (r == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "no memory");
	rc = shared_open_read(&r->map, &kind, path, msg_r);
	if (rc != 0) {
		free(r);
		return rc;
	}
	set_body(r);
	*ring_r = r;
	return 0;
}

int
ring_try(const char *path, size_t size, const char **foreign_r,
    struct errmsg *msg_r)
{
	return shared_try(&kind, path, size, foreign_r, msg_r);
}

void
ring_close(struct ring *r)
{
	if (r == NULL)
		return;
	shared_close(&r->map);
	free(r);
}

bool
ring_is_there(const struct ring *r, const char *path)
{
	return shared_is_there(&r->map, path);
}

bool
ring_is_whole(const struct ring *r)
{
	return shared_is_whole(&r->map);
}

size_t
ring_body(const struct ring *r)
{
	return r->map.size;
}

/* -- a copy -- */

static int
write_at(int fd, const void *from, size_t len, uint64_t at)
{
	const char *p = from;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n <= 0 && errno != EINTR)
			return ERR_SYSTEM;
		if (n <= 0)
			continue;
		p += n;
		at += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

/* The octets from `from` to `to`, at most a round, which may go over the end. */
static int
write_range(int fd, const struct ring *r, uint64_t from, uint64_t to)
{
	while (from < to) {
		uint64_t at = from % r->size, n = r->size - at;

		if (n > to - from)
			n = to - from;
		if (write_at(fd, (const char *)r->body->words + at, n,
			SHARED_HEADER_SIZE + HEAD + at) != 0)
			return ERR_SYSTEM;
		from += n;
	}
	return 0;
}

/* Is it a copy of this ring?  Then also what was taken when it was made. */
static bool
is_copy(int fd, const struct ring *r, const struct stat *st, uint64_t *head_r)
{
	char header[SHARED_HEADER_SIZE];

	return (uint64_t)st->st_size == r->map.size + SHARED_HEADER_SIZE &&
	    pread(fd, header, sizeof(header), 0) == sizeof(header) &&
	    memcmp(header, r->map.header, sizeof(header)) == 0 &&
	    pread(fd, head_r, sizeof(*head_r), SHARED_HEADER_SIZE) ==
		sizeof(*head_r) &&
	    *head_r <= ring_head(r);
}

/* All that stands there but the header. */
static int
write_body(int fd, const struct ring *r, uint64_t *upto)
{
	uint64_t head = ring_head(r), from = *upto;

	/* What was in work at the last time may be whole now. */
	from = from > RING_RECORD_MAX * 16 ? from - RING_RECORD_MAX * 16 : 0;
	if (head > r->size && from < head - r->size)
		from = head - r->size;
	if (write_range(fd, r, from, head) != 0 ||
	    write_at(fd, &head, sizeof(head), SHARED_HEADER_SIZE) != 0)
		return ERR_SYSTEM;
	*upto = head;
	return 0;
}

static int
write_whole(int fd, const struct ring *r, uint64_t *upto)
{
	*upto = 0;
	if (mapfile_allocate(fd, (off_t)(r->map.size + SHARED_HEADER_SIZE)) !=
		0 ||
	    write_at(fd, r->map.header, SHARED_HEADER_SIZE, 0) != 0)
		return ERR_SYSTEM;
	return write_body(fd, r, upto);
}

/* What is there stays until the new one is whole. */
static int
new_copy(const struct ring *r, const char *path, uint64_t *upto,
    struct errmsg *msg)
{
	char new_path[SHARED_PATH_MAX + 8];
	struct stat st;
	int fd, rc;

	snprintf(new_path, sizeof(new_path), "%s.new", path);
	rc = mapfile_build(new_path, &fd, &st, msg);
	if (rc != 0)
		return rc;
	if (write_whole(fd, r, upto) != 0)
		rc = mapfile_fail_call(msg, "write", new_path);
	else if (!ring_is_whole(r))
		rc = mapfile_fail(msg, ERR_NOTFOUND, CUT_OFF, path);
	else if (rename(new_path, path) != 0)
		rc = mapfile_fail_call(msg, "rename", new_path);
	if (rc != 0)
		mapfile_unbuild(new_path, fd);
	else
		close(fd);
	return rc;
}

/* In place, or anew. */
static int
update(int fd, const struct ring *r, const char *path, uint64_t *upto,
    struct errmsg *msg)
{
	struct stat st;
	uint64_t was;
	int rc;

	if (fstat(fd, &st) != 0)
		return mapfile_fail_call(msg, "fstat", path);
	rc = mapfile_safe(path, &st, false, msg);
	if (rc != 0 || (st.st_dev == r->map.dev && st.st_ino == r->map.ino))
		return rc;
	if (!is_copy(fd, r, &st, &was))
		return new_copy(r, path, upto, msg);
	/* Who else copies this ring has not gone further than it says. */
	if (*upto > was)
		*upto = was;
	return write_body(fd, r, upto) == 0
	    ? 0
	    : mapfile_fail_call(msg, "write", path);
}

int
ring_copy(const struct ring *r, const char *path, uint64_t *upto,
    struct errmsg *msg_r)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, fd, rc;

	if (strlen(path) > SHARED_PATH_MAX)
		return mapfile_fail(msg_r, ERR_CONFIG,
		    "%s: the path is longer than %d octets", path,
		    SHARED_PATH_MAX);
	if (!ring_is_whole(r) || ring_head(r) < *upto)
		return mapfile_fail(msg_r, ERR_NOTFOUND, CUT_OFF, path);
	fd = open(path, flags);
	if (fd < 0 && errno != ENOENT)
		rc = mapfile_fail_call(msg_r, "open", path);
	else if (fd < 0)
		rc = new_copy(r, path, upto, msg_r);
	else
		rc = update(fd, r, path, upto, msg_r);
	if (rc != 0)
		*upto = 0;
	if (fd >= 0)
		close(fd);
	return rc;
}
