/*
 * DNS lists (RFC 5782) about the clients and domains of inbound mail: the fact
 * m->dnsbl, the symbols of what is listed, and a verdict where the
 * configuration asks for one.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Nothing is asked before MAIL.  Only there it is known whether the client has
 * logged in, and a list must never be asked about one's own users: their
 * addresses are dynamic ones, which lists have on purpose.
 *
 * A list counts for something while it works (lib/dns/dnsbl_health.h), so not
 * before its first self-test has passed: a mail that a broken list refused is
 * lost to its sender, one that it did not mark is one of many.  A failure of a
 * list is never a failure of the mail: On-DNSError has no part in it.
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
#include "milter/snapshot.h"
#include "milter/stages.h"


struct state {
	struct dnsbl_conf conf;
	const struct resolver *resolver; /* through which lists are seen */
};

/* Of one list about one thing. */
struct question {
	const struct dnsbl_list *list;
	unsigned asks; /* DNSBL_ASK_BIT()s: what it is */
	const char *about, *name;
	struct dns_query *query; /* NULL: it was not asked */
	struct dnsbl_answer answer;
	bool weighed, hit;
	struct question *next;
};

struct job {
	struct question *first, **end;
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

/* What is known of it from before a reload; through another resolver a list may
 * look different. */
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
say_off(const struct dnsbl_list *l, const struct errmsg *why)
{
	log_line(LOG_WARNING,
	    "dnsbl: %s: switched off for %s, until a later self-test passes: "
	    "%s",
	    l->zone, kind_word(l), why->text);
}

/* Codes that nobody counts are often those of another list. */
static void
say_on(const struct snapshot *snap, const struct dnsbl_list *l)
{
	const struct state *st = state_of(snap);
	const struct dnsbl_answer *heard = dnsbl_test_heard(l->selftest);
	char text[DNSBL_CODE_SIZE];
	struct buf b = BUF_INIT;
	bool counts = false;

	for (size_t i = 0; i < heard->count; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ",
		    dnsbl_code_text(heard->codes[i], text));
	for (size_t i = 0; i < st->conf.count; i++) {
		const struct dnsbl_section *s = &st->conf.sections[i];

		for (size_t j = 0; j < heard->count; j++)
			counts |= s->lists[l->kind] == l &&
				  dnsbl_conf_counts(s, heard->codes[j]);
	}
	if (!counts || !snap->offline)
		log_line(counts ? LOG_INFO : LOG_WARNING,
		    "dnsbl: %s: in use for %s: its test entry answers %s%s",
		    l->zone, kind_word(l),
		    buf_text(&b) == NULL ? "" : buf_text(&b),
		    counts ? "" : ", which no Codes of yours has");
	buf_fini(&b);
}

static void
say_change(const struct snapshot *snap, const struct dnsbl_list *l,
    const struct errmsg *why)
{
	switch (dnsbl_health_state(l->health)) {
	case DNSBL_OFF:
		say_off(l, why);
		break;
	case DNSBL_WORKS:
		say_on(snap, l);
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

/* False: no memory, this time. */
static bool
have_selftest(const struct snapshot *snap, struct dnsbl_list *l)
{
	if (l->selftest == NULL)
		l->selftest = dnsbl_test_new(
		    l->health, snap->dns, l->kind, l->zone, l->test);
	return l->selftest != NULL;
}

/* Begin those that are due, see what came of others. */
static int64_t
go_on(const struct snapshot *snap, const struct state *st)
{
	int64_t now = clock_ms(), wait = DNSBL_TEST_AGAIN_MS;

	for (size_t i = 0; i < st->conf.list_count; i++) {
		struct dnsbl_list *l = &st->conf.lists[i];
		struct errmsg why = {.text = ""};
		int64_t ms;

		if (!have_selftest(snap, l))
			continue;
		if (dnsbl_test_go(l->selftest, now, &why))
			say_change(snap, l, &why);
		ms = dnsbl_test_wait(l->selftest, now);
		if (ms < wait)
			wait = ms;
	}
	return wait;
}

static int64_t
dnsbl_tick(const struct snapshot *snap, void *state)
{
	return go_on(snap, state);
}

/* Off line nobody ticks, and there is one thread: mail begins the self-tests,
 * and waits for them. */
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
			say_change(snap, l, &why);
	}
}

/* -- asking -- */

static struct question *
find_question(struct job *job, const struct dnsbl_list *l, const char *name)
{
	for (struct question *q = job->first; q != NULL; q = q->next) {
		if (q->list == l && strcmp(q->name, name) == 0)
			return q;
	}
	return NULL;
}

/* One that is asked twice is asked once. */
static int
ask_list(struct message *m, struct job *job, const struct dnsbl_list *l,
    enum dnsbl_ask ask, const char *about, const char *name)
{
	struct question *q = find_question(job, l, name);
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
ask_address(const struct ctx *ctx, struct job *job)
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
			rc = ask_list(
			    m, job, l, DNSBL_ASK_IP, s->client_ip, name);
	}
	return rc;
}

