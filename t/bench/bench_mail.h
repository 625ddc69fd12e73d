/*
 * The mails that benchmarks send.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_BENCH_BENCH_MAIL_H
#define T_BENCH_BENCH_MAIL_H

#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dkim/dkim_canon.h"
#include "lib/mail/hdr.h"

struct dkim_key;

enum bench_text {
	BENCH_TEXT,   /* as most people's programs write it */
	BENCH_RAGGED, /* one line in 20 ends in a space */
	BENCH_BASE64,
};

/* Replace what is in b by that many octets of body, in lines. */
void bench_body(struct buf *b, size_t octets, enum bench_text text);
/* Add the fields of an everyday header, From that address. */
void bench_fields(struct hdr_list *l, struct arena *a, const char *from);

/* A mail and who sends it. */
struct bench_mail {
	const char *client, *name, *helo, *sender, *rcpt;
	struct arena arena;
	struct hdr_list headers;
	struct buf body;
};

/* bob@example.org, who logs in. */
void bench_mail_outbound(struct bench_mail *m, size_t octets);
/*
 * Somebody at news.DOMAIN, signed by DOMAIN, whose bounces go to
 * bounce.DOMAIN, sent by mx.DOMAIN; t/bench/peers.py has the zone.  number
 * makes the client's address.
 */
void bench_mail_inbound(struct bench_mail *m, size_t octets,
    const struct dkim_key *key, const char *domain, unsigned number);
void bench_mail_fini(struct bench_mail *m);

/* The value of a DKIM-Signature over headers and body, in the arena, with the
 * space before it. */
const char *bench_sign(struct arena *a, const struct hdr_list *headers,
    const struct buf *body, const struct dkim_key *key, const char *domain,
    enum dkim_canon canon);

#endif
