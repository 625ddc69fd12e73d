/* Any text gives addresses or an error. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/addr.h"
#include "lib/arena.h"
#include "lib/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr addrs[8];
	struct arena a;
	size_t n;
	int rc;

	arena_init(&a);
	rc = addr_list(&a, (const char *)data, size, addrs, 8, &n);
	if (n > 8 || (rc == ERR_LIMIT && n != 8))
		abort();
	for (size_t i = 0; i < n; i++) {
		if (addrs[i].domain[0] == '\0' ||
		    strpbrk(addrs[i].domain, "<>,\r\n") != NULL)
			abort();
	}
	arena_fini(&a);
	return 0;
}
