/* The walk itself: caps, odd orders, what is negotiated. SPDX-License-Identifier: BSD-2-Clause */
#include "milter/chain.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/host.h"
#include "lib/dns/dns.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

static struct session *
begin(const char *conf)
{
	struct snapshot *snap = walk_load(conf);
	struct session *s = chain_open(snap, NULL, NULL);

	assert_non_null(s);
	snapshot_unref(snap); /* the session has its own */
	return s;
}

static void
header(struct session *s, const char *name, const char *value)
{
	chain_header(s, name, strlen(name), value, strlen(value));
}

static void
refuses_too_many_fields(void **state)
{
	struct session *s = begin("MaximumHeaders 0\n");
	struct verdict v;

	(void)state;
	chain_mail(s, "<a@b>", NULL);
	for (int i = 0; i < HEADER_COUNT_MAX; i++)
		header(s, "X", " y");
	assert_int_equal(chain_eoh(s).action, VERDICT_NONE);
	header(s, "X", " y");
	v = chain_eoh(s);
	assert_int_equal(v.action, VERDICT_REJECT);
	assert_int_equal(chain_eom(s).action, VERDICT_REJECT);
	chain_close(s);
}

static void
refuses_too_long_a_header(void **state)
{
	struct session *s = begin("MaximumHeaders 100\nOn-Security accept\n");
	char value[] = "__________________________________________________"
		       "_________________________________________";

	(void)state;
	/* "Subject:" and the line's end are 10 octets. */
	chain_mail(s, "<a@b>", NULL);
	chain_header(s, "Subject", 7, value, 90);
	assert_int_equal(s->msg->headers.bytes, 100);
	assert_int_equal(chain_eoh(s).action, VERDICT_NONE);
	chain_mail(s, "<a@b>", NULL);
	chain_header(s, "Subject", 7, value, 91);
	assert_int_equal(chain_eoh(s).action, VERDICT_REJECT);
	chain_close(s);
}

static void
takes_commands_in_any_order(void **state)
{
	struct session *s = begin("SoftwareHeader yes\n");

	(void)state;
	assert_int_equal(chain_eom(s).action, VERDICT_NONE);
	assert_int_equal(chain_rcpt(s, "<a@b>").action, VERDICT_NONE);
	header(s, "A", " b");
	assert_int_equal(chain_eoh(s).action, VERDICT_NONE);
	assert_int_equal(
	    chain_body(s, (const unsigned char *)"x", 1).action, VERDICT_NONE);
	chain_end(s, NULL);
	assert_null(s->msg);
	chain_mail(s, "", NULL);
	assert_string_equal(s->msg->sender, "");
	chain_mail(s, "<second@b>", NULL);
	assert_string_equal(s->msg->sender, "second@b");
	assert_int_equal(s->msg->headers.count, 0);
	chain_close(s);
}

static void
counts_what_was_said(void **state)
{
	static const char *const params[] = {"SIZE=1", NULL};
	struct session *s = begin("Mode sv\n");

	(void)state;
	chain_mail(s, "<a@b>", params);
	chain_rcpt(s, "<c@d>");
	chain_rcpt(s, "e@f");
	header(s, "A", " b");
	chain_body(s, (const unsigned char *)"12345", 5);
	assert_int_equal(s->msg->rcpt_count, 2);
	assert_string_equal(s->msg->rcpts->addr, "c@d");
	assert_string_equal(s->msg->rcpts->next->addr, "e@f");
	assert_int_equal(
	    message_size(s->msg), strlen("A: b\r\n\r\n12345"));
	assert_string_equal(s->msg->params[0], "SIZE=1");
	assert_null(s->msg->params[1]);
	chain_close(s);
}

static void
negotiates_by_the_stages_that_are_on(void **state)
{
	struct snapshot *plain = walk_load("Mode s\n");
	struct snapshot *broken =
	    walk_load("Mode s\nOn-InternalError quarantine\n");
	struct snapshot *verifies = walk_load("Mode v\n");
	struct snapshot *more =
	    walk_load("Mode s\nSoftwareHeader yes\nMacroList mark=x,{a}\n");
	struct buf names = BUF_INIT;

	(void)state;
	assert_int_equal(chain_edits(plain), 0);
	assert_int_equal(chain_edits(more), EDIT_BIT(EDIT_INSERT));
	assert_int_equal(chain_needs(plain), 0);
	assert_int_equal(chain_needs(broken), NEED_QUARANTINE);
	assert_int_equal(
	    chain_needs(verifies), NEED_EXACT_HEADERS | NEED_QUARANTINE);
	chain_macros(more, &names);
	assert_string_equal(buf_text(&names), " {mark} {a}");
	buf_fini(&names);
	snapshot_unref(plain);
	snapshot_unref(broken);
	snapshot_unref(verifies);
	snapshot_unref(more);
}

