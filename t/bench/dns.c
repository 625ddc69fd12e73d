/*
 * What a look-up costs.  SPDX-License-Identifier: BSD-2-Clause
 *
 *     bench_dns SERVER [SECONDS]
 *
 * SERVER (127.0.0.1@PORT) is t/support/rig/dnsd.py with a zone in which
 * `kept.example` has an address, as every name below `fresh.example` may have,
 * and no name below `hang.example` gets an answer.
 *
 * First the cost of an answer that is kept; then, for SECONDS, how long fresh
 * names take while 200 names that never answer are pending all the time.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/base/err.h"
#include "lib/base/wait.h"
#include "lib/dns/dns_unbound.h"

#define ROUNDS 1000000
#define HANGING 200
#define STEP_MS 250

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static enum dns_status
look_up(const struct dns *d, const char *name, int64_t ms)
{
	struct dns_query *q = dns_start(d, name, DNS_A);
	struct wait w = WAIT_INIT;
	enum dns_status status;

	wait_begin(&w, ms);
	status = dns_collect(d, q, &w)->status;
	dns_drop(d, q);
	wait_fini(&w);
	return status;
}

static void *
kept(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		(void)look_up(arg, "kept.example", 5000);
	return NULL;
}

static void
bench_kept(struct dns *d, int threads)
{
	pthread_t t[8];
	double begun;

	(void)look_up(d, "kept.example", 5000);
	begun = now();
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, kept, d);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	printf("kept, %d threads: %.2f us each\n", threads,
	    (now() - begun) * 1e6 / ROUNDS / threads);
}

static void
bench_fresh(struct dns *d, double seconds)
{
	struct dns_query *hanging[HANGING] = {0};
	double begun = now(), worst = 0, sum = 0;
	char name[64];
	int n = 0, failed = 0;

	for (int round = 0; now() - begun < seconds; round++) {
		for (int i = 0; i < HANGING; i++) {
			dns_drop(d, hanging[i]);
			snprintf(name, sizeof(name), "n%d-%d.hang.example",
			    round, i);
			hanging[i] = dns_start(d, name, DNS_A);
		}
		for (int i = 0; i < 10; i++) {
			struct timespec pause = {0, STEP_MS * 1000000L};
			double t = now(), took;

			snprintf(name, sizeof(name), "n%d-%d.fresh.example",
			    round, i);
			failed += look_up(d, name, 5000) > DNS_NXDOMAIN;
			took = now() - t;
			sum += took;
			worst = took > worst ? took : worst;
			n++;
			nanosleep(&pause, NULL);
		}
	}
	for (int i = 0; i < HANGING; i++)
		dns_drop(d, hanging[i]);
	printf("fresh, %d hanging: %d looked up, %d failed, mean %.1f ms, "
	       "worst %.1f ms\n",
	    HANGING, n, failed, sum * 1e3 / n, worst * 1e3);
}

int
main(int argc, char **argv)
{
	const char *servers[] = {argc > 1 ? argv[1] : "", NULL};
	struct dns_unbound_conf conf = {.servers = servers};
	struct errmsg msg;
	struct dns d;

	if (argc < 2 || !dns_unbound_server(argv[1])) {
		fprintf(stderr, "usage: bench_dns SERVER@PORT [SECONDS]\n");
		return 64;
	}
	if (dns_unbound_open(&conf, &d, &msg) != 0) {
		fprintf(stderr, "%s\n", msg.text);
		return 1;
	}
	bench_kept(&d, 1);
	bench_kept(&d, 2);
	bench_kept(&d, 8);
	if (argc > 2)
		bench_fresh(&d, atof(argv[2]));
	dns_unbound_close(&d);
	return 0;
}
