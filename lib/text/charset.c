/* SPDX-License-Identifier: BSD-2-Clause */
#include "charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdio.h>

#include "ascii.h"
#include "lib/base/buf.h"
#include "lib/base/utf8.h"

#define FFFD "\xef\xbf\xbd"

void
charset_put(struct buf *b, unsigned long c)
{
	char s[4];

	if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		c = 0xfffd;
	if (c < 0x80) {
		buf_char(b, (char)c);
		return;
	}
	if (c < 0x800) {
		s[0] = (char)(0xc0 | c >> 6);
		s[1] = (char)(0x80 | (c & 0x3f));
		buf_add(b, s, 2);
		return;
	}
	if (c < 0x10000) {
		s[0] = (char)(0xe0 | c >> 12);
		s[1] = (char)(0x80 | (c >> 6 & 0x3f));
		s[2] = (char)(0x80 | (c & 0x3f));
		buf_add(b, s, 3);
		return;
	}
	s[0] = (char)(0xf0 | c >> 18);
	s[1] = (char)(0x80 | (c >> 12 & 0x3f));
	s[2] = (char)(0x80 | (c >> 6 & 0x3f));
	s[3] = (char)(0x80 | (c & 0x3f));
	buf_add(b, s, 4);
}

/* 0x80 to 0x9f; 0: not assigned. */
static const unsigned short w1252[32] = {
    0x20ac,
    0,
    0x201a,
    0x0192,
    0x201e,
    0x2026,
    0x2020,
    0x2021,
    0x02c6,
    0x2030,
    0x0160,
    0x2039,
    0x0152,
    0,
    0x017d,
    0,
    0,
    0x2018,
    0x2019,
    0x201c,
    0x201d,
    0x2022,
    0x2013,
    0x2014,
    0x02dc,
    0x2122,
    0x0161,
    0x203a,
    0x0153,
    0,
    0x017e,
    0x0178,
};

static void
from_w1252(struct buf *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c < 0x80 || c >= 0xa0)
			charset_put(b, c);
		else
			charset_put(
			    b, w1252[c - 0x80] ? w1252[c - 0x80] : 0xfffd);
	}
}

static bool
all_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)text[i] >= 0x80)
			return false;
	return true;
}

static bool
valid_utf8(const char *text, size_t len)
{
	for (size_t i = 0, n; i < len; i += n)
		if ((n = utf8_length(text + i, len - i)) == 0)
			return false;
	return true;
}

/* Does the name begin with one of the words? */
static bool
begins(const char *name, size_t len, const char *const *words)
{
	for (; *words != NULL; words++)
		if (ascii_starts(name, len, *words))
			return true;
	return false;
}

/* Sets whose first half is ASCII: nothing is to be done for ASCII text. */
static bool
extends_ascii(const char *name, size_t len)
{
	static const char *const words[] = {"us-ascii", "ascii", "ansi",
	    "iso646-us", "iso-8859", "iso8859", "iso 8859", "windows-", "utf-8",
	    "utf8", "koi8-", "euc-", "big5", "gbk", "gb18030", "gb-18030",
	    "gb 18030", NULL};

	return len == 0 || begins(name, len, words);
}

static bool
is_w1252(const char *name, size_t len)
{
	return ascii_is(name, len, "iso-8859-1") ||
	       ascii_is(name, len, "iso8859-1") ||
	       ascii_is(name, len, "windows-1252") ||
	       ascii_is(name, len, "cp1252");
}

/*
 * The name for iconv; false: not one of the sets that are looked up.  iconv
 * loads a module for a set, and takes suffixes and paths in a name: mail may
 * only choose from these.
 */
static bool
iconv_name(const char *name, size_t len, char out[32])
{
	static const char *const words[] = {"iso-8859-", "iso8859-", "windows-",
	    "cp", "koi8-", "big5", "gb2312", "gbk", "gb18030", "euc-jp",
	    "euc-kr", "euc-cn", "euc-tw", "shift_jis", "shift-jis", "sjis",
	    "iso-2022-jp", "iso-2022-kr", "ks_c_5601", "hz-gb-2312", "tis-620",
	    "utf-16", "utf-32", "utf-7", "viscii", "macintosh", "mac-", "ibm",
	    "johab", "armscii", "tcvn", "iso-ir-", "latin", NULL};

	if (len == 0 || len >= 32 || !begins(name, len, words))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!ascii_word(name[i]) && name[i] != '-')
			return false;
	if (ascii_starts(name, len, "ks_c_5601"))
		snprintf(out, 32, "UHC");
	else if (ascii_is(name, len, "hz-gb-2312"))
		snprintf(out, 32, "HZ");
	else
		snprintf(out, 32, "%.*s", (int)len, name);
	return true;
}

/* Add what iconv makes of the text; false: the text is not of that set, and
 * nothing was added.  lenient: put U+FFFD and go on. */
static bool
from_iconv(
    struct buf *b, const char *name, const char *text, size_t len, bool lenient)
{
	iconv_t cd = iconv_open("UTF-8", name);
	char *in = (char *)(size_t)text, piece[1024];
	size_t left = len, began = b->len;
	bool ok = true;

	if (cd == (iconv_t)-1)
		return false;
	while (left > 0 && ok) {
		char *out = piece;
		size_t room = sizeof(piece);
		size_t n = iconv(cd, &in, &left, &out, &room);
		int why = errno;

		buf_add(b, piece, sizeof(piece) - room);
		if (n != (size_t)-1 || why == E2BIG)
			continue;
		if ((ok = lenient)) {
			buf_str(b, FFFD);
			in++;
			left--;
		}
	}
	iconv_close(cd);
	if (!ok && !b->failed) {
		b->len = began;
		if (b->data != NULL)
			b->data[began] = '\0';
	}
	return ok;
}

/* UTF-16 without a mark: which half is nought more often? */
static const char *
utf16_order(const char *text, size_t len)
{
	size_t even = 0, odd = 0;

	if (len >= 2 && ((text[0] == '\xff' && text[1] == '\xfe') ||
			    (text[0] == '\xfe' && text[1] == '\xff')))
		return "UTF-16";
	for (size_t i = 0; i + 1 < len; i += 2) {
		even += text[i] == '\0';
		odd += text[i + 1] == '\0';
	}
	return odd > even ? "UTF-16LE" : "UTF-16BE";
}

static bool
from_declared(struct buf *b, const char *text, size_t len, const char *name,
    size_t name_len, bool insist)
{
	char known[32];

	if (ascii_starts(name, name_len, "utf-16") ||
	    ascii_starts(name, name_len, "utf16"))
		return from_iconv(b, utf16_order(text, len), text, len, insist);
	return iconv_name(name, name_len, known) &&
	       from_iconv(b, known, text, len, insist);
}

bool
charset_utf8(struct buf *b, const char *text, size_t len, const char *declared,
    size_t declared_len, bool insist)
{
	bool ascii = all_ascii(text, len);
	bool utf8 = ascii_is(declared, declared_len, "utf-8") ||
		    ascii_is(declared, declared_len, "utf8");

	if (ascii && extends_ascii(declared, declared_len)) {
		buf_add(b, text, len);
		return false;
	}
	if (!ascii && (!insist || utf8) && valid_utf8(text, len)) {
		buf_add(b, text, len);
		return true;
	}
	if (insist && utf8) {
		utf8_mend(b, text, len);
		return true;
	}
	if (!is_w1252(declared, declared_len) && !utf8 &&
	    from_declared(b, text, len, declared, declared_len, insist))
		return true;
	if (ascii) {
		buf_add(b, text, len);
		return false;
	}
	from_w1252(b, text, len);
	return true;
}
