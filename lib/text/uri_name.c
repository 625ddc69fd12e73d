/* SPDX-License-Identifier: BSD-2-Clause */
#include "uri_name.h"

#include <arpa/inet.h>

#include <idn2.h>

#include "ascii.h"
#include "charset.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"
#include "lib/dns/pslist.h"

bool
uri_name_is_tld(const struct pslist *tlds, const char *label, size_t len)
{
	char word[64];

	if (tlds == NULL || len == 0 || len >= sizeof(word))
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!ascii_alnum(label[i]) && label[i] != '-')
			return false;
		word[i] = ascii_lower(label[i]);
	}
	word[len] = '\0';
	return pslist_has_tld(tlds, word);
}

bool
uri_name_has_tld(const struct pslist *tlds, const char *name, size_t len)
{
	size_t dot = len;

	for (size_t i = 0; i < len; i++)
		if (ascii_space(name[i]))
			return false;
	while (dot > 0 && name[dot - 1] != '.')
		dot--;
	return dot > 0 && uri_name_is_tld(tlds, name + dot, len - dot);
}

static bool
is_label(const char *s, size_t len, bool underscores)
{
	if (len == 0 || len > 63 || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!ascii_alnum(s[i]) && s[i] != '-' &&
		    (s[i] != '_' || !underscores))
			return false;
	return true;
}

bool
uri_name_is_host(const char *name, size_t len)
{
	size_t labels = 0;

	while (len > 0 && name[len - 1] == '.')
		len--;
	if (len > 253)
		return false;
	for (size_t end = len;; labels++) {
		size_t from = end;

		while (from > 0 && name[from - 1] != '.')
			from--;
		/* No _ in what is registered. */
		if (!is_label(name + from, end - from, labels >= 2))
			return false;
		if (from == 0)
			return labels > 0;
		end = from - 1;
	}
}

/* Latin 1 with letters only: somebody's name in an old page. */
static bool
from_latin(struct buf *b, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (c >= 0x80 && (c < 0xc0 || c == 0xd7 || c == 0xdf ||
				     c == 0xf7 || c == 0xff))
			return false;
		charset_put(b, c);
	}
	return true;
}

/* The name with A-labels, to be freed with idn2_free; NULL: it can't have any.
 * What stands behind a NUL is lost, as it is in SpamAssassin. */
static char *
a_labels(const char *name, size_t len)
{
	struct buf utf8 = BUF_INIT;
	char *made = NULL;
	bool valid = true;

	if (len > 1024)
		return NULL;
	for (size_t i = 0, n; valid && i < len; i += n)
		valid = (n = utf8_length(name + i, len - i)) > 0;
	if (valid)
		buf_add(&utf8, name, len);
	if ((valid || from_latin(&utf8, name, len)) &&
	    buf_text(&utf8) != NULL &&
	    idn2_to_ascii_8z(buf_text(&utf8), &made,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		made = NULL;
	buf_fini(&utf8);
	return made;
}

void
uri_name_ascii(struct buf *b, const char *name, size_t len)
{
	char *made = NULL;
	bool plain = true;

	for (size_t i = 0; i < len; i++)
		plain &=
		    ascii_word(name[i]) || memchr("-.:[]", name[i], 5) != NULL;
	if (plain) {
		for (size_t i = 0; i < len; i++)
			buf_char(b, ascii_lower(name[i]));
		return;
	}
	made = a_labels(name, len);
	if (made != NULL)
		buf_str(b, made);
	else
		buf_add(b, name, len);
	idn2_free(made);
}

static bool
is_address(const char *s, size_t len)
{
	char word[64];
	unsigned char raw[16];

	if (len > 2 && s[0] == '[' && s[len - 1] == ']') {
		s++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(word))
		return false;
	memcpy(word, s, len);
	word[len] = '\0';
	return inet_pton(AF_INET, word, raw) == 1 ||
	       inet_pton(AF_INET6, word, raw) == 1;
}

/* A %hh that stands for something printable hides what it is. */
static bool
has_hidden(const char *s, size_t len)
{
	for (size_t i = 0; i + 2 < len; i++) {
		int high, low;

		if (s[i] != '%')
			continue;
		high = ascii_hex(s[i + 1]);
		low = ascii_hex(s[i + 2]);
		if (low >= 0 && high >= 2 && high <= 7 &&
		    !(high == 2 && low == 0) && !(high == 7 && low == 15))
			return true;
	}
	return false;
}

/* Where does the host of a mailto: begin? Its length, or 0. */
static size_t
mail_host(const char **s, size_t len)
{
	const char *q = memchr(*s, '?', len), *at;

	len = q != NULL ? (size_t)(q - *s) : len;
	at = len > 0 ? memchr(*s, '@', len) : NULL;
	if (at == NULL || memchr(at + 1, '@', len - (size_t)(at + 1 - *s)))
		return 0;
	len -= (size_t)(at + 1 - *s);
	*s = at + 1;
	return len;
}

static size_t
web_host(const char **s, size_t len)
{
	const char *p = *s, *end = *s + len, *from;

	while (p < end && ascii_alpha(*p))
		p++;
	if (p > *s && p < end && *p == ':') {
		p++;
		for (int i = 0; i < 2 && p < end && *p == '/'; i++)
			p++;
	} else
		p = *s;
	for (from = p; p < end && memchr("/?#", *p, 3) == NULL; p++)
		if (*p == '@')
			from = p + 1;
	len = (size_t)(p - from);
	*s = from;
	while (len > 0 && ascii_digit(from[len - 1]))
		len--;
	return len > 0 && from[len - 1] == ':' ? len - 1 : (size_t)(p - from);
}

bool
uri_name_in_uri(const struct pslist *tlds, const char *uri, size_t len)
{
	struct buf host = BUF_INIT;
	bool ok;

	if (ascii_starts(uri, len, "javascript:") ||
	    ascii_starts(uri, len, "cid:") || ascii_starts(uri, len, "file:"))
		return false;
	if (ascii_starts(uri, len, "mailto:")) {
		uri += 7;
		len = mail_host(&uri, len - 7);
	} else
		len = web_host(&uri, len);
	if (len == 0 || has_hidden(uri, len))
		return false;
	uri_name_ascii(&host, uri, len);
	ok = buf_text(&host) != NULL &&
	     (is_address(host.data, host.len) ||
		 (uri_name_is_host(host.data, host.len) &&
		     uri_name_has_tld(tlds, host.data, host.len)));
	buf_fini(&host);
	return ok;
}
