/*
 * Score a message by the rule files and by the symbols of the checks, and act
 * on the sum.  Writes m->rules and m->scored.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/conf/conf.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dns/pslist.h"
#include "lib/mail/relays.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "lib/text/mime.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "rules.h"
#include "rules_conf.h"
#include "spam_fields.h"

#define NS INT64_C(1000000000)
#define WARNINGS_MAX 20 /* warnings that are logged at a start or reload */
#define MATCH_MAX 80    /* octets shown of what a rule matched */
#define TIMED_EVERY 64  /* the rules are timed in one of so many messages: to
    read the clock twice costs more than most rules do */

#define LIMIT(word, what)                                                      \
	{                                                                      \
		.keyword = word, .type = CONF_STR, .summary = what,            \
		.parse = rules_conf_parse_limit,                               \
		.size = sizeof(struct rules_limit)                             \
	}

static const struct conf_option options[] = {
    {.keyword = "RuleFile", .type = CONF_STR, .flags = CONF_MULTI | CONF_PATH,
	.summary =
	    "rules in SpamAssassin's language: a file, or the *.cf of a "
	    "directory",
	.check = conf_check_path},
    {.keyword = "ScoreSet", .type = CONF_INT, .def = "0", .max = 3,
	.summary = "which of four scores counts: 0 without DNS lists, 1 with"},
    {.keyword = "RuleTimeout", .type = CONF_INT, .def = "5", .min = 1,
	.max = 300,
	.summary = "seconds that all rules may take for one message"},
    {.keyword = "RuleStats", .type = CONF_STR,
	.flags = CONF_PATH | CONF_MADE, .with = "RuleFile",
	.def = POSTERN_STATE_DIR "/rules",
	.summary =
	    "where it is counted how often each rule hits: a file, or none",
	.check = rules_conf_check_stats},
    LIMIT("TagScore", "inbound mail with that score is marked as spam"),
    LIMIT("QuarantineScore", "inbound mail with that score is held"),
    LIMIT("RejectScore", "inbound mail with that score is refused"),
    LIMIT("DiscardScore", "inbound mail with that score is dropped"),
    LIMIT("TempfailScore", "inbound mail with that score is refused for now"),
    LIMIT("OutboundTagScore", "outbound mail with that score is marked"),
    LIMIT("OutboundQuarantineScore", "outbound mail with that score is held"),
    LIMIT("OutboundRejectScore", "outbound mail with that score is refused"),
    LIMIT("OutboundDiscardScore", "outbound mail with that score is dropped"),
    LIMIT("OutboundTempfailScore",
	"outbound mail with that score is refused for now"),
};

/* The actions; tag is apart, since it is combined with the others. */
static const enum verdict_action actions[] = {
    VERDICT_REJECT, VERDICT_TEMPFAIL, VERDICT_DISCARD, VERDICT_QUARANTINE};

#define QUARANTINE 3 /* of these */
#define ACTIONS (sizeof(actions) / sizeof(*actions))

/* Their keywords in that order, and tag's, by direction. */
static const char *const keywords[2][ACTIONS + 1] = {
    [DIRECTION_INBOUND] = {"RejectScore", "TempfailScore", "DiscardScore",
	"QuarantineScore", "TagScore"},
    [DIRECTION_OUTBOUND] = {"OutboundRejectScore", "OutboundTempfailScore",
	"OutboundDiscardScore", "OutboundQuarantineScore", "OutboundTagScore"},
};

struct limits {
	struct rules_limit tag, action[ACTIONS];
	bool any;
};

struct state {
	struct rules *rules; /* NULL: only the symbols of checks are scored */
	struct limits limits[2]; /* by direction */
	int64_t time_ns;
	struct pslist *tlds;     /* NULL: no rule needs the body */
	struct rules_stats *stats; /* NULL: off line, or RuleStats is none */
	const char *stats_path;    /* RuleStats */
	bool uncounted; /* the file can't be used, and the log has a line about
	    it */
	atomic_uint messages; /* messages that went through the rules */
};

/* -- what each rule did, in a file -- */

