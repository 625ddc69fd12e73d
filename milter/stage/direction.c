/*
 * Which way a message goes: decided once, at MAIL, never by its From.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Outbound is mail of an authenticated client, of a client in InternalHosts, or
 * mail that comes in by an MTA name or a macro that the configuration names
 * (opendkim.conf(5): MTA, MacroList).  All else is inbound.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "hosts.h"
#include "lib/base/err.h"
#include "lib/base/host.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/list/peerlist.h"
#include "milter/chain.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define INTERNAL_DEFAULT "127.0.0.1" /* only where Mode has s */

static const struct conf_option options[] = {
    {.keyword = "InternalHosts", .type = CONF_SET,
	.summary = "hosts whose mail is outbound, even without a login"},
    {.keyword = "MTA", .type = CONF_SET,
	.summary = "MTA names ({daemon_name}) by which outbound mail comes",
	.check = dataset_check},
    {.keyword = "MacroList", .type = CONF_SET,
	.summary = "macros, or macro=value|value, that mark outbound mail"},
};

struct state {
	struct hosts internal;
	struct dataset *mtas, *macros; /* NULL: not given */
	struct buf macro_names;        /* macros to request from the MTA, each
	    after a space */
};

/* Add the name of a macro in libmilter's form: in braces unless it is one
 * letter. */
static int
add_macro(const struct dataset_entry *e, void *arg)
{
	struct buf *names = arg;
	bool bare = e->key[0] != '{' && strlen(e->key) > 1;

	buf_printf(names, bare ? " {%s}" : " %s", e->key);
	return 0;
}

static void
direction_unload(void *state)
{
	struct state *st = state;

	hosts_fini(&st->internal);
	dataset_free(st->mtas);
	dataset_free(st->macros);
	buf_fini(&st->macro_names);
	free(st);
}

static int
direction_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	struct state *st = calloc(1, sizeof(*st));
	const struct conf *c = snap->conf;
	int rc;

	(void)old;
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	rc = conf_also(c, 0,
	    hosts_load(c, "InternalHosts",
		snap->signs ? INTERNAL_DEFAULT : NULL, &st->internal, msg_r),
	    msg_r);
	rc = conf_also(
	    c, rc, options_set(c, "MTA", NULL, &st->mtas, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "MacroList", NULL, &st->macros, msg_r), msg_r);
	if (rc == 0 && st->macros != NULL)
		rc = dataset_walk(st->macros, add_macro, &st->macro_names);
	return rc;
}

static int
warn_mta(const struct dataset_entry *e, void *arg)
{
	if (strpbrk(e->key, "{}") != NULL)
		conf_odd(arg, "%s: MTA: %s: expected the name of a "
		    "service, as the MTA has it in {daemon_name}; the entry "
		    "matches nothing",
		    conf_where(arg, "MTA"), e->key);
	return 0;
}

static int
warn_macro(const struct dataset_entry *e, void *arg)
{
	if (strchr(e->key, '|') != NULL)
		conf_odd(arg, "%s: MacroList: %s: expected "
		    "macro=value|value; the entry matches nothing",
		    conf_where(arg, "MacroList"), e->key);
	return 0;
}

/* Warn if InternalHosts has only one of the two loopback addresses: programs of
 * this machine reach the MTA by either. */
static void
warn_loopback(const struct conf *c, const struct hosts *hosts)
{
	struct host v4, v6;
	const char *given = conf_str(c, "InternalHosts");
	struct errmsg both;

	if (!host_parse("127.0.0.1", &v4) || !host_parse("::1", &v6) ||
	    !peerlist_match(hosts->list, NULL, &v4) ||
	    peerlist_match(hosts->list, NULL, &v6))
		return;
	if (dataset_is_listed(hosts->set))
		errmsg_set(&both, "InternalHosts %s, ::1",
		    given != NULL ? given : INTERNAL_DEFAULT);
	else
		errmsg_set(&both, "::1 in %s", dataset_name(hosts->set));
	conf_odd(c, "%s: InternalHosts: %s 127.0.0.1 and not ::1: mail "
	    "that programs of this machine send by ::1 without a login is "
	    "inbound, unsigned and uncounted; expected both: %s",
	    conf_where(c, "InternalHosts"), given != NULL ? "has" : "is",
	    both.text);
}

/* Are there keys or quotas, which concern outbound mail only? */
static bool
is_in_use(const struct conf *c)
{
	return conf_given(c, "KeyTable") || conf_given(c, "KeyFile") ||
	    conf_given(c, "Quota") || conf_given(c, "QuotaTotal");
}

