/*
 * What the log says of a message, and of a client that is refused before one.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/host.h"
#include "lib/dkim/dkim_key.h"
#include "milter/log.h"
#include "t/support/drivers/logline.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static char dir[] = "/tmp/postern-summary-XXXXXX";
static struct buf logged; /* lines, each with its LF */

static void
take_line(const char *fmt, va_list ap)
{
	char line[2 * LOG_TEXT_MAX];

	vsnprintf(line, sizeof(line), fmt, ap);
	logline_check(line);
	buf_printf(&logged, "%s\n", line);
}

/* In place of the C library's. */
void
syslog(int level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	take_line(fmt, ap);
	va_end(ap);
}

/* The name that _FORTIFY_SOURCE gives it. */
void __syslog_chk(int level, int flag, const char *fmt, ...);
void
__syslog_chk(int level, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)level, (void)flag;
	va_start(ap, fmt);
	take_line(fmt, ap);
	va_end(ap);
}

static void
listen_to(bool debug)
{
	const struct log_options o = {.syslog = true,
	    .debug = debug,
	    .facility = LOG_MAIL,
	    .name = "postern"};

	log_open(&o);
	buf_reset(&logged);
}

/* -- files -- */

static void
put(const char *name, const char *text)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fchmod(fileno(f), 0600);
	fputs(text, f);
	fclose(f);
}

static int
set_up(void **state)
{
	struct buf b = BUF_INIT;
	struct dkim_key *key;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(dkim_key_generate(DKIM_KEY_ED25519, 0, &key), 0);
	assert_int_equal(dkim_key_pem(key, &b), 0);
	put("key", buf_text(&b));
	dkim_key_wipe(&b);
	dkim_key_free(key);
	put("block",
	    "192.0.2.128/25 451 Not from here\n"
	    "rcpt:c@d.example No, \"no\"\n");
	put("few.cf",
	    "header SMALL Subject =~ /x/\nscore SMALL 1\n"
	    "header BIG Subject =~ /x/\nscore BIG 5\n"
	    "header GOOD Subject =~ /x/\nscore GOOD -2\n"
	    "header NIL Subject =~ /x/\nscore NIL 0\n"
	    "header __SUB Subject =~ /x/\n");
	for (int i = 0; i < 25; i++)
		buf_printf(&b, "header R%02d Subject =~ /x/\nscore R%02d %d\n",
		    i, i, i + 1);
	put("many.cf", buf_text(&b));
	buf_fini(&b);
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {
	    "key", "block", "few.cf", "many.cf"};
	char path[100];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	buf_fini(&logged);
	return rmdir(dir);
}

/* `&` stands for the directory. */
static struct snapshot *
load(const char *conf)
{
	struct buf b = BUF_INIT;
	struct snapshot *snap;

	walk_place(&b, conf, dir);
	snap = walk_load(buf_text(&b));
	buf_fini(&b);
	return snap;
}

/* -- one line a message -- */

#define RULES "Mode s\nRuleStats none\nRuleFile &/few.cf\n"
#define MANY "Mode s\nRuleStats none\nRuleFile &/many.cf\n"
#define SIGN "Mode s\nDomain b.example\nSelector s1\nKeyFile &/key\n" \
	"RequireSafeKeys no\n"
#define X "From: a@b.example\nSubject: x\n"
#define LONG_100 "0123456789012345678901234567890123456789012345678901234567" \
	"890123456789012345678901234567890123456789"
#define LONG LONG_100 LONG_100 LONG_100 LONG_100

