/* SPDX-License-Identifier: BSD-2-Clause */
#include "addr.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "arena.h"
#include "err.h"

#define COMMENT_DEPTH 100 /* deeper ones are no comments any more */

/* One mailbox as it is being read: its words without comments and folds, in a
 * copy as long as the value at most. */
struct mailbox {
	char *text;      /* what stands outside <>, or inside once there is */
	size_t len;
	size_t word;     /* where the word that is being read begins */
	size_t at;       /* of the last unquoted @ in text, +1; 0: none */
	size_t start;    /* where the word with that @ begins */
	bool angle;      /* inside <> */
	bool had_angle;  /* there was a < */
	bool space;      /* white space since the last character */
	bool joint;      /* that was a dot or @, behind which it means nothing */
	bool bad;
};

struct reader {
	const char *p, *end;
	struct arena *arena;
	struct addr *out;
	size_t max, count;
	int rc;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Skip a comment, which may nest and quote.  false: it does not end. */
static bool
skip_comment(struct reader *r)
{
	const char *p = r->p;
	int depth = 0;

	for (; p < r->end; p++) {
		if (*p == '\\' && p + 1 < r->end)
			p++;
		else if (*p == '(' && ++depth > COMMENT_DEPTH)
			return false;
		else if (*p == ')' && --depth == 0) {
			r->p = p + 1;
			return true;
		}
	}
	return false;
}

/* What follows <...> is decoration. */
static bool
is_over(const struct mailbox *m)
{
	return m->had_angle && !m->angle;
}

/* The words of a name may run together, but where the address is white space
 * stands only beside a dot or @ (RFC 5322 section 4.4). */
static void
put(struct mailbox *m, char c)
{
	if (is_over(m))
		return;
	if (m->space && m->len > 0 &&
	    !(m->joint && (m->angle || m->at != 0))) {
		m->bad = m->bad || m->angle;
		m->text[m->len++] = ' ';
		m->word = m->len;
	}
	m->space = m->joint = false;
	m->bad = m->bad || c == '\0';
	m->text[m->len++] = c;
}

/* A quoted string, its quotes taken off. */
static void
read_quoted(struct reader *r, struct mailbox *m)
{
	/* In a domain it would hide what others read. */
	m->bad = m->bad || (m->at != 0 && !is_over(m));
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		if (*r->p != '\r' && *r->p != '\n')
			put(m, *r->p);
	}
	if (r->p == r->end)
		m->bad = true;
	else
		r->p++;
}

/* The domain in lower case, without a final dot. */
static char *
clean_domain(struct arena *a, const char *text, size_t len)
{
	char *d = arena_memdup(a, text, len);

	if (d == NULL)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)d[i];

		d[i] = (char)(c < 0x80 ? tolower(c) : c);
	}
	if (len > 0 && d[len - 1] == '.')
		d[len - 1] = '\0';
	return d;
}

/* RFC 5322 section 3.6.2 lets nothing else stand in a dot-atom; octets above
 * 0x7f are RFC 6532's. */
static bool
domain_fits(const char *d)
{
	if (d[0] == '[')
		return strlen(d) > 2 && d[strlen(d) - 1] == ']' &&
		    strpbrk(d, "<>@,;\"\\ ") == NULL;
	for (const char *p = d; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c <= 0x20 || c == 0x7f || strchr("()<>[]:;@\\,\"", c))
			return false;
		if (c == '.' && (p == d || p[1] == '.' || p[1] == '\0'))
			return false;
	}
	return d[0] != '\0';
}

static void
fail(struct reader *r, int rc)
{
	if (r->rc == 0 || rc == ERR_NOMEM)
		r->rc = rc;
}

