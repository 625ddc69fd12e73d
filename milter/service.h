/*
 * Services: what a daemon does beside mail.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A service is a constant descriptor in a file of its own, and a row in
 * services.c.  All are started when the daemon has forked for the last time,
 * and stopped in the reverse order of the table.  Mail never waits for one: it
 * posts items to the service's queue.  An item for which the queue has no room
 * is dropped and counted.
 *
 * An example.  `alerts` has room for 64 items and a thread of its own.  A stage
 * posts an alert from a mail thread, which takes a lock for a moment.  The
 * service's thread wakes up and calls take, which sends the alert somewhere,
 * however long that takes.  At TERM the queue is closed, the alerts in it are
 * still sent, and then the stop hook is called.  If that takes longer than
 * services_stop allows, the log says what is lost, and the process ends without
 * it.
 */
#ifndef MILTER_SERVICE_H
#define MILTER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICES_MAX 16

struct metrics;
struct problems;

struct service {
	const char *name; /* in the log, and the name of its thread; at most 15
	    octets */
	bool thread; /* it has a thread of its own; services without one share a
	    thread, and must not wait */
	size_t room; /* items in its queue; 0: it has no queue */

	/* Called before any service's thread exists, in the order of the table.
	 * 0, or a negative ERR_; ERR_SYSTEM: errno is set.  All hooks may be
	 * NULL.  take, tick and stop are called by the service's thread. */
	int (*start)(void);
	/* Take an item that was posted; it is the service's. */
	void (*take)(void *item);
	/* Called at the start, after service_wake, and when the time is over
	 * that the call before returned, in milliseconds; -1: call it only
	 * after service_wake. */
	int64_t (*tick)(void);
	/* For a service whose tick waits for something: make tick return.
	 * Called by the thread that wakes or stops the service, perhaps in a
	 * signal handler. */
	void (*wake)(void);
	/* Called last, when the queue is closed and empty. */
	void (*stop)(void);
	/* Tell numbers of what is there (metrics.h), and what is not well
	 * (problems.h).  Called by any thread, between start and stop.  Must
	 * not wait. */
	void (*gauges)(struct metrics *m);
	void (*problems)(struct problems *p);

	/* The line in the log if the service does not stop in time; NULL: a
	 * general one. */
	const char *late;
};

/*
 * Start the services of a NULL-ended table, which must last.  All signals must
 * be blocked.  0, or a negative ERR_ with errno set: then none is left running.
 */
int services_start(const struct service *const *rows);
/* Wake all: another configuration is in force. */
void services_wake(void);
/*
 * Stop all, and wait for each at most so many milliseconds.  False: some have
 * not stopped; this is logged, and what they use must last until the process
 * ends.  May be called again.
 */
bool services_stop(long limit_ms);

/* Let its tick be called soon; does nothing if the service does not run.  May
 * be called in a signal handler. */
void service_wake(const struct service *row);
/* Post a item to it.  False: it does not run, or its queue is full, which is
 * counted; then the item stays the caller's. */
bool service_post(const struct service *row, void *item);
/* How many items were dropped since the start. */
uint64_t service_dropped(const struct service *row);
/* Call every service's gauges hook, or problems hook, and tell of the
 * queues. */
void services_gauges(struct metrics *m);
void services_problems(struct problems *p);

#endif
