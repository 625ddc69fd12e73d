/* SPDX-License-Identifier: BSD-2-Clause */
#include "chain.h"

#include <stdlib.h>
#include <string.h>

#include "counters.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/idna.h"
#include "lib/mail/addr.h"
#include "log.h"
#include "record.h"
#include "refuse.h"
#include "snapshot.h"
#include "summary.h"

/* One call of a hook, the same for all stages. */
struct call {
	enum hook hook;
	struct rcpt *r;
	const unsigned char *data;
	size_t len;
};

static struct ctx
ctx_of(struct session *s, struct message *m, size_t i)
{
	return (struct ctx){.s = s,
	    .m = m,
	    .stage = stages[i]->name,
	    .index = i,
	    .state = s->snap->state[i]};
}

/* Call the stage's hook; NONE: it has no such hook. */
static struct verdict
call_hook(const struct ctx *ctx, const struct call *c)
{
	const struct stage *st = stages[ctx->index];

	switch (c->hook) {
	case HOOK_CONNECT:
		return st->connect ? st->connect(ctx) : verdict_none;
	case HOOK_HELO:
		return st->helo ? st->helo(ctx) : verdict_none;
	case HOOK_MAIL:
		return st->mail ? st->mail(ctx) : verdict_none;
	case HOOK_RCPT:
		return st->rcpt ? st->rcpt(ctx, c->r) : verdict_none;
	case HOOK_EOH:
		return st->eoh ? st->eoh(ctx) : verdict_none;
	case HOOK_BODY:
		return st->body ? st->body(ctx, c->data, c->len)
				: verdict_none;
	case HOOK_EOM:
		return st->eom ? st->eom(ctx) : verdict_none;
	}
	return verdict_none;
}

static enum phase
phase_of(enum hook hook)
{
	switch (hook) {
	case HOOK_CONNECT:
	case HOOK_HELO:
		return PHASE_CONNECT;
	case HOOK_MAIL:
		return PHASE_MAIL;
	case HOOK_EOM:
		return PHASE_END;
	default:
		return PHASE_RCPT;
	}
}

/* Is the stage's judge hook to be called at this hook? */
static bool
is_due(const struct ctx *ctx, enum hook hook)
{
	if (stages[ctx->index]->judge == NULL || ctx->m == NULL ||
	    ctx->m->direction != DIRECTION_INBOUND ||
	    (ctx->m->judged & UINT32_C(1) << ctx->index) != 0 ||
	    (hook != HOOK_MAIL && hook != HOOK_RCPT && hook != HOOK_EOM))
		return false;
	return ctx->s->snap->refuse_at[ctx->index] <= phase_of(hook);
}

static struct verdict
judge(const struct ctx *ctx, enum hook hook)
{
	if (!is_due(ctx, hook))
		return verdict_none;
	ctx->m->judged |= UINT32_C(1) << ctx->index;
	return stages[ctx->index]->judge(ctx);
}

/* Call a check: its hook, then its judge hook, then look for symbols that are
 * refused.  *may_defer_r: the verdict may be deferred. */
static struct verdict
call_check(const struct ctx *ctx, const struct call *c, bool *may_defer_r)
{
	struct message *m = ctx->m;
	struct symbol *last = m == NULL ? NULL : m->last_symbol;
	struct verdict v = call_hook(ctx, c), named;

	/* A refusal by its rcpt hook is for that recipient alone. */
	*may_defer_r = c->hook != HOOK_RCPT || v.action == VERDICT_NONE;
	if (v.action == VERDICT_NONE)
		v = judge(ctx, c->hook);
	if (m == NULL || verdict_decides(&v) || m->last_symbol == last)
		return v;
	named = refuse_symbols(ctx->s->snap->refuse, m, stages[ctx->index],
	    last == NULL ? m->symbols : last->next);
	return named.action == VERDICT_NONE ? v : named;
}

/* -- how long stages take -- */

/* Has the stage anything to do at this hook?  Only such stages are timed,
 * because reading the clock costs more than this test. */
