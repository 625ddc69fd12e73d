/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/mail/hdr.h"

#include <string.h>

#include "lib/base/arena.h"
#include "t/support/drivers/test.h"

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

static void
counts_fields(void **state)
{
	static const struct {
		const char *names[6], *repeated, *missing;
	} cases[] = {
	    {{"From", "Date", "To"}, NULL, NULL},
	    {{"date", "FROM", "Received", "Received"}, NULL, NULL},
	    {{"From", "Date", "from"}, "From", NULL},
	    {{"From", "Date", "To", "Subject", "SUBJECT ", "To"}, "Subject",
		NULL},
	    {{"From", "Date", "X", "X", "Comments", "Comments"}, NULL, NULL},
	    {{"From", "Date", "In-Reply-To", "In-Reply-To"}, "In-Reply-To",
		NULL},
	    {{"From", "To"}, NULL, "Date"},
	    {{"Date", "To", "To"}, "To", "From"},
	    {{NULL}, NULL, "From"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct hdr_list l = {0};
		struct arena a;

		arena_init(&a);
		for (size_t j = 0; j < 6 && cases[i].names[j] != NULL; j++)
			add(&l, &a, cases[i].names[j], " x");
		if (cases[i].repeated == NULL)
			assert_null(hdr_repeated(&l));
		else
			assert_string_equal(
			    hdr_repeated(&l), cases[i].repeated);
		if (cases[i].missing == NULL)
			assert_null(hdr_missing(&l));
		else
			assert_string_equal(hdr_missing(&l), cases[i].missing);
		arena_fini(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_fields),
	    cmocka_unit_test(finds_by_name_without_case),
	    cmocka_unit_test(counts_octets_as_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
