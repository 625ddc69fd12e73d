/*
 * The quota table, one thread, with a clock that only moves when told to.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/quota/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/quota/table.h"
#include "t/support/drivers/test.h"

#define S UINT64_C(1000000000)

struct rig {
	char dir[64], path[128];
	uint64_t boot, wall;
	unsigned char boot_id[16];
	struct quota_clock clock;
	struct quota_options opt;
	struct quota_report report;
	struct errmsg msg;
	struct quota *q;
	struct quota_set set;
	uint64_t step;  /* of slow_boottime */
	uint32_t left; /* readings of doomed_boottime */
	int watch;     /* what watching_boottime looks at, or -1 */
	unsigned free_seen; /* readings at which nobody had the lock */
};

static uint64_t
rig_boottime(void *ctx)
{
	return ((struct rig *)ctx)->boot;
}

static uint64_t
rig_wall(void *ctx)
{
	return ((struct rig *)ctx)->wall;
}

static void
rig_boot_id(void *ctx, unsigned char id_r[16])
{
	memcpy(id_r, ((struct rig *)ctx)->boot_id, 16);
}

static void
pass(struct rig *r, double seconds)
{
	r->boot += (uint64_t)(seconds * (double)S);
	r->wall += (uint64_t)(seconds * (double)S);
}

static void
open_table(struct rig *r)
{
	int rc = quota_open(&r->q, r->path, &r->opt, &r->report, &r->msg);

	if (rc != 0)
		fail_msg("%d: %s", rc, r->msg.text);
}

static void
limit(struct rig *r, enum quota_kind kind, uint32_t window, uint64_t max)
{
	struct quota_limit l = {kind, window, max};

	assert_int_equal(quota_set_add(&r->set, &l), 0);
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "quota.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/table", r->dir);
	r->boot = 1000 * S;
	r->wall = UINT64_C(1700000000) * S;
	r->boot_id[0] = 1;
	r->clock = (struct quota_clock){rig_boottime, rig_wall, rig_boot_id, r};
	r->opt = (struct quota_options){.mode = QUOTA_CREATE, .accounts = 100,
	    .limits = 5, .clock = &r->clock};
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_CREATED);
	*state = r;
	return 0;
}

static int
files(struct rig *r, const char *with, bool unlink_all)
{
	DIR *d = opendir(r->dir);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL) {
		char path[512];

		if (e->d_name[0] == '.')
			continue;
		n += strstr(e->d_name, with) != NULL;
		snprintf(path, sizeof(path), "%s/%s", r->dir, e->d_name);
		if (unlink_all)
			unlink(path);
	}
	closedir(d);
	return n;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	quota_close(r->q);
	assert_int_equal(files(r, ".new", false), 0);
	files(r, "", true);
	rmdir(r->dir);
	free(r);
	return 0;
}

/* A whole message of n messages, or whatever the kind is. */
static int
take(struct rig *r, const char *who, enum quota_kind kind, uint64_t n)
{
	struct quota_use use = {0};
	struct quota_amount amount = {{0}};
	int rc;

	amount.of[kind] = n;
	rc = quota_reserve(r->q, who, &r->set, &amount, &use, NULL);
	if (rc == QUOTA_GRANTED)
		rc = quota_commit(r->q, &use, NULL);
	quota_release(r->q, &use);
	return rc;
}

static uint64_t
used(struct rig *r, const char *who, unsigned which)
{
	struct quota_state s;

	assert_int_equal(quota_peek(r->q, who, &r->set, &s), 0);
	assert_int_equal(s.count, r->set.count);
	return s.usage[which].used;
}

static uint64_t
retry(struct rig *r, const char *who, unsigned which)
{
	struct quota_state s;

	assert_int_equal(quota_peek(r->q, who, &r->set, &s), 0);
	return s.usage[which].retry_s;
}

/* Another processor's clock may be a little ahead, into the next tick. */
static void
clock_ahead(void **state)
{
	struct rig *r = *state, ahead = *r;

	limit(r, QUOTA_MESSAGES, 60, 5);
	ahead.clock.ctx = &ahead;
	ahead.opt.clock = &ahead.clock;
	open_table(&ahead);
	for (int i = 0; i < 200; i++) {
		pass(r, 60.7);
		ahead.boot = r->boot + S / 2;
		ahead.set = r->set;
		take(&ahead, "u", QUOTA_MESSAGES, 4);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), 0);
		assert_int_equal(used(r, "u", 0), 5);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		pass(r, 5);
	}
	quota_close(ahead.q);
}

/* Before each addition somebody else takes the last message's place, and gives
 * it up again once that was taken back, before anybody looks why. */
struct contender {
	struct rig rig; /* first: its clocks are the rig's, but for one */
	struct rig *r;
	struct quota_use use;
	unsigned took;
};

static uint64_t
contended_boottime(void *ctx)
{
	struct contender *c = ctx;
	struct quota_amount one = {{1, 1, 1}};

	if (c->use.amount.of[QUOTA_MESSAGES] == 0)
		c->took += quota_reserve(c->r->q, "u", &c->r->set, &one,
		    &c->use, NULL) == QUOTA_GRANTED;
	else if (used(c->r, "u", 0) == 2 && used(c->r, "u", 1) == 1 &&
	    used(c->r, "u", 2) == 1)
		quota_release(c->r->q, &c->use);
	return c->r->boot;
}

/* Refused for want of that place: by its limit, and not by another. */
static void
contended(void **state)
{
	struct rig *r = *state, mine = *r;
	struct contender c = {.rig = *r, .r = r};
	struct quota_use use = {0};
	struct quota_refusal why;
	struct quota_amount one = {{1, 1, 1}};

	limit(r, QUOTA_MESSAGES, 60, 2);
	limit(r, QUOTA_RECIPIENTS, 60, 100);
	limit(r, QUOTA_BYTES, 60, 100);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), QUOTA_GRANTED);
	mine.clock = (struct quota_clock){contended_boottime, rig_wall,
	    rig_boot_id, &c};
	mine.opt.clock = &mine.clock;
	open_table(&mine);
	quota_release(r->q, &c.use);
	c.took = 0;
	assert_int_equal(quota_reserve(mine.q, "u", &r->set, &one, &use, &why),
	    QUOTA_REFUSED);
	assert_true(c.took > 1);
	assert_int_equal(why.limit.kind, QUOTA_MESSAGES);
	assert_int_equal(why.limit.limit, 2);
	assert_int_equal(why.retry_s, 1);
	quota_close(mine.q);
}

/* Every length of window: full now, full until it has passed, free soon after;
 * the same many times over, and from odd places within a tick. */
static void
windows(void **state)
{
	static const uint32_t lengths[] = {1, 2, 60, 3600, 86400, 604800,
	    QUOTA_WINDOW_MAX};
	struct rig *r = *state;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		uint32_t w = lengths[i];
		char who[32];

		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, w, 3);
		snprintf(who, sizeof(who), "window%u", w);
		for (int k = 0; k < 200; k++) {
			pass(r, w * (0.0001 + 0.0137 * k));
			while (used(r, who, 0) != 0)
				pass(r, w / 50.0);
			for (int n = 0; n < 3; n++)
				assert_int_equal(take(r, who, QUOTA_MESSAGES,
				    1), QUOTA_GRANTED);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
			    QUOTA_REFUSED);
			assert_in_range(retry(r, who, 0), w, w * 25 / 24 + 1);
			pass(r, w * 1.009);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
			    QUOTA_REFUSED);
			pass(r, w * (25.0 / 24 - 1.009) + 0.000001);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
			    QUOTA_GRANTED);
		}
	}
}

/* The sliding window against a list of what was granted, for hours. */
static void
slides(void **state)
{
	struct rig *r = *state;
	static uint64_t when[100000];
	size_t n = 0;
	unsigned refused = 0, seed = 7;

	limit(r, QUOTA_MESSAGES, 3600, 50);
	for (int i = 0; i < 20000; i++) {
		uint64_t in_window = 0, near = 0;
		int rc;

		seed = seed * 1103515245 + 12345;
		pass(r, (seed >> 16) % 97 + 0.123);
		rc = take(r, "bob", QUOTA_MESSAGES, 1);
		for (size_t k = n; k-- > 0 && when[k] + 3750 * S > r->boot;) {
			in_window += when[k] + 3600 * S > r->boot;
			near++;
		}
		if (rc == QUOTA_GRANTED) {
			assert_true(in_window < 50);
			when[n++] = r->boot;
		} else {
			assert_int_equal(rc, QUOTA_REFUSED);
			assert_true(near >= 50);
			refused++;
		}
	}
	assert_true(refused > 100 && n > 5000);
}