static bool
acts(const struct ctx *ctx, enum hook hook)
{
	const struct stage *st = stages[ctx->index];

	switch (hook) {
	case HOOK_CONNECT:
		return st->connect != NULL;
	case HOOK_HELO:
		return st->helo != NULL;
	case HOOK_MAIL:
		return st->mail != NULL || is_due(ctx, hook);
	case HOOK_RCPT:
		return st->rcpt != NULL || is_due(ctx, hook);
	case HOOK_EOH:
		return st->eoh != NULL;
	case HOOK_BODY:
		return st->body != NULL;
	case HOOK_EOM:
		return st->eom != NULL || is_due(ctx, hook);
	}
	return false;
}

/* Count the time since *since as the stage's, and restart it. */
static void
charge(const struct ctx *ctx, int64_t *since)
{
	int64_t now = clock_ns();
	uint64_t *all = ctx->m != NULL ? ctx->m->stage_ns : ctx->s->stage_ns;

	all[ctx->index] += (uint64_t)(now - *since);
	*since = now;
}

/* -- the walk -- */

/* DNSTimeout is for the waiting in all steps of one message together; before
 * MAIL, for that in one step. */
static void
begin_waiting(struct session *s, const struct message *m, enum hook hook)
{
	if (m == NULL || hook == HOOK_MAIL)
		wait_begin(&s->wait, s->snap->dns_timeout_ms);
	else
		wait_step(&s->wait);
}

/* Call the stages in order, until one decides. */
static struct verdict
walk(struct session *s, struct message *m, const struct call *c)
{
	int64_t since = 0; /* 0: no stage was timed yet */

	begin_waiting(s, m, c->hook);
	for (size_t i = 0; stages[i] != NULL; i++) {
		const struct ctx ctx = ctx_of(s, m, i);
		const struct symbol *last = m == NULL ? NULL : m->last_symbol;
		bool timed, may_defer = false;
		struct verdict v;

		if (!s->snap->on[i])
			continue;
		timed = acts(&ctx, c->hook);
		if (timed && since == 0)
			since = clock_ns();
		v = stages[i]->check ? call_check(&ctx, c, &may_defer)
				     : call_hook(&ctx, c);
		if (timed)
			charge(&ctx, &since);
		if (s->explains)
			summary_step(&ctx, c->hook, c->r, last, &v);
		if (v.action != VERDICT_NONE)
			v = disposition_take(&ctx, v, may_defer);
		if (v.action != VERDICT_NONE)
			return v;
	}
	return verdict_none;
}

/* Copy s into the arena; the copy of NULL is NULL.  0 or ERR_NOMEM. */
static int
keep(struct arena *a, const char *s, const char **copy_r)
{
	*copy_r = s == NULL ? NULL : arena_strdup(a, s);
	return s != NULL && *copy_r == NULL ? ERR_NOMEM : 0;
}

/* Set the names of this host.  mta: the name that the MTA gives; NULL: none.
 * The name in header fields is always in ASCII, because not every message may
 * have UTF-8 in its header.  0 or ERR_NOMEM. */
static int
name_host(struct session *s, const char *mta)
{
	const char *host = s->snap->host, *name;
	int rc = 0;

	if (mta != NULL && mta[0] != '\0')
		rc = keep(&s->arena, mta, &host);
	if (rc != 0)
		return rc;
	name = s->snap->reporter == NULL ? host : s->snap->reporter;
	rc = idna_alabels(&s->arena, name, &s->reporter);
	if (s->reporter == NULL)
		s->reporter = name;
	s->host = host;
	return rc == ERR_NOMEM ? rc : 0;
}

struct session *
chain_open(struct snapshot *snap, macro_fn macro, void *macro_ctx)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->snap = snapshot_ref(snap);
	s->macro = macro;
	s->macro_ctx = macro_ctx;
	s->explains = log_writes(LOG_DEBUG);
	arena_init(&s->arena);
	s->wait = (struct wait)WAIT_INIT;
	if (name_host(s, NULL) != 0) {
		arena_fini(&s->arena);
		snapshot_unref(snap);
		free(s);
		return NULL;
	}
	return s;
}

