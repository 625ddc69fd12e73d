/*
 * Reading a configuration through libconfuse.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * libconfuse 3.3 is given a normal form only, generated here from the lines
 * and tokens of conf_lex: keywords as the rows spell them, every value in
 * single quotes (double quotes expand ${ENV} and eat backslashes, an unquoted
 * slash-star opens a comment, an empty value swallows the next line).  Each
 * file is parsed in segments, from one Include to the next, behind as many
 * empty lines as make libconfuse's line numbers true.
 *
 * A mistake is put into the list, what it stands in is left out of the normal
 * form, and reading goes on; so libconfuse itself has nothing to complain of.
 * Its order of finding is none: values are judged when a segment ends.
 */
#include "conf.h"

#include <assert.h>
#include <confuse.h>
#include <ctype.h>
#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "conf_impl.h"
#include "conf_lex.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/readfile.h"

#define INCLUDES_MAX 256 /* files in one configuration */
#define NEAR_MAX 24 /* letters in a keyword that is compared for likeness */
#define SHOWN_MAX 200 /* octets of several values in a message */

/* In the normal form for a value that is wrong and was said to be.  No file can
 * have it. */
#define VOID "\1"

/* A section met.  libconfuse is not told its title: it would compare it with
 * those of all before; and its line number of a section is that of the end. */
struct met {
	const struct conf_option *row;
	char *title;
	char *where;
	bool again; /* there is a later one of that title, which counts */
	bool faulty;
	struct met *next;
};

struct reader {
	struct conf *conf;
	const struct conf_table *const *tables;
	cfg_t *cfg;
	struct errlist *list;
	int err; /* of a callback, which can only tell libconfuse "no" */
	int includes;
	struct met *met, *last_met; /* in the order of the file */
	void *titles; /* the same, those that count, for tsearch */
	char *word; /* CONF_LINE_MAX + 1, for tokens */
};

/* One file. */
struct source {
	struct reader *r;
	struct conf_lex lex;
	int depth;
	FILE *out;  /* the normal form of the segment */
	char *text; /* what out has written */
	size_t len;
	int line; /* of the segment's end */
};

/* libconfuse's error and parse functions get no argument of ours, nor has the
 * cfg_t that they get, which may be a section's, a place for one.  So the reader
 * of this thread stands here while it parses, and at no other time. */
static _Thread_local struct reader *parsing;

/* libconfuse's scanner lives in globals, reset by cfg_free of a root. */
static pthread_mutex_t confuse_lock = PTHREAD_MUTEX_INITIALIZER;

/* NULL: there is no such row. */
static const struct conf_option *
find_row(const struct conf_table *table, const char *word, size_t len)
{
	for (size_t i = 0; i < table->count; i++) {
		const char *keyword = table->rows[i].keyword;

		if (strlen(keyword) == len &&
		    strncasecmp(keyword, word, len) == 0)
			return &table->rows[i];
	}
	return NULL;
}

/* -- what libconfuse calls -- */

static void on_error(cfg_t *cfg, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void
on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	char text[512], shown[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	conf_lex_show(shown, sizeof(shown), text, strlen(text));
	/* A section's cfg_t is named after it.  Nothing of ours outside of a
	 * section leaves anything to complain about. */
	parsing->err = errlist_add(parsing->list, "%s:%d: %s: %s",
	    cfg->filename, cfg->line, cfg_name(cfg), shown);
}

/* A value as libconfuse keeps it for us. */
struct item {
	char *text;
	char *where; /* `file:line` */
	bool wrong;  /* and the list has it */
	long number; /* as struct conf_value has it */
	unsigned char *parsed; /* what the row's parse function made of it */
};

static void
item_free(void *item)
{
	struct item *it = item;

	free(it->text);
	free(it->where);
	free(it->parsed);
	free(it);
}

static struct item *
item_new(const cfg_t *cfg, const struct conf_option *row, const char *text,
    const struct conf_judged *judged)
{
	struct item *it = calloc(1, sizeof(*it));

	if (it == NULL)
		return NULL;
	it->text = strdup(text);
	if (asprintf(&it->where, "%s:%d", cfg->filename, cfg->line) < 0)
		it->where = NULL;
	it->wrong = judged == NULL;
	if (judged != NULL && row->parse != NULL) {
		it->parsed = malloc(row->size);
		if (it->parsed != NULL)
			memcpy(it->parsed, judged->parsed, row->size);
	}
	if (judged != NULL)
		it->number = judged->number;
	if (it->text != NULL && it->where != NULL &&
	    (it->parsed != NULL || it->wrong || row->parse == NULL))
		return it;
	item_free(it);
	return NULL;
}

/* The only moment at which both the value and its line are known: judge it.
 * NULL: no memory. */
static struct item *
judge(const cfg_t *cfg, const struct conf_option *row, const char *text)
{
	struct conf_judged judged;
	struct errmsg why;

	if (strcmp(text, VOID) == 0)
		return item_new(cfg, row, text, NULL);
	if (conf_judge(row, text, &judged, &why) == 0)
		return item_new(cfg, row, text, &judged);
	errlist_add(parsing->list, "%s:%d: %s: %s", cfg->filename, cfg->line,
	    row->keyword, why.text);
	return item_new(cfg, row, text, NULL);
}

/* In quotes of a kind that an editor may have made of others. */
static bool
is_quoted(const char *text)
{
	static const char *const quotes[][2] = {{"\"", "\""}, {"'", "'"},
	    {"\u201c", "\u201d"}, {"\u2018", "\u2019"}, {"\u201e", "\u201c"}};
	size_t len = strlen(text);

	for (size_t i = 0; i < sizeof(quotes) / sizeof(*quotes); i++) {
		size_t open = strlen(quotes[i][0]), end = strlen(quotes[i][1]);

		if (len > open + end && strncmp(text, quotes[i][0], open) == 0 &&
		    strcmp(text + len - end, quotes[i][1]) == 0)
			return true;
	}
	return false;
}

int
conf_check_path(const char *value, struct errmsg *msg_r)
{
	return is_quoted(value)
	    ? errmsg_set(msg_r, "expected a path without quotes, which would be "
		  "part of it: %s", value)
	    : 0;
}

/* `where` is copied. */
static int
add_place(struct conf_value *v, const char *where)
{
	char **grown = reallocarray(v->places, v->nplaces + 1, sizeof(*grown));

	if (grown == NULL)
		return ERR_NOMEM;
	v->places = grown;
	grown[v->nplaces] = strdup(where);
	return grown[v->nplaces++] == NULL ? ERR_NOMEM : 0;
}

/* What there is to say of a value outside sections beside right or wrong. */
static int
met_value(struct conf_value *v, const struct item *it)
{
	int rc = 0;

	v->faulty = v->faulty || it->wrong;
	if (!v->faulty && is_quoted(it->text))
		rc = conf_warn(parsing->conf, "%s: %s: the quotes are part of "
		    "the value %s: outside of sections a value stands without",
		    it->where, v->row->keyword, it->text);
	if (rc == 0 && !(v->row->flags & CONF_MULTI) && v->where != NULL)
		rc = conf_warn(parsing->conf,
		    "%s: %s: given before at %s; this one counts", it->where,
		    v->row->keyword, v->where);
	free(v->where);
	v->where = strdup(it->where);
	return v->where == NULL ? ERR_NOMEM : rc;
}

/* How libconfuse comes from a text to a value: outside sections ... */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *item_r)
{
	struct conf_value *v = conf_find(parsing->conf, cfg_opt_name(opt));
	struct item *it = judge(cfg, v->row, text);

	parsing->err = it == NULL ? ERR_NOMEM : met_value(v, it);
	if (parsing->err != 0 && it != NULL)
		item_free(it);
	else
		*(void **)item_r = it;
	return parsing->err;
}

