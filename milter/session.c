/* SPDX-License-Identifier: BSD-2-Clause */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "snapshot.h"

#define NOTE_MAX 512 /* octets of a note's value before escaping */

size_t
message_size(const struct message *m)
{
	return m->headers.bytes + 2 + m->body_bytes;
}

time_t
message_time(const struct message *m)
{
	return m->session->at != 0 ? m->session->at : time(NULL);
}

const char *
session_macro(const struct session *s, const char *name)
{
	return s->macro == NULL ? NULL : s->macro(s->macro_ctx, name);
}

void
message_note(struct message *m, const char *key, const char *fmt, ...)
{
	char value[NOTE_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	buf_printf(&m->notes, " %s=", key);
	buf_escape(&m->notes, value, strlen(value), NOTE_MAX);
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
