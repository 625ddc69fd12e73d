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
#include "milter/log.h"
#include "milter/peers.h"
#include "milter/snapshot.h"
#include "milter/sockspec.h"
#include "reader.h"

/* Descriptors, beside those that are open when serving begins and one for each
 * connection.  Of files that a reload opens, of libmilter's and the resolver's
 * threads, and the spare one: */
#define OTHERS 16
#define OPEN_MIN 16 /* so many are open when serving begins, or more */
/* For look-ups: as many as connections, so that half are theirs, within: */
#define LOOKUPS_MIN 8
#define LOOKUPS_MAX 4096
#define CONNECTIONS_MIN 8 /* fewer don't serve an MTA */
#define CONNECTIONS_MAX 1000000

#define STRANGERS_MAX 64 /* users of whom the log was told */
#define EXHAUSTED_MS 100 /* wait so long when there is nothing else to do */

/* But for the set-up all of it belongs to the one thread that accepts. */
static struct {
	bool started, trial, tried;
	struct crowd *crowd;
	struct peercred *peercred; /* NULL: users of TCP can't be told */
	int spare; /* to be given up for the one that turns a client away */
	uid_t strangers[STRANGERS_MAX];
	size_t n_strangers;
	struct log_seldom gone, unknown, full, exhausted;
} door = {.spare = -1};

/* -- who -- */

/* The name is looked up here, once for each user: it needs no lock. */
static void
say_stranger(uid_t uid)
{
	struct user user;
	bool known;

	for (size_t i = 0; i < door.n_strangers; i++) {
		if (door.strangers[i] == uid)
			return;
	}
	if (door.n_strangers == STRANGERS_MAX)
		return;
	door.strangers[door.n_strangers++] = uid;
	known = users_find_uid(uid, &user) == 0;
	log_line(LOG_WARNING,
	    "a connection of user %lu (%s) was closed, and others of this user "
	    "will be: SocketPeers does not name the user%s",
	    (unsigned long)uid, known ? user.name : "who has no name",
	    door.n_strangers == STRANGERS_MAX
		? "; it is one of so many that further ones are not told"
		: "");
}

/* May that one connect?  Whoever can't be known may where everybody may, and
 * where it comes from another machine. */
static bool
knows(const struct peers *peers, int fd, uid_t *uid_r)
{
	*uid_r = CROWD_UNKNOWN;
	switch (peercred_find(door.peercred, fd, uid_r)) {
	case PEERCRED_USER:
		if (peers_has(peers, *uid_r))
			return true;
		say_stranger(*uid_r);
		return false;
	case PEERCRED_REMOTE:
		return true;
	case PEERCRED_GONE:
		if (peers_everybody(peers))
			return true;
		log_seldom(&door.gone, LOG_WARNING,
		    "a connection was closed: its other end had gone before it "
		    "could be seen whose it is (SocketPeers)");
		return false;
	case PEERCRED_ERROR:
		break;
	}
	if (peers_everybody(peers))
		return true;
	log_seldom(&door.unknown, LOG_ERR,
	    "a connection was closed: the system does not say whose it is "
	    "(SocketPeers): %s",
	    strerror(errno));
	return false;
}

static bool
fits(int fd, uid_t uid)
{
	size_t max = crowd_max(door.crowd);

	switch (crowd_add(door.crowd, fd, uid)) {
	case CROWD_ROOM:
		return true;
	case CROWD_FULL:
		log_seldom(&door.full, LOG_WARNING,
		    "a connection was closed: there are %zu (MaxConnections)",
		    max);
		break;
	case CROWD_USER_FULL:
		log_seldom(&door.full, LOG_WARNING,
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

	if (door.trial) {
		door.tried = true;
		return true;
	}
	snap = door.started ? inforce_get() : NULL;
	if (snap == NULL)
		return false;
	may = knows(snap->peers, fd, &uid);
	snapshot_unref(snap);
	return may && fits(fd, uid);
}

/* -- when there is no descriptor -- */

/* The client must not stay in the queue: libmilter would ask for it again and
 * again without a pause. */
static void
turn_away(int listener)
{
	int fd = -1;

	log_seldom(&door.exhausted, LOG_ERR,
	    "no descriptor is left for a connection: %s", strerror(errno));
	if (door.spare >= 0) {
		close(door.spare);
		fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			close(fd);
		door.spare = eventfd(0, EFD_CLOEXEC);
	}
	if (fd < 0)
		poll(NULL, 0, EXHAUSTED_MS);
}

/* The name in the executable is libc's; here it is another, as libc's headers
 * give the parameters a type of their own. */
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
		n -= n < 3 ? n : 3; /* . and .. and its own */
	} else {
		/* In a chroot; they are given out from below. */
		fd = eventfd(0, EFD_CLOEXEC);
		n = fd < 0 ? descriptors() : (unsigned long)fd;
		if (fd >= 0)
			close(fd);
	}
	return n < OPEN_MIN ? OPEN_MIN : n;
}

/*
 * How many connections the descriptors allow (RLIMIT_NOFILE, and what is open),
 * or MaxConnections if that is given.  EX_OK; or EX_OSERR where they are too
 * few, and in *msg_r how many it takes.
 */
static int
find_limit(const struct conf *conf, long *max_r, struct errmsg *msg_r)
{
	long asked = conf_int(conf, "MaxConnections");
	unsigned long have = descriptors(), open = count_open(), lookups;
	unsigned long need = open + OTHERS + LOOKUPS_MIN;

	need += asked > 0 ? (unsigned long)asked : CONNECTIONS_MIN;
	if (have < need) {
		errmsg_set(msg_r,
		    "%s%s%lu descriptors are too few%s: it takes %lu; raise "
		    "the limit (ulimit -n, or LimitNOFILE= in the systemd "
		    "unit)%s",
		    asked > 0 ? conf_where(conf, "MaxConnections") : "",
		    asked > 0 ? ": MaxConnections: " : "", have,
		    asked > 0 ? " for MaxConnections" : "", need,
		    asked > 0 ? ", or lower MaxConnections" : "");
		return EX_OSERR;
	}
	*max_r = asked;
	if (asked > 0)
		return EX_OK;
	lookups = (have - open - OTHERS) / 2;
	if (lookups > LOOKUPS_MAX)
		lookups = LOOKUPS_MAX;
	*max_r = (long)(have - open - OTHERS - lookups);
	return EX_OK;
}

/* door.peercred, where it is needed. */
static int
start_peercred(const struct sockspec *spec, const struct conf *conf,
    bool everybody, struct errmsg *msg_r)
{
	if (spec->family == AF_UNIX)
		return EX_OK;
	door.peercred = peercred_new();
	/* The kernel answers for both or for neither; a loopback interface may
	 * lack an address of the one. */
	if (door.peercred != NULL &&
	    (peercred_try(door.peercred, AF_INET6) == 0 ||
		peercred_try(door.peercred, AF_INET) == 0))
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
	door.crowd = crowd_new((size_t)max);
	door.spare = eventfd(0, EFD_CLOEXEC);
	if (door.crowd == NULL || door.spare < 0) {
		errmsg_set(msg_r, "%s", strerror(errno));
		return EX_OSERR;
	}
	door.started = true;
	return EX_OK;
}

void
accept_trial(void)
{
	door.trial = true;
}

bool
accept_tried(void)
{
	return door.tried;
}
