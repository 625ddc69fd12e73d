/*
 * Data sets that are read whole into memory: file, refile and csl.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "dataset_type.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/readfile.h"

struct item {
	char *key; /* into memory.text */
	char *value;
	int line;
	uint32_t next; /* with the same hash, 1 + its index; 0: none */
};

struct memory {
	char *text; /* the whole file, cut into keys and values */
	struct item *items;
	size_t nitems;
	uint32_t *buckets; /* 1 + the index of the first item; 0: none */
	uint32_t mask;
};

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
build_hash(struct memory *m)
{
	size_t size = 8;

	while (size < m->nitems)
		size *= 2;
	m->buckets = calloc(size, sizeof(*m->buckets));
	if (m->buckets == NULL)
		return ERR_NOMEM;
	m->mask = (uint32_t)size - 1;
	/* From the last to the first, so that the first stands first. */
	for (size_t i = m->nitems; i-- > 0;) {
		uint32_t *b =
		    &m->buckets[hash_key(m->items[i].key) & m->mask];

		m->items[i].next = *b;
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
add_item(struct memory *m, size_t *room, char *key, char *value, int line)
{
	if (m->nitems == *room) {
		size_t want = *room == 0 ? 16 : 2 * *room;
		struct item *grown =
		    reallocarray(m->items, want, sizeof(*grown));

		if (grown == NULL)
			return ERR_NOMEM;
		m->items = grown;
		*room = want;
	}
	m->items[m->nitems++] = (struct item){key, value, line, 0};
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
load_lines(
    struct memory *m, const char *name, size_t len, struct errlist *list)
{
	char *s = m->text, *end = s + len, *eol;
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
			errlist_add(list, "%s:%d: %s", name, line, fault);
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
		rc = add_item(m, &room, key, trim(value), line);
	}
	return rc;
}

/* `a, b=y`.  The same of text. */
static int
load_list(
    struct memory *m, const char *name, size_t len, struct errlist *list)
{
	char *s = m->text, *next;
	const char *fault = line_fault(s, len);
	size_t room = 0;
	int rc = 0;

	if (fault != NULL)
		return errlist_add(list, "%s: %s", name, fault);
	m->text[len] = '\0';
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
			rc = add_item(m, &room, s, trim(value), 0);
	}
	return rc;
}

static void
memory_close(void *data)
{
	struct memory *m = data;

	if (m == NULL)
		return;
	free(m->buckets);
	free(m->items);
	free(m->text);
	free(m);
}

/* Takes text, which has room for a NUL behind its len.  ERR_CONFIG with the
 * set: some lines are wrong. */
static int
load(const struct dataset_type *type, const char *name, char *text, size_t len,
    struct errlist *list, struct dataset **set_r)
{
	struct memory *m = calloc(1, sizeof(*m));
	size_t before = errlist_count(list);
	int rc;

	if (m == NULL) {
		free(text);
		return ERR_NOMEM;
	}
	m->text = text;
	rc = type->listed ? load_list(m, name, len, list)
			  : load_lines(m, name, len, list);
	if (rc == 0 && !type->patterns)
		rc = build_hash(m);
	if (rc == 0)
		rc = dataset_make(type, name, m, set_r);
	if (rc != 0) {
		memory_close(m);
		return rc;
	}
	return errlist_count(list) > before ? ERR_CONFIG : 0;
}

int
dataset_read_text(const struct dataset_type *type, const char *name,
    const char *text, size_t len, struct errlist *list, struct dataset **set_r)
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
	return rc;
}

static int
open_list(const struct dataset_type *type, const char *words,
    enum dataset_use use, struct errlist *list, struct dataset **set_r)
{
	(void)use;
	return dataset_read_text(
	    type, words, words, strlen(words), list, set_r);
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
open_file(const struct dataset_type *type, const char *path,
    enum dataset_use use, struct errlist *list, struct dataset **set_r)
{
	struct errmsg msg = {.text = ""};
	char *text = NULL;
	size_t len = 0;
	int rc = slurp(path, &text, &len, &msg);

	(void)use;
	if (rc == ERR_NOMEM)
		return rc;
	if (rc == 0)
		return load(type, path, text, len, list, set_r);
	errlist_add_msg(list, &msg);
	return rc;
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
item_entry(const struct memory *m, size_t i, struct dataset_entry *entry_r)
{
	const struct item *item = &m->items[i];

	*entry_r =
	    (struct dataset_entry){item->key, item->value, i, item->line, NULL};
}

static int
get_pattern(
    void *data, const char *key, size_t from, struct dataset_entry *entry_r)
{
	const struct memory *m = data;

	for (size_t i = from; i < m->nitems; i++) {
		if (pattern_matches(m->items[i].key, key)) {
			item_entry(m, i, entry_r);
			return 0;
		}
	}
	return ERR_NOTFOUND;
}

static int
get_key(
    void *data, const char *key, size_t from, struct dataset_entry *entry_r)
{
	const struct memory *m = data;
	uint32_t i;

	for (i = m->buckets[hash_key(key) & m->mask]; i != 0;
	     i = m->items[i - 1].next) {
		if (i > from && strcasecmp(m->items[i - 1].key, key) == 0) {
			item_entry(m, i - 1, entry_r);
			return 0;
		}
	}
	return ERR_NOTFOUND;
}

static int
walk_items(void *data,
    int (*each)(const struct dataset_entry *entry, void *arg), void *arg)
{
	const struct memory *m = data;
	int rc = 0;

	for (size_t i = 0; i < m->nitems && rc == 0; i++) {
		struct dataset_entry entry;

		item_entry(m, i, &entry);
		rc = each(&entry, arg);
	}
	return rc;
}

const struct dataset_type dataset_file = {
    .prefix = "file:",
    .open = open_file,
    .get = get_key,
    .walk = walk_items,
    .close = memory_close,
};

const struct dataset_type dataset_refile = {
    .prefix = "refile:",
    .patterns = true,
    .open = open_file,
    .get = get_pattern,
    .walk = walk_items,
    .close = memory_close,
};

const struct dataset_type dataset_csl = {
    .prefix = "csl:",
    .listed = true,
    .open = open_list,
    .get = get_key,
    .walk = walk_items,
    .close = memory_close,
};
