/*
 * Accounts' names in the configuration and in the table.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/quota/quota.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define LIMIT "Quota default {\n Messages = 3/h\n}\n"
#define PLAIN "From: a@example.org\r\n\r\nHello.\r\n"

/* A directory with the table, the configuration and the log in it. */
struct room {
	char dir[64], table[80], conf[80], list[80], log[80];
};

static int
setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	strcpy(r->dir, "/tmp/postern-names-XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		return -1;
	snprintf(r->table, sizeof(r->table), "%s/quota", r->dir);
	snprintf(r->conf, sizeof(r->conf), "%s/conf", r->dir);
	snprintf(r->list, sizeof(r->list), "%s/list", r->dir);
	snprintf(r->log, sizeof(r->log), "%s/log", r->dir);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct room *r = *state;
	int left;

	unlink(r->table);
	unlink(r->conf);
	unlink(r->list);
	unlink(r->log);
	left = rmdir(r->dir);
	free(r);
	return left;
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* What is logged goes into a file from here on; the descriptor to end it. */
static int
begin_log(const struct room *r)
{
	int fd = open(r->log, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	int was = dup(2);

	assert_true(fd >= 0 && was >= 0);
	dup2(fd, 2);
	close(fd);
	return was;
}

static const char *
end_log(const struct room *r, int was)
{
	static char text[65536];
	FILE *f = fopen(r->log, "r");
	size_t n;

	dup2(was, 2);
	close(was);
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* The table's path stands in the first line. */
static int
try_load(const struct room *r, const char *text, const struct snapshot *old,
    struct snapshot **snap_r, struct errmsg *msg_r)
{
	char conf[2000];

	snprintf(conf, sizeof(conf), "QuotaTable %s\n%s", r->table, text);
	write_file(r->conf, conf);
	return snapshot_load(r->conf, false, old, snap_r, msg_r);
}

/* As the daemon comes to a configuration, at the start or at a reload. */
static struct snapshot *
load(const struct room *r, const char *text, const struct snapshot *old)
{
	struct errmsg msg = {.text = ""};
	struct snapshot *snap;

	if (try_load(r, text, old, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	chain_adopt(snap);
	return snap;
}

static bool
sends(struct snapshot *snap, const char *login)
{
	const struct walk w = {.client_ip = "192.0.2.1",
	    .from = "<bob@example.org>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", login}},
	    .message = PLAIN};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	chain_end(s, &v);
	chain_close(s);
	return v.action == VERDICT_NONE;
}

static struct quota *
open_table(const struct room *r)
{
	const struct quota_options opt = {.mode = QUOTA_WRITE};
	struct quota *q;

	assert_int_equal(quota_open(&q, r->table, &opt, NULL, NULL), 0);
	return q;
}

static void
lock(const struct room *r, const char *account)
{
	struct quota *q = open_table(r);

	assert_int_equal(quota_lock(q, account, true), 0);
	quota_close(q);
}

static struct quota_state
state_of(const struct room *r, const char *account)
{
	static const struct quota_limit limit = {QUOTA_MESSAGES, 3600, 3};
	struct quota_set set = {.count = 0};
	struct quota *q = open_table(r);
	struct quota_state st;

	quota_set_add(&set, &limit);
	assert_int_equal(quota_peek(q, account, &set, &st), 0);
	quota_close(q);
	return st;
}

/* -1: the table does not have it. */
static int
used_by(const struct room *r, const char *account)
{
	struct quota_state st = state_of(r, account);

	return st.known ? (int)st.usage[0].used : -1;
}

static void
assert_account(const struct room *r, const char *account, int used,
    bool locked)
{
	assert_int_equal(used_by(r, account), used);
	assert_int_equal(state_of(r, account).locked, locked);
}

/* -- realms -- */

static void
counts_unknown_realms_in_one(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r,
	    "QuotaRealms example.org,example.com\nQuotaRealm example.net\n"
	    "QuotaExempt free@r0,@r1,realm,bare\n" LIMIT, NULL);
	char login[32];
	int granted = 0;

	for (int i = 0; i < 20; i++) {
		snprintf(login, sizeof(login), "bob@r%d", i);
		granted += sends(snap, login);
	}
	assert_int_equal(granted, 3);
	assert_account(r, "realm:*", 3, false);
	assert_false(sends(snap, "free@r0"));
	assert_false(sends(snap, "free@R1."));
	for (int i = 0; i < 5; i++)
		assert_true(sends(snap, "Bare"));
	for (int i = 0; i < 3; i++) {
		assert_true(sends(snap, "bob@Example.ORG."));
		assert_true(sends(snap, i == 0 ? "bob" : i == 1 ? "bob@"
			: " Bob@example.net."));
	}
	assert_false(sends(snap, "bob@example.org"));
	assert_false(sends(snap, "bob"));
	assert_account(r, "bob@example.net", 3, false);
	/* A login can't have the name of that account. */
	assert_true(sends(snap, "realm:*"));
	assert_account(r, "login:realm:*@example.net", 1, false);
	snapshot_unref(snap);
}

/* Whatever a login says, a script's and a sender's account are not its, and its
 * own is not theirs. */
static void
keeps_logins_from_special_accounts(void **state)
{
	struct room *r = *state;
	struct snapshot *snap =
	    load(r, "InternalHosts 127.0.0.1\n" LIMIT, NULL);
	static const char *const names[] = {"sender:ann@example.org",
	    "SCRIPT:33:mail.php", "sender:*", "script:*"};
	const struct walk w = {.client_ip = "127.0.0.1",
	    .from = "<ann@example.org>",
	    .rcpts = {"b@example.net"},
	    .message = PLAIN};
	struct verdict v;
	struct session *s;

	for (int i = 0; i < 16; i++)
		assert_int_equal(sends(snap, names[i % 4]), i < 12);
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	assert_string_equal(s->msg->account, "sender:ann@example.org");
	chain_end(s, &v);
	chain_close(s);
	assert_account(r, "sender:ann@example.org", 1, false);
	assert_account(r, "login:sender:ann@example.org", 3, false);
	snapshot_unref(snap);
}

/* Titles and entries are in any form. */
static void
agrees_on_forms(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaRealm Example.ORG.\n"
	    "Quota \"Bob@\" {\n Messages = 1/h\n}\n"
	    "Quota \"@Example.COM.\" {\n Messages = 2/h\n}\n"
	    "Quota \"login:sender:x@y\" {\n Messages = 1/h\n}\n"
	    "QuotaExempt Eve@,al@EXAMPLE.com.,@Example.NET.\n" LIMIT, NULL);

	assert_true(sends(snap, "bob"));
	assert_false(sends(snap, "BOB@example.org."));
	assert_true(sends(snap, "x@example.com"));
	assert_true(sends(snap, "x@example.com."));
	assert_false(sends(snap, "x@example.com"));
	assert_true(sends(snap, "Sender:x@y"));
	assert_false(sends(snap, "sender:x@y."));
	for (int i = 0; i < 5; i++) {
		assert_true(sends(snap, "eve@example.org"));
		assert_true(sends(snap, "AL@example.com"));
		assert_true(sends(snap, "any@example.net."));
	}
	snapshot_unref(snap);
}

/* -- what can't match -- */

static const struct {
	const char *name, *conf, *list, *words;
} mistakes[] = {
    {"all of a domain", "Quota \"*@example.com\" {\n Messages = 1/h\n}\n", "",
	"conf:2: Quota: \"*@example.com\": a * stands for nothing here: "
	"expected @example.com"},
    {"all", "Quota * {\n Messages = 1/h\n}\n", "", "Quota: \"*\": a *"},
    {"all bobs", "Quota \"bob*\" {\n Messages = 1/h\n}\n", "", "a * stands"},
    {"some scripts", "Quota \"script:a*\" {\n Messages = 1/h\n}\n", "",
	"a * stands"},
    {"all domains", "Quota \"@*\" {\n Messages = 1/h\n}\n", "",
	"expected @ and a domain"},
    {"no domain", "Quota \"@\" {\n Messages = 1/h\n}\n", "",
	"conf:2: Quota: \"@\": expected @ and a domain, such as @example.com"},
    {"dots only", "Quota \"@..\" {\n Messages = 1/h\n}\n", "",
	"expected @ and a domain"},
    {"a domain with two @", "Quota \"@bob@x.com\" {\n Messages = 1/h\n}\n",
	"", "expected @ and a domain"},
    {"a domain with a blank", "Quota \"@example .com\" {\n Messages = 1/h\n}\n",
	"", "expected @ and a domain"},
    {"blanks", "Quota \" \" {\n Messages = 1/h\n}\n", "",
	"expected an account, or @ and a domain"},
    {"no script", "Quota \"script:\" {\n Messages = 1/h\n}\n", "",
	"expected an account"},
    {"exempt: a *", LIMIT "QuotaExempt bob,*@example.com\n", "",
	"conf:5: QuotaExempt: \"*@example.com\": a * stands for nothing"},
    {"exempt: no domain", LIMIT "QuotaExempt file:%s\n", "bob\n\n@\n",
	"list:3: \"@\": expected @ and a domain"},
    {"exempt: unknown realms", LIMIT "QuotaExempt realm:*\n", "",
	"never exempt"},
    {"QuotaRealm with @", LIMIT "QuotaRealm @example.com\n", "",
	"conf:5: QuotaRealm: expected a domain such as example.com, without @"},
    {"QuotaRealm of dots", LIMIT "QuotaRealm ..\n", "",
	"QuotaRealm: expected a domain"},
    {"QuotaRealms with @", LIMIT "QuotaRealms file:%s\n",
	"example.org\n@example.com\n",
	"list:2: \"@example.com\": expected a domain such as "
	"example.com, without @"},
    {"QuotaRealms with a final dot", LIMIT "QuotaRealms a.b,example.com.\n", "",
	"QuotaRealms: \"example.com.\": expected a domain"},
    {"QuotaRealms with *", LIMIT "QuotaRealms *.example.com\n", "",
	"refile:PATH"},
};

static void
refuses_what_cannot_match(void **state)
{
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		struct errmsg msg = {.text = ""};
		struct snapshot *snap;
		char conf[500];

		print_message("%s\n", mistakes[i].name);
		write_file(r->list, mistakes[i].list);
		snprintf(conf, sizeof(conf), mistakes[i].conf, r->list);
		assert_int_equal(
		    try_load(r, conf, NULL, &snap, &msg), ERR_CONFIG);
		print_message("  %s\n", msg.text);
		assert_non_null(strstr(msg.text, mistakes[i].words));
	}
}

