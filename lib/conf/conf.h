/*
 * The configuration: `Keyword value` lines as opendkim.conf has them, and
 * sections in libconfuse's own form, read through libconfuse.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * What may be written is declared in rows (struct conf_option) beside the code
 * that reads the values.  From the rows come the parser, the defaults, range
 * errors, and the print-out of the effective configuration.
 *
 * A small lexical step turns `Keyword value` lines into libconfuse assignments
 * (values in single quotes, `#` cuts a line anywhere, booleans by their first
 * character as OpenDKIM does, keywords match without case).  Include is ours:
 * at most CONF_INCLUDE_DEPTH deep, a relative name stands as written.
 * Every mistake is said as `file:line: Keyword: what was expected`.  Sections
 * take words bare or in either quotes (a backslash before the quote or another
 * backslash, nothing else is special), lists in braces, comments from `#`.
 *
 * A struct conf is read-only once read and may be shared by threads, but for
 * the list of mistakes, which is for who loads it (conf_end_list).
 */
#ifndef LIB_CONF_CONF_H
#define LIB_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "dataset.h"

struct errlist;
struct errmsg;

#define CONF_INCLUDE_DEPTH 5 /* opendkim.conf(5), Include */

enum conf_type {
	CONF_BOOL,    /* yes|no, by the first character (TtYy1, FfNn0) */
	CONF_INT,     /* a number, min..max; 0 and 0x begin octal and hex, as
	                 OpenDKIM has it: a mask is 007 */
	CONF_STR,     /* words up to the end of the line */
	CONF_WORD,    /* one of words[] (NULL ends), matched without case, or
	                 its first letter if no other begins with it */
	CONF_SET,     /* a data set specification, see dataset.h */
	CONF_LIST,    /* only inside a section: {a, b} or a single value */
	CONF_SECTION, /* KEYWORD title { rows[] } ; may be repeated, of two
	                 with the same title the last counts; at most 64
	                 rows, no sections or ignored keywords in them */
	CONF_IGNORED, /* understood, not used; summary is the reason, which is
	                 said once in a warning when the keyword is met */
};

enum {
	CONF_MULTI = 1 << 0, /* may be repeated, the values add up (CONF_STR) */
	CONF_START = 1 << 1, /* read at start only; a reload leaves it alone */
	CONF_SECRET = 1 << 2, /* conf_print shows that it is set, not to what */
	CONF_UNTITLED = 1 << 4, /* a CONF_SECTION that has no title: KEYWORD {
	                           rows[] }; its title is "" */
	CONF_OFF = 1 << 3, /* CONF_IGNORED: a switch that is always off here, so
	                      that to say no to it is nothing to warn of */
	CONF_PATH = 1 << 4, /* CONF_STR: a path, or where the summary says so
	                       `none` */
	CONF_MADE = 1 << 5, /* CONF_PATH: of a file that the program makes,
	                       perhaps as PATH.new first, and that no other
	                       keyword may name */
};

/* A row is written with designated initialisers; what is not named is 0. */
struct conf_option {
	const char *keyword;
	enum conf_type type;
	unsigned flags;
	const char *def;          /* as one would write it; NULL: unset */
	long min, max;            /* CONF_INT; both 0: 0..INT_MAX */
	const char *const *words; /* CONF_WORD */
	const struct conf_table *inside; /* CONF_SECTION: what stands in it */
	const char *with; /* CONF_MADE: it is made only if that keyword is
	    given; NULL: in any case */
	const char *summary;      /* one line; for CONF_IGNORED the reason */
	/* Judge one value when it is met, so that the line is known.  Returns
	 * 0, or ERR_CONFIG with what was expected in msg_r (the words after
	 * `file:line: Keyword: `).  NULL: anything goes. */
	int (*check)(const char *value, struct errmsg *msg_r);
	/* The same of a value that means something else than its words: reads
	 * it into `size` octets (at most CONF_VALUE_MAX, all zero before),
	 * which conf_value hands out.  They own nothing, and are copied. */
	int (*parse)(const char *value, void *value_r, struct errmsg *msg_r);
	size_t size;
};

#define CONF_VALUE_MAX 2048

/* Rows, and how many there are. */
struct conf_table {
	const struct conf_option *rows;
	size_t count;
	/* Those of another program's file, which are unknown here, and what is
	 * said where one is met; NULL: none. */
	const struct conf_table *foreign;
	const char *foreign_says;
};

/* The first two members, from an array. */
#define CONF_ROWS(array)                                                       \
	.rows = (array), .count = sizeof(array) / sizeof(*(array))
/* A pointer to a table of an array's rows, for an initialiser. */
#define CONF_TABLE(array) (&(const struct conf_table){CONF_ROWS(array)})

/* For a row's check, where the value is a path: it has no quotes about it. */
int conf_check_path(const char *value, struct errmsg *msg_r);

struct conf;
struct conf_section; /* one section; dies with its conf */

/*
 * Read a file.  `tables` is ended by NULL; a keyword must stand in one of them
 * only.  path NULL reads nothing: all defaults.
 * 0 and *conf_r (the caller's, conf_free), or a negative ERR_ and *msg_r.
 */
int conf_read(const char *path, const struct conf_table *const *tables,
    struct conf **conf_r, struct errmsg *msg_r);
/* The same from memory; `name` stands for the file in messages. */
int conf_read_text(const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct conf **conf_r,
    struct errmsg *msg_r);