/* As much of it as is a domain; NULL and "" are none. */
static int
ask_domain(const struct ctx *ctx, struct job *job, enum dnsbl_ask ask,
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
			rc = ask_list(m, job, l, ask, about, name);
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
		(void)go_on(s->snap, ctx->state);
	if (m->sender[0] != '\0' &&
	    addr_split(&m->arena, m->sender, &sender) != 0)
		return no_memory();
	if (ask_address(ctx, job) != 0 ||
	    ask_domain(ctx, job, DNSBL_ASK_HELO, s->helo) != 0 ||
	    ask_domain(ctx, job, DNSBL_ASK_RDNS, s->client_name) != 0 ||
	    ask_domain(ctx, job, DNSBL_ASK_MAILFROM, sender.domain) != 0)
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
		if (ask_domain(ctx, job, DNSBL_ASK_FROM, who->domains[i]) != 0)
			return no_memory();
	}
	return verdict_none;
}

/* -- what they answered -- */

static struct dnsbl_finding *
add_finding(struct message *m, struct job *job, const struct question *q)
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

/* What of an answer one section counts. */
static int
weigh(struct message *m, struct job *job, const struct dnsbl_section *s,
    struct question *q)
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

/* A list that does not work is not waited for. */
static void
collect(struct message *m, struct question *q)
{
	if (q->query == NULL ||
	    dnsbl_health_state(q->list->health) != DNSBL_WORKS)
		return;
	dnsbl_read(
	    dns_collect(m->session->snap->dns, q->query, &m->session->wait),
	    &q->answer);
}

/* Whom a share counts once: otherwise one client could show as many listed
 * domains as it takes, or addresses of its /64, to have the list switched off. */
static const char *
client_net(const struct session *s, char text[HOST_TEXT_SIZE])
{
	struct host net = s->client;

	if (net.family != HOST_IP6)
		return s->client_ip;
	memset(net.octets + 8, 0, 8);
	return host_text(&net, text);
}

/* What an answer tells about the list itself. */
static void
tell(const struct message *m, const struct question *q)
{
	char text[HOST_TEXT_SIZE];
	struct errmsg why;

	if (q->answer.status != DNSBL_NOT_ASKED && !m->session->snap->offline &&
	    dnsbl_health_tell(q->list->health, client_net(m->session, text),
		&q->answer, q->hit, q->list->share_max, clock_ms(), &why))
		say_off(q->list, &why);
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

/* The first section that has one, in the order of the configuration. */
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

/* What sections make of an answer. */
static int
weigh_all(struct message *m, const struct state *st, struct job *job,
    struct question *q)
{
	q->weighed = true;
	for (size_t i = 0; i < st->conf.count; i++) {
		if (weigh(m, job, &st->conf.sections[i], q) != 0)
			return ERR_NOMEM;
	}
	return q->hit || add_finding(m, job, q) != NULL ? 0 : ERR_NOMEM;
}

/* Of what was asked so far, and not yet weighed: at the moment that RefuseAt
 * chooses, and at the end what the header added. */
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
	for (struct question *q = job->first; q != NULL; q = q->next) {
		if (!q->weighed)
			collect(m, q);
	}
	for (struct question *q = job->first; q != NULL; q = q->next) {
		if (q->weighed)
			continue;
		if (weigh_all(m, st, job, q) != 0)
			return no_memory();
		tell(m, q);
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
	for (struct question *q = job == NULL ? NULL : job->first; q != NULL;
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

const struct stage stage_dnsbl = {
    .name = "dnsbl",
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
};
