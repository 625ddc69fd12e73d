/*
 * Data sets in memory, and the choice of a kind.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "dataset.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataset_mdb.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/readfile.h"

struct item {
	char *key; /* into dataset.text */
	char *value;
	int line;
	uint32_t next; /* with the same hash, 1 + its index; 0: none */
};

struct dataset {
	enum dataset_type type;
	char *name;
	char *text; /* the whole file, cut into keys and values */
	struct item *items;
	size_t nitems;
	uint32_t *buckets; /* 1 + the index of the first item; 0: none */
	uint32_t mask;
	struct dataset_mdb *mdb;
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

/* The kind, and where its path or list begins; or a mistake. */
static int
classify(const char *spec, enum dataset_type *type_r, const char **rest_r,
    struct errmsg *msg_r)
{
	static const struct {
		const char *prefix;
		enum dataset_type type;
	} kinds[] = {
	    {"file:", DATASET_FILE},
	    {"refile:", DATASET_REFILE},
	    {"csl:", DATASET_CSL},
	    {"mdb:", DATASET_MDB},
	};
	const char *db = strncasecmp(spec, "db:", 3) == 0 ? spec + 3 : NULL;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t n = strlen(kinds[i].prefix);

		if (strncasecmp(spec, kinds[i].prefix, n) == 0) {
			*type_r = kinds[i].type;
			*rest_r = spec + n;
			return 0;
		}
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
	*type_r = DATASET_CSL;
	if (spec[0] == '/' || strncmp(spec, "./", 2) == 0)
		*type_r = DATASET_FILE;
	else if (is_foreign_type(spec))
		return errmsg_set(msg_r,
		    "%s: expected file:, refile:, csl: or "
		    "mdb: before a path",
		    spec);
	return 0;
}

int
dataset_check(const char *spec, struct errmsg *msg_r)
{
	enum dataset_type type;
	const char *rest;
	int rc = classify(spec, &type, &rest, msg_r);

	if (rc == 0 && type != DATASET_CSL && *rest == '\0')
		return errmsg_set(msg_r, "%s: expected a path", spec);
	return rc;
}

/* -- hash -- */

/* FNV-1a without case. */
static uint32_t
hash_key(const char *key)
{
	uint32_t h = 2166136261u;

	for (; *key != '\0'; key++)
		h = (h ^ (uint32_t)tolower((unsigned char)*key)) * 16777619u;
	return h ^ h >> 15;
}

static int
build_hash(struct dataset *set)
{
	size_t size = 8;

	while (size < set->nitems)
		size *= 2;
	set->buckets = calloc(size, sizeof(*set->buckets));
	if (set->buckets == NULL)
		return ERR_NOMEM;
	set->mask = (uint32_t)size - 1;
	/* From the last to the first, so that the first stands first. */
	for (size_t i = set->nitems; i-- > 0;) {
		uint32_t *b =
		    &set->buckets[hash_key(set->items[i].key) & set->mask];

		set->items[i].next = *b;
		*b = (uint32_t)i + 1;
	}
	return 0;
}

/* -- loading -- */

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	for (n = strlen(s); n > 0 && strchr(" \t\r", s[n - 1]) != NULL; n--)
		;
	s[n] = '\0';
	return s;
}

static int
add_item(struct dataset *set, size_t *room, char *key, char *value, int line)
{
	if (set->nitems == *room) {
		size_t want = *room == 0 ? 16 : 2 * *room;
		struct item *grown =
		    reallocarray(set->items, want, sizeof(*grown));

		if (grown == NULL)
			return ERR_NOMEM;
		set->items = grown;
		*room = want;
	}
	set->items[set->nitems++] = (struct item){key, value, line, 0};
	return 0;
}

static const char *
line_fault(const char *s, size_t len)
{
	if (len > DATASET_LINE_MAX)
		return "the line is too long";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c == '\r' && i + 1 < len)
			return "a carriage return inside the line";
		if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
			return "a control character: this is no text file";
	}
	return NULL;
}

/* `key value` lines, without those that are wrong.  text has room for a NUL
 * behind its len. */
