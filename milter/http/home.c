/*
 * The first page: is it all right, what happened in 48 hours, what happens.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "html.h"
#include "milter/activity.h"
#include "milter/counters.h"
#include "milter/history.h"
#include "milter/problems.h"
#include "now.h"
#include "page.h"
#include "plot.h"
#include "quotas.h"

#define HOURS 48
#define ROWS 20 /* of a table */

/* What is known of 48 hours, from the history; all 0 without one. */
struct hours {
	time_t from;
	bool known; /* there is a history */
	uint64_t served[HOURS];
	uint64_t messages[2][HISTORY_VERDICTS][HOURS];
	uint64_t took[COUNTERS_BUCKETS + 1][HOURS];
	uint64_t queries[HOURS], failures[HOURS];
};

static void
read_series(const struct now *n, struct hours *t, unsigned series,
    uint64_t counts[HOURS])
{
	history_read(n->history, HISTORY_HOURS, (enum history_series)series,
	    n->time, t->from, HOURS, counts);
}

static void
read_hours(const struct now *n, struct hours *t)
{
	memset(t, 0, sizeof(*t));
	t->from = n->time - n->time % 3600 - (HOURS - 1) * 3600;
	t->known = n->history != NULL;
	if (!t->known)
		return;
	read_series(n, t, HISTORY_SERVED, t->served);
	for (unsigned d = 0; d < 2; d++) {
		for (unsigned v = 0; v < HISTORY_VERDICTS; v++)
			read_series(n, t,
			    HISTORY_MESSAGES + HISTORY_VERDICTS * d + v,
			    t->messages[d][v]);
	}
	for (unsigned i = 0; i <= COUNTERS_BUCKETS; i++)
		read_series(n, t, HISTORY_DURATION + i, t->took[i]);
	read_series(n, t, HISTORY_DNS_QUERIES, t->queries);
	read_series(n, t, HISTORY_DNS_FAILURES, t->failures);
}

static double
sum(const uint64_t *counts, size_t from)
{
	double all = 0;

	for (size_t i = from; i < HOURS; i++)
		all += (double)counts[i];
	return all;
}

/* -- what needs attention -- */

static void
attention_locked(struct html *h, const struct quotas *q)
{
	if (q->locked_count == 0)
		return;
	html_open(h, "li");
	html_open(h, "p");
	html_classed(h, "strong", "label", "locked");
	html_textf(h, "%zu account%s locked, and may not send: ",
	    q->locked_count, q->locked_count == 1 ? " is" : "s are");
	for (size_t i = 0; i < q->locked_count && i < QUOTAS_LOCKED; i++) {
		if (i > 0)
			html_text(h, ", ");
		/* A name that is cut off is another account's. */
		if (q->whole[i])
			part_account(h, q->locked[i]);
		else
			html_outside(h, q->locked[i]);
	}
	if (q->locked_count > QUOTAS_LOCKED)
		html_text(h, " …");
	html_close(h);
	html_close(h);
}

static void
attention_problem(struct html *h, const struct problem *p)
{
	html_open_classed(h, "li", p->fatal ? "fatal" : "odd");
	html_open(h, "p");
	html_classed(h, "strong", "label", p->what);
	html_outsiden(h, p->text, strlen(p->text), 1000);
	html_close(h);
	if (p->cure != NULL && p->cure[0] != '\0') {
		html_open_classed(h, "p", "cure");
		html_outsiden(h, p->cure, strlen(p->cure), 1000);
		html_close(h);
	}
	html_close(h);
}

static void
attention(struct html *h, const struct now *n, const struct problems *p,
    const struct quotas *q)
{
	bool well = p->count == 0 && q->locked_count == 0 && n->none == NULL;

	html_open_classed(
	    h, "section", well ? "card attention well" : "card attention");
	html_attr(h, "aria-labelledby", "attention");
	html_open(h, "h2");
	html_attr(h, "id", "attention");
	html_text(h, well ? "All is well" : "Needs attention");
	html_close(h);
	if (well) {
		html_element(h, "p",
		    "The resolver, the keys and the quota table can be used, "
		    "and no account is locked.");
	} else {
		html_open(h, "ul");
		for (size_t i = 0; i < p->count; i++)
			attention_problem(h, &p->list[i]);
		attention_locked(h, q);
		if (n->none != NULL) {
			html_open(h, "li");
			html_element(h, "p", n->none);
			html_close(h);
		}
		html_close(h);
	}
	html_close(h);
}

