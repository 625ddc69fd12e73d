/*
 * Whose quota a message is charged to: the fact m->account.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The login in lower case; mail of ours without a login is script:NAME, by the
 * field that PHP adds, or sender:ADDRESS, which is sender:<> for the null
 * sender.
 */
#include <ctype.h>
#include <string.h>

#include "chain.h"
#include "lib/conf/conf.h"
#include "lib/quota/limits.h"
#include "quota_conf.h"
#include "snapshot.h"
#include "stages.h"

#define NAME_MAX_ 255 /* octets of an account's name */

static const struct conf_option options[] = {
    {"QuotaRealm", CONF_STR, 0, NULL, 0, 0, NULL, NULL,
	"the domain that a login without one is given", NULL},
    {NULL, CONF_END, 0, NULL, 0, 0, NULL, NULL, NULL, NULL},
};

/* prefix + name in lower case, cut at NAME_MAX_. */
static const char *
make_name(struct arena *a, const char *prefix, const char *name, size_t len)
{
	char *s = arena_printf(a, "%s%.*s", prefix, (int)len, name);

	if (s == NULL)
		return NULL;
	if (strlen(s) > NAME_MAX_)
		s[NAME_MAX_] = '\0';
	for (char *p = s; *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return s;
}

static struct verdict
done(const struct message *m)
{
	return m->account == NULL
	    ? verdict_error(VERDICT_E_INTERNAL, "no memory")
	    : verdict_none;
}

static struct verdict
mail(struct message *m)
{
	const char *name;

	if (m->direction != DIRECTION_OUTBOUND)
		return verdict_none;
	if (m->login != NULL) {
		name = quota_conf_account(
		    m->session->snap->conf, &m->arena, m->login);
		if (name != NULL)
			m->account = make_name(
			    &m->arena, "", name, strnlen(name, NAME_MAX_));
		return done(m);
	}
	if (m->sender[0] == '\0') {
		m->account = LIMITS_NULL_SENDER;
		return verdict_none;
	}
	m->account = make_name(
	    &m->arena, "sender:", m->sender, strnlen(m->sender, NAME_MAX_));
	return done(m);
}

/* X-PHP-Originating-Script: UID:NAME names the script that really sent it. */
static struct verdict
eoh(struct message *m)
{
	const struct hdr *h;
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
	m->account = make_name(&m->arena, "script:", h->value + start,
	    len < NAME_MAX_ ? len : NAME_MAX_);
	return done(m);
}

const struct stage stage_account = {
    .name = "account",
    .options = options,
    .mail = mail,
    .eoh = eoh,
};
