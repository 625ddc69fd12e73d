/*
 * Tag lists, `name=value; name=value` (RFC 6376 section 3.2), as signatures and
 * key records are written in.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_DKIM_DKIM_TAGS_H
#define LIB_DKIM_DKIM_TAGS_H

#include <stdbool.h>
#include <stddef.h>

struct arena;

#define DKIM_TAGS_MAX 64 /* tags in a list */

struct dkim_tag {
	const char *name, *value; /* not terminated; no white space at the ends
	    of the value, any of it (folds too) inside */
	size_t name_len, value_len;
	bool spaced; /* white space stands between name and "=" */
};

struct dkim_tags {
	size_t count;
	struct dkim_tag list[DKIM_TAGS_MAX];
};

/* Take a list apart; the tags point into text.  0; ERR_SYNTAX: not a list, a
 * control character in it, or a tag twice; ERR_LIMIT: too many tags. */
int dkim_tags_read(const char *text, size_t len, struct dkim_tags *tags_r);
/* NULL: no such tag.  Case matters. */
const struct dkim_tag *dkim_tags_find(
    const struct dkim_tags *tags, const char *name);

/* Is the value this word?  Case matters. */
bool dkim_tag_is(const struct dkim_tag *tag, const char *word);
/* Is the word an item of the value, a list with ":" between the items? */
bool dkim_tag_has(const struct dkim_tag *tag, const char *word);
/* A copy without any white space; NULL: no memory. */
char *dkim_tag_text(const struct dkim_tag *tag, struct arena *a);
/* The octets of base64, with white space in it or not, the padding at its end
 * or not.  *bytes_r is in the arena.  0, ERR_SYNTAX or ERR_NOMEM. */
int dkim_tag_base64(const struct dkim_tag *tag, struct arena *a,
    unsigned char **bytes_r, size_t *len_r);

#endif
