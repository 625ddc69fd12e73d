/*
 * The kinds of evidence: a row each, with its weight, how strong it is, and its
 * words.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A strength is 0 where there is no evidence and 1 where a case is clear; kinds
 * that know more than clear go to 2.  Points are strength times weight.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

#define Z_MAX 12.0f
#define Z_LEAST 0.5    /* below it there is nothing to remember */
#define Z_CLEAR 8.0   /* e^8: 3,000 to 1 */
#define Z_SHARE 6.0   /* 400 to 1, for shares of what is rare */
#define SPAM_SCORE 5.0 /* SpamAssassin's required_score */
#define LURED_SECONDS (30 * 86400)
#define CANARY_SECONDS (7 * 86400)

/* What is said of one account at one moment. */
struct view {
	const struct habit *h;
	const struct record *r;
	int32_t now;
};

struct kind {
	const char *name;
	double weight;
	bool foreign;
	double (*strength)(const struct view *v);
	void (*words)(const struct view *v, char *out, size_t size);
};

/* -- tests -- */

static double
z_at(const struct test *t, int32_t now)
{
	return t->z > 0 && now > t->at
	    ? t->z * exp2((t->at - (double)now) / 86400)
	    : t->z;
}

static void
test_add(struct test *t, int32_t now, double llr, double hits, double total)
{
	double z = z_at(t, now);

	if (z < Z_LEAST) {
		t->since = now;
		t->hits = t->total = 0;
		z = 0;
	}
	z += llr;
	t->z = (float)(z < 0 ? 0 : z > Z_MAX ? Z_MAX : z);
	t->hits += (float)hits;
	t->total += (float)total;
	if (now > t->at)
		t->at = now;
}

/* A part q where p is usual: what hits and misses add. */
static void
test_share(struct test *t, int32_t now, double p, double q, double hits,
    double misses, double counted_hits, double counted_misses)
{
	test_add(t, now,
	    hits * log(q / p) + misses * log((1 - q) / (1 - p)), counted_hits,
	    counted_hits + counted_misses);
}

static double
clip(double x, double most)
{
	return x > 0 ? x < most ? x : most : 0; /* NaN is 0 */
}

static double
clear(const struct view *v, enum habit_kind kind, double z)
{
	return clip(z_at(&v->r->tests[kind], v->now) / z, 1);
}

/* How far a number is above twice what was the most so far: 0 there, 1 at eight
 * times the most. */
static double
above(double n, double most, double least)
{
	double usual = most > least ? most : least;

	return n > 2 * usual ? log2(n / (2 * usual)) / 2 : 0;
}

/* -- words -- */

