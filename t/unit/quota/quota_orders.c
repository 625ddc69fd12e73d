/*
 * Messages, resets, reloads and reboots in random orders, one at a time, by a
 * clock that only moves when told to; several processes with limits of their
 * own count in one table.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	unit_quota_orders [ROUNDS [SEED [KINDS]]]
 *
 * Of KINDS "b" leaves out reboots, "w" other windows than one process has.
 *
 * What is held against the table: when a message is committed, no window of
 * that process's limits holds more than the limit, of what was committed since
 * the last reset and while a ring for such a window was there.  (Processes that
 * do not have the limit may go beyond it once the message is reserved.)  With one
 * configuration, a refusal is right only if what was committed, or is reserved,
 * within 25/24 of the window reaches the limit.  On failure the round's history
 * is printed, and its seed, which makes it again.
 */
#include "lib/quota/quota.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"

#define S UINT64_C(1000000000)
#define PROCESSES 3
#define ACCOUNTS 3
#define MESSAGES 10
#define STEPS 400
#define EVENTS 1000
#define LINES 1000

static const uint32_t lengths[] = {60, 300, 3600, 604800};
#define LENGTHS 4

struct event { /* a commit */
	int account, process;
	uint64_t at, amount[QUOTA_KINDS];
};

struct message {
	struct quota_use use;
	int process, account;
	uint64_t reserved[QUOTA_KINDS]; /* when it was granted more, last */
};

static struct round {
	uint64_t seed, x;
	bool plain; /* one configuration, no reboot */
	uint64_t boot, now; /* now: of no clock that is ever wrong */
	unsigned char boot_id;
	char path[64];
	struct quota *q[PROCESSES];
	struct quota_set set[PROCESSES];
	struct message message[MESSAGES];
	struct event event[EVENTS];
	unsigned events;
	uint64_t reset[ACCOUNTS];
	/* Since when there is surely a ring; UINT64_MAX: there may be none. */
	uint64_t since[ACCOUNTS][QUOTA_KINDS][LENGTHS];
	char line[LINES][100];
	unsigned lines;
	unsigned commits, refusals;
} r;

static bool reboots = true, others = true;

static unsigned
rnd(unsigned below)
{
	r.x ^= r.x << 13;
	r.x ^= r.x >> 7;
	r.x ^= r.x << 17;
	return (unsigned)((r.x >> 11) % below);
}

#define SAY(...) snprintf(r.line[r.lines++ % LINES], sizeof(r.line[0]), \
    __VA_ARGS__)

static uint64_t
boottime(void *ctx)
{
	(void)ctx;
	return r.boot;
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
	memset(id_r, r.boot_id, 16);
}

static const char *
name(int account)
{
	static const char *const names[ACCOUNTS] = {"a", "b", "c"};

	return names[account];
}

static void
open_all(void)
{
	static const struct quota_clock clock = {boottime, wall, boot_id, NULL};

	for (int p = 0; p < PROCESSES; p++) {
		struct quota_options opt = {.mode = QUOTA_CREATE,
		    .limits = r.set[p].count, .accounts = 2, .clock = &clock};
		struct errmsg msg;

		if (quota_open(&r.q[p], r.path, &opt, NULL, &msg) != 0) {
			printf("not ok - open: %s\n", msg.text);
			exit(1);
		}
	}
}

static void
configure(void)
{
	for (int p = 0; p < PROCESSES; p++) {
		r.set[p].count = 0;
		for (unsigned n = 1 + rnd(3); n > 0; n--)
			quota_set_add(&r.set[p], &(struct quota_limit){
			    rnd(2) == 0 ? QUOTA_MESSAGES : QUOTA_RECIPIENTS,
			    lengths[rnd(LENGTHS)], 3 + rnd(6)});
		if (r.plain)
			r.set[p] = r.set[0];
		for (unsigned k = 0; k < r.set[p].count; k++)
			SAY("process %d: %" PRIu64 " %s in %u s", p,
			    r.set[p].limit[k].limit,
			    quota_kind_name(r.set[p].limit[k].kind),
			    r.set[p].limit[k].window_s);
	}
}

/* --- the oracle ----------------------------------------------------------- */

/* Is the process held to the limit? */
static bool
held_to(int process, const struct quota_limit *l)
{
	const struct quota_set *set = &r.set[process];

	for (unsigned i = 0; i < set->count; i++) {
		if (set->limit[i].kind == l->kind &&
		    set->limit[i].window_s == l->window_s)
			return set->limit[i].limit <= l->limit;
	}
	return false;
}