static const struct {
	const char *name, *conf, *words; /* NULL: nothing is said */
} doubts[] = {
    {"a domain without @", "Quota example.com {\n Messages = 1/h\n}\n",
	"conf:2: Quota: \"example.com\": taken for a login: expected "
	"@example.com if the domain is meant"},
    {"with a QuotaRealm", "QuotaRealm x.org\nQuota Example.DE {\n"
	" Messages = 1/h\n}\n", "\"Example.DE\": taken for a login of x.org: "
	"expected @example.de"},
    {"a domain in A-labels", "Quota \"a.XN--p1ai\" {\n Messages = 1/h\n}\n",
	"taken for a login"},
    {"a realm of ours", "QuotaRealms intern\nQuota intern {\n Messages = 1/h\n}"
	"\n", "\"intern\": taken for a login"},
    {"QuotaRealm itself", "QuotaRealm intern\nQuota intern {\n"
	" Messages = 1/h\n}\n", "taken for a login of intern"},
    {"an unknown realm", "QuotaRealms x.org\nQuota bob@y.org {\n"
	" Messages = 1/h\n}\n", "\"bob@y.org\": expected a realm that is in "
	"QuotaRealms"},
    {"exempt: a domain without @", LIMIT "QuotaExempt bob,example.com\n",
	"conf:5: QuotaExempt: \"example.com\": taken for a login"},
    {"a script without its user", "Quota \"script:form.php\" {\n"
	" Messages = 1/h\n}\n", "conf:2: Quota: \"script:form.php\": expected "
	"the number of the user before the script's name, as in "
	"script:33:form.php"},
    {"a script of a user's name", "Quota \"script:www-data:a\" {\n"
	" Messages = 1/h\n}\n", "as in script:33:form.php"},
    {"a user without a script", "Quota \"script:33:\" {\n"
	" Messages = 1/h\n}\n", "as in script:33:form.php"},
    {"exempt: a script", LIMIT "QuotaExempt script:form.php\n",
	"conf:5: QuotaExempt: \"script:form.php\": expected the number"},
    {"a sender without a domain", "Quota \"sender:bob\" {\n"
	" Messages = 1/h\n}\n", "as in sender:bob@example.com"},
    {"a sender in < >", "Quota \"sender:<a@b.org>\" {\n"
	" Messages = 1/h\n}\n", "without < and >"},
    {"all senders of a domain", "Quota \"sender:@b.org\" {\n"
	" Messages = 1/h\n}\n", "expected @ and the domain alone"},
    {"a login in < >", "Quota \"<a@b.org>\" {\n Messages = 1/h\n}\n",
	"expected a login without < and >"},
    {"two in one", "Quota \"a@b.org,c@b.org\" {\n Messages = 1/h\n}\n",
	"expected a section for each"},
    {"a realm", "Quota \"realm:b.org\" {\n Messages = 1/h\n}\n",
	"expected @ and a domain"},
    {"an editor's quotes", "Quota \u201cbob\u201d {\n Messages = 1/h\n}\n",
	"expected quotes of the kind"},
    {"the special ones that are right", "Quota \"script:33:form.php\" {\n"
	" Messages = 1/h\n}\nQuota \"SENDER:A@b.org.\" {\n"
	" Messages = 1/h\n}\nQuota \"sender:<>\" {\n"
	" Messages = 1/h\n}\nQuota \"login:a,<b>\" {\n"
	" Messages = 1/h\n}\nQuota \"realm:*\" {\n Messages = 1/h\n}\n",
	NULL},
    {"a login with a dot", "Quota john.smith {\n Messages = 1/h\n}\n", NULL},
    {"forms that are set right", "QuotaRealm x.org\nQuota \" Bob@ \" {\n"
	" Messages = 1/h\n}\nQuota \"@Example.com.\" {\n Messages = 1/h\n}\n"
	"Quota \" Default \" {\n Messages = 1/h\n}\n", NULL},
    {"the special ones", "Quota \"script:*\" {\n Messages = 1/h\n}\n"
	"Quota \"sender:*\" {\n Messages = 1/h\n}\n"
	"Quota \"login:a*b\" {\n Messages = 1/h\n}\n"
	"QuotaExempt script:33:x.php,sender:a@example.org\n", NULL},
    {"patterns", LIMIT "QuotaRealms refile:%s\nQuotaExempt refile:%s\n",
	NULL},
};

