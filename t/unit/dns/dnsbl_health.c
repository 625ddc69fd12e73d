/* DNS lists that work, and that do not.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dns/dnsbl_health.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/dns/dns.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define R6 ".0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
#define GOOD "2.0.0.127.b.example A 127.0.0.2\n"
#define GOOD6 "2" R6 "b.example A 127.0.0.2\n"
#define GOODD "test.b.example A 127.0.1.2\n"
#define HOUR DNSBL_TEST_EVERY_MS
#define SOON DNSBL_TEST_AGAIN_MS

/* What a self-test makes of a zone. */
static void
self_tests(void **state)
{
	static const struct {
		const char *what;
		enum dnsbl_kind kind;
		const char *zone, *listed;
		enum dnsbl_state then;
		const char *why; /* part of it, when it is off */
		int64_t wait;
	} cases[] = {
	    {"works", DNSBL_IP4, GOOD, NULL, DNSBL_WORKS, NULL, HOUR},
	    {"lists nothing", DNSBL_IP4, "b.example A 192.0.2.1\n", NULL,
		DNSBL_OFF, "its test entry 2.0.0.127.b.example", HOUR},
	    {"lists everything", DNSBL_IP4,
		GOOD "1.0.0.127.b.example A 127.0.0.2\n", NULL, DNSBL_OFF,
		"it lists 1.0.0.127.b.example", HOUR},
	    {"refuses", DNSBL_IP4, "2.0.0.127.b.example A 127.255.255.254\n",
		NULL, DNSBL_OFF,
		"127.255.255.254: asked through a public resolver", HOUR},
	    {"refuses the other", DNSBL_IP4,
		GOOD "1.0.0.127.b.example A 127.255.255.255\n", NULL, DNSBL_OFF,
		"127.255.255.255: asked too often", HOUR},
	    {"mistyped", DNSBL_IP4, "2.0.0.127.b.example A 127.255.255.252\n",
		NULL, DNSBL_OFF, "mistyped", HOUR},
	    {"someone else's", DNSBL_IP4,
		GOOD "1.0.0.127.b.example A 192.0.2.80\n", NULL, DNSBL_OFF,
		"192.0.2.80, which is outside", HOUR},
	    {"fails", DNSBL_IP4, "2.0.0.127.b.example A !servfail\n", NULL,
		DNSBL_OFF, "does not answer", SOON},
	    {"silent", DNSBL_IP4, GOOD "1.0.0.127.b.example A !timeout\n", NULL,
		DNSBL_OFF, "does not answer", SOON},
	    {"IPv6", DNSBL_IP6, GOOD6, NULL, DNSBL_WORKS, NULL, HOUR},
	    {"no IPv6", DNSBL_IP6, GOOD, NULL, DNSBL_ABSENT, NULL, HOUR},
	    {"all IPv6", DNSBL_IP6, GOOD6 "1" R6 "b.example A 127.0.0.2\n",
		NULL, DNSBL_OFF, "it lists 1.0.0", HOUR},
	    {"domains", DNSBL_DOMAIN, GOODD, NULL, DNSBL_WORKS, NULL, HOUR},
	    {"all domains", DNSBL_DOMAIN,
		GOODD "invalid.b.example A 127.0.1.2\n", NULL, DNSBL_OFF,
		"it lists invalid.b.example", HOUR},
	    {"another test entry", DNSBL_DOMAIN,
		"t.example.b.example A 127.0.1.2\n", "t.example", DNSBL_WORKS,
		NULL, HOUR},
	    {"no test entry", DNSBL_DOMAIN, GOODD, "t.example", DNSBL_OFF,
		"its test entry t.example.b.example", HOUR},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		size_t n = i / 2;
		struct dnsbl_health *h = dnsbl_health_new();
		struct dnsbl_test *t;
		struct errmsg why = {.text = ""};
		struct dns d;
		bool changed;

		assert_int_equal(dns_file_open(cases[n].zone, &d), 0);
		t = dnsbl_test_new(
		    h, &d, cases[n].kind, "b.example", cases[n].listed);
		assert_non_null(t);
		assert_int_equal(dnsbl_test_wait(t, 1000), 0);
		changed = i % 2 == 0 ? dnsbl_test_go(t, 1000, &why)
				     : dnsbl_test_finish(t, 1000, NULL, &why);
		if (!changed || dnsbl_health_state(h) != cases[n].then)
			fail_msg("%s: %d: %s", cases[n].what,
			    dnsbl_health_state(h), why.text);
		if (cases[n].why != NULL &&
		    strstr(why.text, cases[n].why) == NULL)
			fail_msg("%s: %s", cases[n].what, why.text);
		if (dnsbl_test_wait(t, 1000) != cases[n].wait)
			fail_msg("%s: wait", cases[n].what);
		dnsbl_test_free(t);
		dnsbl_health_unref(h);
		dns_file_close(&d);
	}
	dnsbl_test_free(NULL);
	dnsbl_health_unref(NULL);
}

