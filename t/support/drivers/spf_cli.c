/*
 * SPF checks for t/oracle/spf: the DNS is whoever is at the other end.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * All fields are hexadecimal.  In: `CLIENT HELO SENDER`.  Out, any number of
 * times: `? NAME TYPE`, to which the next line in is `STATUS DATA...`, STATUS a
 * number of enum dns_status; then, for MAIL FROM and for HELO, `= RESULT SCOPE
 * MECHANISM INNER EXPLANATION REASON ADDRESSES PLUSALL`, the numbers and the
 * first two words in the clear.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/spf/spf.h"

struct dns_query {
	struct arena arena;
	struct dns_answer answer;
};

static void
put_hex(const char *s)
{
	putchar(' ');
	if (s == NULL)
		putchar('-');
	for (; s != NULL && *s != '\0'; s++)
		printf("%02x", (unsigned char)*s);
}

static void
put_result(const struct spf_result *r)
{
	printf("= %s %s", spf_outcome_text(r->result),
	    spf_scope_text(r->scope));
	put_hex(r->mechanism);
	put_hex(r->inner);
	put_hex(r->explanation);
	put_hex(r->reason);
	printf(" %llu %d\n", (unsigned long long)r->addresses, r->plus_all);
}

static char *
get_hex(struct arena *a, const char *hex, size_t *len_r)
{
	size_t len = strlen(hex) / 2;
	char *s = arena_alloc(a, len + 1);
	unsigned c;

	for (size_t i = 0; i < len && sscanf(hex + 2 * i, "%2x", &c) == 1; i++)
		s[i] = (char)c;
	if (len_r != NULL)
		*len_r = len;
	return s;
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct dns_query *q = calloc(1, sizeof(*q));
	struct dns_record *records;
	size_t len, room = 0;
	char *line = NULL, *save, *word;

	(void)ctx;
	putchar('?');
	put_hex(name);
	printf(" %d\n", (int)type);
	fflush(stdout);
	if (getline(&line, &room, stdin) < 0)
		exit(1);
	q->answer.status =
	    (enum dns_status)atoi(strtok_r(line, " \n", &save));
	records = arena_alloc(&q->arena, (strlen(line) + room) *
		sizeof(*records));
	while ((word = strtok_r(NULL, " \n", &save)) != NULL) {
		records[q->answer.count].data =
		    (const unsigned char *)get_hex(
			&q->arena, strcmp(word, "-") == 0 ? "" : word, &len);
		records[q->answer.count++].len = len;
	}
	q->answer.records = records;
	free(line);
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	(void)ctx, (void)w;
	return &q->answer;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx;
	arena_fini(&q->arena);
	free(q);
}

static void
judge(char *line)
{
	static const struct dns dns = {
	    .start = start, .collect = collect, .drop = drop};
	struct arena a;
	struct spf_request request = {.host = "mx.example.org",
	    .now = 1000000000};
	const struct spf_result *r, *helo;
	char *save, *field[3];
	struct spf *s;

	arena_init(&a);
	for (int i = 0; i < 3; i++) {
		char *word = strtok_r(i == 0 ? line : NULL, " \n", &save);

		field[i] = get_hex(&a, word == NULL ? "" : word + 1, NULL);
	}
	(void)host_parse(field[0], &request.client);
	request.helo = field[1];
	request.sender = field[2];
	s = spf_start(&dns, &a, &request);
	if (s == NULL || spf_finish(s, NULL, &r, &helo) != 0)
		exit(1);
	put_result(r);
	put_result(helo);
	fflush(stdout);
	spf_drop(s);
	arena_fini(&a);
}

int
main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) >= 0)
		judge(line);
	free(line);
	return 0;
}
