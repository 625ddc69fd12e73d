/*
 * Of every mail From is read once, and whoever asks for the author takes it
 * from m->author: to own it, to sign for it, to look it up and to judge it.
 * Beside the mails below all that POSTERN_DATA has, and the values that the
 * fuzzing of authors found.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dns.h"
#include "lib/dns/dnsbl.h"
#include "lib/list/accesslist.h"
#include "lib/mail/message.h"
#include "milter/log.h"
#include "milter/stages.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define SEEN_MAX 1024
#define ZONE "dbl.example"
#define SELECTOR "ed"
#define OWNED ".com" /* bob owns all that is below it */

/* Every stage is on; & is the directory with the files. */
#define CONF                                                                   \
	"Mode sv\nAuthservID mx.here.example\nHELOOurs here.example\n"         \
	"RuleStats none\nRuleFile &/rules.cf\nSoftwareHeader yes\n"            \
	"AllowList friend@ok.example\nBlockList foe@worse.example\n"           \
	"PeerList 192.0.2.99\nRequireSafeKeys no\nDNSTimeout 60\n"             \
	"DNSBL " ZONE " {\n Ask = {from}\n Codes = {127.0.1.2}\n"              \
	" MaxShare = 100\n Test = test.example\n Action = score\n}\n"          \
	"KeyTable csl:k=%:" SELECTOR ":" KEY_ED25519 "\n"                      \
	"SigningTable refile:&/signing\nSenderLogins refile:&/owners\n"        \
	"SenderLoginsAction log\nQuotaTable &/quota\nQuotaAccounts 1000\n"     \
	"Quota default {\n Messages = {1000000/hour}\n}\n"

static const struct {
	const char *name, *text;
} files[] = {
    {"rules.cf", "header ODD From:addr =~ /bob/\nscore ODD 0.1\n"},
    {"signing", "* k\n"},
    {"owners", "*@*" OWNED " bob\n"},
};

static char dir[] = "/tmp/postern-agree-XXXXXX";
static struct snapshot *snap;

/* -- who reads From -- */

static unsigned authors_read, fields_read, values_read;

int __real_author_read(
    struct arena *a, const struct hdr_list *headers, struct author *who);
int __wrap_author_read(
    struct arena *a, const struct hdr_list *headers, struct author *who);
int
__wrap_author_read(
    struct arena *a, const struct hdr_list *headers, struct author *who)
{
	authors_read++;
	return __real_author_read(a, headers, who);
}

int __real_author_read_field(
    struct arena *a, const struct hdr *h, struct author *who);
int __wrap_author_read_field(
    struct arena *a, const struct hdr *h, struct author *who);
int
__wrap_author_read_field(
    struct arena *a, const struct hdr *h, struct author *who)
{
	fields_read++;
	return __real_author_read_field(a, h, who);
}

int __real_addr_read(struct arena *a, const char *value, size_t len,
    struct addr_list *list_r);
int __wrap_addr_read(struct arena *a, const char *value, size_t len,
    struct addr_list *list_r);
int
__wrap_addr_read(struct arena *a, const char *value, size_t len,
    struct addr_list *list_r)
{
	values_read++;
	return __real_addr_read(a, value, len, list_r);
}

/* -- what is asked for -- */

static struct seen {
	const void *by; /* which list; NULL: the DNS */
	char *name;
} seen[SEEN_MAX];
static size_t seen_count;
static bool looking;

static void
see(const void *by, const char *name)
{
	if (!looking)
		return;
	assert_true(seen_count < SEEN_MAX);
	seen[seen_count].by = by;
	seen[seen_count++].name = strdup(name);
}

static void
forget(void)
{
	while (seen_count > 0)
		free(seen[--seen_count].name);
	authors_read = fields_read = values_read = 0;
}

int __real_accesslist_sender(const struct accesslist *list,
    const char *address, struct dataset_entry *entry_r);