/* Give the record to the counters, the stages that keep it, the log and
 * s->recorded. */
static void
give_record(struct session *s, const struct record *r)
{
	if (!s->readonly)
		counters_count(r);
	for (size_t i = 0; stages[i] != NULL && !s->readonly; i++) {
		const struct ctx ctx = ctx_of(s, s->msg, i);

		if (s->snap->on[i] && stages[i]->record != NULL)
			stages[i]->record(&ctx, r);
	}
	summary_log(s, r);
	if (s->recorded != NULL)
		s->recorded(s->recorded_ctx, r);
}

/* A step before any message ends: log it, and record a refusal. */
static void
end_step(struct session *s, const char *at)
{
	struct record r;

	summary_whys(s);
	if (record_client(&r, s, at))
		give_record(s, &r);
}

static struct verdict
out_of_memory(struct session *s)
{
	const struct ctx ctx = session_ctx(s);

	return disposition_no_memory(&ctx);
}

/* Walk for the client; rc: ERR_NOMEM where its data could not be copied. */
static void
walk_client(struct session *s, const struct call *c, int rc)
{
	struct disposition *d = &s->disposition;

	if (rc != 0)
		disposition_decide(d, out_of_memory(s));
	if (!verdict_decides(&d->decided))
		disposition_decide(d, walk(s, NULL, c));
}

/* Walk for the message. */
static struct verdict
walk_message(struct message *m, const struct call *c)
{
	struct disposition *d = &m->disposition;

	if (!verdict_decides(&d->decided))
		disposition_decide(d, walk(m->session, m, c));
	return disposition_now(d);
}

struct verdict
chain_connect(
    struct session *s, const char *name, const struct host *client)
{
	const struct call c = {.hook = HOOK_CONNECT};
	int rc = keep(&s->arena, name, &s->client_name);

	if (rc == 0)
		rc = name_host(s, session_macro(s, "j"));
	if (client != NULL)
		s->client = *client;
	host_text(&s->client, s->client_ip);
	walk_client(s, &c, rc);
	end_step(s, "connect");
	return disposition_now(&s->disposition);
}

struct verdict
chain_helo(struct session *s, const char *helo)
{
	const struct call c = {.hook = HOOK_HELO};
	int rc = keep(&s->arena, helo, &s->helo);

	if (verdict_decides(&s->disposition.decided))
		return s->disposition.decided;
	walk_client(s, &c, rc);
	end_step(s, "helo");
	return disposition_now(&s->disposition);
}

