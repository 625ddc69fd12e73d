/*
 * What is usual: counts of today, which become habit when a day is over, and
 * what accounts of an age have in common.  SPDX-License-Identifier:
 * BSD-2-Clause
 */
#include <math.h>
#include <string.h>

#include "record.h"

#define KEPT 0.9f      /* of older days: half of it after a week */
#define KEPT_PEAK 0.97f /* half of it after three weeks */

/* Of accounts that have written to fewer recipients than this ... */
static const float age_rcpts[AGES - 1] = {10, 30, 100, 300};
/* ... so many of them are new, until the server shows otherwise.  Programs
 * write to whoever asked them to. */
static const double age_prior[2][AGES] = {
    {0.95, 0.8, 0.6, 0.45, 0.35}, {0.97, 0.97, 0.95, 0.95, 0.95}};
#define AGE_WEIGHT 200.0 /* recipients that the prior is worth */
#define OWN_WEIGHT 20.0

static unsigned
age_of(const struct record *r)
{
	float rcpts = r->usual.rcpts + r->today.rcpts;
	unsigned i = 0;

	while (i < AGES - 1 && rcpts >= age_rcpts[i])
		i++;
	return i;
}

double
usual_part(double hits, double total, double prior, double weight)
{
	return (hits + prior * weight) / (total + weight);
}

double
usual_strangers(const struct habit *h, const struct mail *m)
{
	unsigned i = age_of(m->r);
	const struct age *a = &h->head->ages[m->program][i];
	double server = usual_part(
	    a->strangers, a->rcpts, age_prior[m->program][i], AGE_WEIGHT);

	return usual_part(
	    m->r->usual.strangers, m->r->usual.rcpts, server, OWN_WEIGHT);
}

/* -- windows -- */

/* The sum of what is not older than `count` cells now; the newest is `at`. */
static double
window(const float *cells, int32_t count, int32_t at, int32_t now)
{
	int32_t gone = now > at ? now - at : 0;
	double sum = 0;

	if (gone >= count)
		return 0;
	for (int32_t i = 0; i < count; i++)
		sum += cells[i];
	/* The oldest follow the newest. */
	for (int32_t i = 1; i <= gone; i++)
		sum -= cells[(at % count + i) % count];
	return sum > 0 ? sum : 0;
}

static void
window_add(
    float *cells, int32_t count, int32_t *at, int32_t now, float amount)
{
	if (now < *at)
		now = *at;
	for (int32_t i = now; i > *at && i > now - count; i--)
		cells[i % count] = 0;
	*at = now;
	cells[now % count] += amount;
}

double
usual_hour(const struct record *r, int32_t now)
{
	return window(r->cells, CELLS, r->cell_at, now / 300);
}

double
usual_strangers_day(const struct record *r, int32_t now)
{
	return window(r->day_cells, DAY_CELLS, r->day_cell_at, now / 3600);
}

/* -- the day's end -- */

static float
peak(float usual, float today)
{
	usual *= KEPT_PEAK;
	return today > usual ? today : usual;
}

static void
fold(struct habit *h, struct record *r, bool program)
{
	float *usual = (float *)&r->usual;
	const float *today = (const float *)&r->today;

	for (size_t i = 0; i < sizeof(r->usual) / sizeof(float); i++)
		usual[i] = usual[i] * KEPT + today[i];
	r->peak.hour = peak(r->peak.hour, r->peak_today.hour);
	r->peak.strangers = peak(r->peak.strangers, r->peak_today.strangers);
	r->peak.mail = peak(r->peak.mail, r->peak_today.mail);
	r->peak.nets = peak(r->peak.nets, r->peak_today.nets);
	r->peak.subject = peak(r->peak.subject, r->peak_today.subject);
	r->days++;
	for (int i = 0; i < 24 && !program; i++)
		h->head->hours[i] += r->today.hours[i];
}

void
usual_day(struct habit *h, struct record *r, bool program, int32_t now)
{
	int32_t day = now / 86400;

	if (day == r->day)
		return;
	if (r->today.mails > 0 && r->dirty < now)
		fold(h, r, program);
	memset(&r->today, 0, sizeof(r->today));
	memset(&r->peak_today, 0, sizeof(r->peak_today));
	r->mail_most = 0;
	r->day = day;
}

static void
highest(float *peak, double value)
{
	if (value > *peak)
		*peak = (float)value;
}

void
usual_count(struct habit *h, struct mail *m)
{
	struct record *r = m->r;
	struct counts *c = &r->today;
	bool spam = m->e->has_score && m->e->score >= 5;

	window_add(r->cells, CELLS, &r->cell_at, m->now / 300,
	    m->tolerated ? 0 : (float)m->rcpts);
	window_add(r->day_cells, DAY_CELLS, &r->day_cell_at, m->now / 3600,
	    m->tolerated ? 0 : (float)m->strangers);
	if (m->e->stopped)
		return;
	if (m->known && r->dirty < m->now) {
		struct age *a = &h->head->ages[m->program][age_of(r)];

		a->strangers += (double)m->strangers;
		a->rcpts += (double)(m->strangers + m->met);
	}
	c->mails++;
	c->rcpts += (float)(m->strangers + m->met);
	c->strangers += (float)m->strangers;
	c->refused += (float)m->e->refused_count;
	c->accepted += (float)m->e->rcpt_count;
	c->scored += m->e->has_score;
	c->spam += spam;
	c->placed += m->net != NULL;
	c->newnet += m->newnet;
	c->bulk += m->e->bulk;
	c->newfrom += m->newfrom;
	c->hours[m->now / 3600 % 24]++;
	highest(&r->peak_today.hour, usual_hour(r, m->now));
	highest(&r->peak_today.strangers, usual_strangers_day(r, m->now));
	highest(&r->peak_today.mail, (double)m->rcpts);
}
