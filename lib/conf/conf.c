/*
 * The configuration as values.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading files is conf_parse.c's.
 */
#include "conf.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_impl.h"
#include "conf_lex.h"
#include "dataset.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"

#define NO "FfNn0" /* first letters of the ways to say it */

/* -- judging -- */

static int
judge_bool(const char *text, long *number_r, struct errmsg *msg_r)
{
	char shown[48];

	if (strchr("TtYy1", text[0]) != NULL && text[0] != '\0')
		*number_r = 1;
	else if (strchr(NO, text[0]) != NULL && text[0] != '\0')
		*number_r = 0;
	else
		return errmsg_set(msg_r, "expected yes or no, not \"%s\"",
		    conf_lex_show(shown, sizeof(shown), text, strlen(text)));
	return 0;
}

static int
judge_int(const struct conf_option *row, const char *text, long *number_r,
    struct errmsg *msg_r)
{
	long min = row->min, max = row->max, n;
	char shown[48], *end;

	if (min == 0 && max == 0)
		max = INT_MAX;
	errno = 0;
	/* Base 0, as OpenDKIM: a mask is written in octal, 007. */
	n = strtol(text, &end, 0);
	if (end == text || *end != '\0' || errno == ERANGE || n < min ||
	    n > max)
		return errmsg_set(msg_r,
		    "expected a number from %ld to %ld, not \"%s\"", min, max,
		    conf_lex_show(shown, sizeof(shown), text, strlen(text)));
	*number_r = n;
	return 0;
}

/* How many of the words begin with c; the last of them in index_r. */
static size_t
words_with_initial(const char *const *words, char c, long *index_r)
{
	char initial[2] = {c, '\0'};
	size_t n = 0;

	for (long i = 0; words[i] != NULL; i++) {
		if (strncasecmp(words[i], initial, 1) == 0) {
			*index_r = i;
			n++;
		}
	}
	return n;
}

static int
judge_word(const struct conf_option *row, const char *text, long *number_r,
    struct errmsg *msg_r)
{
	char list[512], shown[48];
	size_t used = 0;

	for (long i = 0; row->words[i] != NULL; i++) {
		if (strcasecmp(row->words[i], text) == 0) {
			*number_r = i;
			return 0;
		}
	}
	/* OpenDKIM's actions have abbreviated forms of one letter. */
	if (text[0] != '\0' && text[1] == '\0' &&
	    words_with_initial(row->words, text[0], number_r) == 1)
		return 0;
	list[0] = '\0';
	for (size_t i = 0; row->words[i] != NULL && used < sizeof(list); i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used,
		    "%s%s", i > 0 ? ", " : "", row->words[i]);
	return errmsg_set(msg_r, "expected one of %s, not \"%s\"", list,
	    conf_lex_show(shown, sizeof(shown), text, strlen(text)));
}

bool
conf_is_no(const char *text, size_t len)
{
	return len > 0 && strchr(NO, text[0]) != NULL;
}

int
conf_judge(const struct conf_option *row, const char *text,
    struct conf_judged *judged_r, struct errmsg *msg_r)
{
	long *number_r = &judged_r->number;
	int rc = 0;

	judged_r->number = 0;

	if (row->type == CONF_BOOL)
		rc = judge_bool(text, number_r, msg_r);
	else if (row->type == CONF_INT)
		rc = judge_int(row, text, number_r, msg_r);
	else if (row->type == CONF_WORD)
		rc = judge_word(row, text, number_r, msg_r);
	else if (row->type == CONF_SET)
		rc = dataset_check(text, msg_r);
	if (rc == 0 && row->check != NULL)
		rc = row->check(text, msg_r);
	if (rc != 0 || row->parse == NULL)
		return rc;
	assert(row->size > 0 && row->size <= sizeof(judged_r->parsed));
	memset(judged_r->parsed, 0, row->size);
	return row->parse(text, judged_r->parsed, msg_r);
}

