/*
 * Sends the same message to a milter over and over, and measures.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: milter_bench [-c connections] [-s octets] [-t seconds] [-w seconds]
 *                     [-a accounts] -p PID SOCKET
 *
 * -s is the size of the body; -w the time of warming up, which is not counted.
 * Prints one JSON object: messages, seconds, rate (messages a second), cpu_us
 * (of the server, all its threads, for one message), p50_us and p99_us (from
 * MAIL to the reply to the end of the message), anon_kib (the peak of the
 * server's RssAnon, that is of its memory without file and shared pages, looked
 * at every 2 ms while messages flow), edits (of the last message).
 *
 * The process's own CPU clock is what is read (clock_getcpuclockid): utime and
 * stime, but in nanoseconds.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include <libmilter/mfdef.h>

#include "lib/err.h"
#include "t/support/mta.h"

#define WAIT_MS 60000
#define SAMPLE_MS 2
#define LATENCIES_MAX (1U << 22) /* of one connection */
#define NS 1000000000LL

enum phase { WARM_UP, MEASURE, STOP };

/* What all connections share; fixed before they begin, but for phase. */
struct bench {
	const char *socket;
	unsigned connections, accounts;
	size_t size;
	double seconds, warm_up;
	pid_t pid;
	char *body;
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

/* Lines of text of different lengths, CRLF at the end of each, no line that
 * ends in a space: what most bodies look like. */
static char *
make_body(size_t size)
{
	static const char text[] =
	    "The quick brown fox jumps over the lazy dog, and he who reads "
	    "this line to its end has seen every letter. ";
	char *body = malloc(size + 1);
	size_t column = 0, width = 72;

	for (size_t i = 0; body != NULL && i < size; i++) {
		if (i + 2 == size || (i + 2 < size && column >= width)) {
			body[i++] = '\r';
			body[i] = '\n';
			column = 0;
			width = 40 + i % 36;
			continue;
		}
		body[i] = text[i % (sizeof(text) - 1)];
		if (body[i] == ' ' && column + 1 >= width)
			body[i] = '-';
		column++;
	}
	return body;
}

static int
expect_go(int rc, const struct mta_answer *a)
{
	if (rc != 0 || a->reply == 0 || a->reply == SMFIR_CONTINUE)
		return rc;
	fprintf(stderr, "milter_bench: the filter says %s %s\n",
	    mta_word(a->reply), a->text);
	return ERR_FORMAT;
}

static int
send_headers(struct mta *m, const char *message_id)
{
	const char *const fields[][2] = {
	    {"Received",
		" from client.example.org (client.example.org [192.0.2.7])\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\n"
		"\tby mail.example.org (Postfix) with ESMTPSA id 4XyZ1abc\n"
		"\tfor <rcpt@example.net>; Sat, 21 Nov 2026 12:00:00 +0000"},
	    {"Date", " Sat, 21 Nov 2026 12:00:00 +0000"},
	    {"Message-ID", message_id},
	    {"User-Agent", " Mozilla Thunderbird"},
	    {"MIME-Version", " 1.0"},
	    {"Subject", " Minutes of the meeting of Thursday, and what is "
			"left\n to be done before the next one"},
	    {"From", " Bob Example <bob@example.org>"},
	    {"To", " \"Eve Example\" <rcpt@example.net>"},
	    {"References", " <1a2b3c4d@example.net> <5e6f7a8b@example.org>"},
	    {"In-Reply-To", " <5e6f7a8b@example.org>"},
	    {"Content-Type", " text/plain; charset=UTF-8; format=flowed"},
	    {"Content-Transfer-Encoding", " 7bit"},
	};
	bool spaced = mta_agreed(m).steps & SMFIP_HDR_LEADSPC;
	struct mta_answer a;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(fields) / sizeof(*fields);
	     i++) {
		rc = mta_header(
		    m, fields[i][0], fields[i][1] + (spaced ? 0 : 1), &a);
		rc = expect_go(rc, &a);
	}
	return rc;
}

