/*
 * What posternctl quota learns of accounts from the decision ring.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "milter/ctl/usage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/ring/ring.h"
#include "milter/record.h"
#include "milter/record_pack.h"
#include "milter/snapshot.h"
#include "t/support/drivers/test.h"

#define NOW 1700006400 /* 00:00 UTC */
#define HOUR 3600
#define DAY 86400

static char dir[] = "/tmp/postern-usage-XXXXXX";

static const char *
place(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

struct mail {
	const char *account, *ip, *helo;
	long ago;        /* seconds before NOW */
	size_t rcpts;    /* that were accepted */
	bool stopped;    /* another one was refused */
	enum verdict_action action;
	bool aborted;
};

static void
put(struct ring *ring, const struct mail *m)
{
	static const uint64_t ns[STAGES_MAX];
	struct rcpt stopped = {.addr = "c@d",
	    .refused = true,
	    .refusal.action = VERDICT_TEMPFAIL};
	unsigned char packed[RECORD_PACKED_MAX];
	struct record r = {.time.tv_sec = NOW - m->ago,
	    .stage_ns = ns,
	    .account = m->account,
	    .client_ip = m->ip,
	    .client_helo = m->helo,
	    .sender = "a@b",
	    .rcpts = m->stopped ? &stopped : NULL,
	    .rcpt_count = m->rcpts,
	    .came = m->rcpts > 0,
	    .size = 1000,
	    .direction = DIRECTION_OUTBOUND,
	    .verdict.action = m->action,
	    .aborted = m->aborted,
	    .notes = ""};

	r.left = !m->aborted && !verdict_refuses(&r.verdict);
	assert_true(ring_put(ring, packed, record_pack(&r, true, packed)));
}

/* The ring, or its copy, has these. */
static void
fill(const char *name, const struct mail *mails, size_t count)
{
	struct shared_report report;
	struct ring *ring;

	unlink(place(name));
	assert_int_equal(ring_open(place(name), ring_size(RING_SIZE_MIN), NOW,
			     &ring, &report, NULL), 0);
	for (size_t i = 0; i < count; i++)
		put(ring, &mails[i]);
	ring_close(ring);
}

static struct conf *
configured(const char *text)
{
	struct buf b = BUF_INIT;
	struct conf *c = NULL;
	struct errmsg msg;

	buf_printf(&b, text, dir);
	buf_printf(&b, "StateDirectory %s\n", dir);
	assert_int_equal(conf_read_text(buf_text(&b), b.len, "test",
			     snapshot_tables(), &c, &msg), 0);
	buf_fini(&b);
	return c;
}

static struct usage *
load(const char *account)
{
	struct conf *c = configured("RingFile %s/decisions\n");
	struct errmsg msg = {.text = ""};
	struct usage *u;

	if (usage_read(c, account, NOW, &u, &msg) != 0)
		fail_msg("%s", msg.text);
	conf_free(c);
	return u;
}

static const struct mail mails[] = {
    {NULL, "198.51.100.1", "mx", 10 * DAY, 1, false, VERDICT_NONE, false},
    {"bob@x.org", "192.0.2.1", "old", 3 * DAY + 1, 2, false, VERDICT_NONE,
	false},
    {"bob@x.org", "192.0.2.1", "old", 3 * DAY, 1, false, VERDICT_NONE, false},
    {"bob@x.org", "192.0.2.9", "old", 3 * DAY, 0, true, VERDICT_TEMPFAIL,
	false},
    {"eve@x.org", "192.0.2.2", "eve", 7200, 1, false, VERDICT_NONE, false},
    {"bob@x.org", "192.0.2.3", "one", 3000, 1, true, VERDICT_NONE, false},
    /* Records need not be in order. */
    {"bob@x.org", "192.0.2.4", "two", 4000, 1, false, VERDICT_REJECT, false},
    {"bob@x.org", "192.0.2.3", "one", 100, 1, false, VERDICT_NONE, false},
    {"bob@x.org", "192.0.2.3", "two", 90, 0, false, VERDICT_NONE, true},
    {"al", "192.0.2.5", NULL, 60, 1, false, VERDICT_NONE, false},
    /* Another's name begins or ends so. */
    {"abob@x.org", "192.0.2.6", "x", 50, 1, false, VERDICT_NONE, false},
    {"bob@x.org.example", "192.0.2.7", "x", 40, 1, false, VERDICT_NONE,
	false},
};
#define FILL(name) fill(name, mails, sizeof(mails) / sizeof(*mails))

static void
check_account(struct usage *u, const char *account, long ago, size_t clients,
    unsigned refused)
{
	struct usage_account a = usage_of(u, account);

	assert_int_equal(a.last, ago < 0 ? 0 : NOW - ago);
	assert_int_equal(a.clients, clients);
	assert_int_equal(a.refused, refused);
}

static void
counts_accounts_and_sums(void **state)
{
	struct usage *u;

	(void)state;
	FILL("decisions");
	u = load(NULL);
	assert_int_equal(usage_since(u), NOW - 10 * DAY);
	check_account(u, "bob@x.org", 90, 2, 2);
	check_account(u, "eve@x.org", 7200, 1, 0);
	check_account(u, "al", 60, 1, 0);
	check_account(u, "@x.org", 50, 4, 2);
	check_account(u, "@x.org.example", 40, 1, 0);
	check_account(u, "*", 40, 6, 2);
	check_account(u, "nobody", -1, 0, 0);
	usage_free(u);
}

static void
check_span(const struct usage_span *s, int64_t begin, unsigned messages,
    unsigned rcpts, unsigned bytes, unsigned refused, unsigned clients)
{
	assert_int_equal(s->begin, begin);
	assert_int_equal(s->messages, messages);
	assert_int_equal(s->recipients, rcpts);
	assert_int_equal(s->bytes, bytes);
	assert_int_equal(s->refused, refused);
	assert_int_equal(s->clients, clients);
}

static void
tells_days_and_hours(void **state)
{
	const struct usage_span *s;
	struct usage *u;
	size_t n;

	(void)state;
	FILL("decisions");
	u = load("bob@x.org");
	assert_int_equal(usage_since(u), NOW - 10 * DAY);
	s = usage_days(u, &n);
	assert_int_equal(n, 3);
	check_span(&s[0], NOW - 4 * DAY, 1, 2, 1000, 0, 1);
	check_span(&s[1], NOW - 3 * DAY, 1, 1, 1000, 1, 2);
	check_span(&s[2], NOW - DAY, 2, 2, 2000, 2, 2);
	s = usage_hours(u, &n);
	assert_int_equal(n, 4);
	check_span(&s[0], NOW - 3 * DAY - HOUR, 1, 2, 1000, 0, 1);
	check_span(&s[1], NOW - 3 * DAY, 1, 1, 1000, 1, 2);
	check_span(&s[2], NOW - 2 * HOUR, 0, 0, 0, 1, 1);
	check_span(&s[3], NOW - HOUR, 2, 2, 2000, 1, 1);
	usage_free(u);
	u = load("@x.org");
	s = usage_days(u, &n);
	check_span(&s[n - 1], NOW - DAY, 4, 4, 4000, 2, 4);
	usage_free(u);
	u = load("*");
	s = usage_days(u, &n);
	check_span(&s[n - 1], NOW - DAY, 6, 6, 6000, 2, 6);
	usage_free(u);
}

static void
tells_the_last_clients(void **state)
{
	const struct usage_client *c;
	struct usage *u;
	size_t n;

	(void)state;
	FILL("decisions");
	u = load("bob@x.org");
	c = usage_clients(u, &n);
	assert_int_equal(n, 5);
	assert_string_equal(c[0].ip, "192.0.2.3");
	assert_string_equal(c[0].helo, "two");
	assert_int_equal(c[0].last, NOW - 90);
	assert_int_equal(c[0].messages, 1);
	assert_string_equal(c[1].helo, "one");
	assert_int_equal(c[1].messages, 2);
	assert_string_equal(c[2].ip, "192.0.2.4");
	usage_free(u);
	u = load("al");
	c = usage_clients(u, &n);
	assert_int_equal(n, 1);
	assert_null(c[0].helo);
	usage_free(u);
}

/* A bot has many names. */
static void
keeps_the_last_of_many_clients(void **state)
{
	enum { MANY = 1500 };
	static char names[MANY][16];
	static struct mail many[MANY];
	const struct usage_client *c;
	struct usage *u;
	size_t n;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%d", i);
		many[i] = (struct mail){
		    "bob", "192.0.2.1", names[i], MANY - i, 1, false,
		    VERDICT_NONE, false};
	}
	unlink(place("decisions"));
	fill("decisions", many, MANY);
	u = load("bob");
	c = usage_clients(u, &n);
	assert_true(n > 0 && n <= 1000);
	assert_string_equal(c[0].helo, names[MANY - 1]);
	assert_int_equal(c[0].messages, 1);
	usage_free(u);
}

