/*
 * Services: what a daemon does beside mail.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A service is a constant descriptor in a file of its own, and a row in
 * services.c.  All are started when the daemon has forked for the last time,
 * and stopped in the reverse order of the table.  Mail never waits for one: it
 * posts things to the service's queue.  A thing for which the queue has no room
 * is dropped and counted.
 *
 * An example.  `alerts` has room for 64 things and a thread of its own.  A
 * stage posts an alert from a mail thread, which costs a lock for a moment; the
 * service's thread wakes up and calls take with it, which sends it somewhere,
 * however long that lasts.  At TERM the queue is closed, what is in it is still
 * sent, and then its stop hook is called.  If all that takes longer than a stop
 * may, what is left is logged, and the process ends without it.
 */
#ifndef MILTER_SERVICE_H
#define MILTER_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICES_MAX 16

struct service {
	const char *name; /* in the log, and of its thread; at most 15 octets */
	bool thread; /* it has one of its own; all others share one, and must
	    not wait */
	size_t room; /* of its queue; 0: it has none */

	/* Called before any service's thread exists, in the order of the table.
	 * 0, or a negative ERR_; ERR_SYSTEM: errno is set.  All hooks may be
	 * NULL.  take, tick and stop are called by the service's thread. */
	int (*start)(void);
	/* Take one of the things that were posted. */
	void (*take)(void *thing);
	/* Returns in how many milliseconds it is to be called again; -1: only
	 * when it is woken.  Called at the start, after service_wake, and when
	 * that time has passed. */
	int64_t (*tick)(void);
	/* Only where a tick waits for something: make it return.  Called by
	 * whoever wakes or stops the service. */
	void (*wake)(void);
	/* The last call: the queue is closed and empty. */
	void (*stop)(void);

	/* Logged if the service does not stop in time; NULL: a general line. */
	const char *late;
};

/*
 * Start the services of a NULL-ended table, which must stay.  All signals must
 * be blocked.  0, or a negative ERR_ with errno set: then none is left running.
 */
int services_start(const struct service *const *rows);
/* Wake all: another configuration is in force. */
void services_wake(void);
/*
 * Stop all, each within that time.  False: some have not stopped; that is
 * logged, and what they use must stay until the process ends.  May be called
 * again.
 */
bool services_stop(long limit_ms);

/* Call its tick soon; if it does not run, do nothing.  May be called in a
 * signal handler. */
void service_wake(const struct service *row);
/* Post a thing to it.  False: it does not run, or its queue is full, which is
 * counted; then the thing stays the caller's. */
bool service_post(const struct service *row, void *thing);
/* So many were dropped since the start. */
uint64_t service_dropped(const struct service *row);

#endif
