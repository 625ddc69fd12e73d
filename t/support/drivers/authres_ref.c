/* SPDX-License-Identifier: BSD-2-Clause */
#include "authres_ref.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"

/* RFC 2045 section 5.1; with SMTPUTF8 octets above ASCII too. */
static bool
in_token(unsigned char c)
{
	return c > 0x20 && c != 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* -- to the letter -- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* CFWS; NULL: a comment that does not end. */
static const char *
skip(const char *p)
{
	int depth = 0;

	for (; *p != '\0' && (depth > 0 || is_blank(*p) || *p == '('); p++) {
		if (*p == '\\' && *++p == '\0')
			return NULL;
		else if (*p == '(')
			depth++;
		else if (*p == ')')
			depth--;
	}
	return depth == 0 ? p : NULL;
}

/* A quoted string or a run of octets that `in` takes; NULL: none. */
static const char *
take(struct arena *a, const char *p, bool (*in)(unsigned char),
    const char **text_r)
{
	char *text = arena_alloc(a, strlen(p) + 1);
	size_t n = 0;

	if (*p != '"') {
		while (*p != '\0' && in((unsigned char)*p))
			text[n++] = *p++;
		*text_r = text;
		return n == 0 ? NULL : p;
	}
	for (p++; *p != '"'; text[n++] = *p++) {
		if (*p == '\\')
			p++;
		if (*p == '\0')
			return NULL;
	}
	*text_r = text;
	return p + 1;
}

/* Methods, results and types: RFC 5321's Keyword. */
static bool
in_keyword(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* An address or a domain may stand without quotes. */
static bool
in_value(unsigned char c)
{
	return c == '@' || in_token(c);
}

/* ptype "." property "=" value, or reason "=" value */
static const char *
read_property(struct arena *a, const char *p, struct authres_ref_result *r)
{
	const char *type, *property = "", *value;

	p = take(a, p, in_keyword, &type);
	if (p != NULL && *p == '.')
		p = take(a, p + 1, in_keyword, &property);
	else if (p != NULL && strcmp(type, "reason") != 0)
		return NULL;
	if (p == NULL || *p != '=')
		return NULL;
	p = take(a, p + 1, in_value, &value);
	if (p == NULL)
		return NULL;
	if (strcmp(type, "smtp") == 0 && strcmp(property, "mailfrom") == 0)
		r->mailfrom = value;
	if (strcmp(type, "header") == 0 && strcmp(property, "from") == 0)
		r->from = value;
	return p;
}

/* method "=" result and what belongs to it */
static const char *
read_result(struct arena *a, const char *p, struct authres_ref_result *r)
{
	p = skip(p);
	p = p == NULL ? NULL : take(a, p, in_keyword, &r->method);
	if (p == NULL || *p != '=')
		return NULL;
	p = take(a, p + 1, in_keyword, &r->result);
	p = p == NULL ? NULL : skip(p);
	while (p != NULL && *p != '\0' && *p != ';') {
		p = read_property(a, p, r);
		p = p == NULL ? NULL : skip(p);
	}
	return p;
}

/* With a job id behind a slash, the whole is quoted. */
bool
authres_ref_read(struct arena *a, const char *value, struct authres_ref *r_r)
{
	const char *p = skip(value);

	*r_r = (struct authres_ref){.count = 0};
	p = p == NULL ? NULL : take(a, p, in_token, &r_r->id);
	p = p == NULL ? NULL : skip(p);
	if (p != NULL && strcmp(p, "; none") == 0)
		return true;
	while (p != NULL && *p == ';' && r_r->count < AUTHRES_REF_MAX)
		p = read_result(a, p + 1, &r_r->list[r_r->count++]);
	return p != NULL && *p == '\0' && r_r->count > 0;
}

/* -- as it comes -- */

/* Skip a comment, or what looks like the beginning of one. */
static const char *
skip_comment(const char *p, const char *end, bool escapes)
{
	const char *begin = p;
	int depth = 0;

	for (; p < end; p++) {
		if (escapes && *p == '\\' && p + 1 < end)
			p++;
		else if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
	}
	return begin + 1;
}

static bool
claims(const char *p, const char *end, const char *id, bool escapes)
{
	size_t len = strlen(id), n = 0;

	/* \xa0, behind \xc2 in UTF-8, is a space too. */
	while (p < end && *p != '"' &&
	    (!in_token((unsigned char)*p) || *p == '\xa0' || *p == '\xc2'))
		p = *p == '(' ? skip_comment(p, end, escapes) : p + 1;
	p += p < end && *p == '"';
	while (p + n < end && in_token((unsigned char)p[n]) &&
	    (unsigned char)p[n] < 0x80)
		n++;
	while (n > 0 && p[n - 1] == '.')
		n--;
	while (len > 0 && id[len - 1] == '.')
		len--;
	return n == len && strncasecmp(p, id, n) == 0;
}

bool
authres_ref_claims(const char *value, size_t len, const char *id)
{
	return claims(value, value + len, id, true) ||
	    claims(value, value + len, id, false);
}
