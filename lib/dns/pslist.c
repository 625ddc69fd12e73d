/* SPDX-License-Identifier: BSD-2-Clause */
#include "pslist.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <libpsl.h>

#include "lib/base/err.h"
#include "lib/base/readfile.h"

struct pslist {
	psl_ctx_t *ctx;
};

/* As a stream: libpsl would open the path itself. */
static int
load_file(struct pslist *l, const char *path, struct errmsg *msg_r)
{
	int fd = readfile_open(path, NULL, msg_r);
	FILE *f;

	if (fd < 0)
		return fd;
	f = fdopen(fd, "r");
	if (f == NULL) {
		close(fd);
		errmsg_set(msg_r, "%s: %s", path, err_text(ERR_NOMEM));
		return ERR_NOMEM;
	}
	l->ctx = psl_load_fp(f);
	fclose(f);
	return 0;
}

int
pslist_open(const char *path, struct pslist **list_r, struct errmsg *msg_r)
{
	struct pslist *l = calloc(1, sizeof(*l));
	int rc = 0;

	if (l == NULL)
		return ERR_NOMEM;
	if (path != NULL)
		rc = load_file(l, path, msg_r);
	else
		l->ctx = psl_latest(NULL);
	if (rc == 0 && (l->ctx == NULL || psl_suffix_count(l->ctx) == 0)) {
		/* A count of 0 is a file that is no such list; the list built
		 * into libpsl says -1 or more than none. */
		errmsg_set(msg_r, path == NULL
			? "there is no public suffix list; install the package "
			  "publicsuffix"
			: "%s: expected a public suffix list",
		    path);
		rc = ERR_FORMAT;
	}
	if (rc != 0) {
		pslist_free(l);
		return rc;
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
