/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime.h"

#include <string.h>

#include "ascii.h"
#include "charset.h"
#include "encoded_word.h"
#include "html_text.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "mime_tree.h"
#include "paragraph.h"
#include "uri_find.h"
#include "uri_set.h"

struct mime {
	struct arena *arena;
	const struct hdr_list *fields;
	const char *body; /* lines end in LF */
	size_t len;
	struct mime_env env;
	struct mime_part *parts; /* made by: */
	struct mime_node *nodes; /* likewise */
	bool parsed;
	struct text_view view[MIME_VIEWS];
	bool made[MIME_VIEWS];
	struct uri_set html; /* addresses in HTML; come with the body */
	struct uri_set links; /* those of <a> among them that are mailto: */
	bool octets;	     /* the HTML at hand is ASCII */
};

/* The body with LF for CRLF; itself where it has none.  NULL: no memory. */
static const char *
with_lf(struct arena *a, const char *body, size_t *len)
{
	char *copy;

	if (!mime_is_crlf(body, *len))
		return body;
	copy = arena_memdup(a, body, *len);
	if (copy != NULL)
		*len = mime_drop_cr(copy, *len);
	return copy;
}

struct mime *
mime_new(struct arena *a, const struct hdr_list *fields, const char *body,
    size_t len, const struct mime_env *env)
{
	struct mime *m = arena_alloc(a, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->arena = a;
	m->fields = fields;
	m->env = *env;
	m->len = len;
	m->body = with_lf(a, body, &m->len);
	uri_set_init(&m->html, a, MIME_URIS_MAX);
	uri_set_init(&m->links, a, MIME_URIS_MAX);
	return m->body != NULL || len == 0 ? m : NULL;
}

static bool
time_is_up(const struct mime *m)
{
	return m->env.stop != NULL && m->env.stop(m->env.stop_ctx);
}

static bool
parse(struct mime *m)
{
	if (!m->parsed && mime_tree_parse(m->arena, m->fields,
			      m->body ? m->body : "", m->len, &m->parts,
			      m->env.nodes ? &m->nodes : NULL) == 0)
		m->parsed = true;
	return m->parsed;
}

static void
on_uri(void *ctx, const char *uri, size_t len, bool link)
{
	struct mime *m = ctx;
	struct buf b = BUF_INIT;

	if (link && ascii_starts(uri, len, "mailto:"))
		uri_set_add(&m->links, uri, len);
	if (m->octets && paragraph_latin(&b, uri, len))
		uri_set_add(&m->html, b.data, b.len);
	else
		uri_set_add(&m->html, uri, len);
	buf_fini(&b);
}

/* Add a part's text in UTF-8.  True: SpamAssassin would have it as characters,
 * not as octets. */
static bool
render(struct mime *m, struct buf *b, const struct mime_part *p)
{
	struct buf utf8 = BUF_INIT;
	bool wide;

	wide = charset_utf8(
	    &utf8, p->text, p->len, p->charset, p->charset_len, false);
	m->octets = !wide;
	if (buf_text(&utf8) == NULL)
		b->failed = true;
	else if (p->kind == MIME_HTML)
		wide |=
		    html_text_render(b, buf_text(&utf8), utf8.len, on_uri, m);
	else
		buf_add(b, buf_text(&utf8), utf8.len);
	buf_fini(&utf8);
	return wide;
}

static void
add_subject(const struct mime *m, struct buf *b)
{
	const struct hdr *last = NULL;

	for (const struct hdr *f = m->fields->first; f != NULL; f = f->next)
		if (hdr_is(f, "Subject"))
			last = f;
	if (last != NULL)
		encoded_word_decode(
		    b, "Subject", 7, last->value, last->value_len);
	buf_char(b, '\n');
}

static bool
make_body(struct mime *m)
{
	struct buf text = BUF_INIT, part = BUF_INIT, out = BUF_INIT;
	bool wide = false, ok;

	if (m->parts == NULL)
		return true; /* without parts, SpamAssassin has no Subject */
	for (const struct mime_part *p = m->parts; p != NULL; p = p->next) {
		if (time_is_up(m))
			break;
		if (text.len > 0)
			buf_char(&text, '\n');
		if (p->kind != MIME_PLAIN && p->kind != MIME_HTML)
			continue;
		buf_reset(&part);
		wide |= render(m, &part, p);
		if (buf_text(&part) != NULL)
			buf_add(&text, buf_text(&part),
			    paragraph_limit(buf_text(&part), part.len));
	}
	add_subject(m, &out);
	if (buf_text(&text) != NULL)
		paragraph_squeeze(&out, buf_text(&text), text.len, wide);
	ok = !text.failed && !part.failed && buf_text(&out) != NULL &&
	     paragraph_split(m->arena, out.data, out.len, &m->view[MIME_BODY]);
	buf_fini(&text);
	buf_fini(&part);
	buf_fini(&out);
	return ok;
}

static bool
make_rawbody(struct mime *m)
{
	struct text_view *v = &m->view[MIME_RAWBODY];
	size_t room = 0;

	for (const struct mime_part *p = m->parts; p != NULL; p = p->next)
		if (p->kind != MIME_OTHER)
			room += 1 + p->len / PARAGRAPH_MAX;
	v->pieces = arena_alloc(m->arena, (room + 1) * sizeof(*v->pieces));
	if (v->pieces == NULL)
		return false;
	for (const struct mime_part *p = m->parts; p != NULL; p = p->next)
		if (p->kind != MIME_OTHER)
			paragraph_chunks(v, p->text, p->len);
	return true;
}

static bool
make_full(struct mime *m)
{
	struct text_view *v = &m->view[MIME_FULL];
	struct buf b = BUF_INIT;

	for (const struct hdr *f = m->fields->first; f != NULL; f = f->next) {
		buf_add(&b, f->name, f->name_len);
		buf_char(&b, ':');
		for (size_t i = 0; i < f->value_len; i++)
			if (f->value[i] != '\r' || i + 1 == f->value_len ||
			    f->value[i + 1] != '\n')
				buf_char(&b, f->value[i]);
		buf_char(&b, '\n');
	}
	buf_char(&b, '\n');
	buf_add(&b, m->body, m->len);
	v->pieces = arena_alloc(m->arena, sizeof(*v->pieces));
	if (v->pieces != NULL && buf_text(&b) != NULL) {
		v->pieces->text = arena_memdup(m->arena, b.data, b.len);
		v->pieces->len = b.len;
		v->count = 1;
	}
	buf_fini(&b);
	return v->count == 1 && v->pieces->text != NULL;
}

static bool
make_uri(struct mime *m)
{
	const struct text_view *body = mime_view(m, MIME_BODY);
	struct uri_set set, seen;
	struct uri_clean c = {.set = &set,
	    .tlds = m->env.tlds,
	    .redirect = m->env.redirect,
	    .redirect_ctx = m->env.redirect_ctx};

	uri_set_init(&set, m->arena, MIME_URIS_MAX);
	uri_set_init(&seen, m->arena, MIME_URIS_MAX);
	if (body == NULL)
		return false;
	for (size_t i = 0; i < body->count && !time_is_up(m); i++)
		uri_find(&c, &seen, body->pieces[i].text, body->pieces[i].len);
	c.utf8 = true;
	for (size_t i = 0; i < m->html.view.count && !time_is_up(m); i++)
		uri_clean_add(&c, m->html.view.pieces[i].text,
		    m->html.view.pieces[i].len, false);
	m->view[MIME_URI] = set.view;
	return !set.failed && !seen.failed && !m->html.failed;
}

const struct text_view *
mime_view(struct mime *m, enum mime_view_kind kind)
{
	static bool (*const make[MIME_VIEWS])(struct mime *) = {
	    make_body, make_rawbody, make_full, make_uri};

	if (!m->made[kind]) {
		if ((kind != MIME_FULL && !parse(m)) || !make[kind](m))
			return NULL;
		m->made[kind] = true;
	}
	return &m->view[kind];
}

const struct text_view *
mime_links(struct mime *m)
{
	return mime_view(m, MIME_BODY) == NULL || m->links.failed
	    ? NULL
	    : &m->links.view;
}

const struct mime_node *
mime_nodes(struct mime *m)
{
	return parse(m) ? m->nodes : NULL;
}
