/* SPDX-License-Identifier: BSD-2-Clause */
#include "quota_names.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
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
	    "QuotaRealm was %s and is %s: the login %s is %s from here on%s%s%s",
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

void
quota_names_adopt(const struct conf *c, const struct names *n,
    const struct quota_conf *conf, struct quota *table)
{
	struct adoption ad = {.names = n, .conf = conf, .table = table,
	    .realm = n->realm == NULL ? "" : n->realm};
	const char *realms = conf_str(c, "QuotaRealms");
	struct buf all = BUF_INIT;
	int rc = 0;

	buf_printf(&all, "1 %s %s", ad.realm, realms == NULL ? "" : realms);
	if (all.failed ||
	    quota_noted(table, QUOTA_NOTE_NAMES, buf_text(&all)) == 1) {
		buf_fini(&all);
		return;
	}
	ad.same_realm = quota_noted(table, QUOTA_NOTE_REALM, ad.realm);
	walk(&ad);
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

/* -- for sessions that began before -- */

/* Old ones may be read by some thread: they stay until all goes. */
struct word {
	struct word *older;
	char text[];
};

struct quota_realm {
	atomic_int refs;
	_Atomic(struct word *) now;
};

struct quota_realm *
quota_realm_new(void)
{
	struct quota_realm *r = calloc(1, sizeof(*r));

	if (r != NULL)
		atomic_init(&r->refs, 1);
	return r;
}

struct quota_realm *
quota_realm_ref(struct quota_realm *r)
{
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	return r;
}

void
quota_realm_unref(struct quota_realm *r)
{
	struct word *w, *older;

	if (r == NULL ||
	    atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (w = atomic_load(&r->now); w != NULL; w = older) {
		older = w->older;
		free(w);
	}
	free(r);
}

int
quota_realm_set(struct quota_realm *r, const char *realm)
{
	struct word *now = atomic_load(&r->now), *w;

	if (now != NULL && strcmp(now->text, realm) == 0)
		return 0;
	w = malloc(sizeof(*w) + strlen(realm) + 1);
	if (w == NULL)
		return ERR_NOMEM;
	w->older = now;
	strcpy(w->text, realm);
	atomic_store_explicit(&r->now, w, memory_order_release);
	return 0;
}

const char *
quota_realm_name(const struct quota_realm *r, struct arena *a,
    const char *account, const char *realm)
{
	const struct word *now;

	if (realm != NULL)
		return account;
	now = atomic_load_explicit(&r->now, memory_order_acquire);
	if (now == NULL || now->text[0] == '\0')
		return account;
	return account_of_text(a, account, now->text, NULL);
}
