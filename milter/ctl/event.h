/*
 * Reads events of a journal: one JSON object a line (posternctl(1), EVENTS).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_EVENT_H
#define MILTER_CTL_EVENT_H

#include <jansson.h>
#include <stddef.h>

#include "lib/habit/habit.h"

struct errmsg;

/* Zero before the first one; serves for many. */
struct event {
	struct habit_event habit; /* account as written.  Borrows from: */
	json_t *object;
	const char **names; /* of recipients */
	size_t room;
};

#define EVENT_TIME_MAX 4102444800.0 /* 2100-01-01 */

/* 0; ERR_SYNTAX and what is wrong in *msg_r; ERR_NOMEM. */
int event_read(struct event *ev, const char *line, size_t len,
    struct errmsg *msg_r);
void event_fini(struct event *ev);

#endif
