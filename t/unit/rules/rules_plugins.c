/*
 * Rules of SpamAssassin's plugins FreeMail and MIMEHeader, and eval: functions
 * of HeaderEval, RelayEval and WLBLEval.  What hits was recorded from SpamAssassin 4.0.1, but for `!~` (see there).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/pslist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_freemail_text.h"
#include "t/support/drivers/test.h"

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
	struct pslist *tlds;
	struct errmsg msg;
	size_t body;

	assert_int_equal(pslist_open(NULL, &tlds, &msg), 0);
	assert_int_equal(
	    rules_new_text(rules_text, strlen(rules_text), &setup, &rules), 0);
	arena_init(&m.arena);
	body = message_split(message, strlen(message), on_field, &m);
	m.in = (struct rules_input){.arena = &m.arena,
	    .headers = &m.headers,
	    .tlds = tlds,
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
	pslist_free(tlds);
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

/* -- senders, relays, Message-IDs -- */

struct mail_case {
	const char *mail, *hits;
};

#define EXPECT_ALL(rules_text, cases)                                          \
	for (size_t i = 0; i < sizeof(cases) / sizeof(*(cases)); i++)          \
	expect(rules_text, (cases)[i].mail, (cases)[i].hits)

static void
domains_of_senders_are_compared(void **state)
{
	static const struct mail_case cases[] = {
	    {"Return-Path: <a@x.foo.com>\nFrom: a@y.FOO.com\n\n", ""},
	    {"Return-Path: <a@foo.com>\nFrom: a@bar.com\n\n", "A"},
	    {"Return-Path: <a@foo.co.uk>\nFrom: a@bar.co.uk\n\n", ""},
	    {"Return-Path: <>\nFrom: a@bar.com\n\n", ""},
	    {"Return-Path: <a@foo.com>\nFrom:\n\n", ""},
	    {"Return-Path: <a@foo.com>\nFrom: a@bar.com, b@foo.com\n\n",
		"A"},
	    {"Return-Path: <a@foo.com>\nFrom: a@foo.com, b@bar.com\n\n", ""},
	    {"Return-Path: <a@localhost>\nFrom: a@foo.com\n\n", "A"},
	};

	(void)state;
	EXPECT_ALL("header A eval:check_equal_from_domains()\n", cases);
}

#define ID "ILEHJNJFPDLMDEKNIAKCGEODCAAA"
#define ID_FROM "From: \"N\" <u.r@foo.org>\n"

static void
message_ids_with_the_address_are_known(void **state)
{
	static const struct mail_case cases[] = {
	    {ID_FROM "Message-ID: <" ID ".u.r@foo.org>\n\n", "A"},
	    {ID_FROM "X-Message-ID: x <" ID ".u.r@foo.org> y\n\n", "A"},
	    {ID_FROM "Message-ID: <A" ID ".u.r@foo.org>\n\n", ""},
	    {ID_FROM "Message-ID: <0" ID ".u.r@foo.org>\n\n", ""},
	    {ID_FROM "Message-ID: <" ID "$u.r@foo.org>\n\n", ""},
	    {ID_FROM "Message-ID: <" ID ".u.r@FOO.org>\n\n", ""},
	    {ID_FROM "Message-ID: <" ID ".u.r@foo.orgx>\n\n", ""},
	    {ID_FROM "Message-ID: <" ID ".u.r@foo.org", ""},
	    {"From: \"N\"<a@b.c>\nMessage-ID: <" ID ".a@b.c>\n\n", "A"},
	    {"From: \"M\" <x@y.z>, \"N\" <a@b.c>\n"
	     "Message-ID: <" ID ".a@b.c>\n\n",
		"A"},
	    {"From: N <a@b.c>\nMessage-ID: <" ID ".a@b.c>\n\n", ""},
	    {"From: \"\" <a@b.c>\nMessage-ID: <" ID ".a@b.c>\n\n", ""},
	    {"From: a@b.c\nMessage-ID: <" ID ".a@b.c>\n\n", ""},
	};

	(void)state;
	EXPECT_ALL("header A eval:check_ratware_name_id()\n", cases);
}

#define ENV(env, to) "Return-Path: <" env ">\nTo: " to "\n\n"

