/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/buf.h"

#include <string.h>

#include "t/support/drivers/test.h"

static void
grows(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_string_equal(buf_text(&b), "");
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%03d", i);
	assert_int_equal(b.len, 3000);
	assert_memory_equal(b.data + 2997, "999", 4);
	buf_reset(&b);
	assert_string_equal(buf_text(&b), "");
	buf_fini(&b);
}

static void
escapes(void **state)
{
	static const struct {
		const char *in, *out;
		size_t len, max;
	} cases[] = {
	    {"plain", "plain", 5, 100},
	    {"a b\n", "a\\x20b\\x0a", 4, 100},
	    {"\x1b[1m", "\\x1b[1m", 4, 100},
	    {"\xff\x7f", "\\xff\\x7f", 2, 100},
	    {"a\"\\=", "a\\x22\\x5c\\x3d", 4, 100},
	    {"a\0b", "a\\x00b", 3, 100},
	    {"abcdef", "abc...", 6, 3},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		buf_escape(&b, cases[i].in, cases[i].len, cases[i].max);
		assert_string_equal(buf_text(&b), cases[i].out);
		buf_fini(&b);
	}
}

static void
quotes(void **state)
{
	static const struct {
		const char *in, *out;
		size_t len, max;
	} cases[] = {
	    {"plain", "plain", 5, 100},
	    {"", "", 0, 100},
	    {"a=b\\c,(d)", "a=b\\c,(d)", 9, 100},
	    {"a b", "\"a b\"", 3, 100},
	    {"a\tb", "\"a\\x09b\"", 3, 100},
	    {"a\"b", "\"a\\\"b\"", 3, 100},
	    {"a\" \\", "\"a\\\" \\\\\"", 4, 100},
	    {"\"", "\"\\\"\"", 1, 100},
	    {"a\r\nb", "\"a\\x0d\\x0ab\"", 4, 100},
	    {"\xff\x7f", "\"\\xff\\x7f\"", 2, 100},
	    {"a\0b", "\"a\\x00b\"", 3, 100},
	    /* What is cut is never cut inside of what stands for one octet. */
	    {"abcdef", "abcdef", 6, 6},
	    {"abcdef", "abc...", 6, 3},
	    {"a cdef", "\"a c...\"", 6, 3},
	    {"abc f", "abc...", 5, 3},
	    {"\xff\xff", "\"\\xff...\"", 2, 7},
	    {"\xff\xff", "\"\\xff\\xff\"", 2, 8},
	    {"\"\"", "\"\\\"...\"", 2, 3},
	    {"\"\"", "\"...\"", 2, 1},
	    {"ab", "...", 2, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		buf_quote(&b, cases[i].in, cases[i].len, cases[i].max);
		assert_string_equal(buf_text(&b), cases[i].out);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(grows),
	    cmocka_unit_test(escapes),
	    cmocka_unit_test(quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
