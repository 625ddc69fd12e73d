/* The SPF stage. SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "lib/spf/spf.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static const char zone[] =
    "d.example TXT v=spf1 ip4:192.0.2.1 -all\n"
    "mx.d.example TXT v=spf1 ip4:192.0.2.1 ~all\n"
    "plus.example TXT v=spf1 +all\n"
    "net.example TXT v=spf1 ip4:192.0.0.0/16 -all\n"
    "bad.example TXT v=spf1 bad\n"
    "slow.example TXT !timeout\n"
    "xn--bcher-kva.example TXT v=spf1 ip4:192.0.2.1 -all\n";

struct run {
	struct snapshot *snap;
	struct dns dns;
	struct session *s;
};

/* NULL text: no DNS. */
static struct message *
run(struct run *r, const char *conf, const char *text, const struct walk *w)
{
	const struct dns *own;
	struct verdict v;

	r->snap = walk_load(conf);
	inbound_without(r->snap, "iprev");
	inbound_without(r->snap, "authres");
	own = r->snap->dns;
	r->snap->dns = NULL;
	if (text != NULL) {
		assert_int_equal(dns_file_open(text, &r->dns), 0);
		r->snap->dns = &r->dns;
	}
	r->s = walk_run(r->snap, w, &v, NULL);
	r->snap->dns = own;
	assert_int_equal(v.action, VERDICT_NONE);
	return r->s->msg;
}

static void
end(struct run *r, bool zoned)
{
	chain_close(r->s);
	if (zoned)
		dns_file_close(&r->dns);
	snapshot_unref(r->snap);
}

static bool
has(const struct message *m, const char *name)
{
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		if (strcmp(s->name, name) == 0)
			return true;
	}
	return false;
}

static const struct walk plain = {.client_ip = "192.0.2.1",
    .helo = "mx.d.example",
    .from = "<u@d.example>",
    .rcpts = {"c@e.example"},
    .macros = {{"j", "mx.e.example"}},
    .message = "From: u@d.example\r\n\r\n"};

