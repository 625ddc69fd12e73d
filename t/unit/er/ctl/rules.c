/* Rules in SpamAssassin's language. SPDX-License-Identifier: BSD-2-Clause */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"
#include "t/support/drivers/test.h"

#define MAIL                                                                   \
	"Received: from spam.example (host.example.net [192.0.2.7])\n"         \
	"\tby mx.example.org with ESMTP id 1; Sat, 21 Nov 2026 12:00:00 "      \
	"+0000\n"                                                              \
	"From: \"Al, Ice\" <alice@example.com>\n"                              \
	"To: bob@example.org, carol@example.org (Carol)\n"                     \
	"Subject: =?UTF-8?Q?cheap_p=C3=AFlls?= and\n more\n"                   \
	"X-Twice: one\n"                                                       \
	"X-Twice: two\n"                                                       \
	"X-Spam-Flag: YES\n"                                                   \
	"Date: Fri, 20 Nov 2026 12:00:00 +0000\n"                              \
	"\n"                                                                   \
	"Hello   world,\nsee http://www.example.com/x\n"

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

static void
mail_init(struct mail *m, const char *text)
{
	static const char *const facts[] = {"SPF_FAIL", NULL};
	size_t body;

	*m = (struct mail){0};
	arena_init(&m->arena);
	body = message_split(text, strlen(text), on_field, m);
	m->in = (struct rules_input){.arena = &m->arena,
	    .headers = &m->headers,
	    .body = text + body,
	    .body_len = strlen(text) - body,
	    .facts = facts};
}

static int
load(const char *text, int set, struct rules **rules_r)
{
	static const char *const facts[] = {
	    "SPF_FAIL", "SPF_PASS", "RCVD_IN_*", NULL};
	const struct rules_setup setup = {
	    .score_set = set, .source = "t.cf", .facts = facts};

	return rules_new_text(text, strlen(text), &setup, rules_r);
}

/* The hits as `NAME NAME=2 __SUB`, a value of 1 left out. */
static void
hits_of(const struct rules *rules, const char *message, struct buf *b,
    double *score_r)
{
	struct rules_result result;
	struct mail m;

	mail_init(&m, message);
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	for (const struct rules_hit *h = result.hits; h; h = h->next) {
		buf_printf(b, "%s%s", b->len > 0 ? " " : "", h->name);
		if (h->value != 1)
			buf_printf(b, "=%g", h->value);
	}
	*score_r = result.score;
	arena_fini(&m.arena);
}

static void
hits(const char *text, int set, const char *message, struct buf *b,
    double *score_r)
{
	struct rules *rules;

	assert_int_equal(load(text, set, &rules), 0);
	hits_of(rules, message, b, score_r);
	rules_free(rules);
}

