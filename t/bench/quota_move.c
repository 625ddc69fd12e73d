/*
 * How long mail waits while QuotaAccounts changes: one process moves a full
 * table to another size, another one goes on reserving and committing, for
 * accounts that are there and new ones.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_quota_move [FILE [ACCOUNTS]]
 */
#include "lib/quota/quota.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"

struct shared {
	atomic_bool ready, stop;
	double longest_old, longest_new; /* seconds that one message waited */
	unsigned long count;
};

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct quota *
open_table(const char *path, uint32_t accounts, struct quota_report *rep)
{
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 5,
	    .accounts = accounts};
	struct errmsg msg;
	struct quota *q;

	if (quota_open(&q, path, &opt, rep, &msg) == 0)
		return q;
	fprintf(stderr, "%s\n", msg.text);
	exit(1);
}

static void
set_fill(struct quota_set *set)
{
	static const struct quota_limit limits[] = {
	    {QUOTA_MESSAGES, 3600, QUOTA_LIMIT_MAX},
	    {QUOTA_MESSAGES, 86400, QUOTA_LIMIT_MAX},
	    {QUOTA_RECIPIENTS, 3600, QUOTA_LIMIT_MAX},
	    {QUOTA_RECIPIENTS, 86400, QUOTA_LIMIT_MAX},
	    {QUOTA_BYTES, 86400, QUOTA_LIMIT_MAX},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		quota_set_add(set, &limits[i]);
}

/* One message, and how long it took. */
static double
message(struct quota *q, const struct quota_set *set, const char *kind,
    unsigned n)
{
	const struct quota_amount amount = {{1, 1, 2048}};
	struct quota_use use = {0};
	double start = now();
	char name[64];

	snprintf(name, sizeof(name), "%s%08u@example.com", kind, n);
	if (quota_reserve(q, name, set, &amount, &use, NULL) != 0 ||
	    quota_commit(q, &use, NULL) != 0)
		printf("# %s refused\n", name);
	quota_release(q, &use);
	return now() - start;
}

static void
child(const char *path, uint32_t accounts, struct shared *sh)
{
	struct quota *q = open_table(path, accounts, NULL);
	struct quota_set set = {.count = 0};

	set_fill(&set);
	for (unsigned n = 0; !atomic_load(&sh->stop); n++) {
		double t = message(q, &set, "user",
		    n * 2654435761u % accounts);

		if (t > sh->longest_old)
			sh->longest_old = t;
		if (n % 64 == 0) {
			t = message(q, &set, "new", n / 64);
			if (t > sh->longest_new)
				sh->longest_new = t;
			usleep(2000);
		}
		sh->count = n;
		if (n == 10000) {
			sh->longest_old = sh->longest_new = 0;
			atomic_store(&sh->ready, true);
		}
	}
	quota_close(q);
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/shm/bench_quota.table";
	uint32_t accounts = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000;
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct quota_report *rep = calloc(1, sizeof(*rep));
	struct quota_set set = {.count = 0};
	unsigned long before;
	struct quota *q;
	double start;
	pid_t pid;

	unlink(path);
	set_fill(&set);
	/* Room for the new ones. */
	q = open_table(path, accounts + accounts / 4, NULL);
	for (uint32_t n = 0; n < accounts; n++)
		message(q, &set, "user", n);
	quota_close(q);
	pid = fork();
	if (pid == 0) {
		child(path, accounts + accounts / 4, sh);
		_exit(0);
	}
	while (!atomic_load(&sh->ready))
		usleep(1000);
	before = sh->count;
	start = now();
	q = open_table(path, accounts + accounts / 2, rep);
	printf("%s, in %.2f s\n", rep->words, now() - start);
	printf("messages meanwhile: %lu\n", sh->count - before);
	usleep(300000);
	atomic_store(&sh->stop, true);
	waitpid(pid, NULL, 0);
	printf("longest wait: %.3f s (a new account's: %.3f s)\n",
	    sh->longest_old, sh->longest_new);
	quota_close(q);
	unlink(path);
	free(rep);
	return 0;
}
