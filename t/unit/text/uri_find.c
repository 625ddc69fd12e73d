/*
 * Addresses in text and HTML: what SpamAssassin 4.0.1 found in them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/text/uri_find.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/pslist.h"
#include "lib/text/mime.h"
#include "lib/text/uri_set.h"
#include "t/support/drivers/mime_view.h"
#include "t/support/drivers/test.h"

/* Addresses in the order of strcmp. */
struct row {
	const char *name, *text, *uris;
};

static const struct row in_text[] = {
    {"web",
	"see http://www.example.com/a?b=c, or https://example.org.",
	"http://www.example.com/a?b=c https://example.org"},
    {"schemeless",
	"www.example.com and ftp.example.com and example.com/x and a."
	"example",
	"ftp://ftp.example.com http://example.com/x http://www.exampl"
	"e.com"},
    {"mail",
	"bob@example.com <mailto:eve@example.org?subject=x> a@b vi@gr"
	"a foo@bar.invalidtld",
	"mailto:bob@example.com mailto:eve@example.org mailto:eve@exa"
	"mple.org?subject=x"},
    {"parentheses",
	"(http://a.com/x) (http://b.com/y(z)) http://c.com/x)y",
	"http://a.com/x http://b.com/y(z http://c.com/x"},
    {"quotes and brackets",
	"\"http://a.com/x\"y [http://b.com/] <http://c.com> http://d."
	"com|e {http://e.com}",
	"http://a.com/x http://b.com/ http://c.com http://d.com http:"
	"//e.com"},
    {"port and user",
	"http://a.com:80/ https://b.com:443/x http://c.com:8080/ http"
	"://u:p@d.com/ http://e.com:81",
	"http://a.com/ http://a.com:80/ http://c.com:8080/ http://e.c"
	"om:81 http://u:p@d.com/ https://b.com/x https://b.com:443/x"},
    {"percent",
	"http://%77ww.a.com/%20x http://a%2ecom/ mailto:a%40b.com",
	"http://%77ww.a.com/%20x http://a%2ecom/ http://a.com/ http:/"
	"/www.a.com/%20x"},
    {"backslashes",
	"http:\\\\a.com\\b",
	""},
    {"one slash",
	"http:/www.a.com http:www.b.com",
	"http://www.a.com http://www.b.com"},
    {"number hosts",
	"http://0x7f000001/ http://2130706433/x http://0x7f.1.1.1/ ht"
	"tp://010.1.2.3/ http://1.2.3.4/",
	"http://010.1.2.3/ http://0x7f.1.1.1/ http://0x7f000001/ http"
	"://1.2.3.4/ http://127.0.0.1/ http://127.0.0.1/x http://127."
	"1.1.1/ http://2130706433/x http://8.1.2.3/"},
    {"word host",
	"http://word/ http://localhost/",
	"http://word/ http://www.word.com/"},
    {"redirect",
	"http://a.com/r?u=http://b.com/x&y=1 http://a.com/http:/c.com",
	"http://a.com/http:/c.com http://a.com/r?u=http://b.com/x&y=1"
	" http://b.com/x http://c.com http:/c.com"},
    {"dots at the end",
	"http://a.com./ http://b.com../ http://c.com!! d.com. e.com..",
	"http://a.com./ http://a.com/ http://b.com../ http://b.com/ h"
	"ttp://c.com http://d.com"},
    {"cid",
	"[cid:image001.png@01D4986E.E3459640] cid:x@y.com",
	""},
    {"comma",
	"a@b.com,c@d.com;e@f.com 'g@h.com' x,i.com,j.com",
	"http://j.com mailto:a@b.com mailto:g@h.com"},
    {"after a colon",
	"Website:www.a.com email:b@c.com skype:d@e.com mail::f@g.com",
	"http://www.a.com mailto:b@c.com mailto:d@e.com mailto:f@g.co"
	"m"},
    {"slash before at",
	"http://x a.com/b@c.com",
	"http://a.com/b@c.com http://www.x.com http://x"},
    {"underscores",
	"a_b.example.com a.b_c.com",
	"http://a_b.example.com"},
    {"upper case",
	"HTTP://WWW.A.COM/X Www.B.Com C.COM D@E.COM",
	"HTTP://WWW.A.COM/X http://C.COM http://Www.B.Com mailto:D@E."
	"COM"},
    {"long local part",
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	"xxxxxxxxxxxxxxxxxxxx@a.com",
	"http://a.com"},
    {"nothing",
	"a.b.c 1.2.3 foo.barbaz ... @ http:// www. ftp:",
	""},
    {"broken over tags",
	"http://a.com/&amp;b",
	"http://a.com/&amp;b"},
    {"fragment",
	"http://a.com#b http://a.com?b",
	"http://a.com#b http://a.com/#b http://a.com/?b http://a.com?"
	"b"},
    {"references",
	"http://&#119;ww.a.com/ http://a&#x2e;com/",
	""},
};

