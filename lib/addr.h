/*
 * Addresses in header fields (RFC 5322 section 3.4, RFC 6532).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The reader is tolerant, because mail is: it takes obsolete forms, comments
 * anywhere and missing quotes, and finds in every mailbox the address that a
 * person would.  What can't be read is said, never skipped in silence.
 */
#ifndef LIB_ADDR_H
#define LIB_ADDR_H

#include <stddef.h>

struct arena;

struct addr {
	const char *local;  /* unquoted; may be any text */
	const char *domain; /* ASCII letters in lower case, no final dot; ""
	    when there is none */
};

/*
 * The mailboxes of a From, Sender or To value, groups opened, at most max of
 * them, in order; strings are in the arena.  Returns 0; ERR_SYNTAX when a part
 * could not be read as a mailbox (those before and after it are given);
 * ERR_LIMIT when there are more than max; ERR_NOMEM.
 */
int addr_list(struct arena *a, const char *value, size_t len,
    struct addr *addrs_r, size_t max, size_t *count_r);

/* An envelope address without its brackets, taken apart at its last `@`. */
int addr_split(struct arena *a, const char *address, struct addr *addr_r);

#endif