static void
senders_made_of_the_recipient_are_known(void **state)
{
	static const struct mail_case cases[] = {
	    {ENV("me.org.bob@x.com", "\"x\" <BOB@a.me.org>"), "A"},
	    {ENV("x-me.org=bob@x.com", "bob@me.org, a@b.com"), "A"},
	    {ENV("me.orgxbob@x.com", "bob@me.org"), "A"},
	    {ENV("xme.org.bob@x.com", "bob@me.org"), ""},
	    {ENV("me.org.bobx@x.com", "bob@me.org"), ""},
	    {ENV("me.org..bob@x.com", "bob@me.org"), ""},
	    {ENV("me.orgbob@x.com", "bob@me.org"), ""},
	    {ENV("mexorg.bob@x.com", "bob@me.org"), ""},
	    {ENV("bob.me.org@x.com", "bob@me.org"), ""},
	    {ENV("me.org.bob@x.com", "a@b.com, bob@me.org"), ""},
	    {ENV("foo.co.uk.bob@x.com", "bob@a.foo.co.uk"), "A"},
	    {ENV("co.uk.bob@x.com", "bob@a.foo.co.uk"), ""},
	};

	(void)state;
	EXPECT_ALL("header A eval:check_ratware_envelope_from()\n", cases);
}

#define HOP(name, ip, by)                                                      \
	"Received: from " name " (" name " [" ip "]) by " by                   \
	" (Postfix) with ESMTP id A1; Thu, 22 Aug 2002 07:36:16 -0400\n"

static void
relays_of_the_sender_are_known(void **state)
{
	static const struct mail_case cases[] = {
	    {"Return-Path: <a@x.foo.com>\n" HOP(
		 "mail.FOO.com", "8.1.1.1", "mx.here.org") "\n",
		"A"},
	    {"Return-Path: <a@xfoo.com>\n" HOP(
		 "mail.foo.com", "8.1.1.1", "mx.here.org") "\n",
		""},
	    {"Return-Path: <a@foo.co.uk>\n" HOP(
		 "mail.bar.co.uk", "8.1.1.1", "mx.here.org") "\n",
		""},
	    {"Return-Path: <a@co.uk>\n" HOP(
		 "mail.foo.co.uk", "8.1.1.1", "mx.here.org") "\n",
		""},
	    /* The first that is not trusted counts. */
	    {"Return-Path: <a@foo.com>\n" HOP(
		 "m.bar.com", "8.1.1.1", "mx.here.org")
		 HOP("m.foo.com", "8.1.1.2", "m.bar.com") "\n",
		""},
	    {"Return-Path: <a@foo.com>\n" HOP(
		 "m.bar.com", "10.1.1.1", "mx.here.org")
		 HOP("m.foo.com", "8.1.1.2", "m.bar.com") "\n",
		"A"},
	    {"Return-Path: <a@foo.com>\n" HOP(
		 "m.bar.com", "10.1.1.1", "mx.here.org")
		 HOP("m.foo.com", "10.1.1.2", "m.bar.com") "\n",
		"A"},
	    {"Return-Path: <a@foo.com>\n" HOP("m.foo.com", "8.1.1.2",
		 "x.y.org") "Return-Path: <a@foo.com>\n\n",
		""},
	    {"Return-Path: <>\n" HOP("m.foo.com", "8.1.1.2", "x.y.org") "\n",
		""},
	};

	(void)state;
	EXPECT_ALL("header A eval:check_mailfrom_matches_rcvd()\n", cases);
}

#define TRAIL(name, ip, by)                                                    \
	HOP("a.one.com", "8.1.1.1", "mx.here.org")                             \
	HOP(name, ip, "c.three.com")                                           \
	HOP("d.four.com", "8.1.1.3", by) "\n"

static void
trails_with_gaps_are_forged(void **state)
{
	static const struct mail_case cases[] = {
	    {TRAIL("b.two.com", "8.1.1.2", "e.five.com"), "A"},
	    {TRAIL("b.two.com", "8.1.1.2", "e.TWO.com"), ""},
	    {TRAIL("b.two.com", "8.1.1.2", "five"), ""},
	    {TRAIL("two", "8.1.1.2", "e.five.com"), ""},
	    {TRAIL("foo.localdomain", "127.0.0.1", "e.five.com"), "A"},
	    {TRAIL("localhost.localdomain", "127.0.0.1", "e.five.com"), ""},
	    {TRAIL("localhost.localdomain", "8.1.1.2", "e.five.com"), "A"},
	    {TRAIL("a.two.nu", "8.1.1.2", "b.two.nu"), "A"},
	    {TRAIL("x.a.two.nu", "8.1.1.2", "y.a.two.nu"), ""},
	    {TRAIL("a.two.de", "8.1.1.2", "b.two.de"), ""},
	    {TRAIL("a.two.info", "8.1.1.2", "b.two.info"), ""},
	};

	(void)state;
	EXPECT_ALL("header A eval:check_for_forged_received_trail()\n", cases);
}

