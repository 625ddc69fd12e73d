/*
 * Lists of networks as trusted_networks has them
 * (Mail::SpamAssassin::Conf, NETWORK TEST OPTIONS).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The first entry that holds an address decides; `!` before it means "not".
 */
#ifndef LIB_LIST_NETLIST_H
#define LIB_LIST_NETLIST_H

#include <stdbool.h>
#include <stddef.h>

struct errmsg;
struct netlist;

#define NETLIST_MAX 4096 /* entries */

/* NULL: no memory. */
struct netlist *netlist_new(void);
void netlist_free(struct netlist *l); /* NULL is fine */

/* Add one entry: `192.0.2.1`, `192.168.`, `192.168.0.0/16`, `10.0.1/24`,
 * `10.0.0.0/255.0.0.0`, `192.0.2.1-192.0.2.9`, `2001:db8::/32`, `[::1]`, each
 * with `!` before it or not.  0, ERR_NOMEM, ERR_LIMIT, or ERR_CONFIG with
 * words. */
int netlist_add(struct netlist *l, const char *entry, struct errmsg *msg_r);
/* Would adding it change nothing, because an entry that is there holds all of
 * it?  Then in words. */
bool netlist_decides(const struct netlist *l, const char *entry,
    struct errmsg *msg_r);
/* Has it none?  A NULL list has none. */
bool netlist_is_empty(const struct netlist *l);

/* Is the address (IPv4 or IPv6 in words) in the list?  A mapped IPv4 address
 * is the IPv4 address.  A NULL list has none. */
bool netlist_has(const struct netlist *l, const char *ip);
/* The same by those entries only that the list `within` holds as a whole
 * (internal_networks must be in trusted_networks); NULL: all do. */
bool netlist_has_within(const struct netlist *l, const char *ip,
    const struct netlist *within);

#endif
