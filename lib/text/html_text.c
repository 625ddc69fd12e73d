/* SPDX-License-Identifier: BSD-2-Clause */
#include "html_text.h"

#include "ascii.h"
#include "html_entity.h"
#include "html_style.h"
#include "html_token.h"
#include "lib/base/buf.h"
#include "uri_resolve.h"

/* A no-break space that was encoded as UTF-8 twice. */
#define NBSP_TWICE "\xc3\x82\xc2\xa0"

/* The last piece of text that was put out. */
enum piece { PIECE_NONE, PIECE_SEEN, PIECE_UNSEEN, PIECE_SPACE };

struct render {
	struct buf *out;
	size_t piece_at; /* where the last piece begins */
	enum piece piece;
	bool spaced; /* there was a piece of white space */
	bool wide;
	unsigned script, style; /* how deep in these elements */
	struct buf text, value, base;
	html_uri_fn *uri;
	void *ctx;
	bool link; /* the address at hand is an <a>'s */
	size_t uri_work;
	struct html_styles styles;
};

static void
put_space(struct render *r, const char *space)
{
	if (r->piece == PIECE_SEEN && r->out->len > r->piece_at &&
	    r->out->data[r->out->len - 1] == ' ')
		r->out->data[--r->out->len] = '\0';
	r->piece_at = r->out->len;
	r->piece = PIECE_SPACE;
	r->spaced = true;
	buf_str(r->out, space);
}

/* White space as one blank each. */
static void
put_text(struct render *r, const char *s, size_t len, bool invisible)
{
	bool in_space = !invisible && r->piece == PIECE_SPACE;
	bool before = false;

	r->piece_at = r->out->len;
	r->piece = invisible ? PIECE_UNSEEN : PIECE_SEEN;
	for (size_t i = 0, from; i < len;) {
		if (len - i >= 4 && memcmp(s + i, NBSP_TWICE, 4) == 0) {
			buf_char(r->out, ' ');
			before = false;
			i += 4;
			continue;
		}
		if (ascii_space(s[i])) {
			if (!before && !(in_space && i == 0))
				buf_char(r->out, ' ');
			before = true;
			i++;
			continue;
		}
		for (from = i++; i < len && !ascii_space(s[i]); i++)
			if (s[i] == *NBSP_TWICE)
				break;
		buf_add(r->out, s + from, i - from);
		before = false;
	}
}

static void
on_text(void *ctx, const char *text, size_t len, bool raw)
{
	struct render *r = ctx;
	bool invisible = false;

	if (r->script > 0 || r->style > 0)
		return;
	buf_reset(&r->text);
	if (raw)
		buf_add(&r->text, text, len);
	else
		r->wide |= html_entity_decode(&r->text, text, len, true);
	for (size_t i = 0; i < r->text.len; i++)
		if (!ascii_space(r->text.data[i])) {
			invisible = html_style_invisible(&r->styles);
			break;
		}
	put_text(r, buf_text(&r->text) ? buf_text(&r->text) : "", r->text.len,
	    invisible);
}

