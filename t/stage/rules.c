/* Rule files, scores and what comes of them.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "milter/stage/rules.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define MAIL \
	"From: a@example.com\r\nSubject: cheap  pills\r\n" \
	"X-Spam-Flag: NO\r\nX-Spam-Status: No, score=-5\r\n\r\nBuy now\r\n"

static const char rules[] =
    "rewrite_header Subject [SPAM]\n"
    "header PILLS Subject =~ /cheap\\s+pills/i\n"
    "score PILLS 4\n"
    "header __FROM exists:From\n"
    "body NOW /buy now/i\n"
    "score NOW 2.5\n"
    "meta BOTH (PILLS && __FROM)\n"
    "score BOTH 0.5\n"
    "header OFF exists:From\n"
    "score OFF 0\n";

/* A configuration with the rules in a file of its own. */
struct setup {
	char path[64];
	struct snapshot *snap;
	struct session *session;
	struct verdict verdict;
};

static void
write_file(char *path, const char *text)
{
	int fd;

	strcpy(path, "/tmp/postern-rules-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Read it with the rules that are there. */
static void
configure(struct setup *s, const char *conf)
{
	char all[1024];

	/* Facts have scores of their own. */
	snprintf(all, sizeof(all),
	    "RuleFile %s\nSPF no\nIPRev no\nHELO no\nHELO no\n%s%s%s", s->path,
	    strstr(conf, "DMARC") == NULL ? "DMARC no\n" : "",
	    strstr(conf, "RuleStats") == NULL ? "RuleStats none\n" : "", conf);
	s->snap = walk_load(all);
}

static void
load(struct setup *s, const char *text, const char *conf)
{
	write_file(s->path, text);
	configure(s, conf);
}

static void
run(struct setup *s, const char *message, const char *login)
{
	struct walk w = {.from = "<a@example.com>",
	    .client_ip = "192.0.2.1",
	    .client_name = "mail.example.com",
	    .helo = "mail.example.com",
	    .rcpts = {"c@example.org"},
	    .macros = {{"j", "mx.example.org"}, {"i", "4XyZ"},
		{login == NULL ? "none" : "{auth_authen}", login}},
	    .message = message};

	s->session = walk_run(s->snap, &w, &s->verdict, NULL);
}

static void
done(struct setup *s)
{
	chain_close(s->session);
	snapshot_unref(s->snap);
	unlink(s->path);
}

static const struct edit *
edit_of(const struct setup *s, enum edit_op op, const char *name)
{
	const struct edit *e = s->session->msg->edits.first;

	while (e != NULL && (e->op != op || strcmp(e->name, name) != 0))
		e = e->next;
	return e;
}

static void
spam_is_marked_and_forged_marks_are_gone(void **state)
{
	struct setup s;
	const struct edit *e;

	(void)state;
	load(&s, rules, "");
	run(&s, MAIL, NULL);
	assert_int_equal(s.verdict.action, VERDICT_NONE);
	e = edit_of(&s, EDIT_INSERT, "X-Spam-Status");
	assert_non_null(e);
	assert_memory_equal(e->value, "Yes, score=7.0 required=5.0 tests=", 34);
	assert_non_null(strstr(e->value, "BOTH,"));
	assert_non_null(strstr(e->value, "NOW,PILLS"));
	assert_null(strstr(e->value, "__FROM"));
	assert_null(strstr(e->value, "OFF"));
	assert_string_equal(
	    edit_of(&s, EDIT_INSERT, "X-Spam-Flag")->value, "YES");
	assert_string_equal(
	    edit_of(&s, EDIT_INSERT, "X-Spam-Level")->value, "*******");
	assert_string_equal(
	    edit_of(&s, EDIT_INSERT, "X-Spam-Score")->value, "7.0");
	assert_string_equal(edit_of(&s, EDIT_CHANGE, "Subject")->value,
	    "[SPAM] cheap  pills");
	assert_non_null(edit_of(&s, EDIT_DELETE, "X-Spam-Flag"));
	assert_non_null(edit_of(&s, EDIT_DELETE, "X-Spam-Status"));
	done(&s);
}

static void
what_scores_little_is_no_spam(void **state)
{
	struct setup s;

	(void)state;
	load(&s, rules, "TagScore 7.5\n");
	run(&s, MAIL, NULL);
	assert_memory_equal(edit_of(&s, EDIT_INSERT, "X-Spam-Status")->value,
	    "No, score=7.0 required=7.5", 26);
	assert_null(edit_of(&s, EDIT_INSERT, "X-Spam-Flag"));
	assert_null(edit_of(&s, EDIT_CHANGE, "Subject"));
	done(&s);
}

static void
hits_are_told_with_what_they_met(void **state)
{
	const struct rules_hit *h;
	struct setup s;

	(void)state;
	load(&s, rules, "");
	run(&s, MAIL, NULL);
	h = s.session->msg->rules->hits;
	assert_string_equal(h->name, "PILLS");
	assert_int_equal(h->matched.len, 12);
	assert_memory_equal(h->matched.data, "cheap  pills", 12);
	assert_true(inbound_symbol(s.session->msg, "NOW"));
	assert_false(inbound_symbol(s.session->msg, "__FROM"));
	done(&s);
}

static void
thresholds_decide(void **state)
{
	static const struct {
		const char *conf, *login;
		enum verdict_action action;
	} cases[] = {
	    {"QuarantineScore 7\n", NULL, VERDICT_QUARANTINE},
	    {"QuarantineScore 7.1\n", NULL, VERDICT_NONE},
	    {"RejectScore 6\n", NULL, VERDICT_REJECT},
	    {"RejectScore 6\nQuarantineScore 3\n", NULL, VERDICT_REJECT},
	    {"DiscardScore 6.5\nRejectScore 6\n", NULL, VERDICT_DISCARD},
	    {"TempfailScore 7\n", NULL, VERDICT_TEMPFAIL},
	    {"RejectScore none\n", NULL, VERDICT_NONE},
	    {"RejectScore 6\n", "bob", VERDICT_NONE},
	    {"OutboundRejectScore 6\n", "bob", VERDICT_REJECT},
	    {"OutboundRejectScore 6\n", NULL, VERDICT_NONE},
	    {"OutboundQuarantineScore 6\n", "bob", VERDICT_QUARANTINE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct setup s;

		load(&s, rules, cases[i].conf);
		run(&s, MAIL, cases[i].login);
		if (s.verdict.action != cases[i].action)
			fail_msg("%s%s: %s", cases[i].conf,
			    cases[i].login == NULL ? "" : "outbound",
			    verdict_word(s.verdict.action));
		done(&s);
	}
}

static void
outbound_mail_is_marked_only_when_told(void **state)
{
	struct setup s;

	(void)state;
	load(&s, rules, "");
	run(&s, MAIL, "bob");
	assert_null(edit_of(&s, EDIT_INSERT, "X-Spam-Status"));
	assert_null(edit_of(&s, EDIT_DELETE, "X-Spam-Flag"));
	done(&s);
	load(&s, rules, "OutboundTagScore 6\n");
	run(&s, MAIL, "bob");
	assert_non_null(edit_of(&s, EDIT_INSERT, "X-Spam-Flag"));
	assert_non_null(edit_of(&s, EDIT_DELETE, "X-Spam-Flag"));
	done(&s);
}

/* The fields for mail with such a header, by rules beside
 * `header A exists:From`. */
static void
fields_are_as_spamassassins(void **state)
{
	static const struct {
		const char *rules, *header, *field;
		enum edit_op op;
		const char *value; /* NULL: there is none */
	} cases[] = {
	    {"score A 0.1", "", "X-Spam-Level", EDIT_INSERT, NULL},
	    {"score A 50", "", "X-Spam-Level", EDIT_INSERT,
		"**************************************************"},
	    {"score A 99", "", "X-Spam-Level", EDIT_INSERT,
		"**************************************************"},
	    {"score A 0", "", "X-Spam-Status", EDIT_INSERT,
		"No, score=0.0 required=5.0 tests=none\n\t"
		"autolearn=no version=" POSTERN_VERSION},
	    /* Once for each hit, in order, folded. */
	    {"score A 1\nheader ONE To =~ /o/\ntflags ONE multiple\n"
	     "score ONE 2\nheader A_NAME_THAT_IS_LONG exists:To\n"
	     "score A_NAME_THAT_IS_LONG 0.1",
		"To: o-o@example.net\r\n", "X-Spam-Status", EDIT_INSERT,
		"Yes, score=5.1 required=5.0 tests=A,A_NAME_THAT_IS_LONG,ONE,"
		"\n\tONE\n\tautolearn=no version=" POSTERN_VERSION},
	    /* What is not enough does not look as if it were ... */
	    {"score A 4.96", "", "X-Spam-Score", EDIT_INSERT, "4.9"},
	    {"score A 5", "", "X-Spam-Score", EDIT_INSERT, "5.0"},
	    /* ... and ten tenths make one. */
	    {"score A 4.3\nheader B exists:To\nscore B 0.1\n"
	     "header C exists:To\nscore C 0.6",
		"To: b\r\n", "X-Spam-Flag", EDIT_INSERT, "YES"},
	    {"score A 4.9", "", "X-Spam-Flag", EDIT_INSERT, NULL},
	    {"required_score 3\nscore A 3", "", "X-Spam-Flag", EDIT_INSERT,
		"YES"},
	    {"score A 1", "x-spam-FLAG: YES\r\n", "x-spam-FLAG", EDIT_DELETE,
		""},
	    {"score A 1", "", "X-Spam-Checker-Version", EDIT_INSERT,
		"Postern " POSTERN_VERSION " on mx.example.org"},
	    /* Subjects. */
	    {"score A 9\nrewrite_header Subject [_SCORE_/_REQD_]",
		"Subject: x\r\n", "Subject", EDIT_CHANGE, "[9.0/5.0] x"},
	    {"score A 9\nrewrite_header Subject _HITS(0)_ _X_ _SCORE(x)_",
		"Subject: x\r\n", "Subject", EDIT_CHANGE,
		"09.0 _X_ _SCORE(x)_ x"},
	    {"score A 9\nrewrite_header Subject S", "", "Subject",
		EDIT_INSERT, "S "},
	    {"score A 9\nrewrite_header Subject [S]",
		"Subject: [S] x\r\n", "Subject", EDIT_CHANGE, NULL},
	    /* Folds stay; other line ends are none of ours to send on. */
	    {"score A 9\nrewrite_header Subject [S]",
		"Subject: a\r\n b \r\n\tc\r\n", "Subject", EDIT_CHANGE,
		"[S] a\n b \n\tc"},
	    {"score A 9\nrewrite_header Subject [S]",
		"Subject: a\r\n \r\n\tb\rFrom: c\r\n \r\n", "Subject",
		EDIT_CHANGE, "[S] a b From: c"},
	    {"score A 9\nrewrite_header Subject [S]",
		"Subject:\r\n [S] x\r\n", "Subject", EDIT_CHANGE, NULL},
	    {"score A 9\nrewrite_header Subject \xc3\xbc b_=?",
		"Subject: x\r\n", "Subject", EDIT_CHANGE,
		"=?UTF-8?Q?=C3=BC_b=5F=3D=3F?= x"},
	    {"score A 9\nrewrite_header Subject \xfc",
		"Subject: =?UTF-8?Q?x?=\r\n", "Subject", EDIT_CHANGE,
		"=?ISO-8859-1?Q?=FC_?= =?UTF-8?Q?x?="},
	    {"score A 9\nrewrite_header Subject \xc3\xbc",
		"Subject: =?UTF-8?Q?=C3=BC?= x\r\n", "Subject", EDIT_CHANGE,
		NULL},
	    {"score A 9\nrewrite_header Subject "
	     "\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac\xe2"
	     "\x82\xac",
		"", "Subject", EDIT_INSERT,
		"=?UTF-8?Q?=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC=E2=82=AC?="
		"\n\t=?UTF-8?Q?=E2=82=AC?= "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[512], mail[256];
		const struct edit *e;
		struct setup s;

		snprintf(text, sizeof(text), "header A exists:From\n%s\n",
		    cases[i].rules);
		snprintf(mail, sizeof(mail),
		    "From: a@example.com\r\n%s\r\nx\r\n", cases[i].header);
		load(&s, text, "");
		run(&s, mail, NULL);
		e = edit_of(&s, cases[i].op, cases[i].field);
		if ((e == NULL) != (cases[i].value == NULL) ||
		    (e != NULL && e->value != NULL &&
			strcmp(e->value, cases[i].value) != 0))
			fail_msg("%s: %s: got %s", cases[i].rules,
			    cases[i].field, e == NULL ? "none" : e->value);
		done(&s);
	}
}

/* Whatever the MTA says or not, all fields of ours name this host the same. */
static void
one_name_in_all_fields(void **state)
{
	static const struct {
		const char *conf, *mta, *name; /* NULL: the system's */
	} cases[] = {
	    {"", "mx.example.org", "mx.example.org"},
	    {"AuthservID id.example\n", "mx.example.org", "id.example"},
	    {"AuthservID id.example\n", NULL, "id.example"},
	    {"AuthservID id.example\n", "", "id.example"},
	    {"AuthservID HOSTNAME\n", "mx.example.org", NULL},
	    {"", NULL, NULL},
	    {"", "", NULL},
	};
	static const char *const fields[] = {"Authentication-Results",
	    "X-Spam-Checker-Version", "DKIM-Filter", "Received-SPF"};
	char system[256] = "";

	(void)state;
	assert_int_equal(gethostname(system, sizeof(system) - 1), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *name =
		    cases[i].name == NULL ? system : cases[i].name;
		char conf[200];
		struct setup s;
		struct walk w = {.from = "<a@example.com>",
		    .client_ip = "192.0.2.1",
		    .rcpts = {"b@example.net"},
		    .macros = {{"j", cases[i].mta}, {"i", "4XyZ"}},
		    .message = MAIL};

		snprintf(conf, sizeof(conf),
		    "%sSPF yes\nReceivedSPF yes\nSoftwareHeader yes\n",
		    cases[i].conf);
		load(&s, "header A exists:From\n", conf);
		s.session = walk_run(s.snap, &w, &s.verdict, NULL);
		for (size_t k = 0; k < sizeof(fields) / sizeof(*fields); k++) {
			const struct edit *e =
			    edit_of(&s, EDIT_INSERT, fields[k]);

			if (e == NULL || strstr(e->value, name) == NULL)
				fail_msg("%zu: %s: %s", i, fields[k],
				    e == NULL ? "none" : e->value);
		}
		done(&s);
	}
}

static void
every_forged_mark_is_removed(void **state)
{
	struct setup s;
	unsigned seen = 0;

	(void)state;
	load(&s, "header A exists:From\n", "");
	run(&s, "X-Spam-Flag: NO\r\nFrom: a@example.com\r\n"
		"x-spam-flag: no\r\nX-SPAM-FLAG: \r\nX-Spam-Flag: YES\r\n"
		"X-Spam-Other: 1\r\nX-Spammer: 1\r\n\r\nx\r\n",
	    NULL);
	for (const struct edit *e = s.session->msg->edits.first; e != NULL;
	     e = e->next) {
		if (e->op != EDIT_DELETE)
			continue;
		assert_true(strncasecmp(e->name, "X-Spam-", 7) == 0);
		if (strcasecmp(e->name, "X-Spam-Flag") == 0) {
			assert_in_range(e->index, 1, 4);
			assert_false(seen & 1U << e->index);
			seen |= 1U << e->index;
		}
	}
	assert_int_equal(seen, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4);
	assert_non_null(edit_of(&s, EDIT_DELETE, "X-Spam-Other"));
	done(&s);
}

/* A login is told as a relay's, and a body is looked at up to its limit. */
static void
rules_are_told_what_the_session_knows(void **state)
{
	static char mail[700 * 1024];
	static const char rules_text[] =
	    "header T X-Spam-Relays-Trusted =~ /auth=ESMTPA/\n"
	    "header U X-Spam-Relays-Untrusted =~ /auth=ESMTPA/\n"
	    "meta AUTH (T || U)\n"
	    "rawbody FIRST /first/\n"
	    "rawbody BEHIND /behind/\n";
	struct setup s;
	size_t n;

	(void)state;
	n = (size_t)snprintf(mail, sizeof(mail),
	    "From: a@example.com\r\n\r\nfirst\r\n");
	while (n < 600 * 1024)
		n += (size_t)snprintf(
		    mail + n, sizeof(mail) - n, "%078d\r\n", 0);
	snprintf(mail + n, sizeof(mail) - n, "behind\r\n");
	load(&s, rules_text, "");
	run(&s, mail, "bob");
	assert_true(inbound_symbol(s.session->msg, "AUTH"));
	assert_true(inbound_symbol(s.session->msg, "FIRST"));
	assert_false(inbound_symbol(s.session->msg, "BEHIND"));
	done(&s);
	load(&s, rules_text, "");
	run(&s, MAIL, NULL);
	assert_false(inbound_symbol(s.session->msg, "AUTH"));
	done(&s);
}

static double
score_of(const struct message *m, const char *name)
{
	for (const struct symbol *sym = m->symbols; sym; sym = sym->next) {
		if (strcmp(sym->name, name) == 0)
			return sym->score;
	}
	return -999;
}

static void
facts_are_weighed_anew_and_combined(void **state)
{
	struct setup s;

	(void)state;
	load(&s,
	    "meta UNSIGNED (DMARC_MISSING && !DKIM_VALID)\n"
	    "header MULTIPLE_FROM exists:From\nscore MULTIPLE_FROM 0.3\n"
	    "score UNSIGNED 1.5\nscore DMARC_MISSING 0.7\n"
	    "ifplugin Mail::SpamAssassin::Plugin::Dmarc\n"
	    "header IS_MISSING eval:check_dmarc_missing()\n"
	    "header IS_REJECT eval:check_dmarc_reject()\nendif\n",
	    "DMARC yes\n");
	run(&s, "From: b@example.com\r\n" MAIL, NULL);
	assert_true(inbound_symbol(s.session->msg, "DMARC_MISSING"));
	assert_true(score_of(s.session->msg, "DMARC_MISSING") == 0.7);
	assert_true(inbound_symbol(s.session->msg, "IS_MISSING"));
	assert_false(inbound_symbol(s.session->msg, "IS_REJECT"));
	assert_true(score_of(s.session->msg, "UNSIGNED") == 1.5);
	assert_true(score_of(s.session->msg, "MULTIPLE_FROM") == 0.3);
	done(&s);
}

/* Each of these would go on for far longer, in header and body. */
static void
what_takes_too_long_ends_with_rule_timeout(void **state)
{
	static const char *const slow[] = {
	    "header SLOW ALL =~ /a.{0,700}.{0,700}[cd]/s\n",
	    "full SLOW /a.{0,700}.{0,700}[cd]/s\n",
	    "rawbody SLOW /a.{0,700}.{0,700}[cd]/s\n"};
	struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < 7; i++) {
		buf_str(&b, i == 0 ? "Subject: " : "X-Long: ");
		for (int j = 0; j < 8000; j++)
			buf_char(&b, 'a');
		buf_str(&b, "\r\n");
	}
	buf_str(&b, "\r\n");
	for (int i = 0; i < 5 * 1024 * 1024; i++)
		buf_str(&b, i % 70 == 69 ? "\r\n" : "a");
	for (size_t i = 0; i < sizeof(slow) / sizeof(*slow); i++) {
		const struct rules_result *r;
		struct setup s;

		load(&s, slow[i], "RuleTimeout 1\n");
		run(&s, buf_text(&b), NULL);
		assert_int_equal(s.verdict.action, VERDICT_NONE);
		r = s.session->msg->rules;
		assert_true(r->late);
		assert_string_equal(r->limited[0], "SLOW");
		assert_null(r->hits);
		done(&s);
	}
	buf_fini(&b);
}

static void
the_client_is_a_relay(void **state)
{
	struct setup s;

	(void)state;
	load(&s,
	    "header CLIENT X-Spam-Relays-External =~ "
	    "/^\\[ ip=192\\.0\\.2\\.1 rdns=mail\\.example\\.com /\n"
	    "header SENDER EnvelopeFrom =~ /^a\\@example\\.com$/\n"
	    "blocklist_to *@example.org\n",
	    "");
	run(&s, MAIL, NULL);
	assert_true(inbound_symbol(s.session->msg, "CLIENT"));
	assert_true(inbound_symbol(s.session->msg, "SENDER"));
	assert_true(inbound_symbol(s.session->msg, "USER_IN_BLOCKLIST_TO"));
	done(&s);
}

static void
bad_files_are_refused_with_line_and_cure(void **state)
{
	char path[64], conf_path[64], conf[128];
	struct errlist *list = errlist_new();
	struct snapshot *snap = NULL;
	const char *first, *second;

	(void)state;
	write_file(path,
	    "header A To =~ /x/\nscroe A 3\nheadre B To =~ /x/\n");
	snprintf(conf, sizeof(conf), "\nRuleFile %s\n", path);
	write_file(conf_path, conf);
	assert_int_equal(
	    snapshot_load_list(conf_path, true, NULL, list, NULL, &snap),
	    ERR_CONFIG);
	assert_null(snap);
	assert_int_equal(errlist_count(list), 2);
	first = errlist_get(list, 0);
	second = errlist_get(list, 1);
	assert_non_null(strstr(first, conf_path));
	assert_non_null(strstr(first, ":2: RuleFile: "));
	assert_non_null(strstr(first, path));
	assert_non_null(strstr(first, ":2: error: scroe: "));
	assert_non_null(strstr(first, "is it score?"));
	assert_non_null(strstr(second, ":2: RuleFile: "));
	assert_non_null(strstr(second, ":3: error: "));
	errlist_free(list);
	unlink(path);
	unlink(conf_path);
}

/* What the file says of a rule. */
static struct rules_stats_count
count_of(const struct setup *s, const char *path, const char *name)
{
	const struct rules *r = rules_in_force(s->snap);
	struct rules_stats_count *list, found = {0};
	struct rules_info info;
	struct errmsg msg;

	if (rules_stats_read(path, r, &list, &msg) != 0)
		fail_msg("%s", msg.text);
	for (size_t i = 0; rules_info(r, i, &info); i++) {
		if (strcmp(info.name, name) == 0)
			found = list[i];
	}
	free(list);
	return found;
}

static void
hits_are_put_down_over_reloads(void **state)
{
	char dir[] = "/tmp/postern-stats-XXXXXX", path[64], conf[128];
	struct setup s;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/rules", dir);
	snprintf(conf, sizeof(conf), "RuleStats %s\n", path);
	load(&s, rules, conf);
	run(&s, MAIL, NULL);
	assert_int_equal(count_of(&s, path, "PILLS").hits, 0);
	assert_true(rules_write_counts(s.snap));
	assert_int_equal(count_of(&s, path, "PILLS").hits, 1);
	assert_int_equal(count_of(&s, path, "PILLS").tried, 1);
	/* The first of 64 is timed. */
	assert_int_equal(count_of(&s, path, "PILLS").timed, 1);
	assert_int_equal(count_of(&s, path, "OFF").tried, 0);
	chain_end(s.session, NULL);
	chain_close(s.session);
	run(&s, "From: a@example.com\r\n\r\n", NULL);
	chain_close(s.session);
	/* The last that uses a configuration puts down the rest. */
	snapshot_unref(s.snap);
	configure(&s, conf);
	assert_int_equal(count_of(&s, path, "PILLS").hits, 1);
	assert_int_equal(count_of(&s, path, "PILLS").tried, 2);
	assert_int_equal(count_of(&s, path, "PILLS").timed, 1);
	run(&s, MAIL, NULL);
	rules_write_counts(s.snap);
	assert_int_equal(count_of(&s, path, "PILLS").hits, 2);
	done(&s);
	unlink(path);
	rmdir(dir);
}

/* It is only for looking at. */
static void
a_file_that_cannot_be_had_stops_nobody(void **state)
{
	struct setup s;

	(void)state;
	load(&s, rules, "RuleStats /proc/no/such/file\n");
	run(&s, MAIL, NULL);
	assert_true(inbound_symbol(s.session->msg, "PILLS"));
	assert_true(rules_write_counts(s.snap));
	done(&s);
}

static void
without_rules_there_is_no_stage(void **state)
{
	struct snapshot *snap = walk_load("Mode v\n");

	(void)state;
	assert_null(rules_in_force(snap));
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(spam_is_marked_and_forged_marks_are_gone),
	    cmocka_unit_test(what_scores_little_is_no_spam),
	    cmocka_unit_test(hits_are_told_with_what_they_met),
	    cmocka_unit_test(thresholds_decide),
	    cmocka_unit_test(outbound_mail_is_marked_only_when_told),
	    cmocka_unit_test(fields_are_as_spamassassins),
	    cmocka_unit_test(rules_are_told_what_the_session_knows),
	    cmocka_unit_test(one_name_in_all_fields),
	    cmocka_unit_test(every_forged_mark_is_removed),
	    cmocka_unit_test(facts_are_weighed_anew_and_combined),
	    cmocka_unit_test(the_client_is_a_relay),
	    cmocka_unit_test(what_takes_too_long_ends_with_rule_timeout),
	    cmocka_unit_test(bad_files_are_refused_with_line_and_cure),
	    cmocka_unit_test(hits_are_put_down_over_reloads),
	    cmocka_unit_test(a_file_that_cannot_be_had_stops_nobody),
	    cmocka_unit_test(without_rules_there_is_no_stage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
