/*
 * Who frees a configuration: the service, and never a thread of mail.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "milter/inforce.h"
#include "milter/service.h"
#include "milter/services.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define PATIENCE 60000 /* milliseconds */
#define THREADS 4
#define SESSIONS 300 /* of each thread */
#define RELOADS 40

struct conf;

void __real_conf_free(struct conf *c);
void __wrap_conf_free(struct conf *c);

static atomic_int by_service, by_others;

/* With a snapshot goes its conf. */
void
__wrap_conf_free(struct conf *c)
{
	char name[16] = "";

	pthread_getname_np(pthread_self(), name, sizeof(name));
	if (strcmp(name, service_snapshots.name) == 0)
		atomic_fetch_add(&by_service, 1);
	else
		atomic_fetch_add(&by_others, 1);
	__real_conf_free(c);
}

static const struct service *const rows[] = {&service_snapshots, NULL};

static void
begin(void)
{
	by_service = by_others = 0;
	assert_int_equal(services_start(rows), 0);
}

static void *
close_it(void *session)
{
	chain_close(session);
	return NULL;
}

/* A session outlives its configuration, which a reload replaces. */
static void
the_last_session_leaves_it_to_the_service(void **state)
{
	struct snapshot *one = walk_load(""), *two = walk_load("");
	struct session *s;
	pthread_t mail;

	(void)state;
	begin();
	inforce_set(one);
	s = chain_open(one, NULL, NULL);
	inforce_set(two);
	assert_int_equal(by_service, 0);
	assert_int_equal(pthread_create(&mail, NULL, close_it, s), 0);
	pthread_join(mail, NULL);
	while (atomic_load(&by_service) == 0)
		sched_yield();
	assert_int_equal(by_service, 1);
	/* A stop lets go of the one in force, and it is freed there as well. */
	assert_true(services_stop(PATIENCE));
	assert_null(inforce_get());
	assert_int_equal(by_service, 2);
	assert_int_equal(by_others, 0);
}

static void
a_session_keeps_its_own_over_a_stop(void **state)
{
	struct snapshot *snap = walk_load("");
	struct session *s;

	(void)state;
	begin();
	inforce_set(snap);
	s = chain_open(snap, NULL, NULL);
	assert_true(services_stop(PATIENCE));
	assert_int_equal(by_service + by_others, 0);
	/* Then nobody is there to free it: here as at the end of a process. */
	assert_int_equal(snap->refs, 1);
	snapshot_leave_to(NULL);
	chain_close(s);
	assert_int_equal(by_others, 1);
}

static atomic_int left;

static void *
mail(void *arg)
{
	(void)arg;
	for (int i = 0; i < SESSIONS; i++) {
		struct snapshot *snap = inforce_get();
		struct session *s = chain_open(snap, NULL, NULL);

		snapshot_unref(snap);
		sched_yield();
		chain_close(s);
	}
	atomic_fetch_sub(&left, 1);
	return NULL;
}

static void
mail_and_reloads_at_once(void **state)
{
	pthread_t t[THREADS];

	(void)state;
	begin();
	inforce_set(walk_load(""));
	atomic_store(&left, THREADS);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, mail, NULL), 0);
	for (int i = 0; i < RELOADS; i++)
		inforce_set(walk_load(""));
	for (size_t i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	assert_true(services_stop(PATIENCE));
	assert_int_equal(by_service, RELOADS + 1);
	assert_int_equal(by_others, 0);
}

/* Where there is no service, as in posternctl. */
static void
without_it_whoever_lets_go_frees(void **state)
{
	(void)state;
	snapshot_leave_to(NULL);
	by_service = by_others = 0;
	snapshot_unref(walk_load(""));
	assert_int_equal(by_others, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_it_whoever_lets_go_frees),
	    cmocka_unit_test(the_last_session_leaves_it_to_the_service),
	    cmocka_unit_test(a_session_keeps_its_own_over_a_stop),
	    cmocka_unit_test(mail_and_reloads_at_once),
	};

	alarm(240);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
