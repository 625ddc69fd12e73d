/* The address of a host.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/base/host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "t/support/drivers/test.h"

static const struct {
	const char *text, *want, *reverse;
	enum host_family family;
	bool is_public, is_loopback;
} cases[] = {
    {"192.0.2.1", NULL, "1.2.0.192", HOST_IP4, true, false},
    {"255.254.253.252", NULL, "252.253.254.255", HOST_IP4, false, false},
    {"8.8.8.8", NULL, NULL, HOST_IP4, true, false},
    {"0.0.0.0", NULL, NULL, HOST_IP4, false, false},
    {"10.1.2.3", NULL, NULL, HOST_IP4, false, false},
    {"11.0.0.1", NULL, NULL, HOST_IP4, true, false},
    {"100.63.255.255", NULL, NULL, HOST_IP4, true, false},
    {"100.64.0.1", NULL, NULL, HOST_IP4, false, false},
    {"100.128.0.0", NULL, NULL, HOST_IP4, true, false},
    {"126.255.255.255", NULL, NULL, HOST_IP4, true, false},
    {"127.0.0.1", NULL, NULL, HOST_IP4, false, true},
    {"127.255.0.9", NULL, NULL, HOST_IP4, false, true},
    {"128.0.0.1", NULL, NULL, HOST_IP4, true, false},
    {"169.254.1.1", NULL, NULL, HOST_IP4, false, false},
    {"172.15.0.1", NULL, NULL, HOST_IP4, true, false},
    {"172.16.0.1", NULL, NULL, HOST_IP4, false, false},
    {"172.31.255.255", NULL, NULL, HOST_IP4, false, false},
    {"172.32.0.0", NULL, NULL, HOST_IP4, true, false},
    {"192.168.0.1", NULL, NULL, HOST_IP4, false, false},
    {"192.169.0.0", NULL, NULL, HOST_IP4, true, false},
    {"224.0.0.1", NULL, NULL, HOST_IP4, false, false},
    {"2001:db8::1", NULL,
	"1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
	HOST_IP6, true, false},
    {"2001:DB8:0:0::1", "2001:db8::1", NULL, HOST_IP6, true, false},
    {"::", NULL, NULL, HOST_IP6, false, false},
    {"::1", NULL, NULL, HOST_IP6, false, true},
    {"::2", NULL, NULL, HOST_IP6, true, false},
    {"fe80::1", NULL, NULL, HOST_IP6, false, false},
    {"fec0::1", NULL, NULL, HOST_IP6, false, false},
    {"fc00::1", NULL, NULL, HOST_IP6, false, false},
    {"fdff::1", NULL, NULL, HOST_IP6, false, false},
    {"fe00::1", NULL, NULL, HOST_IP6, true, false},
    {"ff02::1", NULL, NULL, HOST_IP6, false, false},
    {"::ffff:192.0.2.1", "192.0.2.1", "1.2.0.192", HOST_IP4, true, false},
    {"::ffff:127.0.0.1", "127.0.0.1", NULL, HOST_IP4, false, true},
    {"::ffff:0:0", "0.0.0.0", NULL, HOST_IP4, false, false},
};

#define CASES (sizeof(cases) / sizeof(*cases))

static void
reads_and_writes(void **state)
{
	(void)state;
	for (size_t i = 0; i < CASES; i++) {
		char text[HOST_TEXT_SIZE], reverse[HOST_REVERSE_SIZE];
		const char *want =
		    cases[i].want == NULL ? cases[i].text : cases[i].want;
		struct host h;

		if (!host_parse(cases[i].text, &h) ||
		    h.family != cases[i].family ||
		    host_is_public(&h) != cases[i].is_public ||
		    host_is_loopback(&h) != cases[i].is_loopback)
			fail_msg("%s", cases[i].text);
		assert_ptr_equal(host_text(&h, text), text);
		assert_string_equal(text, want);
		assert_true(host_reverse(&h, reverse));
		if (cases[i].reverse != NULL)
			assert_string_equal(reverse, cases[i].reverse);
	}
}

static void
what_is_none(void **state)
{
	static const char *const none[] = {"", "1.2.3", "1.2.3.4.5", "1.2.3.256",
	    "[192.0.2.1]", "IPv6:::1", "::1%lo", "192.0.2.1 ", "x"};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct host h, of[] = {host_of(NULL), host_of((struct sockaddr *)&un)};
	char text[HOST_TEXT_SIZE], reverse[HOST_REVERSE_SIZE];
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++) {
		h = host_ip4("\300\0\2\1");
		if (host_parse(none[i], &h) || h.family != HOST_NONE)
			fail_msg("%s", none[i]);
	}
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(of[i].family, HOST_NONE);
		assert_string_equal(host_text(&of[i], text), "");
		assert_false(host_reverse(&of[i], reverse));
		assert_false(host_is_public(&of[i]));
		assert_false(host_is_loopback(&of[i]));
		(void)host_octets(&of[i], &len);
		assert_int_equal(len, 0);
	}
}

/* At an odd address too: libmilter's is where it is. */
static void
comes_from_a_socket(void **state)
{
	struct sockaddr_in in = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	unsigned char odd[1 + sizeof(in6)];
	struct host a, b;
	size_t len;

	(void)state;
	memcpy(odd + 1, &in, sizeof(in));
	a = host_of((const struct sockaddr *)(odd + 1));
	assert_memory_equal(host_octets(&a, &len), "\300\0\2\1", 4);
	assert_int_equal(len, 4);
	assert_int_equal(inet_pton(AF_INET6, "2001:db8::5", &in6.sin6_addr), 1);
	memcpy(odd + 1, &in6, sizeof(in6));
	b = host_of((const struct sockaddr *)(odd + 1));
	assert_memory_equal(host_octets(&b, &len), &in6.sin6_addr, 16);
	assert_int_equal(len, 16);
	assert_false(host_equal(&a, &b));
	assert_true(host_equal(&b, &b));
	assert_int_equal(
	    inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
	b = host_of((struct sockaddr *)&in6);
	assert_true(host_equal(&a, &b));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_and_writes),
	    cmocka_unit_test(what_is_none),
	    cmocka_unit_test(comes_from_a_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