static const struct line_case {
	const char *name, *conf;
	bool outbound, aborted, envelope; /* and no more than that */
	const char *message;
	const char *rcpts[3];
	const char *has[6], *lacks[4]; /* NULL-ended */
} lines[] = {
    {"a refusal for its score", RULES "RejectScore 4\n",
	.message = X "Message-ID: <1@b.example>\n\n",
	.rcpts = {"c@d.example", "e@f.example"},
	.has = {" tests=BIG,SMALL,GOOD rcpt=", " msgid=<1@b.example> ",
	    " rcpt=c@d.example rcpt=e@f.example verdict=reject by=rules ",
	    " reply=\"The message looks like spam (score 4.0 of 4.0)\" time="},
	.lacks = {"NIL", "__SUB", "unsigned="}},
    {"mail that is let in", RULES, .message = X "\n", .rcpts = {"c@d.example"},
	.has = {" score=4.0 tests=BIG,SMALL,GOOD verdict=accept by=- time=",
	    " rcpts=1 size=33 "},
	.lacks = {"rcpt=", "msgid=", "reply=", "unsigned="}},
    {"mail without rules", "Mode v\n", .message = X "\n",
	.rcpts = {"c@d.example"}, .has = {" verdict=accept "},
	.lacks = {"tests="}},
    {"mail that is held", RULES "QuarantineScore 4\n",
	.message = X "Message-ID: <1@b.example>\n\n",
	.rcpts = {"c@d.example"},
	.has = {" msgid=<1@b.example> tests=BIG,SMALL,GOOD rcpt=c@d.example "
		"verdict=quarantine by=rules time="}},
    {"mail that is dropped", RULES "DiscardScore 4\n", .message = X "\n",
	.rcpts = {"c@d.example"},
	.has = {" rcpt=c@d.example verdict=discard by=rules "}},
    {"no more than twenty, most first", MANY, .message = X "\n",
	.rcpts = {"c@d.example"},
	.has = {" tests=R24,R23,R22,R21,R20,R19,R18,R17,R16,R15,R14,R13,R12,"
		"R11,R10,R09,R08,R07,R06,R05 verdict="}},
    {"what it is refused for among them", MANY "Mode v\nRefuse DMARC_MISSING\n",
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {"R06,DMARC_MISSING rcpt=c@d.example verdict=reject by=dmarc "
		"reply=\"Refused for DMARC_MISSING\""}},
    {"a refusal for a symbol without weight", "Mode v\nRefuse DMARC_MISSING\n",
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {" tests=DMARC_MISSING rcpt="}},
    {"a sender in BlockList", "Mode v\nBlockList @b.example\n",
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {" block=from/@b.example ", " tests=USER_IN_BLOCKLIST rcpt=",
	    " reply=\"Sender address refused\""}},
    {"an entry with words", "Mode v\nBlockList file:&/block\n",
	.aborted = true, .envelope = true, .rcpts = {"c@d.example"},
	.has = {" block=rcpt/rcpt:c@d.example ",
	    " rcpt=c@d.example verdict=reject ",
	    " reply=\"No, \\\"no\\\"\" "}, .lacks = {"size="}},
    {"one recipient refused", "Mode v\nBlockList rcpt:c@d.example\n",
	.message = X "\n", .rcpts = {"c@d.example", "e@f.example"},
	.has = {" rcpt=c@d.example verdict=accept "},
	.lacks = {"e@f.example", "tests="}},
    {"On-NoSignature", "Mode v\nOn-NoSignature reject\n", .message = X "\n",
	.rcpts = {"c@d.example"}, .has = {" verdict=reject by=dkim "},
	.lacks = {"tests="}},
    {"On-BadSignature", "Mode v\nOn-BadSignature reject\n",
	.message = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s;\n"
		   " c=relaxed/relaxed; h=from; bh=AAAA; b=AAAA\n" X "\n",
	.rcpts = {"c@d.example"},
	.has = {" tests=DKIM_INVALID rcpt=c@d.example verdict=reject by=dkim ",
	    " dkim=\"permerror(b.example/s: "}},
    {"a signature that would forge another", "Mode v\n",
	.message = "DKIM-Signature: v=1; a=rsa-sha256; d=b.example;\n"
		   " s=a),pass(bank.example/x; h=from; bh=AAAA; b=AAAA\n" X
		   "\n",
	.has = {" dkim=\"permerror("}, .lacks = {"pass(", "bank.example/"}},
    /* What a Message-ID can do. */
    {"quotes", "Mode v\n", .message = X "Message-ID: <a\"b\\c@d>\n\n",
	.has = {" msgid=\"<a\\\"b\\\\c@d>\" verdict="}},
    {"a backslash alone", "Mode v\n", .message = X "Message-ID: <a\\b@c>\n\n",
	.has = {" msgid=<a\\b@c> verdict="}},
    {"a line of its own", "Mode v\n",
	.message = X "Message-ID: <a@b>\n\tverdict=accept by=-\n\n",
	.has = {" msgid=\"<a@b>\\x0a\\x09verdict=accept by=-\" verdict="}},
    {"8-bit octets", "Mode v\n", .message = X "Message-ID: <\xc3\xa4@b>\n\n",
	.has = {" msgid=\"<\\xc3\\xa4@b>\" "}},
    {"blanks around", "Mode v\n", .message = X "Message-ID: \t <a@b> \n\n",
	.has = {" msgid=<a@b> "}},
    {"an empty one", "Mode v\n", .message = X "Message-ID: \n\n",
	.lacks = {"msgid="}},
    {"a long one", "Mode v\n", .message = X "Message-ID: <" LONG "@b>\n\n",
	.has = {"78901234567890123456789012345678901234... verdict="},
	.lacks = {"@b> "}},
    {"a long one in quotes", "Mode v\n",
	.message = X "Message-ID: <\"" LONG "\"@b>\n\n",
	.has = {" msgid=\"<\\\"0123", "...\" verdict="}},
    {"two of them", "Mode v\n",
	.message = X "Message-ID: <1@b>\nMessage-Id: <2@b>\n\n",
	.has = {" msgid=<1@b> "}, .lacks = {"<2@b>"}},
    {"recipients with blanks and quotes", "Mode v\nRefuse DMARC_MISSING\n",
	.message = X "\n",
	.rcpts = {"\"a b\"@d.example", "a\nQ1: verdict=accept@d.example"},
	.has = {" rcpt=\"\\\"a b\\\"@d.example\" "
		"rcpt=\"a\\x0aQ1: verdict=accept@d.example\" verdict="}},
    /* What leaves unsigned. */
    {"a signature", SIGN, .outbound = true, .message = X "\n",
	.rcpts = {"c@d.example"},
	.has = {" dkim=b.example/s1/ed25519-sha256 verdict="},
	.lacks = {"unsigned="}},
    {"no key", SIGN, .outbound = true,
	.message = "From: a@other.example\n\n", .rcpts = {"c@d.example"},
	.has = {" unsigned=\"no key for other.example\" verdict=accept "}},
    {"no key, inbound", SIGN, .message = "From: a@other.example\n\n",
	.rcpts = {"c@d.example"}, .lacks = {"unsigned="}},
    {"no key at all", "Mode s\n", .outbound = true, .message = X "\n",
	.rcpts = {"c@d.example"},
	.has = {" unsigned=\"no key is configured\" "}},
    {"no signing", "Mode v\n", .outbound = true, .message = X "\n",
	.rcpts = {"c@d.example"}, .has = {" unsigned=Mode "}},
    {"no From", SIGN, .outbound = true, .message = "Subject: x\n\n",
	.rcpts = {"c@d.example"}, .has = {" unsigned=\"no author\" "}},
    {"ExemptDomains", SIGN "ExemptDomains b.example\n", .outbound = true,
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {" unsigned=ExemptDomains "}},
    {"DontSignMailTo", SIGN "DontSignMailTo c@d.example\n", .outbound = true,
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {" unsigned=DontSignMailTo "}},
    {"SenderLogins", SIGN "SenderLogins x@b.example=bob\n"
		"SenderLoginsAction log\n",
	.outbound = true, .message = X "\n", .rcpts = {"c@d.example"},
	.has = {" unsigned=SenderLogins "}},
    {"what is refused does not leave", SIGN "SenderLogins x@b.example=bob\n"
		"SenderLoginsAction refuse\n",
	.outbound = true, .message = X "\n", .rcpts = {"c@d.example"},
	.has = {" rcpt=c@d.example verdict=reject by=login "},
	.lacks = {"unsigned="}},
    {"nor what is given up", "Mode s\n", .outbound = true, .aborted = true,
	.message = X "\n", .rcpts = {"c@d.example"},
	.has = {" verdict=aborted by=- "}, .lacks = {"unsigned=", "rcpt="}},
};

