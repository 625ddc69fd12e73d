/*
 * The disposition of a message, or of a client before any message: what is
 * decided, what is deferred, and the present reply to the MTA.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Most verdicts count at once.  The exception is a check's: its refusal is
 * deferred to the phase that RefuseAt names for the check, and its quarantine
 * to the end.  Until then other checks run, and it becomes known who is exempt.
 * A message is exempt by AllowList; a recipient is exempt by AllowList, or if
 * it is postmaster (RFC 5321 section 4.5.1).
 */
#ifndef MILTER_DISPOSITION_H
#define MILTER_DISPOSITION_H

#include <stdbool.h>

#include "verdict.h"

struct ctx;
struct message;
struct rcpt;

/* When checks may refuse, in order. */
enum phase { PHASE_CONNECT, PHASE_MAIL, PHASE_RCPT, PHASE_END };

/* {0}: nothing is decided. */
struct disposition {
	struct verdict decided;  /* the first that decides; before there is one,
	    the first quarantine, which counts at the end; or NONE */
	struct verdict deferred; /* a check's refusal or quarantine; or NONE.  A
	    refusal goes before a quarantine, and of several refusals the one
	    with the earliest phase stays */
	enum phase phase;        /* to which it is deferred */
};

/*
 * Take v, which the stage has returned: decide, hold or defer.  An error is
 * logged, and replaced by what the configuration makes of it (On-...).
 * may_defer: v is a check's, and not for one recipient alone.  Returns the
 * verdict if it ends the walk, and otherwise NONE.
 */
struct verdict disposition_take(
    const struct ctx *ctx, struct verdict v, bool may_defer);
/* The verdict when memory runs out.  It is never a quarantine: a message that
 * is not known in full can't be held. */
struct verdict disposition_no_memory(const struct ctx *ctx);
/* The walk ended with v: the message, or the client, is decided if v decides. */
void disposition_decide(struct disposition *d, struct verdict v);
/* The present reply to the MTA; NONE: go on.  A quarantine is no reply before
 * the end. */
struct verdict disposition_now(const struct disposition *d);

/* Before the walk for a recipient: set whether the recipient is exempt. */
void disposition_begin_rcpt(const struct message *m, struct rcpt *r);
/* The walk for a recipient ended with v.  waits: the MTA waits for the reply to
 * RCPT.  If it does not, a refusal of one recipient refuses the message. */
void disposition_end_rcpt(
    struct message *m, struct rcpt *r, const struct verdict *v, bool waits);
/* The last refusal of a recipient; NULL: none was refused. */
const struct verdict *disposition_refused(const struct message *m);

/* Must the check judge the client at connect, before any message?  Never if the
 * client is known to be internal. */
bool disposition_at_connect(const struct ctx *ctx);
/* The deferred verdict that is due in this phase: for the client (ctx->m NULL),
 * the message (r NULL) or the recipient.  NONE: there is none, or the client,
 * message or recipient is exempt. */
struct verdict disposition_due(
    const struct ctx *ctx, enum phase phase, const struct rcpt *r);

#endif
