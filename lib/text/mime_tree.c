/* SPDX-License-Identifier: BSD-2-Clause */
#include "mime_tree.h"

#include <stdint.h>
#include <stdlib.h>

#include "ascii.h"
#include "content_type.h"
#include "encoded_word.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/mail/hdr.h"
#include "transfer.h"

struct line {
	const char *s;
	uint32_t len; /* with its LF, where it has one */
	bool broken;  /* an LF is to be added */
};

struct lines {
	struct line *line;
	size_t count;
};

struct tree {
	struct arena *arena;
	struct mime_part *first, **end;
	size_t parts, lines; /* so far */
	bool keep; /* nodes */
	struct mime_node *nodes, **nodes_end;
	size_t node_count, field_count;
	bool failed;
};

/* The fields of a part that matter, decoded. */
enum { TYPE, ENCODING, DISPOSITION, FIELDS };

struct head {
	struct buf field[FIELDS];
	struct content_type ct;
	struct tree *tree; /* NULL: its fields are not kept */
	struct mime_node *node;
};

#define HEAD_INIT {.field = {BUF_INIT, BUF_INIT, BUF_INIT}}

static void entity(struct tree *t, struct head *h, struct lines body,
    struct content_word bound, int depth);

/* Begin to keep the fields of a head. */
static void
node(struct tree *t, struct head *h)
{
	if (!t->keep || t->node_count >= MIME_NODES_MAX)
		return;
	h->tree = t;
	h->node = arena_alloc(t->arena, sizeof(*h->node));
	if (h->node == NULL) {
		t->failed = true;
		return;
	}
	h->node->end = &h->node->fields;
	*t->nodes_end = h->node;
	t->nodes_end = &h->node->next;
	t->node_count++;
}

static void
node_field(struct head *h, const char *name, size_t name_len,
    const char *value, size_t len)
{
	struct tree *t = h->tree;
	struct mime_field *f;
	char *copy;

	if (h->node == NULL || t->field_count++ >= MIME_FIELDS_MAX)
		return;
	while (len > 0 && (value[len - 1] == '\n' || value[len - 1] == '\r'))
		len--;
	if (len > MIME_VALUE_MAX)
		len = MIME_VALUE_MAX;
	f = arena_alloc(t->arena, sizeof(*f));
	copy = arena_memdup(t->arena, value, len);
	if (f == NULL || copy == NULL ||
	    (f->name = arena_memdup(t->arena, name, name_len)) == NULL) {
		t->failed = true;
		return;
	}
	f->name_len = name_len;
	f->value = copy;
	f->len = mime_drop_cr(copy, len);
	*h->node->end = f;
	h->node->end = &f->next;
}

static void
head_set(struct head *h, const char *name, size_t name_len, const char *value,
    size_t len)
{
	static const char *const names[FIELDS] = {
	    "content-type", "content-transfer-encoding", "content-disposition"};

	for (int i = 0; i < FIELDS; i++)
		if (ascii_is(name, name_len, names[i])) {
			/* Of several, mail programs take the last. */
			buf_reset(&h->field[i]);
			encoded_word_decode(
			    &h->field[i], name, name_len, value, len);
		}
	node_field(h, name, name_len, value, len);
}

static void
head_read(struct head *h)
{
	const char *type = buf_text(&h->field[TYPE]);

	content_type_read(
	    &h->ct, type ? type : "", type ? h->field[TYPE].len : 0);
}

static void
head_fini(struct head *h)
{
	for (int i = 0; i < FIELDS; i++)
		buf_fini(&h->field[i]);
}

static bool
is_blank(const struct line *l)
{
	for (size_t i = 0; i < l->len; i++)
		if (!ascii_space(l->s[i]))
			return false;
	return true;
}

