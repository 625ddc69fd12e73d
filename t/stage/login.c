/* SenderLogins. SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define SET "QuotaRealm realm.org\nSenderLogins a@x.org=bob,info@x.org=al,@y.org=bob," \
	"@xn--bcher-kva.org=bob\n"

static const struct {
	const char *name, *login, *header;
	bool denied;
	const char *sender; /* NULL: the null sender */
} cases[] = {
    {"an address of its own", "bob", "From: A@X.ORG\n", false, NULL},
    {"somebody's", "al", "From: a@x.org\n", true, NULL},
    {"a domain of its own", "Bob", "From: any@y.org\n", false, NULL},
    {"below its domain", "bob", "From: any@z.y.org\n", true, NULL},
    {"nobody's", "bob", "From: b@x.org\n", true, NULL},
    {"the login itself", "eve@z.org", "From: Eve <eve@Z.org>\n", false, NULL},
    {"one of two authors", "bob", "From: a@x.org, b@x.org\n", true, NULL},
    {"two authors of its own", "bob", "From: a@x.org, b@y.org\n", false, NULL},
    {"a second From", "bob", "From: a@x.org\nFrom: b@x.org\n", true, NULL},
    {"an unreadable From", "bob", "From: a@x.org <\n", true, NULL},
    {"an address of its own, and another's behind it", "bob",
	"From: <a@x.org> b@x.org\n", true, NULL},
    {"another's before it", "bob", "From: b@x.org <a@x.org>\n", true, NULL},
    {"another's as a group's name", "bob", "From: b@x.org: a@x.org;\n", true,
	NULL},
    {"another's as a route", "bob", "From: <b@x:a@x.org>\n", true, NULL},
    {"its own twice", "bob", "From: a@x.org <a@x.org>\n", false, NULL},
    {"a name that an MTA may complete", "bob", "From: b, <a@x.org>\n", true,
	NULL},
    {"an empty From", "bob", "From:\n", true, NULL},
    {"no From", "bob", "Subject: x\n", false, NULL},
    {"no From: the MTA makes one of the sender", "bob", "Subject: x\n", true,
	"<b@x.org>"},
    {"no From, its own sender", "bob", "Subject: x\n", false, "<a@x.org>"},
    {"its own From, not the sender's", "bob", "From: a@x.org\n", false,
	"<b@x.org>"},
    {"somebody's Sender, which is not looked at", "bob",
	"From: a@x.org\nSender: b@x.org\n", false, NULL},
    {"a display name that looks right", "bob",
	"From: \"a@x.org\" <b@x.org>\n", true, NULL},
    {"a login with the realm", "eve", "From: eve@realm.org\n", false, NULL},
    {"a domain of its own in U-labels", "bob", "From: a@b\xc3\xbc" "cher.org\n",
	false, NULL},
    {"another domain in U-labels", "bob", "From: a@b\xc3\xb6" "cher.org\n", true,
	NULL},
    {"no login", NULL, "From: b@x.org\n", false, NULL},
};

static void
check(const char *conf, bool refuses)
{
	struct snapshot *snap = walk_load(conf);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char text[200];
		struct walk w = {.client_ip = "127.0.0.1",
		    .from = cases[i].sender == NULL ? "<>" : cases[i].sender,
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", cases[i].login}},
		    .message = text};
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), "%s\n", cases[i].header);
		s = walk_run(snap, &w, &v, NULL);
		if (s->msg->from_denied != cases[i].denied ||
		    (walk_found(s->msg) != NULL) != cases[i].denied ||
		    (v.action == VERDICT_REJECT) !=
			(refuses && cases[i].denied))
			fail_msg("%s: %d", cases[i].name, v.action);
		chain_end(s, &v);
		chain_close(s);
	}
	snapshot_unref(snap);
}

static void
refuses_or_only_marks(void **state)
{
	(void)state;
	check(SET, true);
	check(SET "SenderLoginsAction log\n", false);
}

/* As some MTA might hand it over; to a mail reader it is a From, and to whoever
 * signs too. */
static void
looks_at_names_with_space(void **state)
{
	struct snapshot *snap =
	    walk_load(SET "SenderHeaders Sender,From\n");
	static const char *const names[] = {"From ", "FROM\t", "Sender "};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const struct walk w = {.from = "<a@x.org>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", "bob"}}};
		struct verdict v;
		struct session *s = walk_envelope(snap, &w, &v, NULL);

		chain_header(s, "From", 4, " a@x.org", 8);
		chain_header(s, names[i], strlen(names[i]), " b@x.org", 8);
		assert_int_equal(chain_eoh(s).action, VERDICT_REJECT);
		chain_close(s);
	}
	snapshot_unref(snap);
}

static void
is_off_when_told(void **state)
{
	struct snapshot *snap = walk_load(SET "SenderLoginsAction off\n");
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", "al"}},
	    .message = "From: a@x.org\n\n"};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	(void)state;
	assert_int_equal(v.action, VERDICT_NONE);
	assert_false(s->msg->from_denied);
	chain_close(s);
	snapshot_unref(snap);
}

