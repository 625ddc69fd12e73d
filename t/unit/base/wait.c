/*
 * Waiting for several things at once: a slow scanner beside a slow DNS.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/base/wait.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/dns/dns.h"
#include "t/support/drivers/test.h"

#define LONG_MS 120000 /* only ever reached by a failing test */

/* -- the clock, which can be stopped -- */

static bool stopped;
static int64_t stopped_ms;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!stopped)
		return (int)syscall(SYS_clock_gettime, id, ts);
	ts->tv_sec = stopped_ms / 1000;
	ts->tv_nsec = stopped_ms % 1000 * 1000000;
	return 0;
}

static void
stop_clock(void)
{
	stopped = true;
	stopped_ms = 1000000;
}

static int
clock_runs(void **state)
{
	(void)state;
	stopped = false;
	return 0;
}

/* -- a scanner's client, as wait.h has it: start, collect, drop -- */

#define BODY_LEN (4 << 20) /* more than a socket takes without being read */

struct scan {
	struct wait *w;
	struct wait_io io;
	size_t sent;
	char reply[16];
	size_t got;
	bool ended;
};

static void
scan_send(struct scan *s)
{
	static const char zeros[65536];
	size_t left = BODY_LEN - s->sent;
	ssize_t n = send(s->io.fd, zeros,
	    left < sizeof(zeros) ? left : sizeof(zeros),
	    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		s->ended = errno != EAGAIN;
	else
		s->sent += (size_t)n;
	if (s->sent == BODY_LEN) {
		shutdown(s->io.fd, SHUT_WR);
		s->io.events = POLLIN;
	}
}

static void
scan_receive(struct scan *s)
{
	ssize_t n = recv(s->io.fd, s->reply + s->got,
	    sizeof(s->reply) - 1 - s->got, MSG_DONTWAIT);

	if (n > 0)
		s->got += (size_t)n;
	else
		s->ended = n == 0 || errno != EAGAIN;
}

static void
scan_ready(struct wait_io *io, short revents)
{
	(void)revents;
	if (io->events == POLLOUT)
		scan_send(io->arg);
	else
		scan_receive(io->arg);
	if (((struct scan *)io->arg)->ended)
		io->events = 0;
}

static void
scan_start(struct scan *s, int fd, struct wait *w)
{
	*s = (struct scan){.w = w,
	    .io = {.fd = fd, .events = POLLOUT, .ready = scan_ready, .arg = s}};
	assert_int_equal(wait_add(w, &s->io), 0);
}

static bool
scan_is_done(void *arg)
{
	return ((struct scan *)arg)->ended;
}

/* NULL: it did not answer in time. */
static const char *
scan_collect(struct scan *s, struct wait *w)
{
	return wait_until(w, scan_is_done, s) ? s->reply : NULL;
}

static void
scan_drop(struct scan *s)
{
	wait_remove(s->w, &s->io);
	close(s->io.fd);
}

/* -- the others: a scanner and a DNS, played by one thread -- */

struct dns_query {
	struct world *world;
	/* Under its lock. */
	struct wait *waits;
	bool answered;
};

static struct world {
	int fd; /* the scanner's end */
	pthread_t thread;
	pthread_mutex_t lock;
	/* Under the lock. */
	struct dns_query *query;
	char events[8];
	size_t count;
} world = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void
happens(struct world *u, char event)
{
	pthread_mutex_lock(&u->lock);
	u->events[u->count++] = event;
	pthread_mutex_unlock(&u->lock);
}

static struct dns_query *
late_start(void *ctx, const char *name, enum dns_type type)
{
	struct world *u = ctx;
	struct dns_query *q = calloc(1, sizeof(*q));

	(void)name, (void)type;
	assert_non_null(q);
	q->world = u;
	pthread_mutex_lock(&u->lock);
	u->query = q;
	pthread_mutex_unlock(&u->lock);
	return q;
}

static bool
late_ready(void *ctx, struct dns_query *q)
{
	struct world *u = ctx;
	bool ready;

	pthread_mutex_lock(&u->lock);
	ready = q->answered;
	pthread_mutex_unlock(&u->lock);
	return ready;
}

static bool
is_answered(void *arg)
{
	struct dns_query *q = arg;

	return late_ready(q->world, q);
}

static void
set_waits(struct dns_query *q, struct wait *w)
{
	pthread_mutex_lock(&q->world->lock);
	q->waits = w;
	pthread_mutex_unlock(&q->world->lock);
}

static const struct dns_answer *
late_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	static const struct dns_answer answer = {.status = DNS_NODATA};
	static const struct dns_answer timeout = {.status = DNS_TIMEOUT};
	bool answered;

	(void)ctx;
	set_waits(q, w);
	answered = wait_until(w, is_answered, q);
	set_waits(q, NULL);
	return answered ? &answer : &timeout;
}

