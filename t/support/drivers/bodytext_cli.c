/*
 * What body, rawbody, full and uri rules see of messages: for t/oracle/bodytext.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: bodytext_cli [-t] [FILE ...]; names come on standard input otherwise.
 * Prints what t/oracle/bodytext.pl prints.  -t: print nothing, make the views.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/pslist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/text/mime.h"

struct mail {
	struct arena arena;
	struct hdr_list fields;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	hdr_add(&m->fields, &m->arena, name, name_len, value, value_len);
}

static void
print_text(const char *s, size_t len)
{
	putchar('"');
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void
print_view(const char *name, struct mime *m, enum mime_view_kind kind)
{
	const struct text_view *v = mime_view(m, kind);

	printf(",\"%s\":[", name);
	for (size_t i = 0; v != NULL && i < v->count; i++) {
		if (i > 0)
			putchar(',');
		print_text(v->pieces[i].text, v->pieces[i].len);
	}
	putchar(']');
}

static void
one(const char *file, const char *bytes, size_t len, const struct mime_env *env,
    bool print)
{
	struct mail mail = {.fields = {0}};
	struct mime *m;
	size_t body;

	arena_init(&mail.arena);
	body = message_split(bytes, len, on_field, &mail);
	m = mime_new(&mail.arena, &mail.fields, bytes + body, len - body, env);
	if (m != NULL && print) {
		printf("{\"file\":");
		print_text(file, strlen(file));
		print_view("body", m, MIME_BODY);
		print_view("rawbody", m, MIME_RAWBODY);
		print_view("full", m, MIME_FULL);
		print_view("uri", m, MIME_URI);
		puts("}");
	} else if (m != NULL)
		for (int i = 0; i < MIME_VIEWS; i++)
			mime_view(m, (enum mime_view_kind)i);
	arena_fini(&mail.arena);
}

static void
read_one(const char *file, const struct mime_env *env, bool print)
{
	struct buf b = BUF_INIT;
	char piece[65536];
	FILE *f = fopen(file, "r");
	size_t n;

	if (f == NULL) {
		perror(file);
		exit(1);
	}
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_add(&b, piece, n);
	fclose(f);
	if (buf_text(&b) != NULL)
		one(file, b.data ? b.data : "", b.len, env, print);
	buf_fini(&b);
}

int
main(int argc, char **argv)
{
	struct mime_env env = {0};
	struct pslist *list;
	struct errmsg msg;
	bool print = argc < 2 || strcmp(argv[1], "-t") != 0;
	char name[4096];

	if (pslist_open(NULL, &list, &msg) != 0) {
		fprintf(stderr, "%s\n", msg.text);
		return 1;
	}
	env.tlds = list;
	for (int i = print ? 1 : 2; i < argc; i++)
		read_one(argv[i], &env, print);
	while (argc == (print ? 1 : 2) &&
	       fgets(name, sizeof(name), stdin) != NULL) {
		name[strcspn(name, "\n")] = '\0';
		read_one(name, &env, print);
	}
	pslist_free(list);
	return 0;
}
