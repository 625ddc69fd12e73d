/*
 * Whole mails, and what SpamAssassin 4.0.1 made of them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/text/mime.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/hdr.h"
#include "lib/text/mime_tree.h"
#include "t/support/drivers/mime_view.h"
#include "t/support/drivers/test.h"

/* The pieces of a view with | between them. */
static const struct {
	const char *name, *mail, *body, *rawbody;
} cases[] = {
    {"plain",
	"Subject: s\n\nhello  world\n"
	"x\n\n\ny\n",
	"s\n|hello world x\n|y ",
	"hello  world\nx\n\n\ny\n"},
    {"no subject",
	"To: x\n\nhello\n",
	"\n|hello ",
	"hello\n"},
    {"two subjects",
	"Subject: a\nSubject: b\n\n"
	"x\n",
	"b\n|x ",
	"x\n"},
    {"subject in words",
	"Subject: =?iso-8859-1?Q?caf=E9_?=\n"
	" =?iso-8859-1?B?IWE=?= b\n"
	"\nx\n",
	"caf\303\251 !a b\n|x ",
	"x\n"},
    {"character over two words",
	"Subject: =?utf-8?B?4oI=?= =?utf-8?B?rA==?=\n"
	"\nx\n",
	"\342\202\254\n|x ",
	"x\n"},
    {"subject in raw latin 1",
	"Subject: caf\351\n\nx\n",
	"caf\303\251\n|x ",
	"x\n"},
    {"no body",
	"Subject: s\n\n",
	"s\n",
	""},
    {"multipart",
	"Subject: s\nContent-Type: multipart/alternative; boundary=\""
	"b\"\n\npreamble\n--b\n\nplain\n"
	"--b\nContent-Type: text/html\n"
	"\n<p>html</p>\n--b--\nepilogue\n",
	"s\n|plain\n|html\n",
	"plain|<p>html</p>"},
    {"nested",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nContent-Type: multipart/alternative; boundary=c\n"
	"\n--c\n\none\n--c\n\ntwo\n"
	"--c--\n--b\n\nthree\n--b--\n",
	"s\n|one two three",
	"one|two|three"},
    {"last boundary missing",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\n\none\n--b\n\ntwo\n",
	"s\n|one two ",
	"one|two\n"},
    {"first boundary missing",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\none\n\ntwo\n--b--\n",
	"s\n|one\n|two",
	"one\n\ntwo"},
    {"no boundary parameter",
	"Subject: s\nContent-Type: multipart/mixed\n"
	"\n--b\n\none\n--b--\n",
	"s\n| --b\n|one --b-- ",
	"\n--b\n\none\n--b--\n"},
    {"same boundary within",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nContent-Type: multipart/alternative; boundary=b\n"
	"\n--b\n\none\n--b--\n--b\n"
	"\ntwo\n--b--\n",
	"s\n|one two",
	"one|two"},
    {"boundary of the parent",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nContent-Type: multipart/alternative\n"
	"\n--c\n\none\n--c--\n--b--\n",
	"s\n|--c\n|one --c--",
	"--c\n\none\n--c--"},
    {"boundary begins another",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\n\none\n--bc\ntwo\n"
	"--b--\n",
	"s\n|one --bc two",
	"one\n--bc\ntwo"},
    {"empty multipart",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n",
	"",
	""},
    {"fields without blank line",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nContent-Type: text/plain\n"
	"--b--\n",
	"s\n",
	""},
    {"body begins without fields",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nhello there\nx\n--b--\n",
	"s\n|hello there x",
	"hello there\nx"},
    {"digest",
	"Subject: s\nContent-Type: multipart/digest; boundary=b\n"
	"\n--b\n\nSubject: in\n\nbody\n"
	"--b--\n",
	"s\n|body",
	"body"},
    {"message in message",
	"Subject: s\nContent-Type: message/rfc822\n"
	"\nSubject: in\nContent-Type: text/html\n"
	"\n<b>x</b>y\n",
	"s\n|xy ",
	"<b>x</b>y\n"},
    {"message of one line end",
	"Subject: s\nContent-Type: message/rfc822\n"
	"\n\n",
	"s\n",
	""},
    {"message in base64",
	"Subject: s\nContent-Type: message/rfc822\n"
	"Content-Transfer-Encoding: base64\n"
	"\nU3ViamVjdDogaW4KCmJvZHkK\n",
	"s\n|body ",
	"body\n"},
    {"delivery status",
	"Subject: s\nContent-Type: message/delivery-status\n"
	"\nAction: failed\n",
	"s\n",
	"Action: failed\n"},
    {"other types",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\n"
	"\n--b\nContent-Type: image/gif\n"
	"\nGIF89\n--b\nContent-Type: text/calendar\n"
	"\ncal\n--b\nContent-Type: text/x-vcard\n"
	"\ncard\n--b\nContent-Type: text/enriched\n"
	"\nrich\n--b--\n",
	"s\n|rich",
	"card|rich"},
    {"html by its name",
	"Subject: s\nContent-Type: application/octet-stream; name=\"a"
	".HTM\"\n\n<i>x</i>y\n",
	"s\n|xy ",
	"<i>x</i>y\n"},
    {"html by its disposition",
	"Subject: s\nContent-Type: application/x\n"
	"Content-Disposition: attachment; filename=\"a.shtml\"\n"
	"\n<i>x</i>y\n",
	"s\n|xy ",
	"<i>x</i>y\n"},
    {"quoted-printable",
	"Subject: s\nContent-Transfer-Encoding: quoted-printable\n"
	"\na=\nb=20\nc=3Dd  \ne=C3=A9=\n",
	"s\n|ab c=d e\303\251",
	"ab \nc=d\ne\303\251"},
    {"base64",
	"Subject: s\nContent-Transfer-Encoding: base64\n"
	"\naGVsbG8N\nCndvcmxk\n",
	"s\n|hello world",
	"hello\nworld"},
    {"base64 with junk",
	"Subject: s\nContent-Transfer-Encoding: base64\n"
	"\naGVs!bG8g\nd29ybGQ=\n-- \n",
	"s\n|hello world",
	"hello world"},
    {"base64 with padding within",
	"Subject: s\nContent-Transfer-Encoding: base64\n"
	"\nYQ==Yg==\n",
	"s\n|a\n|\n|b",
	"a\000\000b"},
    {"bad base64 with padding within",
	"Subject: s\nContent-Transfer-Encoding: base64\n"
	"\nYQ=Yg==!\n",
	"s\n|a\017\303\230",
	"a\017\330"},
    {"base64 with an odd digit",
	"Subject: s\nContent-Transfer-Encoding: base64\n"
	"\naGVsbG8hI\n",
	"s\n|hello!",
	"hello!"},
    {"quote in a boundary",
	"Subject: s\nContent-Type: multipart/mixed; boundary=b\"c\n"
	"\n--b\n\none\n--b--\n",
	"s\n| --b\n|one --b-- ",
	"\n--b\n\none\n--b--\n"},
    {"two boundaries",
	"Subject: s\nContent-Type: multipart/mixed; xboundary=a; boun"
	"dary ; boundary=\"b c\"; x\n"
	"\n--b c\n\none\n--b c--\n",
	"s\n|one",
	"one"},
    {"blank lines",
	"Subject: s\n\n \n \n\n\n\n"
	"\n\n\n\n\n\n\n\n\n\n\n\n\n"
	"\n\n\n\n\n\n\n\n\n\t\na\n"
	" \n \n \n \n \n \n \n \n \n"
	" \n \n \n \n \n \n \n \n \n"
	" \n \n \n \n \n \n \nb\n\n"
	"\n\n\n\n\n\n\n\n\n\n\n\n\n"
	"\n\n\n\n\n\nc\n",
	"s\n| \n|a\n|b\n|c ",
	" \n \n\n\n\n\n\n\n\n\n\n\n"
	"\n\n\n\n\n\n\n\n\t\na\n \n"
	" \n \n \n \n \n \n \n \n \n"
	" \n \n \n \n \n \n \n \n \n"
	" \nb\n\n\n\n\n\n\n\n\n\n\n"
	"\n\n\n\n\n\n\n\n\n\nc\n"},
    {"name continued",
	"Subject: s\nContent-Type: application/x; name*0=\"a\"; name*"
	"1=\".html\"\n\n<i>x</i>y\n",
	"s\n|xy ",
	"<i>x</i>y\n"},
    {"uuencoded",
	"Subject: s\nContent-Transfer-Encoding: x-uuencode\n"
	"\nbegin 644 a\n#86)C\n`\n"
	"end\n",
	"s\n|begin 644 a #86)C ` end ",
	"begin 644 a\n#86)C\n`\nend\n"},
    {"encoding with comment",
	"Subject: s\nContent-Transfer-Encoding: base64;\n"
	"\naGVsbG8=\n",
	"s\n|aGVsbG8= ",
	"aGVsbG8=\n"},
    {"latin 1",
	"Subject: s\nContent-Type: text/plain; charset=iso-8859-1\n"
	"\ncaf\351 \223x\224\n",
	"s\n|caf\303\251 \342\200\234x\342\200\235 ",
	"caf\351 \223x\224\n"},
    {"utf-8, declared latin 1",
	"Subject: s\nContent-Type: text/plain; charset=iso-8859-1\n"
	"\ncaf\303\251\n",
	"s\n|caf\303\251 ",
	"caf\303\251\n"},
    {"koi8-r",
	"Subject: s\nContent-Type: text/plain; charset=koi8-r\n"
	"\n\360\322\n",
	"s\n|\320\237\321\200 ",
	"\360\322\n"},
    {"iso-2022-jp",
	"Subject: s\nContent-Type: text/plain; charset=ISO-2022-JP\n"
	"\n\033$B$\"\033(B\n",
	"s\n|\343\201\202 ",
	"\033$B$\"\033(B\n"},
    {"unknown charset",
	"Subject: s\nContent-Type: text/plain; charset=x-none\n"
	"\ncaf\351\n",
	"s\n|caf\303\251 ",
	"caf\351\n"},
    {"utf-16",
	"Subject: s\nContent-Type: text/plain; charset=utf-16\n"
	"Content-Transfer-Encoding: base64\n"
	"\naABlAGwAbABvACAAeAA=\n",
	"s\n|hello x",
	"h\000e\000l\000l\000o\000 \000x\000"},
    {"no-break space",
	"Subject: s\nContent-Type: text/plain; charset=utf-8\n"
	"\na\302\240\343\200\200b\n",
	"s\n|a b ",
	"a\302\240\343\200\200b\n"},
    {"latin letters of ascii html",
	"Subject: s\nContent-Type: text/html; charset=us-ascii\n"
	"\na&eacute;&#160;b",
	"s\n|a\351\240b",
	"a&eacute;&#160;b"},
    {"wide letters of ascii html",
	"Subject: s\nContent-Type: text/html; charset=us-ascii\n"
	"\na&eacute;&#160;b&hellip;",
	"s\n|a\303\251 b\342\200\246",
	"a&eacute;&#160;b&hellip;"},
    {"blanks at paragraphs",
	"Subject: s\n\na \n\n b\n \n"
	"c\n",
	"s\n|a \n| b\n|c ",
	"a \n\n b\n \nc\n"},
};

