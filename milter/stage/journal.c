/*
 * Makes an event (event.h) of every message, for the service that writes them.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/cure.h"
#include "lib/base/err.h"
#include "lib/base/mapfile.h"
#include "lib/base/readfile.h"
#include "lib/conf/conf.h"
#include "milter/chain.h"
#include "milter/event.h"
#include "milter/options.h"
#include "milter/problems.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/snapshot.h"
#include "milter/stage/ring.h"
#include "milter/stages.h"

#define KEY_DIGITS 32

static int
check_path(const char *value, struct errmsg *msg_r)
{
	return value[0] != '\0' && strlen(value) <= JOURNAL_PATH_MAX
	    ? conf_check_path(value, msg_r)
	    : errmsg_set(msg_r, "expected a path of at most %d octets, or none",
		  JOURNAL_PATH_MAX);
}

static const struct conf_option options[] = {
    {.keyword = "Journal", .type = CONF_STR, .flags = CONF_PATH | CONF_MADE,
	.summary = "where an event a message is written, for other programs: "
		   "a file, or none",
	.check = check_path},
    {.keyword = "JournalPrivacy", .type = CONF_WORD, .def = "plain",
	.words = event_privacy_words,
	.summary = "recipients and subjects in events: as they are, as keyed "
		   "hashes, or only counted"},
};

struct state {
	char *path; /* NULL: no events are written, and `off` says why */
	char *off;
	struct event_form form;
};

/* -- the key of hashes -- */

static bool
read_digits(const char *text, uint64_t key_r[2])
{
	char end;

	return strspn(text, "0123456789abcdef") == KEY_DIGITS &&
	    sscanf(text, "%16" SCNx64 "%16" SCNx64 "%c", &key_r[0], &key_r[1],
		&end) == 3 && end == '\n';
}