/* -- tiles -- */

static void
tile(struct html *h, const char *title, const char *value, const char *note)
{
	html_open_classed(h, "div", "tile");
	html_element(h, "dt", title);
	html_open(h, "dd");
	html_classed(h, "span", "value", value);
	html_classed(h, "span", "note", note);
	html_close(h);
	html_close(h);
}

struct totals {
	double messages[2], accepted, refused, held;
	double last_minute; /* messages a second */
};

static void
add_up(const struct now *n, struct totals *t)
{
	struct activity_flow flow;
	size_t at = 0;

	memset(t, 0, sizeof(*t));
	while (n->activity != NULL && activity_flow(n->activity, &at, &flow)) {
		const char *v = flow.verdict;

		if (flow.client)
			continue;
		t->messages[flow.direction == DIRECTION_OUTBOUND] +=
		    (double)flow.total;
		t->last_minute += flow.per_s;
		if (strcmp(v, "accept") == 0)
			t->accepted += (double)flow.total;
		else if (strcmp(v, "quarantine") == 0)
			t->held += (double)flow.total;
		else if (strcmp(v, "none") != 0)
			t->refused += (double)flow.total;
	}
}

/* In which bucket is that share of the messages of an hour (or of all, hour
 * HOURS) reached?  Milliseconds; PLOT_NONE: there were none. */
static double
took_ms(const struct hours *t, size_t hour, double share)
{
	double counts[COUNTERS_BUCKETS + 1], all = 0, so_far = 0;

	for (size_t i = 0; i <= COUNTERS_BUCKETS; i++) {
		counts[i] = hour == HOURS ? sum(t->took[i], 0)
					  : (double)t->took[i][hour];
		all += counts[i];
	}
	if (!(all > 0))
		return PLOT_NONE;
	for (size_t i = 0; i < COUNTERS_BUCKETS; i++) {
		double low = i == 0 ? 0 : counters_bounds[i - 1];

		if (so_far + counts[i] >= share * all && counts[i] > 0)
			return 1000 *
			    (low + (counters_bounds[i] - low) *
				    (share * all - so_far) / counts[i]);
		so_far += counts[i];
	}
	return 1000 * counters_bounds[COUNTERS_BUCKETS - 1];
}

static void
ms_text(double ms, char *text, size_t size)
{
	char number[PLOT_NUMBER_SIZE];

	if (ms < 0)
		snprintf(text, size, "–");
	else if (ms >= 1000)
		snprintf(text, size, "%.1f s", ms / 1000);
	else
		snprintf(text, size, "%s ms", plot_number(ms, number));
}

static void
tiles(struct html *h, const struct now *n, const struct hours *t,
    const struct quotas *q)
{
	struct totals all;
	char value[64], note[128], a[PLOT_NUMBER_SIZE], b[PLOT_NUMBER_SIZE];
	double messages, queries = sum(t->queries, 0);

	add_up(n, &all);
	messages = all.messages[0] + all.messages[1];
	html_open_classed(h, "dl", "tiles");
	snprintf(note, sizeof(note), "%s in · %s out · %.2f a second now",
	    plot_number(all.messages[0], a), plot_number(all.messages[1], b),
	    all.last_minute);
	tile(h, "Messages", plot_number(messages, value), note);
	snprintf(note, sizeof(note), "%.1f %% of all · %s held",
	    messages > 0 ? 100 * all.refused / messages : 0,
	    plot_number(all.held, a));
	tile(h, "Refused", plot_number(all.refused, value), note);
	ms_text(took_ms(t, HOURS, 0.5), value, sizeof(value));
	ms_text(took_ms(t, HOURS, 0.99), a, sizeof(a));
	snprintf(
	    note, sizeof(note), "for half of all mail; 99 of 100 in %s", a);
	tile(h, "Time in postern", value, note);
	snprintf(note, sizeof(note), "%.2f %% without an answer",
	    queries > 0 ? 100 * sum(t->failures, 0) / queries : 0);
	tile(h, "DNS queries", plot_number(queries, value), note);
	snprintf(note, sizeof(note), "%zu near a limit · %zu locked", q->near,
	    q->locked_count);
	tile(h, "Accounts", plot_number((double)q->accounts, value), note);
	html_close(h);
}

