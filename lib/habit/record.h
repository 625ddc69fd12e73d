/*
 * The records of lib/habit, and what its files share.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	head      the lock, and how much of the rest is in use
 *	records   2,048 octets for each account
 *	pages     further filters of accounts that write to many: 1 KiB each; an
 *	          account has runs of 1, 2, 4, 8, 16 and 32 of them, which
 *	          makes 64 KiB with its record
 *	places    the number of a record, by the hash of its account's name
 *	sent      queue ids of late: whose, and how many recipients
 *	shared    networks, with how many accounts use them
 *	subjects  those that accounts sent to strangers of late
 *
 * All of it is in numbers, never in pointers: it is a file's body, or memory of
 * the same form.
 */
#ifndef LIB_HABIT_RECORD_H
#define LIB_HABIT_RECORD_H

#include <stdatomic.h>

#include "habit.h"
#include "lib/base/shared.h"

/* Times in a record are seconds since 2000; those that do not fit (after 2067)
 * are the last that does. */
#define RECORD_EPOCH INT64_C(946684800)
#define RECORD_LAST (INT32_MAX - 32 * 86400) /* a month can be added to it */

static inline int32_t
record_seconds(int64_t ms)
{
	int64_t s = ms / 1000 - RECORD_EPOCH;

	return s < 1 ? 1 : s > RECORD_LAST ? RECORD_LAST : (int32_t)s;
}

/* Of a time in a record: milliseconds since 1970; 0: never. */
static inline int64_t
record_ms(int32_t seconds)
{
	return seconds == 0 ? 0 : (seconds + RECORD_EPOCH) * 1000;
}

/* A sequential test. */
struct test {
	float z;       /* the sum */
	float hits;    /* of these mails or recipients ... */
	float total;   /* ... since then: */
	int32_t since; /* seconds, when the sum left 0 */
	int32_t at;    /* seconds, when it was last changed */
};

/* A thing that the account uses: a network, a name, a subject. */
struct used {
	uint64_t hash; /* 0: none */
	int32_t first, last; /* seconds */
	float count;
	float strangers; /* recipients met for the first time with it */
};

/* Counts of a day, or, as habit, sums over days of which older ones weigh
 * less. */
struct counts {
	float mails, rcpts, strangers, refused, accepted, bounces, scored, spam,
	    newnet, placed, bulk, newfrom;
	float hours[24];
};

/* The most that was usual. */
struct peaks {
	float hour;      /* recipients in an hour */
	float strangers; /* in a day */
	float mail;      /* recipients of one mail */
	float nets;      /* new networks in an hour */
	float subject;   /* strangers of one subject in a day */
};

#define NETS 12
#define NAMES 4
#define CELLS 12 /* of an hour */
#define DAY_CELLS 24
#define MET_BITS 2048
#define MET_ROOM 190 /* 10.8 bits for each */
#define MET_PAGES 6

struct record {
	char account[HABIT_ACCOUNT_MAX + 1];
	int64_t alerted, locked; /* milliseconds; 0: never */
	int32_t day;             /* the day of `today`, since 2000 */
	int32_t dirty;           /* seconds: until then nothing becomes habit */
	int32_t probe;           /* seconds: when a probe was sent */
	int32_t lured;           /* when a canary wrote to the account */
	int32_t canary;          /* when it wrote to a canary */
	int32_t days;            /* with mail, that became habit */
	float mail_most;         /* recipients of one mail, most of today */
	int32_t last;            /* seconds, of its last mail */
	int32_t cell_at, day_cell_at;
	float cells[CELLS];      /* recipients in five minutes */
	float day_cells[DAY_CELLS]; /* strangers in an hour */
	struct counts usual, today;
	struct peaks peak, peak_today;
	struct test tests[HABIT_KINDS];
	struct used nets[NETS], helos[NAMES], froms[NAMES], subjects[NAMES];
	uint32_t pages[MET_PAGES]; /* the first page of each run + 1; 0: none */
	uint32_t met;              /* recipients in the newest filter */
	uint32_t filters;          /* beside the record's own */
	char quota_words[64];
	uint64_t bits[MET_BITS / 64];
};

struct page {
	uint64_t bits[128];
};