/* What is odd about a configuration, in words. */
static const char *
load_odd(const struct room *r, const char *text)
{
	static char said[4096];
	struct errlist *list = errlist_new(), *odd = errlist_new();
	char conf[2000];
	struct snapshot *snap;
	const char *one;

	said[0] = '\0';
	snprintf(conf, sizeof(conf), "QuotaTable %s\n%s", r->table, text);
	write_file(r->conf, conf);
	assert_int_equal(
	    snapshot_load_list(r->conf, false, NULL, list, odd, &snap), 0);
	errlist_sort(odd);
	for (size_t i = 0; (one = errlist_get(odd, i)) != NULL; i++)
		snprintf(said + strlen(said), sizeof(said) - strlen(said),
		    "%s\n", one);
	errlist_free(list);
	errlist_free(odd);
	snapshot_unref(snap);
	return said;
}

static void
doubts_what_hardly_matches(void **state)
{
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(doubts) / sizeof(*doubts); i++) {
		const char *said;
		char conf[500];

		unlink(r->table);
		write_file(r->list, "*@*\nexample.com\n");
		snprintf(conf, sizeof(conf), doubts[i].conf, r->list, r->list);
		said = load_odd(r, conf);
		print_message("%s\n  %s", doubts[i].name, said);
		if (doubts[i].words == NULL)
			assert_null(strstr(said, "\": "));
		else
			assert_non_null(strstr(said, doubts[i].words));
	}
}

