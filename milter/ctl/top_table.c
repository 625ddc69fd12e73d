/* SPDX-License-Identifier: BSD-2-Clause */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/quota/limits.h"
#include "milter/record.h"

#define NAME_MAX_OCTETS 255 /* of a name, before it is escaped */
#define SHARE_WARNING 0.8
#define FAILED_WARNING 0.05 /* of the queries to a list */
#define FAILED_ALARM 0.5

static const char *const orders[ACTIVITY_ORDERS] = {"messages", "recipients",
    "refused", "share", "score", "last", "name"};

const char *
top_order(enum activity_order by)
{
	return orders[by];
}

/* -- cells -- */

static const char *
number(struct arena *a, double n)
{
	if (n >= 999.5e6)
		return arena_printf(a, "%.4gG", n / 1e9);
	if (n >= 999.5e3)
		return arena_printf(a, "%.4gM", n / 1e6);
	if (n >= 99999.5)
		return arena_printf(a, "%.3gk", n / 1e3);
	return n < 100 && n != (double)(long)n ? arena_printf(a, "%.1f", n)
						: arena_printf(a, "%.0f", n);
}

static const char *
seconds(struct arena *a, double ns)
{
	if (ns >= 999.5e9)
		return arena_printf(a, "%.0f s", ns / 1e9);
	if (ns >= 999.5e6)
		return arena_printf(a, "%.3g s", ns / 1e9);
	if (ns >= 999.5e3)
		return arena_printf(a, "%.3g ms", ns / 1e6);
	return arena_printf(a, "%.3g us", ns / 1e3);
}

static const char *
per_cent(struct arena *a, double part)
{
	return part > 9.995 ? arena_printf(a, ">999%%")
			    : arena_printf(a, "%.0f%%", part * 100);
}

const char *
top_ago(struct arena *a, int64_t seconds)
{
	static const struct {
		int64_t unit;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (seconds >= 2 * units[i].unit)
			return arena_printf(a, "%lld%c",
			    (long long)(seconds / units[i].unit),
			    units[i].letter);
	}
	return arena_printf(a, "%llds", (long long)(seconds < 0 ? 0 : seconds));
}

static const char *
ago(struct top *t, int64_t ms)
{
	return ms == 0 ? "-" : top_ago(&t->arena, (t->now_ms - ms) / 1000);
}

static const char *
escaped(struct arena *a, const char *name)
{
	struct buf b = BUF_INIT;
	const char *text;

	buf_escape(&b, name, strlen(name), NAME_MAX_OCTETS);
	text = b.failed ? NULL : arena_strdup(a, buf_text(&b));
	buf_fini(&b);
	return text;
}

/* -- lines -- */

/* A line of that name; NULL: it is not wanted, or there is no memory. */
static struct top_line *
add_line(struct top *t, struct top_table *table, const char *name, size_t room)
{
	const char *text = escaped(&t->arena, name);
	struct top_line *l;

	if (text == NULL || table->count == room ||
	    strcasestr(text, t->filter) == NULL)
		return NULL;
	l = &table->lines[table->count++];
	*l = (struct top_line){.name = text};
	return l;
}

static void
make_room(struct top *t, struct top_table *table, size_t room)
{
	table->count = 0;
	table->others = NULL;
	table->lines = arena_alloc(&t->arena, room * sizeof(*table->lines));
}

#define COLUMN(h, w) {.head = h, .width = w}
#define SORTED(h, w, by) {.head = h, .width = w, .sorted = by + 1}
#define EXTRA(h, w) {.head = h, .width = w, .extra = true}

/* -- messages by direction and verdict -- */

static const struct top_column flow_columns[] = {COLUMN("accept", 7),
    COLUMN("reject", 6), COLUMN("tempfail", 8), COLUMN("discard", 7),
    COLUMN("quarantine", 10),
    COLUMN("none", 5), COLUMN("all", 6), COLUMN("in all", 6)};

#define VERDICTS 6 /* columns of flow_columns */

static void
fill_flows(struct top *t, struct top_table *table)
{
	static const char *const names[] = {
	    "inbound", "outbound", "clients refused"};
	double per_s[3][VERDICTS] = {{0}}, all[3] = {0};
	uint64_t total[3] = {0};
	struct activity_flow f;

	table->head = "MESSAGES/S";
	table->columns = flow_columns;
	make_room(t, table, 3);
	for (size_t at = 0; activity_flow(t->activity, &at, &f);) {
		size_t row = f.client ? 2
		    : f.direction == DIRECTION_OUTBOUND ? 1 : 0;

		for (size_t i = 0; i < VERDICTS; i++) {
			if (strcmp(flow_columns[i].head, f.verdict) == 0)
				per_s[row][i] += f.per_s;
		}
		all[row] += f.per_s;
		total[row] += f.total;
	}
	for (size_t row = 0; table->lines != NULL && row < 3; row++) {
		struct top_line *l = &table->lines[table->count++];

		*l = (struct top_line){.name = names[row]};
		for (size_t i = 0; i < VERDICTS; i++)
			l->cells[i] =
			    arena_printf(&t->arena, "%.2f", per_s[row][i]);
		l->cells[VERDICTS] = arena_printf(&t->arena, "%.2f", all[row]);
		l->cells[VERDICTS + 1] = number(&t->arena, (double)total[row]);
	}
}