/* ... and inside. */
static int
on_section_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *item_r)
{
	const struct conf_value *sec = conf_find(parsing->conf, cfg_name(cfg));
	const char *keyword = cfg_opt_name(opt);
	struct item *it = judge(
	    cfg, find_row(sec->row->inside, keyword, strlen(keyword)), text);

	*(void **)item_r = it;
	return parsing->err = it == NULL ? ERR_NOMEM : 0;
}

/* -- the rows as libconfuse's options -- */

static void
opts_free(cfg_opt_t *opts)
{
	for (size_t i = 0; opts != NULL && opts[i].name != NULL; i++)
		free(opts[i].subopts);
	free(opts);
}

static cfg_opt_t
opt_of(const struct conf_option *row, cfg_callback_t on)
{
	cfg_opt_t one = CFG_PTR_CB(
	    row->keyword, NULL, CFGF_NODEFAULT, on, item_free);
	cfg_opt_t list = CFG_PTR_LIST_CB(
	    row->keyword, NULL, CFGF_NODEFAULT, on, item_free);

	if (row->type == CONF_LIST || row->flags & CONF_MULTI)
		return list;
	return one;
}

static cfg_opt_t *
section_opts(const struct conf_table *table)
{
	const cfg_opt_t end = CFG_END();
	cfg_opt_t *opts = calloc(table->count + 1, sizeof(*opts));

	if (opts == NULL)
		return NULL;
	for (size_t i = 0; i < table->count; i++) {
		assert(table->rows[i].type != CONF_SECTION &&
		       table->rows[i].type != CONF_IGNORED);
		opts[i] = opt_of(&table->rows[i], on_section_value);
	}
	opts[table->count] = end;
	return opts;
}

static cfg_opt_t *
root_opts(const struct conf *c)
{
	const cfg_opt_t end = CFG_END();
	cfg_opt_t *opts = calloc(c->nvalues + 1, sizeof(*opts));
	size_t n = 0;

	if (opts == NULL)
		return NULL;
	for (size_t i = 0; i < c->nvalues; i++) {
		const struct conf_option *row = c->values[i].row;
		cfg_opt_t section = CFG_SEC(row->keyword, NULL, CFGF_MULTI);

		if (row->type == CONF_IGNORED)
			continue;
		if (row->type != CONF_SECTION) {
			opts[n++] = opt_of(row, on_value);
			continue;
		}
		section.subopts = section_opts(row->inside);
		opts[n++] = section;
		if (section.subopts == NULL) {
			opts_free(opts);
			return NULL;
		}
	}
	opts[n] = end;
	return opts;
}

static int
reader_open(struct reader *r)
{
	cfg_opt_t *opts = root_opts(r->conf);

	if (opts == NULL)
		return ERR_NOMEM;
	r->cfg = cfg_init(opts, CFGF_NOCASE);
	opts_free(opts);
	if (r->cfg == NULL)
		return ERR_NOMEM;
	cfg_set_error_function(r->cfg, on_error);
	return 0;
}

/* -- unknown keywords -- */

/* Letters to insert, drop or replace to make one of the other, without case.
 * Both have at most NEAR_MAX. */
static size_t
distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t row[NEAR_MAX + 1];

	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t best = diagonal + (strncasecmp(&a[i - 1],
						      &b[j - 1], 1) != 0);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[blen];
}

struct nearest {
	const char *word;
	size_t len;
	size_t best; /* a distance that is near enough to be worth saying */
	bool any;    /* one at that distance was met */
	const char *found; /* NULL: none, or more than one */
};

