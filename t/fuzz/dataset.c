/*
 * Any octets are a data set or a mistake in words; every key of it is found.
 * The first octet chooses the kind.  Peer lists are built from it as well.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/dataset.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/list/peerlist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int
find_again(const struct dataset_entry *e, void *arg)
{
	struct dataset_field fields[3];
	struct dataset_entry found;

	/* A key stands for itself even where it is a pattern. */
	if (dataset_get_from(arg, e->key, e->index, &found) != 0 ||
	    found.index != e->index)
		abort();
	if (dataset_fields(e->value, fields, 3) > 3)
		abort();
	return e->index > 100;
}

static void
match_peers(const struct dataset *set)
{
	struct host v4 = host_ip4("\300\0\2\1");
	struct host v6 = {.family = HOST_IP6, .octets = {0x20}};
	struct peerlist *list;

	if (peerlist_new(set, &list, NULL) != 0)
		return;
	peerlist_match(list, "mx.example.com", &v4);
	peerlist_match(list, NULL, &v6);
	peerlist_free(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dataset_type *const types[] = {
	    &dataset_file, &dataset_refile, &dataset_csl};
	struct errmsg msg = {.text = ""};
	struct dataset *set;

	if (size == 0)
		return 0;
	if (dataset_open_text(types[data[0] % 3], "fuzz",
		(const char *)data + 1, size - 1, &set, &msg) != 0) {
		if (msg.text[0] == '\0')
			abort();
		return 0;
	}
	dataset_walk(set, find_again, set);
	match_peers(set);
	dataset_free(set);
	return 0;
}
