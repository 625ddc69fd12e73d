/*
 * Holds every account to its quota.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Recipients are reserved as they come, the message with the first of them, the
 * octets at the end of the message; there all is committed, and goes back if
 * somebody after this stage refuses.  Some mail is judged at the end of the
 * message only, all at once: a local client's without a login, because Postfix
 * takes the refusal of a recipient by non_smtpd_milters for a mistake of its
 * own and keeps the mail for good; the null sender's, which is never refused;
 * and any that is held or discarded when over its limits.
 *
 * The names of senders and scripts are anybody's to make up, so they have half
 * of the table at most.  Those for which there is no place in it are charged to
 * the pool of their kind, sender:* or script:*.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/siphash.h"
#include "lib/quota/limits.h"
#include "lib/quota/quota.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/replytext.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "names.h"
#include "quota_conf.h"
#include "quota_names.h"

#define CHECK_SECONDS 5     /* between looks at the table's file */
#define POOL_LOG_SECONDS 3600 /* between words on pools in the log */

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
	struct quota *table;  /* NULL: off line, and there is none to read */
	atomic_llong checked; /* CLOCK_MONOTONIC seconds of the last look */
	atomic_llong pooled;  /* likewise of the last word on pools; 0: none */
	_Atomic uint64_t told; /* hash of the last look's failure; 0: none */
	atomic_bool unread;   /* there is one, and the log does not know */
	struct errmsg why;    /* why it can't be read */
	struct quota_names *names; /* shared with the snapshots before */
};

/* One message's account; in the message's arena. */
struct charge {
	const char *name;    /* m->account, when it was chosen */
	const char *own;     /* as the table has it: mostly the same */
	const char *account; /* that, or its pool: who is charged */
	struct quota_set set;
	struct quota_use use;
	struct quota_action action; /* over a limit */
	bool unheard;   /* nobody there can make anything of a refusal */
	bool late;      /* judged at the end of the message only */
	bool uncounted; /* the table is full, and QuotaFull is accept */
	bool ended;     /* judged at the end of the message */
	bool logged;    /* that a limit is reached, or the table full */
	bool noted;     /* the summary has its note */
};

static struct charge *
charge_of(struct message *m)
{
	return *message_slot(m);
}

static struct quota *
table_of(const struct message *m)
{
	const struct state *st = message_state(m);

	return st->table;
}

/* -- the table -- */

/* What opening the table or looking at its file found; `why` may be empty. */
static void
log_report(
    const char *path, const struct quota_report *r, const struct errmsg *why)
{
	switch (r->event) {
	case QUOTA_OPENED:
		break;
	case QUOTA_CREATED:
	case QUOTA_FOLLOWED:
		log_line(LOG_INFO, "quota: %s: %s", path, r->words);
		break;
	case QUOTA_RENEWED:
		log_line(LOG_WARNING, "quota: %s: %s; it is kept as %s", path,
		    r->words, r->bad_path);
		break;
	case QUOTA_MIGRATED:
	case QUOTA_TOO_SMALL:
	case QUOTA_RESTORED:
		log_line(LOG_WARNING, "quota: %s: %s%s%s", path, r->words,
		    why->text[0] == '\0' ? "" : ": ", why->text);
		break;
	}
}

/* What fails at every look in the same way is said once. */
static bool
is_news(struct state *st, const struct errmsg *why)
{
	uint64_t hash[2];

	siphash128((const uint64_t[2]){0, 0}, why->text, strlen(why->text),
	    hash);
	return atomic_exchange(&st->told, hash[0]) != hash[0];
}

static void
check_table(struct state *st)
{
	struct quota_report report = {0};
	struct errmsg msg = {.text = ""};

	if (quota_check(st->table, &report, &msg) == 0) {
		atomic_store(&st->told, 0);
		log_report(st->conf.path, &report, &msg);
	} else if (is_news(st, &msg)) {
		log_line(LOG_WARNING,
		    "quota: %s; counting goes on in the file as it was",
		    msg.text);
	}
}

/* Look at the table's file now and then; one thread at a time. */
static void
check_sometimes(struct state *st)
{
	struct timespec now;
	long long last = atomic_load(&st->checked);

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec - last >= CHECK_SECONDS &&
	    atomic_compare_exchange_strong(&st->checked, &last, now.tv_sec))
		check_table(st);
}

