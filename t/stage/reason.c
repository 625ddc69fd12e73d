/*
 * The sentence that tells why a message met its fate names the true cause.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/reason.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "t/support/drivers/test.h"

/* -- facts -- */

static const struct spf_result spf_pass = {
    .result = SPF_PASS, .domain = "mailer.example", .mechanism = "mx"};
static const struct spf_result spf_fail = {
    .result = SPF_FAIL, .domain = "a.example", .mechanism = "-all"};
static const struct spf_result spf_lost = {.result = SPF_TEMPERROR,
    .domain = "a.example",
    .reason = "no answer for MX of a.example"};
static const struct dkim_verdict two[] = {
    {.status = DKIM_STATUS_PASS, .domain = "other.example", .selector = "s1"},
    {.status = DKIM_STATUS_FAIL,
	.domain = "a.example",
	.selector = "s2",
	.reason = "the body was changed"}};
static const struct dkim_verdict lost_key[] = {{.status = DKIM_STATUS_TEMPERROR,
    .domain = "a.example",
    .selector = "s3"}};
static const struct dkim_verdicts dkim_none = {0};
static const struct dkim_verdicts dkim_two = {.count = 2, .list = two};
static const struct dkim_verdicts dkim_lost = {.count = 1, .list = lost_key};
static const struct dmarc_result dmarc_fail = {.result = DMARC_FAIL,
    .domain = "a.example",
    .policy_domain = "a.example",
    .policy = DMARC_POLICY_REJECT};
static const struct dmarc_result dmarc_lost = {
    .result = DMARC_TEMPERROR, .domain = "b.example"};
static const struct dnsbl_finding other_list = {.zone = "white.example",
    .about = "192.0.2.7",
    .asked = "-",
    .answer = {.status = DNSBL_LISTED, .count = 1, .codes = {0x7f000005}}};
static const struct dnsbl_finding listed = {.list = "zen",
    .symbol = "RCVD_IN_ZEN",
    .zone = "zen.example",
    .about = "192.0.2.7",
    .asked = "-",
    .answer = {.status = DNSBL_LISTED,
	.count = 2,
	.codes = {0x7f000002, 0x7f00000a}},
    .next = &other_list};
static struct symbol fourth = {.name = "FOURTH", .score = 1};
static struct symbol third = {.name = "THIRD", .score = 2, .next = &fourth};
static struct symbol low = {.name = "LOW", .score = -3, .next = &third};
static struct symbol first = {.name = "FIRST", .score = 4, .next = &low};
static struct symbol second = {.name = "SECOND", .score = 3, .next = &first};
static struct rules_hit hit = {.name = "PILLS",
    .matched = {.data = "cheap \033[31m", .len = 10}};
static const struct rules_result rules = {.hits = &hit};
static const struct iprev_result strange = {
    .status = IPREV_FAIL, .name = "x.example"};
static const struct helo_result helo_other = {
    .form = HELO_NAME, .status = HELO_FAIL, .name = "h.example"};
static const struct helo_fact helo = {.result = &helo_other};
static const struct helo_fact helo_ours = {.result = &helo_other, .ours = true};
static struct rcpt taken = {.addr = "a@x.example"};
static struct rcpt refused = {.addr = "n@x.example",
    .refused = true,
    .refusal = {.action = VERDICT_TEMPFAIL,
	.by = "blocklist",
	.why = "the recipient is in BlockList, by its entry rcpt:n@x.example"},
    .next = &taken};

