/*
 * What the page knows of the mail: the records of the ring added up, kept up to
 * date by who looks.  SPDX-License-Identifier: BSD-2-Clause
 *
 * For one thread.  Nothing here takes a lock that mail takes.
 */
#ifndef MILTER_HTTP_NOW_H
#define MILTER_HTTP_NOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define NOW_RECENT 50     /* decisions that are listed at most */
#define NOW_SPAN_S 172800 /* 48 hours */

struct activity;
struct history;
struct past;
struct snapshot;

struct now {
	struct snapshot *snap; /* the configuration in force, while a request
	    is answered */
	time_t time;           /* wall clock */

	struct past *past; /* the ring; NULL: there is none */
	const char *none;  /* why there is none, in words */
	struct activity *activity; /* of 48 hours; NULL: no ring */
	struct history *history;   /* NULL: there is none */

	/* Places in the ring of the last decisions: a circle. */
	uint64_t recent[NOW_RECENT];
	size_t recent_count; /* that were ever put in */

	/* Its own. */
	char *path, *history_path; /* of what is open */
	struct past *feed;         /* reads what is new */
};

/* Take the configuration, and read what is new.  Call now_end afterwards. */
void now_begin(struct now *n);
/* Let go of the configuration. */
void now_end(struct now *n);
void now_fini(struct now *n);

#endif
