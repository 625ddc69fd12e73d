/*
 * Memory runs out at any moment of a message: it is put off, or goes its way
 * signed and counted, or judged; nothing is kept that was not counted, and
 * nothing taken that is refused otherwise.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/quota/quota.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define CONF                                                                   \
	"Mode s\nKeyTable csl:k=x.org:s:" KEY_ED25519 "\n"                     \
	"SigningTable x.org=k\nSenderLogins @x.org=bob\nSoftwareHeader yes\n"  \
	"RemoveOldSignatures yes\nExemptDomains y.org\n"                       \
	"DontSignMailTo z@y.org\nQuotaTable %s\n"                              \
	"Quota default {\n Messages = {1000000/hour}\n}\n"

#define BLOCK 8192 /* of an arena */

static long left = -1; /* allocations that still succeed; -1: all */
static size_t only;    /* octets of those that are counted; 0: any */
static bool failed;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define POSSIBLE false /* they have a malloc of their own */
#else
#define POSSIBLE true

static bool
fails(size_t size)
{
	if ((only != 0 && size != only) || left < 0 || left-- > 0)
		return false;
	left = -1;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

void *
malloc(size_t size)
{
	return fails(size) ? NULL : __libc_malloc(size);
}

void *
calloc(size_t count, size_t size)
{
	return fails(count * size) ? NULL : __libc_calloc(count, size);
}

void *
realloc(void *p, size_t size)
{
	return fails(size) ? NULL : __libc_realloc(p, size);
}
#endif

static const char *
macro(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "{auth_authen}") == 0 ? "bob" : NULL;
}

static void
header(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

/* What the client hears at last. */
static struct verdict
converse(struct session *s)
{
	static const char *const rcpts[] = {"<a@example.net>", "b@example.net"};
	struct verdict v;

	chain_connect(s, "client.example.net", NULL);
	chain_helo(s, "client.example.net");
	v = chain_mail(s, "<a@x.org>", NULL);
	for (size_t i = 0; i < 2 && v.action == VERDICT_NONE; i++)
		v = chain_rcpt(s, rcpts[i]);
	if (v.action != VERDICT_NONE)
		return v;
	header(s, "DKIM-Signature", " v=1; a=none");
	header(s, "From", " A <a@x.org>");
	header(s, "Subject", " x");
	chain_eoh(s);
	chain_body(s, (const unsigned char *)"x\r\n", 3);
	return chain_eom(s);
}

static uint64_t
counted(const char *path)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	const struct quota_limit limit = {
	    .kind = QUOTA_MESSAGES, .window_s = 3600, .limit = 1};
	struct quota_set set = {.count = 0};
	struct quota_state st;
	struct quota *q;

	quota_set_add(&set, &limit);
	assert_int_equal(quota_open(&q, path, &opt, NULL, NULL), 0);
	assert_int_equal(quota_peek(q, "bob", &set, &st), 0);
	quota_close(q);
	return st.usage[0].used;
}

static void
walk_with(
    struct snapshot *snap, const char *table, long until, uint64_t *sent)
{
	struct session *s = chain_open(snap, macro, NULL);
	bool signed_, taken;
	struct verdict v;

	assert_non_null(s);
	failed = false;
	left = until;
	v = converse(s);
	signed_ = s->msg != NULL && s->msg->edits.count == 3;
	chain_end(s, &v);
	chain_close(s);
	left = -1;
	taken = v.action == VERDICT_NONE;
	*sent += taken;
	if (taken ? !signed_ : v.action != VERDICT_TEMPFAIL)
		fail_msg("%d", v.action);
	assert_int_equal(counted(table), *sent);
}

