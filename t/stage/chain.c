/* The walk itself: caps, odd orders, what is negotiated. SPDX-License-Identifier: BSD-2-Clause */
#include "milter/chain.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
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
	struct snapshot *verifies = walk_load("Mode v\n");
	struct snapshot *more =
	    walk_load("Mode s\nSoftwareHeader yes\nMacroList mark=x,{a}\n");
	struct buf names = BUF_INIT;

	(void)state;
	assert_int_equal(chain_edits(plain), 0);
	assert_int_equal(chain_edits(more), EDIT_BIT(EDIT_INSERT));
	assert_int_equal(chain_needs(plain), 0);
	assert_false(chain_holds(plain));
	assert_int_equal(chain_needs(verifies), NEED_EXACT_HEADERS);
	assert_true(chain_holds(verifies));
	chain_macros(more, &names);
	assert_string_equal(buf_text(&names), " {mark} {a}");
	buf_fini(&names);
	snapshot_unref(plain);
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
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6};
	struct session *s = begin("PeerList 192.0.2.7\n");

	(void)state;
	assert_int_equal(
	    inet_pton(AF_INET6, "::ffff:192.0.2.7", &mapped.sin6_addr), 1);
	chain_connect(s, NULL, (const struct sockaddr *)&mapped);
	assert_string_equal(s->client_ip, "192.0.2.7");
	assert_int_equal(chain_helo(s, "a").action, VERDICT_ACCEPT);
	assert_int_equal(chain_mail(s, "<a@b>", NULL).action, VERDICT_ACCEPT);
	assert_string_equal(s->msg->verdict.by, "peer");
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