/* Log the result of writing the file; c as for options_odd. */
static void
log_stats(struct state *st, const struct conf *c, int rc, int error,
    const struct rules_stats_report *r, const struct errmsg *why)
{
	const char *cure = rc == ERR_SYSTEM &&
		(error == ENOENT || error == EACCES || error == EROFS)
	    ? ": its directory must be there, and belong to the user that "
	      "postern runs as (UserID)"
	    : "";

	if (rc != 0 && !st->uncounted)
		options_odd(c,
		    "rules: RuleStats: %s%s; until then posternctl rules list "
		    "does not show what hits",
		    why->text, cure);
	else if (rc == 0 && r->event == RULES_STATS_RENEWED)
		options_odd(c, "rules: RuleStats: %s: %s; it is kept as %s",
		    st->stats_path, r->why, r->bad_path);
	else if (rc == 0 && r->event == RULES_STATS_CREATED)
		log_line(LOG_INFO, "rules: RuleStats: %s: a new file",
		    st->stats_path);
	st->uncounted = rc != 0;
}

static void
write_counts(struct state *st, const struct conf *c)
{
	struct rules_stats_report report;
	struct errmsg why = {.text = ""};
	int rc;

	if (st->stats == NULL)
		return;
	rc = rules_stats_flush(st->stats, time(NULL), &report, &why);
	log_stats(st, c, rc, errno, &report, &why);
}

static int
begin_stats(struct state *st, const struct conf *c)
{
	st->stats_path = rules_conf_stats(c);
	if (st->stats_path == NULL)
		return 0;
	st->stats = rules_stats_new(st->stats_path, st->rules);
	if (st->stats == NULL)
		return ERR_NOMEM;
	write_counts(st, c);
	return 0;
}

/* For `postern -n`: warn of what the daemon would log. */
static void
try_stats(struct state *st, const struct conf *c)
{
	const char *path =
	    conf_faulty(c, "RuleStats") ? NULL : rules_conf_stats(c);
	struct errmsg why = {.text = ""};
	const char *foreign = NULL;
	int rc = path == NULL ? 0 : rules_stats_try(path, &foreign, &why);

	if (rc != 0)
		log_stats(st, c, rc, errno, NULL, &why);
	else if (foreign != NULL)
		conf_odd(c, "rules: RuleStats: %s: %s; a start keeps "
		    "it as %s.bad-TIME", path, foreign, path);
}

bool
rules_write_counts(const struct snapshot *snap)
{
	struct state *st = snapshot_state(snap, &stage_rules);

	if (st != NULL)
		write_counts(st, NULL);
	return st != NULL && st->stats != NULL;
}

/* -- loading -- */

static void
rules_unload(void *state)
{
	struct state *st = state;

	write_counts(st, NULL);
	rules_stats_free(st->stats);
	rules_free(st->rules);
	pslist_free(st->tlds);
	free(st);
}

static void
load_limits(const struct conf *c, const char *const *words, struct limits *l)
{
	for (size_t i = 0; i < ACTIONS + 1; i++) {
		const struct rules_limit *given =
		    conf_value(c, words[i], sizeof(*given));

		if (given != NULL)
			*(i < ACTIONS ? &l->action[i] : &l->tag) = *given;
		l->any |= conf_given(c, words[i]);
	}
}

const struct rules *
rules_in_force(const struct snapshot *snap)
{
	const struct state *st = snapshot_state(snap, &stage_rules);

	return st == NULL ? NULL : st->rules;
}

/* Log a mistake as a warning, since the files are accepted.  What is wrong with
 * a file as a whole is logged at the place of the keyword that names it. */
static void
warn_of(const struct conf *c, const struct rules_mistake *m)
{
	struct rules_mistake shown = *m;
	struct buf b = BUF_INIT;

	shown.severity = RULES_WARNING;
	if (m->line > 0)
		rules_conf_print(&b, &shown);
	else
		buf_printf(&b, "%s: RuleFile: %s: %s",
		    conf_multi_where(c, "RuleFile", m->source), m->file,
		    m->text);
	if (buf_text(&b) != NULL)
		conf_odd(c, "%s", buf_text(&b));
	buf_fini(&b);
}

/* Warn of what is odd in the files: first of rules that are lost, then of the
 * rest.  Names that no rule has are only counted. */
static void
warn(const struct conf *c, const struct rules *rules)
{
	const struct rules_mistake *m;
	size_t all = rules_warnings(rules, false), count = 0;
	size_t dangling = rules_warnings(rules, true);

	for (int lost = 1; lost >= 0; lost--) {
		for (size_t i = 0; (m = rules_mistake(rules, i)) != NULL; i++) {
			if (m->severity == RULES_NOTICE || m->dangling ||
			    (m->rule != NULL) != lost)
				continue;
			/* Those without a line are few, and not counted: they
			 * concern the configuration. */
			if (m->line > 0 && count++ >= WARNINGS_MAX)
				continue;
			warn_of(c, m);
			all--;
		}
	}
	if (all > 0)
		conf_odd(c,
		    "rules: %zu more warnings, see `posternctl rules lint`",
		    all);
	if (dangling > 0)
		conf_odd(c,
		    "rules: names in scores and metas that no rule has: %zu, "
		    "see `posternctl rules lint`",
		    dangling);
}

