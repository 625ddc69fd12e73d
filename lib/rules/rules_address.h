/*
 * Names and addresses in From, To and their kin, found as SpamAssassin 4 finds
 * them (Mail::SpamAssassin::Util, parse_header_addresses).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * lib/mail/addr.h reads such fields as a person would.  Rules were written for what
 * SpamAssassin makes of them, down to its mistakes; hence this reader.
 */
#ifndef LIB_RULES_RULES_ADDRESS_H
#define LIB_RULES_RULES_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/rules/rules.h"

struct addresses;
struct arena;

#define ADDRESSES_MAX 1000 /* of one field */

/* The reader; may be shared by threads.  NULL: no memory. */
struct addresses *addresses_new(void);
void addresses_free(struct addresses *a);

struct address {
	struct rules_text phrase, address; /* data NULL: there is none */
	struct address *next;
};

/* Those in a field's raw value, in the arena.  0 or ERR_NOMEM. */
int addresses_read(const struct addresses *as, struct arena *a,
    const char *value, size_t len, struct address **list_r);

/* Could this be a host on the Internet: labels of letters and digits, at least
 * two? */
bool address_host_valid(const char *host, size_t len);

#endif
