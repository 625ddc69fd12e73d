/* SPDX-License-Identifier: BSD-2-Clause */
#include "t/bench/bench_mail.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/dkim/dkim_sign.h"

static unsigned
next(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed / 65536;
}

static void
add_line(struct buf *b, unsigned *seed, enum bench_text text)
{
	static const char *const words[] = {"the", "quick", "brown", "fox",
	    "jumps", "over", "a", "lazy", "dog,", "and", "then", "rests."};
	size_t begun = b->len;

	while (text == BENCH_BASE64 && b->len - begun < 76)
		buf_char(b, (char)('A' + next(seed) % 26));
	while (text != BENCH_BASE64 && b->len - begun < 66) {
		buf_str(b, words[next(seed) % 12]);
		buf_char(b, ' ');
	}
	if (text == BENCH_TEXT ||
	    (text == BENCH_RAGGED && *seed / 65536 % 20 != 0))
		b->len--;
	buf_str(b, "\r\n");
}

void
bench_body(struct buf *b, size_t octets, enum bench_text text)
{
	unsigned seed = 1;

	buf_reset(b);
	while (b->len < octets)
		add_line(b, &seed, text);
	b->len = octets;
	if (octets >= 2)
		memcpy(b->data + octets - 2, "\r\n", 2);
	if (octets >= 3 && strchr("\r ", b->data[octets - 3]) != NULL)
		b->data[octets - 3] = '.';
}

static void
add(struct hdr_list *l, struct arena *a, const char *name, const char *value)
{
	if (hdr_add(l, a, name, strlen(name), value, strlen(value)) != 0)
		abort();
}

void
bench_fields(struct hdr_list *l, struct arena *a, const char *from)
{
	static const char *const fields[][2] = {
	    {"Received",
		" from client.example.org (client.example.org [192.0.2.7])\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\n"
		"\tby mail.example.org (Postfix) with ESMTPS id 4XyZ1abc\n"
		"\tfor <rcpt@example.net>; Sat, 21 Nov 2026 12:00:00 +0000"},
	    {"Date", " Sat, 21 Nov 2026 12:00:00 +0000"},
	    {"Message-ID", " <20261121120000.4711@example.org>"},
	    {"User-Agent", " Mozilla Thunderbird"},
	    {"MIME-Version", " 1.0"},
	    {"Subject", " Minutes of the meeting of Thursday, and what is "
			"left\n to be done before the next one"},
	    {"From", NULL},
	    {"To", " \"Eve Example\" <rcpt@example.net>"},
	    {"References", " <1a2b3c4d@example.net> <5e6f7a8b@example.org>"},
	    {"In-Reply-To", " <5e6f7a8b@example.org>"},
	    {"Content-Type", " text/plain; charset=UTF-8; format=flowed"},
	    {"Content-Transfer-Encoding", " 7bit"},
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		add(l, a, fields[i][0],
		    fields[i][1] != NULL ? fields[i][1]
					 : arena_printf(a, " %s", from));
}

const char *
bench_sign(struct arena *a, const struct hdr_list *headers,
    const struct buf *body, const struct dkim_key *key, const char *domain,
    enum dkim_canon canon)
{
	struct dkim_engine *e = dkim_engine_new();
	struct dkim_sign *s = dkim_sign_new(e, DKIM_CANON_BIT(canon));
	struct dkim_fields all = {0};
	struct dkim_request r = {.domain = domain,
	    .selector = "s2026",
	    .key = key,
	    .header = canon,
	    .body = canon,
	    .at = time(NULL)};
	struct dkim_result res;
	const char *value;

	dkim_sign_body(s, body->data, body->len);
	if (dkim_sign_names(a, headers, &all, &r.names) != 0 ||
	    dkim_sign_finish(s, a, headers, &r, 1, &res) != 0)
		abort();
	value = arena_printf(a, " %s", res.value);
	dkim_sign_free(s);
	dkim_engine_free(e);
	return value;
}

void
bench_mail_outbound(struct bench_mail *m, size_t octets)
{
	*m = (struct bench_mail){.client = "192.0.2.7",
	    .name = "client.example.org",
	    .helo = "client.example.org",
	    .sender = "<bob@example.org>",
	    .rcpt = "<rcpt@example.net>"};
	bench_body(&m->body, octets, BENCH_TEXT);
	bench_fields(&m->headers, &m->arena, "Bob Example <bob@example.org>");
}

void
bench_mail_inbound(struct bench_mail *m, size_t octets,
    const struct dkim_key *key, const char *domain, unsigned number)
{
	struct arena *a = &m->arena;
	struct hdr_list fields = {0};

	*m = (struct bench_mail){.rcpt = "<rcpt@example.net>"};
	m->client =
	    arena_printf(a, "198.18.%u.%u", number / 256 % 256, number % 256);
	m->name = m->helo = arena_printf(a, "mx.%s", domain);
	m->sender = arena_printf(a, "<news-4711@bounce.%s>", domain);
	bench_body(&m->body, octets, BENCH_TEXT);
	bench_fields(
	    &fields, a, arena_printf(a, "News <news@news.%s>", domain));
	add(&m->headers, a, "DKIM-Signature",
	    bench_sign(a, &fields, &m->body, key, domain, DKIM_RELAXED));
	for (const struct hdr *h = fields.first; h != NULL; h = h->next)
		add(&m->headers, a, h->name, h->value);
}

void
bench_mail_fini(struct bench_mail *m)
{
	buf_fini(&m->body);
	arena_fini(&m->arena);
}
