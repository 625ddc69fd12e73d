/* The history of counts: added by several, read by range, over rounds, steps of
 * the clock and damage.  SPDX-License-Identifier: BSD-2-Clause */
#include "milter/history.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "milter/inforce.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

#define NOW 1700000000 /* 22:13:20 */
#define MINUTE 60
#define HOUR 3600
#define DAY 86400
#define MANY HISTORY_MINUTES_KEPT

struct place {
	char dir[64], path[80];
};

static void
place_init(struct place *p)
{
	strcpy(p->dir, "/tmp/postern-history-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/history", p->dir);
}

static void
place_fini(struct place *p)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	assert_int_equal(system(command), 0);
}

static struct history *
open_it(const struct place *p, enum shared_event wanted)
{
	struct shared_report report;
	struct history *h;
	struct errmsg msg = {.text = ""};

	if (history_open(p->path, NOW, &h, &report, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_int_equal(report.event, wanted);
	return h;
}

static uint64_t
at(const struct history *h, enum history_scale scale,
    enum history_series series, time_t now, time_t when)
{
	uint64_t n;

	history_read(h, scale, series, now, when, 1, &n);
	return n;
}

static uint64_t
sum(const struct history *h, enum history_series series, time_t now)
{
	static uint64_t n[MANY];
	uint64_t all = 0;

	history_read(h, HISTORY_MINUTES, series, now,
	    now - (MANY - 1) * MINUTE, MANY, n);
	for (size_t i = 0; i < MANY; i++)
		all += n[i];
	return all;
}

/* -- adding and reading -- */

static void
is_found_where_it_was_added(void **state)
{
	struct place p;
	struct history *h;
	uint64_t n[4];

	(void)state;
	place_init(&p);
	h = open_it(&p, SHARED_CREATED);
	history_add(h, NOW, HISTORY_DNS_QUERIES, 3);
	history_add(h, NOW + 19, HISTORY_DNS_QUERIES, 4);
	history_add(h, NOW + 2 * MINUTE, HISTORY_DNS_QUERIES, 5);
	history_add(h, NOW + HOUR, HISTORY_DNS_QUERIES, 6);
	history_add(h, NOW, HISTORY_DNS_FAILURES, 1);
	history_read(h, HISTORY_MINUTES, HISTORY_DNS_QUERIES, NOW + 2 * HOUR,
	    NOW - MINUTE, 4, n);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 7); /* to 22:13:39 */
	assert_int_equal(n[2], 0);
	assert_int_equal(n[3], 5);
	history_read(h, HISTORY_HOURS, HISTORY_DNS_QUERIES, NOW + 2 * HOUR,
	    NOW - HOUR, 4, n);
	assert_int_equal(n[0], 0);
	assert_int_equal(n[1], 12);
	assert_int_equal(n[2], 6);
	assert_int_equal(n[3], 0);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_DNS_FAILURES, NOW, NOW), 1);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_DNS_US, NOW, NOW), 0);
	history_close(h);
	place_fini(&p);
}

/* A slot that comes round is another time's. */
static void
rounds_do_not_mix(void **state)
{
	const time_t kept = (time_t)HISTORY_MINUTES_KEPT * MINUTE;
	struct place p;
	struct history *h;

	(void)state;
	place_init(&p);
	h = open_it(&p, SHARED_CREATED);
	history_add(h, NOW, HISTORY_SERVED, 60);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_SERVED,
			     NOW + kept - MINUTE, NOW), 60);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW + kept, NOW), 0);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW + kept, NOW + kept), 0);
	history_add(h, NOW + kept, HISTORY_SERVED, 1);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW + kept, NOW + kept), 1);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW, NOW), 0);
	/* The hours go on for 90 days. */
	assert_int_equal(at(h, HISTORY_HOURS, HISTORY_SERVED,
			     NOW + 89 * (time_t)DAY, NOW), 60);
	assert_int_equal(at(h, HISTORY_HOURS, HISTORY_SERVED,
			     NOW + 91 * (time_t)DAY, NOW), 0);
	/* What lies ahead is not told. */
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW, NOW + kept), 0);
	history_close(h);
	place_fini(&p);
}