static void
check(const struct line_case *c)
{
	const char *text = buf_text(&logged);

	for (size_t i = 0; i < 6 && c->has[i] != NULL; i++) {
		if (strstr(text, c->has[i]) == NULL)
			fail_msg("%s: no `%s` in %s", c->name, c->has[i], text);
	}
	for (size_t i = 0; i < 4 && c->lacks[i] != NULL; i++) {
		if (strstr(text, c->lacks[i]) != NULL)
			fail_msg("%s: `%s` in %s", c->name, c->lacks[i], text);
	}
}

static void
says_why(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		const struct line_case *c = &lines[i];
		struct snapshot *snap = load(c->conf);
		struct walk w = {.client_ip = "192.0.2.1",
		    .from = "<a@b.example>",
		    .message = c->message,
		    .macros = {{"{auth_authen}", "bob"}}};
		struct verdict v;
		struct session *s;

		if (!c->outbound)
			w.macros[0].name = NULL;
		memcpy(w.rcpts, c->rcpts, sizeof(c->rcpts));
		listen_to(false);
		s = c->envelope ? walk_envelope(snap, &w, &v, NULL)
				: walk_run(snap, &w, &v, NULL);
		buf_reset(&logged);
		chain_end(s, c->aborted ? NULL : &v);
		check(c);
		chain_close(s);
		snapshot_unref(snap);
	}
}

