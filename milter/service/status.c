/*
 * Writes the file that posternctl status reads.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/status.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/stage/ring.h"

#define LOOK_MS 1000 /* from one look at the problems to the next */

static struct {
	struct buf path; /* of the file that was written; "": none */
	struct buf problems; /* those in it */
	int64_t written; /* clock_ms() */
	bool said; /* that it can't be written is logged */
} own;

static struct trouble trouble = TROUBLE_INIT;

static void
write_file(const char *path, const struct buf *text)
{
	struct errmsg why = {.text = "no memory"};

	if (status_write(path, text, &why) == 0) {
		trouble_clear(&trouble);
		own.said = false;
		return;
	}
	trouble_set(&trouble, "%s", why.text);
	if (!own.said)
		log_line(LOG_INFO,
		    "StateDirectory: %s: posternctl status can't see how it "
		    "goes",
		    why.text);
	own.said = true;
}

/* Has another problem come, or one gone?  Remember those there are. */
static bool
has_changed(const struct problems *p)
{
	struct buf now = BUF_INIT;
	bool changed;

	for (size_t i = 0; i < p->count; i++)
		buf_printf(&now, "%s\n%s\n", p->list[i].what, p->list[i].text);
	changed = now.failed || buf_text(&own.problems) == NULL ||
	    strcmp(buf_text(&now), buf_text(&own.problems)) != 0;
	buf_fini(&own.problems);
	own.problems = now;
	return changed;
}

/* The configuration in force may name another directory. */
static bool
find_path(void)
{
	struct snapshot *snap = inforce_get();
	struct buf path = BUF_INIT;
	bool same;

	if (snap != NULL)
		ring_state_path(snap->conf, STATUS_FILE, &path);
	snapshot_unref(snap);
	if (buf_text(&path) == NULL || path.len == 0) {
		buf_fini(&path);
		return true;
	}
	same = own.path.len > 0 &&
	    strcmp(buf_text(&own.path), buf_text(&path)) == 0;
	if (!same && own.path.len > 0)
		(void)unlink(buf_text(&own.path));
	buf_fini(&own.path);
	own.path = path;
	return same;
}

static int64_t
status_tick(void)
{
	struct problems p = PROBLEMS_INIT;
	struct buf text = BUF_INIT;
	int64_t now = clock_ms();
	bool same = find_path(), changed;

	problems_collect(&p);
	changed = has_changed(&p);
	if (own.path.len > 0 &&
	    (!same || changed || now - own.written >= STATUS_EVERY_MS)) {
		status_text(&text, &p, now);
		write_file(buf_text(&own.path), &text);
		own.written = now;
	}
	buf_fini(&text);
	problems_fini(&p);
	return LOOK_MS;
}

/* Who stops in order leaves no file. */
static void
status_stop(void)
{
	if (own.path.len > 0)
		(void)unlink(buf_text(&own.path));
	buf_fini(&own.path);
	buf_fini(&own.problems);
}

static void
status_problems(struct problems *p)
{
	problems_add_trouble(p, false, "state_directory",
	    "make the directory, and give it to the user that postern runs as",
	    &trouble);
}

const struct service service_status = {
    .name = "status",
    .thread = true,
    .tick = status_tick,
    .stop = status_stop,
    .problems = status_problems,
    .late = "stopped while the status was being written: no mail is concerned",
};
