/* SPDX-License-Identifier: BSD-2-Clause */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "callbacks.h"
#include "holder.h"
#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/users.h"
#include "milter/privileges.h"
#include "milter/sockspec.h"
#include "runfiles.h"

#define MTA_NAME "postfix" /* its user and group */
#define MTA_QUEUE "/var/spool/postfix" /* its daemons may be chrooted there */
#define OUR_RUN "/run/postern"
#define SENDMAIL_NAME "smmsp"
#define SENDMAIL_RUN "/var/spool/postern"

static uid_t
owner_of(const struct privileges *p)
{
	return p->change ? p->uid : geteuid();
}

static gid_t
group_of(const struct privileges *p)
{
	return p->change ? p->gid : getegid();
}

static bool
in_queue(const char *dir)
{
	return strncmp(dir, MTA_QUEUE "/", strlen(MTA_QUEUE "/")) == 0;
}

/* Is the socket for Postfix?  If both MTAs are installed, its directory or
 * group decides. */
static bool
for_postfix(const char *dir, const struct privileges *p)
{
	struct user sendmail;
	gid_t gid;

	if (users_find_group(MTA_NAME, &gid) != 0 ||
	    strcmp(dir, SENDMAIL_RUN) == 0)
		return false;
	return users_find(SENDMAIL_NAME, &sendmail) != 0 ||
	    group_of(p) == gid ||
	    in_queue(dir);
}

/* A better directory, for a socket in a wrong one. */
static const char *
better_place(const char *dir, const struct privileges *p)
{
	struct user sendmail;

	if (users_find(SENDMAIL_NAME, &sendmail) == 0 && !for_postfix(dir, p))
		return SENDMAIL_RUN;
	return access(MTA_QUEUE, F_OK) == 0 ? MTA_QUEUE "/postern" : OUR_RUN;
}

/* Add the command that makes the directory.  For Postfix it belongs to UserID
 * and Postfix's group, because only Postfix must enter it.  For others it
 * belongs to root, who makes the socket, because Sendmail trusts no other
 * user. */
static void
put_directory(struct buf *b, const char *dir, const struct privileges *p)
{
	char user[USERS_NAME_SIZE], group[USERS_NAME_SIZE];

	users_name(owner_of(p), user);
	users_group_name(group_of(p), group);
	if (for_postfix(dir, p))
		cure_directory(b, dir, user, MTA_NAME, 0750);
	else if (geteuid() == 0)
		cure_directory(b, dir, "root", "root", 0755);
	else
		cure_directory(b, dir, user, group, 0755);
}

/* May the user enter the directory, by its mode alone? */
static bool
may_enter(const struct stat *st, const struct user *user)
{
	gid_t groups[PRIVILEGES_GROUPS_MAX];
	int n = PRIVILEGES_GROUPS_MAX;

	if (st->st_uid == user->uid)
		return (st->st_mode & S_IXUSR) != 0;
	if (getgrouplist(user->name, user->gid, groups, &n) < 0)
		n = PRIVILEGES_GROUPS_MAX;
	for (int i = 0; i < n; i++) {
		if (groups[i] == st->st_gid)
			return (st->st_mode & S_IXGRP) != 0;
	}
	return (st->st_mode & S_IXOTH) != 0;
}

/* A directory on the way to path that Postfix, which has a user of its own,
 * can't enter; false: none. */
static bool
closed_to_mta(const char *path, char part_r[PATH_MAX], struct stat *st_r)
{
	struct user mta;

	if (users_find(MTA_NAME, &mta) != 0 || path[0] != '/')
		return false;
	for (const char *at = path; (at = strchr(at + 1, '/')) != NULL;) {
		snprintf(part_r, PATH_MAX, "%.*s", (int)(at - path), path);
		if (stat(part_r, st_r) == 0 && !may_enter(st_r, &mta))
			return true;
	}
	return false;
}

/* Report a directory that does not exist, or that we may not use. */
static int
no_directory(const char *path, const char *dir, const char *why,
    const struct privileges *p, struct errmsg *msg_r)
{
	bool missing = errno == ENOENT, elsewhere;
	char own[PATH_MAX], closed[PATH_MAX];
	struct buf b = BUF_INIT;
	struct stat st;
	gid_t gid;

	if (in_queue(dir) && users_find_group(MTA_NAME, &gid) != 0) {
		errmsg_set(msg_r, "Socket: %s: %s: " PRIVILEGES_NO_MTA, path,
		    why);
		return EX_CANTCREAT;
	}
	snprintf(own, sizeof(own), "%.*s%s", PATH_MAX - 16, dir,
	    missing ? "" : "/postern");
	elsewhere = cure_is_ours(own) || !cure_may_take(own, owner_of(p)) ||
	    closed_to_mta(path, closed, &st);
	put_directory(&b, elsewhere ? better_place(dir, p) : own, p);
	errmsg_set(msg_r, "Socket: %s: %s: make %s with: %s%s", path, why,
	    missing && !elsewhere ? "it" : "one of its own",
	    buf_text(&b) == NULL ? "" : buf_text(&b),
	    missing && !elsewhere ? "" : ", and name the socket in there");
	buf_fini(&b);
	return EX_CANTCREAT;
}