static void
steps_of_the_clock_lose_nothing(void **state)
{
	struct place p;
	struct history *h;

	(void)state;
	place_init(&p);
	h = open_it(&p, SHARED_CREATED);
	/* Far ahead by mistake, and back. */
	for (int i = 0; i < MANY; i++)
		history_add(h, NOW + 4000 * (time_t)DAY + i * MINUTE,
		    HISTORY_SERVED, 9);
	history_add(h, NOW, HISTORY_SERVED, 1);
	history_add(h, NOW + MINUTE, HISTORY_SERVED, 1);
	assert_int_equal(sum(h, HISTORY_SERVED, NOW + MINUTE), 2);
	/* Back by a minute: it has both. */
	history_add(h, NOW, HISTORY_SERVED, 5);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_SERVED, NOW, NOW), 6);
	/* Before the epoch, and at the end of time. */
	history_add(h, -5, HISTORY_SERVED, 2);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_SERVED, -1, -9), 2);
	history_add(h, (time_t)1 << 40, HISTORY_SERVED, 3);
	assert_int_equal(at(h, HISTORY_MINUTES, HISTORY_SERVED,
			     (time_t)1 << 40, (time_t)1 << 40), 3);
	history_close(h);
	place_fini(&p);
}

static void
a_sum_stays_at_its_largest(void **state)
{
	const uint64_t most = (UINT64_C(1) << 48) - 1;
	struct place p;
	struct history *h;

	(void)state;
	place_init(&p);
	h = open_it(&p, SHARED_CREATED);
	history_add(h, NOW, HISTORY_DNS_US, most - 1);
	history_add(h, NOW, HISTORY_DNS_US, 1);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_DNS_US, NOW, NOW), most);
	history_add(h, NOW, HISTORY_DNS_US, UINT64_MAX);
	assert_int_equal(
	    at(h, HISTORY_MINUTES, HISTORY_DNS_US, NOW, NOW), most);
	history_close(h);
	place_fini(&p);
}

/* -- several processes -- */

#define ADDS 200000
#define CHILDREN 3

static void
add_and_exit(const struct place *p, int times)
{
	struct shared_report report;
	struct history *h;

	if (history_open(p->path, NOW, &h, &report, NULL) != 0)
		_exit(1);
	for (int i = 0; times < 0 || i < times; i++)
		history_add(
		    h, NOW + i % 3 * MINUTE, HISTORY_MESSAGES + i % 2, 1);
	_exit(0);
}

/* And one more, who is killed while it adds: what it did is there, and nothing
 * else is damaged. */
