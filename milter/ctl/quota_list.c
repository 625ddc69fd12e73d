/*
 * posternctl quota list: all accounts and sums, or their domains.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "milter/stage/names.h"
#include "quota.h"

struct rows {
	struct row *list;
	size_t count, room;
	bool failed; /* no memory */
};

static struct row *
add_row(struct rows *rows, const char *account)
{
	struct row *more;

	if (account == NULL) {
		rows->failed = true;
		return NULL;
	}
	if (rows->count == rows->room) {
		rows->room = rows->room == 0 ? 64 : rows->room * 2;
		more = realloc(rows->list, rows->room * sizeof(*more));
		if (more == NULL) {
			rows->failed = true;
			return NULL;
		}
		rows->list = more;
	}
	rows->list[rows->count] = (struct row){.account = account};
	return &rows->list[rows->count++];
}

/* -- order -- */

static int
by_account(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->account,
	    ((const struct row *)b)->account);
}

/* The greatest first, equal ones by name. */
#define BY(name, member) \
	static int \
	name(const void *a, const void *b) \
	{ \
		const struct row *x = a, *y = b; \
\
		if (x->member != y->member) \
			return x->member < y->member ? 1 : -1; \
		return by_account(a, b); \
	}

BY(by_used, share)
BY(by_last, usage.last)
BY(by_clients, usage.clients)
BY(by_refused, usage.refused)

static int (*const orders[])(const void *, const void *) = {
    [QUOTA_BY_ACCOUNT] = by_account,
    [QUOTA_BY_USED] = by_used,
    [QUOTA_BY_LAST] = by_last,
    [QUOTA_BY_CLIENTS] = by_clients,
    [QUOTA_BY_REFUSED] = by_refused,
};

/* -- accounts -- */

static void
add_entry(struct query *q, struct rows *rows, const struct quota_entry *e)
{
	struct row *r = add_row(rows, arena_strdup(&q->arena, e->account));
	struct quota_set set;

	if (r == NULL)
		return;
	r->locked = e->locked;
	quota_conf_set(&q->limits, e->account, &set);
	quota_peek_entry(q->table, e, &set, &r->state);
	quota_row_fill(q, r);
	/* A name that is cut off is found nowhere else. */
	r->seen = r->seen && e->whole;
}

/* A sum of QuotaTotal in which nothing was counted yet. */
static void
add_total(struct query *q, struct rows *rows, const char *sum)
{
	struct quota_set set;
	struct row *r;

	for (size_t i = 0; i < rows->count; i++) {
		if (strcmp(rows->list[i].account, sum) == 0)
			return;
	}
	r = add_row(rows, sum);
	if (r == NULL)
		return;
	quota_conf_set(&q->limits, sum, &set);
	(void)quota_peek(q->table, sum, &set, &r->state);
	quota_row_fill(q, r);
}

static void
add_totals(struct query *q, struct rows *rows)
{
	const struct conf_section *s;
	const char *sum;

	for (size_t i = 0;
	     !rows->failed && (s = conf_section(q->conf, "QuotaTotal", i)) != NULL;
	     i++) {
		sum = names_title(&q->arena, conf_section_title(s), NULL);
		if (sum == NULL)
			rows->failed = true;
		else
			add_total(q, rows, sum);
	}
}

static void
gather(struct query *q, struct rows *rows)
{
	struct quota_entry e;
	uint32_t cursor = 0;

	while (!rows->failed && quota_next(q->table, &cursor, &e))
		add_entry(q, rows, &e);
	add_totals(q, rows);
}

/* -- domains -- */

/* Add what is used to that of the same kind and window. */
static void
add_used(struct quota_state *state, const struct quota_usage *u)
{
	for (unsigned i = 0; i < state->count; i++) {
		struct quota_usage *has = &state->usage[i];

		if (has->limit.kind == u->limit.kind &&
		    has->limit.window_s == u->limit.window_s) {
			has->used += u->used;
			return;
		}
	}
	if (state->count == QUOTA_LIMITS_MAX)
		return;
	state->usage[state->count] = *u;
	state->usage[state->count].limit.limit = QUOTA_LIMIT_MAX + 1;
	state->usage[state->count].retry_s = 0;
	state->count++;
}