/* -- plots -- */

/* Fill the values; those of hours in which no daemon ran are PLOT_NONE. */
static void
series(struct plot *p, const char *name, const char *class)
{
	p->series[p->count].name = name;
	p->series[p->count].class = class;
	memset(p->series[p->count].value, 0,
	    sizeof(p->series[p->count].value));
	p->count++;
}

static void
add_to(struct plot *p, size_t k, const uint64_t counts[HOURS])
{
	for (size_t i = 0; i < HOURS; i++)
		p->series[k].value[i] += (double)counts[i];
}

static struct plot
plot_new(const struct hours *t, const char *id, const char *title,
    const char *note, const char *unit)
{
	return (struct plot){.id = id, .title = title, .note = note,
	    .unit = unit, .from = t->from, .step = 3600, .points = HOURS};
}

static void
plot_volume(struct html *h, const struct hours *t)
{
	static const struct {
		const char *name, *class;
		enum history_verdict verdict[2];
	} all[] = {
	    {"accepted", "c-accept", {HISTORY_ACCEPT, HISTORY_ACCEPT}},
	    {"held", "c-hold", {HISTORY_QUARANTINE, HISTORY_QUARANTINE}},
	    {"refused for now", "c-temp", {HISTORY_TEMPFAIL, HISTORY_ERROR}},
	    {"refused", "c-reject", {HISTORY_REJECT, HISTORY_DISCARD}},
	    {"given up", "c-none", {HISTORY_NONE, HISTORY_NONE}},
	};
	struct plot p = plot_new(t, "volume", "Messages by verdict",
	    "Messages an hour in the last 48 hours, in and out; refused has "
	    "those that were discarded, too.",
	    "messages an hour");

	for (size_t k = 0; k < sizeof(all) / sizeof(*all); k++) {
		series(&p, all[k].name, all[k].class);
		for (int d = 0; d < 2; d++) {
			add_to(&p, k, t->messages[d][all[k].verdict[0]]);
			if (all[k].verdict[1] != all[k].verdict[0])
				add_to(&p, k,
				    t->messages[d][all[k].verdict[1]]);
		}
	}
	plot_bars(h, &p);
}

static void
plot_latency(struct html *h, const struct hours *t)
{
	struct plot p = plot_new(t, "latency", "Time in postern",
	    "How long half of each hour's messages took at most, and 95 of "
	    "100; waits for the DNS are in it.",
	    "ms");

	series(&p, "half of them", "c-half");
	series(&p, "95 of 100", "c-most");
	for (size_t i = 0; i < HOURS; i++) {
		p.series[0].value[i] = took_ms(t, i, 0.5);
		p.series[1].value[i] = took_ms(t, i, 0.95);
	}
	p.half = true;
	plot_lines(h, &p);
}

static void
plot_dns(struct html *h, const struct hours *t)
{
	struct plot p = plot_new(t, "dns", "DNS queries",
	    "Queries an hour, and those to which no answer came in time.",
	    "queries an hour");

	series(&p, "answered", "c-accept");
	series(&p, "failed", "c-reject");
	for (size_t i = 0; i < HOURS; i++) {
		p.series[1].value[i] = (double)t->failures[i];
		if (t->queries[i] > t->failures[i])
			p.series[0].value[i] =
			    (double)(t->queries[i] - t->failures[i]);
	}
	p.half = true;
	plot_bars(h, &p);
}

