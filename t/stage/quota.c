/* Every account is held to its quota. SPDX-License-Identifier: BSD-2-Clause */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/quota/quota.h"
#include "t/support/drivers/test.h"
#include "t/support/drivers/walk.h"

#define PLAIN "From: a@example.org\r\n\r\nHello.\r\n"
#define PHP "X-PHP-Originating-Script: 33:Mail.php\r\n" PLAIN
#define HOUR 3600
#define STRANGER "192.0.2.1"
#define INTERNAL "192.0.2.7"

static const struct verdict taken = {.action = VERDICT_NONE};

/* What every test has: a directory with the table in it. */
struct room {
	char dir[64], table[80], conf[80];
};

static int
setup(void **state)
{
	struct room *r = calloc(1, sizeof(*r));

	strcpy(r->dir, "/tmp/postern-quota-XXXXXX");
	if (mkdtemp(r->dir) == NULL)
		return -1;
	snprintf(r->table, sizeof(r->table), "%s/quota", r->dir);
	snprintf(r->conf, sizeof(r->conf), "%s/conf", r->dir);
	*state = r;
	return 0;
}

static int
teardown(void **state)
{
	struct room *r = *state;
	int left;

	unlink(r->table);
	unlink(r->conf);
	left = rmdir(r->dir);
	free(r);
	return left;
}

/* Load a configuration with QuotaTable in front. */
static int
try_load(const struct room *r, const char *text, bool offline,
    const struct snapshot *old, struct snapshot **snap_r, struct errmsg *msg_r)
{
	FILE *f = fopen(r->conf, "w");

	fprintf(f, "Mode s\nInternalHosts 127.0.0.1,::1," INTERNAL "\n"
		   "QuotaTable %s\n%s", r->table, text);
	fclose(f);
	return snapshot_load(r->conf, offline, old, snap_r, msg_r);
}

