/*
 * An event a message: what stands in it, and how it comes into the file.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/stage/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "milter/event.h"
#include "milter/inforce.h"
#include "milter/log.h"
#include "milter/problems.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/service.h"
#include "milter/services.h"
#include "milter/stages.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define NOW 1700000000
#define PATIENCE 60000 /* milliseconds */

static char dir[] = "/tmp/postern-journal-XXXXXX";

/* -- files -- */

static const char *
place(const char *name)
{
	static char path[4][100];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static void
put(const char *name, const char *text)
{
	FILE *f = fopen(place(name), "w");

	assert_non_null(f);
	fchmod(fileno(f), 0600);
	fputs(text, f);
	fclose(f);
}

/* The file's text; "" if it is not there.  Lives until the next call. */
static const char *
text_of(const char *name)
{
	static char *text;
	static size_t room;
	FILE *f = fopen(place(name), "r");

	if (f == NULL)
		return "";
	if (getdelim(&text, &room, '\0', f) < 0)
		text[0] = '\0';
	fclose(f);
	return text;
}

static size_t
lines_of(const char *name)
{
	size_t n = 0;

	for (const char *p = text_of(name); *p != '\0'; p++)
		n += *p == '\n';
	return n;
}

static int
set_up(void **state)
{
	static const struct log_options quiet = {
	    .quiet = true, .name = "postern"};

	(void)state;
	log_open(&quiet);
	assert_non_null(mkdtemp(dir));
	put("zone", "ok.example v=spf1 ip4:192.0.2.1 -all\n"
		    "no.example v=spf1 -all\n"
		    "1.2.0.192.in-addr.arpa PTR mx.ok.example\n"
		    "mx.ok.example A 192.0.2.1\n"
		    "_dmarc.ok.example v=DMARC1; p=none\n");
	put("rules.cf", "header PILLS Subject =~ /p.lls/\nscore PILLS 2.5\n");
	return 0;
}

static int
tear_down(void **state)
{
	static const char *const names[] = {"zone", "rules.cf", "quota",
	    "journal", "journal.1", "journal-key", "ring"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		unlink(place(names[i]));
	return rmdir(dir);
}

/* `&` stands for the directory. */
static struct snapshot *
load(const char *conf)
{
	struct buf b = BUF_INIT;
	struct snapshot *snap;

	walk_place(&b, conf, dir);
	walk_place(&b, "RingFile none\nStateDirectory &\n", dir);
	snap = walk_load_dns(buf_text(&b));
	buf_fini(&b);
	return snap;
}

/* -- mail -- */

struct talk {
	const char *login, *from;
	const char *rcpts[4];
	const char *subject; /* NULL: none */
	bool abort;
	time_t at; /* 0: NOW */
};

static const char *
macro(void *ctx, const char *name)
{
	if (strcmp(name, "i") == 0)
		return "Q1";
	return strcmp(name, "{auth_authen}") == 0 ? ctx : NULL;
}

static void
field(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

static void
send_body(struct session *s, const struct talk *t)
{
	chain_header(s, "From", 4, " a@ok.example", 13);
	if (t->subject != NULL)
		field(s, "Subject", t->subject);
	chain_eoh(s);
	chain_body(s, (const unsigned char *)"x\r\n", 3);
}

static void
converse(struct snapshot *snap, const struct talk *t,
    void (*recorded)(void *ctx, const struct record *r), void *ctx)
{
	struct session *s =
	    chain_open(snap, macro, (void *)(uintptr_t)t->login);
	bool abort = t->abort;
	struct host client;
	struct verdict v;

	assert_non_null(s);
	s->recorded = recorded;
	s->recorded_ctx = ctx;
	s->at = t->at == 0 ? NOW : t->at;
	chain_connect(s, "mx.ok.example", walk_address("192.0.2.1", &client));
	chain_helo(s, "laptop \"1\"");
	v = chain_mail(s, t->from, NULL);
	for (const char *const *to = t->rcpts; *to != NULL; to++)
		chain_rcpt(s, *to);
	if (!abort && s->msg->rcpt_count > 0) {
		send_body(s, t);
		v = chain_eom(s);
	} else if (!verdict_decides(&v)) {
		abort = true;
	}
	chain_end(s, abort ? NULL : &v);
	chain_close(s);
}

/* -- events -- */

struct wanted {
	struct event_form form;
	const char *line;
	size_t seen;
};

static void
check_line(const struct record *r, const struct wanted *w)
{
	struct buf b = BUF_INIT;

	assert_true(event_line(&b, r, &w->form));
	assert_string_equal(buf_text(&b), w->line);
	buf_fini(&b);
}

/* The ring has the same of it. */
static void
check_event(void *ctx, const struct record *r)
{
	unsigned char packed[RECORD_PACKED_MAX];
	const struct record *copy;
	struct wanted *w = ctx;
	struct arena a;
	size_t len;

	if (r->at != NULL)
		return;
	w->seen++;
	check_line(r, w);
	arena_init(&a);
	len = record_pack(r, true, packed);
	assert_int_equal(record_unpack(packed, len, &a, &copy), 0);
	check_line(copy, w);
	arena_fini(&a);
}

#define CHECKS "Mode v\nTestDNSData file:&/zone\nAuthservID mx.here\n"
#define QUOTA "Mode s\nQuotaTable &/quota\n" \
	"Quota default {\n Recipients = {1/day}\n}\n"
#define RULES "RuleFile &/rules.cf\nRuleStats none\n"
#define TIME "{\"t\":1700000000.000,"
#define CLIENT "\"client\":\"192.0.2.1\",\"helo\":\"laptop \\\"1\\\"\","

static const struct {
	const char *conf;
	struct talk talk;
	enum event_privacy privacy;
	const char *line;
} events[] = {
    {QUOTA,
	{.login = "Bob", .from = "<b@ok.example>",
	    .rcpts = {"<c@x.example>"}, .subject = " gr\xfc\xc3\x9f"},
	EVENT_PLAIN,
	TIME "\"direction\":\"outbound\",\"account\":\"bob\"," CLIENT
	    "\"from\":\"b@ok.example\",\"rcpts\":[\"c@x.example\"],"
	    "\"bytes\":41,\"subject\":\"gr\xef\xbf\xbd\xc3\x9f\","
	    "\"queue_id\":\"Q1\"}"},
    /* One recipient more than fits. */
    {QUOTA,
	{.login = "eve", .from = "<b@ok.example>",
	    .rcpts = {"<c@x.example>", "<d@x.example>"}},
	EVENT_PLAIN,
	TIME "\"direction\":\"outbound\",\"account\":\"eve\"," CLIENT
	    "\"from\":\"b@ok.example\",\"rcpts\":[\"c@x.example\"],"
	    "\"stopped\":[\"d@x.example\"],\"bytes\":25,"
	    "\"queue_id\":\"Q1\"}"},
    {CHECKS,
	{.from = "<a@OK.example>", .rcpts = {"<b@here.example>"}},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@OK.example\",\"rcpts\":[\"b@here.example\"],"
	    "\"bytes\":25,\"score\":0.5,\"queue_id\":\"Q1\",\"proved\":true}"},
    {CHECKS,
	{.from = "<a@no.example>", .rcpts = {"<b@here.example>"}},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@no.example\",\"rcpts\":[\"b@here.example\"],"
	    "\"bytes\":25,\"score\":2.32,\"queue_id\":\"Q1\",\"proved\":false}"},
    /* A bounce. */
    {CHECKS,
	{.from = "<>", .rcpts = {"<b@here.example>"}},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"\",\"rcpts\":[\"b@here.example\"],"
	    "\"bytes\":25,\"score\":1.401,\"queue_id\":\"Q1\"}"},
    {CHECKS RULES "RejectScore 2\n",
	{.from = "<a@ok.example>", .rcpts = {"<b@here.example>"},
	    .subject = " pills"},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@ok.example\",\"rcpts\":[\"b@here.example\"],"
	    "\"bytes\":41,\"subject\":\"pills\",\"score\":3,"
	    "\"queue_id\":\"Q1\",\"proved\":true,\"verdict\":\"reject\"}"},
    /* No recipient is left: then there is no message. */
    {CHECKS "BlockList rcpt:@here.example\n",
	{.from = "<a@ok.example>", .rcpts = {"<b@here.example>"}},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@ok.example\",\"rcpts\":[],"
	    "\"stopped\":[\"b@here.example\"],"
	    "\"verdict\":\"reject\"}"},
    {CHECKS,
	{.from = "<a@ok.example>", .rcpts = {"<b@here.example>"},
	    .abort = true},
	EVENT_PLAIN,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@ok.example\",\"rcpts\":[\"b@here.example\"],"
	    "\"queue_id\":\"Q1\",\"verdict\":\"none\"}"},
    {CHECKS "BlockList rcpt:c@here.example\n",
	{.from = "<a@ok.example>",
	    .rcpts = {"<b@here.example>", "<c@here.example>"},
	    .subject = " secret"},
	EVENT_COUNT,
	TIME "\"direction\":\"inbound\"," CLIENT
	    "\"from\":\"a@ok.example\",\"recipient_count\":1,"
	    "\"stopped_count\":1,\"bytes\":42,\"score\":0.5,"
	    "\"queue_id\":\"Q1\","
	    "\"proved\":true}"},
};

static void
says_what_is_known(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(events) / sizeof(*events); i++) {
		struct wanted w = {
		    .form.privacy = events[i].privacy,
		    .line = events[i].line};
		struct snapshot *snap = load(events[i].conf);

		converse(snap, &events[i].talk, check_event, &w);
		assert_int_equal(w.seen, 1);
		snapshot_unref(snap);
	}
}

/* Of a client that is refused at connect. */
static void
is_of_messages_only(void **state)
{
	const struct session s = {.client_ip = "192.0.2.1",
	    .disposition.decided.action = VERDICT_REJECT};
	const struct event_form form = {.privacy = EVENT_PLAIN};
	struct buf b = BUF_INIT;
	struct record r;

	(void)state;
	assert_true(record_client(&r, &s, "connect"));
	assert_false(event_line(&b, &r, &form));
	assert_int_equal(b.len, 0);
}

/* A list that is too long is cut, and how many there are stays known. */
static void
counts_what_it_cuts(void **state)
{
	enum { MANY = 20000 };
	static struct rcpt list[MANY];
	static const uint64_t ns[STAGES_MAX];
	struct record r = {.sender = "a@b",
	    .time.tv_sec = NOW,
	    .stage_ns = ns,
	    .rcpts = list,
	    .rcpt_count = MANY};
	const struct event_form form = {.privacy = EVENT_PLAIN};
	struct buf b = BUF_INIT;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		list[i].addr = "somebody@somewhere.example";
		list[i].next = i + 1 < MANY ? &list[i + 1] : NULL;
	}
	assert_true(event_line(&b, &r, &form));
	assert_true(b.len < 2 * EVENT_LIST_MAX);
	assert_non_null(
	    strstr(buf_text(&b), "],\"recipient_count\":20000"));
	buf_fini(&b);
}

/* -- hashes -- */

struct hashed {
	struct event_form form;
	char line[1000];
};

static void
keep_line(void *ctx, const struct record *r)
{
	struct hashed *h = ctx;
	struct buf b = BUF_INIT;

	assert_true(event_line(&b, r, &h->form));
	snprintf(h->line, sizeof(h->line), "%s", buf_text(&b));
	buf_fini(&b);
}

static const char *
after(const struct hashed *h, const char *key)
{
	const char *p = strstr(h->line, key);

	assert_non_null(p);
	return p + strlen(key);
}

static void
hashes_with_a_key(void **state)
{
	struct hashed one = {{EVENT_HASH, {1, 2}}, ""}, two = one;
	struct hashed other = {{EVENT_HASH, {1, 3}}, ""};
	const struct talk a = {.from = "<a@ok.example>",
	    .rcpts = {"<bob@x.example>"}, .subject = " secret"},
	    b = {.from = "<z@ok.example>",
		.rcpts = {"<Bob@X.example>", "<eve@x.example>"},
		.subject = " secret"};
	struct snapshot *snap = load(CHECKS);
	const char *p, *q;

	(void)state;
	converse(snap, &a, keep_line, &one);
	converse(snap, &b, keep_line, &two);
	converse(snap, &a, keep_line, &other);
	snapshot_unref(snap);
	assert_null(strstr(one.line, "bob"));
	assert_null(strstr(one.line, "x.example"));
	assert_null(strstr(one.line, "secret"));
	/* 16 digits, @, 16 digits */
	p = after(&one, "\"rcpts\":[\"");
	q = after(&two, "\"rcpts\":[\"");
	assert_int_equal(strspn(p, "0123456789abcdef"), 16);
	assert_int_equal(p[16], '@');
	assert_int_equal(p[33], '"');
	assert_memory_equal(p, q, 33);
	assert_memory_not_equal(q, q + 36, 16);
	assert_memory_equal(q + 16, q + 36 + 16, 17);
	assert_memory_equal(
	    after(&one, "\"subject\":\""), after(&two, "\"subject\":\""), 17);
	assert_memory_not_equal(after(&one, "\"subject\":\""),
	    after(&other, "\"subject\":\""), 16);
	assert_memory_not_equal(p, after(&other, "\"rcpts\":[\""), 16);
}

/* Who reads events must not find a recipient by sending subjects. */
static void
hashes_a_subject_as_no_address(void **state)
{
	struct hashed h = {{EVENT_HASH, {1, 2}}, ""}, of_domain = h;
	const struct talk address = {.from = "<a@ok.example>",
	    .rcpts = {"<bob@x.example>"}, .subject = "bob@x.example"},
	    domain = {.from = "<a@ok.example>", .rcpts = {"<bob@x.example>"},
		.subject = "@x.example"};
	struct snapshot *snap = load(CHECKS);

	(void)state;
	converse(snap, &address, keep_line, &h);
	converse(snap, &domain, keep_line, &of_domain);
	snapshot_unref(snap);
	assert_memory_not_equal(after(&h, "\"subject\":\""),
	    after(&h, "\"rcpts\":[\""), 16);
	assert_memory_not_equal(after(&of_domain, "\"subject\":\""),
	    after(&of_domain, "\"rcpts\":[\"") + 17, 16);
}

/* -- the file -- */

static const struct service *const rows[] = {&service_journal, NULL};

/* The service writes for this configuration until `stop`. */
static struct snapshot *
start(const char *conf)
{
	struct snapshot *snap = load(conf);

	inforce_set(snapshot_ref(snap));
	assert_int_equal(services_start(rows), 0);
	return snap;
}

static void
stop(struct snapshot *snap)
{
	assert_true(services_stop(PATIENCE));
	inforce_set(NULL);
	snapshot_unref(snap);
}

static void
mail(struct snapshot *snap, const char *subject, time_t at)
{
	const struct talk t = {.from = "<a@ok.example>",
	    .rcpts = {"<b@here.example>"}, .subject = subject, .at = at};

	converse(snap, &t, NULL, NULL);
}

static void
wait_lines(const char *name, size_t n)
{
	while (lines_of(name) < n)
		sched_yield();
	assert_int_equal(lines_of(name), n);
}

#define JOURNAL "Mode v\nJournal &/journal\n"
#define SUBJECT(s) "\"subject\":\"" s "\""

static void
writes_a_line_each(void **state)
{
	struct snapshot *snap = start(JOURNAL);
	struct stat st;

	(void)state;
	mail(snap, " one", 0);
	mail(snap, " two", 0);
	stop(snap);
	assert_int_equal(lines_of("journal"), 2);
	assert_non_null(strstr(text_of("journal"), SUBJECT("one")));
	assert_non_null(strstr(text_of("journal"), SUBJECT("two")));
	assert_int_equal(stat(place("journal"), &st), 0);
	assert_int_equal(st.st_mode & 07137, 0);
	/* Another start goes on behind it. */
	snap = start(JOURNAL);
	mail(snap, " three", 0);
	stop(snap);
	assert_int_equal(lines_of("journal"), 3);
	unlink(place("journal"));
}

static void
writes_nothing_without(void **state)
{
	struct snapshot *snap = start("Mode v\n");

	(void)state;
	mail(snap, " one", 0);
	stop(snap);
	assert_string_equal(text_of("journal"), "");
}

static void
makes_anew_what_was_renamed(void **state)
{
	struct snapshot *snap = start(JOURNAL);

	(void)state;
	mail(snap, " one", 0);
	wait_lines("journal", 1);
	assert_int_equal(rename(place("journal"), place("journal.1")), 0);
	service_wake(&service_journal);
	while (access(place("journal"), F_OK) != 0)
		sched_yield();
	mail(snap, " two", 0);
	stop(snap);
	assert_int_equal(lines_of("journal.1"), 1);
	assert_int_equal(lines_of("journal"), 1);
	assert_non_null(strstr(text_of("journal"), SUBJECT("two")));
	unlink(place("journal"));
	unlink(place("journal.1"));
}

static void
ends_a_torn_line(void **state)
{
	struct snapshot *snap;

	(void)state;
	put("journal", "{\"t\":17000");
	snap = start(JOURNAL);
	mail(snap, " one", 0);
	stop(snap);
	assert_ptr_equal(strstr(text_of("journal"), "{\"t\":17000\n" TIME),
	    text_of("journal"));
	assert_int_equal(lines_of("journal"), 2);
	unlink(place("journal"));
}

/* Threads of mail may be late by a little; a clock that was set is another
 * thing. */
static void
writes_in_the_order_of_times(void **state)
{
	struct snapshot *snap = start(JOURNAL);
	char *line, *rest;

	(void)state;
	mail(snap, NULL, NOW);
	mail(snap, NULL, NOW - 1);
	mail(snap, NULL, NOW - 100);
	stop(snap);
	line = strdup(text_of("journal"));
	assert_memory_equal(strtok_r(line, "\n", &rest), TIME, strlen(TIME));
	assert_memory_equal(strtok_r(NULL, "\n", &rest), TIME, strlen(TIME));
	assert_memory_equal(strtok_r(NULL, "\n", &rest),
	    "{\"t\":1699999900.000,", strlen(TIME));
	free(line);
	unlink(place("journal"));
}

/* -- trouble -- */

/* What is logged goes into a pipe. */
struct caught {
	int saved, from;
	char text[8192];
};

static void
catch_log(struct caught *c)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	c->from = ends[0];
	c->saved = dup(STDERR_FILENO);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
}

