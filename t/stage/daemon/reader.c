/*
 * Reading packets as libmilter does, which polls before it reads: what is held
 * changes nothing that it can see, costs few calls, is nobody else's, and a
 * slow peer is given up.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/daemon/reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <libmilter/mfdef.h>

#include "t/support/drivers/test.h"

#define TIMED_OUT 1 /* what libmilter takes for it */
#define BROKEN 4
#define ENDED 5
#define BIG 60000
#define PACKETS 100
#define STEP_S 60 /* of the slow peer's clock */

/* -- the system -- */

static struct {
	unsigned recvs, polls;
	long waited_ms; /* by the last poll, if `still` */
	bool still;	/* nothing comes */
	int inside;	/* polls that go on meanwhile, each in the one before */
	int fd;		/* of what */
	unsigned stayed; /* of them that long */
	bool slow;	 /* an octet a minute */
	bool came;	 /* this minute's */
	time_t clock;
} sys;

ssize_t __real_recv(int fd, void *to, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t len, int flags);
int __real_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const void *mask);
int __wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const void *mask);
int __real_clock_gettime(clockid_t clock, struct timespec *ts_r);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts_r);

ssize_t
__wrap_recv(int fd, void *to, size_t len, int flags)
{
	sys.recvs++;
	if (!sys.slow)
		return __real_recv(fd, to, len, flags);
	if (!sys.came) {
		errno = EAGAIN;
		return -1;
	}
	sys.came = (flags & MSG_PEEK) != 0;
	return __real_recv(fd, to, 1, flags);
}

int
__wrap_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout,
    const void *mask)
{
	sys.polls++;
	if (sys.inside > 0) {
		struct pollfd one = {.fd = sys.fd, .events = POLLIN};

		sys.inside--;
		(void)poll(&one, 1, 1);
	}
	sys.waited_ms = timeout == NULL ? -1
					: timeout->tv_sec * 1000 +
					      timeout->tv_nsec / 1000000;
	sys.stayed += sys.waited_ms == 20;
	if (sys.still)
		return 0;
	if (!sys.slow)
		return __real_ppoll(fds, n, timeout, mask);
	sys.clock += STEP_S;
	sys.came = true;
	fds->revents = POLLIN;
	return 1;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *ts_r)
{
	if (!sys.slow)
		return __real_clock_gettime(clock, ts_r);
	*ts_r = (struct timespec){.tv_sec = 1000 + sys.clock};
	return 0;
}

/* -- the peers -- */

struct pair {
	int ours, theirs;
};

static void
connect_pair(struct pair *p, bool accepted)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	*p = (struct pair){fds[0], fds[1]};
	if (accepted)
		reader_begin(p->ours);
	memset(&sys, 0, sizeof(sys));
}

static void
disconnect(struct pair *p)
{
	close(p->ours);
	close(p->theirs);
}

/* How long the packet is. */
static size_t
make(char *to, char command, const char *data, size_t len)
{
	uint32_t size = htonl((uint32_t)len + 1);

	memcpy(to, &size, sizeof(size));
	to[sizeof(size)] = command;
	if (len > 0)
		memcpy(to + sizeof(size) + 1, data, len);
	return sizeof(size) + 1 + len;
}

/* Rows of a command and its data. */
static size_t
make_burst(char *to, const char *const rows[][2], size_t count)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += make(to + n, rows[i][0][0], rows[i][1],
		    strlen(rows[i][1]) + (rows[i][0][0] != 'E'));
	return n;
}

static void
say(const struct pair *p, const char *data, size_t len)
{
	assert_int_equal(write(p->theirs, data, len), len);
}

static char *
next(const struct pair *p, char *command_r, size_t *len_r)
{
	struct timeval timeout = {.tv_sec = 3600};

	return mi_rd_cmd(p->ours, &timeout, command_r, len_r, NULL);
}

static void
expect(const struct pair *p, char command, const char *data)
{
	size_t len;
	char got, *rest = next(p, &got, &len);

	assert_int_equal(got, command);
	if (command == 'E') {
		assert_null(rest);
		assert_int_equal(len, 0);
	} else {
		assert_int_equal(len, strlen(data) + 1);
		assert_string_equal(rest, data);
	}
	free(rest);
}

static void
expect_end(const struct pair *p, char why)
{
	size_t len;
	char got;

	assert_null(next(p, &got, &len));
	assert_int_equal(got, why);
	assert_int_equal(len, 0);
}

