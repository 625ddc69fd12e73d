/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/message.h"

#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct buf *b = ctx;

	buf_char(b, '[');
	buf_add(b, name, name_len);
	buf_char(b, '|');
	buf_add(b, value, value_len);
	buf_char(b, ']');
}

static void
splits(void **state)
{
	static const struct {
		const char *name, *in, *fields, *body;
	} cases[] = {
	    {"plain", "A: b\r\nC:d\r\n\r\nx\r\n", "[A| b][C|d]", "x\r\n"},
	    {"bare LF", "A: b\n\nx\n", "[A| b]", "x\n"},
	    {"fold", "A: b\r\n\tc\r\n d\r\n\r\n", "[A| b\n\tc\n d]", ""},
	    {"empty first line", "A:\r\n b\r\n\r\n", "[A|\n b]", ""},
	    {"mbox", "From a@b Thu\nA: b\n\nx", "[A| b]", "x"},
	    {"no mbox", "From : a@b\nA: b\n\nx", "[From| a@b][A| b]", "x"},
	    {"space before colon", "A \t: b\n\n", "[A| b]", ""},
	    {"no header", "hello world\n", "", "hello world\n"},
	    {"header ends in text", "A: b\nhello\n", "[A| b]", "hello\n"},
	    {"no body", "A: b", "[A| b]", ""},
	    {"no name", ": b\n\nx", "", ": b\n\nx"},
	    {"continuation first", " a: b\n", "", " a: b\n"},
	    {"CR inside stays", "A: b\rc\r\n\r\n", "[A| b\rc]", ""},
	    {"nothing", "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		size_t at = message_split(
		    cases[i].in, strlen(cases[i].in), on_field, &b);

		if (strcmp(buf_text(&b), cases[i].fields) != 0 ||
		    strcmp(cases[i].in + at, cases[i].body) != 0)
			fail_msg("%s: %s and %s", cases[i].name, buf_text(&b),
			    cases[i].in + at);
		buf_fini(&b);
	}
}

static void
ends_lines_in_crlf(void **state)
{
	static const char *const cases[][2] = {
	    {"a\nb", "a\r\nb"},
	    {"a\r\n\n", "a\r\n\r\n"},
	    {"\n", "\r\n"},
	    {"a\rb\r", "a\rb\r"},
	    {"", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		message_crlf(&b, cases[i][0], strlen(cases[i][0]));
		assert_string_equal(buf_text(&b), cases[i][1]);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(splits),
	    cmocka_unit_test(ends_lines_in_crlf),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
