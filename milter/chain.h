/*
 * The chain: what a stage is, and how the list in stages.c is walked.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A hook's function is called STAGE_HOOK: quota_rcpt, dkim_eom.
 *
 * An example.  Bob's mail program logs in and sends one mail to two people.
 * At MAIL the chain calls the mail hooks in order: direction_mail sees the
 * login and writes the facts m->direction = outbound and m->login = "bob";
 * account_mail makes m->account of it; quota_mail looks whether the account is
 * locked.  None of them decides, so the client hears 250.  At each RCPT
 * quota_rcpt reserves one recipient; were the account over its limit, it would
 * return a TEMPFAIL verdict, the walk would stop there, and that recipient
 * alone would hear 450.  The header and the body go to the stages that have a
 * hook for them.  At the end of the message quota_eom commits what was
 * reserved, sign_eom asks for an edit (insert a DKIM-Signature at the top) and
 * nobody decides: the driver applies the edits, tells the MTA to go on, and
 * calls chain_end with what came of it.  Then the done hooks hear the outcome,
 * whatever it is; had the client gone away instead, quota_done would give the
 * reservations back.
 *
 * Another: an outside client whose HELO is our own name, where the
 * configuration says `Refuse HELO_OURS` and `RefuseAt helo=rcpt`.  `helo` and
 * `spf` are checks with a judge hook: helo_helo and spf_mail only started
 * look-ups.  At the first RCPT the chain calls helo_judge, which waits for the
 * answers, writes the fact m->helo and adds the symbol.  The chain makes a
 * refusal of it, which is deferred (disposition.h), and the walk goes on;
 * refuse_rcpt, which comes after the checks, returns it for each recipient but
 * postmaster.  With RefuseAt end, helo_judge would be called at the end of the
 * message, and refuse_eom return the refusal after spf, dkim and dmarc.
 *
 * Who drives: libmilter (callbacks.c), posternctl check (files), the tests.  A
 * stage can't tell which.  It reads the session and message, writes facts,
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
struct snapshot;

#define HOOK_BIT(h) (1u << (h))

enum {
	NEED_EXACT_HEADERS = 1 << 0, /* values with their leading space */
	NEED_QUARANTINE = 1 << 1,    /* it may hold a message */
};

#define HEADER_COUNT_MAX 2000 /* fields of a message; more is refused */

struct stage {
	const char *name; /* as in logs and decided_by */
	unsigned needs;   /* NEED_ */
	unsigned edits;   /* EDIT_BIT()s it may ask for */
	unsigned answers; /* HOOK_BIT()s of connect, helo, mail, rcpt, eoh at
	    which the client must be told of a refusal at once.  At other hooks
	    the MTA need not wait: it is told at the next one */
	const struct conf_table *options; /* its keywords; may be NULL */

	/*
	 * Make what the stage needs of a configuration; everything it can get
	 * wrong is said here, all of it: by conf_mistake, and what ends it in
	 * *msg_r, which is empty before.  The snapshot comes into force only if
	 * nobody said anything.  Leaving *state_r NULL switches the stage off.
	 * Without a load hook it is always on.
	 */
	int (*load)(const struct snapshot *snap, const struct snapshot *old,
	    void **state_r, struct errmsg *msg_r);
	void (*unload)(void *state);
	/* All stages are loaded and nothing is wrong: say in the log what is
	 * odd, if that would only add to mistakes.  May be NULL. */
	void (*warn)(const struct snapshot *snap, const void *state);
	/* The snapshot is about to come into force, and nothing can refuse it
	 * any more: change what is shared with others here, not in load.  Called
	 * by the daemon only, by one thread, before any session has it. */
	void (*adopt)(const struct snapshot *snap, void *state);
	/* Further macros to ask the MTA for, each after a space; may be NULL.
	 * They are there at connect and MAIL. */
	const char *(*macros)(const void *state);