/* The cause, and what helps where the file or its directory is not for us. */
static int
table_mistake(const struct conf *c, const char *path, int rc,
    const struct errmsg *why, struct errmsg *msg_r)
{
	bool closed = rc == ERR_SYSTEM &&
	    (errno == ENOENT || errno == EACCES || errno == EPERM);
	bool missing = closed && errno == ENOENT;
	bool sealed = rc == ERR_SYSTEM && errno == EROFS;
	struct buf cure = BUF_INIT;

	if (closed) {
		buf_str(&cure, CURE_WORDS);
		cure_state(&cure, path, geteuid(), getegid());
	}
	errmsg_set(msg_r, "%s: QuotaTable: %s%s%s%s",
	    conf_where(c, "QuotaTable"), missing ? path : why->text,
	    missing ? ": No such file or directory" : "",
	    closed || sealed ? ": its directory must be there, and belong to "
			       "the user that postern runs as (UserID)" : "",
	    sealed ? "; in a systemd unit, name it in ReadWritePaths=" : "");
	if (why->cure > 0)
		errmsg_about(msg_r, why);
	if (closed)
		errmsg_cure(msg_r, "; ",
		    buf_text(&cure) != NULL ? buf_text(&cure) : CURE_WORDS);
	buf_fini(&cure);
	return rc;
}

/* Off line: whatever there is to read.  posternctl says what is wrong where it
 * matters. */
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
	int rc;

	daemon_options(st, &opt);
	rc = quota_try(st->conf.path, &opt, &why);
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
	log_report(st->conf.path, &report, &why);
	return 0;
}

static struct state *
state_of(const struct snapshot *snap)
{
	for (size_t i = 0; snap != NULL && stages[i] != NULL; i++) {
		if (stages[i] == &stage_quota)
			return snap->state[i];
	}
	return NULL;
}

static void
unload(void *state)
{
	struct state *st = state;

	quota_close(st->table);
	quota_names_unref(st->names);
	quota_conf_fini(&st->conf);
	free(st);
}

static int
load(const struct snapshot *snap, const struct snapshot *old, void **state_r,
    struct errmsg *msg_r)
{
	struct state *st = calloc(1, sizeof(*st)), *before = state_of(old);
	int rc;

	if (st == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	rc = quota_conf_init(&st->conf, snap->conf, msg_r);
	st->names = before == NULL ? quota_names_new()
				   : quota_names_ref(before->names);
	if (rc == 0 && st->names == NULL)
		rc = ERR_NOMEM;
	if (rc != 0 || limits_sections(st->conf.limits) == 0) {
		unload(st);
		return rc;
	}
	/* The counts of a file that was removed would be missing in the one
	 * that is made now. */
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
		unload(st);
		return rc;
	}
	*state_r = st;
	return 0;
}

static void
adopt(const struct snapshot *snap, void *state)
{
	struct state *st = state;

	quota_names_adopt(
	    st->names, snap->conf, names_of(snap), &st->conf, st->table);
}

static void
reset(void *state)
{
	struct state *st = state;

	if (quota_reset_all(st->table) != 0)
		log_line(LOG_ERR, "quota: %s: counts could not be reset: %s",
		    st->conf.path, strerror(errno));
	else
		log_line(LOG_INFO, "quota: %s: all counts begin anew",
		    st->conf.path);
}

/* -- the engine, or with a readonly session what it would answer -- */

/* What the account has used, for the summary; nothing where there is no
 * table. */
static void
peek(struct message *m, const struct charge *c, struct quota_state *state_r)
{
	struct quota *table = table_of(m);

	if (table != NULL &&
	    quota_peek(table, c->account, &c->set, state_r) == 0)
		return;
	memset(state_r, 0, sizeof(*state_r));
	for (; state_r->count < c->set.count; state_r->count++)
		state_r->usage[state_r->count].limit =
		    c->set.limit[state_r->count];
}

static struct quota_amount
sum_of(const struct quota_amount *a, const struct quota_amount *b)
{
	struct quota_amount sum = *a;

	for (int k = 0; k < QUOTA_KINDS; k++)
		sum.of[k] += b->of[k];
	return sum;
}

/* From the account that is charged now, if it has a pool. */
static int
take_from(struct message *m, struct charge *c, const struct quota_amount *want,
    struct quota_refusal *why_r)
{
	struct state *st = (struct state *)(uintptr_t)message_state(m);
	struct quota_amount sum = sum_of(&c->use.amount, want);
	int rc;

