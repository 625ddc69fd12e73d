/* SPDX-License-Identifier: BSD-2-Clause */
#include "paths.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/base/cure.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"

#define WRITTEN_MAX 16

struct file {
	const char *keyword, *where;
	char path[2 * PATH_MAX]; /* as it is written, or resolved */
	char real[PATH_MAX];
	dev_t dev;
	ino_t ino;
	bool there;
};

struct look {
	struct errlist *list;
	const char *chroot;
	struct file written[WRITTEN_MAX];
	size_t n;
	int status;
};

/* False: it is too long for a path. */
static bool
fill(struct file *f, const char *keyword, const char *where, const char *path,
    const char *chroot)
{
	char full[2 * PATH_MAX], here[PATH_MAX] = "";
	struct stat st;

	if (strlen(path) >= PATH_MAX)
		return false;
	if (path[0] != '/' && chroot == NULL && getcwd(here, PATH_MAX) == NULL)
		return false;
	snprintf(f->path, sizeof(f->path), "%s", path);
	snprintf(full, sizeof(full), "%s%s%s",
	    chroot == NULL ? here : chroot, path[0] == '/' ? "" : "/", path);
	if (!cure_lead(full, f->real))
		return false;
	f->keyword = keyword;
	f->where = where;
	f->there = stat(f->real, &st) == 0;
	if (f->there) {
		f->dev = st.st_dev;
		f->ino = st.st_ino;
	}
	return true;
}

static bool
is_same(const struct file *a, const struct file *b)
{
	if (a->there && b->there)
		return a->dev == b->dev && a->ino == b->ino;
	return strcmp(a->real, b->real) == 0;
}

/* Compare a file that is read with those that postern makes. */
static void
compare(struct look *l, const struct file *f)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct file *w = &l->written[i];

		if (strcmp(w->keyword, f->keyword) == 0 || !is_same(w, f))
			continue;
		errlist_add(l->list,
		    "%s: %s: %s: is a file that postern makes for %s (%s): "
		    "give each a path of its own",
		    f->where, f->keyword, f->path, w->keyword, w->where);
		l->status = EX_CONFIG;
	}
}

static void
add_written(struct look *l, const char *keyword, const char *where,
    const char *path, const char *chroot)
{
	struct file *f = &l->written[l->n];

	assert(l->n < WRITTEN_MAX);
	if (path == NULL || !fill(f, keyword, where, path, chroot))
		return;
	compare(l, f);
	l->n++;
}

/* Add a file of a row with CONF_MADE, which may be built under another name. */
static void
add_made(struct look *l, const struct conf *c, const char *keyword)
{
	const char *path = conf_made(c, keyword);
	char new_path[PATH_MAX];

	if (path == NULL || strlen(path) + sizeof(".new") > sizeof(new_path))
		return;
	add_written(l, keyword, conf_where(c, keyword), path, l->chroot);
	snprintf(new_path, sizeof(new_path), "%s.new", path);
	add_written(l, keyword, conf_where(c, keyword), new_path, l->chroot);
}

/* Any value that has the form of a path counts as one: another value can't be
 * equal to a path that we make. */
static void
add_read(struct look *l, const char *keyword, const char *where,
    const char *value)
{
	struct file f;

	value = dataset_path(value);
	if ((value[0] == '/' || strncmp(value, "./", 2) == 0) &&
	    fill(&f, keyword, where, value, l->chroot))
		compare(l, &f);
}

static bool
is_written(const struct conf_option *row)
{
	return (row->flags & CONF_MADE) ||
	    strcmp(row->keyword, "Socket") == 0 ||
	    strcmp(row->keyword, "PidFile") == 0;
}

static void
add_row(struct look *l, const struct conf *c, const struct conf_option *row)
{
	const char *value;

	if ((row->type != CONF_STR && row->type != CONF_SET) ||
	    is_written(row) || !conf_given(c, row->keyword))
		return;
	if (!(row->flags & CONF_MULTI)) {
		value = conf_str(c, row->keyword);
		if (value != NULL)
			add_read(l, row->keyword, conf_where(c, row->keyword),
			    value);
		return;
	}
	for (size_t i = 0; (value = conf_multi(c, row->keyword, i)) != NULL;
	     i++)
		add_read(l, row->keyword,
		    conf_multi_where(c, row->keyword, i), value);
}

int
paths_check(const struct conf *c, const struct paths_start *start,
    struct errlist *list)
{
	struct look l = {
	    .list = list, .chroot = start->chroot, .status = EX_OK};
	const struct conf_option *row;

	add_written(&l, "Socket", start->socket_where, start->socket, NULL);
	add_written(&l, "PidFile", start->pid_where, start->pid_file, NULL);
	for (size_t i = 0; (row = conf_row(c, i)) != NULL; i++) {
		if (row->flags & CONF_MADE)
			add_made(&l, c, row->keyword);
	}
	for (size_t i = 0; (row = conf_row(c, i)) != NULL; i++)
		add_row(&l, c, row);
	return l.status;
}
