/* SPF checks, beyond the suites of t/oracle/spf.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "lib/spf/spf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/host.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const char zone[] =
    "d.example TXT v=spf1 a:mx.d.example include:i.d.example -all\n"
    "mx.d.example A 192.0.2.1\n"
    "i.d.example TXT v=spf1 ip4:192.0.2.2 ip4:192.0.2.4/30 ?all\n"
    "r.example TXT v=spf1 redirect=d.example exp=e.r.example\n"
    "x.example TXT v=spf1 exp=e.x.example -all\n"
    "e.x.example TXT %{i} is not %{d}'s, %{l}\n"
    "n.example TXT v=spf1 mx\n"
    "n.example MX 10 mx.d.example\n"
    "soft.example TXT v=spf1 ~all\n"
    "plus.example TXT v=spf1 ip4:192.0.2.1 +all\n"
    "half.example TXT v=spf1 ip4:0.0.0.0/1 ip4:128.0.0.0/1 -all\n"
    "half6.example TXT v=spf1 ip6:2000::/4 ip6:3000::/4 -all\n"
    "net.example TXT v=spf1 ip4:10.0.0.0/8 ip4:192.0.2.0/24 -all\n"
    "minus.example TXT v=spf1 -ip4:10.0.0.0/8 a:mx.d.example/24 -all\n"
    "in.example TXT v=spf1 include:net.example include:ten.example -all\n"
    "ten.example TXT v=spf1 ip4:11.0.0.0/8 ip4:198.51.100.0/24\n"
    "not.example TXT v=spf1 -include:net.example +ip4:198.51.100.1\n"
    "ex.example TXT v=spf1 exists:mx.%{d2r} exists:mx.d.example\n"
    "zero.example TXT v=spf1 mx:n.example/0 -all\n"
    "slow.example TXT !timeout\n"
    "fail.example TXT !servfail\n"
    "late.example TXT v=spf1 a:slow.d.example -all\n"
    "slow.d.example A !timeout\n"
    "two.example TXT v=spf1 -all\n"
    "two.example TXT v=spf1 +all\n"
    "loop.example TXT v=spf1 include:loop.example\n"
    "bad.example TXT v=spf1 -all bad\n"
    "gone.example TXT v=spf1 include:nothing.example -all\n"
    "void.example TXT v=spf1 a:a.void.example a:b.void.example "
    "mx:c.void.example -all\n"
    "many.example TXT v=spf1 mx -all\n"
    "host.d.example TXT v=spf1 ip4:192.0.2.9 -all\n";

struct check {
	const char *client, *helo, *sender;
};

static const struct spf_result *
judge(const char *text, struct arena *a, const struct check *c,
    const struct spf_result **helo_r)
{
	struct spf_request request = {.helo = c->helo,
	    .sender = c->sender};
	const struct spf_result *r, *helo;
	struct dns dns;
	struct spf *s;

	(void)host_parse(c->client, &request.client);
	assert_int_equal(dns_file_open(text, &dns), 0);
	s = spf_start(&dns, a, &request);
	assert_non_null(s);
	assert_int_equal(spf_finish(s, NULL, &r, &helo), 0);
	spf_drop(s);
	dns_file_close(&dns);
	if (helo_r != NULL)
		*helo_r = helo;
	return r;
}

static bool
same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static void
says_what_and_why(void **state)
{
	static const struct {
		const char *client, *sender;
		enum spf_outcome result;
		const char *mechanism, *inner, *explanation, *reason;
	} cases[] = {
	    {"192.0.2.1", "u@d.example", SPF_PASS, .mechanism = "a:mx.d.example"},
	    {"192.0.2.2", "u@d.example", SPF_PASS,
		.mechanism = "include:i.d.example", .inner = "ip4:192.0.2.2"},
	    {"192.0.2.3", "u@d.example", SPF_FAIL, .mechanism = "-all"},
	    {"192.0.2.6", "u@r.example", SPF_PASS,
		.mechanism = "include:i.d.example", .inner = "ip4:192.0.2.4/30"},
	    {"192.0.2.3", "u@r.example", SPF_FAIL, .mechanism = "-all"},
	    {"192.0.2.3", "u@x.example", SPF_FAIL, .mechanism = "-all",
		.explanation = "192.0.2.3 is not x.example's, u"},
	    {"192.0.2.3", "u\n@x.example", SPF_FAIL, .mechanism = "-all"},
	    {"192.0.2.1", "u@n.example", SPF_PASS, .mechanism = "mx"},
	    {"192.0.2.3", "u@n.example", SPF_NEUTRAL, .reason = NULL},
	    {"192.0.2.3", "u@soft.example", SPF_SOFTFAIL, .mechanism = "~all"},
	    {"127.0.0.1", "u@d.example", SPF_FAIL, .mechanism = "-all"},
	    {"::1", "u@d.example", SPF_FAIL, .mechanism = "-all"},
	    {"::ffff:192.0.2.1", "u@d.example", SPF_PASS, .mechanism = "a:mx.d.example"},
	    {"192.0.2.1", "u@D.Example.", SPF_PASS, .mechanism = "a:mx.d.example"},
	    {"192.0.2.1", "u@none.example", SPF_NONE, .reason = NULL},
	    {"192.0.2.1", "u@example", SPF_NONE, .reason = NULL},
	    {"192.0.2.1", "u@[192.0.2.1]", SPF_NONE, .reason = NULL},
	    {"192.0.2.1", "u@d..example", SPF_NONE, .reason = NULL},
	    {"192.0.2.1", "u@d\x1b[1m.example", SPF_NONE, .reason = NULL},
	    {"", "u@d.example", SPF_NONE, .reason = NULL},
	    {"192.0.2.3", "u@slow.example", SPF_TEMPERROR, .reason =
		"slow.example TXT: timeout"},
	    {"192.0.2.3", "u@fail.example", SPF_TEMPERROR, .reason =
		"fail.example TXT: no answer"},
	    {"192.0.2.3", "u@late.example", SPF_TEMPERROR, .reason =
		"a:slow.d.example: timeout"},
	    {"192.0.2.3", "u@two.example", SPF_PERMERROR, .reason =
		"two.example has more than one record"},
	    {"192.0.2.3", "u@loop.example", SPF_PERMERROR, .reason =
		"more than 10 terms that need look-ups"},
	    {"192.0.2.3", "u@bad.example", SPF_PERMERROR, .reason =
		"bad.example: not a term: bad"},
	    {"192.0.2.3", "u@gone.example", SPF_PERMERROR, .reason =
		"include:nothing.example: no record there"},
	    {"192.0.2.3", "u@void.example", SPF_PERMERROR, .reason =
		"more than 2 look-ups without an answer"},
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct check c = {cases[i].client, NULL, cases[i].sender};
		const struct spf_result *r = judge(zone, &a, &c, NULL);

		if (r->result != cases[i].result ||
		    !same(r->mechanism, cases[i].mechanism) ||
		    !same(r->inner, cases[i].inner) ||
		    !same(r->explanation, cases[i].explanation) ||
		    !same(r->reason, cases[i].reason))
			fail_msg("%s %s: %s, %s, %s, %s, %s", c.client,
			    c.sender, spf_outcome_text(r->result),
			    r->mechanism, r->inner, r->explanation, r->reason);
	}
	arena_fini(&a);
}

static void
tells_what_a_pass_is_worth(void **state)
{
	static const struct {
		const char *client, *sender;
		uint64_t addresses;
		bool plus_all;
	} cases[] = {
	    {"192.0.2.1", "u@d.example", 1, false},
	    {"192.0.2.2", "u@d.example", 6, false},
	    {"192.0.2.1", "u@plus.example", UINT64_MAX, true},
	    {"198.51.100.1", "u@plus.example", UINT64_MAX, true},
	    {"198.51.100.1", "u@half.example", 1ULL << 32, true},
	    {"2001:db8::1", "u@half6.example", 1ULL << 53, true},
	    {"192.0.2.1", "u@net.example", (1 << 24) + 256, false},
	    {"192.0.2.77", "u@minus.example", 256, false},
	    {"192.0.2.1", "u@in.example", (1 << 24) + 256, false},
	    {"198.51.100.1", "u@in.example", (2 << 24) + 512, false},
	    {"198.51.100.1", "u@not.example", 1, false},
	    {"198.51.100.1", "u@ex.example", UINT64_MAX, true},
	    {"198.51.100.1", "u@zero.example", UINT64_MAX, true},
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct check c = {cases[i].client, NULL, cases[i].sender};
		const struct spf_result *r = judge(zone, &a, &c, NULL);

		if (r->result != SPF_PASS ||
		    r->addresses != cases[i].addresses ||
		    r->plus_all != cases[i].plus_all)
			fail_msg("%s %s: %s, %llu", c.client, c.sender,
			    spf_outcome_text(r->result),
			    (unsigned long long)r->addresses);
	}
	arena_fini(&a);
}

static void
judges_two_identities(void **state)
{
	struct check c = {"192.0.2.9", "host.d.example", "u@d.example"};
	const struct spf_result *r, *helo;
	struct arena a;

	(void)state;
	arena_init(&a);
	r = judge(zone, &a, &c, &helo);
	assert_int_equal(r->result, SPF_FAIL);
	assert_int_equal(r->scope, SPF_MFROM);
	assert_string_equal(r->domain, "d.example");
	assert_int_equal(helo->result, SPF_PASS);
	assert_int_equal(helo->scope, SPF_HELO);
	assert_string_equal(helo->domain, "host.d.example");

	c.sender = "";
	r = judge(zone, &a, &c, &helo);
	assert_ptr_equal(r, helo);
	assert_int_equal(r->result, SPF_PASS);
	assert_int_equal(r->scope, SPF_HELO);
	arena_fini(&a);
}

/* The library cuts what compiles to more than 511 octets. */
static void
reads_long_records_to_the_end(void **state)
{
	struct check c = {"192.0.2.1", NULL, "u@long.example"};
	struct buf b = BUF_INIT;
	struct arena a;

	(void)state;
	arena_init(&a);
	buf_str(&b, "long.example TXT v=spf1");
	for (int i = 0; i < 500; i++)
		buf_printf(&b, " ip4:10.%d.%d.1 ip6:2001:db8:%x::/48", i / 256,
		    i % 256, i);
	buf_str(&b, " -all\n");
	assert_int_equal(judge(buf_text(&b), &a, &c, NULL)->result, SPF_FAIL);
	c.client = "10.1.200.1";
	assert_string_equal(
	    judge(buf_text(&b), &a, &c, NULL)->mechanism, "ip4:10.1.200.1");
	c.client = "2001:db8:1f3::1";
	assert_int_equal(judge(buf_text(&b), &a, &c, NULL)->result, SPF_PASS);
	buf_fini(&b);
	arena_fini(&a);
}

