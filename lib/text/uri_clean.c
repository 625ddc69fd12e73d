/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri_clean.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ascii.h"
#include "html_text.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "uri_name.h"
#include "uri_set.h"

#define FORMS_MAX 24

/* The address, the addresses found in it, and their forms. */
struct forms {
	struct buf form[FORMS_MAX];
	bool found[FORMS_MAX]; /* an address, not the form of one */
	size_t count;
};

static struct buf *
add_form(struct forms *f, bool found)
{
	if (f->count == FORMS_MAX)
		return NULL;
	f->form[f->count] = (struct buf)BUF_INIT;
	f->found[f->count] = found;
	return &f->form[f->count++];
}

static void
add_text(struct forms *f, bool found, const char *a, size_t a_len,
    const char *b, size_t b_len)
{
	struct buf *form = add_form(f, found);

	if (form == NULL)
		return;
	buf_add(form, a, a_len);
	buf_add(form, b, b_len);
}

/* What an http address consists of; `rest` begins with the port's colon. */
struct web {
	char proto[9];
	struct buf host;
	const char *rest;
	size_t rest_len, port_len; /* of the digits */
	bool user, has_port;
	size_t no_port; /* octets of rest that are a default port's */
};

static void
add_web(struct forms *f, const struct web *w, const char *host, size_t len,
    size_t skip)
{
	struct buf *form = add_form(f, false);

	if (form == NULL)
		return;
	buf_str(form, w->proto);
	buf_add(form, host, len);
	buf_add(form, w->rest + skip, w->rest_len - skip);
}

bool
uri_clean_has_percent(const char *s, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++)
		if (s[i] == '%' && ascii_hex(s[i + 1]) >= 0 &&
		    ascii_hex(s[i + 2]) >= 0)
			return true;
	return false;
}

void
uri_clean_percent(struct buf *b, const char *uri, size_t len, bool utf8)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)uri[i];
		int high = -1, low = -1;

		if (c == '%' && len - i > 2) {
			high = ascii_hex(uri[i + 1]);
			low = ascii_hex(uri[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			if (high >= 2 && high <= 7 &&
			    !(high == 2 && low == 0) &&
			    !(high == 7 && low == 15))
				buf_char(b, (char)(high << 4 | low));
			else
				buf_add(b, uri + i, 3);
			i += 2;
		} else if (utf8 && (c == 0xc2 || c == 0xc3) && i + 1 < len) {
			buf_printf(
			    b, "%%%02x", (c << 6 | (uri[++i] & 0x3f)) & 0xff);
		} else if (utf8 && c > 0xc3) {
			size_t n = utf8_length(uri + i, len - i);

			buf_add(b, uri + i, n > 0 ? n : 1);
			i += n > 0 ? n - 1 : 0;
		} else if (c <= 0x20 || c >= 0x7f ||
			   memchr("\"%<>", c, 4) != NULL)
			buf_printf(b, "%%%02x", c);
		else
			buf_char(b, (char)c);
	}
}

/* The octets of a &#...; that stands for a printable character or a dot of
 * another script; 0: none stands here. */
static size_t
reference(const char *s, size_t len, char *c_r)
{
	unsigned long code = 0;
	size_t i = 2;
	bool hex;

	if (len < 4 || s[0] != '&' || s[1] != '#')
		return 0;
	hex = ascii_lower(s[2]) == 'x';
	for (i += hex; i < len && code < 0x10000; i++) {
		int d = ascii_hex(s[i]);

		if (d < 0 || (!hex && d > 9))
			break;
		code = code * (hex ? 16 : 10) + (unsigned long)d;
	}
	if (i >= len || s[i] != ';')
		return 0;
	if (code == 0x3002 || code == 0xff0e || code == 0xff61)
		code = '.';
	if (code < 33 || code > 126)
		return 0;
	*c_r = (char)code;
	return i + 1;
}

static void
undo_references(struct buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->len; n++) {
		char c = b->data[i];
		size_t skip = reference(b->data + i, b->len - i, &c);

		b->data[n] = c;
		i += skip > 0 ? skip : 1;
	}
	b->len = n;
}

