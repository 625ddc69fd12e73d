/* Addresses are found in any text, and are in it.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/rules/rules_freemail.h"
#include "lib/rules/rules_freemail_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
	const char *from, *end;
};

static void
on_address(void *ctx, const char *address, size_t len, bool cited)
{
	struct text *t = ctx;
	const char *at = memchr(address, '@', len);

	(void)cited;
	/* One after the other. */
	if (address < t->from || address + len > t->end || at == NULL)
		abort();
	t->from = address + len;
	if (at == address || at - address > FREEMAIL_LOCAL_MAX ||
	    memrchr(address, '@', len) != at ||
	    memchr(at, '.', (size_t)(address + len - at)) == NULL)
		abort();
	freemail_is_role(address, (size_t)(at - address));
	freemail_is_bulk(address, (size_t)(at - address));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data;
	struct text t = {s, s + size};
	char *copy = strndup(s, size);

	freemail_text(NULL, s, size, on_address, &t);
	t.from = s;
	freemail_link(NULL, s, size, on_address, &t);
	/* Words before and behind the first line. */
	if (copy != NULL && strchr(copy, '\n') != NULL) {
		char *text = strchr(copy, '\n');

		*text++ = '\0';
		if (freemail_glob(copy, text) &&
		    strcspn(copy, "*?") == strlen(copy) &&
		    strcmp(copy, text) != 0)
			abort();
	}
	free(copy);
	return 0;
}
