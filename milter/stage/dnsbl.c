/*
 * Query DNS lists (RFC 5782) about the client and domains of inbound mail.
 * Writes m->dnsbl, adds symbols for listings, and refuses where Action says so.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * No query is sent before MAIL.  Only then is it known whether the client has
 * logged in, and lists must not be queried about users of this host: they have
 * dynamic addresses, which lists contain on purpose.
 *
 * A list counts only while it works (lib/dns/dnsbl_health.h), and so not before
 * its first self-test has passed: a wrong refusal does more harm than a missed
 * listing.  If a query fails, the list does not count for the mail; On-DNSError
 * has no effect on lists.
 */
#include <stdlib.h>
#include <string.h>

#include "dnsbl_conf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "lib/dns/dnsbl_health.h"
#include "lib/dns/idna.h"
#include "lib/mail/addr.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/problems.h"
#include "milter/snapshot.h"
#include "milter/stages.h"


struct state {
	struct dnsbl_conf conf;
	const struct resolver *resolver; /* the resolver that queries the
	    lists */
};

/* A query of one list about one thing. */
struct lookup {
	const struct dnsbl_list *list;
	unsigned asks; /* DNSBL_ASK_BIT()s: as what the thing is queried */
	const char *about, *name;
	struct dns_query *query; /* NULL: it was not sent */
	struct dnsbl_answer answer;
	bool weighed, hit;
	struct lookup *next;
};

struct job {
	struct lookup *first, **end;
	struct dnsbl_finding *found, **found_end;
};

/* -- the configuration -- */

static void
dnsbl_unload(void *state)
{
	struct state *st = state;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		dnsbl_test_free(st->conf.lists[i].selftest);
		dnsbl_health_unref(st->conf.lists[i].health);
	}
	dnsbl_conf_fini(&st->conf);
	free(st);
}

static const struct state *
state_of(const struct snapshot *snap)
{
	return snapshot_state(snap, &stage_dnsbl);
}

/* The state that a list had before the reload, unless the resolver is another
 * one: through that the list may answer differently. */
static struct dnsbl_health *
health_of(const struct state *st, const struct state *before,
    const struct dnsbl_list *l)
{
	if (before == NULL || before->resolver != st->resolver)
		return dnsbl_health_new();
	for (size_t i = 0; i < before->conf.list_count; i++) {
		const struct dnsbl_list *b = &before->conf.lists[i];

		if (b->kind == l->kind && strcmp(b->zone, l->zone) == 0 &&
		    strcmp(b->test == NULL ? "" : b->test,
			l->test == NULL ? "" : l->test) == 0)
			return dnsbl_health_ref(b->health);
	}
	return dnsbl_health_new();
}

static int
dnsbl_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct state *before = state_of(old);
	struct state *st = calloc(1, sizeof(*st));
	int rc;

	if (st == NULL)
		return ERR_NOMEM;
	st->resolver = snap->resolver;
	rc = dnsbl_conf_init(&st->conf, snap->conf, msg_r);
	for (size_t i = 0; rc == 0 && i < st->conf.list_count; i++) {
		st->conf.lists[i].health =
		    health_of(st, before, &st->conf.lists[i]);
		if (st->conf.lists[i].health == NULL)
			rc = ERR_NOMEM;
	}
	if (rc != 0 || st->conf.count == 0 || snap->dns == NULL) {
		dnsbl_unload(st);
		return rc;
	}
	*state_r = st;
	return 0;
}

/* -- self-tests -- */

static const char *
kind_word(const struct dnsbl_list *l)
{
	static const char *const words[] = {
	    [DNSBL_IP4] = "IPv4 addresses",
	    [DNSBL_IP6] = "IPv6 addresses",
	    [DNSBL_DOMAIN] = "domains",
	};

	return words[l->kind];
}

static void
log_off(const struct dnsbl_list *l, const struct errmsg *why)
{
	dnsbl_health_note(l->health, why);
	log_line(LOG_WARNING,
	    "dnsbl: %s: switched off for %s until a later self-test passes: "
	    "%s",
	    l->zone, kind_word(l), why->text);
}

/* Log that the list is in use.  Also name codes of its test entry that no
 * section counts: they often belong to another list. */
