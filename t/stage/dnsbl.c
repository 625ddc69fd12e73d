/* DNS lists, through the chain.  SPDX-License-Identifier: BSD-2-Clause */
#include "lib/dns/dnsbl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define MESSAGE "From: A <a@From.example>\n\nHello.\n"
#define CONF                                                                   \
	"DNSBL \"zen.example.net\" {\n"                                        \
	"    Codes = {127.0.0.2-127.0.0.9}\n"                                  \
	"    Score = 4.0\n"                                                    \
	"}\n"                                                                  \
	"DNSBL pbl {\n"                                                        \
	"    Zone = zen.example.net\n"                                         \
	"    Codes = {127.0.0.10, 127.0.0.11}\n"                               \
	"    Score = 0.5\n"                                                    \
	"}\n"                                                                  \
	"DNSBL \"dbl.example.net\" {\n"                                        \
	"    Ask = {helo, mailfrom, from, rdns}\n"                             \
	"    Codes = {127.0.1.0/24}\n"                                         \
	"    Score = 2\n"                                                      \
	"}\n"
#define R6                                                                     \
	"0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."                                       \
	"0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2."                                     \
	"zen.example.net"
#define T6                                                                     \
	".0.0.0.0.0.f.7.f.f.f.f.0.0.0.0"                                       \
	".0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0."                                    \
	"zen.example.net"
#define ZONE                                                                   \
	"2.0.0.127.zen.example.net A 127.0.0.2\n"                              \
	"2.0.0.127.zen.example.net A 127.0.0.10\n"                             \
	"2" T6 " A 127.0.0.2\n"                                                \
	"1.2.0.192.zen.example.net A 127.0.0.4\n"                              \
	"2.2.0.192.zen.example.net A 127.0.0.11\n"                             \
	"3.2.0.192.zen.example.net A 127.0.0.10\n"                             \
	"3.2.0.192.zen.example.net A 127.0.0.3\n"                              \
	"4.2.0.192.zen.example.net A 127.0.0.99\n"                             \
	"5.2.0.192.zen.example.net A !servfail\n"                              \
	"6.2.0.192.zen.example.net A 127.255.255.254\n"                        \
	"7.2.0.192.zen.example.net A 198.51.100.1\n"                           \
	"1.0.0.10.zen.example.net A 127.0.0.2\n"                               \
	"1.0.0.127.dbl.example.net A 127.0.1.2\n"                              \
	"1." R6 " A 127.0.0.3\n"                                               \
	"test.dbl.example.net A 127.0.1.2\n"                                   \
	"helo.example.dbl.example.net A 127.0.1.2\n"                           \
	"mail.example.dbl.example.net A 127.0.1.3\n"                           \
	"from.example.dbl.example.net A 127.0.1.4\n"                           \
	"rdns.example.dbl.example.net A 127.0.1.5\n"

/* A DNS in front that counts. */
static struct dns zone;
static int asked;

static struct dns_query *
count_start(void *ctx, const char *name, enum dns_type type)
{
	asked++;
	return zone.start(ctx, name, type);
}

static struct snapshot *
load_with(const char *conf, const char *text, struct dns *d)
{
	struct snapshot *snap = walk_load(conf);

	inbound_without(snap, "spf");
	inbound_without(snap, "dkim");
	inbound_without(snap, "dmarc");
	inbound_without(snap, "iprev");
	inbound_without(snap, "rdns");
	inbound_without(snap, "helo");
	inbound_without(snap, "header");
	assert_int_equal(dns_file_open(text, &zone), 0);
	*d = zone;
	d->start = count_start;
	if (snap->dns != NULL)
		snap->dns = d;
	return snap;
}

/* The symbols and codes that count, `NAME/CODE ...`. */
static const char *
found(const struct message *m, char *text, size_t size)
{
	char code[DNSBL_CODE_SIZE];
	size_t n = 0;

	text[0] = '\0';
	for (const struct dnsbl_finding *f = m->dnsbl; f != NULL; f = f->next) {
		if (f->list == NULL)
			continue;
		n += (size_t)snprintf(
		    text + n, size - n, "%s%s", n == 0 ? "" : " ", f->symbol);
		for (size_t i = 0; i < f->answer.count; i++)
			n += (size_t)snprintf(text + n, size - n, "/%s",
			    dnsbl_code_text(f->answer.codes[i], code));
	}
	return text;
}

