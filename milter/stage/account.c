/*
 * Whose quota a message is charged to: the fact m->account.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Mail of a login is charged to the login in its one form, or to the one
 * account of all logins whose realm does not exist.  Outbound mail without a
 * login is charged to script:NAME, by the field that PHP adds, or else to
 * sender:ADDRESS, which is sender:<> for the null sender.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "names.h"

static const struct conf_option options[] = {
    {.keyword = "QuotaRealm", .type = CONF_STR,
	.summary = "the domain that a login without one is given",
	.check = names_check_realm},
    {.keyword = "QuotaRealms", .type = CONF_SET,
	.summary =
	    "the domains that logins may have; those of others are one "
	    "account"},
};

/* Only for `postern -n`; otherwise each start would repeat it. */
static void
account_warn(const struct snapshot *snap, const void *state)
{
	const struct conf_section *s = conf_section(snap->conf, "Quota", 0);

	(void)state;
	if (s == NULL)
		s = conf_section(snap->conf, "QuotaTotal", 0);
	if (snap->offline && s != NULL &&
	    !conf_given(snap->conf, "QuotaRealms"))
		conf_odd(snap->conf,
		    "%s: Quota: expected QuotaRealms too, which says which "
		    "domains logins may have: without it bob@a and bob@b are "
		    "two accounts, even if one password opens both",
		    conf_section_where(s));
}

static void
account_unload(void *state)
{
	names_fini(state);
	free(state);
}

static int
account_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct names *n = malloc(sizeof(*n));

	(void)old;
	if (n == NULL)
		return ERR_NOMEM;
	*state_r = n;
	return names_init(n, snap->conf, msg_r);
}

static void
explain(const struct ctx *ctx, const char *by)
{
	const struct message *m = ctx->m;

	session_why(ctx, "the account is %s, by %s",
	    session_quote(ctx, m->account), by);
}

static struct verdict
done(const struct ctx *ctx, const char *by)
{
	const struct message *m = ctx->m;

	explain(ctx, by);
	return m->account == NULL
	    ? verdict_error(VERDICT_E_INTERNAL, "no memory")
	    : verdict_none;
}

static void
log_unknown(const struct ctx *ctx)
{
	const struct message *m = ctx->m;
	struct buf b = BUF_INIT;

	buf_escape(&b, m->login, strlen(m->login), 256);
	log_about(ctx, LOG_WARNING,
	    "%s: no realm of QuotaRealms: "
	    "counted in " ACCOUNT_OTHER_REALMS,
	    b.failed ? "?" : buf_text(&b));
	buf_fini(&b);
}

static struct verdict
account_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	int rc;

	if (m->direction != DIRECTION_OUTBOUND)
		return verdict_none;
	if (m->login != NULL) {
		rc = names_login(ctx->state, &m->arena, m->login, &m->account);
		if (rc != 0)
			return verdict_error(VERDICT_E_INTERNAL,
			    rc == ERR_NOMEM ? "no memory"
					    : "QuotaRealms can't be read");
		if (strcmp(m->account, ACCOUNT_OTHER_REALMS) == 0)
			log_unknown(ctx);
		explain(ctx, "the login");
		return verdict_none;
	}
	if (m->sender[0] == '\0') {
		m->account = LIMITS_NULL_SENDER;
		return done(ctx, "the null sender");
	}
	m->account = account_special(&m->arena, ACCOUNT_SENDER, m->sender);
	return done(ctx, "the envelope sender");
}

/* X-PHP-Originating-Script: UID:NAME names the script that really sent it. */
static struct verdict
account_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct hdr *h;
	const char *name;
	size_t start = 0, len;

	if (m->direction != DIRECTION_OUTBOUND || m->login != NULL)
		return verdict_none;
	h = hdr_find(&m->headers, "X-PHP-Originating-Script");
	if (h == NULL)
		return verdict_none;
	while (isspace((unsigned char)h->value[start]))
		start++;
	len = strcspn(h->value + start, " \t\r\n");
	if (len == 0)
		return verdict_none;
	name = arena_memdup(&m->arena, h->value + start, len);
	m->account = name == NULL
	    ? NULL
	    : account_special(&m->arena, ACCOUNT_SCRIPT, name);
	return done(ctx, "X-PHP-Originating-Script");
}

const struct stage stage_account = {
    .name = "account",
    .options = CONF_TABLE(options),
    .load = account_load,
    .unload = account_unload,
    .warn = account_warn,
    .mail = account_mail,
    .eoh = account_eoh,
};
