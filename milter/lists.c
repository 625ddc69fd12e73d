/* SPDX-License-Identifier: BSD-2-Clause */
#include "lists.h"

#include <stdlib.h>
#include <strings.h>

#include "lib/addr.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/err.h"
#include "log.h"
#include "options.h"
#include "session.h"

#define AUTHORS_MAX 20 /* addresses of From that are looked for */

/* Say which entries match nothing. */
static void
warn(const struct conf *c, const char *keyword, const struct lists *l)
{
	const char *w;

	for (size_t i = 0; (w = accesslist_warning(l->list, i)) != NULL; i++)
		log_line(LOG_WARNING, "%s: %s: %s", conf_where(c, keyword),
		    keyword, w);
}

int
lists_load(const struct conf *c, const char *keyword,
    int (*check)(const char *value, struct errmsg *msg_r), void **state_r,
    struct errmsg *msg_r)
{
	struct errmsg why;
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
	rc = accesslist_new(l->set, check, &l->list, &why);
	if (rc == 0)
		warn(c, keyword, l);
	else
		errmsg_set(msg_r, "%s: %s: %s", conf_where(c, keyword), keyword,
		    rc == ERR_NOMEM ? err_text(rc) : why.text);
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

	/* What the MTA says of no name. */
	if (name != NULL &&
	    (name[0] == '[' || strcasecmp(name, "unknown") == 0))
		name = NULL;
	return accesslist_client(
	    l->list, name, (const struct sockaddr *)&s->client, entry_r);
}

/* One field. */
static int
find_author(const struct lists *l, struct message *m, const struct hdr *h,
    struct dataset_entry *entry_r, const char **domain_r)
{
	struct addr list[AUTHORS_MAX];
	size_t n;
	int rc = addr_list(&m->arena, h->value, h->value_len, list,
	    AUTHORS_MAX, &n);

	if (rc == ERR_NOMEM)
		return rc;
	rc = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		const char *address = arena_printf(
		    &m->arena, "%s@%s", list[i].local, list[i].domain);

		*domain_r = list[i].domain;
		rc = address == NULL
		    ? ERR_NOMEM
		    : accesslist_sender(l->list, address, entry_r);
	}
	return rc;
}

int
lists_author(const struct lists *l, struct message *m,
    struct dataset_entry *entry_r, const char **domain_r)
{
	int rc = 0;

	for (const struct hdr *h = m->headers.first; h != NULL && rc == 0;
	     h = h->next) {
		if (hdr_is(h, "From"))
			rc = find_author(l, m, h, entry_r, domain_r);
	}
	return rc;
}
