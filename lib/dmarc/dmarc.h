/*
 * DMARC (RFC 9989): is the author's domain the one that SPF or DKIM speak for,
 * and what does its owner want done if not?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * dmarc_start begins to ask as soon as the header is there; dmarc_expect names
 * identifiers that may turn out to count, so that what they need is asked at
 * the same time; dmarc_finish decides when SPF and DKIM are known.
 */
#ifndef LIB_DMARC_DMARC_H
#define LIB_DMARC_DMARC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dmarc_record.h"

struct arena;
struct dns;
struct pslist;
struct wait;

#define DMARC_AUTHORS_MAX 8 /* author domains of one message (section 11.5) */

enum dmarc_outcome {
	DMARC_NONE, /* no author domain has DMARC */
	DMARC_PASS,
	DMARC_FAIL,
	DMARC_TEMPERROR, /* the DNS did not tell what is needed */
	DMARC_PERMERROR, /* no author domain, one that is none, or too many: it
	    never passes, and a policy may apply all the same */
};

/* Why less (or other) than the policy was done (RFC 9990, PolicyOverride). */
enum dmarc_override {
	DMARC_OVERRIDE_NONE,
	DMARC_OVERRIDE_TEST_MODE, /* t=y */
	DMARC_OVERRIDE_FORWARDER,
	DMARC_OVERRIDE_LIST,
	DMARC_OVERRIDE_LOCAL,
};

struct dmarc_result {
	enum dmarc_outcome result;
	const char *domain;        /* the author domain, A-labels; "" when there
	    is none.  Of several: the one that fared worst */
	size_t authors;            /* how many domains there were */
	const char *policy_domain; /* where the record is; NULL: none applies */
	enum dmarc_policy policy;  /* the p, sp or np that applies, before t=;
	    only where policy_domain is not NULL */
	enum dmarc_policy applied; /* the same after t= */
	enum dmarc_policy disposition; /* what comes of it: `applied` where a
	    domain's check fails; reject where there are more domains than are
	    looked at, for one of them may ask for it; otherwise none */
	bool psl; /* organizational domains are those of the list */
	bool spf_aligned, dkim_aligned; /* passed, and aligned */
	const char *spf_domain, *dkim_domain; /* which one; NULL: none */
	const struct dmarc_record *record; /* where policy_domain is */
	enum dmarc_override override; /* set further by who enforces it */
};

/* An authenticated identifier: SPF's MAIL FROM domain, or the d= of a
 * signature. */
struct dmarc_identifier {
	const char *domain; /* NULL: there is none */
	bool unknown;       /* it did neither pass nor fail (a temporary
	    error): were it aligned, nothing could be said */
};

struct dmarc_evidence {
	struct dmarc_identifier spf;
	const struct dmarc_identifier *dkim; /* those that did not fail */
	size_t dkim_count;
};

struct dmarc; /* a message's evaluation */

/*
 * Begin.  authors: the domains of the From field as they stand there; psl: take
 * organizational domains from the list, not from the tree walk; NULL: walk.
 * What is passed must outlive the evaluation.  NULL: no memory.
 */
struct dmarc *dmarc_start(const struct dns *dns, struct arena *a,
    const struct pslist *psl, const char *const *authors, size_t count);
/*
 * From can't be read, or holds more domains than are looked at.  seen: further
 * domains that a reader could see in it; more: there are others.  The policy
 * of one that neither SPF nor DKIM speaks for applies, but the result is no
 * better than permerror.  0, or ERR_NOMEM.
 */
int dmarc_unreadable(struct dmarc *d, const char *const *seen, size_t count,
    bool more);
/* The identifier may turn out to pass. */
void dmarc_expect(struct dmarc *d, const char *domain);
/* Decide, waiting for answers.  The result's strings are in the arena.  0, or
 * ERR_NOMEM. */
int dmarc_finish(struct dmarc *d, const struct dmarc_evidence *evidence,
    struct wait *w, struct dmarc_result *result_r);
/* Let go of look-ups; NULL is fine.  Memory goes with the arena. */
void dmarc_drop(struct dmarc *d);

/* none pass fail temperror permerror (RFC 9989 section 9.1) */
const char *dmarc_outcome_word(enum dmarc_outcome outcome);
/* RFC 9990's word, such as policy_test_mode; NULL for none. */
const char *dmarc_override_word(enum dmarc_override override);

#endif
