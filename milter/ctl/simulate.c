/*
 * posternctl simulate: what this configuration would have done with events of
 * the past.  SPDX-License-Identifier: BSD-2-Clause
 *
 * The limits and the habits are those of the daemon, with their tables in
 * memory and the events' clock.  Lines are printed as events are read, so that
 * the first part of a trace brings the first part of the lines.
 */
#include <errno.h>
#include <math.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "event.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "lib/quota/quota.h"
#include "milter/habit_conf.h"
#include "milter/stage/names.h"
#include "milter/stage/quota_conf.h"
#include "posternctl.h"

#define NOTICE_SHARE 0.8
#define NS_OF_MS 1000000U

/* When the next notice may come of one limit of one account. */
struct noted {
	int64_t until;
	char key[];
};

struct simulation {
	struct quota_conf limits;
	struct habit_conf habits;
	struct names names;
	struct quota *table;
	struct habit *habit;
	struct event event;
	uint64_t clock_ns; /* the latest event's time; never goes back */
	void *noted;
	struct arena arena; /* one event's */
	const char *file;
	unsigned long line;
	bool faulty; /* a line was no event */
	int mute;    /* errno: no line can be printed; 0 */
	double t;    /* of the event, as it says */
	/* One event: */
	char words[HABIT_WORDS]; /* of the nearest limit */
};

/* -- output -- */

static json_t *
evidence_json(const char *kind, const char *words)
{
	return json_pack("{s:s,s:o}", "kind", kind, "text",
	    posternctl_string(words));
}

/* limit: the words of a limit, for which there is one piece of evidence before
 * all others; NULL: none. */
static void
print_line(struct simulation *s, const char *account, const char *what,
    const char *limit, const struct habit_result *r)
{
	json_t *list = json_array(), *line;

	if (limit != NULL)
		json_array_append_new(list,
		    evidence_json(habit_kind_name(HABIT_QUOTA), limit));
	for (size_t i = 0; i < r->count; i++) {
		const struct habit_evidence *e = &r->evidence[i];

		if (limit == NULL || e->kind != HABIT_QUOTA)
			json_array_append_new(list,
			    evidence_json(habit_kind_name(e->kind), e->words));
	}
	line = json_pack("{s:f,s:o,s:s,s:f,s:o}", "t", s->t,
	    "account",
	    posternctl_string(account), "event", what, "score",
	    round(r->score * 100) / 100, "evidence", list);
	if (line == NULL ||
	    json_dumpf(line, stdout, JSON_COMPACT | JSON_PRESERVE_ORDER |
		    JSON_REAL_PRECISION(15)) != 0 ||
	    putchar('\n') == EOF || fflush(stdout) != 0)
		s->mute = errno;
	json_decref(line);
}

/* -- limits -- */

static uint64_t
read_clock(void *ctx)
{
	const struct simulation *s = ctx;

	return s->clock_ns;
}

static void
read_boot(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 0, 16);
}

static void
limit_words(char *out, size_t size, uint64_t used,
    const struct quota_limit *limit)
{
	char window[LIMITS_TEXT];

	limits_window_words(limit->window_s, window, sizeof(window));
	snprintf(out, size, "%llu of %llu %s in %s", (unsigned long long)used,
	    (unsigned long long)limit->limit, quota_kind_name(limit->kind),
	    window);
}

static int
by_key(const void *a, const void *b)
{
	const struct noted *x = a, *y = b;

	return strcmp(x->key, y->key);
}

/* Is a notice due, of so much of the limit?  Then the next one is due when its
 * window has passed. */
static bool
is_due(struct simulation *s, const char *account,
    const struct quota_limit *limit, bool all)
{
	size_t size = strlen(account) + 40;
	struct noted *n = calloc(1, sizeof(*n) + size);
	struct noted **at;
	int64_t now = s->event.habit.t;
	bool due;

	if (n == NULL)
		return false;
	snprintf(n->key, size, "%d %u %d %s", (int)limit->kind,
	    (unsigned)limit->window_s, all, account);
	at = tsearch(n, &s->noted, by_key);
	if (at == NULL || *at != n)
		free(n);
	if (at == NULL)
		return false;
	due = (*at)->until <= now;
	if (due)
		(*at)->until = now + (int64_t)limit->window_s * 1000;
	return due;
}

