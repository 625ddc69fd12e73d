/*
 * Calls the stages' tick hooks: periodic work beside the mail.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/chain.h"
#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

/* Milliseconds.  Mail may give a stage something to do before the time that its
 * tick returned, so ticks come at least this often. */
#define TICK_MAX 60000

static int64_t
ticks_tick(void)
{
	struct snapshot *snap = inforce_get();
	int64_t ms = snap == NULL ? -1 : chain_tick(snap);

	snapshot_unref(snap);
	return ms > TICK_MAX ? TICK_MAX : ms;
}

const struct service service_ticks = {
    .name = "ticks",
    .tick = ticks_tick,
};
