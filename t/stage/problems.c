/* What is not well: told by services, fatal first.
 * SPDX-License-Identifier: BSD-2-Clause */
#include "milter/problems.h"

#include <semaphore.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "milter/service.h"
#include "t/support/drivers/test.h"

static struct trouble trouble = TROUBLE_INIT;

static void
tell_many(struct problems *p)
{
	char name[8] = "a";

	for (; name[0] < 'n'; name[0]++)
		problems_add(
		    p, name[0] % 2 == 0, "many", "no cure", "%s", name);
}

static void
tell_trouble(struct problems *p)
{
	problems_add_trouble(p, true, "trouble", "a cure", &trouble);
}

static const struct service many = {.name = "many", .problems = tell_many};
static const struct service troubled = {
    .name = "troubled", .problems = tell_trouble};
static const struct service *const tellers[] = {&many, &troubled, NULL};

/* The texts, fatal ones in capitals. */
static void
expect(const char *wanted)
{
	struct problems p = PROBLEMS_INIT;
	char got[256] = "";

	problems_collect(&p);
	assert_false(p.failed);
	for (size_t i = 0; i < p.count; i++) {
		char text[64];

		assert_true(strlen(p.list[i].what) > 0);
		assert_true(strlen(p.list[i].cure) > 0);
		snprintf(text, sizeof(text), "%s", p.list[i].text);
		if (p.list[i].fatal)
			text[0] = (char)(text[0] - 'a' + 'A');
		strcat(got, text);
	}
	problems_fini(&p);
	assert_string_equal(got, wanted);
}

static void
fatal_ones_come_first_and_the_rest_in_order(void **state)
{
	(void)state;
	expect("");
	assert_int_equal(services_start(tellers), 0);
	expect("BDFHJLacegikm");
	trouble_set(&trouble, "%s", "worse");
	expect("BDFHJLWorseacegikm");
	trouble_set(&trouble, "%s", "other");
	expect("BDFHJLOtheracegikm");
	trouble_clear(&trouble);
	expect("BDFHJLacegikm");
	assert_true(services_stop(1000));
}

static void
long_texts_are_cut(void **state)
{
	static char text[2 * TROUBLE_TEXT_MAX];
	struct problems p = PROBLEMS_INIT;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	trouble_set(&trouble, "%s", text);
	tell_trouble(&p);
	problems_add(&p, false, "long", "c", "%s", text);
	trouble_clear(&trouble);
	assert_int_equal(p.count, 2);
	for (size_t i = 0; i < p.count; i++)
		assert_int_equal(
		    strlen(p.list[i].text), TROUBLE_TEXT_MAX - 1);
	problems_fini(&p);
}

/* -- a queue that is full -- */

static sem_t gate, at_gate;

static void
take_slowly(void *item)
{
	(void)item;
	sem_post(&at_gate);
	sem_wait(&gate);
}

static const struct service slow = {
    .name = "slow", .thread = true, .room = 1, .take = take_slowly};
static const struct service *const slow_ones[] = {&slow, NULL};

static void
a_service_that_drops_is_one(void **state)
{
	struct problems p = PROBLEMS_INIT;
	static int item;

	(void)state;
	sem_init(&gate, 0, 0);
	sem_init(&at_gate, 0, 0);
	assert_int_equal(services_start(slow_ones), 0);
	assert_true(service_post(&slow, &item));
	sem_wait(&at_gate);
	assert_true(service_post(&slow, &item));
	problems_collect(&p);
	assert_int_equal(p.count, 0);
	assert_false(service_post(&slow, &item));
	/* The thread looks again when it has taken the next. */
	sem_post(&gate);
	sem_wait(&at_gate);
	sem_post(&gate);
	for (int i = 0; i < 5000 && p.count == 0; i++) {
		problems_fini(&p);
		usleep(1000);
		service_wake(&slow);
		problems_collect(&p);
	}
	assert_int_equal(p.count, 1);
	assert_string_equal(p.list[0].what, "service");
	assert_non_null(strstr(p.list[0].text, "slow"));
	assert_false(p.list[0].fatal);
	problems_fini(&p);
	assert_true(services_stop(5000));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fatal_ones_come_first_and_the_rest_in_order),
	    cmocka_unit_test(long_texts_are_cut),
	    cmocka_unit_test(a_service_that_drops_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
