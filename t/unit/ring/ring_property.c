/*
 * Many processes and threads write to one ring, and are stopped and killed at
 * random, while others read; everything that was written is known.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 *	unit_ring_property [SECONDS [SEED]]
 *
 * What is held against the ring:
 *  - what is read is what somebody wrote, whole;
 *  - whatever a writer has written to its end is read until it is overwritten,
 *    at a round's end by who looks back, and all the time by who follows;
 *  - of who follows, only a writer that died makes him wait.
 */
#include "lib/ring/ring.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "t/unit/ring/numbered.h"

#define WORKERS 3
#define THREADS 21 /* of a worker */
#define LOG 16384  /* puts of a thread that are remembered */
#define ROUND_MS 400

static const struct scene {
	const char *name;
	size_t size;
	unsigned nap_us; /* between two puts; 0: none */
} scenes[] = {
    {"round and round", RING_SIZE_MIN, 0},
    {"wide", 16 << 20, 3000},
};
#define SCENES (sizeof(scenes) / sizeof(*scenes))

/* A number says who put it: its worker's and thread's places in the table, and
 * the how manieth it is there. */
#define NUMBER(slot, i) ((uint64_t)(slot) << 40 | (i))
#define SLOT_OF(n) ((n) >> 40)
#define INDEX_OF(n) ((n) & ((UINT64_C(1) << 40) - 1))
#define SLOTS (WORKERS * THREADS)

struct put {
	_Atomic uint64_t index;
	_Atomic uint64_t after; /* its place is not before this one */
	atomic_int done;
};

static struct shared_state {
	atomic_int stop;
	atomic_int wrong;
	struct slot {
		_Atomic uint64_t begun; /* puts */
		_Atomic int dead;       /* its process was killed */
		struct put log[LOG];
	} slots[SLOTS];
	_Atomic uint64_t scans, read, followed, missed, waits;
} *sh;

static char path[64];
static const struct scene *scene;

static void
wrong(const char *what, uint64_t n)
{
	printf("# %s: %s: %" PRIu64 " of %" PRIu64 "\n", scene->name, what,
	    INDEX_OF(n), SLOT_OF(n));
	fflush(stdout);
	atomic_store(&sh->wrong, 1);
}

static void
nap(unsigned us)
{
	struct timespec ts = {us / 1000000, us % 1000000 * 1000L};

	nanosleep(&ts, NULL);
}

static uint64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static struct ring *
open_ring(bool reads)
{
	struct shared_report report;
	struct ring *r = NULL;
	int rc = reads ? ring_open_read(path, &r, NULL)
		       : ring_open(path, scene->size, 1, &r, &report, NULL);

	if (rc != 0)
		abort();
	return r;
}

/* -- writers -- */

static struct {
	struct ring *ring;
	int worker;
} me;

static void *
write_on(void *arg)
{
	size_t slot = (size_t)me.worker * THREADS + (size_t)(uintptr_t)arg;
	unsigned char record[RING_RECORD_MAX];
	struct slot *s = &sh->slots[slot];
	uint64_t random = slot + now_ms();

	while (!atomic_load(&sh->stop)) {
		uint64_t i = atomic_load(&s->begun);
		size_t len = numbered_make(NUMBER(slot, i), record);
		struct put *p = &s->log[i % LOG];

		atomic_store(&p->done, 0);
		atomic_store(&p->index, i);
		atomic_store(&p->after, ring_head(me.ring));
		atomic_store(&s->begun, i + 1);
		ring_put(me.ring, record, len);
		atomic_store(&p->done, 1);
		if (scene->nap_us > 0)
			nap((unsigned)(numbered_random(&random) %
			    scene->nap_us));
	}
	return NULL;
}

static void
work(int worker)
{
	pthread_t ids[THREADS];

	me.worker = worker;
	me.ring = open_ring(false);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(
			&ids[i], NULL, write_on, (void *)(uintptr_t)i) != 0)
			abort();
	for (int i = 0; i < THREADS; i++)
		pthread_join(ids[i], NULL);
	ring_close(me.ring);
}

