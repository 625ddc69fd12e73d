/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/jsontext.h"

#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

static const struct {
	const char *text;
	size_t len; /* 0: strlen */
	const char *json;
} cases[] = {
    {"", 0, "\"\""},
    {"a mail", 0, "\"a mail\""},
    {"a \"b\" \\c/", 0, "\"a \\\"b\\\" \\\\c/\""},
    {"a\r\n\tb", 0, "\"a\\u000d\\n\\tb\""},
    {"\0\033[2J\x7f", 6, "\"\\u0000\\u001b[2J\\u007f\""},
    /* What is a control only for some terminals. */
    {"\xc2\x9b" "2J", 0, "\"\\u009b2J\""},
    {"\xc2\xa0", 0, "\"\xc2\xa0\""},
    /* U+2028 ends a line in some languages; U+202E turns what follows. */
    {"\xe2\x80\xa8\xe2\x80\xae.", 0, "\"\\u2028\\u202e.\""},
    {"\xe2\x82\xac \xf0\x9f\x98\x80", 0, "\"\xe2\x82\xac \xf0\x9f\x98\x80\""},
    /* No UTF-8: an octet, an overlong form, a surrogate, a cut sequence. */
    {"\xff", 0, "\"\xef\xbf\xbd\""},
    {"\xc0\xaf", 0, "\"\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xed\xa0\x80", 0, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"a\xe2\x82", 0, "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
};

static void
writes_a_string(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		size_t len = cases[i].len > 0 ? cases[i].len
					      : strlen(cases[i].text);

		jsontext_add(&b, cases[i].text, len);
		assert_string_equal(buf_text(&b), cases[i].json);
		buf_fini(&b);
	}
}

static void
guards_what_others_wrote(void **state)
{
	static const char json[] =
	    "{\"a\":[\"\x7f\xc2\x9b" "31m\xe2\x80\xae\xff\","
	    "\"\xe2\x82\xac\\n\\\"\",1]}";
	struct buf b = BUF_INIT;

	(void)state;
	jsontext_guard(&b, json, strlen(json));
	assert_string_equal(buf_text(&b),
	    "{\"a\":[\"\\u007f\\u009b31m\\u202e\xff\","
	    "\"\xe2\x82\xac\\n\\\"\",1]}");
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_a_string),
	    cmocka_unit_test(guards_what_others_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
