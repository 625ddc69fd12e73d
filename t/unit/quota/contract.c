/*
 * What every table of quotas promises, held against the plainest model of it:
 * a list of what was reserved and committed.  SPDX-License-Identifier:
 * BSD-2-Clause
 *
 *	unit_contract [ROUNDS [SEED]]
 *
 * Operations come in random order, by a clock that only moves when told to.
 * After every one of them:
 *  - no window of a limit's length holds more than the limit, of what was
 *    committed, since the last reset;
 *  - what is granted must be (what is within 25/24 of the window and what is
 *    reserved do not reach the limit), what is refused must be refused by what
 *    is within the window, for a reason that is true;
 *  - would says what reserve says right after it;
 *  - an account's mail is counted in its sums too, in all of them or in none,
 *    and what refuses says which of them it is;
 *  - what peek shows is all that was committed within the window or is reserved
 *    there, and no more than within 25/24 of it;
 *  - locks and the list of accounts are as they were set.
 * A failure prints the round's history, and the seed that makes it again.
 */
#include "lib/quota/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"

#define S UINT64_C(1000000000)
#define ACCOUNTS 4
#define PAYERS 6 /* they and the sums */
#define MESSAGES 8
#define STEPS 300
#define EVENTS 1000
#define LINES 400

static const uint32_t lengths[] = {10, 60, 3600}; /* of windows */
#define LENGTHS 3

static const char *const names[PAYERS] = {"ann@a.example", "bob@a.example",
    "cy@b.example", "sender:x@a.example", "@a.example", "*"};

struct event { /* a commit */
	int account;
	uint64_t at, amount[QUOTA_KINDS];
};

struct message {
	struct quota_use use;
	int account;
	uint64_t held[QUOTA_KINDS]; /* by the model */
	uint64_t since;             /* of the oldest that is held */
};

static struct round {
	uint64_t seed, x, now;
	struct quota *q;
	struct quota_set set[PAYERS];
	struct message message[MESSAGES];
	struct event event[EVENTS];
	unsigned events;
	uint64_t reset[PAYERS];
	bool locked[PAYERS], known[PAYERS];
	char line[LINES][120];
	unsigned lines;
	const char *wrong;
	unsigned grants, refusals, locks, by_sums;
} r;

#define SAY(...) snprintf(r.line[r.lines++ % LINES], sizeof(r.line[0]), \
    __VA_ARGS__)

static unsigned
rnd(unsigned below)
{
	r.x ^= r.x << 13;
	r.x ^= r.x >> 7;
	r.x ^= r.x << 17;
	return (unsigned)((r.x >> 11) % below);
}

static uint64_t
boottime(void *ctx)
{
	(void)ctx;
	return r.now;
}

static uint64_t
wall(void *ctx)
{
	(void)ctx;
	return 1700000000 * S + r.now;
}

static void
boot_id(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 1, 16);
}

static void
expect(bool so, const char *what)
{
	if (!so && r.wrong == NULL)
		r.wrong = what;
}

/* --- the model ------------------------------------------------------------ */

/* Who pays for the account's mail at the level. */
static int
payer(int account, unsigned level)
{
	int i = 0;

	if (level == 0)
		return account;
	while (r.set[account].sum[level - 1].account != names[i])
		i++;
	return i;
}

static bool
pays(int who, int account)
{
	for (unsigned n = 0; n <= r.set[account].sums; n++) {
		if (payer(account, n) == who)
			return true;
	}
	return false;
}

/* Committed within so much time, since the last reset. */
static uint64_t
committed(int who, unsigned kind, uint64_t within)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r.events; i++) {
		const struct event *e = &r.event[i];

		if (pays(who, e->account) && e->at > r.reset[who] &&
		    e->at + within > r.now)
			sum += e->amount[kind];
	}
	return sum;
}

/* Reserved by messages under way; sure: what certainly counts, because it was
 * reserved within so much time, and since the reset.  NULL: of all. */
static uint64_t
reserved(int who, unsigned kind, const struct message *but, bool sure,
    uint64_t within)
{
	uint64_t sum = 0;

	for (int i = 0; i < MESSAGES; i++) {
		const struct message *m = &r.message[i];

		if (m != but && pays(who, m->account) &&
		    (!sure || (m->since > r.reset[who] &&
		    m->since + within > r.now)))
			sum += m->held[kind];
	}
	return sum;
}

/* Must so much more be refused, by what surely counts? */
static bool
must_refuse(int who, const uint64_t *amount, const struct message *but)
{
	const struct quota_set *set = &r.set[who];

	for (unsigned i = 0; i < set->count; i++) {
		const struct quota_limit *l = &set->limit[i];
		uint64_t within = l->window_s * S;

		if (amount[l->kind] != 0 && committed(who, l->kind, within) +
		    reserved(who, l->kind, but, true, within) +
		    amount[l->kind] > l->limit)
			return true;
	}
	return false;
}

