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
#include "metrics.h"
#include "problems.h"

#define NEVER INT64_MAX
#define DROPPING_MS 600000 /* so long it is a problem that items were dropped */
#define LIMIT_MS 1000 /* for services that have to stop again because another
    could not start */

/* A thread that runs services, and what wakes it. */
struct runner {
	pthread_t thread;
	bool runs;          /* started, and not yet joined */
	sem_t news;
	atomic_bool signalled; /* `news` is posted, and the thread has not
	    looked since */
};

/* A service that was started. */
struct slot {
	const struct service *row;
	struct runner *runner;
	struct queue *queue; /* NULL: it has none */
	atomic_bool woken, quit;
	sem_t ended; /* posted when it has ended */
	bool gone;   /* services_stop has seen that */

	/* Only its runner's thread uses these. */
	bool over;
	int64_t due; /* CLOCK_MONOTONIC, milliseconds */
	uint64_t logged; /* queue_dropped() at the last log line */
	_Atomic int64_t dropping; /* when items were last seen to be dropped; 0:
	    never */
	struct log_seldom seldom;
};

/* Static, because a signal handler uses them, and a thread that has not stopped
 * at the end of the process. */
static struct {
	struct slot slots[SERVICES_MAX];
	struct runner runners[SERVICES_MAX + 1]; /* the last is the shared one */
	atomic_size_t count; /* 0: none runs */
} all;

#define SHARED (&all.runners[SERVICES_MAX])

/* Wait for the semaphore or that time (CLOCK_MONOTONIC).  False: it is that
 * time. */
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
signal_runner(struct runner *r)
{
	if (!atomic_exchange(&r->signalled, true))
		sem_post(&r->news);
}

/* Take what is in the queue now, and no more, so that under constant load ticks
 * are still called. */
static void
take_all(struct slot *slot)
{
	size_t left = queue_count(slot->queue);
	void *item;

	for (; left > 0 && (item = queue_take(slot->queue)) != NULL; left--)
		slot->row->take(item);
}

/* Logged here and not where things are posted, because a mail thread must not
 * wait for the log. */
static void
log_dropped(struct slot *slot)
{
	uint64_t dropped = queue_dropped(slot->queue);

	if (dropped == slot->logged)
		return;
	slot->logged = dropped;
	atomic_store(&slot->dropping, clock_ms());
	log_seldom(&slot->seldom, LOG_WARNING,
	    "%s: the queue was full: %llu items were dropped since the "
	    "start",
	    slot->row->name, (unsigned long long)dropped);
}

static void
end(struct slot *slot)
{
	if (slot->queue != NULL)
		take_all(slot);
	if (slot->row->stop != NULL)
		slot->row->stop();
	slot->over = true;
	sem_post(&slot->ended);
}

static void
tick(struct slot *slot)
{
	int64_t ms = slot->row->tick(), now = clock_ms();

	slot->due = ms < 0 || ms >= NEVER - now ? NEVER : now + ms;
}

static void
visit(struct slot *slot)
{
	bool woken = atomic_exchange(&slot->woken, false);

	if (slot->queue != NULL) {
		take_all(slot);
		log_dropped(slot);
	}
	if (slot->row->tick != NULL && (woken || clock_ms() >= slot->due))
		tick(slot);
}

static void *
run(void *arg)
{
	struct runner *r = arg;
	int64_t due;
	size_t left;

	do {
		atomic_store(&r->signalled, false);
		due = NEVER;
		left = 0;
		for (size_t i = 0; i < SERVICES_MAX; i++) {
			struct slot *slot = &all.slots[i];

			if (slot->runner != r || slot->over)
				continue;
			if (atomic_load(&slot->quit)) {
				end(slot);
				continue;
			}
			visit(slot);
			left++;
			if (slot->due < due)
				due = slot->due;
		}
		if (left > 0)
			(void)wait_until(&r->news, due);
	} while (left > 0);
	return NULL;
}

/* -- start and stop -- */

/* Start the service itself; its thread is started later. */
static int
start_service(struct slot *slot, const struct service *row, struct runner *own)
{
	queue_free(slot->queue, NULL); /* of an earlier start */
	*slot = (struct slot){.row = row,
	    .runner = row->thread ? own : SHARED,
	    .due = row->tick == NULL ? NEVER : 0};
	if (sem_init(&slot->ended, 0, 0) != 0)
		return ERR_SYSTEM;
	if (row->room > 0 && (slot->queue = queue_new(row->room)) == NULL) {
		errno = ENOMEM;
		return ERR_NOMEM;
	}
	return row->start == NULL ? 0 : row->start();
}

/* Start the thread, unless it runs. */
static int
start_runner(struct runner *r, const char *name)
{
	int rc;

	if (r->runs)
		return 0;
	atomic_init(&r->signalled, false);
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
		rc = start_runner(all.slots[i].runner,
		    all.slots[i].row->thread ? all.slots[i].row->name
					     : "services");
	return rc;
}

