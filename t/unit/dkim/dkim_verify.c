/*
 * Verdicts on signatures made by hand, honest, odd and hostile.  That what our
 * signer makes verifies is shown in dkim_sign.c.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dkim/dkim_verify.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_body.h"
#include "lib/dkim/dkim_engine.h"
#include "lib/dkim/dkim_field.h"
#include "lib/dkim/dkim_header.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dns/idna.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NOW 1700000000
#define ED "v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC
#define RSA "v=DKIM1; k=rsa; p=" KEY_RSA_PUBLIC
#define AT "s._domainkey.example.org TXT "
/* A modulus of 512 bits, all ones but few: nobody's key, and too short. */
#define SHORT "MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANmBe10IgY+u7h3enWTukkqtUD5PR52T" \
	      "b/mPfjC0QJTocVBq6Za/PlzfV+Py92VaCak19F4WrbVTK5Gg5tW220MCAwEAAQ=="
#define FIELDS "From: joe@example.org\nTo: sue@example.net\nSubject: x\n"
/* What may stand before and behind the tags that a case is about. */
#define HEAD "v=1; a=ed25519-sha256; "
#define TAIL " bh=@bh@; b="
#define DS "d=example.org; s=s; "
#define H "h=From:To:Subject;"

struct world {
	struct dkim_verifier *verifier;
	struct dkim_engine *engine;
	struct dkim_key *ed, *rsa;
};

struct mail {
	struct arena arena;
	struct hdr_list list;
};

static int
set_up(void **state)
{
	static struct world w;
	struct errmsg msg;

	w.verifier = dkim_verifier_new();
	w.engine = dkim_engine_new();
	if (w.verifier == NULL || w.engine == NULL ||
	    dkim_key_decode(KEY_ED25519, strlen(KEY_ED25519), 0, &w.ed,
		&msg) != 0 ||
	    dkim_key_decode(KEY_RSA, strlen(KEY_RSA), 0, &w.rsa, &msg) != 0)
		return -1;
	*state = &w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	dkim_key_free(w->ed);
	dkim_key_free(w->rsa);
	dkim_engine_free(w->engine);
	dkim_verifier_free(w->verifier);
	return 0;
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	assert_int_equal(hdr_add(&m->list, &m->arena, name, name_len, value,
	    value_len), 0);
}

/* The fields, with the signature (NULL: none) in front. */
static void
mail_init(struct mail *m, const char *sig, const char *fields)
{
	struct buf b = BUF_INIT;

	memset(m, 0, sizeof(*m));
	arena_init(&m->arena);
	if (sig != NULL)
		buf_printf(&b, "DKIM-Signature: %s\n", sig);
	buf_str(&b, fields);
	buf_char(&b, '\n');
	message_split(buf_text(&b), b.len, on_field, m);
	buf_fini(&b);
}

static void
body_hash(enum dkim_canon canon, uint64_t limit, const char *body, char bh[45])
{
	struct dkim_body *b = dkim_body_new_limited(EVP_sha256(), canon, limit);
	unsigned char md[DKIM_BODY_HASH_SIZE];

	dkim_body_add(b, body, strlen(body));
	assert_int_equal(dkim_body_finish(b, md), 0);
	EVP_EncodeBlock((unsigned char *)bh, md, sizeof(md));
	dkim_body_free(b);
}

/* The template with the body hash in it. */
static void
fill(struct buf *b, const char *template, const char *bh)
{
	const char *at = strstr(template, "@bh@");

	if (at == NULL) {
		buf_str(b, template);
		return;
	}
	buf_add(b, template, (size_t)(at - template));
	buf_str(b, bh);
	buf_str(b, at + 4);
}

/* What the signature that a mail begins with is over, without the engine. */
static void
own_hash(struct mail *m, unsigned char hash[DKIM_KEY_HASH_SIZE])
{
	const struct dkim_policy policy = {.now = NOW};
	struct dkim_field f;

	assert_int_equal(
	    dkim_field_read(&m->arena, m->list.first, &policy, &f), 0);
	if (f.names != NULL)
		assert_int_equal(dkim_header_hash(
		    &m->list, m->list.first, &f, hash), 0);
}

/* The same by the engine. */
static void
engine_hash(const struct world *w, const struct mail *m,
    unsigned char hash[DKIM_KEY_HASH_SIZE])
{
	struct dkim *d = dkim_engine_begin(w->engine);
	struct buf field = BUF_INIT;

	for (const struct hdr *h = m->list.first; h != NULL; h = h->next) {
		buf_reset(&field);
		dkim_engine_field(
		    &field, h->name, h->name_len, h->value, h->value_len);
		assert_true(dkim_engine_feed(d, &field));
	}
	buf_reset(&field);
	dkim_engine_field(
	    &field, DKIM_FIELD_SPARE, strlen(DKIM_FIELD_SPARE), "", 0);
	assert_true(dkim_engine_feed(d, &field));
	assert_true(dkim_engine_run(&d));
	memcpy(hash, dkim_engine_hash(d, 0), DKIM_KEY_HASH_SIZE);
	dkim_engine_end(d);
	buf_fini(&field);
}

/* The engine refuses UTF-8 in a signature. */
static void
sign_utf8(const struct world *w, const struct dkim_key *key, struct buf *sig,
    const char *behind, const char *fields)
{
	unsigned char bytes[DKIM_KEY_SIGNATURE_MAX], text[4096];
	unsigned char hash[DKIM_KEY_HASH_SIZE] = {0};
	size_t len = sizeof(bytes);
	struct buf b = BUF_INIT;
	struct mail m;

	(void)w;
	buf_printf(&b, "%sAAAA%s", sig->data, behind);
	mail_init(&m, b.data, fields);
	own_hash(&m, hash);
	assert_int_equal(dkim_key_sign(key, hash, bytes, &len), 0);
	EVP_EncodeBlock(text, bytes, (int)len);
	buf_printf(sig, "%s%s", (const char *)text, behind);
	buf_fini(&b);
	arena_fini(&m.arena);
}

