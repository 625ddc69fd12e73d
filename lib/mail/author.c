/* SPDX-License-Identifier: BSD-2-Clause */
#include "author.h"

#include <string.h>

#include "hdr.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "lib/text/encoded_word.h"

/* -- what is kept -- */

static void
unreadable(struct author *who, const char *why)
{
	who->state = AUTHOR_UNREADABLE;
	if (who->why == NULL)
		who->why = why;
}

static void
add_domain(struct author *who, const char *domain)
{
	for (size_t i = 0; i < who->domain_count; i++) {
		if (strcmp(who->domains[i], domain) == 0)
			return;
	}
	if (who->domain_count < AUTHOR_DOMAINS_MAX)
		who->domains[who->domain_count++] = domain;
	else
		who->more = true;
}

static void
add_seen(struct author *who, const char *local, const char *domain)
{
	const struct addr seen = {.local = local, .domain = domain};

	for (size_t i = 0; i < who->seen_count; i++) {
		if (addr_equal(&who->seen[i], &seen))
			return;
	}
	add_domain(who, domain);
	if (who->seen_count < ADDR_LIST_MAX)
		who->seen[who->seen_count++] = seen;
}

/* -- what a liberal reader could see -- */

/* A text to look for addresses in. */
struct view {
	struct arena *arena;
	struct author *who;
	const char *text;
	size_t len;
};

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Octets of domain names, be they letters of other alphabets. */
static bool
is_domain_octet(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0x80 || (u >= '0' && u <= '9') || (u >= 'A' && u <= 'Z') ||
	    (u >= 'a' && u <= 'z') || u == '-' || u == '_' || u == '.';
}

static bool
is_local_octet(char c)
{
	return is_domain_octet(c) ||
	    (c != '\0' && strchr("!#$%&'*+/=?^`{|}~", c) != NULL);
}

/* It stands inside labels only: no name of a host begins or ends with it (RFC
 * 1123 section 2.1). */
static bool
is_inner(char c)
{
	return c == '-' || c == '_';
}

/* The name without such signs at its ends; *name_r NULL: that is the same, or
 * none.  0 or ERR_NOMEM. */
static int
trim(struct arena *a, const char *name, const char **name_r)
{
	size_t len = strlen(name), start = 0;

	*name_r = NULL;
	while (len > 0 && (is_inner(name[len - 1]) || name[len - 1] == '.'))
		len--;
	while (start < len && (is_inner(name[start]) || name[start] == '.'))
		start++;
	if (start == len || (start == 0 && name[len] == '\0'))
		return 0;
	*name_r = arena_memdup(a, name + start, len - start);
	return *name_r == NULL ? ERR_NOMEM : 0;
}

/* The name without empty labels; *name_r NULL: it is none.  0 or ERR_NOMEM. */
static int
domain_name(struct arena *a, const char *text, size_t len, bool ascii,
    const char **name_r)
{
	char *name = arena_memdup(a, text, len);
	size_t n = 0;

	*name_r = NULL;
	if (name == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < len; i++) {
		if ((ascii && (unsigned char)text[i] >= 0x80) ||
		    (text[i] == '.' && (n == 0 || name[n - 1] == '.')))
			continue;
		name[n++] = text[i];
	}
	name[n] = '\0';
	return n > 0 && idna_ascii(a, name, name_r) == ERR_NOMEM ? ERR_NOMEM
								 : 0;
}

/* A run of octets that may be a domain.  Where it is none, for signs that
 * nobody sees or blanks that are not ASCII, it is without these, and up to
 * the first.  0 or ERR_NOMEM, as all that look for them. */
static int
see(const struct view *v, const char *local, size_t local_len,
    const char *domain, size_t len)
{
	const char *names[3] = {NULL}, *trimmed;
	const char *copy = arena_memdup(v->arena, local, local_len);
	size_t ascii = 0;
	int rc = copy == NULL
	    ? ERR_NOMEM
	    : domain_name(v->arena, domain, len, false, &names[0]);

	while (ascii < len && (unsigned char)domain[ascii] < 0x80)
		ascii++;
	if (rc == 0 && names[0] == NULL && ascii < len) {
		rc = domain_name(v->arena, domain, len, true, &names[1]);
		if (rc == 0)
			rc = domain_name(
			    v->arena, domain, ascii, true, &names[2]);
	}
	for (size_t i = 0; i < 3 && rc == 0; i++) {
		if (names[i] == NULL)
			continue;
		add_seen(v->who, copy, names[i]);
		rc = trim(v->arena, names[i], &trimmed);
		if (trimmed != NULL)
			add_seen(v->who, copy, trimmed);
	}
	return rc;
}

