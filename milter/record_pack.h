/*
 * A record (record.h) as octets, as the decision ring keeps it, and back.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An octet with the version, then fields: a number of the field with its kind
 * (0: a number in LEB128; 1: eight octets of a double; 2: two octets of length
 * and that many octets), and its value.  What is 0, empty or not known is left
 * out; a field that the reader does not know is skipped.  Which field has which
 * number is in the tables in record_pack.c, and never changes; who changes what
 * a number means, or the value of an enum there, raises RECORD_VERSION.  A
 * record of another version is not read.
 */
#ifndef MILTER_RECORD_PACK_H
#define MILTER_RECORD_PACK_H

#include <stdbool.h>
#include <stddef.h>

struct arena;
struct record;

#define RECORD_VERSION 1
#define RECORD_PACKED_MAX 4096 /* octets */

/* What was shortened, in this order until the rest had room. */
enum record_short {
	RECORD_SHORT_RECIPIENTS = 1 << 0, /* some are left out */
	RECORD_SHORT_EDITS = 1 << 1,      /* values of edits are left out */
	RECORD_SHORT_MATCHES = 1 << 2,    /* texts that rules met */
	RECORD_SHORT_SYMBOLS = 1 << 3,    /* those of score 0, and rules that
	    have one */
	RECORD_SHORT_REST = 1 << 4,       /* whatever else was too much */
};

/* The words of DESIGN's `cut`, each once, for a bit of those; NULL: there is no
 * such bit.  i from 0. */
const char *record_short_word(unsigned i);

/* Octets written, at most RECORD_PACKED_MAX.  subjects: with the Subject.
 * Values of edits over 200 octets, and matches beyond 80, are never kept, and
 * no text beyond 512. */
size_t record_pack(const struct record *r, bool subjects,
    unsigned char out[RECORD_PACKED_MAX]);
/* 0 and a record of its own in the arena, with r->shortened; ERR_FORMAT: these
 * are no record, or one of another version; ERR_NOMEM. */
int record_unpack(const void *bytes, size_t len, struct arena *a,
    const struct record **record_r);

#endif
