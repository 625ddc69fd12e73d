/* Refuse and RefuseAt.  SPDX-License-Identifier: BSD-2-Clause */
#include "milter/refuse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/mail/message.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

static const char zone[] = "bad.example TXT v=spf1 -all\n"
			   "_dmarc.bad.example TXT v=DMARC1; p=reject\n"
			   "dead.example TXT !servfail\n"
			   "_dmarc.dead.example TXT !servfail\n"
			   "good.example TXT v=spf1 ip4:192.0.2.1 -all\n";

/* A conversation up to the first refusal. */
static const struct talk {
	const char *what, *conf;
	const char *from, *rcpt, *rcpt2;
	const char *at; /* connect, mail, rcpt or end; NULL: never */
	const char *by, *reply; /* reply: code, enhanced code and words */
	const char *macro, *value;
} talks[] = {
    {"nothing refuses", "", "a@bad.example", NULL, NULL, NULL, NULL, NULL, NULL,
	NULL},
    {"at the end", "Refuse SPF_FAIL\n", "a@bad.example", NULL, NULL, "end",
	"spf", "550 5.7.23 Refused for SPF_FAIL", NULL, NULL},
    {"what is not found", "Refuse SPF_FAIL\n", "a@good.example", NULL, NULL,
	NULL, NULL, NULL, NULL, NULL},
    {"words", "Refuse SPF_PASS=x,SPF_FAIL=not your domain\n", "a@bad.example",
	NULL, NULL, "end", "spf", "550 5.7.23 not your domain", NULL, NULL},
    {"a code", "Refuse SPF_FAIL=451 wait\n", "a@bad.example", NULL, NULL,
	"end", "spf", "451 4.7.1 wait", NULL, NULL},
    {"all at RCPT", "Refuse SPF_FAIL\nRefuseAt rcpt\n", "a@bad.example", NULL,
	NULL, "rcpt", "spf", "550 5.7.23 Refused for SPF_FAIL", NULL, NULL},
    {"spf at MAIL", "Refuse SPF_FAIL\nRefuseAt spf=mail\n", "a@bad.example",
	NULL, NULL, "mail", "spf", NULL, NULL, NULL},
    {"another at MAIL", "Refuse SPF_FAIL\nRefuseAt helo=mail\n",
	"a@bad.example", NULL, NULL, "end", "spf", NULL, NULL, NULL},
    {"all but one", "Refuse SPF_FAIL\nRefuseAt spf=rcpt, mail\n",
	"a@bad.example", NULL, NULL, "rcpt", "spf", NULL, NULL, NULL},
    {"no message at connect yet", "Refuse SPF_FAIL\nRefuseAt connect\n",
	"a@bad.example", NULL, NULL, "mail", "spf", NULL, NULL, NULL},
    {"what is due first is said",
	"Refuse SPF_FAIL,HELO_NOT_FQDN\nRefuseAt helo=rcpt\n", "a@bad.example",
	NULL, NULL, "rcpt", "helo", NULL, NULL, NULL},
    {"of two the first check's", "Refuse SPF_FAIL,HELO_NOT_FQDN,RDNS_NONE\n",
	"a@bad.example", NULL, NULL, "end", "spf", NULL, NULL, NULL},
    {"reverse DNS", "Refuse RDNS_NONE\nRefuseAt rdns=mail\n", "a@good.example",
	NULL, NULL, "mail", "rdns", "550 5.7.25 Refused for RDNS_NONE", NULL,
	NULL},
    {"a policy", "DMARCPolicy reject\nRefuseAt mail\n", "a@bad.example", NULL,
	NULL, "end", "dmarc", "550 5.7.26 Refused by the DMARC policy of "
	"bad.example", NULL, NULL},
    {"a symbol of dmarc's", "Refuse DMARC_REJECT,DMARC_NONE\n",
	"a@bad.example", NULL, NULL, "end", "dmarc", NULL, NULL, NULL},
    {"a login", "Refuse SPF_FAIL,HELO_NOT_FQDN\nRefuseAt mail\n",
	"a@bad.example", NULL, NULL, NULL, NULL, NULL, "{auth_authen}", "bob"},
    {"internal", "Refuse SPF_FAIL\nRefuseAt mail\nInternalHosts 192.0.2.1\n",
	"a@bad.example", NULL, NULL, NULL, NULL, NULL, NULL, NULL},
    /* RFC 5321 section 4.5.1 */
    {"postmaster at RCPT", "Refuse SPF_FAIL\nRefuseAt rcpt\n", "a@bad.example",
	"PostMaster", NULL, NULL, NULL, NULL, NULL, NULL},
    {"postmaster at the end", "Refuse SPF_FAIL\n", "a@bad.example",
	"postmaster@here.example", NULL, NULL, NULL, NULL, NULL, NULL},
    {"postmaster and another", "Refuse SPF_FAIL\n", "a@bad.example",
	"postmaster@here.example", "b@here.example", "end", "spf", NULL, NULL,
	NULL},
    {"another and postmaster, at RCPT", "Refuse SPF_FAIL\nRefuseAt rcpt\n",
	"a@bad.example", "b@here.example", "postmaster", "rcpt", "spf", NULL,
	NULL, NULL},
    {"somebody else", "Refuse SPF_FAIL\n", "a@bad.example",
	"postmasters@here.example", NULL, "end", "spf", NULL, NULL, NULL},
    {"MAIL knows no postmaster", "Refuse SPF_FAIL\nRefuseAt mail\n",
	"a@bad.example", "postmaster", NULL, "mail", "spf", NULL, NULL, NULL},
    {"what the DNS did not tell", "DMARCPolicy reject\n", "a@dead.example",
	NULL, NULL, "end", "dmarc", "451 4.7.1 Try again later", NULL, NULL},
    {"nor to postmaster", "DMARCPolicy reject\n", "a@dead.example",
	"postmaster", NULL, NULL, NULL, NULL, NULL, NULL},
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	chain_header(ctx, name, name_len, value, value_len);
}

