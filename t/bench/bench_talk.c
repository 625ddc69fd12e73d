/* SPDX-License-Identifier: BSD-2-Clause */
#include "t/bench/bench_talk.h"

#include <stdio.h>
#include <string.h>

#include <libmilter/mfdef.h>

#include "lib/base/err.h"
#include "t/bench/bench_mail.h"
#include "t/support/drivers/mta.h"

#define WAIT_MS 60000

static int
expect_go(int rc, const struct mta_answer *a)
{
	if (rc != 0 || a->reply == 0 || a->reply == SMFIR_CONTINUE)
		return rc;
	fprintf(stderr, "a filter says %s %s\n", mta_word(a->reply), a->text);
	return ERR_FORMAT;
}

int
bench_talk_open(struct bench_talk *t, const char *const *sockets, size_t count)
{
	int rc = 0;

	*t = (struct bench_talk){.count = count};
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = mta_open(sockets[i], WAIT_MS, &t->filters[i]);
		if (rc == 0)
			rc = mta_negotiate(t->filters[i], MTA_OFFER_ALL);
	}
	return rc;
}

static int
greet(struct mta *m, const struct bench_mail *mail)
{
	struct mta_answer a;
	int rc;

	mta_define(m, "j", "mail.example.org");
	mta_define(m, "{daemon_name}", "smtpd");
	mta_define(m, "{client_addr}", mail->client);
	mta_define(m, "{client_name}", mail->name);
	rc = mta_connect(m, mail->name, SMFIA_INET, mail->client, 40000, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_say(m, SMFIC_HELO, &mail->helo, 1, &a);
	return expect_go(rc, &a);
}

int
bench_talk_greet(struct bench_talk *t, const struct bench_mail *mail)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->count; i++)
		rc = greet(t->filters[i], mail);
	return rc;
}

static int
send_envelope(
    struct bench_talk *t, const struct bench_mail *mail, const char *login)
{
	const char *const sender[] = {mail->sender, "SIZE=2048"};
	struct mta_answer a;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < t->count; i++) {
		/* Postfix has no queue id before the first RCPT. */
		mta_define(t->filters[i], "i", NULL);
		mta_define(t->filters[i], "{auth_type}",
		    login == NULL ? NULL : "PLAIN");
		mta_define(t->filters[i], "{auth_authen}", login);
		rc = mta_say(t->filters[i], SMFIC_MAIL, sender, 2, &a);
		rc = expect_go(rc, &a);
	}
	for (size_t i = 0; rc == 0 && i < t->count; i++) {
		rc = mta_say(t->filters[i], SMFIC_RCPT, &mail->rcpt, 1, &a);
		rc = expect_go(rc, &a);
	}
	for (size_t i = 0; rc == 0 && i < t->count; i++) {
		mta_define(t->filters[i], "i", "4XyZ1abc");
		rc = mta_say(t->filters[i], SMFIC_DATA, NULL, 0, &a);
		rc = expect_go(rc, &a);
	}
	return rc;
}

static int
send_field(struct mta *m, const char *name, const char *value)
{
	struct mta_answer a;
	int rc;

	/* The space, unless it was agreed that it comes too. */
	if (!(mta_agreed(m).steps & SMFIP_HDR_LEADSPC) && *value == ' ')
		value++;
	rc = mta_header(m, name, value, &a);
	return expect_go(rc, &a);
}

/* Keep the fields that a filter puts on top. */
static int
keep_inserted(
    const struct mta_answer *a, struct hdr_list *top, struct arena *mem)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < a->nedits; i++) {
		const struct mta_edit *e = &a->edits[i];
		const char *value;

		if (e->kind != SMFIR_INSHEADER && e->kind != SMFIR_ADDHEADER)
			continue;
		value = arena_printf(
		    mem, "%s%s", *e->value == ' ' ? "" : " ", e->value);
		rc = hdr_add(
		    top, mem, e->name, strlen(e->name), value, strlen(value));
	}
	return rc;
}

/* top: what the filters before put on top, and what this one does. */
static int
send_mail(struct bench_talk *t, struct mta *m, const struct bench_mail *mail,
    struct hdr_list *top, struct arena *mem)
{
	const struct hdr *lists[] = {top->first, mail->headers.first};
	struct mta_answer a;
	int rc = 0;

	for (size_t i = 0; i < 2; i++) {
		for (const struct hdr *h = lists[i]; rc == 0 && h != NULL;
		     h = h->next)
			rc = send_field(m, h->name, h->value);
	}
	if (rc != 0)
		return rc;
	rc = mta_say(m, SMFIC_EOH, NULL, 0, &a);
	if ((rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_body(m, mail->body.data, mail->body.len, &a);
	if (a.reply != SMFIR_SKIP && (rc = expect_go(rc, &a)) != 0)
		return rc;
	rc = mta_eom(m, &a);
	if (rc != 0 || (a.reply != SMFIR_ACCEPT && expect_go(rc, &a) != 0))
		return rc != 0 ? rc : ERR_FORMAT;
	t->edits += a.nedits;
	return keep_inserted(&a, top, mem);
}

int
bench_talk_send(
    struct bench_talk *t, const struct bench_mail *mail, const char *login)
{
	struct hdr_list top = {0};
	struct arena mem;
	int rc = send_envelope(t, mail, login);

	arena_init(&mem);
	t->edits = 0;
	for (size_t i = 0; rc == 0 && i < t->count; i++)
		rc = send_mail(t, t->filters[i], mail, &top, &mem);
	arena_fini(&mem);
	return rc;
}

void
bench_talk_close(struct bench_talk *t, bool quit)
{
	for (size_t i = 0; i < t->count; i++) {
		if (quit && t->filters[i] != NULL)
			mta_quit(t->filters[i]);
		mta_close(t->filters[i]);
	}
}
