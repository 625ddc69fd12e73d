/*
 * Addresses in running text, where mail programs would make a link of them and
 * where spammers hope that a person will.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * SpamAssassin's rules: what begins with http://, https://, ftp://, www. or
 * ftp.; mail addresses; and names that end in a known top-level domain.
 */
#ifndef LIB_TEXT_URI_FIND_H
#define LIB_TEXT_URI_FIND_H

#include <stddef.h>

struct uri_clean;
struct uri_set;

/* Add the addresses in a piece of text, in all their forms.  seen: what was
 * found in other pieces, and need not be looked at again. */
void uri_find(const struct uri_clean *c, struct uri_set *seen, const char *text,
    size_t len);

#endif
