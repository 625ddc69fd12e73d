/* One Authentication-Results on top, and none in our name below it.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/authres.h"

#include <stdio.h>
#include <string.h>

#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/iprev.h"
#include "lib/spf/spf.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define AR "Authentication-Results: "
#define OURS AR "mx.example.org; spf=pass\n"

static struct snapshot *
load(const char *conf)
{
	struct snapshot *snap = walk_load(conf);

	inbound_without(snap, "spf");
	inbound_without(snap, "dkim");
	inbound_without(snap, "dmarc");
	inbound_without(snap, "iprev");
	inbound_without(snap, "rdns");
	return snap;
}

static struct session *
run(struct snapshot *snap, const char *message, const struct inbound *facts,
    const char *login, const char *param)
{
	struct walk w = {.client_ip = "192.0.2.7",
	    .from = "<bob@example.com>",
	    .params = {param},
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", login}, {"i", "4XyZ"},
		{"j", "mx.example.org"}},
	    .message = message};
	struct verdict v;

	return inbound_run(snap, &w, facts, &v);
}

/* Which fields are deleted, in the order in which they will be. */
static const struct {
	const char *name, *conf, *header, *deleted;
} cases[] = {
    {"none", "", "Subject: x\n", ""},
    {"a stranger's", "", AR "mx.example.net; spf=pass\n", ""},
    {"forged", "", OURS, "1"},
    {"three, two of them forged, the last first", "",
	OURS AR "mx.example.net; none\n" OURS, "3 1"},
    {"case and comments", "",
	"authentication-results: (x) MX.example.ORG. 1; none\n", "1"},
    {"folded", "", "Authentication-Results:\n mx.example.org;\n none\n",
	"1"},
    {"quoted, with a job id", "", AR "\"mx.example.org/99\"; none\n", "1"},
    {"controls are blanks", "",
	AR "mx.example.org\v; spf=pass\n" AR "mx.example.org\f; spf=pass\n"
	AR "\vmx.example.org; spf=pass\n" AR "mx.example.org\x01; spf=pass\n"
	AR "mx.example.net\v; spf=pass\n",
	"4 3 2 1"},
    {"other blanks", "",
	AR "\xc2\xa0mx.example.org; spf=pass\n"
	AR "mx.example.org\xa0; spf=pass\n",
	"2 1"},
    {"an id ends where a token does", "",
	AR "mx.example.org,; spf=pass\n" AR "mx.example.org:; spf=pass\n"
	AR "mx.example.org.evil.example; spf=pass\n",
	"2 1"},
    {"not to be taken apart", "",
	AR "; mx.example.org; spf=pass\n" AR "<mx.example.org>; spf=pass\n"
	AR "(x\\) mx.example.org; spf=pass;) y; none\n"
	AR "((((((((((((((((((((((((((((((((((((((((((((((((((((x"
	"))))))))))))))))))))))))))))))))))))))))))))))))))))"
	"mx.example.org; spf=pass\n"
	AR "\"x mx.example.org\" y; spf=pass\n",
	"4 3 2 1"},
    {"a blank before the colon", "",
	"Authentication-Results : mx.example.org; spf=pass\n"
	"Authentication-Results\t: mx.example.net; none\n",
	"1"},
    {"others that end like it", "RemoveARFrom a.example\n",
	AR "a.example,; dkim=pass\n" AR "; a.example; dkim=pass\n"
	AR "a.example.b; dkim=pass\n",
	"2 1"},
    {"no name", "", AR "spf=pass (sender IP is x) smtp.mailfrom=y\n", ""},
    {"AuthservID", "AuthservID id.example\n",
	AR "id.example; none\n" AR "other.example; none\n", "1"},
    {"AuthservID: the MTA's name is ours too", "AuthservID id.example\n",
	OURS, "1"},
    {"RemoveARFrom", "RemoveARFrom a.example,.b.example\n",
	AR "a.example; dkim=pass\n" AR "x.a.example; dkim=pass\n"
	AR "x.b.example; spf=pass\n" AR "y.x.b.example; dmarc=pass\n"
	AR "b.example; dkim=pass\n",
	"4 3 1"},
    {"RemoveARFrom: only what is checked", "RemoveARFrom a.example\n",
	AR "a.example; auth=pass\n" AR "a.example; auth=pass; dkim=pass\n",
	"2"},
    {"RemoveARAll", "RemoveARFrom a.example\nRemoveARAll yes\n",
	AR "a.example; auth=pass\n" AR "c.example; dkim=pass\n", "1"},
    {"KeepAuthResults", "KeepAuthResults yes\n", OURS, ""},
};

