/* SPDX-License-Identifier: BSD-2-Clause */
#include "service.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/queue.h"
#include "log.h"

#define NEVER INT64_MAX
#define LIMIT 1000 /* milliseconds, for those that began when others can't */

/* A thread, and what wakes it. */
struct runner {
	pthread_t thread;
	bool runs;          /* it was started, and not yet joined */
	sem_t news;
	atomic_bool nudged; /* news was posted, and not yet heard */
};

/* A service that runs. */
struct seat {
	const struct service *row;
	struct runner *runner;
	struct queue *queue; /* NULL: it has none */
	atomic_bool woken, quit;
	sem_t ended; /* posted at its end */
	bool gone;   /* that has been seen */

	/* The runner's own. */
	bool over;
	int64_t due; /* CLOCK_MONOTONIC, milliseconds */
	uint64_t told; /* of what was dropped */
	struct log_seldom seldom;
};

/* A signal's handler has to find them, and a thread that is left at the end of
 * the process. */
static struct {
	struct seat seats[SERVICES_MAX];
	struct runner runners[SERVICES_MAX + 1]; /* the last is the shared one */
	atomic_size_t count; /* 0: none runs */
} all;

#define SHARED (&all.runners[SERVICES_MAX])

/* False: that moment has come. */
static bool
wait_until(sem_t *sem, int64_t ms)
{
	struct timespec end = clock_timespec(ms);
	int rc;

	do
		rc = ms == NEVER
		    ? sem_wait(sem)
		    : sem_clockwait(sem, CLOCK_MONOTONIC, &end);
	while (rc != 0 && errno == EINTR);
	return rc == 0;
}

/* -- a service's thread -- */

static void
nudge(struct runner *r)
{
	if (!atomic_exchange(&r->nudged, true))
		sem_post(&r->news);
}

/* What is there now: while more and more comes, ticks come too. */
static void
take_all(struct seat *seat)
{
	size_t left = queue_count(seat->queue);
	void *thing;

	for (; left > 0 && (thing = queue_take(seat->queue)) != NULL; left--)
		seat->row->take(thing);
}

/* Whoever posts does not log: it may be mail. */
static void
say_dropped(struct seat *seat)
{
	uint64_t dropped = queue_dropped(seat->queue);

	if (dropped == seat->told)
		return;
	seat->told = dropped;
	log_seldom(&seat->seldom, LOG_WARNING,
	    "%s: more comes than can be done: %llu things were dropped since "
	    "the start",
	    seat->row->name, (unsigned long long)dropped);
}

static void
end(struct seat *seat)
{
	if (seat->queue != NULL)
		take_all(seat);
	if (seat->row->stop != NULL)
		seat->row->stop();
	seat->over = true;
	sem_post(&seat->ended);
}

static void
tick(struct seat *seat)
{
	int64_t ms = seat->row->tick(), now = clock_ms();

	seat->due = ms < 0 || ms >= NEVER - now ? NEVER : now + ms;
}

static void
visit(struct seat *seat)
{
	bool woken = atomic_exchange(&seat->woken, false);

	if (seat->queue != NULL) {
		take_all(seat);
		say_dropped(seat);
	}
	if (seat->row->tick != NULL && (woken || clock_ms() >= seat->due))
		tick(seat);
}

static void *
run(void *arg)
{
	struct runner *r = arg;
	int64_t due;
	size_t left;

	do {
		atomic_store(&r->nudged, false);
		due = NEVER;
		left = 0;
		for (size_t i = 0; i < SERVICES_MAX; i++) {
			struct seat *seat = &all.seats[i];

			if (seat->runner != r || seat->over)
				continue;
			if (atomic_load(&seat->quit)) {
				end(seat);
				continue;
			}
			visit(seat);
			left++;
			if (seat->due < due)
				due = seat->due;
		}
		if (left > 0)
			(void)wait_until(&r->news, due);
	} while (left > 0);
	return NULL;
}

/* -- start and stop -- */

/* Its thread comes later. */
static int
take_seat(struct seat *seat, const struct service *row, struct runner *own)
{
	queue_free(seat->queue, NULL); /* of an earlier start */
	*seat = (struct seat){.row = row,
	    .runner = row->thread ? own : SHARED,
	    .due = row->tick == NULL ? NEVER : 0};
	if (sem_init(&seat->ended, 0, 0) != 0)
		return ERR_SYSTEM;
	if (row->room > 0 && (seat->queue = queue_new(row->room)) == NULL) {
		errno = ENOMEM;
		return ERR_NOMEM;
	}
	return row->start == NULL ? 0 : row->start();
}

