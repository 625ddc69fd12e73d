/*
 * Sends mail to one or two milters, and measures.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: milter_bench [-c connections] [-s octets] [-t seconds] [-w seconds]
 *                     [-a accounts] [-k KEYFILE] -p PID ... SOCKET ...
 *        milter_bench -n COUNT -k KEYFILE [-s octets] SOCKET ...
 *
 * Without -n it sends the same mail over and over: one of somebody who logs in
 * or, with -k, one of a stranger, signed with that key.  With -n each of COUNT
 * such mails has a connection, a client and names of its own.  See
 * t/bench/peers.py for the names.
 *
 * -s is the size of the body; -w the time of warming up, which is not counted.
 * Prints one JSON object: messages, seconds, rate (messages a second), cpu_us
 * (of the servers, all their threads, for one message), p50_us and p99_us (from
 * MAIL to the reply to the end of the message), anon_kib (the peak of the
 * servers' RssAnon, that is of their memory without file and shared pages,
 * looked at every 2 ms while messages flow), edits (of the last message).
 *
 * The process's own CPU clock is what is read (clock_getcpuclockid): utime and
 * stime, but in nanoseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/dkim/dkim_key.h"
#include "t/bench/bench_mail.h"
#include "t/bench/bench_talk.h"

#define SAMPLE_MS 2
#define LATENCIES_MAX (1U << 22) /* of one connection */
#define NS 1000000000LL

enum phase { WARM_UP, MEASURE, STOP };

/* What all connections share; fixed before they begin, but for phase. */
struct bench {
	const char *const *sockets; /* as many as filters */
	size_t filters;
	pid_t pids[BENCH_FILTERS_MAX];
	clockid_t clocks[BENCH_FILTERS_MAX];
	size_t pid_count;
	unsigned connections, accounts, fresh;
	size_t size;
	double seconds, warm_up;
	struct dkim_key *key; /* NULL: outbound mail */
	struct bench_mail mail;
	_Atomic int phase;
	_Atomic unsigned busy; /* connections in a message that is counted */
	long anon_peak_kib;
};

struct connection {
	struct bench *bench;
	pthread_t thread;
	unsigned number;
	unsigned long sent;
	uint32_t *latencies; /* microseconds, `measured` of them */
	size_t measured, edits;
	bool failed;
};

static long long
now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void
sleep_ms(long ms)
{
	nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* One message, from MAIL to its last reply. */
static int
send_one(struct connection *c, struct bench_talk *t)
{
	unsigned long n = c->sent++ * c->bench->connections + c->number;
	char login[64];
	int rc;

	snprintf(login, sizeof(login), "user%lu@example.org",
	    n % c->bench->accounts);
	rc = bench_talk_send(
	    t, &c->bench->mail, c->bench->key == NULL ? login : NULL);
	c->edits = t->edits;
	return rc;
}

/* Messages until the end of a phase, but one at least. */
static int
send_in(struct connection *c, struct bench_talk *t, enum phase phase)
{
	long long began;
	int rc = 0;

	do {
		began = now_ns(CLOCK_MONOTONIC);
		rc = send_one(c, t);
		if (phase == MEASURE && c->measured < LATENCIES_MAX)
			c->latencies[c->measured++] =
			    (uint32_t)((now_ns(CLOCK_MONOTONIC) - began) /
				1000);
	} while (rc == 0 && c->bench->phase == (int)phase);
	return rc;
}

static void
complain(const char *socket, int rc)
{
	fprintf(stderr, "milter_bench: %s: %s\n", socket,
	    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
}

static void *
run_connection(void *arg)
{
	struct connection *c = arg;
	const struct bench *b = c->bench;
	struct bench_talk t;
	int rc = bench_talk_open(&t, b->sockets, b->filters);

	if (rc == 0)
		rc = bench_talk_greet(&t, &b->mail);
	if (rc == 0)
		rc = send_in(c, &t, WARM_UP);
	if (rc == 0)
		rc = send_in(c, &t, MEASURE);
	c->bench->busy--;
	/* The server's memory and CPU are read before connections end. */
	while (c->bench->busy > 0)
		sleep_ms(1);
	bench_talk_close(&t, rc == 0);
	if (rc != 0)
		complain(b->sockets[0], rc);
	c->failed = rc != 0;
	return NULL;
}

static long
anon_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		return 0;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "RssAnon: %ld", &kib) == 1)
			break;
	}
	fclose(f);
	return kib;
}

