/*
 * What goes on, added up from records: against a plain recount.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/dns/dnsbl.h"
#include "milter/activity.h"
#include "milter/chain.h"
#include "milter/record.h"
#include "t/support/drivers/test.h"

#define SPAN 480 /* seconds: parts of ten */
#define PART_MS 10000
#define START INT64_C(1700000000000) /* the beginning of a part */
#define NAMES 40
#define MANY (FEWER ? 30000 : 1000000)

static uint64_t none[STAGES_MAX];

static struct record
record_at(int64_t ms)
{
	return (struct record){
	    .time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000},
	    .stage_ns = none,
	    .sender = "",
	    .direction = DIRECTION_OUTBOUND,
	    .left = true};
}

static struct record
mail_of(int64_t ms, const char *account)
{
	struct record r = record_at(ms);

	r.account = account;
	r.rcpt_count = 1;
	return r;
}

static void
add(struct activity *a, struct record r)
{
	assert_int_equal(activity_add(a, &r), 0);
}

static struct activity *
start(uint32_t span_s, size_t rows)
{
	struct activity *a = activity_new(span_s, rows);

	assert_non_null(a);
	assert_true(activity_turn(a, START));
	return a;
}

static uint64_t
series_sum(const uint32_t series[ACTIVITY_BUCKETS])
{
	uint64_t sum = 0;

	for (int i = 0; i < ACTIVITY_BUCKETS; i++)
		sum += series[i];
	return sum;
}

/* -- against a recount -- */

/* What was added, as a plain list. */
struct fact {
	int64_t ms; /* as it counts */
	int name, client; /* -1: none */
	int source, action; /* action -1: given up */
	uint64_t rcpts;
	double score;
};

struct world {
	struct activity *a;
	int64_t now;
	struct fact *facts;
	size_t count;
	unsigned seed;
};

static const char *
name_of(int n)
{
	static char names[NAMES][40];

	snprintf(names[n], sizeof(names[n]), "%d\x1b[2J\xff\"<b>%d", n, n);
	return names[n];
}

static int
below(struct world *w, int n)
{
	w->seed = w->seed * 1103515245 + 12345;
	return (int)(w->seed >> 8) % n;
}

/* Low numbers are met more often. */
static int
some_name(struct world *w)
{
	int n = below(w, NAMES);

	return below(w, 3) == 0 ? n : n * n / NAMES;
}

static void
add_some(struct world *w)
{
	static const int actions[] = {VERDICT_NONE, VERDICT_NONE,
	    VERDICT_ACCEPT, VERDICT_REJECT, VERDICT_TEMPFAIL, VERDICT_DISCARD,
	    VERDICT_QUARANTINE, -1};
	int64_t ms = w->now - below(w, 5) * below(w, SPAN * 300) +
	    below(w, 20) * 1000;
	struct fact f = {.ms = ms < w->now ? ms : w->now,
	    .client = some_name(w),
	    .name = -1,
	    .source = below(w, 3),
	    .action = actions[below(w, 8)],
	    .rcpts = (uint64_t)below(w, 9),
	    .score = below(w, 200) / 10.0 - 5};
	struct record r = record_at(ms);

	if (f.source == DIRECTION_OUTBOUND)
		f.name = some_name(w);
	if (f.source == 2) {
		f.action = VERDICT_REJECT;
		r.at = "connect";
	}
	r.direction = f.source == DIRECTION_OUTBOUND ? DIRECTION_OUTBOUND
						     : DIRECTION_INBOUND;
	r.account = f.name < 0 ? NULL : name_of(f.name);
	r.client_ip = name_of(f.client);
	r.rcpt_count = f.rcpts;
	r.score = f.score;
	r.aborted = f.action < 0;
	r.verdict.action =
	    f.action < 0 ? VERDICT_NONE : (enum verdict_action)f.action;
	r.left = !r.aborted && !verdict_refuses(&r.verdict);
	add(w->a, r);
	w->facts[w->count++] = f;
}

static bool
in_span(const struct world *w, const struct fact *f)
{
	return f->ms / PART_MS > w->now / PART_MS - ACTIVITY_BUCKETS;
}

static bool
is_refused(const struct fact *f)
{
	return f->action == VERDICT_REJECT || f->action == VERDICT_TEMPFAIL ||
	    f->action == VERDICT_DISCARD;
}

