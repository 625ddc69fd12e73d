/*
 * Enforces the quotas of accounts.  SPDX-License-Identifier: BSD-2-Clause
 *
 * A recipient is reserved at RCPT, the message with the first recipient, and
 * the octets at the end of the message.  There all is committed; it is released
 * if the message is refused after that.  The exception is mail that is judged
 * as a whole at the end of the message: mail of a local client without a login,
 * because Postfix treats the refusal of a recipient by non_smtpd_milters as a
 * fault of its own and keeps the mail for good; mail of the null sender, which
 * is never refused; and mail that is held or discarded when over its limits.
 *
 * Anybody can make up names of senders and scripts, so these accounts get half
 * of the table at most.  Those without a place in it are charged to the pool of
 * their kind, sender:* or script:*.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/base/siphash.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "lib/quota/quota.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/options.h"
#include "milter/problems.h"
#include "milter/replytext.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "names.h"
#include "quota_conf.h"
#include "quota_names.h"

#define CHECK_SECONDS 5     /* between checks of the table's file */
#define POOL_LOG_SECONDS 3600 /* between log lines about pools */

#define LOCKED_SHARE 100 /* times as long as it took to count locked accounts */

#define REPLY                                                                  \
	"%account% has reached its limit of %limit% %kind% in %window%; "      \
	"try again after %retry% (in %minutes% minutes)"
#define NEVER_REPLY                                                            \
	"This mail alone exceeds the limit of %limit% %kind% in %window% of "  \
	"%account%"
#define LOCKED_REPLY "%account% is locked; ask your postmaster"
#define FULL_REPLY "No room to count the mail of this account; try again later"
#define FULL_HOLD "The quota table has no room to count this account's mail"

struct state {
	struct quota_conf conf;
	struct quota *table;  /* NULL: off line, if no table can be read */
	time_t check_at;      /* CLOCK_MONOTONIC; of the thread that ticks */
	atomic_llong pooled;  /* CLOCK_MONOTONIC, of the last log line about
	    pools; 0: none */
	_Atomic uint64_t reported; /* hash of the error that the last check of
	    the file reported; 0: none */
	atomic_bool unread;   /* off line: the table can't be read, and the log
	    has no line about it yet */
	struct errmsg why;    /* why it can't be read */
	struct trouble trouble; /* with the table's file */
	atomic_uint locked; /* accounts, as they were counted last */
	_Atomic int64_t locked_until; /* clock_ms(): so long that counts */
	struct quota_names *names; /* shared with earlier snapshots */
};

/* One message's account; in the message's arena. */
struct charge {
	const char *name;    /* m->account when the charge began */
	const char *own;     /* the name in the table, mostly the same */
	const char *account; /* who is charged: `own`, or its pool */
	struct quota_set set; /* the account's limits and its sums; these are
	    in: */
	struct quota_set sums[QUOTA_SUMS_MAX];
	struct quota_use use;
	struct quota_action action; /* what is done over a limit */
	bool unrefusable;   /* a refusal would not reach a person */
	bool late;      /* judged at the end of the message only */
	bool uncounted; /* the table is full, and QuotaFull is accept */
	bool ended;     /* judged at the end of the message */
	bool logged;    /* the log has a line that a limit is reached, or the
	    table full */
	bool noted;     /* the summary line has its note */
};

static struct charge *
charge_of(const struct ctx *ctx)
{
	return *message_slot(ctx);
}

static struct quota *
table_of(const struct ctx *ctx)
{
	const struct state *st = ctx->state;

	return st->table;
}

/* -- the table -- */

/* Behind the words of a mistake: what else helps. */
static const char *
room_words(const struct errmsg *why)
{
	return why->kind == ERRMSG_NO_ROOM ? ", or lower QuotaAccounts" : "";
}

/* Log what opening the table or checking its file found; `why` may be empty. c
 * as for options_odd. */
static void
log_report(const struct conf *c, const char *path,
    const struct quota_report *r, const struct errmsg *why)
{
	switch (r->event) {
	case QUOTA_OPENED:
		break;
	case QUOTA_CREATED:
	case QUOTA_FOLLOWED:
		log_line(LOG_INFO, "quota: %s: %s", path, r->words);
		break;
	case QUOTA_RENEWED:
		options_odd(c, "quota: %s: %s; it is kept as %s", path,
		    r->words, r->bad_path);
		break;
	case QUOTA_MIGRATED:
	case QUOTA_TOO_SMALL:
	case QUOTA_RESTORED:
		options_odd(c, "quota: %s: %s%s%s%s", path, r->words,
		    why->text[0] == '\0' ? "" : ": ", why->text,
		    room_words(why));
		break;
	}
}

