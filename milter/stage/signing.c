/* SPDX-License-Identifier: BSD-2-Clause */
#include "signing.h"

#include <pthread.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/base/access.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/keyfile.h"
#include "lib/base/users.h"
#include "lib/conf/conf.h"
#include "lib/conf/dataset.h"
#include "lib/dkim/dkim_key.h"
#include "lib/dkim/dkim_sign.h"
#include "lib/dns/idna.h"
#include "lib/mail/addr.h"
#include "milter/options.h"

#define PRELOAD_MAX 1000 /* keys that are decoded at start; more would delay
    it */
#define LOOKUP_SIZE 600  /* octets of a key of SigningTable */

/* A decoded key, found by its path, or by its text in KeyTable. */
struct cached {
	const char *spec; /* first, because the tree is sorted by it */
	struct dkim_key *key;
};

struct signing {
	struct dataset *domains, *keys, *table;
	const char *selector;  /* with domains */
	const char *key_file;  /* for `domains`: the key's path */
	char *key_path;        /* the same, if it had to be allocated */
	bool subdomains, multiple, safe;
	unsigned min_bits;
	uid_t uid;             /* who may own key files */
	const struct conf *conf; /* while its keys are loaded; NULL: it is in
	    force */
	const char *place;     /* `file:line: Keyword: ` of that key */
	bool nobody;           /* the user is not known, so that owners and
	    modes are not judged */
	pthread_mutex_t lock;  /* of the cache */
	void *cache;           /* a tree of struct cached */
	size_t cached;
};

/* -- keys -- */

static int
by_spec(const void *a, const void *b)
{
	return strcmp(((const struct cached *)a)->spec,
	    ((const struct cached *)b)->spec);
}

static void
cached_free(void *p)
{
	struct cached *c = p;

	dkim_key_free(c->key);
	free(c);
}

static bool
is_path(const char *spec)
{
	return spec[0] == '/' || strncmp(spec, "./", 2) == 0 ||
	    strncmp(spec, "../", 3) == 0;
}

static int
read_key(const struct signing *s, const char *path, struct dkim_key **key_r,
    struct errmsg *msg_r)
{
	struct errmsg why;
	struct keyfile f;
	bool unsafe;
	int rc = keyfile_read(path, s->uid, &f, msg_r);

	if (rc == ERR_SYSTEM && access_why(path, CURE_SECRET, &why) != 0)
		*msg_r = why;
	if (rc != 0)
		return rc;
	unsafe = f.unsafe && !s->nobody;
	rc = dkim_key_decode(f.data, f.len, s->min_bits, key_r, &why);
	keyfile_free(&f);
	/* First, because a file that is no key need not be protected. */
	if (rc != 0) {
		errmsg_set(msg_r, "%s: %s", path, why.text);
	} else if (unsafe && s->safe) {
		dkim_key_free(*key_r);
		*key_r = NULL;
		rc = ERR_CONFIG;
	} else if (unsafe) {
		options_odd(s->conf, "%s%s", s->conf == NULL ? "" : s->place,
		    msg_r->text);
	}
	return rc;
}

/* Decode the key that a spec names and add it to the cache.  The lock is
 * held. */
static int
add_key(struct signing *s, const char *spec, const struct dkim_key **key_r,
    struct errmsg *msg_r)
{
	struct cached *c = calloc(1, sizeof(*c) + strlen(spec) + 1);
	char *copy = c == NULL ? NULL : (char *)(c + 1);
	int rc;

	if (c == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	errmsg_set(msg_r, "%s: no memory", is_path(spec) ? spec : "a key");
	c->spec = strcpy(copy, spec);
	rc = is_path(spec)
	    ? read_key(s, spec, &c->key, msg_r)
	    : dkim_key_decode(
		  spec, strlen(spec), s->min_bits, &c->key, msg_r);
	if (rc == 0 && tsearch(c, &s->cache, by_spec) == NULL)
		rc = ERR_NOMEM;
	if (rc != 0) {
		cached_free(c);
		return rc;
	}
	s->cached++;
	*key_r = c->key;
	return 0;
}

static int
get_key(struct signing *s, const char *spec, const struct dkim_key **key_r,
    struct errmsg *msg_r)
{
	const struct cached wanted = {.spec = spec};
	struct cached *const *found;
	int rc = 0;