static struct activity_row
recount(const struct world *w, enum activity_kind kind, int name)
{
	struct activity_row r = {.score_max = -1000};
	double sum = 0, scored = 0;

	for (size_t i = 0; i < w->count; i++) {
		const struct fact *f = &w->facts[i];
		int64_t last = w->now / PART_MS;

		if (!in_span(w, f) ||
		    (kind == ACTIVITY_CLIENT ? f->client : f->name) != name)
			continue;
		r.messages++;
		r.refused += is_refused(f);
		if (!is_refused(f) && f->action >= 0)
			r.recipients += f->rcpts;
		r.series[ACTIVITY_BUCKETS - 1 - (last - f->ms / PART_MS)]++;
		if (f->source != 2) {
			scored++;
			sum += f->score;
			if (f->score > r.score_max)
				r.score_max = f->score;
		}
		if (f->ms > r.last_ms)
			r.last_ms = f->ms;
	}
	r.score_mean = scored == 0 ? 0 : sum / scored;
	if (scored == 0)
		r.score_max = 0;
	return r;
}

static void
same_row(const struct activity_row *got, const struct activity_row *want)
{
	assert_int_equal(got->messages, want->messages);
	assert_int_equal(got->recipients, want->recipients);
	assert_int_equal(got->refused, want->refused);
	assert_memory_equal(got->series, want->series, sizeof(want->series));
	assert_true(fabs(got->score_mean - want->score_mean) < 1e-9);
	assert_true(got->score_max == want->score_max);
	assert_int_equal(got->last_ms, want->last_ms);
}

static void
check_flows(const struct world *w)
{
	uint64_t total = 0, want = 0;
	double minute = 0, want_minute = 0;
	struct activity_flow f;
	struct activity_decider d;

	for (size_t at = 0; activity_flow(w->a, &at, &f);) {
		uint64_t n = 0;

		for (size_t i = 0; i < w->count; i++) {
			const struct fact *x = &w->facts[i];
			const char *word = x->action < 0
			    ? "none"
			    : verdict_word((enum verdict_action)x->action);

			n += in_span(w, x) && strcmp(word, f.verdict) == 0 &&
			    f.client == (x->source == 2) &&
			    (f.client || x->source == (int)f.direction);
		}
		assert_int_equal(f.total, n);
		assert_int_equal(series_sum(f.series), n);
		total += n;
		minute += f.per_s * ACTIVITY_MINUTE;
	}
	for (size_t i = 0; i < w->count; i++) {
		want += in_span(w, &w->facts[i]);
		want_minute += w->facts[i].ms / 1000 > w->now / 1000 - 60;
	}
	assert_int_equal(total, want);
	assert_true(fabs(minute - want_minute) < 1e-6);
	for (size_t at = 0; activity_decider(w->a, &at, &d);)
		total -= d.total;
	assert_int_equal(total, 0);
}

/* Every row is between what it counts itself and that with `missed`, and rows
 * and others are all.  `exact`: there is a row for every name. */
static void
check_names(const struct world *w, enum activity_kind kind, bool exact)
{
	struct activity_row rows[NAMES], others, got, want;
	size_t count =
	    activity_rows(w->a, kind, ACTIVITY_BY_MESSAGES, rows, NAMES);
	uint64_t sum = 0, all = 0;
	bool more = activity_others(w->a, kind, &others);

	assert_true(!exact || !more);
	for (size_t i = 0; i < count; i++) {
		sum += rows[i].messages;
		assert_true(
		    i == 0 || rows[i].messages <= rows[i - 1].messages);
	}
	for (int n = 0; n < NAMES; n++) {
		bool has = activity_row(w->a, kind, name_of(n), &got);

		want = recount(w, kind, n);
		all += want.messages;
		if (!has) {
			assert_true(want.messages <= others.missed);
			assert_true(!exact || want.messages == 0);
			continue;
		}
		assert_string_equal(got.name, name_of(n));
		assert_true(got.messages <= want.messages);
		assert_true(want.messages <= got.messages + got.missed);
		if (exact)
			same_row(&got, &want);
	}
	assert_int_equal(sum + others.messages, all);
}