#define DECIDED(what, stage, ...) \
	.verdict = {.action = VERDICT_##what, .by = (stage), __VA_ARGS__}

/* A record, and its sentence. */
static const struct {
	struct record record;
	const char *sentence;
} cases[] = {
    /* Nothing refuses it. */
    {{.left = true, .scored = true, .score = 1.2},
	"It is accepted: nothing refuses or holds it, and the score 1.2 is "
	"below the limits."},
    {{.left = true, .signed_with = "x.example/s/rsa-sha256"},
	"It is accepted: nothing refuses or holds it; it leaves signed with "
	"x.example/s/rsa-sha256."},
    {{.left = true, .unsigned_why = "no key for x.example"},
	"It is accepted: nothing refuses or holds it; it leaves unsigned: no "
	"key for x.example."},
    {{.left = true, .unsigned_why = "DontSignMailTo"},
	"It is accepted: nothing refuses or holds it; it leaves unsigned, by "
	"the keyword DontSignMailTo."},
    {{.left = true, .rcpts = &refused},
	"It is accepted: nothing refuses or holds it; 1 of its recipients is "
	"refused for now by blocklist, because the recipient is in BlockList, "
	"by its entry rcpt:n@x.example."},
    {{.left = true,
	 DECIDED(ACCEPT, "peer", .why = "PeerList names the client")},
	"It is accepted by peer, because PeerList names the client."},
    {{.left = true, .allowed = "client"},
	"It is accepted: its client is in AllowList."},
    {{.left = true, .allowed = "sender", .exempt_from = "dmarc"},
	"It is accepted: its sender is in AllowList; without that dmarc would "
	"refuse it."},
    {{.left = true, .exempt_from = "dnsbl"},
	"It is accepted: dnsbl would refuse it, but all its recipients are "
	"exempt."},
    /* It was given up. */
    {{.aborted = true},
	"It was given up by the client or the mail server before it had a "
	"recipient; nothing else was decided."},
    {{.aborted = true, .rcpt_count = 2},
	"It was given up by the client or the mail server before its content, "
	"after 2 recipients; nothing else was decided."},
    {{.aborted = true, .rcpt_count = 1, .came = true, .size = 70},
	"It was given up by the client or the mail server before the end of "
	"its content, after 70 octets; nothing else was decided."},
    /* A client. */
    {{.at = "connect",
	 DECIDED(REJECT, "blocklist", .symbol = "USER_IN_BLOCKLIST",
	    .why = "the client is in BlockList, by its entry 192.0.2.7")},
	"At connect the client is refused by blocklist for the symbol "
	"USER_IN_BLOCKLIST, because the client is in BlockList, by its entry "
	"192.0.2.7."},
    /* The checks. */
    {{.spf = &spf_pass,
	    .dkim = &dkim_none,
	    .dmarc = &dmarc_fail,
	 DECIDED(REJECT, "dmarc", .symbol = "DMARC_REJECT", .why = "so it is")},
	"It is refused by dmarc for the symbol DMARC_REJECT, because so it is: "
	"SPF says pass, but for mailer.example, which is not aligned, and "
	"there is no DKIM signature."},
    {{.spf = &spf_fail,
	    .dkim = &dkim_two,
	    .dmarc = &dmarc_fail,
	 DECIDED(QUARANTINE, "dmarc", .symbol = "DMARC_QUAR")},
	"It is held by dmarc for the symbol DMARC_QUAR, because SPF says fail "
	"for a.example by the term -all, and the signature of other.example is "
	"valid, but not aligned, the signature of a.example fails (the body "
	"was changed)."},
    {{.dmarc = &dmarc_fail, DECIDED(REJECT, "dmarc", .symbol = "DMARC_REJECT")},
	"It is refused by dmarc for the symbol DMARC_REJECT, because SPF was "
	"not checked, and DKIM was not checked."},
    {{.spf = &spf_pass,
	    .dkim = &dkim_none,
	    .dmarc = &dmarc_lost,
	 DECIDED(TEMPFAIL, "dmarc", .error = VERDICT_E_DNS, .why = "no answer")},
	"It is refused for now by dmarc, because the DNS did not answer for "
	"the DMARC policy, _dmarc.b.example."},
    {{.spf = &spf_lost,
	    .dkim = &dkim_lost,
	    .dmarc = &dmarc_fail,
	 DECIDED(TEMPFAIL, "dkim", .error = VERDICT_E_DNS, .why = "no answer")},
	"It is refused for now by dkim, because the DNS did not answer for SPF "
	"of a.example (no answer for MX of a.example) and the DKIM key "
	"s3._domainkey.a.example."},
    {{DECIDED(TEMPFAIL, "quota", .why = "QuotaTable can't be read")},
	"It is refused for now by quota, because QuotaTable can't be read."},
    {{.dnsbl = &listed, DECIDED(REJECT, "dnsbl", .symbol = "RCVD_IN_ZEN")},
	"It is refused by dnsbl for the symbol RCVD_IN_ZEN, because "
	"zen.example lists 192.0.2.7 with 127.0.0.2, 127.0.0.10."},
    {{.scored = true,
	    .symbols = &second,
	 DECIDED(REJECT, "rules", .why = "the score 7.0 reaches RejectScore, which is 5.0")},
	"It is refused by rules, because the score 7.0 reaches RejectScore, "
	"which is 5.0: most of it comes from FIRST (4.0), SECOND (3.0) and "
	"THIRD (2.0)."},
    {{.rules = &rules,
	 DECIDED(DISCARD, "rules", .symbol = "PILLS", .why = "Refuse has it")},
	"It is dropped by rules for the symbol PILLS, because Refuse has it: "
	"it matched \"cheap \\x1b[31\"."},
    {{.spf = &spf_fail,
	 DECIDED(REJECT, "spf", .symbol = "SPF_FAIL", .why = "Refuse has it")},
	"It is refused by spf for the symbol SPF_FAIL, because Refuse has it: "
	"SPF says fail for a.example by the term -all."},
    {{.dkim = &dkim_two, DECIDED(REJECT, "dkim", .symbol = "DKIM_INVALID")},
	"It is refused by dkim for the symbol DKIM_INVALID, because the "
	"signature of other.example is valid, the signature of a.example "
	"fails (the body was changed)."},
    {{.client_ip = "192.0.2.7",
	    .iprev = &strange,
	 DECIDED(REJECT, "rdns", .symbol = "RDNS_FAIL")},
	"It is refused by rdns for the symbol RDNS_FAIL, because the client "
	"192.0.2.7 has the name x.example, which is not its own."},
    {{.client_helo = "h.example",
	    .helo = &helo,
	 DECIDED(REJECT, "helo", .symbol = "HELO_FAIL")},
	"It is refused by helo for the symbol HELO_FAIL, because HELO says "
	"h.example, which the DNS gives other addresses than the client's."},
    {{.client_helo = "h.example",
	    .helo = &helo_ours,
	 DECIDED(REJECT, "helo", .symbol = "HELO_OURS")},
	"It is refused by helo for the symbol HELO_OURS, because HELO says "
	"h.example, a name of this host."},
    {{DECIDED(REJECT, "header", .text = "two From fields")},
	"It is refused by header, with the text: two From fields."},
    /* Text from outside. */
    {{DECIDED(REJECT, "x", .why = "\033[2J\n\xe9")},
	"It is refused by x, because \\x1b[2J\\x0a\\xe9."},
};

/* -- tests -- */

static void
says(const struct record *r, const char *sentence)
{
	struct buf b = BUF_INIT;

	reason_sentence(&b, r);
	assert_string_equal(buf_text(&b), sentence);
	buf_fini(&b);
}

static void
names_the_cause(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		says(&cases[i].record, cases[i].sentence);
}

/* What the ring has of it is enough for the same words. */
static void
says_the_same_later(void **state)
{
	static const uint64_t ns[STAGES_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct record r = cases[i].record;
		unsigned char packed[RECORD_PACKED_MAX];
		const struct record *again;
		struct arena a;
		size_t len;

		arena_init(&a);
		r.stage_ns = ns;
		r.notes = "";
		if (r.at == NULL)
			r.sender = "a@a.example";
		len = record_pack(&r, true, packed);
		assert_int_equal(record_unpack(packed, len, &a, &again), 0);
		says(again, cases[i].sentence);
		arena_fini(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_the_cause),
	    cmocka_unit_test(says_the_same_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
