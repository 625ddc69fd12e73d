/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_list.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

static int
add(struct address_item **list, struct arena *a, const char *glob,
    const char *second)
{
	struct address_item *item = arena_alloc(a, sizeof(*item));

	if (item == NULL)
		return ERR_NOMEM;
	item->glob = arena_strdup(a, glob);
	item->second = second == NULL ? NULL : arena_strdup(a, second);
	if (item->glob == NULL || (second != NULL && item->second == NULL))
		return ERR_NOMEM;
	item->next = *list;
	*list = item;
	return 0;
}

int
list_add(struct address_lists *l, struct arena *a, enum address_list which,
    const char *glob, const char *second)
{
	return add(&l->of[which], a, glob, second);
}

static void
take_off(struct address_item **at, const char *glob)
{
	while (*at != NULL) {
		if (strcasecmp((*at)->glob, glob) == 0)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
}

void
list_remove(struct address_lists *l, enum address_list which, const char *glob)
{
	take_off(&l->of[which], glob);
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* Going back only to the last `*` keeps it from exploding. */
bool
list_glob(const char *glob, const char *text, size_t len)
{
	const char *star = NULL;
	size_t i = 0, star_at = 0;

	while (i < len) {
		if (*glob == '*') {
			star = glob++;
			star_at = i;
		} else if (*glob != '\0' &&
		    (*glob == '?' || lower(*glob) == lower(text[i]))) {
			glob++;
			i++;
		} else if (star != NULL) {
			glob = star + 1;
			i = ++star_at;
		} else {
			return false;
		}
	}
	while (*glob == '*')
		glob++;
	return *glob == '\0';
}

const struct address_item *
list_match(const struct address_item *item, const char *address, size_t len)
{
	while (item != NULL && !list_glob(item->glob, address, len))
		item = item->next;
	return item;
}

/* -- with names -- */

struct named_list *
named_list(struct named_list *lists, const char *name)
{
	while (lists != NULL && strcmp(lists->name, name) != 0)
		lists = lists->next;
	return lists;
}

int
named_list_add(struct named_list **lists, struct arena *a, const char *name,
    const char *glob, const char *second)
{
	struct named_list *l = named_list(*lists, name);

	if (l == NULL) {
		l = arena_alloc(a, sizeof(*l));
		if (l == NULL || (l->name = arena_strdup(a, name)) == NULL)
			return ERR_NOMEM;
		l->next = *lists;
		*lists = l;
	}
	return add(&l->items, a, glob, second);
}

void
named_list_remove(
    struct named_list *lists, const char *name, const char *glob)
{
	for (; lists != NULL; lists = lists->next) {
		if (name == NULL || strcmp(name, lists->name) == 0)
			take_off(&lists->items, glob);
	}
}

static const struct address_item *
find_host(const struct named_list *list, const char *host, size_t len)
{
	const struct address_item *item = list->items;

	while (item != NULL &&
	    (strlen(item->glob) != len ||
		strncasecmp(item->glob, host, len) != 0))
		item = item->next;
	return item;
}

bool
named_list_has_host(
    const struct named_list *list, const char *host, size_t len)
{
	const struct address_item *item;

	while ((item = find_host(list, host, len)) == NULL) {
		const char *dot = memchr(host, '.', len);

		if (dot == NULL)
			return false;
		len -= (size_t)(dot + 1 - host);
		host = dot + 1;
	}
	return item->second == NULL;
}