static struct snapshot *
load(const struct room *r, const char *text)
{
	struct snapshot *snap;
	struct errmsg msg = {.text = ""};

	if (try_load(r, text, false, NULL, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	return snap;
}

static uint64_t
used(const struct room *r, const char *account, enum quota_kind kind)
{
	const struct quota_options opt = {.mode = QUOTA_READ};
	const struct quota_limit limit = {
	    .kind = kind, .window_s = HOUR, .limit = 1};
	struct quota_set set = {.count = 0};
	struct quota_state st;
	struct quota *q;

	quota_set_add(&set, &limit);
	assert_int_equal(quota_open(&q, r->table, &opt, NULL, NULL), 0);
	assert_int_equal(quota_peek(q, account, &set, &st), 0);
	quota_close(q);
	return st.usage[0].used;
}

static void
lock(const struct room *r, const char *account, bool on)
{
	const struct quota_options opt = {.mode = QUOTA_WRITE};
	struct quota *q;

	assert_int_equal(quota_open(&q, r->table, &opt, NULL, NULL), 0);
	assert_int_equal(quota_lock(q, account, on), 0);
	quota_close(q);
}

static void
assert_used(const struct room *r, const char *account, uint64_t messages,
    uint64_t recipients)
{
	assert_int_equal(used(r, account, QUOTA_MESSAGES), messages);
	assert_int_equal(used(r, account, QUOTA_RECIPIENTS), recipients);
}

/* Bob, logged in, with a message to two. */
static struct walk
bob(void)
{
	return (struct walk){.client_ip = STRANGER,
	    .from = "<bob@example.org>",
	    .rcpts = {"b@example.net", "c@example.net"},
	    .macros = {{"{auth_authen}", "bob"}},
	    .message = PLAIN};
}

/* A local program, to two. */
static struct walk
local(const char *ip, const char *from, const char *message)
{
	return (struct walk){.client_ip = ip,
	    .from = from,
	    .rcpts = {"b@example.net", "c@example.net"},
	    .message = message};
}

/* What the last refusal or quarantine of send_mail said; the verdict's own
 * words are gone with the message. */
static char said[512];

/* The whole conversation, ended as the verdict says; returns that verdict. */
static struct verdict
send_mail(struct snapshot *snap, const struct walk *w, struct verdict *rcpt_v_r)
{
	struct verdict v;
	struct session *s = walk_run(snap, w, &v, rcpt_v_r);
	const struct verdict *refused =
	    s->msg == NULL ? NULL : disposition_refused(s->msg);
	const char *text =
	    v.text == NULL && refused != NULL ? refused->text : v.text;

	snprintf(said, sizeof(said), "%s", text == NULL ? "" : text);
	chain_end(s, &v);
	chain_close(s);
	return v;
}

#define LIMITS                                                                 \
	"Quota default {\n"                                                    \
	" Messages = {3/hour}\n Recipients = {5/hour}\n"                       \
	" Bytes = {1M/hour}\n}\n"

static void
counts(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = bob();
	struct verdict v;
	struct session *s = walk_envelope(snap, &w, &v, NULL);
	size_t size;

	assert_int_equal(v.action, VERDICT_NONE);
	assert_used(r, "bob", 1, 2);
	assert_int_equal(used(r, "bob", QUOTA_BYTES), 0);
	chain_close(s);

	s = walk_run(snap, &w, &v, NULL);
	size = message_size(s->msg);
	assert_int_equal(v.action, VERDICT_NONE);
	assert_string_equal(buf_text(&s->msg->notes),
	    " quota=messages/1h:1/3,recipients/1h:2/5,bytes/1h:31/1048576");
	chain_end(s, &v);
	assert_used(r, "bob", 1, 2);
	assert_int_equal(used(r, "bob", QUOTA_BYTES), size);
	chain_close(s);
	assert_used(r, "bob", 1, 2);
	snapshot_unref(snap);
}

static void
refuses_recipients(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = bob();
	struct verdict v, rcpt_v[WALK_MAX];

	w.at = 1795262400; /* 2026-11-21 12:00 UTC */
	for (int i = 0; i < 7; i++)
		w.rcpts[i] = "b@example.net";
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(v.action, VERDICT_NONE);
	assert_int_equal(rcpt_v[4].action, VERDICT_NONE);
	for (int i = 5; i < 7; i++) {
		assert_int_equal(rcpt_v[i].action, VERDICT_TEMPFAIL);
		assert_int_equal(rcpt_v[i].code, 450);
		assert_string_equal(rcpt_v[i].xcode, "4.7.1");
		assert_string_equal(rcpt_v[i].by, "quota");
	}
	assert_used(r, "bob", 1, 5);
	snapshot_unref(snap);
}

/* The reply's words live as long as the message. */
static void
says_when(void **state)
{
	struct room *r = *state;
	struct snapshot *snap =
	    load(r, "Quota default {\n Recipients = {1/hour}\n}\n");
	struct walk w = bob();
	struct verdict v, rcpt_v[WALK_MAX];
	struct session *s;

	w.at = 1795262400; /* 2026-11-21 12:00 UTC */
	s = walk_run(snap, &w, &v, rcpt_v);
	print_message("%s\n", rcpt_v[1].text);
	assert_memory_equal(rcpt_v[1].text,
	    "bob has reached its limit of 1 recipient in 1 hour; "
	    "try again after 2026-11-21T13:0", 79);
	assert_non_null(strstr(rcpt_v[1].text, "Z (in 6"));
	chain_close(s);
	snapshot_unref(snap);
}

/* What ends a message, and whether it is counted then. */
static const struct {
	const char *name;
	bool whole; /* up to the end of the message, or of the envelope */
	bool ends;  /* chain_end is called before chain_close */
	bool aborted;
	enum verdict_action outcome;
	bool counted;
} endings[] = {
    {"accepted", true, true, false, VERDICT_NONE, true},
    {"accepted early", true, true, false, VERDICT_ACCEPT, true},
    {"accepted after the envelope", false, true, false, VERDICT_ACCEPT, true},
    {"held by another stage", true, true, false, VERDICT_QUARANTINE, true},
    {"rejected by a later stage", true, true, false, VERDICT_REJECT, false},
    {"deferred by a later stage", true, true, false, VERDICT_TEMPFAIL, false},
    {"discarded by a later stage", true, true, false, VERDICT_DISCARD, false},
    {"aborted at the end", true, true, true, VERDICT_NONE, false},
    {"closed at the end", true, false, false, VERDICT_NONE, false},
    {"rejected in between", false, true, false, VERDICT_REJECT, false},
    {"aborted in between", false, true, true, VERDICT_NONE, false},
    {"closed in between", false, false, false, VERDICT_NONE, false},
};

static void
gives_back(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = bob();

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		struct verdict v,
		    outcome = verdict_make(endings[i].outcome, "words");
		struct session *s = endings[i].whole
		    ? walk_run(snap, &w, &v, NULL)
		    : walk_envelope(snap, &w, &v, NULL);

		print_message("%s\n", endings[i].name);
		assert_used(r, "bob", 1, 2);
		if (endings[i].ends)
			chain_end(s, endings[i].aborted ? NULL : &outcome);
		chain_close(s);
		assert_used(r, "bob", endings[i].counted,
		    endings[i].counted * 2);
		if (!endings[i].counted)
			assert_int_equal(used(r, "bob", QUOTA_BYTES), 0);
		chain_reset(snap);
	}
	snapshot_unref(snap);
}

/* MAIL after MAIL aborts the first; a recipient that a later stage refused is
 * not counted. */
static void
gives_back_parts(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = bob();
	struct verdict v;
	struct session *s = walk_envelope(snap, &w, &v, NULL);

	chain_mail(s, "<bob@example.org>", NULL);
	assert_used(r, "bob", 0, 0);
	chain_rcpt(s, "b@example.net");
	chain_rcpt(s, "c@example.net");
	assert_used(r, "bob", 1, 2);
	s->msg->last_rcpt->refused = true;
	s->msg->rcpt_count--;
	chain_eoh(s);
	v = chain_eom(s);
	assert_int_equal(v.action, VERDICT_NONE);
	assert_used(r, "bob", 1, 1);
	chain_end(s, &v);
	chain_close(s);
	assert_used(r, "bob", 1, 1);
	snapshot_unref(snap);
}

/* Who is counted, and as whom. */
static const struct {
	const char *name, *login, *ip, *from, *message, *account;
	bool counted;
} owners[] = {
    {"a login", "Bob", STRANGER, "<x@example.org>", PLAIN, "bob", true},
    {"a login that says the null sender", "bob", STRANGER, "<>", PLAIN, "bob",
	true},
    {"a login by loopback", "bob", "127.0.0.1", "<x@example.org>", PLAIN,
	"bob", true},
    {"a stranger", NULL, STRANGER, "<x@example.org>", PLAIN,
	"sender:x@example.org", false},
    {"a local sender", NULL, "127.0.0.1", "<x@example.org>", PLAIN,
	"sender:x@example.org", true},
    {"a local null sender", NULL, "127.0.0.1", "<>", PLAIN, "sender:<>", true},
    {"an internal host's null sender", NULL, INTERNAL, "<>", PLAIN,
	"sender:<>", true},
    {"a stranger's null sender", NULL, STRANGER, "<>", PLAIN, "sender:<>",
	false},
    {"a local script", NULL, "127.0.0.1", "<x@example.org>", PHP,
	"script:33:mail.php", true},
    {"not as its sender", NULL, "127.0.0.1", "<x@example.org>", PHP,
	"sender:x@example.org", false},
    {"a local script with the null sender", NULL, "::1", "<>", PHP,
	"script:33:mail.php", true},
    {"an internal host's sender", NULL, INTERNAL, "<x@example.org>", PLAIN,
	"sender:x@example.org", true},
    {"an internal host's script", NULL, INTERNAL, "<x@example.org>", PHP,
	"script:33:mail.php", true},
    {"and not as its sender", NULL, INTERNAL, "<x@example.org>", PHP,
	"sender:x@example.org", false},
    {"exempt by name", "boss", STRANGER, "<x@example.org>", PLAIN, "boss",
	false},
    {"exempt by domain", "A@free.example", STRANGER, "<x@y>", PLAIN,
	"a@free.example", false},
    {"without a limit", "eve", STRANGER, "<x@y>", PLAIN, "eve", false},
};

static void
whose(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r,
	    "QuotaExempt csl:boss,@free.example\n" LIMITS
	    "Quota \"EVE\" {\n Messages = none\n Recipients = none\n"
	    " Bytes = none\n}\n");

	for (size_t i = 0; i < sizeof(owners) / sizeof(*owners); i++) {
		struct walk w =
		    local(owners[i].ip, owners[i].from, owners[i].message);
		struct verdict v;

		print_message("%s\n", owners[i].name);
		w.macros[0].name = "{auth_authen}";
		w.macros[0].value = owners[i].login;
		v = send_mail(snap, &w, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_used(r, owners[i].account, owners[i].counted,
		    owners[i].counted * 2);
		chain_reset(snap);
	}
	snapshot_unref(snap);
}

/* What an internal host reserved as its sender moves to the script at the end
 * of the header. */
static void
moves(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = local(INTERNAL, "<x@example.org>", PHP);
	struct verdict v;
	struct session *s = walk_envelope(snap, &w, &v, NULL);

	assert_used(r, "sender:x@example.org", 1, 2);
	chain_header(s, "X-PHP-Originating-Script", 24, " 33:mail.php", 12);
	chain_eoh(s);
	assert_used(r, "sender:x@example.org", 0, 0);
	assert_used(r, "script:33:mail.php", 1, 2);
	chain_close(s);
	assert_used(r, "script:33:mail.php", 0, 0);
	snapshot_unref(snap);
}

/* The words of the log and of SMTP are the same for all; the actions differ. */
static const struct {
	const char *name, *conf;
	enum verdict_action action;
	int code;
	const char *xcode;
	bool at_end; /* of the message, not at RCPT */
} actions[] = {
    {"default", "", VERDICT_TEMPFAIL, 450, "4.7.1", false},
    {"450", "QuotaAction 450\n", VERDICT_TEMPFAIL, 450, "4.7.1", false},
    {"452", "QuotaAction 452\n", VERDICT_TEMPFAIL, 452, "4.7.1", false},
    {"550", "QuotaAction 550\n", VERDICT_REJECT, 550, "5.7.1", false},
    {"hold", "QuotaAction Hold\n", VERDICT_QUARANTINE, 0, NULL, true},
    {"discard", "QuotaAction discard\n", VERDICT_DISCARD, 0, NULL, true},
};

#define ONE                                                                    \
	"Quota default {\n Messages = {1/hour}\n Recipients = {9/hour}\n}\n"

static void
acts(void **state)
{
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(actions) / sizeof(*actions); i++) {
		char conf[200];
		struct snapshot *snap;
		struct walk w = bob();
		struct verdict v, rcpt_v[WALK_MAX];

		print_message("%s\n", actions[i].name);
		snprintf(conf, sizeof(conf), "%s" ONE, actions[i].conf);
		snap = load(r, conf);
		chain_reset(snap);
		send_mail(snap, &w, NULL);
		v = send_mail(snap, &w, rcpt_v);
		if (!actions[i].at_end) {
			assert_int_equal(rcpt_v[1].action, actions[i].action);
			v = rcpt_v[0];
		} else {
			assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
			assert_int_equal(rcpt_v[1].action, VERDICT_NONE);
		}
		assert_int_equal(v.action, actions[i].action);
		assert_int_equal(v.code, actions[i].code);
		if (actions[i].xcode != NULL)
			assert_string_equal(v.xcode, actions[i].xcode);
		assert_used(r, "bob", 1, 2);

		/* A login from this machine is a login. */
		w.client_ip = "127.0.0.1";
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(rcpt_v[0].action,
		    actions[i].at_end ? VERDICT_NONE : actions[i].action);

		/* A local client without one can't be told: it is held. */
		w = local(i % 2 == 0 ? "127.0.0.1" : "::1", "<x@example.org>",
		    PLAIN);
		send_mail(snap, &w, NULL);
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
		assert_int_equal(v.action, VERDICT_QUARANTINE);
		assert_used(r, "sender:x@example.org", 1, 2);

		/* Another host of ours can. */
		w.client_ip = INTERNAL;
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(actions[i].at_end ? v.action
						   : rcpt_v[0].action,
		    actions[i].action);
		assert_used(r, "sender:x@example.org", 1, 2);
		snapshot_unref(snap);
	}
}