static void
sample_for(struct bench *b, double seconds)
{
	long long end = now_ns(CLOCK_MONOTONIC) + (long long)(seconds * NS);
	long kib;

	do {
		kib = 0;
		for (size_t i = 0; i < b->pid_count; i++)
			kib += anon_kib(b->pids[i]);
		if (kib > b->anon_peak_kib)
			b->anon_peak_kib = kib;
		sleep_ms(SAMPLE_MS);
	} while (now_ns(CLOCK_MONOTONIC) < end && b->busy > 0);
}

static int
by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
report(
    const struct bench *b, struct connection *c, long long cpu, long long wall)
{
	uint32_t *all;
	size_t n = 0, at = 0;

	for (unsigned i = 0; i < b->connections; i++)
		n += c[i].measured;
	if (n == 0 || (all = calloc(n, sizeof(*all))) == NULL)
		return;
	for (unsigned i = 0; i < b->connections; at += c[i++].measured)
		memcpy(all + at, c[i].latencies, c[i].measured * sizeof(*all));
	qsort(all, n, sizeof(*all), by_value);
	printf("{\"messages\": %zu, \"seconds\": %.3f, \"rate\": %.1f, "
	       "\"cpu_us\": %.2f, \"p50_us\": %u, \"p99_us\": %u, "
	       "\"anon_kib\": %ld, \"edits\": %zu}\n",
	    n, (double)wall / NS, (double)n * NS / (double)wall,
	    (double)cpu / 1000 / (double)n, all[n / 2], all[n * 99 / 100],
	    b->anon_peak_kib, c[0].edits);
	free(all);
}

static long long
servers_ns(const struct bench *b)
{
	long long sum = 0;

	for (size_t i = 0; i < b->pid_count; i++)
		sum += now_ns(b->clocks[i]);
	return sum;
}

static int
run(struct bench *b)
{
	struct connection *c = calloc(b->connections, sizeof(*c));
	long long cpu, wall;
	bool failed = false;

	if (c == NULL)
		return EX_OSERR;
	if (b->key != NULL)
		bench_mail_inbound(&b->mail, b->size, b->key, "n0.example", 0);
	else
		bench_mail_outbound(&b->mail, b->size);
	b->busy = b->connections;
	for (unsigned i = 0; i < b->connections; i++) {
		c[i].bench = b;
		c[i].number = i;
		c[i].latencies = calloc(LATENCIES_MAX, sizeof(uint32_t));
		if (c[i].latencies == NULL ||
		    pthread_create(&c[i].thread, NULL, run_connection, &c[i]))
			return EX_OSERR;
	}
	sample_for(b, b->warm_up);
	cpu = servers_ns(b);
	wall = now_ns(CLOCK_MONOTONIC);
	b->phase = MEASURE;
	sample_for(b, b->seconds);
	b->phase = STOP;
	while (b->busy > 0)
		sleep_ms(1);
	cpu = servers_ns(b) - cpu;
	wall = now_ns(CLOCK_MONOTONIC) - wall;
	for (unsigned i = 0; i < b->connections; i++) {
		pthread_join(c[i].thread, NULL);
		failed |= c[i].failed;
	}
	if (!failed)
		report(b, c, cpu, wall);
	for (unsigned i = 0; i < b->connections; i++)
		free(c[i].latencies);
	free(c);
	bench_mail_fini(&b->mail);
	return failed ? EX_SOFTWARE : EX_OK;
}

/* One mail of its own names; how long it took, in us, or a negative ERR_. */
static long
send_fresh(const struct bench *b, unsigned number)
{
	struct bench_mail mail;
	struct bench_talk t;
	char domain[64];
	long long began;
	int rc;

	snprintf(domain, sizeof(domain), "n%u.example", number);
	bench_mail_inbound(&mail, b->size, b->key, domain, number);
	rc = bench_talk_open(&t, b->sockets, b->filters);
	if (rc == 0)
		rc = bench_talk_greet(&t, &mail);
	began = now_ns(CLOCK_MONOTONIC);
	if (rc == 0)
		rc = bench_talk_send(&t, &mail, NULL);
	began = now_ns(CLOCK_MONOTONIC) - began;
	bench_talk_close(&t, rc == 0);
	bench_mail_fini(&mail);
	return rc != 0 ? rc : (long)(began / 1000);
}

