/*
 * Lists of addresses: welcomelist_from and its kin.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_LIST_H
#define LIB_RULES_RULES_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

enum address_list {
	LIST_WELCOME_FROM,
	LIST_BLOCK_FROM,
	LIST_WELCOME_TO,
	LIST_BLOCK_TO,
	LIST_MORE_SPAM_TO,
	LIST_ALL_SPAM_TO,
	LIST_WELCOME_RCVD,
	LIST_DEF_WELCOME_RCVD,
	LIST_WELCOME_AUTH,
	LIST_DEF_WELCOME_AUTH,
	LIST_WELCOME_SPF,
	LIST_DEF_WELCOME_SPF,
	LIST_WELCOME_DKIM,
	LIST_DEF_WELCOME_DKIM,
	LIST_WELCOME_SUBJECT,
	LIST_BLOCK_SUBJECT,
	LIST_COUNT,
};

/* `*` and `?` stand for any letters and one; `second` is the domain of the
 * relay (_rcvd) or of the signature (_dkim), NULL: none was given. */
struct address_item {
	const char *glob, *second;
	struct address_item *next;
};

struct address_lists {
	struct address_item *of[LIST_COUNT];
};

/* 0 or ERR_NOMEM. */
int list_add(struct address_lists *l, struct arena *a, enum address_list which,
    const char *glob, const char *second);
/* Take those out that are written alike. */
void list_remove(
    struct address_lists *l, enum address_list which, const char *glob);
/* The next item whose glob takes the address; from NULL on.  Case does not
 * matter. */
const struct address_item *list_match(const struct address_lists *l,
    enum address_list which, const struct address_item *after,
    const char *address, size_t len);
bool list_glob(const char *glob, const char *text, size_t len);

#endif