/* Whatever stands behind an @, or a % (which some relays take for one). */
static int
scan_addresses(const struct view *v)
{
	int rc = 0;

	for (size_t i = 0; i < v->len && !v->who->more && rc == 0; i++) {
		size_t begin = i, start = i + 1, end;

		if (v->text[i] != '@' && v->text[i] != '%')
			continue;
		while (begin > 0 && is_local_octet(v->text[begin - 1]))
			begin--;
		while (start < v->len &&
		    (v->text[start] == '[' || v->text[start] == '.'))
			start++;
		for (end = start;
		     end < v->len && is_domain_octet(v->text[end]); end++)
			;
		rc = see(v, v->text + begin, i - begin, v->text + start,
		    end - start);
	}
	return rc;
}

/* Words that may be domains, for they have a dot inside. */
static int
scan_words(const struct view *v)
{
	int rc = 0;

	for (size_t i = 0; i < v->len && !v->who->more && rc == 0;) {
		size_t end = i, len;

		while (end < v->len && is_domain_octet(v->text[end]))
			end++;
		for (len = end - i; len > 0 && v->text[i + len - 1] == '.';)
			len--;
		if (len > 2 && memchr(v->text + i + 1, '.', len - 1) != NULL)
			rc = see(v, "", 0, v->text + i, len);
		i = end + 1;
	}
	return rc;
}

/* White space beside it means nothing. */
static bool
is_joint(char c)
{
	return c == '.' || c == '@';
}

/* As programs read it that leave out what is no part of an address: comments,
 * controls, and quotes with white space beside a dot or @; or white space
 * anywhere, but then quotes end a domain. */
static int
scan_bare(const struct view *v, bool anywhere)
{
	char *text = arena_alloc(v->arena, v->len + 1);
	struct view bare = *v;
	const char *p = v->text, *end = v->text + v->len, *behind;
	size_t n = 0;
	bool blank = false;

	if (text == NULL)
		return ERR_NOMEM;
	while (p < end) {
		if (*p == '(' && (behind = addr_skip_comment(p, end)) != NULL) {
			blank = true;
			p = behind;
			continue;
		}
		if (is_blank(*p)) {
			blank = true;
		} else if ((unsigned char)*p > 0x20 && *p != 0x7f &&
		    (*p != '"' || anywhere) && *p != '\\') {
			if (blank && !anywhere && n > 0 && !is_joint(*p) &&
			    !is_joint(text[n - 1]))
				text[n++] = ' ';
			blank = false;
			text[n++] = *p;
		}
		p++;
	}
	bare.text = text;
	bare.len = n;
	return scan_addresses(&bare);
}

static int
scan(const struct view *v)
{
	int rc = scan_addresses(v);

	if (rc == 0)
		rc = scan_bare(v, false);
	return rc != 0 ? rc : scan_bare(v, true);
}

/* Is it a dot to who looks at it, though IDNA knows it not: U+2024, U+FE52? */
static bool
is_other_dot(const char *p, const char *end)
{
	return end - p >= 3 &&
	    (memcmp(p, "\xe2\x80\xa4", 3) == 0 ||
		memcmp(p, "\xef\xb9\x92", 3) == 0);
}

/* Signs that stand for an @ or a dot become that. */
static void
plain_signs(struct buf *b)
{
	const char *end = b->data + b->len;
	size_t n = 0, len;

	for (const char *p = b->data; p < end; p += len) {
		char c = *p;

		len = addr_at_length(p, end);
		if (len > 0) {
			c = '@';
		} else if (is_other_dot(p, end)) {
			c = '.';
			len = 3;
		} else {
			len = 1;
		}
		b->data[n++] = c;
	}
	b->len = n;
}

/* The text with its encoded words decoded.  apart: what stands right behind one
 * is not taken for the rest of its last word. */
