/*
 * What SpamAssassin's plugin FreeMail makes of text: which words are addresses,
 * and which of them say nothing about a person.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef LIB_RULES_RULES_FREEMAIL_TEXT_H
#define LIB_RULES_RULES_FREEMAIL_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct pslist;

/* `*` stands for any characters but dots, `?` for one. */
bool freemail_glob(const char *glob, const char *text);

/* Is the local part (lower case) an office's or a machine's, not a person's? */
bool freemail_is_role(const char *local, size_t len);
/* Is that of an envelope's sender a list's? */
bool freemail_is_bulk(const char *local, size_t len);

/* Hears of an address, which is part of the text; cited: it stands in <> or
 * before `wrote:`. */
typedef void freemail_fn(
    void *ctx, const char *address, size_t len, bool cited);

/* The addresses in a paragraph, without those in http addresses.  tlds NULL:
 * any word may be a top-level domain. */
void freemail_text(const struct pslist *tlds, const char *text, size_t len,
    freemail_fn *fn, void *ctx);
/* The address of a link, if it is `mailto:`. */
void freemail_link(const struct pslist *tlds, const char *uri, size_t len,
    freemail_fn *fn, void *ctx);

#endif