static void
survives_what_is_too_much(void **state)
{
	struct check c = {"192.0.2.1", NULL, "u@long.example"};
	const struct spf_result *r;
	struct buf b = BUF_INIT;
	struct arena a;

	(void)state;
	arena_init(&a);
	/* Of hundreds of terms the eleventh look-up is an error. */
	buf_str(&b, "long.example TXT v=spf1");
	for (int i = 0; i < 300; i++)
		buf_printf(&b, " a:%0*d.x.example", 100, i);
	buf_str(&b, " -all\n");
	assert_int_equal(
	    judge(buf_text(&b), &a, &c, NULL)->result, SPF_PERMERROR);

	/* Eleven names of an mx are one too many. */
	buf_reset(&b);
	buf_str(&b, "long.example TXT v=spf1 mx -all\n");
	for (int i = 0; i < 11; i++)
		buf_printf(&b, "long.example MX %d m%d.example\n", i, i);
	r = judge(buf_text(&b), &a, &c, NULL);
	assert_int_equal(r->result, SPF_PERMERROR);
	assert_string_equal(r->reason, "mx: more than 10 names");

	/* Long explanations come whole, or not at all. */
	for (int len = 500; len < 6000; len += 497) {
		buf_reset(&b);
		buf_printf(&b,
		    "long.example TXT v=spf1 -all exp=e.example\n"
		    "e.example TXT %0*d %%{s}%%{S}%%{i}%%{p}\n",
		    len, 0);
		r = judge(buf_text(&b), &a, &c, NULL);
		assert_int_equal(r->result, SPF_FAIL);
		assert_int_equal(r->explanation == NULL, len > 4096 - 60);
	}
	buf_fini(&b);
	arena_fini(&a);
}

