/* SPDX-License-Identifier: BSD-2-Clause */
#include "addr.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/text/encoded_word.h"

#define COMMENT_DEPTH 100 /* deeper ones are no comments any more */

/* An @ in quotes, in `outside`: there it means nothing. */
#define QUOTED_AT '\1'

static const char another[] = "another address stands beside an address";
static const char broken[] = "an item is no address";

/* One mailbox as it is being read: its words without comments and folds, in
 * copies as long as the value. */
struct mailbox {
	char *text;      /* what stands outside <>, or inside once there is */
	size_t len;
	size_t word;     /* where the word that is being read begins */
	size_t at;       /* of the last unquoted @ in text, +1; 0: none */
	size_t start;    /* where the word with that @ begins */
	char *outside;   /* all that stands outside <> */
	size_t outside_len;
	size_t group;    /* octets of it that are a group's name */
	size_t tail;     /* where in it begins what follows <> */
	const char *encoded; /* where the last encoded word ends; NULL: none */
	bool angle;      /* inside <> */
	bool had_angle;  /* there was a < */
	bool space;      /* white space since the last character */
	bool odd;        /* signs that can't be in a name are in the name */
	bool joint;      /* that was a dot or @, behind which it means nothing */
	bool bad;
};

struct reader {
	const char *begin, *p, *end;
	struct arena *arena;
	struct addr_list *out;
	int rc;
};

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