int __wrap_accesslist_sender(const struct accesslist *list,
    const char *address, struct dataset_entry *entry_r);
int
__wrap_accesslist_sender(const struct accesslist *list, const char *address,
    struct dataset_entry *entry_r)
{
	see(list, address);
	return __real_accesslist_sender(list, address, entry_r);
}

/* A DNS in which every domain has a policy, a key and a bad name. */
struct dns_query {
	struct dns_answer answer;
	struct dns_record record;
};

static void
answer(struct dns_query *q, const void *data, size_t len)
{
	q->record = (struct dns_record){.data = data, .len = len};
	q->answer.status = DNS_OK;
	q->answer.count = 1;
	q->answer.records = &q->record;
}

static bool
ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);

	return n >= e && strcasecmp(name + n - e, end) == 0;
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	static const char key[] = "v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC;
	static const char policy[] = "v=DMARC1; p=none";
	struct dns_query *q = calloc(1, sizeof(*q));

	(void)ctx;
	if (q == NULL)
		abort();
	see(NULL, name);
	q->answer = (struct dns_answer){.status = DNS_NXDOMAIN, .ttl = 300};
	if (type == DNS_TXT && strstr(name, "._domainkey.") != NULL)
		answer(q, key, sizeof(key) - 1);
	else if (type == DNS_TXT && strncmp(name, "_dmarc.", 7) == 0)
		answer(q, policy, sizeof(policy) - 1);
	else if (type == DNS_A && ends_in(name, "." ZONE) &&
	    (looking || strcmp(name, "test.example." ZONE) == 0))
		answer(q, "\x7f\0\1\2", 4);
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

static const struct dns dns = {
    .start = start, .collect = collect, .drop = drop};

/* -- what each stage took for the author -- */

static struct {
	size_t mails, unread, signed_, refused, listed, valid, unreadable,
	    several;
} total;

static bool
was_asked(const void *by, const char *name)
{
	for (size_t i = 0; i < seen_count; i++) {
		if (seen[i].by == by && strcasecmp(seen[i].name, name) == 0)
			return true;
	}
	return false;
}

static void
read_once(const char *mail, const struct message *m)
{
	if (authors_read != 1 || fields_read != 0 ||
	    values_read != m->author.fields)
		fail_msg("%s: authors are read %u times, fields %u and %u, "
		    "of %zu", mail, authors_read, fields_read, values_read,
		    m->author.fields);
}

static void
login_agrees(const char *mail, const struct message *m)
{
	const struct author *who = &m->author;
	bool owned = who->state != AUTHOR_UNREADABLE && !who->names;

	for (size_t i = 0; i < who->domain_count && owned; i++)
		owned = ends_in(who->domains[i], OWNED);
	/* Those that found no room are as they were written. */
	for (size_t i = 0; i < who->count && owned && who->more; i++)
		owned = ends_in(who->list[i].domain, OWNED);
	if (m->from_denied == owned)
		fail_msg("%s: login takes it for %s", mail,
		    owned ? "another's" : "bob's");
	total.refused += !owned;
}

/* The d= of our signature; NULL: there is none. */
static const char *
signer(struct message *m)
{
	const struct edit *e = m->edits.first;
	const char *d;

	while (e != NULL && strcmp(e->name, "DKIM-Signature") != 0)
		e = e->next;
	if (e == NULL)
		return NULL;
	d = strstr(e->value, "d=");
	while (d != NULL && strchr(" \t\n", d[-1]) == NULL)
		d = strstr(d + 1, "d=");
	return d == NULL ? "no d="
			 : arena_memdup(&m->arena, d + 2, strcspn(d + 2, ";"));
}

/* The first author's domain, where all can be read, and the field can be signed:
 * a CR in it is not the same to every verifier. */
