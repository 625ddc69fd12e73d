/*
 * Rules of SpamAssassin's plugins FreeMail and MIMEHeader.  What hits was
 * recorded from SpamAssassin 4.0.1, but for `!~` (see there).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/hdr.h"
#include "lib/message.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_freemail_text.h"
#include "t/support/test.h"

struct mail {
	struct arena arena;
	struct hdr_list headers;
	struct rules_input in;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	assert_int_equal(hdr_add(&m->headers, &m->arena, name, name_len, value,
			     value_len),
	    0);
}

/* The hits as `NAME NAME=2`. */
static void
expect(const char *rules_text, const char *message, const char *want)
{
	static const struct rules_setup setup = {.source = "t.cf"};
	struct mail m = {.headers = {0}};
	struct rules_result result;
	struct buf b = BUF_INIT;
	struct rules *rules;
	size_t body;

	assert_int_equal(
	    rules_load_text(rules_text, strlen(rules_text), &setup, &rules), 0);
	arena_init(&m.arena);
	body = message_split(message, strlen(message), on_field, &m);
	m.in = (struct rules_input){.arena = &m.arena,
	    .headers = &m.headers,
	    .body = message + body,
	    .body_len = strlen(message) - body};
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	buf_str(&b, "");
	for (const struct rules_hit *h = result.hits; h; h = h->next) {
		buf_printf(&b, "%s%s", b.len > 0 ? " " : "", h->name);
		if (h->value != 1)
			buf_printf(&b, "=%g", h->value);
	}
	if (strcmp(b.len > 0 ? buf_text(&b) : "", want) != 0)
		fail_msg("%s\n%s\ngot %s, want %s", rules_text, message,
		    b.len > 0 ? buf_text(&b) : "nothing", want);
	buf_fini(&b);
	arena_fini(&m.arena);
	rules_free(rules);
}

#define FREEMAIL                                                               \
	"freemail_domains gmail.com yahoo.* yahoo.co.?? *.att.ne.jp Wl.example\n" \
	"freemail_welcomelist wl.example Ok@gmail.com\n"                       \
	"header FROM eval:check_freemail_from()\n"                             \
	"header DIGIT eval:check_freemail_header('EnvelopeFrom', '\\d@')\n"    \
	"header HRT eval:check_freemail_header('Reply-To')\n"                  \
	"header TO eval:check_freemail_replyto('replyto')\n"                   \
	"header REPLY eval:check_freemail_replyto('reply')\n"                  \
	"header BODY eval:check_freemail_body()\n"

static void
freemail_addresses_in_fields_are_known(void **state)
{
	static const char *const cases[][2] = {
	    {"u@gmail.com", "FROM"},
	    {"u@GMAIL.com", "FROM"},
	    {"u@yahoo.de", "FROM"},
	    {"u@yahoo.co.uk", "FROM"},
	    {"u@yahoo.co.abc", ""},
	    {"u@yahoo.com.br", ""},
	    {"u@sub.gmail.com", ""},
	    {"u@x.att.ne.jp", "FROM"},
	    {"u@x.y.att.ne.jp", ""},
	    {"u@att.ne.jp", ""},
	    {"u@wl.example", ""},
	    {"OK@gmail.com", ""},
	    {"sales@gmail.com", ""},
	    {"webmaster@gmail.com", "FROM"},
	    {"undisclosedx@gmail.com", ""},
	    {"info1@gmail.com", "FROM"},
	    {"a=b@gmail.com", "FROM"},
	    {"a=b=c@gmail.com", ""},
	    {"a==b@gmail.com", "FROM"},
	    {"0123abcd.0123abcd@gmail.com", ""},
	    {"a@example.com, b@gmail.com", "FROM"},
	    {"\"x@gmail.com\" <a@example.com>", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "From: %s\n\nhello\n", cases[i][0]);
		expect(FREEMAIL, buf_text(&b), cases[i][1]);
		buf_fini(&b);
	}
	expect(FREEMAIL, "Return-Path: <U7@GMAIL.com>\nFrom: a@b.example\n\n",
	    "FROM DIGIT");
	expect("freemail_domains a.b\nunfreemail_domains A.b\n"
	       "header A eval:check_freemail_from()\n",
	    "From: x@a.b\n\n", "");
	expect("freemail_domains a.b\nfreemail_import_welcomelist_auth 1\n"
	       "welcomelist_auth *@a.b\nscore USER_IN_DKIM_WELCOMELIST 0\n"
	       "header A eval:check_freemail_from()\n",
	    "From: x@a.b\n\n", "");
}

