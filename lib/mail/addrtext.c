/* SPDX-License-Identifier: BSD-2-Clause */
#include "addrtext.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/utf8.h"
#include "lib/dns/idna.h"

/* The local part in at most room octets; len: how many it has. */
static void
add_local(struct buf *b, const char *local, size_t len, size_t room)
{
	bool quoted = len >= 2 && local[0] == '"' && local[len - 1] == '"';
	size_t slashes = 0;

	if (len <= room) {
		buf_add(b, local, len);
		return;
	}
	if (quoted && room < 2)
		return;
	len = room - quoted;
	while (len > 0 && ((unsigned char)local[len] & 0xc0) == 0x80)
		len--; /* not inside a UTF-8 sequence */
	/* A backslash without what it quotes would quote what follows. */
	while (slashes < len && local[len - 1 - slashes] == '\\')
		slashes++;
	buf_add(b, local, len - slashes % 2);
	if (quoted)
		buf_char(b, '"');
}

bool
addrtext_short(struct buf *b, const char *address, size_t max)
{
	const char *at = strrchr(address, '@');
	size_t tail = strlen(at == NULL ? address : at);

	if (tail > max)
		return false;
	if (at != NULL)
		add_local(b, address, (size_t)(at - address), max - tail);
	buf_add(b, at == NULL ? address : at, tail);
	return true;
}

/* Octets from p that may stand in a header field together; 0: not even one. */
static size_t
shown(const char *p, size_t len, bool utf8)
{
	unsigned char c = (unsigned char)*p;

	return c >= 0x80 && utf8 ? utf8_length(p, len)
				 : c >= 0x20 && c < 0x7f;
}

void
addrtext_add(struct buf *b, const char *p, size_t len, bool utf8)
{
	size_t n;

	for (; len > 0; p += n, len -= n) {
		n = shown(p, len, utf8);
		buf_add(b, n == 0 ? "?" : p, n == 0 ? 1 : n);
		n += n == 0;
	}
}

static bool
can_stand(const char *domain, bool utf8)
{
	size_t n;

	for (size_t len = strlen(domain); len > 0; domain += n, len -= n) {
		n = shown(domain, len, utf8);
		if (n == 0)
			return false;
	}
	return true;
}

/* What the domain is called in the field; *name_r NULL: nothing.  0 or
 * ERR_NOMEM. */
static int
name_domain(
    struct arena *a, const char *domain, bool utf8, const char **name_r)
{
	*name_r = domain;
	if (!utf8 && idna_alabels(a, domain, name_r) == ERR_NOMEM)
		return ERR_NOMEM;
	if (*name_r != NULL && !can_stand(*name_r, utf8))
		*name_r = NULL;
	return 0;
}

bool
addrtext_field(struct buf *b, const char *address, bool utf8)
{
	const char *at = strrchr(address, '@');
	struct buf text = BUF_INIT;
	struct arena a;
	const char *domain;
	bool fits;
	int rc;

	arena_init(&a);
	rc = name_domain(&a, at == NULL ? address : at + 1, utf8, &domain);
	if (at != NULL)
		addrtext_add(&text, address, (size_t)(at + 1 - address), utf8);
	buf_str(&text, domain == NULL ? "" : domain);
	b->failed |= rc != 0 || text.failed;
	fits = domain != NULL && !b->failed &&
	    addrtext_short(b, buf_text(&text), ADDRTEXT_MAX);
	buf_fini(&text);
	arena_fini(&a);
	return fits && !b->failed;
}

void
addrtext_escape(struct buf *b, const char *address, size_t max)
{
	struct buf text = BUF_INIT;

	if (addrtext_short(&text, address, max) && !text.failed)
		address = buf_text(&text);
	buf_escape(b, address, strlen(address), max);
	buf_fini(&text);
}

/* As many octets does buf_quote write at most. */
static size_t
quoted_size(const char *p)
{
	size_t n = 0;

	for (; *p != '\0'; p++) {
		unsigned char c = (unsigned char)*p;

		if (c < 0x20 || c > 0x7e)
			n += 4;
		else
			n += c == '"' || c == '\\' ? 2 : 1;
	}
	return n;
}

void
addrtext_fit(struct buf *b, const char *address, size_t max)
{
	struct buf text = BUF_INIT;
	size_t room = max;

	while (addrtext_short(&text, address, room) && !text.failed) {
		size_t size = quoted_size(buf_text(&text));
		if (size <= max || text.len == 0)
			break;
		/* An octet less makes it shorter by four at most. */
		room = text.len - (size - max + 3) / 4;
		buf_reset(&text);
	}
	b->failed |= text.failed;
	buf_str(b, text.len > 0 && !text.failed ? buf_text(&text) : address);
	buf_fini(&text);
}
