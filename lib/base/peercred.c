/* SPDX-License-Identifier: BSD-2-Clause */
#include "peercred.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"

struct peercred {
	int diag, route; /* netlink */
	uint32_t seq;
};

/* One end of a connection; IPv4 wherever it is mapped into IPv6. */
struct end {
	int family;
	uint32_t addr[4]; /* network order; IPv4: the first */
	uint16_t port;	  /* network order */
	uint32_t scope;
};

union reply {
	struct nlmsghdr h;
	char octets[8192];
};

static int
netlink(int protocol)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
}

struct peercred *
peercred_new(void)
{
	struct peercred *pc = calloc(1, sizeof(*pc));

	if (pc == NULL)
		return NULL;
	pc->diag = netlink(NETLINK_SOCK_DIAG);
	pc->route = pc->diag < 0 ? -1 : netlink(NETLINK_ROUTE);
	if (pc->route < 0) {
		int saved = errno;

		peercred_free(pc);
		errno = saved;
		return NULL;
	}
	return pc;
}

void
peercred_free(struct peercred *pc)
{
	if (pc == NULL)
		return;
	if (pc->diag >= 0)
		close(pc->diag);
	if (pc->route >= 0)
		close(pc->route);
	free(pc);
}

/*
 * Send and have the one reply of that number.  The kernel answers before send
 * returns.  0; or -1 and errno, which is what the kernel says if it answers
 * with an error (*said_r).
 */