/* However long what it is made of, its end is there, and it says what is not.
 */
static void
is_whole_at_any_length(void **state)
{
	static const char *const ends[] = {
	    "@d.example", " @d.example", "\"\\@d.example", "\xff@d.example"};
	struct snapshot *snap = load("Mode v\nRefuse DMARC_MISSING\n");

	(void)state;
	for (size_t n = 0; n < 4 * 4; n++) {
		size_t count = (size_t[]){1, 10, 100, 1000}[n / 4];
		struct session *s = chain_open(snap, NULL, NULL);
		char address[700];
		struct verdict v;
		const char *text;

		memset(address, n % 4 == 3 ? '\xff' : 'a', 400);
		strcpy(address + 400, ends[n % 4]);
		listen_to(false);
		chain_mail(s, address, NULL);
		for (size_t i = 0; i < count; i++)
			chain_rcpt(s, address);
		chain_header(s, "From", 4, " a@b.example", 12);
		chain_header(s, "Message-ID", 10, address, strlen(address));
		chain_eoh(s);
		v = chain_eom(s);
		buf_reset(&logged);
		chain_end(s, &v);
		text = buf_text(&logged);
		assert_true(logged.len <= LOG_TEXT_MAX + 64);
		assert_non_null(strstr(text, " verdict=reject by=dmarc reply="));
		assert_non_null(strstr(text, "\" time="));
		assert_non_null(strstr(text, "@d.example>"));
		assert_non_null(strstr(text, "@d.example rcpt=") != NULL ||
			    strstr(text, "@d.example\" rcpt=") != NULL ||
			    count == 1
			? text
			: NULL);
		if ((strstr(text, " cut=rcpt ") != NULL) != (count >= 100))
			fail_msg("%zu: %s", count, text);
		chain_close(s);
	}
	snapshot_unref(snap);
}

/* -- who is held, and who is refused at once -- */

static void
marks_what_is_held_outbound(void **state)
{
	static const struct {
		const char *conf, *status;
	} cases[] = {
	    {RULES "OutboundQuarantineScore 4\n",
		"Yes, score=4.0 required=4.0 tests=BIG,GOOD,OUTBOUND,SMALL"},
	    {RULES "OutboundQuarantineScore 4\nOutboundTagScore 9\n",
		"No, score=4.0 required=9.0 tests=BIG,GOOD,OUTBOUND,SMALL"},
	    {RULES "OutboundQuarantineScore 4.1\n", NULL},
	    {RULES "OutboundRejectScore 4\n", NULL},
	};

	(void)state;
	listen_to(false);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = load(cases[i].conf);
		const struct walk w = {.from = "<a@b.example>",
		    .rcpts = {"c@d.example"},
		    .message = X "X-Spam-Status: No\n\n",
		    .macros = {{"{auth_authen}", "bob"}}};
		const char *status = NULL;
		struct verdict v;
		struct session *s = walk_run(snap, &w, &v, NULL);

		for (const struct edit *e = s->msg->edits.first; e != NULL;
		     e = e->next) {
			assert_string_not_equal(e->name, "Subject");
			if (e->op == EDIT_INSERT &&
			    strcmp(e->name, "X-Spam-Status") == 0)
				status = e->value;
		}
		if (cases[i].status == NULL)
			assert_null(status);
		else if (status == NULL)
			fail_msg("%s: no mark", cases[i].conf);
		else
			assert_ptr_equal(strstr(status, cases[i].status), status);
		chain_close(s);
		snapshot_unref(snap);
	}
}

static void
names_the_entry_of_a_client(void **state)
{
	struct snapshot *snap = load(
	    "Mode v\nBlockList file:&/block\nRefuseAt connect\n");
	struct session *s = chain_open(snap, NULL, NULL);
	struct host client;
	struct verdict v;

	(void)state;
	listen_to(false);
	chain_connect(s, NULL, walk_address("192.0.2.200", &client));
	assert_string_equal(buf_text(&logged),
	    "NOQUEUE: client=192.0.2.200 verdict=tempfail by=blocklist "
	    "at=connect block=client/192.0.2.128/25 tests=USER_IN_BLOCKLIST "
	    "reply=\"Not from here\"\n");
	/* Where the words can be said. */
	for (int i = 0; i < 2; i++) {
		v = chain_helo(s, "mx.example");
		assert_int_equal(v.action, VERDICT_TEMPFAIL);
		assert_string_equal(v.text, "Not from here");
	}
	v = chain_mail(s, "<a@b.example>", NULL);
	assert_string_equal(v.text, "Not from here");
	/* One line for the client, however often it is told. */
	assert_ptr_equal(strchr(buf_text(&logged), '\n'),
	    strrchr(buf_text(&logged), '\n'));
	chain_close(s);
	snapshot_unref(snap);
}