/* -- making -- */

static void
value_init(struct conf_value *v, const struct conf_option *row)
{
	*v = (struct conf_value){.row = row};
	if (row->type == CONF_WORD)
		v->number = -1;
}

struct conf_value *
conf_values_new(const struct conf_table *table)
{
	struct conf_value *values =
	    calloc(table->count > 0 ? table->count : 1, sizeof(*values));

	for (size_t i = 0; values != NULL && i < table->count; i++)
		value_init(&values[i], &table->rows[i]);
	return values;
}

static int
by_keyword(const void *a, const void *b)
{
	const struct conf_value *const *va = a, *const *vb = b;

	return strcasecmp((*va)->row->keyword, (*vb)->row->keyword);
}

struct conf *
conf_new(const struct conf_table *const *tables)
{
	struct conf *c = calloc(1, sizeof(*c));
	size_t n = 0;

	if (c == NULL)
		return NULL;
	for (size_t i = 0; tables[i] != NULL; i++)
		n += tables[i]->count;
	c->values = calloc(n > 0 ? n : 1, sizeof(*c->values));
	c->sorted = calloc(n > 0 ? n : 1, sizeof(struct conf_value *));
	if (c->values == NULL || c->sorted == NULL) {
		conf_free(c);
		return NULL;
	}
	for (size_t i = 0; tables[i] != NULL; i++) {
		for (size_t j = 0; j < tables[i]->count; j++) {
			struct conf_value *v = &c->values[c->nvalues];

			value_init(v, &tables[i]->rows[j]);
			c->sorted[c->nvalues++] = v;
		}
	}
	qsort(c->sorted, n, sizeof(struct conf_value *), by_keyword);
	for (size_t i = 1; i < n; i++) /* no keyword stands in two rows */
		assert(by_keyword(&c->sorted[i - 1], &c->sorted[i]) != 0);
	return c;
}

void
conf_value_clear(struct conf_value *v)
{
	for (size_t i = 0; i < v->n; i++) {
		if (v->row->flags & CONF_SECRET)
			explicit_bzero(v->text[i], strlen(v->text[i]));
		free(v->text[i]);
	}
	free(v->text);
	free(v->parsed);
	v->text = NULL;
	v->parsed = NULL;
	v->n = 0;
}

void
conf_values_free(struct conf_value *values, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		conf_value_clear(&values[i]);
		free(values[i].where);
		for (size_t j = 0; j < values[i].nplaces; j++)
			free(values[i].places[j]);
		free(values[i].places);
	}
	free(values);
}

void
conf_free(struct conf *c)
{
	if (c == NULL)
		return;
	conf_values_free(c->values, c->nvalues);
	free(c->sorted);
	for (size_t i = 0; i < c->nsections; i++) {
		struct conf_section *s = &c->sections[i];

		conf_values_free(s->values, s->nvalues);
		free(s->title);
		free(s->where);
	}
	free(c->sections);
	for (size_t i = 0; i < c->nwarnings; i++)
		free(c->warnings[i]);
	free(c->warnings);
	free(c);
}

int
conf_value_add(struct conf_value *v, const char *text, const void *parsed)
{
	size_t size = v->row->parse != NULL ? v->row->size : 0;
	char **grown = reallocarray(v->text, v->n + 1, sizeof(*grown));
	unsigned char *room = NULL;

	if (grown == NULL)
		return ERR_NOMEM;
	v->text = grown;
	if (size > 0) {
		room = reallocarray(v->parsed, v->n + 1, size);
		if (room == NULL)
			return ERR_NOMEM;
		v->parsed = room;
		memcpy(room + v->n * size, parsed, size);
	}
	v->text[v->n] = strdup(text);
	if (v->text[v->n] == NULL)
		return ERR_NOMEM;
	v->n++;
	return 0;
}

