/* SPDX-License-Identifier: BSD-2-Clause */
#include "accesslist.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/dataset.h"
#include "lib/dns/idna.h"
#include "lib/list/peerlist.h"

#define KEY_SIZE 600 /* octets of `!rcpt:` and an address */

enum kind { CLIENT, HELO, SENDER, RCPT };

static const char *const prefixes[] = {
    [CLIENT] = "", [HELO] = "helo:", [SENDER] = "", [RCPT] = "rcpt:"};

struct accesslist {
	const struct dataset *set;
	struct peerlist *clients;
	int (*check)(const char *value, struct errmsg *msg_r);
	struct errlist *mistakes; /* while it is built */
};

static bool
begins(const char *text, const char *prefix)
{
	return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

static enum kind
kind_of(const char *key)
{
	key += *key == '!';
	if (begins(key, prefixes[HELO]))
		return HELO;
	if (begins(key, prefixes[RCPT]))
		return RCPT;
	return strchr(key, '@') != NULL ? SENDER : CLIENT;
}

/* -- building -- */

static bool
is_client(const char *key)
{
	return kind_of(key) == CLIENT;
}

/* What is expected in place of the key; NULL: it is right. */
static const char *
find_mistake(const char *key)
{
	enum kind kind = kind_of(key);
	const char *what = key + (*key == '!') + strlen(prefixes[kind]), *at;

	if (kind == HELO)
		return *what == '\0' ? "expected a name behind helo:" : NULL;
	if (kind == CLIENT)
		return *what == '\0' ? "expected something behind the !"
				     : NULL;
	at = strrchr(what, '@');
	if ((at == NULL && strchr(what, '*') == NULL) ||
	    (at != NULL && at[1] == '\0'))
		return "expected user@domain, @domain or @.domain";
	return NULL;
}

static int
check_entry(const struct dataset_entry *e, void *arg)
{
	const struct accesslist *list = arg;
	const char *expected = find_mistake(e->key);
	struct errmsg why;

	if (expected == NULL && list->check != NULL &&
	    list->check(e->value, &why) != 0)
		expected = why.text;
	if (expected == NULL)
		return 0;
	if (e->line > 0)
		errlist_add(list->mistakes, "%s:%d: %s: %s",
		    dataset_name(list->set), e->line, e->key, expected);
	else
		errlist_add(list->mistakes, "%s: %s", e->key, expected);
	return 0;
}

int
accesslist_new(const struct dataset *set,
    int (*check)(const char *value, struct errmsg *msg_r),
    struct errlist *mistakes, struct accesslist **list_r)
{
	struct accesslist *list = calloc(1, sizeof(*list));
	size_t before = errlist_count(mistakes);
	struct errmsg ignored;
	int rc = ERR_NOMEM;

	if (list != NULL) {
		*list = (struct accesslist){
		    .set = set, .check = check, .mistakes = mistakes};
		rc = 0;
		if (!dataset_is_live(set))
			rc = dataset_walk(set, check_entry, list);
		if (rc == 0)
			rc = peerlist_new_of(
			    set, is_client, &list->clients, &ignored);
		list->mistakes = NULL;
	}
	if (rc == 0 && errlist_count(mistakes) > before)
		rc = ERR_CONFIG;
	if (rc != 0) {
		accesslist_free(list);
		return rc;
	}
	*list_r = list;
	return 0;
}

void
accesslist_free(struct accesslist *list)
{
	if (list == NULL)
		return;
	peerlist_free(list->clients);
	free(list);
}

const char *
accesslist_warning(const struct accesslist *list, size_t i)
{
	return peerlist_warning(list->clients, i);
}

/* -- asking -- */

int
accesslist_client(const struct accesslist *list, const char *name,
    const struct host *host, struct dataset_entry *entry_r)
{
	if (list == NULL ||
	    !peerlist_find(list->clients, name, host, entry_r))
		return 0;
	/* A pattern such as * may have been meant for others. */
	if (kind_of(entry_r->key) == CLIENT)
		return 1;
	dataset_entry_fini(entry_r);
	return 0;
}

/* The first entry of that kind with that key; rc of dataset_get.  An entry that
 * says "not" is no address with a ! at its beginning, if the key is one. */
static int
get(const struct dataset *set, enum kind kind, const char *key, bool negated,
    struct dataset_entry *entry_r)
{
	size_t from = 0;

	for (;;) {
		int rc = dataset_get_from(set, key, from, entry_r);

		if (rc != 0 ||
		    (kind_of(entry_r->key) == kind &&
			(negated || entry_r->key[0] != '!')))
			return rc;
		from = entry_r->index + 1;
		dataset_entry_fini(entry_r);
	}
}

#define NOT 2 /* beside 1, 0 and ERR_: an entry says that it is not in it */

/* What was asked for in one of its forms. */
static int
ask(const struct accesslist *list, enum kind kind, const char *what,
    struct dataset_entry *entry_r)
{
	char key[KEY_SIZE];
	int n = snprintf(
	    key, sizeof(key), "!%s%s", prefixes[kind], what);
	int rc;

	if (n < 0 || (size_t)n >= sizeof(key))
		return 0;
	rc = get(list->set, kind, key, true, entry_r);
	if (rc == 0) {
		bool negated = entry_r->key[0] == '!';

		/* In a refile a * matches this too, and means no "not". */
		dataset_entry_fini(entry_r);
		if (negated)
			return NOT;
	} else if (rc != ERR_NOTFOUND) {
		return rc;
	}
	rc = get(list->set, kind, key + 1, false, entry_r);
	if (rc == 0)
		return 1;
	return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The domains above a name, each with what stands before it: `.b.c`, `.c` or
 * `@.b.c`, `@.c`. */
static int
ask_above(const struct accesslist *list, enum kind kind, const char *before,
    const char *domain, struct dataset_entry *entry_r)
{
	char key[KEY_SIZE];
	int rc = 0;

	for (const char *dot = strchr(domain, '.'); dot != NULL && rc == 0;
	     dot = strchr(dot + 1, '.')) {
		int n = snprintf(key, sizeof(key), "%s%s", before, dot);

		if (n < 0 || (size_t)n >= sizeof(key))
			return 0;
		rc = ask(list, kind, key, entry_r);
	}
	return rc;
}

static int
ask_address(const struct accesslist *list, enum kind kind, const char *address,
    const char *at, struct dataset_entry *entry_r)
{
	int rc = ask(list, kind, address, entry_r);

	if (rc == 0)
		rc = ask(list, kind, at, entry_r);
	return rc != 0 ? rc : ask_above(list, kind, "@", at + 1, entry_r);
}

/* The address with its domain as idna_ascii has it; *normal_r NULL: it has no
 * such domain.  0 or ERR_NOMEM. */
static int
normalize(struct arena *a, const char *address, const char *at,
    const char **normal_r)
{
	const char *domain;
	int rc = idna_ascii(a, at + 1, &domain);

	*normal_r = rc != 0 ? NULL
			    : arena_printf(a, "%.*s@%s", (int)(at - address),
				  address, domain);
	return *normal_r != NULL || rc == ERR_SYNTAX ? 0 : ERR_NOMEM;
}

static int
find_address(const struct accesslist *list, enum kind kind,
    const char *address, struct dataset_entry *entry_r)
{
	const char *at = strrchr(address, '@'), *normal;
	struct arena a;
	int rc;

	if (list == NULL || at == NULL || strlen(address) >= KEY_SIZE - 8)
		return 0;
	rc = ask_address(list, kind, address, at, entry_r);
	if (rc == 0) {
		arena_init(&a);
		rc = normalize(&a, address, at, &normal);
		if (normal != NULL && strcasecmp(normal, address) != 0)
			rc = ask_address(list, kind, normal,
			    strrchr(normal, '@'), entry_r);
		arena_fini(&a);
	}
	return rc == NOT ? 0 : rc;
}

int
accesslist_sender(const struct accesslist *list, const char *address,
    struct dataset_entry *entry_r)
{
	return find_address(list, SENDER, address, entry_r);
}

int
accesslist_rcpt(const struct accesslist *list, const char *address,
    struct dataset_entry *entry_r)
{
	return find_address(list, RCPT, address, entry_r);
}

int
accesslist_helo(const struct accesslist *list, const char *helo,
    struct dataset_entry *entry_r)
{
	int rc;

	if (list == NULL || strlen(helo) >= KEY_SIZE - 8)
		return 0;
	rc = ask(list, HELO, helo, entry_r);
	if (rc == 0 && helo[0] != '[')
		rc = ask_above(list, HELO, "", helo, entry_r);
	return rc == NOT ? 0 : rc;
}
