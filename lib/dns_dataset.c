/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_dataset.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/arena.h"
#include "lib/conf/dataset.h"
#include "lib/dns_wire.h"
#include "lib/err.h"

#define RECORDS_MAX 64 /* of a name */
#define TTL 300

struct sets {
	const struct dataset *keys, *all;
	const struct dns *rest;
};

struct dns_query {
	struct dns_query *asked; /* of `rest`; NULL: it is answered here */
	struct arena arena;
	struct dns_answer answer;
	struct dns_record records[RECORDS_MAX];
};

static bool
is_key_name(const char *name)
{
	return strcasestr(name, "._domainkey.") != NULL;
}

/* Everything that the set has under that name. */
static enum dns_status
look_up(struct dns_query *q, const struct dataset *set, const char *name)
{
	struct dataset_entry e;
	size_t from = 0;
	int rc = 0;

	while (q->answer.count < RECORDS_MAX &&
	    (rc = dataset_get_from(set, name, from, &e)) == 0) {
		struct dns_record *r = &q->records[q->answer.count++];

		r->len = strlen(e.value);
		r->data = (const unsigned char *)arena_memdup(
		    &q->arena, e.value, r->len);
		from = e.index + 1;
		dataset_entry_fini(&e);
		if (r->data == NULL)
			return DNS_TEMPFAIL;
	}
	if (rc != 0 && rc != ERR_NOTFOUND)
		return DNS_TEMPFAIL;
	return q->answer.count > 0 ? DNS_OK : DNS_NXDOMAIN;
}

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	const struct sets *s = ctx;
	const struct dataset *set = s->all;
	char key[DNS_NAME_TEXT];
	struct dns_query *q = calloc(1, sizeof(*q));

	if (q == NULL)
		return NULL;
	if (s->keys != NULL && is_key_name(name))
		set = s->keys;
	if (set == NULL) {
		q->asked = dns_start(s->rest, name, type);
		if (q->asked == NULL) {
			free(q);
			return NULL;
		}
		return q;
	}
	q->answer = (struct dns_answer){
	    .status = DNS_BADNAME, .ttl = TTL, .records = q->records};
	if (dns_wire_key(name, key))
		q->answer.status = look_up(q, set, key);
	if (q->answer.status == DNS_OK && type != DNS_TXT)
		q->answer.status = DNS_NODATA;
	if (q->answer.status != DNS_OK)
		q->answer.count = 0;
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, int64_t deadline_ms)
{
	const struct sets *s = ctx;

	return q->asked == NULL ? &q->answer
				: dns_collect(s->rest, q->asked, deadline_ms);
}

static bool
ready(void *ctx, struct dns_query *q)
{
	const struct sets *s = ctx;

	return q->asked == NULL || dns_ready(s->rest, q->asked);
}

static void
drop(void *ctx, struct dns_query *q)
{
	const struct sets *s = ctx;

	if (q->asked != NULL)
		dns_drop(s->rest, q->asked);
	arena_fini(&q->arena);
	free(q);
}

int
dns_dataset_open(const struct dataset *keys, const struct dataset *all,
    const struct dns *rest, struct dns *d)
{
	struct sets *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return ERR_NOMEM;
	*s = (struct sets){.keys = keys, .all = all, .rest = rest};
	*d = (struct dns){
	    .ctx = s,
	    .start = start,
	    .collect = collect,
	    .drop = drop,
	    .ready = ready,
	};
	return 0;
}

void
dns_dataset_close(struct dns *d)
{
	free(d->ctx);
}
