/*
 * Data sets: the choice of a type, and what is common to all.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "dataset.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dataset_type.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"

static const struct dataset_type *const types[] = {
    &dataset_file,
    &dataset_refile,
    &dataset_csl,
    &dataset_mdb,
};

#define NTYPES (sizeof(types) / sizeof(*types))

struct dataset {
	const struct dataset_type *type;
	char *name;
	void *data; /* the type's */
};

/* -- what was written -- */

/* A Berkeley database as text: the keys and values that postmap and makemap
 * write end in a NUL, which db_dump shows as \00. */
#define DB_CONVERT                                                             \
	"postern has no Berkeley DB; convert it: "                             \
	"db_dump -p %s | sed -n 's/\\\\00$//; s/^ //p' | paste - - > %s.txt, " \
	"and write file:%s.txt instead"

static const struct {
	const char *prefix;
	const char *instead;
} absent[] = {
    {"dsn:", "postern has no SQL; write the table into a file with the "
	     "database's own client, for example: mysql -N -B -e \"SELECT "
	     "keycol, CONCAT_WS(':', v1, v2) FROM table\" database > FILE, "
	     "and write file:FILE instead"},
    {"ldap:",
	"postern has no LDAP; write key and value of each entry into a "
	"file, one a line (ldapsearch -LLL), and write file:FILE instead"},
    {"ldaps:", "postern has no LDAP; see ldapsearch(1), write each entry "
	       "as a line `key value`, and write file:FILE instead"},
    {"ldapi:", "postern has no LDAP; see ldapsearch(1), write each entry "
	       "as a line `key value`, and write file:FILE instead"},
    {"lua:", "postern has no Lua; write the keys and values that the "
	     "script returns into a file, and write file:FILE instead"},
    {"memcache:", "postern has no memcache; write the keys and values "
		  "into a file, and write file:FILE instead"},
    {"socket:", "postern asks no socket map; write the keys and values "
		"into a file, and write file:FILE instead"},
    {"repute:", "postern asks no reputation service; write the keys and "
		"values into a file, and write file:FILE instead"},
    {"erlang:", "postern has no Erlang; write the keys and values into a "
		"file, and write file:FILE instead"},
};

static bool
has_suffix(const char *s, const char *suffix)
{
	size_t len = strlen(s), n = strlen(suffix);

	return len >= n && strcmp(s + len - n, suffix) == 0;
}

/* `word:/path`, with a word that is no type of OpenDKIM's: one of Postfix's,
 * most likely, which OpenDKIM would take for a list of one. */
static bool
is_foreign_type(const char *spec)
{
	size_t n = strspn(spec, "abcdefghijklmnopqrstuvwxyz_");

	return n > 1 && spec[n] == ':' && spec[n + 1] == '/';
}

/* The type whose prefix stands there; NULL: none does. */
static const struct dataset_type *
type_of(const char *spec)
{
	for (size_t i = 0; i < NTYPES; i++) {
		if (strncasecmp(
			spec, types[i]->prefix, strlen(types[i]->prefix)) == 0)
			return types[i];
	}
	return NULL;
}

static int
say_foreign(const char *spec, struct errmsg *msg_r)
{
	struct buf known = BUF_INIT;
	int rc = ERR_NOMEM;

	for (size_t i = 0; i < NTYPES; i++) {
		if (i > 0)
			buf_str(&known, i + 1 < NTYPES ? ", " : " or ");
		buf_str(&known, types[i]->prefix);
	}
	if (buf_text(&known) != NULL)
		rc = errmsg_set(msg_r, "%s: expected %s before a path", spec,
		    buf_text(&known));
	buf_fini(&known);
	return rc;
}

/* The type, and where its path or list begins; or a mistake. */
static int
classify(const char *spec, const struct dataset_type **type_r,
    const char **rest_r, struct errmsg *msg_r)
{
	const char *db = strncasecmp(spec, "db:", 3) == 0 ? spec + 3 : NULL;

	*type_r = type_of(spec);
	if (*type_r != NULL) {
		*rest_r = spec + strlen((*type_r)->prefix);
		return 0;
	}
	for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
		size_t n = strlen(absent[i].prefix);

		if (strncasecmp(spec, absent[i].prefix, n) == 0)
			return errmsg_set(msg_r, "%s %s", absent[i].prefix,
			    absent[i].instead);
	}
	if (db == NULL && has_suffix(spec, ".db"))
		db = spec;
	if (db != NULL)
		return errmsg_set(msg_r, DB_CONVERT, db, db, db);
	*rest_r = spec;
	*type_r = &dataset_csl;
	if (spec[0] == '/' || strncmp(spec, "./", 2) == 0)
		*type_r = &dataset_file;
	else if (is_foreign_type(spec))
		return say_foreign(spec, msg_r);
	return 0;
}

