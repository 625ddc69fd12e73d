/*
 * DNS look-ups of a check.  They are started as soon as their names are known,
 * and collected later; lib/base/wait.h describes these steps.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * This is an interface: a struct of functions and a context.  A resolver fills
 * it in production, a file of records in tests.  All functions may be called
 * from any thread.
 */
#ifndef LIB_DNS_DNS_H
#define LIB_DNS_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 1035 section 3.2.2, RFC 3596 */
enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
};

/* What came of a look-up; an outcome, never an ERR_ code. */
enum dns_status {
	DNS_OK,       /* at least one record */
	DNS_NODATA,   /* the name exists, not with this type */
	DNS_NXDOMAIN, /* no such name, and nothing below it (RFC 8020) */
	DNS_TEMPFAIL, /* SERVFAIL, no answer, or bogus */
	DNS_TIMEOUT,  /* the caller's deadline passed first */
	DNS_BADNAME,  /* not a name that can be queried */
};

struct dns_record {
	const unsigned char *data; /* A, AAAA: the address, network order;
	    TXT: the strings of one record joined; PTR, CNAME: the name;
	    MX: two octets of preference, then the name.  Names are in
	    presentation form without the final dot, odd octets as \DDD. */
	size_t len;
};

struct dns_answer {
	enum dns_status status;
	bool secure; /* validated by DNSSEC */
	uint32_t ttl;
	size_t count;
	const struct dns_record *records;
};

struct dns_query; /* one look-up under way */
struct wait;

struct dns {
	void *ctx;
	/* Start a query; NULL: no memory.  Never waits. */
	struct dns_query *(*start)(
	    void *ctx, const char *name, enum dns_type type);
	/* Wait for the answer; never NULL.  w NULL: don't wait, the answer must
	 * be there.  It lives as long as the query, and a second call returns
	 * the same. */
	const struct dns_answer *(*collect)(
	    void *ctx, struct dns_query *q, struct wait *w);
	/* End the query, whether answered or not. */
	void (*drop)(void *ctx, struct dns_query *q);
	/* Is the answer there, so that collect would not wait?  NULL: it always
	 * is. */
	bool (*ready)(void *ctx, struct dns_query *q);
};

/* Convenience: the same through the struct. */
static inline struct dns_query *
dns_start(const struct dns *d, const char *name, enum dns_type type)
{
	return d->start(d->ctx, name, type);
}

static inline const struct dns_answer *
dns_collect(const struct dns *d, struct dns_query *q, struct wait *w)
{
	return d->collect(d->ctx, q, w);
}

static inline bool
dns_ready(const struct dns *d, struct dns_query *q)
{
	return d->ready == NULL || d->ready(d->ctx, q);
}

static inline void
dns_drop(const struct dns *d, struct dns_query *q)
{
	if (q != NULL)
		d->drop(d->ctx, q);
}

#endif
