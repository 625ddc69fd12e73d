/*
 * Inside the rules: what the files of this directory share.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_IMPL_H
#define LIB_RULES_RULES_IMPL_H

#include <stdatomic.h>

#include "lib/base/arena.h"
#include "lib/list/netlist.h"
#include "lib/mail/relay_formats.h"
#include "lib/mail/relays.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_freemail.h"
#include "lib/rules/rules_list.h"
#include "lib/rules/rules_pattern.h"
#include "lib/rules/rules_view.h"
#include "lib/text/mime.h"

#define RULES_VERSION 4.000001 /* the SpamAssassin that this is read like */
#define RULES_NAME_MAX 100
#define RULES_ARGS_MAX 16 /* arguments of an eval: rule */

enum rule_kind {
	RULE_NONE, /* scored, described or flagged, never defined */
	RULE_HEADER,
	RULE_BODY,
	RULE_RAWBODY,
	RULE_FULL,
	RULE_URI,
	RULE_META,
	RULE_EVAL,
	RULE_MIMEHEADER,
	RULE_EMPTY, /* a name without a test: it never hits */
};

enum {
	RULE_MULTIPLE = 1 << 0,
	RULE_NICE = 1 << 1,
	RULE_NET = 1 << 2,
	RULE_NOSUBJECT = 1 << 3,
	RULE_CONCAT = 1 << 4,
};

/* Which part of the message a header rule looks at. */
enum selector_source {
	SELECT_FIELD,
	SELECT_ALL,
	SELECT_ALL_TRUSTED,
	SELECT_ALL_UNTRUSTED,
	SELECT_ALL_INTERNAL,
	SELECT_ALL_EXTERNAL,
	SELECT_ENVELOPE_FROM,
	SELECT_RELAYS,
	SELECT_TOCC,
	SELECT_MESSAGEID,
};

enum {
	SELECT_RAW = 1 << 0,
	SELECT_ADDR = 1 << 1,
	SELECT_NAME = 1 << 2,
	SELECT_HOST = 1 << 3,
	SELECT_DOMAIN = 1 << 4,
	SELECT_IP = 1 << 5,
	SELECT_REVIP = 1 << 6,
	SELECT_FIRST = 1 << 7,
	SELECT_LAST = 1 << 8,
};

struct selector {
	enum selector_source source;
	unsigned modifiers;  /* SELECT_ */
	const char *field;   /* lower case; of SELECT_RELAYS which one */
	size_t number;       /* its place among the selectors in use */
	struct selector *next;
};

struct mime;
struct text_view;
struct meta; /* a compiled expression (rules_meta.c) */
struct run;
struct rule;

/* What `eval:NAME()` asks: a function, or whether another check found that. */
struct eval_function {
	const char *name;
	bool (*fn)(struct run *run, const struct rule *rule); /* or NULL */
	const char *fact;
	unsigned pattern; /* which argument is one, from 1; 0: none */
	bool body; /* it looks at the body, or asks which domains are public */
};

struct rule {
	const char *name;
	enum rule_kind kind;
	const char *file; /* where it was defined, or first named */
	unsigned line;
	const char *text; /* its definition, behind the name */
	double scores[4];
	bool scored;
	const char *score_file; /* where */
	unsigned score_line;
	const char *describe;
	unsigned flags;   /* RULE_ */
	unsigned maxhits; /* 0: no limit of its own */
	size_t range_from, range_to; /* of parts, from 1; 0: no limit */
	int priority;
	bool replace;     /* replace_rules names it */
	bool sub;         /* its name begins with `__` */
	size_t number;    /* its place among the rules */

	const struct selector *selector;   /* RULE_HEADER */
	bool exists, negate;
	const char *unset;                 /* [if-unset: ...]; NULL: none */
	const char *source;                /* the pattern as written */
	struct pattern *pattern;
	struct meta *meta;                 /* RULE_META */
	const struct eval_function *eval;  /* RULE_EVAL; NULL: not built in */
	const char *const *args;           /* NULL-ended; may be NULL */
	struct rule *hash_next;
};

/* What became of a rule since it was loaded; beside the rules, which are
 * constant.  One more stands at the end: its `tried` counts all messages. */
struct rule_count {
	atomic_uint_fast64_t tried, hits, limited;
	atomic_uint_fast64_t ns, timed; /* so long took so many of the tries */
	atomic_uint_fast64_t skipped; /* the time was up before its turn */
};

struct word {
	const char *text;
	struct word *next;
};

/* Words as they come in. */
struct words {
	struct word *first, *last;
	size_t count;
};

struct rules {
	struct arena arena;
	struct rules_settings settings;
	int score_set;

	struct rule **list; /* in the order first named */
	size_t count, room;
	struct rule **hash;
	size_t hash_size;
	struct rule_count *counts;
	const struct rule **order; /* those that run: by priority, metas last */
	size_t order_count;

	struct selector *selectors;
	size_t selector_count;
	struct address_lists lists;
	struct named_list *named, *hosts; /* enlist_addrlist, enlist_uri_host */
	struct netlist *trusted, *internal, *msa; /* NULL: not said */
	struct words origins; /* originating_ip_headers */
	struct relay_formats *formats;
	bool wants_body, wants_nodes;
	struct freemail freemail;
	struct addresses *addresses; /* how they are read */