/* -- another QuotaRealm -- */

static void
moves_bare_logins(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMIT, NULL), *old;
	const char *said;
	int was;

	assert_true(sends(snap, "bob"));
	assert_true(sends(snap, "bob@example.org"));
	assert_true(sends(snap, "eve"));
	assert_true(sends(snap, "other@example.com"));
	assert_true(sends(snap, "sender:x"));
	lock(r, "bob");
	was = begin_log(r);
	old = snap;
	snap = load(r, "QuotaRealm Example.ORG.\n" LIMIT, old);
	said = end_log(r, was);
	print_message("%s", said);
	assert_non_null(strstr(said, "bob is bob@example.org now: what both "
				     "have sent adds up, locked"));
	assert_account(r, "bob", -1, false);
	assert_account(r, "bob@example.org", 2, true);
	assert_account(r, "eve", -1, false);
	assert_account(r, "eve@example.org", 1, false);
	assert_account(r, "other@example.com", 1, false);
	assert_account(r, "login:sender:x@example.org", 1, false);
	assert_false(sends(snap, "bob"));
	assert_true(sends(snap, "eve@"));
	/* A session that is still under way by the old configuration. */
	assert_false(sends(old, "bob"));
	assert_true(sends(old, "Eve"));
	assert_false(sends(old, "eve"));
	assert_false(sends(snap, "eve"));
	assert_account(r, "bob", -1, false);
	assert_account(r, "eve", -1, false);
	snapshot_unref(old);
	snapshot_unref(snap);
}

