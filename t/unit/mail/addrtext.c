/* What is shown of an address. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/addrtext.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static void
shortens_local_parts(void **state)
{
	static const struct {
		const char *address, *shown; /* NULL: not at all */
		size_t max;
	} cases[] = {
	    {"bob@x.example", "bob@x.example", 13},
	    {"bobby@x.example", "bob@x.example", 13},
	    {"bob@x.example", "@x.example", 10},
	    {"bob@x.example", NULL, 9},
	    {"x.example", "x.example", 9},
	    {"x.example", NULL, 8},
	    {"", "", 0},
	    {"@x.example", "@x.example", 10},
	    {"bob@", "bo@", 3},
	    /* the domain is behind the last @ */
	    {"\"aaa@bank.example\"@x.example",
		"\"aaa@bank.example\"@x.example", 28},
	    {"\"aaa@bank.example\"@x.example",
		"\"aaa@bank.exampl\"@x.example", 27},
	    {"\"aaa@bank.example\"@x.example", "\"\"@x.example", 12},
	    {"\"aaa@bank.example\"@x.example", "@x.example", 11},
	    {"aaa@bank.example@x.example", "aaa@bank@x.example", 18},
	    /* what is quoted stays quoted */
	    {"\"aa\\\"a\"@x.example", "\"aa\"@x.example", 15},
	    {"\"aa\\\\a\"@x.example", "\"aa\\\\\"@x.example", 16},
	    {"aa\\aa@x.example", "aa@x.example", 13},
	    /* a sequence of UTF-8 is one */
	    {"a\xe2\x82\xac" "b@x.example", "a@x.example", 13},
	    {"a\xe2\x82\xac" "b@x.example", "a\xe2\x82\xac@x.example", 14},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf b = BUF_INIT;
		bool shown =
		    addrtext_short(&b, cases[i].address, cases[i].max);

		if (shown != (cases[i].shown != NULL) ||
		    strcmp(buf_text(&b), shown ? cases[i].shown : "") != 0)
			fail_msg("%s in %zu: [%s]", cases[i].address,
			    cases[i].max, buf_text(&b));
		buf_fini(&b);
	}
}

static void
changes_no_domain(void **state)
{
	static const struct {
		const char *address, *ascii, *utf8; /* NULL: not at all */
	} cases[] = {
	    {"a b;(@x.example", "a b;(@x.example", "a b;(@x.example"},
	    {"a\r\n\x7f\x1b@x.example", "a????@x.example", "a????@x.example"},
	    {"\xc3\xbc@x.example", "??@x.example", "\xc3\xbc@x.example"},
	    {"\xc3@x.example", "?@x.example", "?@x.example"},
	    {"a@b\xc3\xbc" "cher.example", "a@xn--bcher-kva.example",
		"a@b\xc3\xbc" "cher.example"},
	    {"b\xc3\xbc" "cher.example", "xn--bcher-kva.example",
		"b\xc3\xbc" "cher.example"},
	    {"a@x\xc3.example", NULL, NULL},
	    {"a@x\r.example", NULL, NULL},
	    {"a@x\n y.example", NULL, NULL},
	    {"a@x\x7f", NULL, NULL},
	    {"x\ty", NULL, NULL},
	    {"a@x y", "a@x y", "a@x y"},
	    {"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]",
		"a@[IPv6:2001:db8::1]"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(cases); i++) {
		const char *address = cases[i / 2].address;
		const char *want =
		    i % 2 == 0 ? cases[i / 2].ascii : cases[i / 2].utf8;
		struct buf b = BUF_INIT;
		bool shown = addrtext_field(&b, address, i % 2);

		if (shown != (want != NULL) ||
		    strcmp(buf_text(&b), shown ? want : "") != 0)
			fail_msg("%s: [%s]", address, buf_text(&b));
		buf_fini(&b);
	}
}

/* However long, and whatever stands in it: whole, or with its own domain. */
static void
keeps_the_domain_at_any_length(void **state)
{
	static const char *const tails[] = {"\"@evil.example",
	    "@bank.example\"@evil.example", "@bank.example@evil.example",
	    "@evil.example"};
	char address[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(tails) * 600; i++) {
		const char *tail = tails[i % COUNT(tails)];
		size_t len = i / COUNT(tails) + 1;
		struct buf b = BUF_INIT, log = BUF_INIT;

		memset(address, 'a', len);
		strcpy(address + len, tail);
		if (strchr(tail, '"') != NULL)
			address[0] = '"';
		assert_true(addrtext_field(&b, address, false));
		assert_true(b.len <= ADDRTEXT_MAX);
		assert_string_equal(b.data + b.len - 13, "@evil.example");
		if (address[0] == '"')
			assert_int_equal(b.data[b.len - 14], '"');
		addrtext_escape(&log, address, 100);
		assert_string_equal(
		    log.data + log.len - 13, "@evil.example");
		buf_reset(&log);
		address[len / 2] = (char)(i % 3 == 0 ? 0xff : address[len / 2]);
		addrtext_fit(&log, address, 100);
		buf_reset(&b);
		buf_quote(&b, log.data, log.len, 100);
		assert_string_equal(
		    log.data + log.len - 13, "@evil.example");
		assert_null(strstr(b.data, "..."));
		buf_fini(&b);
		buf_fini(&log);
	}
	memset(address, 'a', 900);
	address[900] = '\0';
	address[1] = '@';
	for (size_t i = 0; i < 2; i++) {
		struct buf b = BUF_INIT;

		assert_false(addrtext_field(&b, address + i, true));
		assert_int_equal(b.len, 0);
		addrtext_escape(&b, address + i, 100);
		assert_string_equal(b.data + b.len - 3, "...");
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shortens_local_parts),
	    cmocka_unit_test(changes_no_domain),
	    cmocka_unit_test(keeps_the_domain_at_any_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