/* As libmilter asks, and as the system answers. */
static void
expect_readable(const struct pair *p, int readable)
{
	struct pollfd a = {.fd = p->ours, .events = POLLIN}, b = a;
	struct timespec now = {0};

	assert_int_equal(poll(&a, 1, 0), readable);
	assert_int_equal(
	    syscall(SYS_ppoll, &b, 1, &now, NULL, (size_t)8), readable);
	assert_int_equal(a.revents, b.revents);
}

static const char *const burst[][2] = {{"M", "<a@example.org>"},
    {"R", "<b@example.org>"}, {"B", "body"}, {"E", ""},
    {"H", "client.example.org"}};
#define N (sizeof(burst) / sizeof(*burst))

/* -- tests -- */

static void
few_calls(void **state)
{
	char data[1024];
	size_t len = make_burst(data, burst, N);
	struct pair p;

	(void)state;
	connect_pair(&p, true);
	say(&p, data, len - 3);
	for (size_t i = 0; i < N - 1; i++) {
		expect_readable(&p, 1);
		expect(&p, burst[i][0][0], burst[i][1]);
	}
	assert_int_equal(sys.recvs, 2);
	assert_int_equal(sys.polls, 1); /* the first, when nothing is known */
	/* What is there of the last one is left to be read. */
	expect_readable(&p, 1);
	say(&p, data + len - 3, 3);
	expect(&p, burst[N - 1][0][0], burst[N - 1][1]);
	expect_readable(&p, 0);
	disconnect(&p);
}

/* libmilter may be polling other things, or this for other things. */
static void
other_polls(void **state)
{
	struct pollfd two[2] = {{0}}, *out = two;
	char data[1024];
	struct pair p, q;

	(void)state;
	connect_pair(&q, true);
	connect_pair(&p, true);
	say(&p, data, make_burst(data, burst, N));
	expect(&p, burst[0][0][0], burst[0][1]);
	*out = (struct pollfd){.fd = p.ours, .events = POLLOUT};
	assert_int_equal(poll(out, 1, 0), 1);
	assert_int_equal(out->revents, POLLOUT);
	two[0] = (struct pollfd){.fd = q.ours, .events = POLLIN};
	two[1] = (struct pollfd){.fd = p.ours, .events = POLLIN};
	assert_int_equal(poll(two, 2, -1), 1);
	assert_int_equal(two[0].revents, 0);
	assert_int_equal(two[1].revents, POLLIN);
	assert_int_equal(poll(two, 1, 1), 0);
	disconnect(&p);
	disconnect(&q);
}

static void
expect_wait(int fd, short events, int timeout, long ms)
{
	struct pollfd two[2] = {{.fd = fd, .events = events}, {.fd = -1}};

	assert_int_equal(poll(two, 1, timeout), 0);
	assert_int_equal(sys.waited_ms, ms);
	assert_int_equal(poll(two, 2, timeout), 0);
	assert_int_equal(sys.waited_ms, timeout);
}

/* A worker of libmilter's waits a little longer for its session than it asks;
 * nobody else does. */
static void
lingers(void **state)
{
	char data[1024];
	struct pair p;

	(void)state;
	connect_pair(&p, true);
	sys.still = true;
	expect_wait(p.ours, POLLIN, 1, 1);
	say(&p, data, make_burst(data, burst, 1));
	expect(&p, burst[0][0][0], burst[0][1]);
	expect_wait(p.ours, POLLIN, 1, 20);
	expect_wait(p.ours, POLLIN, 0, 0);
	expect_wait(p.ours, POLLIN, 10000, 10000);
	expect_wait(p.ours, POLLIN, -1, -1);
	expect_wait(p.ours, POLLOUT, 1, 1);
	expect_wait(p.ours, POLLIN | POLLPRI, 1, 1);
	expect_wait(p.theirs, POLLIN, 1, 1);
	expect_wait(-1, POLLIN, 1, 1);
	expect_wait(1000000, POLLIN, 1, 1);
	shutdown(p.theirs, SHUT_WR);
	expect_end(&p, ENDED);
	expect_wait(p.ours, POLLIN, 1, 1);
	disconnect(&p);
}