static int
load_lines(struct dataset *set, size_t len, struct errlist *list)
{
	char *s = set->text, *end = s + len, *eol;
	size_t room = 0;
	int rc = 0;

	/* Editors of other systems put a byte order mark before UTF-8. */
	if (len >= 3 && memcmp(s, "\xef\xbb\xbf", 3) == 0)
		s += 3;
	for (int line = 1; s < end && rc == 0; line++, s = eol + 1) {
		const char *fault;
		char *key, *value;

		eol = memchr(s, '\n', (size_t)(end - s));
		if (eol == NULL)
			eol = end;
		fault = line_fault(s, (size_t)(eol - s));
		if (fault != NULL) {
			errlist_add(list, "%s:%d: %s", set->name, line, fault);
			/* Of what is no text at all one is enough. */
			if (memchr(s, '\0', (size_t)(eol - s)) != NULL)
				break;
			continue;
		}
		*eol = '\0';
		s[strcspn(s, "#")] = '\0';
		key = trim(s);
		if (*key == '\0')
			continue;
		value = key + strcspn(key, " \t");
		if (*value != '\0')
			*value++ = '\0';
		rc = add_item(set, &room, key, trim(value), line);
	}
	return rc;
}

/* `a, b=y`.  The same of text. */
static int
load_list(struct dataset *set, size_t len, struct errlist *list)
{
	char *s = set->text, *next;
	const char *fault = line_fault(s, len);
	size_t room = 0;
	int rc = 0;

	if (fault != NULL)
		return errlist_add(list, "%s: %s", set->name, fault);
	set->text[len] = '\0';
	for (; s != NULL && rc == 0; s = next) {
		char *value;

		next = strchr(s, ',');
		if (next != NULL)
			*next++ = '\0';
		value = strchr(s, '=');
		if (value != NULL)
			*value++ = '\0';
		else
			value = s + strlen(s);
		s = trim(s);
		if (*s != '\0')
			rc = add_item(set, &room, s, trim(value), 0);
	}
	return rc;
}

/* Takes text, which has room for a NUL behind its len.  ERR_CONFIG with the
 * set: some lines are wrong. */
static int
load(enum dataset_type type, const char *name, char *text, size_t len,
    struct errlist *list, struct dataset **set_r)
{
	struct dataset *set = calloc(1, sizeof(*set));
	size_t before = errlist_count(list);
	int rc = ERR_NOMEM;

	if (set == NULL) {
		free(text);
		return ERR_NOMEM;
	}
	set->type = type;
	set->text = text;
	set->name = strdup(name);
	if (set->name != NULL)
		rc = type == DATASET_CSL ? load_list(set, len, list)
					 : load_lines(set, len, list);
	if (rc == 0 && type != DATASET_REFILE)
		rc = build_hash(set);
	if (rc != 0) {
		dataset_free(set);
		return rc;
	}
	*set_r = set;
	return errlist_count(list) > before ? ERR_CONFIG : 0;
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

static int
open_text(enum dataset_type type, const char *name, const char *text,
    size_t len, struct errlist *list, struct dataset **set_r)
{
	char *copy;
	int rc = ERR_NOMEM;

	if (len > DATASET_FILE_MAX)
		return errlist_add(
		    list, "%s: longer than %d octets", name, DATASET_FILE_MAX);
	copy = malloc(len + 1);
	if (copy != NULL) {
		if (len > 0)
			memcpy(copy, text, len);
		copy[len] = '\0';
		rc = load(type, name, copy, len, list, set_r);
	}
	if (rc == ERR_NOMEM)
		errlist_add(list, "%s: %s", name, err_text(rc));
	return rc;
}

int
dataset_open_text(enum dataset_type type, const char *name, const char *text,
    size_t len, struct dataset **set_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct dataset *set = NULL;
	int rc = list == NULL ? ERR_NOMEM
			      : open_text(type, name, text, len, list, &set);

	return first_of(list, rc, set_r, set, msg_r);
}

/* -- files -- */

static int
too_long(const char *path, struct errmsg *msg_r)
{
	return errmsg_set(
	    msg_r, "%s: longer than %d octets", path, DATASET_FILE_MAX);
}

/* Not everyone may write to it.  The null device is everyone's, and holds
 * nothing all the same. */
static int
check_file(const struct stat *st, const char *path, struct errmsg *msg_r)
{
	if (S_ISREG(st->st_mode) && (st->st_mode & S_IWOTH))
		return cure_writable(path, path, st, msg_r);
	return st->st_size > DATASET_FILE_MAX ? too_long(path, msg_r) : 0;
}

static int
slurp(const char *path, char **text_r, size_t *len_r, struct errmsg *msg_r)
{
	struct stat st;
	int fd = readfile_open(path, &st, msg_r), rc;

	if (fd < 0)
		return fd;
	rc = check_file(&st, path, msg_r);
	if (rc == 0)
		rc = readfile_rest(
		    fd, path, DATASET_FILE_MAX, text_r, len_r, msg_r);
	close(fd);
	if (rc == 0 && *len_r > DATASET_FILE_MAX) {
		free(*text_r);
		return too_long(path, msg_r);
	}
	return rc;
}

static int
open_mdb(const char *path, struct dataset **set_r, struct errmsg *msg_r)
{
	struct dataset *set = calloc(1, sizeof(*set));
	int rc = ERR_NOMEM;

	if (set == NULL)
		return ERR_NOMEM;
	set->type = DATASET_MDB;
	set->name = strdup(path);
	if (set->name != NULL)
		rc = dataset_mdb_open(path, &set->mdb, msg_r);
	if (rc != 0) {
		dataset_free(set);
		return rc;
	}
	*set_r = set;
	return 0;
}

/* What is no list, by its path. */
static int
open_path(enum dataset_type type, const char *path, struct errlist *list,
    struct dataset **set_r)
{
	struct errmsg msg = {.text = ""};
	char *text = NULL;
	size_t len = 0;
	int rc;

