/*
 * Does a DNS list work?  One that went away, refuses to answer or lists the
 * whole world must not decide about mail.  SPDX-License-Identifier:
 * BSD-2-Clause
 *
 * Three things tell.  The self-test of RFC 5782 section 5: an entry that every
 * list has, and one that none has.  Answers that are none (dnsbl.h), and a row
 * of questions without any.  And the share of what is listed, counted over the
 * last different names: a list that suddenly has nearly all of them is broken.
 * One that does not work is off, until a later self-test passes.
 *
 * Times are CLOCK_MONOTONIC, in milliseconds.
 */
#ifndef LIB_DNS_DNSBL_HEALTH_H
#define LIB_DNS_DNSBL_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/dns/dnsbl.h"

struct dns;
struct errmsg;
struct wait;

#define DNSBL_TEST_EVERY_MS 3600000 /* from one self-test to the next */
#define DNSBL_TEST_AGAIN_MS 300000  /* to the next when nobody answered */
#define DNSBL_TEST_MAX_MS 30000	    /* for its answers to come */
#define DNSBL_SHARE_CLIENTS 128	    /* different clients that a share is of */
#define DNSBL_UNANSWERED_MAX 10	    /* in a row */

enum dnsbl_state {
	DNSBL_UNTESTED,
	DNSBL_WORKS,
	DNSBL_OFF,
	DNSBL_ABSENT, /* the list has nothing of that kind (IPv6 only) */
};

/* Of one zone and kind.  Counted; any thread may use it. */
struct dnsbl_health;

struct dnsbl_health *dnsbl_health_new(void); /* NULL: no memory */
struct dnsbl_health *dnsbl_health_ref(struct dnsbl_health *h);
void dnsbl_health_unref(struct dnsbl_health *h); /* NULL is fine */
enum dnsbl_state dnsbl_health_state(const struct dnsbl_health *h);

/* Keep the words why it is off, for who asks. */
void dnsbl_health_note(struct dnsbl_health *h, const struct errmsg *why);
void dnsbl_health_noted(struct dnsbl_health *h, struct errmsg *why_r);

struct dnsbl_counts {
	uint64_t questions; /* what came of them was told */
	uint64_t listed;    /* of them, those with a code that counts */
	uint64_t failed;    /* of them, without an answer of the list's */
};

void dnsbl_health_counts(
    const struct dnsbl_health *h, struct dnsbl_counts *counts_r);

/*
 * Tell what came of a question for a client: `hit` when the answer has a code
 * that counts.  It switches the list off if it shows that it does not work; a
 * hit for more than share_max per cent of the clients is one way (100: never).
 * True: it was on until now, and *why_r says why it is no longer.
 */
bool dnsbl_health_tell(struct dnsbl_health *h, const char *client,
    const struct dnsbl_answer *a, bool hit, long share_max, int64_t now_ms,
    struct errmsg *why_r);

/* Self-tests, one after the other; used by one thread at a time. */
struct dnsbl_test;

/* listed: the domain that a list of domains has; NULL: TEST, as the RFC says.
 * The strings, `d` and `h` must outlive it.  NULL: no memory. */
struct dnsbl_test *dnsbl_test_new(struct dnsbl_health *h, const struct dns *d,
    enum dnsbl_kind kind, const char *zone, const char *listed);
void dnsbl_test_free(struct dnsbl_test *t); /* NULL is fine */
/* Begin one when it is time, or see what came of it.  True: the state has
 * changed, and if it is off *why_r says why. */
bool dnsbl_test_go(struct dnsbl_test *t, int64_t now_ms, struct errmsg *why_r);
/* The same, and the only function that waits: for one that is under way. */
bool dnsbl_test_finish(
    struct dnsbl_test *t, int64_t now_ms, struct wait *w, struct errmsg *why_r);
/* What the last one heard of the entry that is listed. */
const struct dnsbl_answer *dnsbl_test_heard(const struct dnsbl_test *t);
/* In how many milliseconds to go on. */
int64_t dnsbl_test_wait(const struct dnsbl_test *t, int64_t now_ms);

#endif
