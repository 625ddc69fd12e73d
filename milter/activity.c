/* SPDX-License-Identifier: BSD-2-Clause */
#include "activity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "activity_table.h"
#include "chain.h"
#include "lib/base/err.h"
#include "lib/dns/dnsbl.h"
#include "record.h"

#define WORDS (VERDICT_ERROR + 2) /* verdicts, and "none" */
#define WORD_NONE (VERDICT_ERROR + 1)
#define SOURCES 3                 /* inbound, outbound, refused clients */
#define SOURCE_CLIENT 2
#define DECIDERS (STAGES_MAX + 2) /* nobody, the chain, a stage */
#define ZONE_MAX 255

struct time_cell {
	uint64_t calls, total_ns, max_ns;
};

struct list_cell {
	uint32_t queried, listed, failed, off;
};

struct list {
	char zone[ZONE_MAX + 1];
	struct list_cell cells[ACTIVITY_BUCKETS];
	int64_t last_ms, last_failed_ms;
};

struct activity {
	int64_t width_ms; /* of a part of the span */
	int64_t now_ms;   /* 0: not set yet */
	struct activity_table *tables[ACTIVITY_KINDS];
	/* Parts of the span by activity_place. */
	uint32_t flows[ACTIVITY_BUCKETS][SOURCES][WORDS];
	uint32_t minute[ACTIVITY_MINUTE][SOURCES][WORDS];
	uint32_t deciders[ACTIVITY_BUCKETS][DECIDERS][WORDS];
	struct time_cell stages[ACTIVITY_BUCKETS][STAGES_MAX];
	struct list lists[ACTIVITY_LISTS + 1]; /* the last one: the others */
	size_t list_count; /* without that */
};

/* -- making one -- */

struct activity *
activity_new(uint32_t span_s, size_t rows)
{
	struct activity *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->width_ms = ((int64_t)span_s * 1000 + ACTIVITY_BUCKETS - 1) /
	    ACTIVITY_BUCKETS;
	strcpy(a->lists[ACTIVITY_LISTS].zone, "*");
	for (int i = 0; i < ACTIVITY_KINDS; i++) {
		a->tables[i] = activity_table_new(rows);
		if (a->tables[i] == NULL) {
			activity_free(a);
			return NULL;
		}
	}
	return a;
}

void
activity_free(struct activity *a)
{
	if (a == NULL)
		return;
	for (int i = 0; i < ACTIVITY_KINDS; i++)
		activity_table_free(a->tables[i]);
	free(a);
}

/* -- the window -- */

int64_t
activity_bucket_ms(const struct activity *a)
{
	return a->width_ms;
}

double
activity_per_hour(const struct activity *a, double n)
{
	return n * 3600000 / (double)(a->width_ms * ACTIVITY_BUCKETS);
}

static void
forget_bucket(struct activity *a, size_t at)
{
	memset(a->flows[at], 0, sizeof(a->flows[at]));
	memset(a->deciders[at], 0, sizeof(a->deciders[at]));
	memset(a->stages[at], 0, sizeof(a->stages[at]));
	for (size_t i = 0; i <= ACTIVITY_LISTS; i++)
		memset(&a->lists[i].cells[at], 0,
		    sizeof(a->lists[i].cells[at]));
}

static void
forget_all(struct activity *a)
{
	for (int i = 0; i < ACTIVITY_KINDS; i++)
		activity_table_clear(a->tables[i]);
	for (size_t at = 0; at < ACTIVITY_BUCKETS; at++)
		forget_bucket(a, at);
	memset(a->minute, 0, sizeof(a->minute));
	a->list_count = 0;
}

/* From a part (or second) to another: the first of those that are new, which
 * are at most as many as there are places. */
static int64_t
first_new(int64_t from, int64_t to, int64_t places)
{
	return from < to - places ? to - places + 1 : from + 1;
}

bool
activity_turn(struct activity *a, int64_t now_ms)
{
	int64_t bucket = now_ms / a->width_ms, was = a->now_ms / a->width_ms;
	bool back = now_ms < a->now_ms - a->width_ms;

	if (back) {
		forget_all(a);
	} else if (now_ms <= a->now_ms) {
		return true;
	} else {
		for (int64_t s = first_new(a->now_ms / 1000, now_ms / 1000,
			 ACTIVITY_MINUTE);
		     s <= now_ms / 1000; s++)
			memset(a->minute[s % ACTIVITY_MINUTE], 0,
			    sizeof(*a->minute));
		for (int64_t b = first_new(was, bucket, ACTIVITY_BUCKETS);
		     b <= bucket; b++)
			forget_bucket(a, activity_place(b));
	}
	a->now_ms = now_ms;
	for (int i = 0; i < ACTIVITY_KINDS && (back || bucket != was); i++)
		activity_table_turn(a->tables[i], bucket);
	return !back;
}

