/*
 * A data set that can't be read while mail flows: the mail is put off, not
 * refused for good, not signed, not called ours.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t/support/data/dkim_keys.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define SET "./unreadable.mdb"
#define SIGNS "Mode s\nKeyTable csl:k=x.org:s:" KEY_ED25519 "\n"
#define SIGNS_ALL SIGNS "SigningTable x.org=k\n"

static const struct {
	const char *conf, *login;
} cases[] = {
    {"MTA mdb:" SET "\n", NULL},
    {"MacroList mdb:" SET "\n", NULL},
    {"SenderLogins mdb:" SET "\n", "al"},
    {"SenderLogins @x.org=al\nSenderHeaders mdb:" SET "\n", "al"},
    {SIGNS "SigningTable mdb:" SET "\n", "al"},
    {SIGNS_ALL "ExemptDomains mdb:" SET "\n", "al"},
    {SIGNS_ALL "DontSignMailTo mdb:" SET "\n", "al"},
};

static void
put_off(const char *conf, const char *login)
{
	struct snapshot *snap = walk_load(conf);
	const struct walk w = {.client_ip = "192.0.2.7",
	    .from = "<a@x.org>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{daemon_name}", "smtpd"}, {"{auth_authen}", login}},
	    .message = "From: a@x.org\nSubject: x\n\n"};
	struct verdict v;
	struct session *s;
	int status;
	pid_t pid;

	/* A child opens a set anew, and finds it gone. */
	assert_int_equal(unlink(SET), 0);
	pid = fork();
	if (pid == 0) {
		s = walk_run(snap, &w, &v, NULL);
		_exit(v.action == VERDICT_TEMPFAIL &&
			    s->msg->edits.count == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s", conf);
	snapshot_unref(snap);
}

static void
make_set(void)
{
	MDB_val key = {1, (void *)(uintptr_t) "k"}, value = key;
	MDB_env *env;
	MDB_txn *txn;
	MDB_dbi dbi;

	assert_int_equal(mdb_env_create(&env), 0);
	assert_int_equal(mdb_env_open(env, SET, MDB_NOSUBDIR, 0600), 0);
	assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
	assert_int_equal(mdb_dbi_open(txn, NULL, 0, &dbi), 0);
	assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
	assert_int_equal(mdb_txn_commit(txn), 0);
	mdb_env_close(env);
}

static void
puts_mail_off(void **state)
{
	char dir[] = "/tmp/postern-unreadable-XXXXXX";

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		make_set();
		put_off(cases[i].conf, cases[i].login);
		unlink(SET "-lock");
	}
	assert_int_equal(chdir("/"), 0);
	assert_int_equal(rmdir(dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(puts_mail_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
