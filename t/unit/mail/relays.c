/* Received fields, lists of networks, and who is trusted.  What is expected is
 * SpamAssassin 4.0.1's answer; t/oracle/relays asks it again.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/list/netlist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/relay_formats.h"
#include "lib/mail/relays.h"
#include "t/support/drivers/test.h"

#define DATE "; Tue, 1 Jan 2030 00:00:00 +0000"
#define NOF(a) (sizeof(a) / sizeof((a)[0]))

struct world {
	struct arena a;
	struct relay_formats *f;
};

static int
set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	arena_init(&w->a);
	assert_int_equal(relay_formats_new(&w->f), 0);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	relay_formats_free(w->f);
	arena_fini(&w->a);
	free(w);
	return 0;
}

/* -- single fields -- */

static const struct {
	const char *value;
	int outcome;
	const char *ip, *rdns, *helo, *by, *ident, *envfrom, *id, *auth;
} fields[] = {
	/* Postfix */
	{"from h.example (r.example [192.0.2.1])\n\tby mx.example (Postfix) "
	 "with ESMTP id 4ABC12\n\tfor <a@b.example>" DATE " (UTC)",
	 RELAY_PARSED, "192.0.2.1", "r.example", "h.example", "mx.example", "", "", "4ABC12",
	 ""},
	{"from [10.1.1.1] (unknown [IPv6:2001:db8::1]) (using TLSv1.3 with "
	 "cipher X (256/256 bits)) (Authenticated sender: bob) by mx.example "
	 "(Postfix) with ESMTP id 4ABC12" DATE, RELAY_PARSED, "2001:db8::1", "",
	 "!10.1.1.1!", "mx.example", "", "", "4ABC12", "Postfix"},
	{"from h.example (r.example [192.0.2.1]) by mx.example (Postfix) with "
	 "ESMTPSA id 4ABC12" DATE, RELAY_PARSED, "192.0.2.1", "r.example",
	 "h.example", "mx.example", "", "", "4ABC12", "ESMTPSA"},
	{"by mx.example (Postfix, from userid 1000) id 4ABC12" DATE,
	 RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
	/* Sendmail */
	{"from h.example (IDENT:joe@r.example [192.0.2.1] (may be forged)) by "
	 "mx.example (8.17/8.17) with ESMTP id h1234 for <a@b.example>" DATE,
	 RELAY_PARSED, "192.0.2.1", "r.example", "h.example", "mx.example",
	 "joe", "", "h1234", ""},
	{"from h.example (r.example [192.0.2.1]) (authenticated bits=0) by "
	 "mx.example (8.17/8.17) with ESMTP id h1234 "
	 "(envelope-from x@y.example)" DATE, RELAY_PARSED, "192.0.2.1",
	 "r.example", "h.example",
	 "mx.example", "", "x@y.example", "h1234", "Sendmail"},
	{"from localhost (root@localhost) by mx.example (8.17/8.17) with ESMTP "
	 "id h1234" DATE, RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
	/* Exim */
	{"from r.example ([192.0.2.1]:4711 helo=[10.0.0.1]) by mx.example with "
	 "esmtpsa (TLS1.3:X:256) (Exim 4.96) (envelope-from <x@y.example>) id "
	 "1kA-0001" DATE, RELAY_PARSED, "192.0.2.1", "r.example", "!10.0.0.1!",
	 "mx.example", "", "x@y.example", "1kA-0001", "esmtpsa"},
	{"from r.example ([192.0.2.1]) by mx.example with esmtp (Exim 4.96) id "
	 "1kA-0001" DATE, RELAY_PARSED, "192.0.2.1", "r.example", "r.example",
	 "mx.example", "", "", "1kA-0001", ""},
	{"from [192.0.2.1] (helo=h.example ident=joe) by mx.example with smtp "
	 "(Exim 4.96) id 1kA-0001" DATE, RELAY_PARSED, "192.0.2.1", "",
	 "h.example", "mx.example", "joe", "", "1kA-0001", ""},
	{"from joe by mx.example with local (Exim 4.96) id 1kA-0001" DATE,
	 RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
	/* qmail */
	{"from unknown (HELO ?10.0.0.1?) (joe@example.org@192.0.2.1) by "
	 "mx.example with SMTP; 1 Jan 2030 00:00:00 -0000", RELAY_PARSED,
	 "192.0.2.1", "", "?10.0.0.1?", "mx.example", "joe@example.org", "", "",
	 ""},
	{"from r.example (192.0.2.1) by mx.example with SMTP; 1 Jan 2030 "
	 "00:00:00 -0000", RELAY_PARSED, "192.0.2.1", "r.example", "r.example",
	 "mx.example", "", "", "", ""},
	{"(qmail 1234 invoked from network); 1 Jan 2030 00:00:00 -0000",
	 RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
	/* Google, Microsoft, and web mail */
	{"from mail-x.google.example (mail-x.google.example. [192.0.2.1]) by "
	 "mx.example with SMTPS id a1sor.1.2030 for <a@b.example> (Google "
	 "Transport Security)" DATE, RELAY_PARSED, "192.0.2.1",
	 "mail-x.google.example", "mail-x.google.example", "mx.example", "", "",
	 "a1sor.1.2030", ""},
	{"from a.example (2001:db8::16) by b.example (2001:db8::1) with "
	 "Microsoft SMTP Server (version=TLS1_2, cipher=X) id 15.20.1.2" DATE,
	 RELAY_PARSED, "2001:db8::16", "a.example", "a.example", "b.example",
	 "", "", "15.20.1.2", ""},
	{"from a.example ([fe80::1]) by b.example ([fe80::2%13]) with mapi id "
	 "15.20.1.2" DATE, RELAY_PARSED, "fe80::1", "", "a.example",
	 "b.example", "", "", "", ""},
	{"from 0 ([192.0.2.1] RDNS failed) by b.example with Microsoft "
	 "SMTPSVC(6.0.3790.0)" DATE, RELAY_PARSED, "192.0.2.1", "", "0",
	 "b.example", "", "", "", ""},
	{"from 192.0.2.1 (SquirrelMail authenticated user joe) by mx.example "
	 "with HTTP" DATE, RELAY_PARSED, "192.0.2.1", "", "", "mx.example", "",
	 "", "", "HTTP"},
	{"from mail pickup service by mx.example with Microsoft SMTPSVC" DATE,
	 RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
	/* others */
	{"from h.example (r.example [::ffff:192.0.2.1]) (AUTH: PLAIN joe) by "
	 "mx.example with esmtp" DATE, RELAY_PARSED, "192.0.2.1", "r.example",
	 "h.example", "mx.example", "", "", "", "PLAIN"},
	{"from pop.example [192.0.2.1] by localhost with POP3 "
	 "(fetchmail-6.2.4) for joe@localhost" DATE, RELAY_FETCHED, 0, 0, 0, 0,
	 0, 0, 0, 0},
	{"from h.example (r.example [192.0.2.256]) by mx.example (Postfix) "
	 "with ESMTP id 4ABC12" DATE, RELAY_UNPARSEABLE, 0, 0, 0, 0, 0, 0, 0,
	 0},
	{"from somewhere (no address)", RELAY_UNPARSEABLE, 0, 0, 0, 0, 0, 0, 0,
	 0},
	{"", RELAY_IGNORED, 0, 0, 0, 0, 0, 0, 0, 0},
};

static void
test_fields(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < NOF(fields); i++) {
		struct relay r = {0};
		int outcome = relay_parse(w->f, &w->a, fields[i].value,
		    strlen(fields[i].value), &r);

		if (outcome != fields[i].outcome)
			fail_msg("%s: %d", fields[i].value, outcome);
		if (outcome != RELAY_PARSED)
			continue;
		assert_string_equal(r.ip, fields[i].ip);
		assert_string_equal(r.rdns, fields[i].rdns);
		assert_string_equal(r.helo, fields[i].helo);
		assert_string_equal(r.by, fields[i].by);
		assert_string_equal(r.ident, fields[i].ident);
		assert_string_equal(r.envfrom, fields[i].envfrom);
		assert_string_equal(r.id, fields[i].id);
		assert_string_equal(r.auth, fields[i].auth);
	}
}

/* What a sender writes cannot pass for a relay of its own. */
static void
test_brackets(void **state)
{
	static const char value[] = "from x]_[_ip=1 (r[1].example [192.0.2.1]) "
	    "by mx.example (Postfix) with ESMTP id 4ABC12";
	struct world *w = *state;
	struct relay r;

	assert_int_equal(relay_parse(w->f, &w->a, value, strlen(value), &r),
	    RELAY_PARSED);
	assert_string_equal(r.helo, "x!_!_ip=1");
	assert_string_equal(r.rdns, "r!1!.example");
}

/* -- lists of networks -- */

static struct netlist *
list(const char *entries)
{
	struct netlist *l = netlist_new();
	char *copy = strdup(entries), *rest, *word;
	struct errmsg msg;

	for (word = strtok_r(copy, " ", &rest); word != NULL;
	    word = strtok_r(NULL, " ", &rest)) {
		if (netlist_add(l, word, &msg) < 0)
			fail_msg("%s", msg.text);
	}
	free(copy);
	return l;
}

static void
test_netlist(void **state)
{
	static const struct {
		const char *entries, *in, *out;
	} cases[] = {
		{"192.0.2.1", "192.0.2.1", "192.0.2.2"},
		{"192.168.", "192.168.3.4", "192.169.0.1"},
		{"10", "10.2.3.4", "11.0.0.0"},
		{"10.0.1/24", "10.0.1.255", "10.0.2.0"},
		{"10.9.9.9/8", "10.1.1.1", "9.9.9.9"},
		{"10.0.0.0/255.255.0.0", "10.0.3.4", "10.1.0.0"},
		{"192.0.2.8-192.0.2.9", "192.0.2.9", "192.0.2.10"},
		{"!192.0.2.1 192.0.2.0/24", "192.0.2.2", "192.0.2.1"},
		{"2001:db8::/32", "2001:db8::1", "2001:db9::1"},
		{"[2001:db8::]/32", "2001:db8::1", "2001:db9::1"},
		{"[2001:db8::/33]", "2001:db8::1", "2001:db8:8000::1"},
		{"fe80::1%eth0", "fe80::1", "fe80::2"},
		{"::ffff:192.0.2.0/120", "192.0.2.7", "192.0.3.7"},
		{"::/0", "192.0.2.7", "nonsense"},
		{"0/0", "192.0.2.7", "2001:db8::"},
		{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2"},
	};
	(void)state;

	for (size_t i = 0; i < NOF(cases); i++) {
		struct netlist *l = list(cases[i].entries);

		if (!netlist_has(l, cases[i].in) ||
		    netlist_has(l, cases[i].out))
			fail_msg("%s", cases[i].entries);
		netlist_free(l);
	}
}

static void
test_netlist_mistakes(void **state)
{
	static const char *const words[] = {"", "!", "foo", "192.0.2.256",
	    "192.0.2.1/33", "192.0.2.1/", "192.0.2.1/255.0.255.0",
	    "192.0.2.1,192.0.2.2", "2001:db8::/129", "2001:db8:::1",
	    "192.0.2.9-192.0.2.8", "192.0.2.9-", "1.2.3.4.5", "[192.0.2.1"};
	struct netlist *l = netlist_new();
	struct errmsg msg;
	(void)state;

	for (size_t i = 0; i < NOF(words); i++) {
		if (netlist_add(l, words[i], &msg) != ERR_CONFIG)
			fail_msg("%s", words[i]);
		assert_non_null(strstr(msg.text, words[i]));
	}
	assert_true(netlist_is_empty(l));
	assert_int_equal(netlist_add(l, "192.0.2.0/24", &msg), 0);
	assert_false(netlist_decides(l, "192.0.3.1", &msg));
	assert_true(netlist_decides(l, "!192.0.2.1", &msg));
	assert_int_equal(netlist_add(l, "!192.0.2.1", &msg), 0);
	assert_non_null(strstr(msg.text, "already includes"));
	assert_true(netlist_has(l, "192.0.2.1"));
	netlist_free(l);
	l = netlist_new();
	assert_true(netlist_is_empty(l));
	assert_false(netlist_has(l, "192.0.2.1"));
	for (int i = 0; i < NETLIST_MAX; i++) {
		char text[32];

		snprintf(text, sizeof(text), "10.1.%d.%d", i / 256, i % 256);
		assert_int_equal(netlist_add(l, text, &msg), 0);
	}
	assert_int_equal(netlist_add(l, "192.0.2.1", &msg), ERR_LIMIT);
	netlist_free(l);
	assert_true(netlist_is_empty(NULL));
	assert_false(netlist_has(NULL, "192.0.2.1"));
}

/* -- trust -- */

/* Hops by address, `+` behind those that logged in. */
static const struct {
	const char *trusted, *internal, *msa, *hops;
	size_t want_trusted, want_internal;
	int want_msa; /* which hop has msa=1; -1: none */
} trusts[] = {
	/* nothing is set: private addresses, and logins */
	{"", "", "", "10.0.0.1 172.16.0.1 192.0.2.1 10.0.0.3", 2, 2, -1},
	{"", "", "", "192.0.2.1 10.0.0.3", 0, 0, -1},
	{"", "", "", "10.0.0.1 192.0.2.1+ 10.0.0.3 192.0.2.2", 3, 3, -1},
	{"", "", "10.0.0.1", "10.0.0.1 192.0.2.2", 1, 1, -1},
	/* one stands for the other */
	{"192.0.2.0/28", "", "", "192.0.2.1 10.0.0.3 192.0.2.2", 1, 1, -1},
	{"", "192.0.2.1", "", "192.0.2.1 192.0.2.2", 1, 1, -1},
	{"192.0.2.0/28", "", "", "127.0.0.1 ::1 192.0.2.1 192.0.2.99+ "
	 "192.0.2.2 10.0.0.1", 5, 5, -1},
	{"!127.0.0.1 192.0.2.0/28", "", "", "127.0.0.1 192.0.2.1", 2, 2, -1},
	/* both */
	{"192.0.2.0/28", "192.0.2.1", "", "192.0.2.1 192.0.2.2 192.0.2.1 "
	 "198.51.100.1", 3, 1, -1},
	{"192.0.2.2", "192.0.2.1", "", "192.0.2.1 192.0.2.2", 0, 0, -1},
	/* what is internal must be trusted as a whole */
	{"192.0.2.1", "192.0.2.0/28", "", "192.0.2.1 192.0.2.2", 1, 0, -1},
	/* behind a submission server everybody is what it is */
	{"192.0.2.0/28", "", "192.0.2.2", "192.0.2.1 192.0.2.2 198.51.100.1 "
	 "10.0.0.1", 4, 4, 1},
	{"192.0.2.0/28 198.51.100.1", "192.0.2.0/28", "198.51.100.1",
	 "192.0.2.1 198.51.100.1 203.0.113.1 192.0.2.1", 4, 1, 1},
	{"192.0.2.1", "", "192.0.2.0/28", "192.0.2.1 203.0.113.1", 1, 1, -1},
};

static void
add_hops(struct world *w, struct hdr_list *header, const char *hops)
{
	char *copy = strdup(hops), *rest, *word;

	for (word = strtok_r(copy, " ", &rest); word != NULL;
	    word = strtok_r(NULL, " ", &rest)) {
		size_t len = strcspn(word, "+");
		const char *value = arena_printf(&w->a, " from h (r [%.*s]) "
		    "by b (Postfix) with %s id ABCD" DATE, (int)len, word,
		    word[len] == '+' ? "ESMTPSA" : "ESMTP");

		assert_int_equal(hdr_add(header, &w->a, "Received", 8, value,
		    strlen(value)), 0);
	}
	free(copy);
}

static void
test_trust(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < NOF(trusts); i++) {
		struct netlist *lists[] = {list(trusts[i].trusted),
		    list(trusts[i].internal), list(trusts[i].msa)};
		struct relay_nets nets = {lists[0], lists[1], lists[2], NULL};
		struct hdr_list header = {0};
		struct relays r;

		add_hops(w, &header, trusts[i].hops);
		assert_int_equal(relays_build(w->f, &nets, &header, NULL,
		    &w->a, &r), 0);
		if (r.trusted != trusts[i].want_trusted ||
		    r.internal != trusts[i].want_internal)
			fail_msg("%s | %s: %zu %zu", trusts[i].trusted,
			    trusts[i].hops, r.trusted, r.internal);
		for (size_t n = 0; n < r.count; n++)
			assert_int_equal(r.list[n].msa,
			    (int)n == trusts[i].want_msa);
		for (int n = 0; n < 3; n++)
			netlist_free(lists[n]);
	}
}

/* -- the pseudo-headers -- */

static void
test_text(void **state)
{
	struct world *w = *state;
	struct netlist *internal = list("192.0.2.1");
	struct relay_nets nets = {.internal = internal};
	struct hdr_list header = {0};
	struct relays r;

	add_hops(w, &header, "192.0.2.1 198.51.100.1+ 203.0.113.1");
	assert_int_equal(hdr_add(&header, &w->a, "Received", 8, " from x", 7),
	    0);
	assert_int_equal(
	    relays_build(w->f, &nets, &header, NULL, &w->a, &r), 0);
	assert_string_equal(r.text_trusted,
	    "[ ip=192.0.2.1 rdns=r helo=h by=b ident= envfrom= intl=1 id=ABCD "
	    "auth= msa=0 ] [ ip=198.51.100.1 rdns=r helo=h by=b ident= "
	    "envfrom= intl=1 id=ABCD auth=ESMTPSA msa=0 ]");
	assert_string_equal(r.text_untrusted,
	    "[ ip=203.0.113.1 rdns=r helo=h by=b ident= envfrom= intl=0 "
	    "id=ABCD auth= msa=0 ]");
	assert_string_equal(r.text_internal, r.text_trusted);
	assert_string_equal(r.text_external, r.text_untrusted);
	assert_int_equal(r.unparseable, 1);
	assert_string_equal(relays_first_untrusted(&r)->ip, "203.0.113.1");
	assert_false(relays_all_trusted(&r));
	netlist_free(internal);
}

static void
test_empty(void **state)
{
	struct world *w = *state;
	struct hdr_list header = {0};
	struct relays r;

	assert_int_equal(
	    relays_build(w->f, NULL, &header, NULL, &w->a, &r), 0);
	assert_int_equal(r.count, 0);
	assert_string_equal(r.text_trusted, "");
	assert_string_equal(r.text_external, "");
	assert_null(relays_first_untrusted(&r));
	assert_false(relays_all_trusted(&r));
}

/* The MTA's own field is not there yet. */
static void
test_here(void **state)
{
	struct world *w = *state;
	struct hdr_list header = {0};
	struct relay_here here = {.ip = "IPv6:2001:db8::1",
	    .rdns = "unknown", .helo = "[10.0.0.1]", .by = "mx.example",
	    .envfrom = "a b]@example.org", .id = "4ABC"};
	struct relays r;

	add_hops(w, &header, "10.0.0.1");
	assert_int_equal(
	    relays_build(w->f, NULL, &header, &here, &w->a, &r), 0);
	assert_string_equal(r.text_untrusted,
	    "[ ip=2001:db8::1 rdns= helo=!10.0.0.1! by=mx.example ident= "
	    "envfrom=a!b!@example.org intl=0 id=4ABC auth= msa=0 ] "
	    "[ ip=10.0.0.1 rdns=r helo=h by=b ident= envfrom= intl=0 id=ABCD "
	    "auth= msa=0 ]");
	here.auth = "ESMTPA";
	here.ip = "::ffff:192.0.2.1";
	here.rdns = "r.example.";
	assert_int_equal(
	    relays_build(w->f, NULL, &header, &here, &w->a, &r), 0);
	assert_true(relays_all_trusted(&r));
	assert_string_equal(r.list[0].ip, "192.0.2.1");
	assert_string_equal(r.list[0].rdns, "r.example");
	here.ip = NULL;
	assert_int_equal(
	    relays_build(w->f, NULL, &header, &here, &w->a, &r), 0);
	assert_int_equal(r.count, 1);
}

/* Fetched from a mailbox: hops at home are not the path. */
static void
test_fetched(void **state)
{
	static const char value[] = "from pop.example by localhost with POP3";
	struct world *w = *state;
	struct hdr_list header = {0}, public = {0};
	struct relays r;

	add_hops(w, &header, "127.0.0.1 10.0.0.1");
	hdr_add(&header, &w->a, "Received", 8, value, strlen(value));
	add_hops(w, &header, "192.0.2.1");
	assert_int_equal(
	    relays_build(w->f, NULL, &header, NULL, &w->a, &r), 0);
	assert_int_equal(r.count, 1);
	add_hops(w, &public, "127.0.0.1 192.0.2.1");
	hdr_add(&public, &w->a, "Received", 8, value, strlen(value));
	assert_int_equal(
	    relays_build(w->f, NULL, &public, NULL, &w->a, &r), 0);
	assert_int_equal(r.count, 2);
}

static void
test_caps(void **state)
{
	struct world *w = *state;
	struct hdr_list header = {0};
	struct relay_here here = {.ip = "192.0.2.1"};
	struct relays r;
	char *value = malloc(300000);

	for (int i = 0; i < 2 * RELAYS_MAX; i++)
		add_hops(w, &header, "10.0.0.1");
	assert_int_equal(
	    relays_build(w->f, NULL, &header, &here, &w->a, &r), 0);
	assert_int_equal(r.count, RELAYS_MAX + 1);
	/* Patterns that would backtrack for long end. */
	memset(value, '(', 300000);
	memcpy(value, "from ", 5);
	for (size_t i = 5; i + 8 < 300000; i += 8)
		memcpy(value + i, "x (y by ", 8);
	assert_true(relay_parse(w->f, &w->a, value, 300000,
	    &(struct relay){0}) >= 0);
	free(value);
}

static void
test_private(void **state)
{
	static const char *const yes[] = {"10.0.0.1", "127.1.1.1",
	    "100.64.0.1", "100.127.255.255", "169.254.1.1", "172.16.0.1",
	    "172.31.255.255", "192.168.0.1", "::1", "fe80::1", "febf::1",
	    "::ffff:10.0.0.1"};
	static const char *const no[] = {"", "0.0.0.0", "11.0.0.1",
	    "100.128.0.1", "172.32.0.1", "192.169.0.1", "192.0.2.1",
	    "fc00::1", "2001:db8::1", "::ffff:192.0.2.1", "x"};
	(void)state;

	for (size_t i = 0; i < NOF(yes); i++)
		assert_true(relay_ip_is_private(yes[i]));
	for (size_t i = 0; i < NOF(no); i++)
		assert_false(relay_ip_is_private(no[i]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_brackets),
		cmocka_unit_test(test_netlist),
		cmocka_unit_test(test_netlist_mistakes),
		cmocka_unit_test(test_trust),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_here),
		cmocka_unit_test(test_fetched),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
