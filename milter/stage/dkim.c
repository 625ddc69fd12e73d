/*
 * Verify the DKIM signatures of inbound mail (RFC 6376).  Writes m->dkim, and
 * refuses mail without a valid signature where On-... says so.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dns/idna.h"
#include "lib/mail/addr.h"
#include "milter/chain.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define XCODE "5.7.20" /* no passing DKIM signature (RFC 7372 section 3.1) */

static const char *const key_words[] = {"none", "neutral", "fail", NULL};
enum key_word { KEY_NONE, KEY_NEUTRAL, KEY_FAIL };

static const struct conf_option options[] = {
    {.keyword = "MaximumSignaturesToVerify", .type = CONF_INT, .def = "3",
	.summary = "how many signatures of a message are verified; at most 8"},
    {.keyword = "ClockDrift", .type = CONF_INT, .def = "300",
	.summary = "seconds that a signer's clock may differ by"},
    {.keyword = "MustBeSigned", .type = CONF_SET,
	.summary = "fields that a signature must be over where they are there"},
    {.keyword = "StrictHeaders", .type = CONF_BOOL, .def = "no",
	.summary =
	    "no signature passes where header fields are not as often there "
	    "as RFC 5322 has it"},
    {.keyword = "TrustSignaturesFrom", .type = CONF_SET,
	.summary = "domains other than the author's whose signatures count"},
    {.keyword = "UnprotectedKey", .type = CONF_WORD, .def = "none",
	.words = key_words,
	.summary =
	    "what a signature is worth whose key DNSSEC does not protect; "
	    "none: all the same"},
    {.keyword = "Quarantine", .type = CONF_BOOL, .def = "no",
	.summary =
	    "hold mail with a bad signature, unless On-BadSignature says more"},
    {.keyword = "On-BadSignature", .type = CONF_WORD, .def = "accept",
	.words = verdict_words,
	.summary = "what to do with mail none of whose signatures verifies"},
    {.keyword = "On-KeyNotFound", .type = CONF_WORD, .def = "accept",
	.words = verdict_words,
	.summary =
	    "what to do with mail that is signed with a key that is not there"},
    {.keyword = "On-NoSignature", .type = CONF_WORD, .def = "accept",
	.words = verdict_words,
	.summary = "what to do with mail that is not signed"},
};

struct state {
	struct dkim_verifier *verifier;
	unsigned min_bits;
	size_t signatures;
	time_t drift;
	enum verdict_action on_bad, on_no_key, on_none;
	const char **must_sign;  /* NULL-ended; NULL: none */
	struct dataset *trusted; /* NULL: everybody */
	enum key_word unprotected;
	bool strict;
};

#define INVALID "DKIM_INVALID" /* the symbol */
#define NAME_MAX_ 255 /* octets of a domain or selector in the log */

/* One message, from the end of its header on. */
struct job {
	struct dkim_verify *verify;
};

static enum verdict_action
action(const struct conf *c, const char *keyword)
{
	if (!conf_given(c, keyword) && conf_given(c, "On-Default"))
		keyword = "On-Default";
	return verdict_of_choice(conf_word(c, keyword));
}

static void
dkim_unload(void *state)
{
	struct state *st = state;

	dkim_verifier_free(st->verifier);
	for (size_t i = 0; st->must_sign != NULL && st->must_sign[i]; i++)
		free((char *)(uintptr_t)st->must_sign[i]);
	free(st->must_sign);
	dataset_free(st->trusted);
	free(st);
}

static int
add_name(const struct dataset_entry *e, void *arg)
{
	struct state *st = arg;
	const char **grown;
	size_t n = 0;

	while (st->must_sign != NULL && st->must_sign[n] != NULL)
		n++;
	grown = reallocarray(st->must_sign, n + 2, sizeof(*grown));
	if (grown == NULL)
		return ERR_NOMEM;
	st->must_sign = grown;
	grown[n + 1] = NULL;
	grown[n] = strdup(e->key);
	return grown[n] == NULL ? ERR_NOMEM : 0;
}

