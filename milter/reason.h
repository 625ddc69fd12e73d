/*
 * Why a message met its fate, in a sentence for the admin.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Made from the record alone, so that who looks back reads the same words as
 * who is there when it happens.  Text from outside is quoted; all of it is
 * printable ASCII.
 */
#ifndef MILTER_REASON_H
#define MILTER_REASON_H

struct buf;
struct record;
struct verdict;

/* Append the sentence, with its full stop: what became of the message (or the
 * client), by which check, and because of what. */
void reason_sentence(struct buf *b, const struct record *r);
/* Append such words without "It is" and the full stop for a verdict of the
 * record: its own, or that which refuses a recipient. */
void reason_verdict(
    struct buf *b, const struct record *r, const struct verdict *v);

#endif
