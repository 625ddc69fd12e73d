/*
 * Accounts that get another name. SPDX-License-Identifier: BSD-2-Clause
 *
 * Killing: a child does it one instruction at a time, and is killed after more
 * and more of them; then another does it to the end.
 */
#include "lib/quota/quota.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define HOUR 3600
#define LONG_NAME                                                              \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
	"@example.org"

struct rig {
	char dir[64], path[128];
	uint64_t boot;
	struct quota_clock clock;
	struct quota *q;
	struct quota_set set;
	unsigned rename_at; /* bob gets his new name when the clock has been
			     * read so often; 0: he does not */
};

/* The clock is read at each step of an attempt to count. */
static uint64_t
boottime(void *ctx)
{
	struct rig *r = ctx;

	if (r->rename_at > 0 && --r->rename_at == 0)
		assert_int_equal(quota_rename(r->q, "bob", "bob@x", NULL), 0);
	return r->boot;
}

static uint64_t
wall(void *ctx)
{
	return UINT64_C(1700000000000000000) + ((struct rig *)ctx)->boot;
}

static void
boot_id(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 1, 16);
}

static struct quota *
open_table(struct rig *r, uint32_t accounts)
{
	const struct quota_options opt = {.mode = QUOTA_CREATE,
	    .accounts = accounts, .limits = 2, .clock = &r->clock};
	struct errmsg msg = {.text = ""};
	struct quota *q = NULL;

	if (quota_open(&q, r->path, &opt, NULL, &msg) != 0)
		fail_msg("%s", msg.text);
	return q;
}

static int
setup(void **state)
{
	static const struct quota_limit limits[] = {
	    {QUOTA_MESSAGES, HOUR, 10}, {QUOTA_RECIPIENTS, 24 * HOUR, 100}};
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "quota.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->path, sizeof(r->path), "%s/table", r->dir);
	r->boot = UINT64_C(1000000000000);
	r->clock = (struct quota_clock){boottime, wall, boot_id, r};
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(quota_set_add(&r->set, &limits[i]), 0);
	r->q = open_table(r, 100);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct rig *r = *state;

	quota_close(r->q);
	unlink(r->path);
	rmdir(r->dir);
	free(r);
	return 0;
}

static void
pass(struct rig *r, uint64_t seconds)
{
	r->boot += seconds * 1000000000;
}

/* Messages of two recipients each; how many are taken. */
static unsigned
send_mail(struct rig *r, const char *who, unsigned n)
{
	const struct quota_amount amount = {{[QUOTA_MESSAGES] = 1,
	    [QUOTA_RECIPIENTS] = 2}};
	unsigned granted = 0;

	while (n-- > 0) {
		struct quota_use use = {0};

		if (quota_reserve(r->q, who, &r->set, &amount, &use, NULL) ==
			QUOTA_GRANTED &&
		    quota_commit(r->q, &use, NULL) == QUOTA_GRANTED)
			granted++;
		quota_release(r->q, &use);
	}
	return granted;
}

static struct quota_state
look(struct rig *r, const char *who)
{
	struct quota_state s;

	assert_int_equal(quota_peek(r->q, who, &r->set, &s), 0);
	return s;
}

static void
assert_used(struct rig *r, const char *who, unsigned messages, bool locked)
{
	struct quota_state s = look(r, who);

	assert_true(s.known);
	assert_int_equal(s.locked, locked);
	assert_int_equal(s.usage[0].used, messages);
	assert_int_equal(s.usage[1].used, 2 * messages);
}

/* -- the tests -- */

static void
takes_lock_and_counts_along(void **state)
{
	struct rig *r = *state;
	bool joined = true;

	assert_int_equal(send_mail(r, "bob", 4), 4);
	assert_int_equal(quota_lock(r->q, "bob", true), 0);
	pass(r, 1800);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", &joined), 0);
	assert_false(joined);
	assert_used(r, "bob@x", 4, true);
	assert_false(look(r, "bob").known);
	assert_int_equal(send_mail(r, "bob@x", 1), 0);
	assert_int_equal(quota_lock(r->q, "bob@x", false), 0);
	assert_int_equal(send_mail(r, "bob@x", 10), 6);
	/* What came along is as old as before: after 2250 s it has left, and
	 * what was sent since then has not. */
	pass(r, 2250);
	assert_int_equal(look(r, "bob@x").usage[0].used, 6);
}