static void say(char *out, size_t size, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
say(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(out, size, fmt, ap);
	va_end(ap);
}

/* A time behind us: "40 minutes". */
static const char *
ago(int32_t seconds, char out[32])
{
	if (seconds < 120)
		say(out, 32, "%d seconds", seconds < 0 ? 0 : (int)seconds);
	else if (seconds < 7200)
		say(out, 32, "%d minutes", (int)(seconds / 60));
	else
		say(out, 32, "%d hours", (int)(seconds / 3600));
	return out;
}

static void
say_share(const struct view *v, enum habit_kind kind, double usual,
    const char *what, char *out, size_t size)
{
	const struct test *t = &v->r->tests[kind];
	char time[32];

	say(out, size, "%.0f of %.0f %s within %s; usually %.2g in 100",
	    (double)t->hits, (double)t->total, what, ago(t->at - t->since, time),
	    usual * 100);
}

/* -- the kinds -- */

static double
quota_strength(const struct view *v)
{
	return clear(v, HABIT_QUOTA, 1);
}

static void
quota_words(const struct view *v, char *out, size_t size)
{
	say(out, size, "%s", v->r->quota_words);
}

#define HOUR_LEAST 10 /* recipients an hour that are never a burst's usual */

static double
burst_strength(const struct view *v)
{
	return clip(above(usual_hour(v->r, v->now), v->r->peak.hour,
		HOUR_LEAST), 2);
}

static void
burst_words(const struct view *v, char *out, size_t size)
{
	say(out, size, "%.0f recipients in an hour; %.0f was the most before",
	    usual_hour(v->r, v->now), (double)v->r->peak.hour);
}

/* How much of a past the account has, 0 to 1: half at ten mails. */
static double
past(const struct record *r)
{
	return r->usual.mails / (r->usual.mails + 10);
}

/* 1: mail from a new network is rare for it; 0: it never comes from another. */
static double
settled(const struct record *r)
{
	double part =
	    usual_part(r->usual.newnet, r->usual.placed, 0.3, 10);

	return past(r) * clip(log(1 / part) / log(10), 1);
}

static bool
is_new(const struct used *u, int32_t now)
{
	return u->hash != 0 && now - u->first < 86400;
}

/* New networks used in the last so many seconds. */
static int
new_nets(const struct record *r, int32_t now, int32_t seconds)
{
	int n = 0;

	for (int i = 0; i < NETS; i++)
		n += is_new(&r->nets[i], now) && now - r->nets[i].last < seconds;
	return n;
}

/* 1: more new networks in an hour than it ever used, whether it moves much or
 * not. */
static double
parallel(const struct view *v)
{
	double most = v->r->peak.nets > 1 ? v->r->peak.nets : 1;

	return clip((new_nets(v->r, v->now, 3600) - 2 * most) / 2, 1) *
	    past(v->r);
}

/* 1: so many new networks in an hour that no past is needed to wonder. */
static double
crowded(const struct view *v)
{
	double most = v->r->peak.nets > 2 ? v->r->peak.nets : 2;

	return clip((new_nets(v->r, v->now, 3600) - 2 * most - 1) / 5, 1);
}

static double
networks_strength(const struct view *v)
{
	double s = clear(v, HABIT_NETWORKS, Z_CLEAR), p = parallel(v);
	double rare = settled(v->r), many = crowded(v);

	s *= (rare > p ? rare : p) + p / 2;
	return s > many ? s : many;
}

static void
networks_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_NETWORKS];
	char time[32];

	say(out, size,
	    "%d new networks in an hour, usually %.0f at most; from new ones "
	    "%.0f of %.0f recipients within %s were new, too",
	    new_nets(v->r, v->now, 3600), (double)v->r->peak.nets,
	    (double)t->hits, (double)t->total, ago(t->at - t->since, time));
}

#define STRANGERS_LEAST 20 /* a day */

static double
strangers_strength(const struct view *v)
{
	double z = clear(v, HABIT_STRANGERS, Z_CLEAR);
	double n = clip(above(usual_strangers_day(v->r, v->now),
	    v->r->peak.strangers, STRANGERS_LEAST), 2);

	return z > n ? z : n;
}

static void
strangers_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_STRANGERS];
	const struct counts *c = &v->r->usual;
	char time[32];

	say(out, size,
	    "%.0f of %.0f recipients within %s are new to it; usually %.0f in "
	    "100; %.0f new ones in a day, %.0f was the most before",
	    (double)t->hits, (double)t->total, ago(t->at - t->since, time),
	    c->rcpts > 0 ? 100.0 * c->strangers / c->rcpts : 0,
	    usual_strangers_day(v->r, v->now), (double)v->r->peak.strangers);
}

#define REFUSED_PRIOR 0.01
#define BOUNCES_PRIOR 0.015
#define SPAM_PRIOR 0.005

static double
usual_refused(const struct record *r)
{
	const struct counts *c = &r->usual;

	return usual_part(
	    c->refused, c->refused + c->accepted, REFUSED_PRIOR, 100);
}

static double
usual_bounces(const struct record *r)
{
	return usual_part(r->usual.bounces, r->usual.accepted, BOUNCES_PRIOR,
	    100);
}

static double
usual_spam(const struct record *r)
{
	return usual_part(r->usual.spam, r->usual.scored, SPAM_PRIOR, 200);
}

static double
refused_strength(const struct view *v)
{
	return clear(v, HABIT_REFUSED, Z_SHARE);
}

static void
refused_words(const struct view *v, char *out, size_t size)
{
	say_share(v, HABIT_REFUSED, usual_refused(v->r),
	    "recipients refused", out, size);
}

static double
bounces_strength(const struct view *v)
{
	return clear(v, HABIT_BOUNCES, Z_SHARE);
}

static void
bounces_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_BOUNCES];
	char time[32];

	say(out, size,
	    "%.0f bounces, and %.0f recipients, within %s; usually %.2g in 100",
	    (double)t->hits, (double)t->total, ago(t->at - t->since, time),
	    usual_bounces(v->r) * 100);
}

static double
spam_strength(const struct view *v)
{
	return clear(v, HABIT_SPAM, Z_SHARE);
}

static void
spam_words(const struct view *v, char *out, size_t size)
{
	say_share(v, HABIT_SPAM, usual_spam(v->r), "mails score 5 or more", out,
	    size);
}

