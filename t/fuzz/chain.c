/*
 * Whatever a client, the MTA and the DNS say, what comes out of the chain can
 * be carried out: no edit has a line too many, a forged result stays nowhere,
 * replies and log lines are text, and quotas count what was taken.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The input, a command a line; in the rest of a line ^X is the control octet,
 * as ^J for a line end.  Commands may come in any order; those that libmilter
 * would not hand on where they stand are aborts:
 *
 *	0 .. 4        which configuration, before all else
 *	W             an MTA that waits for every answer
 *	m NAME VALUE  a macro, from here on; without a value: not any more
 *	C IP NAME     connect
 *	H NAME        HELO
 *	M SENDER<TAB>PARAM ...
 *	R RECIPIENT
 *	F NAME:VALUE  a header field
 *	E             end of header
 *	B TEXT        a line of body
 *	b BYTES       a piece of body, as it is
 *	.             end of message
 *	x             the same, but the MTA does not take the edits
 *	a             abort
 *	q             close; another client connects
 *	z             the counts of quotas begin anew
 *	D NAME TYPE DATA  a record, TYPE one of A AAAA MX TXT PTR CNAME, with
 *	              a + for DNSSEC and a number for so many times the data;
 *	              DATA may be !timeout !servfail !nxdomain !nodata
 *	d SEED        names without a record get some record or failure
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/quota/quota.h"
#include "milter/log.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/author_ref.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/logline.h"
#include "t/support/drivers/outgoing.h"
#include "t/support/drivers/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW 1700000000
#define EXEMPT "eve"
#define OWNED "here.example" /* all that any login owns */
#define RECORDS_MAX 64
#define ANSWERS_MAX 12 /* records of one answer, where names are any */
#define RECORD_MAX 65535
#define NAME_TEXT 1020 /* octets of a name, all of them as \DDD */
#define MACROS_MAX 16
#define PARAMS_MAX 8
#define ACCOUNTS_MAX 64
/* No message, whatever stands in it and in the DNS, may ask more. */
#define QUESTIONS_MAX 1000
#define RUNS_WORN 500 /* with a DNS list off, before all is loaded again */

/* -- configurations -- */

#define RULES                                                                  \
	"required_score 2\n"                                                   \
	"rewrite_header Subject [SPAM _SCORE_] caf\xc3\xa9\n"                  \
	"header ODD_SUBJECT Subject =~ /buy/i\nscore ODD_SUBJECT 3\n"          \
	"header ODD_NAME From:name =~ /\\d/\nscore ODD_NAME 1\n"               \
	"header ODD_ID Message-ID =~ /(a+)+$/\nscore ODD_ID 1\n"               \
	"body ODD_BODY /\\bpills\\b/i\nscore ODD_BODY 2.4\n"                   \
	"rawbody ODD_RAW /<script/\nscore ODD_RAW 2\n"                         \
	"full ODD_FULL /\\r\\n\\r\\nx/\nscore ODD_FULL 0.5\n"                  \
	"uri ODD_URI /^https?:\\/\\/[\\d.]+\\//\nscore ODD_URI 1\n"            \
	"meta ODD_BOTH (ODD_SUBJECT && ODD_BODY)\nscore ODD_BOTH 9\n"          \
	"meta ODD_AUTH (SPF_FAIL || DMARC_REJECT) && !DKIM_VALID\n"            \
	"score ODD_AUTH 2\n"

/* In a configuration & is the directory with the files. */
#define OURS(client, domain)                                                   \
	"HELOOurs here.example\nReceivedSPF yes\nRuleStats none\n"             \
	"RuleFile &/rules.cf\nRuleFile " POSTERN_SOURCE "/etc/local.cf\n"      \
	"AllowList friend@ok.example,rcpt:al@here.example\n"                   \
	"BlockList csl:worse.example=450 not %d you,@foe.example,192.0.2.66\n" \
	"DNSBL bl.example {\n Codes = {127.0.0.2}\n MaxShare = 100\n"          \
	" Action = " client "\n}\n"                                            \
	"DNSBL dbl.example {\n Codes = {127.0.1.2}\n MaxShare = 100\n"         \
	" Ask = {helo, mailfrom, from, rdns}\n Test = test.example\n"          \
	" Reply = \"%about% is listed by %zone%\"\n Action = " domain "\n}\n"

