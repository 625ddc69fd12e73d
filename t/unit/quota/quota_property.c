/*
 * Many processes and threads on one quota table, killed, stopped, restarted and
 * reloaded at random; afterwards an exact oracle looks at everything that they
 * were told.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	unit_quota_property [SECONDS [SEED]]
 *
 * What is held against the table, by stamps taken after the calls returned, as
 * a client takes them when it reads the reply:
 *  - no window (s, s + W] holds more than the limit;
 *  - a refusal is right only if what was committed, or reserved by anybody,
 *    within the last 25/24 of the window reaches the limit with what was asked;
 *  - both hold of the sums that accounts count in, over all of these;
 *  - 64 contenders for 50 places fill at least 48 of them, and who races for the
 *    places of a sum, each from an account of his own, fills nearly all.
 */
#include "lib/quota/quota.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"

#define S UINT64_C(1000000000)
#define WORKERS 4
#define THREADS 8 /* of a worker, and one that administers */
#define ACCOUNTS 5
#define SKEW (6 * S / 1000)
#define SPARE (2 * S / 1000) /* a reply so late needs no settling */
#define OPS_MAX 6000000
#define ACTS_MAX 20000

/* Always in force; the limits of a process are up to LESS lower. */
static const struct quota_limit fixed[] = {
    {QUOTA_MESSAGES, 1, 60},
    {QUOTA_RECIPIENTS, 2, 300},
    {QUOTA_BYTES, 3, 1500000},
};
#define FIXED (sizeof(fixed) / sizeof(*fixed))
#define LESS 2

/* The sums over the first accounts, and over all. */
static const struct sum {
	const char *name;
	int accounts;
	struct quota_limit fixed[2];
} sums[] = {
    {"@sum", 3, {{QUOTA_MESSAGES, 1, 100}, {QUOTA_RECIPIENTS, 2, 450}}},
    {"*", ACCOUNTS, {{QUOTA_MESSAGES, 3, 400}, {QUOTA_BYTES, 2, 2000000}}},
};
#define SUMS 2

enum state {
	OP_OPEN, /* reserving; stays so when its process is killed */
	OP_COMMITTED,
	OP_GONE, /* aborted or refused */
};

/* One message. */
struct op {
	_Atomic int state;
	int worker, account;
	uint64_t amount[QUOTA_KINDS]; /* asked for so far */
	uint64_t start, commit, stamp, end;
	/* A refusal: between these times, by this limit. */
	uint64_t refused_from, refused_to;
	uint64_t need; /* of the limit's kind, when refused */
	uint64_t own;  /* reserved by this message itself, then */
	unsigned traces; /* that it may have left: 1, one more by each move */
	struct quota_limit limit;
	int payer; /* whose it is: an account, or ACCOUNTS and a sum */
};

/* A reset, or a move of the table. */
struct act {
	enum { ACT_RESET, ACT_MOVE } what;
	int worker, account; /* -1: all */
	uint64_t from;
	_Atomic uint64_t to; /* 0: not ended */
};

/* What the workers are in for. */
static const struct scene {
	const char *name;
	int workers;
	bool trouble; /* kills, resets, reloads */
	unsigned dawdle, hold; /* one in so many: a little; beyond windows */
	double share; /* of the time */
} scenes[] = {
    {"trouble", WORKERS, true, 6, 30, 0.4},
    {"slow", WORKERS, false, 1000000, 40, 0.4},
    {"rush", 2, false, 1000000, 1000000, 0.2},
};

static struct shared {
	int scene;
	_Atomic unsigned ops, acts;
	_Atomic int stop;
	struct op op[OPS_MAX];
	struct act act[ACTS_MAX];
} *sh;

static char path[256];

static uint64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * S + (uint64_t)ts.tv_nsec;
}

static unsigned
rnd(uint64_t *x, unsigned below)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return (unsigned)((*x >> 11) % below);
}

static void
nap(uint64_t ns)
{
	struct timespec ts = {(time_t)(ns / S), (long)(ns % S)};

	nanosleep(&ts, NULL);
}

/* --- workers ------------------------------------------------------------ */

struct config {
	struct quota *q;
	struct quota_set set, sum[SUMS];
	char sum_name[SUMS][32];
};

struct worker {
	int n;
	uint64_t seed;
	_Atomic(struct config *) config;
};

/* The first worker's clock is a little ahead, as if read on another processor;
 * by less than what windows have to spare. */