/* Is it another error than at the last check?  The same one is logged only
 * once. */
static bool
is_new_error(struct state *st, const struct errmsg *why)
{
	uint64_t hash[2];

	siphash128((const uint64_t[2]){0, 0}, why->text, strlen(why->text),
	    hash);
	return atomic_exchange(&st->reported, hash[0]) != hash[0];
}

static void
check_table(struct state *st)
{
	struct quota_report report = {0};
	struct errmsg msg = {.text = ""};

	if (quota_check(st->table, &report, &msg) == 0) {
		atomic_store(&st->reported, 0);
		trouble_clear(&st->trouble);
		log_report(NULL, st->conf.path, &report, &msg);
		return;
	}
	trouble_set(&st->trouble, "%s%s", msg.text, room_words(&msg));
	if (is_new_error(st, &msg))
		log_line(LOG_WARNING,
		    "quota: %s%s; counting goes on in the file as it was",
		    msg.text, room_words(&msg));
}

/* Check the table's file in a tick: the table may have to be migrated, and no
 * mail should wait for that. */
static int64_t
quota_tick(const struct snapshot *snap, void *state)
{
	struct state *st = state;
	struct timespec now;

	(void)snap;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec >= st->check_at) {
		check_table(st);
		st->check_at = now.tv_sec + CHECK_SECONDS;
	}
	return (st->check_at - now.tv_sec) * 1000;
}

/* Report the cause, and the cure if we may not use the file or its
 * directory. */
static int
table_mistake(const struct conf *c, const char *path, int rc,
    const struct errmsg *why, struct errmsg *msg_r)
{
	bool closed = rc == ERR_SYSTEM &&
	    (errno == ENOENT || errno == EACCES || errno == EPERM ||
		errno == ENOTDIR);
	bool missing = closed && errno == ENOENT;
	bool sealed = rc == ERR_SYSTEM && errno == EROFS;
	struct buf cure = BUF_INIT;
	bool fixed = rc == ERR_SYSTEM && errno == EPERM &&
	    cure_fixed(&cure, path);

	closed = closed && !fixed;
	if (closed) {
		buf_str(&cure, CURE_WORDS);
		cure_state(&cure, path, geteuid(), getegid());
	}
	errmsg_set(msg_r, "%s: QuotaTable: %s%s%s%s%s",
	    conf_where(c, "QuotaTable"), missing ? path : why->text,
	    missing ? ": No such file or directory" : "", room_words(why),
	    closed || sealed ? ": its directory must be there, and belong to "
			       "the user that postern runs as (UserID)" : "",
	    sealed ? "; in a systemd unit, name it in ReadWritePaths=" : "");
	if (why->cure > 0)
		errmsg_about(msg_r, why);
	if (closed || fixed)
		errmsg_cure(msg_r, "; ",
		    buf_text(&cure) != NULL ? buf_text(&cure) : CURE_WORDS);
	buf_fini(&cure);
	return rc;
}

/* Off line: open the table if it can be read.  An error is reported only if a
 * message needs the table. */
static void
open_offline(struct state *st)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	int rc = quota_open(&st->table, st->conf.path, &opt, NULL, &st->why);

	if (rc == 0)
		return;
	st->table = NULL;
	atomic_store(&st->unread, rc != ERR_NOTFOUND);
}

static void
daemon_options(const struct state *st, struct quota_options *opt_r)
{
	*opt_r = (struct quota_options){
	    .mode = QUOTA_CREATE,
	    .accounts = (uint32_t)st->conf.accounts,
	    .limits = st->conf.most == 0 ? 1 : st->conf.most,
	};
}

static int
try_table(struct state *st, const struct conf *c, struct errmsg *msg_r)
{
	struct quota_options opt;
	struct errmsg why = {.text = ""};
	const char *foreign;
	int rc;

	/* QuotaTable has a mistake, so its value is the default, which is not
	 * the intended path. */
	if (conf_faulty(c, "QuotaTable"))
		return 0;
	daemon_options(st, &opt);
	rc = quota_try(st->conf.path, &opt, &foreign, &why);
	if (rc == 0 && foreign != NULL)
		conf_odd(c, "quota: %s: %s; a start keeps it as "
		    "%s.bad-TIME", st->conf.path, foreign, st->conf.path);
	return rc == 0 ? 0 : table_mistake(c, st->conf.path, rc, &why, msg_r);
}

