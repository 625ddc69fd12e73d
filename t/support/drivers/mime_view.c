/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime_view.h"

#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"

struct mail {
	struct arena arena;
	struct hdr_list fields;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	hdr_add(&m->fields, &m->arena, name, name_len, value, value_len);
}

static int
compare(const void *a, const void *b)
{
	const struct text_piece *x = a, *y = b;

	return strcmp(x->text, y->text);
}

void
mime_view_text(struct buf *b, const char *text, size_t len,
    enum mime_view_kind kind, const struct pslist *tlds, const char *between,
    bool sort)
{
	struct mail mail = {.fields = {0}};
	struct mime_env env = {.tlds = tlds};
	const struct text_view *v;
	struct mime *m;
	size_t body;

	arena_init(&mail.arena);
	body = message_split(text, len, on_field, &mail);
	m = mime_new(&mail.arena, &mail.fields, text + body, len - body, &env);
	v = m != NULL ? mime_view(m, kind) : NULL;
	if (v == NULL)
		abort();
	if (sort && v->count > 0)
		qsort(v->pieces, v->count, sizeof(*v->pieces), compare);
	for (size_t i = 0; i < v->count; i++) {
		if (i > 0)
			buf_str(b, between);
		buf_add(b, v->pieces[i].text, v->pieces[i].len);
	}
	arena_fini(&mail.arena);
}