static void
puts_mail_off(void **state)
{
	char dir[] = "/tmp/postern-nomem-XXXXXX", table[80], conf[1000];
	struct snapshot *snap;
	uint64_t sent = 0;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(table, sizeof(table), "%s/quota", dir);
	snprintf(conf, sizeof(conf), CONF, table);
	snap = walk_load(conf);
	walk_with(snap, table, -1, &sent); /* what is made once is there */
	assert_int_equal(sent, 1);
	for (long n = 0; POSSIBLE && (n == 0 || failed); n++)
		walk_with(snap, table, n, &sent);
	assert_true(sent > 1 || !POSSIBLE);
	snapshot_unref(snap);
	unlink(table);
	assert_int_equal(rmdir(dir), 0);
}

/* -- records -- */

/* A copy is whole, or there is none. */
static void
copy_with_less(void *ctx, const struct record *r)
{
	unsigned *whole = ctx;
	unsigned char packed[RECORD_PACKED_MAX];
	size_t len = record_pack(r, true, packed);

	failed = true;
	for (long n = 0; failed; n++) {
		struct arena a;
		const struct record *copy;
		int rc;

		arena_init(&a);
		failed = false;
		left = POSSIBLE ? n : -1;
		rc = record_unpack(packed, len, &a, &copy);
		left = -1;
		assert_int_equal(rc, failed ? ERR_NOMEM : 0);
		assert_true((copy == NULL) == failed);
		*whole += copy != NULL;
		arena_fini(&a);
	}
}

static void
copies_whole_records(void **state)
{
	struct snapshot *snap = walk_load("Mode v\n");
	struct session *s = chain_open(snap, NULL, NULL);
	char address[BLOCK / 2];
	unsigned whole = 0;
	struct verdict v;

	(void)state;
	assert_non_null(s);
	memset(address, 'a', sizeof(address));
	strcpy(address + sizeof(address) - 3, "@b");
	s->recorded = copy_with_less;
	s->recorded_ctx = &whole;
	chain_mail(s, address, NULL);
	for (int i = 0; i < 4; i++)
		chain_rcpt(s, address);
	header(s, "From", " A <a@x.org>");
	header(s, "Subject", " x");
	chain_eoh(s);
	v = chain_eom(s);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	assert_int_equal(whole, 1);
}

/* -- inbound -- */

#define NOW 1700000000
#define LINE "see what it has"
#define BODY LINE "\r\n"

/* What is asked of the DNS is in a file, as posternctl check may have it. */
#define INBOUND                                                                \
	"Mode v\nTestDNSData file:%s\nAuthservID mx.here\nReceivedSPF yes\n"     \
	"AllowList friend@ok.example,rcpt:al@here.example\n"                   \
	"BlockList worse.example,@foe.example\n"                               \
	"DMARCPolicy reject\nDMARCMailingLists list.example\n"                 \
	"HELOOurs here.example\nRequiredHeaders yes\nMultipleFrom reject\n"    \
	"RemoveARFrom other.example\nTagScore 5\nRejectScore 50\n"             \
	"Refuse SPF_FAIL,HELO_OURS\nRefuseAt helo=mail\nRuleFile %s\n"         \
	"DNSBL bl.example {\n Codes = {127.0.0.2}\n Action = reject\n}\n"

/* Each needs another text; only together do they refuse. */
static const char rules[] =
    "header __ADDR From:addr =~ /^a@rules\\.example$/\n"
    "header __PATH X-Spam-Relays-Untrusted =~ / ip=192\\.0\\.2\\.2 /\n"
    "header __ILL eval:check_illegal_chars('X-Odd', '0.1', '1')\n"
    "header __LIST eval:check_for_spf_pass()\n"
    "body __BODY /see what/\nrawbody __RAW /see/\nfull __FULL /From:/\n"
    "meta RULES __ADDR && __PATH && __ILL && !__LIST && __BODY && __RAW && "
    "__FULL\nscore RULES 60\n";

static const char zone[] =
    "ok.example v=spf1 include:_spf.ok.example -all\n"
    "_spf.ok.example v=spf1 ip4:192.0.2.0/28 a:mx.ok.example ~all\n"
    "mx.ok.example A 192.0.2.1\n"
    "_dmarc.ok.example v=DMARC1; p=reject\n"
    "s._domainkey.ok.example v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC "\n"
    "bad.example v=spf1 -all\n"
    "spoofed.example x\n"
    "_dmarc.spoofed.example v=DMARC1; p=reject\n"
    "2.0.0.127.bl.example A 127.0.0.2\n"
    "9.2.0.192.bl.example A 127.0.0.2\n";

