/*
 * Writes events to the file of Journal.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Each line is written by one write, behind what is there, so several daemons
 * may share the file.  Where a disk is full, what was written of a line is taken
 * back, and the event is lost; the next one is tried again.
 */
#include "milter/stage/journal.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "milter/event.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

#define ROOM 1024    /* items in the queue */
#define LOOK_MS 1000 /* how soon a file that was renamed is made anew */

/* The file; only the service's thread uses this. */
static struct {
	char *path; /* NULL: there is to be none */
	int fd;     /* -1: it is not open */
	dev_t dev;
	ino_t ino;
	bool torn;     /* it ends within a line */
	bool said;     /* what is wrong is logged */
	uint64_t lost; /* events, since that was logged */
	int64_t last;  /* event_order's */
} file = {.fd = -1};

static struct trouble trouble = TROUBLE_INIT;

/* -- opening -- */

static void
close_file(void)
{
	if (file.fd >= 0)
		close(file.fd);
	file.fd = -1;
}

static void
log_failure(const char *what)
{
	if (!file.said)
		log_line(LOG_WARNING, "journal: %s: events are lost until that "
		    "is mended", what);
	file.said = true;
	trouble_set(&trouble, "%s: events are lost", what);
}

static void
log_mended(void)
{
	if (file.said)
		log_line(LOG_WARNING, "journal: %s: it is written again; "
		    "events lost: %llu", file.path,
		    (unsigned long long)file.lost);
	file.said = false;
	file.lost = 0;
	trouble_clear(&trouble);
}

static void
open_file(void)
{
	struct errmsg why = {.text = ""};
	struct stat st;
	char last = '\n';

	close_file();
	file.fd = journal_open(file.path, &why);
	if (file.fd < 0 || fstat(file.fd, &st) != 0) {
		log_failure(why.text);
		close_file();
		return;
	}
	file.dev = st.st_dev;
	file.ino = st.st_ino;
	/* Whoever wrote there before may have been killed by a power cut. */
	file.torn = st.st_size > 0 &&
	    pread(file.fd, &last, 1, st.st_size - 1) == 1 && last != '\n';
}

/* Take the path from the configuration in force. */
static void
set_path(const char *path)
{
	if (path != NULL && file.path != NULL && strcmp(path, file.path) == 0)
		return;
	close_file();
	free(file.path);
	file.path = path == NULL ? NULL : strdup(path);
	file.said = false;
	file.lost = 0;
	trouble_clear(&trouble);
}

/* Have the right file open.  False: there is to be none. */
static bool
look(void)
{
	struct snapshot *snap = inforce_get();

	if (snap != NULL)
		set_path(journal_path(snap));
	snapshot_unref(snap);
	if (file.path != NULL &&
	    (file.fd < 0 ||
		mapfile_taken(file.path, file.dev, file.ino) != 0))
		open_file();
	return file.path != NULL;
}

/* -- writing -- */

/* Take back a part of a line, unless another daemon has written behind it: then
 * the next line begins with a line feed. */
static void
take_back(ssize_t written)
{
	off_t end = lseek(file.fd, 0, SEEK_CUR);
	struct stat st;

	if (file.torn)
		written--; /* that line feed was due */
	file.torn = false;
	if (written <= 0)
		return;
	file.torn = end < 0 || fstat(file.fd, &st) != 0 ||
	    st.st_size != end || ftruncate(file.fd, end - written) != 0;
}

static bool
write_line(struct journal_item *item)
{
	char feed = '\n';
	struct iovec parts[2] = {
	    {.iov_base = &feed, .iov_len = file.torn ? 1 : 0},
	    {.iov_base = item->line, .iov_len = item->len}};
	ssize_t n, all = (ssize_t)(item->len + parts[0].iov_len);

	do
		n = writev(file.fd, parts, 2);
	while (n < 0 && errno == EINTR);
	if (n == all) {
		file.torn = false;
		return true;
	}
	if (n > 0)
		take_back(n);
	if (n >= 0)
		errno = ENOSPC;
	return false;
}

static void
journal_take(void *arg)
{
	struct journal_item *item = arg;
	char why[PATH_MAX + 128];

	if ((file.fd < 0 || file.path == NULL) && !look()) {
		free(item);
		return;
	}
	event_order(item->line, &file.last);
	if (file.fd >= 0 && write_line(item)) {
		log_mended();
	} else {
		file.lost++;
		if (file.fd >= 0) {
			snprintf(why, sizeof(why), "%s: %s", file.path,
			    strerror(errno));
			log_failure(why);
		}
	}
	free(item);
}

static int64_t
journal_tick(void)
{
	return look() ? LOOK_MS : -1;
}

static void
journal_stop(void)
{
	if (file.said && file.path != NULL)
		log_line(LOG_WARNING, "journal: %s: events lost: %llu",
		    file.path, (unsigned long long)file.lost);
	set_path(NULL);
	file.last = 0;
}

static void
journal_problems(struct problems *p)
{
	problems_add_trouble(p, false, "journal",
	    "make room for Journal's file, or name a place that the daemon may "
	    "write to", &trouble);
}

const struct service service_journal = {
    .name = "journal",
    .thread = true,
    .room = ROOM,
    .take = journal_take,
    .tick = journal_tick,
    .stop = journal_stop,
    .problems = journal_problems,
};