static void
gives_facts_and_symbols(void **state)
{
	static const struct {
		const char *client, *helo, *from;
		enum spf_outcome result, helo_result;
		const char *symbols[3];
	} cases[] = {
	    {"192.0.2.1", "mx.d.example", "u@d.example", SPF_PASS, SPF_PASS,
		{"SPF_PASS", "SPF_HELO_PASS"}},
	    {"192.0.2.2", "mx.d.example", "u@d.example", SPF_FAIL,
		SPF_SOFTFAIL, {"SPF_FAIL", "SPF_HELO_SOFTFAIL"}},
	    {"192.0.2.2", "x", "u@no.example", SPF_NONE, SPF_NONE,
		{"SPF_NONE", "SPF_HELO_NONE"}},
	    {"192.0.2.2", NULL, "u@bad.example", SPF_PERMERROR, SPF_NONE,
		{"T_SPF_PERMERROR", "SPF_HELO_NONE"}},
	    {"192.0.2.2", "mx", "u@slow.example", SPF_TEMPERROR, SPF_NONE,
		{"T_SPF_TEMPERROR", "SPF_HELO_NONE"}},
	    {"192.0.2.2", "mx", "u@plus.example", SPF_PASS, SPF_NONE,
		{"SPF_PLUS_ALL", "SPF_PASS", "SPF_HELO_NONE"}},
	    {"192.0.2.1", "mx.d.example", NULL, SPF_PASS, SPF_PASS,
		{"SPF_HELO_PASS"}},
	    {"192.0.2.1", "mx", "\xc3\xbc@b\xc3\xbc" "cher.example", SPF_PASS,
		SPF_NONE, {"SPF_PASS", "SPF_HELO_NONE"}},
	    {"2001:db8::1", "mx.d.example", "u@d.example", SPF_FAIL,
		SPF_SOFTFAIL, {"SPF_FAIL", "SPF_HELO_SOFTFAIL"}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct walk w = plain;
		const struct message *m;
		const struct symbol *symbol;
		struct run r;

		w.client_ip = cases[i].client;
		w.helo = cases[i].helo;
		w.from = cases[i].from;
		m = run(&r, "Mode v\n", zone, &w);
		assert_non_null(m->spf);
		assert_int_equal(m->spf->result, cases[i].result);
		assert_int_equal(m->spf_helo->result, cases[i].helo_result);
		assert_non_null(strstr(m->notes.data,
		    spf_outcome_text(cases[i].result)));
		symbol = m->symbols;
		for (size_t j = 0; j < 3 && cases[i].symbols[j] != NULL; j++) {
			assert_non_null(symbol);
			assert_string_equal(
			    symbol->name, cases[i].symbols[j]);
			symbol = symbol->next;
		}
		end(&r, true);
	}
}

static void
checks_nothing_where_it_has_no_business(void **state)
{
	static const struct {
		const char *conf, *zone, *client, *login;
	} cases[] = {
	    {"Mode v\nSPF no\n", zone, "192.0.2.1", NULL},
	    {"Mode s\n", zone, "192.0.2.1", NULL},
	    {"Mode v\n", NULL, "192.0.2.1", NULL},
	    {"Mode v\n", zone, NULL, NULL},
	    {"Mode v\n", zone, "192.0.2.1", "bob"},
	    {"Mode v\nInternalHosts 192.0.2.0/24\n", zone, "192.0.2.1", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct walk w = plain;
		const struct message *m;
		struct run r;

		w.client_ip = cases[i].client;
		if (cases[i].login != NULL) {
			w.macros[1].name = "{auth_authen}";
			w.macros[1].value = cases[i].login;
		}
		m = run(&r, cases[i].conf, cases[i].zone, &w);
		assert_null(m->spf);
		assert_null(m->spf_helo);
		assert_false(has(m, "SPF_PASS"));
		end(&r, cases[i].zone != NULL);
	}
}

static void
weighs_a_broad_pass(void **state)
{
	static const struct {
		const char *conf, *from;
		enum spf_outcome result;
		const char *symbol;
		bool broad, plus;
	} cases[] = {
	    {"", "u@net.example", SPF_PASS, "SPF_PASS", false, false},
	    {"SPFBroadLimit 65535\n", "u@net.example", SPF_PASS, "SPF_PASS",
		true, false},
	    {"SPFBroadLimit 65536\n", "u@net.example", SPF_PASS, "SPF_PASS",
		false, false},
	    {"SPFBroadLimit 0\n", "u@net.example", SPF_PASS, "SPF_PASS",
		false, false},
	    {"SPFBroadLimit 0\n", "u@plus.example", SPF_PASS, "SPF_PASS",
		false, true},
	    {"SPFBroadLimit 1\nSPFBroadPass none\n", "u@net.example", SPF_NONE,
		"SPF_NONE", true, false},
	    {"SPFBroadPass none\n", "u@plus.example", SPF_NONE, "SPF_NONE",
		false, true},
	    {"SPFBroadPass none\n", "u@net.example", SPF_PASS, "SPF_PASS",
		false, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct walk w = plain;
		const struct message *m;
		struct run r;

		w.from = cases[i].from;
		m = run(&r, cases[i].conf, zone, &w);
		assert_int_equal(m->spf->result, cases[i].result);
		assert_true(has(m, cases[i].symbol));
		assert_int_equal(has(m, "SPF_BROAD"), cases[i].broad);
		assert_int_equal(has(m, "SPF_PLUS_ALL"), cases[i].plus);
		end(&r, true);
	}
}

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A310 A50 A50 A50 A50 A50 A50 "aaaaaaaaaa"

static void
adds_received_spf_when_told(void **state)
{
	static const struct {
		const char *client, *helo, *from, *want, *param;
	} cases[] = {
	    {"192.0.2.1", "mx.d.example", "u@d.example",
		"pass identity=mailfrom;\n\tclient-ip=192.0.2.1;\n\t"
		"envelope-from=\"u@d.example\";\n\thelo=mx.d.example;\n\t"
		"receiver=mx.e.example;\n\tmechanism=\"ip4:192.0.2.1\"", NULL},
	    {"2001:db8::1", "a\"b\\\r(c", NULL,
		"none identity=helo;\n\tclient-ip=\"2001:db8::1\";\n\t"
		"envelope-from=\"\";\n\t"
		"receiver=mx.e.example", NULL},
	    {"192.0.2.1", "a..b", "u@bad.example",
		"permerror identity=mailfrom;\n\tclient-ip=192.0.2.1;\n\t"
		"envelope-from=\"u@bad.example\";\n\thelo=\"a..b\";\n\t"
		"receiver=mx.e.example;\n\t"
		"problem=\"bad.example: not a term: bad\"", NULL},
	    {"192.0.2.1", "a\"b\\(c", A310 "aaa@d.example",
		"pass identity=mailfrom;\n\tclient-ip=192.0.2.1;\n\t"
		"envelope-from=\"" A310 "@d.example\";\n\t"
		"helo=\"a\\\"b\\\\(c\";\n\t"
		"receiver=mx.e.example;\n\tmechanism=\"ip4:192.0.2.1\"", NULL},
	    {"192.0.2.1", "x\xc3", "\xc3\xbc@b\xc3\xbc" "cher.example",
		"pass identity=mailfrom;\n\tclient-ip=192.0.2.1;\n\t"
		"envelope-from=\"\xc3\xbc@b\xc3\xbc" "cher.example\";\n\t"
		"receiver=mx.e.example;\n\t"
		"mechanism=\"ip4:192.0.2.1\"", "SMTPUTF8"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct walk w = plain;
		const struct message *m;
		struct run r;

		w.client_ip = cases[i].client;
		w.helo = cases[i].helo;
		w.from = cases[i].from;
		w.params[0] = cases[i].param;
		m = run(&r, "ReceivedSPF yes\n", zone, &w);
		assert_non_null(m->edits.first);
		assert_int_equal(m->edits.first->op, EDIT_INSERT);
		assert_string_equal(m->edits.first->name, "Received-SPF");
		assert_string_equal(m->edits.first->value, cases[i].want);
		assert_null(m->edits.first->next);
		end(&r, true);
	}
}

/* An abort gives the look-ups back; the leak checker would tell. */
static void
lets_go_when_a_message_is_aborted(void **state)
{
	const struct dns *own;
	struct verdict v;
	struct run r;

	(void)state;
	r.snap = walk_load("Mode v\n");
	own = r.snap->dns;
	assert_int_equal(dns_file_open(zone, &r.dns), 0);
	r.snap->dns = &r.dns;
	r.s = walk_envelope(r.snap, &plain, &v, NULL);
	chain_mail(r.s, "<v@d.example>", NULL);
	chain_close(r.s);
	r.snap->dns = own;
	dns_file_close(&r.dns);
	snapshot_unref(r.snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_facts_and_symbols),
	    cmocka_unit_test(checks_nothing_where_it_has_no_business),
	    cmocka_unit_test(weighs_a_broad_pass),
	    cmocka_unit_test(adds_received_spf_when_told),
	    cmocka_unit_test(lets_go_when_a_message_is_aborted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