static void
check(const char *name, const char *mail, size_t len,
    enum mime_view_kind kind, const char *wanted)
{
	struct buf b = BUF_INIT;

	mime_view_text(&b, mail, len, kind, NULL, "|", false);
	if (strcmp(buf_text(&b), wanted) != 0)
		fail_msg("%s: got %s, wanted %s", name, buf_text(&b), wanted);
	buf_fini(&b);
}

static void
sees_what_spamassassin_sees(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t len = strlen(cases[i].mail);

		check(cases[i].name, cases[i].mail, len, MIME_BODY,
		    cases[i].body);
		check(cases[i].name, cases[i].mail, len, MIME_RAWBODY,
		    cases[i].rawbody);
	}
}

/* As they come from an MTA. */
static void
takes_crlf(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		for (const char *s = cases[i].mail; *s != '\0'; s++) {
			if (*s == '\n')
				buf_char(&b, '\r');
			buf_char(&b, *s);
		}
		check(cases[i].name, buf_text(&b), b.len, MIME_BODY,
		    cases[i].body);
		check(cases[i].name, buf_text(&b), b.len, MIME_RAWBODY,
		    cases[i].rawbody);
		buf_fini(&b);
	}
}

static void
full_is_all_of_it(void **state)
{
	static const char mail[] = "A: b\r\n\tc\r\nSubject:d\r\n\r\nx\r\ny\r\n";

	(void)state;
	check("full", mail, strlen(mail), MIME_FULL,
	    "A: b\n\tc\nSubject:d\n\nx\ny\n");
}

