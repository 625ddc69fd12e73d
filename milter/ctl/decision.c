/* SPDX-License-Identifier: BSD-2-Clause */
#include "decision.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/quota/limits.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/reason.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/summary.h"

#define WIDTH 80       /* columns of a line */
#define HEAD 11	       /* of the name of what follows */
#define CHECK 33       /* of a check's name, score and time */
#define SHOWN_MAX 1024 /* octets of a text, as written */

/* -- words -- */

/* Text from outside as it can stand among other words. */
static void
add_text(struct buf *b, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < 0x20 || text[i] > 0x7e)
			buf_escape(b, text + i, 1, 1);
		else
			buf_char(b, text[i]);
	}
}

static void
add(struct buf *b, const char *text)
{
	if (text == NULL || *text == '\0')
		buf_char(b, '-');
	else
		add_text(b, text, strlen(text));
}

static void
add_address(struct buf *b, const char *address)
{
	buf_char(b, '<');
	add_text(b, address, strlen(address));
	buf_char(b, '>');
}

/* Append words from a column on, and go on there in further lines. */
static void
wrap(struct buf *b, size_t column, const char *words)
{
	size_t at = column;

	while (*words != '\0') {
		size_t len = strcspn(words, " \n"), fits = WIDTH - at;
		bool first = at == column;

		if (!first && len + 1 > fits) {
			buf_printf(b, "\n%*s", (int)column, "");
			at = column;
			first = true;
		}
		if (len > WIDTH - column)
			len = WIDTH - column;
		if (!first)
			buf_char(b, ' ');
		buf_add(b, words, len);
		at += len + !first;
		words += len;
		if (*words == '\n') {
			buf_printf(b, "\n%*s", (int)column, "");
			at = column;
		}
		if (*words == ' ' || *words == '\n')
			words++;
	}
}

/* A line (or some) of the page: a head and text, which is let go. */
static void
row(struct buf *b, const char *head, struct buf *text)
{
	struct buf shown = BUF_INIT;

	if (!text->failed)
		add_text(&shown, buf_text(text), text->len);
	buf_printf(b, "\n  %-*s", HEAD - 2, head);
	wrap(b, HEAD, shown.failed ? "?" : buf_text(&shown));
	buf_fini(&shown);
	buf_fini(text);
	*text = (struct buf)BUF_INIT;
}

/* -- outcome -- */

bool
decision_colours(void)
{
	const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) == 1 && term != NULL &&
	    strcmp(term, "dumb") != 0 && (no == NULL || *no == '\0');
}

static void
add_outcome(struct buf *b, const struct record *r, bool colours)
{
	static const char *const of[] = {[VERDICT_NONE] = "32",
	    [VERDICT_ACCEPT] = "32",
	    [VERDICT_REJECT] = "31",
	    [VERDICT_TEMPFAIL] = "33",
	    [VERDICT_DISCARD] = "31",
	    [VERDICT_QUARANTINE] = "35",
	    [VERDICT_ERROR] = "31"};

	if (colours)
		buf_printf(
		    b, "\033[%sm", r->aborted ? "2" : of[r->verdict.action]);
	buf_str(b, record_word(r));
	if (colours)
		buf_str(b, "\033[0m");
}

static void
add_time(struct buf *b, const struct record *r)
{
	char day[32];
	struct tm tm;

	if (gmtime_r(&r->time.tv_sec, &tm) == NULL) {
		buf_char(b, '-');
		return;
	}
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	buf_printf(b, "%s.%03ldZ", day, r->time.tv_nsec / 1000000);
}

static void
add_span(struct buf *b, uint64_t ns)
{
	if (ns < 1000000)
		buf_printf(b, "%" PRIu64 " us", (ns + 500) / 1000);
	else if (ns < 1000000000)
		buf_printf(b, "%.1f ms", (double)ns / 1e6);
	else
		buf_printf(b, "%.1f s", (double)ns / 1e9);
}

static const char *
direction_of(const struct record *r)
{
	return r->at != NULL			    ? "client"
	    : r->direction == DIRECTION_OUTBOUND ? "outbound"
						    : "inbound";
}

/* -- what each check found: lines, without a newline at the end -- */

static void
line(struct buf *b)
{
	if (b->len > 0)
		buf_char(b, '\n');
}

static void
tell_direction(struct buf *b, const struct record *r)
{
	if (r->direction_why != NULL) {
		buf_printf(b, "%s, by ", direction_of(r));
		add(b, r->direction_why);
	}
}