/* Several limits, all or nothing. */
static void
several(void **state)
{
	struct rig *r = *state;
	struct quota_use use = {0};
	struct quota_refusal why;

	limit(r, QUOTA_RECIPIENTS, 86400, 100);
	limit(r, QUOTA_MESSAGES, 3600, 5);
	limit(r, QUOTA_MESSAGES, 86400, 7);
	limit(r, QUOTA_BYTES, 86400, 500);
	for (int i = 0; i < 5; i++)
		assert_int_equal(take(r, "a", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(quota_reserve(r->q, "a", &r->set,
	    &(struct quota_amount){{1, 1, 0}}, &use, &why), QUOTA_REFUSED);
	assert_int_equal(why.limit.kind, QUOTA_MESSAGES);
	assert_int_equal(why.limit.window_s, 3600);
	assert_int_equal(why.used, 5);
	assert_in_range(why.retry_s, 3600, 3750);
	assert_int_equal(used(r, "a", 0), 5);
	assert_int_equal(used(r, "a", 2), 0); /* no recipient stayed */
	quota_release(r->q, &use);
	pass(r, 4000);
	assert_int_equal(take(r, "a", QUOTA_MESSAGES, 2), 0);
	assert_int_equal(quota_reserve(r->q, "a", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &use, &why), QUOTA_REFUSED);
	assert_int_equal(why.limit.window_s, 86400);
	assert_int_equal(quota_reserve(r->q, "a", &r->set,
	    &(struct quota_amount){{0, 0, 501}}, &use, &why), QUOTA_REFUSED);
	assert_true(why.retry_s == QUOTA_NEVER);
	assert_int_equal(quota_reserve(r->q, "a", &r->set,
	    &(struct quota_amount){{0, 0, 500}}, &use, &why), QUOTA_GRANTED);
	quota_release(r->q, &use);
	assert_int_equal(used(r, "a", 3), 0);
}

/* A message in steps; what is given back, and when it counts. */
static void
message(void **state)
{
	struct rig *r = *state;
	struct quota_use use = {0}, other = {0};
	const struct quota_amount first = {{1, 1, 0}}, more = {{0, 1, 0}};

	limit(r, QUOTA_MESSAGES, 60, 2);
	limit(r, QUOTA_RECIPIENTS, 60, 4);
	limit(r, QUOTA_BYTES, 60, 1000);
	assert_int_equal(quota_reserve(r->q, "b", &r->set, &first, &use, NULL),
	    0);
	for (int i = 0; i < 3; i++) {
		pass(r, 11); /* each in a tick of its own */
		assert_int_equal(quota_reserve(r->q, "b", &r->set, &more, &use,
		    NULL), 0);
	}
	assert_int_equal(use.amount.of[QUOTA_RECIPIENTS], 4);
	assert_int_equal(quota_reserve(r->q, "b", &r->set, &more, &use, NULL),
	    QUOTA_REFUSED);
	assert_int_equal(used(r, "b", 0), 1);
	assert_int_equal(used(r, "b", 1), 4);
	quota_give_back(r->q, &use, &more);
	assert_int_equal(used(r, "b", 1), 3);
	pass(r, 40); /* the first tick has left the window; this one waits */
	assert_int_equal(quota_reserve(r->q, "b", &r->set,
	    &(struct quota_amount){{0, 0, 999}}, &use, NULL), 0);
	assert_int_equal(quota_commit(r->q, &use, NULL), 0);
	quota_release(r->q, &use);
	quota_release(r->q, &use);
	assert_int_equal(used(r, "b", 0), 1);
	assert_int_equal(used(r, "b", 1), 3);
	assert_int_equal(used(r, "b", 2), 999);
	pass(r, 60);
	assert_int_equal(used(r, "b", 1), 3); /* of its commit, not before */
	pass(r, 4);
	assert_int_equal(used(r, "b", 1), 0);
	/* Reserved long ago; meanwhile another took all there is. */
	assert_int_equal(quota_reserve(r->q, "b", &r->set,
	    &(struct quota_amount){{2, 0, 0}}, &use, NULL), 0);
	pass(r, 70);
	assert_int_equal(quota_reserve(r->q, "b", &r->set,
	    &(struct quota_amount){{2, 0, 0}}, &other, NULL), 0);
	assert_int_equal(quota_commit(r->q, &other, NULL), 0);
	assert_int_equal(quota_commit(r->q, &use, NULL), QUOTA_REFUSED);
	assert_int_equal(used(r, "b", 0), 2);
	quota_release(r->q, &use);
	quota_release(r->q, &other);
	assert_int_equal(used(r, "b", 0), 2);
}

/* Taken back after the tick has moved, or has gone, or another stands there. */
static void
gives_back_late(void **state)
{
	static const double waits[] = {0, 1.9, 2, 30, 61.9, 62.6, 125, 100000};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 60, 10);
	for (size_t i = 0; i < sizeof(waits) / sizeof(*waits); i++) {
		struct quota_use use = {0};

		assert_int_equal(quota_reserve(r->q, "c", &r->set,
		    &(struct quota_amount){{4, 0, 0}}, &use, NULL), 0);
		pass(r, waits[i]);
		assert_int_equal(take(r, "c", QUOTA_MESSAGES, 3), 0);
		quota_release(r->q, &use);
		assert_int_equal(used(r, "c", 0), 3);
		pass(r, 64);
	}
}

static void
settles(void **state)
{
	struct rig *r = *state;
	struct quota_use use = {0};

	limit(r, QUOTA_MESSAGES, 60, 1);
	assert_int_equal(quota_reserve(r->q, "d", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &use, NULL), 0);
	assert_int_equal(quota_commit(r->q, &use, NULL), 0);
	pass(r, 20);
	quota_settle(r->q, &use);
	assert_int_equal(used(r, "d", 0), 1);
	pass(r, 59);
	assert_int_equal(used(r, "d", 0), 1);
	assert_int_equal(take(r, "d", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
	pass(r, 4);
	assert_int_equal(take(r, "d", QUOTA_MESSAGES, 1), QUOTA_GRANTED);
}

static void
resets(void **state)
{
	struct rig *r = *state;
	struct quota_use use = {0}, old = {0};

	limit(r, QUOTA_MESSAGES, 3600, 5);
	/* More often than a cell has room to count. */
	for (int i = 0; i < 70000; i++) {
		if (i % 1000 < 3)
			assert_int_equal(take(r, "e", QUOTA_MESSAGES, 5), 0);
		assert_int_equal(quota_reset_all(r->q), 0);
		if (i % 1000 < 3) {
			assert_int_equal(used(r, "e", 0), 0);
			assert_int_equal(used(r, "nobody", 0), 0);
		}
	}
	for (int i = 0; i < 70000; i++) {
		assert_int_equal(take(r, "e", QUOTA_MESSAGES, 2), 0);
		assert_int_equal(quota_reset(r->q, "e"), 0);
	}
	assert_int_equal(used(r, "e", 0), 0);
	assert_int_equal(quota_reset(r->q, "nobody"), ERR_NOTFOUND);
	/* What was reserved before counts again at its commit, once. */
	quota_reserve(r->q, "e", &r->set, &(struct quota_amount){{2, 0, 0}},
	    &use, NULL);
	quota_reserve(r->q, "e", &r->set, &(struct quota_amount){{3, 0, 0}},
	    &old, NULL);
	quota_reset_all(r->q);
	assert_int_equal(take(r, "e", QUOTA_MESSAGES, 3), 0);
	quota_release(r->q, &old);
	assert_int_equal(used(r, "e", 0), 3);
	assert_int_equal(quota_commit(r->q, &use, NULL), 0);
	assert_int_equal(used(r, "e", 0), 5);
	quota_release(r->q, &use);
}

/* Reserved in steps, with a reset before each or any of them: all of it counts
 * at the next step, and at the commit. */
static void
reset_between_steps(void **state)
{
	static const struct quota_amount steps[] = {
	    {{0, 1, 0}}, {{1, 0, 0}}, {{0, 0, 100}}};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 10);
	limit(r, QUOTA_RECIPIENTS, 3600, 10);
	limit(r, QUOTA_RECIPIENTS, 60, 10);
	limit(r, QUOTA_BYTES, 3600, 1000);
	for (unsigned mask = 1; mask < 16; mask++) {
		struct quota_use use[20] = {{0}};
		int granted = 0;
		char who[16];

		snprintf(who, sizeof(who), "steps%u", mask);
		for (unsigned k = 0; k < 4; k++) {
			if ((mask >> k & 1) != 0 && k > 0 && mask % 2 == 0)
				quota_reset_all(r->q);
			else if ((mask >> k & 1) != 0)
				quota_reset(r->q, who);
			for (int i = 0; k < 3 && i < 20; i++)
				quota_reserve(r->q, who, &r->set, &steps[k],
				    &use[i], NULL);
		}
		for (int i = 0; i < 20; i++) {
			bool whole = use[i].amount.of[0] == 1 &&
			    use[i].amount.of[1] == 1 &&
			    use[i].amount.of[2] == 100;

			if (whole && quota_commit(r->q, &use[i], NULL) ==
			    QUOTA_GRANTED)
				granted++;
			quota_release(r->q, &use[i]);
		}
		assert_int_equal(granted, 10);
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(used(r, who, k), 10);
		assert_int_equal(used(r, who, 3), 1000);
	}
}

/* Held for as long as laps take to come round: what others counted meanwhile is
 * theirs, whether it is given up, given back, or committed. */
static void
held_for_laps(void **state)
{
	static const uint32_t lengths[] = {1, 60};
	static const uint64_t laps[] = {1, 2, 255, 256, 257, 512, 25600};
	struct rig *r = *state;

	for (unsigned n = 0; n < 2 * 7 * 3 * 3; n++) {
		uint32_t w = lengths[n % 2];
		uint64_t lap = w * (S * 25 / 24) / 32 * 32;
		unsigned how = n / 2 % 3;
		int shift = (int)(n / 6 % 3) - 1;
		const struct quota_amount two = {{2, 0, 0}};
		struct quota_use use = {0};

		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, w, 10);
		r->boot = (r->boot / lap + 2) * lap + lap / 64;
		assert_int_equal(quota_reserve(r->q, "held", &r->set, &two,
		    &use, NULL), 0);
		r->boot += lap * laps[n / 18];
		r->boot = (uint64_t)((int64_t)r->boot + shift *
		    (int64_t)(lap / 32));
		assert_int_equal(take(r, "held", QUOTA_MESSAGES, 8), 0);
		if (how == 0)
			quota_release(r->q, &use);
		else if (how == 1)
			quota_give_back(r->q, &use, &two);
		else
			assert_int_equal(quota_commit(r->q, &use, NULL), 0);
		/* A lap earlier is still in the window. */
		assert_int_equal(used(r, "held", 0), how == 2 ? 10 : 8);
		quota_release(r->q, &use);
		pass(r, w * 3);
	}
}

static void
locks(void **state)
{
	struct rig *r = *state;
	struct quota_use use = {0};
	struct quota_state s;

	limit(r, QUOTA_MESSAGES, 60, 5);
	assert_int_equal(quota_lock(r->q, "f", false), ERR_NOTFOUND);
	assert_int_equal(quota_reserve(r->q, "f", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &use, NULL), 0);
	assert_int_equal(quota_lock(r->q, "f", true), 0);
	assert_int_equal(quota_lock(r->q, "never seen", true), 0);
	assert_int_equal(quota_commit(r->q, &use, NULL), QUOTA_LOCKED);
	assert_int_equal(take(r, "f", QUOTA_MESSAGES, 1), QUOTA_LOCKED);
	assert_int_equal(used(r, "f", 0), 0);
	quota_reset_all(r->q);
	quota_reset(r->q, "f");
	quota_close(r->q);
	open_table(r);
	assert_int_equal(take(r, "f", QUOTA_MESSAGES, 1), QUOTA_LOCKED);
	quota_peek(r->q, "never seen", &r->set, &s);
	assert_true(s.locked && s.known);
	/* Without any limit too. */
	r->set.count = 0;
	assert_int_equal(take(r, "f", QUOTA_MESSAGES, 1), QUOTA_LOCKED);
	assert_int_equal(take(r, "free", QUOTA_MESSAGES, 1000), 0);
	limit(r, QUOTA_MESSAGES, 60, 5);
	assert_int_equal(quota_lock(r->q, "f", false), 0);
	assert_int_equal(take(r, "f", QUOTA_MESSAGES, 1), 0);
}

/* Idle slots are reused, busy and locked ones never. */
static void
full(void **state)
{
	struct rig *r = *state;
	struct quota_use old = {0}, aborted = {0};
	struct quota_state s;
	char who[32];

	limit(r, QUOTA_MESSAGES, 60, 5);
	assert_int_equal(quota_lock(r->q, "locked", true), 0);
	quota_reserve(r->q, "user0", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &old, NULL);
	for (int i = 0; i < 98; i++) {
		snprintf(who, sizeof(who), "user%d", i);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
	}
	assert_int_equal(quota_reserve(r->q, "aborted", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &aborted, NULL), 0);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), ERR_FULL);
	assert_int_equal(quota_lock(r->q, "late", true), ERR_FULL);
	assert_int_equal(take(r, "user5", QUOTA_MESSAGES, 1), 0);
	quota_release(r->q, &aborted);
	pass(r, 2);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), 0);
	quota_peek(r->q, "aborted", &r->set, &s);
	assert_false(s.known);
	assert_int_equal(take(r, "later", QUOTA_MESSAGES, 1), ERR_FULL);
	for (int round = 0; round < 50; round++) {
		pass(r, 70);
		for (int i = 0; i < 99; i++) {
			snprintf(who, sizeof(who), "round%d-%d", round, i);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 5), 0);
		}
		assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), ERR_FULL);
		assert_int_equal(used(r, "round0-0", 0), round == 0 ? 5 : 0);
	}
	/* His slot has been another's fifty times. */
	assert_int_equal(quota_commit(r->q, &old, NULL), ERR_FULL);
	quota_release(r->q, &old);
	assert_int_equal(used(r, "round49-7", 0), 5);
	quota_peek(r->q, "locked", &r->set, &s);
	assert_true(s.locked);
	quota_reset_all(r->q); /* makes room at once */
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), 0);
}

