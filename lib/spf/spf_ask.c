/*
 * What SPF asks of the DNS.  SPDX-License-Identifier: BSD-2-Clause
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/spf/spf_impl.h"

struct spf_ask *
spf_ask(struct spf *s, const char *name, enum dns_type type)
{
	struct spf_ask *a;

	for (a = s->asks; a != NULL; a = a->next) {
		if (a->type == type && strcasecmp(a->name, name) == 0)
			return a;
	}
	a = arena_alloc(s->arena, sizeof(*a));
	if (a == NULL || (a->name = arena_strdup(s->arena, name)) == NULL ||
	    (a->query = dns_start(s->dns, name, type)) == NULL) {
		s->failed = true;
		return NULL;
	}
	a->type = type;
	a->next = s->asks;
	s->asks = a;
	return a;
}

const struct dns_answer *
spf_answer(struct spf *s, const char *name, enum dns_type type)
{
	struct spf_ask *a = spf_ask(s, name, type);

	return a == NULL ? NULL : dns_collect(s->dns, a->query, s->wait);
}

/* The name among those of the check; NULL: it is one too many. */
static struct spf_text *
get_text(struct spf_check *c, const char *name)
{
	struct spf_ask *a;

	for (size_t i = 0; i < c->text_count; i++) {
		if (strcasecmp(c->texts[i].ask->name, name) == 0)
			return &c->texts[i];
	}
	if (c->text_count == SPF_TEXTS_MAX ||
	    (a = spf_ask(c->spf, name, DNS_TXT)) == NULL)
		return NULL;
	c->texts[c->text_count] = (struct spf_text){.ask = a};
	return &c->texts[c->text_count++];
}

bool
spf_ask_text(struct spf_check *c, const char *name)
{
	size_t unwanted = 0;

	for (size_t i = 0; i < c->text_count; i++)
		unwanted += !c->texts[i].wanted;
	return (unwanted == 0 || c->text_count < SPF_AHEAD_MAX) &&
	    get_text(c, name) != NULL;
}

const struct dns_answer *
spf_answer_text(struct spf_check *c, const char *name)
{
	struct spf_text *t = get_text(c, name);

	if (t == NULL)
		return NULL;
	t->wanted = true;
	return dns_collect(c->spf->dns, t->ask->query, c->spf->wait);
}

void
spf_ask_drop(struct spf *s)
{
	for (struct spf_ask *a = s->asks; a != NULL; a = a->next)
		dns_drop(s->dns, a->query);
	s->asks = NULL;
}

enum dns_type
spf_ask_family(const struct spf *s)
{
	return s->v4 ? DNS_A : DNS_AAAA;
}

bool
spf_ask_has_client(const struct spf *s, const struct dns_answer *a)
{
	size_t len = s->v4 ? 4 : 16;

	for (size_t i = 0; a->status == DNS_OK && i < a->count; i++) {
		if (a->records[i].len == len &&
		    memcmp(a->records[i].data, s->ip, len) == 0)
			return true;
	}
	return false;
}

static void
reverse_name(const struct spf *s, char out[80])
{
	char *p = out;

	if (s->v4) {
		snprintf(out, 80, "%u.%u.%u.%u.in-addr.arpa", s->ip[3],
		    s->ip[2], s->ip[1], s->ip[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		p += sprintf(p, "%x.%x.", s->ip[i] & 15, s->ip[i] >> 4);
	strcpy(p, "ip6.arpa");
}

void
spf_ask_begin_names(struct spf *s)
{
	char name[80];

	reverse_name(s, name);
	spf_ask(s, name, DNS_PTR);
}

static const char *
record_name(struct spf *s, const struct dns_record *r)
{
	const char *name = arena_memdup(s->arena, r->data, r->len);

	s->failed |= name == NULL;
	return name;
}

/* RFC 7208 section 5.5: the first ten names are looked at; an error in one
 * leaves that one out. */
bool
spf_ask_names(struct spf *s)
{
	const struct dns_answer *ptr, *a;
	const char *names[SPF_PTR_MAX];
	char reverse[80];
	size_t count = 0;

	reverse_name(s, reverse);
	ptr = spf_answer(s, reverse, DNS_PTR);
	if (ptr == NULL || ptr->status != DNS_OK)
		return ptr != NULL && ptr->status != DNS_NODATA &&
		    ptr->status != DNS_NXDOMAIN;
	if (s->names_done)
		return true;
	s->names_done = true;
	for (size_t i = 0; i < ptr->count && i < SPF_PTR_MAX; i++) {
		names[count] = record_name(s, &ptr->records[i]);
		if (names[count] != NULL && *names[count] != '\0')
			spf_ask(s, names[count++], spf_ask_family(s));
	}
	for (size_t i = 0; i < count && !s->failed; i++) {
		a = spf_answer(s, names[i], spf_ask_family(s));
		if (a != NULL && spf_ask_has_client(s, a))
			s->names[s->name_count++] = names[i];
	}
	return true;
}

bool
spf_name_below(const char *name, const char *domain)
{
	size_t n = strlen(name), d = strlen(domain);

	return n >= d && strcasecmp(name + n - d, domain) == 0 &&
	    (n == d || name[n - d - 1] == '.');
}
