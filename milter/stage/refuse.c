/*
 * Where refusals that waited are said: see `check` in chain.h.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The chain keeps what checks refuse for until the moment that RefuseAt
 * chooses, and this stage says it there, if nothing speaks for the message:
 * AllowList, or that it is for nobody but those who are spared, such as
 * postmaster (RFC 5321 section 4.5.1).
 */
#include "milter/chain.h"
#include "milter/refuse.h"
#include "milter/stages.h"

static struct verdict
refuse_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;

	return s->allowed == NULL ? s->kept.v : verdict_none;
}

/* An allow that may yet turn out to be true has time until the end. */
static bool
is_due(const struct message *m, enum when now)
{
	return m->kept.v.action != VERDICT_NONE && m->kept.when <= now &&
	    m->allowed == NULL && !m->may_be_allowed;
}

static struct verdict
refuse_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;

	return is_due(m, WHEN_MAIL) ? m->kept.v : verdict_none;
}

static struct verdict
refuse_rcpt(const struct ctx *ctx, struct rcpt *r)
{
	struct message *m = ctx->m;

	return is_due(m, WHEN_RCPT) && !r->spared ? m->kept.v : verdict_none;
}

/* Is it for somebody who is not spared? */
static bool
has_other_rcpts(const struct message *m)
{
	for (const struct rcpt *r = m->rcpts; r != NULL; r = r->next) {
		if (!r->refused && !r->spared)
			return true;
	}
	return m->rcpt_count == 0;
}

static struct verdict
refuse_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct verdict *v = verdict_refuses(&m->kept.v) ? &m->kept.v
							       : &m->kept_hold;

	if (v->action == VERDICT_NONE)
		return verdict_none;
	if (m->allowed == NULL && has_other_rcpts(m))
		return *v;
	message_note(m, "spared", "%s/%s", v->by,
	    m->allowed == NULL ? "rcpt" : m->allowed);
	session_why(ctx, "what %s refuses for is nothing to it: %s", v->by,
	    m->allowed == NULL ? "all its recipients are spared"
			       : "AllowList speaks for it");
	return verdict_none;
}

const struct stage stage_refuse = {
    .name = "refuse",
    .options = &options_refuse,
    .connect = refuse_connect,
    .mail = refuse_mail,
    .rcpt = refuse_rcpt,
    .eom = refuse_eom,
};
