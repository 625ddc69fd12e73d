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
 */
#include "conf.h"

#include <assert.h>
#include <confuse.h>
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
#include "lib/err.h"
#include "lib/readfile.h"

#define INCLUDES_MAX 256 /* files in one configuration */
#define NEAR_MAX 24 /* letters in a keyword that is compared for likeness */

/* A section met.  libconfuse is not told its title: it would compare it with
 * those of all before; and its line number of a section is that of the end. */
struct met {
	const struct conf_option *row;
	char *title;
	char *where;
	bool again; /* there is a later one of that title, which counts */
	struct met *next;
};

struct reader {
	struct conf *conf;
	cfg_t *cfg;
	struct errmsg *msg;
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
	int line;     /* of the segment's end */
	size_t whole; /* its length after the last whole line or section */
};

/* libconfuse's error and validate functions get no argument of ours, and the
 * cfg_t they get may be a section's.  So the reader of this thread stands here
 * while it parses, and at no other time. */
static _Thread_local struct reader *parsing;

/* libconfuse's scanner lives in globals, reset by cfg_free of a root. */
static pthread_mutex_t confuse_lock = PTHREAD_MUTEX_INITIALIZER;

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
	parsing->err = errmsg_set(parsing->msg, "%s:%d: %s: %s", cfg->filename,
	    cfg->line, cfg_name(cfg), shown);
}

static int
judge(cfg_t *cfg, cfg_opt_t *opt, const struct conf_option *row, long *number_r)
{
	const char *text = cfg_opt_getnstr(opt, cfg_opt_size(opt) - 1);
	struct errmsg why;
	int rc = conf_judge(row, text, number_r, &why);

	if (rc != 0)
		parsing->err = errmsg_set(parsing->msg, "%s:%d: %s: %s",
		    cfg->filename, cfg->line, row->keyword, why.text);
	return rc;
}

/* Validate function of a keyword outside sections.  The only moment at which
 * both the value and its line are known. */
static int
on_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct conf_value *v = conf_find(parsing->conf, cfg_opt_name(opt));
	char *where;
	int rc;

	rc = judge(cfg, opt, v->row, &v->number);
	if (rc != 0)
		return rc;
	if (asprintf(&where, "%s:%d", cfg->filename, cfg->line) < 0)
		return parsing->err = ERR_NOMEM;
	if (v->where != NULL && !(v->row->flags & CONF_MULTI))
		rc = conf_warn(parsing->conf,
		    "%s: %s: given before at %s; this one counts", where,
		    v->row->keyword, v->where);
	free(v->where);
	v->where = where;
	return parsing->err = rc;
}

/* Validate function of a keyword inside a section. */
static int
on_section_value(cfg_t *cfg, cfg_opt_t *opt)
{
	struct conf_value *sec = conf_find(parsing->conf, cfg_name(cfg));
	const struct conf_option *row = sec->row->rows;
	long number;

	if (cfg_opt_size(opt) == 0) /* the end of an empty list */
		return 0;
	while (strcasecmp(row->keyword, cfg_opt_name(opt)) != 0)
		row++;
	return judge(cfg, opt, row, &number);
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
opt_of(const struct conf_option *row)
{
	cfg_opt_t one = CFG_STR(row->keyword, NULL, CFGF_NODEFAULT);
	cfg_opt_t list = CFG_STR_LIST(row->keyword, NULL, CFGF_NODEFAULT);

	if (row->type == CONF_LIST || row->flags & CONF_MULTI)
		return list;
	return one;
}

static cfg_opt_t *
section_opts(const struct conf_option *rows)
{
	const cfg_opt_t end = CFG_END();
	cfg_opt_t *opts;
	size_t n = 0;

	while (rows[n].type != CONF_END)
		n++;
	opts = calloc(n + 1, sizeof(*opts));
	if (opts == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		assert(rows[i].type != CONF_SECTION &&
		       rows[i].type != CONF_IGNORED);
		opts[i] = opt_of(&rows[i]);
	}
	opts[n] = end;
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
			opts[n++] = opt_of(row);
			continue;
		}
		section.subopts = section_opts(row->rows);
		opts[n++] = section;
		if (section.subopts == NULL) {
			opts_free(opts);
			return NULL;
		}
	}
	opts[n] = end;
	return opts;
}