static int
open_table(struct state *st, const struct conf *c, struct errmsg *msg_r)
{
	struct quota_options opt;
	struct quota_report report = {0};
	struct errmsg why = {.text = ""};
	int rc;

	daemon_options(st, &opt);
	rc = quota_open(&st->table, st->conf.path, &opt, &report, &why);
	if (rc != 0) {
		st->table = NULL;
		return table_mistake(c, st->conf.path, rc, &why, msg_r);
	}
	log_report(c, st->conf.path, &report, &why);
	return 0;
}

static void
quota_unload(void *state)
{
	struct state *st = state;

	quota_close(st->table);
	quota_names_unref(st->names);
	quota_conf_fini(&st->conf);
	free(st);
}

static int
quota_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct state *before = snapshot_state(old, &stage_quota);
	struct state *st = calloc(1, sizeof(*st));
	int rc;

	if (st == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	st->trouble = (struct trouble)TROUBLE_INIT;
	rc = quota_conf_init(&st->conf, snap->conf, msg_r);
	st->names = before == NULL ? quota_names_new()
				   : quota_names_ref(before->names);
	if (rc == 0 && st->names == NULL)
		rc = ERR_NOMEM;
	if (rc != 0 || !quota_conf_counts(&st->conf)) {
		quota_unload(st);
		return rc;
	}
	/* If the file was removed, restore it with its counts; otherwise a new
	 * file without them would be made now. */
	if (before != NULL && !snap->offline &&
	    strcmp(before->conf.path, st->conf.path) == 0)
		check_table(before);
	if (snap->trial)
		rc = try_table(st, snap->conf, msg_r);
	else if (snap->offline)
		open_offline(st);
	else
		rc = open_table(st, snap->conf, msg_r);
	if (rc != 0) {
		quota_unload(st);
		return rc;
	}
	*state_r = st;
	return 0;
}

static void
quota_adopt(const struct snapshot *snap, void *state)
{
	struct state *st = state;

	quota_names_adopt(
	    st->names, snap->conf, names_of(snap), &st->conf, st->table);
}

static void
quota_reset_counts(void *state)
{
	struct state *st = state;

	if (quota_reset_all(st->table) != 0)
		log_line(LOG_ERR, "quota: %s: counts could not be reset: %s",
		    st->conf.path, strerror(errno));
	else
		log_line(LOG_INFO, "quota: %s: all counts begin anew",
		    st->conf.path);
}

/* A million accounts take long to look through, so what was found then counts
 * for a hundred times as long. */
static double
count_locked(struct state *st)
{
	struct quota_entry entry;
	uint32_t cursor = 0;
	int64_t begun = clock_ms();
	unsigned n = 0;

	if (begun < atomic_load(&st->locked_until))
		return atomic_load(&st->locked);
	while (quota_next(st->table, &cursor, &entry))
		n += entry.locked;
	atomic_store(&st->locked, n);
	atomic_store(&st->locked_until,
	    begun + LOCKED_SHARE * (clock_ms() - begun));
	return n;
}

static void
quota_gauges(void *state, struct metrics *m)
{
	struct state *st = state;
	struct quota_info info;

	quota_info(st->table, &info);
	metrics_gauge(m, "postern_quota_accounts",
	    "Accounts in the quota table", info.accounts_used);
	metrics_gauge(m, "postern_quota_slots",
	    "Accounts for which the quota table has room", info.accounts);
	metrics_gauge(m, "postern_accounts_locked", "Accounts that are locked",
	    count_locked(st));
}

static void
quota_problems(void *state, struct problems *p)
{
	struct state *st = state;

	problems_add_trouble(p, true, "quota_table",
	    "put right what the text names; until then counts are kept in the "
	    "file as it was, and a restart loses them",
	    &st->trouble);
}

/* -- counting; a readonly session changes nothing -- */

/* What an account or a sum has used, for the summary line; 0 without a
 * table. */
static void
peek(const struct ctx *ctx, const char *account, const struct quota_set *set,
    struct quota_state *state_r)
{
	struct quota *table = table_of(ctx);

