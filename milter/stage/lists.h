/*
 * What AllowList and BlockList have in common.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_STAGE_LISTS_H
#define MILTER_STAGE_LISTS_H

#include "lib/list/accesslist.h"

struct conf;
struct dataset;
struct dataset_entry;
struct errmsg;
struct message;
struct session;

struct lists {
	struct dataset *set;
	struct accesslist *list;
};

/* For a stage's load: *state_r becomes a struct lists of what the keyword
 * lists, or stays NULL if the keyword is not given.  Warns of entries that
 * match nothing.  `check` is accesslist_new's.  0, or a negative ERR_ and
 * *msg_r. */
int lists_load(const struct conf *c, const char *keyword,
    int (*check)(const char *value, struct errmsg *msg_r), void **state_r,
    struct errmsg *msg_r);
void lists_unload(void *state);

/* As accesslist_client, for the session's client. */
int lists_client(const struct lists *l, const struct session *s,
    struct dataset_entry *entry_r);
/* As accesslist_sender, for the first author in From that is in the list;
 * *domain_r is that author's domain, in the message's arena. */
int lists_author(const struct lists *l, struct message *m,
    struct dataset_entry *entry_r, const char **domain_r);

#endif