/* Octets of `http:` or `https:`; 0: neither. */
static size_t
http_scheme(const char *s, size_t len)
{
	return ascii_starts(s, len, "http:")	? 5
	       : ascii_starts(s, len, "https:") ? 6
						: 0;
}

/* http:www.example.com, http:\\www..., or no scheme at all. */
static void
mend_scheme(struct buf *b, const char *s, size_t len, bool utf8)
{
	size_t n = http_scheme(s, len), word = 0;
	struct buf flat = BUF_INIT;

	buf_add(&flat, s, n);
	if (n > 0)
		buf_str(&flat, "//");
	for (int i = 0; n > 0 && i < 2 && n < len && memchr("/\\", s[n], 2);
	     i++)
		n++;
	for (; n < len; n++)
		buf_char(&flat, s[n] == '\\' ? '/' : s[n]);
	if (uri_clean_has_percent(flat.data, flat.len)) {
		struct buf plain = BUF_INIT;

		uri_clean_percent(&plain, flat.data, flat.len, utf8);
		buf_fini(&flat);
		flat = plain;
	}
	while (word < flat.len &&
	       (ascii_word(flat.data[word]) || flat.data[word] == '-'))
		word++;
	if (word == 0 || word == flat.len || flat.data[word] != ':')
		buf_str(b, flat.len >= 4 && memcmp(flat.data, "ftp.", 4) == 0
			       ? "ftp://"
			       : "http://");
	buf_add(b, flat.data, flat.len);
	b->failed |= flat.failed;
	buf_fini(&flat);
}

/* The form that all others start from. */
static void
normalize(struct buf *b, const char *s, size_t len, bool utf8)
{
	struct buf mended = BUF_INIT;
	size_t n, host;

	mend_scheme(&mended, s, len, utf8);
	s = mended.data;
	len = mended.len;
	n = http_scheme(s, len);
	host = n + 2;
	/* http://host?id=3 -> http://host/?id=3 */
	while (n > 0 && host < len && memchr("/?#", s[host], 3) == NULL)
		host++;
	if (n > 0 && len > n + 2 && s[n] == '/' && s[n + 1] == '/' &&
	    host > n + 2 && host < len && s[host] != '/') {
		buf_add(b, s, host);
		buf_char(b, '/');
		buf_add(b, s + host, len - host);
	} else
		buf_add(b, s, len);
	b->failed |= mended.failed;
	buf_fini(&mended);
	undo_references(b);
}

static size_t
find_any(const char *s, size_t len, const char *set, size_t set_len)
{
	size_t n = 0;

	while (n < len && memchr(set, s[n], set_len) == NULL)
		n++;
	return n;
}

/* Trimmed forms of a mail address. */
static void
mail_forms(struct forms *f, const char *s, size_t len)
{
	size_t at = find_any(s, len, "@", 1), from, n;

	if (at > 0 && at + 1 < len) {
		from = at + 1;
		n = from + find_any(s + from, len - from, "?", 1);
		if (n < len && n > from)
			add_text(f, false, s, n, NULL, 0);
		n = from + find_any(s + from, len - from, "?&", 2);
		if (n < len && n > from && s[n] == '&')
			add_text(f, false, s, n, NULL, 0);
	}
	for (n = 0; n + 2 < len && memcmp(s + n, "%20", 3) != 0; n++)
		;
	if (n + 2 < len) {
		from = len >= 7 && memcmp(s, "mailto:", 7) == 0 ? 7 : 0;
		while (len - from >= 3 && memcmp(s + from, "%20", 3) == 0)
			from += 3;
		n = at < len
			? at + 1 + find_any(s + at + 1, len - at - 1, "?&%", 3)
			: 0;
		if (at > from && n > at + 1)
			add_text(f, false, "mailto:", 7, s + from, n - from);
	}
	/* "Name" <address> */
	for (n = find_any(s, len, "?&", 2); n-- > 0;) {
		size_t a, end;

		if (s[n] != '<')
			continue;
		a = n + 1 + find_any(s + n + 1, len - n - 1, "@>", 2);
		end = a < len ? a + find_any(s + a, len - a, ">", 1) : len;
		if (end < len && s[a] == '@' && a > n + 1 && end > a + 1) {
			add_text(
			    f, false, "mailto:", 7, s + n + 1, end - n - 1);
			break;
		}
	}
}