static void
quotes_notes(void **state)
{
	struct session *s = begin("Mode sv\n");

	(void)state;
	chain_mail(s, "<a@b>", NULL);
	message_note(s->msg, "key", "%s", "a b\x1b=");
	assert_string_equal(
	    buf_text(&s->msg->notes), " key=\"a b\\x1b=\"");
	chain_close(s);
}

/* What was decided at connect is not forgotten at HELO. */
static void
keeps_what_was_decided_at_connect(void **state)
{
	struct host mapped;
	struct session *s = begin("PeerList 192.0.2.7\n");

	(void)state;
	chain_connect(s, NULL, walk_address("::ffff:192.0.2.7", &mapped));
	assert_string_equal(s->client_ip, "192.0.2.7");
	assert_int_equal(chain_helo(s, "a").action, VERDICT_ACCEPT);
	assert_int_equal(chain_mail(s, "<a@b>", NULL).action, VERDICT_ACCEPT);
	assert_string_equal(s->msg->disposition.decided.by, "peer");
	chain_close(s);
}

static const char *queue_id;

static const char *
macro_i(void *ctx, const char *name)
{
	(void)ctx;
	return strcmp(name, "i") == 0 ? queue_id : NULL;
}

/* Some MTAs tell it at the end of the message only. */
static void
learns_the_queue_id_late(void **state)
{
	struct snapshot *snap = walk_load("Mode sv\n");
	struct session *s = chain_open(snap, macro_i, NULL);

	(void)state;
	queue_id = NULL;
	chain_mail(s, "<a@b>", NULL);
	chain_eoh(s);
	assert_null(s->msg->queue_id);
	queue_id = "4Xy";
	chain_eom(s);
	assert_string_equal(s->msg->queue_id, "4Xy");
	chain_close(s);
	snapshot_unref(snap);
}

/* A field that was lost must not be missing in what is judged. */
static void
puts_off_what_is_not_whole(void **state)
{
	static const char *const actions[] = {"tempfail", "quarantine"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char conf[100];
		struct session *s;

		snprintf(conf, sizeof(conf), "On-InternalError %s\n",
		    actions[i]);
		s = begin(conf);
		chain_mail(s, "<a@b>", NULL);
		header(s, "From", " a@b");
		chain_header(s, "Subject", 7, NULL, 0);
		assert_int_equal(chain_eoh(s).action, VERDICT_TEMPFAIL);
		assert_int_equal(chain_eom(s).action, VERDICT_TEMPFAIL);
		chain_close(s);
	}
}