	if (table != NULL && quota_peek(table, account, set, state_r) == 0)
		return;
	memset(state_r, 0, sizeof(*state_r));
	for (; state_r->count < set->count; state_r->count++)
		state_r->usage[state_r->count].limit =
		    set->limit[state_r->count];
}

static struct quota_amount
sum_of(const struct quota_amount *a, const struct quota_amount *b)
{
	struct quota_amount sum = *a;

	for (int k = 0; k < QUOTA_KINDS; k++)
		sum.of[k] += b->of[k];
	return sum;
}

/* Reserve for c->account; a readonly session only computes the result. */
static int
take_from(const struct ctx *ctx, struct charge *c,
    const struct quota_amount *want, struct quota_refusal *why_r)
{
	struct state *st = ctx->state;
	struct quota_amount sum = sum_of(&c->use.amount, want);
	int rc;

	if (!ctx->s->readonly) {
		/* A part of the file was cut off, so that its counts read as 0:
		 * restore them first. */
		if (quota_needs_check(st->table))
			check_table(st);
		return quota_reserve(
		    st->table, c->account, &c->set, want, &c->use, why_r);
	}
	if (st->table != NULL &&
	    !quota_has_room(st->table, c->account, &c->set))
		return ERR_FULL;
	rc = quota_would(st->table, c->account, &c->set, &sum, why_r);
	if (rc == QUOTA_GRANTED)
		c->use.amount = sum;
	return rc;
}

static void
give_back(
    const struct ctx *ctx, struct charge *c, const struct quota_amount *amount)
{
	if (!ctx->s->readonly) {
		quota_give_back(table_of(ctx), &c->use, amount);
		return;
	}
	for (int k = 0; k < QUOTA_KINDS; k++)
		c->use.amount.of[k] -= amount->of[k];
}

/* Release everything, even what was committed. */
static void
release(const struct ctx *ctx, struct charge *c)
{
	if (ctx->s->readonly)
		memset(&c->use, 0, sizeof(c->use));
	else if (c->use.committed)
		quota_cancel(table_of(ctx), &c->use);
	else
		quota_release(table_of(ctx), &c->use);
}

/* The accounts of senders and scripts fill their half of the table: log that
 * once an hour. */
static void
log_pools(const struct ctx *ctx)
{
	struct state *st = ctx->state;
	long long last = atomic_load(&st->pooled);
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if ((last == 0 || now.tv_sec - last >= POOL_LOG_SECONDS) &&
	    atomic_compare_exchange_strong(&st->pooled, &last, now.tv_sec + 1))
		log_line(LOG_WARNING,
		    "quota: %s: accounts of senders and scripts fill their "
		    "half of the table, so further ones are counted together, "
		    "as sender:* and script:*: see who makes up so many, or "
		    "raise QuotaAccounts (now %ld)",
		    st->conf.path, st->conf.accounts);
}

/* The table has no place for the account: charge its pool from here on, for
 * which nothing is reserved yet.  false: the account has no pool. */
static bool
charge_pool(const struct ctx *ctx, struct charge *c)
{
	const struct state *st = ctx->state;

	if (!c->set.minor)
		return false;
	log_pools(ctx);
	release(ctx, c);
	quota_conf_pool_set(&st->conf, c->account, &c->set);
	quota_conf_sums(&st->conf, c->own, &c->set, c->sums);
	c->account = limits_pool(c->account);
	return true;
}

/* The account's name in the table; NULL: no memory. */
static const char *
own_name(const struct ctx *ctx, const struct charge *c)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;

	return quota_names_now(
	    st->names, &st->conf, st->table, &m->arena, c->name);
}

/* A reload gave the account another name: charge that, with nothing so far.
 * What was reserved went there, and goes back.  The exception: where two
 * accounts became one, it stays counted. */
static bool
charge_new_name(const struct ctx *ctx, struct charge *c)
{
	const struct state *st = ctx->state;
	const char *now = own_name(ctx, c);

	if (now == NULL || strcmp(now, c->own) == 0)
		return false;
	release(ctx, c);
	c->own = c->account = now;
	quota_conf_set(&st->conf, now, &c->set);
	quota_conf_sums(&st->conf, now, &c->set, c->sums);
	return true;
}

static int
take(const struct ctx *ctx, struct charge *c, const struct quota_amount *want,
    struct quota_refusal *why_r)
{
	struct quota_amount sum = sum_of(&c->use.amount, want);
	int rc = take_from(
	    ctx, c, charge_new_name(ctx, c) ? &sum : want, why_r);

