/*
 * Whatever stands in a decision ring, what is printed of it is printable.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "milter/ctl/decision.h"
#include "milter/ctl/facts.h"
#include "milter/reason.h"
#include "milter/record_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Printable ASCII in lines; columns 0: of any length.  The first one has the
 * queue id whole, however long that is. */
static void
check_text(const struct buf *b, size_t columns)
{
	size_t column = 0, line = 0;

	for (size_t i = 0; i < b->len; i++) {
		char c = b->data[i];

		column = c == '\n' ? 0 : column + 1;
		line += c == '\n';
		if ((c != '\n' && (c < 0x20 || c > 0x7e)) ||
		    (columns > 0 && line > 0 && column > columns))
			abort();
	}
}

static void
check_record(const struct record *r)
{
	struct buf sentence = BUF_INIT, page = BUF_INIT, line = BUF_INIT;
	json_t *object = facts_decision(r);

	reason_sentence(&sentence, r);
	check_text(&sentence, 0);
	if (strchr(buf_text(&sentence), '\n') != NULL)
		abort();
	decision_page(&page, r, false);
	check_text(&page, 80);
	decision_line(&line, r, false);
	check_text(&line, 0);
	if (strchr(buf_text(&line), '\n') != line.data + line.len - 1)
		abort();
	if (object == NULL || !json_is_object(object) ||
	    json_object_get(object, "why") == NULL)
		abort();
	json_decref(object);
	buf_fini(&sentence);
	buf_fini(&page);
	buf_fini(&line);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct record *r;
	struct arena a;

	arena_init(&a);
	if (size <= RECORD_PACKED_MAX &&
	    record_unpack(data, size, &a, &r) == 0)
		check_record(r);
	arena_fini(&a);
	return 0;
}
