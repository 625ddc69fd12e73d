/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri_resolve.h"

#include "ascii.h"
#include "lib/base/buf.h"

struct piece {
	const char *s; /* NULL: there is none */
	size_t len;
};

struct parts {
	struct piece scheme, authority, path, query, fragment;
};

/* The octets up to one of the set, or all. */
static size_t
span(const char *s, size_t len, const char *set, size_t set_len)
{
	size_t n = 0;

	while (n < len && memchr(set, s[n], set_len) == NULL)
		n++;
	return n;
}

static void
take(struct piece *p, const char **s, size_t *len, size_t skip, size_t n)
{
	p->s = *s + skip;
	p->len = n;
	*s += skip + n;
	*len -= skip + n;
}

static struct parts
split(const char *s, size_t len)
{
	struct parts p = {{0}, {0}, {0}, {0}, {0}};
	size_t n = span(s, len, ":/?#", 4);

	if (n > 0 && n < len && s[n] == ':') {
		take(&p.scheme, &s, &len, 0, n);
		s++;
		len--;
	}
	if (len >= 2 && s[0] == '/' && s[1] == '/')
		take(&p.authority, &s, &len, 2, span(s + 2, len - 2, "/?#", 3));
	take(&p.path, &s, &len, 0, span(s, len, "?#", 2));
	if (len > 0 && *s == '?')
		take(&p.query, &s, &len, 1, span(s + 1, len - 1, "#", 1));
	if (len > 0)
		take(&p.fragment, &s, &len, 1, span(s + 1, len - 1, "\n", 1));
	return p;
}

/* Add a path without its `.` and `..` segments. */
static void
add_path(struct buf *b, const char *s, size_t len)
{
	size_t began = b->len;

	if (len >= 2 && s[0] == '.' && s[1] == '/') {
		s++;
		len--;
	} else if (len >= 3 && s[0] == '.' && s[1] == '.' && s[2] == '/') {
		s += 2;
		len -= 2;
	}
	while (len > 0) {
		size_t slash = *s == '/';
		size_t n = slash + span(s + slash, len - slash, "/", 1);
		size_t dots = n == 2 && s[1] == '.'		     ? 1
			      : n == 3 && s[1] == '.' && s[2] == '.' ? 2
								     : 0;

		if (slash == 0)
			dots = 0;
		if (dots == 0)
			buf_add(b, s, n);
		else if (dots == 2) {
			while (b->len > began && b->data[b->len - 1] != '/')
				b->len--;
			if (b->len > began)
				b->len--;
		}
		s += n;
		len -= n;
		if (dots > 0 && len == 0)
			buf_char(b, '/');
	}
}

static void
add_merged(struct buf *b, const struct parts *base, struct piece path)
{
	struct buf merged = BUF_INIT;
	size_t keep = base->path.len;

	if (base->authority.s != NULL && base->path.len == 0)
		buf_char(&merged, '/');
	while (keep > 0 && base->path.s[keep - 1] != '/')
		keep--;
	buf_add(&merged, base->path.s, keep);
	buf_add(&merged, path.s, path.len);
	if (buf_text(&merged) != NULL)
		add_path(b, buf_text(&merged), merged.len);
	b->failed |= merged.failed;
	buf_fini(&merged);
}

static void
add_scheme(struct buf *b, struct piece scheme, struct piece authority)
{
	if (scheme.s != NULL && scheme.len > 0) {
		buf_add(b, scheme.s, scheme.len);
		buf_char(b, ':');
	} else if (authority.s != NULL) {
		/* //www.example.com, which mail programs complete. */
		const char *s = authority.s;
		size_t n = authority.len, i = 3;

		while (i < n && ascii_digit(s[i]))
			i++;
		if (i < n && s[i] == '.' && ascii_starts(s, n, "www"))
			buf_str(b, "http:");
		else if (i < n && s[i] == '.' && ascii_starts(s, n, "ftp"))
			buf_str(b, "ftp:");
	}
	if (authority.s != NULL) {
		buf_str(b, "//");
		buf_add(b, authority.s, authority.len);
	}
}

void
uri_resolve(struct buf *b, const char *base_text, size_t base_len,
    const char *uri, size_t uri_len)
{
	struct parts base = split(base_text, base_len);
	struct parts r = split(uri, uri_len);
	struct piece query = r.query;

	if (r.scheme.s != NULL && base.scheme.s != NULL &&
	    r.scheme.len == base.scheme.len &&
	    memcmp(r.scheme.s, base.scheme.s, r.scheme.len) == 0)
		r.scheme.s = NULL;
	if (r.scheme.s != NULL || r.authority.s != NULL) {
		add_scheme(b, r.scheme.s ? r.scheme : base.scheme, r.authority);
		add_path(b, r.path.s, r.path.len);
	} else {
		add_scheme(b, base.scheme, base.authority);
		if (r.path.len == 0) {
			buf_add(b, base.path.s, base.path.len);
			query = r.query.s != NULL ? r.query : base.query;
		} else if (*r.path.s == '/')
			add_path(b, r.path.s, r.path.len);
		else
			add_merged(b, &base, r.path);
	}
	if (query.s != NULL) {
		buf_char(b, '?');
		buf_add(b, query.s, query.len);
	}
	if (r.fragment.s != NULL) {
		buf_char(b, '#');
		buf_add(b, r.fragment.s, r.fragment.len);
	}
}

/* A name with an extension of two to four, behind a slash behind the host. */
size_t
uri_base_len(const char *base, size_t len)
{
	size_t host = 0, dot = len, name;

	while (host < len && ascii_alpha(base[host]))
		host++;
	for (host++; host < len && base[host] == '/'; host++)
		;
	while (host < len && base[host] != '/')
		host++;
	while (dot > 0 && base[dot - 1] != '.' && base[dot - 1] != '/')
		dot--;
	if (dot == 0 || base[dot - 1] != '.' || len - dot < 2 || len - dot > 4)
		return len;
	for (name = dot - 1;
	     name > 0 && base[name - 1] != '.' && base[name - 1] != '/'; name--)
		;
	return name < dot - 1 && name > host ? name : len;
}