/* Sign what the engine makes of it; what it refuses gets some signature. */
static void
sign(const struct world *w, const struct dkim_key *key, struct buf *sig,
    const char *behind, const char *fields)
{
	unsigned char bytes[DKIM_KEY_SIGNATURE_MAX], text[4096], zero[32] = {0};
	struct dkim *d = dkim_engine_begin(w->engine);
	const unsigned char *hash = zero;
	size_t len = sizeof(bytes);
	struct buf field = BUF_INIT;
	bool fed = true;
	struct mail m;

	mail_init(&m, NULL, fields);
	dkim_engine_field(&field, "DKIM-Signature", 14, " ", 1);
	dkim_engine_text(&field, sig->data, sig->len);
	buf_str(&field, "AAAA");
	buf_str(&field, behind);
	/* The engine loses memory over one that is too long. */
	fed = field.len < 65536 && dkim_engine_feed(d, &field);
	for (const struct hdr *h = m.list.first; h != NULL; h = h->next) {
		if (hdr_is(h, "DKIM-Signature"))
			continue;
		buf_reset(&field);
		dkim_engine_field(
		    &field, h->name, h->name_len, h->value, h->value_len);
		fed = dkim_engine_feed(d, &field) && fed;
	}
	if (fed && dkim_engine_run(&d) && dkim_engine_hash(d, 0) != NULL)
		hash = dkim_engine_hash(d, 0);
	assert_int_equal(dkim_key_sign(key, hash, bytes, &len), 0);
	EVP_EncodeBlock(text, bytes, (int)len);
	buf_str(sig, (const char *)text);
	buf_str(sig, behind);
	dkim_engine_end(d);
	buf_fini(&field);
	arena_fini(&m.arena);
}

struct given {
	const char *sig;     /* up to b=, with @bh@; NULL: none */
	const char *fields;  /* NULL: FIELDS */
	const char *zone;    /* NULL: the key where it should be */
	const char *body;    /* NULL: a line */
	const char *arrived; /* the body as it arrives; NULL: the same */
	const char *behind;  /* put behind b= */
	uint64_t limit;      /* of the body hashed; 0: none */
	bool rsa, relaxed;
	bool whole; /* the body comes in one piece */
	struct dkim_policy policy;
};

static void
verify(const struct world *w, const struct given *g, const char *sig,
    struct mail *m, struct dkim_verdicts *verdicts_r)
{
	const char *body = g->arrived != NULL ? g->arrived
	    : g->body != NULL		      ? g->body
					      : "Hi.\r\n";
	struct dkim_policy policy = g->policy;
	struct dkim_verify *v;
	struct dns dns;

	if (policy.now == 0)
		policy.now = NOW;
	policy.drift = 300;
	mail_init(m, sig, g->fields == NULL ? FIELDS : g->fields);
	assert_int_equal(dns_file_open(g->zone != NULL ? g->zone
		: g->rsa			       ? AT RSA "\n"
						       : AT ED "\n",
	    &dns), 0);
	v = dkim_verify_new(w->verifier, &policy, &dns, &m->arena, &m->list);
	assert_non_null(v);
	/* Where chunks end makes no difference. */
	for (size_t i = 0; !g->whole && body[i] != '\0'; i++)
		dkim_verify_body(v, body + i, 1);
	if (g->whole)
		dkim_verify_body(v, body, strlen(body));
	assert_int_equal(dkim_verify_finish(v, NULL, verdicts_r), 0);
	dkim_verify_free(v);
	dns_file_close(&dns);
}

static void
run(const struct world *w, const struct given *g, struct mail *m,
    struct dkim_verdicts *verdicts_r)
{
	const char *body = g->body == NULL ? "Hi.\r\n" : g->body;
	struct buf sig = BUF_INIT;
	char bh[45];

	if (g->sig != NULL) {
		body_hash(g->relaxed ? DKIM_RELAXED : DKIM_SIMPLE,
		    g->limit == 0 ? UINT64_MAX : g->limit, body, bh);
		fill(&sig, g->sig, bh);
		(idna_is_ascii(buf_text(&sig)) ? sign : sign_utf8)(w,
		    g->rsa ? w->rsa : w->ed, &sig,
		    g->behind == NULL ? "" : g->behind,
		    g->fields == NULL ? FIELDS : g->fields);
	}
	verify(w, g, g->sig == NULL ? NULL : buf_text(&sig), m, verdicts_r);
	buf_fini(&sig);
}

struct verdict_case {
	const char *name;
	struct given g;
	enum dkim_status status;
	enum dkim_cause cause;
};

#define PASS DKIM_STATUS_PASS, DKIM_CAUSE_NONE
#define PERM(c) DKIM_STATUS_PERMERROR, DKIM_CAUSE_##c
#define TEMP DKIM_STATUS_TEMPERROR, DKIM_CAUSE_DNS
#define POLICY(c) DKIM_STATUS_POLICY, DKIM_CAUSE_##c
#define FAIL(c) DKIM_STATUS_FAIL, DKIM_CAUSE_##c
#define LIMIT DKIM_STATUS_NEUTRAL, DKIM_CAUSE_LIMIT
#define BAD PERM(SIGNATURE)
#define GOOD HEAD DS H TAIL
#define U_DOMAIN "b\xc3\xbc" "cher.example"
#define A_DOMAIN "xn--bcher-kva.example"
#define A_AT "s._domainkey." A_DOMAIN " TXT " ED
#define X16(s) s s s s s s s s s s s s s s s s

static const char *const reply_to[] = {"Subject", "Reply-To", NULL};
#define REPLY_TO FIELDS "reply-to: eve@example.net\n"
#define DATED FIELDS "Date: x\n"