/* May it be, by what may still count?  Of the limit that was named.  What the
 * message holds may have to be counted again. */
static bool
may_refuse(const struct message *m, const uint64_t *amount,
    const struct message *but, const struct quota_refusal *why)
{
	const struct quota_limit *l = &why->limit;
	int who = payer(m->account, why->level);

	return (amount[l->kind] != 0 || m->held[l->kind] != 0) &&
	    committed(who, l->kind, l->window_s * S / 24 * 25) +
	    reserved(who, l->kind, but, false, 0) + amount[l->kind] >
	    l->limit;
}

static bool
is_limit(int who, const struct quota_limit *l)
{
	for (unsigned i = 0; i < r.set[who].count; i++) {
		if (memcmp(l, &r.set[who].limit[i], sizeof(*l)) == 0)
			return true;
	}
	return false;
}

static void
judge(int rc, const struct message *m, const uint64_t *amount,
    const struct message *but, const struct quota_refusal *why)
{
	const unsigned sums = r.set[m->account].sums;
	bool is_locked = false, must = false;
	int who;

	for (unsigned n = 0; n <= sums; n++) {
		who = payer(m->account, n);
		is_locked = is_locked || r.locked[who];
		must = must || must_refuse(who, amount, but);
	}
	if (rc == QUOTA_GRANTED) {
		expect(!is_locked, "granted, but locked");
		expect(!must, "granted too much");
		r.grants++;
		return;
	}
	expect(rc == QUOTA_LOCKED || rc == QUOTA_REFUSED, "an error");
	expect(why->level <= sums, "refused by no level");
	who = payer(m->account, why->level <= sums ? why->level : 0);
	r.by_sums += why->level != 0;
	if (rc == QUOTA_LOCKED) {
		expect(r.locked[who], "locked, but is not");
		r.locks++;
	} else if (rc == QUOTA_REFUSED) {
		expect(!is_locked, "locked, but refused");
		expect(is_limit(who, &why->limit), "refused by no limit");
		expect(may_refuse(m, amount, but, why), "refused for nothing");
		expect(why->retry_s != 0, "refused, and fits now");
		expect((why->retry_s == QUOTA_NEVER) ==
		    (amount[why->limit.kind] > why->limit.limit),
		    "refused for ever");
		r.refusals++;
	}
}

/* All windows that end now, of what was committed. */
static void
look_at_windows(void)
{
	for (int a = 0; a < PAYERS; a++) {
		for (unsigned i = 0; i < r.set[a].count; i++) {
			const struct quota_limit *l = &r.set[a].limit[i];

			expect(committed(a, l->kind, l->window_s * S) <=
			    l->limit, "a window holds more than the limit");
		}
	}
}

static void
look_at_table(void)
{
	struct quota_entry e;
	uint32_t cursor = 0;
	unsigned known = 0, listed = 0;

	for (int a = 0; a < PAYERS; a++) {
		struct quota_state state;

		quota_peek(r.q, names[a], &r.set[a], &state);
		/* A refusal makes an account known, or not. */
		expect(state.known || !r.known[a], "an account is gone");
		r.known[a] = state.known;
		expect(state.locked == r.locked[a], "lock lost or found");
		for (unsigned i = 0; i < state.count; i++) {
			const struct quota_usage *u = &state.usage[i];
			uint64_t w = u->limit.window_s * S;

			expect(u->used >= committed(a, u->limit.kind, w) +
			    reserved(a, u->limit.kind, NULL, true, w),
			    "a count is lost");
			expect(u->used <= committed(a, u->limit.kind,
			    w / 24 * 25) + reserved(a, u->limit.kind, NULL,
			    false, 0), "a count out of nothing");
		}
		known += r.known[a];
	}
	while (quota_next(r.q, &cursor, &e))
		listed++;
	expect(listed == known, "accounts are missing from the list");
}

/* --- deeds ---------------------------------------------------------------- */

static void
hold(struct message *m, const uint64_t *amount)
{
	uint64_t before = 0;

	for (unsigned k = 0; k < QUOTA_KINDS; k++) {
		before += m->held[k];
		m->held[k] += amount[k];
	}
	if (before == 0)
		m->since = r.now;
}

