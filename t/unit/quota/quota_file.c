/*
 * The quota table's file: over reboots, of other versions, on file systems that
 * can't allocate, moved while others count, and cut off or damaged under them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * data/quota-v1 was made by a program of version 1: room for 8 accounts with
 * two limits, at boot time 1000 s of a boot with the id 1, wall time 1.7e9 s;
 * userN@example.com has N messages in an hour and N thousand octets in a day,
 * user5@ and spammer@ are locked.
 */
#include "lib/quota/quota.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "lib/base/siphash.h"
#include "lib/quota/table.h"
#include "t/support/drivers/test.h"

#define S NSEC
#define WALL (UINT64_C(1700000000) * S)

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
	unsigned reads;             /* of the boot clock */
	void (*hook)(struct rig *); /* at each of them */
	struct rig *other;          /* for the hook */
	unsigned done;              /* by the hook */
};

static uint64_t
rig_boottime(void *ctx)
{
	struct rig *r = ctx;

	r->reads++;
	if (r->hook != NULL)
		r->hook(r);
	return r->boot;
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

/* Without a table yet. */
static void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	strcpy(r->dir, "quota_file.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/table", r->dir);
	r->boot = 1000 * S;
	r->wall = WALL;
	r->boot_id[0] = 1;
	r->clock = (struct quota_clock){rig_boottime, rig_wall, rig_boot_id, r};
	r->opt = (struct quota_options){.mode = QUOTA_CREATE, .accounts = 100,
	    .limits = 5, .clock = &r->clock};
}

static int
setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	rig_init(r);
	*state = r;
	return 0;
}

/* How many files have this in their names. */
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
	files(r, "", true);
	rmdir(r->dir);
	free(r);
	return 0;
}

/* Another daemon on the same table. */
static void
second(const struct rig *r, struct rig *two)
{
	*two = *r;
	two->hook = NULL;
	two->clock.ctx = two;
	two->opt.clock = &two->clock;
	two->q = NULL;
}

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
	return s.usage[which].used;
}

static bool
locked(struct rig *r, const char *who)
{
	struct quota_state s;

	assert_int_equal(quota_peek(r->q, who, &r->set, &s), 0);
	return s.locked;
}

/* A word of the file, as all see it. */
static uint64_t
word_at(const char *path, size_t at)
{
	int fd = open(path, O_RDONLY);
	uint64_t w;

	assert_int_equal(pread(fd, &w, sizeof(w), (off_t)at), sizeof(w));
	close(fd);
	return w;
}

static void
overwrite(const char *path, size_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY);

	assert_int_equal(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
	close(fd);
}

static void
set_word(const char *path, size_t at, uint64_t w)
{
	overwrite(path, at, &w, sizeof(w));
}

#define MOVED offsetof(struct table, moved)

/* --- reboots ------------------------------------------------------------- */

static void
reboot(struct rig *r, double away, bool wall_is_right)
{
	quota_close(r->q);
	r->q = NULL;
	r->boot_id[0]++;
	r->boot = 3 * S;
	if (wall_is_right)
		r->wall += (uint64_t)(away * (double)S);
	else
		r->wall = S;
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_OPENED);
}

/* A short window is as safe over a reboot as alone when a long one stands
 * beside it, wherever in the long one's tick it happens. */
static void
short_beside_long(void **state)
{
	static const uint32_t longer[] = {7200, 86400, 604800, 2592000,
	    QUOTA_WINDOW_MAX};
	struct rig *r = *state;

	open_table(r);
	for (size_t i = 0; i < sizeof(longer) / sizeof(*longer); i++) {
		for (int k = 0; k < 8; k++) {
			char who[32];

			snprintf(who, sizeof(who), "u%zu.%d", i, k);
			r->set.count = 0;
			limit(r, QUOTA_MESSAGES, 3600, 5);
			limit(r, QUOTA_MESSAGES, longer[i], 1000);
			pass(r, longer[i] * 0.0113 * k);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 5), 0);
			pass(r, 2);
			quota_check(r->q, NULL, NULL);
			reboot(r, 60, k % 2 == 0);
			r->wall = WALL + r->wall % (1000000 * S);
			assert_int_equal(used(r, who, 0), 5);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
			    QUOTA_REFUSED);
			pass(r, 3500);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
			    QUOTA_REFUSED);
			pass(r, 400);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
		}
	}
}

/* The wall clock stands at 1970 until somebody sets it, and the next boot comes
 * before that is noted. */
static void
clock_set_late(void **state)
{
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	open_table(r);
	for (int i = 1; i < 5; i++) {
		char who[16];

		snprintf(who, sizeof(who), "u%d", i);
		pass(r, 4000);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		reboot(r, 10, false);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 5), 0);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		pass(r, 20);
		r->wall = WALL + (uint64_t)i * 10000 * S;
		reboot(r, 60, true);
		assert_int_equal(used(r, who, 0), 5);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
	}
}