static void
run_world(size_t rows, unsigned seed)
{
	struct world w = {.a = start(SPAN, rows),
	    .now = START,
	    .facts = calloc(20000, sizeof(*w.facts)),
	    .seed = seed};

	assert_non_null(w.facts);
	for (int step = 0; step < 60; step++) {
		for (int i = below(&w, 300); i > 0; i--)
			add_some(&w);
		check_flows(&w);
		for (int k = 0; k < ACTIVITY_KINDS; k++)
			check_names(&w, (enum activity_kind)k, rows >= NAMES);
		w.now += below(&w, step % 20 == 19 ? SPAN * 2000 : 30000);
		assert_true(activity_turn(w.a, w.now));
	}
	free(w.facts);
	activity_free(w.a);
}

static void
sums_equal_a_recount(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++)
		run_world(NAMES, seed);
}

static void
bounded_rows_keep_their_promise(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		run_world(1, seed);
		run_world(7, seed);
		run_world(20, seed);
	}
}

/* -- an attack with many names -- */

static void
many_names_take_no_memory(void **state)
{
	enum { ROWS = 100 };
	struct activity *a = start(3600, ROWS);
	struct activity_row rows[ROWS + 1], row;
	size_t before = 0, count;
	uint64_t sum = 0;
	char name[600];

	(void)state;
	memset(name, 'x', sizeof(name));
	for (int i = 0; i < MANY; i++) {
		struct record r;

		snprintf(name, sizeof(name), "%0599d", i);
		r = mail_of(START, i % 50 == 0 ? "bob" : name);
		r.client_ip = name;
		add(a, r);
		if (i == 2 * ROWS)
			before = mallinfo2().uordblks;
	}
	assert_true(mallinfo2().uordblks <= before + 100000);
	count = activity_rows(
	    a, ACTIVITY_ACCOUNT, ACTIVITY_BY_MESSAGES, rows, ROWS + 1);
	assert_int_equal(count, ROWS);
	assert_string_equal(rows[0].name, "bob");
	assert_int_equal(rows[0].messages, MANY / 50);
	assert_int_equal(rows[0].missed, 0);
	for (size_t i = 0; i < count; i++)
		sum += rows[i].messages;
	assert_true(activity_others(a, ACTIVITY_ACCOUNT, &row));
	assert_int_equal(row.messages + sum, MANY);
	assert_null(row.name);
	activity_free(a);
}

static void
add_times(struct activity *a, int times, int64_t ms, const char *account)
{
	for (int i = 0; i < times; i++)
		add(a, mail_of(ms, account));
}

static bool
has_row(const struct activity *a, const char *account)
{
	struct activity_row row;

	return activity_row(a, ACTIVITY_ACCOUNT, account, &row);
}

static void
lightest_row_goes(void **state)
{
	struct activity *a = start(SPAN, 3);

	(void)state;
	add_times(a, 5, START, "ann");
	assert_true(activity_turn(a, START + PART_MS));
	add_times(a, 2, START + PART_MS, "bob");
	add_times(a, 2, START, "cid");
	add_times(a, 1, START + PART_MS, "cid");
	add_times(a, 1, START + PART_MS, "eve");
	assert_true(has_row(a, "ann") && has_row(a, "cid") &&
	    has_row(a, "eve") && !has_row(a, "bob"));
	/* Nothing is left of ann's, and of cid's one. */
	assert_true(activity_turn(a, START + 48 * PART_MS));
	add_times(a, 1, START + 48 * PART_MS, "fay");
	assert_true(has_row(a, "cid") && has_row(a, "eve") &&
	    has_row(a, "fay"));
	activity_free(a);
}

static void
missed_is_forgotten(void **state)
{
	struct activity *a = start(SPAN, 1);
	struct activity_row row;
	uint64_t want[] = {3, 3, 0};
	int64_t at[] = {START, START + 47 * PART_MS, START + 48 * PART_MS};

	(void)state;
	for (int i = 0; i < 3; i++)
		add(a, mail_of(START, "bob"));
	add(a, mail_of(START, "eve"));
	for (int i = 0; i < 3; i++) {
		assert_true(activity_turn(a, at[i]));
		add(a, mail_of(at[i], "eve"));
		assert_true(activity_row(a, ACTIVITY_ACCOUNT, "eve", &row));
		assert_int_equal(row.missed, want[i]);
		assert_int_equal(activity_others(a, ACTIVITY_ACCOUNT, &row),
		    want[i] > 0);
		assert_int_equal(row.missed, want[i]);
	}
	/* Nor does what was forgotten make a new row heavier. */
	add(a, mail_of(at[2], "ann"));
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "ann", &row));
	assert_int_equal(row.missed, 2);
	activity_free(a);
}

