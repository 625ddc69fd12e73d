/*
 * One counts while another moves the table to another file, as coroutines that
 * may change at every atomic operation: nothing that was granted is lost, and
 * no more is granted than the limit.  SPDX-License-Identifier: BSD-2-Clause
 *
 *	unit_quota_move_crossings [STEP]
 *
 * The first one goes on until point a, the second one until its point b (or
 * its end), the first one until its end, then the second one.  A lock that the
 * other one holds changes too.  STEP: of the mover's many points only each
 * so many-th.  Who needs the lock himself meets the mover only where that one
 * lets go of it: then these are the mover's points.
 */
#include "lib/quota/quota.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/base/mapfile.h"

#define S UINT64_C(1000000000)
#define STACK (512 * 1024)
#define PLACES 4

/* Not through crossings.h here. */
void crossing(void);
int crossing_lock(pthread_mutex_t *mutex);
int __wrap_mapfile_lock(int fd, short type);
int __wrap_nanosleep(const struct timespec *want, struct timespec *left);

static struct {
	ucontext_t self, co[2];
	bool running, done[2];
	int at;
	uint64_t ops[2], stop[2];
	int breather; /* whose points are his breaths; or -1 */
	void (*deed[2])(void);
} cross;

static void
cross_to(int other)
{
	int from = cross.at;

	if (cross.done[other])
		return;
	cross.at = other;
	swapcontext(&cross.co[from], &cross.co[other]);
}

void
crossing(void)
{
	if (cross.running && cross.at != cross.breather &&
	    cross.ops[cross.at]++ == cross.stop[cross.at])
		cross_to(!cross.at);
}

static void
must(bool ok)
{
	if (!ok)
		abort();
}

/* Of who waits, the other one has to go on. */
static void
wait_for_other(void)
{
	must(cross.running && !cross.done[!cross.at]);
	cross_to(!cross.at);
}

int
crossing_lock(pthread_mutex_t *mutex)
{
	while (pthread_mutex_trylock(mutex) != 0)
		wait_for_other();
	return 0;
}

int
__wrap_mapfile_lock(int fd, short type)
{
	struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	while (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
		must(errno == EAGAIN || errno == EACCES);
		wait_for_other();
	}
	return 0;
}

int
__wrap_nanosleep(const struct timespec *want, struct timespec *left)
{
	(void)want;
	(void)left;
	/* Then at each one, for whoever has more to do. */
	if (cross.running && cross.at == cross.breather &&
	    cross.ops[cross.at]++ >= cross.stop[cross.at])
		cross_to(!cross.at);
	crossing();
	return 0;
}

static void
cross_body(int me)
{
	cross.deed[me]();
	cross.done[me] = true;
	cross_to(!me);
	cross.running = false;
	setcontext(&cross.self);
}

static void
cross_run(void (*first)(void), void (*second)(void), uint64_t a, uint64_t b)
{
	static _Alignas(16) unsigned char stack[2][STACK];

	cross.deed[0] = first;
	cross.deed[1] = second;
	cross.stop[0] = a;
	cross.stop[1] = b;
	for (int i = 0; i < 2; i++) {
		cross.ops[i] = 0;
		cross.done[i] = false;
		getcontext(&cross.co[i]);
		cross.co[i].uc_stack.ss_sp = stack[i];
		cross.co[i].uc_stack.ss_size = STACK;
		cross.co[i].uc_link = NULL;
		makecontext(&cross.co[i], (void (*)(void))cross_body, 1, i);
	}
	cross.at = 0;
	cross.running = true;
	swapcontext(&cross.self, &cross.co[0]);
}

/* --- the world ------------------------------------------------------------ */

static const struct quota_amount one = {{1, 0, 0}};

static struct {
	char path[64];
	struct quota *q, *moved;
	struct quota_set set;
	struct quota_use held;
	uint64_t committed[2]; /* by "u" and "new" */
	bool renamed;          /* "u" is "v" */
	bool locked;           /* "new" is */
} w;

static uint64_t
boottime(void *ctx)
{
	(void)ctx;
	return 1000 * S;
}

static uint64_t
wall(void *ctx)
{
	(void)ctx;
	return 1700000000 * S;
}

static void
boot_id(void *ctx, unsigned char id_r[16])
{
	(void)ctx;
	memset(id_r, 1, 16);
}

static const struct quota_clock times = {boottime, wall, boot_id, NULL};

static void
open_table(struct quota **q_r, uint32_t accounts)
{
	struct quota_options opt = {.mode = QUOTA_CREATE, .limits = 1,
	    .accounts = accounts, .clock = &times};

	must(quota_open(q_r, w.path, &opt, NULL, NULL) == 0);
}

static int
send_one(struct quota *q, int who)
{
	struct quota_use use = {0};
	int rc = quota_reserve(q, who == 0 ? "u" : "new", &w.set, &one, &use,
	    NULL);

	if (rc == QUOTA_GRANTED)
		rc = quota_commit(q, &use, NULL);
	quota_release(q, &use);
	w.committed[who] += rc == QUOTA_GRANTED;
	return rc;
}

static void
d_send(void)
{
	send_one(w.q, 0);
}

static void
d_new(void)
{
	send_one(w.q, 1);
	send_one(w.q, 1);
}

static void
d_commit(void)
{
	w.committed[0] += quota_commit(w.q, &w.held, NULL) == QUOTA_GRANTED;
}

