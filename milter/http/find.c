/*
 * What is found in the ring: of a text, and of an account.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "html.h"
#include "lib/quota/quota.h"
#include "milter/activity.h"
#include "milter/past.h"
#include "milter/record.h"
#include "now.h"
#include "page.h"
#include "plot.h"
#include "quotas.h"

#define FOUND_MAX 100

/* The last decisions that were found: a circle. */
struct found {
	uint64_t place[FOUND_MAX];
	size_t count; /* that were ever put in */
};

static void
search(struct now *n, const char *text, const char *account, struct found *f)
{
	const struct record *r;

	f->count = 0;
	if (n->past == NULL)
		return;
	past_oldest(n->past);
	past_want(n->past, text);
	while ((r = past_next(n->past, false)) != NULL) {
		if (account == NULL || (r->account != NULL &&
					   strcmp(r->account, account) == 0))
			f->place[f->count++ % FOUND_MAX] = past_place(n->past);
	}
	past_want(n->past, NULL);
}

static void
print(struct html *h, struct now *n, const struct found *f)
{
	uint64_t places[FOUND_MAX];
	size_t count = f->count < FOUND_MAX ? f->count : FOUND_MAX;

	for (size_t i = 0; i < count; i++)
		places[i] = f->place[(f->count - count + i) % FOUND_MAX];
	if (f->count > count) {
		html_open_classed(h, "p", "muted");
		html_textf(h, "The last %zu of %zu.", count, f->count);
		html_close(h);
	}
	if (count > 0)
		part_decisions(h, n, places, count);
	else
		html_classed(h, "p", "muted",
		    n->none != NULL && n->past == NULL
			? n->none
			: "Nothing in the decision ring.");
}

void
page_find(struct html *h, struct now *n, const char *text)
{
	struct found f;

	search(n, text, NULL, &f);
	page_begin(h, "Find", true, false);
	html_open_classed(h, "section", "card");
	html_open(h, "h1");
	html_text(h, "Decisions with ");
	html_outside(h, text);
	html_close(h);
	print(h, n, &f);
	page_end(h);
}

/* -- an account -- */

static void
button(struct html *h, const char *account, const char *what, const char *words)
{
	html_open(h, "form");
	html_attr(h, "action", "/account");
	html_attr(h, "method", "post");
	html_void(h, "input");
	html_attr(h, "type", "hidden");
	html_attr(h, "name", "account");
	html_attr(h, "value", account);
	html_open(h, "button");
	html_attr(h, "type", "submit");
	html_attr(h, "name", "do");
	html_attr(h, "value", what);
	html_text(h, words);
	html_close(h);
	html_close(h);
}

/* Names with other octets than a form sends back can't be changed here. */
static bool
can_change(const char *account)
{
	struct buf b = BUF_INIT;
	bool same;

	html_escape(&b, account, strlen(account), SIZE_MAX);
	same = b.data != NULL && strstr(b.data, "\xef\xbf\xbd") == NULL;
	buf_fini(&b);
	return same;
}

static void
limits(struct html *h, const struct quotas *q, const char *account,
    const struct quota_state *state)
{
	html_open_classed(h, "ul", "limits");
	for (unsigned i = 0; i < state->count; i++) {
		const struct quota_usage *u = &state->usage[i];

		html_open(h, "li");
		part_limit(h, quota_kind_name(u->limit.kind),
		    u->limit.window_s, (double)u->used,
		    (double)u->limit.limit);
		html_close(h);
	}
	html_close(h);
	if (state->count == 0)
		html_classed(h, "p", "muted", "It has no limit.");
	if (q->table == NULL || !can_change(account))
		return;
	html_open_classed(h, "div", "buttons");
	if (state->locked)
		button(h, account, "unlock", "Unlock");
	else
		button(h, account, "lock", "Lock");
	if (state->known)
		button(h, account, "reset", "Reset its counts");
	html_close(h);
}

static void
lately(struct html *h, const struct activity_row *r)
{
	char label[64], text[PLOT_NUMBER_SIZE];

	snprintf(label, sizeof(label), "%llu messages in 48 hours, by the hour",
	    (unsigned long long)r->messages);
	html_open_classed(h, "p", "lately");
	plot_spark(h, r->series, ACTIVITY_BUCKETS, label);
	html_textf(h, " %s messages in 48 hours, ",
	    plot_number((double)r->messages, text));
	html_textf(
	    h, "%s recipients, ", plot_number((double)r->recipients, text));
	html_textf(
	    h, "%s refused", plot_number((double)r->refused, text));
	html_close(h);
	html_open_classed(h, "p", "muted");
	html_text(h, "Last clients: ");
	for (size_t i = 0;
	     i < ACTIVITY_CLIENTS && r->clients[i] != NULL; i++) {
		if (i > 0)
			html_text(h, ", ");
		html_outside(h, r->clients[i]);
	}
	html_close(h);
}

bool
page_account(struct html *h, struct now *n, const char *account)
{
	struct quota_state state = {0};
	struct activity_row row;
	struct quota_set set;
	struct quotas q;
	struct found f;
	bool active = n->activity != NULL &&
	    activity_row(n->activity, ACTIVITY_ACCOUNT, account, &row);

	quotas_open(&q, n);
	search(n, account, account, &f);
	if (q.table != NULL) {
		quota_conf_set(&q.conf, account, &set);
		(void)quota_peek(q.table, account, &set, &state);
	}
	page_begin(h, "Account", true, false);
	html_open_classed(h, "section", "card headline");
	html_open(h, "h1");
	html_outside(h, account);
	if (state.locked) {
		html_text(h, " ");
		html_classed(h, "span", "label", "locked");
	}
	html_close(h);
	limits(h, &q, account, &state);
	if (active)
		lately(h, &row);
	html_close(h);
	part_section(h, "decisions", "Its decisions");
	print(h, n, &f);
	html_close(h);
	page_end(h);
	quotas_close(&q);
	return state.known || active || f.count > 0;
}
