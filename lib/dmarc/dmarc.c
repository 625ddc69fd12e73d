/* SPDX-License-Identifier: BSD-2-Clause */
#include "dmarc.h"

#include <string.h>

#include "dmarc_walk.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "lib/dns/pslist.h"

struct dmarc {
	struct dmarc_walk walk;
	const struct pslist *psl;
	const char *authors[DMARC_AUTHORS_MAX];
	size_t count;
	size_t read;    /* so many of them are authors'; others are only seen */
	bool malformed; /* an author domain that is none, or too many */
	bool more;      /* there are others */
};

/* An author domain while it is judged. */
struct author {
	const char *domain;
	const char *org; /* NULL: not needed so far */
	const char *psd; /* a public suffix with a record; NULL: none */
};

static void
add_author(struct dmarc *d, const char *domain)
{
	const char *name = idna_ascii(d->walk.arena, domain);

	for (size_t i = 0; name != NULL && i < d->count; i++) {
		if (strcmp(d->authors[i], name) == 0)
			return;
	}
	if (name != NULL && d->count < DMARC_AUTHORS_MAX) {
		d->authors[d->count++] = name;
		return;
	}
	d->malformed = true;
	d->more = d->more || name != NULL;
}

/* RFC 7489 section 3.2: what is a public suffix stands for itself. */
static const char *
listed_org(const struct dmarc *d, const char *domain)
{
	const char *org = pslist_org(d->psl, domain);

	return org == NULL ? domain : org;
}

static int
ask_author(struct dmarc *d, const char *domain)
{
	int rc;

	if (d->psl == NULL) {
		rc = dmarc_walk_ask(&d->walk, domain);
	} else {
		rc = dmarc_walk_ask_one(&d->walk, domain);
		if (rc == 0)
			rc = dmarc_walk_ask_one(
			    &d->walk, listed_org(d, domain));
	}
	/* Of use only when the record is above the domain, but then at once. */
	if (rc == 0 && strchr(domain, '.') != NULL)
		rc = dmarc_walk_ask_exists(&d->walk, domain);
	return rc;
}

struct dmarc *
dmarc_start(const struct dns *dns, struct arena *a, const struct pslist *psl,
    const char *const *authors, size_t count)
{
	struct dmarc *d = arena_alloc(a, sizeof(*d));
	int rc = 0;

	if (d == NULL)
		return NULL;
	d->walk.dns = dns;
	d->walk.arena = a;
	d->psl = psl;
	for (size_t i = 0; i < count; i++)
		add_author(d, authors[i]);
	d->read = d->count;
	for (size_t i = 0; i < d->count && rc == 0; i++)
		rc = ask_author(d, d->authors[i]);
	if (rc == 0)
		return d;
	dmarc_drop(d);
	return NULL;
}

int
dmarc_unreadable(
    struct dmarc *d, const char *const *seen, size_t count, bool more)
{
	int rc = 0;

	d->malformed = true;
	d->more = d->more || more;
	for (size_t i = 0; i < count; i++)
		add_author(d, seen[i]);
	for (size_t i = d->read; i < d->count && rc == 0; i++)
		rc = ask_author(d, d->authors[i]);
	return rc;
}

/* How many labels two names have in common at their ends. */
static size_t
common_labels(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b), n = 0;

	while (i > 0 && j > 0 && a[i - 1] == b[j - 1]) {
		i--;
		j--;
		n += a[i] == '.';
	}
	/* One that is used up counts its first label, if the other's ends
	 * there too. */
	if ((i == 0 && (j == 0 || b[j - 1] == '.')) ||
	    (j == 0 && a[i - 1] == '.'))
		n++;
	return n;
}

void
dmarc_expect(struct dmarc *d, const char *domain)
{
	const char *name =
	    d->psl != NULL ? NULL : idna_ascii(d->walk.arena, domain);

	/* An organizational domain that is a top-level domain is too rare to
	 * ask for beforehand. */
	for (size_t i = 0; name != NULL && i < d->count; i++) {
		if (common_labels(name, d->authors[i]) >= 2) {
			(void)dmarc_walk_ask(&d->walk, name);
			return;
		}
	}
}