/* Each that stays is a thread. */
static void
few_linger(void **state)
{
	char data[1024];
	struct pair p;

	(void)state;
	connect_pair(&p, true);
	say(&p, data, make_burst(data, burst, 1));
	expect(&p, burst[0][0][0], burst[0][1]);
	for (int i = 0; i < 2; i++) {
		sys.still = true;
		sys.fd = p.ours;
		sys.stayed = 0;
		sys.inside = 300;
		expect_wait(p.ours, POLLIN, 1, 20);
		assert_int_equal(sys.inside, 0);
		assert_in_range(sys.stayed, 2, 64);
	}
	disconnect(&p);
}

/* A connection that ended in the middle of a burst, and the next one that has
 * its descriptor's number. */
static void
not_anothers(void **state)
{
	static const char *const others[][2] = {{"H", "other.example.net"}};
	char data[1024];
	struct pair p, q;
	int number;

	(void)state;
	connect_pair(&p, true);
	connect_pair(&q, false);
	say(&p, data, make_burst(data, burst, N));
	expect(&p, burst[0][0][0], burst[0][1]);
	number = p.ours;
	disconnect(&p);
	assert_int_equal(dup2(q.ours, number), number);
	close(q.ours);
	q.ours = number;
	reader_begin(number);
	expect_readable(&q, 0);
	say(&q, data, make_burst(data, others, 1));
	expect(&q, 'H', others[0][1]);
	disconnect(&q);
}

static void *
poll_it(void *arg)
{
	struct pollfd *pfd = arg;

	return poll(pfd, 1, 0) == 0 ? NULL : pfd;
}

/* Such a number can be a file's, too: for another thread that is what counts.
 */
static void
not_a_files(void **state)
{
	struct pollfd pfd = {.events = POLLIN};
	char data[1024];
	struct pair p, file;
	pthread_t thread;
	void *readable;

	(void)state;
	connect_pair(&p, true);
	connect_pair(&file, false);
	say(&p, data, make_burst(data, burst, N));
	expect(&p, burst[0][0][0], burst[0][1]);
	assert_int_equal(dup2(file.ours, p.ours), p.ours);
	pfd.fd = p.ours;
	assert_int_equal(pthread_create(&thread, NULL, poll_it, &pfd), 0);
	assert_int_equal(pthread_join(thread, &readable), 0);
	assert_null(readable);
	disconnect(&p);
	disconnect(&file);
}

/* After the last packet of a connection its number can be a file's for this
 * thread, too, whatever followed; after a QUIT_NC there is more to come. */
static void
not_after_it_quits(void **state)
{
	static const char quit[] = {SMFIC_QUIT, SMFIC_QUIT_NC};

	(void)state;
	for (size_t i = 0; i < sizeof(quit); i++) {
		char data[1024], got;
		struct pair p, file;
		size_t len = make(data, quit[i], NULL, 0);

		connect_pair(&file, false);
		connect_pair(&p, true);
		len += make_burst(data + len, burst, N);
		say(&p, data, len);
		assert_null(next(&p, &got, &len));
		assert_int_equal(got, quit[i]);
		sys.polls = 0;
		expect_readable(&p, 1);
		assert_int_equal(sys.polls, got == SMFIC_QUIT);
		if (got == SMFIC_QUIT) {
			assert_int_equal(dup2(file.ours, p.ours), p.ours);
			expect_readable(&p, 0);
		}
		disconnect(&p);
		disconnect(&file);
	}
}

/* Nobody would say when its number is another's. */
static void
not_accepted_by_us(void **state)
{
	char data[1024];
	struct pair p;
	int left = 1, flags = MSG_PEEK | MSG_DONTWAIT;

	(void)state;
	connect_pair(&p, false);
	/* Of a number that no test has had. */
	assert_true((left = dup2(p.ours, 200)) == 200);
	close(p.ours);
	p.ours = left;
	say(&p, data, make_burst(data, burst, N));
	for (size_t i = 0; i < N; i++) {
		uint32_t size = 0;

		expect(&p, burst[i][0][0], burst[i][1]);
		if (i + 1 < N)
			assert_int_equal(
			    __real_recv(p.ours, &size, 4, flags), 4);
		if (i + 1 < N)
			assert_int_equal(
			    ntohl(size), 1 + strlen(burst[i + 1][1]) +
					     (burst[i + 1][0][0] != 'E'));
	}
	disconnect(&p);
}

/* What is no packet ends the connection, but not before those in front of it
 * were read. */