static void
rules_hit_what_spamassassins_do(void **state)
{
	static const struct {
		const char *rules, *hits;
		double score;
		int set;
	} cases[] = {
	    {"header A Subject =~ /^cheap p\xc3\xaflls and more$/", "A", 1, 0},
	    {"header A Subject:raw =~ /UTF-8/", "A", 1, 0},
	    {"header A Subject =~ /CHEAP/", "", 0, 0},
	    {"header A Subject =~ /CHEAP/i", "A", 1, 0},
	    {"header A Subject =~ m{cheap}", "A", 1, 0},
	    {"header A Subject !~ /cheap/", "", 0, 0},
	    {"header A Nothing !~ /cheap/", "A", 1, 0},
	    {"header A Nothing =~ /^$/", "A", 1, 0},
	    {"header A Nothing =~ /^no$/ [if-unset: no]", "A", 1, 0},
	    {"header A exists:X-Twice\nheader B exists:X-Thrice", "A", 1, 0},
	    {"header A exists:X-Spam-Flag", "", 0, 0},
	    {"header A X-Twice =~ /^one\\ntwo$/", "A", 1, 0},
	    {"header A X-Twice:first =~ /one/\nheader B X-Twice:last =~ /one/",
		"A", 1, 0},
	    {"header A X-Twice =~ /o/\ntflags A multiple", "A=2", 2, 0},
	    {"header A X-Twice =~ /o/\ntflags A multiple maxhits=1", "A", 1, 0},
	    {"header A X-Twice =~ /x*/\ntflags A multiple", "A=9", 9, 0},
	    {"header A From:addr =~ /^alice\\@example\\.com$/", "A", 1, 0},
	    {"header A From:name =~ /^Al, Ice$/", "A", 1, 0},
	    {"header A From:addr:domain =~ /^example\\.com$/", "A", 1, 0},
	    {"header A ToCc:addr =~ /bob\\S+\\ncarol/", "A", 1, 0},
	    {"header A To:name =~ /^Carol$/", "A", 1, 0},
	    {"header A Received:ip =~ /^192\\.0\\.2\\.7$/", "A", 1, 0},
	    {"header A Received:revip =~ /^7\\.2\\.0\\.192$/", "A", 1, 0},
	    {"header A ALL =~ /\\nX-Twice: one\\nX-Twice: two\\n/", "A", 1, 0},
	    {"header A ALL =~ /X-Spam/", "", 0, 0},
	    {"header A X-Spam-Relays-External =~ /rdns=host\\.example\\.net /",
		"A", 1, 0},
	    {"body A /hello world, see/i", "A", 1, 0},
	    {"body A /cheap/\nbody B /cheap/\ntflags B nosubject", "A", 1, 0},
	    {"rawbody A /Hello   world/", "A", 1, 0},
	    {"full A /^X-Twice: two/m", "A", 1, 0},
	    /* A redefinition leaves nothing behind. */
	    {"header A exists:Nothing\nheader A To =~ /bob/", "A", 1, 0},
	    {"header A exists:To\nheader A To =~ /zzz/", "", 0, 0},
	    {"header A Nothing =~ /^no$/ [if-unset: no]\n"
	     "header A Nothing =~ /no/",
		"", 0, 0},
	    {"header A all =~ /X-Twice/", "", 0, 0},
	    {"header A ALL:raw =~ /X-Spam-Flag/", "A", 1, 0},
	    {"header A X-Twice =~ /one.two/", "", 0, 0},
	    {"header A X-Twice =~ /one.two/s", "A", 1, 0},
	    {"header A X-Twice =~ /o/\ntflags A multiple\ntflags A nice",
		"A", -1, 0},
	    {"header A ALL-TRUSTED =~ /^Received/m\n"
	     "header B ALL-TRUSTED =~ /X-Twice/",
		"A", 1, 0},
	    {"trusted_networks 192.0.2.0/24\ninternal_networks 10/8\n"
	     "header A ALL-UNTRUSTED =~ /Twice/\n"
	     "header B ALL-EXTERNAL =~ /Twice/",
		"B", 1, 0},
	    {"trusted_networks 192.0.2.0/24\nclear_trusted_networks\n"
	     "header A X-Spam-Relays-Trusted =~ /ip=/",
		"", 0, 0},
	    /* Scores. */
	    {"header A To =~ /b/\nscore A 0", "", 0, 0},
	    {"header A To =~ /b/\nscore A 0 2 3 4", "", 0, 0},
	    {"header A To =~ /b/\nscore A 0 2 3 4", "A", 2, 1},
	    {"header A To =~ /b/\nscore A 2\nscore A (-0.5)", "A", 1.5, 0},
	    {"header A To =~ /b/\ntflags A nice", "A", -1, 0},
	    {"header T_A To =~ /b/", "T_A", 0.01, 0},
	    {"header __A To =~ /b/\nmeta B __A", "__A B", 1, 0},
	    /* Metas. */
	    {"meta A 2 + 3 * 4 == 14", "A", 1, 0},
	    {"meta A (1 + 1)", "A=2", 1, 0},
	    {"meta A 1 - 2", "A", 1, 0},
	    {"meta A !(1 && 0) && (0 || 1)", "A", 1, 0},
	    {"meta A 1 / 0", "", 0, 0},
	    {"meta A 1 ? 0 : 1", "", 0, 0},
	    {"meta A 3 ^ 3", "", 0, 0},
	    {"meta B A > 1\nheader A X-Twice =~ /o/\ntflags A multiple",
		"B A=2", 3, 0},
	    {"meta A 2 && 3", "A=3", 1, 0},
	    {"meta A 0 || 4", "A=4", 1, 0},
	    {"meta A 2 <= 2", "A", 1, 0},
	    {"meta A 1 || 1 ^ 1", "A", 1, 0},
	    {"meta A -1 + 1", "", 0, 0},
	    {"meta A 3\ntflags A multiple", "A=3", 1, 0},
	    {"meta A 1e999 - 1e999 > 0", "", 0, 0},
	    {"header X1 To =~ /b/\nmeta X2 rules_matching(X*)", "X1 X2", 2,
		0},
	    {"header SPF_FAIL eval:not_known()\nmeta A SPF_FAIL", "A", 1, 0},
	    {"meta C B\nmeta B A\nheader A To =~ /b/", "C B A", 3, 0},
	    {"meta A !B\nmeta B 0\nscore B 0", "A", 1, 0},
	    {"meta A !B\nheader B To =~ /x/\nscore B 0", "A", 1, 0},
	    {"header __X1 To =~ /b/\nheader __X2 To =~ /z/\n"
	     "meta A rules_matching(__X*) == 1",
		"__X1 A", 1, 0},
	    {"meta A SPF_FAIL && !SPF_PASS", "A", 1, 0},
	    {"meta A ()", "", 0, 0},
	    /* Lines. */
	    {"header A To =~ /b/ # comment\n\n  # all", "A", 1, 0},
	    {"header A Subject =~ /cheap\\#?/", "A", 1, 0},
	    {"lang de describe A Wort\nheader A To =~ /b/", "A", 1, 0},
	    {"if (0)\nheader A To =~ /b/\nelse\nheader B To =~ /b/\nendif", "B",
		1, 0},
	    {"if (0)\nif (1)\nelse\nheader A To =~ /b/\nendif\nendif", "", 0,
		0},
	    {"if (version >= 3.004000)\nheader A To =~ /b/\nendif", "A", 1, 0},
	    {"if can(Mail::SpamAssassin::Conf::feature_get_host)\n"
	     "header A To =~ /b/\nendif",
		"A", 1, 0},
	    {"ifplugin Mail::SpamAssassin::Plugin::Bayes\n"
	     "nonsense here\nendif",
		"", 0, 0},
	    {"ifplugin Mail::SpamAssassin::Plugin::Dmarc\n"
	     "header A Subject =~ /cheap/\nendif\n"
	     "if plugin (Mail::SpamAssassin::Plugin::Dmarc)\n"
	     "header B Subject =~ /cheap/\nendif",
		"A B", 2, 0},
	    {"ifplugin Mail::SpamAssassin::Plugin::SPF\n"
	     "header A To =~ /b/\nendif",
		"A", 1, 0},
	    {"ifplugin Mail::SpamAssassin::Plugin::SP\n"
	     "header A To =~ /b/\nendif",
		"", 0, 0},
	    {"if (0)\nif frob(1)\nheader A To =~ /b/\nendif\nendif", "", 0,
		0},
	    {"if (local_tests_only)\nheader A To =~ /b/\nendif", "A", 1, 0},
	    {"if (local_tests_only)\nheader A To =~ /b/\nendif", "", 0, 1},
	    /* replace_tag. */
	    {"replace_tag E [e3]\nreplace_tag F <E>a\nreplace_rules A\n"
	     "header A Subject =~ /ch<F>p/",
		"A", 1, 0},
	    {"replace_tag E [e3]\nreplace_pre P [h]\nreplace_post Q [a]\n"
	     "replace_rules A\nheader A Subject =~ /<pre P><post Q>c<E>p/",
		"A", 1, 0},
	    {"replace_tag E [e3]\nreplace_inter W xx\nreplace_rules A\n"
	     "header A Subject =~ /<inter W>ch<E>ap/",
		"A", 1, 0},
	    {"replace_tag E [e3]\nreplace_rules A\n"
	     "header A Subject =~ /ch<E>ap/",
		"A", 1, 0},
	    {"replace_tag E [e3]\nreplace_inter W \\W?\nreplace_tag A [a4]\n"
	     "replace_rules A\nheader A Subject =~ /<inter W>ch<E><A>p/",
		"A", 1, 0},
	    /* Lists. */
	    {"blocklist_from *@example.com", "USER_IN_BLOCKLIST", 100, 0},
	    {"denylist-from *@EXAMPLE.com", "USER_IN_BLOCKLIST", 100, 0},
	    {"allowlist_from alice@*\nunwhitelist_from ALICE@*", "", 0, 0},
	    {"whitelist_from alice@*", "USER_IN_WELCOMELIST", -100, 0},
	    {"allowlist_from alice@*\nunwhitelist_from alice@*", "", 0, 0},
	    {"welcomelist_from_rcvd *@example.com example.net",
		"USER_IN_WELCOMELIST", -100, 0},
	    {"welcomelist_from_rcvd *@example.com example.org", "", 0, 0},
	    {"welcomelist_from_rcvd *@example.com [192.0.2.0/24]",
		"USER_IN_WELCOMELIST", -100, 0},
	    {"blocklist_subject ap p?", "SUBJECT_IN_BLOCKLIST", 100, 0},
	    {"header A eval:check_for_shifted_date('-48', '-12')", "A", 1, 0},
	    {"header A eval:check_for_spf_fail()", "A", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		double score;

		hits(cases[i].rules, cases[i].set, MAIL, &b, &score);
		if (strcmp(buf_text(&b), cases[i].hits) != 0 ||
		    score < cases[i].score - 0.0001 ||
		    score > cases[i].score + 0.0001)
			fail_msg("%s\ngot %s (%g), want %s (%g)",
			    cases[i].rules, buf_text(&b), score,
			    cases[i].hits, cases[i].score);
		buf_fini(&b);
	}
}

static void
mistakes_are_told_with_line_and_cure(void **state)
{
	static const struct {
		const char *rules, *words;
		enum rules_severity severity;
		unsigned line;
	} cases[] = {
	    {"\nscroe A 1", "is it score?", RULES_ERROR, 2},
	    {"frobnicate", "no such command", RULES_ERROR, 1},
	    {"header A To =~ /(/", "closing parenthesis", RULES_ERROR, 1},
	    {"header A To =~ (x)", "written /like this/", RULES_ERROR, 1},
	    {"header A To =~ /a/b/", "backslash before it", RULES_ERROR, 1},
	    {"header A To =~ /a/q", "unknown flag `q`", RULES_ERROR, 1},
	    {"header A To =~ //", "empty pattern", RULES_ERROR, 1},
	    {"header A To", "FIELD =~ /pattern/", RULES_ERROR, 1},
	    {"header A To:addres =~ /x/", ":addr", RULES_ERROR, 1},
	    {"header 1A To =~ /x/", "begins with no digit", RULES_ERROR, 1},
	    {"header", "a rule's name", RULES_ERROR, 1},
	    {"score A x", "one or four numbers", RULES_ERROR, 1},
	    {"score", "a rule's name", RULES_ERROR, 1},
	    {"score A-B 1", "a rule's name", RULES_WARNING, 1},
	    {"describe 1A x", "a rule's name", RULES_WARNING, 1},
	    {"score A 1 2", "one or four numbers", RULES_ERROR, 1},
	    {"score A (1)", "there is none", RULES_WARNING, 1},
	    {"score A 9999999", "one or four numbers", RULES_ERROR, 1},
	    {"tflags A maxhits=x", "from 1 on", RULES_WARNING, 1},
	    {"trusted_netowrsk 10/8", "is it trusted_networks", RULES_ERROR, 1},
	    {"if 1\nelse\nelse\nendif", "has one already", RULES_ERROR, 3},
	    {"header A eval:f(1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7)", "arguments",
		RULES_ERROR, 1},
	    {"header A eval:check_for_spf_fail() x", "eval:FUNCTION",
		RULES_ERROR, 1},
	    {"header A To:addr:first:raw =~ /x/", ":addr", RULES_ERROR, 1},
	    {"header A To =~ /(*UTF)b/", "UTF", RULES_ERROR, 1},
	    {"header A To =~ /(?:a{9999}){9999}/", "never hits", RULES_WARNING,
		1},
	    {"authres_networks all", "no effect", RULES_NOTICE, 1},
	    {"uri_block_cc ru", "no effect", RULES_NOTICE, 1},
	    {"blacklist_uri_host", "expected hosts", RULES_ERROR, 1},
	    {"enlist_uri_host B x.example", "(LIST)", RULES_ERROR, 1},
	    {"enlist_uri_host (B)", "(LIST)", RULES_ERROR, 1},
	    {"enlist_addrlist () a@b.example", "(LIST)", RULES_ERROR, 1},
	    {"score A 1e9", "one or four numbers", RULES_ERROR, 1},
	    {"meta A B &&\nmeta B 1", "missing at the end", RULES_ERROR, 1},
	    {"meta A (1", "`)` is missing", RULES_ERROR, 1},
	    {"meta A 1 $ 2", "operator before `$ 2`", RULES_ERROR, 1},
	    {"meta A B\nmeta B A", "depends on itself", RULES_ERROR, 1},
	    {"meta A NO_SUCH", "no rule has the name", RULES_WARNING, 1},
	    {"if version", "no endif", RULES_ERROR, 1},
	    {"else", "no if before it", RULES_ERROR, 1},
	    {"endif", "no if before it", RULES_ERROR, 1},
	    {"if frob(1)\nendif", "expected version", RULES_ERROR, 1},
	    {"include x.cf", "not possible here", RULES_ERROR, 1},
	    {"header A eval:frob()", "not built in", RULES_WARNING, 1},
	    {"header A eval:frob(\"x)", "arguments", RULES_ERROR, 1},
	    {"trusted_networks 10/8\ntrusted_networks !10.1/16",
		"already includes", RULES_WARNING, 2},
	    {"trusted_networks 10.0.0.0/99", "trusted_networks", RULES_ERROR,
		1},
	    {"tflags A frob", "not known", RULES_WARNING, 1},
	    {"report_safe 1", "report_safe 0", RULES_NOTICE, 1},
	    {"bayes_path /x", "no effect", RULES_NOTICE, 1},
	    {"required_score x", "expected a number", RULES_ERROR, 1},
	    {"priority A x", "expected a number", RULES_ERROR, 1},
	    {"welcomelist_from_rcvd a@b", "relay's domain", RULES_ERROR, 1},
	    {"header A To =~ /(?:(?:abcdefgh){200}){200}/", "too large",
		RULES_WARNING, 1},
	    {"header A To =~ /x%{CAP}y/", "never hits", RULES_WARNING, 1},
	    {"freemail_domains", "expected domains", RULES_ERROR, 1},
	    {"freemail_max_body_emails x", "a number", RULES_ERROR, 1},
	    {"header A eval:check_freemail_from('(')", "closing parenthesis",
		RULES_WARNING, 1},
	    {"mimeheader A To:addr =~ /x/", "a field of parts", RULES_ERROR, 1},
	    {"mimeheader A exists:To", "FIELD !~ /pattern/", RULES_ERROR, 1},
	    {"tflags A range=x", "parts counted from 1", RULES_WARNING, 1},
	    {"tflags A range=3-2", "no part is in it", RULES_WARNING, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct rules_mistake *m;
		struct rules *rules;
		int rc = load(cases[i].rules, 0, &rules);
		size_t n = 0;

		while ((m = rules_mistake(rules, n)) != NULL &&
		    strstr(m->text, cases[i].words) == NULL)
			n++;
		if (m == NULL || m->severity != cases[i].severity ||
		    m->line != cases[i].line ||
		    (m->severity == RULES_ERROR && m->rule == NULL) !=
			(rc == ERR_CONFIG))
			fail_msg("%s: %s", cases[i].rules,
			    m != NULL ? m->text
			    : rules_mistake(rules, 0) == NULL
				? "no mistake"
				: rules_mistake(rules, 0)->text);
		rules_free(rules);
	}
}

/* Rules that need a mail of their own. */
static void
mails_of_many_kinds(void **state)
{
	static const struct {
		const char *mail, *rules, *hits;
	} cases[] = {
	    {"To: a@example.com,\n\t b@example.com\n",
		"header A ToCc:raw =~ /com, b/", "A"},
	    {"From: 'Al' <a@example.com>\n", "header A From:name =~ /^Al$/",
		"A"},
	    {"X: a@example.xn--p1ai b.example\n",
		"header A X:host =~ /^example\\.xn--p1ai$/", "A"},
	    {"Return-Path: <a@example.com>\nFrom: b@example.com\n",
		"header A EnvelopeFrom =~ /^a\\@/", "A"},
	    /* Below a Received field it is not the last host's word. */
	    {"Received: by x\nReturn-Path: <a@example.com>\n",
		"header A EnvelopeFrom =~ /^a\\@/", ""},
	    {"Return-Path: <a@example.com>\nX-Sender: c@example.com\n"
	     "Received: from x by y (fetchmail)\n",
		"header A EnvelopeFrom =~ /a\\@/", ""},
	    {"Subject: =?utf-8?q?a_b?= =?utf-8?q?c?= d\n",
		"header A Subject =~ /^a bc d$/", "A"},
	    {"Subject: =?utf-8*en?q?caf=C3=A9?= =x =?y\n",
		"header A Subject =~ /^caf\xc3\xa9 =x =\\?y$/", "A"},
	    {"Date: =?utf-8?q?x?=\n", "header A Date =~ /=\\?utf/", "A"},
	    {"Subject: a\r\n  b\n", "header A Subject =~ /^a b$/", "A"},
	    {"X: 1\nX: 2\nX: 1\nX: 3\n",
		"header A eval:check_header_count_range('X', 3, 3)\n"
		"header B eval:check_header_count_range('X', 4, 9)\n"
		"header C eval:check_header_count_range('X', 1, 2)",
		"A"},
	    {"Subject: CHEAP PILLS NOW\n", "header A eval:subject_is_all_caps()",
		"A"},
	    {"Subject: RE: CHEAP pILLS\n", "header A eval:subject_is_all_caps()",
		""},
	    {"Subject: 12345 67890 12\n", "header A eval:subject_is_all_caps()",
		""},
	    {"X-A: hello %NAME\n", "header A eval:check_unresolved_template()",
		"A"},
	    {"Subject: hello %NAME\n",
		"header A eval:check_unresolved_template()", ""},
	    {"To: a@x.example, b@x.example, c@x.example, d@x.example, "
	     "e@x.example, f@x.example\n",
		"header A eval:sorted_recipients()", ""},
	    {"To: a@x.example, b@x.example, c@x.example, d@x.example, "
	     "e@x.example, f@x.example, g@x.example\n",
		"header A eval:sorted_recipients()", "A"},
	    {"Subject: caf\xc3\xa9\n",
		"header A eval:check_illegal_chars('Subject', '0.00', '1')",
		""},
	    {"Subject: caf\xe9\xe9\n",
		"header A eval:check_illegal_chars('Subject', '0.00', '2')",
		"A"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT, mail = BUF_INIT;
		double score;

		buf_printf(&mail, "%s\nbody\n", cases[i].mail);
		hits(cases[i].rules, 0, mail.data, &b, &score);
		if (strcmp(buf_text(&b), cases[i].hits) != 0)
			fail_msg("%s%s\ngot %s, want %s", cases[i].mail,
			    cases[i].rules, buf_text(&b), cases[i].hits);
		buf_fini(&b);
		buf_fini(&mail);
	}
}

static void
repeat(struct buf *b, const char *text, size_t count)
{
	while (count-- > 0)
		buf_str(b, text);
}

static void
expect_hits(const struct rules *rules, const char *rules_text,
    const char *message, const char *want)
{
	struct buf b = BUF_INIT;
	double score;

	hits_of(rules, message, &b, &score);
	if (strcmp(b.len > 0 ? buf_text(&b) : "", want) != 0)
		fail_msg("%s: got %s, want %s", rules_text,
		    b.len > 0 ? buf_text(&b) : "nothing", want);
	buf_fini(&b);
}

/* The rule is lost, and named; those around it work.  An error is what Perl
 * refuses too; the others are refused by every PCRE2. */
static void
a_pattern_that_cannot_be_had_costs_its_rule(void **state)
{
	static const struct {
		const char *pattern;
		enum rules_severity severity;
	} cases[] = {
	    {"/(/", RULES_ERROR},
	    {"/a)/", RULES_ERROR},
	    {"/[a/", RULES_ERROR},
	    {"/a**/", RULES_ERROR},
	    {"/\\b+a/", RULES_ERROR},
	    {"/(a)\\2/", RULES_ERROR},
	    {"/[z-a]/", RULES_ERROR},
	    {"/x/q", RULES_ERROR},
	    {"/x/y/", RULES_ERROR},
	    {"x", RULES_ERROR},
	    {"//", RULES_ERROR},
	    {"/x", RULES_ERROR},
	    {"m{x", RULES_ERROR},
	    {"/\\x{20ac}/", RULES_WARNING},
	    {"/\\N{LATIN SMALL LETTER A}/", RULES_WARNING},
	    {"/\\p{IsAlpha}/", RULES_WARNING},
	    {"/(?(2)a|b)(x)/", RULES_WARNING},
	    {"/(?u:x)/", RULES_WARNING},
	    {"/x/u", RULES_WARNING},
	    {"/(?{ 1 })x/", RULES_WARNING},
	    {"/(?:a{9999}){9999}/", RULES_WARNING},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		const struct rules_mistake *m;
		struct rules *rules;

		buf_printf(&b,
		    "header B To =~ /x/\nheader A To =~ %s\n"
		    "body A2 %s\nmeta C B && !A\n",
		    cases[i].pattern, cases[i].pattern);
		assert_int_equal(load(b.data, 0, &rules), 0);
		for (size_t n = 0; n < 2; n++) {
			m = rules_mistake(rules, n);
			if (m == NULL || m->severity != cases[i].severity)
				fail_msg("%s: %s", cases[i].pattern,
				    m == NULL ? "no mistake" : m->text);
			assert_string_equal(m->rule, n == 0 ? "A" : "A2");
			assert_int_equal(m->line, n + 2);
			assert_non_null(strstr(m->text, "never hits"));
		}
		assert_null(rules_mistake(rules, 2));
		expect_hits(rules, b.data, "To: x@example.com\n", "B C");
		rules_free(rules);
		buf_fini(&b);
	}
}

/* What Perl takes and PCRE2 does not, or not so: t/oracle/patterns has more of
 * them, beside Perl. */
static void
patterns_mean_what_they_mean_to_perl(void **state)
{
	static const char text[] =
	    "To: save 12.50 now\nX-A: ab{,3}c\nX-B: acx\n";
	static const struct {
		const char *rules, *hits;
	} cases[] = {
	    {"header A To =~ /save $?[\\d\\.]+/", "A"},
	    {"header A To =~ /save $ ?[\\d\\.]+/", ""},
	    {"header A To =~ /save\\b?? 1/", "A"},
	    {"header A To =~ /\\A?ave${0,1} 1/", "A"},
	    {"header A To =~ /s$?+a^?v\\G?e/", "A"},
	    {"header A X-A =~ /^ab{,3}c$/", ""},
	    {"header A X-B =~ /^ab{,3}c/", "A"},
	    {"header A X-B =~ /^ac{ 1, 2 }x/", "A"},
	    {"header A X-A =~ /b[{,3}]{4}c/", "A"},
	    {"header A X-A =~ /b\\{,3}c/", "A"},
	    {"header A X-B =~ /^(?^aa:a)(?a)c(?p-i)x/", "A"},
	    {"header A X-B =~ /^\\N{U+61}[\\N{U+63}]/", "A"},
	    {"header A X-B =~ /^(?<n>a)(?<n>c)/", "A"},
	    {"header A X-B =~ /^ac(?\\#$?[)x/", "A"},
	    {"header A X-B =~ /^[$?]/", ""},
	    {"header A X-B =~ /^acx$/aadp", "A"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rules *rules;

		assert_int_equal(load(cases[i].rules, 0, &rules), 0);
		if (rules_mistake(rules, 0) != NULL)
			fail_msg("%s: %s", cases[i].rules,
			    rules_mistake(rules, 0)->text);
		expect_hits(rules, cases[i].rules, text, cases[i].hits);
		rules_free(rules);
	}
}

/* Behind either name of the plugin. */
static void
dmarc_is_asked_for_what_was_found(void **state)
{
	static const char *const plugins[] = {"DMARC", "Dmarc"};
	static const struct {
		const char *fact, *hits;
	} cases[] = {{"DMARC_PASS", "P"}, {"DMARC_REJECT", "R"},
	    {"DMARC_QUAR", "Q"}, {"DMARC_NONE", "N"}, {"DMARC_MISSING", "M"},
	    {"DMARC_TEMPERROR", ""}};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		const char *const facts[] = {cases[i / 2].fact, NULL};
		struct buf b = BUF_INIT, got = BUF_INIT;
		struct rules_result result;
		struct rules *rules;
		struct mail m;

		buf_printf(&b,
		    "ifplugin Mail::SpamAssassin::Plugin::%s\n"
		    "header P eval:check_dmarc_pass()\n"
		    "header R eval:check_dmarc_reject()\n"
		    "header Q eval:check_dmarc_quarantine()\n"
		    "header N eval:check_dmarc_none()\n"
		    "header M eval:check_dmarc_missing()\nendif\n",
		    plugins[i % 2]);
		assert_int_equal(load(b.data, 0, &rules), 0);
		mail_init(&m, "To: x@example.com\n");
		m.in.facts = facts;
		assert_int_equal(rules_run(rules, &m.in, &result), 0);
		buf_str(&got, "");
		for (const struct rules_hit *h = result.hits; h; h = h->next)
			buf_str(&got, h->name);
		assert_string_equal(buf_text(&got), cases[i / 2].hits);
		arena_fini(&m.arena);
		rules_free(rules);
		buf_fini(&got);
		buf_fini(&b);
	}
}

/* In metas and scores, once in each, with the line. */
static void
names_that_no_rule_has_are_named(void **state)
{
	static const char text[] =
	    "header A To =~ /x/\n"
	    "score A 2\n"
	    "score SPF_FAIL 2\n"
	    "score GONE 3\n"
	    "score GONE 0\n"
	    "score LATER 1\n"
	    "header LATER To =~ /(/\n"
	    "meta M1 A && SPF_FAIL && LATER && (NONE_1 || !NONE_1)\n"
	    "meta M2 NONE_1 + NONE_2\n"
	    "score SPF_PAS 1 1 1 1\n"
	    "score SPF_PASSX 1\n"
	    "score RCVD_IN_ANY 1\n";
	static const struct {
		unsigned line;
		const char *words;
	} want[] = {
	    {5, "score GONE: there is no rule"},
	    {8, "M1: no rule has the name NONE_1"},
	    {9, "M2: no rule has the name NONE_1"},
	    {9, "M2: no rule has the name NONE_2"},
	    {10, "score SPF_PAS: there is no rule"},
	    {11, "score SPF_PASSX: there is no rule"},
	};
	const struct rules_mistake *m;
	struct rules *rules;
	size_t n = 0;

	(void)state;
	assert_int_equal(load(text, 0, &rules), 0);
	for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
		if (!m->dangling)
			continue;
		assert_true(n < sizeof(want) / sizeof(*want));
		assert_int_equal(m->severity, RULES_WARNING);
		assert_string_equal(m->file, "t.cf");
		assert_int_equal(m->line, want[n].line);
		assert_non_null(strstr(m->text, want[n].words));
		n++;
	}
	assert_int_equal(n, sizeof(want) / sizeof(*want));
	rules_free(rules);
}

/* However many warnings stand before it. */
static void
an_error_is_always_told(void **state)
{
	const struct rules_mistake *m;
	struct buf b = BUF_INIT;
	struct rules *rules;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < RULES_MISTAKES_MAX + 9; i++)
		buf_printf(&b, "tflags A frob\n");
	buf_str(&b, "scroe A 1\n");
	assert_int_equal(load(b.data, 0, &rules), ERR_CONFIG);
	while (rules_mistake(rules, n) != NULL)
		n++;
	assert_int_equal(n, RULES_MISTAKES_MAX + 2);
	m = rules_mistake(rules, n - 2);
	assert_int_equal(m->severity, RULES_ERROR);
	assert_non_null(strstr(m->text, "is it score?"));
	m = rules_mistake(rules, n - 1);
	assert_int_equal(m->severity, RULES_NOTICE);
	assert_non_null(strstr(m->text, "9 more"));
	assert_int_equal(rules_warnings(rules, false), RULES_MISTAKES_MAX + 10);
	assert_int_equal(rules_warnings(rules, true), 0);
	rules_free(rules);
	buf_fini(&b);
}

/* Those that are not kept as well. */
static void
names_without_a_rule_are_counted(void **state)
{
	struct buf b = BUF_INIT;
	struct rules *rules;

	(void)state;
	for (int i = 0; i < 2 * RULES_MISTAKES_MAX + 9; i++)
		buf_printf(&b, "score GONE%d 1\n", i);
	buf_str(&b, "tflags A frob\n");
	assert_int_equal(load(b.data, 0, &rules), 0);
	assert_int_equal(
	    rules_warnings(rules, true), 2 * RULES_MISTAKES_MAX + 9);
	assert_int_equal(rules_warnings(rules, false), 1);
	rules_free(rules);
	buf_fini(&b);
}

/* What is too much of a thing is told, with whatever stands around it. */
static void
limits_are_told(void **state)
{
	static const struct {
		const char *before, *text, *middle, *after_each, *after;
		size_t count;
		const char *words; /* NULL: no mistake */
		int rc;
	} cases[] = {
	    {"meta A ", "(", "1", ")", "", 99, NULL, 0},
	    {"meta A ", "(", "1", ")", "", 200, "nested too deep", ERR_CONFIG},
	    {"meta A ", "!", "1", "", "", 200, "nested too deep", ERR_CONFIG},
	    {"meta A ", "1?1:", "1", "", "", 200, "nested too deep",
		ERR_CONFIG},
	    {"meta A ", "1+", "1", "", "", 30000, "too long", ERR_CONFIG},
	    {"", "if 1\n", "", "endif\n", "", 50, NULL, 0},
	    {"", "if 1\n", "", "endif\n", "", 51, "nested deeper than 50",
		ERR_CONFIG},
	    {"header ", "A", "", "", " To =~ /x/", 100, NULL, 0},
	    {"header ", "A", "", "", " To =~ /x/", 101, "longer than 100",
		ERR_CONFIG},
	    {"body A /", "(", "x", ")", "/", 300, "deeply nested", 0},
	    {"header A To =~ /", "abcdefghij", "", "", "/", 7000,
		"longer than 65536", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		struct rules *rules;
		bool found = false;

		buf_str(&b, cases[i].before);
		repeat(&b, cases[i].text, cases[i].count);
		buf_str(&b, cases[i].middle);
		repeat(&b, cases[i].after_each, cases[i].count);
		buf_str(&b, cases[i].after);
		assert_int_equal(load(b.data, 0, &rules), cases[i].rc);
		for (size_t n = 0; rules_mistake(rules, n) != NULL; n++)
			found |= cases[i].words != NULL &&
			    strstr(rules_mistake(rules, n)->text,
				cases[i].words) != NULL;
		if (found != (cases[i].words != NULL))
			fail_msg("%s%s: %s", cases[i].before, cases[i].text,
			    cases[i].words);
		rules_free(rules);
		buf_fini(&b);
	}
}

static void
a_chain_of_metas_has_an_end(void **state)
{
	struct buf b = BUF_INIT;
	struct rules *rules;

	(void)state;
	for (int i = 0; i < 1100; i++)
		buf_printf(&b, "meta M%d M%d\n", i, i + 1);
	assert_int_equal(load(b.data, 0, &rules), ERR_CONFIG);
	rules_free(rules);
	buf_fini(&b);
}

static void
octet_0_is_no_text(void **state)
{
	static const char text[] = "score A 1\nscore B 2\0 x\n";
	const struct rules_setup setup = {0};
	struct rules *rules;

	(void)state;
	assert_int_equal(
	    rules_new_text(text, sizeof(text) - 1, &setup, &rules), ERR_CONFIG);
	assert_int_equal(rules_mistake(rules, 0)->line, 2);
	rules_free(rules);
}

static void
settings_and_what_rules_want(void **state)
{
	static const struct {
		const char *rules, *tag;
		double required;
		bool body;
	} cases[] = {
	    {"required_score 7.5\nheader A To =~ /x/", NULL, 7.5, false},
	    {"rewrite_header Subject [x y]\nfull A /x/", "[x y]", 5, true},
	    {"rewrite_header Subject x\nrewrite_header subject", NULL, 5,
		false},
	    {"rewrite_header From x\nfull A /x/\nscore A 0", NULL, 5, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct rules_settings *s;
		struct rules *rules;

		assert_int_equal(load(cases[i].rules, 0, &rules), 0);
		s = rules_settings(rules);
		assert_true(s->required_score == cases[i].required);
		assert_int_equal(s->subject_tag == NULL, cases[i].tag == NULL);
		if (s->subject_tag != NULL)
			assert_string_equal(s->subject_tag, cases[i].tag);
		assert_int_equal(rules_want_body(rules), cases[i].body);
		rules_free(rules);
	}
}

static void
only_so_much_is_looked_at(void **state)
{
	struct buf b = BUF_INIT, got = BUF_INIT;
	double score;

	(void)state;
	for (int i = 0; i < 20; i++) {
		buf_str(&b, "X: ");
		repeat(&b, "o", 5000);
		buf_char(&b, '\n');
	}
	buf_str(&b, "To: bob\n\n");
	hits("header A ALL =~ /bob/\nheader B To =~ /bob/\n"
	     "header C X =~ /o/\ntflags C multiple",
	    0, b.data, &got, &score);
	assert_string_equal(buf_text(&got), "B C=1000");
	buf_fini(&got);
	buf_fini(&b);
}

static void
a_pattern_that_explodes_is_named_and_the_rest_goes_on(void **state)
{
	struct rules_result result;
	struct rules_info info;
	struct rules *rules;
	struct buf b = BUF_INIT;
	struct mail m;

	(void)state;
	buf_str(&b, "Subject: ");
	for (int i = 0; i < 5000; i++)
		buf_char(&b, 'a');
	buf_str(&b, "!\nTo: bob\n\n");
	assert_int_equal(load("header BAD Subject =~ /^(a|a|aa)+$/\n"
			      "header NOT Subject !~ /^(a|a|aa)+$/\n"
			      "header GOOD To =~ /bob/\n",
			     0, &rules),
	    0);
	mail_init(&m, buf_text(&b));
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	assert_non_null(result.limited);
	assert_string_equal(result.limited[0], "BAD");
	assert_string_equal(result.limited[1], "NOT");
	assert_null(result.limited[2]);
	assert_string_equal(result.hits->name, "GOOD");
	assert_null(result.hits->next);
	assert_true(rules_info(rules, 0, &info));
	assert_int_equal(info.limited, 1);
	assert_int_equal(info.tried, 1);
	arena_fini(&m.arena);
	rules_free(rules);
	buf_fini(&b);
}

/* As much header as a message may have, and patterns that would go on for ever:
 * they give up, and the message goes on. */
static void
a_hostile_header_ends(void **state)
{
	static const char *const patterns[] = {"(a+)+$", "(a|aa)+$",
	    "^(?:a?){30}a{30}b", "(.*)*b\\z", "(?:(?:a*)*)*c",
	    "a.*a.*a.*a.*a.*c"};
	struct rules_result result;
	struct buf b = BUF_INIT, text = BUF_INIT;
	struct rules *rules;
	struct mail m;

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(*patterns); i++)
		buf_printf(&b,
		    "header A%zu ALL =~ /%s/s\nheader B%zu From:addr =~ "
		    "/%s/s\n",
		    i, patterns[i], i, patterns[i]);
	for (int i = 0; i < 256; i++) {
		buf_printf(&text, "%s: \"", i % 2 ? "From" : "To");
		for (int j = 0; j < 1000; j++)
			buf_char(&text, j % 7 == 0 ? "<@,(\\:"[j % 6] : 'a');
		buf_char(&text, '\n');
	}
	buf_str(&text, "\nbody\n");
	assert_int_equal(load(buf_text(&b), 0, &rules), 0);
	mail_init(&m, buf_text(&text));
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	assert_false(result.late);
	arena_fini(&m.arena);
	rules_free(rules);
	buf_fini(&b);
	buf_fini(&text);
}

#define THREADS 4
#define RUNS 100

static void *
run_often(void *rules)
{
	for (int i = 0; i < RUNS; i++) {
		struct rules_result result;
		struct mail m;

		mail_init(&m, MAIL);
		assert_int_equal(rules_run(rules, &m.in, &result), 0);
		assert_string_equal(result.hits->name, "A");
		arena_fini(&m.arena);
	}
	return NULL;
}

static void
threads_share_the_rules(void **state)
{
	pthread_t threads[THREADS];
	struct rules_info info;
	struct rules *rules;

	(void)state;
	assert_int_equal(load("header A From:addr =~ /alice/\n"
			      "header B X-Spam-Relays-External =~ /x/\n"
			      "body C /world/\n",
			     0, &rules),
	    0);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, run_often, rules), 0);
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_true(rules_info(rules, 0, &info));
	assert_int_equal(info.hits, THREADS * RUNS);
	assert_int_equal(info.tried, THREADS * RUNS);
	rules_free(rules);
}