static uint64_t
boottime(void *ctx)
{
	return now() + (((struct worker *)ctx)->n == 1 ? SKEW : 0);
}

/* The wall clock steps to and fro all the time. */

static uint64_t
wall(void *ctx)
{
	uint64_t x = now() * 0x9e3779b97f4a7c15u | 1;

	(void)ctx;
	return rnd(&x, 2000000000) * S;
}

static void
boot_id(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 7, 16);
}


static struct act *
act_begin(int what, int worker, int account)
{
	unsigned n = atomic_fetch_add(&sh->acts, 1);
	struct act *a = &sh->act[n % ACTS_MAX];

	a->what = what;
	a->worker = worker;
	a->account = account;
	a->from = now();
	return a;
}

/* A new configuration: another capacity, other limits, one window that is not
 * like the others'. */
static struct config *
configure(struct worker *w, uint64_t *x)
{
	static const uint32_t sizes[] = {64, 64, 64, 150, 900};
	struct quota_clock clock = {boottime, wall, boot_id, w};
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 5,
	    .accounts = sizes[rnd(x, 5)], .clock = &clock};
	struct config *c = calloc(1, sizeof(*c));
	struct act *a = act_begin(ACT_MOVE, w->n, -1);
	struct quota_report *rep = calloc(1, sizeof(*rep));
	/* Slots have room for two more rings, so sometimes one must go. */
	struct quota_limit more = {QUOTA_MESSAGES, rnd(x, 8) == 0 ?
	    6 + rnd(x, 2) : 4 + rnd(x, 2), 10000};
	struct errmsg msg;

	if (quota_open(&c->q, path, &opt, rep, &msg) != 0) {
		fprintf(stderr, "open: %s\n", msg.text);
		abort();
	}
	if (rep->event == QUOTA_RENEWED) {
		fprintf(stderr, "renewed: %s\n", rep->words);
		abort();
	}
	if (rep->event != QUOTA_MIGRATED)
		a->from = UINT64_MAX;
	atomic_store(&a->to, now());
	free(rep);
	for (size_t i = 0; i < FIXED; i++) {
		struct quota_limit l = fixed[i];

		l.limit -= rnd(x, 3) == 0 ? rnd(x, LESS + 1) : 0;
		quota_set_add(&c->set, &l);
	}
	if (rnd(x, 2) == 0)
		quota_set_add(&c->set, &more);
	for (size_t i = 0; i < SUMS; i++) {
		snprintf(c->sum_name[i], sizeof(c->sum_name[i]), "%s%d",
		    sums[i].name, sh->scene);
		for (size_t k = 0; k < 2; k++)
			quota_set_add(&c->sum[i], &sums[i].fixed[k]);
	}
	return c;
}

/* The account's set, with its sums. */
static struct quota_set
set_of(const struct config *c, int account)
{
	struct quota_set set = c->set;

	for (size_t i = 0; i < SUMS; i++) {
		if (account < sums[i].accounts)
			set.sum[set.sums++] = (struct quota_sum){
			    c->sum_name[i], &c->sum[i]};
	}
	return set;
}

static int
payer_of(int account, unsigned level)
{
	unsigned sum = 0;

	if (level == 0)
		return account;
	for (size_t i = 0; i < SUMS; i++) {
		if (account < sums[i].accounts && ++sum == level)
			return ACCOUNTS + (int)i;
	}
	abort();
}

static bool
answered(int rc, struct op *op, const struct quota_refusal *why,
    const struct quota_amount *asked, const struct quota_use *use)
{
	if (rc == QUOTA_GRANTED)
		return true;
	if (rc != QUOTA_REFUSED) {
		fprintf(stderr, "unexpected: %d %s errno %d\n", rc,
		    err_text(rc), errno);
		abort();
	}
	op->limit = why->limit;
	op->payer = payer_of(op->account, why->level);
	op->need = asked->of[why->limit.kind];
	op->own = use->amount.of[why->limit.kind];
	op->refused_to = now();
	return false;
}

/* Some take their time, a few longer than any window. */
static void
dawdle(uint64_t *x)
{
	const struct scene *scene = &scenes[sh->scene];

	if (rnd(x, scene->dawdle) == 0)
		nap(rnd(x, 60) * S / 1000);
	else if (rnd(x, scene->hold) == 0)
		nap(S + rnd(x, 1000) * S / 1000);
}