static void
consider(struct nearest *n, const char *keyword)
{
	size_t len = strlen(keyword), d;

	if (len > NEAR_MAX || n->len > NEAR_MAX)
		return;
	d = distance(n->word, n->len, keyword, len);
	if (d <= n->best) {
		n->found = d == n->best && n->any ? NULL : keyword;
		n->best = d;
		n->any = true;
	}
}

/* The section in which such a keyword may stand; NULL: none. */
static const struct conf_option *
section_of(const struct conf *c, const char *word, size_t len)
{
	for (size_t i = 0; i < c->nvalues; i++) {
		const struct conf_option *row = c->values[i].row;

		if (row->type == CONF_SECTION &&
		    find_row(row->inside, word, len) != NULL)
			return row;
	}
	return NULL;
}

/* What is said of it if another program's file has it; NULL: none. */
static const char *
other_program(
    const struct conf_table *const *tables, const char *word, size_t len)
{
	for (; *tables != NULL; tables++) {
		if ((*tables)->foreign != NULL &&
		    find_row((*tables)->foreign, word, len) != NULL)
			return (*tables)->foreign_says;
	}
	return NULL;
}

/* `inside` is what belongs into the section it stands in; NULL: in none. */
static void
hint_at(const struct reader *r, const char *word, size_t len,
    const struct conf_table *inside, struct errmsg *hint_r)
{
	struct nearest n = {.word = word, .len = len,
	    .best = len < 4 ? 1 : len < 6 ? 2 : len / 3};
	const struct conf *c = r->conf;
	const struct conf_option *section = NULL;
	const char *other =
	    inside == NULL ? other_program(r->tables, word, len) : NULL;

	if (inside != NULL) {
		for (size_t i = 0; i < inside->count; i++)
			consider(&n, inside->rows[i].keyword);
	} else {
		section = section_of(c, word, len);
		consider(&n, "Include");
		for (size_t i = 0; i < c->nvalues; i++)
			consider(&n, c->values[i].row->keyword);
	}
	if (word[0] == ';' ||
	    (len >= 2 && (memcmp(word, "//", 2) == 0 ||
			     memcmp(word, "--", 2) == 0)))
		errmsg_set(hint_r, "; comments begin with #");
	else if (word[0] == '{' || word[0] == '}')
		errmsg_set(hint_r, "; there is no section here that it could "
		    "belong to");
	else if (other != NULL)
		errmsg_set(hint_r, "; %s", other);
	else if (section != NULL)
		errmsg_set(hint_r, "; it stands inside of %s TITLE { }",
		    section->keyword);
	else if (n.found != NULL)
		errmsg_set(hint_r, "; did you mean %s?", n.found);
}

/* Comparing with every keyword takes its time: not for what is only counted, as
 * are those behind as many as are told. */
static void
unknown_keyword(struct source *s, int line, const char *word, size_t len,
    const struct conf_table *inside)
{
	struct errmsg hint;
	char shown[64];

	hint.text[0] = '\0';
	if (errlist_count(s->r->list) < ERRLIST_SHOWN)
		hint_at(s->r, word, len, inside, &hint);
	conf_lex_show(shown, sizeof(shown), word, len);
	errlist_add(s->r->list, "%s:%d: %s: unknown keyword%s", s->lex.name,
	    line, shown, hint.text);
}

/* -- the normal form -- */

/* Go down to a line. */
static void
emit_lines(struct source *s, int line)
{
	for (; s->line < line; s->line++)
		putc('\n', s->out);
}

static int
segment_begin(struct source *s)
{
	s->text = NULL;
	s->line = 1;
	s->out = open_memstream(&s->text, &s->len);
	return s->out != NULL ? 0 : ERR_NOMEM;
}

static int
segment_parse(struct source *s)
{
	struct reader *r = s->r;
	FILE *in;
	int rc;

	free(r->cfg->filename);
	r->cfg->filename = strdup(s->lex.name);
	if (r->cfg->filename == NULL)
		return ERR_NOMEM;
	in = fmemopen(s->text, s->len, "r");
	if (in == NULL)
		return ERR_NOMEM;
	r->err = 0;
	parsing = r;
	rc = cfg_parse_fp(r->cfg, in);
	parsing = NULL;
	fclose(in);
	if (rc == CFG_SUCCESS)
		return 0;
	/* It refuses without a word only for want of memory. */
	return r->err != 0 ? r->err : ERR_NOMEM;
}

/* Let libconfuse have what there is. */
static int
segment_end(struct source *s)
{
	int rc = 0;

	if (s->out == NULL)
		return 0;
	if (fclose(s->out) != 0)
		rc = ERR_NOMEM;
	s->out = NULL;
	if (rc == 0 && s->len > 0)
		rc = segment_parse(s);
	free(s->text);
	s->text = NULL;
	return rc;
}

/* -- sections -- */

static void
syntax(struct source *s, const char *keyword, const char *expected)
{
	errlist_add(s->r->list, "%s:%d: %s: %s", s->lex.name, s->lex.line,
	    keyword, expected);
}

/* The next token; what is wrong with one is said, and it is a word then. */
static int
next_token(struct source *s)
{
	struct errmsg why;
	int tok = conf_lex_token(&s->lex, s->r->word, &why);

	if (tok >= 0)
		return tok;
	errlist_add(s->r->list, "%s", why.text);
	strcpy(s->r->word, VOID);
	return CONF_TOK_WORD;
}

/* The next token, which stays the next one; its line in line_r. */
static int
peek(struct source *s, int *line_r)
{
	struct conf_lex here = s->lex;
	int tok = next_token(s);

	*line_r = s->lex.line;
	s->lex = here;
	return tok;
}

/* Does `word =` come next? */
static bool
at_assignment(struct source *s)
{
	struct conf_lex here = s->lex;
	int tok = next_token(s);

	if (tok == CONF_TOK_WORD)
		tok = next_token(s);
	s->lex = here;
	return tok == CONF_TOK_ASSIGN || tok == CONF_TOK_APPEND;
}

