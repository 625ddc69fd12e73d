/*
 * The record of a message when it is over, or of a client that is refused
 * before any message.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The chain makes one record where a message ends, however it ends, from the
 * facts in session.h.  The line in the log (summary.c), the counters
 * (counters.c) and the object that posternctl check prints (ctl/facts.c) are
 * made from it, and from nothing else.
 *
 * A new record owns nothing: it points into the message, its session and their
 * configuration.  As octets (record_pack.h) it needs none of them.
 */
#ifndef MILTER_RECORD_H
#define MILTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "session.h"
#include "verdict.h"

struct record {
	struct timespec time; /* when it was over, by the wall clock; or the
	    time by which it was judged, if one was set */
	int64_t took_ns;      /* since MAIL; 0 for a client */
	const uint64_t *stage_ns; /* STAGES_MAX: time in each stage's hooks,
	    waits for the DNS and others included, `done` not included */
	const char *at; /* the step at which a client is refused, as in the log;
	    NULL: this is of a message */

	/* Who, and what. */
	const char *queue_id;    /* NULL: the MTA had none */
	const char *client_ip;   /* NULL: not known */
	const char *client_name; /* verified, or "[ip]"; NULL: not known */
	const char *client_helo; /* NULL: it sent none */
	const char *sender;      /* "" is the null sender; NULL: of a client */
	const struct rcpt *rcpts; /* all that were named, in order */
	size_t rcpt_count;        /* those not refused */
	const char *account;      /* NULL: nobody's */
	bool came;                /* DATA was let in: there is a size */
	size_t size;              /* octets, as sent */
	/* Values of fields, without blanks at their ends; NULL: there is
	 * none. */
	const char *subject, *message_id;
	size_t subject_len, message_id_len;
	enum direction direction;
	const char *direction_why; /* NULL: it was not decided */

	/* What was found; see struct message. */
	const struct spf_result *spf, *spf_helo;
	const struct dkim_verdicts *dkim;
	const struct dmarc_result *dmarc; /* a copy's has no `record` */
	const struct iprev_result *iprev;
	const struct helo_fact *helo;
	const struct dnsbl_finding *dnsbl;
	const struct rules_result *rules;
	const struct symbol *symbols;
	double score; /* the sum of theirs */
	bool scored;  /* it was compared with the limits */
	const char *allowed;
	const struct quota_level *quota;
	size_t quota_count;
	const struct edit *edits;

	/* What became of it. */
	struct verdict verdict; /* .by: who decided */
	bool aborted;           /* given up: `verdict` is that of the last
	    recipient if all were refused, and otherwise has no meaning */
	const char *symbol;     /* for which symbol it or a recipient is refused
	    or held; NULL: for none */
	const char *exempt_from; /* the check whose refusal does not count, since
	    all recipients of the message are exempt; NULL: none */
	bool left;                /* it was accepted, inbound or outbound */
	const char *unsigned_why; /* why it left without a signature; NULL: it
	    has one, is inbound or did not leave */

	const char *notes; /* ` key=value` ... for the log */
	const char *cut;   /* keys of notes without room there; NULL: none */
	unsigned shortened; /* what it was shortened by when it was packed:
	    enum record_short; of a new one 0 */
};

/* The message is over; outcome as for chain_end. */
void record_message(
    struct record *r, const struct message *m, const struct verdict *outcome);
/* The same of a client; false: it is not refused. */
bool record_client(struct record *r, const struct session *s, const char *at);

/* accept, reject ...; "none" for a message that was given up without a
 * refusal. */
const char *record_word(const struct record *r);
/* The verdict that refuses the recipient; NULL: it is not refused. */
const struct verdict *record_refusal(const struct rcpt *rcpt);
/* Time in all stages. */
uint64_t record_busy_ns(const struct record *r);

#endif