static void
log_on(const struct snapshot *snap, const struct dnsbl_list *l)
{
	const struct state *st = state_of(snap);
	const struct dnsbl_answer *answer = dnsbl_test_heard(l->selftest);
	char text[DNSBL_CODE_SIZE];
	struct buf b = BUF_INIT;
	bool counts = false;

	for (size_t i = 0; i < answer->count; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ",
		    dnsbl_code_text(answer->codes[i], text));
	for (size_t i = 0; i < st->conf.count; i++) {
		const struct dnsbl_section *s = &st->conf.sections[i];

		for (size_t j = 0; j < answer->count; j++)
			counts |= s->lists[l->kind] == l &&
				  dnsbl_conf_counts(s, answer->codes[j]);
	}
	if (!counts || !snap->offline)
		log_line(counts ? LOG_INFO : LOG_WARNING,
		    "dnsbl: %s: in use for %s: its test entry answers %s%s",
		    l->zone, kind_word(l),
		    buf_text(&b) == NULL ? "" : buf_text(&b),
		    counts ? "" : ", which no Codes counts");
	buf_fini(&b);
}

static void
log_change(const struct snapshot *snap, const struct dnsbl_list *l,
    const struct errmsg *why)
{
	switch (dnsbl_health_state(l->health)) {
	case DNSBL_OFF:
		log_off(l, why);
		break;
	case DNSBL_WORKS:
		log_on(snap, l);
		break;
	case DNSBL_ABSENT:
		if (!snap->offline)
			log_line(LOG_INFO,
			    "dnsbl: %s: not in use for %s: it "
			    "has no test entry for them",
			    l->zone, kind_word(l));
		break;
	default:
		break;
	}
}

/* False: there was no memory; try again later. */
static bool
have_selftest(const struct snapshot *snap, struct dnsbl_list *l)
{
	if (l->selftest == NULL)
		l->selftest = dnsbl_test_new(
		    l->health, snap->dns, l->kind, l->zone, l->test);
	return l->selftest != NULL;
}

/* Start the self-tests that are due, and collect the results of others.
 * Returns as a tick hook. */
static int64_t
run_selftests(const struct snapshot *snap, const struct state *st)
{
	int64_t now = clock_ms(), wait = DNSBL_TEST_AGAIN_MS;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		struct dnsbl_list *l = &st->conf.lists[i];
		struct errmsg why = {.text = ""};
		int64_t ms;

		if (!have_selftest(snap, l))
			continue;
		if (dnsbl_test_go(l->selftest, now, &why))
			log_change(snap, l, &why);
		ms = dnsbl_test_wait(l->selftest, now);
		if (ms < wait)
			wait = ms;
	}
	return wait;
}

static int64_t
dnsbl_tick(const struct snapshot *snap, void *state)
{
	return run_selftests(snap, state);
}

/* Off line no tick is called: run the self-tests to their end before the first
 * query. */
static void
end_tests(const struct ctx *ctx)
{
	const struct message *m = ctx->m;
	const struct snapshot *snap = ctx->s->snap;
	const struct state *st = ctx->state;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		struct dnsbl_list *l = &st->conf.lists[i];
		struct errmsg why = {.text = ""};

		if (have_selftest(snap, l) &&
		    dnsbl_test_finish(
			l->selftest, clock_ms(), &m->session->wait, &why))
			log_change(snap, l, &why);
	}
}

/* -- queries -- */

static struct lookup *
find_question(struct job *job, const struct dnsbl_list *l, const char *name)
{
	for (struct lookup *q = job->first; q != NULL; q = q->next) {
		if (q->list == l && strcmp(q->name, name) == 0)
			return q;
	}
	return NULL;
}

/* Query the list, unless the same query was sent already. */
static int
query_list(struct message *m, struct job *job, const struct dnsbl_list *l,
    enum dnsbl_ask ask, const char *about, const char *name)
{
	struct lookup *q = find_question(job, l, name);
	enum dnsbl_state state = dnsbl_health_state(l->health);

	if (q == NULL) {
		q = arena_alloc(&m->arena, sizeof(*q));
		if (q == NULL)
			return ERR_NOMEM;
		q->list = l;
		q->about = about;
		q->name = arena_strdup(&m->arena, name);
		if (q->name == NULL)
			return ERR_NOMEM;
		q->answer.status = DNSBL_NOT_ASKED;
		if (state == DNSBL_WORKS || state == DNSBL_UNTESTED)
			q->query =
			    dns_start(m->session->snap->dns, q->name, DNS_A);
		*job->end = q;
		job->end = &q->next;
	}
	q->asks |= DNSBL_ASK_BIT(ask);
	return 0;
}