static void
reads_the_copy_or_nothing(void **state)
{
	struct conf *c = configured("RingFile %s/decisions\n");
	struct errmsg msg = {.text = ""};
	struct usage *u;

	(void)state;
	unlink(place("decisions"));
	assert_int_equal(usage_read(c, NULL, NOW, &u, &msg), ERR_NOTFOUND);
	assert_non_null(strstr(msg.text, "decisions"));
	assert_null(u);
	FILL("ring");
	assert_int_equal(usage_read(c, NULL, NOW, &u, &msg), 0);
	check_account(u, "al", 60, 1, 0);
	usage_free(u);
	conf_free(c);
	c = configured("RingFile none\n# %s\n");
	assert_int_equal(usage_read(c, NULL, NOW, &u, &msg), ERR_NOTFOUND);
	assert_string_equal(msg.text, "RingFile none: no decisions are kept");
	conf_free(c);
	unlink(place("ring"));
	fill("decisions", mails, 0);
	u = load("bob");
	assert_int_equal(usage_since(u), 0);
	usage_free(u);
}

static int
set_up(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(place("decisions"));
	unlink(place("decisions.new"));
	unlink(place("ring.new"));
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(counts_accounts_and_sums),
	    cmocka_unit_test(tells_days_and_hours),
	    cmocka_unit_test(tells_the_last_clients),
	    cmocka_unit_test(keeps_the_last_of_many_clients),
	    cmocka_unit_test(reads_the_copy_or_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
