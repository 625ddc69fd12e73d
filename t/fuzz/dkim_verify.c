/*
 * Any message with any key record is judged.  The input: the record, up to the
 * first line end; then the message, header and body.  A signature that passes
 * must pass the same way when the body comes octet by octet.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dns/dns.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every name has the one record; a record `!` is none, `?` no answer. */
struct dns_query {
	struct dns_record record;
	struct dns_answer answer;
};

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct dns_query *q = calloc(1, sizeof(*q));
	const struct dns_record *r = ctx;

	(void)name;
	(void)type;
	if (q == NULL)
		abort();
	q->record = *r;
	q->answer = (struct dns_answer){
	    .status = DNS_OK, .count = 1, .records = &q->record};
	if (r->len == 1 && (r->data[0] == '!' || r->data[0] == '?'))
		q->answer = (struct dns_answer){.status = r->data[0] == '!'
			? DNS_NXDOMAIN
			: DNS_TIMEOUT};
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

struct mail {
	struct arena arena;
	struct hdr_list list;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	if (hdr_add(&m->list, &m->arena, name, name_len, value, value_len) !=
	    0)
		abort();
}

static struct dkim_verdicts
verify(struct dkim_verifier *r, const struct dns *dns, struct mail *m,
    const char *body, size_t len, size_t chunk)
{
	static const char *const must_sign[] = {"Subject", NULL};
	/* What an admin may ask for, in messages of odd length. */
	struct dkim_policy policy = {.drift = 300, .now = 1700000000,
	    .must_sign = len % 2 == 1 ? must_sign : NULL,
	    .strict = len % 4 == 3};
	struct dkim_verify *v =
	    dkim_verify_new(r, &policy, dns, &m->arena, &m->list);
	struct dkim_verdicts verdicts;

	if (v == NULL)
		abort();
	for (size_t at = 0; at < len; at += chunk)
		dkim_verify_body(
		    v, body + at, len - at < chunk ? len - at : chunk);
	if (dkim_verify_finish(v, NULL, &verdicts) != 0 ||
	    verdicts.count > DKIM_VERIFY_SIGNATURES_MAX)
		abort();
	dkim_verify_free(v);
	return verdicts;
}

static void
compare(const struct dkim_verdicts *a, const struct dkim_verdicts *b)
{
	if (a->count != b->count)
		abort();
	for (size_t i = 0; i < a->count; i++) {
		const struct dkim_verdict *v = &a->list[i];

		if (v->status != b->list[i].status ||
		    (v->reason == NULL) !=
			(v->status == DKIM_STATUS_PASS && !v->testing) ||
		    v->status == DKIM_STATUS_NONE)
			abort();
		if (v->status == DKIM_STATUS_PASS &&
		    (v->domain == NULL || v->identity == NULL))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dkim_verifier *verifier;
	const uint8_t *end = memchr(data, '\n', size);
	struct dns_record record = {.data = data};
	struct dns dns = {.ctx = &record, .start = start, .collect = collect,
	    .drop = drop};
	struct dkim_verdicts one, other;
	struct buf body = BUF_INIT;
	struct mail m = {0};
	const char *text;
	size_t at;

	if (verifier == NULL)
		verifier = dkim_verifier_new();
	if (verifier == NULL || end == NULL)
		return 0;
	record.len = (size_t)(end - data);
	text = (const char *)end + 1;
	size -= record.len + 1;
	arena_init(&m.arena);
	at = message_split(text, size, on_field, &m);
	message_crlf(&body, text + at, size - at);
	one = verify(verifier, &dns, &m, buf_text(&body), body.len, 4096);
	other = verify(verifier, &dns, &m, buf_text(&body), body.len, 1);
	compare(&one, &other);
	buf_fini(&body);
	arena_fini(&m.arena);
	return 0;
}