/* The clock goes on by as much as each reading of it takes. */
static uint64_t
slow_boottime(void *ctx)
{
	struct rig *r = ctx;

	r->boot += r->step;
	return r->boot;
}

/* A search in vain that takes long is not made again at once: its result holds
 * for many times as long. */
static void
full_for_long(void **state)
{
	struct rig *r = *state;
	struct quota_use held = {0};
	char who[32];
	int rc;

	r->clock.boottime = slow_boottime;
	quota_close(r->q);
	open_table(r);
	limit(r, QUOTA_MESSAGES, 86400, 5);
	for (int i = 0; i < 99; i++) {
		snprintf(who, sizeof(who), "user%d", i);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
	}
	quota_reserve(r->q, "held", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &held, NULL);
	r->step = 3 * S;
	assert_int_equal(take(r, "new", QUOTA_MESSAGES, 1), ERR_FULL);
	/* By now there is room, for who looks. */
	quota_release(r->q, &held);
	r->step = 0;
	for (int i = 0; i < 10; i++) {
		pass(r, 3);
		assert_int_equal(take(r, "new", QUOTA_MESSAGES, 1), ERR_FULL);
	}
	for (rc = ERR_FULL; rc == ERR_FULL && r->boot < 10000 * S; pass(r, 1))
		rc = take(r, "new", QUOTA_MESSAGES, 1);
	assert_int_equal(rc, 0);
}

/* A word of the header that says that nothing is idle is not believed for
 * ever. */