/* Over what can't be understood: the rest of the line, and lists to their end,
 * but not the end of the section or the next name in it. */
static void
skip_value(struct source *s)
{
	int depth = 0, line = s->lex.line, at, tok;

	for (;;) {
		tok = peek(s, &at);
		if (tok == CONF_TOK_EOF ||
		    (at > line && (depth == 0 || at_assignment(s))) ||
		    (tok == CONF_TOK_CLOSE && depth == 0))
			return;
		(void)next_token(s);
		depth += (tok == CONF_TOK_OPEN) - (tok == CONF_TOK_CLOSE);
		if (depth == 0)
			line = at;
	}
}

static int
by_title(const void *a, const void *b)
{
	const struct met *x = a, *y = b;

	if (x->row != y->row)
		return x->row < y->row ? -1 : 1;
	return strcasecmp(x->title, y->title);
}

static struct met *
add_met(struct source *s, const struct conf_option *row, int line)
{
	struct reader *r = s->r;
	struct met *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	if (r->met == NULL)
		r->met = m;
	else
		r->last_met->next = m;
	r->last_met = m;
	m->row = row;
	m->title = strdup(r->word);
	if (asprintf(&m->where, "%s:%d", s->lex.name, line) < 0)
		m->where = NULL;
	return m->title == NULL || m->where == NULL ? NULL : m;
}

static int
section_met(struct source *s, const struct conf_option *row, int line)
{
	struct met *m = add_met(s, row, line), **at, *old;
	char shown[64];

	if (m == NULL)
		return ERR_NOMEM;
	m->faulty = strcmp(m->title, VOID) == 0;
	if (m->faulty)
		return 0;
	at = tsearch(m, &s->r->titles, by_title);
	if (at == NULL)
		return ERR_NOMEM;
	old = *at;
	if (old == m)
		return 0;
	*at = m;
	old->again = true;
	conf_lex_show(shown, sizeof(shown), m->title, strlen(m->title));
	if (row->flags & CONF_UNTITLED)
		return conf_warn(s->r->conf,
		    "%s: %s: given before at %s; this one counts", m->where,
		    row->keyword, old->where);
	return conf_warn(s->r->conf,
	    "%s: %s: \"%s\" given before at %s; this one counts", m->where,
	    row->keyword, shown, old->where);
}

/* What stands where a title is expected: a word, or something wrong. */
static const char *
section_title(struct source *s, const struct conf_option *row)
{
	int at, tok = peek(s, &at);

	if (row->flags & CONF_UNTITLED) {
		if (tok != CONF_TOK_WORD && tok != CONF_TOK_ASSIGN)
			return "";
		(void)next_token(s);
		syntax(s, row->keyword, "expected {, and no title or = before it");
		return VOID;
	}
	if (tok == CONF_TOK_ASSIGN) {
		(void)next_token(s);
		syntax(s, row->keyword, "expected a title, and no = before it");
		tok = peek(s, &at);
	} else if (tok != CONF_TOK_WORD) {
		errlist_add(s->r->list, "%s:%d: %s: expected a title",
		    s->lex.name, at, row->keyword);
	}
	if (tok != CONF_TOK_WORD)
		return VOID;
	(void)next_token(s);
	return s->r->word;
}

/* `Keyword title {`.  ERR_NOTFOUND: no section follows. */
static int
section_head(struct source *s, const struct conf_option *row, int line)
{
	char *title = strdup(section_title(s, row));
	int tok, at, rc;

	if (title == NULL)
		return ERR_NOMEM;
	tok = peek(s, &at);
	if (tok == CONF_TOK_OPEN)
		(void)next_token(s);
	else if (strcmp(title, VOID) != 0)
		errlist_add(s->r->list, *title == '\0'
			? "%s:%d: %s: expected {: %s { ... }"
			: "%s:%d: %s: expected { after the title: "
			  "%s TITLE { ... }", s->lex.name, at, row->keyword,
		    row->keyword);
	/* One that only lacks its brace is read as if it had it. */
	if (tok == CONF_TOK_OPEN || tok == CONF_TOK_CLOSE ||
	    (tok == CONF_TOK_WORD &&
		find_row(row->inside, s->r->word, strlen(s->r->word)))) {
		emit_lines(s, line);
		fputs(row->keyword, s->out);
		strcpy(s->r->word, title);
		rc = section_met(s, row, line);
		emit_lines(s, s->lex.line);
		fputs(" {", s->out);
	} else {
		rc = ERR_NOTFOUND;
	}
	free(title);
	return rc;
}

/* -- values in sections -- */

/* Values as they are read, for the messages of those that stand wrong. */
struct values {
	struct source *s;
	const struct conf_option *row;
	char shown[SHOWN_MAX];
	size_t n;    /* in the normal form */
	bool blanks; /* several without commas, each of them right */
};

static void
show_value(struct values *v, const char *word)
{
	size_t used = strlen(v->shown);

	if (used + 8 >= sizeof(v->shown))
		return;
	if (used > 0)
		used += (size_t)snprintf(
		    v->shown + used, sizeof(v->shown) - used, ", ");
	if (used < sizeof(v->shown))
		conf_lex_show(v->shown + used, sizeof(v->shown) - used, word,
		    strlen(word));
}

static void
emit_value(struct values *v, const char *word)
{
	struct source *s = v->s;

	/* Of several where one may stand the first is judged. */
	if (v->row->type != CONF_LIST && v->n > 0)
		return;
	emit_lines(s, s->lex.line);
	fputs(v->n++ > 0 ? ", " : " ", s->out);
	conf_lex_quote(s->out, word, strlen(word));
}

