/* SPDX-License-Identifier: BSD-2-Clause */
#include "dnsbl_health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"

#define POLL_MS 50 /* while the answers of a self-test are awaited */
#define SEEN 256   /* clients that are remembered */
#define SHARE_ONE (UINT32_C(1) << 16) /* in `share`: a client; below it, hits */

struct dnsbl_health {
	atomic_int refs;
	atomic_int state; /* enum dnsbl_state */
	_Atomic int64_t next_test;
	atomic_uint offs;	/* how often a question switched it off */
	atomic_uint unanswered; /* in a row */
	_Atomic uint32_t share;
	_Atomic uint64_t questions, listed, failed; /* struct dnsbl_counts */
	pthread_mutex_t lock;
	struct errmsg why; /* under the lock */
	_Atomic uint32_t seen[SEEN]; /* hashes, so that one spammer's thousand
	    mails are one client */
};

struct dnsbl_health *
dnsbl_health_new(void)
{
	struct dnsbl_health *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	atomic_init(&h->refs, 1);
	pthread_mutex_init(&h->lock, NULL);
	atomic_init(&h->state, DNSBL_UNTESTED);
	atomic_init(&h->next_test, INT64_MIN);
	return h;
}

struct dnsbl_health *
dnsbl_health_ref(struct dnsbl_health *h)
{
	atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
	return h;
}

static void
health_free(struct dnsbl_health *h)
{
	pthread_mutex_destroy(&h->lock);
	free(h);
}

void
dnsbl_health_unref(struct dnsbl_health *h)
{
	if (h != NULL &&
	    atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) == 1)
		health_free(h);
}

enum dnsbl_state
dnsbl_health_state(const struct dnsbl_health *h)
{
	return (enum dnsbl_state)atomic_load(&h->state);
}

void
dnsbl_health_note(struct dnsbl_health *h, const struct errmsg *why)
{
	pthread_mutex_lock(&h->lock);
	h->why = *why;
	pthread_mutex_unlock(&h->lock);
}

void
dnsbl_health_noted(struct dnsbl_health *h, struct errmsg *why_r)
{
	pthread_mutex_lock(&h->lock);
	*why_r = h->why;
	pthread_mutex_unlock(&h->lock);
}

void
dnsbl_health_counts(
    const struct dnsbl_health *h, struct dnsbl_counts *counts_r)
{
	*counts_r = (struct dnsbl_counts){
	    .questions = atomic_load(&h->questions),
	    .listed = atomic_load(&h->listed),
	    .failed = atomic_load(&h->failed)};
}

/* -- what mail shows -- */

/* True for the one caller who did it. */
static bool
switch_off(struct dnsbl_health *h, int64_t next_ms)
{
	int works = DNSBL_WORKS;

	if (!atomic_compare_exchange_strong(&h->state, &works, DNSBL_OFF))
		return false;
	atomic_fetch_add(&h->offs, 1);
	atomic_store(&h->next_test, next_ms);
	return true;
}

static void
forget_counts(struct dnsbl_health *h)
{
	atomic_store(&h->unanswered, 0);
	atomic_store(&h->share, 0);
	for (size_t i = 0; i < SEEN; i++)
		atomic_store_explicit(&h->seen[i], 0, memory_order_relaxed);
}

/* FNV-1a; never 0. */
static uint32_t
hash(const char *name)
{
	uint32_t x = 2166136261u;

	for (; *name != '\0'; name++)
		x = (x ^ (unsigned char)*name) * 16777619u;
	return x == 0 ? 1 : x;
}

static bool
seen_before(struct dnsbl_health *h, const char *client)
{
	uint32_t x = hash(client);

	return atomic_exchange_explicit(
		   &h->seen[x % SEEN], x, memory_order_relaxed) == x;
}

/* Has the list more of the last clients than it may? */
static bool
count_share(struct dnsbl_health *h, bool hit, long share_max)
{
	uint32_t add = SHARE_ONE + (hit ? 1 : 0);
	uint32_t now = atomic_fetch_add(&h->share, add) + add;

	if (now / SHARE_ONE != DNSBL_SHARE_CLIENTS)
		return false;
	atomic_store(&h->share, 0);
	return (long)(now % SHARE_ONE) * 100 > share_max * DNSBL_SHARE_CLIENTS;
}