static void
full_by_damage(void **state)
{
	struct rig *r = *state;
	struct map *m = atomic_load(&mapped_of(r->q)->map);

	limit(r, QUOTA_MESSAGES, 60, 5);
	r->set.minor = true;
	atomic_store(&m->t->fresh, m->slot_count);
	atomic_store(&m->t->any.until, UINT64_MAX);
	atomic_store(&m->t->minor.until, UINT64_MAX / 2);
	atomic_store(&m->t->any_hunt.left, UINT64_MAX);
	atomic_store(&m->t->any_hunt.spent, UINT64_MAX);
	assert_int_equal(take(r, "one", QUOTA_MESSAGES, 1), 0);
	atomic_store(&m->t->minors, m->slot_count);
	assert_int_equal(take(r, "two", QUOTA_MESSAGES, 1), ERR_FULL);
	pass(r, 3700);
	assert_int_equal(take(r, "one", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(take(r, "two", QUOTA_MESSAGES, 1), 0);
}

/* The clock that sees whether the table's lock is free. */
static uint64_t
watching_boottime(void *ctx)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	struct rig *r = ctx;

	if (r->watch >= 0) {
		assert_int_equal(fcntl(r->watch, F_OFD_GETLK, &lock), 0);
		r->free_seen += lock.l_type == F_UNLCK;
	}
	return r->boot;
}

/* Who searches a large table lets others have the lock now and then. */
static void
full_and_large(void **state)
{
	struct rig *r = *state;
	struct map *m;

	quota_close(r->q);
	unlink(r->path);
	r->clock.boottime = watching_boottime;
	r->watch = -1;
	r->opt.limits = 1;
	r->opt.accounts = 50000;
	open_table(r);
	m = atomic_load(&mapped_of(r->q)->map);
	limit(r, QUOTA_MESSAGES, 60, 5);
	assert_int_equal(take(r, "first", QUOTA_MESSAGES, 1), 0);
	/* None is idle: all others are locked. */
	for (uint32_t n = 1; n < m->slot_count; n++)
		atomic_store(&map_slot(m, n)->state, SLOT_TAKEN | SLOT_LOCKED);
	atomic_store(&m->t->fresh, m->slot_count);
	r->watch = open(r->path, O_RDWR | O_CLOEXEC);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), ERR_FULL);
	assert_true(r->free_seen >= 3);
	r->free_seen = 0;
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), ERR_FULL);
	assert_true(r->free_seen < 3);
	close(r->watch);
	r->watch = -1;
	pass(r, 70);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), 0);
}

/* Take as name0, name1 ... until it fails. */
static int
crowd(struct rig *r, const char *name, bool minor, int most)
{
	char who[64];
	int n = 0;

	r->set.minor = minor;
	for (; n < most; n++) {
		snprintf(who, sizeof(who), "%s%d", name, n);
		if (take(r, who, QUOTA_MESSAGES, 1) != 0)
			break;
	}
	return n;
}

static uint32_t
minors(struct rig *r)
{
	struct quota_info info;

	quota_info(r->q, &info);
	return info.minors;
}

/* Accounts of the minor kind have half of the table, also when the other half
 * is free, and never more; the others all that those leave. */
static void
minor_half(void **state)
{
	static const struct {
		uint32_t accounts;
		int major_first, minor, major;
	} cases[] = {
	    {100, 0, 50, 50}, {101, 0, 50, 51}, {1, 0, 0, 1}, {2, 1, 1, 0},
	    {100, 30, 50, 20}, {100, 80, 20, 0}, {100, 100, 0, 0},
	};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 60, 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		quota_close(r->q);
		unlink(r->path);
		r->opt.accounts = cases[i].accounts;
		open_table(r);
		assert_int_equal(crowd(r, "first", false,
		    cases[i].major_first), cases[i].major_first);
		assert_int_equal(crowd(r, "minor", true, 1000),
		    cases[i].minor);
		assert_int_equal(minors(r), cases[i].minor);
		assert_int_equal(crowd(r, "major", false, 1000),
		    cases[i].major);
		/* Who has a place keeps it. */
		assert_int_equal(crowd(r, "minor", true, 1000),
		    cases[i].minor);
	}
}

/* Over half, a new one gets the place of an idle one of its own kind only. */
static void
minor_reuses(void **state)
{
	struct rig *r = *state;
	struct quota_use held = {0};
	struct quota_state s;

	limit(r, QUOTA_MESSAGES, 60, 500);
	assert_int_equal(crowd(r, "idle", false, 20), 20);
	pass(r, 70);
	r->set.minor = true;
	assert_int_equal(quota_reserve(r->q, "held", &r->set,
	    &(struct quota_amount){{1, 0, 0}}, &held, NULL), 0);
	assert_int_equal(crowd(r, "minor", true, 1000), 49);
	quota_release(r->q, &held);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), ERR_FULL);
	pass(r, 2);
	assert_int_equal(take(r, "late", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(take(r, "later", QUOTA_MESSAGES, 1), ERR_FULL);
	quota_peek(r->q, "held", &r->set, &s);
	assert_false(s.known);
	quota_peek(r->q, "idle0", &r->set, &s);
	assert_true(s.known);
	/* When the others come they take what is idle of any kind, and then
	 * the minor ones have room again at once. */
	pass(r, 70);
	r->set.minor = false;
	assert_int_equal(crowd(r, "major", false, 1000), 100);
	assert_int_equal(minors(r), 0);
	pass(r, 70);
	assert_int_equal(crowd(r, "minor", true, 1000), 50);
	assert_int_equal(minors(r), 50);
	quota_reset_all(r->q);
	assert_int_equal(crowd(r, "new", true, 1000), 50);
	assert_int_equal(minors(r), 50);
}

/* Accounts of a table in which kinds were not told apart, or that a lock has
 * made, are of the minor kind once they are counted as such; locks stay. */
static void
minor_by_and_by(void **state)
{
	struct rig *r = *state;
	struct quota_state s;

	limit(r, QUOTA_MESSAGES, 60, 500);
	assert_int_equal(crowd(r, "old", false, 60), 60);
	assert_int_equal(minors(r), 0);
	assert_int_equal(crowd(r, "old", true, 60), 60);
	assert_int_equal(minors(r), 60);
	assert_int_equal(crowd(r, "new", true, 1), 0);
	assert_int_equal(quota_lock(r->q, "locked", true), 0);
	assert_int_equal(quota_lock(r->q, "old1", true), 0);
	assert_int_equal(minors(r), 60);
	assert_int_equal(quota_lock(r->q, "old1", false), 0);
	assert_int_equal(quota_lock(r->q, "old2", true), 0);
	assert_int_equal(quota_lock(r->q, "locked", false), 0);
	assert_int_equal(take(r, "locked", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(minors(r), 61);
	quota_peek(r->q, "old2", &r->set, &s);
	assert_true(s.locked);
}

/* They stay known through another size, a reboot, and a table that comes back
 * beside another. */
static void
minor_moves(void **state)
{
	struct rig *r = *state;
	struct quota *first;

	limit(r, QUOTA_MESSAGES, 3600, 500);
	assert_int_equal(crowd(r, "major", false, 10), 10);
	assert_int_equal(crowd(r, "minor", true, 30), 30);
	quota_lock(r->q, "minor3", true);
	quota_close(r->q);
	r->opt.accounts = 80;
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_MIGRATED);
	assert_int_equal(minors(r), 30);
	quota_close(r->q);
	r->boot_id[0]++;
	open_table(r);
	assert_int_equal(minors(r), 30);
	quota_lock(r->q, "minor3", false);
	assert_int_equal(crowd(r, "minor", true, 100), 40);
	first = r->q;
	unlink(r->path);
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_CREATED);
	assert_int_equal(crowd(r, "minor", true, 5), 5);
	assert_int_equal(quota_check(first, &r->report, NULL), 0);
	assert_int_equal(r->report.event, QUOTA_RESTORED);
	assert_int_equal(minors(r), 40);
	quota_close(first);
}

/* While it is known that there is no place, a new account is told so without
 * the lock, which somebody may hold. */
static void
full_without_the_lock(void **state)
{
	struct rig *r = *state;
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET,
	    .l_len = 1};
	int fd = open(r->path, O_RDWR);

	limit(r, QUOTA_MESSAGES, 60, 500);
	assert_int_equal(crowd(r, "minor", true, 1000), 50);
	assert_int_equal(crowd(r, "major", false, 1000), 50);
	alarm(60); /* to fail rather than to wait for ever */
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(crowd(r, "new", true, 1000), 0);
	assert_int_equal(crowd(r, "new", false, 1000), 0);
	assert_int_equal(crowd(r, "minor", true, 1000), 50);
	alarm(0);
	close(fd);
}