/* Is it right as it stands? */
static bool
is_right(const struct values *v, const char *word)
{
	struct conf_judged judged;

	return strcmp(word, VOID) != 0 &&
	    conf_judge(v->row, word, &judged, NULL) == 0;
}

/* Words with blanks between them, the first of which was read: several values
 * that lack their commas if each could be one, else one value, with its blanks
 * in it.  line: they end with it; 0: at what is no word. */
static int
read_words(struct values *v, int line)
{
	char *joined = strdup(v->s->r->word), *grown = NULL;
	bool many = false, right = false, broken = false;
	int at;

	for (;;) {
		if (joined == NULL)
			return ERR_NOMEM;
		show_value(v, v->s->r->word);
		if (many)
			right = right && is_right(v, v->s->r->word);
		broken = broken || strcmp(v->s->r->word, VOID) == 0;
		if (peek(v->s, &at) != CONF_TOK_WORD ||
		    (line > 0 && at > line) || at_assignment(v->s))
			break;
		if (!many)
			right = is_right(v, joined);
		many = true;
		(void)next_token(v->s);
		if (strlen(joined) > SHOWN_MAX) /* wrong by now */
			continue;
		if (asprintf(&grown, "%s %s", joined, v->s->r->word) < 0)
			grown = NULL;
		free(joined);
		joined = grown;
	}
	v->blanks = v->blanks || (many && right);
	emit_value(v, broken || (many && right) ? VOID : joined);
	free(joined);
	return 0;
}

static void
several(struct values *v, int line)
{
	const struct source *s = v->s;

	if (v->row->type == CONF_LIST)
		errlist_add(s->r->list, "%s:%d: %s: expected several values "
		    "in braces, with commas between them: %s = {%s}",
		    s->lex.name, line, v->row->keyword, v->row->keyword,
		    v->shown);
	else
		errlist_add(s->r->list, "%s:%d: %s: expected one value, not %s",
		    s->lex.name, line, v->row->keyword,
		    v->shown[0] == '\0' ? "an empty list" : v->shown);
}

/* Behind the `{`. */
static int
read_braces(struct values *v)
{
	struct source *s = v->s;
	bool comma = true;
	int rc = 0, tok, at, start = s->lex.line;

	while (rc == 0) {
		tok = peek(s, &at);
		if (tok == CONF_TOK_EOF ||
		    (at > s->lex.line && at_assignment(s))) {
			errlist_add(s->r->list, "%s:%d: %s: the list is not "
			    "closed by a }", s->lex.name, start,
			    v->row->keyword);
			return 0;
		}
		(void)next_token(s);
		if (tok == CONF_TOK_CLOSE)
			break;
		if (tok == CONF_TOK_WORD) {
			rc = read_words(v, 0);
			comma = false;
		} else if (tok == CONF_TOK_COMMA && !comma) {
			comma = true;
		} else {
			syntax(s, v->row->keyword,
			    "expected a value in the list");
		}
	}
	if (v->blanks || v->row->type != CONF_LIST)
		several(v, start);
	return rc;
}

/* A single value; or several without the braces. */
static int
read_bare(struct values *v)
{
	struct source *s = v->s;
	int line = s->lex.line, at, rc = read_words(v, line);
	bool commas = false;

	while (rc == 0 && peek(s, &at) == CONF_TOK_COMMA && at == line) {
		commas = true;
		(void)next_token(s);
		if (peek(s, &at) != CONF_TOK_WORD || at > line)
			continue;
		(void)next_token(s);
		rc = read_words(v, line);
	}
	if (commas || v->blanks)
		several(v, line);
	return rc;
}

/* `= value` or `= {a, b}`, behind the name. */
static int
read_value(struct source *s, const struct conf_option *row)
{
	struct values v = {.s = s, .row = row};
	int tok, at, rc;

	tok = peek(s, &at);
	if (tok != CONF_TOK_ASSIGN && tok != CONF_TOK_APPEND) {
		errlist_add(s->r->list, "%s:%d: %s: expected = and a value",
		    s->lex.name, at, row->keyword);
		skip_value(s);
		return 0;
	}
	(void)next_token(s);
	if (tok == CONF_TOK_APPEND && row->type != CONF_LIST)
		syntax(s, row->keyword, "expected = and one value");
	emit_lines(s, s->lex.line);
	fprintf(s->out, " %s %s%s", row->keyword,
	    tok == CONF_TOK_APPEND && row->type == CONF_LIST ? "+=" : "=",
	    row->type == CONF_LIST ? " {" : "");
	tok = peek(s, &at);
	if (tok == CONF_TOK_OPEN ||
	    (tok == CONF_TOK_WORD &&
		(at == s->lex.line || !at_assignment(s)))) {
		(void)next_token(s);
		rc = tok == CONF_TOK_WORD ? read_bare(&v) : read_braces(&v);
	} else {
		errlist_add(s->r->list, "%s:%d: %s: expected a value",
		    s->lex.name, s->lex.line, row->keyword);
		skip_value(s);
		rc = 0;
	}
	if (row->type != CONF_LIST && v.n == 0)
		emit_value(&v, VOID);
	if (row->type == CONF_LIST)
		fputs(" }", s->out);
	return rc;
}

/* -- what stands in sections -- */

static struct conf_value *find_word(
    const struct conf *c, const char *word, size_t len);

/* A line that belongs behind the section, whose end was forgotten. */
static bool
is_outside(struct source *s, int line)
{
	const char *word = s->r->word;
	int at;

	if (s->lex.line == line || (strcasecmp(word, "Include") != 0 &&
	    find_word(s->r->conf, word, strlen(word)) == NULL))
		return false;
	return peek(s, &at) != CONF_TOK_ASSIGN && at == s->lex.line;
}

