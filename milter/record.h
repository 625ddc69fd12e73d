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
	struct timespec time; /* when it ended, by the wall clock; or
	    session.at, if that is set */
	int64_t took_ns;      /* from MAIL to the end, in nanoseconds; 0 for a
	    client */
	const uint64_t *stage_ns; /* STAGES_MAX numbers, in nanoseconds: time in
	    each stage's hooks with their waits, without `done` */
	const char *at; /* the step at which a client is refused, as in the log;
	    NULL: this is the record of a message */

	/* Who, and what. */
	const char *queue_id;    /* NULL: the MTA had none */
	const char *client_ip;   /* NULL: not known */
	const char *client_name; /* verified, or "[ip]"; NULL: not known */
	const char *client_helo; /* NULL: it sent none */
	const char *sender;      /* "" is the null sender; NULL: of a client */
	const struct rcpt *rcpts; /* all recipients, in order, refused ones
	    too */
	size_t rcpt_count;        /* the number of those not refused */
	const char *account;      /* whose quota; NULL: nobody's */
	bool came;                /* DATA was accepted: size is valid */
	size_t size;              /* octets, as sent */
	/* Values of fields, without blanks at their ends; NULL: there is
	 * none. */
	const char *subject, *message_id;
	size_t subject_len, message_id_len;
	enum direction direction;
	const char *direction_why; /* NULL: it was not decided */

	/* Facts; see struct message. */
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

	/* The outcome. */
	struct verdict verdict; /* .by: who decided */
	bool aborted;           /* the client gave up, though not all recipients
	    were refused: `verdict` is NONE */
	const char *symbol;     /* the symbol for which it, or a recipient of
	    it, is refused or held; NULL: for no symbol */
	const char *exempt_from; /* the check whose refusal does not count,
	    because the message or all its recipients are exempt; NULL: none */
	bool left;                /* it was accepted */
	const char *signed_with;  /* the signatures of ours that it left with,
	    domain/selector/algorithm with commas between them; NULL: none */
	const char *unsigned_why; /* why an outbound message left unsigned;
	    NULL: it is signed, inbound or did not leave */

	const char *notes; /* ` key=value` ... for the log */
	const char *cut;   /* keys of the notes for which `notes` had no room,
	    with commas between them; NULL: none */
	unsigned shortened; /* what was left out when it was packed: bits of enum
	    record_short; of a new record 0 */
};

/* Make the record of a message that has ended; outcome as for chain_end. */
void record_message(
    struct record *r, const struct message *m, const struct verdict *outcome);
/* Make the record of a client; at: the step.  false: the client is not refused,
 * so there is none. */
bool record_client(struct record *r, const struct session *s, const char *at);

/* accept, reject ...; "none" for a message that was given up without a
 * refusal. */
const char *record_word(const struct record *r);
/* The verdict that refuses the recipient; NULL: it is not refused. */
const struct verdict *record_refusal(const struct rcpt *rcpt);
/* Time in all stages, in nanoseconds. */
uint64_t record_busy_ns(const struct record *r);

#endif