static int64_t
ticking(void)
{
	static int64_t now;

	return now += 10;
}

/* Cheap at each place, and too many places: the clock is looked at within. */
static void
a_pattern_that_goes_on_is_cut_and_named(void **state)
{
	struct rules_result result;
	struct rules_info info;
	struct rules *rules;
	struct buf b = BUF_INIT;
	struct mail m;

	(void)state;
	buf_str(&b, "Subject: ");
	for (int i = 0; i < 8000; i++)
		buf_char(&b, 'a');
	buf_str(&b, "\n\n");
	assert_int_equal(load("header SLOW Subject !~ /a[cd]/\n"
			      "header LATER exists:Subject\n",
			     0, &rules),
	    0);
	mail_init(&m, buf_text(&b));
	m.in.clock = ticking;
	m.in.deadline_ns = ticking() + 35;
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	assert_true(result.late);
	assert_null(result.hits);
	assert_non_null(result.limited);
	assert_string_equal(result.limited[0], "SLOW");
	assert_null(result.limited[1]);
	assert_true(rules_info(rules, 0, &info));
	assert_int_equal(info.limited, 1);
	assert_true(rules_info(rules, 1, &info));
	assert_int_equal(info.tried, 0);
	arena_fini(&m.arena);
	rules_free(rules);
	buf_fini(&b);
}

