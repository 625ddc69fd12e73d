/* DNS lists: names, codes, answers.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/dnsbl.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "t/support/drivers/test.h"

#define Z63 "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
#define Z180                                                                   \
	Z63 "." Z63 ".zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.example.org"

/* An IPv6 address stays one here, as self-tests have it (RFC 5782 section 5). */
static void
address(const char *ip, struct host *h)
{
	if (strchr(ip, ':') == NULL) {
		assert_true(host_parse(ip, h));
		return;
	}
	h->family = HOST_IP6;
	assert_int_equal(inet_pton(AF_INET6, ip, h->octets), 1);
}

static void
names_of_addresses(void **state)
{
	static const struct {
		const char *ip, *zone, *name; /* NULL: none */
	} cases[] = {
	    {"192.0.2.99", "bl.example.net", "99.2.0.192.bl.example.net"},
	    {"127.0.0.2", "bl.example.net", "2.0.0.127.bl.example.net"},
	    /* RFC 5782 section 2.4 */
	    {"2001:db8:1:2:3:4:567:89ab", "ugly.example.com",
		"b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1."
		"0.0.2.ugly.example.com"},
	    {"::ffff:7f00:2", "b.example",
		"2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		"0.0.b.example"},
	    {"::1", Z180,
		"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."
		"0.0.0.0.0.0.0." Z180},
	    {"::1", Z180 ".example.org", NULL},
	    {"192.0.2.1", Z180 "." Z63, NULL},
	};
	char name[DNSBL_NAME_SIZE];
	struct host h;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool is;

		address(cases[i].ip, &h);
		is = dnsbl_name_ip(&h, cases[i].zone, name);
		if (is != (cases[i].name != NULL))
			fail_msg("%s: a name?", cases[i].ip);
		if (is)
			assert_string_equal(name, cases[i].name);
	}
	h = (struct host){.family = HOST_NONE};
	assert_false(dnsbl_name_ip(&h, "b.example", name));
}

static void
names_of_domains(void **state)
{
	static const struct {
		const char *domain;
		bool is;
	} cases[] = {{"example.com", true}, {"mx.a-b.example.co.uk", true},
	    {"xn--bcher-kva.example", true}, {"localhost", false}, {"", false},
	    {"192.0.2.1", false}, {"1.2.3.4.5", false}, {"a.", false},
	    {"a..b", false}, {".a.b", false}, {"4.example", true},
	    {Z63 ".b", true}, {Z63 "z.b", false}, {Z180 "." Z63, false}};
	char name[DNSBL_NAME_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (dnsbl_name_domain(cases[i].domain, "dbl.example.net",
			name) != cases[i].is)
			fail_msg("%s", cases[i].domain);
	}
	assert_true(dnsbl_name_domain("mx.example.com", "d.example", name));
	assert_string_equal(name, "mx.example.com.d.example");
}

