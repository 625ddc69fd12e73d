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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/dns/dns.h"

struct record;

#define COUNTERS_LABELS 3 /* of one counter at most */

/* Histograms have one bucket for each of these bounds, seconds, ascending, and
 * one for what is over the last. */
#define COUNTERS_BUCKETS 13
extern const double counters_bounds[COUNTERS_BUCKETS];

/* One series: a counter or a histogram, with one value for each of its
 * labels. */
struct counter {
	const char *name, *help;
	size_t labels;
	const char *label[COUNTERS_LABELS], *value[COUNTERS_LABELS];
	double count;   /* a histogram's: of what it has seen */
	size_t buckets; /* 0: it is no histogram */
	uint64_t bucket[COUNTERS_BUCKETS + 1]; /* each by itself */
	double sum;     /* seconds */
};

void counters_count(const struct record *r);
/* Count a question to the DNS; ns: how long the answer took.  cached: it was
 * known without asking. */
void counters_dns(enum dns_status status, bool cached, uint64_t ns);

/* Hand out all series, in the order of the table.  Those that can be expected
 * are there from the beginning, rare ones when they have counted something. */
void counters_each(
    void (*each)(void *arg, const struct counter *c), void *arg);

#define COUNTERS_VERDICTS 7 /* accept, reject, tempfail, discard, quarantine,
    error, none */

/* What is counted, in few numbers. */
struct counters_sum {
	uint64_t messages[2][COUNTERS_VERDICTS]; /* by enum direction */
	uint64_t recipients[2]; /* refused, accepted */
	uint64_t duration[COUNTERS_BUCKETS + 1], duration_ns; /* of messages */
	uint64_t dns_queries, dns_failures, dns_ns; /* what was asked */
	uint64_t quota_refusals, clients_refused;
};

void counters_sum(struct counters_sum *to);

#endif
