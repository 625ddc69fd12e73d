/* What a pattern needs, and never too much.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "lib/base/arena.h"
#include "lib/rules/rules_literal.h"
#include "lib/rules/rules_pattern.h"
#include "t/support/drivers/test.h"

/* Does the filter let the text pass? */
static bool
may(const char *pattern, const char *text, bool extended)
{
	struct literals *l = literals_new(pattern, strlen(pattern), extended);
	struct grams g;
	bool yes;

	grams_make(&g, text, strlen(text));
	yes = grams_may(&g, l);
	literals_free(l);
	return yes;
}

static void
what_lacks_the_letters_is_not_tried(void **state)
{
	static const struct {
		const char *pattern, *text;
	} cases[] = {
	    {"viagra", "nothing of it"},
	    {"\\bviagra\\b", "nothing of it"},
	    {"^From: viagra$", "From: alice"},
	    {"cheap|viagra", "nothing of it"},
	    {"(?:cheap|via(?:gra)) pills", "nothing of it"},
	    {"x*abcd+", "abc only"},
	    {"[a-z]{3}example\\.com", "example-org"},
	    {"(?i:abcd)efg", "abce"},
	    {"abc(?!def)", "ab"},
	    {"\\x61\\x62\\x63", "ab"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		if (may(cases[i].pattern, cases[i].text, false))
			fail_msg("%s is tried", cases[i].pattern);
	}
}

/* Whatever matches must pass: each of these does. */
static void
what_may_match_is_tried(void **state)
{
	static const struct {
		const char *pattern, *text;
	} cases[] = {
	    {"/viagra/i", "ViAgRa"},
	    {"/abc?d/", "abd"},
	    {"/abc*d/", "abd"},
	    {"/abcx{0,2}d/", "abcd"},
	    {"/abcx{2}d/", "abcxxd"},
	    {"/abc{x/", "abc{x"},
	    {"/(?:abcdef)?x/", "x"},
	    {"/(?:abcdef)*x/", "x"},
	    {"/(?:abcdef){0}x/", "x"},
	    {"/(?<!abc)def/", "def"},
	    {"/(?!abc)def/", "def"},
	    {"/(?=abc)abcdef/", "abcdef"},
	    {"/a b c d/x", "abcd"},
	    {"/a b c +d/x", "abccd"},
	    {"/a b c # no\n *d/x", "abd"},
	    {"/(?x)a b c d/", "abcd"},
	    {"/(?x: a b c d)/", "abcd"},
	    {"/(?xi) a b c d/", "ABCD"},
	    {"/\\Qabc*\\E/", "abc*"},
	    {"/abc\\Qd*\\E/", "abcd*"},
	    {"/(abc)\\1def/", "abcabcdef"},
	    {"/abc\\101/", "abcA"},
	    {"/abc[]d]e/", "abc]e"},
	    {"/abc[^]]e/", "abcxe"},
	    {"/abc[[:alpha:]]e/", "abcxe"},
	    {"/abc[\\]x]e/", "abc]e"},
	    {"/abc|d/", "d"},
	    {"/abc|/", "zzz"},
	    {"/(?|abc|def)/", "def"},
	    {"/(?<name>abc)(?P=name)/", "abcabc"},
	    {"/(?(?=x)xyz|abc)/", "abc"},
	    {"/(?#comment)abc/", "abc"},
	    {"/abc(defg)(?#comment)?/", "abc"},
	    {"/abc(defg)(?#c) (?#d)?/x", "abc"},
	    {"/abc\\cAdef/", "abc\001def"},
	    {"/abc\\tdef/", "abc\tdef"},
	    {"/abc\\Kdef/", "abcdef"},
	    {"/(?>abc|ab)cd/", "abccd"},
	    {"/abc\\N{1,2}d/", "abcxd"},
	    {"/abc(?R)?/", "abc"},
	    {"/abc{,2}d/", "abd"},
	    {"/abc$?\\bd?/", "abc"},
	    {"/only$?abc/", "onlyabc"},
	    {"/\\N{U+61}bc/", "abc"},
	    {"/\\x{61}bc/", "abc"},
	    {"/\\o{141}bc/", "abc"},
	    {"/(*ANYCRLF)abc/", "abc"},
	};
	struct pattern_match *m = pattern_match_new();
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *text = cases[i].text;
		struct pattern_source source;
		const char *mistake;
		struct pattern *p;
		struct grams g;
		size_t begin, end;

		assert_null(pattern_split(&a, cases[i].pattern, &source));
		p = pattern_new(&source, &a, &mistake);
		if (p == NULL)
			fail_msg("%s: %s", cases[i].pattern, mistake);
		if (pattern_find(p, m, text, strlen(text), 0, false, &begin,
			&end) != PATTERN_HIT)
			fail_msg("%s does not match", cases[i].pattern);
		grams_make(&g, text, strlen(text));
		if (!grams_may(&g, pattern_literals(p)))
			fail_msg("%s is not tried", cases[i].pattern);
		pattern_free(p);
	}
	pattern_match_free(m);
	arena_fini(&a);
}

/* What is a count for some versions of PCRE and text for others. */
static void
what_may_count_is_tried(void **state)
{
	static const char *const patterns[] = {"abcd{,2}efg", "abcd{0, 2}efg",
	    "abcd{0 ,2}efg", "abcd{ 0,2}efg", "abcd{0,2 }efg", "abcd{0,\t2}efg",
	    "abcd{\t0}efg", "abcd{0 }efg"};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		if (!may(patterns[i], patterns[i], false) ||
		    !may(patterns[i], "abcefg", false))
			fail_msg("%s is not tried", patterns[i]);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_lacks_the_letters_is_not_tried),
	    cmocka_unit_test(what_may_match_is_tried),
	    cmocka_unit_test(what_may_count_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
