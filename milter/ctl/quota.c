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
#include "lib/quota/quota.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/stage/names.h"
#include "milter/stage/quota_change.h"
#include "milter/stage/quota_conf.h"
#include "posternctl.h"
#include "quota.h"

#define SORTS "account, used, last, clients or refused"

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

static int
unknown(const struct query *q)
{
	char *name = escaped(q->account);

	fprintf(stderr, "posternctl: %s: no such account in the table; see "
	    "posternctl quota list\n", name == NULL ? "?" : name);
	free(name);
	return QUOTA_FAILED;
}

/* -- looking -- */

static int
show(struct query *q)
{
	struct quota_set set;
	struct row r = {.account = q->account};
	json_t *j;

	quota_conf_set(&q->limits, q->account, &set);
	if (quota_peek(q->table, q->account, &set, &r.state) != 0 ||
	    !r.state.known)
		return unknown(q);
	r.locked = r.state.locked;
	quota_past_read(q);
	quota_row_fill(q, &r);
	if (!q->json) {
		quota_rows_print(q, &r, 1);
		quota_past_print(q);
		return EX_OK;
	}
	j = quota_row_json(q, &r);
	quota_past_json(q, j);
	posternctl_print(j);
	json_decref(j);
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
		return QUOTA_FAILED;
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
								 : QUOTA_FAILED;
	fprintf(stderr, "posternctl: %s: there is no table yet, so nothing is "
	    "counted: postern makes it when it starts and there is a Quota "
	    "section\n", q->path);
	/* Without a table there is nothing to list or reset; only for one
	 * account that is an error. */
	return q->account == NULL ? EX_OK : QUOTA_FAILED;
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

/* Set what the command line says, and the account in its one form. */
static int
begin(const struct call *c, struct query *q)
{
	q->now = time(NULL);
	q->json = c->json;
	q->conf = c->conf;
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

	q->path = conf_str(c->conf, "QuotaTable");
	rc = begin(c, q);
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
		rc = QUOTA_FAILED;
	}
	return rc;
}

static int
run_list(struct call *c)
{
	return with_table(c, QUOTA_READ, quota_list);
}

static int
run_show(struct call *c)
{
	return with_table(c, QUOTA_READ, show);
}

static int
run_history(struct call *c)
{
	struct query *q = c->own;
	struct errmsg why = {.text = ""};
	int rc = begin(c, q);

	if (rc != EX_OK)
		return rc;
	if (quota_past_open(q, &why) == 0)
		return quota_past_history(q);
	return posternctl_mistake(&why) == EX_NOPERM ? EX_NOPERM
						     : QUOTA_FAILED;
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

	usage_free(q->usage);
	quota_close(q->table);
	quota_conf_fini(&q->limits);
	arena_fini(&q->arena);
}

static bool
take_sort(struct call *c, const char *word)
{
	static const char *const words[] = {
	    [QUOTA_BY_ACCOUNT] = "account",
	    [QUOTA_BY_USED] = "used",
	    [QUOTA_BY_LAST] = "last",
	    [QUOTA_BY_CLIENTS] = "clients",
	    [QUOTA_BY_REFUSED] = "refused",
	};
	struct query *q = c->own;

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		if (strcmp(word, words[i]) == 0) {
			q->sort = (enum quota_sort)i;
			return true;
		}
	}
	return verb_expected("--sort", SORTS);
}

static bool
take_near(struct call *c, const char *number)
{
	struct query *q = c->own;
	char *end;

	q->near = strtol(number, &end, 10);
	if (end != number && *end == '%')
		end++;
	return (end != number && *end == '\0' && q->near >= 0 &&
		   q->near <= 100) ||
	    verb_expected("--near", "a number of per cent, up to 100");
}

static bool
take_by_domain(struct call *c, const char *none)
{
	(void)none;
	((struct query *)c->own)->by_domain = true;
	return true;
}

static const struct verb_option list_options[] = {
    {"sort", "COLUMN", "account, or the greatest first of\n"
	"used (per cent), last, clients, refused", take_sort},
    {"near", "N", "those only that have used N per cent of a limit", take_near},
    {"by-domain", NULL, "add the accounts of each domain up",
	take_by_domain},
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
	.help = "one of them, its last two days and last clients",
	.load = load,
	.run = run_show},
    {.name = "history",
	.args = "ACCOUNT",
	.min = 1,
	.max = 1,
	.expected = EXPECTED,
	.help = "what it sent by days and hours, as far as the decision\nring "
		"reaches back",
	.load = posternctl_conf,
	.run = run_history},
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