static const struct row in_html[] = {
    {"anchor",
	"<a href=\" http://a.com/x \">t</a><area href=b.html><link hr"
	"ef=/c>",
	"/c b.html http://a.com/x http://b.html"},
    {"sources",
	"<img src=http://a.com/i.gif><script src='//b.com/s.js'></scr"
	"ipt><iframe src=//www.c.com></iframe><body background=http:/"
	"/d.com/b>",
	"//b.com/s.js http:////b.com/s.js http://a.com/i.gif http://d"
	".com/b http://www.c.com"},
    {"form",
	"<form action=\"http://a.com/f\"><form action=mailto:x@b.com>",
	"http://a.com/f mailto:x@b.com"},
    {"base",
	"<base href=http://a.com/d/index.html><a href=x.html>x</a><a "
	"href=../y>y</a><a href=/z>z</a><a href=?q>q</a>",
	"../y /z ?q http://../y http:///y http://a.com/d/?q http://a."
	"com/d/index.html http://a.com/d/x.html http://a.com/y http:/"
	"/a.com/z http://x.html x.html"},
    {"refresh",
	"<meta http-equiv=refresh content='0; url=http://a.com/; x'>",
	"http://a.com/"},
    {"mail in an anchor",
	"<a href=\"mailto:%20bob@a.com?subject=x&amp;y=z\">x</a>",
	"mailto:%20bob@a.com mailto:%20bob@a.com?subject=x&y=z mailto"
	":bob@a.com"},
    {"references in an address",
	"<a href=http://a.com/?x=1&amp;y=2&copy=3>x</a>",
	"http://a.com/?x=1&y=2\251=3"},
    {"no address",
	"<a name=x>y</a><a href=#z>z</a><a href=''>e</a><a href=x>f</"
	"a>",
	"#z x"},
    {"path of dots",
	"<a href='http://a.com/b/../c/./d/..'>x</a>",
	"http://a.com/b/../c/./d/.. http://a.com/c/"},
    {"unclosed quote of an anchor",
	"<a href='http://a.com/x>y</a> http://b.com/",
	""},
    {"attribute behind a slash",
	"<a class/href=http://a.com/>x</a>",
	"http://a.com/"},
    {"javascript",
	"<a href=\"javascript:open('http://a.com/')\">x</a>",
	"javascript:open('http://a.com/')"},
    {"safe redirect",
	"<a href=http://a.com/ data-saferedirecturl=http://b.com/>x</"
	"a>",
	"http://a.com/ http://b.com/"},
};

static int
open_list(void **state)
{
	struct errmsg msg;
	struct pslist *list;

	if (pslist_open(NULL, &list, &msg) != 0)
		return -1;
	*state = list;
	return 0;
}

static int
close_list(void **state)
{
	pslist_free(*state);
	return 0;
}

static void
check(const struct row *row, const char *head, const struct pslist *tlds)
{
	struct buf mail = BUF_INIT, b = BUF_INIT;

	buf_str(&mail, head);
	buf_str(&mail, row->text);
	buf_str(&mail, "\n");
	mime_view_text(&b, mail.data, mail.len, MIME_URI, tlds, " ", true);
	if (strcmp(buf_text(&b), row->uris) != 0)
		fail_msg("%s: got %s, wanted %s", row->name, buf_text(&b),
		    row->uris);
	buf_fini(&mail);
	buf_fini(&b);
}

static void
finds_in_text(void **state)
{
	for (size_t i = 0; i < sizeof(in_text) / sizeof(*in_text); i++)
		check(&in_text[i], "Subject: s\n\n", *state);
}

static void
finds_in_html(void **state)
{
	for (size_t i = 0; i < sizeof(in_html) / sizeof(*in_html); i++)
		check(&in_html[i], "Content-Type: text/html\n\n", *state);
}

static bool
to_example(void *ctx, const char *uri, size_t len, const char **to_r,
    size_t *to_len_r)
{
	(void)ctx;
	if (len < 14 || memcmp(uri, "http://r.com/?", 14) != 0)
		return false;
	*to_r = uri + 14;
	*to_len_r = len - 14;
	return true;
}

static void
follows_redirectors(void **state)
{
	struct arena a;
	struct uri_set set, seen;
	struct uri_clean c = {
	    .set = &set, .tlds = *state, .redirect = to_example};
	static const char text[] = "x http://r.com/?b.com y";

	arena_init(&a);
	uri_set_init(&set, &a, 10);
	uri_set_init(&seen, &a, 10);
	uri_find(&c, &seen, text, strlen(text));
	assert_int_equal(set.view.count, 3);
	assert_string_equal(set.view.pieces[1].text, "b.com");
	assert_string_equal(set.view.pieces[2].text, "http://b.com");
	arena_fini(&a);
}

static void
keeps_no_more_than_asked(void **state)
{
	struct buf b = BUF_INIT;
	struct arena a;
	struct uri_set set, seen;
	struct uri_clean c = {.set = &set, .tlds = *state};

	for (int i = 0; i < 5000; i++)
		buf_printf(&b, "http://h%d.example.com/ ", i);
	arena_init(&a);
	uri_set_init(&set, &a, 3000);
	uri_set_init(&seen, &a, 3000);
	uri_find(&c, &seen, b.data, b.len);
	assert_int_equal(set.view.count, 3000);
	arena_fini(&a);
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_in_text),
	    cmocka_unit_test(finds_in_html),
	    cmocka_unit_test(follows_redirectors),
	    cmocka_unit_test(keeps_no_more_than_asked),
	};

	return cmocka_run_group_tests(tests, open_list, close_list);
}