static void
plots(struct html *h, const struct hours *t)
{
	part_section(h, "plots", "The last 48 hours");
	if (t->known) {
		html_open_classed(h, "div", "plots");
		plot_volume(h, t);
		plot_latency(h, t);
		plot_dns(h, t);
		html_close(h);
	} else {
		html_classed(h, "p", "muted",
		    "There is no history: StateDirectory can't be written, or "
		    "the daemon has just started.");
	}
	html_close(h);
}

/* -- accounts -- */

static void
account_row(
    struct html *h, const struct activity_row *r, const struct quotas *q)
{
	char text[PLOT_NUMBER_SIZE], label[128];
	struct quotas_near near;

	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "row");
	part_account(h, r->name);
	if (quotas_near(q, r->name, &near) && near.locked) {
		html_text(h, " ");
		html_classed(h, "span", "label", "locked");
	}
	html_close(h);
	html_open_classed(h, "td", "quota");
	if (near.limited)
		part_limit(h, near.kind, near.window_s, (double)near.used,
		    (double)near.limit);
	else
		html_classed(h, "span", "muted", "no limit");
	html_close(h);
	html_open(h, "td");
	snprintf(label, sizeof(label), "%llu messages in 48 hours, by the hour",
	    (unsigned long long)r->messages);
	plot_spark(h, r->series, ACTIVITY_BUCKETS, label);
	html_close(h);
	html_classed(
	    h, "td", "n", plot_number((double)r->messages, text));
	html_classed(
	    h, "td", "n", plot_number((double)r->recipients, text));
	html_classed(h, "td", "n", plot_number((double)r->refused, text));
	html_close(h);
}

static void
accounts(struct html *h, const struct now *n, const struct quotas *q)
{
	static const char *const titles[] = {"Account", "Nearest limit",
	    "48 hours", " Messages", " Recipients", " Refused", NULL};
	struct activity_row rows[ROWS];
	size_t count = n->activity == NULL
	    ? 0
	    : activity_rows(n->activity, ACTIVITY_ACCOUNT,
		  ACTIVITY_BY_MESSAGES, rows, ROWS);

	part_section(h, "accounts", "Accounts");
	if (count == 0) {
		html_classed(h, "p", "muted",
		    "No account has sent anything in the last 48 hours.");
	} else {
		html_open_classed(h, "div", "scroll");
		html_open_classed(h, "table", "accounts");
		part_columns(h, titles);
		html_open(h, "tbody");
		for (size_t i = 0; i < count; i++)
			account_row(h, &rows[i], q);
		html_close(h);
		html_close(h);
		html_close(h);
	}
	html_close(h);
}

/* -- checks -- */

