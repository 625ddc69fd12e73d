/* DMARC records. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dmarc/dmarc_record.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define NONE DMARC_POLICY_NONE
#define QUAR DMARC_POLICY_QUARANTINE
#define REJECT DMARC_POLICY_REJECT

static void
knows_its_own(void **state)
{
	static const struct {
		const char *name, *text;
		int rc;
	} cases[] = {
	    {"plain", "v=DMARC1; p=none", 0},
	    {"nothing behind the version", "v=DMARC1", 0},
	    {"space around =", "v \t= DMARC1 ;p=none", 0},
	    {"the tag's case", "V=DMARC1; p=none", 0},
	    {"the value's case", "v=dmarc1; p=none", ERR_NOTFOUND},
	    {"another version", "v=DMARC2; p=none", ERR_NOTFOUND},
	    {"a longer word", "v=DMARC11; p=none", ERR_NOTFOUND},
	    {"no separator", "v=DMARC1 p=none", ERR_NOTFOUND},
	    {"v not first", "p=none; v=DMARC1", ERR_NOTFOUND},
	    {"space first", " v=DMARC1; p=none", ERR_NOTFOUND},
	    {"an empty tag first", "; v=DMARC1; p=none", ERR_NOTFOUND},
	    {"SPF", "v=spf1 -all", ERR_NOTFOUND},
	    {"no =", "vDMARC1", ERR_NOTFOUND},
	    {"empty", "", ERR_NOTFOUND},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		struct dmarc_record r;
		int rc = dmarc_record_parse(
		    &a, cases[i].text, strlen(cases[i].text), &r);

		if (rc != cases[i].rc)
			fail_msg("%s: %d", cases[i].name, rc);
		arena_fini(&a);
	}
}

static void
reads_policies(void **state)
{
	static const struct {
		const char *name, *text;
		enum dmarc_policy p, sp, np;
		bool usable;
	} cases[] = {
	    {"p only", "p=reject", REJECT, REJECT, REJECT, true},
	    {"sp", "p=reject; sp=none", REJECT, NONE, NONE, true},
	    {"np", "p=none; np=reject", NONE, NONE, REJECT, true},
	    {"all, in any order and case", "np=Reject;sp=QUARANTINE ; P=none",
		NONE, QUAR, REJECT, true},
	    {"no p", "rua=mailto:a@b.example", NONE, NONE, NONE, true},
	    {"no p and no rua", "psd=y", NONE, NONE, NONE, true},
	    {"bad p", "p=rejected", NONE, NONE, NONE, false},
	    {"bad p, rua", "p=rejected; sp=reject; rua=mailto:a@b.example",
		NONE, NONE, NONE, true},
	    {"bad p, bad rua", "p=x; rua=a@b.example", NONE, NONE, NONE, false},
	    {"empty p", "p=; rua=mailto:a", NONE, NONE, NONE, false},
	    {"bad sp", "p=reject; sp=x", NONE, NONE, NONE, false},
	    {"bad np", "p=reject; np=x", NONE, NONE, NONE, false},
	    {"bad sp, rua", "p=reject; sp=x; rua=mailto:a@b.example", NONE,
		NONE, NONE, true},
	    {"the first of two", "p=reject; p=none", REJECT, REJECT, REJECT,
		true},
	    {"other tags", "p=reject; pct=0; x; =; ri=z; sp-none;;fo:0",
		REJECT, REJECT, REJECT, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		struct dmarc_record r;
		const char *text =
		    arena_printf(&a, "v=DMARC1;%s", cases[i].text);

		assert_int_equal(
		    dmarc_record_parse(&a, text, strlen(text), &r), 0);
		if (r.p != cases[i].p || r.sp != cases[i].sp ||
		    r.np != cases[i].np || r.usable != cases[i].usable)
			fail_msg("%s: %d %d %d %d", cases[i].name, r.p, r.sp,
			    r.np, r.usable);
		arena_fini(&a);
	}
}

static void
reads_the_rest(void **state)
{
	static const struct {
		const char *name, *text;
		enum dmarc_psd psd;
		bool testing, strict_dkim, strict_spf;
		unsigned fo;
	} cases[] = {
	    {"defaults", "", DMARC_PSD_UNKNOWN, false, false, false,
		DMARC_FO_ALL},
	    {"all", "psd=y; t=Y; adkim=s; aspf=S; fo=1:d:s", DMARC_PSD_YES,
		true, true, true, DMARC_FO_ANY | DMARC_FO_DKIM | DMARC_FO_SPF},
	    {"the others", "psd=N; t=n; adkim=r; aspf=r; fo= 0 : d",
		DMARC_PSD_NO, false, false, false,
		DMARC_FO_ALL | DMARC_FO_DKIM},
	    {"words instead of letters",
		"psd=yes; t=yes; adkim=strict; aspf=strict; fo=dd",
		DMARC_PSD_UNKNOWN, false, false, false, DMARC_FO_ALL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct arena a = {0};
		struct dmarc_record r;
		const char *text =
		    arena_printf(&a, "v=DMARC1;%s", cases[i].text);

		assert_int_equal(
		    dmarc_record_parse(&a, text, strlen(text), &r), 0);
		if (r.psd != cases[i].psd || r.testing != cases[i].testing ||
		    r.strict_dkim != cases[i].strict_dkim ||
		    r.strict_spf != cases[i].strict_spf ||
		    r.fo != cases[i].fo)
			fail_msg("%s", cases[i].name);
		arena_fini(&a);
	}
}

static void
reads_uris(void **state)
{
	static const char text[] =
	    "v=DMARC1; p=none; rua = mailto:a@b.example!10m , ftp://x, "
	    "https://b.example/r,mailto:nobody,MAILTO:c@d.example ! 2G;"
	    "ruf=mailto:a b@c.example, mailto:\x01@c.example";
	static const char many[] =
	    "v=DMARC1; rua=mailto:1@x,mailto:2@x,mailto:3@x,mailto:4@x,"
	    "mailto:5@x,mailto:6@x,mailto:7@x,mailto:8@x,mailto:9@x,"
	    "mailto:10@x,mailto:11@x";
	struct arena a = {0};
	struct dmarc_record r;

	(void)state;
	assert_int_equal(dmarc_record_parse(&a, text, strlen(text), &r), 0);
	assert_int_equal(r.rua_count, 3);
	assert_string_equal(r.rua[0], "mailto:a@b.example");
	assert_string_equal(r.rua[1], "https://b.example/r");
	assert_string_equal(r.rua[2], "MAILTO:c@d.example");
	assert_int_equal(r.ruf_count, 0);
	assert_int_equal(dmarc_record_parse(&a, many, strlen(many), &r), 0);
	assert_int_equal(r.rua_count, DMARC_URIS_MAX);
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(knows_its_own),
	    cmocka_unit_test(reads_policies),
	    cmocka_unit_test(reads_the_rest),
	    cmocka_unit_test(reads_uris),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
