/* RFC 3629. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/utf8.h"

#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

#define BAD "\xef\xbf\xbd"

static void
mends(void **state)
{
	static const struct {
		const char *name, *in, *out;
	} cases[] = {
	    {"ascii", "abc", "abc"},
	    {"two", "\xc3\xa9", "\xc3\xa9"},
	    {"four", "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
	    {"latin 1", "caf\xe9!", "caf" BAD "!"},
	    {"overlong", "\xc0\xaf", BAD BAD},
	    {"overlong three", "\xe0\x80\xaf", BAD BAD BAD},
	    {"surrogate", "\xed\xa0\x80", BAD BAD BAD},
	    {"too high", "\xf4\x90\x80\x80", BAD BAD BAD BAD},
	    {"cut off", "\xe2\x82", BAD BAD},
	    {"U+FFFF", "\xef\xbf\xbf", "\xef\xbf\xbf"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		utf8_mend(&b, cases[i].in, strlen(cases[i].in));
		if (strcmp(buf_text(&b), cases[i].out) != 0)
			fail_msg("%s: got %s", cases[i].name, buf_text(&b));
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(mends)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