/* Table time after a boot is never ahead of the time that has passed, and no
 * tick in which something counts begins after it. */
static void
time_never_leaps(void **state)
{
	static const uint32_t windows[] = {1, 60, 3600, 86400, 604800,
	    QUOTA_WINDOW_MAX};
	struct rig *r = *state;
	unsigned seed = 5;

	open_table(r);
	for (int i = 0; i < 300; i++) {
		uint64_t now, counted, before, away;
		char who[16];

		snprintf(who, sizeof(who), "u%d", i % 7);
		for (int k = 0; k < 4; k++) {
			seed = seed * 1103515245 + 12345;
			r->set.count = 0;
			limit(r, QUOTA_MESSAGES, windows[(seed >> 16) % 6],
			    QUOTA_LIMIT_MAX);
			pass(r, (seed >> 16) % 9973 * 0.31);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
		}
		if (i % 3 == 0)
			quota_check(r->q, NULL, NULL);
		counted = r->boot;
		pass(r, (seed >> 16) % 100);
		before = word_at(r->path, offsetof(struct table, offset)) +
		    r->boot;
		counted += before - r->boot;
		away = (seed >> 16) % 1000 * S;
		reboot(r, (double)away / S, i % 2 == 0);
		now = word_at(r->path, offsetof(struct table, offset)) +
		    r->boot;
		assert_true(now <= before + away + 3 * S);
		assert_true(now / ring_width(ring_desc(QUOTA_MESSAGES,
		    r->set.limit[0].window_s)) >= counted /
		    ring_width(ring_desc(QUOTA_MESSAGES,
		    r->set.limit[0].window_s)));
		r->wall = WALL + (uint64_t)(i + 1) * 10000000 * S;
		quota_check(r->q, NULL, NULL);
	}
}

/* A process that sees another boot id, or none, on the same boot: one time for
 * all, whatever the wall clock says meanwhile. */
static void
other_view_of_the_boot(void **state)
{
	static const double steps[] = {0, 86400.0 * 365, -86400.0 * 365, 3000,
	    -3000};
	struct rig *r = *state, two;

	limit(r, QUOTA_MESSAGES, 3600, 6);
	limit(r, QUOTA_MESSAGES, 604800, 1000);
	limit(r, QUOTA_RECIPIENTS, QUOTA_WINDOW_MAX, 1000);
	open_table(r);
	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		char who[16];
		uint64_t offset;

		snprintf(who, sizeof(who), "u%zu", i);
		pass(r, 500);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		offset = word_at(r->path, offsetof(struct table, offset));
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 2), 0);
		pass(r, 40);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
		second(r, &two);
		two.boot_id[0] = i % 2 == 0 ? 77 : 0;
		two.wall += (uint64_t)(int64_t)(steps[i] * (double)S);
		open_table(&two);
		assert_int_equal(two.report.event, QUOTA_OPENED);
		assert_true(word_at(r->path, offsetof(struct table, offset)) ==
		    offset);
		assert_int_equal(used(&two, who, 0), 3);
		pass(&two, 7);
		pass(r, 7);
		assert_int_equal(take(&two, who, QUOTA_MESSAGES, 2), 0);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
		assert_int_equal(take(&two, who, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		quota_close(two.q);
		quota_close(r->q);
		open_table(r);
		assert_int_equal(used(r, who, 0), 6);
		pass(r, 3590);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
	}
}

/* The page with a ring's head is older than the one with its cells. */
static void
old_heads(void **state)
{
	struct rig *r = *state;
	size_t at;

	limit(r, QUOTA_MESSAGES, 60, 5);
	open_table(r);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), 0);
	at = sizeof(struct table) + 256 * sizeof(word64) +
	    sizeof(struct slot) + offsetof(struct ring, head);
	for (int i = 0; i < 20; i++) {
		uint64_t head = word_at(r->path, at);

		assert_true(head != 0);
		pass(r, 130);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 5), 0);
		assert_true(word_at(r->path, at) != head);
		set_word(r->path, at, head);
		reboot(r, 1, false);
		/* Nobody's sweep takes it for old. */
		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, 60, 5);
		limit(r, QUOTA_MESSAGES, 100 + (uint32_t)i % 3, 5);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		r->set.count = 0;
		limit(r, QUOTA_MESSAGES, 60, 5);
		pass(r, 59);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		pass(r, 70);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), 0);
	}
}

/* --- versions ------------------------------------------------------------ */

/* What a later program may have made of the table. */
static void
make_later(const char *path, int how)
{
	unsigned char head[offsetof(struct table, pad0)];
	struct table t;
	uint64_t hash[2];
	int fd = open(path, O_RDONLY);

	assert_int_equal(pread(fd, head, sizeof(head), 0), sizeof(head));
	close(fd);
	memcpy(&t, head, sizeof(head));
	t.version = how == 0 ? 2 : how == 1 ? 3 : 70000;
	t.features = how == 0 ? UINT64_C(1) << 40 : 0;
	siphash128((const uint64_t[2]){1, 2}, &t, offsetof(struct table, check),
	    hash);
	t.check = hash[0];
	siphash128((const uint64_t[2]){3, 4}, &t,
	    offsetof(struct table, features_check), hash);
	t.features_check = how == 2 ? 0 : hash[0];
	overwrite(path, 0, &t, sizeof(head));
}