static void
locks(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r,
	    "QuotaLockedReply 100% locked, %account%: call us\n" LIMITS);
	struct walk w = bob(), l = local("127.0.0.1", "<x@example.org>", PLAIN);
	struct verdict v;
	struct session *s;

	lock(r, "bob", true);
	lock(r, "sender:x@example.org", true);
	s = walk_envelope(snap, &w, &v, NULL);
	assert_int_equal(v.action, VERDICT_TEMPFAIL);
	assert_int_equal(v.code, 450);
	assert_string_equal(v.text, "100% locked, bob: call us");
	assert_int_equal(s->msg->rcpt_count, 0);
	chain_close(s);
	s = walk_envelope(snap, &l, &v, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	v = chain_eom(s);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_string_equal(v.text,
	    "100% locked, sender:x@example.org: call us");
	chain_close(s);
	lock(r, "bob", false);
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	snapshot_unref(snap);

	/* Being exempt does not help against a lock. */
	snap = load(r, "QuotaExempt csl:bob\n" LIMITS);
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	lock(r, "bob", true);
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_TEMPFAIL);
	snapshot_unref(snap);

	snap = load(r, "QuotaAction hold\n" LIMITS);
	lock(r, "bob", true);
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_string_equal(v.text, "bob is locked; ask your postmaster");
	chain_close(s);
	snapshot_unref(snap);
}

static const struct {
	const char *name, *param, *message;
	enum verdict_action mail, end;
	const char *words; /* in the refusal */
} sizes[] = {
    {"no SIZE", NULL, PLAIN, VERDICT_NONE, VERDICT_NONE, NULL},
    {"a SIZE that fits", "SIZE=100", PLAIN, VERDICT_NONE, VERDICT_NONE, NULL},
    {"in small letters", "size=101", PLAIN, VERDICT_TEMPFAIL, 0, "alone"},
    {"a SIZE that never fits", "SIZE=101", PLAIN, VERDICT_TEMPFAIL, 0,
	"alone"},
    {"a SIZE beyond reason", "SIZE=99999999999999999999", PLAIN,
	VERDICT_TEMPFAIL, 0, "alone"},
    {"no number", "SIZE=x", PLAIN, VERDICT_NONE, VERDICT_NONE, NULL},
    {"a small SIZE and a large mail", "SIZE=1",
	"A: b\r\n\r\n" PLAIN PLAIN PLAIN PLAIN, VERDICT_NONE, VERDICT_TEMPFAIL,
	"limit of 100 bytes in 1 hour"},
};

