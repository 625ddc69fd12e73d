/*
 * Who wrote the message: the fact m->author.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Only this stage parses From.  All other stages use the fact, so that signing,
 * checks and lists see the same author.
 */
#include "milter/chain.h"
#include "milter/stages.h"

static struct verdict
author_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;

	return author_read(&m->arena, &m->headers, &m->author) == 0
	    ? verdict_none
	    : verdict_error(VERDICT_E_INTERNAL, "no memory");
}

const struct stage stage_author = {
    .name = "author",
    .eoh = author_eoh,
};