static void
joins_two(void **state)
{
	struct rig *r = *state;
	bool joined = false;

	assert_int_equal(send_mail(r, "bob", 4), 4);
	assert_int_equal(send_mail(r, "bob@x", 5), 5);
	assert_int_equal(quota_lock(r->q, "bob", true), 0);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", &joined), 0);
	assert_true(joined);
	assert_used(r, "bob@x", 9, true);
	assert_false(look(r, "bob").known);
	assert_int_equal(quota_lock(r->q, "bob@x", false), 0);
	assert_int_equal(send_mail(r, "bob@x", 3), 1);
	/* A lock of the other one stays as well. */
	assert_int_equal(quota_lock(r->q, "bob@x", true), 0);
	assert_int_equal(send_mail(r, "bob", 3), 3);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", NULL), 0);
	assert_used(r, "bob@x", 13, true);
}

static void
refuses_what_it_cannot(void **state)
{
	struct rig *r = *state;
	char name[QUOTA_ACCOUNT_MAX + 2];

	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(
	    quota_rename(r->q, "nobody", "x", NULL), ERR_NOTFOUND);
	assert_int_equal(send_mail(r, "bob", 1), 1);
	assert_int_equal(quota_rename(r->q, "bob", "", NULL), ERR_LIMIT);
	assert_int_equal(quota_rename(r->q, "bob", name, NULL), ERR_LIMIT);
	assert_int_equal(quota_rename(r->q, name, "bob", NULL), ERR_LIMIT);
	assert_int_equal(quota_rename(r->q, "bob", "bob", NULL), 0);
	assert_used(r, "bob", 1, false);
}

/* A reset that came before holds for what is renamed, too. */
static void
sees_a_reset(void **state)
{
	struct rig *r = *state;

	assert_int_equal(send_mail(r, "bob", 4), 4);
	assert_int_equal(send_mail(r, "eve", 4), 4);
	assert_int_equal(send_mail(r, "eve@x", 4), 4);
	assert_int_equal(quota_reset_all(r->q), 0);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", NULL), 0);
	assert_int_equal(quota_rename(r->q, "eve", "eve@x", NULL), 0);
	assert_used(r, "bob@x", 0, false);
	assert_used(r, "eve@x", 0, false);
}

static const struct quota_amount one = {{[QUOTA_MESSAGES] = 1}};

static void
assert_messages(struct rig *r, const char *who, unsigned messages)
{
	assert_int_equal(look(r, who).usage[0].used, messages);
}

static void
reserve_one(struct rig *r, struct quota_use *use)
{
	assert_int_equal(quota_reserve(r->q, "bob", &r->set, &one, use, NULL),
	    QUOTA_GRANTED);
}

/* It goes on in the account that it began in, whatever the name: it is counted
 * once, and goes back whole. */
static void
a_message_under_way(void **state)
{
	struct rig *r = *state;
	struct quota_use kept = {0}, dropped = {0}, done = {0};

	reserve_one(r, &kept);
	reserve_one(r, &dropped);
	reserve_one(r, &done);
	assert_int_equal(quota_commit(r->q, &done, NULL), QUOTA_GRANTED);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", NULL), 0);
	assert_messages(r, "bob@x", 3);
	quota_release(r->q, &dropped);
	assert_messages(r, "bob@x", 2);
	quota_settle(r->q, &done);
	quota_release(r->q, &done);
	reserve_one(r, &kept);
	assert_messages(r, "bob@x", 3);
	/* A table of another size: slots have other numbers there. */
	quota_close(r->q);
	r->q = open_table(r, 200);
	assert_int_equal(quota_commit(r->q, &kept, NULL), QUOTA_GRANTED);
	quota_cancel(r->q, &kept);
	assert_messages(r, "bob@x", 1);
	assert_false(look(r, "bob").known);
}

/* At whichever point of an attempt the name changes: the attempt meets the
 * limit all the same, and nothing of it stays. */