static void
looks_at_ten_names_of_the_client(void **state)
{
	struct check c = {"192.0.2.1", NULL, "u@p.example"};
	struct buf b = BUF_INIT;
	struct arena a;

	(void)state;
	arena_init(&a);
	/* dns_file answers in reverse order. */
	for (int first = 0; first < 2; first++) {
		buf_reset(&b);
		buf_str(&b, "p.example TXT v=spf1 ptr -all\n"
			    "x.p.example A 192.0.2.1\n");
		if (!first)
			buf_str(&b,
			    "1.2.0.192.in-addr.arpa PTR x.p.example\n");
		for (int i = 0; i < 10; i++)
			buf_printf(&b,
			    "1.2.0.192.in-addr.arpa PTR n%d.p.example\n", i);
		if (first)
			buf_str(&b,
			    "1.2.0.192.in-addr.arpa PTR x.p.example\n");
		assert_int_equal(judge(buf_text(&b), &a, &c, NULL)->result,
		    first ? SPF_PASS : SPF_FAIL);
	}
	buf_fini(&b);
	arena_fini(&a);
}

/* RFC 8616 section 4: domains of U-labels are asked for as A-labels, and what
 * holds a local part that is not ASCII matches nothing. */
static void
reads_what_is_not_ascii(void **state)
{
	static const char names[] =
	    "xn--bcher-kva.example TXT v=spf1 exists:%{o}.%{d}.o.example -all\n"
	    "xn--bcher-kva.example.xn--bcher-kva.example.o.example A 127.0.0.2\n"
	    "l.example TXT v=spf1 exists:%{l}.l.example ip4:192.0.2.1 -all\n"
	    "u.l.example A 127.0.0.2\n"
	    "\\195\\188.l.example A 127.0.0.2\n"
	    "s.example TXT v=spf1 a:%{S}.x.example mx:%{L}.x.example ~all\n"
	    "i.example TXT v=spf1 include:%{l}.x.example -all\n"
	    "r.example TXT v=spf1 redirect=%{l1r}.x.example\n"
	    "e.example TXT v=spf1 exp=%{l}.x.example -all\n"
	    "\\195\\188.x.example TXT v=spf1 +all\n"
	    "host.example TXT v=spf1 exists:%{l}.h.example -all\n"
	    "postmaster.h.example A 127.0.0.2\n";
	static const struct {
		const char *client, *sender;
		enum spf_outcome result;
		const char *domain;
	} cases[] = {
	    {"192.0.2.1", "u@b\303\274cher.example", SPF_PASS,
		"xn--bcher-kva.example"},
	    {"192.0.2.1", "\303\274@B\303\234CHER.example", SPF_PASS,
		"xn--bcher-kva.example"},
	    {"192.0.2.1", "u@b\303cher.example", SPF_NONE,
		"b\303cher.example"},
	    {"192.0.2.3", "u@l.example", SPF_PASS, "l.example"},
	    {"192.0.2.3", "\303\274@l.example", SPF_FAIL, "l.example"},
	    {"192.0.2.1", "\303\274@l.example", SPF_PASS, "l.example"},
	    {"192.0.2.1", "\303\274@s.example", SPF_SOFTFAIL, "s.example"},
	    {"192.0.2.1", "u@i.example", SPF_PERMERROR, "i.example"},
	    {"192.0.2.1", "\303\274@i.example", SPF_FAIL, "i.example"},
	    {"192.0.2.1", "\303\274@r.example", SPF_NEUTRAL, "r.example"},
	    {"192.0.2.1", "\303\274@e.example", SPF_FAIL, "e.example"},
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct check c = {
		    cases[i].client, "host.example", cases[i].sender};
		const struct spf_result *helo, *r = judge(names, &a, &c, &helo);

		if (r->result != cases[i].result ||
		    strcmp(r->domain, cases[i].domain) != 0 ||
		    r->explanation != NULL)
			fail_msg("%s %s: %s, %s", c.client, c.sender,
			    spf_outcome_text(r->result), r->domain);
		/* HELO's local part is postmaster, whoever sends */
		assert_int_equal(helo->result, SPF_PASS);
	}
	arena_fini(&a);
}