/* A mailbox is complete: keep it. */
static void
finish(struct reader *r, struct mailbox *m)
{
	struct addr a;

	if (m->len == 0 && !m->had_angle && !m->bad)
		return; /* an empty item of a list */
	if (m->bad || m->angle || m->at == 0 || m->at - 1 == m->start) {
		fail(r, ERR_SYNTAX);
		return;
	}
	if (r->count == r->max) {
		fail(r, ERR_LIMIT);
		return;
	}
	/* What stands before a bare address is a name without <>. */
	a.local = arena_memdup(
	    r->arena, m->text + m->start, m->at - 1 - m->start);
	a.domain = clean_domain(r->arena, m->text + m->at, m->len - m->at);
	if (a.local == NULL || a.domain == NULL)
		fail(r, ERR_NOMEM);
	else if (!domain_fits(a.domain))
		fail(r, ERR_SYNTAX);
	else
		r->out[r->count++] = a;
}

static void
begin(struct mailbox *m)
{
	m->len = m->at = m->word = m->start = 0;
	m->angle = m->had_angle = m->space = m->joint = m->bad = false;
}

static void
open_angle(struct mailbox *m)
{
	m->bad = m->had_angle;
	m->len = m->at = m->word = m->start = 0;
	m->angle = m->had_angle = true;
	m->space = false;
}

/* A colon: the end of a route inside <>, of a group's name outside. */
static void
colon(struct mailbox *m)
{
	/* Behind `@[` it is an IPv6 literal's, unless in a route's. */
	if (m->at > 1 && m->len > m->at && m->text[m->at] == '[')
		put(m, ':');
	else
		m->len = m->at = m->word = m->start = 0;
}

static void
at_sign(struct mailbox *m)
{
	if (is_over(m))
		return;
	/* Two addresses with nothing but space between them. */
	m->bad = m->bad || (m->at != 0 && m->word > m->at);
	m->space = false;
	put(m, '@');
	m->joint = true;
	m->at = m->len;
	m->start = m->word;
}

/* One character that is not space, comment or quoted. */
static void
read_char(struct reader *r, struct mailbox *m)
{
	char c = *r->p++;

	switch (c) {
	case '<':
		open_angle(m);
		break;
	case '>':
		m->bad = m->bad || !m->angle;
		m->angle = false;
		break;
	case ':':
		colon(m);
		break;
	case '\\':
		m->bad = m->bad || (m->at != 0 && !is_over(m));
		if (r->p < r->end)
			put(m, *r->p++);
		break;
	case '@':
		at_sign(m);
		break;
	case '.':
		m->space = m->space && m->at == 0 && !m->angle;
		put(m, c);
		m->joint = true;
		break;
	default:
		put(m, c);
	}
}

int
addr_list(struct arena *a, const char *value, size_t len,
    struct addr *addrs_r, size_t max, size_t *count_r)
{
	struct reader r = {.p = value,
	    .end = value + len,
	    .arena = a,
	    .out = addrs_r,
	    .max = max};
	struct mailbox m = {.text = arena_alloc(a, 2 * len + 1)};

	*count_r = 0;
	if (m.text == NULL)
		return ERR_NOMEM;
	while (r.p < r.end) {
		if (is_space(*r.p)) {
			m.space = true;
			r.p++;
		} else if (*r.p == '(' && skip_comment(&r)) {
			m.space = true;
		} else if (*r.p == '"') {
			read_quoted(&r, &m);
		} else if (*r.p == ';' || (*r.p == ',' &&
			       !(m.angle && m.text[0] == '@'))) {
			r.p++;
			finish(&r, &m);
			begin(&m);
		} else {
			read_char(&r, &m);
		}
	}
	finish(&r, &m);
	*count_r = r.count;
	return r.rc;
}

int
addr_split(struct arena *a, const char *address, struct addr *addr_r)
{
	const char *at = strrchr(address, '@');
	size_t len = at == NULL ? strlen(address) : (size_t)(at - address);

	addr_r->local = arena_memdup(a, address, len);
	addr_r->domain =
	    at == NULL ? "" : clean_domain(a, at + 1, strlen(at + 1));
	return addr_r->local == NULL || addr_r->domain == NULL ? ERR_NOMEM : 0;
}