static void
bytes(void **state)
{
	struct room *r = *state;
	struct snapshot *snap =
	    load(r, "Quota default {\n Bytes = {100/hour}\n}\n");

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct walk w = bob();
		struct verdict v;
		struct session *s;

		print_message("%s\n", sizes[i].name);
		w.params[0] = sizes[i].param;
		w.message = sizes[i].message;
		s = walk_envelope(snap, &w, &v, NULL);
		assert_int_equal(v.action, sizes[i].mail);
		assert_int_equal(used(r, "bob", QUOTA_BYTES), 0);
		chain_close(s);
		s = walk_run(snap, &w, &v, NULL);
		assert_int_equal(v.action,
		    sizes[i].mail != VERDICT_NONE ? sizes[i].mail
						  : sizes[i].end);
		if (sizes[i].words != NULL)
			assert_non_null(strstr(v.text, sizes[i].words));
		chain_end(s, &v);
		chain_close(s);
		chain_reset(snap);
	}
	snapshot_unref(snap);
}

/* A size that is refused leaves no trace, not even of its account. */
static void
size_adds_nothing(void **state)
{
	static const char *const params[] = {"SIZE=101", "SIZE=1099511627776"};
	const struct quota_options opt = {.mode = QUOTA_READ};
	struct room *r = *state;
	struct snapshot *snap =
	    load(r, "Quota default {\n Bytes = {100/day}\n}\n");
	struct quota_state st;
	struct quota *q;

	assert_int_equal(quota_open(&q, r->table, &opt, NULL, NULL), 0);
	for (int i = 0; i < 2; i++) {
		struct walk w = bob();
		struct verdict v;
		struct session *s;

		w.params[0] = params[i];
		s = walk_envelope(snap, &w, &v, NULL);
		assert_int_equal(v.action, VERDICT_TEMPFAIL);
		assert_int_equal(quota_peek(q, "bob", NULL, &st), 0);
		assert_false(st.known);
		chain_close(s);
	}
	quota_close(q);
	snapshot_unref(snap);
}

/* With 31 of 100 octets used, 70 do not fit now, but will. */
static void
size_later(void **state)
{
	struct room *r = *state;
	struct snapshot *snap =
	    load(r, "Quota default {\n Bytes = {100/hour}\n}\n");
	struct walk w = bob();
	struct verdict v;
	struct session *s;

	send_mail(snap, &w, NULL);
	w.params[0] = "SIZE=70";
	s = walk_run(snap, &w, &v, NULL);
	assert_int_equal(v.action, VERDICT_TEMPFAIL);
	assert_non_null(strstr(v.text, "Z (in 6"));
	chain_close(s);
	w.params[0] = "SIZE=69";
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	snapshot_unref(snap);
}

static void
words(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r,
	    "QuotaReply %account%: %used% of %limit% %kind% in %window% "
	    "%retry% %minutes% 100%\n" ONE);
	struct walk w = bob();
	struct verdict v, rcpt_v[WALK_MAX];
	struct session *s;
	char want[200];

	w.macros[0].value = "b%limit%b";
	send_mail(snap, &w, NULL);
	w.at = 1795262400;
	s = walk_run(snap, &w, &v, rcpt_v);
	print_message("%s\n", rcpt_v[0].text);
	strcpy(want, "b%limit%b: 1 of 1 messages in 1 hour 2026-11-21T13:0");
	assert_memory_equal(rcpt_v[0].text, want, strlen(want));
	strcpy(want, " 100%");
	assert_string_equal(
	    rcpt_v[0].text + strlen(rcpt_v[0].text) - strlen(want), want);
	chain_close(s);
	snapshot_unref(snap);
}

static void
only_looks(void **state)
{
	struct room *r = *state;
	struct snapshot *snap;
	struct walk w = bob(), l = local("127.0.0.1", "<x@y>", PLAIN);
	struct verdict v, rcpt_v[WALK_MAX];
	struct errmsg msg;

	/* Off line without a table: judged as if nothing was sent. */
	assert_int_equal(try_load(r, LIMITS, true, NULL, &snap, &msg), 0);
	w.readonly = true;
	for (int i = 0; i < 7; i++)
		w.rcpts[i] = "b@example.net";
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(v.action, VERDICT_NONE);
	assert_int_equal(rcpt_v[4].action, VERDICT_NONE);
	assert_int_equal(rcpt_v[5].action, VERDICT_TEMPFAIL);
	assert_int_equal(access(r->table, F_OK), -1);
	snapshot_unref(snap);

	/* With one: nothing in it changes. */
	snap = load(r, LIMITS);
	w = bob();
	send_mail(snap, &w, NULL);
	w.readonly = l.readonly = true;
	for (int i = 0; i < 4; i++) {
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_int_equal(rcpt_v[1].action, VERDICT_NONE);
		v = send_mail(snap, &l, rcpt_v);
		assert_int_equal(v.action, VERDICT_NONE);
	}
	assert_used(r, "bob", 1, 2);
	assert_used(r, "sender:x@y", 0, 0);
	w.readonly = false;
	send_mail(snap, &w, NULL);
	w.readonly = true;
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
	assert_int_equal(rcpt_v[1].action, VERDICT_TEMPFAIL);
	lock(r, "sender:x@y", true);
	v = send_mail(snap, &l, NULL);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_used(r, "bob", 2, 4);
	snapshot_unref(snap);

	/* More is used than the limit now is. */
	snap = load(r, "Quota default {\n Recipients = {1/hour}\n}\n");
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
	snapshot_unref(snap);
}

/* A client without an address speaks for this machine. */
static void
waits_for_the_end_without_an_address(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "MTA local\n" ONE);
	struct walk w = local(NULL, "<x@y>", PLAIN);
	struct verdict v, rcpt_v[WALK_MAX];

	w.macros[0].name = "{daemon_name}";
	w.macros[0].value = "local";
	send_mail(snap, &w, NULL);
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	snapshot_unref(snap);
}