const char *
addr_skip_comment(const char *p, const char *end)
{
	int depth = 0;

	for (; p < end; p++) {
		if (*p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(' && ++depth > COMMENT_DEPTH)
			return NULL;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return NULL;
}

/* Octets of the encoded word that is a word of its own at p, which no sign cuts
 * but an @: many leave it there, though RFC 2047 section 5 does not.  0: none. */
static size_t
encoded_length(const char *begin, const char *p, const char *end)
{
	const char *stop = p;
	size_t marks = 0;

	if (end - p < 2 || p[0] != '=' || p[1] != '?' ||
	    (p > begin && !is_space(p[-1])))
		return 0;
	while (stop < end && !is_space(*stop) &&
	    strchr("()<>[]:;,\\\"", *stop) == NULL)
		marks += *stop++ == '?';
	return marks == 4 && stop[-1] == '=' && stop[-2] == '?'
	    ? (size_t)(stop - p)
	    : 0;
}

/* What follows <...> is decoration. */
static bool
is_over(const struct mailbox *m)
{
	return m->had_angle && !m->angle;
}

static void
put_outside(struct mailbox *m, char c)
{
	if (!m->angle)
		m->outside[m->outside_len++] = c;
}

/* Does a domain go on behind white space or a comment, though what stands
 * before is one already?  Some end it there: bank.example .evil.example */
static bool
goes_on(const struct mailbox *m)
{
	return m->space && m->at != 0 && !is_over(m) && m->len > m->at + 2 &&
	    memchr(m->text + m->at + 1, '.', m->len - m->at - 2) != NULL;
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
	m->bad = m->bad || goes_on(m);
	m->space = m->joint = false;
	m->text[m->len++] = c;
}

/* A quoted string, its quotes taken off.  In a display name it may hold any
 * text; behind <> it has no place. */
static void
read_quoted(struct reader *r, struct mailbox *m)
{
	/* In a domain it would hide what others read. */
	m->bad = m->bad || (m->at != 0 && !is_over(m));
	put_outside(m, '"');
	for (r->p++; r->p < r->end && *r->p != '"'; r->p++) {
		if (*r->p == '\\' && r->p + 1 < r->end)
			r->p++;
		if (*r->p == '\r' || *r->p == '\n')
			continue;
		put(m, *r->p);
		put_outside(m,
		    !is_over(m) && addr_at_length(r->p, r->end) > 0 ? QUOTED_AT
								    : *r->p);
	}
	put_outside(m, '"');
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

/* Is it a domain literal, or a dot-atom by RFC 5322 section 3.2.3?  A dot-atom
 * may have octets above 0x7f (RFC 6532). */
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

bool
addr_equal(const struct addr *a, const struct addr *b)
{
	return strcasecmp(a->local, b->local) == 0 &&
	    strcasecmp(a->domain, b->domain) == 0;
}

/* -- what looks like another address -- */

/* U+FF20, U+FE6B */
static const char *const other_ats[] = {"\xef\xbc\xa0", "\xef\xb9\xab"};

size_t
addr_at_length(const char *p, const char *end)
{
	if (*p == '@')
		return 1;
	if (end - p < 3 || (memcmp(p, other_ats[0], 3) != 0 &&
			       memcmp(p, other_ats[1], 3) != 0))
		return 0;
	return 3;
}

/* May the octet be in a word that a program takes for a part of an address? */
static bool
is_part(char c)
{
	return (unsigned char)c > 0x20 && c != 0x7f &&
	    strchr("()<>,;:@", c) == NULL;
}

/* The same at p, but a sign that looks like an @ does not belong to a part. */
static bool
is_part_of(const char *p, const char *end)
{
	return is_part(*p) && addr_at_length(p, end) == 0;
}

/* Skip white space, controls (which some readers drop) and, with dots, dots. */
static const char *
skip_blanks(const char *p, const char *end, bool dots)
{
	while (p < end && ((unsigned char)*p <= 0x20 || *p == 0x7f ||
			      (dots && *p == '.')))
		p++;
	return p;
}

/* Is there a dot with a part on either side?  White space is ignored. */
static bool
has_dot(const char *p, const char *end)
{
	const char *dot;

	p = skip_blanks(p, end, true);
	for (dot = p; dot < end && is_part_of(dot, end) && *dot != '.'; dot++)
		;
	if (dot == p)
		return false;
	dot = skip_blanks(dot, end, false);
	if (dot == end || *dot != '.')
		return false;
	dot = skip_blanks(dot, end, true);
	return dot < end && is_part(*dot);
}

/* Would a program or a person read an address other than `but` around the @ at
 * `at`, which has `sign` octets?  A plain @ needs a part on both sides.  With
 * white space beside it (`Bob @ Work`), nothing before it (`@bob`) or another
 * sign for it, the text may be a name: then it needs a domain with a dot. */
static bool
is_address(const char *text, const char *at, size_t sign, const char *end,
    const struct addr *but)
{
	const char *local = at, *domain = at + sign, *stop = domain;
	size_t len;

	while (local > text && is_part(local[-1]) &&
	    (local - text < 3 || addr_at_length(local - 3, at) != 3))
		local--;
	while (stop < end && is_part_of(stop, end))
		stop++;
	if (local == at || stop == domain)
		return has_dot(domain, end);
	if (sign > 1 && !has_dot(domain, end))
		return false;
	if (but == NULL)
		return true;
	/* Some put a name into these quotes, which mean nothing here. */
	if (at - local > 1 && stop - domain > 1 && *local == '\'' &&
	    stop[-1] == '\'') {
		local++;
		stop--;
	}
	for (len = (size_t)(stop - domain); len > 0 && domain[len - 1] == '.';)
		len--;
	return strlen(but->local) != (size_t)(at - local) ||
	    strncasecmp(but->local, local, (size_t)(at - local)) != 0 ||
	    strlen(but->domain) != len ||
	    strncasecmp(but->domain, domain, len) != 0;
}

static bool
has_address(const char *text, size_t len, const struct addr *but)
{
	const char *end = text + len;

	for (const char *at = text; at < end; at++) {
		size_t sign = addr_at_length(at, end);

		if (sign > 0 && is_address(text, at, sign, end, but))
			return true;
	}
	return false;
}

/* The same of the name before <>, where an encoded word may hold anything. */
static bool
name_has_address(const char *text, size_t len, const struct addr *but)
{
	const char *end = text + len, *from = text;

	for (const char *p = text; p < end; p++) {
		size_t n = encoded_length(text, p, end);

		if (n == 0)
			continue;
		if (has_address(from, (size_t)(p - from), but))
			return true;
		from = p + n;
		p = from - 1;
	}
	return has_address(from, (size_t)(end - from), but);
}

static bool
has_encoded(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] == '=' && text[i + 1] == '?')
			return true;
	}
	return false;
}

/* The same where encoded words have no place, so that some decode them and
 * others don't. */
static bool
hides_address(struct reader *r, const char *text, size_t len,
    const struct addr *but)
{
	struct buf b = BUF_INIT;
	bool yes;

	if (has_address(text, len, but))
		return true;
	if (!has_encoded(text, len))
		return false;
	encoded_word_decode(&b, "From", 4, text, len);
	yes = b.failed || has_address(buf_text(&b), b.len, but);
	if (b.failed)
		r->rc = ERR_NOMEM;
	buf_fini(&b);
	return yes;
}

/* Does a local part in quotes hold an address?  Programs that do not know quotes
 * find that one. */
static bool
holds_address(const char *local)
{
	const char *end = local + strlen(local);

	for (const char *p = local; p < end; p++) {
		size_t sign = addr_at_length(p, end);

		if (sign > 0 && has_dot(p + sign, end))
			return true;
	}
	return false;
}

/* An encoded word must not stand in an address (RFC 2047 section 5).  Who
 * decodes it all the same finds another address, where it holds an @. */
static bool
local_fits(struct reader *r, const char *local)
{
	struct buf b = BUF_INIT;
	bool yes;

	if (!has_encoded(local, strlen(local)))
		return true;
	encoded_word_decode(&b, "From", 4, local, strlen(local));
	yes = !b.failed && strlen(buf_text(&b)) == b.len &&
	    strpbrk(buf_text(&b), "@<>,;\r\n") == NULL;
	if (b.failed)
		r->rc = ERR_NOMEM;
	buf_fini(&b);
	return yes;
}

/* Does all that stands around the address leave it the only one?  Before <> a
 * quoted text or an encoded word is a name, whatever it holds, as long as the
 * name is one (RFC 5322 section 3.2.5, with dots). */
static bool
is_alone(struct reader *r, const struct mailbox *m, const struct addr *a)
{
	if (hides_address(r, m->outside, m->group, a))
		return false;
	if (!m->had_angle)
		return !hides_address(r, m->text, m->start, a);
	if (m->odd)
		return !hides_address(r, m->outside, m->outside_len, a);
	return !name_has_address(m->outside, m->outside_len, a) &&
	    !hides_address(
		r, m->outside + m->tail, m->outside_len - m->tail, a);
}

/* -- mailboxes -- */

static void
fail(struct reader *r, const char *why)
{
	if (r->out->why == NULL)
		r->out->why = why;
}

/* An item without <> and @. */
static void
finish_name(struct reader *r, struct mailbox *m)
{
	if (memchr(m->text, '@', m->len) != NULL ||
	    hides_address(r, m->text, m->len, NULL) ||
	    hides_address(r, m->outside, m->group, NULL))
		fail(r, another);
	else
		r->out->names = r->out->names || m->len > 0;
}

/* A mailbox is complete: keep it. */
static void
finish(struct reader *r, struct mailbox *m)
{
	struct addr a;

	if (!m->had_angle && !m->bad && m->at == 0) {
		finish_name(r, m);
		return;
	}
	if (m->bad || m->angle || m->at == 0 || m->at - 1 == m->start) {
		fail(r, broken);
		return;
	}
	/* What stands before a bare address is a name without <>. */
	a.local = arena_memdup(
	    r->arena, m->text + m->start, m->at - 1 - m->start);
	a.domain = clean_domain(r->arena, m->text + m->at, m->len - m->at);
	if (a.local == NULL || a.domain == NULL)
		r->rc = ERR_NOMEM;
	else if (!domain_fits(a.domain))
		fail(r, "what follows an @ is no domain");
	else if (holds_address(a.local))
		fail(r, "an address stands in a local part");
	else if (!local_fits(r, a.local))
		fail(r, "an encoded word stands in an address");
	else if (!is_alone(r, m, &a))
		fail(r, another);
	else if (r->out->count == ADDR_LIST_MAX)
		fail(r, "there are more addresses than are read");
	else
		r->out->list[r->out->count++] = a;
}

static void
begin(struct mailbox *m)
{
	m->len = m->at = m->word = m->start = 0;
	m->outside_len = m->group = m->tail = 0;
	m->angle = m->had_angle = m->space = m->joint = false;
	m->odd = m->bad = false;
	m->encoded = NULL;
}

static void
open_angle(struct mailbox *m)
{
	m->bad = m->had_angle;
	m->len = m->at = m->word = m->start = 0;
	put_outside(m, ' ');
	m->angle = m->had_angle = true;
	m->space = false;
}

static void
close_angle(struct mailbox *m)
{
	m->bad = m->bad || !m->angle;
	m->angle = false;
	m->tail = m->outside_len;
	put_outside(m, '>');
}

/* Is it a route: @domain, or several with commas between (RFC 5322 section
 * 4.4)?  Everybody takes what is behind its colon for the address. */
static bool
is_route(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((i == 0 || text[i - 1] == ',') != (text[i] == '@') ||
		    text[i] == ' ' || text[i] == '"')
			return false;
	}
	return len > 1;
}

