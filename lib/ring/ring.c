/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "lib/base/siphash.h"

#define UNIT 32 /* octets: a record begins at a multiple of it */
#define HEAD 64 /* octets in front of the ring */
#define MARK UINT64_C(0x706f737400000000) /* with the length below it */
#define PREFIX 16 /* octets of a record before its own */

typedef _Atomic uint64_t word64;

/* The octets of a body. */
struct body {
	word64 head; /* octets that were ever taken; a multiple of UNIT */
	word64 spare[HEAD / 8 - 1];
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

/* Never 0: a place that nobody wrote to is none. */
static uint64_t
check_of(const struct ring *r, uint64_t at, const void *bytes, size_t len)
{
	uint64_t key[2] = {r->map.key[0] ^ at, r->map.key[1] ^ len};
	uint64_t sum[2];

	siphash128(key, bytes, len, sum);
	return sum[0] == 0 ? sum[1] | 1 : sum[0];
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
	return atomic_load_explicit(&r->body->head, memory_order_acquire);
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
		if (ring_head(r) > at + r->size)
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
	uint64_t at = atomic_fetch_add_explicit(
	    &r->body->head, taken_by(len), memory_order_acq_rel);
	uint64_t word;

	assert(len > 0 && len <= RING_RECORD_MAX);
	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = 0;
		memcpy(&word, from + i, len - i < 8 ? len - i : 8);
		if (!put(r, at + PREFIX + i, word))
			return false;
	}
	return put(r, at, MARK | len) &&
	    put(r, at + 8, check_of(r, at, bytes, len));
}

/* -- reading -- */

/* Has the place been given to a later record? */
static bool
is_gone(const struct ring *r, uint64_t at)
{
	return ring_head(r) > at + r->size;
}

/* The record at rd->at; false: there is none, or it is not whole. */
static bool
read_here(struct ring_reader *rd, uint64_t head)
{
	const struct ring *r = rd->ring;
	uint64_t mark = get(r, rd->at);
	size_t len = mark & UINT32_MAX;

	if ((mark & ~(uint64_t)UINT32_MAX) != MARK || len == 0 ||
	    len > RING_RECORD_MAX || rd->at + taken_by(len) > head)
		return false;
	for (size_t i = 0; i < len; i += 8)
		rd->words[i / 8] = get(r, rd->at + PREFIX + i);
	if (get(r, rd->at + 8) != check_of(r, rd->at, rd->words, len))
		return false;
	rd->place = rd->at;
	rd->len = len;
	rd->at += taken_by(len);
	return true;
}

enum ring_read
ring_next(struct ring_reader *rd, bool patient)
{
	const struct ring *r = rd->ring;
	uint64_t head = ring_head(r) / UNIT * UNIT;

	if (rd->at > head) /* of another file */
		rd->at = head;
	while (rd->at < head) {
		if (is_gone(r, rd->at)) {
			uint64_t oldest = ring_head(r) / UNIT * UNIT - r->size;

			if (rd->at != 0)
				rd->lost += oldest - rd->at;
			rd->at = oldest;
			continue;
		}
		if (read_here(rd, head))
			return RING_RECORD;
		if (patient && !is_gone(r, rd->at))
			return RING_GAP;
		rd->at += UNIT;
	}
	return RING_END;
}

void
ring_take(struct ring *to, const struct ring *from)
{
	struct ring_reader *rd = malloc(sizeof(*rd));

	if (rd == NULL)
		return;
	*rd = (struct ring_reader){.ring = from};
	while (ring_next(rd, false) == RING_RECORD)
		ring_put(to, rd->words, rd->len);
	free(rd);
}

/* -- files -- */

/* The ring in a mapping. */
static void
set_body(struct ring *r)
{
	r->body = r->map.body;
	r->size = r->map.size - HEAD;
}

static void
fill(void *arg, struct shared *made, const struct shared *old)
{
	struct ring to = {.map = *made}, from;

	(void)arg;
	if (old == NULL)
		return;
	from.map = *old;
	set_body(&to);
	set_body(&from);
	ring_take(&to, &from);
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

static int
write_copy(int fd, const struct ring *r, uint64_t *upto)
{
	uint64_t head = ring_head(r), from = *upto;

	if (from == 0 &&
	    (ftruncate(fd, 0) != 0 ||
		ftruncate(fd, (off_t)(r->map.size + SHARED_HEADER_SIZE)) !=
		    0 ||
		write_at(fd, r->map.header, SHARED_HEADER_SIZE, 0) != 0))
		return ERR_SYSTEM;
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

int
ring_copy(const struct ring *r, const char *path, uint64_t *upto,
    struct errmsg *msg_r)
{
	int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	int fd = open(path, flags, 0600), rc;
	struct stat st;

	if (fd < 0)
		return mapfile_fail_call(msg_r, "open", path);
	rc = fstat(fd, &st) != 0
	    ? mapfile_fail_call(msg_r, "fstat", path)
	    : mapfile_safe(path, &st, false, msg_r);
	if (rc == 0 &&
	    (uint64_t)st.st_size != r->map.size + SHARED_HEADER_SIZE)
		*upto = 0;
	if (rc == 0 && write_copy(fd, r, upto) != 0)
		rc = mapfile_fail_call(msg_r, "write", path);
	if (rc != 0)
		*upto = 0;
	close(fd);
	return rc;
}
