/* Any text gives addresses or a reason. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/mail/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct addr_list l;
	struct arena a;

	arena_init(&a);
	if (addr_read(&a, (const char *)data, size, &l) != 0 ||
	    l.count > ADDR_LIST_MAX)
		abort();
	for (size_t i = 0; i < l.count; i++) {
		if (l.list[i].domain[0] == '\0' ||
		    strpbrk(l.list[i].domain, "<>,\r\n") != NULL)
			abort();
	}
	arena_fini(&a);
	return 0;
}
