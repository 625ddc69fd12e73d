/* Names as the DNS has them. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/idna.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define L63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void
makes_names(void **state)
{
	static const struct {
		const char *name, *domain, *want; /* NULL: no name */
	} cases[] = {
	    {"plain", "example.org", "example.org"},
	    {"case", "Ex-Ample.ORG", "ex-ample.org"},
	    {"a final dot", "example.org.", "example.org"},
	    {"two final dots", "example.org..", NULL},
	    {"an underscore", "_dmarc.example.org", "_dmarc.example.org"},
	    {"one label", "org", "org"},
	    {"empty", "", NULL},
	    {"a dot", ".", NULL},
	    {"an empty label", "a..b", NULL},
	    {"a dot first", ".a", NULL},
	    {"a literal", "[192.0.2.1]", NULL},
	    {"a space", "a b.org", NULL},
	    {"a slash", "a/b.org", NULL},
	    {"a control", "a\n.org", NULL},
	    {"the longest label", L63 ".org", L63 ".org"},
	    {"a longer one", L63 "x.org", NULL},
	    {"too long", L63 "." L63 "." L63 "." L63, NULL},
	    {"U-labels", "B\xc3\xbc"
			 "cher.example",
		"xn--bcher-kva.example"},
	    {"a full-width dot", "b\xc3\xbc\xe3\x80\x82"
				 "example",
		"xn--b-eha.example"},
	    {"no UTF-8", "b\xc3.example", NULL},
	    {"what IDNA forbids", "\xe2\x80\xae.example", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		const char *got;

		assert_int_equal(idna_ascii(&a, cases[i].domain, &got),
		    cases[i].want == NULL ? ERR_SYNTAX : 0);
		if ((got == NULL) != (cases[i].want == NULL) ||
		    (got != NULL && strcmp(got, cases[i].want) != 0))
			fail_msg("%s: %s", cases[i].name,
			    got == NULL ? "-" : got);
		arena_fini(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(makes_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
