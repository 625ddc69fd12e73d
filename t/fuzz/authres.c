/* Any Authentication-Results value can be looked at; any text can be written
 * into one, and it stays whose it was; what a credulous reader takes for ours
 * is found.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/authres.h"

#define OURS "mx.example.org"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look(struct arena *a, const char *value, size_t len,
    struct authres_head *head_r, bool *claims_r)
{
	char *copy = malloc(len == 0 ? 1 : len); /* exact */

	if (copy == NULL)
		abort();
	memcpy(copy, value, len);
	if (authres_look(a, copy, len, head_r) != 0 ||
	    authres_claims(a, copy, len, OURS, claims_r) != 0)
		abort();
	free(copy);
}

static void
write_and_look(struct arena *a, const char *id, const char *text, bool utf8)
{
	struct buf b = BUF_INIT;
	struct authres_head head;
	struct authres w;
	bool claims;

	authres_begin(&w, &b, id, text, utf8);
	authres_result(&w, "x-test", "pass");
	authres_comment(&w, text);
	authres_reason(&w, text);
	authres_property(&w, "smtp", "mailfrom", text);
	authres_end(&w);
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] == '\r' || b.data[i] == '\0' ||
		    (b.data[i] == '\n' && b.data[i + 1] != '\t'))
			abort();
	}
	look(a, b.data, b.len, &head, &claims);
	if (strcmp(head.id, id) != 0 ||
	    (strcmp(id, OURS) == 0
		    ? !claims
		    : claims && head.clear && strchr(text, ';') == NULL))
		abort();
	buf_fini(&b);
}

/*
 * Readers of others, in a few lines each.  All skip blanks, controls among them,
 * and take what follows for the id up to what can't be in it.
 */
enum reader {
	PLAIN,     /* no comments; SpamAssassin's is so */
	COMMENTS,  /* as RFC 5322 has them */
	NO_QUOTES, /* comments in which nothing is quoted */
	JUNK,      /* whatever can't be in an id is skipped */
	JOINED,    /* controls are not seen at all */
	READERS
};

static bool
is_blank(unsigned char c)
{
	return c <= 0x20 || c == 0x7f || c == 0xa0 || c == 0x85;
}

static bool
is_id_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

static size_t
skip_comment(const char *p, size_t len, bool quotes)
{
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		if (quotes && p[i] == '\\')
			i++;
		else if (p[i] == '(')
			depth++;
		else if (p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return 0;
}

static bool
reads_ours(enum reader how, const char *p, size_t len)
{
	char id[sizeof(OURS) + 1];
	size_t n = 0, skipped;

	for (;;) {
		while (len > 0 &&
		    (is_blank((unsigned char)*p) ||
			(how == JUNK && !is_id_char((unsigned char)*p)))) {
			p++;
			len--;
		}
		if (len == 0 || *p != '(' || how == PLAIN || how == JOINED ||
		    (skipped = skip_comment(p, len, how == COMMENTS)) == 0)
			break;
		p += skipped;
		len -= skipped;
	}
	for (; len > 0 && n < sizeof(id) - 1; p++, len--) {
		unsigned char c = (unsigned char)*p;

		if (how == JOINED && c < 0x20)
			continue;
		if (!is_id_char(c))
			break;
		id[n++] = *p;
	}
	id[n] = '\0';
	return strcasecmp(id, OURS) == 0;
}

/* Whose id nobody doubts, they keep: RFC 8601's form in the simplest words, with
 * one result. */
static bool
is_others(const char *p, size_t len)
{
	size_t n = 0;

	while (n < len && is_id_char((unsigned char)p[n]))
		n++;
	return n > 0 && n < len && p[n] == ';' &&
	    len - n > 2 && p[n + 1] == 'x' && p[n + 2] == '=' &&
	    memchr(p + n + 1, ';', len - n - 1) == NULL &&
	    (n < strlen(OURS) || strncasecmp(p, OURS, strlen(OURS)) != 0 ||
		(n > strlen(OURS) && p[strlen(OURS)] != '.'));
}

static void
look_as_others(struct arena *a, const char *value, size_t len)
{
	struct authres_head head;
	bool claims;

	look(a, value, len, &head, &claims);
	if (head.id == NULL)
		abort();
	for (enum reader how = 0; how < READERS; how++) {
		if (reads_ours(how, value, len) && !claims &&
		    /* A whole other id stands there for all who read RFC 8601;
		     * who doesn't, may find ours behind it. */
		    !(how >= NO_QUOTES && head.clear))
			abort();
	}
	if (claims && is_others(value, len))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	const char *text;

	arena_init(&a);
	look_as_others(&a, (const char *)data, size);
	text = arena_memdup(&a, data, size);
	write_and_look(&a, OURS, text, false);
	write_and_look(&a, OURS, text, true);
	write_and_look(&a, "mx.example.net", text, false);
	write_and_look(&a, "mx.example.net", text, true);
	arena_fini(&a);
	return 0;
}
