/* SPDX-License-Identifier: BSD-2-Clause */
#include "quotas.h"

#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/snapshot.h"
#include "now.h"

#define NEAR 0.8

/* The limit of which most is used; its share.  -1: there is no limit. */
static double
nearest(const struct quota_state *state, const struct quota_usage **usage_r)
{
	double most = -1;

	for (unsigned i = 0; i < state->count; i++) {
		const struct quota_usage *u = &state->usage[i];
		double share = u->limit.limit == 0
		    ? 1
		    : (double)u->used / (double)u->limit.limit;

		if (share > most) {
			most = share;
			*usage_r = u;
		}
	}
	return most;
}

static void
look(struct quotas *q, const struct quota_entry *e)
{
	const struct quota_usage *usage = NULL;
	struct quota_state state;
	struct quota_set set;

	quota_conf_set(&q->conf, e->account, &set);
	quota_peek_entry(q->table, e, &set, &state);
	q->accounts++;
	q->near += nearest(&state, &usage) >= NEAR;
	if (!e->locked)
		return;
	if (q->locked_count < QUOTAS_LOCKED) {
		q->locked[q->locked_count] =
		    arena_strdup(&q->arena, e->account);
		q->whole[q->locked_count] = e->whole;
	}
	q->locked_count++;
}

void
quotas_open(struct quotas *q, const struct now *n)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	struct errmsg msg = {.text = ""};
	struct quota_entry e;
	uint32_t cursor = 0;

	memset(q, 0, sizeof(*q));
	arena_init(&q->arena);
	if (n->snap == NULL)
		return;
	q->configured = true;
	if (quota_conf_init(&q->conf, n->snap->conf, &msg) != 0 ||
	    quota_open(&q->table, q->conf.path, &opt, NULL, NULL) != 0) {
		q->table = NULL;
		return;
	}
	while (quota_next(q->table, &cursor, &e))
		look(q, &e);
}

void
quotas_close(struct quotas *q)
{
	quota_close(q->table);
	if (q->configured)
		quota_conf_fini(&q->conf);
	arena_fini(&q->arena);
}

bool
quotas_near(
    const struct quotas *q, const char *account, struct quotas_near *near_r)
{
	const struct quota_usage *usage = NULL;
	struct quota_state state;
	struct quota_set set;

	memset(near_r, 0, sizeof(*near_r));
	if (q->table == NULL || account == NULL)
		return false;
	quota_conf_set(&q->conf, account, &set);
	if (quota_peek(q->table, account, &set, &state) != 0)
		return false;
	near_r->known = state.known;
	near_r->locked = state.locked;
	near_r->limited = nearest(&state, &usage) >= 0;
	if (near_r->limited) {
		near_r->kind = quota_kind_name(usage->limit.kind);
		near_r->window_s = usage->limit.window_s;
		near_r->used = usage->used;
		near_r->limit = usage->limit.limit;
	}
	return state.known;
}
