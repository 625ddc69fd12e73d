/*
 * The ring's file, what is read of it, and its copies.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/ring/ring.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "t/support/drivers/test.h"
#include "t/unit/ring/numbered.h"

#define NOW 1700000000
#define ROUND (RING_SIZE_MIN - 64)
#define HEAD_AT SHARED_HEADER_SIZE          /* in the file */
#define RECORDS_AT (SHARED_HEADER_SIZE + 64)

struct rig {
	char dir[32], path[64], copy[64];
	struct ring *ring;
	struct shared_report report;
	struct ring_reader rd;
	struct errmsg msg;
};

static void
open_ring(struct rig *r, size_t size)
{
	ring_close(r->ring);
	if (ring_open(r->path, size, NOW, &r->ring, &r->report, &r->msg) != 0)
		fail_msg("%s", r->msg.text);
}

static int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/dev/shm/ring.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/ring", r->dir);
	snprintf(r->copy, sizeof(r->copy), "%s/copy", r->dir);
	open_ring(r, RING_SIZE_MIN);
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;
	int rc;

	ring_close(r->ring);
	unlink(r->path);
	unlink(r->copy);
	if (r->report.bad_path[0] != '\0')
		unlink(r->report.bad_path);
	rc = rmdir(r->dir);
	free(r);
	return rc;
}

/* Put records first, first + 1 ... */
static void
put(struct ring *ring, uint64_t first, uint64_t count)
{
	unsigned char record[RING_RECORD_MAX];

	for (uint64_t n = first; n < first + count; n++)
		assert_true(ring_put(ring, record, numbered_make(n, record)));
}

/* Read on: the records are these, and then comes `last`. */
static void
read_on(struct ring_reader *rd, uint64_t skip, uint64_t first, uint64_t count,
    enum ring_read last)
{
	uint64_t n = 0;

	for (uint64_t i = first; i < first + count; i++) {
		assert_int_equal(ring_next(rd, skip), RING_RECORD);
		assert_true(numbered_read(rd->words, rd->len, &n));
		assert_int_equal(n, i);
	}
	assert_int_equal(ring_next(rd, skip), last);
}

/* All records that it has are some up to `end`; returns how many. */
static uint64_t
read_up_to(const struct ring *ring, uint64_t end)
{
	struct ring_reader rd = {.ring = ring};
	uint64_t n = 0, last = 0, count = 0;

	while (ring_next(&rd, UINT64_MAX) == RING_RECORD) {
		assert_true(numbered_read(rd.words, rd.len, &n));
		assert_true(count == 0 || n == last + 1);
		last = n;
		count++;
	}
	assert_true(count == 0 || last + 1 == end);
	return count;
}

static void
overwrite(const char *path, off_t at, const void *octets, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, octets, len, at), len);
	close(fd);
}

/* -- writing and reading -- */

static void
every_length(void **state)
{
	static unsigned char octets[RING_RECORD_MAX];
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(octets); i++)
		octets[i] = (unsigned char)(i * 7);
	r->rd.ring = r->ring;
	for (size_t len = 1; len <= RING_RECORD_MAX; len += len < 80 ? 1 : 61) {
		assert_true(ring_put(r->ring, octets, len));
		assert_int_equal(ring_next(&r->rd, 0), RING_RECORD);
		assert_int_equal(r->rd.len, len);
		assert_memory_equal(r->rd.words, octets, len);
		assert_int_equal(ring_next(&r->rd, 0), RING_END);
	}
	assert_true(ring_put(r->ring, octets, RING_RECORD_MAX));
	assert_int_equal(ring_next(&r->rd, 0), RING_RECORD);
	assert_int_equal(r->rd.len, RING_RECORD_MAX);
	/* It went round meanwhile, and nothing was missed. */
	assert_true(ring_head(r->ring) > ROUND);
	assert_int_equal(r->rd.lost, 0);
}

static void
sizes(void **state)
{
	(void)state;
	assert_int_equal(ring_size(0), RING_SIZE_MIN);
	assert_int_equal(ring_size(RING_SIZE_MIN + 4097), RING_SIZE_MIN + 4096);
	assert_int_equal(ring_size(UINT64_MAX), RING_SIZE_MAX);
}

