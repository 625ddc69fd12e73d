/* A DNS of data sets.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/dns_dataset.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/dataset.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

static const char keys_text[] = "s._domainkey.Example.org v=DKIM1; p=key\n";
static const char all_text[] = "example.org one thing\n"
			       "example.org another\n"
			       "a.example A 192.0.2.1\n"
			       "a.example text\n"
			       "a.example A 192.0.2.2\n"
			       "a.example AAAA 2001:db8::1\n"
			       "b.example A 192.0.2.1 x\n"
			       "c.example MX 300 Mx.example\n"
			       "c.example MX x mx.example\n"
			       "c.example MX 70000 mx.example\n"
			       "c.example PTR host.example\n"
			       "c.example PTR a..b\n"
			       "c.example TXT MX 1 x\n"
			       "s._domainkey.example.org from all\n";

static struct dataset *
set_of(const char *text)
{
	struct dataset *set;
	struct errmsg msg;

	assert_int_equal(dataset_open_text(&dataset_file, "test", text,
			     strlen(text), &set, &msg),
	    0);
	return set;
}

static void
answers(void **state)
{
	static const struct {
		bool keys, all;
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t count;
		const char *first;
	} cases[] = {
	    {false, true, "EXAMPLE.org.", DNS_TXT, DNS_OK, 2, "one thing"},
	    {false, true, "example.org", DNS_A, DNS_NODATA, 0, NULL},
	    {false, true, "no.example", DNS_TXT, DNS_NXDOMAIN, 0, NULL},
	    {false, true, "a..b", DNS_TXT, DNS_BADNAME, 0, NULL},
	    {false, true, "a.example", DNS_A, DNS_OK, 2, "\300\0\2\1"},
	    {false, true, "a.example", DNS_TXT, DNS_OK, 1, "text"},
	    {false, true, "a.example", DNS_AAAA, DNS_OK, 1,
		"\40\1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"},
	    {false, true, "b.example", DNS_TXT, DNS_OK, 1, "A 192.0.2.1 x"},
	    {false, true, "b.example", DNS_A, DNS_NODATA, 0, NULL},
	    {false, true, "c.example", DNS_MX, DNS_OK, 1, "\1\54mx.example"},
	    {false, true, "c.example", DNS_PTR, DNS_OK, 1, "host.example"},
	    {false, true, "c.example", DNS_TXT, DNS_OK, 4, "MX x mx.example"},
	    {false, true, "s._domainkey.example.org", DNS_TXT, DNS_OK, 1,
		"from all"},
	    {true, true, "s._domainkey.example.org", DNS_TXT, DNS_OK, 1,
		"v=DKIM1; p=key"},
	    {true, true, "example.org", DNS_TXT, DNS_OK, 2, "one thing"},
	    {true, false, "S._DomainKey.example.org", DNS_TXT, DNS_OK, 1,
		"v=DKIM1; p=key"},
	    {true, false, "x._domainkey.rest.example", DNS_TXT, DNS_NXDOMAIN,
		0, NULL},
	    {true, false, "rest.example", DNS_TXT, DNS_OK, 1, "from rest"},
	    {true, false, "no.example", DNS_TXT, DNS_NXDOMAIN, 0, NULL},
	};
	struct dataset *keys = set_of(keys_text), *all = set_of(all_text);
	struct dns rest, d;

	(void)state;
	assert_int_equal(dns_file_open("rest.example TXT from rest\n"
				       "x._domainkey.rest.example TXT no\n",
			     &rest),
	    0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns_query *q;
		const struct dns_answer *a;

		assert_int_equal(
		    dns_dataset_open(cases[i].keys ? keys : NULL,
			cases[i].all ? all : NULL, &rest, &d),
		    0);
		q = dns_start(&d, cases[i].name, cases[i].type);
		assert_true(dns_ready(&d, q));
		a = dns_collect(&d, q, NULL);
		if (a->status != cases[i].status || a->count != cases[i].count)
			fail_msg("case %zu: %s: %d %zu", i, cases[i].name,
			    a->status, a->count);
		if (a->count > 0)
			assert_memory_equal(a->records[0].data, cases[i].first,
			    a->records[0].len);
		dns_drop(&d, q);
		dns_dataset_close(&d);
	}
	dns_file_close(&rest);
	dataset_free(keys);
	dataset_free(all);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
