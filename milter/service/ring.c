/*
 * Copies the decision ring to where it survives a reboot.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/stage/ring.h"

#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"

#define EVERY_MS 60000

static int64_t
ring_copy_tick(void)
{
	struct snapshot *snap = inforce_get();
	bool copies = snap != NULL && ring_write_copy(snap);

	snapshot_unref(snap);
	return copies ? EVERY_MS : -1;
}

static void
ring_copy_stop(void)
{
	(void)ring_copy_tick();
}

const struct service service_ring = {
    .name = "ring",
    .thread = true,
    .tick = ring_copy_tick,
    .stop = ring_copy_stop,
    .late = "stopped before the decision ring was copied: a reboot now would "
	    "lose the last minute of it",
};