#define KEYS                                                                   \
	"RequireSafeKeys no\nMultipleSignatures yes\n"                         \
	"KeyTable csl:k=%:ed:" KEY_ED25519 ",r=here.example:rsa:&/rsa\n"       \
	"SigningTable refile:&/signing\n"

#define LIMITS(table)                                                          \
	"QuotaTable &/" table "\nQuotaAccounts 1000\nQuota default {\n"        \
	" Messages = {3/day}\n Recipients = {8/day}\n Bytes = {20K/day}\n}\n"  \
	"Quota \"bob@here.example\" {\n Messages = {2/day}\n}\n"

static const struct {
	const char *name, *text;
} files[] = {
    {"rules.cf", RULES},
    {"rsa", KEY_RSA},
    {"signing", "*@here.example k\n*@here.example r\n* k\n"},
};

#define FILES (sizeof(files) / sizeof(*files))

static struct setup {
	const char *table; /* of the quotas; NULL: none */
	const char *id;    /* AuthservID; NULL: the MTA's name */
	bool owned;        /* logins may use OWNED only */
	const char *conf;
	struct snapshot *snap;
	struct quota *quota; /* a reader's handle on that table */
} setups[] = {
    {.id = "mx.here",
	.conf = "Mode v\nAuthservID mx.here\n" OURS("score", "score")
		"SoftwareHeader yes\n"},
    {.id = "mx.here",
	.conf = "Mode v\nAuthservID mx.here\n" OURS("reject", "tempfail")
		"DMARCPolicy reject\nDMARCMailingLists list.example\n"
		"MultipleFrom reject\nRequiredHeaders yes\nRejectScore 9\n"
		"Refuse csl:SPF_FAIL=550 so,HELO_OURS,ODD_NAME,RDNS_FAIL\n"
		"RefuseAt end,helo=rcpt,spf=mail,dnsbl=connect\n"
		"RemoveARFrom .other.example\nOn-BadSignature reject\n"
		"DMARCReply no, %domain%\n"},
    {.id = "mx.here",
	.conf = "Mode v\nAuthservID mx.here\n" OURS("quarantine", "discard")
		"DMARCPolicy quarantine\nMultipleFrom quarantine\n"
		"Refuse DMARC_REJECT,RCVD_IN_BL_EXAMPLE,HELO_NOT_FQDN\n"
		"RefuseAt connect\nOn-DNSError quarantine\nStrictHeaders yes\n"
		"AuthservIDWithJobID yes\nSPFBroadPass none\n"
		"TempfailScore 6\nDiscardScore 20\nPeerList 192.0.2.99\n"},
    {.table = "strict",
	.owned = true,
	.conf = "Mode s\n" KEYS LIMITS("strict")
		"SenderLogins @" OWNED "=bob,eve@" OWNED "=eve\n"
		"QuotaRealm here.example\nRemoveOldSignatures yes\n"
		"Diagnostics yes\nSoftwareHeader yes\nSyslogSuccess yes\n"
		"SenderHeaders Sender,From\nExemptDomains y.example\n"
		"DontSignMailTo z@y.example\n"},
    {.table = "lenient",
	.conf = "Mode sv\n" OURS("score", "reject") KEYS LIMITS("lenient")
		"SenderLogins @" OWNED "=bob\nSenderLoginsAction log\n"
		"QuotaAction hold\nQuotaExempt " EXEMPT "\nMTA ours\n"
		"OutboundTagScore 1\nOutboundRejectScore 9\n"
		"MacroList {cert_issuer}=CA\nOn-DNSError accept\n"},
};

#define SETUPS (sizeof(setups) / sizeof(*setups))

