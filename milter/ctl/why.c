/*
 * posternctl why: what became of mail, and because of what.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It reads the decision ring, with or without a daemon.
 */
#include <stdio.h>
#include <sysexits.h>
#include <time.h>

#include "decision.h"
#include "facts.h"
#include "lib/base/buf.h"
#include "milter/past.h"
#include "milter/record.h"
#include "which.h"

#define NOTHING 1 /* the exit code if there is none */

struct look {
	struct which which; /* first */
	size_t found;       /* so many were printed */
	bool json, colours;
};

/* -- printing -- */

static void
print(void *arg, const struct record *r)
{
	struct look *l = arg;
	struct buf b = BUF_INIT;
	json_t *object;

	if (l->json) {
		object = facts_decision(r);
		posternctl_print_ascii(object);
		json_decref(object);
	} else {
		if (l->found > 0)
			putchar('\n');
		decision_page(&b, r, l->colours);
		fputs(b.failed ? "no memory\n" : buf_text(&b), stdout);
		buf_fini(&b);
	}
	l->found++;
}

/* Say how far back the ring goes. */
static void
print_none(struct look *l)
{
	struct past *p = l->which.past;
	const struct record *r;
	char day[32];
	struct tm tm;

	past_want(p, NULL);
	past_oldest(p);
	r = past_next(p, false);
	if (r == NULL || gmtime_r(&r->time.tv_sec, &tm) == NULL) {
		fprintf(stderr, "posternctl: no decision was kept yet\n");
		return;
	}
	strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%SZ", &tm);
	fprintf(stderr,
	    "posternctl: there is no such decision; the oldest one that is "
	    "kept is of %s\n",
	    day);
}

/* -- the command -- */

static int
check(struct call *c)
{
	struct look *l = c->own;

	l->which.id = c->args[0];
	return l->which.id != NULL || l->which.given
	    ? EX_OK
	    : verb_misused(c, "which mail",
		  "expected a queue id, or an option such as --account");
}

static int
run(struct call *c)
{
	struct look *l = c->own;
	int rc = which_open(c);

	if (rc != EX_OK)
		return rc;
	l->json = c->json;
	l->colours = decision_colours();
	rc = which_each(&l->which, print, l);
	if (rc == EX_OK && l->found == 0) {
		print_none(l);
		rc = NOTHING;
	}
	return rc;
}

static void
close_why(struct call *c)
{
	which_close(c->own);
}

static const struct verb_option options[] = {
    WHICH_OPTIONS,
    {NULL, NULL, NULL, NULL},
};

static const struct verb verbs[] = {
    {.args = "[QUEUE-ID]",
	.max = 1,
	.options = options,
	.check = check,
	.load = posternctl_conf,
	.run = run},
    {0},
};

const struct command command_why = {
    .name = "why",
    .args = "[QUEUE-ID]",
    .summary = "what became of mail, and because of what",
    .size = sizeof(struct look),
    .close = close_why,
    .verbs = verbs,
};
