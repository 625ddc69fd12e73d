/* SPDX-License-Identifier: BSD-2-Clause */
#include "reason.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "record.h"

#define SHOWN_MAX 256 /* octets of a text from outside, as written */
#define MATCH_MAX 80  /* of what a rule matched */
#define HIGHEST 3     /* symbols that are named for a score */
#define SIGNATURES 3  /* signatures that are told of */

/* -- words -- */

/* Text from outside, quoted where necessary. */
static void
quote(struct buf *b, const char *text)
{
	buf_quote(b, text, strlen(text), SHOWN_MAX);
}

/* Words of ours, which may quote others.  From a file they may be anything. */
static void
plain(struct buf *b, const char *words)
{
	for (; *words != '\0'; words++) {
		if (*words < 0x20 || *words > 0x7e)
			buf_escape(b, words, 1, 1);
		else
			buf_char(b, *words);
	}
}

static const char *
or_none(const char *text)
{
	return text == NULL || *text == '\0' ? "-" : text;
}

/* -- what the checks found -- */

static void
add_spf(struct buf *b, const struct spf_result *s)
{
	buf_printf(b, "SPF says %s for ", spf_outcome_text(s->result));
	quote(b, or_none(s->domain));
	if (s->reason != NULL) {
		buf_str(b, ", since ");
		plain(b, s->reason);
	} else if (s->mechanism != NULL) {
		buf_str(b, " by the term ");
		quote(b, s->mechanism);
	}
}

static void
add_signature(struct buf *b, const struct dkim_verdict *d, const char *valid)
{
	buf_str(b, "the signature of ");
	quote(b, or_none(d->domain));
	if (d->status == DKIM_STATUS_PASS) {
		buf_printf(b, " is %s", valid);
		return;
	}
	if (d->status == DKIM_STATUS_FAIL)
		buf_str(b, " fails");
	else
		buf_printf(b, " is %s", dkim_status_word(d->status));
	if (d->reason == NULL)
		return;
	buf_str(b, " (");
	plain(b, d->reason);
	buf_char(b, ')');
}

/* valid: the words for those that are. */
static void
add_signatures(struct buf *b, const struct dkim_verdicts *v, const char *valid)
{
	if (v->count == 0)
		buf_str(b, "there is no DKIM signature");
	for (size_t i = 0; i < v->count && i < SIGNATURES; i++) {
		buf_str(b, i == 0 ? "" : ", ");
		add_signature(b, &v->list[i], valid);
	}
	if (v->count > SIGNATURES)
		buf_printf(b, " and there are %zu more", v->count - SIGNATURES);
}

/* Why neither SPF nor DKIM speaks for the author's domain. */
static void
add_dmarc(struct buf *b, const struct record *r)
{
	const struct dmarc_result *d = r->dmarc;

	if (d == NULL || d->policy_domain == NULL)
		return;
	if (r->spf == NULL) {
		buf_str(b, "SPF was not checked");
	} else if (r->spf->result == SPF_PASS) {
		buf_str(b, "SPF says pass, but for ");
		quote(b, or_none(r->spf->domain));
		buf_str(b, ", which is not aligned");
	} else {
		add_spf(b, r->spf);
	}
	buf_str(b, ", and ");
	if (r->dkim == NULL)
		buf_str(b, "DKIM was not checked");
	else
		add_signatures(b, r->dkim, "valid, but not aligned");
}

/* The look-ups that were not answered. */
static void
add_unanswered(struct buf *b, const struct record *r)
{
	const char *sep = "the DNS did not answer for ";

	if (r->dmarc != NULL && r->dmarc->result == DMARC_TEMPERROR &&
	    r->dmarc->policy_domain == NULL) {
		buf_printf(b, "%sthe DMARC policy, _dmarc.", sep);
		quote(b, or_none(r->dmarc->domain));
		sep = " and ";
	}
	if (r->spf != NULL && r->spf->result == SPF_TEMPERROR) {
		buf_printf(b, "%sSPF of ", sep);
		quote(b, or_none(r->spf->domain));
		if (r->spf->reason != NULL) {
			buf_str(b, " (");
			plain(b, r->spf->reason);
			buf_char(b, ')');
		}
		sep = " and ";
	}
	for (size_t i = 0; r->dkim != NULL && i < r->dkim->count; i++) {
		const struct dkim_verdict *d = &r->dkim->list[i];

		if (d->status != DKIM_STATUS_TEMPERROR)
			continue;
		buf_printf(b, "%sthe DKIM key ", sep);
		quote(b, or_none(d->selector));
		buf_str(b, "._domainkey.");
		quote(b, or_none(d->domain));
		sep = " and ";
	}
}