static void
caught_log(struct caught *c)
{
	ssize_t n = read(c->from, c->text, sizeof(c->text) - 1);

	c->text[n < 0 ? 0 : n] = '\0';
	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	close(c->from);
}

static size_t
times(const char *text, const char *what)
{
	size_t n = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		n++;
	return n;
}

/* What is not well; NULL: nothing.  Lives until the next call. */
static const char *
problem(const struct snapshot *snap)
{
	static char text[TROUBLE_TEXT_MAX];
	struct problems p = PROBLEMS_INIT;

	service_journal.problems(&p);
	if (p.count == 0 && snapshot_state(snap, &stage_journal) != NULL)
		stage_journal.problems(
		    snapshot_state(snap, &stage_journal), &p);
	snprintf(text, sizeof(text), "%s", p.count == 0 ? "" : p.list[0].text);
	problems_fini(&p);
	return text[0] == '\0' ? NULL : text;
}

static void
limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Wait until the service has taken all there is. */
static void
settle(void)
{
	assert_true(services_stop(PATIENCE));
	assert_int_equal(services_start(rows), 0);
}

/* There is room for a part of the next line only. */
static void
goes_on_when_there_is_room(void **state)
{
	struct snapshot *snap = start(JOURNAL);
	size_t len;
	struct caught log;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	mail(snap, " one", 0);
	wait_lines("journal", 1);
	len = strlen(text_of("journal"));
	catch_log(&log);
	limit_files(len + 20);
	mail(snap, " two", 0);
	while (problem(snap) == NULL)
		sched_yield();
	assert_non_null(strstr(problem(snap), "/journal: "));
	mail(snap, " three", 0);
	settle();
	/* Nothing is left of them. */
	assert_int_equal(strlen(text_of("journal")), len);
	mail(snap, " four", 0);
	while (problem(snap) == NULL)
		sched_yield();
	limit_files(RLIM_INFINITY);
	mail(snap, " five", 0);
	while (problem(snap) != NULL)
		sched_yield();
	stop(snap);
	caught_log(&log);
	assert_int_equal(lines_of("journal"), 2);
	assert_non_null(strstr(text_of("journal"), "}\n{"));
	assert_non_null(strstr(text_of("journal"), SUBJECT("five")));
	/* Before the stop in `settle`, and behind it. */
	assert_int_equal(times(log.text, "events are lost until"), 2);
	assert_int_equal(times(log.text, "events lost: 2"), 1);
	assert_int_equal(times(log.text, "again; events lost: 1"), 1);
	unlink(place("journal"));
}

