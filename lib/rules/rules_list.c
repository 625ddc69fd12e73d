/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_list.h"

#include <string.h>
#include <strings.h>

#include "lib/arena.h"
#include "lib/err.h"

int
list_add(struct address_lists *l, struct arena *a, enum address_list which,
    const char *glob, const char *second)
{
	struct address_item *item = arena_alloc(a, sizeof(*item));

	if (item == NULL)
		return ERR_NOMEM;
	item->glob = arena_strdup(a, glob);
	item->second = second == NULL ? NULL : arena_strdup(a, second);
	if (item->glob == NULL || (second != NULL && item->second == NULL))
		return ERR_NOMEM;
	item->next = l->of[which];
	l->of[which] = item;
	return 0;
}

void
list_remove(struct address_lists *l, enum address_list which, const char *glob)
{
	struct address_item **at = &l->of[which];

	while (*at != NULL) {
		if (strcasecmp((*at)->glob, glob) == 0)
			*at = (*at)->next;
		else
			at = &(*at)->next;
	}
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
list_match(const struct address_lists *l, enum address_list which,
    const struct address_item *after, const char *address, size_t len)
{
	const struct address_item *item =
	    after == NULL ? l->of[which] : after->next;

	while (item != NULL && !list_glob(item->glob, address, len))
		item = item->next;
	return item;
}
