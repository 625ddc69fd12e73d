/* SPDX-License-Identifier: BSD-2-Clause */
#include "dmarc_walk.h"

#include <string.h>

#include "dmarc_record.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/dns/dns.h"

#define PREFIX "_dmarc."
#define DNS_NAME_MAX 253

static size_t
labels(const char *name)
{
	size_t n = 1;

	for (; *name != '\0'; name++)
		n += *name == '.';
	return n;
}

const char *
dmarc_walk_up(const char *name)
{
	size_t n = labels(name);
	/* Step 4: from eight labels or more down to seven. */
	size_t drop = n >= DMARC_WALK_MAX ? n - (DMARC_WALK_MAX - 1) : 1;

	if (n == 1)
		return NULL;
	while (drop-- > 0)
		name = strchr(name, '.') + 1;
	return name;
}

static struct dmarc_name *
find(const struct dmarc_walk *w, const char *name, bool exists)
{
	for (struct dmarc_name *n = w->names; n != NULL; n = n->next) {
		if (n->exists == exists && strcmp(n->name, name) == 0)
			return n;
	}
	return NULL;
}

/* Find it or begin to ask.  NULL: no memory. */
static struct dmarc_name *
ask(struct dmarc_walk *w, const char *name, bool exists)
{
	struct dmarc_name *n = find(w, name, exists);
	const char *full = name;

	if (n != NULL)
		return n;
	n = arena_alloc(w->arena, sizeof(*n));
	if (n == NULL)
		return NULL;
	n->name = name;
	n->exists = exists;
	if (strlen(name) + (exists ? 0 : strlen(PREFIX)) > DNS_NAME_MAX) {
		n->known = true; /* no such name can be, so no record */
	} else if (w->count == DMARC_QUERIES_MAX) {
		n->known = n->temporary = true;
	} else {
		if (!exists)
			full = arena_printf(w->arena, PREFIX "%s", name);
		if (full == NULL)
			return NULL;
		n->query =
		    dns_start(w->dns, full, exists ? DNS_A : DNS_TXT);
		if (n->query == NULL)
			return NULL;
		w->count++;
	}
	n->next = w->names;
	w->names = n;
	return n;
}

int
dmarc_walk_ask_one(struct dmarc_walk *w, const char *name)
{
	return ask(w, name, false) == NULL ? ERR_NOMEM : 0;
}

int
dmarc_walk_ask(struct dmarc_walk *w, const char *domain)
{
	int rc = 0;

	for (const char *n = domain; n != NULL && rc == 0;
	     n = dmarc_walk_up(n))
		rc = dmarc_walk_ask_one(w, n);
	return rc;
}

int
dmarc_walk_ask_exists(struct dmarc_walk *w, const char *name)
{
	return ask(w, name, true) == NULL ? ERR_NOMEM : 0;
}

/* Steps 2 and 6: what is no DMARC record is not there, and two are none. */
static int
read_records(struct dmarc_walk *w, struct dmarc_name *n,
    const struct dns_answer *answer)
{
	struct dmarc_record *record = NULL;
	size_t found = 0;

	for (size_t i = 0; i < answer->count && found < 2; i++) {
		const struct dns_record *txt = &answer->records[i];
		struct dmarc_record parsed;
		int rc = dmarc_record_parse(w->arena,
		    (const char *)txt->data, txt->len, &parsed);

		if (rc == ERR_NOTFOUND)
			continue;
		if (rc == 0 && record == NULL)
			record = arena_alloc(w->arena, sizeof(*record));
		if (rc != 0 || record == NULL)
			return ERR_NOMEM;
		*record = parsed;
		found++;
	}
	n->record = found == 1 ? record : NULL;
	return 0;
}

static int
settle(struct dmarc_walk *w, struct dmarc_name *n)
{
	const struct dns_answer *answer;
	int rc = 0;

	if (!n->known) {
		answer = dns_collect(w->dns, n->query, w->wait);
		n->temporary = answer->status == DNS_TEMPFAIL ||
		    answer->status == DNS_TIMEOUT;
		n->missing = answer->status == DNS_NXDOMAIN ||
		    answer->status == DNS_BADNAME;
		if (!n->exists && answer->status == DNS_OK)
			rc = read_records(w, n, answer);
		n->known = rc == 0;
	}
	return rc != 0 ? rc : n->temporary ? ERR_TIMEOUT : 0;
}

int
dmarc_walk_record(struct dmarc_walk *w, const char *name,
    const struct dmarc_record **record_r)
{
	struct dmarc_name *n = ask(w, name, false);
	int rc = n == NULL ? ERR_NOMEM : settle(w, n);

	*record_r = rc == 0 ? n->record : NULL;
	return rc;
}

int
dmarc_walk_exists(struct dmarc_walk *w, const char *name, bool *yes_r)
{
	struct dmarc_name *n = ask(w, name, true);
	int rc = n == NULL ? ERR_NOMEM : settle(w, n);

	*yes_r = rc == 0 && !n->missing;
	return rc;
}

/* The name one label longer than `above` on the way up from `domain`, which the
 * walk may have left out. */
static const char *
one_below(const char *domain, const char *above)
{
	while (strchr(domain, '.') + 1 != above)
		domain = strchr(domain, '.') + 1;
	return domain;
}

int
dmarc_walk_org(struct dmarc_walk *w, const char *domain, const char **org_r,
    const char **psd_r)
{
	*org_r = domain; /* nothing found: the name itself */
	*psd_r = NULL;
	if (dmarc_walk_ask(w, domain) != 0)
		return ERR_NOMEM;
	for (const char *n = domain; n != NULL; n = dmarc_walk_up(n)) {
		const struct dmarc_record *record;
		int rc = dmarc_walk_record(w, n, &record);

		if (rc != 0)
			return rc;
		if (record != NULL && record->psd == DMARC_PSD_YES &&
		    n != domain) {
			*org_r = one_below(domain, n);
			*psd_r = n;
			return 0;
		}
		if (record != NULL)
			*org_r = n; /* the shortest so far */
		if (record != NULL && record->psd != DMARC_PSD_UNKNOWN)
			return 0;
	}
	return 0;
}

void
dmarc_walk_drop(struct dmarc_walk *w)
{
	for (struct dmarc_name *n = w->names; n != NULL; n = n->next) {
		dns_drop(w->dns, n->query);
		n->query = NULL;
	}
}
