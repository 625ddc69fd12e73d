/* IPRev, through the chain.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/iprev.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "milter/chain.h"
#include "milter/snapshot.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define MESSAGE "From: a@example.com\n\nHello.\n"

static const char zone[] = "1.2.0.192.in-addr.arpa PTR mx.example.com\n"
			   "mx.example.com A 192.0.2.1\n"
			   "2.2.0.192.in-addr.arpa PTR mx.example.com\n"
			   "3.2.0.192.in-addr.arpa PTR !servfail\n"
			   "1.0.0.10.in-addr.arpa PTR mx.example.com\n";

/* Whoever else asks the DNS. */
static void
only_iprev(struct snapshot *snap)
{
	inbound_without(snap, "spf");
	inbound_without(snap, "dkim");
	inbound_without(snap, "dmarc");
	inbound_without(snap, "helo");
}

static void
results(void **state)
{
	static const struct {
		const char *what, *conf;
		struct walk w;
		const char *word; /* NULL: not checked */
		const char *symbol;
	} cases[] = {
	    {"pass", "", {.client_ip = "192.0.2.1"}, "pass", "RDNS_PASS"},
	    {"fail", "", {.client_ip = "192.0.2.2"}, "fail", "RDNS_FAIL"},
	    {"no name", "", {.client_ip = "192.0.2.9"}, "permerror",
		"RDNS_NONE"},
	    {"the DNS fails", "On-DNSError reject\n",
		{.client_ip = "192.0.2.3"}, "temperror", "RDNS_TEMPERROR"},
	    {"switched off", "IPRev no\n", {.client_ip = "192.0.2.1"}, NULL,
		NULL},
	    {"Mode s", "Mode s\n", {.client_ip = "192.0.2.1"}, NULL, NULL},
	    {"a login", "",
		{.client_ip = "192.0.2.1", .macros = {{"{auth_authen}", "b"}}},
		NULL, NULL},
	    {"a private client", "InternalHosts 192.0.2.77\n",
		{.client_ip = "10.0.0.1"}, NULL, NULL},
	    {"no client", "", {0}, NULL, NULL},
	};
	struct dns d;

	(void)state;
	assert_int_equal(dns_file_open(zone, &d), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk w = cases[i].w;
		struct snapshot *snap = walk_load(cases[i].conf);
		struct session *s;
		struct message *m;
		struct verdict v;
		bool noted;

		only_iprev(snap);
		if (snap->dns != NULL)
			snap->dns = &d;
		w.helo = "mx.example.com";
		w.message = MESSAGE;
		w.rcpts[0] = "b@example.org";
		s = walk_run(snap, &w, &v, NULL);
		m = s->msg;
		if (verdict_decides(&v))
			fail_msg("%s: verdict", cases[i].what);
		if ((m->iprev != NULL) != (cases[i].word != NULL))
			fail_msg("%s: checked?", cases[i].what);
		noted = m->notes.data != NULL &&
		    strstr(m->notes.data, " iprev=") != NULL;
		if (noted != (m->iprev != NULL))
			fail_msg("%s: noted?", cases[i].what);
		if (m->iprev != NULL) {
			assert_string_equal(
			    iprev_word(m->iprev->status), cases[i].word);
			assert_non_null(m->symbols);
			assert_string_equal(
			    m->symbols->name, cases[i].symbol);
		} else {
			assert_null(walk_found(m));
		}
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&d);
}

/* What a session asks, it asks once: a count of look-ups in front. */
static struct dns counted;
static int started;

static struct dns_query *
count_start(void *ctx, const char *name, enum dns_type type)
{
	started++;
	return counted.start(ctx, name, type);
}

static void
asked_once_a_session(void **state)
{
	struct snapshot *snap = walk_load("");
	struct walk w = {.client_ip = "192.0.2.1", .message = MESSAGE};
	struct session *s;
	struct verdict v;
	struct dns d;

	(void)state;
	only_iprev(snap);
	assert_int_equal(dns_file_open(zone, &counted), 0);
	d = counted;
	d.start = count_start;
	snap->dns = &d;
	started = 0;
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(s->msg->iprev->status, IPREV_PASS);
	chain_end(s, &v);
	chain_mail(s, "b@example.net", NULL);
	chain_rcpt(s, "c@example.org");
	chain_eoh(s);
	v = chain_eom(s);
	assert_int_equal(s->msg->iprev->status, IPREV_PASS);
	assert_string_equal(s->msg->iprev->name, "mx.example.com");
	assert_int_equal(started, 2);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&counted);
}

/* A client that takes its time must not use up that of the look-ups. */
static int64_t earliest;

static const struct dns_answer *
note_deadline(void *ctx, struct dns_query *q, struct wait *w)
{
	if (w != NULL && w->deadline_ms < earliest)
		earliest = w->deadline_ms;
	return counted.collect(ctx, q, w);
}

static void
waits_from_the_end_on(void **state)
{
	struct snapshot *snap = walk_load("");
	struct walk w = {.client_ip = "192.0.2.1", .message = MESSAGE};
	struct timespec before;
	struct session *s;
	struct verdict v;
	struct dns d;

	(void)state;
	only_iprev(snap);
	assert_int_equal(dns_file_open(zone, &counted), 0);
	d = counted;
	d.collect = note_deadline;
	snap->dns = &d;
	s = walk_envelope(snap, &w, &v, NULL);
	chain_eoh(s);
	usleep(20000);
	clock_gettime(CLOCK_MONOTONIC, &before);
	earliest = INT64_MAX;
	v = chain_eom(s);
	assert_true(earliest < INT64_MAX);
	assert_true(earliest >= before.tv_sec * 1000 +
	    before.tv_nsec / 1000000 + snap->dns_timeout_ms);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&counted);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results),
	    cmocka_unit_test(asked_once_a_session),
	    cmocka_unit_test(waits_from_the_end_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