/* A DNS that counts the names asked for, and the round trips: an answer comes
 * one later than its question. */
#define NAMES_MAX 300
struct counted {
	struct dns file;
	char *names[NAMES_MAX]; /* "TYPE name" */
	size_t count;
	struct dns_query *queries[NAMES_MAX];
	size_t due[NAMES_MAX], questions, trips;
};

static struct dns_query *
count_start(void *ctx, const char *name, enum dns_type type)
{
	struct counted *n = ctx;
	char asked[300];
	size_t i;

	snprintf(asked, sizeof(asked), "%d %s", type, name);
	for (i = 0; i < n->count && strcasecmp(n->names[i], asked) != 0;)
		i++;
	assert_true(i < NAMES_MAX);
	if (i == n->count)
		n->names[n->count++] = strdup(asked);
	assert_true(n->questions < NAMES_MAX);
	n->due[n->questions] = n->trips + 1;
	n->queries[n->questions] = dns_start(&n->file, name, type);
	return n->queries[n->questions++];
}

static const struct dns_answer *
count_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	struct counted *n = ctx;
	size_t i = 0;

	while (n->queries[i] != q)
		i++;
	if (n->due[i] > n->trips)
		n->trips = n->due[i];
	return dns_collect(&n->file, q, w);
}

static void
count_drop(void *ctx, struct dns_query *q)
{
	dns_drop(&((struct counted *)ctx)->file, q);
}

