/*
 * The habits of accounts: events in, evidence out.  SPDX-License-Identifier:
 * BSD-2-Clause
 *
 * An event is a mail that left or came, or a try at one.  For each account a
 * record keeps what is usual for it: how many of its recipients are new to it,
 * how many are refused or bounce, from which networks, under which HELO names
 * and at which hours it sends, and whom it has written to.  Evidence is what
 * differs: it has a kind, points, and words with the numbers in them.
 *
 * Most kinds are a sequential test (CUSUM): each mail adds the logarithm of how
 * much likelier it is from a bot than from this account, the sum never falls
 * below 0, and half of it is forgotten in a day.  An account without a past has
 * the server's habits as its own: what accounts of that age do.  What an alert
 * was given for, and mail that was stopped, never becomes habit.
 *
 * The engine reads no clock: time is that of the events.
 */
#ifndef LIB_HABIT_HABIT_H
#define LIB_HABIT_HABIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct errmsg;
struct habit;
struct shared_report;

/*
 * The kinds: X(constant, word of the configuration and of JSON, default weight,
 * can somebody who has no login here produce it?, what it is).
 */
#define HABIT_EACH_KIND(X)                                                     \
	X(QUOTA, quota, 1, false, "a limit is reached, or nearly")             \
	X(BURST, burst, 1, false, "many recipients in an hour")                \
	X(NETWORKS, networks, 3, false,                                        \
	    "mail to new recipients from networks new to the account")         \
	X(STRANGERS, strangers, 2, false,                                      \
	    "recipients that the account has not written to")                  \
	X(REFUSED, refused, 2, false, "recipients that the MTA refuses")       \
	X(BOUNCES, bounces, 1.5, true, "mail that bounces")                    \
	X(SPAM, spam, 3, false, "mail that scores as spam")                    \
	X(FROM, from, 2, false, "new envelope senders")                        \
	X(CANARY, canary, 5, false, "mail to a canary")                \
	X(BULK, bulk, 0.5, false, "one subject to many new recipients")        \
	X(NIGHT, night, 0.5, false, "mail in hours in which it is not usual")  \
	X(HELO, helo, 1.5, false, "new HELO names from new networks")          \
	X(PROBE, probe, 0.5, false, "a short mail first, as a test")           \
	X(SCRIPT, script, 3, false,                                            \
	    "a script that writes to more than is usual for it")               \
	X(COMPLAINT, complaint, 1.5, true, "complaints about its mail")        \
	X(CAMPAIGN, campaign, 1.5, true, "one subject from several accounts")

enum habit_kind {
#define HABIT_CONSTANT(id, name, weight, foreign, what) HABIT_##id,
	HABIT_EACH_KIND(HABIT_CONSTANT)
#undef HABIT_CONSTANT
	HABIT_KINDS
};

#define HABIT_ACCOUNT_MAX 255 /* octets of an account's name */
/* "Met before" is wrongly said of at most so many recipients, in percent; of an
 * account that has met more than its filters hold, nobody is said to be new. */
#define HABIT_MET_ERROR 5

/* The word of the configuration and of JSON: "networks". */
const char *habit_kind_name(enum habit_kind kind);
/* HABIT_KINDS: it is none. */
enum habit_kind habit_kind_of(const char *name);
double habit_kind_weight(enum habit_kind kind); /* the default */
/* Can somebody who has no login here produce it?  Then it may not lock. */
bool habit_kind_is_foreign(enum habit_kind kind);

struct habit_options {
	double weight[HABIT_KINDS];
	double alert_score; /* > 0 */
	uint32_t alert_every; /* seconds */
	double lock_score;  /* 0: nothing locks */
	uint32_t lock_kinds; /* bits of enum habit_kind.  Those that are foreign
			      * don't count */
	uint32_t lock_for;  /* seconds; 0: until somebody unlocks */
	uint64_t key[2];    /* of the hashes, in memory; a secret */
	/* Is the address a canary?  NULL: there are none. */
	bool (*is_canary)(void *ctx, const char *address);
	void *ctx;
};

