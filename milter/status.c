/* SPDX-License-Identifier: BSD-2-Clause */
#include "status.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "chain.h"
#include "inforce.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/jsontext.h"
#include "lib/base/mapfile.h"
#include "metrics.h"
#include "problems.h"
#include "snapshot.h"

#define START_FIELD 20 /* of /proc/PID/stat, behind the name: field 22 */

static const char *config;
static _Atomic int64_t since;

/* -- which process -- */

static void
read_line(const char *path, char *line, int size)
{
	FILE *f = fopen(path, "re");

	line[0] = '\0';
	if (f == NULL)
		return;
	if (fgets(line, size, f) == NULL)
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

/* The name in it may have any octets, so its last parenthesis counts. */
static void
read_start(pid_t pid, char *start, size_t size)
{
	char path[64], line[1024], *at;

	snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
	read_line(path, line, sizeof(line));
	at = strrchr(line, ')');
	for (int i = 0; at != NULL && i < START_FIELD; i++)
		at = strchr(at + 1, ' ');
	snprintf(start, size, "%.*s",
	    at == NULL ? 0 : (int)strcspn(at + 1, " "),
	    at == NULL ? "" : at + 1);
}

bool
status_process(pid_t pid, struct status_process *process_r)
{
	*process_r = (struct status_process){.pid = pid};
	read_line("/proc/sys/kernel/random/boot_id", process_r->boot,
	    sizeof(process_r->boot));
	read_start(pid, process_r->start, sizeof(process_r->start));
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

void
status_begin(const char *file, time_t now)
{
	config = file;
	atomic_store(&since, (int64_t)now);
}

time_t
status_since(void)
{
	return (time_t)atomic_load(&since);
}

/* -- the object -- */

static void
add_text(struct buf *to, const char *key, const char *text)
{
	buf_printf(to, ",\"%s\":", key);
	if (text == NULL || text[0] == '\0')
		buf_str(to, "null");
	else
		jsontext_add(to, text, strlen(text));
}

static void
add_problems(struct buf *to, const struct problems *p)
{
	buf_str(to, ",\"problems\":[");
	for (size_t i = 0; i < p->count; i++) {
		buf_printf(to, "%s{\"fatal\":%s", i == 0 ? "" : ",",
		    p->list[i].fatal ? "true" : "false");
		add_text(to, "what", p->list[i].what);
		add_text(to, "text", p->list[i].text);
		add_text(to, "cure", p->list[i].cure);
		buf_char(to, '}');
	}
	buf_char(to, ']');
}

static void
add_off(struct buf *to)
{
	struct snapshot *snap = inforce_get();
	const char *sep = "";

	buf_str(to, ",\"off\":[");
	for (size_t i = 0; snap != NULL && stages[i] != NULL; i++) {
		if (snap->on[i] || stages[i]->off == NULL)
			continue;
		buf_printf(to, "%s{\"what\":\"%s\"", sep, stages[i]->name);
		add_text(to, "why", stages[i]->off);
		buf_char(to, '}');
		sep = ",";
	}
	buf_char(to, ']');
	snapshot_unref(snap);
}

struct gauges {
	struct buf *to;
	const char *name; /* the family that is open; NULL: none */
	bool labelled;    /* it is an object */
};

static void
end_family(struct gauges *g)
{
	if (g->labelled)
		buf_char(g->to, '}');
	g->labelled = false;
}

static void
add_gauge(void *arg, const char *name, const char *label, const char *value,
    double n)
{
	struct gauges *g = arg;
	bool begins = g->name == NULL || strcmp(g->name, name) != 0;

	if (begins) {
		end_family(g);
		buf_printf(
		    g->to, "%s\"%s\":", g->name == NULL ? "" : ",", name);
		g->name = name;
	}
	if (label != NULL) {
		buf_char(g->to, begins ? '{' : ',');
		g->labelled = true;
		jsontext_add(g->to, value, strlen(value));
		buf_char(g->to, ':');
	}
	if (isfinite(n))
		buf_printf(g->to, "%.15g", n);
	else
		buf_str(g->to, "null");
}

static void
add_gauges(struct buf *to)
{
	struct gauges g = {.to = to};

	buf_str(to, ",\"gauges\":{");
	metrics_gauges(add_gauge, &g);
	end_family(&g);
	buf_char(to, '}');
}

void
status_text(struct buf *to, const struct problems *p, int64_t now_ms)
{
	struct status_process self;

	(void)status_process(getpid(), &self);
	buf_printf(to, "{\"pid\":%ld,\"written\":%lld,\"since\":%lld",
	    (long)self.pid, (long long)now_ms, (long long)status_since());
	add_text(to, "start", self.start);
	add_text(to, "boot", self.boot);
	add_text(to, "version", POSTERN_VERSION);
	add_text(to, "config", config);
	add_problems(to, p);
	add_off(to);
	add_gauges(to);
	buf_str(to, "}\n");
}

/* -- the file -- */

static bool
write_all(int fd, const struct buf *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n < 0 ? 0 : (size_t)n;
	}
	return true;
}

/* Of two daemons that write at once, one's file stays. */
int
status_write(const char *path, const struct buf *text, struct errmsg *msg_r)
{
	struct buf new_path = BUF_INIT;
	int fd, rc = 0;

	if (buf_text(text) == NULL)
		return ERR_NOMEM;
	buf_printf(&new_path, "%s.new-%ld", path, (long)getpid());
	if (buf_text(&new_path) == NULL)
		return ERR_NOMEM;
	(void)unlink(new_path.data);
	fd = open(new_path.data,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !write_all(fd, text) ||
	    rename(new_path.data, path) != 0) {
		rc = mapfile_fail_call(msg_r, "write", path);
		if (fd >= 0)
			(void)unlink(new_path.data);
	}
	if (fd >= 0)
		close(fd);
	buf_fini(&new_path);
	return rc;
}