static void
tell_account(struct buf *b, const struct record *r)
{
	if (r->account != NULL)
		add(b, r->account);
}

static void
tell_one_spf(struct buf *b, const struct spf_result *s)
{
	line(b);
	buf_printf(b, "%s for %s ", spf_outcome_text(s->result),
	    s->scope == SPF_HELO ? "HELO" : "the sender's");
	add(b, s->domain);
	if (s->mechanism != NULL) {
		buf_str(b, ", by ");
		add(b, s->mechanism);
	}
	if (s->reason != NULL) {
		buf_str(b, ": ");
		add(b, s->reason);
	}
	if (s->explanation != NULL) {
		buf_str(b, "; its owner says: ");
		add(b, s->explanation);
	}
}

static void
tell_spf(struct buf *b, const struct record *r)
{
	if (r->spf != NULL)
		tell_one_spf(b, r->spf);
	if (r->spf_helo != NULL &&
	    (r->spf == NULL || r->spf->scope != SPF_HELO))
		tell_one_spf(b, r->spf_helo);
}

static void
tell_dkim(struct buf *b, const struct record *r)
{
	if (r->dkim != NULL && r->dkim->count == 0)
		buf_str(b, "no signature");
	for (size_t i = 0; r->dkim != NULL && i < r->dkim->count; i++) {
		const struct dkim_verdict *d = &r->dkim->list[i];

		line(b);
		buf_printf(b, "%s for ", dkim_status_word(d->status));
		add(b, d->domain);
		buf_str(b, ", selector ");
		add(b, d->selector);
		buf_str(b, ", ");
		add(b, d->algorithm);
		if (d->bits != 0)
			buf_printf(b, ", %u bits", d->bits);
		if (d->reason != NULL) {
			buf_str(b, ": ");
			add(b, d->reason);
		}
	}
}

static void
tell_dmarc(struct buf *b, const struct record *r)
{
	const struct dmarc_result *d = r->dmarc;
	const char *override;

	if (d == NULL)
		return;
	buf_printf(b, "%s for ", dmarc_outcome_word(d->result));
	add(b, d->domain);
	if (d->policy_domain == NULL) {
		buf_str(b, d->result == DMARC_TEMPERROR
			    ? ", whose policy is not known"
			    : ", which has no policy");
		return;
	}
	buf_printf(b, "; policy %s of ", dmarc_policy_word(d->policy));
	add(b, d->policy_domain);
	buf_printf(b, "\nSPF is %saligned, DKIM is %saligned; to do: %s",
	    d->spf_aligned ? "" : "not ", d->dkim_aligned ? "" : "not ",
	    dmarc_policy_word(d->disposition));
	override = dmarc_override_word(d->override);
	if (override != NULL)
		buf_printf(b, " (%s)", override);
}

static void
tell_rdns(struct buf *b, const struct record *r)
{
	if (r->iprev == NULL)
		return;
	buf_printf(b, "%s for ", iprev_word(r->iprev->status));
	add(b, r->client_ip);
	if (r->iprev->name != NULL) {
		buf_str(b, ", name ");
		add(b, r->iprev->name);
	} else if (r->iprev->status == IPREV_PERMERROR) {
		buf_str(b, ", which has no name");
	}
}

static void
tell_helo(struct buf *b, const struct record *r)
{
	static const char *const forms[] = {[HELO_NAME] = "a name",
	    [HELO_WORD] = "a name without a dot",
	    [HELO_LITERAL] = "an address",
	    [HELO_ADDRESS] = "an address without brackets",
	    [HELO_INVALID] = "which is not valid"};
	static const char *const reasons[] = {[HELO_PASS] = "",
	    [HELO_FAIL] = " that is not the client's",
	    [HELO_NONE] = " that has no address",
	    [HELO_TEMPERROR] = ""};
	const struct helo_result *h;

	if (r->helo == NULL)
		return;
	h = r->helo->result;
	buf_printf(b, "%s for ", helo_status_word(h->status));
	add(b, r->client_helo);
	buf_printf(b, ", %s%s%s", forms[h->form],
	    r->helo->ours ? " of this host" : "",
	    h->form == HELO_INVALID ? "" : reasons[h->status]);
}

static void
tell_dnsbl(struct buf *b, const struct record *r)
{
	char text[DNSBL_CODE_SIZE];

	for (const struct dnsbl_finding *f = r->dnsbl; f != NULL; f = f->next) {
		line(b);
		add(b, f->zone);
		buf_str(b, ": ");
		add(b, f->about);
		buf_printf(b, " %s", dnsbl_status_word(f->answer.status));
		for (size_t i = 0; i < f->answer.count; i++)
			buf_printf(b, " %s",
			    dnsbl_code_text(f->answer.codes[i], text));
	}
}

