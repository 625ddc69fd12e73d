/*
 * A table in memory: the mapped one in a file that has no name.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It can't grow by moving to another file, so it has RINGS_MAX rings at once.
 */
#include "file.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/err.h"

/* There is nothing to check: no other process can reach it. */
static int
memory_check(struct quota *base, struct quota_report *report_r,
    struct errmsg *msg_r)
{
	struct map *m = atomic_load(&mapped_of(base)->map);

	(void)msg_r;
	if (report_r == NULL)
		return 0;
	memset(report_r, 0, sizeof(*report_r));
	report_set(report_r, QUOTA_OPENED, "nothing happened");
	report_r->accounts = m->slot_count;
	return 0;
}

static const struct quota_store memory_store = {
    MAPPED_COUNTS,
    .check = memory_check,
};

int
quota_open_memory(struct quota **q_r, const struct quota_options *opt,
    struct errmsg *msg_r)
{
	struct mapped *q;
	struct map *m;
	int fd, rc = mapped_new(&q, "memory", opt, msg_r);

	if (rc != 0)
		return rc;
	fd = memfd_create("postern quota", MFD_CLOEXEC);
	if (fd < 0) {
		rc = mapfile_fail_call(msg_r, "memfd_create", q->path);
		mapped_free(q);
		return rc;
	}
	rc = build_table(q, fd, q->accounts, RINGS_MAX, &m, msg_r);
	close(fd);
	if (rc != 0) {
		mapped_free(q);
		return rc;
	}
	atomic_init(&q->map, m);
	q->quota.store = &memory_store;
	*q_r = &q->quota;
	return 0;
}
