/* SPDX-License-Identifier: BSD-2-Clause */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/err.h"
#include "snapshot.h"

#define NOTE_MAX 512 /* octets of a note's value before escaping */

size_t
message_size(const struct message *m)
{
	return m->headers.bytes + 2 + m->body_bytes;
}

bool
message_is_utf8(const struct message *m)
{
	for (size_t i = 0; m->params != NULL && m->params[i] != NULL; i++) {
		if (strcasecmp(m->params[i], "SMTPUTF8") == 0)
			return true;
	}
	return false;
}

time_t
message_time(const struct message *m)
{
	return m->session->at != 0 ? m->session->at : time(NULL);
}

int64_t
session_deadline(const struct session *s)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000 +
	    s->snap->dns_timeout_ms;
}

int64_t
message_deadline(const struct message *m)
{
	return session_deadline(m->session);
}

const char *
session_macro(const struct session *s, const char *name)
{
	return s->macro == NULL ? NULL : s->macro(s->macro_ctx, name);
}

void
message_note(struct message *m, const char *key, const char *fmt, ...)
{
	char value[NOTE_MAX + 2]; /* one more: it is seen that it was cut */
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	buf_char(&m->notes, ' ');
	buf_str(&m->notes, key);
	buf_char(&m->notes, '=');
	buf_escape(&m->notes, value, strlen(value), NOTE_MAX);
}

int
message_symbol(struct message *m, const char *name, double score)
{
	struct symbol *sym;

	for (sym = m->symbols; sym != NULL; sym = sym->next) {
		if (strcmp(sym->name, name) == 0)
			return 0;
	}
	sym = arena_alloc(&m->arena, sizeof(*sym));
	if (sym == NULL)
		return ERR_NOMEM;
	sym->name = name;
	sym->score = score;
	if (m->last_symbol == NULL)
		m->symbols = sym;
	else
		m->last_symbol->next = sym;
	m->last_symbol = sym;
	return 0;
}

double
message_score(const struct message *m)
{
	double sum = 0;

	for (const struct symbol *s = m->symbols; s != NULL; s = s->next)
		sum += s->score;
	/* As SpamAssassin does: tenths that make 5 on paper make 5 here. */
	return (double)(int64_t)(sum * 1000 + (sum < 0 ? -0.5 : 0.5)) / 1000;
}

void **
message_slot(struct message *m)
{
	return &m->slots[m->session->current];
}

const void *
session_state(const struct session *s)
{
	return s->snap->state[s->current];
}