static void
deciders(struct html *h, const struct now *n)
{
	static const char *const titles[] = {
	    "Decided by", "Verdict", " Messages", "Share", NULL};
	struct activity_decider d;
	char text[PLOT_NUMBER_SIZE];
	double all = 0;
	size_t at = 0;

	part_section(h, "deciders", "Verdicts by check");
	while (n->activity != NULL && activity_decider(n->activity, &at, &d))
		all += (double)d.total;
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	at = 0;
	while (n->activity != NULL && activity_decider(n->activity, &at, &d)) {
		html_open(h, "tr");
		html_open(h, "th");
		html_attr(h, "scope", "row");
		html_text(h, strcmp(d.by, "-") == 0 ? "nobody" : d.by);
		html_close(h);
		html_open(h, "td");
		html_open(h, "span");
		html_attrf(h, "class", "verdict %s", d.verdict);
		html_text(h, strcmp(d.verdict, "none") == 0 ? "given up"
							   : d.verdict);
		html_close(h);
		html_close(h);
		html_classed(
		    h, "td", "n", plot_number((double)d.total, text));
		html_open(h, "td");
		part_part(h, (double)d.total / all);
		html_close(h);
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

static void
time_row(struct html *h, const char *name, double mean_ns, double max_ns,
    double share)
{
	char text[64];

	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_text(h, name);
	html_close(h);
	ms_text(mean_ns / 1e6, text, sizeof(text));
	html_classed(h, "td", "n", text);
	ms_text(max_ns / 1e6, text, sizeof(text));
	html_classed(h, "td", "n", text);
	html_open(h, "td");
	part_part(h, share);
	html_close(h);
	html_close(h);
}

/* Those that take a hundredth of the time, or more. */
static void
time_rows(struct html *h, const struct activity *a, double all)
{
	struct activity_stage s;
	size_t at = 0;

	while (activity_stage(a, &at, &s)) {
		if ((double)s.total_ns >= 0.01 * all)
			time_row(h, s.name, s.mean_ns, (double)s.max_ns,
			    (double)s.total_ns / all);
	}
}

static void
times(struct html *h, const struct now *n)
{
	static const char *const titles[] = {
	    "Check", " Mean", " Longest", "Share", NULL};
	struct activity_stage s;
	double all = 0;
	size_t at = 0;

	part_section(h, "times", "Time by check");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	while (n->activity != NULL && activity_stage(n->activity, &at, &s))
		all += (double)s.total_ns;
	if (all > 0)
		time_rows(h, n->activity, all);
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

/* -- DNS lists -- */

static void
list_row(struct html *h, const struct activity_list *l)
{
	char text[PLOT_NUMBER_SIZE];
	bool off = l->off > 0 && l->off >= l->queried;

	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_outside(h, l->zone);
	html_close(h);
	html_open(h, "td");
	html_open(h, "span");
	html_attrf(h, "class", "verdict %s",
	    off				   ? "tempfail"
		: 2 * l->failed > l->queried ? "reject"
					   : "accept");
	html_text(h, off		     ? "off: fails its self-test"
		: 2 * l->failed > l->queried ? "hardly answers"
					     : "answers");
	html_close(h);
	html_close(h);
	html_classed(h, "td", "n", plot_number((double)l->queried, text));
	html_classed(h, "td", "n", plot_number((double)l->listed, text));
	html_classed(h, "td", "n", plot_number((double)l->failed, text));
	html_close(h);
}

static void
lists(struct html *h, const struct now *n)
{
	static const char *const titles[] = {
	    "List", "Health", " Queries", " Listed", " Failed", NULL};
	struct activity_list l;
	size_t at = 0;

	if (n->activity == NULL || !activity_list(n->activity, &at, &l))
		return;
	part_section(h, "lists", "DNS lists");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	do
		list_row(h, &l);
	while (activity_list(n->activity, &at, &l));
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

/* -- decisions -- */

static void
decisions(struct html *h, struct now *n)
{
	uint64_t places[NOW_RECENT];
	size_t count =
	    n->recent_count < NOW_RECENT ? n->recent_count : NOW_RECENT;

	part_section(h, "decisions", "Recent decisions");
	for (size_t i = 0; i < count; i++)
		places[i] =
		    n->recent[(n->recent_count - count + i) % NOW_RECENT];
	if (count == 0)
		html_classed(h, "p", "muted", "No message came yet.");
	else
		part_decisions(h, n, places, count);
	html_close(h);
}

void
page_home(struct html *h, struct now *n)
{
	struct problems problems = PROBLEMS_INIT;
	struct quotas quotas;
	struct hours hours;

	problems_collect(&problems);
	quotas_open(&quotas, n);
	read_hours(n, &hours);
	page_begin(h, "Overview", true, true);
	html_classed(h, "h1", "unseen", "Overview");
	attention(h, n, &problems, &quotas);
	tiles(h, n, &hours, &quotas);
	plots(h, &hours);
	accounts(h, n, &quotas);
	html_open_classed(h, "div", "columns");
	deciders(h, n);
	times(h, n);
	html_close(h);
	lists(h, n);
	decisions(h, n);
	page_end(h);
	quotas_close(&quotas);
	problems_fini(&problems);
}
