/*
 * What mail servers write into Received fields, taken apart (RFC 5321 section
 * 4.4 asks for the trace; its form differs with each server).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The forms that are understood, and what becomes of each, are SpamAssassin's,
 * so that rules written for its X-Spam-Relays-* pseudo-headers find the same
 * text.
 */
#ifndef LIB_MAIL_RELAY_FORMATS_H
#define LIB_MAIL_RELAY_FORMATS_H

#include <stddef.h>

struct arena;
struct relay;
struct relay_formats;

#define RELAY_FIELD_MAX 2048 /* octets of a field that are looked at */

enum relay_outcome {
	RELAY_PARSED,
	RELAY_IGNORED,	   /* nothing was handed over, or it does not tell */
	RELAY_FETCHED,	   /* from a mailbox, by POP3 or IMAP */
	RELAY_UNPARSEABLE, /* it should tell, and isn't understood */
};

/* Compile the table; used by any number of threads.  0 and *formats_r (the
 * caller's, relay_formats_free), or ERR_NOMEM. */
int relay_formats_new(struct relay_formats **formats_r);
void relay_formats_free(struct relay_formats *f);

/* Take one field's value apart (folded or not).  The texts of *relay_r, none of
 * which is NULL then, live in the arena; its flags are not touched.  An
 * outcome, or ERR_NOMEM. */
int relay_parse(const struct relay_formats *f, struct arena *a,
    const char *value, size_t len, struct relay *relay_r);

#endif
