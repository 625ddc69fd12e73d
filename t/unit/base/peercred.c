/* Whose a connection is, on real sockets.  As root also of other users.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/peercred.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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

/* -- a kernel that says something else -- */

/* What comes in place of its answers, in order. */
static struct {
	bool on, elsewhere; /* elsewhere: addresses of a network, not loopback */
	int send_error;
	size_t count, next;
	struct answer {
		uint16_t type;
		int error; /* NLMSG_ERROR: which; ENOMSG: recv fails */
		size_t cut, late; /* octets; how many questions too late */
		uint8_t state; /* of the socket; or the kind of route */
		uint32_t inode, uid;
		uint16_t port; /* added to the peer's */
	} list[3];
} kernel;

static uint32_t asked; /* the number of the last question */
static struct inet_diag_req_v2 about;

ssize_t __real_sendto(int fd, const void *data, size_t len, int flags,
    const struct sockaddr *to, socklen_t to_len);
ssize_t __wrap_sendto(int fd, const void *data, size_t len, int flags,
    const struct sockaddr *to, socklen_t to_len);
ssize_t
__wrap_sendto(int fd, const void *data, size_t len, int flags,
    const struct sockaddr *to, socklen_t to_len)
{
	const struct nlmsghdr *h = data;

	if (!kernel.on)
		return __real_sendto(fd, data, len, flags, to, to_len);
	asked = h->nlmsg_seq;
	if (h->nlmsg_type == SOCK_DIAG_BY_FAMILY)
		memcpy(&about, NLMSG_DATA(h), sizeof(about));
	errno = kernel.send_error;
	return kernel.send_error != 0 ? -1 : (ssize_t)len;
}

/* The answer as octets; how many. */
static size_t
put_answer(const struct answer *a, void *data)
{
	struct nlmsghdr *h = data;
	struct inet_diag_msg *m = NLMSG_DATA(h);
	struct rtmsg *route = NLMSG_DATA(h);
	struct nlmsgerr *e = NLMSG_DATA(h);

	memset(data, 0, 1024);
	h->nlmsg_type = a->type;
	h->nlmsg_seq = asked - (uint32_t)a->late;
	h->nlmsg_len = NLMSG_LENGTH(sizeof(*m));
	if (a->type == NLMSG_ERROR) {
		h->nlmsg_len = NLMSG_LENGTH(sizeof(*e));
		e->error = -a->error;
	} else if (a->type == RTM_NEWROUTE) {
		h->nlmsg_len = NLMSG_LENGTH(sizeof(*route));
		route->rtm_type = a->state;
	} else {
		m->idiag_state = a->state;
		m->idiag_inode = a->inode;
		m->idiag_uid = a->uid;
		m->id.idiag_sport = (uint16_t)(about.id.idiag_sport + a->port);
		m->id.idiag_dport = about.id.idiag_dport;
	}
	h->nlmsg_len -= (uint32_t)a->cut;
	return h->nlmsg_len;
}

ssize_t __real_recv(int fd, void *data, size_t len, int flags);
ssize_t __wrap_recv(int fd, void *data, size_t len, int flags);
ssize_t
__wrap_recv(int fd, void *data, size_t len, int flags)
{
	const struct answer *a = &kernel.list[kernel.next];

	if (!kernel.on)
		return __real_recv(fd, data, len, flags);
	errno = EAGAIN;
	if (kernel.next == kernel.count || a->error == ENOMSG)
		return -1;
	kernel.next++;
	return (ssize_t)put_answer(a, data);
}

int __real_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int __wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int
__wrap_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
	int rc = __real_getsockname(fd, sa, len);

	if (kernel.elsewhere)
		((struct sockaddr_in *)(void *)sa)->sin_addr.s_addr =
		    htonl(0xc0000201);
	return rc;
}

#define DIAG SOCK_DIAG_BY_FAMILY
#define FINE                                                                   \
	{                                                                      \
		.type = DIAG, .state = TCP_ESTABLISHED, .inode = 1, .uid = 7   \
	}
#define NOBODY {.type = NLMSG_ERROR, .error = ENOENT}

