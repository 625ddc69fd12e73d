/* Any Authentication-Results value can be looked at; any text can be written
 * into one, and it stays whose it was.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/authres.h"
#include "lib/buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look(struct arena *a, const char *value, size_t len,
    struct authres_head *head_r)
{
	char *copy = malloc(len == 0 ? 1 : len); /* exact */

	if (copy == NULL)
		abort();
	memcpy(copy, value, len);
	if (authres_look(a, copy, len, head_r) != 0)
		abort();
	free(copy);
}

static void
write_and_look(struct arena *a, const char *text, bool utf8)
{
	struct buf b = BUF_INIT;
	struct authres_head head;
	struct authres w;

	authres_begin(&w, &b, "mx.example.org", text, utf8);
	authres_result(&w, "x-test", "pass");
	authres_comment(&w, text);
	authres_reason(&w, text);
	authres_property(&w, "smtp", "mailfrom", text);
	authres_end(&w);
	for (size_t i = 0; i < b.len; i++) {
		if (b.data[i] == '\r' || b.data[i] == '\0' ||
		    (b.data[i] == '\n' && b.data[i + 1] != '\t'))
			abort();
	}
	look(a, b.data, b.len, &head);
	if (strcmp(head.id, "mx.example.org") != 0)
		abort();
	buf_fini(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct authres_head head;
	const char *text;

	arena_init(&a);
	look(&a, (const char *)data, size, &head);
	if (head.id == NULL)
		abort();
	text = arena_memdup(&a, data, size);
	write_and_look(&a, text, false);
	write_and_look(&a, text, true);
	arena_fini(&a);
	return 0;
}
