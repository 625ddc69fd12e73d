/* SPDX-License-Identifier: BSD-2-Clause */
#include "jsontext.h"

#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "utf8.h"

/* The code point of a valid sequence of n octets. */
static unsigned
code_point(const char *bytes, size_t n)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned code = (unsigned char)bytes[0] & masks[n];

	for (size_t i = 1; i < n; i++)
		code = code << 6 | ((unsigned char)bytes[i] & 0x3f);
	return code;
}

/* All of these are below U+10000. */
static bool
is_escaped(unsigned code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) ||
	    code == 0x061c || code == 0x200e || code == 0x200f ||
	    (code >= 0x2028 && code <= 0x202e) ||
	    (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

static void
add_escaped(struct buf *b, unsigned code)
{
	static const char digits[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', digits[code >> 12 & 15],
	    digits[code >> 8 & 15], digits[code >> 4 & 15], digits[code & 15]};

	if (code == '\n')
		buf_add(b, "\\n", 2);
	else if (code == '\t')
		buf_add(b, "\\t", 2);
	else
		buf_add(b, text, sizeof(text));
}

/* How many octets from the beginning stand as they are. */
static size_t
plain_length(const char *bytes, size_t len)
{
	size_t n = 0;

	while (n < len && bytes[n] >= 0x20 && bytes[n] < 0x7f &&
	    bytes[n] != '"' && bytes[n] != '\\')
		n++;
	return n;
}

void
jsontext_add(struct buf *b, const char *bytes, size_t len)
{
	size_t n;

	buf_char(b, '"');
	for (size_t i = 0; i < len; i += n) {
		n = plain_length(bytes + i, len - i);
		if (n > 0) {
			buf_add(b, bytes + i, n);
			continue;
		}
		n = utf8_length(bytes + i, len - i);
		if (n == 0) {
			buf_str(b, "\xef\xbf\xbd");
			n = 1;
		} else if (is_escaped(code_point(bytes + i, n))) {
			add_escaped(b, code_point(bytes + i, n));
		} else {
			if (n == 1)
				buf_char(b, '\\'); /* a quote or a backslash */
			buf_add(b, bytes + i, n);
		}
	}
	buf_char(b, '"');
}

void
jsontext_guard(struct buf *b, const char *json, size_t len)
{
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_length(json + i, len - i);
		if (n > 0 && is_escaped(code_point(json + i, n))) {
			add_escaped(b, code_point(json + i, n));
			continue;
		}
		n += n == 0;
		buf_add(b, json + i, n);
	}
}
