/* SPDX-License-Identifier: BSD-2-Clause */
#include "errlist.h"

#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"

/* So many are kept, that those told are the first ones in order, not the first
 * ones found. */
#define KEPT_MAX 1000

struct item {
	char *text;
	enum errmsg_kind kind;
	size_t cure;
	char *path; /* NULL: none */
	uint64_t hash;
	size_t part; /* SIZE_MAX: none */
	int line;
	/* Likewise of a file that the text names behind its place. */
	size_t inner;
	int inner_line;
	size_t found; /* its place among those found */
};

/* A stretch of a file, up to where another begins. */
struct part {
	char *file;
	int line; /* its first */
};

struct errlist {
	struct item *items;
	size_t kept, count;
	struct part *parts;
	size_t nparts;
	size_t nread; /* of them: what errlist_read said */
};

struct errlist *
errlist_new(void)
{
	return calloc(1, sizeof(struct errlist));
}

void
errlist_free(struct errlist *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->kept; i++) {
		free(l->items[i].text);
		free(l->items[i].path);
	}
	for (size_t i = 0; i < l->nparts; i++)
		free(l->parts[i].file);
	free(l->items);
	free(l->parts);
	free(l);
}

static bool
add_part(struct errlist *l, const char *file, size_t len, int line)
{
	struct part *grown =
	    reallocarray(l->parts, l->nparts + 1, sizeof(*grown));

	if (grown == NULL)
		return false;
	l->parts = grown;
	grown[l->nparts] = (struct part){strndup(file, len), line};
	if (grown[l->nparts].file == NULL)
		return false;
	l->nparts++;
	return true;
}

void
errlist_read(struct errlist *l, const char *file, int line)
{
	/* Without memory the order is lost, and no more. */
	if (l != NULL && l->nread == l->nparts)
		l->nread += add_part(l, file, strlen(file), line);
}

static bool
is_of(const struct part *p, const char *file, size_t len)
{
	return strncmp(p->file, file, len) == 0 && p->file[len] == '\0';
}

static bool
is_file(const struct errlist *l, const char *file, size_t len)
{
	for (size_t i = 0; i < l->nread; i++) {
		if (is_of(&l->parts[i], file, len))
			return true;
	}
	return false;
}

/* The length of the file's name in front of `:line: `; 0: there is none.  A
 * name may look like that itself, so one that was read counts first. */
static size_t
find_place(const struct errlist *l, const char *text, int *line_r)
{
	size_t found = 0;

	for (const char *p = strchr(text, ':'); p != NULL;
	     p = strchr(p + 1, ':')) {
		size_t len = (size_t)(p - text);
		long n;
		char *end;

		if (p[1] < '0' || p[1] > '9')
			continue;
		n = strtol(p + 1, &end, 10);
		if (end[0] != ':' || end[1] != ' ' || n > INT_MAX)
			continue;
		if (found != 0 && !is_file(l, text, len))
			continue;
		*line_r = (int)n;
		found = len;
		if (is_file(l, text, len))
			break;
	}
	return found;
}

size_t
errlist_place(const struct errlist *l, const char *text)
{
	int line;
	size_t len = find_place(l, text, &line);

	return len == 0 ? 0 : len + 1 + strcspn(text + len + 1, ":") + 2;
}

/* The file is known by all that stands before its line: it is a file as one
 * keyword names it. */
static void
place_inner(struct errlist *l, struct item *item, size_t from)
{
	const char *text = item->text;
	size_t len = find_place(l, text + from, &item->inner_line);

	item->inner = 0;
	if (from == 0 || len == 0) {
		item->inner_line = 0;
		return;
	}
	for (size_t i = l->nread; i < l->nparts; i++) {
		if (is_of(&l->parts[i], text, from + len))
			item->inner = i + 1;
	}
	if (item->inner == 0 && add_part(l, text, from + len, 0))
		item->inner = l->nparts;
}

static void
place(struct errlist *l, struct item *item)
{
	size_t len = find_place(l, item->text, &item->line);

	item->part = SIZE_MAX;
	for (size_t i = 0; len > 0 && i < l->nparts; i++) {
		/* The last part of the file that begins before the line. */
		if (is_of(&l->parts[i], item->text, len) &&
		    (l->parts[i].line <= item->line || item->part == SIZE_MAX))
			item->part = i;
	}
	if (len > 0 && item->part == SIZE_MAX &&
	    add_part(l, item->text, len, 0))
		item->part = l->nparts - 1;
	place_inner(l, item, errlist_place(l, item->text));
}