static void
decode(struct buf *b, const struct view *v, bool apart)
{
	struct buf spaced = BUF_INIT;

	for (size_t i = 0; i < v->len; i++) {
		buf_char(&spaced, v->text[i]);
		if (apart && i > 0 && v->text[i] == '=' &&
		    v->text[i - 1] == '?')
			buf_char(&spaced, ' ');
	}
	if (spaced.len > 0)
		encoded_word_decode(b, "From", 4, spaced.data, spaced.len);
	b->failed = b->failed || spaced.failed;
	buf_fini(&spaced);
	if (b->len > 0)
		plain_signs(b);
}

static int
scan_decoded(const struct view *raw, bool apart, bool words)
{
	struct buf decoded = BUF_INIT;
	struct view v = *raw;
	int rc = 0;

	decode(&decoded, raw, apart);
	v.text = decoded.len > 0 ? decoded.data : "";
	v.len = decoded.len;
	if (decoded.failed)
		rc = ERR_NOMEM;
	else
		rc = words ? scan_words(&v) : scan(&v);
	buf_fini(&decoded);
	return rc;
}

/* All that could be seen in a field.  Only where nothing looks like an address
 * do words count: who can be read may have others' domains in a name, too. */
static int
look(struct arena *a, const struct hdr *h, struct author *who)
{
	const struct view raw = {
	    .arena = a, .who = who, .text = h->value, .len = h->value_len};
	size_t before = who->seen_count;
	int rc = scan(&raw);

	for (int apart = 0; rc == 0 && apart < 2; apart++)
		rc = scan_decoded(&raw, apart, false);
	if (rc == 0 && who->seen_count == before)
		rc = scan_decoded(&raw, true, true);
	return rc;
}

/* -- fields -- */

/* Every mailbox of a field: of other readers' mailboxes none may be lost. */
static int
add_field(struct arena *a, const struct hdr *h, struct author *who)
{
	struct addr_list l;
	int rc = addr_read(a, h->value, h->value_len, &l);

	who->fields++;
	if (rc != 0)
		return rc;
	who->names = who->names || l.names;
	if (l.why != NULL)
		unreadable(who, l.why);
	else if (l.count == 0)
		unreadable(who, "there is no address in it");
	for (size_t i = 0; i < l.count; i++) {
		const char *domain;

		if (idna_ascii(a, l.list[i].domain, &domain) == ERR_NOMEM)
			return ERR_NOMEM;
		if (domain == NULL || is_inner(domain[0]) ||
		    is_inner(domain[strlen(domain) - 1]))
			unreadable(who, "a domain in it is none of the DNS");
		if (domain != NULL)
			add_domain(who, domain);
		if (who->count < ADDR_LIST_MAX)
			who->list[who->count++] = l.list[i];
		else
			unreadable(who,
			    "there are more addresses than are read");
	}
	return 0;
}

static void
begin(struct author *who)
{
	*who = (struct author){.state = AUTHOR_NONE};
}

/* Where reading stops half-way, nothing of it may be believed. */
static int
end(struct author *who, int rc)
{
	if (rc != 0)
		unreadable(who, "no memory");
	else if (who->state == AUTHOR_NONE && who->fields > 0)
		who->state = who->fields == 1 && who->count == 1
		    ? AUTHOR_ONE
		    : AUTHOR_SEVERAL;
	return rc;
}

int
author_read(
    struct arena *a, const struct hdr_list *headers, struct author *who)
{
	int rc = 0;

	begin(who);
	for (const struct hdr *h = headers->first; rc == 0 && h != NULL;
	     h = h->next) {
		if (hdr_is(h, "From"))
			rc = add_field(a, h, who);
	}
	who->domains_read = who->domain_count;
	for (const struct hdr *h = headers->first;
	     rc == 0 && who->state == AUTHOR_UNREADABLE && h != NULL;
	     h = h->next) {
		if (hdr_is(h, "From"))
			rc = look(a, h, who);
	}
	return end(who, rc);
}

int
author_read_field(
    struct arena *a, const struct hdr *h, struct author *who)
{
	int rc;

	begin(who);
	rc = add_field(a, h, who);
	who->domains_read = who->domain_count;
	if (rc == 0 && who->state == AUTHOR_UNREADABLE)
		rc = look(a, h, who);
	return end(who, rc);
}

const char *
author_domain(const struct author *who)
{
	return who->state == AUTHOR_ONE ? who->domains[0] : NULL;
}
