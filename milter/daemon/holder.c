/*
 * All is read from proc(5).  If that can't be read, nothing is found.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "holder.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"

#define ARGUMENTS_MAX 8192
#define LISTENERS_MAX 16   /* of one port: addresses, and processes sharing it \
			    */
#define ENDING "postern: ends"	/* at most 15 octets */
#define STEP 50			/* milliseconds */
#define STEPS (10000 / STEP)	/* a stop takes at most half of that */
#define LAST_STEPS (1000 / STEP) /* for a process that can't be seen */
#define TAKES_VALUE "xpPu" /* the flags of postern that take a value */

/* Read a file of the process; returns its length. */
static size_t
slurp(const char *pid, const char *name, char *text, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, size - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return n < 0 ? 0 : (size_t)n;
}

/* The -x among the arguments, each of which ends in a NUL; NULL: none. */
static const char *
find_config(const char *args, const char *end)
{
	const char *found = NULL, *at = args + strlen(args) + 1;

	while (at < end && at[0] == '-' && at[1] != '\0') {
		const char *flag = at + 1, *value;

		while (*flag != '\0' && strchr(TAKES_VALUE, *flag) == NULL)
			flag++;
		value = flag[0] != '\0' && flag[1] == '\0' ? at + strlen(at) + 1
							   : flag + 1;
		if (*flag == 'x' && value < end)
			found = value;
		at = flag[0] == '\0' ? flag + 1 : value + strlen(value) + 1;
	}
	return found;
}

static bool
same_file(const char *path, const char *config)
{
	const char *slash;
	char real[PATH_MAX];

	if (path == NULL)
		path = POSTERN_CONF;
	/* The directory in which it was started is not known. */
	if (path[0] != '/') {
		slash = strrchr(path, '/');
		return strcmp(slash == NULL ? path : slash + 1,
			   strrchr(config, '/') + 1) == 0;
	}
	if (realpath(path, real) != NULL)
		path = real;
	return strcmp(path, config) == 0;
}

enum holder
holder_of(long pid, const char *config)
{
	char number[32], ours[32], theirs[32], args[ARGUMENTS_MAX];
	size_t len;

	snprintf(number, sizeof(number), "%ld", pid);
	if (pid <= 0 || slurp(number, "comm", theirs, sizeof(theirs)) == 0 ||
	    slurp("self", "comm", ours, sizeof(ours)) == 0)
		return HOLDER_UNKNOWN;
	if (strcmp(ours, theirs) != 0 && strcmp(theirs, ENDING "\n") != 0)
		return HOLDER_OTHER;
	len = slurp(number, "cmdline", args, sizeof(args));
	if (len == 0 || config == NULL || config[0] != '/')
		return HOLDER_UNKNOWN;
	return same_file(find_config(args, args + len), config)
		   ? HOLDER_SAME
		   : HOLDER_POSTERN;
}

bool
holder_passes(const struct holder_for *f, long pid, const char *what,
    const char *name, struct errmsg *warning_r)
{
	enum holder holder =
	    f->start ? HOLDER_OTHER : holder_of(pid, f->config);

	if (holder == HOLDER_POSTERN)
		errmsg_set(warning_r,
		    "%s: %s: process %ld has it, a postern with another "
		    "configuration: stop that one before a start with this one",
		    what, name, pid);
	return holder != HOLDER_OTHER;
}

void
holder_end(void)
{
	prctl(PR_SET_NAME, ENDING);
}

/* It has a signal to stop, and has not handled it yet. */
static bool
has_pending_stop(const char *pid)
{
	const uint64_t stops = UINT64_C(1) << (SIGTERM - 1) |
	    UINT64_C(1) << (SIGINT - 1);
	char status[ARGUMENTS_MAX];
	const char *pending;

	slurp(pid, "status", status, sizeof(status));
	pending = strstr(status, "\nShdPnd:");
	return pending != NULL &&
	    (strtoull(pending + strlen("\nShdPnd:"), NULL, 16) & stops) != 0;
}

bool
holder_ends(const struct holder_for *f, long pid, int *steps)
{
	const struct timespec step = {.tv_nsec = STEP * 1000000L};
	char number[32], ours[32], theirs[32];
	bool seen;

	if (!f->start || *steps >= STEPS)
		return false;
	snprintf(number, sizeof(number), "%ld", pid);
	seen = pid > 0 && slurp(number, "comm", theirs, sizeof(theirs)) > 0 &&
	    slurp("self", "comm", ours, sizeof(ours)) > 0;
	/* It may have ended since it was found. */
	if (!seen && *steps < STEPS - LAST_STEPS)
		*steps = STEPS - LAST_STEPS;
	if (seen && strcmp(theirs, ENDING "\n") != 0 &&
	    (strcmp(theirs, ours) != 0 || !has_pending_stop(number)))
		return false;
	++*steps;
	nanosleep(&step, NULL);
	return true;
}

/* The inodes of the sockets that listen there. */
static size_t
find_inodes(const char *table, unsigned port, unsigned long *inodes, size_t n)
{
	FILE *f = fopen(table, "re");
	char line[512];

	while (f != NULL && n < LISTENERS_MAX &&
	       fgets(line, sizeof(line), f) != NULL) {
		unsigned at, state;
		unsigned long inode;

		if (sscanf(line,
			" %*u: %*[0-9A-F]:%x %*[0-9A-F]:%*x %x "
			"%*x:%*x %*x:%*x %*x %*u %*u %lu",
			&at, &state, &inode) == 3 &&
		    at == port && state == 0x0a)
			inodes[n++] = inode;
	}
	if (f != NULL)
		fclose(f);
	return n;
}

static bool
has_socket(const char *pid, const unsigned long *inodes, size_t n)
{
	char path[64], link[64];
	DIR *dir;
	struct dirent *d;
	bool found = false;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	while (dir != NULL && !found && (d = readdir(dir)) != NULL) {
		unsigned long inode;
		ssize_t len =
		    readlinkat(dirfd(dir), d->d_name, link, sizeof(link) - 1);

		link[len < 0 ? 0 : len] = '\0';
		if (sscanf(link, "socket:[%lu]", &inode) != 1)
			continue;
		for (size_t i = 0; i < n; i++)
			found |= inodes[i] == inode;
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

long
holder_find(unsigned port)
{
	unsigned long inodes[LISTENERS_MAX];
	size_t n = find_inodes("/proc/net/tcp", port, inodes, 0);
	DIR *dir = opendir("/proc");
	struct dirent *d;
	long pid = 0;

	n = find_inodes("/proc/net/tcp6", port, inodes, n);
	while (dir != NULL && n > 0 && pid == 0 && (d = readdir(dir)) != NULL) {
		if (d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
		    has_socket(d->d_name, inodes, n))
			pid = atol(d->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return pid;
}
