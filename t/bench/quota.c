/*
 * What a quota check costs: reserve and commit of a message against five
 * limits, and in a domain's and the server's sums too, on a table of our own.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	bench_quota [FILE [ACCOUNTS]]
 */
#include "lib/quota/quota.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"

#define HOT_ROUNDS 5000000
#define COLD_ROUNDS 3000000
#define BEST_OF 3

struct job {
	struct quota *q;
	const struct quota_set *set;
	uint32_t accounts; /* 1: always the same */
	uint32_t first;    /* of the accounts */
	unsigned rounds;
	uint64_t seed, refused;
	double ns; /* CPU time of a round; result */
};

static double
clock_s(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static uint64_t
next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

/* snprintf would cost as much as what is measured. */
static void
account_name(char name[24], uint32_t n)
{
	memcpy(name, "user00000000@example.com", 23);
	name[23] = '\0';
	for (int i = 11; i > 3; i--, n /= 10)
		name[i] = (char)('0' + n % 10);
}

static void *
work(void *arg)
{
	struct job *job = arg;
	const struct quota_amount amount = {{1, 1, 2048}};
	double start = clock_s(CLOCK_THREAD_CPUTIME_ID);

	for (unsigned i = 0; i < job->rounds; i++) {
		struct quota_use use = {0};
		char name[24];
		uint32_t n = job->accounts == 1 ? 0 :
		    (uint32_t)(next_random(&job->seed) % job->accounts);

		account_name(name, job->first + n);
		if (quota_reserve(job->q, name, job->set, &amount, &use,
		    NULL) != QUOTA_GRANTED ||
		    quota_commit(job->q, &use, NULL) != QUOTA_GRANTED)
			job->refused++;
	}
	job->ns = (clock_s(CLOCK_THREAD_CPUTIME_ID) - start) * 1e9 /
	    job->rounds;
	return NULL;
}

/* What so many threads do in a second; hot ones have an account each.  CPU time
 * tells what it costs when others use the machine too, the clock on the wall
 * what one gets. */
struct result {
	double cpu_ns, rate;
};

static struct result
run(struct quota *q, const struct quota_set *set, uint32_t accounts,
    unsigned rounds, int threads)
{
	struct result best = {1e12, 0};

	for (int k = 0; k < BEST_OF; k++) {
		struct job job[2];
		pthread_t id[2];
		double start = clock_s(CLOCK_MONOTONIC), rate, ns = 0;

		for (int t = 0; t < threads; t++) {
			job[t] = (struct job){.q = q, .set = set,
			    .accounts = accounts, .rounds = rounds,
			    .first = accounts == 1 ? (uint32_t)t * 500 : 0,
			    .seed = 88172645463325252u + (unsigned)(t + k)};
			pthread_create(&id[t], NULL, work, &job[t]);
		}
		for (int t = 0; t < threads; t++) {
			pthread_join(id[t], NULL);
			ns += job[t].ns / threads;
			if (job[t].refused != 0)
				printf("# %" PRIu64 " refused\n",
				    job[t].refused);
		}
		rate = rounds * (double)threads /
		    (clock_s(CLOCK_MONOTONIC) - start);
		if (rate > best.rate)
			best.rate = rate;
		if (ns < best.cpu_ns)
			best.cpu_ns = ns;
	}
	return best;
}

static void
compare(struct quota *q, const struct quota_set *set, uint32_t accounts,
    unsigned rounds, const char *words)
{
	struct result one = run(q, set, accounts, rounds, 1);
	struct result two = run(q, set, accounts, rounds, 2);

	printf("%u account%s, one thread: %.0f ns a reserve+commit "
	    "(%.0f ns CPU)\n", accounts, words, 1e9 / one.rate, one.cpu_ns);
	printf("  two threads: %.2f x one (by CPU time: %.2f x)\n",
	    two.rate / one.rate, 2 * one.cpu_ns / two.cpu_ns);
}

static void
machine(void)
{
	char line[256];
	FILE *f = popen("lscpu | grep -E "
	    "'^(Model name|CPU\\(s\\)|Thread\\(s\\) per core)'", "r");

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		printf("# %s", line);
	if (f != NULL)
		pclose(f);
}

int
main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/shm/bench_quota.table";
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 5,
	    .accounts = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000000};
	/* The sample's windows; the limits out of reach, to measure grants. */
	static const struct quota_limit limits[] = {
	    {QUOTA_MESSAGES, 3600, QUOTA_LIMIT_MAX},
	    {QUOTA_MESSAGES, 86400, QUOTA_LIMIT_MAX},
	    {QUOTA_RECIPIENTS, 3600, QUOTA_LIMIT_MAX},
	    {QUOTA_RECIPIENTS, 86400, QUOTA_LIMIT_MAX},
	    {QUOTA_BYTES, 86400, QUOTA_LIMIT_MAX},
	};
	struct quota_set set = {.count = 0}, sum = {.count = 0}, summed;
	struct quota_info info;
	struct errmsg msg;
	struct quota *q;
	double start;
	char name[24];

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		quota_set_add(&set, &limits[i]);
	machine();
	unlink(path);
	opt.accounts += 2; /* the sums */
	if (quota_open(&q, path, &opt, NULL, &msg) != 0) {
		fprintf(stderr, "%s\n", msg.text);
		return 1;
	}
	quota_info(q, &info);
	printf("accounts %u, bytes per account %.0f, file %.1f MiB\n",
	    info.accounts, (double)info.bytes / info.accounts,
	    (double)info.bytes / 1048576);

	opt.accounts -= 2;
	start = clock_s(CLOCK_MONOTONIC);
	for (uint32_t n = 0; n < opt.accounts; n++) {
		struct quota_use use = {0};
		const struct quota_amount amount = {{1, 1, 2048}};

		account_name(name, n);
		if (quota_reserve(q, name, &set, &amount, &use, NULL) != 0 ||
		    quota_commit(q, &use, NULL) != 0)
			printf("account %s refused\n", name);
	}
	printf("first message of each account: %.0f ns\n",
	    (clock_s(CLOCK_MONOTONIC) - start) * 1e9 / opt.accounts);

	compare(q, &set, 1, HOT_ROUNDS, " (hot)");
	quota_set_add(&sum, &limits[2]);
	quota_set_add(&sum, &limits[3]);
	summed = set;
	summed.sums = 2;
	summed.sum[0] = (struct quota_sum){"@example.com", &sum};
	summed.sum[1] = (struct quota_sum){"*", &sum};
	compare(q, &summed, 1, HOT_ROUNDS, " each (hot), in two sums");
	compare(q, &set, opt.accounts, COLD_ROUNDS, "s at random");
	quota_close(q);
	unlink(path);
	return 0;
}