static void
sign_agrees(const char *mail, struct message *m)
{
	const struct author *who = &m->author;
	const char *d = signer(m), *want = NULL;

	if (m->unsigned_why != NULL &&
	    strcmp(m->unsigned_why, "no From that can be signed") == 0)
		return;
	if (who->state == AUTHOR_ONE || who->state == AUTHOR_SEVERAL)
		want = who->domains[0];
	if ((d == NULL) != (want == NULL) ||
	    (d != NULL && strcmp(d, want) != 0))
		fail_msg("%s: signed for %s in place of %s (%s)", mail,
		    d == NULL ? "nobody" : d, want == NULL ? "nobody" : want,
		    m->unsigned_why == NULL ? "" : m->unsigned_why);
	total.signed_ += d != NULL;
}

static void
header_agrees(const char *mail, const struct message *m)
{
	const struct author *who = &m->author;

	if (inbound_symbol(m, "MISSING_FROM") != (who->fields == 0) ||
	    inbound_symbol(m, "MULTIPLE_FROM") != (who->fields > 1) ||
	    inbound_symbol(m, "FROM_INVALID") !=
		(who->state == AUTHOR_UNREADABLE || who->names))
		fail_msg("%s: header takes it for something else", mail);
}

/* Our signature is one of the author's own domain where there is one author. */
static void
dkim_agrees(const char *mail, const struct message *m)
{
	const char *own = author_domain(&m->author);
	bool valid = false;

	for (size_t i = 0; m->dkim != NULL && i < m->dkim->count; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		if (v->status != DKIM_STATUS_PASS)
			continue;
		if (m->author.fields != 1)
			fail_msg("%s: a signature over one From of %zu passes",
			    mail, m->author.fields);
		valid = valid || (own != NULL && strcmp(own, v->domain) == 0);
	}
	if (inbound_symbol(m, "DKIM_VALID_AU") != valid)
		fail_msg("%s: dkim takes another for its author", mail);
	total.valid += valid;
}

/* Each domain is asked about, and what is asked about is above one of them. */
static void
dmarc_agrees(const char *mail, struct message *m)
{
	const struct author *who = &m->author;
	bool found = who->domain_count == 0;

	for (size_t i = 0; i < who->domain_count; i++) {
		found = found || strcmp(m->dmarc->domain, who->domains[i]) == 0;
		if (!was_asked(NULL, arena_printf(&m->arena, "_dmarc.%s",
				 who->domains[i])))
			fail_msg("%s: dmarc does not ask for %s", mail,
			    who->domains[i]);
	}
	if (!found)
		fail_msg("%s: dmarc takes %s for its author", mail,
		    m->dmarc->domain);
	for (size_t i = 0; i < seen_count; i++) {
		size_t k = 0;

		if (seen[i].by != NULL ||
		    strncmp(seen[i].name, "_dmarc.", 7) != 0)
			continue;
		while (k < who->domain_count &&
		    !ends_in(who->domains[k], seen[i].name + 7))
			k++;
		if (k == who->domain_count)
			fail_msg("%s: dmarc asks for %s", mail, seen[i].name);
	}
}

static void
dnsbl_agrees(const char *mail, const struct message *m)
{
	const struct author *who = &m->author;
	const struct dnsbl_finding *f = m->dnsbl;
	char name[DNSBL_NAME_SIZE];

	for (size_t i = 0; i < who->domain_count; i++) {
		if (!dnsbl_name_domain(who->domains[i], ZONE, name))
			continue;
		if (f == NULL || strcmp(f->asked, name) != 0)
			fail_msg("%s: %s is listed, and dnsbl finds %s", mail,
			    name, f == NULL ? "nothing" : f->asked);
		f = f->next;
		total.listed++;
	}
	if (f != NULL)
		fail_msg("%s: dnsbl finds %s", mail, f->asked);
}

