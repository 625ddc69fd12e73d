/* SPDX-License-Identifier: BSD-2-Clause */
#include "wait.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

/* How long to poll where there is no descriptor left to be woken by. */
#define BLIND_MS 20

void
wait_begin(struct wait *w, int64_t ms)
{
	w->left_ms = ms;
	wait_step(w);
}

void
wait_step(struct wait *w)
{
	int64_t now = clock_ms();

	w->deadline_ms = now + w->left_ms;
	w->progress_at = now + w->progress_ms;
}

void
wait_fini(struct wait *w)
{
	if (w->wake_fd >= 0)
		close(w->wake_fd);
	pthread_cond_destroy(&w->woken_cond);
	pthread_mutex_destroy(&w->lock);
}

int
wait_add(struct wait *w, struct wait_io *io)
{
	if (w->io_count == WAIT_IO_MAX)
		return ERR_FULL;
	w->ios[w->io_count++] = io;
	return 0;
}

void
wait_remove(struct wait *w, const struct wait_io *io)
{
	for (size_t i = 0; i < w->io_count; i++) {
		if (w->ios[i] == io) {
			w->ios[i] = w->ios[--w->io_count];
			return;
		}
	}
}

void
wait_wake(struct wait *w)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&w->lock);
	w->woken = true;
	if (!w->polls)
		pthread_cond_signal(&w->woken_cond);
	else if (w->wake_fd >= 0)
		(void)!write(w->wake_fd, &one, sizeof(one));
	pthread_mutex_unlock(&w->lock);
}

/* Until woken: no descriptor is needed, nor is one used up. */
static void
sleep_until(struct wait *w, int64_t until)
{
	const struct timespec ts = clock_timespec(until);
	int rc = 0;

	pthread_mutex_lock(&w->lock);
	while (!w->woken && rc == 0)
		rc = pthread_cond_clockwait(
		    &w->woken_cond, &w->lock, CLOCK_MONOTONIC, &ts);
	w->woken = false;
	pthread_mutex_unlock(&w->lock);
}

static bool
is_listed(const struct wait *w, const struct wait_io *io)
{
	for (size_t i = 0; i < w->io_count; i++) {
		if (w->ios[i] == io)
			return true;
	}
	return false;
}

/* Fill the poll set; the first is wake_fd.  The other ios are kept as well: one
 * that is ready may take another out. */
static void
poll_set(const struct wait *w, struct pollfd *fds, struct wait_io **ios)
{
	fds[0] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
	for (size_t i = 0; i < w->io_count; i++) {
		ios[i] = w->ios[i];
		fds[1 + i] =
		    (struct pollfd){.fd = ios[i]->events == 0 ? -1 : ios[i]->fd,
			.events = ios[i]->events};
	}
}

/* Note that we poll, so that wait_wake uses wake_fd; not when it came before.
 */
static bool
poll_begins(struct wait *w)
{
	bool woken;

	pthread_mutex_lock(&w->lock);
	woken = w->woken;
	w->woken = false;
	w->polls = true;
	pthread_mutex_unlock(&w->lock);
	return !woken;
}

static void
poll_ends(struct wait *w, bool drains)
{
	uint64_t times;

	pthread_mutex_lock(&w->lock);
	w->polls = false;
	pthread_mutex_unlock(&w->lock);
	if (drains)
		(void)!read(w->wake_fd, &times, sizeof(times));
}

static void
poll_for(struct wait *w, int64_t ms)
{
	struct pollfd fds[1 + WAIT_IO_MAX];
	struct wait_io *ios[WAIT_IO_MAX];
	size_t n = w->io_count;
	int found;

	if (w->wake_fd < 0)
		w->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->wake_fd < 0 && ms > BLIND_MS)
		ms = BLIND_MS;
	poll_set(w, fds, ios);
	if (!poll_begins(w))
		ms = 0;
	found = poll(fds, 1 + n,
	    ms < 0	     ? 0
	    : ms > INT32_MAX ? INT32_MAX
			     : (int)ms);
	poll_ends(w, found > 0 && fds[0].revents != 0);
	for (size_t i = 0; found > 0 && i < n; i++) {
		if (fds[1 + i].revents != 0 && is_listed(w, ios[i]))
			ios[i]->ready(ios[i], fds[1 + i].revents);
	}
}

/* Until the deadline, or until it is time to speak to the MTA. */
static int64_t
next_stop(struct wait *w, int64_t now)
{
	if (w->progress == NULL)
		return w->deadline_ms;
	if (now >= w->progress_at && now < w->deadline_ms) {
		w->progress(w->progress_arg);
		w->progress_at = now + w->progress_ms;
	}
	return w->progress_at < w->deadline_ms ? w->progress_at
					       : w->deadline_ms;
}

static bool
wait_from(struct wait *w, int64_t now, bool (*done)(void *arg), void *arg)
{
	for (;; now = clock_ms()) {
		int64_t stop = next_stop(w, now);

		if (w->io_count > 0)
			poll_for(w, stop - now);
		else if (now < stop)
			sleep_until(w, stop);
		if (done(arg))
			return true;
		if (now >= w->deadline_ms)
			return false;
	}
}

bool
wait_until(struct wait *w, bool (*done)(void *arg), void *arg)
{
	int64_t began;
	bool is_done;

	if (done(arg))
		return true;
	if (w == NULL)
		return false;
	began = clock_ms();
	is_done = wait_from(w, began, done, arg);
	w->left_ms -= clock_ms() - began;
	if (w->left_ms < 0)
		w->left_ms = 0;
	return is_done;
}
