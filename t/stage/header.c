/* RequiredHeaders and MultipleFrom. SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "t/support/drivers/inbound.h"
#include "t/support/drivers/test.h"

#define REQUIRED "RequiredHeaders yes\n"
#define GOOD "From: a@x.example\nDate: Mon, 1 Jan 2024 00:00:00 +0000\n"
#define TWO GOOD "From: b@x.example\n"

static const struct {
	const char *name, *conf, *header;
	const char *symbol; /* NULL: none of these */
	enum verdict_action action;
	const char *text; /* of the verdict */
} cases[] = {
    {"nothing wrong", REQUIRED "MultipleFrom reject\n", GOOD, NULL,
	VERDICT_NONE, NULL},
    {"two From", "", TWO, "MULTIPLE_FROM", VERDICT_NONE, NULL},
    {"two From, refused", "MultipleFrom reject\n", TWO, "MULTIPLE_FROM",
	VERDICT_REJECT, "There is more than one From field"},
    {"two From, one oddly written", "MultipleFrom reject\n",
	GOOD "fROM : b@x.example\n", "MULTIPLE_FROM", VERDICT_REJECT,
	"There is more than one From field"},
    {"two From, held", "MultipleFrom quarantine\n", TWO, "MULTIPLE_FROM",
	VERDICT_QUARANTINE, "There is more than one From field"},
    {"two From, On-Default means others",
	"On-Default reject\n"
	"On-NoSignature accept\n",
	TWO, "MULTIPLE_FROM", VERDICT_NONE, NULL},
    {"two From, not as it has to be", REQUIRED, TWO, "MULTIPLE_FROM",
	VERDICT_REJECT, "There is more than one From field"},
    {"two domains", "", "From: a@x.example, b@y.example\n", NULL, VERDICT_NONE,
	NULL},
    {"two domains, refused", "MultipleFrom reject\n",
	"From: a@x.example, b@y.example\n", NULL, VERDICT_REJECT,
	"From names more than one domain"},
    {"two addresses of a domain", "MultipleFrom reject\n",
	"From: a@x.example, b@X.EXAMPLE\n", NULL, VERDICT_NONE, NULL},
    {"a domain in two spellings", "MultipleFrom reject\n",
	"From: a@b\xc3\xbc" "cher.example, b@xn--bcher-kva.example\n", NULL,
	VERDICT_NONE, NULL},
    {"a domain, and one that is none", "MultipleFrom reject\n",
	"From: a@x.example, b@y!z\n", "FROM_INVALID", VERDICT_REJECT,
	"From names more than one domain"},
    {"two addresses, as it may be", REQUIRED,
	"Date: x\nFrom: a@x.example, b@y.example\n", NULL, VERDICT_NONE, NULL},
    {"no From", "", "Date: x\n", "MISSING_FROM", VERDICT_NONE, NULL},
    {"no From, refused", REQUIRED, "Date: x\n", "MISSING_FROM", VERDICT_REJECT,
	"There is no From field"},
    {"no Date", REQUIRED, "From: a@x.example\n", NULL, VERDICT_REJECT,
	"There is no Date field"},
    {"an unreadable From", "", "From: a\nDate: x\n", "FROM_INVALID",
	VERDICT_NONE, NULL},
    {"an unreadable From, refused", REQUIRED, "From: a\nDate: x\n",
	"FROM_INVALID", VERDICT_REJECT, "From names nobody's domain"},
    {"two To", "", GOOD "To: a@b\nTO: c@d\n", "DUP_SUSP_HDR", VERDICT_NONE,
	NULL},
    {"two To, refused", REQUIRED, GOOD "To: a@b\nTO: c@d\n", "DUP_SUSP_HDR",
	VERDICT_REJECT, "There is more than one To field"},
    {"two of what may be there twice", REQUIRED,
	GOOD "Received: x\nReceived: y\nComments: x\nComments: y\n", NULL,
	VERDICT_NONE, NULL},
    {"more From addresses than are looked at, refused", "MultipleFrom reject\n",
	"From: a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,a@a,"
	"a@a,a@a,a@a,a@a,a@b,a@own.example\n",
	"FROM_INVALID", VERDICT_REJECT, "From names more than one domain"},
};

static const char *const names[] = {
    "MULTIPLE_FROM", "MISSING_FROM", "FROM_INVALID", "DUP_SUSP_HDR"};

static bool
found_only(const struct message *m, const char *symbol)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		bool wanted = symbol != NULL && strcmp(symbol, names[i]) == 0;

		if (inbound_symbol(m, names[i]) != wanted)
			return false;
	}
	return true;
}

static struct session *
run(struct snapshot *snap, const char *header, const char *login,
    struct verdict *v_r)
{
	char text[600];
	const struct walk w = {.client_ip = "192.0.2.7",
	    .from = "<x@x.example>",
	    .rcpts = {"b@example.net"},
	    .macros = {{"{auth_authen}", login}},
	    .message = text};
	struct session *s;

	snprintf(text, sizeof(text), "%s\n", header);
	s = walk_run(snap, &w, v_r, NULL);
	return s;
}

static void
judges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct snapshot *snap = walk_load(cases[i].conf);
		struct verdict v;
		struct session *s = run(snap, cases[i].header, NULL, &v);

		if (v.action != cases[i].action ||
		    !found_only(s->msg, cases[i].symbol) ||
		    (cases[i].text != NULL &&
			strcmp(v.text, cases[i].text) != 0))
			fail_msg("%s: %s: %s", cases[i].name,
			    verdict_word(v.action), v.text);
		if (v.action != VERDICT_NONE)
			assert_string_equal(v.by, "header");
		chain_end(s, &v);
		chain_close(s);
		snapshot_unref(snap);
	}
}

/* Not ours, whose MTA adds what is missing. */
static void
outbound_is_left_alone(void **state)
{
	struct snapshot *snap = walk_load(REQUIRED "MultipleFrom reject\n");
	struct verdict v;
	struct session *s = run(snap, "To: x\n", "bob", &v);

	(void)state;
	assert_int_equal(v.action, VERDICT_NONE);
	assert_null(walk_found(s->msg));
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(judges),
	    cmocka_unit_test(outbound_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