/* A colon: the end of a route inside <>, of a group's name outside. */
static void
colon(struct mailbox *m)
{
	/* Behind `@[` it is an IPv6 literal's, unless in a route's. */
	if (m->at > 1 && m->len > m->at && m->text[m->at] == '[') {
		put(m, ':');
		return;
	}
	m->bad = (m->angle && (m->bad || !is_route(m->text, m->len))) ||
	    is_over(m);
	m->len = m->at = m->word = m->start = 0;
	put_outside(m, ':');
	m->group = m->outside_len;
}

static void
at_sign(struct mailbox *m)
{
	if (is_over(m))
		return;
	/* Two addresses with nothing but space between them, or less. */
	m->bad = m->bad || (m->at != 0 && !(m->angle && m->text[0] == '@'));
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
	size_t encoded = encoded_length(r->begin, r->p, r->end);
	char c = *r->p++;

	if (encoded > 0)
		m->encoded = r->p - 1 + encoded;
	m->odd = m->odd ||
	    (!m->had_angle && strchr("()[]\\>@", c) != NULL &&
		(c != '@' || m->encoded == NULL || r->p > m->encoded));
	if (strchr("<>:\\", c) == NULL)
		put_outside(m, c);
	switch (c) {
	case '<':
		open_angle(m);
		break;
	case '>':
		close_angle(m);
		break;
	case ':':
		colon(m);
		break;
	case '\\':
		m->bad = m->bad || (m->at != 0 && !is_over(m));
		if (r->p == r->end)
			break;
		m->bad = m->bad || (*r->p == '@' && !is_over(m));
		put_outside(m, *r->p);
		put(m, *r->p++);
		break;
	case '@':
		at_sign(m);
		break;
	case '.':
	case ',': /* in a route only */
		m->bad = m->bad || (c == '.' && goes_on(m));
		m->space = m->space && m->at == 0 && !m->angle;
		put(m, c);
		m->joint = true;
		break;
	default:
		put(m, c);
	}
}