static int
run_fresh(const struct bench *b)
{
	uint32_t *took = calloc(b->fresh, sizeof(*took));
	long us = 0;

	if (took == NULL)
		return EX_OSERR;
	for (unsigned i = 0; us >= 0 && i < b->fresh; i++) {
		us = send_fresh(b, i);
		took[i] = (uint32_t)us;
	}
	if (us < 0) {
		complain(b->sockets[0], (int)us);
		free(took);
		return EX_SOFTWARE;
	}
	qsort(took, b->fresh, sizeof(*took), by_value);
	printf("{\"messages\": %u, \"least_us\": %u, \"p50_us\": %u, "
	       "\"p90_us\": %u}\n",
	    b->fresh, took[0], took[b->fresh / 2], took[b->fresh * 9 / 10]);
	free(took);
	return EX_OK;
}

static struct dkim_key *
load_key(const char *path)
{
	static char text[DKIM_KEY_TEXT_MAX];
	FILE *f = fopen(path, "r");
	size_t len = f == NULL ? 0 : fread(text, 1, sizeof(text), f);
	struct dkim_key *key = NULL;
	struct errmsg msg;

	if (f != NULL)
		fclose(f);
	if (len == 0 || dkim_key_decode(text, len, 0, &key, &msg) != 0) {
		fprintf(stderr, "milter_bench: %s: no key\n", path);
		exit(EX_NOINPUT);
	}
	return key;
}

static bool
add_pid(struct bench *b, const char *text)
{
	pid_t pid = (pid_t)strtol(text, NULL, 10);

	if (pid <= 0 || b->pid_count == BENCH_FILTERS_MAX ||
	    clock_getcpuclockid(pid, &b->clocks[b->pid_count]) != 0)
		return false;
	b->pids[b->pid_count++] = pid;
	return true;
}

static bool
set_option(struct bench *b, int opt, const char *value)
{
	switch (opt) {
	case 'a':
		b->accounts = (unsigned)strtoul(value, NULL, 10);
		return b->accounts > 0;
	case 'c':
		b->connections = (unsigned)strtoul(value, NULL, 10);
		return b->connections > 0;
	case 'k':
		b->key = load_key(value);
		return true;
	case 'n':
		b->fresh = (unsigned)strtoul(value, NULL, 10);
		return b->fresh > 0;
	case 'p':
		return add_pid(b, value);
	case 's':
		b->size = strtoul(value, NULL, 10);
		return true;
	case 't':
		b->seconds = strtod(value, NULL);
		return true;
	case 'w':
		b->warm_up = strtod(value, NULL);
		return true;
	default:
		return false;
	}
}

int
main(int argc, char **argv)
{
	static struct bench b = {
	    .connections = 1,
	    .accounts = 1000,
	    .size = 2048,
	    .seconds = 2,
	    .warm_up = 0.5,
	};
	bool good = true;
	int opt, status;

	while (good && (opt = getopt(argc, argv, "a:c:k:n:p:s:t:w:")) != -1)
		good = set_option(&b, opt, optarg);
	b.sockets = (const char *const *)argv + optind;
	b.filters = (size_t)(argc - optind);
	if (!good || b.filters == 0 || b.filters > BENCH_FILTERS_MAX ||
	    (b.fresh > 0 ? b.key == NULL : b.pid_count == 0)) {
		fprintf(stderr, "usage: milter_bench [-c connections] "
				"[-s octets] [-t seconds] [-w seconds] "
				"[-a accounts] [-k KEYFILE] -p PID ... "
				"SOCKET ...\n"
				"       milter_bench -n COUNT -k KEYFILE "
				"[-s octets] SOCKET ...\n");
		return EX_USAGE;
	}
	status = b.fresh > 0 ? run_fresh(&b) : run(&b);
	dkim_key_free(b.key);
	return status;
}
