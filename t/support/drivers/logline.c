/* SPDX-License-Identifier: BSD-2-Clause */
#include "logline.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
require(bool holds, const char *what, const char *line)
{
	if (holds)
		return;
	fprintf(stderr, "%s: [%s]\n", what, line);
	abort();
}

/* Behind a value in quotes; NULL: it is none. */
static const char *
skip_quoted(const char *p)
{
	for (p++; *p != '"'; p++) {
		if (*p == '\0')
			return NULL;
		if (*p != '\\')
			continue;
		p++;
		if (*p == 'x' && strspn(p + 1, "0123456789abcdef") >= 2)
			p += 2;
		else if (*p != '"' && *p != '\\')
			return NULL;
	}
	return p + 1;
}

/* Behind ` key=value`; NULL: it is none. */
static const char *
skip_pair(const char *p)
{
	size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz_");

	if (n == 0 || p[n] != '=')
		return NULL;
	p += n + 1;
	if (*p == '"')
		return skip_quoted(p);
	return p + strcspn(p, " \"");
}

void
logline_check(const char *line)
{
	const char *p = strstr(line, ": direction=");

	for (const char *c = line; *c != '\0'; c++)
		require(*c >= 0x20 && *c < 0x7f, "an odd octet", line);
	require(line[0] != '\0', "an empty line", line);
	if (p == NULL)
		p = strstr(line, ": client=");
	/* Nothing but the queue id stands before a summary's pairs. */
	if (p == NULL || p != line + strcspn(line, ": "))
		return;
	for (p += 2; p != NULL && *p != '\0';) {
		p = skip_pair(p);
		require(p != NULL && (*p == ' ' || *p == '\0'), "no pair", line);
		p += *p == ' ';
		require(p[0] != '\0' || p[-1] != ' ', "a blank at the end", line);
	}
}