/* If it does not run yet. */
static int
start_runner(struct runner *r, const char *name)
{
	int rc;

	if (r->runs)
		return 0;
	atomic_init(&r->nudged, false);
	if (sem_init(&r->news, 0, 0) != 0)
		return ERR_SYSTEM;
	rc = pthread_create(&r->thread, NULL, run, r);
	errno = rc;
	if (rc != 0)
		return ERR_SYSTEM;
	r->runs = true;
	(void)pthread_setname_np(r->thread, name);
	return 0;
}

static int
start_threads(size_t n)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = start_runner(all.seats[i].runner,
		    all.seats[i].row->thread ? all.seats[i].row->name
					     : "services");
	return rc;
}

/* Those that have begun and got no thread end here. */
static void
end_those_without_a_thread(size_t n)
{
	for (size_t i = n; i-- > 0;) {
		struct seat *seat = &all.seats[i];

		if (!seat->runner->runs) {
			if (seat->row->stop != NULL)
				seat->row->stop();
			seat->gone = true;
		}
	}
}

int
services_start(const struct service *const *rows)
{
	size_t n = 0;
	int rc = 0, saved;

	for (size_t i = 0; i < SERVICES_MAX; i++)
		all.seats[i].runner = NULL;
	while (rc == 0 && rows[n] != NULL) {
		rc = n == SERVICES_MAX
		    ? ERR_LIMIT
		    : take_seat(&all.seats[n], rows[n], &all.runners[n]);
		n += rc == 0;
	}
	if (rc == 0)
		rc = start_threads(n);
	atomic_store(&all.count, n);
	if (rc == 0)
		return 0;
	saved = errno;
	end_those_without_a_thread(n);
	(void)services_stop(LIMIT);
	errno = saved;
	return rc;
}

/* Ask it to end, and wait for that. */
static bool
stop_one(struct seat *seat, long limit_ms)
{
	if (seat->queue != NULL)
		queue_close(seat->queue);
	atomic_store(&seat->quit, true);
	nudge(seat->runner);
	if (seat->row->wake != NULL)
		seat->row->wake();
	seat->gone = wait_until(&seat->ended, clock_ms() + limit_ms);
	return seat->gone;
}

static void
say_late(const struct seat *seat)
{
	size_t left = seat->queue == NULL ? 0 : queue_count(seat->queue);

	if (seat->row->late != NULL)
		log_line(LOG_WARNING, "%s", seat->row->late);
	else if (left > 0)
		log_line(LOG_WARNING,
		    "stopped before %s had come to its end: %zu things that "
		    "waited for it are lost",
		    seat->row->name, left);
	else
		log_line(LOG_WARNING, "stopped before %s had come to its end",
		    seat->row->name);
}

/* If all that it ran have ended. */
static void
join(struct runner *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (all.seats[i].runner == r && !all.seats[i].gone)
			return;
	}
	if (r->runs)
		pthread_join(r->thread, NULL);
	r->runs = false;
}

bool
services_stop(long limit_ms)
{
	size_t n = atomic_load(&all.count);
	bool good = true;

	for (size_t i = n; i-- > 0;) {
		if (all.seats[i].gone || stop_one(&all.seats[i], limit_ms))
			continue;
		say_late(&all.seats[i]);
		good = false;
	}
	/* Queues stay, closed: a mail thread may be about to post. */
	for (size_t i = 0; i < n; i++)
		join(all.seats[i].runner, n);
	return good;
}

/* -- what others want of them -- */

static struct seat *
seat_of(const struct service *row)
{
	size_t n = atomic_load(&all.count);

	for (size_t i = 0; i < n; i++) {
		if (all.seats[i].row == row)
			return &all.seats[i];
	}
	return NULL;
}

static void
wake(struct seat *seat)
{
	atomic_store(&seat->woken, true);
	nudge(seat->runner);
	if (seat->row->wake != NULL)
		seat->row->wake();
}

void
service_wake(const struct service *row)
{
	struct seat *seat = seat_of(row);

	if (seat != NULL)
		wake(seat);
}

void
services_wake(void)
{
	size_t n = atomic_load(&all.count);

	for (size_t i = 0; i < n; i++)
		wake(&all.seats[i]);
}

bool
service_post(const struct service *row, void *thing)
{
	struct seat *seat = seat_of(row);

	if (seat == NULL || !queue_put(seat->queue, thing))
		return false;
	nudge(seat->runner);
	if (row->wake != NULL)
		row->wake();
	return true;
}

uint64_t
service_dropped(const struct service *row)
{
	struct seat *seat = seat_of(row);

	return seat == NULL ? 0 : queue_dropped(seat->queue);
}
