/*
 * What is kept of a message when it is over, or of a client that is refused
 * before any.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The chain makes one record where a message ends, however it ends, from the
 * facts in session.h.  The line in the log (summary.c), the counters
 * (counters.c) and the object that posternctl check prints (ctl/facts.c) are
 * made from it, and from nothing else.
 *
 * A record that was just made owns nothing: it points to what the message, its
 * session and their configuration have.  A copy needs none of them.
 */
#ifndef MILTER_RECORD_H
#define MILTER_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "session.h"
#include "verdict.h"

struct arena;

struct record {
	struct timespec time; /* when it was over, by the calendar, or the time
	    that it was judged by */
	int64_t took_ns;      /* since MAIL; 0 for a client */
	const uint64_t *stage_ns; /* STAGES_MAX: time in the hooks of each of
	    stages[] but `done`, waits for the DNS and others included */
	const char *at; /* the step at which a client is refused, as in the log;
	    NULL: this is of a message */

	/* Who, and what. */
	const char *queue_id;    /* NULL: the MTA had none */
	const char *client_ip;   /* NULL: not known */
	const char *client_name; /* verified, or "[ip]"; NULL: not known */
	const char *client_helo; /* NULL: it said none */
	const char *sender;      /* "" is the null sender; NULL: of a client */
	const struct rcpt *rcpts; /* all that were named, in order */
	size_t rcpt_count;        /* those not refused */
	const char *account;      /* NULL: nobody's */
	bool came;                /* DATA was let in: there is a size */
	size_t size;              /* octets, as sent */
	/* Fields as they stand, but for blanks at their ends; NULL: there is
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
	bool scored;  /* it was held against the limits */
	const char *allowed;
	const struct quota_level *quota;
	size_t quota_count;
	const struct edit *edits;

	/* What became of it. */
	struct verdict verdict; /* .by: who decided */
	bool aborted;           /* it was given up; `verdict` is that of the last
	    recipient where all were refused, and else says nothing */
	const char *symbol;     /* for which symbol it or a recipient is refused
	    or held; NULL: for none */
	const char *exempt_from; /* the check whose refusal does not count, since
	    it goes to those only to whom that is nothing; NULL: none */
	bool left;                /* it was let in, or out */
	const char *unsigned_why; /* why it left without a signature; NULL: it
	    has one, is inbound or did not leave */

	const char *notes; /* ` key=value` ... for the log */
	const char *cut;   /* keys of notes that found no room; NULL: none */
};

/* The message is over; outcome as for chain_end. */
void record_message(
    struct record *r, const struct message *m, const struct verdict *outcome);
/* The same of a client; false: it is not refused. */
bool record_client(struct record *r, const struct session *s, const char *at);
/* All in the arena; NULL: no memory. */
struct record *record_copy(const struct record *r, struct arena *a);

/* accept, reject ...; "none" for a message that was given up and that nobody
 * refused. */
const char *record_word(const struct record *r);
/* What a recipient is refused for; NULL: it is not. */
const struct verdict *record_refusal(const struct rcpt *rcpt);
/* Time in all stages. */
uint64_t record_busy_ns(const struct record *r);

#endif
