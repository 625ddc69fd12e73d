/*
 * posternctl quota: prints what accounts have sent; resets and locks them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It works on the table of the daemon, which need not run, and never makes a
 * table.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/users.h"
#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "lib/quota/quota.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/stage/names.h"
#include "milter/stage/quota_change.h"
#include "milter/stage/quota_conf.h"
#include "posternctl.h"

#define FAILED 1 /* the exit code if something could not be done */

enum sort { SORT_ACCOUNT, SORT_USED };

struct query {
	enum sort sort;
	bool json;
	const struct conf *conf;
	const char *account; /* in its one form; NULL: all */
	struct arena arena;
	struct quota_conf limits; /* for list and show: the limits */
	const char *path;         /* of the table */
	struct quota *table;
	time_t now;
};

/* One account to print. */
struct row {
	char *account;
	bool locked;
	double share; /* of its nearest limit that is used */
	struct quota_state state;
};

/* -- printing -- */

static json_t *
limit_json(const struct query *q, const struct quota_usage *u)
{
	bool waits = u->retry_s != 0 && u->retry_s != QUOTA_NEVER;

	return json_pack("{s:s,s:I,s:I,s:I,s:o}", "kind",
	    quota_kind_name(u->limit.kind), "window_s",
	    (json_int_t)u->limit.window_s, "limit", (json_int_t)u->limit.limit,
	    "used", (json_int_t)u->used, "retry_at",
	    waits ? json_integer((json_int_t)q->now + (json_int_t)u->retry_s)
		  : json_null());
}

static void
print_json(const struct query *q, const struct row *r)
{
	json_t *limits = json_array(), *j;

	for (unsigned i = 0; i < r->state.count; i++)
		json_array_append_new(
		    limits, limit_json(q, &r->state.usage[i]));
	j = json_pack("{s:o,s:b,s:o}", "account", posternctl_string(r->account),
	    "locked", r->locked, "limits", limits);
	posternctl_print(j);
	json_decref(j);
}

/* The name escaped for a terminal; the caller's to free. */
static char *
escaped(const char *name)
{
	struct buf b = BUF_INIT;
	const char *text;
	char *out;

	buf_escape(&b, name, strlen(name), QUOTA_ACCOUNT_MAX);
	text = buf_text(&b);
	out = strdup(text == NULL ? "?" : text);
	buf_fini(&b);
	return out;
}

static void
print_table_row(const struct query *q, const struct row *r, int width)
{
	char *name = escaped(r->account);

	printf("%-*s  %-6s", width, name == NULL ? "?" : name,
	    r->locked ? "locked" : "-");
	free(name);
	for (unsigned i = 0; i < r->state.count; i++) {
		const struct quota_usage *u = &r->state.usage[i];
		char window[LIMITS_TEXT], when[32] = "";
		time_t at = q->now + (time_t)u->retry_s;
		struct tm tm;

		limits_window_text(u->limit.window_s, window, sizeof(window));
		if (u->retry_s == QUOTA_NEVER)
			strcpy(when, " full");
		else if (u->retry_s != 0 && gmtime_r(&at, &tm) != NULL)
			strftime(when, sizeof(when), " until %FT%TZ", &tm);
		printf("  %s/%s %llu/%llu%s", quota_kind_name(u->limit.kind),
		    window, (unsigned long long)u->used,
		    (unsigned long long)u->limit.limit, when);
	}
	putchar('\n');
}

static void
print_rows(const struct query *q, const struct row *rows, size_t count)
{
	int width = (int)strlen("ACCOUNT");

	for (size_t i = 0; i < count && !q->json; i++) {
		char *name = escaped(rows[i].account);

		if (name != NULL && (int)strlen(name) > width)
			width = (int)strlen(name);
		free(name);
	}
	if (!q->json && count > 0)
		printf("%-*s  %-6s  USED/LIMIT\n", width, "ACCOUNT", "STATE");
	for (size_t i = 0; i < count; i++) {
		if (q->json)
			print_json(q, &rows[i]);
		else
			print_table_row(q, &rows[i], width);
	}
}

/* -- reading -- */

static int
by_account(const void *a, const void *b)
{
	return strcmp(((const struct row *)a)->account,
	    ((const struct row *)b)->account);
}

static int
by_used(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->share != y->share)
		return x->share < y->share ? 1 : -1;
	return by_account(a, b);
}

/* The part of its nearest limit that is used: 1 is all of it. */
static double
share_of(const struct quota_state *state)
{
	double most = 0;

	for (unsigned i = 0; i < state->count; i++) {
		const struct quota_usage *u = &state->usage[i];
		double share = u->limit.limit == 0
		    ? 1
		    : (double)u->used / (double)u->limit.limit;

		if (share > most)
			most = share;
	}
	return most;
}

static void
row_of(struct query *q, const struct quota_entry *e, struct row *r)
{
	struct quota_set set;

	r->account = arena_strdup(&q->arena, e->account);
	r->locked = e->locked;
	quota_conf_set(&q->limits, e->account, &set);
	quota_peek_entry(q->table, e, &set, &r->state);
	r->share = share_of(&r->state);
}

