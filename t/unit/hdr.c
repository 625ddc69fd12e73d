/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/hdr.h"

#include <string.h>

#include "lib/arena.h"
#include "t/support/test.h"

static void
add(struct hdr_list *l, struct arena *a, const char *name, const char *value)
{
	assert_int_equal(
	    hdr_add(l, a, name, strlen(name), value, strlen(value)), 0);
}

static void
finds_by_name_without_case(void **state)
{
	struct hdr_list l = {0};
	struct arena a;

	(void)state;
	arena_init(&a);
	add(&l, &a, "Received", " one");
	add(&l, &a, "From", " a@b");
	add(&l, &a, "RECEIVED", " two");
	assert_string_equal(hdr_find(&l, "received")->value, " one");
	assert_int_equal(hdr_find(&l, "received")->index, 1);
	assert_int_equal(l.last->index, 2);
	assert_int_equal(hdr_find(&l, "From")->index, 1);
	assert_null(hdr_find(&l, "Fro"));
	assert_null(hdr_find(&l, "To"));
	add(&l, &a, "To \t", " spaced");
	add(&l, &a, "TO", " second");
	assert_string_equal(hdr_find(&l, "To")->value, " spaced");
	assert_int_equal(l.last->index, 2);
	arena_fini(&a);
}

static void
counts_octets_as_sent(void **state)
{
	struct hdr_list l = {0};
	struct arena a;

	(void)state;
	arena_init(&a);
	add(&l, &a, "A", " b");
	assert_int_equal(l.bytes, strlen("A: b\r\n"));
	add(&l, &a, "C", " d\n\te");
	assert_int_equal(l.bytes, strlen("A: b\r\nC: d\r\n\te\r\n"));
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(finds_by_name_without_case),
	    cmocka_unit_test(counts_octets_as_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