static int
load_sets(struct state *st, const struct conf *c, struct errmsg *msg_r)
{
	struct dataset *names = NULL;
	int rc = conf_also(
	    c, 0, options_fields(c, "MustBeSigned", &names, msg_r), msg_r);

	if (rc == 0 && names != NULL)
		rc = dataset_walk(names, add_name, st);
	dataset_free(names);
	return conf_also(c, rc,
	    options_domains(c, "TrustSignaturesFrom", &st->trusted, msg_r),
	    msg_r);
}

static int
dkim_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct state *st;

	(void)old;
	if (!snap->verifies)
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	st->verifier = dkim_verifier_new();
	st->min_bits = (unsigned)conf_int(c, "MinimumKeyBits");
	st->signatures = (size_t)conf_int(c, "MaximumSignaturesToVerify");
	st->drift = conf_int(c, "ClockDrift");
	st->on_bad = action(c, "On-BadSignature");
	st->on_no_key = action(c, "On-KeyNotFound");
	st->on_none = action(c, "On-NoSignature");
	if (conf_bool(c, "Quarantine") && st->on_bad == VERDICT_ACCEPT)
		st->on_bad = VERDICT_QUARANTINE;
	st->strict = conf_bool(c, "StrictHeaders");
	st->unprotected = (enum key_word)conf_word(c, "UnprotectedKey");
	return st->verifier == NULL ? ERR_NOMEM : load_sets(st, c, msg_r);
}

static struct verdict
dkim_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const struct dkim_policy policy = {.min_bits = st->min_bits,
	    .signatures = st->signatures,
	    .drift = st->drift,
	    .now = message_time(m),
	    .authors = m->author.domains,
	    .author_count = m->author.domain_count,
	    .must_sign = st->must_sign,
	    .strict = st->strict};
	struct job *job;

	if (m->direction != DIRECTION_INBOUND || ctx->s->snap->dns == NULL)
		return verdict_none;
	job = arena_alloc(&m->arena, sizeof(*job));
	if (job == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	*message_slot(ctx) = job;
	job->verify = dkim_verify_new(
	    st->verifier, &policy, ctx->s->snap->dns, &m->arena, &m->headers);
	return job->verify == NULL
	    ? verdict_error(VERDICT_E_INTERNAL, "no memory")
	    : verdict_none;
}

static struct verdict
dkim_body(const struct ctx *ctx, const unsigned char *data, size_t len)
{
	struct job *job = *message_slot(ctx);

	if (job != NULL)
		dkim_verify_body(job->verify, data, len);
	return verdict_none;
}

/* -- which signatures count -- */

static bool
is_trusted(const struct state *st, const struct dkim_verdict *v,
    const char *from)
{
	return st->trusted == NULL ||
	    (from != NULL && strcasecmp(v->domain, from) == 0) ||
	    dataset_has(st->trusted, v->domain) == 1;
}

/* Signatures that pass don't count if the signer is not trusted
 * (TrustSignaturesFrom), or if DNSSEC does not protect the key
 * (UnprotectedKey). 0 or ERR_NOMEM. */
static int
apply_policy(
    const struct state *st, struct message *m, struct dkim_verdicts *all)
{
	const char *from = author_domain(&m->author);
	struct dkim_verdict *list;

	if (st->trusted == NULL && st->unprotected == KEY_NONE)
		return 0;
	list = arena_alloc(&m->arena, (all->count + 1) * sizeof(*list));
	if (list == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < all->count; i++) {
		list[i] = all->list[i];
		if (list[i].status != DKIM_STATUS_PASS)
			continue;
		if (!is_trusted(st, &list[i], from)) {
			list[i].status = DKIM_STATUS_POLICY;
			list[i].reason = "the signer is not trusted";
		} else if (st->unprotected != KEY_NONE && !list[i].secure) {
			list[i].status = st->unprotected == KEY_FAIL
			    ? DKIM_STATUS_FAIL
			    : DKIM_STATUS_NEUTRAL;
			list[i].reason = "DNSSEC does not protect the key";
		}
		if (list[i].status != DKIM_STATUS_PASS)
			list[i].cause = DKIM_CAUSE_UNTRUSTED;
	}
	all->list = list;
	return 0;
}