static int
send_envelope(struct mta *m, const char *login)
{
	static const char *const sender[] = {"<bob@example.org>", "SIZE=2048"};
	static const char *const rcpt[] = {"<rcpt@example.net>"};
	struct mta_answer a;
	int rc;

	mta_define(m, "i", NULL); /* Postfix has none before the first RCPT */
	mta_define(m, "{auth_authen}", login);
	rc = mta_say(m, SMFIC_MAIL, sender, 2, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_say(m, SMFIC_RCPT, rcpt, 1, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	mta_define(m, "i", "4XyZ1abc");
	rc = mta_say(m, SMFIC_DATA, NULL, 0, &a);
	return expect_go(rc, &a);
}

/* One message, from MAIL to its last reply. */
static int
send_message(struct connection *c, struct mta *m)
{
	unsigned long n = c->sent++ * c->bench->connections + c->number;
	char login[64], message_id[64];
	struct mta_answer a;
	int rc;

	snprintf(login, sizeof(login), "user%lu@example.org",
	    n % c->bench->accounts);
	snprintf(message_id, sizeof(message_id), " <%lu.4711@example.org>", n);
	if ((rc = send_envelope(m, login)) != 0 ||
	    (rc = send_headers(m, message_id)) != 0)
		return rc;
	rc = mta_say(m, SMFIC_EOH, NULL, 0, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_body(m, c->bench->body, c->bench->size, &a);
	if (a.reply != SMFIR_SKIP && (rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_eom(m, &a);
	c->edits = a.nedits;
	return a.reply == SMFIR_ACCEPT ? rc : expect_go(rc, &a);
}

static int
greet(struct connection *c, struct mta **m_r)
{
	static const char *const helo[] = {"client.example.org"};
	struct mta_answer a;
	int rc = mta_open(c->bench->socket, WAIT_MS, m_r);

	if (rc != 0 || (rc = mta_negotiate(*m_r, MTA_OFFER_ALL)) != 0)
		return rc;
	mta_define(*m_r, "j", "mail.example.org");
	mta_define(*m_r, "{daemon_name}", "ORIGINATING");
	mta_define(*m_r, "{client_addr}", "192.0.2.7");
	mta_define(*m_r, "{client_name}", "client.example.org");
	mta_define(*m_r, "{auth_type}", "PLAIN");
	mta_define(*m_r, "{mail_addr}", "bob@example.org");
	mta_define(*m_r, "{rcpt_addr}", "rcpt@example.net");
	rc = mta_connect(*m_r, "client.example.org", SMFIA_INET, "192.0.2.7",
	    40000, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_say(*m_r, SMFIC_HELO, helo, 1, &a);
	return expect_go(rc, &a);
}

/* Messages until the end of a phase. */
static int
send_in(struct connection *c, struct mta *m, enum phase phase)
{
	long long began;
	int rc = 0;

	while (rc == 0 && c->bench->phase == (int)phase) {
		began = now_ns(CLOCK_MONOTONIC);
		rc = send_message(c, m);
		if (phase == MEASURE && c->measured < LATENCIES_MAX)
			c->latencies[c->measured++] = (uint32_t)(
			    (now_ns(CLOCK_MONOTONIC) - began) / 1000);
	}
	return rc;
}

static void *
run_connection(void *arg)
{
	struct connection *c = arg;
	struct mta *m = NULL;
	int rc = greet(c, &m);

	if (rc == 0)
		rc = send_in(c, m, WARM_UP);
	if (rc == 0)
		rc = send_in(c, m, MEASURE);
	c->bench->busy--;
	/* The server's memory and CPU are read before connections end. */
	while (c->bench->busy > 0)
		sleep_ms(1);
	if (rc == 0)
		mta_quit(m);
	mta_close(m);
	if (rc != 0)
		fprintf(stderr, "milter_bench: %s: %s\n", c->bench->socket,
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
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
		kib = anon_kib(b->pid);
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
report(const struct bench *b, struct connection *c, long long cpu,
    long long wall)
{
	uint32_t *all;
	size_t n = 0, at = 0;

	for (unsigned i = 0; i < b->connections; i++)
		n += c[i].measured;
	if (n == 0 || (all = calloc(n, sizeof(*all))) == NULL)
		return;
	for (unsigned i = 0; i < b->connections; at += c[i++].measured)
		memcpy(all + at, c[i].latencies,
		    c[i].measured * sizeof(*all));
	qsort(all, n, sizeof(*all), by_value);
	printf("{\"messages\": %zu, \"seconds\": %.3f, \"rate\": %.1f, "
	       "\"cpu_us\": %.2f, \"p50_us\": %u, \"p99_us\": %u, "
	       "\"anon_kib\": %ld, \"edits\": %zu}\n",
	    n, (double)wall / NS, (double)n * NS / (double)wall,
	    (double)cpu / 1000 / (double)n, all[n / 2], all[n * 99 / 100],
	    b->anon_peak_kib, c[0].edits);
	free(all);
}

static int
run(struct bench *b, clockid_t server)
{
	struct connection *c = calloc(b->connections, sizeof(*c));
	long long cpu, wall;
	bool failed = false;

	if (c == NULL || (b->body = make_body(b->size)) == NULL)
		return EX_OSERR;
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
	cpu = now_ns(server);
	wall = now_ns(CLOCK_MONOTONIC);
	b->phase = MEASURE;
	sample_for(b, b->seconds);
	b->phase = STOP;
	while (b->busy > 0)
		sleep_ms(1);
	cpu = now_ns(server) - cpu;
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
	free(b->body);
	return failed ? EX_SOFTWARE : EX_OK;
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
	clockid_t server;
	int opt;

	while ((opt = getopt(argc, argv, "a:c:p:s:t:w:")) != -1) {
		switch (opt) {
		case 'a':
			b.accounts = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'c':
			b.connections = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'p':
			b.pid = (pid_t)strtol(optarg, NULL, 10);
			break;
		case 's':
			b.size = strtoul(optarg, NULL, 10);
			break;
		case 't':
			b.seconds = strtod(optarg, NULL);
			break;
		case 'w':
			b.warm_up = strtod(optarg, NULL);
			break;
		default:
			return EX_USAGE;
		}
	}
	if (optind + 1 != argc || b.connections == 0 || b.accounts == 0 ||
	    b.pid <= 0 || clock_getcpuclockid(b.pid, &server) != 0) {
		fprintf(stderr, "usage: milter_bench [-c connections] "
				"[-s octets] [-t seconds] [-w seconds] "
				"[-a accounts] -p PID SOCKET\n");
		return EX_USAGE;
	}
	b.socket = argv[optind];
	return run(&b, server);
}
