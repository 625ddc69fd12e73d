/*
 * Two threads in the quota table, as coroutines that may change at every atomic
 * operation: each pair of deeds, crossed at every single point, and at many
 * pairs of points.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	unit_quota_crossings [SECOND-POINTS]
 *
 * The first one goes on until point a, then the second one until its point b
 * (or its end), then the first one until its end, then the second one.  (A lock
 * that the other one holds changes too.)
 *
 * What is held against the table: what was committed after the last reset is
 * within the limit; at the end it is what the table counts, and never more than
 * was committed at all.
 */
#include "lib/quota/quota.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/quota/table.h"

#define S UINT64_C(1000000000)
#define STACK (256 * 1024)
#define PLACES 4
#define TICK (2 * S) /* and a little, of a minute */
#define EPOCH (1700000000 * S)
#define FOREVER UINT64_MAX

/* Not through crossings.h here. */
void crossing(void);
int crossing_lock(pthread_mutex_t *mutex);

/* --- coroutines ----------------------------------------------------------- */

static struct {
	ucontext_t self, co[2];
	bool running, done[2];
	int at; /* which one runs */
	uint64_t ops[2], stop[2];
	uint64_t stamp; /* all operations so far */
	void (*deed[2])(int);
} cross;

static void
cross_to(int other)
{
	int from = cross.at;

	if (cross.done[other])
		return;
	cross.at = other;
	swapcontext(&cross.co[from], &cross.co[other]);
}

void
crossing(void)
{
	if (!cross.running)
		return;
	cross.stamp++;
	if (cross.ops[cross.at]++ == cross.stop[cross.at])
		cross_to(!cross.at);
}

int
crossing_lock(pthread_mutex_t *mutex)
{
	while (pthread_mutex_trylock(mutex) != 0) {
		if (!cross.running || cross.done[!cross.at])
			abort(); /* nobody will ever unlock it */
		cross_to(!cross.at);
	}
	return 0;
}

static void
cross_body(int me)
{
	cross.deed[me](me);
	cross.done[me] = true;
	cross_to(!me);
	cross.running = false;
	setcontext(&cross.self);
}

static void
cross_run(void (*first)(int), void (*second)(int), uint64_t a, uint64_t b)
{
	static _Alignas(16) unsigned char stack[2][STACK];

	cross.deed[0] = first;
	cross.deed[1] = second;
	cross.stop[0] = a;
	cross.stop[1] = b;
	for (int i = 0; i < 2; i++) {
		cross.ops[i] = 0;
		cross.done[i] = false;
		getcontext(&cross.co[i]);
		cross.co[i].uc_stack.ss_sp = stack[i];
		cross.co[i].uc_stack.ss_size = STACK;
		cross.co[i].uc_link = NULL;
		makecontext(&cross.co[i], (void (*)(void))cross_body, 1, i);
	}
	cross.at = 0;
	cross.running = true;
	swapcontext(&cross.self, &cross.co[0]);
}

/* --- the world ------------------------------------------------------------ */

static const struct quota_amount one = {{1, 1, 0}}, rcpt = {{0, 1, 0}},
    message = {{1, 0, 0}};

/* The commit of one message, in stamps. */
struct event {
	uint64_t begun;
	bool other; /* by the account "other" */
};

static struct world {
	struct quota *q;
	uint64_t boot;
	struct quota_set set, other;
	struct quota_use held;    /* reserved a tick ago */
	struct quota_use settled; /* committed a tick ago */
	struct quota_use steps;   /* a recipient is reserved */
	struct event event[16];
	unsigned events;
	uint64_t reset_ended, reset_all_ended;
} w;

static uint64_t
boottime(void *ctx)
{
	(void)ctx;
	return w.boot;
}

static uint64_t
wall(void *ctx)
{
	(void)ctx;
	return EPOCH + w.boot;
}

static void
boot_id(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 1, 16);
}

static void
commit(struct quota_use *use)
{
	uint64_t begun = ++cross.stamp;
	bool other = use->account != NULL && strcmp(use->account, "other") == 0;

	if (use->account != NULL &&
	    quota_commit(w.q, use, NULL) == QUOTA_GRANTED)
		w.event[w.events++] = (struct event){begun, other};
}

static void
send_with(const char *who, const struct quota_set *set)
{
	struct quota_use use = {0};

	if (quota_reserve(w.q, who, set, &one, &use, NULL) == QUOTA_GRANTED)
		commit(&use);
	quota_release(w.q, &use);
}