static const char *
macro(void *ctx, const char *name)
{
	const struct talk *t = ctx;

	return t->macro != NULL && strcmp(t->macro, name) == 0 ? t->value
								: NULL;
}

/* What the client hears: the first refusal, and when. */
static const char *
converse(struct session *s, const struct talk *t, struct verdict *v)
{
	struct host client;
	char message[200];

	*v = chain_connect(s, NULL, walk_address("192.0.2.1", &client));
	if (verdict_refuses(v))
		return "connect";
	chain_helo(s, "desktop");
	*v = chain_mail(s, t->from, NULL);
	if (verdict_refuses(v))
		return "mail";
	*v = chain_rcpt(s, t->rcpt == NULL ? "b@here.example" : t->rcpt);
	if (verdict_refuses(v))
		return "rcpt";
	if (t->rcpt2 != NULL)
		chain_rcpt(s, t->rcpt2);
	snprintf(message, sizeof(message), "From: %s\n\n", t->from);
	message_split(message, strlen(message), on_field, s);
	chain_eoh(s);
	*v = chain_eom(s);
	return verdict_refuses(v) ? "end" : NULL;
}

static void
check(const struct talk *t, const struct dns *d)
{
	struct snapshot *snap = walk_load(t->conf);
	struct session *s;
	struct verdict v;
	const char *at, *xcode;
	char text[VERDICT_TEXT_SIZE];
	char reply[VERDICT_TEXT_SIZE + 32];
	int code;

	snap->dns = d;
	s = chain_open(snap, macro, (void *)(uintptr_t)t);
	at = converse(s, t, &v);
	if ((at == NULL) != (t->at == NULL) ||
	    (at != NULL && strcmp(at, t->at) != 0))
		fail_msg("%s: refused at %s", t->what,
		    at == NULL ? "no time" : at);
	if (at != NULL && strcmp(v.by, t->by) != 0)
		fail_msg("%s: by %s", t->what, v.by);
	if (t->reply != NULL) {
		assert_true(verdict_reply(&v, &code, &xcode, text));
		snprintf(reply, sizeof(reply), "%d %s %s", code, xcode, text);
		assert_string_equal(reply, t->reply);
	}
	/* At the end everybody has looked. */
	if (at != NULL && strcmp(at, "end") == 0 &&
	    (s->msg->helo == NULL || s->msg->spf == NULL ||
		s->msg->dkim == NULL || s->msg->dmarc == NULL ||
		s->msg->iprev == NULL))
		fail_msg("%s: not all was checked", t->what);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
}

