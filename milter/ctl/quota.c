/*
 * posternctl quota: what accounts have sent; reset and lock them.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * It works on the table that the daemon counts in, needs no daemon, and never
 * makes a table.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "lib/quota/quota.h"
#include "milter/stage/names.h"
#include "milter/stage/quota_conf.h"
#include "posternctl.h"

#define FAILED 1 /* the exit code for what could not be done */

enum verb { VERB_LIST, VERB_SHOW, VERB_RESET, VERB_LOCK, VERB_UNLOCK };

static const struct {
	const char *word;
	enum quota_mode mode;
	int args_min, args_max; /* accounts */
} verbs[] = {
    [VERB_LIST] = {"list", QUOTA_READ, 0, 0},
    [VERB_SHOW] = {"show", QUOTA_READ, 1, 1},
    [VERB_RESET] = {"reset", QUOTA_WRITE, 0, 1},
    [VERB_LOCK] = {"lock", QUOTA_WRITE, 1, 1},
    [VERB_UNLOCK] = {"unlock", QUOTA_WRITE, 1, 1},
};

enum sort { SORT_ACCOUNT, SORT_USED };

struct query {
	enum verb verb;
	enum sort sort;
	bool json;
	const char *account; /* in its one form; NULL: all */
	struct arena arena;
	struct quota_conf limits; /* list and show: what accounts are held to */
	const char *path;         /* of the table */
	struct quota *table;
	time_t now;
};

/* One account to print. */
struct row {
	char *account;
	bool locked;
	double share; /* of the limit that is nearest */
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

/* A name as a terminal may see it; the caller's to free. */
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

/* -- looking -- */

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

/* How much of its nearest limit is used. */
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
no_memory(void)
{
	fprintf(stderr, "posternctl: no memory\n");
	return EX_OSERR;
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
		rc = no_memory();
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
		return no_memory();
	print_rows(q, &r, 1);
	return EX_OK;
}

/* -- changing -- */

/* A lock may come before the first mail; it may also be a name that no mail is
 * charged to. */
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

static int
change(struct query *q)
{
	int rc;

	if (q->verb == VERB_LOCK)
		note_unseen(q);
	if (q->verb != VERB_RESET)
		rc = quota_lock(q->table, q->account, q->verb == VERB_LOCK);
	else if (q->account != NULL)
		rc = quota_reset(q->table, q->account);
	else
		rc = quota_reset_all(q->table);
	if (rc == ERR_NOTFOUND)
		return unknown(q);
	if (rc != 0) {
		fprintf(stderr, "posternctl: %s: %s\n", q->path,
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
		return FAILED;
	}
	return EX_OK;
}

/* The account was meant as a login's, whose mail is counted elsewhere: what was
 * counted under its name before can be looked at and changed all the same, and
 * so can all where this user may not read QuotaRealms. */
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

static bool
find_verb(const char *word, enum verb *verb_r)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(*verbs); i++) {
		if (strcmp(verbs[i].word, word) == 0) {
			*verb_r = (enum verb)i;
			return true;
		}
	}
	return false;
}

/* Is all asked for that there is?  Of an empty table that is nothing. */
static bool
of_all(const struct query *q)
{
	return q->account == NULL &&
	    (q->verb == VERB_LIST || q->verb == VERB_RESET);
}

static int
open_table(struct query *q)
{
	const struct quota_options opt = {.mode = verbs[q->verb].mode};
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
	return of_all(q) ? EX_OK : FAILED;
}

/* Who only changes counts needs no limits, nor what they are made of. */
static int
load(struct query *q, const char *config, struct conf **conf_r)
{
	struct errmsg msg = {.text = ""};
	int rc = posternctl_conf(config, conf_r);

	if (rc != ERR_NOMEM)
		q->path = conf_str(*conf_r, "QuotaTable");
	if (rc != ERR_NOMEM && verbs[q->verb].mode == QUOTA_READ)
		rc = conf_also(*conf_r, rc,
		    quota_conf_init(&q->limits, *conf_r, &msg), &msg);
	return posternctl_conf_end(*conf_r, rc);
}

