/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/arena.h"

#include <string.h>

#include "t/support/drivers/test.h"

static void
keeps_apart_what_it_gives(void **state)
{
	struct arena a;
	unsigned char *p[200];

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < 200; i++) {
		p[i] = arena_alloc(&a, i * 37);
		assert_non_null(p[i]);
		assert_int_equal((uintptr_t)p[i] % 16, 0);
		memset(p[i], (int)i, i * 37);
	}
	for (size_t i = 0; i < 200; i++) {
		for (size_t k = 0; k < i * 37; k++)
			assert_int_equal(p[i][k], i);
	}
	arena_fini(&a);
}

static void
zeroes_memory_that_was_used_before(void **state)
{
	struct arena a;
	char *p;

	(void)state;
	arena_init(&a);
	memset(arena_alloc(&a, 100), 'x', 100);
	arena_reset(&a);
	p = arena_alloc(&a, 100);
	for (size_t i = 0; i < 100; i++)
		assert_int_equal(p[i], 0);
	arena_fini(&a);
}

static void
copies_and_prints(void **state)
{
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_string_equal(arena_memdup(&a, "abc", 2), "ab");
	assert_string_equal(arena_strdup(&a, ""), "");
	assert_string_equal(arena_printf(&a, "%d-%s", 7, "x"), "7-x");
	assert_null(arena_alloc(&a, SIZE_MAX - 1));
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keeps_apart_what_it_gives),
	    cmocka_unit_test(zeroes_memory_that_was_used_before),
	    cmocka_unit_test(copies_and_prints),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