/* How near the limits of one level are: note the nearest one, and print a notice
 * where one is due. */
static void
look_at_level(struct simulation *s, const char *account,
    const struct quota_set *set)
{
	static const struct habit_result none;
	struct quota_state state;

	if (set->count == 0 ||
	    quota_peek(s->table, account, set, &state) != 0)
		return;
	for (unsigned i = 0; i < state.count; i++) {
		const struct quota_usage *u = &state.usage[i];
		double share = u->limit.limit == 0 ? 0
		    : (double)u->used / (double)u->limit.limit;
		char words[HABIT_WORDS];

		if (share < NOTICE_SHARE)
			continue;
		limit_words(words, sizeof(words), u->used, &u->limit);
		if (is_due(s, account, &u->limit, u->used >= u->limit.limit))
			print_line(s, account, "notice", words, &none);
		if (share > s->event.habit.quota) {
			s->event.habit.quota = share;
			strcpy(s->words, words);
			s->event.habit.quota_words = s->words;
		}
	}
}

static void
look_at_limits(struct simulation *s, const char *account,
    const struct quota_set *set)
{
	look_at_level(s, account, set);
	for (unsigned i = 0; i < set->sums; i++)
		look_at_level(s, set->sum[i].account, set->sum[i].set);
}

/* Is mail over a limit judged as a whole, at its end, as the stage does? */
static bool
is_whole(const struct simulation *s, const char *account)
{
	const char *client = s->event.habit.client;
	struct host host;
	bool local = client != NULL && host_parse(client, &host) &&
	    host_is_loopback(&host) && !account_is_login(account);
	struct quota_action action =
	    quota_conf_action(&s->limits, account, local);

	return local || action.code == 0;
}

/* Reserve recipients one by one, as RCPT commands come.  QUOTA_GRANTED: at least
 * one fits. */
static int
take_some(struct simulation *s, const char *account,
    const struct quota_set *set, struct quota_use *use,
    struct quota_refusal *why)
{
	struct habit_event *e = &s->event.habit;
	size_t fit = 0;
	int rc = QUOTA_GRANTED;

	while (fit < e->rcpt_count && rc == QUOTA_GRANTED) {
		const struct quota_amount one = {.of = {
		    [QUOTA_MESSAGES] = fit == 0, [QUOTA_RECIPIENTS] = 1}};

		rc = quota_reserve(s->table, account, set, &one, use, why);
		fit += rc == QUOTA_GRANTED;
	}
	if (fit == 0)
		return rc;
	e->rcpt_count = fit;
	return quota_reserve(s->table, account, set,
	    &(struct quota_amount){.of[QUOTA_BYTES] = e->bytes}, use, why);
}

static int
take(struct simulation *s, const char *account, const struct quota_set *set,
    struct quota_use *use, struct quota_refusal *why)
{
	const struct habit_event *e = &s->event.habit;
	const struct quota_amount all = {.of = {[QUOTA_MESSAGES] = 1,
	    [QUOTA_RECIPIENTS] = e->rcpt_count, [QUOTA_BYTES] = e->bytes}};
	int rc = quota_reserve(s->table, account, set, &all, use, why);

	if (rc == QUOTA_REFUSED && e->rcpt_count > 1 && !is_whole(s, account))
		rc = take_some(s, account, set, use, why);
	return rc == QUOTA_GRANTED ? quota_commit(s->table, use, why) : rc;
}