static int
query_address(const struct ctx *ctx, struct job *job)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const struct session *s = ctx->s;
	enum dnsbl_kind kind =
	    s->client.family == HOST_IP6 ? DNSBL_IP6 : DNSBL_IP4;
	char name[DNSBL_NAME_SIZE];
	int rc = 0;

	if (!host_is_public(&s->client))
		return 0;
	for (size_t i = 0; rc == 0 && i < st->conf.list_count; i++) {
		const struct dnsbl_list *l = &st->conf.lists[i];

		if (l->kind == kind &&
		    dnsbl_health_state(l->health) != DNSBL_ABSENT &&
		    dnsbl_name_ip(&s->client, l->zone, name))
			rc = query_list(
			    m, job, l, DNSBL_ASK_IP, s->client_ip, name);
	}
	return rc;
}

/* Query lists about the domain in the text; NULL and "" are none. */
static int
query_domain(const struct ctx *ctx, struct job *job, enum dnsbl_ask ask,
    const char *domain)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const char *about = NULL;
	char name[DNSBL_NAME_SIZE];
	int rc = domain == NULL ? 0 : idna_ascii(&m->arena, domain, &about);

	if (about == NULL)
		return rc == ERR_NOMEM ? rc : 0;
	for (size_t i = 0; rc == 0 && i < st->conf.list_count; i++) {
		const struct dnsbl_list *l = &st->conf.lists[i];

		if (l->kind == DNSBL_DOMAIN && l->asks & DNSBL_ASK_BIT(ask) &&
		    dnsbl_name_domain(about, l->zone, name))
			rc = query_list(m, job, l, ask, about, name);
	}
	return rc;
}

static struct verdict
no_memory(void)
{
	return verdict_error(VERDICT_E_INTERNAL, "no memory");
}

static struct verdict
dnsbl_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct session *s = ctx->s;
	struct addr sender = {.domain = NULL};
	struct job *job;

	if (m->direction != DIRECTION_INBOUND || s->snap->dns == NULL)
		return verdict_none;
	job = arena_alloc(&m->arena, sizeof(*job));
	if (job == NULL)
		return no_memory();
	job->end = &job->first;
	job->found_end = &job->found;
	*message_slot(ctx) = job;
	if (s->snap->offline)
		(void)run_selftests(s->snap, ctx->state);
	if (m->sender[0] != '\0' &&
	    addr_split(&m->arena, m->sender, &sender) != 0)
		return no_memory();
	if (query_address(ctx, job) != 0 ||
	    query_domain(ctx, job, DNSBL_ASK_HELO, s->helo) != 0 ||
	    query_domain(ctx, job, DNSBL_ASK_RDNS, s->client_name) != 0 ||
	    query_domain(ctx, job, DNSBL_ASK_MAILFROM, sender.domain) != 0)
		return no_memory();
	return verdict_none;
}

static struct verdict
dnsbl_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct author *who = &m->author;
	struct job *job = *message_slot(ctx);

	for (size_t i = 0; job != NULL && i < who->domain_count; i++) {
		if (query_domain(
			ctx, job, DNSBL_ASK_FROM, who->domains[i]) != 0)
			return no_memory();
	}
	return verdict_none;
}

/* -- answers -- */

static struct dnsbl_finding *
add_finding(struct message *m, struct job *job, const struct lookup *q)
{
	struct dnsbl_finding *f = arena_alloc(&m->arena, sizeof(*f));

	if (f == NULL)
		return NULL;
	f->zone = q->list->zone;
	f->about = q->about;
	f->asked = q->name;
	f->answer = q->answer;
	*job->found_end = f;
	job->found_end = (struct dnsbl_finding **)&f->next;
	return f;
}

/* Add the findings and symbols for what a section counts of an answer. */
static int
count_answer(struct message *m, struct job *job, const struct dnsbl_section *s,
    struct lookup *q)
{
	struct dnsbl_answer counts = {.status = DNSBL_LISTED};
	struct dnsbl_finding *f;

	if (s->lists[q->list->kind] != q->list || (s->asks & q->asks) == 0)
		return 0;
	for (size_t i = 0; i < q->answer.count; i++) {
		if (dnsbl_conf_counts(s, q->answer.codes[i]))
			counts.codes[counts.count++] = q->answer.codes[i];
	}
	if (counts.count == 0)
		return 0;
	q->hit = true;
	for (size_t i = 0; i < DNSBL_ASK_COUNT; i++) {
		if ((s->asks & q->asks & DNSBL_ASK_BIT(i)) == 0)
			continue;
		f = add_finding(m, job, q);
		if (f == NULL ||
		    message_symbol(m, s->symbols[i], s->score) != 0)
			return ERR_NOMEM;
		f->list = s->title;
		f->symbol = s->symbols[i];
		f->answer = counts;
	}
	return 0;
}

