/*
 * What the decision ring says of accounts: when they sent, from where, and what
 * was refused.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Mail of an account counts in the sum of its domain too, and in that of all
 * (lib/quota/account.h).  A message is one that was accepted; one that was
 * refused, or of which a recipient was, is counted as refused.
 */
#ifndef MILTER_CTL_USAGE_H
#define MILTER_CTL_USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct conf;
struct errmsg;
struct usage;

#define USAGE_RECENT_S 86400 /* what usage_of counts is of the last day */

/* Of an account or a sum. */
struct usage_account {
	int64_t last;   /* when it sent last, whatever became of it; 0: never */
	size_t clients; /* different addresses, in the last day */
	uint64_t refused; /* messages, in the last day */
};

/* An hour or a day. */
struct usage_span {
	int64_t begin;       /* seconds since 1970 */
	uint64_t messages;   /* accepted */
	uint64_t recipients; /* of these */
	uint64_t bytes;      /* of these */
	uint64_t refused;    /* messages */
	size_t clients;      /* different addresses, whatever became of it */
};

struct usage_client {
	const char *ip, *helo; /* NULL: not known */
	int64_t last;
	uint64_t messages; /* whatever became of them */
};

/*
 * Read the ring of the configuration, or where there is none its copy in
 * StateDirectory.  account: only its own records, with usage_spans and
 * usage_clients; NULL: those of all.  0, or a negative ERR_ and *msg_r.
 */
int usage_read(const struct conf *c, const char *account, time_t now,
    struct usage **usage_r, struct errmsg *msg_r);
/* NULL is fine. */
void usage_free(struct usage *u);

/* How far it reaches back: the time of the oldest record, of whatever account;
 * 0: there is none. */
int64_t usage_since(const struct usage *u);
/* Is this of the copy of the ring that outlives a reboot? */
bool usage_copy(const struct usage *u);
/* All zero for an account that has not sent. */
struct usage_account usage_of(struct usage *u, const char *account);
/* Those in which it sent, the oldest first; *count_r of them. */
const struct usage_span *usage_hours(const struct usage *u, size_t *count_r);
const struct usage_span *usage_days(const struct usage *u, size_t *count_r);
/* The last one first. */
const struct usage_client *usage_clients(struct usage *u, size_t *count_r);

#endif
