/* SPDX-License-Identifier: BSD-2-Clause */
#include "summary.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "chain.h"
#include "lib/mail/addrtext.h"
#include "log.h"
#include "snapshot.h"

#define SHOWN_MAX 256  /* octets of an address or a Message-ID, as written */
#define REPLY_MAX 512  /* of the words of a reply */
#define TESTS_MAX 20   /* names in tests= */
#define NAMES_MAX 1000 /* octets of them */
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

/* The symbol that a refusal or a hold is for; NULL: none. */
static const char *
symbol_of(const struct message *m, const struct verdict *outcome)
{
	return outcome != NULL && outcome->symbol != NULL ? outcome->symbol
							  : m->refusal.symbol;
}

/* Where a score was weighed, the symbols that have one, most first; and `must`,
 * whatever its score.  Returns how many. */
static size_t
sort_tests(const struct message *m, const char *must,
    const struct symbol *list[TESTS_MAX])
{
	const struct symbol *decisive = NULL;
	size_t n = 0, i;

	for (const struct symbol *s = m->symbols; s != NULL; s = s->next) {
		bool is = must != NULL && strcmp(s->name, must) == 0;

		if (is)
			decisive = s;
		if ((s->score == 0 || !m->scored) && !is)
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
add_tests(struct buf *b, const struct message *m, const struct verdict *outcome)
{
	const struct symbol *list[TESTS_MAX];
	struct buf names = BUF_INIT;
	size_t n = sort_tests(m, symbol_of(m, outcome), list);

	for (size_t i = 0; i < n; i++)
		buf_printf(&names, "%s%s", i == 0 ? "" : ",", list[i]->name);
	if (n > 0 && !names.failed)
		add_value(b, "tests", buf_text(&names), NAMES_MAX);
	buf_fini(&names);
}

static void
add_message_id(struct buf *b, const struct message *m)
{
	static const char blanks[] = " \t\r\n";
	const struct hdr *h = hdr_find(&m->headers, "Message-ID");
	const char *id = h == NULL ? "" : h->value;
	size_t len = h == NULL ? 0 : h->value_len;

	for (; len > 0 && strchr(blanks, *id) != NULL; id++)
		len--;
	while (len > 0 && strchr(blanks, id[len - 1]) != NULL)
		len--;
	if (len == 0)
		return;
	buf_str(b, " msgid=");
	buf_quote(b, id, len, SHOWN_MAX);
}

/* Who does not get it; of mail that is let in these are those that were refused
 * alone.  As many as there is room for; false: not all. */
static bool
add_rcpts(struct buf *b, const struct message *m, const struct verdict *outcome,
    size_t max)
{
	bool all = outcome != NULL &&
	    (verdict_refuses(outcome) ||
		outcome->action == VERDICT_QUARANTINE);

	for (const struct rcpt *r = m->rcpts; r != NULL; r = r->next) {
		if (!all && !r->refused)
			continue;
		if (b->len + RCPT_MAX > max)
			return false;
		add_address(b, "rcpt", r->addr);
	}
	return true;
}

/* Why outbound mail leaves without a signature; NULL: it has one, or does not
 * leave. */
static const char *
unsigned_why(const struct message *m, const struct verdict *outcome)
{
	const struct snapshot *snap = m->session->snap;

	if (m->direction != DIRECTION_OUTBOUND || m->is_signed ||
	    outcome == NULL || verdict_refuses(outcome))
		return NULL;
	if (m->unsigned_why != NULL)
		return m->unsigned_why;
	if (!snap->signs)
		return "Mode";
	for (size_t i = 0; stages[i] != NULL; i++) {
		if (strcmp(stages[i]->name, "sign") == 0 && !snap->on[i])
			return "no key is configured";
	}
	return "not asked";
}

void
summary_account(struct buf *b, const struct message *m)
{
	add_address(b, "account", m->account);
}

void
summary_findings(struct buf *b, const struct message *m,
    const struct verdict *outcome, size_t max)
{
	const char *why = unsigned_why(m, outcome);
	struct buf cut = BUF_INIT;
	size_t room = SHOWN_MAX + 64; /* for what follows the recipients */

	buf_str(b, m->notes.failed ? "" : buf_text(&m->notes));
	add_message_id(b, m);
	add_tests(b, m, outcome);
	if (!add_rcpts(b, m, outcome, max > room ? max - room : 0))
		buf_str(&cut, "rcpt");
	if (m->cut.len > 0 && !m->cut.failed)
		buf_printf(&cut, "%s%s", cut.len > 0 ? "," : "", m->cut.data);
	if (cut.len > 0 && !cut.failed)
		add_value(b, "cut", buf_text(&cut), 64);
	buf_fini(&cut);
	if (why != NULL)
		add_value(b, "unsigned", why, SHOWN_MAX);
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

static double
seconds_since(const struct timespec *begun)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - begun->tv_sec) +
	    (double)(now.tv_nsec - begun->tv_nsec) / 1e9;
}

/* What the log has not been told yet. */
static void
say_whys(const struct ctx *ctx, struct whys *all)
{
	const struct why *w =
	    all->told == NULL ? all->first : all->told->next;

	for (; w != NULL; w = w->next) {
		log_about(ctx, LOG_DEBUG, "%s%s%s",
		    w->stage == NULL ? "" : w->stage,
		    w->stage == NULL ? "" : ": ", w->text);
		all->told = w;
	}
}

static void
say(const struct ctx *ctx, struct buf *b)
{
	const char *text = buf_text(b);

	log_about(ctx, LOG_INFO, "%s", text == NULL ? "no memory" : text);
	buf_fini(b);
}

void
summary_message(
    struct session *s, struct message *m, const struct verdict *outcome)
{
	const struct ctx ctx = session_ctx(s);
	struct buf b = BUF_INIT;
	size_t tail = REPLY_MAX + 128; /* for what follows the findings */

	buf_printf(&b, "direction=%s",
	    m->direction == DIRECTION_OUTBOUND ? "outbound" : "inbound");
	add_value(&b, "why", m->why == NULL ? "-" : m->why, SHOWN_MAX);
	add_value(&b, "client", s->client_ip[0] == '\0' ? "-" : s->client_ip,
	    SHOWN_MAX);
	summary_account(&b, m);
	/* A client that hears of nobody who takes it gives up: that is why. */
	if (outcome == NULL && m->rcpt_count == 0 &&
	    m->refusal.action != VERDICT_NONE)
		outcome = &m->refusal;
	add_sender(&b, m->sender);
	buf_printf(&b, " rcpts=%zu", m->rcpt_count);
	if (m->came)
		buf_printf(&b, " size=%zu", message_size(m));
	summary_findings(&b, m, outcome, LOG_TEXT_MAX - tail);
	if (outcome == NULL) {
		buf_str(&b, " verdict=aborted by=-");
	} else {
		add_verdict(&b, outcome);
		add_reply(&b, outcome);
	}
	buf_printf(&b, " time=%.4f", seconds_since(&m->begun));
	say_whys(&ctx, &m->whys);
	say(&ctx, &b);
}

void
summary_client(struct session *s, const char *at)
{
	const struct ctx ctx = {.s = s};
	const struct verdict *v = &s->verdict;
	struct buf b = BUF_INIT;

	say_whys(&ctx, &s->whys);
	if (!verdict_refuses(v))
		return;
	buf_printf(&b, "client=%s",
	    s->client_ip[0] == '\0' ? "-" : s->client_ip);
	add_verdict(&b, v);
	buf_printf(&b, " at=%s", at);
	buf_str(&b, s->notes.failed ? "" : buf_text(&s->notes));
	if (v->symbol != NULL)
		add_value(&b, "tests", v->symbol, SHOWN_MAX);
	add_reply(&b, v);
	say(&ctx, &b);
}
