/* Names and addresses of clients.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/iprev.h"

#include <string.h>

#include "lib/base/host.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define R6                                                                     \
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."     \
	"ip6.arpa"

static const char zone[] =
    "1.2.0.192.in-addr.arpa PTR mx.example.com\n"
    "mx.example.com A 192.0.2.1\n"
    R6 " PTR mx6.example.com\n"
    "mx6.example.com AAAA 2001:db8::1\n"
    "mx6.example.com A 192.0.2.6\n"
    /* the second name is the one that is right */
    "2.2.0.192.in-addr.arpa PTR two.example.com\n"
    "2.2.0.192.in-addr.arpa PTR one.example.com\n"
    "one.example.com A 192.0.2.99\n"
    "two.example.com A 192.0.2.2\n"
    /* its name is another's */
    "3.2.0.192.in-addr.arpa PTR mx.example.com\n"
    /* its name does not exist */
    "4.2.0.192.in-addr.arpa PTR gone.example.com\n"
    "5.2.0.192.in-addr.arpa PTR !servfail\n"
    "6.2.0.192.in-addr.arpa PTR !timeout\n"
    /* the name can't be looked up */
    "7.2.0.192.in-addr.arpa PTR late.example.com\n"
    "late.example.com A !timeout\n"
    /* one name can't, the other is right */
    "8.2.0.192.in-addr.arpa PTR eight.example.com\n"
    "8.2.0.192.in-addr.arpa PTR late.example.com\n"
    "eight.example.com A 192.0.2.8\n"
    "9.2.0.192.in-addr.arpa TXT no name\n"
    /* the right name is the eleventh (the last line comes first) */
    "10.2.0.192.in-addr.arpa PTR ten.example.com\n"
    "10.2.0.192.in-addr.arpa PTR n9\n"
    "10.2.0.192.in-addr.arpa PTR n8\n"
    "10.2.0.192.in-addr.arpa PTR n7\n"
    "10.2.0.192.in-addr.arpa PTR n6\n"
    "10.2.0.192.in-addr.arpa PTR n5\n"
    "10.2.0.192.in-addr.arpa PTR n4\n"
    "10.2.0.192.in-addr.arpa PTR n3\n"
    "10.2.0.192.in-addr.arpa PTR n2\n"
    "10.2.0.192.in-addr.arpa PTR n1\n"
    "10.2.0.192.in-addr.arpa PTR n0\n"
    "ten.example.com A 192.0.2.10\n"
    /* ten are still looked at */
    "11.2.0.192.in-addr.arpa PTR eleven.example.com\n"
    "11.2.0.192.in-addr.arpa PTR n8\n"
    "11.2.0.192.in-addr.arpa PTR n7\n"
    "11.2.0.192.in-addr.arpa PTR n6\n"
    "11.2.0.192.in-addr.arpa PTR n5\n"
    "11.2.0.192.in-addr.arpa PTR n4\n"
    "11.2.0.192.in-addr.arpa PTR n3\n"
    "11.2.0.192.in-addr.arpa PTR n2\n"
    "11.2.0.192.in-addr.arpa PTR n1\n"
    "11.2.0.192.in-addr.arpa PTR n0\n"
    "eleven.example.com A 192.0.2.11\n";

static void
results(void **state)
{
	static const struct {
		const char *ip;
		const char *word, *name;
	} cases[] = {
	    {"192.0.2.1", "pass", "mx.example.com"},
	    {"2001:db8::1", "pass", "mx6.example.com"},
	    {"192.0.2.2", "pass", "two.example.com"},
	    {"192.0.2.3", "fail", "mx.example.com"},
	    {"192.0.2.4", "fail", "gone.example.com"},
	    {"192.0.2.5", "temperror", NULL},
	    {"192.0.2.6", "temperror", NULL},
	    {"192.0.2.7", "temperror", "late.example.com"},
	    {"192.0.2.8", "pass", "eight.example.com"},
	    {"192.0.2.9", "permerror", NULL},
	    {"192.0.2.10", "fail", "n0"},
	    {"192.0.2.11", "pass", "eleven.example.com"},
	    {"192.0.2.200", "permerror", NULL},
	    {"2001:db8::2", "permerror", NULL},
	};
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		size_t n = i / 2;
		struct host client;
		const struct iprev_result *r;
		struct iprev *p;

		assert_true(host_parse(cases[n].ip, &client));
		p = iprev_new(&d, &client);
		assert_non_null(p);
		if (i % 2 == 1) {
			iprev_poll(p);
			iprev_advance(p, NULL);
		}
		r = iprev_collect(p, NULL);
		if (strcmp(iprev_word(r->status), cases[n].word) != 0)
			fail_msg("%s: %s", cases[n].ip, iprev_word(r->status));
		if (cases[n].name == NULL)
			assert_null(r->name);
		else
			assert_string_equal(r->name, cases[n].name);
		assert_ptr_equal(iprev_collect(p, NULL), r);
		iprev_free(p);
	}
	iprev_free(NULL);
	dns_file_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