/* What is done over a limit, by the sections that speak for the account. */
static const struct {
	const char *name, *conf, *login, *ip, *from, *message;
	enum verdict_action action;
	int code;
	bool at_end; /* of the message, not at RCPT */
} section_actions[] = {
    {"a login's own", "Quota bob { Action = hold }\n", "bob", STRANGER,
	"<x@y>", PLAIN, VERDICT_QUARANTINE, 0, true},
    {"its own before its domain's", "Quota bob@d { Action = 551 }\n"
	"Quota \"@d\" { Action = hold }\n", "bob@d", STRANGER, "<x@y>", PLAIN,
	VERDICT_REJECT, 551, false},
    {"its domain's before the default", "Quota \"@d\" { Action = discard }\n"
	"Quota bob { Action = hold }\n", "eve@d", STRANGER, "<x@y>", PLAIN,
	VERDICT_DISCARD, 0, true},
    {"its own before QuotaAction", "QuotaAction hold\n"
	"Quota bob { Action = 452 }\n", "bob", STRANGER, "<x@y>", PLAIN,
	VERDICT_TEMPFAIL, 452, false},
    {"none of its own", "QuotaAction 553\nQuota eve { Action = hold }\n",
	"bob", STRANGER, "<x@y>", PLAIN, VERDICT_REJECT, 553, false},
    {"a login of this machine is a login", "Quota \"sender:*\" { Action = 550 }"
	"\nQuotaAction 451\n", "bob", "127.0.0.1", "<x@y>", PLAIN,
	VERDICT_TEMPFAIL, 451, false},
    {"all senders'", "Quota \"Sender:*\" { Action = 550 }\n", NULL,
	"127.0.0.1", "<x@y>", PLAIN, VERDICT_REJECT, 550, true},
    {"a sender's own before all senders'", "Quota \"sender:*\" { Action = 550 }"
	"\nQuota \"sender:x@y\" { Action = discard }\n", NULL, "127.0.0.1",
	"<X@y>", PLAIN, VERDICT_DISCARD, 0, true},
    {"all senders' before their domain's", "Quota \"@y\" { Action = 550 }\n"
	"Quota \"sender:*\" { Action = 552 }\n", NULL, INTERNAL, "<x@y>",
	PLAIN, VERDICT_REJECT, 552, false},
    {"all scripts'", "Quota \"script:*\" { Action = discard }\n", NULL,
	"127.0.0.1", "<x@y>", PHP, VERDICT_DISCARD, 0, true},
    {"scripts are no senders", "Quota \"sender:*\" { Action = 550 }\n", NULL,
	"::1", "<x@y>", PHP, VERDICT_QUARANTINE, 0, true},
    {"a local sender is held whatever its domain",
	"Quota \"@y\" { Action = 550 }\n", NULL, "127.0.0.1", "<x@y>", PLAIN,
	VERDICT_QUARANTINE, 0, true},
    {"an internal host's script", "Quota \"script:*\" { Action = hold }\n"
	"QuotaAction 550\n", NULL, INTERNAL, "<x@y>", PHP, VERDICT_QUARANTINE,
	0, true},
    {"an internal host's null sender", "QuotaAction 550\n", NULL, INTERNAL,
	"<>", PLAIN, VERDICT_QUARANTINE, 0, true},
    {"a local null sender", "QuotaAction 450\nQuota \"sender:*\" { "
	"Action = 550 }\n", NULL, "127.0.0.1", "<>", PLAIN, VERDICT_QUARANTINE,
	0, true},
    {"the null sender's own", "Quota \"sender:<>\" { Action = discard }\n",
	NULL, INTERNAL, "<>", PLAIN, VERDICT_DISCARD, 0, true},
    {"a script with the null sender", "QuotaAction 550\n", NULL, INTERNAL,
	"<>", PHP, VERDICT_QUARANTINE, 0, true},
    {"a login with the null sender", "QuotaAction 550\n", "bob", STRANGER,
	"<>", PLAIN, VERDICT_REJECT, 550, false},
};

static void
acts_by_section(void **state)
{
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(section_actions) /
	     sizeof(*section_actions); i++) {
		char conf[400];
		struct snapshot *snap;
		struct walk w = local(section_actions[i].ip,
		    section_actions[i].from, section_actions[i].message);
		struct verdict v, rcpt_v[WALK_MAX];

		print_message("%s\n", section_actions[i].name);
		snprintf(conf, sizeof(conf), "%s" ONE, section_actions[i].conf);
		snap = load(r, conf);
		chain_reset(snap);
		w.macros[0].name = "{auth_authen}";
		w.macros[0].value = section_actions[i].login;
		v = send_mail(snap, &w, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		v = send_mail(snap, &w, rcpt_v);
		if (section_actions[i].at_end)
			assert_int_equal(rcpt_v[1].action, VERDICT_NONE);
		else
			v = rcpt_v[1];
		assert_int_equal(v.action, section_actions[i].action);
		assert_int_equal(v.code, section_actions[i].code);
		snapshot_unref(snap);
	}
}

/* The null sender has limits like everybody, but is never refused: held over
 * them, locked, and when there is no room to count it. */
static void
holds_the_null_sender(void **state)
{
	static const char *const from[] = {"127.0.0.1", "::1", INTERNAL};
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAction 550\nQuotaAccounts 1\n"
	    "Quota \"sender:<>\" {\n Messages = {2/hour}\n Bytes = {1000/h}\n"
	    "}\n" ONE);
	struct walk w = local(NULL, "<>", PLAIN);
	struct verdict v, rcpt_v[WALK_MAX];

	for (int i = 0; i < 3; i++) {
		chain_reset(snap);
		w.client_ip = from[i];
		w.params[0] = "SIZE=100000";
		for (int n = 0; n < 2; n++)
			assert_int_equal(
			    send_mail(snap, &w, rcpt_v).action, VERDICT_NONE);
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
		assert_int_equal(v.action, VERDICT_QUARANTINE);
		assert_non_null(strstr(said, "sender:<> has reached its "
		    "limit of 2 messages in 1 hour"));
		assert_used(r, "sender:<>", 2, 4);
	}
	chain_reset(snap);
	lock(r, "sender:<>", true);
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_non_null(strstr(said, "sender:<> is locked"));
	lock(r, "sender:<>", false);
	/* Somebody else has the only place. */
	w = bob();
	assert_int_equal(send_mail(snap, &w, NULL).action, VERDICT_NONE);
	w = local("127.0.0.1", "<>", PLAIN);
	v = send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_non_null(strstr(said, "no room to count this account"));
	snapshot_unref(snap);
}

/* A program that makes up senders, or scripts, for each mail a new one. */
static struct verdict
flood(struct snapshot *snap, const char *ip, bool script, int n,
    struct verdict *rcpt_v_r)
{
	char from[64], message[200];
	struct walk w;

	snprintf(from, sizeof(from), "<s%d@example.org>", script ? 0 : n);
	snprintf(message, sizeof(message), "%s%d.php\r\n" PLAIN,
	    script ? "X-PHP-Originating-Script: 33:s" : "X-Number: ", n);
	w = local(ip, from, message);
	return send_mail(snap, &w, rcpt_v_r);
}