static void
a_later_programs_is_let_alone(void **state)
{
	struct rig *r = *state;
	struct stat before, after;

	for (int how = 0; how < 3; how++) {
		limit(r, QUOTA_MESSAGES, 3600, 5);
		open_table(r);
		quota_close(r->q);
		r->q = NULL;
		make_later(r->path, how);
		stat(r->path, &before);
		for (int mode = QUOTA_CREATE; mode <= QUOTA_READ; mode++) {
			r->opt.mode = (enum quota_mode)mode;
			assert_int_equal(quota_open(&r->q, r->path, &r->opt,
			    NULL, &r->msg), ERR_FORMAT);
			assert_non_null(strstr(r->msg.text, how == 0 ?
			    "features (0x10000000000)" : how == 1 ?
			    "version 3" : "version 70000"));
		}
		r->opt.mode = QUOTA_CREATE;
		assert_int_equal(stat(r->path, &after), 0);
		assert_true(before.st_ino == after.st_ino);
		assert_int_equal(files(r, "", true), 1);
	}
}

/* While this one counts, a later one puts its table there; it may have moved
 * ours into it. */
static void
a_later_one_comes(void **state)
{
	struct rig *r = *state, two;
	char other[160];

	limit(r, QUOTA_MESSAGES, 3600, 5);
	open_table(r);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 3), 0);
	second(r, &two);
	snprintf(two.path, sizeof(two.path), "%s/later", r->dir);
	open_table(&two);
	quota_close(two.q);
	make_later(two.path, 1);
	snprintf(other, sizeof(other), "%s/other", r->dir);
	assert_int_equal(rename(r->path, other), 0);
	assert_int_equal(rename(two.path, r->path), 0);
	for (int moved = 0; moved < 2; moved++) {
		if (moved == 1)
			set_word(other, MOVED, MOVED_AWAY);
		for (int i = 0; i < 3; i++) {
			assert_int_equal(quota_check(r->q, &r->report,
			    &r->msg), ERR_FORMAT);
			assert_non_null(strstr(r->msg.text, "version 3"));
			assert_int_equal(take(r, "u", QUOTA_MESSAGES, 3),
			    QUOTA_REFUSED);
		}
		assert_int_equal(word_at(r->path, 16) & UINT32_MAX, 3);
		assert_int_equal(files(r, ".bad-", false), 0);
	}
	assert_int_equal(used(r, "u", 0), 3);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 2), 0);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), QUOTA_REFUSED);
}

static void
copy_file(const char *from, const char *to)
{
	char bytes[65536];
	int in = open(from, O_RDONLY);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ssize_t n = read(in, bytes, sizeof(bytes));

	assert_true(n > 0 && write(out, bytes, (size_t)n) == n);
	close(in);
	close(out);
}

/* As it is, and moved to another size. */
static void
version_1(void **state)
{
	static const struct {
		enum quota_mode mode;
		uint32_t accounts;
		unsigned limits;
		enum quota_event event;
	} cases[] = {
	    {QUOTA_WRITE, 0, 0, QUOTA_OPENED},
	    {QUOTA_CREATE, 100, 2, QUOTA_MIGRATED},
	    {QUOTA_CREATE, 8, QUOTA_LIMITS_MAX, QUOTA_MIGRATED},
	};
	struct rig *r = *state;
	unsigned rings;

	limit(r, QUOTA_MESSAGES, 3600, 9);
	limit(r, QUOTA_BYTES, 86400, 100000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		copy_file(POSTERN_SOURCE "/t/data/quota-v1", r->path);
		r->opt.mode = cases[i].mode;
		r->opt.accounts = cases[i].accounts;
		r->opt.limits = cases[i].limits;
		open_table(r);
		assert_int_equal(r->report.event, cases[i].event);
		rings = (unsigned)word_at(r->path,
		    offsetof(struct table, rings));
		assert_int_equal(word_at(r->path, 16) & UINT32_MAX,
		    rings > 8 ? 2 : 1);
		assert_int_equal(word_at(r->path, 80), rings > 8 ? 1 : 0);
		for (unsigned n = 1; n <= 5; n++) {
			char who[32];

			snprintf(who, sizeof(who), "user%u@example.com", n);
			assert_int_equal(used(r, who, 0), n);
			assert_int_equal(used(r, who, 1), 1000 * n);
			assert_int_equal(locked(r, who), n == 5);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 10 - n),
			    n == 5 ? QUOTA_LOCKED : QUOTA_REFUSED);
			assert_int_equal(take(r, who, QUOTA_MESSAGES, 9 - n),
			    n == 5 ? QUOTA_LOCKED : QUOTA_GRANTED);
		}
		assert_true(locked(r, "spammer@example.com"));
		assert_int_equal(files(r, "", false), 1);
		quota_close(r->q);
		r->q = NULL;
	}
}