static void
processes_add_up(void **state)
{
	pid_t pids[CHILDREN], doomed;
	struct history *h, *other;
	struct place p;
	int status;

	(void)state;
	place_init(&p);
	for (int i = 0; i < CHILDREN; i++) {
		if ((pids[i] = fork()) == 0)
			add_and_exit(&p, ADDS);
	}
	for (int i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	h = open_it(&p, SHARED_OPENED);
	assert_int_equal(sum(h, HISTORY_MESSAGES, NOW + 2 * MINUTE) +
		sum(h, HISTORY_MESSAGES + 1, NOW + 2 * MINUTE),
	    CHILDREN * ADDS);
	for (int i = 0; i < 20; i++) {
		uint64_t before = sum(h, HISTORY_MESSAGES, NOW + 2 * MINUTE);

		if ((doomed = fork()) == 0)
			add_and_exit(&p, -1);
		while (sum(h, HISTORY_MESSAGES, NOW + 2 * MINUTE) == before)
			;
		kill(doomed, SIGKILL);
		assert_int_equal(waitpid(doomed, &status, 0), doomed);
		assert_true(sum(h, HISTORY_MESSAGES, NOW + 2 * MINUTE) -
			sum(h, HISTORY_MESSAGES + 1, NOW + 2 * MINUTE) <=
		    (uint64_t)i + 1);
	}
	assert_int_equal(sum(h, HISTORY_SERVED, NOW), 0);
	assert_int_equal(history_open_read(p.path, &other, NULL), 0);
	assert_int_equal(sum(other, HISTORY_MESSAGES, NOW + 2 * MINUTE),
	    sum(h, HISTORY_MESSAGES, NOW + 2 * MINUTE));
	history_close(other);
	history_close(h);
	place_fini(&p);
}

/* -- damage -- */

static void
a_torn_file_is_set_aside(void **state)
{
	struct errmsg msg = {.text = ""};
	struct history *h, *other;
	struct place p;
	struct stat st;

	(void)state;
	assert_int_equal(mapguard_install(), 0);
	place_init(&p);
	assert_int_equal(
	    history_open_read(p.path, &h, &msg), ERR_NOTFOUND);
	assert_null(h);
	h = open_it(&p, SHARED_CREATED);
	history_add(h, NOW, HISTORY_SERVED, 60);
	assert_true(history_is_there(h, p.path));
	assert_int_equal(stat(p.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	/* Cut off while it is used: zeros, and nobody dies. */
	assert_int_equal(truncate(p.path, 8192), 0);
	assert_int_equal(sum(h, HISTORY_SERVED, NOW), 0);
	history_add(h, NOW, HISTORY_SERVED, 1);
	assert_false(history_is_there(h, p.path));
	assert_int_equal(
	    history_open_read(p.path, &other, &msg), ERR_FORMAT);
	assert_non_null(strstr(msg.text, "history"));
	history_close(h);
	h = open_it(&p, SHARED_RENEWED);
	assert_int_equal(sum(h, HISTORY_SERVED, NOW), 0);
	history_close(h);
	place_fini(&p);
}

/* -- the service -- */

static const struct service *const rows[] = {&service_history, NULL};

static struct snapshot *
load(const char *dir)
{
	struct snapshot *snap;
	struct errmsg msg;
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/postern-history-%ld.conf",
	    (long)getpid());
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "Mode v\nRingFile none\nStateDirectory %s\n", dir);
	fclose(f);
	if (snapshot_load(path, SNAPSHOT_OFFLINE, NULL, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	unlink(path);
	return snap;
}

static uint64_t
kept_queries(const struct place *p)
{
	struct history *h;
	uint64_t n;

	assert_int_equal(history_open_read(p->path, &h, NULL), 0);
	n = sum(h, HISTORY_DNS_QUERIES, time(NULL) + MINUTE);
	history_close(h);
	return n;
}

/* What is counted is in the file when the service has stopped, once. */
static void
the_service_folds_what_is_counted(void **state)
{
	struct place p;

	(void)state;
	place_init(&p);
	inforce_set(load(p.dir));
	for (int run = 1; run <= 2; run++) {
		assert_int_equal(services_start(rows), 0);
		for (int i = 0; i < 5; i++)
			counters_dns(DNS_OK, false, 1000);
		service_wake(&service_history);
		counters_dns(DNS_OK, true, 0);
		counters_dns(DNS_TIMEOUT, false, 1000);
		assert_true(services_stop(10000));
		assert_int_equal(kept_queries(&p), 6 * run);
	}
	inforce_set(NULL);
	place_fini(&p);
}

static size_t
count_problems(const char *what)
{
	struct problems p = PROBLEMS_INIT;
	size_t n = 0;

	problems_collect(&p);
	for (size_t i = 0; i < p.count; i++)
		n += strcmp(p.list[i].what, what) == 0;
	problems_fini(&p);
	return n;
}

static void
wait_for_problems(size_t n)
{
	for (int i = 0; i < 1000 && count_problems("history") != n; i++) {
		service_wake(&service_history);
		usleep(10000);
	}
	assert_int_equal(count_problems("history"), n);
}

static void
a_directory_that_is_missing_is_a_problem(void **state)
{
	struct place p;
	char dir[100];

	(void)state;
	place_init(&p);
	snprintf(dir, sizeof(dir), "%s/sub", p.dir);
	inforce_set(load(dir));
	assert_int_equal(services_start(rows), 0);
	wait_for_problems(1);
	assert_int_equal(mkdir(dir, 0700), 0);
	wait_for_problems(0);
	assert_true(services_stop(10000));
	inforce_set(NULL);
	place_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_found_where_it_was_added),
	    cmocka_unit_test(rounds_do_not_mix),
	    cmocka_unit_test(steps_of_the_clock_lose_nothing),
	    cmocka_unit_test(a_sum_stays_at_its_largest),
	    cmocka_unit_test(processes_add_up),
	    cmocka_unit_test(a_torn_file_is_set_aside),
	    cmocka_unit_test(the_service_folds_what_is_counted),
	    cmocka_unit_test(a_directory_that_is_missing_is_a_problem),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
