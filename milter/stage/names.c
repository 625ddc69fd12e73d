/* SPDX-License-Identifier: BSD-2-Clause */
#include "names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/quota/account.h"
#include "lib/quota/limits.h"
#include "lib/text/ascii.h"
#include "milter/chain.h"
#include "milter/options.h"
#include "milter/snapshot.h"
#include "milter/stages.h"

#define SHOWN_MAX 120 /* octets of the text that is wrong, in a message */

/* -- realms -- */

/* What is expected instead of the realm; NULL: it can follow the @ of a
 * login. */
static const char *
realm_mistake(const char *realm)
{
	size_t len = strlen(realm);

	if (len == 0 || realm[0] == '.' || realm[len - 1] == '.' ||
	    strpbrk(realm, "@* \t\r\n\v\f") != NULL)
		return "expected a domain such as example.com, without @";
	return NULL;
}

int
names_check_realm(const char *value, struct errmsg *msg_r)
{
	struct arena a;
	const char *realm, *mistake = NULL;

	arena_init(&a);
	realm = account_realm(&a, value);
	if (realm != NULL)
		mistake = realm_mistake(realm);
	arena_fini(&a);
	return mistake == NULL ? 0 : errmsg_set(msg_r, "%s", mistake);
}

int
names_realm_of(const struct conf *c, struct arena *a, const char **realm_r)
{
	const char *realm = conf_str(c, "QuotaRealm");

	*realm_r = realm == NULL ? NULL : account_realm(a, realm);
	return realm != NULL && *realm_r == NULL ? ERR_NOMEM : 0;
}

int
names_realm_exists(const struct names *n, const char *realm)
{
	if (n->realms == NULL || *realm == '\0' ||
	    (n->realm != NULL && strcmp(n->realm, realm) == 0))
		return 1;
	return dataset_has(n->realms, realm);
}

int
names_login(const struct names *n, struct arena *a, const char *login,
    const char **account_r)
{
	const char *realm;
	int rc;

	*account_r = account_of_login(a, login, n->realm, &realm);
	if (*account_r == NULL)
		return ERR_NOMEM;
	rc = names_realm_exists(n, realm);
	if (rc == 0)
		*account_r = ACCOUNT_OTHER_REALMS;
	return rc < 0 ? rc : 0;
}

/* -- names in the configuration -- */

const char *
names_title(struct arena *a, const char *title, const char *realm)
{
	size_t len;

	while (ascii_space(*title))
		title++;
	len = strlen(title);
	while (len > 0 && ascii_space(title[len - 1]))
		len--;
	if (*title == '@') {
		title = account_realm(a, title + 1);
		return title == NULL ? NULL : arena_printf(a, "@%s", title);
	}
	if (ascii_is(title, len, LIMITS_DEFAULT))
		return LIMITS_DEFAULT;
	return account_of_text(a, title, realm, NULL);
}

/* What is expected instead of a title that can never match; NULL: it may
 * match. */
static const char *
title_mistake(struct arena *a, const char *title)
{
	const char *account;

	if (*title == '@')
		return realm_mistake(title + 1) == NULL
		    ? NULL
		    : "expected @ and a domain, such as @example.com";
	account = account_of_text(a, title, NULL, NULL);
	if (account == NULL)
		return NULL;
	if (strcmp(account, ACCOUNT_LOGIN) == 0 ||
	    strcmp(account, ACCOUNT_SCRIPT) == 0 ||
	    strcmp(account, ACCOUNT_SENDER) == 0)
		return "expected an account, or @ and a domain";
	if (strchr(account, '*') == NULL ||
	    strcmp(account, ACCOUNT_SCRIPT "*") == 0 ||
	    strcmp(account, ACCOUNT_SENDER "*") == 0 ||
	    strcmp(account, ACCOUNT_OTHER_REALMS) == 0 ||
	    ascii_starts(title, strlen(title), ACCOUNT_LOGIN))
		return NULL;
	return "a * stands for nothing here: expected @example.com for all "
	       "accounts of a domain, or login:NAME where a login has a *";
}

/* Does it end like a domain, and not like a person's name? */
static bool
looks_like_domain(const char *name)
{
	static const char *const endings[] = {"com", "org", "net", "edu", "gov",
	    "mil", "int", "info", "biz", "arpa", "app", "cloud", "dev", "email",
	    "online", "shop", "site", "xyz", "example", "test", "invalid",
	    "local", "lan", "home", "internal", "intranet", "corp",
	    "localdomain"};
	const char *dot = strrchr(name, '.');
	size_t len;

	if (dot == NULL || dot == name || strpbrk(name, "@: ") != NULL)
		return false;
	len = strlen(dot + 1);
	if ((len == 2 && ascii_alpha(dot[1]) && ascii_alpha(dot[2])) ||
	    ascii_starts(dot + 1, len, "xn--"))
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++) {
		if (strcasecmp(dot + 1, endings[i]) == 0)
			return true;
	}
	return false;
}

