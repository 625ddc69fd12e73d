/*
 * A conversation and the message in it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A session lives from connect to close and keeps the configuration that was in
 * force at connect.  A message lives from MAIL to its end or abort; everything
 * that dies with it is in its arena.  Drivers make and fill them through
 * chain.h; stages read them, write the facts that are theirs, and add edits.
 */
#ifndef MILTER_SESSION_H
#define MILTER_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "disposition.h"
#include "edit.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/host.h"
#include "lib/base/wait.h"
#include "lib/mail/author.h"
#include "lib/mail/hdr.h"
#include "verdict.h"

struct dkim_verdicts;
struct dmarc_result;
struct dnsbl_finding;
struct helo;
struct helo_result;
struct iprev;
struct iprev_result;
struct snapshot;
struct record;
struct rules_result;
struct spf_result;

#define STAGES_MAX 32 /* size of the per-stage arrays; checked at start */

/* The MTA's macro of that name (without braces for one letter, with them
 * otherwise), as known at this moment; NULL: not given. */
typedef const char *(*macro_fn)(void *ctx, const char *name);

enum direction {
	DIRECTION_INBOUND,
	DIRECTION_OUTBOUND,
};

/* The result of the check of HELO. */
struct helo_fact {
	const struct helo_result *result;
	bool ours; /* it is a name of this host, and the client is another
	    host */
};

/* A limit, and how much of it is used. */
struct quota_level {
	const char *level; /* account, domain or total */
	const char *kind;  /* what is counted: messages ...
	    (lib/quota/quota.h) */
	uint32_t window_s;
	uint64_t limit, used;
};

/* A reason for a decision, as a sentence for the admin. */
struct why {
	const char *stage; /* whose decision it is */
	const char *text;  /* printable ASCII */
	struct why *next;
};

struct whys {
	struct why *first, *last;
	const struct why *logged; /* the last one that is logged */
	size_t count;
};

struct session {
	struct snapshot *snap; /* a reference of its own */
	macro_fn macro;
	void *macro_ctx;
	bool readonly;   /* a trial, not mail: change no lasting state */
	bool explains;   /* reasons (session_why) are wanted */
	time_t at;       /* the time to judge by; 0: the clock's */
	struct arena arena;
	struct wait wait;    /* chain: what stages wait by, for DNSTimeout in one
	    message.  Drivers set its progress function */
	struct message *msg; /* the message under way; NULL: none */

	/* The client, from connect. */
	const char *client_name; /* verified name or "[ip]"; may be NULL */
	struct host client;
	char client_ip[HOST_TEXT_SIZE]; /* the same as text; "" when not
	    known */
	const char *helo;   /* the last one; NULL: none yet */
	const char *host;   /* chain: this MTA's name: {j}, or without it the
	    system's name */
	const char *reporter; /* chain: the name of the reporting host in our
	    header fields: AuthservID, or host */

	struct iprev *iprev; /* iprev: its look-ups, whose result rdns collects;
	    NULL: none */

	struct helo *helo_check; /* helo: its look-ups; NULL: none */

	bool internal; /* direction: the client is known to be internal, even
	    before MAIL */
	const char *allowed; /* allowlist: "client" when it is in AllowList */

	struct disposition disposition; /* of the client, before any message */
	struct buf notes;       /* ` key=value` for the log line, if the client
	    is refused there */
	struct whys whys;       /* reasons given while no message was under
	    way */
	uint64_t stage_ns[STAGES_MAX]; /* chain: time in each stage's hooks that
	    is not yet added to a message, in nanoseconds */
	/* Called with each record (record.h) that is made, while its message
	 * still exists; may be NULL. */
	void (*recorded)(void *ctx, const struct record *r);
	void *recorded_ctx;
};

/* A finding about a message, with its score. */
struct symbol {
	const char *name; /* constant; SpamAssassin's where it has one */
	double score;
	unsigned times; /* how often its rule hit; 0: not a rule's, or not
	    counted */
	const char *match; /* the first text that its rule matched; NULL:
	    none */
	size_t match_len;
	struct symbol *next;
};

struct rcpt {
	const char *addr; /* without <> */
	bool refused;
	struct verdict refusal; /* the verdict that refuses it; or NONE */
	bool exempt; /* the refusals of checks do not count for it */
	struct rcpt *next;
};

struct message {
	struct session *session;
	struct arena arena;

	/* From the MTA. */
	const char *queue_id;  /* NULL until known */
	const char *sender;    /* without <>; "" is the null sender */
	const char *const *params; /* ESMTP parameters of MAIL, NULL-ended */
	struct rcpt *rcpts, *last_rcpt;
	size_t rcpt_count; /* those not refused */
	struct hdr_list headers;
	size_t body_bytes;
	bool came;    /* DATA was accepted: the message has a size */
	bool too_big; /* MaximumHeaders or HEADER_COUNT_MAX was exceeded */