/* One is taken, the others are refused, each by another check. */
static const struct mail {
	const char *ip, *helo, *sender, *from, *by; /* by NULL: taken */
} mails[] = {
    {"192.0.2.1", "mx.ok.example", "a@ok.example", "A <a@ok.example>", NULL},
    {"192.0.2.2", "mx.ok.example", "a@bad.example", "a@bad.example", "spf"},
    {"192.0.2.2", "mx.ok.example", "a@x.example", "a@spoofed.example",
	"dmarc"},
    {"192.0.2.2", "here.example", "a@x.example", "a@x.example", "helo"},
    {"192.0.2.2", "mx.ok.example", "a@foe.example", "a@x.example",
	"blocklist"},
    {"192.0.2.9", "mx.ok.example", "a@x.example", "a@x.example", "dnsbl"},
    {"192.0.2.2", "mx.ok.example", "a@x.example", "a@x.example, b@y.example",
	"header"},
    /* The list has the domain in another form. */
    {"192.0.2.2", "mx.ok.example", "a@foe.example.", "a@x.example",
	"blocklist"},
    {"192.0.2.2", "mx.ok.example", "a@x.example", "a@rules.example", "rules"},
};

/* The signature that ok.example makes. */
static char *
sign_one(void)
{
	struct snapshot *snap = walk_load("Mode s\nKeyTable csl:k=ok.example:s:"
	    KEY_ED25519 "\nSigningTable ok.example=k\nMTA ours\n");
	const struct walk w = {.client_ip = "192.0.2.1",
	    .from = "<a@ok.example>",
	    .rcpts = {"b@here.example"},
	    .macros = {{"{daemon_name}", "ours"}},
	    .message = "From: A <a@ok.example>\nDate: x\n\n" LINE "\n",
	    .at = NOW};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);
	char *value = NULL;

	assert_int_equal(s->msg->edits.count, 1);
	assert_true(
	    asprintf(&value, " %s", s->msg->edits.first->value) > 0);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	return value;
}

/* A DNS that has memory: without an answer nobody can tell what is bad. */
static const struct dns *beneath;

static struct dns_query *
start_surely(void *ctx, const char *name, enum dns_type type)
{
	long kept = left;
	struct dns_query *q;

	(void)ctx;
	left = -1;
	q = dns_start(beneath, name, type);
	left = kept;
	return q;
}

static const struct dns_answer *
collect_surely(void *ctx, struct dns_query *q, struct wait *w)
{
	long kept = left;
	const struct dns_answer *a;

	(void)ctx;
	left = -1;
	a = dns_collect(beneath, q, w);
	left = kept;
	return a;
}

static void
drop_surely(void *ctx, struct dns_query *q)
{
	(void)ctx;
	dns_drop(beneath, q);
}

static const struct dns sure = {
    .start = start_surely, .collect = collect_surely, .drop = drop_surely};

/* From now on the message's arena has that much, and then gets no more. */
static void
leave_room(struct arena *a, size_t room)
{
	while (BLOCK - a->used > room)
		(void)arena_alloc(a, 1);
	left = 0;
}