static double
from_strength(const struct view *v)
{
	return clear(v, HABIT_FROM, Z_CLEAR);
}

static void
from_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_FROM];
	char time[32];

	say(out, size, "%.0f new senders in %.0f mails within %s",
	    (double)t->hits, (double)t->total, ago(t->at - t->since, time));
}

static bool
is_recent(int32_t at, int32_t now, int32_t seconds)
{
	return at != 0 && now - at < seconds;
}

static double
canary_strength(const struct view *v)
{
	return is_recent(v->r->canary, v->now, CANARY_SECONDS) ? 1 : 0;
}

static void
canary_words(const struct view *v, char *out, size_t size)
{
	bool lured = is_recent(v->r->lured, v->now, LURED_SECONDS);

	say(out, size, "mail to a canary, which nobody has a reason to write to%s",
	    lured ? "; but it wrote to the account before" : "");
}

#define SUBJECT_LEAST 15

static const struct used *
top_subject(const struct view *v)
{
	const struct used *top = &v->r->subjects[0];

	for (int i = 1; i < NAMES; i++) {
		if (v->r->subjects[i].strangers > top->strangers)
			top = &v->r->subjects[i];
	}
	return top;
}

static double
bulk_strength(const struct view *v)
{
	const struct used *top = top_subject(v);

	return v->now - top->last >= 86400 ? 0
	    : clip(above(top->strangers, v->r->peak.subject, SUBJECT_LEAST),
		  1);
}

static void
bulk_words(const struct view *v, char *out, size_t size)
{
	const struct used *top = top_subject(v);

	say(out, size,
	    "one subject to %.0f new recipients, without List-Unsubscribe; "
	    "%.0f was the most before",
	    (double)top->strangers, (double)v->r->peak.subject);
}

static double
night_strength(const struct view *v)
{
	return clear(v, HABIT_NIGHT, Z_CLEAR / 2);
}

static void
night_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_NIGHT];

	say(out, size, "mail in %.0f hours of the day, of %.0f, in which it "
	    "hardly ever sends", (double)t->hits, (double)t->total);
}

static double
helo_strength(const struct view *v)
{
	return clear(v, HABIT_HELO, Z_SHARE) * past(v->r);
}

static void
helo_words(const struct view *v, char *out, size_t size)
{
	const struct test *t = &v->r->tests[HABIT_HELO];

	say(out, size,
	    "%.0f of %.0f mails from new networks under a new HELO name",
	    (double)t->hits, (double)t->total);
}

static double
probe_strength(const struct view *v)
{
	return is_recent(v->r->probe, v->now, 2 * 86400)
	    ? clear(v, HABIT_NETWORKS, Z_CLEAR) * past(v->r)
	    : 0;
}

static void
probe_words(const struct view *v, char *out, size_t size)
{
	char time[32];

	say(out, size,
	    "a short mail to one recipient from a new network, %s before",
	    ago(v->now - v->r->probe, time));
}

#define SCRIPT_MAIL_LEAST 2.5
#define SCRIPT_HOUR_LEAST 10

static bool
is_script(const struct record *r)
{
	return strncmp(r->account, "script:", 7) == 0;
}

static double
script_strength(const struct view *v)
{
	const struct record *r = v->r;
	double mail, hour;

	if (!is_script(r))
		return 0;
	mail = 2 * above(r->mail_most, r->peak.mail, SCRIPT_MAIL_LEAST);
	hour = above(usual_hour(r, v->now), r->peak.hour, SCRIPT_HOUR_LEAST);
	return clip(mail > hour ? mail : hour, 2) * (r->days > 0 ? 1 : 0.5);
}

static void
script_words(const struct view *v, char *out, size_t size)
{
	say(out, size,
	    "a mail to %.0f recipients, %.0f was the most before; %.0f in an "
	    "hour, %.0f was the most before",
	    (double)v->r->mail_most, (double)v->r->peak.mail,
	    usual_hour(v->r, v->now), (double)v->r->peak.hour);
}

static double
complaint_strength(const struct view *v)
{
	return clear(v, HABIT_COMPLAINT, Z_SHARE);
}

static void
complaint_words(const struct view *v, char *out, size_t size)
{
	say(out, size, "%.0f complaints about its mail",
	    (double)v->r->tests[HABIT_COMPLAINT].hits);
}

static double
campaign_strength(const struct view *v)
{
	return clear(v, HABIT_CAMPAIGN, 1);
}