/* FNV-1a: one comparison of numbers for each that is kept. */
static uint64_t
hash_text(const char *s)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3;
	return h;
}

static bool
is_known(const struct errlist *l, const char *text, uint64_t hash)
{
	for (size_t i = 0; i < l->kept; i++) {
		if (l->items[i].hash == hash &&
		    strcmp(l->items[i].text, text) == 0)
			return true;
	}
	return false;
}

static void
keep(struct errlist *l, const struct errmsg *msg, uint64_t hash)
{
	struct item *grown =
	    reallocarray(l->items, l->kept + 1, sizeof(*grown));

	if (grown == NULL)
		return;
	l->items = grown;
	grown[l->kept] = (struct item){.text = strdup(msg->text),
	    .kind = msg->kind,
	    .cure = msg->cure,
	    .path = msg->path[0] != '\0' ? strdup(msg->path) : NULL,
	    .hash = hash,
	    .found = l->count};
	l->kept += grown[l->kept].text != NULL;
}

int
errlist_add_msg(struct errlist *l, const struct errmsg *msg)
{
	uint64_t hash = hash_text(msg->text);

	if (l == NULL || is_known(l, msg->text, hash))
		return ERR_CONFIG;
	if (l->kept < KEPT_MAX)
		keep(l, msg, hash);
	l->count++;
	return ERR_CONFIG;
}

int
errlist_add(struct errlist *l, const char *fmt, ...)
{
	struct errmsg msg;
	va_list ap;

	va_start(ap, fmt);
	errmsg_vset(&msg, fmt, ap);
	va_end(ap);
	return errlist_add_msg(l, &msg);
}

static void
message_of(const struct item *item, struct errmsg *msg_r)
{
	errmsg_set(msg_r, "%s", item->text);
	msg_r->kind = item->kind;
	msg_r->cure = item->cure;
	if (item->path != NULL)
		strcpy(msg_r->path, item->path);
}

void
errlist_append(
    struct errlist *l, const char *before, const struct errlist *other)
{
	struct errmsg msg, why;

	for (size_t i = 0; i < other->kept; i++) {
		message_of(&other->items[i], &why);
		errmsg_wrap(&msg, &why, "%s", before);
		errlist_add_msg(l, &msg);
	}
	l->count += other->count - other->kept;
}

void
errlist_more(struct errlist *l, size_t count)
{
	if (l != NULL)
		l->count += count;
}

void
errlist_order_as(struct errlist *l, const struct errlist *other)
{
	for (size_t i = 0; i < other->nread; i++)
		errlist_read(l, other->parts[i].file, other->parts[i].line);
}

size_t
errlist_count(const struct errlist *l)
{
	return l->count;
}

static int
by_place(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->part != y->part)
		return x->part < y->part ? -1 : 1;
	if (x->line != y->line)
		return x->line < y->line ? -1 : 1;
	if (x->inner != y->inner)
		return x->inner < y->inner ? -1 : 1;
	if (x->inner_line != y->inner_line)
		return x->inner_line < y->inner_line ? -1 : 1;
	return x->found < y->found ? -1 : x->found > y->found;
}

void
errlist_sort(struct errlist *l)
{
	for (size_t i = 0; i < l->kept; i++)
		place(l, &l->items[i]);
	if (l->kept > 0)
		qsort(l->items, l->kept, sizeof(*l->items), by_place);
}

const char *
errlist_get(const struct errlist *l, size_t i)
{
	return i < l->kept && i < ERRLIST_SHOWN ? l->items[i].text : NULL;
}

void
errlist_each(const struct errlist *l,
    void (*say)(const struct errmsg *msg, void *arg), void *arg)
{
	struct errmsg msg;
	size_t i;

	for (i = 0; errlist_get(l, i) != NULL; i++) {
		message_of(&l->items[i], &msg);
		say(&msg, arg);
	}
	if (i == l->count)
		return;
	errmsg_set(&msg, i == 0 ? "%zu mistakes, for which there is no memory"
				: "and %zu more", l->count - i);
	say(&msg, arg);
}

int
errlist_first(struct errlist *l, struct errmsg *msg_r)
{
	if (l->count == 0)
		return 0;
	errlist_sort(l);
	if (l->kept == 0)
		return errmsg_set(msg_r, "%s", err_text(ERR_NOMEM));
	if (msg_r != NULL)
		message_of(&l->items[0], msg_r);
	return ERR_CONFIG;
}
