/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_read.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "lib/base/err.h"
#include "lib/base/readfile.h"
#include "lib/rules/rules_impl.h"

#define IF_DEPTH_MAX 50

/* The ifs that are open in a file. */
struct open_if {
	const char *kind; /* if, ifplugin */
	unsigned line;
	bool outer; /* was everything skipped around it? */
	bool other; /* in its else */
};

struct file {
	struct reader *rd;
	struct open_if ifs[IF_DEPTH_MAX];
	size_t depth;
	bool skips;
};

static bool
is_space(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* -- conditions -- */

static void
begin_if(struct file *f, const char *kind, const char *value)
{
	struct reader *rd = f->rd;
	bool holds;

	if (f->depth == IF_DEPTH_MAX) {
		rules_say(rd, RULES_ERROR,
		    "ifs are nested deeper than %d", IF_DEPTH_MAX);
		return;
	}
	if (value[0] == '\0')
		rules_say(rd, RULES_ERROR, "%s: expected a condition behind it",
		    kind);
	if (f->skips)
		holds = false; /* it may be in words of another version */
	else if (strcmp(kind, "ifplugin") == 0)
		holds = rules_has_plugin(value);
	else
		holds = value[0] != '\0' && rules_condition(rd, value);
	if (!holds && !f->skips && strcmp(kind, "ifplugin") == 0 &&
	    rules_once(rd, value))
		rules_say(rd, RULES_NOTICE,
		    "%.100s: a plugin that is not known here; what is between "
		    "ifplugin and endif is skipped",
		    value);
	f->ifs[f->depth++] = (struct open_if){
	    .kind = kind, .line = rd->line, .outer = f->skips};
	f->skips |= !holds;
}

static void
other_if(struct file *f)
{
	struct open_if *i;

	if (f->depth == 0) {
		rules_say(
		    f->rd, RULES_ERROR, "else: there is no if before it");
		return;
	}
	i = &f->ifs[f->depth - 1];
	if (i->other)
		rules_say(f->rd, RULES_ERROR,
		    "else: the %s of line %u has one already", i->kind,
		    i->line);
	i->other = true;
	f->skips = i->outer || !f->skips;
}

static void
end_if(struct file *f)
{
	if (f->depth == 0)
		rules_say(
		    f->rd, RULES_ERROR, "endif: there is no if before it");
	else
		f->skips = f->ifs[--f->depth].outer;
}

/* -- files -- */

static void read_file(struct reader *rd, const char *path);

/* A relative path is one beside the file that includes it. */
static void
include(struct reader *rd, const char *path)
{
	const char *slash = strrchr(rd->file, '/');
	const char *file = rd->file;
	unsigned line = rd->line;
	char *full;

	if (path[0] == '\0') {
		rules_say(rd, RULES_ERROR, "include: expected a file's name");
		return;
	}
	if (rd->memory || rd->depth == RULES_INCLUDE_DEPTH) {
		rules_say(rd, RULES_ERROR,
		    rd->memory
			? "include: not possible here"
			: "include: files include each other deeper than "
			  "20; does one include itself?");
		return;
	}
	if (path[0] == '/' || slash == NULL)
		full = rules_keep(rd, path, strlen(path));
	else
		full = arena_printf(&rd->rules->arena, "%.*s%s",
		    (int)(slash + 1 - rd->file), rd->file, path);
	if (full == NULL) {
		rd->rc = ERR_NOMEM;
		return;
	}
	rd->depth++;
	read_file(rd, full);
	rd->depth--;
	rd->file = file;
	rd->line = line;
}

/* Cut a comment off; `\#` is a `#`. */
static void
strip(char *line)
{
	char *to = line;

	for (char *p = line; *p != '\0'; p++) {
		if (*p == '#' && (p == line || p[-1] != '\\'))
			break;
		if (*p == '\\' && p[1] == '#')
			continue;
		*to++ = *p;
	}
	while (to > line && is_space(to[-1]))
		to--;
	*to = '\0';
}

/* Cut the first word off; the rest is returned. */
static char *
cut(char *text)
{
	while (*text != '\0' && !is_space(*text))
		text++;
	if (*text != '\0')
		*text++ = '\0';
	while (is_space(*text))
		text++;
	return text;
}

static void
read_line(struct file *f, char *line)
{
	char *value;

	strip(line);
	while (is_space(*line))
		line++;
	if (*line == '\0')
		return;
	value = cut(line);
	for (char *p = line; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
		else if (*p == '-')
			*p = '_';
	}
	if (strcmp(line, "if") == 0)
		begin_if(f, "if", value);
	else if (strcmp(line, "ifplugin") == 0)
		begin_if(f, "ifplugin", value);
	else if (strcmp(line, "else") == 0)
		other_if(f);
	else if (strcmp(line, "endif") == 0)
		end_if(f);
	else if (f->skips || strcmp(line, "lang") == 0)
		return; /* texts for people of other languages */
	else if (strcmp(line, "include") == 0)
		include(f->rd, value);
	else
		rules_command(f->rd, line, value);
}

void
rules_read_text(struct reader *rd, const char *text, size_t len)
{
	struct file f = {.rd = rd};
	const char *end = text + len;

	rd->memory |= rd->files == 0;
	rd->line = 0;
	while (text < end && rd->rc == 0) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((eol == NULL ? end : eol) - text);
		char *line = strndup(text, n);

		if (line == NULL) {
			rd->rc = ERR_NOMEM;
			return;
		}
		rd->line++;
		if (memchr(text, '\0', n) != NULL)
			rules_say(rd, RULES_ERROR,
			    "an octet 0 in the line; is this a text file?");
		else
			read_line(&f, line);
		free(line);
		text += n + 1;
	}
	while (f.depth > 0) {
		f.depth--;
		rules_say_at(rd, RULES_ERROR, rd->file, f.ifs[f.depth].line,
		    "%s: there is no endif for it", f.ifs[f.depth].kind);
	}
}

