/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri_find.h"

#include "ascii.h"
#include "lib/base/buf.h"
#include "uri_clean.h"
#include "uri_name.h"
#include "uri_set.h"

enum { WEB_MAX = 2048, MAIL_PART_MAX = 251, NAME_MAX_LEN = 252 };

/* What may stand before an address, and what ends it.  0xa0 is a no-break space
 * in old character sets; ESC begins a shift in ISO 2022. */
static bool
is_end(char c)
{
	switch (c) {
	case '>': case '<': case '"': case '`': case '}': case ']': case '{':
	case '[': case '|': case '\x1b': case '\xa0':
		return true;
	default:
		return ascii_space(c);
	}
}

static bool
is_start(char c)
{
	switch (c) {
	case '>': case '<': case '"': case '\'': case '`': case ',': case '{':
	case '[': case '(': case '|': case '\x1b': case '\xa0':
		return true;
	default:
		return ascii_space(c);
	}
}

static bool
is_mail_end(char c)
{
	return is_end(c) || c == ',' || c == '(' || c == '\'' ||
	       (unsigned char)c >= 0x80;
}

/* Punctuation, but for `%`, `-`, `.` and `_`. */
static bool
is_name_start(char c)
{
	if (c > ' ' && c < '\x7f')
		return !ascii_word(c) && c != '%' && c != '-' && c != '.';
	return ascii_space(c) || c == '\x1b' || c == '\xa0';
}

enum kind { KIND_NONE, KIND_WEB, KIND_MAIL, KIND_NAME };

/* The text, and ends of runs that were found already: each octet is passed a
 * few times at most, however many places there are to begin at. */
struct scan {
	const struct uri_clean *c;
	struct uri_set *seen;
	const char *s, *end;
	const char *run_end;  /* of what is_end ends */
	const char *mail_end; /* of what is_mail_end ends */
	const char *at;	      /* the first @ or is_mail_end */
};

static const char *
run_end(struct scan *x, const char *p)
{
	if (x->run_end == NULL || x->run_end < p)
		for (x->run_end = p;
		     x->run_end < x->end && !is_end(*x->run_end); x->run_end++)
			;
	return x->run_end;
}

static const char *
mail_end(struct scan *x, const char *p)
{
	if (x->mail_end == NULL || x->mail_end < p)
		for (x->mail_end = p;
		     x->mail_end < x->end && !is_mail_end(*x->mail_end);
		     x->mail_end++)
			;
	return x->mail_end;
}

/* Octets of a scheme, or of `www.` and its like; 0: neither. */
static size_t
web_prefix(const char *p, size_t len)
{
	static const char *const words[] = {
	    "http://", "https://", "ftp://", "ftp.", NULL};
	size_t n = 3;

	if (len == 0 || memchr("hHfFwW", *p, 6) == NULL)
		return 0;
	for (const char *const *w = words; *w != NULL; w++)
		if (ascii_starts(p, len, *w))
			return strlen(*w);
	if (!ascii_starts(p, len, "www"))
		return 0;
	while (n < len && n < 5 && ascii_digit(p[n]))
		n++;
	return n < len && p[n] == '.' ? n + 1 : 0;
}

/* The functions for the kinds return the end of the address at p, or NULL. */
static const char *
match_web(struct scan *x, const char *p)
{
	size_t n = web_prefix(p, (size_t)(x->end - p));
	const char *end;

	if (n == 0)
		return NULL;
	end = run_end(x, p + n);
	return end > p + n && end - (p + n) <= WEB_MAX ? end : NULL;
}

static const char *
match_mail(struct scan *x, const char *p)
{
	const char *end;

	if (ascii_starts(p, (size_t)(x->end - p), "mailto:")) {
		end = mail_end(x, p + 7);
		if (end > p + 7 && end - (p + 7) <= WEB_MAX)
			return end;
	}
	if (x->at == NULL || x->at < p)
		for (x->at = p;
		     x->at < x->end && *x->at != '@' && !is_mail_end(*x->at);
		     x->at++)
			;
	if (x->at == x->end || *x->at != '@' || x->at == p ||
	    x->at - p > MAIL_PART_MAX)
		return NULL;
	end = mail_end(x, x->at + 1);
	return end > x->at + 1 && end - x->at - 1 <= MAIL_PART_MAX ? end : NULL;
}

/* A host's name that ends in a top-level domain, a port, a path. */
static const char *
match_name(struct scan *x, const char *p, size_t *host_len_r)
{
	const char *host = p, *q, *dot;

	if (!ascii_alnum(*p) || (p > x->s && !is_name_start(p[-1])))
		return NULL;
	while (p < x->end && p - host < NAME_MAX_LEN + 64 &&
	       (ascii_word(*p) || *p == '.' || *p == '-'))
		p++;
	q = p[-1] == '.' ? p - 1 : p;
	for (dot = q; dot > host && dot[-1] != '.'; dot--)
		;
	if (dot - 1 <= host || dot - 1 - host > NAME_MAX_LEN ||
	    !uri_name_is_tld(x->c->tlds, dot, (size_t)(q - dot)))
		return NULL;
	*host_len_r = (size_t)(q - host);
	if (p < x->end && *p == ':') {
		const char *port = ++p;

		while (p < x->end && p - port < 5 && ascii_digit(*p))
			p++;
		if (p == port)
			return NULL;
	}
	if (p < x->end && *p == '/') {
		const char *path = p + 1;

		p = run_end(x, path);
		if (p == path || p - path > WEB_MAX)
			return NULL;
	}
	return p == x->end || is_end(*p) ? p : NULL;
}

/* May an address begin here? */
static bool
may_begin(const struct scan *x, const char *p)
{
	if (p == x->s)
		return ascii_word(*p);
	return ascii_word(*p) != ascii_word(p[-1]) || is_start(p[-1]) ||
	       (p - x->s >= 3 && p[-3] == '\x1b' && p[-2] == '(');
}