/* A name and a colon; colon_r: where it is. */
static bool
is_field(const struct line *l, size_t *colon_r)
{
	size_t n = 0;

	while (n < l->len && (unsigned char)l->s[n] > 0x20 &&
	       (unsigned char)l->s[n] < 0x7f && l->s[n] != ':')
		n++;
	if (n == 0)
		return false;
	*colon_r = n;
	while (n < l->len && (l->s[n] == ' ' || l->s[n] == '\t'))
		n++;
	if (n == l->len || l->s[n] != ':')
		return false;
	*colon_r = n;
	return true;
}

enum { BOUND_NONE, BOUND_OPEN, BOUND_CLOSE };

static int
bound_of(const struct line *l, struct content_word bound)
{
	const char *s = l->s + 2, *end = l->s + l->len;
	int kind = BOUND_OPEN;

	if (bound.s == NULL || l->len < bound.len + 2 || l->s[0] != '-' ||
	    l->s[1] != '-' || memcmp(s, bound.s, bound.len) != 0)
		return BOUND_NONE;
	s += bound.len;
	if (end - s >= 2 && s[0] == '-' && s[1] == '-') {
		s += 2;
		kind = BOUND_CLOSE;
	}
	while (s < end && ascii_space(*s))
		s++;
	return s == end ? kind : BOUND_NONE;
}

/* Of many blank lines at the end of l, the first and the last few stay, as
 * SpamAssassin keeps them; it counts one more at the top of a body. */
static void
merge_blanks(struct lines *l, size_t blank)
{
	enum { BLANK_MAX = 20 };
	size_t top = blank == l->count, from;

	if (blank <= BLANK_MAX + top)
		return;
	from = l->count - blank + 1 + top;
	memmove(l->line + from, l->line + l->count - (BLANK_MAX - 1),
	    (BLANK_MAX - 1) * sizeof(*l->line));
	l->count = from + BLANK_MAX - 1;
}

/* The text in lines, of many blank ones a few.  One place is left free
 * in front; the caller frees it: line - 1. */
static struct lines
split(struct tree *t, const char *s, size_t len)
{
	struct lines l = {NULL, 0};
	const char *end = s + len;
	size_t n = 2, blank = 0;

	for (const char *p = s;
	     p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL; p++)
		n++;
	if (n > MIME_LINES_MAX - t->lines)
		n = MIME_LINES_MAX - t->lines;
	l.line = malloc((n + 2) * sizeof(*l.line));
	if (l.line == NULL) {
		t->failed = true;
		return l;
	}
	l.line++;
	while (s < end && l.count < n) {
		const char *nl = memchr(s, '\n', (size_t)(end - s));
		const char *next = nl != NULL ? nl + 1 : end;
		struct line *to = &l.line[l.count];

		*to = (struct line){s, (uint32_t)(next - s), false};
		if (is_blank(to))
			blank++;
		else if (blank > 0) {
			struct line now = *to;

			merge_blanks(&l, blank);
			l.line[l.count] = now;
			blank = 0;
		}
		l.count++;
		s = next;
	}
	merge_blanks(&l, blank);
	t->lines += l.count;
	return l;
}

/* Break long lines, as SpamAssassin does in multiparts. */
static struct lines
shorten(struct tree *t, struct lines from)
{
	struct lines l = {NULL, 0};
	size_t n = from.count;

	for (size_t i = 0; i < from.count; i++)
		n += from.line[i].len / MIME_LINE_MAX;
	if (n == from.count || n > MIME_LINES_MAX - t->lines)
		return l;
	l.line = malloc(n * sizeof(*l.line));
	if (l.line == NULL)
		return l;
	for (size_t i = 0; i < from.count; i++) {
		struct line now = from.line[i];

		while (now.len > MIME_LINE_MAX && !now.broken) {
			l.line[l.count++] =
			    (struct line){now.s, MIME_LINE_MAX, true};
			now.s += MIME_LINE_MAX;
			now.len -= MIME_LINE_MAX;
		}
		l.line[l.count++] = now;
	}
	t->lines += l.count;
	return l;
}