/* What the lists of a symbol say; "" in b: none has it. */
static void
add_lists(struct buf *b, const struct record *r, const char *symbol)
{
	char text[DNSBL_CODE_SIZE];

	for (const struct dnsbl_finding *f = r->dnsbl; f != NULL; f = f->next) {
		if (f->symbol == NULL || strcmp(f->symbol, symbol) != 0)
			continue;
		buf_str(b, b->len == 0 ? "" : ", and ");
		quote(b, f->zone);
		buf_str(b, " lists ");
		quote(b, f->about);
		for (size_t i = 0; i < f->answer.count; i++)
			buf_printf(b, "%s%s", i == 0 ? " with " : ", ",
			    dnsbl_code_text(f->answer.codes[i], text));
	}
}

static void
add_helo(struct buf *b, const struct record *r)
{
	buf_str(b, "HELO says ");
	quote(b, or_none(r->client_helo));
	if (r->helo->ours)
		buf_str(b, ", a name of this host");
	else if (r->helo->result->form != HELO_NAME)
		buf_printf(b, ", of the form: %s",
		    helo_form_word(r->helo->result->form));
	else
		buf_printf(b, ", which the DNS gives %s",
		    r->helo->result->status == HELO_FAIL
			? "other addresses than the client's"
			: "no address");
}

static void
add_iprev(struct buf *b, const struct record *r)
{
	buf_str(b, "the client ");
	quote(b, or_none(r->client_ip));
	if (r->iprev->status == IPREV_FAIL) {
		buf_str(b, " has the name ");
		quote(b, or_none(r->iprev->name));
		buf_str(b, ", which is not its own");
	} else {
		buf_str(b, " has no name in the DNS");
	}
}

/* What a rule matched; "" in b: nothing, or it is no rule. */
static void
add_match(struct buf *b, const struct record *r, const char *symbol)
{
	const struct rules_hit *h = r->rules == NULL ? NULL : r->rules->hits;

	while (h != NULL && strcmp(h->name, symbol) != 0)
		h = h->next;
	if (h == NULL || h->matched.data == NULL)
		return;
	buf_str(b, "it matched ");
	buf_quote(b, h->matched.data, h->matched.len, MATCH_MAX);
}

/* The symbols that made the score what it is. */
static void
add_highest(struct buf *b, const struct record *r)
{
	const struct symbol *list[HIGHEST];
	size_t n = 0, i;

	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		if (s->score < 0.05)
			continue;
		for (i = n; i > 0 && list[i - 1]->score < s->score; i--) {
			if (i < HIGHEST)
				list[i] = list[i - 1];
		}
		if (i < HIGHEST)
			list[i] = s;
		n += n < HIGHEST;
	}
	for (i = 0; i < n; i++)
		buf_printf(b, "%s%s (%.1f)",
		    i == 0	 ? "most of it comes from "
		    : i + 1 == n ? " and "
				 : ", ",
		    list[i]->name, list[i]->score);
}

/* The facts behind a verdict, as far as it does not tell them itself. */
static void
add_facts(struct buf *b, const struct record *r, const struct verdict *v)
{
	const char *by = v->by == NULL ? "" : v->by;

	if (v->error == VERDICT_E_DNS)
		add_unanswered(b, r);
	else if (strcmp(by, "dmarc") == 0)
		add_dmarc(b, r);
	else if (strcmp(by, "rules") == 0 && v->symbol == NULL)
		add_highest(b, r);
	else if (strcmp(by, "rules") == 0)
		add_match(b, r, v->symbol);
	else if (strcmp(by, "dnsbl") == 0 && v->symbol != NULL)
		add_lists(b, r, v->symbol);
	else if (strcmp(by, "spf") == 0 && r->spf != NULL)
		add_spf(b, r->spf);
	else if (strcmp(by, "dkim") == 0 && r->dkim != NULL)
		add_signatures(b, r->dkim, "valid");
	else if (strcmp(by, "helo") == 0 && r->helo != NULL)
		add_helo(b, r);
	else if (strcmp(by, "rdns") == 0 && r->iprev != NULL)
		add_iprev(b, r);
}

