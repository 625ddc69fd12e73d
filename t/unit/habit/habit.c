/*
 * Evidence: each kind where it is due, and its neighbour where it is not; what
 * outsiders can do; alerts, locks, and how much is kept.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include "lib/habit/habit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/err.h"
#include "t/support/drivers/test.h"

#define START INT64_C(1700006400000) /* midnight, UTC */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define TODAY (START + 8 * DAY)
#define BOB "bob@example.org"
#define FORM "script:/www/form.php"
#define CANARY "canary@example.net"

static bool
is_canary(void *ctx, const char *address)
{
	(void)ctx;
	return strcmp(address, CANARY) == 0;
}

static struct habit *
open_with(const struct habit_options *opt)
{
	struct habit *h = NULL;

	assert_int_equal(habit_open_memory(&h, opt), 0);
	return h;
}

static void
defaults(struct habit_options *opt)
{
	habit_defaults(opt);
	opt->alert_score = 5;
	opt->alert_every = 86400;
	opt->is_canary = is_canary;
}

static struct habit *
open_habit(void)
{
	struct habit_options opt;

	defaults(&opt);
	return open_with(&opt);
}

/* Recipients of a mail: a pattern with a number, from first on. */
struct names {
	char text[64][40];
	const char *list[64];
};

static const char *const *
name(struct names *n, const char *pattern, int first, size_t count)
{
	assert_true(count <= 64);
	for (size_t i = 0; i < count; i++) {
		snprintf(n->text[i], sizeof(n->text[i]), pattern,
		    first + (int)i);
		n->list[i] = n->text[i];
	}
	return n->list;
}

#define FRIEND "friend%d@example.com"
#define STRANGER "stranger%d@example.net"

static int serial; /* of strangers and queue ids */

/* An ordinary mail of the account; the caller changes what it is about. */
static struct habit_event
mail_of(const char *account, int64_t t)
{
	return (struct habit_event){.t = t, .outbound = true,
	    .account = account, .from = account, .client = "192.0.2.7",
	    .helo = "laptop", .bytes = 4000};
}

static struct habit_result
send(struct habit *h, const struct habit_event *e)
{
	struct habit_result r;

	assert_int_equal(habit_event(h, e, &r), 0);
	assert_true(isfinite(r.score) && r.score >= 0);
	return r;
}

/* `count` recipients of a pattern: strangers are always others. */
static struct habit_result
send_to(struct habit *h, struct habit_event *e, const char *pattern,
    int first, size_t count)
{
	struct names n;

	e->rcpts = name(&n, pattern, first, count);
	e->rcpt_count = count;
	return send(h, e);
}

static struct habit_result
send_strangers(struct habit *h, struct habit_event *e, size_t count)
{
	serial += (int)count;
	return send_to(h, e, STRANGER, serial, count);
}

/* Eight days of ten mails to friends and one to a stranger, from 9 to 17. */
static void
live(struct habit *h, const char *account)
{
	for (int64_t day = 0; day < 8; day++) {
		for (int i = 0; i < 10; i++) {
			struct habit_event e = mail_of(account,
			    START + day * DAY + 9 * HOUR + i * 48 * MINUTE);

			send_to(h, &e, FRIEND, i, 1);
			if (i == 5)
				send_strangers(h, &e, 1);
		}
	}
}

static struct habit *
open_lived(void)
{
	struct habit *h = open_habit();

	live(h, BOB);
	return h;
}

/* The points of a kind against the account, as things stand. */
static double
points(struct habit *h, const char *account, enum habit_kind kind)
{
	struct habit_result r;

	habit_look(h, account, &r);
	for (size_t i = 0; i < r.count; i++) {
		assert_true(r.evidence[i].words[0] != '\0');
		if (r.evidence[i].kind == kind)
			return r.evidence[i].points;
	}
	return 0;
}

/* -- kinds -- */

static void
nothing_ordinary(void **state)
{
	struct habit *h = open_lived();
	struct habit_result r;

	(void)state;
	habit_look(h, BOB, &r);
	assert_true(r.score < 0.5);
	habit_close(h);
}

