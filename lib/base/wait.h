/*
 * What one message waits for: answers of the DNS, of scanners and of stores,
 * all at the same time and under one limit: so long, and no longer, it may wait
 * in all its steps together.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Every such request has three steps.  *Start* begins it, and never waits.
 * *Collect* takes the struct wait and returns the result, at the deadline at
 * the latest; it is built on wait_until.  *Drop* ends it, whether answered or
 * not.  There are two kinds:
 *
 * - A request that another thread answers (lib/dns/dns.h): if somebody waits
 *   when the answer is there, that thread calls wait_wake.
 * - A descriptor that we write to and read from ourselves, say a scanner's.
 *   Start puts its struct wait_io into the list, drop takes it out.  Every
 *   wait_until calls its ready function, whatever it waits for itself: while a
 *   check waits for the DNS, the scanner gets the message.
 *
 * So to collect several, one after the other, takes as long as the slowest, and
 * not as long as their sum.
 *
 * One thread at a time may use a struct wait; the exception is wait_wake.
 * Times are those of lib/base/clock.h, in milliseconds.
 */
#ifndef LIB_BASE_WAIT_H
#define LIB_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_IO_MAX 16 /* descriptors of one message */

/* How often the MTA gets a report of progress.  The shortest default timeout of
 * an MTA is Sendmail's 10 seconds (R= of its filter's T=). */
#define WAIT_PROGRESS_MS 5000

struct wait_io {
	int fd;	      /* must not block */
	short events; /* POLLIN, POLLOUT: what is waited for; 0: nothing yet */
	/* One of them has come, or an error (poll(2)'s revents).  May change fd
	 * and events, and take any io out.  Must not wait. */
	void (*ready)(struct wait_io *io, short revents);
	void *arg;
};

struct wait {
	int64_t left_ms;     /* that waiting may still take */
	int64_t deadline_ms; /* of this step */
	/* Called every progress_ms from the beginning of the step on, while
	 * something is waited for.  May be set at any time; NULL: progress is
	 * not reported. */
	void (*progress)(void *arg);
	void *progress_arg;
	int64_t progress_ms;

	int64_t progress_at; /* when the next is due */
	struct wait_io *ios[WAIT_IO_MAX];
	size_t io_count;
	int wake_fd; /* an eventfd, from the first poll on; -1: none */
	pthread_mutex_t lock;
	pthread_cond_t woken_cond;
	/* Under the lock. */
	bool woken;
	bool polls; /* in poll(2), so it is woken by wake_fd */
};

/* The initial value.  Its deadline is in the past, so nothing is waited for. */
#define WAIT_INIT                                                              \
	{                                                                      \
		.progress_ms = WAIT_PROGRESS_MS, .wake_fd = -1,                \
		.lock = PTHREAD_MUTEX_INITIALIZER,                             \
		.woken_cond = PTHREAD_COND_INITIALIZER                         \
	}
/* All ios must have been taken out, and nobody may wake it any more. */
void wait_fini(struct wait *w);

/* From here on, all waiting may take that many milliseconds.  A step begins. */
void wait_begin(struct wait *w, int64_t ms);
/* A step begins: its deadline is when what the steps before have left is used
 * up.  The time between steps counts for nothing, as nobody waits there. */
void wait_step(struct wait *w);

/*
 * Wait until done(arg) is true; it is called again whenever something has
 * happened.  False: the deadline passed first.  What has come by then counts:
 * done is called at least once, and ios are polled even after the deadline.
 *
 * w NULL: don't wait, only call done.
 */
bool wait_until(struct wait *w, bool (*done)(void *arg), void *arg);
/* Make wait_until call done again.  May be called from any thread.  The caller
 * and the waiter must share a lock that keeps w from going away. */
void wait_wake(struct wait *w);

/* io is the caller's, and must stay where it is until it is taken out.  0, or
 * ERR_FULL. */
int wait_add(struct wait *w, struct wait_io *io);
/* Take io out, if it is in. */
void wait_remove(struct wait *w, const struct wait_io *io);

#endif
