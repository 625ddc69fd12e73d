/*
 * A writer, a reader or a mover of the ring that is stopped before any of its
 * atomic operations, while another does all of its work; then it goes on, or
 * never does.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/ring/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "t/support/drivers/test.h"
#include "t/unit/ring/numbered.h"

#define PUTS_MAX 4000
#define NOW 1700000000
#define ROUND (RING_SIZE_MIN - 64)

/* Not through crossings.h here. */
void crossing(void);

/* -- who is stopped -- */

static struct {
	bool armed;
	uint64_t ops, stop; /* it is stopped before that operation */
	void (*then)(void);
	jmp_buf *dies; /* NULL: it goes on behind that */
} cross;

void
crossing(void)
{
	if (!cross.armed || cross.ops++ != cross.stop)
		return;
	cross.armed = false;
	cross.then();
	if (cross.dies != NULL)
		longjmp(*cross.dies, 1);
}

/* Do it, stopped before operation `stop`.  False: it has no so many. */
static bool
crossed(void (*deed)(void), uint64_t stop, void (*then)(void), bool dies)
{
	jmp_buf end;

	cross.ops = 0;
	cross.stop = stop;
	cross.then = then;
	cross.dies = dies ? &end : NULL;
	if (setjmp(end) == 0) {
		cross.armed = true;
		deed();
	}
	cross.dies = NULL;
	if (!cross.armed)
		return true;
	cross.armed = false;
	return false;
}

/* -- the world -- */

static struct {
	char dir[32], path[64], other_path[64];
	struct ring *ring, *other;
	struct ring_reader reader;
	uint64_t amount; /* octets that who comes between writes */
	struct put {
		uint64_t place; /* at least, until it is found */
		bool done;      /* its writer lived */
		unsigned found;
	} puts[PUTS_MAX]; /* by their numbers */
	uint64_t count;      /* of puts */
} w;

static void
put(void)
{
	unsigned char record[RING_RECORD_MAX];
	uint64_t n = w.count++;
	size_t len = numbered_make(n, record);
	struct put *p = &w.puts[n];
	bool armed = cross.armed;

	assert_true(n < PUTS_MAX);
	cross.armed = false;
	*p = (struct put){.place = ring_head(w.ring)};
	cross.armed = armed;
	if (!ring_put(w.ring, record, len))
		assert_true(ring_head(w.ring) > p->place + ROUND);
	p->done = true;
}

static void
more_puts(void)
{
	uint64_t end = ring_head(w.ring) + w.amount;

	while (ring_head(w.ring) < end)
		put();
}

static void
open_rings(void)
{
	struct shared_report report;

	strcpy(w.dir, "/dev/shm/crossings.XXXXXX");
	assert_non_null(mkdtemp(w.dir));
	snprintf(w.path, sizeof(w.path), "%s/ring", w.dir);
	snprintf(w.other_path, sizeof(w.other_path), "%s/other", w.dir);
	assert_int_equal(ring_open(w.path, RING_SIZE_MIN, NOW, &w.ring,
	    &report, NULL), 0);
	assert_int_equal(ring_open(w.other_path, 4 * RING_SIZE_MIN, NOW,
	    &w.other, &report, NULL), 0);
	w.count = 0;
}

static void
close_rings(void)
{
	ring_close(w.ring);
	ring_close(w.other);
	unlink(w.path);
	unlink(w.other_path);
	assert_int_equal(rmdir(w.dir), 0);
}

/* -- what is held against it -- */

/* The reader has one: it is one that was put, there, and in order. */
static void
take_found(bool by_place)
{
	const struct ring_reader *rd = &w.reader;
	uint64_t n;

	assert_true(numbered_read(rd->words, rd->len, &n));
	assert_true(n < w.count);
	if (by_place) {
		assert_true(rd->place >= w.puts[n].place);
		w.puts[n].place = rd->place;
	}
	w.puts[n].found++;
}