/* -- lists with names -- */

static void
lists_have_names(void **state)
{
	static const char rules[] =
	    "enlist_addrlist (L) x@l.example *@listed.example\n"
	    "enlist_addrlist (low) *@listed.example\n"
	    "enlist_addrlist (welcomelist_from) *@wl.example\n"
	    "header FROM eval:check_from_in_list('L')\n"
	    "header REPLY eval:check_replyto_in_list('L')\n"
	    "header TO eval:check_to_in_list('L')\n"
	    "header CASE eval:check_from_in_list('LOW')\n"
	    "enlist_addrlist (whitelist_from) *@old.example\n"
	    "header WELCOME eval:check_from_in_welcomelist()\n"
	    "score USER_IN_WELCOMELIST 0\n";
	static const struct mail_case cases[] = {
	    {"From: A@LISTED.example\n\n", "FROM"},
	    {"From: b@c.example, x@l.example\n\n", "FROM"},
	    {"From: a@x.listed.example\n\n", ""},
	    {"Return-Path: <a@listed.example>\n\n", "FROM"},
	    {"Resent-From: a@listed.example\n\n", "FROM"},
	    {"Resent-From: a@b.example\nFrom: a@listed.example\n\n", ""},
	    {"Reply-To: a@listed.example\n\n", "REPLY"},
	    {"Reply-To: b@c.example, a@listed.example\n\n", ""},
	    {"To: b@c.example\nCc: a@listed.example\n\n", "TO"},
	    {"From: a@wl.example\n\n", "WELCOME"},
	    {"From: a@old.example\n\n", ""},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

#define HTML "Content-Type: text/html\n\n"

static void
hosts_of_addresses_are_listed(void **state)
{
	static const char rules[] =
	    "enlist_uri_host (B) !ok.bad.com bad.com 192.0.2.9 gone.com\n"
	    "delist_uri_host (B) !gone.com\n"
	    "enlist_uri_host (b2) bad.com off.com\n"
	    "delist_uri_host off.com\n"
	    "blacklist_uri_host block.com\nwelcomelist_uri_host well.com\n"
	    "header B eval:check_uri_host_listed('B')\n"
	    "header B2 eval:check_uri_host_listed('B2')\n"
	    "header OFF eval:check_uri_host_listed('b2')\n"
	    "body BLOCK eval:check_uri_host_in_blacklist()\n"
	    "body WELL eval:check_uri_host_in_welcomelist()\n";
	static const struct mail_case cases[] = {
	    {"\nhttp://bad.com/x\n", "B OFF"},
	    {"\nftp://u@x.BAD.com:80\n", "B OFF"},
	    {"\nhttp://b%61d.com./\n", "B OFF"},
	    {"\nhttp://other.com/?u=http://bad.com/\n", "B OFF"},
	    {"\nwww.bad.com\n", "B OFF"},
	    {"\nhttp://ok.bad.com/\n", "OFF"},
	    {"\nhttp://y.ok.bad.com/\n", "OFF"},
	    {"\nhttp://192.0.2.9/\n", "B"},
	    {"\nhttp://xbad.com http://bad.com.org http://off.com\n", ""},
	    {"\nhttp://a_b.bad.com\n", "B OFF"},
	    {HTML "<a href='http://-a.bad.com/'>x</a>\n", ""},
	    {HTML "<a href='http://a=b.bad.com/'>x</a>\n", ""},
	    {HTML "<a href='http://bad.com:x/'>x</a>\n", ""},
	    {HTML "<a href='http://bad/'>x</a>\n", "B OFF"},
	    {"\nhttp://gone.com/ q@bad.com mailto:q@bad.com\n", ""},
	    {"Subject: http://block.com/\n\n", "BLOCK"},
	    {HTML "<img src='http://well.com'>\n", "WELL"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

static void
fields_are_counted_and_have_odd_octets(void **state)
{
	static const char rules[] =
	    "header COUNT eval:check_header_count_range('X-A','2','3')\n"
	    "header ILL eval:check_illegal_chars('Subject','0.1','2')\n"
	    "header ILLF eval:check_illegal_chars('From','0.0','1')\n"
	    "header TEMPL eval:check_unresolved_template()\n";
	static const struct mail_case cases[] = {
	    {"X-A: 1\nX-A: 2\n\n", "COUNT"},
	    {"X-A: 1\nX-A: 1\n\n", ""},
	    {"X-A: 1\nX-A: 2\nX-A: 3\nX-A: 3\n\n", "COUNT"},
	    {"X-A: 1\nX-A: 2\nX-A: 3\nX-A: 4\n\n", ""},
	    {"Subject: a\xe9\xe8" "b\n\n", "ILL"},
	    {"Subject: \xc3\xa9\xc3\xa8\n\n", ""},
	    {"Subject: ab\xa3\xff\n\n", ""},
	    {"Subject: ab\xa3\xff\xfe\n\n", "ILL"},
	    {"Subject: ab\x01\x02\n\n", "ILL"},
	    {"From: \xff <a@b.example>\n\n", "ILLF"},
	    {"X-A: a %RND_B c\n\n", "TEMPL"},
	    {"X-A: a %R c\n\n", ""},
	    {"X-A: a %RB\n\n", "TEMPL"},
	    {"References: a %RND_B c\n\n", ""},
	    {"X-A: 100%R-x\n\n", "TEMPL"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

static void
subjects_in_capitals_or_with_the_recipient(void **state)
{
	static const char rules[] =
	    "header CAPS eval:subject_is_all_caps()\n"
	    "header TOSUBJ eval:check_for_to_in_subject('user')\n"
	    "header TOADDR eval:check_for_to_in_subject('address')\n";
	static const struct mail_case cases[] = {
	    {"Subject: BUY CHEAP PILLS\n\n", "CAPS"},
	    {"Subject: Re: FW: BUY CHEAP PILLS\n\n", "CAPS"},
	    {"Subject: FW: Re: BUY CHEAP PILLS\n\n", "CAPS"},
	    {"Subject: Re:BUY CHEAP PILLS\n\n", "CAPS"},
	    {"Subject: BUYCHEAPPILLS\n\n", ""},
	    {"Subject: BUY IT\n\n", ""},
	    {"Subject: BUY CHEAP PILLS now\n\n", ""},
	    {"Subject: =?koi8-r?Q?BUY_CHEAP_PILLS?=\n\n", ""},
	    {"Subject: =?utf-8?Q?BUY_CHEAP_PILLS?=\n\n", "CAPS"},
	    {"To: bob@y.example\nSubject: bob\n\n", "TOSUBJ"},
	    {"To: bob@y.example\nSubject: bob, look\n\n", "TOSUBJ"},
	    {"To: bob@y.example\nSubject: Bob, look\n\n", ""},
	    {"To: bob@y.example\nSubject: bobby, look\n\n", ""},
	    {"To: bob@y.example\nSubject: bob,look\n\n", ""},
	    {"To: bob@y.example\nSubject: Re: bob\n\n", "TOSUBJ"},
	    {"To: bob@y.example\nSubject: Fw:  BOB\n\n", "TOSUBJ"},
	    {"To: bob@y.example\nSubject: Re: bob, look\n\n", ""},
	    {"To: bob@y.example\nSubject: for bob@y.example "
	     "only\n\n",
		"TOADDR"},
	    {"To: bob@y.example\nSubject: for BOB@Y.example\n\n", "TOADDR"},
	    {"To: bob@y.example\nSubject: jbob@y.example\n\n", ""},
	    {"To: bob@y.example\nSubject: bob@y.examples\n\n", ""},
	    {"To: bob@y.example\nSubject: (bob@y.example)\n\n", "TOADDR"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

static void
senders_are_compared_and_gmail_is_known(void **state)
{
	static const char rules[] =
	    "header MATCH eval:check_for_matching_env_and_hdr_from()\n"
	    "header GMAIL eval:check_for_forged_gmail_received_headers()\n";
	static const struct mail_case cases[] = {
	    {"Return-Path: <a@b.example>\nFrom: A <A@b.example>\n\n", "MATCH"},
	    {"Return-Path: <c@b.example>\nFrom: A <a@b.example>\n\n", ""},
	    {"From: a@gmail.com\n\n", "GMAIL"},
	    {"From: a@gmail.com\nX-Received: by 10.1.2.3 with SMTP id "
	     "x\n\n",
		""},
	    {"From: a@xgmail.com\n\n", ""},
	    {"From: a@mail.gmail.com\n\n", "GMAIL"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

static void
recipients_are_sorted_or_similar(void **state)
{
	static const char rules[] =
	    "header SORTED eval:sorted_recipients()\n"
	    "header SIMIL eval:similar_recipients('0.65','undef')\n"
	    "header SOME eval:similar_recipients('0.2','0.65')\n"
	    "header NOTO eval:check_for_missing_to_header()\n";
	static const struct mail_case cases[] = {
	    {"To: a@y.example, b@y.example, c@y.example, d@y.example, "
	     "e@y.example\n\n",
		""},
	    {"To: a@y.example, c@y.example, b@y.example, d@y.example, "
	     "e@y.example, f@y.example, g@y.example\n\n",
		""},
	    {"To: aa@y.example, ab@y.example, ac@y.example, ad@y.example, "
	     "ae@y.example, af@y.example, ag@y.example\n\n",
		"SORTED"},
	    {"To: bob1@y.example, bob2@y.example, bob3@y.example, "
	     "bob4@z.example, bob5@y.example\n\n",
		"SIMIL"},
	    {"To: bob1@a.example, al@b.example, cy@c.example, di@d.example, "
	     "ed@e.example\n\n",
		""},
	    {"To: bob1@a.example, bob2@b.example, cy@c.example, "
	     "di@d.example, ed@e.example\n\n",
		""},
	    {"Cc: a@y.example, b@y.example, c@y.example\nBcc: d@y.example, "
	     "e@y.example, f@y.example\n\n",
		"NOTO"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

static void
relays_are_counted_and_say_who_they_are(void **state)
{
	static const char rules[] =
	    "header NORELAY eval:check_no_relays()\n"
	    "header ALLTR eval:check_all_trusted()\n"
	    "header UNPARS eval:check_relays_unparseable()\n"
	    "header HELOIP eval:helo_ip_mismatch()\n"
	    "header NUMHELO eval:check_for_numeric_helo()\n";
	static const struct mail_case cases[] = {
	    {"Received: from 198.51.100.7 (h.example [198.51.100.9]) by "
	     "y.example (Postfix) with SMTP id 1\n\n",
		"NUMHELO"},
	    {"Received: from 198.51.100.7 (h.example [203.0.113.9]) by "
	     "y.example (Postfix) with SMTP id 1\n\n",
		"HELOIP NUMHELO"},
	    {"Received: from 8.8.8.7 (h.example [9.9.9.9]) by y.example "
	     "(Postfix) with SMTP id 1\n\n",
		"HELOIP NUMHELO"},
	    {"Received: from 8.8.8.7 (h.example [8.8.8.9]) by y.example "
	     "(Postfix) with SMTP id 1\n\n",
		"NUMHELO"},
	    {"Received: from h.example (h.example [9.9.9.9]) by y.example "
	     "(Postfix) with SMTP id 1\n\n",
		""},
	    {"Received: nonsense that nobody reads\n\n", "NORELAY"},
	    {"Received: from local (h.example [127.0.0.1]) by y.example "
	     "(Postfix) with SMTP id 1\n\n",
		"ALLTR"},
	    {"Subject: x\n\n", "NORELAY"},
	};

	(void)state;
	EXPECT_ALL(rules, cases);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(freemail_addresses_in_fields_are_known),
	    cmocka_unit_test(freemail_answers_go_elsewhere),
	    cmocka_unit_test(addresses_in_text_are_found),
	    cmocka_unit_test(mimeheader_rules_look_at_each_part),
	    cmocka_unit_test(domains_of_senders_are_compared),
	    cmocka_unit_test(message_ids_with_the_address_are_known),
	    cmocka_unit_test(senders_made_of_the_recipient_are_known),
	    cmocka_unit_test(relays_of_the_sender_are_known),
	    cmocka_unit_test(trails_with_gaps_are_forged),
	    cmocka_unit_test(lists_have_names),
	    cmocka_unit_test(hosts_of_addresses_are_listed),
	    cmocka_unit_test(fields_are_counted_and_have_odd_octets),
	    cmocka_unit_test(subjects_in_capitals_or_with_the_recipient),
	    cmocka_unit_test(senders_are_compared_and_gmail_is_known),
	    cmocka_unit_test(recipients_are_sorted_or_similar),
	    cmocka_unit_test(relays_are_counted_and_say_who_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
