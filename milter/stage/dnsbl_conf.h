/*
 * The configuration of DNS lists.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A section gives a score, and perhaps an action, to some codes of one list.  A
 * list that several sections name is queried once.
 */
#ifndef MILTER_STAGE_DNSBL_CONF_H
#define MILTER_STAGE_DNSBL_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/conf/conf.h"
#include "lib/dns/dnsbl.h"
#include "milter/verdict.h"

struct dnsbl_health;
struct dnsbl_test;
struct errmsg;

/* What a list is queried about: the keyword Ask. */
enum dnsbl_ask {
	DNSBL_ASK_IP,
	DNSBL_ASK_HELO,
	DNSBL_ASK_MAILFROM,
	DNSBL_ASK_FROM,
	DNSBL_ASK_RDNS,
	DNSBL_ASK_COUNT,
};

#define DNSBL_ASK_BIT(a) (1u << (a))

/* A list: a zone, with the things of one kind that it is queried about. */
struct dnsbl_list {
	enum dnsbl_kind kind;
	const char *zone;
	const char *test; /* the domain that it lists for tests; NULL: TEST */
	unsigned asks;	  /* DNSBL_ASK_BIT()s, of all its sections */
	long share_max;	  /* MaxShare; the least of those given */
	struct dnsbl_health *health;
	struct dnsbl_test *selftest; /* NULL until the first one */
};

struct dnsbl_section {
	const char *title, *zone;
	unsigned asks;				     /* DNSBL_ASK_BIT()s */
	const struct dnsbl_list *lists[DNSBL_KINDS]; /* the lists that it
	    queries, by kind; NULL: none */
	struct dnsbl_range *codes;
	size_t code_count;
	double score;
	const char *symbols[DNSBL_ASK_COUNT]; /* for the bits of asks */
	enum verdict_action action;	      /* NONE: a listing only scores */
	const char *reply;		      /* Reply, with placeholders */
};

struct dnsbl_conf {
	struct arena arena;
	struct dnsbl_section *sections; /* in the order of the file */
	size_t count;
	struct dnsbl_list *lists;
	size_t list_count;
};

/* The stage's keywords. */
extern const struct conf_table dnsbl_conf_options;

/* Decode c, which must outlive the result.  The health and selftest of the
 * lists are left NULL.  0, or a negative ERR_ and *msg_r.  Call dnsbl_conf_fini
 * in either case. */
int dnsbl_conf_init(
    struct dnsbl_conf *d, const struct conf *c, struct errmsg *msg_r);
void dnsbl_conf_fini(struct dnsbl_conf *d);

/* The prefix of symbols, for sections without Symbol. */
const char *dnsbl_conf_prefix(enum dnsbl_ask ask);
/* Does the section count that code?  In host order. */
bool dnsbl_conf_counts(const struct dnsbl_section *s, uint32_t code);
/* The text of a refusal, in the arena; NULL: no memory. */
const char *dnsbl_conf_reply(const struct dnsbl_section *s, struct arena *a,
    const char *about, uint32_t code);

#endif