static void
read_all(void)
{
	while (ring_next(&w.reader, UINT64_MAX) == RING_RECORD)
		take_found(true);
}

static void
begin_reading(struct ring *r)
{
	w.reader = (struct ring_reader){.ring = r};
	for (uint64_t n = 0; n < w.count; n++)
		w.puts[n].found = 0;
}

static bool
remains(const struct put *p)
{
	return p->done && p->place + ROUND >= ring_head(w.ring);
}

/* All that were not overwritten are read, once. */
static void
check_all(void)
{
	begin_reading(w.ring);
	read_all();
	for (uint64_t n = 0; n < w.count; n++) {
		assert_true(w.puts[n].found <= w.puts[n].done);
		assert_true(w.puts[n].found == remains(&w.puts[n]));
	}
}

/* A writer is stopped at each point, while others write nothing, a little, just
 * not so much that they reach its place, a round, and some rounds. */
static void
late_writer(bool dies)
{
	static const uint64_t amounts[] = {
	    0, 1, 30000, 61000, 64000, 65472, 66000, 131000, 262000};
	bool more = true;

	for (size_t i = 0; i < sizeof(amounts) / sizeof(*amounts); i++) {
		more = true;
		for (uint64_t stop = 0; more; stop++) {
			open_rings();
			w.amount = 70000; /* so that it is in a later round */
			more_puts();
			w.amount = amounts[i];
			more = crossed(put, stop, more_puts, dies);
			check_all();
			w.amount = 2000;
			more_puts();
			check_all();
			w.amount = 70000;
			more_puts();
			check_all();
			close_rings();
		}
	}
}

static void
a_late_writer_damages_nothing(void **state)
{
	(void)state;
	late_writer(false);
}

static void
a_dead_writer_hides_only_its_own(void **state)
{
	(void)state;
	late_writer(true);
}

/* What is read under writers is whole, and what they leave is read. */
static void
a_reader_is_overtaken(void **state)
{
	static const uint64_t amounts[] = {1, 5000, 64000, 66000, 131000};

	(void)state;
	for (size_t i = 0; i < sizeof(amounts) / sizeof(*amounts); i++) {
		bool more = true;

		for (uint64_t stop = 0; more; stop += 61) {
			open_rings();
			w.amount = 70000;
			more_puts();
			begin_reading(w.ring);
			w.amount = amounts[i];
			more = crossed(read_all, stop, more_puts, false);
			for (uint64_t n = 0; n < w.count; n++) {
				assert_true(w.puts[n].found <= 1);
				assert_true(w.puts[n].found == 1 ||
				    !remains(&w.puts[n]));
			}
			close_rings();
		}
	}
}

static void
move_all(void)
{
	ring_move(w.other, w.ring, UINT64_MAX);
}

/* Of two who leave a ring, and who dies at it, each record is moved at most
 * once, and none is lost but that which the dead one had in its hands. */
static void
each_record_is_moved_once(void **state)
{
	(void)state;
	for (int dies = 0; dies < 2; dies++) {
		bool more = true;

		for (uint64_t stop = 0; more; stop += 97) {
			unsigned lost = 0;

			open_rings();
			w.amount = 60000;
			more_puts();
			more = crossed(move_all, stop, move_all, dies);
			move_all();
			begin_reading(w.other);
			while (ring_next(&w.reader, UINT64_MAX) == RING_RECORD)
				take_found(false);
			for (uint64_t n = 0; n < w.count; n++) {
				assert_true(w.puts[n].found <= 1);
				lost += w.puts[n].found == 0;
			}
			assert_true(lost <= (unsigned)(more && dies));
			close_rings();
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_late_writer_damages_nothing),
	    cmocka_unit_test(a_dead_writer_hides_only_its_own),
	    cmocka_unit_test(a_reader_is_overtaken),
	    cmocka_unit_test(each_record_is_moved_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
