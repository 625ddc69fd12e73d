/*
 * posternctl top: what goes on, by the records of the decision ring.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>

#include "milter/past.h"
#include "milter/record.h"

#define SPAN_S 3600 /* unless --since is given */

static int64_t
clock_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* -- reading -- */

/* Begin anew, with the oldest record. */
static int
begin(struct top *t)
{
	activity_free(t->activity);
	t->activity = activity_new(t->span_s, TOP_ROWS);
	if (t->activity == NULL)
		return posternctl_no_memory();
	activity_turn(t->activity, t->now_ms);
	past_oldest(t->which.past);
	t->last_ms = 0;
	return EX_OK;
}

/* Another ring may have the place of this one: it has the records of the old
 * one, too. */
static bool
take_next(const struct call *c, struct top *t)
{
	struct past *next;

	if ((!t->which.copied && !past_is_stale(t->which.past)) ||
	    !which_open_next(c, &next))
		return false;
	past_close(t->which.past);
	t->which.past = next;
	t->which.copied = false;
	return true;
}

int
top_read(struct call *c)
{
	struct top *t = c->own;
	const struct record *r;
	bool anew = take_next(c, t);
	int rc = EX_OK;

	t->now_ms = clock_now_ms();
	if (anew || !activity_turn(t->activity, t->now_ms))
		rc = begin(t);
	while (rc == EX_OK && (r = past_next(t->which.past, true)) != NULL) {
		int64_t ms = (int64_t)r->time.tv_sec * 1000 +
		    r->time.tv_nsec / 1000000;

		if (activity_add(t->activity, r) != 0)
			rc = posternctl_no_memory();
		if (ms > t->last_ms)
			t->last_ms = ms;
	}
	return rc;
}

/* -- the command -- */

static void
wait_for(double seconds)
{
	struct timespec delay = {.tv_sec = (time_t)seconds};

	delay.tv_nsec =
	    (long)((seconds - (double)delay.tv_sec) * 1000000000);
	nanosleep(&delay, NULL);
}

/* An object each time, until nobody reads them. */
static int
print_each(struct call *c)
{
	struct top *t = c->own;
	int rc;

	for (;;) {
		top_print_json(t);
		if (t->once || fflush(stdout) != 0)
			return EX_OK;
		wait_for(t->interval_s);
		rc = top_read(c);
		if (rc != EX_OK)
			return rc;
	}
}

/* The span that --since names, up to now. */
static bool
find_span(struct top *t)
{
	/* By the clock that 2d was read by, so that it stays 2d. */
	int64_t s = (int64_t)time(NULL) - t->which.since_ms / 1000;

	t->span_s = SPAN_S;
	if (t->which.since_ms == 0)
		return true;
	t->span_s = s < 1 ? 1 : (uint32_t)s;
	return t->which.since_ms < t->now_ms && s < INT64_C(36500) * 86400;
}

static int
check(struct call *c)
{
	struct top *t = c->own;

	t->now_ms = clock_now_ms();
	if (t->interval_s == 0)
		t->interval_s = 1;
	if (!find_span(t))
		return verb_misused(
		    c, "--since", "expected a time in the past");
	return t->once || c->json ? EX_OK : top_screen_check(c);
}

static int
run(struct call *c)
{
	struct top *t = c->own;
	int rc = which_open(c);

	t->filter = "";
	t->now_ms = clock_now_ms();
	if (rc == EX_OK)
		rc = begin(t);
	if (rc == EX_OK)
		rc = top_read(c);
	if (rc != EX_OK)
		return rc;
	if (c->json)
		return print_each(c);
	if (!t->once)
		return top_screen(c);
	if (!top_fill(t))
		return posternctl_no_memory();
	top_print_text(t);
	return EX_OK;
}

static void
close_top(struct call *c)
{
	struct top *t = c->own;

	activity_free(t->activity);
	arena_fini(&t->arena);
	which_close(&t->which);
}

static bool
take_once(struct call *c, const char *none)
{
	(void)none;
	((struct top *)c->own)->once = true;
	return true;
}

static bool
take_interval(struct call *c, const char *value)
{
	struct top *t = c->own;
	char *end;

	t->interval_s = strtod(value, &end);
	return (end != value && *end == '\0' && t->interval_s >= 0.1 &&
		   t->interval_s <= TOP_INTERVAL_MAX) ||
	    verb_expected("--interval", "seconds from 0.1 to 3600");
}

static const struct verb_option options[] = {
    {"once", NULL, "print it once, as text or JSON", take_once},
    {"interval", "SECONDS", "how often it is renewed; the default is 1",
	take_interval},
    {"since", "T", "add up what came since then: 30m, 2h, 2d\n"
	"ago; the default is 1h", which_take_since},
    {NULL, NULL, NULL, NULL},
};

static const struct verb verbs[] = {
    {.options = options,
	.check = check,
	.load = posternctl_conf,
	.run = run},
    {0},
};

const struct command command_top = {
    .name = "top",
    .summary = "what goes on: mail, accounts, clients, checks, DNS lists",
    .size = sizeof(struct top),
    .close = close_top,
    .verbs = verbs,
};
