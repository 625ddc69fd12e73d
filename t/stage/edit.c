/* Edits: their order, and what they make of a header. SPDX-License-Identifier: BSD-2-Clause */
#include "milter/edit.h"

#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/mail/hdr.h"
#include "t/support/drivers/test.h"

static void
want(struct edit_list *l, struct arena *a, enum edit_op op, unsigned index,
    const char *name, const char *value)
{
	assert_int_equal(edit_want(l, a, op, index, name, value), 0);
}

static void
ask(struct edit_list *l, struct arena *a)
{
	want(l, a, EDIT_INSERT, 0, "Top", "one");
	want(l, a, EDIT_DELETE, 1, "X", NULL);
	want(l, a, EDIT_ADD, 0, "End", "last");
	want(l, a, EDIT_INSERT, 0, "Top", "two");
	want(l, a, EDIT_DELETE, 3, "x", NULL);
	want(l, a, EDIT_CHANGE, 2, "X", "new");
	edit_sort(l);
}

static void
sorts_for_the_driver(void **state)
{
	struct edit_list l = {0};
	struct buf b = BUF_INIT;
	struct arena a;

	(void)state;
	arena_init(&a);
	ask(&l, &a);
	for (const struct edit *e = l.first; e != NULL; e = e->next)
		buf_printf(&b, "%s%s %u;", e == l.first ? "" : " ",
		    edit_word(e->op), e->index);
	assert_string_equal(buf_text(&b),
	    "change 2; delete 3; delete 1; add 0; insert 0; insert 0;");
	assert_string_equal(l.last->value, "two");
	buf_fini(&b);
	arena_fini(&a);
}

static void
makes_the_header_that_leaves(void **state)
{
	static const char *const received[][2] = {
	    {"X", " 1"}, {"From", " a@b"}, {"X", " 2"}, {"X", " 3"}};
	struct edit_list l = {0};
	struct hdr_list in = {0}, out;
	struct buf b = BUF_INIT;
	struct arena a;

	(void)state;
	arena_init(&a);
	for (size_t i = 0; i < 4; i++)
		hdr_add(&in, &a, received[i][0], strlen(received[i][0]),
		    received[i][1], strlen(received[i][1]));
	ask(&l, &a);
	assert_int_equal(edit_result(&in, &l, &a, &out), 0);
	for (const struct hdr *h = out.first; h != NULL; h = h->next)
		buf_printf(&b, "%s:%s;", h->name, h->value);
	assert_string_equal(buf_text(&b),
	    "Top: two;Top: one;From: a@b;X: new;End: last;");
	buf_fini(&b);
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sorts_for_the_driver),
	    cmocka_unit_test(makes_the_header_that_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
