/*
 * What the daemon writes for posternctl status, and tells Prometheus: JSON, and
 * text in which each family stands once.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/status.h"

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/counters.h"
#include "milter/inforce.h"
#include "milter/metrics.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static void
tell_gauges(struct metrics *m)
{
	metrics_family(
	    m, "test_by_text", METRIC_COUNTER, "Numbers with labels");
	metrics_sample(m, "text", "a\"b\\c\nd\xff", 1);
	metrics_sample(m, "text", "x", 2.5);
	metrics_family(m, "test_none", METRIC_GAUGE, "None of these");
	metrics_gauge(m, "test_one", "One number", 7);
	metrics_gauge(m, "test_more_than_all", "No number", INFINITY);
}

static void
tell_problems(struct problems *p)
{
	problems_add(p, false, "small", "wait", "a\n\x1b\xff");
	problems_add(p, true, "large", "run", "b");
}

static const struct service teller = {
    .name = "teller", .room = 1, .gauges = tell_gauges,
    .problems = tell_problems};
static const struct service *const rows[] = {&teller, NULL};

static void
begin(void)
{
	inforce_set(walk_load("Mode v\nRingFile none\nSPF no\n"));
	assert_int_equal(services_start(rows), 0);
}

static void
end(void)
{
	assert_true(services_stop(1000));
	inforce_set(NULL);
}

/* -- Prometheus' text -- */

static size_t
times(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		n++;
	return n;
}

static void
metrics_are_written_once_a_family(void **state)
{
	static const char *const lines[] = {
	    "# HELP test_by_text Numbers with labels\n"
	    "# TYPE test_by_text counter\n"
	    "test_by_text{text=\"a\\\"b\\\\c\\nd\xef\xbf\xbd\"} 1\n"
	    "test_by_text{text=\"x\"} 2.5\n"
	    "# HELP test_one One number\n",
	    "\ntest_one 7\n", "\ntest_more_than_all +Inf\n",
	    "\npostern_problems{fatal=\"yes\"} 1\n"
	    "postern_problems{fatal=\"no\"} 1\n",
	    "\npostern_service_dropped_total{service=\"teller\"} 0\n",
	    "\npostern_dns_duration_seconds_bucket{le=\"0.0025\"} 1\n",
	    "\npostern_dns_duration_seconds_bucket{le=\"10\"} 1\n"
	    "postern_dns_duration_seconds_bucket{le=\"+Inf\"} 2\n"
	    "postern_dns_duration_seconds_sum 60.0025\n"
	    "postern_dns_duration_seconds_count 2\n",
	    "\npostern_spf_total{result=\"pass\"} 0\n"};
	struct buf b = BUF_INIT;
	const char *text;

	(void)state;
	begin();
	counters_dns(DNS_OK, false, 2500000);
	counters_dns(DNS_TIMEOUT, false, UINT64_C(60000000000));
	metrics_text(&b);
	text = buf_text(&b);
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		if (times(text, lines[i]) != 1)
			fail_msg("not once: %s\nin: %s", lines[i], text);
	}
	assert_null(strstr(text, "test_none"));
	assert_int_equal(b.data[b.len - 1], '\n');
	buf_fini(&b);
	end();
}

/* -- the status -- */

static json_t *
status(void)
{
	struct problems p = PROBLEMS_INIT;
	struct buf b = BUF_INIT;
	json_t *o;

	problems_collect(&p);
	status_text(&b, &p, 12345);
	o = json_loadb(buf_text(&b), b.len, JSON_REJECT_DUPLICATES, NULL);
	if (o == NULL)
		fail_msg("no JSON: %s", buf_text(&b));
	problems_fini(&p);
	buf_fini(&b);
	return o;
}

static const char *
text_at(json_t *o, const char *list, size_t i, const char *key)
{
	return json_string_value(json_object_get(
	    json_array_get(json_object_get(o, list), i), key));
}

static void
the_status_is_an_object(void **state)
{
	json_t *o, *gauges;

	(void)state;
	begin();
	status_begin("/etc/a \"b\"\n.conf", 1700000000);
	assert_int_equal(status_since(), 1700000000);
	o = status();
	assert_int_equal(
	    json_integer_value(json_object_get(o, "pid")), getpid());
	assert_int_equal(
	    json_integer_value(json_object_get(o, "written")), 12345);
	assert_string_equal(json_string_value(json_object_get(o, "config")),
	    "/etc/a \"b\"\n.conf");
	assert_string_equal(text_at(o, "problems", 0, "what"), "large");
	assert_string_equal(
	    text_at(o, "problems", 1, "text"), "a\n\x1b\xef\xbf\xbd");
	assert_string_equal(text_at(o, "problems", 1, "cure"), "wait");
	for (size_t i = 0; i < 100; i++) {
		const char *what = text_at(o, "off", i, "what");

		if (what != NULL && strcmp(what, "spf") != 0)
			continue;
		assert_non_null(what);
		assert_string_equal(text_at(o, "off", i, "why"),
		    "SPF no, or Mode has no v");
		break;
	}
	gauges = json_object_get(o, "gauges");
	assert_true(
	    json_number_value(json_object_get(gauges, "test_one")) == 7);
	assert_true(json_number_value(json_object_get(
			json_object_get(gauges, "test_by_text"), "x")) == 2.5);
	/* JSON has no word for it. */
	assert_true(json_is_null(
	    json_object_get(gauges, "test_more_than_all")));
	json_decref(o);
	status_begin(NULL, 0);
	o = status();
	assert_true(json_is_null(json_object_get(o, "config")));
	json_decref(o);
	end();
}

/* -- the file -- */

static void
the_file_is_replaced_as_a_whole(void **state)
{
	char dir[] = "/tmp/postern-status-XXXXXX", path[64];
	struct buf text = BUF_INIT;
	struct errmsg why = {.text = ""};
	struct stat before, after;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/sub/status", dir);
	buf_str(&text, "{}\n");
	assert_int_equal(status_write(path, &text, &why), ERR_SYSTEM);
	assert_non_null(strstr(why.text, path));
	snprintf(path, sizeof(path), "%s/status", dir);
	assert_int_equal(status_write(path, &text, &why), 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(before.st_mode & 0777, 0600);
	assert_int_equal(before.st_size, 3);
	assert_int_equal(status_write(path, &text, &why), 0);
	assert_int_equal(stat(path, &after), 0);
	assert_true(after.st_ino != before.st_ino ||
	    after.st_ctim.tv_nsec != before.st_ctim.tv_nsec);
	/* Nothing else is left. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	buf_fini(&text);
}

static void
processes_are_told_apart(void **state)
{
	struct status_process self, again, child;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		pause();
		_exit(0);
	}
	assert_true(status_process(getpid(), &self));
	assert_true(status_process(getpid(), &again));
	assert_string_equal(self.start, again.start);
	assert_string_equal(self.boot, again.boot);
	assert_true(strspn(self.start, "0123456789") == strlen(self.start) &&
	    self.start[0] != '\0');
	assert_true(status_process(pid, &child));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(status_process(pid, &child));
	assert_false(status_process(0, &child));
	assert_false(status_process(-1, &child));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(metrics_are_written_once_a_family),
	    cmocka_unit_test(the_status_is_an_object),
	    cmocka_unit_test(the_file_is_replaced_as_a_whole),
	    cmocka_unit_test(processes_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