static void
tell_allowlist(struct buf *b, const struct record *r)
{
	if (r->allowed == NULL)
		return;
	buf_str(b, "its ");
	add(b, r->allowed);
	buf_str(b, " is in AllowList");
}

static void
tell_rules(struct buf *b, const struct record *r)
{
	const struct rules_result *all = r->rules;

	if (r->scored)
		buf_printf(b, "the sum of all scores is %.1f", r->score);
	if (all == NULL)
		return;
	if (all->late) {
		line(b);
		buf_str(b, "there was no time left for some rules");
	}
	for (size_t i = 0; all->limited != NULL && all->limited[i] != NULL;
	     i++) {
		line(b);
		buf_str(b, "gave up: ");
		add(b, all->limited[i]);
	}
}

static void
tell_refuse(struct buf *b, const struct record *r)
{
	if (r->exempt_from != NULL) {
		add(b, r->exempt_from);
		buf_str(b, " would refuse it, but it is exempt");
	}
}

static void
tell_quota(struct buf *b, const struct record *r)
{
	for (size_t i = 0; i < r->quota_count; i++) {
		const struct quota_level *q = &r->quota[i];
		char window[LIMITS_TEXT];

		line(b);
		limits_window_words(q->window_s, window, sizeof(window));
		buf_printf(b, "%" PRIu64 " of %" PRIu64 " ", q->used, q->limit);
		add(b, q->kind);
		buf_printf(b, " in %s, %s", window,
		    strcmp(q->level, "account") == 0 ? "of the account"
		    : strcmp(q->level, "total") == 0 ? "of the whole server"
						     : "of its domain");
	}
}

static void
tell_sign(struct buf *b, const struct record *r)
{
	if (r->signed_with != NULL) {
		buf_str(b, "signed with ");
		add(b, r->signed_with);
	} else if (r->unsigned_why != NULL) {
		buf_str(b, "not signed: ");
		add(b, r->unsigned_why);
	}
}

static const struct {
	const char *stage;
	void (*tell)(struct buf *b, const struct record *r);
} tellers[] = {
    {"direction", tell_direction},
    {"account", tell_account},
    {"spf", tell_spf},
    {"dkim", tell_dkim},
    {"dmarc", tell_dmarc},
    {"rdns", tell_rdns},
    {"helo", tell_helo},
    {"dnsbl", tell_dnsbl},
    {"allowlist", tell_allowlist},
    {"rules", tell_rules},
    {"refuse", tell_refuse},
    {"quota", tell_quota},
    {"sign", tell_sign},
};

/* -- symbols -- */

static const struct rules_hit *
hit_of(const struct record *r, const char *name)
{
	const struct rules_hit *h = r->rules == NULL ? NULL : r->rules->hits;

	while (h != NULL && strcmp(h->name, name) != 0)
		h = h->next;
	return h;
}

static bool
is_of(const struct stage *stage, const char *symbol)
{
	for (size_t i = 0; stage->symbols != NULL && stage->symbols[i] != NULL;
	     i++) {
		if (strcmp(stage->symbols[i], symbol) == 0)
			return true;
	}
	return false;
}

/* The name of the stage that found it. */
static const char *
owner_of(const struct record *r, const struct symbol *s)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (is_of(stages[i], s->name))
			return stages[i]->name;
	}
	for (const struct dnsbl_finding *f = r->dnsbl; f != NULL; f = f->next) {
		if (f->symbol != NULL && strcmp(f->symbol, s->name) == 0)
			return "dnsbl";
	}
	return "rules";
}

/* Add what the stage found by its symbols, a line each; returns how many, and
 * the sum of their scores. */
static size_t
tell_symbols(
    struct buf *b, const struct record *r, const char *stage, double *score_r)
{
	size_t n = 0;

	*score_r = 0;
	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		const struct rules_hit *h = hit_of(r, s->name);

		if (strcmp(owner_of(r, s), stage) != 0)
			continue;
		n++;
		*score_r += s->score;
		line(b);
		add(b, s->name);
		buf_printf(b, " %.3g", s->score);
		if (h != NULL && h->describe != NULL) {
			buf_str(b, ", ");
			add(b, h->describe);
		}
		if (s->match == NULL)
			continue;
		buf_str(b, ": \"");
		add_text(b, s->match, s->match_len);
		buf_char(b, '"');
	}
	return n;
}