static void
d_release(void)
{
	quota_release(w.q, &w.held);
}

static void
d_rename(void)
{
	must(quota_rename(w.q, "u", "v", NULL) == 0);
	w.renamed = true;
}

/* "v" is there already, and was copied before "u". */
static void
d_join(void)
{
	must(quota_lock(w.q, "v", true) == 0);
	must(quota_rename(w.q, "u", "v", NULL) == 0);
	must(quota_lock(w.q, "v", false) == 0);
	w.renamed = true;
}

/* The lock of what has no counts goes along. */
static void
d_join_locked(void)
{
	must(quota_lock(w.q, "new", true) == 0);
	must(quota_lock(w.q, "other", true) == 0);
	must(quota_lock(w.q, "new", false) == 0);
	must(quota_rename(w.q, "other", "new", NULL) == 0);
	w.locked = true;
}

/* Back in the slot that it had when it was copied first, after the mover has
 * seen it in another one. */
static void
d_there_and_back(void)
{
	must(quota_rename(w.q, "u", "v", NULL) == 0);
	must(send_one(w.q, 0) == 0);
	w.committed[0]--;
	cross_to(!cross.at);
	must(quota_rename(w.q, "u", "x", NULL) == 0);
	must(quota_rename(w.q, "v", "u", NULL) == 0);
}

static void
d_move(void)
{
	open_table(&w.moved, 5);
}

static void
begin(void)
{
	memset(w.committed, 0, sizeof(w.committed));
	memset(&w.held, 0, sizeof(w.held));
	w.renamed = w.locked = false;
	unlink(w.path);
	open_table(&w.q, 4);
	must(send_one(w.q, 0) == 0 && send_one(w.q, 0) == 0);
	must(quota_lock(w.q, "second", true) == 0);
	must(quota_reserve(w.q, "u", &w.set, &one, &w.held, NULL) == 0);
}

static void
end(const char *what, uint64_t a, uint64_t b)
{
	for (int who = 0; who < 2; who++) {
		const char *names[] = {w.renamed ? "v" : "u", "new"};
		struct quota_state s;

		quota_peek(w.moved, names[who], &w.set, &s);
		if (who == 1 && s.locked != w.locked) {
			printf("%s, %llu %llu: the lock is lost\n", what,
			    (unsigned long long)a, (unsigned long long)b);
			exit(1);
		}
		if (s.usage[0].used < w.committed[who]) {
			printf("%s, %llu %llu: %d granted, %d counted\n", what,
			    (unsigned long long)a, (unsigned long long)b,
			    (int)w.committed[who], (int)s.usage[0].used);
			exit(1);
		}
	}
	quota_release(w.q, &w.held);
	while (!w.renamed && send_one(w.q, 0) == QUOTA_GRANTED)
		;
	while (send_one(w.moved, 1) == QUOTA_GRANTED)
		;
	if (w.committed[0] > PLACES || w.committed[1] > PLACES) {
		printf("%s, %llu %llu: %d and %d granted of %d\n", what,
		    (unsigned long long)a, (unsigned long long)b,
		    (int)w.committed[0], (int)w.committed[1], PLACES);
		exit(1);
	}
	quota_close(w.moved);
	quota_close(w.q);
}

/* usage: unit_quota_move_crossings [STEP] */
int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*of)(void);
		bool locks;
	} deeds[] = {
	    {"send", d_send, false}, {"new", d_new, false},
	    {"commit", d_commit, false}, {"release", d_release, false},
	    {"rename", d_rename, true}, {"join", d_join, true},
	
	    {"join, locked", d_join_locked, true},
	    {"there and back", d_there_and_back, true},
	};
	uint64_t step = argc > 1 ? strtoull(argv[1], NULL, 10) : 29, runs = 0;
	char dir[] = "/dev/shm/crossings.XXXXXX";

	must(mkdtemp(dir) != NULL);
	snprintf(w.path, sizeof(w.path), "%s/table", dir);
	quota_set_add(&w.set, &(struct quota_limit){QUOTA_MESSAGES, 60,
	    PLACES});
	for (size_t d = 0; d < sizeof(deeds) / sizeof(*deeds); d++) {
		for (int order = 0; order < 2; order++) {
			uint64_t n[2], b0 = 0;
			uint64_t mover = deeds[d].locks ? 1 : step;

			cross.breather = deeds[d].locks ? !order : -1;

			/* How long is each? */
			begin();
			cross_run(order == 0 ? deeds[d].of : d_move,
			    order == 0 ? d_move : deeds[d].of, UINT64_MAX,
			    UINT64_MAX);
			n[0] = cross.ops[0];
			n[1] = cross.ops[1];
			end(deeds[d].name, 0, 0);
			for (uint64_t a = 0; a < n[0];
			    a += order == 0 ? 1 : mover) {
				/* Another place of each step every time. */
				b0 = (b0 + 13) % (order == 0 ? mover : 1);
				for (uint64_t b = b0; b <= n[1];
				    b += order == 0 ? (mover == 1 ? 1 :
				    mover * 7) : 1) {
					begin();
					cross_run(order == 0 ? deeds[d].of :
					    d_move, order == 0 ? d_move :
					    deeds[d].of, a, b);
					end(deeds[d].name, a, b);
					runs++;
				}
			}
		}
	}
	unlink(w.path);
	rmdir(dir);
	printf("# %llu crossings\nok\n", (unsigned long long)runs);
	return 0;
}