static struct session *
run(struct snapshot *snap, const struct walk *w, struct verdict *v_r)
{
	struct walk copy = *w;

	if (copy.message == NULL)
		copy.message = MESSAGE;
	copy.rcpts[0] = "b@example.org";
	return walk_run(snap, &copy, v_r, NULL);
}

static void
over(struct session *s, const struct verdict *v)
{
	chain_end(s, v);
	chain_close(s);
}

static void
results(void **state)
{
	static const struct {
		const char *what, *conf;
		struct walk w;
		const char *found;
		double score;
		int asked; /* look-ups */
	} cases[] = {
	    {"listed", "", {.client_ip = "192.0.2.1"},
		"RCVD_IN_ZEN_EXAMPLE_NET/127.0.0.4", 4, 2},
	    {"the other group", "", {.client_ip = "192.0.2.2"},
		"RCVD_IN_PBL/127.0.0.11", 0.5, 2},
	    {"both", "", {.client_ip = "192.0.2.3"},
		"RCVD_IN_ZEN_EXAMPLE_NET/127.0.0.3 RCVD_IN_PBL/127.0.0.10", 4.5,
		2},
	    {"a code that is not named", "", {.client_ip = "192.0.2.4"}, "", 0,
		2},
	    {"unlisted", "", {.client_ip = "192.0.2.200"}, "", 0, 2},
	    {"the DNS fails", "On-DNSError reject\n",
		{.client_ip = "192.0.2.5"}, "", 0, 2},
	    {"IPv6", "", {.client_ip = "2001:db8::1"},
		"RCVD_IN_ZEN_EXAMPLE_NET/127.0.0.3", 4, 2},
	    {"mapped", "", {.client_ip = "::ffff:192.0.2.1"},
		"RCVD_IN_ZEN_EXAMPLE_NET/127.0.0.4", 4, 2},
	    {"IPv6, unlisted", "", {.client_ip = "2001:db8::2"}, "", 0, 2},
	    {"private", "", {.client_ip = "10.0.0.1"}, "", 0, 1},
	    {"loopback", "InternalHosts 192.0.2.77\n",
		{.client_ip = "127.0.0.1"}, "", 0, 1},
	    {"link-local", "", {.client_ip = "fe80::1"}, "", 0, 1},
	    {"internal", "InternalHosts 192.0.2.1\n",
		{.client_ip = "192.0.2.1", .helo = "helo.example"}, "", 0, 0},
	    {"a login", "",
		{.client_ip = "192.0.2.1",
		    .helo = "helo.example",
		    .macros = {{"{auth_authen}", "b"}}},
		"", 0, 0},
	    {"no client", "", {0}, "", 0, 1},
	    {"HELO", "", {.helo = "HELO.Example."},
		"HELO_IN_DBL_EXAMPLE_NET/127.0.1.2", 2, 2},
	    {"HELO is an address", "", {.helo = "127.0.0.1"}, "", 0, 1},
	    {"HELO is a literal", "", {.helo = "[127.0.0.1]"}, "", 0, 1},
	    {"HELO is one label", "", {.helo = "test"}, "", 0, 1},
	    {"MAIL FROM", "", {.from = "a@b@mail.example"},
		"DNS_FROM_DBL_EXAMPLE_NET/127.0.1.3", 2, 2},
	    {"no domain", "", {.from = "mail.example"}, "", 0, 1},
	    {"From", "",
		{.message = "From: a@x.example, B <b@from.example>\n"
			    "From: c@mail.example\n\n"},
		"FROM_IN_DBL_EXAMPLE_NET/127.0.1.4 "
		"FROM_IN_DBL_EXAMPLE_NET/127.0.1.3",
		2, 3},
	    {"a From that can't be read", "",
		{.message = "From: <a@x.example> b@from.example>\n\n"},
		"FROM_IN_DBL_EXAMPLE_NET/127.0.1.4", 2, 2},
	    {"the client's name", "",
		{.client_name = "rdns.example", .client_ip = "192.0.2.99"},
		"RDNS_IN_DBL_EXAMPLE_NET/127.0.1.5", 2, 3},
	    {"no name", "",
		{.client_name = "[192.0.2.99]", .client_ip = "192.0.2.99"}, "",
		0, 2},
	    {"one name, asked once", "",
		{.helo = "mail.example", .from = "a@mail.example"},
		"HELO_IN_DBL_EXAMPLE_NET/127.0.1.3 "
		"DNS_FROM_DBL_EXAMPLE_NET/127.0.1.3",
		4, 2},
	    {"a symbol of its own",
		"DNSBL x { Zone = dbl.example.net\nAsk = {helo, mailfrom}\n"
		"Codes = 127.0.1.3\nSymbol = SPAMMER\nScore = -1.5 }\n",
		{.helo = "mail.example", .from = "a@mail.example"},
		"HELO_IN_DBL_EXAMPLE_NET/127.0.1.3 "
		"DNS_FROM_DBL_EXAMPLE_NET/127.0.1.3 "
		"SPAMMER/127.0.1.3 SPAMMER/127.0.1.3",
		2.5, 2},
	    {"Mode s", "Mode s\n", {.client_ip = "192.0.2.1"}, "", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char conf[2048], text[256];
		struct snapshot *snap;
		struct session *s;
		struct message *m;
		struct verdict v;
		struct walk w = cases[i].w;
		struct dns d;

		snprintf(conf, sizeof(conf), CONF "%s", cases[i].conf);
		snap = load_with(conf, ZONE, &d);
		(void)chain_tick(snap);
		asked = 0;
		/* Of the header the test speaks only where it says so. */
		if (w.message == NULL && cases[i].asked > 0)
			w.message = "From: a@unlisted.example\n\n";
		s = run(snap, &w, &v);
		m = s->msg;
		if (verdict_decides(&v))
			fail_msg("%s: verdict", cases[i].what);
		found(m, text, sizeof(text));
		if (strcmp(text, cases[i].found) != 0)
			fail_msg("%s: found %s", cases[i].what, text);
		if (message_score(m) != cases[i].score)
			fail_msg(
			    "%s: score %f", cases[i].what, message_score(m));
		if (asked != cases[i].asked)
			fail_msg("%s: asked %d", cases[i].what, asked);
		if ((m->notes.data != NULL &&
			strstr(m->notes.data, " dnsbl=") != NULL) !=
		    (text[0] != '\0'))
			fail_msg("%s: noted?", cases[i].what);
		if (asked == 0)
			assert_null(m->dnsbl);
		over(s, &v);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

static void
actions(void **state)
{
#define LIST "DNSBL \"zen.example.net\" { Codes = 127.0.0.4\n"
	static const struct {
		const char *conf;
		enum verdict_action action;
		const char *text;
	} cases[] = {
	    {LIST "}\n", VERDICT_NONE, NULL},
	    {LIST "Action = score }\n", VERDICT_NONE, NULL},
	    {LIST "Action = reject }\n", VERDICT_REJECT,
		"192.0.2.1 is listed by zen.example.net"},
	    {LIST "Action = tempfail\nReply = \"%code% in %zone%: "
		  "%about%, 100%\" }\n",
		VERDICT_TEMPFAIL,
		"127.0.0.4 in zen.example.net: 192.0.2.1, 100%"},
	    {LIST "Action = discard }\n", VERDICT_DISCARD,
		"192.0.2.1 is listed by zen.example.net"},
	    {LIST "Action = quarantine }\n", VERDICT_QUARANTINE,
		"192.0.2.1 is listed by zen.example.net"},
	    {"DNSBL x { Zone = zen.example.net\nCodes = 127.0.0.5\n"
	     "Action = reject }\n",
		VERDICT_NONE, NULL},
	    /* the first that is listed decides */
	    {"DNSBL x { Zone = zen.example.net\nAction = tempfail }\n" LIST
	     "Action = reject }\n",
		VERDICT_TEMPFAIL, "192.0.2.1 is listed by zen.example.net"},
	};
	struct walk w = {.client_ip = "192.0.2.1"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap;
		struct session *s;
		struct verdict v;
		struct dns d;

		snap = load_with(cases[i].conf, ZONE, &d);
		(void)chain_tick(snap);
		s = run(snap, &w, &v);
		if (v.action != cases[i].action)
			fail_msg("case %zu: %s", i, verdict_word(v.action));
		if (cases[i].text != NULL) {
			assert_string_equal(v.text, cases[i].text);
			assert_string_equal(v.by, "dnsbl");
		}
		over(s, &v);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

/* What is known at RCPT refuses there, what the header tells at the end; and
 * nothing is found twice. */
static void
refuses_at_rcpt(void **state)
{
	static const char conf[] =
	    "RefuseAt dnsbl=rcpt\n"
	    "DNSBL \"zen.example.net\" { Codes = 127.0.0.4\n%s }\n"
	    "DNSBL \"dbl.example.net\" { Ask = from\n"
	    "Codes = 127.0.1.4\nAction = reject }\n";
	struct walk w = {.client_ip = "192.0.2.1",
	    .rcpts = {"b@example.org"}, .message = MESSAGE};
	struct snapshot *snap;
	struct session *s;
	struct verdict v;
	struct dns d;
	char text[400];

	(void)state;
	for (int early = 0; early < 2; early++) {
		struct verdict rcpts[WALK_MAX];

		snprintf(text, sizeof(text), conf,
		    early ? "Action = reject" : "");
		snap = load_with(text, ZONE, &d);
		(void)chain_tick(snap);
		s = walk_run(snap, &w, &v, rcpts);
		assert_int_equal(
		    rcpts[0].action, early ? VERDICT_REJECT : VERDICT_NONE);
		if (early)
			assert_string_equal(rcpts[0].text,
			    "192.0.2.1 is listed by zen.example.net");
		else
			assert_string_equal(v.text,
			    "from.example is listed by dbl.example.net");
		assert_int_equal(v.action, VERDICT_REJECT);
		assert_string_equal(found(s->msg, text, sizeof(text)),
		    "RCVD_IN_ZEN_EXAMPLE_NET/127.0.0.4 "
		    "FROM_IN_DBL_EXAMPLE_NET/127.0.1.4");
		over(s, &v);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

/* The status of the first finding. */
static enum dnsbl_status
look(struct snapshot *snap, const char *ip)
{
	struct walk w = {.client_ip = ip};
	struct verdict v;
	struct session *s = run(snap, &w, &v);
	enum dnsbl_status status;

	assert_non_null(s->msg->dnsbl);
	status = s->msg->dnsbl->answer.status;
	assert_true((status == DNSBL_LISTED) == (s->msg->symbols != NULL));
	over(s, &v);
	return status;
}

#define ONE "DNSBL \"zen.example.net\" { Action = reject }\n"

static void
counts_only_when_tested(void **state)
{
	struct dns d;
	struct snapshot *snap = load_with(ONE, ZONE, &d);

	(void)state;
	assert_int_equal(look(snap, "192.0.2.1"), DNSBL_NOT_ASKED);
	assert_true(chain_tick(snap) > 0);
	assert_int_equal(look(snap, "192.0.2.1"), DNSBL_LISTED);
	snapshot_unref(snap);
	dns_file_close(&zone);
}

static void
broken_lists_are_not_asked(void **state)
{
	static const char *const zones[] = {
	    /* no test entry; everything; refusal; somebody else */
	    "1.2.0.192.zen.example.net A 127.0.0.2\n",
	    "1.2.0.192.zen.example.net A 127.0.0.2\n"
	    "2.0.0.127.zen.example.net A 127.0.0.2\n"
	    "1.0.0.127.zen.example.net A 127.0.0.2\n",
	    "1.2.0.192.zen.example.net A 127.255.255.254\n"
	    "2.0.0.127.zen.example.net A 127.255.255.254\n",
	    "1.2.0.192.zen.example.net A 198.51.100.1\n"
	    "2.0.0.127.zen.example.net A 198.51.100.1\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(zones) / sizeof(*zones); i++) {
		struct dns d;
		struct snapshot *snap = load_with(ONE, zones[i], &d);

		(void)chain_tick(snap);
		asked = 0;
		assert_int_equal(look(snap, "192.0.2.1"), DNSBL_NOT_ASKED);
		assert_int_equal(asked, 0);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

/* One without IPv6 entries has nothing to say about such clients. */
static void
no_ipv6(void **state)
{
	struct dns d;
	struct snapshot *snap = load_with(
	    ONE, "2.0.0.127.zen.example.net A 127.0.0.2\n", &d);
	struct walk w = {.client_ip = "2001:db8::1"};
	struct session *s;
	struct verdict v;

	(void)state;
	(void)chain_tick(snap);
	asked = 0;
	s = run(snap, &w, &v);
	assert_int_equal(asked, 0);
	assert_null(s->msg->dnsbl);
	over(s, &v);
	snapshot_unref(snap);
	dns_file_close(&zone);
}

/* Answers to mail that are none switch it off. */
static void
mail_shows_it(void **state)
{
	static const struct {
		const char *ip;
		enum dnsbl_status status;
	} cases[] = {
	    {"192.0.2.6", DNSBL_REFUSED}, {"192.0.2.7", DNSBL_FOREIGN}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns d;
		struct snapshot *snap = load_with(ONE, ZONE, &d);

		(void)chain_tick(snap);
		assert_int_equal(look(snap, "192.0.2.1"), DNSBL_LISTED);
		assert_int_equal(look(snap, cases[i].ip), cases[i].status);
		assert_int_equal(look(snap, "192.0.2.1"), DNSBL_NOT_ASKED);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

static void
lists_everything(void **state)
{
	static const struct {
		const char *conf;
		bool off;
	} cases[] = {
	    {ONE, true},
	    {"DNSBL \"zen.example.net\" { MaxShare = 100 }\n"
	     "DNSBL x { Zone = zen.example.net }\n",
		false},
	    {"DNSBL \"zen.example.net\" { MaxShare = 100 }\n"
	     "DNSBL x { Zone = zen.example.net\nMaxShare = 90 }\n",
		true},
	};
	char *text = malloc(65536);
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "2.0.0.127.zen.example.net A 127.0.0.2\n");
	for (int k = 0; k < 250; k++)
		n += (size_t)sprintf(
		    text + n, "%d.100.51.198.zen.example.net A 127.0.0.2\n", k);
	for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
		struct dns d;
		struct snapshot *snap = load_with(cases[k].conf, text, &d);
		int i = 0;

		(void)chain_tick(snap);
		for (; i < 250; i++) {
			char ip[32];

			snprintf(ip, sizeof(ip), "198.51.100.%d", i);
			if (look(snap, ip) == DNSBL_NOT_ASKED)
				break;
		}
		if ((i < 250) != cases[k].off || i < 100)
			fail_msg("case %zu: %d", k, i);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
	free(text);
}

/* Whoever has many listed domains, or addresses, is one client. */
static void
one_client_is_not_everybody(void **state)
{
	struct snapshot *snap;
	char *text = malloc(65536), word[80];
	struct verdict v;
	struct dns d;
	size_t n;

	(void)state;
	n = (size_t)sprintf(text, "test.dbl.example A 127.0.1.2\n");
	for (int k = 0; k < 300; k++)
		n += (size_t)sprintf(
		    text + n, "d%d.example.dbl.example A 127.0.1.2\n", k);
	snap = load_with(
	    "DNSBL dbl.example { Ask = mailfrom\nCodes = 127.0.1.2 }\n", text,
	    &d);
	(void)chain_tick(snap);
	for (int k = 0; k < 300; k++) {
		char ip[40];
		struct walk w = {.client_ip = ip, .from = word};
		struct session *s;

		snprintf(ip, sizeof(ip), "2600::%x", k + 1);
		snprintf(word, sizeof(word), "<a@d%d.example>", k);
		s = run(snap, &w, &v);
		if (s->msg->symbols == NULL)
			fail_msg("switched off after %d", k);
		over(s, &v);
	}
	snapshot_unref(snap);
	dns_file_close(&zone);
	free(text);
}

/* -- loading -- */

static int
load_text(const char *conf, const struct snapshot *old,
    struct snapshot **snap_r, struct errmsg *msg_r)
{
	char path[] = "/tmp/postern-test-XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, conf, strlen(conf)), strlen(conf));
	close(fd);
	rc = snapshot_load(path, false, old, snap_r, msg_r);
	unlink(path);
	return rc;
}

/* What is known of a list outlives a reload that does not change it. */
static void
reload(void **state)
{
	static const struct {
		const char *conf;
		enum dnsbl_status status;
	} cases[] = {
	    {ONE, DNSBL_LISTED},
	    {"DNSBL other { Zone = ZEN.example.net }\n", DNSBL_LISTED},
	    {"DNSBL \"zen.example.org\" {}\n", DNSBL_NOT_ASKED},
	    {ONE "Nameservers 192.0.2.53\n", DNSBL_NOT_ASKED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct dns d;
		struct snapshot *old = load_with(ONE, ZONE, &d), *snap;
		struct errmsg msg;

		(void)chain_tick(old);
		if (load_text(cases[i].conf, old, &snap, &msg) != 0)
			fail_msg("%s", msg.text);
		snap->dns = &d;
		inbound_without(snap, "spf");
		inbound_without(snap, "dkim");
		inbound_without(snap, "dmarc");
		inbound_without(snap, "iprev");
		inbound_without(snap, "rdns");
		snapshot_unref(old);
		if (look(snap, "192.0.2.1") != cases[i].status)
			fail_msg("%s", cases[i].conf);
		snapshot_unref(snap);
		dns_file_close(&zone);
	}
}

static void
mistakes(void **state)
{
	static const struct {
		const char *conf, *expected;
	} cases[] = {
	    {"DNSBL zen {}\n", "expected the list's domain as title, or Zone"},
	    {"DNSBL \"a b.example\" {}\n", "the list's domain as title"},
	    {"DNSBL x { Zone = \"a b\" }\n", "Zone: expected a domain"},
	    {"DNSBL a.b { Ask = {ip, url} }\n",
		"Ask: expected ip, helo, mailfrom, from or rdns"},
	    {"DNSBL a.b { Codes = {127.0.0.2, 10.0.0.1} }\n",
		"Codes: expected addresses in 127.0.0.0/8"},
	    {"DNSBL a.b { Codes = 127.0.0.0/8 }\n",
		"Codes: expected addresses below 127.255.255.0"},
	    {"DNSBL a.b { Codes = all }\n", "Codes: expected an address, a"},
	    {"DNSBL a.b { Score = high }\n", "Score: expected a number"},
	    {"DNSBL a.b { Score = nan }\n", "Score: expected a number"},
	    {"DNSBL a.b { Score = 1001 }\n", "Score: expected a number"},
	    {"DNSBL a.b { Symbol = \"A B\" }\n", "Symbol: expected a name"},
	    {"DNSBL a.b { Action = refuse }\n", "Action: expected"},
	    {"DNSBL a.b { Reply = \"%ip% is listed\" }\n",
		"Reply: expected no placeholders but %about%, %zone%"},
	    {"DNSBL a.b { MaxShare = 0 }\n", "MaxShare: expected"},
	    {"DNSBL a.b { Test = c.d }\n",
		"Test: expected only where Ask names helo"},
	    {"Mode s\nDNSBL zen {}\n", "expected the list's domain as title"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap;
		struct errmsg msg = {.text = ""};

		if (load_text(cases[i].conf, NULL, &snap, &msg) == 0)
			fail_msg("%s", cases[i].conf);
		if (strstr(msg.text, cases[i].expected) == NULL)
			fail_msg("%s%s", cases[i].conf, msg.text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(results),
	    cmocka_unit_test(actions),
	    cmocka_unit_test(refuses_at_rcpt),
	    cmocka_unit_test(counts_only_when_tested),
	    cmocka_unit_test(broken_lists_are_not_asked),
	    cmocka_unit_test(no_ipv6),
	    cmocka_unit_test(mail_shows_it),
	    cmocka_unit_test(lists_everything),
	    cmocka_unit_test(one_client_is_not_everybody),
	    cmocka_unit_test(reload),
	    cmocka_unit_test(mistakes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
