/*
 * The record of every message in the decision ring, and what becomes of its file
 * under a daemon.  SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/stage/ring.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/errlist.h"
#include "lib/base/mapguard.h"
#include "lib/ring/ring.h"
#include "milter/log.h"
#include "milter/past.h"
#include "milter/record.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define THREADS 8

/* Nobody reads what is logged of thousands of messages. */
static void
be_quiet(void)
{
	static const struct log_options quiet = {
	    .syslog = true, .facility = LOG_LOCAL7, .name = "test"};

	log_open(&quiet);
}

/* A daemon's directory, and what it has in force. */
struct rig {
	char dir[32], ring[64], copy[64];
	struct snapshot *snap;
};

static int
set_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	char state_dir[64];

	assert_non_null(r);
	strcpy(r->dir, "/dev/shm/stage-ring.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(r->ring, sizeof(r->ring), "%s/ring", r->dir);
	snprintf(r->copy, sizeof(r->copy), "%s/state/ring", r->dir);
	snprintf(state_dir, sizeof(state_dir), "%s/state", r->dir);
	assert_int_equal(mkdir(state_dir, 0700), 0);
	*state = r;
	return 0;
}

static int
tear_down(void **state)
{
	struct rig *r = *state;
	char command[100];

	snapshot_unref(r->snap);
	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	free(r);
	return system(command);
}

/* -- configurations -- */

#define BASE "Mode v\nTestDNSData csl:a.example=A 192.0.2.9\n" \
	"RingFile &/ring\nStateDirectory &/state\n"

/* Read it as the daemon does at a start or a reload, or for another use. */
static int
load_as(struct rig *r, const char *conf, enum snapshot_use use,
    const struct snapshot *old, struct errlist *odd, struct snapshot **snap_r)
{
	struct errlist *list = errlist_new();
	struct buf b = BUF_INIT;
	char path[64];
	FILE *f;
	int rc;

	walk_place(&b, conf, r->dir);
	snprintf(path, sizeof(path), "%s/conf", r->dir);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(buf_text(&b), f);
	fclose(f);
	buf_fini(&b);
	rc = snapshot_load_list(path, use, old, list, odd, snap_r);
	errlist_free(list);
	return rc;
}

static struct snapshot *
load(struct rig *r, const char *conf, const struct snapshot *old)
{
	struct snapshot *snap = NULL;

	assert_int_equal(
	    load_as(r, conf, SNAPSHOT_SERVES, old, NULL, &snap), 0);
	return snap;
}

static void
start(struct rig *r, const char *conf)
{
	r->snap = load(r, conf, NULL);
}

static void
stop(struct rig *r)
{
	snapshot_unref(r->snap);
	r->snap = NULL;
}

/* Put another in force; sessions keep the old one. */
static void
reload(struct rig *r, const char *conf)
{
	struct snapshot *old = r->snap;

	r->snap = load(r, conf, old);
	snapshot_unref(old);
}

/* The seconds of a daemon. */
static void
ticks(const struct snapshot *snap, int count)
{
	while (count-- > 0)
		(void)chain_tick(snap);
}

/* -- mail -- */

static const char *
macro(void *ctx, const char *name)
{
	return strcmp(name, "i") == 0 ? ctx : NULL;
}

static struct session *
begin(struct snapshot *snap, const char *id)
{
	struct session *s = chain_open(snap, macro, (void *)(uintptr_t)id);
	struct host ss;

	assert_non_null(s);
	chain_connect(s, "[192.0.2.1]", walk_address("192.0.2.1", &ss));
	chain_helo(s, "mx.example");
	return s;
}

static void
finish(struct session *s)
{
	struct verdict v = chain_mail(s, "<a@x.example>", NULL);

	chain_rcpt(s, "<b@here.example>");
	chain_header(s, "From", 4, " a@x.example", 12);
	chain_header(s, "Subject", 7, " of pills", 9);
	chain_eoh(s);
	v = chain_eom(s);
	chain_end(s, &v);
	chain_close(s);
}