/* --- sums ----------------------------------------------------------------- */

/* The process sleeps for longer than a window, at one look at the clock. */
static void
sleep_once(struct rig *r)
{
	if (r->reads == r->done)
		pass(r, 11);
}

/* An event's time is its commit, in its account and in its sum: however long it
 * takes between the two, both windows begin when the commit has returned. */
static void
one_commit_for_all(void **state)
{
	struct rig *r = *state;
	const struct quota_amount one = {{1, 0, 0}};
	struct quota_set sum = {.count = 0};

	limit(r, QUOTA_MESSAGES, 10, 1);
	sum = r->set;
	open_table(r);
	for (unsigned n = 1; n <= 40; n++) {
		struct quota_set set = r->set;
		struct quota_use use = {0};
		char who[32], all[32];

		snprintf(who, sizeof(who), "u%u", n);
		snprintf(all, sizeof(all), "@%u", n);
		set.sum[set.sums++] = (struct quota_sum){all, &sum};
		assert_int_equal(quota_reserve(r->q, who, &set, &one, &use,
		    NULL), 0);
		pass(r, 1);
		r->done = r->reads + n;
		r->hook = sleep_once;
		assert_int_equal(quota_commit(r->q, &use, NULL), 0);
		r->hook = NULL;
		quota_release(r->q, &use);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		assert_int_equal(take(r, all, QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
	}
}

/* --- facts --------------------------------------------------------------- */

static word64 *
facts(struct rig *r, const char *who)
{
	struct map *m = atomic_load(&mapped_of(r->q)->map);
	struct quota_key key = quota_key_of(m, who, strlen(who));
	uint32_t n;
	struct slot *s = slot_find(m, &key, &n);

	assert_non_null(s);
	return slot_facts(m, s);
}

static void
assert_facts(struct rig *r, const char *who, uint64_t first, uint64_t last)
{
	assert_true(atomic_load(&facts(r, who)[0]) == first);
	assert_true(atomic_load(&facts(r, who)[FACTS_SIZE / 8 - 1]) == last);
}

static void
set_facts(struct rig *r, const char *who, uint64_t first, uint64_t last)
{
	assert_int_equal(take(r, who, QUOTA_MESSAGES, 1), 0);
	atomic_store(&facts(r, who)[0], first);
	atomic_store(&facts(r, who)[FACTS_SIZE / 8 - 1], last);
}

/* What is known of an account goes where it goes. */
static void
facts_go_along(void **state)
{
	struct rig *r = *state;
	bool joined;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	open_table(r);
	set_facts(r, "a", 1, UINT64_MAX - 1);
	set_facts(r, "b", 6, 0);
	set_facts(r, "c", 9, 9);
	/* Copied to another size. */
	quota_close(r->q);
	r->opt.accounts = 300;
	open_table(r);
	assert_int_equal(r->report.event, QUOTA_MIGRATED);
	assert_facts(r, "a", 1, UINT64_MAX - 1);
	/* With another name, and added to another's. */
	assert_int_equal(quota_rename(r->q, "a", "d", &joined), 0);
	assert_facts(r, "d", 1, UINT64_MAX - 1);
	assert_int_equal(quota_rename(r->q, "d", "b", &joined), 0);
	assert_true(joined);
	assert_facts(r, "b", 7, UINT64_MAX - 1);
	/* Whose slot it was leaves nothing to the next one. */
	assert_int_equal(take(r, "e", QUOTA_MESSAGES, 1), 0);
	assert_facts(r, "e", 0, 0);
	/* Joined with another file. */
	assert_int_equal(unlink(r->path), 0);
	{
		struct rig two;

		second(r, &two);
		open_table(&two);
		set_facts(&two, "b", 8, 1);
		assert_int_equal(quota_check(r->q, NULL, NULL), 0);
		assert_facts(r, "b", 15, UINT64_MAX);
		assert_facts(r, "c", 9, 9);
		quota_close(two.q);
	}
	/* Cleared with the counts, at the next one. */
	assert_int_equal(quota_reset(r->q, "b"), 0);
	assert_facts(r, "b", 0, 0);
	assert_int_equal(quota_reset_all(r->q), 0);
	assert_int_equal(take(r, "c", QUOTA_MESSAGES, 1), 0);
	assert_facts(r, "c", 0, 0);
}

/* --- allocation ---------------------------------------------------------- */

static int allocate_error; /* 0: as the file system has it */
static unsigned allocated, kept, libc_allocated;
static uint64_t written;

int __real_fallocate(int fd, int mode, off_t at, off_t size);
int __wrap_fallocate(int fd, int mode, off_t at, off_t size);
int __real_posix_fallocate(int fd, off_t at, off_t size);
int __wrap_posix_fallocate(int fd, off_t at, off_t size);
ssize_t __real_pwrite(int fd, const void *bytes, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t len, off_t at);

int
__wrap_fallocate(int fd, int mode, off_t at, off_t size)
{
	if (mode == FALLOC_FL_KEEP_SIZE)
		kept++;
	else
		allocated++;
	if (allocate_error == 0)
		return __real_fallocate(fd, mode, at, size);
	errno = allocate_error;
	return -1;
}

/* glibc's reads and writes where the file system can't. */
int
__wrap_posix_fallocate(int fd, off_t at, off_t size)
{
	libc_allocated++;
	return __real_posix_fallocate(fd, at, size);
}

ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t len, off_t at)
{
	written += len;
	return __real_pwrite(fd, bytes, len, at);
}

static void
cannot_allocate(void **state)
{
	struct rig *r = *state, two;
	struct stat st;

	limit(r, QUOTA_MESSAGES, 3600, 5);
	allocate_error = EOPNOTSUPP;
	allocated = kept = libc_allocated = 0;
	written = 0;
	open_table(r);
	/* A new one is all there before it has its name. */
	assert_int_equal(stat(r->path, &st), 0);
	assert_true((uint64_t)st.st_blocks * 512 >= (uint64_t)st.st_size);
	assert_true(written >= (uint64_t)st.st_size);
	assert_int_equal(allocated, 1);
	assert_int_equal(take(r, "u", QUOTA_MESSAGES, 4), 0);
	/* One that is in use is not written to. */
	written = 0;
	second(r, &two);
	open_table(&two);
	quota_close(two.q);
	assert_int_equal(written, 0);
	assert_int_equal(kept, 1);
	assert_int_equal(libc_allocated, 0);
	/* Where there is no room, that is said. */
	allocate_error = ENOSPC;
	assert_int_equal(quota_open(&two.q, r->path, &two.opt, NULL, &two.msg),
	    ERR_SYSTEM);
	assert_int_equal(quota_open(&two.q, "no-room", &two.opt, NULL,
	    &two.msg), ERR_SYSTEM);
	assert_int_equal(two.msg.kind, ERRMSG_NO_ROOM);
	allocate_error = 0;
	assert_int_equal(used(r, "u", 0), 4);
}

/* --- moved while others count -------------------------------------------- */

#define MANY 3000

/* What must be found afterwards. */
static struct {
	uint64_t used[2 * MANY];
	bool locked[2 * MANY];
	struct quota_use held[64];
	unsigned held_by[64], holds;
} want;

static void
count_one(struct rig *o, unsigned n)
{
	char who[32];

	snprintf(who, sizeof(who), "user%u@example.com", n);
	if (want.locked[n]) {
		assert_int_equal(take(o, who, QUOTA_MESSAGES, 1), QUOTA_LOCKED);
		return;
	}
	assert_int_equal(take(o, who, QUOTA_MESSAGES, 1 + n % 3), 0);
	want.used[n] += 1 + n % 3;
}

/* While the table is copied another daemon counts in it: accounts that were
 * copied already and that were not, new ones; takes back, locks, resets. */
static void
meanwhile(struct rig *r)
{
	static const struct quota_amount one = {{1, 0, 0}};
	struct rig *o = r->other;
	struct quota_use use = {0};
	char who[32];
	unsigned n;

	if (word_at(r->path, MOVED) != MOVED_COPYING)
		return;
	r->hook = NULL;
	for (unsigned k = 0; k < 200; k++)
		count_one(o, (r->done * 7919 + k * 17) % MANY);
	n = MANY + r->done % MANY;
	count_one(o, n); /* new */
	n = r->done * 31 % MANY;
	snprintf(who, sizeof(who), "user%u@example.com", n);
	if (!want.locked[n]) {
		assert_int_equal(quota_reserve(o->q, who, &o->set, &one, &use,
		    NULL), 0);
		quota_release(o->q, &use);
		assert_int_equal(quota_reset(o->q, who), 0);
		want.used[n] = 0;
		assert_int_equal(quota_lock(o->q, who, true), 0);
		want.locked[n] = true;
	}
	n = r->done * 37 % MANY;
	snprintf(who, sizeof(who), "user%u@example.com", n);
	if (want.holds < 64 && !want.locked[n]) {
		assert_int_equal(quota_reserve(o->q, who, &o->set, &one,
		    &want.held[want.holds], NULL), 0);
		want.held_by[want.holds++] = n;
	}
	r->done++;
	r->hook = meanwhile;
}

static void
counted_while_copied(void **state)
{
	static const uint32_t sizes[] = {2 * MANY + 1000, 2 * MANY,
	    2 * MANY + 5};
	struct rig *r = *state, two;
	char who[32];

	limit(r, QUOTA_MESSAGES, 3600, 1000);
	limit(r, QUOTA_MESSAGES, 86400, 1000000);
	memset(&want, 0, sizeof(want));
	r->opt.accounts = 3 * MANY;
	open_table(r);
	for (unsigned n = 0; n < MANY; n++)
		count_one(r, n);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		want.holds = 0;
		second(r, &two);
		two.opt.accounts = sizes[i];
		two.other = r;
		two.hook = meanwhile;
		open_table(&two);
		assert_int_equal(two.report.event, QUOTA_MIGRATED);
		assert_true(two.done > r->done);
		r->done = two.done;
		for (unsigned n = 0; n < 2 * MANY; n++) {
			uint64_t held = 0;

			for (unsigned k = 0; k < want.holds; k++)
				held += want.held_by[k] == n &&
				    !want.locked[n];
			snprintf(who, sizeof(who), "user%u@example.com", n);
			if (!want.locked[n] && used(&two, who, 0) !=
			    want.used[n] + held)
				fail_msg("%s: %d in place of %d", who,
				    (int)used(&two, who, 0),
				    (int)(want.used[n] + held));
			assert_int_equal(locked(&two, who), want.locked[n]);
		}
		/* Reserved there, finished here. */
		for (unsigned k = 0; k < want.holds; k++) {
			unsigned n = want.held_by[k];

			if (k % 2 == 0 && !want.locked[n]) {
				assert_int_equal(quota_commit(r->q,
				    &want.held[k], NULL), 0);
				want.used[n]++;
			}
			quota_release(r->q, &want.held[k]);
		}
		for (unsigned n = 0; n < 2 * MANY; n++) {
			snprintf(who, sizeof(who), "user%u@example.com", n);
			if (!want.locked[n])
				assert_int_equal(used(&two, who, 0),
				    want.used[n]);
		}
		quota_close(r->q);
		r->q = two.q;
	}
	assert_int_equal(files(r, "", false), 1);
}