	pthread_mutex_lock(&s->lock);
	found = tfind(&wanted, &s->cache, by_spec);
	if (found != NULL)
		*key_r = (*found)->key;
	else
		rc = add_key(s, spec, key_r, msg_r);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

/* -- KeyTable -- */

/* May the author's domain stand in a path? */
static bool
domain_is_plain(const char *domain)
{
	return domain[0] != '\0' && domain[0] != '.' &&
	    strspn(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-_") ==
	    strlen(domain);
}

/* The text with the author's domain for each %. */
static const char *
expand(struct arena *a, const char *text, size_t len, const char *domain)
{
	struct buf b = BUF_INIT;
	char *s = NULL;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '%')
			buf_str(&b, domain);
		else
			buf_char(&b, text[i]);
	}
	if (buf_text(&b) != NULL)
		s = arena_memdup(a, buf_text(&b), b.len);
	buf_fini(&b);
	return s;
}

/* Report that there is no such key.  The name may be the author's domain, so it
 * is escaped. */
static int
no_such_key(const char *name, struct errmsg *msg_r)
{
	struct buf b = BUF_INIT;

	buf_escape(&b, name, strlen(name), 256);
	errmsg_set(msg_r, "KeyTable has no key %s",
	    b.failed ? "of that name" : buf_text(&b));
	buf_fini(&b);
	return ERR_CONFIG;
}

/* Fill in domain, selector and key of the entry of that name. */
static int
resolve_key(struct signing *s, struct arena *a, const char *name,
    const char *from_domain, struct signing_match *m, struct errmsg *msg_r)
{
	struct dataset_field f[3];
	struct dataset_entry e;
	const char *spec;
	int rc = dataset_get(s->keys, name, &e);

	if (rc != 0 && rc != ERR_NOTFOUND)
		return errmsg_set(msg_r, "KeyTable can't be read");
	if (rc != 0)
		return no_such_key(name, msg_r);
	if (dataset_fields(e.value, f, 3) != 3 ||
	    (memchr(f[2].text, '%', f[2].len) != NULL &&
		!domain_is_plain(from_domain))) {
		dataset_entry_fini(&e);
		return errmsg_set(
		    msg_r, "KeyTable's entry %s is of no use here", name);
	}
	m->domain = expand(a, f[0].text, f[0].len, from_domain);
	m->selector = expand(a, f[1].text, f[1].len, from_domain);
	spec = expand(a, f[2].text, f[2].len, from_domain);
	dataset_entry_fini(&e);
	if (m->domain == NULL || m->selector == NULL || spec == NULL) {
		errmsg_set(msg_r, "no memory");
		return ERR_NOMEM;
	}
	return get_key(s, spec, &m->key, msg_r);
}

/* -- SigningTable -- */

struct finder {
	struct signing *s;
	struct arena *arena;
	const struct addr *from;
	struct signing_match *matches;
	size_t count;
	const char *names[SIGNING_MATCHES_MAX]; /* names of keys that were found
	    so far */
	struct errmsg *msg;
};

/* The i= for a signature: d= or below it (RFC 6376 section 3.5); otherwise
 * none. */
static const char *
identity_for(struct arena *a, const char *signer, const char *domain)
{
	const char *at = strrchr(signer, '@');
	size_t len = strlen(domain), n;

	if (signer[0] == '\0')
		return NULL;
	if (at == NULL) {
		signer = arena_printf(a, "@%s", signer);
		at = signer;
	}
	if (signer == NULL)
		return NULL;
	n = strlen(at + 1);
	if (n < len || strcasecmp(at + 1 + n - len, domain) != 0)
		return NULL;
	return n == len || at[n - len] == '.' ? signer : NULL;
}

/* Take the value `keyname[:signer]`.  >0: no more keys are needed. */
static int
take(struct finder *f, const char *value)
{
	struct signing_match *m = &f->matches[f->count];
	struct dataset_field v[2];
	const char *name, *signer;
	int rc;

	dataset_fields(value, v, 2);
	name = v[0].len == 1 && v[0].text[0] == '%'
	    ? f->from->domain
	    : arena_memdup(f->arena, v[0].text, v[0].len);
	signer = v[1].len == 0
	    ? ""
	    : expand(f->arena, v[1].text, v[1].len, f->from->domain);
	if (name == NULL || signer == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < f->count; i++) {
		if (strcasecmp(f->names[i], name) == 0)
			return 0;
	}
	*m = (struct signing_match){0};
	rc = resolve_key(f->s, f->arena, name, f->from->domain, m, f->msg);
	if (rc != 0)
		return rc;
	m->identity = identity_for(f->arena, signer, m->domain);
	f->names[f->count++] = name;
	return !f->s->multiple || f->count == SIGNING_MATCHES_MAX;
}

/* Take all entries under one key of the table. */
static int
look_up(struct finder *f, const char *key)
{
	size_t from = 0;
	int rc;

	for (;;) {
		struct dataset_entry e;

		rc = dataset_get_from(f->s->table, key, from, &e);
		if (rc != 0)
			return rc == ERR_NOTFOUND ? 0 : rc;
		from = e.index + 1;
		rc = take(f, e.value);
		dataset_entry_fini(&e);
		if (rc != 0)
			return rc;
	}
}

/* Look up one form of the author's address.  A longer one than any table has is
 * not looked up. */
static int
try_form(struct finder *f, const char *user, const char *at, const char *host)
{
	char key[LOOKUP_SIZE];
	int n = snprintf(key, sizeof(key), "%s%s%s", user, at, host);

	return n < 0 || (size_t)n >= sizeof(key) ? 0 : look_up(f, key);
}

/* Look up all forms, in the order of opendkim.conf(5), SigningTable. */
static int
walk_forms(struct finder *f)
{
	const char *user = f->from->local, *host = f->from->domain, *dot;
	int rc = try_form(f, user, "@", host);

	if (rc != 0 || dataset_has_patterns(f->s->table))
		return rc;
	rc = try_form(f, "", "", host);
	for (dot = strchr(host, '.'); rc == 0 && dot != NULL;
	     dot = strchr(dot + 1, '.'))
		rc = try_form(f, user, "@", dot);
	for (dot = strchr(host, '.'); rc == 0 && dot != NULL;
	     dot = strchr(dot + 1, '.'))
		rc = try_form(f, "", "", dot);
	if (rc == 0)
		rc = try_form(f, user, "@", "*");
	return rc != 0 ? rc : try_form(f, "", "", "*");
}

/* The listed domain that signs for the author: the author's own, or with
 * SubDomains one above it; if `*` is listed, the author's own.  NULL: none.  0,
 * or an ERR_. */
static int
find_listed(const struct signing *s, const char *author, const char **domain_r)
{
	int rc = dataset_has(s->domains, author);

	*domain_r = author;
	while (rc == 0 && s->subdomains &&
	    (*domain_r = strchr(*domain_r, '.')) != NULL)
		rc = dataset_has(s->domains, ++*domain_r);
	if (rc == 0) {
		*domain_r = author;
		rc = dataset_has(s->domains, "*");
	}
	if (rc == 0)
		*domain_r = NULL;
	return rc < 0 ? rc : 0;
}

static int
find(struct signing *s, struct arena *a, const struct addr *from,
    struct signing_match *matches_r, size_t *count_r, struct errmsg *msg_r)
{
	struct finder f = {.s = s,
	    .arena = a,
	    .from = from,
	    .matches = matches_r,
	    .msg = msg_r};
	const char *domain;
	int rc;

