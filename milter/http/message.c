/*
 * The page of one message: what was found of it, and what became of it.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>

#include "html.h"
#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/edit.h"
#include "milter/past.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/stages.h"
#include "milter/summary.h"
#include "now.h"
#include "page.h"
#include "plot.h"

/* -- what it was -- */

static void
term_text(struct html *h, const char *term, const char *text)
{
	if (text == NULL)
		return;
	part_term(h, term);
	html_outside(h, text);
	html_close(h);
	html_close(h);
}

static void
recipient(struct html *h, const struct rcpt *to)
{
	const struct verdict *v = record_refusal(to);
	struct buf b = BUF_INIT;

	html_open(h, "li");
	html_outside(h, to->addr);
	if (v != NULL) {
		html_text(h, " ");
		html_classed(h, "span", "verdict reject", "refused");
		if (summary_reply(&b, v)) {
			html_text(h, " ");
			html_outside(h, buf_text(&b));
		}
	}
	html_close(h);
	buf_fini(&b);
}

static void
recipients(struct html *h, const struct record *r)
{
	if (r->rcpts == NULL)
		return;
	part_term(h, "Recipients");
	html_open(h, "ul");
	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next)
		recipient(h, to);
	html_close(h);
	html_close(h);
	html_close(h);
}

static void
client(struct html *h, const struct record *r)
{
	part_term(h, "Client");
	html_outside(h, r->client_ip);
	if (r->client_name != NULL) {
		html_text(h, " ");
		html_outside(h, r->client_name);
	}
	if (r->client_helo != NULL) {
		html_text(h, ", HELO ");
		html_outside(h, r->client_helo);
	}
	html_close(h);
	html_close(h);
}

static void
envelope(struct html *h, const struct record *r)
{
	struct buf b = BUF_INIT;

	html_open_classed(h, "dl", "facts");
	part_term(h, "Ended");
	part_time(h, r->time);
	html_textf(h, ", %.2f ms in postern", (double)record_busy_ns(r) / 1e6);
	html_close(h);
	html_close(h);
	term_text(h, "Queue id", r->queue_id);
	part_term(h, "Direction");
	html_text(h, r->direction == DIRECTION_OUTBOUND ? "out" : "in");
	if (r->direction_why != NULL) {
		html_text(h, ", by ");
		html_outside(h, r->direction_why);
	}
	html_close(h);
	html_close(h);
	client(h, r);
	if (r->sender != NULL)
		term_text(h, "Sender", r->sender[0] == '\0' ? "<>" : r->sender);
	recipients(h, r);
	if (r->account != NULL) {
		part_term(h, "Account");
		part_account(h, r->account);
		html_close(h);
		html_close(h);
	}
	if (r->message_id != NULL) {
		part_term(h, "Message-ID");
		html_outsiden(h, r->message_id, r->message_id_len, HTML_CUT);
		html_close(h);
		html_close(h);
	}
	if (r->came) {
		part_term(h, "Size");
		part_octets(h, (double)r->size);
		html_close(h);
		html_close(h);
	}
	if (summary_reply(&b, &r->verdict))
		term_text(h, "Reply", buf_text(&b));
	term_text(h, "Exempt by AllowList", r->allowed);
	term_text(h, "Left unsigned because", r->unsigned_why);
	html_close(h);
	buf_fini(&b);
}

/* -- checks -- */

/* A row; domain and more may be NULL. */
static void
check(struct html *h, const char *name, const char *result, const char *domain,
    const char *more)
{
	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_text(h, name);
	html_close(h);
	html_open(h, "td");
	html_classed(h, "span",
	    strcmp(result, "pass") == 0	      ? "result good"
		: strcmp(result, "fail") == 0 ? "result bad"
					      : "result",
	    result);
	html_close(h);
	html_open(h, "td");
	html_outside(h, domain);
	html_close(h);
	html_open(h, "td");
	html_outside(h, more);
	html_close(h);
	html_close(h);
}

