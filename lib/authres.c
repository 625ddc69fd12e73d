/* SPDX-License-Identifier: BSD-2-Clause */
#include "authres.h"

#include <string.h>
#include <strings.h>

#include "arena.h"
#include "buf.h"
#include "err.h"
#include "idna.h"
#include "utf8.h"

#define LINE_WIDTH 78    /* RFC 5322 section 2.1.1 */
#define COMMENT_DEPTH 50 /* deeper ones are read as text */

/* Writing. */

/* Start a new line if that many octets do not fit into this one any more. */
static void
room_for(struct authres *w, size_t len)
{
	size_t column = w->buf->len - w->line;

	if (column + 1 + len <= LINE_WIDTH) {
		buf_char(w->buf, ' ');
		return;
	}
	buf_str(w->buf, "\n\t");
	w->line = w->buf->len - 1;
}

/* RFC 2045 section 5.1 */
static bool
is_token_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
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

/* Add text with a backslash before those of `special`. */
static void
add_text(struct authres *w, struct buf *out, const char *s,
    const char *special)
{
	size_t len = strnlen(s, AUTHRES_VALUE_MAX);

	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)s[i];
		size_t n = w->utf8 && c >= 0x80
		    ? utf8_length(s + i, len - i)
		    : (c >= 0x20 && c < 0x7f);

		if (n == 1 && strchr(special, c) != NULL)
			buf_char(out, '\\');
		if (n == 0)
			buf_char(out, '?');
		else
			buf_add(out, s + i, n);
		i += n == 0 ? 1 : n;
	}
}

/* Add `prefix` and a value, quoted where it must be, kept on one line. */
static void
add_value(struct authres *w, const char *prefix, const char *value)
{
	struct buf b = BUF_INIT;

	buf_str(&b, prefix);
	if (is_plain(value) && strlen(value) <= AUTHRES_VALUE_MAX) {
		buf_str(&b, value);
	} else {
		buf_char(&b, '"');
		add_text(w, &b, value, "\"\\");
		buf_char(&b, '"');
	}
	if (buf_text(&b) == NULL) {
		w->buf->failed = true;
	} else if (w->buf->len == w->line) {
		buf_add(w->buf, b.data, b.len);
	} else {
		room_for(w, b.len);
		buf_add(w->buf, b.data, b.len);
	}
	buf_fini(&b);
}

void
authres_begin(struct authres *w, struct buf *b, const char *id,
    const char *job, bool utf8)
{
	struct buf name = BUF_INIT;

	*w = (struct authres){.buf = b, .line = b->len, .utf8 = utf8};
	buf_str(&name, id);
	if (job != NULL)
		buf_printf(&name, "/%s", job);
	if (buf_text(&name) == NULL)
		b->failed = true;
	else
		add_value(w, "", name.data == NULL ? "" : name.data);
	buf_fini(&name);
}

void
authres_result(struct authres *w, const char *method, const char *result)
{
	buf_printf(w->buf, ";\n\t%s=%s", method, result);
	w->line = w->buf->len - strlen(method) - strlen(result) - 2;
	w->count++;
}

void
authres_comment(struct authres *w, const char *text)
{
	struct buf b = BUF_INIT;

	add_text(w, &b, text, "()\\");
	if (buf_text(&b) == NULL) {
		w->buf->failed = true;
	} else {
		room_for(w, b.len + 2);
		buf_printf(w->buf, "(%s)", b.len == 0 ? "" : b.data);
	}
	buf_fini(&b);
}

void
authres_reason(struct authres *w, const char *text)
{
	add_value(w, "reason=", text);
}

void
authres_property(struct authres *w, const char *type, const char *property,
    const char *value)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "%s.%s=", type, property);
	if (buf_text(&b) == NULL)
		w->buf->failed = true;
	else
		add_value(w, b.data, value);
	buf_fini(&b);
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
