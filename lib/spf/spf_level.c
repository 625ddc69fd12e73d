/*
 * Records and names in the course of an SPF check.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/dns/idna.h"
#include "lib/spf/spf_impl.h"

bool
spf_end(struct spf_check *c, enum spf_outcome outcome, const char *fmt, ...)
{
	va_list ap;

	if (c->decided)
		return false;
	c->decided = true;
	c->result->result = outcome;
	va_start(ap, fmt);
	c->result->reason = arena_vprintf(c->spf->arena, fmt, ap);
	va_end(ap);
	c->spf->failed |= c->result->reason == NULL;
	return false;
}

bool
spf_end_terms(struct spf_check *c)
{
	return spf_end(c, SPF_PERMERROR,
	    "more than %d terms that need look-ups", SPF_TERMS_MAX);
}

/* The name in a form for people and logs. */
static const char *
show(struct spf_check *c, const char *name)
{
	struct buf b = BUF_INIT;
	const char *text;

	buf_escape(&b, name, strlen(name), SPF_NAME_MAX);
	text = b.failed ? NULL : arena_strdup(c->spf->arena, buf_text(&b));
	buf_fini(&b);
	c->spf->failed |= text == NULL;
	return text == NULL ? "" : text;
}

/* Section 4.5: the one SPF record among the TXT records. */
static const struct dns_record *
select_record(
    struct spf_check *c, const char *domain, const struct dns_answer *a)
{
	const struct dns_record *found = NULL;

	for (size_t i = 0; i < a->count; i++) {
		if (!spf_record_is(a->records[i].data, a->records[i].len))
			continue;
		if (found != NULL) {
			spf_end(c, SPF_PERMERROR, "%s has more than one record",
			    show(c, domain));
			return NULL;
		}
		found = &a->records[i];
	}
	return found;
}

static const struct spf_record *
get_record(struct spf_check *c, const char *domain)
{
	const struct dns_answer *a = spf_answer_text(c, domain);
	const struct dns_record *text;
	struct spf_record *record;
	const char *bad;
	int rc;

	/* Every name asked for stands in a term of its own. */
	if (a == NULL) {
		if (!c->spf->failed)
			spf_end_terms(c);
		return NULL;
	}
	if (a->status == DNS_TEMPFAIL || a->status == DNS_TIMEOUT) {
		spf_end(c, SPF_TEMPERROR, "%s TXT: %s", show(c, domain),
		    a->status == DNS_TIMEOUT ? "timeout" : "no answer");
		return NULL;
	}
	if (a->status != DNS_OK ||
	    (text = select_record(c, domain, a)) == NULL)
		return NULL;
	rc = spf_record_parse(
	    c->spf->arena, text->data, text->len, &record, &bad);
	if (rc == ERR_SYNTAX) {
		spf_end(c, SPF_PERMERROR, "%s: not a term: %s",
		    show(c, domain), bad);
		return NULL;
	}
	c->spf->failed |= rc != 0;
	return rc == 0 ? record : NULL;
}

/* The ip4, ip6 or all that ends the evaluation of a record at the latest. */
static const struct spf_term *
find_let(const struct spf *s, const struct spf_record *r)
{
	for (size_t i = 0; i < r->count; i++) {
		if (r->terms[i].kind == SPF_ALL ||
		    spf_term_covers(&r->terms[i], s->v4, s->ip))
			return &r->terms[i];
	}
	return NULL;
}

/* False: its turn has not come. */
static bool
begin_term(
    struct spf_check *c, const struct spf_level *l, const struct spf_term *t)
{
	const char *name;

	if (t->kind == SPF_PTR) {
		spf_ask_begin_names(c->spf);
		return true;
	}
	if (t->use.any || (name = spf_level_name(c, l, t)) == NULL)
		return true;
	switch (t->kind) {
	case SPF_A:
		spf_ask(c->spf, name, spf_ask_family(c->spf));
		return true;
	case SPF_MX:
		spf_ask(c->spf, name, DNS_MX);
		return true;
	case SPF_EXISTS:
		spf_ask(c->spf, name, DNS_A);
		return true;
	default:
		return spf_ask_text(c, name);
	}
}

/*
 * As far as no macro stands in the way, and only so much: of all the records
 * of a check no more terms than it may evaluate.  An include inside an include
 * comes before what stands behind the outer one, so that names begun too early
 * would use up those that are needed: the first few at once, and then the next
 * one when evaluation comes to the last.
 */
void
spf_level_ahead(struct spf_check *c, struct spf_level *l)
{
	const struct spf_record *r = l->record;
	const struct spf_term *t;

	for (; l->ahead <= r->count && c->begun < SPF_TERMS_MAX; l->ahead++) {
		t = l->ahead < r->count ? &r->terms[l->ahead] : r->redirect;
		if (t == NULL || t == l->let)
			return;
		if (t->kind == SPF_IP4 || t->kind == SPF_IP6)
			continue;
		if (!begin_term(c, l, t))
			return;
		c->begun++;
	}
}