/* From, Reply-To, envelope, body. */
static void
freemail_answers_go_elsewhere(void **state)
{
	static const struct {
		const char *from, *to, *envelope, *body, *hits;
	} cases[] = {
	    {"f@gmail.com", "g@gmail.com", "", "", "FROM HRT TO REPLY"},
	    {"f@gmail.com", "F@gmail.com", "", "", "FROM HRT"},
	    {"f@gmail.com", "g@b.example", "", "", "FROM"},
	    {"a@b.example", "g@gmail.com", "", "", "HRT"},
	    {"a@b.example", "g@gmail.com", "", "h@gmail.com", "HRT TO BODY"},
	    {"a@b.example", "g@gmail.com", "", "g@gmail.com", "HRT BODY"},
	    {"f@gmail.com", "", "", "h@gmail.com", "FROM REPLY BODY"},
	    {"f@gmail.com", "", "", "f@gmail.com", "FROM BODY"},
	    {"a@b.example", "", "", "h@gmail.com", "BODY"},
	    {"f@gmail.com", "f@gmail.com", "", "h@gmail.com",
		"FROM HRT TO REPLY BODY"},
	    {"f@gmail.com", "g@b.example", "", "h@gmail.com", "FROM BODY"},
	    {"f@gmail.com", "", "", "info@gmail.com", "FROM"},
	    {"f@gmail.com", "g@gmail.com", "x-bounces@x.example", "",
		"FROM HRT"},
	    {"f@gmail.com", "g@gmail.com", "bounces-x@x.example", "",
		"FROM HRT TO REPLY"},
	    {"f@gmail.com", "g@gmail.com", "x.do.noreply@x.example", "",
		"FROM HRT"},
	    {"f@gmail.com", "g@gmail.com", "no-reply@x.example", "",
		"FROM HRT TO REPLY"},
	    {"f@gmail.com", "g@gmail.com", "x=y@x.example", "", "FROM HRT"},
	    {"f@gmail.com", "g@gmail.com", "=x@x.example", "",
		"FROM HRT TO REPLY"},
	    /* So many are a list of people. */
	    {"f@gmail.com", "", "", "a@gmail.com b@gmail.com",
		"FROM REPLY BODY"},
	    {"f@gmail.com", "", "", "a@gmail.com b@gmail.com c@gmail.com",
		"FROM"},
	    {"f@gmail.com", "", "",
		"a@a.com b@a.com c@a.com h@gmail.com h@gmail.com",
		"FROM REPLY BODY"},
	    {"f@gmail.com", "", "",
		"a@a.com b@a.com c@a.com d@a.com h@gmail.com", "FROM"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		if (cases[i].envelope[0] != '\0')
			buf_printf(
			    &b, "Return-Path: <%s>\n", cases[i].envelope);
		buf_printf(&b, "From: %s\n", cases[i].from);
		if (cases[i].to[0] != '\0')
			buf_printf(&b, "Reply-To: %s\n", cases[i].to);
		buf_printf(&b, "\n%s\n", cases[i].body);
		expect(FREEMAIL, buf_text(&b), cases[i].hits);
		buf_fini(&b);
	}
}

static void
add_email(void *ctx, const char *text, size_t len, bool cited)
{
	struct buf *b = ctx;

	if (!cited)
		buf_printf(
		    b, "%s%.*s", b->len > 0 ? " " : "", (int)len, text);
}

static void
addresses_in_text_are_found(void **state)
{
	static const char *const cases[][2] = {
	    {"mailto:q@gmail.com", "q@gmail.com"},
	    {"<q@gmail.com>", ""},
	    {"<mailto:q@gmail.com>", "q@gmail.com"},
	    {"mailto:<q@gmail.com>", ""},
	    {"<q@gmail.com x", "q@gmail.com"},
	    {"q@gmail.com wrote:", ""},
	    {"q@gmail.com fax:", "q@gmail.com"},
	    {"q@gmail.com   e-mail:", "q@gmail.com"},
	    {"q@gmail.com a:", "q@gmail.com"},
	    {"q@gmail.com abcdefghijk:", ""},
	    {"q@gmail.com abcdefghijkl:", "q@gmail.com"},
	    {"mailto:q@gmail.com wrote:", "q@gmail.com"},
	    {"http://x.com/?e=q@gmail.com z", ""},
	    {"http://x.com/?e=q%40gmail.com,q@b.com z", ""},
	    {"www.x.com/,q@gmail.com", "q@gmail.com"},
	    {".q@gmail.com", "q@gmail.com"},
	    {"x..q@gmail.com", "q@gmail.com"},
	    {"a.b.q@gmail.com", "a.b.q@gmail.com"},
	    {"x@q@gmail.com", "q@gmail.com"},
	    {"q@gmail.com@x", "q@gmail.com"},
	    {"q@gmail.com..", "q@gmail.com"},
	    {"q@gmail.com.9", "q@gmail.com.9"},
	    {"q@gmail.com-", ""},
	    {"q@gmail.com_foo", "q@gmail.com"},
	    {"q@-gmail.com", ""},
	    {"q@a.b.c.d.gmail.com", ""},
	    {"a@b.com;c@d.com", "a@b.com c@d.com"},
	    {"@", ""},
	    {"a@", ""},
	    {"@a.b", ""},
	};
	char text[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		buf_str(&b, "");
		freemail_text(
		    NULL, cases[i][0], strlen(cases[i][0]), add_email, &b);
		if (strcmp(b.len > 0 ? buf_text(&b) : "", cases[i][1]) != 0)
			fail_msg("%s: got %s", cases[i][0],
			    b.len > 0 ? buf_text(&b) : "nothing");
		buf_fini(&b);
	}
	for (size_t n = 64; n <= 65; n++) {
		struct buf b = BUF_INIT;

		memset(text, 'x', n);
		memcpy(text + n, "@gmail.com", 11);
		freemail_text(NULL, text, n + 10, add_email, &b);
		assert_int_equal(b.len, n == 64 ? n + 10 : 0);
		buf_fini(&b);
	}
	expect(FREEMAIL,
	    "From: f@gmail.com\nContent-Type: text/html\n\n"
	    "<a href=\"MAILTO:q@gmail.com?subject=x\">write</a>\n",
	    "FROM REPLY BODY");
	expect(FREEMAIL,
	    "From: f@gmail.com\nContent-Type: text/html\n\n"
	    "<a href=\"mailto:r@gmail.com\">&lt;r@gmail.com&gt;</a>"
	    "<area href=\"mailto:q@gmail.com\">"
	    "<a href=\"mailto:q%40gmail.com\">write</a>\n",
	    "FROM");
}

#define PARTS                                                                  \
	"From: x <a@b.com>\n"                                                  \
	"Content-Type: multipart/mixed; boundary=b\n"                          \
	"X-Twice: one\nX-Spam-Foo: y\n"                                        \
	"\n--b\n"                                                              \
	"Content-Type: text/plain;\n\tx=y\n"                                   \
	"Content-Description: =?utf-8?Q?caf=C3=A9?=\n"                         \
	"\nhello\n--b\n"                                                       \
	"Content-Type: message/rfc822\n"                                       \
	"\nSubject: inner\nContent-Type: image/gif\nX-Spam-Foo: z\n\ny\n--b\n" \
	"Content-Type: image/png\n"                                            \
	"X-Twice: one\nX-Twice: two\n"                                         \
	"\nxx\n--b--\n"

static void
mimeheader_rules_look_at_each_part(void **state)
{
	static const char *const cases[][2] = {
	    {"Content-Type =~ /./\ntflags A multiple", "A=27"},
	    {"Content-Type =~ /./\ntflags A multiple range=2-", "A=15"},
	    {"Content-Type =~ /./\ntflags A multiple range=-3 maxhits=2",
		"A=2"},
	    {"Content-Type =~ /t/\ntflags A multiple concat range=2-", "A=2"},
	    {"Content-Type =~ /png/\ntflags A range=4", ""},
	    {"Content-Type =~ /gif/\ntflags A range=4", "A"},
	    {"Content-Type =~ /png/\ntflags A range=5", "A"},
	    {"Content-Type =~ /png/\ntflags A range=6", ""},
	    {"Content-Type =~ /x/\ntflags A range=0", ""},
	    {"content-type:raw =~ /^text\\/plain;\\n\\tx=y\\n\\z/", "A"},
	    {"Content-Type =~ /^text\\/plain; x=y\\n\\z/", "A"},
	    {"Content-Type =~ /^multi.*\\ntext.*\\nmess.*\\nimage.*\\n/\n"
	     "tflags A concat",
		"A"},
	    {"Content-Description =~ /^caf\xc3\xa9$/", "A"},
	    {"X-Twice =~ /^two/", "A"},
	    {"X-Twice =~ /one\\ntwo/", ""},
	    {"X-Twice =~ /./\ntflags A multiple", "A=3"},
	    {"X-Nothing =~ /^$/", "A"},
	    {"X-Nothing =~ /^unset$/ [if-unset: unset]", "A"},
	    {"X-Nothing =~ /^(unset\\n){5}\\z/ [if-unset: unset]\n"
	     "tflags A concat",
		"A"},
	    {"ALL =~ /Type: image.png\\nX-Twice: one\\nX-Twice: two\\n/", "A"},
	    {"X-Spam-Foo =~ /y/", ""},
	    {"X-Spam-Foo =~ /z/", "A"},
	    /* SpamAssassin's always hits. */
	    {"Content-Type !~ /png/", ""},
	    {"Content-Type !~ /jpeg/", "A"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "mimeheader A %s\n", cases[i][0]);
		expect(buf_text(&b), PARTS, cases[i][1]);
		buf_fini(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(freemail_addresses_in_fields_are_known),
	    cmocka_unit_test(freemail_answers_go_elsewhere),
	    cmocka_unit_test(addresses_in_text_are_found),
	    cmocka_unit_test(mimeheader_rules_look_at_each_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
