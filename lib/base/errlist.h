/*
 * Every mistake of a configuration, found in one go.
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Each is a text of the form `file:line: Keyword: what was expected`; one that
 * begins otherwise has no place.  They are handed out in the order in which a
 * person reads: those of a file that is included stand where its Include does.
 * For that, who reads files says what he reads (errlist_read); files of which
 * nothing was said come behind, each by its lines, and last what has no place.
 * Equal texts are one mistake.
 *
 * Used by one thread at a time.
 */
#ifndef LIB_BASE_ERRLIST_H
#define LIB_BASE_ERRLIST_H

#include <stdbool.h>
#include <stddef.h>

#define ERRLIST_SHOWN 100 /* mistakes that are told; more are counted */

struct errmsg;
struct errlist;

struct errlist *errlist_new(void); /* NULL: no memory */
void errlist_free(struct errlist *l);

/* Add one, cut off as a struct errmsg is.  Returns ERR_CONFIG, so that a check
 * can end in `return errlist_add(...)`.  A NULL list is fine. */
int errlist_add(struct errlist *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* The same of a message, with all that it says. */
int errlist_add_msg(struct errlist *l, const struct errmsg *msg);
/* Add all of another, each with `before` in front of it. */
void errlist_append(
    struct errlist *l, const char *before, const struct errlist *other);
/* So many more were found, of which there are no words. */
void errlist_more(struct errlist *l, size_t count);
/* The length of `file:line: ` in front of a text; 0: it has no place. */
size_t errlist_place(const struct errlist *l, const char *text);
/* Order by the files that were read for another list. */
void errlist_order_as(struct errlist *l, const struct errlist *other);
/* What comes next is read from this line of that file on. */
void errlist_read(struct errlist *l, const char *file, int line);

/* How many there are, those included that are not told. */
size_t errlist_count(const struct errlist *l);
/* Put them in order; to be called before errlist_get. */
void errlist_sort(struct errlist *l);
/* Mistake i in words; NULL: no more, or they are not told. */
const char *errlist_get(const struct errlist *l, size_t i);
/* Hand out all that are told, in order, and at last, in words, how many more
 * there are. */
void errlist_each(const struct errlist *l,
    void (*say)(const struct errmsg *msg, void *arg), void *arg);
/* The first one, for whom one is enough.  ERR_CONFIG, or 0: there is none. */
int errlist_first(struct errlist *l, struct errmsg *msg_r);

#endif