/* Resets have their time, and then there is peace, for windows to fill. */
static bool
reset_time(void)
{
	return scenes[sh->scene].trouble && now() / S % 5 < 2;
}

/* account -1: all. */
static void
reset(struct worker *w, struct quota *q, int account)
{
	struct act *a = act_begin(ACT_RESET, w->n, account);
	char name[32];

	snprintf(name, sizeof(name), "account%d-%d", sh->scene, account);
	if (account < 0)
		quota_reset_all(q);
	else
		quota_reset(q, name);
	atomic_store(&a->to, now());
}

/* One message: reserved in steps, committed or given up. */
static bool
send_one(struct worker *w, uint64_t *x)
{
	const struct config *c = atomic_load(&w->config);
	unsigned n = atomic_fetch_add(&sh->ops, 1);
	struct op *op = &sh->op[n];
	struct quota_use use = {0};
	struct quota_refusal why;
	struct quota_set set;
	char name[32];
	bool ok = true;

	if (n >= OPS_MAX)
		return false;
	op->worker = w->n;
	op->start = now();
	/* Most of them crowd at the same account, each in its turn. */
	op->account = rnd(x, 4) == 0 ? (int)rnd(x, ACCOUNTS) :
	    (int)(op->start / (S / 5) % ACCOUNTS);
	snprintf(name, sizeof(name), "account%d-%d", sh->scene, op->account);
	set = set_of(c, op->account);
	for (unsigned step = 1 + rnd(x, 4); ok && step > 0; step--) {
		/* As a session does: recipients, and at last the rest. */
		struct quota_amount amount = {{step == 1, step == 1 &&
		    op->amount[QUOTA_RECIPIENTS] != 0 ? 0 : 1 + rnd(x, 3),
		    step == 1 ? rnd(x, 10000) : 0}};

		for (unsigned k = 0; k < QUOTA_KINDS; k++)
			op->amount[k] += amount.of[k];
		op->refused_from = now();
		ok = answered(quota_reserve(c->q, name, &set, &amount, &use,
		    &why), op, &why, &amount, &use);
		if (ok)
			dawdle(x);
		if (ok && rnd(x, 60) == 0 && reset_time()) {
			/* Between two steps, which makes others count. */
			reset(w, c->q, op->account);
			nap(rnd(x, 20) * S / 1000);
		}
	}
	if (ok && rnd(x, 3) != 0) {
		struct quota_amount amount = use.amount;

		op->commit = op->refused_from = now();
		ok = answered(quota_commit(c->q, &use, &why), op, &why, &amount,
		    &use);
		if (ok) {
			op->stamp = now();
			atomic_store(&op->state, OP_COMMITTED);
			if (op->stamp - op->commit > SPARE)
				quota_settle(c->q, &use);
			op->end = now();
			return true;
		}
	}
	quota_release(c->q, &use);
	op->end = now();
	atomic_store(&op->state, OP_GONE);
	return ok;
}

static void *
sender(void *arg)
{
	struct worker *w = arg;
	uint64_t x = w->seed ^ (uint64_t)(uintptr_t)&x;

	while (!atomic_load(&sh->stop)) {
		if (!send_one(w, &x) && rnd(&x, 16) == 0)
			nap(rnd(&x, 1000) * 1000);
	}
	return NULL;
}

/* Reloads, resets, other accounts coming and going; until the end. */
static void
administer(struct worker *w, uint64_t *x)
{
	while (!atomic_load(&sh->stop)) {
		struct config *c = atomic_load(&w->config);
		struct quota_use use = {0};
		struct quota_amount one = {{1, 1, 1}};
		char name[32];

		nap(rnd(x, 100) * S / 1000);
		if (!scenes[sh->scene].trouble)
			continue;
		switch (rnd(x, 16)) {
		case 0: /* the old one stays: messages are under way with it */
			atomic_store(&w->config, configure(w, x));
			break;
		case 1:
			if (reset_time())
				reset(w, c->q, rnd(x, 4) == 0 ? -1 :
				    (int)rnd(x, ACCOUNTS));
			break;
		case 2:
			quota_check(c->q, NULL, NULL);
			break;
		case 3:
			snprintf(name, sizeof(name), "locked%u", rnd(x, 5));
			quota_lock(c->q, name, rnd(x, 2) == 0);
			break;
		default:
			snprintf(name, sizeof(name), "guest%u", rnd(x, 500));
			quota_reserve(c->q, name, &c->set, &one, &use, NULL);
			quota_release(c->q, &use);
		}
	}
}

