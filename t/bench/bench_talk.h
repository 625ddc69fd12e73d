/*
 * A mail handed to filters as Postfix does: each command of the envelope to one
 * after the other, then the whole mail to the first, and with what that added
 * to the next.  SPDX-License-Identifier: BSD-2-Clause
 */
#ifndef T_BENCH_BENCH_TALK_H
#define T_BENCH_BENCH_TALK_H

#include <stdbool.h>
#include <stddef.h>

#define BENCH_FILTERS_MAX 2

struct bench_mail;
struct mta;

struct bench_talk {
	struct mta *filters[BENCH_FILTERS_MAX];
	size_t count;
	size_t edits; /* of the last mail, by all filters */
};

/* Connect to filters at `sockets` (as mta_open takes them) and negotiate.  0,
 * or a negative ERR_, as from all of these. */
int bench_talk_open(
    struct bench_talk *t, const char *const *sockets, size_t count);
/* Connection and HELO. */
int bench_talk_greet(struct bench_talk *t, const struct bench_mail *mail);
/* MAIL to the last filter's reply.  login NULL: nobody logged in. */
int bench_talk_send(
    struct bench_talk *t, const struct bench_mail *mail, const char *login);
/* quit: say so first. */
void bench_talk_close(struct bench_talk *t, bool quit);

#endif