/* http(s)://[user@]host[:port]rest */
static bool
split_web(const char *s, size_t len, struct web *w)
{
	size_t n = http_scheme(s, len), at, host;

	memset(w, 0, sizeof(*w));
	if (n == 0 || len < n + 3 || s[n] != '/' || s[n + 1] != '/')
		return false;
	n += 2;
	memcpy(w->proto, s, n);
	at = n + find_any(s + n, len - n, "@/?#", 4);
	if (at < len && s[at] == '@') {
		host = at + 1 + find_any(s + at + 1, len - at - 1, "/?#:", 4);
		if (host > at + 1) {
			w->user = true;
			n = at + 1;
		}
	}
	host = n + find_any(s + n, len - n, "/?#:", 4);
	if (host == n)
		return false;
	buf_add(&w->host, s + n, host - n);
	w->rest = s + host;
	w->rest_len = len - host;
	if (w->rest_len > 0 && *w->rest == ':') {
		while (w->port_len + 1 < w->rest_len &&
		       ascii_digit(w->rest[w->port_len + 1]))
			w->port_len++;
		w->has_port = w->port_len > 0;
	}
	return true;
}

static void
drop_default_port(struct forms *f, struct web *w)
{
	const char *port = strcmp(w->proto, "http://") == 0 ? ":80" : ":443";
	size_t n = strlen(port);

	if (!w->has_port || w->port_len + 1 != n ||
	    memcmp(w->rest, port, n) != 0 ||
	    (w->rest_len > n && ascii_word(w->rest[n])))
		return;
	w->no_port = n;
	add_web(f, w, w->host.data, w->host.len, n);
}

/* A name that is not ASCII, and one with blanks and worse in it; whole gets the
 * name before the latter. */
static void
mend_host(struct forms *f, struct web *w, struct buf *whole)
{
	struct buf ascii = BUF_INIT;
	size_t n = 0;
	bool same;

	uri_name_ascii(&ascii, w->host.data, w->host.len);
	same = ascii_is(w->host.data, w->host.len,
	    buf_text(&ascii) ? buf_text(&ascii) : "");
	if (!same) {
		add_web(f, w, ascii.data, ascii.len, 0);
		if (w->has_port)
			add_web(f, w, ascii.data, ascii.len, w->no_port);
		buf_fini(&w->host);
		w->host = ascii;
	} else
		buf_fini(&ascii);
	uri_name_ascii(whole, w->host.data, w->host.len);
	for (size_t i = 0; i < w->host.len; i++)
		if ((unsigned char)w->host.data[i] > 0x20)
			w->host.data[n++] = w->host.data[i];
	if (n < w->host.len) {
		w->host.len = n;
		add_web(f, w, w->host.data, n, 0);
	}
}

/* Is there another address in this one? */
static void
find_redirect(const struct uri_clean *c, struct forms *f, const struct web *w)
{
	struct buf whole = BUF_INIT;
	const char *to;
	size_t len;

	buf_str(&whole, w->proto);
	buf_add(&whole, w->host.data, w->host.len);
	buf_add(&whole, w->rest, w->rest_len);
	if (c->redirect != NULL && buf_text(&whole) != NULL &&
	    c->redirect(c->redirect_ctx, whole.data, whole.len, &to, &len) &&
	    memchr(to, '.', len) != NULL) {
		add_text(f, true, to, len, NULL, 0);
		buf_fini(&whole);
		return;
	}
	buf_fini(&whole);
	for (size_t i = 0; i < w->rest_len; i++) {
		size_t n = http_scheme(w->rest + i, w->rest_len - i);

		if (n == 0)
			continue;
		len = find_any(w->rest + i, w->rest_len - i, "&#", 2);
		if (len <= n)
			continue;
		if (memchr(w->rest + i, '.', len) != NULL)
			add_text(f, true, w->rest + i, len, NULL, 0);
		return;
	}
}