static atomic_bool blocks;

ssize_t __real_writev(int fd, const struct iovec *parts, int count);
ssize_t __wrap_writev(int fd, const struct iovec *parts, int count);

/* A disk that does not answer. */
ssize_t
__wrap_writev(int fd, const struct iovec *parts, int count)
{
	while (atomic_load(&blocks))
		sched_yield();
	return __real_writev(fd, parts, count);
}

static void
never_makes_mail_wait(void **state)
{
	enum { MAILS = 3000 };
	struct snapshot *snap = start(JOURNAL);
	struct caught log;
	uint64_t dropped;

	(void)state;
	catch_log(&log);
	atomic_store(&blocks, true);
	for (int i = 0; i < MAILS; i++)
		mail(snap, " x", 0);
	dropped = service_dropped(&service_journal);
	assert_true(dropped > 0);
	atomic_store(&blocks, false);
	stop(snap);
	caught_log(&log);
	assert_int_equal(lines_of("journal"), MAILS - dropped);
	assert_int_equal(times(log.text, "journal: the queue was full"), 1);
	unlink(place("journal"));
}

/* What else has the name of the file is let alone. */
static void
writes_to_its_own_file_only(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct snapshot *snap;
		struct caught log;

		put("journal.1", "");
		if (i == 0) {
			assert_int_equal(
			    symlink(place("journal.1"), place("journal")), 0);
		} else if (i == 1) {
			assert_int_equal(mkfifo(place("journal"), 0600), 0);
		} else {
			put("journal", "");
			assert_int_equal(chmod(place("journal"), 0666), 0);
		}
		catch_log(&log);
		snap = start(JOURNAL);
		mail(snap, " one", 0);
		mail(snap, " two", 0);
		stop(snap);
		caught_log(&log);
		assert_int_equal(lines_of("journal.1"), 0);
		assert_int_equal(times(log.text, "events are lost until"), 1);
		assert_int_equal(times(log.text, "events lost: 2"), 1);
		unlink(place("journal"));
		unlink(place("journal.1"));
	}
}