static const char *
macro_bob(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "{auth_authen}") == 0 ? "bob" : NULL;
}

/* A message that began by the old name is counted by the new one, however far
 * it had come, and once. */
static void
overtakes_messages(void **state)
{
	struct room *r = *state;
	for (int reserved = 0; reserved < 2; reserved++) {
		struct snapshot *old, *snap;
		struct session *s;
		struct verdict v;

		unlink(r->table);
		old = load(r, LIMIT, NULL);
		s = chain_open(old, macro_bob, NULL);
		chain_connect(s, "x", NULL);
		chain_mail(s, "<bob@example.org>", NULL);
		if (reserved != 0)
			v = chain_rcpt(s, "<b@example.net>");
		snap = load(r, "QuotaRealm example.org\n" LIMIT, old);
		assert_account(r, "bob", -1, false);
		for (int i = reserved; i < 3; i++)
			assert_true(sends(snap, "bob"));
		if (reserved == 0) {
			v = chain_rcpt(s, "<b@example.net>");
			assert_int_equal(v.action, VERDICT_TEMPFAIL);
		} else {
			chain_eoh(s);
			v = chain_eom(s);
			assert_int_equal(v.action, VERDICT_NONE);
		}
		assert_account(r, "bob", -1, false);
		assert_account(r, "bob@example.org", 3, false);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(old);
		snapshot_unref(snap);
	}
}

struct sender {
	struct snapshot *snap;
	pthread_t thread;
	atomic_bool *stop;
	int granted;
};

static void *
send_on(void *arg)
{
	struct sender *s = arg;

	while (!atomic_load(s->stop))
		s->granted += sends(s->snap, "bob");
	return NULL;
}

/*
 * Sessions of the old configuration send on while accounts move; the one they
 * are charged to is the last of many.  A session that has read the old name,
 * and reserves only when the account has moved, begins another account of the
 * old name.  Another session may join the two before the first looks at the
 * name again: then its refused message stays counted.  Each thread can be in
 * that place once.
 */
static void
grants_nothing_while_moving(void **state)
{
	enum { THREADS = 3, CROWD = 3000 };
	struct room *r = *state;
	struct snapshot *old = load(r, LIMIT, NULL), *snap;
	struct sender senders[THREADS];
	atomic_bool stop = false;
	struct quota *q = open_table(r);
	int granted = 0, counted, was;
	char name[16];

	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof(name), "u%d", i);
		assert_int_equal(quota_lock(q, name, true), 0);
	}
	quota_close(q);
	for (int i = 0; i < 3; i++)
		assert_true(sends(old, "bob"));
	was = begin_log(r);
	for (int i = 0; i < THREADS; i++) {
		senders[i] = (struct sender){.snap = old, .stop = &stop};
		pthread_create(
		    &senders[i].thread, NULL, send_on, &senders[i]);
	}
	snap = load(r, "QuotaRealm example.org\n" LIMIT, old);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(senders[i].thread, NULL);
		granted += senders[i].granted;
	}
	end_log(r, was);
	assert_int_equal(granted, 0);
	counted = used_by(r, "bob@example.org");
	assert_true(counted >= 3 && counted <= 3 + THREADS);
	snapshot_unref(old);
	snapshot_unref(snap);
}

/* A configuration that is refused in the end changes nothing. */
static void
waits_for_the_configuration(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMIT, NULL), *no;
	struct errmsg msg;

	assert_true(sends(snap, "bob"));
	lock(r, "bob");
	assert_int_not_equal(try_load(r,
	    "QuotaRealm example.org\nKeyTable /no/such/file\n"
	    "SigningTable /no/such/file\n" LIMIT, snap, &no, &msg), 0);
	assert_account(r, "bob", 1, true);
	assert_false(sends(snap, "bob"));
	snapshot_unref(snap);
}