static void
the_newest_take_the_oldests_place(void **state)
{
	struct rig *r = *state;
	struct ring *other;
	uint64_t kept;

	put(r->ring, 0, 1000);
	kept = read_up_to(r->ring, 1000);
	assert_true(kept > ROUND / (RING_RECORD_MAX + 32) && kept < 1000);
	/* Another has the same before him. */
	assert_int_equal(ring_open_read(r->path, &other, NULL), 0);
	assert_int_equal(read_up_to(other, 1000), kept);
	ring_close(other);
	open_ring(r, RING_SIZE_MIN);
	assert_int_equal(r->report.event, SHARED_OPENED);
	assert_int_equal(read_up_to(r->ring, 1000), kept);
}

static void
a_reader_is_told_what_it_lost(void **state)
{
	struct rig *r = *state;
	uint64_t at;

	put(r->ring, 0, 10);
	r->rd.ring = r->ring;
	read_on(&r->rd, 0, 0, 10, RING_END);
	at = r->rd.at;
	assert_int_equal(at, ring_head(r->ring));
	put(r->ring, 10, 500);
	/* It does not take what it comes to, amid a record, for one in work. */
	assert_int_equal(ring_next(&r->rd, 0), RING_RECORD);
	assert_int_equal(r->rd.lost + at, ring_head(r->ring) - ROUND);
	/* Who begins at the oldest has lost nothing. */
	r->rd = (struct ring_reader){.ring = r->ring};
	assert_int_equal(ring_next(&r->rd, UINT64_MAX), RING_RECORD);
	assert_int_equal(r->rd.lost, 0);
	/* Who comes from another file begins with what comes. */
	for (int i = 0; i < 2; i++) {
		r->rd.at = i == 0 ? UINT64_MAX - 100 : ring_head(r->ring) - 33;
		assert_int_equal(ring_next(&r->rd, 0), RING_END);
		assert_int_equal(r->rd.at, ring_head(r->ring));
	}
}

/* Two records that are not whole, and what stands around them. */
static void
a_gap_is_waited_for_or_not(void **state)
{
	struct rig *r = *state;
	uint64_t gap[2];

	put(r->ring, 0, 3);
	gap[0] = ring_head(r->ring);
	put(r->ring, 3, 1);
	put(r->ring, 4, 1);
	gap[1] = ring_head(r->ring);
	put(r->ring, 5, 1);
	put(r->ring, 6, 1);
	for (int i = 0; i < 2; i++)
		overwrite(r->path, (off_t)(RECORDS_AT + gap[i]), "noise!!!", 8);
	r->rd.ring = r->ring;
	read_on(&r->rd, 0, 0, 3, RING_GAP);
	assert_int_equal(r->rd.at, gap[0]);
	assert_int_equal(ring_next(&r->rd, gap[0]), RING_GAP);
	/* The first is given up, and the second not with it. */
	read_on(&r->rd, gap[1], 4, 1, RING_GAP);
	assert_int_equal(r->rd.at, gap[1]);
	read_on(&r->rd, UINT64_MAX, 6, 1, RING_END);
	/* It is never whole: what it is not shown for is the check, too. */
	overwrite(r->path, (off_t)(RECORDS_AT + gap[0] + 8), "noise!!!", 8);
	assert_false(ring_at(&r->rd, gap[0]));
	/* In time a writer comes there again. */
	put(r->ring, 7, 500);
	assert_true(read_up_to(r->ring, 507) > 10);
}

static void
a_record_is_found_by_its_place(void **state)
{
	struct rig *r = *state;
	uint64_t second, n = 0;

	put(r->ring, 0, 1);
	second = ring_head(r->ring);
	put(r->ring, 1, 2);
	r->rd.ring = r->ring;
	assert_true(ring_at(&r->rd, second));
	assert_true(numbered_read(r->rd.words, r->rd.len, &n) && n == 1);
	read_on(&r->rd, 0, 2, 1, RING_END);
	/* What is none leaves the reader where it is. */
	for (uint64_t place = 0; place < 2 * ROUND; place++) {
		struct ring_reader before = r->rd;

		if (ring_at(&r->rd, place)) {
			assert_true(place == 0 || place >= second);
			assert_int_equal(r->rd.place, place);
		} else {
			assert_int_equal(r->rd.at, before.at);
		}
	}
	assert_false(ring_at(&r->rd, UINT64_MAX));
	assert_false(ring_at(&r->rd, UINT64_MAX / 32 * 32));
	put(r->ring, 3, 300);
	assert_false(ring_at(&r->rd, second));
	assert_int_equal(r->rd.lost, 0);
}

/* What somebody sends can't be taken for a record: the same octets at another
 * place, or in another file, are none. */
