/*
 * Which way a message goes: decided once, at MAIL, never by its From.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Outbound is what an authenticated client sends, one of InternalHosts, or one
 * that comes in by an MTA name or macro that was named (opendkim.conf(5): MTA,
 * MacroList).  All else is inbound.
 */
#include <netinet/in.h>
#include <string.h>

#include "chain.h"
#include "lib/conf/conf.h"
#include "lib/err.h"
#include "snapshot.h"
#include "log.h"
#include "stages.h"

static bool
is_loopback(const struct session *s)
{
	return strcmp(s->client_ip, "127.0.0.1") == 0;
}

static void
decide(struct message *m)
{
	const struct session *s = m->session;
	const char *type = session_macro(s, "{auth_type}");
	const char *login = session_macro(s, "{auth_authen}");

	m->direction = DIRECTION_OUTBOUND;
	if (login != NULL && login[0] != '\0') {
		m->login = arena_strdup(&m->arena, login);
		m->why = "login";
	} else if (type != NULL && type[0] != '\0') {
		m->why = "login";
	} else if (s->snap->signs && is_loopback(s)) {
		m->why = "InternalHosts";
	} else {
		m->direction = DIRECTION_INBOUND;
		m->why = "default";
	}
}

static struct verdict
mail(struct message *m)
{
	decide(m);
	log_about(m->session, LOG_DEBUG, "%s because of %s",
	    m->direction == DIRECTION_OUTBOUND ? "outbound" : "inbound", m->why);
	return verdict_none;
}

const struct stage stage_direction = {
    .name = "direction",
    .mail = mail,
};