int
dataset_check(const char *spec, struct errmsg *msg_r)
{
	const struct dataset_type *type;
	const char *rest;
	int rc = classify(spec, &type, &rest, msg_r);

	if (rc == 0 && !type->listed && *rest == '\0')
		return errmsg_set(msg_r, "%s: expected a path", spec);
	return rc;
}

const char *
dataset_path(const char *spec)
{
	const struct dataset_type *type = type_of(spec);

	return type == NULL || type->listed ? spec
					    : spec + strlen(type->prefix);
}

/* -- opening -- */

int
dataset_make(const struct dataset_type *type, const char *name, void *data,
    struct dataset **set_r)
{
	struct dataset *set = malloc(sizeof(*set));
	char *copy = strdup(name);

	if (set == NULL || copy == NULL) {
		free(set);
		free(copy);
		return ERR_NOMEM;
	}
	*set = (struct dataset){type, copy, data};
	*set_r = set;
	return 0;
}

int
dataset_open_list(const char *spec, enum dataset_use use, struct errlist *list,
    struct dataset **set_r)
{
	const struct dataset_type *type;
	const char *rest;
	struct errmsg msg;
	int rc;

	spec += strspn(spec, " \t");
	rc = dataset_check(spec, &msg);
	if (rc == 0)
		rc = classify(spec, &type, &rest, &msg);
	if (rc != 0)
		return errlist_add_msg(list, &msg);
	rest += strspn(rest, " \t");
	rc = type->open(type, rest, use, list, set_r);
	if (rc == ERR_NOMEM)
		errlist_add(list, "%s: %s", rest, err_text(rc));
	return rc;
}

/* For who wants one mistake only: out of the list, which is freed. */
static int
first_of(struct errlist *list, int rc, struct dataset **set_r,
    struct dataset *set, struct errmsg *msg_r)
{
	int saved = errno;

	if (rc == 0) {
		*set_r = set;
	} else {
		dataset_free(set);
		if (list == NULL || errlist_first(list, msg_r) == 0)
			errmsg_set(msg_r, "%s", err_text(rc));
	}
	errlist_free(list);
	errno = saved;
	return rc;
}

int
dataset_open(const char *spec, struct dataset **set_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct dataset *set = NULL;
	int rc = list == NULL ? ERR_NOMEM
			      : dataset_open_list(spec, DATASET_SERVES,
				  list, &set);

	return first_of(list, rc, set_r, set, msg_r);
}

int
dataset_open_text(const struct dataset_type *type, const char *name,
    const char *text, size_t len, struct dataset **set_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct dataset *set = NULL;
	int rc = list == NULL
	    ? ERR_NOMEM
	    : dataset_read_text(type, name, text, len, list, &set);

	return first_of(list, rc, set_r, set, msg_r);
}

void
dataset_free(struct dataset *set)
{
	if (set == NULL)
		return;
	set->type->close(set->data);
	free(set->name);
	free(set);
}

const struct dataset_type *
dataset_type(const struct dataset *set)
{
	return set->type;
}

bool
dataset_is_listed(const struct dataset *set)
{
	return set->type->listed;
}

bool
dataset_is_live(const struct dataset *set)
{
	return set->type->live;
}

bool
dataset_has_patterns(const struct dataset *set)
{
	return set->type->patterns;
}

const char *
dataset_name(const struct dataset *set)
{
	return set->name;
}

/* -- look-up -- */

int
dataset_get_from(const struct dataset *set, const char *key, size_t from,
    struct dataset_entry *entry_r)
{
	return set->type->get(set->data, key, from, entry_r);
}

int
dataset_get(
    const struct dataset *set, const char *key, struct dataset_entry *entry_r)
{
	return dataset_get_from(set, key, 0, entry_r);
}

int
dataset_has(const struct dataset *set, const char *key)
{
	struct dataset_entry entry;
	int rc = set == NULL ? ERR_NOTFOUND : dataset_get(set, key, &entry);

	if (rc != 0)
		return rc == ERR_NOTFOUND ? 0 : rc;
	dataset_entry_fini(&entry);
	return 1;
}

void
dataset_entry_fini(struct dataset_entry *entry)
{
	free(entry->owned);
	*entry = (struct dataset_entry){0};
}

int
dataset_walk(const struct dataset *set,
    int (*each)(const struct dataset_entry *entry, void *arg), void *arg)
{
	return set->type->walk(set->data, each, arg);
}

size_t
dataset_fields(const char *value, struct dataset_field *fields_r, size_t n)
{
	size_t used = 0;

	while (used < n && value != NULL && *value != '\0') {
		struct dataset_field *f = &fields_r[used++];

		f->text = value;
		f->len = used < n ? strcspn(value, ":") : strlen(value);
		value += f->len;
		if (*value == ':') {
			value++;
			/* A colon at the end has an empty field behind it. */
			if (*value == '\0' && used < n)
				fields_r[used++] =
				    (struct dataset_field){value, 0};
		}
	}
	for (size_t i = used; i < n; i++)
		fields_r[i] = (struct dataset_field){"", 0};
	return used;
}
