/*
 * Returns the deferred refusals, unless the message or recipient is exempt: see
 * disposition.h, and `check` in chain.h.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/chain.h"
#include "milter/refuse.h"
#include "milter/stages.h"

static struct verdict
refuse_connect(const struct ctx *ctx)
{
	return disposition_due(ctx, PHASE_CONNECT, NULL);
}

static struct verdict
refuse_mail(const struct ctx *ctx)
{
	return disposition_due(ctx, PHASE_MAIL, NULL);
}

static struct verdict
refuse_rcpt(const struct ctx *ctx, struct rcpt *r)
{
	return disposition_due(ctx, PHASE_RCPT, r);
}

static struct verdict
refuse_eom(const struct ctx *ctx)
{
	return disposition_due(ctx, PHASE_END, NULL);
}

const struct stage stage_refuse = {
    .name = "refuse",
    .options = &options_refuse,
    .connect = refuse_connect,
    .mail = refuse_mail,
    .rcpt = refuse_rcpt,
    .eom = refuse_eom,
};
