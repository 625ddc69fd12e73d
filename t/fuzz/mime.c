/* Any bytes are a mail with four views. SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/mail/hdr.h"
#include "lib/mail/message.h"
#include "lib/text/mime.h"
#include "lib/text/mime_tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct mail {
	struct arena arena;
	struct hdr_list fields;
};

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	struct mail *m = ctx;

	if (m->fields.count < 2000)
		hdr_add(
		    &m->fields, &m->arena, name, name_len, value, value_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct mail mail = {.fields = {0}};
	struct mime_env env = {.nodes = true};
	struct mime *m;
	size_t body;

	arena_init(&mail.arena);
	body = message_split(text, size, on_field, &mail);
	m = mime_new(&mail.arena, &mail.fields, text + body, size - body, &env);
	if (m == NULL)
		abort();
	for (int i = 0; i < MIME_VIEWS; i++) {
		const struct text_view *v =
		    mime_view(m, (enum mime_view_kind)i);
		unsigned sum = 0;

		if (v == NULL)
			abort();
		for (size_t k = 0; k < v->count; k++)
			for (size_t n = 0; n < v->pieces[k].len; n++)
				sum += (unsigned char)v->pieces[k].text[n];
		if (v->count == 0 && sum != 0)
			abort();
	}
	if (mime_links(m) == NULL || mime_nodes(m) == NULL)
		abort();
	for (const struct mime_node *n = mime_nodes(m); n; n = n->next) {
		for (const struct mime_field *f = n->fields; f; f = f->next)
			if (f->name_len == 0 || f->len > MIME_VALUE_MAX ||
			    memchr(f->name, ':', f->name_len) != NULL)
				abort();
	}
	arena_fini(&mail.arena);
	return 0;
}