/* Without the `)` of a sentence around it, and without punctuation at its end.
 */
static size_t
trim(const char *s, size_t len)
{
	const char *close = memchr(s, ')', len);

	if (close != NULL && memchr(s, '(', (size_t)(close - s)) == NULL) {
		/* The last `)` that has no `(` before it. */
		const char *open = memchr(s, '(', len);
		size_t n = open != NULL ? (size_t)(open - s) : len;

		while (n > 0 && s[n - 1] != ')')
			n--;
		len = n - 1;
	}
	while (len > 0 && s[len - 1] != '\0' &&
	       strchr("-~!@#^&*()_+=:;'?,.", s[len - 1]) != NULL)
		len--;
	return len;
}

/* Put mailto: before it; false: it is no mail address. */
static bool
as_mail(struct buf *b, const char *s, size_t len)
{
	static const char *const noise[] = {
	    "skype", "email", "e-mail", "mail", "", NULL};
	const char *at = memchr(s, '@', len), *dot;

	/* A dot, and something around it. */
	dot = at + 2 < s + len ? memchr(at + 2, '.', (size_t)(s + len - at - 2))
			       : NULL;
	if (dot == NULL)
		return false;
	for (size_t i = 0; i + 6 <= len; i++)
		if (memcmp(s + i, "&nbsp;", 6) == 0)
			return false;
	for (const char *const *w = noise; *w != NULL; w++) {
		size_t n = strlen(*w);

		if (!ascii_starts(s, len, *w) || n == len || s[n] != ':')
			continue;
		while (n < len && s[n] == ':')
			n++;
		s += n;
		len -= n;
		break;
	}
	buf_str(b, "mailto:");
	buf_add(b, s, len);
	return true;
}

static bool
has_slash_then_at(const char *s, size_t len)
{
	const char *slash = memchr(s, '/', len);

	return slash != NULL && s + len - slash > 2 &&
	       memchr(slash + 2, '@', (size_t)(s + len - slash - 2)) != NULL;
}

/* Put a scheme before what has none; false: it is no address. */
static bool
with_scheme(struct buf *b, const char *s, size_t len)
{
	if (ascii_starts(s, len, "http:") || ascii_starts(s, len, "https:") ||
	    ascii_starts(s, len, "ftp:") || ascii_starts(s, len, "mailto:"))
		;
	else if (ascii_starts(s, len, "ftp."))
		buf_str(b, "ftp://");
	else if (web_prefix(s, len) > 0 || has_slash_then_at(s, len))
		buf_str(b, "http://");
	else if (memchr(s, '@', len) != NULL)
		return as_mail(b, s, len);
	else if (memchr(s, '.', len) != NULL)
		buf_str(b, "http://");
	else
		return false;
	buf_add(b, s, len);
	return true;
}

/* mailto:a%40b%2Ecom counts as what it says; is its domain one? */
static bool
mend_mail(const struct uri_clean *c, struct buf *b)
{
	const char *at;
	size_t len, n = 0;

	if (uri_clean_has_percent(b->data, b->len)) {
		struct buf plain = BUF_INIT;

		uri_clean_percent(&plain, b->data, b->len, false);
		buf_fini(b);
		*b = plain;
		if (buf_text(b) == NULL)
			return false;
	}
	at = memchr(b->data, '@', b->len);
	if (at == NULL)
		return false;
	len = (size_t)(b->data + b->len - ++at);
	while (n < len && memchr("?&>", at[n], 3) == NULL)
		n++;
	while (n >= 3 && memcmp(at + n - 3, "%20", 3) == 0)
		n -= 3;
	return uri_name_has_tld(c->tlds, at, n);
}

/* `http://` and no more. */
static bool
is_bare_scheme(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && ascii_word(s[n]))
		n++;
	if (n == 0 || n == len || s[n] != ':')
		return false;
	for (n++; n < len && s[n] == '/'; n++)
		;
	return n == len;
}

static void
take(struct scan *x, enum kind kind, const char *s, size_t len, size_t host_len)
{
	struct buf b = BUF_INIT;
	bool ok;

	len = trim(s, len);
	if (len == 0 || !uri_set_add(x->seen, s, len))
		return;
	if ((kind == KIND_MAIL && memchr(s, '@', len) == NULL) ||
	    (kind == KIND_NAME && !uri_name_is_host(s, host_len)) ||
	    ascii_starts(s, len, "cid:") || ascii_starts(s, len, "mid:") ||
	    is_bare_scheme(s, len))
		return;
	ok = with_scheme(&b, s, len) && buf_text(&b) != NULL;
	if (ok && ascii_starts(b.data, b.len, "mailto:"))
		ok = mend_mail(x->c, &b);
	if (ok)
		uri_clean_add(x->c, b.data, b.len, true);
	buf_fini(&b);
}

void
uri_find(const struct uri_clean *c, struct uri_set *seen, const char *text,
    size_t len)
{
	struct scan x = {.c = c, .seen = seen, .s = text, .end = text + len};
	const char *p = text;

	while (p < x.end) {
		enum kind kind = KIND_NONE;
		const char *end = NULL;
		size_t host_len = 0;

		if (may_begin(&x, p)) {
			if ((end = match_web(&x, p)) != NULL)
				kind = KIND_WEB;
			else if ((end = match_mail(&x, p)) != NULL)
				kind = KIND_MAIL;
			else if ((end = match_name(&x, p, &host_len)) != NULL)
				kind = KIND_NAME;
		}
		if (kind == KIND_NONE) {
			p++;
			continue;
		}
		take(&x, kind, p, (size_t)(end - p), host_len);
		p = end;
	}
}
