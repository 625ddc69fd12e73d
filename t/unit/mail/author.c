/* Who wrote a message. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/author.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dmarc/dmarc.h"
#include "lib/mail/hdr.h"
#include "t/support/drivers/test.h"

_Static_assert(AUTHOR_DOMAINS_MAX <= DMARC_AUTHORS_MAX,
    "DMARC looks at all domains of a From");

static const char *const words[] = {"none", "one", "several", "unreadable"};

/* Fields are separated by `|`. */
static const struct {
	const char *name, *from;
	const char *state;
	const char *domains; /* those read, `/`, those only seen */
} cases[] = {
    {"no field", NULL, "none", "/"},
    {"one", "Bob <bob@Own.example>", "one", "own.example/"},
    {"a name that looks like another address",
	"\"bob@other.example\" <bob@own.example>", "one", "own.example/"},
    {"a comment that looks so", "bob@own.example (bob@other.example)", "one",
	"own.example/"},
    {"an encoded name that looks so",
	"=?utf-8?q?ceo=40bank.example?= <bob@own.example>", "one",
	"own.example/"},
    {"an encoded name that is not all encoded",
	"=?utf-8?q?Caf=C3=A9_@_Home?= <bob@own.example>", "one",
	"own.example/"},
    {"the same address as name", "bob@own.example <bob@own.example>", "one",
	"own.example/"},
    {"a comma in a name", "Doe, Bob <bob@own.example>", "one",
	"own.example/"},
    {"a route", "<@a.example,@b.example:bob@own.example>", "one",
	"own.example/"},
    {"a list that ends in a semicolon", "ceo@bank.example;", "one",
	"bank.example/"},
    {"a final dot", "ceo@bank.example.", "one", "bank.example/"},
    {"U-labels", "b@b\xc3\xbc" "cher.example", "one",
	"xn--bcher-kva.example/"},
    {"a sign without width", "ceo@bank\xe2\x80\x8b.example", "one",
	"bank.example/"},
    {"full-width letters and dot", "ceo@\xef\xbd\x82" "ank\xe3\x80\x82"
	"example", "one", "bank.example/"},
    {"two", "a@a.example, b@b.example", "several", "a.example b.example/"},
    {"two of a domain", "a@a.example, b@A.EXAMPLE", "several", "a.example/"},
    {"two fields", "a@a.example|b@b.example", "several",
	"a.example b.example/"},
    {"the same field twice", "a@a.example|a@a.example", "several",
	"a.example/"},

    {"empty", "", "unreadable", "/"},
    {"a name only", "nobody", "unreadable", "/"},
    {"a name that is a domain", "Bank.Example", "unreadable",
	"/bank.example"},
    {"a group of nobody", "undisclosed:;", "unreadable", "/"},
    {"a bracket too many", "\"CEO\" <ceo@bank.example>>", "unreadable",
	"/bank.example"},
    {"a bracket only behind", "ceo@bank.example>", "unreadable",
	"/bank.example"},
    {"a bracket only before", "<ceo@bank.example", "unreadable",
	"/bank.example"},
    {"an open comment", "ceo@bank.example (", "unreadable", "/bank.example"},
    {"a control behind", "ceo@bank.example\v", "unreadable",
	"/bank.example"},
    {"a control inside", "ceo@bank\v.example", "unreadable",
	"/bank bank.example"},
    {"empty brackets before", "<> <ceo@bank.example>", "unreadable",
	"/bank.example"},
    {"two addresses", "ceo@bank.example a@evil.example", "unreadable",
	"/bank.example evil.example bank.examplea"},
    {"an address behind", "<bob@own.example> ceo@bank.example", "unreadable",
	"/own.example bank.example"},
    {"an address before", "ceo@bank.example <bob@own.example>", "unreadable",
	"/bank.example own.example"},
    {"a group's name", "ceo@bank.example: bob@own.example;", "unreadable",
	"/bank.example own.example"},
    {"a route that is none", "<ceo@x:bob@own.example>", "unreadable",
	"/x own.example"},
    {"two at-signs", "ceo@bank.example@evil.example", "unreadable",
	"/bank.example evil.example"},
    {"an address in quotes only", "\"ceo@bank.example\"", "unreadable",
	"/bank.example"},
    {"open quotes", "\"ceo@bank.example <a@evil.example>", "unreadable",
	"/bank.example evil.example"},
    {"quotes in the domain", "ceo@\"bank.example\"", "unreadable",
	"/bank.example"},
    {"a backslash in the domain", "ceo@ba\\nk.example", "unreadable",
	"/ba bank.example"},
    {"a backslash before the @", "ceo\\@bank.example", "unreadable",
	"/bank.example"},
    {"comments and folds in the domain",
	"<ceo@ban(x)\n (y) .\n example> a@evil.example", "unreadable",
	"/ban evil.example ban.example"},
    {"a control in the domain before quotes", "ceo@bank.\vexample\"Bob\"",
	"unreadable", "/bank bank.examplebob bank.example"},
    {"white space in the domain", "ceo@ba nk.example", "unreadable",
	"/ba bank.example"},
    {"an encoded word split", "=?utf-8?q?ceo=40ba?=nk.example",
	"unreadable", "/bank.example ba"},
    {"an encoded word before more", "=?utf-8?q?ceo=40bank.example?=CEO",
	"unreadable", "/bank.exampleceo bank.example"},
    {"an encoded word only", "=?utf-8?q?ceo=40bank.example?=", "unreadable",
	"/bank.example"},
    {"an encoded word that is not all encoded, alone",
	"=?utf-8?q?ceo@bank.example?=, a@evil.example", "unreadable",
	"evil.example/bank.example"},
    {"an encoded word in the address",
	"<=?utf-8?b?Y2VvQGJhbmsuZXhhbXBsZQ==?==?utf-8?q?=00?=@evil.example>",
	"unreadable", "/evil.example bank.example"},
    {"a literal", "ceo@[192.0.2.1]", "unreadable", "/192.0.2.1"},
    {"a literal that is a name", "ceo@[bank.example]", "unreadable",
	"/bank.example"},
    {"a percent sign", "ceo%bank.example", "unreadable", "/bank.example"},
    {"a full-width at-sign", "ceo\xef\xbc\xa0" "bank.example", "unreadable",
	"/bank.example"},
    {"dots that IDNA does not know", "ceo@bank\xe2\x80\xa4" "example",
	"unreadable", "/bankexample bank bank.example"},
    {"another one", "ceo@bank\xef\xb9\x92" "example", "unreadable",
	"/bankexample bank bank.example"},
    {"an underscore behind", "ceo@bank.example_", "unreadable",
	"bank.example_/bank.example"},
    {"a hyphen behind", "ceo@bank.example-", "unreadable",
	"bank.example-/bank.example"},
    {"an underscore before", "ceo@_bank.example", "unreadable",
	"_bank.example/bank.example"},
    {"hyphens on both sides", "<ceo@-bank.example-.>", "unreadable",
	"-bank.example-/bank.example"},
    {"an underscore inside", "ceo@my_bank.example", "one",
	"my_bank.example/"},
    {"a domain that goes on", "ceo@bank.example .evil.example",
	"unreadable", "/bank.example bank.example.evil.example"},
    {"an address in the local part", "\"ceo@bank.example\"@evil.example",
	"unreadable", "/bank.example evil.example"},
    {"two dots", "ceo@bank..example", "unreadable", "/bank.example"},
    {"a dot before the domain", "ceo@.bank.example", "unreadable",
	"/bank.example"},
    {"octets that are no text", "ceo@ba\xff" "nk.example", "unreadable",
	"/bank.example ba xn--bank-hsa.example"},
    {"a joiner", "ceo@bank\xe2\x80\x8d.example", "unreadable",
	"/bank.example bank"},
    {"a blank that is not ASCII", "ceo@bank.example\xc2\xa0" "Bob>",
	"unreadable", "/bank.examplebob bank.example"},
    {"another case", "<CEO@BANK.EXAMPLE", "unreadable", "/bank.example"},
    {"one that can be read beside it", "a@a.example, <b@b.example",
	"unreadable", "a.example/b.example"},
    {"a field that can be read beside it", "a@a.example|<b@b.example",
	"unreadable", "a.example/b.example"},
};