static void
reserve(struct message *m)
{
	struct quota_amount amount = {{rnd(2), rnd(3), rnd(4) == 0 ? 700 : 0}};
	struct quota_refusal would_why = {.used = 0}, why = {.used = 0};
	bool holds = false, stale;
	int would, rc;

	if (m->use.account == NULL)
		m->account = (int)rnd(ACCOUNTS);
	/* What a reset has cleared, or has left the shortest window, is counted
	 * again with what is asked for: of this would knows nothing. */
	for (unsigned k = 0; k < QUOTA_KINDS; k++)
		holds = holds || m->held[k] != 0;
	stale = holds && m->since + lengths[0] * S <= r.now;
	for (unsigned n = 0; n <= r.set[m->account].sums; n++)
		stale = stale || (holds &&
		    m->since <= r.reset[payer(m->account, n)]);
	would = quota_would(r.q, names[m->account], &r.set[m->account], &amount,
	    &would_why);
	rc = quota_reserve(r.q, names[m->account], &r.set[m->account], &amount,
	    &m->use, &why);
	SAY("message %d: %s: %d messages, %d recipients, %d octets: %d, %u",
	    (int)(m - r.message), names[m->account], (int)amount.of[0],
	    (int)amount.of[1], (int)amount.of[2], rc, why.level);
	if (rc == QUOTA_REFUSED)
		SAY("  %u/%u, %d of %d, %d s; would: %u/%u, %d, %d s, %u",
		    why.limit.kind, why.limit.window_s, (int)why.used,
		    (int)why.limit.limit, (int)why.retry_s,
		    would_why.limit.kind, would_why.limit.window_s,
		    (int)would_why.used, (int)would_why.retry_s,
		    would_why.level);
	expect(stale || would == rc, "would and reserve differ");
	/* What it holds already is brought to now, and lasts longer. */
	expect(holds || rc != QUOTA_REFUSED ||
	    (would_why.level == why.level && would_why.used == why.used &&
	    would_why.retry_s == why.retry_s && memcmp(&would_why.limit,
	    &why.limit, sizeof(why.limit)) == 0),
	    "would and reserve differ in why");
	judge(rc, m, amount.of, NULL, &why);
	if (rc == QUOTA_GRANTED)
		hold(m, amount.of);
	for (unsigned n = 0; n <= r.set[m->account].sums; n++)
		r.known[payer(m->account, n)] |= rc == QUOTA_GRANTED &&
		    r.set[payer(m->account, n)].count != 0;
	expect(memcmp(m->use.amount.of, m->held, sizeof(m->held)) == 0,
	    "the use holds another amount");
}

static void
over(struct message *m)
{
	static const struct message none;

	*m = none;
}

static void
commit(struct message *m)
{
	struct quota_refusal why = {.used = 0};
	struct event *e = &r.event[r.events];
	int rc;

	if (m->use.account == NULL)
		return;
	rc = quota_commit(r.q, &m->use, &why);
	SAY("message %d: commit: %d, %u", (int)(m - r.message), rc,
	    why.level);
	judge(rc, m, m->held, m, &why);
	if (rc == QUOTA_GRANTED) {
		*e = (struct event){.account = m->account, .at = r.now};
		memcpy(e->amount, m->held, sizeof(e->amount));
		r.events++;
		if (rnd(8) == 0) {
			quota_cancel(r.q, &m->use);
			SAY("message %d: cancelled", (int)(m - r.message));
			r.events--;
		} else if (rnd(4) == 0) {
			quota_settle(r.q, &m->use);
		}
	}
	quota_release(r.q, &m->use);
	over(m);
}

static void
give_back(struct message *m)
{
	struct quota_amount amount = {{0, 1, 0}};

	if (m->held[QUOTA_RECIPIENTS] == 0)
		return;
	quota_give_back(r.q, &m->use, &amount);
	m->held[QUOTA_RECIPIENTS]--;
	SAY("message %d: one recipient back", (int)(m - r.message));
}

static void
release(struct message *m)
{
	SAY("message %d: given up", (int)(m - r.message));
	quota_release(r.q, &m->use);
	over(m);
}

static void
reset(void)
{
	int a = rnd(3) == 0 ? -1 : (int)rnd(PAYERS);
	int rc = a < 0 ? quota_reset_all(r.q) : quota_reset(r.q, names[a]);

	SAY("reset %s: %d", a < 0 ? "all" : names[a], rc);
	expect(rc == (a < 0 || r.known[a] ? 0 : ERR_NOTFOUND), "reset");
	for (int i = 0; rc == 0 && i < PAYERS; i++) {
		if (a < 0 || i == a)
			r.reset[i] = r.now;
	}
	/* What comes in the same moment is after it. */
	r.now++;
}