/* Count the mail.  QUOTA_REFUSED: the words say what of. */
static int
count(struct simulation *s, const char *account)
{
	struct quota_set set, sums[QUOTA_SUMS_MAX];
	struct quota_use use = {0};
	struct quota_refusal why = {0};
	const char *charged = account;
	int rc;

	quota_conf_set(&s->limits, account, &set);
	quota_conf_sums(&s->limits, account, &set, sums);
	rc = take(s, charged, &set, &use, &why);
	if (rc == ERR_FULL && set.minor) {
		charged = limits_pool(account);
		quota_conf_pool_set(&s->limits, account, &set);
		quota_conf_sums(&s->limits, account, &set, sums);
		rc = take(s, charged, &set, &use, &why);
	}
	quota_release(s->table, &use);
	look_at_limits(s, charged, &set);
	if (rc == QUOTA_REFUSED) {
		limit_words(s->words, sizeof(s->words), why.used, &why.limit);
		s->event.habit.quota_words = s->words;
		s->event.habit.quota = 1;
	} else if (rc == ERR_FULL && !s->limits.full_accepts) {
		strcpy(s->words, "the table has no room for the account");
		rc = QUOTA_REFUSED;
	}
	return rc;
}

/* -- events -- */

/* The account in its one form; NULL: no memory. */
static const char *
account_of(struct simulation *s)
{
	const struct habit_event *e = &s->event.habit;
	const char *special[] = {ACCOUNT_SCRIPT, ACCOUNT_SENDER, ACCOUNT_LOGIN,
	    ACCOUNT_OTHER_REALMS};
	const char *account = NULL;

	if (e->account == NULL)
		return account_special(&s->arena, ACCOUNT_SENDER,
		    e->from == NULL || e->from[0] == '\0' ? "<>" : e->from);
	for (size_t i = 0; i < sizeof(special) / sizeof(*special); i++) {
		if (strncmp(e->account, special[i], strlen(special[i])) == 0)
			return account_of_text(
			    &s->arena, e->account, s->names.realm, NULL);
	}
	return names_login(&s->names, &s->arena, e->account, &account) == 0
	    ? account
	    : NULL;
}

static int
end_locks(struct simulation *s)
{
	static const struct habit_result none;
	char account[HABIT_ACCOUNT_MAX + 1];

	while (habit_next_unlocked(s->habit, s->event.habit.t, account))
		print_line(s, account, "unlocked", NULL, &none);
	return EX_OK;
}

/* Does a limit or a lock of ours stop the mail?  If so, by which words. */
static const char *
stop(struct simulation *s)
{
	struct habit_event *e = &s->event.habit;

	if (habit_is_locked(s->habit, e->account, e->t)) {
		e->stopped = true;
		return NULL;
	}
	if (e->rcpt_count == 0)
		return NULL;
	e->stopped = count(s, e->account) == QUOTA_REFUSED;
	return s->words;
}

static int
act(struct simulation *s)
{
	struct habit_event *e = &s->event.habit;
	struct habit_result r;
	const char *limit = NULL;

	s->words[0] = '\0';
	s->t = (double)e->t / 1000;
	if (e->t > 0 && (uint64_t)e->t * NS_OF_MS > s->clock_ns)
		s->clock_ns = (uint64_t)e->t * NS_OF_MS;
	e->t = (int64_t)(s->clock_ns / NS_OF_MS);
	end_locks(s);
	if (e->outbound) {
		e->account = account_of(s);
		if (e->account == NULL)
			return posternctl_no_memory();
		limit = stop(s);
	}
	/* Of an account for which there is no room, nothing is known. */
	(void)habit_event(s->habit, e, &r);
	if (e->stopped)
		print_line(s, e->account, "refused", limit, &r);
	if (r.alert)
		print_line(s, r.account, "alert", NULL, &r);
	if (r.locked)
		print_line(s, r.account, "locked", NULL, &r);
	arena_reset(&s->arena);
	return s->mute == 0 ? EX_OK : EX_IOERR;
}

