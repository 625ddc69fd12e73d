/*
 * The configuration in force: what sessions that begin now take a reference of.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A daemon has one, which a reload swaps.  libmilter hands a callback nothing of
 * ours, and a service's thread belongs to no session, so it can be reached from
 * everywhere; who drives the chain otherwise has no need of it.
 */
#ifndef MILTER_INFORCE_H
#define MILTER_INFORCE_H

struct snapshot;

/* Takes the caller's reference.  NULL: let go of the last one. */
void inforce_set(struct snapshot *snap);
/* With a reference for the caller; NULL: there is none. */
struct snapshot *inforce_get(void);

#endif