static int
add_default(struct conf_value *v, const char *text)
{
	struct conf_judged judged;
	int rc = conf_judge(v->row, text, &judged, NULL);

	assert(rc == 0); /* our own rows */
	if (rc != 0)
		return rc;
	v->number = judged.number;
	return conf_value_add(v, text, judged.parsed);
}

/* The default of a list: words with commas between, in braces or not. */
static int
list_default(struct conf_value *v)
{
	char *words = strdup(v->row->def), *rest = words, *word;
	int rc = words == NULL ? ERR_NOMEM : 0;

	while (rc == 0 && (word = strsep(&rest, " \t,{}")) != NULL) {
		if (word[0] != '\0')
			rc = add_default(v, word);
	}
	free(words);
	return rc;
}

int
conf_value_default(struct conf_value *v)
{
	if (v->row->def == NULL || (v->where != NULL && !v->faulty) ||
	    v->row->type == CONF_SECTION || v->row->type == CONF_IGNORED)
		return 0;
	return v->row->type == CONF_LIST ? list_default(v)
					 : add_default(v, v->row->def);
}

int
conf_warn(struct conf *c, const char *fmt, ...)
{
	char **grown =
	    reallocarray(c->warnings, c->nwarnings + 1, sizeof(*grown));
	va_list ap;
	int n;

	if (grown == NULL)
		return ERR_NOMEM;
	c->warnings = grown;
	va_start(ap, fmt);
	n = vasprintf(&c->warnings[c->nwarnings], fmt, ap);
	va_end(ap);
	if (n < 0)
		return ERR_NOMEM;
	c->nwarnings++;
	return 0;
}

/* -- mistakes -- */

struct errlist *
conf_list(const struct conf *c)
{
	return c->list;
}

void
conf_end_list(struct conf *c)
{
	c->list = NULL;
}

enum dataset_use
conf_use(const struct conf *c)
{
	return c->serves ? DATASET_SERVES : DATASET_LOOKS;
}

void
conf_serve(struct conf *c)
{
	c->serves = true;
}

void
conf_watch(struct conf *c, struct errlist *odd)
{
	c->odd = odd;
}

void
conf_odd(const struct conf *c, const char *fmt, ...)
{
	struct errmsg msg;
	va_list ap;

	va_start(ap, fmt);
	errmsg_vset(&msg, fmt, ap);
	va_end(ap);
	errlist_add_msg(c->odd, &msg);
}

int
conf_also(const struct conf *c, int rc, int step, struct errmsg *msg)
{
	if (step != 0 && step != ERR_NOMEM && c->list != NULL) {
		if (msg->text[0] != '\0')
			errlist_add_msg(c->list, msg);
		msg->text[0] = '\0';
	}
	return rc == 0 || step == ERR_NOMEM ? step : rc;
}

int
conf_noted(const struct conf *c, int step, struct errmsg *msg)
{
	step = conf_also(c, 0, step, msg);
	return step == ERR_NOMEM || c->list == NULL ? step : 0;
}

/* -- what another program's file says -- */

/* Is it what the file says already? */
static bool
is_same(const struct conf_value *v, const char *value, long number)
{
	if (v->row->type == CONF_STR || v->row->type == CONF_SET)
		return v->n > 0 && strcmp(v->text[v->n - 1], value) == 0;
	return v->number == number;
}

int
conf_take(struct conf *c, const char *keyword, const char *value,
    const char *where, struct errmsg *msg_r)
{
	struct conf_value *v = conf_find(c, keyword);
	struct conf_judged judged;
	struct errmsg why;

	assert(v != NULL && v->row->type < CONF_LIST &&
	    !(v->row->flags & CONF_MULTI));
	if (conf_judge(v->row, value, &judged, &why) != 0)
		return errmsg_set(msg_r, "%s: %s: %s", where,
		    v->row->keyword, why.text);
	if (v->faulty || (v->where != NULL && is_same(v, value, judged.number)))
		return 0;
	if (v->where != NULL)
		return conf_warn(c, "%s: %s: also given at %s; this one counts",
		    v->where, v->row->keyword, where);
	conf_value_clear(v);
	v->number = judged.number;
	v->where = strdup(where);
	return v->where == NULL ? ERR_NOMEM
				: conf_value_add(v, value, judged.parsed);
}