/* How many TXT names a check asks for, how many names of other types, and how
 * many round trips that takes. */
struct asked {
	size_t texts, others, trips;
	enum spf_outcome result;
};

static struct asked
count(
    const char *text, const char *client, const char *helo, const char *sender)
{
	struct spf_request request = {.helo = helo, .sender = sender};
	const struct spf_result *r, *h;
	struct counted n = {.count = 0};
	struct dns dns = {&n, count_start, count_collect, count_drop, NULL};
	struct asked out = {0};
	struct arena a;
	struct spf *s;

	arena_init(&a);
	assert_true(host_parse(client, &request.client));
	assert_int_equal(dns_file_open(text, &n.file), 0);
	s = spf_start(&dns, &a, &request);
	assert_int_equal(spf_finish(s, NULL, &r, &h), 0);
	out.result = r->result;
	out.trips = n.trips;
	spf_drop(s);
	dns_file_close(&n.file);
	for (size_t i = 0; i < n.count; i++) {
		*(atoi(n.names[i]) == DNS_TXT ? &out.texts : &out.others) += 1;
		free(n.names[i]);
	}
	arena_fini(&a);
	return out;
}

/* A record of `width` terms, each an include or a redirect where it stands
 * last, of names that have such a record again, `depth` levels deep. */