static pid_t
worker_start(int n, uint64_t seed)
{
	struct worker w = {.n = n, .seed = seed};
	pthread_t id[THREADS];
	uint64_t x = seed;
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	atomic_store(&w.config, configure(&w, &x));
	for (int t = 0; t < THREADS; t++)
		pthread_create(&id[t], NULL, sender, &w);
	administer(&w, &x);
	for (int t = 0; t < THREADS; t++)
		pthread_join(id[t], NULL);
	_exit(0);
}

/* What a worker that is no more had begun, ended with it at the latest. */
static void
bury(int n)
{
	uint64_t t = now();
	unsigned ops = atomic_load(&sh->ops), acts = atomic_load(&sh->acts);

	for (unsigned i = 0; i < ops && i < OPS_MAX; i++) {
		if (sh->op[i].worker == n && sh->op[i].start != 0 &&
		    sh->op[i].end == 0)
			sh->op[i].end = t;
	}
	for (unsigned i = 0; i < acts && i < ACTS_MAX; i++) {
		if (sh->act[i].worker == n &&
		    atomic_load(&sh->act[i].to) == 0)
			atomic_store(&sh->act[i].to, t);
	}
}

/* One of the workers sleeps for a while, or dies and is born again. */
static int
trouble(pid_t pid[], uint64_t *x)
{
	int n = (int)rnd(x, WORKERS), status;

	if (rnd(x, 4) == 0) {
		kill(pid[n], SIGSTOP);
		nap(rnd(x, 50) * S / (rnd(x, 2) == 0 ? 100 : 1000));
		kill(pid[n], SIGCONT);
		return 0;
	}
	kill(pid[n], SIGKILL);
	waitpid(pid[n], &status, 0);
	bury(n + 1);
	pid[n] = worker_start(n + 1, rnd(x, UINT32_MAX) + 1u);
	return !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL;
}

static int
storm(int which, double seconds, uint64_t *x)
{
	const struct scene *scene = &scenes[which];
	uint64_t end = now() + (uint64_t)(seconds * scene->share * (double)S);
	pid_t pid[WORKERS];
	int bad = 0;

	memset(sh->op, 0, (sh->ops < OPS_MAX ? sh->ops : OPS_MAX) *
	    sizeof(sh->op[0]));
	memset(sh->act, 0, sizeof(sh->act));
	sh->scene = which;
	sh->ops = sh->acts = 0;
	atomic_store(&sh->stop, 0);
	for (int n = 0; n < scene->workers; n++)
		pid[n] = worker_start(n + 1, rnd(x, UINT32_MAX) + 1u);
	while (now() < end) {
		nap(rnd(x, 250) * S / 1000);
		if (scene->trouble)
			bad += trouble(pid, x);
	}
	atomic_store(&sh->stop, 1);
	for (int n = 0; n < scene->workers; n++) {
		int status;

		waitpid(pid[n], &status, 0);
		bad += status != 0;
		bury(n + 1);
	}
	if (bad != 0)
		printf("not ok - %d workers ended otherwise\n", bad);
	return bad;
}

/* --- the oracle --------------------------------------------------------- */

/* The resets that concern an account. */
struct resets {
	size_t n;
	struct act *act[ACTS_MAX];
};

static void
resets_of(struct resets *r, int account)
{
	unsigned acts = atomic_load(&sh->acts);

	r->n = 0;
	for (unsigned i = 0; i < acts && i < ACTS_MAX; i++) {
		struct act *a = &sh->act[i];

		if (a->what == ACT_RESET && a->from != 0 &&
		    (a->account < 0 || a->account == account))
			r->act[r->n++] = a;
	}
}

/* The latest moment before which a reset may have cleared what was committed
 * then, seen from t. */
static uint64_t
cleared_before(const struct resets *r, uint64_t t)
{
	uint64_t latest = 0;

	for (size_t i = 0; i < r->n; i++) {
		if (r->act[i]->from < t && r->act[i]->to > latest)
			latest = r->act[i]->to;
	}
	return latest;
}

/* Was a reset begun after the one moment and ended before the other? */
static bool
cleared_between(const struct resets *r, uint64_t after, uint64_t before)
{
	for (size_t i = 0; i < r->n; i++) {
		if (r->act[i]->from > after && r->act[i]->to < before)
			return true;
	}
	return false;
}

