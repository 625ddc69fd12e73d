/* SPDX-License-Identifier: BSD-2-Clause */
#include "lists.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "milter/options.h"
#include "milter/session.h"

/* Warn of entries that match nothing. */
static void
warn(const struct conf *c, const char *keyword, const struct lists *l)
{
	const char *w;

	for (size_t i = 0; (w = accesslist_warning(l->list, i)) != NULL; i++)
		conf_odd(c, "%s: %s: %s", conf_where(c, keyword),
		    keyword, w);
}

/* Make the list; mistakes in its entries are mistakes of the keyword. */
static int
make_list(const struct conf *c, const char *keyword, struct lists *l,
    int (*check)(const char *value, struct errmsg *msg_r), struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	int rc = ERR_NOMEM;

	if (list != NULL)
		rc = accesslist_new(l->set, check, list, &l->list);
	if (rc == ERR_CONFIG)
		options_mistakes(c, keyword, list, msg_r);
	errlist_free(list);
	return rc;
}

int
lists_load(const struct conf *c, const char *keyword,
    int (*check)(const char *value, struct errmsg *msg_r), void **state_r,
    struct errmsg *msg_r)
{
	struct lists *l;
	int rc;

	if (!conf_given(c, keyword))
		return 0;
	*state_r = l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	rc = options_set(c, keyword, NULL, &l->set, msg_r);
	if (rc != 0 || l->set == NULL)
		return rc;
	rc = make_list(c, keyword, l, check, msg_r);
	if (rc == 0)
		warn(c, keyword, l);
	return rc;
}

void
lists_unload(void *state)
{
	struct lists *l = state;

	accesslist_free(l->list);
	dataset_free(l->set);
	free(l);
}

int
lists_client(const struct lists *l, const struct session *s,
    struct dataset_entry *entry_r)
{
	const char *name = s->client_name;

	/* The MTA gives these for a client without a name. */
	if (name != NULL &&
	    (name[0] == '[' || strcasecmp(name, "unknown") == 0))
		name = NULL;
	return accesslist_client(l->list, name, &s->client, entry_r);
}

int
lists_author(const struct lists *l, struct message *m,
    struct dataset_entry *entry_r, const char **domain_r)
{
	const struct author *who = &m->author;
	int rc = 0;

	for (size_t i = 0; i < who->count + who->seen_count && rc == 0; i++) {
		const struct addr *a = i < who->count
		    ? &who->list[i]
		    : &who->seen[i - who->count];
		const char *address =
		    arena_printf(&m->arena, "%s@%s", a->local, a->domain);

		*domain_r = a->domain;
		rc = address == NULL
		    ? ERR_NOMEM
		    : accesslist_sender(l->list, address, entry_r);
	}
	return rc;
}