static void
add_tree(struct buf *b, const char *name, int width, int depth,
    const char *more, bool redirect)
{
	char below[200];

	buf_printf(b, "%s TXT v=spf1%s", name, more);
	for (int i = 0; i < width && depth > 0; i++)
		buf_printf(b, " %s%d.%s",
		    redirect && i == width - 1 ? "redirect=" : "include:", i,
		    name);
	buf_str(b, redirect ? "\n" : " ?all\n");
	for (int i = 0; i < width && depth > 0; i++) {
		snprintf(below, sizeof(below), "%d.%s", i, name);
		add_tree(b, below, width, depth - 1, more, redirect);
	}
}

/* RFC 7208 section 4.6.4: a check depends on eleven records at most, and asks
 * for no more, whatever stands in them. */
static void
asks_for_few_names(void **state)
{
	static const struct {
		const char *more;
		int width, depth;
		bool redirect;
	} trees[] = {
	    {"", 9, 2, false},
	    {"", 10, 2, false},
	    {"", 2, 5, false},
	    {"", 3, 4, false},
	    {"", 1, 15, false},
	    {"", 1, 15, true},
	    {"", 4, 3, true},
	    {"", 60, 1, false},
	    {" a:%{i}.x.example", 5, 3, false},
	    {" exists:%{l}.x.example a:y.x.example mx:z.x.example", 3, 3,
		false},
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(trees); i++) {
		struct asked n;

		buf_reset(&b);
		add_tree(&b, "t.example", trees[i].width, trees[i].depth,
		    trees[i].more, trees[i].redirect);
		n = count(buf_text(&b), "192.0.2.1", NULL, "u@t.example");
		if (n.result != SPF_PERMERROR || n.texts > 11 || n.others > 20)
			fail_msg("%zu: %s, %zu and %zu names", i,
			    spf_outcome_text(n.result), n.texts, n.others);
		/* HELO is a check of its own. */
		add_tree(&b, "h.example", trees[i].width, trees[i].depth,
		    trees[i].more, trees[i].redirect);
		n = count(
		    buf_text(&b), "192.0.2.1", "h.example", "u@t.example");
		if (n.texts > 22)
			fail_msg("%zu: %zu names", i, n.texts);
	}
	buf_fini(&b);
}

/* What may be asked is asked: a match behind the last of the records, and one
 * within limits of a domain whose records in all are over them. */