static const struct verdict_case cases[] = {
    {"good", {.sig = GOOD}, PASS},
    {"good rsa", {.sig = "v=1; a=rsa-sha256; " DS H TAIL, .rsa = true}, PASS},
    {"relaxed", {.sig = HEAD DS "c=relaxed/relaxed; " H TAIL, .relaxed = true,
	.body = "a  b \r\n\r\n", .arrived = "a b\r\n"}, PASS},
    {"relaxed header alone", {.sig = HEAD DS "c=relaxed;" H TAIL}, PASS},
    {"semicolon at the end", {.sig = GOOD, .behind = ";"}, PASS},
    {"folds everywhere", {.sig = "v = 1 ;\n\ta= ed25519-sha256;\n d=\n "
	"example.org; s=s; h = From :\n To : Subject ; bh=@bh@;\n b="}, PASS},
    {"folded b=", {.sig = GOOD, .behind = "\n\t "}, PASS},
    {"unknown tags", {.sig = HEAD DS "zz=1; a1=x;" H TAIL}, PASS},
    {"empty unknown tag", {.sig = HEAD DS "zz=;" H TAIL}, PASS},
    {"oversigned", {.sig = HEAD DS "h=From:From:Cc:To:X;" TAIL}, PASS},
    {"all fields and one more",
	{.sig = HEAD DS "h=From:To:Subject:Subject;" TAIL}, PASS},
    {"upper case d=", {.sig = HEAD "d=Example.ORG; s=s;" H TAIL}, PASS},
    {"i= below d=", {.sig = HEAD DS "i=j@sub.example.org;" H TAIL}, PASS},
    {"i= quoted", {.sig = HEAD DS "i=j=3Do=20e@example.org;" H TAIL}, PASS},
    {"i= with two @", {.sig = HEAD DS "i=j=40e@example.org;" H TAIL}, LIMIT},
    {"i= in UTF-8", {.sig = HEAD DS "i=j\xc3\xbc@s\xc3\xbc.example.org;" H
	TAIL}, PASS},
    {"d= of U-labels", {.sig = HEAD "d=" U_DOMAIN "; s=s;" H TAIL,
	.zone = A_AT "\n"}, PASS},
    {"d= of U-labels, i= of A-labels", {.sig = HEAD "d=" U_DOMAIN
	"; s=s; i=j@x." A_DOMAIN ";" H TAIL, .zone = A_AT "\n"}, PASS},
    {"d= of A-labels, i= of U-labels", {.sig = HEAD "d=" A_DOMAIN
	"; s=s; i=j@" U_DOMAIN ";" H TAIL, .zone = A_AT "\n"}, PASS},
    {"U-label s=", {.sig = HEAD "d=example.org; s=s\xc3\xbc;" H TAIL,
	.zone = "xn--s-eha._domainkey.example.org TXT " ED "\n"}, PASS},
    {"q= with more", {.sig = HEAD DS "q=x/y : dns/txt;" H TAIL}, PASS},
    {"t= in 2001", {.sig = HEAD DS "t=1000000000;" H TAIL}, PASS},
    {"t= before there was DKIM", {.sig = HEAD DS "t=17;" H TAIL}, LIMIT},
    {"t= within the drift", {.sig = HEAD DS "t=1700000300;" H TAIL}, PASS},
    {"x= within the drift", {.sig = HEAD DS "x=1699999700;" H TAIL}, PASS},
    {"x= far away", {.sig = HEAD DS "x=999999999999;" H TAIL}, PASS},
    {"l= of it all", {.sig = HEAD DS "l=5;" H TAIL, .limit = 5}, PASS},
    {"empty body", {.sig = GOOD, .body = "", .arrived = "\r\n\r\n"}, PASS},
    {"no end of line", {.sig = GOOD, .body = "Hi.", .arrived = "Hi."}, PASS},

    {"no version", {.sig = "a=ed25519-sha256; " DS H TAIL}, BAD},
    {"version 2", {.sig = "v=2; a=ed25519-sha256; " DS H TAIL}, BAD},
    {"version 01", {.sig = "v=01; a=ed25519-sha256; " DS H TAIL}, BAD},
    {"no algorithm", {.sig = "v=1; " DS H TAIL}, BAD},
    {"unknown algorithm", {.sig = "v=1; a=rsa-md5; " DS H TAIL}, BAD},
    {"sha-1", {.sig = "v=1; a=rsa-sha1; " DS H TAIL, .rsa = true},
	POLICY(WEAK)},
    {"no domain", {.sig = HEAD "s=s;" H TAIL}, BAD},
    {"empty domain", {.sig = HEAD "d=; s=s;" H TAIL}, BAD},
    {"dots in d=", {.sig = HEAD "d=a..b; s=s;" H TAIL}, BAD},
    {"8-bit d=", {.sig = HEAD "d=\xf6.org; s=s;" H TAIL}, BAD},
    {"8-bit s=", {.sig = HEAD "d=example.org; s=\xf6;" H TAIL}, BAD},
    {"8-bit i=", {.sig = HEAD DS "i=@\xf6.example.org;" H TAIL}, BAD},
    {"no selector", {.sig = HEAD "d=example.org;" H TAIL}, BAD},
    {"odd selector", {.sig = HEAD "d=example.org; s=a/b;" H TAIL}, BAD},
    {"long selector", {.sig = HEAD "d=example.org; s="
	X16("0123456789abcde.") "x;" H TAIL}, BAD},
    {"no h=", {.sig = HEAD DS TAIL}, BAD},
    {"empty h=", {.sig = HEAD DS "h=;" TAIL}, BAD},
    {"From not signed", {.sig = HEAD DS "h=To:Subject;" TAIL}, BAD},
    {"a name that is none", {.sig = HEAD DS "h=From:a b/\x80;" TAIL}, BAD},
    {"empty name", {.sig = HEAD DS "h=From::To;" TAIL}, BAD},
    {"colon first", {.sig = HEAD DS "h=:From;" TAIL}, BAD},
    {"colon last", {.sig = HEAD DS "h=From:;" TAIL}, BAD},
    {"the spare field", {.sig = HEAD DS "h=From:x-postern-spare;" TAIL}, BAD},
    {"i= elsewhere", {.sig = HEAD DS "i=@example.net;" H TAIL}, BAD},
    {"i= of other U-labels", {.sig = HEAD "d=" U_DOMAIN "; s=s; i=j@b\xc3\xb6"
	"cher.example;" H TAIL, .zone = A_AT "\n"}, BAD},
    {"i= alike", {.sig = HEAD DS "i=@xexample.org;" H TAIL}, BAD},
    {"i= above", {.sig = HEAD DS "i=@org;" H TAIL}, BAD},
    {"i= without @", {.sig = HEAD DS "i=example.org;" H TAIL}, BAD},
    {"empty i=", {.sig = HEAD DS "i=;" H TAIL}, BAD},
    {"i= cut short", {.sig = HEAD DS "i=@example.org=;" H TAIL}, BAD},
    {"i= cut after one", {.sig = HEAD DS "i=@example.org=4;" H TAIL}, BAD},
    {"i= with a NUL", {.sig = HEAD DS "i=a=00@example.org;" H TAIL}, BAD},
    {"long i=", {.sig = HEAD DS "i=" X16("0123456789abcdef")
	"@example.org;" H TAIL}, BAD},
    {"unknown c=", {.sig = HEAD DS "c=nowsp;" H TAIL}, BAD},
    {"unknown c= of body", {.sig = HEAD DS "c=simple/;" H TAIL}, BAD},
    {"unknown q=", {.sig = HEAD DS "q=dns;" H TAIL}, BAD},
    {"t= that is none", {.sig = HEAD DS "t=1x;" H TAIL}, BAD},
    {"t= too long", {.sig = HEAD DS "t=1000000000000;" H TAIL}, BAD},
    {"t= negative", {.sig = HEAD DS "t=-1;" H TAIL}, BAD},
    {"x= before t=", {.sig = HEAD DS "t=9; x=9;" H TAIL}, BAD},
    {"future", {.sig = HEAD DS "t=1700000301;" H TAIL}, POLICY(EXPIRED)},
    {"expired", {.sig = HEAD DS "x=1699999699;" H TAIL}, POLICY(EXPIRED)},
    {"l= that is none", {.sig = HEAD DS "l=;" H TAIL}, BAD},
    {"l= negative", {.sig = HEAD DS "l=-5;" H TAIL}, BAD},
    {"l= too long", {.sig = HEAD DS "l=6;" H TAIL}, BAD},
    {"l= huge", {.sig = HEAD DS "l=18446744073709551621;" H TAIL}, BAD},
    {"no bh=", {.sig = HEAD DS H " b="}, BAD},
    {"bh= too short", {.sig = HEAD DS H "bh=AAAA; b="}, BAD},
    {"bh= not base64", {.sig = HEAD DS H "bh=@bh@#; b="}, BAD},
    {"no b=", {.sig = HEAD DS H "bh=@bh@; c="}, BAD},
    {"b= not base64", {.sig = GOOD, .behind = "!"}, BAD},
    {"b= twice", {.sig = GOOD, .behind = "; b=AAAA"}, BAD},
    {"d= twice", {.sig = HEAD DS "d=example.net;" H TAIL}, BAD},
    {"no tag list", {.sig = "hello world b="}, BAD},
    {"no value", {.sig = HEAD DS "zz;" H TAIL}, BAD},
    {"empty tag", {.sig = HEAD ";" DS H TAIL}, BAD},
    {"tag of no name", {.sig = HEAD "=x;" DS H TAIL}, BAD},
    {"a control", {.sig = HEAD DS "zz=\001;" H TAIL}, BAD},
    {"space before b's =", {.sig = HEAD DS H " bh=@bh@; b ="}, LIMIT},
    {"tag that ends in b", {.sig = HEAD DS "xb=1;" H TAIL}, LIMIT},
    {"no From there", {.sig = GOOD, .fields = "To: x\n"}, BAD},

    {"no key", {.sig = GOOD, .zone = "\n"}, PERM(NO_KEY)},
    {"no TXT", {.sig = GOOD, .zone = "s._domainkey.example.org A 1.2.3.4\n"},
	PERM(NO_KEY)},
    {"timeout", {.sig = GOOD, .zone = AT "!timeout\n"}, TEMP},
    {"servfail", {.sig = GOOD, .zone = AT "!servfail\n"}, TEMP},
    {"two keys", {.sig = GOOD, .zone = AT ED "\n" AT ED "\n"}, PERM(KEY)},
    {"revoked", {.sig = GOOD, .zone = AT "v=DKIM1; k=ed25519; p=\n"},
	PERM(NO_KEY)},
    {"no p=", {.sig = GOOD, .zone = AT "v=DKIM1; k=ed25519\n"}, PERM(KEY)},
    {"not a record", {.sig = GOOD, .zone = AT "hello\n"}, PERM(KEY)},
    {"p= not base64", {.sig = GOOD, .zone = AT "k=ed25519; p=!\n"}, PERM(KEY)},
    {"p= too short", {.sig = GOOD, .zone = AT "k=ed25519; p=AAAA\n"},
	PERM(KEY)},
    {"p= not DER", {.sig = GOOD, .zone = AT "p=AAAA\n"}, PERM(KEY)},
    {"k= unknown", {.sig = GOOD, .zone = AT "k=dsa; p=AAAA\n"}, PERM(KEY)},
    {"k= of the other kind", {.sig = GOOD, .zone = AT RSA "\n"}, PERM(KEY)},
    {"version of the key", {.sig = GOOD, .zone = AT "v=DKIM2; k=ed25519; p="
	KEY_ED25519_PUBLIC "\n"}, PERM(KEY)},
    {"version not first", {.sig = GOOD, .zone = AT "k=ed25519; v=DKIM1; p="
	KEY_ED25519_PUBLIC "\n"}, PERM(KEY)},
    {"no version of the key", {.sig = GOOD, .zone = AT "k=ed25519; p="
	KEY_ED25519_PUBLIC "\n"}, PASS},
    {"key tag twice", {.sig = GOOD, .zone = AT ED "; p="
	KEY_ED25519_PUBLIC "\n"}, PERM(KEY)},
    {"sha1 alone", {.sig = GOOD, .zone = AT ED "; h=sha1\n"}, PERM(KEY)},
    {"sha256 too", {.sig = GOOD, .zone = AT ED "; h=sha1 : sha256\n"}, PASS},
    {"not for mail", {.sig = GOOD, .zone = AT ED "; s=tlsrpt\n"}, PERM(KEY)},
    {"for mail too", {.sig = GOOD, .zone = AT ED "; s=x:email\n"}, PASS},
    {"for all", {.sig = GOOD, .zone = AT ED "; s=*\n"}, PASS},
    {"strict", {.sig = HEAD DS "i=@example.org;" H TAIL, .zone = AT ED
	"; t=s\n"}, PASS},
    {"strict, below", {.sig = HEAD DS "i=@a.example.org;" H TAIL, .zone = AT ED
	"; t=y:s\n"}, PERM(KEY)},
    {"testing", {.sig = GOOD, .zone = AT ED "; t=y\n"}, PASS},
    {"rsa-sha256 with a short key", {.sig = "v=1; a=rsa-sha256; " DS H TAIL,
	.rsa = true, .zone = AT "p=" SHORT "\n"}, FAIL(HEADER)},
    {"policy on length", {.sig = "v=1; a=rsa-sha256; " DS H TAIL, .rsa = true,
	.policy.min_bits = 8192}, POLICY(WEAK)},

    {"two From", {.sig = GOOD, .fields = "From: eve@example.org\n" FIELDS},
	POLICY(FIELDS)},
    {"two From, both signed", {.sig = HEAD DS "h=From:From:To;" TAIL,
	.fields = "From: eve@example.org\n" FIELDS}, POLICY(FIELDS)},
    {"two From, and the body changed", {.sig = GOOD, .arrived = "Ho.\r\n",
	.fields = "From: eve@example.org\n" FIELDS}, FAIL(BODY)},
    {"must be signed, and is", {.sig = HEAD DS "h=From:Subject:Reply-To;" TAIL,
	.fields = REPLY_TO, .policy.must_sign = reply_to}, PASS},
    {"must be signed, and is not there", {.sig = GOOD,
	.policy.must_sign = reply_to}, PASS},
    {"must be signed, and is not", {.sig = GOOD, .fields = REPLY_TO,
	.policy.must_sign = reply_to}, POLICY(FIELDS)},
    {"strict", {.sig = GOOD, .fields = DATED, .policy.strict = true}, PASS},
    {"strict, two To", {.sig = GOOD, .fields = DATED "to: x\n",
	.policy.strict = true}, PERM(FORM)},
    {"strict, no Date", {.sig = GOOD, .policy.strict = true}, PERM(FORM)},
    {"two To", {.sig = GOOD, .fields = "To: x\n" FIELDS}, PASS},

    {"body changed", {.sig = GOOD, .arrived = "Ho.\r\n"}, FAIL(BODY)},
    {"body longer", {.sig = GOOD, .arrived = "Hi.\r\nx\r\n"}, FAIL(BODY)},
    {"another signature", {.sig = GOOD, .behind = "AAAA"}, BAD},
    {"tail", {.sig = HEAD DS "l=5;" H TAIL, .limit = 5,
	.arrived = "Hi.\r\nx\r\n"}, POLICY(LENGTH)},
    {"l=0", {.sig = HEAD DS "c=simple/relaxed; l=0;" H TAIL, .body = "",
	.relaxed = true, .arrived = "x\r\n"}, POLICY(LENGTH)},
    {"tail, and the head changed", {.sig = HEAD DS "l=5;" H TAIL, .limit = 5,
	.arrived = "Ho.\r\nx\r\n"}, FAIL(BODY)},
    {"bare CR", {.sig = GOOD, .body = "a\rb\r\n"}, POLICY(LINES)},
    {"bare LF", {.sig = GOOD, .body = "a\nb\r\n"}, POLICY(LINES)},
    {"LF first", {.sig = GOOD, .body = "\nb\r\n"}, POLICY(LINES)},
    {"CR last", {.sig = GOOD, .body = "b\r\n\r"}, POLICY(LINES)},
    {"CR CR LF", {.sig = GOOD, .body = "b\r\r\n"}, POLICY(LINES)},
};