static int
answer(struct query *q, const char *config, const char *account)
{
	struct errmsg msg = {.text = ""};
	struct conf *conf;
	int rc = load(q, config, &conf);

	if (rc == EX_OK && account != NULL) {
		q->account = quota_conf_account(conf, &q->arena, account);
		if (q->account == NULL)
			rc = no_memory();
		else
			note_realm(q, conf, account);
	}
	if (rc == EX_OK)
		rc = open_table(q);
	if (rc != EX_OK || q->table == NULL)
		goto done;
	if (q->verb == VERB_LIST)
		rc = list(q);
	else if (q->verb == VERB_SHOW)
		rc = show(q);
	else
		rc = change(q);
	if (rc == EX_OK &&
	    quota_check(q->table, NULL, &msg) == ERR_FORMAT) {
		fprintf(stderr,
		    "posternctl: %s: try again: postern makes a new one when "
		    "mail comes\n",
		    msg.text);
		rc = FAILED;
	}
done:
	quota_close(q->table);
	quota_conf_fini(&q->limits);
	conf_free(conf);
	return rc;
}

static const struct option long_options[] = {
    {"json", no_argument, NULL, 'j'},
    {"sort", required_argument, NULL, 's'},
    {NULL, 0, NULL, 0},
};

static bool
take_option(struct query *q, int opt, const char **config)
{
	switch (opt) {
	case 'x':
		*config = optarg;
		return true;
	case 'j':
		q->json = true;
		return true;
	case 's':
		q->sort = strcmp(optarg, "used") == 0 ? SORT_USED
						      : SORT_ACCOUNT;
		if (q->sort == SORT_USED || strcmp(optarg, "account") == 0)
			return true;
		fprintf(stderr, "posternctl: --sort: expected used or "
				"account\n");
		return false;
	default:
		return false;
	}
}

static int
run(int argc, char **argv, const char *config)
{
	struct query q = {.now = time(NULL)};
	int opt, args, rc;

	while ((opt = getopt_long(argc, argv, "x:", long_options, NULL)) != -1) {
		if (!take_option(&q, opt, &config))
			return posternctl_usage(&command_quota);
	}
	args = argc - optind - 1;
	if (args < 0)
		return posternctl_usage(&command_quota);
	if (!find_verb(argv[optind], &q.verb))
		return posternctl_misused(
		    &command_quota, argv[optind], "no such command of quota");
	if (args < verbs[q.verb].args_min)
		return posternctl_misused(
		    &command_quota, argv[optind], "expected an account");
	if (args > verbs[q.verb].args_max)
		return posternctl_misused(&command_quota,
		    argv[optind + verbs[q.verb].args_max + 1],
		    "more than is expected here");
	if (args > 0 && q.verb == VERB_LOCK && argv[optind + 1][0] == '@')
		return posternctl_misused(&command_quota, argv[optind + 1],
		    "expected an account; a domain can't be locked");
	arena_init(&q.arena);
	rc = answer(&q, config, args == 0 ? NULL : argv[optind + 1]);
	arena_fini(&q.arena);
	return rc;
}

const struct command command_quota = {
    .name = "quota",
    .args = "list|show|reset|lock|unlock [options] [ACCOUNT]",
    .summary = "what accounts have sent; reset and lock them",
    .run = run,
    .help = "  list               all accounts of the table\n"
	    "  show ACCOUNT       one of them\n"
	    "  reset [ACCOUNT]    its counts, or all, begin anew; locks stay\n"
	    "  lock ACCOUNT       refuse all its mail\n"
	    "  unlock ACCOUNT     no more\n"
	    "  -x FILE            the configuration\n"
	    "  --json             one object a line\n"
	    "  --sort used|account\n",
};