static void
send_one(struct snapshot *snap, const char *id)
{
	finish(begin(snap, id));
}

/* -- what is in a ring -- */

/* The ids of the records there, in their order. */
static void
check_at(const char *path, const char *expected)
{
	struct buf b = BUF_INIT;
	const struct record *rec;
	struct errmsg msg;
	struct past *p;

	if (past_open(path, &p, &msg) != 0)
		fail_msg("%s", msg.text);
	while ((rec = past_next(p, false)) != NULL)
		buf_printf(&b, "%s ",
		    rec->queue_id == NULL ? "-" : rec->queue_id);
	assert_int_equal(past_foreign(p), 0);
	past_close(p);
	assert_string_equal(b.len == 0 ? "" : buf_text(&b), expected);
	buf_fini(&b);
}

static void
check(const struct rig *r, const char *expected)
{
	check_at(r->ring, expected);
}

static void
keeps_the_record_of_each_message(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	struct past *p;

	start(r, BASE);
	send_one(r->snap, "ID1");
	send_one(r->snap, "ID2");
	check(r, "ID1 ID2 ");
	assert_int_equal(past_open(r->ring, &p, NULL), 0);
	past_want(p, "ID2");
	rec = past_next(p, false);
	assert_non_null(rec);
	assert_string_equal(rec->queue_id, "ID2");
	assert_string_equal(rec->sender, "a@x.example");
	assert_string_equal(rec->client_ip, "192.0.2.1");
	assert_string_equal(rec->rcpts->addr, "b@here.example");
	assert_int_equal(rec->subject_len, 8);
	assert_memory_equal(rec->subject, "of pills", 8);
	assert_true(record_busy_ns(rec) > 0);
	assert_true(rec->left);
	assert_null(past_next(p, false));
	past_want(p, "ID3");
	past_oldest(p);
	assert_null(past_next(p, false));
	past_close(p);
}

static void
keeps_a_client_that_is_refused(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	struct past *p;

	start(r, BASE "BlockList 192.0.2.1\nRefuseAt connect\n");
	chain_close(begin(r->snap, NULL));
	check(r, "- ");
	assert_int_equal(past_open(r->ring, &p, NULL), 0);
	rec = past_next(p, false);
	assert_string_equal(rec->at, "connect");
	assert_string_equal(rec->client_ip, "192.0.2.1");
	assert_null(rec->sender);
	assert_string_equal(record_word(rec), "reject");
	past_close(p);
}

static void
leaves_subjects_out(void **state)
{
	struct rig *r = *state;
	static char file[RING_SIZE_MIN];
	const struct record *rec;
	struct past *p;
	FILE *f;

	start(r, BASE "RingSubjects no\nRingSize 64K\n");
	send_one(r->snap, "ID1");
	assert_int_equal(past_open(r->ring, &p, NULL), 0);
	past_want(p, "pills");
	assert_null(past_next(p, false));
	past_want(p, NULL);
	past_oldest(p);
	rec = past_next(p, false);
	assert_non_null(rec);
	assert_null(rec->subject);
	past_close(p);
	/* Text of a mail is never readable in the file itself. */
	f = fopen(r->ring, "r");
	assert_int_equal(fread(file, 1, sizeof(file), f), sizeof(file));
	fclose(f);
	assert_null(memmem(file, sizeof(file), "x.example", 9));
}

