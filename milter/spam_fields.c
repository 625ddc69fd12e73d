/* SPDX-License-Identifier: BSD-2-Clause */
#include "spam_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edit.h"
#include "lib/err.h"
#include "session.h"

#define PREFIX "X-Spam-"
#define LINE_MAX_ 76 /* where the list of tests is folded */
#define LEVEL_MAX 50 /* stars, as SpamAssassin */

static int
want(struct message *m, enum edit_op op, unsigned index, const char *name,
    const struct buf *b)
{
	const char *value = buf_text(b);

	return value == NULL
	    ? ERR_NOMEM
	    : edit_want(&m->edits, &m->arena, op, index, name, value);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Folded behind commas. */
static int
add_tests(struct message *m, struct buf *b, size_t begin)
{
	size_t n = 0, line = begin;
	const char **names;

	for (const struct symbol *s = m->symbols; s != NULL; s = s->next)
		n++;
	if (n == 0) {
		buf_str(b, "none");
		return 0;
	}
	names = arena_alloc(&m->arena, n * sizeof(*names));
	if (names == NULL)
		return ERR_NOMEM;
	n = 0;
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next)
		names[n++] = s->name;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		size_t len = strlen(names[i]) + 1;

		if (i > 0 && line + len > LINE_MAX_) {
			buf_str(b, "\n\t");
			line = 8;
		}
		buf_printf(b, "%s%s", names[i], i + 1 < n ? "," : "");
		line += len;
	}
	return 0;
}

static int
add_status(struct message *m, const struct spam_mark *mark)
{
	struct buf b = BUF_INIT;
	int rc;

	buf_printf(&b, "%s, score=%.1f required=%.1f tests=",
	    mark->spam ? "Yes" : "No", mark->score, mark->required);
	rc = add_tests(m, &b, strlen(PREFIX "Status: ") + b.len);
	buf_str(&b, "\n\tautolearn=no version=" POSTERN_VERSION);
	if (rc == 0)
		rc = want(m, EDIT_INSERT, 0, PREFIX "Status", &b);
	buf_fini(&b);
	return rc;
}

static int
add_text(struct message *m, const char *name, const char *text)
{
	return edit_want(&m->edits, &m->arena, EDIT_INSERT, 0, name, text);
}

int
spam_fields_add(struct message *m, const struct spam_mark *mark)
{
	const char *host = m->session->host;
	char score[32], stars[LEVEL_MAX + 1];
	size_t level = mark->score < 1 ? 0
	    : mark->score > LEVEL_MAX  ? LEVEL_MAX
				       : (size_t)mark->score;
	const char *version = arena_printf(&m->arena, "Postern %s on %s",
	    POSTERN_VERSION, host == NULL ? "localhost" : host);
	int rc;

	snprintf(score, sizeof(score), "%.1f", mark->score);
	memset(stars, '*', level);
	stars[level] = '\0';
	/* What is asked for last stands on top. */
	rc = version == NULL ? ERR_NOMEM : add_status(m, mark);
	if (rc == 0 && level > 0)
		rc = add_text(m, PREFIX "Level", stars);
	if (rc == 0)
		rc = add_text(m, PREFIX "Score", score);
	if (rc == 0)
		rc = add_text(m, PREFIX "Checker-Version", version);
	if (rc == 0 && mark->spam)
		rc = add_text(m, PREFIX "Flag", "YES");
	return rc;
}

int
spam_fields_remove(struct message *m, unsigned *count_r)
{
	*count_r = 0;
	for (const struct hdr *h = m->headers.first; h != NULL; h = h->next) {
		if (strncasecmp(h->name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		if (edit_want(&m->edits, &m->arena, EDIT_DELETE, h->index,
			h->name, NULL) != 0)
			return ERR_NOMEM;
		++*count_r;
	}
	return 0;
}

/* The tag, with _SCORE_ and _REQD_ filled in. */
static void
add_tag(struct buf *b, const struct spam_mark *mark)
{
	for (const char *p = mark->tag; *p != '\0';) {
		if (strncmp(p, "_SCORE_", 7) == 0) {
			buf_printf(b, "%04.1f", mark->score);
			p += 7;
		} else if (strncmp(p, "_REQD_", 6) == 0) {
			buf_printf(b, "%.1f", mark->required);
			p += 6;
		} else {
			buf_char(b, *p++);
		}
	}
}

int
spam_fields_subject(struct message *m, const struct spam_mark *mark)
{
	const struct hdr *h = hdr_find(&m->headers, "Subject");
	struct buf b = BUF_INIT;
	const char *old = h == NULL ? "" : h->value;
	size_t len = h == NULL ? 0 : h->value_len, tag;
	int rc = 0;

	while (len > 0 && (*old == ' ' || *old == '\t')) {
		old++;
		len--;
	}
	add_tag(&b, mark);
	tag = b.len;
	buf_char(&b, ' ');
	/* A field ends at a NUL for the MTA as well. */
	buf_add(&b, old, strnlen(old, len));
	/* Somebody before us may have put it there. */
	if (b.failed || len < tag || strncmp(old, b.data, tag) != 0)
		rc = want(m, h == NULL ? EDIT_INSERT : EDIT_CHANGE,
		    h == NULL ? 0 : h->index, "Subject", &b);
	buf_fini(&b);
	return rc;
}