static void
late_drop(void *ctx, struct dns_query *q)
{
	struct world *u = ctx;

	pthread_mutex_lock(&u->lock);
	u->query = NULL;
	pthread_mutex_unlock(&u->lock);
	free(q);
}

static const struct dns late = {.ctx = &world,
    .start = late_start,
    .collect = late_collect,
    .drop = late_drop,
    .ready = late_ready};

static void
answer_query(struct world *u)
{
	pthread_mutex_lock(&u->lock);
	if (u->query != NULL) {
		u->events[u->count++] = 'd';
		u->query->answered = true;
		if (u->query->waits != NULL)
			wait_wake(u->query->waits);
	}
	pthread_mutex_unlock(&u->lock);
}

/* Take the whole body, then answer in the DNS, then as the scanner. */
static void *
play(void *arg)
{
	struct world *u = arg;
	static char chunk[65536];
	size_t got = 0;
	ssize_t n;

	while ((n = recv(u->fd, chunk, sizeof(chunk), 0)) > 0)
		got += (size_t)n;
	if (got == BODY_LEN)
		happens(u, 'b');
	answer_query(u);
	happens(u, 'r');
	(void)send(u->fd, "OK", 2, MSG_NOSIGNAL);
	close(u->fd);
	return NULL;
}

/* The client's end; nobody is at the other until play_begins. */
static int
connect_pair(void)
{
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	world.fd = fds[1];
	world.count = 0;
	memset(world.events, 0, sizeof(world.events));
	return fds[0];
}

static void
play_begins(void)
{
	assert_int_equal(
	    pthread_create(&world.thread, NULL, play, &world), 0);
}

static int
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* -- tests -- */

/* The DNS answers only when the scanner has the body, which it gets while the
 * DNS is waited for; the scanner answers when the DNS has, so that nothing is
 * left to wait for there.  Whoever is collected first, the order is the same. */
static void
waits_for_both_together(void **state)
{
	int files = open_files();

	(void)state;
	for (int dns_first = 0; dns_first < 2; dns_first++) {
		struct wait w = WAIT_INIT;
		struct dns_query *q = dns_start(&late, "example", DNS_TXT);
		const char *reply = NULL;
		struct scan scan;

		wait_begin(&w, LONG_MS);
		scan_start(&scan, connect_pair(), &w);
		play_begins();
		if (dns_first) {
			assert_int_equal(
			    dns_collect(&late, q, &w)->status, DNS_NODATA);
			assert_int_equal(scan.sent, BODY_LEN);
		}
		reply = scan_collect(&scan, &w);
		assert_non_null(reply);
		assert_string_equal(reply, "OK");
		assert_true(dns_ready(&late, q));
		assert_int_equal(
		    dns_collect(&late, q, NULL)->status, DNS_NODATA);
		pthread_join(world.thread, NULL);
		assert_string_equal(world.events, "bdr");
		scan_drop(&scan);
		dns_drop(&late, q);
		wait_fini(&w);
	}
	assert_int_equal(open_files(), files);
}

/* Neither answers: who is collected first uses the time up for the other. */
static bool
never(void *arg)
{
	*(int *)arg += 1;
	stopped_ms += 10;
	return false;
}

static void
one_deadline_cuts_all(void **state)
{
	struct wait w = WAIT_INIT;
	struct dns_query *q = dns_start(&late, "example", DNS_TXT);
	struct scan scan;
	int asked = 0;

	(void)state;
	scan_start(&scan, connect_pair(), &w);
	stop_clock();
	wait_begin(&w, 30);
	assert_false(wait_until(&w, never, &asked));
	assert_true(asked > 2);
	assert_true(stopped_ms >= w.deadline_ms);
	/* In time, and once more to see what has come. */
	asked = 0;
	assert_false(wait_until(&w, never, &asked));
	assert_int_equal(asked, 2);
	assert_int_equal(dns_collect(&late, q, &w)->status, DNS_TIMEOUT);
	assert_null(scan_collect(&scan, &w));
	scan_drop(&scan);
	dns_drop(&late, q);
	close(world.fd);
	wait_fini(&w);
}

/* What has come counts, even if the deadline has passed meanwhile. */
static void
takes_what_is_there(void **state)
{
	struct wait w = WAIT_INIT;
	struct scan scan;

	(void)state;
	scan_start(&scan, connect_pair(), &w);
	scan.io.events = POLLIN;
	assert_int_equal(send(world.fd, "OK", 2, 0), 2);
	assert_null(scan_collect(&scan, NULL));
	assert_int_equal(scan.got, 0);
	assert_null(scan_collect(&scan, &w));
	assert_int_equal(scan.got, 2);
	close(world.fd);
	assert_string_equal(scan_collect(&scan, &w), "OK");
	scan_drop(&scan);
	wait_fini(&w);
}

