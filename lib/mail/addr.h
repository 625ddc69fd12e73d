/*
 * Addresses in header fields (RFC 5322 section 3.4, RFC 6532).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The reader is tolerant, because mail is: it takes obsolete forms, comments
 * anywhere and missing quotes, and finds in every mailbox the address that a
 * person would.  But it takes nothing in which two programs may find different
 * addresses: what looks like another address beside a mailbox, outside quotes,
 * comments and the encoded words of a name, or in its local part makes it
 * unreadable, unless it is the same one again; so does a domain that ends for
 * some at white space in it.  What can't be read is said, never skipped in
 * silence.
 */
#ifndef LIB_MAIL_ADDR_H
#define LIB_MAIL_ADDR_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

#define ADDR_LIST_MAX 20 /* mailboxes read of one field */

struct addr {
	const char *local;  /* unquoted; may be any text */
	const char *domain; /* ASCII letters in lower case, no final dot; ""
	    when there is none */
};

struct addr_list {
	struct addr list[ADDR_LIST_MAX];
	size_t count;
	bool names; /* an item is a name without an address: `Doe, J <j@x>` */
	const char *why; /* in words, what could not be read; NULL: nothing.
	    The mailboxes before and after it are in the list */
};

/*
 * The mailboxes of a From, Sender or To value, groups opened, in order; strings
 * are in the arena.  Returns 0, or ERR_NOMEM.
 */
int addr_read(struct arena *a, const char *value, size_t len,
    struct addr_list *list_r);

/* An envelope address without its brackets, taken apart at its last `@`. */
int addr_split(struct arena *a, const char *address, struct addr *addr_r);

/* An envelope address as an MTA gives it, with or without brackets: without, in
 * the arena.  NULL: no memory. */
const char *addr_bare(struct arena *a, const char *address);
/* Is it postmaster's, here or of any domain (RFC 5321 section 4.5.1)? */
bool addr_is_postmaster(const char *address);

/* The same mailbox?  Case does not matter, as hardly anybody's does. */
bool addr_equal(const struct addr *a, const struct addr *b);

/* Octets of the @ at p, or of a sign that is one to who looks; 0: neither. */
size_t addr_at_length(const char *p, const char *end);

/* Behind the comment that begins at p, which may nest and quote; NULL: it does
 * not end before `end`. */
const char *addr_skip_comment(const char *p, const char *end);

#endif