/* -- what was found -- */

/* Add the symbol, if a signature of the domain passed.  0 or ERR_NOMEM. */
static int
symbol_of(struct message *m, const char *domain, const char *symbol)
{
	const struct dkim_verdicts *v = m->dkim;

	if (idna_ascii(&m->arena, domain, &domain) == ERR_NOMEM)
		return ERR_NOMEM;
	for (size_t i = 0; domain != NULL && i < v->count; i++) {
		if (v->list[i].status == DKIM_STATUS_PASS &&
		    strcmp(v->list[i].domain, domain) == 0)
			return message_symbol(m, symbol, -0.1);
	}
	return 0;
}

/* Symbols for signatures of the author's domain and of the sender's. */
static int
symbols_of_names(struct message *m)
{
	const char *from = author_domain(&m->author);
	struct addr sender;
	int rc = from == NULL ? 0 : symbol_of(m, from, "DKIM_VALID_AU");

	if (rc == 0)
		rc = addr_split(&m->arena, m->sender, &sender);
	return rc != 0 ? rc : symbol_of(m, sender.domain, "DKIM_VALID_EF");
}

static bool
passed_in_test_mode(const struct dkim_verdicts *v)
{
	for (size_t i = 0; i < v->count; i++) {
		if (v->list[i].status == DKIM_STATUS_PASS && v->list[i].testing)
			return true;
	}
	return false;
}

/* The names are SpamAssassin's, but for DKIM_TESTING. */
static int
symbols(struct message *m, enum dkim_status best)
{
	int rc;

	if (best == DKIM_STATUS_NONE)
		return 0;
	rc = message_symbol(m, "DKIM_SIGNED", 0.1);
	if (rc != 0 || best != DKIM_STATUS_PASS)
		return rc != 0 ? rc : message_symbol(m, INVALID, 0.1);
	rc = message_symbol(m, "DKIM_VALID", -0.1);
	if (rc == 0)
		rc = symbols_of_names(m);
	if (rc == 0 && passed_in_test_mode(m->dkim))
		rc = message_symbol(m, "DKIM_TESTING", 0.0);
	return rc;
}

/* Add text of a signature; characters that the note uses itself become `?`. */
static void
add_text(struct buf *b, const char *name)
{
	if (name == NULL || name[0] == '\0')
		name = "-";
	for (size_t i = 0; name[i] != '\0' && i < NAME_MAX_; i++)
		buf_char(b, strchr("(),:/", name[i]) != NULL ? '?' : name[i]);
	buf_str(b, strlen(name) > NAME_MAX_ ? "..." : "");
}

/* dkim=pass(example.org/s1),fail(example.net/s2: the body was changed) */
static void
note(struct message *m)
{
	struct buf b = BUF_INIT;

	for (size_t i = 0; i < m->dkim->count; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		buf_printf(&b, "%s%s(", i == 0 ? "" : ",",
		    dkim_status_word(v->status));
		add_text(&b, v->domain);
		buf_char(&b, '/');
		add_text(&b, v->selector);
		buf_printf(&b, "%s%s)", v->reason == NULL ? "" : ": ",
		    v->reason == NULL ? "" : v->reason);
	}
	message_note(m, "dkim", "%s",
	    m->dkim->count == 0 || buf_text(&b) == NULL ? "none"
							: buf_text(&b));
	buf_fini(&b);
}

static void
explain(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct session *s = ctx->s;

	if (s->explains && m->dkim->count == 0)
		session_why(ctx, "the message has no signature");
	for (size_t i = 0; s->explains && i < m->dkim->count; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		session_why(ctx, "signature %zu, of %s with the key %s: %s%s%s",
		    i + 1, session_quote(ctx, v->domain),
		    session_quote(ctx, v->selector),
		    dkim_status_word(v->status), v->reason == NULL ? "" : ": ",
		    v->reason == NULL ? "" : v->reason);
	}
}

