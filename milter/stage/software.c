/*
 * SoftwareHeader: add a field that names postern, as OpenDKIM does.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/conf/conf.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define FIELD "DKIM-Filter"

static const struct conf_option options[] = {
    {.keyword = "SoftwareHeader", .type = CONF_BOOL, .def = "no",
	.summary = "add a " FIELD " field that names this filter"},
};

static int
software_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	(void)old, (void)msg_r;
	if (conf_bool(snap->conf, "SoftwareHeader"))
		*state_r = snap->conf; /* any pointer but NULL: the stage is
		    on */
	return 0;
}

static void
software_unload(void *state)
{
	(void)state;
}

static struct verdict
software_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	char *value = arena_printf(&m->arena, "Postern v%s %s %s",
	    POSTERN_VERSION, ctx->s->reporter,
	    m->queue_id == NULL ? "unknown" : m->queue_id);

	if (value == NULL ||
	    edit_want(&m->edits, &m->arena, EDIT_INSERT, 0, FIELD, value) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return verdict_none;
}

const struct stage stage_software = {
    .name = "software",
    .off = "SoftwareHeader no",
    .edits = EDIT_BIT(EDIT_INSERT),
    .options = CONF_TABLE(options),
    .load = software_load,
    .unload = software_unload,
    .eom = software_eom,
};