/* A DNS that can be exchanged, and whose answers can be kept back. */
static struct dns zones[2];
static int zone_now, asked;
static bool is_ready;

static struct dns_query *
zone_start(void *ctx, const char *name, enum dns_type type)
{
	(void)ctx;
	asked++;
	return zones[zone_now].start(zones[zone_now].ctx, name, type);
}

static const struct dns_answer *
zone_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	static const struct dns_answer late = {.status = DNS_TIMEOUT};

	(void)ctx;
	return is_ready ? zones[0].collect(NULL, q, w) : &late;
}

static void
zone_drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	zones[0].drop(NULL, q);
}

static bool
zone_ready(void *ctx, struct dns_query *q)
{
	(void)ctx, (void)q;
	return is_ready;
}

static const struct dns changing = {.start = zone_start,
    .collect = zone_collect,
    .drop = zone_drop,
    .ready = zone_ready};

/* It breaks, stays broken, is mended; each is said once. */
static void
hour_after_hour(void **state)
{
	struct dnsbl_health *h = dnsbl_health_new();
	struct dnsbl_test *t =
	    dnsbl_test_new(h, &changing, DNSBL_IP4, "b.example", NULL);
	struct errmsg why;

	(void)state;
	assert_int_equal(dns_file_open(GOOD, &zones[0]), 0);
	assert_int_equal(dns_file_open("", &zones[1]), 0);
	zone_now = asked = 0;
	is_ready = true;
	assert_true(dnsbl_test_go(t, 0, &why));
	assert_int_equal(asked, 2);
	assert_false(dnsbl_test_go(t, HOUR - 1, &why));
	assert_int_equal(asked, 2);
	assert_int_equal(dnsbl_test_wait(t, HOUR - 1), 1);
	assert_false(dnsbl_test_go(t, HOUR, &why));
	assert_int_equal(asked, 4);
	zone_now = 1;
	assert_true(dnsbl_test_go(t, 2 * HOUR, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_OFF);
	assert_false(dnsbl_test_go(t, 3 * HOUR, &why));
	assert_int_equal(asked, 8);
	zone_now = 0;
	assert_true(dnsbl_test_go(t, 4 * HOUR, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_WORKS);
	/* Answers that never come are not waited for for ever. */
	is_ready = false;
	assert_false(dnsbl_test_go(t, 5 * HOUR, &why));
	assert_false(dnsbl_test_go(t, 5 * HOUR + DNSBL_TEST_MAX_MS - 1, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_WORKS);
	assert_true(dnsbl_test_go(t, 5 * HOUR + DNSBL_TEST_MAX_MS, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_OFF);
	is_ready = true;
	assert_true(
	    dnsbl_test_go(t, 5 * HOUR + DNSBL_TEST_MAX_MS + SOON, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_WORKS);
	dnsbl_test_free(t);
	dnsbl_health_unref(h);
	dns_file_close(&zones[0]);
	dns_file_close(&zones[1]);
}

/* One that works, as of the time 0. */
static struct dnsbl_test *
working(struct dnsbl_health *h)
{
	struct dnsbl_test *t =
	    dnsbl_test_new(h, &changing, DNSBL_IP4, "b.example", NULL);
	struct errmsg why;

	assert_int_equal(dns_file_open(GOOD, &zones[0]), 0);
	zone_now = 0;
	is_ready = true;
	assert_true(dnsbl_test_go(t, 0, &why));
	return t;
}

static void
done(struct dnsbl_health *h, struct dnsbl_test *t)
{
	dnsbl_test_free(t);
	dnsbl_health_unref(h);
	dns_file_close(&zones[0]);
}

static bool
tell(struct dnsbl_health *h, int i, enum dnsbl_status status, bool hit,
    long max, struct errmsg *why)
{
	struct dnsbl_answer a = {.status = status, .error = 0x7ffffffe};
	char name[32];

	snprintf(name, sizeof(name), "%d.b.example", i);
	return dnsbl_health_tell(h, name, &a, hit, max, 1000, why);
}

/* One answer that is none is enough, and is said by one only. */
static void
wrong_answers(void **state)
{
	static const enum dnsbl_status wrong[] = {DNSBL_REFUSED, DNSBL_FOREIGN};
	struct errmsg why;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct dnsbl_health *h = dnsbl_health_new();
		struct dnsbl_test *t = working(h);

		assert_true(tell(h, 1, wrong[i], false, 98, &why));
		assert_non_null(strstr(why.text, "127.255.255.254"));
		assert_int_equal(dnsbl_health_state(h), DNSBL_OFF);
		assert_false(tell(h, 2, wrong[i], false, 98, &why));
		assert_int_equal(dnsbl_test_wait(t, 1000), HOUR);
		assert_true(dnsbl_test_go(t, 1000 + HOUR, &why));
		assert_int_equal(dnsbl_health_state(h), DNSBL_WORKS);
		done(h, t);
	}
}

/* What mail shows while a self-test is under way is newer than it. */
static void
a_test_that_began_before(void **state)
{
	struct dnsbl_health *h = dnsbl_health_new();
	struct dnsbl_test *t = working(h);
	struct errmsg why;

	(void)state;
	is_ready = false;
	assert_false(dnsbl_test_go(t, HOUR, &why));
	assert_true(tell(h, 1, DNSBL_REFUSED, false, 98, &why));
	is_ready = true;
	assert_false(dnsbl_test_go(t, HOUR + 1, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_OFF);
	done(h, t);
}

static void
silence(void **state)
{
	struct dnsbl_health *h = dnsbl_health_new();
	struct dnsbl_test *t = working(h);
	struct errmsg why;

	(void)state;
	for (int i = 0; i < DNSBL_UNANSWERED_MAX - 1; i++)
		assert_false(tell(h, i, DNSBL_NO_ANSWER, false, 98, &why));
	assert_false(tell(h, 0, DNSBL_NOT_LISTED, false, 98, &why));
	for (int i = 0; i < DNSBL_UNANSWERED_MAX - 1; i++)
		assert_false(tell(h, i, DNSBL_NO_ANSWER, false, 98, &why));
	assert_int_equal(dnsbl_health_state(h), DNSBL_WORKS);
	assert_true(tell(h, 0, DNSBL_NO_ANSWER, false, 98, &why));
	assert_non_null(strstr(why.text, "does not answer"));
	assert_int_equal(dnsbl_test_wait(t, 1000), SOON);
	done(h, t);
}

/* For who watches; why it is off as well. */
static void
is_counted(void **state)
{
	struct dnsbl_health *h = dnsbl_health_new();
	struct dnsbl_test *t = working(h);
	struct errmsg why = {.text = "odd"}, noted;
	struct dnsbl_counts n;

	(void)state;
	for (int i = 0; i < 5; i++)
		(void)tell(h, i, DNSBL_NOT_LISTED, false, 98, &why);
	for (int i = 0; i < 3; i++)
		(void)tell(h, i, DNSBL_LISTED, true, 98, &why);
	(void)tell(h, 0, DNSBL_NO_ANSWER, false, 98, &why);
	(void)tell(h, 0, DNSBL_REFUSED, false, 98, &why);
	dnsbl_health_counts(h, &n);
	assert_int_equal(n.questions, 10);
	assert_int_equal(n.listed, 3);
	assert_int_equal(n.failed, 2);
	dnsbl_health_note(h, &why);
	dnsbl_health_noted(h, &noted);
	assert_string_equal(noted.text, why.text);
	done(h, t);
}

/* How many of the names are listed, and whether that is too many. */
static void
shares(void **state)
{
	static const struct {
		int listed;
		long max;
		bool off;
	} cases[] = {{DNSBL_SHARE_CLIENTS, 98, true},
	    {DNSBL_SHARE_CLIENTS - 2, 98, true},
	    {DNSBL_SHARE_CLIENTS - 3, 98, false},
	    {DNSBL_SHARE_CLIENTS, 100, false},
	    {0, 98, false}, {DNSBL_SHARE_CLIENTS / 2, 50, false},
	    {DNSBL_SHARE_CLIENTS / 2 + 1, 50, true}};
	struct errmsg why;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dnsbl_health *h = dnsbl_health_new();
		struct dnsbl_test *t = working(h);
		bool off = false;

		for (int n = 0; n < DNSBL_SHARE_CLIENTS; n++) {
			assert_false(off);
			off = tell(h, n, DNSBL_LISTED, n < cases[i].listed,
			    cases[i].max, &why);
		}
		if (off != cases[i].off ||
		    dnsbl_health_state(h) != (off ? DNSBL_OFF : DNSBL_WORKS))
			fail_msg("case %zu", i);
		if (off)
			assert_non_null(strstr(why.text, "it lists more than"));
		done(h, t);
	}
}

/* A thousand mails of one client are one name. */
static void
one_name_counts_once(void **state)
{
	struct dnsbl_health *h = dnsbl_health_new();
	struct dnsbl_test *t = working(h);
	struct errmsg why;

	(void)state;
	for (int i = 0; i < 10 * DNSBL_SHARE_CLIENTS; i++)
		assert_false(tell(h, 7, DNSBL_LISTED, true, 98, &why));
	done(h, t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(self_tests),
	    cmocka_unit_test(hour_after_hour),
	    cmocka_unit_test(wrong_answers),
	    cmocka_unit_test(a_test_that_began_before),
	    cmocka_unit_test(silence),
	    cmocka_unit_test(is_counted),
	    cmocka_unit_test(shares),
	    cmocka_unit_test(one_name_counts_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
