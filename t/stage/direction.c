/* Which way a message goes. SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static const struct {
	const char *name, *conf, *client;
	const char *macro, *value;
	enum direction direction;
	const char *why, *login;
} cases[] = {
    {"a stranger", "Mode sv\n", "192.0.2.7", NULL, NULL, DIRECTION_INBOUND,
	"default", NULL},
    {"no address", "Mode sv\n", NULL, NULL, NULL, DIRECTION_INBOUND, "default",
	NULL},
    {"a login", "Mode sv\n", "192.0.2.7", "{auth_authen}", "Bob",
	DIRECTION_OUTBOUND, "login", "Bob"},
    {"authenticated without a name", "Mode sv\n", "192.0.2.7", "{auth_type}",
	"EXTERNAL", DIRECTION_OUTBOUND, "login", NULL},
    {"loopback", "Mode s\n", "127.0.0.1", NULL, NULL, DIRECTION_OUTBOUND,
	"InternalHosts", NULL},
    {"loopback, mapped", "Mode s\n", "::ffff:127.0.0.1", NULL, NULL,
	DIRECTION_OUTBOUND, "InternalHosts", NULL},
    {"a host that was named", "InternalHosts 192.0.2.0/24\n", "192.0.2.7", NULL,
	NULL, DIRECTION_OUTBOUND, "InternalHosts", NULL},
    {"loopback when others were named", "InternalHosts 192.0.2.0/24\n",
	"127.0.0.1", NULL, NULL, DIRECTION_INBOUND, "default", NULL},
    {"an MTA that was named", "MTA MSA,ORIGINATING\n", "192.0.2.7",
	"{daemon_name}", "originating", DIRECTION_OUTBOUND, "MTA", NULL},
    {"an MTA that was not", "MTA MSA\n", "192.0.2.7", "{daemon_name}", "smtpd",
	DIRECTION_INBOUND, "default", NULL},
    {"a macro", "MacroList {mark}\n", "192.0.2.7", "{mark}", "x",
	DIRECTION_OUTBOUND, "MacroList", NULL},
    {"a macro without braces", "MacroList mark=a|b\n", "192.0.2.7", "{mark}",
	"b", DIRECTION_OUTBOUND, "MacroList", NULL},
    {"a macro with another value", "MacroList mark=a|b\n", "192.0.2.7",
	"{mark}", "a|b", DIRECTION_INBOUND, "default", NULL},
    {"loopback where nothing is signed", "Mode v\n", "127.0.0.1", NULL, NULL,
	DIRECTION_INBOUND, "default", NULL},
};

static void
decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct walk w = {.client_ip = cases[i].client,
		    .from = "<a@example.org>",
		    .rcpts = {"b@example.net"},
		    .macros = {{cases[i].macro, cases[i].value}},
		    .message = "From: someone@else.example\r\n\r\n"};
		struct snapshot *snap = walk_load(cases[i].conf);
		struct verdict v;
		struct session *s = walk_run(snap, &w, &v, NULL);

		print_message("%s\n", cases[i].name);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_int_equal(s->msg->direction, cases[i].direction);
		assert_string_equal(s->msg->why, cases[i].why);
		assert_int_equal(s->msg->symbols != NULL &&
			strcmp(s->msg->symbols->name, "OUTBOUND") == 0,
		    cases[i].direction == DIRECTION_OUTBOUND);
		if (cases[i].login == NULL)
			assert_null(s->msg->login);
		else
			assert_string_equal(s->msg->login, cases[i].login);
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
}

static void
leaves_peers_alone(void **state)
{
	struct snapshot *snap = walk_load("PeerList 192.0.2.7\n");
	struct walk w = {.client_ip = "192.0.2.7",
	    .from = "a@b",
	    .rcpts = {"c@d"},
	    .message = "A: b\n\n"};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	(void)state;
	assert_int_equal(v.action, VERDICT_ACCEPT);
	assert_string_equal(v.by, "peer");
	chain_close(s);
	w.client_ip = "192.0.2.8";
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decides),
	    cmocka_unit_test(leaves_peers_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
