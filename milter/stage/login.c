/*
 * SenderLogins: whose addresses a login may write into From.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * The data set has the form of Postfix' smtpd_sender_login_maps: an address, or
 * @domain, and the logins that own it, in any form of their names.  A login
 * that is itself the address owns it.  A login whose realm does not exist
 * (QuotaRealms) owns nothing, even without SenderLogins.  Mail from an address
 * that the login does not own is never signed; SenderLoginsAction says whether
 * it is also refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dns/idna.h"
#include "lib/mail/addrtext.h"
#include "lib/quota/account.h"
#include "milter/chain.h"
#include "milter/log.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"
#include "names.h"

#define ADDRESS_SIZE 600 /* octets of an address as a key */

static const char *const actions[] = {"off", "log", "refuse", NULL};
enum action { ACTION_OFF, ACTION_LOG, ACTION_REFUSE };

static const struct conf_option options[] = {
    {.keyword = "SenderLogins", .type = CONF_SET,
	.summary = "which logins own an address or @domain"},
    {.keyword = "SenderLoginsAction", .type = CONF_WORD, .def = "refuse",
	.words = actions,
	.summary =
	    "what to do with a From that is not the login's: log leaves it "
	    "unsigned"},
};

struct state {
	struct dataset *owners; /* SenderLogins; NULL: unset, only the realm is
	    checked */
	struct dataset *fields; /* SenderHeaders: the fields whose addresses
	    mail may be signed for */
	enum action action;
};

static void
login_unload(void *state)
{
	struct state *st = state;

	dataset_free(st->owners);
	dataset_free(st->fields);
	free(st);
}

struct walk {
	const struct conf *c;
	const struct dataset *set;
	struct errmsg *msg;
	bool warned; /* a warning was logged for the first entry that matches
	    nothing */
};

/* What is expected instead of the entry's key, which no address matches, or of
 * its owners; NULL: the entry may be right. */
static const char *
owner_fault(const struct dataset_entry *e, bool pattern)
{
	const char *at = strrchr(e->key, '@');

	if (strpbrk(e->key, "<>:;,\"") != NULL)
		return "expected an address alone, without quotes, < and > or a "
		       "colon behind it";
	if (strchr(e->value, ';') != NULL)
		return "expected commas between the logins";
	if (strchr(e->key, '*') != NULL)
		return pattern ? NULL
			       : "a * stands for nothing here: expected "
				 "@example.com for a domain, or a pattern in a "
				 "set refile:PATH";
	return at != NULL && at[1] != '\0'
	    ? NULL
	    : "expected an address, or a domain with an @ before it";
}

static void
warn_owner(struct walk *w, const struct dataset_entry *e)
{
	const char *fault = owner_fault(e, dataset_has_patterns(w->set));

	if (fault == NULL || w->warned)
		return;
	w->warned = true;
	if (e->line > 0)
		conf_odd(w->c, "%s: SenderLogins: %s:%d: %s: %s; the "
		    "entry matches nothing", conf_where(w->c, "SenderLogins"),
		    dataset_name(w->set), e->line, e->key, fault);
	else
		conf_odd(w->c, "%s: SenderLogins: %s: %s; the entry "
		    "matches nothing", conf_where(w->c, "SenderLogins"), e->key,
		    fault);
}

/* An entry without logins would forbid the address to all; more likely the
 * login was forgotten. */
static int
check_owner(const struct dataset_entry *e, void *arg)
{
	struct walk *w = arg;
	char place[600] = "";

	if (e->value[strspn(e->value, ", \t")] != '\0') {
		warn_owner(w, e);
		return 0;
	}
	if (e->line > 0)
		snprintf(place, sizeof(place), "%s:%d: ", dataset_name(w->set),
		    e->line);
	errmsg_set(w->msg, "%s: SenderLogins: %s%s: expected the logins that "
	    "own it behind the address: %s bob, alice",
	    conf_where(w->c, "SenderLogins"), place, e->key, e->key);
	return conf_noted(w->c, ERR_CONFIG, w->msg);
}

static int
check_owners(const struct conf *c, const struct state *st, struct errmsg *msg_r)
{
	struct walk w = {.c = c, .set = st->owners, .msg = msg_r};

	/* A database may be large, and changes. */
	return st->owners == NULL || dataset_is_live(st->owners)
	    ? 0
	    : dataset_walk(st->owners, check_owner, &w);
}