/* One name and its value.  ERR_NOTFOUND: it does not belong here. */
static int
read_name(struct source *s, const struct conf_option *section, int line,
    uint64_t *seen)
{
	const struct conf_option *row =
	    find_row(section->inside, s->r->word, strlen(s->r->word));
	size_t i = row == NULL ? 0 : (size_t)(row - section->inside->rows);
	char word[64];
	int rc = 0;

	conf_lex_show(word, sizeof(word), s->r->word, strlen(s->r->word));
	if (row == NULL && is_outside(s, line))
		return ERR_NOTFOUND;
	if (row == NULL) {
		/* What is no word was said to be none. */
		if (strcmp(s->r->word, VOID) != 0)
			unknown_keyword(s, s->lex.line, word, strlen(word),
			    section->inside);
		skip_value(s);
		return 0;
	}
	assert(i < 64);
	if (*seen & UINT64_C(1) << i)
		rc = conf_warn(s->r->conf,
		    "%s:%d: %s: given twice in this section; "
		    "the last one counts",
		    s->lex.name, s->lex.line, row->keyword);
	*seen |= UINT64_C(1) << i;
	return rc != 0 ? rc : read_value(s, row);
}

/* From behind the `{` to its fellow.  ERR_NOTFOUND: it has none. */
static int
section_body(struct source *s, const struct conf_option *section)
{
	struct conf_lex here;
	uint64_t seen = 0;
	int tok, line, rc = 0;

	while (rc == 0) {
		here = s->lex;
		line = s->lex.line;
		tok = next_token(s);
		if (tok == CONF_TOK_CLOSE)
			break;
		if (tok == CONF_TOK_EOF) {
			rc = ERR_NOTFOUND;
		} else if (tok == CONF_TOK_WORD) {
			rc = read_name(s, section, line, &seen);
		} else {
			syntax(s, section->keyword,
			    "expected a keyword of the section, or }");
			skip_value(s);
		}
	}
	if (rc == ERR_NOTFOUND)
		s->lex = here;
	emit_lines(s, s->lex.line);
	fputs(" }", s->out);
	return rc;
}

static int
read_section(struct source *s, const struct conf_option *row, int line)
{
	size_t before = errlist_count(s->r->list);
	int rc = section_head(s, row, line);

	if (rc == ERR_NOTFOUND) {
		/* The next line may be right, this one's rest is not. */
		if (s->lex.line == line)
			skip_value(s);
		return 0;
	}
	if (rc == 0)
		rc = section_body(s, row);
	if (rc == ERR_NOTFOUND)
		rc = errlist_add(s->r->list,
		    "%s:%d: %s: the section is not closed by a }", s->lex.name,
		    line, row->keyword);
	if (s->r->last_met != NULL && errlist_count(s->r->list) > before)
		s->r->last_met->faulty = true;
	return rc == ERR_CONFIG ? 0 : rc;
}

/* -- files -- */

static int read_file(
    struct reader *r, const char *path, int depth, const char *name, int line);

static int
read_include(struct source *s, const struct conf_line *l)
{
	struct reader *r = s->r;
	char *path;
	int rc;

	if (s->depth == CONF_INCLUDE_DEPTH) {
		errlist_add(r->list, "%s:%d: Include: nested more than %d deep",
		    s->lex.name, l->line, CONF_INCLUDE_DEPTH);
		return 0;
	}
	/* Said once: of those that follow there may be very many. */
	if (r->includes == INCLUDES_MAX)
		errlist_add(r->list, "%s:%d: Include: more than %d files",
		    s->lex.name, l->line, INCLUDES_MAX);
	if (++r->includes > INCLUDES_MAX) {
		r->includes = INCLUDES_MAX + 1;
		return 0;
	}
	rc = segment_end(s);
	if (rc != 0)
		return rc;
	path = strndup(l->value, l->value_len);
	if (path == NULL)
		return ERR_NOMEM;
	rc = read_file(r, path, s->depth + 1, s->lex.name, l->line);
	free(path);
	errlist_read(r->list, s->lex.name, l->line + 1);
	return rc == ERR_NOMEM ? rc : segment_begin(s);
}

static int
read_plain(
    struct source *s, const struct conf_option *row, const struct conf_line *l)
{
	if (row->type == CONF_IGNORED && row->flags & CONF_OFF &&
	    conf_is_no(l->value, l->value_len))
		return 0;
	if (row->type == CONF_IGNORED)
		return conf_warn(s->r->conf, "%s:%d: %s: ignored: %s",
		    s->lex.name, l->line, row->keyword, row->summary);
	emit_lines(s, l->line);
	fprintf(s->out, "%s %s ", row->keyword,
	    row->flags & CONF_MULTI ? "+=" : "=");
	if (l->value_len == 0)
		errlist_add(s->r->list, "%s:%d: %s: expected a value",
		    s->lex.name, l->line, row->keyword);
	else if (l->value[0] == '=')
		errlist_add(s->r->list,
		    "%s:%d: %s: expected a value, and no = before it",
		    s->lex.name, l->line, row->keyword);
	if (l->value_len == 0 || l->value[0] == '=')
		conf_lex_quote(s->out, VOID, strlen(VOID));
	else
		conf_lex_quote(s->out, l->value, l->value_len);
	return 0;
}

static bool
is_word(const struct conf_line *l, const char *word)
{
	return l->keyword_len == strlen(word) &&
	       strncasecmp(l->keyword, word, l->keyword_len) == 0;
}

static struct conf_value *
find_word(const struct conf *c, const char *word, size_t len)
{
	char keyword[256];

	if (len >= sizeof(keyword))
		return NULL;
	memcpy(keyword, word, len);
	keyword[len] = '\0';
	return conf_find(c, keyword);
}