/* -- asking -- */

struct conf_value *
conf_find(const struct conf *c, const char *keyword)
{
	struct conf_option row = {.keyword = keyword};
	struct conf_value wanted = {.row = &row};
	struct conf_value *key = &wanted, **found;

	found = bsearch(&key, c->sorted, c->nvalues,
	    sizeof(struct conf_value *), by_keyword);
	return found != NULL ? *found : NULL;
}

static const struct conf_value *
value_of(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = conf_find(c, keyword);

	assert(v != NULL);
	return v;
}

bool
conf_bool(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	assert(v->row->type == CONF_BOOL);
	return v->number != 0;
}

long
conf_int(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	assert(v->row->type == CONF_INT);
	return v->number;
}

const char *
conf_str(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	assert(v->row->type == CONF_STR || v->row->type == CONF_SET ||
	       v->row->type == CONF_WORD || v->row->type == CONF_INT);
	if (v->row->type == CONF_WORD)
		return v->number >= 0 ? v->row->words[v->number] : NULL;
	return v->n > 0 ? v->text[v->n - 1] : NULL;
}

int
conf_word(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	assert(v->row->type == CONF_WORD);
	return (int)v->number;
}

static const void *
parsed_of(const struct conf_value *v, size_t i, size_t size)
{
	assert(v->row->parse != NULL && v->row->size == size);
	return i < v->n ? v->parsed + i * size : NULL;
}

const void *
conf_value(const struct conf *c, const char *keyword, size_t size)
{
	return parsed_of(value_of(c, keyword), 0, size);
}

const char *
conf_multi(const struct conf *c, const char *keyword, size_t i)
{
	const struct conf_value *v = value_of(c, keyword);

	assert(v->row->flags & CONF_MULTI);
	return i < v->n ? v->text[i] : NULL;
}

bool
conf_given(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	return v->where != NULL && !v->faulty;
}

bool
conf_faulty(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	return v->faulty || (c->unread && v->where == NULL);
}

const char *
conf_where(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword);

	return v->where != NULL ? v->where : "default";
}

const char *
conf_multi_where(const struct conf *c, const char *keyword, size_t i)
{
	const struct conf_value *v = value_of(c, keyword);

	return i < v->nplaces ? v->places[i] : conf_where(c, keyword);
}

const struct conf_section *
conf_section(const struct conf *c, const char *keyword, size_t i)
{
	const struct conf_value *v = value_of(c, keyword);
	size_t first = 0;

	assert(v->row->type == CONF_SECTION);
	/* Those of a row stand together. */
	while (first < c->nsections && c->sections[first].row != v->row)
		first++;
	if (i >= c->nsections - first || c->sections[first + i].row != v->row)
		return NULL;
	return &c->sections[first + i];
}

const char *
conf_made(const struct conf *c, const char *keyword)
{
	const struct conf_value *v = value_of(c, keyword), *with;
	const char *path = conf_str(c, keyword);

	assert(v->row->flags & CONF_MADE);
	if (path == NULL || strcasecmp(path, "none") == 0)
		return NULL;
	if (v->row->with == NULL)
		return path;
	with = value_of(c, v->row->with);
	return with->n > 0 ||
		(with->row->type == CONF_SECTION &&
		    conf_section(c, v->row->with, 0) != NULL)
	    ? path
	    : NULL;
}

const char *
conf_section_title(const struct conf_section *s)
{
	return s->title;
}

const char *
conf_section_where(const struct conf_section *s)
{
	return s->where;
}

bool
conf_section_faulty(const struct conf_section *s)
{
	return s->faulty;
}

