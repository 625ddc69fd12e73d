/*
 * What the checks found, as posternctl check prints it.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each function takes a fact of struct message and returns a new reference;
 * JSON null for a check that was not made.
 */
#ifndef MILTER_CTL_FACTS_H
#define MILTER_CTL_FACTS_H

#include <jansson.h>

struct dkim_verdicts;
struct dmarc_result;
struct dnsbl_finding;
struct helo_fact;
struct iprev_result;
struct rules_result;
struct spf_result;
struct symbol;

json_t *facts_spf(const struct spf_result *r);
json_t *facts_dkim(const struct dkim_verdicts *v);
json_t *facts_dmarc(const struct dmarc_result *r);
json_t *facts_dnsbl(const struct dnsbl_finding *first);
json_t *facts_rdns(const struct iprev_result *r);
json_t *facts_helo(const struct helo_fact *f);
json_t *facts_symbols(const struct symbol *first);

/* What the rules found; null when none was run. */
json_t *facts_rules(const struct rules_result *r);

#endif
