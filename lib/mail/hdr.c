/* SPDX-License-Identifier: BSD-2-Clause */
#include "hdr.h"

#include <string.h>
#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/err.h"

static size_t
bare_length(const struct hdr *h)
{
	const char *colon = memchr(h->name, ':', h->name_len);
	size_t len = colon == NULL ? h->name_len : (size_t)(colon - h->name);

	while (len > 0 &&
	    (h->name[len - 1] == ' ' || h->name[len - 1] == '\t'))
		len--;
	return len;
}

bool
hdr_is(const struct hdr *h, const char *name)
{
	size_t len = strlen(name);

	return hdr_name_len(h) == len && strncasecmp(h->name, name, len) == 0;
}

static bool
same_name(const struct hdr *a, const struct hdr *b)
{
	size_t len = hdr_name_len(a);

	return hdr_name_len(b) == len &&
	    strncasecmp(a->name, b->name, len) == 0;
}

/* The index of a new field: one more than the last one of its name has. */
static unsigned
next_index(const struct hdr_list *l, const struct hdr *h)
{
	unsigned index = 1;

	for (const struct hdr *o = l->first; o != NULL; o = o->next) {
		if (same_name(o, h))
			index = o->index + 1;
	}
	return index;
}

/* Octets as sent: a fold is one "\n" here and CRLF on the wire. */
static size_t
wire_size(const struct hdr *h)
{
	size_t n = h->name_len + 1 + h->value_len + 2;

	for (size_t i = 0; i < h->value_len; i++)
		n += h->value[i] == '\n' && (i == 0 || h->value[i - 1] != '\r');
	return n;
}

int
hdr_add(struct hdr_list *l, struct arena *a, const char *name, size_t name_len,
    const char *value, size_t value_len)
{
	struct hdr *h = arena_alloc(a, sizeof(*h));

	if (h == NULL)
		return ERR_NOMEM;
	h->name = arena_memdup(a, name, name_len);
	h->value = arena_memdup(a, value, value_len);
	if (h->name == NULL || h->value == NULL)
		return ERR_NOMEM;
	h->name_len = name_len;
	h->value_len = value_len;
	h->bare_len = bare_length(h);
	h->index = next_index(l, h);
	if (l->last == NULL)
		l->first = h;
	else
		l->last->next = h;
	l->last = h;
	l->count++;
	l->bytes += wire_size(h);
	return 0;
}

const struct hdr *
hdr_find(const struct hdr_list *l, const char *name)
{
	for (const struct hdr *h = l->first; h != NULL; h = h->next) {
		if (hdr_is(h, name))
			return h;
	}
	return NULL;
}

const char *
hdr_repeated(const struct hdr_list *l)
{
	static const char *const once[] = {"From", "Date", "Sender", "Reply-To",
	    "To", "Cc", "Bcc", "Message-ID", "In-Reply-To", "References",
	    "Subject"};

	for (const struct hdr *h = l->first; h != NULL; h = h->next) {
		if (h->index != 2)
			continue;
		for (size_t i = 0; i < sizeof(once) / sizeof(*once); i++) {
			if (hdr_is(h, once[i]))
				return once[i];
		}
	}
	return NULL;
}

const char *
hdr_missing(const struct hdr_list *l)
{
	if (hdr_find(l, "From") == NULL)
		return "From";
	return hdr_find(l, "Date") == NULL ? "Date" : NULL;
}
