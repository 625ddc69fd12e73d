/*
 * Inbound signatures: the fact, the symbols, the note, and what the
 * configuration makes of them.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/dkim/dkim_verify.h"
#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/dns_file.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define NOW 1700000000
#define KEY "v=DKIM1; k=ed25519; p=" KEY_ED25519_PUBLIC
#define AT "s._domainkey.example.org TXT "
#define SECURE "s._domainkey.example.org TXT+ "
#define FROM "joe@example.org"

/* A message signed by the domain, with that From and body; the body may then
 * change. */
static void
make(struct buf *b, const char *domain, const char *from, const char *body,
    const char *arrived)
{
	struct buf value = BUF_INIT;
	const char *const names[] = {"From", NULL};
	struct dkim_engine *e = dkim_engine_new();
	struct dkim_sign *s = dkim_sign_new(e, DKIM_CANON_BIT(DKIM_SIMPLE));
	struct dkim_request r = {.domain = domain, .selector = "s",
	    .at = NOW, .names = names};
	struct hdr_list list = {0};
	struct dkim_result res;
	struct dkim_key *key;
	struct errmsg msg;
	struct arena a;

	arena_init(&a);
	assert_int_equal(dkim_key_decode(KEY_ED25519, strlen(KEY_ED25519), 0,
	    &key, &msg), 0);
	r.key = key;
	buf_printf(&value, " %s", from);
	hdr_add(&list, &a, "From", 4, value.data, value.len);
	buf_fini(&value);
	dkim_sign_body(s, body, strlen(body));
	assert_int_equal(dkim_sign_finish(s, &a, &list, &r, 1, &res), 0);
	buf_printf(b, "DKIM-Signature: %s\nFrom: %s\n\n%s", res.value, from,
	    arrived);
	dkim_sign_free(s);
	dkim_engine_free(e);
	dkim_key_free(key);
	arena_fini(&a);
}

struct stage_case {
	const char *name;
	const char *conf, *zone; /* NULL: the key, where it should be */
	const char *from;        /* NULL: example.org's */
	const char *domain;      /* that signs; NULL: example.org */
	const char *arrived;     /* the body; NULL: as it was signed */
	const char *top;         /* put on top after it was signed */
	const char *message;     /* instead of all these */
	const char *note;
	const char *symbols;
	enum verdict_action verdict;
};

