/*
 * posternctl quota show and history: an account's last days, from the decision
 * ring.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/stage/ring.h"
#include "quota.h"
#include "shown.h"

#define HOURS 48     /* of the graph */
#define HOUR_S 3600
#define CLIENTS 5    /* that show prints */
#define HELO_MAX 40  /* columns */
#define WHEN 24      /* octets of a time as text */

/* -- the ring -- */

int
quota_past_open(struct query *q, struct errmsg *why)
{
	int rc = usage_read(q->conf, q->account, q->now, &q->usage, why);

	if (rc == 0 && usage_copy(q->usage) && !q->json)
		fprintf(stderr,
		    "posternctl: %s is not there: this is of its copy in "
		    "StateDirectory\n",
		    ring_path(q->conf));
	return rc;
}

void
quota_past_read(struct query *q)
{
	struct errmsg why = {.text = ""};

	if (quota_past_open(q, &why) == 0 || q->json)
		return;
	/* The cure would be the daemon's. */
	if (why.cure > 0)
		why.text[why.cure] = '\0';
	fprintf(stderr,
	    "posternctl: %s: without the decision ring, when and from where "
	    "accounts sent is not shown\n",
	    why.text);
}

static void
when_text(int64_t time, const char *format, char text[WHEN])
{
	time_t t = (time_t)time;
	struct tm tm;

	if (gmtime_r(&t, &tm) == NULL || strftime(text, WHEN, format, &tm) == 0)
		strcpy(text, "?");
}

static void
print_reach(const struct query *q)
{
	int64_t since = usage_since(q->usage);
	char when[WHEN];

	if (since == 0) {
		puts("The decision ring is empty.");
		return;
	}
	when_text(since, "%FT%H:%MZ", when);
	printf("The decision ring reaches back to %s.\n", when);
}

/* -- the last two days -- */

struct graph {
	int64_t begin; /* of the first hour */
	struct usage_span hours[HOURS];
	uint64_t messages, refused; /* the most in an hour */
};

static void
fill_graph(const struct query *q, struct graph *g)
{
	size_t count;
	const struct usage_span *hours = usage_hours(q->usage, &count);

	*g = (struct graph){0};
	g->begin = (int64_t)q->now - q->now % HOUR_S - (HOURS - 1) * HOUR_S;
	for (int i = 0; i < HOURS; i++)
		g->hours[i].begin = g->begin + (int64_t)i * HOUR_S;
	for (size_t i = 0; i < count; i++) {
		int64_t at = hours[i].begin - g->begin;

		if (at < 0 || at / HOUR_S >= HOURS)
			continue;
		g->hours[at / HOUR_S] = hours[i];
		if (hours[i].messages > g->messages)
			g->messages = hours[i].messages;
		if (hours[i].refused > g->refused)
			g->refused = hours[i].refused;
	}
}

/* A column: nothing where the ring does not reach, a base line for none, and
 * for all else a height. */
static const char *
bar(const struct query *q, const struct usage_span *hour, uint64_t n,
    uint64_t most)
{
	static const char *const blocks[] = {"\u2581", "\u2582", "\u2583",
	    "\u2584", "\u2585", "\u2586", "\u2587", "\u2588"};
	static const char *const ascii[] = {
	    "_", ".", ":", "-", "=", "+", "*", "#"};
	int64_t since = usage_since(q->usage);
	size_t height = 0;

	if (since == 0 || hour->begin + HOUR_S <= since)
		return " ";
	if (n > 0)
		height = 1 + (size_t)((double)(n - 1) * 6.999 /
				 (double)(most > 1 ? most - 1 : 1));
	if (n > 0 && n == most)
		height = 7;
	return shown_utf8() ? blocks[height] : ascii[height];
}

static void
print_graph(const struct query *q, const struct graph *g, const char *what,
    bool refused)
{
	uint64_t most = refused ? g->refused : g->messages;

	fputs("  ", stdout);
	for (int i = 0; i < HOURS; i++)
		fputs(bar(q, &g->hours[i],
			  refused ? g->hours[i].refused : g->hours[i].messages,
			  most),
		    stdout);
	printf(
	    "  %s: %llu in the busiest hour\n", what, (unsigned long long)most);
}

