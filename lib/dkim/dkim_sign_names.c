/*
 * The choice of header fields to sign (RFC 6376 section 5.4).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dkim/dkim_sign_impl.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

#define NAME_LEN_MAX 256 /* octets of a name that is signed */

const char *const dkim_fields_default[] = {
    /* RFC 6376 section 5.4.1 */
    "From", "Reply-To", "Subject", "Date", "To", "Cc", "Resent-Date",
    "Resent-From", "Resent-To", "Resent-Cc", "In-Reply-To", "References",
    "List-Id", "List-Help", "List-Unsubscribe", "List-Subscribe", "List-Post",
    "List-Owner", "List-Archive",
    /* RFC 8058 section 4 */
    "List-Unsubscribe-Post",
    /* who wrote and how it is to be read */
    "Sender", "Resent-Sender", "Message-ID", "MIME-Version", "Content-Type",
    "Content-Transfer-Encoding", "Content-Disposition", "Content-ID",
    "Content-Description", NULL};

const char *const dkim_fields_never[] = {"Return-Path", "Received",
    "Comments", "Keywords", "Bcc", "Resent-Bcc", "DKIM-Signature",
    "Authentication-Results", "ARC-*", "X-Spam-*", "Status", "X-Status",
    "Delivered-To", "X-Original-To", NULL};

/* The first octet tells most names apart, and costs nothing. */
static bool
same(const char *name, const char *other, size_t len)
{
	if (len > 0 && ((name[0] ^ other[0]) & ~0x20) != 0)
		return false;
	return strlen(name) == len && strncasecmp(name, other, len) == 0;
}

bool
dkim_sign_is(const struct hdr *h, const char *name)
{
	return same(name, h->name, hdr_name_len(h));
}

bool
dkim_sign_named(const struct hdr *h, const char *const *names)
{
	for (size_t i = 0; names[i] != NULL; i++) {
		if (dkim_sign_is(h, names[i]))
			return true;
	}
	return false;
}

/* RFC 5322 section 3.6.8, less the ";" that RFC 6376 section 3.5 (h=) has no
 * room for. */
bool
dkim_sign_name_ok(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c <= ' ' || c > '~' || c == ':' || c == ';')
			return false;
	}
	return len > 0;
}

/* A line end is a fold only if white space follows it. */
static bool
fold_ok(const struct hdr *h, size_t lf)
{
	return lf + 1 < h->value_len &&
	    (h->value[lf + 1] == ' ' || h->value[lf + 1] == '\t');
}

bool
dkim_sign_field_ok(const struct hdr *h)
{
	const char *v = h->value;

	/* Spaces before the colon are known to all verifiers, tabs are not. */
	if (!dkim_sign_name_ok(h->name, hdr_name_len(h)) ||
	    memchr(h->name, '\t', h->name_len) != NULL ||
	    memchr(h->name, ':', h->name_len) != NULL)
		return false;
	for (size_t i = 0; i < h->value_len; i++) {
		if ((unsigned char)v[i] > '\r')
			continue;
		if (v[i] == '\0' || v[i] == '\v' || v[i] == '\f')
			return false;
		if (v[i] == '\r' && (i + 1 == h->value_len || v[i + 1] != '\n'))
			return false;
		if (v[i] == '\n' && !fold_ok(h, i))
			return false;
	}
	return true;
}

size_t
dkim_sign_count(const struct hdr_list *headers, const char *name, bool *ok_r)
{
	size_t n = 0;

	*ok_r = true;
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		if (!dkim_sign_is(h, name))
			continue;
		n++;
		if (!dkim_sign_field_ok(h))
			*ok_r = false;
	}
	return n;
}

/* Does the pattern, in which "*" stands for anything, match the name? */
static bool
matches(const char *pattern, const char *name, size_t len)
{
	const char *star, *tail;
	size_t head, at;

	if (pattern[0] != '*' && len > 0 &&
	    ((name[0] ^ pattern[0]) & ~0x20) != 0)
		return false;
	star = strchr(pattern, '*');
	if (star == NULL)
		return same(pattern, name, len);
	head = (size_t)(star - pattern);
	if (head > len || strncasecmp(pattern, name, head) != 0)
		return false;
	tail = star + 1;
	if (*tail == '\0')
		return true;
	for (at = head; at <= len; at++) {
		if (matches(tail, name + at, len - at))
			return true;
	}
	return false;
}

static bool
listed(const char *const *list, const char *name, size_t len)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		if (matches(list[i], name, len))
			return true;
	}
	return false;
}

/* The same for a list in which a pattern does not mean what changes on the
 * way. */
static bool
asked_for(const char *const *list, const char *name, size_t len)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		if (matches(list[i], name, len) &&
		    (strchr(list[i], '*') == NULL ||
			!listed(dkim_fields_never, name, len)))
			return true;
	}
	return false;
}

struct names {
	const char **list;
	size_t count, octets;
	size_t count_max, octets_max;
};