static void
set_validators(cfg_t *cfg, const struct conf *c)
{
	for (size_t i = 0; i < c->nvalues; i++) {
		const struct conf_option *row = c->values[i].row;
		char path[256];

		if (row->type == CONF_IGNORED)
			continue;
		if (row->type != CONF_SECTION) {
			cfg_set_validate_func(cfg, row->keyword, on_value);
			continue;
		}
		for (const struct conf_option *sub = row->rows;
		     sub->type != CONF_END; sub++) {
			snprintf(path, sizeof(path), "%s|%s", row->keyword,
			    sub->keyword);
			cfg_set_validate_func(cfg, path, on_section_value);
		}
	}
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
	set_validators(r->cfg, r->conf);
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
	const char *found;
};

static void
consider(struct nearest *n, const char *keyword)
{
	size_t len = strlen(keyword), d;

	if (len > NEAR_MAX || n->len > NEAR_MAX)
		return;
	d = distance(n->word, n->len, keyword, len);
	if (d <= n->best) {
		n->best = d - (d > 0);
		n->found = keyword;
	}
}

/* `rows` are those of the section it stands in; NULL: in none. */
static int
unknown_keyword(struct source *s, int line, const char *word, size_t len,
    const struct conf_option *rows)
{
	struct nearest n = {word, len, len < 4 ? 1 : len / 3, NULL};
	const struct conf *c = s->r->conf;
	char shown[64];

	if (rows != NULL) {
		for (; rows->type != CONF_END; rows++)
			consider(&n, rows->keyword);
	} else {
		consider(&n, "Include");
		for (size_t i = 0; i < c->nvalues; i++)
			consider(&n, c->values[i].row->keyword);
	}
	conf_lex_show(shown, sizeof(shown), word, len);
	if (n.found != NULL)
		return errmsg_set(s->r->msg,
		    "%s:%d: %s: unknown keyword; did you mean %s?", s->lex.name,
		    line, shown, n.found);
	return errmsg_set(
	    s->r->msg, "%s:%d: %s: unknown keyword", s->lex.name, line, shown);
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
	s->whole = 0;
	s->line = 1;
	s->out = open_memstream(&s->text, &s->len);
	return s->out != NULL ? 0 : ERR_NOMEM;
}