/* They share half of the table, and what is over is counted together and held
 * to the limits of that one account; logins are never in want of a place. */
static void
shares_half(void **state)
{
	static const char *const full[] = {"", "QuotaFull accept\n",
	    "QuotaAction hold\n"};
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(full) / sizeof(*full); i++) {
		char conf[300], login[32];
		struct snapshot *snap;
		struct walk w = bob();
		struct verdict v, rcpt_v[WALK_MAX];
		int held = 0;

		unlink(r->table);
		snprintf(conf, sizeof(conf), "QuotaAccounts 20\n%s"
		    "Quota \"sender:*\" {\n Messages = {4/hour}\n}\n"
		    "Quota \"sender:named@example.org\" {\n"
		    " Messages = {1/hour}\n}\n" ONE, full[i]);
		snap = load(r, conf);
		for (int n = 0; n < 5; n++)
			assert_int_equal(flood(snap, "127.0.0.1", true, n,
			    NULL).action, VERDICT_NONE);
		for (int n = 0; n < 200; n++) {
			v = flood(snap, "127.0.0.1", false, n, rcpt_v);
			assert_int_equal(rcpt_v[1].action, VERDICT_NONE);
			held += v.action == VERDICT_QUARANTINE;
		}
		/* Five of them had the rest of the half. */
		assert_int_equal(held, 200 - 5 - 4);
		assert_int_equal(used(r, "sender:*", QUOTA_MESSAGES), 4);
		assert_int_equal(used(r, "sender:s4@example.org",
		    QUOTA_MESSAGES), 1);
		assert_int_equal(used(r, "sender:s5@example.org",
		    QUOTA_MESSAGES), 0);
		/* Scripts in another, by the default's limits. */
		v = flood(snap, "127.0.0.1", true, 50, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		v = flood(snap, "127.0.0.1", true, 51, NULL);
		assert_int_equal(v.action, VERDICT_QUARANTINE);
		assert_non_null(strstr(said, "script:* has reached"));
		assert_int_equal(used(r, "script:*", QUOTA_MESSAGES), 1);
		/* Who was given a section is known, and has a place. */
		w = local("127.0.0.1", "<named@example.org>", PLAIN);
		assert_int_equal(send_mail(snap, &w, NULL).action,
		    VERDICT_NONE);
		assert_int_equal(used(r, "sender:named@example.org",
		    QUOTA_MESSAGES), 1);
		/* As have logins, and each its own. */
		w = bob();
		w.macros[0].value = login;
		for (int n = 0; n < 7; n++) {
			snprintf(login, sizeof(login), "user%d", n);
			v = send_mail(snap, &w, NULL);
			assert_int_equal(v.action, VERDICT_NONE);
			assert_used(r, login, 1, 2);
		}
		snapshot_unref(snap);
	}
}

/* Where neither the pool's section nor the default says anything of a kind, the
 * limits of the sender's own domain hold all that is counted together. */
static void
pools_have_limits(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAccounts 4\n"
	    "Quota default {\n Bytes = {1M/hour}\n}\n"
	    "Quota \"@example.org\" {\n Messages = {3/hour, 4/day}\n"
	    " Recipients = {100/hour, 100/day, 100/week}\n}\n");
	int granted = 0;

	for (int n = 0; n < 20; n++)
		granted += flood(snap, "127.0.0.1", false, n,
		    NULL).action == VERDICT_NONE;
	/* Two accounts of their own, and three in the pool. */
	assert_int_equal(granted, 5);
	assert_used(r, "sender:*", 3, 6);
	snapshot_unref(snap);
}

/* Off line mail is judged by the account that it would be charged to, and by
 * the room that there is. */
static void
looks_at_room(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAccounts 4\n"
	    "Quota \"sender:*\" {\n Messages = {1/hour}\n}\n" ONE);
	struct walk l = local("127.0.0.1", "<new@example.org>", PLAIN);
	struct walk w = bob();
	struct verdict v, rcpt_v[WALK_MAX];

	l.readonly = w.readonly = true;
	for (int n = 0; n < 3; n++) {
		v = send_mail(snap, &l, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_int_equal(flood(snap, "127.0.0.1", false, n,
		    NULL).action, VERDICT_NONE);
	}
	assert_used(r, "sender:*", 1, 2);
	v = send_mail(snap, &l, NULL);
	assert_int_equal(v.action, VERDICT_QUARANTINE);
	assert_non_null(strstr(said, "sender:* has reached"));
	assert_int_equal(send_mail(snap, &w, NULL).action, VERDICT_NONE);
	/* The table is full with a login's place. */
	w.readonly = false;
	w.macros[0].value = "eve";
	assert_int_equal(send_mail(snap, &w, NULL).action, VERDICT_NONE);
	w.readonly = true;
	w.macros[0].value = "bob";
	send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
	assert_non_null(strstr(said, "No room"));
	assert_used(r, "bob", 0, 0);
	snapshot_unref(snap);
}

/* The same from another host, where recipients are refused one by one: what was
 * reserved in one account and then in the pool is counted once. */
static void
pools_recipients(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAccounts 3\n"
	    "Quota default {\n Messages = {2/hour}\n Recipients = {5/hour}\n"
	    "}\n");
	struct verdict v, rcpt_v[WALK_MAX];

	assert_int_equal(flood(snap, INTERNAL, false, 0, NULL).action,
	    VERDICT_NONE);
	for (int n = 1; n < 3; n++) {
		v = flood(snap, INTERNAL, false, n, rcpt_v);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_int_equal(rcpt_v[1].action, VERDICT_NONE);
		assert_used(r, "sender:*", (uint64_t)n, 2 * (uint64_t)n);
	}
	flood(snap, INTERNAL, false, 3, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
	assert_non_null(strstr(said, "sender:* has reached"));
	assert_used(r, "sender:*", 2, 4);
	snapshot_unref(snap);
}

