/*
 * Frees the configurations without references: to close a table and free
 * 100,000 rules takes too long for a mail thread.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdatomic.h>
#include <stddef.h>

#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

/* The snapshots to be freed.  The link is in the snapshot, so that adding one
 * takes neither memory nor a lock. */
static struct snapshot *_Atomic first;

static void
leave(struct snapshot *snap)
{
	snap->next = atomic_load(&first);
	while (!atomic_compare_exchange_weak(&first, &snap->next, snap))
		;
	service_wake(&service_snapshots);
}

static int
snapshots_start(void)
{
	snapshot_leave_to(leave);
	return 0;
}

static int64_t
snapshots_tick(void)
{
	struct snapshot *snap = atomic_exchange(&first, NULL), *next;

	for (; snap != NULL; snap = next) {
		next = snap->next;
		snapshot_free(snap);
	}
	return -1;
}

/* Free the one in force as well.  Those of sessions that have not ended
 * stay. */
static void
snapshots_stop(void)
{
	inforce_set(NULL);
	(void)snapshots_tick();
}

const struct service service_snapshots = {
    .name = "snapshots",
    .thread = true,
    .start = snapshots_start,
    .tick = snapshots_tick,
    .stop = snapshots_stop,
    .late = "stopped while a configuration was being freed, which was not "
	    "finished: no mail is concerned",
};
