/* SPDX-License-Identifier: BSD-2-Clause */
#include "chain.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/idna.h"
#include "log.h"
#include "snapshot.h"
#include "summary.h"

/* What a failed check means is the configuration's to say, in one place. */
static struct verdict
settle(const struct ctx *ctx, struct verdict v)
{
	if (v.action == VERDICT_ERROR) {
		log_about(ctx, LOG_WARNING, "%s",
		    v.text == NULL ? "internal error" : v.text);
		v.action = ctx->s->snap->on_error[v.error];
		/* To accept is to go on without that check: others have yet to
		 * look. */
		if (v.action == VERDICT_ACCEPT)
			v.action = VERDICT_NONE;
		v.why = v.text == NULL ? "internal error" : v.text;
		v.text = v.action == VERDICT_QUARANTINE ? "check failed" : NULL;
		v.code = 0;
	}
	if (v.by == NULL)
		v.by = ctx->stage == NULL ? "postern" : ctx->stage;
	return v;
}

/* What all stages are asked. */
struct call {
	enum hook hook;
	struct rcpt *r;
	const unsigned char *data;
	size_t len;
};

/* As in the log. */
static const char *const hooks[] = {
    [HOOK_CONNECT] = "at connect",
    [HOOK_HELO] = "at HELO",
    [HOOK_MAIL] = "at MAIL",
    [HOOK_RCPT] = "at RCPT",
    [HOOK_EOH] = "after the header",
    [HOOK_BODY] = "in the body",
    [HOOK_EOM] = "at the end",
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

/* Ask one stage; NONE when it has no such hook. */
static struct verdict
ask(const struct ctx *ctx, const struct call *c)
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

static enum when
moment_of(enum hook hook)
{
	switch (hook) {
	case HOOK_CONNECT:
	case HOOK_HELO:
		return WHEN_CONNECT;
	case HOOK_MAIL:
		return WHEN_MAIL;
	case HOOK_EOM:
		return WHEN_END;
	default:
		return WHEN_RCPT;
	}
}

/* Has the moment come at which the stage is to judge the message? */
static bool
is_due(const struct ctx *ctx, enum hook hook)
{
	if (stages[ctx->index]->judge == NULL || ctx->m == NULL ||
	    ctx->m->direction != DIRECTION_INBOUND ||
	    (ctx->m->judged & UINT32_C(1) << ctx->index) != 0 ||
	    (hook != HOOK_MAIL && hook != HOOK_RCPT && hook != HOOK_EOM))
		return false;
	return ctx->s->snap->refuse_at[ctx->index] <= moment_of(hook);
}

static struct verdict
judge(const struct ctx *ctx, enum hook hook)
{
	const struct stage *st = stages[ctx->index];

	if (hook == HOOK_CONNECT && st->client != NULL &&
	    ctx->s->snap->refuse_at[ctx->index] == WHEN_CONNECT &&
	    !ctx->s->internal)
		return st->client(ctx);
	if (!is_due(ctx, hook))
		return verdict_none;
	ctx->m->judged |= UINT32_C(1) << ctx->index;
	return st->judge(ctx);
}

/* What a check refuses for waits for its moment, and what it holds for the end.
 * Of several refusals the one that is due first is said. */
static bool
keep_verdict(const struct ctx *ctx, const struct verdict *v)
{
	struct kept *kept = ctx->m != NULL ? &ctx->m->kept : &ctx->s->kept;
	enum when when = ctx->s->snap->refuse_at[ctx->index];

	if (ctx->m != NULL && v->action == VERDICT_QUARANTINE) {
		if (ctx->m->kept_hold.action == VERDICT_NONE)
			ctx->m->kept_hold = *v;
		return true;
	}
	if (!verdict_refuses(v))
		return false;
	if (kept->v.action == VERDICT_NONE || when < kept->when) {
		kept->v = *v;
		kept->when = when;
	}
	return true;
}

/* Ask a stage that is a check; *at_once_r: what it says can't wait. */
static struct verdict
ask_check(const struct ctx *ctx, const struct call *c, bool *at_once_r)
{
	struct message *m = ctx->m;
	struct symbol *last = m == NULL ? NULL : m->last_symbol;
	struct verdict v = ask(ctx, c), named;

	*at_once_r = c->hook == HOOK_RCPT && v.action != VERDICT_NONE;
	if (v.action == VERDICT_NONE)
		v = judge(ctx, c->hook);
	if (m == NULL || verdict_decides(&v) || m->last_symbol == last)
		return v;
	named = refuse_symbols(
	    m, stages[ctx->index], last == NULL ? m->symbols : last->next);
	return named.action == VERDICT_NONE ? v : named;
}

/* What a stage found where it got no memory is nothing to go by: to most that
 * read names, one that they can't keep is one that is not right. */
static struct verdict
mistrust(const struct ctx *ctx, struct verdict v)
{
	struct arena *a = ctx->m != NULL ? &ctx->m->arena : &ctx->s->arena;

	if (!a->failed)
		return v;
	a->failed = false;
	return v.action == VERDICT_ERROR
	    ? v
	    : verdict_error(VERDICT_E_INTERNAL, "no memory");
}

/* What a stage found, and what it says to that. */
static void
explain(const struct ctx *ctx, const struct call *c, const struct symbol *last,
    const struct verdict *v)
{
	const struct symbol *s = ctx->m == NULL ? NULL
	    : last == NULL			? ctx->m->symbols
						: last->next;
	struct buf b = BUF_INIT;
	const char *sep = "found ";

	if (s == NULL && v->action == VERDICT_NONE)
		return;
	for (; s != NULL; s = s->next, sep = ", ")
		buf_printf(&b, "%s%s (%.3g)", sep, s->name, s->score);
	if (b.len > 0 && !b.failed)
		session_why(ctx, "%s", buf_text(&b));
	buf_reset(&b);
	verdict_explain(v, &b);
	if (v->action != VERDICT_NONE && !b.failed)
		session_why(ctx, "%s: %s%s%s", hooks[c->hook], buf_text(&b),
		    c->r == NULL ? "" : ", for the recipient ",
		    c->r == NULL ? "" : session_quote(ctx, c->r->addr));
	buf_fini(&b);
}

/* Ask the stages in order; the first that decides ends it.  The deadline of a
 * step begins here, and nowhere else: a client that takes its time before the
 * step must not use up that of the look-ups.  Only the chunks of a body have
 * that of the header's end in common. */
static struct verdict
walk(struct session *s, struct message *m, const struct call *c)
{
	if (c->hook != HOOK_BODY)
		wait_begin(&s->wait, s->snap->dns_timeout_ms);
	for (size_t i = 0; stages[i] != NULL; i++) {
		const struct ctx ctx = ctx_of(s, m, i);
		struct verdict v;
		bool failed, broken, at_once = true;
		const struct symbol *last = m == NULL ? NULL : m->last_symbol;

		if (!s->snap->on[i])
			continue;
		v = stages[i]->check ? ask_check(&ctx, c, &at_once)
				     : ask(&ctx, c);
		v = mistrust(&ctx, v);
		if (s->explains)
			explain(&ctx, c, last, &v);
		if (v.action == VERDICT_NONE)
			continue;
		failed = v.action == VERDICT_ERROR;
		broken = failed && v.error != VERDICT_E_DNS;
		v = settle(&ctx, v);
		/* Whoever can make one check fail must not get past others. */
		if (failed && v.action == VERDICT_ACCEPT)
			continue;
		if (!at_once && !broken && keep_verdict(&ctx, &v)) {
			session_why(&ctx, "that waits for the moment that "
			    "RefuseAt chooses");
			continue;
		}
		if (verdict_decides(&v))
			return v;
		if (m != NULL && v.action == VERDICT_QUARANTINE &&
		    m->hold.action == VERDICT_NONE)
			m->hold = v;
	}
	return verdict_none;
}

static const char *
keep(struct arena *a, const char *s)
{
	return s == NULL ? NULL : arena_strdup(a, s);
}

/* mta: what the MTA says; NULL: nothing.  Fields are headers of ASCII unless the
 * message says otherwise, and all of them show one name. */
static void
name_host(struct session *s, const char *mta)
{
	const char *name;

	s->host = mta == NULL || mta[0] == '\0' ? NULL : keep(&s->arena, mta);
	if (s->host == NULL)
		s->host = s->snap->host;
	name = s->snap->reporter == NULL ? s->host : s->snap->reporter;
	s->reporter = idna_alabels(&s->arena, name);
	if (s->reporter == NULL)
		s->reporter = name;
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
	name_host(s, NULL);
	return s;
}

struct verdict
chain_connect(
    struct session *s, const char *name, const struct host *client)
{
	const struct call c = {.hook = HOOK_CONNECT};

	s->client_name = keep(&s->arena, name);
	name_host(s, session_macro(s, "j"));
	if (client != NULL)
		s->client = *client;
	host_text(&s->client, s->client_ip);
	s->verdict = walk(s, NULL, &c);
	summary_client(s, "connect");
	return s->verdict;
}

struct verdict
chain_helo(struct session *s, const char *helo)
{
	const struct call c = {.hook = HOOK_HELO};

	s->helo = keep(&s->arena, helo);
	if (verdict_decides(&s->verdict))
		return s->verdict;
	s->verdict = walk(s, NULL, &c);
	summary_client(s, "helo");
	return s->verdict;
}

/* RFC 5321 section 4.5.1 */
static bool
is_postmaster(const char *addr)
{
	return strncasecmp(addr, "postmaster", 10) == 0 &&
	    (addr[10] == '\0' || addr[10] == '@');
}

/* The address without the brackets that smtpd leaves on. */
static const char *
bare_address(struct arena *a, const char *addr)
{
	size_t len = strlen(addr);

	if (len >= 2 && addr[0] == '<' && addr[len - 1] == '>') {
		addr++;
		len -= 2;
	}
	return arena_memdup(a, addr, len);
}

static const char *const *
keep_params(struct arena *a, const char *const *params)
{
	size_t n = 0;
	const char **copy;

	while (params != NULL && params[n] != NULL)
		n++;
	copy = arena_alloc(a, (n + 1) * sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < n; i++)
		copy[i] = arena_strdup(a, params[i]);
	return copy;
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
	m->queue_id = keep(&m->arena, session_macro(s, "i"));
	m->sender = bare_address(&m->arena, sender);
	m->params = keep_params(&m->arena, params);
	if (m->sender == NULL || m->params == NULL) {
		arena_fini(&m->arena);
		free(m);
		return NULL;
	}
	return m;
}

static struct verdict
out_of_memory(struct session *s)
{
	const struct ctx ctx = session_ctx(s);
	struct verdict v =
	    settle(&ctx, verdict_error(VERDICT_E_INTERNAL, "no memory"));

	/* What is not known in full can't be held. */
	if (v.action == VERDICT_QUARANTINE)
		v = (struct verdict){
		    .action = VERDICT_TEMPFAIL, .by = "postern"};
	return v;
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
	s->msg->verdict =
	    verdict_decides(&s->verdict) ? s->verdict : walk(s, s->msg, &c);
	return s->msg->verdict;
}

/* What could not be told to a recipient's face concerns the message. */
static struct verdict
refuse_rcpt(struct session *s, struct verdict v)
{
	if (!(chain_answers(s->snap) & HOOK_BIT(HOOK_RCPT)))
		s->msg->verdict = v;
	return v;
}

struct verdict
chain_rcpt(struct session *s, const char *addr)
{
	struct message *m = s->msg;
	struct call c = {.hook = HOOK_RCPT};
	struct rcpt *r;
	struct verdict v;

	if (m == NULL)
		return verdict_none;
	r = arena_alloc(&m->arena, sizeof(*r));
	if (r == NULL || (r->addr = bare_address(&m->arena, addr)) == NULL)
		return refuse_rcpt(s, out_of_memory(s));
	r->spared = m->direction == DIRECTION_INBOUND && is_postmaster(r->addr);
	c.r = r;
	v = verdict_decides(&m->verdict) ? m->verdict : walk(s, m, &c);
	r->refused = verdict_refuses(&v);
	if (r->refused)
		m->refusal = r->refusal = refuse_rcpt(s, v);
	if (m->last_rcpt == NULL)
		m->rcpts = r;
	else
		m->last_rcpt->next = r;
	m->last_rcpt = r;
	m->rcpt_count += !r->refused;
	/* Accepting or discarding is for the message as a whole. */
	if (v.action == VERDICT_ACCEPT || v.action == VERDICT_DISCARD)
		m->verdict = v;
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
	if (m == NULL || m->too_big || verdict_decides(&m->verdict))
		return;
	if (value == NULL || hdr_add(&m->headers, &m->arena, name, name_len,
		value, value_len) != 0) {
		m->verdict = out_of_memory(s);
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

	if (m == NULL)
		return verdict_none;
	m->came = true;
	if (m->queue_id == NULL)
		m->queue_id = keep(&m->arena, session_macro(s, "i"));
	if (m->too_big && !verdict_decides(&m->verdict)) {
		m->verdict = verdict_make(
		    VERDICT_REJECT, "Too many or too long header fields");
		m->verdict.by = "postern";
	}
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(s, m, &c);
	return m->verdict;
}

struct verdict
chain_body(struct session *s, const unsigned char *data, size_t len)
{
	struct message *m = s->msg;
	const struct call c = {.hook = HOOK_BODY, .data = data, .len = len};

	if (m == NULL)
		return verdict_none;
	m->body_bytes += len;
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(s, m, &c);
	return m->verdict;
}

struct verdict
chain_eom(struct session *s)
{
	struct message *m = s->msg;
	const struct call c = {.hook = HOOK_EOM};

	if (m == NULL)
		return verdict_none;
	if (m->queue_id == NULL)
		m->queue_id = keep(&m->arena, session_macro(s, "i"));
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(s, m, &c);
	edit_sort(&m->edits);
	if (!verdict_decides(&m->verdict) &&
	    m->hold.action == VERDICT_QUARANTINE)
		return m->hold;
	return m->verdict;
}

void
chain_finish(struct session *s, const struct verdict *outcome)
{
	struct message *m = s->msg;

	if (m == NULL || m->finished)
		return;
	m->finished = true;
	for (size_t i = 0; stages[i] != NULL; i++) {
		const struct ctx ctx = ctx_of(s, m, i);

		if (s->snap->on[i] && stages[i]->done != NULL)
			stages[i]->done(&ctx, outcome);
	}
}

void
chain_end(struct session *s, const struct verdict *outcome)
{
	struct message *m = s->msg;

	if (m == NULL)
		return;
	chain_finish(s, outcome);
	summary_message(s, m, outcome);
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
		if (snap->refuse_at[i] == WHEN_CONNECT)
			bits |= HOOK_BIT(HOOK_HELO) | HOOK_BIT(HOOK_MAIL);
		if (snap->refuse_at[i] == WHEN_MAIL)
			bits |= HOOK_BIT(HOOK_MAIL);
		if (snap->refuse_at[i] == WHEN_RCPT)
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
	return bits;
}

bool
chain_holds(const struct snapshot *snap)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (snap->on[i] && stages[i]->holds)
			return true;
	}
	/* On-... may say quarantine for any check. */
	for (size_t i = 0; i < VERDICT_E_COUNT; i++) {
		if (snap->on_error[i] == VERDICT_QUARANTINE)
			return true;
	}
	return false;
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
