/*
 * Lists of whom to let in or keep out: clients, names in HELO, senders and
 * recipients in one data set.  SPDX-License-Identifier: BSD-2-Clause
 *
 * What an entry speaks of is seen from its shape:
 *
 *     192.0.2.1  2001:db8::/32  mx.example.com  .example.com
 *                                   a client, as in lib/list/peerlist.h
 *     helo:NAME  helo:.DOMAIN       what it says in HELO; helo:[192.0.2.1]
 *     user@example.com              a sender
 *     @example.com  @.example.com   senders of a domain; of those below it
 *     rcpt:user@example.com ...     recipients, likewise
 *
 * A `!` before any of them means "not".  The more specific entry is found
 * first; in a refile the first pattern of that kind that matches, whether what
 * was asked for is written as address, as @domain, or as @.domain.
 */
#ifndef LIB_LIST_ACCESSLIST_H
#define LIB_LIST_ACCESSLIST_H

#include <stddef.h>

struct accesslist;
struct dataset;
struct dataset_entry;
struct errlist;
struct errmsg;
struct host;

/*
 * Build from a set, which must outlive the list.  `check` judges the value of
 * each entry (as struct conf_option.check does); NULL: anything goes.  What an
 * LMDB holds is not looked at.  0 and *list_r (the caller's, accesslist_free),
 * ERR_CONFIG and in the list which entries are wrong and how, or ERR_NOMEM.
 */
int accesslist_new(const struct dataset *set,
    int (*check)(const char *value, struct errmsg *msg_r),
    struct errlist *mistakes, struct accesslist **list_r);
void accesslist_free(struct accesslist *list);

/* Entries that nothing can match, as warning i in words; NULL: no more. */
const char *accesslist_warning(const struct accesslist *list, size_t i);

/*
 * Is it in the list?  1, and the entry (the caller's, dataset_entry_fini); 0;
 * or an ERR_ where the set can't be read.  A list of NULL has nobody in it.
 *
 * The client's name and host may be NULL.  Addresses are without <>; a domain
 * matches in the form of the entry and as A-labels.  What is longer than an
 * address can be is in no list.
 */
int accesslist_client(const struct accesslist *list, const char *name,
    const struct host *host, struct dataset_entry *entry_r);
int accesslist_helo(const struct accesslist *list, const char *helo,
    struct dataset_entry *entry_r);
int accesslist_sender(const struct accesslist *list, const char *address,
    struct dataset_entry *entry_r);
int accesslist_rcpt(const struct accesslist *list, const char *address,
    struct dataset_entry *entry_r);

#endif
