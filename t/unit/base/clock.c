/* The clock that deadlines go by.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/clock.h"

#include "t/support/drivers/test.h"

static void
goes_by_the_system_s(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct timespec before, after;
		int64_t ns, ms;

		clock_gettime(CLOCK_MONOTONIC, &before);
		ns = clock_ns();
		ms = clock_ms();
		clock_gettime(CLOCK_MONOTONIC, &after);
		assert_true(ns >= before.tv_sec * INT64_C(1000000000) +
			before.tv_nsec);
		assert_true(ms >= ns / 1000000);
		assert_true(ms <=
		    after.tv_sec * INT64_C(1000) + after.tv_nsec / 1000000);
	}
}

static void
moments_are_whole(void **state)
{
	static const struct {
		int64_t ms;
		struct timespec want;
	} cases[] = {{0, {0, 0}}, {999, {0, 999000000}}, {1000, {1, 0}},
	    {86400001, {86400, 1000000}}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct timespec t = clock_timespec(cases[i].ms);

		assert_int_equal(t.tv_sec, cases[i].want.tv_sec);
		assert_int_equal(t.tv_nsec, cases[i].want.tv_nsec);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(goes_by_the_system_s),
	    cmocka_unit_test(moments_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
