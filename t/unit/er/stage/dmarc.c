/* DMARC: discovery, alignment, what comes of it.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dmarc/dmarc.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dmarc/dmarc_walk.h"
#include "lib/dns/pslist.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define P(what) "TXT v=DMARC1; " what "\n"

static const char zone[] =
    "_dmarc.own.example " P("p=reject")
    "_dmarc.soft.example " P("p=quarantine; sp=none; np=reject")
    "there.soft.example A 192.0.2.1\n"
    "_dmarc.strict.example " P("p=reject; adkim=s; aspf=s")
    "_dmarc.test.example " P("p=reject; t=y")
    "_dmarc.testq.example " P("p=quarantine; t=y")
    "_dmarc.two.example " P("p=reject")
    "_dmarc.two.example " P("p=none")
    "_dmarc.noise.example TXT something else\n"
    "_dmarc.noise.example " P("p=reject")
    "_dmarc.bad.example " P("p=reject; sp=x")
    "_dmarc.badrua.example " P("p=reject; sp=x; rua=mailto:a@b.example")
    /* psd=n in the middle, a record above it */
    "_dmarc.unit.corp.example " P("p=reject; psd=n")
    "_dmarc.corp.example " P("p=none")
    /* a public suffix */
    "_dmarc.bank.example " P("p=none; sp=quarantine; np=reject; psd=y")
    "here.bank.example A 192.0.2.1\n"
    "www.here.bank.example A 192.0.2.1\n"
    /* deep below a record */
    "_dmarc.deep.example " P("p=none; np=reject")
    "_dmarc.a.b.c.d.e.f.g.h.i.deep.example " P("p=quarantine")
    /* the DNS does not tell */
    "_dmarc.dead.example TXT !servfail\n"
    "_dmarc.up.dead2.example " P("p=reject")
    "_dmarc.dead2.example TXT !timeout\n"
    "_dmarc.stop.dead3.example " P("p=reject; psd=n")
    "_dmarc.dead3.example TXT !timeout\n"
    "_dmarc.np.example " P("p=none; sp=none; np=reject")
    "slow.np.example A !servfail\n"
    "_dmarc.same.example " P("p=reject")
    "slow.same.example A !servfail\n"
    "_dmarc.mine.example " P("p=reject")
    "_dmarc.odd.mine.example TXT !timeout\n"
    /* a top-level domain that speaks for all below */
    "_dmarc.tld " P("p=reject")
    "_dmarc.xn--bcher-kva.example " P("p=reject");

#define DEEP(top) "1.2.3.4.5.6.7.8.9." top ","
#define EIGHT_NOBODY "a.invalid,b.invalid,c.invalid,d.invalid,e.invalid," \
	"f.invalid,g.invalid,h.invalid"
#define EIGHT "own.example,b.invalid,c.invalid,d.invalid,e.invalid," \
	"f.invalid,g.invalid,h.invalid"

/* Each case has one author, or more after commas; behind a > those that are
 * seen in what can't be read. */
