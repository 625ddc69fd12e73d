/*
 * What is kept of a message, and what is counted of all.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/counters.h"
#include "milter/ctl/facts.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/summary.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define NOW 1700000000

static char dir[] = "/tmp/postern-record-XXXXXX";

/* -- files -- */

static const char zone[] =
    "ok.example v=spf1 ip4:192.0.2.1 -all\n"
    "_dmarc.ok.example v=DMARC1; p=reject\n"
    "2.0.0.127.bl.example A 127.0.0.2\n"
    "1.2.0.192.bl.example A 127.0.0.2\n"
    "1.2.0.192.in-addr.arpa PTR mx.ok.example\n"
    "mx.ok.example A 192.0.2.1\n";
static const char rules[] =
    "header PILLS Subject =~ /p.lls/\ndescribe PILLS Of pills\n"
    "score PILLS 3\n"
    "rawbody RAW /at its\\s+very end/\nscore RAW 0.3\n"
    "full WHOLE /at its\\s+very end/\nscore WHOLE 0.2\n";

static void
put(const char *name, const char *text)
{
	char path[100];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fchmod(fileno(f), 0600);
	fputs(text, f);
	fclose(f);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	put("zone", zone);
	put("rules.cf", rules);
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {"zone", "rules.cf", "quota"};
	char path[100];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

/* `&` stands for the directory. */
static struct snapshot *
load(const char *conf)
{
	struct buf b = BUF_INIT;
	struct snapshot *snap;

	walk_place(&b, conf, dir);
	snap = walk_load_dns(buf_text(&b));
	buf_fini(&b);
	/* Lists are tried out before they count. */
	for (int i = 0; i < 3; i++)
		(void)chain_tick(snap);
	return snap;
}

/* -- records that outlive what they are of -- */

/* What was made of the last record while the message was there, and a copy. */
struct saved {
	struct arena arena;
	const struct record *copy; /* packed, and unpacked */
	char *json, *line;
	size_t count; /* of records */
};

static char *
json_of(const struct record *r)
{
	json_t *j = facts_decision(r);
	char *text;

	/* Of a new record nothing is left out. */
	json_object_del(j, "cut");
	text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
	assert_non_null(text);
	json_decref(j);
	return text;
}

static char *
line_of(const struct record *r)
{
	struct buf b = BUF_INIT;
	char *line;

	summary_line(&b, r);
	assert_false(b.failed);
	line = strdup(buf_text(&b));
	buf_fini(&b);
	return line;
}

static void
forget(struct saved *k)
{
	free(k->json);
	free(k->line);
	arena_fini(&k->arena);
	memset(k, 0, sizeof(*k));
}

static void
keep(void *ctx, const struct record *r)
{
	struct saved *k = ctx;
	struct record seen = *r;
	size_t count = k->count + 1, len;
	unsigned char packed[RECORD_PACKED_MAX];

	forget(k);
	k->count = count;
	seen.notes = ""; /* they are for the log alone */
	seen.cut = NULL;
	k->json = json_of(&seen);
	k->line = line_of(&seen);
	len = record_pack(r, true, packed);
	assert_int_equal(
	    record_unpack(packed, len, &k->arena, &k->copy), 0);
}

static void
on_field(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

static const char *
macro(void *ctx, const char *name)
{
	if (strcmp(name, "i") == 0)
		return "Q1";
	return strcmp(name, "{auth_authen}") == 0 ? ctx : NULL;
}

/* A conversation with one message, of which only the record is left. */
static void
converse(const char *conf, const char *login, const char *const *rcpts,
    bool abort, struct saved *k)
{
	struct snapshot *snap = load(conf);
	struct session *s =
	    chain_open(snap, macro, (void *)(uintptr_t)login);
	static const char text[] = "read it\r\nat its\r\nvery end\r\n";
	struct host ss;
	struct verdict v;

	assert_non_null(s);
	s->recorded = keep;
	s->recorded_ctx = k;
	s->at = NOW;
	chain_connect(s, "mx.ok.example", walk_address("192.0.2.1", &ss));
	chain_helo(s, "mx.ok.example");
	v = chain_mail(s, "<a@ok.example>", NULL);
	for (; *rcpts != NULL; rcpts++)
		chain_rcpt(s, *rcpts);
	if (!abort && s->msg->rcpt_count > 0) {
		on_field(s, "From", " A <a@ok.example>");
		on_field(s, "Subject", " some pills\n\tfor you ");
		on_field(s, "Message-ID", " <1@ok.example>");
		on_field(s, "DKIM-Signature",
		    " v=1; a=rsa-sha256; d=ok.example; s=s; h=from; bh=AAAA; "
		    "b=AAAA");
		chain_eoh(s);
		chain_body(
		    s, (const unsigned char *)text, sizeof(text) - 1);
		v = chain_eom(s);
	} else if (!verdict_decides(&v)) {
		abort = true;
	}
	chain_end(s, abort ? NULL : &v);
	chain_close(s);
	snapshot_unref(snap);
}

/* Everything but the score of what is found. */
#define CHECKS "Mode v\nTestDNSData file:&/zone\nAuthservID mx.here\n" \
	"RuleFile &/rules.cf\nRuleStats none\n"
#define LIST "DNSBL bl.example {\n Codes = {127.0.0.2}\n Score = 1\n}\n"
#define SIGN "Mode s\nKeyTable csl:k=ok.example:s:" KEY_ED25519 "\n" \
	"SigningTable ok.example=k\nQuotaTable &/quota\n" \
	"Quota default {\n Messages = {100/hour}\n Recipients = {2/day}\n}\n"

static const char *const two[] = {"<b@here.example>", "c@here.example", NULL};
static const char *const three[] = {
    "<b@here.example>", "c@here.example", "d@here.example", NULL};

static void
outlives_the_message(void **state)
{
	static const struct {
		const char *conf, *login;
		const char *const *rcpts;
	} cases[] = {
	    {CHECKS LIST, NULL, two},
	    {CHECKS "RejectScore 2\n", NULL, two},
	    {CHECKS "QuarantineScore 2\n", NULL, two},
	    {CHECKS "BlockList rcpt:c@here.example\n", NULL, two},
	    {CHECKS "BlockList 192.0.2.1\nAllowList rcpt:c@here.example\n",
		NULL, two},
	    {CHECKS "BlockList 192.0.2.1\nRefuseAt connect\n", NULL, two},
	    {SIGN, "bob", two},
	    {SIGN, "bob", three},
	    {SIGN "SenderLogins x@ok.example=bob\n", "bob", two},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct saved k = {.count = 0};
		char *json, *line;

		converse(cases[i].conf, cases[i].login, cases[i].rcpts, false,
		    &k);
		json = json_of(k.copy);
		line = line_of(k.copy);
		assert_string_equal(json, k.json);
		assert_string_equal(line, k.line);
		free(json);
		free(line);
		forget(&k);
	}
}

/* -- what is in it -- */

static const struct symbol *
symbol_of(const struct record *r, const char *name)
{
	const struct symbol *s = r->symbols;

	while (s != NULL && strcmp(s->name, name) != 0)
		s = s->next;
	assert_non_null(s);
	return s;
}

static void
check_match(const struct record *r, const char *name, const char *match)
{
	const struct symbol *s = symbol_of(r, name);

	assert_int_equal(s->match_len, strlen(match));
	assert_memory_equal(s->match, match, s->match_len);
}

static void
has_what_is_known(void **state)
{
	struct saved k = {.count = 0};
	const struct record *r;

	(void)state;
	converse(CHECKS LIST "BlockList rcpt:c@here.example\n", NULL, two,
	    false, &k);
	r = k.copy;
	assert_int_equal(k.count, 1);
	assert_int_equal(r->time.tv_sec, NOW);
	assert_true(r->took_ns > 0);
	assert_true(record_busy_ns(r) > 0);
	assert_null(r->at);
	assert_string_equal(r->queue_id, "Q1");
	assert_string_equal(r->client_ip, "192.0.2.1");
	assert_string_equal(r->client_name, "mx.ok.example");
	assert_string_equal(r->client_helo, "mx.ok.example");
	assert_string_equal(r->sender, "a@ok.example");
	assert_int_equal(r->rcpt_count, 1);
	assert_string_equal(r->rcpts->addr, "b@here.example");
	assert_null(record_refusal(r->rcpts));
	assert_string_equal(r->rcpts->next->addr, "c@here.example");
	assert_string_equal(
	    record_refusal(r->rcpts->next)->by, "blocklist");
	assert_null(r->rcpts->next->next);
	assert_string_equal(r->subject, "some pills\n\tfor you");
	assert_string_equal(r->message_id, "<1@ok.example>");
	assert_int_equal(r->direction, DIRECTION_INBOUND);
	assert_int_equal(r->spf->result, SPF_PASS);
	assert_int_equal(r->dkim->count, 1);
	assert_string_equal(r->dkim->list[0].domain, "ok.example");
	check_match(r, "PILLS", "pills");
	check_match(r, "RAW", "at its\nvery end");
	check_match(r, "WHOLE", "at its\nvery end");
	assert_null(symbol_of(r, "SPF_PASS")->match);
	assert_true(r->score > 4.4); /* with the list's */
	assert_true(r->left);
	assert_false(r->aborted);
	assert_string_equal(record_word(r), "accept");
	assert_null(r->verdict.by);
	assert_non_null(r->edits);
	assert_int_equal(r->quota_count, 0);
	forget(&k);
}

/* -- as JSON -- */

/* The value as text, without the blanks and the quotes of a string. */
static void
check_key(const json_t *j, const char *key, const char *text)
{
	json_t *value = json_object_get(j, key);
	char *got = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	assert_non_null(got);
	assert_string_equal(got, text);
	free(got);
}

static json_t *
decision_of(const char *conf, const char *login, const char *const *rcpts)
{
	struct saved k = {.count = 0};
	json_t *j;

	converse(conf, login, rcpts, false, &k);
	j = facts_decision(k.copy);
	assert_non_null(j);
	forget(&k);
	return j;
}

static void
has_the_keys_of_a_decision(void **state)
{
	json_t *j = decision_of(
	    CHECKS "BlockList rcpt:c@here.example\n", NULL, two);
	json_t *stage;
	size_t i;

	(void)state;
	check_key(j, "time", "\"2023-11-14T22:13:20.000Z\"");
	check_key(j, "queue_id", "\"Q1\"");
	check_key(j, "at", "null");
	check_key(j, "client", "{\"ip\":\"192.0.2.1\",\"name\":"
	    "\"mx.ok.example\",\"helo\":\"mx.ok.example\"}");
	check_key(j, "sender", "\"a@ok.example\"");
	check_key(j, "recipients", "[\"b@here.example\"]");
	check_key(j, "recipient_count", "1");
	check_key(j, "refused_recipients", "[\"c@here.example\"]");
	check_key(j, "account", "null");
	check_key(j, "subject", "\"some pills\\n\\tfor you\"");
	check_key(j, "quota", "[]");
	check_key(j, "cut", "[\"edits\"]");
	check_key(j, "signed", "null");
	check_key(j, "unsigned", "null");
	check_key(j, "file", "null");
	check_key(j, "verdict", "\"accept\"");
	assert_true(json_integer_value(json_object_get(j, "size")) > 100);
	assert_true(json_real_value(json_object_get(j, "duration_ms")) > 0);
	assert_true(json_array_size(json_object_get(j, "stages")) > 5);
	json_array_foreach(json_object_get(j, "stages"), i, stage) {
		assert_true(json_is_string(json_object_get(stage, "name")));
		assert_true(json_is_integer(json_object_get(stage, "us")));
	}
	json_decref(j);
}

static void
has_the_keys_of_a_decision_outbound(void **state)
{
	json_t *j = decision_of(SIGN, "dora", three);

	(void)state;
	check_key(j, "account", "\"dora\"");
	check_key(j, "refused_recipients", "[\"d@here.example\"]");
	check_key(j, "signed", "\"ok.example/s/ed25519-sha256\"");
	assert_int_equal(json_array_size(json_object_get(j, "quota")), 2);
	check_key(json_array_get(json_object_get(j, "quota"), 1), "level",
	    "\"account\"");
	check_key(json_array_get(json_object_get(j, "quota"), 1), "limit", "2");
	check_key(json_array_get(json_object_get(j, "quota"), 1), "window_s",
	    "86400");
	json_decref(j);
	/* A rule's symbols have what they matched; values of edits that are
	 * long are left out. */
	j = decision_of(CHECKS "RejectScore 2\n", NULL, two);
	check_key(json_object_get(j, "spf"), "result", "\"pass\"");
	for (size_t i = 0; i < json_array_size(json_object_get(j, "symbols"));
	     i++) {
		json_t *s = json_array_get(json_object_get(j, "symbols"), i);
		const char *name =
		    json_string_value(json_object_get(s, "name"));

		if (strcmp(name, "PILLS") == 0)
			check_key(s, "match", "\"pills\"");
		if (strcmp(name, "SPF_PASS") == 0)
			assert_null(json_object_get(s, "match"));
	}
	json_decref(j);
}

static void
has_the_limits_of_the_account(void **state)
{
	struct saved k = {.count = 0};
	const struct verdict *refusal;
	const struct record *r;

	(void)state;
	converse(SIGN, "al", three, false, &k);
	r = k.copy;
	assert_string_equal(r->account, "al");
	assert_int_equal(r->rcpt_count, 2);
	refusal = record_refusal(r->rcpts->next->next);
	assert_non_null(refusal);
	assert_non_null(strstr(refusal->text, "limit of 2 recipients"));
	assert_string_equal(refusal->by, "quota");
	assert_null(r->unsigned_why);
	assert_int_equal(r->quota_count, 2);
	assert_string_equal(r->quota[0].level, "account");
	assert_string_equal(r->quota[0].kind, "messages");
	assert_int_equal(r->quota[0].window_s, 3600);
	assert_int_equal(r->quota[0].limit, 100);
	assert_string_equal(r->quota[1].kind, "recipients");
	assert_int_equal(r->quota[1].window_s, 86400);
	assert_int_equal(r->quota[1].limit, 2);
	forget(&k);
}

/* Each end that a message can have, and a client. */
static void
says_how_it_ended(void **state)
{
	static const struct {
		const char *conf;
		bool abort;
		const char *word, *by; /* NULL: nobody */
		size_t count;          /* records that are made */
		bool left;
	} cases[] = {
	    {CHECKS, false, "accept", NULL, 1, true},
	    {CHECKS, true, "none", NULL, 1, false},
	    {CHECKS "RejectScore 2\n", false, "reject", "rules", 1,
		false},
	    {CHECKS "QuarantineScore 2\n", false, "quarantine", "rules",
		1, true},
	    {CHECKS "DiscardScore 2\n", false, "discard", "rules", 1,
		false},
	    {CHECKS "BlockList 192.0.2.1\n", false, "reject", "blocklist", 1,
		false},
	    /* The client hears of no recipient, and gives up. */
	    {CHECKS "BlockList rcpt:@here.example\n", false, "reject",
		"blocklist", 1, false},
	    {CHECKS "BlockList 192.0.2.1\nRefuseAt connect\n", false, "reject",
		"blocklist", 2, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct saved k = {.count = 0};

		converse(cases[i].conf, NULL, two, cases[i].abort, &k);
		assert_int_equal(k.count, cases[i].count);
		assert_string_equal(record_word(k.copy), cases[i].word);
		assert_int_equal(k.copy->left, cases[i].left);
		assert_null(k.copy->exempt_from);
		if (cases[i].by == NULL)
			assert_null(k.copy->verdict.by);
		else
			assert_string_equal(k.copy->verdict.by, cases[i].by);
		forget(&k);
	}
}

static void
is_made_of_a_client(void **state)
{
	struct snapshot *snap =
	    load(CHECKS "BlockList 192.0.2.1\nRefuseAt connect\n");
	struct session *s = chain_open(snap, NULL, NULL);
	struct saved k = {.count = 0};
	struct host ss;

	(void)state;
	s->recorded = keep;
	s->recorded_ctx = &k;
	chain_connect(s, "[192.0.2.1]", walk_address("192.0.2.1", &ss));
	assert_int_equal(k.count, 1);
	chain_helo(s, "mx");
	chain_close(s);
	snapshot_unref(snap);
	assert_int_equal(k.count, 1);
	assert_string_equal(k.copy->at, "connect");
	assert_null(k.copy->sender);
	assert_string_equal(k.copy->client_ip, "192.0.2.1");
	assert_string_equal(k.copy->client_name, "[192.0.2.1]");
	assert_string_equal(k.copy->verdict.by, "blocklist");
	assert_string_equal(k.copy->symbol, "USER_IN_BLOCKLIST");
	assert_false(k.copy->left);
	forget(&k);
}

/* -- counters -- */

struct wanted {
	const char *series; /* name{label="value",...} */
	double count;
};

static void
find(void *arg, const struct counter *c)
{
	struct wanted *w = arg;
	struct buf b = BUF_INIT;

	assert_true(c->buckets > 0 || strstr(c->name, "_total") != NULL);
	assert_true(strlen(c->help) > 0);
	buf_str(&b, c->name);
	for (size_t i = 0; i < c->labels; i++)
		buf_printf(&b, "%s%s=\"%s\"", i == 0 ? "{" : ",", c->label[i],
		    c->value[i]);
	buf_str(&b, "}");
	if (strcmp(buf_text(&b), w->series) == 0)
		w->count += c->buckets > 0 ? c->sum : c->count;
	buf_fini(&b);
}

static double
counted(const char *series)
{
	struct wanted w = {series, 0};

	counters_each(find, &w);
	return w.count;
}

/* What the messages of the test below come to. */
static const struct wanted counts[] = {
    {"postern_messages_total{direction=\"inbound\",verdict=\"accept\","
     "by=\"-\"}", 3},
    {"postern_messages_total{direction=\"inbound\",verdict=\"reject\","
     "by=\"rules\"}", 1},
    {"postern_messages_total{direction=\"inbound\",verdict=\"none\","
     "by=\"-\"}", 1},
    {"postern_messages_total{direction=\"outbound\","
     "verdict=\"accept\",by=\"-\"}", 1},
    {"postern_messages_total{direction=\"outbound\","
     "verdict=\"reject\",by=\"login\"}", 0},
    {"postern_recipients_total{direction=\"inbound\","
     "accepted=\"yes\"}", 9},
    {"postern_recipients_total{direction=\"inbound\","
     "accepted=\"no\"}", 1},
    {"postern_outbound_total{signed=\"yes\"}", 1},
    {"postern_outbound_total{signed=\"no\"}", 0},
    {"postern_spf_total{result=\"pass\"}", 4},
    {"postern_dkim_total{result=\"permerror\"}", 4},
    {"postern_dmarc_total{result=\"pass\"}", 4},
    {"postern_clients_refused_total{verdict=\"reject\","
     "by=\"blocklist\"}", 0},
};

static void
counts_every_record(void **state)
{
	enum { SERIES = sizeof(counts) / sizeof(*counts) };
	const char *octets = "postern_message_bytes_total"
			     "{direction=\"inbound\"}";
	const char *time = "postern_stage_duration_seconds{stage=\"rules\"}";
	double before[SERIES], size = counted(octets), spent = counted(time);
	struct saved k = {.count = 0};
	double passed = 0;

	(void)state;
	for (size_t i = 0; i < SERIES; i++)
		before[i] = counted(counts[i].series);
	for (int i = 0; i < 2; i++) {
		converse(CHECKS, NULL, two, false, &k);
		passed += (double)k.copy->size;
	}
	converse(CHECKS "BlockList rcpt:c@here.example\n", NULL, two, false,
	    &k);
	passed += (double)k.copy->size;
	converse(CHECKS "RejectScore 2\n", NULL, two, false, &k);
	converse(CHECKS, NULL, two, true, &k);
	converse(SIGN, "carol", two, false, &k);
	for (size_t i = 0; i < SERIES; i++) {
		double n = counted(counts[i].series) - before[i];

		if (n != counts[i].count)
			fail_msg("%s: %g in place of %g", counts[i].series, n,
			    counts[i].count);
	}
	assert_true(counted(octets) - size == passed);
	assert_true(counted(time) > spent);
	forget(&k);
}

/* The series of one counter have names of their own. */
struct names {
	struct buf seen;
};

static void
name_once(void *arg, const struct counter *c)
{
	struct names *n = arg;
	struct buf b = BUF_INIT;

	buf_printf(&b, "\n%s", c->name);
	for (size_t i = 0; i < c->labels; i++)
		buf_printf(&b, " %s=%s", c->label[i], c->value[i]);
	buf_str(&b, "\n");
	if (n->seen.len > 0 &&
	    strstr(buf_text(&n->seen), buf_text(&b)) != NULL)
		fail_msg("twice: %s", buf_text(&b));
	buf_str(&n->seen, buf_text(&b));
	buf_fini(&b);
}

static void
names_each_series_once(void **state)
{
	struct names n = {BUF_INIT};
	struct saved k = {.count = 0};

	(void)state;
	converse(CHECKS LIST, NULL, two, false, &k);
	converse(CHECKS "AllowList 192.0.2.1\n", NULL, two, false, &k);
	counters_each(name_once, &n);
	assert_true(n.seen.len > 0);
	buf_fini(&n.seen);
	forget(&k);
}

/* A question is no mail. */
static void
counts_no_question(void **state)
{
	static const char series[] = "postern_messages_total{direction="
				     "\"inbound\",verdict=\"accept\",by=\"-\"}";
	const struct walk w = {.from = "a@ok.example",
	    .rcpts = {"b@here.example"},
	    .message = "From: a@ok.example\n\nx\n",
	    .readonly = true};
	struct snapshot *snap = load("Mode v\nTestDNSData file:&/zone\n");
	double before = counted(series);
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	(void)state;
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	assert_true(counted(series) == before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(outlives_the_message),
	    cmocka_unit_test(has_what_is_known),
	    cmocka_unit_test(has_the_keys_of_a_decision),
	    cmocka_unit_test(has_the_keys_of_a_decision_outbound),
	    cmocka_unit_test(has_the_limits_of_the_account),
	    cmocka_unit_test(says_how_it_ended),
	    cmocka_unit_test(is_made_of_a_client),
	    cmocka_unit_test(counts_every_record),
	    cmocka_unit_test(names_each_series_once),
	    cmocka_unit_test(counts_no_question),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