void conf_free(struct conf *c);

/*
 * Read on after a mistake, so that all of them get into the list: 0, or a
 * negative ERR_ with at least one mistake in the list.  Unless there is no
 * memory, *conf_r is set (the caller's) all the same: what is wrong is left out
 * of it as if it were not written (but see conf_faulty), so that others can
 * check the rest.  They add their mistakes by conf_also and conf_noted.  The
 * list must live until conf_end_list, or the conf's end.
 */
int conf_read_list(const char *path, const struct conf_table *const *tables,
    struct errlist *list, struct conf **conf_r);
/* The same from memory. */
int conf_read_text_list(const char *text, size_t len, const char *name,
    const struct conf_table *const *tables, struct errlist *list,
    struct conf **conf_r);
/* What its data sets are opened for: to look, until somebody serves by it. */
enum dataset_use conf_use(const struct conf *c);
void conf_serve(struct conf *c);
/* The list that conf_read_list was given; NULL: none. */
struct errlist *conf_list(const struct conf *c);
void conf_end_list(struct conf *c);
/* What is odd goes into that list from now on (NULL: nobody wants to know),
 * which must live until then. */
void conf_watch(struct conf *c, struct errlist *odd);
/* Say what is odd about it, and no mistake: `file:line: Keyword: ...`. */
void conf_odd(const struct conf *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * After one of several steps, which ended in `step` and says its mistake in
 * *msg (empty: the list has it): put that into the list and empty *msg, so that
 * the next step can be made.  Without a list *msg stays.  Returns what all came
 * to: the first of `rc` and `step` that is no 0; want of memory comes before.
 */
int conf_also(const struct conf *c, int rc, int step, struct errmsg *msg);
/* The same of a step of a walk: 0 where the list took the mistake, so that the
 * walk goes on. */
int conf_noted(const struct conf *c, int step, struct errmsg *msg);

/* Values.  The keyword must be one of the rows, and of that type (asserted).
 * Strings live as long as the conf. */
bool conf_bool(const struct conf *c, const char *keyword);
long conf_int(const struct conf *c, const char *keyword);
/* CONF_STR, CONF_SET and CONF_WORD (as the row spells it), and CONF_INT as it
 * was written; NULL: unset. */
const char *conf_str(const struct conf *c, const char *keyword);
/* The file of a CONF_MADE keyword; NULL: none is made. */
const char *conf_made(const struct conf *c, const char *keyword);
/* The index in words[]; -1: unset. */
int conf_word(const struct conf *c, const char *keyword);
/* What the row's parse function made of it, `size` octets (asserted); NULL:
 * unset. */
const void *conf_value(const struct conf *c, const char *keyword, size_t size);
/* Value i of a CONF_MULTI keyword; NULL when there are no more. */
const char *conf_multi(const struct conf *c, const char *keyword, size_t i);
/* Was it written, rather than left at its default? */
bool conf_given(const struct conf *c, const char *keyword);
/* Was it written, and is wrong; or might it stand in a file that could not be
 * read?  A keyword that is missing for that reason is no second mistake. */
bool conf_faulty(const struct conf *c, const char *keyword);
/* Row i, in the order of the tables; NULL: no more. */
const struct conf_option *conf_row(const struct conf *c, size_t i);
/* Where it was written, `file:line`, or "default". For messages. */
const char *conf_where(const struct conf *c, const char *keyword);
/* Where value i of a CONF_MULTI keyword was. */
const char *conf_multi_where(
    const struct conf *c, const char *keyword, size_t i);

/* Section i of that keyword, in the order of the file; NULL: no more. */
const struct conf_section *conf_section(
    const struct conf *c, const char *keyword, size_t i);
const char *conf_section_title(const struct conf_section *s);
const char *conf_section_where(const struct conf_section *s);
/* Is something inside of it wrong, and left out? */
bool conf_section_faulty(const struct conf_section *s);
/* A value inside a section that is no list, as text; NULL: unset. */
const char *conf_section_str(
    const struct conf_section *s, const char *keyword);
/* CONF_INT inside a section; 0: unset. */
long conf_section_int(const struct conf_section *s, const char *keyword);
/* CONF_WORD inside a section: the index in words[]; -1: unset. */
int conf_section_word(const struct conf_section *s, const char *keyword);
/* What the row's parse function made of value i of a CONF_LIST, or with i 0 of
 * any other value; NULL: no more, or unset. */
const void *conf_section_value(const struct conf_section *s,
    const char *keyword, size_t i, size_t size);

/*
 * For who reads another program's configuration into this one, before anybody
 * else has it: give a keyword (no section, none that may be repeated) a value as
 * if it were written at `where`.  What its own file says counts; if that is
 * something else, a warning names both.  0, ERR_CONFIG and in *msg_r what was
 * expected, behind `where`; or ERR_NOMEM.
 */
int conf_take(struct conf *c, const char *keyword, const char *value,
    const char *where, struct errmsg *msg_r);
/* Add a warning.  ERR_NOMEM, or 0. */
int conf_warn(struct conf *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Warning i in words (`file:line: Keyword: ...`); NULL: no more. */
const char *conf_warning(const struct conf *c, size_t i);

/* The effective configuration, one keyword a line in the order of the rows,
 * in a form that conf_read takes again. */
void conf_print(const struct conf *c, FILE *out);

#endif
