/*
 * `posternctl status`: is the daemon alive, and is all well?
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The daemon's own words come from the file that it writes (milter/status.h);
 * whether it is alive and writes it is looked up here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "milter/stage/ring.h"
#include "milter/status.h"
#include "posternctl.h"

#define STALE_MS (3 * STATUS_EVERY_MS)

enum { WELL = 0, PROBLEMS = 1, NOT_RUNNING = 2 };

struct own {
	struct buf path;   /* of the file */
	json_t *told;      /* what it has; NULL: nothing */
	bool mistaken;     /* the configuration has mistakes */
	bool running;
	json_t *problems;  /* those told, and those seen here */
};

/* -- the file -- */

/* 0; ENOENT; or another errno. */
static int
read_file(const char *path, struct buf *to)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char part[4096];
	ssize_t n;
	int error;

	if (fd < 0)
		return errno;
	do {
		n = read(fd, part, sizeof(part));
		if (n > 0)
			buf_add(to, part, (size_t)n);
	} while (n > 0 && to->len <= STATUS_SIZE_MAX);
	error = n < 0 ? errno : to->len > STATUS_SIZE_MAX ? EFBIG : 0;
	close(fd);
	return error;
}

/* An exit code; EX_OK too where there is no file. */
static int
read_told(struct own *own)
{
	struct buf text = BUF_INIT;
	int error = read_file(buf_text(&own->path), &text);

	if (error == 0)
		own->told = json_loadb(
		    buf_text(&text), text.len, JSON_REJECT_DUPLICATES, NULL);
	buf_fini(&text);
	if (error == 0 || error == ENOENT || error == ENOTDIR)
		return EX_OK;
	fprintf(stderr, "posternctl: %s: %s%s\n", buf_text(&own->path),
	    strerror(error),
	    error == EACCES ? "; run posternctl as root" : "");
	return error == EACCES ? EX_NOPERM : EX_IOERR;
}

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text == NULL ? "" : text;
}

static json_int_t
number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* Is the process that wrote it alive? */
static bool
is_alive(const json_t *told)
{
	const char *start = text_of(told, "start");
	const char *boot = text_of(told, "boot");
	json_int_t pid = number_of(told, "pid");
	struct status_process p;

	if (pid <= 0 || pid > INT32_MAX || !status_process((pid_t)pid, &p))
		return false;
	return (start[0] == '\0' || p.start[0] == '\0' ||
		   strcmp(start, p.start) == 0) &&
	    (boot[0] == '\0' || p.boot[0] == '\0' || strcmp(boot, p.boot) == 0);
}

/* -- what is not well -- */

static void
add_problem(struct own *own, const char *what, const char *text,
    const char *cure)
{
	json_array_append_new(own->problems,
	    json_pack("{s:s, s:o, s:s}", "what", what, "text",
		posternctl_string(text), "cure", cure));
}

/* Those that the daemon told. */
static void
copy_problems(struct own *own)
{
	const json_t *told = json_object_get(own->told, "problems"), *one;
	size_t i;

	json_array_foreach (told, i, one)
		json_array_append_new(own->problems,
		    json_pack("{s:s, s:s, s:s}", "what", text_of(one, "what"),
			"text", text_of(one, "text"), "cure",
			text_of(one, "cure")));
}

static void
look_at_daemon(struct own *own)
{
	json_int_t age = clock_ms() - number_of(own->told, "written");
	char text[256];

	copy_problems(own);
	if (age < 0 || age > STALE_MS) {
		snprintf(text, sizeof(text),
		    "the process is there, but has not said how it goes for "
		    "%lld s: it hangs, is stopped, or can't write the file",
		    (long long)age / 1000);
		add_problem(own, "hung", text,
		    "see its log; restart it if mail waits for it");
	}
	if (strcmp(text_of(own->told, "version"), POSTERN_VERSION) != 0) {
		snprintf(text, sizeof(text),
		    "the daemon is of version %.40s, this program of %s",
		    text_of(own->told, "version"), POSTERN_VERSION);
		add_problem(own, "version", text, "restart the daemon");
	}
}