static int
login_load(const struct snapshot *snap, const struct snapshot *old,
    void **state_r, struct errmsg *msg_r)
{
	const struct conf *c = snap->conf;
	int action = conf_word(c, "SenderLoginsAction");
	struct state *st;
	int rc;

	(void)old;
	if (!conf_given(c, "SenderLogins")) {
		/* A warning, not a mistake, because `postern -T` prints it with
		 * all defaults, and its output must be valid. */
		if (conf_given(c, "SenderLoginsAction"))
			conf_odd(c, "%s: SenderLoginsAction: expected "
			    "SenderLogins too, which says who owns what",
			    conf_where(c, "SenderLoginsAction"));
		if (!conf_given(c, "QuotaRealms"))
			return 0;
	}
	if (action == ACTION_OFF)
		return 0;
	st = calloc(1, sizeof(*st));
	if (st == NULL)
		return ERR_NOMEM;
	*state_r = st;
	st->action = (enum action)action;
	rc = conf_also(c, 0,
	    options_set(c, "SenderLogins", NULL, &st->owners, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "SenderHeaders", NULL, &st->fields, msg_r), msg_r);
	return rc != 0 ? rc : check_owners(c, st, msg_r);
}

/* Is the account among the logins of a value, which commas or spaces separate?
 * 1 or 0, or ERR_NOMEM. */
static int
named(struct message *m, const char *logins)
{
	const struct names *n = names_of(m->session->snap);
	static const char separators[] = ", \t";

	for (;;) {
		const char *login, *account;
		size_t len;

		logins += strspn(logins, separators);
		len = strcspn(logins, separators);
		if (len == 0)
			return 0;
		login = arena_memdup(&m->arena, logins, len);
		account = login == NULL
		    ? NULL
		    : account_of_text(&m->arena, login, n->realm, NULL);
		if (account == NULL)
			return ERR_NOMEM;
		if (strcmp(account, m->account) == 0)
			return 1;
		logins += len;
	}
}

/* The functions below return 1 (yes), 0 (no) or a negative ERR_. */

static int
key_names(const struct state *st, struct message *m, const char *key)
{
	struct dataset_entry e;
	int rc = dataset_get(st->owners, key, &e);

	if (rc != 0)
		return rc == ERR_NOTFOUND ? 0 : rc;
	rc = named(m, e.value);
	dataset_entry_fini(&e);
	return rc;
}

/* A login without a name, or one whose realm does not exist, owns nothing. */
static int
owns_as(const struct state *st, struct message *m, const char *local,
    const char *domain)
{
	char key[ADDRESS_SIZE];
	int n = snprintf(key, sizeof(key), "%s@%s", local, domain), rc;

	if (m->login == NULL || m->account == NULL ||
	    strcmp(m->account, ACCOUNT_OTHER_REALMS) == 0)
		return 0;
	/* Nobody owns what is longer than any address. */
	if (n < 0 || (size_t)n >= sizeof(key))
		return 0;
	if (strcasecmp(key, account_login(m->account)) == 0)
		return 1;
	rc = key_names(st, m, key);
	return rc != 0 ? rc : key_names(st, m, strrchr(key, '@'));
}

/* A login that owns a domain by its A-labels owns it by its U-labels, too. */
static int
owns(const struct state *st, struct message *m, const struct addr *a)
{
	const char *alabels;
	int rc = owns_as(st, m, a->local, a->domain);

	if (rc != 0)
		return rc;
	if (idna_alabels(&m->arena, a->domain, &alabels) == ERR_NOMEM)
		return ERR_NOMEM;
	return alabels == NULL || alabels == a->domain
	    ? 0
	    : owns_as(st, m, a->local, alabels);
}

/* Does the field, which is not From, count as an author (SenderHeaders)? */
static int
names_author(const struct state *st, struct arena *a, const struct hdr *h)
{
	const char *name;

	if (st->fields == NULL || hdr_is(h, "From"))
		return 0;
	name = arena_memdup(a, h->name, hdr_name_len(h));
	return name == NULL ? ERR_NOMEM : dataset_has(st->fields, name);
}

