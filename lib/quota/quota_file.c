/*
 * Opening the table: whatever is there, and whoever else opens it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A new table is built as PATH.new, under the lock of that file (the builder's
 * lock), and renamed to PATH when it is complete.  The name PATH is given to
 * another file only under the lock of PATH.new.  A process that has waited for
 * a lock checks that its file still has the name; if not, it begins again.  The
 * PATH.new of a builder that was killed is used by the next one.
 *
 * The exception is a table of a later program: it is not opened, and stays as
 * it is.
 */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/siphash.h"

/* --- clocks ------------------------------------------------------------ */

static uint64_t
clock_read(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC + (uint64_t)ts.tv_nsec;
}

static uint64_t
real_boottime(void *ctx)
{
	(void)ctx;
	return clock_read(CLOCK_BOOTTIME);
}

static uint64_t
real_wall(void *ctx)
{
	(void)ctx;
	return clock_read(CLOCK_REALTIME);
}

/* All zero where /proc is hidden.  Then a reboot is known only by a boot clock
 * that went back, and table time may not advance during a reboot: that grants
 * nothing. */
static void
real_boot_id(void *ctx, unsigned char id_r[16])
{
	char text[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	uint64_t hash[2];

	(void)ctx;
	memset(id_r, 0, 16);
	if (f == NULL)
		return;
	if (fgets(text, sizeof(text), f) != NULL) {
		siphash128((const uint64_t[2]){0, 0}, text, strlen(text), hash);
		memcpy(id_r, hash, 16);
	}
	fclose(f);
}

static const struct quota_clock real_clock = {
    real_boottime, real_wall, real_boot_id, NULL};

/* --- opening ------------------------------------------------------------ */

/* Make a new table.  why NULL: no file has its name; otherwise why is what is
 * wrong with the file that has it, and bad which file that is. */
static int
open_new(struct mapped *q, const char *why, const struct stat *bad,
    struct map **m_r, struct quota_report *rep, struct errmsg *msg)
{
	struct stat st;
	int fd, taken, rc = mapfile_build(q->new_path, &fd, &st, msg);

	if (rc != 0)
		return rc;
	taken = mapfile_taken(q->path, bad->st_dev, bad->st_ino);
	if (why == NULL ? taken != ERR_NOTFOUND : taken != 0) {
		mapfile_unbuild(q->new_path, fd);
		return TRY_AGAIN;
	}
	rc = build_table(q, fd, q->accounts, q->rings, m_r, msg);
	if (rc == 0 && why != NULL) {
		rc = mapfile_set_aside(q->path,
		    (time_t)(q->clock.wall(q->clock.ctx) / NSEC),
		    rep->bad_path, sizeof(rep->bad_path));
		if (rc != 0)
			mapfile_fail_call(msg, "rename", q->path);
	}
	if (rc == 0)
		rc = build_publish(q, msg);
	if (rc == 0) {
		mapfile_lock((*m_r)->fd, F_UNLCK);
		close(fd);
		if (why != NULL)
			report_set(rep, QUOTA_RENEWED, "%s", why);
		else
			report_set(rep, QUOTA_CREATED, "a new table");
		return 0;
	}
	map_free(*m_r);
	*m_r = NULL;
	mapfile_unbuild(q->new_path, fd);
	return rc;
}

static bool
size_differs(const struct mapped *q, const struct map *m)
{
	return q->mode == QUOTA_CREATE && (m->slot_count != q->accounts ||
	    m->rings < q->rings);
}

/* Move to a table of the new size.  If that is too small for the accounts in
 * use, keep the number of accounts, and add only the rings that are needed. */
static int
migrate_sized(struct mapped *q, int fd, struct map *from, struct map **to_r,
    struct errmsg *msg)
{
	unsigned rings = from->rings > q->rings ? from->rings : q->rings;
	int rc = table_migrate(q, fd, from, q->accounts, rings, to_r, msg);

	if (rc == ERR_FULL && rings > from->rings)
		rc = table_migrate(q, fd, from, from->slot_count, rings, to_r,
		    msg);
	return rc;
}

/* Bring the table to the size asked for. */
static int
open_resize(struct mapped *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	struct map *from = *m_r, *to = NULL;
	struct stat st;
	int fd, rc = mapfile_build(q->new_path, &fd, &st, msg);

	if (rc != 0)
		return rc;
	rc = table_lock(q, from);
	if (rc == 0) {
		if (map_moving(from) ||
		    mapfile_taken(q->path, from->dev, from->ino) != 0)
			rc = TRY_AGAIN;
		else
			rc = migrate_sized(q, fd, from, &to, msg);
		table_unlock(q, from);
	}
	if (rc != 0) {
		mapfile_unbuild(q->new_path, fd);
		if (rc == TRY_AGAIN || from->rings < q->limits)
			return rc;
		report_set(rep, QUOTA_TOO_SMALL, "the table keeps room for %u "
		    "accounts, %s", from->slot_count, rc == ERR_FULL ?
		    "more are in use than were asked for" :
		    "the other size cannot be had");
		return 0;
	}
	report_set(rep, QUOTA_MIGRATED, "moved from room for %u accounts to %u",
	    from->slot_count, to->slot_count);
	mapfile_lock(to->fd, F_UNLCK);
	close(fd);
	map_free(from);
	*m_r = to;
	return 0;
}

/* One attempt; TRY_AGAIN when the name changed hands meanwhile. */
static int
open_once(struct mapped *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	struct stat st = {.st_size = 0};
	const char *why;
	int rc = map_open(q, m_r, &why, &st, msg);

	if (q->mode == QUOTA_CREATE && (rc == ERR_NOTFOUND ||
	    (rc == ERR_FORMAT && why != NULL)))
		return open_new(q, why, &st, m_r, rep, msg);
	if (rc != 0 || q->mode == QUOTA_READ)
		return rc;
	if (q->mode == QUOTA_CREATE &&
	    mapfile_keep((*m_r)->fd, (off_t)(*m_r)->size) != 0)
		return mapfile_fail_call(msg, "allocate", q->path);
	rc = table_lock(q, *m_r);
	if (rc != 0)
		return mapfile_fail_call(msg, "lock", q->path);
	if (mapfile_taken(q->path, (*m_r)->dev, (*m_r)->ino) != 0)
		rc = TRY_AGAIN;
	else
		table_unfreeze(q, *m_r);
	if (rc == 0)
		map_set_clock(q, *m_r);
	table_unlock(q, *m_r);
	if (rc == 0 && size_differs(q, *m_r))
		rc = open_resize(q, m_r, rep, msg);
	return rc;
}

int
map_open_any(struct mapped *q, struct map **m_r, struct quota_report *rep,
    struct errmsg *msg)
{
	unsigned tries = 0;
	int rc;

	do {
		memset(rep, 0, sizeof(*rep));
		report_set(rep, QUOTA_OPENED, "opened");
		*m_r = NULL;
		rc = open_once(q, m_r, rep, msg);
		if (rc != 0)
			map_free(*m_r);
	} while (rc == TRY_AGAIN && ++tries < TRIES_MAX);
	if (rc == TRY_AGAIN)
		rc = mapfile_fail(msg, ERR_SYSTEM, "%s: the file changes "
		    "hands all the time", q->path);
	if (rc == 0)
		rep->accounts = (*m_r)->slot_count;
	return rc;
}

static int
options_wrong(const struct quota_options *opt, const char *path,
    struct errmsg *msg)
{
	if (path[0] == '\0' || strlen(path) > 3900)
		return mapfile_fail(msg, ERR_CONFIG, "expected a path of 1 to "
		    "3900 octets");
	if (opt->mode != QUOTA_CREATE)
		return 0;
	if (opt->accounts < 1 || opt->accounts > QUOTA_ACCOUNTS_MAX)
		return mapfile_fail(msg, ERR_CONFIG, "expected room for 1 to "
		    "%u accounts", QUOTA_ACCOUNTS_MAX);
	if (opt->limits < 1 || opt->limits > QUOTA_LIMITS_MAX)
		return mapfile_fail(msg, ERR_CONFIG, "expected accounts of 1 to "
		    "%u limits", QUOTA_LIMITS_MAX);
	return 0;
}

void
mapped_free(struct mapped *q)
{
	if (q == NULL)
		return;
	pthread_mutex_destroy(&q->mutex);
	free(atomic_load(&q->due));
	free(q->path);
	free(q->new_path);
	free(q);
}

int
mapped_new(struct mapped **q_r, const char *path,
    const struct quota_options *opt, struct errmsg *msg)
{
	struct mapped *q;
	int rc = options_wrong(opt, path, msg);

	if (rc != 0)
		return rc;
	q = calloc(1, sizeof(*q));
	if (q == NULL || asprintf(&q->new_path, "%s.new", path) < 0) {
		free(q);
		return mapfile_fail(msg, ERR_NOMEM, "%s: out of memory", path);
	}
	q->path = strndup(q->new_path, strlen(path));
	q->mode = opt->mode;
	q->accounts = opt->accounts;
	q->limits = opt->limits;
	/* One more of each kind, for a window of an earlier configuration, or
	 * of another process. */
	q->rings = opt->limits + QUOTA_KINDS;
	q->clock = opt->clock != NULL ? *opt->clock : real_clock;
	pthread_mutex_init(&q->mutex, NULL);
	if (q->path == NULL) {
		mapped_free(q);
		return mapfile_fail(msg, ERR_NOMEM, "%s: out of memory", path);
	}
	*q_r = q;
	return 0;
}

static const struct quota_store mapped_store = {
    MAPPED_COUNTS,
    .check = mapped_check,
};

int
quota_open(struct quota **q_r, const char *path,
    const struct quota_options *opt, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	struct quota_report *rep = report_r;
	struct mapped *q = NULL;
	struct map *m = NULL;
	int rc = mapped_new(&q, path, opt, msg_r);

	if (rc != 0)
		return rc;
	if (rep == NULL)
		rep = calloc(1, sizeof(*rep));
	rc = rep == NULL ? mapfile_fail(msg_r, ERR_NOMEM, "%s: out of memory",
	    path) : map_open_any(q, &m, rep, msg_r);
	if (rc == 0) {
		atomic_init(&q->map, m);
		q->quota.store = &mapped_store;
		*q_r = &q->quota;
	} else {
		mapped_free(q);
	}
	if (rep != report_r)
		free(rep);
	return rc;
}

int
quota_try(const char *path, const struct quota_options *opt,
    const char **foreign_r, struct errmsg *msg_r)
{
	struct stat st = {.st_size = 0};
	struct mapped *q = NULL;
	struct map *m = NULL;
	const char *why;
	int rc = mapped_new(&q, path, opt, msg_r);

	*foreign_r = NULL;
	if (rc != 0)
		return rc;
	rc = map_open(q, &m, &why, &st, msg_r);
	if (rc == ERR_FORMAT)
		*foreign_r = why;
	if (rc == ERR_NOTFOUND || (rc == ERR_FORMAT && why != NULL))
		rc = build_try(q, false, msg_r);
	else if (rc == 0 && size_differs(q, m))
		rc = build_try(q, true, msg_r);
	map_free(m);
	mapped_free(q);
	return rc;
}

void
mapped_close(struct quota *base)
{
	struct mapped *q = mapped_of(base);
	struct map *m, *older;

	for (m = atomic_load(&q->map); m != NULL; m = older) {
		older = m->older;
		map_free(m);
	}
	mapped_free(q);
}
