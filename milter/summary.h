/*
 * The lines that say what became of a message, or of a client.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One line a message, and one for a client that is refused before any; their
 * form is postern(8)'s, LOG.
 */
#ifndef MILTER_SUMMARY_H
#define MILTER_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

#include "session.h"

struct buf;
struct record;

/* Say what led to what was decided, of the message under way or, without one,
 * of the client; where that is wanted, and each once. */
void summary_whys(struct session *s);
/* The line of a record, to the log. */
void summary_log(struct session *s, const struct record *r);

/* The line itself, but for the queue id. */
void summary_line(struct buf *b, const struct record *r);
/* What it has between size and verdict: ` key=value` ...; at most max octets. */
void summary_findings(struct buf *b, const struct record *r, size_t max);

/* ` account=` of whoever is charged. */
void summary_account(struct buf *b, const struct record *r);
/* Say what a stage found at that hook, by the symbols behind `last` (NULL: all
 * of them), and what it returned. */
void summary_step(const struct ctx *ctx, enum hook hook, const struct rcpt *r,
    const struct symbol *last, const struct verdict *v);
/* "450 4.7.1 words", where there is a refusal; false: there is none. */
bool summary_reply(struct buf *b, const struct verdict *v);

#endif
