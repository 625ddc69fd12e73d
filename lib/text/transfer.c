/* SPDX-License-Identifier: BSD-2-Clause */
#include "transfer.h"

#include <stdbool.h>
#include <stdint.h>

#include "ascii.h"

/* The value of a base64 digit; 64: `=`; -1: none. */
static int
digit(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : c == '=' ? 64 : -1;
}

/* Leave the digits and `=`; was there nothing else but white space? */
static bool
squeeze(char *out, const char *in, size_t len, size_t *len_r)
{
	bool clean = true;
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (digit((unsigned char)in[i]) >= 0)
			out[n++] = in[i];
		else if (!ascii_space(in[i]))
			clean = false;
	}
	*len_r = n;
	return clean;
}

size_t
transfer_base64(char *out, const char *in, size_t len)
{
	size_t n, done = 0;
	uint32_t bits = 0;
	int pad;

	/* An `=` amid well-formed digits counts as 0, elsewhere as 63: what
	 * SpamAssassin's two decoders make of it. */
	pad = squeeze(out, in, len, &n) && n % 4 == 0 ? 0 : 63;
	while (n > 0 && out[n - 1] == '=')
		n--;
	if (n % 4 == 1)
		n--;
	for (size_t i = 0; i < n; i++) {
		int d = digit((unsigned char)out[i]);

		bits = bits << 6 | (uint32_t)(d == 64 ? pad : d);
		if (i % 4 > 0)
			out[done++] = (char)(bits >> (6 - 2 * (i % 4)));
	}
	return done;
}

/* Octets of the line end that stands here; 0: none. */
static size_t
line_end(const char *s, size_t len)
{
	if (len > 0 && s[0] == '\n')
		return 1;
	return len > 1 && s[0] == '\r' && s[1] == '\n' ? 2 : 0;
}

/* White space before a line end was added on the way (section 6.7, rule 3). */
static size_t
strip_ends(char *out, const char *in, size_t len)
{
	size_t n = 0, keep = 0;

	for (size_t i = 0; i < len; i++) {
		size_t end = line_end(in + i, len - i);

		if (end > 0)
			n = keep;
		out[n++] = in[i];
		if (end > 0 || (in[i] != ' ' && in[i] != '\t'))
			keep = n;
	}
	return n;
}

static size_t
join_soft(char *s, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		size_t end = s[i] == '=' ? line_end(s + i + 1, len - i - 1) : 0;

		if (end > 0)
			i += end;
		else
			s[n++] = s[i];
	}
	return n;
}

size_t
transfer_qp(char *out, const char *in, size_t len)
{
	size_t n = 0;

	len = join_soft(out, strip_ends(out, in, len));
	for (size_t i = 0; i < len; i++) {
		int high = -1, low = -1;

		if (out[i] == '=' && len - i > 2) {
			high = ascii_hex(out[i + 1]);
			low = ascii_hex(out[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			out[n++] = (char)(high << 4 | low);
			i += 2;
		} else
			out[n++] = out[i];
	}
	return n;
}