/* Stop the services that have started and got no thread. */
static void
stop_those_without_a_thread(size_t n)
{
	for (size_t i = n; i-- > 0;) {
		struct slot *slot = &all.slots[i];

		if (!slot->runner->runs) {
			if (slot->row->stop != NULL)
				slot->row->stop();
			slot->gone = true;
		}
	}
}

int
services_start(const struct service *const *rows)
{
	size_t n = 0;
	int rc = 0, saved;

	for (size_t i = 0; i < SERVICES_MAX; i++)
		all.slots[i].runner = NULL;
	while (rc == 0 && rows[n] != NULL) {
		rc = n == SERVICES_MAX
		    ? ERR_LIMIT
		    : start_service(&all.slots[n], rows[n], &all.runners[n]);
		n += rc == 0;
	}
	atomic_store(&all.count, n); /* first: the threads ask about each other */
	if (rc == 0)
		rc = start_threads(n);
	if (rc == 0)
		return 0;
	saved = errno;
	stop_those_without_a_thread(n);
	(void)services_stop(LIMIT_MS);
	errno = saved;
	return rc;
}

/* Let the service end, and wait for it.  False: it has not ended in time. */
static bool
stop_one(struct slot *slot, long limit_ms)
{
	if (slot->queue != NULL)
		queue_close(slot->queue);
	atomic_store(&slot->quit, true);
	signal_runner(slot->runner);
	if (slot->row->wake != NULL)
		slot->row->wake();
	slot->gone = wait_until(&slot->ended, clock_ms() + limit_ms);
	return slot->gone;
}

static void
log_late(const struct slot *slot)
{
	size_t left = slot->queue == NULL ? 0 : queue_count(slot->queue);

	if (slot->row->late != NULL)
		log_line(LOG_WARNING, "%s", slot->row->late);
	else if (left > 0)
		log_line(LOG_WARNING,
		    "stopped before %s had ended: %zu items in its queue "
		    "are lost",
		    slot->row->name, left);
	else
		log_line(LOG_WARNING, "stopped before %s had ended",
		    slot->row->name);
}

/* Join the thread, if all its services have ended. */
static void
join(struct runner *r, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (all.slots[i].runner == r && !all.slots[i].gone)
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
		if (all.slots[i].gone || stop_one(&all.slots[i], limit_ms))
			continue;
		log_late(&all.slots[i]);
		good = false;
	}
	/* Closed queues are not freed: a mail thread may be about to post. */
	for (size_t i = 0; i < n; i++)
		join(all.slots[i].runner, n);
	return good;
}

/* -- what others want of them -- */

static struct slot *
slot_of(const struct service *row)
{
	size_t n = atomic_load(&all.count);

	for (size_t i = 0; i < n; i++) {
		if (all.slots[i].row == row)
			return &all.slots[i];
	}
	return NULL;
}

static void
wake(struct slot *slot)
{
	atomic_store(&slot->woken, true);
	signal_runner(slot->runner);
	if (slot->row->wake != NULL)
		slot->row->wake();
}

void
service_wake(const struct service *row)
{
	struct slot *slot = slot_of(row);

	if (slot != NULL)
		wake(slot);
}

void
services_wake(void)
{
	size_t n = atomic_load(&all.count);

	for (size_t i = 0; i < n; i++)
		wake(&all.slots[i]);
}

bool
service_post(const struct service *row, void *item)
{
	struct slot *slot = slot_of(row);

	if (slot == NULL || !queue_put(slot->queue, item))
		return false;
	signal_runner(slot->runner);
	if (row->wake != NULL)
		row->wake();
	return true;
}

uint64_t
service_dropped(const struct service *row)
{
	struct slot *slot = slot_of(row);

	return slot == NULL ? 0 : queue_dropped(slot->queue);
}

/* Only services with a queue have anything to drop. */
static void
tell_dropped(struct metrics *m, size_t n)
{
	metrics_family(m, "postern_service_dropped_total", METRIC_COUNTER,
	    "Items for which the queue of a service beside mail had no room");
	for (size_t i = 0; i < n; i++) {
		const struct slot *slot = &all.slots[i];

		if (slot->queue != NULL)
			metrics_sample(m, "service", slot->row->name,
			    (double)queue_dropped(slot->queue));
	}
}

void
services_gauges(struct metrics *m)
{
	size_t n = atomic_load(&all.count);

	tell_dropped(m, n);
	for (size_t i = 0; i < n; i++) {
		if (all.slots[i].row->gauges != NULL)
			all.slots[i].row->gauges(m);
	}
}

void
services_problems(struct problems *p)
{
	size_t n = atomic_load(&all.count);

	for (size_t i = 0; i < n; i++) {
		struct slot *slot = &all.slots[i];
		int64_t at = atomic_load(&slot->dropping);

		if (slot->row->problems != NULL)
			slot->row->problems(p);
		if (at != 0 && clock_ms() - at < DROPPING_MS)
			problems_add(p, false, "service",
			    "see in the log what it waits for: a slow disk or "
			    "a peer that does not answer",
			    "%s can't keep up: its queue was full, and %llu "
			    "items were dropped since the start",
			    slot->row->name,
			    (unsigned long long)queue_dropped(slot->queue));
	}
}