/* From where, to whom, under which name. */
static struct habit *
moved(const char *client, const char *helo, bool strangers, uint64_t bytes)
{
	struct habit *h = open_lived();

	for (int i = 0; i < 9; i++) {
		struct habit_event e =
		    mail_of(BOB, TODAY + 10 * HOUR + i * 5 * MINUTE);

		e.client = client;
		e.helo = helo;
		e.bytes = bytes;
		if (strangers)
			send_strangers(h, &e, 1);
		else
			send_to(h, &e, FRIEND, i, 1);
	}
	return h;
}

static void
networks_and_strangers(void **state)
{
	struct habit *h = moved("203.0.113.9", "laptop", true, 4000);

	(void)state;
	assert_true(points(h, BOB, HABIT_NETWORKS) > 2);
	assert_true(points(h, BOB, HABIT_STRANGERS) > 1.5);
	assert_true(points(h, BOB, HABIT_HELO) == 0);
	assert_true(points(h, BOB, HABIT_PROBE) == 0);
	habit_close(h);
	/* On a journey, to friends. */
	h = moved("203.0.113.9", "laptop", false, 4000);
	assert_true(points(h, BOB, HABIT_NETWORKS) == 0);
	assert_true(points(h, BOB, HABIT_STRANGERS) == 0);
	habit_close(h);
	/* At home, to strangers. */
	h = moved("192.0.2.99", "laptop", true, 4000);
	assert_true(points(h, BOB, HABIT_NETWORKS) == 0);
	assert_true(points(h, BOB, HABIT_STRANGERS) > 1.5);
	habit_close(h);
}

static void
a_network_of_everybody(void **state)
{
	struct habit *h = open_habit();
	char account[32];

	(void)state;
	live(h, BOB);
	for (int i = 0; i < 6; i++) {
		struct habit_event e = mail_of(account, TODAY);

		snprintf(account, sizeof(account), "u%d@example.org", i);
		e.client = "203.0.113.9";
		send_to(h, &e, FRIEND, i, 1);
	}
	for (int i = 0; i < 9; i++) {
		struct habit_event e = mail_of(BOB, TODAY + i * MINUTE);

		e.client = "203.0.113.200";
		send_strangers(h, &e, 1);
	}
	assert_true(points(h, BOB, HABIT_NETWORKS) == 0);
	habit_close(h);
}

static void
helo(void **state)
{
	struct habit *h = moved("203.0.113.9", "User", true, 4000);

	(void)state;
	assert_true(points(h, BOB, HABIT_HELO) > 1);
	habit_close(h);
	/* A new computer where the account always was. */
	h = moved("192.0.2.7", "User", true, 4000);
	assert_true(points(h, BOB, HABIT_HELO) == 0);
	habit_close(h);
}

static void
probe(void **state)
{
	struct habit *h = moved("203.0.113.9", "laptop", true, 549);

	(void)state;
	assert_true(points(h, BOB, HABIT_PROBE) > 0);
	habit_close(h);
	h = moved("192.0.2.7", "laptop", true, 549);
	assert_true(points(h, BOB, HABIT_PROBE) == 0);
	habit_close(h);
}

/* An account without a past, from a new network with each mail; from few. */
static void
crowded(void **state)
{
	(void)state;
	for (int nets = 3; nets <= 12; nets += 9) {
		struct habit *h = open_habit();

		for (int i = 0; i < 24; i++) {
			struct habit_event e =
			    mail_of(BOB, TODAY + i * MINUTE);
			char client[20];

			snprintf(client, sizeof(client), "198.18.%d.1",
			    i % nets);
			e.client = client;
			send_strangers(h, &e, 1);
		}
		assert_true((points(h, BOB, HABIT_NETWORKS) > 2.5) ==
		    (nets > 3));
		assert_true((points(h, BOB, HABIT_NETWORKS) == 0) ==
		    (nets == 3));
		habit_close(h);
	}
}

