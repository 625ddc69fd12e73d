/*
 * Habits in a file: what a restart, another process, another size and a killed
 * writer leave of them.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/shared.h"
#include "lib/habit/habit.h"
#include "t/support/drivers/test.h"

#define TODAY INT64_C(1700697600000)
#define BOB "bob@example.org"

struct room {
	char dir[64], path[80];
};

static int
setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/postern-habit-XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		return -1;
	snprintf(r->path, sizeof(r->path), "%s/habits", r->dir);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct room *r = *state;
	int left;

	unlink(r->path);
	left = rmdir(r->dir);
	free(r);
	return left;
}

static void
defaults(struct habit_options *opt)
{
	habit_defaults(opt);
	opt->alert_score = 5;
	opt->alert_every = 86400;
	opt->lock_score = 5;
}

static struct habit *
open_file(const struct room *room, uint32_t accounts, enum shared_event want)
{
	struct habit_options opt;
	struct shared_report report;
	struct habit *h = NULL;
	struct errmsg msg = {.text = ""};

	defaults(&opt);
	assert_int_equal(habit_open(&h, room->path, accounts, &opt, 1700000000,
			     &report, &msg), 0);
	assert_int_equal(report.event, want);
	assert_true(habit_is_there(h, room->path));
	return h;
}

/* The mail number n, of a day to so many recipients. */
static int
mail(struct habit *h, const char *account, int n, bool is_bot,
    struct habit_result *r)
{
	char to[40];
	const char *rcpts[] = {to};
	struct habit_event e = {.t = TODAY + n * INT64_C(60000),
	    .outbound = true, .account = account, .from = account,
	    .client = is_bot ? "203.0.113.9" : "192.0.2.7",
	    .helo = is_bot ? "User" : "laptop", .rcpts = rcpts,
	    .rcpt_count = 1};

	snprintf(to, sizeof(to), is_bot ? "s%d@example.net" : "f%d@example.com",
	    is_bot ? n : n % 10);
	return habit_event(h, &e, r);
}

#define PAST (8 * 24 * 60) /* minutes */

static void
live(struct habit *h, const char *account)
{
	struct habit_result r;

	for (int day = 0; day < 8; day++) {
		for (int i = 0; i < 10; i++)
			assert_int_equal(mail(h, account,
					     day * 1440 + i * 40, false, &r), 0);
	}
}

