/*
 * The chain: what a stage is, and how the list in stages.c is walked.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A hook's function is called STAGE_HOOK: quota_rcpt, dkim_eom.
 *
 * An example.  Bob's mail program logs in and sends one mail to two people.  At
 * MAIL the chain calls the mail hooks in order: direction_mail sees the login
 * and writes the facts m->direction = outbound and m->login = "bob";
 * account_mail makes m->account of it; quota_mail tests whether the account is
 * locked.  None of them decides, so the client gets a 250.  At each RCPT
 * quota_rcpt reserves one recipient; were the account over its limit, it would
 * return a TEMPFAIL verdict, the walk would stop there, and that recipient
 * alone would get a 450.  The header and the body go to the stages that have a
 * hook for them.  At the end of the message quota_eom commits what was
 * reserved, sign_eom adds an edit (insert a DKIM-Signature at the top) and no
 * stage decides: the driver applies the edits, lets the MTA go on, and calls
 * chain_end with the outcome.  Then the done hooks are called with the outcome,
 * whatever it is; had the client gone away instead, quota_done would give the
 * reservations back.
 *
 * Another: an outside client whose HELO is our own name, where the
 * configuration has `Refuse HELO_OURS` and `RefuseAt helo=rcpt`.  `helo` and
 * `spf` are checks with a judge hook: helo_helo and spf_mail only started
 * look-ups.  At the first RCPT the chain calls helo_judge, which waits for the
 * answers, writes the fact m->helo and adds the symbol.  The chain makes a
 * refusal of it, which is deferred (disposition.h), and the walk goes on;
 * refuse_rcpt, which comes after the checks, returns it for each recipient but
 * postmaster.  With RefuseAt end, helo_judge would be called at the end of the
 * message, and refuse_eom return the refusal after spf, dkim and dmarc.
 *
 * Who drives: libmilter (callbacks.c), posternctl check (files), the tests.  A
 * stage does not know which.  It reads the session and message, writes facts,
 * wanted edits and notes, and returns a verdict; it never calls smfi_*.
 */
#ifndef MILTER_CHAIN_H
#define MILTER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "session.h"
#include "verdict.h"

struct conf_table;
struct errmsg;
struct metrics;
struct problems;
struct record;
struct snapshot;

#define HOOK_BIT(h) (1u << (h))

enum {
	NEED_EXACT_HEADERS = 1 << 0, /* values with their leading space */
	NEED_QUARANTINE = 1 << 1,    /* it may hold a message */
};

#define HEADER_COUNT_MAX 2000 /* header fields; a message with more is
    refused */

struct stage {
	const char *name; /* as in logs and decided_by */
	const char *off;  /* why it may take no part, for posternctl status:
	    keywords; NULL: it always takes part */
	unsigned needs;   /* NEED_ */
	unsigned edits;   /* EDIT_BIT()s of the edits it may add */
	unsigned answers; /* HOOK_BIT()s of connect, helo, mail, rcpt, eoh at
	    which the MTA must wait for the reply.  At other hooks it need not
	    wait: it gets a refusal at the next hook at which it waits */
	const struct conf_table *options; /* its keywords; may be NULL */

	/*
	 * Make the stage's state from a configuration.  Report every mistake in
	 * the configuration here: by conf_noted, or, if it ends the load, in
	 * *msg_r, which is empty before.  The snapshot comes into force only if
	 * no stage reports a mistake.  *state_r left NULL switches the stage
	 * off; a stage without a load hook is always on.
	 */
	int (*load)(const struct snapshot *snap, const struct snapshot *old,
	    void **state_r, struct errmsg *msg_r);
	void (*unload)(void *state);
	/* Log what is odd in the configuration but no mistake.  Called when all
	 * stages are loaded without one.  May be NULL. */
	void (*warn)(const struct snapshot *snap, const void *state);
	/* Change what is shared with others here, not in load: the snapshot is
	 * certain to come into force.  Called by the daemon only, by one
	 * thread, before any session has the snapshot. */
	void (*adopt)(const struct snapshot *snap, void *state);
	/* Further macros to request from the MTA, each after a space; may be
	 * NULL.  The MTA gives them at connect and MAIL. */
	const char *(*macros)(const void *state);

	/* Called in order, up to the first verdict that decides.  Every hook
	 * gets its session and message in a struct ctx (session.h). */
	struct verdict (*connect)(const struct ctx *ctx);
	struct verdict (*helo)(const struct ctx *ctx);
	struct verdict (*mail)(const struct ctx *ctx);
	struct verdict (*rcpt)(
	    const struct ctx *ctx, struct rcpt *r); /* decides on that
	    recipient only */
	struct verdict (*eoh)(const struct ctx *ctx); /* the header is whole */
	struct verdict (*body)(
	    const struct ctx *ctx, const unsigned char *data, size_t len);
	struct verdict (*eom)(const struct ctx *ctx);

