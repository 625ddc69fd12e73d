/* Counts of rules in a file: added up, found again, and what is no such file.
 * SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/mapguard.h"
#include "lib/mail/hdr.h"
#include "lib/rules/rules.h"
#include "lib/rules/rules_stats.h"
#include "t/support/drivers/test.h"

#define NOW 1700000000
#define DAY 86400

static const char two[] = "header HIT exists:From\nheader MISS exists:Cc\n";

struct place {
	char dir[64], path[80];
};

static void
place_init(struct place *p)
{
	strcpy(p->dir, "/tmp/postern-stats-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->path, sizeof(p->path), "%s/rules", p->dir);
}

static void
place_fini(struct place *p)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -r %s", p->dir);
	assert_int_equal(system(command), 0);
}

static struct rules *
rules_of(const char *text)
{
	static const struct rules_setup setup = {0};
	struct rules *rules;

	assert_int_equal(
	    rules_new_text(text, strlen(text), &setup, &rules), 0);
	return rules;
}

static int64_t
clock_of_a_test(void)
{
	static _Thread_local int64_t now;

	return now += 500;
}

/* Mail with a From through the rules. */
static void
mail(const struct rules *rules, unsigned count, bool timed)
{
	for (unsigned i = 0; i < count; i++) {
		struct hdr_list headers = {0};
		struct rules_result result;
		struct arena a;
		struct rules_input in = {.arena = &a,
		    .headers = &headers,
		    .clock = clock_of_a_test,
		    .timed = timed};

		arena_init(&a);
		assert_int_equal(
		    hdr_add(&headers, &a, "From", 4, " a@b.org", 8), 0);
		assert_int_equal(rules_run(rules, &in, &result), 0);
		arena_fini(&a);
	}
}

static struct rules_stats *
begin(const struct place *p, const struct rules *rules, time_t now,
    enum rules_stats_event event)
{
	struct rules_stats *s = rules_stats_new(p->path, rules);
	struct rules_stats_report rep;
	struct errmsg msg = {.text = ""};