/* Take the answer.  A list that does not work is not waited for. */
static void
collect(struct message *m, struct lookup *q)
{
	if (q->query == NULL ||
	    dnsbl_health_state(q->list->health) != DNSBL_WORKS)
		return;
	dnsbl_read(
	    dns_collect(m->session->snap->dns, q->query, &m->session->wait),
	    &q->answer);
}

/* The network of the client, which MaxShare counts once.  Otherwise one client
 * could have a list switched off, by sending many listed domains, or from many
 * addresses of its /64. */
static const char *
client_net(const struct session *s, char text[HOST_TEXT_SIZE])
{
	struct host net = s->client;

	if (net.family != HOST_IP6)
		return s->client_ip;
	memset(net.octets + 8, 0, 8);
	return host_text(&net, text);
}

/* Report the answer to the list's health. */
static void
report_health(const struct message *m, const struct lookup *q)
{
	char text[HOST_TEXT_SIZE];
	struct errmsg why;

	if (q->answer.status != DNSBL_NOT_ASKED && !m->session->snap->offline &&
	    dnsbl_health_tell(q->list->health, client_net(m->session, text),
		&q->answer, q->hit, q->list->share_max, clock_ms(), &why))
		log_off(q->list, &why);
}

static void
note(struct message *m, const struct dnsbl_finding *found)
{
	struct buf b = BUF_INIT;
	char text[DNSBL_CODE_SIZE];

	for (const struct dnsbl_finding *f = found; f != NULL; f = f->next) {
		if (f->list == NULL)
			continue;
		buf_printf(&b, "%s%s", b.len == 0 ? "" : ",", f->symbol);
		for (size_t i = 0; i < f->answer.count; i++)
			buf_printf(&b, "/%s",
			    dnsbl_code_text(f->answer.codes[i], text));
	}
	if (b.len > 0 && buf_text(&b) != NULL)
		message_note(m, "dnsbl", "%s", buf_text(&b));
	buf_fini(&b);
}

static void
explain(const struct ctx *ctx, const struct dnsbl_finding *found)
{
	struct session *s = ctx->s;
	char text[DNSBL_CODE_SIZE];

	for (const struct dnsbl_finding *f = found; s->explains && f != NULL;
	     f = f->next)
		session_why(ctx, "%s says of %s: %s%s%s", f->zone,
		    session_quote(ctx, f->about),
		    dnsbl_status_word(f->answer.status),
		    f->answer.count == 0 ? "" : " ",
		    f->answer.count == 0
			? ""
			: dnsbl_code_text(f->answer.codes[0], text));
}

/* The refusal of the first section that has one, in the order of the
 * configuration. */
static struct verdict
decide(struct message *m, const struct state *st,
    const struct dnsbl_finding *found)
{
	for (size_t i = 0; i < st->conf.count; i++) {
		const struct dnsbl_section *s = &st->conf.sections[i];
		struct verdict v;
		const char *text;

		if (s->action == VERDICT_NONE)
			continue;
		for (const struct dnsbl_finding *f = found; f != NULL;
		     f = f->next) {
			if (f->list != s->title)
				continue;
			text = dnsbl_conf_reply(
			    s, &m->arena, f->about, f->answer.codes[0]);
			if (text == NULL)
				return no_memory();
			v = verdict_make(s->action, text);
			v.symbol = f->symbol;
			return v;
		}
	}
	return verdict_none;
}

/* Count an answer for every section. */
static int
count_for_sections(struct message *m, const struct state *st, struct job *job,
    struct lookup *q)
{
	q->weighed = true;
	for (size_t i = 0; i < st->conf.count; i++) {
		if (count_answer(m, job, &st->conf.sections[i], q) != 0)
			return ERR_NOMEM;
	}
	return q->hit || add_finding(m, job, q) != NULL ? 0 : ERR_NOMEM;
}

/* Collect and count all queries that are not counted yet: in the phase that
 * RefuseAt names, and at the end those that the header added. */
static struct verdict
dnsbl_judge(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct job *job = *message_slot(ctx);
	struct dnsbl_finding **from;

	if (job == NULL || job->first == NULL)
		return verdict_none;
	from = job->found_end;
	if (ctx->s->snap->offline)
		end_tests(ctx);
	for (struct lookup *q = job->first; q != NULL; q = q->next) {
		if (!q->weighed)
			collect(m, q);
	}
	for (struct lookup *q = job->first; q != NULL; q = q->next) {
		if (q->weighed)
			continue;
		if (count_for_sections(m, st, job, q) != 0)
			return no_memory();
		report_health(m, q);
	}
	m->dnsbl = job->found;
	note(m, *from);
	explain(ctx, *from);
	return decide(m, st, *from);
}

