/*
 * What is counted of all mail.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The counters are rows of one table (counters.c): a name as Prometheus has it,
 * what is counted, and labels, each with all values that it may have.  They
 * begin at 0 with the process; every record adds to them, from any thread and
 * without a lock.
 */
#ifndef MILTER_COUNTERS_H
#define MILTER_COUNTERS_H

#include <stddef.h>

struct record;

#define COUNTERS_LABELS 3 /* of one counter at most */

/* Histograms have one bucket for each of these bounds, seconds, ascending, and
 * one for what is over the last. */
#define COUNTERS_BUCKETS 13
extern const double counters_bounds[COUNTERS_BUCKETS];

/* One series: a counter, with one value for each of its labels. */
struct counter {
	const char *name, *help;
	size_t labels;
	const char *label[COUNTERS_LABELS], *value[COUNTERS_LABELS];
	double count;
};

void counters_count(const struct record *r);
/* Hand out all series that are not 0, in the order of the table. */
void counters_each(
    void (*each)(void *arg, const struct counter *c), void *arg);

#endif