/* Spamhaus gives them meanings. */
static const char *
refusal(uint32_t code)
{
	switch (code & 0xff) {
	case 252:
		return "the zone's name is mistyped";
	case 254:
		return "asked through a public resolver";
	case 255:
		return "asked too often";
	}
	return "it refuses to answer";
}

/* False: that answer is none of an error. */
static bool
explain(const struct dnsbl_answer *a, struct errmsg *why_r)
{
	char code[DNSBL_CODE_SIZE];

	dnsbl_code_text(a->error, code);
	if (a->status == DNSBL_REFUSED)
		errmsg_set(why_r, "it answers %s: %s", code, refusal(a->error));
	else if (a->status == DNSBL_FOREIGN)
		errmsg_set(
		    why_r, "it answers %s, which is outside 127.0.0.0/8", code);
	else
		return false;
	return true;
}

bool
dnsbl_health_tell(struct dnsbl_health *h, const char *client,
    const struct dnsbl_answer *a, bool hit, long share_max, int64_t now_ms,
    struct errmsg *why_r)
{
	atomic_fetch_add_explicit(&h->questions, 1, memory_order_relaxed);
	if (hit)
		atomic_fetch_add_explicit(&h->listed, 1, memory_order_relaxed);
	if (a->status == DNSBL_NO_ANSWER || a->status == DNSBL_REFUSED ||
	    a->status == DNSBL_FOREIGN)
		atomic_fetch_add_explicit(&h->failed, 1, memory_order_relaxed);
	if (explain(a, why_r))
		return switch_off(h, now_ms + DNSBL_TEST_EVERY_MS);
	if (a->status == DNSBL_NO_ANSWER) {
		errmsg_set(why_r, "it does not answer");
		return atomic_fetch_add(&h->unanswered, 1) + 1 >=
			   DNSBL_UNANSWERED_MAX &&
		       switch_off(h, now_ms + DNSBL_TEST_AGAIN_MS);
	}
	atomic_store(&h->unanswered, 0);
	if (share_max >= 100 || seen_before(h, client) ||
	    !count_share(h, hit, share_max))
		return false;
	errmsg_set(why_r, "it lists more than %ld %% of %d clients", share_max,
	    DNSBL_SHARE_CLIENTS);
	return switch_off(h, now_ms + DNSBL_TEST_EVERY_MS);
}

/* -- the self-test -- */

struct dnsbl_test {
	struct dnsbl_health *health;
	const struct dns *dns;
	enum dnsbl_kind kind;
	char listed[DNSBL_NAME_SIZE], unlisted[DNSBL_NAME_SIZE];
	struct dns_query *queries[2]; /* of these; NULL: none is under way */
	int64_t begun;
	unsigned offs; /* the health's when it began */
	struct dnsbl_answer heard;
};

/* RFC 5782 section 5 */
static bool
test_name(enum dnsbl_kind kind, const char *domain, unsigned char last,
    const char *zone, char *name_r)
{
	/* One address, written in two ways. */
	struct host entry = {
	    .family = kind == DNSBL_IP4 ? HOST_IP4 : HOST_IP6,
	    .octets = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = last}};
	size_t domain_len = strlen(domain), zone_len = strlen(zone);

	if (kind != DNSBL_DOMAIN)
		return dnsbl_name_ip(&entry, zone, name_r);
	/* TEST is one label. */
	if (domain_len + 1 + zone_len >= DNSBL_NAME_SIZE)
		return false;
	memcpy(name_r, domain, domain_len);
	name_r[domain_len] = '.';
	memcpy(name_r + domain_len + 1, zone, zone_len + 1);
	return true;
}

struct dnsbl_test *
dnsbl_test_new(struct dnsbl_health *h, const struct dns *d,
    enum dnsbl_kind kind, const char *zone, const char *listed)
{
	struct dnsbl_test *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->health = h;
	t->dns = d;
	t->kind = kind;
	if (listed == NULL)
		listed = "test";
	if (!test_name(kind, listed, 2, zone, t->listed) ||
	    !test_name(kind, "invalid", 1, zone, t->unlisted)) {
		free(t);
		return NULL;
	}
	return t;
}

static void
drop_queries(struct dnsbl_test *t)
{
	for (size_t i = 0; i < 2; i++) {
		dns_drop(t->dns, t->queries[i]);
		t->queries[i] = NULL;
	}
}