static void
removes_forged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = load(cases[i].conf);
		struct inbound facts = {0};
		struct session *s;
		struct buf b = BUF_INIT;
		size_t inserted = 0;
		char text[600];

		snprintf(text, sizeof(text), "%s\n", cases[i].header);
		s = run(snap, text, &facts, NULL, NULL);
		for (const struct edit *e = s->msg->edits.first; e != NULL;
		     e = e->next) {
			if (e->op == EDIT_DELETE)
				buf_printf(&b, "%s%u",
				    b.len == 0 ? "" : " ", e->index);
			inserted += e->op == EDIT_INSERT;
		}
		if (strcmp(buf_text(&b), cases[i].deleted) != 0)
			fail_msg("%s: [%s]", cases[i].name, buf_text(&b));
		assert_int_equal(inserted, 1);
		buf_fini(&b);
		chain_close(s);
		snapshot_unref(snap);
	}
}

static const char *
value(const struct session *s)
{
	const struct edit *e = s->msg->edits.last;

	assert_non_null(e);
	assert_int_equal(e->op, EDIT_INSERT);
	assert_string_equal(e->name, "Authentication-Results");
	return e->value;
}

static void
is_there_whatever_was_checked(void **state)
{
	static const struct {
		const char *conf, *value;
	} names[] = {
	    {"", "mx.example.org; none"},
	    {"AlwaysAddARHeader no\n", "mx.example.org; none"},
	    {"AuthservID id.example\n", "id.example; none"},
	    {"AuthservID b\xc3\xbc" "cher.example\n",
		"xn--bcher-kva.example; none"},
	    {"AuthservIDWithJobID yes\n", "\"mx.example.org/4XyZ\"; none"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct snapshot *snap = load(names[i].conf);
		struct inbound facts = {0};
		struct session *s =
		    run(snap, "Subject: x\n\n", &facts, NULL, NULL);

		assert_string_equal(value(s), names[i].value);
		chain_close(s);
		snapshot_unref(snap);
	}
}

static void
reports(void **state)
{
	static const struct spf_result spf = {.result = SPF_PASS,
	    .scope = SPF_MFROM,
	    .domain = "example.com"};
	static const struct spf_result helo = {.result = SPF_TEMPERROR,
	    .scope = SPF_HELO,
	    .domain = "h;elo",
	    .reason = "no answer"};
	static const struct iprev_result iprev = {
	    .status = IPREV_FAIL, .name = "host.example"};
	static const struct dkim_verdict list[] = {
	    {.status = DKIM_STATUS_PASS,
		.domain = "example.com",
		.selector = "s1",
		.identity = "@example.com",
		.algorithm = "rsa-sha256",
		.b = "AbC/12+=",
		.bits = 2048},
	    {.status = DKIM_STATUS_PERMERROR, .reason = "no d="},
	};
	static const struct dkim_verdicts dkim = {.count = 2, .list = list};
	static const struct dmarc_result dmarc = {.result = DMARC_FAIL,
	    .domain = "example.com",
	    .policy_domain = "example.com",
	    .policy = DMARC_POLICY_REJECT,
	    .applied = DMARC_POLICY_QUARANTINE,
	    .disposition = DMARC_POLICY_QUARANTINE,
	    .override = DMARC_OVERRIDE_TEST_MODE};
	const struct inbound facts = {
	    .spf = &spf, .spf_helo = &helo, .dkim = &dkim, .dmarc = &dmarc,
	    .iprev = &iprev};
	struct snapshot *snap = load("");
	struct session *s = run(snap, "Subject: x\n\n", &facts, NULL, NULL);

	(void)state;
	assert_string_equal(value(s),
	    "mx.example.org;\n"
	    "\tspf=pass smtp.mailfrom=bob@example.com;\n"
	    "\tspf=temperror reason=\"no answer\" smtp.helo=\"h;elo\";\n"
	    "\tdkim=pass (2048-bit key) header.d=example.com "
	    "header.i=@example.com\n"
	    "\theader.s=s1 header.a=rsa-sha256 header.b=\"AbC/12+=\";\n"
	    "\tdkim=permerror reason=\"no d=\";\n"
	    "\tdmarc=fail (p=reject dis=quarantine "
	    "override=policy_test_mode)\n"
	    "\theader.from=example.com policy.dmarc=quarantine;\n"
	    "\tiprev=fail (host.example) policy.iprev=192.0.2.7");
	chain_close(s);
	snapshot_unref(snap);
}

/* NoHeaderB */
static void
leaves_out_b(void **state)
{
	static const struct dkim_verdict one = {.status = DKIM_STATUS_PASS,
	    .domain = "example.com",
	    .selector = "s1",
	    .b = "AbC"};
	static const struct dkim_verdicts dkim = {.count = 1, .list = &one};
	const struct inbound facts = {.dkim = &dkim};
	struct snapshot *snap = load("NoHeaderB yes\n");
	struct session *s = run(snap, "Subject: x\n\n", &facts, NULL, NULL);

	(void)state;
	assert_string_equal(value(s),
	    "mx.example.org;\n"
	    "\tdkim=pass header.d=example.com header.s=s1");
	chain_close(s);
	snapshot_unref(snap);
}

static void
says_what_was_aligned(void **state)
{
	static const struct dmarc_result dmarc = {.result = DMARC_PASS,
	    .domain = "a.example",
	    .policy_domain = "a.example",
	    .spf_aligned = true,
	    .spf_domain = "b.a.example",
	    .dkim_aligned = true,
	    .dkim_domain = "a.example"};
	const struct inbound facts = {.dmarc = &dmarc};
	struct snapshot *snap = load("");
	struct session *s = run(snap, "Subject: x\n\n", &facts, NULL, NULL);

	(void)state;
	assert_non_null(strstr(value(s),
	    "dmarc=pass (p=none dis=none spf=b.a.example dkim=a.example)"));
	chain_close(s);
	snapshot_unref(snap);
}

/* A name that somebody chose to look like a result is left out. */
static void
leaves_out_odd_names(void **state)
{
	static const struct dmarc_result dmarc = {.result = DMARC_PASS,
	    .domain = "a.example",
	    .policy_domain = "a.example",
	    .spf_aligned = true,
	    .spf_domain = "x);spf=pass.a.example",
	    .dkim_aligned = true,
	    .dkim_domain = "dkim=pass.a.example"};
	static const struct iprev_result iprev = {
	    .status = IPREV_PASS, .name = "x\\);spf=pass.a.example"};
	const struct inbound facts = {.dmarc = &dmarc, .iprev = &iprev};
	struct snapshot *snap = load("");
	struct session *s = run(snap, "Subject: x\n\n", &facts, NULL, NULL);

	(void)state;
	assert_string_equal(value(s),
	    "mx.example.org;\n"
	    "\tdmarc=pass (p=none dis=none) header.from=a.example "
	    "policy.dmarc=none;\n"
	    "\tiprev=pass policy.iprev=192.0.2.7");
	chain_close(s);
	snapshot_unref(snap);
}

/* Of a HELO that was not said there is no result. */
static void
leaves_out_a_missing_helo(void **state)
{
	static const struct spf_result mfrom = {.result = SPF_PASS,
	    .scope = SPF_MFROM,
	    .domain = "example.com"};
	static const struct spf_result helo = {
	    .result = SPF_NONE, .scope = SPF_HELO, .domain = ""};
	const struct inbound both = {.spf = &mfrom, .spf_helo = &helo};
	const struct inbound null_sender = {.spf = &helo, .spf_helo = &helo};
	struct snapshot *snap = load("");
	struct session *s = run(snap, "Subject: x\n\n", &both, NULL, NULL);

	(void)state;
	assert_string_equal(value(s),
	    "mx.example.org;\n\tspf=pass smtp.mailfrom=bob@example.com");
	chain_close(s);
	s = run(snap, "Subject: x\n\n", &null_sender, NULL, NULL);
	assert_string_equal(value(s), "mx.example.org;\n\tspf=none");
	chain_close(s);
	snapshot_unref(snap);
}

/* UTF-8 stands in the header only where the message announced it. */
static void
keeps_to_the_message(void **state)
{
	static const struct spf_result spf = {.result = SPF_NONE,
	    .scope = SPF_HELO,
	    .domain = "b\xc3\xbc"};
	const struct inbound facts = {.spf = &spf, .spf_helo = &spf};
	struct snapshot *snap = load("");
	struct session *s = run(snap, "Subject: x\n\n", &facts, NULL, NULL);

	(void)state;
	assert_string_equal(
	    value(s), "mx.example.org;\n\tspf=none smtp.helo=xn--b-eha");
	chain_close(s);
	s = run(snap, "Subject: x\n\n", &facts, NULL, "SMTPUTF8");
	assert_string_equal(value(s),
	    "mx.example.org;\n\tspf=none smtp.helo=\"b\xc3\xbc\"");
	chain_close(s);
	snapshot_unref(snap);
}

static void
leaves_outbound_alone(void **state)
{
	struct snapshot *snap = load("");
	struct inbound facts = {0};
	struct session *s = run(snap, OURS "\n", &facts, "bob", NULL);

	(void)state;
	assert_null(s->msg->edits.first);
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(removes_forged),
	    cmocka_unit_test(is_there_whatever_was_checked),
	    cmocka_unit_test(reports),
	    cmocka_unit_test(leaves_out_b),
	    cmocka_unit_test(says_what_was_aligned),
	    cmocka_unit_test(leaves_out_odd_names),
	    cmocka_unit_test(leaves_out_a_missing_helo),
	    cmocka_unit_test(keeps_to_the_message),
	    cmocka_unit_test(leaves_outbound_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