static int
open_suffixes(
    const struct conf *c, struct pslist **list_r, struct errmsg *msg_r)
{
	struct errmsg why;
	int rc =
	    pslist_open(conf_str(c, "PublicSuffixList"), list_r, &why);

	if (rc != 0 && rc != ERR_NOMEM)
		errmsg_wrap(msg_r, &why, "%s: PublicSuffixList: ",
		    conf_where(c, "PublicSuffixList"));
	return rc;
}

static int
rules_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	struct state *st = calloc(1, sizeof(*st));
	int rc;

	(void)old;
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	load_limits(c, keywords[DIRECTION_INBOUND],
	    &st->limits[DIRECTION_INBOUND]);
	load_limits(c, keywords[DIRECTION_OUTBOUND],
	    &st->limits[DIRECTION_OUTBOUND]);
	st->time_ns = conf_int(c, "RuleTimeout") * NS;
	rc = rules_conf_load(c, &st->rules, msg_r);
	if (rc != 0)
		return rc;
	if (st->rules == NULL && !st->limits[0].any && !st->limits[1].any) {
		rules_unload(st);
		*state_r = NULL;
		return 0;
	}
	if (!conf_given(c, "TagScore"))
		st->limits[DIRECTION_INBOUND].tag = (struct rules_limit){true,
		    st->rules == NULL
			? 5
			: rules_settings(st->rules)->required_score};
	if (st->rules == NULL)
		return 0;
	if (rules_want_body(st->rules))
		rc = open_suffixes(c, &st->tlds, msg_r);
	/* Warnings only for a configuration without mistakes. */
	if (rc != 0 || errlist_count(conf_list(c)) > 0 ||
	    (snap->offline && !snap->trial))
		return rc;
	warn(c, st->rules);
	if (!snap->trial)
		return begin_stats(st, c);
	try_stats(st, c);
	return 0;
}

/* -- the input of the rules -- */

static const char *const *
fact_names(struct message *m)
{
	const char **names;
	size_t n = 0;

	for (const struct symbol *s = m->symbols; s != NULL; s = s->next)
		n++;
	names = arena_alloc(&m->arena, (n + 1) * sizeof(*names));
	n = 0;
	for (const struct symbol *s = m->symbols; names != NULL && s != NULL;
	     s = s->next)
		names[n++] = s->name;
	return names;
}

static const char *const *
dkim_domains(struct message *m)
{
	size_t count = m->dkim == NULL ? 0 : m->dkim->count, n = 0;
	const char **list =
	    arena_alloc(&m->arena, (count + 1) * sizeof(*list));

	for (size_t i = 0; list != NULL && i < count; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		if (v->status == DKIM_STATUS_PASS && v->domain != NULL)
			list[n++] = v->domain;
	}
	return list;
}

static const char *const *
recipients(struct message *m)
{
	const char **list = arena_alloc(
	    &m->arena, (m->rcpt_count + 1) * sizeof(*list));
	size_t n = 0;

	for (const struct rcpt *r = m->rcpts; list != NULL && r != NULL;
	     r = r->next) {
		if (!r->refused)
			list[n++] = r->addr;
	}
	return list;
}

/* The Received field that the MTA will put on top; *here_r NULL: the client is
 * not known, so the rules see only the message's own fields.  0 or
 * ERR_NOMEM. */
static int
here(struct message *m, const struct relay_here **here_r)
{
	const struct session *s = m->session;
	struct relay_here *h;

	*here_r = NULL;
	if (s->client_ip[0] == '\0')
		return 0;
	h = arena_alloc(&m->arena, sizeof(*h));
	if (h == NULL)
		return ERR_NOMEM;
	*h = (struct relay_here){.ip = s->client_ip,
	    .rdns = s->client_name,
	    .helo = s->helo,
	    .by = s->host,
	    .envfrom = m->sender,
	    .id = m->queue_id,
	    .auth = m->login == NULL ? "" : "ESMTPA"};
	*here_r = h;
	return 0;
}