static int
read_event(struct simulation *s, const char *line, size_t len)
{
	struct errmsg msg = {.text = ""};
	int rc = event_read(&s->event, line, len, &msg);

	if (rc == 0)
		return act(s);
	if (rc == ERR_NOMEM)
		return posternctl_no_memory();
	s->faulty = true;
	fprintf(stderr, "posternctl: %s:%lu: ", s->file, s->line);
	for (const char *c = msg.text; *c != '\0'; c++)
		fputc(*c >= ' ' && *c < 0x7f ? *c : '?', stderr);
	fputc('\n', stderr);
	return EX_OK;
}

static int
read_events(struct simulation *s, FILE *in)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int rc = EX_OK;

	while (rc == EX_OK && (len = getline(&line, &room, in)) > 0) {
		s->line++;
		rc = read_event(s, line, (size_t)len);
	}
	free(line);
	if (rc == EX_OK && ferror(in)) {
		fprintf(stderr, "posternctl: %s: %s\n", s->file,
		    strerror(errno));
		return EX_NOINPUT;
	}
	return rc == EX_OK && s->faulty ? EX_DATAERR : rc;
}

/* -- the command -- */

static int
load_also(struct call *c, struct errmsg *msg_r)
{
	struct simulation *s = c->own;
	int rc = quota_conf_init(&s->limits, c->conf, msg_r);

	rc = conf_also(c->conf, rc,
	    habit_conf_init(&s->habits, c->conf, msg_r), msg_r);
	return conf_also(
	    c->conf, rc, names_realms(&s->names, c->conf, msg_r), msg_r);
}

static int
load(struct call *c)
{
	return posternctl_conf_also(c, load_also);
}

static int
open_tables(struct simulation *s)
{
	const struct quota_clock clock = {
	    read_clock, read_clock, read_boot, s};
	const struct quota_options opt = {.mode = QUOTA_CREATE,
	    .accounts = (uint32_t)s->limits.accounts,
	    .limits = s->limits.most == 0 ? 1 : s->limits.most,
	    .clock = &clock};
	struct errmsg msg = {.text = ""};

	s->clock_ns = NS_OF_MS;
	if (quota_open_memory(&s->table, &opt, &msg) != 0) {
		s->table = NULL;
		fprintf(stderr, "posternctl: %s\n", msg.text);
		return EX_OSERR;
	}
	return habit_open_memory(&s->habit, &s->habits.options) == 0
	    ? EX_OK
	    : posternctl_no_memory();
}

static int
run(struct call *c)
{
	struct simulation *s = c->own;
	bool standard = strcmp(c->args[0], "-") == 0;
	FILE *in = standard ? stdin : fopen(c->args[0], "re");
	int rc;

	s->file = c->args[0];
	if (in == NULL) {
		fprintf(stderr, "posternctl: %s: %s\n", s->file,
		    strerror(errno));
		return EX_NOINPUT;
	}
	rc = open_tables(s);
	if (rc == EX_OK)
		rc = read_events(s, in);
	if (!standard)
		fclose(in);
	return rc;
}

static void
close_simulation(struct call *c)
{
	struct simulation *s = c->own;

	quota_close(s->table);
	habit_close(s->habit);
	event_fini(&s->event);
	tdestroy(s->noted, free);
	quota_conf_fini(&s->limits);
	habit_conf_fini(&s->habits);
	names_fini(&s->names);
	arena_fini(&s->arena);
	/* For the message about standard output. */
	if (s->mute != 0)
		errno = s->mute;
}

static const struct verb verbs[] = {
    {.args = "FILE|-",
	.min = 1,
	.max = 1,
	.expected = "expected a file of events, or - for standard input",
	.help = "what this configuration would have refused, told and locked",
	.load = load,
	.run = run},
    {0},
};

const struct command command_simulate = {
    .name = "simulate",
    .args = "FILE|-",
    .summary = "what this configuration would have done with events",
    .size = sizeof(struct simulation),
    .close = close_simulation,
    .verbs = verbs,
};