static void
octets_of_a_record_are_none_elsewhere(void **state)
{
	static unsigned char file[RECORDS_AT + ROUND];
	struct rig *r = *state;
	uint64_t end;
	FILE *f;

	put(r->ring, 0, 20);
	end = ring_head(r->ring);
	f = fopen(r->path, "r");
	assert_int_equal(fread(file, 1, sizeof(file), f), sizeof(file));
	fclose(f);
	/* Behind themselves, with the head to go with it. */
	overwrite(r->path, (off_t)(RECORDS_AT + end), file + RECORDS_AT, end);
	end *= 2;
	overwrite(r->path, HEAD_AT, &end, sizeof(end));
	assert_int_equal(read_up_to(r->ring, 20), 20);
	/* In a new file. */
	ring_close(r->ring);
	r->ring = NULL;
	unlink(r->path);
	open_ring(r, RING_SIZE_MIN);
	overwrite(r->path, HEAD_AT, file + HEAD_AT, sizeof(file) - HEAD_AT);
	assert_int_equal(read_up_to(r->ring, 20), 0);
}

/* -- what becomes of the file -- */

/* Whatever the count says, it goes on, and what is written then is read. */
static void
noise_in_the_count(void **state)
{
	static const uint64_t heads[] = {1, 13, 63, 4097, ROUND - 8, 1 << 30,
	    UINT64_C(1) << 61, (UINT64_C(1) << 62) + 5, UINT64_C(1) << 63,
	    UINT64_MAX - 5000, UINT64_MAX};
	struct rig *r = *state;

	put(r->ring, 0, 10);
	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct ring *other;

		overwrite(r->path, HEAD_AT, &heads[i], sizeof(heads[i]));
		assert_int_equal(ring_open_read(r->path, &other, NULL), 0);
		r->rd = (struct ring_reader){.ring = other};
		while (ring_next(&r->rd, UINT64_MAX) == RING_RECORD)
			;
		open_ring(r, RING_SIZE_MIN);
		assert_int_equal(r->report.event, SHARED_OPENED);
		put(r->ring, 10, 500);
		assert_true(read_up_to(r->ring, 510) > 10);
		assert_int_equal(
		    read_up_to(other, 510), read_up_to(r->ring, 510));
		ring_close(other);
	}
}

static void
another_size_keeps_the_newest(void **state)
{
	struct rig *r = *state;
	uint64_t kept;

	put(r->ring, 0, 300);
	kept = read_up_to(r->ring, 300);
	open_ring(r, 4 * RING_SIZE_MIN);
	assert_int_equal(r->report.event, SHARED_RESIZED);
	assert_int_equal(ring_body(r->ring), 4 * RING_SIZE_MIN);
	assert_int_equal(read_up_to(r->ring, 300), kept);
	put(r->ring, 300, 300);
	assert_true(read_up_to(r->ring, 600) > 2 * kept);
	open_ring(r, RING_SIZE_MIN);
	assert_int_equal(r->report.event, SHARED_RESIZED);
	assert_in_range(read_up_to(r->ring, 600), kept / 2, kept * 2);
}

/* Who has the old one mapped brings what he wrote there meanwhile. */
static void
who_leaves_brings_what_is_missing(void **state)
{
	struct rig *r = *state;
	struct ring *old = r->ring, *also;
	uint64_t gap;

	put(old, 0, 50);
	assert_int_equal(ring_open(r->path, RING_SIZE_MIN, NOW, &also,
	    &r->report, NULL), 0);
	r->ring = NULL;
	open_ring(r, 2 * RING_SIZE_MIN);
	put(old, 50, 5);
	put(also, 55, 5);
	assert_false(ring_is_there(old, r->path));
	assert_true(ring_is_whole(old));
	ring_move(r->ring, old, 0);
	assert_int_equal(read_up_to(r->ring, 60), 60);
	put(also, 60, 5);
	ring_move(r->ring, also, 0);
	ring_move(r->ring, old, UINT64_MAX);
	assert_int_equal(read_up_to(r->ring, 65), 65);
	/* One in work holds up what is behind it, until it is given up. */
	gap = ring_head(old);
	put(old, 1000, 1);
	unlink(r->path);
	assert_int_equal(ring_copy(old, r->copy, &(uint64_t){0}, NULL), 0);
	ring_close(also);
	assert_int_equal(rename(r->copy, r->path), 0);
	overwrite(r->path, (off_t)(RECORDS_AT + gap), "noise!!!", 8);
	assert_int_equal(ring_open(r->path, RING_SIZE_MIN, NOW, &also,
	    &r->report, NULL), 0);
	put(also, 65, 5);
	ring_move(r->ring, also, gap);
	put(r->ring, 2000, 1);
	ring_move(r->ring, also, gap + 32);
	ring_close(also);
	ring_close(old);
}

