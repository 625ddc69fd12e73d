/*
 * Any octets are a data set or a mistake in words; every key of it is found.
 * The first octet chooses the kind.  Peer lists are built from it as well.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/dataset.h"

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/base/err.h"
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
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct peerlist *list;

	if (peerlist_new(set, &list, NULL) != 0)
		return;
	in.sin_addr.s_addr = htonl(0xc0000201);
	in6.sin6_addr.s6_addr[0] = 0x20;
	peerlist_match(list, "mx.example.com", (struct sockaddr *)&in);
	peerlist_match(list, NULL, (struct sockaddr *)&in6);
	peerlist_free(list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum dataset_type types[] = {
	    DATASET_FILE, DATASET_REFILE, DATASET_CSL};
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