static size_t
pieces(const char *mail, size_t len, enum mime_view_kind kind)
{
	struct buf b = BUF_INIT;
	size_t n = 1;

	mime_view_text(&b, mail, len, kind, NULL, "\1", false);
	for (size_t i = 0; i < b.len; i++)
		n += b.data[i] == '\1';
	buf_fini(&b);
	return n;
}

static void
cuts_long_text(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_str(&b, "Subject: s\n\n");
	for (int i = 0; i < 1000; i++)
		buf_str(&b, "123456789\n");
	/* 10,000 octets in pieces of 2 KiB, and in some of up to 4 KiB. */
	assert_int_equal(pieces(b.data, b.len, MIME_BODY), 1 + 5);
	assert_int_equal(pieces(b.data, b.len, MIME_RAWBODY), 4);
	for (int i = 0; i < 100000; i++)
		buf_str(&b, "123456789\n");
	/* 50,000 characters of a part in body, 500,000 octets in rawbody. */
	assert_in_range(pieces(b.data, b.len, MIME_BODY), 25, 27);
	assert_in_range(pieces(b.data, b.len, MIME_RAWBODY), 240, 246);
	buf_fini(&b);
}

/* 100 multiparts in one another, and 5,000 parts. */
static void
ends_somewhere(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	buf_str(&b, "Content-Type: multipart/mixed; boundary=b0\n\n");
	for (int i = 0; i < 100; i++)
		buf_printf(&b,
		    "--b%d\nContent-Type: multipart/mixed; boundary=b%d\n\n",
		    i, i + 1);
	buf_str(&b, "--b100\n\ndeep\n");
	assert_in_range(pieces(b.data, b.len, MIME_RAWBODY), 0, 3);
	buf_reset(&b);
	buf_str(&b, "Content-Type: multipart/mixed; boundary=b\n\n");
	for (int i = 0; i < 5000; i++)
		buf_str(&b, "--b\n\nx\n");
	assert_int_equal(
	    pieces(b.data, b.len, MIME_RAWBODY), MIME_PARTS_MAX);
	buf_fini(&b);
}