/* What holds for every account but those with a section of their own. */
static const struct quota_limit limits[] = {
    {QUOTA_MESSAGES, 86400, 3},
    {QUOTA_RECIPIENTS, 86400, 8},
    {QUOTA_BYTES, 86400, 20 << 10},
};
static struct quota_set limit_set;

/* With this DNS the lists pass their self-test. */
static struct dns lists;
static const char lists_zone[] = "2.0.0.127.bl.example A 127.0.0.2\n"
				 "test.example.dbl.example A 127.0.1.2\n";

static const struct dns hostile; /* the input's */

static char dir[] = "/tmp/postern-fuzz-XXXXXX";

static const char *
path_of(struct buf *b, const char *name)
{
	buf_reset(b);
	buf_printf(b, "%s/%s", dir, name);
	return buf_text(b);
}

static void
put_file(const char *name, const char *text)
{
	struct buf b = BUF_INIT;
	FILE *f = fopen(path_of(&b, name), "w");

	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		abort();
	buf_fini(&b);
}

static void
load_setup(struct setup *t)
{
	struct buf b = BUF_INIT;

	for (const char *p = t->conf; *p != '\0'; p++) {
		if (*p == '&')
			buf_str(&b, dir);
		else
			buf_char(&b, *p);
	}
	t->snap = walk_load(buf_text(&b));
	buf_fini(&b);
	if (t->snap->dns == NULL)
		return;
	t->snap->dns = &lists;
	for (int i = 0; i < 2; i++)
		chain_tick(t->snap);
	t->snap->dns = &hostile;
}

static void
open_quota(struct setup *t)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	struct buf b = BUF_INIT;

	if (t->table != NULL &&
	    quota_open(&t->quota, path_of(&b, t->table), &opt, NULL, NULL) != 0)
		abort();
	buf_fini(&b);
}

static void
remove_files(void)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < SETUPS; i++) {
		quota_close(setups[i].quota);
		snapshot_unref(setups[i].snap);
		if (setups[i].table != NULL)
			unlink(path_of(&b, setups[i].table));
	}
	for (size_t i = 0; i < FILES; i++)
		unlink(path_of(&b, files[i].name));
	rmdir(dir);
	dns_file_close(&lists);
	buf_fini(&b);
}

/* -- the log -- */

static bool worn; /* an answer has switched a DNS list off */

static void
take_line(const char *fmt, va_list ap)
{
	char line[8192];

	vsnprintf(line, sizeof(line), fmt, ap);
	logline_check(line);
	worn |= strstr(line, ": switched off for ") != NULL;
}

/* In place of the C library's, which may be a macro. */
#undef syslog
void
syslog(int level, const char *fmt, ...)
{
	va_list ap;

	(void)level;
	va_start(ap, fmt);
	take_line(fmt, ap);
	va_end(ap);
}

/* The name that _FORTIFY_SOURCE gives it. */
void __syslog_chk(int level, int flag, const char *fmt, ...);
void
__syslog_chk(int level, int flag, const char *fmt, ...)
{
	va_list ap;

	(void)level, (void)flag;
	va_start(ap, fmt);
	take_line(fmt, ap);
	va_end(ap);
}

/* -- the DNS -- */

struct record {
	const char *name;
	enum dns_type type;
	enum dns_status status;
	bool secure;
	struct dns_record data;
};

static struct zone {
	struct record records[RECORDS_MAX];
	size_t count, questions;
	bool any;      /* names without records have some too */
	uint32_t seed; /* which */
} zone;

struct dns_query {
	struct dns_answer answer;
	struct dns_record records[RECORDS_MAX];
};

static void
add_answer(struct dns_query *q, const struct record *r)
{
	q->answer.status = r->status;
	q->answer.secure = r->secure;
	if (r->status == DNS_OK)
		q->records[q->answer.count++] = r->data;
}

