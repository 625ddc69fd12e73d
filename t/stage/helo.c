/* HELO, through the chain.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/helo.h"

#include <stdio.h>
#include <string.h>

#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define MESSAGE "From: a@example.com\n\nHello.\n"

static const char zone[] = "mx.example.com A 192.0.2.1\n"
			   "other.example.com A 192.0.2.9\n"
			   "dead.example.com A !servfail\n"
			   "far.here.example A 192.0.2.1\n"
			   "mx.here.example A 198.51.100.1\n";

#define OURS "HELOOurs .here.example,198.51.100.0/24,2001:db8::1\n"

static const struct {
	const char *what, *conf;
	const char *helo, *client;
	const char *form, *status; /* NULL: not checked */
	const char *symbol;
	bool ours;
	const char *macro, *value;
} cases[] = {
    {"a name", "", "mx.example.com", "192.0.2.1", "name", "pass", "HELO_MATCH",
	false, NULL, NULL},
    {"another's name", "", "other.example.com", "192.0.2.1", "name", "fail",
	"HELO_MISMATCH", false, NULL, NULL},
    {"no such name", "", "gone.example.com", "192.0.2.1", "name", "none",
	"HELO_NO_ADDRESS", false, NULL, NULL},
    {"the DNS fails", "On-DNSError reject\n", "dead.example.com", "192.0.2.1",
	"name", "temperror", "HELO_TEMPERROR", false, NULL, NULL},
    {"a word", "", "desktop", "192.0.2.1", "word", "none", "HELO_NOT_FQDN",
	false, NULL, NULL},
    {"localhost", "", "localhost.localdomain", "192.0.2.1", "name", "none",
	"HELO_LOCALHOST", false, NULL, NULL},
    {"a literal", "", "[192.0.2.1]", "192.0.2.1", "literal", "pass",
	"HELO_LITERAL", false, NULL, NULL},
    {"an IPv6 literal", "", "[IPv6:2001:db8::2]", "2001:db8::2", "literal",
	"pass", "HELO_LITERAL", false, NULL, NULL},
    {"another's literal", "", "[192.0.2.9]", "192.0.2.1", "literal", "fail",
	"HELO_BAD_LITERAL", false, NULL, NULL},
    {"a wrong literal", "", "[192.0.2.1", "192.0.2.1", "invalid", "none",
	"HELO_BAD_LITERAL", false, NULL, NULL},
    {"an address", "", "192.0.2.1", "::ffff:192.0.2.1", "address", "pass",
	"RCVD_NUMERIC_HELO", false, NULL, NULL},
    {"no name", "", "a_b.example.com", "192.0.2.1", "invalid", "none",
	"HELO_INVALID", false, NULL, NULL},
    {"our host's name", "", "MX.here.example", "192.0.2.1", "name", "fail",
	"HELO_OURS", true, "j", "mx.here.example"},
    {"our domain", "Mode v\nDomain here.example\n", "here.example",
	"192.0.2.1", "name", "none", "HELO_OURS", true, NULL, NULL},
    {"one of our names", OURS, "mx.here.example", "192.0.2.1", "name", "fail",
	"HELO_OURS", true, NULL, NULL},
    {"a host of ours elsewhere", OURS, "far.here.example", "192.0.2.1", "name",
	"pass", "HELO_MATCH", false, NULL, NULL},
    {"our address in a literal", OURS, "[198.51.100.7]", "192.0.2.1",
	"literal", "fail", "HELO_OURS", true, NULL, NULL},
    {"our IPv6 address", OURS, "[IPv6:2001:db8::1]", "2001:db8::2", "literal",
	"fail", "HELO_OURS", true, NULL, NULL},
    {"our address, as the MTA has it", "", "198.51.100.7", "192.0.2.1",
	"address", "fail", "HELO_OURS", true, "{daemon_addr}", "198.51.100.7"},
    {"and in IPv6", "", "[IPv6:2001:db8::7]", "192.0.2.1", "literal", "fail",
	"HELO_OURS", true, "{if_addr}", "IPv6:2001:db8:0::7"},
    {"switched off", "HELO no\n", "desktop", "192.0.2.1", NULL, NULL, NULL,
	false, NULL, NULL},
    {"Mode s", "Mode s\n", "desktop", "192.0.2.1", NULL, NULL, NULL, false,
	NULL, NULL},
    {"a login", "", "desktop", "192.0.2.1", NULL, NULL, NULL, false,
	"{auth_authen}", "bob"},
    {"a private client", "", "desktop", "10.0.0.1", NULL, NULL, NULL, false,
	NULL, NULL},
    {"an internal client", "InternalHosts 192.0.2.1\n", "desktop",
	"192.0.2.1", NULL, NULL, NULL, false, NULL, NULL},
    {"no HELO", "", NULL, "192.0.2.1", NULL, NULL, NULL, false, NULL, NULL},
};

static void
results(void **state)
{
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk w = {.client_ip = cases[i].client,
		    .helo = cases[i].helo,
		    .rcpts = {"b@example.org"},
		    .message = MESSAGE,
		    .macros = {{cases[i].macro, cases[i].value}}};
		struct snapshot *snap = walk_load(cases[i].conf);
		const struct helo_fact *f;
		struct session *s;
		struct verdict v;

		inbound_without(snap, "dmarc");
		if (snap->dns != NULL)
			snap->dns = &d;
		s = walk_run(snap, &w, &v, NULL);
		f = s->msg->helo;
		if (verdict_decides(&v))
			fail_msg("%s: verdict", cases[i].what);
		if ((f != NULL) != (cases[i].form != NULL))
			fail_msg("%s: checked?", cases[i].what);
		if (f != NULL) {
			assert_string_equal(helo_form_word(f->result->form),
			    cases[i].form);
			assert_string_equal(
			    helo_status_word(f->result->status),
			    cases[i].status);
			if (f->ours != cases[i].ours ||
			    !inbound_symbol(s->msg, cases[i].symbol))
				fail_msg("%s: symbol", cases[i].what);
			if (!f->ours && inbound_symbol(s->msg, "HELO_OURS"))
				fail_msg("%s: ours", cases[i].what);
		}
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&d);
}

/* A fact outlives the HELO that is said next, and that one counts. */
static void
said_anew(void **state)
{
	struct snapshot *snap = walk_load("");
	struct walk w = {.client_ip = "192.0.2.1",
	    .helo = "desktop",
	    .rcpts = {"b@example.org"},
	    .message = MESSAGE};
	const struct helo_fact *f;
	struct session *s;
	struct verdict v;

	(void)state;
	s = walk_run(snap, &w, &v, NULL);
	f = s->msg->helo;
	chain_helo(s, "gone.example.com");
	assert_string_equal(f->result->name, "desktop");
	chain_end(s, &v);
	chain_mail(s, "a@example.com", NULL);
	chain_rcpt(s, "b@example.org");
	chain_eoh(s);
	chain_eom(s);
	assert_string_equal(s->msg->helo->result->name, "gone.example.com");
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results),
	    cmocka_unit_test(said_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
