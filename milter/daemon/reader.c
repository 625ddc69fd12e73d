/* SPDX-License-Identifier: BSD-2-Clause */
#include "reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <libmilter/mfdef.h>

#include "milter/log.h"
#include "packet.h"

/* What libmilter has in a header of its own. */
enum {
	READ_TIMEOUT = 1,
	READ_MALLOC = 3,
	READ_ERROR = 4,
	READ_EOF = 5,
	READ_TOO_BIG = 7,
};

#define HEAD (MILTER_LEN_BYTES + 1)
#define PEEK_MAX 8192  /* looked at in one go: two writes of Postfix */
#define HELD_FDS 65536 /* packets from a higher one are read one by one */

/*
 * When a worker thread of libmilter's has dealt with a packet, it waits for the
 * next so long, and then gives the session back to the pool: a write and a read
 * of a pipe, another poll, the waking of another worker, and often the end of
 * this thread and the start of a new one.  Within a message an MTA is seldom
 * quicker, and never much slower, so the worker stays a little.  Each that does
 * is a thread, and with hundreds of slow sessions there would be hundreds, so
 * only some may; the others do as libmilter has it.
 */
#define WORKER_WAIT_MS 1
#define LINGER_MS 20
#define LINGERERS_MAX 32

/*
 * An MTA sends many small packets in a row.  Whole ones are copied from the
 * socket in one go, but left in it (MSG_PEEK) until the last of them is handed
 * out: libmilter polls the descriptor before it asks for a packet, and what it
 * is told stays true.
 */
struct held {
	size_t at, len;
	char data[];
};

/* By descriptor.  NULL: it does not come from our accept, so nothing would say
 * when another connection has its number; &nothing: no packets are held. */
static _Atomic(struct held *) table[HELD_FDS];
static struct held nothing;

/* The connection of which this thread read last: -1: none.  Another thread may
 * poll a number that was that of a connection, and is now a file's. */
static _Thread_local int mine = -1;

static atomic_int lingerers; /* threads that stay with a session just now */

static void (*trial)(void);

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* 0, or why not.  *end: when it must be there; 0: not looked at yet. */
static int
wait_readable(int fd, const struct timeval *timeout, int64_t *end)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	int64_t left, now = now_ms();
	int n;

	if (*end == 0)
		*end = now + (int64_t)timeout->tv_sec * 1000 +
		       timeout->tv_usec / 1000;
	left = *end - now;
	if (left <= 0)
		return READ_TIMEOUT;
	n = poll(&pfd, 1, left > INT32_MAX ? INT32_MAX : (int)left);
	if (n == 0)
		return left > INT32_MAX ? 0 : READ_TIMEOUT;
	return n > 0 || errno == EINTR ? 0 : READ_ERROR;
}

/* Exactly so many octets: 0, or why not.  libmilter calls when something is
 * there, so the first try is without a poll. */
static int
read_all(
    int fd, char *to, size_t len, const struct timeval *timeout, int64_t *end)
{
	while (len > 0) {
		ssize_t n = recv(fd, to, len, MSG_DONTWAIT);
		int rc = 0;

		if (n == 0)
			return READ_EOF;
		if (n > 0) {
			to += n;
			len -= (size_t)n;
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			rc = wait_readable(fd, timeout, end);
		} else if (errno != EINTR) {
			rc = READ_ERROR;
		}
		if (rc != 0)
			return rc;
	}
	return 0;
}

static void
say_refused(void)
{
	static struct log_seldom seldom;

	log_seldom(&seldom, LOG_WARNING,
	    "a connection was ended: what came is no packet of the milter "
	    "protocol");
}

/* How long the rest of a packet is: 0, or why there can be none. */
static int
find_length(const char *head, size_t *len_r)
{
	uint32_t size;

	memcpy(&size, head, sizeof(size));
	size = ntohl(size);
	*len_r = size - 1;
	return size == 0				   ? READ_ERROR
	       : size - 1 > (uint32_t)MILTER_MAX_DATA_SIZE ? READ_TOO_BIG
							   : 0;
}

/* One octet more, so that a string always has an end. */
static char *
make_rest(size_t len)
{
	char *rest = malloc(len + 1);

	if (rest != NULL)
		rest[len] = '\0';
	return rest;
}

/* -- packets that are held -- */

static void
forget(struct held *h)
{
	if (h != &nothing)
		free(h);
}

/* What is held of this descriptor; the caller's, until put_held. */
static struct held *
take_held(int fd)
{
	if (fd < 0 || fd >= HELD_FDS)
		return NULL;
	return atomic_exchange(&table[fd], NULL);
}

static void
put_held(int fd, struct held *h)
{
	if (h != NULL)
		atomic_store(&table[fd], h);
}

/* How many octets are whole packets. */
static size_t
find_whole(const char *data, size_t len)
{
	size_t at = 0, rest;

	while (len - at >= HEAD && find_length(data + at, &rest) == 0 &&
	       rest <= len - at - HEAD)
		at += HEAD + rest;
	return at;
}

/* The packets that are there as a whole; &nothing: none. */
static struct held *
peek(int fd)
{
	char data[PEEK_MAX];
	ssize_t n = recv(fd, data, sizeof(data), MSG_PEEK | MSG_DONTWAIT);
	struct held *h;
	size_t len = n <= 0 ? 0 : find_whole(data, (size_t)n);

	h = len == 0 ? NULL : malloc(sizeof(*h) + len);
	if (h == NULL)
		return &nothing;
	*h = (struct held){.len = len};
	memcpy(h->data, data, len);
	return h;
}