static void
refuses_at_the_moment_that_is_chosen(void **state)
{
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(talks) / sizeof(*talks); i++)
		check(&talks[i], &d);
	dns_file_close(&d);
}

/* A check that answers early has its time all the same, and answers once. */
static struct dns counted;
static int64_t earliest;

static const struct dns_answer *
note_deadline(void *ctx, struct dns_query *q, struct wait *w)
{
	if (w != NULL && w->deadline_ms < earliest)
		earliest = w->deadline_ms;
	return counted.collect(ctx, q, w);
}

static size_t
count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text++;
		n++;
	}
	return n;
}

static void
asks_a_check_once_and_gives_it_time(void **state)
{
	static const struct talk talk = {.from = "a@good.example",
	    .rcpt = "b@here.example",
	    .rcpt2 = "c@here.example"};
	struct snapshot *snap =
	    walk_load("IPRev no\nRefuseAt mail, helo=rcpt\n");
	struct session *s;
	struct timespec now;
	struct verdict v;
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &counted), 0);
	d = counted;
	d.collect = note_deadline;
	snap->dns = &d;
	s = chain_open(snap, macro, (void *)(uintptr_t)&talk);
	earliest = INT64_MAX;
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_null(converse(s, &talk, &v));
	assert_true(earliest >= now.tv_sec * INT64_C(1000) +
	    now.tv_nsec / 1000000 + snap->dns_timeout_ms);
	assert_int_equal(count(buf_text(&s->msg->notes), " spf="), 1);
	assert_int_equal(count(buf_text(&s->msg->notes), " helo="), 1);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&counted);
}

/* The MTA waits for an answer where there may be one, and nowhere else. */
static void
negotiates_the_moments(void **state)
{
	static const struct {
		const char *conf;
		unsigned answers;
	} cases[] = {
	    {"Mode v\n", 0},
	    {"Mode v\nRefuseAt end\n", 0},
	    {"Mode v\nRefuseAt spf=rcpt\n", HOOK_BIT(HOOK_RCPT)},
	    {"Mode v\nRefuseAt spf=mail\n", HOOK_BIT(HOOK_MAIL)},
	    {"Mode v\nSPF no\nRefuseAt spf=mail\n", 0},
	    {"Mode v\nRefuseAt spf=mail,helo=rcpt\n",
		HOOK_BIT(HOOK_MAIL) | HOOK_BIT(HOOK_RCPT)},
	    {"Mode v\nRefuseAt helo=connect\n",
		HOOK_BIT(HOOK_HELO) | HOOK_BIT(HOOK_MAIL)},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = walk_load(cases[i].conf);

		if (chain_answers(snap) != cases[i].answers)
			fail_msg("%s: %x", cases[i].conf, chain_answers(snap));
		snapshot_unref(snap);
	}
}

