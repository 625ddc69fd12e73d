/*
 * What quotas are used, as a table or as JSON.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/quota/limits.h"
#include "quota.h"
#include "shown.h"

/* Columns before the limits, and one for each limit. */
enum {
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_SHARE,
	COLUMN_LAST,
	COLUMN_CLIENTS,
	COLUMN_REFUSED,
	COLUMN_LIMITS,
	COLUMNS = COLUMN_LIMITS + QUOTA_LIMITS_MAX,
};

#define NAME_MAX 48 /* columns of a name; a longer one has its own line */

/* -- rows -- */

double
quota_row_share(const struct row *r, bool *limited_r)
{
	double most = 0;

	*limited_r = false;
	for (unsigned i = 0; i < r->state.count; i++) {
		const struct quota_usage *u = &r->state.usage[i];
		double share = u->limit.limit == 0
		    ? 1
		    : (double)u->used / (double)u->limit.limit;

		if (u->limit.limit > QUOTA_LIMIT_MAX)
			continue;
		*limited_r = true;
		if (share > most)
			most = share;
	}
	return most;
}

void
quota_row_fill(const struct query *q, struct row *r)
{
	r->share = quota_row_share(r, &r->limited);
	r->seen = q->usage != NULL;
	if (r->seen)
		r->usage = usage_of(q->usage, r->account);
}

/* -- JSON -- */

/* A limit of a domain that is none has QUOTA_LIMIT_MAX + 1. */
static json_t *
limit_json(const struct query *q, const struct quota_usage *u)
{
	bool waits = u->retry_s != 0 && u->retry_s != QUOTA_NEVER;

	return json_pack("{s:s,s:I,s:o,s:I,s:o}", "kind",
	    quota_kind_name(u->limit.kind), "window_s",
	    (json_int_t)u->limit.window_s, "limit",
	    u->limit.limit > QUOTA_LIMIT_MAX
		? json_null()
		: json_integer((json_int_t)u->limit.limit),
	    "used", (json_int_t)u->used, "retry_at",
	    waits ? json_integer((json_int_t)q->now + (json_int_t)u->retry_s)
		  : json_null());
}

json_t *
quota_row_json(const struct query *q, const struct row *r)
{
	json_t *limits = json_array(), *j = json_object();

	if (q->by_domain) {
		json_object_set_new(j, "domain", r->account[0] == '\0'
			? json_null() : posternctl_string(r->account + 1));
		json_object_set_new(j, "accounts",
		    json_integer((json_int_t)r->accounts));
		json_object_set_new(
		    j, "locked", json_integer((json_int_t)r->locks));
	} else {
		json_object_set_new(
		    j, "account", posternctl_string(r->account));
		json_object_set_new(j, "locked", json_boolean(r->locked));
	}
	for (unsigned i = 0; i < r->state.count; i++)
		json_array_append_new(
		    limits, limit_json(q, &r->state.usage[i]));
	json_object_set_new(j, "limits", limits);
	json_object_set_new(
	    j, "share", r->limited ? json_real(r->share) : json_null());
	if (!r->seen)
		return j;
	json_object_set_new(j, "last_use", r->usage.last == 0
		? json_null() : json_integer((json_int_t)r->usage.last));
	json_object_set_new(
	    j, "clients", json_integer((json_int_t)r->usage.clients));
	json_object_set_new(
	    j, "refused", json_integer((json_int_t)r->usage.refused));
	return j;
}

/* -- the table -- */

static void
amount_text(enum quota_kind kind, uint64_t n, char text[SHOWN_SIZE])
{
	if (kind == QUOTA_BYTES)
		shown_size(n, text);
	else
		snprintf(text, SHOWN_SIZE, "%llu", (unsigned long long)n);
}

static void
add_limit(const struct query *q, struct buf *b, const struct quota_usage *u)
{
	char window[LIMITS_TEXT], when[32] = "", used[SHOWN_SIZE],
	    limit[SHOWN_SIZE];
	time_t at = q->now + (time_t)u->retry_s;
	struct tm tm;

	limits_window_text(u->limit.window_s, window, sizeof(window));
	if (u->retry_s == QUOTA_NEVER)
		strcpy(when, " full");
	else if (u->retry_s != 0 && gmtime_r(&at, &tm) != NULL)
		strftime(when, sizeof(when), " until %FT%TZ", &tm);
	amount_text(u->limit.kind, u->used, used);
	buf_printf(b, "%s/%s %s", quota_kind_name(u->limit.kind), window,
	    used);
	if (u->limit.limit <= QUOTA_LIMIT_MAX) {
		amount_text(u->limit.kind, u->limit.limit, limit);
		buf_printf(b, "/%s%s", limit, when);
	}
}

/* Of the ring. */
static void
add_usage(
    const struct query *q, struct buf *b, const struct row *r, int column)
{
	char text[SHOWN_AGO];

	shown_ago(q->now, r->usage.last, text);
	if (!r->seen)
		buf_char(b, '-');
	else if (column == COLUMN_LAST)
		buf_str(b, text);
	else if (column == COLUMN_CLIENTS)
		buf_printf(b, "%zu", r->usage.clients);
	else
		buf_printf(b, "%llu", (unsigned long long)r->usage.refused);
}