static void
refused_in_a_burst(void **state)
{
	static const struct {
		const char *octets;
		size_t len;
		char why;
	} bad[] = {
	    {"\0\0\0\0", 5, BROKEN},
	    {"\0\0\0\2M\0x", 6, 0},
	    {"\0\0\0\3Mxx", 7, BROKEN},
	    {"\377\377\377\377M", 5, 7},
	};
	char data[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		size_t len = make_burst(data, burst, 2);
		struct pair p;

		connect_pair(&p, true);
		memcpy(data + len, bad[i].octets, bad[i].len);
		say(&p, data, len + bad[i].len);
		expect(&p, burst[0][0][0], burst[0][1]);
		expect(&p, burst[1][0][0], burst[1][1]);
		if (bad[i].why == 0)
			expect(&p, 'M', "");
		else
			expect_end(&p, bad[i].why);
		disconnect(&p);
	}
}

static void
end_of_connection(void **state)
{
	char data[1024];
	struct pair p;

	(void)state;
	connect_pair(&p, true);
	say(&p, data, make_burst(data, burst, 2) - 1);
	shutdown(p.theirs, SHUT_WR);
	expect(&p, burst[0][0][0], burst[0][1]);
	expect_end(&p, ENDED);
	disconnect(&p);
}

/* Silent after so many octets; or an octet a minute: longer than an hour no
 * thread waits for one packet. */
static void
slow_peer(void **state)
{
	static const char *const large[][2] = {
	    {"B", "body"}, {"B", "012345678901234567890123456789012345678901234"
				 "5678901234567890123"}};
	char data[1024];
	size_t len = make_burst(data, large, 2);

	(void)state;
	for (int accepted = 0; accepted < 2; accepted++) {
		struct pair p;

		connect_pair(&p, accepted);
		say(&p, data, len);
		sys.slow = true;
		expect(&p, 'B', "body");
		assert_true(sys.clock >= STEP_S * 5);
		sys.clock = 0;
		expect_end(&p, TIMED_OUT);
		assert_true(sys.clock <= 3600 + STEP_S);
		assert_true(sys.recvs < 400);
		disconnect(&p);
	}
}

/* So many packets, most of them small; how long they are together. */
static size_t
make_any(char *to, size_t sizes[], size_t count, unsigned *seed)
{
	static char part[BIG];
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		unsigned r = (unsigned)rand_r(seed);

		sizes[i] = 1 + (r % 25 == 0 ? r / 25 % BIG : r % 300);
		memset(part, 'a' + (int)(i % 26), sizes[i]);
		n += make(to + n, SMFIC_BODY, part, sizes[i]);
	}
	return n;
}

/* Whatever is written in whatever pieces, the packets are these. */
static void
any_pieces(void **state)
{
	static char data[PACKETS * (BIG + 5)];
	unsigned seed = 1;

	(void)state;
	for (int turn = 0; turn < 40; turn++) {
		size_t sizes[PACKETS], sent = 0, at = 0;
		size_t len = make_any(data, sizes, PACKETS, &seed);
		struct pair p;

		connect_pair(&p, turn % 4 != 0);
		for (size_t i = 0; i < PACKETS; i++) {
			/* This packet at least, and then some. */
			size_t to = at + 5 + sizes[i], got_len;
			char got, *rest;

			if (to > sent) {
				to += (size_t)rand_r(&seed) % 3000;
				to = to > len ? len : to;
				say(&p, data + sent, to - sent);
				sent = to;
			}
			rest = next(&p, &got, &got_len);
			assert_int_equal(got, SMFIC_BODY);
			assert_int_equal(got_len, sizes[i]);
			assert_memory_equal(rest, data + at + 5, got_len);
			assert_int_equal(rest[got_len], '\0');
			free(rest);
			at += 5 + sizes[i];
			expect_readable(&p, sent > at);
		}
		disconnect(&p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(few_calls),
	    cmocka_unit_test(other_polls),
	    cmocka_unit_test(lingers),
	    cmocka_unit_test(few_linger),
	    cmocka_unit_test(not_anothers),
	    cmocka_unit_test(not_a_files),
	    cmocka_unit_test(not_after_it_quits),
	    cmocka_unit_test(not_accepted_by_us),
	    cmocka_unit_test(refused_in_a_burst),
	    cmocka_unit_test(end_of_connection),
	    cmocka_unit_test(slow_peer),
	    cmocka_unit_test(any_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
