/* DMARC, DMARCPolicy and who is excused. SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dmarc/dmarc.h"

#include <stdio.h>
#include <string.h>

#include "lib/dkim/dkim_verify.h"
#include "lib/spf/spf.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

static const char zone[] =
    "_dmarc.own.example TXT v=DMARC1; p=reject\n"
    "_dmarc.soft.example TXT v=DMARC1; p=quarantine\n"
    "_dmarc.lax.example TXT v=DMARC1; p=none\n"
    "_dmarc.test.example TXT v=DMARC1; p=reject; t=y\n"
    "_dmarc.dead.example TXT !servfail\n";

static const char *const off[] = {"spf", "dkim", "iprev", "rdns", "authres"};

static struct snapshot *
load(const char *conf, const struct dns *dns)
{
	struct snapshot *snap = walk_load(conf);

	for (size_t i = 0; i < sizeof(off) / sizeof(*off); i++)
		inbound_without(snap, off[i]);
	snap->dns = dns;
	return snap;
}

#define NINE "a@b1,a@b2,a@b3,a@b4,a@b5,a@b6,a@b7,a@b8,a@b9,"

static const struct {
	const char *name, *conf, *header;
	const char *spf, *dkim; /* what passed; a ? in front: temporary error */
	const char *symbol;
	enum verdict_action action;
	const char *notes; /* in the summary line */
} cases[] = {
    {"SPF passes", "", "From: a@own.example\n", "own.example", NULL,
	"DMARC_PASS", VERDICT_NONE, " dmarc=pass"},
    {"DKIM passes", "", "From: a@own.example\n", NULL, "own.example",
	"DMARC_PASS", VERDICT_NONE, " dmarc=pass"},
    {"no policy", "DMARCPolicy reject\n", "From: a@other.example\n", NULL,
	NULL, "DMARC_MISSING", VERDICT_NONE, " dmarc=none"},
    {"fails, only marked", "", "From: a@own.example\n", NULL, NULL,
	"DMARC_REJECT", VERDICT_NONE,
	" dmarc=fail dmarc_from=own.example dmarc_policy=reject "
	"dmarc_override=local_policy"},
    {"fails, quarantine", "", "From: a@soft.example\n", NULL, NULL,
	"DMARC_QUAR", VERDICT_NONE, " dmarc_override=local_policy"},
    {"fails, none", "DMARCPolicy reject\n", "From: a@lax.example\n", NULL,
	NULL, "DMARC_NONE", VERDICT_NONE, " dmarc_policy=none"},
    {"refused", "DMARCPolicy reject\n", "From: a@own.example\n", NULL,
	NULL, "DMARC_REJECT", VERDICT_REJECT, " dmarc_policy=reject"},
    {"held, as asked", "DMARCPolicy reject\n", "From: a@soft.example\n",
	NULL, NULL, "DMARC_QUAR", VERDICT_QUARANTINE,
	" dmarc_policy=quarantine"},
    {"held instead of refused", "DMARCPolicy quarantine\n",
	"From: a@own.example\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_QUARANTINE, " dmarc_override=local_policy"},
    {"held, as asked and allowed", "DMARCPolicy quarantine\n",
	"From: a@soft.example\n", NULL, NULL, "DMARC_QUAR",
	VERDICT_QUARANTINE, " dmarc_policy=quarantine"},
    {"test mode: one level down", "DMARCPolicy reject\n",
	"From: a@test.example\n", NULL, NULL, "DMARC_QUAR",
	VERDICT_QUARANTINE,
	" dmarc_policy=reject dmarc_override=policy_test_mode"},
    {"a forwarder, by address",
	"DMARCPolicy reject\nDMARCTrustedForwarders 192.0.2.0/24\n",
	"From: a@own.example\n", NULL, NULL, "DMARC_EXCUSED", VERDICT_NONE,
	" dmarc_override=trusted_forwarder"},
    {"a forwarder, by name",
	"DMARCPolicy reject\nDMARCTrustedForwarders .fwd.example\n",
	"From: a@own.example\n", NULL, NULL, "DMARC_EXCUSED", VERDICT_NONE,
	" dmarc_override=trusted_forwarder"},
    {"no forwarder",
	"DMARCPolicy reject\nDMARCTrustedForwarders 198.51.100.1\n",
	"From: a@own.example\n", NULL, NULL, "DMARC_REJECT", VERDICT_REJECT,
	""},
    {"a list, by SPF", "DMARCPolicy reject\nDMARCMailingLists l.example\n",
	"From: a@own.example\n", "L.example", NULL, "DMARC_EXCUSED",
	VERDICT_NONE, " dmarc_override=mailing_list"},
    {"a list, by DKIM", "DMARCPolicy reject\nDMARCMailingLists l.example\n",
	"From: a@own.example\n", NULL, "l.example", "DMARC_EXCUSED",
	VERDICT_NONE, " dmarc_override=mailing_list"},
    {"a list that did not pass",
	"DMARCPolicy reject\nDMARCMailingLists l.example\n",
	"From: a@own.example\n", "?l.example", "k.example", "DMARC_REJECT",
	VERDICT_REJECT, ""},

    {"no answer, only marked", "", "From: a@dead.example\n", NULL, NULL,
	"DMARC_TEMPERROR", VERDICT_NONE, " dmarc=temperror"},
    {"no answer", "DMARCPolicy reject\n", "From: a@dead.example\n", NULL,
	NULL, "DMARC_TEMPERROR", VERDICT_TEMPFAIL, " dmarc=temperror"},
    {"no answer, On-DNSError", "DMARCPolicy reject\nOn-DNSError accept\n",
	"From: a@dead.example\n", NULL, NULL, "DMARC_TEMPERROR",
	VERDICT_NONE, " dmarc=temperror"},
    {"no answer for SPF", "DMARCPolicy reject\n", "From: a@own.example\n",
	"?own.example", NULL, "DMARC_TEMPERROR", VERDICT_TEMPFAIL, ""},

    {"no From", "DMARCPolicy reject\n", "Subject: x\n", "own.example",
	NULL, "MISSING_FROM", VERDICT_NONE, " dmarc=permerror"},
    {"an unreadable From", "DMARCPolicy reject\n", "From: a@own.example <\n",
	"own.example", NULL, "FROM_INVALID", VERDICT_NONE,
	" dmarc=permerror"},
    {"an empty From", "", "From: \n", NULL, NULL, "FROM_INVALID",
	VERDICT_NONE, " dmarc=permerror"},
    {"an unreadable address beside one that passes", "",
	"From: a@own.example, b@\n", "own.example", NULL, "DMARC_PERMERROR",
	VERDICT_NONE, " dmarc=permerror"},
    {"an unreadable address beside one that fails",
	"DMARCPolicy reject\n", "From: a@own.example, b@\n", NULL, NULL,
	"DMARC_REJECT", VERDICT_REJECT, " dmarc=fail"},
    {"two addresses, one fails", "DMARCPolicy reject\n",
	"From: a@soft.example, b@own.example\n", "soft.example", NULL,
	"DMARC_REJECT", VERDICT_REJECT, " dmarc_from=own.example"},
    {"two From fields, one fails", "DMARCPolicy reject\n",
	"From: a@own.example\nFrom: b@soft.example\n", "own.example", NULL,
	"MULTIPLE_FROM", VERDICT_QUARANTINE, " dmarc_from=soft.example"},
    {"two From fields: a signature counts for neither",
	"DMARCPolicy reject\n",
	"From: a@own.example\nFrom: b@own.example\n", NULL, "own.example",
	"DMARC_REJECT", VERDICT_REJECT, ""},
    {"two From fields that pass: nobody's", "DMARCPolicy reject\n",
	"From: a@own.example\nFrom: b@own.example\n", "own.example", NULL,
	"DMARC_PERMERROR", VERDICT_NONE, " dmarc=permerror"},
    {"unreadable, a bracket too many", "DMARCPolicy reject\n",
	"From: \"CEO\" <ceo@own.example>>\n", NULL, NULL, "DMARC_PERMERROR",
	VERDICT_REJECT, " dmarc=permerror dmarc_from=own.example "
	"dmarc_policy=reject"},
    {"unreadable, the policy has its symbol", "",
	"From: ceo@own.example>\n", NULL, NULL, "DMARC_REJECT", VERDICT_NONE,
	" dmarc=permerror dmarc_from=own.example dmarc_policy=reject "
	"dmarc_override=local_policy"},
    {"unreadable, held", "DMARCPolicy quarantine\n",
	"From: ceo@own.example (\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_QUARANTINE, " dmarc_override=local_policy"},
    {"unreadable, held as asked", "DMARCPolicy reject\n",
	"From: ceo@soft.example\v\n", NULL, NULL, "DMARC_QUAR",
	VERDICT_QUARANTINE, " dmarc_policy=quarantine"},
    {"unreadable, the strictest of two", "DMARCPolicy reject\n",
	"From: a@soft.example b@own.example\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_REJECT, " dmarc_from=own.example"},
    {"unreadable, vouched for one of two", "DMARCPolicy reject\n",
	"From: <b@soft.example> ceo@own.example\n", "soft.example",
	"soft.example", "DMARC_REJECT", VERDICT_REJECT,
	" dmarc=permerror dmarc_from=own.example"},
    {"unreadable, vouched for: no pass", "DMARCPolicy reject\n",
	"From: <bob@own.example> ceo@own.example\n", "own.example",
	"own.example", "DMARC_PERMERROR", VERDICT_NONE, " dmarc=permerror"},
    {"unreadable, a group's name", "DMARCPolicy reject\n",
	"From: ceo@own.example: bob@soft.example;\n", "soft.example", NULL,
	"FROM_INVALID", VERDICT_REJECT, " dmarc=permerror"},
    {"unreadable, no route", "DMARCPolicy reject\n",
	"From: <ceo@x:bob@own.example>\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_REJECT, " dmarc=permerror"},
    {"unreadable, in an encoded word", "DMARCPolicy reject\n",
	"From: =?utf-8?q?ceo=40own.example?=\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_REJECT, " dmarc=permerror"},
    {"unreadable, nobody asks for more", "DMARCPolicy reject\n",
	"From: a@lax.example>\n", NULL, NULL, "FROM_INVALID", VERDICT_NONE,
	" dmarc=permerror"},
    {"unreadable, no answer", "DMARCPolicy reject\n",
	"From: a@dead.example>\n", NULL, NULL, "DMARC_TEMPERROR",
	VERDICT_TEMPFAIL, " dmarc=temperror"},
    {"unreadable, no answer, On-DNSError",
	"DMARCPolicy reject\nOn-DNSError accept\n", "From: a@dead.example>\n",
	NULL, NULL, "DMARC_TEMPERROR", VERDICT_NONE, " dmarc=temperror"},
    {"unreadable, from a forwarder",
	"DMARCPolicy reject\nDMARCTrustedForwarders 192.0.2.0/24\n",
	"From: a@own.example>\n", NULL, NULL, "DMARC_EXCUSED", VERDICT_NONE,
	" dmarc=permerror dmarc_from=own.example dmarc_policy=reject "
	"dmarc_override=trusted_forwarder"},
    {"two From fields, one of them unreadable", "DMARCPolicy reject\n",
	"From: a@soft.example\nFrom: b@own.example>\n", "soft.example", NULL,
	"DMARC_REJECT", VERDICT_REJECT, " dmarc=permerror"},
    {"unreadable, more domains than are looked at", "DMARCPolicy reject\n",
	"From: " NINE "a@own.example>\n", NULL, NULL, "DMARC_PERMERROR",
	VERDICT_REJECT, " dmarc=permerror"},
    {"more domains than are looked at", "DMARCPolicy reject\n",
	"From: " NINE "a@own.example\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_REJECT, " dmarc=permerror"},
    {"more domains than are looked at, only marked", "",
	"From: " NINE "a@own.example\n", NULL, NULL, "DMARC_REJECT",
	VERDICT_NONE, " dmarc_override=local_policy"},
    {"a name that looks like an address", "DMARCPolicy reject\n",
	"From: \"ceo@own.example\" <a@soft.example>\n", "soft.example", NULL,
	"DMARC_PASS", VERDICT_NONE, " dmarc=pass"},
    {"the same address as name", "DMARCPolicy reject\n",
	"From: a@own.example <a@own.example>\n", "own.example", NULL,
	"DMARC_PASS", VERDICT_NONE, " dmarc=pass"},
    {"a comma in a name", "DMARCPolicy reject\n",
	"From: Doe, Al <a@own.example>\n", NULL, "own.example", "DMARC_PASS",
	VERDICT_NONE, " dmarc=pass"},
    {"DMARCHold no, asks to be held", "DMARCPolicy reject\nDMARCHold no\n",
	"From: a@soft.example\n", NULL, NULL, "DMARC_QUAR", VERDICT_NONE,
	" dmarc_policy=quarantine dmarc_override=local_policy"},
    {"DMARCHold no, asks to be refused",
	"DMARCPolicy reject\nDMARCHold no\n", "From: a@own.example\n", NULL,
	NULL, "DMARC_REJECT", VERDICT_REJECT, " dmarc_policy=reject"},
    {"DMARCHold no, quarantine at most",
	"DMARCPolicy quarantine\nDMARCHold no\n", "From: a@own.example\n",
	NULL, NULL, "DMARC_REJECT", VERDICT_NONE,
	" dmarc_override=local_policy"},
    {"more addresses than are looked at", "",
	"From: a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,"
	"a@a,a@a,a@a,a@a,a@a,a@own.example\nFrom: b@own.example\n",
	"own.example", NULL, "FROM_INVALID", VERDICT_NONE,
	" dmarc=permerror"},
};

static struct verdict
run(struct snapshot *snap, size_t i, struct session **s_r)
{
	/* They live as long as the message, which the caller ends. */
	static struct spf_result r;
	static struct dkim_verdict one;
	static struct dkim_verdicts all;
	const char *spf = cases[i].spf, *dkim = cases[i].dkim;
	const char *from = strstr(cases[i].header, "From:");
	struct inbound facts = {.spf = &r, .dkim = &all};
	char text[600];
	struct walk w = {.client_ip = "192.0.2.7",
	    .client_name = "mx.fwd.example",
	    .from = "<x@own.example>",
	    .rcpts = {"b@example.net"},
	    .message = text};
	struct verdict v;

	r = (struct spf_result){
	    .result = spf == NULL ? SPF_FAIL
		: spf[0] == '?'	  ? SPF_TEMPERROR
				  : SPF_PASS,
	    .domain = spf == NULL ? "own.example" : spf + (spf[0] == '?')};
	one = (struct dkim_verdict){
	    .status = dkim == NULL ? DKIM_STATUS_FAIL : DKIM_STATUS_PASS,
	    .domain = dkim == NULL ? "own.example" : dkim};
	all = (struct dkim_verdicts){.count = 1,
	    .list = &one,
	    .many_from = from == NULL || strstr(from + 1, "From:") != NULL};
	snprintf(text, sizeof(text), "%s\n", cases[i].header);
	*s_r = inbound_run(snap, &w, &facts, &v);
	return v;
}

static void
judges(void **state)
{
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(zone, &dns), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = load(cases[i].conf, &dns);
		struct session *s;
		struct verdict v = run(snap, i, &s);
		const char *notes = buf_text(&s->msg->notes);

		if (v.action != cases[i].action ||
		    !inbound_symbol(s->msg, cases[i].symbol) ||
		    strstr(notes, cases[i].notes) == NULL)
			fail_msg("%s: %s [%s]", cases[i].name,
			    verdict_word(v.action), notes);
		if (v.action == VERDICT_REJECT)
			assert_string_equal(v.xcode, "5.7.26");
		if (s->msg->author.state == AUTHOR_UNREADABLE)
			assert_int_not_equal(s->msg->dmarc->result, DMARC_PASS);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&dns);
}

/* Off, of no use, or not for this message: no fact and no symbol. */
static void
is_not_made(void **state)
{
	static const struct {
		const char *name, *conf, *login;
		bool dns;
	} offs[] = {
	    {"switched off", "DMARC no\n", NULL, true},
	    {"Mode", "Mode s\nInternalHosts 198.51.100.1\n", NULL, true},
	    {"nobody to ask", "", NULL, false},
	    {"outbound", "", "bob", true},
	};
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(zone, &dns), 0);
	for (size_t i = 0; i < sizeof(offs) / sizeof(*offs); i++) {
		struct snapshot *snap =
		    load(offs[i].conf, offs[i].dns ? &dns : NULL);
		struct walk w = {.client_ip = "192.0.2.7",
		    .from = "<x@own.example>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", offs[i].login}},
		    .message = "From: a@own.example\n\n"};
		struct verdict v;
		struct session *s = walk_run(snap, &w, &v, NULL);

		if (s->msg->dmarc != NULL || walk_found(s->msg) != NULL)
			fail_msg("%s", offs[i].name);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&dns);
}

/* Whose mail is not judged. */
static void
leaves_alone(void **state)
{
	static const struct {
		const char *conf, *from;
		bool judged;
	} alone[] = {
	    {"DMARCIgnoreHosts 192.0.2.0/24\n", "a@own.example", false},
	    {"DMARCIgnoreHosts 192.0.2.0/24,!192.0.2.7\n", "a@own.example",
		true},
	    {"DMARCIgnoreFrom x.example,Own.Example\n", "a@OWN.example",
		false},
	    {"DMARCIgnoreFrom example,.example\n", "a@own.example", true},
	    {"DMARCIgnoreFrom own.example\n",
		"a@own.example, b@soft.example", true},
	    {"DMARCIgnoreFrom own.example,soft.example\n",
		"a@own.example, b@soft.example", false},
	    {"DMARCIgnoreFrom own.example\n", "a@own.example, <", true},
	    {"DMARCIgnoreFrom own.example\n", "a@own.example>", true},
	};
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(zone, &dns), 0);
	for (size_t i = 0; i < sizeof(alone) / sizeof(*alone); i++) {
		struct snapshot *snap = load(alone[i].conf, &dns);
		char text[100];
		const struct walk w = {.client_ip = "192.0.2.7",
		    .from = "<x@own.example>",
		    .rcpts = {"b@example.net"},
		    .message = text};
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), "From: %s\n\n", alone[i].from);
		s = walk_run(snap, &w, &v, NULL);
		if ((s->msg->dmarc != NULL) != alone[i].judged ||
		    !alone[i].judged != (strstr(buf_text(&s->msg->notes),
			" dmarc=ignored") != NULL))
			fail_msg("%s%s", alone[i].conf, alone[i].from);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&dns);
}