/* The domain of the account as a sum's name; "": it has none. */
static const char *
domain_of(const char *account)
{
	const char *domain = account_domain(account);

	return domain == NULL ? "" : domain;
}

/* Rows come in the order of their domains. */
static void
add_to_domain(struct query *q, struct rows *domains, const struct row *r)
{
	const char *name = domain_of(r->account);
	struct row *d = domains->count == 0
	    ? NULL
	    : &domains->list[domains->count - 1];

	if (d == NULL || strcmp(d->account, name) != 0) {
		d = add_row(domains, name);
		if (d == NULL)
			return;
		d->seen = q->usage != NULL && name[0] != '\0';
		if (d->seen)
			d->usage = usage_of(q->usage, name);
	}
	d->accounts++;
	d->locks += r->locked;
	for (unsigned i = 0; i < r->state.count; i++)
		add_used(&d->state, &r->state.usage[i]);
}

/* Where a QuotaTotal section is of the domain, its limits and what counts
 * against them stand in place of sums. */
static void
add_limits(struct query *q, struct row *d)
{
	struct quota_state of_sum;
	struct quota_set set;

	if (d->account[0] == '\0' ||
	    !quota_conf_has_total(q->conf, d->account))
		return;
	quota_conf_set(&q->limits, d->account, &set);
	if (quota_peek(q->table, d->account, &set, &of_sum) != 0)
		return;
	for (unsigned i = 0; i < d->state.count; i++) {
		bool there = false;

		for (unsigned k = 0; k < of_sum.count; k++)
			there = there ||
			    (of_sum.usage[k].limit.kind ==
					d->state.usage[i].limit.kind &&
				of_sum.usage[k].limit.window_s ==
				    d->state.usage[i].limit.window_s);
		if (!there && of_sum.count < QUOTA_LIMITS_MAX)
			of_sum.usage[of_sum.count++] = d->state.usage[i];
	}
	d->state = of_sum;
}

static int
by_domain(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int rc = strcmp(domain_of(x->account), domain_of(y->account));

	return rc != 0 ? rc : by_account(a, b);
}

/* Replace the accounts by their domains. */
static void
fold(struct query *q, struct rows *rows)
{
	struct rows domains = {.list = NULL};

	if (rows->count > 0)
		qsort(rows->list, rows->count, sizeof(*rows->list), by_domain);
	for (size_t i = 0; i < rows->count && !domains.failed; i++) {
		if (!account_is_sum(rows->list[i].account))
			add_to_domain(q, &domains, &rows->list[i]);
	}
	for (size_t i = 0; i < domains.count; i++) {
		struct row *d = &domains.list[i];

		add_limits(q, d);
		d->share = quota_row_share(d, &d->limited);
	}
	free(rows->list);
	*rows = domains;
}

/* -- the list -- */

/* Leave those out that are not near enough to a limit. */
static void
select_near(const struct query *q, struct rows *rows)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->count; i++) {
		if (rows->list[i].share * 100 >= (double)q->near)
			rows->list[n++] = rows->list[i];
	}
	rows->count = n;
}

int
quota_list(struct query *q)
{
	struct rows rows = {.list = NULL};
	int rc = EX_OK;

	quota_past_read(q);
	gather(q, &rows);
	if (q->by_domain && !rows.failed)
		fold(q, &rows);
	if (rows.failed)
		rc = posternctl_no_memory();
	if (q->near > 0)
		select_near(q, &rows);
	if (rows.count > 0)
		qsort(rows.list, rows.count, sizeof(*rows.list),
		    orders[q->sort]);
	quota_rows_print(q, rows.list, rows.count);
	free(rows.list);
	return rc;
}