/* The lines as one text; the caller frees it. */
static char *
join(struct tree *t, struct lines body, size_t *len_r)
{
	size_t n = 0;
	char *s;

	for (size_t i = 0; i < body.count; i++)
		n += body.line[i].len + body.line[i].broken;
	s = malloc(n + 1);
	if (s == NULL) {
		t->failed = true;
		return NULL;
	}
	n = 0;
	for (size_t i = 0; i < body.count; i++) {
		memcpy(s + n, body.line[i].s, body.line[i].len);
		n += body.line[i].len;
		if (body.line[i].broken)
			s[n++] = '\n';
	}
	*len_r = n;
	return s;
}

bool
mime_is_crlf(const char *s, size_t len)
{
	const char *nl = len > 0 ? memchr(s, '\n', len) : NULL;

	return nl != NULL && ((nl > s && nl[-1] == '\r') ||
				 (len > 1 && s[len - 1] == '\n' &&
				     s[len - 2] == '\r'));
}

size_t
mime_drop_cr(char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		if (s[i] != '\r' || i + 1 == len || s[i + 1] != '\n')
			s[n++] = s[i];
	return n;
}

static bool
is_text(const char *type)
{
	return (strncmp(type, "text", 4) == 0 && !ascii_word(type[4])) ||
	       (strncmp(type, "message", 7) == 0 && !ascii_word(type[7]));
}

/* The text of a leaf, its transfer encoding undone; the caller frees it. */
static char *
decode(struct tree *t, const struct head *h, struct lines body, size_t *len_r)
{
	const struct buf *e = &h->field[ENCODING];
	char *s = join(t, body, len_r);

	if (s == NULL)
		return NULL;
	if (ascii_is(e->data ? e->data : "", e->len, "quoted-printable"))
		*len_r = mime_drop_cr(s, transfer_qp(s, s, *len_r));
	else if (ascii_is(e->data ? e->data : "", e->len, "base64")) {
		*len_r = transfer_base64(s, s, *len_r);
		if (is_text(h->ct.type))
			*len_r = mime_drop_cr(s, *len_r);
	}
	return s;
}

static bool
has_html_name(const struct head *h)
{
	const struct buf *d = &h->field[DISPOSITION];
	struct content_word name =
	    content_type_disposition(d->data ? d->data : "", d->len);
	static const char *const ends[] = {".htm", ".html", ".shtm", ".shtml"};

	if (name.s == NULL)
		name = h->ct.name;
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		size_t n = strlen(ends[i]);

		if (name.len >= n &&
		    ascii_is(name.s + name.len - n, n, ends[i]))
			return true;
	}
	return false;
}

static enum mime_kind
kind_of(const struct head *h)
{
	const char *type = h->ct.type;

	if (strcmp(type, "text/html") == 0 || has_html_name(h))
		return strcmp(type, "text/calendar") == 0 ? MIME_OTHER
							  : MIME_HTML;
	if (strcmp(type, "text/plain") == 0)
		return MIME_PLAIN;
	if (strcmp(type, "text/calendar") == 0)
		return MIME_OTHER;
	return is_text(type) ? MIME_RAW : MIME_OTHER;
}

static void
leaf(struct tree *t, const struct head *h, struct lines body)
{
	struct mime_part *p;
	char *text;

	if (t->parts >= MIME_PARTS_MAX || *h->ct.type == '\0')
		return;
	t->parts++;
	p = arena_alloc(t->arena, sizeof(*p));
	if (p == NULL) {
		t->failed = true;
		return;
	}
	p->kind = kind_of(h);
	if (p->kind != MIME_OTHER &&
	    (text = decode(t, h, body, &p->len)) != NULL) {
		p->text = arena_memdup(t->arena, text, p->len);
		free(text);
	}
	p->charset_len = h->ct.charset.s ? h->ct.charset.len : 8;
	p->charset = arena_memdup(t->arena,
	    h->ct.charset.s ? h->ct.charset.s : "us-ascii", p->charset_len);
	if (p->charset == NULL || (p->text == NULL && p->kind != MIME_OTHER)) {
		t->failed = true;
		return;
	}
	*t->end = p;
	t->end = &p->next;
}

/* The fields of a part; returns how many lines they are.  A field that nothing
 * follows is none; without a boundary after it, its last line is the body. */
