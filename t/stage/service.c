/*
 * Services: started and stopped in order, woken, posted to by many threads, and
 * told of when they do not end.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/service.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "milter/log.h"
#include "t/support/drivers/test.h"

#define PATIENCE 60000 /* milliseconds; nothing here takes as long */
#define PRODUCERS 4
#define THINGS 5000 /* of each producer */

/* What happened, in order; one letter each. */
static struct {
	pthread_mutex_t lock;
	char text[4096];
} diary = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
write_down(char c)
{
	size_t n;

	pthread_mutex_lock(&diary.lock);
	n = strlen(diary.text);
	if (n + 1 < sizeof(diary.text))
		diary.text[n] = c;
	pthread_mutex_unlock(&diary.lock);
}

static void
clear(void)
{
	memset(diary.text, 0, sizeof(diary.text));
}

static void
wait_for(sem_t *sem)
{
	while (sem_wait(sem) != 0)
		;
}

/* -- order -- */

static int
start_a(void)
{
	write_down('a');
	return 0;
}

static int
start_b(void)
{
	write_down('b');
	return 0;
}

static void
stop_a(void)
{
	write_down('A');
}

static void
stop_b(void)
{
	write_down('B');
}

static void
stop_c(void)
{
	write_down('C');
}

static int
start_badly(void)
{
	errno = EACCES;
	return ERR_SYSTEM;
}

static const struct service a = {
    .name = "a", .thread = true, .start = start_a, .stop = stop_a};
static const struct service b = {
    .name = "b", .start = start_b, .stop = stop_b};
static const struct service c = {.name = "c", .stop = stop_c};
static const struct service bad = {.name = "bad", .start = start_badly};

static void
start_in_order_and_stop_the_other_way(void **state)
{
	static const struct service *const rows[] = {&a, &b, &c, NULL};

	(void)state;
	for (int i = 0; i < 20; i++) {
		clear();
		assert_int_equal(services_start(rows), 0);
		assert_true(services_stop(PATIENCE));
		assert_string_equal(diary.text, "abCBA");
		assert_true(services_stop(PATIENCE)); /* nothing is left */
		assert_string_equal(diary.text, "abCBA");
	}
}

static void
one_that_cannot_start_takes_the_others_along(void **state)
{
	static const struct service *const rows[] = {&a, &b, &bad, &c, NULL};

	(void)state;
	clear();
	errno = 0;
	assert_int_equal(services_start(rows), ERR_SYSTEM);
	assert_int_equal(errno, EACCES);
	assert_string_equal(diary.text, "abBA");
}

static void
a_table_has_an_end(void **state)
{
	const struct service *rows[SERVICES_MAX + 2];

	(void)state;
	for (size_t i = 0; i <= SERVICES_MAX; i++)
		rows[i] = &c;
	rows[SERVICES_MAX + 1] = NULL;
	assert_int_equal(services_start(rows), ERR_LIMIT);
	rows[SERVICES_MAX] = NULL;
	assert_int_equal(services_start(rows), 0);
	assert_true(services_stop(PATIENCE));
}

/* -- ticks -- */

static sem_t ticked;
static atomic_int shared_ticks;
static pthread_t tick_thread, other_thread;

static int64_t
tick_once(void)
{
	tick_thread = pthread_self();
	sem_post(&ticked);
	return -1;
}

/* Comes again by itself. */
static int64_t
tick_often(void)
{
	other_thread = pthread_self();
	if (atomic_fetch_add(&shared_ticks, 1) < 10)
		return 1;
	return INT64_MAX;
}

static const struct service once = {.name = "once", .tick = tick_once};
static const struct service often = {.name = "often", .tick = tick_often};
static const struct service nobody = {.name = "nobody", .room = 1};

