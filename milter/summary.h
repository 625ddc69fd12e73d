/*
 * The log lines about a message, or a client: what became of it, and why.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * One line for each message, and for each client that is refused before any;
 * postern(8), LOG, describes them.
 */
#ifndef MILTER_SUMMARY_H
#define MILTER_SUMMARY_H

#include <stdbool.h>
#include <stddef.h>

#include "session.h"

struct buf;
struct record;

/* Log the reasons (session_why) that are not logged yet: those of the message
 * under way, or without one those of the client. */
void summary_whys(struct session *s);
/* Log the line of a record. */
void summary_log(struct session *s, const struct record *r);

/* Append that line, without the queue id. */
void summary_line(struct buf *b, const struct record *r);
/* Append what the line has between size and verdict: ` key=value` ...; at most
 * max octets. */
void summary_findings(struct buf *b, const struct record *r, size_t max);

/* Append ` account=` and the account that is charged. */
void summary_account(struct buf *b, const struct record *r);
/* Give as reasons what a stage found at that hook, by the symbols behind `last`
 * (NULL: all symbols), and what it returned. */
void summary_step(const struct ctx *ctx, enum hook hook, const struct rcpt *r,
    const struct symbol *last, const struct verdict *v);
/* Append "450 4.7.1 text"; false: the verdict has no reply. */
bool summary_reply(struct buf *b, const struct verdict *v);

#endif