	/* Asked in order, up to the first verdict that decides.  Every hook of
	 * a session or message is told whose it is: struct ctx in session.h. */
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
	 * Refuse names, for which the chain looks after each hook.  What its
	 * rcpt hook refuses is told at once: it concerns that recipient alone.
	 */
	bool check;
	const char *xcode; /* of a refusal for its symbols; NULL: 5.7.1 */
	/* Every symbol that it may find, NULL-ended; NULL: none.  And is it one
	 * that the configuration made up?  Not asked where state is NULL. */
	const char *const *symbols;
	bool (*defines)(const void *state, const char *symbol);
	/*
	 * Of a check that can refuse before the end; it is one that RefuseAt
	 * can name.  Called once for each inbound message, in the phase that
	 * RefuseAt names (at MAIL for connect), after the stage's own hook
	 * there.  Writes facts, symbols and notes, and may refuse.  Look-ups
	 * are started in connect, helo or mail, and collected here by s->wait.
	 * What only the header tells is judged in eom.  A check that can judge
	 * the client alone does it in its connect hook, where
	 * disposition_at_connect() says so, and again in judge.
	 */
	struct verdict (*judge)(const struct ctx *ctx);

	/* Told to everyone, in order; a message that got as far as MAIL gets
	 * exactly one.  outcome NULL: aborted, or the connection broke. */
	void (*done)(const struct ctx *ctx, const struct verdict *outcome);
	void (*close)(const struct ctx *ctx);

	/* The admin asked (SIGUSR2) to begin all counts anew. */
	void (*reset_counts)(void *state);

	/* What is to be done beside the mail, now and then: called by one
	 * thread of a daemon's (service/ticks.c) while the snapshot is in
	 * force, first when it comes into force, and perhaps while another is
	 * loaded or adopted.  Must not wait.  Returns in how many milliseconds
	 * to be called again at the latest. */
	int64_t (*tick)(const struct snapshot *snap, void *state);
};

/* The list, in order, NULL-ended (stages.c). */
extern const struct stage *const stages[];

/*
 * For drivers.  A session is used by one thread at a time.
 *
 * session_new takes a reference of its own on the snapshot; NULL: no memory.
 * Each chain_ function returns what the client is to hear now: an action of
 * NONE means go on (QUARANTINE is only ever returned by chain_eom, and is to be
 * carried out together with the edits).  Errors have become what the
 * configuration makes of them.  A verdict's strings live as long as the
 * message, or the session where there is none.
 */
struct session *chain_open(
    struct snapshot *snap, macro_fn macro, void *macro_ctx);
/* client NULL: as HOST_NONE */
struct verdict chain_connect(
    struct session *s, const char *name, const struct host *client);
struct verdict chain_helo(struct session *s, const char *helo);
/* sender with or without <>; params NULL-ended or NULL.  A message that was
 * under way is aborted. */
struct verdict chain_mail(
    struct session *s, const char *sender, const char *const *params);
struct verdict chain_rcpt(struct session *s, const char *addr);
/* One field: see lib/mail/hdr.h for the form.  value NULL: there was no memory for
 * it.  Never answers. */
void chain_header(struct session *s, const char *name, size_t name_len,
    const char *value, size_t value_len);
struct verdict chain_eoh(struct session *s);
struct verdict chain_body(
    struct session *s, const unsigned char *data, size_t len);
/* The edits to apply are in s->msg->edits, sorted. */
struct verdict chain_eom(struct session *s);
/* The message is over; outcome is what the client heard, NULL for an abort.  Its
 * record is made, counted, logged and given to s->recorded.  No message under
 * way: nothing happens. */
void chain_end(struct session *s, const struct verdict *outcome);
void chain_close(struct session *s); /* frees the session */
/* Every stage's adopt hook. */
void chain_adopt(const struct snapshot *snap);
/* SIGUSR2: every stage's reset_counts hook. */
void chain_reset(const struct snapshot *snap);
/* Every stage's tick hook; the shortest of the times, -1: nobody waits for
 * one. */
int64_t chain_tick(const struct snapshot *snap);

/* Computed from the stages that are on in this snapshot. */
unsigned chain_answers(const struct snapshot *snap); /* HOOK_BIT()s */
unsigned chain_edits(const struct snapshot *snap);   /* EDIT_BIT()s */
unsigned chain_needs(const struct snapshot *snap);   /* NEED_ */
/* May a stage ever find a symbol of that name? */
bool chain_defines(const struct snapshot *snap, const char *symbol);
/* What the stages' macros hooks say, in a row. */
void chain_macros(const struct snapshot *snap, struct buf *names_r);

#endif