/* As an MTA does that waits only where it was told to. */
static struct verdict
receive(struct session *s, const struct mail *mail, const char *signature,
    long room)
{
	unsigned answers = chain_answers(s->snap);
	struct host client;
	char from[100];
	struct verdict v;

	snprintf(from, sizeof(from), " %s", mail->from);
	chain_connect(s, mail->helo, walk_address(mail->ip, &client));
	chain_helo(s, mail->helo);
	v = chain_mail(s, mail->sender, NULL);
	if (v.action != VERDICT_NONE && answers & HOOK_BIT(HOOK_MAIL))
		return v;
	v = chain_rcpt(s, "<b@here.example>");
	if (v.action != VERDICT_NONE && answers & HOOK_BIT(HOOK_RCPT))
		return v;
	header(s, "Authentication-Results", " mx.here; spf=pass");
	header(s, "DKIM-Signature", signature);
	header(s, "From", from);
	header(s, "Date", " x");
	header(s, "X-Odd", " \x01\x02\x03");
	if (room >= 0)
		leave_room(&s->msg->arena, (size_t)room);
	chain_eoh(s);
	chain_body(s, (const unsigned char *)BODY, strlen(BODY));
	return chain_eom(s);
}

/* One of ours put in, the forged one taken out. */
static bool
is_reported(const struct message *m)
{
	bool in = false, out = false;

	for (const struct edit *e = m->edits.first; e != NULL; e = e->next) {
		if (strcmp(e->name, "Authentication-Results") != 0)
			continue;
		in |= e->op == EDIT_INSERT && strstr(e->value, "dmarc=") != NULL;
		out |= e->op == EDIT_DELETE;
	}
	return in && out;
}

static void
receive_with(struct snapshot *snap, const struct mail *mail,
    const char *signature, long room, long until)
{
	struct session *s = chain_open(snap, NULL, NULL);
	struct verdict v;

	assert_non_null(s);
	s->at = NOW;
	failed = false;
	left = until;
	v = receive(s, mail, signature, room);
	left = -1;
	if (v.action != VERDICT_TEMPFAIL || !failed) {
		if (mail->by == NULL
			? v.action != VERDICT_NONE || !is_reported(s->msg)
			: v.action != VERDICT_REJECT ||
			    strcmp(v.by, mail->by) != 0)
			fail_msg("%s after %ld, %ld: %s by %s",
			    mail->by == NULL ? "good" : mail->by, until, room,
			    verdict_word(v.action), v.by);
	}
	chain_end(s, &v);
	chain_close(s);
}

/* One allocation after the other; then the arena's, which are few, wherever its
 * first block may end. */
static void
receive_all(struct snapshot *snap, const struct mail *mail,
    const char *signature)
{
	receive_with(snap, mail, signature, -1, -1);
	for (long n = 0; POSSIBLE && (n == 0 || failed); n++)
		receive_with(snap, mail, signature, -1, n);
	only = BLOCK + offsetof(struct { void *p; max_align_t data; }, data);
	snap->dns = &sure;
	for (long room = 0; POSSIBLE && room < BLOCK / 2;
	     room += _Alignof(max_align_t))
		receive_with(snap, mail, signature, room, -1);
	only = 0;
}

static void
lets_nothing_past(void **state)
{
	char path[] = "/tmp/postern-nomem-XXXXXX", conf[2000];
	char rule_path[] = "/tmp/postern-nomem-XXXXXX";
	int fd = mkstemp(path), rule_fd = mkstemp(rule_path);
	char *signature = sign_one();
	struct snapshot *snap;

	(void)state;
	assert_int_equal(
	    write(fd, zone, strlen(zone)), (ssize_t)strlen(zone));
	close(fd);
	assert_int_equal(
	    write(rule_fd, rules, strlen(rules)), (ssize_t)strlen(rules));
	close(rule_fd);
	snprintf(conf, sizeof(conf), INBOUND, path, rule_path);
	snap = walk_load_dns(conf);
	for (int i = 0; i < 2; i++)
		chain_tick(snap); /* the list tests itself */
	beneath = snap->dns;
	for (size_t i = 0; i < sizeof(mails) / sizeof(*mails); i++) {
		snap->dns = mails[i].by == NULL ? beneath : &sure;
		receive_all(snap, &mails[i], signature);
	}
	snapshot_unref(snap);
	free(signature);
	unlink(path);
	unlink(rule_path);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puts_mail_off),
	    cmocka_unit_test(copies_whole_records),
	    cmocka_unit_test(lets_nothing_past),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