static int
ask(struct peercred *pc, int fd, struct nlmsghdr *query, union reply *r,
    bool *said_r)
{
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	*said_r = false;
	query->nlmsg_flags = NLM_F_REQUEST;
	query->nlmsg_seq = ++pc->seq;
	if (sendto(fd, query, query->nlmsg_len, 0,
		(const struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -1;
	do {
		n = recv(fd, r->octets, sizeof(r->octets), MSG_DONTWAIT);
		if (n < 0)
			return -1;
	} while (!NLMSG_OK(&r->h, (size_t)n) || r->h.nlmsg_seq != pc->seq);
	if (r->h.nlmsg_type != NLMSG_ERROR)
		return 0;
	errno = EPROTO;
	if (r->h.nlmsg_len >= NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
		const struct nlmsgerr *e = NLMSG_DATA(&r->h);

		errno = -e->error;
		*said_r = true;
	}
	return -1;
}

static bool
end_of(const struct sockaddr_storage *ss, struct end *e)
{
	const struct sockaddr_in *in = (const void *)ss;
	const struct sockaddr_in6 *in6 = (const void *)ss;

	memset(e, 0, sizeof(*e));
	e->family = ss->ss_family;
	if (e->family == AF_INET) {
		e->port = in->sin_port;
		memcpy(e->addr, &in->sin_addr, 4);
		return true;
	}
	if (e->family != AF_INET6)
		return false;
	e->port = in6->sin6_port;
	e->scope = in6->sin6_scope_id;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		e->family = AF_INET;
		memcpy(e->addr, in6->sin6_addr.s6_addr + 12, 4);
	} else {
		memcpy(e->addr, &in6->sin6_addr, 16);
	}
	return true;
}

static bool
loopback(const struct end *e)
{
	if (e->family == AF_INET)
		return ntohl(e->addr[0]) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK((const struct in6_addr *)e->addr);
}

/* Ask for the peer's socket, whose own end is `peer` and whose peer is us. */
static enum peercred_result
ask_diag(struct peercred *pc, const struct end *peer, const struct end *us,
    uid_t *uid_r)
{
	struct {
		struct nlmsghdr h;
		struct inet_diag_req_v2 req;
	} query = {
	    .h = {.nlmsg_len = sizeof(query),
		.nlmsg_type = SOCK_DIAG_BY_FAMILY},
	    .req = {.sdiag_family = (uint8_t)peer->family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = ~0U,
		.id = {.idiag_sport = peer->port,
		    .idiag_dport = us->port,
		    .idiag_if = peer->scope,
		    .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
	};
	union reply r;
	const struct inet_diag_msg *m = NLMSG_DATA(&r.h);
	bool said;

	memcpy(query.req.id.idiag_src, peer->addr, sizeof(peer->addr));
	memcpy(query.req.id.idiag_dst, us->addr, sizeof(us->addr));
	if (ask(pc, pc->diag, &query.h, &r, &said) != 0)
		return said && errno == ENOENT ? PEERCRED_GONE : PEERCRED_ERROR;
	if (r.h.nlmsg_type != SOCK_DIAG_BY_FAMILY ||
	    r.h.nlmsg_len < NLMSG_LENGTH(sizeof(*m))) {
		errno = EPROTO;
		return PEERCRED_ERROR;
	}
	/* A listener of that port is found too, where nothing else is. */
	if (m->idiag_state != TCP_ESTABLISHED || m->idiag_inode == 0 ||
	    m->id.idiag_sport != peer->port || m->id.idiag_dport != us->port)
		return PEERCRED_GONE;
	*uid_r = m->idiag_uid;
	return PEERCRED_USER;
}

/* Does the address belong to this machine?  The routes know, of any kind of
 * address.  1, 0, or -1 and errno. */
static int
ask_route(struct peercred *pc, const struct end *e)
{
	size_t size = e->family == AF_INET ? 4 : 16;
	struct {
		struct nlmsghdr h;
		struct rtmsg m;
		struct rtattr a;
		uint32_t addr[4];
	} query = {
	    .h = {.nlmsg_type = RTM_GETROUTE},
	    .m = {.rtm_family = (unsigned char)e->family,
		.rtm_dst_len = (unsigned char)(size * 8)},
	    .a = {.rta_len = (unsigned short)RTA_LENGTH(size),
		.rta_type = RTA_DST},
	};
	union reply r;
	const struct rtmsg *m = NLMSG_DATA(&r.h);
	bool said;

	query.h.nlmsg_len =
	    (uint32_t)(NLMSG_LENGTH(sizeof(query.m)) + RTA_SPACE(size));
	memcpy(query.addr, e->addr, size);
	if (ask(pc, pc->route, &query.h, &r, &said) != 0)
		return said && (errno == ENETUNREACH || errno == EHOSTUNREACH)
			   ? 0
			   : -1;
	if (r.h.nlmsg_type != RTM_NEWROUTE ||
	    r.h.nlmsg_len < NLMSG_LENGTH(sizeof(*m))) {
		errno = EPROTO;
		return -1;
	}
	return m->rtm_type == RTN_LOCAL;
}

static enum peercred_result
find_inet(struct peercred *pc, int fd, const struct end *peer,
    const struct end *us, uid_t *uid_r)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof(info);
	enum peercred_result found;
	int local;

	if (pc == NULL) {
		errno = EAFNOSUPPORT;
		return PEERCRED_ERROR;
	}
	found = ask_diag(pc, peer, us, uid_r);
	if (found == PEERCRED_GONE && !loopback(us)) {
		local = ask_route(pc, peer);
		if (local <= 0)
			return local == 0 ? PEERCRED_REMOTE : PEERCRED_ERROR;
	}
	if (found != PEERCRED_USER)
		return found;
	/* While our end is ESTABLISHED the kernel gives the same two ends to no
	 * other connection; once the peer has reset this one, it may, and what
	 * was found may be another's. */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return PEERCRED_ERROR;
	return info.tcpi_state == TCP_ESTABLISHED ? PEERCRED_USER
						  : PEERCRED_GONE;
}

enum peercred_result
peercred_find(struct peercred *pc, int fd, uid_t *uid_r)
{
	struct sockaddr_storage peer = {0}, us = {0};
	socklen_t peer_len = sizeof(peer), us_len = sizeof(us);
	struct end peer_end, us_end;
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockname(fd, (struct sockaddr *)&us, &us_len) != 0)
		return PEERCRED_ERROR;
	if (us.ss_family == AF_UNIX) {
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
			return PEERCRED_ERROR;
		*uid_r = cred.uid;
		return cred.pid == 0 && cred.uid == (uid_t)-1 ? PEERCRED_GONE
							      : PEERCRED_USER;
	}
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0)
		return errno == ENOTCONN ? PEERCRED_GONE : PEERCRED_ERROR;
	if (!end_of(&us, &us_end) || !end_of(&peer, &peer_end)) {
		errno = EAFNOSUPPORT;
		return PEERCRED_ERROR;
	}
	return find_inet(pc, fd, &peer_end, &us_end, uid_r);
}

/* A connection of ours with ourselves.  The end that was accepted, or -1. */
static int
pair_up(int family, int fds[2])
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 in6 = {
	    .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr *sa = family == AF_INET ? (void *)&in : (void *)&in6;
	socklen_t len = family == AF_INET ? sizeof(in) : sizeof(in6);

	fds[0] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	fds[1] = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fds[0] < 0 || fds[1] < 0 || bind(fds[0], sa, len) != 0 ||
	    listen(fds[0], 1) != 0 || getsockname(fds[0], sa, &len) != 0 ||
	    connect(fds[1], sa, len) != 0)
		return -1;
	return accept4(fds[0], NULL, NULL, SOCK_CLOEXEC);
}

int
peercred_try(struct peercred *pc, int family)
{
	int fds[2] = {-1, -1}, fd = pair_up(family, fds), saved;
	uid_t uid = (uid_t)-1;
	bool fine = false;

	if (fd >= 0) {
		enum peercred_result found = peercred_find(pc, fd, &uid);

		fine = found == PEERCRED_USER && uid == geteuid();
		if (!fine && found != PEERCRED_ERROR)
			errno = EPROTONOSUPPORT;
	}
	saved = errno;
	for (int i = 0; i < 2; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (fd >= 0)
		close(fd);
	errno = saved;
	return fine ? 0 : ERR_SYSTEM;
}
