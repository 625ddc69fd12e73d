/*
 * The rules of lib/rules/ asked directly, for t/oracle.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *   rules_cli [-v] RULES MAIL ...      a line a mail: its path, the rules that
 * hit and the `__` ones, each NAME:VALUE:SCORE rules_cli -s SELECTOR MAIL ...
 * what a selector gives, in hex, or `-`
 *
 * Mistakes go to standard error; with -v notices too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/pslist.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"

struct mail {
	struct arena arena;
	struct hdr_list headers;
	struct buf bytes;
	struct rules_input in;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	if (hdr_add(&m->headers, &m->arena, name, name_len, value, value_len) !=
	    0)
		exit(EX_OSERR);
}

static int64_t
clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void
read_mail(struct mail *m, const char *path)
{
	FILE *f = fopen(path, "rb");
	char chunk[65536];
	size_t n, body;

	if (f == NULL) {
		perror(path);
		exit(EX_NOINPUT);
	}
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(&m->bytes, chunk, n);
	fclose(f);
	body = message_split(
	    buf_text(&m->bytes), m->bytes.len, on_field, m);
	m->in = (struct rules_input){.arena = &m->arena,
	    .headers = &m->headers,
	    .body = buf_text(&m->bytes) + body,
	    .body_len = m->bytes.len - body,
	    .body_total = m->bytes.len - body,
	    .clock = clock_ns,
	    .now = time(NULL)};
}

static void
print_hits(const struct rules_result *r, bool sub)
{
	const char *between = "";

	for (const struct rules_hit *h = r->hits; h != NULL; h = h->next) {
		if (h->sub != sub)
			continue;
		printf("%s%s:%g:%g", between, h->name, h->value, h->score);
		between = " ";
	}
}

static void
score(const struct rules *rules, struct mail *m, const char *path)
{
	struct rules_result r;

	if (rules_run(rules, &m->in, &r) != 0)
		exit(EX_OSERR);
	printf("%s\t", path);
	print_hits(&r, false);
	putchar('\t');
	print_hits(&r, true);
	putchar('\n');
	for (size_t i = 0; r.limited != NULL && r.limited[i] != NULL; i++)
		fprintf(stderr, "%s: limit: %s\n", path, r.limited[i]);
}

static void
show(const struct rules *rules, struct mail *m, const char *selector)
{
	struct rules_text t = {0};

	if (rules_select(rules, selector, &m->in, &t) != 0)
		exit(EX_USAGE);
	for (size_t i = 0; i < t.len; i++)
		printf("%02x", (unsigned char)t.data[i]);
	puts(t.data == NULL ? "-" : "");
}

static struct rules *
load(const char *path, bool verbose)
{
	const struct rules_setup setup = {0};
	const char *const paths[] = {path, NULL};
	const struct rules_mistake *e;
	struct rules *rules;
	int rc = path == NULL ? rules_new_text("", 0, &setup, &rules)
			      : rules_new(paths, &setup, &rules);

	if (rc == -1)
		exit(EX_OSERR);
	for (size_t i = 0; (e = rules_mistake(rules, i)) != NULL; i++) {
		if (verbose || e->severity != RULES_NOTICE)
			fprintf(stderr, "%s:%u: %s: %s\n", e->file, e->line,
			    rules_severity_word(e->severity), e->text);
	}
	return rules;
}

int
main(int argc, char **argv)
{
	const char *selector = NULL;
	bool verbose = false;
	struct pslist *tlds = NULL;
	struct rules *rules;
	struct errmsg msg;
	int opt;

	while ((opt = getopt(argc, argv, "vs:")) != -1) {
		if (opt == 's')
			selector = optarg;
		verbose |= opt == 'v';
	}
	rules = load(selector == NULL ? argv[optind++] : NULL, verbose);
	if (pslist_open(NULL, &tlds, &msg) != 0)
		fprintf(stderr, "%s\n", msg.text);
	for (int i = optind; i < argc; i++) {
		struct mail m = {.bytes = BUF_INIT};

		arena_init(&m.arena);
		read_mail(&m, argv[i]);
		m.in.tlds = tlds;
		if (selector != NULL)
			show(rules, &m, selector);
		else
			score(rules, &m, argv[i]);
		buf_fini(&m.bytes);
		arena_fini(&m.arena);
	}
	rules_free(rules);
	pslist_free(tlds);
	return EX_OK;
}
