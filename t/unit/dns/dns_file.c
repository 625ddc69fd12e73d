/* The DNS interface, as tests fill it. SPDX-License-Identifier: BSD-2-Clause */
#include "t/support/drivers/dns_file.h"

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

static const char zone[] = "example.org A 192.0.2.1\n"
			   "example.org TXT v=spf1 -all\n"
			   "example.org TXT other\n"
			   "example.org MX 10 mx.example.org\n"
			   "slow.example.org TXT !timeout\n";

static void
answers(void **state)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t count;
	} cases[] = {
	    {"example.org", DNS_A, DNS_OK, 1},
	    {"EXAMPLE.org", DNS_TXT, DNS_OK, 2},
	    {"example.org", DNS_AAAA, DNS_NODATA, 0},
	    {"no.example.org", DNS_A, DNS_NXDOMAIN, 0},
	    {"slow.example.org", DNS_TXT, DNS_TIMEOUT, 0},
	};
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns_query *q =
		    dns_start(&d, cases[i].name, cases[i].type);
		const struct dns_answer *a = dns_collect(&d, q, NULL);

		assert_int_equal(a->status, cases[i].status);
		assert_int_equal(a->count, cases[i].count);
		dns_drop(&d, q);
	}
	dns_file_close(&d);
}

static void
refuses_nonsense(void **state)
{
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open("x A 300.1.1.1\n", &d), ERR_SYNTAX);
	dns_file_close(&d);
	assert_int_equal(dns_file_open("x WKS y\n", &d), ERR_SYNTAX);
	dns_file_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	    cmocka_unit_test(refuses_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
