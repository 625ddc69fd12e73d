/* SPDX-License-Identifier: BSD-2-Clause */
#include "quota_names.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "lib/arena.h"
#include "lib/buf.h"
#include "lib/conf/conf.h"
#include "lib/err.h"
#include "lib/quota/account.h"
#include "lib/quota/quota.h"
#include "log.h"
#include "names.h"
#include "quota_conf.h"

#define SAID_MAX 100 /* accounts that have counts only, in one log */

struct adoption {
	const struct names *names;
	const struct quota_conf *conf;
	struct quota *table;
	const char *realm; /* as it is now; "": none */
	int same_realm;    /* as quota_noted says */
	unsigned failed, said, unsaid;
	struct arena arena; /* of one account */
};

/* As it may stand in the log. */
static const char *
shown(struct adoption *ad, const char *name)
{
	struct buf b = BUF_INIT;
	const char *s;

	buf_escape(&b, name, strlen(name), QUOTA_ACCOUNT_MAX);
	s = arena_strdup(&ad->arena, b.failed ? "?" : buf_text(&b));
	buf_fini(&b);
	return s == NULL ? "?" : s;
}

static bool
has_counts(struct adoption *ad, const struct quota_entry *e)
{
	struct quota_state state;
	struct quota_set set;

	quota_conf_set(ad->conf, e->account, &set);
	quota_peek_entry(ad->table, e, &set, &state);
	for (unsigned i = 0; i < state.count; i++) {
		if (state.usage[i].used != 0)
			return true;
	}
	return false;
}

/* What stays under its name though mail is counted elsewhere. */
static void
say_left(struct adoption *ad, const struct quota_entry *e, const char *why)
{
	if (!e->locked && !has_counts(ad, e))
		return;
	if (!e->locked && ad->said == SAID_MAX) {
		ad->unsaid++;
		return;
	}
	ad->said += !e->locked;
	log_line(LOG_WARNING, "quota: %s: %s stays as it is, with %s: %s",
	    ad->conf->path, shown(ad, e->account),
	    e->locked ? "its lock" : "what it has sent",
	    why == NULL ? "no memory" : why);
}

static void
move(struct adoption *ad, const struct quota_entry *e, const char *to)
{
	const char *name = shown(ad, e->account);
	bool joined = false;
	int rc = quota_rename(ad->table, e->account, to, &joined);

	if (rc == ERR_NOTFOUND)
		return; /* another daemon was faster */
	if (rc != 0) {
		ad->failed++;
		log_line(LOG_ERR, "quota: %s: %s can't be moved to %s: %s",
		    ad->conf->path, name, shown(ad, to),
		    rc == ERR_SYSTEM ? strerror(errno) : err_text(rc));
		return;
	}
	log_line(LOG_INFO, "quota: %s: %s is %s now%s%s", ad->conf->path, name,
	    shown(ad, to), joined ? ": what both have sent adds up" : "",
	    e->locked ? ", locked" : "");
}

/* An account in its form: is its mail counted there from here on? */
static void
look(struct adoption *ad, const struct quota_entry *e, const char *realm)
{
	const char *now = ad->realm;

	if (*realm == '\0' || !account_is_login(e->account))
		return;
	if (names_realm_exists(ad->names, realm) == 0) {
		say_left(ad, e, arena_printf(&ad->arena, "the realm %s is not "
		    "in QuotaRealms, so its mail is counted in "
		    ACCOUNT_OTHER_REALMS, shown(ad, realm)));
		return;
	}
	if (ad->same_realm != 0 || strcmp(realm, now) == 0 ||
	    quota_noted(ad->table, QUOTA_NOTE_REALM, realm) != 1)
		return;
	say_left(ad, e, arena_printf(&ad->arena, "QuotaRealm was %s, and %s%s: "
	    "a login without a realm is counted elsewhere",
	    shown(ad, realm), *now == '\0' ? "is not set any more" : "is ",
	    now));
}

static void
adopt(struct adoption *ad, const struct quota_entry *e)
{
	const char *realm, *name = account_of_text(
	    &ad->arena, e->account, ad->names->realm, &realm);

	if (name == NULL) {
		ad->failed++;
		return;
	}
	/* The table has the whole of what is cut off only as a hash. */
	if (!e->whole) {
		if (strchr(e->account, '@') == NULL && *ad->realm != '\0' &&
		    account_is_login(e->account))
			say_left(ad, e, "its name is too long to be moved");
		return;
	}
	if (strcmp(name, e->account) != 0)
		move(ad, e, name);
	else
		look(ad, e, realm);
}

static void
say_sums(const struct adoption *ad)
{
	if (ad->unsaid > 0)
		log_line(LOG_WARNING, "quota: %s: so do %u other accounts that "
		    "have sent mail; see posternctl quota list",
		    ad->conf->path, ad->unsaid);
}

void
quota_names_adopt(const struct conf *c, const struct names *n,
    const struct quota_conf *conf, struct quota *table)
{
	struct adoption ad = {.names = n, .conf = conf, .table = table,
	    .realm = n->realm == NULL ? "" : n->realm};
	const char *realms = conf_str(c, "QuotaRealms");
	struct quota_entry e;
	struct buf all = BUF_INIT;
	uint32_t cursor = 0;
	int rc = 0;

	buf_printf(&all, "1 %s %s", ad.realm, realms == NULL ? "" : realms);
	if (all.failed ||
	    quota_noted(table, QUOTA_NOTE_NAMES, buf_text(&all)) == 1) {
		buf_fini(&all);
		return;
	}
	ad.same_realm = quota_noted(table, QUOTA_NOTE_REALM, ad.realm);
	while (quota_next(table, &cursor, &e)) {
		arena_init(&ad.arena);
		adopt(&ad, &e);
		arena_fini(&ad.arena);
	}
	say_sums(&ad);
	/* What failed is tried again at the next start. */
	if (ad.failed == 0)
		rc = quota_note(table, QUOTA_NOTE_REALM, ad.realm);
	if (ad.failed == 0 && rc == 0)
		rc = quota_note(table, QUOTA_NOTE_NAMES, buf_text(&all));
	if (rc != 0)
		log_line(LOG_ERR, "quota: %s: %s", conf->path, strerror(errno));
	buf_fini(&all);
}
