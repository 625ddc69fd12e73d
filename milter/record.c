/* SPDX-License-Identifier: BSD-2-Clause */
#include "record.h"

#include <string.h>

#include "chain.h"
#include "disposition.h"
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

	if (m->direction != DIRECTION_OUTBOUND || m->signed_with != NULL)
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
	if (r->left && verdict_refuses(&m->disposition.deferred))
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
	if (r->left) {
		r->signed_with = m->signed_with;
		r->unsigned_why = unsigned_why(m);
	}
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