static void
print_clients(const struct query *q)
{
	size_t count;
	const struct usage_client *clients = usage_clients(q->usage, &count);

	if (count > 0)
		puts("\nLast clients:");
	for (size_t i = 0; i < count && i < CLIENTS; i++) {
		const struct usage_client *c = &clients[i];
		const char *helo = c->helo == NULL ? "-" : c->helo;
		char ago[SHOWN_AGO];
		struct buf b = BUF_INIT;
		size_t used = shown_add(&b, helo, strlen(helo), HELO_MAX);

		shown_ago(q->now, c->last, ago);
		printf("  %-15s  %s%*s  %llu messages, the last %s ago\n",
		    c->ip == NULL ? "-" : c->ip,
		    b.failed ? "?" : buf_text(&b), (int)(HELO_MAX - used), "",
		    (unsigned long long)c->messages, ago);
		buf_fini(&b);
	}
}

void
quota_past_print(const struct query *q)
{
	struct graph g;

	if (q->usage == NULL)
		return;
	fill_graph(q, &g);
	printf("\nThe last %d hours:\n", HOURS);
	print_graph(q, &g, "messages", false);
	if (g.refused > 0)
		print_graph(q, &g, "refused", true);
	print_clients(q);
	putchar('\n');
	print_reach(q);
}

static json_t *
clients_json(const struct query *q)
{
	size_t count;
	const struct usage_client *c = usage_clients(q->usage, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count && i < CLIENTS; i++)
		json_array_append_new(list,
		    json_pack("{s:o,s:o,s:I,s:I}", "ip",
			posternctl_string(c[i].ip), "helo",
			posternctl_string(c[i].helo), "messages",
			(json_int_t)c[i].messages, "last_use",
			(json_int_t)c[i].last));
	return list;
}

static json_t *
since_json(const struct query *q)
{
	int64_t since = usage_since(q->usage);

	return since == 0 ? json_null() : json_integer((json_int_t)since);
}

void
quota_past_json(const struct query *q, json_t *object)
{
	json_t *list = json_array();
	struct graph g;

	if (q->usage == NULL) {
		json_decref(list);
		return;
	}
	fill_graph(q, &g);
	for (int i = 0; i < HOURS; i++)
		json_array_append_new(list,
		    json_pack("{s:I,s:I,s:I}", "t",
			(json_int_t)g.hours[i].begin, "messages",
			(json_int_t)g.hours[i].messages, "refused",
			(json_int_t)g.hours[i].refused));
	json_object_set_new(object, "hours", list);
	json_object_set_new(object, "last_clients", clients_json(q));
	json_object_set_new(object, "ring_since", since_json(q));
}

/* -- days and hours -- */

static void
print_spans(const char *title, const char *format, const char *note,
    const struct usage_span *s, size_t count)
{
	printf("\n%-16s  %8s  %10s  %8s  %7s  %7s\n", title, "MESSAGES",
	    "RECIPIENTS", "BYTES", "REFUSED", "CLIENTS");
	for (size_t i = 0; i < count; i++) {
		char when[WHEN], bytes[SHOWN_SIZE];

		when_text(s[i].begin, format, when);
		shown_size(s[i].bytes, bytes);
		printf("%-16s  %8llu  %10llu  %8s  %7llu  %7zu%s\n", when,
		    (unsigned long long)s[i].messages,
		    (unsigned long long)s[i].recipients, bytes,
		    (unsigned long long)s[i].refused, s[i].clients,
		    i == 0 ? note : "");
	}
}

static void
print_spans_json(const struct query *q, const char *key, int64_t length_s,
    const struct usage_span *s, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *j = json_pack("{s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:I}",
		    "account", posternctl_string(q->account), "span", key, "t",
		    (json_int_t)s[i].begin, "length_s", (json_int_t)length_s,
		    "messages", (json_int_t)s[i].messages, "recipients",
		    (json_int_t)s[i].recipients, "bytes",
		    (json_int_t)s[i].bytes, "refused",
		    (json_int_t)s[i].refused, "clients",
		    (json_int_t)s[i].clients);

		json_object_set_new(j, "ring_since", since_json(q));
		posternctl_print(j);
		json_decref(j);
	}
}

int
quota_past_history(const struct query *q)
{
	size_t days, hours;
	const struct usage_span *d = usage_days(q->usage, &days);
	const struct usage_span *h = usage_hours(q->usage, &hours);
	bool cut = days > 0 && usage_since(q->usage) > d[0].begin;

	if (q->json) {
		print_spans_json(q, "day", 86400, d, days);
		print_spans_json(q, "hour", HOUR_S, h, hours);
		return days == 0 ? QUOTA_FAILED : EX_OK;
	}
	print_reach(q);
	if (days == 0) {
		puts("It has no mail of that account.");
		return QUOTA_FAILED;
	}
	print_spans("DAY (UTC)", "%F", cut ? "  not whole" : "", d, days);
	print_spans("HOUR (UTC)", "%FT%H:00", "", h, hours);
	return EX_OK;
}
