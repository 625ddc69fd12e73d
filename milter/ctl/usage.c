/* SPDX-License-Identifier: BSD-2-Clause */
#include "usage.h"

#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "milter/past.h"
#include "milter/record.h"
#include "milter/stage/ring.h"
#include "posternctl.h"

#define HOUR_S 3600
#define DAY_S 86400
#define CLIENTS_MAX 1000 /* those that were not seen for longest go */

/* A name and what is counted of it; in a tree by the name. */
struct node {
	const char *name; /* first */
	struct usage_account account;
};

struct spans {
	int64_t length_s;
	struct usage_span *list;
	size_t count, room;
};

struct clients {
	struct usage_client *list;
	size_t count, room;
};

struct usage {
	struct arena arena;
	const char *only; /* the account; NULL: all */
	bool copy;        /* it is the copy of the ring */
	time_t now;
	int64_t since;
	void *accounts; /* tree of struct node */
	void *seen;     /* tree of names: which client was counted where */
	struct spans hours, days;
	struct clients clients;
	bool failed; /* no memory */
};

/* -- trees -- */

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Nodes are the arena's. */
static void
keep(void *node)
{
	(void)node;
}

/* The node of that name; *new_r (may be NULL): it was made for it. */
static struct node *
node_of(struct usage *u, void **tree, const char *name, bool *new_r)
{
	struct node key = {.name = name}, *n, **found;

	found = tfind(&key, tree, by_name);
	if (new_r != NULL)
		*new_r = found == NULL;
	if (found != NULL)
		return *found;
	n = arena_alloc(&u->arena, sizeof(*n));
	if (n != NULL)
		n->name = arena_strdup(&u->arena, name);
	if (n == NULL || n->name == NULL ||
	    tsearch(n, tree, by_name) == NULL) {
		u->failed = true;
		return NULL;
	}
	return n;
}

/* Is the client the first time seen there? */
static bool
is_new(struct usage *u, const char *where, int64_t when, const char *ip)
{
	struct buf b = BUF_INIT;
	bool made = false;

	buf_printf(&b, "%s\n%lld\n%s", where, (long long)when,
	    ip == NULL ? "" : ip);
	if (b.failed || node_of(u, &u->seen, buf_text(&b), &made) == NULL)
		u->failed = true;
	buf_fini(&b);
	return made;
}

/* -- lists -- */

/* Room for one more; false: no memory. */
static bool
grow(struct usage *u, void **list, size_t count, size_t *room, size_t size)
{
	size_t more = *room == 0 ? 64 : *room * 2;
	void *p;

	if (count < *room)
		return true;
	p = realloc(*list, more * size);
	if (p == NULL) {
		u->failed = true;
		return false;
	}
	*list = p;
	*room = more;
	return true;
}

/* Records come nearly in the order of their times. */
static struct usage_span *
span_of(struct usage *u, struct spans *s, int64_t time)
{
	int64_t begin = time - time % s->length_s;
	size_t i = s->count;
	void *list = s->list;

	while (i > 0 && s->list[i - 1].begin > begin)
		i--;
	if (i > 0 && s->list[i - 1].begin == begin)
		return &s->list[i - 1];
	if (!grow(u, &list, s->count, &s->room, sizeof(*s->list)))
		return NULL;
	s->list = list;
	memmove(&s->list[i + 1], &s->list[i],
	    (s->count - i) * sizeof(*s->list));
	s->count++;
	s->list[i] = (struct usage_span){.begin = begin};
	return &s->list[i];
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static struct usage_client *
client_of(struct usage *u, const struct record *r)
{
	struct clients *c = &u->clients;
	void *list = c->list;
	size_t at = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (same(c->list[i].ip, r->client_ip) &&
		    same(c->list[i].helo, r->client_helo))
			return &c->list[i];
		if (c->list[i].last < c->list[at].last)
			at = i;
	}
	if (c->count < CLIENTS_MAX) {
		if (!grow(u, &list, c->count, &c->room, sizeof(*c->list)))
			return NULL;
		c->list = list;
		at = c->count++;
	}
	c->list[at] = (struct usage_client){
	    .ip = r->client_ip == NULL
		? NULL
		: arena_strdup(&u->arena, r->client_ip),
	    .helo = r->client_helo == NULL
		? NULL
		: arena_strdup(&u->arena, r->client_helo)};
	return &c->list[at];
}

/* -- counting -- */

static bool
is_refused(const struct record *r)
{
	bool refused = verdict_refuses(&r->verdict);

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		refused = refused || record_refusal(to) != NULL;
	return refused;
}

static void
count_account(struct usage *u, const struct record *r, const char *name)
{
	struct node *n = node_of(u, &u->accounts, name, NULL);
	int64_t time = r->time.tv_sec;

	if (n == NULL)
		return;
	if (time > n->account.last)
		n->account.last = time;
	if (time <= u->now - USAGE_RECENT_S)
		return;
	n->account.refused += is_refused(r);
	n->account.clients += is_new(u, name, 0, r->client_ip);
}

