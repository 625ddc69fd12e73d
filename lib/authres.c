/* SPDX-License-Identifier: BSD-2-Clause */
#include "authres.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "addrtext.h"
#include "arena.h"
#include "buf.h"
#include "err.h"
#include "idna.h"

#define LINE_WIDTH 78    /* RFC 5322 section 2.1.1 */
#define COMMENT_DEPTH 50 /* deeper ones are read as text */

/* Writing. */

/* A word begins, with a space before it; returns where. */
static size_t
begin_word(struct authres *w)
{
	size_t at = w->buf->len;

	if (at > w->line)
		buf_char(w->buf, ' ');
	return at;
}

/* It ends.  What does not fit into its line gets a new one. */
static void
end_word(struct authres *w, size_t at)
{
	struct buf *b = w->buf;

	if (b->failed || at == w->line || b->len - w->line <= LINE_WIDTH)
		return;
	buf_char(b, ' ');
	if (b->failed)
		return;
	memmove(b->data + at + 1, b->data + at, b->len - at - 1);
	b->data[at] = '\n';
	b->data[at + 1] = '\t';
	w->line = at + 1;
}

/* RFC 2045 section 5.1 */
static bool
is_token_char(unsigned char c)
{
	return (c >= 'a' && c <= 'z') ||
	    (c > 0x20 && c < 0x7f &&
		strchr("()<>@,;:\\\"/[]?=", c) == NULL);
}

/* Can it stand as it is: a token, or an address or domain of such? */
static bool
is_plain(const char *s)
{
	size_t at = 0;

	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		if (*s == '@')
			at++;
		else if (!is_token_char((unsigned char)*s))
			return false;
	}
	return at <= 1 && s[-1] != '@';
}

/* Add a value, quoted where it must be. */
static void
add_value(struct authres *w, const char *value)
{
	if (is_plain(value)) {
		buf_str(w->buf, value);
		return;
	}
	buf_char(w->buf, '"');
	for (; *value != '\0'; value++) {
		if (*value == '"' || *value == '\\')
			buf_char(w->buf, '\\');
		buf_char(w->buf, *value);
	}
	buf_char(w->buf, '"');
}

/* Add ` key=value`, or nothing where the value can't be shown as it is. */
static void
add_pair(struct authres *w, const char *key, const char *value)
{
	struct buf text = BUF_INIT;
	size_t at;

	if (addrtext_field(&text, value, w->utf8)) {
		at = begin_word(w);
		buf_str(w->buf, key);
		buf_char(w->buf, '=');
		add_value(w, buf_text(&text));
		end_word(w, at);
	}
	w->buf->failed |= text.failed;
	buf_fini(&text);
}

/* As the admin wrote it; with what may not stand there as `?`. */
static void
add_id(struct authres *w, const char *id)
{
	struct buf text = BUF_INIT;

	addrtext_add(&text, id, strlen(id), w->utf8);
	add_value(w, text.failed ? "" : buf_text(&text));
	w->buf->failed |= text.failed;
	buf_fini(&text);
}

void
authres_begin(struct authres *w, struct buf *b, const char *id,
    const char *job, bool utf8)
{
	struct buf name = BUF_INIT;

	*w = (struct authres){.buf = b, .line = b->len, .utf8 = utf8};
	if (job == NULL) {
		add_id(w, id);
		return;
	}
	buf_printf(&name, "%s/%s", id, job);
	if (buf_text(&name) == NULL)
		b->failed = true;
	else
		add_id(w, name.data);
	buf_fini(&name);
}

void
authres_result(struct authres *w, const char *method, const char *result)
{
	buf_str(w->buf, ";\n\t");
	w->line = w->buf->len - 1;
	buf_str(w->buf, method);
	buf_char(w->buf, '=');
	buf_str(w->buf, result);
	w->count++;
}

void
authres_comment(struct authres *w, const char *text)
{
	size_t at = begin_word(w), begin;

	buf_char(w->buf, '(');
	begin = w->buf->len;
	addrtext_add(
	    w->buf, text, strnlen(text, AUTHRES_COMMENT_MAX), w->utf8);
	for (size_t i = begin; i < w->buf->len; i++) {
		if (strchr("()\\", w->buf->data[i]) != NULL)
			w->buf->data[i] = '?';
	}
	buf_char(w->buf, ')');
	end_word(w, at);
}

