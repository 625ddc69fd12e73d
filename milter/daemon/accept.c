/* SPDX-License-Identifier: BSD-2-Clause */
#include "accept.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "crowd.h"
#include "lib/base/err.h"
#include "lib/base/peercred.h"
#include "lib/base/users.h"
#include "lib/conf/conf.h"
#include "milter/inforce.h"
#include "milter/httpspec.h"
#include "milter/log.h"
#include "milter/peers.h"
#include "milter/snapshot.h"
#include "milter/sockspec.h"
#include "reader.h"

/* Descriptors needed beside those that are open when serving begins, and one
 * for each connection.  For files that a reload opens, for threads of libmilter
 * and the resolver, and the spare one: */
#define OTHERS 16
#define OPEN_MIN 16 /* at least so many are open when serving begins */
/* For look-ups: as many as for connections, within these limits: */
#define LOOKUPS_MIN 8
#define LOOKUPS_MAX 4096
#define CONNECTIONS_MIN 8 /* fewer are not enough for an MTA */
#define CONNECTIONS_MAX 1000000

#define STRANGERS_MAX 64 /* users that are logged at most */
#define EXHAUSTED_MS 100 /* milliseconds to wait if not even the spare
    descriptor helps */

/* After the set-up only the thread that accepts uses this. */
static struct {
	bool started, trial, tried;
	struct crowd *crowd;
	struct peercred *peercred; /* NULL: the users of TCP connections can't
	    be found */
	int spare; /* a descriptor kept in reserve: turn_away closes it to get
	    one */
	uid_t strangers[STRANGERS_MAX];
	size_t n_strangers;
	struct log_seldom gone, unknown, full, exhausted;
} admission = {.spare = -1};

/* -- who -- */

/* Log a user whose connection is closed, once for each user. */
static void
log_stranger(uid_t uid)
{
	struct user user;
	bool known;

	for (size_t i = 0; i < admission.n_strangers; i++) {
		if (admission.strangers[i] == uid)
			return;
	}
	if (admission.n_strangers == STRANGERS_MAX)
		return;
	admission.strangers[admission.n_strangers++] = uid;
	known = users_find_uid(uid, &user) == 0;
	log_line(LOG_WARNING,
	    "a connection of user %lu (%s) was closed, and others of this user "
	    "will be: SocketPeers does not name the user%s",
	    (unsigned long)uid, known ? user.name : "who has no name",
	    admission.n_strangers == STRANGERS_MAX
		? "; further users will not be logged"
		: "");
}

/* May the client connect?  One whose user can't be found may only if every user
 * may, or if it comes from another machine. */
static bool
knows(const struct peers *peers, int fd, uid_t *uid_r)
{
	*uid_r = CROWD_UNKNOWN;
	switch (peercred_find(admission.peercred, fd, uid_r)) {
	case PEERCRED_USER:
		if (peers_has(peers, *uid_r))
			return true;
		log_stranger(*uid_r);
		return false;
	case PEERCRED_REMOTE:
		return true;
	case PEERCRED_GONE:
		if (peers_everybody(peers))
			return true;
		log_seldom(&admission.gone, LOG_WARNING,
		    "a connection was closed: its other end was closed before "
		    "its user could be found (SocketPeers)");
		return false;
	case PEERCRED_ERROR:
		break;
	}
	if (peers_everybody(peers))
		return true;
	log_seldom(&admission.unknown, LOG_ERR,
	    "a connection was closed: the system does not know its user "
	    "(SocketPeers): %s",
	    strerror(errno));
	return false;
}

static bool
fits(int fd, uid_t uid)
{
	size_t max = crowd_max(admission.crowd);

	switch (crowd_add(admission.crowd, fd, uid)) {
	case CROWD_ROOM:
		return true;
	case CROWD_FULL:
		log_seldom(&admission.full, LOG_WARNING,
		    "a connection was closed: there are %zu (MaxConnections)",
		    max);
		break;
	case CROWD_USER_FULL:
		log_seldom(&admission.full, LOG_WARNING,
		    "a connection of user %ld was closed: this user has %zu, "
		    "three quarters of what there may be (MaxConnections)",
		    uid == CROWD_UNKNOWN ? -1 : (long)uid, crowd_share(max));
		break;
	case CROWD_NO_MEMORY:
		break;
	}
	return false;
}

static bool
admits(int fd)
{
	struct snapshot *snap;
	uid_t uid;
	bool may;

	if (admission.trial) {
		admission.tried = true;
		return true;
	}
	snap = admission.started ? inforce_get() : NULL;
	if (snap == NULL)
		return false;
	may = knows(snap->peers, fd, &uid);
	snapshot_unref(snap);
	return may && fits(fd, uid);
}

/* -- when there is no descriptor -- */

/* Another thread may take the descriptor that was given up for a connection. */
static void
keep_spare(void)
{
	if (admission.spare < 0)
		admission.spare = eventfd(0, EFD_CLOEXEC);
}

/* Accept the client and close it.  If it stayed in the queue, libmilter would
 * try again and again without a pause. */
static void
turn_away(int listener)
{
	int fd = -1;

	log_seldom(&admission.exhausted, LOG_ERR,
	    "no descriptor is left for a connection: %s", strerror(errno));
	keep_spare();
	if (admission.spare >= 0) {
		close(admission.spare);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		admission.spare = -1;
		keep_spare();
	}
	if (fd < 0)
		poll(NULL, 0, EXHAUSTED_MS);
}

/* The symbol is accept; the name in C differs, because libc's headers declare
 * accept with other types. */
