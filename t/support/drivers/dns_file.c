/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_file.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

struct line {
	const char *name;
	enum dns_type type;
	enum dns_status status; /* DNS_OK: data counts */
	struct dns_record record;
	struct line *next;
	bool secure;
};

struct zone {
	struct arena arena;
	struct line *lines;
};

struct dns_query {
	struct arena arena;
	struct dns_answer answer;
};

static int
parse_type(const char *word, enum dns_type *type_r)
{
	static const struct {
		const char *word;
		enum dns_type type;
	} types[] = {{"A", DNS_A}, {"AAAA", DNS_AAAA}, {"MX", DNS_MX},
	    {"TXT", DNS_TXT}, {"PTR", DNS_PTR}, {"CNAME", DNS_CNAME}};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if (strcmp(types[i].word, word) == 0) {
			*type_r = types[i].type;
			return 0;
		}
	}
	return ERR_SYNTAX;
}

static int
parse_data(struct arena *a, struct line *l, const char *data)
{
	unsigned char out[16];
	unsigned pref;
	char host[256], *mx;

	l->record.len = strlen(data);
	l->record.data = (const unsigned char *)arena_strdup(a, data);
	if (l->type == DNS_A || l->type == DNS_AAAA) {
		bool v4 = l->type == DNS_A;

		if (inet_pton(v4 ? AF_INET : AF_INET6, data, out) != 1)
			return ERR_SYNTAX;
		l->record.len = v4 ? 4 : 16;
		l->record.data = (const unsigned char *)arena_memdup(
		    a, out, l->record.len);
	} else if (l->type == DNS_MX) {
		if (sscanf(data, "%u %255s", &pref, host) != 2)
			return ERR_SYNTAX;
		mx = arena_alloc(a, strlen(host) + 3);
		if (mx == NULL)
			return ERR_NOMEM;
		mx[0] = (char)(pref >> 8);
		mx[1] = (char)pref;
		strcpy(mx + 2, host);
		l->record.len = strlen(host) + 2;
		l->record.data = (const unsigned char *)mx;
	}
	return l->record.data == NULL ? ERR_NOMEM : 0;
}

static int
parse_line(struct zone *z, char *text)
{
	char *save, *name = strtok_r(text, " \t", &save);
	char *type = strtok_r(NULL, " \t", &save);
	struct line *l = arena_alloc(&z->arena, sizeof(*l));

	if (name == NULL)
		return 0;
	if (type != NULL && strchr(type, '+') != NULL) {
		*strchr(type, '+') = '\0';
		l->secure = true;
	}
	if (type == NULL || l == NULL || parse_type(type, &l->type) != 0)
		return ERR_SYNTAX;
	while (*save == ' ' || *save == '\t')
		save++;
	l->name = arena_strdup(&z->arena, name);
	l->next = z->lines;
	z->lines = l;
	if (strcmp(save, "!timeout") == 0)
		l->status = DNS_TIMEOUT;
	else if (strcmp(save, "!servfail") == 0)
		l->status = DNS_TEMPFAIL;
	else
		return parse_data(&z->arena, l, save);
	return 0;
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	const struct zone *z = ctx;
	struct dns_query *q = calloc(1, sizeof(*q));
	struct dns_record *records;
	size_t room = 0;

	if (q == NULL)
		return NULL;
	for (const struct line *l = z->lines; l != NULL; l = l->next)
		room++;
	records = arena_alloc(&q->arena, (room + 1) * sizeof(*records));
	q->answer = (struct dns_answer){
	    .status = DNS_NXDOMAIN, .ttl = 300, .records = records};
	for (const struct line *l = z->lines; l != NULL; l = l->next) {
		if (strcasecmp(l->name, name) != 0)
			continue;
		if (q->answer.status == DNS_NXDOMAIN)
			q->answer.status = DNS_NODATA;
		if (l->type != type)
			continue;
		q->answer.status = l->status;
		q->answer.secure = l->secure;
		if (l->status == DNS_OK)
			records[q->answer.count++] = l->record;
	}
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

int
dns_file_open(const char *text, struct dns *d)
{
	struct zone *z = calloc(1, sizeof(*z));
	char *copy, *save, *line;
	int rc = 0;

	if (z == NULL)
		return ERR_NOMEM;
	*d = (struct dns){
	    .ctx = z, .start = start, .collect = collect, .drop = drop};
	copy = arena_strdup(&z->arena, text);
	for (line = strtok_r(copy, "\n", &save); line != NULL && rc == 0;
	     line = strtok_r(NULL, "\n", &save))
		rc = parse_line(z, line);
	return rc;
}

void
dns_file_close(struct dns *d)
{
	struct zone *z = d->ctx;

	arena_fini(&z->arena);
	free(z);
}