	if (rc == ERR_FULL && charge_pool(ctx, c))
		rc = take_from(ctx, c, &sum, why_r);
	return rc;
}

/* -- verdicts -- */

/* Whose limit or lock it is: the account's, or a sum's. */
static const char *
level_name(const struct charge *c, const struct quota_refusal *why)
{
	return why->level == 0 ? c->account :
	    c->set.sum[why->level - 1].account;
}

/* The same for the reply. */
static const char *
level_words(const struct charge *c, const struct quota_refusal *why)
{
	const char *name = level_name(c, why);

	return strcmp(name, ACCOUNT_ALL) == 0 ? "This server" : name;
}

/* The same for the reason that the admin reads. */
static const char *
level_phrase(const struct ctx *ctx, const struct charge *c,
    const struct quota_refusal *why)
{
	const char *name = level_name(c, why), *phrase;

	if (strcmp(name, ACCOUNT_ALL) == 0)
		return "all mail of this server";
	phrase = arena_printf(&ctx->m->arena, "%s %s",
	    why->level == 0 ? "the account" : "all mail of",
	    session_quoted(ctx, name));
	return phrase == NULL ? "the account" : phrase;
}

/* The log gets one line for a refused message, however many its recipients. */
static void
log_refusal(const struct ctx *ctx, const struct charge *c, const char *text)
{
	struct buf b = BUF_INIT;

	buf_escape(&b, c->account, strlen(c->account), QUOTA_ACCOUNT_MAX);
	log_about(ctx, LOG_INFO, "%s: %s", b.failed ? "?" : buf_text(&b), text);
	buf_fini(&b);
}

/* The verdict over a limit.  text and why are in the message's arena; NULL:
 * there was no memory. */
static struct verdict
action_verdict(const struct charge *c, const char *text, const char *why)
{
	struct verdict v = verdict_make(c->action.action, text);

	v.why = why;
	if (text == NULL || why == NULL)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	v.code = c->action.code;
	v.xcode = v.action == VERDICT_REJECT ? "5.7.1" : "4.7.1";
	return v;
}

/* When to try again, in UTC and in minutes. */
static void
retry_words(const struct message *m, uint64_t seconds, char when[32],
    char minutes[32])
{
	time_t at = message_time(m) + (time_t)seconds;
	struct tm tm;

	if (seconds == QUOTA_NEVER || gmtime_r(&at, &tm) == NULL) {
		strcpy(when, "never");
		strcpy(minutes, "-");
		return;
	}
	strftime(when, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	snprintf(minutes, 32, "%llu",
	    (unsigned long long)(seconds / 60 + (seconds % 60 != 0)));
}

/* The kind for the usual reply, with a singular.  Replies of the configuration
 * get the word as the keywords have it. */
static const char *
kind_words(enum quota_kind kind, uint64_t n)
{
	static const char *const one[] = {
	    [QUOTA_MESSAGES] = "message",
	    [QUOTA_RECIPIENTS] = "recipient",
	    [QUOTA_BYTES] = "byte"};

	return n == 1 ? one[kind] : quota_kind_name(kind);
}

static struct verdict
over(const struct ctx *ctx, struct charge *c, const struct quota_refusal *why)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	char limit[32], used[32], window[LIMITS_TEXT], when[32], minutes[32];
	const char *kind = kind_words(why->limit.kind, why->limit.limit);
	const struct replytext_word words[] = {{"account", level_words(c, why)},
	    {"limit", limit}, {"used", used},
	    {"kind", st->conf.reply == NULL
		    ? kind
		    : quota_kind_name(why->limit.kind)},
	    {"window", window}, {"retry", when}, {"minutes", minutes},
	    {NULL, NULL}};
	const char *text = st->conf.reply;

	snprintf(limit, sizeof(limit), "%llu",
	    (unsigned long long)why->limit.limit);
	snprintf(used, sizeof(used), "%llu", (unsigned long long)why->used);
	limits_window_words(why->limit.window_s, window, sizeof(window));
	retry_words(m, why->retry_s, when, minutes);
	if (text == NULL)
		text = why->retry_s == QUOTA_NEVER ? NEVER_REPLY : REPLY;
	if (!c->logged) {
		char line[200 + QUOTA_ACCOUNT_MAX];

		c->logged = true;
		snprintf(line, sizeof(line),
		    "limit of %s %s in %s%s%s: %s used, try again after %s",
		    limit, kind, window, why->level == 0 ? "" : " for all of ",
		    why->level == 0 ? "" : level_name(c, why), used, when);
		log_refusal(ctx, c, line);
	}
	return action_verdict(c, replytext_fill(&m->arena, text, words),
	    arena_printf(&m->arena,
		"%s would be over its limit of %s %s in %s, of which %s %s "
		"used; %s%s",
		level_phrase(ctx, c, why), limit, kind, window, used,
		why->used == 1 ? "is" : "are",
		why->retry_s == QUOTA_NEVER ? "it alone is more than the limit"
					    : "there is room again after ",
		why->retry_s == QUOTA_NEVER ? "" : when));
}

