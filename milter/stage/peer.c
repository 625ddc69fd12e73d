/*
 * PeerList: clients whose mail is accepted without any check.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A stage of its own, so that the MTA must wait for a reply at connect only
 * where PeerList is set.
 */
#include <stdlib.h>

#include "hosts.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

static const struct conf_option options[] = {
    {.keyword = "PeerList", .type = CONF_SET,
	.summary = "hosts whose mail is accepted without any check"},
};

static void
peer_unload(void *state)
{
	hosts_fini(state);
	free(state);
}

static int
peer_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct hosts *peers;

	(void)old;
	if (!conf_given(snap->conf, "PeerList"))
		return 0;
	peers = calloc(1, sizeof(*peers));
	if (peers == NULL)
		return ERR_NOMEM;
	*state_r = peers;
	return hosts_load(snap->conf, "PeerList", NULL, peers, msg_r);
}

static struct verdict
peer_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;
	struct verdict v = verdict_make(VERDICT_ACCEPT, NULL);

	v.why = "PeerList names the client";
	return hosts_match(ctx->state, s) ? v : verdict_none;
}

const struct stage stage_peer = {
    .name = "peer",
    .off = "PeerList names nobody",
    .answers = HOOK_BIT(HOOK_CONNECT),
    .options = CONF_TABLE(options),
    .load = peer_load,
    .unload = peer_unload,
    .connect = peer_connect,
};