/* Can a file be created in the directory?  Tested with a file without a
 * name. */
static bool
has_room(const char *dir)
{
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || (errno != ENOSPC && errno != EDQUOT);
}

static int
check_directory(
    const char *path, const struct privileges *p, struct errmsg *msg_r)
{
	char dir[PATH_MAX], why[PATH_MAX + 128];
	struct stat st;
	int error = 0;

	cure_parent(path, dir);
	if (stat(dir, &st) != 0)
		error = errno;
	else if (!S_ISDIR(st.st_mode))
		error = ENOTDIR;
	if (error != 0) {
		snprintf(why, sizeof(why), "%s is not there: %s", dir,
		    strerror(error));
		if (error == ENOENT)
			snprintf(why, sizeof(why), "%s is not there", dir);
		errno = error;
		return no_directory(path, dir, why, p, msg_r);
	}
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS) == 0 &&
	    has_room(dir))
		return EX_OK;
	error = errno;
	snprintf(why, sizeof(why), "can't create a file in %s (mode %04o): %s",
	    dir, (unsigned)st.st_mode & 07777, strerror(error));
	if (error == EACCES || error == EPERM) {
		strcat(why, "; start postern as root");
		errno = error;
		return no_directory(path, dir, why, p, msg_r);
	}
	errmsg_set(msg_r, "Socket: %s: %s%s", path, why,
	    error == EROFS ? "; in a systemd unit, name it in ReadWritePaths="
			   : "");
	return EX_CANTCREAT;
}

static void
warn_closed(const char *path, const struct privileges *p, const char *where,
    struct errlist *warnings)
{
	char part[PATH_MAX], dir[PATH_MAX];
	struct buf b = BUF_INIT;
	struct stat st;
	bool last;

	if (!closed_to_mta(path, part, &st))
		return;
	cure_parent(path, dir);
	/* The cure may change the owner only of the socket's own directory, and
	 * not if that has our state. */
	last = strcmp(part, dir) == 0 && !cure_in_home(dir, owner_of(p)) &&
	    !cure_is_ours(dir) && st.st_uid != 0 && st.st_uid == owner_of(p);
	put_directory(&b, last ? dir : better_place(dir, p), p);
	errlist_add(warnings,
	    "%s: Socket: %s: user " MTA_NAME " can't enter %s (mode %04o), so "
	    "Postfix will not connect: make %s with: %s%s",
	    where, path, part, (unsigned)st.st_mode & 07777,
	    last ? "it accessible" : "another",
	    buf_text(&b) == NULL ? "" : buf_text(&b),
	    last ? "" : ", and name the socket in there");
	buf_fini(&b);
}

static long
server_of(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0
	    ? peer.pid
	    : 0;
}

static int
in_use(const char *path, long pid, struct errmsg *msg_r)
{
	char who[64] = "another process";

	if (pid > 0)
		snprintf(who, sizeof(who), "process %ld", pid);
	errmsg_set(msg_r,
	    "Socket: %s: %s serves it already: stop that one first, or give "
	    "this one a socket of its own",
	    path, who);
	return EX_UNAVAILABLE;
}

/* We may not connect, so it is unknown whether a process serves it. */
static int
not_known(const char *path, struct errmsg *msg_r)
{
	errmsg_set(msg_r,
	    "Socket: %s: can't tell whether a process serves it: %s: stop that "
	    "one, if there is one, and remove the socket, or give this one a "
	    "socket of its own",
	    path, strerror(errno));
	return EX_UNAVAILABLE;
}

/* No process serves the socket: may it be replaced? */
static int
check_stale(const char *path, const struct stat *st, struct errmsg *msg_r)
{
	char dir[PATH_MAX], owner[USERS_NAME_SIZE];
	struct stat above;

	cure_parent(path, dir);
	if (stat(dir, &above) != 0 || runfiles_may_replace(&above, st))
		return EX_OK;
	errmsg_set(msg_r,
	    "Socket: %s: was left by user %s, and in %s (mode %04o) nobody else "
	    "may remove it: name another path",
	    path, users_name(st->st_uid, owner), dir,
	    (unsigned)above.st_mode & 07777);
	return EX_CANTCREAT;
}

#define SERVED (-1)

/* SERVED, with the process in *pid_r (which may be 0); EX_OK: no process serves
 * it; or what is wrong.  EAGAIN: a busy process serves it; EPROTOTYPE: one
 * serves it with datagrams or the like, which is no postern. */