static bool
at_once(void *ctx)
{
	++*(unsigned *)ctx;
	return true;
}

static void
stops_when_told(void **state)
{
	static const char body[] = "http://a.example.com/ x\n";
	unsigned asked = 0;
	struct mime_env env = {.stop = at_once, .stop_ctx = &asked};
	struct hdr_list fields = {0};
	struct arena a;
	struct mime *m;

	(void)state;
	arena_init(&a);
	m = mime_new(&a, &fields, body, strlen(body), &env);
	assert_non_null(m);
	assert_int_equal(mime_view(m, MIME_BODY)->count, 1); /* no Subject */
	assert_int_equal(mime_view(m, MIME_URI)->count, 0);
	assert_true(asked > 0);
	arena_fini(&a);
}

static void
makes_a_view_once(void **state)
{
	struct mime_env env = {0};
	struct hdr_list fields = {0};
	struct arena a;
	struct mime *m;

	(void)state;
	arena_init(&a);
	m = mime_new(&a, &fields, "", 0, &env);
	for (int i = 0; i < MIME_VIEWS; i++)
		assert_ptr_equal(mime_view(m, (enum mime_view_kind)i),
		    mime_view(m, (enum mime_view_kind)i));
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sees_what_spamassassin_sees),
	    cmocka_unit_test(takes_crlf),
	    cmocka_unit_test(full_is_all_of_it),
	    cmocka_unit_test(cuts_long_text),
	    cmocka_unit_test(ends_somewhere),
	    cmocka_unit_test(stops_when_told),
	    cmocka_unit_test(makes_a_view_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