/* -- the key -- */

#define HASHED JOURNAL "JournalPrivacy hash\n"

static void
keeps_the_key(void **state)
{
	struct event_form one, two;
	struct errmsg msg = {.text = ""};
	struct snapshot *snap;
	struct stat st;
	char *line;

	(void)state;
	for (int i = 0; i < 2; i++) {
		snap = start(HASHED);
		mail(snap, " one", 0);
		assert_int_equal(
		    journal_form(snap->conf, i == 0 ? &one : &two, &msg), 0);
		stop(snap);
	}
	assert_memory_equal(one.key, two.key, sizeof(one.key));
	assert_int_equal(stat(place("journal-key"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(lines_of("journal"), 2);
	assert_null(strstr(text_of("journal"), "here.example"));
	line = strdup(text_of("journal"));
	assert_int_equal(strlen(line) % 2, 0);
	assert_memory_equal(line, line + strlen(line) / 2, strlen(line) / 2);
	free(line);
	unlink(place("journal"));
	unlink(place("journal-key"));
}

/* Without the key nothing is written at all, least of all what is plain. */
static void
writes_nothing_without_the_key(void **state)
{
	static const char *const texts[] = {"", "short\n",
	    "0123456789abcdef0123456789abcdeF\n",
	    "0123456789abcdef0123456789abcdef0123456789abcdef\n"};
	struct event_form form;
	struct errmsg msg = {.text = ""};
	struct snapshot *snap = load(HASHED);

	(void)state;
	unlink(place("journal-key"));
	assert_int_equal(
	    journal_form(snap->conf, &form, &msg), ERR_NOTFOUND);
	assert_non_null(strstr(msg.text, "there is no key"));
	snapshot_unref(snap);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		put("journal-key", texts[i]);
		snap = start(HASHED);
		mail(snap, " one", 0);
		assert_int_equal(
		    journal_form(snap->conf, &form, &msg), ERR_CONFIG);
		assert_non_null(
		    strstr(problem(snap), "no events are written"));
		assert_non_null(strstr(msg.text, "32 hexadecimal digits"));
		stop(snap);
		assert_string_equal(text_of("journal"), "");
	}
	unlink(place("journal-key"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(says_what_is_known),
	    cmocka_unit_test(is_of_messages_only),
	    cmocka_unit_test(counts_what_it_cuts),
	    cmocka_unit_test(hashes_with_a_key),
	    cmocka_unit_test(hashes_a_subject_as_no_address),
	    cmocka_unit_test(writes_a_line_each),
	    cmocka_unit_test(writes_nothing_without),
	    cmocka_unit_test(makes_anew_what_was_renamed),
	    cmocka_unit_test(ends_a_torn_line),
	    cmocka_unit_test(writes_in_the_order_of_times),
	    cmocka_unit_test(goes_on_when_there_is_room),
	    cmocka_unit_test(never_makes_mail_wait),
	    cmocka_unit_test(writes_to_its_own_file_only),
	    cmocka_unit_test(keeps_the_key),
	    cmocka_unit_test(writes_nothing_without_the_key),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
