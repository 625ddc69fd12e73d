/* SPDX-License-Identifier: BSD-2-Clause */
#include "quota_names.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/quota/account.h"
#include "lib/quota/quota.h"
#include "milter/log.h"
#include "names.h"
#include "quota_conf.h"

#define LOGGED_MAX 100 /* accounts without a lock that are logged at most */

struct adoption {
	const struct names *names;
	const struct quota_conf *conf;
	struct quota *table;
	const char *realm; /* QuotaRealm as it is now; "": none */
	int same_realm;    /* result of quota_noted */
	bool quiet;        /* what is not moved is logged already */
	unsigned failed, logged, unlogged;
	struct arena arena; /* of one account */
};

/* The name escaped, for the log. */
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

/* Log an account that is not moved, though its mail is counted under another
 * name from here on. */
static void
log_left(struct adoption *ad, const struct quota_entry *e, const char *why)
{
	if (ad->quiet || (!e->locked && !has_counts(ad, e)))
		return;
	if (!e->locked && ad->logged == LOGGED_MAX) {
		ad->unlogged++;
		return;
	}
	ad->logged += !e->locked;
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

/* Why the account is not moved: it was a login without a realm, or one with the
 * old QuotaRealm. */
static const char *
was_of(struct adoption *ad, const struct quota_entry *e, const char *realm)
{
	struct arena *a = &ad->arena;
	const char *login = account_login(e->account), *now;

	login = arena_memdup(a, login, (size_t)(strrchr(login, '@') - login));
	now = login == NULL
	    ? NULL
	    : account_of_login(a, login, ad->names->realm, NULL);
	if (now == NULL)
		return NULL;
	login = shown(ad, login);
	now = shown(ad, now);
	return arena_printf(a,
	    "QuotaRealm was %s and is %s: "
	    "the login %s is counted as %s from here on"
	    "%s%s%s",
	    shown(ad, realm), *ad->realm == '\0' ? "not set any more"
						 : ad->realm, login, now,
	    e->locked ? " (posternctl quota lock " : "",
	    e->locked ? now : "", e->locked ? ")" : "");
}

/* An account in its one form: log it if its mail is counted elsewhere from here
 * on. */
static void
look(struct adoption *ad, const struct quota_entry *e, const char *realm)
{
	if (*realm == '\0' || !account_is_login(e->account))
		return;
	if (names_realm_exists(ad->names, realm) == 0) {
		log_left(ad, e, arena_printf(&ad->arena, "the realm %s is not "
		    "in QuotaRealms, so its mail is counted in "
		    ACCOUNT_OTHER_REALMS, shown(ad, realm)));
		return;
	}
	if (ad->same_realm != 0 || strcmp(realm, ad->realm) == 0 ||
	    quota_noted(ad->table, QUOTA_NOTE_REALM, realm) != 1)
		return;
	log_left(ad, e, was_of(ad, e, realm));
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
	/* Of a name that is too long the table has only a hash. */
	if (!e->whole) {
		if (strchr(e->account, '@') == NULL && *ad->realm != '\0' &&
		    account_is_login(e->account))
			log_left(ad, e, "its name is too long to be moved");
		return;
	}
	if (strcmp(name, e->account) != 0)
		move(ad, e, name);
	else
		look(ad, e, realm);
}

static void
log_sums(const struct adoption *ad)
{
	if (ad->unlogged > 0)
		log_line(LOG_WARNING, "quota: %s: so do %u other accounts that "
		    "have sent mail; see posternctl quota list",
		    ad->conf->path, ad->unlogged);
}

static void
walk(struct adoption *ad)
{
	struct quota_entry e;
	uint32_t cursor = 0;

	while (quota_next(ad->table, &cursor, &e)) {
		arena_init(&ad->arena);
		adopt(ad, &e);
		arena_fini(&ad->arena);
	}
}

/* -- what snapshots share -- */

/* A realm that was in force.  It is not freed before the rest, because a thread
 * may be reading it. */
struct word {
	struct word *older;
	char text[];
};

struct quota_names {
	atomic_int refs;
	_Atomic(struct word *) realm; /* NULL: nothing was adopted yet; "": no
	    realm */
	atomic_bool moving; /* accounts are being moved to their new names */
	char *adopted; /* table and names that were adopted last; only for the
	    adopting thread */
};

struct quota_names *
quota_names_new(void)
{
	struct quota_names *q = calloc(1, sizeof(*q));

	if (q != NULL)
		atomic_init(&q->refs, 1);
	return q;
}

struct quota_names *
quota_names_ref(struct quota_names *q)
{
	atomic_fetch_add_explicit(&q->refs, 1, memory_order_relaxed);
	return q;
}

void
quota_names_unref(struct quota_names *q)
{
	struct word *w, *older;

	if (q == NULL ||
	    atomic_fetch_sub_explicit(&q->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (w = atomic_load(&q->realm); w != NULL; w = older) {
		older = w->older;
		free(w);
	}
	free(q->adopted);
	free(q);
}

static void
set_realm(struct quota_names *q, const char *realm)
{
	struct word *now = atomic_load(&q->realm), *w;

	if (now != NULL && strcmp(now->text, realm) == 0)
		return;
	w = malloc(sizeof(*w) + strlen(realm) + 1);
	if (w == NULL) {
		log_line(LOG_ERR, "quota: no memory to tell sessions under way "
		    "that QuotaRealm has changed");
		return;
	}
	w->older = now;
	strcpy(w->text, realm);
	atomic_store_explicit(&q->realm, w, memory_order_release);
}

/* Move an account now that is about to be charged under its new name: until the
 * walk reaches it, nothing is counted under that name. */
static void
move_first(const struct quota_conf *conf, struct quota *table,
    const char *account, const char *to)
{
	struct adoption ad = {.conf = conf, .table = table};
	struct quota_entry e = {.whole = true};
	struct quota_state state;

	if (strlen(account) >= sizeof(e.account) ||
	    quota_peek(table, account, NULL, &state) != 0 || !state.known)
		return;
	strcpy(e.account, account);
	e.locked = state.locked;
	arena_init(&ad.arena);
	move(&ad, &e, to);
	arena_fini(&ad.arena);
}

const char *
quota_names_now(const struct quota_names *q, const struct quota_conf *conf,
    struct quota *table, struct arena *a, const char *account)
{
	const struct word *now;
	const char *name;

	if (conf->realm != NULL)
		return account;
	now = atomic_load_explicit(&q->realm, memory_order_acquire);
	if (now == NULL || now->text[0] == '\0')
		return account;
	name = account_of_text(a, account, now->text, NULL);
	if (name != NULL && atomic_load(&q->moving) &&
	    strcmp(name, account) != 0)
		move_first(conf, table, account, name);
	return name;
}

/* Walk over the table.  What fails is tried and logged again at the next start
 * or reload. */
static void
look_at_all(struct adoption *ad, const char *names)
{
	int rc;

	ad->quiet = quota_noted(ad->table, QUOTA_NOTE_NAMES, names) == 1;
	ad->same_realm = quota_noted(ad->table, QUOTA_NOTE_REALM, ad->realm);
	walk(ad);
	log_sums(ad);
	if (ad->failed != 0 || ad->quiet)
		return;
	rc = quota_note(ad->table, QUOTA_NOTE_REALM, ad->realm);
	if (rc == 0)
		rc = quota_note(ad->table, QUOTA_NOTE_NAMES, names);
	if (rc != 0)
		log_line(LOG_ERR, "quota: %s: %s", ad->conf->path,
		    strerror(errno));
}

/*
 * First the new realm is published, so that sessions with an older snapshot
 * count by the new names, and move accounts that the walk has not reached yet.
 * A session that had read the old realm tests again after counting (quota.c).
 */
void
quota_names_adopt(struct quota_names *q, const struct conf *c,
    const struct names *n, const struct quota_conf *conf, struct quota *table)
{
	struct adoption ad = {.names = n, .conf = conf, .table = table,
	    .realm = n->realm == NULL ? "" : n->realm};
	const char *realms = conf_str(c, "QuotaRealms");
	struct buf all = BUF_INIT;
	size_t path_len = strlen(conf->path) + 1;

	atomic_store(&q->moving, true);
	set_realm(q, ad.realm);
	/* The 1 is the version of the accounts' one form. */
	buf_printf(&all, "%s 1 %s %s", conf->path, ad.realm,
	    realms == NULL ? "" : realms);
	if (all.failed) {
		log_line(LOG_ERR, "quota: no memory to look at the accounts' "
		    "names");
	} else if (q->adopted == NULL ||
	    strcmp(q->adopted, buf_text(&all)) != 0) {
		look_at_all(&ad, buf_text(&all) + path_len);
		free(q->adopted);
		q->adopted = ad.failed == 0 ? strdup(buf_text(&all)) : NULL;
	}
	atomic_store(&q->moving, false);
	buf_fini(&all);
}
