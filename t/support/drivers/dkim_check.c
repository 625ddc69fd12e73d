/* SPDX-License-Identifier: BSD-2-Clause */
#include "t/support/drivers/dkim_check.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <opendkim/dkim.h>
#include <openssl/evp.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dns/dns.h"
#include "lib/mail/hdr.h"

static void
canon_line(struct buf *out, const char *p, size_t len)
{
	bool space = false;

	for (size_t i = 0; i < len; i++) {
		if (p[i] == ' ' || p[i] == '\t') {
			space = true;
			continue;
		}
		if (space)
			buf_char(out, ' ');
		space = false;
		buf_char(out, p[i]);
	}
	buf_str(out, "\r\n");
}

/* The first line end; NULL: none. */
static const char *
line_end(const char *p, size_t len)
{
	const char *end = p + len;

	while ((p = memchr(p, '\r', (size_t)(end - p))) != NULL) {
		if (p + 1 < end && p[1] == '\n')
			return p;
		p++;
	}
	return NULL;
}

void
dkim_check_body(
    enum dkim_canon canon, const char *body, size_t len, struct buf *out)
{
	while (len > 0) {
		const char *end = line_end(body, len);
		size_t n = end == NULL ? len : (size_t)(end - body);

		if (canon == DKIM_RELAXED) {
			canon_line(out, body, n);
		} else {
			buf_add(out, body, n);
			buf_str(out, "\r\n");
		}
		if (end == NULL)
			break;
		body += n + 2;
		len -= n + 2;
	}
	while (out->len >= 4 &&
	    memcmp(out->data + out->len - 4, "\r\n\r\n", 4) == 0)
		out->len -= 2;
	if (out->len == 2 && memcmp(out->data, "\r\n", 2) == 0)
		out->len = 0;
	if (out->len == 0 && canon == DKIM_SIMPLE)
		buf_str(out, "\r\n");
}

void
dkim_check_body_hash(
    enum dkim_canon canon, const char *body, size_t len, char hash_r[45])
{
	unsigned char md[32];
	struct buf b = BUF_INIT;

	dkim_check_body(canon, body, len, &b);
	if (EVP_Digest(buf_text(&b), b.len, md, NULL, EVP_sha256(), NULL) != 1)
		abort();
	EVP_EncodeBlock((unsigned char *)hash_r, md, 32);
	buf_fini(&b);
}

/* Where the key is found: the handle's own memory. */
static DKIM_CBSTAT
key_lookup(DKIM *d, DKIM_SIGINFO *sig, unsigned char *buf, size_t size)
{
	const char *record = dkim_get_user_context(d);

	(void)sig;
	snprintf((char *)buf, size, "%s", record);
	return DKIM_CBSTAT_CONTINUE;
}

static DKIM_LIB *lib;
static pthread_once_t lib_once = PTHREAD_ONCE_INIT;

static void
make_lib(void)
{
	uint64_t drift = 1000000000;
	/* Also where the From field is no address. */
	unsigned int flags = DKIM_LIBFLAGS_BADSIGHANDLES;

	lib = dkim_init(NULL, NULL);
	if (lib == NULL ||
	    dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_FLAGS, &flags,
		sizeof(flags)) != DKIM_STAT_OK ||
	    dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_CLOCKDRIFT, &drift,
		sizeof(drift)) != DKIM_STAT_OK ||
	    dkim_set_key_lookup(lib, key_lookup) != DKIM_STAT_OK)
		abort();
}

static void
field(DKIM *d, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct buf b = BUF_INIT;

	buf_add(&b, name, name_len);
	buf_char(&b, ':');
	for (size_t i = 0; i < value_len; i++) {
		if (value[i] == '\n' && (i == 0 || value[i - 1] != '\r'))
			buf_char(&b, '\r');
		buf_char(&b, value[i]);
	}
	/* It refuses names that are none; those are nobody's to verify. */
	(void)dkim_header(d, (unsigned char *)b.data, b.len);
	buf_fini(&b);
}

bool
dkim_check_lines(const char *body, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (body[i] == '\r' && (i + 1 == len || body[i + 1] != '\n'))
			return false;
		if (body[i] == '\n' && (i == 0 || body[i - 1] != '\r'))
			return false;
	}
	return true;
}

static bool
plain_body(const char *body, size_t len)
{
	return dkim_check_lines(body, len) &&
	    (len == 0 || body[len - 1] == '\n');
}