/* -- LogWhy -- */

static const struct {
	const char *name, *conf;
	const char *login;
	const char *lines[8]; /* behind `Q1: `; NULL-ended */
} whys[] = {
    {"inbound", RULES "Mode v\nRejectScore 4\nAllowList @x.example\n", NULL,
	{"direction: inbound: client 192.0.2.1 did not log in, and neither "
	 "InternalHosts, MTA nor MacroList names it\n",
	    "spf: mfrom of b.example: none\n", "dkim: the message has no signature\n",
	    "dmarc: none for b.example: no policy applies\n",
	    "helo: the client says mx.b.example: a name, none\n",
	    "rules: rule BIG hits: 5, by x\n",
	    "rules: the sum of all scores is 5.3\n",
	    "rules: at the end: refused, because the score 5.3 reaches "
	    "RejectScore, which is 4.0\n"}},
    {"a list", "Mode v\nBlockList @b.example\n", NULL,
	{"blocklist: found USER_IN_BLOCKLIST (100)\n",
	    "blocklist: at the end: refused for the symbol USER_IN_BLOCKLIST, "
	    "because the author is in BlockList, by its entry @b.example\n",
	    "refuse: at the end: refused by blocklist for the symbol "}},
    {"a symbol", "Mode v\nRefuse SPF_NONE\nRefuseAt spf=mail\n", NULL,
	{"spf: found SPF_NONE (0.001), SPF_HELO_NONE (0.001)\n",
	    "spf: at MAIL: refused for the symbol SPF_NONE, because Refuse "
	    "has its symbol\n"}},
    {"who is exempt", "Mode v\nRefuse SPF_NONE\nAllowList 192.0.2.1\n", NULL,
	{"refuse: spf would refuse it, but AllowList makes it exempt\n",
	    "allowlist: the client is in AllowList, so that no check refuses "
	    "the message\n"}},
    {"outbound", SIGN "SenderLogins a@b.example=bob\n", "bob",
	{"direction: outbound: client 192.0.2.1 logged in as bob\n",
	    "account: the account is bob, by the login\n",
	    "login: the login owns every author that it names\n",
	    "sign: signed with b.example/s1/ed25519-sha256\n"}},
    {"a strange login", "Mode s\n", "b\nQ2: b",
	{"direction: outbound: client 192.0.2.1 logged in as "
	 "\"b\\x0aQ2: b\"\n"}},
    {"a From that is another's", SIGN "SenderLogins x@b.example=bob\n"
		"SenderLoginsAction refuse\n",
	"bob",
	{"login: after the header: refused for the symbol FROM_NOT_OWNED, "
	 "because SenderLogins does not give a@b.example to the account bob\n"}},
    {"no key", SIGN "Domain x.example\n", "bob",
	{"sign: not signed: \"no key for b.example\"\n"}},
};

static void
logs_what_led_to_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(whys) / sizeof(*whys); i++) {
		struct snapshot *snap = load(whys[i].conf);
		struct walk w = {.client_ip = "192.0.2.1",
		    .helo = "mx.b.example",
		    .from = "<a@b.example>",
		    .rcpts = {"c@d.example"},
		    .message = X "\n",
		    .macros = {{"i", "Q1"}, {"{auth_authen}", whys[i].login}}};
		struct verdict v;
		struct session *s;

		if (whys[i].login == NULL)
			w.macros[1].name = NULL;
		listen_to(true);
		s = walk_run(snap, &w, &v, NULL);
		chain_end(s, &v);
		for (size_t j = 0; j < 8 && whys[i].lines[j] != NULL; j++) {
			char line[400];

			snprintf(line, sizeof(line), "Q1: %s",
			    whys[i].lines[j]);
			if (strstr(buf_text(&logged), line) == NULL)
				fail_msg("%s: no `%s` in\n%s", whys[i].name,
				    line, buf_text(&logged));
		}
		chain_close(s);
		snapshot_unref(snap);
		listen_to(false);
		assert_string_equal(buf_text(&logged), "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_why),
	    cmocka_unit_test(is_whole_at_any_length),
	    cmocka_unit_test(marks_what_is_held_outbound),
	    cmocka_unit_test(names_the_entry_of_a_client),
	    cmocka_unit_test(logs_what_led_to_it),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