/* Nobody dies of it, reader or writer, and a new file is made. */
static void
cut_off_under_everybody(void **state)
{
	static const off_t cuts[] = {0, 4096, 8192, 30000};
	struct rig *r = *state;

	assert_int_equal(mapguard_install(), 0);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		struct ring *reader;

		put(r->ring, 0, 300);
		assert_int_equal(ring_open_read(r->path, &reader, NULL), 0);
		assert_int_equal(truncate(r->path, cuts[i]), 0);
		r->rd = (struct ring_reader){.ring = reader};
		while (ring_next(&r->rd, UINT64_MAX) == RING_RECORD)
			;
		put(r->ring, 300, 300);
		ring_close(reader);
		assert_false(ring_is_there(r->ring, r->path));
		assert_false(ring_is_whole(r->ring));
		assert_int_equal(ring_open_read(r->path, &reader, &r->msg),
		    ERR_FORMAT);
		open_ring(r, RING_SIZE_MIN);
		assert_int_equal(r->report.event, SHARED_RENEWED);
		assert_int_equal(read_up_to(r->ring, 0), 0);
		unlink(r->report.bad_path);
	}
}

/* -- copies -- */

static uint64_t
in_copy(const char *path, uint64_t end)
{
	struct ring *copy;
	uint64_t count;

	assert_int_equal(ring_open_read(path, &copy, NULL), 0);
	count = read_up_to(copy, end);
	ring_close(copy);
	return count;
}

static void
a_copy_is_brought_up_to_date(void **state)
{
	struct rig *r = *state;
	uint64_t upto = 0;
	struct stat st, again;

	assert_int_equal(ring_copy(r->ring, r->copy, &upto, &r->msg), 0);
	assert_int_equal(in_copy(r->copy, 0), 0);
	assert_int_equal(stat(r->copy, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	for (uint64_t n = 0; n < 600; n += 50) {
		put(r->ring, n, 50);
		assert_int_equal(
		    ring_copy(r->ring, r->copy, &upto, &r->msg), 0);
		assert_int_equal(upto, ring_head(r->ring));
		assert_int_equal(in_copy(r->copy, n + 50),
		    read_up_to(r->ring, n + 50));
	}
	/* It goes round more than once between two. */
	put(r->ring, 600, 400);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 1000), read_up_to(r->ring, 1000));
	/* The next daemon begins with the whole of it, in place. */
	upto = 0;
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 1000), read_up_to(r->ring, 1000));
	assert_int_equal(stat(r->copy, &again), 0);
	assert_true(st.st_ino == again.st_ino);
}

/* One that was in work at the first copy is in the second. */
static void
a_copy_looks_back(void **state)
{
	struct rig *r = *state;
	char noise[8] = "noise!!!", word[8];
	uint64_t upto = 0;
	off_t at = RECORDS_AT;
	FILE *f;

	put(r->ring, 0, 1);
	f = fopen(r->path, "r");
	fseek(f, at, SEEK_SET);
	assert_int_equal(fread(word, 1, 8, f), 8);
	fclose(f);
	overwrite(r->path, at, noise, 8);
	put(r->ring, 1, 1);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 2), 1);
	overwrite(r->path, at, word, 8);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 2), 2);
}

/* Another ring's copy, an older state of this one's, one that was cut off, one
 * that another brings up to date, too. */
static void
a_copy_never_mixes(void **state)
{
	struct rig *r = *state;
	uint64_t upto = 0, others = 0;

	put(r->ring, 0, 20);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	/* The copy is of a ring that is gone. */
	ring_close(r->ring);
	r->ring = NULL;
	unlink(r->path);
	open_ring(r, RING_SIZE_MIN);
	put(r->ring, 30, 20);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 50), 20);
	/* Somebody removes or damages it. */
	for (off_t size = 0; size <= 80000; size += 40000) {
		assert_int_equal(truncate(r->copy, size), 0);
		put(r->ring, 50 + (uint64_t)size / 40000, 1);
		assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
		assert_true(in_copy(r->copy, 51 + (uint64_t)size / 40000) > 20);
	}
	unlink(r->copy);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(in_copy(r->copy, 53), 23);
	/* The other one's is behind, and comes last. */
	assert_int_equal(ring_copy(r->ring, r->copy, &others, NULL), 0);
	put(r->ring, 53, 100);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(ring_copy(r->ring, r->copy, &others, NULL), 0);
	assert_int_equal(in_copy(r->copy, 153), read_up_to(r->ring, 153));
}