static int
check_served(int fd, const struct sockspec *spec, const struct stat *st,
    long *pid_r, struct errmsg *msg_r)
{
	const char *path = spec->local.sun_path;
	int rc = connect(fd, (const struct sockaddr *)&spec->local,
	    sizeof(spec->local));

	if (rc != 0 && errno == EPROTOTYPE)
		return in_use(path, 0, msg_r);
	if (rc == 0 || errno == EAGAIN) {
		*pid_r = server_of(fd);
		return SERVED;
	}
	if (errno != ECONNREFUSED && errno != ENOENT)
		return not_known(path, msg_r);
	return check_stale(path, st, msg_r);
}

/* Check what stands at the path: nothing and a socket without a process are
 * fine. */
static int
check_present(const struct sockspec *spec, const struct holder_for *f,
    struct errmsg *msg_r)
{
	const char *path = spec->local.sun_path;
	struct stat st;
	int fd, rc, steps = 0;
	long pid = 0;

	if (lstat(path, &st) != 0)
		return EX_OK;
	if (!S_ISSOCK(st.st_mode)) {
		errmsg_set(msg_r,
		    "Socket: %s: is there and is no socket: remove it, or name "
		    "another path",
		    path);
		return EX_CANTCREAT;
	}
	do {
		fd = socket(
		    AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (fd < 0)
			return EX_OK;
		rc = check_served(fd, spec, &st, &pid, msg_r);
		close(fd);
	} while (rc == SERVED && holder_ends(f, pid, &steps));
	if (rc != SERVED)
		return rc;
	return holder_passes(f, pid, "Socket", path, msg_r)
	    ? EX_OK
	    : in_use(path, pid, msg_r);
}

static long
port_holder(const struct addrinfo *ai)
{
	const struct sockaddr_in *in = (const void *)ai->ai_addr;

	/* The port is at the same offset in both families. */
	return holder_find(ntohs(in->sin_port));
}

/* Could we listen there?  0, or why not. */
static int
try_bind(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
	int error = 0;

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) != 0 || listen(fd, 1) != 0)
		error = errno;
	if (fd >= 0)
		close(fd);
	return error;
}

static int
check_bind(const struct sockspec *spec, const struct addrinfo *ai,
    const struct holder_for *f, struct errmsg *msg_r)
{
	const char *cure = "";
	int error, steps = 0;

	do {
		error = try_bind(ai);
	} while (
	    error == EADDRINUSE && holder_ends(f, port_holder(ai), &steps));
	if (error == 0 ||
	    (error == EADDRINUSE &&
		holder_passes(f, port_holder(ai), "Socket", spec->port, msg_r)))
		return EX_OK;
	errno = error;
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
check_inet(const struct sockspec *spec, const struct holder_for *f,
    struct errmsg *msg_r)
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
	rc = check_bind(spec, list, f, msg_r);
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
listen_warn(const struct sockspec *spec, const struct privileges *p,
    const char *where, struct errlist *warnings)
{
	struct addrinfo *list;

	if (spec->family == AF_UNIX)
		warn_closed(spec->local.sun_path, p, where, warnings);
	if (spec->family == AF_UNIX || resolve(spec, &list) != 0)
		return;
	if (!is_loopback(list))
		errlist_add(warnings,
		    "%s: Socket: port %s%s%s: who reaches it from another "
		    "machine or container can have mail signed and use up "
		    "quotas, for "
		    "SocketPeers tells users of this machine only: have a "
		    "packet filter let the MTA in alone, or use a local socket",
		    where, spec->port, spec->host[0] != '\0' ? " at " : "",
		    spec->host);
	freeaddrinfo(list);
}

int
listen_check(const struct sockspec *spec, const struct privileges *p,
    const struct holder_for *f, struct errmsg *msg_r)
{
	int rc;

	if (spec->family != AF_UNIX)
		return check_inet(spec, f, msg_r);
	rc = check_directory(spec->local.sun_path, p, msg_r);
	if (rc == EX_OK)
		rc = check_present(spec, f, msg_r);
	return rc;
}

/* The same message as for the user, whom we can't become either. */
static int
no_group(const struct privileges *p, struct errmsg *msg_r)
{
	const char *why = strerror(errno);

	if (privileges_drop(p, msg_r) == EX_OK)
		errmsg_set(msg_r, "UserID: can't become user %s: %s", p->name,
		    why);
	return EX_NOPERM;
}

int
listen_open(const struct sockspec *spec, const struct privileges *p, int debug,
    struct errmsg *msg_r)
{
	const struct holder_for start = {.start = true};
	int rc = listen_check(spec, p, &start, msg_r);
	gid_t group = getegid();
	char *text;

	if (rc != EX_OK)
		return rc;
	text = sockspec_text(spec);
	/* The socket gets the group from our own, and not by chown: in a
	 * directory of the user's, the user could replace it by another file
	 * before the chown. */
	if (p->change && setegid(p->gid) != 0) {
		free(text);
		return no_group(p, msg_r);
	}
	if (text == NULL || callbacks_open(text, debug) != 0)
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
