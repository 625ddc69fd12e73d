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
settle(const struct session *s, struct verdict v, const char *by)
{
	if (v.action == VERDICT_ERROR) {
		log_about(s, LOG_WARNING, "%s",
		    v.text == NULL ? "internal error" : v.text);
		v.action = s->snap->on_error[v.error];
		/* To accept is to go on without that check: others have yet to
		 * look. */
		if (v.action == VERDICT_ACCEPT)
			v.action = VERDICT_NONE;
		v.why = v.text == NULL ? "internal error" : v.text;
		v.text = v.action == VERDICT_QUARANTINE ? "check failed" : NULL;
		v.code = 0;
	}
	if (v.by == NULL)
		v.by = by;
	return v;
}

struct call {
	enum hook hook;
	struct session *s;
	struct message *m;
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

/* Ask one stage; NONE when it has no such hook. */
static struct verdict
ask(const struct stage *st, const struct call *c)
{
	switch (c->hook) {
	case HOOK_CONNECT:
		return st->connect ? st->connect(c->s) : verdict_none;
	case HOOK_HELO:
		return st->helo ? st->helo(c->s) : verdict_none;
	case HOOK_MAIL:
		return st->mail ? st->mail(c->m) : verdict_none;
	case HOOK_RCPT:
		return st->rcpt ? st->rcpt(c->m, c->r) : verdict_none;
	case HOOK_EOH:
		return st->eoh ? st->eoh(c->m) : verdict_none;
	case HOOK_BODY:
		return st->body ? st->body(c->m, c->data, c->len)
				: verdict_none;
	case HOOK_EOM:
		return st->eom ? st->eom(c->m) : verdict_none;
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

/* Has the moment come at which stage i is to judge the message? */
static bool
is_due(const struct call *c, size_t i)
{
	if (stages[i]->judge == NULL || c->m == NULL ||
	    c->m->direction != DIRECTION_INBOUND ||
	    (c->m->judged & UINT32_C(1) << i) != 0 ||
	    (c->hook != HOOK_MAIL && c->hook != HOOK_RCPT &&
		c->hook != HOOK_EOM))
		return false;
	return c->s->snap->refuse_at[i] <= moment_of(c->hook);
}

static struct verdict
judge(const struct call *c, size_t i)
{
	const struct stage *st = stages[i];

	if (c->hook == HOOK_CONNECT && st->client != NULL &&
	    c->s->snap->refuse_at[i] == WHEN_CONNECT && !c->s->internal)
		return st->client(c->s);
	if (!is_due(c, i))
		return verdict_none;
	c->m->judged |= UINT32_C(1) << i;
	if (c->m->deadline_ms == 0)
		c->m->deadline_ms = message_deadline(c->m);
	return st->judge(c->m);
}

/* What a check refuses for waits for its moment, and what it holds for the end.
 * Of several refusals the one that is due first is said. */
static bool
keep_verdict(const struct call *c, size_t i, const struct verdict *v)
{
	struct kept *kept = c->m != NULL ? &c->m->kept : &c->s->kept;

	if (c->m != NULL && v->action == VERDICT_QUARANTINE) {
		if (c->m->kept_hold.action == VERDICT_NONE)
			c->m->kept_hold = *v;
		return true;
	}
	if (!verdict_refuses(v))
		return false;
	if (kept->v.action == VERDICT_NONE ||
	    c->s->snap->refuse_at[i] < kept->when) {
		kept->v = *v;
		kept->when = c->s->snap->refuse_at[i];
	}
	return true;
}

/* Ask a stage that is a check; *at_once_r: what it says can't wait. */
static struct verdict
ask_check(const struct call *c, size_t i, bool *at_once_r)
{
	struct symbol *last = c->m == NULL ? NULL : c->m->last_symbol;
	struct verdict v = ask(stages[i], c), named;

	*at_once_r = c->hook == HOOK_RCPT && v.action != VERDICT_NONE;
	if (v.action == VERDICT_NONE)
		v = judge(c, i);
	if (c->m == NULL || verdict_decides(&v) || c->m->last_symbol == last)
		return v;
	named = refuse_symbols(c->m, stages[i],
	    last == NULL ? c->m->symbols : last->next);
	return named.action == VERDICT_NONE ? v : named;
}

/* What a stage found where it got no memory is nothing to go by: to most that
 * read names, one that they can't keep is one that is not right. */
static struct verdict
mistrust(const struct call *c, struct verdict v)
{
	struct arena *a = c->m != NULL ? &c->m->arena : &c->s->arena;

	if (!a->failed)
		return v;
	a->failed = false;
	return v.action == VERDICT_ERROR
	    ? v
	    : verdict_error(VERDICT_E_INTERNAL, "no memory");
}

/* What a stage found, and what it says to that. */
static void
explain(const struct call *c, const struct symbol *last,
    const struct verdict *v)
{
	const struct symbol *s = c->m == NULL ? NULL
	    : last == NULL		      ? c->m->symbols
					      : last->next;
	struct buf b = BUF_INIT;
	const char *sep = "found ";

	if (s == NULL && v->action == VERDICT_NONE)
		return;
	for (; s != NULL; s = s->next, sep = ", ")
		buf_printf(&b, "%s%s (%.3g)", sep, s->name, s->score);
	if (b.len > 0 && !b.failed)
		session_why(c->s, "%s", buf_text(&b));
	buf_reset(&b);
	verdict_explain(v, &b);
	if (v->action != VERDICT_NONE && !b.failed)
		session_why(c->s, "%s: %s%s%s", hooks[c->hook], buf_text(&b),
		    c->r == NULL ? "" : ", for the recipient ",
		    c->r == NULL ? "" : session_quote(c->s, c->r->addr));
	buf_fini(&b);
}

/* Ask the stages in order; the first that decides ends it. */
static struct verdict
walk(const struct call *c)
{
	for (size_t i = 0; stages[i] != NULL; i++) {
		struct verdict v;
		bool failed, broken, at_once = true;
		const struct symbol *last =
		    c->m == NULL ? NULL : c->m->last_symbol;

		if (!c->s->snap->on[i])
			continue;
		c->s->current = i;
		v = stages[i]->check ? ask_check(c, i, &at_once)
				     : ask(stages[i], c);
		v = mistrust(c, v);
		if (c->s->explains)
			explain(c, last, &v);
		if (v.action == VERDICT_NONE)
			continue;
		failed = v.action == VERDICT_ERROR;
		broken = failed && v.error != VERDICT_E_DNS;
		v = settle(c->s, v, stages[i]->name);
		/* Whoever can make one check fail must not get past others. */
		if (failed && v.action == VERDICT_ACCEPT)
			continue;
		if (!at_once && !broken && keep_verdict(c, i, &v)) {
			session_why(c->s, "that waits for the moment that "
			    "RefuseAt chooses");
			continue;
		}
		if (verdict_decides(&v))
			return v;
		if (c->m != NULL && v.action == VERDICT_QUARANTINE &&
		    c->m->hold.action == VERDICT_NONE)
			c->m->hold = v;
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
	name_host(s, NULL);
	return s;
}

struct verdict
chain_connect(
    struct session *s, const char *name, const struct host *client)
{
	struct call c = {.hook = HOOK_CONNECT, .s = s};

	s->client_name = keep(&s->arena, name);
	name_host(s, session_macro(s, "j"));
	if (client != NULL)
		s->client = *client;
	host_text(&s->client, s->client_ip);
	s->verdict = walk(&c);
	summary_client(s, "connect");
	return s->verdict;
}

struct verdict
chain_helo(struct session *s, const char *helo)
{
	struct call c = {.hook = HOOK_HELO, .s = s};

	s->helo = keep(&s->arena, helo);
	if (verdict_decides(&s->verdict))
		return s->verdict;
	s->verdict = walk(&c);
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
	struct verdict v;

	s->current = STAGES_MAX; /* no stage speaks here */
	v = settle(
	    s, verdict_error(VERDICT_E_INTERNAL, "no memory"), "postern");

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
	struct call c = {.hook = HOOK_MAIL, .s = s};

	chain_end(s, NULL);
	s->msg = message_new(s, sender, params);
	if (s->msg == NULL)
		return out_of_memory(s);
	c.m = s->msg;
	s->msg->verdict =
	    verdict_decides(&s->verdict) ? s->verdict : walk(&c);
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
	struct call c = {.hook = HOOK_RCPT, .s = s, .m = m};
	struct rcpt *r;
	struct verdict v;

	if (m == NULL)
		return verdict_none;
	r = arena_alloc(&m->arena, sizeof(*r));
	if (r == NULL || (r->addr = bare_address(&m->arena, addr)) == NULL)
		return refuse_rcpt(s, out_of_memory(s));
	r->spared = m->direction == DIRECTION_INBOUND && is_postmaster(r->addr);
	c.r = r;
	v = verdict_decides(&m->verdict) ? m->verdict : walk(&c);
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
	struct call c = {.hook = HOOK_EOH, .s = s, .m = m};

	if (m == NULL)
		return verdict_none;
	if (m->queue_id == NULL)
		m->queue_id = keep(&m->arena, session_macro(s, "i"));
	if (m->too_big && !verdict_decides(&m->verdict)) {
		m->verdict = verdict_make(
		    VERDICT_REJECT, "Too many or too long header fields");
		m->verdict.by = "postern";
	}
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(&c);
	return m->verdict;
}

struct verdict
chain_body(struct session *s, const unsigned char *data, size_t len)
{
	struct message *m = s->msg;
	struct call c = {
	    .hook = HOOK_BODY, .s = s, .m = m, .data = data, .len = len};

	if (m == NULL)
		return verdict_none;
	m->body_bytes += len;
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(&c);
	return m->verdict;
}

struct verdict
chain_eom(struct session *s)
{
	struct message *m = s->msg;
	struct call c = {.hook = HOOK_EOM, .s = s, .m = m};

	if (m == NULL)
		return verdict_none;
	if (m->queue_id == NULL)
		m->queue_id = keep(&m->arena, session_macro(s, "i"));
	m->deadline_ms = message_deadline(m);
	if (!verdict_decides(&m->verdict))
		m->verdict = walk(&c);
	edit_sort(&m->edits);
	if (!verdict_decides(&m->verdict) &&
	    m->hold.action == VERDICT_QUARANTINE)
		return m->hold;
	return m->verdict;
}

void
chain_end(struct session *s, const struct verdict *outcome)
{
	struct message *m = s->msg;

	if (m == NULL)
		return;
	for (size_t i = 0; stages[i] != NULL; i++) {
		s->current = i;
		if (s->snap->on[i] && stages[i]->finish != NULL)
			stages[i]->finish(m, outcome);
	}
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
		s->current = i;
		if (s->snap->on[i] && stages[i]->close != NULL)
			stages[i]->close(s);
	}
	buf_fini(&s->notes);
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
		if (snap->on[i] && stages[i]->reset != NULL)
			stages[i]->reset(snap->state[i]);
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