/* All weights, and which kinds may lock; everything else is 0. */
void habit_defaults(struct habit_options *opt_r);

struct habit_event {
	int64_t t; /* milliseconds since the epoch */
	bool outbound;
	const char *account; /* in its one form; NULL: inbound */
	const char *client;  /* an address; NULL: not known.  So are these: */
	const char *helo;
	const char *from;    /* "": the null sender */
	const char *subject;
	const char *queue_id;
	const char *about;   /* inbound: the queue id that it names */
	/* Names may be NULL where only their number is known. */
	const char *const *rcpts;
	size_t rcpt_count;
	const char *const *refused; /* recipients that the MTA refused */
	size_t refused_count;
	uint64_t bytes; /* 0: not known */
	bool has_score;
	double score;
	bool bulk;      /* it has List-Unsubscribe */
	bool proved;    /* inbound: somebody vouches for `from` */
	bool complaint; /* inbound: about a mail that somebody calls spam */
	bool stopped;   /* outbound: a limit or a lock of ours refused it */
	double quota;   /* outbound: the part of the nearest limit that is used,
			 * 1: all of it */
	const char *quota_words; /* "180 of 200 messages in 1 hour"; NULL */
};

#define HABIT_WORDS 160
struct habit_evidence {
	enum habit_kind kind;
	double points;
	char words[HABIT_WORDS];
};

/* What became of an event.  Evidence with most points first, and with its words,
 * where there is an alert or a lock, or the mail was stopped. */
struct habit_result {
	char account[HABIT_ACCOUNT_MAX + 1]; /* "": of no account */
	bool alert;  /* the sum reaches alert_score, and the last alert is old
		      * enough */
	bool locked; /* the sum of what may lock reaches lock_score now */
	int64_t since; /* milliseconds: when the oldest evidence began; 0 */
	double score;
	size_t count;
	struct habit_evidence evidence[HABIT_KINDS];
};

/* In memory.  Options are copied.  0 or ERR_NOMEM. */
int habit_open_memory(struct habit **h_r, const struct habit_options *opt);
/*
 * In a file with room for so many accounts, that several processes may have
 * open; its own key takes the place of that in the options.  One with room for
 * another number is moved.  now: wall clock, in seconds.  0, or as shared_open
 * (lib/base/shared.h) has it.
 */
int habit_open(struct habit **h_r, const char *path, uint32_t accounts,
    const struct habit_options *opt, time_t now,
    struct shared_report *report_r, struct errmsg *msg_r);
/* Is it still the file of that name, and all there?  If not, open it anew. */
bool habit_is_there(const struct habit *h, const char *path);
/* Nobody may be using it.  NULL is fine. */
void habit_close(struct habit *h);

/* All that follows may be called by any thread of the process that opened it, at
 * any time; a forked child opens its own. */

/* 0; or the event changed nothing: ERR_FULL, there is no room for the account
 * (programs, whose names anybody can make up, have half of it); ERR_LIMIT, its
 * name is too long. */
int habit_event(
    struct habit *h, const struct habit_event *e, struct habit_result *result_r);

/* Is the account locked?  A lock ends by itself after lock_for. */
bool habit_is_locked(struct habit *h, const char *account, int64_t t);
void habit_unlock(struct habit *h, const char *account);
/* Lift one lock that has ended by then, and put its account's name there;
 * false: none has. */
bool habit_next_unlocked(
    struct habit *h, int64_t t, char account_r[HABIT_ACCOUNT_MAX + 1]);

/* The evidence against an account, without any event; count 0: none. */
void habit_look(
    struct habit *h, const char *account, struct habit_result *result_r);

struct habit_info {
	size_t accounts;
	size_t bytes; /* used for them and what they have in common */
};
void habit_info(const struct habit *h, struct habit_info *info_r);

#endif