static void
verdicts_are(void **state)
{
	for (size_t i = 0; i < COUNT(cases); i++) {
		const struct verdict_case *c = &cases[i];
		struct dkim_verdicts v;
		struct mail m;

		run(*state, &c->g, &m, &v);
		assert_int_equal(v.count, 1);
		if (v.list[0].status != c->status ||
		    v.list[0].cause != c->cause)
			fail_msg("%s: %s, cause %d: %s", c->name,
			    dkim_status_word(v.list[0].status),
			    v.list[0].cause, v.list[0].reason);
		assert_true((v.list[0].reason == NULL) ==
		    (v.list[0].status == DKIM_STATUS_PASS &&
			!v.list[0].testing));
		arena_fini(&m.arena);
	}
}

/* Wherever in a large piece it stands. */
static void
bare_line_ends_are_found(void **state)
{
	char body[203];
	struct given g = {.sig = GOOD, .body = body, .whole = true};
	struct dkim_verdicts v;
	struct mail m;

	for (size_t i = 0; i <= 2 * 200; i++) {
		memset(body, 'a', 200);
		strcpy(body + 200, "\r\n");
		if (i < 2 * 200)
			body[i / 2] = i & 1 ? '\r' : '\n';
		run(*state, &g, &m, &v);
		if (v.list[0].cause !=
		    (i < 2 * 200 ? DKIM_CAUSE_LINES : DKIM_CAUSE_NONE))
			fail_msg("at %zu: %s", i, v.list[0].reason);
		arena_fini(&m.arena);
	}
}

