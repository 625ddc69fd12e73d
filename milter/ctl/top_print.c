/* SPDX-License-Identifier: BSD-2-Clause */
#include "top.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/quota/limits.h"

#define NAME_WIDTH 18
#define LINES_MAX 20 /* of accounts, and of clients, as text */

/* -- as text -- */

static void
print_table(const struct top_table *table, size_t max)
{
	int width = NAME_WIDTH;
	size_t count = table->count < max ? table->count : max;

	for (size_t i = 0; i < count; i++) {
		if ((int)strlen(table->lines[i].name) > width)
			width = (int)strlen(table->lines[i].name);
	}
	printf("\n%-*s", width, table->head);
	for (size_t k = 0; k < TOP_COLUMNS && table->columns[k].head != NULL;
	     k++)
		printf(" %*s", table->columns[k].width, table->columns[k].head);
	putchar('\n');
	for (size_t i = 0; i < count; i++) {
		const struct top_line *l = &table->lines[i];

		printf("%-*s", width, l->name);
		for (size_t k = 0;
		     k < TOP_COLUMNS && table->columns[k].head != NULL; k++)
			printf(" %*s", table->columns[k].width, l->cells[k]);
		putchar('\n');
	}
	if (count < table->count)
		printf("and %zu more\n", table->count - count);
	if (table->others != NULL)
		printf("%s\n", table->others);
}

void
top_print_text(const struct top *t)
{
	char when[32] = "", span[LIMITS_TEXT];
	time_t now = (time_t)(t->now_ms / 1000);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		strftime(when, sizeof(when), "%FT%TZ", &tm);
	limits_window_text(t->span_s, span, sizeof(span));
	printf("%s, the last %s\n", when, span);
	for (int i = 0; i < TOP_TABLES; i++)
		print_table(&t->tables[i], LINES_MAX);
}

/* -- as JSON -- */

/* Three places suffice, and more would be noise. */
static json_t *
real(double n)
{
	return json_real(round(n * 1000) / 1000);
}

static json_t *
per_hour(const struct top *t, uint64_t n)
{
	return real(activity_per_hour(t->activity, (double)n));
}

static json_t *
flows(const struct top *t, bool clients)
{
	json_t *list = json_array(), *j;
	struct activity_flow f;
	const char *direction;

	for (size_t at = 0; activity_flow(t->activity, &at, &f);) {
		if (f.client != clients)
			continue;
		direction = f.direction == DIRECTION_OUTBOUND ? "outbound"
							      : "inbound";
		j = json_pack("{s:s*,s:s,s:o,s:I}", "direction",
		    clients ? NULL : direction, "verdict", f.verdict, "per_s",
		    real(f.per_s), "total", (json_int_t)f.total);
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *
limit_json(const struct activity_share *s)
{
	if (s->kind[0] == '\0')
		return json_null();
	return json_pack("{s:o,s:I,s:I,s:I}", "kind",
	    posternctl_string(s->kind), "window_s", (json_int_t)s->window_s,
	    "limit", (json_int_t)s->limit, "used", (json_int_t)s->used);
}

static json_t *
strings(const char *const *texts, size_t max)
{
	json_t *list = json_array();

	for (size_t i = 0; i < max && texts[i] != NULL; i++)
		json_array_append_new(list, posternctl_string(texts[i]));
	return list;
}

static json_t *
row_json(const struct top *t, const struct activity_row *r,
    enum activity_kind kind)
{
	json_t *j = json_pack("{s:o,s:o,s:o,s:o,s:o,s:o,s:I}",
	    kind == ACTIVITY_ACCOUNT ? "account" : "client",
	    posternctl_string(r->name), "per_h", per_hour(t, r->messages),
	    "recipients_h", per_hour(t, r->recipients), "refused_h",
	    per_hour(t, r->refused), "score", real(r->score_max), "last",
	    real((double)r->last_ms / 1000), "missed", (json_int_t)r->missed);

	if (kind == ACTIVITY_CLIENT)
		return j;
	json_object_set_new(j, "share",
	    r->share.kind[0] == '\0' ? json_null() : real(r->share.share));
	json_object_set_new(j, "limit", limit_json(&r->share));
	json_object_set_new(
	    j, "clients", strings(r->clients, ACTIVITY_CLIENTS));
	return j;
}

static json_t *
rows(struct activity_row *room, const struct top *t, enum activity_kind kind)
{
	size_t count = activity_rows(
	    t->activity, kind, ACTIVITY_BY_MESSAGES, room, TOP_ROWS);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(list, row_json(t, &room[i], kind));
	return list;
}

static json_t *
others(const struct top *t, enum activity_kind kind)
{
	struct activity_row r;

	if (!activity_others(t->activity, kind, &r))
		return json_null();
	return json_pack("{s:o,s:o,s:o,s:I}", "per_h", per_hour(t, r.messages),
	    "recipients_h", per_hour(t, r.recipients), "refused_h",
	    per_hour(t, r.refused), "most", (json_int_t)r.missed);
}

static json_t *
stages_json(const struct top *t)
{
	json_t *list = json_array();
	struct activity_stage s;

	for (size_t at = 0; activity_stage(t->activity, &at, &s);)
		json_array_append_new(list,
		    json_pack("{s:s,s:o,s:o,s:o,s:I}", "name", s.name,
			"us_mean", real(s.mean_ns / 1000), "us_max",
			real((double)s.max_ns / 1000), "us_total",
			real((double)s.total_ns / 1000), "calls",
			(json_int_t)s.calls));
	return list;
}

static json_t *
deciders_json(const struct top *t)
{
	json_t *list = json_array();
	struct activity_decider d;

	for (size_t at = 0; activity_decider(t->activity, &at, &d);)
		json_array_append_new(list,
		    json_pack("{s:s,s:s,s:I}", "by", d.by, "verdict",
			d.verdict, "total", (json_int_t)d.total));
	return list;
}

static json_t *
lists_json(const struct top *t)
{
	json_t *list = json_array();
	struct activity_list l;

	for (size_t at = 0; activity_list(t->activity, &at, &l);)
		json_array_append_new(list,
		    json_pack("{s:o,s:I,s:I,s:I,s:I,s:o}", "zone",
			posternctl_string(l.zone), "queried",
			(json_int_t)l.queried, "listed", (json_int_t)l.listed,
			"failed", (json_int_t)l.failed, "off",
			(json_int_t)l.off, "last_failed",
			l.last_failed_ms == 0
			    ? json_null()
			    : real((double)l.last_failed_ms / 1000)));
	return list;
}

void
top_print_json(struct top *t)
{
	json_t *j = json_object();

	json_object_set_new(j, "t", real((double)t->now_ms / 1000));
	json_object_set_new(j, "span_s", json_integer(t->span_s));
	json_object_set_new(j, "messages", flows(t, false));
	json_object_set_new(j, "clients_refused", flows(t, true));
	json_object_set_new(j, "accounts",
	    rows(t->rows[ACTIVITY_ACCOUNT], t, ACTIVITY_ACCOUNT));
	json_object_set_new(
	    j, "other_accounts", others(t, ACTIVITY_ACCOUNT));
	json_object_set_new(j, "clients",
	    rows(t->rows[ACTIVITY_CLIENT], t, ACTIVITY_CLIENT));
	json_object_set_new(j, "other_clients", others(t, ACTIVITY_CLIENT));
	json_object_set_new(j, "stages", stages_json(t));
	json_object_set_new(j, "decided_by", deciders_json(t));
	json_object_set_new(j, "dnsbl", lists_json(t));
	posternctl_print(j);
	json_decref(j);
}