/* Each list is asked for every author, in order, and for nothing else. */
static void
lists_agree(const char *mail, struct message *m)
{
	const struct author *who = &m->author;
	size_t all = who->count + who->seen_count, lists = 0, n = 0;
	const void *by = NULL;

	for (size_t i = 0; i < seen_count; i++) {
		const struct addr *a;

		/* "" is the sender. */
		if (seen[i].by == NULL || seen[i].name[0] == '\0')
			continue;
		if (seen[i].by != by) {
			assert_true(n == (by == NULL ? 0 : all));
			by = seen[i].by;
			lists++;
			n = 0;
		}
		assert_true(n < all);
		a = n < who->count ? &who->list[n]
				   : &who->seen[n - who->count];
		n++;
		if (strcmp(seen[i].name, arena_printf(&m->arena, "%s@%s",
					     a->local, a->domain)) != 0)
			fail_msg("%s: a list looks for %s, not %s@%s", mail,
			    seen[i].name, a->local, a->domain);
	}
	if (lists != (all > 0 ? 2 : 0) || n != all)
		fail_msg("%s: %zu lists, the last for %zu of %zu authors",
		    mail, lists, n, all);
}

/* -- a mail -- */

struct mail {
	const char *name;
	struct hdr_list headers;
	struct buf body;
	struct arena arena;
};

static void
pass(struct session *s, const struct hdr_list *headers, const struct buf *body,
    struct verdict *v_r)
{
	forget();
	looking = true;
	for (const struct hdr *h = headers->first; h != NULL; h = h->next)
		chain_header(s, h->name, h->name_len, h->value, h->value_len);
	chain_eoh(s);
	if (body->len > 0)
		chain_body(s, (const unsigned char *)body->data, body->len);
	*v_r = chain_eom(s);
	looking = false;
}

/* False: the chain has ended before From was read. */
static bool
was_read(const struct session *s)
{
	total.mails++;
	if (!s->msg->too_big)
		return true;
	total.unread++;
	return false;
}

static void
end(struct session *s, const struct verdict *v)
{
	chain_end(s, v);
	chain_close(s);
}

static void
submit(const struct mail *mail)
{
	const struct walk bob = {.client_ip = "192.0.2.1",
	    .rcpts = {"al@example.net"},
	    .macros = {{"{auth_authen}", "bob"}}};
	struct verdict v;
	struct session *s = walk_envelope(snap, &bob, &v, NULL);

	pass(s, &mail->headers, &mail->body, &v);
	if (was_read(s)) {
		read_once(mail->name, s->msg);
		login_agrees(mail->name, s->msg);
	}
	end(s, &v);
}

static void
receive(const struct mail *mail, const struct hdr_list *headers)
{
	const struct walk stranger = {
	    .client_ip = "192.0.2.7", .rcpts = {"al@here.example"}};
	struct verdict v;
	struct session *s = walk_envelope(snap, &stranger, &v, NULL);

	pass(s, headers, &mail->body, &v);
	if (was_read(s)) {
		read_once(mail->name, s->msg);
		header_agrees(mail->name, s->msg);
		dkim_agrees(mail->name, s->msg);
		dmarc_agrees(mail->name, s->msg);
		dnsbl_agrees(mail->name, s->msg);
		lists_agree(mail->name, s->msg);
		total.unreadable += s->msg->author.state == AUTHOR_UNREADABLE;
		total.several += s->msg->author.state == AUTHOR_SEVERAL;
	}
	end(s, &v);
}

/* From a local program, whose From is nobody's; then, signed, from outside. */
static void
send_on(const struct mail *mail)
{
	const struct walk local = {
	    .client_ip = "127.0.0.1", .rcpts = {"al@here.example"}};
	struct verdict v;
	struct session *s = walk_envelope(snap, &local, &v, NULL);
	struct hdr_list out;

	pass(s, &mail->headers, &mail->body, &v);
	if (was_read(s)) {
		read_once(mail->name, s->msg);
		sign_agrees(mail->name, s->msg);
	}
	assert_int_equal(edit_result(&s->msg->headers, &s->msg->edits,
			     &s->msg->arena, &out), 0);
	receive(mail, &out);
	end(s, &v);
}

