/* SPDX-License-Identifier: BSD-2-Clause */
#include "authres.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "addrtext.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/utf8.h"
#include "lib/dns/idna.h"

#define LINE_WIDTH 78 /* RFC 5322 section 2.1.1 */
#define OPEN_MAX 50   /* comments of a field that do not end */

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

/*
 * Reading.
 *
 * Readers do not agree on what stands in a field that is not as RFC 8601 has
 * it.  So there are two questions: is it so, up to the first `;`, that all must
 * see the same id; and if not, could anybody see ours?
 */

struct reader {
	const char *p, *end;
	unsigned open; /* comments that do not end, so far */
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Octets from p on that are a blank to somebody: a control, one of Unicode's
 * blanks, or that of ISO 8859.  0: none. */
static size_t
blank_length(const char *p, const char *end)
{
	static const char *const blanks[] = {"\xc2\x85", "\xc2\xa0",
	    "\xe1\x9a\x80", "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf",
	    "\xe2\x81\x9f", "\xe3\x80\x80", "\xef\xbb\xbf"};
	size_t left = (size_t)(end - p), n;
	unsigned char c = (unsigned char)*p;

	if (c <= 0x20 || c == 0x7f)
		return 1;
	n = c < 0x80 ? 0 : utf8_length(p, left);
	if (n == 0)
		return c == 0x85 || c == 0xa0;
	/* U+2000 to U+200D */
	if (n == 3 && memcmp(p, "\xe2\x80", 2) == 0 &&
	    (unsigned char)p[2] <= 0x8d)
		return 3;
	for (size_t i = 0; i < sizeof(blanks) / sizeof(*blanks); i++) {
		if (n == strlen(blanks[i]) && memcmp(p, blanks[i], n) == 0)
			return n;
	}
	return 0;
}

/* Octets of the character at p where it may stand in a word (RFC 2045 section
 * 5.1, and what RFC 6532 adds); 0: it ends one. */
static size_t
word_length(const char *p, const char *end)
{
	size_t n;

	if ((unsigned char)*p < 0x80)
		return is_token_char((unsigned char)*p);
	if (blank_length(p, end) > 0)
		return 0;
	n = utf8_length(p, (size_t)(end - p));
	return n == 0 ? 1 : n;
}

/* Skip a comment; NULL: it does not end.  What is quoted in it does not count
 * where `quotes`. */
static const char *
comment_end(const char *p, const char *end, bool quotes)
{
	size_t depth = 0;

	for (; p < end; p++) {
		if (*p == '\\' && quotes && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

/* Skip blanks and comments on which all readers agree.  False: there is one on
 * which they don't. */
static bool
skip_clear(struct reader *r)
{
	for (;;) {
		const char *stop;

		while (r->p < r->end && is_space(*r->p))
			r->p++;
		if (r->p == r->end || *r->p != '(')
			return true;
		stop = comment_end(r->p, r->end, false);
		if (stop == NULL ||
		    memchr(r->p, '\\', (size_t)(stop - r->p)) != NULL ||
		    memchr(r->p, '"', (size_t)(stop - r->p)) != NULL)
			return false;
		r->p = stop;
	}
}

/* Is there a comment, as RFC 5322 has it?  It is skipped then.  One that does
 * not end is text; of many such no more are looked at, each costs a walk. */
static bool
skip_comment(struct reader *r)
{
	const char *stop;

	if (r->p == r->end || *r->p != '(' || r->open == OPEN_MAX)
		return false;
	stop = comment_end(r->p, r->end, true);
	if (stop == NULL)
		r->open++;
	else
		r->p = stop;
	return stop != NULL;
}

/* Skip blanks and comments as RFC 5322 has them. */
static void
skip(struct reader *r)
{
	do {
		size_t n;

		while (r->p < r->end && (n = blank_length(r->p, r->end)) > 0)
			r->p += n;
	} while (skip_comment(r));
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

/* What stands in quotes, without them and in lower case.  False: they do not
 * end, or there is a control in them. */
static bool
take_quoted(struct reader *r, char *word)
{
	bool clear = true;
	size_t n = 0;

	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		if ((unsigned char)*r->p < 0x20 || *r->p == 0x7f)
			clear = false;
		else
			word[n++] = lower(*r->p);
	}
	word[n] = '\0';
	if (r->p == r->end)
		return false;
	r->p++;
	return clear;
}

/* Read a word in lower case, quoted or not; empty: there is none.  False as
 * above. */
static bool
take_word(struct reader *r, char *word)
{
	size_t n;

	if (r->p < r->end && *r->p == '"')
		return take_quoted(r, word);
	while (r->p < r->end && (n = word_length(r->p, r->end)) > 0) {
		for (; n > 0; n--)
			*word++ = lower(*r->p++);
	}
	*word = '\0';
	return true;
}

const char *
authres_id(struct arena *a, const char *id)
{
	size_t len;
	char *copy;
	const char *name;
	int rc;

	id += strspn(id, " \t");
	len = strcspn(id, "/");
	while (len > 0 && strchr(". \t", id[len - 1]) != NULL)
		len--;
	copy = arena_memdup(a, id, len);
	if (copy == NULL)
		return NULL;
	rc = idna_ascii(a, copy, &name);
	if (rc == 0 || rc == ERR_NOMEM)
		return name;
	/* Not a domain name: compare what stands there. */
	for (char *p = copy; *p != '\0'; p++)
		*p = lower(*p);
	return copy;
}

/* -- what everybody sees -- */

/* What follows the id must be a blank, a comment, `;` or the end. */
static bool
is_apart(const struct reader *r)
{
	return r->p == r->end || is_space(*r->p) || *r->p == '(' ||
	    *r->p == ';';
}

/* [CFWS] id ["/" job] [CFWS version] [CFWS] (";" / end), in which the id is in
 * ASCII, or a domain name.  The job id is not RFC 8601's, but common.
 * 1 or 0, or ERR_NOMEM. */
static int
read_clear(struct reader *r, struct arena *a, char *word)
{
	const char *name;
	int rc;

	if (!skip_clear(r) || !take_word(r, word) || *word == '\0')
		return false;
	rc = idna_alabels(a, word, &name);
	if (rc != 0)
		return rc == ERR_NOMEM ? rc : false;
	if (r->p < r->end && *r->p == '/') {
		do {
			r->p++;
		} while (r->p < r->end && is_token_char((unsigned char)*r->p));
	}
	if (!is_apart(r) || !skip_clear(r))
		return false;
	while (r->p < r->end && *r->p >= '0' && *r->p <= '9')
		r->p++;
	return is_apart(r) && skip_clear(r) &&
	    (r->p == r->end || *r->p == ';');
}

static bool
is_check(const char *word)
{
	static const char *const methods[] = {"dkim", "spf", "dmarc", "iprev"};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		if (strcmp(word, methods[i]) == 0)
			return true;
	}
	return false;
}

/* Is there a method of ours?  Every word is taken for one: some leave out the
 * `;` before it. */
static bool
find_checks(struct reader *r, char *word)
{
	while (r->p < r->end) {
		const char *before = r->p;

		skip(r);
		take_word(r, word);
		if (is_check(word))
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
	struct reader r = {.p = value, .end = value + len};
	char *word = arena_alloc(a, len + 1);
	int clear = word == NULL ? ERR_NOMEM : read_clear(&r, a, word);

	*head_r = (struct authres_head){.id = "", .clear = clear > 0};
	if (clear < 0)
		return clear;
	/* Where it is not, the first word.  Some write results only, with no
	 * name in front of them: spf=pass. */
	if (!head_r->clear) {
		r.p = value;
		skip(&r);
		while (r.p < r.end && *r.p != '"' &&
		    word_length(r.p, r.end) == 0)
			r.p++;
		take_word(&r, word);
		skip(&r);
		if (is_check(word) && r.p < r.end && *r.p == '=') {
			head_r->checks = true;
			return 0;
		}
	}
	head_r->id = authres_id(a, word);
	if (head_r->id == NULL)
		return ERR_NOMEM;
	head_r->checks = find_checks(&r, word);
	return 0;
}

/* -- what somebody might see -- */

/* What may stand between the parts of an id for who joins them. */
enum joint {
	JOINT_SIGNS,    /* blanks, quotes, backslashes and parentheses */
	JOINT_COMMENTS, /* comments too */
	JOINT_WORDS,    /* and words that begin with one of these signs: who
	    unquotes first takes "(x" for a comment */
	JOINTS
};

/* Skip such a word, up to what ends one outside quotes. */
static void
skip_quoted_word(struct reader *r)
{
	bool quoted = false;

	for (; r->p < r->end; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		else if (*r->p == '"')
			quoted = !quoted;
		else if (!quoted &&
		    (blank_length(r->p, r->end) > 0 ||
			strchr(";=.", *r->p) != NULL))
			return;
	}
}

/* The text in lower case without joints. */
static void
squeeze(struct reader r, enum joint joint, char *out)
{
	bool begins = true; /* a word does */

	while (r.p < r.end) {
		size_t n = blank_length(r.p, r.end);
		bool sign = n == 0 && strchr("\"\\()", *r.p) != NULL;

		if (n > 0) {
			r.p += n;
			begins = true;
		} else if (joint != JOINT_SIGNS && skip_comment(&r)) {
			begins = true;
		} else if (joint == JOINT_WORDS && begins && sign) {
			skip_quoted_word(&r);
		} else if (sign) {
			r.p++;
		} else {
			begins = strchr(";=.", *r.p) != NULL;
			n = utf8_length(r.p, (size_t)(r.end - r.p));
			for (n = n == 0 ? 1 : n; n > 0; n--)
				*out++ = lower(*r.p++);
		}
	}
	*out = '\0';
}

/* What is looked for, and room for it. */
struct search {
	struct arena *a;
	const char *id, *squeezed;
	char *text; /* as long as the value */
	int rc;     /* ERR_NOMEM: a word could not be compared */
};

static bool
find_squeezed(const struct search *s, struct reader r)
{
	for (enum joint joint = 0; joint < JOINTS; joint++) {
		squeeze(r, joint, s->text);
		if (strstr(s->text, s->squeezed) != NULL)
			return true;
	}
	return false;
}

static bool
is_id(struct search *s, const char *word)
{
	const char *name = authres_id(s->a, word);

	if (name == NULL)
		s->rc = ERR_NOMEM;
	return name != NULL && strcmp(name, s->id) == 0;
}

/* Is a word in U-labels, or in characters that IDNA maps to those of ours? */
static bool
find_word(struct search *s, struct reader r)
{
	while (r.p < r.end) {
		while (r.p < r.end && word_length(r.p, r.end) == 0)
			r.p++;
		take_word(&r, s->text);
		if (!idna_is_ascii(s->text) && is_id(s, s->text))
			return true;
	}
	return false;
}

/* An encoded word (RFC 2047) may hold anything for who decodes it. */
static bool
has_encoded(struct reader r)
{
	const char *mark = memmem(r.p, (size_t)(r.end - r.p), "=?", 2);

	return mark != NULL &&
	    memmem(mark + 2, (size_t)(r.end - mark - 2), "?=", 2) != NULL;
}

static bool
could_be_seen(struct search *s, struct reader r)
{
	return has_encoded(r) || find_squeezed(s, r) || find_word(s, r);
}

/* Is the word ours up to where, for somebody, an id ends: where a token does? */
static bool
is_id_first(struct search *s, char *word)
{
	char *end;

	word += strspn(word, " \t");
	for (end = word; is_token_char((unsigned char)*end);)
		end++;
	*end = '\0';
	return is_id(s, word);
}

static bool
is_name(const char *text)
{
	while (*text == ' ' || *text == '/' ||
	    is_token_char((unsigned char)*text))
		text++;
	return *text == '\0';
}

/* The id at the beginning, quoted or not.  Where it is quoted, it is read: if it
 * is a name, and another one, it is no word of ours; then *before_r is what
 * stands before it, and *r what is behind. */
static bool
begins_with_id(
    struct search *s, struct reader *r, struct reader *before_r)
{
	struct reader q = *r;
	bool quoted;

	*before_r = (struct reader){.p = r->p, .end = r->p};
	skip(&q);
	quoted = q.p < q.end && *q.p == '"';
	if (quoted)
		before_r->end = q.p;
	if (take_word(&q, s->text) && quoted && is_apart(&q) &&
	    is_name(s->text))
		*r = q;
	return is_id_first(s, s->text);
}

/* Does ours stand in the place of a result?  No result is only a name. */
static bool
find_later(struct search *s, struct reader r)
{
	struct reader q = r;
	unsigned left = OPEN_MAX; /* comments that are looked at */

	while ((r.p = memchr(r.p, ';', (size_t)(r.end - r.p))) != NULL) {
		r.p++;
		q.p = r.p;
		while (q.p < q.end && *q.p != ';' &&
		    word_length(q.p, q.end) == 0) {
			if (*q.p == '(' && left > 0) {
				left--;
				if (skip_comment(&q))
					continue;
			}
			q.p++;
		}
		take_word(&q, s->text);
		if (is_id_first(s, s->text))
			return true;
	}
	return false;
}

int
authres_claims(struct arena *a, const char *value, size_t len, const char *id,
    bool *claims_r)
{
	struct reader r = {.p = value, .end = value + len};
	struct reader whole = {.p = id, .end = id + strlen(id)};
	char *squeezed = arena_alloc(a, strlen(id) + 1);
	struct search s = {.a = a,
	    .id = id,
	    .squeezed = squeezed,
	    .text = arena_alloc(a, len + 1)};
	struct reader before;
	struct authres_head head;

	*claims_r = false;
	if (s.text == NULL || squeezed == NULL ||
	    authres_look(a, value, len, &head) != 0)
		return ERR_NOMEM;
	squeeze(whole, JOINT_SIGNS, squeezed);
	if (squeezed[0] == '\0')
		return 0;
	*claims_r = strcmp(head.id, id) == 0 ||
	    begins_with_id(&s, &r, &before) || find_later(&s, r);
	if (!*claims_r && !head.clear)
		*claims_r = could_be_seen(&s, r) || could_be_seen(&s, before);
	return s.rc;
}
