/*
 * Writes down how often each rule hits.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/stage/rules.h"

#define EVERY_MS 1000

static int64_t
statistics_tick(void)
{
	struct snapshot *snap = inforce_get();
	bool counts = snap != NULL && rules_write_counts(snap);

	snapshot_unref(snap);
	return counts ? EVERY_MS : -1;
}

static void
statistics_stop(void)
{
	(void)statistics_tick();
}

const struct service service_statistics = {
    .name = "statistics",
    .thread = true,
    .tick = statistics_tick,
    .stop = statistics_stop,
    .late = "stopped before the counts of rules were written: those of the last "
	    "second are lost",
};