/* What somebody finds who takes over the file as it is at this instruction. */
static void
look_at_copy(struct rig *r)
{
	struct rig copy = *r;
	struct quota_entry e;
	struct stat st;
	uint32_t cursor = 0, count = 0;
	int from = open(r->path, O_RDONLY), to;

	snprintf(copy.path, sizeof(copy.path), "%s/copy", r->dir);
	to = open(copy.path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	assert_int_equal(fstat(from, &st), 0);
	assert_int_equal(copy_file_range(from, NULL, to, NULL,
	    (size_t)st.st_size, 0), st.st_size);
	close(from);
	close(to);
	open_table(&copy);
	for (; quota_next(copy.q, &cursor, &e); count++)
		assert_int_equal(take(&copy, e.account, QUOTA_MESSAGES, 1), 0);
	assert_int_equal(minors(&copy), count);
	quota_close(copy.q);
}

/* Whichever instruction of making a place is the last one, the accounts of the
 * minor kind are counted right afterwards. */
static void
step_through(struct rig *r, const char *who)
{
	int status, fd = open(r->path, O_RDONLY);
	unsigned char *file, *seen;
	struct stat st;
	pid_t pid;

	assert_int_equal(fstat(fd, &st), 0);
	file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	seen = calloc(1, (size_t)st.st_size);
	assert_true(file != MAP_FAILED && seen != NULL);
	close(fd);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(1);
		open_table(r);
		raise(SIGSTOP);
		take(r, who, QUOTA_MESSAGES, 1);
		raise(SIGSTOP);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	assert_true(WIFSTOPPED(status));
	do {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		waitpid(pid, &status, 0);
		assert_true(WIFSTOPPED(status));
		/* Few change anything. */
		if (memcmp(seen, file, (size_t)st.st_size) != 0)
			look_at_copy(r);
		memcpy(seen, file, (size_t)st.st_size);
	} while (WSTOPSIG(status) == SIGTRAP);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	munmap(file, (size_t)st.st_size);
	free(seen);
}

static void
minor_killed(void **state)
{
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 60, 500);
	r->opt.limits = 1;
	r->opt.accounts = 8;
	quota_close(r->q);
	unlink(r->path);
	open_table(r);
	r->set.minor = true;
	step_through(r, "fresh");
	assert_int_equal(minors(r), 1);
	assert_int_equal(crowd(r, "minor", true, 1000), 3);
	pass(r, 70);
	step_through(r, "in an idle place");
	assert_int_equal(minors(r), 4);
	r->set.minor = false;
	assert_int_equal(take(r, "old", QUOTA_MESSAGES, 1), 0);
	r->set.minor = true;
	step_through(r, "old");
	assert_int_equal(minors(r), 5);
}

/* What is asked for and when it fits, without asking for it. */
static void
would(void **state)
{
	static const struct {
		struct quota_amount amount;
		int answer;
		unsigned limit; /* of the set, that refuses */
		bool never;
	} cases[] = {
	    {{{0, 0, 0}}, QUOTA_GRANTED, 0, false},
	    {{{1, 0, 0}}, QUOTA_GRANTED, 0, false},
	    {{{3, 0, 700}}, QUOTA_GRANTED, 0, false},
	    {{{4, 0, 0}}, QUOTA_REFUSED, 0, false},
	    {{{0, 0, 701}}, QUOTA_REFUSED, 2, false},
	    {{{4, 0, 701}}, QUOTA_REFUSED, 2, false},
	    {{{7, 0, 701}}, QUOTA_REFUSED, 0, true},
	    {{{0, 0, 1001}}, QUOTA_REFUSED, 2, true},
	    {{{0, 0, UINT64_MAX}}, QUOTA_REFUSED, 2, true},
	    {{{0, 9, 0}}, QUOTA_GRANTED, 0, false},
	};
	struct rig *r = *state;
	struct quota_refusal why;
	struct quota_state s;
	char name[QUOTA_ACCOUNT_MAX + 2];

	limit(r, QUOTA_MESSAGES, 60, 5);
	limit(r, QUOTA_MESSAGES, 3600, 50);
	limit(r, QUOTA_BYTES, 3600, 1000);
	take(r, "v", QUOTA_MESSAGES, 2);
	take(r, "v", QUOTA_BYTES, 300);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		memset(&why, 0, sizeof(why));
		assert_int_equal(quota_would(r->q, "v", &r->set,
		    &cases[i].amount, &why), cases[i].answer);
		if (cases[i].answer != QUOTA_REFUSED)
			continue;
		assert_memory_equal(&why.limit, &r->set.limit[cases[i].limit],
		    sizeof(why.limit));
		assert_int_equal(why.retry_s == QUOTA_NEVER, cases[i].never);
		if (!cases[i].never)
			assert_in_range(why.retry_s, why.limit.window_s,
			    why.limit.window_s * 25 / 24 + 1);
		assert_int_equal(why.used, cases[i].limit == 0 ? 2 : 300);
	}
	assert_int_equal(used(r, "v", 0), 2);
	assert_int_equal(used(r, "v", 2), 300);
	/* A new account, and no table at all; nothing is made. */
	for (int i = 0; i < 2; i++) {
		struct quota *q = i == 0 ? r->q : NULL;

		assert_int_equal(quota_would(q, "w", &r->set,
		    &(struct quota_amount){{5, 0, 1000}}, NULL),
		    QUOTA_GRANTED);
		assert_int_equal(quota_would(q, "w", &r->set,
		    &(struct quota_amount){{6, 0, 0}}, &why), QUOTA_REFUSED);
		assert_true(why.retry_s == QUOTA_NEVER && why.used == 0);
		assert_int_equal(quota_would(q, "w", NULL,
		    &(struct quota_amount){{6, 0, 0}}, &why), QUOTA_GRANTED);
	}
	quota_peek(r->q, "w", &r->set, &s);
	assert_false(s.known);
	quota_reset_all(r->q);
	assert_int_equal(quota_would(r->q, "v", &r->set,
	    &(struct quota_amount){{5, 0, 1000}}, NULL), QUOTA_GRANTED);
	quota_lock(r->q, "v", true);
	assert_int_equal(quota_would(r->q, "v", NULL,
	    &(struct quota_amount){{0, 0, 0}}, NULL), QUOTA_LOCKED);
	memset(name, 'x', sizeof(name));
	name[QUOTA_ACCOUNT_MAX + 1] = '\0';
	assert_int_equal(quota_would(r->q, name, &r->set,
	    &(struct quota_amount){{1, 0, 0}}, NULL), ERR_LIMIT);
}

/* Ends the process at a reading of the clock, which is in the midst of
 * everything. */
static uint64_t
doomed_boottime(void *ctx)
{
	struct rig *r = ctx;

	if (r->left-- == 0)
		kill(getpid(), SIGKILL);
	return r->boot;
}

/* What can never fit is refused, and whenever that is ended by a kill, nothing
 * of it is left behind to block the account. */
static void
never_fits(void **state)
{
	struct rig *r = *state;
	bool killed = true;

	limit(r, QUOTA_MESSAGES, 86400, 5);
	limit(r, QUOTA_BYTES, 86400, 1000);
	take(r, "x", QUOTA_MESSAGES, 1);
	for (unsigned n = 0; killed; n++) {
		int status;
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			r->clock.boottime = doomed_boottime;
			r->left = UINT32_MAX;
			open_table(r);
			r->left = n;
			_exit(take(r, "x", QUOTA_BYTES, QUOTA_LIMIT_MAX) !=
			    QUOTA_REFUSED);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		killed = WIFSIGNALED(status);
		assert_true(killed || WEXITSTATUS(status) == 0);
		assert_int_equal(used(r, "x", 1), 0);
		assert_true(n < 1000);
	}
	assert_int_equal(take(r, "x", QUOTA_BYTES, 1000), 0);
}

