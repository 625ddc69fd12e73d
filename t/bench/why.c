/*
 * What posternctl why takes to find one mail in a full ring of 32 MiB, from the
 * start of the program to its end.  SPDX-License-Identifier: BSD-2-Clause
 *
 * usage: bench_why POSTERNCTL [ROUNDS].  Prints wall and CPU time of the whole
 * process, median and worst.  The ring stands in /dev/shm.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/ring/ring.h"
#include "lib/spf/spf.h"
#include "milter/record.h"
#include "milter/record_pack.h"

#define SIZE ((size_t)32 * 1024 * 1024)
#define DIR_FORM "/dev/shm/bench-why.XXXXXX"

/* A mail of the usual kind, with that queue id. */
static size_t
make(unsigned n, unsigned char packed[RECORD_PACKED_MAX])
{
	static const struct spf_result spf = {.result = SPF_PASS,
	    .domain = "example.com",
	    .mechanism = "ip4:192.0.2.0/24"};
	static const struct dkim_verdict one = {.status = DKIM_STATUS_PASS,
	    .domain = "example.com",
	    .selector = "s1",
	    .identity = "@example.com",
	    .algorithm = "rsa-sha256",
	    .b = "MIseM9Cq",
	    .bits = 2048};
	static const struct dkim_verdicts dkim = {.count = 1, .list = &one};
	static const struct dmarc_result dmarc = {.result = DMARC_PASS,
	    .domain = "example.com",
	    .policy_domain = "example.com",
	    .spf_domain = "example.com",
	    .dkim_domain = "example.com",
	    .spf_aligned = true,
	    .dkim_aligned = true};
	static struct symbol symbols[] = {{.name = "SPF_PASS", .score = -0.001},
	    {.name = "DKIM_SIGNED"},
	    {.name = "DKIM_VALID", .score = -0.1},
	    {.name = "DKIM_VALID_AU", .score = -0.1},
	    {.name = "DMARC_PASS", .score = -0.1},
	    {.name = "HTML_MESSAGE", .score = 0.001}};
	static struct edit edit = {.name = "Authentication-Results",
	    .value = "mx.example.org; spf=pass smtp.mailfrom=a@example.com;\n\t"
		     "dkim=pass header.d=example.com; dmarc=pass "
		     "header.from=example.com"};
	static struct rcpt rcpt = {.addr = "bob@example.org"};
	static uint64_t ns[STAGES_MAX];
	char id[16], sender[32];
	struct record r = {.time = {1764547200 + n / 10, n % 10 * 100000000},
	    .took_ns = 40000000,
	    .stage_ns = ns,
	    .queue_id = id,
	    .client_ip = "192.0.2.7",
	    .client_name = "mail.example.com",
	    .client_helo = "mail.example.com",
	    .sender = sender,
	    .rcpts = &rcpt,
	    .rcpt_count = 1,
	    .came = true,
	    .size = 24567,
	    .subject = "Minutes of the meeting on Tuesday",
	    .subject_len = 33,
	    .message_id = "<20261201100000.8CEBA11A2D5@mail.example.com>",
	    .message_id_len = 45,
	    .direction_why = "default",
	    .spf = &spf,
	    .dkim = &dkim,
	    .dmarc = &dmarc,
	    .symbols = symbols,
	    .score = -0.3,
	    .scored = true,
	    .edits = &edit,
	    .left = true,
	    .notes = ""};

	for (size_t i = 0; i + 1 < sizeof(symbols) / sizeof(*symbols); i++)
		symbols[i].next = &symbols[i + 1];
	for (size_t i = 0; i < 16; i++)
		ns[i] = 1000 + n % 1000;
	snprintf(id, sizeof(id), "%011X", n);
	snprintf(sender, sizeof(sender), "a%u@example.com", n % 1000);
	return record_pack(&r, true, packed);
}

/* Until it has gone round; returns how many it holds. */
static unsigned
fill(const char *path, size_t *len_r)
{
	unsigned char packed[RECORD_PACKED_MAX];
	struct shared_report report;
	struct ring *r;
	unsigned n = 0;

	if (ring_open(path, ring_size(SIZE), 1764547200, &r, &report, NULL) !=
	    0) {
		perror(path);
		exit(1);
	}
	while (ring_head(r) < SIZE + SIZE / 4) {
		*len_r = make(n, packed);
		ring_put(r, packed, *len_r);
		n++;
	}
	ring_close(r);
	return n;
}

static double
seconds(const struct timeval *t)
{
	return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

/* One call: wall and CPU time in milliseconds. */
static void
call(const char *const argv[], double *wall_r, double *cpu_r)
{
	int64_t begun = clock_ns();
	struct rusage used;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	if (wait4(pid, &status, 0, &used) != pid || status != 0) {
		fprintf(stderr, "%s: status %d\n", argv[0], status);
		exit(1);
	}
	*wall_r = (double)(clock_ns() - begun) / 1e6;
	*cpu_r = 1e3 * (seconds(&used.ru_utime) + seconds(&used.ru_stime));
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void
measure(const char *what, const char *const argv[], size_t rounds)
{
	double *wall = calloc(rounds, sizeof(*wall));
	double *cpu = calloc(rounds, sizeof(*cpu));

	for (size_t i = 0; wall != NULL && cpu != NULL && i < rounds; i++)
		call(argv, &wall[i], &cpu[i]);
	qsort(wall, rounds, sizeof(*wall), by_size);
	qsort(cpu, rounds, sizeof(*cpu), by_size);
	printf("%-24s wall %6.1f ms, worst %6.1f; CPU %6.1f ms, worst %6.1f\n",
	    what, wall[rounds / 2], wall[rounds - 1], cpu[rounds / 2],
	    cpu[rounds - 1]);
	free(wall);
	free(cpu);
}

int
main(int argc, char **argv)
{
	char dir[] = DIR_FORM, ring[64], conf[64], id[16];
	size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 100, len;
	unsigned n;
	FILE *f;

	if (argc < 2 || rounds == 0 || mkdtemp(dir) == NULL) {
		fprintf(stderr, "usage: bench_why POSTERNCTL [ROUNDS]\n");
		return 64;
	}
	snprintf(ring, sizeof(ring), "%s/ring", dir);
	snprintf(conf, sizeof(conf), "%s/conf", dir);
	f = fopen(conf, "w");
	if (f == NULL)
		return 1;
	fprintf(f, "RingFile %s\n", ring);
	fclose(f);
	n = fill(ring, &len);
	snprintf(id, sizeof(id), "%011X", n - n / 2);
	printf("%u records of %zu octets were written\n", n, len);
	measure("by queue id",
	    (const char *[]){argv[1], "why", "-x", conf, id, NULL}, rounds);
	measure("by client",
	    (const char *[]){argv[1], "why", "-x", conf, "--client", "192.0.2.7",
		"--limit", "10", NULL},
	    rounds);
	measure("by sender",
	    (const char *[]){argv[1], "why", "-x", conf, "--from", "a7@example.com",
		"--limit", "10", NULL},
	    rounds);
	unlink(ring);
	unlink(conf);
	rmdir(dir);
	return 0;
}