int accept_ours(int listener, struct sockaddr *addr, socklen_t *len) __asm__(
    "accept") __attribute__((used, visibility("default")));

int
accept_ours(int listener, struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	int fd = accept4(
	    listener, (struct sockaddr *)&from, &from_len, SOCK_CLOEXEC);
	int saved = errno;

	if (fd < 0) {
		if (saved == EMFILE || saved == ENFILE)
			turn_away(listener);
		errno = saved;
		return -1;
	}
	if (!admits(fd)) {
		close(fd);
		errno = ECONNABORTED;
		return -1;
	}
	keep_spare();
	reader_begin(fd);
	if (addr != NULL && len != NULL) {
		memcpy(addr, &from, *len < from_len ? *len : from_len);
		*len = from_len;
	}
	return fd;
}

/* -- the beginning -- */

static unsigned long
descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	/* The soft limit is raised to it at start. */
	return limit.rlim_max > 2 * CONNECTIONS_MAX ? 2 * CONNECTIONS_MAX
						    : limit.rlim_max;
}

static unsigned long
count_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned long n = 0;
	int fd;

	if (dir != NULL) {
		while (readdir(dir) != NULL)
			n++;
		closedir(dir);
		n -= n < 3 ? n : 3; /* . and .. and the directory's own */
	} else {
		/* In a chroot without /proc: the lowest free number is the next
		 * descriptor. */
		fd = eventfd(0, EFD_CLOEXEC);
		n = fd < 0 ? descriptors() : (unsigned long)fd;
		if (fd >= 0)
			close(fd);
	}
	return n < OPEN_MIN ? OPEN_MIN : n;
}

/*
 * How many connections are allowed: MaxConnections, or without it as many as
 * descriptors allow (RLIMIT_NOFILE).  EX_OK; or EX_OSERR if there are too few
 * descriptors, and in *msg_r how many are needed.
 */
static int
find_limit(const struct conf *conf, long *max_r, struct errmsg *msg_r)
{
	long configured = conf_int(conf, "MaxConnections");
	unsigned long have = descriptors(), open = count_open(), lookups;
	unsigned long need;

	open += httpspec_descriptors(conf);
	need = open + OTHERS + LOOKUPS_MIN;
	need += configured > 0 ? (unsigned long)configured : CONNECTIONS_MIN;
	if (have < need) {
		errmsg_set(msg_r,
		    "%s%s%lu descriptors are too few%s: it takes %lu; raise "
		    "the limit (ulimit -n, or LimitNOFILE= in the systemd "
		    "unit)%s",
		    configured > 0 ? conf_where(conf, "MaxConnections") : "",
		    configured > 0 ? ": MaxConnections: " : "", have,
		    configured > 0 ? " for MaxConnections" : "", need,
		    configured > 0 ? ", or lower MaxConnections" : "");
		return EX_OSERR;
	}
	*max_r = configured;
	if (configured > 0)
		return EX_OK;
	lookups = (have - open - OTHERS) / 2;
	if (lookups > LOOKUPS_MAX)
		lookups = LOOKUPS_MAX;
	*max_r = (long)(have - open - OTHERS - lookups);
	return EX_OK;
}

/* Set admission.peercred, if it is needed. */
static int
start_peercred(const struct sockspec *spec, const struct conf *conf,
    bool everybody, struct errmsg *msg_r)
{
	if (spec->family == AF_UNIX)
		return EX_OK;
	admission.peercred = peercred_new();
	/* Either family will do: the kernel supports both or neither, but a
	 * loopback interface may lack an address of one. */
	if (admission.peercred != NULL &&
	    (peercred_try(admission.peercred, AF_INET6) == 0 ||
		peercred_try(admission.peercred, AF_INET) == 0))
		return EX_OK;
	if (everybody)
		return EX_OK;
	errmsg_set(msg_r,
	    "%s: SocketPeers: the system does not say which user has a TCP "
	    "connection (sock_diag: %s): allow it (in a systemd unit: "
	    "RestrictAddressFamilies= with AF_NETLINK; the kernel's module "
	    "tcp_diag), use a local socket, or let everybody in with "
	    "SocketPeers *",
	    conf_where(conf, "SocketPeers"), strerror(errno));
	return EX_UNAVAILABLE;
}

int
accept_check(const struct sockspec *spec, const struct snapshot *snap,
    struct errmsg *msg_r)
{
	long max;
	int rc = start_peercred(
	    spec, snap->conf, peers_everybody(snap->peers), msg_r);

	return rc == EX_OK ? find_limit(snap->conf, &max, msg_r) : rc;
}

int
accept_descriptors(const struct conf *conf, struct errmsg *msg_r)
{
	long max;

	return find_limit(conf, &max, msg_r);
}

int
accept_start(
    const struct sockspec *spec, const struct conf *conf, struct errmsg *msg_r)
{
	struct snapshot *snap = inforce_get();
	bool everybody = peers_everybody(snap->peers);
	long max = 0;
	int rc;

	snapshot_unref(snap);
	rc = start_peercred(spec, conf, everybody, msg_r);
	if (rc == EX_OK)
		rc = find_limit(conf, &max, msg_r);
	if (rc != EX_OK)
		return rc;
	admission.crowd = crowd_new((size_t)max);
	admission.spare = eventfd(0, EFD_CLOEXEC);
	if (admission.crowd == NULL || admission.spare < 0) {
		errmsg_set(msg_r, "%s", strerror(errno));
		return EX_OSERR;
	}
	admission.started = true;
	return EX_OK;
}

void
accept_trial(void)
{
	admission.trial = true;
}

bool
accept_tried(void)
{
	return admission.tried;
}
