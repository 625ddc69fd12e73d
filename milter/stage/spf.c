/*
 * SPF (RFC 7208): may the client send for the domain?  Writes m->spf and
 * m->spf_helo, and adds symbols.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Look-ups start at MAIL and are collected by spf_judge.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/conf.h"
#include "lib/mail/addrtext.h"
#include "lib/spf/spf.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define FIELD "Received-SPF"

enum broad { BROAD_PASS, BROAD_NONE };

static const char *const broad_words[] = {
    [BROAD_PASS] = "pass", [BROAD_NONE] = "none", NULL};

static const struct conf_option options[] = {
    {.keyword = "SPF", .type = CONF_BOOL, .def = "yes",
	.summary = "check by SPF who may send for a domain"},
    {.keyword = "SPFBroadLimit", .type = CONF_INT, .def = "16777216",
	.max = INT_MAX,
	.summary =
	    "more addresses than these make a pass broad; 0 is no limit"},
    {.keyword = "SPFBroadPass", .type = CONF_WORD, .def = "pass",
	.words = broad_words, .summary = "what a broad pass counts as"},
    {.keyword = "ReceivedSPF", .type = CONF_BOOL, .def = "no",
	.summary = "add a " FIELD " field"},
};

struct state {
	enum broad broad_pass; /* SPFBroadPass */
	bool received;         /* ReceivedSPF */
};

/* Names and scores are SpamAssassin's (with the network, without Bayes). */
static const struct {
	const char *name, *helo;
	double score, helo_score;
} symbols[] = {
    [SPF_NONE] = {"SPF_NONE", "SPF_HELO_NONE", 0.001, 0.001},
    [SPF_NEUTRAL] = {"SPF_NEUTRAL", "SPF_HELO_NEUTRAL", 0.652, 0.001},
    [SPF_PASS] = {"SPF_PASS", "SPF_HELO_PASS", -0.001, -0.001},
    [SPF_FAIL] = {"SPF_FAIL", "SPF_HELO_FAIL", 0.919, 0.001},
    [SPF_SOFTFAIL] = {"SPF_SOFTFAIL", "SPF_HELO_SOFTFAIL", 0.972, 0.896},
    [SPF_TEMPERROR] = {"T_SPF_TEMPERROR", "T_SPF_HELO_TEMPERROR", 0.01, 0.01},
    [SPF_PERMERROR] = {"T_SPF_PERMERROR", "T_SPF_HELO_PERMERROR", 0.01, 0.01},
};

#define PLUS_ALL_SCORE 1.0
#define BROAD_SCORE 0.5

static int
spf_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct state *st;

	(void)old, (void)msg_r;
	if (!snap->verifies || !conf_bool(snap->conf, "SPF"))
		return 0;
	*state_r = st = malloc(sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	st->broad_pass = (enum broad)conf_word(snap->conf, "SPFBroadPass");
	st->received = conf_bool(snap->conf, "ReceivedSPF");
	return 0;
}

static void
spf_unload(void *state)
{
	free(state);
}

static struct verdict
no_memory(void)
{
	return verdict_error(VERDICT_E_INTERNAL, "no memory");
}

static struct verdict
spf_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct session *s = ctx->s;
	struct spf_request request = {.client = s->client,
	    .helo = s->helo,
	    .sender = m->sender,
	    .host = s->host,
	    .now = message_time(m)};

	if (m->direction != DIRECTION_INBOUND || s->snap->dns == NULL ||
	    s->client.family == HOST_NONE)
		return verdict_none;
	/* A copy, because the client may send another HELO before the message
	 * ends. */
	if (s->helo != NULL &&
	    (request.helo = arena_strdup(&m->arena, s->helo)) == NULL)
		return no_memory();
	*message_slot(ctx) = spf_start(s->snap->dns, &m->arena, &request);
	return *message_slot(ctx) == NULL ? no_memory() : verdict_none;
}

/* A pass of a very broad record: add its symbol, and replace the result as
 * SPFBroadPass says. */
static int
judge_broad_pass(const struct ctx *ctx, const struct spf_result **r)
{
	const struct state *st = ctx->state;
	uint64_t limit = ctx->s->snap->spf_broad;
	struct message *m = ctx->m;
	struct spf_result *none;
	int rc;

	if ((*r)->result != SPF_PASS)
		return 0;
	if ((*r)->plus_all)
		rc = message_symbol(m, "SPF_PLUS_ALL", PLUS_ALL_SCORE);
	else if (limit != 0 && (*r)->addresses > limit)
		rc = message_symbol(m, "SPF_BROAD", BROAD_SCORE);
	else
		return 0;
	if (rc != 0 || st->broad_pass == BROAD_PASS)
		return rc;
	none = arena_alloc(&m->arena, sizeof(*none));
	if (none == NULL)
		return ERR_NOMEM;
	*none = **r;
	none->result = SPF_NONE;
	*r = none;
	return 0;
}

/* Anything but a dot-atom is quoted (RFC 5322 section 3.2). */
static bool
is_dot_atom(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || s[0] == '.' || s[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c <= 0x20 || c > 0x7e || strchr("()<>[]:;@\\,\"", c) ||
		    (c == '.' && s[i + 1] == '.'))
			return false;
	}
	return true;
}

