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

/* A list with a name of its own (enlist_addrlist, enlist_uri_host).  Of hosts,
 * `second` is "!" for those that are not meant. */
struct named_list {
	const char *name;
	struct address_item *items; /* the newest first */
	struct named_list *next;
};

/* 0 or ERR_NOMEM. */
int list_add(struct address_lists *l, struct arena *a, enum address_list which,
    const char *glob, const char *second);
/* Take those out that are written alike. */
void list_remove(
    struct address_lists *l, enum address_list which, const char *glob);
/* The first item from this one on whose glob takes the address; NULL: none.
 * Case does not matter. */
const struct address_item *list_match(
    const struct address_item *item, const char *address, size_t len);
/* The list of that name; NULL: there is none. */
struct named_list *named_list(struct named_list *lists, const char *name);
/* Add to it, and make it if there is none.  0 or ERR_NOMEM. */
int named_list_add(struct named_list **lists, struct arena *a,
    const char *name, const char *glob, const char *second);
/* Take those out that are written alike; name NULL: of all lists. */
void named_list_remove(
    struct named_list *lists, const char *name, const char *glob);
/* Is the host, or else the nearest domain above it that has an entry, on the
 * list and meant?  Globs stand for themselves here. */
bool named_list_has_host(
    const struct named_list *list, const char *host, size_t len);
bool list_glob(const char *glob, const char *text, size_t len);

#endif