/* All of a move between two steps of one who counts. */
static void
move_now(struct rig *r)
{
	struct rig two;

	if (r->done == 0 || --r->done > 0)
		return;
	second(r, &two);
	two.opt.accounts = r->opt.accounts == 100 ? 200 : 100;
	r->opt.accounts = two.opt.accounts;
	open_table(&two);
	assert_int_equal(two.report.event, QUOTA_MIGRATED);
	quota_close(two.q);
}

static void
moved_while_counted(void **state)
{
	struct rig *r = *state;

	limit(r, QUOTA_MESSAGES, 3600, 100);
	limit(r, QUOTA_MESSAGES, 7200, 100);
	open_table(r);
	for (unsigned step = 1; step < 8; step++) {
		uint64_t granted = 0;
		char who[16];
		unsigned k = 0;

		snprintf(who, sizeof(who), "u%u", step);
		for (; k < 100; k++) {
			r->hook = k % 5 == 1 ? move_now : NULL;
			r->done = step;
			granted += take(r, who, QUOTA_MESSAGES, 3) == 0 ? 3 : 0;
			r->hook = NULL;
			assert_true(used(r, who, 0) >= granted);
			assert_true(used(r, who, 1) >= granted);
		}
		assert_in_range(granted, 40, 100);
	}
}