	/*
	 * A check is a stage that judges inbound mail.  Its refusals are
	 * deferred to the phase that RefuseAt names, and the walk goes on; then
	 * stage_refuse returns them, unless the message or the recipient is
	 * exempt (disposition.h).  The same holds for its quarantines, for what
	 * On-DNSError makes of its errors, and for those of its symbols that
	 * Refuse names: the chain looks for them after each hook.  The
	 * exception: what its rcpt hook refuses is refused at once, as it is
	 * for that recipient alone.
	 */
	bool check;
	const char *xcode; /* of a refusal for its symbols; NULL: 5.7.1 */
	/* Every symbol that it may find, NULL-ended; NULL: none.  defines: does
	 * the configuration define the symbol?  Not called with a NULL
	 * state. */
	const char *const *symbols;
	bool (*defines)(const void *state, const char *symbol);
	/*
	 * For a check that can refuse before the end; RefuseAt can name only
	 * such a check.  Called once for each inbound message, in the phase
	 * that RefuseAt names (at MAIL for connect), after the stage's own hook
	 * there.  Writes facts, symbols and notes, and may refuse.  Look-ups
	 * are started in connect, helo or mail, and collected here by s->wait.
	 * What needs the header is judged in eom.  A check that can judge the
	 * client alone does so in its connect hook too, if
	 * disposition_at_connect() is true, and again in judge.
	 */
	struct verdict (*judge)(const struct ctx *ctx);

	/* Called for every stage, in order, exactly once for each message that
	 * got as far as MAIL.  outcome NULL: it was aborted, or the connection
	 * broke. */
	void (*done)(const struct ctx *ctx, const struct verdict *outcome);
	void (*close)(const struct ctx *ctx);

	/* Called in order with every record that is made, of a message (behind
	 * all done hooks) or of a client that is refused.  Must not wait.  Not
	 * called in a trial. */
	void (*record)(const struct ctx *ctx, const struct record *r);

	/* Set all counts to 0: the admin sent SIGUSR2. */
	void (*reset_counts)(void *state);

	/* Periodic work beside the mail.  Must not wait.  Returns the
	 * milliseconds after which it must be called again; it may be called
	 * earlier.  Called by one thread of the daemon (service/ticks.c) while
	 * the snapshot is in force.  Another snapshot may be loaded or adopted
	 * at the same time. */
	int64_t (*tick)(const struct snapshot *snap, void *state);

	/* Tell numbers of what is there (metrics.h), and what is not well
	 * (problems.h).  Called by any thread of the daemon while the snapshot
	 * is in force.  Must not wait. */
	void (*gauges)(void *state, struct metrics *m);
	void (*problems)(void *state, struct problems *p);
};

/* The list, in order, NULL-ended (stages.c). */
extern const struct stage *const stages[];

/*
 * For drivers.  A session is used by one thread at a time.
 *
 * chain_open takes a reference of its own on the snapshot; NULL: no memory.
 * Each chain_ function returns the reply for the client at this step; an action
 * of NONE means go on.  Only chain_eom returns a QUARANTINE, which is carried
 * out together with the edits.  No verdict is an error: it is replaced by what
 * the configuration makes of it.  A verdict's strings live as long as the
 * message, or the session where there is none.
 */
struct session *chain_open(
    struct snapshot *snap, macro_fn macro, void *macro_ctx);
/* name: the client's verified name, or "[ip]"; NULL: not known.  client NULL:
 * as HOST_NONE. */
struct verdict chain_connect(
    struct session *s, const char *name, const struct host *client);
struct verdict chain_helo(struct session *s, const char *helo);
/* sender with or without <>; params NULL-ended or NULL.  A message that was
 * under way is aborted. */
struct verdict chain_mail(
    struct session *s, const char *sender, const char *const *params);
struct verdict chain_rcpt(struct session *s, const char *addr);
/* One field: see lib/mail/hdr.h for the form.  value NULL: no memory for it.
 * Has no reply. */
void chain_header(struct session *s, const char *name, size_t name_len,
    const char *value, size_t value_len);
struct verdict chain_eoh(struct session *s);
struct verdict chain_body(
    struct session *s, const unsigned char *data, size_t len);
/* The edits to apply are in s->msg->edits, sorted. */
struct verdict chain_eom(struct session *s);
/* End the message; outcome is the reply that the client got, NULL for an abort.
 * Its record is made, counted, logged and given to s->recorded.  Without a
 * message under way nothing happens. */
void chain_end(struct session *s, const struct verdict *outcome);
void chain_close(struct session *s); /* frees the session */
/* Call every stage's adopt hook. */
void chain_adopt(const struct snapshot *snap);
/* SIGUSR2: call every stage's reset_counts hook. */
void chain_reset(const struct snapshot *snap);
/* Call every stage's tick hook.  Returns the shortest of their times, in
 * milliseconds; -1: no stage has such a hook. */
int64_t chain_tick(const struct snapshot *snap);
/* Call every stage's gauges hook, or problems hook. */
void chain_gauges(const struct snapshot *snap, struct metrics *m);
void chain_problems(const struct snapshot *snap, struct problems *p);

/* Computed from the stages that are on in this snapshot. */
unsigned chain_answers(const struct snapshot *snap); /* HOOK_BIT()s */
unsigned chain_edits(const struct snapshot *snap);   /* EDIT_BIT()s */
unsigned chain_needs(const struct snapshot *snap);   /* NEED_ */
/* Can a stage find a symbol of that name? */
bool chain_defines(const struct snapshot *snap, const char *symbol);
/* Append what the stages' macros hooks return. */
void chain_macros(const struct snapshot *snap, struct buf *names_r);

#endif