static void
says_who_and_how(void **state)
{
	struct given g = {.sig = "v=1; a=rsa-sha256; d=Example.ORG; s=s; "
				 "i=j=20o@Sub.Example.org;" H TAIL,
	    .rsa = true, .zone = AT RSA "; t=y\n"};
	struct dkim_verdicts v;
	struct mail m;

	run(*state, &g, &m, &v);
	assert_string_equal(v.list[0].domain, "example.org");
	assert_string_equal(v.list[0].selector, "s");
	assert_string_equal(v.list[0].identity, "j o@Sub.Example.org");
	assert_string_equal(v.list[0].algorithm, "rsa-sha256");
	assert_int_equal(strlen(v.list[0].b), 8);
	assert_int_equal(v.list[0].bits, 1024);
	assert_true(v.list[0].testing);
	assert_string_equal(v.list[0].reason, "the key is in test mode");
	assert_false(v.many_from);
	assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
	assert_int_equal(dkim_verdicts_best(&v), DKIM_STATUS_PASS);
	arena_fini(&m.arena);
	/* One that does not verify is no signature at all. */
	g.arrived = "x\r\n";
	run(*state, &g, &m, &v);
	assert_true(v.list[0].testing);
	assert_string_equal(v.list[0].reason, "the body was changed");
	assert_int_equal(dkim_verdicts_best(&v), DKIM_STATUS_NONE);
	arena_fini(&m.arena);
	g.arrived = NULL;
	g.sig = GOOD;
	g.rsa = false;
	g.zone = NULL;
	run(*state, &g, &m, &v);
	assert_string_equal(v.list[0].identity, "@example.org");
	assert_false(v.list[0].testing);
	assert_int_equal(dkim_verdicts_best(&v), DKIM_STATUS_PASS);
	arena_fini(&m.arena);
}