static void
ticks_come_at_the_start_when_woken_and_in_time(void **state)
{
	static const struct service *const rows[] = {&once, &often, NULL};

	(void)state;
	sem_init(&ticked, 0, 0);
	service_wake(&once); /* not running: nothing */
	assert_int_equal(services_start(rows), 0);
	wait_for(&ticked);
	service_wake(&once);
	wait_for(&ticked);
	services_wake();
	wait_for(&ticked);
	while (atomic_load(&shared_ticks) <= 10)
		poll(NULL, 0, 1);
	assert_false(service_post(&nobody, &ticked));
	assert_true(services_stop(PATIENCE));
	assert_true(pthread_equal(tick_thread, other_thread));
	assert_int_not_equal(sem_trywait(&ticked), 0);
}

/* -- one that waits for something of its own -- */

static int ends[2];

static int64_t
tick_waiting(void)
{
	struct pollfd fd = {.fd = ends[0], .events = POLLIN};
	char octet;

	sem_post(&ticked);
	(void)poll(&fd, 1, -1);
	(void)!read(ends[0], &octet, 1);
	return 0;
}

static void
wake_waiting(void)
{
	(void)!write(ends[1], "", 1);
}

static const struct service waiting = {.name = "waiting",
    .thread = true,
    .tick = tick_waiting,
    .wake = wake_waiting,
    .stop = stop_a};

static void
one_that_waits_is_woken_to_stop(void **state)
{
	static const struct service *const rows[] = {&waiting, NULL};

	(void)state;
	clear();
	sem_init(&ticked, 0, 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(services_start(rows), 0);
	wait_for(&ticked);
	assert_true(services_stop(PATIENCE));
	assert_string_equal(diary.text, "A");
	close(ends[0]);
	close(ends[1]);
}

/* -- a queue -- */

static sem_t gate, at_gate;
static atomic_bool gated;
static _Atomic uint64_t taken, taken_at_stop, sum;

static void
take(void *thing)
{
	if (atomic_load(&gated)) {
		sem_post(&at_gate);
		wait_for(&gate);
	}
	atomic_fetch_add(&taken, 1);
	atomic_fetch_add(&sum, (uint64_t)(uintptr_t)thing);
}

static void
stop_taker(void)
{
	atomic_store(&taken_at_stop, atomic_load(&taken));
}

static const struct service taker = {.name = "taker",
    .thread = true,
    .room = 8,
    .take = take,
    .stop = stop_taker};
static const struct service *const takers[] = {&taker, NULL};

static void
begin_taking(bool waits)
{
	sem_init(&gate, 0, 0);
	sem_init(&at_gate, 0, 0);
	atomic_store(&gated, waits);
	taken = taken_at_stop = sum = 0;
	assert_int_equal(services_start(takers), 0);
}

static _Atomic uint64_t posted, posted_sum, refused;
static atomic_bool producing;

static void *
produce(void *arg)
{
	(void)arg;
	for (uintptr_t i = 1; i <= THINGS && atomic_load(&producing); i++) {
		if (service_post(&taker, (void *)i)) {
			atomic_fetch_add(&posted, 1);
			atomic_fetch_add(&posted_sum, i);
		} else {
			atomic_fetch_add(&refused, 1);
		}
	}
	return NULL;
}

/* All that was posted is taken before the end, wherever it comes. */
static void
producers_lose_nothing_at_a_stop(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		pthread_t p[PRODUCERS];

		posted = posted_sum = refused = 0;
		atomic_store(&producing, true);
		begin_taking(false);
		for (size_t i = 0; i < PRODUCERS; i++)
			assert_int_equal(
			    pthread_create(&p[i], NULL, produce, NULL), 0);
		while (atomic_load(&posted) + atomic_load(&refused) <
		    (uint64_t)round * 100)
			sched_yield();
		if (round % 2 == 0)
			for (size_t i = 0; i < PRODUCERS; i++)
				pthread_join(p[i], NULL);
		assert_true(services_stop(PATIENCE));
		atomic_store(&producing, false);
		if (round % 2 != 0)
			for (size_t i = 0; i < PRODUCERS; i++)
				pthread_join(p[i], NULL);
		assert_int_equal(taken, posted);
		assert_int_equal(taken_at_stop, posted);
		assert_int_equal(sum, posted_sum);
		assert_int_equal(service_dropped(&taker), refused);
	}
}

