/* Addresses as mail has them. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/addr.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "t/support/drivers/test.h"

static const struct {
	const char *in, *out; /* local|domain, separated by spaces */
	bool bad;   /* something could not be read */
	bool names; /* a name stands alone */
} cases[] = {
    {"a@b.org", "a|b.org", false, false},
    {" Bob <A@B.org.>", "A|b.org", false, false},
    {"\"Doe, J\" <j@x.org>", "j|x.org", false, false},
    {"Doe J <j@x.org> (work)", "j|x.org", false, false},
    {"Doe, J <j@x.org>", "j|x.org", false, true},
    {"a@b.org, c@d.org", "a|b.org c|d.org", false, false},
    {"a@b.org,, c@d.org,", "a|b.org c|d.org", false, false},
    {"friends: a@b.org, c@d.org; e@f.org", "a|b.org c|d.org e|f.org", false,
	false},
    {"undisclosed-recipients:;", "", false, false},
    {"\"a@b.org\": c@d.org;", "c|d.org", false, false},
    {"mailto:a@b.org", "a|b.org", false, false},
    {"(a (nested\\) b@c) comment) a@b.org", "a|b.org", false, false},
    {"a (x) @ (y) b.org", "a|b.org", false, false},
    {"\"quoted local\"@b.org", "quoted local|b.org", false, false},
    {"Bob a@b.org", "a|b.org", false, false},
    {"Bob (x@y.org) <a@b.org>", "a|b.org", false, false},
    {"a@b.org (x@y.org)", "a|b.org", false, false},
    {"<\"quoted local\"@b.org>", "quoted local|b.org", false, false},
    {"<\"at@sign\"@b.org>", "at@sign|b.org", false, false},
    {"\"x@evil.org\" <a@b.org>", "a|b.org", false, false},
    {"Bob\n <a@b.org>", "a|b.org", false, false},
    {"a@[192.0.2.1]", "a|[192.0.2.1]", false, false},
    {"<a@[IPv6:2001:db8::1]>", "a|[ipv6:2001:db8::1]", false, false},
    {"j\xc3\xb6rg@b\xc3\xbc" "cher.example",
	"j\xc3\xb6rg|b\xc3\xbc" "cher.example", false, false},
    {"=?utf-8?q?x@evil.org?= <a@b.org>", "a|b.org", false, false},
    {"B =?utf-8?q?x_@_Home?=\n =?utf-8?q?y@z?= <a@b.org>", "a|b.org", false,
	false},
    {"=?utf-8?q?a=40b.org?= <c@d.org>", "c|d.org", false, false},
    {"<=?utf-8?q?J=C3=B6rg?=@d.org>", "=?utf-8?q?J=C3=B6rg?=|d.org", false,
	false},
    {"<a @ b . org>", "a|b.org", false, false},
    {"<a@b.org> and more", "a|b.org", false, false},
    {"a@b. org", "a|b.org", false, false},
    {"J <a@machine(x).  example>", "a|machine.example", false, false},
    {"Bob\xef\xbc\xa0" "Work <a@b.org>", "a|b.org", false, false},
    {"\"x\xef\xbc\xa0" "evil.org\" <a@b.org>", "a|b.org", false, false},
    {"J. Doe@b.org", "Doe|b.org", false, false},
    {"Bob @ Work <a@b.org>", "a|b.org", false, false},
    {"@bob <a@b.org>", "a|b.org", false, false},
    /* The same address again. */
    {"a@b.org <a@b.org>", "a|b.org", false, false},
    {"A@B.org. <a@b.org>", "a|b.org", false, false},
    {"<a@b.org> a@b.org", "a|b.org", false, false},
    {"'a@b.org' <a@b.org>", "a|b.org", false, false},
    {"a\xef\xbc\xa0" "b.org <a@b.org>", "a|b.org", false, false},
    {"'a@c.org' <a@b.org>", "", true, false},
    {"'@' <a@b.org>", "", true, false},
    {"Bob a@b.org (x) <a@b.org>", "a|b.org", false, false},
    /* Routes. */
    {"<@r1.org,@r2.org:a@b.org>", "a|b.org", false, false},
    {"<@r1.org, @r2.org : a@b.org>", "a|b.org", false, false},
    {"<@r1.org,x@r2.org:a@b.org>", "", true, false},
    {"<x@r:a@b.org>", "", true, false},
    {"<x:a@b.org>", "", true, false},
    {"<:a@b.org>", "", true, false},
    {"<@r1.org x@r2.org:a@b.org>", "", true, false},
    {"@x <,a@b.org>", "", true, false},
    /* Whoever reads other parts of these as the address must not find that
     * somebody else's was signed. */
    {"<a@b.co>\\m", "a|b.co", false, false},
    {"<a@b.co>\"m\"", "a|b.co", false, false},
    {"x@evil.org <a@b.org>", "", true, false},
    {"x@evil <a@b.org>", "", true, false},
    {"Bob x@evil.org Smith <a@b.org>", "", true, false},
    {"x @ evil.org <a@b.org>", "", true, false},
    {"x@ evil .org <a@b.org>", "", true, false},
    {"\"x\"@evil.org <a@b.org>", "", true, false},
    {"x\\@evil.org <a@b.org>", "", true, false},
    {"@evil.org <a@b.org>", "", true, false},
    {"x@\vevil.org <a@b.org>", "", true, false},
    {"x\v@evil.org <a@b.org>", "", true, false},
    {"x@ev\vil.org <a@b.org>", "", true, false},
    {"a@b.org\rFrom: x@evil.org", "", true, false},
    {"=?utf-8?q?x=40evil.org?=\\ <a@b.org>", "", true, false},
    {"=?utf-8?q?x=40evil.org?=] <a@b.org>", "", true, false},
    {"=?utf-8?q?x=40evil.org?= a@b.org <a@b.org>", "", true, false},
    {"=?utf-8?q?x=40evil.org?=: <a@b.org>;", "", true, false},
    {"=?utf-8?q?x@evil.org?=: <a@b.org>;", "", true, false},
    {"=?utf-8?q?x@evil.org?= a@b.org", "", true, false},
    {"=?utf-8?q?x@evil.org?=@b.org", "", true, false},
    {"=?utf-8?q?x@evil.org?= y@evil.org <a@b.org>", "", true, false},
    {"=?utf-8?q?x@evil.org?=.com <a@b.org>", "", true, false},
    {"x=?utf-8?q?x@evil.org?= <a@b.org>", "", true, false},
    {"=?utf-8?q?x@evil.org <a@b.org>", "", true, false},
    {"=?utf-8?q?x@evil.org?y?= <a@b.org>", "", true, false},
    {"<a@b.org> =?utf-8?q?x@evil.org?=", "", true, false},
    {"( x@evil.org <a@b.org>", "", true, false},
    {"<a@b.org> x@evil.org", "", true, false},
    {"<a@b.org>x@evil.org", "", true, false},
    {"<a@b.org>@evil.org", "", true, false},
    {"<a@b.org> \"x@evil.org\"", "", true, false},
    {"<a@b.org> =?utf-8?q?x=40evil.org?=", "", true, false},
    {"<a@b.org>: x@evil.org", "", true, false},
    {"x@b.org <a@b.org>", "", true, false},
    {"a@evil.org <a@b.org>", "", true, false},
    {"\"x@evil.org\" a@b.org", "", true, false},
    {"=?utf-8?q?x=40evil.org?= a@b.org", "", true, false},
    {"x@evil.org: a@b.org;", "", true, false},
    {"x@evil.org: <a@b.org>;", "", true, false},
    {"x@evil.org: a@b.org, c@d.org;", "c|d.org", true, false},
    {"x@evil.org:;, a@b.org", "a|b.org", true, false},
    {"\"x@evil.org\", a@b.org", "a|b.org", true, false},
    {"=?utf-8?q?x=40evil.org?=, a@b.org", "a|b.org", true, false},
    {"x@evil.org@b.org", "", true, false},
    {"<x@evil.org@b.org>", "", true, false},
    {"x\\@evil.org@b.org", "", true, false},
    {"<=?utf-8?q?x=40evil.org=00?=@b.org>", "", true, false},
    {"=?utf-8?b?eEBldmlsLm9yZw==?=@b.org", "", true, false},
    {"a@b.co m", "", true, false},
    {"a@b.co(x)m", "", true, false},
    {"<a@b.co m>", "", true, false},
    {"<c a@b.org>", "", true, false},
    {"a@b.co\\m", "", true, false},
    {"a@b.co\"m\"", "", true, false},
    {"c@d.org a@b.org", "", true, false},
    {"a@b.org .evil.org", "", true, false},
    {"<a@b.org .evil.org>", "", true, false},
    {"<a@b.org. evil.org>", "", true, false},
    {"a@b.org(x).evil.org", "", true, false},
    {"a@b.org\n .evil.org", "", true, false},
    {"\"x@evil.org\"@b.org", "", true, false},
    {"<\"x@evil.org>\"@b.org>", "", true, false},
    {"\"x@evil.org\"y@b.org", "", true, false},
    {"<x\xef\xbc\xa0" "evil.org@b.org>", "", true, false},
    {"x\xef\xbc\xa0" "evil.org <a@b.org>", "", true, false},
    {"x\xef\xb9\xab" "evil.org a@b.org", "", true, false},
    {"<a@b.org> x\xef\xbc\xa0" "evil.org", "", true, false},
    {"a\xef\xbc\xa0" "b\xef\xbc\xa0" "c.org <a@b.org>", "", true, false},
    {"x\xef\xbc\xa0" "evil.org: a@b.org;", "", true, false},
    {"x\xef\xbc\xa0" "evil.org, a@b.org", "a|b.org", true, false},
    {"nobody", "", false, true},
    {"<nobody>", "", true, false},
    {"<a@b.org", "", true, false},
    {"a@b.org>", "", true, false},
    {"<a@b.org>>", "", true, false},
    {"a@b.org (", "", true, false},
    {"a@b.org\v", "", true, false},
    {"<a@b.org> <c@d.org>", "", true, false},
    {"<> <c@d.org>", "", true, false},
    {"a@", "", true, false},
    {"@b.org", "", true, false},
    {"a@b..org", "", true, false},
    {"\"open <a@b.org>", "", true, false},
    {"<>", "", true, false},
    {"", "", false, false},
};