/* Dropped with half the body sent, and with the answer on its way. */
static void
drops_in_the_middle(void **state)
{
	int files = open_files();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct wait w = WAIT_INIT;
		struct dns_query *q = dns_start(&late, "example", DNS_TXT);
		struct scan scan;

		scan_start(&scan, connect_pair(), &w);
		play_begins();
		for (int k = 0; k < i; k++)
			(void)dns_collect(&late, q, &w);
		scan_drop(&scan);
		dns_drop(&late, q);
		wait_fini(&w);
		pthread_join(world.thread, NULL);
	}
	assert_int_equal(open_files(), files);
}

/* -- progress -- */

struct progress {
	int64_t at[8];
	size_t count;
};

static void
on_progress(void *arg)
{
	struct progress *p = arg;

	p->at[p->count++ % 8] = stopped_ms;
}

static void
second_passes(struct wait_io *io, short revents)
{
	(void)io;
	assert_int_equal(revents, POLLOUT);
	stopped_ms += 1000;
}

static bool
is_later(void *arg)
{
	return stopped_ms >= *(int64_t *)arg;
}

/* Regularly from the beginning on, however many things are waited for in turn;
 * not any more when the deadline is there. */
static void
tells_of_progress(void **state)
{
	struct progress told = {.count = 0};
	struct wait w = WAIT_INIT;
	struct wait_io io = {.fd = connect_pair(),
	    .events = POLLOUT,
	    .ready = second_passes};
	int64_t begin, until;

	(void)state;
	assert_int_equal(wait_add(&w, &io), 0);
	w.progress = on_progress;
	w.progress_arg = &told;
	w.progress_ms = 5000;
	stop_clock();
	begin = stopped_ms;
	wait_begin(&w, 20000);
	for (until = begin + 3000; until < w.deadline_ms; until += 3000)
		assert_true(wait_until(&w, is_later, &until));
	until = INT64_MAX;
	assert_false(wait_until(&w, is_later, &until));
	assert_int_equal(told.count, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
		    told.at[i], begin + 5000 * ((int64_t)i + 1));
	wait_begin(&w, 6000);
	assert_false(wait_until(&w, is_later, &until));
	assert_int_equal(told.count, 4);
	w.progress = NULL;
	wait_begin(&w, 20000);
	assert_false(wait_until(&w, is_later, &until));
	assert_int_equal(told.count, 4);
	wait_remove(&w, &io);
	wait_fini(&w);
	close(io.fd);
	close(world.fd);
}

/* Only while there is time left. */
static void
second_waits(struct wait_io *io, short revents)
{
	const struct wait *w = io->arg;

	(void)revents;
	if (stopped_ms < w->deadline_ms)
		stopped_ms += 1000;
}

/* What one step has waited is not there for the next.  What passes between them
 * is nobody's, and a step that does not wait uses nothing up. */
static void
steps_share_what_there_is(void **state)
{
	static const struct {
		int64_t between, wants, gets;
	} steps[] = {{0, 2000, 2000}, {3600000, 0, 0}, {60000, 1000, 1000},
	    {1000, 9000, 3000}, {60000, 1000, 0}};
	struct wait w = WAIT_INIT;
	struct wait_io io = {.fd = connect_pair(),
	    .events = POLLOUT,
	    .ready = second_waits,
	    .arg = &w};
	int64_t begin, until;

	(void)state;
	assert_int_equal(wait_add(&w, &io), 0);
	stop_clock();
	wait_begin(&w, 6000);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		stopped_ms += steps[i].between;
		wait_step(&w);
		begin = stopped_ms;
		until = begin + steps[i].wants;
		/* Two waits in a step: as long as one. */
		(void)wait_until(&w, is_later, &until);
		assert_int_equal(wait_until(&w, is_later, &until),
		    steps[i].wants == steps[i].gets);
		assert_int_equal(stopped_ms - begin, steps[i].gets);
	}
	wait_begin(&w, 6000);
	assert_int_equal(w.deadline_ms, stopped_ms + 6000);
	wait_remove(&w, &io);
	wait_fini(&w);
	close(io.fd);
	close(world.fd);
}

static bool
told_three_times(void *arg)
{
	return ((struct progress *)arg)->count == 3;
}

