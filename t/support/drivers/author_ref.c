/* SPDX-License-Identifier: BSD-2-Clause */
#include "author_ref.h"

#include <string.h>
#include <strings.h>

#include "lib/mail/hdr.h"

/* Behind the quoted string or comment that begins at p; NULL: none does, or it
 * does not end. */
static const char *
closing(const char *p, const char *end)
{
	bool quoted = *p == '"';
	int depth = 1;

	if (!quoted && *p != '(')
		return NULL;
	for (p++; p < end; p++) {
		if (*p == '\\')
			p++;
		else if (!quoted && *p == '(')
			depth++;
		else if (*p == (quoted ? '"' : ')') && --depth == 0)
			return p + 1;
	}
	return NULL;
}

static bool
in_domain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_' ||
	    (unsigned char)c >= 0x80;
}

/* Is it that domain, none of the DNS, or one that can't be told from here? */
static bool
is_same(const char *p, size_t len, const char *domain)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)p[i] >= 0x80)
			return true;
	}
	if (len > 0 && p[len - 1] == '.')
		len--;
	if (len > 0 && memchr(p, '.', len) == NULL)
		return true;
	return len == strlen(domain) && strncasecmp(p, domain, len) == 0;
}

static bool
shows_only(const char *p, size_t len, const char *domain)
{
	const char *end = p + len;
	char before = ','; /* the last octet that counts */

	while (p < end) {
		size_t n = 0;

		const char *behind = closing(p, end);

		if (behind != NULL) {
			before = *p == '"' ? '"' : before;
			p = behind;
			continue;
		}
		if (*p != '@' || before == '<' || before == ',') {
			before = (unsigned char)*p > 0x20 ? *p : before;
			p++;
			continue;
		}
		for (p++; p < end && (unsigned char)*p <= 0x20; p++)
			;
		while (p + n < end && in_domain(p[n]))
			n++;
		/* A comment may stand before the domain too; and an @ without
		 * any is nobody's. */
		if (n == 0 && (p == end || *p != '['))
			continue;
		if (!is_same(p, n, domain))
			return false;
		p += n;
		before = 'x';
	}
	return true;
}

bool
author_ref_only(const struct hdr_list *headers, const char *domain)
{
	for (const struct hdr *h = headers->first; h != NULL; h = h->next) {
		if (hdr_is(h, "From") &&
		    !shows_only(h->value, h->value_len, domain))
			return false;
	}
	return true;
}
