/*
 * What rules cost: us of CPU for a mail.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_rules [-H] [-r ROUNDS] RULES MAIL|DIR ...
 *
 * Every mail is in memory before it begins.  A round takes each apart and scores
 * it, with an arena of its own, as the daemon does; -H leaves the bodies out.
 * The first round is not counted.  Printed are the median of the rounds, the
 * least, the mails, the rules that run, and hits a mail.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/rules/rules.h"

#define ROUNDS_MAX 101
#define PATH_SIZE 4096
#define SECONDS 5 /* for one mail, as RuleTimeout has it */

struct bench {
	struct rules *rules;
	struct buf *mails;
	size_t count, room, hits;
	bool header_only;
};

struct header {
	struct arena *arena;
	struct hdr_list *list;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct header *h = ctx;

	if (hdr_add(h->list, h->arena, name, name_len, value, value_len) != 0)
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
score(struct bench *b, const struct buf *mail)
{
	struct arena arena;
	struct hdr_list headers = {0};
	struct header h = {&arena, &headers};
	struct rules_input in = {.arena = &arena,
	    .headers = &headers,
	    .clock = clock_ns,
	    .now = 1020000000,
	    .deadline_ns = clock_ns() + SECONDS * INT64_C(1000000000)};
	struct rules_result r;
	size_t body;

	arena_init(&arena);
	body = message_split(mail->data, mail->len, on_field, &h);
	if (!b->header_only) {
		in.body = mail->data + body;
		in.body_len = in.body_total = mail->len - body;
	}
	if (rules_run(b->rules, &in, &r) != 0)
		exit(EX_OSERR);
	for (const struct rules_hit *hit = r.hits; hit != NULL; hit = hit->next)
		b->hits++;
	for (size_t i = 0; r.limited != NULL && r.limited[i] != NULL; i++)
		fprintf(stderr, "limit: %s\n", r.limited[i]);
	if (r.late)
		fputs("late\n", stderr);
	arena_fini(&arena);
}

/* Us of CPU for a mail. */
static double
run_round(struct bench *b)
{
	struct timespec begun, ended;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begun);
	b->hits = 0;
	for (size_t i = 0; i < b->count; i++)
		score(b, &b->mails[i]);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ended);
	return ((double)(ended.tv_sec - begun.tv_sec) * 1e6 +
		   (double)(ended.tv_nsec - begun.tv_nsec) / 1e3) /
	    (double)b->count;
}

static void
read_file(struct bench *b, const char *path)
{
	FILE *f = fopen(path, "rb");
	char chunk[65536];
	struct buf *mail;
	size_t n;

	if (b->count == b->room) {
		b->room = b->room == 0 ? 64 : b->room * 2;
		b->mails = realloc(b->mails, b->room * sizeof(*b->mails));
	}
	if (f == NULL || b->mails == NULL) {
		perror(path);
		exit(EX_NOINPUT);
	}
	mail = &b->mails[b->count++];
	*mail = (struct buf)BUF_INIT;
	while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
		buf_add(mail, chunk, n);
	fclose(f);
	if (buf_text(mail) == NULL)
		exit(EX_OSERR);
}

static void
read_path(struct bench *b, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *e;

	if (dir == NULL) {
		read_file(b, path);
		return;
	}
	while ((e = readdir(dir)) != NULL) {
		char name[PATH_SIZE];

		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		read_file(b, name);
	}
	closedir(dir);
}

static size_t
count_rules(const struct rules *rules)
{
	struct rules_info info;
	size_t n = 0;

	for (size_t i = 0; rules_info(rules, i, &info); i++)
		n += info.runs;
	return n;
}

static void
load(struct bench *b, const char *path)
{
	const struct rules_setup setup = {0};
	const char *const paths[] = {path, NULL};
	const struct rules_mistake *m;

	if (rules_new(paths, &setup, &b->rules) == 0)
		return;
	for (size_t i = 0; (m = rules_mistake(b->rules, i)) != NULL; i++) {
		if (m->severity == RULES_ERROR)
			fprintf(stderr, "%s:%u: %s\n", m->file, m->line, m->text);
	}
	exit(EX_CONFIG);
}

static int
ascending(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(struct bench *b, int rounds)
{
	double us[ROUNDS_MAX];

	run_round(b);
	for (int i = 0; i < rounds; i++)
		us[i] = run_round(b);
	qsort(us, (size_t)rounds, sizeof(*us), ascending);
	printf("%.2f %.2f %zu %zu %.2f\n", us[rounds / 2], us[0], b->count,
	    count_rules(b->rules), (double)b->hits / (double)b->count);
}

int
main(int argc, char **argv)
{
	struct bench b = {0};
	int rounds = 5;
	int opt;

	while ((opt = getopt(argc, argv, "Hr:")) != -1) {
		if (opt == 'H')
			b.header_only = true;
		else if (opt == 'r')
			rounds = atoi(optarg);
		else
			return EX_USAGE;
	}
	if (argc - optind < 2 || rounds < 1 || rounds > ROUNDS_MAX)
		return EX_USAGE;
	load(&b, argv[optind++]);
	for (; optind < argc; optind++)
		read_path(&b, argv[optind]);
	if (b.count > 0)
		measure(&b, rounds);
	for (size_t i = 0; i < b.count; i++)
		buf_fini(&b.mails[i]);
	free(b.mails);
	rules_free(b.rules);
	return EX_OK;
}
