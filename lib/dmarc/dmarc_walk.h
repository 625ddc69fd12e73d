/*
 * The DNS tree walk (RFC 9989 section 4.10): the DMARC records at a domain and
 * above it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * All names of a walk are asked at once, and each name once a message, however
 * many walks meet there.
 */
#ifndef LIB_DMARC_DMARC_WALK_H
#define LIB_DMARC_DMARC_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct dmarc_record;
struct dns;
struct dns_query;
struct wait;

#define DMARC_WALK_MAX 8     /* RFC 9989 section 4.10: names of one walk */
#define DMARC_QUERIES_MAX 80 /* of one message; beyond it names have no
                                answer, as if it had not come in time */

/* One look-up: a record, or whether a name exists. */
struct dmarc_name {
	const char *name; /* without _dmarc. */
	bool exists;      /* asked for itself, not for a record */
	bool temporary;   /* no answer, or none that counts */
	bool known;       /* the answer was looked at */
	bool missing;     /* NXDOMAIN */
	struct dns_query *query;
	const struct dmarc_record *record; /* NULL: none */
	struct dmarc_name *next;
};

struct dmarc_walk {
	const struct dns *dns;
	struct arena *arena;
	struct wait *wait; /* for answers; NULL: they have to be there */
	struct dmarc_name *names;
	size_t count;
};

/* The name below which a walk goes on: the part of `domain` that is asked
 * after `name`; NULL: the walk ends. Start with name = domain. */
const char *dmarc_walk_up(const char *name);

/* Names are lower case without final dot, and must live as long as the walk.
 * Start the look-ups of a whole walk, of one name, and of whether a name
 * exists.  0, or ERR_NOMEM. */
int dmarc_walk_ask(struct dmarc_walk *w, const char *domain);
int dmarc_walk_ask_one(struct dmarc_walk *w, const char *name);
int dmarc_walk_ask_exists(struct dmarc_walk *w, const char *name);

/* Answers; they wait, and ask what was not asked.  0, ERR_TIMEOUT when the DNS
 * did not tell, or ERR_NOMEM. */
/* *record_r NULL: there is none, or more than one, which is the same. */
int dmarc_walk_record(struct dmarc_walk *w, const char *name,
    const struct dmarc_record **record_r);
int dmarc_walk_exists(struct dmarc_walk *w, const char *name, bool *yes_r);

/* The organizational domain (section 4.10.2), and the public suffix above it
 * that has a record (NULL: none); both are parts of `domain`. */
int dmarc_walk_org(struct dmarc_walk *w, const char *domain,
    const char **org_r, const char **psd_r);

/* Let go of the look-ups; records stay. */
void dmarc_walk_drop(struct dmarc_walk *w);

#endif
