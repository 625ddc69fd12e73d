/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/record.h"
#include "milter/summary.h"
#include "posternctl.h"

static json_t *
spf_json(const struct spf_result *r)
{
	if (r == NULL)
		return json_null();
	return json_pack("{s:s,s:s,s:o,s:o,s:o}", "result",
	    spf_outcome_text(r->result), "scope", spf_scope_text(r->scope),
	    "domain", posternctl_string(r->domain), "mechanism",
	    posternctl_string(r->mechanism), "explanation",
	    posternctl_string(r->explanation));
}

static json_t *
dkim_json(const struct dkim_verdicts *v)
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

static json_t *
dmarc_json(const struct dmarc_result *r)
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

static json_t *
dnsbl_json(const struct dnsbl_finding *first)
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

static json_t *
rdns_json(const struct iprev_result *r)
{
	if (r == NULL)
		return json_null();
	return json_pack("{s:s,s:o}", "result", iprev_word(r->status), "name",
	    posternctl_string(r->name));
}

static json_t *
helo_json(const struct helo_fact *f)
{
	if (f == NULL)
		return json_null();
	return json_pack("{s:s,s:s,s:o,s:b}", "result",
	    helo_status_word(f->result->status), "form",
	    helo_form_word(f->result->form), "name",
	    posternctl_string(f->result->name), "ours", f->ours);
}

static json_t *
symbols_json(const struct symbol *first)
{
	json_t *list = json_array();

	for (const struct symbol *s = first; s != NULL; s = s->next)
		json_array_append_new(list,
		    json_pack("{s:s,s:f}", "name", s->name, "score", s->score));
	return list;
}

static json_t *
hits_json(const struct rules_hit *first)
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

static json_t *
rules_json(const struct rules_result *r)
{
	json_t *limited;

	if (r == NULL)
		return json_null();
	limited = json_array();
	for (size_t i = 0; r->limited != NULL && r->limited[i] != NULL; i++)
		json_array_append_new(limited, json_string(r->limited[i]));
	return json_pack("{s:o,s:o,s:b}", "hits", hits_json(r->hits), "limited",
	    limited, "late", r->late);
}

static json_t *
edits_json(const struct edit *first)
{
	json_t *list = json_array();

	for (const struct edit *e = first; e != NULL; e = e->next)
		json_array_append_new(list,
		    json_pack("{s:s,s:i,s:o,s:o}", "op", edit_word(e->op),
			"index", (int)e->index, "name",
			posternctl_string(e->name), "value",
			posternctl_string(e->value)));
	return list;
}

/* The reply, or JSON null. */
static json_t *
reply_json(const struct verdict *v)
{
	struct buf b = BUF_INIT;
	json_t *j;

	if (!summary_reply(&b, v))
		return json_null();
	j = posternctl_string(buf_text(&b));
	buf_fini(&b);
	return j;
}

json_t *
facts_record(const char *file, const struct record *r)
{
	bool out = r->direction == DIRECTION_OUTBOUND;
	const struct {
		const char *key;
		json_t *value; /* taken; NULL: no memory */
	} all[] = {
	    {"file", posternctl_string(file)},
	    {"direction", json_string(out ? "outbound" : "inbound")},
	    {"account", posternctl_string(r->account)},
	    {"spf", spf_json(r->spf)},
	    {"spf_helo", spf_json(r->spf_helo)},
	    {"dkim", dkim_json(r->dkim)},
	    {"dmarc", dmarc_json(r->dmarc)},
	    {"rdns", rdns_json(r->iprev)},
	    {"helo", helo_json(r->helo)},
	    {"dnsbl", dnsbl_json(r->dnsbl)},
	    {"rules", rules_json(r->rules)},
	    {"symbols", symbols_json(r->symbols)},
	    {"score", json_real(r->score)},
	    {"verdict", json_string(record_word(r))},
	    {"decided_by", posternctl_string(r->verdict.by)},
	    {"reply", reply_json(&r->verdict)},
	    {"edits", edits_json(r->edits)},
	    {"allowed", posternctl_string(r->allowed)},
	};
	json_t *object = json_object();
	int rc = 0;

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		rc |= json_object_set_new(object, all[i].key, all[i].value);
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}