static void
check_spf(struct html *h, const char *name, const struct spf_result *s)
{
	if (s != NULL)
		check(h, name, spf_outcome_text(s->result), s->domain,
		    s->reason != NULL		? s->reason
			: s->explanation != NULL ? s->explanation
						 : s->mechanism);
}

static void
check_dkim(struct html *h, const struct dkim_verdicts *v)
{
	char domain[512];

	if (v != NULL && v->count == 0)
		check(h, "DKIM", "none", NULL, "not signed");
	for (size_t i = 0; v != NULL && i < v->count; i++) {
		const struct dkim_verdict *d = &v->list[i];

		snprintf(domain, sizeof(domain), "%s (%s)",
		    d->domain == NULL ? "?" : d->domain,
		    d->selector == NULL ? "?" : d->selector);
		check(h, "DKIM", dkim_status_word(d->status), domain,
		    d->reason != NULL ? d->reason : d->algorithm);
	}
}

static void
check_dmarc(struct html *h, const struct dmarc_result *d)
{
	char more[128];

	if (d == NULL)
		return;
	snprintf(more, sizeof(more), "%s%s; SPF %s, DKIM %s",
	    d->policy_domain == NULL ? "no policy" : "policy ",
	    d->policy_domain == NULL ? "" : dmarc_policy_word(d->policy),
	    d->spf_aligned ? "aligned" : "not aligned",
	    d->dkim_aligned ? "aligned" : "not aligned");
	check(h, "DMARC", dmarc_outcome_word(d->result), d->domain, more);
}

static void
check_lists(struct html *h, const struct dnsbl_finding *f)
{
	char name[300], text[DNSBL_CODE_SIZE];
	struct buf codes = BUF_INIT;

	for (; f != NULL; f = f->next) {
		snprintf(name, sizeof(name), "DNS list %s", f->zone);
		for (size_t i = 0; i < f->answer.count; i++)
			buf_printf(&codes, "%s%s", i > 0 ? ", " : "",
			    dnsbl_code_text(f->answer.codes[i], text));
		check(h, name, dnsbl_status_word(f->answer.status), f->about,
		    codes.len > 0 ? buf_text(&codes) : NULL);
		buf_reset(&codes);
	}
	buf_fini(&codes);
}

