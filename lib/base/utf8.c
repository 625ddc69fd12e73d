/* SPDX-License-Identifier: BSD-2-Clause */
#include "utf8.h"

#include <stdbool.h>

#include "buf.h"

/* RFC 3629 section 4: the second octet's range depends on the first. */
static bool
second_fits(unsigned char first, unsigned char second)
{
	unsigned char low = 0x80, high = 0xbf;

	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	return second >= low && second <= high;
}

size_t
utf8_length(const char *bytes, size_t len)
{
	const unsigned char *p = (const unsigned char *)bytes;
	size_t want;

	if (len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	want = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < want || !second_fits(p[0], p[1]))
		return 0;
	for (size_t i = 2; i < want; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return want;
}

void
utf8_mend(struct buf *b, const char *bytes, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_length(bytes + i, len - i);

		if (n == 0) {
			buf_str(b, "\xef\xbf\xbd");
			n = 1;
		} else {
			buf_add(b, bytes + i, n);
		}
		i += n;
	}
}