/* The last 32 bits of a number as an IP address. */
static void
add_number(struct forms *f, const struct web *w, unsigned long n)
{
	char hex[32], ip[32];
	unsigned part[4];

	snprintf(hex, sizeof(hex), "%08lx", n);
	if (sscanf(hex, "%2x%2x%2x%2x", &part[0], &part[1], &part[2],
		&part[3]) != 4)
		return;
	snprintf(
	    ip, sizeof(ip), "%u.%u.%u.%u", part[0], part[1], part[2], part[3]);
	add_web(f, w, ip, strlen(ip), 0);
}

/* One number of a.b.c.d: hexadecimal, octal or decimal. */
static bool
add_octet(struct buf *b, const char *s, size_t len)
{
	size_t i = 0, zeros = 0;
	bool octal = len > 1 && s[0] == '0';

	if (len > 2 && s[0] == '0' && ascii_lower(s[1]) == 'x') {
		unsigned long n = 0;

		for (i = 2; i < len; i++) {
			if (ascii_hex(s[i]) < 0)
				return false;
			if (n < 1ul << 56)
				n = n * 16 + (unsigned long)ascii_hex(s[i]);
		}
		if (n > 0)
			buf_printf(b, "%lu", n);
		return true;
	}
	for (; i < len; i++) {
		if (!ascii_digit(s[i]))
			return false;
		octal &= s[i] < '8';
	}
	while (zeros < len && s[zeros] == '0')
		zeros++;
	octal &= len - zeros <= 3 && len > zeros &&
		 (len - zeros < 3 || s[zeros] <= '3');
	if (octal)
		buf_printf(b, "%lu", strtoul(s, NULL, 8));
	else
		buf_add(b, s + zeros, len - zeros);
	return len > 0;
}

static bool
add_dotted(struct forms *f, const struct web *w)
{
	struct buf ip = BUF_INIT;
	const char *s = w->host.data, *end = s + w->host.len;
	int parts = 0;
	bool ok = true;

	while (ok && s < end) {
		size_t n = find_any(s, (size_t)(end - s), ".", 1);

		ok = ++parts <= 4 && add_octet(&ip, s, n);
		s += n;
		if (s < end) {
			buf_char(&ip, '.');
			s++;
			ok &= s < end;
		}
	}
	ok &= parts == 4 && buf_text(&ip) != NULL;
	if (ok)
		add_web(f, w, ip.data, ip.len, 0);
	buf_fini(&ip);
	return ok;
}

static bool
all_hex(const char *s, size_t len, bool hex)
{
	for (size_t i = 0; i < len; i++)
		if (ascii_hex(s[i]) < 0 || (!hex && !ascii_digit(s[i])))
			return false;
	return len > 0;
}

/* A host that is a number. */
static bool
numeric_forms(struct forms *f, const struct web *w)
{
	const char *s = w->host.data;
	size_t len = w->host.len;
	char word[24];

	if (add_dotted(f, w))
		return true;
	if (ascii_starts(s, len, "0x") && all_hex(s + 2, len - 2, true)) {
		size_t n = len - 2 > 8 ? 8 : len - 2;

		snprintf(word, sizeof(word), "%.*s", (int)n, s + len - n);
		add_number(f, w, strtoul(word, NULL, 16));
		return true;
	}
	if (all_hex(s, len, false)) {
		snprintf(word, sizeof(word), "%.*s", (int)len, s);
		add_number(f, w, strtoul(word, NULL, 10));
		return true;
	}
	return false;
}