	assert_non_null(s);
	if (rules_stats_flush(s, now, &rep, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_int_equal(rep.event, event);
	return s;
}

static void
flush(struct rules_stats *s, enum rules_stats_event event)
{
	struct rules_stats_report rep;
	struct errmsg msg = {.text = ""};

	if (rules_stats_flush(s, NOW, &rep, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_int_equal(rep.event, event);
}

static struct rules_stats_count
count_of(const struct place *p, const struct rules *rules, const char *name)
{
	struct rules_stats_count *list, found = {0};
	struct rules_info info;
	struct errmsg msg;

	if (rules_stats_read(p->path, rules, &list, &msg) != 0)
		fail_msg("%s", msg.text);
	for (size_t i = 0; rules_info(rules, i, &info); i++) {
		if (strcmp(info.name, name) == 0)
			found = list[i];
	}
	free(list);
	return found;
}

static void
counts_are_put_down_and_found_again(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats_count c;
	struct rules_stats *s;
	struct stat st;
	struct place p;

	(void)state;
	place_init(&p);
	s = begin(&p, rules, NOW, RULES_STATS_CREATED);
	assert_int_equal(stat(p.path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* All of it is there: nothing can run out of disk later. */
	assert_true(st.st_blocks * 512 >= st.st_size);
	mail(rules, 3, false);
	mail(rules, 1, true);
	flush(s, RULES_STATS_SAME);
	flush(s, RULES_STATS_SAME);
	rules_stats_free(s);
	c = count_of(&p, rules, "HIT");
	assert_int_equal(c.tried, 4);
	assert_int_equal(c.hits, 4);
	assert_int_equal(c.timed, 1);
	assert_int_equal(c.ns, 500);
	assert_int_equal(c.since, NOW);
	c = count_of(&p, rules, "MISS");
	assert_int_equal(c.tried, 4);
	assert_int_equal(c.hits, 0);
	rules_free(rules);

	/* A reload, or a restart. */
	rules = rules_of(two);
	s = begin(&p, rules, NOW + 5, RULES_STATS_SAME);
	mail(rules, 2, false);
	flush(s, RULES_STATS_SAME);
	rules_stats_free(s);
	c = count_of(&p, rules, "HIT");
	assert_int_equal(c.hits, 6);
	assert_int_equal(c.since, NOW);
	rules_free(rules);
	place_fini(&p);
}

static void
a_changed_rule_starts_anew(void **state)
{
	static const struct {
		const char *name, *text;
		unsigned hits;
	} cases[] = {
	    {"another score", "header HIT exists:From\nscore HIT 7\n", 1},
	    {"words", "header HIT exists:From\ndescribe HIT a b\n", 1},
	    {"another place",
		"header A exists:To\n\nheader HIT exists:From\n", 1},
	    {"another field", "header HIT exists:Cc\n", 0},
	    {"another kind", "body HIT /exists:From/\n", 0},
	    {"counted often", "header HIT exists:From\n"
			      "tflags HIT multiple\n", 0},
	    {"another name", "header HIT2 exists:From\nmeta HIT 0\n", 0},
	    {"not defined", "score HIT 1\n", 0},
	};
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	struct place p;

	(void)state;
	place_init(&p);
	s = begin(&p, rules, NOW, RULES_STATS_CREATED);
	mail(rules, 1, false);
	flush(s, RULES_STATS_SAME);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rules *other = rules_of(cases[i].text);

		if (count_of(&p, other, "HIT").hits != cases[i].hits)
			fail_msg("%s", cases[i].name);
		rules_free(other);
	}
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

/* Rules R0 .. Rn-1 that all hit, each looking for a text of its own. */
static struct rules *
many(unsigned n, unsigned from)
{
	struct rules *rules;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	for (unsigned i = from; i < from + n; i++)
		fprintf(f, "header R%u From =~ /b|z%u/\n", i, i);
	fclose(f);
	rules = rules_of(text);
	free(text);
	return rules;
}

static void
a_file_grows_and_forgets(void **state)
{
	struct rules *few = many(300, 0), *more = many(2000, 300), *next;
	struct rules_stats *a, *b;
	struct stat is;
	struct place p;

	(void)state;
	place_init(&p);
	a = begin(&p, few, NOW, RULES_STATS_CREATED);
	mail(few, 1, false);
	flush(a, RULES_STATS_SAME);
	b = begin(&p, more, NOW, RULES_STATS_GROWN);
	/* What the first still counts arrives in the new file. */
	mail(few, 1, false);
	flush(a, RULES_STATS_SAME);
	mail(more, 1, false);
	flush(b, RULES_STATS_SAME);
	assert_int_equal(count_of(&p, few, "R299").hits, 2);
	assert_int_equal(count_of(&p, more, "R2299").hits, 1);
	rules_stats_free(a);
	rules_stats_free(b);

	/* Long after, who needs room gets that of rules that nobody has. */
	next = many(7000, 5000);
	a = begin(&p, next, NOW + 40 * DAY, RULES_STATS_GROWN);
	assert_int_equal(stat(p.path, &is), 0);
	assert_int_equal(is.st_size, 128 + 16384 * 64);
	assert_int_equal(count_of(&p, few, "R299").since, 0);
	assert_int_equal(count_of(&p, next, "R11999").since, NOW + 40 * DAY);
	rules_stats_free(a);
	rules_free(few);
	rules_free(more);
	rules_free(next);
	place_fini(&p);
}

static void
another_file_under_the_name_is_followed(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	struct place p;

	(void)state;
	place_init(&p);
	s = begin(&p, rules, NOW, RULES_STATS_CREATED);
	mail(rules, 2, false);
	flush(s, RULES_STATS_SAME);
	assert_int_equal(unlink(p.path), 0);
	mail(rules, 1, false);
	flush(s, RULES_STATS_CREATED);
	assert_int_equal(count_of(&p, rules, "HIT").hits, 1);
	/* Touching what was cut off would be a SIGBUS. */
	assert_int_equal(truncate(p.path, 0), 0);
	mail(rules, 1, false);
	flush(s, RULES_STATS_RENEWED);
	assert_int_equal(count_of(&p, rules, "HIT").hits, 1);
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

static void
what_cannot_be_put_down_waits(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats_report rep;
	struct rules_stats *s;
	struct errmsg msg = {.text = ""};
	struct place p, sub;

	(void)state;
	place_init(&p);
	sub = p;
	snprintf(sub.path, sizeof(sub.path), "%s/x/r", p.dir);
	s = rules_stats_new(sub.path, rules);
	mail(rules, 2, false);
	assert_int_equal(rules_stats_flush(s, NOW, &rep, &msg), ERR_SYSTEM);
	assert_int_equal(errno, ENOENT);
	assert_non_null(strstr(msg.text, sub.path));
	snprintf(sub.path, sizeof(sub.path), "%s/x", p.dir);
	assert_int_equal(mkdir(sub.path, 0700), 0);
	snprintf(sub.path, sizeof(sub.path), "%s/x/r", p.dir);
	flush(s, RULES_STATS_CREATED);
	assert_int_equal(count_of(&sub, rules, "HIT").hits, 2);
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

static void
overwrite(const char *path, off_t at, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(
	    pwrite(fd, text, strlen(text), at), (ssize_t)strlen(text));
	close(fd);
}

static void
what_is_none_of_ours_is_kept_aside(void **state)
{
	static const struct {
		const char *name;
		off_t size, at; /* size 0: as it is */
		const char *text, *why;
	} cases[] = {
	    {"foreign", 0, 0, "hello", "it has no counts of rules"},
	    {"damaged", 0, 24, "\7", "its header is damaged"},
	    {"cut off", 70000, 128, "x", "it is cut off or has grown"},
	    {"short", 60000, 128, "x", "it has not the size of one"},
	    {"tiny", 5, 0, "hello", "it has not the size of one"},
	};
	struct rules *rules = rules_of(two);
	struct rules_stats *big;
	struct rules *more = many(1500, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct rules_stats_count *list;
		struct rules_stats_report rep;
		struct rules_stats *s;
		struct errmsg msg = {.text = ""};
		struct place p;

		place_init(&p);
		big = begin(&p, more, NOW, RULES_STATS_CREATED);
		rules_stats_free(big);
		overwrite(p.path, cases[i].at, cases[i].text);
		if (cases[i].size != 0)
			assert_int_equal(truncate(p.path, cases[i].size), 0);
		assert_int_equal(
		    rules_stats_read(p.path, rules, &list, &msg), ERR_FORMAT);
		assert_non_null(strstr(msg.text, cases[i].why));
		s = rules_stats_new(p.path, rules);
		assert_int_equal(rules_stats_flush(s, NOW, &rep, &msg), 0);
		assert_int_equal(rep.event, RULES_STATS_RENEWED);
		assert_string_equal(rep.why, cases[i].why);
		assert_int_equal(access(rep.bad_path, F_OK), 0);
		mail(rules, 1, false);
		flush(s, RULES_STATS_SAME);
		assert_true(count_of(&p, rules, "HIT").hits > 0);
		rules_stats_free(s);
		place_fini(&p);
	}
	rules_free(rules);
	rules_free(more);
}

/* To be cut off behind the next look at a file's name. */
static _Atomic(const char *) cut;

int __real_lstat(const char *path, struct stat *st);
int __wrap_lstat(const char *path, struct stat *st);

int
__wrap_lstat(const char *path, struct stat *st)
{
	int rc = __real_lstat(path, st);
	const char *path_of_it = atomic_exchange(&cut, NULL);

	if (path_of_it != NULL)
		assert_int_equal(truncate(path_of_it, 0), 0);
	return rc;
}

/* Between the look at its size and the addition: the process lives, and counts
 * go into a new file. */
static void
a_file_is_cut_off(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	struct place p;

	(void)state;
	assert_int_equal(mapguard_install(), 0);
	place_init(&p);
	s = begin(&p, rules, NOW, RULES_STATS_CREATED);
	mail(rules, 3, false);
	atomic_store(&cut, p.path);
	flush(s, RULES_STATS_SAME);
	assert_null(atomic_load(&cut));
	flush(s, RULES_STATS_RENEWED);
	mail(rules, 2, false);
	flush(s, RULES_STATS_SAME);
	assert_int_equal(count_of(&p, rules, "HIT").hits, 2);
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

/* Of whatever size: it is not foreign, and comes to no harm. */
static void
a_later_programs_is_let_alone(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	struct rules_stats_count *list;
	struct rules_stats_report rep;
	struct errmsg msg = {.text = ""};
	struct stat before, after;
	struct place p;

	(void)state;
	for (off_t size = 200; size < 1000000; size *= 10) {
		place_init(&p);
		rules_stats_free(begin(&p, rules, NOW, RULES_STATS_CREATED));
		overwrite(p.path, 16, "\2");
		assert_int_equal(truncate(p.path, size), 0);
		assert_int_equal(stat(p.path, &before), 0);
		s = rules_stats_new(p.path, rules);
		assert_int_equal(
		    rules_stats_flush(s, NOW, &rep, &msg), ERR_FORMAT);
		assert_int_equal(rep.event, RULES_STATS_SAME);
		assert_non_null(strstr(msg.text, "version 2"));
		assert_int_equal(
		    rules_stats_read(p.path, rules, &list, &msg), ERR_FORMAT);
		assert_int_equal(stat(p.path, &after), 0);
		assert_true(before.st_ino == after.st_ino);
		assert_true(before.st_size == after.st_size);
		rules_stats_free(s);
		place_fini(&p);
	}
	rules_free(rules);
}

static void
unsafe_files_are_refused(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	struct rules_stats_count *list;
	struct rules_stats_report rep;
	struct errmsg msg = {.text = ""};
	struct place p;

	(void)state;
	place_init(&p);
	assert_int_equal(rules_stats_read(p.path, rules, &list, &msg),
	    ERR_NOTFOUND);
	overwrite(p.path, 0, "x");
	assert_int_equal(chmod(p.path, 0666), 0);
	s = rules_stats_new(p.path, rules);
	assert_int_equal(rules_stats_flush(s, NOW, &rep, &msg), ERR_CONFIG);
	assert_non_null(strstr(msg.text, "chmod 600"));
	assert_int_equal(unlink(p.path), 0);
	assert_int_equal(mkfifo(p.path, 0600), 0);
	assert_int_equal(rules_stats_flush(s, NOW, &rep, &msg), ERR_CONFIG);
	assert_int_equal(rules_stats_read(p.path, rules, &list, &msg),
	    ERR_CONFIG);
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

/* -- several at once -- */

#define ROUNDS 200

static void
daemon_of(const struct place *p, const char *text)
{
	struct rules *rules = rules_of(text);
	struct rules_stats *s = rules_stats_new(p->path, rules);

	for (int i = 0; i < ROUNDS; i++) {
		mail(rules, 1, false);
		flush(s, RULES_STATS_SAME);
	}
	rules_stats_free(s);
	rules_free(rules);
}

static void
processes_share_a_file(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules *other = rules_of("header HIT exists:Cc\n");
	struct place p;
	pid_t child[3];
	int status;

	(void)state;
	place_init(&p);
	rules_stats_free(begin(&p, rules, NOW, RULES_STATS_CREATED));
	for (int i = 0; i < 3; i++) {
		child[i] = fork();
		assert_true(child[i] >= 0);
		if (child[i] == 0) {
			/* One has another rule of that name. */
			daemon_of(&p, i < 2 ? two : "header HIT exists:Cc\n");
			_exit(0);
		}
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(waitpid(child[i], &status, 0), child[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(count_of(&p, rules, "HIT").hits, 2 * ROUNDS);
	assert_int_equal(count_of(&p, other, "HIT").tried, ROUNDS);
	assert_int_equal(count_of(&p, other, "HIT").hits, 0);
	rules_free(rules);
	rules_free(other);
	place_fini(&p);
}

static void *
run_mail(void *arg)
{
	mail(arg, ROUNDS, false);
	return NULL;
}

static void *
run_daemon(void *arg)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s = rules_stats_new(arg, rules);
	struct rules_stats_report rep;

	for (int i = 0; i < ROUNDS; i++) {
		mail(rules, 1, false);
		assert_int_equal(rules_stats_flush(s, NOW, &rep, NULL), 0);
	}
	rules_stats_free(s);
	rules_free(rules);
	return NULL;
}

/* Mail is counted while it is put down; others make the same file. */
static void
threads_lose_nothing(void **state)
{
	struct rules *rules = rules_of(two);
	struct rules_stats *s;
	pthread_t thread[4];
	struct place p;

	(void)state;
	place_init(&p);
	for (int i = 0; i < 2; i++) {
		pthread_create(&thread[i], NULL, run_daemon, p.path);
		pthread_create(&thread[2 + i], NULL, run_mail, rules);
	}
	s = rules_stats_new(p.path, rules);
	for (int i = 0; i < ROUNDS; i++) {
		struct rules_stats_report rep;

		assert_int_equal(rules_stats_flush(s, NOW, &rep, NULL), 0);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(thread[i], NULL);
	flush(s, RULES_STATS_SAME);
	assert_int_equal(count_of(&p, rules, "HIT").hits, 4 * ROUNDS);
	assert_int_equal(count_of(&p, rules, "MISS").tried, 4 * ROUNDS);
	rules_stats_free(s);
	rules_free(rules);
	place_fini(&p);
}

struct racer {
	pthread_barrier_t *start;
	const char *path;
};

static void *
race(void *arg)
{
	const struct racer *r = arg;
	struct rules *rules = rules_of(two);
	struct rules_stats *s = rules_stats_new(r->path, rules);
	struct rules_stats_report rep;

	mail(rules, 1, false);
	pthread_barrier_wait(r->start);
	assert_int_equal(rules_stats_flush(s, NOW, &rep, NULL), 0);
	rules_stats_free(s);
	rules_free(rules);
	return NULL;
}

/* One makes the file, the others find it; so too where a foreign one is in the
 * way. */
static void
who_opens_at_once_gets_the_same_file(void **state)
{
	struct rules *rules = rules_of(two);

	(void)state;
	for (int round = 0; round < 40; round++) {
		pthread_barrier_t start;
		pthread_t thread[4];
		struct racer r = {&start, NULL};
		struct place p;

		place_init(&p);
		r.path = p.path;
		if (round % 2 == 1)
			overwrite(p.path, 0, "foreign");
		pthread_barrier_init(&start, NULL, 4);
		for (int i = 0; i < 4; i++)
			pthread_create(&thread[i], NULL, race, &r);
		for (int i = 0; i < 4; i++)
			pthread_join(thread[i], NULL);
		pthread_barrier_destroy(&start);
		assert_int_equal(count_of(&p, rules, "HIT").hits, 4);
		place_fini(&p);
	}
	rules_free(rules);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_are_put_down_and_found_again),
	    cmocka_unit_test(a_changed_rule_starts_anew),
	    cmocka_unit_test(a_file_grows_and_forgets),
	    cmocka_unit_test(another_file_under_the_name_is_followed),
	    cmocka_unit_test(what_cannot_be_put_down_waits),
	    cmocka_unit_test(what_is_none_of_ours_is_kept_aside),
	    cmocka_unit_test(a_file_is_cut_off),
	    cmocka_unit_test(a_later_programs_is_let_alone),
	    cmocka_unit_test(unsafe_files_are_refused),
	    cmocka_unit_test(processes_share_a_file),
	    cmocka_unit_test(threads_lose_nothing),
	    cmocka_unit_test(who_opens_at_once_gets_the_same_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
