/* SPDX-License-Identifier: BSD-2-Clause */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include "chain.h"
#include "lib/base/arena.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/dnsbl.h"
#include "lib/dns/helo.h"
#include "lib/dns/iprev.h"
#include "lib/rules/rules.h"
#include "lib/spf/spf.h"
#include "snapshot.h"

/* -- making one -- */

/* A field's value without blanks at its ends. */
static const char *
field(const struct message *m, const char *name, size_t *len_r)
{
	static const char blanks[] = " \t\r\n";
	const struct hdr *h = hdr_find(&m->headers, name);
	const char *value = h == NULL ? NULL : h->value;
	size_t len = h == NULL ? 0 : h->value_len;

	for (; len > 0 && strchr(blanks, *value) != NULL; value++)
		len--;
	while (len > 0 && strchr(blanks, value[len - 1]) != NULL)
		len--;
	*len_r = len;
	return value;
}

/* Why outbound mail left without a signature. */
static const char *
unsigned_why(const struct message *m)
{
	const struct snapshot *snap = m->session->snap;

	if (m->direction != DIRECTION_OUTBOUND || m->is_signed)
		return NULL;
	if (m->unsigned_why != NULL)
		return m->unsigned_why;
	if (!snap->signs)
		return "Mode";
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (strcmp(stages[i]->name, "sign") == 0 && !snap->on[i])
			return "no key is configured";
	}
	return "not asked";
}

/* What the client was told; nobody else looks at where the chain keeps it. */
static void
decide(struct record *r, const struct message *m, const struct verdict *outcome)
{
	const struct verdict *last = &m->refusal;

	r->aborted = outcome == NULL;
	/* A client that hears of nobody who takes it gives up: that is why. */
	if (outcome == NULL && m->rcpt_count == 0 &&
	    last->action != VERDICT_NONE) {
		outcome = last;
		r->aborted = false;
	}
	r->verdict = outcome == NULL ? verdict_none : *outcome;
	r->symbol = r->verdict.symbol != NULL ? r->verdict.symbol
					      : last->symbol;
	r->left = !r->aborted && !verdict_refuses(&r->verdict);
	if (verdict_refuses(&m->kept.v))
		r->exempt_from = m->kept.v.by;
}

const struct verdict *
record_refusal(const struct rcpt *rcpt)
{
	return rcpt->refused ? &rcpt->refusal : NULL;
}

static void
take_session(struct record *r, const struct session *s)
{
	r->client_ip = s->client_ip[0] == '\0' ? NULL : s->client_ip;
	r->client_name = s->client_name;
	r->client_helo = s->helo;
	if (s->at == 0)
		clock_gettime(CLOCK_REALTIME, &r->time);
	else
		r->time = (struct timespec){.tv_sec = s->at};
}

static const char *
text_of(const struct buf *b)
{
	return b->failed ? "" : buf_text(b);
}

void
record_message(
    struct record *r, const struct message *m, const struct verdict *outcome)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	*r = (struct record){
	    .took_ns = (now.tv_sec - m->begun.tv_sec) * INT64_C(1000000000) +
		(now.tv_nsec - m->begun.tv_nsec),
	    .stage_ns = m->stage_ns,
	    .queue_id = m->queue_id,
	    .sender = m->sender,
	    .rcpts = m->rcpts,
	    .rcpt_count = m->rcpt_count,
	    .account = m->account,
	    .size = message_size(m),
	    .direction = m->direction,
	    .direction_why = m->why,
	    .spf = m->spf,
	    .spf_helo = m->spf_helo,
	    .dkim = m->dkim,
	    .dmarc = m->dmarc,
	    .iprev = m->iprev,
	    .helo = m->helo,
	    .dnsbl = m->dnsbl,
	    .rules = m->rules,
	    .symbols = m->symbols,
	    .score = message_score(m),
	    .scored = m->scored,
	    .allowed = m->allowed,
	    .quota = m->quota,
	    .quota_count = m->quota_count,
	    .edits = m->edits.first,
	    .notes = text_of(&m->notes),
	    .cut = m->cut.len > 0 && !m->cut.failed ? m->cut.data : NULL};
	take_session(r, m->session);
	r->subject = field(m, "Subject", &r->subject_len);
	r->message_id = field(m, "Message-ID", &r->message_id_len);
	decide(r, m, outcome);
	if (r->left)
		r->unsigned_why = unsigned_why(m);
}

