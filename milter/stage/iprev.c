/*
 * IPRev: does the client's address have a name that has the address (RFC 8601)?
 * Writes m->iprev.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * There are two stages.  `iprev` starts the look-ups at connect, and the second
 * round at the latest at the end of the message, before other stages wait for
 * theirs.  `rdns` stands after those and collects the result, so that all
 * look-ups are waited for together.  The look-ups belong to the session: later
 * messages get the same result.
 */
#include <stdlib.h>

#include "lib/base/host.h"
#include "lib/conf/conf.h"
#include "lib/dns/dns.h"
#include "lib/dns/iprev.h"
#include "milter/chain.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

static const struct conf_option options[] = {
    {.keyword = "IPRev", .type = CONF_BOOL, .def = "yes",
	.summary =
	    "look up the client's name, and whether it has that address"},
};

static int
iprev_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	(void)old, (void)msg_r;
	if (snap->verifies && snap->dns != NULL &&
	    conf_bool(snap->conf, "IPRev"))
		*state_r = snap->conf; /* any pointer but NULL: the stage is
		    on */
	return 0;
}

static void
iprev_unload(void *state)
{
	(void)state;
}

static struct verdict
iprev_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;

	if (s->snap->dns != NULL && host_is_public(&s->client))
		s->iprev = iprev_new(s->snap->dns, &s->client);
	return verdict_none;
}

/* Start the look-ups that follow from the answers so far. */
static struct verdict
iprev_go_on(const struct ctx *ctx)
{
	if (ctx->s->iprev != NULL)
		iprev_poll(ctx->s->iprev);
	return verdict_none;
}

static struct verdict
iprev_eom(const struct ctx *ctx)
{
	struct message *m = ctx->m;

	if (ctx->s->iprev != NULL && m->direction == DIRECTION_INBOUND)
		iprev_advance(ctx->s->iprev, &ctx->s->wait);
	return verdict_none;
}

static void
iprev_close(const struct ctx *ctx)
{
	struct session *s = ctx->s;

	iprev_free(s->iprev);
	s->iprev = NULL;
}

const struct stage stage_iprev = {
    .name = "iprev",
    .off = "IPRev no, or Mode has no v",
    .options = CONF_TABLE(options),
    .load = iprev_load,
    .unload = iprev_unload,
    .connect = iprev_connect,
    .helo = iprev_go_on,
    .mail = iprev_go_on,
    .eoh = iprev_go_on,
    .eom = iprev_eom,
    .close = iprev_close,
};

/* A failure of the DNS is a result like others: On-DNSError has no effect on
 * this check. */
static struct verdict
rdns_judge(const struct ctx *ctx)
{
	struct message *m = ctx->m;

	/* RDNS_NONE is SpamAssassin's, with the lowest of its four scores,
	 * because many small servers have no name. */
	static const struct {
		const char *symbol;
		double score;
	} symbols[] = {
	    [IPREV_PASS] = {"RDNS_PASS", 0},
	    [IPREV_FAIL] = {"RDNS_FAIL", 0},
	    [IPREV_TEMPERROR] = {"RDNS_TEMPERROR", 0},
	    [IPREV_PERMERROR] = {"RDNS_NONE", 0.793},
	};
	const struct iprev_result *r;

	if (ctx->s->iprev == NULL || m->direction != DIRECTION_INBOUND)
		return verdict_none;
	r = iprev_collect(ctx->s->iprev, &ctx->s->wait);
	m->iprev = r;
	message_note(m, "iprev", "%s", iprev_word(r->status));
	session_why(ctx, "%s: the name of the client's address is %s",
	    iprev_word(r->status), session_quote(ctx, r->name));
	if (message_symbol(m, symbols[r->status].symbol,
		symbols[r->status].score) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return verdict_none;
}

static const char *const symbol_names[] = {
    "RDNS_PASS", "RDNS_FAIL", "RDNS_TEMPERROR", "RDNS_NONE", NULL};

const struct stage stage_rdns = {
    .name = "rdns",
    .symbols = symbol_names,
    .check = true,
    .xcode = "5.7.25", /* RFC 7372 section 3.3 */
    .load = iprev_load,
    .unload = iprev_unload,
    .judge = rdns_judge,
};