/* That it is looked at changes nothing. */
static void
long_texts_are_matched_as_in_one_go(void **state)
{
	static const char text[] =
	    "header END ALL =~ /c[d]\\b/\n"
	    "header BEHIND ALL =~ /(?<=aac)d/\n"
	    "header FIRST Subject =~ /^a+c/\n"
	    "header INSIDE Subject =~ /(?<!^)^a/\n"
	    "header AGAIN Subject =~ /x|\\Gc/\n"
	    "header VERB Subject =~ /a(*COMMIT)c/\n"
	    "header OFTEN Subject =~ /a{700}/\ntflags OFTEN multiple\n"
	    "header NONE Subject !~ /c[e]/\n";
	struct rules_result result;
	struct rules *rules;
	struct mail m;

	(void)state;
	assert_int_equal(load(text, 0, &rules), 0);
	for (int n = 1020; n < 8100; n += n < 1030 ? 1 : 1013) {
		struct buf b = BUF_INIT, found = BUF_INIT;

		buf_str(&b, "Subject: ");
		for (int i = 0; i < n; i++)
			buf_char(&b, 'a');
		buf_str(&b, "cd\n\n");
		mail_init(&m, buf_text(&b));
		m.in.clock = ticking;
		m.in.deadline_ns = INT64_MAX;
		assert_int_equal(rules_run(rules, &m.in, &result), 0);
		for (const struct rules_hit *h = result.hits; h; h = h->next)
			buf_printf(&found, "%s=%g ", h->name, h->value);
		buf_printf(&b, "END=1 BEHIND=1 FIRST=1 OFTEN=%d NONE=1 ",
		    n / 700);
		assert_string_equal(
		    buf_text(&found), strstr(buf_text(&b), "END"));
		assert_null(result.limited);
		arena_fini(&m.arena);
		buf_fini(&b);
		buf_fini(&found);
	}
	rules_free(rules);
}