static void
look(struct own *own)
{
	own->problems = json_array();
	own->running = own->told != NULL && is_alive(own->told);
	if (own->running)
		look_at_daemon(own);
	else if (own->told != NULL)
		add_problem(own, "died",
		    "postern is not running, and nobody has stopped it: it was "
		    "killed or has crashed",
		    "see the system's log why it ended, and start it");
	else
		add_problem(own, "stopped",
		    "postern is not running, or runs with another "
		    "StateDirectory",
		    "start it: systemctl start postern, or postern -x FILE");
	if (own->mistaken)
		add_problem(own, "config",
		    "the configuration has mistakes: the daemon can't start "
		    "or reload with it",
		    "postern -n tells them; mend the file");
}

/* -- as JSON -- */

static json_t *
when(json_int_t seconds)
{
	time_t at = (time_t)seconds;
	char text[40];
	struct tm tm;

	if (seconds == 0 || gmtime_r(&at, &tm) == NULL ||
	    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

/* What the daemon told under the key; null where it tells nothing. */
static json_t *
told_of(const struct own *own, const char *key)
{
	json_t *value =
	    own->running ? json_object_get(own->told, key) : NULL;

	return value == NULL ? json_null() : json_incref(value);
}

static void
print_json(const struct call *c, struct own *own)
{
	json_t *o = json_object();
	const char *config = posternctl_config(c);

	json_object_set_new(o, "running", json_boolean(own->running));
	json_object_set_new(o, "pid", told_of(own, "pid"));
	json_object_set_new(o, "since",
	    own->running ? when(number_of(own->told, "since")) : json_null());
	json_object_set_new(o, "version", told_of(own, "version"));
	json_object_set_new(o, "config",
	    own->running ? told_of(own, "config") : posternctl_string(config));
	json_object_set(o, "problems", own->problems);
	json_object_set_new(o, "off", told_of(own, "off"));
	json_object_set_new(o, "gauges", told_of(own, "gauges"));
	json_object_set_new(
	    o, "state_directory",
	    posternctl_string(conf_str(c->conf, "StateDirectory")));
	posternctl_print(o);
	json_decref(o);
}

/* -- as text -- */

/* Controls, those of UTF-8 too, become question marks: some of the text comes
 * from files and the DNS. */
static void
print_row(const char *head, const char *text)
{
	printf("%-10s ", head);
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0';
	     c++) {
		bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;

		putchar(c1 || *c < 0x20 || *c == 0x7f ? '?' : *c);
		c += c1;
	}
	putchar('\n');
}

static const json_t *
gauge(const struct own *own, const char *name)
{
	return json_object_get(json_object_get(own->told, "gauges"), name);
}

static double
gauge_value(const struct own *own, const char *name)
{
	return json_number_value(gauge(own, name));
}

/* A span in its largest unit. */
static void
add_span(struct buf *b, long long seconds)
{
	static const struct {
		long long length;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"},
	    {1, "second"}};
	size_t i = 0;

	while (i + 1 < sizeof(units) / sizeof(*units) &&
	    seconds < 2 * units[i].length)
		i++;
	seconds = seconds < 0 ? 0 : seconds / units[i].length;
	buf_printf(b, "%lld %s%s", seconds, units[i].name,
	    seconds == 1 ? "" : "s");
}

static void
add_time(struct buf *b, json_int_t seconds)
{
	time_t at = (time_t)seconds;
	char text[40] = "?";
	struct tm tm;

	if (localtime_r(&at, &tm) != NULL)
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &tm);
	buf_printf(b, "%s (", text);
	add_span(b, (long long)(time(NULL) - at));
	buf_char(b, ')');
}

/* Print it, and forget it. */
static void
print_buf(const char *head, struct buf *b)
{
	print_row(head, buf_text(b) == NULL ? "?" : buf_text(b));
	buf_fini(b);
}

static void
print_daemon(const struct own *own)
{
	struct buf b = BUF_INIT;

	buf_printf(&b, "running, version %.40s, process %lld, since ",
	    text_of(own->told, "version"),
	    (long long)number_of(own->told, "pid"));
	add_time(&b, number_of(own->told, "since"));
	print_buf("postern", &b);
	buf_printf(&b, "%s, read ",
	    text_of(own->told, "config")[0] == '\0'
		? "none"
		: text_of(own->told, "config"));
	add_time(&b, (json_int_t)gauge_value(own,
	    "postern_config_last_reload_success_timestamp_seconds"));
	print_buf("config", &b);
}

static void
print_table(const struct own *own)
{
	struct buf b = BUF_INIT;

	if (gauge(own, "postern_quota_slots") == NULL)
		return;
	buf_printf(&b, "%.0f accounts, room for %.0f, %.0f locked",
	    gauge_value(own, "postern_quota_accounts"),
	    gauge_value(own, "postern_quota_slots"),
	    gauge_value(own, "postern_accounts_locked"));
	print_buf("quotas", &b);
}