	if (!m->session->readonly) {
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
    struct message *m, struct charge *c, const struct quota_amount *amount)
{
	if (!m->session->readonly) {
		quota_give_back(table_of(m), &c->use, amount);
		return;
	}
	for (int k = 0; k < QUOTA_KINDS; k++)
		c->use.amount.of[k] -= amount->of[k];
}

/* Everything goes back, what was committed too. */
static void
release(struct message *m, struct charge *c)
{
	if (m->session->readonly)
		memset(&c->use, 0, sizeof(c->use));
	else if (c->use.committed)
		quota_cancel(table_of(m), &c->use);
	else
		quota_release(table_of(m), &c->use);
}

/* Half of the table is full: to be said now and then. */
static void
log_pools(struct message *m)
{
	struct state *st = (struct state *)(uintptr_t)message_state(m);
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

/* The table has no place for the account: charge its pool, with nothing so far.
 * false: it has none. */
static bool
to_pool(struct message *m, struct charge *c)
{
	const struct state *st = message_state(m);

	if (!c->set.minor)
		return false;
	log_pools(m);
	release(m, c);
	quota_conf_pool_set(&st->conf, c->account, &c->set);
	c->account = limits_pool(c->account);
	return true;
}

/* NULL: no memory. */
static const char *
own_name(struct message *m, const struct charge *c)
{
	const struct state *st = message_state(m);

	return quota_names_now(
	    st->names, &st->conf, st->table, &m->arena, c->name);
}

/* A reload gave the account another name: charge that, with nothing so far.
 * What was reserved went there, and can't be told from what others sent. */
static bool
to_new_name(struct message *m, struct charge *c)
{
	const struct state *st = message_state(m);
	const char *now = own_name(m, c);

	if (now == NULL || strcmp(now, c->own) == 0)
		return false;
	release(m, c);
	c->own = c->account = now;
	quota_conf_set(&st->conf, now, &c->set);
	return true;
}

static int
take(struct message *m, struct charge *c, const struct quota_amount *want,
    struct quota_refusal *why_r)
{
	struct quota_amount sum = sum_of(&c->use.amount, want);
	int rc = take_from(m, c, to_new_name(m, c) ? &sum : want, why_r);

	if (rc == ERR_FULL && to_pool(m, c))
		rc = take_from(m, c, &sum, why_r);
	return rc;
}

/* -- verdicts -- */

/* The log gets one line for a refused message, however many its recipients. */
static void
log_refusal(struct message *m, const struct charge *c, const char *text)
{
	struct buf b = BUF_INIT;

	buf_escape(&b, c->account, strlen(c->account), QUOTA_ACCOUNT_MAX);
	log_about(m->session, LOG_INFO, "%s: %s",
	    b.failed ? "?" : buf_text(&b), text);
	buf_fini(&b);
}

/* What is done over a limit.  text and why are the message's; NULL: there was
 * no memory. */
static struct verdict
act(const struct charge *c, const char *text, const char *why)
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

static struct verdict
over(struct message *m, struct charge *c, const struct quota_refusal *why)
{
	const struct state *st = message_state(m);
	char limit[32], used[32], window[LIMITS_TEXT], when[32], minutes[32];
	const char *kind = quota_kind_name(why->limit.kind);
	const struct replytext_word words[] = {{"account", c->account},
	    {"limit", limit}, {"used", used}, {"kind", kind},
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
		char line[200];

		c->logged = true;
		snprintf(line, sizeof(line),
		    "limit of %s %s in %s: %s used, try again after %s", limit,
		    kind, window, used, when);
		log_refusal(m, c, line);
	}
	return act(c, replytext_fill(&m->arena, text, words),
	    arena_printf(&m->arena,
		"the account %s would be over its limit of %s %s in %s, of "
		"which %s are used",
		session_quote(m->session, c->account), limit, kind, window,
		used));
}

static struct verdict
locked(struct message *m, struct charge *c)
{
	const struct state *st = message_state(m);
	const struct replytext_word words[] = {
	    {"account", c->account}, {NULL, NULL}};
	const char *text = st->conf.locked_reply;

	log_refusal(m, c, "the account is locked");
	return act(c, replytext_fill(&m->arena,
			  text == NULL ? LOCKED_REPLY : text, words),
	    "the account is locked");
}

static struct verdict
full(struct message *m, struct charge *c)
{
	const struct state *st = message_state(m);
	struct verdict v = verdict_make(VERDICT_TEMPFAIL, FULL_REPLY);

	v.code = 450;
	if (c->unheard)
		v = verdict_make(VERDICT_QUARANTINE, FULL_HOLD);
	v.why = "the quota table is full of active accounts";
	if (!c->logged)
		log_about(m->session, LOG_WARNING,
		    "%s: the table is full of active accounts, so this one's "
		    "mail is %s: raise QuotaAccounts (now %ld)",
		    st->conf.path,
		    st->conf.full_accepts ? "not counted" :
			c->unheard        ? "held" : "refused",
		    st->conf.accounts);
	c->logged = true;
	c->uncounted = st->conf.full_accepts;
	return c->uncounted ? verdict_none : v;
}

/* What the engine's answer means. */
static struct verdict
answer(struct message *m, struct charge *c, int rc,
    const struct quota_refusal *why)
{
	const struct state *st = message_state(m);
	const char *cause = rc == ERR_SYSTEM ? strerror(errno) : err_text(rc);

	switch (rc) {
	case QUOTA_GRANTED:
		return verdict_none;
	case QUOTA_REFUSED:
		return over(m, c, why);
	case QUOTA_LOCKED:
		return locked(m, c);
	case ERR_FULL:
		return full(m, c);
	default:
		return verdict_error(VERDICT_E_INTERNAL,
		    arena_printf(&m->arena, "%s: cannot count: %s",
			st->conf.path, cause));
	}
}

/* -- the message's walk -- */

/* Does the client speak for this machine, not for somebody who logged in? */
static bool
is_local(const struct message *m)
{
	const struct sockaddr_in *v4 =
	    (const struct sockaddr_in *)&m->session->client;
	const struct sockaddr_in6 *v6 =
	    (const struct sockaddr_in6 *)&m->session->client;

	if (m->login != NULL)
		return false;
	switch (m->session->client.ss_family) {
	case AF_INET:
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
	default:
		return true; /* no address: a pipe or a socket file */
	}
}

/* Does a mail server send it for itself?  Nobody would be told of a refusal. */
static bool
is_null_sender(const struct message *m)
{
	return m->login == NULL && m->sender[0] == '\0';
}

static void
choose_action(const struct message *m, struct charge *c)
{
	const struct state *st = message_state(m);
	bool local = is_local(m);

	c->action = quota_conf_action(&st->conf, c->account, local);
	if (is_null_sender(m) && c->action.code != 0)
		c->action = (struct quota_action){VERDICT_QUARANTINE, 0};
	c->unheard = local || is_null_sender(m);
	c->late = c->unheard || c->action.code == 0;
}

/* Begin to charge the message's account.  One without limits is charged
 * nothing, but may be locked.  false: no memory. */
static bool
choose(struct message *m)
{
	const struct state *st = message_state(m);
	struct charge *c;

	*message_slot(m) = NULL;
	if (m->direction != DIRECTION_OUTBOUND || m->account == NULL)
		return true;
	c = arena_alloc(&m->arena, sizeof(*c));
	if (c == NULL)
		return false;
	c->name = m->account;
	c->own = c->account = own_name(m, c);
	if (c->account == NULL)
		return false;
	quota_conf_set(&st->conf, c->account, &c->set);
	choose_action(m, c);
	*message_slot(m) = c;
	return true;
}

/* The octets that the client announces (RFC 1870); 0: it does not. */
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
mail(struct message *m)
{
	struct state *st = (struct state *)(uintptr_t)message_state(m);
	const struct quota_amount announced = {
	    {[QUOTA_BYTES] = announced_size(m)}};
	struct quota_refusal why = {0};
	struct charge *c;

	if (!choose(m))
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	c = charge_of(m);
	if (c == NULL)
		return verdict_none;
	if (!m->session->readonly)
		check_sometimes(st);
	else if (atomic_exchange(&st->unread, false))
		log_line(LOG_WARNING,
		    "quota: %s; accounts are judged as if nothing was sent",
		    st->why.text);
	if (c->late)
		return verdict_none;
	/* What is announced is not kept for the message: only what really comes
	 * is counted. */
	return answer(m, c,
	    quota_would(table_of(m), c->account, &c->set, &announced, &why),
	    &why);
}

static struct verdict
rcpt(struct message *m, struct rcpt *r)
{
	struct charge *c = charge_of(m);
	struct quota_refusal why = {0};
	struct quota_amount want = {{[QUOTA_RECIPIENTS] = 1}};

	(void)r;
	if (c == NULL || c->late || c->uncounted)
		return verdict_none;
	if (c->use.amount.of[QUOTA_MESSAGES] == 0)
		want.of[QUOTA_MESSAGES] = 1;
	return answer(m, c, take(m, c, &want, &why), &why);
}

/* The headers may tell that a script sent this: then it is the script's. */
static struct verdict
eoh(struct message *m)
{
	struct charge *c = charge_of(m), *now;
	struct quota_amount moved = {{0}};
	struct quota_refusal why = {0};

	if (m->account == NULL ||
	    (c != NULL && strcmp(c->name, m->account) == 0))
		return verdict_none;
	if (c != NULL) {
		moved = c->use.amount;
		release(m, c);
	}
	if (!choose(m))
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	now = charge_of(m);
	if (now == NULL || now->late)
		return verdict_none;
	return answer(m, now, take(m, now, &moved, &why), &why);
}

/* Count what the message really is, from the account that is charged now. */
static int
settle_once(struct message *m, struct charge *c, struct quota_refusal *why_r)
{
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
		give_back(m, c, &less);
	rc = take(m, c, &more, why_r);
	if (rc == QUOTA_GRANTED && !m->session->readonly)
		rc = quota_commit(table_of(m), &c->use, why_r);
	if (rc != QUOTA_GRANTED)
		release(m, c);
	return rc;
}

/* The place of an account may be another's when its message took very long; and
 * what was counted while the account moved may have been left behind. */
static int
settle_up(struct message *m, struct charge *c, struct quota_refusal *why_r)
{
	int rc = settle_once(m, c, why_r);

	if (rc == ERR_FULL && to_pool(m, c))
		rc = settle_once(m, c, why_r);
	while (rc == QUOTA_GRANTED && to_new_name(m, c))
		rc = settle_once(m, c, why_r);
	return rc;
}

/* messages/1h:12/200,... in the summary line. */
static void
note(struct message *m, struct charge *c)
{
	struct quota_state state;
	struct buf b = BUF_INIT;

	c->noted = true;
	if (c->set.count == 0)
		return;
	peek(m, c, &state);
	for (unsigned i = 0; i < state.count; i++) {
		const struct quota_usage *u = &state.usage[i];
		char window[LIMITS_TEXT];

		limits_window_text(u->limit.window_s, window, sizeof(window));
		buf_printf(&b, "%s%s/%s:%llu/%llu", i == 0 ? "" : ",",
		    quota_kind_name(u->limit.kind), window,
		    (unsigned long long)u->used,
		    (unsigned long long)u->limit.limit);
	}
	message_note(m, "quota", "%s", b.failed ? "?" : buf_text(&b));
	session_why(m->session, "the account %s has used %s of its limits",
	    session_quote(m->session, c->account),
	    b.failed ? "?" : buf_text(&b));
	buf_fini(&b);
}

static struct verdict
eom(struct message *m)
{
	struct charge *c = charge_of(m);
	struct quota_refusal why = {0};
	struct verdict v;

	if (c == NULL || c->uncounted)
		return verdict_none;
	c->ended = true;
	v = answer(m, c, settle_up(m, c, &why), &why);
	note(m, c);
	return v;
}

static void
finish(struct message *m, const struct verdict *outcome)
{
	struct charge *c = charge_of(m);
	struct quota_refusal why;
	bool accepted = outcome != NULL && !verdict_refuses(outcome);

	if (c == NULL)
		return;
	/* Someone before this stage let it pass without asking the others. */
	if (accepted && !c->ended && !c->uncounted && m->rcpt_count > 0)
		settle_up(m, c, &why);
	if (accepted && c->use.committed) {
		quota_settle(table_of(m), &c->use);
		quota_release(table_of(m), &c->use);
	} else {
		release(m, c);
	}
	if (!c->noted)
		note(m, c);
}

const struct stage stage_quota = {
    .name = "quota",
    .holds = true,
    .answers = HOOK_BIT(HOOK_MAIL) | HOOK_BIT(HOOK_RCPT),
    .options = &quota_conf_options,
    .load = load,
    .unload = unload,
    .adopt = adopt,
    .mail = mail,
    .rcpt = rcpt,
    .eoh = eoh,
    .eom = eom,
    .finish = finish,
    .reset = reset,
};