/* Is it UID:NAME, as PHP writes the names of scripts? */
static bool
is_script(const char *name)
{
	size_t n = 0;

	while (ascii_digit(name[n]))
		n++;
	return n > 0 && name[n] == ':' && name[n + 1] != '\0';
}

/* What is expected instead of the address behind ACCOUNT_SENDER, if probably no
 * mail has it; NULL: some may. */
static const char *
sender_doubt(const char *address)
{
	if (strcmp(address, "<>") == 0 || strcmp(address, "*") == 0)
		return NULL;
	if (address[0] == '@')
		return "expected @ and the domain alone: senders of a domain "
		       "have its limits";
	return strchr(address, '@') != NULL && strpbrk(address, "<>") == NULL
	    ? NULL
	    : "expected an address with its domain, without < and >, as in "
	      "sender:bob@example.com, or sender:<>";
}

/* What is expected instead of an account in its one form, if probably no mail
 * is charged to it, realms left aside; NULL: some may be. */
static const char *
form_doubt(const char *account)
{
	const char *login = account_login(account);

	if (ascii_starts(account, strlen(account), ACCOUNT_SCRIPT)) {
		account += strlen(ACCOUNT_SCRIPT);
		return strcmp(account, "*") == 0 || is_script(account)
		    ? NULL
		    : "expected the number of the user before the script's "
		      "name, as in script:33:form.php";
	}
	if (ascii_starts(account, strlen(account), ACCOUNT_SENDER))
		return sender_doubt(account + strlen(ACCOUNT_SENDER));
	if (strstr(login, "\u201c") != NULL || strstr(login, "\u201d") != NULL ||
	    strstr(login, "\u201e") != NULL)
		return "expected quotes of the kind \" or ', or none";
	if (strpbrk(login, "<>") != NULL)
		return "expected a login without < and >; the null sender is "
		       LIMITS_NULL_SENDER;
	if (strchr(login, ',') != NULL)
		return "taken for one account: expected a section for each";
	if (ascii_starts(login, strlen(login), "realm:") &&
	    strcmp(account, ACCOUNT_OTHER_REALMS) != 0)
		return "expected @ and a domain for the logins of a realm";
	return NULL;
}

/* Is it likely that the title never matches?  Then the message has what is
 * expected. */
static bool
title_doubt(const struct names *n, struct arena *a, const char *title,
    struct errmsg *why)
{
	const char *realm = "", *bare = account_of_text(a, title, NULL, NULL);

	if (bare == NULL || *title == '@' ||
	    ascii_starts(title, strlen(title), ACCOUNT_LOGIN))
		return false;
	if (form_doubt(bare) != NULL) {
		errmsg_set(why, "%s", form_doubt(bare));
		return true;
	}
	if (strchr(bare, '@') == NULL && account_is_login(bare) &&
	    (looks_like_domain(bare) ||
		(n->realm != NULL && strcmp(bare, n->realm) == 0) ||
		(n->realms != NULL && dataset_has(n->realms, bare) > 0))) {
		errmsg_set(why, "taken for a login%s%s: expected @%.*s if the "
		    "domain is meant", n->realm == NULL ? "" : " of ",
		    n->realm == NULL ? "" : n->realm, SHOWN_MAX, bare);
		return true;
	}
	account_of_text(a, title, n->realm, &realm);
	if (names_realm_exists(n, realm) == 0) {
		errmsg_set(why, "expected a realm that is in QuotaRealms: "
		    "logins of others are counted in " ACCOUNT_OTHER_REALMS);
		return true;
	}
	return false;
}

/* The text escaped and cut, for a message. */
static const char *
shown(struct arena *a, const char *text)
{
	struct buf b = BUF_INIT;
	const char *s;

	buf_escape(&b, text, strlen(text), SHOWN_MAX);
	s = arena_strdup(a, b.failed ? "?" : buf_text(&b));
	buf_fini(&b);
	return s == NULL ? "?" : s;
}

/* Judge a title of Quota or an entry of QuotaExempt.  where: file, line and
 * keyword. */