static struct verdict
locked(const struct ctx *ctx, struct charge *c,
    const struct quota_refusal *why)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const struct replytext_word words[] = {
	    {"account", level_words(c, why)}, {NULL, NULL}};
	const char *text = st->conf.locked_reply;
	char line[40 + QUOTA_ACCOUNT_MAX];

	snprintf(line, sizeof(line), "%s is locked",
	    why->level == 0 ? "the account" : level_name(c, why));
	log_refusal(ctx, c, line);
	return action_verdict(c, replytext_fill(&m->arena,
			  text == NULL ? LOCKED_REPLY : text, words),
	    arena_printf(&m->arena, "%s is locked",
		level_phrase(ctx, c, why)));
}

static struct verdict
full(const struct ctx *ctx, struct charge *c)
{
	const struct state *st = ctx->state;
	struct verdict v = verdict_make(VERDICT_TEMPFAIL, FULL_REPLY);

	v.code = 450;
	if (c->unrefusable)
		v = verdict_make(VERDICT_QUARANTINE, FULL_HOLD);
	v.why = "the quota table is full of active accounts";
	if (!c->logged)
		log_about(ctx, LOG_WARNING,
		    "%s: the table is full of active accounts, so this one's "
		    "mail is %s: raise QuotaAccounts (now %ld)",
		    st->conf.path,
		    st->conf.full_accepts ? "not counted"
		    : c->unrefusable	  ? "held"
					  : "refused",
		    st->conf.accounts);
	c->logged = true;
	c->uncounted = st->conf.full_accepts;
	return c->uncounted ? verdict_none : v;
}

/* The verdict for a result of quota_reserve and its kin. */
static struct verdict
verdict_of_result(const struct ctx *ctx, struct charge *c, int rc,
    const struct quota_refusal *why)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const char *cause = rc == ERR_SYSTEM ? strerror(errno) : err_text(rc);

	switch (rc) {
	case QUOTA_GRANTED:
		return verdict_none;
	case QUOTA_REFUSED:
		return over(ctx, c, why);
	case QUOTA_LOCKED:
		return locked(ctx, c, why);
	case ERR_FULL:
		return full(ctx, c);
	default:
		return verdict_error(VERDICT_E_INTERNAL,
		    arena_printf(&m->arena, "%s: cannot count: %s",
			st->conf.path, cause));
	}
}

/* -- the message's walk -- */

/* Is it mail of this machine, without a login? */
static bool
is_local(const struct message *m)
{
	const struct host *client = &m->session->client;

	/* No address: a pipe or a socket file. */
	return m->login == NULL &&
	    (client->family == HOST_NONE || host_is_loopback(client));
}

/* Is the sender null, without a login?  Nobody would get a report of a
 * refusal. */
static bool
is_null_sender(const struct message *m)
{
	return m->login == NULL && m->sender[0] == '\0';
}

static void
choose_action(const struct ctx *ctx, struct charge *c)
{
	const struct message *m = ctx->m;
	const struct state *st = ctx->state;
	bool local = is_local(m);

	c->action = quota_conf_action(&st->conf, c->account, local);
	if (is_null_sender(m) && c->action.code != 0)
		c->action = (struct quota_action){VERDICT_QUARANTINE, 0};
	c->unrefusable = local || is_null_sender(m);
	c->late = c->unrefusable || c->action.code == 0;
}

/* Begin to charge the message's account.  One without limits is charged
 * nothing, but may be locked.  false: no memory. */
