/* SPDX-License-Identifier: BSD-2-Clause */
#include "now.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/activity.h"
#include "milter/history.h"
#include "milter/inforce.h"
#include "milter/past.h"
#include "milter/snapshot.h"
#include "milter/stage/ring.h"

#define ROWS 2000 /* accounts, and clients, that are told apart */

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* -- the ring -- */

static void
close_ring(struct now *n)
{
	past_close(n->past);
	past_close(n->feed);
	activity_free(n->activity);
	free(n->path);
	n->past = n->feed = NULL;
	n->activity = NULL;
	n->path = NULL;
	n->recent_count = 0;
}

static void
open_ring(struct now *n, const char *path)
{
	struct errmsg why = {.text = ""};

	n->path = strdup(path);
	n->activity = activity_new(NOW_SPAN_S, ROWS);
	if (n->path == NULL || n->activity == NULL ||
	    past_open(path, &n->past, &why) != 0 ||
	    past_open(path, &n->feed, &why) != 0) {
		close_ring(n);
		n->none = "The decision ring can't be read, so no decisions "
			  "are shown: see the log.";
		return;
	}
	past_oldest(n->feed);
}

static void
follow_ring(struct now *n)
{
	const char *path = n->snap == NULL ? NULL : ring_path(n->snap->conf);

	if (n->path != NULL && (path == NULL || strcmp(path, n->path) != 0 ||
				   past_is_stale(n->past)))
		close_ring(n);
	if (path == NULL)
		n->none = "RingFile is none: no decisions are kept.";
	else if (n->path == NULL)
		open_ring(n, path);
}

static void
read_new(struct now *n)
{
	const struct record *r;

	if (!activity_turn(n->activity, wall_ms())) {
		past_oldest(n->feed);
		n->recent_count = 0;
	}
	while ((r = past_next(n->feed, true)) != NULL) {
		(void)activity_add(n->activity, r);
		n->recent[n->recent_count++ % NOW_RECENT] =
		    past_place(n->feed);
	}
}

/* -- the history -- */

static void
follow_history(struct now *n)
{
	struct buf path = BUF_INIT;

	if (n->snap != NULL)
		ring_state_path(n->snap->conf, "history", &path);
	if (n->history != NULL &&
	    (buf_text(&path) == NULL || n->history_path == NULL ||
		strcmp(buf_text(&path), n->history_path) != 0 ||
		!history_is_there(n->history, n->history_path))) {
		history_close(n->history);
		n->history = NULL;
	}
	if (n->history == NULL && path.len > 0 && !path.failed &&
	    history_open_read(buf_text(&path), &n->history, NULL) == 0) {
		free(n->history_path);
		n->history_path = strdup(buf_text(&path));
	}
	buf_fini(&path);
}

void
now_begin(struct now *n)
{
	n->snap = inforce_get();
	n->time = time(NULL);
	follow_ring(n);
	if (n->feed != NULL)
		read_new(n);
	follow_history(n);
}

void
now_end(struct now *n)
{
	snapshot_unref(n->snap);
	n->snap = NULL;
}

void
now_fini(struct now *n)
{
	close_ring(n);
	history_close(n->history);
	free(n->history_path);
	n->history = NULL;
	n->history_path = NULL;
}