static void
read_fields(struct arena *a, const char *from, size_t len, struct author *who)
{
	struct hdr_list list = {.first = NULL};

	while (from != NULL) {
		const char *bar = memchr(from, '|', len);
		size_t n = bar == NULL ? len : (size_t)(bar - from);

		assert_int_equal(hdr_add(&list, a, "From", 4, from, n), 0);
		from = bar == NULL ? NULL : bar + 1;
		len -= bar == NULL ? n : n + 1;
	}
	assert_int_equal(author_read(a, &list, who), 0);
}

static void
finds_whoever_it_could_be(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *from = cases[i].from;
		struct buf b = BUF_INIT;
		struct author who;
		struct arena a;

		arena_init(&a);
		read_fields(&a, from, from == NULL ? 0 : strlen(from), &who);
		for (size_t k = 0; k < who.domain_count; k++)
			buf_printf(&b, "%s%s",
			    k == who.domains_read ? "/" : k > 0 ? " " : "",
			    who.domains[k]);
		if (who.domain_count == who.domains_read)
			buf_char(&b, '/');
		if (strcmp(words[who.state], cases[i].state) != 0 ||
		    strcmp(buf_text(&b), cases[i].domains) != 0)
			fail_msg("%s: %s %s", cases[i].name, words[who.state],
			    buf_text(&b));
		assert_int_equal(
		    who.why != NULL, who.state == AUTHOR_UNREADABLE);
		assert_false(who.more);
		buf_fini(&b);
		arena_fini(&a);
	}
}