/* The text begins with the path, which stands in front already where nothing
 * includes the file. */
static void
say_of_file(
    struct reader *rd, const char *path, int error, const char *text)
{
	size_t len = strlen(path);

	if (strcmp(rd->file, path) == 0 && strncmp(text, path, len) == 0 &&
	    strncmp(text + len, ": ", 2) == 0)
		text += len + 2;
	rules_say_unread(rd, path, error, text);
}

static void
read_file(struct reader *rd, const char *path)
{
	const char *file = rd->file;
	unsigned line = rd->line;
	struct errmsg why;
	char *text = NULL;
	size_t len;

	if (++rd->files > RULES_FILES_MAX) {
		if (rules_once(rd, "too many files"))
			rules_say(rd, RULES_ERROR, "more than %d files",
			    RULES_FILES_MAX);
		return;
	}
	if (readfile_text(path, RULES_FILE_MAX, &text, &len, &why) != 0) {
		say_of_file(rd, path,
		    why.kind == ERRMSG_CLOSED ? EACCES : 0, why.text);
	} else if (len > RULES_FILE_MAX) {
		errmsg_set(
		    &why, "%s: larger than %d octets", path, RULES_FILE_MAX);
		say_of_file(rd, path, 0, why.text);
	} else {
		rules_enter(rd, path);
		if (rd->file != NULL)
			rules_read_text(rd, text, len);
	}
	rd->file = file;
	rd->line = line;
	free(text);
}

static int
is_rule_file(const struct dirent *d)
{
	size_t len = strlen(d->d_name);

	return d->d_name[0] != '.' && len > 3 &&
	    strcmp(d->d_name + len - 3, ".cf") == 0;
}

/* By octets, whatever the locale. */
static int
by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_directory(struct reader *rd, const char *path)
{
	struct dirent **names;
	int n = scandir(path, &names, is_rule_file, by_name);

	if (n < 0) {
		rules_say_unread(rd, path, errno, strerror(errno));
		return;
	}
	if (n == 0)
		rules_say(
		    rd, RULES_WARNING, "there is no *.cf in this directory");
	for (int i = 0; i < n; i++) {
		char *full = arena_printf(
		    &rd->rules->arena, "%s/%s", path, names[i]->d_name);

		if (full == NULL)
			rd->rc = ERR_NOMEM;
		else
			read_file(rd, full);
		free(names[i]);
	}
	free(names);
}

void
rules_read_path(struct reader *rd, const char *path)
{
	struct stat st;

	rules_enter(rd, path);
	rd->line = 0;
	if (rd->file == NULL)
		return;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		read_directory(rd, path);
	else
		read_file(rd, path);
}