static void
an_attempt_under_way(void **state)
{
	struct rig *r = *state;
	unsigned points = 0;

	do {
		struct quota_use use = {0};

		quota_close(r->q);
		unlink(r->path);
		r->q = open_table(r, 100);
		assert_int_equal(send_mail(r, "bob", 10), 10);
		r->rename_at = ++points;
		assert_int_equal(quota_reserve(r->q, "bob", &r->set, &one,
		    &use, NULL), QUOTA_REFUSED);
		if (r->rename_at == 0)
			assert_used(r, "bob@x", 10, false);
		assert_int_equal(look(r, "bob").known, r->rename_at != 0);
		quota_release(r->q, &use);
	} while (r->rename_at == 0);
	r->rename_at = 0;
	assert_true(points > 3);
}

/* All places taken, and all names changed, to long ones too. */
static void
renames_all_of_a_full_table(void **state)
{
	struct rig *r = *state;
	char from[32], to[200];

	quota_close(r->q);
	unlink(r->path);
	r->q = open_table(r, 64);
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < 64; i++) {
			snprintf(from, sizeof(from), "u%d", i);
			snprintf(to, sizeof(to), "%d" LONG_NAME, i);
			if (round == 0)
				assert_int_equal(send_mail(r, from, 3), 3);
			assert_int_equal(
			    quota_rename(r->q, round % 2 == 0 ? from : to,
				round % 2 == 0 ? to : from, NULL), 0);
		}
		assert_int_equal(quota_lock(r->q, "more", true), ERR_FULL);
	}
	for (int i = 0; i < 64; i++) {
		snprintf(from, sizeof(from), "u%d", i);
		assert_used(r, from, 3, false);
	}
}

/* One message in so many windows of a kind, from `first` seconds on. */
static void
send_in_windows(struct quota *q, const char *who, uint32_t first)
{
	struct quota_set set = {.count = 0};
	struct quota_use use = {0};

	for (uint32_t k = 0; k < QUOTA_LIMITS_MAX; k++)
		assert_int_equal(quota_set_add(&set, &(struct quota_limit){
		    QUOTA_MESSAGES, first + k * HOUR, 100}), 0);
	assert_int_equal(quota_reserve(q, who, &set, &one, &use, NULL), 0);
	assert_int_equal(quota_commit(q, &use, NULL), 0);
	quota_release(q, &use);
}

/* In more windows than one set has limits: all of them go along. */
static void
joins_all_windows(void **state)
{
	struct rig *r = *state;
	const struct quota_options opt = {.mode = QUOTA_CREATE,
	    .accounts = 100, .limits = QUOTA_LIMITS_MAX, .clock = &r->clock};
	struct quota_report rep;
	struct quota_state was, is;
	struct quota_set set = {.count = 0};

	quota_close(r->q);
	assert_int_equal(quota_open(&r->q, r->path, &opt, NULL, NULL), 0);
	send_in_windows(r->q, "other", HOUR);
	send_in_windows(r->q, "other", 10 * HOUR);
	assert_int_equal(quota_check(r->q, &rep, NULL), 0);
	assert_int_equal(rep.event, QUOTA_MIGRATED);
	for (int i = 0; i < 2; i++) {
		send_in_windows(r->q, "bob", HOUR);
		send_in_windows(r->q, "bob", 10 * HOUR);
	}
	pass(r, 2 * HOUR);
	quota_set_add(&set, &(struct quota_limit){QUOTA_MESSAGES, HOUR, 9});
	quota_set_add(
	    &set, &(struct quota_limit){QUOTA_MESSAGES, 10 * HOUR, 9});
	quota_set_add(
	    &set, &(struct quota_limit){QUOTA_MESSAGES, 17 * HOUR, 9});
	assert_int_equal(quota_peek(r->q, "bob", &set, &was), 0);
	assert_int_equal(was.usage[0].used, 0);
	assert_int_equal(was.usage[2].used, 4);
	assert_int_equal(quota_lock(r->q, "bob@x", true), 0);
	assert_int_equal(quota_rename(r->q, "bob", "bob@x", NULL), 0);
	assert_int_equal(quota_peek(r->q, "bob@x", &set, &is), 0);
	for (unsigned k = 0; k < set.count; k++)
		assert_int_equal(is.usage[k].used, was.usage[k].used);
	pass(r, 9 * HOUR);
	assert_int_equal(quota_peek(r->q, "bob@x", &set, &is), 0);
	assert_int_equal(is.usage[1].used, 4);
	assert_int_equal(is.usage[2].used, 4);
}

