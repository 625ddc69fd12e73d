/*
 * What the record of a message costs, and what reading all of them does.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_ring [-n RECORDS] DIRECTORY ...
 *
 * In each directory a ring of 32M is filled, so that all of its pages are there,
 * and RECORDS (1,000,000) records are packed and put, with a pause now and then
 * as between mails.  Nanoseconds are those of one record; what the clock itself
 * takes is told, and in them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/ring/ring.h"
#include "milter/chain.h"
#include "milter/past.h"
#include "milter/record.h"
#include "milter/record_pack.h"

#define SIZE (32u << 20)
#define TURNS 7

static uint64_t stage_ns[STAGES_MAX];

static int
by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A signed mail to two, of some 700 octets. */
static void
make(struct record *r, struct rcpt rcpts[2], struct symbol symbols[4],
    struct edit *edit, char *id)
{
	static const char *const names[] = {
	    "OUTBOUND", "DKIM_SIGNED", "RULE_OF_SOMEBODY", "ANOTHER_RULE"};

	memset(rcpts, 0, 2 * sizeof(*rcpts));
	memset(symbols, 0, 4 * sizeof(*symbols));
	for (size_t i = 0; stages[i] != NULL; i++)
		stage_ns[i] = i % 2 == 0 ? 1500 * (i + 1) : 0;
	for (int i = 0; i < 2; i++)
		rcpts[i] = (struct rcpt){.addr = "somebody@example.org",
		    .next = i == 0 ? &rcpts[1] : NULL};
	for (int i = 0; i < 4; i++)
		symbols[i] = (struct symbol){.name = names[i],
		    .score = i,
		    .next = i < 3 ? &symbols[i + 1] : NULL};
	*edit = (struct edit){.name = "Authentication-Results",
	    .value = "mx.example.com; auth=pass smtp.auth=bob@example.com; "
		     "dkim=none; spf=none"};
	*r = (struct record){.time = {1700000000, 123456789},
	    .took_ns = 2100000,
	    .stage_ns = stage_ns,
	    .queue_id = id,
	    .client_ip = "203.0.113.77",
	    .client_name = "pool-203-0-113-77.dsl.example.net",
	    .client_helo = "laptop.lan",
	    .sender = "bob@example.com",
	    .rcpts = rcpts,
	    .rcpt_count = 2,
	    .account = "bob@example.com",
	    .came = true,
	    .size = 23456,
	    .subject = "Re: Re: the meeting on Thursday, and what to bring",
	    .subject_len = 50,
	    .message_id = "<0123456789.abcdef@laptop.example.com>",
	    .message_id_len = 38,
	    .direction = DIRECTION_OUTBOUND,
	    .direction_why = "authenticated",
	    .symbols = symbols,
	    .score = 6,
	    .edits = edit,
	    .verdict = verdict_make(VERDICT_ACCEPT, NULL),
	    .left = true,
	    .notes = ""};
}

static size_t
keep(struct ring *ring, const struct record *r)
{
	unsigned char packed[RECORD_PACKED_MAX];
	size_t len = record_pack(r, true, packed);

	ring_put(ring, packed, len);
	return len;
}

static void
tell(const char *where, int64_t *ns, size_t count, size_t len)
{
	int64_t sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += ns[i];
	qsort(ns, count, sizeof(*ns), by_size);
	printf("%-24s %4zu octets  median %6lld  mean %6lld  p99 %6lld  "
	       "p99.9 %7lld  max %9lld ns\n",
	    where, len, (long long)ns[count / 2],
	    (long long)(sum / (int64_t)count), (long long)ns[count * 99 / 100],
	    (long long)ns[count / 1000 * 999], (long long)ns[count - 1]);
}

static void
bench_put(const char *dir, struct ring *ring, size_t count)
{
	static char id[24];
	struct symbol symbols[4];
	struct rcpt rcpts[2];
	struct record r;
	struct edit edit;
	int64_t *ns = calloc(count, sizeof(*ns));
	size_t len = 0;

	if (ns == NULL)
		abort();
	snprintf(id, sizeof(id), "4cXYZ0000000");
	make(&r, rcpts, symbols, &edit, id);
	for (size_t i = 0; i < 2 * SIZE / 700; i++)
		keep(ring, &r);
	for (size_t i = 0; i < count; i++) {
		int64_t before = clock_ns();

		len = keep(ring, &r);
		ns[i] = clock_ns() - before;
		if (i % 64 == 0)
			usleep(50);
	}
	tell(dir, ns, count, len);
	for (size_t i = 0; i < count; i++) {
		int64_t before = clock_ns();

		ns[i] = clock_ns() - before;
	}
	tell("  the clock", ns, count, 0);
	/* The one that is looked for. */
	snprintf(id, sizeof(id), "4cSOUGHT");
	keep(ring, &r);
	free(ns);
}

/* As `why` does: all records, those with a text, or none. */
static void
bench_read(const char *path, const char *text, const char *what)
{
	int64_t best = INT64_MAX;
	size_t count = 0;

	for (int i = 0; i < TURNS; i++) {
		int64_t before = clock_ns();
		struct past *p;

		if (past_open(path, &p, NULL) != 0)
			abort();
		past_want(p, text);
		for (count = 0; past_next(p, false) != NULL;)
			count++;
		past_close(p);
		before = clock_ns() - before;
		best = before < best ? before : best;
	}
	printf("  %-22s %6zu records  %7.1f ms\n", what, count,
	    (double)best / 1e6);
}

int
main(int argc, char **argv)
{
	size_t count = 1000000;
	int opt;

	while ((opt = getopt(argc, argv, "n:")) == 'n')
		count = strtoul(optarg, NULL, 10);
	for (int i = optind; i < argc; i++) {
		char path[4096];
		struct shared_report report;
		struct errmsg msg;
		struct ring *ring;

		snprintf(path, sizeof(path), "%s/bench-ring", argv[i]);
		if (ring_open(path, ring_size(SIZE), 1, &ring, &report, &msg) !=
		    0) {
			fprintf(stderr, "%s\n", msg.text);
			return 1;
		}
		bench_put(argv[i], ring, count);
		bench_read(path, NULL, "read all");
		bench_read(path, "4cSOUGHT", "find a queue id");
		bench_read(path, "no such text", "find nothing");
		ring_close(ring);
		unlink(path);
	}
	return 0;
}
