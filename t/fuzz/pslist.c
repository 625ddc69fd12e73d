/*
 * A list is read or refused, and of a name it gives an end at a label.  Up to
 * the first NUL it is the list, behind that the name; without one, all is the
 * name, for a list of all kinds of rules.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "lib/dns/pslist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "// ===BEGIN ICANN DOMAINS===\ncom\n*.ck\n!www.ck\nco.uk\nuk\n"
    "\xe4\xb8\xad\xe5\x9b\xbd\n// ===END ICANN DOMAINS===\n"
    "// ===BEGIN PRIVATE DOMAINS===\nblog.com\n"
    "// ===END PRIVATE DOMAINS===\n";

static struct pslist *
open_list(const void *text, size_t len)
{
	struct pslist *list = NULL;
	struct errmsg msg;
	char path[64];
	int fd = memfd_create("pslist", MFD_CLOEXEC);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (pslist_open(path, &list, &msg) != 0)
		list = NULL;
	close(fd);
	return list;
}

static void
check(const struct pslist *list, const char *domain)
{
	const char *org = pslist_org(list, domain);
	size_t len = strlen(domain), org_len;

	if (org == NULL)
		return;
	org_len = strlen(org);
	if (org_len == 0 || org_len > len ||
	    strcmp(domain + len - org_len, org) != 0 ||
	    (org_len < len && domain[len - org_len - 1] != '.'))
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = memchr(data, '\0', size);
	size_t skip = nul == NULL ? 0 : (size_t)(nul + 1 - data);
	struct pslist *list = nul == NULL
	    ? open_list(rules, sizeof(rules) - 1)
	    : open_list(data, skip - 1);
	const char *domain;
	struct arena a;

	if (nul == NULL && list == NULL)
		abort();
	arena_init(&a);
	(void)idna_ascii(
	    &a, arena_memdup(&a, data + skip, size - skip), &domain);
	if (list != NULL && domain != NULL)
		check(list, domain);
	arena_fini(&a);
	pslist_free(list);
	return 0;
}
