/*
 * Services: what a daemon does beside mail.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A service is a constant descriptor in a file of its own, and a row in
 * services.c.  All are started when the daemon has forked for the last time,
 * and stopped in the order of the table reversed.  Mail never waits for one:
 * it may post things to a service's queue, and what finds no room there is
 * dropped and counted.
 *
 * An example.  `alerts` has room for 64 things and a thread of its own.  A
 * stage posts an alert from a mail thread, which costs a lock for a moment; the
 * service's thread wakes up and calls take with it, which sends it somewhere,
 * however long that lasts.  At TERM the queue is closed, what is in it is still
 * sent, and then its stop hook is called.  If all that takes longer than a stop
 * may, the log is told what was left, and the process ends without it.
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

	/* Before any service's thread exists, in the order of the table.  0, or
	 * a negative ERR_; ERR_SYSTEM: errno is set.  All hooks may be NULL;
	 * those below are called by the service's thread. */
	int (*start)(void);
	/* One of the things that were posted. */
	void (*take)(void *thing);
	/* At the start, after service_wake, and when the time has come: returns
	 * in how many milliseconds it wants to be called again; -1: only when
	 * it is woken. */
	int64_t (*tick)(void);
	/* Only where a tick waits for something: make it return.  Called by
	 * whoever wakes or stops the service. */
	void (*wake)(void);
	/* The last call: the queue is closed and empty. */
	void (*stop)(void);

	/* What the log is told if that does not come to its end in time; NULL:
	 * that it was so. */
	const char *late;
};

/*
 * Start the services of a NULL-ended table, which must stay.  All signals must
 * be blocked.  0, or a negative ERR_ with errno set: then none is left running.
 */
int services_start(const struct service *const *rows);
/* Wake all: there is another configuration in force. */
void services_wake(void);
/*
 * Stop all, each within that time.  False: not all have; the log was told, and
 * what they use must stay until the process ends.  May be called again.
 */
bool services_stop(long limit_ms);

/* Have its tick called soon.  Nothing happens if it does not run.  May be
 * called in a signal handler. */
void service_wake(const struct service *row);
/* Give it something to take.  False: it does not run, or its queue is full
 * (then this is counted): the thing stays the caller's. */
bool service_post(const struct service *row, void *thing);
/* So many were dropped since the start. */
uint64_t service_dropped(const struct service *row);

#endif