/* Who has written to the account with proof is no stranger to it. */
static void
answers(void **state)
{
	(void)state;
	for (int proved = 0; proved < 2; proved++) {
		struct habit *h = open_lived();

		for (int i = 0; i < 9; i++) {
			const char *to[] = {"Bob@Example.ORG"};
			char from[40];
			struct habit_event in = {.t = TODAY + i * MINUTE,
			    .from = from, .rcpts = to, .rcpt_count = 1,
			    .proved = proved};
			struct habit_event e = mail_of(BOB, in.t + 1000);

			snprintf(from, sizeof(from), "asks%d@example.net", i);
			send(h, &in);
			from[0] = 'A';
			e.rcpts = (const char *[]){from};
			e.rcpt_count = 1;
			send(h, &e);
		}
		assert_true(proved == (points(h, BOB, HABIT_STRANGERS) == 0));
		habit_close(h);
	}
}

static void
burst_and_bulk(void **state)
{
	struct habit *h;

	(void)state;
	for (int how = 0; how < 4; how++) {
		h = open_lived();
		for (int i = 0; i < 130; i++) {
			/* Within an hour; over a day; other subjects; friends. */
			struct habit_event e = mail_of(BOB, TODAY + i *
			    (how == 1 ? 11 * MINUTE : 20000));
			char subject[20];

			snprintf(subject, sizeof(subject), "hello %d",
			    how == 2 ? i : 0);
			e.subject = subject;
			if (how == 3)
				send_to(h, &e, FRIEND, i % 10, 1);
			else
				send_strangers(h, &e, 1);
		}
		assert_true(
		    (points(h, BOB, HABIT_BURST) > 0.8) == (how != 1));
		assert_true(
		    (points(h, BOB, HABIT_BULK) > 0.3) == (how < 2));
		habit_close(h);
	}
}

/* A newsletter that was one from the start. */
static void
newsletter(void **state)
{
	(void)state;
	for (int bulk = 0; bulk < 2; bulk++) {
		struct habit *h = open_habit();
		struct habit_result r;

		for (int i = 0; i < 400; i++) {
			struct habit_event e =
			    mail_of("news@example.org", START + i * 1000);

			e.bulk = bulk;
			e.subject = "news";
			send_strangers(h, &e, 1);
		}
		habit_look(h, "news@example.org", &r);
		assert_true(bulk ? r.score == 0 : r.score > 3);
		habit_close(h);
	}
}

static void
refused(void **state)
{
	struct habit *h = open_lived();
	struct habit_event e = mail_of(BOB, TODAY);
	const char *bad[] = {"no1@example.net", "no2@example.net"};

	(void)state;
	e.refused = bad;
	e.refused_count = 1;
	send_to(h, &e, FRIEND, 0, 10);
	assert_true(points(h, BOB, HABIT_REFUSED) < 1);
	e.refused_count = 2;
	for (int i = 0; i < 4; i++)
		send_to(h, &e, FRIEND, 0, 1);
	assert_true(points(h, BOB, HABIT_REFUSED) > 1.9);
	habit_close(h);
}

static void
spam(void **state)
{
	(void)state;
	for (int is = 0; is < 2; is++) {
		struct habit *h = open_lived();

		for (int i = 0; i < 4; i++) {
			struct habit_event e = mail_of(BOB, TODAY + i);

			e.has_score = true;
			e.score = is ? 5 : 4.9;
			send_to(h, &e, FRIEND, 0, 1);
		}
		assert_true(points(h, BOB, HABIT_SPAM) == (is ? 3 : 0));
		habit_close(h);
	}
}

static void
from(void **state)
{
	(void)state;
	for (int others = 1; others <= 8; others *= 8) {
		struct habit *h = open_lived();

		for (int i = 0; i < 8; i++) {
			struct habit_event e = mail_of(BOB, TODAY + i);
			char sender[40];

			snprintf(sender, sizeof(sender), "x%d@example.org",
			    i % others);
			e.from = sender;
			send_to(h, &e, FRIEND, 0, 1);
		}
		assert_true((points(h, BOB, HABIT_FROM) > 1.9) == (others > 1));
		habit_close(h);
	}
}

