/* What clients say in HELO.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/helo.h"

#include <string.h>

#include "lib/base/host.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

static const char zone[] = "mx.example.com A 192.0.2.1\n"
			   "mx.example.com AAAA 2001:db8::1\n"
			   "two.example.com A 192.0.2.9\n"
			   "two.example.com A 192.0.2.1\n"
			   "v4.example.com A 192.0.2.1\n"
			   "v6.example.com AAAA 2001:db8::1\n"
			   "mapped.example.com AAAA ::ffff:192.0.2.1\n"
			   "text.example.com TXT none\n"
			   "dead.example.com A !servfail\n"
			   "half.example.com A !timeout\n"
			   "half.example.com AAAA 2001:db8::1\n"
			   "host A 192.0.2.1\n"
			   "xn--bcher-kva.example A 192.0.2.1\n";

#define LONG                                                                   \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh."         \
	"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh."

static const struct {
	const char *helo, *client;
	enum helo_form form;
	enum helo_status status;
} cases[] = {
    {"mx.example.com", "192.0.2.1", HELO_NAME, HELO_PASS},
    {"MX.Example.COM.", "192.0.2.1", HELO_NAME, HELO_PASS},
    {"mx.example.com", "2001:db8::1", HELO_NAME, HELO_PASS},
    {"mx.example.com", "::ffff:192.0.2.1", HELO_NAME, HELO_PASS},
    {"mapped.example.com", "192.0.2.1", HELO_NAME, HELO_FAIL},
    {"two.example.com", "192.0.2.1", HELO_NAME, HELO_PASS},
    {"two.example.com", "192.0.2.2", HELO_NAME, HELO_FAIL},
    {"v6.example.com", "192.0.2.1", HELO_NAME, HELO_FAIL},
    {"v4.example.com", "2001:db8::1", HELO_NAME, HELO_FAIL},
    {"text.example.com", "192.0.2.1", HELO_NAME, HELO_NONE},
    {"gone.example.com", "192.0.2.1", HELO_NAME, HELO_NONE},
    {"dead.example.com", "192.0.2.1", HELO_NAME, HELO_TEMPERROR},
    {"half.example.com", "192.0.2.1", HELO_NAME, HELO_TEMPERROR},
    {"half.example.com", "2001:db8::1", HELO_NAME, HELO_PASS},
    {"b\303\274cher.example", "192.0.2.1", HELO_NAME, HELO_PASS},
    /* RFC 5321 section 2.3.5: one label is no name of a host on the net */
    {"host", "192.0.2.1", HELO_WORD, HELO_NONE},
    {"localhost.", "192.0.2.1", HELO_WORD, HELO_NONE},
    /* RFC 5321 section 4.1.3 */
    {"[192.0.2.1]", "192.0.2.1", HELO_LITERAL, HELO_PASS},
    {"[192.0.2.2]", "192.0.2.1", HELO_LITERAL, HELO_FAIL},
    {"[IPv6:2001:db8::1]", "2001:db8::1", HELO_LITERAL, HELO_PASS},
    {"[ipv6:2001:db8:0:0::1]", "2001:db8::1", HELO_LITERAL, HELO_PASS},
    {"[IPv6:2001:db8::2]", "2001:db8::1", HELO_LITERAL, HELO_FAIL},
    {"[IPv6:::ffff:192.0.2.1]", "192.0.2.1", HELO_LITERAL, HELO_PASS},
    {"[192.0.2.1]", "::ffff:192.0.2.1", HELO_LITERAL, HELO_PASS},
    {"[2001:db8::1]", "2001:db8::1", HELO_INVALID, HELO_NONE},
    {"[IPv6:192.0.2.1]", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[192.0.2.1", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[192.0.2.1]x", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[]", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[IPv6:]", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[IPv6]", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"[mx.example.com]", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"192.0.2.1", "192.0.2.1", HELO_ADDRESS, HELO_PASS},
    {"192.0.2.2", "192.0.2.1", HELO_ADDRESS, HELO_FAIL},
    {"2001:db8::1", "2001:db8::1", HELO_ADDRESS, HELO_PASS},
    {"192.0.2", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"300.1.1.1", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"a_b.example.com", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"a..example.com", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"a b.example.com", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"a\r\nb", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"\377\376", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {"", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {".", "192.0.2.1", HELO_INVALID, HELO_NONE},
    {LONG LONG LONG LONG "com", "192.0.2.1", HELO_INVALID, HELO_NONE},
};

static const struct host *
address(const char *ip, struct host *h)
{
	assert_true(host_parse(ip, h));
	return h;
}

static void
forms_and_results(void **state)
{
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct host client;
		struct helo *h = helo_new(
		    &d, cases[i].helo, address(cases[i].client, &client));
		const struct helo_result *r = helo_collect(h, NULL);

		if (r->form != cases[i].form || r->status != cases[i].status)
			fail_msg("%s from %s: %s %s", cases[i].helo,
			    cases[i].client, helo_form_word(r->form),
			    helo_status_word(r->status));
		assert_true((r->name != NULL) ==
		    (r->form == HELO_NAME || r->form == HELO_WORD));
		assert_ptr_equal(helo_collect(h, NULL), r);
		helo_free(h);
	}
	dns_file_close(&d);
}

static void
names_are_as_in_the_dns(void **state)
{
	struct helo *h = helo_new(NULL, "B\303\274cher.EXAMPLE.", NULL);
	const struct helo_result *r = helo_collect(h, NULL);

	(void)state;
	assert_string_equal(r->name, "xn--bcher-kva.example");
	assert_int_equal(r->status, HELO_NONE);
	helo_free(h);
	helo_free(NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms_and_results),
	    cmocka_unit_test(names_are_as_in_the_dns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
