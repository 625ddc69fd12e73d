/*
 * A view of a mail (lib/text/mime.h) as one string.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_SUPPORT_DRIVERS_MIME_VIEW_H
#define T_SUPPORT_DRIVERS_MIME_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/text/mime.h"

struct buf;

/* Add the pieces with the word between them; sort: in the order of strcmp.
 * tlds may be NULL. */
void mime_view_text(struct buf *b, const char *mail, size_t len,
    enum mime_view_kind kind, const struct pslist *tlds, const char *between,
    bool sort);

#endif