/* Where there is nothing but what other threads answer, too. */
static void
tells_while_it_sleeps(void **state)
{
	struct progress told = {.count = 0};
	struct wait w = WAIT_INIT;

	(void)state;
	w.progress = on_progress;
	w.progress_arg = &told;
	w.progress_ms = 1;
	wait_begin(&w, LONG_MS);
	assert_true(wait_until(&w, told_three_times, &told));
	wait_fini(&w);
}

/* -- waking -- */

struct waking {
	struct wait w;
	pthread_mutex_t lock;
	bool done;
};

static bool
is_done(void *arg)
{
	struct waking *k = arg;
	bool done;

	pthread_mutex_lock(&k->lock);
	done = k->done;
	pthread_mutex_unlock(&k->lock);
	return done;
}

static void *
wake(void *arg)
{
	struct waking *k = arg;

	pthread_mutex_lock(&k->lock);
	k->done = true;
	wait_wake(&k->w);
	pthread_mutex_unlock(&k->lock);
	return NULL;
}

static void
wake_once(struct wait_io *io)
{
	struct waking k = {
	    .w = WAIT_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};
	pthread_t thread;

	if (io != NULL)
		assert_int_equal(wait_add(&k.w, io), 0);
	wait_begin(&k.w, LONG_MS);
	assert_int_equal(pthread_create(&thread, NULL, wake, &k), 0);
	assert_true(wait_until(&k.w, is_done, &k));
	pthread_join(thread, NULL);
	wait_fini(&k.w);
}

/* Asleep with and without descriptors, and with no descriptor left to be woken
 * by: no call is lost, whenever it comes. */
static void
wakes(void **state)
{
	struct wait_io silent = {.fd = connect_pair(), .events = POLLIN};
	struct rlimit was, none;

	(void)state;
	for (int i = 0; i < 500; i++) {
		wake_once(NULL);
		wake_once(&silent);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3; /* those that are open stay so, and can be polled */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	for (int i = 0; i < 20; i++)
		wake_once(&silent);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	close(silent.fd);
	close(world.fd);
}

/* -- the list -- */

static int calls;
static struct wait *list;
static struct wait_io *other;

static void
take_other_out(struct wait_io *io, short revents)
{
	(void)io, (void)revents;
	calls++;
	wait_remove(list, other);
	free(other);
	other = NULL;
}

static void
count_call(struct wait_io *io, short revents)
{
	(void)io, (void)revents;
	calls++;
}

static bool
asked_once(void *arg)
{
	int *asked = arg;

	return (*asked)++ > 0;
}

static void
ios_come_and_go(void **state)
{
	struct wait w = WAIT_INIT;
	struct wait_io ios[WAIT_IO_MAX + 1], first;
	int fd = connect_pair(), asked = 0;

	(void)state;
	list = &w;
	wait_begin(&w, LONG_MS);
	/* One that is out is not called, though it was ready as well. */
	first = (struct wait_io){
	    .fd = fd, .events = POLLOUT, .ready = take_other_out};
	other = malloc(sizeof(*other));
	*other = (struct wait_io){
	    .fd = fd, .events = POLLOUT, .ready = count_call};
	assert_int_equal(wait_add(&w, &first), 0);
	assert_int_equal(wait_add(&w, other), 0);
	assert_true(wait_until(&w, asked_once, &asked));
	assert_int_equal(calls, 1);
	wait_remove(&w, &first);
	/* There is room for so many. */
	for (size_t i = 0; i <= WAIT_IO_MAX; i++) {
		ios[i] = (struct wait_io){.fd = fd, .ready = count_call};
		assert_int_equal(wait_add(&w, &ios[i]),
		    i < WAIT_IO_MAX ? 0 : ERR_FULL);
	}
	/* One that waits for nothing is not told that its peer went. */
	close(world.fd);
	wait_begin(&w, 0);
	asked = 0;
	assert_true(wait_until(&w, asked_once, &asked));
	assert_int_equal(calls, 1);
	for (size_t i = 0; i <= WAIT_IO_MAX; i++)
		wait_remove(&w, &ios[i]);
	assert_int_equal(w.io_count, 0);
	close(fd);
	wait_fini(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(waits_for_both_together),
	    cmocka_unit_test_teardown(one_deadline_cuts_all, clock_runs),
	    cmocka_unit_test(takes_what_is_there),
	    cmocka_unit_test(drops_in_the_middle),
	    cmocka_unit_test_teardown(tells_of_progress, clock_runs),
	    cmocka_unit_test_teardown(steps_share_what_there_is, clock_runs),
	    cmocka_unit_test(tells_while_it_sleeps),
	    cmocka_unit_test(wakes),
	    cmocka_unit_test(ios_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
