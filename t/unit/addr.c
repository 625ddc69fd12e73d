/* Addresses as mail has them. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/addr.h"

#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/err.h"
#include "t/support/test.h"

static const struct {
	const char *in, *out; /* local|domain, separated by spaces */
	int rc;
} cases[] = {
    {"a@b.org", "a|b.org", 0},
    {" Bob <A@B.org.>", "A|b.org", 0},
    {"\"Doe, J\" <j@x.org>", "j|x.org", 0},
    {"Doe J <j@x.org> (work)", "j|x.org", 0},
    {"a@b.org, c@d.org", "a|b.org c|d.org", 0},
    {"a@b.org,, c@d.org,", "a|b.org c|d.org", 0},
    {"friends: a@b.org, c@d.org; e@f.org", "a|b.org c|d.org e|f.org", 0},
    {"undisclosed-recipients:;", "", 0},
    {"(a (nested\\) b@c) comment) a@b.org", "a|b.org", 0},
    {"a (x) @ (y) b.org", "a|b.org", 0},
    {"<@r1.org,@r2.org:a@b.org>", "a|b.org", 0},
    {"\"quoted local\"@b.org", "quoted local|b.org", 0},
    {"Bob a@b.org", "a|b.org", 0},
    {"<\"quoted local\"@b.org>", "quoted local|b.org", 0},
    {"<\"at@sign\"@b.org>", "at@sign|b.org", 0},
    {"\"x@evil.org\" <a@b.org>", "a|b.org", 0},
    {"x@evil.org <a@b.org>", "a|b.org", 0},
    {"Bob\n <a@b.org>", "a|b.org", 0},
    {"a@[192.0.2.1]", "a|[192.0.2.1]", 0},
    {"<a@[IPv6:2001:db8::1]>", "a|[ipv6:2001:db8::1]", 0},
    {"j\xc3\xb6rg@b\xc3\xbc" "cher.example",
	"j\xc3\xb6rg|b\xc3\xbc" "cher.example", 0},
    {"=?utf-8?q?a=40b?= <c@d.org>", "c|d.org", 0},
    {"<a @ b . org>", "a|b.org", 0},
    {"<a@b.org> and more", "a|b.org", 0},
    {"a@b. org", "a|b.org", 0},
    {"J. Doe@b.org", "Doe|b.org", 0},
    /* Whoever reads other parts of these as the address must not find that
     * somebody else's was signed. */
    {"<a@b.co>\\m", "a|b.co", 0},
    {"<a@b.co>\"m\"", "a|b.co", 0},
    {"<a@b.co>@m", "a|b.co", 0},
    {"a@b.co m", "", ERR_SYNTAX},
    {"a@b.co(x)m", "", ERR_SYNTAX},
    {"<a@b.co m>", "", ERR_SYNTAX},
    {"<c a@b.org>", "", ERR_SYNTAX},
    {"a@b.co\\m", "", ERR_SYNTAX},
    {"a@b.co\"m\"", "", ERR_SYNTAX},
    {"c@d.org a@b.org", "", ERR_SYNTAX},
    {"nobody", "", ERR_SYNTAX},
    {"<a@b.org", "", ERR_SYNTAX},
    {"a@b.org>", "", ERR_SYNTAX},
    {"<a@b.org> <c@d.org>", "", ERR_SYNTAX},
    {"a@", "", ERR_SYNTAX},
    {"@b.org", "", ERR_SYNTAX},
    {"a@b..org", "", ERR_SYNTAX},
    {"\"open <a@b.org>", "", ERR_SYNTAX},
    {"bad, a@b.org", "a|b.org", ERR_SYNTAX},
    {"<>", "", ERR_SYNTAX},
    {"", "", 0},
    {"a@b, c@d, e@f, g@h, i@j", "a|b c|d e|f g|h", ERR_LIMIT},
};

static void
reads(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct addr addrs[4];
		struct buf b = BUF_INIT;
		struct arena a;
		size_t n;
		int rc;

		arena_init(&a);
		rc = addr_list(
		    &a, cases[i].in, strlen(cases[i].in), addrs, 4, &n);
		for (size_t k = 0; k < n; k++)
			buf_printf(&b, "%s%s|%s", k > 0 ? " " : "",
			    addrs[k].local, addrs[k].domain);
		if (rc != cases[i].rc || strcmp(buf_text(&b), cases[i].out))
			fail_msg("%s: %d, %s", cases[i].in, rc, buf_text(&b));
		buf_fini(&b);
		arena_fini(&a);
	}
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads),
	    cmocka_unit_test(splits_envelope_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
