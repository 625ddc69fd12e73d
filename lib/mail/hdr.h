/*
 * The header fields of a message, in the order received (RFC 5322 section 2.2).
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * A value is kept as it stood behind the colon: with its leading white space,
 * folds as "\n" followed by white space, without the line end.  Names and
 * values are NUL-terminated for convenience, but may hold NULs: use the length.
 */
#ifndef LIB_MAIL_HDR_H
#define LIB_MAIL_HDR_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

struct hdr {
	const char *name, *value;
	size_t name_len, value_len;
	size_t bare_len; /* see hdr_name_len */
	unsigned index; /* among the fields of this name, from 1 */
	struct hdr *next;
};

struct hdr_list {
	struct hdr *first, *last;
	size_t count;
	size_t bytes; /* as sent: names, colons, values, line ends */
};

/* Add a copy (made in the arena) at the end.  0, or ERR_NOMEM. */
int hdr_add(struct hdr_list *l, struct arena *a, const char *name,
    size_t name_len, const char *value, size_t value_len);

/* Octets of the name up to a colon, without the white space that may stand
 * before it (RFC 5322 section 4.5.8): to readers of the message that is the
 * name. */
static inline size_t
hdr_name_len(const struct hdr *h)
{
	return h->bare_len;
}

/* Is this the field's name? ASCII case does not matter. */
bool hdr_is(const struct hdr *h, const char *name);
/* The first field of that name; NULL: there is none. */
const struct hdr *hdr_find(const struct hdr_list *l, const char *name);

/* RFC 5322 section 3.6 says how often a field may be there: the name of the
 * first one that is there too often, as it is spelled there; NULL: none. */
const char *hdr_repeated(const struct hdr_list *l);
/* The name of a field that has to be there and is not; NULL: none. */
const char *hdr_missing(const struct hdr_list *l);

#endif