static void
show(struct buf *b, const char *in, size_t len, struct addr_list *l)
{
	struct arena a;

	arena_init(&a);
	assert_int_equal(addr_read(&a, in, len, l), 0);
	for (size_t k = 0; k < l->count; k++)
		buf_printf(b, "%s%s|%s", k > 0 ? " " : "", l->list[k].local,
		    l->list[k].domain);
	arena_fini(&a);
}

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr_list l;
		struct buf b = BUF_INIT;

		show(&b, cases[i].in, strlen(cases[i].in), &l);
		if ((l.why != NULL) != cases[i].bad ||
		    l.names != cases[i].names ||
		    strcmp(buf_text(&b), cases[i].out) != 0)
			fail_msg("%s: %s [%s]", cases[i].in, buf_text(&b),
			    l.why == NULL ? "" : l.why);
		buf_fini(&b);
	}
}

static void
says_what_it_does_not_take(void **state)
{
	struct buf many = BUF_INIT, b = BUF_INIT;
	struct addr_list l;

	(void)state;
	show(&b, "a@b.org\0 <c@d.org>", 18, &l);
	assert_non_null(l.why);
	for (size_t i = 0; i < ADDR_LIST_MAX; i++)
		buf_printf(&many, "a%zu@b.org,", i);
	buf_reset(&b);
	show(&b, buf_text(&many), many.len, &l);
	assert_null(l.why);
	assert_int_equal(l.count, ADDR_LIST_MAX);
	buf_str(&many, "a@b.org");
	show(&b, buf_text(&many), many.len, &l);
	assert_non_null(l.why);
	assert_int_equal(l.count, ADDR_LIST_MAX);
	buf_fini(&many);
	buf_fini(&b);
}