static void
direction_warn(const struct snapshot *snap, const void *state)
{
	const struct state *st = state;

	if (snap->signs && is_in_use(snap->conf))
		warn_loopback(snap->conf, &st->internal);
	if (st->mtas != NULL && dataset_is_listed(st->mtas))
		(void)dataset_walk(st->mtas, warn_mta, snap->conf);
	if (st->macros != NULL)
		(void)dataset_walk(st->macros, warn_macro, snap->conf);
}

static const char *
direction_macros(const void *state)
{
	return buf_text(&((const struct state *)state)->macro_names);
}

/* Is value one of the words between bars? */
static bool
among(const char *bars, const char *value)
{
	size_t len = strlen(value);

	for (;;) {
		size_t n = strcspn(bars, "|");

		if (n == len && strncmp(bars, value, n) == 0)
			return true;
		if (bars[n] == '\0')
			return false;
		bars += n + 1;
	}
}

static int
macro_matches(const struct dataset_entry *e, void *arg)
{
	char name[256];
	bool bare = e->key[0] != '{' && strlen(e->key) > 1;
	const char *value;

	snprintf(name, sizeof(name), bare ? "{%s}" : "%s", e->key);
	value = session_macro(arg, name);
	return value != NULL &&
	    (e->value[0] == '\0' || among(e->value, value));
}

/* *why_r: the keyword by which the mail is outbound; NULL: it is inbound.  0,
 * or a negative ERR_. */
static int
find_why(const struct state *st, struct session *s, const char **why_r)
{
	const char *mta = session_macro(s, "{daemon_name}");
	int rc = mta == NULL ? 0 : dataset_has(st->mtas, mta);

	*why_r = NULL;
	if (hosts_match(&st->internal, s)) {
		*why_r = "InternalHosts";
		return 0;
	}
	if (rc > 0)
		*why_r = "MTA";
	if (rc != 0 || st->macros == NULL)
		return rc < 0 ? rc : 0;
	rc = dataset_walk(st->macros, macro_matches, s);
	if (rc > 0)
		*why_r = "MacroList";
	return rc < 0 ? rc : 0;
}

/* Before the client can log in, the configuration may already show that it is
 * internal. */
static struct verdict
direction_connect(const struct ctx *ctx)
{
	struct session *s = ctx->s;
	const char *why;

	s->internal = find_why(ctx->state, s, &why) == 0 && why != NULL;
	return verdict_none;
}

static void
explain(const struct ctx *ctx)
{
	const struct message *m = ctx->m;
	struct session *s = ctx->s;
	const char *client = s->client_ip[0] == '\0' ? "-" : s->client_ip;

	if (!s->explains)
		return;
	if (m->why == NULL)
		session_why(ctx,
		    "inbound: client %s did not log in, and neither "
		    "InternalHosts, MTA nor MacroList names it",
		    client);
	else if (strcmp(m->why, "login") == 0)
		session_why(ctx, "outbound: client %s logged in as %s", client,
		    session_quote(ctx, m->login));
	else if (strcmp(m->why, "MTA") == 0)
		session_why(ctx, "outbound: MTA names the service %s",
		    session_quote(ctx, session_macro(s, "{daemon_name}")));
	else
		session_why(
		    ctx, "outbound: client %s, by %s", client, m->why);
}

static struct verdict
direction_mail(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	struct session *s = ctx->s;
	const char *type = session_macro(s, "{auth_type}");
	const char *login = session_macro(s, "{auth_authen}");

	if (login != NULL && login[0] != '\0') {
		m->login = arena_strdup(&m->arena, login);
		if (m->login == NULL)
			return verdict_error(VERDICT_E_INTERNAL, "no memory");
	}
	if (m->login != NULL || (type != NULL && type[0] != '\0'))
		m->why = "login";
	else if (find_why(ctx->state, s, &m->why) != 0)
		return verdict_error(
		    VERDICT_E_INTERNAL, "MTA or MacroList can't be read");
	m->direction =
	    m->why == NULL ? DIRECTION_INBOUND : DIRECTION_OUTBOUND;
	explain(ctx);
	if (m->why == NULL)
		m->why = "default";
	else if (message_symbol(m, "OUTBOUND", 0) != 0)
		return verdict_error(VERDICT_E_INTERNAL, "no memory");
	return verdict_none;
}

static const char *const symbol_names[] = {
    "OUTBOUND", NULL};

const struct stage stage_direction = {
    .name = "direction",
    .symbols = symbol_names,
    .options = CONF_TABLE(options),
    .load = direction_load,
    .unload = direction_unload,
    .warn = direction_warn,
    .macros = direction_macros,
    .connect = direction_connect,
    .mail = direction_mail,
};