/* Add key=value; nothing if the value can't be written as it is. */
static void
add_pair(struct buf *b, const char *key, const char *value, bool utf8)
{
	struct buf text = BUF_INIT;
	const char *quote;

	if (addrtext_field(&text, value, utf8)) {
		quote = is_dot_atom(buf_text(&text)) ? "" : "\"";
		buf_printf(b, ";\n\t%s=%s", key, quote);
		for (const char *p = buf_text(&text); *p != '\0'; p++) {
			if (*p == '"' || *p == '\\')
				buf_char(b, '\\');
			buf_char(b, *p);
		}
		buf_str(b, quote);
	}
	b->failed |= text.failed;
	buf_fini(&text);
}

/* RFC 7208 section 9.1 */
static int
add_received(struct message *m, const struct spf_result *r)
{
	const struct session *s = m->session;
	bool utf8 = message_is_utf8(m);
	struct buf b = BUF_INIT;
	int rc = ERR_NOMEM;

	buf_str(&b, spf_outcome_text(r->result));
	buf_str(&b, " identity=");
	buf_str(&b, r->scope == SPF_HELO ? "helo" : "mailfrom");
	add_pair(&b, "client-ip", s->client_ip, utf8);
	add_pair(&b, "envelope-from", m->sender, utf8);
	add_pair(&b, "helo", s->helo == NULL ? "" : s->helo, utf8);
	add_pair(&b, "receiver", s->reporter, utf8);
	if (r->mechanism != NULL)
		add_pair(&b, "mechanism", r->mechanism, utf8);
	if (r->reason != NULL)
		add_pair(&b, "problem", r->reason, utf8);
	if (!b.failed)
		rc = edit_want(&m->edits, &m->arena, EDIT_INSERT, 0, FIELD,
		    buf_text(&b));
	buf_fini(&b);
	return rc;
}

static int
add_symbols(struct message *m)
{
	enum spf_outcome helo = m->spf_helo->result;
	int rc = 0;

	/* For the null sender SPF has only a result for HELO. */
	if (m->spf->scope == SPF_MFROM)
		rc = message_symbol(m, symbols[m->spf->result].name,
		    symbols[m->spf->result].score);
	if (rc == 0)
		rc = message_symbol(
		    m, symbols[helo].helo, symbols[helo].helo_score);
	return rc;
}

static void
explain(const struct ctx *ctx, const struct spf_result *r)
{
	struct session *s = ctx->s;

	if (!s->explains)
		return;
	session_why(ctx, "%s of %s: %s%s%s%s%s", spf_scope_text(r->scope),
	    session_quote(ctx, r->domain), spf_outcome_text(r->result),
	    r->mechanism == NULL ? "" : ", by ",
	    r->mechanism == NULL ? "" : session_quote(ctx, r->mechanism),
	    r->reason == NULL ? "" : ": ", r->reason == NULL ? "" : r->reason);
}

static struct verdict
spf_judge(const struct ctx *ctx)
{
	const struct state *st = ctx->state;
	struct message *m = ctx->m;
	struct spf *spf = *message_slot(ctx);
	const struct spf_result *mfrom, *helo;
	bool same;

	if (spf == NULL)
		return verdict_none;
	if (spf_finish(spf, &m->session->wait, &mfrom, &helo) != 0)
		return no_memory();
	explain(ctx, mfrom);
	if (helo != mfrom)
		explain(ctx, helo);
	same = mfrom == helo;
	if (judge_broad_pass(ctx, &mfrom) != 0)
		return no_memory();
	m->spf = mfrom;
	m->spf_helo = same ? mfrom : helo;
	message_note(m, "spf", "%s", spf_outcome_text(mfrom->result));
	if (add_symbols(m) != 0 ||
	    (st->received && add_received(m, mfrom) != 0))
		return no_memory();
	return verdict_none;
}

static void
spf_done(const struct ctx *ctx, const struct verdict *outcome)
{
	(void)outcome;
	spf_drop(*message_slot(ctx));
}

static const char *const symbol_names[] = {
    "SPF_NONE", "SPF_NEUTRAL", "SPF_PASS", "SPF_FAIL", "SPF_SOFTFAIL",
    "T_SPF_TEMPERROR", "T_SPF_PERMERROR", "SPF_HELO_NONE", "SPF_HELO_NEUTRAL",
    "SPF_HELO_PASS", "SPF_HELO_FAIL", "SPF_HELO_SOFTFAIL",
    "T_SPF_HELO_TEMPERROR", "T_SPF_HELO_PERMERROR", "SPF_PLUS_ALL",
    "SPF_BROAD", NULL};

const struct stage stage_spf = {
    .name = "spf",
    .off = "SPF no, or Mode has no v",
    .symbols = symbol_names,
    .check = true,
    .xcode = "5.7.23", /* RFC 7372 section 3.2 */
    .edits = EDIT_BIT(EDIT_INSERT),
    .options = CONF_TABLE(options),
    .load = spf_load,
    .unload = spf_unload,
    .mail = spf_mail,
    .judge = spf_judge,
    .done = spf_done,
};
