/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/session.h"
#include "posternctl.h"

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
	json_t *list;

	if (v == NULL)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < v->count; i++) {
		const struct dkim_verdict *d = &v->list[i];

		json_array_append_new(list,
		    json_pack("{s:s,s:o,s:o,s:o,s:o,s:o,s:o}", "result",
			dkim_status_word(d->status), "domain",
			posternctl_string(d->domain), "selector",
			posternctl_string(d->selector), "identity",
			posternctl_string(d->identity), "algorithm",
			posternctl_string(d->algorithm), "bits",
			d->bits == 0 ? json_null()
				     : json_integer((json_int_t)d->bits),
			"reason", posternctl_string(d->reason)));
	}
	return list;
}

json_t *
facts_dmarc(const struct dmarc_result *r)
{
	bool found = r != NULL && r->policy_domain != NULL;

	if (r == NULL)
		return json_null();
	return json_pack("{s:s,s:s,s:s?,s:s?,s:s,s:s,s:b,s:b,s:s?}", "result",
	    dmarc_outcome_word(r->result), "domain", r->domain,
	    "policy_domain", found ? r->policy_domain : NULL, "policy",
	    found ? dmarc_policy_word(r->policy) : NULL, "disposition",
	    dmarc_policy_word(r->disposition), "discovery",
	    r->psl ? "psl" : "treewalk", "spf_aligned", r->spf_aligned,
	    "dkim_aligned", r->dkim_aligned, "override",
	    dmarc_override_word(r->override));
}

json_t *
facts_dnsbl(const struct dnsbl_finding *first)
{
	json_t *list;

	if (first == NULL)
		return json_null();
	list = json_array();
	for (const struct dnsbl_finding *f = first; f != NULL; f = f->next) {
		json_t *codes = json_array();
		char text[DNSBL_CODE_SIZE];

		for (size_t i = 0; i < f->answer.count; i++)
			json_array_append_new(codes,
			    json_string(
				dnsbl_code_text(f->answer.codes[i], text)));
		json_array_append_new(list,
		    json_pack("{s:o,s:s,s:s,s:s,s:s,s:o,s:s?}", "list",
			posternctl_string(f->list), "zone", f->zone, "about",
			f->about, "asked", f->asked, "result",
			dnsbl_status_word(f->answer.status), "codes", codes,
			"symbol", f->symbol));
	}
	return list;
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
facts_helo(const struct helo_fact *f)
{
	if (f == NULL)
		return json_null();
	return json_pack("{s:s,s:s,s:o,s:b}", "result",
	    helo_status_word(f->result->status), "form",
	    helo_form_word(f->result->form), "name",
	    posternctl_string(f->result->name), "ours", f->ours);
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

static json_t *
hits(const struct rules_hit *first)
{
	json_t *list = json_array();

	for (const struct rules_hit *h = first; h != NULL; h = h->next)
		json_array_append_new(list,
		    json_pack("{s:s,s:f,s:f,s:o,s:o}", "name", h->name,
			"score", h->score, "value", h->value, "matched",
			h->matched.data == NULL
			    ? json_null()
			    : posternctl_stringn(
				  h->matched.data, h->matched.len),
			"describe", posternctl_string(h->describe)));
	return list;
}

json_t *
facts_rules(const struct rules_result *r)
{
	json_t *limited;

	if (r == NULL)
		return json_null();
	limited = json_array();
	for (size_t i = 0; r->limited != NULL && r->limited[i] != NULL; i++)
		json_array_append_new(limited, json_string(r->limited[i]));
	return json_pack("{s:o,s:o,s:b}", "hits", hits(r->hits), "limited",
	    limited, "late", r->late);
}