/* Elements with white space around their text. */
static const char *
space_of(const char *name, size_t len)
{
	static const struct {
		const char *name, *space;
	} rows[] = {
	    {"br", "\n"},
	    {"div", "\n"},
	    {"li", " "},
	    {"th", " "},
	    {"td", " "},
	    {"dt", " "},
	    {"dd", " "},
	    {"embed", " "},
	    {"h1", " "},
	    {"h2", " "},
	    {"h3", " "},
	    {"h4", " "},
	    {"h5", " "},
	    {"h6", " "},
	    {"p", "\n\n"},
	    {"hr", "\n\n"},
	    {"blockquote", "\n\n"},
	    {"pre", "\n\n"},
	    {"listing", "\n\n"},
	    {"plaintext", "\n\n"},
	    {"xmp", "\n\n"},
	    {"title", "\n\n"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (ascii_is(name, len, rows[i].name))
			return rows[i].space;
	return NULL;
}

static void
tell(struct render *r, const char *uri, size_t len)
{
	if (r->uri != NULL && len > 0)
		r->uri(r->ctx, uri, len, r->link);
}

/* Without white space at the ends, and short. */
static size_t
trim(const char **s, size_t len)
{
	while (len > 0 && ascii_space(**s)) {
		(*s)++;
		len--;
	}
	while (len > 0 && ascii_space((*s)[len - 1]))
		len--;
	return len > HTML_URI_MAX ? HTML_URI_MAX : len;
}

static bool
needs_no_base(const char *s, size_t len)
{
	return ascii_starts(s, len, "data:") ||
	       ascii_starts(s, len, "mailto:") ||
	       ascii_starts(s, len, "file:") || ascii_starts(s, len, "cid:") ||
	       ascii_starts(s, len, "tel:");
}

static void
push(struct render *r, const char *s, size_t len)
{
	struct buf target = BUF_INIT;

	len = trim(&s, len);
	r->uri_work += r->base.len + len;
	if (r->uri_work > HTML_URI_WORK_MAX)
		return;
	if (needs_no_base(s, len)) {
		tell(r, s, len);
		return;
	}
	uri_resolve(&target, buf_text(&r->base) ? buf_text(&r->base) : "",
	    r->base.len, s, len);
	if (buf_text(&target) != NULL)
		tell(r, buf_text(&target), target.len);
	r->out->failed |= target.failed;
	buf_fini(&target);
}

static void
set_base(struct render *r, const char *s, size_t len)
{
	len = trim(&s, len);
	push(r, s, len);
	if (!ascii_starts(s, len, "http:") && !ascii_starts(s, len, "https:") &&
	    !ascii_starts(s, len, "ftp:"))
		return;
	buf_reset(&r->base);
	buf_add(&r->base, s, uri_base_len(s, len));
	if (r->base.len > 0 && r->base.data[r->base.len - 1] != '/')
		buf_char(&r->base, '/');
}

/* <meta http-equiv=refresh content="0; url=..."> */
static void
refresh(struct render *r, const char *s, size_t len)
{
	for (size_t i = 0; i + 4 < len; i++) {
		size_t n = i + 3;

		if (!ascii_starts(s + i, len - i, "url") ||
		    (i > 0 && ascii_word(s[i - 1])))
			continue;
		while (n < len && ascii_space(s[n]))
			n++;
		if (n == len || s[n] != '=')
			continue;
		for (n++; n < len && ascii_space(s[n]); n++)
			;
		for (i = n; i < len && s[i] != ';'; i++)
			;
		push(r, s + n, i - n);
		return;
	}
}

/* The value of the attribute in r->value; a name such as `x/href` will do, as
 * browsers take it.  False: there is none. */
static bool
attribute(struct render *r, const struct html_tag *tag, const char *name)
{
	struct html_tag rest = *tag;
	struct html_attr a;
	size_t n = strlen(name);

	while (html_attr_next(&rest, &a)) {
		bool same = ascii_is(a.name, a.name_len, name);

		if (!same && a.name_len > n + 1)
			same = a.name[a.name_len - n - 1] == '/' &&
			       ascii_is(a.name + a.name_len - n, n, name);
		if (!same)
			continue;
		buf_reset(&r->value);
		html_entity_decode(&r->value, a.value, a.value_len, false);
		return buf_text(&r->value) != NULL;
	}
	return false;
}

/* Which attribute of which element holds an address. */
static const char *
uri_attribute(const char *name, size_t len)
{
	static const struct {
		const char *name, *attr;
	} rows[] = {
	    {"body", "background"},
	    {"table", "background"},
	    {"tr", "background"},
	    {"td", "background"},
	    {"a", "href"},
	    {"area", "href"},
	    {"link", "href"},
	    {"img", "src"},
	    {"frame", "src"},
	    {"iframe", "src"},
	    {"embed", "src"},
	    {"script", "src"},
	    {"bgsound", "src"},
	    {"form", "action"},
	    {"base", "href"},
	    {"meta", "http-equiv"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (ascii_is(name, len, rows[i].name))
			return rows[i].attr;
	return NULL;
}

static bool
contains(const struct buf *b, const char *word)
{
	for (size_t i = 0; i < b->len; i++)
		if (ascii_starts(b->data + i, b->len - i, word))
			return true;
	return false;
}

static void
find_uris(struct render *r, const struct html_tag *tag)
{
	const char *attr = uri_attribute(tag->name, tag->name_len);
	const char *s;
	size_t len;

	if (attr == NULL || !attribute(r, tag, attr))
		return;
	r->link = ascii_is(tag->name, tag->name_len, "a");
	s = r->value.data;
	len = r->value.len;
	if (ascii_is(tag->name, tag->name_len, "base")) {
		if (len > 0)
			set_base(r, s, len);
		return;
	}
	if (ascii_is(tag->name, tag->name_len, "meta")) {
		if (contains(&r->value, "refresh") &&
		    attribute(r, tag, "content"))
			refresh(r, r->value.data, r->value.len);
		return;
	}
	if (len == 0)
		return;
	push(r, s, len);
	if (*attr != 'h')
		return;
	if (ascii_is(tag->name, tag->name_len, "a")) {
		/* As it stands, too: the text of an anchor is kept by it. */
		len = trim(&s, len);
		tell(r, s, len);
	}
	if (attribute(r, tag, "data-saferedirecturl"))
		push(r, r->value.data, r->value.len);
}

static void
element(struct render *r, const char *name, size_t len, bool start)
{
	const char *space = space_of(name, len);
	unsigned *depth = ascii_is(name, len, "script")	 ? &r->script
			  : ascii_is(name, len, "style") ? &r->style
							 : NULL;

	if (depth != NULL && (start || *depth > 0))
		*depth += start ? 1 : -1u;
	if (!start)
		html_style_end(&r->styles, name, len);
	if (space != NULL)
		put_space(r, space);
}

static void
on_start(void *ctx, const struct html_tag *tag)
{
	struct render *r = ctx;

	html_style_start(&r->styles, tag);
	element(r, tag->name, tag->name_len, true);
	if (r->uri != NULL)
		find_uris(r, tag);
}

static void
on_end(void *ctx, const char *name, size_t len)
{
	element(ctx, name, len, false);
}

/* Octets of <br/> without its `/>`; 0: no such tag begins here. */
static size_t
empty_tag(const char *s, size_t len, size_t *whole_r)
{
	size_t n = 1, name;

	while (n < len && ascii_word(s[n]))
		n++;
	name = n;
	while (n < len && ascii_space(s[n]))
		n++;
	*whole_r = n + 2;
	return name > 1 && len - n >= 2 && s[n] == '/' && s[n + 1] == '>' ? name
									  : 0;
}

/* Typographic quotes quote attributes, a &nbsp; is a blank, <br/> is <br>. */
static void
prepare(struct buf *b, const char *s, size_t len)
{
	size_t from = 0, i = 0, n, skip;

	for (; i < len; i++) {
		const char *as = "\"";

		if (s[i] == '<' && (n = empty_tag(s + i, len - i, &skip)) > 0) {
			buf_add(b, s + from, i + n - from);
			as = ">";
		} else if (len - i >= 3 && memcmp(s + i, "\xe2\x80", 2) == 0 &&
			   (s[i + 2] == '\x9c' || s[i + 2] == '\x9d')) {
			buf_add(b, s + from, i - from);
			skip = 3;
		} else if (s[i] == '&' && len - i >= 6 &&
			   memcmp(s + i, "&nbsp;", 6) == 0) {
			buf_add(b, s + from, i - from);
			skip = 6;
			as = " ";
		} else
			continue;
		buf_str(b, as);
		from = i + skip;
		i = from - 1;
	}
	buf_add(b, s + from, len - from);
}

bool
html_text_render(
    struct buf *b, const char *html, size_t len, html_uri_fn *uri, void *ctx)
{
	static const struct html_sink sink = {on_text, on_start, on_end};
	struct render r = {.out = b, .uri = uri, .ctx = ctx};
	struct buf ready = BUF_INIT;

	html_style_init(&r.styles);
	prepare(&ready, html, len);
	if (buf_text(&ready) != NULL)
		html_tokenize(buf_text(&ready), ready.len, &sink, &r);
	b->failed |=
	    ready.failed | r.text.failed | r.value.failed | r.base.failed;
	buf_fini(&ready);
	buf_fini(&r.text);
	buf_fini(&r.value);
	buf_fini(&r.base);
	return r.wide;
}
