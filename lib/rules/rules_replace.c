/* SPDX-License-Identifier: BSD-2-Clause */
#include "rules_replace.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/rules/rules_impl.h"

#define PASSES_MAX 6 /* tags in what tags stand for */

static const char *
look_up(const struct pair *list, const char *name, size_t len)
{
	for (; list != NULL; list = list->next) {
		if (strncmp(list->name, name, len) == 0 &&
		    list->name[len] == '\0')
			return list->value;
	}
	return NULL;
}

struct replacing {
	const struct reader *rd;
	const char *pre, *inter, *post; /* of this pattern; NULL: none */
	bool again; /* something put in has tags itself */
};

/* The next tag: its name, and where it ends; NULL: no more. */
static const char *
next_tag(const struct reader *rd, const char *p, const char *end,
    const char **name_r, size_t *len_r, const char **behind_r)
{
	size_t open = strlen(rd->tag_start), shut = strlen(rd->tag_end);
	const char *at = memmem(p, (size_t)(end - p), rd->tag_start, open);
	const char *close;

	if (at == NULL)
		return NULL;
	*name_r = at + open;
	close = memmem(*name_r, (size_t)(end - *name_r), rd->tag_end, shut);
	if (close == NULL)
		return NULL;
	*len_r = (size_t)(close - *name_r);
	*behind_r = close + shut;
	return at;
}

/* `<pre NAME>` and the like are taken out, the first of each. */
static const char *
take_modifier(struct buf *b, const struct reader *rd, const char *word,
    const struct pair *list, const char *p, size_t len)
{
	const char *end = p + len, *at = p, *name, *behind, *found = NULL;
	size_t n, w = strlen(word);

	buf_reset(b);
	while ((at = next_tag(rd, at, end, &name, &n, &behind)) != NULL) {
		if (n > w && strncmp(name, word, w) == 0) {
			found = look_up(list, name + w, n - w);
			buf_add(b, p, (size_t)(at - p));
			p = behind;
			break;
		}
		at += strlen(rd->tag_start);
	}
	buf_add(b, p, (size_t)(end - p));
	return found;
}

static void
add_known(struct buf *b, struct replacing *r, const char *value)
{
	const char *open = strchr(value, '<');

	if (r->pre != NULL)
		buf_str(b, r->pre);
	buf_str(b, value);
	if (r->post != NULL)
		buf_str(b, r->post);
	r->again |= open != NULL && strchr(open, '>') != NULL;
}

static void
pass(struct buf *b, struct replacing *r, const char *p, size_t len)
{
	const char *end = p + len, *from = p, *at = p, *name, *behind;
	const char *last = NULL; /* where the last tag ended */
	size_t n;

	buf_reset(b);
	while ((at = next_tag(r->rd, at, end, &name, &n, &behind)) != NULL) {
		const char *value = look_up(r->rd->tags, name, n);

		if (value == NULL) {
			at += strlen(r->rd->tag_start);
			continue;
		}
		buf_add(b, from, (size_t)(at - from));
		if (last == at && r->inter != NULL)
			buf_str(b, r->inter);
		add_known(b, r, value);
		at = from = last = behind;
	}
	buf_add(b, from, (size_t)(end - from));
}

bool
rules_replace(struct reader *rd, struct pattern_source *source)
{
	struct replacing r = {.rd = rd};
	struct buf a = BUF_INIT, b = BUF_INIT;
	char *body;

	r.pre = take_modifier(
	    &a, rd, "pre ", rd->pres, source->body, source->len);
	r.post = take_modifier(&b, rd, "post ", rd->posts, a.data, a.len);
	r.inter = take_modifier(&a, rd, "inter ", rd->inters, b.data, b.len);
	for (unsigned i = 0; i < PASSES_MAX; i++) {
		r.again = false;
		pass(&b, &r, buf_text(&a) == NULL ? "" : buf_text(&a), a.len);
		buf_reset(&a);
		buf_add(&a, b.data, b.len);
		/* What stands inside is not enclosed once more. */
		r.pre = r.post = r.inter = NULL;
		if (!r.again || a.len > PATTERN_SOURCE_MAX)
			break;
	}
	body = rules_keep(rd, buf_text(&a) == NULL ? "" : buf_text(&a), a.len);
	if (body != NULL) {
		source->body = body;
		source->len = a.len;
	}
	if (a.failed || b.failed)
		rd->rc = ERR_NOMEM;
	buf_fini(&a);
	buf_fini(&b);
	return rd->rc == 0;
}