static void
night(void **state)
{
	(void)state;
	for (int hour = 1; hour < 12; hour += 9) {
		struct habit *h = open_lived();

		for (int i = 0; i < 4; i++) {
			struct habit_event e =
			    mail_of(BOB, TODAY + (hour + i) * HOUR);

			send_to(h, &e, FRIEND, 0, 1);
		}
		assert_true((points(h, BOB, HABIT_NIGHT) > 0.2) == (hour < 9));
		habit_close(h);
	}
}

static void
script(void **state)
{
	(void)state;
	for (size_t n = 2; n <= 22; n += 20) {
		struct habit *h = open_habit();
		struct habit_event e;

		for (int day = 0; day < 6; day++) {
			e = mail_of(FORM, START + day * DAY);
			e.client = "127.0.0.1";
			send_strangers(h, &e, 1);
		}
		e = mail_of(FORM, TODAY);
		e.client = "127.0.0.1";
		send_strangers(h, &e, n);
		assert_true((points(h, FORM, HABIT_SCRIPT) > 3) == (n > 2));
		habit_close(h);
	}
}

static void
canary(void **state)
{
	struct habit *h = open_lived();
	struct habit_event e = mail_of(BOB, TODAY);
	struct habit_result r;

	(void)state;
	e.rcpts = (const char *[]){"canary2@example.net"};
	e.rcpt_count = 1;
	assert_false(send(h, &e).alert);
	assert_true(points(h, BOB, HABIT_CANARY) == 0);
	e.rcpts = (const char *[]){CANARY};
	r = send(h, &e);
	assert_true(r.alert);
	assert_int_equal(r.evidence[0].kind, HABIT_CANARY);
	habit_close(h);
}

static void
campaign(void **state)
{
	(void)state;
	for (int accounts = 2; accounts <= 3; accounts++) {
		struct habit *h = open_habit();
		char account[40];

		for (int i = 0; i < accounts; i++) {
			snprintf(account, sizeof(account), "c%d@example.org",
			    i);
			live(h, account);
		}
		for (int i = 0; i < accounts * 4; i++) {
			struct habit_event e = mail_of(account, TODAY + i);

			snprintf(account, sizeof(account), "c%d@example.org",
			    i % accounts);
			e.subject = "Your invoice";
			send_strangers(h, &e, 1);
		}
		assert_true((points(h, account, HABIT_CAMPAIGN) > 0) ==
		    (accounts == 3));
		habit_close(h);
	}
}

static void
quota(void **state)
{
	struct habit *h = open_lived();
	struct habit_event e = mail_of(BOB, TODAY);

	(void)state;
	e.quota = 0.79;
	send_to(h, &e, FRIEND, 0, 1);
	assert_true(points(h, BOB, HABIT_QUOTA) == 0);
	e.quota = 0.8;
	e.quota_words = "160 of 200 messages in 1 hour";
	send_to(h, &e, FRIEND, 0, 1);
	assert_true(points(h, BOB, HABIT_QUOTA) == 0.5);
	e.quota = 1;
	send_to(h, &e, FRIEND, 0, 1);
	assert_true(points(h, BOB, HABIT_QUOTA) == 1);
	habit_close(h);
}

/* -- outsiders -- */

/* One mail with a queue id to an outsider, and what he makes of it. */
static void
outsider(struct habit *h, int64_t t, const char *id, bool foreign, int times)
{
	struct habit_event e = mail_of(BOB, t);
	struct habit_event back = {.t = t + 1000, .from = ""};
	struct habit_result r;

	e.queue_id = id;
	send_to(h, &e, FRIEND, 0, 1);
	back.about = foreign ? "0000000000" : id;
	for (int i = 0; i < times; i++) {
		back.complaint = false;
		r = send(h, &back);
		assert_false(r.alert || r.locked);
		back.complaint = true;
		r = send(h, &back);
		assert_false(r.alert || r.locked);
	}
}

