/* SPF records and macros. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/spf/spf_record.h"

#include <limits.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static int
parse(struct arena *a, const char *text, struct spf_record **r)
{
	const char *bad;

	return spf_record_parse(a, text, strlen(text), r, &bad);
}

static void
knows_a_record(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} cases[] = {
	    {"v=spf1", true},
	    {"V=SPF1 -all", true},
	    {"v=spf1  ", true},
	    {"v=spf10", false},
	    {"v=spf1\t-all", false},
	    {" v=spf1", false},
	    {"v=spf", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (spf_record_is(cases[i].text, strlen(cases[i].text)) !=
		    cases[i].is)
			fail_msg("%s", cases[i].text);
	}
}

static void
takes_what_the_grammar_has(void **state)
{
	static const struct {
		const char *text;
		size_t count;
	} cases[] = {
	    {"v=spf1", 0},
	    {"v=spf1  -all  ", 1},
	    {"v=spf1 a mx ptr ?all", 4},
	    {"v=spf1 A:foo.example/24//64 MX//0 a/0", 3},
	    {"v=spf1 a:foo:bar/baz.example.com", 1},
	    {"v=spf1 a:museum.org. a:x.xn--p1ai a:x.1-1", 3},
	    {"v=spf1 ip4:1.2.3.4 ip4:1.2.3.0/24 ip6:::1 ip6:fe80::/10", 4},
	    {"v=spf1 ip6:::1.1.1.1/0", 1},
	    {"v=spf1 exists:%{ir}.%{v}._spf.%{d2}", 1},
	    {"v=spf1 exists:%{l1r-+,/_=}.%%%_%-.x", 1},
	    {"v=spf1 include:a.b redirect=c.d exp=e.f foo.1-_=%{s}", 1},
	    {"v=spf1 all.x=y moo=", 0},
	};
	struct spf_record *r;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(cases); i++) {
		if (parse(&a, cases[i].text, &r) != 0)
			fail_msg("%s", cases[i].text);
		assert_int_equal(r->count, cases[i].count);
	}
	arena_fini(&a);
}

static void
refuses_all_else(void **state)
{
	static const char *const terms[] = {"all:x", "all/8", "all.", "-all=x",
	    "foo", "include", "include:", "include:a.b/24", "exists",
	    "exists:a.b/24", "ptr:", "ptr/0", "a:", "a/", "a/33", "a/024",
	    "a//129", "a///64", "a/24/64", "a//64/24", "a:museum", "a:x.1",
	    "a:x.-y", "a:x.y-", "a:x..", "a:x.com:80", "a:x/y.com/z", "mx/-1",
	    "ip4", "ip4:", "ip4/24", "ip4:1.2.3", "ip4:1.2.3.4/33",
	    "ip4:1.2.3.04", "ip4:1.2.3.4:80", "ip4:1.2.3.256", "ip4:x.y",
	    "ip4:1.2.3.4//32", "ip4:::1", "ip6:1.2.3.4", "ip6::", "ip6:::1/129",
	    "ip6:::1//64", "ip6:::1%eth0", "exists:%", "exists:%a.b",
	    "exists:%{x}.b", "exists:%{d", "exists:%{d0}.b", "exists:%{d2r2}.b",
	    "exists:%{d:}.b", "exists:%{c}.b", "exists:%{d}b", "exists:%(d).b",
	    "redirect=", "redirect=x", "redirect=a.b/24",
	    "redirect=a.b redirect=a.b", "exp=a.b exp=c.d", "exp=",
	    "redirect:a.b", "1x=y", "-x=y", "=y", "x=%", "x=%{q}", "-", "+-all",
	    "a\t", "\x80", "a:\xc3\xa4.x", "\x01"};
	struct spf_record *r;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(terms); i++) {
		const char *text =
		    arena_printf(&a, "v=spf1 %s -all", terms[i]);

		if (parse(&a, text, &r) != ERR_SYNTAX)
			fail_msg("%s", text);
	}
	arena_fini(&a);
}

static void
names_what_is_wrong(void **state)
{
	static const char text[] = "v=spf1 a in\x1b""clude:x -all";
	const char *bad;
	struct spf_record *r;
	struct arena a;

	(void)state;
	arena_init(&a);
	assert_int_equal(
	    spf_record_parse(&a, text, sizeof(text) - 1, &r, &bad), ERR_SYNTAX);
	assert_string_equal(bad, "in\\x1bclude:x");
	/* A NUL is no end. */
	assert_int_equal(
	    spf_record_parse(&a, "v=spf1 a\0b", 10, &r, &bad), ERR_SYNTAX);
	arena_fini(&a);
}

