/*
 * Keeps the record of every message in the decision ring (lib/ring/ring.h).
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/ring/ring.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/metrics.h"
#include "milter/options.h"
#include "milter/problems.h"
#include "milter/record_pack.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define TICK_MS 1000 /* how soon a ring that was removed is made anew */

static int
check_path(const char *value, struct errmsg *msg_r)
{
	return value[0] != '\0' && strlen(value) <= SHARED_PATH_MAX
	    ? conf_check_path(value, msg_r)
	    : errmsg_set(msg_r, "expected a path of at most %d octets, or none",
		  SHARED_PATH_MAX);
}

static int
parse_size(const char *value, void *size_r, struct errmsg *msg_r)
{
	static const char units[] = "KMG";
	unsigned long long n;
	const char *unit;
	char *end;

	errno = 0;
	n = strtoull(value, &end, 10);
	unit = *end == '\0' ? NULL : strchr(units, *end & ~0x20);
	if (value[0] < '0' || value[0] > '9' || errno != 0 ||
	    (*end != '\0' && (unit == NULL || end[1] != '\0')) ||
	    n > RING_SIZE_MAX)
		n = 0;
	for (; unit != NULL && unit >= units && n <= RING_SIZE_MAX; unit--)
		n *= 1024;
	if (n < RING_SIZE_MIN || n > RING_SIZE_MAX)
		return errmsg_set(
		    msg_r, "expected a size from 64K to 1G, such as 32M");
	*(size_t *)size_r = ring_size(n);
	return 0;
}

static const struct conf_option options[] = {
    {.keyword = "RingFile", .type = CONF_STR, .flags = CONF_PATH | CONF_MADE,
	.def = POSTERN_RUN_DIR "/ring",
	.summary =
	    "where the last decisions are kept, for posternctl why: a file, "
	    "or none",
	.check = check_path},
    {.keyword = "RingSize", .type = CONF_STR, .def = "32M",
	.summary = "octets of it, with K, M or G",
	.parse = parse_size, .size = sizeof(size_t)},
    {.keyword = "RingSubjects", .type = CONF_BOOL, .def = "yes",
	.summary = "keep subjects in it"},
};

/* A ring that snapshots share: sessions of an earlier one write to what is
 * there now. */
struct file {
	atomic_int refs;
	char *path;
	struct buf copy; /* path of the copy; "": there is none */
	bool given; /* the configuration names the path */

	_Atomic(struct ring *) ring; /* NULL: it can't be had */
	atomic_uint users;           /* threads that may be using it */
	atomic_ulong opened;         /* how many were opened */

	/* Of who ticks. */
	bool said; /* that it can't be had is logged */
	uint64_t seen; /* how far it was at the last tick: what is in work
	    before that never becomes whole */
	struct ring *old; /* what was in its place, until its records are moved;
	    NULL: nothing */
	bool moves; /* they are to be moved; otherwise it was cut off, and a copy
	    of them was taken */
	bool left; /* nobody here uses `old` */

	/* Of who copies. */
	unsigned long copied; /* which of those that were opened */
	uint64_t upto;
	bool copy_said;

	struct trouble trouble, copy_trouble;
};

struct state {
	struct file *file;
	size_t size;
	bool sized; /* the file got that size once; another postern may give it
	    another, which is left to it then */
	bool subjects;
};

/* -- opening -- */

/* Use it: no other thread closes what this returns until let_go. */
static struct ring *
use(struct file *f)
{
	atomic_fetch_add(&f->users, 1);
	return atomic_load(&f->ring);
}

static void
let_go(struct file *f)
{
	atomic_fetch_sub(&f->users, 1);
}

/* c as options_odd has it.  A default path that can't be had is no mistake. */
static void
log_failure(struct file *f, const struct conf *c, const struct errmsg *why)
{
	trouble_set(&f->trouble, "%s: no decisions are kept", why->text);
	if (f->said)
		return;
	f->said = true;
	if (f->given)
		options_odd(c, "ring: RingFile: %s: no decisions are kept",
		    why->text);
	else
		log_line(LOG_INFO,
		    "ring: %s: no decisions are kept; RingFile names another "
		    "file, or none",
		    why->text);
}

static void
log_opened(
    struct file *f, const struct conf *c, const struct shared_report *r)
{
	f->said = false;
	trouble_clear(&f->trouble);
	if (r->event == SHARED_RENEWED)
		options_odd(c, "ring: RingFile: %s: %s; it is kept as %s",
		    f->path, r->why, r->bad_path);
	else if (r->event != SHARED_OPENED)
		log_line(LOG_INFO, "ring: RingFile: %s: a new file%s", f->path,
		    r->event == SHARED_RESIZED ? ", of another size" : "");
}

