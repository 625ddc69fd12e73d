/*
 * Addresses as header fields and logs show them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Who reads them acts by the domain, the last `@` and what follows it.  So the
 * domain is shown whole and unchanged, or the address is not shown at all; what
 * gives way is the local part.  Text without an `@` is a domain.
 */
#ifndef LIB_MAIL_ADDRTEXT_H
#define LIB_MAIL_ADDRTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

#define ADDRTEXT_MAX 320 /* octets (RFC 5321 section 4.5.3.1: 64, @, 255) */

/* Add the address in at most max octets: of a longer one the local part is
 * shortened, a quoted one stays quoted.  False: the domain alone is longer;
 * nothing is added then. */
bool addrtext_short(struct buf *b, const char *address, size_t max);
/*
 * The same with ADDRTEXT_MAX for the value of a header field, which who writes
 * it must quote.  utf8: the header may hold UTF-8 (RFC 6532); otherwise
 * U-labels become A-labels.  What may not stand in the field becomes `?` in the
 * local part; in the domain, false and nothing added.  False for want of memory
 * too, and b->failed.
 */
bool addrtext_field(struct buf *b, const char *address, bool utf8);
/* Add other text for a field: what may not stand there becomes `?`. */
void addrtext_add(struct buf *b, const char *text, size_t len, bool utf8);
/* addrtext_short as buf_escape has it, for a log.  A domain that is too long is
 * cut, and ends in `...`. */
void addrtext_escape(struct buf *b, const char *address, size_t max);
/* Add the address as it is, but for a local part that is shortened until
 * buf_quote writes all of it in at most max octets.  Where the domain alone
 * takes more, everything is added, to be cut there. */
void addrtext_fit(struct buf *b, const char *address, size_t max);

#endif