static void
when_the_time_is_up_no_more_rules_run(void **state)
{
	struct rules_result result;
	struct rules_info info;
	struct buf b = BUF_INIT;
	struct rules *rules;
	struct mail m;
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_printf(&b, "header R%d To =~ /b/\npriority R%d %d\n", i, i,
		    i < 99 ? 0 : -1);
	assert_int_equal(load(buf_text(&b), 0, &rules), 0);
	mail_init(&m, MAIL);
	m.in.clock = ticking;
	m.in.deadline_ns = ticking() + 45;
	assert_int_equal(rules_run(rules, &m.in, &result), 0);
	assert_true(result.late);
	for (const struct rules_hit *h = result.hits; h != NULL; h = h->next)
		n++;
	assert_in_range(n, 2, 98);
	/* The last one was the first to run. */
	assert_true(rules_info(rules, 99, &info));
	assert_int_equal(info.tried, 1);
	assert_true(rules_info(rules, n - 2, &info));
	assert_int_equal(info.tried, 1);
	assert_true(rules_info(rules, n - 1, &info));
	assert_int_equal(info.tried, 0);
	arena_fini(&m.arena);
	rules_free(rules);
	buf_fini(&b);
}

/* A body has many pieces, and a pattern may take long over each: it is not tried
 * again after it gave up on one.  And the clock is looked at within a rule that
 * hits again and again. */
