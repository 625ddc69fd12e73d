/*
 * Any octets are a record or not; of one, its terms are whole.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/spf/spf_record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char ip[16] = {192, 0, 2, 1};
	struct spf_record *r;
	struct arena a;
	const char *bad;
	uint8_t *copy = malloc(size + 1); /* of its own size: no NUL behind */

	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	arena_init(&a);
	if (spf_record_is(copy, size) &&
	    spf_record_parse(&a, copy, size, &r, &bad) == 0) {
		for (size_t i = 0; i < r->count; i++) {
			const struct spf_term *t = &r->terms[i];

			if (strlen(t->text) > size ||
			    (t->spec != NULL &&
				t->spec_len > strlen(t->spec)))
				abort();
			spf_term_covers(t, true, ip);
			spf_term_covers(t, false, ip);
			spf_term_width(t, true);
			spf_term_width(t, false);
		}
	}
	arena_fini(&a);
	free(copy);
	return 0;
}