static const struct {
	const char *name;
	struct answer list[3];
	enum peercred_result found;
	bool elsewhere;
	int send_error;
} answers[] = {
    {"an answer", {FINE}, PEERCRED_USER, false, 0},
    {"none", {{0}}, PEERCRED_ERROR, false, 0},
    {"not to be asked", {FINE}, PEERCRED_ERROR, false, EPERM},
    {"that of an earlier question first",
	{{.type = DIAG, .state = TCP_ESTABLISHED, .inode = 1, .uid = 9,
	     .late = 1}, FINE}, PEERCRED_USER, false, 0},
    {"that of an earlier question alone",
	{{.type = DIAG, .state = TCP_ESTABLISHED, .inode = 1, .late = 1}},
	PEERCRED_ERROR, false, 0},
    {"one cut short", {{.type = DIAG, .state = TCP_ESTABLISHED, .inode = 1,
	.cut = 4}}, PEERCRED_ERROR, false, 0},
    {"one cut to nothing", {{.type = DIAG, .cut = 80}}, PEERCRED_ERROR, false,
	0},
    {"one of another kind", {{.type = NLMSG_DONE, .state = TCP_ESTABLISHED,
	.inode = 1}}, PEERCRED_ERROR, false, 0},
    {"nobody", {NOBODY}, PEERCRED_GONE, false, 0},
    {"forbidden", {{.type = NLMSG_ERROR, .error = EACCES}}, PEERCRED_ERROR,
	false, 0},
    {"an error cut short", {{.type = NLMSG_ERROR, .error = ENOENT, .cut = 8}},
	PEERCRED_ERROR, false, 0},
    {"a listener", {{.type = DIAG, .state = TCP_LISTEN, .inode = 1}},
	PEERCRED_GONE, false, 0},
    {"nobody's", {{.type = DIAG, .state = TCP_ESTABLISHED}}, PEERCRED_GONE,
	false, 0},
    {"another's", {{.type = DIAG, .state = TCP_ESTABLISHED, .inode = 1,
	.port = 256}}, PEERCRED_GONE, false, 0},
    {"an address of ours", {NOBODY, {.type = RTM_NEWROUTE,
	.state = RTN_LOCAL}}, PEERCRED_GONE, true, 0},
    {"an address of another machine", {NOBODY, {.type = RTM_NEWROUTE,
	.state = RTN_UNICAST}}, PEERCRED_REMOTE, true, 0},
    {"no route", {NOBODY, {.type = NLMSG_ERROR, .error = ENETUNREACH}},
	PEERCRED_REMOTE, true, 0},
    {"no word on the route", {NOBODY, {.type = NLMSG_ERROR, .error = EPERM}},
	PEERCRED_ERROR, true, 0},
    {"no route's answer", {NOBODY, {.type = NLMSG_DONE}}, PEERCRED_ERROR,
	true, 0},
    {"a route cut short", {NOBODY, {.type = RTM_NEWROUTE, .state = RTN_LOCAL,
	.cut = 4}}, PEERCRED_ERROR, true, 0},
};

/* Only an answer to the question, in full and about the very connection, names
 * a user. */
static void
odd_answers_name_nobody(void **state)
{
	struct listener l;
	in_port_t port = 0;
	int first, fd;

	(void)state;
	assert_true(listener_open(&l, AF_INET, false));
	first = connect_from(&l, &port);
	fd = accept(l.fd, NULL, NULL);
	for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
		struct peercred *pc = peercred_new();
		enum peercred_result found;
		uid_t uid = (uid_t)-2;

		assert_non_null(pc);
		memset(&kernel, 0, sizeof(kernel));
		memcpy(kernel.list, answers[i].list, sizeof(kernel.list));
		while (kernel.count < 3 && kernel.list[kernel.count].type != 0)
			kernel.count++;
		kernel.elsewhere = answers[i].elsewhere;
		kernel.send_error = answers[i].send_error;
		kernel.on = true;
		found = peercred_find(pc, fd, &uid);
		memset(&kernel, 0, sizeof(kernel));
		if (found != answers[i].found ||
		    (uid == 7) != (found == PEERCRED_USER))
			fail_msg("%s: %d, %u", answers[i].name, found, uid);
		peercred_free(pc);
	}
	close(fd);
	close(first);
	close(l.fd);
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
	    cmocka_unit_test(odd_answers_name_nobody),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
