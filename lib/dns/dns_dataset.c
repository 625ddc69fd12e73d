/* SPDX-License-Identifier: BSD-2-Clause */
#include "dns_dataset.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/conf/dataset.h"
#include "lib/dns/dns_wire.h"

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

#define DATA_MAX (2 + DNS_NAME_TEXT)

/* A name with its preference before it, as an MX record has it. */
static bool
read_mx(const char *text, unsigned char *data, struct dns_record *r)
{
	char name[DNS_NAME_TEXT], *end;
	unsigned long preference = strtoul(text, &end, 10);

	if (end == text || *end != ' ' || preference > UINT16_MAX ||
	    !dns_wire_key(end + 1, name))
		return false;
	data[0] = (unsigned char)(preference >> 8);
	data[1] = (unsigned char)preference;
	r->len = 2 + strlen(name);
	memcpy(data + 2, name, r->len - 2);
	return true;
}

/* Which record a value stands for, and its data: that of the type before it,
 * if there is one and the rest is as it has to be; text otherwise. */
static enum dns_type
read_value(const char *value, unsigned char data[DATA_MAX],
    struct dns_record *r)
{
	r->data = data;
	r->len = 4;
	if (strncmp(value, "A ", 2) == 0 &&
	    inet_pton(AF_INET, value + 2, data) == 1)
		return DNS_A;
	r->len = 16;
	if (strncmp(value, "AAAA ", 5) == 0 &&
	    inet_pton(AF_INET6, value + 5, data) == 1)
		return DNS_AAAA;
	if (strncmp(value, "MX ", 3) == 0 && read_mx(value + 3, data, r))
		return DNS_MX;
	if (strncmp(value, "PTR ", 4) == 0 &&
	    dns_wire_key(value + 4, (char *)data)) {
		r->len = strlen((const char *)data);
		return DNS_PTR;
	}
	if (strncmp(value, "TXT ", 4) == 0)
		value += 4;
	r->data = (const unsigned char *)value;
	r->len = strlen(value);
	return DNS_TXT;
}

/* Everything of that type that the set has under that name. */
static enum dns_status
look_up(struct dns_query *q, const struct dataset *set, const char *name,
    enum dns_type type)
{
	struct dataset_entry e;
	unsigned char data[DATA_MAX];
	size_t from = 0;
	int rc = 0;
	bool exists = false;

	while (q->answer.count < RECORDS_MAX &&
	    (rc = dataset_get_from(set, name, from, &e)) == 0) {
		struct dns_record r;

		exists = true;
		from = e.index + 1;
		if (read_value(e.value, data, &r) == type) {
			r.data = (const unsigned char *)arena_memdup(
			    &q->arena, r.data, r.len);
			q->records[q->answer.count++] = r;
		}
		dataset_entry_fini(&e);
		if (q->answer.count > 0 &&
		    q->records[q->answer.count - 1].data == NULL)
			return DNS_TEMPFAIL;
	}
	if (rc != 0 && rc != ERR_NOTFOUND)
		return DNS_TEMPFAIL;
	if (!exists)
		return DNS_NXDOMAIN;
	return q->answer.count > 0 ? DNS_OK : DNS_NODATA;
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
		q->answer.status = look_up(q, set, key, type);
	if (q->answer.status != DNS_OK)
		q->answer.count = 0;
	return q;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	const struct sets *s = ctx;

	return q->asked == NULL ? &q->answer
				: dns_collect(s->rest, q->asked, w);
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
