/*
 * AllowList: clients, names in HELO, senders and recipients to let in.  Writes
 * m->allowed: the refusals of checks do not count for the message.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A sender or a HELO can be forged, so it exempts a message only if it is
 * authenticated.  That is known at the end of the message: this stage stands
 * behind the stages that authenticate.
 */
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_verify.h"
#include "lib/dmarc/dmarc.h"
#include "lib/dns/helo.h"
#include "lib/mail/addr.h"
#include "lib/spf/spf.h"
#include "lists.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

static const struct conf_option options[] = {
    {.keyword = "AllowList", .type = CONF_SET,
	.summary =
	    "clients, HELO names, senders and recipients that checks do not "
	    "refuse"},
};

/* Which names of a message are in the list. */
struct found {
	bool helo, sender;
};

static int
allowlist_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	(void)old;
	return lists_load(snap->conf, "AllowList", NULL, state_r, msg_r);
}

static struct verdict
unreadable(int rc)
{
	return verdict_error(VERDICT_E_INTERNAL,
	    rc == ERR_NOMEM ? "no memory" : "AllowList can't be read");
}

/* Returns rc, a result of accesslist; frees the entry that it found. */
static int
is_in(int rc, struct dataset_entry *e)
{
	if (rc > 0)
		dataset_entry_fini(e);
	return rc;
}

static struct verdict
allowlist_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;
	struct dataset_entry e;
	int rc = is_in(lists_client(ctx->state, s, &e), &e);

	if (rc > 0) {
		s->allowed = "client";
		session_why(ctx, "the client is in AllowList");
	}
	return rc < 0 ? unreadable(rc) : verdict_none;
}

static struct verdict
allowlist_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct lists *l = ctx->state;
	struct dataset_entry e;
	struct found *f;
	int helo = 0, sender;

	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	f = arena_alloc(&m->arena, sizeof(*f));
	if (f == NULL)
		return unreadable(ERR_NOMEM);
	*message_slot(ctx) = f;
	m->allowed = ctx->s->allowed;
	if (ctx->s->helo != NULL)
		helo = is_in(accesslist_helo(l->list, ctx->s->helo, &e), &e);
	sender = is_in(accesslist_sender(l->list, m->sender, &e), &e);
	if (helo < 0 || sender < 0)
		return unreadable(helo < 0 ? helo : sender);
	f->helo = helo > 0;
	f->sender = sender > 0;
	m->may_be_allowed = f->helo || f->sender;
	return verdict_none;
}

static struct verdict
allowlist_rcpt(const struct ctx *ctx, struct rcpt *r)
{
	struct message *m = ctx->m;
	const struct lists *l = ctx->state;
	struct dataset_entry e;
	int rc;

	if (m->direction != DIRECTION_INBOUND)
		return verdict_none;
	rc = is_in(accesslist_rcpt(l->list, r->addr, &e), &e);
	r->exempt = r->exempt || rc > 0;
	if (rc > 0)
		session_why(ctx, "the recipient %s is in AllowList",
		    session_quote(ctx, r->addr));
	return rc < 0 ? unreadable(rc) : verdict_none;
}

/* -- is the name authenticated? -- */

/* A pass of a record that lets anyone pass does not count. */
static bool
spf_passes(const struct message *m, const struct spf_result *r)
{
	uint64_t limit = m->session->snap->spf_broad;

	return r != NULL && r->result == SPF_PASS && !r->plus_all &&
	    (limit == 0 || r->addresses <= limit);
}

/* Is the name the domain, or below it? */
static bool
is_within(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 &&
	    (n == d || (name[n - d - 1] == '.' && strchr(domain, '.')));
}

static bool
is_signed_by(const struct message *m, const char *domain)
{
	for (size_t i = 0; m->dkim != NULL && i < m->dkim->count; i++) {
		const struct dkim_verdict *v = &m->dkim->list[i];

		if (v->status == DKIM_STATUS_PASS && v->domain != NULL &&
		    is_within(domain, v->domain))
			return true;
	}
	return false;
}

static bool
is_true_helo(const struct message *m)
{
	return (m->helo != NULL && m->helo->result->status == HELO_PASS) ||
	    spf_passes(m, m->spf_helo);
}

/* 1 or 0, or ERR_NOMEM. */
static int
is_true_sender(struct message *m)
{
	struct addr a;

	if (m->spf != NULL && m->spf->scope == SPF_MFROM &&
	    spf_passes(m, m->spf))
		return true;
	return addr_split(&m->arena, m->sender, &a) == 0
	    ? is_signed_by(m, a.domain)
	    : ERR_NOMEM;
}

/* With two From fields, or one that can't be read, it is unknown which author a
 * reader sees. */
static bool
is_true_author(const struct message *m, const char *domain)
{
	if (m->author.fields != 1 || m->author.state == AUTHOR_UNREADABLE)
		return false;
	if (m->dmarc != NULL && m->dmarc->result == DMARC_PASS &&
	    (m->dmarc->dkim_aligned || spf_passes(m, m->spf)))
		return true;
	return is_signed_by(m, domain);
}

/* Is the author in the list, and authenticated? */
static int
author(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct dataset_entry e;
	const char *domain;
	int rc = is_in(lists_author(ctx->state, m, &e, &domain), &e);

	return rc <= 0 ? rc : is_true_author(m, domain);
}

/* Find a name that is in the list and authenticated; *who_r NULL: none.  0, or
 * an ERR_. */
static int
find_true(const struct ctx *ctx, const struct found *f, const char **who_r)
{
	int rc;

	*who_r = "helo";
	if (f->helo && is_true_helo(ctx->m))
		return 0;
	*who_r = "sender";
	rc = f->sender ? is_true_sender(ctx->m) : 0;
	if (rc != 0)
		return rc < 0 ? rc : 0;
	rc = author(ctx);
	*who_r = rc > 0 ? "from" : NULL;
	return rc < 0 ? rc : 0;
}

static struct verdict
allowlist_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct found *f = *message_slot(ctx);
	const char *who = m->allowed;
	int rc;

	if (f == NULL)
		return verdict_none;
	m->may_be_allowed = false;
	rc = who != NULL ? 0 : find_true(ctx, f, &who);
	if (rc != 0)
		return unreadable(rc);
	m->allowed = who;
	if (m->allowed == NULL)
		return verdict_none;
	message_note(m, "allow", "%s", m->allowed);
	session_why(ctx,
	    "the %s is in AllowList, so that no check refuses the message",
	    m->allowed);
	return message_symbol(m, "USER_IN_WELCOMELIST", -100) == 0
	    ? verdict_none
	    : unreadable(ERR_NOMEM);
}

static const char *const symbol_names[] = {
    "USER_IN_WELCOMELIST", NULL};

const struct stage stage_allowlist = {
    .name = "allowlist",
    .off = "AllowList names nothing",
    .symbols = symbol_names,
    .options = CONF_TABLE(options),
    .load = allowlist_load,
    .unload = lists_unload,
    .connect = allowlist_connect,
    .mail = allowlist_mail,
    .rcpt = allowlist_rcpt,
    .eom = allowlist_eom,
};
