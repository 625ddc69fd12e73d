/*
 * An event: what is known of a message from outside, as one object of JSON on a
 * line.  SPDX-License-Identifier: BSD-2-Clause
 *
 * It is made from a record (record.h), for other programs: they read it in the
 * file of Journal, and from posternctl journal --events.  A field whose value
 * is not known is absent.
 */
#ifndef MILTER_EVENT_H
#define MILTER_EVENT_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct record;

/* How recipients and the subject are shown: JournalPrivacy. */
enum event_privacy {
	EVENT_PLAIN, /* as they are */
	EVENT_HASH,  /* as keyed hashes: what is equal stays equal */
	EVENT_COUNT, /* recipients are counted, and the subject is left out */
};

struct event_form {
	enum event_privacy privacy;
	uint64_t key[2]; /* for EVENT_HASH */
};

#define EVENT_TEXT_MAX 512 /* octets of one text, as a packed record keeps
    them */
#define EVENT_LIST_MAX 49152 /* octets after which no recipient is added */

/* The words of JournalPrivacy, NULL-ended, in the order of the enum. */
extern const char *const event_privacy_words[];

/* Add the event of the record, without a line feed.  False: the record is not of
 * a message, and there is none. */
bool event_line(
    struct buf *b, const struct record *r, const struct event_form *form);

/*
 * Events of several threads come nearly in the order of their times.  Who writes
 * them calls this for each: one that is late by up to a second gets the time of
 * that before.  What is later than that stays, since somebody has set the clock.
 * *last_ms is 0 at first.
 */
void event_order(char *line, int64_t *last_ms);

#endif
