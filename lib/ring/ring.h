/*
 * A ring of records in a mapped file: what happened lately, kept for readers
 * who come at any time.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Any number of threads and processes write, without a lock: a writer takes its
 * place by adding to one counter, writes the record there, and its check last.
 * The newest record takes the place of the oldest.  A record is octets to the
 * ring; what they mean is its users' business.
 *
 * What it promises.  A record that is read is one that was written, whole.  One
 * whose writer did not die is read until it is overwritten, and a writer that
 * was stopped while the ring went round damages nobody else's.  Neither readers
 * nor writers wait for anybody.
 *
 *	body     64 octets, the first eight of which count the octets that were
 *	         ever taken; then the ring
 *	record   at a multiple of 32 in that count: a word with a mark and the
 *	         length, a word with the check, and the octets, as words
 *
 * Words are XORed with a stream that the file's key and their place in the
 * count decide, and the check is keyed by both.  So what stands in a mail can't
 * look like a record, nor can what was written a round ago.  And a word has
 * another value in each round, which is what a late writer is told by: it
 * replaces a word only if that is still what it was in its own round
 * (compare-and-swap).
 */
#ifndef LIB_RING_RING_H
#define LIB_RING_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/base/shared.h"

struct errmsg;

#define RING_RECORD_MAX 4096           /* octets */
#define RING_SIZE_MIN (64 * 1024)      /* octets of the file's body */
#define RING_SIZE_MAX (1024 * 1024 * 1024)

struct ring;

/* RING_SIZE_MIN ... as a size that a file can have. */
size_t ring_size(uint64_t wanted);

/* Open or make it for writing, with that body size (of ring_size); a ring of
 * another size gives its newest records to the new one.  As shared_open. */
int ring_open(const char *path, size_t size, time_t now, struct ring **ring_r,
    struct shared_report *report_r, struct errmsg *msg_r);
/* For reading only, as shared_open_read. */
int ring_open_read(
    const char *path, struct ring **ring_r, struct errmsg *msg_r);
/* Could the daemon?  As shared_try. */
int ring_try(const char *path, size_t size, const char **foreign_r,
    struct errmsg *msg_r);
/* NULL is fine. */
void ring_close(struct ring *r);
/* Is it still the file of that name, and all there? */
bool ring_is_there(const struct ring *r, const char *path);
/* Is it all there, whatever its name is? */
bool ring_is_whole(const struct ring *r);
size_t ring_body(const struct ring *r); /* its size, as for ring_open */

/* Write a record of 1 to RING_RECORD_MAX octets.  May be called by any thread.
 * False: it was overwritten before it was written. */
bool ring_put(struct ring *r, const void *bytes, size_t len);

/* How many octets were ever taken: the place of the next record. */
uint64_t ring_head(const struct ring *r);

/* -- reading -- */

enum ring_read {
	RING_RECORD, /* here is one */
	RING_END,    /* there is none behind this, so far */
	RING_GAP,    /* at `at` is one that is not whole (yet) */
};

/* A reader's own; the caller sets `at` once, to 0 for the oldest record or to
 * ring_head for those that are yet to come. */
struct ring_reader {
	const struct ring *ring;
	uint64_t at;      /* where it looks next, in octets ever taken; a place
	    that no record can have is taken for ring_head */
	uint64_t lost;    /* octets that were overwritten before they were
	    read, since `at` was not 0 any more */
	uint64_t place;   /* of the record that was read last */
	size_t len;       /* of it */
	uint64_t words[RING_RECORD_MAX / 8]; /* its octets */
};

/*
 * The next record, in the order of their places, which is that of their
 * writers' beginnings.  Where a record is not whole, its writer may still be at
 * it: before the place `skip` it is skipped, from there on the reader stays and
 * RING_GAP is returned.  So 0 waits for all, and UINT64_MAX for none.
 */
enum ring_read ring_next(struct ring_reader *reader, uint64_t skip);
/* The record at that place, and none behind it.  False: the ring does not have
 * it, or not yet, and the reader stays where it is. */
bool ring_at(struct ring_reader *reader, uint64_t place);

/* -- a copy in a plain file -- */

/*
 * Bring a copy of the file up to date: write what was taken since *upto, and set
 * that; 0: the whole file.  A copy of another ring is replaced when the new one
 * is whole.  ring_open_read opens the copy.  Nothing is synced.  A path that is
 * the ring's own is let alone.
 * 0; ERR_NOTFOUND: the ring was cut off, and the copy stays as it is; or
 * ERR_SYSTEM, ERR_CONFIG.
 */
int ring_copy(const struct ring *r, const char *path, uint64_t *upto,
    struct errmsg *msg_r);

/* -- from one ring into another -- */

/* Put all records of another into this one. */
void ring_take(struct ring *to, const struct ring *from);
/*
 * For who leaves a ring because another has its name: put those records into
 * that one which nobody has put there yet, so that each is moved once, however
 * many leave it.  A record in work is given up if its place is before `skip`,
 * otherwise it and what is behind it stay for whoever comes later.
 */
void ring_move(struct ring *to, struct ring *from, uint64_t skip);

#endif