/* Notes go along when the table grows. */
static void
keeps_notes(void **state)
{
	struct rig *r = *state;

	assert_int_equal(
	    quota_noted(r->q, QUOTA_NOTE_REALM, "x"), ERR_NOTFOUND);
	assert_int_equal(quota_note(r->q, QUOTA_NOTE_REALM, ""), 0);
	assert_int_equal(quota_noted(r->q, QUOTA_NOTE_REALM, ""), 1);
	assert_int_equal(quota_note(r->q, QUOTA_NOTE_REALM, "x"), 0);
	assert_int_equal(
	    quota_noted(r->q, QUOTA_NOTE_NAMES, "x"), ERR_NOTFOUND);
	quota_close(r->q);
	r->q = open_table(r, 300);
	assert_int_equal(quota_noted(r->q, QUOTA_NOTE_REALM, "x"), 1);
	assert_int_equal(quota_noted(r->q, QUOTA_NOTE_REALM, ""), 0);
}

/* -- killed -- */

/* Let a child rename bob; kill it after so many instructions.  Returns after
 * how many it was killed or came to its end. */
static unsigned
kill_after(struct rig *r, unsigned steps)
{
	unsigned done = 0;

	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		struct quota *q = open_table(r, 100);

		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
			_exit(77);
		raise(SIGSTOP);
		quota_rename(q, "bob", "bob@x", NULL);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status)) {
		assert_int_equal(WEXITSTATUS(status), 77);
		skip();
	}
	for (; done < steps; done++) {
		assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status))
			return done;
	}
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return done;
}

/* Neither lock nor counts are lost, wherever it was; from is gone at last. */
static void
finish_it(struct rig *r, unsigned least, unsigned most)
{
	struct quota_state old, new;
	int rc;

	rc = quota_rename(r->q, "bob", "bob@x", NULL);
	assert_true(rc == 0 || rc == ERR_NOTFOUND);
	old = look(r, "bob");
	new = look(r, "bob@x");
	assert_false(old.known);
	assert_true(new.known && new.locked);
	for (int i = 0; i < 2; i++) {
		assert_true(new.usage[i].used >= least * (i == 0 ? 1 : 2));
		assert_true(new.usage[i].used <= most * (i == 0 ? 1 : 2));
	}
}

/* One attempt, on a new table. */
static unsigned
killed_once(struct rig *r, unsigned steps, unsigned there, unsigned most)
{
	unsigned done;

	quota_close(r->q);
	unlink(r->path);
	r->q = open_table(r, 100);
	assert_int_equal(send_mail(r, "bob", 3), 3);
	assert_int_equal(send_mail(r, "bob@x", there), there);
	assert_int_equal(quota_lock(r->q, "bob", true), 0);
	done = kill_after(r, steps);
	finish_it(r, 3 + there, most);
	return done;
}

/* The first goes to the end, and tells how far that is. */
static void
killed(struct rig *r, unsigned there, unsigned most)
{
	unsigned points = FEWER ? 5 : 40;
	unsigned all = killed_once(r, UINT32_MAX, there, most);

	for (unsigned i = 1; i < points; i++)
		killed_once(r, all / points * i + i, there, most);
}

static void
killed_while_renaming(void **state)
{
	killed(*state, 0, 3);
}

static void
killed_while_joining(void **state)
{
	killed(*state, 2, 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(takes_lock_and_counts_along),
	    TEST(joins_two),
	    TEST(refuses_what_it_cannot),
	    TEST(sees_a_reset),
	    TEST(a_message_under_way),
	    TEST(an_attempt_under_way),
	    TEST(renames_all_of_a_full_table),
	    TEST(joins_all_windows),
	    TEST(keeps_notes),
	    TEST(killed_while_renaming),
	    TEST(killed_while_joining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
