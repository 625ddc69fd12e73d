/*
 * All mistakes in one list: their order, their number, each of them once.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/base/errlist.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

static void
is_in_order(void **state)
{
	static const char *const want[] = {"a:1: x", "a:2: first",
	    "a:2: second", "b:3: x", "b:12: x", "a:3: x", "a:40: x", "/dir/with: 1:2: x:7: x",
	    "table:1: x", "table:2: x", "no place", "9: neither"};
	struct errlist *l = errlist_new();

	(void)state;
	errlist_read(l, "a", 0);
	errlist_read(l, "b", 0);
	errlist_read(l, "a", 3);
	errlist_read(l, "/dir/with: 1:2: x", 0);
	errlist_add(l, "no place");
	errlist_add(l, "a:%d: x", 40);
	errlist_add(l, "9: neither");
	errlist_add(l, "b:12: x");
	errlist_add(l, "table:2: x");
	errlist_add(l, "a:2: first");
	errlist_add(l, "/dir/with: 1:2: x:7: x");
	errlist_add(l, "b:3: x");
	errlist_add(l, "a:3: x");
	errlist_add(l, "a:2: second");
	errlist_add(l, "table:1: x");
	assert_int_equal(errlist_add(l, "a:1: x"), ERR_CONFIG);
	errlist_sort(l);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
		assert_string_equal(errlist_get(l, i), want[i]);
	assert_null(errlist_get(l, sizeof(want) / sizeof(*want)));
	errlist_free(l);
}

/* Of a file that a keyword names: by its lines, where it was met first. */
static void
is_in_order_inside(void **state)
{
	static const char *const want[] = {"conf:2: T: none",
	    "conf:2: T: t:1: x", "conf:2: T: t:2: x", "conf:2: T: s:9: x",
	    "conf:2: U: t:1: x", "conf:3: T: t:1: x"};
	struct errlist *l = errlist_new();

	(void)state;
	errlist_read(l, "conf", 0);
	errlist_add(l, "conf:3: T: t:1: x");
	errlist_add(l, "conf:2: T: t:2: x");
	errlist_add(l, "conf:2: T: s:9: x");
	errlist_add(l, "conf:2: T: t:1: x");
	errlist_add(l, "conf:2: T: none");
	errlist_add(l, "conf:2: U: t:1: x");
	/* Again changes nothing. */
	for (int n = 0; n < 2; n++) {
		errlist_sort(l);
		for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++)
			assert_string_equal(errlist_get(l, i), want[i]);
	}
	errlist_free(l);
}

static void
knows_places(void **state)
{
	struct errlist *l = errlist_new(), *other = errlist_new();

	(void)state;
	errlist_read(l, "z", 0);
	errlist_read(l, "/a:1: b", 0);
	assert_int_equal(errlist_place(l, "z:12: X: a:3: y"), strlen("z:12: "));
	assert_int_equal(
	    errlist_place(l, "/a:1: b:5: X"), strlen("/a:1: b:5: "));
	assert_int_equal(errlist_place(l, "Socket: 5: x"), 0);
	assert_int_equal(errlist_place(l, "default: X: y"), 0);
	/* The files of another list, in the order in which it read them. */
	errlist_order_as(other, l);
	errlist_add(other, "/a:1: b:5: X");
	errlist_add(other, "z:1: X");
	errlist_sort(other);
	assert_string_equal(errlist_get(other, 0), "z:1: X");
	errlist_free(l);
	errlist_free(other);
}

static void
has_each_once(void **state)
{
	struct errlist *l = errlist_new();
	struct errmsg msg = {.text = ""};

	(void)state;
	assert_int_equal(errlist_first(l, &msg), 0);
	errlist_add(l, "a:2: x");
	errlist_add(l, "a:1: x");
	errlist_add(l, "a:2: x");
	assert_int_equal(errlist_count(l), 2);
	assert_int_equal(errlist_first(l, &msg), ERR_CONFIG);
	assert_string_equal(msg.text, "a:1: x");
	assert_int_equal(errlist_add(NULL, "x"), ERR_CONFIG);
	errlist_read(NULL, "a", 0);
	errlist_free(l);
	errlist_free(NULL);
}

struct said {
	size_t n;
	char last[64];
};

