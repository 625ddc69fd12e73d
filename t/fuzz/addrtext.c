/* An address is shown with the whole of its domain, or not at all, and never
 * ends a line or a quoted string.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/dns/idna.h"
#include "lib/mail/addrtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *
domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at == NULL ? address : at + 1;
}

static void
show(struct arena *a, const char *address, bool utf8)
{
	const char *domain = domain_of(address);
	struct buf b = BUF_INIT;

	if (!utf8)
		(void)idna_alabels(a, domain, &domain);
	if (!addrtext_field(&b, address, utf8)) {
		if (b.failed || b.len != 0)
			abort();
		return;
	}
	if (b.len > ADDRTEXT_MAX || strlen(buf_text(&b)) != b.len ||
	    domain == NULL || strcmp(domain_of(buf_text(&b)), domain) != 0)
		abort();
	for (size_t i = 0; i < b.len; i++) {
		unsigned char c = (unsigned char)b.data[i];

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
			abort();
	}
	buf_fini(&b);
}

/* Does buf_quote write it, between quotes, in so many octets? */
static bool
quotes_in(const char *text, size_t max)
{
	struct buf b = BUF_INIT, blank = BUF_INIT;
	bool fits;

	buf_printf(&blank, " %s", text);
	buf_quote(&b, blank.data, blank.len, max + 1);
	buf_quote(&b, blank.data, blank.len, SIZE_MAX);
	/* Twice the same, then: nothing was cut. */
	fits = b.len % 2 == 0 &&
	    memcmp(b.data, b.data + b.len / 2, b.len / 2) == 0;
	buf_fini(&b);
	buf_fini(&blank);
	return fits;
}

/* The domain is whole, and so is all of it where the domain has room. */
static void
fit(const char *address, size_t max)
{
	const char *at = strrchr(address, '@');
	struct buf b = BUF_INIT;

	addrtext_fit(&b, address, max);
	if (strcmp(domain_of(buf_text(&b)), domain_of(address)) != 0 ||
	    (quotes_in(at == NULL ? address : at, max) &&
		!quotes_in(buf_text(&b), max)))
		abort();
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	const char *address;
	size_t max = size == 0 ? 0 : data[0];
	struct buf b = BUF_INIT;

	arena_init(&a);
	address = arena_memdup(&a, data, size);
	show(&a, address, false);
	show(&a, address, true);
	if (addrtext_short(&b, address, max) &&
	    (b.len > max ||
		strcmp(domain_of(buf_text(&b)), domain_of(address)) != 0))
		abort();
	buf_reset(&b);
	addrtext_escape(&b, address, max);
	fit(address, max);
	buf_fini(&b);
	arena_fini(&a);
	return 0;
}
