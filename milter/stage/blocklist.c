/*
 * BlockList: clients, names in HELO, senders and recipients to keep out.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * RefuseAt has no effect on recipients: each is refused at RCPT, because that
 * concerns no other recipient.
 */
#include <string.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lists.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/refuse.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define SHOWN_MAX 256 /* octets of an entry that are shown in the log */
#define RCPTS_NOTED 4
#define SYMBOL "USER_IN_BLOCKLIST"

static const struct conf_option options[] = {
    {.keyword = "BlockList", .type = CONF_SET,
	.summary =
	    "clients, HELO names, senders and recipients to refuse, each with "
	    "its reply"},
};

/* The entries for recipients that are noted in the summary line. */
struct noted {
	unsigned count;
	const char *last; /* the last one */
};

/* What an entry is about, and the reply if the entry has none. */
enum about { CLIENT, HELO, SENDER, AUTHOR, RCPT };

static const struct {
	const char *word, *who, *text;
} abouts[] = {
    [CLIENT] = {"client", "client", "Mail from your server is refused here"},
    [HELO] = {"helo", "name in HELO", "Mail from your server is refused here"},
    [SENDER] = {"sender", "envelope sender", "Sender address refused"},
    [AUTHOR] = {"from", "author", "Sender address refused"},
    [RCPT] = {"rcpt", "recipient", "Recipient address refused"},
};

static int
blocklist_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	(void)old;
	return lists_load(snap->conf, "BlockList", refuse_check, state_r, msg_r);
}

static struct verdict
unreadable(int rc)
{
	return verdict_error(VERDICT_E_INTERNAL,
	    rc == ERR_NOMEM ? "no memory" : "BlockList can't be read");
}

/* The refusal that an entry requests, with its text in the arena. */
static struct verdict
refusal(struct arena *a, enum about about, struct dataset_entry *e)
{
	const char *value = arena_strdup(a, e->value), *why;
	struct buf key = BUF_INIT;
	struct verdict v;

	buf_quote(&key, e->key, strlen(e->key), SHOWN_MAX);
	dataset_entry_fini(e);
	why = key.failed ? NULL
			 : arena_printf(a, "the %s is in BlockList, by its entry %s",
			       abouts[about].who, buf_text(&key));
	buf_fini(&key);
	if (value == NULL || why == NULL)
		return unreadable(ERR_NOMEM);
	v = refuse_verdict(value, abouts[about].text);
	v.why = why;
	v.symbol = about == RCPT ? NULL : SYMBOL;
	return v;
}

/* At connect there is no message that could get the symbol, so the client is
 * judged again with each message. */
static struct verdict
blocklist_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;
	struct dataset_entry e;
	int rc;

	if (!disposition_at_connect(ctx))
		return verdict_none;
	rc = lists_client(ctx->state, s, &e);
	if (rc <= 0)
		return rc == 0 ? verdict_none : unreadable(rc);
	session_note(s, "block", "client/%.*s", SHOWN_MAX, e.key);
	return refusal(&s->arena, CLIENT, &e);
}

/* A name of the message is in the list: add the symbol, and refuse. */
static struct verdict
block(struct message *m, enum about about, struct dataset_entry *e)
{
	message_note(m, "block", "%s/%.*s", abouts[about].word, SHOWN_MAX,
	    e->key);
	if (message_symbol(m, SYMBOL, 100) != 0) {
		dataset_entry_fini(e);
		return unreadable(ERR_NOMEM);
	}
	return refusal(&m->arena, about, e);
}

static struct verdict
blocklist_judge(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct lists *l = ctx->state;
	const struct session *s = ctx->s;
	enum about about = CLIENT;
	struct dataset_entry e;
	int rc = lists_client(l, s, &e);

	if (rc == 0 && s->helo != NULL) {
		about = HELO;
		rc = accesslist_helo(l->list, s->helo, &e);
	}
	if (rc == 0) {
		about = SENDER;
		rc = accesslist_sender(l->list, m->sender, &e);
	}
	if (rc <= 0)
		return rc == 0 ? verdict_none : unreadable(rc);
	return block(m, about, &e);
}

/* Note the entry for a recipient in the summary line; of many such entries only
 * the first few. */
static void
note_rcpt(const struct ctx *ctx, const char *key)
{
	struct message *m = ctx->m;
	struct noted *n = *message_slot(ctx);

	if (n == NULL)
		*message_slot(ctx) = n = arena_alloc(&m->arena, sizeof(*n));
	if (n == NULL || n->count >= RCPTS_NOTED ||
	    (n->last != NULL && strcmp(n->last, key) == 0))
		return;
	n->count++;
	n->last = arena_strdup(&m->arena, key);
	message_note(m, "block", "rcpt/%.*s", SHOWN_MAX, key);
}

static struct verdict
blocklist_rcpt(const struct ctx *ctx, struct rcpt *r)
{
	struct message *m = ctx->m;
	const struct lists *l = ctx->state;
	struct dataset_entry e;
	int rc;

	if (m->direction != DIRECTION_INBOUND || m->allowed != NULL)
		return verdict_none;
	rc = accesslist_rcpt(l->list, r->addr, &e);
	if (rc <= 0)
		return rc == 0 ? verdict_none : unreadable(rc);
	note_rcpt(ctx, e.key);
	return refusal(&m->arena, RCPT, &e);
}

/* The author is known only after the header. */
static struct verdict
blocklist_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct dataset_entry e;
	const char *domain;
	int rc;

	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	rc = lists_author(ctx->state, m, &e, &domain);
	if (rc <= 0)
		return rc == 0 ? verdict_none : unreadable(rc);
	return block(m, AUTHOR, &e);
}

static const char *const symbol_names[] = {
    SYMBOL, NULL};

const struct stage stage_blocklist = {
    .name = "blocklist",
    .off = "BlockList names nothing",
    .symbols = symbol_names,
    .check = true,
    .answers = HOOK_BIT(HOOK_RCPT),
    .options = CONF_TABLE(options),
    .load = blocklist_load,
    .unload = lists_unload,
    .connect = blocklist_connect,
    .judge = blocklist_judge,
    .rcpt = blocklist_rcpt,
    .eom = blocklist_eom,
};