static int
segment_mark(struct source *s)
{
	if (fflush(s->out) != 0)
		return ERR_NOMEM;
	s->whole = s->len;
	return 0;
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
	in = fmemopen(s->text, s->whole, "r");
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

/* Let libconfuse have what there is up to the last whole line. */
static int
segment_end(struct source *s)
{
	int rc = 0;

	if (s->out == NULL)
		return 0;
	if (fclose(s->out) != 0)
		rc = ERR_NOMEM;
	s->out = NULL;
	if (rc == 0 && s->whole > 0)
		rc = segment_parse(s);
	free(s->text);
	s->text = NULL;
	return rc;
}

/* -- sections -- */

static int
syntax(struct source *s, const char *keyword, const char *expected)
{
	return errmsg_set(s->r->msg, "%s:%d: %s: %s", s->lex.name, s->lex.line,
	    keyword, expected);
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
	at = tsearch(m, &s->r->titles, by_title);
	if (at == NULL)
		return ERR_NOMEM;
	old = *at;
	if (old == m)
		return 0;
	*at = m;
	old->again = true;
	conf_lex_show(shown, sizeof(shown), m->title, strlen(m->title));
	return conf_warn(s->r->conf,
	    "%s: %s: \"%s\" given before at %s; this one counts", m->where,
	    row->keyword, shown, old->where);
}

/* `Keyword title {`. */
static int
section_head(struct source *s, const struct conf_option *row, int line)
{
	int tok, rc;

	tok = conf_lex_token(&s->lex, s->r->word, s->r->msg);
	if (tok < 0)
		return tok;
	if (tok != CONF_TOK_WORD)
		return syntax(s, row->keyword, "expected a title");
	emit_lines(s, line);
	fputs(row->keyword, s->out);
	rc = section_met(s, row, line);
	if (rc != 0)
		return rc;
	tok = conf_lex_token(&s->lex, s->r->word, s->r->msg);
	if (tok < 0)
		return tok;
	if (tok != CONF_TOK_OPEN)
		return syntax(s, row->keyword, "expected { after the title");
	emit_lines(s, s->lex.line);
	fputs(" {", s->out);
	return 0;
}

/* A name inside a section; its row in row_r. */
static int
section_name(struct source *s, const struct conf_option *section,
    uint64_t *seen, const struct conf_option **row_r)
{
	const struct conf_option *rows = section->rows;
	size_t i = 0;

	while (rows[i].type != CONF_END &&
	       strcasecmp(rows[i].keyword, s->r->word) != 0)
		i++;
	if (rows[i].type == CONF_END)
		return unknown_keyword(
		    s, s->lex.line, s->r->word, strlen(s->r->word), rows);
	fprintf(s->out, " %s", rows[i].keyword);
	*row_r = &rows[i];
	assert(i < 64);
	if (*seen & UINT64_C(1) << i) {
		int rc = conf_warn(s->r->conf,
		    "%s:%d: %s: given twice in this section; "
		    "the last one counts",
		    s->lex.name, s->lex.line, rows[i].keyword);
		if (rc != 0)
			return rc;
	}
	*seen |= UINT64_C(1) << i;
	return 0;
}

static void
emit_token(struct source *s, int tok)
{
	switch (tok) {
	case CONF_TOK_WORD:
		putc(' ', s->out);
		conf_lex_quote(s->out, s->r->word, strlen(s->r->word));
		break;
	case CONF_TOK_OPEN:
		fputs(" {", s->out);
		break;
	case CONF_TOK_CLOSE:
		fputs(" }", s->out);
		break;
	case CONF_TOK_ASSIGN:
		fputs(" =", s->out);
		break;
	case CONF_TOK_APPEND:
		fputs(" +=", s->out);
		break;
	case CONF_TOK_COMMA:
		putc(',', s->out);
		break;
	}
}

/* From behind the `{` to its fellow.  The grammar of values and lists is left
 * to libconfuse; only names and the depth matter here. */
static int
section_body(struct source *s, const struct conf_option *section)
{
	const struct conf_option *name = NULL; /* still without its `=` */
	bool value = false;		       /* comes next */
	uint64_t seen = 0;
	int depth = 1, tok, rc;

	while (depth > 0) {
		tok = conf_lex_token(&s->lex, s->r->word, s->r->msg);
		if (tok < 0)
			return tok;
		if (tok == CONF_TOK_EOF)
			return ERR_NOTFOUND;
		emit_lines(s, s->lex.line);
		if (name != NULL && tok != CONF_TOK_ASSIGN &&
		    tok != CONF_TOK_APPEND)
			return syntax(
			    s, name->keyword, "expected = and a value");
		name = NULL;
		if (tok == CONF_TOK_WORD && depth == 1 && !value) {
			rc = section_name(s, section, &seen, &name);
			if (rc != 0)
				return rc;
			continue;
		}
		value = tok == CONF_TOK_ASSIGN || tok == CONF_TOK_APPEND;
		depth += (tok == CONF_TOK_OPEN) - (tok == CONF_TOK_CLOSE);
		emit_token(s, tok);
	}
	return 0;
}

static int
read_section(struct source *s, const struct conf_option *row, int line)
{
	int rc = section_head(s, row, line);

	if (rc == 0)
		rc = section_body(s, row);
	if (rc == ERR_NOTFOUND)
		return errmsg_set(s->r->msg,
		    "%s:%d: %s: the section is not closed by a }", s->lex.name,
		    line, row->keyword);
	return rc;
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

	rc = segment_mark(s);
	if (rc == 0)
		rc = segment_end(s);
	if (rc != 0)
		return rc;
	if (s->depth == CONF_INCLUDE_DEPTH)
		return errmsg_set(r->msg,
		    "%s:%d: Include: nested more than %d deep", s->lex.name,
		    l->line, CONF_INCLUDE_DEPTH);
	if (++r->includes > INCLUDES_MAX)
		return errmsg_set(r->msg, "%s:%d: Include: more than %d files",
		    s->lex.name, l->line, INCLUDES_MAX);
	path = strndup(l->value, l->value_len);
	if (path == NULL)
		return ERR_NOMEM;
	rc = read_file(r, path, s->depth + 1, s->lex.name, l->line);
	free(path);
	return rc != 0 ? rc : segment_begin(s);
}

static int
read_plain(
    struct source *s, const struct conf_option *row, const struct conf_line *l)
{
	if (row->type == CONF_IGNORED)
		return conf_warn(s->r->conf, "%s:%d: %s: ignored: %s",
		    s->lex.name, l->line, row->keyword, row->summary);
	if (l->value[0] == '=')
		return errmsg_set(s->r->msg,
		    "%s:%d: %s: expected a value, and no = before it",
		    s->lex.name, l->line, row->keyword);
	emit_lines(s, l->line);
	fprintf(s->out, "%s %s ", row->keyword,
	    row->flags & CONF_MULTI ? "+=" : "=");
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
find_line(const struct conf *c, const struct conf_line *l)
{
	char keyword[256];

	if (l->keyword_len >= sizeof(keyword))
		return NULL;
	memcpy(keyword, l->keyword, l->keyword_len);
	keyword[l->keyword_len] = '\0';
	return conf_find(c, keyword);
}

static int
read_line(struct source *s, struct conf_line *l)
{
	bool include = is_word(l, "Include");
	struct conf_value *v = include ? NULL : find_line(s->r->conf, l);

	if (v == NULL && !include)
		return unknown_keyword(
		    s, l->line, l->keyword, l->keyword_len, NULL);
	if (v != NULL && v->row->type == CONF_SECTION)
		return read_section(s, v->row, l->line);
	conf_lex_value(&s->lex, l);
	if (l->value_len == 0)
		return errmsg_set(s->r->msg, "%s:%d: %s: expected a value",
		    s->lex.name, l->line,
		    include ? "Include" : v->row->keyword);
	return include ? read_include(s, l) : read_plain(s, v->row, l);
}

static int
read_text(
    struct reader *r, const char *text, size_t len, const char *name, int depth)
{
	struct source s = {.r = r, .depth = depth};
	struct errmsg later;
	struct conf_line l;
	int rc, earlier;

	rc = conf_lex_init(&s.lex, name, text, len, r->msg);
	if (rc != 0)
		return rc;
	rc = segment_begin(&s);
	while (rc == 0 && conf_lex_keyword(&s.lex, &l)) {
		rc = read_line(&s, &l);
		if (rc == 0)
			rc = segment_mark(&s);
	}
	/* A mistake that libconfuse finds in the lines before one of ours is
	 * the one to name. */
	later = *r->msg;
	earlier = segment_end(&s);
	if (earlier != 0)
		return earlier;
	*r->msg = later;
	return rc;
}

/* name and line: who includes it; NULL: nobody. */
static int
read_file(
    struct reader *r, const char *path, int depth, const char *name, int line)
{
	char *text = NULL;
	size_t len = 0;
	struct errmsg why;
	int rc = readfile_text(path, CONF_FILE_MAX, &text, &len, &why);
	int saved = errno;

	if (rc == 0)
		rc = read_text(r, text, len, path, depth);
	else if (name != NULL)
		errmsg_set(
		    r->msg, "%s:%d: Include: %s", name, line, why.text);
	else
		errmsg_set(r->msg, "%s", why.text);
	free(text);
	errno = saved;
	return rc;
}

/* -- from libconfuse to struct conf -- */

static int
collect_value(cfg_t *cfg, struct conf_value *v)
{
	cfg_opt_t *opt = cfg_getopt(cfg, v->row->keyword);

	for (unsigned i = 0; i < cfg_opt_size(opt); i++) {
		const char *text = cfg_opt_getnstr(opt, i);
		int rc = conf_value_add(v, text, strlen(text));

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int
collect_section(struct reader *r, const struct met *m, cfg_t *cfg)
{
	struct conf_section *s = &r->conf->sections[r->conf->nsections++];
	int rc = 0;

	s->row = m->row;
	s->title = strdup(m->title);
	s->where = strdup(m->where);
	s->values = conf_values_new(m->row->rows, &s->nvalues);
	if (s->title == NULL || s->where == NULL || s->values == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < s->nvalues && rc == 0; i++) {
		struct conf_value *v = &s->values[i];
		cfg_opt_t *opt = cfg_getopt(cfg, v->row->keyword);

		rc = collect_value(cfg, v);
		/* An empty list is written too, and has no default. */
		if (rc == 0 && opt->flags & CFGF_MODIFIED) {
			v->where = strdup(s->where);
			if (v->where == NULL)
				rc = ERR_NOMEM;
		}
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
		if (!m->again)
			rc = collect_section(
			    r, m, cfg_getnsec(r->cfg, v->row->keyword, i));
		i++;
	}
	if (rc == 0 && v->where == NULL) {
		v->where = strdup(c->sections[c->nsections - 1].where);
		rc = v->where != NULL ? 0 : ERR_NOMEM;
	}
	return rc;
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
		else
			rc = conf_value_default(v);
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
	int rc = ERR_NOMEM;

	r->word = malloc(CONF_LINE_MAX + 1);
	if (r->word != NULL)
		rc = reader_open(r);
	if (rc == 0 && path != NULL)
		rc = read_file(r, path, 0, NULL, 0);
	else if (rc == 0 && name != NULL)
		rc = read_text(r, text, len, name, 0);
	if (rc == 0)
		rc = collect(r);
	return rc;
}

static int
read_any(const char *path, const char *text, size_t len, const char *name,
    const struct conf_option *const *tables, struct conf **conf_r,
    struct errmsg *msg_r)
{
	struct errmsg msg = {""};
	struct reader r = {.msg = &msg, .conf = conf_new(tables)};
	int rc = ERR_NOMEM, saved;

	if (r.conf != NULL) {
		pthread_mutex_lock(&confuse_lock);
		rc = read_all(&r, path, text, len, name);
		saved = errno;
		reader_close(&r);
		pthread_mutex_unlock(&confuse_lock);
		errno = saved;
	}
	if (rc == 0) {
		*conf_r = r.conf;
		return 0;
	}
	if (rc == ERR_NOMEM)
		errmsg_set(&msg, "%s", err_text(rc));
	if (msg_r != NULL)
		*msg_r = msg;
	conf_free(r.conf);
	return rc;
}

int
conf_read(const char *path, const struct conf_option *const *tables,
    struct conf **conf_r, struct errmsg *msg_r)
{
	return read_any(path, NULL, 0, NULL, tables, conf_r, msg_r);
}

int
conf_read_text(const char *text, size_t len, const char *name,
    const struct conf_option *const *tables, struct conf **conf_r,
    struct errmsg *msg_r)
{
	return read_any(NULL, text, len, name, tables, conf_r, msg_r);
}