/* Does the login own all of these addresses?  It does not own what can't be
 * read, nor a name without a domain, to which an MTA may add one. */
static int
owns_all(const struct state *st, struct message *m, const struct author *who,
    const char **whose_r)
{
	int rc = 1;

	*whose_r = "an unreadable From";
	if (who->state == AUTHOR_UNREADABLE || who->names)
		return 0;
	for (size_t i = 0; i < who->count && rc > 0; i++) {
		*whose_r = arena_printf(&m->arena, "%s@%s",
		    who->list[i].local, who->list[i].domain);
		rc = *whose_r == NULL ? ERR_NOMEM
				      : owns(st, m, &who->list[i]);
	}
	return rc;
}

/* Does it own all addresses in a field of SenderHeaders? */
static int
owns_field(const struct state *st, struct message *m, const struct hdr *h,
    const char **whose_r)
{
	struct author who;
	int rc = names_author(st, &m->arena, h);

	if (rc <= 0)
		return rc == 0 ? 1 : rc;
	rc = author_read_field(&m->arena, h, &who);
	return rc != 0 ? rc : owns_all(st, m, &who, whose_r);
}

/* Does the login own every author? */
static int
owns_authors(const struct state *st, struct message *m, const char **whose_r)
{
	struct addr sender;
	int rc = owns_all(st, m, &m->author, whose_r);

	for (const struct hdr *h = m->headers.first; h != NULL && rc > 0;
	     h = h->next)
		rc = owns_field(st, m, h, whose_r);
	if (rc <= 0 || m->author.fields > 0 || m->sender[0] == '\0')
		return rc;
	/* Without From, the MTA may make one of the sender after the milter. */
	*whose_r = m->sender;
	rc = addr_split(&m->arena, m->sender, &sender);
	return rc != 0 ? rc : owns(st, m, &sender);
}

/* Is the login to be checked?  Without SenderLogins only one whose realm does
 * not exist. */
static bool
is_checked(const struct state *st, const struct message *m)
{
	if (strcmp(m->why, "login") != 0)
		return false;
	return st->owners != NULL || (m->login != NULL && m->account != NULL &&
	    strcmp(m->account, ACCOUNT_OTHER_REALMS) == 0);
}

static struct verdict
login_eoh(const struct ctx *ctx)
{
	struct message *m = ctx->m;
	const struct state *st = ctx->state;
	const char *whose = "";
	struct buf b = BUF_INIT;
	struct verdict v;
	int rc = is_checked(st, m) ? owns_authors(st, m, &whose) : 1;

	if (rc > 0) {
		if (is_checked(st, m))
			session_why(
			    ctx, "the login owns every author that it names");
		return verdict_none;
	}
	m->from_denied = true;
	if (rc == 0 && message_symbol(m, "FROM_NOT_OWNED", 0) != 0)
		rc = ERR_NOMEM;
	if (rc < 0)
		return verdict_error(VERDICT_E_INTERNAL,
		    rc == ERR_NOMEM ? "no memory"
				    : "SenderLogins can't be read");
	if (m->login == NULL)
		buf_str(&b, "a login without a name");
	else
		addrtext_escape(&b, m->login, 256);
	buf_str(&b, " may not use ");
	addrtext_escape(&b, whose, 256);
	/* Off line it is in the output. */
	if (!ctx->s->readonly)
		log_about(ctx, LOG_WARNING, "%s",
		    b.failed ? "no memory" : buf_text(&b));
	buf_fini(&b);
	if (st->action == ACTION_LOG || st->owners == NULL)
		return verdict_none;
	v = verdict_make(VERDICT_REJECT,
	    "The From address does not belong to your account");
	v.symbol = "FROM_NOT_OWNED";
	v.why = arena_printf(&m->arena,
	    "SenderLogins does not give %s to the account %s",
	    session_quoted(ctx, whose), session_quoted(ctx, m->account));
	return v;
}

static const char *const symbol_names[] = {
    "FROM_NOT_OWNED", NULL};

const struct stage stage_login = {
    .name = "login",
    .off = "neither SenderLogins nor QuotaRealms says who may use which sender",
    .symbols = symbol_names,
    .options = CONF_TABLE(options),
    .load = login_load,
    .unload = login_unload,
    .eoh = login_eoh,
};