static void
die_copying(struct rig *r)
{
	if (word_at(r->path, MOVED) == MOVED_COPYING)
		_exit(7);
}

/* Who copied is killed: counting never stops, and a later move succeeds. */
static void
killed_while_copying(void **state)
{
	struct rig *r = *state, two;
	int status;
	pid_t pid;

	limit(r, QUOTA_MESSAGES, 3600, 50);
	open_table(r);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 2), 0);
		second(r, &two);
		two.opt.accounts = 200;
		pid = fork();
		if (pid == 0) {
			two.hook = die_copying;
			open_table(&two);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(WEXITSTATUS(status), 7);
		assert_int_equal(word_at(r->path, MOVED), MOVED_COPYING);
		assert_int_equal(take(r, "u", QUOTA_MESSAGES, 1), 0);
		assert_int_equal(take(r, "new", QUOTA_MESSAGES, 1), 0);
		if (i % 2 == 0) {
			assert_int_equal(quota_check(r->q, NULL, NULL), 0);
			assert_int_equal(word_at(r->path, MOVED), MOVED_NO);
		}
		assert_int_equal(used(r, "u", 0), 3 * (i + 1));
	}
	open_table(&two);
	assert_int_equal(two.report.event, QUOTA_MIGRATED);
	assert_int_equal(used(&two, "u", 0), 12);
	assert_int_equal(used(&two, "new", 0), 4);
	quota_close(two.q);
}

/* --- damage while it serves ---------------------------------------------- */

static void
fill(struct rig *r)
{
	char who[32];

	limit(r, QUOTA_MESSAGES, 3600, 5);
	open_table(r);
	for (int i = 0; i < 60; i++) {
		snprintf(who, sizeof(who), "user%d", i);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 5), 0);
	}
	assert_int_equal(quota_lock(r->q, "user7", true), 0);
}

