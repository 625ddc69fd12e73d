/*
 * Is what the DNS publishes under a selector the key that signs?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The look-up is started, and collected later (lib/base/wait.h), so that a
 * caller can have several under way.  Nothing is printed or logged here.
 */
#ifndef MILTER_PUBLISHED_H
#define MILTER_PUBLISHED_H

#include <stdbool.h>

struct dkim_key;
struct dns;
struct published;
struct wait;

/* What was found.  All strings live as long as the struct published. */
struct published_finding {
	const char *name;  /* selector._domainkey.domain */
	const char *fault; /* NULL: all is well; or one of the words missing
	    several syntax type mismatch revoked testing dns name memory */
	const char *text;     /* what is the matter, in words */
	const char *cure;     /* what mends it; NULL: nothing to mend */
	const char *expected; /* the record to publish */
	const char *found;    /* what is published, for a terminal; NULL: none */
};

/* Start the look-up; d and the key must outlive it.  NULL: no memory. */
struct published *published_start(const struct dns *d, const char *domain,
    const char *selector, const struct dkim_key *key);
/* Is the answer there, so that collect would not wait? */
bool published_ready(const struct published *p);
/* Never NULL; a second call returns the same. */
const struct published_finding *published_collect(
    struct published *p, struct wait *w);
/* End it, whether answered or not.  NULL is fine. */
void published_drop(struct published *p);

#endif