static void
evaluates_as_far_as_it_may(void **state)
{
	static const struct {
		const char *name, *records;
		size_t texts;
		enum spf_outcome result;
	} cases[] = {
	    {"ten includes, the tenth",
		"t.example TXT v=spf1 include:0.x include:1.x include:2.x "
		"include:3.x include:4.x include:5.x include:6.x include:7.x "
		"include:8.x include:y.example -all\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		11, SPF_PASS},
	    {"nine, and one inside the ninth",
		"t.example TXT v=spf1 include:0.x include:1.x include:2.x "
		"include:3.x include:4.x include:5.x include:6.x include:7.x "
		"include:y.example -all\n"
		"y.example TXT v=spf1 include:z.example -all\n"
		"z.example TXT v=spf1 ip4:192.0.2.1\n",
		11, SPF_PASS},
	    {"four of the first eight, before those behind it",
		"t.example TXT v=spf1 include:a.example include:1.x "
		"include:2.x include:3.x include:4.x include:5.x include:6.x "
		"include:7.x -all\n"
		"a.example TXT v=spf1 include:0.x include:8.x "
		"include:y.example "
		"-all\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		7, SPF_PASS},
	    {"seven inside the first of four, before those behind it",
		"t.example TXT v=spf1 include:a.example include:b.x "
		"include:c.x include:d.x -all\n"
		"a.example TXT v=spf1 include:0.x include:1.x include:2.x "
		"include:3.x include:4.x include:5.x include:y.example -all\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		11, SPF_PASS},
	    {"three inside each of four, before the tenth",
		"t.example TXT v=spf1 include:a.example include:b.example "
		"include:c.example include:d.x -all\n"
		"a.example TXT v=spf1 include:0.x include:1.x include:2.x -all\n"
		"b.example TXT v=spf1 include:3.x include:4.x include:5.x -all\n"
		"c.example TXT v=spf1 include:y.example include:6.x -all\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		11, SPF_PASS},
	    {"the same name again and again",
		"t.example TXT v=spf1 include:0.x include:0.X include:0.x. "
		"include:0.x include:0.x include:0.x include:0.x include:0.x "
		"include:y.example -all\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		3, SPF_PASS},
	    {"a redirect behind nine",
		"t.example TXT v=spf1 include:0.x include:1.x include:2.x "
		"include:3.x include:4.x include:5.x include:6.x include:7.x "
		"include:8.x redirect=y.example\n"
		"y.example TXT v=spf1 ip4:192.0.2.1\n",
		11, SPF_PASS},
	    {"no name is left for the explanation",
		"t.example TXT v=spf1 include:0.x include:1.x include:2.x "
		"include:3.x include:4.x include:5.x include:6.x include:7.x "
		"include:8.x include:9.x -all exp=e.x\n",
		11, SPF_FAIL},
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct asked n;

		buf_reset(&b);
		buf_str(&b, cases[i].records);
		for (int k = 0; k < 10; k++)
			buf_printf(&b, "%d.x TXT v=spf1 ip4:10.0.0.0/8\n", k);
		buf_str(&b, "e.x TXT no\n");
		n = count(buf_text(&b), "192.0.2.1", NULL, "u@t.example");
		if (n.result != cases[i].result || n.texts != cases[i].texts)
			fail_msg("%s: %s, %zu names", cases[i].name,
			    spf_outcome_text(n.result), n.texts);
	}
	buf_fini(&b);
}

/* What an ordinary record needs is asked for at once. */
static void
waits_no_longer_than_it_must(void **state)
{
	static const struct {
		const char *record;
		size_t trips;
	} cases[] = {
	    {"ip4:192.0.2.1", 1},
	    {"a -all", 2},
	    {"mx -all", 3},
	    {"mx:m.x include:y.example -all", 3},
	    {"include:0.x include:1.x include:y.example -all", 2},
	    {"a:0.x include:0.x include:1.x include:y.example -all", 2},
	    {"a:0.x a:1.x exists:9.x include:z.example -all", 3},
	    {"include:0.x redirect=y.example", 2},
	    {"a:0.x a:1.x mx:m.x ptr include:0.x include:z.example -all", 3},
	};
	struct buf b = BUF_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct asked n;

		buf_reset(&b);
		buf_printf(&b, "t.example TXT v=spf1 %s\n"
			       "t.example A 192.0.2.1\n"
			       "t.example MX 10 t.example\n"
			       "m.x MX 10 0.x\n"
			       "y.example TXT v=spf1 ip4:192.0.2.1\n"
			       "z.example TXT v=spf1 include:y.example\n"
			       "1.2.0.192.in-addr.arpa PTR t.example\n",
		    cases[i].record);
		for (int k = 0; k < 2; k++)
			buf_printf(&b, "%d.x TXT v=spf1 ip4:10.0.0.0/8\n"
				       "%d.x A 10.0.0.1\n", k, k);
		n = count(buf_text(&b), "192.0.2.1", NULL, "u@t.example");
		if (n.result != SPF_PASS || n.trips != cases[i].trips)
			fail_msg("%s: %s, %zu trips", cases[i].record,
			    spf_outcome_text(n.result), n.trips);
	}
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_what_and_why),
	    cmocka_unit_test(tells_what_a_pass_is_worth),
	    cmocka_unit_test(judges_two_identities),
	    cmocka_unit_test(reads_long_records_to_the_end),
	    cmocka_unit_test(survives_what_is_too_much),
	    cmocka_unit_test(looks_at_ten_names_of_the_client),
	    cmocka_unit_test(reads_what_is_not_ascii),
	    cmocka_unit_test(asks_for_few_names),
	    cmocka_unit_test(evaluates_as_far_as_it_may),
	    cmocka_unit_test(waits_no_longer_than_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