/* Counts and locks of all that could be read; nobody is granted twice. */
static void
all_kept(struct rig *r)
{
	char who[32];

	for (int i = 0; i < 60; i++) {
		snprintf(who, sizeof(who), "user%d", i);
		assert_int_equal(used(r, who, 0), 5);
		assert_int_equal(take(r, who, QUOTA_MESSAGES, 1),
		    i == 7 ? QUOTA_LOCKED : QUOTA_REFUSED);
	}
}

static void
damaged_moved(void **state)
{
	static const uint64_t words[] = {1, 2, 3, 4, 5, 77, UINT64_C(1) << 32,
	    UINT64_MAX};
	struct rig *r = *state;

	fill(r);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		bool damage = words[i] > MOVED_COPYING;

		set_word(r->path, MOVED, words[i]);
		r->reads = 0;
		assert_int_equal(take(r, "user1", QUOTA_MESSAGES, 1),
		    QUOTA_REFUSED);
		assert_int_equal(take(r, "new", QUOTA_MESSAGES, 0), 0);
		assert_true(r->reads < 2000); /* nobody spins */
		assert_int_equal(quota_needs_check(r->q), damage);
		assert_int_equal(quota_check(r->q, &r->report, NULL), 0);
		assert_int_equal(r->report.event,
		    damage ? QUOTA_RENEWED : QUOTA_OPENED);
		assert_int_equal(access(r->report.bad_path, F_OK),
		    damage ? 0 : -1);
		assert_false(quota_needs_check(r->q));
		assert_int_equal(word_at(r->path, MOVED), MOVED_NO);
		all_kept(r);
	}
	assert_int_equal(files(r, ".bad-", false), 4);
	assert_int_equal(files(r, ".new", false), 0);
}

static const char *watched; /* is to be there whenever a file is renamed */

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int
__wrap_rename(const char *from, const char *to)
{
	if (watched != NULL)
		assert_int_equal(access(watched, F_OK), 0);
	return __real_rename(from, to);
}

/* A kill at any moment leaves one table or the other under the name. */
static void
damaged_header(void **state)
{
	static const struct {
		size_t at, len;
	} cases[] = {
	    {0, 16}, {16, 4}, {24, 4}, {48, 16}, {72, 8}, {0, 128},
	    {offsetof(struct table, fresh), 8},
	    {offsetof(struct table, offset), 8},
	    {offsetof(struct table, latest), 8}, {0, 4096},
	};
	struct rig *r = *state, two;

	fill(r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char bytes[4096];

		memset(bytes, 0x5a, sizeof(bytes));
		second(r, &two);
		open_table(&two);
		overwrite(r->path, cases[i].at, bytes, cases[i].len);
		watched = r->path;
		assert_int_equal(quota_check(r->q, &r->report, &r->msg), 0);
		watched = NULL;
		assert_int_equal(r->report.event, QUOTA_RENEWED);
		assert_non_null(strstr(r->report.words, "60 accounts"));
		assert_int_equal(access(r->report.bad_path, F_OK), 0);
		all_kept(r);
		/* The other one goes along, and joins nothing twice. */
		assert_int_equal(quota_check(two.q, &two.report, NULL), 0);
		assert_int_equal(two.report.event, QUOTA_FOLLOWED);
		all_kept(&two);
		quota_close(two.q);
		assert_int_equal(quota_check(r->q, &r->report, NULL), 0);
		assert_int_equal(r->report.event, QUOTA_OPENED);
	}
}

/* cmocka has a handler of its own during each test; those that need ours put it
 * there themselves. */
static struct {
	struct rig *r;
	_Atomic bool stop;
	_Atomic unsigned taken, failed;
} busy;

static void *
keep_busy(void *arg)
{
	unsigned n = (unsigned)(uintptr_t)arg * 1000;
	struct rig *r = busy.r;
	struct quota_state state;
	char who[32];

	while (!atomic_load(&busy.stop)) {
		struct quota_use use = {0};
		struct quota_amount one = {{1, 0, 0}};
		int rc;

		snprintf(who, sizeof(who), "busy%u", n++ % 5000 % 40);
		rc = quota_reserve(r->q, who, &r->set, &one, &use, NULL);
		if (rc == QUOTA_GRANTED)
			rc = quota_commit(r->q, &use, NULL);
		quota_release(r->q, &use);
		quota_peek(r->q, who, &r->set, &state);
		if (rc < 0 && rc != ERR_FULL)
			atomic_fetch_add(&busy.failed, 1);
		atomic_fetch_add(&busy.taken, 1);
	}
	return NULL;
}

static void
wait_taken(unsigned more)
{
	unsigned from = atomic_load(&busy.taken);

	while (atomic_load(&busy.taken) - from < more)
		usleep(100);
}

static uint64_t
still(void *ctx)
{
	return ((struct rig *)ctx)->boot;
}

/* Threads count in it while it is cut off, at its beginning, in the middle, at
 * its end, or grows again: mail goes on, and the table is renewed, once. */