/* Of every signature that is good, our own hash is the engine's. */
static void
hashes_are_the_engines(void **state)
{
	static const char fields[] = "From: a\nX:  \tb\t c \n\t d\nTo: e\n"
	    "x : f\nTO:g\nSubject:\nDKIM-Signature: v=1; a=ed25519-sha256; "
	    "d=example.net; s=s; h=From; bh=AAAA; b=AAAA\n";
	static const char *const sigs[] = {
	    "v=1; a=ed25519-sha256; c=%s; d=example.org; s=s; "
	    "h=From:To:Subject; bh=AAAA; b=AAAA",
	    "v=1; a=ed25519-sha256;\n c=%s;\td=example.org; s=s; h=to:x:to:X:X:"
	    "From:Reply-To;\n\tb= AAAA\n\tAAAA ; bh=AAAA;",
	    "v=1; a=ed25519-sha256; d=example.org; s=s; c=%s;\n"
	    "\th = DKIM-Signature : From: x; bh=AAAA; b= AAAA ",
	};

	for (size_t i = 0; i < 2 * COUNT(sigs); i++) {
		unsigned char own[DKIM_KEY_HASH_SIZE], engines[sizeof(own)];
		struct buf b = BUF_INIT;
		struct mail m;

		buf_printf(&b, sigs[i / 2],
		    i % 2 == 0 ? "simple/simple" : "relaxed/relaxed");
		mail_init(&m, buf_text(&b), fields);
		memset(own, 0, sizeof(own));
		own_hash(&m, own);
		engine_hash(*state, &m, engines);
		if (memcmp(own, engines, sizeof(own)) != 0)
			fail_msg("%s", buf_text(&b));
		buf_fini(&b);
		arena_fini(&m.arena);
	}
}

/* RFC 8616 section 5: signatures as dkimpy 1.0 makes them. */
static void
knows_others_utf8(void **state)
{
	static const char fields[] =
	    "From: J\303\274rgen <j\303\274rgen@" U_DOMAIN ">\n"
	    "To:  sue@example.net\n"
	    "Subject: Gr\303\274\303\237e\n  an alle\t \n"
	    "Subject: x\n";
	static const char sig[] = "v=1; a=rsa-sha256; c=%s/simple; d=" U_DOMAIN
	    ";\n i=\303\274@" U_DOMAIN "; q=dns/txt; s=s\303\274; "
	    "t=1795303211; h=from : to :\n subject : subject : subject;\n"
	    " bh=UrA8rmgY3eNBotmDWtzAmHyn5RyZv8Gea45sNGsP0zw=;\n b=%s";
	static const struct {
		const char *canon, *b;
	} vectors[] = {
	    {"simple", "v5TJcBY476yTRj9BZoD8MJOQ5NXGKyPVu4/GH3zl2tG4KHRp1dql"
		"UwCcu+qmLsS1DWXCS\n M+WsKcT4XW1QPkjYPjyXBcArdb7JKVkRiqLi+m6F"
		"w5GOeFGjFI8CXHCsw+M6fMoCF3Nvju8\n zPDFvtvs1Ag0oc7P9ifRAiSOBf"
		"Kb86Y="},
	    {"relaxed", "UCvciO3Lm5MZwW5P/f9SNtnyqvKcmXEPxHahD4r9QaRbIX2KdIS"
		"IoWi8Dso4y7xUODcHo\n xiARaLx4R6ITBoI1NOMwlJAsziaSm7X0MzdElPN8"
		"kx7M46V8oluJ6asvrcwwya5LbAQeYCN\n b3Wpckg/vD+GtC+3/SUIMDzao7E"
		"rgIc="},
	};

	for (size_t i = 0; i < 2 * COUNT(vectors); i++) {
		struct given g = {.fields = fields, .rsa = true,
		    .zone = "xn--s-eha._domainkey." A_DOMAIN " TXT " RSA "\n",
		    .policy.now = 1795303300};
		struct buf b = BUF_INIT;
		struct dkim_verdicts v;
		struct mail m;

		/* and changed, it does not verify */
		buf_printf(&b, sig, vectors[i / 2].canon, vectors[i / 2].b);
		if (i % 2 != 0)
			g.fields = "From: j\303\274rgen@" U_DOMAIN "\n";
		verify(*state, &g, buf_text(&b), &m, &v);
		assert_int_equal(v.list[0].status,
		    i % 2 == 0 ? DKIM_STATUS_PASS : DKIM_STATUS_FAIL);
		buf_fini(&b);
		arena_fini(&m.arena);
	}
}