/* Messages under way while the table moved may have left a second trace, which
 * nobody takes back. */
static unsigned
traces(const struct op *op)
{
	unsigned n = 1, acts = atomic_load(&sh->acts);

	for (unsigned i = 0; i < acts && i < ACTS_MAX; i++) {
		const struct act *a = &sh->act[i];

		n += a->what == ACT_MOVE && a->from <= op->end &&
		    a->to >= op->start;
	}
	return n;
}

static int
by_stamp(const void *a, const void *b)
{
	const struct op *x = *(struct op *const *)a;
	const struct op *y = *(struct op *const *)b;

	return x->stamp < y->stamp ? -1 : x->stamp > y->stamp;
}

static int
by_start(const void *a, const void *b)
{
	const struct op *x = *(struct op *const *)a;
	const struct op *y = *(struct op *const *)b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* No window holds more than the limit. */
static int
exceeded(struct op **ops, size_t n, const struct resets *resets,
    const struct quota_limit *l)
{
	int wrong = 0;

	qsort(ops, n, sizeof(*ops), by_stamp);
	for (size_t j = 0; j < n; j++) {
		uint64_t sum = 0, since;

		if (ops[j]->stamp == 0)
			continue;
		since = cleared_before(resets, ops[j]->stamp);
		for (size_t i = j + 1; i-- > 0 && ops[i]->stamp != 0 &&
		    ops[i]->stamp + l->window_s * S > ops[j]->stamp;)
			if (ops[i]->commit > since)
				sum += ops[i]->amount[l->kind];
		if (sum > l->limit && wrong++ < 5)
			printf("not ok - account%d or a sum of it: %" PRIu64
			    " %s in %u s, limit %" PRIu64 "\n",
			    ops[j]->account, sum,
			    quota_kind_name(l->kind), l->window_s, l->limit);
	}
	return wrong;
}

/* What may have counted of these against a refusal, until it is enough: as long
 * as the window lasts, or only until their end. */
static uint64_t
sum_up(struct op **ops, size_t n, bool lasting, const struct resets *resets,
    const struct op *r, uint64_t sum)
{
	const struct quota_limit *l = &r->limit;
	uint64_t span = lasting ? l->window_s * S * 25 / 24 + SKEW : 0;

	for (size_t i = 0; i < n && ops[i]->start <= r->refused_to &&
	    sum <= l->limit; i++) {
		const struct op *op = ops[i];
		bool brief = op->state == OP_GONE || op == r;
		unsigned times = lasting ? op->traces - brief :
		    brief && op != r;

		if (times != 0 && op->end + span >= r->refused_from &&
		    !cleared_between(resets, op->end, r->refused_from))
			sum += op->amount[l->kind] * times;
	}
	return sum;
}

static int
refused_wrongly(struct op **ops, size_t n, int payer,
    const struct resets *resets, unsigned *refusals)
{
	struct op **held = calloc(n + 1, sizeof(*held));
	size_t held_n = 0, first = 0, old = 0;
	uint64_t longest = 0;
	int wrong = 0;

	/* What holds on after its end, and what is over with it. */
	qsort(ops, n, sizeof(*ops), by_start);
	for (size_t i = 0; i < n; i++) {
		if (ops[i]->state != OP_GONE || ops[i]->traces > 1)
			held[held_n++] = ops[i];
		if (ops[i]->state == OP_GONE &&
		    ops[i]->end - ops[i]->start > longest)
			longest = ops[i]->end - ops[i]->start;
	}
	for (size_t j = 0; j < n && wrong < 20; j++) {
		const struct op *r = ops[j];
		const struct quota_limit *l = &r->limit;
		uint64_t sum = r->own + r->need;

		if (r->refused_to == 0 || r->payer != payer ||
		    l->limit > 1000000000 || (payer < ACCOUNTS &&
		    l->kind == QUOTA_MESSAGES && l->window_s != 1))
			continue;
		(*refusals)++;
		/* Over for longer than any window lasts, or any message; by
		 * its start, because a later one may be refused earlier. */
		while (first < held_n && held[first]->end + 4 * S < r->start)
			first++;
		while (old < n && ops[old]->start + longest < r->start)
			old++;
		sum = sum_up(held + first, held_n - first, true, resets, r,
		    sum);
		if (sum <= l->limit)
			sum = sum_up(ops + old, n - old, false, resets, r,
			    sum);
		if (sum <= l->limit && wrong++ < 5)
			printf("not ok - payer%d: refused at %" PRIu64
			    " of %" PRIu64 " %s in %u s\n", payer, sum,
			    l->limit, quota_kind_name(l->kind), l->window_s);
	}
	free(held);
	return wrong;
}

static int
judge(void)
{
	unsigned total = atomic_load(&sh->ops), committed = 0, refusals = 0;
	unsigned by_sums = 0;
	struct op **ops = calloc(total + 1, sizeof(*ops));
	struct resets *resets = calloc(1, sizeof(*resets));
	int wrong = 0;

	if (total >= OPS_MAX || atomic_load(&sh->acts) >= ACTS_MAX)
		printf("# the log is too small\n");
	for (int payer = 0; payer < ACCOUNTS + SUMS; payer++) {
		const struct sum *sum = payer < ACCOUNTS ? NULL :
		    &sums[payer - ACCOUNTS];
		size_t n = 0;

		for (unsigned i = 0; i < total && i < OPS_MAX; i++) {
			if (sh->op[i].start == 0 || (sum == NULL ?
			    sh->op[i].account != payer :
			    sh->op[i].account >= sum->accounts))
				continue;
			ops[n++] = &sh->op[i];
			sh->op[i].traces = traces(&sh->op[i]);
			committed += sum == NULL && sh->op[i].stamp != 0;
		}
		/* A sum has no reset of its own here. */
		resets_of(resets, payer);
		for (size_t i = 0; sum == NULL && i < FIXED; i++)
			wrong += exceeded(ops, n, resets, &fixed[i]);
		for (size_t i = 0; sum != NULL && i < 2; i++)
			wrong += exceeded(ops, n, resets, &sum->fixed[i]);
		wrong += refused_wrongly(ops, n, payer, resets,
		    sum == NULL ? &refusals : &by_sums);
	}
	printf("# %s: %u messages, %u committed, %u refusals judged and %u of "
	    "sums, %u resets and starts\n", scenes[sh->scene].name, total,
	    committed, refusals, by_sums, sh->acts);
	free(ops);
	free(resets);
	if (committed < 10 || refusals < 10 || by_sums < 10) {
		printf("not ok - too little happened\n");
		wrong++;
	}
	return wrong;
}

/* --- contenders ---------------------------------------------------------- */

/*
 * Two threads and more fill one account after the other, as fast as they can:
 * thousands of last places, and nobody is late, so that every one is filled.
 */
struct racer {
	int n;
	bool sums; /* the places are those of a sum */
	struct quota *q;
	struct quota_set set, places;
	pthread_barrier_t *start;
	unsigned accounts;
	_Atomic unsigned *granted;
};

#define RACERS 4
#define PLACES 20

static void *
race(void *arg)
{
	struct racer *r = arg;
	const struct quota_amount one = {{1, 2, 300}};

	pthread_barrier_wait(r->start);
	for (unsigned i = 0; i < r->accounts; i++) {
		char name[64], sum[32];
		int rc;

		snprintf(sum, sizeof(sum), "@race%u", i);
		snprintf(name, sizeof(name), "race%d%s",
		    r->sums ? r->n : 0, sum);
		r->set.sums = r->sums;
		r->set.sum[0] = (struct quota_sum){sum, &r->places};
		do {
			struct quota_use use = {0};

			rc = quota_reserve(r->q, name, &r->set, &one, &use,
			    NULL);
			if (rc == QUOTA_GRANTED)
				rc = quota_commit(r->q, &use, NULL);
			quota_release(r->q, &use);
			r->granted[i] += rc == QUOTA_GRANTED;
		} while (rc == QUOTA_GRANTED);
	}
	return NULL;
}

static int
races(unsigned accounts, bool of_sums)
{
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 5,
	    .accounts = (1 + RACERS) * accounts + 6000};
	struct racer r[RACERS];
	pthread_barrier_t start;
	pthread_t id[RACERS];
	_Atomic unsigned *granted = calloc(accounts, sizeof(*granted));
	unsigned over = 0, under = 0;

	memset(r, 0, sizeof(r));
	pthread_barrier_init(&start, NULL, RACERS);
	/* First all open: the first one resizes, the others find it done. */
	for (int i = 0; i < RACERS; i++) {
		r[i].start = &start;
		r[i].accounts = accounts;
		r[i].granted = granted;
		r[i].n = i;
		r[i].sums = of_sums;
		quota_set_add(&r[i].places, &(struct quota_limit){
		    QUOTA_MESSAGES, 3600, PLACES});
		quota_set_add(&r[i].set, &(struct quota_limit){QUOTA_MESSAGES,
		    3600, of_sums ? 1000 : PLACES});
		if (quota_open(&r[i].q, path, &opt, NULL, NULL) != 0)
			return 1;
	}
	for (int i = 0; i < RACERS; i++)
		pthread_create(&id[i], NULL, race, &r[i]);
	for (int i = 0; i < RACERS; i++)
		pthread_join(id[i], NULL);
	for (int i = 0; i < RACERS; i++)
		quota_close(r[i].q);
	pthread_barrier_destroy(&start);
	for (unsigned i = 0; i < accounts; i++) {
		over += granted[i] > PLACES;
		under += granted[i] < PLACES;
	}
	free(granted);
	printf("# %u races%s, %u left a place empty\n", accounts,
	    of_sums ? " of sums" : "", under);
	if (over != 0)
		printf("not ok - %u races filled more than %u places\n", over,
		    PLACES);
	if (under > accounts / 20)
		printf("not ok - empty places\n");
	return over != 0 || under > accounts / 20;
}