/* --- deeds ---------------------------------------------------------------- */

static void
d_send(int me)
{
	(void)me;
	send_with("u", &w.set);
}

static void
d_commit(int me)
{
	(void)me;
	commit(&w.held);
}

static void
d_more(int me)
{
	(void)me;
	if (w.steps.account != NULL &&
	    quota_reserve(w.q, "u", &w.set, &message, &w.steps, NULL) == 0)
		commit(&w.steps);
}

static void
d_settle(int me)
{
	(void)me;
	quota_settle(w.q, &w.settled);
}

static void
d_release(int me)
{
	(void)me;
	quota_release(w.q, &w.held);
}

static void
d_give_back(int me)
{
	(void)me;
	quota_give_back(w.q, &w.held, &one);
}

static void
d_reset(int me)
{
	(void)me;
	quota_reset(w.q, "u");
	w.reset_ended = ++cross.stamp;
}

static void
d_reset_all(int me)
{
	(void)me;
	w.boot += TICK;
	quota_reset_all(w.q);
	w.reset_ended = w.reset_all_ended = ++cross.stamp;
	send_with("u", &w.set);
}

/* With windows that the slot has no rings for yet. */
static void
d_other_windows(int me)
{
	(void)me;
	send_with("u", &w.other);
}

/* The only slot: taken from who is idle.  Time goes on, so that nothing covers
 * what was added too late. */
static void
d_other_account(int me)
{
	(void)me;
	w.boot += TICK;
	send_with("other", &w.set);
}

/* Who is counting goes on in the same slot: there is no other one. */
static void
d_rename(int me)
{
	(void)me;
	quota_rename(w.q, "u", "v", NULL);
}

static const struct deed {
	const char *name;
	void (*of)(int);
	const struct quota_use *use; /* one thread's at a time */
} deeds[] = {
    {"send", d_send, NULL}, {"commit", d_commit, &w.held},
    {"more", d_more, &w.steps}, {"settle", d_settle, &w.settled},
    {"release", d_release, &w.held}, {"give back", d_give_back, &w.held},
    {"reset", d_reset, NULL}, {"reset all", d_reset_all, NULL},
    {"other windows", d_other_windows, NULL},
    {"other account", d_other_account, NULL}, {"rename", d_rename, NULL},
};
#define DEEDS (sizeof(deeds) / sizeof(*deeds))

/* --- scenes --------------------------------------------------------------- */

static void *image; /* of the table, at the beginning */
static struct world start;

static void
must(bool ok)
{
	if (!ok)
		abort();
}

enum scene {
	SCENE_LEFT, /* places are left */
	SCENE_FULL, /* none is left */
	SCENE_IDLE, /* all is longer ago than the window, and the slot may be
		     * taken from the account */
	SCENES
};

/* What is counted at the beginning is so at the end of a lap, a tick ago: where
 * it moves to is read first by who sums. */
static void
scene_make(const char *path, enum scene scene)
{
	static const struct quota_clock clock = {boottime, wall, boot_id, NULL};
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 2,
	    .accounts = 1, .clock = &clock};
	uint64_t width = ring_width(ring_desc(QUOTA_MESSAGES, 60));
	uint64_t lap = RING_CELLS * width;
	struct map *m;

	memset(&w, 0, sizeof(w));
	w.boot = (EPOCH / lap + 18) * lap - width / 2 - EPOCH;
	unlink(path);
	must(quota_open(&w.q, path, &opt, NULL, NULL) == 0);
	quota_set_add(&w.set, &(struct quota_limit){QUOTA_MESSAGES, 60,
	    PLACES});
	/* Summed up last, it hides nothing that was missed before. */
	quota_set_add(&w.set, &(struct quota_limit){QUOTA_RECIPIENTS, 60,
	    2 * PLACES});
	quota_set_add(&w.other, &(struct quota_limit){QUOTA_MESSAGES, 30,
	    PLACES});
	quota_set_add(&w.other, &(struct quota_limit){QUOTA_RECIPIENTS, 90,
	    PLACES});
	must(quota_reserve(w.q, "u", &w.set, &one, &w.settled, NULL) == 0);
	commit(&w.settled);
	for (int i = 1; scene == SCENE_FULL && i < PLACES; i++)
		send_with("u", &w.set);
	if (scene != SCENE_FULL) {
		must(quota_reserve(w.q, "u", &w.set, &one, &w.held, NULL) == 0);
		must(quota_reserve(w.q, "u", &w.set, &rcpt, &w.steps, NULL) ==
		    0);
	}
	w.boot += scene == SCENE_IDLE ? 100 * S : TICK;
	if (scene == SCENE_IDLE) {
		memset(&w.settled, 0, sizeof(w.settled));
		w.events = 0;
	}
	m = atomic_load(&mapped_of(w.q)->map);
	image = malloc(m->size);
	memcpy(image, m->t, m->size);
	start = w;
}