/* -- accounts and clients -- */

static const struct top_column account_columns[] = {
    SORTED("MSGS/H", 7, ACTIVITY_BY_MESSAGES),
    SORTED("RCPTS/H", 7, ACTIVITY_BY_RECIPIENTS),
    SORTED("REFUSED/H", 9, ACTIVITY_BY_REFUSED),
    SORTED("SHARE", 5, ACTIVITY_BY_SHARE),
    SORTED("SCORE", 6, ACTIVITY_BY_SCORE), SORTED("LAST", 4, ACTIVITY_BY_LAST),
    EXTRA("OF LIMIT", 14),
    EXTRA("CLIENT", 15)};
static const struct top_column client_columns[] = {
    SORTED("MSGS/H", 7, ACTIVITY_BY_MESSAGES),
    SORTED("RCPTS/H", 7, ACTIVITY_BY_RECIPIENTS),
    SORTED("REFUSED/H", 9, ACTIVITY_BY_REFUSED),
    COLUMN("", 5), SORTED("SCORE", 6, ACTIVITY_BY_SCORE),
    SORTED("LAST", 4, ACTIVITY_BY_LAST), {.head = NULL}};

static const char *
limit_text(struct arena *a, const struct activity_share *s)
{
	char window[LIMITS_TEXT];

	if (s->kind[0] == '\0')
		return "-";
	limits_window_text(s->window_s, window, sizeof(window));
	return arena_printf(a, "%s/%s", s->kind, window);
}

static void
fill_line(struct top *t, struct top_line *l, const struct activity_row *r,
    enum activity_kind kind)
{
	struct arena *a = &t->arena;
	bool limited = r->share.kind[0] != '\0';
	const char *client = r->clients[0] == NULL ? "-" : r->clients[0];

	l->series = r->series;
	l->cells[0] = number(
	    a, activity_per_hour(t->activity, (double)r->messages));
	l->cells[1] = number(
	    a, activity_per_hour(t->activity, (double)r->recipients));
	l->cells[2] = number(
	    a, activity_per_hour(t->activity, (double)r->refused));
	l->cells[3] = limited ? per_cent(a, r->share.share)
	    : kind == ACTIVITY_ACCOUNT ? "-" : "";
	l->cells[4] = arena_printf(a, "%.1f", r->score_max);
	l->cells[5] = ago(t, r->last_ms);
	if (kind == ACTIVITY_ACCOUNT) {
		l->cells[6] = limit_text(a, &r->share);
		l->cells[7] = escaped(a, client);
	}
	if (limited && r->share.share >= SHARE_WARNING)
		l->tone = r->share.share >= 1 ? TOP_ALARM : TOP_WARNING;
	else if (r->refused > 0)
		l->tone = r->refused * 2 > r->messages ? TOP_ALARM
						       : TOP_WARNING;
}

static void
fill_others(struct top *t, struct top_table *table, enum activity_kind kind)
{
	struct activity_row r;

	if (!activity_others(t->activity, kind, &r))
		return;
	table->others = arena_printf(&t->arena,
	    "and others: %s messages an hour, %s refused, none more than %s in "
	    "all",
	    number(&t->arena,
		activity_per_hour(t->activity, (double)r.messages)),
	    number(&t->arena,
		activity_per_hour(t->activity, (double)r.refused)),
	    number(&t->arena, (double)r.missed));
}

static void
fill_names(struct top *t, struct top_table *table, enum activity_kind kind)
{
	struct activity_row *rows = t->rows[kind];
	size_t count =
	    activity_rows(t->activity, kind, t->by, rows, TOP_ROWS);

	table->head = kind == ACTIVITY_ACCOUNT ? "ACCOUNTS" : "CLIENTS";
	table->columns =
	    kind == ACTIVITY_ACCOUNT ? account_columns : client_columns;
	table->series = true;
	make_room(t, table, count + 1);
	for (size_t i = 0; table->lines != NULL && i < count; i++) {
		struct top_line *l = add_line(t, table, rows[i].name, count);

		if (l != NULL)
			fill_line(t, l, &rows[i], kind);
	}
	fill_others(t, table, kind);
}

