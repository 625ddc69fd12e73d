/*
 * Any octets as a record: none, or one that everybody who reads records can use;
 * packed again it says the same.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/ctl/facts.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
json_of(const struct record *r)
{
	json_t *j = facts_record("m", r);
	char *text;

	if (j == NULL)
		abort();
	text = json_dumps(j, JSON_COMPACT | JSON_PRESERVE_ORDER);
	if (text == NULL)
		abort();
	json_decref(j);
	return text;
}

static void
look(const struct record *r)
{
	struct buf b = BUF_INIT;

	summary_line(&b, r);
	buf_fini(&b);
	(void)record_busy_ns(r);
	if (record_word(r) == NULL)
		abort();
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		(void)record_refusal(to);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char packed[RECORD_PACKED_MAX];
	const struct record *r, *again;
	char *before, *after;
	struct arena a;
	size_t len;
	int rc;

	/* The ring has none that are longer. */
	if (size > RECORD_PACKED_MAX)
		return 0;
	arena_init(&a);
	rc = record_unpack(data, size, &a, &r);
	if (rc == 0) {
		look(r);
		len = record_pack(r, true, packed);
		if (len == 0 || len > RECORD_PACKED_MAX ||
		    record_unpack(packed, len, &a, &again) != 0)
			abort();
		look(again);
		before = json_of(r);
		after = json_of(again);
		if (r->shortened == again->shortened &&
		    strcmp(before, after) != 0)
			abort();
		free(before);
		free(after);
	} else if (rc != ERR_FORMAT || r != NULL) {
		abort();
	}
	arena_fini(&a);
	return 0;
}