/* -- one by one -- */

static void
window_forgets(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_flow f;
	struct activity_row row;
	size_t at = 0;

	(void)state;
	assert_int_equal(activity_bucket_ms(a), PART_MS);
	assert_true(activity_per_hour(a, 2) == 15);
	add(a, mail_of(START, "bob"));
	add(a, mail_of(START - SPAN * 1000, "old"));
	add(a, mail_of(-5000, "older"));
	assert_true(activity_turn(a, START + 59000));
	assert_true(activity_flow(a, &at, &f));
	assert_true(f.per_s * ACTIVITY_MINUTE == 1);
	assert_int_equal(f.total, 1);
	assert_true(activity_turn(a, START + 60000));
	at = 0;
	assert_true(activity_flow(a, &at, &f));
	assert_true(f.per_s == 0);
	assert_true(activity_turn(a, START + SPAN * 1000 - 1));
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_int_equal(row.series[0], 1);
	assert_true(activity_turn(a, START + SPAN * 1000));
	assert_false(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	at = 0;
	assert_false(activity_flow(a, &at, &f));
	activity_free(a);
}

static void
clock_that_goes_back(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_row row;

	(void)state;
	add(a, mail_of(START, "bob"));
	assert_true(activity_turn(a, START - PART_MS));
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_false(activity_turn(a, START - PART_MS - 1));
	assert_false(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	add(a, mail_of(START - PART_MS - 1, "bob"));
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_int_equal(row.messages, 1);
	activity_free(a);
}

static void
future_counts_as_now(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_row row;
	struct record r = mail_of(START, "bob");

	(void)state;
	add(a, mail_of(START + 500, "bob"));
	r.time.tv_sec = INT64_MAX;
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_int_equal(row.messages, 2);
	assert_int_equal(row.last_ms, START);
	assert_int_equal(row.series[ACTIVITY_BUCKETS - 1], 2);
	activity_free(a);
}

static void
share_is_of_the_account(void **state)
{
	static const struct quota_level levels[] = {
	    {"account", "messages", 3600, 200, 50},
	    {"account", "recipients", 86400, 10, 9},
	    {"total", "recipients", 86400, 100, 100}};
	static const struct quota_level shut[] = {
	    {"account", "a-kind-of-quota-with-a-long-name", 60, 0, 0}};
	struct activity *a = start(SPAN, 4);
	struct activity_row row;
	struct record r = mail_of(START, "bob");

	(void)state;
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_string_equal(row.share.kind, "");
	r.quota = levels;
	r.quota_count = 3;
	add(a, r);
	r.quota_count = 0; /* refused before its limits were looked at */
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_true(row.share.share == 0.9);
	assert_string_equal(row.share.kind, "recipients");
	assert_int_equal(row.share.used, 9);
	assert_int_equal(row.share.limit, 10);
	assert_int_equal(row.share.window_s, 86400);
	r.quota = shut;
	r.quota_count = 1;
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_true(row.share.share == 1);
	assert_string_equal(row.share.kind, "a-kind-of-quota");
	activity_free(a);
}

static void
last_clients(void **state)
{
	static const char *const ips[] = {"192.0.2.1", "192.0.2.2",
	    "192.0.2.1", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.3",
	    "an address that is longer than any address can be, by far"};
	static const char *const want[] = {
	    "an address that is longer than any address ca", "192.0.2.3",
	    "192.0.2.5", "192.0.2.4"};
	struct activity *a = start(SPAN, 4);
	struct activity_row row;

	(void)state;
	add(a, mail_of(START, "bob"));
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_null(row.clients[0]);
	for (size_t i = 0; i < sizeof(ips) / sizeof(*ips); i++) {
		struct record r = mail_of(START, "bob");

		r.client_ip = ips[i];
		add(a, r);
		if (i != 2)
			continue;
		assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
		assert_string_equal(row.clients[0], "192.0.2.1");
		assert_string_equal(row.clients[1], "192.0.2.2");
		assert_null(row.clients[2]);
	}
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	for (size_t i = 0; i < ACTIVITY_CLIENTS; i++)
		assert_string_equal(row.clients[i], want[i]);
	activity_free(a);
}

static void
scores_that_are_none(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_row row;
	struct record r = mail_of(START, "bob");

	(void)state;
	r.score = NAN;
	add(a, r);
	r.score = INFINITY;
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_true(row.score_max == 0 && row.score_mean == 0);
	r.score = -2;
	add(a, r);
	r.score = -4;
	add(a, r);
	assert_true(activity_row(a, ACTIVITY_ACCOUNT, "bob", &row));
	assert_int_equal(row.messages, 4);
	assert_true(row.score_max == -2 && row.score_mean == -3);
	activity_free(a);
}

static void
stage_times(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_stage s;
	uint64_t ns[STAGES_MAX] = {0};
	struct record r = record_at(START);
	size_t at = 0;

	(void)state;
	r.stage_ns = ns;
	ns[0] = 1000;
	ns[3] = 500;
	add(a, r);
	ns[0] = 3000;
	ns[3] = 0;
	add(a, r);
	assert_true(activity_stage(a, &at, &s));
	assert_string_equal(s.name, stages[0]->name);
	assert_int_equal(s.calls, 2);
	assert_int_equal(s.total_ns, 4000);
	assert_int_equal(s.max_ns, 3000);
	assert_true(s.mean_ns == 2000);
	assert_true(activity_stage(a, &at, &s));
	assert_string_equal(s.name, stages[3]->name);
	assert_int_equal(s.calls, 1);
	assert_false(activity_stage(a, &at, &s));
	activity_free(a);
}

static void
deciders(void **state)
{
	static const char *const by[] = {NULL, "postern", "spf", "spf"};
	static const char *const want[] = {"-", "postern", "spf"};
	static const uint64_t totals[] = {1, 1, 2};
	struct activity *a = start(SPAN, 4);
	struct activity_decider d;
	size_t at = 0;

	(void)state;
	for (int i = 0; i < 4; i++) {
		struct record r = record_at(START);

		r.verdict = (struct verdict){
		    .action = VERDICT_REJECT, .by = by[i]};
		add(a, r);
	}
	for (int i = 0; i < 3; i++) {
		assert_true(activity_decider(a, &at, &d));
		assert_string_equal(d.by, want[i]);
		assert_string_equal(d.verdict, "reject");
		assert_int_equal(d.total, totals[i]);
	}
	assert_false(activity_decider(a, &at, &d));
	activity_free(a);
}

static struct dnsbl_finding
finding(const char *zone, const char *asked, enum dnsbl_status status,
    const struct dnsbl_finding *next)
{
	return (struct dnsbl_finding){.zone = zone,
	    .about = "192.0.2.1",
	    .asked = asked,
	    .answer = {.status = status},
	    .next = next};
}

static void
dns_lists(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_list l;
	/* One query counts once, for however many sections. */
	struct dnsbl_finding
	    f6 = finding("b.example", "4.b", DNSBL_NOT_ASKED, NULL),
	    f5 = finding("b.example", "3.b", DNSBL_FOREIGN, &f6),
	    f4 = finding("b.example", "2.b", DNSBL_REFUSED, &f5),
	    f3 = finding("b.example", "1.b", DNSBL_NO_ANSWER, &f4),
	    f2 = finding("a.example", "2.a", DNSBL_NOT_LISTED, &f3),
	    f1 = finding("a.example", "1.a", DNSBL_LISTED, &f2),
	    f0 = finding("a.example", "1.a", DNSBL_LISTED, &f1);
	struct record r = record_at(START);
	size_t at = 0;

	(void)state;
	r.dnsbl = &f0;
	add(a, r);
	assert_true(activity_turn(a, START + 5000));
	r = record_at(START + 5000);
	r.dnsbl = &f6;
	add(a, r);
	assert_true(activity_list(a, &at, &l));
	assert_string_equal(l.zone, "a.example");
	assert_int_equal(l.queried, 2);
	assert_int_equal(l.listed, 1);
	assert_int_equal(l.failed, 0);
	assert_int_equal(l.last_failed_ms, 0);
	assert_true(activity_list(a, &at, &l));
	assert_string_equal(l.zone, "b.example");
	assert_int_equal(l.queried, 3);
	assert_int_equal(l.failed, 3);
	assert_int_equal(l.off, 2);
	assert_int_equal(l.last_failed_ms, START);
	assert_int_equal(l.last_ms, START + 5000);
	assert_false(activity_list(a, &at, &l));
	activity_free(a);
}

static void
more_lists_are_summed(void **state)
{
	struct activity *a = start(SPAN, 4);
	struct activity_list l = {.zone = NULL};
	size_t at = 0, count = 0;
	char zone[300];

	(void)state;
	memset(zone, 'z', sizeof(zone));
	for (int i = 0; i < ACTIVITY_LISTS + 7; i++) {
		struct dnsbl_finding f =
		    finding(zone, "x", DNSBL_LISTED, NULL);
		struct record r = record_at(START);

		snprintf(zone, sizeof(zone), "%0299d", i);
		memmove(zone, zone + 296, 3);
		zone[3] = 'z';
		r.dnsbl = &f;
		add(a, r);
		add(a, r);
	}
	for (; activity_list(a, &at, &l); count++)
		assert_int_equal(
		    l.listed, count == ACTIVITY_LISTS ? 2 * 7 : 2);
	assert_int_equal(count, ACTIVITY_LISTS + 1);
	assert_string_equal(l.zone, "*");
	activity_free(a);
}

static void
orders(void **state)
{
	static const struct {
		enum activity_order by;
		const char *names;
	} cases[] = {{ACTIVITY_BY_MESSAGES, "bca"},
	    {ACTIVITY_BY_RECIPIENTS, "cba"}, {ACTIVITY_BY_REFUSED, "bac"},
	    {ACTIVITY_BY_SHARE, "acb"}, {ACTIVITY_BY_SCORE, "cab"},
	    {ACTIVITY_BY_LAST, "acb"}, {ACTIVITY_BY_NAME, "abc"}};
	static const struct quota_level some[] = {
	    {"account", "messages", 60, 10, 5}},
	    more[] = {{"account", "messages", 60, 10, 6}};
	struct activity *a = start(SPAN, 4);
	struct activity_row rows[3];
	struct record r = mail_of(START - 3000, "b");

	(void)state;
	add(a, r);
	add(a, r);
	r.left = false;
	r.verdict.action = VERDICT_REJECT;
	add(a, r);
	r = mail_of(START - 2000, "c");
	r.rcpt_count = 5;
	r.score = 7;
	r.quota = some;
	r.quota_count = 1;
	add(a, r);
	add(a, r);
	r = mail_of(START - 1000, "a");
	r.score = 3;
	r.quota = more;
	r.quota_count = 1;
	add(a, r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char got[4] = "";

		assert_int_equal(activity_rows(a, ACTIVITY_ACCOUNT,
				     cases[i].by, rows, 3), 3);
		for (int k = 0; k < 3; k++)
			got[k] = rows[k].name[0];
		assert_string_equal(got, cases[i].names);
	}
	assert_int_equal(activity_rows(a, ACTIVITY_ACCOUNT,
			     ACTIVITY_BY_SCORE, rows, 2), 2);
	activity_free(a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sums_equal_a_recount),
	    cmocka_unit_test(bounded_rows_keep_their_promise),
	    cmocka_unit_test(many_names_take_no_memory),
	    cmocka_unit_test(lightest_row_goes),
	    cmocka_unit_test(missed_is_forgotten),
	    cmocka_unit_test(window_forgets),
	    cmocka_unit_test(clock_that_goes_back),
	    cmocka_unit_test(future_counts_as_now),
	    cmocka_unit_test(share_is_of_the_account),
	    cmocka_unit_test(last_clients),
	    cmocka_unit_test(scores_that_are_none),
	    cmocka_unit_test(stage_times),
	    cmocka_unit_test(deciders),
	    cmocka_unit_test(dns_lists),
	    cmocka_unit_test(more_lists_are_summed),
	    cmocka_unit_test(orders),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