/* What stands in a section whose keyword is unknown is no further mistake. */
static void
skip_unknown(struct source *s, struct conf_line *l)
{
	struct conf_lex behind;
	int depth = 1, tok = CONF_TOK_OPEN;

	conf_lex_value(&s->lex, l);
	behind = s->lex;
	if (l->value_len == 0 || l->value[l->value_len - 1] != '{')
		return;
	while (depth > 0 && tok != CONF_TOK_EOF) {
		struct errmsg ignored;

		tok = conf_lex_token(&s->lex, s->r->word, &ignored);
		depth += (tok == CONF_TOK_OPEN) - (tok == CONF_TOK_CLOSE);
	}
	if (depth > 0)
		s->lex = behind;
}

/* `Keyword: value` and `Keyword=value`: a keyword, and an octet that none has
 * behind it.  What is expected is said then. */
static bool
is_glued(struct source *s, const struct conf_line *l)
{
	const struct conf_value *v;
	size_t n = 0;
	char shown[64];

	while (n < l->keyword_len &&
	    (isalnum((unsigned char)l->keyword[n]) || l->keyword[n] == '-'))
		n++;
	v = n == l->keyword_len ? NULL : find_word(s->r->conf, l->keyword, n);
	if (v == NULL)
		return false;
	conf_lex_show(shown, sizeof(shown), l->keyword, l->keyword_len);
	errlist_add(s->r->list,
	    "%s:%d: %s: expected a blank behind the keyword %s, and nothing "
	    "else before the value", s->lex.name, l->line, shown,
	    v->row->keyword);
	return true;
}

static int
read_line(struct source *s, struct conf_line *l)
{
	bool include = is_word(l, "Include");
	struct conf_value *v =
	    include ? NULL : find_word(s->r->conf, l->keyword, l->keyword_len);

	if (v == NULL && !include) {
		if (!is_glued(s, l))
			unknown_keyword(
			    s, l->line, l->keyword, l->keyword_len, NULL);
		skip_unknown(s, l);
		return 0;
	}
	if (v != NULL && v->row->type == CONF_SECTION)
		return read_section(s, v->row, l->line);
	conf_lex_value(&s->lex, l);
	if (!include && (l->value_len > 0 || v->row->type != CONF_IGNORED))
		return read_plain(s, v->row, l);
	if (l->value_len > 0)
		return read_include(s, l);
	errlist_add(s->r->list, "%s:%d: %s: expected a value", s->lex.name,
	    l->line, include ? "Include" : v->row->keyword);
	return 0;
}

static int
read_lines(struct source *s)
{
	struct conf_line l;
	int rc = segment_begin(s), end;

	while (rc == 0 && conf_lex_keyword(&s->lex, &l))
		rc = read_line(s, &l);
	end = segment_end(s);
	return rc != 0 ? rc : end;
}

static int
read_text(
    struct reader *r, const char *text, size_t len, const char *name, int depth)
{
	struct source s = {.r = r, .depth = depth};
	char *clean = malloc(len + 1);
	int rc;

	if (clean == NULL)
		return ERR_NOMEM;
	errlist_read(r->list, name, 0);
	if (len > 0)
		memcpy(clean, text, len);
	rc = conf_lex_init(&s.lex, name, clean, len, r->list);
	if (rc == 0)
		rc = read_lines(&s);
	else
		r->conf->unread = true;
	free(clean);
	return rc;
}

/* name and line: who includes it; NULL: nobody. */
static int
read_file(
    struct reader *r, const char *path, int depth, const char *name, int line)
{
	char *text = NULL;
	size_t len = 0;
	struct errmsg msg, why;
	int rc = readfile_text(path, CONF_FILE_MAX, &text, &len, &why);
	int saved = errno;

	r->conf->unread = r->conf->unread || rc != 0;
	if (rc == 0) {
		rc = read_text(r, text, len, path, depth);
	} else if (name != NULL && saved == ENOENT &&
		   strpbrk(path, "*?[") != NULL) {
		errlist_add(r->list,
		    "%s:%d: Include: %s; a pattern stands for no other names: "
		    "name each file",
		    name, line, why.text);
	} else if (name != NULL) {
		errmsg_wrap(&msg, &why, "%s:%d: Include: ", name, line);
		errlist_add_msg(r->list, &msg);
	} else {
		errlist_add_msg(r->list, &why);
	}
	free(text);
	errno = saved;
	return rc;
}

/* -- from libconfuse to struct conf -- */

/* What is wrong is left out; v->faulty: it was. */
static int
collect_value(cfg_t *cfg, struct conf_value *v)
{
	cfg_opt_t *opt = cfg_getopt(cfg, v->row->keyword);
	int rc = 0;

	for (unsigned i = 0; i < cfg_opt_size(opt) && rc == 0; i++) {
		const struct item *it = cfg_opt_getnptr(opt, i);

		v->faulty = v->faulty || it->wrong;
		if (it->wrong)
			continue;
		v->number = it->number;
		rc = conf_value_add(v, it->text, it->parsed);
		if (rc == 0 && v->row->flags & CONF_MULTI)
			rc = add_place(v, it->where);
	}
	return rc;
}

static int
collect_section(struct reader *r, const struct met *m, cfg_t *cfg)
{
	struct conf_section *s = &r->conf->sections[r->conf->nsections++];
	int rc = 0;

	s->row = m->row;
	s->faulty = m->faulty;
	s->title = strdup(m->title);
	s->where = strdup(m->where);
	s->values = conf_values_new(m->row->inside);
	s->nvalues = m->row->inside->count;
	if (s->title == NULL || s->where == NULL || s->values == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->nvalues && rc == 0; i++) {
		struct conf_value *v = &s->values[i];
		cfg_opt_t *opt = cfg_getopt(cfg, v->row->keyword);

		rc = collect_value(cfg, v);
		s->faulty = s->faulty || v->faulty;
		/* An empty list is written too, and has no default. */
		if (rc == 0 && opt->flags & CFGF_MODIFIED &&
		    (v->n > 0 || !v->faulty)) {
			v->where = strdup(s->where);
			if (v->where == NULL)
				rc = ERR_NOMEM;
		}
		if (v->n > 0)
			v->faulty = false;
		if (rc == 0)
			rc = conf_value_default(v);
	}
	return rc;
}

