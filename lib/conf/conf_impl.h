/*
 * What a struct conf is made of.  SPDX-License-Identifier: BSD-2-Clause
 *
 * conf_parse.c fills it through libconfuse, conf.c answers from it.  Private
 * to lib/conf.
 */
#ifndef LIB_CONF_CONF_IMPL_H
#define LIB_CONF_CONF_IMPL_H

#include "conf.h"

struct errmsg;

/* What a text comes to. */
struct conf_judged {
	long number; /* what struct conf_value.number should be */
	_Alignas(max_align_t) unsigned char parsed[CONF_VALUE_MAX];
};

/* What one keyword has. */
struct conf_value {
	const struct conf_option *row;
	char **text; /* n values, in the order in which they were written */
	unsigned char *parsed; /* the row's `size` octets of each of them */
	size_t n;
	char *where; /* `file:line`; NULL: not written, text is the default */
	char **places; /* of CONF_MULTI: the where of each value written */
	size_t nplaces;
	bool faulty; /* what was written is wrong, and not in text */
	long number; /* of CONF_BOOL, CONF_INT; of CONF_WORD the index or -1 */
};

struct conf_section {
	const struct conf_option *row;
	char *title;
	char *where;
	struct conf_value *values;
	size_t nvalues;
	bool faulty;
};

struct conf {
	struct conf_value *values;  /* in the order of the rows */
	struct conf_value **sorted; /* the same by keyword */
	size_t nvalues;
	struct conf_section *sections; /* in the order of the rows, and in */
	size_t nsections;	       /* each row in that of the file */
	char **warnings;
	size_t nwarnings;
	bool serves; /* conf_serve */
	bool unread; /* a file of it, of which nothing is known */
	struct errlist *list; /* of mistakes, while it is loaded; or NULL */
	struct errlist *odd;  /* the same of what is odd */
};

/* An empty one for those rows: no values yet.  NULL: no memory. */
struct conf *conf_new(const struct conf_table *const *tables);
/* One value for each row; NULL: no memory. */
struct conf_value *conf_values_new(const struct conf_table *table);
void conf_values_free(struct conf_value *values, size_t n);

/* NULL when there is no such keyword. */
struct conf_value *conf_find(const struct conf *c, const char *keyword);

/* Judge a text by its row.  ERR_CONFIG with what was expected in msg_r, or 0. */
int conf_judge(const struct conf_option *row, const char *text,
    struct conf_judged *judged_r, struct errmsg *msg_r);

/* Is it one of the ways to say no?  It need not be terminated. */
bool conf_is_no(const char *text, size_t len);

/* Append a copy of text, and of what the row's parse function made of it.
 * ERR_NOMEM or 0. */
int conf_value_add(
    struct conf_value *v, const char *text, const void *parsed);
/* Forget all values. */
void conf_value_clear(struct conf_value *v);
/* Give a value that was not written its default. */
int conf_value_default(struct conf_value *v);

#endif
