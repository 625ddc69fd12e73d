/*
 * A conversation and the message in it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A session lives from connect to close and pins the configuration it began
 * with.  A message lives from MAIL to its end or abort; everything that dies
 * with it is in its arena.  Drivers make and fill them through chain.h; stages
 * read them, write the facts that are theirs, and ask for edits.
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

/* What is known of HELO. */
struct helo_fact {
	const struct helo_result *result;
	bool ours; /* it says that it is us, and is not */
};

/* A limit, and what of it is used. */
struct quota_level {
	const char *level; /* account, domain or total */
	const char *kind;  /* of what: messages ... (lib/quota/quota.h) */
	uint32_t window_s;
	uint64_t limit, used;
};

/* What led to a decision, in words. */
struct why {
	const char *stage; /* who says so */
	const char *text;  /* printable ASCII */
	struct why *next;
};

struct whys {
	struct why *first, *last;
	const struct why *told; /* the last that the log has */
	size_t count;
};

struct session {
	struct snapshot *snap; /* pinned by a reference */
	macro_fn macro;
	void *macro_ctx;
	bool readonly;   /* a question, not mail: change no lasting state */
	bool explains;   /* session_why() is wanted */
	time_t at;       /* the time to judge by; 0: the clock's */
	struct arena arena;
	struct wait wait;    /* chain: what stages wait by; its deadline is that
	    of the step under way.  Drivers set whom progress is told */
	struct message *msg; /* under way, or NULL */

	/* The client, from connect. */
	const char *client_name; /* verified name or "[ip]"; may be NULL */
	struct host client;
	char client_ip[HOST_TEXT_SIZE]; /* the same as text; "" when not
	    known */
	const char *helo;   /* the last one; NULL: none yet */
	const char *host;   /* chain: what this MTA is called: {j}, or the
	    system's name where it does not say */
	const char *reporter; /* chain: the name under which header fields of
	    ours speak: AuthservID, or host */

	struct iprev *iprev; /* iprev: its look-ups, for rdns to end; or NULL */

	struct helo *helo_check; /* helo: its look-ups, or NULL */

	bool internal; /* direction: known as internal even before MAIL */
	const char *allowed; /* allowlist: "client" when it is in AllowList */

	struct disposition disposition; /* of the client, before any message */
	struct buf notes;       /* ` key=value` for the line of such a refusal */
	struct whys whys;       /* said while no message was under way */
	uint64_t stage_ns[STAGES_MAX]; /* chain: time in each stage's hooks that
	    no message has yet */
	/* Is told of each record (record.h) that is made, while the message is
	 * still there; NULL: nobody wants to know. */
	void (*recorded)(void *ctx, const struct record *r);
	void *recorded_ctx;
};

/* One thing that was found out about a message, for rules to weigh. */
struct symbol {
	const char *name; /* constant; SpamAssassin's where it has one */
	double score;
	unsigned times; /* how often it hit; 0: told once */
	const char *match; /* the text that its rule met first; NULL: none */
	size_t match_len;
	struct symbol *next;
};

struct rcpt {
	const char *addr; /* without <> */
	bool refused;
	struct verdict refusal; /* by what, where it is; or NONE */
	bool exempt; /* what checks refuse for is nothing to this one */
	struct rcpt *next;
};

struct message {
	struct session *session;
	struct arena arena;

	/* What the MTA said. */
	const char *queue_id;  /* NULL until known */
	const char *sender;    /* without <>; "" is the null sender */
	const char *const *params; /* ESMTP parameters of MAIL, NULL-ended */
	struct rcpt *rcpts, *last_rcpt;
	size_t rcpt_count; /* those not refused */
	struct hdr_list headers;
	size_t body_bytes;
	bool came;    /* DATA was let in: there is a size */
	bool too_big; /* header caps were exceeded */

	/* Facts, each written by the stage named. */
	enum direction direction; /* direction */
	const char *why;          /* direction: what decided it */
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
	const struct dnsbl_finding *dnsbl; /* dnsbl: what lists were asked and
	    answered; NULL: none was asked */
	const struct rules_result *rules;  /* rules; NULL: no rule was run */
	struct symbol *symbols, *last_symbol; /* what was found, in order */
	const struct quota_level *quota; /* quota: what the account's limits came
	    to, from the end of the message on */
	size_t quota_count;
	bool scored;         /* rules: the sum of scores was weighed */
	bool is_signed;      /* sign: it leaves with a signature of ours */
	const char *unsigned_why; /* sign: why outbound mail does not; NULL:
	    it does, or was not asked */
	const char *allowed; /* allowlist: what in AllowList speaks for it
	    (client, helo, sender, from); NULL: nothing */
	bool may_be_allowed; /* allowlist: so it is, if it is what it says */

	uint32_t judged;     /* chain: stages whose judge hook was asked */
	struct disposition disposition;

	struct edit_list edits;
	struct buf notes;       /* ` key=value` for the summary line */
	struct buf cut;         /* keys of those that found no room there */
	struct whys whys;       /* what led to what became of it */
	struct timespec begun;  /* CLOCK_MONOTONIC */
	uint64_t stage_ns[STAGES_MAX]; /* chain: time in each stage's hooks; of
	    the first message with those at connect and HELO */
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
 * Whose turn it is: what a stage's hooks are given, and what the helpers below
 * take.  A copy is as good, in any thread that has the session to itself, as
 * long as the message lives, or the session where there is none.
 */
struct ctx {
	struct session *s;
	struct message *m; /* NULL in connect, helo and close */
	const char *stage; /* its name; NULL: no stage speaks */
	size_t index;      /* its place in stages[], where it has one */
	void *state;       /* what its load hook made of the configuration */
};

/* Of the session and its message, where no stage speaks. */
struct ctx session_ctx(struct session *s);

/* Octets of the message as sent: header, empty line, body. */
size_t message_size(const struct message *m);
/* May its envelope and header hold UTF-8 (RFC 6531)? */
bool message_is_utf8(const struct message *m);
/* The time to judge by. */
time_t message_time(const struct message *m);
/* The MTA's macro, through the session's driver. */
const char *session_macro(const struct session *s, const char *name);

/* A line in the log about a message: its queue id and the stage that speaks come
 * first. */
void log_about(const struct ctx *ctx, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Add ` key=value` to the summary line; the value is quoted where it must be
 * (buf_quote), and cut where it is long. */
void message_note(struct message *m, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same for the line of a client that is refused before any message. */
void session_note(struct session *s, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Say what leads to a decision of the stage, where s->explains, in one
 * sentence without its full stop.  It goes to the log (LogWhy) when the message
 * ends and its queue id is known, or when the step ends where there is no
 * message, and to posternctl check.  Text from outside goes through
 * session_quote; what costs something to find out is to be asked for only where
 * s->explains.
 */
void session_why(const struct ctx *ctx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text from outside for session_why, quoted as buf_quote has it; "-" for NULL.
 * It lives as long as the message, or the session where there is none. */
const char *session_quote(const struct ctx *ctx, const char *text);

/* Record that something was found; a name counts once.  ERR_NOMEM, or 0. */
int message_symbol(struct message *m, const char *name, double score);
/* The sum of their scores. */
double message_score(const struct message *m);

/* The stage's own pointer for the message; NULL at first. */
void **message_slot(const struct ctx *ctx);

#endif