bool
record_client(struct record *r, const struct session *s, const char *at)
{
	if (!verdict_refuses(&s->verdict))
		return false;
	*r = (struct record){.at = at,
	    .stage_ns = s->stage_ns,
	    .verdict = s->verdict,
	    .symbol = s->verdict.symbol,
	    .notes = text_of(&s->notes)};
	take_session(r, s);
	return true;
}

const char *
record_word(const struct record *r)
{
	return r->aborted ? "none" : verdict_word(r->verdict.action);
}

uint64_t
record_busy_ns(const struct record *r)
{
	uint64_t sum = 0;

	for (size_t i = 0; stages[i] != NULL; i++)
		sum += r->stage_ns[i];
	return sum;
}

/* -- copying one -- */

static const char *
text(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strdup(a, s);
}

/* Of one struct; NULL for NULL. */
static void *
same(struct arena *a, const void *from, size_t size)
{
	void *to = from == NULL ? NULL : arena_alloc(a, size);

	if (to != NULL)
		memcpy(to, from, size);
	return to;
}

/* Of a list whose structs have the pointer to the next one at next_at; fix gives
 * each its own strings. */
static void *
copy_list(struct arena *a, const void *first, size_t size, size_t next_at,
    void (*fix)(struct arena *a, void *one))
{
	void *head = NULL;
	char *last = NULL;

	for (const void *from = first; from != NULL;
	     memcpy(&from, (const char *)from + next_at, sizeof(from))) {
		char *to = same(a, from, size);

		if (to == NULL)
			break;
		memset(to + next_at, 0, sizeof(void *));
		fix(a, to);
		if (last == NULL)
			head = to;
		else
			memcpy(last + next_at, &to, sizeof(to));
		last = to;
	}
	return head;
}

static void
fix_verdict(struct arena *a, struct verdict *v)
{
	v->xcode = text(a, v->xcode);
	v->text = text(a, v->text);
	v->symbol = text(a, v->symbol);
	v->why = text(a, v->why);
	v->by = text(a, v->by);
}

static void
fix_rcpt(struct arena *a, void *one)
{
	struct rcpt *r = one;

	r->addr = text(a, r->addr);
	fix_verdict(a, &r->refusal);
}

static void
fix_symbol(struct arena *a, void *one)
{
	struct symbol *s = one;

	s->name = text(a, s->name);
	s->match = s->match == NULL ? NULL
				    : arena_memdup(a, s->match, s->match_len);
}

static void
fix_edit(struct arena *a, void *one)
{
	struct edit *e = one;

	e->name = text(a, e->name);
	e->value = text(a, e->value);
}

static void
fix_finding(struct arena *a, void *one)
{
	struct dnsbl_finding *f = one;

	f->list = text(a, f->list);
	f->symbol = text(a, f->symbol);
	f->zone = text(a, f->zone);
	f->about = text(a, f->about);
	f->asked = text(a, f->asked);
}

static void
fix_hit(struct arena *a, void *one)
{
	struct rules_hit *h = one;

	h->name = text(a, h->name);
	h->describe = text(a, h->describe);
	if (h->matched.data != NULL)
		h->matched.data =
		    arena_memdup(a, h->matched.data, h->matched.len);
}