/* Opened anew for each mail, it tells what one in memory tells. */
static void
restart(void **state)
{
	struct room *room = *state;
	struct habit_options opt;
	struct habit *kept = open_file(room, 100, SHARED_CREATED);
	struct habit *memory;
	struct habit_result a, b;
	struct stat st;
	bool locked = false;

	defaults(&opt);
	assert_int_equal(habit_open_memory(&memory, &opt), 0);
	live(memory, BOB);
	live(kept, BOB);
	for (int i = 0; i < 10; i++) {
		habit_close(kept);
		kept = open_file(room, 100, SHARED_OPENED);
		assert_int_equal(mail(memory, BOB, PAST + i, true, &a), 0);
		assert_int_equal(mail(kept, BOB, PAST + i, true, &b), 0);
		assert_int_equal(a.count, b.count);
		assert_memory_equal(&a.score, &b.score, sizeof(a.score));
		assert_int_equal(a.alert, b.alert);
		locked = locked || b.locked;
	}
	assert_true(locked);
	habit_close(kept);
	kept = open_file(room, 100, SHARED_OPENED);
	assert_true(habit_is_locked(kept, BOB, TODAY + 90 * 86400000LL));
	assert_int_equal(stat(room->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	habit_close(kept);
	habit_close(memory);
}

/* Another number of accounts: what there is room for is kept. */
static void
resize(void **state)
{
	struct room *room = *state;
	struct habit *h = open_file(room, 100, SHARED_CREATED);
	struct habit_result before, after, r;
	struct habit_info info;
	char account[40];

	live(h, BOB);
	for (int i = 0; i < 12; i++)
		assert_int_equal(mail(h, BOB, PAST + i, true, &r), 0);
	for (int i = 0; i < 60; i++) {
		snprintf(account, sizeof(account), "u%d@example.org", i);
		assert_int_equal(mail(h, account, PAST, false, &r), 0);
	}
	habit_look(h, BOB, &before);
	assert_true(before.score > 5);
	habit_close(h);
	for (int i = 0; i < 2; i++) {
		const uint32_t size = i == 0 ? 3000 : 30;

		h = open_file(room, size, SHARED_RESIZED);
		habit_look(h, BOB, &after);
		assert_memory_equal(
		    &before.score, &after.score, sizeof(after.score));
		assert_true(habit_is_locked(h, BOB, TODAY));
		habit_info(h, &info);
		assert_int_equal(info.accounts, size > 61 ? 61 : size);
		habit_close(h);
	}
}

static void
full(void **state)
{
	struct room *room = *state;
	struct habit *h = open_file(room, 8, SHARED_CREATED);
	struct habit_result r;
	char account[40];
	int made = 0, programs = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(account, sizeof(account), "sender:x%d@example.org", i);
		programs += mail(h, account, 0, false, &r) == 0;
	}
	for (int i = 0; i < 20; i++) {
		int rc;

		snprintf(account, sizeof(account), "u%d@example.org", i);
		rc = mail(h, account, 0, false, &r);
		assert_true(rc == 0 || rc == ERR_FULL);
		made += rc == 0;
	}
	assert_int_equal(programs, 5);
	assert_int_equal(programs + made, 8);
	/* Those that it has go on. */
	assert_int_equal(mail(h, "u0@example.org", 1, false, &r), 0);
	habit_close(h);
}

/* Does the evidence tell of so many recipients? */
static bool
sent_in_hour(struct habit *h, const char *account, int count)
{
	struct habit_result r;
	char want[40];
	bool told = false;

	habit_look(h, account, &r);
	snprintf(want, sizeof(want), "%d recipients in an hour", count);
	for (size_t i = 0; i < r.count; i++)
		told = told || strncmp(r.evidence[i].words, want,
				   strlen(want)) == 0;
	return told;
}

#define WRITERS 4
#define MAILS 300

static void
write_many(struct habit *h, int writer)
{
	struct habit_result r;
	char account[40];

	snprintf(account, sizeof(account), "w%d@example.org", writer);
	for (int i = 0; i < MAILS; i++) {
		/* All within one hour. */
		if (mail(h, "all@example.org", 0, false, &r) != 0 ||
		    mail(h, account, 0, false, &r) != 0)
			abort();
	}
}

/* Nothing that one of them counts is lost. */
static void
check_counts(struct habit *h)
{
	struct habit_info info;

	habit_info(h, &info);
	assert_int_equal(info.accounts, WRITERS + 1);
	assert_true(sent_in_hour(h, "all@example.org", WRITERS * MAILS));
}

static void
processes(void **state)
{
	struct room *room = *state;
	struct habit *h = open_file(room, 100, SHARED_CREATED);

	for (int i = 0; i < WRITERS; i++) {
		if (fork() == 0) {
			struct habit *own = open_file(room, 100, SHARED_OPENED);

			write_many(own, i);
			_exit(0);
		}
	}
	for (int i = 0; i < WRITERS; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	check_counts(h);
	habit_close(h);
}

struct writer {
	struct habit *h;
	int number;
};

static void *
run_writer(void *arg)
{
	struct writer *w = arg;

	write_many(w->h, w->number);
	return NULL;
}

static void
threads(void **state)
{
	struct room *room = *state;
	struct writer w[WRITERS];
	pthread_t t[WRITERS];
	struct habit *h = open_file(room, 100, SHARED_CREATED);

	for (int i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){h, i};
		assert_int_equal(
		    pthread_create(&t[i], NULL, run_writer, &w[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(t[i], NULL);
	check_counts(h);
	habit_close(h);
}

/* A writer is killed again and again, now and then within an update: the others
 * go on, and so does who opens the file next. */
static void
killed(void **state)
{
	struct room *room = *state;
	struct habit *h = open_file(room, 100, SHARED_CREATED);
	struct habit_result r;
	int status;

	for (int i = 0; i < 40; i++) {
		pid_t child = fork();

		if (child == 0) {
			h = open_file(room, 100, SHARED_OPENED);
			for (int n = 0;; n++)
				mail(h, BOB, n % 60, true, &r);
		}
		usleep(2000 + 97 * (useconds_t)i);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_int_equal(
		    mail(h, "al@example.org", PAST + i, false, &r), 0);
		assert_int_equal(mail(h, BOB, PAST + i, true, &r), 0);
	}
	habit_close(h);
	h = open_file(room, 100, SHARED_OPENED);
	assert_true(sent_in_hour(h, "al@example.org", 40));
	habit_look(h, BOB, &r);
	assert_true(r.count > 0);
	habit_close(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(restart, setup, teardown),
	    cmocka_unit_test_setup_teardown(resize, setup, teardown),
	    cmocka_unit_test_setup_teardown(full, setup, teardown),
	    cmocka_unit_test_setup_teardown(processes, setup, teardown),
	    cmocka_unit_test_setup_teardown(threads, setup, teardown),
	    cmocka_unit_test_setup_teardown(killed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
