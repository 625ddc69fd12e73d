/* SPDX-License-Identifier: BSD-2-Clause */
#include "metrics.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "chain.h"
#include "counters.h"
#include "inforce.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "problems.h"
#include "service.h"
#include "snapshot.h"

struct metrics {
	/* One of the two: text, or a function that gets the samples. */
	struct buf *text;
	void (*sample)(void *arg, const char *name, const char *label,
	    const char *value, double n);
	void *arg;

	/* The family that is told. */
	const char *name, *help, *kind;
	bool begun; /* it has its lines before the first sample */
};

/* -- writing -- */

static void
write_value(struct buf *to, const char *value)
{
	struct buf mended = BUF_INIT;

	utf8_mend(&mended, value, strlen(value));
	for (const char *c = buf_text(&mended); c != NULL && *c != '\0'; c++) {
		if (*c == '\n')
			buf_str(to, "\\n");
		else if (*c == '\\' || *c == '"')
			buf_printf(to, "\\%c", *c);
		else
			buf_char(to, *c);
	}
	to->failed |= mended.failed;
	buf_fini(&mended);
}

static void
write_number(struct buf *to, double n)
{
	if (isfinite(n))
		buf_printf(to, " %.15g\n", n);
	else
		buf_str(to, isnan(n) ? " NaN\n"
			: n > 0      ? " +Inf\n"
				     : " -Inf\n");
}

static void
begin_family(struct metrics *m)
{
	if (!m->begun)
		buf_printf(m->text, "# HELP %s %s\n# TYPE %s %s\n", m->name,
		    m->help, m->name, m->kind);
	m->begun = true;
}

void
metrics_family(struct metrics *m, const char *name, enum metric_kind kind,
    const char *help)
{
	m->name = name;
	m->help = help;
	m->kind = kind == METRIC_COUNTER ? "counter" : "gauge";
	m->begun = false;
}

void
metrics_sample(
    struct metrics *m, const char *label, const char *value, double n)
{
	if (m->text == NULL) {
		m->sample(m->arg, m->name, label, value, n);
		return;
	}
	begin_family(m);
	buf_str(m->text, m->name);
	if (label != NULL) {
		buf_printf(m->text, "{%s=\"", label);
		write_value(m->text, value);
		buf_str(m->text, "\"}");
	}
	write_number(m->text, n);
}

void
metrics_gauge(
    struct metrics *m, const char *name, const char *help, double n)
{
	metrics_family(m, name, METRIC_GAUGE, help);
	metrics_sample(m, NULL, NULL, n);
}

/* -- counters -- */

/* {label="value",...,le="bound"}; le NULL: without that. */
static void
write_labels(struct buf *to, const struct counter *c, const char *le)
{
	const char *sep = "{";

	for (size_t i = 0; i < c->labels; i++) {
		buf_printf(to, "%s%s=\"", sep, c->label[i]);
		write_value(to, c->value[i]);
		buf_char(to, '"');
		sep = ",";
	}
	if (le != NULL)
		buf_printf(to, "%sle=\"%s\"", sep, le);
	if (le != NULL || c->labels > 0)
		buf_char(to, '}');
}

static void
write_histogram(struct buf *to, const struct counter *c)
{
	uint64_t sum = 0;
	char le[32];

	for (size_t i = 0; i < c->buckets; i++) {
		sum += c->bucket[i];
		if (i < COUNTERS_BUCKETS)
			snprintf(le, sizeof(le), "%g", counters_bounds[i]);
		else
			snprintf(le, sizeof(le), "+Inf");
		buf_printf(to, "%s_bucket", c->name);
		write_labels(to, c, le);
		write_number(to, (double)sum);
	}
	buf_printf(to, "%s_sum", c->name);
	write_labels(to, c, NULL);
	write_number(to, c->sum);
	buf_printf(to, "%s_count", c->name);
	write_labels(to, c, NULL);
	write_number(to, (double)sum);
}

static void
write_counter(void *arg, const struct counter *c)
{
	struct metrics *m = arg;

	if (m->name == NULL || strcmp(m->name, c->name) != 0) {
		metrics_family(m, c->name, METRIC_COUNTER, c->help);
		if (c->buckets > 0)
			m->kind = "histogram";
	}
	begin_family(m);
	if (c->buckets > 0) {
		write_histogram(m->text, c);
		return;
	}
	buf_str(m->text, c->name);
	write_labels(m->text, c, NULL);
	write_number(m->text, c->count);
}

/* -- of the process -- */

/* Resident memory in octets; -1: it can't be had, as in a chroot. */
static double
resident_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = -1;

	if (f == NULL)
		return -1;
	if (fscanf(f, "%*s %ld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages < 0 ? -1 : (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Open descriptors; -1 as above. */
static double
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	double n = -1; /* the directory's own */

	if (d == NULL)
		return -1;
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void
tell_process(struct metrics *m)
{
	double memory = resident_memory(), fds = open_descriptors();
	struct rlimit limit;

	metrics_family(m, "postern_build_info", METRIC_GAUGE,
	    "1, with the version as a label");
	metrics_sample(m, "version", POSTERN_VERSION, 1);
	if (memory >= 0)
		metrics_gauge(m, "process_resident_memory_bytes",
		    "Resident memory", memory);
	if (fds >= 0)
		metrics_gauge(
		    m, "process_open_fds", "Open file descriptors", fds);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		metrics_gauge(m, "process_max_fds",
		    "The most file descriptors that may be open",
		    (double)limit.rlim_cur);
}

static void
tell_problems(struct metrics *m)
{
	struct problems p = PROBLEMS_INIT;
	size_t fatal = 0;

	problems_collect(&p);
	while (fatal < p.count && p.list[fatal].fatal)
		fatal++;
	metrics_family(m, "postern_problems", METRIC_GAUGE,
	    "What is not well, as posternctl status tells it; fatal: mail can "
	    "not be handled as configured");
	metrics_sample(m, "fatal", "yes", (double)fatal);
	metrics_sample(m, "fatal", "no", (double)(p.count - fatal));
	problems_fini(&p);
}

/* -- all -- */

static void
tell_gauges(struct metrics *m)
{
	struct snapshot *snap = inforce_get();

	tell_process(m);
	tell_problems(m);
	services_gauges(m);
	if (snap != NULL)
		chain_gauges(snap, m);
	snapshot_unref(snap);
}

void
metrics_text(struct buf *to)
{
	struct metrics m = {.text = to};

	counters_each(write_counter, &m);
	tell_gauges(&m);
}

void
metrics_gauges(void (*sample)(void *arg, const char *name, const char *label,
		   const char *value, double n),
    void *arg)
{
	struct metrics m = {.sample = sample, .arg = arg};

	tell_gauges(&m);
}