/* The cause by which On-... decides, if no signature passed.  A failure with a
 * key in test mode does not count (RFC 6376 section 3.6.1). */
static enum dkim_cause
cause(const struct dkim_verdicts *v)
{
	bool bad = false, no_key = false;

	for (size_t i = 0; i < v->count; i++) {
		const struct dkim_verdict *d = &v->list[i];

		if (d->status == DKIM_STATUS_TEMPERROR)
			return d->cause;
		no_key |= d->cause == DKIM_CAUSE_NO_KEY;
		/* A signature of a wrong form is ignored: nothing of it was
		 * checked. */
		bad |= d->cause != DKIM_CAUSE_NO_KEY && !d->testing &&
		    d->cause != DKIM_CAUSE_FORM &&
		    d->status != DKIM_STATUS_NEUTRAL;
	}
	return bad ? DKIM_CAUSE_SIGNATURE
	    : no_key ? DKIM_CAUSE_NO_KEY
		     : DKIM_CAUSE_NONE;
}

static struct verdict
act(enum verdict_action wanted, const char *words, const char *symbol,
    const char *why)
{
	struct verdict v;

	/* Accept means: go on.  The checks after this one still run. */
	if (wanted == VERDICT_ACCEPT)
		return verdict_none;
	v = verdict_make(wanted, words);
	if (wanted == VERDICT_REJECT)
		v.xcode = XCODE;
	v.why = why;
	v.symbol = symbol;
	return v;
}

static struct verdict
decide(const struct state *st, const struct dkim_verdicts *v,
    enum dkim_status best)
{
	if (best == DKIM_STATUS_PASS)
		return verdict_none;
	if (best == DKIM_STATUS_NONE)
		return act(st->on_none, "message is not signed", NULL,
		    "On-NoSignature says so for mail without a signature");
	switch (cause(v)) {
	case DKIM_CAUSE_NONE:
		return verdict_none;
	case DKIM_CAUSE_DNS:
		return verdict_error(
		    VERDICT_E_DNS, "a DKIM key can't be looked up");
	case DKIM_CAUSE_INTERNAL:
		return verdict_error(
		    VERDICT_E_INTERNAL, "a DKIM signature can't be verified");
	case DKIM_CAUSE_NO_KEY:
		return act(st->on_no_key,
		    "the key of the DKIM signature is not there", INVALID,
		    "On-KeyNotFound says so if a key is not in the DNS");
	default:
		return act(st->on_bad, "no DKIM signature verifies", INVALID,
		    "On-BadSignature says so if no signature verifies");
	}
}

static struct verdict
dkim_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct dkim_verdicts *v;
	struct job *job = *message_slot(ctx);
	enum dkim_status best;

	if (job == NULL)
		return verdict_none;
	v = arena_alloc(&m->arena, sizeof(*v));
	if (v == NULL ||
	    dkim_verify_finish(job->verify, &ctx->s->wait, v) != 0 ||
	    apply_policy(ctx->state, m, v) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	m->dkim = v;
	best = dkim_verdicts_best(v);
	note(m);
	explain(ctx);
	if (symbols(m, best) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return decide(ctx->state, v, best);
}

static void
dkim_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct job *job = *message_slot(ctx);

	(void)outcome;
	if (job != NULL)
		dkim_verify_free(job->verify);
}

static const char *const symbol_names[] = {
    "DKIM_SIGNED", "DKIM_VALID", "DKIM_VALID_AU", "DKIM_VALID_EF",
    INVALID, "DKIM_TESTING", NULL};

const struct stage stage_dkim = {
    .name = "dkim",
    .off = "Mode has no v",
    .symbols = symbol_names,
    .check = true,
    .needs = NEED_EXACT_HEADERS | NEED_QUARANTINE,
    .options = CONF_TABLE(options),
    .load = dkim_load,
    .unload = dkim_unload,
    .eoh = dkim_eoh,
    .body = dkim_body,
    .eom = dkim_eom,
    .done = dkim_done,
};
