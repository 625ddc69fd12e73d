/* Whose quota a message is charged to. SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define PLAIN "From: a@example.org\r\n\r\n"
#define PHP "X-PHP-Originating-Script: 33:Mail.php\r\n" PLAIN

static const struct {
	const char *name, *conf, *client, *login, *from, *message, *account;
} cases[] = {
    {"a login", "Mode s\n", "192.0.2.1", "Bob", "<x@y>", PLAIN, "bob"},
    {"a login and a script", "Mode s\n", "192.0.2.1", "bob", "<x@y>", PHP,
	"bob"},
    {"a realm", "QuotaRealm Example.ORG\n", "192.0.2.1", "Bob", "<x@y>", PLAIN,
	"bob@example.org"},
    {"a realm of its own", "QuotaRealm example.org\n", "192.0.2.1", "b@c",
	"<x@y>", PLAIN, "b@c"},
    {"dots, blanks and letters", "Mode s\n", "192.0.2.1", " Bob@C.org.. ",
	"<x@y>", PLAIN, "bob@c.org"},
    {"an empty realm", "QuotaRealm Example.org.\n", "192.0.2.1", "bob@",
	"<x@y>", PLAIN, "bob@example.org"},
    {"an empty realm, and none to add", "Mode s\n", "192.0.2.1", "bob@.",
	"<x@y>", PLAIN, "bob"},
    {"two @", "QuotaRealms y\n", "192.0.2.1", "bob@x@Y", "<x@y>", PLAIN,
	"bob@x@y"},
    {"a colon", "QuotaRealm example.org\n", "192.0.2.1", "d:bob", "<x@y>",
	PLAIN, "d:bob@example.org"},
    {"as a sender", "Mode s\n", "192.0.2.1", "sender:x@y", "<x@y>", PLAIN,
	"login:sender:x@y"},
    {"as a script", "QuotaRealm example.org\n", "192.0.2.1", "Script:1:a.php",
	"<x@y>", PHP, "login:script:1:a.php@example.org"},
    {"nothing but blanks", "QuotaRealm example.org\n", "192.0.2.1", "  ",
	"<x@y>", PLAIN, "login:"},
    {"an unknown realm", "QuotaRealms example.org\n", "192.0.2.1", "bob@r1",
	"<x@y>", PLAIN, "realm:*"},
    {"an unknown realm behind a known one", "QuotaRealms example.org\n",
	"192.0.2.1", "bob@example.org@r1", "<x@y>", PLAIN, "realm:*"},
    {"an unknown realm and a script", "QuotaRealms example.org\n",
	"192.0.2.1", "bob@r1", "<x@y>", PHP, "realm:*"},
    {"a known realm", "QuotaRealms Example.org,example.com\n", "192.0.2.1",
	"Bob@EXAMPLE.COM.", "<x@y>", PLAIN, "bob@example.com"},
    {"QuotaRealm is known", "QuotaRealms example.org\nQuotaRealm Example.NET\n",
	"192.0.2.1", "bob@example.net", "<x@y>", PLAIN, "bob@example.net"},
    {"no realm is not unknown", "QuotaRealms example.org\n", "192.0.2.1",
	"bob", "<x@y>", PLAIN, "bob"},
    {"a login that says it is of no known realm", "QuotaRealms example.org\n",
	"192.0.2.1", "realm:*", "<x@y>", PLAIN, "login:realm:*"},
    {"a local sender", "Mode s\n", "127.0.0.1", NULL, "<X@y>", PLAIN,
	"sender:x@y"},
    {"a local script", "Mode s\n", "127.0.0.1", NULL, "<x@y>", PHP,
	"script:33:mail.php"},
    {"a script, and words behind it", "Mode s\n", "127.0.0.1", NULL, "<x@y>",
	"X-PHP-Originating-Script: \t0:a.php b\r\n" PLAIN, "script:0:a.php"},
    {"a script without a name", "Mode s\n", "127.0.0.1", NULL, "<x@y>",
	"X-PHP-Originating-Script: \r\n" PLAIN, "sender:x@y"},
    {"the null sender", "Mode s\n", "127.0.0.1", NULL, "<>", PLAIN,
	"sender:<>"},
    {"the null sender by login", "Mode s\n", "127.0.0.1", "bob", "<>", PLAIN,
	"bob"},
    {"a script with the null sender", "Mode s\n", "127.0.0.1", NULL, "<>", PHP,
	"script:33:mail.php"},
    {"a stranger's null sender", "Mode s\n", "192.0.2.1", NULL, "<>", PLAIN,
	NULL},
    {"a stranger", "Mode s\n", "192.0.2.1", NULL, "<x@y>", PHP, NULL},
};

static void
names(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk w = {.client_ip = cases[i].client,
		    .from = cases[i].from,
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", cases[i].login}},
		    .message = cases[i].message};
		struct snapshot *snap = walk_load(cases[i].conf);
		struct verdict v;
		struct session *s = walk_run(snap, &w, &v, NULL);

		print_message("%s\n", cases[i].name);
		if (cases[i].account == NULL)
			assert_null(s->msg->account);
		else
			assert_string_equal(s->msg->account, cases[i].account);
		chain_close(s);
		snapshot_unref(snap);
	}
}

/* The realm of a long login is looked at, though its account has lost it. */
static void
looks_at_realms_of_long_names(void **state)
{
	struct snapshot *snap = walk_load("QuotaRealms example.org\n");
	char name[300];

	(void)state;
	memset(name, 'a', sizeof(name));
	for (int known = 0; known < 2; known++) {
		const struct walk w = {.client_ip = "192.0.2.1",
		    .from = "<x@y>",
		    .macros = {{"{auth_authen}", name}}};
		struct verdict v;
		struct session *s;

		strcpy(name + 270, known ? "@example.org." : "@example.net.");
		s = walk_envelope(snap, &w, &v, NULL);
		if (!known)
			assert_string_equal(s->msg->account, "realm:*");
		else
			assert_int_equal(strlen(s->msg->account), 255);
		chain_close(s);
	}
	snapshot_unref(snap);
}

/* A name fits into the table, however long what it is made of, and names that
 * differ at their ends differ. */
static void
cuts_long_names(void **state)
{
	struct snapshot *snap = walk_load("Mode s\nQuotaRealm example.org\n");
	char name[1000];

	(void)state;
	memset(name, 'A', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	for (int login = 0; login < 2; login++) {
		const struct walk w = {.client_ip = "127.0.0.1",
		    .from = name,
		    .macros = {{"{auth_authen}", login ? name : NULL}}};
		struct verdict v;
		struct session *s = walk_envelope(snap, &w, &v, NULL);
		char first[256];

		assert_int_equal(strlen(s->msg->account), 255);
		assert_memory_equal(
		    s->msg->account, login ? "aaaaaaaa" : "sender:a", 8);
		assert_int_equal(s->msg->account[190], '#');
		strcpy(first, s->msg->account);
		chain_close(s);
		name[sizeof(name) - 2] = 'B';
		s = walk_envelope(snap, &w, &v, NULL);
		assert_memory_equal(s->msg->account, first, 191);
		assert_string_not_equal(s->msg->account, first);
		chain_close(s);
		name[sizeof(name) - 2] = 'A';
	}
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(looks_at_realms_of_long_names),
	    cmocka_unit_test(cuts_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