/* -- readers -- */

/* It is one of those; 0 and more: who wrote it. */
static bool
is_known(const struct ring_reader *rd, uint64_t *n)
{
	*n = 0;
	if (numbered_read(rd->words, rd->len, n) && SLOT_OF(*n) < SLOTS &&
	    INDEX_OF(*n) < atomic_load(&sh->slots[SLOT_OF(*n)].begun))
		return true;
	wrong("nobody wrote what was read", *n);
	return false;
}

/* Over and over, all that there is. */
static void
look_back(int nobody)
{
	struct ring *r = open_ring(true);
	struct ring_reader rd;
	uint64_t n;

	(void)nobody;
	while (!atomic_load(&sh->stop)) {
		rd = (struct ring_reader){.ring = r};
		while (ring_next(&rd, UINT64_MAX) == RING_RECORD &&
		    is_known(&rd, &n) && !atomic_load(&sh->stop))
			atomic_fetch_add(&sh->read, 1);
		atomic_fetch_add(&sh->scans, 1);
	}
	ring_close(r);
}

/* May a put that began before that place still end? */
static bool
is_in_work(uint64_t before)
{
	for (int slot = 0; slot < SLOTS; slot++) {
		struct slot *s = &sh->slots[slot];
		uint64_t begun = atomic_load(&s->begun);
		const struct put *p = &s->log[(begun - 1) % LOG];

		if (begun > 0 && !atomic_load(&s->dead) &&
		    !atomic_load(&p->done) && atomic_load(&p->after) < before)
			return true;
	}
	return false;
}

/* The next of each slot.  One that was put to its end is never left out. */
static void
check_next(uint64_t next[SLOTS], uint64_t n)
{
	struct slot *s = &sh->slots[SLOT_OF(n)];
	uint64_t i = INDEX_OF(n), from = next[SLOT_OF(n)];

	next[SLOT_OF(n)] = i + 1;
	if (from == 0)
		return;
	if (from > i)
		wrong("read twice, or late", n);
	for (uint64_t left = from - 1; ++left < i;) {
		const struct put *p = &s->log[left % LOG];

		if (atomic_load(&p->index) == left && atomic_load(&p->done))
			wrong("left out by who follows", NUMBER(SLOT_OF(n), left));
	}
}

static void
follow(int nobody)
{
	struct ring *r = open_ring(true);
	struct ring_reader rd = {.ring = r, .at = ring_head(r)};
	uint64_t next[SLOTS] = {0}, skip = 0, lost = 0, n;

	(void)nobody;
	while (!atomic_load(&sh->stop)) {
		enum ring_read found = ring_next(&rd, skip);

		if (rd.lost != lost) {
			memset(next, 0, sizeof(next));
			lost = rd.lost;
			atomic_fetch_add(&sh->missed, 1);
		}
		if (found == RING_RECORD && is_known(&rd, &n)) {
			check_next(next, n);
			atomic_fetch_add(&sh->followed, 1);
		} else if (found == RING_GAP) {
			uint64_t seen = ring_head(r);

			atomic_fetch_add(&sh->waits, 1);
			while (is_in_work(seen) && !atomic_load(&sh->stop))
				nap(100);
			if (ring_next(&rd, skip) == RING_GAP)
				skip = seen;
			else
				rd.at = rd.place; /* read it again */
		} else {
			nap(200);
		}
	}
	ring_close(r);
}

/* -- the round -- */

static pid_t
begin(void (*deed)(int), int arg)
{
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	deed(arg);
	_exit(0);
}

static void
reap(pid_t pid, bool killed)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (killed ? !WIFSIGNALED(status)
		   : !WIFEXITED(status) || WEXITSTATUS(status) != 0)
		wrong("a process ended as it should not", 0);
}

static void
set_dead(int worker, int dead)
{
	for (int i = 0; i < THREADS; i++)
		atomic_store(&sh->slots[worker * THREADS + i].dead, dead);
}

