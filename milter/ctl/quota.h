/*
 * posternctl quota: what its verbs share.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_CTL_QUOTA_H
#define MILTER_CTL_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/quota/quota.h"
#include "milter/stage/quota_conf.h"
#include "posternctl.h"
#include "usage.h"

struct errmsg;

#define QUOTA_FAILED 1 /* the exit code if something could not be done */

enum quota_sort {
	QUOTA_BY_ACCOUNT,
	QUOTA_BY_USED,
	QUOTA_BY_LAST,
	QUOTA_BY_CLIENTS,
	QUOTA_BY_REFUSED,
};

/* A call of the command. */
struct query {
	enum quota_sort sort;
	long near;      /* show those that have used so many per cent; 0: all */
	bool by_domain;
	bool json;
	const struct conf *conf;
	const char *account; /* in its one form; NULL: all */
	struct arena arena;
	struct quota_conf limits; /* for list and show: the limits */
	const char *path;         /* of the table */
	struct quota *table;
	struct usage *usage; /* NULL: the ring can't be read */
	time_t now;
};

/* One account, sum or domain to print. */
struct row {
	const char *account; /* of a domain without one: "" */
	bool locked;
	bool seen;    /* `usage` is known */
	bool limited; /* it has a limit, so share is one */
	double share; /* of its nearest limit that is used: 1 is all of it */
	size_t accounts; /* of a domain */
	size_t locks;    /* of them, those that are locked */
	struct usage_account usage;
	struct quota_state state; /* a limit that is none is QUOTA_LIMIT_MAX + 1 */
};

/* -- quota_rows.c -- */

/* Print them, under a heading or as JSON. */
void quota_rows_print(
    const struct query *q, const struct row *rows, size_t count);
/* The object of a row; the caller's. */
json_t *quota_row_json(const struct query *q, const struct row *r);
/* The part of its nearest limit that is used; *limited_r: there is one. */
double quota_row_share(const struct row *r, bool *limited_r);
/* Set what follows from r->account and r->state. */
void quota_row_fill(const struct query *q, struct row *r);

/* -- quota_list.c -- */

/* An exit code. */
int quota_list(struct query *q);

/* -- quota_past.c -- */

/* Read the ring; says if it is the copy.  0, or a negative ERR_ and *why. */
int quota_past_open(struct query *q, struct errmsg *why);
/* Read the ring, if it can be read; if not, say so once (unless JSON is
 * printed), and q->usage stays NULL. */
void quota_past_read(struct query *q);
/* Add to the object, or print, what the last two days were like. */
void quota_past_json(const struct query *q, json_t *object);
void quota_past_print(const struct query *q);
/* Print days and hours; an exit code. */
int quota_past_history(const struct query *q);

#endif
