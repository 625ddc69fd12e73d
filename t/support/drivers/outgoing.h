/*
 * What must hold of everything that leaves a chain, whatever came in: edits and
 * replies; of log lines see logline.h.  SPDX-License-Identifier: BSD-2-Clause
 *
 * What does not ends the process, with a word on standard error.
 */
#ifndef T_SUPPORT_DRIVERS_OUTGOING_H
#define T_SUPPORT_DRIVERS_OUTGOING_H

struct message;
struct verdict;

/* All edits of a message that is to be let through.  id: the authserv-id of the
 * configuration; NULL: the MTA's name. */
void outgoing_edits(struct message *m, const char *id);
/* What a chain_ function returned. */
void outgoing_verdict(const struct verdict *v);

#endif