/* Nobody else may read it, or put another in its place. */
static int
check_key(const char *path, const struct stat *st, struct errmsg *msg_r)
{
	struct buf b = BUF_INIT;
	int rc = mapfile_safe(path, st, false, msg_r);

	if (rc != 0 || (st->st_mode & 077) == 0)
		return rc;
	errmsg_set(msg_r, "%s: mode %04o lets others read it", path,
	    (unsigned)st->st_mode & 07777);
	buf_str(&b, CURE_WORDS);
	cure_state(&b, path, geteuid(), getegid());
	errmsg_cure(
	    msg_r, ": ", buf_text(&b) == NULL ? CURE_WORDS : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

static int
read_key_of(
    int fd, const char *path, uint64_t key_r[2], struct errmsg *msg_r)
{
	char *text;
	size_t len;
	int rc = readfile_rest(fd, path, KEY_DIGITS + 1, &text, &len, msg_r);

	if (rc != 0)
		return rc;
	if (len != KEY_DIGITS + 1 || !read_digits(text, key_r))
		rc = errmsg_set(msg_r, "%s: expected %d hexadecimal digits; "
		    "where there is no file, postern makes a key", path,
		    KEY_DIGITS);
	free(text);
	return rc;
}

/* 0, ERR_NOTFOUND, or another negative ERR_ and *msg_r. */
static int
read_key(const char *path, uint64_t key_r[2], struct errmsg *msg_r)
{
	struct stat st;
	int rc, fd = readfile_open(path, &st, msg_r);

	if (fd == ERR_SYSTEM && errno == ENOENT) {
		errmsg_set(msg_r, "%s: there is no key for hashes yet: postern "
		    "makes it when it starts with Journal", path);
		return ERR_NOTFOUND;
	}
	if (fd < 0)
		return fd;
	rc = check_key(path, &st, msg_r);
	if (rc == 0)
		rc = read_key_of(fd, path, key_r, msg_r);
	close(fd);
	return rc;
}

static int
write_key(int fd)
{
	char text[KEY_DIGITS + 2];
	uint64_t key[2];

	if (getrandom(key, sizeof(key), 0) != sizeof(key))
		return ERR_SYSTEM;
	snprintf(text, sizeof(text), "%016" PRIx64 "%016" PRIx64 "\n", key[0],
	    key[1]);
	return write(fd, text, KEY_DIGITS + 1) == KEY_DIGITS + 1 ? 0
								 : ERR_SYSTEM;
}

/* The file has its name when it is whole.  Another daemon may be as far: then
 * the key is that one's. */
static int
make_key(const char *path, struct errmsg *msg_r)
{
	char new_path[PATH_MAX];
	int fd, rc;

	snprintf(new_path, sizeof(new_path), "%s.%ld", path, (long)getpid());
	unlink(new_path);
	fd = open(new_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return mapfile_fail_call(msg_r, "create", new_path);
	rc = write_key(fd) != 0 || fsync(fd) != 0
	    ? mapfile_fail_call(msg_r, "write", new_path)
	    : 0;
	close(fd);
	if (rc == 0 && link(new_path, path) != 0 && errno != EEXIST)
		rc = mapfile_fail_call(msg_r, "link", path);
	unlink(new_path);
	return rc;
}

static const char *
key_path(const struct conf *c, struct buf *b)
{
	ring_state_path(c, "journal-key", b);
	return buf_text(b);
}

/* make: make the key, if there is none. */
static int
load_form(const struct conf *c, bool make, struct event_form *form_r,
    struct errmsg *msg_r)
{
	struct buf b = BUF_INIT;
	const char *path;
	int rc;

	*form_r = (struct event_form){
	    .privacy = (enum event_privacy)conf_word(c, "JournalPrivacy")};
	if (form_r->privacy != EVENT_HASH)
		return 0;
	path = key_path(c, &b);
	if (path == NULL)
		return mapfile_fail(msg_r, ERR_NOMEM, "no memory");
	rc = read_key(path, form_r->key, msg_r);
	if (rc == ERR_NOTFOUND && make) {
		rc = make_key(path, msg_r);
		if (rc == 0)
			rc = read_key(path, form_r->key, msg_r);
	}
	buf_fini(&b);
	return rc;
}

int
journal_form(
    const struct conf *c, struct event_form *form_r, struct errmsg *msg_r)
{
	return load_form(c, false, form_r, msg_r);
}

/* -- the file -- */

int
journal_open(const char *path, struct errmsg *msg_r)
{
	int fd = open(path,
	    O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
	    0640);
	struct stat st;
	int rc;

	if (fd < 0)
		return mapfile_fail_call(msg_r, "open", path);
	rc = fstat(fd, &st) == 0 ? mapfile_safe(path, &st, false, msg_r)
				 : mapfile_fail_call(msg_r, "fstat", path);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* For `postern -n`: what the daemon would log. */
static void
try_journal(const struct conf *c, const char *path)
{
	struct errmsg why = {.text = ""};
	struct event_form form;
	int fd, rc = load_form(c, false, &form, &why);

	if (rc == 0 || rc == ERR_NOTFOUND) {
		fd = mapfile_try(path, &why);
		rc = fd < 0 ? fd : 0;
		if (fd >= 0)
			close(fd);
	}
	if (rc != 0)
		conf_odd(c, "journal: Journal: %s: no events are written",
		    why.text);
}

/* -- loading -- */

const char *
journal_conf_path(const struct conf *c)
{
	return conf_made(c, "Journal");
}

const char *
journal_path(const struct snapshot *snap)
{
	const struct state *st = snapshot_state(snap, &stage_journal);

	return st == NULL ? NULL : st->path;
}

static void
journal_unload(void *state)
{
	struct state *st = state;

	free(st->path);
	free(st->off);
	free(st);
}

static int
journal_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const char *path = journal_conf_path(snap->conf);
	struct errmsg why = {.text = ""};
	struct state *st;

	(void)old;
	(void)msg_r;
	if (path == NULL || conf_faulty(snap->conf, "Journal") ||
	    conf_faulty(snap->conf, "JournalPrivacy"))
		return 0;
	if (snap->trial)
		try_journal(snap->conf, path);
	if (snap->offline)
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	if (load_form(snap->conf, true, &st->form, &why) != 0) {
		options_odd(snap->conf,
		    "journal: JournalPrivacy: %s: no events are written",
		    why.text);
		st->off = strdup(why.text);
		return st->off == NULL ? ERR_NOMEM : 0;
	}
	st->path = strdup(path);
	return st->path == NULL ? ERR_NOMEM : 0;
}

/* -- events -- */

#define LINE_ROOM 1024 /* most lines are shorter */

static void
journal_record(const struct ctx *ctx, const struct record *r)
{
	const struct state *st = ctx->state;
	struct journal_item *item;
	struct buf b = BUF_INIT;

	if (st->path == NULL)
		return;
	b.room = LINE_ROOM;
	b.data = malloc(b.room);
	if (b.data == NULL)
		return;
	/* The line is made where it is handed on: behind the item's head. */
	b.len = offsetof(struct journal_item, line);
	if (!event_line(&b, r, &st->form))
		goto drop;
	buf_char(&b, '\n');
	if (b.failed)
		goto drop;
	item = (struct journal_item *)b.data;
	item->len = b.len - offsetof(struct journal_item, line);
	if (service_post(&service_journal, item))
		return;
drop:
	buf_fini(&b);
}

static void
journal_problems(void *state, struct problems *p)
{
	const struct state *st = state;

	if (st->off != NULL)
		problems_add(p, false, "journal",
		    "mend the key of JournalPrivacy hash, and reload",
		    "%s: no events are written", st->off);
}

const struct stage stage_journal = {
    .name = "journal",
    .options = CONF_TABLE(options),
    .load = journal_load,
    .unload = journal_unload,
    .record = journal_record,
    .problems = journal_problems,
};
