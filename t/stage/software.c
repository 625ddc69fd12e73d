/* SoftwareHeader. SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static struct session *
run(struct snapshot *snap)
{
	static const struct walk w = {.from = "<a@b>",
	    .rcpts = {"c@d"},
	    .macros = {{"{auth_authen}", "bob"}, {"i", "4XyZ"}, {"j", "mx.example.org"}},
	    .message = "From: a@b\r\n\r\n"};
	struct verdict v;

	return walk_run(snap, &w, &v, NULL);
}

static void
says_its_name_when_told(void **state)
{
	struct snapshot *snap = walk_load("Mode s\nSoftwareHeader yes\n");
	struct session *s = run(snap);
	const struct edit *e = s->msg->edits.first;

	(void)state;
	assert_non_null(e);
	assert_int_equal(e->op, EDIT_INSERT);
	assert_string_equal(e->name, "DKIM-Filter");
	assert_non_null(strstr(e->value, " mx.example.org 4XyZ"));
	assert_null(e->next);
	chain_close(s);
	snapshot_unref(snap);
}

static void
is_silent_otherwise(void **state)
{
	struct snapshot *snap = walk_load("Mode s\n");
	struct session *s = run(snap);

	(void)state;
	assert_null(s->msg->edits.first);
	assert_int_equal(chain_edits(snap) & EDIT_BIT(EDIT_CHANGE), 0);
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_its_name_when_told),
	    cmocka_unit_test(is_silent_otherwise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