static void
the_time_may_be_up_in_the_midst_of_a_rule(void **state)
{
	static const struct {
		const char *rules;
		bool pieces;
	} cases[] = {
	    {"rawbody A /(?:a|aa)+(?:a|a)+[bc]$/", true},
	    {"header A Subject =~ /a/\ntflags A multiple", false},
	};
	struct buf b = BUF_INIT;

	(void)state;
	buf_str(&b, "Subject: ");
	for (int i = 0; i < 500; i++)
		buf_char(&b, 'a');
	buf_str(&b, "\n\n");
	for (int i = 0; i < 500; i++)
		buf_printf(&b, "%0900d\n", 0);
	for (char *p = strchr(b.data, '0'); p != NULL; p = strchr(p, '0'))
		*p = 'a';
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rules_result result;
		struct rules *rules;
		struct mail m;

		assert_int_equal(load(cases[i].rules, 0, &rules), 0);
		mail_init(&m, b.data);
		m.in.clock = ticking;
		m.in.deadline_ns = ticking() + 45;
		assert_int_equal(rules_run(rules, &m.in, &result), 0);
		assert_int_equal(result.late, !cases[i].pieces);
		assert_int_equal(result.limited != NULL, cases[i].pieces);
		if (!cases[i].pieces)
			assert_in_range(result.hits->value, 32, 499);
		arena_fini(&m.arena);
		rules_free(rules);
	}
	buf_fini(&b);
}

