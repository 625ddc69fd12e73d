/* SPDX-License-Identifier: BSD-2-Clause */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbacks.h"
#include "lib/err.h"
#include "log.h"
#include "privileges.h"
#include "runfiles.h"
#include "sockspec.h"

static int
check_directory(const char *path, struct errmsg *msg_r)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat st;

	if (slash == NULL)
		snprintf(dir, sizeof(dir), ".");
	else
		snprintf(dir, sizeof(dir), "%.*s",
		    slash == path ? 1 : (int)(slash - path), path);
	if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
		errmsg_set(msg_r,
		    "Socket: %s: %s is not there: make it with: "
		    "mkdir -p %s",
		    path, dir, dir);
		return EX_CANTCREAT;
	}
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) != 0) {
		errmsg_set(msg_r,
		    "Socket: %s: can't create a file in %s (mode %04o): %s; "
		    "%s",
		    path, dir, (unsigned)st.st_mode & 07777, strerror(errno),
		    errno == EROFS
			? "in a systemd unit, name it in ReadWritePaths="
			: "start postern as root, or make the directory its "
			  "user's with chown");
		return EX_CANTCREAT;
	}
	return EX_OK;
}

static int
in_use(const char *path, int fd, struct errmsg *msg_r)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);
	char who[64] = "another process";

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    peer.pid > 0)
		snprintf(who, sizeof(who), "process %ld", (long)peer.pid);
	errmsg_set(msg_r,
	    "Socket: %s: %s serves it already: stop that one first, or give "
	    "this one a socket of its own",
	    path, who);
	return EX_UNAVAILABLE;
}

/* What stands at the path: nothing, a socket that nobody serves, or trouble. */
static int
check_present(const struct sockspec *spec, bool start, struct errmsg *msg_r)
{
	const char *path = spec->local.sun_path;
	struct stat st;
	int fd, rc = EX_OK;

	if (lstat(path, &st) != 0)
		return EX_OK;
	if (!S_ISSOCK(st.st_mode)) {
		errmsg_set(msg_r,
		    "Socket: %s: is there and is no socket: remove it, or name "
		    "another path",
		    path);
		return EX_CANTCREAT;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!start || fd < 0) {
		if (fd >= 0)
			close(fd);
		return EX_OK;
	}
	/* EAGAIN: served, by somebody who has a lot to do. */
	if (connect(fd, (const struct sockaddr *)&spec->local,
		sizeof(spec->local)) == 0 ||
	    errno == EAGAIN || errno == EPROTOTYPE)
		rc = in_use(path, fd, msg_r);
	close(fd);
	return rc;
}

static int
check_bind(const struct sockspec *spec, const struct addrinfo *ai,
    struct errmsg *msg_r)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	const char *cure = "";

	if (fd >= 0 &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1) == 0) {
		close(fd);
		return EX_OK;
	}
	if (errno == EADDRINUSE)
		cure = ": another process listens there; find it with "
		       "ss -ltnp, or choose another port";
	else if (errno == EADDRNOTAVAIL)
		cure = ": no address of this machine; ip address shows them";
	else if (errno == EACCES)
		cure = ": only root may use a port below 1024";
	errmsg_set(msg_r, "Socket: port %s%s%s: %s%s", spec->port,
	    spec->host[0] != '\0' ? " at " : "", spec->host, strerror(errno),
	    cure);
	if (fd >= 0)
		close(fd);
	return EX_UNAVAILABLE;
}

/* The addresses of an inet socket; 0, or what getaddrinfo says. */
static int
resolve(const struct sockspec *spec, struct addrinfo **list_r)
{
	struct addrinfo hints = {.ai_family = spec->family,
	    .ai_socktype = SOCK_STREAM,
	    .ai_flags = AI_PASSIVE};
	char host[NI_MAXHOST];
	size_t len = strlen(spec->host);

	if (spec->host[0] == '[')
		snprintf(host, sizeof(host), "%.*s", (int)(len - 2),
		    spec->host + 1);
	else
		snprintf(host, sizeof(host), "%s", spec->host);
	*list_r = NULL;
	return getaddrinfo(
	    host[0] != '\0' ? host : NULL, spec->port, &hints, list_r);
}

static int
check_inet(const struct sockspec *spec, bool start, struct errmsg *msg_r)
{
	struct addrinfo *list;
	int rc = resolve(spec, &list);

	if (rc != 0) {
		errmsg_set(msg_r,
		    "Socket: port %s%s%s: %s; expected a port that is a number "
		    "or in /etc/services, and an %s address of this machine",
		    spec->port, spec->host[0] != '\0' ? " at " : "",
		    spec->host, gai_strerror(rc),
		    spec->family == AF_INET ? "IPv4" : "IPv6");
		return EX_CONFIG;
	}
	rc = start ? check_bind(spec, list, msg_r) : EX_OK;
	freeaddrinfo(list);
	return rc;
}

static bool
is_loopback(const struct addrinfo *ai)
{
	const struct sockaddr_in *in = (const void *)ai->ai_addr;
	const struct sockaddr_in6 *in6 = (const void *)ai->ai_addr;

	if (ai->ai_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
}

void
listen_warn(const struct sockspec *spec)
{
	struct addrinfo *list;

	if (spec->family == AF_UNIX || resolve(spec, &list) != 0)
		return;
	if (!is_loopback(list))
		log_line(LOG_WARNING,
		    "Socket: port %s%s%s: who reaches it from another machine "
		    "or container can have mail signed and use up quotas, for "
		    "SocketPeers tells users of this machine only: have a "
		    "packet filter let the MTA in alone, or use a local socket",
		    spec->port, spec->host[0] != '\0' ? " at " : "",
		    spec->host);
	freeaddrinfo(list);
}

int
listen_check(const struct sockspec *spec, bool start, struct errmsg *msg_r)
{
	int rc;

	if (spec->family != AF_UNIX)
		return check_inet(spec, start, msg_r);
	rc = check_directory(spec->local.sun_path, msg_r);
	if (rc == EX_OK)
		rc = check_present(spec, start, msg_r);
	return rc;
}

int
listen_open(const struct sockspec *spec, const struct privileges *p, int debug,
    struct errmsg *msg_r)
{
	int rc = listen_check(spec, true, msg_r);
	gid_t group = getegid();
	char *text;

	if (rc != EX_OK)
		return rc;
	text = sockspec_text(spec);
	/* The group by being of it, not by a chown afterwards: the directory
	 * may be the user's, who could have put another file there by then. */
	if (p->change && setegid(p->gid) != 0)
		rc = EX_NOPERM;
	if (rc == EX_OK &&
	    (text == NULL || callbacks_open(text, debug) != 0))
		rc = EX_UNAVAILABLE;
	if (rc != EX_OK)
		errmsg_set(msg_r, "Socket: %s: can't listen: %s",
		    text == NULL ? "" : text, strerror(errno));
	else if (spec->family == AF_UNIX)
		runfiles_socket(spec->local.sun_path);
	free(text);
	if (p->change && setegid(group) != 0)
		rc = EX_NOPERM;
	return rc;
}