/* -- adding -- */

static size_t
word_of(const struct record *r)
{
	if (r->aborted)
		return WORD_NONE;
	return r->verdict.action == VERDICT_NONE ? VERDICT_ACCEPT
						 : r->verdict.action;
}

static size_t
decider_of(const struct record *r)
{
	const char *by = r->aborted ? NULL : r->verdict.by;

	for (size_t i = 0; by != NULL && stages[i] != NULL; i++) {
		if (strcmp(stages[i]->name, by) == 0)
			return i + 2;
	}
	return by != NULL;
}

/* The row of the zone, perhaps that of the others. */
static struct list *
list_of(struct activity *a, const char *zone)
{
	size_t i = 0;

	while (i < a->list_count &&
	    strncmp(a->lists[i].zone, zone, ZONE_MAX) != 0)
		i++;
	if (i == a->list_count && i < ACTIVITY_LISTS) {
		struct list *l = &a->lists[a->list_count++];

		*l = (struct list){.last_ms = 0};
		strncpy(l->zone, zone, ZONE_MAX);
	}
	return &a->lists[i];
}

/* Findings of one query stand side by side. */
static bool
is_same_query(const struct dnsbl_finding *a, const struct dnsbl_finding *b)
{
	return a != NULL && strcmp(a->zone, b->zone) == 0 &&
	    strcmp(a->asked, b->asked) == 0;
}

static void
add_lists(
    struct activity *a, const struct record *r, size_t at, int64_t ms)
{
	const struct dnsbl_finding *last = NULL;

	for (const struct dnsbl_finding *f = r->dnsbl; f != NULL;
	     last = f, f = f->next) {
		enum dnsbl_status status = f->answer.status;
		bool failed = status != DNSBL_NOT_LISTED &&
		    status != DNSBL_LISTED && status != DNSBL_NOT_ASKED;
		struct list *l;

		if (is_same_query(last, f))
			continue;
		l = list_of(a, f->zone);
		l->cells[at].queried += status != DNSBL_NOT_ASKED;
		l->cells[at].listed += status == DNSBL_LISTED;
		l->cells[at].failed += failed;
		l->cells[at].off += status == DNSBL_NOT_ASKED;
		if (ms > l->last_ms)
			l->last_ms = ms;
		if (failed && ms > l->last_failed_ms)
			l->last_failed_ms = ms;
	}
}

static void
add_times(struct activity *a, const struct record *r, size_t at)
{
	for (size_t i = 0; r->stage_ns != NULL && stages[i] != NULL; i++) {
		struct time_cell *c = &a->stages[at][i];
		uint64_t ns = r->stage_ns[i];

		c->calls += ns > 0;
		c->total_ns += ns;
		if (ns > c->max_ns)
			c->max_ns = ns;
	}
}

/* The account's own limit that is used most. */
static bool
share_of(const struct record *r, struct activity_share *share)
{
	const struct quota_level *most = NULL;

	share->share = 0;
	for (size_t i = 0; i < r->quota_count; i++) {
		const struct quota_level *q = &r->quota[i];
		double part = q->limit == 0
		    ? 1
		    : (double)q->used / (double)q->limit;

		if (strcmp(q->level, "account") != 0 ||
		    (most != NULL && part <= share->share))
			continue;
		share->share = part;
		most = q;
	}
	if (most == NULL)
		return false;
	strncpy(share->kind, most->kind, sizeof(share->kind) - 1);
	share->window_s = most->window_s;
	share->used = most->used;
	share->limit = most->limit;
	return true;
}

static int
add_names(struct activity *a, const struct record *r, int64_t bucket,
    int64_t ms)
{
	struct activity_share share = {.share = 0};
	struct activity_event e = {.name = r->client_ip,
	    .recipients = r->left ? r->rcpt_count : 0,
	    .refused = !r->aborted && verdict_refuses(&r->verdict),
	    .has_score = r->at == NULL && isfinite(r->score),
	    .score = r->score,
	    .ms = ms};
	int rc = 0;

	if (r->client_ip != NULL)
		rc = activity_table_add(a->tables[ACTIVITY_CLIENT], bucket, &e);
	if (rc != 0 || r->account == NULL)
		return rc;
	e.name = r->account;
	e.client = r->client_ip;
	e.share = share_of(r, &share) ? &share : NULL;
	return activity_table_add(a->tables[ACTIVITY_ACCOUNT], bucket, &e);
}