static void
trouble(pid_t pids[WORKERS], uint64_t *random)
{
	int worker = (int)(numbered_random(random) % WORKERS);
	unsigned us = (unsigned)(numbered_random(random) % 20000);

	switch (numbered_random(random) % 4) {
	case 0:
		kill(pids[worker], SIGKILL);
		reap(pids[worker], true);
		set_dead(worker, 1);
		nap(us);
		set_dead(worker, 0);
		pids[worker] = begin(work, worker);
		break;
	case 1:
		kill(pids[worker], SIGSTOP);
		nap(us);
		kill(pids[worker], SIGCONT);
		break;
	default:
		nap(us);
	}
}

/* Everything that was put to its end, and was not overwritten, is there. */
static void
look_at_all(void)
{
	static unsigned char found[SLOTS][LOG];
	struct ring *r = open_ring(true);
	struct ring_reader rd = {.ring = r};
	uint64_t head = ring_head(r), size = scene->size - 64, n;

	memset(found, 0, sizeof(found));
	while (ring_next(&rd, UINT64_MAX) == RING_RECORD)
		if (is_known(&rd, &n) && found[SLOT_OF(n)][INDEX_OF(n) % LOG]++)
			wrong("there twice", n);
	for (size_t slot = 0; slot < SLOTS; slot++) {
		for (size_t i = 0; i < LOG; i++) {
			const struct put *p = &sh->slots[slot].log[i];

			if (atomic_load(&p->done) && !found[slot][i] &&
			    atomic_load(&p->after) + size >= head)
				wrong("is not there",
				    NUMBER(slot, atomic_load(&p->index)));
		}
	}
	ring_close(r);
}

static void
run_round(uint64_t *random)
{
	pid_t writers[WORKERS], readers[2];
	uint64_t end = now_ms() + ROUND_MS;

	atomic_store(&sh->stop, 0);
	ring_close(open_ring(false));
	for (int i = 0; i < WORKERS; i++)
		writers[i] = begin(work, i);
	readers[0] = begin(look_back, 0);
	readers[1] = begin(follow, 0);
	while (now_ms() < end)
		trouble(writers, random);
	atomic_store(&sh->stop, 1);
	for (int i = 0; i < WORKERS; i++)
		reap(writers[i], false);
	for (int i = 0; i < 2; i++)
		reap(readers[i], false);
	look_at_all();
}

static void
run_scene(uint64_t end, uint64_t *random)
{
	memset(sh, 0, sizeof(*sh));
	do
		run_round(random);
	while (now_ms() < end && !atomic_load(&sh->wrong));
	/* Where the ring is wide, whoever follows gets something. */
	if (scene->nap_us > 0 &&
	    (atomic_load(&sh->followed) < 100 || atomic_load(&sh->missed) > 0))
		wrong("nobody could follow", 0);
	printf("# %s: %" PRIu64 " looks back at %" PRIu64 " records, %" PRIu64
	       " followed, %" PRIu64 " waits\n",
	    scene->name, atomic_load(&sh->scans), atomic_load(&sh->read),
	    atomic_load(&sh->followed), atomic_load(&sh->waits));
	fflush(stdout);
	unlink(path);
}

int
main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 4;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10)
				 : (uint64_t)time(NULL);
	char dir[] = "/dev/shm/ring_property.XXXXXX";
	int failed = 0;

	printf("# seed %" PRIu64 "\n", seed);
	sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (sh == MAP_FAILED || mkdtemp(dir) == NULL)
		return 2;
	snprintf(path, sizeof(path), "%s/ring", dir);
	for (size_t i = 0; i < SCENES && !failed; i++) {
		scene = &scenes[i];
		run_scene(now_ms() + seconds * 1000 / SCENES, &seed);
		failed = atomic_load(&sh->wrong);
	}
	rmdir(dir);
	puts(failed ? "not ok" : "ok");
	return failed;
}
