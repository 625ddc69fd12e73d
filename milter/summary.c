/* SPDX-License-Identifier: BSD-2-Clause */
#include "summary.h"

#include <stdio.h>
#include <string.h>

#include "chain.h"
#include "lib/base/buf.h"
#include "lib/mail/addrtext.h"
#include "log.h"
#include "record.h"

#define SHOWN_MAX 256  /* octets of an address or a Message-ID, as written */
#define REPLY_MAX 512  /* octets of the text of a reply */
#define TESTS_MAX 20   /* names in tests= */
#define NAMES_MAX 1000 /* octets of these names */
#define RCPT_MAX (SHOWN_MAX + 32) /* ` rcpt=` and an address */

/* -- values -- */

static void
add_value(struct buf *b, const char *key, const char *value, size_t max)
{
	buf_printf(b, " %s=", key);
	buf_quote(b, value, strlen(value), max);
}

/* An address, or "-" when there is none. */
static void
add_address(struct buf *b, const char *key, const char *address)
{
	struct buf text = BUF_INIT;

	addrtext_fit(&text, address == NULL ? "-" : address, SHOWN_MAX);
	add_value(b, key, text.failed ? "?" : buf_text(&text), SHOWN_MAX);
	buf_fini(&text);
}

static void
add_sender(struct buf *b, const char *address)
{
	struct buf text = BUF_INIT;

	buf_char(&text, '<');
	addrtext_fit(&text, address, SHOWN_MAX);
	buf_char(&text, '>');
	add_value(b, "from", text.failed ? "?" : buf_text(&text),
	    SHOWN_MAX + 2);
	buf_fini(&text);
}

bool
summary_reply(struct buf *b, const struct verdict *v)
{
	char text[VERDICT_TEXT_SIZE];
	const char *xcode;
	int code;

	if (!verdict_reply(v, &code, &xcode, text))
		return false;
	buf_printf(b, "%d %s %s", code, xcode, text);
	return true;
}

/* -- what was found -- */

/* If the score was compared with limits: the symbols that have a score, the
 * highest first.  In any case the symbol for which the message is refused or
 * held.  Returns how many. */
static size_t
sort_tests(const struct record *r, const struct symbol *list[TESTS_MAX])
{
	const struct symbol *decisive = NULL;
	size_t n = 0, i;

	for (const struct symbol *s = r->symbols; s != NULL; s = s->next) {
		bool is = r->symbol != NULL && strcmp(s->name, r->symbol) == 0;

		if (is)
			decisive = s;
		if ((s->score == 0 || !r->scored) && !is)
			continue;
		for (i = n; i > 0 && list[i - 1]->score < s->score; i--) {
			if (i < TESTS_MAX)
				list[i] = list[i - 1];
		}
		if (i < TESTS_MAX)
			list[i] = s;
		n += n < TESTS_MAX;
	}
	for (i = 0; i < n && list[i] != decisive; i++)
		;
	if (decisive != NULL && i == n)
		list[n - 1] = decisive;
	return n;
}

static void
add_tests(struct buf *b, const struct record *r)
{
	const struct symbol *list[TESTS_MAX];
	struct buf names = BUF_INIT;
	size_t n = sort_tests(r, list);

	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s%s", i == 0 ? "" : ",", list[i]->name);
	if (n > 0 && !names.failed)
		add_value(b, "tests", buf_text(&names), NAMES_MAX);
	buf_fini(&names);
}

static void
add_message_id(struct buf *b, const struct record *r)
{
	if (r->message_id_len == 0)
		return;
	buf_str(b, " msgid=");
	buf_quote(b, r->message_id, r->message_id_len, SHOWN_MAX);
}

/* Add the recipients who don't get the message: all, or of an accepted message
 * those refused alone.  False: there was not room for all of them. */
static bool
add_rcpts(struct buf *b, const struct record *r, size_t max)
{
	bool all = verdict_refuses(&r->verdict) ||
	    r->verdict.action == VERDICT_QUARANTINE;

	for (const struct rcpt *to = r->rcpts; to != NULL; to = to->next) {
		if (!all && record_refusal(to) == NULL)
			continue;
		if (b->len + RCPT_MAX > max)
			return false;
		add_address(b, "rcpt", to->addr);
	}
	return true;
}

void
summary_account(struct buf *b, const struct record *r)
{
	add_address(b, "account", r->account);
}

void
summary_findings(struct buf *b, const struct record *r, size_t max)
{
	struct buf cut = BUF_INIT;
	size_t room = SHOWN_MAX + 64; /* for what follows the recipients */

	buf_str(b, r->notes);
	add_message_id(b, r);
	add_tests(b, r);
	if (!add_rcpts(b, r, max > room ? max - room : 0))
		buf_str(&cut, "rcpt");
	if (r->cut != NULL)
		buf_printf(&cut, "%s%s", cut.len > 0 ? "," : "", r->cut);
	if (cut.len > 0 && !cut.failed)
		add_value(b, "cut", buf_text(&cut), 64);
	buf_fini(&cut);
	if (r->unsigned_why != NULL)
		add_value(b, "unsigned", r->unsigned_why, SHOWN_MAX);
}