/* A ring that was cut off does not damage its copy. */
static void
a_copy_outlives_the_ring(void **state)
{
	struct rig *r = *state;

	assert_int_equal(mapguard_install(), 0);
	for (int touched = 0; touched < 2; touched++) {
		uint64_t upto = 0;

		put(r->ring, 0, 20);
		assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
		assert_int_equal(truncate(r->path, 0), 0);
		if (touched)
			put(r->ring, 20, 10);
		assert_int_not_equal(
		    ring_copy(r->ring, r->copy, &upto, NULL), 0);
		assert_int_equal(in_copy(r->copy, 20), 20);
		/* So it does in the next minute, and in a new daemon. */
		upto = 0;
		assert_int_not_equal(
		    ring_copy(r->ring, r->copy, &upto, NULL), 0);
		assert_int_equal(in_copy(r->copy, 20), 20);
		open_ring(r, RING_SIZE_MIN);
		unlink(r->report.bad_path);
		unlink(r->copy);
	}
}

static void
a_copy_has_a_place_of_its_own(void **state)
{
	const struct rlimit none = {8192, RLIM_INFINITY};
	struct rig *r = *state;
	char new_path[80], deep[80];
	uint64_t upto = 0;
	struct rlimit was;

	put(r->ring, 0, 20);
	/* The ring's own file is no place for it. */
	assert_int_equal(ring_copy(r->ring, r->path, &upto, NULL), 0);
	assert_int_equal(read_up_to(r->ring, 20), 20);
	assert_int_equal(link(r->path, r->copy), 0);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	assert_int_equal(upto, 0);
	unlink(r->copy);
	assert_int_equal(symlink(r->path, r->copy), 0);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), ERR_SYSTEM);
	unlink(r->copy);
	snprintf(deep, sizeof(deep), "%s/no/copy", r->dir);
	assert_int_equal(
	    ring_copy(r->ring, deep, &upto, &r->msg), ERR_SYSTEM);
	assert_non_null(strstr(r->msg.text, deep));
	/* Without room for it, nothing is left, and nothing lost. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	ring_close(r->ring);
	r->ring = NULL;
	unlink(r->path);
	open_ring(r, RING_SIZE_MIN);
	upto = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_int_equal(
	    ring_copy(r->ring, r->copy, &upto, NULL), ERR_SYSTEM);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	snprintf(new_path, sizeof(new_path), "%s.new", r->copy);
	assert_int_equal(access(new_path, F_OK), -1);
	assert_int_equal(in_copy(r->copy, 20), 20);
	/* One that others may write to is none. */
	assert_int_equal(chmod(r->copy, 0666), 0);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), ERR_CONFIG);
}

/* A copy can be copied, read, and taken into a new ring. */
static void
a_copy_is_a_ring(void **state)
{
	struct rig *r = *state;
	struct ring *copy;
	uint64_t upto = 0;

	put(r->ring, 0, 300);
	assert_int_equal(ring_copy(r->ring, r->copy, &upto, NULL), 0);
	ring_close(r->ring);
	r->ring = NULL;
	assert_int_equal(ring_open_read(r->copy, &copy, NULL), 0);
	unlink(r->path);
	upto = 0;
	assert_int_equal(ring_copy(copy, r->path, &upto, &r->msg), 0);
	assert_int_equal(in_copy(r->path, 300), read_up_to(copy, 300));
	unlink(r->path);
	open_ring(r, 2 * RING_SIZE_MIN);
	ring_take(r->ring, copy);
	assert_int_equal(read_up_to(r->ring, 300), read_up_to(copy, 300));
	put(r->ring, 300, 1);
	ring_close(copy);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	    T(every_length),
	    T(sizes),
	    T(the_newest_take_the_oldests_place),
	    T(a_reader_is_told_what_it_lost),
	    T(a_gap_is_waited_for_or_not),
	    T(a_record_is_found_by_its_place),
	    T(octets_of_a_record_are_none_elsewhere),
	    T(noise_in_the_count),
	    T(another_size_keeps_the_newest),
	    T(who_leaves_brings_what_is_missing),
	    T(cut_off_under_everybody),
	    T(a_copy_is_brought_up_to_date),
	    T(a_copy_looks_back),
	    T(a_copy_never_mixes),
	    T(a_copy_outlives_the_ring),
	    T(a_copy_has_a_place_of_its_own),
	    T(a_copy_is_a_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
