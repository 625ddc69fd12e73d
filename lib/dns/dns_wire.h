/*
 * What the DNS sends, read (RFC 1035 section 3.3, RFC 3596).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DNS_DNS_WIRE_H
#define LIB_DNS_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/dns/dns.h"

#define DNS_NAME_MAX 255  /* octets of a name on the wire, RFC 1035 2.3.4 */
#define DNS_LABEL_MAX 63
#define DNS_NAME_TEXT 1020 /* octets of text that take any name, with a NUL */

/*
 * A name without compression: `text` gets it as lib/dns/dns.h has names (size
 * DNS_NAME_TEXT; the root is ""), the return value is how many octets it took
 * on the wire; 0: that is no name.
 */
size_t dns_wire_name(const unsigned char *wire, size_t len, char *text);

/*
 * A name to ask for, in the form in which names are compared and kept: lower
 * case, no final dot.  False: nobody can ask for that (an empty or too long
 * label or name).  `key_r` has room for DNS_NAME_TEXT.
 */
bool dns_wire_key(const char *name, char *key_r);

/*
 * The records of an answer, from their RDATA.  Data that is not what its type
 * says is left out; when nothing is left the status is DNS_TEMPFAIL, with no
 * data at all it is DNS_NODATA.  One piece of memory, the caller's (free);
 * NULL: no memory.  *size_r gets how much that is.
 */
struct dns_answer *dns_wire_answer(enum dns_type type, char *const *data,
    const int *len, size_t count, size_t *size_r);

#endif