static void
dnsbl_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct job *job = *message_slot(ctx);

	(void)outcome;
	for (struct lookup *q = job == NULL ? NULL : job->first; q != NULL;
	     q = q->next)
		dns_drop(ctx->s->snap->dns, q->query);
}

static bool
dnsbl_defines(const void *state, const char *symbol)
{
	const struct state *st = state;

	for (size_t i = 0; i < st->conf.count; i++) {
		const struct dnsbl_section *s = &st->conf.sections[i];

		for (size_t j = 0; j < DNSBL_ASK_COUNT; j++) {
			if (s->symbols[j] != NULL &&
			    strcmp(s->symbols[j], symbol) == 0)
				return true;
		}
	}
	return false;
}

/* -- for who watches -- */

/* Has an earlier list the zone too, for another kind of things? */
static bool
is_told(const struct state *st, size_t i)
{
	for (size_t j = 0; j < i; j++) {
		if (strcmp(st->conf.lists[j].zone, st->conf.lists[i].zone) == 0)
			return true;
	}
	return false;
}

enum number { LIST_UP, LIST_QUESTIONS, LIST_LISTED, LIST_FAILED };

/* Of all kinds of the zone together. */
static double
number_of(const struct state *st, const char *zone, enum number which)
{
	struct dnsbl_counts sum = {0}, one;
	bool works = false, off = false;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		const struct dnsbl_list *l = &st->conf.lists[i];

		if (strcmp(l->zone, zone) != 0)
			continue;
		dnsbl_health_counts(l->health, &one);
		sum.questions += one.questions;
		sum.listed += one.listed;
		sum.failed += one.failed;
		works |= dnsbl_health_state(l->health) == DNSBL_WORKS;
		off |= dnsbl_health_state(l->health) == DNSBL_OFF;
	}
	switch (which) {
	case LIST_UP:
		return works && !off;
	case LIST_QUESTIONS:
		return (double)sum.questions;
	case LIST_LISTED:
		return (double)sum.listed;
	case LIST_FAILED:
		break;
	}
	return (double)sum.failed;
}

static void
tell_lists(const struct state *st, struct metrics *m, enum number which)
{
	for (size_t i = 0; i < st->conf.list_count; i++) {
		const char *zone = st->conf.lists[i].zone;

		if (!is_told(st, i))
			metrics_sample(
			    m, "list", zone, number_of(st, zone, which));
	}
}

static void
dnsbl_gauges(void *state, struct metrics *m)
{
	const struct state *st = state;

	metrics_family(m, "postern_dnsbl_up", METRIC_GAUGE,
	    "1: the DNS list passed its last self-test and is in use");
	tell_lists(st, m, LIST_UP);
	metrics_family(m, "postern_dnsbl_questions_total", METRIC_COUNTER,
	    "Questions of mail to the DNS list");
	tell_lists(st, m, LIST_QUESTIONS);
	metrics_family(m, "postern_dnsbl_listed_total", METRIC_COUNTER,
	    "Questions that the DNS list answered with a code that counts");
	tell_lists(st, m, LIST_LISTED);
	metrics_family(m, "postern_dnsbl_failures_total", METRIC_COUNTER,
	    "Questions to the DNS list that failed or that it refused");
	tell_lists(st, m, LIST_FAILED);
}

static void
dnsbl_problems(void *state, struct problems *p)
{
	const struct state *st = state;
	struct errmsg why;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		const struct dnsbl_list *l = &st->conf.lists[i];

		if (dnsbl_health_state(l->health) != DNSBL_OFF)
			continue;
		dnsbl_health_noted(l->health, &why);
		problems_add(p, false, "dnsbl",
		    "see what the list's page says, or remove its DNSBL "
		    "section; it comes back by itself when a self-test passes",
		    "%s: switched off for %s: %s", l->zone, kind_word(l),
		    why.text);
	}
}

const struct stage stage_dnsbl = {
    .name = "dnsbl",
    .off = "no DNSBL section names a list, or Mode has no v",
    .defines = dnsbl_defines,
    .check = true,
    .needs = NEED_QUARANTINE,
    .options = &dnsbl_conf_options,
    .load = dnsbl_load,
    .unload = dnsbl_unload,
    .mail = dnsbl_mail,
    .eoh = dnsbl_eoh,
    .eom = dnsbl_judge,
    .judge = dnsbl_judge,
    .done = dnsbl_done,
    .tick = dnsbl_tick,
    .gauges = dnsbl_gauges,
    .problems = dnsbl_problems,
};