/* FNV-1a */
static uint32_t
hash(uint32_t h, const char *name, enum dns_type type)
{
	for (; *name != '\0'; name++)
		h = (h ^ (uint32_t)tolower((unsigned char)*name)) * 16777619;
	return (h ^ (uint32_t)type) * 16777619;
}

/* Lists with answers of any kind are soon switched off. */
static bool
is_listing(const char *name)
{
	const char *at = strcasestr(name, "bl.example");

	return at != NULL && at[10] == '\0';
}

/* Some failure, or the next so many records of the type. */
static void
answer_somehow(struct dns_query *q, const char *name, enum dns_type type)
{
	static const enum dns_status failures[] = {DNS_NXDOMAIN, DNS_NODATA,
	    DNS_TEMPFAIL, DNS_TIMEOUT, DNS_BADNAME};
	uint32_t h = hash(zone.seed ^ 2166136261, name, type) >> 8;
	size_t want = type == DNS_TXT && h % 7 != 0 ? 1 : h % ANSWERS_MAX + 1;

	q->answer.status = failures[h / 8 % 5];
	if (is_listing(name))
		q->answer.status = DNS_NXDOMAIN;
	if (h % 8 == 0 || is_listing(name))
		return;
	for (size_t i = 0; i < zone.count && q->answer.count < want; i++) {
		const struct record *r = &zone.records[(i + h) % zone.count];

		if (r->type == type && r->status == DNS_OK)
			add_answer(q, r);
	}
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct dns_query *q = calloc(1, sizeof(*q));
	bool known = false;

	(void)ctx;
	if (q == NULL || strlen(name) > NAME_TEXT ||
	    ++zone.questions > QUESTIONS_MAX)
		abort();
	q->answer = (struct dns_answer){
	    .status = DNS_NXDOMAIN, .ttl = 300, .records = q->records};
	for (size_t i = 0; i < zone.count; i++) {
		if (strcasecmp(zone.records[i].name, name) != 0)
			continue;
		if (!known)
			q->answer.status = DNS_NODATA;
		known = true;
		if (zone.records[i].type == type)
			add_answer(q, &zone.records[i]);
	}
	if (!known && zone.any)
		answer_somehow(q, name, type);
	/* A failure after a record: the failure is what comes. */
	if (q->answer.status != DNS_OK)
		q->answer.count = 0;
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	(void)ctx, (void)w;
	return &q->answer;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	free(q);
}

static const struct dns hostile = {
    .start = start, .collect = collect, .drop = drop};

/* -- the conversation -- */

/* As libmilter has them. */
enum step {
	STEP_NONE,
	STEP_CONNECT,
	STEP_HELO,
	STEP_MAIL,
	STEP_RCPT,
	STEP_HEADER,
	STEP_EOH,
	STEP_BODY,
	STEP_EOM,
};

#define BIT(step) (1u << (step))

/* What may follow each. */
static const unsigned follow[] = {
    [STEP_NONE] = BIT(STEP_CONNECT),
    [STEP_CONNECT] = BIT(STEP_HELO) | BIT(STEP_MAIL),
    [STEP_HELO] = BIT(STEP_HELO) | BIT(STEP_MAIL),
    [STEP_MAIL] = BIT(STEP_RCPT),
    [STEP_RCPT] = BIT(STEP_RCPT) | BIT(STEP_HEADER) | BIT(STEP_EOH) |
	BIT(STEP_BODY) | BIT(STEP_EOM),
    [STEP_HEADER] = BIT(STEP_HEADER) | BIT(STEP_EOH),
    [STEP_EOH] = BIT(STEP_BODY) | BIT(STEP_EOM),
    [STEP_BODY] = BIT(STEP_BODY) | BIT(STEP_EOM),
    [STEP_EOM] = BIT(STEP_MAIL),
};

struct account {
	const char *name;
	/* What was taken in its name: surely counted, and at most. */
	uint64_t least[QUOTA_KINDS], most[QUOTA_KINDS];
};