	if (type == DATASET_MDB)
		rc = open_mdb(path, set_r, &msg);
	else
		rc = slurp(path, &text, &len, &msg);
	if (rc != 0 && rc != ERR_NOMEM)
		errlist_add_msg(list, &msg);
	if (rc == 0 && type != DATASET_MDB)
		rc = load(type, path, text, len, list, set_r);
	if (rc == ERR_NOMEM)
		errlist_add(list, "%s: %s", path, err_text(rc));
	return rc;
}

int
dataset_open_list(
    const char *spec, struct errlist *list, struct dataset **set_r)
{
	enum dataset_type type;
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
	return type == DATASET_CSL
	    ? open_text(type, rest, rest, strlen(rest), list, set_r)
	    : open_path(type, rest, list, set_r);
}

void
dataset_look_only(bool on)
{
	dataset_mdb_look_only(on);
}

int
dataset_open(const char *spec, struct dataset **set_r, struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct dataset *set = NULL;
	int rc = list == NULL ? ERR_NOMEM
			      : dataset_open_list(spec, list, &set);

	return first_of(list, rc, set_r, set, msg_r);
}

void
dataset_free(struct dataset *set)
{
	if (set == NULL)
		return;
	dataset_mdb_close(set->mdb);
	free(set->buckets);
	free(set->items);
	free(set->text);
	free(set->name);
	free(set);
}

enum dataset_type
dataset_type(const struct dataset *set)
{
	return set->type;
}

const char *
dataset_name(const struct dataset *set)
{
	return set->name;
}

/* -- look-up -- */

static bool
same_letter(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* `*` is any text.  Only the last star met can take more than the least, so
 * this costs at most the product of the lengths. */
static bool
pattern_matches(const char *pattern, const char *s)
{
	const char *star = NULL, *mark = NULL;

	while (*s != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			mark = s;
		} else if (*pattern != '\0' && same_letter(*pattern, *s)) {
			pattern++;
			s++;
		} else if (star != NULL) {
			pattern = star + 1;
			s = ++mark;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static void
item_entry(const struct dataset *set, size_t i, struct dataset_entry *entry_r)
{
	const struct item *item = &set->items[i];

	*entry_r =
	    (struct dataset_entry){item->key, item->value, i, item->line, NULL};
}

static int
get_pattern(const struct dataset *set, const char *key, size_t from,
    struct dataset_entry *entry_r)
{
	for (size_t i = from; i < set->nitems; i++) {
		if (pattern_matches(set->items[i].key, key)) {
			item_entry(set, i, entry_r);
			return 0;
		}
	}
	return ERR_NOTFOUND;
}

int
dataset_get_from(const struct dataset *set, const char *key, size_t from,
    struct dataset_entry *entry_r)
{
	uint32_t i;

	if (set->type == DATASET_MDB)
		return from > 0 ? ERR_NOTFOUND
				: dataset_mdb_get(set->mdb, key, entry_r);
	if (set->type == DATASET_REFILE)
		return get_pattern(set, key, from, entry_r);
	for (i = set->buckets[hash_key(key) & set->mask]; i != 0;
	     i = set->items[i - 1].next) {
		if (i > from && strcasecmp(set->items[i - 1].key, key) == 0) {
			item_entry(set, i - 1, entry_r);
			return 0;
		}
	}
	return ERR_NOTFOUND;
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
	int rc = 0;

	if (set->type == DATASET_MDB)
		return dataset_mdb_walk(set->mdb, each, arg);
	for (size_t i = 0; i < set->nitems && rc == 0; i++) {
		struct dataset_entry entry;

		item_entry(set, i, &entry);
		rc = each(&entry, arg);
	}
	return rc;
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
