/*
 * The lexical half of the configuration: lines, and the tokens of sections.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It knows no keyword.  What it hands out points into the text and is not
 * terminated, but for the words of a section, which are unquoted copies.
 * Private to lib/conf.
 */
#ifndef LIB_CONF_CONF_LEX_H
#define LIB_CONF_CONF_LEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct errlist;
struct errmsg;

#define CONF_FILE_MAX (4 << 20)	 /* octets in one file */
#define CONF_LINE_MAX (64 << 10) /* octets in one line, or in one word */

struct conf_lex {
	const char *name; /* the file, for messages */
	const char *text;
	size_t len, pos;
	int line; /* of pos, from 1 */
};

/* One `Keyword value` line.  len 0 of the value: there is none. */
struct conf_line {
	const char *keyword;
	size_t keyword_len;
	const char *value;
	size_t value_len;
	int line;
};

enum conf_tok {
	CONF_TOK_EOF,
	CONF_TOK_WORD,
	CONF_TOK_OPEN,	 /* { */
	CONF_TOK_CLOSE,	 /* } */
	CONF_TOK_ASSIGN, /* = */
	CONF_TOK_APPEND, /* += */
	CONF_TOK_COMMA,
};

/* Begin.  Lines that are too long or have control characters in them are put
 * into the list and blanked out in `text`; ERR_CONFIG: all of it is too long,
 * or there is a NUL in it.  `name` and `text` are kept. */
int conf_lex_init(struct conf_lex *lex, const char *name, char *text,
    size_t len, struct errlist *list);

/* The keyword of the next line that has one; false at the end.  Its value is
 * not read yet: either conf_lex_value or conf_lex_token comes next. */
bool conf_lex_keyword(struct conf_lex *lex, struct conf_line *line_r);
/* The rest of that line, without comment and white space around. */
void conf_lex_value(struct conf_lex *lex, struct conf_line *line_r);

/* The next token, across lines; a word is written to word_r (the caller's, of
 * CONF_LINE_MAX + 1).  Returns the enum, or ERR_CONFIG for a word that is
 * empty or not closed by its quote on the same line. */
int conf_lex_token(struct conf_lex *lex, char *word_r, struct errmsg *msg_r);

/* Write in single quotes, as libconfuse takes it back unchanged. */
void conf_lex_quote(FILE *out, const char *s, size_t len);

/* Foreign text for a message: what is not printable ASCII is escaped, and
 * what does not fit is cut off.  Returns buf. */
const char *conf_lex_show(char *buf, size_t size, const char *s, size_t len);

#endif
