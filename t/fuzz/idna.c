/* Any text becomes a name of the DNS or none. SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/dns/idna.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_name(struct arena *a, const char *name)
{
	const char *again;
	size_t len = strlen(name);

	if (idna_ascii(a, name, &again) != 0)
		abort();

	if (len == 0 || len > 253 || name[0] == '.' || name[len - 1] == '.' ||
	    strstr(name, "..") != NULL ||
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") != len)
		abort();
	for (const char *p = name; *p != '\0';) {
		size_t label = strcspn(p, ".");

		if (label > 63)
			abort();
		p += label + (p[label] == '.');
	}
	if (again == NULL || strcmp(again, name) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *domain, *name, *alabels;
	struct arena a;

	arena_init(&a);
	domain = arena_memdup(&a, data, size);
	if ((idna_ascii(&a, domain, &name) == 0) != (name != NULL) ||
	    (idna_alabels(&a, domain, &alabels) == 0) != (alabels != NULL))
		abort();
	if (name != NULL)
		check_name(&a, name);
	if (idna_is_ascii(domain) ? alabels != domain
				  : (alabels == NULL) != (name == NULL) ||
		    (name != NULL && strcmp(alabels, name) != 0))
		abort();
	arena_fini(&a);
	return 0;
}