struct run {
	struct arena arena;
	struct setup *setup;
	struct session *s; /* NULL: nobody is connected */
	unsigned quiet;    /* HOOK_BIT()s for which the MTA does not wait */
	bool waits;        /* it does for all of them */
	enum step step;    /* the last one */
	struct {
		const char *name, *value;
	} macros[MACROS_MAX];
	size_t macro_count;
	struct account accounts[ACCOUNTS_MAX];
	size_t account_count;
};

static const char *
macro(void *ctx, const char *name)
{
	const struct run *r = ctx;

	for (size_t i = r->macro_count; i-- > 0;) {
		if (strcmp(r->macros[i].name, name) == 0)
			return r->macros[i].value;
	}
	return NULL;
}

static struct session *
session(struct run *r)
{
	if (r->s != NULL)
		return r->s;
	r->s = chain_open(r->setup->snap, macro, r);
	if (r->s == NULL)
		abort();
	r->s->at = NOW;
	r->quiet = r->waits ? 0 : ~chain_answers(r->setup->snap);
	r->step = STEP_NONE;
	return r->s;
}

static struct account *
account_of(struct run *r, const char *name)
{
	for (size_t i = 0; i < r->account_count; i++) {
		if (strcmp(r->accounts[i].name, name) == 0)
			return &r->accounts[i];
	}
	if (r->account_count == ACCOUNTS_MAX)
		return NULL;
	r->accounts[r->account_count].name = arena_strdup(&r->arena, name);
	return &r->accounts[r->account_count++];
}

/* A message is over: what should its account be charged with? */
static void
book(struct run *r, const struct verdict *outcome)
{
	const struct message *m = r->s->msg;
	struct account *a;

	if (m == NULL || r->setup->table == NULL || m->account == NULL ||
	    m->direction != DIRECTION_OUTBOUND ||
	    strcmp(m->account, EXEMPT) == 0)
		return;
	a = account_of(r, m->account);
	if (a == NULL || outcome == NULL || verdict_refuses(outcome) ||
	    m->rcpt_count == 0)
		return;
	a->most[QUOTA_MESSAGES]++;
	a->most[QUOTA_RECIPIENTS] += m->rcpt_count;
	a->most[QUOTA_BYTES] += message_size(m);
	/* One that is held may have been so because it was over the limit. */
	if (outcome->action != VERDICT_NONE || m->login == NULL)
		return;
	a->least[QUOTA_MESSAGES]++;
	a->least[QUOTA_RECIPIENTS] += m->rcpt_count;
	a->least[QUOTA_BYTES] += message_size(m);
}

static void
end(struct run *r, const struct verdict *outcome)
{
	book(r, outcome);
	chain_end(r->s, outcome);
	r->step = STEP_HELO;
}

/* What can't follow is an abort, and can then be a beginning or nothing. */
static bool
go(struct run *r, enum step to)
{
	session(r);
	if (!(follow[r->step] & BIT(to)))
		end(r, NULL);
	if (!(follow[r->step] & BIT(to)))
		return false;
	r->step = to;
	return true;
}

/* Nothing stays reserved, and no more is counted than there is. */
static void
check_account(const struct run *r, const struct account *a)
{
	struct quota_state state;

	if (quota_peek(r->setup->quota, a->name, &limit_set, &state) != 0)
		abort();
	for (unsigned i = 0; i < state.count; i++) {
		const struct quota_usage *u = &state.usage[i];
		enum quota_kind k = u->limit.kind;

		if (u->used >= a->least[k] && u->used <= a->most[k] &&
		    u->used <= u->limit.limit)
			continue;
		fprintf(stderr,
		    "%s: %s: %llu counted, limit %llu, %llu to %llu taken\n",
		    a->name, quota_kind_name(k), (unsigned long long)u->used,
		    (unsigned long long)u->limit.limit,
		    (unsigned long long)a->least[k],
		    (unsigned long long)a->most[k]);
		abort();
	}
}