	*count_r = 0;
	/* Domains are not longer, and each label costs a look-up. */
	if (strlen(from->domain) > DKIM_SIGN_DOMAIN_MAX)
		return 0;
	if (s->table != NULL) {
		rc = walk_forms(&f);
		*count_r = f.count;
		return rc < 0 ? rc : 0;
	}
	rc = find_listed(s, from->domain, &domain);
	if (rc != 0 || domain == NULL)
		return rc;
	*count_r = 1;
	matches_r[0] = (struct signing_match){
	    .domain = domain, .selector = s->selector};
	return get_key(s, s->key_file, &matches_r[0].key, msg_r);
}

/* A domain with U-labels is looked up by its A-labels, which d= has too, and
 * then as it is written. */
int
signing_find(struct signing *s, struct arena *a, const struct addr *from,
    struct signing_match *matches_r, size_t *count_r, struct errmsg *msg_r)
{
	struct addr ascii = {.local = from->local};
	int rc = idna_alabels(a, from->domain, &ascii.domain);

	*count_r = 0;
	if (rc == ERR_NOMEM)
		return rc;
	rc = 0;
	if (ascii.domain != NULL && ascii.domain != from->domain)
		rc = find(s, a, &ascii, matches_r, count_r, msg_r);
	return rc != 0 || *count_r > 0
	    ? rc
	    : find(s, a, from, matches_r, count_r, msg_r);
}

/* -- all keys of a domain -- */

struct keys {
	struct signing *s;
	const char *domain;
	int (*each)(const struct signing_match *m, const char *file, void *arg);
	void *arg;
	struct errmsg *msg;
};

static int
hand_out(struct keys *k, struct signing_match *m, const char *spec)
{
	int rc = get_key(k->s, spec, &m->key, k->msg);

	return rc != 0 ? rc : k->each(m, is_path(spec) ? spec : NULL, k->arg);
}

static int
hand_out_entry(const struct dataset_entry *e, void *arg)
{
	struct keys *k = arg;
	struct signing_match m = {.key = NULL};
	struct dataset_field f[3];
	const char *spec;
	struct arena a;
	int rc = 0;

	if (dataset_fields(e->value, f, 3) != 3)
		return 0;
	arena_init(&a);
	m.domain = expand(&a, f[0].text, f[0].len, k->domain);
	m.selector = expand(&a, f[1].text, f[1].len, k->domain);
	spec = expand(&a, f[2].text, f[2].len, k->domain);
	if (m.domain == NULL || m.selector == NULL || spec == NULL)
		rc = ERR_NOMEM;
	else if (strcasecmp(m.domain, k->domain) == 0)
		rc = hand_out(k, &m, spec);
	arena_fini(&a);
	return rc;
}

int
signing_keys(struct signing *s, const char *domain,
    int (*each)(const struct signing_match *m, const char *file, void *arg),
    void *arg, struct errmsg *msg_r)
{
	struct keys k = {s, domain, each, arg, msg_r};
	struct signing_match m = {.selector = s->selector};
	int rc;

	if (s->keys != NULL)
		return dataset_walk(s->keys, hand_out_entry, &k);
	rc = find_listed(s, domain, &m.domain);
	return rc != 0 || m.domain == NULL ? rc : hand_out(&k, &m, s->key_file);
}

/* -- loading -- */

struct checker {
	struct signing *s;
	const struct conf *conf;
	struct errmsg *msg;
	bool warned; /* a warning was logged for the first key of SigningTable
	    that matches nothing */
};

/* Report a mistake with the entry's place, or the keyword's if the table has no
 * lines. */
static int
entry_error(const struct conf *c, const struct dataset *set,
    const struct dataset_entry *e, const char *keyword, const char *why,
    struct errmsg *msg_r)
{
	if (e->line > 0)
		return errmsg_set(msg_r, "%s:%d: %s: %s: %s",
		    dataset_name(set), e->line, keyword, e->key, why);
	return errmsg_set(msg_r, "%s: %s: %s: %s", conf_where(c, keyword),
	    keyword, e->key, why);
}

/* Report a mistake; the walk goes on. */
static int
wrong(struct checker *c, const struct dataset *set,
    const struct dataset_entry *e, const char *keyword, const char *why)
{
	return conf_noted(c->conf,
	    entry_error(c->conf, set, e, keyword, why, c->msg), c->msg);
}

/* Warn if domain and selector look exchanged, or are written as in the DNS. */
static void
warn_key(struct checker *c, const struct dataset_entry *e,
    const struct dataset_field f[3])
{
	struct errmsg msg;

	if (memchr(f[0].text, '%', f[0].len) != NULL ||
	    (memchr(f[0].text, '.', f[0].len) != NULL &&
		memchr(f[0].text, '@', f[0].len) == NULL &&
		memchr(f[0].text, '*', f[0].len) == NULL &&
		memmem(f[1].text, f[1].len, "_domainkey", 10) == NULL))
		return;
	entry_error(c->conf, c->s->keys, e, "KeyTable", "its signatures would "
	    "have no key in the DNS: expected domain:selector:key, such as "
	    "example.com:s1:/PATH", &msg);
	conf_odd(c->conf, "%s", msg.text);
}

static int
check_key_entry(const struct dataset_entry *e, void *arg)
{
	struct checker *c = arg;
	const struct dkim_key *key;
	struct dataset_field f[3];
	struct errmsg why = {.text = "expected domain:selector:key"}, place;
	int rc;

	if (dataset_is_listed(c->s->keys) && e->value[0] == '\0')
		return wrong(c, c->s->keys, e, "KeyTable",
		    "expected name=domain:selector:key, or the /PATH of a file "
		    "that has them");
	if (dataset_fields(e->value, f, 3) != 3 || f[0].len == 0 ||
	    f[1].len == 0 || f[2].len == 0)
		return wrong(c, c->s->keys, e, "KeyTable", why.text);
	warn_key(c, e, f);
	if (strchr(f[2].text, '%') != NULL || c->s->cached >= PRELOAD_MAX)
		return 0;
	entry_error(c->conf, c->s->keys, e, "KeyTable", "", &place);
	c->s->conf = c->conf;
	c->s->place = place.text;
	rc = get_key(c->s, f[2].text, &key, &why);
	c->s->conf = NULL;
	if (rc == 0)
		return 0;
	entry_error(c->conf, c->s->keys, e, "KeyTable", why.text, c->msg);
	return conf_noted(c->conf, errmsg_about(c->msg, &why), c->msg);
}

/* Why the key matches no form of any address; NULL: it may match one. */
static const char *
signing_fault(const char *key, bool pattern)
{
	const char *star = strchr(key, '*');

	/* Tables of other types than refile know only two wildcards: user@* and
	 * * alone. */
	if (star != NULL && !pattern && star[1] != '\0')
		return "a * here matches nothing: patterns take refile: before "
		       "the path, and file: has the domain alone";
	if (strpbrk(key, "<>\"") != NULL)
		return "expected an address alone, without quotes, < and >";
	if (pattern && star == NULL && strchr(key, '@') == NULL)
		return "matches nothing, for a pattern has the whole address: "
		       "expected *@ before the domain";
	if (key[0] == '@')
		return pattern ? "matches nothing, for a pattern has the whole "
				 "address: expected a * before the @"
			       : "matches nothing: expected the domain alone, "
				 "without its @";
	return NULL;
}

static void
warn_signing(struct checker *c, const struct dataset_entry *e)
{
	const char *fault = signing_fault(
	    e->key, dataset_has_patterns(c->s->table));
	struct errmsg msg;

	if (fault == NULL || c->warned)
		return;
	c->warned = true;
	entry_error(
	    c->conf, c->s->table, e, "SigningTable", fault, &msg);
	conf_odd(c->conf, "%s", msg.text);
}

static int
check_signing_entry(const struct dataset_entry *e, void *arg)
{
	struct checker *c = arg;
	struct dataset_entry key;
	struct dataset_field f[2];
	char name[LOOKUP_SIZE];

	warn_signing(c, e);
	dataset_fields(e->value, f, 2);
	if (f[0].len == 0 || f[0].len >= sizeof(name))
		return wrong(c, c->s->table, e, "SigningTable",
		    "expected the name of a key in KeyTable");
	if (f[0].len == 1 && f[0].text[0] == '%')
		return 0;
	memcpy(name, f[0].text, f[0].len);
	name[f[0].len] = '\0';
	if (c->s->keys == NULL)
		return 0;
	if (dataset_get(c->s->keys, name, &key) != 0)
		return wrong(c, c->s->table, e, "SigningTable",
		    "names a key that KeyTable does not have");
	dataset_entry_fini(&key);
	return 0;
}

static int
load_tables(const struct conf *c, struct signing *s, struct errmsg *msg_r)
{
	struct checker check = {.s = s, .conf = c, .msg = msg_r};
	int rc = 0;

	/* OpenDKIM ignores KeyFile then, so that mail is signed with another
	 * key than intended. */
	if (conf_given(c, "KeyFile"))
		rc = conf_also(c, rc, errmsg_set(msg_r, "%s: KeyFile: expected "
		    "either KeyFile or KeyTable, not both",
		    conf_where(c, "KeyFile")), msg_r);
	if (!conf_given(c, "SigningTable") && !conf_faulty(c, "SigningTable"))
		rc = conf_also(c, rc, errmsg_set(msg_r, "%s: KeyTable: "
		    "expected SigningTable too, which says who is signed for",
		    conf_where(c, "KeyTable")), msg_r);
	if (conf_given(c, "Domain") || conf_given(c, "Selector"))
		conf_odd(c,
		    "%s: KeyTable: Domain and Selector are not used: KeyTable "
		    "names them", conf_where(c, "KeyTable"));
	rc = conf_also(
	    c, rc, options_set(c, "KeyTable", NULL, &s->keys, msg_r), msg_r);
	rc = conf_also(c, rc,
	    options_set(c, "SigningTable", NULL, &s->table, msg_r), msg_r);
	if (s->keys != NULL)
		rc = conf_also(c, rc,
		    dataset_walk(s->keys, check_key_entry, &check), msg_r);
	if (s->table != NULL && !dataset_is_live(s->table))
		rc = conf_also(c, rc,
		    dataset_walk(s->table, check_signing_entry, &check), msg_r);
	return rc;
}

/* Find mistakes in SigningTable even if KeyTable has some. */
static int
check_signing_table(const struct conf *c, struct errmsg *msg_r)
{
	struct dataset *table = NULL;
	int rc = options_set(c, "SigningTable", NULL, &table, msg_r);

	dataset_free(table);
	return rc == 0 ? ERR_CONFIG : rc;
}

static char *
below_here(const char *name)
{
	char *path;

	return asprintf(&path, "./%s", name) < 0 ? NULL : path;
}

/* Check the key in KeyFile, and whether SignatureAlgorithm fits it. */
static int
check_file(const struct conf *c, struct signing *s, struct errmsg *msg_r)
{
	const char *algorithm = conf_str(c, "SignatureAlgorithm");
	const struct dkim_key *key;
	struct errmsg why, place;
	int rc;

	errmsg_set(&place, "%s: KeyFile: ", conf_where(c, "KeyFile"));
	s->conf = c;
	s->place = place.text;
	rc = get_key(s, s->key_file, &key, &why);
	s->conf = NULL;
	if (rc != 0)
		errmsg_wrap(
		    msg_r, &why, "%s: KeyFile: ", conf_where(c, "KeyFile"));
	else if (algorithm != NULL &&
	    strcasecmp(algorithm, dkim_key_algorithm(key)) != 0)
		rc = errmsg_set(msg_r, "%s: SignatureAlgorithm: expected %s, "
		    "which is what the key in %s is for",
		    conf_where(c, "SignatureAlgorithm"),
		    dkim_key_algorithm(key), s->key_file);
	return rc;
}

/* The place of the first of these keywords that is given. */
static const char *
place_of(const struct conf *c, const char *const *keywords, size_t n)
{
	size_t i = 0;

	while (i + 1 < n && !conf_given(c, keywords[i]))
		i++;
	return conf_where(c, keywords[i]);
}

/* Domain, KeyFile and Selector belong together. */
static int
load_single(const struct conf *c, struct signing *s, struct errmsg *msg_r)
{
	static const char *const together[] = {
	    "Domain", "KeyFile", "Selector"};
	int rc;

	for (size_t i = 0; i < 3; i++) {
		if (conf_faulty(c, together[i]))
			return ERR_CONFIG;
		if (!conf_given(c, together[i]))
			return errmsg_set(msg_r, "%s: %s: expected Domain, "
			    "KeyFile and Selector together, or KeyTable and "
			    "SigningTable", place_of(c, together, 3),
			    together[i]);
	}
	s->selector = conf_str(c, "Selector");
	s->key_file = conf_str(c, "KeyFile");
	/* KeyFile is always a path, but a word without a slash in KeyTable is
	 * the key itself. */
	if (!is_path(s->key_file))
		s->key_file = s->key_path = below_here(s->key_file);
	if (s->key_file == NULL)
		return ERR_NOMEM;
	rc = conf_also(
	    c, 0, options_domains(c, "Domain", &s->domains, msg_r), msg_r);
	return conf_also(c, rc, check_file(c, s, msg_r), msg_r);
}

/* Besides root, only the user that the daemon runs as may own keys.  If we are
 * another ordinary user, we can't judge what that user may read. */
static void
find_owner(const struct conf *c, struct signing *s)
{
	const char *user = conf_str(c, "UserID");
	char name[USERS_NAME_SIZE];
	struct user owner;

	s->uid = geteuid();
	s->nobody = conf_faulty(c, "UserID");
	if (user == NULL)
		return;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(user, ":"), user);
	s->nobody = users_find_word(name, &owner) != 0 ||
	    (s->uid != 0 && s->uid != owner.uid);
	if (!s->nobody)
		s->uid = owner.uid;
}