static void
lock(void)
{
	int a = (int)rnd(PAYERS), rc;
	bool on = rnd(a < ACCOUNTS ? 3 : 6) == 0;

	rc = quota_lock(r.q, names[a], on);
	SAY("%s %s: %d", on ? "lock" : "unlock", names[a], rc);
	expect(rc == (on || r.known[a] ? 0 : ERR_NOTFOUND), "lock");
	r.known[a] = r.known[a] || on;
	r.locked[a] = rc == 0 ? on : r.locked[a];
}

static void
wait(void)
{
	static const uint64_t most[] = {S / 10, 20 * S, 70 * S, 4000 * S};
	uint64_t ns = 1 + (uint64_t)rnd(1000) * (most[rnd(4)] / 1000);

	r.now += ns;
	SAY("%" PRIu64 " ms pass", ns / 1000000);
}

static void
step(void)
{
	struct message *m = &r.message[rnd(MESSAGES)];
	unsigned what = rnd(100);

	if (what < 42)
		reserve(m);
	else if (what < 62)
		commit(m);
	else if (what < 68)
		give_back(m);
	else if (what < 73)
		release(m);
	else if (what < 90)
		wait();
	else if (what < 93)
		reset();
	else if (what < 97)
		lock();
	else
		quota_check(r.q, NULL, NULL);
	look_at_windows();
	look_at_table();
}

/* --- rounds --------------------------------------------------------------- */

static void
add_sum(struct quota_set *set, int who)
{
	set->sum[set->sums++] = (struct quota_sum){names[who], &r.set[who]};
}

static void
configure(void)
{
	static const uint64_t most[QUOTA_KINDS] = {5, 8, 3000};

	for (int a = 0; a < PAYERS; a++) {
		for (unsigned n = rnd(5); n > 0; n--) {
			unsigned kind = rnd(QUOTA_KINDS);

			quota_set_add(&r.set[a], &(struct quota_limit){kind,
			    lengths[rnd(LENGTHS)], (a < ACCOUNTS ? 1 : 2) *
			    rnd((unsigned)most[kind] + 1)});
		}
	}
	r.set[3].minor = true;
	for (int a = 0; a < ACCOUNTS && rnd(4) != 0; a++) {
		if (a != 2)
			add_sum(&r.set[a], 4);
		add_sum(&r.set[a], 5);
	}
}

static int
open_file(struct quota **q_r, const struct quota_options *opt,
    struct errmsg *msg_r)
{
	unlink("contract.table");
	return quota_open(q_r, "contract.table", opt, NULL, msg_r);
}

static const struct store {
	const char *name;
	int (*open)(struct quota **q_r, const struct quota_options *opt,
	    struct errmsg *msg_r);
} stores[] = {{"a file", open_file}, {"memory", quota_open_memory}};

static bool
round_run(const struct store *store, uint64_t seed)
{
	static const struct quota_clock clock = {boottime, wall, boot_id, NULL};
	const struct quota_options opt = {.mode = QUOTA_CREATE,
	    .accounts = 2 * PAYERS, .limits = QUOTA_LIMITS_MAX,
	    .clock = &clock};
	struct errmsg msg = {.text = ""};

	memset(&r, 0, offsetof(struct round, grants));
	r.seed = seed;
	r.x = seed * 0x9e3779b97f4a7c15u | 1;
	r.now = 1000 * S;
	configure();
	if (store->open(&r.q, &opt, &msg) != 0) {
		printf("not ok - %s: %s\n", store->name, msg.text);
		return false;
	}
	for (int i = 0; i < STEPS && r.wrong == NULL; i++)
		step();
	quota_close(r.q);
	if (r.wrong == NULL)
		return true;
	for (unsigned i = r.lines > LINES ? r.lines - LINES : 0; i < r.lines;
	    i++)
		printf("#   %s\n", r.line[i % LINES]);
	printf("not ok - %s: %s; seed %" PRIu64 "\n", store->name, r.wrong,
	    seed);
	return false;
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 150;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	int wrong = 0;

	for (size_t n = 0; n < sizeof(stores) / sizeof(*stores); n++) {
		bool good = true;

		r.grants = r.refusals = r.locks = r.by_sums = 0;
		for (unsigned i = 0; i < rounds && good; i++)
			good = round_run(&stores[n], seed + i);
		printf("# %s: %u granted, %u refused, %u locked; %u by sums\n",
		    stores[n].name, r.grants, r.refusals, r.locks, r.by_sums);
		if (good && (r.grants < rounds || r.refusals < rounds ||
		    r.locks < rounds || r.by_sums < rounds)) {
			printf("not ok - too little happened\n");
			good = false;
		}
		if (good)
			printf("ok - %s\n", stores[n].name);
		wrong += !good;
	}
	unlink("contract.table");
	return wrong != 0;
}
