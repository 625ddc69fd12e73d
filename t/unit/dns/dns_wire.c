/* Names and RDATA.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/dns_wire.h"

#include <stdlib.h>
#include <string.h>

#include "t/support/drivers/test.h"

#define L63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void
names(void **state)
{
	static const struct {
		const char *what, *wire;
		size_t len;
		const char *text; /* NULL: no name */
	} cases[] = {
	    {"the root", "\0", 1, ""},
	    {"two labels", "\1a\2bC\0", 6, "a.bC"},
	    {"more behind it", "\1a\0xyz", 6, "a"},
	    {"a dot in a label", "\3a.b\0", 5, "a\\046b"},
	    {"octets that are odd", "\4\0 \377\\\0", 6, "\\000\\032\\255\\092"},
	    {"nothing", "", 0, NULL},
	    {"no end", "\1a", 2, NULL},
	    {"a label cut off", "\5ab\0", 4, NULL},
	    {"compressed", "\300\14", 2, NULL},
	    {"a long label", "\100a\0", 3, NULL},
	};
	char text[DNS_NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t used = dns_wire_name(
		    (const unsigned char *)cases[i].wire, cases[i].len, text);

		if ((used == 0) != (cases[i].text == NULL))
			fail_msg("%s: %zu", cases[i].what, used);
		if (used != 0)
			assert_string_equal(text, cases[i].text);
	}
}

/* The longest name there is, all of it escaped, fits; one more does not. */
static void
longest_name(void **state)
{
	unsigned char wire[300];
	char text[DNS_NAME_TEXT], key[DNS_NAME_TEXT];
	size_t at = 0;

	(void)state;
	memset(wire, 0xff, sizeof(wire));
	for (size_t i = 0; i < 4; i++) {
		wire[at] = i < 3 ? 63 : 61;
		at += 1 + wire[at];
	}
	wire[at++] = 0;
	assert_int_equal(at, DNS_NAME_MAX);
	assert_int_equal(dns_wire_name(wire, at, text), at);
	assert_true(strlen(text) < DNS_NAME_TEXT);
	assert_true(dns_wire_key(text, key));
	assert_string_equal(text, key);
	wire[192] = 62;
	wire[192 + 63] = 0;
	assert_int_equal(dns_wire_name(wire, 256, text), 0);
}

static void
keys(void **state)
{
	static const struct {
		const char *name, *key; /* NULL: can't be asked for */
	} cases[] = {
	    {"Example.ORG", "example.org"},
	    {"example.org.", "example.org"},
	    {".", ""},
	    {"", ""},
	    {"a\\046B.x", "a\\046b.x"},
	    {"a\\.b", "a\\.b"},
	    {L63 ".org", L63 ".org"},
	    {L63 "a.org", NULL},
	    {"a..b", NULL},
	    {".a", NULL},
	    {"..", NULL},
	    {"a\\256", NULL},
	    {"a\\2", NULL},
	    {"a\\", NULL},
	    {L63 "." L63 "." L63 "." L63, NULL},
	};
	char key[DNS_NAME_TEXT];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		bool good = dns_wire_key(cases[i].name, key);

		if (good != (cases[i].key != NULL))
			fail_msg("%s: %d", cases[i].name, good);
		if (good)
			assert_string_equal(key, cases[i].key);
	}
}

#define MAX_RECORDS 3

static void
answers(void **state)
{
	static const struct {
		const char *what;
		enum dns_type type;
		const char *data[MAX_RECORDS];
		int len[MAX_RECORDS];
		size_t count;
		enum dns_status status;
		const char *want[MAX_RECORDS]; /* as text */
		size_t want_len[MAX_RECORDS];
	} cases[] = {
	    {"nothing", DNS_A, {0}, {0}, 0, DNS_NODATA, {0}, {0}},
	    {"addresses", DNS_A, {"\1\2\3\4", "\5\6\7\10"}, {4, 4}, 2, DNS_OK,
		{"\1\2\3\4", "\5\6\7\10"}, {4, 4}},
	    {"an address too long", DNS_A, {"\1\2\3\4\5", "\1\2\3\4"}, {5, 4},
		2, DNS_OK, {"\1\2\3\4"}, {4}},
	    {"no good address", DNS_AAAA, {"\1\2\3\4"}, {4}, 1, DNS_TEMPFAIL,
		{0}, {0}},
	    {"strings are joined", DNS_TXT, {"\2ab\0\1c"}, {6}, 1, DNS_OK,
		{"abc"}, {3}},
	    {"a NUL in a string", DNS_TXT, {"\3a\0b"}, {4}, 1, DNS_OK,
		{"a\0b"}, {3}},
	    {"an empty string", DNS_TXT, {"\0"}, {1}, 1, DNS_OK, {""}, {0}},
	    {"a string cut off", DNS_TXT, {"\3ab"}, {3}, 1, DNS_TEMPFAIL, {0},
		{0}},
	    {"no string", DNS_TXT, {""}, {0}, 1, DNS_TEMPFAIL, {0}, {0}},
	    {"MX", DNS_MX, {"\0\12\1m\1x\0"}, {7}, 1, DNS_OK, {"\0\12m.x"},
		{5}},
	    {"null MX", DNS_MX, {"\0\0\0"}, {3}, 1, DNS_OK, {"\0\0"}, {2}},
	    {"MX without a name", DNS_MX, {"\0\12"}, {2}, 1, DNS_TEMPFAIL, {0},
		{0}},
	    {"PTR", DNS_PTR, {"\1a\1b\0", "\1c\0"}, {5, 3}, 2, DNS_OK,
		{"a.b", "c"}, {3, 1}},
	    {"octets behind a name", DNS_PTR, {"\1a\0x"}, {4}, 1, DNS_TEMPFAIL,
		{0}, {0}},
	    {"a negative length", DNS_PTR, {"\1a\0"}, {-1}, 1, DNS_TEMPFAIL,
		{0}, {0}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t size, n = 0;
		struct dns_answer *a = dns_wire_answer(cases[i].type,
		    (char *const *)(uintptr_t)cases[i].data, cases[i].len,
		    cases[i].count, &size);

		assert_non_null(a);
		if (a->status != cases[i].status)
			fail_msg("%s: %d", cases[i].what, a->status);
		while (n < MAX_RECORDS && cases[i].want[n] != NULL)
			n++;
		assert_int_equal(a->count, n);
		for (n = 0; n < a->count; n++) {
			assert_int_equal(
			    a->records[n].len, cases[i].want_len[n]);
			assert_memory_equal(a->records[n].data,
			    cases[i].want[n], cases[i].want_len[n]);
		}
		free(a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(longest_name),
	    cmocka_unit_test(keys),
	    cmocka_unit_test(answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