static size_t
part_head(struct head *h, struct lines body, bool bounded)
{
	size_t i = 0, colon, next, count = body.count;

	if (!bounded && count > 0)
		count--;
	while (i < count && is_field(&body.line[i], &colon)) {
		const struct line *first = &body.line[i], *last;

		for (next = i + 1;
		     next < count &&
		     (*body.line[next].s == ' ' || *body.line[next].s == '\t');
		     next++)
			;
		if (next == count)
			return next;
		last = &body.line[next - 1];
		head_set(h, first->s, colon, first->s + colon + 1,
		    (size_t)(last->s + last->len - first->s) - colon - 1);
		i = next;
	}
	if (i < count && body.line[i].len == 1 && *body.line[i].s == '\n')
		i++;
	return i;
}

/* The LF before a boundary is the boundary's. */
static void
chomp(struct lines *body)
{
	struct line *last;

	if (body->count == 0)
		return;
	last = &body->line[body->count - 1];
	if (last->broken)
		last->broken = false;
	else if (last->len > 0 && last->s[last->len - 1] == '\n')
		last->len--;
	if (last->len == 0)
		body->count--;
}

static void
part(struct tree *t, const struct head *parent, struct lines all,
    struct content_word bound, bool bounded, int depth)
{
	struct head h = HEAD_INIT;
	struct lines body = all;
	size_t n;

	node(t, &h);
	n = part_head(&h, all, bounded);
	body.line += n;
	body.count -= n;
	if (bounded)
		chomp(&body);
	head_read(&h);
	if (h.ct.missing && strcmp(parent->ct.type, "multipart/digest") == 0)
		memcpy(h.ct.type, "message/rfc822", 15);
	else if (strncmp(h.ct.type, "multipart/", 10) == 0 &&
		 h.ct.boundary.s == NULL && bound.s == NULL)
		memcpy(h.ct.type, "text/plain", 11);
	entity(t, &h, body, h.ct.boundary.s ? h.ct.boundary : bound, depth);
	head_fini(&h);
}

/* Is the multipart's own boundary given to this part as well? Then the first
 * boundaries in it are its own. */
static bool
reuses(struct lines all, struct content_word bound)
{
	struct head h = HEAD_INIT;
	bool same;

	part_head(&h, all, true);
	head_read(&h);
	same = h.ct.boundary.len == bound.len && bound.len > 0 &&
	       memcmp(h.ct.boundary.s, bound.s, bound.len) == 0;
	head_fini(&h);
	return same;
}

static void
multipart(struct tree *t, const struct head *h, struct lines body,
    struct content_word bound, int depth)
{
	size_t from = 0, i;
	bool nested = false, asked = false;

	while (from < body.count &&
	       bound_of(&body.line[from], bound) != BOUND_OPEN)
		from++;
	/* Without one, all of it is a part. */
	from = from < body.count ? from + 1 : 0;
	for (i = from; i < body.count && t->parts < MIME_PARTS_MAX; i++) {
		int kind = bound_of(&body.line[i], bound);

		if (kind == BOUND_NONE)
			continue;
		if (!asked) {
			nested = reuses(
			    (struct lines){body.line + from, i - from}, bound);
			asked = true;
		}
		if (nested) {
			nested = kind != BOUND_CLOSE;
			continue;
		}
		asked = false;
		part(t, h, (struct lines){body.line + from, i - from}, bound,
		    true, depth);
		from = i + 1;
		if (kind == BOUND_CLOSE)
			return;
	}
	if (from < body.count)
		part(t, h, (struct lines){body.line + from, body.count - from},
		    bound, false, depth);
}

