/*
 * Any zone leads to a result, without an end to the process, and without more
 * look-ups than the limits allow.  The input, in lines: client, HELO, sender;
 * then records, `TYPE text`, TYPE one of T A M P and q for a failure; the
 * answer to the nth question is the next of its type, round and round.  A
 * record `T` may hold any octets but LF.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/spf/spf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RECORDS_MAX 64
#define NAME_TEXT 1020 /* octets of a name, all of them as \DDD */
/* Two identities: their record and exp, the names of the client, and ten terms
 * with ten names each, some of them begun for nothing. */
#define QUESTIONS_MAX (2 * (2 + 11 * 11 + 12))
#define TEXTS_MAX (2 * 11) /* each name is asked once */

struct zone {
	struct arena arena;
	struct {
		char type;
		struct dns_record data;
	} records[RECORDS_MAX];
	size_t count, next, questions, texts;
};

struct dns_query {
	struct dns_answer answer;
	struct dns_record records[RECORDS_MAX];
};

static char
letter(enum dns_type type)
{
	switch (type) {
	case DNS_TXT:
		return 'T';
	case DNS_MX:
		return 'M';
	case DNS_PTR:
		return 'P';
	default:
		return 'A';
	}
}

static void
fill(struct zone *z, struct dns_query *q, enum dns_type type)
{
	size_t want = type == DNS_TXT ? 1 : 1 + z->next % 12;
	size_t at = z->next++;

	q->answer.records = q->records;
	q->answer.status = DNS_NODATA;
	for (size_t i = 0; i < z->count && q->answer.count < want; i++) {
		size_t n = (at + i) % z->count;

		if (z->records[n].type == 'q' && i == 0) {
			q->answer.status = DNS_TIMEOUT;
			return;
		}
		if (z->records[n].type != letter(type))
			continue;
		q->answer.status = DNS_OK;
		q->records[q->answer.count] = z->records[n].data;
		if (letter(type) == 'A')
			q->records[q->answer.count].len =
			    type == DNS_A ? 4 : 16;
		q->answer.count++;
	}
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	struct zone *z = ctx;
	struct dns_query *q = calloc(1, sizeof(*q));

	if (q == NULL || strlen(name) > NAME_TEXT ||
	    ++z->questions > QUESTIONS_MAX ||
	    (type == DNS_TXT && ++z->texts > TEXTS_MAX))
		abort();
	fill(z, q, type);
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
	free(q);
}

static void
add_record(struct zone *z, const char *line, size_t len)
{
	size_t room = len < 18 ? 18 : len;
	char *data = arena_alloc(&z->arena, room);

	if (len == 0 || z->count == RECORDS_MAX ||
	    (line[0] != 'T' && len > NAME_TEXT)) /* no resolver gives that */
		return;
	memcpy(data, line, len);
	z->records[z->count].type = line[0];
	z->records[z->count].data.data = (unsigned char *)data + 1;
	z->records[z->count++].data.len = len - 1;
	if (line[0] == 'M' && len < 3)
		z->count--;
}

static void
judge(struct zone *z, const char *line[3])
{
	struct dns dns = {
	    .ctx = z, .start = start, .collect = collect, .drop = drop};
	struct spf_request request = {.helo = line[1],
	    .sender = line[2],
	    .host = "mx.example.org"};
	const struct spf_result *mfrom, *helo;
	struct spf *s;

	(void)host_parse(line[0], &request.client);
	s = spf_start(&dns, &z->arena, &request);
	if (s == NULL || spf_finish(s, NULL, &mfrom, &helo) != 0)
		abort();
	for (const char *p = mfrom->explanation; p != NULL && *p != '\0'; p++) {
		if (*p < 0x20 || *p > 0x7e)
			abort();
	}
	/* Never a result of the library's own. */
	if (mfrom->reason != NULL &&
	    strncmp(mfrom->reason, "the SPF library", 15) == 0)
		abort();
	spf_drop(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data, *end = text + size, *stop;
	const char *line[3] = {"", "", ""};
	struct zone z = {.count = 0};

	arena_init(&z.arena);
	for (size_t n = 0; text < end; n++, text = stop + 1) {
		stop = memchr(text, '\n', (size_t)(end - text));
		stop = stop == NULL ? end : stop;
		if (n < 3)
			line[n] = arena_memdup(
			    &z.arena, text, (size_t)(stop - text));
		else
			add_record(&z, text, (size_t)(stop - text));
	}
	judge(&z, line);
	arena_fini(&z.arena);
	return 0;
}