static void
say(const struct errmsg *msg, void *arg)
{
	struct said *said = arg;

	said->n++;
	snprintf(said->last, sizeof(said->last), "%.60s", msg->text);
}

static void
keep_last(const struct errmsg *msg, void *arg)
{
	*(struct errmsg *)arg = *msg;
}

/* What a message says beside its words: which file is closed, and where the
 * command begins that opens it. */
static void
keeps_what_is_closed(void **state)
{
	struct errlist *l = errlist_new(), *outer = errlist_new();
	struct errmsg why, msg, got;

	(void)state;
	errmsg_set(&why, "/x: Permission denied");
	errmsg_of_file(&why, "/x", EACCES);
	errmsg_cure(&why, "; ", "mend it with: chmod");
	assert_string_equal(
	    why.text, "/x: Permission denied; mend it with: chmod");
	errmsg_wrap(&msg, &why, "t:%d: ", 5);
	assert_int_equal(errlist_add_msg(l, &msg), ERR_CONFIG);
	errlist_append(outer, "conf:1: T: ", l);
	errlist_each(outer, keep_last, &got);
	assert_string_equal(got.text, "conf:1: T: t:5: /x: Permission denied; "
				      "mend it with: chmod");
	assert_int_equal(got.kind, ERRMSG_CLOSED);
	assert_string_equal(got.path, "/x");
	assert_string_equal(got.text + got.cure, "; mend it with: chmod");
	assert_int_equal(errlist_first(outer, &msg), ERR_CONFIG);
	assert_string_equal(msg.text, got.text);
	assert_int_equal(msg.kind, ERRMSG_CLOSED);
	assert_int_equal(msg.cure, got.cure);
	/* Another one on top of it is not. */
	errmsg_set(&msg, "y");
	errmsg_of_file(&msg, "/y", ENOENT);
	assert_int_equal(msg.kind, ERRMSG_PLAIN);
	assert_int_equal(msg.cure, 0);
	assert_string_equal(msg.path, "");
	errlist_free(l);
	errlist_free(outer);
}

/* The command was cut off with the end of the text. */
static void
has_no_cure_beyond_its_end(void **state)
{
	struct errmsg why, msg;
	char long_name[900];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	errmsg_set(&why, "%.300s", long_name);
	errmsg_cure(&why, "; ", "chmod");
	errmsg_wrap(&msg, &why, "%s: ", long_name);
	assert_int_equal(strlen(msg.text), sizeof(msg.text) - 1);
	assert_int_equal(msg.cure, 0);
}

/* A hundred are told, and how many there are besides, exactly. */
static void
tells_a_hundred(void **state)
{
	static const struct {
		size_t count, said;
		const char *last;
	} cases[] = {{0, 0, ""}, {1, 1, "f:1: x"}, {99, 99, "f:99: x"},
	    {100, 100, "f:100: x"}, {101, 101, "and 1 more"},
	    {250, 101, "and 150 more"}, {5000, 101, "and 4900 more"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errlist *l = errlist_new();
		struct said said = {0, ""};

		for (size_t k = 1; k <= cases[i].count; k++)
			errlist_add(l, "f:%zu: x", k);
		errlist_sort(l);
		errlist_each(l, say, &said);
		assert_int_equal(said.n, cases[i].said);
		assert_string_equal(said.last, cases[i].last);
		assert_int_equal(errlist_count(l), cases[i].count);
		errlist_free(l);
	}
}

/* One that is too long is cut off, not lost. */
static void
cuts_off(void **state)
{
	struct errlist *l = errlist_new();
	char *text = malloc(5001);

	(void)state;
	memset(text, 'x', 5000);
	text[5000] = '\0';
	errlist_add(l, "a:1: %s", text);
	errlist_sort(l);
	assert_int_equal(
	    strlen(errlist_get(l, 0)), sizeof(((struct errmsg *)0)->text) - 1);
	free(text);
	errlist_free(l);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(is_in_order),
	    cmocka_unit_test(is_in_order_inside),
	    cmocka_unit_test(knows_places),
	    cmocka_unit_test(has_each_once),
	    cmocka_unit_test(keeps_what_is_closed),
	    cmocka_unit_test(has_no_cure_beyond_its_end),
	    cmocka_unit_test(tells_a_hundred),
	    cmocka_unit_test(cuts_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
