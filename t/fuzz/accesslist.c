/* Whatever is looked for in a list is in it, or is not; the first octet says
 * what it is, and in which list.  SPDX-License-Identifier: BSD-2-Clause */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/errlist.h"
#include "lib/conf/dataset.h"
#include "lib/list/accesslist.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char file[] = "192.0.2.0/24\n!a.example\n.example a b\n"
			   "helo:x.example\nhelo:.y.example\n"
			   "u@d.example\n@d.example\n!@.d.example\n"
			   "rcpt:u@d.example\nrcpt:@.e.example\n";
static const char patterns[] = "*\n*.example\n!helo:a*\nhelo:*\n"
			       "*@d.example\n!u*@*\nrcpt:*@*e*\n";

static struct accesslist *lists[2];

static void
build(void)
{
	struct errlist *mistakes;
	struct dataset *set;

	if (lists[0] != NULL)
		return;
	mistakes = errlist_new();
	if (mistakes == NULL ||
	    dataset_open_text(&dataset_file, "file", file, strlen(file), &set,
		NULL) != 0 ||
	    accesslist_new(set, NULL, mistakes, &lists[0]) != 0 ||
	    dataset_open_text(&dataset_refile, "patterns", patterns,
		strlen(patterns), &set, NULL) != 0 ||
	    accesslist_new(set, NULL, mistakes, &lists[1]) != 0)
		abort();
	errlist_free(mistakes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct accesslist *list;
	struct dataset_entry e;
	char *text;
	int rc;

	if (size == 0)
		return 0;
	build();
	list = lists[data[0] >> 2 & 1];
	text = strndup((const char *)data + 1, size - 1);
	if (text == NULL)
		abort();
	switch (data[0] & 3) {
	case 0:
		rc = accesslist_client(list, text, NULL, &e);
		break;
	case 1:
		rc = accesslist_helo(list, text, &e);
		break;
	case 2:
		rc = accesslist_sender(list, text, &e);
		break;
	default:
		rc = accesslist_rcpt(list, text, &e);
	}
	if (rc < 0 || rc > 1 || (rc == 1 && e.key[0] == '!'))
		abort();
	if (rc == 1)
		dataset_entry_fini(&e);
	free(text);
	return 0;
}