static const struct conf_value *
section_value(const struct conf_section *s, const char *keyword)
{
	for (size_t i = 0; i < s->nvalues; i++) {
		if (strcasecmp(s->values[i].row->keyword, keyword) == 0)
			return &s->values[i];
	}
	assert(!"no such keyword in this section");
	return NULL;
}

const char *
conf_section_str(const struct conf_section *s, const char *keyword)
{
	const struct conf_value *v = section_value(s, keyword);

	assert(v->row->type != CONF_LIST);
	return v->n > 0 ? v->text[0] : NULL;
}

long
conf_section_int(const struct conf_section *s, const char *keyword)
{
	const struct conf_value *v = section_value(s, keyword);

	assert(v->row->type == CONF_INT);
	return v->number;
}

int
conf_section_word(const struct conf_section *s, const char *keyword)
{
	const struct conf_value *v = section_value(s, keyword);

	assert(v->row->type == CONF_WORD);
	return (int)v->number;
}

const void *
conf_section_value(const struct conf_section *s, const char *keyword, size_t i,
    size_t size)
{
	return parsed_of(section_value(s, keyword), i, size);
}

const struct conf_option *
conf_row(const struct conf *c, size_t i)
{
	return i < c->nvalues ? c->values[i].row : NULL;
}

const char *
conf_warning(const struct conf *c, size_t i)
{
	return i < c->nwarnings ? c->warnings[i] : NULL;
}

/* -- printing -- */

static void
print_quoted(FILE *out, const char *s)
{
	putc('"', out);
	for (; *s != '\0'; s++) {
		if (*s == '"' || *s == '\\')
			putc('\\', out);
		putc(*s, out);
	}
	putc('"', out);
}

static void
print_section_value(const struct conf_value *v, FILE *out)
{
	if (v->n == 0 && v->where == NULL)
		return;
	fprintf(out, "    %s = ", v->row->keyword);
	if (v->row->type == CONF_LIST)
		putc('{', out);
	for (size_t i = 0; i < v->n; i++) {
		if (i > 0)
			fputs(", ", out);
		print_quoted(out, v->text[i]);
	}
	fputs(v->row->type == CONF_LIST ? "}\n" : "\n", out);
}

static void
print_sections(const struct conf *c, const struct conf_option *row, FILE *out)
{
	for (size_t i = 0; i < c->nsections; i++) {
		const struct conf_section *s = &c->sections[i];

		if (s->row != row)
			continue;
		fprintf(out, "%s ", row->keyword);
		if (!(row->flags & CONF_UNTITLED)) {
			print_quoted(out, s->title);
			putc(' ', out);
		}
		fputs("{\n", out);
		for (size_t j = 0; j < s->nvalues; j++)
			print_section_value(&s->values[j], out);
		fputs("}\n", out);
	}
}

static void
print_value(const struct conf_value *v, FILE *out)
{
	const struct conf_option *row = v->row;

	if (v->n == 0) {
		fprintf(out, "#%s\n", row->keyword);
	} else if (row->flags & CONF_SECRET) {
		fprintf(out, "#%s is set, and not shown\n", row->keyword);
	} else if (row->type == CONF_BOOL) {
		fprintf(out, "%s %s\n", row->keyword,
		    v->number != 0 ? "yes" : "no");
	} else if (row->type == CONF_WORD) {
		fprintf(out, "%s %s\n", row->keyword, row->words[v->number]);
	} else {
		for (size_t i = 0; i < v->n; i++)
			fprintf(out, "%s %s\n", row->keyword, v->text[i]);
	}
}

void
conf_print(const struct conf *c, FILE *out)
{
	for (size_t i = 0; i < c->nvalues; i++) {
		const struct conf_option *row = c->values[i].row;

		if (row->type == CONF_SECTION)
			print_sections(c, row, out);
		else if (row->type != CONF_IGNORED)
			print_value(&c->values[i], out);
	}
}