static void
names(void **state)
{
	static const char *const wrong[] = {"", NULL};
	struct rig *r = *state;
	struct quota_entry e;
	uint32_t cursor = 0;
	char name[QUOTA_ACCOUNT_MAX + 2];
	int cut = 0, whole = 0;

	limit(r, QUOTA_MESSAGES, 60, 500);
	/* Lengths all round the room there is, differing in the last octet. */
	for (size_t len = 1; len <= QUOTA_ACCOUNT_MAX; len += 7) {
		memset(name, 'x', sizeof(name));
		name[len] = '\0';
		assert_int_equal(take(r, name, QUOTA_MESSAGES, len), 0);
		name[len - 1] = '\xff';
		assert_int_equal(used(r, name, 0), 0);
		assert_int_equal(take(r, name, QUOTA_MESSAGES, 1), 0);
	}
	while (quota_next(r->q, &cursor, &e)) {
		struct quota_state s;

		quota_peek_entry(r->q, &e, &r->set, &s);
		assert_true(s.known);
		whole += e.whole;
		cut += !e.whole;
		if (e.whole)
			assert_int_equal(used(r, e.account, 0),
			    s.usage[0].used);
		else
			assert_int_equal(strlen(e.account),
			    QUOTA_NAME_KEPT + 17);
	}
	assert_int_equal(whole + cut, 2 * 37);
	assert_int_equal(cut, 2 * 23);
	memset(name, 'x', sizeof(name));
	name[QUOTA_ACCOUNT_MAX + 1] = '\0';
	assert_int_equal(take(r, name, QUOTA_MESSAGES, 1), ERR_LIMIT);
	for (int i = 0; wrong[i] != NULL; i++)
		assert_int_equal(take(r, wrong[i], QUOTA_MESSAGES, 1),
		    ERR_LIMIT);
}