static void
reloads(void **state)
{
	struct room *r = *state;
	struct snapshot *old = load(r, ONE), *snap = NULL;
	struct walk w = bob();
	struct verdict v, rcpt_v[WALK_MAX];
	struct session *s;
	struct errmsg msg = {.text = ""};

	send_mail(old, &w, NULL);
	/* A session that began before goes on with what it had. */
	s = walk_envelope(old, &w, &v, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
	chain_close(s);
	if (try_load(r, "QuotaAccounts 30000\nQuota default {\n"
			" Messages = {2/hour, 3/day}\n"
			" Recipients = {9/hour}\n}\n",
		false, old, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_used(r, "bob", 1, 2);
	send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_NONE);
	send_mail(snap, &w, rcpt_v);
	assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
	/* The file is removed while both are in use: nothing is forgotten. */
	unlink(r->table);
	snapshot_unref(old);
	old = snap;
	if (try_load(r, ONE, false, old, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	assert_int_equal(used(r, "bob", QUOTA_MESSAGES), 2);
	snapshot_unref(old);
	chain_reset(snap);
	assert_used(r, "bob", 0, 0);
	snapshot_unref(snap);
}

/* A message to so many; how many of them were taken. */
static int
to_so_many(struct snapshot *snap, const char *login, int rcpts)
{
	struct walk w = bob();
	struct verdict rcpt_v[WALK_MAX];
	int taken_ = 0;

	w.macros[0].value = login;
	for (int i = 0; i < rcpts; i++)
		w.rcpts[i] = "b@example.net";
	w.rcpts[rcpts] = NULL;
	send_mail(snap, &w, rcpt_v);
	for (int i = 0; i < rcpts; i++)
		taken_ += rcpt_v[i].action == VERDICT_NONE;
	return taken_;
}

#define SUMS                                                                   \
	"Quota default {\n Recipients = {4/hour}\n}\n"                          \
	"QuotaTotal \"@Example.ORG.\" {\n Recipients = {5/hour}\n}\n"           \
	"QuotaTotal * {\n Recipients = {7/hour}\n}\n"                           \
	"QuotaExempt free@example.org\n"

/* Accounts together are held to what their domain and the server may. */
static void
sums(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, SUMS), *old;
	struct walk w = bob();
	struct verdict v;
	struct session *s;
	struct errmsg msg = {.text = ""};

	assert_int_equal(to_so_many(snap, "ann@example.org", 2), 2);
	assert_int_equal(to_so_many(snap, "bob@example.org", 2), 2);
	assert_int_equal(to_so_many(snap, "ann@example.org", 2), 1);
	assert_non_null(strstr(said, "@example.org has reached its limit of 5 "
	    "recipients in 1 hour"));
	assert_int_equal(used(r, "ann@example.org", QUOTA_RECIPIENTS), 3);
	assert_int_equal(used(r, "@example.org", QUOTA_RECIPIENTS), 5);
	/* Who is exempt is in no sum; a login that looks like one is none. */
	assert_int_equal(to_so_many(snap, "free@example.org", 4), 4);
	assert_int_equal(used(r, "*", QUOTA_RECIPIENTS), 5);
	assert_int_equal(to_so_many(snap, "*", 1), 1);
	assert_int_equal(used(r, "login:*", QUOTA_RECIPIENTS), 1);
	/* Another domain has room, and the server not for long. */
	assert_int_equal(to_so_many(snap, "cy@example.net", 3), 1);
	assert_non_null(strstr(said, "This server has reached its limit of 7"));
	/* With other sums. */
	old = snap;
	if (try_load(r, "Quota default {\n Recipients = {4/hour}\n}\n"
	    "QuotaTotal @example.org {\n Recipients = {6/hour}\n}\n", false,
	    old, &snap, &msg) != 0)
		fail_msg("%s", msg.text);
	snapshot_unref(old);
	assert_int_equal(to_so_many(snap, "bob@example.org", 2), 1);
	w.macros[0].value = "cy@example.org";
	w.rcpts[1] = NULL;
	lock(r, "@example.org", true);
	assert_int_equal(send_mail(snap, &w, NULL).action, VERDICT_TEMPFAIL);
	assert_string_equal(said,
	    "@example.org is locked; ask your postmaster");
	lock(r, "@example.org", false);
	chain_reset(snap);
	s = walk_run(snap, &w, &v, NULL);
	assert_string_equal(buf_text(&s->msg->notes),
	    " quota=recipients/1h:1/4,@example.org:recipients/1h:1/6");
	chain_end(s, &v);
	chain_close(s);
	snapshot_unref(snap);
}

/* Senders count in the domain that they name, also when there is no place for
 * an account of their own. */
static void
sums_of_senders(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAccounts 3\n"
	    "QuotaTotal @example.org {\n Messages = {3/hour}\n}\n"
	    "Quota default {\n Messages = {9/hour}\n}\n");
	const char *const from[] = {"<a@example.org>", "<b@example.org>",
	    "<c@example.org>", "<d@example.org>"};

	for (unsigned i = 0; i < 4; i++) {
		struct walk w = local("127.0.0.1", from[i], PLAIN);
		struct verdict v = send_mail(snap, &w, NULL);

		assert_int_equal(v.action,
		    i < 3 ? VERDICT_NONE : VERDICT_QUARANTINE);
	}
	assert_int_equal(used(r, "@example.org", QUOTA_MESSAGES), 3);
	assert_int_equal(used(r, "sender:*", QUOTA_MESSAGES), 2);
	snapshot_unref(snap);
}

/* No mail waits until a table has been moved. */
static void
mends_beside_the_mail(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS);
	struct walk w = bob();

	send_mail(snap, &w, NULL);
	unlink(r->table);
	send_mail(snap, &w, NULL);
	assert_int_equal(access(r->table, F_OK), -1);
	assert_in_range(chain_tick(snap), 1, 60000);
	assert_used(r, "bob", 2, 4);
	snapshot_unref(snap);
}

/* More accounts than there is room for. */
static void
fills(void **state)
{
	static const struct {
		const char *conf;
		enum verdict_action action;
	} cases[] = {{"", VERDICT_TEMPFAIL},
	    {"QuotaFull tempfail\n", VERDICT_TEMPFAIL},
	    {"QuotaFull accept\n", VERDICT_NONE}};
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char conf[200], login[32];
		struct snapshot *snap;
		struct walk w = bob();
		struct verdict v, rcpt_v[WALK_MAX];
		int n = 0;

		unlink(r->table);
		snprintf(conf, sizeof(conf), "QuotaAccounts 1\n%s" ONE,
		    cases[i].conf);
		snap = load(r, conf);
		w.macros[0].value = login;
		do {
			snprintf(login, sizeof(login), "user%d", n);
			v = send_mail(snap, &w, rcpt_v);
		} while (used(r, login, QUOTA_MESSAGES) == 1 && ++n < 5000);
		assert_in_range(n, 1, 4999);
		assert_int_equal(rcpt_v[0].action, cases[i].action);
		/* Those that have a place are judged as ever. */
		w.macros[0].value = "user0";
		v = send_mail(snap, &w, rcpt_v);
		assert_int_equal(rcpt_v[0].action, VERDICT_TEMPFAIL);
		(void)v;
		snapshot_unref(snap);
	}
}