static void
begin(struct mail *mail, const char *name)
{
	*mail = (struct mail){.name = name, .body = BUF_INIT};
	arena_init(&mail->arena);
}

static void
walk(struct mail *mail)
{
	submit(mail);
	send_on(mail);
	buf_fini(&mail->body);
	arena_fini(&mail->arena);
}

/* Signatures of others say nothing of the author. */
static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *mail = ctx;

	hdr_add(&mail->headers, &mail->arena, name, name_len, value, value_len);
	if (hdr_is(mail->headers.last, "DKIM-Signature"))
		((char *)(uintptr_t)mail->headers.last->name)[0] = 'X';
}

static void
walk_bytes(const char *name, const char *bytes, size_t len)
{
	struct mail mail;
	size_t body;

	begin(&mail, name);
	body = message_split(bytes, len, on_field, &mail);
	message_crlf(&mail.body, bytes + body, len - body);
	walk(&mail);
}

/* Values of From, with NUL NUL between them. */
static void
walk_values(const char *name, const char *bytes, size_t len)
{
	const char *p = bytes, *end_ = bytes + len;
	struct mail mail;

	begin(&mail, name);
	while (p < end_) {
		const char *stop = memmem(p, (size_t)(end_ - p), "\0\0", 2);

		if (stop == NULL)
			stop = end_;
		on_field(&mail, "From", 4, p, (size_t)(stop - p));
		p = stop == end_ ? end_ : stop + 2;
	}
	walk(&mail);
}

/* The fields of each message of a conversation, as fuzz_chain has it. */
static void
walk_conversation(const char *name, const char *bytes, size_t len)
{
	const char *p = bytes, *end_ = bytes + len;
	struct mail mail;

	begin(&mail, name);
	while (p < end_) {
		const char *stop = memchr(p, '\n', (size_t)(end_ - p)), *colon;
		size_t n;
		char *text;

		stop = stop == NULL ? end_ : stop;
		if (*p == 'M' && mail.headers.count > 0) {
			walk(&mail);
			begin(&mail, name);
		} else if (*p == 'F' && stop - p > 2) {
			text = walk_decode(&mail.arena, p + 2,
			    (size_t)(stop - p) - 2, &n);
			colon = memchr(text, ':', n);
			if (colon != NULL)
				on_field(&mail, text, (size_t)(colon - text),
				    colon + 1, n - (size_t)(colon - text) - 1);
		}
		p = stop + 1;
	}
	walk(&mail);
}

/* -- sets -- */

static void (*walk_file)(const char *name, const char *bytes, size_t len);

static int unpack(const char *path);

static int
on_file(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct buf b = BUF_INIT;
	char chunk[65536];
	size_t n;
	FILE *f;

	(void)st, (void)at;
	if (type != FTW_F)
		return 0;
	if (ends_in(path, ".tar.xz"))
		return unpack(path);
	f = fopen(path, "rb");
	assert_non_null(f);
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&b, chunk, n);
	fclose(f);
	if (b.len > 0)
		walk_file(path, b.data, b.len);
	buf_fini(&b);
	return 0;
}

static void
run(const char *format, const char *a, const char *b)
{
	char command[1000];

	snprintf(command, sizeof(command), format, a, b);
	assert_int_equal(system(command), 0);
}

static int
unpack(const char *path)
{
	char to[100];

	snprintf(to, sizeof(to), "%s/unpacked", dir);
	assert_int_equal(mkdir(to, 0700), 0);
	run("tar -xJf '%s' -C '%s'", path, to);
	assert_int_equal(nftw(to, on_file, 8, FTW_PHYS), 0);
	run("rm -rf '%s'%s", to, "");
	return 0;
}