static const char *const *
keep_params(struct arena *a, const char *const *params)
{
	size_t n = 0;
	const char **copy;

	while (params != NULL && params[n] != NULL)
		n++;
	copy = arena_alloc(a, (n + 1) * sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < n; i++) {
		copy[i] = arena_strdup(a, params[i]);
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

/* Take the queue id, if the MTA has one by now.  0 or ERR_NOMEM. */
static int
learn_queue_id(struct message *m)
{
	const char *id = session_macro(m->session, "i");

	return m->queue_id != NULL ? 0 : keep(&m->arena, id, &m->queue_id);
}

static void
learn_queue_id_late(struct message *m)
{
	struct disposition *d = &m->disposition;

	if (learn_queue_id(m) != 0 && !verdict_decides(&d->decided))
		disposition_decide(d, out_of_memory(m->session));
}

static struct message *
message_new(struct session *s, const char *sender, const char *const *params)
{
	struct message *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return NULL;
	m->session = s;
	arena_init(&m->arena);
	clock_gettime(CLOCK_MONOTONIC, &m->begun);
	m->sender = addr_bare(&m->arena, sender);
	m->params = keep_params(&m->arena, params);
	if (learn_queue_id(m) != 0 || m->sender == NULL || m->params == NULL) {
		arena_fini(&m->arena);
		free(m);
		return NULL;
	}
	return m;
}

struct verdict
chain_mail(
    struct session *s, const char *sender, const char *const *params)
{
	const struct call c = {.hook = HOOK_MAIL};

	chain_end(s, NULL);
	s->msg = message_new(s, sender, params);
	if (s->msg == NULL)
		return out_of_memory(s);
	/* The time spent at connect and HELO counts for the first message. */
	memcpy(s->msg->stage_ns, s->stage_ns, sizeof(s->stage_ns));
	memset(s->stage_ns, 0, sizeof(s->stage_ns));
	disposition_decide(&s->msg->disposition, s->disposition.decided);
	return walk_message(s->msg, &c);
}

struct verdict
chain_rcpt(struct session *s, const char *addr)
{
	struct message *m = s->msg;
	struct call c = {.hook = HOOK_RCPT};
	bool waits = chain_answers(s->snap) & HOOK_BIT(HOOK_RCPT);
	struct rcpt *r;
	struct verdict v;

	if (m == NULL)
		return verdict_none;
	r = arena_alloc(&m->arena, sizeof(*r));
	if (r == NULL || (r->addr = addr_bare(&m->arena, addr)) == NULL) {
		v = out_of_memory(s);
		if (!waits)
			disposition_decide(&m->disposition, v);
		return v;
	}
	disposition_begin_rcpt(m, r);
	c.r = r;
	v = verdict_decides(&m->disposition.decided) ? m->disposition.decided
						     : walk(s, m, &c);
	disposition_end_rcpt(m, r, &v, waits);
	if (m->last_rcpt == NULL)
		m->rcpts = r;
	else
		m->last_rcpt->next = r;
	m->last_rcpt = r;
	m->rcpt_count += !r->refused;
	return v;
}

void
chain_header(struct session *s, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct message *m = s->msg;
	long max = s->snap->header_bytes_max;

	if (m != NULL)
		m->came = true;
	if (m == NULL || m->too_big ||
	    verdict_decides(&m->disposition.decided))
		return;
	if (value == NULL || hdr_add(&m->headers, &m->arena, name, name_len,
		value, value_len) != 0) {
		disposition_decide(&m->disposition, out_of_memory(s));
		return;
	}
	m->too_big = m->headers.count > HEADER_COUNT_MAX ||
	    (max > 0 && m->headers.bytes > (size_t)max);
}

struct verdict
chain_eoh(struct session *s)
{
	struct message *m = s->msg;
	const struct call c = {.hook = HOOK_EOH};
	struct verdict v;

	if (m == NULL)
		return verdict_none;
	m->came = true;
	learn_queue_id_late(m);
	if (m->too_big && !verdict_decides(&m->disposition.decided)) {
		v = verdict_make(
		    VERDICT_REJECT, "Too many or too long header fields");
		v.by = "postern";
		disposition_decide(&m->disposition, v);
	}
	return walk_message(m, &c);
}

struct verdict
chain_body(struct session *s, const unsigned char *data, size_t len)
{
	struct message *m = s->msg;
	const struct call c = {.hook = HOOK_BODY, .data = data, .len = len};

	if (m == NULL)
		return verdict_none;
	m->body_bytes += len;
	return walk_message(m, &c);
}

struct verdict
chain_eom(struct session *s)
{
	struct message *m = s->msg;
	const struct call c = {.hook = HOOK_EOM};

	if (m == NULL)
		return verdict_none;
	learn_queue_id_late(m);
	(void)walk_message(m, &c);
	edit_sort(&m->edits);
	return m->disposition.decided;
}

void
chain_end(struct session *s, const struct verdict *outcome)
{
	struct message *m = s->msg;
	struct record r;

	if (m == NULL)
		return;
	for (size_t i = 0; stages[i] != NULL; i++) {
		const struct ctx ctx = ctx_of(s, m, i);

		if (s->snap->on[i] && stages[i]->done != NULL)
			stages[i]->done(&ctx, outcome);
	}
	summary_whys(s);
	record_message(&r, m, outcome);
	give_record(s, &r);
	s->msg = NULL;
	buf_fini(&m->notes);
	buf_fini(&m->cut);
	arena_fini(&m->arena);
	free(m);
}

void
chain_close(struct session *s)
{
	if (s == NULL)
		return;
	chain_end(s, NULL);
	for (size_t i = 0; stages[i] != NULL; i++) {
		const struct ctx ctx = ctx_of(s, NULL, i);

		if (s->snap->on[i] && stages[i]->close != NULL)
			stages[i]->close(&ctx);
	}
	buf_fini(&s->notes);
	wait_fini(&s->wait);
	arena_fini(&s->arena);
	snapshot_unref(s->snap);
	free(s);
}

void
chain_adopt(const struct snapshot *snap)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->on[i] && stages[i]->adopt != NULL)
			stages[i]->adopt(snap, snap->state[i]);
	}
}