static const struct {
	const char *name, *authors;
	const char *spf, *dkim; /* what passed; a ? in front: unknown */
	enum dmarc_outcome result;
	const char *policy_domain;
	enum dmarc_policy policy, disposition;
	bool spf_aligned, dkim_aligned;
} cases[] = {
    {"SPF passes", "own.example", "own.example", NULL, DMARC_PASS,
	"own.example", DMARC_POLICY_REJECT, DMARC_POLICY_NONE, true, false},
    {"DKIM passes", "own.example", "other.example", "own.example",
	DMARC_PASS, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_NONE,
	false, true},
    {"neither", "own.example", NULL, NULL, DMARC_FAIL, "own.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"others'", "own.example", "other.example", "third.example",
	DMARC_FAIL, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT,
	false, false},
    {"a name that only ends so", "own.example", "notown.example", NULL,
	DMARC_FAIL, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT,
	false, false},
    {"below it", "own.example", "b.own.example", "c.d.own.example",
	DMARC_PASS, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_NONE,
	true, true},
    {"above and beside it", "a.own.example", "own.example",
	"b.own.example", DMARC_PASS, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_NONE, true, true},
    {"another case and a final dot", "OWN.Example.", "Own.EXAMPLE", NULL,
	DMARC_PASS, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_NONE,
	true, false},
    {"strict", "strict.example", "a.strict.example", "strict.example",
	DMARC_PASS, "strict.example", DMARC_POLICY_REJECT, DMARC_POLICY_NONE,
	false, true},
    {"strict does not fall back", "strict.example", "a.strict.example",
	"a.strict.example", DMARC_FAIL, "strict.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"sp of a name that is there", "there.soft.example", NULL, NULL,
	DMARC_FAIL, "soft.example", DMARC_POLICY_NONE, DMARC_POLICY_NONE,
	false, false},
    {"np of one that is not", "gone.soft.example", NULL, NULL, DMARC_FAIL,
	"soft.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false,
	false},
    {"test mode", "test.example", NULL, NULL, DMARC_FAIL, "test.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_QUARANTINE, false, false},
    {"test mode of quarantine", "testq.example", NULL, NULL, DMARC_FAIL,
	"testq.example", DMARC_POLICY_QUARANTINE, DMARC_POLICY_NONE, false,
	false},
    {"two records", "two.example", NULL, NULL, DMARC_NONE, NULL, 0, 0,
	false, false},
    {"a record and something else", "noise.example", NULL, NULL,
	DMARC_FAIL, "noise.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"a bad record", "bad.example", "bad.example", NULL, DMARC_NONE, NULL,
	0, 0, false, false},
    {"a bad record with rua", "badrua.example", "badrua.example", NULL,
	DMARC_PASS, "badrua.example", DMARC_POLICY_NONE, DMARC_POLICY_NONE,
	true, false},
    {"no record", "nothing.invalid", "nothing.invalid", NULL, DMARC_NONE,
	NULL, 0, 0, false, false},
    {"psd=n is the organization", "x.unit.corp.example",
	"unit.corp.example", NULL, DMARC_PASS, "unit.corp.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_NONE, true, false},
    {"what is above psd=n is another", "unit.corp.example",
	"corp.example", NULL, DMARC_FAIL, "unit.corp.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"its separate walk: below psd=n is not the one above",
	"corp.example", "unit.corp.example", NULL, DMARC_FAIL, "corp.example",
	DMARC_POLICY_NONE, DMARC_POLICY_NONE, false, false},
    {"psd=y: one label below it, which has no record",
	"www.here.bank.example", "here.bank.example", NULL, DMARC_PASS,
	"bank.example", DMARC_POLICY_QUARANTINE, DMARC_POLICY_NONE, true,
	false},
    {"psd=y: neighbours are strangers", "here.bank.example",
	"there.bank.example", NULL, DMARC_FAIL, "bank.example",
	DMARC_POLICY_QUARANTINE, DMARC_POLICY_QUARANTINE, false, false},
    {"psd=y: nor the suffix itself", "here.bank.example", "bank.example",
	NULL, DMARC_FAIL, "bank.example", DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_QUARANTINE, false, false},
    {"psd=y: np", "gone.bank.example", NULL, NULL, DMARC_FAIL,
	"bank.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false,
	false},
    {"psd=y: the suffix as author", "bank.example", "bank.example", NULL,
	DMARC_PASS, "bank.example", DMARC_POLICY_NONE, DMARC_POLICY_NONE,
	true, false},
    {"psd=y: whoever is below the suffix is another", "bank.example",
	"here.bank.example", NULL, DMARC_FAIL, "bank.example",
	DMARC_POLICY_NONE, DMARC_POLICY_NONE, false, false},
    {"eight labels and more: the gap is not asked",
	"z.a.b.c.d.e.f.g.h.i.deep.example", NULL, NULL, DMARC_FAIL,
	"deep.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false,
	false},
    {"eight labels and more: its own is",
	"a.b.c.d.e.f.g.h.i.deep.example", NULL, NULL, DMARC_FAIL,
	"a.b.c.d.e.f.g.h.i.deep.example", DMARC_POLICY_QUARANTINE,
	DMARC_POLICY_QUARANTINE, false, false},
    {"a top-level domain", "any.tld", "other.tld", NULL, DMARC_PASS, "tld",
	DMARC_POLICY_REJECT, DMARC_POLICY_NONE, true, false},
    {"U-labels", "b\xc3\xbc"
		 "cher.example",
	"xn--bcher-kva.example", NULL, DMARC_PASS, "xn--bcher-kva.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_NONE, true, false},

    {"no answer for the author", "dead.example", "dead.example", NULL,
	DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"no answer above, not needed: the same name", "up.dead2.example",
	"up.dead2.example", NULL, DMARC_PASS, "up.dead2.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_NONE, true, false},
    {"no answer above, needed", "up.dead2.example", "x.dead2.example",
	NULL, DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"no answer above psd=n", "stop.dead3.example", "x.dead3.example",
	NULL, DMARC_FAIL, "stop.dead3.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"no answer whether it is there", "slow.np.example", NULL, NULL,
	DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"no answer whether it is there, but it passes", "slow.np.example",
	"np.example", NULL, DMARC_PASS, "np.example", DMARC_POLICY_NONE,
	DMARC_POLICY_NONE, true, false},
    {"no answer whether it is there, all the same", "slow.same.example",
	NULL, NULL, DMARC_FAIL, "same.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"no answer for an identifier", "mine.example", "odd.mine.example",
	NULL, DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"an identifier unknown", "own.example", NULL, "?own.example",
	DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"a stranger unknown", "own.example", "?other.example", NULL,
	DMARC_FAIL, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT,
	false, false},
    {"one unknown, one passes", "own.example", "?own.example",
	"own.example", DMARC_PASS, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_NONE, false, true},

    {"no author", "", "own.example", NULL, DMARC_PERMERROR, NULL, 0, 0,
	false, false},
    {"an address literal", "[192.0.2.1]", NULL, NULL, DMARC_PERMERROR,
	NULL, 0, 0, false, false},
    {"the same author twice", "own.example,OWN.example", "own.example",
	NULL, DMARC_PASS, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_NONE, true, false},
    {"two authors: the strictest", "soft.example,own.example",
	"soft.example", NULL, DMARC_FAIL, "own.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"two authors: in either order", "own.example,soft.example",
	"soft.example", NULL, DMARC_FAIL, "own.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"two authors: both pass", "own.example,soft.example", "own.example",
	"soft.example", DMARC_PASS, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_NONE, true, false},
    {"two authors: one without DMARC", "own.example,nothing.invalid",
	"own.example", NULL, DMARC_NONE, NULL, 0, 0, false, false},
    {"two authors: a failure stands beside no answer",
	"dead.example,own.example", NULL, NULL, DMARC_FAIL, "own.example",
	DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"two authors: no answer, no policy", "dead.example,soft.example",
	"soft.example", NULL, DMARC_TEMPERROR, NULL, 0, 0, false, false},
    {"as many authors as there may be", EIGHT, NULL, NULL, DMARC_FAIL,
	"own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"too many authors: the last may ask for more", EIGHT_NOBODY ",own.example",
	"own.example", NULL, DMARC_PERMERROR, NULL, 0, DMARC_POLICY_REJECT,
	false, false},
    {"too many authors, one with a policy", EIGHT ",i.invalid", NULL, NULL,
	DMARC_FAIL, "own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT,
	false, false},

    {"unreadable: a policy", ">own.example", NULL, NULL, DMARC_PERMERROR,
	"own.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"unreadable: the strictest", ">soft.example,own.example", NULL, NULL,
	DMARC_PERMERROR, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"unreadable: who is vouched for is not the one that asks",
	">own.example,soft.example", "own.example", NULL, DMARC_PERMERROR,
	"soft.example", DMARC_POLICY_QUARANTINE, DMARC_POLICY_QUARANTINE,
	false, false},
    {"unreadable: all are vouched for, and it is no pass", ">own.example",
	"own.example", NULL, DMARC_PERMERROR, NULL, 0, 0, false, false},
    {"unreadable: no policy", ">nothing.invalid", NULL, NULL,
	DMARC_PERMERROR, NULL, 0, 0, false, false},
    {"unreadable: of a subdomain, sp", ">there.soft.example", NULL, NULL,
	DMARC_PERMERROR, NULL, 0, 0, false, false},
    {"unreadable: of a subdomain, np", ">gone.soft.example", NULL, NULL,
	DMARC_PERMERROR, "soft.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"unreadable: test mode", ">test.example", NULL, NULL, DMARC_PERMERROR,
	"test.example", DMARC_POLICY_REJECT, DMARC_POLICY_QUARANTINE, false,
	false},
    {"unreadable: no answer", ">dead.example", NULL, NULL, DMARC_TEMPERROR,
	NULL, 0, 0, false, false},
    {"unreadable: nobody", ">", NULL, NULL, DMARC_PERMERROR, NULL, 0, 0,
	false, false},
    {"unreadable: one that can be read fails", "own.example>soft.example",
	NULL, NULL, DMARC_FAIL, "own.example", DMARC_POLICY_REJECT,
	DMARC_POLICY_REJECT, false, false},
    {"unreadable: one that can be read passes", "own.example>", "own.example",
	NULL, DMARC_PERMERROR, NULL, 0, 0, false, false},
    {"unreadable: as many and as deep as can be", ">" DEEP("a") DEEP("b")
	DEEP("c") DEEP("d") DEEP("e") DEEP("f") DEEP("g")
	"gone.1.2.3.4.5.6.7.8.deep.example", NULL, NULL, DMARC_PERMERROR,
	"deep.example", DMARC_POLICY_REJECT, DMARC_POLICY_REJECT, false, false},
    {"unreadable: too many", ">" EIGHT_NOBODY ",own.example", NULL, NULL,
	DMARC_PERMERROR, NULL, 0, DMARC_POLICY_REJECT, false, false},
};

static size_t
split(struct arena *a, const char *list, const char **out, size_t max)
{
	size_t n = 0;
	char *save;

	for (char *w = strtok_r(arena_strdup(a, list), ",", &save);
	     w != NULL && n < max; w = strtok_r(NULL, ",", &save))
		out[n++] = w;
	return n;
}

static struct dmarc_identifier
identifier(const char *text)
{
	bool unknown = text != NULL && text[0] == '?';

	return (struct dmarc_identifier){
	    .domain = unknown ? text + 1 : text, .unknown = unknown};
}

static void
run(const struct dns *dns, struct arena *a, const struct pslist *psl,
    size_t i, struct dmarc_result *r)
{
	char *list = arena_strdup(a, cases[i].authors);
	char *behind = strchr(list, '>');
	const char *authors[10], *seen[10];
	size_t n;
	struct dmarc_identifier dkim = identifier(cases[i].dkim);
	struct dmarc_evidence e = {.spf = identifier(cases[i].spf),
	    .dkim = &dkim,
	    .dkim_count = 1};
	struct dmarc *d;

	if (behind != NULL)
		*behind = '\0';
	n = split(a, list, authors, 10);
	d = dmarc_start(dns, a, psl, authors, n);
	assert_non_null(d);
	if (behind != NULL) {
		n = split(a, behind + 1, seen, 10);
		assert_int_equal(dmarc_unreadable(d, seen, n, false), 0);
	}
	if (e.spf.domain != NULL)
		dmarc_expect(d, e.spf.domain);
	assert_int_equal(dmarc_finish(d, &e, NULL, r), 0);
	dmarc_drop(d);
}

static void
judges(void **state)
{
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(zone, &dns), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *want = cases[i].policy_domain;
		struct arena a = {0};
		struct dmarc_result r;

		run(&dns, &a, NULL, i, &r);
		if (r.result != cases[i].result ||
		    (want == NULL) != (r.policy_domain == NULL) ||
		    (want != NULL && strcmp(want, r.policy_domain) != 0) ||
		    (want != NULL && r.policy != cases[i].policy) ||
		    r.disposition != cases[i].disposition ||
		    r.spf_aligned != cases[i].spf_aligned ||
		    r.dkim_aligned != cases[i].dkim_aligned)
			fail_msg("%s: %s at %s, %s, %s, %d %d", cases[i].name,
			    dmarc_outcome_word(r.result),
			    r.policy_domain == NULL ? "-" : r.policy_domain,
			    dmarc_policy_word(r.policy),
			    dmarc_policy_word(r.disposition), r.spf_aligned,
			    r.dkim_aligned);
		if ((r.override == DMARC_OVERRIDE_TEST_MODE) !=
		    (want != NULL && r.result != DMARC_PASS &&
			r.policy != r.disposition))
			fail_msg("%s: override", cases[i].name);
		arena_fini(&a);
	}
	dns_file_close(&dns);
}

/* A DNS that writes down what is asked and when an answer is waited for. */
struct counter {
	struct dns below;
	char asked[4096];
	size_t count;
};

static struct dns_query *
count_start(void *ctx, const char *name, enum dns_type type)
{
	struct counter *c = ctx;
	size_t len = strlen(c->asked);

	snprintf(c->asked + len, sizeof(c->asked) - len, "%s%s ",
	    type == DNS_A ? "A:" : "", name);
	c->count++;
	return dns_start(&c->below, name, type);
}

static const struct dns_answer *
count_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	struct counter *c = ctx;
	size_t len = strlen(c->asked);

	if (len > 0 && c->asked[len - 1] != '|')
		snprintf(c->asked + len, sizeof(c->asked) - len, "|");
	return dns_collect(&c->below, q, w);
}

static void
count_drop(void *ctx, struct dns_query *q)
{
	struct counter *c = ctx;

	dns_drop(&c->below, q);
	c->count--;
}

/* Everything at once before the first wait, and each name once. */
static void
asks_at_once(void **state)
{
	static const struct {
		const char *author, *spf, *dkim, *asked;
	} walks[] = {
	    {"own.example", "own.example", "own.example",
		"_dmarc.own.example _dmarc.example A:own.example |"},
	    {"a.own.example", "b.own.example", "c.own.example",
		"_dmarc.a.own.example _dmarc.own.example _dmarc.example "
		"A:a.own.example _dmarc.b.own.example |_dmarc.c.own.example "
		"|"},
	    {"own.example", "mail.elsewhere.net", "third.example",
		"_dmarc.own.example _dmarc.example A:own.example |"},
	    {"1.2.3.4.5.6.7.8.9.own.example", NULL, NULL,
		"_dmarc.1.2.3.4.5.6.7.8.9.own.example "
		"_dmarc.5.6.7.8.9.own.example _dmarc.6.7.8.9.own.example "
		"_dmarc.7.8.9.own.example _dmarc.8.9.own.example "
		"_dmarc.9.own.example _dmarc.own.example _dmarc.example "
		"A:1.2.3.4.5.6.7.8.9.own.example |"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(walks) / sizeof(*walks); i++) {
		struct counter c = {.asked = ""};
		struct dns dns = {.ctx = &c,
		    .start = count_start,
		    .collect = count_collect,
		    .drop = count_drop};
		struct dmarc_identifier dkim = {.domain = walks[i].dkim};
		struct dmarc_evidence e = {.spf = {.domain = walks[i].spf},
		    .dkim = &dkim,
		    .dkim_count = 1};
		struct dmarc_result r;
		struct arena a = {0};
		struct dmarc *d;

		assert_int_equal(dns_file_open(zone, &c.below), 0);
		d = dmarc_start(&dns, &a, NULL, &walks[i].author, 1);
		if (walks[i].spf != NULL)
			dmarc_expect(d, walks[i].spf);
		assert_int_equal(dmarc_finish(d, &e, NULL, &r), 0);
		assert_string_equal(c.asked, walks[i].asked);
		dmarc_drop(d);
		assert_int_equal(c.count, 0);
		arena_fini(&a);
		dns_file_close(&c.below);
	}
}

/* The organizational domain as the list has it: no psd, no walk. */
static void
takes_the_list(void **state)
{
	static const char listed[] =
	    "_dmarc.corp.co.uk " P("p=none; sp=reject")
	    "_dmarc.co.uk " P("p=reject; psd=y")
	    "_dmarc.x.y.corp2.co.uk " P("p=reject");
	static const struct {
		const char *author, *spf;
		enum dmarc_outcome result;
		const char *policy_domain;
	} lists[] = {
	    {"a.b.corp.co.uk", "c.corp.co.uk", DMARC_PASS, "corp.co.uk"},
	    {"a.b.corp.co.uk", "other.co.uk", DMARC_FAIL, "corp.co.uk"},
	    {"none.co.uk", "none.co.uk", DMARC_NONE, NULL},
	    {"co.uk", "co.uk", DMARC_PASS, "co.uk"},
	    {"y.corp2.co.uk", NULL, DMARC_NONE, NULL},
	};
	struct pslist *psl;
	struct errmsg msg;
	struct dns dns;

	(void)state;
	assert_int_equal(pslist_open(NULL, &psl, &msg), 0);
	assert_int_equal(dns_file_open(listed, &dns), 0);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		struct dmarc_evidence e = {.spf = {.domain = lists[i].spf}};
		struct arena a = {0};
		struct dmarc_result r;
		struct dmarc *d =
		    dmarc_start(&dns, &a, psl, &lists[i].author, 1);

		assert_int_equal(dmarc_finish(d, &e, NULL, &r), 0);
		assert_true(r.psl);
		assert_int_equal(r.result, lists[i].result);
		if (lists[i].policy_domain != NULL)
			assert_string_equal(
			    r.policy_domain, lists[i].policy_domain);
		dmarc_drop(d);
		arena_fini(&a);
	}
	dns_file_close(&dns);
	pslist_free(psl);
}

static void
says_what_is_no_list(void **state)
{
	struct pslist *psl;
	struct errmsg msg;

	(void)state;
	assert_int_equal(
	    pslist_open("/nonexistent/list", &psl, &msg), ERR_SYSTEM);
	assert_non_null(strstr(msg.text, "/nonexistent/list: No such file"));
	assert_int_equal(pslist_open("/dev/null", &psl, &msg), ERR_FORMAT);
	assert_non_null(strstr(msg.text, "expected a public suffix list"));
}

/* However many identifiers there are, the look-ups of a message end. */
static void
has_a_limit(void **state)
{
	struct counter c = {.asked = ""};
	struct dns dns = {.ctx = &c,
	    .start = count_start,
	    .collect = count_collect,
	    .drop = count_drop};
	static const char *const author[] = {"own.example"};
	struct arena a = {0};
	struct dmarc *d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &c.below), 0);
	d = dmarc_start(&dns, &a, NULL, author, 1);
	for (int i = 0; i < 100; i++)
		dmarc_expect(d, arena_printf(&a, "%d.a.b.own.example", i));
	assert_int_equal(c.count, DMARC_QUERIES_MAX);
	dmarc_drop(d);
	arena_fini(&a);
	dns_file_close(&c.below);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges),
	    cmocka_unit_test(asks_at_once),
	    cmocka_unit_test(takes_the_list),
	    cmocka_unit_test(says_what_is_no_list),
	    cmocka_unit_test(has_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
