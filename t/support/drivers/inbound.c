/* SPDX-License-Identifier: BSD-2-Clause */
#include "inbound.h"

#include <string.h>

#include "lib/mail/message.h"
#include "milter/stages.h"

void
inbound_without(struct snapshot *snap, const char *stage)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (strcmp(stages[i]->name, stage) == 0)
			snap->on[i] = false;
	}
}

static void
on_field(void *ctx, const char *name, size_t name_len, const char *value,
    size_t value_len)
{
	chain_header(ctx, name, name_len, value, value_len);
}

struct session *
inbound_run(struct snapshot *snap, const struct walk *w,
    const struct inbound *facts, struct verdict *v_r)
{
	struct session *s = walk_envelope(snap, w, v_r, NULL);

	s->msg->iprev = facts->iprev;
	s->msg->spf = facts->spf;
	s->msg->spf_helo = facts->spf_helo;
	s->msg->dkim = facts->dkim;
	s->msg->dmarc = facts->dmarc;
	message_split(w->message, strlen(w->message), on_field, s);
	walk_passes(true);
	chain_eoh(s);
	*v_r = chain_eom(s);
	walk_passes(false);
	return s;
}

bool
inbound_symbol(const struct message *m, const char *name)
{
	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		if (strcmp(s->name, name) == 0)
			return true;
	}
	return false;
}