static void
hang_up(struct run *r)
{
	if (r->s == NULL)
		return;
	book(r, NULL);
	chain_close(r->s);
	r->s = NULL;
	for (size_t i = 0; i < r->account_count; i++)
		check_account(r, &r->accounts[i]);
}

static void
begin_anew(struct run *r)
{
	if (r->setup->table == NULL)
		return;
	chain_reset(r->setup->snap);
	for (size_t i = 0; i < r->account_count; i++) {
		memset(r->accounts[i].least, 0, sizeof(r->accounts[i].least));
		memset(r->accounts[i].most, 0, sizeof(r->accounts[i].most));
	}
}

/* As callbacks.c does. */
static void
tell(struct run *r, enum hook hook, struct verdict v)
{
	outgoing_verdict(&v);
	if (v.action == VERDICT_QUARANTINE)
		abort(); /* the end of the message only may say so */
	/* What is refused before any message is refused to each. */
	if (r->s->msg != NULL && !(r->quiet & HOOK_BIT(hook)) &&
	    v.action != VERDICT_NONE)
		end(r, &v);
}

static void
tell_recipient(struct run *r, struct verdict v)
{
	outgoing_verdict(&v);
	if (!(r->quiet & HOOK_BIT(HOOK_RCPT)) && v.action == VERDICT_DISCARD)
		end(r, &v);
}

/* Who owns a domain signs for nobody else, whoever reads it. */
static void
check_owner(const struct run *r, const struct message *m)
{
	const struct edit *e = m->edits.first;

	while (e != NULL && strcmp(e->name, "DKIM-Signature") != 0)
		e = e->next;
	if (e == NULL || !r->setup->owned || m->login == NULL ||
	    author_ref_only(&m->headers, OWNED))
		return;
	fprintf(stderr, "signed for %s, who does not own the From\n",
	    m->login);
	abort();
}

/* taken: the MTA carries out what it is asked for. */
static void
end_of_message(struct run *r, bool taken)
{
	struct message *m = r->s->msg;
	struct verdict v;

	if (m == NULL)
		return;
	/* No MTA goes on without a recipient. */
	if (m->rcpt_count == 0 &&
	    !verdict_decides(&m->disposition.decided)) {
		end(r, NULL);
		return;
	}
	v = chain_eom(r->s);
	outgoing_verdict(&v);
	walk_check_symbols(r->s);
	if (!verdict_decides(&v)) {
		outgoing_edits(m, r->setup->id);
		check_owner(r, m);
	}
	if (!taken)
		v = verdict_make(VERDICT_TEMPFAIL, NULL);
	end(r, &v);
}

/* -- the input -- */

/* What stands before the first `by`, cut off; *rest_r is what follows it. */
static char *
word(char *text, char by, char **rest_r)
{
	char *end_ = strchr(text, by);

	*rest_r = end_ == NULL ? text + strlen(text) : end_ + 1;
	if (end_ != NULL)
		*end_ = '\0';
	return text;
}

/* An MTA's own name, and its queue ids. */
static bool
is_word(const char *name)
{
	size_t len = strlen(name);

	for (const char *p = name; *p != '\0'; p++) {
		if (!isalnum((unsigned char)*p) && strchr("-._", *p) == NULL)
			return false;
	}
	return len > 0 && len < 256;
}

static void
set_macro(struct run *r, char *text)
{
	char *value, *name = word(text, ' ', &value);

	/* Those are no strangers' words, and written as they are. */
	if (r->macro_count == MACROS_MAX ||
	    ((strcmp(name, "j") == 0 || strcmp(name, "i") == 0) &&
		!is_word(value)))
		return;
	r->macros[r->macro_count].name = name;
	r->macros[r->macro_count++].value = *value == '\0' ? NULL : value;
}

static void
connect_client(struct run *r, char *text)
{
	struct host client;
	char *name, *ip = word(text, ' ', &name);

	tell(r, HOOK_CONNECT,
	    chain_connect(r->s, *name == '\0' ? NULL : name,
		*ip == '\0' ? NULL : walk_address(ip, &client)));
}

