/*
 * What is done with the record of a message, in the thread of mail: counted, put
 * into the ring, made an event.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_record [DIRECTORY [ROUNDS]]
 *
 * The ring and the journal are made in the directory (/dev/shm).  Prints the
 * time of one call, in microseconds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "milter/chain.h"
#include "milter/counters.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/record.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define PAUSE_EVERY 256 /* calls: the service takes what was posted meanwhile */

struct bench {
	size_t rounds;
	double *us;
	const struct stage *stage; /* NULL: counters */
	const char *what;
};

static double
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static int
by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
print(const struct bench *b)
{
	double sum = 0;

	for (size_t i = 0; i < b->rounds; i++)
		sum += b->us[i];
	qsort(b->us, b->rounds, sizeof(*b->us), by_value);
	printf("%-24s %8.2f %8.2f %8.2f %8.2f\n", b->what,
	    b->us[b->rounds / 2], sum / (double)b->rounds,
	    b->us[b->rounds - 1 - b->rounds / 100],
	    b->us[b->rounds - 1 - b->rounds / 1000]);
}

static void
call(const struct bench *b, const struct ctx *ctx, const struct record *r)
{
	if (b->stage == NULL)
		counters_count(r);
	else if (ctx->state != NULL)
		b->stage->record(ctx, r);
}

/* While the message still exists. */
static void
measure(void *arg, const struct record *r)
{
	const struct timespec pause = {.tv_nsec = 2000000};
	struct bench *b = ((void **)arg)[0];
	struct session *s = ((void **)arg)[1];
	struct ctx ctx = session_ctx(s);
	double start;

	if (b->stage != NULL)
		ctx.state = snapshot_state(s->snap, b->stage);
	for (size_t i = 0; i < b->rounds; i++) {
		if (i % PAUSE_EVERY == 0)
			nanosleep(&pause, NULL);
		start = now_us();
		call(b, &ctx, r);
		b->us[i] = now_us() - start;
	}
	print(b);
}

static const char *
macro(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "i") == 0)
		return "8CEBA11A2D5";
	return strcmp(name, "{auth_authen}") == 0 ? "bob@example.org" : NULL;
}

static void
field(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

static void
send_mail(struct snapshot *snap, struct bench *b)
{
	struct session *s = chain_open(snap, macro, NULL);
	void *arg[] = {b, s};
	struct host client;
	struct verdict v;

	s->recorded = measure;
	s->recorded_ctx = arg;
	host_parse("203.0.113.7", &client);
	chain_connect(s, "laptop.example.org", &client);
	chain_helo(s, "laptop.example.org");
	chain_mail(s, "<bob@example.org>", NULL);
	chain_rcpt(s, "<ann@example.net>");
	chain_rcpt(s, "<eve@example.com>");
	field(s, "From", " Bob <bob@example.org>");
	field(s, "Subject", " Minutes of the meeting on Monday");
	field(s, "Message-ID", " <20261201120000.12345@example.org>");
	chain_eoh(s);
	chain_body(s, (const unsigned char *)"Hello.\r\n", 8);
	v = chain_eom(s);
	chain_end(s, &v);
	chain_close(s);
}

static void
die(const char *what)
{
	fprintf(stderr, "bench_record: %s\n", what);
	exit(1);
}

static void
run(const char *dir, const char *more, struct bench *b)
{
	static const struct service *const rows[] = {&service_journal, NULL};
	char path[300];
	struct snapshot *snap;
	struct errmsg msg;
	FILE *f;

	snprintf(path, sizeof(path), "%s/bench-record.conf", dir);
	f = fopen(path, "w");
	if (f == NULL)
		die(strerror(errno));
	fprintf(f, "Mode s\nStateDirectory %s\nQuotaTable none\n%s", dir, more);
	fclose(f);
	if (snapshot_load(path, SNAPSHOT_SERVES, NULL, &snap, &msg) != 0)
		die(msg.text);
	unlink(path);
	inforce_set(snapshot_ref(snap));
	if (services_start(rows) != 0)
		die("no services");
	send_mail(snap, b);
	services_stop(10000);
	inforce_set(NULL);
	snapshot_unref(snap);
}

int
main(int argc, char **argv)
{
	static const struct log_options quiet = {
	    .quiet = true, .name = "bench_record"};
	static const char *const privacies[] = {"plain", "hash", "count"};
	const char *dir = argc > 1 ? argv[1] : "/dev/shm";
	struct bench b = {.rounds = argc > 2 ? strtoul(argv[2], NULL, 10)
					     : 100000};
	char conf[1000], file[300], name[64];

	log_open(&quiet);
	b.us = calloc(b.rounds, sizeof(*b.us));
	if (b.us == NULL || b.rounds < 1000)
		die("ROUNDS");
	printf("%-24s %8s %8s %8s %8s\n", "", "median", "mean", "p99",
	    "p99.9");
	b.what = "counters";
	run(dir, "RingFile none\n", &b);
	snprintf(conf, sizeof(conf), "RingFile %s/bench-ring\n", dir);
	b.what = "ring";
	b.stage = &stage_ring;
	run(dir, conf, &b);
	b.stage = &stage_journal;
	b.what = "journal, off";
	run(dir, "RingFile none\n", &b);
	for (int i = 0; i < 3; i++) {
		snprintf(conf, sizeof(conf), "RingFile none\n"
		    "Journal %s/bench-journal\nJournalPrivacy %s\n", dir,
		    privacies[i]);
		snprintf(name, sizeof(name), "journal, %s", privacies[i]);
		b.what = name;
		run(dir, conf, &b);
	}
	for (int i = 0; i < 4; i++) {
		static const char *const made[] = {"bench-ring", "ring",
		    "bench-journal", "journal-key"};

		snprintf(file, sizeof(file), "%s/%s", dir, made[i]);
		unlink(file);
	}
	free(b.us);
	return 0;
}
