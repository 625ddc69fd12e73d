/* SPDX-License-Identifier: BSD-2-Clause */
#include "facts.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/reason.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/summary.h"
#include "posternctl.h"

#define VALUE_MAX 200 /* octets of an edit's value in a decision */
#define MATCH_MAX 80  /* of a text that a rule matched */

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
	return json_pack("{s:s,s:o,s:o,s:s?,s:s,s:s,s:b,s:b,s:s?}", "result",
	    dmarc_outcome_word(r->result), "domain",
	    posternctl_string(r->domain), "policy_domain",
	    posternctl_string(found ? r->policy_domain : NULL), "policy",
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
		    json_pack("{s:o,s:o,s:o,s:o,s:s,s:o,s:o}", "list",
			posternctl_string(f->list), "zone",
			posternctl_string(f->zone), "about",
			posternctl_string(f->about), "asked",
			posternctl_string(f->asked), "result",
			dnsbl_status_word(f->answer.status), "codes", codes,
			"symbol", posternctl_string(f->symbol)));
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

/* matches: with the texts that rules matched. */
static json_t *
symbols_json(const struct symbol *first, bool matches)
{
	json_t *list = json_array(), *one;

	for (const struct symbol *s = first; s != NULL; s = s->next) {
		one = json_pack(
		    "{s:o,s:f}", "name", posternctl_string(s->name), "score",
		    s->score);
		if (matches && s->match != NULL)
			json_object_set_new(one, "match",
			    posternctl_stringn(s->match,
				s->match_len < MATCH_MAX ? s->match_len
							 : MATCH_MAX));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *
hits_json(const struct rules_hit *first)
{
	json_t *list = json_array();

	for (const struct rules_hit *h = first; h != NULL; h = h->next)
		json_array_append_new(list,
		    json_pack("{s:o,s:f,s:f,s:o,s:o}", "name",
			posternctl_string(h->name), "score", h->score, "value", h->value, "matched",
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
		json_array_append_new(limited, posternctl_string(r->limited[i]));
	return json_pack("{s:o,s:o,s:b}", "hits", hits_json(r->hits), "limited",
	    limited, "late", r->late);
}

/* max: a longer value is left out. */
static json_t *
edits_json(const struct edit *first, size_t max)
{
	json_t *list = json_array();

	for (const struct edit *e = first; e != NULL; e = e->next) {
		bool fits = e->value != NULL && strlen(e->value) <= max;

		json_array_append_new(list,
		    json_pack("{s:s,s:i,s:o,s:o}", "op", edit_word(e->op),
			"index", (int)e->index, "name",
			posternctl_string(e->name), "value",
			posternctl_string(fits ? e->value : NULL)));
	}
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

/* A key and its value, which is taken; NULL: no memory. */
struct pair {
	const char *key;
	json_t *value;
};

/* Set them; -1: no memory. */
static int
set_all(json_t *object, const struct pair *all, size_t count)
{
	int rc = 0;

	for (size_t i = 0; i < count; i++)
		rc |= json_object_set_new(object, all[i].key, all[i].value);
	return rc;
}

json_t *
facts_record(const char *file, const struct record *r)
{
	bool out = r->direction == DIRECTION_OUTBOUND;
	const struct pair all[] = {
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
	    {"symbols", symbols_json(r->symbols, false)},
	    {"score", json_real(r->score)},
	    {"verdict", json_string(record_word(r))},
	    {"decided_by", posternctl_string(r->verdict.by)},
	    {"reply", reply_json(&r->verdict)},
	    {"edits", edits_json(r->edits, SIZE_MAX)},
	    {"allowed", posternctl_string(r->allowed)},
	};
	json_t *object = json_object();

	if (set_all(object, all, sizeof(all) / sizeof(*all)) == 0)
		return object;
	json_decref(object);
	return NULL;
}

/* -- what only a decision has -- */

/* In UTC, with milliseconds. */
static json_t *
time_json(const struct timespec *at)
{
	char day[32], text[48];
	struct tm tm;

	if (gmtime_r(&at->tv_sec, &tm) == NULL)
		return json_null();
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03ldZ", day, at->tv_nsec / 1000000);
	return json_string(text);
}

static json_t *
client_json(const struct record *r)
{
	return json_pack("{s:o,s:o,s:o}", "ip",
	    posternctl_string(r->client_ip), "name",
	    posternctl_string(r->client_name), "helo",
	    posternctl_string(r->client_helo));
}

/* Those who are refused, or the others. */
static json_t *
rcpts_json(const struct rcpt *first, bool refused)
{
	json_t *list = json_array();

	for (const struct rcpt *to = first; to != NULL; to = to->next) {
		if ((record_refusal(to) != NULL) == refused)
			json_array_append_new(
			    list, posternctl_string(to->addr));
	}
	return list;
}

static json_t *
quota_json(const struct record *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->quota_count; i++) {
		const struct quota_level *q = &r->quota[i];

		json_array_append_new(list,
		    json_pack("{s:o,s:o,s:I,s:I,s:I}", "level",
			posternctl_string(q->level), "kind",
			posternctl_string(q->kind), "window_s",
			(json_int_t)q->window_s, "limit", (json_int_t)q->limit,
			"used", (json_int_t)q->used));
	}
	return list;
}

/* In microseconds; those that did something. */
static json_t *
stages_json(const struct record *r)
{
	json_t *list = json_array();

	for (size_t i = 0; stages[i] != NULL; i++) {
		if (r->stage_ns[i] != 0)
			json_array_append_new(list,
			    json_pack("{s:s,s:I}", "name", stages[i]->name,
				"us",
				(json_int_t)((r->stage_ns[i] + 500) / 1000)));
	}
	return list;
}

static json_t *
cut_json(const struct record *r)
{
	json_t *list = json_array();
	const char *word;

	for (unsigned i = 0; (word = record_short_word(i)) != NULL; i++) {
		if ((r->shortened & 1u << i) != 0)
			json_array_append_new(list, json_string(word));
	}
	return list;
}

static json_t *
sentence_json(const struct record *r)
{
	struct buf b = BUF_INIT;
	json_t *j;

	reason_sentence(&b, r);
	j = posternctl_string(buf_text(&b));
	buf_fini(&b);
	return j;
}

/* Milliseconds to a thousandth. */
static json_t *
duration_json(const struct record *r)
{
	return json_real((double)((record_busy_ns(r) + 500) / 1000) / 1000);
}

json_t *
facts_decision(const struct record *r)
{
	const struct pair all[] = {
	    {"time", time_json(&r->time)},
	    {"queue_id", posternctl_string(r->queue_id)},
	    {"at", posternctl_string(r->at)},
	    {"duration_ms", duration_json(r)},
	    {"client", client_json(r)},
	    {"sender", posternctl_string(r->sender)},
	    {"recipients", rcpts_json(r->rcpts, false)},
	    {"recipient_count", json_integer((json_int_t)r->rcpt_count)},
	    {"refused_recipients", rcpts_json(r->rcpts, true)},
	    {"size", r->came ? json_integer((json_int_t)r->size) : json_null()},
	    {"subject", r->subject == NULL
		    ? json_null()
		    : posternctl_stringn(r->subject, r->subject_len)},
	    {"quota", quota_json(r)},
	    {"signed", posternctl_string(r->signed_with)},
	    {"unsigned", posternctl_string(r->unsigned_why)},
	    {"stages", stages_json(r)},
	    {"cut", cut_json(r)},
	    {"why", sentence_json(r)},
	};
	const struct pair other[] = {
	    {"symbols", symbols_json(r->symbols, true)},
	    {"edits", edits_json(r->edits, VALUE_MAX)},
	};
	json_t *object = json_object(), *check = facts_record(NULL, r);
	int rc = set_all(object, all, sizeof(all) / sizeof(*all));

	rc |= json_object_update(object, check);
	rc |= set_all(object, other, sizeof(other) / sizeof(*other));
	json_decref(check);
	if (rc == 0)
		return object;
	json_decref(object);
	return NULL;
}
