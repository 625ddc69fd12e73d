/*
 * What is to become of a message, or of a client before any message: what is
 * decided, what is deferred, and what the MTA is to be told now.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Most verdicts count at once.  What a check wants refused is deferred to the
 * phase that RefuseAt names for the check, and what it wants held to the end:
 * until then other checks look, and who is exempt becomes known.  A message is
 * exempt when AllowList speaks for it, a recipient when it is postmaster (RFC
 * 5321 section 4.5.1) or in AllowList.
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
	struct verdict deferred; /* a check's refusal or quarantine; NONE: there
	    is none.  Of several refusals the one with the earliest phase, of
	    one and a quarantine the refusal */
	enum phase phase;        /* to which it is deferred */
};

/*
 * The stage has returned v: decide, hold or defer.  An error becomes what the
 * configuration makes of it (On-...), and is logged.  may_defer: v is a
 * check's, and not for one recipient alone.  Returns v if it ends the walk,
 * and otherwise NONE.
 */
struct verdict disposition_take(
    const struct ctx *ctx, struct verdict v, bool may_defer);
/* What to return where something can't be kept for want of memory.  It is never
 * a quarantine: what is not known in full can't be held. */
struct verdict disposition_no_memory(const struct ctx *ctx);
/* The walk ended with v: the message, or the client, is decided if v decides. */
void disposition_decide(struct disposition *d, struct verdict v);
/* What the MTA is to be told now; NONE: go on.  A quarantine is told at the
 * end only. */
struct verdict disposition_now(const struct disposition *d);

/* A recipient comes: is it exempt whoever it is for? */
void disposition_begin_rcpt(const struct message *m, struct rcpt *r);
/* The walk for a recipient ended with v.  told: the MTA waits for the answer to
 * RCPT; otherwise what is refused to one is refused to all. */
void disposition_end_rcpt(
    struct message *m, struct rcpt *r, const struct verdict *v, bool told);
/* The last refusal of a recipient; NULL: none was refused. */
const struct verdict *disposition_refused(const struct message *m);

/* Does the check judge the client alone, at connect?  Not one that is known to
 * be internal. */
bool disposition_at_connect(const struct ctx *ctx);
/* What is deferred, is due in this phase and is not exempt, for the client (no
 * message), the message (r NULL) or the recipient; NONE: nothing. */
struct verdict disposition_due(
    const struct ctx *ctx, enum phase phase, const struct rcpt *r);

#endif