/* What was kept before the machine started. */
static void
take_copy(struct file *f, struct ring *r)
{
	struct ring *copy;

	if (f->copy.len == 0 ||
	    ring_open_read(buf_text(&f->copy), &copy, NULL) != 0)
		return;
	ring_take(r, copy);
	ring_close(copy);
}

/* One thread at a time. */
static void
open_file(struct file *f, const struct conf *c, size_t size)
{
	struct ring *was = atomic_load(&f->ring), *r;
	struct errmsg why = {.text = ""};
	struct shared_report report;

	if (ring_open(f->path, size, time(NULL), &r, &report, &why) != 0) {
		log_failure(f, c, &why);
		return;
	}
	f->moves = was != NULL && ring_is_whole(was);
	if (f->moves)
		ring_move(r, was, f->seen);
	else if (report.event == SHARED_CREATED ||
	    report.event == SHARED_RENEWED)
		take_copy(f, r);
	log_opened(f, c, &report);
	atomic_fetch_add(&f->opened, 1);
	f->left = false;
	f->old = atomic_exchange(&f->ring, r);
}

/* The size of the ring that has the name, if there is one. */
static size_t
size_there(const struct file *f, size_t otherwise)
{
	struct ring *r;
	size_t size;

	if (ring_open_read(f->path, &r, NULL) != 0)
		return otherwise;
	size = ring_body(r);
	ring_close(r);
	return size;
}

/* Close the one before, when what was written to it while it was replaced is
 * moved.  at_once: nobody here uses it, nor will; otherwise this is done a tick
 * after the last of our threads has left it: other processes have then, too. */
static void
leave(struct file *f, bool at_once)
{
	struct ring *r = atomic_load(&f->ring);
	uint64_t skip = at_once ? UINT64_MAX : f->left ? f->seen : 0;

	if (f->old == NULL || atomic_load(&f->users) != 0)
		return;
	if (f->moves)
		ring_move(r, f->old, skip);
	if (f->left || at_once || !f->moves) {
		ring_close(f->old);
		f->old = NULL;
		f->seen = 0;
	} else {
		f->seen = ring_head(f->old);
		f->left = true;
	}
}

static void
file_free(struct file *f)
{
	struct ring *r;

	if (f == NULL || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	leave(f, true);
	r = atomic_load(&f->ring);
	if (r != NULL && !ring_is_there(r, f->path) && size_there(f, 0) > 0) {
		open_file(f, NULL, size_there(f, 0));
		leave(f, true);
	}
	ring_close(atomic_load(&f->ring));
	buf_fini(&f->copy);
	free(f->path);
	free(f);
}

static struct file *
file_new(const struct conf *c, const char *path)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return NULL;
	atomic_init(&f->refs, 1);
	f->trouble = f->copy_trouble = (struct trouble)TROUBLE_INIT;
	f->path = strdup(path);
	f->given = conf_given(c, "RingFile");
	ring_state_path(c, "ring", &f->copy);
	if (f->path == NULL || f->copy.failed) {
		file_free(f);
		return NULL;
	}
	if (strcmp(f->path, buf_text(&f->copy)) == 0)
		buf_reset(&f->copy); /* it survives a reboot itself */
	return f;
}

/* -- loading -- */

const char *
ring_path(const struct conf *c)
{
	return conf_made(c, "RingFile");
}

void
ring_state_path(const struct conf *c, const char *name, struct buf *path_r)
{
	buf_printf(path_r, "%s/%s", conf_str(c, "StateDirectory"), name);
}

/* For `postern -n`: what the daemon would log. */
static void
try_file(const struct conf *c, const char *path, size_t size)
{
	struct errmsg why = {.text = ""};
	const char *foreign = NULL;
	int rc = ring_try(path, size, &foreign, &why);

	if (rc != 0 && conf_given(c, "RingFile"))
		conf_odd(c, "ring: RingFile: %s: no decisions are kept",
		    why.text);
	else if (foreign != NULL)
		conf_odd(c, "ring: RingFile: %s: %s; a start keeps it as "
		    "%s.bad-TIME", path, foreign, path);
}

/* Is the file of the configuration in force the same? */
static bool
is_same(const struct file *f, const struct file *old)
{
	return old != NULL && strcmp(old->path, f->path) == 0 &&
	    strcmp(buf_text(&old->copy), buf_text(&f->copy)) == 0;
}

static void
ring_unload(void *state)
{
	struct state *st = state;

	file_free(st->file);
	free(st);
}