/* Other limits at a reload: at once; other windows: never a grant. */
static void
reconfigured(void **state)
{
	static const uint32_t lengths[] = {60, 3600, 86400, 1, 7200, 600, 120,
	    300, 3600, 60};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 10);
	assert_int_equal(take(r, "g", QUOTA_MESSAGES, 10), 0);
	r->set.limit[0].limit = 9;
	assert_int_equal(take(r, "g", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
	r->set.limit[0].limit = 12;
	assert_int_equal(take(r, "g", QUOTA_MESSAGES, 2), 0);
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, lengths[i], 12);
		assert_int_equal(used(r, "g", 0), 12);
		assert_int_equal(take(r, "g", QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		assert_int_equal(used(r, "g", 0), 12);
	}
	/* Under the other windows it was counted too. */
	r->set.count = 0;
	limit(r, QUOTA_MESSAGES, 60, 100);
	pass(r, 90);
	assert_int_equal(take(r, "g", QUOTA_MESSAGES, 20), 0);
	r->set.count = 0;
	limit(r, QUOTA_MESSAGES, 3600, 100);
	assert_int_equal(used(r, "g", 0), 32);
	/* A new kind begins with nothing. */
	limit(r, QUOTA_BYTES, 60, 1000);
	assert_int_equal(used(r, "g", 1), 0);
	assert_int_equal(take(r, "g", QUOTA_BYTES, 1000), 0);
	assert_int_equal(take(r, "g", QUOTA_BYTES, 1), QUOTA_REFUSED);
}

/* One reserves under the old configuration, commits under it after the other
 * has changed the rings. */
static void
reconfigured_meanwhile(void **state)
{
	struct rig *r = *state;
	struct quota_set old;
	struct quota_use use = {0};

	limit(r, QUOTA_MESSAGES, 3600, 10);
	old = r->set;
	assert_int_equal(quota_reserve(r->q, "h", &old,
	    &(struct quota_amount){{4, 0, 0}}, &use, NULL), 0);
	r->set.count = 0;
	limit(r, QUOTA_MESSAGES, 60, 10);
	assert_int_equal(take(r, "h", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(quota_commit(r->q, &use, NULL), 0);
	assert_true(used(r, "h", 0) >= 5);
	quota_release(r->q, &use);
	r->set = old;
	assert_int_equal(used(r, "h", 0), 5);
}

/* Two processes, each with limits of its own for the same accounts, in turn; a
 * reload there and back is the same: no window holds more than its limit. */
static void
other_windows(void **state)
{
	static const struct {
		unsigned opened[2]; /* for so many limits */
		struct quota_limit of[2][3];
	} cases[] = {
	    {{1, 1}, {{{QUOTA_MESSAGES, 3600, 10}}, {{QUOTA_MESSAGES, 60, 10}}}},
	    {{1, 1}, {{{QUOTA_MESSAGES, 60, 10}}, {{QUOTA_MESSAGES, 3600, 10}}}},
	    {{1, 1}, {{{QUOTA_MESSAGES, 3600, 10}},
	        {{QUOTA_RECIPIENTS, 3600, 10}}}},
	    {{2, 1}, {{{QUOTA_MESSAGES, 3600, 10}, {QUOTA_MESSAGES, 60, 5}},
	        {{QUOTA_RECIPIENTS, 7200, 10}}}},
	    {{3, 3}, {{{QUOTA_MESSAGES, 3600, 10}, {QUOTA_RECIPIENTS, 3600, 10},
	        {QUOTA_BYTES, 3600, 1000}}, {{QUOTA_MESSAGES, 60, 10},
	        {QUOTA_RECIPIENTS, 60, 10}, {QUOTA_BYTES, 60, 1000}}}},
	};
	struct rig *r = *state;

	for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
		struct quota_set set[2] = {{.count = 0}};
		struct quota *q[2];
		unsigned granted[QUOTA_KINDS] = {0}, sum = 0;
		bool counted[QUOTA_KINDS] = {false};

		quota_close(r->q);
		files(r, "", true);
		for (unsigned p = 0; p < 2; p++) {
			r->opt.limits = cases[c].opened[p];
			open_table(r);
			q[p] = r->q;
			for (unsigned k = 0; k < r->opt.limits; k++)
				quota_set_add(&set[p], &cases[c].of[p][k]);
		}
		/* Ten a minute and by both in turn, for a window. */
		for (unsigned i = 0; i < 350; i++) {
			const struct quota_amount one = {{1, 1, 100}};
			struct quota_use use = {0};
			unsigned p = i / 2 % 2;
			int rc = quota_reserve(q[p], "both", &set[p], &one,
			    &use, NULL);

			if (rc == QUOTA_GRANTED)
				rc = quota_commit(q[p], &use, NULL);
			assert_true(rc == QUOTA_GRANTED ||
			    rc == QUOTA_REFUSED);
			/* A kind is known of since anybody has a limit for it. */
			for (unsigned k = 0; k < set[p].count; k++)
				counted[set[p].limit[k].kind] = true;
			sum += rc == QUOTA_GRANTED;
			for (unsigned k = 0; k < QUOTA_KINDS; k++)
				granted[k] += counted[k] && rc == QUOTA_GRANTED;
			for (unsigned k = 0; k < set[p].count; k++)
				assert_true(set[p].limit[k].window_s < 3600 ||
				    rc != QUOTA_GRANTED ||
				    granted[set[p].limit[k].kind] <= 10);
			pass(r, 10);
		}
		assert_true(sum >= 10);
		quota_close(q[0]);
	}
}

/* More windows in use than there is room for: a check makes it. */
static void
grows(void **state)
{
	struct rig *r = *state;
	struct quota_info info;
	struct quota_report rep;

	quota_close(r->q);
	files(r, "", true);
	r->opt.limits = 1;
	open_table(r);
	quota_info(r->q, &info);
	for (uint32_t w = 0; w < QUOTA_RINGS_MAX + 4; w++) {
		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, 60 + 60 * w, 1000);
		assert_int_equal(take(r, "windows", QUOTA_MESSAGES, 1), 0);
	}
	assert_int_equal(used(r, "windows", 0), QUOTA_RINGS_MAX + 4);
	assert_int_equal(quota_check(r->q, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_MIGRATED);
	assert_int_equal(quota_check(r->q, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_OPENED);
	for (uint32_t i = 0; i < 3 * QUOTA_RINGS_MAX; i++) {
		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, 60 + 60 * (i % (QUOTA_RINGS_MAX + 4)),
		    1000);
		assert_int_equal(take(r, "windows", QUOTA_MESSAGES, 0), 0);
		assert_int_equal(used(r, "windows", 0), QUOTA_RINGS_MAX + 4);
		quota_check(r->q, &rep, &r->msg);
	}
	quota_info(r->q, &info);
	assert_int_equal(info.limits, QUOTA_RINGS_MAX);
}

/* What is kept of an account beside its counts is gone with it, and with a
 * reset. */
static void
facts_go(void **state)
{
	struct rig *r = *state;
	struct map *m;
	uint32_t n;

	quota_close(r->q);
	files(r, "", true);
	r->opt.accounts = 1;
	open_table(r);
	limit(r, QUOTA_MESSAGES, 60, 5);
	m = atomic_load(&mapped_of(r->q)->map);
	for (n = 0; n < 3; n++) {
		struct slot *s = map_slot(m, 0);
		unsigned char *facts = (unsigned char *)(slot_name(m, s) + 1);

		assert_int_equal(take(r, n == 0 ? "one" : n == 1 ? "two" :
		    "three", QUOTA_MESSAGES, 1), 0);
		for (unsigned i = 0; i < FACTS_SIZE; i++)
			assert_int_equal(facts[i], 0);
		memset(facts, 0xa5, FACTS_SIZE);
		if (n == 1)
			quota_reset_all(r->q);
		pass(r, 100);
	}
}

static void
big_numbers(void **state)
{
	struct rig *r = *state;

	limit(r, QUOTA_BYTES, 60, QUOTA_LIMIT_MAX);
	assert_int_equal(take(r, "i", QUOTA_BYTES, QUOTA_LIMIT_MAX - 5), 0);
	assert_int_equal(take(r, "i", QUOTA_BYTES, 6), QUOTA_REFUSED);
	pass(r, 10);
	assert_int_equal(take(r, "i", QUOTA_BYTES, QUOTA_LIMIT_MAX),
	    QUOTA_REFUSED);
	assert_int_equal(take(r, "i", QUOTA_BYTES, 5), 0);
	assert_int_equal(take(r, "i", QUOTA_BYTES, 1), QUOTA_REFUSED);
	assert_int_equal(take(r, "i", QUOTA_BYTES, QUOTA_LIMIT_MAX + 1),
	    ERR_LIMIT);
	assert_true(used(r, "i", 0) == QUOTA_LIMIT_MAX);
}

static void
sets(void **state)
{
	static const struct quota_limit wrong[] = {
	    {QUOTA_KINDS, 60, 1}, {QUOTA_BYTES, 0, 1},
	    {QUOTA_BYTES, QUOTA_WINDOW_MAX + 1, 1},
	    {QUOTA_BYTES, 60, QUOTA_LIMIT_MAX + 1},
	};
	struct rig *r = *state;
	struct quota_limit l = {QUOTA_BYTES, 60, 10};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(quota_set_add(&r->set, &wrong[i]), ERR_LIMIT);
	limit(r, QUOTA_BYTES, 60, 10);
	limit(r, QUOTA_BYTES, 60, 7);
	limit(r, QUOTA_BYTES, 60, 8);
	assert_int_equal(r->set.count, 1);
	assert_int_equal(r->set.limit[0].limit, 7);
	for (uint32_t w = 1; w < QUOTA_LIMITS_MAX; w++)
		limit(r, QUOTA_MESSAGES, w, 1);
	l.window_s = 61;
	assert_int_equal(quota_set_add(&r->set, &l), ERR_LIMIT);
	assert_int_equal(r->set.limit[7].kind, QUOTA_BYTES);
	/* The table was opened for five. */
	assert_int_equal(take(r, "j", QUOTA_MESSAGES, 1), ERR_LIMIT);
	/* Nothing may be sent at all. */
	r->set.count = 0;
	limit(r, QUOTA_MESSAGES, 60, 0);
	assert_int_equal(take(r, "j", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
	assert_true(retry(r, "j", 0) == QUOTA_NEVER);
	assert_true(retry(r, "nobody", 0) == QUOTA_NEVER);
}

/* An account that sleeps for as long as laps take to come round, or longer. */
static void
long_sleeps(void **state)
{
	static const double laps[] = {1, 2, 63, 64, 65, 126, 127, 128, 129, 191,
	    192, 255, 256, 257, 511, 512, 513, 65536, 1e6};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 2, 5);
	for (int offset = -3; offset <= 3; offset++) {
		for (size_t i = 0; i < sizeof(laps) / sizeof(*laps); i++) {
			assert_int_equal(take(r, "k", QUOTA_MESSAGES, 5), 0);
			pass(r, laps[i] * 2 * 25 / 24 + offset * 0.01 + 0.1);
			assert_int_equal(used(r, "k", 0), 0);
		}
	}
	/* Awake, but always at the same place of the ring. */
	assert_int_equal(take(r, "l", QUOTA_MESSAGES, 5), 0);
	for (int i = 0; i < 2000; i++) {
		pass(r, 2 * 25.0 / 24 + (i < 20 ? 0.07 : 0));
		assert_int_equal(used(r, "l", 0), 0);
		assert_int_equal(take(r, "l", QUOTA_MESSAGES, 5), 0);
	}
}

static void
wall_clock_steps(void **state)
{
	static const int64_t steps[] = {-3600, 86400 * 365, -86400 * 700, 5};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	assert_int_equal(take(r, "m", QUOTA_MESSAGES, 5), 0);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		r->wall += (uint64_t)(steps[i] * (int64_t)S);
		assert_int_equal(used(r, "m", 0), 5);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		quota_close(r->q);
		open_table(r);
		assert_int_equal(r->report.event, QUOTA_OPENED);
		assert_int_equal(used(r, "m", 0), 5);
	}
}

/* The boot clock begins anew; wall time says how long it took, or not. */
static void
reboots(void **state)
{
	static const struct {
		double away; /* by wall time */
		uint64_t left;
	} cases[] = {
	    {600, 5}, {3590, 5}, {4000, 0}, {-86400 * 365.0, 5}, {0, 5},
	};
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pass(r, 7200);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		assert_int_equal(take(r, "n", QUOTA_MESSAGES, 5), 0);
		quota_close(r->q);
		r->boot_id[0]++;
		r->boot = 3 * S;
		r->wall += (uint64_t)(int64_t)(cases[i].away * (double)S);
		open_table(r);
		assert_int_equal(r->report.event, QUOTA_OPENED);
		assert_int_equal(used(r, "n", 0), cases[i].left);
		assert_int_equal(take(r, "n", QUOTA_MESSAGES, 1),
		    cases[i].left == 0 ? QUOTA_GRANTED : QUOTA_REFUSED);
	}
	/* The machine went down long after the time was last noted, and its
	 * clock is wrong now: never back behind what was counted. */
	pass(r, 7200);
	quota_check(r->q, NULL, NULL);
	pass(r, 50000);
	assert_int_equal(take(r, "n", QUOTA_MESSAGES, 5), 0);
	quota_close(r->q);
	r->boot_id[0]++;
	r->boot = S;
	r->wall = S;
	open_table(r);
	assert_int_equal(used(r, "n", 0), 5);
	assert_int_equal(take(r, "n", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
	pass(r, 3751);
	assert_int_equal(take(r, "n", QUOTA_MESSAGES, 1), 0);
}

static void
resized(void **state)
{
	static const struct {
		uint32_t accounts;
		unsigned limits;
		enum quota_event event;
		uint32_t now;
	} cases[] = {
	    {100, 5, QUOTA_OPENED, 100}, {5000, 5, QUOTA_MIGRATED, 5000},
	    {5000, 3, QUOTA_OPENED, 5000}, {60, 8, QUOTA_MIGRATED, 60},
	    {20, 8, QUOTA_TOO_SMALL, 60}, {200, 1, QUOTA_MIGRATED, 200},
	};
	struct rig *r = *state;
	struct quota_use use = {0};
	struct quota_info info;
	char who[32];

	limit(r, QUOTA_MESSAGES, 3600, 5);
	limit(r, QUOTA_MESSAGES, 7200, 5);
	for (int i = 0; i < 50; i++) {
		snprintf(who, sizeof(who), "user%d", i);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 3), 0);
	}
	quota_lock(r->q, "user49", true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct quota *before = r->q;

		assert_int_equal(quota_reserve(before, "user0", &r->set,
		    &(struct quota_amount){{2, 0, 0}}, &use, NULL), 0);
		r->opt.accounts = cases[i].accounts;
		r->opt.limits = cases[i].limits;
		open_table(r);
		assert_int_equal(r->report.event, cases[i].event);
		quota_info(r->q, &info);
		assert_int_equal(info.accounts, cases[i].now);
		assert_int_equal(used(r, "user1", 0), 3);
		assert_int_equal(take(r, "user1", QUOTA_MESSAGES, 3),
		    QUOTA_REFUSED);
		assert_int_equal(take(r, "user49", QUOTA_MESSAGES, 1),
		    QUOTA_LOCKED);
		/* Reserved in the old file, given back in the new one. */
		assert_int_equal(used(r, "user0", 0), 5);
		quota_release(before, &use);
		if (cases[i].event != QUOTA_MIGRATED) {
			assert_int_equal(used(r, "user0", 0), 3);
		} else {
			/* The old handle has not followed yet. */
			quota_reserve(before, "other", &r->set,
			    &(struct quota_amount){{1, 0, 0}}, &use, NULL);
			quota_release(before, &use);
			quota_reset(r->q, "user0");
			assert_int_equal(take(r, "user0", QUOTA_MESSAGES, 3),
			    0);
		}
		quota_close(before);
	}
}

static void
write_file(struct rig *r, const char *bytes, size_t len)
{
	int fd = open(r->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

static void
bad_files(void **state)
{
	struct rig *r = *state;
	size_t size = 0;
	char *good;
	struct stat st;
	int fd;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	take(r, "p", QUOTA_MESSAGES, 5);
	quota_close(r->q);
	stat(r->path, &st);
	size = (size_t)st.st_size;
	good = malloc(size + 1);
	fd = open(r->path, O_RDONLY);
	assert_true(read(fd, good, size) == (ssize_t)size);
	close(fd);
	assert_int_equal(st.st_mode & 0777, 0600);

	for (int i = 0; i < 8; i++) {
		char *bytes = malloc(size + 1);
		size_t len = size;

		memcpy(bytes, good, size);
		bytes[size] = 0;
		switch (i) {
		case 0: len = 0; break;
		case 1: len = 100; break;
		case 2: len = 4096; break;
		case 3: len = size - 1; break;
		case 4: len = size + 1; break;
		case 5: bytes[0] = 'P'; break; /* foreign */
		case 6: bytes[16]++; break; /* version */
		case 7: bytes[24]++; break; /* slots */
		}
		write_file(r, bytes, len);
		free(bytes);
		r->opt.mode = QUOTA_WRITE;
		assert_int_equal(quota_open(&r->q, r->path, &r->opt, NULL,
		    &r->msg), ERR_FORMAT);
		r->opt.mode = QUOTA_READ;
		assert_int_equal(quota_open(&r->q, r->path, &r->opt, NULL,
		    &r->msg), ERR_FORMAT);
		r->opt.mode = QUOTA_CREATE;
		open_table(r);
		assert_int_equal(r->report.event, QUOTA_RENEWED);
		assert_int_equal(stat(r->report.bad_path, &st), 0);
		assert_int_equal(st.st_size, len);
		assert_true(strlen(r->report.words) > 5);
		assert_int_equal(used(r, "p", 0), 0);
		assert_int_equal(take(r, "p", QUOTA_MESSAGES, 5), 0);
		quota_close(r->q);
	}
	assert_int_equal(files(r, "table.bad-20231114T", false), 8);
	write_file(r, good, size);
	free(good);
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_OPENED);
	assert_int_equal(used(r, "p", 0), 5);
}

static void
modes(void **state)
{
	struct rig *r = *state;
	struct quota *q;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	take(r, "q", QUOTA_MESSAGES, 2);
	quota_close(r->q);
	r->opt.mode = QUOTA_READ;
	chmod(r->path, 0400);
	open_table(r);
	assert_int_equal(used(r, "q", 0), 2);
	assert_int_equal(take(r, "q", QUOTA_MESSAGES, 2), ERR_SYSTEM);
	assert_int_equal(quota_reset_all(r->q), ERR_SYSTEM);
	assert_int_equal(errno, EROFS);
	assert_int_equal(quota_reset(r->q, "q"), ERR_SYSTEM);
	assert_int_equal(quota_lock(r->q, "q", true), ERR_SYSTEM);
	assert_int_equal(quota_check(r->q, NULL, NULL), 0);
	quota_close(r->q);
	chmod(r->path, 0600);
	r->opt.mode = QUOTA_WRITE;
	open_table(r);
	assert_int_equal(quota_reset(r->q, "q"), 0);
	quota_close(r->q);
	unlink(r->path);
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_NOTFOUND);
	r->opt.mode = QUOTA_READ;
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_NOTFOUND);
	assert_int_equal(files(r, "", false), 0);
	r->opt.mode = QUOTA_CREATE;
	assert_int_equal(mkdir(r->path, 0700), 0);
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_SYSTEM);
	rmdir(r->path);
	write_file(r, "", 0);
	chmod(r->path, 0666);
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_CONFIG);
	assert_non_null(strstr(r->msg.text, "chmod 600"));
	unlink(r->path);
	assert_int_equal(symlink("/nowhere/at/all", r->path), 0);
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_SYSTEM);
	unlink(r->path);
	r->opt.accounts = 0;
	assert_int_equal(quota_open(&q, r->path, &r->opt, NULL, &r->msg),
	    ERR_CONFIG);
	r->opt.accounts = 10;
	open_table(r);
}

