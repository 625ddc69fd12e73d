/* Whatever is written into a page: it is one tree of elements whose text is what
 * was written, it has no element but ours, and nothing in it would be taken for
 * markup, a control or another direction.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/utf8.h"
#include "milter/http/html.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No element's text or value may have these octets. */
static void
check_text(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = utf8_length(text + i, len - i);

		if (n == 0 || (unsigned char)text[i] < 0x20 ||
		    strchr("<>\"'\x7f", text[i]) != NULL)
			abort();
		/* C1, bidirectional controls, separators. */
		if (n == 2 && text[i] == '\xc2' &&
		    (unsigned char)text[i + 1] < 0xa0)
			abort();
		if (n == 3 && memcmp(text + i, "\xe2\x80", 2) == 0 &&
		    (unsigned char)text[i + 2] >= 0xa8 &&
		    (unsigned char)text[i + 2] <= 0xae)
			abort();
		if (text[i] == '&' && memchr(text + i, ';', len - i) == NULL)
			abort();
		i += n;
	}
}

/* The octets of the page between `from` and the next occurrence of `to`. */
static const char *
part(const char *from, const char *to, size_t *len_r)
{
	const char *end = strstr(from, to);

	if (end == NULL)
		abort();
	*len_r = (size_t)(end - from);
	return end + strlen(to);
}

static const char *
expect(const char *at, const char *text)
{
	if (strncmp(at, text, strlen(text)) != 0)
		abort();
	return at + strlen(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct html h = HTML_INIT;
	char *text = malloc(size + 1);
	const char *at;
	size_t len;

	if (text == NULL)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	html_open(&h, "a");
	html_attr_url(&h, "href", "/x", "q", text);
	html_attr(&h, "title", text);
	html_outsiden(&h, text, size, 20);
	html_text(&h, text);
	html_close(&h);

	at = expect(buf_text(&h.out), "<a href=\"/x?q=");
	len = strspn(at, "%0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "abcdefghijklmnopqrstuvwxyz-._~");
	at = expect(at + len, "\" title=\"");
	check_text(at, strcspn(at, "\""));
	at = expect(at + strcspn(at, "\""), "\"><bdi>");
	(void)part(at, "</bdi>", &len);
	check_text(at, len);
	at = part(at, "</bdi>", &len);
	(void)part(at, "</a>", &len);
	check_text(at, len);
	if (part(at, "</a>", &len) != h.out.data + h.out.len)
		abort();
	html_fini(&h);
	free(text);
	return 0;
}