	/* Facts, each written by the stage named. */
	enum direction direction; /* direction */
	const char *why;          /* direction: the keyword or "login" by which
	    it is outbound; NULL: it is inbound */
	const char *login;        /* direction: {auth_authen}; NULL: none */
	const char *account;      /* account: whose quota; NULL: nobody's */
	struct author author;     /* author: who wrote it, by From; from the end
	    of the header on */
	bool from_denied;         /* login: From is not the login's to use */
	const struct iprev_result *iprev;  /* rdns; NULL: not checked */
	const struct helo_fact *helo;      /* helo; NULL: not checked */
	const struct spf_result *spf;      /* spf: MAIL FROM's, or that of
	    postmaster@HELO when the sender is null; NULL: not checked */
	const struct spf_result *spf_helo; /* spf: HELO's own; NULL: likewise */
	const struct dkim_verdicts *dkim;  /* dkim: a result for each signature;
	    NULL: not checked */
	const struct dmarc_result *dmarc;  /* dmarc; NULL: not checked */
	const struct dnsbl_finding *dnsbl; /* dnsbl: the lists that were
	    queried, and their replies; NULL: none was queried */
	const struct rules_result *rules;  /* rules; NULL: no rule was run */
	struct symbol *symbols, *last_symbol; /* what was found, in order */
	const struct quota_level *quota; /* quota: the account's limits and what
	    is used of them, from the end of the message on */
	size_t quota_count;
	bool scored;         /* rules: the score was compared with its limits */
	const char *signed_with; /* sign: the signatures of ours that it leaves
	    with, domain/selector/algorithm with commas between them; NULL:
	    none */
	const char *unsigned_why; /* sign: why outbound mail has no signature;
	    NULL: it has one, or sign did not run */
	const char *allowed; /* allowlist: which of its names makes it exempt by
	    AllowList (client, helo, sender, from); NULL: none */
	bool may_be_allowed; /* allowlist: a name is in AllowList, but is not
	    authenticated yet */

	uint32_t judged;     /* chain: bits of stages whose judge was called */
	struct disposition disposition;

	struct edit_list edits;
	struct buf notes;       /* ` key=value` ... for the summary line */
	struct buf cut;         /* keys of the notes for which `notes` had no
	    room */
	struct whys whys;       /* the reasons for its outcome */
	struct timespec begun;  /* CLOCK_MONOTONIC */
	uint64_t stage_ns[STAGES_MAX]; /* chain: time in each stage's hooks, in
	    nanoseconds; the first message also has that at connect and HELO */
	void *slots[STAGES_MAX];
};

enum hook {
	HOOK_CONNECT,
	HOOK_HELO,
	HOOK_MAIL,
	HOOK_RCPT,
	HOOK_EOH,
	HOOK_BODY,
	HOOK_EOM,
};

/*
 * The context of a call: a stage's hooks get it, and the helpers below take it.
 * It may be copied.  A copy is valid as long as the message (or the session, if
 * m is NULL), in any thread while no other thread uses the session.
 */
struct ctx {
	struct session *s;
	struct message *m; /* NULL in connect, helo and close */
	const char *stage; /* its name; NULL: no stage is called */
	size_t index;      /* its place in stages[], where it has one */
	void *state;       /* what its load hook made of the configuration */
};

/* The context of the session and its message, outside any stage. */
struct ctx session_ctx(struct session *s);

/* Octets of the message as sent: header, empty line, body. */
size_t message_size(const struct message *m);
/* May its envelope and header hold UTF-8 (RFC 6531)? */
bool message_is_utf8(const struct message *m);
/* The time to judge by: session.at, or the clock's. */
time_t message_time(const struct message *m);
/* The value of the MTA's macro, by the session's driver; NULL: not given. */
const char *session_macro(const struct session *s, const char *name);

/* Log a line about a message, which begins with the queue id and the stage. */
void log_about(const struct ctx *ctx, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Add ` key=value` to the summary line.  The value is quoted where necessary
 * (buf_quote), and cut if it is long. */
void message_note(struct message *m, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for the line of a client that is refused before any message. */
void session_note(struct session *s, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Give a reason for the stage's decision, as one sentence without a full stop.
 * Does nothing unless s->explains; where a reason is costly to find, test that
 * first.  Quote text from outside by session_quote.  The reason goes to
 * posternctl check, and to the log (LogWhy) when the message ends and its queue
 * id is known; without a message, when the step ends.
 */
void session_why(const struct ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text from outside for session_why, quoted by buf_quote; "-" for NULL.  It
 * lives as long as the message, or without one the session. */
const char *session_quote(const struct ctx *ctx, const char *text);
/* The same for a verdict's `why`, which is kept whether or not reasons are
 * wanted. */
const char *session_quoted(const struct ctx *ctx, const char *text);

/* Add a symbol to the message; a name that it has already is not added again.
 * 0 or ERR_NOMEM. */
int message_symbol(struct message *m, const char *name, double score);
/* The sum of their scores. */
double message_score(const struct message *m);

/* The stage's own pointer for the message; NULL at first. */
void **message_slot(const struct ctx *ctx);

#endif