void
authres_reason(struct authres *w, const char *text)
{
	add_pair(w, "reason", text);
}

void
authres_property(struct authres *w, const char *type, const char *property,
    const char *value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", type, property);
	add_pair(w, name, value);
}

void
authres_end(struct authres *w)
{
	if (w->count == 0)
		buf_str(w->buf, "; none");
}

/* Reading. */

struct reader {
	const char *p, *end;
	char *word; /* room for the longest one */
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Skip comments and white space; a comment that does not end is text. */
static void
skip(struct reader *r)
{
	for (;;) {
		const char *p;
		int depth = 0;

		while (r->p < r->end && is_space(*r->p))
			r->p++;
		if (r->p == r->end || *r->p != '(')
			return;
		for (p = r->p; p < r->end; p++) {
			if (*p == '\\' && p + 1 < r->end)
				p++;
			else if (*p == '(' && ++depth > COMMENT_DEPTH)
				return;
			else if (*p == ')' && --depth == 0)
				break;
		}
		if (p == r->end)
			return;
		r->p = p + 1;
	}
}

/* Read a word, quoted or not, into r->word, without its quotes, in lower case;
 * empty: there is none.  NULs are left out: no name has one. */
static void
take_word(struct reader *r)
{
	bool quoted = r->p < r->end && *r->p == '"';
	size_t n = 0;

	for (r->p += quoted; r->p < r->end; r->p++) {
		char c = *r->p;

		if (quoted && c == '"') {
			r->p++;
			break;
		}
		if (quoted && c == '\\' && r->p + 1 < r->end)
			c = *++r->p;
		else if (!quoted && c != '\0' &&
		    (is_space(c) || strchr(";(=\"", c) != NULL))
			break;
		if (c >= 'A' && c <= 'Z')
			c = (char)(c + ('a' - 'A'));
		if (c != '\0' && c != '\r' && c != '\n')
			r->word[n++] = c;
	}
	r->word[n] = '\0';
}

const char *
authres_id(struct arena *a, const char *id)
{
	size_t len = strcspn(id, "/");
	char *copy = arena_memdup(a, id, len);
	const char *name;

	if (copy == NULL)
		return NULL;
	name = idna_ascii(a, copy);
	if (name != NULL)
		return name;
	/* Not a domain name: compare what stands there. */
	for (char *p = copy; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + ('a' - 'A'));
	}
	return copy;
}

static bool
is_check(const char *word)
{
	static const char *const methods[] = {"dkim", "spf", "dmarc", "iprev"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		size_t n = strlen(methods[i]);

		/* dkim/1 is a method with its version. */
		if (strncmp(word, methods[i], n) == 0 &&
		    (word[n] == '\0' || word[n] == '/'))
			return true;
	}
	return false;
}

/* Is there a method of ours?  Every word is taken for one: some leave out the
 * `;` before it. */
static bool
find_checks(struct reader *r)
{
	while (r->p < r->end) {
		const char *before = r->p;

		skip(r);
		take_word(r);
		if (is_check(r->word))
			return true;
		if (r->p == before)
			r->p++; /* ; = or a parenthesis that is none */
	}
	return false;
}

int
authres_look(struct arena *a, const char *value, size_t len,
    struct authres_head *head_r)
{
	struct reader r = {.p = value,
	    .end = value + len,
	    .word = arena_alloc(a, len + 1)};

	*head_r = (struct authres_head){.id = ""};
	if (r.word == NULL)
		return ERR_NOMEM;
	skip(&r);
	take_word(&r);
	skip(&r);
	/* Some write results only, with no name in front of them: spf=pass. */
	if (is_check(r.word) && r.p < r.end && *r.p == '=') {
		head_r->checks = true;
		return 0;
	}
	head_r->id = authres_id(a, r.word);
	if (head_r->id == NULL)
		return ERR_NOMEM;
	head_r->checks = find_checks(&r);
	return 0;
}