static bool
choose(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	struct charge *c;

	*message_slot(ctx) = NULL;
	if (m->direction != DIRECTION_OUTBOUND || m->account == NULL)
		return true;
	c = arena_alloc(&m->arena, sizeof(*c));
	if (c == NULL)
		return false;
	c->name = m->account;
	c->own = c->account = own_name(ctx, c);
	if (c->account == NULL)
		return false;
	quota_conf_set(&st->conf, c->account, &c->set);
	quota_conf_sums(&st->conf, c->own, &c->set, c->sums);
	choose_action(ctx, c);
	*message_slot(ctx) = c;
	return true;
}

/* The octets that the client announces (RFC 1870); 0: none. */
static uint64_t
announced_size(const struct message *m)
{
	for (size_t i = 0; m->params[i] != NULL; i++) {
		if (strncasecmp(m->params[i], "SIZE=", 5) == 0)
			return strtoull(m->params[i] + 5, NULL, 10);
	}
	return 0;
}

static struct verdict
quota_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct state *st = ctx->state;
	const struct quota_amount announced = {
	    {[QUOTA_BYTES] = announced_size(m)}};
	struct quota_refusal why = {0};
	struct charge *c;

	if (!choose(ctx))
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	c = charge_of(ctx);
	if (c == NULL)
		return verdict_none;
	if (ctx->s->readonly && atomic_exchange(&st->unread, false))
		log_line(LOG_WARNING,
		    "quota: %s; accounts are judged as if nothing was sent",
		    st->why.text);
	if (c->late)
		return verdict_none;
	/* The announced size is only compared with the limits.  What is counted
	 * is the real size. */
	return verdict_of_result(ctx, c,
	    quota_would(table_of(ctx), c->account, &c->set, &announced, &why),
	    &why);
}

static struct verdict
quota_rcpt(const struct ctx *ctx, struct rcpt *r)
{
	struct charge *c = charge_of(ctx);
	struct quota_refusal why = {0};
	struct quota_amount want = {{[QUOTA_RECIPIENTS] = 1}};

	(void)r;
	if (c == NULL || c->late || c->uncounted)
		return verdict_none;
	if (c->use.amount.of[QUOTA_MESSAGES] == 0)
		want.of[QUOTA_MESSAGES] = 1;
	return verdict_of_result(ctx, c, take(ctx, c, &want, &why), &why);
}

/* The header may show that a script sent the message, which is then charged to
 * the script's account. */
static struct verdict
quota_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct charge *c = charge_of(ctx), *now;
	struct quota_amount moved = {{0}};
	struct quota_refusal why = {0};

	if (m->account == NULL ||
	    (c != NULL && strcmp(c->name, m->account) == 0))
		return verdict_none;
	if (c != NULL) {
		moved = c->use.amount;
		release(ctx, c);
	}
	if (!choose(ctx))
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	now = charge_of(ctx);
	if (now == NULL || now->late)
		return verdict_none;
	return verdict_of_result(ctx, now, take(ctx, now, &moved, &why), &why);
}

/* Reserve what is still missing for the message as it is, and commit. */
static int
settle_once(
    const struct ctx *ctx, struct charge *c, struct quota_refusal *why_r)
{
	struct message *m = ctx->m;
	const uint64_t true_amount[QUOTA_KINDS] = {
	    [QUOTA_MESSAGES] = 1,
	    [QUOTA_RECIPIENTS] = m->rcpt_count,
	    [QUOTA_BYTES] = message_size(m)};
	struct quota_amount more = {{0}}, less = {{0}};
	int rc;

	for (int k = 0; k < QUOTA_KINDS; k++) {
		uint64_t have = c->use.amount.of[k];

		if (have < true_amount[k])
			more.of[k] = true_amount[k] - have;
		else
			less.of[k] = have - true_amount[k];
	}
	if (c->use.amount.of[QUOTA_MESSAGES] != 0)
		give_back(ctx, c, &less);
	rc = take(ctx, c, &more, why_r);
	if (rc == QUOTA_GRANTED && !ctx->s->readonly)
		rc = quota_commit(table_of(ctx), &c->use, why_r);
	if (rc != QUOTA_GRANTED)
		release(ctx, c);
	return rc;
}

/* Settle again if the account has lost its place in the table during a very
 * long message, or if it was renamed meanwhile. */
static int
settle_up(const struct ctx *ctx, struct charge *c, struct quota_refusal *why_r)
{
	int rc = settle_once(ctx, c, why_r);

	if (rc == ERR_FULL && charge_pool(ctx, c))
		rc = settle_once(ctx, c, why_r);
	while (rc == QUOTA_GRANTED && charge_new_name(ctx, c))
		rc = settle_once(ctx, c, why_r);
	return rc;
}