static bool
tell(const struct ctx *ctx, struct rules_input *in)
{
	struct state *st = ctx->state;
	struct message *m = ctx->m;
	const struct session *s = ctx->s;
	unsigned nth = atomic_fetch_add_explicit(
	    &st->messages, 1, memory_order_relaxed);
	const struct buf *body = *message_slot(ctx);

	*in = (struct rules_input){.arena = &m->arena,
	    .headers = &m->headers,
	    .body = body != NULL       ? buf_text(body)
		    : st->tlds != NULL ? ""
				       : NULL,
	    .body_len = body == NULL ? 0 : body->len,
	    .tlds = st->tlds,
	    .sender = m->sender,
	    .helo = s->helo,
	    .client_ip = s->client_ip[0] == '\0' ? NULL : s->client_ip,
	    .client_name = s->client_name,
	    .login = m->login,
	    .recipients = recipients(m),
	    .body_total = m->body_bytes,
	    .facts = fact_names(m),
	    .dkim_domains = dkim_domains(m),
	    .now = message_time(m),
	    .clock = clock_ns,
	    /* posternctl rules list needs the time of every rule. */
	    .timed = s->snap->offline || nth % TIMED_EVERY == 0,
	    .deadline_ns = clock_ns() + st->time_ns};
	return here(m, &in->here) == 0 && in->recipients != NULL &&
	    in->facts != NULL && in->dkim_domains != NULL;
}

/* -- the result -- */

/* Apply score lines of the rule files to the symbols of checks. */
static void
rescore(const struct rules *rules, struct message *m)
{
	for (struct symbol *s = m->symbols; s != NULL; s = s->next)
		rules_rescore(rules, s->name, &s->score);
}

/* If a check and a rule have a symbol of the same name, the rule's score
 * counts. */
static int
keep_hits(struct message *m, const struct rules_result *r)
{
	for (const struct rules_hit *h = r->hits; h != NULL; h = h->next) {
		struct symbol *s = m->symbols;

		if (h->sub)
			continue;
		while (s != NULL && strcmp(s->name, h->name) != 0)
			s = s->next;
		if (s == NULL) {
			if (message_symbol(m, h->name, h->score) != 0)
				return ERR_NOMEM;
			s = m->last_symbol;
		}
		s->score = h->score;
		s->times = h->times;
		s->match = h->matched.data;
		s->match_len = h->matched.len;
	}
	return 0;
}

static void
complain(const struct ctx *ctx, const struct rules_result *r)
{
	for (size_t i = 0; r->limited != NULL && r->limited[i] != NULL; i++)
		log_about(ctx, LOG_WARNING, "rule %s ran into its match limit",
		    r->limited[i]);
	if (r->late)
		log_about(ctx, LOG_WARNING,
		    "not all rules were run within RuleTimeout");
}

static int
score(const struct ctx *ctx)
{
	struct state *st = ctx->state;
	struct message *m = ctx->m;
	struct rules_result *r = arena_alloc(&m->arena, sizeof(*r));
	struct rules_input in;

	if (r == NULL || !tell(ctx, &in) || rules_run(st->rules, &in, r) != 0)
		return ERR_NOMEM;
	m->rules = r;
	complain(ctx, r);
	rescore(st->rules, m);
	return keep_hits(m, r);
}

static bool
reached(const struct rules_limit *l, double sum)
{
	return l->on && sum >= l->score;
}

static int
mark(const struct state *st, struct message *m, double sum, bool held)
{
	const struct limits *l = &st->limits[m->direction];
	bool inbound = m->direction == DIRECTION_INBOUND;
	struct spam_mark mark = {.spam = reached(&l->tag, sum),
	    .score = sum,
	    .required = l->tag.on ? l->tag.score : 5};
	/* Outbound mail is left as it is, unless it is held or marked: then it
	 * gets fields that show the reason, in place of those that it has. */
	bool tagged = mark.spam, marked = inbound || mark.spam || held;
	unsigned removed = 0;
	int rc = 0;

	if (!inbound && held && !l->tag.on) {
		mark.spam = true;
		mark.required = l->action[QUARANTINE].score;
	}
	if (st->rules != NULL)
		mark.tag = rules_settings(st->rules)->subject_tag;
	if (marked)
		rc = spam_fields_remove(m, &removed);
	if (removed > 0)
		message_note(m, "spam_removed", "%u", removed);
	if (rc == 0 && marked)
		rc = spam_fields_add(m, &mark);
	if (rc == 0 && tagged && mark.tag != NULL)
		rc = spam_fields_subject(m, &mark);
	return rc;
}

