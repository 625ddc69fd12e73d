/*
 * Lists of hosts, as OpenDKIM has them (opendkim.conf(5)).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * An entry is a host name, a domain with its dot (`.example.com`: the hosts
 * below it), an address or a network (192.0.2.0/24, 2001:db8::/32, the address
 * in brackets or not); a `!` before it means "not".  Names are looked up
 * before addresses, the more specific before the less, and the first that is
 * found decides.
 */
#ifndef LIB_LIST_PEERLIST_H
#define LIB_LIST_PEERLIST_H

#include <stdbool.h>
#include <stddef.h>

struct dataset;
struct dataset_entry;
struct errmsg;
struct peerlist;
struct host;

/* Build from a set, which must outlive the list.  Sets of type refile and mdb
 * are looked into at each match, by every form in which the peer may be
 * written; others are parsed here.  0 and *list_r (the caller's,
 * peerlist_free), or ERR_NOMEM. */
int peerlist_new(const struct dataset *set, struct peerlist **list_r,
    struct errmsg *msg_r);
/* The same of a set in which other things stand too: is_peer says of a key, `!`
 * and all, whether it is about a peer. */
int peerlist_new_of(const struct dataset *set,
    bool (*is_peer)(const char *key), struct peerlist **list_r,
    struct errmsg *msg_r);
void peerlist_free(struct peerlist *list);

/* Is it in the list?  name: the client's, NULL or "" when it has none.
 * host: NULL, or HOST_NONE: names only. */
bool peerlist_match(const struct peerlist *list, const char *name,
    const struct host *host);

/* The same, and the entry by which it is (the caller's, dataset_entry_fini;
 * its place, index and line, is not told for networks). */
bool peerlist_find(const struct peerlist *list, const char *name,
    const struct host *host, struct dataset_entry *entry_r);

/* Entries that no peer can match (a network with bits behind its prefix), or
 * that are hardly meant so (a word without a dot), as warning i in words; NULL:
 * no more. */
const char *peerlist_warning(const struct peerlist *list, size_t i);

#endif
