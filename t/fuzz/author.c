/*
 * Any From has authors, or is unreadable; then every domain that a mailbox has
 * is among those that could be seen in it.  SPDX-License-Identifier: BSD-2-Clause
 *
 * Fields are separated by NUL NUL, for a value may hold a NUL.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/dns/idna.h"
#include "lib/mail/author.h"
#include "lib/mail/hdr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
has_domain(const struct author *who, const char *domain)
{
	for (size_t i = 0; i < who->domain_count; i++) {
		if (strcmp(who->domains[i], domain) == 0)
			return true;
	}
	return false;
}

static void
check(struct arena *a, const struct author *who)
{
	if ((who->state == AUTHOR_UNREADABLE) != (who->why != NULL) ||
	    (who->state == AUTHOR_NONE) != (who->fields == 0) ||
	    (who->state == AUTHOR_ONE && who->domain_count != 1) ||
	    (who->state != AUTHOR_UNREADABLE && who->seen_count > 0) ||
	    who->domains_read > who->domain_count ||
	    who->domain_count > AUTHOR_DOMAINS_MAX ||
	    (who->more && who->domain_count < AUTHOR_DOMAINS_MAX))
		abort();
	for (size_t i = 0; i < who->count; i++) {
		const char *domain;

		(void)idna_ascii(a, who->list[i].domain, &domain);
		if (domain == NULL
			? who->state != AUTHOR_UNREADABLE
			: !who->more && !has_domain(who, domain))
			abort();
	}
	for (size_t i = 0; i < who->domain_count; i++) {
		const char *name;

		if (idna_ascii(a, who->domains[i], &name) != 0 ||
		    strcmp(name, who->domains[i]) != 0)
			abort();
	}
}

/* What can be read is seen, too, once it can't be read for a stray sign. */
static void
spoil(struct arena *a, const struct author *before, const struct hdr *h)
{
	char *value = arena_alloc(a, h->value_len + 2);
	struct hdr spoilt = *h;
	struct author who;

	memcpy(value, h->value, h->value_len);
	value[h->value_len] = ',';
	value[h->value_len + 1] = '>';
	spoilt.value = value;
	spoilt.value_len += 2;
	if (author_read_field(a, &spoilt, &who) != 0 ||
	    who.state != AUTHOR_UNREADABLE)
		abort();
	who.domain_count -= who.domains_read;
	memmove(who.domains, who.domains + who.domains_read,
	    who.domain_count * sizeof(*who.domains));
	for (size_t i = 0; i < who.seen_count; i++) {
		if (who.domain_count < AUTHOR_DOMAINS_MAX &&
		    !has_domain(&who, who.seen[i].domain))
			who.domains[who.domain_count++] = who.seen[i].domain;
	}
	for (size_t i = 0; i < before->domain_count && !who.more &&
	     who.seen_count < ADDR_LIST_MAX; i++) {
		if (!has_domain(&who, before->domains[i]))
			abort();
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data, *end = p + size;
	struct hdr_list list = {.first = NULL};
	struct author who;
	struct arena a;

	arena_init(&a);
	while (p < end) {
		const char *stop = memmem(p, (size_t)(end - p), "\0\0", 2);

		if (stop == NULL)
			stop = end;
		hdr_add(&list, &a, "From", 4, p, (size_t)(stop - p));
		p = stop == end ? end : stop + 2;
	}
	if (author_read(&a, &list, &who) != 0)
		abort();
	check(&a, &who);
	if (who.state == AUTHOR_ONE)
		spoil(&a, &who, list.first);
	arena_fini(&a);
	return 0;
}