int
activity_add(struct activity *a, const struct record *r)
{
	int64_t ms = r->time.tv_sec > a->now_ms / 1000
	    ? a->now_ms
	    : r->time.tv_sec * 1000 + r->time.tv_nsec / 1000000;
	size_t source = r->at != NULL ? SOURCE_CLIENT : (size_t)r->direction;
	size_t word = word_of(r), at;
	int64_t bucket, last = a->now_ms / a->width_ms;

	if (ms > a->now_ms)
		ms = a->now_ms;
	bucket = ms / a->width_ms;
	if (ms < 0 || bucket <= last - ACTIVITY_BUCKETS)
		return 0;
	at = activity_place(bucket);
	a->flows[at][source][word]++;
	if (a->now_ms / 1000 - ms / 1000 < ACTIVITY_MINUTE)
		a->minute[ms / 1000 % ACTIVITY_MINUTE][source][word]++;
	a->deciders[at][decider_of(r)][word]++;
	add_times(a, r, at);
	add_lists(a, r, at, ms);
	return add_names(a, r, bucket, ms);
}

/* -- reading -- */

static const char *
word(size_t i)
{
	return i == WORD_NONE ? "none"
			      : verdict_word((enum verdict_action)i);
}

/* The place of part i of the span, oldest first. */
static size_t
nth(const struct activity *a, size_t i)
{
	int64_t b = a->now_ms / a->width_ms + 1 + (int64_t)i;

	return activity_place(b);
}

bool
activity_flow(
    const struct activity *a, size_t *at, struct activity_flow *flow_r)
{
	while (*at < (size_t)SOURCES * WORDS) {
		size_t source = *at / WORDS, w = *at % WORDS;
		struct activity_flow f = {.direction =
		    source == DIRECTION_OUTBOUND ? DIRECTION_OUTBOUND
						 : DIRECTION_INBOUND,
		    .client = source == SOURCE_CLIENT,
		    .verdict = word(w)};

		++*at;
		for (size_t i = 0; i < ACTIVITY_BUCKETS; i++) {
			f.series[i] = a->flows[nth(a, i)][source][w];
			f.total += f.series[i];
		}
		for (size_t i = 0; i < ACTIVITY_MINUTE; i++)
			f.per_s += a->minute[i][source][w];
		f.per_s /= ACTIVITY_MINUTE;
		if (f.total > 0) {
			*flow_r = f;
			return true;
		}
	}
	return false;
}

bool
activity_decider(
    const struct activity *a, size_t *at, struct activity_decider *decider_r)
{
	while (*at < (size_t)DECIDERS * WORDS) {
		size_t by = *at / WORDS, w = *at % WORDS;
		struct activity_decider d = {.verdict = word(w)};

		++*at;
		for (size_t i = 0; i < ACTIVITY_BUCKETS; i++)
			d.total += a->deciders[i][by][w];
		if (d.total == 0)
			continue;
		d.by = by == 0 ? "-"
		    : by == 1  ? "postern"
			       : stages[by - 2]->name;
		*decider_r = d;
		return true;
	}
	return false;
}

bool
activity_stage(
    const struct activity *a, size_t *at, struct activity_stage *stage_r)
{
	while (stages[*at] != NULL) {
		struct activity_stage s = {.name = stages[*at]->name};

		for (size_t i = 0; i < ACTIVITY_BUCKETS; i++) {
			const struct time_cell *c = &a->stages[i][*at];

			s.calls += c->calls;
			s.total_ns += c->total_ns;
			if (c->max_ns > s.max_ns)
				s.max_ns = c->max_ns;
		}
		++*at;
		if (s.calls == 0)
			continue;
		s.mean_ns = (double)s.total_ns / (double)s.calls;
		*stage_r = s;
		return true;
	}
	return false;
}

bool
activity_list(
    const struct activity *a, size_t *at, struct activity_list *list_r)
{
	for (; *at <= ACTIVITY_LISTS; ++*at) {
		const struct list *l = &a->lists[*at];
		struct activity_list r = {.zone = l->zone,
		    .last_ms = l->last_ms};

		for (size_t i = 0; i < ACTIVITY_BUCKETS; i++) {
			r.queried += l->cells[i].queried;
			r.listed += l->cells[i].listed;
			r.failed += l->cells[i].failed;
			r.off += l->cells[i].off;
		}
		if (r.queried + r.off == 0)
			continue;
		r.last_failed_ms = r.failed == 0 ? 0 : l->last_failed_ms;
		*list_r = r;
		++*at;
		return true;
	}
	return false;
}

size_t
activity_rows(const struct activity *a, enum activity_kind kind,
    enum activity_order by, struct activity_row *rows, size_t max)
{
	return activity_table_rows(a->tables[kind], by, rows, max);
}

bool
activity_row(const struct activity *a, enum activity_kind kind,
    const char *name, struct activity_row *row_r)
{
	return activity_table_row(a->tables[kind], name, row_r);
}

bool
activity_others(const struct activity *a, enum activity_kind kind,
    struct activity_row *row_r)
{
	return activity_table_others(a->tables[kind], row_r);
}