/* Fills the queue behind a taker that is at work; how many fitted. */
static size_t
fill(void)
{
	uintptr_t n = 1;

	assert_true(service_post(&taker, (void *)n));
	wait_for(&at_gate);
	while (service_post(&taker, (void *)n))
		n++;
	return n - 1;
}

static void
a_full_queue_drops_and_counts(void **state)
{
	(void)state;
	begin_taking(true);
	assert_int_equal(fill(), taker.room);
	assert_int_equal(service_dropped(&taker), 1);
	assert_false(service_post(&taker, &gate));
	assert_int_equal(service_dropped(&taker), 2);
	for (size_t i = 0; i <= taker.room; i++)
		sem_post(&gate);
	assert_true(services_stop(PATIENCE));
	assert_int_equal(taken, 1 + taker.room);
	/* Nobody would take it any more. */
	assert_false(service_post(&taker, &gate));
	assert_int_equal(service_dropped(&taker), 3);
}

/* -- who does not stop -- */

static FILE *
catch_log(int *saved_r)
{
	FILE *f = tmpfile();

	assert_non_null(f);
	*saved_r = dup(STDERR_FILENO);
	assert_true(dup2(fileno(f), STDERR_FILENO) >= 0);
	return f;
}

static void
caught(FILE *f, int saved, char *text, size_t size)
{
	size_t n;

	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
}

static sem_t hold;

static int64_t
tick_held(void)
{
	sem_post(&ticked);
	wait_for(&hold);
	return -1;
}

static const struct service held = {.name = "held",
    .thread = true,
    .tick = tick_held,
    .late = "held has its own words"};

static void
who_does_not_stop_is_named_and_the_others_stop(void **state)
{
	static const struct service *const rows[] = {
	    &a, &taker, &held, &b, NULL};
	char text[2048];
	int saved;
	FILE *f;

	(void)state;
	clear();
	sem_init(&ticked, 0, 0);
	sem_init(&hold, 0, 0);
	sem_init(&gate, 0, 0);
	sem_init(&at_gate, 0, 0);
	atomic_store(&gated, true);
	taken = 0;
	assert_int_equal(services_start(rows), 0);
	wait_for(&ticked);
	fill();
	f = catch_log(&saved);
	assert_false(services_stop(50));
	caught(f, saved, text, sizeof(text));
	assert_non_null(strstr(text, "]: held has its own words\n"));
	assert_non_null(strstr(text, "stopped before taker had ended: 8 items in "
				     "its queue are lost\n"));
	pthread_mutex_lock(&diary.lock);
	assert_string_equal(diary.text, "abBA");
	pthread_mutex_unlock(&diary.lock);
	/* Asked again, when they can. */
	sem_post(&hold);
	for (size_t i = 0; i <= taker.room; i++)
		sem_post(&gate);
	assert_true(services_stop(PATIENCE));
	assert_int_equal(taken, 1 + taker.room);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(start_in_order_and_stop_the_other_way),
	    cmocka_unit_test(one_that_cannot_start_takes_the_others_along),
	    cmocka_unit_test(a_table_has_an_end),
	    cmocka_unit_test(ticks_come_at_the_start_when_woken_and_in_time),
	    cmocka_unit_test(one_that_waits_is_woken_to_stop),
	    cmocka_unit_test(producers_lose_nothing_at_a_stop),
	    cmocka_unit_test(a_full_queue_drops_and_counts),
	    cmocka_unit_test(who_does_not_stop_is_named_and_the_others_stop),
	};

	alarm(240); /* where one hangs */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