void
reason_verdict(struct buf *b, const struct record *r, const struct verdict *v)
{
	struct buf words = BUF_INIT, facts = BUF_INIT;
	/* The look-up tells more than that there was no answer. */
	bool told = v->why != NULL;

	verdict_outcome(v, &words);
	add_facts(&facts, r, v);
	if (facts.len > 0 && v->error == VERDICT_E_DNS)
		told = false;
	if (told)
		buf_printf(&words, ", because %s", v->why);
	if (facts.len > 0 && !facts.failed)
		buf_printf(&words, "%s%s", told ? ": " : ", because ",
		    buf_text(&facts));
	else if (!told && v->symbol == NULL && v->text != NULL)
		buf_printf(&words, ", with the text: %s", v->text);
	plain(b, words.failed ? "?" : buf_text(&words));
	buf_fini(&facts);
	buf_fini(&words);
}

/* -- what became of it -- */

/* What nothing refused. */
static void
add_accepted(struct buf *b, const struct record *r)
{
	if (r->allowed != NULL)
		buf_printf(b, ": its %s is in AllowList", r->allowed);
	if (r->exempt_from != NULL)
		buf_printf(b, "%s %s would refuse it%s",
		    r->allowed != NULL ? "; without that" : ":", r->exempt_from,
		    r->allowed != NULL ? ""
				    : ", but all its recipients are exempt");
	if (r->allowed != NULL || r->exempt_from != NULL)
		return;
	buf_str(b, ": nothing refuses or holds it");
	if (r->scored)
		buf_printf(
		    b, ", and the score %.1f is below the limits", r->score);
}

/* A reason of one word is a keyword. */
static void
add_signing(struct buf *b, const struct record *r)
{
	const char *why = r->unsigned_why;

	if (r->signed_with != NULL) {
		buf_str(b, "; it leaves signed with ");
		quote(b, r->signed_with);
	} else if (why != NULL) {
		buf_printf(b, "; it leaves unsigned%s ",
		    strchr(why, ' ') == NULL ? ", by the keyword" : ":");
		plain(b, why);
	}
}

/* The recipients that are refused, of a message that is not. */
static void
add_refused(struct buf *b, const struct record *r)
{
	const struct verdict *last = NULL;
	size_t n = 0;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		if (record_refusal(to) == NULL)
			continue;
		last = record_refusal(to);
		n++;
	}
	if (n == 0)
		return;
	buf_printf(b, "; %zu of its recipients %s ", n, n == 1 ? "is" : "are");
	reason_verdict(b, r, last);
}

static void
add_aborted(struct buf *b, const struct record *r)
{
	buf_str(b, "It was given up by the client or the mail server");
	if (r->came)
		buf_printf(b,
		    " before the end of its content, after %zu octets",
		    r->size);
	else if (r->rcpt_count == 0)
		buf_str(b, " before it had a recipient");
	else
		buf_printf(b, " before its content, after %zu recipient%s",
		    r->rcpt_count, r->rcpt_count == 1 ? "" : "s");
	add_refused(b, r);
	buf_str(b, "; nothing else was decided");
}

static void
add_sentence(struct buf *b, const struct record *r)
{
	if (r->at != NULL) {
		buf_printf(b, "At %s the client is ", r->at);
		reason_verdict(b, r, &r->verdict);
	} else if (r->aborted) {
		add_aborted(b, r);
	} else {
		buf_str(b, "It is ");
		reason_verdict(b, r, &r->verdict);
		if (r->verdict.action == VERDICT_NONE)
			add_accepted(b, r);
		if (r->left) {
			add_refused(b, r);
			add_signing(b, r);
		}
	}
	buf_char(b, '.');
}

void
reason_sentence(struct buf *b, const struct record *r)
{
	struct buf words = BUF_INIT;

	add_sentence(&words, r);
	plain(b, words.failed ? "?" : buf_text(&words));
	buf_fini(&words);
}
