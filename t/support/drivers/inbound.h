/*
 * For stage tests: a message whose checks have been made by hand.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_INBOUND_H
#define T_SUPPORT_DRIVERS_INBOUND_H

#include "t/support/drivers/walk.h"

struct inbound {
	const struct iprev_result *iprev;
	const struct spf_result *spf, *spf_helo;
	const struct dkim_verdicts *dkim;
	const struct dmarc_result *dmarc; /* only where that stage is off */
};

/* Switch a stage of the snapshot off. */
void inbound_without(struct snapshot *snap, const char *stage);
/* walk_run, with the facts that stages which are off would have written. */
struct session *inbound_run(struct snapshot *snap, const struct walk *w,
    const struct inbound *facts, struct verdict *v_r);
/* Was that symbol found? */
bool inbound_symbol(const struct message *m, const char *name);

#endif
