/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include "lib/iprev.h"
#include "lib/spf/spf.h"
#include "posternctl.h"
#include "session.h"

json_t *
facts_spf(const struct spf_result *r)
{
	if (r == NULL)
		return json_null();
	return json_pack("{s:s,s:s,s:o,s:o,s:o}", "result",
	    spf_outcome_text(r->result), "scope", spf_scope_text(r->scope),
	    "domain", posternctl_string(r->domain), "mechanism",
	    posternctl_string(r->mechanism), "explanation",
	    posternctl_string(r->explanation));
}

json_t *
facts_dkim(const struct dkim_verdicts *v)
{
	(void)v;
	return json_null();
}

json_t *
facts_dmarc(const struct dmarc_result *r)
{
	(void)r;
	return json_null();
}

json_t *
facts_rdns(const struct iprev_result *r)
{
	if (r == NULL)
		return json_null();
	return json_pack("{s:s,s:o}", "result", iprev_word(r->status), "name",
	    posternctl_string(r->name));
}

json_t *
facts_symbols(const struct symbol *first)
{
	json_t *list = json_array();

	for (const struct symbol *s = first; s != NULL; s = s->next)
		json_array_append_new(list,
		    json_pack("{s:s,s:f}", "name", s->name, "score", s->score));
	return list;
}