/* The head of a message in a message; returns how many lines it is. */
static size_t
message_head(struct head *h, struct lines l)
{
	size_t i = 0, colon, errors = 0;

	if (l.count > 0 && l.line[0].len > 5 &&
	    memcmp(l.line[0].s, "From ", 5) == 0)
		i++;
	while (i < l.count) {
		const struct line *first = &l.line[i];
		bool field = is_field(first, &colon);

		if (first->len == 1 && *first->s == '\n')
			return i + 1;
		if (first->len >= 2 && memcmp(first->s, "--", 2) == 0)
			return i;
		if (!field && *first->s != ' ' && *first->s != '\t' &&
		    ++errors > 3)
			return i;
		for (i++; i < l.count &&
			  (*l.line[i].s == ' ' || *l.line[i].s == '\t');
		     i++)
			;
		if (field) {
			const struct line *last = &l.line[i - 1];
			size_t name = colon;

			while (name > 0 && (first->s[name - 1] == ' ' ||
					       first->s[name - 1] == '\t'))
				name--;
			head_set(h, first->s, name, first->s + colon + 1,
			    (size_t)(last->s + last->len - first->s) - colon -
				1);
		}
	}
	return i;
}

/* A message's body: l has a free place before it. */
static void
message_body(struct tree *t, struct head *h, struct lines l, int depth)
{
	head_read(h);
	if (strncmp(h->ct.type, "multipart/", 10) == 0 && l.count > 1 &&
	    !is_blank(&l.line[0])) {
		struct content_word b = h->ct.boundary;

		if (b.s == NULL || l.line[0].len < b.len + 2 ||
		    memcmp(l.line[0].s, "--", 2) != 0 ||
		    memcmp(l.line[0].s + 2, b.s, b.len) != 0) {
			/* Fields at the top of the body are not the head's. */
			l.line--;
			l.count++;
			l.line[0] = (struct line){"\n", 1, false};
		}
	}
	entity(t, h, l, h->ct.boundary, depth);
}

static void
message(struct tree *t, const char *text, size_t len, int depth)
{
	struct head h = HEAD_INIT;
	struct lines all = split(t, text, len);
	size_t n;

	if (all.line == NULL)
		return;
	node(t, &h);
	n = message_head(&h, all);
	message_body(t, &h, (struct lines){all.line + n, all.count - n}, depth);
	head_fini(&h);
	free(all.line - 1);
}

static void
entity(struct tree *t, struct head *h, struct lines body,
    struct content_word bound, int depth)
{
	bool is_multipart = strncmp(h->ct.type, "multipart/", 10) == 0;
	struct lines own = {NULL, 0};
	size_t len;
	char *text;

	if (is_multipart && bound.s != NULL && depth > 0) {
		own = shorten(t, body);
		multipart(t, h, own.line ? own : body, bound, depth - 1);
		free(own.line);
		return;
	}
	if (is_multipart && bound.s == NULL)
		memcpy(h->ct.type, "text/plain", 11);
	if (depth > 0 && (strcmp(h->ct.type, "message/rfc822") == 0 ||
			     strcmp(h->ct.type, "message/global") == 0)) {
		text = decode(t, h, body, &len);
		if (text != NULL && len > 0) {
			if (mime_is_crlf(text, len))
				len = mime_drop_cr(text, len);
			message(t, text, len, depth - 1);
			free(text);
			return;
		}
		free(text);
	}
	leaf(t, h, body);
}

int
mime_tree_parse(struct arena *a, const struct hdr_list *fields,
    const char *body, size_t len, struct mime_part **first_r,
    struct mime_node **nodes_r)
{
	struct tree t = {.arena = a,
	    .end = &t.first,
	    .keep = nodes_r != NULL,
	    .nodes_end = &t.nodes};
	struct head h = HEAD_INIT;
	struct lines l = split(&t, body, len);

	if (l.line == NULL)
		return ERR_NOMEM;
	node(&t, &h);
	for (const struct hdr *f = fields->first; f != NULL; f = f->next)
		head_set(&h, f->name, hdr_name_len(f), f->value, f->value_len);
	message_body(&t, &h, l, MIME_DEPTH_MAX);
	head_fini(&h);
	free(l.line - 1);
	*first_r = t.first;
	if (nodes_r != NULL)
		*nodes_r = t.nodes;
	return t.failed ? ERR_NOMEM : 0;
}
