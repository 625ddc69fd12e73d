/*
 * Sign message files in bulk: for each FILE one signed copy in DIR for every
 * combination of canonical forms and algorithms.  What the DKIM library says of
 * each signature is looked at here; the copies are for other verifiers.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	dkim_sign_cli DIR DOMAIN RSA-KEY ED25519-KEY [--over] FILE ...
 *
 * The copies are called N-HB-A.eml: N counts the files, H and B are s or r for
 * header and body, A is rsa, ed or both.  Prints `N FILE` for each, or what
 * went wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "t/support/drivers/dkim_check.h"

struct mail {
	struct arena arena;
	struct hdr_list list;
	struct buf text;
};

static int
slurp(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "rb");
	char chunk[65536];
	size_t n;

	if (f == NULL)
		return -1;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(b, chunk, n);
	fclose(f);
	return b->failed ? -1 : 0;
}

static struct dkim_key *
load(const char *path)
{
	struct dkim_key *key = NULL;
	struct buf b = BUF_INIT;
	struct errmsg msg = {.text = "can't be read"};

	if (slurp(path, &b) != 0 ||
	    dkim_key_decode(b.data, b.len, 0, &key, &msg) != 0) {
		fprintf(stderr, "%s: %s\n", path, msg.text);
		exit(1);
	}
	dkim_key_wipe(&b);
	return key;
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	hdr_add(&m->list, &m->arena, name, name_len, value, value_len);
}

static void
put_field(FILE *f, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	fwrite(name, 1, name_len, f);
	fputc(':', f);
	for (size_t i = 0; i < value_len; i++) {
		if (value[i] == '\n' && (i == 0 || value[i - 1] != '\r'))
			fputc('\r', f);
		fputc(value[i], f);
	}
	fputs("\r\n", f);
}

static void
put_signature(FILE *f, const char *value)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, " %s", value);
	put_field(f, "DKIM-Signature", 14, b.data, b.len);
	buf_fini(&b);
}

static void
put_mail(const char *path, const struct mail *m, const char *a, const char *b,
    const struct buf *body)
{
	FILE *f = fopen(path, "wb");

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	put_signature(f, a);
	if (b != NULL)
		put_signature(f, b);
	for (const struct hdr *h = m->list.first; h != NULL; h = h->next)
		put_field(f, h->name, h->name_len, h->value, h->value_len);
	fputs("\r\n", f);
	fwrite(buf_text(body), 1, body->len, f);
	/* An MTA ends the last line. */
	if (body->len > 0 && body->data[body->len - 1] != '\n')
		fputs("\r\n", f);
	fclose(f);
}

struct job {
	struct dkim_engine *engine;
	const char *dir, *domain;
	struct dkim_key *keys[2];
	struct buf records[2];
	struct dkim_fields fields;
};

static int
sign(const struct job *j, struct mail *m, const struct buf *body,
    struct dkim_result results[8])
{
	struct dkim_sign *s = dkim_sign_new(j->engine,
	    DKIM_CANON_BIT(DKIM_SIMPLE) | DKIM_CANON_BIT(DKIM_RELAXED));
	struct dkim_request requests[8];
	const char *const *names;
	int rc = dkim_sign_names(&m->arena, &m->list, &j->fields, &names);

	if (rc != 0)
		return rc;
	for (int i = 0; i < 8; i++)
		requests[i] = (struct dkim_request){.domain = j->domain,
		    .selector = i & 1 ? "ed" : "rsa", .key = j->keys[i & 1],
		    .header = i & 4 ? DKIM_RELAXED : DKIM_SIMPLE,
		    .body = i & 2 ? DKIM_RELAXED : DKIM_SIMPLE,
		    .names = names, .at = time(NULL)};
	dkim_sign_body(s, buf_text(body), body->len);
	rc = dkim_sign_finish(
	    s, &m->arena, &m->list, requests, 8, results);
	dkim_sign_free(s);
	return rc;
}

static void
write_all(const struct job *j, int n, const struct mail *m,
    const struct buf *body, const struct dkim_result results[8])
{
	static const char *const algorithms[] = {"rsa", "ed", "both"};
	char path[4096];

	for (int c = 0; c < 4; c++) {
		for (int a = 0; a < 3; a++) {
			snprintf(path, sizeof(path), "%s/%05d-%c%c-%s.eml",
			    j->dir, n, c & 2 ? 'r' : 's', c & 1 ? 'r' : 's',
			    algorithms[a]);
			put_mail(path, m, results[2 * c + (a == 1)].value,
			    a == 2 ? results[2 * c + 1].value : NULL, body);
		}
	}
}

static void
check(const struct job *j, int n, const struct mail *m, const struct buf *body,
    const struct dkim_result results[8])
{
	for (int i = 0; i < 8; i++) {
		const char *wrong = dkim_check(&m->list, results[i].value,
		    buf_text(body), body->len, j->records[i & 1].data);

		if (wrong != NULL)
			printf("%d: signature %d: %s\n", n, i, wrong);
	}
}

static void
one(const struct job *j, int n, const char *path)
{
	struct dkim_result results[8] = {0};
	struct buf body = BUF_INIT;
	struct mail m = {0};
	size_t at;
	int rc;

	arena_init(&m.arena);
	if (slurp(path, &m.text) != 0) {
		printf("%d %s: can't be read\n", n, path);
		return;
	}
	at = message_split(buf_text(&m.text), m.text.len, on_field, &m);
	message_crlf(&body, buf_text(&m.text) + at, m.text.len - at);
	rc = sign(j, &m, &body, results);
	if (rc != 0)
		printf("%d %s: %s: %s\n", n, path, err_text(rc),
		    results[0].reason == NULL ? "" : results[0].reason);
	else
		printf("%d %s\n", n, path);
	if (rc == 0) {
		check(j, n, &m, &body, results);
		write_all(j, n, &m, &body, results);
	}
	buf_fini(&body);
	buf_fini(&m.text);
	arena_fini(&m.arena);
}

int
main(int argc, char **argv)
{
	static const char *const over[] = {"From", "To", "Cc", "Subject",
	    "Date", "Reply-To", "Message-ID", "MIME-Version", "Content-Type",
	    NULL};
	struct job j = {0};
	int first = 5;

	if (argc < 6) {
		fprintf(stderr, "usage: dkim_sign_cli DIR DOMAIN RSA-KEY "
				"ED25519-KEY [--over] FILE ...\n");
		return 64;
	}
	j.engine = dkim_engine_new();
	j.dir = argv[1];
	j.domain = argv[2];
	j.keys[0] = load(argv[3]);
	j.keys[1] = load(argv[4]);
	for (int i = 0; i < 2; i++)
		dkim_key_record(j.keys[i], &j.records[i]);
	if (strcmp(argv[first], "--over") == 0) {
		j.fields.oversign = over;
		first++;
	}
	for (int i = first; i < argc; i++)
		one(&j, i - first, argv[i]);
	dkim_key_free(j.keys[0]);
	dkim_key_free(j.keys[1]);
	buf_fini(&j.records[0]);
	buf_fini(&j.records[1]);
	dkim_engine_free(j.engine);
	return 0;
}