static void
explain(const struct ctx *ctx, double sum)
{
	struct message *m = ctx->m;
	struct session *s = ctx->s;

	if (!s->explains)
		return;
	for (const struct rules_hit *h = m->rules == NULL ? NULL
							  : m->rules->hits;
	     h != NULL; h = h->next) {
		const char *text = h->matched.data == NULL
		    ? NULL
		    : arena_memdup(&m->arena, h->matched.data,
			  h->matched.len < MATCH_MAX ? h->matched.len
						     : MATCH_MAX);

		session_why(ctx, "rule %s hits: %.3g%s%s", h->name, h->score,
		    text == NULL ? "" : ", by ",
		    text == NULL ? "" : session_quote(ctx, text));
	}
	session_why(ctx, "the sum of all scores is %.1f", sum);
}

/* Of the limits that the sum reaches, the one with the severest action
 * decides. */
static struct verdict
decide(const struct state *st, struct message *m, double sum)
{
	const struct limits *l = &st->limits[m->direction];
	const struct rules_limit *best = NULL;
	enum verdict_action action = VERDICT_NONE;
	struct verdict v;
	const char *text;

	for (size_t i = 0; i < ACTIONS; i++) {
		if (reached(&l->action[i], sum) &&
		    (best == NULL || l->action[i].score > best->score)) {
			best = &l->action[i];
			action = actions[i];
		}
	}
	if (best == NULL)
		return verdict_none;
	text = arena_printf(&m->arena,
	    action == VERDICT_QUARANTINE
		? "score %.1f of %.1f"
		: "The message looks like spam (score %.1f of %.1f)",
	    sum, best->score);
	v = verdict_make(action, text);
	v.why = arena_printf(&m->arena,
	    "the score %.1f reaches %s, which is %.1f", sum,
	    keywords[m->direction][best - l->action], best->score);
	return v;
}

/* Rules see only the beginning of a long body. */
static struct verdict
rules_body(const struct ctx *ctx, const unsigned char *data, size_t len)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct buf *b = *message_slot(ctx);

	if (st->tlds == NULL)
		return verdict_none;
	if (b == NULL) {
		*message_slot(ctx) = b = arena_alloc(&m->arena, sizeof(*b));
		if (b == NULL)
			return verdict_error(VERDICT_E_INTERNAL, "no memory");
	}
	if (len > MIME_BODY_DEFAULT - b->len)
		len = MIME_BODY_DEFAULT - b->len;
	buf_add(b, data, len);
	return b->failed ? verdict_error(VERDICT_E_INTERNAL, "no memory")
			 : verdict_none;
}

static void
rules_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct buf *b = *message_slot(ctx);

	(void)outcome;
	if (b != NULL)
		buf_fini(b);
}

static struct verdict
rules_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct state *st = ctx->state;
	struct verdict v;
	double sum;

	if (st->rules != NULL && score(ctx) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	sum = message_score(m);
	message_note(m, "score", "%.1f", sum);
	m->scored = true;
	explain(ctx, sum);
	v = decide(st, m, sum);
	if (mark(st, m, sum, v.action == VERDICT_QUARANTINE) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return v;
}

/* Rules that never score by themselves are no symbols: `__` rules, and those
 * that are off. */
static bool
rules_defines(const void *state, const char *symbol)
{
	const struct state *st = state;
	struct rules_info info;

	for (size_t i = 0; st->rules != NULL && rules_info(st->rules, i, &info);
	     i++) {
		if (info.runs && strncmp(symbol, "__", 2) != 0 &&
		    strcmp(info.name, symbol) == 0)
			return true;
	}
	return false;
}

const struct stage stage_rules = {
    .name = "rules",
    .off = "RuleFile names no rules, and no score decides",
    .defines = rules_defines,
    .check = true,
    .needs = NEED_EXACT_HEADERS | NEED_QUARANTINE,
    .edits =
	EDIT_BIT(EDIT_INSERT) | EDIT_BIT(EDIT_CHANGE) | EDIT_BIT(EDIT_DELETE),
    .options = CONF_TABLE(options),
    .load = rules_load,
    .unload = rules_unload,
    .body = rules_body,
    .eom = rules_eom,
    .done = rules_done,
};