/* The next packet of h; with the last one all of them leave the socket.  As
 * read_packet. */
static char *
next_held(int fd, struct held *h, const struct timeval *timeout, int64_t *end,
    char head[HEAD], size_t *len_r, int *rc_r)
{
	char *rest = NULL;

	memcpy(head, h->data + h->at, HEAD);
	*rc_r = find_length(head, len_r);
	if (*rc_r == 0 && *len_r > 0) {
		rest = make_rest(*len_r);
		if (rest == NULL)
			*rc_r = READ_MALLOC;
		else
			memcpy(rest, h->data + h->at + HEAD, *len_r);
	}
	h->at += HEAD + *len_r;
	if (*rc_r == 0 && h->at == h->len)
		*rc_r = read_all(fd, h->data, h->len, timeout, end);
	return rest;
}

/* -- a packet -- */

/* One packet: the octets behind the command, NULL if there are none; *rc_r: 0,
 * or why there is no packet. */
static char *
read_packet(int fd, const struct timeval *timeout, int64_t *end,
    char head[HEAD], size_t *len_r, int *rc_r)
{
	char *rest = NULL;

	*rc_r = read_all(fd, head, HEAD, timeout, end);
	if (*rc_r == 0 && (*rc_r = find_length(head, len_r)) != 0)
		say_refused();
	if (*rc_r != 0 || *len_r == 0)
		return NULL;
	rest = make_rest(*len_r);
	*rc_r = rest == NULL ? READ_MALLOC
			     : read_all(fd, rest, *len_r, timeout, end);
	return rest;
}

/* Is it the last packet of the connection?  libmilter closes that, and then its
 * number may be another's.  After SMFIC_QUIT_NC the connection goes on. */
static bool
quits(const char head[HEAD])
{
	return head[MILTER_LEN_BYTES] == SMFIC_QUIT;
}

/* As read_packet, from what is held where that is possible. */
static char *
get_packet(int fd, const struct timeval *timeout, char head[HEAD],
    size_t *len_r, int *rc_r)
{
	struct held *h = take_held(fd);
	int64_t end = 0;
	char *rest;

	if (h == &nothing)
		h = peek(fd);
	if (h == NULL || h == &nothing) {
		rest = read_packet(fd, timeout, &end, head, len_r, rc_r);
	} else {
		rest = next_held(fd, h, timeout, &end, head, len_r, rc_r);
		if (*rc_r != 0 || h->at == h->len) {
			forget(h);
			h = &nothing;
		}
	}
	put_held(fd, h);
	mine = h == NULL || *rc_r != 0 || quits(head) ? -1 : fd;
	return rest;
}

__attribute__((used, visibility("default"))) char *
mi_rd_cmd(
    int fd, struct timeval *timeout, char *cmd_r, size_t *len_r, char *name)
{
	char head[HEAD], *rest;
	size_t len = 0;
	int rc;

	(void)name;
	if (trial != NULL)
		trial();
	rest = get_packet(fd, timeout, head, &len, &rc);
	if (rc == 0 && !packet_check(head[MILTER_LEN_BYTES], rest, len)) {
		say_refused();
		rc = READ_ERROR;
	}
	if (rc != 0) {
		free(rest);
		rest = NULL;
	}
	*cmd_r = rc == 0 ? head[MILTER_LEN_BYTES] : (char)rc;
	*len_r = rest == NULL ? 0 : len;
	return rest;
}

void
reader_begin(int fd)
{
	if (fd >= 0 && fd < HELD_FDS)
		forget(atomic_exchange(&table[fd], &nothing));
}

/* -- libc's poll, for everything in this process -- */

int poll_ours(struct pollfd *fds, nfds_t n, int timeout) __asm__("poll")
    __attribute__((used, visibility("default")));

/* The system's poll. */
static int
poll_system(struct pollfd *fds, nfds_t n, int timeout)
{
	struct timespec ts = {timeout / 1000, timeout % 1000 * 1000000L};

	return ppoll(fds, n, timeout < 0 ? NULL : &ts, NULL);
}

/* A worker's poll for the next packet of its session. */
static int
linger(struct pollfd *fds, nfds_t n)
{
	bool may = atomic_fetch_add(&lingerers, 1) < LINGERERS_MAX;
	int found = 0;

	if (may)
		found = poll_system(fds, n, LINGER_MS);
	atomic_fetch_sub(&lingerers, 1);
	return may ? found : poll_system(fds, n, WORKER_WAIT_MS);
}

int
poll_ours(struct pollfd *fds, nfds_t n, int timeout)
{
	const struct held *h = NULL;

	if (n == 1 && fds->events == POLLIN && mine >= 0 && fds->fd == mine)
		h = atomic_load(&table[mine]); /* NULL inside mi_rd_cmd */
	if (h != NULL && h != &nothing) {
		/* It is still in the socket, so the system would say so. */
		fds->revents = POLLIN;
		return 1;
	}
	if (h != NULL && timeout == WORKER_WAIT_MS)
		return linger(fds, n);
	return poll_system(fds, n, timeout);
}

void
reader_trial(void (*called)(void))
{
	trial = called;
}
