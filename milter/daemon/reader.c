/* SPDX-License-Identifier: BSD-2-Clause */
#include "reader.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
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

/* The octets behind the command; NULL with why in *rc_r, or with 0: none. */
static char *
read_rest(int fd, const char head[MILTER_LEN_BYTES + 1],
    const struct timeval *timeout, int64_t *end, size_t *len_r, int *rc_r)
{
	uint32_t size;
	char *rest;

	memcpy(&size, head, sizeof(size));
	size = ntohl(size);
	*rc_r = size == 0				    ? READ_ERROR
		: size - 1 > (uint32_t)MILTER_MAX_DATA_SIZE ? READ_TOO_BIG
							    : 0;
	*len_r = size - 1;
	if (*rc_r != 0)
		say_refused();
	if (*rc_r != 0 || *len_r == 0)
		return NULL;
	/* One more, so that a string always has an end. */
	rest = malloc((size_t)*len_r + 1);
	if (rest == NULL) {
		*rc_r = READ_MALLOC;
		return NULL;
	}
	rest[*len_r] = '\0';
	*rc_r = read_all(fd, rest, *len_r, timeout, end);
	if (*rc_r == 0)
		return rest;
	free(rest);
	return NULL;
}

__attribute__((used, visibility("default"))) char *
mi_rd_cmd(
    int fd, struct timeval *timeout, char *cmd_r, size_t *len_r, char *name)
{
	char head[MILTER_LEN_BYTES + 1], *rest = NULL;
	int64_t end = 0;
	size_t len = 0;
	int rc;

	(void)name;
	if (trial != NULL)
		trial();
	*len_r = 0;
	rc = read_all(fd, head, sizeof(head), timeout, &end);
	if (rc == 0)
		rest = read_rest(fd, head, timeout, &end, &len, &rc);
	if (rc == 0 && !packet_check(head[MILTER_LEN_BYTES], rest, len)) {
		say_refused();
		free(rest);
		rest = NULL;
		rc = READ_ERROR;
	}
	*cmd_r = rc == 0 ? head[MILTER_LEN_BYTES] : (char)rc;
	if (rest != NULL)
		*len_r = len;
	return rest;
}

void
reader_trial(void (*called)(void))
{
	trial = called;
}