static const struct stage_case cases[] = {
    {"pass", .note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"pass for another", .from = "joe@example.net",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_EF"},
    {"two authors", .from = "joe@example.org, sue@example.net",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_EF"},
    {"two From: policy, not pass", .top = "From: eve@example.org\n",
	.note = " dkim=\"policy(example.org/s: there is more than one From field)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"two From, refused", "On-BadSignature reject\n",
	.top = "From: eve@example.org\n", .note = " dkim=\"policy(example.org/s: there is more than one From field)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_REJECT},
    {"MustBeSigned", "MustBeSigned Subject,To\n", .top = "To: sue@x\n",
	.note = " dkim=\"policy(example.org/s: a field is not signed that has to be)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"MustBeSigned: not there", "MustBeSigned Subject,To\n",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"StrictHeaders", "StrictHeaders yes\nOn-BadSignature reject\n",
	.top = "Date: x\nTo: a@b\nTo: c@d\n",
	.note = " dkim=\"permerror(example.org/s: a header field is there too often)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"StrictHeaders, and all is well", "StrictHeaders yes\n",
	.top = "Date: x\nTo: a@b\n", .note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"TrustSignaturesFrom: a stranger", "TrustSignaturesFrom x.example\n",
	.from = "joe@example.net", .note = " dkim=\"policy(example.org/s: the signer is not trusted)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"TrustSignaturesFrom: one of them",
	"TrustSignaturesFrom x.example,Example.ORG\n",
	.from = "joe@example.net", .note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_EF"},
    {"U-labels in From", .from = "joe@B\xc3\x9c" "CHER.example",
	.domain = "xn--bcher-kva.example",
	.zone = "s._domainkey.xn--bcher-kva.example TXT " KEY "\n",
	.note = " dkim=pass(xn--bcher-kva.example/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU"},
    {"no UTF-8 in From", .from = "joe@b\xfc" "cher.example",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_EF"},
    {"TrustSignaturesFrom: the author", "TrustSignaturesFrom x.example\n",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"UnprotectedKey none", "UnprotectedKey none\n",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"UnprotectedKey neutral", "UnprotectedKey neutral\n"
	"On-BadSignature reject\n", .note = " dkim=\"neutral(example.org/s: DNSSEC does not protect the key)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"UnprotectedKey fail", "UnprotectedKey fail\nOn-BadSignature reject\n",
	.note = " dkim=\"fail(example.org/s: DNSSEC does not protect the key)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_REJECT},
    {"UnprotectedKey, and it is protected", "UnprotectedKey fail\n",
	SECURE KEY "\n", .note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"Quarantine", "Quarantine yes\n", .arrived = "y\r\n",
	.note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_QUARANTINE},
    {"Quarantine, and to be refused",
	"Quarantine yes\nOn-BadSignature reject\n", .arrived = "y\r\n",
	.note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_REJECT},
    {"unsigned", .message = "From: x@y\n\n", .note = " dkim=none",
	.symbols = ""},
    {"unsigned, refused", "On-NoSignature reject\n",
	.message = "From: x@y\n\n", .note = " dkim=none", .symbols = "",
	.verdict = VERDICT_REJECT},
    {"changed", .arrived = "y\r\n", .note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"changed, refused", "On-BadSignature reject\n", .arrived = "y\r\n",
	.note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_REJECT},
    {"changed, held", "On-Default quarantine\n", .arrived = "y\r\n",
	.note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_QUARANTINE},
    {"changed, the key in test mode", "On-BadSignature reject\n",
	AT KEY "; t=y\n", .arrived = "y\r\n", .note = " dkim=\"fail(example.org/s: the body was changed)\"",
	.symbols = ""},
    {"the key in test mode", "On-NoSignature reject\n"
	"On-BadSignature reject\n", AT KEY "; t=y\n",
	.note = " dkim=\"pass(example.org/s: the key is in test mode)\"",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF,"
		   "DKIM_TESTING"},
    {"the key in test mode, for another", .zone = AT KEY "; t=s:y\n",
	.from = "joe@example.net", .note = " dkim=\"pass(example.org/s: the key is in test mode)\"",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_EF,DKIM_TESTING"},
    {"the key in test mode, a stranger's", "TrustSignaturesFrom x.example\n",
	AT KEY "; t=y\n", .from = "joe@example.net",
	.note = " dkim=\"policy(example.org/s: the signer is not trusted)\"", .symbols = ""},
    {"changed, the key in test mode: as unsigned", "On-NoSignature reject\n",
	AT KEY "; t=y\n", .arrived = "y\r\n",
	.note = " dkim=\"fail(example.org/s: the body was changed)\"", .symbols = "",
	.verdict = VERDICT_REJECT},
    {"no key", "On-BadSignature reject\n", "\n",
	.note = " dkim=\"permerror(example.org/s: there is no key)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID"},
    {"no key, refused", "On-KeyNotFound tempfail\n", "\n",
	.note = " dkim=\"permerror(example.org/s: there is no key)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_TEMPFAIL},
    {"no answer", NULL, AT "!timeout\n",
	.note = " dkim=\"temperror(example.org/s: the key look-up took too long)\"",
	.symbols = "DKIM_SIGNED,DKIM_INVALID", .verdict = VERDICT_TEMPFAIL},
    {"bits are counted of RSA keys", "MinimumKeyBits 2048\n",
	.note = " dkim=pass(example.org/s)",
	.symbols = "DKIM_SIGNED,DKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF"},
    {"malformed", .message = "DKIM-Signature: x\nFrom: x@y\n\n",
	.note = " dkim=\"permerror(-/-: the signature is malformed)\"", .symbols = "DKIM_SIGNED,DKIM_INVALID"},
};

static void
list_symbols(const struct message *m, struct buf *b)
{
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		if (strncmp(s->name, "DKIM_", 5) == 0)
			buf_printf(b, "%s%s", b->len > 0 ? "," : "", s->name);
	}
}

static void
run(const struct stage_case *c)
{
	struct snapshot *snap = walk_load(c->conf == NULL ? "" : c->conf);
	struct walk w = {.client_ip = "192.0.2.1", .from = "<a@example.org>",
	    .rcpts = {"c@d"}, .at = NOW, .chunk = 1};
	struct buf b = BUF_INIT, symbols = BUF_INIT;
	struct verdict v;
	struct session *s;
	struct dns dns;

	if (c->top != NULL)
		buf_str(&b, c->top);
	assert_int_equal(dns_file_open(
	    c->zone == NULL ? AT KEY "\n" : c->zone, &dns), 0);
	snap->dns = &dns;
	if (c->message == NULL)
		make(&b, c->domain == NULL ? "example.org" : c->domain,
		    c->from == NULL ? FROM : c->from, "x\r\n",
		    c->arrived == NULL ? "x\r\n" : c->arrived);
	w.message = c->message == NULL ? buf_text(&b) : c->message;
	s = walk_run(snap, &w, &v, NULL);
	list_symbols(s->msg, &symbols);
	if (v.action != c->verdict ||
	    strstr(buf_text(&s->msg->notes), c->note) == NULL ||
	    strcmp(buf_text(&symbols), c->symbols) != 0)
		fail_msg("%s: %s,%s, %s", c->name, verdict_word(v.action),
		    buf_text(&s->msg->notes), buf_text(&symbols));
	assert_non_null(s->msg->dkim);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&dns);
	buf_fini(&b);
	buf_fini(&symbols);
}

static void
mail_is_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		run(&cases[i]);
}

/* Neither our own mail nor without v, and not without a DNS. */
static void
not_everything_is_checked(void **state)
{
	static const struct {
		const char *conf;
		bool ours, dns;
	} not[] = {{"Mode v\nSPF no\nDMARC no\nIPRev no\n", false, false},
	    {"Mode s\n", false, true},
	    {"Mode sv\n", true, true}};
	struct walk w = {.client_ip = "192.0.2.1", .from = "<a@b>",
	    .rcpts = {"c@d"}, .message = "From: a@b\n\n"};
	struct verdict v;
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open("\n", &dns), 0);
	for (size_t i = 0; i < COUNT(not); i++) {
		struct snapshot *snap = walk_load(not[i].conf);
		struct session *s;

		snap->dns = not[i].dns ? &dns : NULL;
		w.macros[0].name = not[i].ours ? "{auth_type}" : NULL;
		w.macros[0].value = "PLAIN";
		w.macros[1].name = not[i].ours ? "{auth_authen}" : NULL;
		w.macros[1].value = "bob";
		s = walk_run(snap, &w, &v, NULL);
		assert_null(s->msg->dkim);
		chain_close(s);
		snapshot_unref(snap);
	}
	dns_file_close(&dns);
}

/* The client went away in the middle. */
static void
an_abort_gives_all_back(void **state)
{
	struct snapshot *snap = walk_load("");
	struct walk w = {.client_ip = "192.0.2.1", .from = "<a@b>",
	    .rcpts = {"c@d"}, .message = ""};
	static const char sig[] =
	    " v=1; a=ed25519-sha256; d=example.org; s=s; h=from; "
	    "bh=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=; b=AAAA";
	struct verdict v;
	struct session *s;
	struct dns dns;

	(void)state;
	assert_int_equal(dns_file_open(AT KEY "\n", &dns), 0);
	snap->dns = &dns;
	s = walk_envelope(snap, &w, &v, NULL);
	chain_header(s, "DKIM-Signature", 14, sig, strlen(sig));
	chain_header(s, "From", 4, " a@b", 4);
	chain_eoh(s);
	chain_body(s, (const unsigned char *)"x", 1);
	chain_end(s, NULL);
	chain_close(s);
	snapshot_unref(snap);
	dns_file_close(&dns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mail_is_judged),
	    cmocka_unit_test(not_everything_is_checked),
	    cmocka_unit_test(an_abort_gives_all_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
