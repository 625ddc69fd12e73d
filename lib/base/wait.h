/*
 * What one message waits for: answers of the DNS, of scanners and of stores,
 * all at the same time and under one deadline.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Whatever waits has three steps.  *Start* begins it, and never waits.
 * *Collect* takes the struct wait and returns what came of it, at the deadline
 * at the latest; it is built on wait_until.  *Drop* ends it, whether answered
 * or not.  There are two kinds:
 *
 * - Something that another thread answers (lib/dns/dns.h): while somebody
 *   waits, that thread calls wait_wake when the answer is there.
 * - A descriptor that we write to and read from ourselves, say a scanner's.
 *   Start puts its struct wait_io into the list, drop takes it out.  Its ready
 *   function is called in every wait_until, whoever waits for whatever: while a
 *   check waits for the DNS, the scanner gets the message.
 *
 * So who collects one after the other waits for as long as the slowest takes,
 * and not for the sum of all.
 *
 * One thread at a time uses a struct wait, but for wait_wake.  Times are those
 * of lib/base/clock.h, in milliseconds.
 */
#ifndef LIB_BASE_WAIT_H
#define LIB_BASE_WAIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WAIT_IO_MAX 16 /* descriptors of one message */

/* How often the MTA is told that we are at work: before Sendmail's 10 seconds
 * (R= of its filter's T=) are over, which is the shortest default. */
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
	int64_t deadline_ms;
	/* Called every progress_ms from wait_begin on, while something is
	 * waited for.  May be set at any time; NULL: there is nobody. */
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

/* To initialize one with; a deadline in the past waits for nothing. */
#define WAIT_INIT                                                              \
	{                                                                      \
		.progress_ms = WAIT_PROGRESS_MS, .wake_fd = -1,                \
		.lock = PTHREAD_MUTEX_INITIALIZER,                             \
		.woken_cond = PTHREAD_COND_INITIALIZER                         \
	}
/* All ios must have been taken out, and nobody may wake it any more. */
void wait_fini(struct wait *w);

/* From now on there are that many milliseconds. */
void wait_begin(struct wait *w, int64_t ms);

/*
 * Wait until done(arg), which is asked again whenever something has happened.
 * False: the deadline passed first.  What has come by then counts: done is
 * asked at least once, and ios are looked at even after the deadline.
 *
 * w NULL: don't wait, only ask.
 */
bool wait_until(struct wait *w, bool (*done)(void *arg), void *arg);
/* Have done asked again.  From any thread; a lock that the caller and who waits
 * have in common has to see that w is still there. */
void wait_wake(struct wait *w);

/* io is the caller's, and must stay where it is until it is taken out.  0, or
 * ERR_FULL. */
int wait_add(struct wait *w, struct wait_io *io);
/* It need not be in there. */
void wait_remove(struct wait *w, const struct wait_io *io);

#endif