void
dnsbl_test_free(struct dnsbl_test *t)
{
	if (t == NULL)
		return;
	drop_queries(t);
	free(t);
}

static bool
under_way(const struct dnsbl_test *t)
{
	return t->queries[0] != NULL;
}

/* Without memory there is no test this time. */
static void
begin(struct dnsbl_test *t, int64_t now_ms)
{
	t->begun = now_ms;
	t->offs = atomic_load(&t->health->offs);
	t->queries[0] = dns_start(t->dns, t->listed, DNS_A);
	t->queries[1] = dns_start(t->dns, t->unlisted, DNS_A);
	if (t->queries[0] == NULL || t->queries[1] == NULL) {
		drop_queries(t);
		atomic_store(
		    &t->health->next_test, now_ms + DNSBL_TEST_AGAIN_MS);
	}
}

static enum dnsbl_state
judge(const struct dnsbl_test *t, const struct dnsbl_answer *listed,
    const struct dnsbl_answer *unlisted, struct errmsg *why_r)
{
	if (explain(listed, why_r) || explain(unlisted, why_r))
		return DNSBL_OFF;
	if (listed->status == DNSBL_NO_ANSWER ||
	    unlisted->status == DNSBL_NO_ANSWER) {
		errmsg_set(why_r, "it does not answer its self-test");
		return DNSBL_OFF;
	}
	if (unlisted->status == DNSBL_LISTED) {
		errmsg_set(why_r,
		    "it lists %s, which no list has: it may list "
		    "everything",
		    t->unlisted);
		return DNSBL_OFF;
	}
	if (listed->status == DNSBL_LISTED)
		return DNSBL_WORKS;
	if (t->kind == DNSBL_IP6)
		return DNSBL_ABSENT;
	errmsg_set(why_r, "it does not list its test entry %s", t->listed);
	return DNSBL_OFF;
}

static bool
end(struct dnsbl_test *t, int64_t now_ms, struct wait *w, struct errmsg *why_r)
{
	struct dnsbl_health *h = t->health;
	struct dnsbl_answer answers[2];
	enum dnsbl_state state;
	bool silent;
	int old;

	for (size_t i = 0; i < 2; i++)
		dnsbl_read(dns_collect(t->dns, t->queries[i], w), &answers[i]);
	drop_queries(t);
	t->heard = answers[0];
	/* What mail has shown meanwhile is newer. */
	if (atomic_load(&h->offs) != t->offs)
		return false;
	silent = answers[0].status == DNSBL_NO_ANSWER ||
		 answers[1].status == DNSBL_NO_ANSWER;
	state = judge(t, &answers[0], &answers[1], why_r);
	atomic_store(&h->next_test,
	    now_ms + (silent ? DNSBL_TEST_AGAIN_MS : DNSBL_TEST_EVERY_MS));
	if (state == DNSBL_WORKS && dnsbl_health_state(h) != DNSBL_WORKS)
		forget_counts(h);
	old = atomic_exchange(&h->state, (int)state);
	return old != (int)state;
}

/* False: there is none. */
static bool
begin_if_due(struct dnsbl_test *t, int64_t now_ms)
{
	if (!under_way(t) && now_ms >= atomic_load(&t->health->next_test))
		begin(t, now_ms);
	return under_way(t);
}

bool
dnsbl_test_go(struct dnsbl_test *t, int64_t now_ms, struct errmsg *why_r)
{
	if (!begin_if_due(t, now_ms))
		return false;
	if ((!dns_ready(t->dns, t->queries[0]) ||
		!dns_ready(t->dns, t->queries[1])) &&
	    now_ms < t->begun + DNSBL_TEST_MAX_MS)
		return false;
	return end(t, now_ms, NULL, why_r);
}

bool
dnsbl_test_finish(
    struct dnsbl_test *t, int64_t now_ms, struct wait *w, struct errmsg *why_r)
{
	return begin_if_due(t, now_ms) && end(t, now_ms, w, why_r);
}

const struct dnsbl_answer *
dnsbl_test_heard(const struct dnsbl_test *t)
{
	return &t->heard;
}

int64_t
dnsbl_test_wait(const struct dnsbl_test *t, int64_t now_ms)
{
	int64_t next = atomic_load(&t->health->next_test);

	if (under_way(t))
		return POLL_MS;
	return next <= now_ms ? 0 : next - now_ms;
}