static void
begin_message(struct run *r, char *text)
{
	const char *params[PARAMS_MAX + 1] = {NULL};
	char *rest, *sender = word(text, '\t', &rest);

	for (size_t i = 0; i < PARAMS_MAX && *rest != '\0'; i++)
		params[i] = word(rest, '\t', &rest);
	book(r, NULL);
	tell(r, HOOK_MAIL, chain_mail(r->s, sender, params));
}

static void
add_field(struct run *r, char *text)
{
	char *value, *name = word(text, ':', &value);

	chain_header(r->s, name, strlen(name), value, strlen(value));
}

static bool
take_type(const char *text, struct record *r, size_t *times_r)
{
	static const struct {
		const char *word;
		enum dns_type type;
	} types[] = {{"AAAA", DNS_AAAA}, {"A", DNS_A}, {"MX", DNS_MX},
	    {"TXT", DNS_TXT}, {"PTR", DNS_PTR}, {"CNAME", DNS_CNAME}};

	r->secure = strchr(text, '+') != NULL;
	*times_r = strtoul(text + strcspn(text, "0123456789"), NULL, 10);
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		size_t len = strlen(types[i].word);

		if (strncmp(text, types[i].word, len) == 0) {
			r->type = types[i].type;
			return true;
		}
	}
	return false;
}

static enum dns_status
take_status(const char *text)
{
	static const struct {
		const char *word;
		enum dns_status status;
	} words[] = {{"!timeout", DNS_TIMEOUT}, {"!servfail", DNS_TEMPFAIL},
	    {"!nxdomain", DNS_NXDOMAIN}, {"!nodata", DNS_NODATA}};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(words[i].word, text) == 0)
			return words[i].status;
	}
	return DNS_OK;
}

/* As a resolver gives it. */
static void
take_data(struct arena *a, const char *text, size_t len, size_t times,
    struct record *r)
{
	unsigned char *data;

	if (r->type == DNS_MX && len < 2)
		text = "\0\nmx.example", len = 12;
	if (r->type != DNS_TXT) {
		len = r->type == DNS_MX ? 2 + strnlen(text + 2, len - 2)
					: strnlen(text, len);
		len = len > NAME_TEXT ? NAME_TEXT : len;
		times = 1;
	}
	if (times == 0 || len == 0 || times > RECORD_MAX / len)
		times = 1;
	data = arena_alloc(a, len * times + 16);
	for (size_t i = 0; i < times; i++)
		memcpy(data + i * len, text, len);
	r->data = (struct dns_record){.data = data, .len = len * times};
	if (r->type == DNS_A || r->type == DNS_AAAA) {
		r->data.len = r->type == DNS_A ? 4 : 16;
		if (inet_pton(r->type == DNS_A ? AF_INET : AF_INET6, text,
			data) != 1)
			memcpy(data, "\x7f\0\0\2", 4);
	}
}

static void
add_record(struct run *r, char *text, size_t len)
{
	struct record *rec = &zone.records[zone.count];
	char *type, *data, *last = text + len;
	size_t times;

	if (zone.count == RECORDS_MAX)
		return;
	rec->name = word(text, ' ', &type);
	type = word(type, ' ', &data);
	if (!take_type(type, rec, &times) || data > last)
		return;
	rec->status = take_status(data);
	take_data(&r->arena, data, (size_t)(last - data), times, rec);
	zone.count++;
}

/* What is none of libmilter's steps. */
static void
prepare(struct run *r, char command, char *text, size_t len)
{
	switch (command) {
	case 'W':
		r->waits = true;
		break;
	case 'm':
		set_macro(r, text);
		break;
	case 'D':
		add_record(r, text, len);
		break;
	case 'd':
		zone.any = true;
		zone.seed = (uint32_t)strtoul(text, NULL, 10);
		break;
	case 'a':
		session(r);
		end(r, NULL);
		break;
	case 'q':
		hang_up(r);
		break;
	case 'z':
		begin_anew(r);
		break;
	default:
		break;
	}
}