static void
print_files(const struct call *c, const struct own *own)
{
	struct buf b = BUF_INIT;
	const char *ring = ring_path(c->conf);

	buf_printf(&b, "%s", ring == NULL ? "none" : ring);
	if (gauge(own, "postern_ring_size_bytes") != NULL)
		buf_printf(&b, ", %.0f KiB, %.0f KiB written",
		    gauge_value(own, "postern_ring_size_bytes") / 1024,
		    gauge_value(own, "postern_ring_written_bytes_total") /
			1024);
	print_buf("ring", &b);
	print_row("state", conf_str(c->conf, "StateDirectory"));
}

static void
print_dns(const struct own *own)
{
	if (gauge(own, "postern_dns_up") != NULL)
		print_row("DNS", gauge_value(own, "postern_dns_up") > 0
			? "the name servers answer"
			: "the name servers do not answer");
}

static void
print_dropped(const struct own *own)
{
	const char *name;
	json_t *n;

	json_object_foreach (
	    (json_t *)gauge(own, "postern_service_dropped_total"), name, n) {
		struct buf b = BUF_INIT;

		if (json_number_value(n) == 0)
			continue;
		buf_printf(&b, "%s: %.0f items dropped: its queue was full",
		    name, json_number_value(n));
		print_buf("service", &b);
	}
}

static void
print_lists(const struct own *own)
{
	const char *name;
	json_t *up;

	json_object_foreach (
	    (json_t *)gauge(own, "postern_dnsbl_up"), name, up) {
		struct buf b = BUF_INIT;

		buf_escape(&b, name, strlen(name), 100);
		buf_str(&b, json_number_value(up) > 0 ? " is in use"
						      : " is not in use until "
							"it passes a self-test");
		print_buf("DNS list", &b);
	}
}

static void
print_off(const struct own *own)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(own->told, "off"), i, one) {
		struct buf b = BUF_INIT;

		buf_printf(&b, "%s: %s", text_of(one, "what"),
		    text_of(one, "why"));
		print_buf(i == 0 ? "off" : "", &b);
	}
}

static void
print_problems(const struct own *own)
{
	const json_t *one;
	size_t i;

	json_array_foreach (own->problems, i, one) {
		print_row(i == 0 ? "problem" : "", text_of(one, "text"));
		print_row("", text_of(one, "cure"));
	}
	if (json_array_size(own->problems) == 0)
		print_row("problems", "none");
}

static void
print_text(const struct call *c, const struct own *own)
{
	if (own->running) {
		print_daemon(own);
		print_table(own);
		print_files(c, own);
		print_dns(own);
		print_lists(own);
		print_dropped(own);
		print_off(own);
	} else {
		print_row("postern", "not running");
		print_row("state", conf_str(c->conf, "StateDirectory"));
	}
	print_problems(own);
}

/* -- the command -- */

/* A configuration with mistakes is when one wants to know. */
static int
load_status(struct call *c)
{
	struct own *own = c->own;
	int rc = posternctl_conf(c);

	own->mistaken = rc == EX_CONFIG && c->conf != NULL;
	return own->mistaken ? EX_OK : rc;
}

static int
run_status(struct call *c)
{
	struct own *own = c->own;
	int rc;

	ring_state_path(c->conf, STATUS_FILE, &own->path);
	if (buf_text(&own->path) == NULL)
		return posternctl_no_memory();
	rc = read_told(own);
	if (rc != EX_OK)
		return rc;
	look(own);
	if (c->json)
		print_json(c, own);
	else
		print_text(c, own);
	if (!own->running)
		return NOT_RUNNING;
	return json_array_size(own->problems) > 0 ? PROBLEMS : WELL;
}

static void
close_status(struct call *c)
{
	struct own *own = c->own;

	buf_fini(&own->path);
	json_decref(own->told);
	json_decref(own->problems);
}

static const struct verb verbs[] = {
    {.help = "is the daemon alive, and is all well?",
	.load = load_status,
	.run = run_status},
    {0},
};

const struct command command_status = {
    .name = "status",
    .summary = "is the daemon alive, and is all well?",
    .size = sizeof(struct own),
    .close = close_status,
    .verbs = verbs,
};