/* Add what the account or a sum has used: to b for the summary line, as
 * messages/1h:12/200,... (a sum's with its name before each), and to the list
 * for the record (NULL: there was no memory for it). */
static void
note_usage(const struct ctx *ctx, struct buf *b, struct quota_level *list,
    const char *sum, const char *account, const struct quota_set *set)
{
	struct quota_state state;

	peek(ctx, account, set, &state);
	for (unsigned i = 0; i < state.count; i++) {
		const struct quota_usage *u = &state.usage[i];
		char window[LIMITS_TEXT];

		limits_window_text(u->limit.window_s, window, sizeof(window));
		buf_printf(b, "%s%s%s%s/%s:%llu/%llu", b->len == 0 ? "" : ",",
		    sum, *sum == '\0' ? "" : ":",
		    quota_kind_name(u->limit.kind), window,
		    (unsigned long long)u->used,
		    (unsigned long long)u->limit.limit);
		if (list == NULL)
			continue;
		list[ctx->m->quota_count++] = (struct quota_level){
		    .level = *sum == '\0' ? "account"
			: strcmp(sum, ACCOUNT_ALL) == 0 ? "total" : "domain",
		    .kind = quota_kind_name(u->limit.kind),
		    .window_s = u->limit.window_s,
		    .limit = u->limit.limit,
		    .used = u->used};
	}
}

/* Note what is used by now, in the summary line and the record. */
static void
note(const struct ctx *ctx, struct charge *c)
{
	struct message *m = ctx->m;
	const struct quota_set *set = &c->set;
	struct buf b = BUF_INIT;
	struct quota_level *list;
	size_t room = set->count;

	c->noted = true;
	for (unsigned i = 0; i < set->sums; i++)
		room += set->sum[i].set->count;
	if (room == 0)
		return;
	list = arena_alloc(&m->arena, room * sizeof(*list));
	m->quota = list;
	m->quota_count = 0;
	note_usage(ctx, &b, list, "", c->account, set);
	for (unsigned i = 0; i < set->sums; i++)
		note_usage(ctx, &b, list, set->sum[i].account,
		    set->sum[i].account, set->sum[i].set);
	message_note(m, "quota", "%s", b.failed ? "?" : buf_text(&b));
	session_why(ctx, "the account %s has used %s of its limits",
	    session_quote(ctx, c->account), b.failed ? "?" : buf_text(&b));
	buf_fini(&b);
}

static struct verdict
quota_eom(const struct ctx *ctx)
{
	struct charge *c = charge_of(ctx);
	struct quota_refusal why = {0};
	struct verdict v;

	if (c == NULL || c->uncounted)
		return verdict_none;
	c->ended = true;
	v = verdict_of_result(ctx, c, settle_up(ctx, c, &why), &why);
	note(ctx, c);
	return v;
}

static void
quota_done(const struct ctx *ctx, const struct verdict *outcome)
{
	struct message *m = ctx->m;
	struct charge *c = charge_of(ctx);
	struct quota_refusal why;
	bool accepted = outcome != NULL && !verdict_refuses(outcome);

	if (c == NULL)
		return;
	/* An earlier stage accepted the message, so that this stage's eom was
	 * not called. */
	if (accepted && !c->ended && !c->uncounted && m->rcpt_count > 0)
		settle_up(ctx, c, &why);
	if (accepted && c->use.committed) {
		quota_settle(table_of(ctx), &c->use);
		quota_release(table_of(ctx), &c->use);
	} else {
		release(ctx, c);
	}
	if (!c->noted)
		note(ctx, c);
}

const struct stage stage_quota = {
    .name = "quota",
    .off = "no Quota section has a limit",
    .needs = NEED_QUARANTINE,
    .answers = HOOK_BIT(HOOK_MAIL) | HOOK_BIT(HOOK_RCPT),
    .options = &quota_conf_options,
    .load = quota_load,
    .unload = quota_unload,
    .adopt = quota_adopt,
    .mail = quota_mail,
    .rcpt = quota_rcpt,
    .eoh = quota_eoh,
    .eom = quota_eom,
    .done = quota_done,
    .reset_counts = quota_reset_counts,
    .tick = quota_tick,
    .gauges = quota_gauges,
    .problems = quota_problems,
};