/* Whatever a stage or the admin has to say. */
static void
replies_in_one_line(void **state)
{
	char words[2000], text[VERDICT_TEXT_SIZE];
	struct verdict v = verdict_make(VERDICT_REJECT, "a\r\n250 b\xff%");
	const char *xcode;
	int code;

	(void)state;
	assert_true(verdict_reply(&v, &code, &xcode, text));
	assert_string_equal(text, "a??250 b?%");
	memset(words, '%', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	v = (struct verdict){
	    .action = VERDICT_TEMPFAIL, .xcode = "4.7.123", .text = words};
	assert_true(verdict_reply(&v, &code, &xcode, text));
	assert_int_equal(strlen("451 4.7.123 \r\n") + strlen(text), 512);
}

/* -- the deadline -- */

static struct {
	const struct session *s;
	int64_t first, last; /* deadlines of those that waited */
	size_t count;
} waited;

static struct dns_query *
start(void *ctx, const char *name, enum dns_type type)
{
	(void)name, (void)type;
	return ctx;
}

static bool
ready(void *ctx, struct dns_query *q)
{
	(void)ctx, (void)q;
	return false;
}

static const struct dns_answer *
collect(void *ctx, struct dns_query *q, struct wait *w)
{
	static const struct dns_answer none = {.status = DNS_NXDOMAIN};

	(void)ctx, (void)q;
	assert_ptr_equal(w, &waited.s->wait);
	if (waited.count++ == 0)
		waited.first = waited.last = w->deadline_ms;
	if (w->deadline_ms < waited.first)
		waited.first = w->deadline_ms;
	if (w->deadline_ms > waited.last)
		waited.last = w->deadline_ms;
	return &none;
}

static void
drop(void *ctx, struct dns_query *q)
{
	(void)ctx, (void)q;
}

static const struct dns slow = {.ctx = (void *)(uintptr_t)&slow,
    .start = start,
    .collect = collect,
    .ready = ready,
    .drop = drop};

/* In the step that ended just now so many waited at least, all of them until
 * the same moment: it is as long after the beginning as was configured. */
static void
check_step(
    const char *step, size_t least, int64_t begin, const struct snapshot *snap)
{
	if (waited.count < least || waited.first != waited.last ||
	    waited.first < begin + snap->dns_timeout_ms)
		fail_msg("%s: %zu waited, from %lld to %lld", step,
		    waited.count, (long long)(waited.first - begin),
		    (long long)(waited.last - begin));
	waited.count = 0;
}

/* A client that takes its time leaves each step as much as others have. */
static int64_t
next_step(void)
{
	usleep(3000);
	return clock_ms();
}

static void
gives_each_step_one_deadline(void **state)
{
	struct snapshot *snap =
	    walk_load("Mode v\nRefuseAt helo=mail,spf=rcpt\n");
	struct host client;
	struct session *s;
	int64_t begin;

	(void)state;
	snap->dns = &slow;
	s = chain_open(snap, NULL, NULL);
	waited.s = s;
	waited.count = 0;
	chain_connect(s, NULL, walk_address("192.0.2.1", &client));
	chain_helo(s, "client.example");
	begin = next_step();
	chain_mail(s, "<a@client.example>", NULL);
	check_step("MAIL", 1, begin, snap);
	begin = next_step();
	chain_rcpt(s, "<b@here.example>");
	check_step("RCPT", 1, begin, snap);
	header(s, "From", " a@author.example");
	header(s, "DKIM-Signature",
	    " v=1; a=rsa-sha256; d=signer.example; s=s; c=relaxed/relaxed;"
	    " h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA");
	chain_eoh(s);
	begin = next_step();
	chain_eom(s);
	check_step("end", 3, begin, snap); /* rdns, dkim and dmarc */
	chain_close(s);
	snapshot_unref(snap);
}

/* -- all steps together -- */

static struct {
	bool stopped;
	int64_t ms;	/* what the clock says then */
	int64_t waited; /* for answers, in one message */
} watch;

int
clock_gettime(clockid_t id, struct timespec *ts)
{
	if (!watch.stopped)
		return (int)syscall(SYS_clock_gettime, id, ts);
	*ts = clock_timespec(watch.ms);
	return 0;
}

static int
clock_runs(void **state)
{
	(void)state;
	watch.stopped = false;
	return 0;
}

static void
second_passes(struct wait_io *io, short revents)
{
	const struct wait *w = io->arg;

	(void)revents;
	if (watch.ms < w->deadline_ms)
		watch.ms += 1000;
}

static bool
is_later(void *arg)
{
	return watch.ms >= *(int64_t *)arg;
}

/* Every answer takes two seconds. */
static const struct dns_answer *
collect_late(void *ctx, struct dns_query *q, struct wait *w)
{
	static const struct dns_answer none = {.status = DNS_NXDOMAIN},
				       late = {.status = DNS_TIMEOUT};
	struct wait_io io = {.events = POLLOUT, .ready = second_passes, .arg = w};
	int64_t begin = watch.ms, until = begin + 2000;
	bool came;

	(void)ctx, (void)q;
	io.fd = eventfd(0, EFD_CLOEXEC); /* which may be written to */
	assert_int_equal(wait_add(w, &io), 0);
	came = wait_until(w, is_later, &until);
	wait_remove(w, &io);
	close(io.fd);
	watch.waited += watch.ms - begin;
	return came ? &none : &late;
}

/* Whatever RefuseAt has judged at MAIL and RCPT already, one message waits no
 * longer than DNSTimeout, and the next one as long. */
static void
waits_no_longer_in_all(void **state)
{
	struct snapshot *snap = walk_load("Mode v\nDNSTimeout 9\n"
					  "On-DNSError accept\n"
					  "RefuseAt helo=mail,spf=rcpt\n");
	struct dns late = slow;
	struct host client;
	struct session *s;

	(void)state;
	late.collect = collect_late;
	snap->dns = &late;
	watch.stopped = true;
	watch.ms = 1000000;
	s = chain_open(snap, NULL, NULL);
	chain_connect(s, NULL, walk_address("192.0.2.1", &client));
	for (int i = 0; i < 2; i++) {
		int64_t at_mail;

		watch.waited = 0;
		chain_helo(s, "client.example");
		chain_mail(s, "<a@client.example>", NULL);
		at_mail = watch.waited;
		assert_in_range(at_mail, 1, 8000);
		watch.ms += 3600000; /* of the client's */
		chain_rcpt(s, "<b@here.example>");
		assert_in_range(watch.waited, at_mail + 1, 9000);
		watch.ms += 3600000;
		header(s, "From", " a@author.example");
		chain_eoh(s);
		chain_body(s, (const unsigned char *)"x\r\n", 3);
		chain_eom(s);
		assert_int_equal(watch.waited, 9000);
		chain_end(s, NULL);
	}
	chain_close(s);
	snapshot_unref(snap);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refuses_too_many_fields),
	    cmocka_unit_test(refuses_too_long_a_header),
	    cmocka_unit_test(takes_commands_in_any_order),
	    cmocka_unit_test(counts_what_was_said),
	    cmocka_unit_test(negotiates_by_the_stages_that_are_on),
	    cmocka_unit_test(quotes_notes),
	    cmocka_unit_test(keeps_what_was_decided_at_connect),
	    cmocka_unit_test(learns_the_queue_id_late),
	    cmocka_unit_test(puts_off_what_is_not_whole),
	    cmocka_unit_test(replies_in_one_line),
	    cmocka_unit_test(gives_each_step_one_deadline),
	    cmocka_unit_test_teardown(waits_no_longer_in_all, clock_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