/* http://word -> http://www.word.com, as browsers try it */
static void
word_form(const struct uri_clean *c, struct forms *f, const struct web *w,
    const char *s, size_t len)
{
	if (strcmp(w->proto, "http://") != 0 || w->user ||
	    (w->has_port && w->no_port == 0) || ascii_is(s, len, "localhost") ||
	    uri_name_has_tld(c->tlds, s, len))
		return;
	if (ascii_starts(s, len, "www.")) {
		s += 4;
		len -= 4;
	}
	if (len > 0 && memchr(s, '.', len) == NULL) {
		struct buf *form = add_form(f, false);

		if (form == NULL)
			return;
		buf_printf(form, "%swww.", w->proto);
		buf_add(form, s, len);
		buf_str(form, ".com");
		buf_add(form, w->rest, w->rest_len);
	}
}

static void
web_forms(const struct uri_clean *c, struct forms *f, struct web *w)
{
	struct buf host = BUF_INIT;
	size_t n;

	drop_default_port(f, w);
	mend_host(f, w, &host);
	find_redirect(c, f, w);
	for (n = w->host.len; n > 0 && w->host.data[n - 1] != '@'; n--)
		;
	if (n > 1) {
		memmove(w->host.data, w->host.data + n, w->host.len - n);
		w->host.len -= n;
		add_web(f, w, w->host.data, w->host.len, 0);
	}
	for (n = w->host.len; n > 0 && !ascii_alnum(w->host.data[n - 1]); n--)
		;
	if (n < w->host.len) {
		w->host.len = n;
		add_web(f, w, w->host.data, n, 0);
	}
	if (!numeric_forms(f, w) && buf_text(&host) != NULL)
		word_form(c, f, w, buf_text(&host), host.len);
	buf_fini(&host);
}

/* Line ends out, white space off the ends. */
static void
tidy(struct buf *b)
{
	size_t n = 0, from = 0;

	for (size_t i = 0; i < b->len; i++)
		if (b->data[i] != '\n' && b->data[i] != '\r')
			b->data[n++] = b->data[i];
	while (n > 0 && ascii_space(b->data[n - 1]))
		n--;
	while (from < n && ascii_space(b->data[from]))
		from++;
	if (from > 0)
		memmove(b->data, b->data + from, n - from);
	b->len = n - from;
}

static void
find_forms(const struct uri_clean *c, struct forms *f, size_t i)
{
	struct buf *uri = &f->form[i], whole = BUF_INIT;
	struct web w;
	size_t at;

	if (buf_text(uri) == NULL)
		return;
	tidy(uri);
	if (uri->len <= 1 || memchr("#?&", *uri->data, 3) != NULL ||
	    (uri->data[0] == '/' && uri->data[1] != '/'))
		return;
	at = find_any(uri->data, uri->len, ":@", 2);
	if (ascii_starts(uri->data, uri->len, "mailto:") ||
	    (at < uri->len && uri->data[at] == '@')) {
		mail_forms(f, uri->data, uri->len);
		return;
	}
	normalize(&whole, uri->data, uri->len, c->utf8);
	if (buf_text(&whole) == NULL)
		return;
	if (whole.len != uri->len ||
	    memcmp(whole.data, uri->data, whole.len) != 0)
		add_text(f, false, whole.data, whole.len, NULL, 0);
	if (split_web(whole.data, whole.len, &w) && buf_text(&w.host) != NULL)
		web_forms(c, f, &w);
	buf_fini(&w.host);
	buf_fini(&whole);
}

void
uri_clean_add(
    const struct uri_clean *c, const char *uri, size_t len, bool need_host)
{
	struct forms f = {.count = 0};
	bool has_host = !need_host;

	add_text(&f, true, uri, len, NULL, 0);
	for (size_t i = 0; i < f.count; i++)
		if (f.found[i])
			find_forms(c, &f, i);
	for (size_t i = 0; i < f.count; i++) {
		if (buf_text(&f.form[i]) == NULL)
			continue;
		if (f.form[i].len > HTML_URI_MAX)
			f.form[i].len = HTML_URI_MAX;
		has_host = has_host || uri_name_in_uri(c->tlds, f.form[i].data,
					   f.form[i].len);
	}
	for (size_t i = 0; i < f.count; i++) {
		const struct buf *b = &f.form[i];

		if (has_host && b->len > 0 && !b->failed)
			uri_set_add(c->set, b->data, b->len);
		buf_fini(&f.form[i]);
	}
}
