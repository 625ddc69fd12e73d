/*
 * Packets of the milter protocol: what an MTA sends passes, what libmilter
 * would read past the end of does not.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/daemon/packet.h"

#include <stdlib.h>
#include <string.h>

#include "t/support/drivers/test.h"

#define S(text) text, sizeof(text) - 1

static const struct {
	char command;
	const char *data;
	size_t len;
	bool fine;
} cases[] = {
    {'O', S("\0\0\0\6\0\0\1\377\0\37\377\377"), true},
    {'O', S("\0\0\0\6\0\0\1\377\0\37\377\377more"), true},
    {'O', S("\0\0\0\6\0\0\1\377\0\37\377"), false},
    {'O', S(""), false},

    /* Sendmail and Postfix send a list without a macro as one octet. */
    {'D', S("M"), true},
    {'D', S("Mi\0ABC\0"), true},
    {'D', S("Mi\0\0"), true},
    {'D', S("C\0\0"), true},
    {'D', S("Cj\0mx\0{daemon_name}\0MTA\0"), true},
    {'D', S("Li\0ABC\0"), true},
    {'D', S(""), false},
    {'D', S("M\0"), false},
    {'D', S("Mi"), false},
    {'D', S("Mi\0"), false},
    {'D', S("Mi\0ABC"), false},
    {'D', S("Ma\0a\0a\0"), false},
    {'D', S("M\0\0\0"), false},
    {'D', S("Mi\0ABC\0j"), false},
    {'D', S("Mi\0ABC\0j\0"), false},
    {'D', S("Mi\0ABC\0j\0mx"), false},

    {'C', S("host\0U"), true},
    {'C', S("\0U"), true},
    {'C', S("host\0" "4\0\31" "192.0.2.1\0"), true},
    {'C', S("host\0" "6\0\31" "2001:db8::1\0"), true},
    {'C', S("host\0L\0\0/run/s\0"), true},
    {'C', S(""), false},
    {'C', S("host"), false},
    {'C', S("host\0"), false},
    {'C', S("\0"), false},
    {'C', S("host\0" "4"), false},
    {'C', S("host\0" "4\0"), false},
    {'C', S("host\0" "4\0\31"), false},
    {'C', S("host\0" "4\0\31" "192.0.2.1"), false},
    {'C', S("host\0Z\0\31" "192.0.2.1"), false},

    {'H', S("name\0"), true},
    {'H', S("\0"), true},
    {'H', S(""), false},
    {'H', S("name"), false},
    {'H', S("name\0more"), false},
    {'M', S("<a@example.org>\0"), true},
    {'M', S("<a@example.org>\0SIZE=1\0BODY=8BITMIME\0"), true},
    {'M', S("\0"), true},
    {'M', S(""), false},
    {'M', S("<a@example.org>"), false},
    {'M', S("<a@example.org>\0SIZE=1"), false},
    {'R', S("<a@example.org>\0"), true},
    {'R', S(""), false},
    {'R', S("a"), false},
    {'U', S("WIZ\0"), true},
    {'U', S("WIZ"), false},
    {'U', S(""), false},

    {'L', S("From\0 a@example.org\0"), true},
    {'L', S("X\0\0"), true},
    {'L', S("X\0a\0b\0"), true},
    {'L', S(""), false},
    {'L', S("From"), false},
    {'L', S("From\0"), false},
    {'L', S("From\0 a"), false},
    {'L', S("\0 a\0"), false},
    {'L', S("\0 a\0 b\0"), false},

    {'B', S("text"), true},
    {'B', S("\0"), true},
    {'B', S(""), false},
    {'E', S(""), true},
    {'E', S("text"), true},
    {'N', S(""), true},
    {'T', S(""), true},
    {'A', S(""), true},
    {'Q', S(""), true},
    {'K', S(""), true},
    {'z', S("x\0"), false},
    {'\0', S(""), false},
    {'\377', S("x\0x\0"), false},
};

/* Each in memory of its own, so that a sanitizer sees a step too far. */
static void
checks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *data = malloc(cases[i].len > 0 ? cases[i].len : 1);

		assert_non_null(data);
		memcpy(data, cases[i].data, cases[i].len);
		if (packet_check(cases[i].command,
			cases[i].len > 0 ? data : NULL,
			cases[i].len) != cases[i].fine)
			fail_msg("case %zu: %c", i, cases[i].command);
		free(data);
	}
}

/* A list is fine with an even number of strings, whatever they are. */
static void
counts(void **state)
{
	char data[1 + 2 * 50];

	(void)state;
	for (size_t n = 0; n <= 50; n++) {
		for (size_t i = 0; i < n; i++) {
			data[1 + 2 * i] = i % 3 == 0 ? 'i' : '\0';
			data[2 + 2 * i] = '\0';
		}
		data[0] = 'M';
		/* Of two octets each: some are one string, some two. */
		size_t strings = n + n - (n + 2) / 3;

		assert_int_equal(
		    packet_check('D', data, 1 + 2 * n), strings % 2 == 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(checks),
	    cmocka_unit_test(counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