static void
bounces_and_complaints(void **state)
{
	struct habit *h = open_lived();
	char id[16];

	(void)state;
	/* Again and again for one mail to one recipient: each counts once. */
	outsider(h, TODAY, "AAAA", false, 50);
	assert_true(points(h, BOB, HABIT_BOUNCES) < 0.6);
	assert_true(points(h, BOB, HABIT_COMPLAINT) > 0);
	assert_true(points(h, BOB, HABIT_COMPLAINT) < 0.6);
	/* About mail of others. */
	habit_close(h);
	h = open_lived();
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "B%d", i);
		outsider(h, TODAY + i * MINUTE, id, true, 3);
	}
	assert_true(points(h, BOB, HABIT_BOUNCES) == 0);
	assert_true(points(h, BOB, HABIT_COMPLAINT) == 0);
	habit_close(h);
}

/* Whoever gets a lot of mail, and knows all ids, can't lock, nor make an alert
 * alone: he has half of it at most. */
static void
attack(void **state)
{
	struct habit_options opt;
	struct habit *h;
	struct habit_result r;
	char id[16];

	(void)state;
	defaults(&opt);
	opt.lock_score = 0.1;
	opt.lock_kinds = ~0U;
	opt.weight[HABIT_BOUNCES] = opt.weight[HABIT_COMPLAINT] = 100;
	opt.weight[HABIT_BURST] = 0; /* of what the account sends itself */
	h = open_with(&opt);
	live(h, BOB);
	habit_unlock(h, BOB); /* for the stranger of each day */
	for (int i = 0; i < 200; i++) {
		snprintf(id, sizeof(id), "C%d", i);
		outsider(h, TODAY + 9 * HOUR + i * 2 * MINUTE, id,
		    false, 3);
	}
	habit_look(h, BOB, &r);
	assert_true(r.score > 1 && r.score <= opt.alert_score / 2 + 0.5);
	assert_true(points(h, BOB, HABIT_BOUNCES) +
		points(h, BOB, HABIT_COMPLAINT) <= opt.alert_score / 2);
	assert_false(habit_is_locked(h, BOB, TODAY + 2 * DAY));
	habit_close(h);
}

/* A canary that writes to the account does not get it locked by the answer. */
static void
lured(void **state)
{
	struct habit_options opt;

	(void)state;
	defaults(&opt);
	opt.lock_score = 5;
	opt.lock_kinds = 1U << HABIT_CANARY;
	for (int lures = 0; lures < 2; lures++) {
		struct habit *h = open_with(&opt);
		struct habit_event e = mail_of(BOB, TODAY + HOUR);
		struct habit_event in = {.t = TODAY, .from = CANARY,
		    .rcpts = (const char *[]){BOB}, .rcpt_count = 1};

		live(h, BOB);
		if (lures)
			send(h, &in);
		e.rcpts = (const char *[]){CANARY};
		e.rcpt_count = 1;
		assert_int_equal(send(h, &e).locked, !lures);
		assert_int_equal(
		    habit_is_locked(h, BOB, TODAY + HOUR), !lures);
		habit_close(h);
	}
}

/* -- alerts, locks, habit -- */

static struct habit_result
attack_of_bot(struct habit *h, int64_t t, bool stopped)
{
	struct habit_event e = mail_of(BOB, t);

	e.client = "203.0.113.9";
	e.helo = "User";
	e.stopped = stopped;
	return send_strangers(h, &e, 1);
}

static void
alert_once_a_day(void **state)
{
	struct habit *h = open_lived();
	int64_t first = 0;

	(void)state;
	for (int i = 0; i < 30 * 60; i++) {
		int64_t t = TODAY + i * MINUTE;
		struct habit_result r = attack_of_bot(h, t, false);

		if (first != 0 && t < first + DAY)
			assert_false(r.alert);
		else if (first != 0)
			assert_true(r.alert);
		if (r.alert && first != 0)
			break;
		if (r.alert) {
			assert_true(r.score >= 5);
			assert_true(i < 12);
			assert_int_equal(r.since, TODAY);
			first = t;
		}
	}
	assert_true(first != 0);
	habit_close(h);
}