static void
write_file(const char *dir, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
files_include_others_and_directories_are_read_in_order(void **state)
{
	static const char *const names[] = {
	    "10.cf", "20.cf", "more.inc", "self.inc", "notes.txt"};
	char dir[] = "/tmp/postern-rules-XXXXXX", path[128];
	const char *const paths[] = {dir, NULL};
	const struct rules_setup setup = {0};
	struct rules_info info;
	struct rules *rules;

	(void)state;
	assert_non_null(mkdtemp(dir));
	write_file(dir, "20.cf", "score A 3\n");
	write_file(dir, "10.cf", "include more.inc\nscore A 2\n");
	write_file(dir, "more.inc", "header A To =~ /b/\n");
	write_file(dir, "notes.txt", "not a rule\n");
	assert_int_equal(rules_new(paths, &setup, &rules), 0);
	assert_true(rules_info(rules, 0, &info));
	assert_string_equal(info.name, "A");
	assert_true(info.score == 3);
	assert_non_null(strstr(info.file, "/more.inc"));
	rules_free(rules);
	write_file(dir, "self.inc", "include self.inc\n");
	write_file(dir, "20.cf", "include self.inc\ninclude nothing.inc\n");
	assert_int_equal(rules_new(paths, &setup, &rules), ERR_CONFIG);
	assert_non_null(
	    strstr(rules_mistake(rules, 0)->text, "does one include itself"));
	assert_non_null(
	    strstr(rules_mistake(rules, 1)->text, "No such file"));
	assert_int_equal(rules_mistake(rules, 1)->line, 2);
	rules_free(rules);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rules_hit_what_spamassassins_do),
	    cmocka_unit_test(mistakes_are_told_with_line_and_cure),
	    cmocka_unit_test(a_pattern_that_cannot_be_had_costs_its_rule),
	    cmocka_unit_test(patterns_mean_what_they_mean_to_perl),
	    cmocka_unit_test(dmarc_is_asked_for_what_was_found),
	    cmocka_unit_test(names_that_no_rule_has_are_named),
	    cmocka_unit_test(an_error_is_always_told),
	    cmocka_unit_test(names_without_a_rule_are_counted),
	    cmocka_unit_test(mails_of_many_kinds),
	    cmocka_unit_test(limits_are_told),
	    cmocka_unit_test(a_chain_of_metas_has_an_end),
	    cmocka_unit_test(octet_0_is_no_text),
	    cmocka_unit_test(settings_and_what_rules_want),
	    cmocka_unit_test(only_so_much_is_looked_at),
	    cmocka_unit_test(
		a_pattern_that_explodes_is_named_and_the_rest_goes_on),
	    cmocka_unit_test(a_hostile_header_ends),
	    cmocka_unit_test(threads_share_the_rules),
	    cmocka_unit_test(when_the_time_is_up_no_more_rules_run),
	    cmocka_unit_test(a_pattern_that_goes_on_is_cut_and_named),
	    cmocka_unit_test(long_texts_are_matched_as_in_one_go),
	    cmocka_unit_test(the_time_may_be_up_in_the_midst_of_a_rule),
	    cmocka_unit_test(
		files_include_others_and_directories_are_read_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