/* Removed under a running daemon: counted on, and restored with a check. */
static void
removed(void **state)
{
	struct rig *r = *state;
	struct quota *other;
	struct quota_report rep;
	struct quota_use use = {0};

	limit(r, QUOTA_MESSAGES, 3600, 9);
	assert_int_equal(quota_open(&other, r->path, &r->opt, NULL, NULL), 0);
	assert_int_equal(take(r, "r", QUOTA_MESSAGES, 3), 0);
	assert_int_equal(quota_reserve(other, "r", &r->set,
	    &(struct quota_amount){{2, 0, 0}}, &use, NULL), 0);
	assert_int_equal(quota_check(r->q, &rep, NULL), 0);
	assert_int_equal(rep.event, QUOTA_OPENED);
	unlink(r->path);
	assert_int_equal(take(r, "r", QUOTA_MESSAGES, 3), 0);
	assert_int_equal(quota_check(r->q, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_RESTORED);
	assert_int_equal(access(r->path, F_OK), 0);
	assert_int_equal(used(r, "r", 0), 8);
	/* The other one follows by itself. */
	assert_int_equal(quota_commit(other, &use, NULL), 0);
	quota_release(other, &use);
	assert_int_equal(used(r, "r", 0), 8);
	assert_int_equal(take(r, "r", QUOTA_MESSAGES, 1), 0);
	assert_int_equal(take(r, "r", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
	quota_close(other);
	quota_close(r->q);
	open_table(r);
	assert_int_equal(used(r, "r", 0), 9);
}

/* Removed, and a second daemon began with nothing: joined at the check. */
static void
replaced(void **state)
{
	struct rig *r = *state;
	struct quota *first = r->q, *third;
	struct quota_report rep;

	limit(r, QUOTA_MESSAGES, 3600, 9);
	limit(r, QUOTA_MESSAGES, 60, 9);
	assert_int_equal(quota_open(&third, r->path, &r->opt, NULL, NULL), 0);
	assert_int_equal(take(r, "s", QUOTA_MESSAGES, 3), 0);
	quota_lock(first, "t", true);
	pass(r, 100);
	assert_int_equal(take(r, "s", QUOTA_MESSAGES, 1), 0);
	unlink(r->path);
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_CREATED);
	assert_int_equal(take(r, "s", QUOTA_MESSAGES, 2), 0);
	assert_int_equal(quota_check(first, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_RESTORED);
	assert_int_equal(used(r, "s", 1), 6);
	assert_int_equal(used(r, "s", 0), 3);
	assert_int_equal(take(r, "t", QUOTA_MESSAGES, 1), QUOTA_LOCKED);
	assert_int_equal(quota_check(third, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_FOLLOWED);
	assert_int_equal(quota_check(third, &rep, &r->msg), 0);
	assert_int_equal(rep.event, QUOTA_OPENED);
	assert_int_equal(used(r, "s", 1), 6);
	quota_close(first);
	quota_close(third);
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(clock_ahead), CASE(contended), CASE(windows),
	    CASE(slides), CASE(several),
	    CASE(message),
	    CASE(gives_back_late), CASE(settles), CASE(resets), CASE(locks),
	    CASE(reset_between_steps), CASE(held_for_laps), CASE(other_windows),
	    CASE(grows), CASE(facts_go),
	    CASE(full), CASE(full_for_long), CASE(full_by_damage),
	    CASE(full_and_large), CASE(minor_half),
	    CASE(minor_reuses), CASE(minor_by_and_by), CASE(minor_moves),
	    CASE(full_without_the_lock), CASE(minor_killed), CASE(would),
	    CASE(never_fits), CASE(names), CASE(reconfigured),
	    CASE(reconfigured_meanwhile), CASE(big_numbers), CASE(sets),
	    CASE(long_sleeps), CASE(wall_clock_steps), CASE(reboots),
	    CASE(resized), CASE(bad_files), CASE(modes), CASE(removed),
	    CASE(replaced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
