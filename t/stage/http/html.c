/*
 * What is written into a page is text, whatever it says, and what is opened is
 * closed.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/http/html.h"

#include <stdint.h>
#include <string.h>

#include "milter/http/plot.h"
#include "t/support/drivers/test.h"

#define BAD "\xef\xbf\xbd"

static const struct {
	const char *name, *text, *expected;
} escapes[] = {
    {"plain", "Hello, world", "Hello, world"},
    {"markup", "<b a='1' c=\"2\">&amp;",
	"&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;amp;"},
    {"a script", "</script><script>", "&lt;/script&gt;&lt;script&gt;"},
    {"UTF-8", "Grüße ✓ 🌻", "Grüße ✓ 🌻"},
    {"C0", "a\tb\nc\x1b[31m\x7f", "a" BAD "b" BAD "c" BAD "[31m" BAD},
    {"C1", "a\xc2\x85\xc2\x9b", "a" BAD BAD},
    {"bidirectional controls",
	"a\xe2\x80\xae\xe2\x81\xa6\xe2\x80\x8f\xd8\x9c",
	"a" BAD BAD BAD BAD},
    {"line separators", "\xe2\x80\xa8\xe2\x80\xa9", BAD BAD},
    {"broken UTF-8", "a\xff\xc3(\xed\xa0\x80", "a" BAD BAD "(" BAD BAD BAD},
    {"overlong <", "\xc0\xbc", BAD BAD},
    {"no character", "\xef\xbf\xbe\xf0\x9f\xbf\xbf", BAD BAD},
};

static void
test_text_is_escaped(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(escapes) / sizeof(*escapes); i++) {
		struct buf b = BUF_INIT;

		html_escape(&b, escapes[i].text, strlen(escapes[i].text),
		    SIZE_MAX);
		if (strcmp(buf_text(&b), escapes[i].expected) != 0)
			fail_msg("%s: %s", escapes[i].name, buf_text(&b));
		buf_fini(&b);
	}
}

static void
test_nul_is_no_end(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	html_escape(&b, "a\0<", 3, SIZE_MAX);
	assert_string_equal(buf_text(&b), "a" BAD "&lt;");
	buf_fini(&b);
}

static void
test_cut_at_characters(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	html_escape(&b, "üü&ü", 7, 3);
	assert_string_equal(buf_text(&b), "üü&amp;…");
	buf_reset(&b);
	html_escape(&b, "üüü", 6, 3);
	assert_string_equal(buf_text(&b), "üüü");
	buf_fini(&b);
}

static void
test_elements_nest(void **state)
{
	struct html h = HTML_INIT;

	(void)state;
	html_open(&h, "p");
	html_attr(&h, "title", "\"><x>");
	html_void(&h, "input");
	html_attr(&h, "required", NULL);
	html_open(&h, "b");
	html_text(&h, "a<b");
	html_close_to(&h, 0);
	assert_string_equal(buf_text(&h.out),
	    "<p title=\"&quot;&gt;&lt;x&gt;\"><input required><b>a&lt;b</b></p>");
	html_fini(&h);
}

static void
test_outside_is_isolated(void **state)
{
	struct html h = HTML_INIT;
	char text[HTML_CUT + 10];

	(void)state;
	html_outside(&h, "<i>");
	html_outside(&h, NULL);
	assert_string_equal(buf_text(&h.out), "<bdi>&lt;i&gt;</bdi>–");
	html_fini(&h);
	h = (struct html)HTML_INIT;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	html_outside(&h, text);
	assert_int_equal(h.out.len,
	    HTML_CUT + strlen("…") + strlen("<bdi></bdi>"));
	html_fini(&h);
}

static void
test_url(void **state)
{
	struct html h = HTML_INIT;

	(void)state;
	html_open(&h, "a");
	html_attr_url(&h, "href", "/account", "name", "a b&c=\"/../\xff");
	html_close(&h);
	assert_string_equal(buf_text(&h.out),
	    "<a href=\"/account?name=a%20b%26c%3D%22%2F..%2F%FF\"></a>");
	html_fini(&h);
}

static void
test_numbers(void **state)
{
	static const struct {
		double n;
		const char *text;
	} all[] = {{0, "0"}, {7, "7"}, {0.5, "0.50"}, {12.34, "12.3"},
	    {9999, "9999"}, {10000, "10 k"}, {1234567, "1.23 M"},
	    {999999, "1.00 M"}};
	char text[PLOT_NUMBER_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		assert_string_equal(
		    plot_number(all[i].n, text), all[i].text);
}

/* A plot has what who can't see it needs, and its table has the numbers. */
static void
test_plot_says_what_it_shows(void **state)
{
	static const char *const wanted[] = {"role=\"img\"",
	    "aria-labelledby=\"x-title x-desc\"", "id=\"x-title\"",
	    "id=\"x-desc\"", "<details>", "<td class=\"n\">42</td>",
	    "<td class=\"n\">–</td>"};
	struct plot p = {.id = "x", .title = "T", .note = "N", .unit = "u",
	    .step = 3600, .points = 2, .count = 1};
	struct html h = HTML_INIT;

	(void)state;
	p.series[0].name = "s";
	p.series[0].class = "c-accept";
	p.series[0].value[0] = 42;
	p.series[0].value[1] = PLOT_NONE;
	plot_lines(&h, &p);
	plot_bars(&h, &p);
	assert_int_equal(h.depth, 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		if (strstr(buf_text(&h.out), wanted[i]) == NULL)
			fail_msg("no %s", wanted[i]);
	}
	html_fini(&h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_text_is_escaped),
	    cmocka_unit_test(test_nul_is_no_end),
	    cmocka_unit_test(test_cut_at_characters),
	    cmocka_unit_test(test_elements_nest),
	    cmocka_unit_test(test_outside_is_isolated),
	    cmocka_unit_test(test_url),
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_plot_says_what_it_shows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
