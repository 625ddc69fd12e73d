/*
 * Numbers of the daemon in the text format of Prometheus, 0.0.4.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The counters (counters.h) are in it, and what the gauges hooks of stages
 * (chain.h) and services (service.h) tell.  No label is taken from mail or from
 * the DNS.
 */
#ifndef MILTER_METRICS_H
#define MILTER_METRICS_H

#include <time.h>

struct buf;

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Append all.  May be called from any thread; no mail waits for it. */
void metrics_text(struct buf *to);

/* -- for gauges hooks -- */

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metrics; /* where they go */

/* A family of series begins: all of its samples follow at once.  The strings
 * are constant. */
void metrics_family(struct metrics *m, const char *name, enum metric_kind kind,
    const char *help);
/* One series of it; label NULL: it has none. */
void metrics_sample(
    struct metrics *m, const char *label, const char *value, double n);
/* Both for a family of one series. */
void metrics_gauge(
    struct metrics *m, const char *name, const char *help, double n);

/* Hand out what the hooks tell, and what is told of the process, for who writes
 * it in another way: `sample` gets each; label NULL: none. */
void metrics_gauges(void (*sample)(void *arg, const char *name,
			const char *label, const char *value, double n),
    void *arg);

#endif