/* What is logged on the way from one configuration to another. */
static const char *
said_at(const struct room *r, const char *conf, struct snapshot **snap)
{
	int was = begin_log(r);
	struct snapshot *old = *snap;
	const char *said;

	*snap = load(r, conf, old);
	said = end_log(r, was);
	snapshot_unref(old);
	print_message("%s", said);
	return said;
}

static void
names_what_is_left(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaRealm a.org\n" LIMIT, NULL);
	const char *said;

	assert_true(sends(snap, "bob"));
	assert_true(sends(snap, "x@c.org"));
	lock(r, "eve@a.org");
	lock(r, "typed@c.org");
	said = said_at(r, "QuotaRealm b.org\n" LIMIT, &snap);
	assert_non_null(strstr(said, "bob@a.org stays as it is, with what it "
	    "has sent: QuotaRealm was a.org and is b.org: the login bob is "
	    "counted as bob@b.org from here on"));
	assert_non_null(strstr(said, "eve@a.org stays as it is, with its lock: "
	    "QuotaRealm was a.org and is b.org: the login eve is "
	    "counted as eve@b.org from here on (posternctl quota lock "
	    "eve@b.org)"));
	assert_null(strstr(said, "c.org"));
	assert_account(r, "eve@a.org", 0, true);
	assert_account(r, "bob@a.org", 1, false);
	/* Once. */
	said = said_at(r, "QuotaRealm b.org\n" LIMIT, &snap);
	assert_null(strstr(said, "stays"));
	/* Not what was of yet another realm. */
	lock(r, "al@b.org");
	said = said_at(r, LIMIT, &snap);
	assert_non_null(strstr(said, "al@b.org stays as it is, with its lock: "
	    "QuotaRealm was b.org and is not set any more: the login al is "
	    "counted as al from here on (posternctl quota lock al)"));
	assert_null(strstr(said, "a.org"));
	/* And from none to one, all is certain. */
	lock(r, "ed");
	said = said_at(r, "QuotaRealm b.org\n" LIMIT, &snap);
	assert_null(strstr(said, "stays"));
	assert_account(r, "ed@b.org", 0, true);
	snapshot_unref(snap);
}

/* Two daemons on one table reload one after the other; and one that starts
 * later finds what is left of sessions that the change overtook. */
static void
moves_what_came_later(void **state)
{
	struct room *r = *state;
	struct snapshot *one = load(r, LIMIT, NULL), *two, *three;

	two = load(r, LIMIT, NULL);
	said_at(r, "QuotaRealm example.org\n" LIMIT, &one);
	assert_true(sends(one, "bob"));
	assert_true(sends(two, "bob"));
	lock(r, "eve");
	assert_account(r, "bob", 1, false);
	said_at(r, "QuotaRealm example.org\n" LIMIT, &two);
	assert_account(r, "bob", -1, false);
	assert_account(r, "bob@example.org", 2, false);
	assert_account(r, "eve@example.org", 0, true);
	lock(r, "al");
	three = load(r, "QuotaRealm example.org\n" LIMIT, NULL);
	assert_account(r, "al@example.org", 0, true);
	snapshot_unref(one);
	snapshot_unref(two);
	snapshot_unref(three);
}

/* QuotaRealms given later: whose lock holds nobody any more. */
static void
names_locks_of_unknown_realms(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMIT, NULL);
	const char *said;

	assert_true(sends(snap, "bob@r1"));
	assert_true(sends(snap, "bob@example.org"));
	lock(r, "eve@r1");
	said = said_at(r, "QuotaRealms example.org\n" LIMIT, &snap);
	assert_non_null(strstr(said, "eve@r1 stays as it is, with its lock: "
	    "the realm r1 is not in QuotaRealms, so its mail is counted in "
	    "realm:*"));
	assert_non_null(strstr(said, "bob@r1 stays as it is"));
	assert_null(strstr(said, "example.org"));
	snapshot_unref(snap);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(counts_unknown_realms_in_one),
	    TEST(keeps_logins_from_special_accounts),
	    TEST(agrees_on_forms),
	    TEST(refuses_what_cannot_match),
	    TEST(doubts_what_hardly_matches),
	    TEST(moves_bare_logins),
	    TEST(overtakes_messages),
	    TEST(grants_nothing_while_moving),
	    TEST(waits_for_the_configuration),
	    TEST(names_what_is_left),
	    TEST(moves_what_came_later),
	    TEST(names_locks_of_unknown_realms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
