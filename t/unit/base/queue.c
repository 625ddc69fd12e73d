/*
 * The queue with a bound.  SPDX-License-Identifier: BSD-2-Clause
 *
 * What must hold whatever threads do: each item that was put is taken once, in
 * the order of who put it, or is left in the queue; what was not put is counted;
 * there are never more than fit.
 */
#include "lib/base/queue.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "t/support/drivers/test.h"

#define PRODUCERS 4
#define CONSUMERS 3
#define ITEMS (FEWER ? 4000 : 20000) /* of each producer */
#define ROOM 7

/* Items are numbers from 1 on. */
static void *
item(uintptr_t n)
{
	return (void *)n; /* NOLINT */
}

static void
keeps_order_and_its_bound(void **state)
{
	struct queue *q = queue_new(3);

	(void)state;
	assert_null(queue_take(q));
	for (uintptr_t round = 0; round < 5; round++) {
		for (uintptr_t i = 1; i <= 3; i++)
			assert_true(queue_put(q, item(i)));
		assert_false(queue_put(q, item(4)));
		assert_int_equal(queue_count(q), 3);
		assert_int_equal(queue_dropped(q), round + 1);
		for (uintptr_t i = 1; i <= 3; i++)
			assert_ptr_equal(queue_take(q), item(i));
		assert_null(queue_take(q));
		/* From another place of the ring. */
		assert_true(queue_put(q, item(9)));
		assert_ptr_equal(queue_take(q), item(9));
	}
	queue_free(q, NULL);
	queue_free(NULL, NULL);
}

static void
without_room_nothing_fits(void **state)
{
	struct queue *q = queue_new(0);

	(void)state;
	assert_false(queue_put(q, item(1)));
	assert_int_equal(queue_dropped(q), 1);
	assert_null(queue_take(q));
	queue_free(q, NULL);
}

static unsigned freed;

static void
drop(void *thing)
{
	freed++;
	free(thing);
}

static void
closed_gives_what_it_has(void **state)
{
	struct queue *q = queue_new(4);
	void *more = malloc(1);

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_true(queue_put(q, malloc(1)));
	queue_close(q);
	assert_false(queue_put(q, more));
	free(more);
	free(queue_take(q));
	assert_int_equal(queue_count(q), 2);
	queue_free(q, drop);
	assert_int_equal(freed, 2);
}

static struct {
	struct queue *q;
	atomic_int left; /* producers */
	_Atomic uint64_t put, refused;
	atomic_uint taken[PRODUCERS][1 + 20000];
	atomic_bool wrong;
} run;

static void *
produce(void *arg)
{
	uintptr_t me = (uintptr_t)arg;

	for (uintptr_t i = 1; i <= ITEMS; i++) {
		if (queue_put(run.q, item(me << 32 | i)))
			atomic_fetch_add(&run.put, 1);
		else
			atomic_fetch_add(&run.refused, 1);
		if (i % 64 == 0)
			sched_yield();
	}
	atomic_fetch_sub(&run.left, 1);
	return NULL;
}

static void *
consume(void *arg)
{
	uintptr_t last[PRODUCERS] = {0};

	(void)arg;
	for (;;) {
		bool end = atomic_load(&run.left) == 0;
		uintptr_t got = (uintptr_t)queue_take(run.q);
		uintptr_t who = got >> 32, n = got & 0xffffffff;

		if (got == 0 && end)
			return NULL;
		if (queue_count(run.q) > ROOM)
			atomic_store(&run.wrong, true);
		if (got == 0) {
			sched_yield();
			continue;
		}
		if (n <= last[who])
			atomic_store(&run.wrong, true);
		last[who] = n;
		atomic_fetch_add(&run.taken[who][n], 1);
	}
}

static void
threads_lose_nothing(void **state)
{
	pthread_t p[PRODUCERS], c[CONSUMERS];
	uint64_t taken = 0;

	(void)state;
	run.q = queue_new(ROOM);
	atomic_store(&run.left, PRODUCERS);
	for (uintptr_t i = 0; i < PRODUCERS; i++)
		assert_int_equal(
		    pthread_create(&p[i], NULL, produce, (void *)i), 0);
	for (size_t i = 0; i < CONSUMERS; i++)
		assert_int_equal(
		    pthread_create(&c[i], NULL, consume, NULL), 0);
	for (size_t i = 0; i < PRODUCERS; i++)
		pthread_join(p[i], NULL);
	for (size_t i = 0; i < CONSUMERS; i++)
		pthread_join(c[i], NULL);
	for (size_t i = 0; i < PRODUCERS; i++) {
		for (size_t n = 1; n <= ITEMS; n++) {
			assert_true(run.taken[i][n] <= 1);
			taken += run.taken[i][n];
		}
	}
	assert_false(run.wrong);
	assert_int_equal(taken, run.put);
	assert_int_equal(run.put + run.refused, PRODUCERS * ITEMS);
	assert_int_equal(queue_dropped(run.q), run.refused);
	assert_int_equal(queue_count(run.q), 0);
	queue_free(run.q, NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_order_and_its_bound),
	    cmocka_unit_test(without_room_nothing_fits),
	    cmocka_unit_test(closed_gives_what_it_has),
	    cmocka_unit_test(threads_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
