/* SPDX-License-Identifier: BSD-2-Clause */
#include "message.h"

#include <stdbool.h>
#include <string.h>

#include "lib/base/buf.h"

/* Where the line after this one begins. */
static size_t
next_line(const char *bytes, size_t len, size_t at)
{
	const char *lf = memchr(bytes + at, '\n', len - at);

	return lf == NULL ? len : (size_t)(lf - bytes) + 1;
}

/* The line's end without LF or CRLF. */
static size_t
line_end(const char *bytes, size_t at, size_t next)
{
	if (next > at && bytes[next - 1] == '\n')
		next--;
	if (next > at && bytes[next - 1] == '\r')
		next--;
	return next;
}

/* RFC 5322 section 3.6.8 (ftext), and the white space before the colon that
 * section 4.5.8 still allows.  0: not a field.  Otherwise where the colon is. */
static size_t
find_colon(const char *line, size_t len, size_t *name_len_r)
{
	size_t i = 0;

	while (i < len && (unsigned char)line[i] > 0x20 && line[i] != ':' &&
	    line[i] != 0x7f)
		i++;
	*name_len_r = i;
	while (i > 0 && i < len && (line[i] == ' ' || line[i] == '\t'))
		i++;
	return i > 0 && i < len && line[i] == ':' ? i : 0;
}

/* Put the lines from `at` up to `end` together, folds as "\n". */
static void
unwrap(struct buf *value, const char *bytes, size_t at, size_t end)
{
	buf_reset(value);
	while (at < end) {
		size_t next = next_line(bytes, end, at);

		buf_add(value, bytes + at, line_end(bytes, at, next) - at);
		if (next < end)
			buf_char(value, '\n');
		at = next;
	}
}

/* Does it begin with the line that an mbox has before a message?  `From : a@b`
 * is a field. */
static bool
has_mbox_line(const char *bytes, size_t len)
{
	size_t name_len;

	return len >= 5 && memcmp(bytes, "From ", 5) == 0 &&
	    find_colon(bytes, len, &name_len) == 0;
}

size_t
message_split(const char *bytes, size_t len, message_field_fn *field, void *ctx)
{
	struct buf value = BUF_INIT;
	size_t at = 0, next, colon, name_len;

	if (has_mbox_line(bytes, len))
		at = next_line(bytes, len, 0);
	while (at < len) {
		next = next_line(bytes, len, at);
		if (line_end(bytes, at, next) == at) {
			at = next; /* the empty line */
			break;
		}
		colon = find_colon(
		    bytes + at, line_end(bytes, at, next) - at, &name_len);
		if (colon == 0)
			break;
		while (next < len && (bytes[next] == ' ' || bytes[next] == '\t'))
			next = next_line(bytes, len, next);
		unwrap(&value, bytes, at + colon + 1, next);
		field(ctx, bytes + at, name_len, buf_text(&value), value.len);
		at = next;
	}
	buf_fini(&value);
	return at;
}

void
message_crlf(struct buf *b, const char *bytes, size_t len)
{
	size_t at = 0;

	while (at < len) {
		const char *lf = memchr(bytes + at, '\n', len - at);
		size_t end = lf == NULL ? len : (size_t)(lf - bytes);
		bool bare = lf != NULL && (end == 0 || bytes[end - 1] != '\r');

		buf_add(b, bytes + at, end - at);
		if (lf == NULL)
			return;
		buf_str(b, bare ? "\r\n" : "\n");
		at = end + 1;
	}
}