void
chain_reset(const struct snapshot *snap)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->on[i] && stages[i]->reset_counts != NULL)
			stages[i]->reset_counts(snap->state[i]);
	}
}

int64_t
chain_tick(const struct snapshot *snap)
{
	int64_t soonest = -1;

	for (size_t i = 0; stages[i] != NULL; i++) {
		int64_t ms;

		if (!snap->on[i] || stages[i]->tick == NULL)
			continue;
		ms = stages[i]->tick(snap, snap->state[i]);
		if (soonest < 0 || ms < soonest)
			soonest = ms;
	}
	return soonest;
}

void
chain_gauges(const struct snapshot *snap, struct metrics *m)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->on[i] && stages[i]->gauges != NULL)
			stages[i]->gauges(snap->state[i], m);
	}
}

void
chain_problems(const struct snapshot *snap, struct problems *p)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->on[i] && stages[i]->problems != NULL)
			stages[i]->problems(snap->state[i], p);
	}
}

unsigned
chain_answers(const struct snapshot *snap)
{
	unsigned bits = 0;

	for (size_t i = 0; stages[i] != NULL; i++) {
		if (!snap->on[i])
			continue;
		bits |= stages[i]->answers;
		if (stages[i]->judge == NULL)
			continue;
		if (snap->refuse_at[i] == PHASE_CONNECT)
			bits |= HOOK_BIT(HOOK_HELO) | HOOK_BIT(HOOK_MAIL);
		if (snap->refuse_at[i] == PHASE_MAIL)
			bits |= HOOK_BIT(HOOK_MAIL);
		if (snap->refuse_at[i] == PHASE_RCPT)
			bits |= HOOK_BIT(HOOK_RCPT);
	}
	return bits;
}

unsigned
chain_edits(const struct snapshot *snap)
{
	unsigned bits = 0;

	for (size_t i = 0; stages[i] != NULL; i++)
		bits |= snap->on[i] ? stages[i]->edits : 0;
	return bits;
}

unsigned
chain_needs(const struct snapshot *snap)
{
	unsigned bits = 0;

	for (size_t i = 0; stages[i] != NULL; i++)
		bits |= snap->on[i] ? stages[i]->needs : 0;
	/* On-... can turn the error of any check into a quarantine. */
	for (size_t i = 0; i < VERDICT_E_COUNT; i++) {
		if (snap->on_error[i] == VERDICT_QUARANTINE)
			bits |= NEED_QUARANTINE;
	}
	return bits;
}

bool
chain_defines(const struct snapshot *snap, const char *symbol)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		const char *const *name = stages[i]->symbols;

		while (name != NULL && *name != NULL) {
			if (strcmp(*name++, symbol) == 0)
				return true;
		}
		if (stages[i]->defines != NULL && snap->state[i] != NULL &&
		    stages[i]->defines(snap->state[i], symbol))
			return true;
	}
	return false;
}

void
chain_macros(const struct snapshot *snap, struct buf *names_r)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		const char *names = NULL;

		if (snap->on[i] && stages[i]->macros != NULL)
			names = stages[i]->macros(snap->state[i]);
		if (names != NULL)
			buf_str(names_r, names);
	}
}