static int
collect_sections(struct reader *r, struct conf_value *v)
{
	struct conf *c = r->conf;
	unsigned n = cfg_size(r->cfg, v->row->keyword);
	struct conf_section *grown;
	unsigned i = 0;
	int rc = 0;

	if (n == 0)
		return 0;
	grown = reallocarray(c->sections, c->nsections + n, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	c->sections = grown;
	memset(&c->sections[c->nsections], 0, n * sizeof(*grown));
	for (const struct met *m = r->met; m != NULL && rc == 0; m = m->next) {
		if (m->row != v->row)
			continue;
		if (!m->again && strcmp(m->title, VOID) != 0)
			rc = collect_section(
			    r, m, cfg_getnsec(r->cfg, v->row->keyword, i));
		i++;
	}
	if (rc == 0 && v->where == NULL && c->nsections > 0) {
		v->where = strdup(c->sections[c->nsections - 1].where);
		rc = v->where != NULL ? 0 : ERR_NOMEM;
	}
	return rc;
}

/* Of what is not written, or is wrong. */
static int
collect_default(struct conf_value *v)
{
	conf_value_clear(v);
	v->number = v->row->type == CONF_WORD ? -1 : 0;
	return conf_value_default(v);
}

static int
collect(struct reader *r)
{
	int rc = 0;

	for (size_t i = 0; i < r->conf->nvalues && rc == 0; i++) {
		struct conf_value *v = &r->conf->values[i];

		if (v->row->type == CONF_IGNORED)
			continue;
		if (v->row->type == CONF_SECTION)
			rc = collect_sections(r, v);
		else if (v->where != NULL)
			rc = collect_value(r->cfg, v);
		/* What is left of several values is as good as they. */
		if (v->faulty && v->n > 0 && v->row->flags & CONF_MULTI)
			v->faulty = false;
		else if (rc == 0 && (v->where == NULL || v->faulty))
			rc = collect_default(v);
	}
	return rc;
}

/* -- the two ways in -- */

/* For tdestroy: what the tree holds is the list's. */
static void
keep(void *met)
{
	(void)met;
}

static void
reader_close(struct reader *r)
{
	if (r->cfg != NULL)
		cfg_free(r->cfg);
	tdestroy(r->titles, keep);
	while (r->met != NULL) {
		struct met *next = r->met->next;

		free(r->met->title);
		free(r->met->where);
		free(r->met);
		r->met = next;
	}
	free(r->word);
}

static int
read_all(struct reader *r, const char *path, const char *text, size_t len,
    const char *name)
{
	int rc = ERR_NOMEM, end;

	r->word = malloc(CONF_LINE_MAX + 1);
	if (r->word != NULL)
		rc = reader_open(r);
	if (rc == 0 && path != NULL)
		rc = read_file(r, path, 0, NULL, 0);
	else if (rc == 0 && name != NULL)
		rc = read_text(r, text, len, name, 0);
	if (rc == ERR_NOMEM)
		return rc;
	end = collect(r);
	return end != 0 ? end : rc;
}

static int
read_any(const char *path, const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct errlist *list,
    struct conf **conf_r)
{
	struct reader r = {
	    .list = list, .conf = conf_new(tables), .tables = tables};
	size_t before = errlist_count(list);
	int rc = ERR_NOMEM, saved;

	if (r.conf != NULL) {
		r.conf->list = list;
		pthread_mutex_lock(&confuse_lock);
		rc = read_all(&r, path, text, len, name);
		saved = errno;
		reader_close(&r);
		pthread_mutex_unlock(&confuse_lock);
		errno = saved;
	}
	if (rc == ERR_NOMEM) {
		errlist_add(list, "%s", err_text(rc));
		conf_free(r.conf);
		return rc;
	}
	*conf_r = r.conf;
	return rc == 0 && errlist_count(list) > before ? ERR_CONFIG : rc;
}

int
conf_read_list(const char *path, const struct conf_table *const *tables,
    struct errlist *list, struct conf **conf_r)
{
	return read_any(path, NULL, 0, NULL, tables, list, conf_r);
}

int
conf_read_text_list(const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct errlist *list,
    struct conf **conf_r)
{
	return read_any(NULL, text, len, name, tables, list, conf_r);
}

/* For who wants one mistake only. */
static int
read_strict(const char *path, const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct conf **conf_r,
    struct errmsg *msg_r)
{
	struct errlist *list = errlist_new();
	struct conf *c = NULL;
	int rc = ERR_NOMEM, saved;

	if (list != NULL)
		rc = read_any(path, text, len, name, tables, list, &c);
	else
		errmsg_set(msg_r, "%s", err_text(rc));
	saved = errno;
	if (rc == 0) {
		conf_end_list(c);
		*conf_r = c;
	} else {
		if (list != NULL)
			(void)errlist_first(list, msg_r);
		conf_free(c);
	}
	errlist_free(list);
	errno = saved;
	return rc;
}

int
conf_read(const char *path, const struct conf_table *const *tables,
    struct conf **conf_r, struct errmsg *msg_r)
{
	return read_strict(path, NULL, 0, NULL, tables, conf_r, msg_r);
}

int
conf_read_text(const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct conf **conf_r,
    struct errmsg *msg_r)
{
	return read_strict(NULL, text, len, name, tables, conf_r, msg_r);
}