static int
judge(const struct names *n, const struct conf *c, const char *where,
    const char *text, struct errmsg *msg_r)
{
	const char *mistake, *title;
	struct errmsg why;
	struct arena a;
	int rc = 0;

	arena_init(&a);
	title = text + strspn(text, " \t\r\n\v\f");
	if (*title == '@')
		title = names_title(&a, title, NULL);
	mistake = title == NULL ? NULL : title_mistake(&a, title);
	if (title == NULL)
		rc = ERR_NOMEM;
	else if (mistake != NULL)
		rc = errmsg_set(msg_r, "%s: \"%s\": %s", where,
		    shown(&a, text), mistake);
	else if (title_doubt(n, &a, title, &why))
		conf_odd(c, "%s: \"%s\": %s", where,
		    shown(&a, text), why.text);
	arena_fini(&a);
	return rc;
}

static int
judge_titles(const struct names *n, const struct conf *c, struct errmsg *msg_r)
{
	const struct conf_section *s;
	struct errmsg where;
	int rc = 0;

	for (size_t i = 0;
	     rc != ERR_NOMEM && (s = conf_section(c, "Quota", i)) != NULL;
	     i++) {
		errmsg_set(&where, "%s: Quota", conf_section_where(s));
		rc = conf_also(c, rc,
		    judge(n, c, where.text, conf_section_title(s), msg_r),
		    msg_r);
	}
	return rc;
}

/* Judge a domain in QuotaTotal as for Quota; other titles are judged where
 * sections are read. */
static int
judge_total(const struct names *n, const struct conf *c,
    const struct conf_section *s, struct errmsg *msg_r)
{
	const char *title = conf_section_title(s);
	struct errmsg where;

	errmsg_set(&where, "%s: QuotaTotal", conf_section_where(s));
	return *title != '@' ? 0 : judge(n, c, where.text, title, msg_r);
}

static int
judge_totals(const struct names *n, const struct conf *c, struct errmsg *msg_r)
{
	const struct conf_section *s;
	int rc = 0;

	for (size_t i = 0; rc != ERR_NOMEM &&
	     (s = conf_section(c, "QuotaTotal", i)) != NULL; i++)
		rc = conf_also(c, rc, judge_total(n, c, s, msg_r), msg_r);
	return rc;
}

/* -- names in data sets -- */

struct walk {
	const struct names *n;
	const struct conf *c;
	const struct dataset *set;
	const char *keyword;
	struct errmsg *msg;
};

/* Begin a message with the keyword's place, and that of the entry if it stands
 * in a file. */
static void
put_place(const struct walk *w, const struct dataset_entry *e,
    struct errmsg *where_r)
{
	if (e->line > 0)
		errmsg_set(where_r, "%s: %s: %s:%d",
		    conf_where(w->c, w->keyword), w->keyword,
		    dataset_name(w->set), e->line);
	else
		errmsg_set(where_r, "%s: %s", conf_where(w->c, w->keyword),
		    w->keyword);
}

static int
judge_exempt(const struct dataset_entry *e, void *arg)
{
	const struct walk *w = arg;
	struct errmsg where;
	int rc;

	put_place(w, e, &where);
	if (strcasecmp(e->key, ACCOUNT_OTHER_REALMS) == 0)
		rc = errmsg_set(w->msg, "%s: \"%s\": expected an account or "
		    "@domain: logins of unknown realms are never exempt",
		    where.text, e->key);
	else
		rc = judge(w->n, w->c, where.text, e->key, w->msg);
	return conf_noted(w->c, rc, w->msg);
}

static int
judge_realm(const struct dataset_entry *e, void *arg)
{
	const struct walk *w = arg;
	const char *mistake = realm_mistake(e->key);
	struct errmsg where;
	struct arena a;
	int rc;

	if (mistake == NULL)
		return 0;
	arena_init(&a);
	put_place(w, e, &where);
	rc = errmsg_set(w->msg, "%s: \"%s\": %s%s", where.text,
	    shown(&a, e->key), mistake, strchr(e->key, '*') == NULL ? "" :
	    " or *, which has a meaning in a set refile:PATH");
	arena_fini(&a);
	return conf_noted(w->c, rc, w->msg);
}

/* Patterns can match anything; a database may be large, and changes. */
static int
judge_set(const struct names *n, const struct conf *c, const char *keyword,
    const struct dataset *set,
    int (*each)(const struct dataset_entry *e, void *arg),
    struct errmsg *msg_r)
{
	struct walk w = {n, c, set, keyword, msg_r};

	if (set == NULL || dataset_is_live(set) ||
	    dataset_has_patterns(set))
		return 0;
	return dataset_walk(set, each, &w);
}

/* -- loading -- */