/* A domain's is that of its sum, without the @. */
static void
add_name(const struct query *q, struct buf *b, const struct row *r)
{
	const char *name =
	    r->account + (q->by_domain && r->account[0] != '\0');

	shown_add(b, name, strlen(name), SIZE_MAX);
	if (name[0] == '\0')
		buf_char(b, '-');
}

/* The text of a cell; false: the table has no such column. */
static bool
add_cell(const struct query *q, struct buf *b, const struct row *r, int column)
{
	switch (column) {
	case COLUMN_NAME:
		add_name(q, b, r);
		return true;
	case COLUMN_STATE:
		if (q->by_domain)
			buf_printf(b, "%zu", r->accounts);
		else
			buf_str(b, r->locked ? "locked" : "-");
		return true;
	case COLUMN_SHARE:
		if (r->limited)
			buf_printf(b, "%d%%", (int)(r->share * 100));
		else
			buf_char(b, '-');
		return true;
	case COLUMN_LAST:
	case COLUMN_CLIENTS:
	case COLUMN_REFUSED:
		if (q->usage != NULL)
			add_usage(q, b, r, column);
		return q->usage != NULL;
	default:
		if (column - COLUMN_LIMITS < (int)r->state.count)
			add_limit(q, b,
			    &r->state.usage[column - COLUMN_LIMITS]);
		return true;
	}
}

static const char *
heading(const struct query *q, int column)
{
	static const char *const words[] = {"ACCOUNT", "STATE", "USED", "LAST",
	    "CLIENTS", "REFUSED", "USED/LIMIT"};

	if (q->by_domain && column == COLUMN_NAME)
		return "DOMAIN";
	if (q->by_domain && column == COLUMN_STATE)
		return "ACCOUNTS";
	return column <= COLUMN_LIMITS ? words[column] : "";
}

/* Numbers are set to the right. */
static bool
is_number(int column)
{
	return column >= COLUMN_SHARE && column <= COLUMN_REFUSED;
}

struct table {
	const struct query *q;
	size_t widths[COLUMNS];
};

static void
put_cell(const struct table *t, int column, const char *text, bool last)
{
	size_t used = shown_columns(text);
	int blanks = used < t->widths[column]
	    ? (int)(t->widths[column] - used)
	    : 0;

	if (column > 0)
		fputs("  ", stdout);
	if (is_number(column))
		printf("%*s%s", blanks, "", text);
	else
		printf("%s%*s", text, last ? 0 : blanks, "");
}

static void
print_heading(const struct table *t)
{
	for (int i = 0; i <= COLUMN_LIMITS; i++) {
		if (t->widths[i] > 0)
			put_cell(t, i, heading(t->q, i), i == COLUMN_LIMITS);
	}
	putchar('\n');
}

static void
print_row(const struct table *t, const struct row *r)
{
	int end = COLUMN_LIMITS + (int)r->state.count;

	for (int i = 0; i < end; i++) {
		struct buf b = BUF_INIT;

		if (add_cell(t->q, &b, r, i)) {
			const char *text = b.failed ? "?" : buf_text(&b);

			if (i == COLUMN_NAME && shown_columns(text) > NAME_MAX) {
				puts(text);
				text = "";
			}
			put_cell(t, i, text, i + 1 == end);
		}
		buf_fini(&b);
	}
	putchar('\n');
}

static void
measure(struct table *t, const struct row *r)
{
	for (int i = 0; i < COLUMNS; i++) {
		struct buf b = BUF_INIT;
		size_t width = strlen(heading(t->q, i));

		/* The heading of the limits may reach over several. */
		if (add_cell(t->q, &b, r, i) && !b.failed) {
			size_t own = shown_columns(buf_text(&b));

			if (i == COLUMN_NAME && own > NAME_MAX)
				own = 0;
			if (i >= COLUMN_LIMITS || own > width)
				width = own;
			if (width > t->widths[i])
				t->widths[i] = width;
		}
		buf_fini(&b);
	}
}

static void
note_reach(const struct query *q)
{
	int64_t since = q->usage == NULL ? 0 : usage_since(q->usage);
	char ago[SHOWN_AGO];

	if (since == 0 || since <= q->now - USAGE_RECENT_S)
		return;
	shown_ago(q->now, since, ago);
	printf("CLIENTS and REFUSED are of the last %s, for which there are "
	       "decisions in the ring.\n", ago);
}

void
quota_rows_print(
    const struct query *q, const struct row *rows, size_t count)
{
	struct table t = {.q = q};

	for (size_t i = 0; i < count && q->json; i++) {
		json_t *j = quota_row_json(q, &rows[i]);

		posternctl_print(j);
		json_decref(j);
	}
	if (q->json || count == 0)
		return;
	for (size_t i = 0; i < count; i++)
		measure(&t, &rows[i]);
	if (t.widths[COLUMN_LIMITS] == 0)
		t.widths[COLUMN_LIMITS] = 1;
	print_heading(&t);
	for (size_t i = 0; i < count; i++)
		print_row(&t, &rows[i]);
	if (q->account == NULL)
		note_reach(q);
}