struct contender {
	struct quota *q;
	struct quota_set set;
	pthread_barrier_t start;
	_Atomic unsigned granted;
	char name[32];
};

static void *
contend(void *arg)
{
	struct contender *c = arg;
	int rc = QUOTA_REFUSED;

	pthread_barrier_wait(&c->start);
	for (int tries = 0; tries < 10 && rc == QUOTA_REFUSED; tries++) {
		struct quota_use use = {0};
		struct quota_amount one = {{1, 3, 1000}};

		rc = quota_reserve(c->q, c->name, &c->set, &one, &use, NULL);
		if (rc == QUOTA_GRANTED)
			rc = quota_commit(c->q, &use, NULL);
		quota_release(c->q, &use);
		if (rc == QUOTA_REFUSED)
			nap(S / 1000);
	}
	c->granted += rc == QUOTA_GRANTED;
	return NULL;
}

static int
contention(unsigned rounds)
{
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 5,
	    .accounts = 900};
	struct contender c;
	int wrong = 0;
	unsigned least = 64, most = 0;

	memset(&c, 0, sizeof(c));
	if (quota_open(&c.q, path, &opt, NULL, NULL) != 0)
		return 1;
	quota_set_add(&c.set, &(struct quota_limit){QUOTA_MESSAGES, 3600, 50});
	quota_set_add(&c.set, &(struct quota_limit){QUOTA_RECIPIENTS, 3600,
	    1000});
	for (unsigned r = 0; r < rounds; r++) {
		pthread_t id[64];

		snprintf(c.name, sizeof(c.name), "contended%u", r);
		c.granted = 0;
		pthread_barrier_init(&c.start, NULL, 64);
		for (int i = 0; i < 64; i++)
			pthread_create(&id[i], NULL, contend, &c);
		for (int i = 0; i < 64; i++)
			pthread_join(id[i], NULL);
		pthread_barrier_destroy(&c.start);
		least = c.granted < least ? c.granted : least;
		most = c.granted > most ? c.granted : most;
	}
	quota_close(c.q);
	printf("# 64 contenders filled %u to %u of 50 places\n", least, most);
	if (least < 48 || most > 50) {
		printf("not ok - places\n");
		wrong++;
	}
	return wrong;
}

int
main(int argc, char **argv)
{
	double seconds = argc > 1 ? atof(argv[1]) : 10;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) :
	    now() * 2654435761u | 1;
	char dir[] = "quota_property.XXXXXX";
	int wrong = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("# %.0f s, seed %" PRIu64 "\n", seconds, seed);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sh == MAP_FAILED || mkdtemp(dir) == NULL) {
		perror("set-up");
		return 1;
	}
	snprintf(path, sizeof(path), "%s/table", dir);
	for (int i = 0; i < (int)(sizeof(scenes) / sizeof(*scenes)); i++) {
		wrong += storm(i, seconds, &seed);
		wrong += judge();
	}
	wrong += contention(20) + races(5000, false) + races(5000, true);
	unlink(path);
	strcat(path, ".new");
	unlink(path);
	rmdir(dir);
	printf("%s\n", wrong == 0 ? "ok" : "not ok");
	return wrong != 0;
}
