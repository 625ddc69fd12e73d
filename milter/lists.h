/*
 * What AllowList and BlockList have in common.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_LISTS_H
#define MILTER_LISTS_H

#include "lib/accesslist.h"

struct conf;
struct dataset;
struct dataset_entry;
struct errmsg;
struct message;
struct session;

/* {0} has nobody in it. */
struct lists {
	struct dataset *set;
	struct accesslist *list;
};

/* What the keyword lists; entries that match nothing are said in the log.
 * `check` is accesslist_new's.  0, or a negative ERR_ and *msg_r; lists_fini is
 * due in any case. */
int lists_load(const struct conf *c, const char *keyword,
    int (*check)(const char *value, struct errmsg *msg_r), struct lists *l,
    struct errmsg *msg_r);
void lists_fini(struct lists *l);

/* As accesslist_client, of the session's client. */
int lists_client(const struct lists *l, const struct session *s,
    struct dataset_entry *entry_r);
/* As accesslist_sender, of the first author in From that is in the list;
 * *domain_r, in the message's arena, is the author's. */
int lists_author(const struct lists *l, struct message *m,
    struct dataset_entry *entry_r, const char **domain_r);

#endif
