/*
 * posternctl journal: decisions as they come, or as the ring has them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "decision.h"
#include "facts.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "milter/event.h"
#include "milter/past.h"
#include "milter/record.h"
#include "milter/stage/journal.h"
#include "which.h"

#define WAIT_MS 100  /* how often --follow looks for more */
#define STALE_MS 500 /* how often it looks whether the ring is another one */
#define LATE_MS 2500 /* so long a ring is read after another took its place:
    the daemon moves to the new one within a second */
#define SEEN 4096    /* records that are known again */

/* What tells a record from others. */
struct mark {
	struct timespec time;
	int64_t took_ns;
};

struct journal {
	struct which which; /* first */
	bool json, follow, events, colours;
	struct event_form form; /* of --events */
	int64_t last_ms;        /* event_order's */
	/* Of --follow: a new ring takes over records of the old one. */
	struct timespec begun; /* earlier records are not for us, unless
	    --since is given */
	struct mark seen[SEEN];
	size_t count;      /* of all that were read */
	struct past *next; /* the ring that has taken the place of this one */
	int64_t next_at;   /* when it is read, clock_ms; 0: there is none */
	int64_t looked_at;
	bool moved;        /* this is not the first ring */
	uint64_t lost;     /* of which it was told */
};

static volatile sig_atomic_t stopped;

static void
on_stop(int number)
{
	stopped = number;
}

/* -- printing -- */

static void
print_event(struct journal *j, const struct record *r)
{
	struct buf b = BUF_INIT;

	if (event_line(&b, r, &j->form) && !b.failed) {
		event_order(b.data, &j->last_ms);
		puts(b.data);
	}
	buf_fini(&b);
}

static void
print(void *arg, const struct record *r)
{
	struct journal *j = arg;
	struct buf b = BUF_INIT;
	json_t *object;

	if (j->events) {
		print_event(j, r);
		return;
	}
	if (j->json) {
		object = facts_decision(r);
		posternctl_print_ascii(object);
		json_decref(object);
		return;
	}
	decision_line(&b, r, j->colours);
	fputs(b.failed ? "no memory\n" : buf_text(&b), stdout);
	buf_fini(&b);
}

static void
note_lost(struct journal *j)
{
	uint64_t lost = past_lost(j->which.past);

	if (lost > j->lost)
		fprintf(stderr,
		    "posternctl: %llu octets of decisions were overwritten "
		    "before they could be read\n",
		    (unsigned long long)(lost - j->lost));
	j->lost = lost;
}

/* -- following -- */

static bool
is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec
				      : a->tv_nsec < b->tv_nsec;
}

/* Was it read already, in the ring before this?  The marks that are kept are of
 * the newest; what is older than all of them was. */
static bool
was_read(const struct journal *j, const struct record *r)
{
	size_t n = j->count < SEEN ? j->count : SEEN;
	bool older = n == SEEN;

	if (j->which.since_ms == 0 && is_before(&r->time, &j->begun))
		return true;
	for (size_t i = 0; i < n; i++) {
		const struct mark *m = &j->seen[i];

		if (m->time.tv_sec == r->time.tv_sec &&
		    m->time.tv_nsec == r->time.tv_nsec &&
		    m->took_ns == r->took_ns)
			return true;
		older = older && is_before(&r->time, &m->time);
	}
	return older;
}

static void
follow_one(struct journal *j, const struct record *r)
{
	if (j->moved && was_read(j, r))
		return;
	j->seen[j->count++ % SEEN] = (struct mark){r->time, r->took_ns};
	print(j, r);
}

/* Has another ring the place of this one?  Then it is opened at once, and read
 * when nobody writes to this one any more. */
static void
look_for_next(const struct call *c, struct journal *j)
{
	int64_t now = clock_ms();

	if (j->next == NULL && now - j->looked_at >= STALE_MS) {
		j->looked_at = now;
		if (past_is_stale(j->which.past) &&
		    which_open_next(c, &j->next))
			j->next_at = now + LATE_MS;
	}
	if (j->next == NULL || now < j->next_at)
		return;
	past_close(j->which.past);
	j->which.past = j->next;
	j->next = NULL;
	j->moved = true;
	j->lost = 0;
}

/* Wait a while; false: a signal came, or nobody reads the output. */
static bool
wait_for_more(void)
{
	const struct timespec delay = {.tv_nsec = WAIT_MS * 1000000L};
	struct pollfd out = {.fd = 1};
	sigset_t held, waiting;

	if (fflush(stdout) != 0)
		return false;
	sigemptyset(&held);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGTERM);
	sigprocmask(SIG_BLOCK, &held, &waiting);
	if (stopped == 0)
		ppoll(&out, 1, &delay, &waiting);
	sigprocmask(SIG_SETMASK, &waiting, NULL);
	return (out.revents & (POLLERR | POLLNVAL)) == 0;
}

/* The first signal ends it behind a whole line, a second one at once. */
static void
catch_signals(void)
{
	const struct sigaction stop = {
	    .sa_handler = on_stop, .sa_flags = SA_RESETHAND | SA_RESTART};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	/* Whoever reads the output may go: that is the end, and no error. */
	signal(SIGPIPE, SIG_DFL);
}

static int
follow(struct call *c, struct journal *j)
{
	const struct record *r;

	do {
		while (stopped == 0 &&
		    (r = which_next(&j->which, true)) != NULL)
			follow_one(j, r);
		note_lost(j);
		look_for_next(c, j);
	} while (stopped == 0 && wait_for_more());
	return EX_OK;
}

/* -- the command -- */

/* Recipients and subjects are shown as in the file of Journal. */
static int
set_form(struct journal *j, const struct conf *c)
{
	struct errmsg why = {.text = ""};

	return journal_form(c, &j->form, &why) == 0 ? EX_OK
						    : posternctl_mistake(&why);
}

static int
run(struct call *c)
{
	struct journal *j = c->own;
	int rc = j->events ? set_form(j, c->conf) : EX_OK;

	if (rc == EX_OK)
		rc = which_open(c);
	if (rc != EX_OK)
		return rc;
	j->json = c->json;
	j->colours = decision_colours();
	if (!j->follow)
		return which_each(&j->which, print, j);
	catch_signals();
	clock_gettime(CLOCK_REALTIME, &j->begun);
	if (j->which.since_ms == 0 && j->which.limit == 0)
		past_newest(j->which.past);
	else if (j->which.limit > 0)
		rc = which_each(&j->which, print, j);
	return rc == EX_OK ? follow(c, j) : rc;
}

static void
close_journal(struct call *c)
{
	struct journal *j = c->own;

	past_close(j->next);
	which_close(&j->which);
}

static bool
take_follow(struct call *c, const char *none)
{
	(void)none;
	((struct journal *)c->own)->follow = true;
	return true;
}

static bool
take_events(struct call *c, const char *none)
{
	(void)none;
	((struct journal *)c->own)->events = true;
	return true;
}

static const struct verb_option options[] = {
    {"events", NULL, "print events, as Journal writes them", take_events},
    {"follow", NULL, "print more as it comes", take_follow},
    WHICH_OPTIONS,
    {NULL, NULL, NULL, NULL},
};

static const struct verb verbs[] = {
    {.options = options, .load = posternctl_conf, .run = run},
    {0},
};

const struct command command_journal = {
    .name = "journal",
    .summary = "decisions as they come, a line each",
    .size = sizeof(struct journal),
    .close = close_journal,
    .verbs = verbs,
};