/* DMARCReply: what a refused client is told. */
static void
says_why(void **state)
{
	static const struct {
		const char *conf, *text;
	} replies[] = {
	    {"", "Refused by the DMARC policy of own.example"},
	    {"DMARCReply no mail from %domain%, sorry\n",
		"no mail from own.example, sorry"},
	    {"DMARCReply 100% no\n", "100% no"},
	};
	const struct walk w = {.client_ip = "192.0.2.7",
	    .from = "<x@own.example>",
	    .rcpts = {"b@example.net"},
	    .message = "From: a@own.example\n\n"};
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(zone, &dns), 0);
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		char conf[200];
		struct snapshot *snap;
		struct verdict v;
		struct session *s;

		snprintf(conf, sizeof(conf), "DMARCPolicy reject\n%s",
		    replies[i].conf);
		snap = load(conf, &dns);
		s = walk_run(snap, &w, &v, NULL);
		assert_int_equal(v.action, VERDICT_REJECT);
		assert_string_equal(v.text, replies[i].text);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&dns);
}

static void
takes_a_list(void **state)
{
	static const char cosuk[] = "_dmarc.co.uk TXT v=DMARC1; p=reject\n";
	struct snapshot *snap;
	struct dns dns;
	struct verdict v;
	struct session *s;
	const struct walk w = {.client_ip = "192.0.2.7",
	    .from = "<x@own.example>",
	    .rcpts = {"b@example.net"},
	    .message = "From: a@corp.co.uk\n\n"};

	(void)state;
	assert_int_equal(dns_file_open(cosuk, &dns), 0);
	snap = load("OrganizationalDomain psl\n", &dns);
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(s->msg->dmarc->result, DMARC_NONE);
	assert_true(s->msg->dmarc->psl);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&dns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges),
	    cmocka_unit_test(is_not_made),
	    cmocka_unit_test(leaves_alone),
	    cmocka_unit_test(says_why),
	    cmocka_unit_test(takes_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