/* RFC 8616 section 5: domains are A-labels from here on; a local part is not. */
static void
says_who_in_alabels(void **state)
{
	static const struct given g = {.sig = HEAD "d=" U_DOMAIN "; s=s; "
	    "i=j\xc3\xbc@S\xc3\xbc." U_DOMAIN ";" H TAIL, .zone = A_AT "\n"};
	struct dkim_verdicts v;
	struct mail m;

	run(*state, &g, &m, &v);
	assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
	assert_string_equal(v.list[0].domain, A_DOMAIN);
	assert_string_equal(
	    v.list[0].identity, "j\xc3\xbc@xn--s-eha." A_DOMAIN);
	arena_fini(&m.arena);
}

static void
unsigned_is_none(void **state)
{
	struct given g = {.sig = NULL};
	struct dkim_verdicts v;
	struct mail m;

	run(*state, &g, &m, &v);
	assert_int_equal(v.count, 0);
	assert_int_equal(dkim_verdicts_best(&v), DKIM_STATUS_NONE);
	arena_fini(&m.arena);
}

static void
says_when_there_are_many_from(void **state)
{
	static const char *const fields[] = {"From: a@b\nFROM: c@d\nTo: x\n",
	    "From: a@b\nFrom : c@d\nTo: x\n", "To: x\n"};
	struct dkim_verdicts v;
	struct mail m;

	for (size_t i = 0; i < COUNT(fields); i++) {
		struct given g = {.sig = HEAD DS "h=From:From;" TAIL,
		    .fields = fields[i]};

		run(*state, &g, &m, &v);
		assert_true(v.many_from);
		arena_fini(&m.arena);
	}
}

/* So many of a field, and a signature over the rest. */
static void
run_many(const struct world *w, const char *sig, const char *field, size_t n,
    size_t signatures, struct mail *m, struct dkim_verdicts *v)
{
	struct given g = {.sig = sig, .policy.signatures = signatures};
	struct buf fields = BUF_INIT;

	for (size_t i = 0; i < n; i++)
		buf_str(&fields, field);
	buf_str(&fields, FIELDS);
	g.fields = buf_text(&fields);
	run(w, &g, m, v);
	buf_fini(&fields);
}

static void
caps(void **state)
{
	struct buf sig = BUF_INIT, value = BUF_INIT;
	struct dkim_verdicts v;
	struct mail m;

	run_many(*state, GOOD, "To: x\n", 2000, 0, &m, &v);
	assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
	arena_fini(&m.arena);
	/* What is not signed costs nothing. */
	run_many(*state, GOOD, "Received: x\n", 5000, 0, &m, &v);
	assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
	arena_fini(&m.arena);
	buf_str(&value, "To: ");
	for (int i = 0; i < DKIM_VERIFY_OCTETS_MAX; i++)
		buf_char(&value, 'x');
	buf_char(&value, '\n');
	run_many(*state, GOOD, value.data, 1, 0, &m, &v);
	assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
	arena_fini(&m.arena);
	buf_str(&sig, HEAD DS "h=From");
	for (int i = 0; i < DKIM_VERIFY_NAMES_MAX; i++)
		buf_str(&sig, ":To");
	buf_str(&sig, ";" TAIL);
	run_many(*state, sig.data, "", 0, 0, &m, &v);
	assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
	arena_fini(&m.arena);
	buf_reset(&sig);
	buf_str(&sig, HEAD DS H " z=");
	while (sig.len < 70000)
		buf_char(&sig, 'x');
	buf_str(&sig, ";" TAIL);
	run_many(*state, sig.data, "", 0, 0, &m, &v);
	assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
	arena_fini(&m.arena);
	buf_fini(&sig);
	buf_fini(&value);
}

#define OTHER(d) "DKIM-Signature: v=1; a=ed25519-sha256; d=" d "; s=s;\n " H \
	"bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA\n"

static size_t
count_of(const struct dkim_verdicts *v, enum dkim_cause cause)
{
	size_t n = 0;

	for (size_t i = 0; i < v->count; i++)
		n += v->list[i].cause == cause;
	return n;
}

static void
caps_signatures(void **state)
{
	struct dkim_verdicts v;
	struct mail m;

	run_many(*state, GOOD, OTHER("example.net"), 5000, 0, &m, &v);
	assert_int_equal(v.count, DKIM_VERIFY_SIGNATURES_MAX);
	assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
	assert_int_equal(count_of(&v, DKIM_CAUSE_NO_KEY), 7);
	arena_fini(&m.arena);
	run_many(*state, GOOD, OTHER("example.net"), 5000, 3, &m, &v);
	assert_int_equal(count_of(&v, DKIM_CAUSE_NO_KEY), 2);
	assert_int_equal(count_of(&v, DKIM_CAUSE_LIMIT), 5);
	arena_fini(&m.arena);
}

/* The author's domain comes first, whoever signed on top of it. */
static void
prefers_the_author(void **state)
{
	static const char *const authors[] = {"a.example", "sub.example.net"};
	struct given g = {.sig = GOOD, .policy.signatures = 1,
	    .policy.authors = authors, .policy.author_count = 2,
	    .fields = OTHER("xexample.net") OTHER("example.net")
		"From: a@sub.example.net\nTo: x\n"};
	struct dkim_verdicts v;
	struct mail m;

	run(*state, &g, &m, &v);
	assert_int_equal(v.count, 3);
	assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
	assert_int_equal(v.list[1].cause, DKIM_CAUSE_LIMIT);
	assert_int_equal(v.list[2].cause, DKIM_CAUSE_NO_KEY);
	arena_fini(&m.arena);
}

/* One beside it that can't be read hinders nobody; a signature over other
 * signatures is verified if they can be. */
