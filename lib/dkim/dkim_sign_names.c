/*
 * The choice of header fields to sign (RFC 6376 section 5.4).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/dkim/dkim_sign_impl.h"

#include <string.h>
#include <strings.h>

#include "lib/arena.h"
#include "lib/err.h"

#define PATTERN_FIELDS_MAX 1024 /* names that patterns bring in */

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

size_t
dkim_sign_name_len(const struct hdr *h)
{
	const char *colon = memchr(h->name, ':', h->name_len);
	size_t len = colon == NULL ? h->name_len : (size_t)(colon - h->name);

	while (len > 0 &&
	    (h->name[len - 1] == ' ' || h->name[len - 1] == '\t'))
		len--;
	return len;
}

/* The first octet tells most names apart, and costs nothing. */
static bool
same(const char *name, const char *other, size_t len)
{
	if (len > 0 && ((name[0] ^ other[0]) & ~0x20) != 0)
		return false;
	return strncasecmp(name, other, len) == 0 && name[len] == '\0';
}

bool
dkim_sign_is(const struct hdr *h, const char *name)
{
	return same(name, h->name, dkim_sign_name_len(h));
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
	if (!dkim_sign_name_ok(h->name, dkim_sign_name_len(h)) ||
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
	const char *star = strchr(pattern, '*'), *tail;
	size_t head, at;

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

/* An h= in the making. */
struct choice {
	struct arena *arena;
	const struct hdr_list *headers;
	const struct dkim_fields *fields;
	const char **names;
	size_t count, octets;
	size_t tries; /* fields looked at for patterns */
	int error;
};

static bool
chosen(const struct choice *c, const char *name, size_t len)
{
	for (size_t i = 0; i < c->count; i++) {
		if (same(c->names[i], name, len))
			return true;
	}
	return false;
}

/* One name, as often as there are instances; false: there is no more room. */
static void
choose(struct choice *c, const char *name, size_t len, bool over)
{
	bool from = same("From", name, len), ok;
	char *copy;
	size_t n;

	if (!dkim_sign_name_ok(name, len) || chosen(c, name, len) ||
	    same("DKIM-Signature", name, len) ||
	    (!from && listed(c->fields->omit, name, len)))
		return;
	copy = arena_memdup(c->arena, name, len);
	if (copy == NULL) {
		c->error = ERR_NOMEM;
		return;
	}
	n = dkim_sign_count(c->headers, copy, &ok);
	if (from && (n == 0 || !ok))
		c->error = n == 0 ? ERR_NOTFOUND : ERR_SYNTAX;
	if (!ok || (n == 0 && listed(c->fields->late, name, len)))
		return;
	for (n += over; n > 0; n--) {
		if (c->count == DKIM_SIGN_NAMES_MAX ||
		    c->octets + len + 1 > DKIM_SIGN_NAMES_OCTETS)
			return;
		c->names[c->count++] = copy;
		c->octets += len + 1;
	}
}

static void
choose_pattern(struct choice *c, const char *pattern, bool over)
{
	for (const struct hdr *h = c->headers->first; h != NULL; h = h->next) {
		size_t len = dkim_sign_name_len(h);

		if (h->index != 1 || !matches(pattern, h->name, len) ||
		    listed(dkim_fields_never, h->name, len))
			continue;
		if (c->tries++ == PATTERN_FIELDS_MAX)
			return;
		choose(c, h->name, len, over);
	}
}

static void
choose_list(struct choice *c, const char *const *list, bool over)
{
	for (size_t i = 0; list != NULL && list[i] != NULL; i++) {
		if (c->error != 0)
			return;
		if (strchr(list[i], '*') != NULL)
			choose_pattern(c, list[i], over);
		else
			choose(c, list[i], strlen(list[i]), over);
	}
}

int
dkim_sign_names(struct arena *a, const struct hdr_list *headers,
    const struct dkim_fields *fields, const char *const **names_r)
{
	struct choice c = {.arena = a, .headers = headers, .fields = fields};

	c.names = arena_alloc(a, (DKIM_SIGN_NAMES_MAX + 1) * sizeof(*c.names));
	if (c.names == NULL)
		return ERR_NOMEM;
	choose(&c, "From", 4, listed(fields->oversign, "From", 4));
	choose_list(&c, fields->oversign, true);
	choose_list(
	    &c, fields->sign == NULL ? dkim_fields_default : fields->sign,
	    false);
	*names_r = c.names;
	return c.error;
}