/* -- the page -- */

/* Of the stage that decided: what. */
static void
tell_verdict(struct buf *b, const struct record *r, const char *stage)
{
	if (r->verdict.by == NULL || strcmp(r->verdict.by, stage) != 0)
		return;
	line(b);
	buf_printf(b, "decides: %s", verdict_word(r->verdict.action));
}

/* A check that found something. */
static void
add_check(struct buf *b, const struct record *r, size_t stage,
    struct buf *found, size_t symbols, double score)
{
	struct buf head = BUF_INIT, span = BUF_INIT;

	add_span(&span, r->stage_ns[stage]);
	buf_printf(&head, "    %-10s", stages[stage]->name);
	if (symbols > 0)
		buf_printf(
		    &head, fabs(score) < 1e5 ? "%7.1f" : "%7.0e", score);
	else
		buf_printf(&head, "%7s", "");
	buf_printf(&head, "%10s", span.failed ? "?" : buf_text(&span));
	buf_printf(b, "\n%-*s", CHECK, head.failed ? "?" : buf_text(&head));
	if (head.len >= CHECK)
		buf_printf(b, "\n%*s", CHECK, "");
	wrap(b, CHECK, found->failed ? "?" : buf_text(found));
	buf_fini(&span);
	buf_fini(&head);
}

/* Those that found nothing, and their time. */
static void
add_silent(
    struct buf *b, const struct record *r, const struct buf *names, uint64_t ns)
{
	struct buf found = BUF_INIT, span = BUF_INIT;

	(void)r;
	if (names->len == 0)
		return;
	add_span(&span, ns);
	buf_printf(b, "\n    %-10s%7s%10s%*s", "others", "",
	    span.failed ? "?" : buf_text(&span), CHECK - 31, "");
	if (span.len > 10)
		buf_printf(b, "\n%*s", CHECK, "");
	buf_printf(
	    &found, "nothing found: %s", names->failed ? "?" : buf_text(names));
	wrap(b, CHECK, found.failed ? "?" : buf_text(&found));
	buf_fini(&span);
	buf_fini(&found);
}

static void
add_checks(struct buf *b, const struct record *r)
{
	struct buf silent = BUF_INIT;
	uint64_t ns = 0;

	buf_printf(b, "\n  %-*s%7s%10s  RESULT", 12, "CHECK", "SCORE", "TIME");
	for (size_t i = 0; stages[i] != NULL; i++) {
		struct buf found = BUF_INIT;
		double score;
		size_t n;

		for (size_t t = 0; t < sizeof(tellers) / sizeof(*tellers);
		     t++) {
			if (strcmp(tellers[t].stage, stages[i]->name) == 0)
				tellers[t].tell(&found, r);
		}
		n = tell_symbols(&found, r, stages[i]->name, &score);
		tell_verdict(&found, r, stages[i]->name);
		if (found.len > 0) {
			add_check(b, r, i, &found, n, score);
		} else if (r->stage_ns[i] > 0) {
			buf_printf(&silent, "%s%s", silent.len > 0 ? ", " : "",
			    stages[i]->name);
			ns += r->stage_ns[i];
		}
		buf_fini(&found);
	}
	add_silent(b, r, &silent, ns);
	buf_fini(&silent);
}

/* Does the sentence give that reason already? */
static bool
is_told(const struct record *r, const struct verdict *v)
{
	return v->why != NULL && r->verdict.why != NULL &&
	    strcmp(v->why, r->verdict.why) == 0;
}

static void
add_rcpts(struct buf *b, const struct record *r)
{
	const char *head = "to";
	size_t shown = 0;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		const struct verdict *v = record_refusal(to);
		struct buf text = BUF_INIT;

		add_address(&text, to->addr);
		shown += v == NULL;
		if (v != NULL) {
			buf_str(&text, " is ");
			if (is_told(r, v))
				verdict_outcome(v, &text);
			else
				reason_verdict(&text, r, v);
		}
		row(b, head, &text);
		head = "";
	}
	if ((r->shortened & RECORD_SHORT_RECIPIENTS) != 0 &&
	    shown < r->rcpt_count) {
		struct buf text = BUF_INIT;

		buf_printf(&text, "and %zu more", r->rcpt_count - shown);
		row(b, head, &text);
	}
}

static void
add_client(struct buf *b, const struct record *r)
{
	struct buf text = BUF_INIT;

	add(&text, r->client_ip);
	buf_str(&text, ", name ");
	add(&text, r->client_name);
	buf_str(&text, ", HELO ");
	add(&text, r->client_helo);
	row(b, "client", &text);
}