static void
takes_a_nul_for_the_end_and_for_nothing(void **state)
{
	static const char from[] = "ceo@bank.example\0.x <bob@own.example>";
	struct author who;
	struct arena a;

	(void)state;
	arena_init(&a);
	read_fields(&a, from, sizeof(from) - 1, &who);
	assert_int_equal(who.state, AUTHOR_UNREADABLE);
	assert_int_equal(who.domain_count, 3);
	assert_string_equal(who.domains[0], "bank.example");
	assert_string_equal(who.domains[1], "own.example");
	assert_string_equal(who.domains[2], "bank.example.x");
	arena_fini(&a);
}

/* A header full of addresses costs no more than the caps. */
static void
says_when_there_are_more(void **state)
{
	for (size_t n = AUTHOR_DOMAINS_MAX; n <= AUTHOR_DOMAINS_MAX + 1; n++) {
		for (int stray = 0; stray < 2; stray++) {
			struct buf b = BUF_INIT;
			struct author who;
			struct arena a;

			arena_init(&a);
			for (size_t i = 0; i < n; i++)
				buf_printf(&b, "a@d%zu.example,", i);
			buf_str(&b, stray ? ">" : "");
			read_fields(&a, buf_text(&b), b.len, &who);
			assert_int_equal(who.state,
			    stray ? AUTHOR_UNREADABLE : AUTHOR_SEVERAL);
			assert_int_equal(who.more, n > AUTHOR_DOMAINS_MAX);
			assert_int_equal(
			    who.domain_count, AUTHOR_DOMAINS_MAX);
			arena_fini(&a);
			buf_fini(&b);
		}
	}
	(void)state;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_whoever_it_could_be),
	    cmocka_unit_test(takes_a_nul_for_the_end_and_for_nothing),
	    cmocka_unit_test(says_when_there_are_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