/* An h= in the making. */
struct choice {
	struct arena *arena;
	const struct hdr_list *headers;
	const struct dkim_fields *fields;
	const char *const *sign;
	const struct hdr **bad; /* fields no signature survives */
	size_t bad_count;
	struct names over, names;
	int error;
};

static int
names_init(struct names *n, struct arena *a, const struct names *less)
{
	n->count_max = DKIM_SIGN_NAMES_MAX - (less ? less->count : 0);
	n->octets_max = DKIM_SIGN_NAMES_OCTETS - (less ? less->octets : 0);
	n->list =
	    arena_alloc(a, (DKIM_SIGN_NAMES_MAX + 1) * sizeof(*n->list));
	return n->list == NULL ? ERR_NOMEM : 0;
}

/* One instance more, if there is room. */
static void
put(struct choice *c, struct names *n, const char *name, size_t len)
{
	char *copy;

	if (n->count == n->count_max || n->octets + len + 1 > n->octets_max)
		return;
	copy = arena_memdup(c->arena, name, len);
	if (copy == NULL) {
		c->error = ERR_NOMEM;
		return;
	}
	n->list[n->count++] = copy;
	n->octets += len + 1;
}

static int
find_bad(struct choice *c)
{
	for (const struct hdr *h = c->headers->first; h != NULL; h = h->next) {
		if (dkim_sign_field_ok(h))
			continue;
		if (c->bad == NULL)
			c->bad = arena_alloc(c->arena,
			    c->headers->count * sizeof(*c->bad));
		if (c->bad == NULL)
			return ERR_NOMEM;
		c->bad[c->bad_count++] = h;
	}
	return 0;
}

static bool
is_bad(const struct choice *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->bad_count; i++) {
		if (hdr_name_len(c->bad[i]) == len &&
		    strncasecmp(c->bad[i]->name, name, len) == 0)
			return true;
	}
	return false;
}

/* May it stand in h= at all? */
static bool
may_sign(const struct choice *c, const char *name, size_t len)
{
	return dkim_sign_name_ok(name, len) && len <= NAME_LEN_MAX &&
	    !same("DKIM-Signature", name, len) &&
	    (same("From", name, len) ||
		!listed(c->fields->omit, name, len)) &&
	    !is_bad(c, name, len);
}

static bool
has(const struct names *n, const char *name, size_t len)
{
	for (size_t i = 0; i < n->count; i++) {
		if (same(n->list[i], name, len))
			return true;
	}
	return false;
}

static void
put_over(struct choice *c, const char *name, size_t len)
{
	if (!has(&c->over, name, len) && may_sign(c, name, len))
		put(c, &c->over, name, len);
}

/* One instance more than there are, of what the lists name. */
static void
choose_over(struct choice *c)
{
	const char *const *list = c->fields->oversign;
	bool ok;

	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		size_t len = strlen(list[i]);

		if (strchr(list[i], '*') == NULL &&
		    (!listed(c->fields->late, list[i], len) ||
			dkim_sign_count(c->headers, list[i], &ok) > 0))
			put_over(c, list[i], len);
	}
	for (const struct hdr *h = c->headers->first; h != NULL; h = h->next) {
		size_t len = hdr_name_len(h);

		if (h->index == 1 && asked_for(list, h->name, len))
			put_over(c, h->name, len);
	}
}

/* The instances there are, in the order of the message but for From. */
static void
choose_present(struct choice *c)
{
	for (const struct hdr *h = c->headers->first; h != NULL; h = h->next) {
		if (dkim_sign_is(h, "From"))
			put(c, &c->names, "From", 4);
	}
	for (const struct hdr *h = c->headers->first; h != NULL; h = h->next) {
		size_t len = hdr_name_len(h);

		if (same("From", h->name, len) ||
		    (!asked_for(c->sign, h->name, len) &&
			!asked_for(c->fields->oversign, h->name, len)) ||
		    !may_sign(c, h->name, len))
			continue;
		put(c, &c->names, h->name, len);
	}
}

int
dkim_sign_names(struct arena *a, const struct hdr_list *headers,
    const struct dkim_fields *fields, const char *const **names_r)
{
	struct choice c = {.arena = a, .headers = headers, .fields = fields};
	bool from_ok;
	int rc;

	c.sign = fields->sign == NULL ? dkim_fields_default : fields->sign;
	if (dkim_sign_count(headers, "From", &from_ok) == 0)
		return ERR_NOTFOUND;
	if (!from_ok)
		return ERR_SYNTAX;
	rc = find_bad(&c);
	if (rc == 0)
		rc = names_init(&c.over, a, NULL);
	if (rc != 0)
		return rc;
	choose_over(&c);
	/* What the message has makes room for what must not be added to it. */
	rc = names_init(&c.names, a, &c.over);
	if (rc != 0)
		return rc;
	choose_present(&c);
	memcpy(c.names.list + c.names.count, c.over.list,
	    c.over.count * sizeof(*c.over.list));
	*names_r = c.names.list;
	return c.error;
}
