/* SPDX-License-Identifier: BSD-2-Clause */
#include "hosts.h"

#include <strings.h>

#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/list/peerlist.h"
#include "milter/options.h"
#include "milter/session.h"

int
hosts_load(const struct conf *c, const char *keyword, const char *otherwise,
    struct hosts *h, struct errmsg *msg_r)
{
	const char *w;
	int rc = options_set(c, keyword, otherwise, &h->set, msg_r);

	if (rc != 0 || h->set == NULL)
		return rc;
	rc = peerlist_new(h->set, &h->list, msg_r);
	for (size_t i = 0; rc == 0 && (w = peerlist_warning(h->list, i)); i++)
		conf_odd(c, "%s: %s: %s", conf_where(c, keyword),
		    keyword, w);
	return rc;
}

void
hosts_fini(struct hosts *h)
{
	peerlist_free(h->list);
	dataset_free(h->set);
}

bool
hosts_match(const struct hosts *h, const struct session *s)
{
	const char *name = s->client_name;

	if (h->list == NULL)
		return false;
	/* The MTA gives "[192.0.2.1]" or "unknown" for a client without a
	 * name. */
	if (name != NULL &&
	    (name[0] == '[' || strcasecmp(name, "unknown") == 0))
		name = NULL;
	return peerlist_match(h->list, name, &s->client);
}