static void
cut_off(void **state)
{
	struct rig *r = *state;
	pthread_t id[4];
	struct stat st;

	assert_int_equal(mapguard_install(), 0);
	r->clock.boottime = still;
	r->opt.accounts = 200;
	fill(r);
	assert_int_equal(stat(r->path, &st), 0);
	for (int i = 0; i < 12; i++) {
		const off_t cuts[] = {0, 4096, 5000, st.st_size / 2,
		    st.st_size - 1, st.st_size + 4096};

		busy.r = r;
		atomic_store(&busy.stop, false);
		for (uintptr_t t = 0; t < 4; t++)
			pthread_create(&id[t], NULL, keep_busy, (void *)t);
		wait_taken(1000);
		assert_int_equal(truncate(r->path, cuts[i % 6]), 0);
		wait_taken(i < 6 ? 1000 : 1);
		if (i >= 6)
			assert_int_equal(truncate(r->path, st.st_size), 0);
		wait_taken(1000);
		if (i < 6 || quota_needs_check(r->q)) {
			assert_int_equal(quota_check(r->q, &r->report,
			    &r->msg), 0);
			assert_int_equal(r->report.event, QUOTA_RENEWED);
			assert_int_equal(access(r->report.bad_path, F_OK), 0);
		}
		wait_taken(1000);
		assert_int_equal(quota_check(r->q, &r->report, &r->msg), 0);
		/* One whose cut nobody met has zeros in it, which the check
		 * of the header sees. */
		assert_true(r->report.event == QUOTA_OPENED || i >= 6);
		wait_taken(1000);
		atomic_store(&busy.stop, true);
		for (int t = 0; t < 4; t++)
			pthread_join(id[t], NULL);
		assert_int_equal(quota_check(r->q, &r->report, NULL), 0);
		assert_int_equal(r->report.event, QUOTA_OPENED);
		assert_int_equal(atomic_load(&busy.failed), 0);
		assert_int_equal(stat(r->path, &st), 0);
		quota_close(r->q);
		r->q = NULL;
		files(r, "", true);
		r->set.count = 0;
		fill(r);
	}
}

/* Of what is left nothing is lost, and it is granted no second time. */
static void
cut_at_the_end(void **state)
{
	struct rig *r = *state;
	struct stat st;

	assert_int_equal(mapguard_install(), 0);
	fill(r);
	assert_int_equal(stat(r->path, &st), 0);
	/* The last 40 of 100 slots were never used. */
	assert_int_equal(truncate(r->path, st.st_size * 7 / 10), 0);
	assert_int_equal(quota_check(r->q, &r->report, NULL), 0);
	assert_int_equal(r->report.event, QUOTA_RENEWED);
	all_kept(r);
}

/* A reader gets what there is, or an error, and lives. */
static void
cut_off_under_a_reader(void **state)
{
	struct rig *r = *state, two;
	struct quota_entry entry;
	struct quota_state s;
	uint32_t cursor = 0;
	unsigned n = 0;

	assert_int_equal(mapguard_install(), 0);
	fill(r);
	second(r, &two);
	two.opt.mode = QUOTA_READ;
	open_table(&two);
	assert_true(quota_next(two.q, &cursor, &entry));
	assert_int_equal(truncate(r->path, 100), 0);
	while (quota_next(two.q, &cursor, &entry) && n++ < 1000)
		quota_peek_entry(two.q, &entry, &r->set, &s);
	assert_true(n < 1000);
	assert_int_equal(quota_check(two.q, NULL, &two.msg), ERR_FORMAT);
	assert_non_null(strstr(two.msg.text, "cut off"));
	quota_close(two.q);
	assert_int_equal(quota_open(&two.q, r->path, &two.opt, NULL, &two.msg),
	    ERR_FORMAT);
}

/* A fault elsewhere ends the program as ever. */
static void
other_faults(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	for (int sent = 0; sent < 2; sent++) {
		pid = fork();
		if (pid == 0) {
			struct rig r;
			volatile char *p;
			int fd;

			signal(SIGBUS, SIG_DFL);
			mapguard_install();
			rig_init(&r);
			rmdir(r.dir);
			fd = open("/dev/shm", O_TMPFILE | O_RDWR, 0600);
			p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
			if (sent == 0)
				_exit(p[5]);
			raise(SIGBUS);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
	}
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(short_beside_long), CASE(clock_set_late),
	    CASE(time_never_leaps),
	    CASE(other_view_of_the_boot), CASE(old_heads),
	    CASE(a_later_programs_is_let_alone), CASE(a_later_one_comes),
	    CASE(version_1), CASE(one_commit_for_all),
	    CASE(facts_go_along), CASE(cannot_allocate), CASE(counted_while_copied),
	    CASE(moved_while_counted), CASE(killed_while_copying),
	    CASE(damaged_moved), CASE(damaged_header), CASE(cut_off),
	    CASE(cut_at_the_end), CASE(cut_off_under_a_reader),
	    cmocka_unit_test(other_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
