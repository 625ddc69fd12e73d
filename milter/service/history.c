/*
 * Adds what was counted to the history in StateDirectory, every few seconds.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What can't be written is lost, and a gap is left.
 */
#include "milter/history.h"

#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/counters.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/stage/ring.h"

#define EVERY 5 /* seconds, since the epoch: a tick at each full minute */

static struct {
	struct history *file; /* NULL: it can't be had */
	struct buf path;
	struct counters_sum before; /* what was added already */
	time_t last; /* tick; 0: none */
	bool said; /* that it can't be had is logged */
} own;

static struct trouble trouble = TROUBLE_INIT;

static void
close_file(void)
{
	history_close(own.file);
	own.file = NULL;
}

static void
open_file(time_t now)
{
	struct shared_report report;
	struct errmsg why = {.text = ""};

	if (history_open(
		buf_text(&own.path), now, &own.file, &report, &why) != 0) {
		trouble_set(&trouble, "%s: no history is kept", why.text);
		if (!own.said)
			log_line(LOG_INFO, "history: %s: no history is kept",
			    why.text);
		own.said = true;
		return;
	}
	trouble_clear(&trouble);
	own.said = false;
	if (report.event == SHARED_RENEWED)
		log_line(LOG_WARNING, "history: %s: %s; it is kept as %s",
		    buf_text(&own.path), report.why, report.bad_path);
}

/* Have the file of the configuration in force open, if it can be had. */
static void
find_file(const struct snapshot *snap, time_t now)
{
	struct buf path = BUF_INIT;

	ring_state_path(snap->conf, "history", &path);
	if (path.failed) {
		buf_fini(&path);
		return;
	}
	if (own.file != NULL &&
	    (strcmp(buf_text(&path), buf_text(&own.path)) != 0 ||
		!history_is_there(own.file, buf_text(&path))))
		close_file();
	buf_fini(&own.path);
	own.path = path;
	if (own.file == NULL)
		open_file(now);
}

/* The minute to which it belongs is that in which it was counted, as far as is
 * known: the one of the tick before.  Unless the clock was set. */
static time_t
when(time_t now)
{
	return own.last == 0 || now < own.last || now - own.last > 60
	    ? now
	    : own.last;
}

static void
add(time_t at, enum history_series series, uint64_t now, uint64_t before)
{
	history_add(own.file, at, series, now - before);
}

static void
add_all(time_t at, const struct counters_sum *n, const struct counters_sum *b)
{
	for (int d = 0; d < 2; d++) {
		for (int v = 0; v < HISTORY_VERDICTS; v++)
			add(at, HISTORY_MESSAGES + HISTORY_VERDICTS * d + v,
			    n->messages[d][v], b->messages[d][v]);
	}
	add(at, HISTORY_RECIPIENTS_REFUSED, n->recipients[0],
	    b->recipients[0]);
	add(at, HISTORY_RECIPIENTS_ACCEPTED, n->recipients[1],
	    b->recipients[1]);
	for (int i = 0; i <= COUNTERS_BUCKETS; i++)
		add(at, HISTORY_DURATION + i, n->duration[i], b->duration[i]);
	add(at, HISTORY_DURATION_US, n->duration_ns / 1000,
	    b->duration_ns / 1000);
	add(at, HISTORY_DNS_QUERIES, n->dns_queries, b->dns_queries);
	add(at, HISTORY_DNS_FAILURES, n->dns_failures, b->dns_failures);
	add(at, HISTORY_DNS_US, n->dns_ns / 1000, b->dns_ns / 1000);
	add(at, HISTORY_QUOTA_REFUSALS, n->quota_refusals, b->quota_refusals);
	add(at, HISTORY_CLIENTS_REFUSED, n->clients_refused,
	    b->clients_refused);
}

static void
fold(time_t now)
{
	struct counters_sum sum;
	time_t served = now - own.last;

	counters_sum(&sum);
	if (own.file != NULL) {
		add_all(when(now), &sum, &own.before);
		if (own.last != 0 && served > 0 && served <= 60)
			history_add(own.file, when(now), HISTORY_SERVED,
			    (uint64_t)served);
	}
	own.before = sum;
	own.last = now;
}

static int64_t
history_tick(void)
{
	struct snapshot *snap = inforce_get();
	time_t now = time(NULL);

	if (snap != NULL)
		find_file(snap, now);
	snapshot_unref(snap);
	fold(now);
	return (EVERY - now % EVERY) * 1000;
}

static void
history_stop(void)
{
	(void)history_tick();
	close_file();
	buf_fini(&own.path);
}

static void
history_problems(struct problems *p)
{
	problems_add_trouble(p, false, "history",
	    "make room, and give the user that postern runs as the right to "
	    "write in StateDirectory",
	    &trouble);
}

const struct service service_history = {
    .name = "history",
    .thread = true,
    .tick = history_tick,
    .stop = history_stop,
    .problems = history_problems,
    .late = "stopped before the history was written: its last seconds are lost",
};
