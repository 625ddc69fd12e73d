/* SPDX-License-Identifier: BSD-2-Clause */
#include "spam_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/utf8.h"
#include "milter/edit.h"
#include "milter/session.h"

#define PREFIX "X-Spam-"
#define LINE_MAX_ 76 /* columns at which the list of tests is folded */
#define LEVEL_MAX 50 /* most stars, as in SpamAssassin */
#define TIMES_MAX 100 /* how often one name is repeated at most */
#define WORD_MAX_ 52 /* octets of text in an encoded word */

/* A score below the limit is never rounded up to it (SpamAssassin's Util.pm,
 * get_tag_value_for_score). */
static void
show_score(const struct spam_mark *mark, char *text, size_t size)
{
	double score = mark->score;
	char required[32];

	snprintf(text, size, "%.1f", score);
	snprintf(required, sizeof(required), "%.1f", mark->required);
	if (!mark->spam && score < mark->required &&
	    strtod(text, NULL) >= strtod(required, NULL))
		snprintf(text, size, "%.1f", strtod(required, NULL) - 0.1);
}

static int
want(struct message *m, enum edit_op op, unsigned index, const char *name,
    const struct buf *b)
{
	const char *value = buf_text(b);

	return value == NULL
	    ? ERR_NOMEM
	    : edit_want(&m->edits, &m->arena, op, index, name, value);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t
times(const struct symbol *s)
{
	return s->times == 0 ? 1
	    : s->times > TIMES_MAX
	    ? TIMES_MAX
	    : s->times;
}

/* Add the names of the tests, folded behind commas; a rule that hit several
 * times is repeated as often. */
static int
add_tests(struct message *m, struct buf *b, size_t begin)
{
	size_t n = 0, line = begin;
	const char **names;

	for (const struct symbol *s = m->symbols; s != NULL; s = s->next)
		n += times(s);
	if (n == 0) {
		buf_str(b, "none");
		return 0;
	}
	names = arena_alloc(&m->arena, n * sizeof(*names));
	if (names == NULL)
		return ERR_NOMEM;
	n = 0;
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		for (size_t i = times(s); i > 0; i--)
			names[n++] = s->name;
	}
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]) + 1;

		if (i > 0 && line + len > LINE_MAX_) {
			buf_str(b, "\n\t");
			line = 8;
		}
		buf_printf(b, "%s%s", names[i], i + 1 < n ? "," : "");
		line += len;
	}
	return 0;
}

static int
add_status(struct message *m, const struct spam_mark *mark)
{
	struct buf b = BUF_INIT;
	char score[32];
	int rc;

	show_score(mark, score, sizeof(score));
	buf_printf(&b, "%s, score=%s required=%.1f tests=",
	    mark->spam ? "Yes" : "No", score, mark->required);
	rc = add_tests(m, &b, strlen(PREFIX "Status: ") + b.len);
	buf_str(&b, "\n\tautolearn=no version=" POSTERN_VERSION);
	if (rc == 0)
		rc = want(m, EDIT_INSERT, 0, PREFIX "Status", &b);
	buf_fini(&b);
	return rc;
}

static int
add_text(struct message *m, const char *name, const char *text)
{
	return edit_want(&m->edits, &m->arena, EDIT_INSERT, 0, name, text);
}

int
spam_fields_add(struct message *m, const struct spam_mark *mark)
{
	char score[32], stars[LEVEL_MAX + 1];
	size_t level = mark->score < 1 ? 0
	    : mark->score > LEVEL_MAX  ? LEVEL_MAX
				       : (size_t)mark->score;
	const char *version = arena_printf(&m->arena, "Postern %s on %s",
	    POSTERN_VERSION, m->session->reporter);
	int rc;

	show_score(mark, score, sizeof(score));
	memset(stars, '*', level);
	stars[level] = '\0';
	/* The field that is added last stands on top. */
	rc = version == NULL ? ERR_NOMEM : add_status(m, mark);
	if (rc == 0 && level > 0)
		rc = add_text(m, PREFIX "Level", stars);
	if (rc == 0)
		rc = add_text(m, PREFIX "Score", score);
	if (rc == 0)
		rc = add_text(m, PREFIX "Checker-Version", version);
	if (rc == 0 && mark->spam)
		rc = add_text(m, PREFIX "Flag", "YES");
	return rc;
}

