/* Whose a connection is, on real sockets.  As root also of other users.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/peercred.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/support/drivers/test.h"

#define STRANGER 65534

struct listener {
	int fd;
	socklen_t len;
	struct sockaddr_storage addr; /* where to connect */
};

/* How a client leaves, before it is accepted. */
enum leave { STAY, CLOSE, SHUT, RESET, FORK };

static bool
listener_open(struct listener *l, int family, bool mapped)
{
	struct sockaddr_in *in = (void *)&l->addr;
	struct sockaddr_in6 *in6 = (void *)&l->addr;

	memset(l, 0, sizeof(*l));
	l->fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	l->addr.ss_family = (sa_family_t)family;
	l->len = family == AF_INET    ? sizeof(*in)
		 : family == AF_INET6 ? sizeof(*in6)
				      : sizeof(sa_family_t);
	if (family == AF_INET)
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (family == AF_INET6 && !mapped)
		in6->sin6_addr = in6addr_loopback;
	if (l->fd < 0 || bind(l->fd, (void *)&l->addr, l->len) != 0)
		return false;
	l->len = sizeof(l->addr);
	assert_int_equal(listen(l->fd, 5), 0);
	assert_int_equal(getsockname(l->fd, (void *)&l->addr, &l->len), 0);
	if (mapped) {
		struct sockaddr_in to = {.sin_family = AF_INET,
		    .sin_port = in6->sin6_port,
		    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

		memcpy(&l->addr, &to, sizeof(to));
		l->len = sizeof(to);
	}
	return true;
}

static void
client(const struct listener *l, uid_t uid, enum leave leave, int ready)
{
	int fd = socket(l->addr.ss_family, SOCK_STREAM, 0);
	struct linger linger = {.l_onoff = 1};

	if (uid != geteuid() && setresuid(uid, uid, uid) != 0)
		_exit(1);
	/* A socket is its maker's. */
	if (uid != 0)
		close(fd), fd = socket(l->addr.ss_family, SOCK_STREAM, 0);
	if (connect(fd, (const void *)&l->addr, l->len) != 0 ||
	    write(fd, "all", 3) != 3)
		_exit(1);
	if (leave == SHUT)
		shutdown(fd, SHUT_WR);
	if (leave == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	if (leave == FORK && fork() == 0) {
		sleep(1000);
		_exit(0);
	}
	if (leave == CLOSE || leave == RESET || leave == FORK)
		close(fd);
	if (write(ready, "", 1) != 1)
		_exit(1);
	sleep(1000);
	_exit(0);
}

static enum peercred_result
find(const struct listener *l, uid_t uid, enum leave leave, uid_t *uid_r)
{
	struct peercred *pc = peercred_new();
	enum peercred_result found;
	int ready[2], fd;
	char byte;
	pid_t pid;

	assert_non_null(pc);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		setpgid(0, 0);
		client(l, uid, leave, ready[1]);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	fd = accept(l->fd, NULL, NULL);
	assert_true(fd >= 0);
	*uid_r = (uid_t)-2;
	found = peercred_find(pc, fd, uid_r);
	close(fd);
	close(ready[0]);
	kill(-pid, SIGKILL);
	waitpid(pid, NULL, 0);
	peercred_free(pc);
	return found;
}

static void
check(int family, bool mapped)
{
	struct listener l;
	uid_t uid;

	if (!listener_open(&l, family, mapped))
		skip();
	for (int leave = STAY; leave <= FORK; leave++) {
		uid_t users[] = {geteuid(), STRANGER};

		for (int i = 0; i < (geteuid() == 0 ? 2 : 1); i++) {
			enum peercred_result found =
			    find(&l, users[i], (enum leave)leave, &uid);

			/* A local socket says who connected, for good. */
			if (family == AF_UNIX || leave == STAY ||
			    leave == FORK) {
				assert_int_equal(found, PEERCRED_USER);
				assert_int_equal(uid, users[i]);
			} else {
				assert_int_equal(found, PEERCRED_GONE);
			}
		}
	}
	close(l.fd);
}

static void
local(void **state)
{
	(void)state;
	check(AF_UNIX, false);
}

static void
inet(void **state)
{
	(void)state;
	check(AF_INET, false);
}

static void
inet6(void **state)
{
	(void)state;
	check(AF_INET6, false);
}

static void
inet_in_inet6(void **state)
{
	(void)state;
	check(AF_INET6, true);
}

/* Connect from a port of our choice; 0: any, and which in *port. */
static int
connect_from(const struct listener *l, in_port_t *port)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
	    .sin_port = *port,
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(from);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (void *)&from, sizeof(from)), 0);
	assert_int_equal(connect(fd, (const void *)&l->addr, l->len), 0);
	assert_int_equal(getsockname(fd, (void *)&from, &len), 0);
	*port = from.sin_port;
	return fd;
}

/* A client resets its connection, and somebody of another user makes one
 * between the same two ports: the first must not pass for that one's. */
static void
reused(void **state)
{
	struct linger linger = {.l_onoff = 1};
	struct peercred *pc = peercred_new();
	struct listener l;
	in_port_t port = 0;
	int first, second, fd;
	uid_t uid;

	(void)state;
	assert_true(listener_open(&l, AF_INET, false));
	first = connect_from(&l, &port);
	assert_int_equal(write(first, "all", 3), 3);
	setsockopt(first, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(first);
	second = connect_from(&l, &port);
	fd = accept(l.fd, NULL, NULL);
	assert_int_equal(peercred_find(pc, fd, &uid), PEERCRED_GONE);
	close(fd);
	fd = accept(l.fd, NULL, NULL);
	assert_int_equal(peercred_find(pc, fd, &uid), PEERCRED_USER);
	assert_int_equal(uid, geteuid());
	close(fd);
	close(second);
	close(l.fd);
	peercred_free(pc);
}

static void
tries(void **state)
{
	struct peercred *pc = peercred_new();

	(void)state;
	assert_non_null(pc);
	assert_int_equal(peercred_try(pc, AF_INET), 0);
	peercred_free(pc);
	assert_int_not_equal(peercred_try(NULL, AF_INET), 0);
	assert_int_equal(errno, EAFNOSUPPORT);
}

/* Answers of earlier questions do not stay for later ones. */
static void
again(void **state)
{
	struct peercred *pc = peercred_new();
	int fds[2];
	uid_t uid;

	(void)state;
	assert_non_null(pc);
	for (int i = 0; i < 100; i++)
		assert_int_equal(peercred_try(pc, AF_INET), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(peercred_find(pc, fds[0], &uid), PEERCRED_USER);
	assert_int_equal(uid, geteuid());
	close(fds[0]);
	close(fds[1]);
	assert_int_equal(peercred_find(pc, fds[0], &uid), PEERCRED_ERROR);
	peercred_free(pc);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(local),
	    cmocka_unit_test(inet),
	    cmocka_unit_test(inet6),
	    cmocka_unit_test(inet_in_inet6),
	    cmocka_unit_test(reused),
	    cmocka_unit_test(tries),
	    cmocka_unit_test(again),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
