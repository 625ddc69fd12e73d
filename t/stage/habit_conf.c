/*
 * The keywords of habits: what each becomes, and what is wrong.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/habit_conf.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

static const struct conf_table *const tables[] = {&habit_conf_options, NULL};

static struct conf *
conf_of(const char *text)
{
	struct conf *c = NULL;
	struct errmsg msg = {.text = ""};

	if (conf_read_text(text, strlen(text), "t.conf", tables, &c, &msg) != 0)
		fail_msg("%s", msg.text);
	return c;
}

static void
defaults(void **state)
{
	struct conf *c = conf_of("");
	struct habit_conf h;
	struct errmsg msg;

	(void)state;
	assert_int_equal(habit_conf_init(&h, c, &msg), 0);
	assert_true(h.options.alert_score == 4.5);
	assert_int_equal(h.options.alert_every, 86400);
	assert_true(h.options.lock_score == 0);
	assert_int_equal(h.options.lock_for, 0);
	assert_null(h.options.is_canary);
	for (enum habit_kind k = 0; k < HABIT_KINDS; k++) {
		assert_true(h.options.weight[k] == habit_kind_weight(k));
		assert_int_equal(h.options.lock_kinds >> k & 1,
		    !habit_kind_is_foreign(k));
	}
	habit_conf_fini(&h);
	conf_free(c);
}

/* Each keyword of Evidence is of the kind of its name, and of no other. */
static void
weights(void **state)
{
	(void)state;
	for (enum habit_kind k = 0; k < HABIT_KINDS; k++) {
		char text[80];
		struct conf *c;
		struct habit_conf h;
		struct errmsg msg;

		snprintf(text, sizeof(text), "Evidence {\n %s = 7.5\n}\n",
		    habit_kind_name(k));
		c = conf_of(text);
		assert_int_equal(habit_conf_init(&h, c, &msg), 0);
		for (enum habit_kind i = 0; i < HABIT_KINDS; i++)
			assert_true(h.options.weight[i] ==
			    (i == k ? 7.5 : habit_kind_weight(i)));
		habit_conf_fini(&h);
		conf_free(c);
	}
}

static void
all_else(void **state)
{
	struct conf *c = conf_of("AlertScore 5.5\nAlertEvery 12h\nLockScore 8\n"
				 "LockKinds spam, canary\nLockFor 7days\n"
				 "CanaryRecipients Trap@example.net\n");
	struct habit_conf h;
	struct errmsg msg;

	(void)state;
	assert_int_equal(habit_conf_init(&h, c, &msg), 0);
	assert_true(h.options.alert_score == 5.5);
	assert_int_equal(h.options.alert_every, 12 * 3600);
	assert_true(h.options.lock_score == 8);
	assert_int_equal(
	    h.options.lock_kinds, 1U << HABIT_SPAM | 1U << HABIT_CANARY);
	assert_int_equal(h.options.lock_for, 7 * 86400);
	assert_true(h.options.is_canary(h.options.ctx, "trap@example.NET"));
	assert_false(h.options.is_canary(h.options.ctx, "other@example.net"));
	habit_conf_fini(&h);
	conf_free(c);
}

static void
mistakes(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
	    {"AlertScore 0", "AlertScore: expected more than 0"},
	    {"AlertScore -1", "expected a number from 0 to 100"},
	    {"AlertScore nan", "expected a number from 0 to 100"},
	    {"AlertScore 5x", "expected a number from 0 to 100"},
	    {"AlertScore 101", "expected a number from 0 to 100"},
	    {"LockScore 0", "LockScore: expected more than 0"},
	    {"AlertEvery never", "expected a time such as 30m, 24h or 7days"},
	    {"AlertEvery 0h", "expected a time"},
	    {"AlertEvery 1h/2", "expected a time"},
	    {"LockFor soon", "expected a time"},
	    {"LockKinds networks, bounces", "bounces can't lock"},
	    {"LockKinds complaint", "complaint can't lock"},
	    {"LockKinds campaign", "campaign can't lock"},
	    {"LockKinds network", "not network"},
	    {"LockKinds ,", "expected kinds of evidence"},
	    {"Evidence {\n networks = lots\n}", "t.conf:2: networks: expected a "
						"number from 0 to 100"},
	    {"Evidence {\n network = 1\n}", "did you mean networks?"},
	    {"Evidence all {\n}", "expected {, and no title"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct conf *c = NULL;
		struct errmsg msg = {.text = ""};

		assert_int_equal(conf_read_text(cases[i].text,
				     strlen(cases[i].text), "t.conf", tables,
				     &c, &msg), ERR_CONFIG);
		if (strstr(msg.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].text, msg.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(weights),
	    cmocka_unit_test(all_else),
	    cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