struct sent {
	uint64_t id;
	uint32_t record; /* its number + 1 */
	uint16_t left;   /* recipients that have not bounced yet */
	uint16_t complaints;
};

struct shared_net {
	uint64_t hash;
	uint32_t accounts;
	int32_t first;
};

#define CAMPAIGN_ACCOUNTS 6
struct shared_subject {
	uint64_t hash;
	int32_t last;
	uint32_t count;
	uint32_t records[CAMPAIGN_ACCOUNTS]; /* numbers + 1 */
};

#define SENT_SLOTS (1 << 16)
#define SHARED_SLOTS (1 << 13)
#define WAYS 4 /* places that one hash may have in a table */

/* What accounts of an age have in common. */
#define AGES 5
struct age {
	double strangers, rcpts;
};

/* What stands before all else. */
struct head {
	_Atomic uint64_t lock; /* its holder's process id, 0: nobody; above it a
				* number that counts */
	uint32_t accounts;     /* for which there is room */
	uint32_t count;        /* of records in use */
	uint32_t page_count;
	uint32_t locked_count;
	uint32_t minors;       /* records of programs: half of all at most */
	uint64_t key[2];       /* of all hashes */
	struct age ages[2][AGES]; /* of logins, of programs */
	double hours[24];         /* of all logins */
};

struct habit {
	struct habit_options opt;
	struct head *head;
	struct record *records;
	struct page *pages;
	uint32_t *places;
	size_t place_count; /* a power of two */
	struct sent *sent;
	struct shared_net *nets;
	struct shared_subject *subjects;
	uint32_t *locked; /* numbers of records */
	size_t room, page_room;
	struct shared file;      /* not open: it is in memory */
	uint32_t pid;            /* the process that opened it */
	void *memory;
	size_t memory_size;
	unsigned char *checked;  /* a bit for each record of a file that was
				  * found to be good; NULL: in memory */
};

/* One event, as the kinds see it. */
struct mail {
	const struct habit_event *e;
	struct record *r;
	uint32_t number; /* of the record */
	int32_t now;     /* seconds */
	bool program;    /* the account is a script or a sender */
	size_t rcpts;    /* accepted and refused */
	size_t strangers, met; /* of them; both 0: nothing is known of them */
	bool known;
	bool canary;
	struct used *net;      /* NULL: not known, or everybody's */
	bool newnet, newhelo, hashelo, newfrom, firstnet;
	bool tolerated;        /* a newsletter, as far as we know */
	uint64_t helo, from, subject; /* hashes; 0: none */
};

/* store.c */
uint64_t store_lock(struct habit *h); /* what store_unlock is to be given */
void store_unlock(struct habit *h, uint64_t held);
/* NULL: there is none of that number. */
struct record *store_record(struct habit *h, uint32_t number);

uint64_t habit_hash(const struct habit *h, char sort, const char *text);

/* met.c: has the account met the recipient?  1, 0, or -1: unknown. */
int met_has(const struct habit *h, const struct record *r, uint64_t hash);
void met_add(struct habit *h, struct record *r, uint64_t hash);

/* usual.c */
void usual_day(struct habit *h, struct record *r, bool program, int32_t now);
void usual_count(struct habit *h, struct mail *m);
/* The part of recipients that is new to an account like this. */
double usual_strangers(const struct habit *h, const struct mail *m);
/* A part of the account's mail, where accounts in general have `prior`. */
double usual_part(double hits, double total, double prior, double weight);
/* Recipients in the last hour, strangers in the last day. */
double usual_hour(const struct record *r, int32_t now);
double usual_strangers_day(const struct record *r, int32_t now);

/* kinds.c */
void kinds_mail(struct habit *h, struct mail *m);
void kinds_bounce(struct record *r, int32_t now, bool complaint);
void kinds_weigh(const struct habit *h, const struct record *r, int32_t now,
    struct habit_result *result_r);
/* Put it in order, and into words. */
void kinds_tell(const struct habit *h, const struct record *r, int32_t now,
    struct habit_result *result_r);
/* The sum of what may lock. */
double kinds_lock_score(
    const struct habit *h, const struct record *r, int32_t now);

#endif