static void
checks(struct html *h, const struct record *r)
{
	static const char *const titles[] = {
	    "Check", "Result", "Of", "Detail", NULL};

	part_section(h, "checks", "Checks");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	check_spf(h, "SPF", r->spf);
	check_spf(h, "SPF of HELO", r->spf_helo);
	check_dkim(h, r->dkim);
	check_dmarc(h, r->dmarc);
	if (r->iprev != NULL)
		check(h, "Reverse DNS", iprev_word(r->iprev->status),
		    r->iprev->name, NULL);
	if (r->helo != NULL)
		check(h, "HELO", helo_status_word(r->helo->result->status),
		    r->helo->result->name,
		    r->helo->ours ? "a name of this host" : NULL);
	check_lists(h, r->dnsbl);
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

/* -- score -- */

static const char *
describe(const struct record *r, const char *name)
{
	const struct rules_hit *hit = r->rules == NULL ? NULL : r->rules->hits;

	while (hit != NULL && strcmp(hit->name, name) != 0)
		hit = hit->next;
	return hit == NULL ? NULL : hit->describe;
}

static void
symbol(struct html *h, const struct record *r, const struct symbol *s)
{
	html_open(h, "tr");
	html_open(h, "th");
	html_attr(h, "scope", "row");
	html_outside(h, s->name);
	html_close(h);
	html_open_classed(h, "td", "n");
	html_textf(h, "%.2f", s->score);
	html_close(h);
	html_open(h, "td");
	if (s->match != NULL) {
		html_open(h, "q");
		html_outsiden(h, s->match, s->match_len, HTML_CUT);
		html_close(h);
	}
	html_close(h);
	html_open(h, "td");
	html_outside(h, describe(r, s->name));
	html_close(h);
	html_close(h);
}

static void
symbols(struct html *h, const struct record *r)
{
	static const char *const titles[] = {
	    "Symbol", " Score", "Text it met", "What it is", NULL};

	if (r->symbols == NULL)
		return;
	part_section(h, "symbols", "Score");
	html_open(h, "p");
	html_textf(h, "%.2f together%s", r->score,
	    r->scored ? "" : "; no limit of scores was looked at");
	html_close(h);
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	for (const struct symbol *s = r->symbols; s != NULL; s = s->next)
		symbol(h, r, s);
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

/* -- the rest -- */

static void
levels(struct html *h, const struct record *r)
{
	if (r->quota_count == 0)
		return;
	part_section(h, "quota", "Quota when it ended");
	html_open_classed(h, "ul", "limits");
	for (size_t i = 0; i < r->quota_count; i++) {
		html_open(h, "li");
		html_textf(h, "%s ", r->quota[i].level);
		part_limit(h, r->quota[i].kind, r->quota[i].window_s,
		    (double)r->quota[i].used, (double)r->quota[i].limit);
		html_close(h);
	}
	html_close(h);
	html_close(h);
}

static void
edits(struct html *h, const struct record *r)
{
	static const char *const titles[] = {"Edit", "Field", "Value", NULL};

	if (r->edits == NULL)
		return;
	part_section(h, "edits", "Edits to the header");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	for (const struct edit *e = r->edits; e != NULL; e = e->next) {
		html_open(h, "tr");
		html_element(h, "td", edit_word(e->op));
		html_open(h, "td");
		html_outside(h, e->name);
		html_close(h);
		html_open(h, "td");
		html_outside(h, e->value);
		html_close(h);
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

static void
times(struct html *h, const struct record *r)
{
	static const char *const titles[] = {"Check", " Time", "Share", NULL};
	double all = (double)record_busy_ns(r);

	if (!(all > 0))
		return;
	part_section(h, "times", "Time by check");
	html_open_classed(h, "div", "scroll");
	html_open(h, "table");
	part_columns(h, titles);
	html_open(h, "tbody");
	for (size_t i = 0; stages[i] != NULL; i++) {
		double share = (double)r->stage_ns[i] / all;

		if (share < 0.005)
			continue;
		html_open(h, "tr");
		html_open(h, "th");
		html_attr(h, "scope", "row");
		html_text(h, stages[i]->name);
		html_close(h);
		html_open_classed(h, "td", "n");
		html_textf(h, "%.3f ms", (double)r->stage_ns[i] / 1e6);
		html_close(h);
		html_open(h, "td");
		part_part(h, share);
		html_close(h);
		html_close(h);
	}
	html_close(h);
	html_close(h);
	html_close(h);
	html_close(h);
}

static void
log_line_of(struct html *h, const struct record *r)
{
	struct buf b = BUF_INIT;
	const char *word;

	summary_line(&b, r);
	html_open_classed(h, "section", "card");
	html_open(h, "details");
	html_element(h, "summary",
	    "The line in the log, without what checks add to it");
	html_open(h, "pre");
	html_outsiden(h, b.data == NULL ? "" : b.data, b.len, 8000);
	html_close(h);
	html_close(h);
	for (unsigned i = 0; (word = record_short_word(i)) != NULL; i++) {
		if (r->shortened & 1u << i) {
			html_open_classed(h, "p", "muted");
			html_textf(h, "The record had no room for all: %s.",
			    word);
			html_close(h);
		}
	}
	html_close(h);
	buf_fini(&b);
}

bool
page_message(struct html *h, struct now *n, uint64_t place)
{
	const struct record *r =
	    n->past == NULL ? NULL : past_at(n->past, place);

	if (r == NULL)
		return false;
	page_begin(h, r->at == NULL ? "Message" : "Client", true, false);
	html_open_classed(h, "section", "card headline");
	html_open(h, "h1");
	part_subject(h, r);
	html_close(h);
	html_open_classed(h, "p", "sentence");
	part_verdict(h, r);
	html_text(h, " ");
	part_reason(h, r);
	html_close(h);
	envelope(h, r);
	html_close(h);
	checks(h, r);
	symbols(h, r);
	levels(h, r);
	times(h, r);
	edits(h, r);
	log_line_of(h, r);
	page_end(h);
	return true;
}