static void
ranges(void **state)
{
	static const struct {
		const char *text;
		uint32_t first, last; /* first 0: a mistake */
		const char *expected;
	} cases[] = {
	    {"127.0.0.2", 0x7f000002, 0x7f000002, NULL},
	    {"127.0.0.2-127.0.0.11", 0x7f000002, 0x7f00000b, NULL},
	    {"127.0.0.0/24", 0x7f000000, 0x7f0000ff, NULL},
	    {"127.0.1.2/32", 0x7f000102, 0x7f000102, NULL},
	    {"127.255.254.255", 0x7ffffeff, 0x7ffffeff, NULL},
	    {"&0.0.0.8", 0x7f000000, 0x7ffffeff, NULL},
	    {"&", 0, 0, "bits"},
	    {"&8", 0, 0, "bits"},
	    {"&0.0.0.0", 0, 0, "bits"},
	    {"&127.0.0.8", 0, 0, "bits"},
	    {"127.0.0.11-127.0.0.2", 0, 0, "a range"},
	    {"127.0.0.2/24", 0, 0, "a network"},
	    {"127.0.0.0/7", 0, 0, "a network"},
	    {"127.0.0.0/33", 0, 0, "a network"},
	    {"127.0.0.0/", 0, 0, "a network"},
	    {"127.0.0.0/24x", 0, 0, "a network"},
	    {"127.0.0", 0, 0, "an address"},
	    {"127.0.0.2-", 0, 0, "a range"},
	    {"127.0.0.2-11", 0, 0, "a range"},
	    {"127.0.0.0000000000002", 0, 0, "an address"},
	    {"", 0, 0, "an address"},
	    {"::1", 0, 0, "an address"},
	    {"128.0.0.1", 0, 0, "127.0.0.0/8"},
	    {"127.0.0.2-128.0.0.2", 0, 0, "127.0.0.0/8"},
	    {"127.255.255.254", 0, 0, "below 127.255.255.0"},
	    {"127.0.0.0/8", 0, 0, "below 127.255.255.0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errmsg msg = {.text = ""};
		struct dnsbl_range r;
		int rc = dnsbl_range_parse(cases[i].text, &r, &msg);

		if ((rc == 0) != (cases[i].first != 0))
			fail_msg("%s: %s", cases[i].text, msg.text);
		if (rc != 0 && strstr(msg.text, cases[i].expected) == NULL)
			fail_msg("%s: %s", cases[i].text, msg.text);
		if (rc == 0 &&
		    (r.first != cases[i].first || r.last != cases[i].last))
			fail_msg("%s: %x-%x", cases[i].text, r.first, r.last);
	}
}

static void
codes_in_ranges(void **state)
{
	static const struct {
		const char *range, *code;
		bool has;
	} cases[] = {
	    {"127.0.0.2-127.0.0.4", "127.0.0.1", false},
	    {"127.0.0.2-127.0.0.4", "127.0.0.2", true},
	    {"127.0.0.2-127.0.0.4", "127.0.0.4", true},
	    {"127.0.0.2-127.0.0.4", "127.0.0.5", false},
	    {"127.0.1.0/24", "127.0.1.255", true},
	    {"127.0.1.0/24", "127.0.2.0", false},
	    {"&0.0.0.8", "127.0.0.12", true},
	    {"&0.0.0.8", "127.0.0.7", false},
	    {"&0.0.0.12", "127.0.0.8", false},
	    {"&0.0.1.0", "127.0.3.2", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dnsbl_range r;
		struct in_addr code;

		assert_int_equal(
		    dnsbl_range_parse(cases[i].range, &r, NULL), 0);
		assert_int_equal(inet_pton(AF_INET, cases[i].code, &code), 1);
		if (dnsbl_range_has(&r, ntohl(code.s_addr)) != cases[i].has)
			fail_msg("%s: %s", cases[i].range, cases[i].code);
	}
}

static void
answers(void **state)
{
	static const struct {
		const char *what;
		enum dns_status dns;
		const char *ips[3];
		enum dnsbl_status status;
		const char *codes;
	} cases[] = {
	    {"one", DNS_OK, {"127.0.0.2"}, DNSBL_LISTED, "127.0.0.2 "},
	    {"two", DNS_OK, {"127.0.0.4", "127.0.1.3"}, DNSBL_LISTED,
		"127.0.0.4 127.0.1.3 "},
	    {"no name", DNS_NXDOMAIN, {NULL}, DNSBL_NOT_LISTED, ""},
	    {"no data", DNS_NODATA, {NULL}, DNSBL_NOT_LISTED, ""},
	    {"failure", DNS_TEMPFAIL, {NULL}, DNSBL_NO_ANSWER, ""},
	    {"too late", DNS_TIMEOUT, {NULL}, DNSBL_NO_ANSWER, ""},
	    {"refused", DNS_OK, {"127.255.255.254"}, DNSBL_REFUSED, ""},
	    {"refused, the last", DNS_OK, {"127.255.255.255"}, DNSBL_REFUSED,
		""},
	    {"the first of those", DNS_OK, {"127.255.255.0"}, DNSBL_REFUSED,
		""},
	    {"just below", DNS_OK, {"127.255.254.255"}, DNSBL_LISTED,
		"127.255.254.255 "},
	    {"foreign", DNS_OK, {"192.0.2.1"}, DNSBL_FOREIGN, ""},
	    {"above", DNS_OK, {"128.0.0.0"}, DNSBL_FOREIGN, ""},
	    {"below", DNS_OK, {"126.255.255.255"}, DNSBL_FOREIGN, ""},
	    {"beside a code", DNS_OK, {"127.0.0.2", "192.0.2.1"}, DNSBL_FOREIGN,
		""},
	    {"before a code", DNS_OK, {"127.255.255.252", "127.0.0.2"},
		DNSBL_REFUSED, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned char data[3][4];
		struct dns_record records[3];
		struct dns_answer a = {
		    .status = cases[i].dns, .records = records};
		struct dnsbl_answer r;
		char text[64] = "";

		for (; a.count < 3 && cases[i].ips[a.count] != NULL;
		     a.count++) {
			records[a.count].data = data[a.count];
			records[a.count].len = 4;
			inet_pton(
			    AF_INET, cases[i].ips[a.count], data[a.count]);
		}
		dnsbl_read(&a, &r);
		for (size_t j = 0; j < r.count; j++) {
			char one[DNSBL_CODE_SIZE];

			strcat(text, dnsbl_code_text(r.codes[j], one));
			strcat(text, " ");
		}
		if (r.status != cases[i].status)
			fail_msg("%s: %s", cases[i].what,
			    dnsbl_status_word(r.status));
		assert_string_equal(text, cases[i].codes);
	}
}

static void
more_than_are_looked_at(void **state)
{
	static const unsigned char code[4] = {127, 0, 0, 2};
	struct dns_record records[2 * DNSBL_CODES_MAX];
	struct dns_answer a = {
	    .status = DNS_OK, .count = 2 * DNSBL_CODES_MAX, .records = records};
	struct dnsbl_answer r;

	(void)state;
	for (size_t i = 0; i < a.count; i++)
		records[i] = (struct dns_record){code, 4};
	dnsbl_read(&a, &r);
	assert_int_equal(r.status, DNSBL_LISTED);
	assert_int_equal(r.count, DNSBL_CODES_MAX);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_addresses),
	    cmocka_unit_test(names_of_domains),
	    cmocka_unit_test(ranges),
	    cmocka_unit_test(codes_in_ranges),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(more_than_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
