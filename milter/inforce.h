/*
 * The configuration in force: new sessions take a reference to it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Only the daemon has one; a reload replaces it.  It is global because
 * libmilter passes no pointer of ours to its first callback, and the thread of
 * a service belongs to no session.  Other drivers of the chain don't need it.
 */
#ifndef MILTER_INFORCE_H
#define MILTER_INFORCE_H

struct snapshot;

/* Takes over the caller's reference, and drops that to the one before.  snap
 * NULL: none is in force from now on. */
void inforce_set(struct snapshot *snap);
/* The configuration in force, with a reference for the caller (snapshot_unref);
 * NULL: none is in force. */
struct snapshot *inforce_get(void);

#endif