static void
mistakes(void **state)
{
	static const struct {
		const char *conf, *words;
	} wrong[] = {
	    {"\nRefuseAt data\n",
		":2: RefuseAt: data: expected connect, mail, rcpt or end"},
	    {"RefuseAt spf=never\n", ":1: RefuseAt: spf=never: expected"},
	    {"RefuseAt dmarc=mail\n",
		"where CHECK is one of blocklist, spf, helo, dnsbl, rdns"},
	    {"RefuseAt quota=mail\n", ":1: RefuseAt: quota=mail: expected"},
	    {"\nRefuse spf_fail\n",
		":2: Refuse: spf_fail: expected a symbol, such as SPF_FAIL"},
	    {"Refuse SPF_FAIL=354 go\n",
		":1: Refuse: SPF_FAIL: expected a reply code of"},
	    {"Refuse SPF_FAIL=na\303\257ve\n",
		":1: Refuse: SPF_FAIL: expected a reply in ASCII"},
	    {"Refuse file:/nowhere/list\n", "/nowhere/list"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		char path[] = "/tmp/postern-test-XXXXXX";
		int fd = mkstemp(path), rc;
		struct snapshot *snap;
		struct errmsg msg;

		assert_true(fd >= 0);
		assert_int_equal(
		    write(fd, wrong[i].conf, strlen(wrong[i].conf)),
		    strlen(wrong[i].conf));
		close(fd);
		rc = snapshot_load(path, false, NULL, &snap, &msg);
		unlink(path);
		if (rc == 0)
			fail_msg("%s: taken", wrong[i].conf);
		if (strstr(msg.text, wrong[i].words) == NULL)
			fail_msg("%s: %s", wrong[i].conf, msg.text);
	}
}

/* What nobody has looked at before is not said either. */
static void
replies(void **state)
{
	static const struct {
		const char *value;
		enum verdict_action action;
		int code;
		const char *text;
	} cases[] = {
	    {"", VERDICT_REJECT, 0, "usual"},
	    {"No.", VERDICT_REJECT, 0, "No."},
	    {"554 No.", VERDICT_REJECT, 554, "No."},
	    {"450", VERDICT_TEMPFAIL, 450, "usual"},
	    {"4500 times", VERDICT_REJECT, 0, "4500 times"},
	    {"421 bye", VERDICT_REJECT, 0, "usual"},
	    {"a\r\n250 ok", VERDICT_REJECT, 0, "usual"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct verdict v = refuse_verdict(cases[i].value, "usual");

		assert_int_equal(v.action, cases[i].action);
		assert_int_equal(v.code, cases[i].code);
		assert_string_equal(v.text, cases[i].text);
	}
}

/* What a warning is given for. */
static void
knows_which_symbols_there_can_be(void **state)
{
	static const struct {
		const char *name;
		bool known;
	} cases[] = {
	    {"SPF_FAIL", true}, /* though SPF is off */
	    {"SPF_FIAL", false},
	    {"SPF_FAI", false},
	    {"OUTBOUND", true},
	    {"RCVD_IN_BL_EXAMPLE_NET", true},
	    {"RCVD_IN_OTHER", false},
	    {"PILLS", true},
	    {"__PART", false}, /* never a symbol, */
	    {"OFF", false},    /* nor is this */
	    {"SCORED", false}, /* only a score of nothing */
	};
	char path[] = "/tmp/postern-refuse-XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	struct snapshot *snap;
	char conf[256];

	(void)state;
	assert_non_null(f);
	fputs("header __PART exists:From\nheader OFF exists:To\nscore OFF 0\n"
	      "header PILLS Subject =~ /pills/\nscore SCORED 2\n",
	    f);
	fclose(f);
	snprintf(conf, sizeof(conf),
	    "RuleFile %s\nRuleStats none\nSPF no\nRefuse SPF_FIAL,HELO_*\n"
	    "DNSBL \"bl.example.net\" {\nCodes = {127.0.0.2}\n}\n",
	    path);
	snap = walk_load(conf);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		print_message("%s\n", cases[i].name);
		assert_int_equal(
		    chain_defines(snap, cases[i].name), cases[i].known);
	}
	snapshot_unref(snap);
	unlink(path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refuses_at_the_moment_that_is_chosen),
	    cmocka_unit_test(asks_a_check_once_and_gives_it_time),
	    cmocka_unit_test(negotiates_the_moments),
	    cmocka_unit_test(mistakes),
	    cmocka_unit_test(replies),
	    cmocka_unit_test(knows_which_symbols_there_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