static const struct spf_result *
copy_spf(struct arena *a, const struct spf_result *from)
{
	struct spf_result *r = same(a, from, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->domain = text(a, r->domain);
	r->mechanism = text(a, r->mechanism);
	r->inner = text(a, r->inner);
	r->explanation = text(a, r->explanation);
	r->reason = text(a, r->reason);
	return r;
}

static const struct dkim_verdicts *
copy_dkim(struct arena *a, const struct dkim_verdicts *from)
{
	struct dkim_verdicts *v = same(a, from, sizeof(*v));
	struct dkim_verdict *list;

	if (v == NULL || v->count == 0)
		return v;
	list = same(a, v->list, v->count * sizeof(*list));
	v->list = list;
	for (size_t i = 0; list != NULL && i < v->count; i++) {
		struct dkim_verdict *d = &list[i];

		d->reason = text(a, d->reason);
		d->domain = text(a, d->domain);
		d->selector = text(a, d->selector);
		d->identity = text(a, d->identity);
		d->algorithm = text(a, d->algorithm);
		d->b = text(a, d->b);
	}
	return v;
}

static const struct dmarc_result *
copy_dmarc(struct arena *a, const struct dmarc_result *from)
{
	struct dmarc_result *r = same(a, from, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->domain = text(a, r->domain);
	r->policy_domain = text(a, r->policy_domain);
	r->spf_domain = text(a, r->spf_domain);
	r->dkim_domain = text(a, r->dkim_domain);
	r->record = NULL;
	return r;
}

static const struct iprev_result *
copy_iprev(struct arena *a, const struct iprev_result *from)
{
	struct iprev_result *r = same(a, from, sizeof(*r));

	if (r != NULL)
		r->name = text(a, r->name);
	return r;
}

static const struct helo_fact *
copy_helo(struct arena *a, const struct helo_fact *from)
{
	struct helo_fact *f = same(a, from, sizeof(*f));
	struct helo_result *r;

	if (f == NULL)
		return NULL;
	r = same(a, f->result, sizeof(*r));
	f->result = r;
	if (r != NULL)
		r->name = text(a, r->name);
	return f;
}

static const struct rules_result *
copy_rules(struct arena *a, const struct rules_result *from)
{
	struct rules_result *r = same(a, from, sizeof(*r));
	const char **limited;
	size_t n = 0;

	if (r == NULL)
		return NULL;
	r->hits = copy_list(a, r->hits, sizeof(*r->hits),
	    offsetof(struct rules_hit, next), fix_hit);
	if (from->limited == NULL)
		return r;
	while (from->limited[n] != NULL)
		n++;
	limited = arena_alloc(a, (n + 1) * sizeof(*limited));
	for (size_t i = 0; limited != NULL && i < n; i++)
		limited[i] = text(a, from->limited[i]);
	r->limited = limited;
	return r;
}

static const struct quota_level *
copy_quota(struct arena *a, const struct record *r)
{
	struct quota_level *list =
	    same(a, r->quota, r->quota_count * sizeof(*list));

	for (size_t i = 0; list != NULL && i < r->quota_count; i++) {
		list[i].level = text(a, list[i].level);
		list[i].kind = text(a, list[i].kind);
	}
	return list;
}

static void
copy_facts(struct record *r, struct arena *a)
{
	r->spf = copy_spf(a, r->spf);
	r->spf_helo = copy_spf(a, r->spf_helo);
	r->dkim = copy_dkim(a, r->dkim);
	r->dmarc = copy_dmarc(a, r->dmarc);
	r->iprev = copy_iprev(a, r->iprev);
	r->helo = copy_helo(a, r->helo);
	r->dnsbl = copy_list(a, r->dnsbl, sizeof(*r->dnsbl),
	    offsetof(struct dnsbl_finding, next), fix_finding);
	r->rules = copy_rules(a, r->rules);
	r->symbols = copy_list(a, r->symbols, sizeof(*r->symbols),
	    offsetof(struct symbol, next), fix_symbol);
	r->quota = copy_quota(a, r);
	r->edits = copy_list(a, r->edits, sizeof(*r->edits),
	    offsetof(struct edit, next), fix_edit);
}

static const char *
field_text(struct arena *a, const char *value, size_t len)
{
	return value == NULL ? NULL : arena_memdup(a, value, len);
}

struct record *
record_copy(const struct record *from, struct arena *a)
{
	bool failed = a->failed;
	struct record *r;

	a->failed = false;
	r = same(a, from, sizeof(*r));
	if (r != NULL) {
		r->stage_ns =
		    same(a, from->stage_ns, STAGES_MAX * sizeof(*r->stage_ns));
		r->at = text(a, r->at);
		r->queue_id = text(a, r->queue_id);
		r->client_ip = text(a, r->client_ip);
		r->client_name = text(a, r->client_name);
		r->client_helo = text(a, r->client_helo);
		r->sender = text(a, r->sender);
		r->rcpts = copy_list(a, r->rcpts, sizeof(*r->rcpts),
		    offsetof(struct rcpt, next), fix_rcpt);
		r->account = text(a, r->account);
		r->subject = field_text(a, r->subject, r->subject_len);
		r->message_id =
		    field_text(a, r->message_id, r->message_id_len);
		r->direction_why = text(a, r->direction_why);
		r->allowed = text(a, r->allowed);
		copy_facts(r, a);
		fix_verdict(a, &r->verdict);
		r->symbol = text(a, r->symbol);
		r->exempt_from = text(a, r->exempt_from);
		r->unsigned_why = text(a, r->unsigned_why);
		r->notes = text(a, r->notes);
		r->cut = text(a, r->cut);
	}
	if (a->failed)
		r = NULL;
	a->failed = a->failed || failed;
	return r;
}