/* -- checks by time -- */

static const struct top_column check_columns[] = {COLUMN("TIME", 7),
    COLUMN("OF ALL", 6), COLUMN("MEAN", 8), COLUMN("MAX", 8),
    COLUMN("CALLS", 7), COLUMN("DECIDED", 8), {.head = NULL}};

static int
by_time(const void *a, const void *b)
{
	const struct activity_stage *x = a, *y = b;

	return x->total_ns < y->total_ns ? 1 : x->total_ns > y->total_ns ? -1
									 : 0;
}

/* Messages and clients that it decided about. */
static uint64_t
decided(const struct top *t, const char *by)
{
	struct activity_decider d;
	uint64_t sum = 0;

	for (size_t at = 0; activity_decider(t->activity, &at, &d);)
		sum += strcmp(d.by, by) == 0 ? d.total : 0;
	return sum;
}

static void
fill_checks(struct top *t, struct top_table *table)
{
	struct activity_stage all[STAGES_MAX];
	struct arena *a = &t->arena;
	size_t count = 0;
	double sum = 0;

	table->head = "CHECKS";
	table->columns = check_columns;
	make_room(t, table, STAGES_MAX);
	for (size_t at = 0; count < STAGES_MAX &&
	     activity_stage(t->activity, &at, &all[count]); count++)
		sum += (double)all[count].total_ns;
	if (count > 0)
		qsort(all, count, sizeof(*all), by_time);
	for (size_t i = 0; table->lines != NULL && i < count; i++) {
		const struct activity_stage *s = &all[i];
		struct top_line *l =
		    add_line(t, table, s->name, STAGES_MAX);

		if (l == NULL)
			continue;
		l->cells[0] = seconds(a, (double)s->total_ns);
		l->cells[1] = per_cent(a, (double)s->total_ns / sum);
		l->cells[2] = seconds(a, s->mean_ns);
		l->cells[3] = seconds(a, (double)s->max_ns);
		l->cells[4] = number(a, (double)s->calls);
		l->cells[5] = number(a, (double)decided(t, s->name));
	}
}

/* -- DNS lists -- */

static const struct top_column list_columns[] = {COLUMN("QUERIED", 7),
    COLUMN("LISTED", 7), COLUMN("FAILED", 7), COLUMN("OF ALL", 6),
    COLUMN("OFF", 7),
    COLUMN("LAST FAILURE", 12), {.head = NULL}};

static void
fill_lists(struct top *t, struct top_table *table)
{
	struct arena *a = &t->arena;
	struct activity_list r;

	table->head = "DNS LISTS";
	table->columns = list_columns;
	make_room(t, table, ACTIVITY_LISTS + 1);
	for (size_t at = 0; table->lines != NULL &&
	     activity_list(t->activity, &at, &r);) {
		struct top_line *l =
		    add_line(t, table, r.zone, ACTIVITY_LISTS + 1);
		double part = r.queried == 0
		    ? 0
		    : (double)r.failed / (double)r.queried;

		if (l == NULL)
			continue;
		l->cells[0] = number(a, (double)r.queried);
		l->cells[1] = number(a, (double)r.listed);
		l->cells[2] = number(a, (double)r.failed);
		l->cells[3] = per_cent(a, part);
		l->cells[4] = number(a, (double)r.off);
		l->cells[5] = ago(t, r.last_failed_ms);
		if (part >= FAILED_ALARM || r.off > 0)
			l->tone = TOP_ALARM;
		else if (part >= FAILED_WARNING)
			l->tone = TOP_WARNING;
	}
}

/* -- all -- */

static bool
is_whole(const struct top_table *table)
{
	for (size_t i = 0; i < table->count; i++) {
		for (size_t k = 0; k < TOP_COLUMNS &&
		     table->columns[k].head != NULL; k++) {
			if (table->lines[i].cells[k] == NULL)
				return false;
		}
	}
	return table->lines != NULL;
}

bool
top_fill(struct top *t)
{
	bool whole = true;

	arena_reset(&t->arena);
	fill_flows(t, &t->tables[TOP_FLOWS]);
	fill_names(t, &t->tables[TOP_ACCOUNTS], ACTIVITY_ACCOUNT);
	fill_names(t, &t->tables[TOP_CLIENTS], ACTIVITY_CLIENT);
	fill_checks(t, &t->tables[TOP_CHECKS]);
	fill_lists(t, &t->tables[TOP_LISTS]);
	for (int i = 0; i < TOP_TABLES; i++)
		whole = whole && is_whole(&t->tables[i]);
	return whole;
}