static void
add_body(struct run *r, char command, const char *text, size_t len)
{
	chain_body(r->s, (const unsigned char *)text, len);
	if (command == 'B')
		chain_body(r->s, (const unsigned char *)"\r\n", 2);
}

/* The step of a command. */
static enum step
step_of(char command)
{
	static const struct {
		char command;
		enum step step;
	} steps[] = {{'C', STEP_CONNECT}, {'H', STEP_HELO}, {'M', STEP_MAIL},
	    {'R', STEP_RCPT}, {'F', STEP_HEADER}, {'E', STEP_EOH},
	    {'B', STEP_BODY}, {'b', STEP_BODY}, {'.', STEP_EOM},
	    {'x', STEP_EOM}};

	for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		if (steps[i].command == command)
			return steps[i].step;
	}
	return STEP_NONE;
}

static void
say(struct run *r, char command, char *text, size_t len)
{
	enum step step = step_of(command);

	if (step == STEP_NONE) {
		prepare(r, command, text, len);
		return;
	}
	if (!go(r, step))
		return;
	switch (step) {
	case STEP_CONNECT:
		connect_client(r, text);
		break;
	case STEP_HELO:
		tell(r, HOOK_HELO, chain_helo(r->s, text));
		break;
	case STEP_MAIL:
		begin_message(r, text);
		break;
	case STEP_RCPT:
		tell_recipient(r, chain_rcpt(r->s, text));
		break;
	case STEP_HEADER:
		add_field(r, text);
		break;
	case STEP_EOH:
		tell(r, HOOK_EOH, chain_eoh(r->s));
		break;
	case STEP_BODY:
		add_body(r, command, text, len);
		break;
	default:
		end_of_message(r, command == '.');
	}
}

static void
converse(struct run *r, const char *p, const char *end_)
{
	while (p < end_) {
		const char *stop = memchr(p, '\n', (size_t)(end_ - p));
		size_t len;
		char *text;

		stop = stop == NULL ? end_ : stop;
		if (stop > p) {
			const char *arg = p + 1;

			arg += arg < stop && *arg == ' ';
			text = walk_decode(
			    &r->arena, arg, (size_t)(stop - arg), &len);
			say(r, *p, text, len);
		}
		p = stop + 1;
	}
	hang_up(r);
}

static void
set_up(void)
{
	const struct log_options quiet = {
	    .syslog = true, .debug = true, .facility = LOG_MAIL,
	    .name = "postern"};

	if (mkdtemp(dir) == NULL || dns_file_open(lists_zone, &lists) != 0)
		abort();
	log_open(&quiet);
	for (size_t i = 0; i < FILES; i++)
		put_file(files[i].name, files[i].text);
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		quota_set_add(&limit_set, &limits[i]);
	for (size_t i = 0; i < SETUPS; i++) {
		load_setup(&setups[i]);
		open_quota(&setups[i]);
	}
	atexit(remove_files);
}

/* What a run has left behind must not be felt by many of those after it. */
static void
renew(struct setup *t)
{
	static unsigned runs;

	if (t->table != NULL)
		chain_reset(t->snap);
	if (!worn || ++runs % RUNS_WORN != 0)
		return;
	worn = false;
	for (size_t i = 0; i < SETUPS; i++) {
		snapshot_unref(setups[i].snap);
		load_setup(&setups[i]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct run *r = calloc(1, sizeof(*r));
	size_t which = 0;

	if (r == NULL)
		abort();
	if (setups[0].snap == NULL)
		set_up();
	arena_init(&r->arena);
	memset(&zone, 0, sizeof(zone));
	if (size > 0 && text[0] >= '0' && text[0] < '0' + (char)SETUPS)
		which = (size_t)(text[0] - '0');
	r->setup = &setups[which];
	renew(r->setup);
	walk_passes(true);
	converse(r, text, text + size);
	walk_passes(false);
	arena_fini(&r->arena);
	free(r);
	return 0;
}