/* -- the lines -- */

static void
add_verdict(struct buf *b, const struct verdict *v)
{
	buf_printf(b, " verdict=%s by=%s", verdict_word(v->action),
	    v->by == NULL ? "-" : v->by);
}

static void
add_reply(struct buf *b, const struct verdict *v)
{
	char text[VERDICT_TEXT_SIZE];
	const char *xcode, *words = text;
	int code;

	if (!verdict_refuses(v))
		return;
	if (!verdict_reply(v, &code, &xcode, text))
		words = v->text == NULL ? "-" : v->text;
	add_value(b, "reply", words, REPLY_MAX);
}

static void
message_line(struct buf *b, const struct record *r)
{
	size_t tail = REPLY_MAX + 128; /* for what follows the findings */

	buf_printf(b, "direction=%s",
	    r->direction == DIRECTION_OUTBOUND ? "outbound" : "inbound");
	add_value(b, "why", r->direction_why == NULL ? "-" : r->direction_why,
	    SHOWN_MAX);
	add_value(b, "client", r->client_ip == NULL ? "-" : r->client_ip,
	    SHOWN_MAX);
	summary_account(b, r);
	add_sender(b, r->sender);
	buf_printf(b, " rcpts=%zu", r->rcpt_count);
	if (r->came)
		buf_printf(b, " size=%zu", r->size);
	summary_findings(b, r, LOG_TEXT_MAX - tail);
	if (r->aborted)
		buf_str(b, " verdict=aborted by=-");
	else
		add_verdict(b, &r->verdict);
	add_reply(b, &r->verdict);
	buf_printf(b, " time=%.4f", (double)r->took_ns / 1e9);
}

static void
client_line(struct buf *b, const struct record *r)
{
	buf_printf(b, "client=%s", r->client_ip == NULL ? "-" : r->client_ip);
	add_verdict(b, &r->verdict);
	buf_printf(b, " at=%s", r->at);
	buf_str(b, r->notes);
	if (r->symbol != NULL)
		add_value(b, "tests", r->symbol, SHOWN_MAX);
	add_reply(b, &r->verdict);
}

void
summary_line(struct buf *b, const struct record *r)
{
	if (r->at == NULL)
		message_line(b, r);
	else
		client_line(b, r);
}

void
summary_whys(struct session *s)
{
	const struct ctx ctx = session_ctx(s);
	struct whys *all = s->msg != NULL ? &s->msg->whys : &s->whys;
	const struct why *w =
	    all->logged == NULL ? all->first : all->logged->next;

	for (; w != NULL; w = w->next) {
		log_about(&ctx, LOG_DEBUG, "%s%s%s",
		    w->stage == NULL ? "" : w->stage,
		    w->stage == NULL ? "" : ": ", w->text);
		all->logged = w;
	}
}

void
summary_log(struct session *s, const struct record *r)
{
	const struct ctx ctx = session_ctx(s);
	struct buf b = BUF_INIT;
	const char *text;

	summary_line(&b, r);
	text = buf_text(&b);
	log_about(&ctx, LOG_INFO, "%s", text == NULL ? "no memory" : text);
	buf_fini(&b);
}

void
summary_step(const struct ctx *ctx, enum hook hook, const struct rcpt *r,
    const struct symbol *last, const struct verdict *v)
{
	static const char *const words[] = {
	    [HOOK_CONNECT] = "at connect",
	    [HOOK_HELO] = "at HELO",
	    [HOOK_MAIL] = "at MAIL",
	    [HOOK_RCPT] = "at RCPT",
	    [HOOK_EOH] = "after the header",
	    [HOOK_BODY] = "in the body",
	    [HOOK_EOM] = "at the end",
	};
	const struct symbol *s = ctx->m == NULL ? NULL
	    : last == NULL			? ctx->m->symbols
						: last->next;
	struct buf b = BUF_INIT;
	const char *sep = "found ";

	if (s == NULL && v->action == VERDICT_NONE)
		return;
	for (; s != NULL; s = s->next, sep = ", ")
		buf_printf(&b, "%s%s (%.3g)", sep, s->name, s->score);
	if (b.len > 0 && !b.failed)
		session_why(ctx, "%s", buf_text(&b));
	buf_reset(&b);
	verdict_explain(v, &b);
	if (v->action != VERDICT_NONE && !b.failed)
		session_why(ctx, "%s: %s%s%s", words[hook], buf_text(&b),
		    r == NULL ? "" : ", for the recipient ",
		    r == NULL ? "" : session_quote(ctx, r->addr));
	buf_fini(&b);
}
