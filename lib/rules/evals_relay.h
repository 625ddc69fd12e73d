/*
 * What stock rules ask of the relays by eval: (SpamAssassin's plugin
 * RelayEval).  SPDX-License-Identifier: BSD-2-Clause
 *
 * Only what the relays tell is looked at; nothing is asked of the DNS.
 */
#ifndef LIB_RULES_EVALS_RELAY_H
#define LIB_RULES_EVALS_RELAY_H

#include <stdbool.h>
#include <stddef.h>

struct relays;

struct eval_relay {
	const char *name; /* as it stands behind eval: */
	bool (*holds)(const struct relays *r);
};

/* By name; NULL: there is none. */
const struct eval_relay *eval_relay_find(const char *name);
/* The table, to list it; count_r: entries. */
const struct eval_relay *eval_relay_all(size_t *count_r);

#endif