struct spf_level *
spf_level_load(struct spf_check *c, const char *domain)
{
	const struct spf_record *r = get_record(c, domain);
	struct spf_level *l;

	if (r == NULL || c->spf->failed)
		return NULL;
	l = arena_alloc(c->spf->arena, sizeof(*l));
	if (l == NULL) {
		c->spf->failed = true;
		return NULL;
	}
	l->domain = domain;
	l->record = r;
	l->let = find_let(c->spf, r);
	l->next = c->levels;
	c->levels = l;
	spf_level_ahead(c, l);
	return l;
}

/* %{p}: the domain itself, else a name below it, else any (section 7.3). */
static const char *
validated(void *ctx, const char *domain)
{
	struct spf *s = ctx;
	const char *best = NULL;

	spf_ask_names(s);
	for (size_t i = 0; i < s->name_count; i++) {
		if (strcasecmp(s->names[i], domain) == 0)
			return s->names[i];
		if (best == NULL && spf_name_below(s->names[i], domain))
			best = s->names[i];
	}
	if (best == NULL && s->name_count > 0)
		best = s->names[0];
	return best == NULL ? "unknown" : best;
}

void
spf_level_env(struct spf_check *c, const struct spf_level *l,
    struct spf_macro_env *env_r)
{
	const struct spf *s = c->spf;

	*env_r = (struct spf_macro_env){.local = c->local,
	    .sender_domain = c->sender_domain,
	    .domain = l->domain,
	    .helo = s->request.helo,
	    .host = s->request.host,
	    .v4 = s->v4,
	    .now = s->request.now,
	    .validated = validated,
	    .ctx = c->spf};
	memcpy(env_r->ip, s->ip, sizeof(env_r->ip));
}

/* A name from an expansion: a final dot goes, labels go from the left until it
 * fits (section 7.3), odd octets become \DDD; NULL: not a name. */
static const char *
make_name(struct spf *s, const char *text, size_t len)
{
	struct buf b = BUF_INIT;
	const char *dot, *name;
	size_t label = 0;

	if (len > 0 && text[len - 1] == '.')
		len--;
	while (len > SPF_NAME_MAX &&
	    (dot = memchr(text, '.', len)) != NULL) {
		len -= (size_t)(dot + 1 - text);
		text = dot + 1;
	}
	for (size_t i = 0; i <= len; i++) {
		if (i == len || text[i] == '.') {
			if (label == 0 || label > 63) {
				buf_fini(&b);
				return NULL;
			}
			label = 0;
			if (i < len)
				buf_char(&b, '.');
			continue;
		}
		label++;
		if (text[i] > 0x20 && text[i] < 0x7f && text[i] != '\\')
			buf_char(&b, text[i]);
		else
			buf_printf(&b, "\\%03u", (unsigned char)text[i]);
	}
	name = b.failed ? NULL : arena_strdup(s->arena, buf_text(&b));
	s->failed |= name == NULL;
	buf_fini(&b);
	return name;
}

bool
spf_level_mute(const struct spf_check *c, const struct spf_term *t)
{
	return t->use.local && !idna_is_ascii(c->local);
}

const char *
spf_level_name(
    struct spf_check *c, const struct spf_level *l, const struct spf_term *t)
{
	struct spf_macro_env env;
	struct buf b = BUF_INIT;
	const char *name = NULL;
	int rc;

	if (t->spec == NULL)
		return l->domain;
	if (spf_level_mute(c, t))
		return NULL;
	spf_level_env(c, l, &env);
	rc = spf_macro_expand(&env, t->spec, t->spec_len, &b);
	if (rc == 0 && b.len > 0)
		name = make_name(c->spf, b.data, b.len);
	c->spf->failed |= rc == ERR_NOMEM;
	buf_fini(&b);
	return name;
}

/* Section 6.2: whatever is wrong, there is no explanation then. */
const char *
spf_level_explain(struct spf_check *c, const struct spf_level *l)
{
	const struct dns_answer *a;
	struct spf_macro_env env;
	struct spf_macro_use use;
	struct buf b = BUF_INIT;
	const char *name, *out = NULL, *text;

	if (l->record->exp == NULL ||
	    (name = spf_level_name(c, l, l->record->exp)) == NULL ||
	    (a = spf_answer_text(c, name)) == NULL || a->status != DNS_OK ||
	    a->count != 1)
		return NULL;
	text = (const char *)a->records[0].data;
	if (!spf_macro_check(text, a->records[0].len, true, &use))
		return NULL;
	spf_level_env(c, l, &env);
	if (spf_macro_expand(&env, text, a->records[0].len, &b) == 0) {
		out = arena_strdup(c->spf->arena, buf_text(&b));
		/* What the client said may have come in by a macro. */
		for (size_t i = 0; out != NULL && i < b.len; i++) {
			if (b.data[i] < 0x20 || b.data[i] > 0x7e)
				out = NULL;
		}
	}
	buf_fini(&b);
	return out;
}
