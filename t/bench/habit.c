/*
 * What an event costs: a mail to one recipient, and each further one, with so
 * many accounts in a file of our own.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_habit [FILE [ACCOUNTS]]
 */
#include "lib/habit/habit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/shared.h"

#define ROUNDS 200000
#define MANY 50

static uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int
by_size(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* The median of events with so many recipients, in nanoseconds. */
static double
median(struct habit *h, uint32_t accounts, size_t rcpts)
{
	static char names[1000][24];
	static uint32_t took[ROUNDS];
	const char *list[MANY];
	struct habit_result r;
	char account[40];
	uint64_t x = 88172645463325252u;

	for (int i = 0; i < 1000; i++)
		snprintf(names[i], sizeof(names[i]), "r%d@example.net", i);
	for (int i = 0; i < ROUNDS; i++) {
		struct habit_event e = {.t = 1700697600000 + i * 50,
		    .outbound = true, .account = account, .from = account,
		    .client = "192.0.2.7", .helo = "laptop", .subject = "s",
		    .queue_id = account, .bytes = 2000, .has_score = true,
		    .rcpts = list, .rcpt_count = rcpts};
		uint64_t start;

		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		snprintf(account, sizeof(account), "u%u@example.org",
		    (unsigned)(x % accounts));
		for (size_t k = 0; k < rcpts; k++)
			list[k] = names[(x >> 20) % 900 + k];
		start = now_ns();
		habit_event(h, &e, &r);
		took[i] = (uint32_t)(now_ns() - start);
	}
	qsort(took, ROUNDS, sizeof(took[0]), by_size);
	return took[ROUNDS / 2];
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/shm/bench_habit";
	uint32_t accounts =
	    argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000;
	struct habit_options opt;
	struct shared_report report;
	struct errmsg msg = {.text = ""};
	struct habit_info info;
	struct habit *h;
	double one, many;

	habit_defaults(&opt);
	opt.alert_score = 5;
	opt.alert_every = 86400;
	if (habit_open(&h, path, accounts, &opt, time(NULL), &report, &msg) !=
	    0) {
		fprintf(stderr, "%s\n", msg.text);
		return 1;
	}
	median(h, accounts, 1); /* the records are made */
	one = median(h, accounts, 1);
	many = median(h, accounts, MANY);
	habit_info(h, &info);
	printf("%u accounts: %.0f ns for one recipient, %.0f ns for each "
	       "further one; %zu octets an account\n",
	    (unsigned)info.accounts, one, (many - one) / (MANY - 1),
	    info.bytes / (info.accounts + 1));
	habit_close(h);
	unlink(path);
	return 0;
}
