/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_view.h"

#include <netinet/in.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "lib/rules/rules_impl.h"
#include "lib/text/ascii.h"
#include "lib/text/encoded_word.h"

#define HIDDEN "x-spam-"

int
pieces_add(struct pieces *p, struct arena *a, const char *data, size_t len)
{
	struct piece *piece = arena_alloc(a, sizeof(*piece));

	if (piece == NULL)
		return ERR_NOMEM;
	piece->text = (struct rules_text){data, len};
	if (p->last == NULL)
		p->first = piece;
	else
		p->last->next = piece;
	p->last = piece;
	p->count++;
	return 0;
}

static bool
set_field(struct view_field *f, struct arena *a, const struct hdr *h)
{
	size_t len = h->value_len;
	char *raw;

	if (len >= RULES_VALUE_MAX)
		len = RULES_VALUE_MAX - 1;
	raw = arena_alloc(a, len + 2);
	if (raw == NULL)
		return false;
	memcpy(raw, h->value, len);
	raw[len] = '\n';
	f->name = h->name;
	f->name_len = hdr_name_len(h);
	f->raw = (struct rules_text){raw, len + 1};
	f->hidden = ascii_starts(h->name, f->name_len, HIDDEN);
	return true;
}

struct view *
view_new(
    const struct rules_input *in, const struct rules *rules, size_t selectors)
{
	struct view *v = arena_alloc(in->arena, sizeof(*v));
	const struct hdr *h = in->headers->first;

	if (v == NULL)
		return NULL;
	v->in = in;
	v->rules = rules;
	v->fields = arena_alloc(
	    in->arena, (in->headers->count + 1) * sizeof(*v->fields));
	v->values =
	    arena_alloc(in->arena, (selectors + 1) * sizeof(*v->values));
	v->value_count = selectors;
	if (v->fields == NULL || v->values == NULL)
		return NULL;
	for (; h != NULL; h = h->next) {
		if (!set_field(&v->fields[v->count++], in->arena, h))
			return NULL;
	}
	return v;
}

int
view_decode(struct view *v, struct view_field *f)
{
	struct buf b = BUF_INIT;
	char *copy;

	if (f->decoded.data != NULL)
		return 0;
	encoded_word_decode(&b, f->name, f->name_len, f->raw.data, f->raw.len);
	buf_char(&b, '\n');
	copy = b.failed ? NULL : arena_memdup(v->in->arena, b.data, b.len);
	if (copy != NULL)
		f->decoded = (struct rules_text){copy, b.len};
	buf_fini(&b);
	return copy == NULL ? ERR_NOMEM : 0;
}

struct view_field *
view_next(
    const struct view *v, const char *name, const struct view_field *after)
{
	size_t i = after == NULL ? 0 : (size_t)(after - v->fields) + 1;

	for (; i < v->count; i++) {
		struct view_field *f = &v->fields[i];

		if (!f->hidden && ascii_is(f->name, f->name_len, name))
			return f;
	}
	return NULL;
}

/* The last field of that name. */
static const struct view_field *
last_of(const struct view *v, const char *name)
{
	const struct view_field *f = NULL, *next;

	while ((next = view_next(v, name, f)) != NULL)
		f = next;
	return f;
}

/* Addresses in the fields of originating_ip_headers; NULL: no memory. */
static const char *const *
origins(struct view *v)
{
	const struct words *names = &v->rules->origins;
	struct arena *a = v->in->arena;
	const char **list =
	    arena_alloc(a, (names->count + 1) * sizeof(*list));
	size_t n = 0;

	for (const struct word *w = names->first; list != NULL && w != NULL;
	     w = w->next) {
		const struct view_field *f = last_of(v, w->text);
		char ip[INET6_ADDRSTRLEN];

		if (f == NULL || !rules_find_ip(f->raw, ip, sizeof(ip)))
			continue;
		list[n] = arena_strdup(a, ip);
		if (list[n++] == NULL)
			return NULL;
	}
	return list;
}

const struct relays *
view_relays(struct view *v)
{
	const struct rules *r = v->rules;
	struct relay_nets nets = {r->trusted, r->internal, r->msa, NULL};
	struct relays *relays;

	if (v->relays != NULL)
		return v->relays;
	relays = arena_alloc(v->in->arena, sizeof(*relays));
	nets.origins = origins(v);
	if (relays == NULL || nets.origins == NULL ||
	    relays_build(r->formats, &nets, v->in->headers, v->in->here,
		v->in->arena, relays) != 0)
		return NULL;
	v->relays = relays;
	return relays;
}