	struct rules_mistake *mistakes;
	size_t mistake_count, mistake_room, mistake_more;
	size_t warnings[2]; /* by `dangling`, kept or not */
	size_t errors_more; /* of mistake_more: those that refuse the file */
	bool failed; /* an error among them costs more than its rule */
};

/* A word with a value, for replace_tag and its kin. */
struct pair {
	const char *name, *value;
	struct pair *next;
};

/* Which of the paths led to a file. */
struct source {
	const char *file;
	size_t index;
	struct source *next;
};

/* While files are read. */
struct reader {
	struct rules *rules;
	const struct rules_setup *setup;
	const char *file;
	unsigned line;
	unsigned depth, files;
	size_t source; /* of the paths, which one is read */
	struct source *sources;
	bool memory; /* the text is not a file: nothing can be included */
	int rc;      /* ERR_NOMEM sticks */

	struct pair *tags, *pres, *inters, *posts;
	const char *tag_start, *tag_end;
	struct words replaced; /* names in replace_rules */
	struct words said; /* what was named once already */
};

/* -- rules.c -- */

/* The rule of that name, made when it is new; NULL: no memory, or too many. */
struct rule *rules_named(struct reader *rd, const char *name);
const struct rule *rules_find(const struct rules *r, const char *name);
double rules_score(const struct rules *r, const struct rule *rule);
bool rules_runs(const struct rules *r, const struct rule *rule);

/* What is read from here on stands in that file. */
void rules_enter(struct reader *rd, const char *path);
/* Say something about the line at hand, or about a given one. */
void rules_say(struct reader *rd, enum rules_severity severity,
    const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void rules_say_at(struct reader *rd, enum rules_severity severity,
    const char *file, unsigned line, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* The file at hand, or one that it includes, can't be read, by that errno. */
void rules_say_unread(
    struct reader *rd, const char *path, int error, const char *text);
/* About a rule that never hits because of it. */
void rules_say_lost(struct reader *rd, enum rules_severity severity,
    const struct rule *rule, const char *why);
/* About a name that no rule has. */
void rules_say_dangling(struct reader *rd, const char *file, unsigned line,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* May a check find something of that name? */
bool rules_is_fact(const struct reader *rd, const char *name);
/* true the first time that it is asked about this text. */
bool rules_once(struct reader *rd, const char *text);
char *rules_keep(struct reader *rd, const char *text, size_t len);
void rules_word(struct reader *rd, struct words *words, const char *text);

/* -- rules_command.c -- */

/* One command with its value. */
void rules_command(struct reader *rd, const char *key, char *value);

/* -- rules_define.c -- */

void rules_define(struct reader *rd, enum rule_kind kind, char *value);
/* After the last file: replace tags, compile, sort.  0 or ERR_NOMEM. */
int rules_finish(struct reader *rd);
bool rules_is_name(const char *name);

/* -- rules_if.c -- */

/* The condition of an `if` line. */
bool rules_condition(struct reader *rd, const char *text);
bool rules_has_plugin(const char *name);

/* -- rules_meta.c -- */

/* Parse the expression of a rule; NULL: a mistake was said, or no memory. */
struct meta *rules_meta_parse(struct reader *rd, const struct rule *rule);
/* Rule i that it depends on; NULL: no more. */
const struct rule *rules_meta_rule(const struct meta *m, size_t i);
double rules_meta_value(const struct meta *m, const struct run *run);

/* -- rules_select.c -- */

/* The selector of that text, one for all that are alike; NULL: not one, or no
 * memory. */
const struct selector *rules_selector(
    struct arena *a, struct selector **list, size_t *count, const char *text);
/* What it gives: text.data NULL when nothing.  NULL: no memory. */
struct view_value *rules_selected(struct view *v, const struct selector *s);
/* The same by its text, not kept: *text_r is "" when there is nothing.  0, or
 * ERR_SYNTAX, ERR_NOMEM. */
int rules_gather(
    struct view *v, const char *selector, struct rules_text *text_r);

/* The first address of the Internet in a text, as it stands there. */
bool rules_find_ip(struct rules_text t, char *ip, size_t size);

/* -- rules_eval.c -- */

/* The function of that name, or NULL. */
const struct eval_function *rules_eval_find(const char *name);

/* -- rules_eval_list.c -- */

/* Rules for the lists that were given, where no file has them. */
void rules_list_rules(struct reader *rd);

/* -- rules_run.c -- */

struct run {
	const struct rules *rules;
	const struct rules_input *in;
	struct view *view;
	double *values;              /* of each rule: 0 has not hit */
	struct rules_text *matched;  /* of each rule */
	struct pattern_match *match; /* what matching needs */
	struct mime *mime;           /* NULL: not made yet */
	struct grams *grams[MIME_VIEWS]; /* of its texts; NULL: likewise */
	unsigned tries;              /* of patterns */
	bool late;                   /* the deadline passed in one's midst */
	struct text_view **headers;  /* of parts, by selector; likewise */
	struct freemail_body *freemails; /* likewise */
	int rc;                      /* ERR_NOMEM sticks */
};

/* -- rules_mime.c -- */

/* The message taken apart; NULL: there is no body, or no memory. */
struct mime *rules_mime(struct run *run);
/* What a mimeheader rule looks at, part by part; likewise. */
const struct text_view *rules_mime_texts(
    struct run *run, const struct rule *rule);

bool rules_fact(const struct run *run, const char *name);
/* A selector's text by its words; "" when there is none. */
struct rules_text rules_get(struct run *run, const char *selector);

#endif