int
names_realms(struct names *n, const struct conf *c, struct errmsg *msg_r)
{
	int rc;

	memset(n, 0, sizeof(*n));
	arena_init(&n->arena);
	rc = names_realm_of(c, &n->arena, &n->realm);
	if (rc != 0)
		errmsg_set(msg_r, "%s", err_text(rc));
	rc = conf_also(c, rc,
	    options_set(c, "QuotaRealms", NULL, &n->realms, msg_r), msg_r);
	return rc;
}

int
names_init(struct names *n, const struct conf *c, struct errmsg *msg_r)
{
	struct dataset *exempt = NULL;
	int rc = names_realms(n, c, msg_r);

	rc = conf_also(c, rc,
	    judge_set(n, c, "QuotaRealms", n->realms, judge_realm, msg_r),
	    msg_r);
	rc = conf_also(c, rc, judge_titles(n, c, msg_r), msg_r);
	rc = conf_also(c, rc, judge_totals(n, c, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "QuotaExempt", NULL, &exempt, msg_r), msg_r);
	rc = conf_also(c, rc,
	    judge_set(n, c, "QuotaExempt", exempt, judge_exempt, msg_r), msg_r);
	dataset_free(exempt);
	return rc;
}

void
names_fini(struct names *n)
{
	dataset_free(n->realms);
	arena_fini(&n->arena);
}

const struct names *
names_of(const struct snapshot *snap)
{
	return snapshot_state(snap, &stage_account);
}

/* -- sets of accounts -- */

struct names_set {
	const struct dataset *set;
	const char *realm;
	struct arena arena;
	/* The accounts in their one form, sorted; live: none, the set itself is
	 * searched. */
	bool live;
	const char **names;
	size_t count, room;
};

static int
add_name(const struct dataset_entry *e, void *arg)
{
	struct names_set *s = arg;
	const char *name = *e->key == '@'
	    ? names_title(&s->arena, e->key, NULL)
	    : account_of_text(&s->arena, e->key, s->realm, NULL);

	if (name == NULL)
		return ERR_NOMEM;
	if (s->count == s->room) {
		size_t room = s->room == 0 ? 16 : s->room * 2;
		const char **names = realloc(s->names, room * sizeof(*names));

		if (names == NULL)
			return ERR_NOMEM;
		s->names = names;
		s->room = room;
	}
	s->names[s->count++] = name;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int
names_set_new(const struct dataset *set, const char *realm,
    struct names_set **set_r)
{
	struct names_set *s = calloc(1, sizeof(*s));
	int rc = 0;

	if (s == NULL)
		return ERR_NOMEM;
	arena_init(&s->arena);
	s->set = set;
	s->realm = realm;
	s->live = dataset_is_live(set) || dataset_has_patterns(set);
	if (!s->live)
		rc = dataset_walk(set, add_name, s);
	if (rc != 0) {
		names_set_free(s);
		return rc;
	}
	if (s->count > 0)
		qsort(s->names, s->count, sizeof(*s->names), by_name);
	*set_r = s;
	return 0;
}

void
names_set_free(struct names_set *s)
{
	if (s == NULL)
		return;
	arena_fini(&s->arena);
	free(s->names);
	free(s);
}

static bool
has_name(const struct names_set *s, const char *name)
{
	if (s->live)
		return dataset_has(s->set, name) > 0;
	return s->count > 0 &&
	    bsearch(&name, s->names, s->count, sizeof(*s->names), by_name) !=
	    NULL;
}

/* Does the set have a login of QuotaRealm by its name alone?  Only patterns and
 * databases need this: other sets are read into their one form. */
static bool
has_bare(const struct names_set *s, const char *account, const char *at)
{
	char bare[ACCOUNT_MAX + 1];

	if (!s->live || s->realm == NULL || strcmp(at + 1, s->realm) != 0 ||
	    !account_is_login(account))
		return false;
	snprintf(bare, sizeof(bare), "%.*s", (int)(at - account), account);
	return dataset_has(s->set, bare) > 0;
}

bool
names_set_has(const struct names_set *s, const char *account)
{
	static const char *const all[] = {
	    ACCOUNT_SCRIPT "*", ACCOUNT_SENDER "*"};
	const char *at = strrchr(account, '@');

	if (s == NULL || strcmp(account, ACCOUNT_OTHER_REALMS) == 0)
		return false;
	if (has_name(s, account) ||
	    (at != NULL && (has_name(s, at) || has_bare(s, account, at))))
		return true;
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		if (strncmp(account, all[i], strlen(all[i]) - 1) == 0)
			return has_name(s, all[i]);
	}
	return false;
}
