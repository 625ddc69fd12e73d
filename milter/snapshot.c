/* SPDX-License-Identifier: BSD-2-Clause */
#include "snapshot.h"

#include <stdlib.h>

#include "chain.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/err.h"
#include "opendmarc.h"
#include "options.h"
#include "options_opendkim.h"
#include "peers.h"
#include "resolver.h"

#define OTHER_TABLES 3 /* global rows, DNS, OpenDKIM's unused ones */

static const struct conf_option *tables[STAGES_MAX + OTHER_TABLES + 1];

/* Stages are constant, so the list is the same whoever fills it first. */
__attribute__((constructor)) static void
fill_tables(void)
{
	size_t n = 0;

	tables[n++] = options_global;
	tables[n++] = options_resolver;
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (i == STAGES_MAX)
			abort();
		if (stages[i]->options != NULL)
			tables[n++] = stages[i]->options;
	}
	tables[n] = options_opendkim;
}

const struct conf_option *const *
snapshot_tables(void)
{
	return tables;
}

int
snapshot_read(const char *path, struct conf **conf_r, struct errmsg *msg_r)
{
	struct conf *c;
	int rc = conf_read(path, tables, &c, msg_r);

	if (rc != 0)
		return rc;
	rc = opendmarc_take(c, msg_r);
	if (rc == 0)
		*conf_r = c;
	else
		conf_free(c);
	return rc;
}

static int
load_stages(struct snapshot *snap, const struct snapshot *old,
    struct errmsg *msg_r)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		int rc;

		snap->on[i] = true;
		if (stages[i]->load == NULL)
			continue;
		rc = stages[i]->load(snap, old, &snap->state[i], msg_r);
		snap->on[i] = snap->state[i] != NULL;
		if (rc != 0)
			return rc;
	}
	return 0;
}

int
snapshot_load(const char *path, enum snapshot_use use,
    const struct snapshot *old, struct snapshot **snap_r,
    struct errmsg *msg_r)
{
	struct snapshot *snap = calloc(1, sizeof(*snap));
	int rc;

	/* What others find they say better. */
	errmsg_set(msg_r, "no memory");
	if (snap == NULL)
		return ERR_NOMEM;
	atomic_init(&snap->refs, 1);
	snap->offline = use != SNAPSHOT_SERVES;
	snap->trial = use == SNAPSHOT_TRIAL;
	rc = snapshot_read(path, &snap->conf, msg_r);
	if (rc == 0)
		rc = options_decode(snap, msg_r);
	if (rc == 0)
		rc = peers_load(snap->conf, &snap->peers, msg_r);
	if (rc == 0)
		rc = refuse_load(snap, msg_r);
	if (rc == 0)
		rc = resolver_load(snap, old, msg_r);
	if (rc == 0)
		rc = load_stages(snap, old, msg_r);
	if (rc != 0) {
		snapshot_unref(snap);
		return rc;
	}
	refuse_warn(snap);
	*snap_r = snap;
	return 0;
}

struct snapshot *
snapshot_ref(struct snapshot *snap)
{
	atomic_fetch_add_explicit(&snap->refs, 1, memory_order_relaxed);
	return snap;
}

void
snapshot_unref(struct snapshot *snap)
{
	if (snap == NULL ||
	    atomic_fetch_sub_explicit(&snap->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->state[i] != NULL)
			stages[i]->unload(snap->state[i]);
	}
	resolver_unref(snap->resolver);
	dataset_free(snap->refuse);
	peers_free(snap->peers);
	conf_free(snap->conf);
	free(snap);
}
