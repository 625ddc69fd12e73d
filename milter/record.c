/* SPDX-License-Identifier: BSD-2-Clause */
#include "record.h"

#include <stddef.h>
#include <string.h>

#include "chain.h"
#include "disposition.h"
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
	return "the stage sign was not called";
}

/* Copy the decision; nothing else in the record comes from the disposition. */
static void
decide(struct record *r, const struct message *m, const struct verdict *outcome)
{
	const struct verdict *refused = disposition_refused(m);

	/* A client whose recipients are all refused gives up; the refusal is
	 * the reason. */
	if (outcome == NULL && m->rcpt_count == 0)
		outcome = refused;
	r->aborted = outcome == NULL;
	r->verdict = outcome == NULL ? verdict_none : *outcome;
	r->symbol = r->verdict.symbol;
	if (r->symbol == NULL && refused != NULL)
		r->symbol = refused->symbol;
	r->left = !r->aborted && !verdict_refuses(&r->verdict);
	if (verdict_refuses(&m->disposition.deferred))
		r->exempt_from = m->disposition.deferred.by;
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
	    .came = m->came,
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
	const struct verdict *v = &s->disposition.decided;

	if (!verdict_refuses(v))
		return false;
	*r = (struct record){.at = at,
	    .stage_ns = s->stage_ns,
	    .verdict = *v,
	    .symbol = v->symbol,
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

struct copier {
	struct arena *arena;
	bool failed; /* some memory could not be had */
};

/* A copy in the arena; of NULL: NULL. */
static void *
same(struct copier *c, const void *from, size_t size)
{
	void *to = from == NULL ? NULL : arena_memdup(c->arena, from, size);

	c->failed |= from != NULL && to == NULL;
	return to;
}

static const char *
text(struct copier *c, const char *s)
{
	return s == NULL ? NULL : same(c, s, strlen(s));
}

/* Copy a linked list.  next_at: offset of the pointer to the next struct in
 * each. fix copies the strings of a struct. */
static void *
copy_list(struct copier *c, const void *first, size_t size, size_t next_at,
    void (*fix)(struct copier *c, void *one))
{
	void *head = NULL;
	char *last = NULL;

	for (const void *from = first; from != NULL;
	     memcpy(&from, (const char *)from + next_at, sizeof(from))) {
		char *to = same(c, from, size);

		if (to == NULL)
			break;
		memset(to + next_at, 0, sizeof(void *));
		fix(c, to);
		if (last == NULL)
			head = to;
		else
			memcpy(last + next_at, &to, sizeof(to));
		last = to;
	}
	return head;
}

static void
fix_verdict(struct copier *c, struct verdict *v)
{
	v->xcode = text(c, v->xcode);
	v->text = text(c, v->text);
	v->symbol = text(c, v->symbol);
	v->why = text(c, v->why);
	v->by = text(c, v->by);
}

static void
fix_rcpt(struct copier *c, void *one)
{
	struct rcpt *r = one;

	r->addr = text(c, r->addr);
	fix_verdict(c, &r->refusal);
}

static void
fix_symbol(struct copier *c, void *one)
{
	struct symbol *s = one;

	s->name = text(c, s->name);
	s->match = same(c, s->match, s->match_len);
}

static void
fix_edit(struct copier *c, void *one)
{
	struct edit *e = one;

	e->name = text(c, e->name);
	e->value = text(c, e->value);
}

static void
fix_finding(struct copier *c, void *one)
{
	struct dnsbl_finding *f = one;

	f->list = text(c, f->list);
	f->symbol = text(c, f->symbol);
	f->zone = text(c, f->zone);
	f->about = text(c, f->about);
	f->asked = text(c, f->asked);
}

static void
fix_hit(struct copier *c, void *one)
{
	struct rules_hit *h = one;

	h->name = text(c, h->name);
	h->describe = text(c, h->describe);
	h->matched.data = same(c, h->matched.data, h->matched.len);
}

static const struct spf_result *
copy_spf(struct copier *c, const struct spf_result *from)
{
	struct spf_result *r = same(c, from, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->domain = text(c, r->domain);
	r->mechanism = text(c, r->mechanism);
	r->inner = text(c, r->inner);
	r->explanation = text(c, r->explanation);
	r->reason = text(c, r->reason);
	return r;
}

static const struct dkim_verdicts *
copy_dkim(struct copier *c, const struct dkim_verdicts *from)
{
	struct dkim_verdicts *v = same(c, from, sizeof(*v));
	struct dkim_verdict *list;

	if (v == NULL || v->count == 0)
		return v;
	list = same(c, v->list, v->count * sizeof(*list));
	v->list = list;
	for (size_t i = 0; list != NULL && i < v->count; i++) {
		struct dkim_verdict *d = &list[i];

		d->reason = text(c, d->reason);
		d->domain = text(c, d->domain);
		d->selector = text(c, d->selector);
		d->identity = text(c, d->identity);
		d->algorithm = text(c, d->algorithm);
		d->b = text(c, d->b);
	}
	return v;
}

static const struct dmarc_result *
copy_dmarc(struct copier *c, const struct dmarc_result *from)
{
	struct dmarc_result *r = same(c, from, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->domain = text(c, r->domain);
	r->policy_domain = text(c, r->policy_domain);
	r->spf_domain = text(c, r->spf_domain);
	r->dkim_domain = text(c, r->dkim_domain);
	r->record = NULL;
	return r;
}

static const struct iprev_result *
copy_iprev(struct copier *c, const struct iprev_result *from)
{
	struct iprev_result *r = same(c, from, sizeof(*r));

	if (r != NULL)
		r->name = text(c, r->name);
	return r;
}

static const struct helo_fact *
copy_helo(struct copier *c, const struct helo_fact *from)
{
	struct helo_fact *f = same(c, from, sizeof(*f));
	struct helo_result *r;

	if (f == NULL)
		return NULL;
	r = same(c, f->result, sizeof(*r));
	f->result = r;
	if (r != NULL)
		r->name = text(c, r->name);
	return f;
}

static const struct rules_result *
copy_rules(struct copier *c, const struct rules_result *from)
{
	struct rules_result *r = same(c, from, sizeof(*r));
	const char **limited;
	size_t n = 0;

	if (r == NULL)
		return NULL;
	r->hits = copy_list(c, r->hits, sizeof(*r->hits),
	    offsetof(struct rules_hit, next), fix_hit);
	if (from->limited == NULL)
		return r;
	while (from->limited[n] != NULL)
		n++;
	limited = same(c, from->limited, (n + 1) * sizeof(*limited));
	for (size_t i = 0; limited != NULL && i < n; i++)
		limited[i] = text(c, from->limited[i]);
	r->limited = limited;
	return r;
}

static const struct quota_level *
copy_quota(struct copier *c, const struct record *r)
{
	struct quota_level *list =
	    same(c, r->quota, r->quota_count * sizeof(*list));

	for (size_t i = 0; list != NULL && i < r->quota_count; i++) {
		list[i].level = text(c, list[i].level);
		list[i].kind = text(c, list[i].kind);
	}
	return list;
}

static void
copy_facts(struct copier *c, struct record *r)
{
	r->spf = copy_spf(c, r->spf);
	r->spf_helo = copy_spf(c, r->spf_helo);
	r->dkim = copy_dkim(c, r->dkim);
	r->dmarc = copy_dmarc(c, r->dmarc);
	r->iprev = copy_iprev(c, r->iprev);
	r->helo = copy_helo(c, r->helo);
	r->dnsbl = copy_list(c, r->dnsbl, sizeof(*r->dnsbl),
	    offsetof(struct dnsbl_finding, next), fix_finding);
	r->rules = copy_rules(c, r->rules);
	r->symbols = copy_list(c, r->symbols, sizeof(*r->symbols),
	    offsetof(struct symbol, next), fix_symbol);
	r->quota = copy_quota(c, r);
	r->edits = copy_list(c, r->edits, sizeof(*r->edits),
	    offsetof(struct edit, next), fix_edit);
}

struct record *
record_copy(const struct record *from, struct arena *a)
{
	struct copier c = {.arena = a};
	struct record *r;

	r = same(&c, from, sizeof(*r));
	if (r != NULL) {
		r->stage_ns =
		    same(&c, from->stage_ns, STAGES_MAX * sizeof(*r->stage_ns));
		r->at = text(&c, r->at);
		r->queue_id = text(&c, r->queue_id);
		r->client_ip = text(&c, r->client_ip);
		r->client_name = text(&c, r->client_name);
		r->client_helo = text(&c, r->client_helo);
		r->sender = text(&c, r->sender);
		r->rcpts = copy_list(&c, r->rcpts, sizeof(*r->rcpts),
		    offsetof(struct rcpt, next), fix_rcpt);
		r->account = text(&c, r->account);
		r->subject = same(&c, r->subject, r->subject_len);
		r->message_id =
		    same(&c, r->message_id, r->message_id_len);
		r->direction_why = text(&c, r->direction_why);
		r->allowed = text(&c, r->allowed);
		copy_facts(&c, r);
		fix_verdict(&c, &r->verdict);
		r->symbol = text(&c, r->symbol);
		r->exempt_from = text(&c, r->exempt_from);
		r->unsigned_why = text(&c, r->unsigned_why);
		r->notes = text(&c, r->notes);
		r->cut = text(&c, r->cut);
	}
	return c.failed ? NULL : r;
}