/* For a message: without what others may do after its reservation. */
static uint64_t
counted(const struct message *m, const struct quota_limit *l, uint64_t since)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r.events; i++) {
		const struct event *e = &r.event[i];

		if (e->account == m->account && e->at >= since &&
		    e->at > r.reset[e->account] &&
		    e->at + l->window_s * S > r.now &&
		    (e->at < m->reserved[l->kind] ||
		    held_to(e->process, l)))
			sum += e->amount[l->kind];
	}
	return sum;
}

static uint64_t
committed(int account, unsigned kind, uint64_t window, uint64_t since)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < r.events; i++) {
		const struct event *e = &r.event[i];

		if (e->account == account && e->at >= since &&
		    e->at > r.reset[account] && e->at + window > r.now)
			sum += e->amount[kind];
	}
	return sum;
}

/* A ring in which nothing counts may be gone, unless the set has it. */
static void
rings_go(int account, const struct quota_set *set)
{
	/* What came in the same moment was before it. */
	r.boot++;
	r.now++;
	for (unsigned k = 0; k < QUOTA_KINDS; k++) {
		for (unsigned n = 0; n < LENGTHS; n++) {
			uint64_t *since = &r.since[account][k][n];

			if (committed(account, k, lengths[n] * S, 0) == 0)
				*since = UINT64_MAX;
			for (unsigned i = 0; i < set->count; i++) {
				if (set->limit[i].kind == k &&
				    set->limit[i].window_s == lengths[n] &&
				    *since > r.now)
					*since = r.now;
			}
		}
	}
}

/* Of the ring, or a longer one. */
static uint64_t
ring_since(int account, unsigned kind, uint32_t window)
{
	uint64_t since = UINT64_MAX;

	for (unsigned n = 0; n < LENGTHS; n++) {
		if (lengths[n] >= window && r.since[account][kind][n] < since)
			since = r.since[account][kind][n];
	}
	return since;
}

static const char *
granted(const struct message *m, const struct quota_amount *amount)
{
	const struct quota_set *set = &r.set[m->process];
	struct event *e = &r.event[r.events++];

	*e = (struct event){.account = m->account, .process = m->process,
	    .at = r.now};
	memcpy(e->amount, amount->of, sizeof(e->amount));
	for (unsigned i = 0; i < set->count; i++) {
		const struct quota_limit *l = &set->limit[i];

		if (amount->of[l->kind] != 0 && counted(m, l,
		    ring_since(m->account, l->kind, l->window_s)) > l->limit)
			return "granted more than the limit";
	}
	r.commits++;
	return NULL;
}

static const char *
refused(const struct message *m, const struct quota_amount *asked,
    const struct quota_refusal *why)
{
	unsigned kind = why->limit.kind;
	uint64_t sum = committed(m->account, kind,
	    why->limit.window_s * S * 25 / 24, 0) + asked->of[kind];

	r.refusals++;
	for (int i = 0; i < MESSAGES; i++) {
		if (r.message[i].account == m->account)
			sum += r.message[i].use.amount.of[kind];
	}
	return r.plain && sum <= why->limit.limit ? "refused for nothing" :
	    NULL;
}

/* --- deeds ---------------------------------------------------------------- */

static const char *
reserve(struct message *m, int n)
{
	struct quota_amount amount = {{rnd(2), rnd(3), 0}};
	struct quota_refusal why = {.used = 0};
	int rc;

	if (m->use.account == NULL) {
		m->process = (int)rnd(PROCESSES);
		m->account = rnd(3) == 0 ? (int)rnd(ACCOUNTS) : 0;
	}
	rings_go(m->account, &r.set[m->process]);
	rc = quota_reserve(r.q[m->process], name(m->account),
	    &r.set[m->process], &amount, &m->use, &why);
	SAY("message %d, process %d, account %s: %d messages, %d recipients: "
	    "%d", n, m->process, name(m->account), (int)amount.of[0],
	    (int)amount.of[1], rc);
	for (unsigned k = 0; k < QUOTA_KINDS; k++) {
		if (rc == QUOTA_GRANTED && amount.of[k] != 0)
			m->reserved[k] = r.now;
	}
	return rc == QUOTA_REFUSED ? refused(m, &amount, &why) : NULL;
}

static const char *
commit(struct message *m, int n)
{
	struct quota_amount amount = m->use.amount;
	struct quota_refusal why = {.used = 0};
	const char *wrong = NULL;
	int rc;

	if (m->use.account == NULL)
		return NULL;
	rings_go(m->account, &r.set[m->process]);
	rc = quota_commit(r.q[m->process], &m->use, &why);
	SAY("message %d: committed: %d", n, rc);
	if (rc == QUOTA_GRANTED)
		wrong = granted(m, &amount);
	else if (rc == QUOTA_REFUSED)
		wrong = refused(m, &amount, &why);
	quota_release(r.q[m->process], &m->use);
	return wrong;
}