static void
count_span(struct usage *u, const struct record *r, struct spans *s)
{
	struct usage_span *span = span_of(u, s, r->time.tv_sec);

	if (span == NULL)
		return;
	span->refused += is_refused(r);
	span->clients += is_new(u, s == &u->hours ? "hour" : "day",
	    span->begin, r->client_ip);
	if (!r->left)
		return;
	span->messages++;
	span->recipients += r->rcpt_count;
	span->bytes += r->came ? r->size : 0;
}

static void
count_client(struct usage *u, const struct record *r)
{
	struct usage_client *c = client_of(u, r);

	if (c == NULL)
		return;
	c->messages++;
	if (r->time.tv_sec > c->last)
		c->last = r->time.tv_sec;
}

/* Does mail of the account count in that one? */
static bool
counts_in(const char *account, const char *in)
{
	const char *domain = account_domain(account);

	return strcmp(in, ACCOUNT_ALL) == 0 || strcmp(in, account) == 0 ||
	    (domain != NULL && strcmp(in, domain) == 0);
}

static void
count(struct usage *u, const struct record *r)
{
	const char *domain;

	if (r->account == NULL)
		return;
	if (u->only != NULL && !counts_in(r->account, u->only))
		return;
	domain = account_domain(r->account);
	count_account(u, r, r->account);
	count_account(u, r, ACCOUNT_ALL);
	if (domain != NULL)
		count_account(u, r, domain);
	if (u->only == NULL)
		return;
	count_span(u, r, &u->hours);
	count_span(u, r, &u->days);
	count_client(u, r);
}

/* -- reading -- */

static int
open_past(struct usage *u, const struct conf *c, struct past **past_r,
    struct errmsg *msg_r)
{
	if (ring_path(c) != NULL)
		return posternctl_past(c, past_r, &u->copy, msg_r);
	errmsg_set(msg_r, "RingFile none: no decisions are kept");
	return ERR_NOTFOUND;
}

/* The oldest one is looked at whosever it is. */
static void
read_all(struct usage *u, struct past *p)
{
	const struct record *r = past_next(p, false);

	if (r == NULL)
		return;
	u->since = r->time.tv_sec;
	past_oldest(p);
	/* Whatever counts in a sum has the sum's name in its own. */
	if (u->only != NULL && strcmp(u->only, ACCOUNT_ALL) != 0)
		past_want(p, u->only);
	while (!u->failed && (r = past_next(p, false)) != NULL)
		count(u, r);
}

int
usage_read(const struct conf *c, const char *account, time_t now,
    struct usage **usage_r, struct errmsg *msg_r)
{
	struct usage *u = calloc(1, sizeof(*u));
	struct past *p;
	int rc;

	*usage_r = NULL;
	if (u == NULL)
		return errmsg_set(msg_r, "no memory"), ERR_NOMEM;
	arena_init(&u->arena);
	u->only = account;
	u->now = now;
	u->hours.length_s = HOUR_S;
	u->days.length_s = DAY_S;
	rc = open_past(u, c, &p, msg_r);
	if (rc == 0) {
		read_all(u, p);
		past_close(p);
		if (u->failed)
			rc = (errmsg_set(msg_r, "no memory"), ERR_NOMEM);
	}
	if (rc != 0)
		usage_free(u);
	else
		*usage_r = u;
	return rc;
}

void
usage_free(struct usage *u)
{
	if (u == NULL)
		return;
	tdestroy(u->accounts, keep);
	tdestroy(u->seen, keep);
	free(u->hours.list);
	free(u->days.list);
	free(u->clients.list);
	arena_fini(&u->arena);
	free(u);
}

/* -- looking -- */

int64_t
usage_since(const struct usage *u)
{
	return u->since;
}

bool
usage_copy(const struct usage *u)
{
	return u->copy;
}

struct usage_account
usage_of(struct usage *u, const char *account)
{
	const struct node key = {.name = account};
	struct node **found = tfind(&key, &u->accounts, by_name);

	return found == NULL ? (struct usage_account){0} : (*found)->account;
}

const struct usage_span *
usage_hours(const struct usage *u, size_t *count_r)
{
	*count_r = u->hours.count;
	return u->hours.list;
}

const struct usage_span *
usage_days(const struct usage *u, size_t *count_r)
{
	*count_r = u->days.count;
	return u->days.list;
}

static int
by_last(const void *a, const void *b)
{
	const struct usage_client *x = a, *y = b;

	if (x->last != y->last)
		return x->last < y->last ? 1 : -1;
	return x->messages < y->messages ? 1 : x->messages > y->messages ? -1 : 0;
}

const struct usage_client *
usage_clients(struct usage *u, size_t *count_r)
{
	if (u->clients.count > 0)
		qsort(u->clients.list, u->clients.count,
		    sizeof(*u->clients.list), by_last);
	*count_r = u->clients.count;
	return u->clients.list;
}