/* Who sent what to whom. */
static void
add_envelope(struct buf *b, const struct record *r)
{
	struct buf text = BUF_INIT;

	if (r->sender != NULL) {
		add_address(&text, r->sender);
		row(b, "from", &text);
	}
	add_rcpts(b, r);
	add_client(b, r);
	if (r->account != NULL) {
		add(&text, r->account);
		row(b, "account", &text);
	}
	if (r->subject != NULL) {
		add_text(&text, r->subject, r->subject_len);
		row(b, "subject", &text);
	}
	if (r->message_id_len > 0) {
		add_text(&text, r->message_id, r->message_id_len);
		row(b, "msgid", &text);
	}
	if (r->came) {
		buf_printf(&text, "%zu octets", r->size);
		row(b, "size", &text);
	}
}

static void
add_times(struct buf *b, const struct record *r)
{
	struct buf text = BUF_INIT;

	add_span(&text, record_busy_ns(r));
	buf_str(&text, " in checks");
	if (r->took_ns > 0) {
		buf_str(&text, ", ");
		add_span(&text, (uint64_t)r->took_ns);
		buf_str(&text, " from MAIL to the end");
	}
	row(b, "took", &text);
}

static void
add_edits(struct buf *b, const struct record *r)
{
	const char *head = "edits";

	for (const struct edit *e = r->edits; e != NULL; e = e->next) {
		struct buf text = BUF_INIT;

		buf_printf(&text, "%s ", edit_word(e->op));
		add(&text, e->name);
		if (e->op == EDIT_CHANGE || e->op == EDIT_DELETE)
			buf_printf(&text, " %u", e->index);
		if (e->value != NULL) {
			buf_str(&text, ": ");
			for (const char *p = e->value; *p != '\0'; p++)
				add_text(&text,
				    *p == '\n'	 ? ""
				    : *p == '\t' ? " "
						 : p,
				    *p != '\n');
		} else if (e->op != EDIT_DELETE) {
			buf_str(&text, " (its value was too long to be kept)");
		}
		row(b, head, &text);
		head = "";
	}
}

static void
add_cut(struct buf *b, const struct record *r)
{
	struct buf text = BUF_INIT;
	const char *word;

	for (unsigned i = 0; (word = record_short_word(i)) != NULL; i++) {
		if ((r->shortened & 1u << i) != 0)
			buf_printf(
			    &text, "%s%s", text.len > 0 ? ", " : "", word);
	}
	if (text.len > 0) {
		buf_str(&text, ": too long to be kept whole");
		row(b, "cut", &text);
	}
	buf_fini(&text);
}

void
decision_page(struct buf *b, const struct record *r, bool colours)
{
	struct buf text = BUF_INIT;

	add_time(b, r);
	buf_char(b, ' ');
	add(b, r->queue_id);
	buf_printf(b, " %s: ", direction_of(r));
	add_outcome(b, r, colours);
	reason_sentence(&text, r);
	row(b, "why", &text);
	if (summary_reply(&text, &r->verdict))
		row(b, "reply", &text);
	add_envelope(b, r);
	add_times(b, r);
	add_checks(b, r);
	add_edits(b, r);
	add_cut(b, r);
	buf_char(b, '\n');
	buf_fini(&text);
}

/* -- the line -- */

void
decision_line(struct buf *b, const struct record *r, bool colours)
{
	size_t pad = strlen(record_word(r));
	const struct rcpt *to = r->rcpts;
	size_t more = 0;

	add_time(b, r);
	buf_char(b, ' ');
	add_outcome(b, r, colours);
	buf_printf(b, "%*s ", pad < 10 ? (int)(10 - pad) : 0, "");
	buf_printf(b, "%-8s ", direction_of(r));
	add(b, r->queue_id);
	buf_char(b, ' ');
	add(b, r->client_ip);
	if (r->sender != NULL) {
		buf_char(b, ' ');
		add_address(b, r->sender);
	}
	if (to != NULL) {
		buf_str(b, " -> ");
		add_address(b, to->addr);
		for (to = to->next; to != NULL; to = to->next)
			more++;
	}
	if (more > 0)
		buf_printf(b, " and %zu more", more);
	if (r->account != NULL) {
		buf_str(b, ", account ");
		add(b, r->account);
	}
	buf_str(b, ": ");
	reason_sentence(b, r);
	buf_char(b, '\n');
}
