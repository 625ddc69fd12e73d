/*
 * What happened: the records of the decision ring, for who looks back.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * For posternctl and the page, with or without a daemon.  A reader never waits
 * and disturbs nobody.
 */
#ifndef MILTER_PAST_H
#define MILTER_PAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;
struct errmsg;
struct past;
struct record;

/* Open the ring at path.  0; or as ring_open_read, and *msg_r. */
int past_open(const char *path, struct past **past_r, struct errmsg *msg_r);
/* NULL is fine. */
void past_close(struct past *p);

/* Look from the oldest record on, as at first, up to the newest that there is;
 * or from now on. */
void past_oldest(struct past *p);
void past_newest(struct past *p);

/*
 * The next record, oldest first; NULL: there is none behind this so far.  It
 * lives until the next call.  Records of other versions, and such that are not
 * whole, are skipped.  follow: go on with records that come meanwhile, and wait
 * for one that is in work, at most two seconds after it was first seen (NULL is
 * returned meanwhile, so that the caller can do other things).
 */
const struct record *past_next(struct past *p, bool follow);
/* Return only records that have this text somewhere, as it is: a queue id, an
 * account, a client's address ...  Much faster than looking at each.  NULL: all
 * records.  The text must stay. */
void past_want(struct past *p, const char *text);
/* The place of the record that past_next returned: grows from record to record,
 * and names it as long as the ring has it. */
uint64_t past_place(const struct past *p);
/* The record at that place, behind which reading goes on; NULL: the ring does
 * not have it (any more), and reading goes on where it was. */
const struct record *past_at(struct past *p, uint64_t place);
/* Records that were skipped because they are of another version, and octets
 * that were overwritten before they were read. */
uint64_t past_foreign(const struct past *p);
uint64_t past_lost(const struct past *p);
/* Has the file at the path been replaced by another?  Then open it anew. */
bool past_is_stale(const struct past *p);

#endif