static void
measures_networks(void **state)
{
	static const unsigned char v4[4] = {192, 0, 2, 129};
	static const unsigned char v6[16] = {0x20, 1, 0xd, 0xb8, 0x80};
	static const struct {
		const char *term;
		bool covers4, covers6;
		unsigned long long width4, width6;
	} cases[] = {
	    {"ip4:192.0.2.129", true, false, 1, 0},
	    {"ip4:192.0.2.128/25", true, false, 128, 0},
	    {"ip4:192.0.2.0/25", false, false, 128, 0},
	    {"ip4:8.8.8.8/0", true, false, ULLONG_MAX, 0},
	    {"ip4:128.0.0.0/1", true, false, 1ULL << 31, 0},
	    {"ip6:2001:db8::/32", false, true, 0, 1 << 24},
	    {"ip6:2001:db8::/33", false, false, 0, 1 << 23},
	    {"ip6:2001:db8:8000::/33", false, true, 0, 1 << 23},
	    {"ip6:2001:db8:8000::/128", false, true, 0, 1},
	    {"ip6:::/0", false, true, 0, ULLONG_MAX},
	    {"ip6:::ffff:192.0.2.129", false, false, 0, 1},
	    {"a/24//64", false, false, 256, 1},
	    {"mx//40", false, false, 1, 1 << 16},
	    {"all", false, false, ULLONG_MAX, ULLONG_MAX},
	    {"include:a.b", false, false, 0, 0},
	};
	struct spf_record *r;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(
		    parse(&a, arena_printf(&a, "v=spf1 %s", cases[i].term), &r),
		    0);
		if (spf_term_covers(&r->terms[0], true, v4) !=
			cases[i].covers4 ||
		    spf_term_covers(&r->terms[0], false, v6) !=
			cases[i].covers6 ||
		    spf_term_width(&r->terms[0], true) != cases[i].width4 ||
		    spf_term_width(&r->terms[0], false) != cases[i].width6)
			fail_msg("%s", cases[i].term);
	}
	arena_fini(&a);
}

static void
takes_so_many_terms(void **state)
{
	struct buf b = BUF_INIT;
	struct spf_record *r;
	struct arena a;

	(void)state;
	arena_init(&a);
	buf_str(&b, "v=spf1");
	for (int i = 0; i < SPF_RECORD_TERMS; i++)
		buf_str(&b, " a");
	assert_int_equal(parse(&a, buf_text(&b), &r), 0);
	assert_int_equal(r->count, SPF_RECORD_TERMS);
	buf_str(&b, " a");
	assert_int_equal(parse(&a, buf_text(&b), &r), ERR_SYNTAX);
	buf_fini(&b);
	arena_fini(&a);
}

static const char *
validated(void *ctx, const char *domain)
{
	(void)ctx, (void)domain;
	return "mx.example.org";
}

/* The examples of RFC 7208 section 7.4, and what they leave out. */
static void
expands(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
	    {"%{s}", "strong-bad@email.example.com"},
	    {"%{o}", "email.example.com"},
	    {"%{d4}", "email.example.com"},
	    {"%{d2}", "example.com"},
	    {"%{d1}", "com"},
	    {"%{d999999999999}", "email.example.com"},
	    {"%{dr}", "com.example.email"},
	    {"%{d2r}", "example.email"},
	    {"%{l-}", "strong.bad"},
	    {"%{lr-}", "bad.strong"},
	    {"%{l1r-}", "strong"},
	    {"%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"},
	    {"%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
		"bad.strong.lp.3.2.0.192.in-addr._spf.example.com"},
	    {"%{d2}.trusted-domains.example.net",
		"example.com.trusted-domains.example.net"},
	    {"%{S} %{c} %{r} %{t} %{h} %{p}",
		"strong-bad%40email.example.com 192.0.2.3 unknown 7 h.x "
		"mx.example.org"},
	    {"%%%_%-", "% %20"},
	};
	struct spf_macro_env env = {.local = "strong-bad",
	    .sender_domain = "email.example.com",
	    .domain = "email.example.com",
	    .helo = "h.x",
	    .v4 = true,
	    .ip = {192, 0, 2, 3},
	    .now = 7,
	    .validated = validated};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		buf_reset(&b);
		assert_int_equal(spf_macro_expand(&env, cases[i].text,
				     strlen(cases[i].text), &b),
		    0);
		assert_string_equal(buf_text(&b), cases[i].want);
	}
	buf_fini(&b);
}

static void
expands_no_further_than_its_limit(void **state)
{
	char local[1000], text[200];
	struct spf_macro_env env = {.local = local, .sender_domain = ""};
	struct buf b = BUF_INIT;

	(void)state;
	memset(local, '.', sizeof(local) - 1);
	local[sizeof(local) - 1] = '\0';
	for (size_t i = 0; i < sizeof(text) / 5; i++)
		memcpy(text + 5 * i, "%{Lr}", 5);
	assert_int_equal(
	    spf_macro_expand(&env, text, sizeof(text), &b), ERR_LIMIT);
	assert_true(b.len < 2 * SPF_MACRO_MAX);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_a_record),
	    cmocka_unit_test(takes_what_the_grammar_has),
	    cmocka_unit_test(refuses_all_else),
	    cmocka_unit_test(names_what_is_wrong),
	    cmocka_unit_test(takes_so_many_terms),
	    cmocka_unit_test(measures_networks),
	    cmocka_unit_test(expands),
	    cmocka_unit_test(expands_no_further_than_its_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