static void
splits_envelope_addresses(void **state)
{
	static const char *const split[][3] = {
	    {"a@B.org", "a", "b.org"},
	    {"a@b@c.org", "a@b", "c.org"},
	    {"root", "root", ""},
	    {"", "", ""},
	};
	struct arena a;
	struct addr addr;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(split) / sizeof(*split); i++) {
		assert_int_equal(addr_split(&a, split[i][0], &addr), 0);
		assert_string_equal(addr.local, split[i][1]);
		assert_string_equal(addr.domain, split[i][2]);
	}
	arena_fini(&a);
}

static void
takes_brackets_off(void **state)
{
	static const char *const bare[][2] = {{"<a@b.example>", "a@b.example"},
	    {"a@b.example", "a@b.example"}, {"<>", ""}, {"", ""},
	    {"<a@b.example", "<a@b.example"}, {"<", "<"}};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(bare) / sizeof(*bare); i++)
		assert_string_equal(addr_bare(&a, bare[i][0]), bare[i][1]);
	arena_fini(&a);
}

static void
knows_postmaster(void **state)
{
	static const char *const yes[] = {
	    "postmaster", "Postmaster@example.org", "POSTMASTER@[192.0.2.1]"};
	static const char *const no[] = {
	    "", "post", "postmasters@example.org", "a@postmaster.example"};

	(void)state;
	for (size_t i = 0; i < sizeof(yes) / sizeof(*yes); i++)
		assert_true(addr_is_postmaster(yes[i]));
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++)
		assert_false(addr_is_postmaster(no[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(says_what_it_does_not_take),
	    cmocka_unit_test(splits_envelope_addresses),
	    cmocka_unit_test(takes_brackets_off),
	    cmocka_unit_test(knows_postmaster),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