static int
list(struct query *q)
{
	struct row *rows = NULL, *more;
	size_t count = 0, room = 0;
	struct quota_entry e;
	uint32_t cursor = 0;
	int rc = EX_OK;

	while (quota_next(q->table, &cursor, &e)) {
		if (count == room) {
			room = room == 0 ? 64 : room * 2;
			more = realloc(rows, room * sizeof(*rows));
			if (more == NULL)
				break;
			rows = more;
		}
		row_of(q, &e, &rows[count]);
		if (rows[count].account == NULL)
			break;
		count++;
	}
	if (quota_next(q->table, &cursor, &e))
		rc = posternctl_no_memory();
	if (count > 0)
		qsort(rows, count, sizeof(*rows),
		    q->sort == SORT_USED ? by_used : by_account);
	print_rows(q, rows, count);
	free(rows);
	return rc;
}

static int
unknown(const struct query *q)
{
	char *name = escaped(q->account);

	fprintf(stderr, "posternctl: %s: no such account in the table; see "
	    "posternctl quota list\n", name == NULL ? "?" : name);
	free(name);
	return FAILED;
}

static int
show(struct query *q)
{
	struct quota_set set;
	struct row r = {0};

	quota_conf_set(&q->limits, q->account, &set);
	if (quota_peek(q->table, q->account, &set, &r.state) != 0 ||
	    !r.state.known)
		return unknown(q);
	r.account = arena_strdup(&q->arena, q->account);
	r.locked = r.state.locked;
	if (r.account == NULL)
		return posternctl_no_memory();
	print_rows(q, &r, 1);
	return EX_OK;
}

/* -- changing -- */

/* Print a note: an account can be locked before its first mail, but the name
 * may also be one that no mail is charged to. */
static void
note_unseen(const struct query *q)
{
	const struct quota_set none = {0};
	struct quota_state state;
	char *name;

	if (quota_peek(q->table, q->account, &none, &state) != 0 || state.known)
		return;
	name = escaped(q->account);
	fprintf(stderr,
	    "posternctl: %s: locked, though no mail was charged to this "
	    "account yet; see posternctl quota list for the names\n",
	    name == NULL ? "?" : name);
	free(name);
}

/* Log who made the change, for whoever later asks why mail is refused. */
static void
log_change(const struct query *q, enum quota_change what)
{
	const char *sudo = getenv("SUDO_USER");
	struct log_options o;
	char user[USERS_NAME_SIZE];
	struct buf b = BUF_INIT;

	options_log(q->conf, &o);
	if (!o.syslog)
		return;
	quota_change_line(&b, q->account, what);
	buf_str(&b, "posternctl of ");
	users_name(getuid(), user);
	buf_escape(&b, user, strlen(user), sizeof(user));
	buf_printf(&b, " (uid %lu", (unsigned long)getuid());
	if (sudo != NULL) {
		buf_str(&b, ", SUDO_USER ");
		buf_escape(&b, sudo, strlen(sudo), sizeof(user));
	}
	buf_char(&b, ')');
	openlog(o.name, LOG_PID, LOG_MAIL);
	syslog(o.facility | LOG_INFO, "%s",
	    b.failed ? err_text(ERR_NOMEM) : buf_text(&b));
	closelog();
	buf_fini(&b);
}