/* What is stopped is evidence, but whoever it was to stays a stranger. */
static void
stopped_is_no_habit(void **state)
{
	struct habit *h = open_lived();
	struct habit_event e = mail_of(BOB, TODAY);
	struct habit_result r;

	(void)state;
	e.client = "203.0.113.9";
	e.stopped = true;
	for (int i = 0; i < 9; i++)
		r = send_to(h, &e, "same%d@example.net", 0, 1);
	assert_true(r.score > 4);
	habit_close(h);
}

static void
locks(void **state)
{
	struct habit_options opt;
	struct habit *h;
	char account[HABIT_ACCOUNT_MAX + 1];
	int64_t t = TODAY;

	(void)state;
	defaults(&opt);
	opt.lock_score = 5;
	opt.lock_for = 3600;
	h = open_with(&opt);
	live(h, BOB);
	while (!attack_of_bot(h, t, false).locked)
		t += MINUTE;
	assert_true(t < TODAY + 15 * MINUTE);
	assert_true(habit_is_locked(h, BOB, t));
	assert_false(attack_of_bot(h, t + 1, true).locked);
	assert_false(habit_next_unlocked(h, t + HOUR - 1, account));
	assert_true(habit_next_unlocked(h, t + HOUR, account));
	assert_string_equal(account, BOB);
	assert_false(habit_next_unlocked(h, t + HOUR, account));
	assert_false(habit_is_locked(h, BOB, t + HOUR));
	/* It goes on: locked again. */
	while (t < TODAY + DAY && !attack_of_bot(h, t, false).locked)
		t += MINUTE;
	assert_true(habit_is_locked(h, BOB, t));
	habit_unlock(h, BOB);
	assert_false(habit_is_locked(h, BOB, t));
	habit_close(h);
}

/* A new account writes to many for the first time, under its first name, from
 * its first network. */
static void
newcomer(void **state)
{
	struct habit *h = open_lived();

	(void)state;
	for (int i = 0; i < 35; i++) {
		struct habit_event e = mail_of(
		    "new@example.org", TODAY + 9 * HOUR + i * 3 * MINUTE);

		e.client = "198.51.100.4";
		assert_true(send_strangers(h, &e, 1).score < 3);
	}
	habit_close(h);
}

/* What comes later changes nothing. */
static void
the_past_alone_counts(void **state)
{
	struct habit *h[2];

	(void)state;
	for (int k = 0; k < 2; k++) {
		serial = 0;
		h[k] = open_lived();
	}
	for (int i = 0; i < 400; i++) {
		struct habit_result r[2];

		for (int k = 0; k < 2 && i < 200 + 200 * k; k++) {
			serial = 100000 + i;
			r[k] = attack_of_bot(h[k], TODAY + i * MINUTE, false);
		}
		if (i < 200)
			assert_memory_equal(&r[0].score, &r[1].score,
			    sizeof(r[0].score));
	}
	habit_close(h[0]);
	habit_close(h[1]);
}

/* -- bounds -- */

static void
memory(void **state)
{
	struct habit *h = open_habit();
	struct habit_info before, after;
	struct habit_event e;
	struct habit_result r;
	char account[40];

	(void)state;
	for (int i = 0; i < 4096; i++) {
		snprintf(account, sizeof(account), "m%d@example.org", i);
		e = mail_of(account, TODAY);
		send_to(h, &e, FRIEND, i, 1);
	}
	habit_info(h, &before);
	assert_int_equal(before.accounts, 4096);
	/* One that writes to more than anybody. */
	for (int i = 0; i < 4000; i++) {
		e = mail_of(account, TODAY + i);
		r = send_to(h, &e, "busy%d@example.net", i * 64, 64);
	}
	habit_info(h, &after);
	assert_true(after.bytes - before.bytes <= 64 << 10);
	/* It has no strangers any more: nothing is known of them. */
	e = mail_of(account, TODAY + 5 * DAY);
	r = send_strangers(h, &e, 64);
	assert_true(r.score < 1);
	habit_close(h);
}

