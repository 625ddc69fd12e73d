/*
 * What posternctl top shows: tables of text, made of the ring's records.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * top.c reads, top_table.c makes the tables, top_print.c and top_screen.c show
 * them.  Without ncurses, top_noscreen.c stands in the place of the last.
 */
#ifndef MILTER_CTL_TOP_H
#define MILTER_CTL_TOP_H

#include <stdbool.h>
#include <stdint.h>

#include "milter/activity.h"
#include "which.h"

#define TOP_ROWS 1000   /* accounts, and clients, that are kept apart */
#define TOP_COLUMNS 8   /* of a table at most, without the first */
#define TOP_INTERVAL_MAX 3600

enum top_id {
	TOP_FLOWS,
	TOP_ACCOUNTS,
	TOP_CLIENTS,
	TOP_CHECKS,
	TOP_LISTS,
	TOP_TABLES,
};

enum top_tone {
	TOP_PLAIN,
	TOP_WARNING, /* near a limit, or not all well */
	TOP_ALARM,
};

struct top_column {
	const char *head;
	int width;
	int sorted; /* the enum activity_order that sorts by it, and 1; 0:
	    none */
	bool extra; /* where there is room */
};

/* Printable ASCII alone. */
struct top_line {
	const char *name;
	const char *cells[TOP_COLUMNS];
	const uint32_t *series; /* ACTIVITY_BUCKETS of them; NULL: none */
	enum top_tone tone;
};

struct top_table {
	const char *head; /* of the names */
	const struct top_column *columns; /* ended by a head of NULL */
	bool series;      /* lines have one */
	struct top_line *lines;
	size_t count;
	const char *others; /* of those that have no line; NULL: none */
};

struct top {
	struct which which;
	struct activity *activity;
	uint32_t span_s;
	double interval_s;
	bool once;
	int64_t now_ms;
	int64_t last_ms; /* when the newest record ended; 0: there is none */

	enum activity_order by;
	const char *filter; /* show names that have this text; "": all */

	struct arena arena; /* of the tables */
	struct top_table tables[TOP_TABLES];
	/* Room for all rows, with their series. */
	struct activity_row rows[ACTIVITY_KINDS][TOP_ROWS];
};

/* -- top.c -- */

/* Read what is new in the ring; an exit code. */
int top_read(struct call *c);

/* -- top_table.c -- */

/* Make the tables anew.  False: no memory. */
bool top_fill(struct top *t);
/* The word for an order: messages ... */
const char *top_order(enum activity_order by);
/* A span of seconds in its largest unit: 5m. */
const char *top_ago(struct arena *a, int64_t seconds);

/* -- top_print.c -- */

void top_print_text(const struct top *t);
void top_print_json(struct top *t);

/* -- top_screen.c -- */

/* Can it be shown?  An exit code, after a message. */
int top_screen_check(const struct call *c);
/* Show it until the user has enough; an exit code. */
int top_screen(struct call *c);

#endif