static void
give_back(struct message *m, int n)
{
	struct quota_amount amount = {{0, 1, 0}};

	if (m->use.amount.of[QUOTA_RECIPIENTS] != 0) {
		quota_give_back(r.q[m->process], &m->use, &amount);
		SAY("message %d: one recipient back", n);
	}
}

/* Mostly a little, or to where laps of the same number come round. */
static void
wait(void)
{
	uint32_t w = lengths[rnd(LENGTHS)];
	uint64_t lap = w * (S * 25 / 24) / 32 * 32, ns;

	switch (rnd(8)) {
	case 0:
		ns = lap * 256 * (1 + rnd(2));
		break;
	case 1:
		ns = w * (S + S / 24 + rnd(3)) + S;
		break;
	case 2:
	case 3:
		ns = rnd(w) * S;
		break;
	default:
		ns = rnd(2000) * (S / 1000);
	}
	r.boot += ns;
	r.now += ns;
	SAY("%" PRIu64 " ms pass", ns / 1000000);
}

static void
reset(void)
{
	int account = rnd(3) == 0 ? (int)rnd(ACCOUNTS) : 0;
	bool all = rnd(2) == 0;
	int rc = all ? quota_reset_all(r.q[0]) :
	    quota_reset(r.q[0], name(account));

	SAY("reset %s", all ? "all" : name(account));
	for (int i = 0; rc == 0 && i < ACCOUNTS; i++) {
		if (all || i == account)
			r.reset[i] = r.now;
	}
	/* What comes in the same moment is after it. */
	r.boot++;
	r.now++;
}

/* All that is under way is lost. */
static void
reboot(void)
{
	uint64_t away = rnd(3) == 0 ? rnd(4000) * S : rnd(60) * S;

	quota_check(r.q[0], NULL, NULL);
	for (int p = 0; p < PROCESSES; p++)
		quota_close(r.q[p]);
	memset(r.message, 0, sizeof(r.message));
	r.boot_id++;
	r.boot = 3 * S;
	r.now += away;
	SAY("reboot, %" PRIu64 " s", away / S);
	open_all();
}

static const char *
step(void)
{
	int n = (int)rnd(MESSAGES);
	struct message *m = &r.message[n];
	unsigned what = rnd(100);

	if (what < 45)
		return reserve(m, n);
	if (what < 65)
		return commit(m, n);
	if (what < 70)
		give_back(m, n);
	else if (what < 75 && m->use.account != NULL) {
		quota_release(r.q[m->process], &m->use);
		SAY("message %d: given up", n);
	} else if (what < 93)
		wait();
	else if (what < 97)
		reset();
	else if (what < 98)
		quota_check(r.q[rnd(PROCESSES)], NULL, NULL);
	else if (what < 99 && reboots && !r.plain)
		reboot();
	return NULL;
}

static int
round_run(uint64_t seed)
{
	const char *wrong = NULL;

	r.seed = seed;
	r.x = seed * 0x9e3779b97f4a7c15u | 1;
	for (int i = 0; i < 8; i++)
		rnd(2);
	r.plain = rnd(2) == 0 || !others;
	r.boot = 1000 * S;
	r.now = 1;
	r.boot_id = 1;
	r.events = r.lines = 0;
	memset(r.message, 0, sizeof(r.message));
	memset(r.reset, 0, sizeof(r.reset));
	memset(r.since, 0xff, sizeof(r.since));
	unlink(r.path);
	configure();
	open_all();
	for (int i = 0; i < STEPS && wrong == NULL; i++)
		wrong = step();
	for (int p = 0; p < PROCESSES; p++)
		quota_close(r.q[p]);
	if (wrong == NULL)
		return 0;
	for (unsigned i = r.lines > LINES ? r.lines - LINES : 0; i < r.lines;
	    i++)
		printf("#   %s\n", r.line[i % LINES]);
	printf("not ok - %s; seed %" PRIu64 "\n", wrong, seed);
	return 1;
}

int
main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 1500;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	char dir[] = "quota_orders.XXXXXX";
	int wrong = 0;

	reboots = argc <= 3 || strchr(argv[3], 'b') == NULL;
	others = argc <= 3 || strchr(argv[3], 'w') == NULL;
	if (mkdtemp(dir) == NULL) {
		perror("set-up");
		return 1;
	}
	snprintf(r.path, sizeof(r.path), "%s/table", dir);
	for (unsigned i = 0; i < rounds && wrong < 3; i++)
		wrong += round_run(seed + i);
	unlink(r.path);
	rmdir(dir);
	printf("# %u rounds from seed %" PRIu64 ": %u commits, %u refusals\n",
	    rounds, seed, r.commits, r.refusals);
	if (r.commits < rounds || r.refusals < rounds) {
		printf("not ok - too little happened\n");
		wrong++;
	}
	printf("%s\n", wrong == 0 ? "ok" : "not ok");
	return wrong != 0;
}