/* Who is in one of SenderHeaders may be signed for. */
static void
looks_at_sender_headers(void **state)
{
	struct snapshot *snap =
	    walk_load(SET "SenderHeaders Sender,From\n");
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", "bob"}},
	    .message = "From: a@x.org\nSender: b@x.org\n\n"};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	(void)state;
	assert_int_equal(v.action, VERDICT_REJECT);
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
}

/* Authenticated, by a certificate perhaps, but as nobody. */
static void
gives_a_nameless_login_nothing(void **state)
{
	struct snapshot *snap = walk_load(SET);
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_type}", "EXTERNAL"}},
	    .message = "From: a@x.org\n\n"};
	struct verdict v;
	struct session *s = walk_run(snap, &w, &v, NULL);

	(void)state;
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_true(s->msg->from_denied);
	chain_close(s);
	snapshot_unref(snap);
}

static bool
is_denied(struct snapshot *snap, const char *login, const char *from,
    enum verdict_action *action_r)
{
	char text[200];
	const struct walk w = {.from = "<>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", login}},
	    .message = text};
	struct verdict v;
	struct session *s;
	bool denied;

	snprintf(text, sizeof(text), "From: %s\n\n", from);
	s = walk_run(snap, &w, &v, NULL);
	denied = s->msg->from_denied;
	*action_r = v.action;
	chain_end(s, &v);
	chain_close(s);
	return denied;
}

/* An owner and a login are compared in the one form of their names. */
static const struct {
	const char *login, *from;
	bool denied;
} forms[] = {
    {"Bob", "a@x.org", false},
    {"bob@", "a@x.org", false},
    {"bob@Realm.ORG.", "a@x.org", false},
    {" bob", "a@x.org", false},
    {"bob@other.org", "a@x.org", true},
    {"bob", "b@x.org", false},
    {"eve", "b@x.org", false},
    {"eve@realm.org.", "b@x.org", false},
    {"al@known.org", "c@x.org", false},
    {"AL@KNOWN.org..", "c@x.org", false},
    {"al", "c@x.org", true},
    {"x@known.org.", "X@known.org", false},
    {"sender:x@known.org", "sender:x@known.org", true},
    {"sender:x@known.org", "\"sender:x\"@known.org", false},
    {"x@known.org", "\"login:x\"@known.org", true},
    {"login:x@known.org", "x@known.org", true},
};

static void
compares_forms(void **state)
{
	struct snapshot *snap = walk_load("QuotaRealm Realm.org.\n"
	    "SenderLogins a@x.org=Bob@,b@x.org=bob@realm.org. EVE,"
	    "c@x.org=Al@Known.org.\n");
	enum verdict_action action;

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
		if (is_denied(snap, forms[i].login, forms[i].from, &action) !=
		    forms[i].denied)
			fail_msg("%s: %s", forms[i].login, forms[i].from);
	}
	snapshot_unref(snap);
}

/* Neither as an address, nor by the set, nor by its realm's name there. */
static void
gives_unknown_realms_nothing(void **state)
{
	struct snapshot *snap = walk_load("QuotaRealms known.org\n"
	    "SenderLogins a@x.org=bob@r1,b@x.org=realm:*,@y.org=bob,"
	    "@z.org=bob@known.org\n");
	enum verdict_action action;

	(void)state;
	assert_true(is_denied(snap, "bob@r1", "a@x.org", &action));
	assert_int_equal(action, VERDICT_REJECT);
	assert_true(is_denied(snap, "bob@r1", "b@x.org", &action));
	assert_true(is_denied(snap, "bob@r1", "any@y.org", &action));
	assert_true(is_denied(snap, "ceo@r1.org", "ceo@r1.org", &action));
	assert_true(is_denied(snap, "realm:*", "b@x.org", &action));
	assert_false(is_denied(snap, "bob", "any@y.org", &action));
	assert_false(is_denied(snap, "bob@known.org", "any@z.org", &action));
	assert_false(is_denied(snap, "x@known.org", "x@known.org", &action));
	snapshot_unref(snap);
	/* Not signed, where nobody says who owns what; but not refused. */
	snap = walk_load("QuotaRealms known.org\n");
	assert_true(is_denied(snap, "bob@r1", "a@x.org", &action));
	assert_int_equal(action, VERDICT_NONE);
	assert_false(is_denied(snap, "bob@known.org", "a@x.org", &action));
	assert_false(is_denied(snap, NULL, "a@x.org", &action));
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_a_nameless_login_nothing),
	    cmocka_unit_test(refuses_or_only_marks),
	    cmocka_unit_test(looks_at_sender_headers),
	    cmocka_unit_test(looks_at_names_with_space),
	    cmocka_unit_test(is_off_when_told),
	    cmocka_unit_test(compares_forms),
	    cmocka_unit_test(gives_unknown_realms_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
