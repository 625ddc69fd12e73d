/*
 * DKIM signatures for one message (RFC 6376 section 5, RFC 8463).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The body is hashed while it streams by, once for each canonical form wanted;
 * everything else happens at the end, when it is known which header fields
 * leave: dkim_sign_finish takes the fields as they will be delivered (after the
 * edits of other stages) and any number of requests, and makes one signature
 * for each.
 *
 *	s = dkim_sign_new(engine, DKIM_CANON_BIT(DKIM_RELAXED));
 *	dkim_sign_body(s, chunk, len);                  any number of times
 *	dkim_sign_names(&arena, headers, &policy, &h);
 *	dkim_sign_finish(s, &arena, headers, requests, n, results);
 *	dkim_sign_free(s);
 *
 * An engine is shared by all threads; a struct dkim_sign is used by one thread
 * at a time and dies before its engine.
 */
#ifndef LIB_DKIM_DKIM_SIGN_H
#define LIB_DKIM_DKIM_SIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "lib/dkim/dkim_canon.h"

struct arena;
struct dkim_key;
struct hdr_list;

#define DKIM_SIGN_REQUESTS_MAX 64   /* signatures made at once */
#define DKIM_SIGN_NAMES_MAX 256     /* names in an h= */
#define DKIM_SIGN_NAMES_OCTETS 3072 /* length of an h= */
#define DKIM_SIGN_DOMAIN_MAX 253    /* d=, s= */
#define DKIM_SIGN_IDENTITY_MAX 254  /* i=; each octet before the @ counts
    three times */
#define DKIM_SIGN_FIELDS_MAX 1000   /* fields signed */
#define DKIM_SIGN_FIELDS_OCTETS (1024 * 1024) /* of the fields signed */
#define DKIM_SIGN_COPIES_OCTETS 16384 /* length of a z= */

/* The header engine; one in a process will do. */
struct dkim_engine;
struct dkim_engine *dkim_engine_new(void); /* NULL: no memory */
void dkim_engine_free(struct dkim_engine *e);

/* Can this be a d= or s=?  Letters, digits, "-" and "_" in labels. */
bool dkim_sign_domain_ok(const char *name);

struct dkim_sign;

/* What to sign with, and how.  Strings and key are the caller's, and live until
 * dkim_sign_finish returned. */
struct dkim_request {
	const char *domain;         /* d=: A-labels, no final dot */
	const char *selector;       /* s=: likewise */
	const char *identity;       /* i=, "local@domain" or "@domain" where
	    domain is d= or below it; NULL: no i= */
	const struct dkim_key *key; /* a= is its algorithm */
	enum dkim_canon header, body;
	const char *const *names;   /* h=, NULL-ended, in this order: each name
	    stands for one instance, from the last one upwards; a name beyond
	    the instances there are is oversigned (RFC 6376 section 5.4) */
	time_t at;   /* t=, later than 2001; 0: no t= */
	time_t ttl;  /* x= is at + ttl; 0: no x= */
	bool copies; /* z=: copies of the fields signed, for diagnosis; left
	    out if it would exceed DKIM_SIGN_COPIES_OCTETS */
};

struct dkim_result {
	/* 0; ERR_SYNTAX: the request or a field that must be signed (From) is
	 * not of a form that can be signed; ERR_NOTFOUND: no From field, or
	 * From is not in h=; ERR_LIMIT: a cap above; ERR_CRYPTO; ERR_NOMEM. */
	int error;
	const char *reason; /* words for error, static; NULL when 0 */
	/* The value of the DKIM-Signature field, without name, colon and the
	 * space behind it; folds are "\n\t", lines shorter than 78 columns.
	 * Insert it at the top: with exactly one space behind the colon it is
	 * what was hashed.  NULL when error is not 0. */
	const char *value;
	const char *b; /* the signature's first 8 characters, for a log */
};

/* canons: DKIM_CANON_BIT()s of the body forms that will be asked for, not 0.
 * NULL: no memory. */
struct dkim_sign *dkim_sign_new(struct dkim_engine *e, unsigned canons);
void dkim_sign_free(struct dkim_sign *s);
/* A piece of the body, as it comes over SMTP; see dkim_body.h. */
void dkim_sign_body(struct dkim_sign *s, const void *bytes, size_t len);

/*
 * Sign.  headers are all fields of the message as they will leave, top first.
 * results[i] answers requests[i], its text in the arena; one that fails does
 * not hinder the others.  Fields that can't be signed (see dkim_sign_names)
 * must not be in h=.  Returns 0 when all went well, otherwise the first error.
 * May be called again, with other requests.
 */
int dkim_sign_finish(struct dkim_sign *s, struct arena *a,
    const struct hdr_list *headers, const struct dkim_request *requests,
    size_t count, struct dkim_result *results);

/*
 * Which fields to sign, by name.  Lists are NULL-ended, case does not matter,
 * and an item with a "*" in it is a pattern: it stands for what it matches of
 * the message's fields, but for dkim_fields_never.
 */
struct dkim_fields {
	const char *const *sign;     /* each instance present is signed; NULL:
	    dkim_fields_default */
	const char *const *oversign; /* likewise, and one instance more than
	    are present, so that none can be added; NULL: none */
	const char *const *late;     /* not oversigned when absent, even if in
	    oversign: the MTA may yet add it; NULL: none */
	const char *const *omit;     /* not signed, even if in the other lists;
	    NULL: none.  From can't be omitted */
};

/* RFC 6376 section 5.4.1, and fields of MIME, lists and threads that make a
 * difference to the reader. */
extern const char *const dkim_fields_default[];
/* Fields that change on the way, or tell what should stay hidden. */
extern const char *const dkim_fields_never[];

/*
 * Make the h= for these headers: From first, then every field that sign or
 * oversign names, in the order of the message, then each item of oversign once
 * more.  A name with an instance that can't be signed is left out; so are, from
 * the end, fields of the message that would exceed the caps.
 * *names_r is NULL-ended and in the arena.  0, ERR_NOMEM, ERR_NOTFOUND (no
 * From), or ERR_SYNTAX (a From that can't be signed).
 *
 * What can't be signed: a field whose name is not one, or whose value holds a
 * NUL, or a CR or LF outside of folds; and what verifiers do not agree about:
 * VT and FF in a value and a tab before the colon.
 */
int dkim_sign_names(struct arena *a, const struct hdr_list *headers,
    const struct dkim_fields *fields, const char *const **names_r);

#endif
