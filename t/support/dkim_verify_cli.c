/*
 * Messages verified with keys from a file, for t/oracle/dkim.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_verify_cli ZONE TIME FILE...
 *
 * ZONE is as dns_file.h says; TIME 0 is the clock's.  Prints a line for each
 * signature: file, tab, result, tab, d=, tab, s=, tab, a=, tab, bits, tab,
 * reason; and for a message without any, file, tab, none.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/hdr.h"
#include "lib/message.h"
#include "t/support/dns_file.h"

struct mail {
	struct arena arena;
	struct hdr_list headers;
};

static void
read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char chunk[4096];
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(66);
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(b, chunk, n);
	fclose(f);
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	hdr_add(&m->headers, &m->arena, name, name_len, value, value_len);
}

static const char *
or_dash(const char *s)
{
	return s == NULL ? "-" : s;
}

static void
print(const char *file, const struct dkim_verdicts *v)
{
	if (v->count == 0)
		printf("%s\tnone\n", file);
	for (size_t i = 0; i < v->count; i++) {
		const struct dkim_verdict *d = &v->list[i];

		printf("%s\t%s\t%s\t%s\t%s\t%u\t%s\n", file,
		    dkim_status_word(d->status), or_dash(d->domain),
		    or_dash(d->selector), or_dash(d->algorithm), d->bits,
		    or_dash(d->reason));
	}
}

static void
check(struct dkim_verifier *r, const struct dns *dns, time_t now,
    const char *file)
{
	struct dkim_policy policy = {.drift = 300, .now = now};
	struct buf b = BUF_INIT, body = BUF_INIT;
	struct dkim_verdicts verdicts;
	struct mail m = {0};
	struct dkim_verify *v;
	size_t at;

	arena_init(&m.arena);
	read_file(file, &b);
	at = message_split(buf_text(&b), b.len, on_field, &m);
	message_crlf(&body, b.data + at, b.len - at);
	v = dkim_verify_new(r, &policy, dns, &m.arena, &m.headers);
	dkim_verify_body(v, body.data, body.len);
	if (dkim_verify_finish(v, 0, &verdicts) != 0)
		abort();
	print(file, &verdicts);
	dkim_verify_free(v);
	arena_fini(&m.arena);
	buf_fini(&body);
	buf_fini(&b);
}

int
main(int argc, char **argv)
{
	struct dkim_verifier *r = dkim_verifier_new();
	struct buf zone = BUF_INIT;
	struct dns dns;
	time_t now;

	if (argc < 4 || r == NULL)
		return 64;
	read_file(argv[1], &zone);
	if (dns_file_open(buf_text(&zone), &dns) != 0)
		return 65;
	now = strtol(argv[2], NULL, 10);
	for (int i = 3; i < argc; i++)
		check(r, &dns, now == 0 ? time(NULL) : now, argv[i]);
	dns_file_close(&dns);
	buf_fini(&zone);
	dkim_verifier_free(r);
	return 0;
}