/* What can be a fold, a comment or white space. */
static void
read_space(struct mailbox *m)
{
	m->space = true;
	put_outside(m, ' ');
}

static bool
ends_item(const struct mailbox *m, char c)
{
	return c == ';' ||
	    (c == ',' && !(m->angle && m->len > 0 && m->text[0] == '@'));
}

int
addr_read(struct arena *a, const char *value, size_t len,
    struct addr_list *list_r)
{
	struct reader r = {
	    .begin = value, .p = value, .end = value + len, .arena = a,
	    .out = list_r};
	struct mailbox m = {.text = arena_alloc(a, 2 * len + 1),
	    .outside = arena_alloc(a, 2 * len + 1)};
	const char *behind;

	list_r->count = 0;
	list_r->names = false;
	list_r->why = NULL;
	if (m.text == NULL || m.outside == NULL)
		return ERR_NOMEM;
	while (r.p < r.end) {
		if (is_space(*r.p)) {
			read_space(&m);
			r.p++;
		} else if (*r.p == '(' &&
		    (behind = addr_skip_comment(r.p, r.end)) != NULL) {
			read_space(&m);
			r.p = behind;
		} else if (*r.p == '"') {
			read_quoted(&r, &m);
		} else if (ends_item(&m, *r.p)) {
			r.p++;
			finish(&r, &m);
			begin(&m);
		} else {
			read_char(&r, &m);
		}
	}
	finish(&r, &m);
	/* Where it ends is anybody's guess (RFC 5322 section 4.1). */
	if (memchr(value, '\0', len) != NULL)
		fail(&r, "there is a NUL in it");
	return r.rc;
}

const char *
addr_bare(struct arena *a, const char *address)
{
	size_t len = strlen(address);

	if (len >= 2 && address[0] == '<' && address[len - 1] == '>') {
		address++;
		len -= 2;
	}
	return arena_memdup(a, address, len);
}

bool
addr_is_postmaster(const char *address)
{
	static const char name[] = "postmaster";
	size_t len = sizeof(name) - 1;

	return strncasecmp(address, name, len) == 0 &&
	    (address[len] == '\0' || address[len] == '@');
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