static const struct {
	const char *name, *conf, *words;
} mistakes[] = {
    {"a limit that is none", "Quota default {\n Messages = {20/fortnight}\n}\n",
	":5: Messages: expected a window"},
    {"the same window twice",
	"Quota default {\n Messages = {2/hour, 3/60min}\n}\n",
	":4: Quota: Messages: expected one limit for each window"},
    {"two titles for one account",
	"QuotaRealm example.org\nQuota bob {\n Messages = 1/h\n}\n"
	"Quota BOB@example.org {\n Messages = 2/h\n}\n",
	"expected one section"},
    {"too many limits",
	"Quota default {\n Messages = {1/h, 2/d}\n Recipients = {1/h, 2/d}\n"
	"}\nQuota bob {\n Recipients = {1/m, 2/h, 3/d, 4/w}\n"
	" Bytes = {1/h, 2/d, 3/w}\n}\n",
	"Quota bob: expected at most 8 limits"},
    {"an action that is none", "QuotaAction 250\n" ONE,
	":4: QuotaAction: expected hold, discard, or a reply code"},
    {"4xx by letter", "QuotaAction 4xx\n" ONE, "QuotaAction: expected"},
    {"a placeholder that is none", "QuotaReply %bogus% text\n" ONE,
	":4: QuotaReply: expected no placeholders but %account%"},
    {"a reply beyond ASCII", "QuotaLockedReply gesperrt f\xc3\xbcr heute\n" ONE,
	"QuotaLockedReply: expected a text in ASCII"},
    {"no accounts", "QuotaAccounts 0\n" ONE, "QuotaAccounts: "},
    {"a table that can't be", "QuotaTable /proc/no/such/quota\n" ONE,
	"QuotaTable: /proc/no/such/quota"},
    {"an action of a section that is none",
	"Quota bob {\n Action = bounce\n}\n",
	":5: Action: expected hold, discard, or a reply code"},
    {"a refusal of the null sender",
	"Quota \"sender:<>\" {\n Action = 550\n}\n",
	":4: Quota: Action: expected hold or discard"},
    {"a total of an account",
	"QuotaTotal bob {\n Messages = 1/h\n}\n",
	":4: QuotaTotal: expected @ and a domain, or * for all accounts"},
    {"a total of no domain",
	"QuotaTotal @a@b {\n Messages = 1/h\n}\n",
	":4: QuotaTotal: \"@a@b\": expected @ and a domain"},
    {"two totals of one domain",
	"QuotaTotal @a.example {\n Messages = 1/h\n}\n"
	"QuotaTotal @A.example. {\n Messages = 1/h\n}\n",
	"QuotaTotal: expected one section for @a.example"},
    {"a total with a mistake",
	"QuotaTotal * {\n Messages = {1/h, 2/60min}\n}\n",
	":4: QuotaTotal: Messages: expected one limit for each window"},
    {"a total with an action",
	"QuotaTotal * {\n Action = hold\n}\n", "Action"},
    {"exempt by a missing file", "QuotaExempt file:/no/such/file\n" ONE,
	":4: QuotaExempt: /no/such/file"},
};

static void
refuses_mistakes(void **state)
{
	struct room *r = *state;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
		struct snapshot *snap;
		struct errmsg msg = {.text = ""};

		print_message("%s\n", mistakes[i].name);
		assert_int_not_equal(
		    try_load(r, mistakes[i].conf, false, NULL, &snap, &msg), 0);
		print_message("  %s\n", msg.text);
		assert_non_null(strstr(msg.text, mistakes[i].words));
	}
}

/* The key of this author is in a file that is not there; what the admin lets
 * pass without that check is counted all the same. */
static void
counts_what_could_not_be_signed(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, LIMITS
	    "On-InternalError accept\nSigningTable *=k\n"
	    "KeyTable k=%:s:/no/such/directory/%\n");
	struct walk w = bob();
	struct verdict v;

	for (int i = 0; i < 2; i++) {
		v = send_mail(snap, &w, NULL);
		assert_int_equal(v.action, VERDICT_NONE);
		assert_used(r, "bob", i + 1, 2 * (i + 1));
	}
	w.rcpts[1] = NULL;
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_NONE);
	lock(r, "bob", true);
	v = send_mail(snap, &w, NULL);
	assert_int_equal(v.action, VERDICT_TEMPFAIL);
	snapshot_unref(snap);
}

/* What is held for its quota is held, whatever fails behind. */
static void
holds_what_could_not_be_signed(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r,
	    "Quota default {\n Messages = {0/hour}\n}\nQuotaAction hold\n"
	    "On-InternalError accept\nSigningTable *=k\n"
	    "KeyTable k=%:s:/no/such/directory/%\n");
	struct walk w = bob();

	assert_int_equal(
	    send_mail(snap, &w, NULL).action, VERDICT_QUARANTINE);
	snapshot_unref(snap);
}

/* Without a section there is no stage, and no table. */
static void
off(void **state)
{
	struct room *r = *state;
	struct snapshot *snap = load(r, "QuotaAccounts 100\n");
	struct walk w = bob();
	struct verdict v = send_mail(snap, &w, NULL);

	assert_int_equal(v.action, taken.action);
	assert_int_equal(access(r->table, F_OK), -1);
	snapshot_unref(snap);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(counts),
	    TEST(refuses_recipients),
	    TEST(says_when),
	    TEST(gives_back),
	    TEST(gives_back_parts),
	    TEST(whose),
	    TEST(moves),
	    TEST(acts),
	    TEST(locks),
	    TEST(bytes),
	    TEST(size_adds_nothing),
	    TEST(size_later),
	    TEST(words),
	    TEST(only_looks),
	    TEST(waits_for_the_end_without_an_address),
	    TEST(acts_by_section),
	    TEST(holds_the_null_sender),
	    TEST(shares_half),
	    TEST(pools_have_limits),
	    TEST(looks_at_room),
	    TEST(pools_recipients),
	    TEST(reloads),
	    TEST(sums),
	    TEST(sums_of_senders),
	    TEST(mends_beside_the_mail),
	    TEST(fills),
	    TEST(refuses_mistakes),
	    TEST(counts_what_could_not_be_signed),
	    TEST(holds_what_could_not_be_signed),
	    TEST(off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
