/* The fact m->author. SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static const struct {
	const char *name, *header;
	enum author_state state;
	size_t fields;
	const char *domain; /* the first that is read or seen */
} cases[] = {
    {"one", "From: Bob <bob@X.org>\n", AUTHOR_ONE, 1, "x.org"},
    {"two", "From: bob@x.org, al@y.org\n", AUTHOR_SEVERAL, 1, "x.org"},
    {"two fields", "From: bob@x.org\nfrom: bob@x.org\n", AUTHOR_SEVERAL, 2,
	"x.org"},
    {"a field of an odd name", "From: bob@x.org\nFROM : al@y.org\n",
	AUTHOR_SEVERAL, 2, "x.org"},
    {"no field", "Sender: bob@x.org\n", AUTHOR_NONE, 0, NULL},
    {"unreadable", "From: bob@x.org>\n", AUTHOR_UNREADABLE, 1, "x.org"},
    {"folded", "From: Bob\n <bob@x\n .org>\n", AUTHOR_ONE, 1, "x.org"},
};

/* Of inbound and of outbound mail, whatever else is switched on. */
static void
is_known(void **state)
{
	static const char *const logins[] = {NULL, "bob"};
	struct snapshot *snap = walk_load("Mode s\n");

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases) * 2; i++) {
		const size_t k = i / 2;
		char text[200];
		const struct walk w = {.client_ip = "192.0.2.7",
		    .from = "<a@z.org>",
		    .rcpts = {"b@example.net"},
		    .macros = {{"{auth_authen}", logins[i % 2]}},
		    .message = text};
		const struct author *who;
		struct verdict v;
		struct session *s;

		snprintf(text, sizeof(text), "%s\nbody\n", cases[k].header);
		s = walk_run(snap, &w, &v, NULL);
		who = &s->msg->author;
		if (v.action != VERDICT_NONE || who->state != cases[k].state ||
		    who->fields != cases[k].fields ||
		    (who->domain_count > 0) != (cases[k].domain != NULL) ||
		    (cases[k].domain != NULL &&
			strcmp(who->domains[0], cases[k].domain) != 0))
			fail_msg("%s: %d", cases[k].name, who->state);
		chain_end(s, &v);
		chain_close(s);
	}
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
