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

struct buf;
struct message;
struct session;
struct verdict;

/* The message is over; outcome as for chain_end.  Says what led to it, where
 * that is wanted, and the summary line. */
void summary_message(
    struct session *s, struct message *m, const struct verdict *outcome);
/* No message is under way, and the step `at` ends: say what led to what was
 * decided there, and the client's line where s->verdict refuses it. */
void summary_client(struct session *s, const char *at);

/* ` account=` of whoever is charged. */
void summary_account(struct buf *b, const struct message *m);
/* What a summary line has between size and verdict: ` key=value` ...; at most
 * max octets. */
void summary_findings(struct buf *b, const struct message *m,
    const struct verdict *outcome, size_t max);
/* "450 4.7.1 words", where there is a refusal; false: there is none. */
bool summary_reply(struct buf *b, const struct verdict *v);

#endif