static void
follows_what_comes(void **state)
{
	struct rig *r = *state;
	const struct record *rec;
	struct past *p;
	uint64_t place;

	start(r, BASE);
	send_one(r->snap, "ID1");
	assert_int_equal(past_open(r->ring, &p, NULL), 0);
	past_newest(p);
	assert_null(past_next(p, true));
	send_one(r->snap, "ID2");
	/* Who looks back ends where he began to look. */
	assert_null(past_next(p, false));
	rec = past_next(p, true);
	assert_non_null(rec);
	assert_string_equal(rec->queue_id, "ID2");
	place = past_place(p);
	assert_null(past_next(p, true));
	past_oldest(p);
	assert_string_equal(past_next(p, true)->queue_id, "ID1");
	assert_null(past_at(p, place + 32));
	assert_null(past_at(p, place + 1));
	assert_null(past_at(p, UINT64_MAX));
	assert_string_equal(past_next(p, true)->queue_id, "ID2");
	assert_string_equal(past_at(p, place)->queue_id, "ID2");
	assert_false(past_is_stale(p));
	unlink(r->ring);
	assert_true(past_is_stale(p));
	past_close(p);
}

/* -- keywords -- */

static void
none_keeps_none(void **state)
{
	struct rig *r = *state;

	start(r, "Mode v\nTestDNSData csl:a.example=A 192.0.2.9\n"
		 "StateDirectory &/state\nRingFile None\n");
	send_one(r->snap, "ID1");
	ticks(r->snap, 3);
	assert_false(ring_write_copy(r->snap));
	assert_int_equal(access(r->ring, F_OK), -1);
	assert_int_equal(access(r->copy, F_OK), -1);
}

static void
sizes(void **state)
{
	static const struct {
		const char *size;
		size_t body; /* 0: a mistake */
	} cases[] = {
	    {"64K", 64 << 10}, {"1m", 1 << 20}, {"100000", 98304},
	    {"1G", 1 << 30}, {"63K", 0}, {"2G", 0}, {"1025M", 0}, {"0", 0},
	    {"-1", 0}, {"64KB", 0}, {"K", 0}, {"99999999999999999999", 0},
	    {"17179869185G", 0}, {"64 K", 0}, {"1.5M", 0},
	};
	struct rig *r = *state;
	struct snapshot *snap;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = BUF_INIT;
		int rc;

		buf_printf(&b, BASE "RingSize %s\n", cases[i].size);
		snap = NULL;
		rc = load_as(r, buf_text(&b),
		    cases[i].body > 1 << 20 ? SNAPSHOT_OFFLINE
					    : SNAPSHOT_SERVES,
		    NULL, NULL, &snap);
		assert_int_equal(rc == 0, cases[i].body > 0);
		buf_fini(&b);
		snapshot_unref(snap);
		if (cases[i].body > 0 && cases[i].body <= 1 << 20) {
			struct ring *ring;

			assert_int_equal(
			    ring_open_read(r->ring, &ring, NULL), 0);
			assert_int_equal(ring_body(ring), cases[i].body);
			ring_close(ring);
		}
		/* Nothing is made by a configuration with a mistake in it. */
		if (rc != 0)
			assert_int_equal(access(r->ring, F_OK), -1);
		unlink(r->ring);
	}
}