static int
find_org(struct dmarc *d, struct author *a)
{
	if (a->org != NULL)
		return 0;
	if (d->psl == NULL)
		return dmarc_walk_org(&d->walk, a->domain, &a->org, &a->psd);
	a->org = listed_org(d, a->domain);
	return 0;
}

/* Is `name` at or below `domain`? */
static bool
is_within(const char *name, const char *domain)
{
	size_t n = strlen(name), len = strlen(domain);

	return n >= len && strcmp(name + n - len, domain) == 0 &&
	    (n == len || name[n - len - 1] == '.');
}

/* Section 4.4.  0; ERR_TIMEOUT: it can't be told; ERR_NOMEM. */
static int
is_aligned(struct dmarc *d, struct author *a, const char *name, bool strict,
    bool *yes_r)
{
	struct author other = {.domain = name};
	int rc;

	*yes_r = strcmp(name, a->domain) == 0;
	if (*yes_r || strict)
		return 0;
	rc = find_org(d, a);
	/* What is not below it has another one: no need to walk. */
	if (rc != 0 || !is_within(name, a->org))
		return rc;
	rc = find_org(d, &other);
	*yes_r = rc == 0 && strcmp(other.org, a->org) == 0;
	return rc;
}

/* Look at one identifier.  *domain_r is set when it passed and is aligned. */
static int
weigh(struct dmarc *d, struct author *a, const struct dmarc_identifier *id,
    bool strict, bool *unknown_r, const char **domain_r)
{
	const char *name;
	bool aligned;
	int rc;

	if (id->domain == NULL)
		return 0;
	name = idna_ascii(d->walk.arena, id->domain);
	if (name == NULL)
		return 0;
	rc = is_aligned(d, a, name, strict, &aligned);
	if (rc == ERR_TIMEOUT || (rc == 0 && aligned && id->unknown)) {
		*unknown_r = true;
		return 0;
	}
	if (rc == 0 && aligned && *domain_r == NULL)
		*domain_r = name;
	return rc;
}

/* Section 4.10.1: the record of the author domain, or of the organizational
 * domain, or of the public suffix. */
static int
discover(struct dmarc *d, struct author *a, struct dmarc_result *r)
{
	const char *places[] = {NULL, NULL};
	int rc = dmarc_walk_record(&d->walk, a->domain, &r->record);

	r->policy_domain = a->domain;
	if (rc != 0 || r->record != NULL)
		return rc;
	rc = find_org(d, a);
	places[0] = a->org;
	places[1] = a->psd;
	for (size_t i = 0; rc == 0 && i < 2 && r->record == NULL; i++) {
		if (places[i] == NULL || places[i] == a->domain)
			continue;
		r->policy_domain = places[i];
		rc = dmarc_walk_record(&d->walk, places[i], &r->record);
	}
	return rc;
}

/* Which of p, sp and np applies. */
static int
choose_policy(struct dmarc *d, const struct author *a, struct dmarc_result *r)
{
	const struct dmarc_record *rec = r->record;
	bool exists = true;
	int rc = 0;

	if (r->policy_domain == a->domain) {
		r->policy = rec->p;
	} else {
		if (rec->sp != rec->np)
			rc = dmarc_walk_exists(&d->walk, a->domain, &exists);
		r->policy = exists || rc != 0 ? rec->sp : rec->np;
	}
	r->applied = r->policy;
	if (rec->testing && r->policy != DMARC_POLICY_NONE)
		r->applied = (enum dmarc_policy)(r->policy - 1);
	return rc;
}

static int
align(struct dmarc *d, struct author *a, const struct dmarc_evidence *e,
    bool *unknown_r, struct dmarc_result *r)
{
	int rc = weigh(d, a, &e->spf, r->record->strict_spf, unknown_r,
	    &r->spf_domain);

	for (size_t i = 0; rc == 0 && i < e->dkim_count; i++)
		rc = weigh(d, a, &e->dkim[i], r->record->strict_dkim,
		    unknown_r, &r->dkim_domain);
	r->spf_aligned = r->spf_domain != NULL;
	r->dkim_aligned = r->dkim_domain != NULL;
	return rc;
}

