/*
 * Text from outside stands in columns, and moves no terminal.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/ctl/shown.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

static const struct {
	const char *text;
	size_t columns;    /* that there are */
	const char *shown; /* in UTF-8 */
	size_t width;
} cases[] = {
    {"bob@example.org", 80, "bob@example.org", 15},
    {"gr\xc3\xbc\xc3\x9f", 80, "gr\xc3\xbc\xc3\x9f", 4},
    /* Two columns each. */
    {"\xe4\xb8\xad\xe6\x96\x87", 80, "\xe4\xb8\xad\xe6\x96\x87", 4},
    {"a b=\"\\", 80, "a\\x20b\\x3d\\x22\\x5c", 18},
    {"\033[2J\n", 80, "\\x1b[2J\\x0a", 11},
    {"\xff\xc0\xaf", 80, "\\xff\\xc0\\xaf", 12},
    /* C1, what turns text, what joins letters, what has no width. */
    {"\xc2\x9b", 80, "\\xc2\\x9b", 8},
    {"\xe2\x80\xae", 80, "\\xe2\\x80\\xae", 12},
    {"e\xcc\x81", 80, "e\\xcc\\x81", 9},
    {"\xe2\x80\x8b", 80, "\\xe2\\x80\\x8b", 12},
    {"abcdefgh", 8, "abcdefgh", 8},
    {"abcdefghi", 8, "abcde...", 8},
    /* No character is cut. */
    {"abcd\xe4\xb8\xad\xe4\xb8\xad", 7, "abcd...", 7},
    {"abc\n\n\n", 8, "abc...", 6},
    {"abc", 2, "..", 2},
};

static void
stays_in_columns(void **state)
{
	(void)state;
	if (!shown_utf8())
		skip();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		size_t used = shown_add(&b, cases[i].text,
		    strlen(cases[i].text), cases[i].columns);

		assert_string_equal(buf_text(&b), cases[i].shown);
		assert_int_equal(used, cases[i].width);
		assert_int_equal(shown_columns(buf_text(&b)), used);
		buf_fini(&b);
	}
}

static void
sizes_are_short(void **state)
{
	static const struct {
		unsigned long long n;
		const char *text;
	} sizes[] = {
	    {0, "0"},
	    {1023, "1023"},
	    {1024, "1K"},
	    {1100, "1.0K"},
	    {1536, "1.5K"},
	    {10239, "9.9K"},
	    {10240, "10K"},
	    {10300, "10K"},
	    {500ULL << 20, "500M"},
	    {(500ULL << 20) - 1, "499M"},
	    {3ULL << 30, "3G"},
	    {5000ULL << 40, "5000T"},
	    {18446744073709551615ULL, "16777215T"},
	};
	char text[SHOWN_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		shown_size(sizes[i].n, text);
		assert_string_equal(text, sizes[i].text);
	}
}

static void
times_are_short(void **state)
{
	static const struct {
		long long ago;
		const char *text;
	} times[] = {{-5, "0s"}, {0, "0s"}, {59, "59s"}, {60, "1m"},
	    {3599, "59m"}, {3600, "1h"}, {86399, "23h"}, {86400, "1d"},
	    {40 * 86400, "40d"}};
	char text[SHOWN_AGO];

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		shown_ago(1700000000, 1700000000 - times[i].ago, text);
		assert_string_equal(text, times[i].text);
	}
	shown_ago(1700000000, 0, text);
	assert_string_equal(text, "-");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(stays_in_columns),
	    cmocka_unit_test(sizes_are_short),
	    cmocka_unit_test(times_are_short),
	};

	setenv("LC_ALL", "C.UTF-8", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