bool
signing_judged(const struct signing *s)
{
	return !s->nobody;
}

static bool
names_keys(const struct conf *c)
{
	return conf_given(c, "KeyTable") || conf_given(c, "SigningTable") ||
	    conf_given(c, "KeyFile") || conf_given(c, "Domain") ||
	    conf_given(c, "Selector");
}

int
signing_load(
    const struct conf *c, struct signing **s_r, struct errmsg *msg_r)
{
	struct signing *s;
	int rc;

	*s_r = NULL;
	if (!names_keys(c))
		return 0;
	if (conf_faulty(c, "KeyTable"))
		return check_signing_table(c, msg_r);
	if (conf_given(c, "SigningTable") && !conf_given(c, "KeyTable"))
		return errmsg_set(msg_r, "%s: SigningTable: expected KeyTable "
		    "too, which has the keys", conf_where(c, "SigningTable"));
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return ERR_NOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->subdomains = conf_bool(c, "SubDomains");
	s->multiple = conf_bool(c, "MultipleSignatures");
	s->safe = conf_bool(c, "RequireSafeKeys");
	s->min_bits = (unsigned)conf_int(c, "MinimumKeyBits");
	find_owner(c, s);
	rc = conf_given(c, "KeyTable") ? load_tables(c, s, msg_r)
				       : load_single(c, s, msg_r);
	if (rc != 0)
		signing_free(s);
	else
		*s_r = s;
	return rc;
}

void
signing_free(struct signing *s)
{
	if (s == NULL)
		return;
	tdestroy(s->cache, cached_free);
	pthread_mutex_destroy(&s->lock);
	free(s->key_path);
	dataset_free(s->domains);
	dataset_free(s->keys);
	dataset_free(s->table);
	free(s);
}