static int
change(const struct query *q, enum quota_change what)
{
	int rc = quota_change(q->table, q->account, what);

	if (rc == ERR_NOTFOUND)
		return unknown(q);
	if (rc != 0) {
		fprintf(stderr, "posternctl: %s: %s\n", q->path,
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
		return FAILED;
	}
	log_change(q, what);
	return EX_OK;
}

static int
reset(struct query *q)
{
	return change(q, QUOTA_CHANGE_RESET);
}

static int
lock(struct query *q)
{
	note_unseen(q);
	return change(q, QUOTA_CHANGE_LOCK);
}

static int
unlock(struct query *q)
{
	return change(q, QUOTA_CHANGE_UNLOCK);
}

/* Print a note if mail of that login is counted under another name, because its
 * realm is not in QuotaRealms.  It is no error: what was counted under the name
 * before can still be read and changed.  If this user may not read QuotaRealms,
 * there is no note. */
static void
note_realm(struct query *q, const struct conf *c, const char *text)
{
	struct errmsg msg;
	const char *realm;
	struct names n;
	char *name;

	if (names_realms(&n, c, &msg) == 0 &&
	    account_of_text(&q->arena, text, n.realm, &realm) != NULL &&
	    names_realm_exists(&n, realm) == 0) {
		name = escaped(q->account);
		fprintf(stderr,
		    "posternctl: %s: its realm is not in QuotaRealms: mail of "
		    "such logins is counted in " ACCOUNT_OTHER_REALMS "\n",
		    name == NULL ? "?" : name);
		free(name);
	}
	names_fini(&n);
}

/* -- the command -- */

static int
open_table(struct query *q, enum quota_mode mode)
{
	const struct quota_options opt = {.mode = mode};
	struct errmsg msg = {.text = ""};
	int rc = quota_open(&q->table, q->path, &opt, NULL, &msg);

	if (rc == 0)
		return EX_OK;
	q->table = NULL;
	if (rc != ERR_NOTFOUND)
		return posternctl_mistake(&msg) == EX_NOPERM ? EX_NOPERM
								 : FAILED;
	fprintf(stderr, "posternctl: %s: there is no table yet, so nothing is "
	    "counted: postern makes it when it starts and there is a Quota "
	    "section\n", q->path);
	/* Without a table there is nothing to list or reset; only for one
	 * account that is an error. */
	return q->account == NULL ? EX_OK : FAILED;
}

static int
load_limits(struct call *c, struct errmsg *msg_r)
{
	struct query *q = c->own;

	return quota_conf_init(&q->limits, c->conf, msg_r);
}

/* A verb that changes counts needs no limits, nor the files that they come
 * from. */
static int
load(struct call *c)
{
	return posternctl_conf_also(c, load_limits);
}

/* Set the account of the command line, in its one form. */
static int
find_account(const struct call *c, struct query *q)
{
	if (c->count == 0)
		return EX_OK;
	q->account = quota_conf_account(c->conf, &q->arena, c->args[0]);
	if (q->account == NULL)
		return posternctl_no_memory();
	note_realm(q, c->conf, c->args[0]);
	return EX_OK;
}

/* Open the table, and call act. */
static int
with_table(struct call *c, enum quota_mode mode, int (*act)(struct query *q))
{
	struct query *q = c->own;
	struct errmsg msg = {.text = ""};
	int rc;

	q->now = time(NULL);
	q->json = c->json;
	q->conf = c->conf;
	q->path = conf_str(c->conf, "QuotaTable");
	rc = find_account(c, q);
	if (rc == EX_OK)
		rc = open_table(q, mode);
	if (rc != EX_OK || q->table == NULL)
		return rc;
	rc = act(q);
	if (rc == EX_OK && quota_check(q->table, NULL, &msg) == ERR_FORMAT) {
		fprintf(stderr,
		    "posternctl: %s: try again: postern makes a new one within "
		    "seconds\n",
		    msg.text);
		rc = FAILED;
	}
	return rc;
}

static int
run_list(struct call *c)
{
	return with_table(c, QUOTA_READ, list);
}

static int
run_show(struct call *c)
{
	return with_table(c, QUOTA_READ, show);
}

static int
run_reset(struct call *c)
{
	return with_table(c, QUOTA_WRITE, reset);
}

static int
run_lock(struct call *c)
{
	struct query *q = c->own;
	const char *account =
	    quota_conf_account(c->conf, &q->arena, c->args[0]);

	if (account == NULL)
		return posternctl_no_memory();
	if (!quota_change_fits(c->conf, account, QUOTA_CHANGE_LOCK))
		return verb_misused(c, c->args[0],
		    "expected an account; a domain can't be locked unless a "
		    "QuotaTotal section is of it");
	return with_table(c, QUOTA_WRITE, lock);
}

static int
run_unlock(struct call *c)
{
	return with_table(c, QUOTA_WRITE, unlock);
}

static void
close_query(struct call *c)
{
	struct query *q = c->own;

	quota_close(q->table);
	quota_conf_fini(&q->limits);
	arena_fini(&q->arena);
}

static bool
take_sort(struct call *c, const char *word)
{
	struct query *q = c->own;

	q->sort = strcmp(word, "used") == 0 ? SORT_USED : SORT_ACCOUNT;
	return q->sort == SORT_USED || strcmp(word, "account") == 0 ||
	    verb_expected("--sort", "used or account");
}

static const struct verb_option list_options[] = {
    {"sort", "used|account", "nearest to a limit first, or by name",
	take_sort},
    {NULL, NULL, NULL, NULL},
};

#define EXPECTED "expected an account"

static const struct verb verbs[] = {
    {.name = "list",
	.help = "all accounts of the table",
	.options = list_options,
	.load = load,
	.run = run_list},
    {.name = "show",
	.args = "ACCOUNT",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "one of them",
	.load = load,
	.run = run_show},
    {.name = "reset",
	.args = "[ACCOUNT]",
	.max = 1,
	.help = "its counts, or all, begin anew; locks stay",
	.load = posternctl_conf,
	.run = run_reset},
    {.name = "lock",
	.args = "ACCOUNT",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "refuse all its mail; of a sum, all of it",
	.load = posternctl_conf,
	.run = run_lock},
    {.name = "unlock",
	.args = "ACCOUNT",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "let it send again",
	.load = posternctl_conf,
	.run = run_unlock},
    {0},
};

const struct command command_quota = {
    .name = "quota",
    .args = "[ACCOUNT]",
    .summary = "what accounts have sent; reset and lock them",
    .size = sizeof(struct query),
    .close = close_query,
    .verbs = verbs,
};