/* Section 5.3.6: what the DNS did not tell is neither pass nor fail. */
static int
unanswered(int rc, struct dmarc_result *r)
{
	if (rc == ERR_TIMEOUT) {
		r->result = DMARC_TEMPERROR;
		r->policy_domain = NULL;
		r->record = NULL;
		rc = 0;
	}
	return rc;
}

static int
judge(struct dmarc *d, const char *domain, const struct dmarc_evidence *e,
    struct dmarc_result *r)
{
	struct author a = {.domain = domain};
	bool unknown = false;
	int rc;

	*r = (struct dmarc_result){
	    .domain = domain, .authors = d->count, .psl = d->psl != NULL};
	rc = discover(d, &a, r);
	if (rc != 0)
		return unanswered(rc, r);
	if (r->record == NULL || !r->record->usable) {
		r->policy_domain = NULL;
		r->record = NULL;
		return 0;
	}
	rc = align(d, &a, e, &unknown, r);
	if (rc != 0)
		return rc;
	rc = choose_policy(d, &a, r);
	if (r->spf_aligned || r->dkim_aligned) {
		r->result = DMARC_PASS;
		return rc == ERR_TIMEOUT ? 0 : rc;
	}
	if (rc == 0 && unknown)
		rc = ERR_TIMEOUT;
	if (rc != 0)
		return unanswered(rc, r);
	r->result = DMARC_FAIL;
	r->disposition = r->applied;
	if (r->applied != r->policy)
		r->override = DMARC_OVERRIDE_TEST_MODE;
	return 0;
}

/* Section 11.5: of several authors the strictest result counts. */
static int
severity(const struct dmarc_result *r)
{
	switch (r->result) {
	case DMARC_PASS:
		return 0;
	case DMARC_NONE:
		return 1;
	case DMARC_TEMPERROR:
		return 3;
	default:
		return r->disposition == DMARC_POLICY_NONE
		    ? 2
		    : 3 + (int)r->disposition;
	}
}

/* Among the domains that were not looked at may be one that asks for more. */
static void
suspect(const struct dmarc *d, struct dmarc_result *r)
{
	if (!d->more || r->disposition == DMARC_POLICY_REJECT)
		return;
	r->result = DMARC_PERMERROR;
	r->policy_domain = NULL;
	r->record = NULL;
	r->override = DMARC_OVERRIDE_NONE;
	r->disposition = DMARC_POLICY_REJECT;
}

int
dmarc_finish(struct dmarc *d, const struct dmarc_evidence *evidence,
    struct wait *w, struct dmarc_result *result_r)
{
	d->walk.wait = w;
	*result_r = (struct dmarc_result){.result = DMARC_PERMERROR,
	    .domain = d->count > 0 ? d->authors[0] : "",
	    .authors = d->count,
	    .psl = d->psl != NULL};
	for (size_t i = 0; i < d->count; i++) {
		struct dmarc_result r;
		int rc = judge(d, d->authors[i], evidence, &r);

		if (rc != 0)
			return rc;
		if (i >= d->read && r.result == DMARC_FAIL)
			r.result = DMARC_PERMERROR;
		/* One that asks for enforcement counts even so. */
		if ((i == 0 && !d->malformed) ||
		    severity(&r) > severity(result_r))
			*result_r = r;
	}
	suspect(d, result_r);
	return 0;
}

void
dmarc_drop(struct dmarc *d)
{
	if (d != NULL)
		dmarc_walk_drop(&d->walk);
}

const char *
dmarc_outcome_word(enum dmarc_outcome outcome)
{
	static const char *const words[] = {
	    "none", "pass", "fail", "temperror", "permerror"};

	return words[outcome];
}

const char *
dmarc_override_word(enum dmarc_override override)
{
	static const char *const words[] = {NULL, "policy_test_mode",
	    "trusted_forwarder", "mailing_list", "local_policy"};

	return words[override];
}
