/*
 * What goes on: decision records added up over a span that ends now.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For posternctl top and the page.  The span is ACTIVITY_BUCKETS equal parts,
 * the last of which is under way and counts as a whole one.  What is older is
 * forgotten, part by part.  The clock is the caller's: see activity_turn.
 *
 * Memory is bounded, whatever the mail.  Of the accounts and of the clients so
 * many are kept as activity_new says.  When another one comes, it takes the row
 * that weighs least, whose counts go to the sum of the others
 * (activity_others): rows and others together are always all.  This is the space-saving algorithm
 * (Metwally and others, 2005), in a window: a row weighs its messages and
 * `missed`, the most that may be counted with the others since it had no row;
 * and `missed` of a new row is the greatest weight of those that lost theirs
 * within the span.
 *
 * Names come from mail: escape them.  Used by one thread at a time.
 */
#ifndef MILTER_ACTIVITY_H
#define MILTER_ACTIVITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"

struct activity;
struct record;

#define ACTIVITY_BUCKETS 48
#define ACTIVITY_CLIENTS 4 /* last clients of an account */
#define ACTIVITY_LISTS 64  /* DNS lists; the others are summed in a row "*" */
#define ACTIVITY_MINUTE 60 /* seconds that per_s is the mean of */

/* The span in seconds, from 1; rows: of accounts, and of clients, from 1.
 * NULL: no memory. */
struct activity *activity_new(uint32_t span_s, size_t rows);
/* NULL is fine. */
void activity_free(struct activity *a);

/*
 * It is now that time, in milliseconds since 1970.  True, as a rule.  False:
 * the clock went back by more than a part of the span; all is forgotten, so
 * that the caller adds the records anew.
 */
bool activity_turn(struct activity *a, int64_t now_ms);
/* Add a record.  What is older than the span counts nothing; what comes from
 * the future counts as of now.  0 or ERR_NOMEM. */
int activity_add(struct activity *a, const struct record *r);

/* What is shorter than that is a part of the span; in milliseconds. */
int64_t activity_bucket_ms(const struct activity *a);
/* N in the span, as N in an hour. */
double activity_per_hour(const struct activity *a, double n);

/*
 * The functions below that take `at` are called with *at of 0 at first, and
 * return false when there is no more.  Strings that they give live until the
 * next activity_turn or activity_add, those of verdicts and stages for ever.
 */

/* Messages of a direction with a verdict. */
struct activity_flow {
	enum direction direction;
	bool client;         /* not messages: clients that were refused before
	    any message */
	const char *verdict; /* as record_word */
	uint64_t total;      /* in the span */
	double per_s;        /* a second, in the last minute */
	uint32_t series[ACTIVITY_BUCKETS]; /* oldest first */
};
/* Those of which there are any in the span. */
bool activity_flow(
    const struct activity *a, size_t *at, struct activity_flow *flow_r);

/* Verdicts by who decided. */
struct activity_decider {
	const char *by;      /* a stage; "postern": the chain; "-": nobody */
	const char *verdict; /* as record_word */
	uint64_t total;      /* messages, and clients refused before any */
};
bool activity_decider(
    const struct activity *a, size_t *at, struct activity_decider *decider_r);

/* Time in a stage's hooks, waits included. */
struct activity_stage {
	const char *name;
	uint64_t calls; /* messages (or clients) for which it took any */
	uint64_t total_ns, max_ns;
	double mean_ns;
};
/* In the order of the chain; those that took any time. */
bool activity_stage(
    const struct activity *a, size_t *at, struct activity_stage *stage_r);

/* What came of the queries to a DNS list. */
struct activity_list {
	const char *zone;
	uint64_t queried; /* names looked up, failed ones too */
	uint64_t listed;
	uint64_t failed;  /* no answer, or one that is none */
	uint64_t off;     /* not looked up, since the list did not pass its
	    self-test */
	int64_t last_ms, last_failed_ms; /* 0: never in the span */
};
bool activity_list(
    const struct activity *a, size_t *at, struct activity_list *list_r);

/* How much of its nearest limit an account has used, as of its last message
 * that came to its end. */
struct activity_share {
	double share;  /* 1 is all of it */
	char kind[16]; /* messages ...; "": it has no limit, or it is not
	    known */
	uint32_t window_s;
	uint64_t used, limit;
};

enum activity_kind {
	ACTIVITY_ACCOUNT,
	ACTIVITY_CLIENT,
	ACTIVITY_KINDS,
};

/* An account, or a client; all counts are in the span. */
struct activity_row {
	const char *name;    /* the account, or the client's address; NULL:
	    the sum of the others */
	uint64_t messages;   /* whatever became of them; of a client also
	    refusals before any message */
	uint64_t recipients; /* of those that were let through */
	uint64_t refused;    /* of the messages: refused or dropped */
	uint64_t missed;     /* at most so many more of its messages are counted
	    in the sum of the others; there: none of them has more */
	double score_mean, score_max; /* of a message; 0 where there is none */
	int64_t last_ms; /* when the last one ended */
	struct activity_share share;            /* of an account */
	const char *clients[ACTIVITY_CLIENTS];  /* of an account: addresses,
	    the last one first; NULL: no more */
	uint32_t series[ACTIVITY_BUCKETS]; /* messages, oldest first */
};

enum activity_order {
	ACTIVITY_BY_MESSAGES,
	ACTIVITY_BY_RECIPIENTS,
	ACTIVITY_BY_REFUSED,
	ACTIVITY_BY_SHARE,
	ACTIVITY_BY_SCORE,
	ACTIVITY_BY_LAST,
	ACTIVITY_BY_NAME,
	ACTIVITY_ORDERS,
};

/* At most max rows, the greatest first (names: from A), equal ones by name.
 * Returns how many. */
size_t activity_rows(const struct activity *a, enum activity_kind kind,
    enum activity_order by, struct activity_row *rows, size_t max);
/* The row of that name; false: it has none. */
bool activity_row(const struct activity *a, enum activity_kind kind,
    const char *name, struct activity_row *row_r);
/* The sum of those without a row.  False: there are none. */
bool activity_others(const struct activity *a, enum activity_kind kind,
    struct activity_row *row_r);

#endif