static void
signatures_side_by_side(void **state)
{
	static const char *const others[] = {OTHER("example.net"),
	    "DKIM-Signature: \001\n", "DKIM-Signature: v=1\n",
	    "DKIM-Signature: v=1; a=rsa-sha1; b=x\n"};
	struct dkim_verdicts v;
	struct mail m;

	for (size_t i = 0; i < COUNT(others); i++) {
		run_many(*state, GOOD, others[i], 2, 0, &m, &v);
		assert_int_equal(v.count, 3);
		assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
		assert_int_not_equal(v.list[1].status, DKIM_STATUS_PASS);
		arena_fini(&m.arena);
		run_many(*state, HEAD DS "h=From:DKIM-Signature;" TAIL,
		    others[i], 1, 0, &m, &v);
		assert_int_equal(v.list[0].status,
		    i == 0 ? DKIM_STATUS_FAIL : DKIM_STATUS_NEUTRAL);
		arena_fini(&m.arena);
	}
}

/* A field that could be read in two ways is no base for a pass. */
static void
fields_of_no_form(void **state)
{
	static const struct {
		const char *value;
		size_t len;
	} values[] = {{" a\0b", 4}, {" a\rb", 4}, {" a\nb", 4}, {" a\n", 3},
	    {" a\r", 3}};
	struct given g = {.sig = GOOD};
	struct world *w = *state;

	for (size_t i = 0; i < COUNT(values); i++) {
		struct dkim_policy policy = {.now = NOW};
		struct dkim_verdicts v;
		struct dkim_verify *verify_;
		struct dns dns;
		struct mail m;

		run(w, &g, &m, &v);
		assert_int_equal(v.list[0].status, DKIM_STATUS_PASS);
		assert_int_equal(hdr_add(&m.list, &m.arena, "Subject", 7,
		    values[i].value, values[i].len), 0);
		assert_int_equal(dns_file_open(AT ED "\n", &dns), 0);
		verify_ = dkim_verify_new(
		    w->verifier, &policy, &dns, &m.arena, &m.list);
		dkim_verify_body(verify_, "Hi.\r\n", 5);
		assert_int_equal(dkim_verify_finish(verify_, NULL, &v), 0);
		assert_int_equal(v.list[0].cause, DKIM_CAUSE_LIMIT);
		dkim_verify_free(verify_);
		dns_file_close(&dns);
		arena_fini(&m.arena);
	}
}

/* A DNS that counts; what it answers is the file's. */
struct counter {
	struct dns file;
	size_t started, dropped;
};

static struct dns_query *
count_start(void *ctx, const char *name, enum dns_type type)
{
	struct counter *c = ctx;

	c->started++;
	return dns_start(&c->file, name, type);
}

static const struct dns_answer *
count_collect(void *ctx, struct dns_query *q, struct wait *w)
{
	struct counter *c = ctx;

	return dns_collect(&c->file, q, w);
}

static void
count_drop(void *ctx, struct dns_query *q)
{
	struct counter *c = ctx;

	c->dropped++;
	dns_drop(&c->file, q);
}

/* Each name once, all before the body; none for what fails without; all given
 * back, although nobody came to the end. */
static void
asks_early_and_once(void **state)
{
	struct counter c = {0};
	struct dns dns = {.ctx = &c, .start = count_start,
	    .collect = count_collect, .drop = count_drop};
	struct dkim_policy policy = {.now = NOW};
	struct world *w = *state;
	struct dkim_verify *v;
	struct mail m;

	assert_int_equal(dns_file_open(AT ED "\n", &c.file), 0);
	mail_init(&m, NULL, OTHER("a.org") OTHER("A.ORG") OTHER("b.org")
	    "DKIM-Signature: v=1; d=c.org; s=s\n" FIELDS);
	v = dkim_verify_new(w->verifier, &policy, &dns, &m.arena, &m.list);
	assert_int_equal(c.started, 2);
	dkim_verify_body(v, "x", 1);
	dkim_verify_free(v);
	assert_int_equal(c.dropped, 2);
	arena_fini(&m.arena);
	dns_file_close(&c.file);
}

static void
without_a_dns_is_a_temporary_error(void **state)
{
	struct dkim_policy policy = {.now = NOW};
	struct world *w = *state;
	struct dkim_verdicts verdicts;
	struct dkim_verify *v;
	struct mail m;

	mail_init(&m, NULL, OTHER("a.org") FIELDS);
	v = dkim_verify_new(w->verifier, &policy, NULL, &m.arena, &m.list);
	assert_int_equal(dkim_verify_finish(v, NULL, &verdicts), 0);
	assert_int_equal(verdicts.list[0].status, DKIM_STATUS_TEMPERROR);
	dkim_verify_free(v);
	arena_fini(&m.arena);
}

static void *
run_in_thread(void *ctx)
{
	struct dkim_verdicts v;
	struct mail m;

	for (size_t i = 0; i < 200; i++) {
		const struct verdict_case *c = &cases[i % COUNT(cases)];

		run(ctx, &c->g, &m, &v);
		if (v.list[0].status != c->status)
			return NULL;
		arena_fini(&m.arena);
	}
	return ctx;
}

static void
threads_share_a_verifier(void **state)
{
	pthread_t threads[4];
	void *done;

	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(
		    &threads[i], NULL, run_in_thread, *state), 0);
	for (size_t i = 0; i < COUNT(threads); i++) {
		pthread_join(threads[i], &done);
		assert_ptr_equal(done, *state);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdicts_are),
	    cmocka_unit_test(bare_line_ends_are_found),
	    cmocka_unit_test(says_who_and_how),
	    cmocka_unit_test(says_who_in_alabels),
	    cmocka_unit_test(hashes_are_the_engines),
	    cmocka_unit_test(knows_others_utf8),
	    cmocka_unit_test(unsigned_is_none),
	    cmocka_unit_test(says_when_there_are_many_from),
	    cmocka_unit_test(caps),
	    cmocka_unit_test(caps_signatures),
	    cmocka_unit_test(prefers_the_author),
	    cmocka_unit_test(signatures_side_by_side),
	    cmocka_unit_test(fields_of_no_form),
	    cmocka_unit_test(asks_early_and_once),
	    cmocka_unit_test(without_a_dns_is_a_temporary_error),
	    cmocka_unit_test(threads_share_a_verifier),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