static void
built_in(void **state)
{
	static const char *const mails[] = {
	    "From: Bob <bob@x.com>\n\nx\n",
	    "From: bob@x.com, al@y.org\nSender: bob@x.com\n\nx\n",
	    "From: bob@x.com\nfrom: al@y.org\n\nx\n",
	    "From: bob@x.com\nFROM : bob@x.com\n\nx\n",
	    "Sender: bob@x.com\n\nx\n",
	    "From: bob@x.com>, <al@y.org\n\nx\n",
	    "From: \"bob@x.com\" <al@y.org>\n\nx\n",
	    "From: bob, al@x.com\n\nx\n",
	    "From: b\xc3\xb6" "b@b\xc3\xbc" "cher.com\n\nx\n",
	    "From: =?utf-8?q?bob=40x.com?=\n\nx\n",
	    "From: a@a.org,b@b.org,c@c.org,d@d.org,e@e.org,f@f.org,g@g.org,"
	    "h@h.org,i@i.org,j@j.org\n\nx\n",
	    "From:\n\nx\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(*mails); i++)
		walk_bytes(mails[i], mails[i], strlen(mails[i]));
	/* Each stage had something to agree on. */
	assert_true(total.signed_ > 0 && total.refused > 0);
	assert_true(total.listed > 0 && total.valid > 0);
	assert_true(total.unreadable > 0 && total.several > 0);
	assert_int_equal(total.unread, 0);
}

static void
fuzzed(void **state)
{
	size_t before = total.mails;

	(void)state;
	walk_file = walk_values;
	assert_int_equal(
	    nftw(POSTERN_SOURCE "/t/fuzz/corpus/author", on_file, 8, 0), 0);
	assert_true(total.mails > before);
	before = total.mails;
	walk_file = walk_conversation;
	assert_int_equal(
	    nftw(POSTERN_SOURCE "/t/fuzz/corpus/chain", on_file, 8, 0), 0);
	assert_true(total.mails > before);
}

static void
collections(void **state)
{
	static const char *const sets[] = {"corpus-sa-give", "dkim-arc-stalwart",
	    "dkim-chasquid", "dkim-dkimpy", "dkim-mail-dkim",
	    "robust-mikel-mail", "robust-stalwart-mail-parser"};
	const char *data = getenv("POSTERN_DATA");
	char path[600];

	(void)state;
	walk_file = walk_bytes;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		snprintf(path, sizeof(path), "%s/%s",
		    data == NULL ? POSTERN_SOURCE "/../shared/data" : data,
		    sets[i]);
		if (access(path, R_OK) != 0) {
			print_message("%s: skipped, it is not there\n", path);
			continue;
		}
		assert_int_equal(nftw(path, on_file, 8, FTW_PHYS), 0);
	}
}

static int
set_up(void **state)
{
	const struct log_options quiet = {
	    .mute = true, .facility = LOG_MAIL, .name = "postern"};
	struct buf b = BUF_INIT;

	(void)state;
	log_open(&quiet);
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[200];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", dir, files[i].name);
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(files[i].text, f);
		assert_int_equal(fclose(f), 0);
	}
	for (const char *p = CONF; *p != '\0'; p++) {
		if (*p == '&')
			buf_str(&b, dir);
		else
			buf_char(&b, *p);
	}
	snap = walk_load(buf_text(&b));
	buf_fini(&b);
	snap->dns = &dns;
	for (int i = 0; i < 2; i++)
		chain_tick(snap);
	for (size_t i = 0; stages[i] != NULL; i++) {
		/* Who keeps records looks at no field itself. */
		if (!snap->on[i] && stages[i]->record == NULL)
			fail_msg("%s is off", stages[i]->name);
	}
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	print_message("%zu walks, %zu without reading; %zu unreadable, "
	    "%zu of several\n", total.mails, total.unread, total.unreadable,
	    total.several);
	forget();
	snapshot_unref(snap);
	run("rm -rf '%s'%s", dir, "");
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(built_in),
	    cmocka_unit_test(fuzzed),
	    cmocka_unit_test(collections),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
