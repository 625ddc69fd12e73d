/* SPDX-License-Identifier: BSD-2-Clause */
#include "disposition.h"

#include <stddef.h>

#include "lib/mail/addr.h"
#include "log.h"
#include "session.h"
#include "snapshot.h"

static struct disposition *
disposition_of(const struct ctx *ctx)
{
	return ctx->m != NULL ? &ctx->m->disposition : &ctx->s->disposition;
}

/* -- what a stage returns -- */

/* On-... of the configuration decides what an error of a check comes to. */
static struct verdict
settle(const struct ctx *ctx, struct verdict v)
{
	if (v.action == VERDICT_ERROR) {
		log_about(ctx, LOG_WARNING, "%s",
		    v.text == NULL ? "internal error" : v.text);
		v.action = ctx->s->snap->on_error[v.error];
		/* Accept means: go on without this check.  The checks after it
		 * still run. */
		if (v.action == VERDICT_ACCEPT)
			v.action = VERDICT_NONE;
		v.why = v.text == NULL ? "internal error" : v.text;
		v.text = v.action == VERDICT_QUARANTINE ? "check failed" : NULL;
		v.code = 0;
	}
	if (v.by == NULL)
		v.by = ctx->stage == NULL ? "postern" : ctx->stage;
	return v;
}

/* Defer v.  false: it can't be deferred. */
static bool
defer(const struct ctx *ctx, const struct verdict *v)
{
	struct disposition *d = disposition_of(ctx);
	bool refuses = verdict_refuses(v);
	enum phase phase =
	    refuses ? ctx->s->snap->refuse_at[ctx->index] : PHASE_END;

	/* Only a message can be held, not a client. */
	if (!refuses && (v->action != VERDICT_QUARANTINE || ctx->m == NULL))
		return false;
	if (d->deferred.action == VERDICT_NONE ||
	    (refuses &&
		(!verdict_refuses(&d->deferred) || phase < d->phase))) {
		d->deferred = *v;
		d->phase = phase;
	}
	return true;
}

struct verdict
disposition_take(const struct ctx *ctx, struct verdict v, bool may_defer)
{
	struct disposition *d = disposition_of(ctx);
	/* An internal error is not deferred: it is this host's fault, not the
	 * sender's, so AllowList and RefuseAt have no part in it. */
	bool broken = v.action == VERDICT_ERROR && v.error != VERDICT_E_DNS;

	v = settle(ctx, v);
	if (may_defer && !broken && defer(ctx, &v)) {
		session_why(ctx, "deferred to the phase that RefuseAt names");
		return verdict_none;
	}
	if (ctx->m != NULL && v.action == VERDICT_QUARANTINE &&
	    d->decided.action == VERDICT_NONE)
		d->decided = v;
	return verdict_decides(&v) ? v : verdict_none;
}

struct verdict
disposition_no_memory(const struct ctx *ctx)
{
	struct verdict v =
	    settle(ctx, verdict_error(VERDICT_E_INTERNAL, "no memory"));

	if (v.action == VERDICT_QUARANTINE)
		v = (struct verdict){
		    .action = VERDICT_TEMPFAIL, .by = "postern"};
	return v;
}

void
disposition_decide(struct disposition *d, struct verdict v)
{
	if (verdict_decides(&v))
		d->decided = v;
}

struct verdict
disposition_now(const struct disposition *d)
{
	return verdict_decides(&d->decided) ? d->decided : verdict_none;
}

/* -- recipients -- */

void
disposition_begin_rcpt(const struct message *m, struct rcpt *r)
{
	r->exempt = m->direction == DIRECTION_INBOUND &&
	    addr_is_postmaster(r->addr);
}

void
disposition_end_rcpt(
    struct message *m, struct rcpt *r, const struct verdict *v, bool waits)
{
	r->refused = verdict_refuses(v);
	if (r->refused)
		r->refusal = *v;
	/* ACCEPT and DISCARD concern the message as a whole. */
	if ((r->refused && !waits) || v->action == VERDICT_ACCEPT ||
	    v->action == VERDICT_DISCARD)
		disposition_decide(&m->disposition, *v);
}

const struct verdict *
disposition_refused(const struct message *m)
{
	const struct verdict *last = NULL;

	for (const struct rcpt *r = m->rcpts; r != NULL; r = r->next) {
		if (r->refusal.action != VERDICT_NONE)
			last = &r->refusal;
	}
	return last;
}

/* -- what was deferred -- */

bool
disposition_at_connect(const struct ctx *ctx)
{
	return ctx->m == NULL && !ctx->s->internal &&
	    ctx->s->snap->refuse_at[ctx->index] == PHASE_CONNECT;
}

static bool
is_for_exempt_only(const struct message *m)
{
	for (const struct rcpt *r = m->rcpts; r != NULL; r = r->next) {
		if (!r->refused && !r->exempt)
			return false;
	}
	return m->rcpt_count > 0;
}

/* At the end it is known who is exempt, so the log gets a note of it. */
static struct verdict
due_at_end(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct verdict *v = &m->disposition.deferred;

	if (m->allowed == NULL && !is_for_exempt_only(m))
		return *v;
	message_note(m, "spared", "%s/%s", v->by,
	    m->allowed == NULL ? "rcpt" : m->allowed);
	session_why(ctx, "%s would refuse it, but %s", v->by,
	    m->allowed == NULL ? "all its recipients are exempt"
			       : "AllowList makes it exempt");
	return verdict_none;
}

struct verdict
disposition_due(const struct ctx *ctx, enum phase phase, const struct rcpt *r)
{
	const struct disposition *d = disposition_of(ctx);
	const struct message *m = ctx->m;
	const char *allowed = m != NULL ? m->allowed : ctx->s->allowed;

	if (d->deferred.action == VERDICT_NONE || d->phase > phase)
		return verdict_none;
	if (phase == PHASE_END)
		return due_at_end(ctx);
	/* Until the end it may turn out that AllowList makes the message
	 * exempt. */
	if (allowed != NULL || (m != NULL && m->may_be_allowed) ||
	    (r != NULL && r->exempt))
		return verdict_none;
	return d->deferred;
}
