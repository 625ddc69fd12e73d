/*
 * Domain names as the DNS has them: A-labels (RFC 5890, RFC 5891).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DNS_IDNA_H
#define LIB_DNS_IDNA_H

#include <stdbool.h>

struct arena;

/*
 * The name in lower case, without final dot, U-labels as A-labels; in the
 * arena.  ERR_SYNTAX: it is not the name of a host or domain (letters, digits,
 * hyphens and underscores in labels of 1 to 63, at most 253 in all); ERR_NOMEM.
 * In either case *name_r is NULL.
 */
int idna_ascii(struct arena *a, const char *domain, const char **name_r);

/* Only ASCII? */
bool idna_is_ascii(const char *text);
/* For what has a syntax of its own: a name in ASCII as it is, unexamined;
 * another as idna_ascii has it. */
int idna_alabels(struct arena *a, const char *domain, const char **name_r);

#endif
