/*
 * The pages, and what they have in common.
 * SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef MILTER_HTTP_PAGE_H
#define MILTER_HTTP_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

struct html;
struct now;
struct record;

/* -- page.c: the frame -- */

/* Everything before the content; title: of ours.  inside: the viewer may see
 * all, and gets the search field.  live: a script renews the page. */
void page_begin(struct html *h, const char *title, bool inside, bool live);
void page_end(struct html *h);
/* A whole page that says one thing. */
void page_words(struct html *h, const char *title, const char *words);
/* The form for the token; wrong: another was given. */
void page_login(struct html *h, bool wrong);

/* -- parts.c: what several pages show -- */

void part_time(struct html *h, struct timespec at);
/* The verdict as a word with its colour. */
void part_verdict(struct html *h, const struct record *r);
/* The Subject, decoded. */
void part_subject(struct html *h, const struct record *r);
/* Why it is so, as one sentence. */
void part_reason(struct html *h, const struct record *r);
/* A link to the page of the account. */
void part_account(struct html *h, const char *account);
void part_octets(struct html *h, double octets);
/* A limit and how much of it is used, as a bar with words. */
void part_limit(struct html *h, const char *kind, uint32_t window_s,
    double used, double limit);
/* A part of the whole, as a bar. */
void part_part(struct html *h, double share);
/* A list of decisions by their places in the ring, the first one last. */
void part_decisions(
    struct html *h, struct now *n, const uint64_t *places, size_t count);
/* A term and what follows of it, until html_close is called. */
void part_term(struct html *h, const char *term);
/* The head of a table, NULL-ended; a title that begins with a blank is of
 * numbers. */
void part_columns(struct html *h, const char *const *titles);
/* A section with a heading; html_close ends it. */
void part_section(struct html *h, const char *id, const char *title);

/* -- pages -- */

void page_home(struct html *h, struct now *n);
/* False: the ring does not have it. */
bool page_message(struct html *h, struct now *n, uint64_t place);
void page_find(struct html *h, struct now *n, const char *text);
/* account: in its one form.  False: nothing is known of it. */
bool page_account(struct html *h, struct now *n, const char *account);

#endif
