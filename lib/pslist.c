/* SPDX-License-Identifier: BSD-2-Clause */
#include "pslist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libpsl.h>

#include "err.h"

struct pslist {
	psl_ctx_t *ctx;
};

int
pslist_open(const char *path, struct pslist **list_r, struct errmsg *msg_r)
{
	struct pslist *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return ERR_NOMEM;
	if (path != NULL && access(path, R_OK) != 0) {
		errmsg_set(msg_r, "%s: %s", path, strerror(errno));
		free(l);
		return ERR_SYSTEM;
	}
	l->ctx = path == NULL ? psl_latest(NULL) : psl_load_file(path);
	if (l->ctx == NULL || psl_suffix_count(l->ctx) == 0) {
		/* A count of 0 is a file that is no such list; the list built
		 * into libpsl says -1 or more than none. */
		errmsg_set(msg_r, path == NULL
			? "there is no public suffix list; install the package "
			  "publicsuffix"
			: "%s: expected a public suffix list",
		    path);
		pslist_free(l);
		return ERR_FORMAT;
	}
	*list_r = l;
	return 0;
}

void
pslist_free(struct pslist *list)
{
	if (list == NULL)
		return;
	psl_free(list->ctx);
	free(list);
}

const char *
pslist_org(const struct pslist *list, const char *domain)
{
	return psl_registrable_domain(list->ctx, domain);
}

bool
pslist_has_tld(const struct pslist *list, const char *label)
{
	return psl_is_public_suffix2(
	    list->ctx, label, PSL_TYPE_ANY | PSL_TYPE_NO_STAR_RULE);
}
