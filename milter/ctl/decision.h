/*
 * A decision as text for people.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Text from mail and the DNS is escaped: what is not printable ASCII stands as
 * \xNN.
 */
#ifndef MILTER_CTL_DECISION_H
#define MILTER_CTL_DECISION_H

#include <stdbool.h>

struct buf;
struct record;

/* May standard output have colours? */
bool decision_colours(void);
/* Append all that is known, in lines of at most 80 columns; the first has the
 * queue id whole. */
void decision_page(struct buf *b, const struct record *r, bool colours);
/* Append it in one line. */
void decision_line(struct buf *b, const struct record *r, bool colours);

#endif
