/*
 * How much there was when: the counters folded by minute for 48 hours and by
 * hour for 90 days, for plots.  SPDX-License-Identifier: BSD-2-Clause
 *
 * It is a mapped file (lib/base/shared.h) in StateDirectory, named `history`.
 * Several daemons add to it; it outlives them.  Neither readers nor writers
 * wait for anybody.
 *
 *	body     2,880 slots of a minute, then 2,160 of an hour
 *	slot     64 cells of 64 bits, one for each series.  The slot of a time is
 *	         its number (minutes or hours since the epoch) modulo theirs
 *	cell     the upper 16 bits: how often the slots had come round since
 *	         the epoch, modulo 65,535, plus 1; the lower 48: the sum.  A sum
 *	         of another round is taken for 0, and replaced by who adds, so
 *	         that no slot has to be cleared.
 *
 * Times are those of the wall clock when something is added.  When it is set
 * back, what comes is added to minutes that have counts already; when it is set
 * forward, a gap is left; nothing else happens.
 */
#ifndef MILTER_HISTORY_H
#define MILTER_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "counters.h"
#include "lib/base/shared.h"

struct errmsg;

enum history_scale { HISTORY_MINUTES, HISTORY_HOURS };

#define HISTORY_MINUTES_KEPT 2880
#define HISTORY_HOURS_KEPT 2160

/* The series.  Their numbers stand in the file: they stay what they are, and a
 * new one gets the next. */
enum history_series {
	HISTORY_SERVED = 0, /* seconds that a daemon ran: 0 is a gap, not a
	    silence */

	/* Messages: this + 7 * direction (enum direction's inbound, outbound:
	 * 0, 1) + enum history_verdict. */
	HISTORY_MESSAGES = 1,
	HISTORY_RECIPIENTS_ACCEPTED = 15,
	HISTORY_RECIPIENTS_REFUSED = 16,
	/* Messages by the time that they took: this + the number of the bucket
	 * (counters_bounds; not cumulative); the last is for longer ones. */
	HISTORY_DURATION = 17,
	HISTORY_DURATION_US = 17 + COUNTERS_BUCKETS + 1, /* the sum,
	    microseconds */
	HISTORY_DNS_QUERIES,
	HISTORY_DNS_FAILURES, /* of them, without an answer */
	HISTORY_DNS_US,       /* time of all, microseconds */
	HISTORY_QUOTA_REFUSALS, /* messages and recipients */
	HISTORY_CLIENTS_REFUSED,
	HISTORY_SERIES,
	HISTORY_ROOM = 64 /* cells of a slot */
};

/* As record_word has them. */
enum history_verdict {
	HISTORY_ACCEPT,
	HISTORY_REJECT,
	HISTORY_TEMPFAIL,
	HISTORY_DISCARD,
	HISTORY_QUARANTINE,
	HISTORY_ERROR,
	HISTORY_NONE,
	HISTORY_VERDICTS
};

struct history; /* an open file */

/* Open it for adding; make it where there is none.  As shared_open. */
int history_open(const char *path, time_t now, struct history **history_r,
    struct shared_report *report_r, struct errmsg *msg_r);
/* For reading, as shared_open_read: ERR_NOTFOUND, ... */
int history_open_read(
    const char *path, struct history **history_r, struct errmsg *msg_r);
void history_close(struct history *h); /* NULL is fine */
/* Is it still the file of that name, and all there? */
bool history_is_there(const struct history *h, const char *path);

/* Add to a series at that time (wall clock), in minutes and hours. */
void history_add(struct history *h, time_t at, enum history_series series,
    uint64_t n);

/*
 * A series from the slot of `from` on: counts_r gets n numbers, the first of
 * that minute or hour; 0 where there is none.  `now` (wall clock) bounds them:
 * what is in the future or older than is kept is 0.
 */
void history_read(const struct history *h, enum history_scale scale,
    enum history_series series, time_t now, time_t from, size_t n,
    uint64_t *counts_r);
/* Seconds of a slot: 60 or 3600. */
time_t history_step(enum history_scale scale);

#endif