static void
campaign_words(const struct view *v, char *out, size_t size)
{
	say(out, size,
	    "%.0f accounts send one subject to recipients new to them",
	    (double)v->r->tests[HABIT_CAMPAIGN].hits);
}

static const struct kind kinds[HABIT_KINDS] = {
#define ROW(id, name, weight, foreign, what)                                   \
	[HABIT_##id] = {#name, weight, foreign, name##_strength, name##_words},
    HABIT_EACH_KIND(ROW)
};

const char *
habit_kind_name(enum habit_kind kind)
{
	return kinds[kind].name;
}

enum habit_kind
habit_kind_of(const char *name)
{
	enum habit_kind k = 0;

	while (k < HABIT_KINDS && strcmp(kinds[k].name, name) != 0)
		k++;
	return k;
}

double
habit_kind_weight(enum habit_kind kind)
{
	return kinds[kind].weight;
}

bool
habit_kind_is_foreign(enum habit_kind kind)
{
	return kinds[kind].foreign;
}

/* -- what a mail adds -- */

/* Recipients of one mail are chosen together: beyond three they count a
 * quarter. */
static double
together(size_t n)
{
	return n <= 3 ? (double)n : 3 + ((double)n - 3) / 4;
}

static void
add_strangers(struct habit *h, struct mail *m)
{
	double p = usual_strangers(h, m), q;

	if (!m->known || m->tolerated)
		return;
	p = p < 0.02 ? 0.02 : p > 0.98 ? 0.98 : p;
	q = p < 0.8 ? 0.9 : (1 + p) / 2;
	test_share(&m->r->tests[HABIT_STRANGERS], m->now, p, q,
	    together(m->strangers), together(m->met), (double)m->strangers,
	    (double)m->met);
	if (m->newnet)
		test_share(&m->r->tests[HABIT_NETWORKS], m->now, p, q,
		    together(m->strangers), together(m->met),
		    (double)m->strangers, (double)m->met);
	if (m->newnet && m->hashelo && m->strangers > m->met)
		test_add(&m->r->tests[HABIT_HELO], m->now,
		    m->newhelo ? log(0.75 / 0.12) : log(0.25 / 0.88),
		    m->newhelo, 1);
}

static double
bounded(double x, double least, double most)
{
	return x < least ? least : x > most ? most : x;
}

static void
add_shares(struct mail *m)
{
	const struct habit_event *e = m->e;
	double refused = (double)e->refused_count;
	double accepted = (double)e->rcpt_count, p;

	p = bounded(usual_refused(m->r), 0.005, 0.3);
	test_share(&m->r->tests[HABIT_REFUSED], m->now, p,
	    bounded(3 * p, 0.08, 0.9), refused, accepted, refused, accepted);
	p = bounded(usual_bounces(m->r), 0.005, 0.3);
	if (!e->stopped)
		test_add(&m->r->tests[HABIT_BOUNCES], m->now,
		    -accepted * (bounded(3 * p, 0.08, 0.9) - p), 0, accepted);
	if (!e->has_score)
		return;
	p = bounded(usual_spam(m->r), 0.003, 0.2);
	test_share(&m->r->tests[HABIT_SPAM], m->now, p,
	    bounded(4 * p, 0.25, 0.8), e->score >= SPAM_SCORE,
	    e->score < SPAM_SCORE, e->score >= SPAM_SCORE,
	    e->score < SPAM_SCORE);
}

void
kinds_bounce(struct record *r, int32_t now, bool complaint)
{
	double p = bounded(usual_bounces(r), 0.005, 0.3);

	if (complaint) {
		test_add(&r->tests[HABIT_COMPLAINT], now, 2, 1, 1);
		return;
	}
	test_add(&r->tests[HABIT_BOUNCES], now,
	    log(bounded(3 * p, 0.08, 0.9) / p), 1, 0);
	r->today.bounces++;
}

static void
add_from(struct mail *m)
{
	double p;

	if (m->program || m->from == 0)
		return;
	p = bounded(usual_part(m->r->usual.newfrom, m->r->usual.mails, 0.04,
			50), 0.02, 0.7);
	test_share(&m->r->tests[HABIT_FROM], m->now, p, 0.8, m->newfrom,
	    !m->newfrom, m->newfrom, !m->newfrom);
}

/* Mail in an hour of the day in which it has not sent today yet. */
static void
add_night(struct habit *h, struct mail *m)
{
	const struct counts *c = &m->r->usual;
	int hour = m->now / 3600 % 24;
	double own = 0, server = 0, all = 0, p;

	if (m->r->days < 5 || m->program || m->r->today.hours[hour] > 0)
		return;
	for (int i = 0; i < 24; i++)
		all += h->head->hours[i];
	for (int i = hour + 23; i <= hour + 25; i++) {
		own += c->hours[i % 24] / 3;
		server += h->head->hours[i % 24] / 3;
	}
	p = (own + 12 * (server + 1) / (all + 24)) / (c->mails + 12);
	test_add(&m->r->tests[HABIT_NIGHT], m->now,
	    bounded(log(1 / (24 * p)), -2, 2), p < 1.0 / 24, 1);
}

static void
add_probe(struct mail *m)
{
	if (m->firstnet && m->rcpts == 1 && m->e->bytes > 0 &&
	    m->e->bytes <= 1024 && m->strangers == 1)
		m->r->probe = m->now;
}

static void
add_quota(struct mail *m)
{
	struct test *t = &m->r->tests[HABIT_QUOTA];

	if (m->e->quota < 0.8)
		return;
	t->z = 0;
	test_add(t, m->now, m->e->quota < 1 ? 0.5 : 1, 1, 1);
	snprintf(m->r->quota_words, sizeof(m->r->quota_words), "%s",
	    m->e->quota_words == NULL ? "a limit is near" : m->e->quota_words);
}

void
kinds_mail(struct habit *h, struct mail *m)
{
	struct record *r = m->r;
	int nets;

	add_strangers(h, m);
	add_shares(m);
	add_from(m);
	add_night(h, m);
	add_probe(m);
	add_quota(m);
	if (m->canary)
		r->canary = m->now;
	if (!m->tolerated && (float)m->rcpts > r->mail_most)
		r->mail_most = (float)m->rcpts;
	nets = new_nets(r, m->now, 3600);
	if ((float)nets > r->peak_today.nets)
		r->peak_today.nets = (float)nets;
}

/* -- the sum -- */

static int
by_points(const void *a, const void *b)
{
	const struct habit_evidence *x = a, *y = b;

	return x->points != y->points ? x->points < y->points ? 1 : -1
				      : (int)x->kind - (int)y->kind;
}

static double
points_of(const struct view *v, enum habit_kind k)
{
	return v->h->opt.weight[k] > 0
	    ? v->h->opt.weight[k] * kinds[k].strength(v)
	    : 0;
}

/* When a kind's evidence began. */
static int32_t
since_of(const struct record *r, enum habit_kind k)
{
	const struct test *t = &r->tests[k];

	return t->z > 0 ? t->since : 0;
}

void
kinds_weigh(const struct habit *h, const struct record *r, int32_t now,
    struct habit_result *res)
{
	struct view v = {h, r, now};
	double foreign = 0, half = h->opt.alert_score / 2;
	int32_t since = 0, began;

	res->count = 0;
	res->score = 0;
	for (enum habit_kind k = 0; k < HABIT_KINDS; k++) {
		struct habit_evidence *e = &res->evidence[res->count];
		double points = points_of(&v, k);

		if (kinds[k].foreign && foreign + points > half)
			points = half - foreign;
		if (points < 0.05)
			continue;
		foreign += kinds[k].foreign ? points : 0;
		e->kind = k;
		e->points = points;
		e->words[0] = '\0';
		began = since_of(r, k);
		if (began != 0 && (since == 0 || began < since))
			since = began;
		res->score += points;
		res->count++;
	}
	res->since = record_ms(since);
}

void
kinds_tell(const struct habit *h, const struct record *r, int32_t now,
    struct habit_result *res)
{
	struct view v = {h, r, now};

	qsort(res->evidence, res->count, sizeof(res->evidence[0]), by_points);
	for (size_t i = 0; i < res->count; i++) {
		struct habit_evidence *e = &res->evidence[i];

		kinds[e->kind].words(&v, e->words, sizeof(e->words));
	}
}

double
kinds_lock_score(
    const struct habit *h, const struct record *r, int32_t now)
{
	struct view v = {h, r, now};
	double sum = 0;

	for (enum habit_kind k = 0; k < HABIT_KINDS; k++) {
		bool lured = k == HABIT_CANARY &&
		    is_recent(r->lured, now, LURED_SECONDS);

		if ((h->opt.lock_kinds >> k & 1) != 0 && !kinds[k].foreign &&
		    !lured)
			sum += points_of(&v, k);
	}
	return sum;
}
