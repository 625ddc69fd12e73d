/*
 * What rules ask of a message's parts: SpamAssassin's plugin MIMEHeader.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/rules/rules_impl.h"
#include "lib/text/ascii.h"
#include "lib/text/encoded_word.h"
#include "lib/text/mime.h"
#include "lib/text/mime_tree.h"

#define HIDDEN "x-spam-" /* in the message's own header */

struct mime *
rules_mime(struct run *run)
{
	const struct rules_input *in = run->in;
	const struct mime_env env = {
	    .tlds = in->tlds, .nodes = run->rules->wants_nodes};

	if (run->mime == NULL && in->body != NULL) {
		run->mime = mime_new(
		    in->arena, in->headers, in->body, in->body_len, &env);
		if (run->mime == NULL)
			run->rc = ERR_NOMEM;
	}
	return run->mime;
}

static void
add_value(struct buf *b, const struct mime_field *f, bool raw)
{
	const char *value = f->value;
	size_t len = f->len;

	while (len > 0 && (*value == ' ' || *value == '\t')) {
		value++;
		len--;
	}
	if (raw)
		buf_add(b, value, len);
	else
		encoded_word_decode(b, f->name, f->name_len, value, len);
	buf_char(b, '\n');
}

/* Of several fields of a name the last counts. */
static int
node_text(struct run *run, const struct mime_node *node,
    const struct selector *s, bool top, struct text_piece *piece)
{
	bool raw = s->modifiers & SELECT_RAW, found = false;
	struct buf b = BUF_INIT;

	for (const struct mime_field *f = node->fields; f; f = f->next) {
		if ((top && ascii_starts(f->name, f->name_len, HIDDEN)) ||
		    (s->source == SELECT_FIELD &&
			!ascii_is(f->name, f->name_len, s->field)))
			continue;
		found = true;
		if (s->source == SELECT_FIELD)
			buf_reset(&b);
		else
			buf_printf(&b, "%.*s: ", (int)f->name_len, f->name);
		add_value(&b, f, raw);
	}
	if (found && !b.failed) {
		piece->text = arena_memdup(run->in->arena, b.data, b.len);
		piece->len = b.len;
	}
	buf_fini(&b);
	return found && piece->text == NULL ? ERR_NOMEM : 0;
}

/* What a selector gives, part by part; text NULL: nothing.  NULL: no memory. */
static const struct text_view *
texts(struct run *run, struct mime *m, const struct selector *s)
{
	const struct mime_node *first = mime_nodes(m);
	struct arena *a = run->in->arena;
	struct text_view *t;
	size_t n = 0;

	if (run->headers == NULL)
		run->headers = arena_alloc(a,
		    (run->rules->selector_count + 1) * sizeof(*run->headers));
	if (run->headers == NULL || first == NULL)
		return NULL;
	if (run->headers[s->number] != NULL)
		return run->headers[s->number];
	for (const struct mime_node *node = first; node; node = node->next)
		n++;
	t = arena_alloc(a, sizeof(*t));
	if (t == NULL)
		return NULL;
	t->pieces = arena_alloc(a, n * sizeof(*t->pieces));
	if (t->pieces == NULL)
		return NULL;
	for (const struct mime_node *node = first; node; node = node->next) {
		if (node_text(run, node, s, node == first,
			&t->pieces[t->count++]) != 0)
			return NULL;
	}
	run->headers[s->number] = t;
	return t;
}

/* The pieces as one, each with a line end behind it. */
static bool
concat(struct arena *a, struct text_view *t)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < t->count; i++) {
		const struct text_piece *p = &t->pieces[i];

		buf_add(&b, p->text, p->len);
		if (p->len == 0 || p->text[p->len - 1] != '\n')
			buf_char(&b, '\n');
	}
	if (t->count > 0 && buf_text(&b) != NULL) {
		t->pieces[0].text = arena_memdup(a, b.data, b.len);
		t->pieces[0].len = b.len;
		t->count = 1;
	}
	buf_fini(&b);
	return t->count == 0 || t->pieces[0].text != NULL;
}

/* Parts in the rule's range, with what it says of those without the field. */
static struct text_view *
choose(struct run *run, const struct rule *rule, const struct text_view *all)
{
	struct arena *a = run->in->arena;
	size_t from = rule->range_from > 0 ? rule->range_from - 1 : 0;
	size_t to = rule->range_to > 0 && rule->range_to < all->count
	    ? rule->range_to
	    : all->count;
	struct text_view *t = arena_alloc(a, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->pieces = arena_alloc(a, (all->count + 1) * sizeof(*t->pieces));
	if (t->pieces == NULL)
		return NULL;
	for (size_t i = from; i < to; i++) {
		struct text_piece *p = &t->pieces[t->count++];

		*p = all->pieces[i];
		if (p->text == NULL) {
			p->text = rule->unset != NULL ? rule->unset : "";
			p->len = strlen(p->text);
		}
	}
	return !(rule->flags & RULE_CONCAT) || concat(a, t) ? t : NULL;
}

const struct text_view *
rules_mime_texts(struct run *run, const struct rule *rule)
{
	struct mime *m = rules_mime(run);
	const struct text_view *all;
	struct text_view *t = NULL;

	if (m == NULL)
		return NULL;
	all = texts(run, m, rule->selector);
	if (all != NULL)
		t = choose(run, rule, all);
	if (t == NULL)
		run->rc = ERR_NOMEM;
	return t;
}
