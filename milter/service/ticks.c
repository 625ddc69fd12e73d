/*
 * What the stages have to do now and then, beside the mail: their tick hooks.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/chain.h"
#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

/* Milliseconds: what a stage wants to be called for may come sooner than it
 * said, when mail has shown something. */
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