int
spam_fields_remove(struct message *m, unsigned *count_r)
{
	*count_r = 0;
	for (const struct hdr *h = m->headers.first; h != NULL; h = h->next) {
		const char *name;

		if (strncasecmp(h->name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		/* The edit's index counts the fields of the name without blanks
		 * at its end. */
		name = arena_memdup(&m->arena, h->name, hdr_name_len(h));
		if (name == NULL ||
		    edit_want(&m->edits, &m->arena, EDIT_DELETE, h->index, name,
			NULL) != 0)
			return ERR_NOMEM;
		++*count_r;
	}
	return 0;
}

/* Add the value of a placeholder between _ and _; returns its end, NULL: it is
 * not known.  Text in parentheses pads a score to three digits. */
static const char *
add_score(struct buf *b, const struct spam_mark *mark, const char *p)
{
	char score[32];
	size_t len, pad = 0;

	if (strncmp(p, "_REQD_", 6) == 0) {
		buf_printf(b, "%.1f", mark->required);
		return p + 6;
	}
	if (strncmp(p, "_SCORE", 6) != 0 && strncmp(p, "_HITS", 5) != 0)
		return NULL;
	p += p[1] == 'S' ? 6 : 5;
	if (*p == '(') {
		pad = strspn(p + 1, p[1] == '0' ? "0" : " ");
		p += pad + 1;
		if (*p++ != ')')
			return NULL;
	}
	if (*p != '_')
		return NULL;
	show_score(mark, score, sizeof(score));
	for (len = strlen(score); len < pad + 3; len++)
		buf_char(b, p[-2]);
	buf_str(b, score);
	return p + 1;
}

static bool
is_ascii(const char *text)
{
	while (*text != '\0' && (unsigned char)*text < 0x80)
		text++;
	return *text == '\0';
}

/* Add encoded words (RFC 2047, section 4.2), the last one without its end. */
static void
add_encoded(struct buf *b, const char *text)
{
	size_t len = strlen(text), used = WORD_MAX_, n;
	const char *p = text;
	bool utf8;

	while (*p != '\0' && (n = utf8_length(p, len)) > 0) {
		p += n;
		len -= n;
	}
	utf8 = *p == '\0';
	for (p = text; *p != '\0'; p += n) {
		n = utf8 ? utf8_length(p, strlen(p)) : 1;
		if (used + 3 * n > WORD_MAX_) {
			buf_str(b, p == text ? "" : "?=\n\t");
			buf_str(b, utf8 ? "=?UTF-8?Q?" : "=?ISO-8859-1?Q?");
			used = 0;
		}
		for (size_t i = 0; i < n; i++) {
			unsigned char c = (unsigned char)p[i];

			if (c == ' ')
				buf_char(b, '_');
			else if (c <= 0x20 || c >= 0x7f || c == '=' ||
			    c == '?' || c == '_')
				buf_printf(b, "=%02X", c);
			else
				buf_char(b, p[i]);
		}
		used += 3 * n;
	}
}

/* Add the tag, with scores filled in, in encoded words if it is not ASCII, and
 * what separates it from the subject.  Returns the length by which to recognise
 * a subject that has the tag already. */
static size_t
add_tag(struct buf *b, const struct spam_mark *mark, const char *old)
{
	struct buf text = BUF_INIT;
	size_t len = 0;

	for (const char *p = mark->tag, *end; *p != '\0'; p = end) {
		end = *p == '_' ? add_score(&text, mark, p) : NULL;
		if (end == NULL) {
			buf_char(&text, *p);
			end = p + 1;
		}
	}
	b->failed |= text.failed;
	if (is_ascii(text.data == NULL ? "" : text.data)) {
		buf_add(b, text.data, text.len);
		len = b->len;
	} else if (!text.failed) {
		add_encoded(b, text.data);
		len = b->len;
		/* A space between two encoded words is not shown, so it is
		 * encoded. */
		buf_str(b, strncmp(old, "=?", 2) == 0 ? "_?=" : "?=");
	}
	buf_char(b, ' ');
	buf_fini(&text);
	return len;
}

/* Add a subject as it came; white space with a line end in it that is no fold
 * (RFC 5322 section 2.2.3) becomes a space, or nothing at the end. */
static void
add_subject(struct buf *b, const char *old, size_t len)
{
	const char *end = old + len;

	while (old < end) {
		size_t blank = 0, ends = 0;

		/* A CR counts as two line ends: blanks with one are no fold. */
		for (; old + blank < end && strchr(" \t\r\n", old[blank]);
		     blank++)
			ends += old[blank] == '\n' ? 1
			    : old[blank] == '\r'  ? 2
						  : 0;
		if (ends == 1 && old + blank < end && old[blank - 1] != '\n')
			ends = 0;
		if (ends == 0)
			buf_add(b, old, blank);
		else if (old + blank < end)
			buf_char(b, ' ');
		old += blank;
		if (old < end)
			buf_char(b, *old++);
	}
}

int
spam_fields_subject(struct message *m, const struct spam_mark *mark)
{
	const struct hdr *h = hdr_find(&m->headers, "Subject");
	struct buf b = BUF_INIT;
	const char *old = h == NULL ? "" : h->value;
	size_t len = h == NULL ? 0 : h->value_len, tag;
	int rc = 0;

	/* For the MTA, too, the field ends at a NUL. */
	len = strnlen(old, len);
	while (len > 0 && strchr(" \t\r\n", *old) != NULL) {
		old++;
		len--;
	}
	tag = add_tag(&b, mark, len > 1 ? old : "");
	add_subject(&b, old, len);
	/* The subject may have the tag already. */
	if (b.failed || len < tag || strncmp(old, b.data, tag) != 0)
		rc = want(m, h == NULL ? EDIT_INSERT : EDIT_CHANGE,
		    h == NULL ? 0 : h->index, "Subject", &b);
	buf_fini(&b);
	return rc;
}