/* Of those whom it has never met, at most so many count as met. */
static void
met_error(void **state)
{
	struct habit_options opt;
	struct habit *h;
	struct habit_event e;
	struct habit_result r;
	double told = 0;

	(void)state;
	defaults(&opt);
	h = open_with(&opt);
	for (int i = 0; i < 750; i++) {
		e = mail_of(BOB, START + i);
		send_to(h, &e, "met%d@example.net", i * 64, 64);
	}
	/* Evidence tells how many of a subject's recipients are strangers. */
	for (int i = 0; i < 2000; i++) {
		e = mail_of(BOB, START + HOUR);
		e.subject = "s";
		e.stopped = true;
		send_to(h, &e, "unmet%d@example.net", i, 1);
	}
	habit_look(h, BOB, &r);
	for (size_t i = 0; i < r.count; i++) {
		if (r.evidence[i].kind == HABIT_BULK)
			told = atof(strstr(r.evidence[i].words, "to ") + 3);
	}
	assert_true(told >= 2000 * (1 - HABIT_MET_ERROR / 100.0));
	assert_true(told <= 2000);
	habit_close(h);
}

static void
hostile(void **state)
{
	struct habit *h = open_habit();
	char *long_name = malloc(100001);
	struct habit_event e = {.outbound = true};
	struct habit_result r;

	(void)state;
	assert_non_null(long_name);
	memset(long_name, 'x', 100000);
	long_name[100000] = '\0';
	assert_int_equal(habit_event(h, &e, &r), 0); /* of no account */
	e.account = BOB;
	send(h, &e); /* at the epoch, and about nothing */
	e.t = INT64_C(4102444800000);
	e.client = e.helo = e.from = e.subject = e.queue_id = long_name;
	e.rcpts = (const char *[]){long_name, "", long_name};
	e.rcpt_count = 3;
	e.has_score = true;
	e.score = -1e300;
	e.bytes = UINT64_MAX;
	send(h, &e);
	e.t = 0; /* back again */
	e.score = 1e300;
	e.refused_count = 1000000; /* without names */
	send(h, &e);
	e.rcpts = NULL;
	e.rcpt_count = 1000000;
	e.client = "::";
	send(h, &e);
	e.account = long_name;
	assert_int_equal(habit_event(h, &e, &r), ERR_LIMIT);
	e.outbound = false;
	e.about = long_name;
	e.from = "";
	send(h, &e);
	free(long_name);
	habit_close(h);
}

static void
words_of_kinds(void **state)
{
	(void)state;
	for (enum habit_kind k = 0; k < HABIT_KINDS; k++)
		assert_int_equal(habit_kind_of(habit_kind_name(k)), k);
	assert_int_equal(habit_kind_of("nonesuch"), HABIT_KINDS);
	assert_string_equal(habit_kind_name(HABIT_NETWORKS), "networks");
	assert_true(habit_kind_is_foreign(HABIT_BOUNCES));
	assert_true(habit_kind_is_foreign(HABIT_COMPLAINT));
	assert_true(habit_kind_is_foreign(HABIT_CAMPAIGN));
	assert_false(habit_kind_is_foreign(HABIT_NETWORKS));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_ordinary),
	    cmocka_unit_test(networks_and_strangers),
	    cmocka_unit_test(a_network_of_everybody),
	    cmocka_unit_test(helo),
	    cmocka_unit_test(probe),
	    cmocka_unit_test(crowded),
	    cmocka_unit_test(answers),
	    cmocka_unit_test(burst_and_bulk),
	    cmocka_unit_test(newsletter),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(spam),
	    cmocka_unit_test(from),
	    cmocka_unit_test(night),
	    cmocka_unit_test(script),
	    cmocka_unit_test(canary),
	    cmocka_unit_test(campaign),
	    cmocka_unit_test(quota),
	    cmocka_unit_test(bounces_and_complaints),
	    cmocka_unit_test(attack),
	    cmocka_unit_test(lured),
	    cmocka_unit_test(alert_once_a_day),
	    cmocka_unit_test(stopped_is_no_habit),
	    cmocka_unit_test(locks),
	    cmocka_unit_test(newcomer),
	    cmocka_unit_test(the_past_alone_counts),
	    cmocka_unit_test(memory),
	    cmocka_unit_test(met_error),
	    cmocka_unit_test(hostile),
	    cmocka_unit_test(words_of_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