static struct quota_state
look(const char *who)
{
	struct quota_state state;

	must(quota_peek(w.q, who, &w.set, &state) == 0);
	return state;
}

/* By "other", or by "u", which may be "v". */
static unsigned
used(bool other, unsigned which)
{
	return (unsigned)(other ? look("other").usage[which].used :
	    look("u").usage[which].used + look("v").usage[which].used);
}

/* NULL: the promise is kept. */
static const char *
judge(bool replaced)
{
	unsigned due[2] = {0, 0}, most[2] = {0, 0};

	quota_release(w.q, &w.held);
	quota_release(w.q, &w.steps);
	for (int i = 0; i < PLACES + 1; i++)
		send_with(look("v").known ? "v" : "u", &w.set);
	for (unsigned i = 0; i < w.events; i++) {
		bool other = w.event[i].other;

		due[other] += w.event[i].begun > (other ? w.reset_all_ended :
		    w.reset_ended);
		most[other]++;
	}
	if (due[0] > PLACES || due[1] > PLACES)
		return "granted more than the limit";
	for (unsigned k = 0; k < 4; k++) {
		bool other = k / 2;
		unsigned u = used(other, k % 2);

		if (u < due[other])
			return "a commit is not counted";
		if (u > most[other] && !replaced)
			return "more is counted than was committed";
	}
	return NULL;
}

static int
cross_once(const struct deed *a, const struct deed *b, uint64_t at, uint64_t to)
{
	struct map *m = atomic_load(&mapped_of(start.q)->map);
	const char *wrong;
	uint64_t ops[2];

	memcpy(m->t, image, m->size);
	w = start;
	cross_run(a->of, b->of, at, to);
	memcpy(ops, cross.ops, sizeof(ops));
	wrong = judge(a->of == d_other_windows || b->of == d_other_windows);
	memcpy(cross.ops, ops, sizeof(ops));
	if (wrong != NULL)
		printf("not ok - %s, at %" PRIu64 " %s, until %" PRId64
		    ": %s\n", a->name, at, b->name, (int64_t)to, wrong);
	return wrong != NULL;
}

/* Every point of the first deed; with each, so many of the second. */
static int
cross_pair(const struct deed *a, const struct deed *b, unsigned points,
    uint64_t *runs)
{
	uint64_t ops[2];
	int wrong;

	if (a->use != NULL && a->use == b->use)
		return 0;
	wrong = cross_once(a, b, FOREVER, FOREVER);
	memcpy(ops, cross.ops, sizeof(ops));
	for (uint64_t at = 0; at < ops[0] && wrong < 3; at++) {
		wrong += cross_once(a, b, at, FOREVER);
		for (unsigned k = 0; k < points && wrong < 3; k++)
			wrong += cross_once(a, b, at,
			    (at * 37 + k * (ops[1] / points + 1)) %
			    (ops[1] + 1));
		*runs += 1 + points;
	}
	return wrong;
}

int
main(int argc, char **argv)
{
	unsigned points = argc > 1 ? (unsigned)atoi(argv[1]) : 8;
	char dir[] = "quota_crossings.XXXXXX", path[64];
	uint64_t runs = 0;
	int wrong = 0;

	must(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/table", dir);
	for (int scene = 0; scene < SCENES; scene++) {
		scene_make(path, scene);
		for (size_t a = 0; a < DEEDS; a++) {
			for (size_t b = 0; b < DEEDS; b++)
				wrong += cross_pair(&deeds[a], &deeds[b],
				    points, &runs);
		}
		quota_close(start.q);
		free(image);
	}
	unlink(path);
	rmdir(dir);
	printf("# %" PRIu64 " crossings\n%s\n", runs, wrong == 0 ? "ok" :
	    "not ok");
	return wrong != 0;
}