static const char *
body_wrong(DKIM_SIGINFO *sig, const char *body, size_t len)
{
	const char *bh = (const char *)dkim_sig_gettagvalue(
	    sig, false, (unsigned char *)"bh");
	dkim_canon_t hc, bc;
	char want[45];

	if (dkim_sig_getcanons(sig, &hc, &bc) != DKIM_STAT_OK)
		return "no canonicalisation";
	dkim_check_body_hash(bc == DKIM_CANON_RELAXED ? DKIM_RELAXED
						      : DKIM_SIMPLE,
	    body, len, want);
	if (bh == NULL || strcmp(bh, want) != 0)
		return "bh= is not that of the plain canonicaliser";
	if (plain_body(body, len) && dkim_sig_getbh(sig) != DKIM_SIGBH_MATCH)
		return "the library's bh= is another";
	return NULL;
}

/* The first signature is ours. */
static const char *
outcome(DKIM *d, const char *body, size_t len)
{
	DKIM_SIGINFO **sigs;
	int count;

	if (dkim_getsiglist(d, &sigs, &count) != DKIM_STAT_OK || count < 1)
		return "no signature found";
	if ((dkim_sig_getflags(sigs[0]) & DKIM_SIGFLAG_PASSED) == 0)
		return dkim_sig_geterrorstr(dkim_sig_geterror(sigs[0]));
	return body_wrong(sigs[0], body, len);
}

const char *
dkim_check(const struct hdr_list *headers, const char *value,
    const char *body, size_t len, const char *record)
{
	struct buf top = BUF_INIT;
	const char *wrong;
	DKIM_STAT st;
	DKIM *d;

	pthread_once(&lib_once, make_lib);
	d = dkim_verify(lib, (const unsigned char *)"", NULL, &st);
	if (d == NULL)
		abort();
	dkim_set_user_context(d, (void *)(uintptr_t)record);
	buf_printf(&top, " %s", value);
	field(d, "DKIM-Signature", 14, buf_text(&top), top.len);
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		/* Other signatures are for other tests. */
		if (!hdr_is(h, "DKIM-Signature"))
			field(d, h->name, h->name_len, h->value, h->value_len);
	}
	(void)dkim_eoh(d);
	if (plain_body(body, len) && len > 0)
		(void)dkim_body(d, (unsigned char *)(uintptr_t)body, len);
	(void)dkim_eom(d, NULL);
	wrong = outcome(d, body, len);
	buf_fini(&top);
	dkim_free(d);
	return wrong;
}

/* Every name has the one record. */
struct dns_query {
	struct dns_record record;
	struct dns_answer answer;
};

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct dns_query *q = calloc(1, sizeof(*q));

	(void)name;
	(void)type;
	q->record = (struct dns_record){ctx, strlen(ctx)};
	q->answer = (struct dns_answer){
	    .status = DNS_OK, .count = 1, .records = &q->record};
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	(void)ctx;
	(void)w;
	return &q->answer;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	free(q);
}

static struct dkim_verifier *verifier;
static pthread_once_t verifier_once = PTHREAD_ONCE_INIT;

static void
make_verifier(void)
{
	verifier = dkim_verifier_new();
	if (verifier == NULL)
		abort();
}

struct dkim_verdict
dkim_check_ours(const struct hdr_list *headers, const char *value,
    const char *body, size_t len, const char *record)
{
	struct dns dns = {.ctx = (void *)(uintptr_t)record, .start = start,
	    .collect = collect, .drop = drop};
	struct dkim_policy policy = {
	    .now = 1528637909, .drift = 0, .signatures = 1};
	struct dkim_verdict verdict = {0};
	struct hdr_list list = {0};
	struct dkim_verdicts verdicts;
	struct dkim_verify *v;
	struct buf top = BUF_INIT;
	struct arena a;

	pthread_once(&verifier_once, make_verifier);
	arena_init(&a);
	buf_printf(&top, " %s", value);
	hdr_add(&list, &a, "DKIM-Signature", 14, buf_text(&top), top.len);
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		if (!hdr_is(h, "DKIM-Signature"))
			hdr_add(&list, &a, h->name, h->name_len, h->value,
			    h->value_len);
	}
	v = dkim_verify_new(verifier, &policy, &dns, &a, &list);
	dkim_verify_body(v, body, len);
	if (dkim_verify_finish(v, NULL, &verdicts) != 0 || verdicts.count == 0)
		abort();
	verdict.status = verdicts.list[0].status;
	verdict.cause = verdicts.list[0].cause;
	verdict.reason = verdicts.list[0].reason;
	dkim_verify_free(v);
	buf_fini(&top);
	arena_fini(&a);
	return verdict;
}
