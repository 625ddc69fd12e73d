/*
 * Lines and tokens of a configuration.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "conf_lex.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"

static bool
is_blank(char c)
{
	/* A CR stands only before LF or the end: conf_lex_init saw to it. */
	return c == ' ' || c == '\t' || c == '\r';
}

/* What is wrong with octet i of a line; NULL: nothing. */
static const char *
octet_fault(const char *text, size_t len, size_t i)
{
	unsigned char c = (unsigned char)text[i];

	if (c == '\0')
		return "a NUL octet: this is no text file";
	if (c == '\r' && i + 1 < len)
		return "a carriage return inside the line";
	if ((c < ' ' && c != '\t' && c != '\n' && c != '\r') || c == 0x7f)
		return "a control character: this is no text file";
	return NULL;
}

/* Blanks that only look like one, or like nothing, as they come with a copy
 * from a page: they would be part of a word.  Comments may have them. */
static const char *
blank_fault(const char *text, size_t len)
{
	static const char *const odd[] = {
	    "\u00a0", "\u200b", "\u202f", "\u2007", "\ufeff"};
	const char *end = memchr(text, '#', len);

	if (end != NULL)
		len = (size_t)(end - text);
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		if (memmem(text, len, odd[i], strlen(odd[i])) != NULL)
			return "a blank that is none (such as U+00A0, from a "
			       "copied page): write the line again with "
			       "ordinary blanks";
	}
	return NULL;
}

/* Blank out a line with something in it that no text has, and say so. */
static void
check_line(const char *name, int line, char *text, size_t len,
    struct errlist *list)
{
	const char *fault = NULL;

	for (size_t i = 0; fault == NULL && i < len; i++)
		fault = octet_fault(text, len, i);
	if (fault == NULL && len > CONF_LINE_MAX)
		fault = "the line is too long";
	if (fault == NULL)
		fault = blank_fault(text, len);
	if (fault == NULL)
		return;
	errlist_add(list, "%s:%d: %s", name, line, fault);
	memset(text, ' ', len);
}

int
conf_lex_init(struct conf_lex *lex, const char *name, char *text, size_t len,
    struct errlist *list)
{
	char *end = text + len, *s = text, *eol;

	if (len > CONF_FILE_MAX)
		return errlist_add(
		    list, "%s: longer than %d octets", name, CONF_FILE_MAX);
	/* Editors of other systems put a byte order mark before UTF-8. */
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		memset(text, ' ', 3);
	for (int line = 1; s < end; line++, s = eol + 1) {
		bool binary;

		eol = memchr(s, '\n', (size_t)(end - s));
		if (eol == NULL)
			eol = end;
		binary = memchr(s, '\0', (size_t)(eol - s)) != NULL;
		check_line(name, line, s, (size_t)(eol - s), list);
		/* Of what is no text at all one mistake is enough. */
		if (binary)
			return ERR_CONFIG;
	}
	*lex = (struct conf_lex){name, text, len, 0, 1};
	return 0;
}

/* Over white space, line ends and comments. */
static void
skip_space(struct conf_lex *lex)
{
	bool comment = false;

	for (; lex->pos < lex->len; lex->pos++) {
		char c = lex->text[lex->pos];

		if (c == '\n') {
			lex->line++;
			comment = false;
		} else if (c == '#') {
			comment = true;
		} else if (!comment && !is_blank(c)) {
			return;
		}
	}
}

bool
conf_lex_keyword(struct conf_lex *lex, struct conf_line *line_r)
{
	size_t start;

	skip_space(lex);
	if (lex->pos == lex->len)
		return false;
	start = lex->pos;
	while (lex->pos < lex->len && lex->text[lex->pos] != '\n' &&
	       lex->text[lex->pos] != '#' && !is_blank(lex->text[lex->pos]))
		lex->pos++;
	*line_r = (struct conf_line){
	    .keyword = lex->text + start,
	    .keyword_len = lex->pos - start,
	    .line = lex->line,
	};
	return true;
}

void
conf_lex_value(struct conf_lex *lex, struct conf_line *line_r)
{
	const char *s = lex->text + lex->pos;
	const char *limit = lex->text + lex->len;
	const char *eol, *end;

	eol = memchr(s, '\n', (size_t)(limit - s));
	if (eol == NULL)
		eol = limit;
	lex->pos = (size_t)(eol - lex->text);
	end = memchr(s, '#', (size_t)(eol - s));
	if (end == NULL)
		end = eol;
	while (s < end && is_blank(*s))
		s++;
	while (end > s && is_blank(end[-1]))
		end--;
	line_r->value = s;
	line_r->value_len = (size_t)(end - s);
}

/* At an opening quote: unquote up to its fellow. */
static int
quoted_word(struct conf_lex *lex, char *word_r, struct errmsg *msg_r)
{
	char quote = lex->text[lex->pos++];
	size_t n = 0;

	for (; lex->pos < lex->len; lex->pos++) {
		const char *s = lex->text + lex->pos;

		if (*s == '\n')
			break;
		if (*s == quote) {
			lex->pos++;
			word_r[n] = '\0';
			if (n > 0)
				return CONF_TOK_WORD;
			return errmsg_set(msg_r,
			    "%s:%d: expected a value between the quotes",
			    lex->name, lex->line);
		}
		if (*s == '\\' && lex->pos + 1 < lex->len &&
		    (s[1] == quote || s[1] == '\\')) {
			lex->pos++;
			s++;
		}
		word_r[n++] = *s;
	}
	return errmsg_set(msg_r, "%s:%d: a quote is not closed on this line",
	    lex->name, lex->line);
}

static int
bare_word(struct conf_lex *lex, char *word_r)
{
	size_t n = 0;

	for (; lex->pos < lex->len; lex->pos++) {
		const char *s = lex->text + lex->pos;

		if (is_blank(*s) || strchr("\n#\"'{}=,", *s) != NULL)
			break;
		if (*s == '+' && lex->pos + 1 < lex->len && s[1] == '=')
			break;
		word_r[n++] = *s;
	}
	word_r[n] = '\0';
	return CONF_TOK_WORD;
}

int
conf_lex_token(struct conf_lex *lex, char *word_r, struct errmsg *msg_r)
{
	const char *s;

	skip_space(lex);
	if (lex->pos == lex->len)
		return CONF_TOK_EOF;
	s = lex->text + lex->pos;
	switch (*s) {
	case '{':
		lex->pos++;
		return CONF_TOK_OPEN;
	case '}':
		lex->pos++;
		return CONF_TOK_CLOSE;
	case '=':
		lex->pos++;
		return CONF_TOK_ASSIGN;
	case ',':
		lex->pos++;
		return CONF_TOK_COMMA;
	case '"':
	case '\'':
		return quoted_word(lex, word_r, msg_r);
	}
	if (*s == '+' && lex->pos + 1 < lex->len && s[1] == '=') {
		lex->pos += 2;
		return CONF_TOK_APPEND;
	}
	return bare_word(lex, word_r);
}

void
conf_lex_quote(FILE *out, const char *s, size_t len)
{
	putc('\'', out);
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\'' || s[i] == '\\')
			putc('\\', out);
		putc(s[i], out);
	}
	putc('\'', out);
}

const char *
conf_lex_show(char *buf, size_t size, const char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (n + sizeof("\\xff...") > size) {
			n += (size_t)snprintf(buf + n, size - n, "...");
			break;
		}
		if (c < ' ' || c > '~')
			n += (size_t)snprintf(buf + n, size - n, "\\x%02x", c);
		else
			buf[n++] = (char)c;
	}
	buf[n] = '\0';
	return buf;
}
