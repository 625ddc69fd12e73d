/*
 * HTML as text: what SpamAssassin 4.0.1 made of it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/text/html_text.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/text/mime.h"
#include "t/support/drivers/mime_view.h"
#include "t/support/drivers/test.h"

/* The body's pieces behind the Subject, with | between them. */
static const struct {
	const char *name, *html, *body;
} cases[] = {
    {"tags",
	"<p>one<br>two</p><div>three</div>four",
	"\n|one two\n|three four"},
    {"inline",
	"o<b>n</b>e t<!-- c -->wo",
	"one two"},
    {"cells",
	"<table><tr><td>a</td><td>b</td></tr></table>",
	" a b "},
    {"script and style",
	"a<script>var x='<b>';</script>b<style>p{}</style>c",
	"abc"},
    {"script never closed",
	"a<script>b c",
	"a"},
    {"style in capitals",
	"<STYLE>x</STYLE >y",
	"y"},
    {"title",
	"<html><title>t&amp;</title>b",
	"\n|t&\n|b"},
    {"title never closed",
	"<title>t <b>x</b> y",
	"\n|t\n|x y"},
    {"textarea",
	"<textarea>a<b>&lt;</textarea>c",
	"a<b><c"},
    {"entities",
	"&lt;&amp;&eacute;&hellip;&hellip &eacuteb &copy2 &bogus; &#6"
	"5;&#x42;&#67 &#; &#xD800; &#1114112;",
	"<&\303\251\342\200\246&hellip \303\251b \302\2512 &bogus; AB"
	"C &#; \357\277\275 &#1114112;"},
    {"first and last entities",
	"&AElig &sup;&sup1;&sub;&sube;&pi;&piv;&zwj;&zwnj;&thetasym;",
	"\303\206 \342\212\203\302\271\342\212\202\342\212\206\317\200"
	"\317\226\342\200\215\342\200\214\317\221"},
    {"open script behind an open comment",
	"a<!-- b > c<style>d <p>&lt;e",
	"a cd\n|&lt;e"},
    {"open cdata",
	"a<![CDATA[b <p>c",
	"ab <p>c"},
    {"colour in capitals",
	"a<div style='DISPLAY:none'> b </div><div style='display:NONE"
	"'> c </div> <p> d",
	"a b\n| c \n|d"},
    {"nbsp",
	"a&nbsp;&nbsp;b",
	"a b"},
    {"quotes",
	"<a href=\342\200\235http://a.com/\342\200\235>\342\200\234x\342"
	"\200\235",
	"\"x\""},
    {"comment with dashes",
	"a<!-- - -- x -- >b",
	"ab"},
    {"comment never closed",
	"a<!-- b > c",
	"a c"},
    {"conditional",
	"a<![if !x]>b<![endif]>c<!--[if mso]>d<![endif]-->e",
	"abce"},
    {"cdata",
	"a<![CDATA[<b>&amp;]]>b",
	"a<b>&amp;b"},
    {"declaration",
	"<!DOCTYPE html \"a>b\">c<!x>d<?php e>f",
	"cdf"},
    {"lone signs",
	"1 < 2 > 3 <4 a<",
	"1 < 2 > 3 <4 a"},
    {"tag never closed",
	"a <b",
	"a "},
    {"attribute never closed",
	"a <b c='d>e",
	"a "},
    {"end tag with attributes",
	"a</b c=\">\">d",
	"ad"},
    {"xml ends",
	"a<br/>b<br />c<hr/>d",
	"a b c\n|d"},
    {"white space",
	"  a \n\n b  <p> c </p>  d  ",
	" a b\n|c\n|d "},
    {"white text",
	"a<font color=white> b </font> <p> c</p>",
	"a b \n|c\n"},
    {"hidden text",
	"a<div style='display:none'> b </div> <p> c</p>",
	"a b \n|c\n"},
    {"tiny text",
	"a<span style='color:#fefefe'> b </span><font size=1> c </fon"
	"t> <br> d",
	"a b c d"},
    {"small text",
	"a<font size=1> b <p> c</p></font><font size=-1> d <p> e",
	"a b \n| c\n|d\n|e"},
    {"small in small",
	"<small>a<small> b </small></small> <p> c",
	"a b \n|c"},
    {"list",
	"<ul><li>a<li>b</ul><h1>c</h1>d",
	" a b c d"},
    {"nested tables",
	"<table><tr><td style='color:red'><font color=#fff>a<td>b<tr>"
	"<td>c</table> d <br> e",
	" a b c d e"},
    {"namespace",
	"a<o:p>b</o:p>c",
	"abc"},
    {"pre",
	"<pre> a\n b </pre>c",
	"\n|a b\n|c"},
    {"iframe",
	"a<iframe src='http://f.com/'>b<b></iframe>c",
	"ab<b>c"},
};

static void
sees_what_spamassassin_sees(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf mail = BUF_INIT, b = BUF_INIT;
		const char *text;

		buf_str(&mail, "Subject: s\nContent-Type: text/html\n\n");
		buf_str(&mail, cases[i].html);
		mime_view_text(
		    &b, mail.data, mail.len, MIME_BODY, NULL, "|", false);
		text = buf_text(&b) + (b.len > 3 ? 3 : 2);
		if (strcmp(text, cases[i].body) != 0)
			fail_msg("%s: got %s, wanted %s", cases[i].name, text,
			    cases[i].body);
		buf_fini(&mail);
		buf_fini(&b);
	}
}

/* Tags nobody closes, more than are kept; attributes without end. */
static void
takes_anything(void **state)
{
	struct buf b = BUF_INIT, out = BUF_INIT;

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_str(&b, "<div><font color=red><td>x</table>");
	html_text_render(&out, b.data, b.len, NULL, NULL);
	assert_true(out.len > 20000);
	buf_reset(&b);
	buf_reset(&out);
	buf_str(&b, "<a ");
	for (int i = 0; i < 20000; i++)
		buf_str(&b, "href=http://a.com/ ");
	buf_str(&b, ">x");
	html_text_render(&out, b.data, b.len, NULL, NULL);
	assert_string_equal(buf_text(&out), "x");
	buf_fini(&b);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sees_what_spamassassin_sees),
	    cmocka_unit_test(takes_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
