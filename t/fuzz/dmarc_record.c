/* Any TXT record is read or is not one. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dmarc/dmarc_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct dmarc_record r;
	char *copy = malloc(size + 1); /* exact, so that a read behind is seen */
	int rc;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	copy = realloc(copy, size == 0 ? 1 : size);
	arena_init(&a);
	rc = dmarc_record_parse(&a, copy, size, &r);
	if (rc != 0 && rc != ERR_NOTFOUND)
		abort();
	if (rc == 0) {
		if (r.rua_count > DMARC_URIS_MAX || r.fo == 0 ||
		    (!r.usable && r.rua_count > 0) ||
		    dmarc_policy_word(r.np) == NULL)
			abort();
		for (size_t i = 0; i < r.rua_count; i++) {
			if (strpbrk(r.rua[i], " ,;!") != NULL)
				abort();
		}
	}
	arena_fini(&a);
	free(copy);
	return 0;
}