static int
ring_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	const struct state *was = snapshot_state(old, &stage_ring);
	const size_t *size = conf_value(c, "RingSize", sizeof(*size));
	const char *path = ring_path(c);
	struct state *st;

	(void)msg_r;
	if (path == NULL || conf_faulty(c, "RingFile"))
		return 0;
	if (snap->trial)
		try_file(c, path, *size);
	if (snap->offline)
		return 0;
	st = calloc(1, sizeof(*st));
	if (st != NULL)
		st->file = file_new(c, path);
	if (st == NULL || st->file == NULL) {
		free(st);
		return ERR_NOMEM;
	}
	st->size = *size;
	st->subjects = conf_bool(c, "RingSubjects");
	if (was != NULL && is_same(st->file, was->file)) {
		file_free(st->file);
		st->file = was->file;
		atomic_fetch_add(&st->file->refs, 1);
		st->sized = st->size == was->size;
	} else {
		open_file(st->file, c, st->size);
		st->sized = true;
	}
	*state_r = st;
	return 0;
}

/* -- records -- */

static void
ring_record(const struct ctx *ctx, const struct record *r)
{
	const struct state *st = ctx->state;
	unsigned char packed[RECORD_PACKED_MAX];
	size_t len = record_pack(r, st->subjects, packed);
	struct ring *ring = use(st->file);

	if (ring != NULL)
		ring_put(ring, packed, len);
	let_go(st->file);
}

/* -- the file -- */

/* Open it anew where somebody removed it, or gave it another size. */
static int64_t
ring_tick(const struct snapshot *snap, void *state)
{
	struct state *st = state;
	struct file *f = st->file;
	struct ring *r = atomic_load(&f->ring);

	(void)snap;
	leave(f, false);
	if (f->old != NULL)
		return TICK_MS;
	if (r != NULL && !st->sized && ring_body(r) != st->size)
		open_file(f, NULL, st->size);
	else if (r == NULL || !ring_is_there(r, f->path))
		open_file(f, NULL, size_there(f, st->size));
	st->sized = true;
	if (f->old == NULL && r != NULL)
		f->seen = ring_head(r);
	return TICK_MS;
}

/* The one that is copied may have come into the place of another. */
static void
write_copy(struct file *f, const struct ring *r)
{
	unsigned long opened = atomic_load(&f->opened);
	struct errmsg why = {.text = ""};
	int rc;

	if (f->copied != opened)
		f->upto = 0;
	f->copied = opened;
	rc = ring_copy(r, buf_text(&f->copy), &f->upto, &why);
	if (rc == ERR_NOTFOUND)
		return;
	if (rc != 0 && !f->copy_said)
		log_line(f->given ? LOG_WARNING : LOG_INFO,
		    "ring: StateDirectory: %s: a reboot loses what is in the "
		    "ring",
		    why.text);
	f->copy_said = rc != 0;
	if (rc != 0)
		trouble_set(&f->copy_trouble, "%s", why.text);
	else
		trouble_clear(&f->copy_trouble);
}

bool
ring_write_copy(const struct snapshot *snap)
{
	struct state *st = snapshot_state(snap, &stage_ring);
	struct ring *r;

	if (st == NULL || st->file->copy.len == 0)
		return false;
	r = use(st->file);
	if (r != NULL)
		write_copy(st->file, r);
	let_go(st->file);
	return true;
}

/* -- for who watches -- */

static void
ring_gauges(void *state, struct metrics *m)
{
	struct state *st = state;
	struct ring *r = use(st->file);

	if (r != NULL) {
		metrics_family(m, "postern_ring_written_bytes_total",
		    METRIC_COUNTER,
		    "Octets ever written to the decision ring, by all daemons");
		metrics_sample(m, NULL, NULL, (double)ring_head(r));
		metrics_gauge(m, "postern_ring_size_bytes",
		    "Octets that the decision ring keeps",
		    (double)ring_body(r));
	}
	let_go(st->file);
}

static void
ring_problems(void *state, struct problems *p)
{
	struct state *st = state;

	problems_add_trouble(p, false, "ring",
	    "make its directory, or name another file, or none, in RingFile",
	    &st->file->trouble);
	problems_add_trouble(p, false, "ring_copy",
	    "make room and give the user that postern runs as the right to "
	    "write in StateDirectory: until then a reboot loses what is in the "
	    "ring",
	    &st->file->copy_trouble);
}

const struct stage stage_ring = {
    .name = "ring",
    .off = "RingFile none",
    .options = CONF_TABLE(options),
    .load = ring_load,
    .unload = ring_unload,
    .record = ring_record,
    .tick = ring_tick,
    .gauges = ring_gauges,
    .problems = ring_problems,
};
