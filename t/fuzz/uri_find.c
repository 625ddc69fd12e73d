/* Addresses are found in any bytes. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dns/pslist.h"
#include "lib/text/uri_clean.h"
#include "lib/text/uri_find.h"
#include "lib/text/uri_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pslist *list;
	struct errmsg msg;
	struct arena a;
	struct uri_set set, seen;
	struct uri_clean c = {.set = &set};

	if (list == NULL && pslist_open(NULL, &list, &msg) != 0)
		abort();
	c.tlds = list;
	arena_init(&a);
	uri_set_init(&set, &a, 200);
	uri_set_init(&seen, &a, 200);
	uri_find(&c, &seen, (const char *)data, size);
	uri_clean_add(&c, (const char *)data, size, false);
	if (set.failed || set.view.count > 200)
		abort();
	arena_fini(&a);
	return 0;
}
