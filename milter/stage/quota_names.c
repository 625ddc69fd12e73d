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

#define SAID_MAX 100 /* accounts that have counts only, in one log */

struct adoption {
	const struct names *names;
	const struct quota_conf *conf;
	struct quota *table;
	const char *realm; /* as it is now; "": none */
	int same_realm;    /* as quota_noted says */
	bool quiet;        /* what stays behind has been said */
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
	if (ad->quiet || (!e->locked && !has_counts(ad, e)))
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

/* The account was a login of QuotaRealm's, or one with that realm. */
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
	    "QuotaRealm was %s and is %s: the login %s is %s from here on"
	    "%s%s%s",
	    shown(ad, realm), *ad->realm == '\0' ? "not set any more"
						 : ad->realm, login, now,
	    e->locked ? " (posternctl quota lock " : "",
	    e->locked ? now : "", e->locked ? ")" : "");
}

/* An account in its form: is its mail counted there from here on? */
static void
look(struct adoption *ad, const struct quota_entry *e, const char *realm)
{
	if (*realm == '\0' || !account_is_login(e->account))
		return;
	if (names_realm_exists(ad->names, realm) == 0) {
		say_left(ad, e, arena_printf(&ad->arena, "the realm %s is not "
		    "in QuotaRealms, so its mail is counted in "
		    ACCOUNT_OTHER_REALMS, shown(ad, realm)));
		return;
	}
	if (ad->same_realm != 0 || strcmp(realm, ad->realm) == 0 ||
	    quota_noted(ad->table, QUOTA_NOTE_REALM, realm) != 1)
		return;
	say_left(ad, e, was_of(ad, e, realm));
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

/* A realm that was in force; some thread may be reading it: it stays until all
 * goes. */
struct word {
	struct word *older;
	char text[];
};

struct quota_names {
	atomic_int refs;
	_Atomic(struct word *) realm; /* NULL: nothing was adopted; "": none */
	atomic_bool moving; /* accounts are on their way to their new names */
	char *adopted; /* table and names, of the adopting thread */
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

/* Who is to be charged by a new name that the walk has not come to yet would
 * find nothing counted there: so it moves first. */
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

/* What failed is tried again at the next start or reload, and said again. */
static void
look_at_all(struct adoption *ad, const char *names)
{
	int rc;

	ad->quiet = quota_noted(ad->table, QUOTA_NOTE_NAMES, names) == 1;
	ad->same_realm = quota_noted(ad->table, QUOTA_NOTE_REALM, ad->realm);
	walk(ad);
	say_sums(ad);
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
 * Sessions that have an older snapshot hear the new realm first; from then on
 * they count by the new names, and move what has not come there yet.  Whoever
 * had read the old realm before looks again when he has counted, in
 * stage_quota.c.
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
	/* The number is that of the names' form. */
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
