/* SPDX-License-Identifier: BSD-2-Clause */
#include "inforce.h"

#include <pthread.h>
#include <stddef.h>

#include "snapshot.h"

static struct {
	pthread_mutex_t lock;
	struct snapshot *snap;
} current = {.lock = PTHREAD_MUTEX_INITIALIZER};

void
inforce_set(struct snapshot *snap)
{
	struct snapshot *old;

	pthread_mutex_lock(&current.lock);
	old = current.snap;
	current.snap = snap;
	pthread_mutex_unlock(&current.lock);
	snapshot_unref(old);
}

struct snapshot *
inforce_get(void)
{
	struct snapshot *snap;

	pthread_mutex_lock(&current.lock);
	snap = current.snap == NULL ? NULL : snapshot_ref(current.snap);
	pthread_mutex_unlock(&current.lock);
	return snap;
}
