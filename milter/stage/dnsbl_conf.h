/*
 * What the configuration says of DNS lists.  SPDX-License-Identifier:
 * BSD-2-Clause
 *
 * A section gives a score, and perhaps more, to some codes of one list; a list
 * that several sections name is asked once.
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

/* What a list is asked about: Ask. */
enum dnsbl_ask {
	DNSBL_ASK_IP,
	DNSBL_ASK_HELO,
	DNSBL_ASK_MAILFROM,
	DNSBL_ASK_FROM,
	DNSBL_ASK_RDNS,
	DNSBL_ASK_COUNT,
};

#define DNSBL_ASK_BIT(a) (1u << (a))

/* What is asked of a zone about things of one kind. */
struct dnsbl_list {
	enum dnsbl_kind kind;
	const char *zone;
	const char *test; /* the domain that it lists; NULL: TEST */
	unsigned asks;	  /* DNSBL_ASK_BIT()s, of all its sections */
	long share_max;	  /* MaxShare; the least of those given */
	struct dnsbl_health *health;
	struct dnsbl_test *selftest; /* NULL until the first one */
};

struct dnsbl_section {
	const char *title, *zone;
	unsigned asks;				     /* DNSBL_ASK_BIT()s */
	const struct dnsbl_list *lists[DNSBL_KINDS]; /* where that is asked */
	struct dnsbl_range *codes;
	size_t code_count;
	double score;
	const char *symbols[DNSBL_ASK_COUNT]; /* for those in asks */
	enum verdict_action action;	      /* NONE: it only scores */
	const char *reply;		      /* with placeholders */
};

struct dnsbl_conf {
	struct arena arena;
	struct dnsbl_section *sections; /* in the order of the file */
	size_t count;
	struct dnsbl_list *lists;
	size_t list_count;
};

/* The keywords: the stage's rows. */
extern const struct conf_table dnsbl_conf_options;

/* Decode what was read; the conf must outlive the result.  Of lists, health
 * and selftest are left NULL.  0, or a negative ERR_ and *msg_r;
 * dnsbl_conf_fini is due in any case. */
int dnsbl_conf_init(
    struct dnsbl_conf *d, const struct conf *c, struct errmsg *msg_r);
void dnsbl_conf_fini(struct dnsbl_conf *d);

/* What a symbol begins with that no Symbol names. */
const char *dnsbl_conf_prefix(enum dnsbl_ask ask);
/* Is it a code that the section counts? */
bool dnsbl_conf_counts(const struct dnsbl_section *s, uint32_t code);
/* The words of a refusal, in the arena; NULL: no memory. */
const char *dnsbl_conf_reply(const struct dnsbl_section *s, struct arena *a,
    const char *about, uint32_t code);

#endif
