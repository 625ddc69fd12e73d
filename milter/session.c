/* SPDX-License-Identifier: BSD-2-Clause */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "log.h"

#define NOTE_MAX 1000  /* octets of a note's value, quoted */
#define NOTES_MAX 4000 /* octets of all notes together */
#define WHYS_MAX 256   /* sentences of a message */
#define WHY_MAX 1000   /* octets of one */
#define QUOTED_MAX 256 /* octets of text from outside in a sentence, quoted */

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

const char *
session_macro(const struct session *s, const char *name)
{
	return s->macro == NULL ? NULL : s->macro(s->macro_ctx, name);
}

void
log_about(const struct ctx *ctx, int level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_vabout(level, ctx->m == NULL ? NULL : ctx->m->queue_id, ctx->stage,
	    fmt, ap);
	va_end(ap);
}

/* cut may be NULL. */
static void
note(struct buf *notes, struct buf *cut, const char *key, const char *fmt,
    va_list ap)
{
	char value[NOTE_MAX + 2]; /* one octet more, which shows that it was
	    cut */

	if (notes->len > NOTES_MAX - NOTE_MAX) {
		if (cut != NULL && (cut->len == 0 ||
			(!cut->failed && strstr(cut->data, key) == NULL)))
			buf_printf(cut, "%s%s", cut->len == 0 ? "" : ",", key);
		return;
	}
	vsnprintf(value, sizeof(value), fmt, ap);
	buf_printf(notes, " %s=", key);
	buf_quote(notes, value, strlen(value), NOTE_MAX);
}

void
message_note(struct message *m, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(&m->notes, &m->cut, key, fmt, ap);
	va_end(ap);
}

void
session_note(struct session *s, const char *key, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note(&s->notes, NULL, key, fmt, ap);
	va_end(ap);
}

struct ctx
session_ctx(struct session *s)
{
	return (struct ctx){.s = s, .m = s->msg};
}

static struct arena *
arena_of(const struct ctx *ctx)
{
	return ctx->m != NULL ? &ctx->m->arena : &ctx->s->arena;
}

void
session_why(const struct ctx *ctx, const char *fmt, ...)
{
	struct whys *all = ctx->m != NULL ? &ctx->m->whys : &ctx->s->whys;
	char text[WHY_MAX];
	struct why *w;
	va_list ap;

	if (!ctx->s->explains || all->count >= WHYS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	}
	w = arena_alloc(arena_of(ctx), sizeof(*w));
	if (w == NULL || (w->text = arena_strdup(arena_of(ctx), text)) == NULL)
		return;
	w->stage = ctx->stage;
	if (all->last == NULL)
		all->first = w;
	else
		all->last->next = w;
	all->last = w;
	all->count++;
}

const char *
session_quote(const struct ctx *ctx, const char *text)
{
	return ctx->s->explains ? session_quoted(ctx, text) : "-";
}

const char *
session_quoted(const struct ctx *ctx, const char *text)
{
	struct buf b = BUF_INIT;
	const char *quoted;

	if (text == NULL)
		return "-";
	buf_quote(&b, text, strlen(text), QUOTED_MAX);
	quoted = b.failed ? NULL : arena_strdup(arena_of(ctx), buf_text(&b));
	buf_fini(&b);
	return quoted == NULL ? "-" : quoted;
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
	/* Rounded to thousandths, as SpamAssassin does, so that fifty tenths
	 * are 5. */
	return (double)(int64_t)(sum * 1000 + (sum < 0 ? -0.5 : 0.5)) / 1000;
}

void **
message_slot(const struct ctx *ctx)
{
	return &ctx->m->slots[ctx->index];
}
