/*
 * lib/dns/dns.h filled by libunbound: asynchronous, shared by all threads, with a
 * cache, and validating if it is given a trust anchor.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening judges the configuration and starts nothing; the threads (one that
 * fetches answers, and libunbound's own) come with the first look-up, or with
 * dns_unbound_start.  So open it before a fork if you like, but start it after.
 *
 * Validation: where the servers that are asked hand on no DNSSEC records, a
 * validator calls every answer bogus, and all mail would stop.  So the root's
 * keys are looked up first.  If they can't be had and validated, answers are
 * taken as they come (`secure` false), and that is said once; the same question
 * is asked again when answers fail, and from time to time while it is off.
 */
#ifndef LIB_DNS_DNS_UNBOUND_H
#define LIB_DNS_DNS_UNBOUND_H

#include <stdbool.h>

#include "lib/dns/dns.h"

struct errmsg;

struct dns_unbound_conf {
	/* Who is asked, as dns_unbound_server takes them, NULL-ended; NULL:
	 * those of resolv_conf. */
	const char *const *servers;
	const char *resolv_conf; /* NULL: /etc/resolv.conf; without the file it
	    is this machine */
	/* An unbound.conf, read first; then it says who is asked, unless there
	 * are servers.  NULL: none. */
	const char *config_file;
	const char *anchor_file; /* trust anchors; NULL: no validation */
	/* Told, from a thread of the resolver's, that validation is off, since
	 * the name servers do not supply what it needs, or on again; NULL:
	 * nobody. */
	void (*on_validation)(void *arg, bool on);
	/* Told, from any thread, what came of a question: its answer, or that
	 * its collector did not wait longer; ns: after what time.  cached: our
	 * own cache knew it.  Questions that are dropped before are not told.
	 * Must not wait; NULL: nobody. */
	void (*on_question)(void *arg, const char *name,
	    enum dns_status status, bool cached, int64_t ns);
	void *arg;
};

/* Is that an address, perhaps with @PORT? */
bool dns_unbound_server(const char *text);

/* 0 and *d is filled, or a negative ERR_ and *msg_r.  What conf points to need
 * not outlive the call, but for arg. */
int dns_unbound_open(const struct dns_unbound_conf *conf, struct dns *d,
    struct errmsg *msg_r);
/* Start its threads now.  0, or ERR_SYSTEM. */
int dns_unbound_start(const struct dns *d);
/* All queries must have been dropped. */
void dns_unbound_close(struct dns *d);

#endif