/* What `postern -n` says, and that it makes nothing. */
static void
is_tried(void **state)
{
	struct rig *r = *state;
	static const struct {
		const char *made; /* what is there; NULL: nothing */
		const char *says; /* NULL: nothing */
	} cases[] = {
	    {NULL, NULL},
	    {"noise", "RingFile: &/ring: it is cut off; a start keeps it"},
	    {"/", "RingFile: &/ring: not a regular file"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct errlist *odd = errlist_new();
		struct snapshot *snap = NULL;
		struct errmsg msg = {.text = ""};
		const char *made = cases[i].made;
		struct buf b = BUF_INIT;

		if (made != NULL && *made == '/') {
			assert_int_equal(mkdir(r->ring, 0700), 0);
		} else if (made != NULL) {
			FILE *f = fopen(r->ring, "w");

			fputs(made, f);
			fclose(f);
			chmod(r->ring, 0600);
		}
		assert_int_equal(load_as(r, BASE, SNAPSHOT_TRIAL, NULL, odd,
		    &snap), 0);
		assert_int_equal(
		    errlist_count(odd) > 0, cases[i].says != NULL);
		if (cases[i].says != NULL) {
			errlist_first(odd, &msg);
			walk_place(&b, cases[i].says, r->dir);
			if (strstr(msg.text, buf_text(&b)) == NULL)
				fail_msg("%s", msg.text);
		}
		buf_fini(&b);
		snapshot_unref(snap);
		errlist_free(odd);
		assert_int_equal(access(r->ring, F_OK), made == NULL ? -1 : 0);
		if (made != NULL)
			assert_int_equal(remove(r->ring), 0);
	}
}

/* Mail goes its way without. */
static void
can_not_be_had(void **state)
{
	struct rig *r = *state;

	assert_int_equal(mkdir(r->ring, 0700), 0);
	start(r, BASE);
	send_one(r->snap, "ID1");
	ticks(r->snap, 2);
	assert_true(ring_write_copy(r->snap));
	assert_int_equal(access(r->copy, F_OK), -1);
	assert_int_equal(rmdir(r->ring), 0);
	ticks(r->snap, 1);
	send_one(r->snap, "ID2");
	check(r, "ID2 ");
}

/* -- what outlives what -- */

static void
outlives_the_daemon(void **state)
{
	struct rig *r = *state;

	start(r, BASE);
	send_one(r->snap, "ID1");
	stop(r);
	check(r, "ID1 ");
	start(r, BASE);
	send_one(r->snap, "ID2");
	check(r, "ID1 ID2 ");
}

/* The machine was started anew: only StateDirectory is left. */
static void
is_taken_from_its_copy(void **state)
{
	struct rig *r = *state;

	start(r, BASE);
	send_one(r->snap, "ID1");
	assert_true(ring_write_copy(r->snap));
	check_at(r->copy, "ID1 ");
	send_one(r->snap, "ID2");
	assert_true(ring_write_copy(r->snap));
	send_one(r->snap, "late");
	stop(r);
	unlink(r->ring);
	start(r, BASE);
	check(r, "ID1 ID2 ");
	send_one(r->snap, "ID3");
	assert_true(ring_write_copy(r->snap));
	check_at(r->copy, "ID1 ID2 ID3 ");
	/* Nobody takes it twice. */
	stop(r);
	start(r, BASE);
	check(r, "ID1 ID2 ID3 ");
	/* What was foreign is set aside, and the copy taken. */
	stop(r);
	assert_int_equal(truncate(r->ring, 100), 0);
	start(r, BASE "RingSize 64K\n");
	check(r, "ID1 ID2 ID3 ");
}

/* It stands where it is kept: nothing is copied onto itself. */
static void
needs_no_copy(void **state)
{
	struct rig *r = *state;
	static const char *const confs[] = {
	    "RingFile &/ring\nStateDirectory &\n",
	    "RingFile &/ring\nStateDirectory &/./\n",
	};
	struct stat before, after;

	for (size_t i = 0; i < 2; i++) {
		start(r, confs[i]);
		send_one(r->snap, "ID1");
		assert_int_equal(stat(r->ring, &before), 0);
		assert_int_equal(ring_write_copy(r->snap), i == 1);
		ticks(r->snap, 2);
		assert_int_equal(stat(r->ring, &after), 0);
		assert_true(before.st_ino == after.st_ino);
		check(r, "ID1 ");
		stop(r);
		unlink(r->ring);
	}
}

/* -- reloads -- */

/* Sessions that began before write to the ring that is there. */
static void
gets_another_size(void **state)
{
	struct rig *r = *state;
	struct session *early;
	struct ring *ring;

	start(r, BASE "RingSize 64K\n");
	send_one(r->snap, "ID1");
	early = begin(r->snap, "early");
	reload(r, BASE "RingSize 128K\n");
	send_one(r->snap, "ID2");
	ticks(r->snap, 1);
	finish(early);
	send_one(r->snap, "ID3");
	check(r, "ID1 ID2 early ID3 ");
	ticks(r->snap, 3);
	check(r, "ID1 ID2 early ID3 ");
	assert_int_equal(ring_open_read(r->ring, &ring, NULL), 0);
	assert_int_equal(ring_body(ring), 128 << 10);
	ring_close(ring);
	assert_true(ring_write_copy(r->snap));
	check_at(r->copy, "ID1 ID2 early ID3 ");
	/* One that is not taken changes nothing. */
	assert_int_not_equal(load_as(r, BASE "RingSize 256K\nMode x\n",
	    SNAPSHOT_SERVES, r->snap, NULL, &(struct snapshot *){NULL}), 0);
	ticks(r->snap, 1);
	assert_int_equal(ring_open_read(r->ring, &ring, NULL), 0);
	assert_int_equal(ring_body(ring), 128 << 10);
	ring_close(ring);
}

static void
goes_to_another_file(void **state)
{
	struct rig *r = *state;
	char other[80];

	snprintf(other, sizeof(other), "%s/other", r->dir);
	start(r, BASE);
	send_one(r->snap, "ID1");
	reload(r, BASE "RingFile &/other\n");
	send_one(r->snap, "ID2");
	check(r, "ID1 ");
	check_at(other, "ID2 ");
	reload(r, BASE "RingFile none\n");
	send_one(r->snap, "ID3");
	check_at(other, "ID2 ");
	reload(r, BASE);
	send_one(r->snap, "ID4");
	check(r, "ID1 ID4 ");
}

/* -- others at the file -- */

static void
is_removed(void **state)
{
	struct rig *r = *state;

	start(r, BASE);
	send_one(r->snap, "ID1");
	assert_true(ring_write_copy(r->snap));
	ticks(r->snap, 1);
	unlink(r->ring);
	send_one(r->snap, "ID2");
	ticks(r->snap, 1);
	check(r, "ID1 ID2 ");
	send_one(r->snap, "ID3");
	ticks(r->snap, 3);
	check(r, "ID1 ID2 ID3 ");
	assert_true(ring_write_copy(r->snap));
	check_at(r->copy, "ID1 ID2 ID3 ");
}

static void
is_cut_off(void **state)
{
	struct rig *r = *state;

	assert_int_equal(mapguard_install(), 0);
	for (int i = 0; i < 3; i++) {
		struct stat st;

		start(r, BASE);
		send_one(r->snap, "ID1");
		assert_true(ring_write_copy(r->snap));
		assert_int_equal(stat(r->ring, &st), 0);
		assert_int_equal(truncate(r->ring, i == 2 ? 16384 : 0), 0);
		if (i == 1) /* unseen, but for the zeros */
			assert_int_equal(truncate(r->ring, st.st_size), 0);
		send_one(r->snap, "lost");
		assert_true(ring_write_copy(r->snap));
		ticks(r->snap, 1);
		send_one(r->snap, "ID2");
		ticks(r->snap, 2);
		check(r, "ID1 ID2 ");
		stop(r);
		unlink(r->ring);
		unlink(r->copy);
	}
}

/* Two daemons that disagree leave it as the last one made it, and neither
 * loses a record. */
static void
another_postern_has_another_size(void **state)
{
	struct snapshot *other;
	struct rig *r = *state;
	struct ring *ring;

	start(r, BASE "RingSize 64K\n");
	send_one(r->snap, "ID1");
	ticks(r->snap, 1);
	other = load(r, BASE "RingSize 128K\n", NULL);
	send_one(r->snap, "ID2");
	send_one(other, "ID3");
	for (int i = 0; i < 4; i++) {
		ticks(r->snap, 1);
		ticks(other, 1);
	}
	send_one(r->snap, "ID4");
	send_one(other, "ID5");
	assert_int_equal(ring_open_read(r->ring, &ring, NULL), 0);
	assert_int_equal(ring_body(ring), 128 << 10);
	ring_close(ring);
	check(r, "ID1 ID3 ID2 ID4 ID5 ");
	snapshot_unref(other);
}

/* A daemon that stops before it saw that its file was replaced. */
static void
brings_the_rest_when_it_stops(void **state)
{
	struct snapshot *other;
	struct rig *r = *state;

	start(r, BASE "RingSize 64K\n");
	send_one(r->snap, "ID1");
	other = load(r, BASE "RingSize 128K\n", NULL);
	send_one(r->snap, "late");
	check(r, "ID1 ");
	stop(r);
	check(r, "ID1 late ");
	/* Where there is none, it makes none. */
	unlink(r->ring);
	snapshot_unref(other);
	assert_int_equal(access(r->ring, F_OK), -1);
}

/* -- threads -- */

static struct {
	struct snapshot *snap;
	atomic_int stop, sent[THREADS];
} busy;

static void *
send_on(void *arg)
{
	uintptr_t me = (uintptr_t)arg;
	char id[24];

	/* So many have room in the smallest of the rings. */
	while (!atomic_load(&busy.stop) && atomic_load(&busy.sent[me]) < 2000) {
		snprintf(id, sizeof(id), "T%d.%d", (int)me,
		    atomic_load(&busy.sent[me]));
		send_one(busy.snap, id);
		atomic_fetch_add(&busy.sent[me], 1);
		usleep(2000);
	}
	return NULL;
}

/* Threads write while the file is removed and gets other sizes from another
 * daemon: each record is there once. */
static void
is_swapped_under_threads(void **state)
{
	struct rig *r = *state;
	struct snapshot *other = NULL, *was;
	const struct record *rec;
	pthread_t ids[THREADS];
	unsigned char *seen[THREADS];
	struct past *p;
	int t, n;

	start(r, BASE "RingSize 16M\n");
	busy.snap = r->snap;
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(
		    pthread_create(&ids[i], NULL, send_on, (void *)i), 0);
	for (int i = 0; i < 64; i++) {
		usleep(5000);
		ticks(r->snap, 1);
		if (other != NULL)
			ticks(other, 1);
		if (i % 8 == 0) {
			unlink(r->ring);
		} else if (i % 8 == 4) {
			was = other;
			other = load(r,
			    i % 16 == 4 ? BASE "RingSize 24M\n"
				       : BASE "RingSize 20M\n",
			    NULL);
			snapshot_unref(was);
		}
	}
	atomic_store(&busy.stop, 1);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(ids[i], NULL);
		seen[i] = calloc((size_t)busy.sent[i] + 1, 1);
		assert_non_null(seen[i]);
	}
	for (int i = 0; i < 8; i++) {
		ticks(r->snap, 1);
		ticks(other, 1);
	}
	snapshot_unref(other);
	assert_int_equal(past_open(r->ring, &p, NULL), 0);
	while ((rec = past_next(p, false)) != NULL) {
		assert_int_equal(sscanf(rec->queue_id, "T%d.%d", &t, &n), 2);
		assert_int_equal(seen[t][n], 0);
		seen[t][n] = 1;
	}
	past_close(p);
	for (int i = 0; i < THREADS; i++) {
		assert_true(busy.sent[i] > 10);
		for (int k = 0; k < busy.sent[i]; k++)
			assert_int_equal(seen[i][k], 1);
		free(seen[i]);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	    T(keeps_the_record_of_each_message),
	    T(keeps_a_client_that_is_refused),
	    T(leaves_subjects_out),
	    T(follows_what_comes),
	    T(none_keeps_none),
	    T(sizes),
	    T(is_tried),
	    T(can_not_be_had),
	    T(outlives_the_daemon),
	    T(is_taken_from_its_copy),
	    T(needs_no_copy),
	    T(gets_another_size),
	    T(goes_to_another_file),
	    T(is_removed),
	    T(is_cut_off),
	    T(another_postern_has_another_size),
	    T(brings_the_rest_when_it_stops),
	    T(is_swapped_under_threads),
	};

	be_quiet();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
